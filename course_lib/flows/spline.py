"""Monotone splines: a bendable map of the line with a cheap inverse and a cheap derivative."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..nn import tensors

SMALLEST = 1e-3  # of a bin's share of the interval, and of a slope: keeps the map invertible in float32
UNIT = math.log(math.expm1(1 - SMALLEST))  # softplus of this, plus SMALLEST, is 1: raw parameters of 0 make the identity


@tensors
def knots(sizes: Tensor, bound: float) -> Tensor:
    """Real numbers, one for each bin (..., bins) → where the bins begin and end, from −bound to bound (..., bins + 1)."""
    shares = SMALLEST + (1 - SMALLEST * sizes.shape[-1]) * sizes.softmax(-1)
    return bound * (2 * F.pad(shares.cumsum(-1), (1, 0)) - 1)


@tensors
def rational_quadratic(
    x: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor, bound: float = 3.0, inverse: bool = False
) -> tuple[Tensor, Tensor]:
    """A monotone rational-quadratic spline on [−bound, bound], the identity outside.

    Args:
        x: (...)
        widths, heights: (..., bins), of the bins; any real numbers, a softmax turns them into shares of the interval
        slopes: (..., bins − 1), at the inner knots; any real numbers, a softplus makes them positive. At both ends the slope is 1
        inverse: from y back to x

    Returns:
        y (...), and log |dy/dx| (...)

    Raises:
        ValueError: the numbers of bins and slopes do not fit

    Source: Durkan et al. 2019 (arXiv:1906.04032), equations 4 to 8 and 29.
    """
    bins = widths.shape[-1]
    if heights.shape[-1] != bins or slopes.shape[-1] != bins - 1:
        raise ValueError(
            f"a spline of k bins needs k widths, k heights and k − 1 slopes, got {bins}, {heights.shape[-1]} and {slopes.shape[-1]}"
        )
    xs, ys = knots(widths, bound), knots(heights, bound)
    delta = F.pad(SMALLEST + F.softplus(slopes + UNIT), (1, 1), value=1.0)
    inside, u = x.abs() < bound, x.clamp(-bound, bound)
    k = (u[..., None] >= (ys if inverse else xs)[..., 1:-1]).sum(-1, keepdim=True)  # the bin that u lies in
    x0, y0, d0 = (v.gather(-1, k)[..., 0] for v in (xs, ys, delta))
    x1, y1, d1 = (v.gather(-1, k + 1)[..., 0] for v in (xs, ys, delta))
    s = (y1 - y0) / (x1 - x0)
    if inverse:  # ξ solves a ξ² + b ξ + c = 0; of the two forms of the root, the one that subtracts no two numbers of nearly one size
        a = (y1 - y0) * (s - d0) + (u - y0) * (d0 + d1 - 2 * s)
        b = (y1 - y0) * d0 - (u - y0) * (d0 + d1 - 2 * s)
        c = -s * (u - y0)
        root = (b.square() - 4 * a * c).clamp_min(1e-20).sqrt()
        xi = (torch.where(b < 0, root - b, -2 * c) / torch.where(b < 0, 2 * a, b + root)).clamp(0, 1)
    else:
        xi = (u - x0) / (x1 - x0)
    below = s + (d0 + d1 - 2 * s) * xi * (1 - xi)
    y = y0 + (y1 - y0) * (s * xi.square() + d0 * xi * (1 - xi)) / below
    log_slope = (s.square() * (d1 * xi.square() + 2 * s * xi * (1 - xi) + d0 * (1 - xi).square()) / below.square()).log()
    if inverse:
        y, log_slope = x0 + xi * (x1 - x0), -log_slope
    return torch.where(inside, y, x), torch.where(inside, log_slope, 0.0)
