"""Pairs of short texts that say the same: numbers in English and in French, dates in several formats. All are made by rules."""

import calendar
from datetime import date, timedelta

import torch

from .core import Dataset

LETTERS = " " + "abcdefghijklmnopqrstuvwxyz" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + "0123456789" + "-,/:"
LENGTH = 56  # characters of the longest text, and one to end it
PLACES = {letter: i for i, letter in enumerate(LETTERS)}
END = len(LETTERS)  # the symbol after the last character, and in all places behind it
NUMBERS = 10_000  # from 0
FIRST_DAY, DAYS = date(1900, 1, 1), 73_049  # to the end of 2099
TASKS = ("fr", "en", "iso")

UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
UNITÉS = "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf"
DIZAINES = "vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt"


def check_number(n: int) -> None:
    """Raise ValueError unless n is a whole number from 0 to 9,999."""
    if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < NUMBERS:
        raise ValueError(f"numbers are whole, from 0 to {NUMBERS - 1:,}, got {n!r}")


def english(n: int) -> str:
    """A number in English words: 92 → "ninety-two", 1105 → "one thousand one hundred and five".

    Raises:
        ValueError: n is no whole number from 0 to 9,999
    """
    check_number(n)
    if n < 20:
        return UNITS.split()[n]
    if n < 100:
        tens = TENS.split()[n // 10 - 2]
        return f"{tens}-{english(n % 10)}" if n % 10 else tens
    size, name = (1000, "thousand") if n >= 1000 else (100, "hundred")
    head, rest = f"{english(n // size)} {name}", n % size
    if not rest:
        return head
    return f"{head} and {english(rest)}" if rest < 100 else f"{head} {english(rest)}"


def french(n: int) -> str:
    """A number in French words, without accents: 92 → "quatre-vingt-douze", 80 → "quatre-vingts", 201 → "deux cent un".

    Raises:
        ValueError: n is no whole number from 0 to 9,999
    """
    check_number(n)
    unit = UNITÉS.replace("é", "e").split()
    if n < 20:
        return unit[n]
    if n < 100:
        tens, rest = DIZAINES.split()[n // 10 - 2], n % 10 + (10 if n // 10 in (7, 9) else 0)
        if n == 80:
            return "quatre-vingts"
        joint = " et " if rest in (1, 11) and n < 80 else "-"  # vingt et un, soixante et onze; but quatre-vingt-un
        return f"{tens}{joint}{unit[rest]}" if rest else tens
    size, name = (1000, "mille") if n >= 1000 else (100, "cent")
    many, rest = n // size, n % size
    head = name if many == 1 else f"{french(many)} {name}"
    if name == "cent" and many > 1 and not rest:
        head += "s"  # deux cents, but deux cent un
    return f"{head} {french(rest)}" if rest else head


def written_dates(day: date) -> tuple[str, str, str]:
    """A day as people write it: "March 5, 2024", "5 March 2024", "05/03/2024" with the day first."""
    month = calendar.month_name[day.month]
    return f"{month} {day.day}, {day.year}", f"{day.day} {month} {day.year}", f"{day.day:02}/{day.month:02}/{day.year}"


def held_out(n: int) -> bool:
    """Whether number or day n belongs to the test split: a tenth of them, scattered, from 100 on. Below, each word must be met once."""
    return n >= 100 and n * 2_654_435_761 % 2**32 < 2**32 // 10


def letters(text: str, length: int = LENGTH) -> list[int]:
    """The place of each character in `LETTERS`, then `END` up to the length.

    Raises:
        ValueError: an empty text, one that is too long, or a character outside `LETTERS`
    """
    if not 0 < len(text) < length:
        raise ValueError(f"a text has 1 to {length - 1} characters, got {len(text)}: {text[:20]!r}")
    if unknown := sorted(set(text) - PLACES.keys()):
        raise ValueError(f"no symbol stands for {', '.join(map(repr, unknown))}: letters without accents, digits and -,/: can be read")
    return [PLACES[c] for c in text] + [END] * (length - len(text))


def pairs(split: str) -> list[tuple[str, str]]:
    """(source, target) of a split. The source says what is asked for: "fr:ninety-two", "en:quatre-vingt-douze", "iso:March 5, 2024"."""
    wanted = split == "test"
    found = []
    for n in range(NUMBERS):
        if held_out(n) == wanted:
            found += [(f"fr:{english(n)}", french(n)), (f"en:{french(n)}", english(n))]
    for n in range(0, DAYS, 3):
        if held_out(n) == wanted:
            day = FIRST_DAY + timedelta(n)
            found.append((f"iso:{written_dates(day)[n // 3 % 3]}", day.isoformat()))
    return found


def translations(split: str) -> Dataset:
    """All pairs of a split: sources and targets as uint8 (n, 56) of places in `LETTERS`, each filled up with `END`; y is the target.

    A tenth of the numbers and of the days, in both directions and all formats, is only in the test split.
    """
    sources, targets = zip(*pairs(split))
    x, y = (torch.tensor([letters(text) for text in texts], dtype=torch.uint8) for texts in (sources, targets))
    return Dataset("translations", split, x, y)
