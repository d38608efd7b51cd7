"""The factors of a face: their values, the words for them, and the colours."""

import functools
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..core import describe

SIZE = 16
# of the browns, and of the paler eyes, lips and earrings, those that can be told apart; `draw` takes any other as #rrggbb
PALETTE = {
    "skin": "light1 ffdbac light2 f5cfa0 tan1 eac393 tan2 e0b687 brown1 cb9e6e brown2 b68655 dark1 a26d3d dark2 8d5524",
    "hair_colour": "blond1 cab188 blond2 a78961 brown1 83623b brown2 603a14 brown3 611c17 black 28150a red bd1700 blue 009bbd green 91cb15",
    "eye_colour": "grey 76778b blue 5b7c8b brown 876658",
    "glasses_colour": "black1 191919 black2 323232 black3 4b4b4b blue 43677d green 5f705c red a04b5d",
    "mouth_colour": "rose c98276 pink e35d6a red de0f0d",
    "clothing_colour": "blue1 5bc0de blue2 428bca blue3 03396c green1 88d8b0 green2 44c585 green3 00b159 red1 ff6f69 red2 d11141 "
    "red3 ae0001 yellow1 ffeead yellow2 ffd969 yellow3 ffc425",
    "hat_colour": "brown 2e1e05 blue 2663a3 grey 989789 green 3d8a6b pink cc6192 purple 614f8a red a62116",
    "earring_colour": "gold1 ffd700 gold2 daa520 silver1 d3d3d3 silver2 a9a9a9",
    "background": "pink ffd5dc blue b6e3f4 peach ffdfbf purple c0aede lavender d1d4f9",
}
COLOURS = {
    name: {value: tuple(bytes.fromhex(code)) for value, code in zip(text.split()[::2], text.split()[1::2])}
    for name, text in PALETTE.items()
}


def numbered(word: str, count: int) -> tuple[str, ...]:
    return tuple(f"{word}{i + 1:02}" for i in range(count))


FACTORS: dict[str, tuple[str, ...]] = {
    "skin": tuple(COLOURS["skin"]),
    "hair": numbered("short", 24) + numbered("long", 21),
    "hair_colour": tuple(COLOURS["hair_colour"]),
    "eyes": numbered("eyes", 12),
    "eye_colour": tuple(COLOURS["eye_colour"]),
    "glasses": ("none", *numbered("dark", 7), *numbered("light", 7)),
    "glasses_colour": tuple(COLOURS["glasses_colour"]),
    "beard": ("none", *numbered("beard", 8)),
    "mouth": numbered("happy", 13) + numbered("sad", 10),
    "mouth_colour": tuple(COLOURS["mouth_colour"]),
    "clothing": numbered("shirt", 23),
    "clothing_colour": tuple(COLOURS["clothing_colour"]),
    "hat": ("none", *numbered("hat", 10)),
    "hat_colour": tuple(COLOURS["hat_colour"]),
    "earrings": ("none", *numbered("earrings", 4)),
    "earring_colour": tuple(COLOURS["earring_colour"]),
    "background": tuple(COLOURS["background"]),
}
COLUMN = {name: i for i, name in enumerate(FACTORS)}
# which factor chooses the drawing of a part, and which the colour of a slot
CHOSEN_BY = {"accessories": "earrings"} | {name: name for name in ("clothing", "eyes", "glasses", "beard", "mouth", "hair", "hat")}
COLOURED_BY = {"skin": "skin", "accessories": "earring_colour", "eyes": "eye_colour"} | {
    name: f"{name}_colour" for name in ("clothing", "glasses", "mouth", "hair", "hat")
}


def word_of(value: str) -> str:
    """The word that stands for a value and all of its kind: `long07` → `long`."""
    return value.rstrip("0123456789")


WORDS = {name: tuple(dict.fromkeys(map(word_of, values))) for name, values in FACTORS.items()}
# what captions speak of, by word: what conditional models are told
ATTRIBUTES = {
    name: WORDS[name]
    for name in ("skin", "hair", "hair_colour", "glasses", "beard", "mouth", "clothing_colour", "hat", "hat_colour", "background")
}
KINDS = tuple(len(words) for words in ATTRIBUTES.values())  # how many words each of them has
# how often each word comes; words that are not here come equally often, and so do the values of one word
SHARES = {
    "glasses": {"none": 0.5, "dark": 0.25, "light": 0.25},
    "beard": {"none": 0.7, "beard": 0.3},
    "hat": {"none": 0.7, "hat": 0.3},
    "earrings": {"none": 0.7, "earrings": 0.3},
}
# pairs of words that neither train nor test holds together, though each alone is common there
HELD_OUT = (
    ("hair_colour", "red", "clothing_colour", "green"),
    ("hair_colour", "blue", "glasses", "dark"),
    ("hair_colour", "green", "beard", "beard"),
    ("hat", "hat", "glasses", "light"),
    ("skin", "tan", "background", "lavender"),
)
TYPICAL = {"happy": "happy06", "sad": "sad06"}  # which value a word means by itself, where that is not the first


