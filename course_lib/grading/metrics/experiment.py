"""Exercise 07, task 5b: where to measure FID, so that its line is good and cheap."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.grading import Goal, Region, is_number, is_whole

MODULUS = 2**31 - 1
ATTEMPTS = 16
ROWS = 12_000  # what one attempt may cost


def stream(count: int, start: int) -> Tensor:
    """Numbers that look normal and independent, (count,), float64: the same on every platform, being whole numbers until the end.

    Source: Park & Miller 1988, the multiplicative generator, with the multiplier of 1993.
    """
    x = torch.tensor([pow(48271, start + 1, MODULUS)])
    while len(x) < count:
        x = torch.cat([x, x * pow(48271, len(x), MODULUS) % MODULUS])
    return torch.special.ndtri(x[:count].double() / MODULUS)


def fid_of_sets(a: Tensor, b: Tensor) -> Tensor:
    """FID of many pairs of sets at once: a, b (sets, n, d) → (sets,)."""
    means = a.mean(1), b.mean(1)
    a, b = ((x - mean[:, None]) / (x.shape[1] - 1) ** 0.5 for x, mean in zip((a, b), means))
    cov1, cov2 = a.mT @ a, b.mT @ b
    values, vectors = torch.linalg.eigh(cov1)
    root = vectors * values.clamp(min=0).sqrt()[:, None]
    trace = torch.linalg.eigvalsh(root.mT @ cov2 @ root).clamp(min=0).sqrt().sum(1)
    return (means[0] - means[1]).square().sum(1) + a.square().sum((1, 2)) + b.square().sum((1, 2)) - 2 * trace


def numbers_of_samples(smallest: int, ratio: float) -> list[int]:
    """Five numbers of samples, evenly spaced in 1/N, from `smallest` to `ratio` times as many."""
    return [round(smallest / (1 + i / 4 * (1 / ratio - 1))) for i in range(5)]


def fids_by_number(features: Tensor, sizes: list[int], repeats: int, attempt: int) -> Tensor:
    """FID of real features against real ones at each of these numbers, (len(sizes),), the mean of `repeats`; each attempt draws anew."""
    drawn = stream(2 * repeats * sum(sizes) * len(features), attempt * 10**8)
    parts = drawn.reshape(-1, len(features)).mul(features).split([2 * repeats * n for n in sizes])
    pairs = [part.reshape(2, repeats, n, len(features)) for part, n in zip(parts, sizes)]
    return torch.stack([fid_of_sets(*pair).mean() for pair in pairs])


def measure(fit: Callable, features: Tensor, smallest: int, ratio: float = 2.0, repeats: int = 10) -> dict[str, float]:
    """How far FID∞ of real features against real ones is from 0, and how many rows an attempt costs.

    fit: (sizes, values, below) → (FID∞, N);  features: (d,), their standard deviations
    Returns: `minus error`, the root mean square of 16 attempts; `rows to spare`, how many of 12,000 one attempt leaves, below 0 if it
        takes more
    """
    sizes = numbers_of_samples(smallest, ratio)
    rows = torch.tensor(sizes, dtype=torch.float64)
    limits = [float(fit(rows, fids_by_number(features, sizes, repeats, i), 0.1)[0]) for i in range(ATTEMPTS)]
    error = math.sqrt(sum(limit**2 for limit in limits) / ATTEMPTS)
    return {"minus error": -error, "rows to spare": float(ROWS - 2 * repeats * sum(sizes))}


BIAS = Goal(
    "experiment",
    {"minus error": -0.07, "rows to spare": 0.0},
    slack={"minus error": 0.01, "rows to spare": 0.0},
    close={"minus error": 0.05},
    settings={"smallest": 40, "ratio": 2.0, "repeats": 10},
    rules={
        "smallest": (lambda value: is_whole(value, range(10, 501)), "a whole number from 10 to 500"),
        "ratio": (lambda value: is_number(value, 1.1) and value <= 10, "a number from 1.1 to 10"),
        "repeats": (lambda value: is_whole(value, range(1, 11)), "a whole number from 1 to 10"),
    },
    known=[
        Region(
            "good but dear", lambda m: m["minus error"] >= -0.07, "Close enough to 0, but with too many rows. Where do most of them go?"
        ),
        Region(
            "short lever",
            lambda m: (
                m["ratio"] < 2.5 or m["ratio"] < 3.5 and m["smallest"] >= 120 and m["minus error"] < -0.1 and m["rows to spare"] < 5000
            ),
            "All your N are much alike, and the line is drawn on far beyond them: small errors of the values turn it.",
        ),
        Region(
            "too small",
            lambda m: m["smallest"] < 120 and (m["minus error"] < -0.08 or m["rows to spare"] < 0),
            "With so few rows for 32 features the bias is no straight line in 1/N, and its values scatter: yet these N pull the line most.",
        ),
        Region(
            "too few",
            lambda m: m["rows to spare"] > max(5000, (ROWS - m["rows to spare"]) / m["repeats"]),  # one repeat more is left
            "You use far fewer rows than you may. What would lower the chance in the values?",
        ),
        Region(
            "too dear",
            lambda m: m["rows to spare"] < 0,
            "Too many rows, and FID∞ is still too far from 0: more of them is not the whole answer.",
        ),
        Region(
            "close", lambda m: True, "Not far off. `smallest` and `ratio` act together, and one repeat more or less leaves room for them."
        ),
    ],
)
