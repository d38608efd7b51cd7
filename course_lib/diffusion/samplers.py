"""From noise to data: pure functions of a model, a start and a list of times that falls from 1 to 0.

All take labels `y` (batch,) or None, and `guidance`, as `Diffusion.denoise` does. Everything is in the units of the chain:
`model.scaled(x)` leads there from data, `model.unscaled(x)` back. Times that do not fall raise a ValueError.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from ..nn import as_is, tensors
from .guides import Guidance


def estimates(model: nn.Module, x_t: Tensor, t: float, y: Tensor | None = None, guidance: Guidance = 1.0) -> tuple[Tensor, Tensor]:
    """x̂₀ and ε̂ of noisy data at time t; where the model clips, x̂₀ lies in [−1, 1] and ε̂ goes with it."""
    x, noise = model.denoise(x_t, t, y, guidance)
    if model.clip:
        alpha, sigma = model.schedule.at(t)
        x = x.clamp(-1, 1)
        noise = (x_t - alpha * x) / sigma  # the two must still make x_t
    return x, noise


@tensors
def ddim_step(
    model: nn.Module, x_t: Tensor, x: Tensor, noise: Tensor, t: float, s: float, eta: float = 0.0, fresh: Tensor | None = None
) -> Tensor:
    """x_s for an earlier time s from x_t and its two estimates: η = 0 is deterministic, η = 1 is DDPM's ancestral step.

    Args:
        x, noise: x̂₀ and ε̂, shaped like x_t, of which nothing but the shape counts
        fresh: standard normal noise for η > 0; drawn when left out

    Source: Song et al. 2020 (arXiv:2010.02502), equation 12.
    """
    (alpha_s, sigma_s), (_, sigma_t) = model.schedule.at(s), model.schedule.at(t)
    if eta == 0:
        return alpha_s * x + sigma_s * noise
    variance = eta**2 * model.schedule.between(s, t)[1] * sigma_s**2 / sigma_t**2  # η² times that of `Schedule.posterior`
    fresh = torch.randn_like(x_t) if fresh is None else fresh
    return alpha_s * x + max(0.0, sigma_s**2 - variance) ** 0.5 * noise + variance**0.5 * fresh


step = as_is(ddim_step)  # inside a chain, whose arguments were looked at before it began


@torch.no_grad()
@tensors(model="model", whole="y", anywhere="times")
def sample(
    model: nn.Module,
    start: Tensor,
    times: Tensor,
    y: Tensor | None = None,
    guidance: Guidance = 1.0,
    eta: float = 0.0,
    watch: Callable[[float, Tensor, Tensor], None] | None = None,
) -> Tensor:
    """DDIM's chain, or DDPM's with η = 1: one evaluation of the network a step.

    Args:
        start: x at times[0], (batch, *shape);  times: any falling list, as `Schedule.times` gives it
        watch: called with t, x_t and x̂₀ at each step
    """
    x_t = start
    for t, s in model.schedule.steps(times):
        x, noise = estimates(model, x_t, t, y, guidance)
        if watch:
            watch(t, x_t, x)
        x_t = step(model, x_t, x, noise, t, s, eta)
    return x_t


@torch.no_grad()
@tensors(model="model", whole="y", anywhere="times")
def sample_fast(model: nn.Module, start: Tensor, times: Tensor, y: Tensor | None = None, guidance: Guidance = 1.0) -> Tensor:
    """`sample` with η = 0, for a model that does not clip: x̂₀ and ε̂ are sums of x_t and what the network says, and so is x_s."""
    x_t = start
    for t, s in model.schedule.steps(times):
        x_t = jump(model, x_t, model.answer(x_t, t, y, guidance), t, s)
    return x_t


def jump(model: nn.Module, x_t: Tensor, said: Tensor, t: float, s: float) -> Tensor:
    """A step of `sample_fast` from t to s: one sum, in a fifth of the time of `ddim_step`."""
    (alpha, sigma), (p, q, r, w) = model.schedule.at(s), model.shares(*model.schedule.at(t))
    return said.mul(alpha * q + sigma * w).add_(x_t, alpha=alpha * p + sigma * r)


@torch.no_grad()
@tensors(model="model", whole="y", anywhere="times")
def sample_heun(model: nn.Module, start: Tensor, times: Tensor, y: Tensor | None = None, guidance: Guidance = 1.0) -> Tensor:
    """The probability-flow ODE by Heun's method: two evaluations a step, one in the last, and an error that falls with the square.

    In the coordinates x/σ and α/σ the ODE reads d(x/σ) = x̂₀ d(α/σ): a DDIM step takes x̂₀ from the old time, Heun averages old and new.

    Source: Karras et al. 2022 (arXiv:2206.00364), algorithm 1; the coordinates: Lu et al. 2022 (arXiv:2211.01095).
    """
    x_t = start
    for t, s in model.schedule.steps(times):
        x, noise = estimates(model, x_t, t, y, guidance)
        x_s = step(model, x_t, x, noise, t, s)
        if s > 0:
            mean = (x + estimates(model, x_s, s, y, guidance)[0]) / 2
            alpha_t, sigma_t = model.schedule.at(t)
            x_s = step(model, x_t, mean, (x_t - alpha_t * mean) / sigma_t, t, s)
        x_t = x_s
    return x_t


@torch.no_grad()
@tensors(model="model", whole="y", anywhere="times")
def euler_maruyama(
    model: nn.Module,
    start: Tensor,
    times: Tensor,
    y: Tensor | None = None,
    guidance: Guidance = 1.0,
    eta: float = 1.0,
    watch: Callable[[float, Tensor], None] | None = None,
) -> Tensor:
    """The reverse SDE dx = (f x − ½ (1 + η²) g² ∇log p) dt + η g dw, straight steps back in time. η = 0 is the probability-flow ODE.

    It knows nothing of diffusion but f, g² and the score −ε̂/σ, so it needs more steps than `sample`, which solves the linear part exactly.

    Args:
        watch: called with s and x_s after each step

    Source: Song et al. 2020 (arXiv:2011.13456), equations 6 and 13; the family in η: Zhang & Chen 2022 (arXiv:2204.13902).
    """
    x_t = start
    for t, s in model.schedule.steps(times):
        f, g2 = model.schedule.rates(t)
        score = -estimates(model, x_t, t, y, guidance)[1] / model.schedule.at(t)[1]
        x_t = x_t - (t - s) * (f * x_t - 0.5 * (1 + eta**2) * g2 * score)
        if eta:
            x_t = x_t + eta * (g2 * (t - s)) ** 0.5 * torch.randn_like(x_t)
        if watch:
            watch(s, x_t)
    return x_t


METHODS = {"ddpm": partial(sample, eta=1.0), "ddim": sample, "heun": sample_heun}


@torch.no_grad()
@tensors(model="model", whole="y", anywhere="times")
def encode(model: nn.Module, x: Tensor, times: Tensor, y: Tensor | None = None) -> Tensor:
    """Data → the noise that `sample` turns into them, along the same ODE: `times` as for sampling, read from their end.

    Each step takes the estimates of its beginning, as `sample` does, so the two are inverse in the limit of many steps only.
    """
    for s, t in reversed(model.schedule.steps(times)):
        # at t = 0 there is no noise to be estimated: the estimate comes from a little later
        guess, noise = model.denoise(x, max(t, min(s, 1e-3)), y)
        x = step(model, x, guess, noise, t, s)
    return x


@torch.no_grad()
@tensors(model="model", whole="y")
def edit(
    model: nn.Module,
    x: Tensor,
    strength: float,
    steps: int,
    y: Tensor | None = None,
    guidance: Guidance = 1.0,
    noise: Tensor | None = None,
) -> Tensor:
    """SDEdit: noise x up to the time `strength`, then clean it in so many steps. 0 gives x back, 1 forgets it.

    Raises:
        ValueError: a strength outside [0, 1]

    Source: Meng et al. 2021 (arXiv:2108.01073).
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must lie between 0 (keep everything) and 1 (forget everything), got {strength}")
    if strength == 0:
        return x
    times = strength * model.schedule.times(steps)
    noise = torch.randn_like(x) if noise is None else noise
    return sample(model, model.schedule.noised(x, times[0].expand(len(x)), noise), times, y, guidance)


