"""Which faces are for training, which for testing, and which hold pairs that training has never seen."""

import functools
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from ..core import Dataset, hashes
from .drawing import draw, visible
from .factors import ATTRIBUTES, COLUMN, FACTORS, HELD_OUT, SHARES, WORDS, rows, value_index, word_index, word_of

SPLITS = ("train", "test", "held_out")


@functools.cache
def chances(name: str) -> np.ndarray:
    """The cumulative probabilities of a factor's values, but for the last, which is 1."""
    words = [word_of(value) for value in FACTORS[name]]
    share = SHARES.get(name, {word: 1 / len(WORDS[name]) for word in words})
    return np.cumsum([share[word] / words.count(word) for word in words])[:-1]


def random_factors(n: int, seed: int = 0, **fixed: str) -> Tensor:
    """Factors of n random faces, int64 (n, 17): all independent, words as often as `SHARES` says. Held-out pairs come, too.

    Args:
        fixed: values, or words of which each value comes equally often: `random_factors(9, hair="long", glasses="none")`

    Raises:
        ValueError: an unknown factor or value; the message lists the valid ones
    """
    # RandomState's stream is frozen for good
    uniform = np.random.RandomState(seed).random_sample((n, len(FACTORS)))
    y = torch.from_numpy(np.stack([np.searchsorted(chances(name), uniform[:, i], "right") for i, name in enumerate(FACTORS)], 1))
    for name, value in fixed.items():
        index = value_index(name, value)
        fitting = [index] if value in FACTORS[name] else (word_index(name) == word_index(name)[index]).nonzero()[:, 0]
        y[:, COLUMN[name]] = torch.as_tensor(fitting)[torch.from_numpy(uniform[:, COLUMN[name]] * len(fitting)).long()]
    return y


def held_out(y: Tensor) -> Tensor:
    """Which of the pairs `HELD_OUT` each face has, bool (n, pairs)."""
    y = rows(y)

    def has(name: str, word: str) -> Tensor:
        return word_index(name)[y[:, COLUMN[name]]] == WORDS[name].index(word)

    return torch.stack([has(a, word_a) & has(b, word_b) for a, word_a, b, word_b in HELD_OUT], 1)


@functools.cache
def unseen() -> tuple[Tensor, Tensor]:
    """The test faces; kept, since the training faces are drawn around them."""
    return drawn_once(random_factors(14_000, seed=1), 10_000, [])


def drawn_once(y: Tensor, n: int, known: Iterable[str]) -> tuple[Tensor, Tensor]:
    """The first n faces without a held-out pair whose image has not come before and has none of the known hashes."""
    y = y[~held_out(y).any(1)][: n + n // 100]
    x, met, chosen = draw(y), set(known), []
    for i, mark in enumerate(hashes(x)):
        if mark not in met:
            met.add(mark)
            chosen.append(i)
    return x[chosen[:n]], y[chosen[:n]]


def load(split: str = "train") -> Dataset:
    """One split of the faces, drawn when asked for: x uint8 (n, 3, 16, 16), y int64 (n, 17), a column for each of `FACTORS`.

    | split | faces | |
    |---|---|---|
    | train | 60,000 | no held-out pair, no image twice |
    | test | 10,000 | the same; no image of train |
    | held_out | 5,000 | 1,000 with each pair of `HELD_OUT`, where both can be seen |

    Raises:
        ValueError: an unknown split

    Source: parts by DiceBear, "Pixel Art" 9.4.3, CC0 1.0; beards by us, CC0 1.0. Nobody's face is among them.
    """
    if split not in SPLITS:
        raise ValueError(f"faces has no split {split!r}: choose one of {', '.join(SPLITS)}.")
    if split == "held_out":
        y = torch.cat([with_pair(k, 1_000) for k in range(len(HELD_OUT))])
        x = draw(y)
    else:
        x, y = (part.clone() for part in unseen())  # whoever changes them in place changes their own
        if split == "train":
            x, y = drawn_once(random_factors(84_000), 60_000, hashes(x))
    return Dataset("faces", split, x, y, factors={name: len(values) for name, values in FACTORS.items()})


def with_pair(k: int, n: int) -> Tensor:
    """Factors of n faces in which pair k can be seen."""
    a, word_a, b, word_b = HELD_OUT[k]
    y = random_factors(4 * n, seed=2 + k, **{a: word_a, b: word_b})
    return y[visible(y, words=True)[:, [list(ATTRIBUTES).index(name) for name in (a, b)]].all(1)][:n]
