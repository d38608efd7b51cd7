"""pix2pix: from one image to another, learned from pairs. The same code colours the outlines of faces and sharpens small images."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn import Model, as_weights, check_halvings, images, keeps_config, tensors
from .losses import discriminator_loss, generator_loss
from .models import adam_for_both

TASKS = ("outline", "superresolution")


@tensors(ordered="x")
def outline(x: Tensor) -> Tensor:
    """The contour, drawn on the darker side: pixels that are darker than one of their four neighbours.

    (batch, channels, height, width) in [0, 1] → (batch, 1, height, width), black and white
    """
    grey = x.mean(1, keepdim=True)
    lightest = torch.maximum(F.max_pool2d(grey, (3, 1), 1, (1, 0)), F.max_pool2d(grey, (1, 3), 1, (0, 1)))  # of a pixel and its neighbours
    return (lightest - grey > 0.05).to(x.dtype)


@tensors
def shrink(x: Tensor) -> Tensor:
    """Half the resolution, blown up again so that shapes agree: (batch, channels, height, width) → the same."""
    return F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="nearest")


class UNet(nn.Module):
    """Down twice and up twice, with a shortcut at each size: what need not change can pass beside the bottleneck.

    (batch, inputs, height, width) in [0, 1] → (batch, outputs, height, width) in [0, 1]
    """

    def __init__(self, inputs: int, outputs: int, width: int):
        super().__init__()

        def block(a: int, b: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2))

        self.start, self.down1, self.down2 = block(inputs, width), block(width, 2 * width), block(2 * width, 4 * width)
        # dropout is this generator's only source of noise: pix2pix has no z
        self.up1 = nn.Sequential(block(6 * width, 2 * width), nn.Dropout2d(0.2))
        self.up2 = block(3 * width, width)
        self.end = nn.Conv2d(width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        full = self.start(2 * x - 1)
        half = self.down1(F.max_pool2d(full, 2))
        quarter = self.down2(F.max_pool2d(half, 2))
        x = self.up1(torch.cat([F.interpolate(quarter, scale_factor=2), half], 1))
        return self.end(self.up2(torch.cat([F.interpolate(x, scale_factor=2), full], 1))).sigmoid()


class PatchDiscriminator(nn.Module):
    """A score for every patch instead of one for the image: (batch, inputs, h, w) and (batch, outputs, h, w) → (batch, h/4, w/4).

    Each score sees `receptive_field` pixels square: enough to judge an eye and what is around it. The whole face is left to L1.
    """

    receptive_field = 10

    def __init__(self, inputs: int, outputs: int, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs + outputs, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 1),
        )

    def forward(self, given: Tensor, image: Tensor) -> Tensor:
        return self.layers(2 * torch.cat([given, image], 1) - 1).squeeze(1)


class Pix2Pix(Model):
    """A U-Net that translates, and a PatchGAN that judges pairs.

    Args:
        task: what is given: "outline", or "superresolution", from half the size
        l1: weight of the absolute error beside the game

    Source: Isola et al. 2016 (arXiv:1611.07004).
    """

    @keeps_config
    def __init__(self, task="outline", shape=(3, 16, 16), width=24, l1=10.0):
        super().__init__()
        if task not in TASKS:
            raise ValueError(f"unknown task {task!r}; choose one of {', '.join(TASKS)}")
        check_halvings(shape)
        self.task, self.shape, self.l1 = task, tuple(shape), l1
        inputs = 1 if task == "outline" else shape[0]
        self.given_shape = (inputs, *shape[1:])
        self.generator = UNet(inputs, shape[0], width)
        self.discriminator = PatchDiscriminator(inputs, shape[0], width)

    def given(self, x: Tensor) -> Tensor:
        """What the translator gets to see of images x (batch, *shape): (batch, *given_shape)."""
        return outline(x) if self.task == "outline" else shrink(x)

    def translate(self, given: Tensor) -> Tensor:
        """(batch, *given_shape) → (batch, *shape), in [0, 1]."""
        return self.generator(as_weights(given, self, "given", self.given_shape))

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
