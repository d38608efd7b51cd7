"""The autoencoder, and the variational autoencoder with its priors.

Every model is built from plain keyword arguments, kept as `model.config`. Images are floats in [0, 1], (batch, channels, height, width).
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..distributions import (
    LOG_2PI,
    DiagonalGaussian,
    bernoulli_log_prob,
    gaussian_kl_per_latent,
    log_mean_exp,
    standard_normal_log_prob,
)
from ..nn import (
    Model,
    as_weights,
    conv_decoder,
    conv_encoder,
    images,
    keeps_config,
    labels_or_drawn,
    mlp_decoder,
    mlp_encoder,
    normal,
    one_hot,
)


def encoder_for(shape: Sequence[int], hidden: Sequence[int], channels: Sequence[int], outputs: int) -> nn.Module:
    """An MLP when `channels` is empty; otherwise convolutions, then the MLP on top of them."""
    if not channels:
        return mlp_encoder(shape, hidden, outputs)
    first, *rest = [*hidden, outputs]
    layers = [layer for a, b in zip([first, *rest[:-1]], rest, strict=True) for layer in (nn.SiLU(), nn.Linear(a, b))] if rest else []
    return nn.Sequential(conv_encoder(shape, channels, first), *layers)


def decoder_for(inputs: int, hidden: Sequence[int], channels: Sequence[int], shape: Sequence[int]) -> nn.Module:
    """The mirror image of `encoder_for`."""
    if not channels:
        return mlp_decoder(inputs, hidden[::-1], shape)
    sizes = [inputs, *hidden[::-1]]
    layers = [layer for a, b in zip(sizes[:-1], sizes[1:], strict=True) for layer in (nn.Linear(a, b), nn.SiLU())]
    return nn.Sequential(*layers, conv_decoder(sizes[-1], channels, shape))


class Autoencoder(Model):
    """x → z → x̂ through a bottleneck of `latents` numbers.

    Args:
        shape: (channels, height, width)
        hidden: widths of the hidden layers of the encoder; the decoder mirrors them
        channels: widths of strided convolutions before them; none makes an MLP
        likelihood: "bernoulli" (binary cross-entropy) or "gaussian" (squared error)

    Source: Hinton & Salakhutdinov 2006 (doi:10.1126/science.1127647); denoising: Vincent et al. 2008 (doi:10.1145/1390156.1390294).
    """

    @keeps_config
    def __init__(self, shape=(1, 28, 28), latents=32, hidden=(256,), channels=(), likelihood="bernoulli"):
        super().__init__()
        check_likelihood(likelihood)
        self.shape, self.latents, self.likelihood = tuple(shape), latents, likelihood
        self.encoder = encoder_for(shape, hidden, channels, latents)  # an MLP, on top of convolutions where there are channels
        self.decoder = decoder_for(latents, hidden, channels, shape)

    def encode(self, x: Tensor) -> Tensor:
        """(batch, *shape) → (batch, latents)."""
        return self.encoder(images(x, self))

    def decode(self, z: Tensor) -> Tensor:
        """(batch, latents) → images in [0, 1]."""
        out = self.decoder(as_weights(z, self, "z", (self.latents,)))
        return out.sigmoid() if self.likelihood == "bernoulli" else out.clamp(0, 1)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def error(self, x: Tensor, target: Tensor | None = None) -> Tensor:
        """Reconstruction error of each example, (batch,): cross-entropy in nats, or half the squared error. `target` is x when left out."""
        target = images(x if target is None else target, self, "x" if target is None else "target")
        if len(x) != len(target):
            raise ValueError(f"x and target must be of one batch, got {tuple(x.shape)} and {tuple(target.shape)}")
        out = self.decoder(self.encode(x))
        if self.likelihood == "bernoulli":
            return -bernoulli_log_prob(out, target)
        return 0.5 * (out - target).square().flatten(1).sum(1)

    def loss(self, x: Tensor, target: Tensor | None = None) -> Tensor:
        """Mean of `error`. A denoiser is trained with x = noisy and target = clean."""
        return self.error(x, target).mean()


class VAE(Model):
    """Variational autoencoder: encoder q(z | x) = N(μ(x), diag σ²(x)), decoder p(x | z), prior p(z).

    Args:
        shape, hidden, channels: as in `Autoencoder`
        likelihood: "bernoulli", or "gaussian" with one learned variance
        prior: "normal"; "mixture", a learned mixture of `components` Gaussians; "vamp", the encoder's own answer to
            `components` learned pseudo-images
        classes: with c > 0 the encoder and decoder also see a label (a conditional VAE)
        beta: weight of the KL in `loss`

    Source: Kingma & Welling 2013 (arXiv:1312.6114); β: Higgins et al. 2017; VampPrior: Tomczak & Welling 2017 (arXiv:1705.07120).
    """

    @keeps_config
    def __init__(
        self,
        shape=(1, 28, 28),
        latents=32,
        hidden=(256,),
        channels=(),
        likelihood="bernoulli",
        prior="normal",
        components=100,
        classes=0,
        beta=1.0,
    ):
        super().__init__()
        check_likelihood(likelihood)
        self.shape, self.latents, self.likelihood, self.classes, self.beta = tuple(shape), latents, likelihood, classes, beta
        self.encoder = encoder_for(shape, hidden, channels, 2 * latents)
        self.decoder = decoder_for(latents + classes, hidden, channels, shape)
        # the encoder sees its label as an image added to x: in front of a linear layer that is as good as a one-hot vector beside x
        self.label_image = nn.Embedding(classes, math.prod(shape)) if classes else None
        self.log_var = nn.Parameter(torch.zeros(())) if likelihood == "gaussian" else None
        if prior not in PRIORS:
            raise ValueError(f"unknown prior {prior!r}; choose one of {', '.join(PRIORS)}")
        if prior == "vamp" and classes:
            raise ValueError("the vamp prior asks the encoder about pseudo-images that have no label; use prior='normal' with classes")
        self.prior = PRIORS[prior](latents, components, shape)

    # --- the two networks

    def posterior(self, x: Tensor, y: Tensor | None = None) -> DiagonalGaussian:
        """q(z | x): images (batch, *shape), labels (batch,) for a conditional model."""
        x = images(x, self)
        label = one_hot(y, len(x), self.classes, x)
        if self.classes:
            x = x + (label @ self.label_image.weight).view_as(x)
        mean, log_var = self.encoder(x).chunk(2, 1)
        # a bound on log σ² keeps exp finite in the first steps; ±15 is far outside what training visits
        return DiagonalGaussian(mean, 15 * torch.tanh(log_var / 15))

    def logits(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """What the decoder says of z (..., latents): logits, or means of a Gaussian, (..., *shape)."""
        lead = z.shape[:-1]
        label = one_hot(y, lead[-1] if lead else 1, self.classes, z)
        flat = z.reshape(-1, self.latents)
        if self.classes:
            flat = torch.cat([flat, label.expand(*lead, -1).reshape(len(flat), -1)], 1)
        return self.decoder(flat).view(*lead, *self.shape)

    # --- what every model with a latent space can do

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The posterior mean, (batch, latents)."""
        return self.posterior(x, y).mean

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """(batch, latents) → the mean image, in [0, 1]."""
        out = self.logits(as_weights(z, self, "z", (self.latents,)), y)
        return out.sigmoid() if self.likelihood == "bernoulli" else out.clamp(0, 1)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decode(self.encode(x, y), y)

    @torch.no_grad()
    def sample(self, n: int, *, y: Tensor | int | None = None) -> Tensor:
        """n mean images decoded from the prior, (n, *shape). Pixels are probabilities; `torch.bernoulli` makes them binary.

        y: labels (n,), or one for all; a conditional model draws them where none are given
        """
        z = self.prior.sample(n, self)
        return self.decode(z, labels_or_drawn(y, n, self.classes, z.device))

    # --- likelihood

    def log_likelihood(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x | z) in nats: x (batch, *shape), z (batch, latents) or (k, batch, latents) → (batch,) or (k, batch)."""
        if len(x) != z.shape[-2]:
            raise ValueError(f"x and z must be of one batch, got {tuple(x.shape)} and {tuple(z.shape)}")
        x, out = images(x, self), self.logits(as_weights(z, self, "z", (self.latents,), finite=False), y)
        if self.likelihood == "bernoulli":
            # log σ(l) if x = 1, log σ(−l) if x = 0: −(softplus(l) − x·l), in one pass over memory less than with a second array
            return -F.softplus(out).addcmul_(out, x, value=-1).flatten(-3).sum(-1)
        squared = (out - x).square().flatten(-3).sum(-1)
        return -0.5 * (squared * (-self.log_var).exp() + math.prod(self.shape) * (LOG_2PI + self.log_var))

    def kl_per_latent(self, posterior: DiagonalGaussian) -> Tensor:
        """KL(q(z | x) ‖ N(0, I)) of each latent, (batch, latents), nats. For the normal prior only."""
        return gaussian_kl_per_latent(posterior.mean, posterior.log_var)

    def terms(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(distortion, rate), each (batch,), nats: −log p(x | z) at one sample z, and KL(q ‖ p). Their sum is the negative ELBO."""
        q = self.posterior(x, y)
        z = q.sample()
        return -self.log_likelihood(x, z, y), self.prior.kl(q, z, self)

    def elbo(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """A one-sample estimate of the evidence lower bound, log p(x) ≥ ELBO: (batch,), nats."""
        distortion, rate = self.terms(x, y)
        return -distortion - rate

    def loss(self, x: Tensor, y: Tensor | None = None, beta: float | Tensor | None = None) -> Tensor:
        """distortion + β · rate, summed over dimensions, averaged over the batch: one number, nats.

        beta: the model's own when left out; annealing passes it at each step
        """
        distortion, rate = self.terms(x, y)
        return (distortion + (self.beta if beta is None else beta) * rate).mean()

    def loss_with_free_bits(self, x: Tensor, y: Tensor | None = None, free_bits: float = 0.5) -> Tensor:
        """`loss` at β = 1, where so many nats of each latent's KL are not charged (normal prior). The floor acts on the batch mean.

        Source: Kingma et al. 2016 (arXiv:1606.04934), appendix C.8.
        """
        q = self.posterior(x, y)
        rate = self.kl_per_latent(q).mean(0).clamp(min=free_bits).sum()
        return -self.log_likelihood(x, q.sample(), y).mean() + rate

    def log_weights(self, x: Tensor, k: int, y: Tensor | None = None, log_prior: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """log w = log p(x | z) + log p(z) − log q(z | x) for k samples z ~ q: (k, batch), nats.

        log_prior: another log p(z) than the model's own, z (k, batch, latents) → (k, batch)
        """
        q = self.posterior(x, y)
        z = q.sample(k)
        log_p = self.prior.log_prob(z, self) if log_prior is None else log_prior(z)
        return self.log_likelihood(x, z, y) + log_p - q.log_prob(z)

    @torch.no_grad()
    def iwae_bound(self, x: Tensor, k: int = 500, y: Tensor | None = None) -> Tensor:
        """Importance-weighted bound log (1/k) Σ w_i: (batch,), nats. Rises with k towards log p(x); k = 1 is the ELBO.

        Source: Burda et al. 2015 (arXiv:1509.00519), equation 8.
        """
        return log_mean_exp(self.log_weights(x, k, y), 0)

    @torch.no_grad()
    def iwae_bound_in_parts(
        self,
        x: Tensor,
        k: int = 500,
        y: Tensor | None = None,
        chunk: int | None = None,
        log_prior: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """`iwae_bound` for large k: never more than `chunk` decodings in memory, by default 25,000 on a GPU and 2,000 on a CPU.

        log_prior: as for `log_weights`
        """
        chunk = chunk or (25_000 if x.is_cuda else 2_000)  # the latter fit a cache
        size = max(1, chunk // max(1, len(x)))
        weights = [self.log_weights(x, min(size, k - start), y, log_prior) for start in range(0, k, size)]
        return log_mean_exp(torch.cat(weights), 0)


def check_likelihood(likelihood: str) -> None:
    if likelihood not in ("bernoulli", "gaussian"):
        raise ValueError(f"unknown likelihood {likelihood!r}; choose bernoulli or gaussian")


class NormalPrior(nn.Module):
    """N(0, I)."""

    def __init__(self, latents, components, shape):
        super().__init__()
        self.latents = latents

    def log_prob(self, z: Tensor, vae: VAE) -> Tensor:
        """(..., latents) → (...), nats."""
        return standard_normal_log_prob(z)

    def kl(self, q: DiagonalGaussian, z: Tensor, vae: VAE) -> Tensor:
        """KL(q ‖ p), (batch,), nats: in closed form."""
        return q.kl()

    def sample(self, n: int, vae: VAE) -> Tensor:
        """(n, latents)."""
        return normal(vae, n, self.latents)


class MixturePrior(nn.Module):
    """A learned mixture of diagonal Gaussians: Σ_c π_c N(z; μ_c, diag σ_c²). One component makes a whole vector, never one latent of it."""

    def __init__(self, latents, components, shape):
        super().__init__()
        self.mean = nn.Parameter(torch.randn(components, latents))
        self.log_var = nn.Parameter(torch.zeros(components, latents))
        self.logits = nn.Parameter(torch.zeros(components))

    def components(self, vae: VAE) -> tuple[Tensor, Tensor, Tensor]:
        """Means and log σ², (components, latents) each, and log weights, (components,)."""
        return self.mean, self.log_var, self.logits.log_softmax(0)

    def log_prob(self, z: Tensor, vae: VAE) -> Tensor:
        """(..., latents) → (...), nats."""
        mean, log_var, log_weight = self.components(vae)
        # Σ_j (z_j − μ_cj)² / σ_cj², multiplied out into two matrix products: a (..., components, latents) array would not fit
        precision = (-log_var).exp()
        constant = log_weight - 0.5 * (LOG_2PI + log_var + mean.square() * precision).sum(-1)
        return (constant - 0.5 * z.square() @ precision.T + z @ (mean * precision).T).logsumexp(-1)

    def kl(self, q: DiagonalGaussian, z: Tensor, vae: VAE) -> Tensor:
        """KL(q ‖ p), (batch,), nats. There is no closed form: the sample z of q serves as an estimate."""
        return q.log_prob(z) - self.log_prob(z, vae)

    def sample(self, n: int, vae: VAE) -> Tensor:
        """(n, latents): a component for each, then a point of it."""
        mean, log_var, log_weight = self.components(vae)
        c = torch.multinomial(log_weight.exp(), n, replacement=True)
        return DiagonalGaussian(mean[c], log_var[c]).sample()


class VampPrior(MixturePrior):
    """The mixture of the encoder's own answers to learned pseudo-images, all of equal weight."""

    def __init__(self, latents, components, shape):
        nn.Module.__init__(self)
        # sigmoid(−2 ± 1) looks about as dark as a digit
        self.pseudo = nn.Parameter(torch.randn(components, *shape) - 2)

    def components(self, vae: VAE) -> tuple[Tensor, Tensor, Tensor]:
        q = vae.posterior(self.pseudo.sigmoid())
        return q.mean, q.log_var, q.mean.new_full((len(self.pseudo),), -math.log(len(self.pseudo)))


PRIORS = {"normal": NormalPrior, "mixture": MixturePrior, "vamp": VampPrior}
