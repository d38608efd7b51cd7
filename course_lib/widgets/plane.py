"""Points, lines and densities in a chart, most of them in the plane."""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..plotting.panels import INK, Chart, Strokes, png
from . import HALF

DOTS = 1000  # of one colour in a plane; more hide each other
DEEP = np.array([9, 58, 112], dtype=np.float32)  # the colour of the highest density; white is none


def as_points(points: Any, name: str) -> np.ndarray:
    """(n, 2) as float32.

    Raises:
        ValueError: another shape, or no points
    """
    points = torch.as_tensor(points).detach().cpu().float().numpy()
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise ValueError(f"{name} must be (n, 2) with n above 0, got shape {points.shape}")
    return points


def log_normal(x: np.ndarray, mean: float, std: float) -> np.ndarray:
    """log N(x; mean, std²), nats."""
    return -0.5 * ((x - mean) / std) ** 2 - math.log(std * math.sqrt(2 * math.pi))


def square(title: str, alt: str, reach: float, rows: int = 1, background: bytes | None = None, **what: Any) -> Chart:
    """A plane from −reach to reach along x and y, one unit as long on both axes; `rows` is how many its legend takes.

    background: a PNG of all of the plane
    """
    ends = (-reach, reach)
    height = HALF + 11 + 16 * rows  # what titles and ticks take above and below, less what they take on the sides
    ground = background and (background, (*ends, *ends))
    return Chart(title, "x₁", "x₂", alt, x_range=ends, y_range=ends, width=HALF, height=height, background=ground, **what)


def dots(points: np.ndarray, reach: float, label: str = "", color: str = INK, width: float = 4.0, opacity: float = 1.0) -> Strokes:
    """The points (n, 2) that lie in the plane, the first DOTS of them."""
    seen = points[(np.abs(points) <= reach).all(1)][:DOTS]
    return Strokes(seen[:, 0], seen[:, 1], label, color, width, opacity)


def seen_lines(lines: np.ndarray, reach: float, **look: Any) -> Strokes:
    """Those of the lines (n, k, 2) that lie in the plane as a whole: drawn in half the time of pieces."""
    lines = lines[(np.abs(lines) <= reach).all((1, 2))]
    return Strokes(lines[..., 0], lines[..., 1], **look)


def seen_segments(lines: np.ndarray, reach: float, **look: Any) -> Strokes:
    """Lines (n, k, 2) as separate pieces, those that lie in the plane."""
    return seen_lines(np.stack([lines[:, :-1], lines[:, 1:]], 2).reshape(-1, 2, 2), reach, **look)


def arrows(tails: np.ndarray, ways: np.ndarray, reach: float, back: float, aside: float, **look: Any) -> Strokes:
    """Arrows from tails (n, 2) along ways (n, 2), those that lie in the plane; the barbs go back and aside by so much of the way."""
    across, tips = ways @ np.array([[0.0, 1.0], [-1.0, 0.0]]), tails + ways
    left, right = (tips - back * ways + side * aside * across for side in (1, -1))
    return seen_lines(np.stack([tails, tips, left, tips, right], 1), reach, **look)


def circles(centres: np.ndarray, radius: float | np.ndarray) -> np.ndarray:
    """A circle around each centre (n, 2) as a line: (n, 33, 2)."""
    turn = np.linspace(0, 2 * np.pi, 33)
    return centres[:, None] + np.reshape(radius, (-1, 1, 1)) * np.stack([np.cos(turn), np.sin(turn)], -1)


def shaded(density: np.ndarray, side: int = 160) -> bytes:
    """A density (g, g) with rows from top to bottom as a soft picture, PNG bytes: the darker the denser, darkest at its maximum."""
    smooth = F.interpolate(torch.as_tensor(density)[None, None].float(), (side, side), mode="bicubic", align_corners=False)[0, 0]
    # the square root keeps what is thin in sight; steps too small to see save a third of the bytes
    share = (smooth.clamp_min(0) / smooth.max().clamp_min(1e-30)).sqrt().numpy()[..., None]
    return png((255 - np.round(24 * share) / 24 * (255 - DEEP) + 0.5).astype(np.uint8))
