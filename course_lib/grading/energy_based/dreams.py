"""Exercise 08, task 7: a machine that dreams of digits."""

import torch
from torch import Tensor

from course_lib.grading import Goal, Region, is_number, is_whole, one_of


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


PIXELS, FID = -104.0, -425.0
DREAMS = Goal(
    "dreams",
    {"pixels": PIXELS, "minus FID": FID},
    slack={"pixels": 3.0, "minus FID": 60.0},
    close={"pixels": 15.0, "minus FID": 150.0},
    settings={"seed": 0, "units": 32, "rate": 0.01, "k": 1, "persistent": False},
    rules={
        "seed": (lambda value: is_whole(value, range(1_000_001)), "a whole number from 0 to 1,000,000"),
        "units": one_of(16, 32, 64, 128, 256, 512),
        "rate": (lambda value: is_number(value, 1e-9) and value <= 10, "a number above 0, at most 10"),
        "k": one_of(1, 2, 5, 10),
        "persistent": (lambda value: isinstance(value, bool), "True or False"),
    },
    known=[
        Region(
            "rate far too large",
            lambda m: m["rate"] > 0.75,
            "Each step is so large that it undoes what others have learned. Which setting is the size of a step?",
        ),
        Region(
            "rate far too small",
            lambda m: m["rate"] < 0.03,
            "The steps are so small that the machine hardly moves, however many there are. Which setting is the size of a step?",
        ),
        Region(
            "too large for the work",
            lambda m: m["units"] > 128 and m["steps"] < 700,
            "So large a machine uses the work up in a few hundred steps: it has hardly begun to learn. What makes a step cheaper?",
        ),
        Region(
            "work spent on Gibbs steps",
            lambda m: m["k"] > 1 and m["steps"] < 800 and m["pixels"] < PIXELS,
            "Most of the work goes into Gibbs steps, and few steps of learning are left. Can the chains get far without so many of them?",
        ),
        Region(
            "rate too small",
            lambda m: m["rate"] < 0.15 and m["pixels"] < PIXELS,
            "It is on its way, but its steps are too small to get there. Which setting is the size of a step?",
        ),
        Region(
            "too few units",
            lambda m: m["units"] < 128 and m["pixels"] < PIXELS,
            "It knows too little of each pixel: so few hidden units cannot remember more. What could it keep with twice as many?",
        ),
        Region(
            "chains begin at the data",
            lambda m: not m["persistent"],
            "It knows each pixel given all others, and yet dreams badly from noise on: in training its chains never get further than a few steps away "
            "from the data. Which setting lets them go on?",
        ),
    ],
)
