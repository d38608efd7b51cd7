"""Exercise 06, task 7: a sampler that makes do with six evaluations."""

import math

import torch
from torch import Tensor

from course_lib.grading import Goal, Region, is_number, is_whole

POINTS = 1000
BENDS = {"linear": (1.7, 2.5), "cosine": (1.2, 2.3), "straight": (1.05, 1.75)}  # from and to: no step far too long, by schedule
NEAR = 0.3  # so far beyond, fresh noise still costs more than the bend


def spread(n: int, dims: int) -> Tensor:
    """Points that fill the unit cube evenly, (n, dims), float64: the same on every platform, since no random generator is asked.

    Source: Roberts 2018, the additive recurrence on the generalised golden ratio.
    """
    ratio = 2.0
    for _ in range(60):  # ratio ** (dims + 1) = ratio + 1
        ratio = (1 + ratio) ** (1 / (dims + 1))
    steps = torch.tensor([ratio ** -(i + 1) for i in range(dims)], dtype=torch.float64)
    return (0.5 + torch.arange(1, n + 1, dtype=torch.float64)[:, None] * steps) % 1


def sliced_distance(a: Tensor, b: Tensor, directions: int = 32) -> float:
    """The sliced Wasserstein-1 distance of two sets of as many points (n, 2): both sorted along each direction, and compared."""
    angles = torch.arange(directions, dtype=torch.float64) * math.pi / directions
    along = torch.stack([angles.cos(), angles.sin()])
    return float(((a.double() @ along).sort(0).values - (b.double() @ along).sort(0).values).abs().mean())


def measure(sampler, mixture) -> dict[str, float]:
    """How far a sampler's points are from those of a mixture, and what they cost: evaluations of `denoise`. Both with a minus.

    sampler: (denoise, start) → points;  denoise: (x_t, ᾱ) → the estimate of x₀
    mixture: has denoise, and draw(u) → points, from u (n, 3) in the unit cube
    """
    calls = 0

    def counted(*given):
        nonlocal calls
        calls += 1
        return mixture.denoise(*given)

    points = sampler(counted, torch.special.ndtri(spread(POINTS, 2)))
    return {"minus distance": -sliced_distance(points, mixture.draw(spread(POINTS, 3))), "minus evaluations": -float(calls)}


def side(m, near: float = 0.0) -> int:
    """−1 where the bend is too small for the schedule, 1 where it is too large, by more than `near`."""
    least, most = BENDS[m["schedule"]]
    return (m["bend"] > most + near) - (m["bend"] < least - near)


FEW = Goal(
    "few_steps",
    {"minus distance": -0.04, "minus evaluations": -6.0},
    slack={"minus distance": 0.004, "minus evaluations": 0.0},
    close={"minus distance": 0.04},
    settings={"schedule": "linear", "bend": 1.0, "method": "ddim", "eta": 1.0, "steps": 40},
    rules={
        "schedule": (lambda value: value in ("linear", "cosine", "straight"), "'linear', 'cosine' or 'straight'"),
        "bend": (lambda value: is_number(value, 0.25) and value <= 4, "a number from 0.25 to 4"),
        "method": (lambda value: value in ("ddim", "heun"), "'ddim' or 'heun'"),
        "eta": (lambda value: is_number(value, 0) and value <= 1, "a number from 0 to 1"),
        "steps": (lambda value: is_whole(value, range(1, 101)), "a whole number from 1 to 100"),
    },
    known=[
        Region(
            "good but dear",
            lambda m: m["minus distance"] >= -0.04,
            "Close enough, but with too many evaluations. Which steps could be longer, and which must stay short?",
        ),
        Region(
            "noise put back",  # with η = 0 these settings are near the goal or beyond
            lambda m: m["eta"] >= 0.2 and m["method"] == "ddim" and m["steps"] > 5 and side(m, NEAR) == 0,
            "Every step adds fresh noise, which the steps after it must clean up. A few steps cannot.",
        ),
        Region(
            "two for one",
            lambda m: m["method"] == "heun",
            "This method asks the denoiser twice a step, but for the last: six evaluations make three steps. Is the second look worth it?",
        ),
        Region(
            "too few steps",
            lambda m: m["minus evaluations"] > -6,
            "You use fewer evaluations than you may: take them all first, then look where the times lie.",
        ),
        Region(
            "last steps too long",
            lambda m: side(m) < 0,
            "At which SNR is the denoiser asked last? From there the points go to the data in one step, and on that way clusters part.",
        ),
        Region(
            "first steps too long",
            lambda m: side(m) > 0,
            "Nearly all times crowd next to the data, and the first steps are too long: the points set out in the wrong direction.",
        ),
        Region(
            "schedule and bend",
            lambda m: True,
            "Close. Schedule and bend act together: change one of them, and look at the SNRs at which the denoiser is asked.",
        ),
    ],
)
