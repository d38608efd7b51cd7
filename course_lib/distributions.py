"""Densities that several topics share, all in nats and summed over dimensions."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .nn import as_weights, tensors

LOG_2PI = math.log(2 * math.pi)


@tensors
def gaussian_kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, diag(exp(log_var))) ‖ N(0, I)), in nats.

    Args:
        mean: (batch, latents)
        log_var: (batch, latents), log σ² rather than σ, so that any real number is valid

    Returns:
        (batch,), zero exactly where the posterior equals the prior

    Raises:
        ValueError: the two shapes differ

    Source: Kingma & Welling 2013 (arXiv:1312.6114), appendix B.
    """
    return gaussian_kl_per_latent(mean, log_var).sum(-1)


@tensors
def gaussian_kl_per_latent(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(μ_j, σ_j²) ‖ N(0, 1)) of each latent, (batch, latents), nats: ½ (μ² + σ² − 1 − log σ²). 0 for one that says nothing about x."""
    if mean.shape != log_var.shape:
        raise ValueError(f"mean {tuple(mean.shape)} and log_var {tuple(log_var.shape)} must have one shape")
    # expm1 keeps the digits that exp(v) − 1 loses near v = 0, where training drives unused latents
    return 0.5 * (mean.square() + log_var.expm1() - log_var)


@tensors
def gaussian_log_prob(x: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """log N(x; mean, diag(exp(log_var))) summed over the last axis, in nats: (..., dims) → (...)."""
    return -0.5 * (LOG_2PI + log_var + (x - mean).square() * (-log_var).exp()).sum(-1)


@tensors
def standard_normal_log_prob(x: Tensor) -> Tensor:
    """log N(x; 0, I) summed over the last axis, in nats: (..., dims) → (...)."""
    return -0.5 * (LOG_2PI + x.square()).sum(-1)


@tensors
def bernoulli_log_prob(logits: Tensor, x: Tensor) -> Tensor:
    """log Bernoulli(x; sigmoid(logits)) summed over every axis but the first, in nats.

    Args:
        logits: (batch, ...), before the sigmoid: a sigmoid followed by a log loses everything beyond ±17 in float32
        x: the same shape, in [0, 1]; a true log-probability only for 0 and 1

    Returns:
        (batch,)
    """
    if logits.shape != x.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and x {tuple(x.shape)} must have one shape")
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


@tensors
def reparameterise(mean: Tensor, log_var: Tensor, noise: Tensor | None = None) -> Tensor:
    """z = μ + σ·ε with ε ~ N(0, I): a sample that gradients can pass through.

    Args:
        mean, log_var: (batch, latents)
        noise: ε of the same shape; drawn when left out

    Source: Kingma & Welling 2013 (arXiv:1312.6114), section 2.4.
    """
    noise = torch.randn_like(mean) if noise is None else noise
    return mean + (0.5 * log_var).exp() * noise


class DiagonalGaussian:
    """N(mean, diag(exp(log_var))) over the last axis.

    mean, log_var: (batch, latents)
    """

    def __init__(self, mean: Tensor, log_var: Tensor):
        self.mean, self.log_var = mean, log_var

    @property
    def std(self) -> Tensor:
        return (0.5 * self.log_var).exp()

    def sample(self, k: int | None = None) -> Tensor:
        """One sample (batch, latents), or k of them (k, batch, latents); gradients pass through both."""
        shape = self.mean.shape if k is None else (k, *self.mean.shape)
        return self.mean + self.std * torch.randn(shape, dtype=self.mean.dtype, device=self.mean.device)

    @tensors
    def log_prob(self, z: Tensor) -> Tensor:
        """(..., batch, latents) → (..., batch), nats."""
        if tuple(z.shape[-2:]) != tuple(self.mean.shape[-2:]):
            raise ValueError(f"z must be (..., {', '.join(map(str, self.mean.shape))}), got {tuple(z.shape)}")
        return gaussian_log_prob(z, self.mean, self.log_var)

    def kl(self) -> Tensor:
        """KL to N(0, I): (batch,), nats."""
        return gaussian_kl(self.mean, self.log_var)


@tensors
def log_mean_exp(log_w: Tensor, dim: int = 0) -> Tensor:
    """log of the mean of exp(log_w) along `dim`, without leaving the log domain."""
    if not log_w.shape[dim]:
        raise ValueError(f"log_w needs one entry or more to average over, got {tuple(log_w.shape)}")
    return log_w.logsumexp(dim) - math.log(log_w.shape[dim])


@tensors
def bits_per_dim(log_prob: Tensor, dims: int) -> Tensor:
    """Nats of log-likelihood for a whole example → bits for one dimension: −log p / (dims · log 2)."""
    return -log_prob / (dims * math.log(2))


@tensors
def gaussian_kl_between(mean_q: Tensor, log_var_q: Tensor, mean_p: Tensor, log_var_p: Tensor) -> Tensor:
    """KL(q ‖ p) of two diagonal Gaussians, summed over the last axis, in nats: (..., dims) → (...)."""
    log_ratio = log_var_q - log_var_p  # of σ_q² and σ_p²; expm1 of it is the ratio less 1
    return 0.5 * (log_ratio.expm1() - log_ratio + (mean_q - mean_p).square() * (-log_var_p).exp()).sum(-1)


@tensors
def entropy(p: Tensor) -> Tensor:
    """H = −Σ p log p of one table of probabilities, of any shape, in nats. An entry of 0 counts 0."""
    return -torch.special.xlogy(p, p).sum()


@tensors
def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p ‖ q) = Σ p log(p / q) of two tables of one shape, in nats; infinite where q is 0 and p is not."""
    if p.shape != q.shape:
        raise ValueError(f"p {tuple(p.shape)} and q {tuple(q.shape)} must have one shape")
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum()


