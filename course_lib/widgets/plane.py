"""Points of the plane in a chart."""

from typing import Any

import numpy as np
import torch

from ..plotting.panels import INK, Chart, Strokes
from . import HALF

DOTS = 1000  # of one colour in a plane; more hide each other


def as_points(points: Any, name: str) -> np.ndarray:
    """(n, 2) as float32.

    Raises:
        ValueError: another shape, or no points
    """
    points = torch.as_tensor(points).detach().cpu().float().numpy()
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise ValueError(f"{name} must be (n, 2) with n above 0, got shape {points.shape}")
    return points


def square(title: str, alt: str, reach: float, rows: int = 1, **what: Any) -> Chart:
    """A plane from −reach to reach along x and y, one unit as long on both axes; `rows` is how many its legend takes."""
    ends = (-reach, reach)
    height = HALF + 11 + 16 * rows  # what titles and ticks take above and below, less what they take on the sides
    return Chart(title, "x₁", "x₂", alt, x_range=ends, y_range=ends, width=HALF, height=height, **what)


def dots(points: np.ndarray, reach: float, label: str = "", color: str = INK, width: float = 4.0, opacity: float = 1.0) -> Strokes:
    """The points (n, 2) that lie in the plane, the first DOTS of them."""
    seen = points[(np.abs(points) <= reach).all(1)][:DOTS]
    return Strokes(seen[:, 0], seen[:, 1], label, color, width, opacity)
