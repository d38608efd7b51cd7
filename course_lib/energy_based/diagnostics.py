"""Whether a chain can be believed: autocorrelation, effective sample size, R-hat; and the same for importance weights."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..distributions import log_mean_exp
from ..nn import tensors


@tensors
def autocorrelation(path: Tensor) -> Tensor:
    """Correlation of each chain with itself k steps later, for every k: (steps, ...) → (steps, ...); 1 at k = 0.

    NaN for a chain that never moves.
    """
    covariance = _autocovariance(_long_enough(path))
    return covariance / covariance[0]


def _autocovariance(x: Tensor) -> Tensor:
    """1/n Σ_t (x_t − x̄)(x_{t+k} − x̄), by the Fourier transform, padded so that the end does not meet the beginning."""
    n = len(x)
    spectrum = torch.fft.rfft((x - x.mean(0)).double(), 2 * n, dim=0)
    return torch.fft.irfft(spectrum.abs().square(), 2 * n, dim=0)[:n] / n


@tensors
def split_r_hat(path: Tensor) -> Tensor:
    """√(variance of all / mean variance within a chain), each chain cut into two: 1 where all halves tell the same, above 1.01 they do not.

    Args:
        path: (steps, chains) or (steps, chains, dims)

    Returns:
        () or (dims,), float64; NaN where no chain moves, infinite where each stays at a place of its own

    Source: Gelman et al. 2013, "Bayesian Data Analysis", equation 11.4.
    """
    within, total = _variances(_halves(path))
    return (total / within).sqrt()


@tensors
def effective_sample_size(path: Tensor) -> Tensor:
    """How many independent samples would give a mean as exact as all these steps of all chains together.

    n / (1 + 2 Σ ρ_k), where pairs of neighbouring ρ are added up while they are positive, and may not rise.

    Args:
        path: (steps, chains) or (steps, chains, dims)

    Returns:
        () or (dims,), float64. Chains that disagree count for less; NaN where no chain moves

    Raises:
        ValueError: fewer than 4 steps

    Source: Geyer 1992, section 3.3; for several chains Gelman et al. 2013, section 11.5, as in Stan.
    """
    x = _halves(path)
    steps, chains = x.shape[:2]
    within, total = _variances(x)
    covariance = _autocovariance(x).mean(1) * steps / (steps - 1)
    rho = 1 - (within - covariance) / total
    rho[0] = 1.0
    pairs = rho[: steps // 2 * 2].unflatten(0, (-1, 2)).sum(1)
    positive = (pairs > 0).cumprod(0)
    time = 2 * (pairs.cummin(0).values * positive).sum(0) - 1
    # chains that swing from side to side are better than independent ones, but not as much as noise in ρ may say
    return torch.where(total > 0, steps * chains / time.clamp_min(1 / math.log10(steps * chains)), torch.nan)


@tensors
def autocorrelation_time(path: Tensor) -> Tensor:
    """Steps of a chain that are worth one independent sample: 1 + 2 Σ ρ_k. Arguments and errors as for `effective_sample_size`."""
    return path.shape[0] * path.shape[1] / effective_sample_size(path)


def _long_enough(path: Tensor, least: int = 2) -> Tensor:
    if len(path) < least:
        raise ValueError(f"path must have {least} steps or more, got {tuple(path.shape)}")
    return path


def _halves(path: Tensor) -> Tensor:
    """(steps, chains, ...) → (steps / 2, 2 · chains, ...) in float64: a chain that drifts disagrees with itself."""
    if path.ndim not in (2, 3) or not path.shape[1]:
        raise ValueError(f"path must be (steps, chains) or (steps, chains, dims), got {tuple(path.shape)}")
    half = len(_long_enough(path, 4)) // 2
    return torch.cat([path[:half], path[len(path) - half :]], 1).double()


def _variances(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean variance within a chain, and an estimate of the variance of all that is too large while chains disagree."""
    n = len(x)
    within = x.var(0).mean(0)
    return within, within * (n - 1) / n + x.mean(0).var(0)


# --- importance sampling


@tensors(ordered="log_weights")
def normalised(log_weights: Tensor) -> Tensor:
    """Weights (n,) that sum to 1, of log p̃ − log q of draws from q; the constants of p̃ and q cancel.

    Raises:
        ValueError: no draw has a weight above 0, or one an infinite weight
    """
    if log_weights.ndim != 1 or not len(log_weights):
        raise ValueError(f"log_weights must be (n,), n above 0, got {tuple(log_weights.shape)}")
    if not log_weights.max().isfinite():
        raise ValueError(f"log_weights must be below infinity, and one above −∞; the largest is {log_weights.max()}")
    return log_weights.softmax(0)


@tensors(ordered="log_weights")
def weight_ess(log_weights: Tensor) -> Tensor:
    """(Σ w)² / Σ w²: how many equally weighted draws these (n,) are worth, from 1 to n.

    It sees only where draws fell: a mode of p that q never visits goes unnoticed.

    Source: Kong 1992; Liu 2001, "Monte Carlo Strategies in Scientific Computing", section 2.5.3.
    """
    return 1 / normalised(log_weights).square().sum()


@tensors(ordered="log_weights")
def self_normalised(values: Tensor, log_weights: Tensor) -> tuple[Tensor, Tensor]:
    """Σ w f / Σ w, the mean of values f (n, ...) under p from draws of q, and its standard error: (...) each.

    Source: Owen 2013, "Monte Carlo theory, methods and examples", equations 9.6 and 9.9.
    """
    w = normalised(log_weights).view(-1, *[1] * (values.ndim - 1))
    mean = (w * values).sum(0)
    return mean, (w * (values - mean)).square().sum(0).sqrt()


@dataclass(frozen=True, eq=False)
class LogZ:
    """An estimate of a log partition function from weights whose mean is Z.

    Attributes:
        value: nats. Z is right on average, so its log is too low on average
        error: the standard error of Ẑ as a share of Ẑ, which is about that of log Ẑ where it is small
        low, high: log(Ẑ ± 3 standard errors of Ẑ); low is −∞ where three errors are larger than Ẑ
        ess: `weight_ess`: where it is below 10 or so, the interval cannot be believed either
        log_weights: (n,)
    """

    value: float
    error: float
    low: float
    high: float
    ess: float
    log_weights: Tensor

    @property
    def trouble(self) -> str | None:
        """What is wrong with it, in a sentence; None where nothing shows."""
        if self.ess < 10:
            return f"log Z hangs on few runs ({self.ess:.1f} of {len(self.log_weights)}): use more temperatures, or more runs"
        return None


@tensors(ordered="log_weights")
def log_z(log_weights: Tensor) -> LogZ:
    """The log of the mean weight of n runs (n,), n at least 2, with what three standard errors make of it.

    Source: Neal 2001, "Annealed importance sampling", section 2; the interval: Salakhutdinov & Murray 2008, section 4.
    """
    if log_weights.ndim != 1 or len(log_weights) < 2:
        raise ValueError(f"log_weights must be (n,) of 2 runs or more, got {tuple(log_weights.shape)}")
    log_weights = log_weights.double()
    error = normalised(log_weights).std().item() * len(log_weights) ** 0.5
    value = log_mean_exp(log_weights).item()
    low = value + math.log1p(-3 * error) if 3 * error < 1 else -math.inf
    return LogZ(value, error, low, value + math.log1p(3 * error), weight_ess(log_weights).item(), log_weights)
