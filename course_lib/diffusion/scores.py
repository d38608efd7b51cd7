"""The score ∇ log p: exact for mixtures of Gaussians, learned by denoising, and followed by Langevin's walk."""

import math

import torch
from torch import Tensor, nn

from ..nn import keeps_config, mlp, tensors
from ..scores import denoising_score_matching, langevin


@tensors
def mixture_log_prob(x: Tensor, means: Tensor, sigma: float, weights: Tensor | None = None) -> Tensor:
    """log p of points (..., dims) under Gaussians of one width σ around means (k, dims): (...), nats. Weights (k,), equal when left out."""
    return (_pulls(x, means, sigma, weights) - means.shape[1] / 2 * math.log(2 * math.pi * sigma**2)).logsumexp(-1)


@tensors
def mixture_score(x: Tensor, means: Tensor, sigma: float, weights: Tensor | None = None) -> Tensor:
    """∇ log p of the same: each mean pulls with its share, (..., dims)."""
    share = _pulls(x, means, sigma, weights).softmax(-1)
    return (share[..., None] * (means - x[..., None, :])).sum(-2) / sigma**2


def _pulls(x: Tensor, means: Tensor, sigma: float, weights: Tensor | None) -> Tensor:
    """log of weight · exp(−‖x − mean‖² / 2σ²) for each mean, (..., k)."""
    if means.ndim != 2 or not len(means) or x.shape[-1:] != means.shape[1:]:
        raise ValueError(f"means must be (k, dims), 1 or more of the size of x (..., dims), got {tuple(means.shape)} for {tuple(x.shape)}")
    if weights is not None and weights.shape != means.shape[:1]:
        raise ValueError(f"weights must be one for each of the {len(means)} means, got {tuple(weights.shape)}")
    log_weights = -math.log(len(means)) if weights is None else weights.log()
    return log_weights - (x[..., None, :] - means).square().sum(-1) / (2 * sigma**2)


class ScoreNetwork(nn.Module):
    """s(x, σ) ≈ ∇ log p_σ(x) for data with noise of many widths.

    Args:
        dims: of x;  sigmas: the widths, from large to small;  hidden: sizes of the MLP's layers

    Source: Song & Ermon 2019 (arXiv:1907.05600); denoising: Vincent 2011.
    """

    @keeps_config
    def __init__(self, dims=2, sigmas=(4.0, 2.0, 1.0, 0.5, 0.25, 0.12, 0.06), hidden=(128, 128, 128)):
        super().__init__()
        self.shape = (dims,)
        self.register_buffer("sigmas", torch.tensor(sigmas), persistent=False)
        self.net = mlp([dims + 1, *hidden, dims])

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        sigma = torch.as_tensor(sigma).to(x).expand(len(x))[:, None]
        # the network sees inputs of one size, and says the noise in units of σ
        return -self.net(torch.cat([x / (1 + sigma.square()).sqrt(), sigma.log()], 1)) / sigma

    @tensors(model="self")
    def loss(self, x: Tensor) -> Tensor:
        """σ² ‖s(x + σε, σ) + ε/σ‖², averaged: at its minimum s is the score of the noisy data."""
        sigma = self.sigmas[torch.randint(len(self.sigmas), (len(x),), device=x.device)]
        return denoising_score_matching(lambda noisy: self(noisy, sigma), x, sigma)


@tensors(model="model")
def annealed_langevin(model: ScoreNetwork, x: Tensor, steps: int = 50, rate: float = 0.1, watch=None) -> Tensor:
    """Langevin's walk with less and less noise: at each width `steps` of size rate · σ²."""
    for sigma in model.sigmas.tolist():
        x = langevin(lambda x, sigma=sigma: model(x, sigma), x, rate * sigma**2, steps, watch)
    return x
