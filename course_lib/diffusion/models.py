"""Diffusion: a network that cleans noisy data a little, its loss, and what can be asked of it."""

import math
from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from ..autoencoders import OfCodes, latents_of
from ..nn import Model, as_weights, images, keeps_config, labels, labels_or_drawn, normal, tensors
from . import likelihood, samplers
from .guides import Guidance
from .networks import EigenNetwork, UNet, VectorNetwork, WaveNetwork, untold, with_untold
from .schedules import Schedule

NOT_TOLD = -1  # of one of several labels
PREDICTIONS = ("noise", "data", "v", "velocity")


class Diffusion(Model):
    """A model of data x₀ by denoising x_t = α x₀ + σ ε.

    Args:
        net: (x_t, log SNR, labels) → the shape of x_t, one of `networks`
        shape: of one example
        schedule: a name of `Schedule`
        predict: what the network's output means. "noise" is ε; "data" is x₀; "v" is α ε − σ x₀; "velocity" is ε − x₀, the direction of
            flow matching's straight path
        drop: the share of labels that are hidden in training, for classifier-free guidance

    Raises:
        ValueError: an unknown schedule or prediction

    Source: Ho et al. 2020 (arXiv:2006.11239); v: Salimans & Ho 2022 (arXiv:2202.00512); velocity: Lipman et al. 2022 (arXiv:2210.02747).
    """

    clip = False  # whether samplers keep their estimates of x₀ in [−1, 1]
    steps = 20  # of a chain, where nobody says how many

    def __init__(self, net: nn.Module, shape: Sequence[int], schedule: str = "cosine", predict: str = "v", drop: float = 0.1):
        super().__init__()
        if predict not in PREDICTIONS:
            raise ValueError(f"unknown prediction {predict!r}; choose one of {', '.join(PREDICTIONS)}")
        self.net, self.shape, self.schedule, self.predict, self.drop = net, tuple(shape), Schedule(schedule), predict, drop
        self.classes = net.classes

    def target(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the network should say for x_t at times t (batch,)."""
        if self.predict == "noise":
            return noise
        if self.predict == "data":
            return x
        if self.predict == "velocity":
            return noise - x
        alpha, sigma = self.schedule.weights(t, x)
        return alpha * noise - sigma * x

    def shares(self, alpha, sigma) -> tuple:
        """p, q, r, s for which x̂₀ = p x_t + q f and ε̂ = r x_t + s f, where f is what the network says. α and σ: numbers or tensors."""
        if self.predict == "noise":
            return 1 / alpha, -sigma / alpha, 0.0, 1.0
        if self.predict == "data":
            return 0.0, 1.0, 1 / sigma, -alpha / sigma
        # two equations for two unknowns: α x₀ + σ ε = x_t, and what f means
        if self.predict == "velocity":
            total = alpha + sigma
            return 1 / total, -sigma / total, 1 / total, alpha / total
        total = alpha**2 + sigma**2
        return alpha / total, -sigma / total, sigma / total, alpha / total

    def denoise(self, x_t: Tensor, t: Tensor | float, y: Tensor | None = None, guidance: Guidance = 1.0) -> tuple[Tensor, Tensor]:
        """The estimates of x₀ and of ε, (batch, ...) each, with α x₀ + σ ε = x_t.

        Args:
            t: a time in (0, 1], or one for each example (batch,)
            y: labels (batch,), or None for "not told"
            guidance: w in ε(not told) + w · (ε(y) − ε(not told)): 0 ignores the labels, 1 is the plain conditional model; or a function
                of the time, such as `within` gives

        Raises:
            ValueError: labels for a model that knows none, or that are not whole numbers up to `classes`, "not told"; other shapes

        Source: Ho & Salimans 2022 (arXiv:2207.12598), whose scale is our w − 1.
        """
        said = self.answer(x_t, t, y, guidance)
        p, q, r, s = self.shares(*self.schedule.weights(t, x_t))
        return p * x_t + q * said, r * x_t + s * said

    @tensors(model="self", whole="y", anywhere="t")
    def answer(self, x_t: Tensor, t: Tensor | float, y: Tensor | None = None, guidance: Guidance = 1.0) -> Tensor:
        """What the network says, shaped like x_t; guided when there are labels. Arguments as for `denoise`."""
        y, log_snr = self.labels_for(y, len(x_t)), self.log_snr(t, x_t)
        guidance = guidance(t) if callable(guidance) else guidance
        if y is None or guidance in (0.0, 1.0):  # one answer is enough
            return self.net(x_t, log_snr, y if guidance else None).to(x_t.dtype)  # autocast gives 16 bits: too few for a chain
        # both answers from one call: told the labels, and not told
        both = torch.cat([y, untold(self.classes, len(y), y.device)])
        log_snr = torch.cat([log_snr, log_snr]) if len(log_snr) > 1 else log_snr
        told, not_told = self.net(torch.cat([x_t, x_t]), log_snr, both).to(x_t.dtype).chunk(2)
        return not_told + guidance * (told - not_told)

    def log_snr(self, t: Tensor | float, x: Tensor) -> Tensor:
        """The noise level as networks are told it: one for each example (batch,), or (1,) where all are at the same time t."""
        if isinstance(t, float):
            alpha, sigma = self.schedule.at(t)
            return x.new_tensor([2 * math.log(alpha / sigma)])
        return self.schedule.log_snr(t).to(x).view(-1)

    def labels_for(self, y: Tensor | int | None, n: int) -> Tensor | None:
        """The labels of n examples, `classes` for "not told", as int64; ValueError for any that this model was not trained with.

        y: where examples have several labels (n, labels), in which −1 is "not told", too
        """
        if y is not None and not self.classes:
            raise ValueError("this model was trained without labels; leave y out")
        if y is None:
            return None
        y = torch.as_tensor(y)
        if not isinstance(self.classes, int) and tuple(y.shape[-1:]) == (len(self.classes),):
            y = torch.where(y == NOT_TOLD, torch.tensor(self.classes, device=y.device), y)
        return labels(y, n, with_untold(self.classes), next(self.parameters(), torch.empty(0)).device)

    def noise_for(self, x: Tensor) -> Tensor:
        """The noise that each example of a batch is mixed with in training."""
        return torch.randn_like(x)

    def times_for(self, n: int) -> Tensor:
        """The times of a batch of n in training, (n,) float64: spread evenly over the batch, which vary less than independent ones."""
        # t = 0 has no noise to be found
        return 0.001 + 0.999 * ((torch.rand(1, dtype=torch.float64) + torch.randperm(n) / n) % 1)

    def loss(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The simple loss: squared error of what the network says, at random times, summed over dimensions and averaged over the batch."""
        x, y = self.scaled(x), self.labels_for(y, len(x))
        t, noise = self.times_for(len(x)), self.noise_for(x)
        x_t = self.schedule.noised(x, t, noise)
        if y is not None:  # each example loses its label on its own
            y = torch.where(self._hidden(y), untold(self.classes, len(y), y.device), y)
        said = self.net(x_t, self.log_snr(t, x), y)
        return (said.to(x.dtype) - self.target(x, noise, t)).square().flatten(1).sum(1).mean()

    def _hidden(self, y: Tensor) -> Tensor:
        """Which labels the network is not told in training, bool like y: all of an example, and of several also each by itself."""
        all_of_it = torch.rand(len(y), device=y.device) < self.drop
        return all_of_it if y.ndim == 1 else all_of_it[:, None] | (torch.rand(y.shape, device=y.device) < self.drop)

    @tensors(model="self")
    def scaled(self, x: Tensor) -> Tensor:
        """Data as the outside has them → as the chain sees them, in the precision of the weights."""
        return x

    @tensors(model="self")
    def unscaled(self, x: Tensor) -> Tensor:
        """The way back."""
        return x

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        guidance: Guidance = 1.0,
        steps: int | None = None,
        method: str = "ddim",
        start: Tensor | None = None,
    ) -> Tensor:
        """n samples (n, *shape): "ddpm", "ddim" or "heun" in so many steps.

        Args:
            steps: of the chain; `self.steps` when left out
            y: labels (n,), or one for all; drawn at random when left out of a model that knows labels. Of several, −1 is "not told"
            guidance: as for `denoise`
            start: noise to begin with, (n, *shape)

        Raises:
            ValueError: an unknown method, labels or noise that do not fit
        """
        if method not in samplers.METHODS:
            raise ValueError(f"unknown method {method!r}; choose one of {', '.join(samplers.METHODS)}")
        weight = next(self.parameters())
        several = y is not None and not isinstance(self.classes, int)
        y = self.labels_for(y, n) if several else labels_or_drawn(y, n, self.classes, weight.device)
        start = normal(self, n, *self.shape) if start is None else as_weights(start, self, "start")
        if tuple(start.shape) != (n, *self.shape):
            raise ValueError(f"start must be {(n, *self.shape)}, got {tuple(start.shape)}")
        steps = self.steps if steps is None else steps
        chain = samplers.sample_fast if method == "ddim" and not self.clip else samplers.METHODS[method]
        return self.unscaled(chain(self, start, self.schedule.times(steps), y, guidance))


