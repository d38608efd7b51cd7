"""Exercise 05, task 7: a network that draws digits pixel by pixel."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.grading import Goal, Region, is_number, is_whole


def measure(model: Callable[[Tensor], Tensor], seen: Tensor, unseen: Tensor) -> dict[str, float]:
    """What a model of binary images has learned.

    model: images (n, 1, height, width) → logits of the same shape
    seen, unseen: images of zeros and ones, those it was trained on and others

    Returns: `log2 P per pixel` on the unseen images, minus the bits per pixel; `causal`, 1 where no logit depends on its own pixel
    or a later one; `gap`, by how many bits per pixel the seen images are cheaper; `reach`, on how many earlier pixels the last one depends
    """
    with torch.no_grad():
        bits = [float(F.binary_cross_entropy_with_logits(model(x), x)) / math.log(2) for x in (unseen, seen)]
    x = unseen[:64].clone().requires_grad_()
    with torch.enable_grad():
        logits = model(x).flatten(1).unbind(1)
        slopes = [torch.autograd.grad(logit.sum(), x, retain_graph=True)[0].flatten(1) for logit in logits]
    sees = torch.stack([slope.ne(0).any(0) for slope in slopes])
    causal, reach = not sees.triu().any(), sees[-1].sum()
    return {"log2 P per pixel": -bits[0], "causal": float(causal), "gap": bits[0] - bits[1], "reach": float(reach)}


DIGITS = Goal(
    "digits",
    {"log2 P per pixel": -0.4, "causal": 1.0},
    slack={"log2 P per pixel": 0.02, "causal": 0.0},
    close={"log2 P per pixel": 0.05},
    settings={"kernel": 3, "layers": 1, "width": 16, "dropout": 0.0, "steps": 100, "first": "A"},
    rules={
        "kernel": (lambda value: is_whole(value, (3, 5, 7)), "3, 5 or 7"),
        "layers": (lambda value: is_whole(value, range(1, 5)), "a whole number from 1 to 4"),
        "width": (lambda value: is_whole(value, range(1, 33)), "a whole number from 1 to 32"),
        "dropout": (lambda value: is_number(value, 0) and value < 1, "a number from 0 to below 1"),
        "steps": (lambda value: is_whole(value, range(1, 501)), "a whole number from 1 to 500"),
        "first": (lambda value: value in ("A", "B"), "'A' or 'B'"),
    },
    known=[
        Region(
            "peeking",
            lambda m: m["causal"] < 1,
            "Hardly any bits, and yet nothing is learned: the network sees the pixel that it should predict, and "
            "copies it. Look at its samples.",
        ),
        Region(
            "overfitted",
            lambda m: m["gap"] > 0.05,
            "The seen digits cost far less than the unseen ones: the network knows them by heart. What keeps it from that?",
        ),
        Region(
            "short-sighted",
            lambda m: m["reach"] < (63 if m["steps"] >= 200 and m["width"] >= 16 and m["dropout"] <= 0.3 else 40),
            "The last pixel depends on only some of the 63 before it: what a stroke did further up stays unknown. What widens the view?",
        ),
        Region(
            "dropped too much",
            lambda m: m["dropout"] > 0.4 and m["steps"] >= 200,
            "It sees enough and has had its time, but even the seen digits are expensive: so much is dropped that little can be learned.",
        ),
        Region(
            "learned too little",
            lambda m: True,
            "It sees enough, but even the seen digits are expensive: it had too few steps or too little room to "
            "learn, or too much was dropped.",
        ),
    ],
)
