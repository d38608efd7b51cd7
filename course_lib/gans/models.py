"""The DCGAN and its conditional, Wasserstein and spectral relatives, for images; and the same game for points of the plane.

A model owns both players: `model.generator`, `model.discriminator`. Images are floats in [0, 1] outside, in [−1, 1] between the players.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ..nn import (
    LabelEmbedding,
    Model,
    as_weights,
    check_halvings,
    images,
    keeps_config,
    labels,
    labels_or_drawn,
    mlp,
    normal,
    one_hot,
    tensors,
    values_of,
)
from .losses import check_kind, clip_weights, discriminator_loss, generator_loss, gradient_penalty, zero_centred_penalty

NORMS = ("batch", "none", "spectral")


class MinibatchDiscrimination(nn.Module):
    """Let the discriminator compare the samples of a batch: append to each how close the others are.

    (batch, features) → (batch, features + kernels)

    Source: Salimans et al. 2016 (arXiv:1606.03498), section 3.2.
    """

    def __init__(self, features: int, kernels: int = 16, size: int = 8):
        super().__init__()
        self.kernels, self.size = kernels, size
        self.outputs = features + kernels
        self.project = nn.Linear(features, kernels * size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        m = self.project(x).view(len(x), self.kernels, self.size)
        # one number of each kernel at a time: all at once would take `size` times the memory, and longer. cdist has no second derivative
        distance = sum((part[:, None] - part[None]).abs() for part in m.unbind(-1))  # (batch, batch, kernels)
        closeness = (-distance).exp().sum(1) - 1  # less the sample's closeness to itself
        return torch.cat([x, closeness], 1)


class Generator(nn.Module):
    """The DCGAN generator, (batch, latents) → (batch, *shape) in [−1, 1]: transposed convolutions, batch norm, ReLU, tanh at the end."""

    def __init__(self, shape, latents, width, classes=0):
        super().__init__()
        channels, height, width_ = shape
        self.latents, self.classes = latents, classes
        self.layers = nn.Sequential(
            nn.Linear(latents + values_of(classes), 2 * width * height * width_ // 16),
            nn.Unflatten(1, (2 * width, height // 4, width_ // 4)),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, channels, 4, 2, 1),
            nn.Tanh(),
        )
        self.layers.apply(dcgan_weights)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.classes:
            z = torch.cat([z, one_hot(y, len(z), self.classes, z)], 1)
        return self.layers(z)


def strided_layers(channels: int, width: int, norm: str) -> list[nn.Module]:
    """The DCGAN discriminator but for its last layer: (batch, channels, h, w) → (batch, 2 · width · h · w / 16). The first has no norm."""
    return [
        nn.Conv2d(channels, width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
        nn.BatchNorm2d(2 * width) if norm == "batch" else nn.Identity(),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
    ]


class Discriminator(nn.Module):
    """The DCGAN discriminator: images in [−1, 1] → scores (batch,), before any sigmoid. Strided convolutions, leaky ReLU, no pooling.

    Args:
        norm: "batch" (none on the first layer), "none" as gradient penalties need it, or "spectral"
        classes: the label enters as an image of its own beside x; with `projection` as an inner product with the features instead
        minibatch: compare the samples of a batch

    Source: Radford et al. 2015 (arXiv:1511.06434); projection: Miyato & Koyama 2018 (arXiv:1802.05637), equation 3.
    """

    def __init__(self, shape, width, norm="batch", classes=0, projection=False, minibatch=False):
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f"unknown norm {norm!r}; choose one of {', '.join(NORMS)}")
        self.shape = channels, height, width_ = tuple(shape)
        self.label_image = LabelEmbedding(classes, height * width_) if classes and not projection else None
        outputs = 2 * width * height * width_ // 16
        compare = MinibatchDiscrimination(outputs) if minibatch else nn.Identity()
        outputs = compare.outputs if minibatch else outputs
        self.features = nn.Sequential(*strided_layers(channels + bool(self.label_image), width, norm), compare)
        self.judge = nn.Linear(outputs, 1)
        self.label_code = LabelEmbedding(classes, outputs) if projection else None
        self.apply(dcgan_weights)
        if norm == "spectral":
            divide_by_spectral_norms(self)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        if self.label_image is not None:
            x = torch.cat([x, self.label_image(y).view(-1, 1, *self.shape[1:])], 1)
        features = self.features(x)
        score = self.judge(features).squeeze(1)
        if self.label_code is not None:
            score = score + (features * self.label_code(y)).sum(1)
        return score


def divide_by_spectral_norms(network: nn.Module) -> None:
    """Make every layer divide its weights by their largest singular value."""
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding):
            spectral_norm(module)


def operator_norm(layer: nn.Module, shape: tuple[int, ...], steps: int = 100) -> float:
    """How much an affine layer stretches some input at most: max ‖layer(x + v) − layer(x)‖ / ‖v‖, by power iteration on the layer itself.

    Args:
        layer: affine, such as `nn.Linear` or `nn.Conv2d`
        shape: of one input, without the batch
        steps: of v ← Aᵀ A v / ‖Aᵀ A v‖, where A is the layer without its bias and Aᵀ its backward pass

    Raises:
        ValueError: fewer than one step

    Source: Golub & Van Loan, *Matrix Computations*, the power method.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    weight = next(layer.parameters())
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(1, *shape, generator=generator, dtype=weight.dtype).to(weight.device)
    with torch.no_grad():
        offset = layer(torch.zeros_like(v))
    for _ in range(steps):
        v = (v / v.norm()).requires_grad_()
        with torch.enable_grad():
            stretched = layer(v) - offset
            (v_next,) = torch.autograd.grad(stretched, v, stretched.detach())
        v = v_next
    return stretched.norm().item()


