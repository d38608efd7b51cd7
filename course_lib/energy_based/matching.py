"""Learning an energy without samples of the model: score matching, and telling data from noise."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..distributions import gaussian_log_prob
from ..nn import Model, as_weights, keeps_config, mlp, normal, tensors
from ..scores import denoising_score_matching
from .samplers import mala, positive, squared

Score = Callable[[Tensor], Tensor]
OBJECTIVES = ("nce", "denoising", "sliced", "exact")


@tensors
def score_matching(score: Score, x: Tensor) -> Tensor:
    """½ ‖s‖² + Σ_i ∂s_i/∂x_i, averaged over x (batch, dims): ½ E‖s − ∇log p‖² but for a constant. A backward pass a dimension.

    Source: Hyvärinen 2005, theorem 1.
    """
    x = x.detach().requires_grad_()
    s = score(x)
    trace = sum(torch.autograd.grad(s[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(x.shape[1]))
    return (0.5 * squared(s) + trace).mean()


@tensors
def sliced_score_matching(score: Score, x: Tensor, projections: int = 1) -> Tensor:
    """½ ‖s‖² + vᵀ ∇(vᵀ s) for random v, averaged over x (batch, ...): `score_matching` on average, a backward pass a projection.

    Source: Song et al. 2019 (arXiv:1905.07088), equation 8, with v ~ N(0, I).
    """
    x = x.detach().requires_grad_()
    s = score(x)
    loss = 0.5 * squared(s)
    for _ in range(projections):
        v = torch.randn_like(x)
        loss = loss + (v * torch.autograd.grad((v * s).sum(), x, create_graph=True)[0]).flatten(1).sum(1) / projections
    return loss.mean()


@tensors
def noise_contrastive(log_model: Callable, log_noise: Callable, x: Tensor, noise: Tensor) -> Tensor:
    """−E log σ(G) − ν E log σ(−G), where G = log p − log(ν q): how badly data x (n, ...) and ν n draws of the noise q are told apart.

    Args:
        log_model, log_noise: x → (batch,), nats. The model need not be normalised: at the minimum it is, if a constant is free

    Source: Gutmann & Hyvärinen 2010; with ν noise samples for each of data 2012, equation 8.
    """
    if not len(x) or not len(noise):
        raise ValueError(f"x and noise need one example each or more, got {len(x)} and {len(noise)}")
    ratio = len(noise) / len(x)
    real, fake = (log_model(part) - log_noise(part) - math.log(ratio) for part in (x, noise))
    return -F.logsigmoid(real).mean() - ratio * F.logsigmoid(-fake).mean()


class PointEnergy(Model):
    """A small energy of points, learned without a chain: an MLP on a wide bowl, so that Z exists, and a number that stands for log Z.

    Args:
        dims: of x;  hidden: sizes of the MLP's layers
        objective: "nce", with twice as much noise as data, which learns log Z too; "denoising", "sliced" or "exact" score matching
        width: of the bowl and of the noise;  sigma: of the noise that "denoising" adds, and whose score it then learns
    """

    @keeps_config
    def __init__(self, dims=2, hidden=(64, 64), objective="nce", width=3.0, sigma=0.3):
        super().__init__()
        if objective not in OBJECTIVES:
            raise ValueError(f"unknown objective {objective!r}; choose one of {', '.join(OBJECTIVES)}")
        positive(width, "width"), positive(sigma, "sigma")
        self.dims, self.objective, self.width, self.sigma = dims, objective, width, sigma
        self.net = mlp([dims, *hidden, 1])
        self.log_z = nn.Parameter(torch.tensor(dims * math.log(width * math.sqrt(2 * math.pi))))  # that of the bowl alone

    def energy(self, x: Tensor) -> Tensor:
        """(batch, dims) → (batch,)."""
        x = as_weights(x, self, "x", (self.dims,), finite=False)
        return self.net(x).squeeze(1) + 0.5 * squared(x) / self.width**2

    def log_prob(self, x: Tensor) -> Tensor:
        """−E(x) − log Z with the log Z that "nce" learns: (batch, dims) → (batch,), nats, and only about normalised."""
        return -self.energy(x) - self.log_z

    def score(self, x: Tensor) -> Tensor:
        """−∇E, of the same shape, through which gradients pass to the weights."""
        x = as_weights(x, self, "x", (self.dims,), finite=False)
        x = x if x.requires_grad else x.detach().requires_grad_()
        with torch.enable_grad():
            return -torch.autograd.grad(self.energy(x).sum(), x, create_graph=True)[0]

    def loss(self, x: Tensor) -> Tensor:
        """The objective, averaged over x (batch, dims)."""
        x = as_weights(x, self, "x", (self.dims,), finite=False)
        if self.objective == "nce":
            log_var = 2 * x.new_tensor(self.width).log().expand(self.dims)
            log_noise = lambda x: gaussian_log_prob(x, torch.zeros_like(log_var), log_var)  # noqa: E731
            return noise_contrastive(self.log_prob, log_noise, x, self.width * normal(self, 2 * len(x), self.dims))
        if self.objective == "denoising":
            return denoising_score_matching(self.score, x, self.sigma)
        return (sliced_score_matching if self.objective == "sliced" else score_matching)(self.score, x)

    def sample(self, n: int, *, steps: int = 300, step: float = 0.05) -> Tensor:
        """n points (n, dims): the ends of MALA chains from the noise."""
        return mala(lambda x: self.energy(x), self.width * normal(self, n, self.dims), step, steps).path[-1]
