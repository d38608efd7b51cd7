"""Exercise 09, task 7: a GPT that writes."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.grading import Goal, Region, is_number, is_whole, one_of


def measure(model, pages: Tensor) -> dict[str, float]:
    """What a character costs, in bits with a minus; and for how many steps the model was trained.

    model: has `context`, `steps`, and logits(x): (n, time) → (n, time, symbols), of each symbol given those before it
    pages: (n, length), whole numbers; each is cut into pieces of `context`
    """
    pieces = pages.reshape(-1, model.context)
    with torch.no_grad():
        nats = [float(F.cross_entropy(model.logits(x).flatten(0, 1), x.flatten(), reduction="sum")) for x in pieces.split(256)]
    return {"minus bits": -sum(nats) / pages.numel() / math.log(2), "steps": float(model.steps)}


CLOSE = -2.8  # further off, what is wrong is no fine tuning
TALK = Goal(
    "talk",
    {"minus bits": -2.6},
    slack={"minus bits": 0.1},
    close={"minus bits": 0.2},
    settings={"seed": 0, "width": 64, "layers": 4, "heads": 1, "context": 16, "rate": 0.001},
    rules={
        "seed": (lambda value: is_whole(value, range(1_000_001)), "a whole number from 0 to 1,000,000"),
        "width": one_of(8, 16, 32, 48, 64, 96, 128),
        "layers": one_of(1, 2, 3, 4),
        "heads": one_of(1, 2, 4),
        "context": one_of(8, 16, 32, 64, 128),
        "rate": (lambda value: is_number(value, 1e-9) and value <= 1, "a number above 0, at most 1"),
    },
    known=[
        Region(
            "rate far too large",
            lambda m: m["rate"] > 0.05,
            "Each step is so large that it undoes what others have learned, however many there are. Which setting is the size of a step?",
        ),
        Region(
            "rate far too small",
            lambda m: m["rate"] < 0.0005,
            "The steps are so small that the model hardly moves, however many there are. Which setting is the size of a step?",
        ),
        Region(
            "few steps",
            lambda m: m["steps"] < 500,
            "So large a model uses the work up in a few hundred steps: it has hardly begun to learn. What makes a step cheaper?",
        ),
        Region(
            "rate too small",
            lambda m: m["rate"] < 0.004,
            "There were steps enough, but they are so small that the model does not get far. Which setting is the size of a step?",
        ),
        Region(
            "short-sighted",
            lambda m: m["context"] < 32,
            "A character is predicted from a few before it, and often from less than a word. What widens the view?",
        ),
        Region(
            "too small",
            lambda m: m["width"] < 32 and m["steps"] >= 2000,
            "It has read all that it may, two million characters, and yet stays dear: so few weights cannot keep more. Part of the work may even be left.",
        ),
        Region(
            "still large",
            lambda m: m["steps"] < 1000 and m["width"] > 32,
            "It is on its way, but the work was used up before it got there. What would a smaller model do with so many more steps?",
        ),
        Region(
            "far-sighted",
            lambda m: m["context"] > 64,
            "It pays for places that are far away, and has fewer steps for it. Do they help so much, in a text of which it has read so little?",
        ),
        Region(
            "one layer",
            lambda m: m["layers"] == 1,
            "One block looks once. What could a second one look for, that knows what the first has found?",
        ),
        Region(
            "rate a little large",
            lambda m: m["rate"] > 0.015 and m["minus bits"] > CLOSE,
            "Close. Every step is a little large: smaller ones would end closer to the goal.",
        ),
        Region(
            "one head",
            lambda m: m["heads"] == 1 and m["minus bits"] > CLOSE,
            "Close. All looks through one softmax, which finds one kind of thing at a time. Heads cost nothing here.",
        ),
    ],
)
