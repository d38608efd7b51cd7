"""Markov chains whose stationary density is p ∝ exp(−E): many chains at once, x (chains, dims).

A `…_step` is one step of an algorithm, as a paper would write it; `metropolis`, `gibbs`, `ula`, `mala` and `hmc` take many and keep the
path, `Chains`. For another temperature give `tempered(energy, T)`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .. import scores
from ..nn import as_is, checked, tensors
from .diagnostics import effective_sample_size, split_r_hat
from .energies import Energy, slope

Proposal = Callable[[Tensor], tuple[Tensor, Tensor | float]]
_slope, langevin_step = as_is(slope), as_is(scores.langevin_step)


@dataclass(frozen=True, eq=False)
class Chains:
    """What chains did.

    Attributes:
        path: (steps + 1, chains, ...), the start first
        accepted: (steps, chains), whether each step was taken
    """

    path: Tensor
    accepted: Tensor

    @property
    def acceptance(self) -> float:
        """The share of steps that were taken."""
        return self.accepted.double().mean().item()

    def after(self, burn_in: int) -> Tensor:
        """All samples but those of the first `burn_in` steps, (n, ...)."""
        return self.path[burn_in + 1 :].flatten(0, 1)

    @property
    def points(self) -> Tensor:
        """The path of whatever shape as (steps + 1, chains, dims)."""
        return self.path.reshape(*self.path.shape[:2], -1)

    @property
    def later(self) -> Tensor:
        """The second half of the path, (steps / 2, chains, dims): what is judged, for the start is forgotten in the first."""
        return self.points[len(self.path) // 2 :]

    @cached_property
    def r_hat(self) -> float:
        """The largest `split_r_hat` of the second half; NaN where nothing moves."""
        return split_r_hat(self.later).max().item()

    @cached_property
    def ess(self) -> float:
        """The smallest `effective_sample_size` of the second half; NaN where nothing moves."""
        return effective_sample_size(self.later).min().item()

    @cached_property
    def trouble(self) -> str | None:
        """Why these are no samples, in a sentence; None where nothing shows. Chains that all missed one mode look well."""
        steps, chains = self.accepted.shape
        lost = ~self.points.isfinite().all(2)
        if lost.any():
            first = int(lost.any(1).nonzero()[0])
            return f"{int(lost.any(0).sum())} of {chains} chains diverged, the first at step {first}: make the step smaller"
        if stuck := int((self.points == self.points[:1]).all(2).all(0).sum()):
            return f"{stuck} of {chains} chains never moved in {steps} steps (acceptance {self.acceptance:.2%}): make the step smaller"
        if steps < 20:
            return f"{steps} steps are too few to tell whether the chains have forgotten where they began"
        if not self.r_hat < 1.1:
            return (
                f"the chains tell different stories (R-hat {self.r_hat:.2f}, good below 1.01; acceptance {self.acceptance:.0%}): let them "
                f"run longer, or change the step"
            )
        return None


def run(step: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor, steps: int) -> Chains:
    """Take many steps from x (chains, ...). step: x → the next x, and which chains moved (chains,).

    Raises:
        ValueError: no chains, no steps, or a start with NaN
    """
    if not len(checked(x, "x")) or steps < 1:
        raise ValueError(f"a path needs one chain and one step or more, got x {tuple(x.shape)} and {steps} steps")
    path, accepted = [x.detach()], []
    for _ in range(steps):
        x, moved = step(path[-1])
        path.append(x.detach())
        accepted.append(moved)
    return Chains(torch.stack(path), torch.stack(accepted))


def positive(value: float, name: str) -> float:
    """ValueError unless it is above 0: a step of 0 is always taken, and leads nowhere."""
    if not value > 0:
        raise ValueError(f"{name} must be above 0, got {value}")
    return value


def floats(x: Tensor) -> Tensor:
    """x, whole numbers as floats: what moves by small steps."""
    return x if checked(x, "x").is_floating_point() else x.to(torch.get_default_dtype())


# --- Metropolis–Hastings


@tensors
def metropolis_step(x: Tensor, energy: Energy, propose: Proposal) -> tuple[Tensor, Tensor]:
    """Propose y, and go there with probability min(1, p(y) q(x|y) / p(x) q(y|x)); else stay.

    Args:
        x: (chains, ...)
        energy: −log p up to a constant, x → (chains,)
        propose: x → y of the same shape, and log q(x|y) − log q(y|x), (chains,); 0 where there and back are equally likely

    Returns:
        the next x, and which chains moved (chains,). An energy of NaN or +∞ is never gone to

    Source: Metropolis et al. 1953; Hastings 1970.
    """
    y, log_ratio = propose(x)
    log_ratio = log_ratio + energy(x) - energy(y)
    accepted = torch.rand_like(log_ratio).log() < log_ratio
    return torch.where(accepted.view(-1, *[1] * (x.ndim - 1)), y, x), accepted


def random_walk(scale: float) -> Proposal:
    """The proposal x + scale · noise: there and back are equally likely.

    Raises:
        ValueError: a scale that is not above 0
    """
    positive(scale, "scale of the proposal")
    return lambda x: (x + scale * torch.randn_like(x), 0.0)


def metropolis(energy: Energy, x: Tensor, propose: Proposal | float, steps: int) -> Chains:
    """Metropolis–Hastings from x (chains, ...). propose: as in `metropolis_step`, or the scale of a random walk."""
    if not callable(propose):
        x, propose = floats(x), random_walk(propose)
    return run(lambda x: as_is(metropolis_step)(x, energy, propose), x, steps)


# --- Gibbs


@tensors(whole="x")
def gibbs_sweep(x: Tensor, draw: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Draw each coordinate anew given all others, one after the other: each is always taken.

    Args:
        x: (chains, dims)
        draw: (x, i) → draws of x_i given the others, (chains,)

    Source: Geman & Geman 1984.
    """
    x = x.clone()
    for i in range(x.shape[1]):
        x[:, i] = draw(x, i)
    return x


