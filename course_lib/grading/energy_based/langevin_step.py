"""Exercise 08, task 3a: a step of Langevin's walk."""

import math

import torch

from course_lib.grading import Task, grid
from course_lib.grading.fixtures import flat_plain, normals, steep_bowl, wavy_bowl


def langevin_step(x, energy, step, noise):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(energy(x).sum(), x)
    return x.detach() - step * slope + math.sqrt(2 * step) * noise


def truth(x, energy, step, noise):
    """The slope of one entry at a time, from two energies close by."""
    slope, near = torch.zeros_like(x).flatten(1), 1e-5
    for i in range(slope.shape[1]):
        aside = torch.zeros_like(slope)
        aside[:, i] = near
        aside = aside.view(x.shape)
        slope[:, i] = (energy(x + aside) - energy(x - aside)) / (2 * near)
    return x - step * slope.view(x.shape) + (2 * step) ** 0.5 * noise


def start(*shape, phase):
    return 2 * (grid(*shape) * 3 + phase).sin(), normals(*shape, phase=phase)


def case(*shape, phase, energy, step):
    x, noise = start(*shape, phase=phase)
    return x, energy, step, noise


LANGEVIN_STEP = Task(
    langevin_step,
    truth,
    cases=[
        case(4, 2, phase=0.3, energy=wavy_bowl, step=0.1),
        case(3, 1, 2, 3, phase=1.4, energy=steep_bowl, step=0.03),
        case(1, 3, phase=0.8, energy=wavy_bowl, step=0.7),
        case(2, 2, phase=2.1, energy=flat_plain, step=0.2),
        tuple(each.double() if torch.is_tensor(each) else each for each in case(3, 4, phase=1.1, energy=wavy_bowl, step=0.05)),
    ],
    tolerance=2e-5,
    mistakes="""
uphill: the walk goes up the energy. A low energy is a high p.
    - step * slope -> + step * slope
√η for √(2η): the noise is too small by √2: the walk would end in a density that is too narrow. Which number stands under the root?
    math.sqrt(2 * step) -> math.sqrt(step)
2 outside the root: the 2 stands outside the root. The variance of the noise is 2η.
    math.sqrt(2 * step) -> 2 * math.sqrt(step)
step outside the root: the 2 alone stands under the root. The variance of the noise is 2η.
    math.sqrt(2 * step) -> math.sqrt(2) * step
no root: the noise is scaled by its variance. Its standard deviation is the root of that.
    math.sqrt(2 * step) -> 2 * step
noise scaled by η: the noise is scaled by η. Its **variance** grows with η: see the root.
    math.sqrt(2 * step) -> step
noise unscaled: the noise is not scaled: small steps would tremble as much as large ones.
    math.sqrt(2 * step) * noise -> noise
noise forgotten: without noise this is gradient descent: it ends at the lowest energy and samples nothing.
    + math.sqrt(2 * step) * noise ->
noise subtracted: the noise is subtracted. Any such noise would do, but the check hands you one: add it.
    + math.sqrt(2 * step) * noise -> - math.sqrt(2 * step) * noise
another convention: this is the walk in another convention, η/2 with √η. Here it is η with √(2η): the step is half as long as asked for.
    step * slope + math.sqrt(2 * step) -> step / 2 * slope + math.sqrt(step)
half a step downhill: the noise is right, but the step downhill is half as long as it should be.
    - step * slope -> - step / 2 * slope
two steps downhill: the noise is right, but the step downhill is twice as long as it should be.
    - step * slope -> - 2 * step * slope
root of the step downhill: the step downhill is scaled by the root. It is η there.
    - step * slope -> - math.sqrt({step|2 * step}) * slope
slope unscaled: the step downhill is not scaled by η.
    - step * slope -> - slope
mean over the batch: the energies are averaged over the batch, so each slope is divided by its size. Each example walks on its own: add the energies up.
    energy(x).sum() -> energy(x).mean()
energy for slope: the energy itself is subtracted. Downhill is the way of its slope: `torch.autograd.grad`.
    - step * slope -> - step * energy(x).detach().view(-1, *[1] * (x.ndim - 1))
slope of exp: this is the slope of exp(−E). The walk follows that of **log** p.
    energy(x).sum() -> -(-energy(x)).exp().sum()
slope of log E: a logarithm is taken of the energy. log p is −E and a constant already.
    energy(x).sum() -> energy(x).abs().log().sum()
direction alone: only the direction of the slope is used. Where it is steep, the walk goes further.
    - step * slope -> - step * {slope.sign()|slope / slope.norm()|torch.nn.functional.normalize(slope.flatten(1)).view(x.shape)}
slope after the noise: the slope is taken where the noise has led. It is that at x.
    energy(x).sum(), x) -> energy(x + math.sqrt(2 * step) * noise).sum(), x)
first example alone: all examples walk along the slope of the first one, or only it walks.
    energy(x).sum() -> energy(x)[0]
    - step * slope -> - step * slope[:1]
x forgotten: this is how far the walk goes. Where it arrives is asked for.
    return x.detach() - -> return -
""",
)
