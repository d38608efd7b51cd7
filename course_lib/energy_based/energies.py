"""Energies: any function x (batch, ...) → (batch,) with p(x) ∝ exp(−E(x)); what is made of them, and densities whose moments are known."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from ..datasets import toy2d, toy2d_log_prob
from ..datasets.toy2d import GAUSSIANS
from ..nn import tensors

Energy = Callable[[Tensor], Tensor]


@tensors
def slope(energy: Energy, x: Tensor) -> Tensor:
    """∇E at x (batch, ...), the same shape. It cannot be differentiated again.

    Raises:
        ValueError: the energy does not give one number for each example
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        e = energy(x)
        if e.shape != x.shape[:1]:
            raise ValueError(f"the energy of x {tuple(x.shape)} must be ({len(x)},), one number an example, got {tuple(e.shape)}")
        return torch.autograd.grad(e.sum(), x)[0]


def tempered(energy: Energy, temperature: float) -> Energy:
    """E / T, the energy of p^(1/T): flatter above 1, and nothing but the deepest minima near 0.

    Raises:
        ValueError: a temperature that is not above 0
    """
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be above 0 and finite, got {temperature}; 0.01 leaves little but the deepest minima")
    return lambda x: energy(x) / temperature


def product(energies: Sequence[Energy], weights: Sequence[float] | None = None) -> Energy:
    """Σ w E, the energy of Π p^w: what all of them find likely ("and"). A weight below 0 asks for the opposite ("not").

    Args:
        weights: one for each; 1 when left out

    Raises:
        ValueError: no energies, or another number of weights

    Source: Hinton 2002, "Training products of experts"; Du et al. 2020 (arXiv:2004.06030), equations 5 and 11.
    """
    weights = _a_weight_for_each(energies, weights)
    return lambda x: sum(w * energy(x) for w, energy in zip(weights, energies))


def mixture(energies: Sequence[Energy], weights: Sequence[float] | None = None) -> Energy:
    """−log Σ w exp(−E), the energy of Σ w exp(−E): what any of them finds likely ("or").

    Energies are known up to a constant only, and that constant is part of the weight: w stands for the share w · Z, not for w.

    Raises:
        ValueError: as in `product`, or a weight that is not above 0

    Source: Du et al. 2020 (arXiv:2004.06030), equation 9.
    """
    weights = _a_weight_for_each(energies, weights)
    if not all(w > 0 for w in weights):
        raise ValueError(f"the weights of a mixture must be above 0, got {weights}")
    return lambda x: -torch.stack([math.log(w) - energy(x) for w, energy in zip(weights, energies)]).logsumexp(0)


def _a_weight_for_each(energies: Sequence[Energy], weights: Sequence[float] | None) -> list[float]:
    weights = [1.0] * len(energies) if weights is None else list(map(float, weights))
    if not energies or len(weights) != len(energies):
        raise ValueError(f"composing needs energies, and a weight for each: got {len(energies)} and {len(weights)} weights")
    return weights


@dataclass(frozen=True, eq=False)
class Target:
    """A density that samplers are tried on, with what is known of it.

    Attributes:
        log_prob: x (n, dims) → (n,), nats, exact
        sample: n → (n, dims), independent
        mean, cov: (dims,) and (dims, dims), exact
    """

    name: str
    log_prob: Callable[[Tensor], Tensor]
    sample: Callable[[int], Tensor]
    mean: Tensor
    cov: Tensor

    def energy(self, x: Tensor) -> Tensor:
        """−log p: (n, dims) → (n,), nats, with log Z = 0."""
        return -self.log_prob(x)


@tensors(finite="mean cov")
def gaussian(mean: Tensor, cov: Tensor) -> Target:
    """N(mean, cov): mean (dims,), cov (dims, dims), symmetric and positive definite, else ValueError."""
    try:
        torch.linalg.cholesky(cov)
    except RuntimeError as error:
        raise ValueError(f"cov must be symmetric and positive definite beside mean {tuple(mean.shape)}, got {cov.tolist()}") from error
    normal = MultivariateNormal(mean, cov)
    return Target("Gaussian", normal.log_prob, lambda n: normal.sample((n,)), mean, cov)


def banana(bend: float = 0.5, width: float = 1.5) -> Target:
    """x₁ ~ N(0, width²), x₂ ~ N(bend · (x₁² − width²), 1): a bent Gaussian whose moments have a closed form.

    Source: the twisted Gaussian of Haario et al. 1999, centred.
    """

    def middle(x1: Tensor) -> Tensor:
        return bend * (x1.square() - width**2)

    def log_prob(x: Tensor) -> Tensor:
        squares = (x[:, 0] / width).square() + (x[:, 1] - middle(x[:, 0])).square()
        return -0.5 * squares - math.log(2 * math.pi * width)

    def sample(n: int) -> Tensor:
        x1 = width * torch.randn(n)
        return torch.stack([x1, middle(x1) + torch.randn(n)], 1)

    return Target("banana", log_prob, sample, torch.zeros(2), torch.diag(torch.tensor([width**2, 1 + 2 * bend**2 * width**4])))


def eight_modes() -> Target:
    """Eight equal Gaussians on a circle, `toy2d("gaussians8")`: between two neighbours the energy rises by about 10 nats."""
    means, std = GAUSSIANS["gaussians8"]

    def sample(n: int) -> Tensor:
        return toy2d("gaussians8", n, seed=int(torch.randint(2**31, ()))).x

    cov = means.T @ means / len(means) + std**2 * torch.eye(2)
    return Target("8 modes", lambda x: toy2d_log_prob("gaussians8", x), sample, means.mean(0), cov)


def targets() -> dict[str, Target]:
    """The three of the lecture, by name: a stretched Gaussian, a banana and eight modes."""
    found = [gaussian(torch.tensor([1.0, -1.0]), torch.tensor([[2.0, 1.0], [1.0, 1.0]])), banana(), eight_modes()]
    return {target.name: target for target in found}