class ImageDiffusion(Diffusion):
    """`Diffusion` on images with the U-Net. Images are in [0, 1] outside, and in [−1, 1] inside."""

    clip = True

    @keeps_config
    def __init__(
        self, shape=(1, 28, 28), width=32, multiples=(1, 2), blocks=1, attention=(1,), patch=2, classes=10, schedule="cosine", predict="v",
        drop=0.1,
    ):  # fmt: skip
        super().__init__(UNet(shape, width, multiples, blocks, attention, patch, classes), shape, schedule, predict, drop)

    def scaled(self, x: Tensor) -> Tensor:
        if not len(x := images(x, self)):
            raise ValueError("x: expected 1 image or more, got none")
        return 2 * x - 1

    @tensors(model="self")
    def unscaled(self, x: Tensor) -> Tensor:
        return ((x + 1) / 2).clamp(0, 1)

    def elbo(self, x: Tensor, y: Tensor | None = None, steps: int = 1000, draws: int = 20) -> Tensor:
        """A lower bound of log P of images with 256 grey levels, (batch,) nats; `likelihood.variational_bound` has its parts."""
        return likelihood.variational_bound(self, self.scaled(x), y, steps, draws)["bound"]


class EigenDiffusion(ImageDiffusion):
    """`ImageDiffusion` with the MLP on principal components, for images whose parts stand in fixed places, as those of the faces do.

    Args:
        components: principal components that the network sees; `net.look_at` finds them
        blocks: of convolutions that refine what the MLP answers
    """

    steps = 50  # they cost little

    @keeps_config
    def __init__(
        self, shape=(3, 16, 16), components=320, width=384, layers=4, embedding=64, classes=0, schedule="cosine", drop=0.1, blocks=0,
        channels=32,
    ):  # fmt: skip
        if schedule == "straight":
            raise ValueError("the network needs a schedule with α² + σ² = 1: linear, cosine or sigmoid")
        net = EigenNetwork(shape, components, width, layers, embedding, classes, blocks, channels)
        Diffusion.__init__(self, net, shape, schedule, "v", drop)


