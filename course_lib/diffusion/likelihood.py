"""How likely data are: the variational bound of the chain, and the density of the probability-flow ODE.

Data are in the units of the chain, `model.scaled(x)`. Sums are in float64 on the CPU: not every device has that type.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..distributions import standard_normal_log_prob
from ..nn import check_range, tensors
from .guides import Guidance
from .schedules import Schedule

LEVELS = 256


def pixel_log_prob(x: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """log of the probability that N(mean, σ²) gives to the bin around each pixel, nats, shaped like x. The outer bins reach to infinity.

    x: pixels in [−1, 1], on the grid of 256 levels
    """
    half = 1 / (LEVELS - 1)
    above = torch.where(x > 1 - half, math.inf, (x - mean + half) / sigma)
    below = torch.where(x < -1 + half, -math.inf, (x - mean - half) / sigma)
    # far from the mean both ends are near 1: the other tail has the digits, and erfc keeps them where Φ rounds to 0
    flip = below > 0
    above, below = torch.where(flip, -below, above), torch.where(flip, -above, below)
    return ((torch.special.erfc(-above / math.sqrt(2)) - torch.special.erfc(-below / math.sqrt(2))) / 2).clamp_min(1e-30).log()


@torch.no_grad()
@tensors(model="model", whole="y")
def variational_bound(model: nn.Module, x: Tensor, y: Tensor | None = None, steps: int = 1000, draws: int = 20) -> dict[str, Tensor]:
    """A lower bound of log P(x) of pixels x in [−1, 1] on 256 levels, and its three parts: (batch,) nats each.

    Returns:
        bound = −(prior + chain + pixels), where
        prior: KL(q(x₁ | x₀) ‖ N(0, I));
        chain: Σ ½ (SNR(s) − SNR(t)) ‖x₀ − x̂₀‖² over the steps t → s, estimated from `draws` of them, spread evenly in log SNR: there
            the terms differ least;
        pixels: −log p(x₀ | x_t) at the first time after 0, with one draw of x_t;
        error: the standard error that the draws leave in the chain, told by how far neighbouring draws differ; ∞ with one draw. It is
            rather too large, since neighbours differ a little in truth as well

    Raises:
        ValueError: no draws, or pixels that are not in the units of the chain

    Source: Kingma et al. 2021 (arXiv:2107.00630), equations 11 to 14; its appendix has the integral over log SNR.
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    if not len(x):
        raise ValueError("x: expected 1 example or more, got none")
    check_range(x, "x", -1, 1, "pixels in the units of the chain, as model.scaled gives them,")
    schedule, n = model.schedule, len(x)
    times = schedule.times(steps).flip(0)  # 0, 1/T, …, 1
    alpha, sigma = schedule.at(1.0)
    prior = 0.5 * (sigma**2 - 1 - 2 * math.log(sigma) + alpha**2 * x.cpu().double().square()).flatten(1).sum(1)
    log_snr = schedule.log_snr(times)
    ends = log_snr[1] - log_snr[1:]  # where each step of the chain ends, in nats of log SNR from the first time on
    terms = []
    for k in range(draws if steps > 1 else 0):
        place = (torch.rand(n, dtype=torch.float64) + k) / draws * ends[-1]
        i = 1 + torch.searchsorted(ends, place, right=True).clamp(1, steps - 1)  # a step of 2 to T for each example
        chosen = (log_snr[i - 1] - log_snr[i]) / ends[-1]  # with this probability
        terms.append(0.5 * (log_snr[i - 1].exp() - log_snr[i].exp()) * squared_error(model, x, times[i], y) / chosen)
    terms = torch.stack(terms) if terms else torch.zeros(1, n, dtype=torch.float64)
    pixels = -_given_noisy(model, x, schedule.noised(x, times[1], torch.randn_like(x)), times[1].item(), y)
    error = torch.zeros(n, dtype=torch.float64) if steps == 1 else error_of_mean(terms)
    return {"bound": -(prior + terms.mean(0) + pixels), "prior": prior, "chain": terms.mean(0), "pixels": pixels, "error": error}


def error_of_mean(terms: Tensor) -> Tensor:
    """Standard error of the mean of draws from neighbouring parts of a range, (draws, batch) → (batch,); ∞ for one draw.

    Half of the mean squared difference of neighbours is their variance, were their means the same.

    Source: Wolter 2007, Introduction to Variance Estimation, section 8.2 (successive differences).
    """
    if len(terms) == 1:
        return torch.full_like(terms[0], math.inf)
    return (terms.diff(dim=0).square().mean(0) / 2 / len(terms)).sqrt()