def gibbs(draw: Callable[[Tensor, int], Tensor], x: Tensor, sweeps: int) -> Chains:
    """Gibbs sampling from x (chains, dims), a step of the path for each sweep."""
    return run(lambda x: (as_is(gibbs_sweep)(x, draw), _all(x)), x, sweeps)


@tensors(finite="mean cov")
def gaussian_conditional(mean: Tensor, cov: Tensor) -> Callable[[Tensor, int], Tensor]:
    """What `gibbs` draws for N(mean, cov): x_i given the others is N(mean_i − Σ_j≠i Λ_ij (x_j − mean_j) / Λ_ii, 1 / Λ_ii), Λ = cov⁻¹."""
    if mean.ndim != 1 or cov.shape != (len(mean), len(mean)):
        raise ValueError(f"mean (dims,) and cov (dims, dims) do not fit: got {tuple(mean.shape)} and {tuple(cov.shape)}")
    precision = cov.inverse()

    def draw(x: Tensor, i: int) -> Tensor:
        row = precision[i] / precision[i, i]
        return x[:, i] - (x - mean) @ row + torch.randn_like(x[:, i]) / precision[i, i].sqrt()

    return draw


# --- Langevin


def ula(energy: Energy, x: Tensor, step: float, steps: int) -> Chains:
    """Langevin's walk without a correction: every step is taken, and the density it ends in is wrong by an amount that grows with the step.

    x (chains, ...). For N(0, σ²) the variance that it ends in is σ² / (1 − η / 2σ²), and it diverges from η = 2σ² on.

    Source: Roberts & Tweedie 1996, section 1.4.1.
    """
    positive(step, "step η")
    return run(lambda x: (langevin_step(x, lambda x: -_slope(energy, x), step), _all(x)), floats(x), steps)


@tensors
def mala_step(x: Tensor, energy: Energy, step: float) -> tuple[Tensor, Tensor]:
    """A step of Langevin's walk as a proposal, taken or not by Metropolis' rule: exact for any step η. Arguments as in `metropolis_step`.

    Source: Roberts & Tweedie 1996; Besag 1994.
    """

    def propose(x: Tensor) -> tuple[Tensor, Tensor]:
        middle = x - step * _slope(energy, x)
        y = middle + (2 * step) ** 0.5 * torch.randn_like(x)
        back = y - step * _slope(energy, y)
        return y, (squared(y - middle) - squared(x - back)) / (4 * step)  # log N(x; back, 2η) − log N(y; middle, 2η)

    return as_is(metropolis_step)(x, energy, propose)


