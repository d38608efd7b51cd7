"""Flows for images: RealNVP, Glow and neural spline, multi-scale, with uniform or variational dequantisation.

Images are uint8, (batch, channels, height, width), 0 to 255: a flow has densities, and only noise makes whole numbers continuous.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..distributions import bits_per_dim, log_mean_exp, standard_normal_log_prob
from ..nn import Model, as_weights, check_halvings, checked, keeps_config, labels_or_drawn, normal, one_hot, tensors
from .layers import COUPLINGS, ActNorm, Coupling, InvertibleLinear, Logit, Squeeze, draw_latents, points

KINDS = ("realnvp", "glow", "spline")
LEVELS = 256


class GatedBlock(nn.Module):
    """x + a · σ(b), where a and b come from a 3×3 and a 1×1 convolution of x."""

    def __init__(self, width: int):
        super().__init__()
        self.net = nn.Sequential(nn.SiLU(), nn.Conv2d(width, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, 2 * width, 1))

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.net(x).chunk(2, 1)
        return x + a * b.sigmoid()


class ImageConditioner(nn.Module):
    """The network of a coupling on images: a small residual network of the kept half and what is given. It starts at 0."""

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int):
        super().__init__()
        last = nn.Conv2d(width, outputs, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(nn.Conv2d(inputs, width, 3, padding=1), *(GatedBlock(width) for _ in range(blocks)), nn.SiLU(), last)
        self.net.to(memory_format=torch.channels_last)  # twice as fast on a CPU with so few channels

    def forward(self, kept: Tensor, given: Tensor | None = None) -> Tensor:
        if given is not None and given.ndim == 2:
            given = given[:, :, None, None].expand(-1, -1, *kept.shape[2:])
        kept = kept if given is None else torch.cat([kept, given], 1)
        return self.net(kept.contiguous(memory_format=torch.channels_last)).contiguous()


class UniformDequantiser(nn.Module):
    """u ~ U[0, 1): each whole number is spread evenly over its bin."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 images → u of the same shape, log q(u | x) (batch,), nats."""
        u = torch.rand(x.shape, device=x.device)
        return u, u.new_zeros(len(x))


