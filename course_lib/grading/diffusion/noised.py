"""Exercise 06, task 1a: noise in one go."""

import math

import torch

from course_lib.grading import Task, grid


def noised(x, alpha_bar, noise):
    share = alpha_bar.view(-1, *[1] * (x.ndim - 1))
    data = share.sqrt() * x
    spread = (1 - share).sqrt()
    return data + spread * noise


def truth(x, alpha_bar, noise):
    """Example by example."""
    return torch.stack([math.sqrt(a) * x[i] + math.sqrt(1 - a) * noise[i] for i, a in enumerate(alpha_bar.tolist())])


NOISED = Task(
    noised,
    truth,
    cases=[
        (grid(4, 4), torch.tensor([0.99, 0.62, 0.3, 0.04]), (3 * grid(4, 4)).sin()),
        (grid(3, 2, 3, 3), torch.tensor([0.95, 0.0, 0.4]), (5 * grid(3, 2, 3, 3)).cos()),
        (grid(2, 2, 2).cos(), torch.tensor([0.83, 0.21]), grid(2, 2, 2).flip(1)),
        (grid(1, 5).double(), torch.tensor([0.7]).double(), grid(1, 5).double().cos()),
    ],
    mistakes="""
ᾱ for α: ᾱ and 1 − ᾱ stand where their roots belong. They are shares of the variance; a factor of x is an amplitude.
    share.sqrt() -> share ; (1 - share).sqrt() -> 1 - share
ᾱ squared: ᾱ is squared somewhere, but it is a square already: the factors are its root and the root of 1 − ᾱ.
    1 - share -> 1 - share**2 {; share.sqrt() -> share|}
    share.sqrt() -> share**2 ; (1 - share).sqrt() -> {1 - share**2|(1 - share) ** 2}
½ outside the power: powers come before divisions: `a**1/2` is half of a. The root is `a**(1/2)`, or `a**0.5`.
    share.sqrt() -> share**1/2 {; (1 - share).sqrt() -> (1 - share)**1/2|}
    (1 - share).sqrt() -> (1 - share)**1/2
data without its root: the noise is right, the data are too weak: ᾱ is the square of their factor.
    share.sqrt() -> share
noise without its root: the data are right, the noise is too weak: 1 − ᾱ is its variance, not its standard deviation.
    (1 - share).sqrt() -> 1 - share
factors that add up to 1: the two factors add up to 1. Here their squares do, so that the variance stays 1.
    (1 - share).sqrt() -> 1 - share**0.5
data and noise exchanged: data and noise are exchanged: where ᾱ is near 1 there should be hardly any noise.
    data = share.sqrt() -> data = (1 - share).sqrt() ; spread = (1 - share) -> spread = share
    data = share.sqrt() -> data = (1 - share) ; spread = (1 - share).sqrt() -> spread = share
along the wrong axis: each example has its own ᾱ, but yours runs along another axis. Broadcasting starts at the last one: which axes must be added?
    .view(-1, *[1] * (x.ndim - 1)) -> {|[:, None]|[(..., None) if x.ndim < 4 else ...]}
always four axes: right for images, but other inputs have fewer axes and come back with too many: let the number of added axes follow x.
    *[1] * (x.ndim - 1) -> {1, 1, 1|*[1] * (1 if x.ndim == 2 else 3)}
one ᾱ for the batch: the whole batch gets one ᾱ. Each example has its own.
    .view(-1, *[1] * (x.ndim - 1)) -> {[0]|[-1]|.mean()}
sign: the noise is subtracted. A network that predicts it later would have the wrong sign.
    data + spread -> data - spread
noise not scaled: all noise is added at every t. How much of it is there when ᾱ is 1?
    spread * noise -> noise
data not scaled: the data never fade. At ᾱ = 0 nothing of them should be left.
    share.sqrt() * x -> x
noise forgotten: the data fade, but no noise comes.
    data + spread * noise -> data
noise scaled by the data: the noise is multiplied by the data. It is added, the same for dark and for bright.
    spread * noise -> spread * noise * x
noise fades too: the noise is multiplied by √ᾱ too. Only the data fade.
    (1 - share) -> {(share * (1 - share))|share}
multiplied up again: ᾱ is multiplied up over the batch. It is that product already, and one example has nothing to do with the next.
    alpha_bar.view -> alpha_bar.cumprod(0).view
""",
)
