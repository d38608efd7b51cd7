"""Wasserstein distances: the least work that moves one heap of sand into the shape of another."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .arrays import Array, Score, alike, as_tensor, exact_pair


def wasserstein_1d(a: Array, b: Array, p: float = 1.0) -> Score:
    """Exact Wasserstein-p distance of two sets of numbers: the sorted ones are matched in order.

    Args:
        a: (n,), b: (m,);  p: 1 or more

    Raises:
        ValueError: not one-dimensional, empty or not finite, or p below 1
    """
    a, b = as_tensor(a, "a", finite=False), as_tensor(b, "b", finite=False)
    alike(a, b)
    if a.ndim != 1 or b.ndim != 1 or not len(a) or not len(b) or not (a.isfinite().all() and b.isfinite().all()) or not 1 <= p < math.inf:
        raise ValueError(f"a and b must be (n,) and (m,), not empty, finite, and p 1 or more; got {tuple(a.shape)}, {tuple(b.shape)}, {p}")
    return Score(_sorted_distance(a.double()[:, None], b.double()[:, None], p).pow(1 / p).item(), len(a), len(b))


def sliced_wasserstein(a: Array, b: Array, p: float = 2.0, projections: int = 200, seed: int = 0) -> Score:
    """Wasserstein-p distance of the shadows of two sets on random lines: the p-th root of the mean of their p-th powers.

    Args:
        a: (n, d), b: (m, d)
        projections: lines; in the plane they are spread evenly, else drawn from all directions with `seed`

    Source: Bonneel et al. 2015 (doi:10.1007/s10851-014-0506-3).
    """
    a, b = exact_pair(a, b)
    if not 1 <= p < math.inf or projections < 1:
        raise ValueError(f"p must be 1 or more and projections, too; got {p} and {projections}")
    if a.shape[1] == 2:
        angles = torch.arange(projections, dtype=torch.float64) * math.pi / projections
        lines = torch.stack([angles.cos(), angles.sin()])
    else:
        lines = torch.randn(a.shape[1], projections, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        lines = lines / lines.norm(dim=0)
    lines = lines.to(a.device)
    return Score(_sorted_distance(a @ lines, b @ lines, p).mean().pow(1 / p).item(), len(a), len(b))


def _sorted_distance(a: Tensor, b: Tensor, p: float) -> Tensor:
    """W_p^p of each column of (n, c) and (m, c): (c,)."""
    a, b, n, m = a.sort(0).values, b.sort(0).values, len(a), len(b)
    if n == m:
        return (a - b).abs().pow(p).mean(0)
    # both quantile functions are steps, at multiples of 1/n and of 1/m. Counted in units of 1/(n m) the ends are whole numbers
    ends = torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n]).unique()
    width = torch.diff(ends, prepend=ends.new_zeros(1)).to(a) / (n * m)
    i, j = ((ends - 1) // m).to(a.device), ((ends - 1) // n).to(a.device)
    return ((a[i] - b[j]).abs().pow(p) * width[:, None]).sum(0)


def transport_plan_1d(p: Array, q: Array) -> Tensor:
    """The best plan between two histograms over places in order: (n,), (m,) with one sum → (n, m), how much goes from i to j.

    It is best for every cost that is convex in the distance. Sand is taken from the left and put down from the left.
    """
    p, q = _weights(p, q)
    ends_p, ends_q = p.cumsum(0), q.cumsum(0)
    overlap = torch.minimum(ends_p[:, None], ends_q) - torch.maximum((ends_p - p)[:, None], ends_q - q)
    return overlap.clamp(min=0)


class Plan(NamedTuple):
    """plan: (n, m), rows sum to p and columns to q;  cost: of that plan;  rounds: that were needed."""

    plan: Tensor
    cost: float
    rounds: int


def sinkhorn(p: Array, q: Array, cost: Array, epsilon: float = 0.05, rounds: int = 10_000, tolerance: float = 1e-6) -> Plan:
    """The plan that balances cost against entropy, ⟨plan, cost⟩ − ε H(plan), by scaling rows and columns in turn, in logarithms.

    Args:
        p: (n,), q: (m,) weights with one sum, 0 or more;  cost: (n, m)
        epsilon: above 0, in units of the cost: the smaller, the nearer to the best plan, and the slower
        tolerance: how far, in sum, the columns may be from q when it stops

    Raises:
        ValueError: shapes or sums do not fit, ε is not above 0, or `rounds` were not enough

    Source: Cuturi 2013 (arXiv:1306.0895); in logarithms: Peyré & Cuturi 2019 (arXiv:1803.00567), section 4.4.
    """
    p, q = _weights(p, q)
    cost = as_tensor(cost, "cost", finite=False).double()
    if cost.shape != (len(p), len(q)) or not cost.isfinite().all() or not epsilon > 0 or rounds < 1:
        raise ValueError(
            f"cost must be {(len(p), len(q))} and finite, ε above 0, rounds 1 or more; got {tuple(cost.shape)}, {epsilon} and {rounds}"
        )
    log_p, log_q, kernel = p.log(), q.log(), -cost / epsilon
    f, g = torch.zeros_like(p), torch.zeros_like(q)
    for done in range(1, rounds + 1):
        f = log_p - (kernel + g).logsumexp(1)
        # columns are off until g answers to f: what they are off by says when to stop
        g_new = log_q - (kernel + f[:, None]).logsumexp(0)
        off = (q - q * (g - g_new).nan_to_num(0.0).exp()).abs().sum()
        g = g_new
        if off < tolerance * p.sum():
            plan = (kernel + f[:, None] + g).exp()
            return Plan(plan, (plan * cost).sum().item(), done)
    raise ValueError(f"{rounds} rounds were not enough for ε = {epsilon}: raise ε or rounds; columns are still off by {off:.1e}")


def _weights(p: Array, q: Array) -> tuple[Tensor, Tensor]:
    p, q = as_tensor(p, "p", finite=False).double(), as_tensor(q, "q", finite=False).double()
    if p.ndim != 1 or q.ndim != 1 or not (p >= 0).all() or not (q >= 0).all() or not 0 < p.sum() < torch.inf:
        raise ValueError(f"weights p and q must be (n,) and (m,), 0 or more, with a sum above 0; got {tuple(p.shape)} and {tuple(q.shape)}")
    if not torch.isclose(p.sum(), q.sum(), rtol=1e-6):
        raise ValueError(f"weights p and q must have one sum: what is taken must be put down; got {p.sum():.4g} and {q.sum():.4g}")
    return p, q
