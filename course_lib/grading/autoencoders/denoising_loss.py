"""Exercise 02, task 1b: noise in, clean image out."""

import torch
from torch import nn

from course_lib.grading import Task, grid


def network(channels):
    """A convolution with fixed weights: it needs images, and each pixel depends on its neighbours."""
    layer = nn.utils.skip_init(nn.Conv2d, channels, channels, 3, padding=1)  # draws no random numbers
    with torch.no_grad():
        layer.weight.copy_(grid(*layer.weight.shape).sin() / 2)
        layer.bias.copy_(grid(channels) / 4)
    return layer


def denoising_loss(x, noise, level, reconstruct):
    noisy = x + level * noise
    errors = (reconstruct(noisy) - x).square()
    return errors.flatten(1).sum(1).mean()


DENOISING = Task(
    denoising_loss,
    cases=[
        (grid(2, 3, 3, 4, low=0, high=1), 3 * (7 * grid(2, 3, 3, 4)).sin(), 0.5, network(3)),
        (grid(1, 1, 2, 2, low=0, high=1), 4 * grid(1, 1, 2, 2).exp().cos(), 0.8, network(1)),
    ],
    gradient=("reconstruct",),
    mistakes="""
noisy target: compared with the noisy image: the best answer would be to keep the noise. What should come out?
    - x) -> - noisy)
no noise: the network sees the clean image here.
    reconstruct(noisy) -> reconstruct(x)
noise on the target: the noise is on the target, and the network sees the clean image. Swap them.
    reconstruct(noisy) - x -> reconstruct(x) - noisy
noise after the network: the noise is added to what comes out. It belongs on what goes in.
    reconstruct(noisy) -> reconstruct(x) + level * noise
the noise as target: compared with the noise. A diffusion model is trained like that; here the clean image should come out.
    - x) -> - {noise|level * noise})
noise taken away: the noise is taken away from the image. As a draw that would be as good, but the formula adds it.
    x + level -> x - level
faded: the image fades as the noise grows: a mixture. Here the noise is added to the whole image.
    x + -> {(1 - level)|(1 - level**2) ** 0.5} * x +
clamped: the noisy image is cut to [0, 1] before the network sees it. Then it is no longer Gaussian noise.
    x + level * noise -> (x + level * noise).clamp(0, 1)
level ignored: as if the level were always 1.
    level * ->
variance for level: the noise is scaled by the root of the level. The level is a standard deviation already.
    level * -> level**0.5 *
level squared: the noise is scaled by the square of the level. The level is its standard deviation.
    level * -> level**2 *
averaged over pixels: the mean over everything. Sum over the pixels of an image, then average over the images.
    errors.flatten(1).sum(1) -> errors
averaged over channels: too small where an image has several channels: they add up like its other pixels.
    .mean() -> .mean() / x.shape[1]
summed over channels only: only the channels are summed: axis 1 of an image batch. Height and width are to be summed too.
    .flatten(1) ->
length not squared: the mean length. The formula squares it: no root.
    .sum(1) -> .sum(1).sqrt()
half: exactly half of the right value: the formula has no factor ½.
    .mean() -> .mean() / 2
summed over the batch: summed over the images too: the step would grow with the batch. Average over them.
    .mean() -> .sum()
one per image: one number for each image. A loss is one number: their mean.
    .mean() ->
not squared: absolute errors are summed, not squared ones.
    .square() -> .abs()
""",
)