@tensors
def mutual_information(joint: Tensor) -> Tensor:
    """I(X; Y) = KL(p(x, y) ‖ p(x) p(y)) of a table (x values, y values), in nats: what one tells about the other."""
    return kl_divergence(joint, joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True))


@tensors(ordered="u logits")
def categorical_sample(u: Tensor, logits: Tensor) -> Tensor:
    """Whole numbers by uniforms u (batch,): the value at which the cumulative probability passes u.

    Args:
        u: in [0, 1]. The same numbers give the same values, however the logits were computed
        logits: (batch, values); a value at −∞ is never drawn

    Returns:
        (batch,), int64
    """
    below = logits.softmax(1).cumsum(1)
    # a hair below 1, or rounding would carry u past the last value that has any probability
    point = u.clamp(max=1 - torch.finfo(u.dtype).eps) * below[:, -1]
    return (point[:, None] >= below).sum(1)


@tensors
def top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k largest logits of the last axis, and those equal to the smallest of them; the others become −∞.

    Raises:
        ValueError: k below 1
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    smallest = logits.topk(min(k, logits.shape[-1]), -1).values[..., -1:]
    return logits.masked_fill(logits < smallest, -torch.inf)


@tensors
def nucleus(logits: Tensor, p: float) -> Tensor:
    """Keep the fewest values whose probabilities reach p together, the likeliest first; the others become −∞.

    Those as likely as the last one stay too, as with `top_k`: which come first in the alphabet plays no part.

    Raises:
        ValueError: p outside (0, 1]

    Source: Holtzman et al. 2019 (arXiv:1904.09751).
    """
    if not 0 < p <= 1:
        raise ValueError(f"p must lie in (0, 1], got {p}")
    if p == 1:  # rounding in the sum would cut off the unlikeliest
        return logits
    ordered = logits.sort(-1, descending=True).values
    before = F.pad(ordered.softmax(-1).cumsum(-1)[..., :-1], (1, 0))  # of those likelier: the value that passes p stays
    smallest = ordered.masked_fill(before >= p, torch.inf).amin(-1, keepdim=True)
    return logits.masked_fill(logits < smallest, -torch.inf)