def dcgan_weights(module: nn.Module) -> None:
    """The initial values of the DCGAN paper: N(0, 0.02²) for convolutions, N(1, 0.02²) for the scale of batch norm."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def check_critic_steps(critic_steps: int) -> None:
    if critic_steps < 1:
        raise ValueError(f"critic_steps must be at least 1, got {critic_steps}")


def adam_for_both(model: nn.Module, lr: float, betas: tuple[float, float]) -> dict[str, torch.optim.Optimizer]:
    """One Adam for `model.generator` and one for `model.discriminator`."""
    fused = next(model.parameters()).device.type in ("cpu", "cuda")
    return {
        name: torch.optim.Adam(getattr(model, name).parameters(), lr=lr, betas=betas, fused=fused)
        for name in ("generator", "discriminator")
    }


class GAN(Model):
    """A generator and a discriminator for images, and the rules of their game.

    Args:
        shape: (channels, height, width), height and width divisible by 4
        latents: size of z ~ N(0, I);  width: channels of the first convolution
        loss: see `discriminator_loss`
        norm: of the discriminator: "batch", "none" or "spectral"
        classes: with c > 0 both players see a label, with a sequence several;  projection: how the discriminator sees it
        minibatch: minibatch discrimination
        penalty: weight of the gradient penalty of WGAN-GP;  r1: weight of the zero-centred penalty on real data. Both look at slopes
            over images in [0, 1], twice those of the papers' [−1, 1]
        clip: WGAN's first cure: every weight of the critic is cut to [−clip, clip]
        critic_steps: steps of the discriminator for each of the generator

    Source: Radford et al. 2015 (arXiv:1511.06434); conditional: Mirza & Osindero 2014 (arXiv:1411.1784);
    Wasserstein: Arjovsky et al. 2017 (arXiv:1701.07875); spectral norm: Miyato et al. 2018 (arXiv:1802.05957).
    """

    @keeps_config
    def __init__(
        self,
        shape=(1, 28, 28),
        latents=64,
        width=32,
        loss="nonsaturating",
        norm="batch",
        classes=0,
        projection=False,
        minibatch=False,
        penalty=0.0,
        r1=0.0,
        clip=0.0,
        critic_steps=1,
    ):
        super().__init__()
        check_kind(loss)
        check_halvings(shape)
        check_critic_steps(critic_steps)
        if projection and not classes:
            raise ValueError("a projection discriminator needs labels: give classes")
        self.shape, self.latents, self.classes = tuple(shape), latents, classes
        self.kind, self.penalty, self.r1, self.clip, self.critic_steps = loss, penalty, r1, clip, critic_steps
        self.generator = Generator(shape, latents, width, classes)
        self.discriminator = Discriminator(shape, width, norm, classes, projection, minibatch)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """(batch, latents), labels (batch,) for a conditional model → images in [0, 1]."""
        z = as_weights(z, self, "z", (self.latents,))
        return (self.generator(z, labels(y, len(z), self.classes, z.device)) + 1) / 2

    @torch.no_grad()
    def sample(self, n: int, *, y: Tensor | int | None = None) -> Tensor:
        """n images from z ~ N(0, I), (n, *shape) in [0, 1]; a conditional model draws labels where none are given."""
        y = labels_or_drawn(y, n, self.classes, next(self.parameters()).device)
        return self.decode(normal(self, n, self.latents), y)

    def score(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The discriminator's score of images in [0, 1], (batch,): the larger, the more real."""
        x = as_weights(x, self, "x", self.shape, finite=not self.training)
        return self.discriminator(2 * x - 1, labels(y, len(x), self.classes, x.device))

    def optimisers(self, lr: float = 2e-4, betas: tuple[float, float] = (0.5, 0.999)) -> dict[str, torch.optim.Optimizer]:
        """Adam for each player, with the low momentum that games need."""
        return adam_for_both(self, lr, betas)


