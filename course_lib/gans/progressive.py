"""Progressive growing: learn 7×7 images first, then 14×14, then 28×28, fading each new layer in."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn import Model, as_weights, check_halvings, keeps_config, normal
from .models import adam_for_both

LEAK = 0.2


def conv(a: int, b: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.LeakyReLU(LEAK))


class ProgressiveGAN(Model):
    """Three stages, each with its own layer to and from pixels. `grown` in [1, 3] says how far it has grown: 1.3 fades stage 2 in by 30 %.

    Args:
        shape: (channels, height, width), divisible by 4;  latents: size of z;  width: channels at full size
        r1: weight of the gradient penalty on real images

    Source: Karras et al. 2017 (arXiv:1710.10196).
    """

    STAGES = 3

    @keeps_config
    def __init__(self, shape=(1, 28, 28), latents=64, width=24, r1=1.0):
        super().__init__()
        check_halvings(shape)
        self.shape, self.latents, self.classes = tuple(shape), latents, 0
        self.kind, self.penalty, self.r1, self.clip, self.critic_steps = "nonsaturating", 0.0, r1, 0.0, 1
        self.register_buffer("grown", torch.tensor(1.0))
        coarse = (2 * width, shape[1] // 4, shape[2] // 4)
        sizes = [2 * width, 2 * width, width]  # channels at each stage
        start = nn.Sequential(nn.Linear(latents, coarse[0] * coarse[1] * coarse[2]), nn.Unflatten(1, coarse), nn.LeakyReLU(LEAK))
        grow = [nn.Sequential(start, conv(sizes[0], sizes[0])), conv(sizes[0], sizes[1]), conv(sizes[1], sizes[2])]
        self.generator = nn.ModuleDict({"blocks": nn.ModuleList(grow), "to_image": nn.ModuleList(nn.Conv2d(c, shape[0], 1) for c in sizes)})
        judge = nn.Sequential(conv(sizes[0] + 1, sizes[0]), nn.Flatten(), nn.Linear(coarse[0] * coarse[1] * coarse[2], 1), nn.Flatten(0))
        self.discriminator = nn.ModuleDict(
            {
                "from_image": nn.ModuleList(nn.Conv2d(shape[0], c, 1) for c in sizes),
                "blocks": nn.ModuleList([nn.Identity(), conv(sizes[1], sizes[0]), conv(sizes[2], sizes[1])]),
                "judge": judge,
            }
        )

    def stage(self) -> tuple[int, float]:
        """The newest stage, 1 to 3, and how far it is faded in, in (0, 1]."""
        grown = float(self.grown)
        newest = min(self.STAGES, int(-(-grown // 1)))  # rounded up
        return newest, grown - (newest - 1)

    def decode(self, z: Tensor, y: None = None) -> Tensor:
        """(batch, latents) → images in [0, 1], always of full size: a coarse stage is blown up."""
        z = as_weights(z, self, "z", (self.latents,))
        newest, fade = self.stage()
        x = old = None
        for i, (block, to_image) in enumerate(zip(self.generator["blocks"], self.generator["to_image"]), 1):
            if i > newest:
                break
            x = block(z if i == 1 else F.interpolate(x, scale_factor=2))
            image = to_image(x)
            if i == newest and old is not None:
                image = fade * image + (1 - fade) * F.interpolate(old, scale_factor=2)
            old = image
        return F.interpolate(image.sigmoid(), size=self.shape[1:])

    def score(self, x: Tensor, y: None = None) -> Tensor:
        """(batch, *shape) in [0, 1] → (batch,). At a coarse stage it looks at a shrunken x."""
        x = as_weights(x, self, "x", self.shape, finite=not self.training)
        newest, fade = self.stage()
        x = F.avg_pool2d(2 * x - 1, 2 ** (self.STAGES - newest))
        features = self.discriminator["from_image"][newest - 1](x)
        for i in range(newest, 1, -1):
            features = F.avg_pool2d(self.discriminator["blocks"][i - 1](features), 2)
            if i == newest:
                small = self.discriminator["from_image"][i - 2](F.avg_pool2d(x, 2))
                features = fade * features + (1 - fade) * small
        # the spread over the batch as one more channel: a generator without variety gives itself away
        # in float32: 1e-8 is 0 in fp16, and the root has no slope there
        spread = features.float().var(0, unbiased=False).add(1e-8).sqrt().mean().expand(len(x), 1, *features.shape[2:])
        return self.discriminator["judge"](torch.cat([features, spread], 1))

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n images, (n, *shape) in [0, 1]."""
        return self.decode(normal(self, n, self.latents))

    def optimisers(self, lr: float = 1e-3) -> dict[str, torch.optim.Optimizer]:
        """Adam for each player, without momentum."""
        return adam_for_both(self, lr, betas=(0.0, 0.99))


def growth(progress: float, stages: int = ProgressiveGAN.STAGES) -> float:
    """How far a network should have grown: stages of equal length, the first half of each fades it in. progress in [0, 1] → [1, stages]."""
    t = min(progress, 1.0) * stages
    stage = min(int(t), stages - 1)
    return max(1.0, stage + min(1.0, 2 * (t - stage)))
