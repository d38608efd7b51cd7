"""pix2pix: from one image to another, learned from pairs. The same code draws digits from outlines and sharpens small images."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn import Model, as_weights, check_halvings, images, keeps_config, tensors
from .losses import discriminator_loss, generator_loss
from .models import adam_for_both

TASKS = ("outline", "superresolution")


@tensors(ordered="x")
def outline(x: Tensor) -> Tensor:
    """The contour of white shapes: what a 3×3 dilation adds. (batch, 1, height, width) in [0, 1] → the same, black and white."""
    solid = (x >= 0.5).to(x.dtype)
    return F.max_pool2d(solid, 3, stride=1, padding=1) - solid


@tensors
def shrink(x: Tensor) -> Tensor:
    """A quarter of the resolution, blown up again so that shapes agree: (batch, 1, height, width) → the same."""
    return F.interpolate(F.avg_pool2d(x, 4), scale_factor=4, mode="nearest")


class UNet(nn.Module):
    """Down twice and up twice, with a shortcut at each size: what need not change can pass beside the bottleneck.

    (batch, channels, height, width) in [0, 1] → the same shape, in [0, 1]
    """

    def __init__(self, channels: int, width: int):
        super().__init__()

        def block(a: int, b: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2))

        self.start, self.down1, self.down2 = block(channels, width), block(width, 2 * width), block(2 * width, 4 * width)
        # dropout is this generator's only source of noise: pix2pix has no z
        self.up1 = nn.Sequential(block(6 * width, 2 * width), nn.Dropout2d(0.2))
        self.up2 = block(3 * width, width)
        self.end = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        full = self.start(2 * x - 1)
        half = self.down1(F.max_pool2d(full, 2))
        quarter = self.down2(F.max_pool2d(half, 2))
        x = self.up1(torch.cat([F.interpolate(quarter, scale_factor=2), half], 1))
        return self.end(self.up2(torch.cat([F.interpolate(x, scale_factor=2), full], 1))).sigmoid()


class PatchDiscriminator(nn.Module):
    """A score for every patch instead of one for the image: (batch, channels, h, w) twice → (batch, h/4 − 1, w/4 − 1).

    Each score sees `receptive_field` pixels square: enough to judge strokes, and often too little for a whole digit, which is left to L1.
    """

    receptive_field = 22

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2 * channels, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 4, 1, 1),
        )

    def forward(self, given: Tensor, image: Tensor) -> Tensor:
        return self.layers(2 * torch.cat([given, image], 1) - 1).squeeze(1)


class Pix2Pix(Model):
    """A U-Net that translates, and a PatchGAN that judges pairs.

    Args:
        task: what is given: "outline", or "superresolution", from a quarter of the size
        l1: weight of the absolute error beside the game

    Source: Isola et al. 2016 (arXiv:1611.07004).
    """

    @keeps_config
    def __init__(self, task="outline", shape=(1, 28, 28), width=16, l1=20.0):
        super().__init__()
        if task not in TASKS:
            raise ValueError(f"unknown task {task!r}; choose one of {', '.join(TASKS)}")
        check_halvings(shape)
        self.task, self.shape, self.l1 = task, tuple(shape), l1
        self.generator = UNet(shape[0], width)
        self.discriminator = PatchDiscriminator(shape[0], width)

    def given(self, x: Tensor) -> Tensor:
        """What the translator gets to see of an image x (batch, *shape)."""
        return outline(x) if self.task == "outline" else shrink(x)

    def translate(self, given: Tensor) -> Tensor:
        """(batch, *shape) → (batch, *shape), in [0, 1]."""
        return self.generator(as_weights(given, self, "given", self.shape))

    def optimisers(self, lr: float = 4e-4) -> dict[str, torch.optim.Optimizer]:
        """Adam for each player."""
        return adam_for_both(self, lr, betas=(0.5, 0.999))


def pix2pix_step(run, x: Tensor) -> dict[str, Tensor]:
    """One step of both players on a batch of images; a `step` for `training.fit`."""
    model = run.model
    x = images(x, model)
    given = model.given(x)
    made = model.translate(given)
    d_loss = discriminator_loss(model.discriminator(given, x), model.discriminator(given, made.detach()))
    run.update(d_loss, "discriminator")
    l1 = (made - x).abs().mean()
    run.update(generator_loss(model.discriminator(given, made)) + model.l1 * l1, "generator")
    return {"discriminator": d_loss, "l1": l1}
