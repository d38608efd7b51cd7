"""The Fréchet distance: how far apart the Gaussians are that fit two sets of features. FID is this distance on Inception's features."""

import torch
from torch import Tensor

from ..nn import tensors
from .arrays import Array, Score, as_tensor, exact, exact_pair

BLOCK = 256  # columns of a product of matrices of which only a half is needed


class Moments:
    """Mean and covariance of features that arrive in parts, in float64: no part need be kept.

    Attributes:
        n: rows seen;  mean: (d,)
    """

    def __init__(self):
        self.n, self.mean, self.scatter = 0, None, None
        self.whole = None  # whether what was seen first were bytes: floats beside them would have another scale

    def update(self, features: Array) -> "Moments":
        """Add rows (n, d), one or more; gives itself back.

        Source: Chan, Golub & LeVeque 1979, equation 2.1: sums of squares would lose digits where the mean is large.
        """
        whole = as_tensor(features, "features", finite=False).dtype == torch.uint8
        if self.whole not in (None, whole):
            raise ValueError("features are bytes in one part and floats in another: give all alike, such as by datasets.to_float")
        self.whole, features = whole, exact(features, least=1)
        n, mean = len(features), features.mean(0)
        if self.mean is None:
            self.n, self.mean, self.scatter = n, mean, gram(features - mean)
            return self
        if mean.shape != self.mean.shape:
            raise ValueError(f"features must have {len(self.mean)} columns as before; got {len(mean)}")
        shift, total = mean - self.mean, self.n + n
        self.scatter += gram(features - mean) + torch.outer(shift, shift) * (self.n * n / total)
        self.mean = self.mean + shift * (n / total)
        self.n = total
        return self

    @property
    def cov(self) -> Tensor:
        """(d, d), divided by n − 1."""
        if self.n < 2:
            raise ValueError(f"a covariance needs 2 rows or more; seen so far: {self.n}")
        return self.scatter / (self.n - 1)


def gram(x: Tensor) -> Tensor:
    """xᵀ x of (n, d): (d, d). It is symmetric, so blocks below the diagonal are copied from those above."""
    whole = x.new_empty(x.shape[1], x.shape[1])
    for start in range(0, x.shape[1], BLOCK):
        rows = slice(start, start + BLOCK)
        part = x[:, rows].T @ x[:, start:]
        whole[rows, start:], whole[start:, rows] = part, part.T
    return whole


def moments(features: Array) -> tuple[Tensor, Tensor]:
    """Mean (d,) and covariance (d, d) of features (n, d), in float64.

    Raises:
        ValueError: fewer than two rows, NaN or infinite values
    """
    seen = Moments().update(exact(features))
    return seen.mean, seen.cov


def frechet_distance(a: Array | Moments, b: Array | Moments) -> Score:
    """Squared Fréchet distance of the Gaussians fitted to two sets of features. Fewer samples make it larger: compare at equal numbers.

    Args:
        a, b: features (n, d) and (m, d), or `Moments` of them

    Returns:
        the distance, 0 or more, with the numbers of samples

    Raises:
        ValueError: shapes do not fit, or values are not finite

    Source: Dowson & Landau 1982; Heusel et al. 2017 (arXiv:1706.08500).
    """
    if isinstance(a, Moments) or isinstance(b, Moments):
        a, b = (v if isinstance(v, Moments) else Moments().update(v) for v in (a, b))
        if a.whole is not b.whole:
            raise ValueError("a and b are bytes and floats: give both alike, such as by datasets.to_float")
        if a.cov.shape != b.cov.shape:
            raise ValueError(f"a and b must have the same features; got moments of {len(a.mean)} and {len(b.mean)}")
        return Score(gaussian_distance(a.mean, a.cov, b.mean, b.cov), a.n, b.n)
    a, b = exact_pair(a, b)
    n, m = len(a), len(b)
    if min(n, m) >= a.shape[1]:
        return Score(gaussian_distance(*moments(a), *moments(b)), n, m)
    # fewer rows than features: the trace of the root is the nuclear norm of a small matrix, and no covariance is ever formed
    means = a.mean(0), b.mean(0)
    a, b = (a - means[0]) / (n - 1) ** 0.5, (b - means[1]) / (m - 1) ** 0.5
    trace = torch.linalg.svdvals(a @ b.T).sum()
    return Score(max(0.0, ((means[0] - means[1]).square().sum() + a.square().sum() + b.square().sum() - 2 * trace).item()), n, m)


@tensors(finite="mean_a cov_a mean_b cov_b")
def gaussian_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½), the squared 2-Wasserstein distance of two Gaussians. Means (d,), covariances (d, d)."""
    root, failed = torch.linalg.cholesky_ex(cov_a)  # Σ₁ = R Rᵀ
    if failed:  # singular: the root from its eigenvalues takes longer
        values, vectors = torch.linalg.eigh(cov_a)
        root = vectors * values.clamp(min=0).sqrt()
    # the symmetric Rᵀ Σ₂ R has the eigenvalues of Σ₁Σ₂, and needs no complex root
    trace = torch.linalg.eigvalsh(root.T @ cov_b @ root).clamp(min=0).sqrt().sum()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * trace
    return max(0.0, distance.item())  # rounding may leave a little below 0
