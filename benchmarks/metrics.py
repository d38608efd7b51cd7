"""Topic 07 against the usual ways of computing FID, KID, and precision and recall, on features as many and as wide as Inception's."""

import contextlib
import io
import os
import sys
from functools import partial

import numpy as np
import torch
from prdc import compute_prdc
from scipy.linalg import sqrtm
from threadpoolctl import threadpool_limits
from timing import Report
from torch import Tensor

from course_lib.metrics import frechet_distance, kid_fast, neighbour_scores_fast
from course_lib.training import seed_everything

DIMS, MANY, FEW = 2048, 5000, 500


def features(n: int, shift: float = 0.0) -> Tensor:
    """(n, DIMS) in float64: of many sizes, correlated and not below 0, as Inception's are."""
    hidden = torch.randn(n, 64, dtype=torch.float64) @ torch.randn(
        64, DIMS, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    return (0.1 * hidden + 0.4 * torch.randn(n, DIMS, dtype=torch.float64) + shift).relu()


def agree(what: str, ours: float, peer: float) -> None:
    """End the program where two ways give different numbers: their times would mean nothing."""
    if abs(ours - peer) > 1e-4 * abs(peer):
        sys.exit(f"{what}: both ways must agree to 1e-4, but they give {ours:.8g} and {peer:.8g}")


def fid_by_eigenvalues(a: Tensor, b: Tensor) -> float:
    """torchmetrics: sums of squares, then the eigenvalues of the product of the covariances, which is not symmetric."""
    means, covs = [], []
    for x in (a, b):
        mean = x.sum(0) / len(x)
        means.append(mean)
        covs.append((x.T @ x - len(x) * torch.outer(mean, mean)) / (len(x) - 1))
    trace = torch.linalg.eigvals(covs[0] @ covs[1]).sqrt().real.sum()
    return ((means[0] - means[1]).square().sum() + covs[0].trace() + covs[1].trace() - 2 * trace).item()


def fid_by_matrix_root(a: np.ndarray, b: np.ndarray, eps: float = 1e-6) -> float:
    """The FID that TensorFlow's code of 2017 and pytorch-fid compute: SciPy's root of the product, again with ε added if it is infinite."""
    means, covs = [x.mean(0) for x in (a, b)], [np.cov(x, rowvar=False) for x in (a, b)]
    root = sqrtm(covs[0] @ covs[1])
    if not np.isfinite(root).all():
        offset = eps * np.eye(len(covs[0]))
        root = sqrtm((covs[0] + offset) @ (covs[1] + offset))
    return float(((means[0] - means[1]) ** 2).sum() + np.trace(covs[0]) + np.trace(covs[1]) - 2 * np.trace(root.real))


def fid(report: Report) -> None:
    """The Fréchet distance of many and of few rows."""
    a, b = features(MANY), features(MANY, 0.05)
    ours, theirs, root = (
        partial(frechet_distance, a, b),
        partial(fid_by_eigenvalues, a, b),
        partial(fid_by_matrix_root, a.numpy(), b.numpy()),
    )
    for peer in (theirs, root):
        agree(f"FID of {MANY:,}", ours(), peer())
    size = f"{MANY:,} × {DIMS:,}"
    report.compare(f"FID, {size} (peer: torchmetrics' eigvals, published algorithm)", ours, theirs, 2, rounds=2)
    report.compare(f"FID, {size} (peer: SciPy's sqrtm, published algorithm)", ours, root, 5, rounds=2)
    a, b = a[:FEW], b[:FEW]
    ours, root = partial(frechet_distance, a, b), partial(fid_by_matrix_root, a.numpy(), b.numpy())
    agree(f"FID of {FEW}", ours(), root())
    report.compare(f"FID, {FEW} × {DIMS:,} (peer: SciPy's sqrtm, published algorithm)", ours, root, 50, rounds=2)


def kid_subset_by_subset(a: np.ndarray, b: np.ndarray, subsets: int, size: int) -> float:
    """torch-fidelity: for every subset three kernel matrices and the unbiased estimate. The subsets are those of `kid`."""
    generator, values = torch.Generator().manual_seed(0), []
    for _ in range(subsets):
        x, y = (v[torch.randperm(len(v), generator=generator)[:size].numpy()] for v in (a, b))
        xx, yy, xy = ((np.matmul(u, v.T) * (1 / u.shape[1]) + 1.0) ** 3 for u, v in ((x, x), (y, y), (x, y)))
        own = (xx.sum(1) - np.diagonal(xx)).sum() + (yy.sum(1) - np.diagonal(yy)).sum()
        values.append(own / (size * (size - 1)) - 2 * xy.sum() / size**2)
    return float(np.mean(values))


def kernel(report: Report, subsets: int = 100, size: int = 1000, part: float = 0.05) -> None:
    """KID with its usual subsets; the peer's work grows with their number, so it does a part of them."""
    a, b = features(MANY), features(MANY, 0.05)
    few = round(part * subsets)
    agree("KID", kid_fast(a, b, few, size), kid_subset_by_subset(a.numpy(), b.numpy(), few, size))
    ours, peer = partial(kid_fast, a, b, subsets, size), partial(kid_subset_by_subset, a.numpy(), b.numpy(), few, size)
    size_of = f"KID, {subsets} × {size:,} of {MANY:,} × {DIMS:,}"
    report.compare(f"{size_of} (peer: torch-fidelity, published algorithm)", ours, peer, 1.6, rounds=2, part=part)
    # torch-fidelity keeps the type of its network's features: what it gives up in digits it gains in time
    single = partial(kid_subset_by_subset, a.float().numpy(), b.float().numpy(), few, size)
    agree("KID in float32", kid_fast(a, b, few, size), single())
    report.compare(f"{size_of} (the same in float32)", ours, single, rounds=2, part=part)


def neighbours(report: Report) -> None:
    """Precision, recall, density and coverage from the same distances, as `prdc` computes them."""
    a, b = features(MANY), features(MANY, 0.05)

    def peer() -> dict:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints
            return compute_prdc(a.numpy(), b.numpy(), nearest_k=5)

    ours = partial(neighbour_scores_fast, a, b, 5, 5)
    theirs, found = peer(), ours()
    for name in ("precision", "recall", "density", "coverage"):
        agree(name, getattr(found, name), theirs[name])
    report.compare(f"precision, recall, density, coverage, {MANY:,} × {DIMS:,} (peer: prdc)", ours, peer, 1.1, rounds=2)


if __name__ == "__main__":
    threads = torch.get_num_threads()
    threadpool_limits(threads)
    if hasattr(os, "sched_setaffinity"):  # prdc starts 8 threads whatever it is told: as many cores for all
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    report = Report()
    for part in (neighbours, kernel, fid):
        seed_everything(0)
        part(report)
    report.finish()