def squared_error(model: nn.Module, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
    """‖x₀ − x̂₀‖² at times t (batch,), with x̂₀ cut to the range of pixels: (batch,)."""
    guess, _ = model.denoise(model.schedule.noised(x, t, torch.randn_like(x)), t, y)
    return (x - guess.clamp(-1, 1)).cpu().double().square().flatten(1).sum(1)


def _given_noisy(model: nn.Module, x: Tensor, x_t: Tensor, t: float, y: Tensor | None) -> Tensor:
    """log P(x₀ | x_t), nats (batch,): each pixel is N(x̂₀, (σ/α)²), the width that a flat prior leaves."""
    alpha, sigma = model.schedule.at(t)
    guess, _ = model.denoise(x_t, t, y)
    return pixel_log_prob(x.cpu().double(), guess.clamp(-1, 1).cpu().double(), sigma / alpha).flatten(1).sum(1)


def velocity(model: nn.Module, x_t: Tensor, t: float, y: Tensor | None = None, guidance: Guidance = 1.0) -> Tensor:
    """dx/dt of the probability-flow ODE: α′ x̂₀ + σ′ ε̂.

    Source: Song et al. 2020 (arXiv:2011.13456), equation 13, written with the two estimates.
    """
    x, noise = model.denoise(x_t, t, y, guidance)
    (alpha_a, sigma_a), (alpha_b, sigma_b) = (model.schedule.at(v) for v in (max(t - 1e-5, 0.0), min(t + 1e-5, 1.0)))
    width = min(t + 1e-5, 1.0) - max(t - 1e-5, 0.0)
    return (alpha_b - alpha_a) / width * x + (sigma_b - sigma_a) / width * noise


@tensors(model="model", whole="y")
def ode_log_prob(model: nn.Module, x: Tensor, y: Tensor | None = None, steps: int = 50, first: float = 1e-3, exact: bool = False) -> Tensor:
    """log density at x of the data that the ODE makes at the time `first`, nats: (batch,). Steps by Heun's method, even in log SNR.

    It is a density per unit of the chain: per unit of the data it is less by dims · log scale.

    Args:
        exact: compute the trace of the derivative, a backward pass for each dimension; otherwise it is estimated along one random
            direction, without bias

    Raises:
        ValueError: `first` outside (0, 1), or no steps

    Source: Song et al. 2020 (arXiv:2011.13456), appendix D.2; Grathwohl et al. 2018 (arXiv:1810.01367).
    """
    if not 0 < first < 1 or steps < 1:
        raise ValueError(f"first must lie between 0 and 1 and steps be at least 1, got {first} and {steps}")
    flat = x.flatten(1)
    # along each axis, or along one direction of ±1
    probes = torch.eye(flat.shape[1]).to(x)[:, None].expand(-1, len(x), -1) if exact else (torch.randint_like(flat, 2) * 2 - 1)[None]
    probes = probes.view(len(probes), *x.shape)
    total = torch.zeros(len(x), dtype=torch.float64)
    times = even_in_log_snr(model.schedule, steps, first).tolist()
    for t, s in pairwise(times):
        v, trace = velocity_and_trace(model, x, t, y, probes)
        v_s, trace_s = velocity_and_trace(model, x + (s - t) * v, s, y, probes)
        x = x + (s - t) / 2 * (v + v_s)
        total += (s - t) / 2 * (trace + trace_s)
    return standard_normal_log_prob(x.flatten(1)).cpu().double() + total


@tensors(model="model", whole="y")
def velocity_and_trace(model: nn.Module, x_t: Tensor, t: float, y: Tensor | None, probes: Tensor) -> tuple[Tensor, Tensor]:
    """`velocity`, and the trace of its derivative by x, (batch,): the sum of e · ∂(v · e)/∂x over probes e, (k, *x.shape)."""
    with torch.inference_mode(False), torch.enable_grad():  # also where gradients are switched off
        x_t = x_t.clone().detach().requires_grad_()
        v = velocity(model, x_t, t, y)
        trace = x_t.new_zeros(len(x_t))
        for e in probes:
            (g,) = torch.autograd.grad((v * e).sum(), x_t, retain_graph=True)
            trace = trace + (g * e).flatten(1).sum(1)
    return v.detach(), trace.cpu().double()


@tensors(model="model", whole="y")
def ode_bound(model: nn.Module, x: Tensor, y: Tensor | None = None, steps: int = 50, first: float = 2e-3) -> Tensor:
    """A lower bound of log P(x) of pixels on 256 levels by the ODE, nats (batch,): log p(x_t) + log P(x₀ | x_t) − log q(x_t | x₀).

    Pixels are whole numbers and the ODE has densities: the noise of the time `first` stands between them, as dequantisation does.

    Source: the bound of Song et al. 2021 (arXiv:2101.09258), section 4.
    """
    alpha, sigma = model.schedule.at(first)
    noise = torch.randn_like(x)
    x_t = alpha * x + sigma * noise
    log_q = standard_normal_log_prob(noise.flatten(1)).cpu().double() - math.prod(x.shape[1:]) * math.log(sigma)
    with torch.no_grad():
        back = _given_noisy(model, x, x_t, first, y)
    return ode_log_prob(model, x_t, y, steps, first) + back - log_q


def even_in_log_snr(schedule: Schedule, steps: int, first: float = 1e-3, last: float = 1.0) -> Tensor:
    """steps + 1 rising times from `first` to `last` at equal distances of log SNR, float64."""
    grid = torch.linspace(first, last, 20_001, dtype=torch.float64)
    value = -schedule.log_snr(grid)
    wanted = torch.linspace(value[0].item(), value[-1].item(), steps + 1, dtype=torch.float64)
    after = torch.searchsorted(value, wanted).clamp(1, len(grid) - 1)
    share = (wanted - value[after - 1]) / (value[after] - value[after - 1]).clamp_min(1e-12)
    return grid[after - 1] + share.clamp(0, 1) * (grid[after] - grid[after - 1])