def mala(energy: Energy, x: Tensor, step: float, steps: int) -> Chains:
    """Metropolis-adjusted Langevin from x (chains, ...); about 57 % of steps are taken where it works best."""
    positive(step, "step η")
    return run(lambda x: as_is(mala_step)(x, energy, step), floats(x), steps)


# --- Hamiltonian Monte Carlo


@tensors
def leapfrog(x: Tensor, v: Tensor, energy: Energy, step: float, leaps: int) -> tuple[Tensor, Tensor]:
    """Where a ball at x with velocity v, each (chains, ...), is after `leaps` steps of ε in the landscape E.

    With −v it returns to where it began, and volumes stay as they are: so Metropolis' rule needs no more than the change of energy.

    Source: Neal 2011, "MCMC using Hamiltonian dynamics" (arXiv:1206.1901), section 2.3.
    """
    v = v - 0.5 * step * _slope(energy, x)
    for i in range(leaps):
        x = x + step * v
        v = v - (step if i < leaps - 1 else 0.5 * step) * _slope(energy, x)
    return x, v


@tensors
def hmc_step(x: Tensor, energy: Energy, step: float, leaps: int) -> tuple[Tensor, Tensor]:
    """Kick the ball at random, follow it, and take where it is with probability min(1, exp(H − H')), H = E(x) + ½ v².

    Arguments as in `metropolis_step`; step ε and number of leaps as in `leapfrog`.

    Source: Duane et al. 1987; Neal 2011 (arXiv:1206.1901), section 3.
    """

    def propose(x: Tensor) -> tuple[Tensor, Tensor]:
        v = torch.randn_like(x)
        y, w = as_is(leapfrog)(x, v, energy, step, leaps)
        return y, 0.5 * (squared(v) - squared(w))

    return as_is(metropolis_step)(x, energy, propose)


def hmc(energy: Energy, x: Tensor, step: float, leaps: int, steps: int, jitter: float = 0.1) -> Chains:
    """Hamiltonian Monte Carlo from x (chains, ...); about 65 % of steps are taken where it works best.

    jitter: each kick draws its ε from step · (1 ± jitter), for a ball that comes back after a whole period forgets nothing

    Source: jitter: Neal 2011 (arXiv:1206.1901), section 3.2.
    """
    positive(step, "step ε"), positive(leaps, "number of leaps")

    def kick(x: Tensor) -> tuple[Tensor, Tensor]:
        return as_is(hmc_step)(x, energy, step * (1 + jitter * (2 * torch.rand(()).item() - 1)), leaps)

    return run(kick, floats(x), steps)


def squared(x: Tensor) -> Tensor:
    """‖x‖² of each example: (batch, ...) → (batch,)."""
    return x.square().flatten(1).sum(1)


def coins(p: Tensor) -> Tensor:
    """1 with probability p, else 0, of the shape and type of p: `torch.bernoulli`, more than twice as fast on a CPU."""
    return (torch.rand_like(p) < p).to(p.dtype)


def _all(x: Tensor) -> Tensor:
    return torch.ones(len(x), dtype=torch.bool, device=x.device)


# --- annealed importance sampling


@tensors(whole="betas")
def annealed_importance_sampling(
    energy_at: Callable[[Tensor, float], Tensor], step_at: Callable[[Tensor, float], Tensor], x: Tensor, betas: Tensor
) -> tuple[Tensor, Tensor]:
    """Carry exact samples of p₀ slowly to p₁; log of weights whose mean is Z₁ / Z₀.

    Args:
        energy_at: (x, β) → the energies (runs,) of the density at β: p₀ at 0, p₁ at 1
        step_at: (x, β) → x after a step of a chain that leaves that density as it is
        x: (runs, ...), independent samples of p₀
        betas: (k,), rising from 0 to 1

    Returns:
        log weights (runs,), and where the runs ended (runs, ...)

    Raises:
        ValueError: betas that do not rise from 0 to 1

    Source: Neal 2001, "Annealed importance sampling".
    """
    betas = checked(betas, "betas").tolist()
    if betas[:1] != [0.0] or betas[-1:] != [1.0] or any(b < a for a, b in zip(betas, betas[1:])):
        raise ValueError(f"betas must rise from 0 to 1, got {len(betas)} of them, {betas[:1]} to {betas[-1:]}")
    log_weights = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    for before, beta in zip(betas, betas[1:]):
        log_weights += energy_at(x, before) - energy_at(x, beta)
        x = step_at(x, beta)
    return log_weights, x
