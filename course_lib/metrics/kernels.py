"""Maximum mean discrepancy: compare all pairs of features by a kernel. KID is its cube of inner products on Inception's features."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..nn import tensors
from .arrays import BLOCK, Array, Score, exact_pair


@tensors
def cubic_kernel(u: Tensor, v: Tensor) -> Tensor:
    """(u·v/d + 1)³ for all pairs: (n, d), (m, d) → (n, m). It compares means, variances and skewness."""
    return (u @ v.T).div_(u.shape[1]).add_(1).pow_(3)


@tensors
def gaussian_kernel(u: Tensor, v: Tensor, bandwidth: float = 1.0) -> Tensor:
    """exp(−‖u − v‖² / 2h²) for all pairs: (n, d), (m, d) → (n, m). It compares everything, at the scale h."""
    return torch.cdist(u, v).square_().div_(-2 * bandwidth**2).exp_()


def mmd(a: Array, b: Array, kernel: Callable[[Tensor, Tensor], Tensor] = cubic_kernel, biased: bool = False) -> Score:
    """Squared maximum mean discrepancy of two sets of features; by the cubic kernel it is KID on all pairs, without subsets.

    Args:
        a: (n, d), b: (m, d), two rows or more each
        kernel: (u, v) → (rows of u, rows of v), such as `partial(gaussian_kernel, bandwidth=2.0)`
        biased: count each point's likeness to itself too. Then it is never below 0, and too large on average

    Source: Gretton et al. 2012, equations 3 (unbiased) and 5.
    """
    a, b = exact_pair(a, b)

    def mean_of_others(u: Tensor) -> Tensor:  # a point is no evidence about its distance to others
        whole, n = kernel_sums(u, u, kernel), len(u)
        return whole[0] / n**2 if biased else (whole[0] - whole[1]) / (n * (n - 1))

    value = mean_of_others(a) + mean_of_others(b) - 2 * kernel_sums(a, b, kernel)[0] / (len(a) * len(b))
    return Score(value.item(), len(a), len(b))


def kernel_sums(u: Tensor, v: Tensor, kernel: Callable) -> tuple[Tensor, Tensor]:
    """The sum of kernel(u, v), and of its diagonal where u is v; a few rows at a time."""
    total, diagonal = u.new_zeros(()), u.new_zeros(())
    for start in range(0, len(u), BLOCK):
        part = kernel(u[start : start + BLOCK], v)
        total += part.sum()
        diagonal += part.diagonal(start).sum() if u is v else 0
    return total, diagonal


def kid(a: Array, b: Array, subsets: int = 100, size: int = 1000, seed: int = 0) -> Score:
    """Kernel inception distance: the mean of unbiased `mmd`s of random subsets, by the cubic kernel, with its spread as an error.

    Unlike FID it is right on average for any number of samples, so it may fall below 0.

    Args:
        a: (n, d), b: (m, d)
        size: rows of a subset, at most n and m; drawn without replacement
        seed: chooses the subsets

    Returns:
        the mean; `error` is the standard deviation over subsets

    Raises:
        ValueError: shapes do not fit, or a subset larger than a set

    Source: Bińkowski et al. 2018 (arXiv:1801.01401), section 4.
    """
    a, b = checked(a, b, subsets, size)
    generator, values = torch.Generator().manual_seed(seed), []
    for _ in range(subsets):
        u, v = (x[torch.randperm(len(x), generator=generator)[:size]] for x in (a, b))
        k_uu, k_vv, k_uv = cubic_kernel(u, u), cubic_kernel(v, v), cubic_kernel(u, v)
        own = (k_uu.sum() - k_uu.trace() + k_vv.sum() - k_vv.trace()) / (size * (size - 1))  # pairs of two different rows
        values.append(own - 2 * k_uv.mean())
    values = torch.stack(values)
    return Score(values.mean().item(), len(a), len(b), values.std().item() if subsets > 1 else None)


def checked(a: Array, b: Array, subsets: int, size: int) -> tuple[Tensor, Tensor]:
    """Both sets in float64; ValueError unless they fit each other and the subsets fit them."""
    a, b = exact_pair(a, b)
    if not 2 <= size <= min(len(a), len(b)) or subsets < 1:
        raise ValueError(f"subsets must have 2 to {min(len(a), len(b))} rows, and there must be one or more; got {subsets} of {size}")
    return a, b


def kid_fast(a: Array, b: Array, subsets: int = 100, size: int = 1000, seed: int = 0) -> Score:
    """The same as `kid`, in a tenth of the time: subsets overlap, so every kernel value is computed once for all of them."""
    a, b = checked(a, b, subsets, size)
    generator = torch.Generator().manual_seed(seed)
    chosen = [torch.zeros(subsets, len(v), dtype=torch.float64) for v in (a, b)]  # 1 where a row belongs to a subset
    for rows in zip(*chosen):
        for row in rows:
            row[torch.randperm(len(row), generator=generator)[:size]] = 1
    values = mmd_of_subsets(a, b, *(v.to(a.device) for v in chosen))
    return Score(values.mean().item(), len(a), len(b), values.std().item() if subsets > 1 else None)


def mmd_of_subsets(a: Tensor, b: Tensor, in_a: Tensor, in_b: Tensor) -> Tensor:
    """Unbiased `mmd` by the cubic kernel of each pair of subsets; every kernel value is computed once for all of them.

    Args:
        a: (n, d), b: (m, d), float64
        in_a: (subsets, n), in_b: (subsets, m): 1 where a row belongs to a subset, else 0
    """
    n, m = in_a.sum(1), in_b.sum(1)
    values = sums_of_subsets(a, in_a) / (n * (n - 1)) + sums_of_subsets(b, in_b) / (m * (m - 1))
    for start in range(0, len(a), BLOCK):
        part = slice(start, start + BLOCK)
        values -= 2 / (n * m) * ((in_a[:, part] @ cubic_kernel(a[part], b)) * in_b).sum(1)  # what a subset sums is a product with its ones
    return values


def sums_of_subsets(u: Tensor, chosen: Tensor) -> Tensor:
    """For each subset the sum of its kernel values over pairs of two different rows: (n, d), (subsets, n) → (subsets,)."""
    total = -(chosen @ (u.square().sum(1) / u.shape[1] + 1) ** 3)  # a row with itself
    for start in range(0, len(u), BLOCK):
        rows, later = slice(start, start + BLOCK), slice(start + BLOCK, None)
        by_row = chosen[:, rows]
        total += ((by_row @ cubic_kernel(u[rows], u[rows])) * by_row).sum(1)
        if start + BLOCK < len(u):  # the kernel is symmetric: pairs with later rows count twice
            total += 2 * ((by_row @ cubic_kernel(u[rows], u[later])) * chosen[:, later]).sum(1)
    return total