def uniforms_for(model: nn.Module, n: int, draws: int, temperature: float, uniforms: Tensor | None) -> Tensor:
    """The uniforms of a sampler, (n, draws): those given, or new ones of the model's type and on its device.

    Raises:
        ValueError: uniforms of another shape, fewer than one sample or draw, or a temperature that is not above 0
    """
    if n < 1 or draws < 1:
        raise ValueError(f"at least 1 sample of at least 1 value can be drawn, got {n} of {draws}")
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}; 0.01 takes the likeliest value nearly always")
    weight = next(model.parameters())
    if uniforms is None:
        return torch.rand(n, draws, device=weight.device, dtype=weight.dtype)
    uniforms = as_weights(uniforms, model, "uniforms")
    if uniforms.shape != (n, draws):
        raise ValueError(f"uniforms: expected a uniform for each draw, of shape {(n, draws)}, got {tuple(uniforms.shape)}")
    return uniforms


@tensors
def logistic_bin_log_prob(x: Tensor, mean: Tensor, log_scale: Tensor, levels: int = 256) -> Tensor:
    """log of the probability that a discretised logistic gives to the bin of x, in nats, exact in float32 down to narrow scales.

    Args:
        x: the middles of bins, −1 + 2k/(levels − 1) for k = 0 to levels − 1
        mean, log_scale: broadcast with x, in the units of x

    Returns:
        the broadcast shape. The first bin reaches to −∞ and the last to +∞, so the bins add up to 1

    Source: Salimans et al. 2017 (arXiv:1701.05517), section 2.1. The form log σ(a) + log σ(−b) + log(1 − e^(b − a)) for
        log(σ(a) − σ(b)) never subtracts two numbers of nearly one size.
    """
    half = 1 / (levels - 1)
    precision = (-log_scale).exp()
    a, b = (x - mean + half) * precision, (x - mean - half) * precision
    inside = F.logsigmoid(a) + F.logsigmoid(-b) + torch.log(-torch.expm1(-2 * half * precision))
    return torch.where(x < -1 + half, F.logsigmoid(a), torch.where(x > 1 - half, F.logsigmoid(-b), inside))


@tensors
def logistic_mixture_log_prob(x: Tensor, weights: Tensor, means: Tensor, log_scales: Tensor, levels: int = 256) -> Tensor:
    """log p of x under a mixture of discretised logistics, nats: x (...), the others (..., components), weights as logits → (...)."""
    terms = logistic_bin_log_prob(x[..., None], means, log_scales.clamp_min(-7.0), levels)
    return (weights.log_softmax(-1) + terms).logsumexp(-1)


@tensors(ordered="u weights means log_scales")
def logistic_mixture_sample(
    u: Tensor, weights: Tensor, means: Tensor, log_scales: Tensor, levels: int = 256, temperature: float = 1.0
) -> Tensor:
    """Whole numbers 0 to levels − 1 by uniforms u (batch,): the value at which the mixture's cumulative probability passes u.

    Args:
        u: in [0, 1)
        weights, means, log_scales: (batch, components), as for `logistic_mixture_log_prob`
        temperature: of the weights and the scales. Near 0 the value is the mean of the heaviest component

    Returns:
        (batch,), int64
    """
    ends = (torch.arange(levels - 1, device=u.device) + 0.5) * (2 / (levels - 1)) - 1
    scale = log_scales.clamp_min(-7.0).exp() * temperature
    below = ((ends[:, None] - means[:, None]) / scale[:, None]).sigmoid()  # (batch, levels − 1, components)
    cdf = (below * (weights / temperature).softmax(-1)[:, None]).sum(-1)
    return (u[:, None] >= cdf).sum(1)


@tensors(ordered="x")
def mu_law(x: Tensor, levels: int = 256) -> Tensor:
    """Sound in [−1, 1] → whole numbers 0 to levels − 1, finer where it is quiet. What lies outside takes the nearest end.

    Source: ITU-T G.711.
    """
    mu = levels - 1
    squeezed = x.sign() * torch.log1p(mu * x.abs()) / math.log1p(mu)
    return ((squeezed + 1) / 2 * mu + 0.5).long().clamp(0, mu)


@tensors(finite="k")
def inverse_mu_law(k: Tensor, levels: int = 256) -> Tensor:
    """The middle of each whole number's bin, back in [−1, 1]: `mu_law` of it is the number again."""
    mu = levels - 1
    squeezed = 2 * k.float() / mu - 1
    return squeezed.sign() * torch.expm1(squeezed.abs() * math.log1p(mu)) / mu
