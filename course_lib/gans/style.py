"""A small StyleGAN: the latent does not enter at the bottom, it sets the statistics of every layer."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn import Model, as_weights, check_halvings, keeps_config, normal, tensors
from .models import Discriminator

LEAK = 0.2


def adain(x: Tensor, mean: Tensor, std: Tensor, eps: float = 1e-5) -> Tensor:
    """Adaptive instance normalisation: give every channel of every image the mean and standard deviation that the style asks for.

    Args:
        x: (batch, channels, height, width)
        mean, std: (batch, channels)

    Source: Huang & Belongie 2017 (arXiv:1703.06868), equation 8.
    """
    x = x - x.mean((2, 3), keepdim=True)
    x = x * (x.square().mean((2, 3), keepdim=True) + eps).rsqrt()
    return std[:, :, None, None] * x + mean[:, :, None, None]


class StyledConv(nn.Module):
    """3×3 convolution, noise for each pixel, leaky ReLU, AdaIN."""

    def __init__(self, inputs: int, outputs: int, styles: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.noise = nn.Parameter(torch.zeros(outputs, 1, 1))
        self.style = nn.Linear(styles, 2 * outputs)
        nn.init.zeros_(self.style.bias)
        nn.init.normal_(self.style.weight, 0, 0.1)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None = None) -> Tensor:
        x = self.conv(x)
        x = x + self.noise * (torch.randn_like(x[:, :1]) if noise is None else noise)
        mean, std = self.style(w).chunk(2, 1)
        return adain(F.leaky_relu(x, LEAK), mean, 1 + std)


class StyleGAN(Model):
    """Mapping network z → w, a learned constant, and styled convolutions at three resolutions.

    Args:
        shape: (channels, height, width), divisible by 4
        latents: size of z and of w;  width: channels at full resolution; the coarser ones have twice as many
        r1: weight of the gradient penalty on real images;  mixing: share of training images with two styles

    Source: Karras et al. 2018 (arXiv:1812.04948).
    """

    LAYERS = 6  # two a resolution: quarter, half and full size

    @keeps_config
    def __init__(self, shape=(1, 28, 28), latents=32, width=24, r1=1.0, mixing=0.5):
        super().__init__()
        check_halvings(shape)
        self.shape, self.latents, self.classes, self.mixing = tuple(shape), latents, 0, mixing
        self.kind, self.penalty, self.r1, self.clip, self.critic_steps = "nonsaturating", 0.0, r1, 0.0, 1
        sizes = [2 * width, 2 * width, 2 * width, 2 * width, width, width]
        self.mapping = nn.Sequential(*[layer for _ in range(3) for layer in (nn.Linear(latents, latents), nn.LeakyReLU(LEAK))])
        self.constant = nn.Parameter(torch.randn(1, 2 * width, shape[1] // 4, shape[2] // 4))
        self.convs = nn.ModuleList(StyledConv(a, b, latents) for a, b in zip([2 * width, *sizes[:-1]], sizes))
        self.to_image = nn.Conv2d(width, shape[0], 1)
        self.register_buffer("mean_w", torch.zeros(latents))
        self.discriminator = Discriminator(shape, 32, norm="none", minibatch=True)

    def style(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        """w = mapping(z), (batch, latents). Truncation below 1 pulls it towards the mean w: fewer surprises, less variety."""
        z = as_weights(z, self, "z", (self.latents,))
        # z is put on the sphere: its length would only tell the mapping what it need not know
        w = self.mapping(z * z.square().mean(1, keepdim=True).add(1e-8).rsqrt())
        return self.mean_w + truncation * (w - self.mean_w)

    def synthesise(self, w: Tensor, noise: list[Tensor] | None = None) -> Tensor:
        """Images in [0, 1] from one w for every layer, (batch, layers, latents), or one for all, (batch, latents).

        noise: for each layer (batch, 1, h, w); drawn when left out
        """
        w = as_weights(w, self, "w", (self.latents,), finite=not self.training)
        w = w[:, None].expand(-1, self.LAYERS, -1) if w.dim() == 2 else w
        x = self.constant.expand(len(w), -1, -1, -1)
        for i, conv in enumerate(self.convs):
            if i in (2, 4):
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = conv(x, w[:, i], None if noise is None else noise[i])
        return self.to_image(x).sigmoid()

    def fixed_noise(self, n: int, seed: int = 0) -> list[Tensor]:
        """The same noise for every call, so that only the style moves."""
        generator = torch.Generator().manual_seed(seed)
        sizes = [(self.shape[1] // 4 * 2 ** (i // 2), self.shape[2] // 4 * 2 ** (i // 2)) for i in range(self.LAYERS)]
        return [torch.randn(1, 1, *size, generator=generator).expand(n, -1, -1, -1).to(self.constant) for size in sizes]

    @tensors
    def mix(self, coarse: Tensor, fine: Tensor, layer: int) -> Tensor:
        """One w a layer: `coarse` before `layer`, `fine` from there on. (batch, latents) twice → (batch, layers, latents)."""
        first = (torch.arange(self.LAYERS, device=coarse.device) < layer)[:, None]
        return torch.where(first, coarse[:, None], fine[:, None])

    def decode(self, z: Tensor, y: None = None) -> Tensor:
        """(batch, latents) → images in [0, 1]; while it trains, some images mix two styles, and the mean w is followed."""
        w = self.style(z)
        if not self.training:
            return self.synthesise(w)
        with torch.no_grad():
            self.mean_w.lerp_(w.mean(0), 0.01)
        if torch.rand(()) < self.mixing:
            other = self.style(torch.randn_like(z))
            w = self.mix(w, other, int(torch.randint(1, self.LAYERS, ())))
        return self.synthesise(w)

    @torch.no_grad()
    def sample(self, n: int, *, truncation: float = 1.0) -> Tensor:
        """n images, (n, *shape) in [0, 1]."""
        return self.synthesise(self.style(normal(self, n, self.latents), truncation))

    def score(self, x: Tensor, y: None = None) -> Tensor:
        """(batch, *shape) in [0, 1] → (batch,)."""
        return self.discriminator(2 * as_weights(x, self, "x", self.shape, finite=not self.training) - 1)

    def optimisers(self, lr: float = 1e-3) -> dict[str, torch.optim.Optimizer]:
        """Adam without momentum; the mapping network learns a hundred times more slowly, as in the paper, or it runs away."""
        synthesis = [self.constant, *self.convs.parameters(), *self.to_image.parameters()]
        groups = [{"params": self.mapping.parameters(), "lr": 0.01 * lr}, {"params": synthesis}]
        return {
            "generator": torch.optim.Adam(groups, lr=lr, betas=(0.0, 0.99)),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), lr=lr, betas=(0.0, 0.99)),
        }
