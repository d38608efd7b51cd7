"""Exercise 04, task 6: a detector of what the flow has never seen."""

from collections.abc import Mapping

import torch
from torch import Tensor

from course_lib.grading import Goal, Region, is_number, is_whole

SCORES = ("likelihood", "ratio", "complexity", "typicality")


def auroc(insiders: Tensor, outsiders: Tensor) -> float:
    """The share of pairs in which the outsider has the higher score; a tie counts half."""
    pairs = outsiders[:, None] - insiders
    return float((pairs > 0).double().mean() + (pairs == 0).double().mean() / 2)


@torch.no_grad()
def measure(detector, digits: Tensor, outsiders: Mapping[str, Tensor]) -> dict[str, float]:
    """The AUROC of blank outsiders, of blurred ones and the worst of the others, and the gap in median log p from seen to unseen digits.

    detector: `score`, images (n, 64) → (n,), high for an outsider; `log_p`, images → (n,); `seen`, the median log p of what trained it
    digits: (n, 64), unseen;  outsiders: images (m, 64) by kind
    """
    inside = detector.score(digits).double()
    reached = {kind: auroc(inside, detector.score(x).double()) for kind, x in outsiders.items()}
    others = min(reached[kind] for kind in reached if kind not in ("blank", "blurred"))
    gap = detector.seen - float(detector.log_p(digits).double().median())
    return {"blank": reached["blank"], "blurred": reached["blurred"], "others": others, "gap": gap}


OUTSIDERS = Goal(
    "outsiders",
    {"blank": 0.86, "blurred": 0.85, "others": 0.92},
    slack={"blank": 0.04, "blurred": 0.04, "others": 0.03},
    close={"blank": 0.15, "blurred": 0.15, "others": 0.1},
    settings={"score": "likelihood", "noise": 0.1, "layers": 2, "steps": 100},
    rules={
        "score": (lambda value: value in SCORES, f"{', '.join(map(repr, SCORES[:-1]))} or {SCORES[-1]!r}"),
        "noise": (lambda value: is_number(value, 0) and 0 < value <= 1, "a number above 0, at most 1"),
        "layers": (lambda value: is_whole(value, range(1, 11)), "a whole number from 1 to 10"),
        "steps": (lambda value: is_whole(value, range(1, 701)), "a whole number from 1 to 700"),
    },
    known=[
        Region(
            "likelihood",
            lambda m: m["score"] == "likelihood",
            "The flow finds a blank image likelier than nearly every digit, so a detector that waits for a low likelihood lets it pass. "
            "What is unusual about its likelihood all the same?",
        ),
        Region(
            "ratio",
            lambda m: m["score"] == "ratio",
            "Blank images pass: a noisy background explains them worse still than the flow of digits does, so the ratio speaks for them. A "
            "background flow helps against other outsiders.",
        ),
        Region(
            "complexity",
            lambda m: m["score"] == "complexity",
            "Blank images are caught, since they compress so well. But a compressor knows no digits: an image that it finds as hard as a "
            "digit, or harder, passes. Look at which kind fails.",
        ),
        Region(
            "overfitted",
            lambda m: m["gap"] > 4 and m["blank"] < 0.86,
            "The flow knows its training digits by heart: on new ones log p is far lower, so that its median over the seen ones is no "
            "longer typical of digits. Stop earlier, or take fewer layers.",
        ),
        Region(
            "too few layers",
            lambda m: m["layers"] < (5 if m["steps"] >= 200 else 3),
            "The score sees both sides, but this flow bends space too little to tell a digit from its blur. What would let it bend more?",
        ),
        Region(
            "trained too short",
            lambda m: True,
            "Score and flow could do it, but the flow has not learned enough of what makes a digit: look at how much its steps still gain.",
        ),
    ],
)
