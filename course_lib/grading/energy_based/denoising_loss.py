"""Exercise 08, task 3b: denoising score matching."""

from torch import nn

from course_lib.grading import Task, grid
from course_lib.grading.fixtures import normals, tanh_network


def denoising_loss(score, x, sigma, noise):
    width = sigma.view(-1, *[1] * (x.ndim - 1))
    noisy = x + width * noise
    miss = score(noisy) + noise / width
    each = (width**2 * miss**2).flatten(1).sum(1)
    return each.mean()


def truth(score, x, sigma, noise):
    """Multiplied out, one example after the other: σ²‖s‖² + 2σ s·ε + ‖ε‖²."""
    total = 0
    for one, width, eps in zip(x, sigma, noise):
        s = score((one + width * eps)[None])[0]
        total = total + width**2 * (s * s).sum() + 2 * width * (s * eps).sum() + (eps * eps).sum()
    return total / len(x)


def points(*shape, phase, low=0.2, high=1.7):
    """Data, the widths of their noise, and the noise."""
    return 2 * (grid(*shape) * 4 + phase).sin(), grid(shape[0], low=low, high=high), normals(*shape, phase=phase)


def images(phase):
    """A score of images of 1 × 2 × 3 pixels."""
    return nn.Sequential(nn.Flatten(), *tanh_network(6, phase), nn.Unflatten(1, (1, 2, 3)))


DENOISING_LOSS = Task(
    denoising_loss,
    truth,
    cases=[
        (tanh_network(2, 0.4), *points(5, 2, phase=0.3)),
        (tanh_network(3, 1.3, gain=2.0), *points(3, 3, phase=1.1)),
        (images(0.9), *points(4, 1, 2, 3, phase=0.6)),
        (tanh_network(4, 2.2), *points(1, 4, phase=1.7, low=0.6)),
        (tanh_network(2, 0.7).double(), *(each.double() for each in points(4, 2, phase=0.8))),
    ],
    gradient=("score",),
    strict=True,
    mistakes="""
sign of the target: the network is drawn to +ε/σ. The score points back, to where the data are.
    + noise / width -> - noise / width
ε for the score: the network is compared with ε, as a diffusion model is. Here it is a score.
    + noise / width -> - noise
target not divided: the target is −ε. It is −ε/σ: narrow noise has a steep density.
    noise / width -> noise
divided by σ²: the target is divided by σ². x̃ − x = σε, and that divided by σ² is ε/σ.
    noise / width -> noise / width**2
multiplied by σ: the target is multiplied by σ. It is divided by it.
    noise / width -> noise * width
noise forgotten in the target: the target is 0. It is −ε/σ.
    + noise / width ->
data as they are: the network sees the clean data. It has to find the score of the noisy ones.
    score(noisy) -> score(x)
network told the noise: the network sees the noise, without the data.
    score(noisy) -> score({noise|width * noise})
noise unscaled: the noise is added without its width σ.
    x + width * noise -> x + noise
variance for width: the noise is scaled by σ². Its standard deviation is σ.
    x + width * noise -> x + width**2 * noise
    x + width * noise -> x + width**2 * noise ; noise / width -> noise / width**2
    x + width * noise -> x + width**2 * noise ; noise / width -> noise / width**2 ; width**2 * miss**2 -> width**4 * miss**2
root of the width: the noise is scaled by √σ. Its standard deviation is σ.
    x + width * noise -> x + width.sqrt() * noise
    x + width * noise -> x + width.sqrt() * noise ; noise / width -> noise / width.sqrt() ; width**2 * miss**2 -> width * miss**2
noise subtracted: the noise is subtracted from the data, but the target is that of noise which was added.
    x + width * noise -> x - width * noise
data scaled: the data are scaled, too, as in a diffusion model. Here the noise is only added.
    x + width * noise -> (1 - width**2).abs().sqrt() * x + width * noise
no weight: the factor σ² is missing: small widths, whose targets are largest, would drown all others.
    width**2 * miss**2 -> miss**2
σ for σ²: the factor is σ. It is σ².
    width**2 * miss**2 -> width * miss**2
σ⁴ for σ²: the factor is σ⁴. Is it inside the square, too?
    width**2 * miss**2 -> (width**2 * miss) ** 2
factor lost in the square: the factor σ² was drawn into the square, and not all of it arrived. Inside it is σ, and stands before both parts.
    width**2 * miss**2 -> (width**2 * score(noisy) + noise) ** 2
    width**2 * miss**2 -> (score(noisy) + noise) ** 2
    width**2 * miss**2 -> (score(noisy) + width * noise) ** 2
divided by the weight: each example is divided by σ². It is multiplied by it.
    width**2 * miss**2 -> miss**2 / width**2
a half: every loss is halved. There is no ½ in this formula.
    return each.mean() -> return 0.5 * each.mean()
mean over entries: the squares are averaged over the entries of an example. They are added up.
    .flatten(1).sum(1) -> .flatten(1).mean(1)
sum over the batch: the examples are added up. They are averaged.
    each.mean() -> each.sum()
one loss for each: one number for each example is returned. Their mean is asked for.
    return each.mean() -> return each
no square: absolute values are added up. Squares are.
    width**2 * miss**2 -> (width * miss).abs()
norm not squared: the norm is not squared.
    each.mean() -> each.sqrt().mean()
one width for all: all examples get one σ. Each has its own.
    sigma.view(-1, *[1] * (x.ndim - 1)) -> sigma{[0]|.mean()|[-1]}
target detached from the network: right value, but no gradient reaches the network: nothing could be learned.
    score(noisy) -> score(noisy).detach()
""",
)
