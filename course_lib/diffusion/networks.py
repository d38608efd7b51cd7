"""The networks that look at noisy data: a U-Net and an MLP for images, an MLP for points and codes, dilated convolutions for sound.

All of them are called as net(x_t, log_snr, y): noisy data, the noise level as log SNR (batch,) or (1,), labels (batch,) or None. They
return the shape of x_t. Labels are 0 to classes − 1; `classes` itself stands for "not told". Where an example has several labels, y is
(batch, labels), and each may be told or not.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..latent_spaces import PCA
from ..nn import Classes, LabelEmbedding
from .schedules import edm_weights


def with_untold(classes: Classes) -> Classes:
    """The classes of labels of which each may be "not told"."""
    return classes + 1 if isinstance(classes, int) else [c + 1 for c in classes]


def untold(classes: Classes, n: int, device: torch.device | str) -> Tensor:
    """The labels of n examples of which nothing is told, (n,), or (n, labels) where there are several."""
    return torch.tensor(classes, device=device).expand(n, *[] if isinstance(classes, int) else [-1])


class NoiseEmbedding(nn.Module):
    """The noise level and the label as numbers that a network can tell apart: (batch,) each → (batch, width).

    The level goes through sines and cosines of many frequencies, as the positions of a transformer do.
    """

    def __init__(self, width: int, classes: Classes = 0):
        super().__init__()
        self.classes = classes
        self.register_buffer("frequencies", torch.exp(torch.linspace(math.log(0.05), math.log(4.0), 16)), persistent=False)
        self.net = nn.Sequential(nn.Linear(32, width), nn.SiLU(), nn.Linear(width, width))
        self.label = LabelEmbedding(with_untold(classes), width) if classes else None

    def forward(self, log_snr: Tensor, y: Tensor | None = None) -> Tensor:
        angles = log_snr.clamp(-20, 20).float()[:, None] * self.frequencies
        given = self.net(torch.cat([angles.sin(), angles.cos()], 1).to(self.net[0].weight.dtype))
        if self.label is None:
            return given
        return given + self.label(untold(self.classes, len(log_snr), log_snr.device) if y is None else y)


class ResidualBlock(nn.Module):
    """x + conv(conv(x)), where the embedding scales and shifts what is between the two. It begins as the identity."""

    def __init__(self, inputs: int, outputs: int, embedding: int):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(8, inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.given = nn.Linear(embedding, 2 * outputs)
        self.norm2, self.conv2 = nn.GroupNorm(8, outputs), zero_init(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, given: Tensor) -> Tensor:
        scale, shift = self.given(given)[:, :, None, None].chunk(2, 1)
        h = self.conv1(F.silu(self.norm1(x)))
        return self.shortcut(x) + self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))


class Attention(nn.Module):
    """Every place looks at every other: (batch, channels, height, width) → the same."""

    def __init__(self, channels: int, heads: int = 4):
        super().__init__()
        self.heads, self.norm = heads, nn.GroupNorm(8, channels)
        self.into, self.out = nn.Conv2d(channels, 3 * channels, 1), zero_init(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        # with the channels last nothing need be copied: (batch, heads, places, channels of a head) each
        q, k, v = self.into(self.norm(x)).permute(0, 2, 3, 1).flatten(1, 2).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(h.transpose(1, 2).flatten(2).unflatten(1, x.shape[2:]).permute(0, 3, 1, 2))


class Stage(nn.Module):
    """A residual block, and attention where images are small."""

    def __init__(self, inputs: int, outputs: int, embedding: int, attention: bool):
        super().__init__()
        self.block, self.attention = ResidualBlock(inputs, outputs, embedding), Attention(outputs) if attention else nn.Identity()

    def forward(self, x: Tensor, given: Tensor) -> Tensor:
        return self.attention(self.block(x, given))


class UNet(nn.Module):
    """Down to small pictures, and up again beside what was seen on the way down.

    Args:
        shape: (channels, height, width); the sides must be divisible by patch · 2^(sizes − 1)
        width: channels at the largest size;  multiples: channels of each size in units of width, each half as large as the one before
        blocks: residual blocks of each size on the way down, one more on the way up
        attention: sizes, counted from 0, that have attention
        patch: side of the patches of pixels that become channels first: 2 makes everything four times as cheap

    Raises:
        ValueError: sides that cannot be halved so often, a width that is no multiple of 8, or attention at a size that is not there

    Source: Ho et al. 2020 (arXiv:2006.11239), appendix B; Dhariwal & Nichol 2021 (arXiv:2105.05233).
    """

    def __init__(self, shape=(1, 28, 28), width=32, multiples=(1, 2), blocks=1, attention=(1,), patch=2, classes=0):
        super().__init__()
        smallest = patch * 2 ** (len(multiples) - 1)
        if shape[1] % smallest or shape[2] % smallest or width % 8:
            raise ValueError(f"sides must be multiples of {smallest} and width of 8, got {tuple(shape[1:])} and {width}")
        if not set(attention) <= set(range(len(multiples))):
            raise ValueError(f"attention must name sizes from 0 to {len(multiples) - 1}, got {tuple(attention)}")
        self.classes, self.patch = classes, patch
        channels, embedding = shape[0] * patch**2, 4 * width
        self.given = NoiseEmbedding(embedding, classes)
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        now, kept = width, [width]
        for size, multiple in enumerate(multiples):
            for _ in range(blocks):
                self.down.append(Stage(now, width * multiple, embedding, size in attention))
                now = width * multiple
                kept.append(now)
            if size < len(multiples) - 1:
                self.down.append(nn.Conv2d(now, now, 3, stride=2, padding=1))
                kept.append(now)
        self.middle = nn.ModuleList([Stage(now, now, embedding, True), Stage(now, now, embedding, False)])
        for size, multiple in reversed(list(enumerate(multiples))):
            for _ in range(blocks + 1):
                self.up.append(Stage(now + kept.pop(), width * multiple, embedding, size in attention))
                now = width * multiple
            if size:
                self.up.append(nn.Conv2d(now, now, 3, padding=1))
        self.last = nn.Sequential(nn.GroupNorm(8, now), nn.SiLU(), zero_init(nn.Conv2d(now, channels, 3, padding=1)))
        self.to(memory_format=torch.channels_last)  # a CPU is a fifth faster with the channels last

    def forward(self, x: Tensor, log_snr: Tensor, y: Tensor | None = None) -> Tensor:
        given = F.silu(self.given(log_snr, y))
        h = self.first(F.pixel_unshuffle(x, self.patch).contiguous(memory_format=torch.channels_last))
        kept = [h]
        for layer in self.down:
            h = layer(h, given) if isinstance(layer, Stage) else layer(h)
            kept.append(h)
        for layer in self.middle:
            h = layer(h, given)
        for layer in self.up:
            if isinstance(layer, Stage):
                h = layer(torch.cat([h, kept.pop()], 1), given)
            else:
                h = layer(F.interpolate(h, scale_factor=2, mode="nearest"))
        return F.pixel_shuffle(self.last(h), self.patch).contiguous()


class VectorNetwork(nn.Module):
    """An MLP for points or codes (batch, dims): residual layers of one width, which the noise level scales and shifts."""

    def __init__(self, dims: int = 2, width: int = 128, layers: int = 3, classes: int = 0):
        super().__init__()
        self.classes = classes
        self.given = NoiseEmbedding(width, classes)
        self.first, self.last = nn.Linear(dims, width), zero_init(nn.Linear(width, dims))
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.levels = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(layers))

    def forward(self, x: Tensor, log_snr: Tensor, y: Tensor | None = None) -> Tensor:
        given, h = F.silu(self.given(log_snr, y)), self.first(x)
        for layer, level in zip(self.layers, self.levels):
            scale, shift = level(given).chunk(2, 1)
            h = h + F.silu(layer(h) * (1 + scale) + shift)
        return self.last(F.silu(h))


class Refinement(nn.Module):
    """Convolutions over an estimate of the image, beside the noisy one and a learned vector for each place. It begins as zero.

    Global layers say what is there; these see to sharp edges and even areas. The vectors tell them where they are.

    Args:
        shape: of an image;  channels: of the convolutions;  blocks: residual ones;  context: size of what scales and shifts them
    """

    PLACES = 16  # numbers for each place

    def __init__(self, shape: Sequence[int], channels: int, blocks: int, context: int):
        super().__init__()
        colours = shape[0]
        self.places = nn.Parameter(0.1 * torch.randn(1, self.PLACES, *shape[1:]))
        self.first = nn.Conv2d(2 * colours + self.PLACES, channels, 3, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(channels, channels, context) for _ in range(blocks))
        self.last = zero_init(nn.Conv2d(channels, colours, 3, padding=1))
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, guess: Tensor, context: Tensor) -> Tensor:
        """Noisy images and estimates (batch, *shape), and the context (batch, context) → (batch, *shape)."""
        h = torch.cat([x, guess, self.places.to(x).expand(len(x), -1, -1, -1)], 1)
        h = self.first(h.contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            h = block(h, context)
        return self.last(F.silu(h)).contiguous()


class EigenNetwork(nn.Module):
    """An MLP for whole images whose parts stand in fixed places, which adds to what a Gaussian with the data's covariance would answer.

    In the principal components of the data each direction has a standard deviation of its own. So each gets its own c_skip, c_out and c_in
    of EDM: c_skip x is the best linear answer, and F is asked for numbers of variance 1 whatever the direction. What lies outside the
    components is answered by the mean. Every weight sees all pixels once, at a small part of the cost of convolutions.

    It says v, and only of a schedule with α² + σ² = 1.

    Args:
        shape: of an image;  components: how many principal components are looked at
        width, layers: of the MLP;  embedding: of noise level and labels, which scale and shift what is between the layers
        blocks: of a `Refinement` of the MLP's answer, with so many channels; none by default

    Raises:
        ValueError: more components than an image has numbers

    Source: preconditioning is Karras et al. 2022 (arXiv:2206.00364); the best linear denoiser is Wiener's.
    """

    def __init__(
        self, shape=(3, 16, 16), components=320, width=384, layers=4, embedding=64, classes: Classes = 0, blocks=0, channels=32
    ):  # fmt: skip
        super().__init__()
        if not 1 <= components <= math.prod(shape):
            raise ValueError(f"images of {math.prod(shape)} numbers have 1 to {math.prod(shape)} components, got components={components}")
        self.classes = classes
        self.register_buffer("mean", torch.zeros(math.prod(shape)))
        self.register_buffer("basis", torch.eye(math.prod(shape))[:components])  # (components, pixels)
        self.register_buffer("std", torch.ones(components))
        self.given, self.words = NoiseEmbedding(embedding, classes), LabelEmbedding(with_untold(classes), width) if classes else None
        self.first, self.last = nn.Linear(components, width), zero_init(nn.Linear(width, components))
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(layers))
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.levels = nn.ModuleList(nn.Linear(embedding, 2 * width) for _ in range(layers))
        self.refine = Refinement(shape, channels, blocks, width) if blocks else None
        self.context = nn.Linear(embedding, width) if blocks else None

    @torch.no_grad()
    def look_at(self, x: Tensor) -> None:
        """Take mean, principal components and their standard deviations from images (n, *shape), as the chain sees them."""
        pca = PCA(x, len(self.basis))
        for own, new in ((self.mean, pca.mean), (self.basis, pca.components), (self.std, pca.variances.sqrt())):
            own.copy_(new)

    def forward(self, x: Tensor, log_snr: Tensor, y: Tensor | None = None) -> Tensor:
        level = log_snr.to(x).clamp(-20, 20)[:, None]
        alpha, sigma, flat = level.sigmoid().sqrt(), (-level).sigmoid().sqrt(), x.flatten(1)
        skip, out, into = edm_weights(sigma / alpha, self.std)
        z = (flat / alpha - self.mean) @ self.basis.T
        h, given = self.first(into * z), F.silu(self.given(log_snr, y))
        if self.words is not None:
            h = h + self.words(untold(self.classes, len(x), x.device) if y is None else y)
        for norm, layer, both in zip(self.norms, self.layers, self.levels):
            scale, shift = both(given).chunk(2, 1)
            h = h + F.silu(layer(norm(h)) * (1 + scale) + shift)
        x0 = (self.mean + (skip * z + out * self.last(h)) @ self.basis).view(x.shape)
        alpha, sigma = alpha[:, :, None, None], sigma[:, :, None, None]
        if self.refine is not None:
            _, out, into = edm_weights(sigma / alpha)
            context = F.silu(F.layer_norm(h, h.shape[1:]) + self.context(given))
            x0 = x0 + out * self.refine(into * x / alpha, x0, context)
        return (alpha * x - x0) / sigma


class WaveNetwork(nn.Module):
    """Gated dilated convolutions over patches of a wave (batch, time), which look both ways.

    Args:
        length: samples, a multiple of patch;  patch: samples that become channels first
        width: channels;  dilations: of the layers, in patches

    Source: DiffWave, Kong et al. 2020 (arXiv:2009.09761), whose layers see single samples.
    """

    def __init__(
        self, length: int = 2048, patch: int = 16, width: int = 32, dilations: Sequence[int] = (1, 2, 4, 8, 16) * 2, classes: int = 0
    ):
        super().__init__()
        if length % patch:
            raise ValueError(f"the length must be a multiple of {patch}, got {length}")
        self.classes, self.patch = classes, patch
        self.given = NoiseEmbedding(4 * width, classes)
        self.first = nn.Conv1d(patch, width, 3, padding=1)
        self.gates = nn.ModuleList(nn.Conv1d(width, 2 * width, 3, padding=d, dilation=d) for d in dilations)
        self.levels = nn.ModuleList(nn.Linear(4 * width, 2 * width) for _ in dilations)
        self.outs = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in dilations)
        self.last = nn.Sequential(nn.SiLU(), nn.Conv1d(width, width, 1), nn.SiLU(), zero_init(nn.Conv1d(width, patch, 3, padding=1)))

    def forward(self, x: Tensor, log_snr: Tensor, y: Tensor | None = None) -> Tensor:
        given = F.silu(self.given(log_snr, y))
        h = self.first(x.unflatten(1, (-1, self.patch)).transpose(1, 2))
        for gate, level, out in zip(self.gates, self.levels, self.outs):
            a, b = (gate(h) + level(given)[:, :, None]).chunk(2, 1)
            h = h + out(a.tanh() * b.sigmoid())
        return self.last(h * len(self.gates) ** -0.5).transpose(1, 2).flatten(1)


def zero_init(layer: nn.Module) -> nn.Module:
    """The layer, with all its weights 0: what it belongs to begins as if it were not there."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
