"""Exercise 03, task 3: the gradient penalty."""

import math

import torch
from torch import nn

from course_lib.grading import Task, grid


def gradient_penalty(critic, real, fake, share):
    u = share.reshape(-1, *[1] * (real.dim() - 1))
    between = (real + u * (fake - real)).requires_grad_()
    slope = torch.autograd.grad(critic(between).sum(), between, create_graph=True)[0]
    length = slope.flatten(1).norm(dim=1)
    return (length - 1).square().mean()


def truth(critic, real, fake, share):
    between = torch.stack([torch.lerp(x, made, u) for x, made, u in zip(real, fake, share)]).requires_grad_()
    (slopes,) = torch.autograd.grad(critic(between).unbind(), between, create_graph=True)
    return torch.stack([(torch.linalg.vector_norm(slope) - 1) ** 2 for slope in slopes]).mean()


def fixed_critic(*shape):
    """A critic with fixed weights, (batch, *shape) → (batch,). Where its input has an axis too many, it does not mind."""
    with torch.random.fork_rng(devices=[]):
        if len(shape) == 3:
            layers = [nn.Conv2d(shape[0], 3, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(3 * math.prod(shape[1:]), 1)]
        else:
            layers = [nn.Linear(shape[-1], 4), nn.Tanh(), *[nn.Flatten(-2)] * (len(shape) - 1), nn.Linear(4 * math.prod(shape[:-1]), 1)]
    critic = nn.Sequential(*layers, nn.Flatten(0))
    with torch.no_grad():
        for i, values in enumerate(critic.parameters()):
            values.copy_((3 * grid(*values.shape) + i).sin())
    return critic


def by_the_parameters(critic, real, fake, share):
    between = real + share.reshape(-1, *[1] * (real.dim() - 1)) * (fake - real)
    slopes = torch.autograd.grad(critic.requires_grad_()(between).sum(), critic.parameters(), create_graph=True)
    return sum((slope.norm() - 1) ** 2 for slope in slopes)


PENALTY = Task(
    gradient_penalty,
    truth,
    cases=[  # as many places along later axes as examples: PyTorch does not notice a share in the wrong place, and the check can name it
        (fixed_critic(2), grid(2, 2), grid(2, 2).flip(0) + 1, torch.tensor([0.2, 0.7])),
        (fixed_critic(2, 3, 3), grid(3, 2, 3, 3), grid(3, 2, 3, 3).flip(0, 3).sin(), torch.tensor([0.25, 1.0, 0.0])),
        (fixed_critic(2, 2), grid(2, 2, 2).cos(), grid(2, 2, 2).flip(1) * 2, torch.tensor([0.9, 0.4])),
    ],
    gradient=("critic",),
    tolerance=2e-5,
    mistakes="""
one coefficient a pixel: `share` has met the wrong axis: it has one number for each example, the first axis, and PyTorch lines up the last ones. Give it as many axes of length 1 as an example has.
    share.reshape(-1, *[1] * (real.dim() - 1)) -> share
    share.reshape(-1, *[1] * (real.dim() - 1)) -> share[:, None]
four axes always: right for images. Points have fewer axes: give `share` as many axes as `real` has, whatever their number.
    share.reshape(-1, *[1] * (real.dim() - 1)) -> share[:, None, None, None]
points and images alone: right for points and images, which have two axes or four. Other data have another number: give `share` as many axes as `real` has, whatever their number.
    share.reshape(-1, *[1] * (real.dim() - 1)) -> share.reshape((-1, 1) if real.dim() == 2 else (-1, 1, 1, 1))
    share.reshape(-1, *[1] * (real.dim() - 1)) -> share.reshape((-1, 1, 1, 1) if real.dim() == 4 else (-1, 1))
real and fake swapped: share 0 gives the fake and 1 the real one. As a draw that would be as good, but the formula walks from real to fake.
    real + u * (fake - real) -> fake + u * (real - fake)
always half-way: always half-way: `share` has no effect. The penalty should look everywhere between real and fake.
    u * (fake - real) -> (fake - real) / 2
one coefficient for the batch: one coefficient for the whole batch. Each example has its own.
    share.reshape(-1, *[1] * (real.dim() - 1)) -> {share.mean()|share[0]}
at the data: the slope is measured at the real data. The formula asks for it between real and fake.
    (real + u * (fake - real)) -> real.clone()
at the fakes: the slope is measured at the generated samples. The formula asks for it between real and fake.
    (real + u * (fake - real)) -> fake.clone()
added, not between: the fake is added to the real one. To walk from one to the other, add a share of their difference.
    real + u * (fake - real) -> {|u * }real + u * fake
away from the fake: the point lies outside, not between real and fake: the difference points the wrong way.
    (fake - real) -> (real - fake)
    real + u * (fake - real) -> fake + u * (fake - real)
share and length of points: two things fit points at best, not images: `share` needs as many axes of length 1 as an example has, and the length of a gradient is taken over all of its axes but the batch, not over one.
    share.reshape(-1, *[1] * (real.dim() - 1)) -> share{[:, None]||[:, None, None, None]} ; .flatten(1).norm(dim=1) -> .norm(dim={1|-1})
norm over one axis: right for points. An image's gradient has three axes besides the batch, and its length is taken over all of them.
    .flatten(1).norm(dim=1) -> .norm(dim={1|-1})
    .flatten(1).norm(dim=1) -> .norm(dim={1|-1}) ; .mean() -> .sum() / len(real)
norm over the batch: one length for the whole batch. Each example has its own.
    .flatten(1).norm(dim=1) -> .norm()
entry by entry: each entry of the gradient is compared with 1. The length belongs to the whole gradient of an example.
    slope.flatten(1).norm(dim=1) -> slope{.abs()||.square()}
largest slope: the largest entry of the gradient stands for its length. The Euclidean length is the root of the sum of squares.
    .norm(dim=1) -> .abs().amax(1)
by real or fake: the gradient is taken by `real` or `fake`, and carries a factor from the walk between them. Take it by the point itself.
    u = -> real = real.clone().requires_grad_(); u = ; , between, create -> , real, create
    u = -> fake = fake.clone().requires_grad_(); u = ; , between, create -> , fake, create
by the parameters: the gradient is taken by the parameters of the critic. Take it by the point that you put in, made to ask for one with `.requires_grad_()`.
    = by_the_parameters
chord: the gap of the scores over the distance from real to fake: a mean slope of the whole way. At one point the slope is the length of a gradient.
    length = slope -> length = (critic(real) - critic(fake)).abs() / (real - fake)
sum of absolute slopes: the absolute slopes are added up. The Euclidean length is the root of the sum of squares.
    .norm(dim=1) -> .abs().sum(1)
root forgotten: the squared length is compared with 1. Take its root first.
    .norm(dim=1) -> .square().sum(1)
root of the mean square: the squares are averaged over the pixels before the root. The length sums them.
    .norm(dim=1) -> .square().mean(1).sqrt()
not squared: the difference from 1 is not squared, so a flat place pays for a steep one.
    .square().mean() -> {|.abs()}.mean()
centred at 0: the squared length itself: a penalty centred at 0. This one is centred at 1.
    (length - 1).square().mean() -> length.square().mean(){| / 2}
one-sided: only lengths above 1 are punished. In this formula one below 1 costs too.
    (length - 1) -> (length - 1).relu()
mean length: the mean length is compared with 1. Compare each length, then average.
    (length - 1).square().mean() -> (length.mean() - 1).square()
mean of the scores: each slope is too small by the size of the batch: the scores were averaged before the gradient. An example's score depends on that example alone, so their sum has the slopes as they are.
    critic(between).sum() -> critic(between).mean()
weight included: ten times too large: the weight belongs to the training loop.
    return -> return 10 *
the critic's loss: the gap of the scores is in it too, so this is all that the critic minimises. The penalty alone is asked for.
    return -> return critic(fake).mean() - critic(real).mean() +{| 10 *}
    return -> return critic(real).mean() - critic(fake).mean() +{| 10 *}
summed: summed over the batch. Average.
    .mean() -> .sum()
one per example: one number for each example. A penalty is one number: their mean.
    .mean() ->
graph thrown away: right value, but no gradient reaches the critic, so the penalty would change nothing. `torch.autograd.grad` throws its own graph away unless told: which argument keeps it? If it is kept, what cuts it afterwards: `detach`, `data`, `item`, `no_grad`?
    , create_graph=True ->
    .mean() -> .mean().detach()
""",
)
