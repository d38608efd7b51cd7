"""Sprites: images whose causes are known."""

import functools
import math

import numpy as np
import torch
from torch import Tensor

from .core import Dataset

SPLITS = ("train", "test", "all")
FACTORS = {"shape": 3, "scale": 6, "orientation": 15, "x": 15, "y": 15}
SHAPES = ("square", "ellipse", "heart")


def sprites(split: str = "all", size: int = 32) -> Dataset:
    """White shapes on black, one image for every combination of five factors, like dSprites.

    | factor | values |
    |---|---|
    | shape | square, ellipse, heart |
    | scale | 6, from half size to full size in equal steps |
    | orientation | 15, every 6° from 0° to 84°, anticlockwise |
    | x, y | 15 each, one 32nd of the canvas apart; x to the right, y downwards |

    dSprites turns its shapes by a full circle. Then a square looks the same for four orientations, and no model can tell
    them apart, which lowers every disentanglement score. A quarter turn makes each of the 60,750 images unique.

    The test split is one image in ten, drawn at random. "all" is in factor order: image i has the indices
    `np.unravel_index(i, tuple(data.factors.values()))`.

    Args:
        size: of the square canvas, a multiple of 32

    Raises:
        ValueError: an unknown split, or a size that is not a multiple of 32

    Source: the factors are those of Matthey et al. 2017, dSprites.
    """
    if split not in SPLITS:
        raise ValueError(f"sprites has no split {split!r}: choose one of {', '.join(SPLITS)}.")
    if isinstance(size, bool) or not isinstance(size, int) or size < 32 or size % 32:
        raise ValueError(f"The size of a sprite's canvas must be a multiple of 32, not {size!r}.")
    n, count, step = math.prod(FACTORS.values()), FACTORS["x"], size // 32
    y = torch.cartesian_prod(*(torch.arange(k) for k in FACTORS.values()))
    if split == "all":
        chosen = torch.arange(n)
    else:
        # RandomState's stream is frozen for good, which torch.Generator's and default_rng's are not
        order = torch.from_numpy(np.random.RandomState(0).permutation(n))
        chosen = (order[: n // 10] if split == "test" else order[n // 10 :]).sort().values

    # Every mask is drawn once. A window that slides over the padded mask to the left moves the shape to the right, so
    # all positions are views of one small array, and one indexing operation copies those that are wanted.
    margin = (count - 1) * step
    canvas = torch.nn.functional.pad(_masks(size - margin, step), (margin, margin, margin, margin))
    windows = canvas.unfold(1, size, step).unfold(2, size, step)  # (masks, y, x, size, size)
    mask, column, row = chosen // count**2, count - 1 - y[chosen, 3], count - 1 - y[chosen, 4]
    return Dataset("sprites", split, windows[mask, row, column].unsqueeze(1), y[chosen], classes=SHAPES, factors=dict(FACTORS))


@functools.cache  # every split is cut from the same few masks
def _masks(size: int, step: int) -> Tensor:
    """uint8 (shape × scale × orientation, size, size): every shape in the middle of its own box, coverage 0…255."""
    fine = max(4, 16 // step)  # each pixel is the mean of fine × fine points
    axis = (torch.arange(size * fine) + 0.5) / (size * fine) * 2 - 1
    up, right = -axis[:, None], axis
    angle = torch.arange(FACTORS["orientation"])[:, None, None] * (math.pi / 2 / FACTORS["orientation"])
    u, v = right * angle.cos() + up * angle.sin(), up * angle.cos() - right * angle.sin()
    inside = (_inside(shape, u / scale, v / scale) for shape in SHAPES for scale in torch.linspace(0.5, 1, FACTORS["scale"]))
    return torch.cat([(torch.nn.functional.avg_pool2d(points.float(), fine) * 255).round().to(torch.uint8) for points in inside])


def _inside(shape: str, u: Tensor, v: Tensor) -> Tensor:
    """Which points (u to the right, v up) lie in a shape; each shape just fits into the unit circle."""
    if shape == "square":
        return torch.maximum(u.abs(), v.abs()) <= math.sqrt(0.5)
    if shape == "ellipse":
        return u.square() + (v / 0.55).square() <= 1
    u, v = 1.256 * u, 1.256 * v + 0.244  # the smallest circle around the heart curve has this radius and centre
    return (u.square() + v.square() - 1) ** 3 <= u.square() * v**3