class VariationalDequantiser(nn.Module):
    """u ~ q(u | x), a small conditional flow: noise that the model finds easy to describe.

    Source: Ho et al. 2019 (arXiv:1902.00275), section 3.1.
    """

    def __init__(self, channels: int, width: int = 16, layers: int = 2):
        super().__init__()
        self.squeeze, self.logit = Squeeze(), Logit(alpha=0.0)
        self.context = ImageConditioner(4 * channels, width, width, 1)
        nn.init.normal_(self.context.net[-1].weight, 0.0, 0.02)  # at zero the couplings would see nothing of x
        self.couplings = nn.ModuleList(
            Coupling(ImageConditioner(2 * channels + width, 4 * channels, width, 1), ("checkerboard", "other checkerboard")[i % 2])
            for i in range(layers)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 images → u in (0, 1) of the same shape, log q(u | x) (batch,), nats."""
        context = self.context(self.squeeze(x.to(self.context.net[0].weight.dtype) / 127.5 - 1)[0])
        noise = normal(self, context.shape[0], 4 * x.shape[1], *context.shape[2:])
        log_q, h = standard_normal_log_prob(noise.flatten(1)), noise
        for coupling in self.couplings:
            h, log_det = coupling(h, context)
            log_q = log_q - log_det
        logits = self.squeeze.inverse(h).clamp(-15, 15)  # σ(±15) is the last that float32 tells from 0 and 1
        u = logits.sigmoid()
        return u, log_q + (F.softplus(logits) + F.softplus(-logits)).flatten(1).sum(1)


@tensors
def dequantise(x: Tensor, u: Tensor | float) -> Tensor:
    """Whole numbers 0 to 255 and u in [0, 1) → (x + u) / 256 in [0, 1). Dividing by 255 would let white spill over the end."""
    return (x + u) / LEVELS


class Level(nn.Module):
    """Squeeze, then `steps` couplings; checkerboards first where there is no learned mixing of the channels."""

    def __init__(self, channels: int, kind: str, steps: int, width: int, blocks: int, classes: int):
        super().__init__()
        coupling = COUPLINGS["spline" if kind == "spline" else "affine"]
        self.layers = nn.ModuleList([Squeeze()])
        for i in range(steps):
            order = ("first", "second")[i % 2] if kind == "realnvp" else "first"
            if kind == "realnvp" and i < steps // 2:
                order = ("checkerboard", "other checkerboard")[i % 2]
            self.layers.append(ActNorm(channels))
            if kind != "realnvp":
                self.layers.append(InvertibleLinear(channels))
            half = channels // 2
            self.layers.append(coupling(ImageConditioner(half + classes, coupling.numbers * half, width, blocks), order))


class ImageFlow(Model):
    """A multi-scale flow for images of whole numbers.

    Each level squeezes 2×2 patches into channels and transforms; then half of the channels are done, and the others go on to the next.

    Args:
        shape: (channels, height, width); each level halves height and width
        kind: "realnvp" (checkerboard and channel masks), "glow" (ActNorm and 1×1 convolution), "spline" (Glow with spline couplings)
        steps: couplings of each level;  width, blocks: of the networks
        dequantisation: "uniform" or "variational"
        classes: with c > 0 every coupling also sees a label

    Raises:
        ValueError: an unknown kind, or a shape that cannot be halved so often

    Source: RealNVP, Dinh et al. 2016 (arXiv:1605.08803), section 3.6; Glow, Kingma & Dhariwal 2018 (arXiv:1807.03039).
    """

    @keeps_config
    def __init__(self, shape=(1, 28, 28), kind="glow", steps=(8, 8), width=32, blocks=1, dequantisation="variational", classes=0):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"unknown kind of image flow {kind!r}; choose one of {', '.join(KINDS)}")
        if dequantisation not in ("uniform", "variational"):
            raise ValueError(f"unknown dequantisation {dequantisation!r}; choose uniform or variational")
        check_halvings(shape, len(steps))
        self.shape, self.dims, self.classes = tuple(shape), math.prod(shape), classes
        self.logit = Logit()
        self.dequantiser = VariationalDequantiser(shape[0]) if dequantisation == "variational" else UniformDequantiser()
        channels = [4 * shape[0] * 2**i for i in range(len(steps))]
        self.levels = nn.ModuleList(Level(c, kind, s, width, blocks, classes) for c, s in zip(channels, steps))

    def transform(self, v: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """v (batch, *shape) in (0, 1) → z (batch, dims), log |det ∂z/∂v| (batch,) in nats."""
        v = as_weights(v, self, "v", self.shape)
        if not len(v):
            raise ValueError("v must be one image or more, got none")
        given = one_hot(y, len(v), self.classes, v)
        h, log_det = self.logit(v)
        done = []
        for i, level in enumerate(self.levels):
            for layer in level.layers:
                h, more = layer(h, given)
                log_det = log_det + more
            if i < len(self.levels) - 1:
                h, out = h.chunk(2, 1)
                done.append(out.flatten(1))
        return torch.cat([*done, h.flatten(1)], 1), log_det

    def untransform(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The inverse of `transform`: z (batch, dims) → v (batch, *shape) in [0, 1]."""
        z = points(z, self, "z")
        given = one_hot(y, len(z), self.classes, z)
        sizes = [self.dims // 2 ** (i + 1) for i in range(len(self.levels) - 1)]
        *done, h = z.split([*sizes, self.dims - sum(sizes)], 1)
        for i in reversed(range(len(self.levels))):
            channels, height, width = self.shape[0] * 4 * 2**i, self.shape[1] >> i + 1, self.shape[2] >> i + 1
            if i == len(self.levels) - 1:
                h = h.view(-1, channels, height, width)
            else:
                h = torch.cat([h, done[i].view(-1, channels // 2, height, width)], 1)
            for layer in reversed(self.levels[i].layers):
                h = layer.inverse(h, given)
        return self.logit.inverse(h)

    def log_density(self, v: Tensor, y: Tensor | None = None) -> Tensor:
        """Exact log density of continuous images in (0, 1): (batch,), nats. It may well be above 0."""
        z, log_det = self.transform(v, y)
        return standard_normal_log_prob(z) + log_det

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """A lower bound of log P(x) for uint8 images, from one draw of the noise: (batch,), nats.

        log P(x) ≥ E[log p(v) − log q(u | x)] − D log 256 with v = (x + u) / 256; the last term is the size of a bin.
        """
        self.check(x)
        u, log_q = self.dequantiser(x)
        return self.log_density(dequantise(x, u), y) - log_q - self.dims * math.log(LEVELS)

    def loss(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Mean of −log P(x), bounded from above, in nats."""
        return -self.log_prob(x, y).mean()

    @torch.no_grad()
    def bits_per_dim(self, x: Tensor, y: Tensor | None = None, k: int = 1) -> Tensor:
        """Bits for one pixel of 256 levels, (batch,). k > 1 averages the probability over k draws of the noise, a tighter bound."""
        return bits_per_dim(log_mean_exp(torch.stack([self.log_prob(x, y) for _ in range(k)])), self.dims)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """uint8 images → z (batch, dims), from the middle of each bin."""
        self.check(x)
        return self.transform(dequantise(x, 0.5), y)[0]

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """z (batch, dims) → images in [0, 1]: the whole number whose bin was hit, over 255."""
        return (self.untransform(z, y) * LEVELS).floor().clamp(0, LEVELS - 1) / (LEVELS - 1)

    @torch.no_grad()
    def sample(self, n: int, *, y: Tensor | int | None = None, temperature: float = 1.0) -> Tensor:
        """n images in [0, 1]; z is drawn from N(0, temperature² I), and labels of a model with classes where none are given."""
        z = draw_latents(self, n, temperature)
        return self.decode(z, labels_or_drawn(y, n, self.classes, z.device))

    def check(self, x: Tensor) -> None:
        """Raise ValueError unless x is a batch of uint8 images of this flow's shape."""
        checked(x, "x")
        if not len(x) or x.dtype != torch.uint8 or tuple(x.shape[1:]) != self.shape:
            wanted = f"uint8 images of shape (batch, {', '.join(map(str, self.shape))})"
            raise ValueError(f"x: expected {wanted}, got {x.dtype} of shape {tuple(x.shape)}; datasets give them as .x")
