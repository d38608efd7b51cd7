"""A known mistake is an edit of a right answer.

A task's mistakes are one text. Each begins with `label: hint`; a long hint goes on in indented lines. Below it stand its forms, one an
indented line, the likeliest first:

    lost half: exactly twice too large. Which factor stands in front of the closed form?
        0.5 * ->
        each.sum(1) -> each.mean(1) ; 0.5 * -> 2 *
        = halves_lost

`old -> new` replaces what stands exactly once in the right answer; ` ; ` joins several edits, done from left to right. `{a|b}` anywhere in
a line stands for two forms, one with a and one with b; one of them may be empty: `s{.abs()|}.sum(1)`. What no edit can say is a function
of the task's file, by its name after `= ` at the start of a line. Each edit is tried on the right answer and on all its other spellings,
the task's `ways`. Names that an edit brings in are those of the task's file, and `math`, `np`, `torch`, `nn` and `F`.

A form is another formula, not another way to write the same one: an answer has a mistake if it *computes* what one of its forms computes,
in every case. The first mistake of the text that does gives the hint.
"""

import inspect
import math
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

USUAL = {"math": math, "np": np, "torch": torch, "nn": nn, "F": F}  # what the notebooks of the exercises import


@dataclass(frozen=True)
class Mistake:
    """A known mistake: wrong versions, each with the line of text that made it, and the hint that all of them deserve."""

    label: str
    hint: str
    forms: Sequence[tuple[str, Callable]]


def read(text: str) -> list[tuple[str, str, list[str]]]:
    """(label, hint, lines of forms) of every mistake in a task's text.

    Raises:
        ValueError: a mistake without label, hint or form
    """
    found = []
    for block in re.split(r"\n(?=\S)", text.strip()):
        head, *forms = re.split(r"\n +(?=.* ->|= )", block)
        label, _, hint = " ".join(head.split()).partition(": ")
        if not (hint and forms):
            raise ValueError(f"“{head[:60]}” is no mistake: a line `label: hint`, then one indented line for each form, `old -> new`")
        found.append((label, hint, [each for form in forms for each in _each(form.strip())]))
    return found


def _each(form: str) -> list[str]:
    """The forms that one with `{a|b|c}` in it stands for."""
    choice = re.search(r"\{([^{}]*\|[^{}]*)\}", form)
    if not choice:
        return [form]
    before, after = form[: choice.start()], form[choice.end() :]
    return [each for one in choice[1].split("|") for each in _each(before + one + after)]


def edited(source: str, edits: str) -> str | None:
    """The source with `old -> new ; old -> new` done to it; None where some `old` does not stand there exactly once."""
    try:
        return applied(source, edits)
    except ValueError:
        return None


def applied(source: str, edits: str) -> str:
    """The same; ValueError says which `old` does not stand there exactly once."""
    for edit in edits.split(" ; "):
        old, arrow, new = (part.strip() for part in f" {edit} ".partition(" -> "))
        if not (old and arrow):
            raise ValueError(f"`{edit.strip()}` is no edit: write `old -> new` on each side of every ` ; `")
        if source.count(old) != 1:
            times = f"{source.count(old)} times, and should once: take more of its line" if old in source else "nowhere"
            raise ValueError(f"in the right answer `{old}` stands {times}")
        source = source.replace(old, new)
    return source


def spellings(answer: Callable, ways: Sequence[str | Callable]) -> list[str]:
    """The sources of a right answer and of its other spellings: edits of it, or functions.

    Raises:
        ValueError: an edit that fits nowhere
    """
    source = textwrap.dedent(inspect.getsource(answer))
    found = [source]
    for way in ways:
        text = edited(source, way) if isinstance(way, str) else textwrap.dedent(inspect.getsource(way))
        if text is None:
            raise ValueError(f"{answer.__name__}: the way `{way}` fits nowhere in its source")
        text = re.sub(r"^def \w+", f"def {answer.__name__}", text, count=1, flags=re.MULTILINE)  # a student's cell defines the task
        found.append(text)
    return found


def function(source: str, names: dict) -> Callable:
    """The function that a source defines."""
    namespace = {**USUAL, **names}
    exec(source, namespace)
    return namespace[re.search(r"^def (\w+)", source, re.MULTILINE)[1]]


def compiled(answer: Callable, ways: Sequence[str | Callable], text: str) -> list[Mistake]:
    """Every mistake of a task's text, made of its right answer.

    Raises:
        ValueError: an edit that fits no spelling of the answer, or a name that is no function of its file
    """
    names, rights, found = sys.modules[answer.__module__].__dict__, spellings(answer, ways), []
    for label, hint, lines in read(text):
        forms = []
        for line in lines:
            if line.startswith("= "):
                wrong = [names.get(line[2:])]
            else:
                sources = dict.fromkeys(made for right in rights if (made := edited(right, line)))
                try:
                    wrong = [function(source, names) for source in sources]
                except SyntaxError as error:
                    raise ValueError(f"{answer.__name__}, {label}: with `{line}` the answer is no Python any more: {error.msg}") from None
            if not wrong or wrong == [None]:
                try:
                    why = f"`{line[2:]}` is no name of its file" if line.startswith("= ") else applied(rights[0], line)
                except ValueError as error:
                    why = error
                raise ValueError(f"{answer.__name__}, {label}: `{line}` fits nowhere: {why}")
            forms += [(line, each) for each in wrong]
        found.append(Mistake(label, hint, forms))
    return found
