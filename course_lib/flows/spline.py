"""Monotone splines: a bendable map of the line with a cheap inverse and a cheap derivative."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 1e-3  # of a bin's share of the interval, and of a slope: keeps the map invertible in float32
UNIT = math.log(math.expm1(1 - SMALLEST))  # softplus of this, plus SMALLEST, is 1: raw parameters of 0 make the identity


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
        ValueError: there are fewer than two bins, or the numbers of bins and slopes do not fit

    Source: Durkan et al. 2019 (arXiv:1906.04032), equations 4 to 8 and 29.
    """
    bins = widths.shape[-1]
    if bins < 2 or heights.shape[-1] != bins or slopes.shape[-1] != bins - 1:
        raise ValueError(
            f"a spline of k ≥ 2 bins needs k widths, k heights and k − 1 slopes, got {bins}, {heights.shape[-1]} and {slopes.shape[-1]}"
        )
    # widths and heights go through the same steps: one tensor instead of two
    sizes = torch.stack([widths, heights], -2)
    sizes = (sizes - sizes.detach().amax(-1, keepdim=True)).exp()  # softmax by hand: torch's takes four times as long for rows this short
    sizes = 2 * bound * (SMALLEST + (1 - SMALLEST * bins) * sizes / sizes.sum(-1, keepdim=True))
    ends = sizes.cumsum(-1) - bound
    starts = ends - sizes
    slopes = F.pad(SMALLEST + F.softplus(slopes + UNIT), (1, 1), value=1.0)
    inside = (x > -bound) & (x < bound)
    u = x.clamp(-bound, bound)  # outside, the formulas below would divide by nearly nothing, and NaN times 0 is NaN
    axis = 1 if inverse else 0
    k = (u[..., None] >= ends[..., axis, :-1]).sum(-1, keepdim=True)
    table = torch.stack([*starts.unbind(-2), *sizes.unbind(-2), slopes[..., :-1], slopes[..., 1:]], -2)  # (..., 6, bins)
    x0, y0, width, height, d0, d1 = table.gather(-1, k[..., None, :].expand(*table.shape[:-1], 1)).squeeze(-1).unbind(-1)
    slope = height / width
    bend = d0 + d1 - 2 * slope
    if inverse:
        rise = u - y0
        a = height * (slope - d0) + rise * bend
        b = height * d0 - rise * bend
        c = slope * rise
        root = (b.square() + 4 * a * c).clamp_min(1e-20).sqrt()
        # of the two forms of the solution, the one that never subtracts two numbers of nearly one size
        t = torch.where(b < 0, root - b, 2 * c) / torch.where(b < 0, 2 * a, b + root)
    else:
        t = (u - x0) / width
    t = t + (t.clamp(0, 1) - t).detach()  # rounding may leave the bin by a hair, and the logs below would be NaN; gradients pass
    rest = 1 - t
    below = slope + bend * t * rest
    y = x0 + t * width if inverse else y0 + height * t * (slope * t + d0 * rest) / below
    log_slope = 2 * slope.log() + (d1 * t.square() + 2 * slope * t * rest + d0 * rest.square()).log() - 2 * below.log()
    return torch.where(inside, y, x), torch.where(inside, -log_slope if inverse else log_slope, 0.0)