class PointGAN(Model):
    """The same game for points of the plane, with the cures for mode collapse as switches.

    Args:
        dims: of a point;  latents: size of z;  width: of the two hidden layers of each player
        loss, minibatch, penalty, r1, clip, critic_steps: as in `GAN`
        pack: samples that the discriminator sees side by side and judges as one (PacGAN)
        scale: what the points are divided by before the players see them

    Source: the 25 Gaussians of Srivastava et al. 2017 (arXiv:1705.07761); packing: Lin et al. 2017 (arXiv:1712.04086).
    """

    @keeps_config
    def __init__(
        self,
        dims=2,
        latents=2,
        width=128,
        loss="nonsaturating",
        minibatch=False,
        pack=1,
        penalty=0.0,
        r1=0.0,
        clip=0.0,
        critic_steps=1,
        scale=2.0,
    ):
        super().__init__()
        check_kind(loss)
        check_critic_steps(critic_steps)
        self.latents, self.kind, self.penalty, self.r1, self.clip, self.critic_steps = latents, loss, penalty, r1, clip, critic_steps
        self.dims, self.pack, self.scale, self.classes = dims, pack, scale, 0
        self.generator = mlp([latents, width, width, dims], nn.ReLU)
        compare = MinibatchDiscrimination(width, kernels=8, size=4) if minibatch else None
        judge = nn.Linear(compare.outputs if compare else width, 1)
        self.discriminator = nn.Sequential(
            mlp([pack * dims, width, width], nn.ReLU), nn.ReLU(), compare or nn.Identity(), judge, nn.Flatten(0)
        )

    def decode(self, z: Tensor, y: None = None) -> Tensor:
        """(batch, latents) → points (batch, dims)."""
        return self.generator(as_weights(z, self, "z", (self.latents,))) * self.scale

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """(n, dims)."""
        return self.decode(normal(self, n, self.latents))

    def score(self, x: Tensor, y: None = None) -> Tensor:
        """(batch, dims) → (batch / pack,)."""
        if len(x) % self.pack:
            raise ValueError(f"{len(x)} points x cannot be judged in packs of {self.pack}: give a multiple of {self.pack}")
        x = as_weights(x, self, "x", (self.dims,), finite=not self.training)
        return self.discriminator((x / self.scale).reshape(len(x) // self.pack, self.pack * self.dims))

    optimisers = GAN.optimisers


def gan_step(run, x: Tensor) -> dict[str, Tensor]:
    """One step of each player on a batch x; a `step` for `training.fit`."""
    model = run.model
    z = torch.randn(len(x), model.latents, device=x.device)
    with torch.no_grad():  # D's step: nothing may flow into G
        fake = model.decode(z)
    d_loss = discriminator_loss(model.score(x), model.score(fake), model.kind)
    run.update(d_loss, "discriminator")

    fake = model.decode(torch.randn_like(z))  # G's step: through D, which stays as it is
    g_loss = generator_loss(model.score(fake), model.kind)
    run.update(g_loss, "generator")
    return {"discriminator": d_loss, "generator": g_loss}


def gan_step_with_cures(run, batch: Tensor | tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """`gan_step` with all that a model may ask for: labels, penalties, clipped weights, and several steps of D for each of G."""
    model = run.model
    x, y = batch if isinstance(batch, tuple) else (batch, None)
    if not isinstance(model, PointGAN):
        x = images(x, model)
    z = torch.randn(len(x), model.latents, device=x.device)
    with torch.no_grad():
        fake = model.decode(z, y)
    real_score, fake_score = model.score(x, y), model.score(fake, y)
    loss = discriminator_loss(real_score, fake_score, model.kind)
    # both at the same moment of the game, so that a step without the generator logs it too
    logged = {"discriminator": loss, "generator": generator_loss(fake_score, model.kind)}
    if model.penalty:
        loss = loss + model.penalty * gradient_penalty(lambda v: model.score(v, y), x, fake)
    if model.r1:
        loss = loss + model.r1 * zero_centred_penalty(lambda v: model.score(v, y), x)
    run.update(loss, "discriminator")
    if model.clip:
        clip_weights(model.discriminator, model.clip)
    if run.step % model.critic_steps == 0:
        fake = model.decode(torch.randn_like(z), y)
        run.update(generator_loss(model.score(fake, y), model.kind), "generator")
    return logged


@tensors(finite="samples centres")
def modes_covered(samples: Tensor, centres: Tensor, std: float, least: int = 10, reach: float = 4.0) -> tuple[int, float]:
    """Modes that at least `least` samples lie near, and the share of samples near any mode; near is within `reach` standard deviations.

    samples: (n, dims), centres: (modes, dims)
    """
    # the direct way: |a|² − 2ab + |b|² loses the digits of a small distance
    distance, nearest = torch.cdist(samples, centres, compute_mode="donot_use_mm_for_euclid_dist").min(1)
    near = distance <= reach * std
    counts = torch.bincount(nearest[near], minlength=len(centres))
    return int((counts >= least).sum()), near.float().mean().item()


@tensors(finite="samples centres")
def mode_overlap(samples: Tensor, centres: Tensor, std: float, reach: float = 4.0) -> float:
    """How much of the data the samples serve: Σ over modes of min(share of the samples near the mode, the mode's fair share).

    1 where every sample is near a mode and every mode has its fair share; 1/modes where all samples sit on one mode. It is 1 less the total
    variation distance of two tables: the shares of samples at each mode and elsewhere, and those of data that never lie elsewhere.

    samples: (n, dims), centres: (modes, dims); near is within `reach` standard deviations, as for `modes_covered`
    """
    distance, nearest = torch.cdist(samples, centres, compute_mode="donot_use_mm_for_euclid_dist").min(1)
    shares = torch.bincount(nearest[distance <= reach * std], minlength=len(centres)) / len(samples)
    return shares.clamp(max=1 / len(centres)).sum().item()
