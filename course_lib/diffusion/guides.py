"""Guidance beyond one number: at some times only, and away from a worse model in place of one that was not told the label."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Guidance = float | Callable[[float], float]  # a weight w, or w as a function of the time


def within(weight: float, first: float, last: float) -> Callable[[float], float]:
    """Guidance in an interval of times: w(t) = weight for first ≤ t ≤ last, and 1, the plain conditional model, outside.

    Raises:
        ValueError: times that are not 0 ≤ first ≤ last ≤ 1

    Source: Kynkäänniemi et al. 2024 (arXiv:2404.07724), who give the interval in levels of noise.
    """
    if not 0 <= first <= last <= 1:
        raise ValueError(f"an interval of times must have 0 ≤ first ≤ last ≤ 1, got {first} and {last}")
    return lambda t: weight if first <= t <= last else 1.0


class Autoguided(nn.Module):
    """A model that is pushed away from what a worse version of itself says: x̂ = x̂_worse + w (x̂_model − x̂_worse), for samplers.

    Args:
        model, worse: trained for one task, the second with fewer weights or for fewer steps
        weight: w; 1 is the model alone

    Raises:
        ValueError: two schedules or shapes

    Source: Karras et al. 2024 (arXiv:2406.02507).
    """

    def __init__(self, model: nn.Module, worse: nn.Module, weight: float):
        super().__init__()
        ours, theirs = ((m.schedule.name, m.shape) for m in (model, worse))
        if ours != theirs:
            raise ValueError(f"the two models must share schedule and shape, got {ours} and {theirs}")
        self.model, self.worse, self.weight = model, worse, weight
        self.schedule, self.shape, self.clip = model.schedule, model.shape, model.clip

    def denoise(self, x_t: Tensor, t: Tensor | float, y: Tensor | None = None, guidance: Guidance = 1.0) -> tuple[Tensor, Tensor]:
        """The two estimates, as `Diffusion.denoise` gives them; both models are told the same label, with the same guidance."""
        pairs = zip(self.worse.denoise(x_t, t, y, guidance), self.model.denoise(x_t, t, y, guidance))
        return tuple(torch.lerp(worse, better, self.weight) for worse, better in pairs)