class PointDiffusion(Diffusion):
    """`Diffusion` of points or codes (batch, dims); with schedule "straight" and predict "velocity" it is flow matching.

    Args:
        transport: pair the noise of each batch with its data by optimal transport, so that paths cross less
        scale: the chain sees the data divided by it; it should make their standard deviation about 1, that of the noise
    """

    @keeps_config
    def __init__(self, dims=2, width=128, layers=3, schedule="cosine", predict="v", classes=0, drop=0.1, transport=False, scale=1.0):
        super().__init__(VectorNetwork(dims, width, layers, classes), (dims,), schedule, predict, drop)
        self.transport, self.scale = transport, scale

    @tensors(model="self")
    def scaled(self, x: Tensor) -> Tensor:
        return x / self.scale

    @tensors(model="self")
    def unscaled(self, x: Tensor) -> Tensor:
        return x * self.scale

    def noise_for(self, x: Tensor) -> Tensor:
        noise = torch.randn_like(x)
        return paired_by_transport(x, noise) if self.transport else noise


@tensors(finite="x noise")
def paired_by_transport(x: Tensor, noise: Tensor) -> Tensor:
    """The same noise in another order: each example gets the one for which the sum of all squared distances is least.

    Raises:
        ValueError: x and noise of two shapes

    Source: Tong et al. 2023 (arXiv:2302.00482); Pooladian et al. 2023 (arXiv:2304.14772).
    """
    if x.shape != noise.shape:
        raise ValueError(f"x {tuple(x.shape)} and noise {tuple(noise.shape)} must have one shape")
    cost = torch.cdist(x.flatten(1), noise.flatten(1)).square()
    _, order = linear_sum_assignment(cost.cpu().numpy())
    return noise[torch.as_tensor(order, device=noise.device)]


class LatentDiffusion(PointDiffusion, OfCodes):
    """Diffusion of the codes of a shipped VAE: `loss` takes codes, `sample` gives images.

    Args:
        autoencoder: the checkpoint whose codes these are. The chain sees them with mean 0 and standard deviation 1, as its noise is

    Source: Rombach et al. 2021 (arXiv:2112.10752).
    """

    @keeps_config
    def __init__(self, autoencoder="vae", width=256, layers=3, schedule="cosine", predict="v", classes=10, drop=0.1):
        super().__init__(latents_of(autoencoder), width, layers, schedule, predict, classes, drop)
        self.keep_moments(autoencoder)

    @tensors(model="self")
    def scaled(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    @tensors(model="self", finite="x")
    def unscaled(self, x: Tensor) -> Tensor:
        return self.autoencoder.decode(x * self.std + self.mean).to(x.dtype)


class WaveDiffusion(Diffusion):
    """`Diffusion` of waves (batch, length) in [−1, 1]."""

    clip = True

    @keeps_config
    def __init__(
        self, length=2048, patch=16, width=32, dilations=(1, 2, 4, 8, 16) * 2, classes=9, schedule="cosine", predict="v", drop=0.1
    ):
        super().__init__(WaveNetwork(length, patch, width, dilations, classes), (length,), schedule, predict, drop)
