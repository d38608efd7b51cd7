"""Exercise 07, task 2: the squared Fréchet distance of two Gaussians."""

import torch
from torch import Tensor

from course_lib.grading import Task, grid


def frechet(mean1, cov1, mean2, cov2):
    def half(cov):
        values, vectors = torch.linalg.eigh(cov)
        return vectors * values.clamp(min=0).sqrt() @ vectors.T

    difference, traces = mean1 - mean2, cov1.trace() + cov2.trace()
    shift = difference.square().sum()
    values = torch.linalg.eigvalsh(half(cov1) @ cov2 @ half(cov1)).clamp(min=0)  # those of cov1 @ cov2
    root = values.sqrt().sum()
    return shift + traces - 2 * root


def truth(mean1, cov1, mean2, cov2):
    root = torch.linalg.eigvals(cov1 @ cov2).sqrt().real.sum()
    return (mean1 - mean2) @ (mean1 - mean2) + torch.trace(cov1 + cov2) - 2 * root


def place(d: int, phase: float) -> Tensor:
    return (4 * grid(d).double() + phase).sin()


def spread(d: int, phase: float, rank: int = 0, size: float = 1.0) -> Tensor:
    """A covariance (d, d); with `rank`, one of fewer points than features."""
    a = (13 * grid(d, rank or d).double().square() + 5 * grid(d, rank or d).double() + phase).sin()
    a = a * torch.linspace(0.5, 1.4, d, dtype=torch.float64)[:, None]
    return size * (a @ a.T / (rank or d) + (0.0 if rank else 0.15) * torch.eye(d, dtype=torch.float64))


FRECHET = Task(
    frechet,
    truth,
    cases=[
        (place(2, 0.3), spread(2, 0.1), place(2, 1.9), spread(2, 1.4)),
        (place(4, 1.0), spread(4, 2.0, size=3.0), place(4, 0.2), spread(4, 0.7)),
        (place(8, 0.5), spread(8, 0.9, rank=2, size=2.0), place(8, 2.0), spread(8, 2.6)),
    ],
    mistakes="""
factor 2 missing: the root counts once: two equal Gaussians would not be at distance 0.
    2 * root -> root
root of each entry: you take the root of each entry. A matrix root is another matrix: its square, as a matrix product, gives the matrix back.
    values.sqrt().sum() -> (cov1 @ cov2){.sqrt().trace()|.clamp(min=0).sqrt().trace()|.abs().sqrt().trace()|.sqrt().sum()}
variances alone: only the variances take part: the product is one of entries, not of matrices.
    values.sqrt().sum() -> (cov1 * cov2).sqrt().{trace|sum}()
product of the roots: you multiply the two roots. The root of a product is something else, unless the two matrices commute.
    values.sqrt().sum() -> (half(cov1) @ half(cov2)).trace()
eigenvalues of each alone: eigenvalues are multiplied pair by pair, but they belong to different directions. Of which matrix are they needed?
    half(cov1) @ cov2 @ half(cov1) -> cov1 ; values.sqrt() -> (values * torch.linalg.eigvalsh(cov2).clamp(min=0)).sqrt()
taken for symmetric: `eigh` and `eigvalsh` read only one half of a matrix, and a product of symmetric matrices is not symmetric.
    half(cov1) @ cov2 @ half(cov1)).clamp(min=0) -> (cov1 @ cov2){|.T}){.clamp(min=0)||.abs()}
    half(cov1) @ cov2 @ half(cov1) -> (cov1 @ cov2 + cov2 @ cov1) / 2
singular values: these are roots of singular values. They equal the eigenvalues only of symmetric matrices.
    values.sqrt() -> torch.linalg.svdvals(cov1 @ cov2).sqrt()
no root: this is the trace of the product itself: the root is missing.
    values.sqrt() -> values
root of the trace: you take the root of the trace. The trace of the root is asked for: a sum of roots.
    values.sqrt().sum() -> (cov1 @ cov2).trace().sqrt()
sum for product: this is the root of the sum of the covariances. The formula has their product.
    half(cov1) @ cov2 @ half(cov1) -> cov1 + cov2
norm not squared: the distance of the means is not squared. The traces are squares, too.
    difference.square().sum() -> difference.norm()
means averaged: the squared differences of the means are averaged. A squared length is their sum.
    difference.square().sum() -> difference.{square().mean()|sum().square()}
means left out: the means play no part.
    return shift + -> return
means alone: the covariances play no part.
    shift + traces - 2 * root -> shift
sign: the root is added. What should the distance of two equal Gaussians be?
    - 2 * root -> + 2 * root
root of the whole: the squared distance is asked for: FID takes no root at the end.
    shift + traces - 2 * root -> (shift + traces - 2 * root).sqrt()
""",
)
