"""The digit network: a small classifier whose features say how alike two sets of digits are."""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import checkpoints, datasets
from ..nn import check_images


class DigitNetwork(nn.Module):
    """A convolutional classifier of 28×28 digits. The layer before the last is what FID and its relatives compare.

    Args:
        width: channels of the first convolution;  features: size of the layer before the last
    """

    def __init__(self, width=32, features=64):
        super().__init__()
        self.config = {"width": width, "features": features}

        def block(a: int, b: int, size: int, stride: int = 1) -> list[nn.Module]:
            return [nn.Conv2d(a, b, size, stride, size // 2, bias=False), nn.BatchNorm2d(b), nn.ReLU()]

        self.body = nn.Sequential(
            *(*block(1, width, 5, 2), *block(width, width, 3), nn.MaxPool2d(2)),
            *block(width, 2 * width, 3),
            *(nn.Flatten(), nn.Linear(2 * width * 49, features), nn.ReLU(), nn.Dropout(0.3)),
        )
        self.head = nn.Linear(features, 10)

    def features(self, x: Tensor) -> Tensor:
        """(batch, 1, 28, 28) in [0, 1] → (batch, features)."""
        check_images(x, (1, 28, 28))
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the ten digits, (batch, 10)."""
        return self.head(self.features(x))

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy, nats. While it trains, images are moved by up to two pixels, each batch its own way."""
        if self.training:
            x = torch.roll(x, (int(torch.randint(-2, 3, ())), int(torch.randint(-2, 3, ()))), (2, 3))
        return F.cross_entropy(self(x), y)


@functools.cache
def digit_network(device: str = "cpu") -> DigitNetwork:
    """The shipped digit network."""
    return checkpoints.load("digit_network", device)


@torch.no_grad()
def digit_features(x: Tensor, batch_size: int = 500) -> Tensor:
    """(n, 1, 28, 28) in [0, 1] → (n, 64) features of the digit network, in float64 on the CPU: not every device has float64."""
    return torch.cat([digit_network(str(x.device)).features(part).cpu().double() for part in x.split(batch_size)])


@torch.no_grad()
def predicted_digits(x: Tensor, batch_size: int = 500) -> Tensor:
    """What the digit network takes each image for, (n,)."""
    return torch.cat([digit_network(str(x.device))(part).argmax(1) for part in x.split(batch_size)])


@torch.no_grad()
def draw(model, n: int, batch_size: int = 500) -> Tensor:
    """n samples, a few at a time."""
    return torch.cat([model.sample(min(batch_size, n - start)) for start in range(0, n, batch_size)])


def class_shares(x: Tensor) -> Tensor:
    """The share of each digit among images, (10,), by the digit network."""
    return torch.bincount(predicted_digits(x), minlength=10) / len(x)


def digit_fid(x: Tensor, y: Tensor | None = None) -> float:
    """Fréchet distance of two sets of digits in the digit network's features. Fewer samples make it larger: compare at equal numbers.

    Args:
        x: (n, 1, 28, 28) in [0, 1]
        y: the same with any n; MNIST's 10,000 test images when left out, whose moments are shipped
    """
    if y is not None:
        return frechet_distance(digit_features(x), digit_features(y))
    stored = checkpoints.tensors("digit_moments")
    return gaussian_distance(*moments(digit_features(x)), stored["mean"], stored["cov"])


def digit_kid(x: Tensor, y: Tensor | None = None) -> float:
    """Kernel distance of two sets of digits in the digit network's features: unlike FID, right on average for any number of samples.

    Args:
        x: (n, 1, 28, 28) in [0, 1]
        y: the same with any m; the 1,000 test images of `mnist_small` when left out
    """
    return kernel_distance(digit_features(x), _features_of_small_test() if y is None else digit_features(y))


@functools.cache
def _features_of_small_test() -> Tensor:
    return digit_features(datasets.load("mnist_small", "test").images())


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """The squared maximum mean discrepancy for the kernel (a·b/d + 1)³, without bias: it may fall below 0.

    Args:
        a: (n, features), b: (m, features), two rows or more each

    Source: Bińkowski et al. 2018 (arXiv:1801.01401); Gretton et al. 2012, equation 3.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"features must be (n, d) and (m, d), two rows or more each; got {tuple(a.shape)} and {tuple(b.shape)}")
    a, b = a.double(), b.double()

    def kernel(u: Tensor, v: Tensor) -> Tensor:
        return (u @ v.T / u.shape[1] + 1) ** 3

    def mean_of_others(u: Tensor) -> Tensor:  # a point is no evidence about its distance to others
        k = kernel(u, u)
        return (k.sum() - k.trace()) / (len(u) * (len(u) - 1))

    return (mean_of_others(a) + mean_of_others(b) - 2 * kernel(a, b).mean()).item()


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (d,) and covariance (d, d) of features (n, d), in float64; ValueError for fewer than two rows, or NaN."""
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"features must be (n, d) with n of 2 or more; got {tuple(features.shape)}")
    if not features.isfinite().all():
        raise ValueError("features must be finite, but there are NaN or infinite ones among them")
    features = features.cpu().double()
    return features.mean(0), torch.cov(features.T).view(features.shape[1], -1)


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Fréchet distance of the Gaussians fitted to two sets of features.

    Args:
        a: (n, features), b: (m, features)

    Source: Dowson & Landau 1982; Heusel et al. 2017 (arXiv:1706.08500).
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"features must be (n, d) and (m, d), two rows or more each; got {tuple(a.shape)} and {tuple(b.shape)}")
    return gaussian_distance(*moments(a), *moments(b))


def gaussian_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½), the squared 2-Wasserstein distance of two Gaussians. Means (d,), covariances (d, d)."""
    # Σ₁^½ Σ₂ Σ₁^½ is symmetric and has the eigenvalues of Σ₁Σ₂: two symmetric decompositions instead of a complex matrix root
    values, vectors = torch.linalg.eigh(cov_a)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    trace = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * trace
    return max(0.0, distance.item())  # rounding may leave a little below 0