def value_index(name: str, value: str) -> int:
    """The place of a value, or of the one that a word means, in `FACTORS[name]`; ValueError lists the valid ones."""
    known_factor(name)
    values = FACTORS[name]
    if value in values:
        return values.index(value)
    if value in WORDS[name]:
        return values.index(TYPICAL.get(value, next(v for v in values if word_of(v) == value)))
    numbers = "" if len(WORDS[name]) == len(values) else f", or one drawing or shade of a word: {', '.join(values)}"
    raise ValueError(f"{name} has no value {value!r}: choose one of {', '.join(WORDS[name])}{numbers}.")


def known_factor(name: str) -> None:
    if name not in FACTORS:
        raise ValueError(f"Faces have no factor {name!r}: choose among {', '.join(FACTORS)}.")


def rows(y: Tensor | np.ndarray, name: str = "y") -> Tensor:
    """y as int64 (n, 17) on the CPU, after a look at it: each number says which value of `FACTORS` a factor has.

    Raises:
        ValueError: another shape or type, or a number that no value of its factor has; the message begins with `name`
    """
    y = torch.as_tensor(y)
    integers = not (y.is_floating_point() or y.is_complex() or y.dtype == torch.bool)
    if y.is_meta or not integers or y.ndim not in (1, 2) or y.shape[-1] != len(FACTORS):
        raise ValueError(f"{name} must hold whole numbers, (n, {len(FACTORS)}), one for each of {', '.join(FACTORS)}; got {describe(y)}.")
    y = y.cpu().long().view(-1, len(FACTORS))
    wrong = (y < 0) | (y >= torch.tensor([len(values) for values in FACTORS.values()]))
    if wrong.any():
        row, column = wrong.nonzero()[0].tolist()
        factor = list(FACTORS)[column]
        last = len(FACTORS[factor]) - 1
        raise ValueError(f"{name}: {factor} goes from 0 ({FACTORS[factor][0]}) to {last} ({FACTORS[factor][-1]}), got {y[row, column]}.")
    return y


def row(factors: Mapping[str, str]) -> Tensor:
    """The factors of one face by name, `{"hair": "long", "mouth": "sad03"}`, as int64 (17,); what is not named is as in the plain face.

    Raises:
        ValueError: an unknown factor or value; the message lists the valid ones
    """
    y = torch.zeros(len(FACTORS), dtype=torch.int64)
    for name, value in {"mouth": "happy", **factors}.items():
        y[COLUMN.get(name, 0)] = value_index(name, value)
    return y


def named(y: Tensor) -> dict[str, str] | list[dict[str, str]]:
    """The values' names, factor → value: of one face (17,), or of each of many (n, 17)."""
    found = [{name: values[i] for (name, values), i in zip(FACTORS.items(), line)} for line in rows(y).tolist()]
    return found if torch.as_tensor(y).ndim == 2 else found[0]


def attributes(y: Tensor) -> Tensor:
    """(n, 17) → (n, 10): which word of `ATTRIBUTES` each factor that captions speak of has."""
    y = rows(y)
    return torch.stack([word_index(name)[y[:, COLUMN[name]]] for name in ATTRIBUTES], 1)


def told(words: Mapping[str, str]) -> Tensor:
    """What a model is told by words, as `parse` finds them: int64 (10,), −1 for what is not said. `{"glasses": "dark"}` asks for no more.

    Raises:
        ValueError: a factor or word that captions do not speak of; the message lists the valid ones
    """
    y = torch.full((len(ATTRIBUTES),), -1)
    for name, word in words.items():
        if name not in ATTRIBUTES:
            raise ValueError(f"captions do not speak of {name!r}: choose among {', '.join(ATTRIBUTES)}.")
        if word not in ATTRIBUTES[name]:
            raise ValueError(f"{name} has no word {word!r}: choose one of {', '.join(ATTRIBUTES[name])}.")
        y[list(ATTRIBUTES).index(name)] = ATTRIBUTES[name].index(word)
    return y


@functools.cache
def word_index(name: str) -> Tensor:
    """For each value of a factor, the place of its word in `WORDS`, int64."""
    return torch.tensor([WORDS[name].index(word_of(value)) for value in FACTORS[name]])


def change(y: Tensor, **factors: str) -> Tensor:
    """The same faces, (n, 17), with other values for some factors: `draw` of it differs only where those are drawn.

    A word changes only faces that it does not fit already: `hair="long"` keeps each long style.

    Raises:
        ValueError: an unknown factor or value; the message lists the valid ones
    """
    changed = rows(y).clone()
    for name, value in factors.items():
        index, column = value_index(name, value), changed[:, COLUMN[name]]
        fits = torch.zeros(len(column), dtype=torch.bool) if value in FACTORS[name] else word_index(name)[column] == word_index(name)[index]
        column[~fits] = index
    return changed.view(torch.as_tensor(y).shape)
