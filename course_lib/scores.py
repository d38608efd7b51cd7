"""What diffusion and energy-based models share: a walk along a score ∇ log p, and how a score is learned by denoising."""

from collections.abc import Callable

import torch
from torch import Tensor

from .nn import as_is, tensors


@tensors
def langevin_step(x: Tensor, score: Callable[[Tensor], Tensor], step: float) -> Tensor:
    """x + η ∇log p(x) + √(2η) noise. x (batch, ...), score: x → the same shape, step η above 0.

    Source: Roberts & Tweedie 1996; Song & Ermon 2019 (arXiv:1907.05600), section 2.2, whose step α is twice our η.
    """
    return x + step * score(x) + (2 * step) ** 0.5 * torch.randn_like(x)


@tensors
def langevin(score: Callable[[Tensor], Tensor], x: Tensor, step: float, steps: int, watch=None) -> Tensor:
    """x ← x + η ∇log p(x) + √(2η) noise, again and again: in the long run, samples of p. x (batch, ...), score: x → the same shape.

    Raises:
        ValueError: a step η that is not above 0
    """
    if not step > 0:
        raise ValueError(f"the step η must be above 0, got {step}")
    move = as_is(langevin_step)
    for _ in range(steps):
        x = move(x, score, step).detach()  # else the graph grows with every step
        if watch:
            watch(x)
    return x


@tensors
def denoising_score_matching(score: Callable[[Tensor], Tensor], x: Tensor, sigma: Tensor | float) -> Tensor:
    """σ² ‖s(x + σε) + ε/σ‖², summed over dimensions and averaged over the batch: least where s is the score of the noisy data.

    Args:
        score: s, (batch, ...) → the same shape
        x: data (batch, ...)
        sigma: σ, the width of the noise, one or one for each example (batch,). The factor σ² gives widths equal weight

    Source: Vincent 2011, equation 10; the factor: Song & Ermon 2019 (arXiv:1907.05600), equation 6.
    """
    sigma = torch.as_tensor(sigma).to(x).view(-1, *[1] * (x.ndim - 1))
    noise = torch.randn_like(x)
    return (sigma * score(x + sigma * noise) + noise).square().flatten(1).sum(1).mean()