@torch.no_grad()
@tensors(model="model", whole="y known", anywhere="times")
def inpaint(
    model: nn.Module,
    x: Tensor,
    known: Tensor,
    start: Tensor,
    times: Tensor,
    y: Tensor | None = None,
    guidance: Guidance = 1.0,
    repeats: int = 5,
) -> Tensor:
    """Fill in what is not known: at each step the known pixels are those of x, as noisy as the rest.

    Args:
        known: bool, broadcasts with x;  start: noise, shaped like x
        repeats: how often each step is taken; in between, the result is noised back, so that both parts come to fit together

    Raises:
        ValueError: a mask that is not of bool or does not fit x, a start of another shape, or repeats below 1

    Source: Lugmayr et al. 2022 (arXiv:2201.09865), algorithm 1.
    """
    if known.dtype != torch.bool or repeats < 1:
        raise ValueError(f"known must be a mask of bool and repeats at least 1, got {known.dtype} and {repeats}")
    if torch.broadcast_shapes(known.shape, x.shape) != x.shape or start.shape != x.shape:
        raise ValueError(f"known {tuple(known.shape)} and start {tuple(start.shape)} must fit x {tuple(x.shape)}")
    x_t = start
    for t, s in model.schedule.steps(times):
        alpha_s, sigma_s = model.schedule.at(s)
        alpha_ts, variance_ts = model.schedule.between(s, t)
        for repeat in range(repeats):
            guess, noise = estimates(model, x_t, t, y, guidance)
            x_s = step(model, x_t, guess, noise, t, s, eta=1.0)
            x_s = torch.where(known, alpha_s * x + sigma_s * torch.randn_like(x), x_s)
            if s == 0 or repeat == repeats - 1:
                break
            x_t = alpha_ts * x_s + variance_ts**0.5 * torch.randn_like(x)  # back from s to t: one step of the forward chain
        x_t = x_s
    return x_t
