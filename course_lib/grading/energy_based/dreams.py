"""Exercise 08, task 7: a machine that dreams of digits."""

import torch
from torch import Tensor

from course_lib.grading import Goal, Region, is_number, is_whole


def measure(machine, images: Tensor, drawn: Tensor) -> dict[str, float]:
    """How well a machine fills in one pixel of a digit, how much its drawings are like digits, and for how many steps it was trained.

    machine: has `weight` (pixels, hidden), `visible_bias`, `hidden_bias` and `steps`
    images: (n, pixels) of 0 and 1; drawn: (m, 784), the machine's own
    """
    from course_lib.energy_based import RBM
    from course_lib.metrics import digit_fid

    model = RBM((images.shape[1],), machine.weight.shape[1])
    with torch.no_grad():
        for name in ("weight", "visible_bias", "hidden_bias"):
            getattr(model, name).copy_(getattr(machine, name))
        pixels = sum(model.pseudo_log_likelihood(part).sum().item() for part in images.split(250)) / len(images)
        distance = float(digit_fid(drawn.view(-1, 1, 28, 28)))
    return {"pixels": pixels, "minus FID": -distance, "steps": float(machine.steps)}


def one_of(*values):
    return (lambda value: is_whole(value, values)), ", ".join(map(str, values[:-1])) + f" or {values[-1]}"


PIXELS, FID = -98.0, -420.0
DREAMS = Goal(
    "dreams",
    {"pixels": PIXELS, "minus FID": FID},
    slack={"pixels": 3.0, "minus FID": 60.0},
    close={"pixels": 15.0, "minus FID": 150.0},
    settings={"seed": 0, "hidden": 32, "rate": 0.01, "k": 1, "persistent": False},
    rules={
        "seed": (lambda value: is_whole(value, range(1_000_001)), "a whole number from 0 to 1,000,000"),
        "hidden": one_of(16, 32, 64, 128, 256, 512),
        "rate": (lambda value: is_number(value, 1e-9) and value <= 10, "a number above 0, at most 10"),
        "k": one_of(1, 2, 5, 10),
        "persistent": (lambda value: isinstance(value, bool), "True or False"),
    },
    known=[],
)
