"""Captions: what a face shows, in plain English, and back."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from .drawing import visible
from .factors import ATTRIBUTES, FACTORS, attributes, rows

MOODS = {"happy": ("smiling", "happy"), "sad": ("sad", "frowning")}
CLOTHES = ("shirt", "top", "sweater")
BY_ITSELF = {mood: ("mouth", word) for word, moods in MOODS.items() for mood in moods}
# a noun of captions, and the factors that the words before it tell: of kind, and of colour
NOUNS = {
    "skin": ("skin",),
    "hair": ("hair", "hair_colour"),
    "glasses": ("glasses",),
    "beard": ("beard",),
    "hat": ("hat", "hat_colour"),
    **dict.fromkeys(CLOTHES, ("clothing_colour",)),
    "background": ("background",),
}
WITHOUT = {"glasses": "without glasses", "beard": "without a beard", "hat": "without a hat"}
FILLERS = ("a", "an", "and", "face", "has", "in", "of", "on", "person", "portrait", "someone", "the", "wears", "wearing", "who", "with")
VOCABULARY = tuple(
    sorted(
        {*FILLERS, *NOUNS, *BY_ITSELF, "no", "without"}
        | {word for name in ATTRIBUTES if name != "mouth" for word in ATTRIBUTES[name]} - {"none"}
    )
)


def captions(y: Tensor) -> list[str]:
    """What can be seen in each face, for factors (n, 17): "a smiling face with long red hair, dark glasses and a green shirt", …

    There are four wordings and several words for some things; which are taken, and whether skin, background and what is missing are
    mentioned, depends on the factors alone. Mood, hair, glasses, beard, hat and shirt always are, where they can be seen.
    """
    y = rows(y)
    # a number with 64 mixed-up bits for each face (splitmix64)
    h = y.numpy().astype(np.uint64) @ np.cumprod([1] + [len(v) for v in FACTORS.values()][:-1], dtype=np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        h = (h ^ (h >> np.uint64(shift))) * np.uint64(factor)
    seen = visible(y, words=True)
    texts = [
        {name: ATTRIBUTES[name][i] if s else "" for name, i, s in zip(ATTRIBUTES, *line)}
        for line in zip(attributes(y).tolist(), seen.tolist())
    ]
    return [caption(words, bits) for words, bits in zip(texts, h.tolist())]


def caption(words: Mapping[str, str], bits: int) -> str:
    """One caption from the words of a face, "" for what cannot be seen. `bits` choose the wording."""

    def choose(options: Sequence[str]) -> str:
        nonlocal bits
        bits, i = divmod(bits, len(options))
        return options[i]

    mood = choose(MOODS[words["mouth"]])
    wording = choose("abcd")
    hair = [" ".join(filter(None, (words["hair"], words["hair_colour"], "hair")))] if words["hair"] or words["hair_colour"] else []
    skin = [f"{words['skin']} skin"] if choose("0123") == "0" else []
    glasses = [f"{words['glasses']} glasses"] if words["glasses"] not in ("", "none") else []
    beard = ["a beard"] if words["beard"] == "beard" else []
    hat = [article(f"{words['hat_colour']} hat")] if words["hat"] == "hat" else []
    shirt = [article(f"{words['clothing_colour']} {choose(CLOTHES)}")]
    ground = f" on {article(words['background'])} background" if choose("0123") == "0" else ""
    absent = [thing for thing in ("glasses", "beard", "hat") if words[thing] == "none"]
    absent = [choose(absent)] if absent and choose("0123") == "0" else []
    no = [f"no {thing}" for thing in absent]
    if wording == "a":
        return f"a {mood} face with {listed(skin + hair + glasses + beard + hat + shirt + no)}{ground}"
    if wording == "b":
        details = hair + skin + beard + glasses + no
        return f"a {mood} person in {listed(shirt + hat)}{f' with {listed(details)}' if details else ''}{ground}"
    if wording == "c":
        return ", ".join(
            [*hair, *hat, *glasses, *beard, *shirt, *skin, *(choose((f"no {thing}", WITHOUT[thing])) for thing in absent), mood]
        ) + ground.replace(" on", ",", 1)
    has, wears = listed(skin + hair + beard + no), listed(shirt + glasses + hat)
    return f"portrait of a {mood} person who {f'has {has} and ' if has else ''}wears {wears}{ground}"


def article(text: str) -> str:
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def phrase(name: str, word: str) -> str:
    """ "hair_colour", "green" → "green hair": a word with what it is said of."""
    noun = {"hair_colour": "hair", "clothing_colour": "top"}.get(name, name)
    text = noun if word == noun else f"{word} {noun}"
    return text if noun in ("hair", "glasses", "skin") else article(text)


def listed(parts: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def parse(text: str) -> dict[str, str]:
    """What a caption says, factor → word: "dark glasses, red hair" → {"glasses": "dark", "hair_colour": "red"}. `draw` takes it.

    Raises:
        ValueError: a word that captions do not have, one that does not go with what follows it, or two that contradict each other
    """
    if not isinstance(text, str) or not re.search(r"\w", text):
        raise ValueError(f"a caption is a text such as 'a smiling face with long red hair', got {text!r}")
    said: dict[str, str] = {}

    def say(name: str, word: str, because: str) -> None:
        if said.setdefault(name, word) != word:
            raise ValueError(f"{because!r} contradicts what {text!r} said before: {name} is {said[name]}")

    before: list[str] = []
    for word in re.findall(r"[^\s,.;]+", text.lower()):
        if word not in VOCABULARY:
            raise ValueError(f"cannot read {word!r} in {text!r}; the words of captions are {', '.join(VOCABULARY)}")
        if word in BY_ITSELF:
            say(*BY_ITSELF[word], word)
        elif word in NOUNS:
            told_of(word, before, say)
            before = []
        elif word not in FILLERS:
            before.append(word)
    if before:
        raise ValueError(f"what is {before[-1]!r} in {text!r}? After it one of {', '.join(NOUNS)} is missing")
    return said


def told_of(noun: str, before: Sequence[str], say) -> None:
    """Say what the words before a noun tell of it: each is a word of one of its factors."""
    if noun in ("glasses", "beard", "hat") and set(before) & {"no", "without"}:
        if len(before) > 1:
            raise ValueError(f"{' '.join(before)!r} before {noun!r}: what is not there has no colour or kind")
        return say(noun, "none", f"{before[0]} {noun}")
    if noun in ("beard", "hat"):
        say(noun, noun, noun)
    for word in before:
        name = next((name for name in NOUNS[noun] if word in ATTRIBUTES[name]), None)
        if name is None:
            fitting = [w for name in NOUNS[noun] for w in ATTRIBUTES[name] if w not in ("none", noun)]
            advice = f"choose one of {', '.join(fitting)}" if fitting else "it has no kinds"
            raise ValueError(f"{word!r} does not go with {noun!r}; {advice}")
        say(name, word, f"{word} {noun}")
