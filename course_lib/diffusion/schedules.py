"""How fast the data drown in noise: x_t = α(t) x₀ + σ(t) ε for t from 0 (data) to 1 (noise)."""

import functools
import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..nn import check_range, checked, tensors

SCHEDULES = ("linear", "cosine", "sigmoid", "straight")
LEAST = 1e-6  # of ᾱ: the last step of a chain must not divide by 0


class Schedule:
    """α(t) and σ(t) for times t in [0, 1]: tensors of any shape, or numbers. In float64 on the CPU: not every device has that type.

    Args:
        name: "linear" is DDPM's, in which the rate β(t) grows linearly; "cosine" and "sigmoid" name the shape of ᾱ = α²;
            all three keep α² + σ² = 1. "straight" is flow matching's line α = 1 − t, σ = t

    Source: Ho et al. 2020 (arXiv:2006.11239) and, for its limit of many steps, Song et al. 2020 (arXiv:2011.13456), appendix C; Nichol &
        Dhariwal 2021 (arXiv:2102.09672), equation 17; Jabri et al. 2022 (arXiv:2212.11972); Lipman et al. 2022 (arXiv:2210.02747).
    """

    def __init__(self, name: str = "cosine"):
        if name not in SCHEDULES:
            raise ValueError(f"unknown schedule {name!r}; choose one of {', '.join(SCHEDULES)}")
        self.name = name

    def __repr__(self) -> str:
        return f"Schedule({self.name!r})"

    def alpha_bar(self, t: Tensor) -> Tensor:
        """ᾱ(t) = α(t)², in float64: 1 at t = 0, nearly 0 at t = 1."""
        t = in_time(t)
        if self.name == "linear":
            value = torch.exp(-0.1 * t - 0.5 * 19.9 * t.square())
        elif self.name == "cosine":
            s = 0.008
            value = (torch.cos((t + s) / (1 + s) * math.pi / 2) / math.cos(s / (1 + s) * math.pi / 2)).square()
        elif self.name == "sigmoid":
            first, last = torch.sigmoid(torch.tensor([-3.0, 3.0], dtype=torch.float64))
            value = (last - torch.sigmoid(6 * t - 3)) / (last - first)
        else:
            value = (1 - t).square()
        return value.clamp(LEAST, 1.0)

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """α(t) and σ(t), float64, on the CPU."""
        alpha_bar = self.alpha_bar(t)
        alpha = alpha_bar.sqrt()
        sigma = 1 - alpha if self.name == "straight" else (1 - alpha_bar).sqrt()
        return alpha, sigma

    def at(self, t: float) -> tuple[float, float]:
        """α and σ at one time, as plain numbers: they multiply tensors of any type on any device."""
        return _at(self.name, t)

    def weights(self, t: Tensor | float, x: Tensor) -> tuple[Tensor | float, Tensor | float]:
        """α and σ ready to be multiplied with x: at one time, or at a time for each example (batch,)."""
        return self.at(t) if isinstance(t, float) else tuple(like(c, x) for c in self.alpha_sigma(t))

    def log_snr(self, t: Tensor) -> Tensor:
        """log α²/σ², the signal-to-noise ratio in nats: ∞ at t = 0."""
        alpha, sigma = self.alpha_sigma(t)
        return 2 * (alpha.log() - sigma.log())

    def time_at(self, log_snr: Tensor) -> Tensor:
        """The time at which log SNR has this value, by halving, float64: 0 and 1 for values beyond the ends."""
        wanted = precise(log_snr, "log_snr")
        low, high = torch.zeros_like(wanted), torch.ones_like(wanted)
        for _ in range(50):
            middle = (low + high) / 2
            late = self.log_snr(middle) < wanted
            low, high = torch.where(late, low, middle), torch.where(late, middle, high)
        return (low + high) / 2

    def rates(self, t: float) -> tuple[float, float]:
        """f and g² of the forward SDE dx = f x dt + g dw whose x_t has the weights α(t) and σ(t): f = α′/α, g² = (σ²)′ − 2 f σ².

        Source: Kingma et al. 2021 (arXiv:2107.00630), appendix; f = −β/2 and g² = β where α² + σ² = 1.
        """
        before, after = max(t - 1e-5, 0.0), min(t + 1e-5, 1.0)
        (alpha_a, sigma_a), (alpha_b, sigma_b) = self.at(before), self.at(after)
        f = math.log(alpha_b / alpha_a) / (after - before)
        return f, (sigma_b**2 - sigma_a**2) / (after - before) - 2 * f * self.at(t)[1] ** 2

    def times(self, steps: int) -> Tensor:
        """The steps + 1 times of a chain, from 1 down to 0, float64."""
        if steps < 1:
            raise ValueError(f"a chain needs at least one step, got {steps}")
        return torch.linspace(1, 0, steps + 1, dtype=torch.float64)

    @tensors(anywhere="t")
    def noised(self, x: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t = α(t) x₀ + σ(t) ε: x and noise (batch, ...), t (batch,) → (batch, ...)."""
        alpha, sigma = self.weights(t, x)
        return alpha * x + sigma * noise

    def steps(self, times: Tensor) -> list[tuple[float, float]]:
        """The pairs (t, s) of neighbours in a list of times.

        Raises:
            ValueError: times that do not fall within [0, 1]
        """
        values = precise(times, "times").flatten().tolist()
        if len(values) < 2 or values[0] > 1 or values[-1] < 0 or any(s >= t for t, s in pairwise(values)):
            raise ValueError(f"times must fall from at most 1 to at least 0, as Schedule.times(steps) does; got {describe(values)}")
        return list(pairwise(values))

    def between(self, s: float, t: float) -> tuple[float, float]:
        """α and σ² of the step from s to a later t alone: x_t = α x_s + σ ε."""
        (alpha_s, sigma_s), (alpha_t, sigma_t) = self.at(s), self.at(t)
        alpha_ts = alpha_t / alpha_s
        return alpha_ts, max(0.0, sigma_t**2 - alpha_ts**2 * sigma_s**2)

    @tensors(anywhere="s t")
    def posterior(self, x: Tensor, x_t: Tensor, s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of q(x_s | x_t, x₀) for s < t, whatever lies between them.

        Args:
            x, x_t: (batch, ...);  s, t: numbers, or (batch,)

        Returns:
            mean (batch, ...), variance that broadcasts with it: 0 at s = 0

        Source: Ho et al. 2020 (arXiv:2006.11239), equations 6 and 7, for any two times: Kingma et al. 2021 (arXiv:2107.00630), appendix A.
        """
        (alpha_s, sigma_s), (alpha_t, sigma_t) = (self.alpha_sigma(in_time(v, name)) for v, name in ((s, "s"), (t, "t")))
        # of the step from s to t alone
        alpha_ts = alpha_t / alpha_s
        variance_ts = sigma_t.square() - alpha_ts.square() * sigma_s.square()
        of_x_t, of_x = alpha_ts * sigma_s.square() / sigma_t.square(), alpha_s * variance_ts / sigma_t.square()
        mean = like(of_x_t, x) * x_t + like(of_x, x) * x  # `like`: a number for each example, ready to multiply its pixels
        return mean, like(variance_ts * sigma_s.square() / sigma_t.square(), x)


def log_normal_times(schedule: Schedule, n: int, mean: float = -1.2, std: float = 1.2) -> Tensor:
    """n training times (n,), float64, for which log σ/α is normal: most of them where there is something to be learned.

    Raises:
        ValueError: a standard deviation that is not above 0

    Source: Karras et al. 2022 (arXiv:2206.00364), table 1, whose σ is our σ/α and whose data have a standard deviation of ½.
    """
    if not std > 0:
        raise ValueError(f"the standard deviation of log σ must be above 0, got {std}")
    return schedule.time_at(-2 * (mean + std * torch.randn(n, dtype=torch.float64)))


@tensors
def edm_weights(sigma: Tensor | float, data_std: float = 0.5) -> tuple:
    """c_skip, c_out and c_in of x̂₀ = c_skip x + c_out F(c_in x), for x = x₀ + σ ε: what goes in and what is asked for have variance 1.

    Args:
        sigma: the level of noise, above 0, a number or a tensor;  data_std: the standard deviation of the data

    Source: Karras et al. 2022 (arXiv:2206.00364), table 1 and appendix B.6.
    """
    total = sigma**2 + data_std**2
    return data_std**2 / total, sigma * data_std / total**0.5, 1 / total**0.5


def precise(x: Tensor | Sequence[float] | float, name: str) -> Tensor:
    """Numbers in float64 on the CPU; ValueError where they are complex, NaN or nowhere."""
    x = torch.as_tensor(x, dtype=None if hasattr(x, "dtype") else torch.float64)  # a number of Python has all its digits
    x = checked(x, name, finite=False).to("cpu", torch.float64)
    if x.isnan().any():
        raise ValueError(f"{name} must be numbers, but {int(x.isnan().sum())} of {x.numel()} are NaN")
    return x


def in_time(t: Tensor | float, name: str = "t") -> Tensor:
    """Times in float64 on the CPU; ValueError outside [0, 1]."""
    t = precise(t, name)
    check_range(t, name, 0, 1, "times")
    return t


def like(c: Tensor, x: Tensor) -> Tensor:
    """A number, or one for each example (batch,), in the type of x and ready to be multiplied with it."""
    return c.to(x).view(-1, *[1] * (x.ndim - 1)) if c.ndim else c.to(x)


def describe(values: list) -> str:
    """A list in a sentence, its middle left out when it is long."""
    return str(values) if len(values) <= 6 else f"{len(values)} times from {values[0]} to {values[-1]}"


@functools.lru_cache(maxsize=10_000)  # a sampler asks for the same times again and again, and tiny tensors are slow
def _at(name: str, t: float) -> tuple[float, float]:
    alpha, sigma = Schedule(name).alpha_sigma(t)
    return alpha.item(), sigma.item()
