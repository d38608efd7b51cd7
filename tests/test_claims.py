"""What a lecture says that it saw is asserted where it says so: below each "What to notice" stands a cell tagged `claim`."""

import ast
import re

import pytest
from test_lectures import NOTEBOOKS, cells_of, is_claim

# 1,000 and 0.55 and 97 in a sentence
NUMBER = re.compile(r"(?<![\w.×])\d[\d,]*(?:\.\d+)?(?![\w×]|\.\d)")
# what is no finding: formulas, code, papers, years, sizes such as 28 × 28, and names such as lecture 07, section 7.2, style 4
NAMES = re.compile(
    r"\$[^$]*\$|`[^`]*`|arXiv:[\d.]+|\d+ ?×\s?\d+|\([^()]*\b(?:19|20)\d\d\)"
    r"|\b(?:lectures?|sections?|cells?|rows?|layers?|style|CIFAR-|MNIST) ?\d[\d.]*(?:(?:, | and | to )\d+)*",
    re.IGNORECASE,
)


def numbers_in(notice: str) -> set[str]:
    """The numbers that a notice states, without those below ten that have no fraction: they name digits and count what is shown."""
    found = {number.replace(",", "") for number in NUMBER.findall(NAMES.sub(" ", notice))}
    return {number for number in found if "." in number or float(number) >= 10}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notice_has_its_claim(path):
    cells, bare, unclaimed = cells_of(path), [], []
    for cell, after in zip(cells, [*cells[1:], cells[0]]):
        if cell.cell_type != "markdown" or "**What to notice.**" not in cell.source:
            continue
        start = cell.source[cell.source.index("**What to notice.**") :][:90]
        if not (is_claim(after) and "assert " in after.source):
            bare.append(start)
            continue
        stated = {float(v) for v in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?", after.source.replace("_", ""))}
        for number in sorted(numbers_in(cell.source[cell.source.index("**What to notice.**") :])):
            if not {float(number), float(number) / 100} & stated:  # 97 % may stand there as 0.97
                unclaimed.append(f"{number} in: {start}")
    assert bare == [], "a notice without a claim: add a cell tagged `claim` below it, with an assertion for each of its sentences"
    assert unclaimed == [], "a notice states numbers that its claim does not"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_claim_asserts_and_shows_nothing(path):
    for cell in filter(is_claim, cells_of(path)):
        asserts = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Assert)]
        assert asserts and not cell.outputs, cell.source
        assert not any(isinstance(node.test, ast.Constant) for node in asserts), cell.source
