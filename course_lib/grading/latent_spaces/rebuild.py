"""Exercise 01, task 2b: images coded with principal components, and rebuilt."""

import numpy as np
import torch

from course_lib.grading import Task, grid


def rebuild(x, mean, components):
    codes = (x - mean) @ components.T
    return mean + codes @ components


def truth(x, mean, components):
    """The nearest point of the plane through the mean, by least squares."""
    codes = np.linalg.lstsq(components.T.numpy(), (x - mean).T.numpy())[0]
    return mean + torch.from_numpy(codes).T @ components


SQUARE = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1]]) / 2
SLANT = torch.tensor([[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])

REBUILD = Task(
    rebuild,
    truth,
    cases=[
        (grid(5, 4).exp().sin(), torch.tensor([0.3, -0.2, 0.5, 0.1]), SQUARE),
        (grid(2, 3), torch.tensor([1.0, 0.5, 2.0]), SLANT),
        (grid(1, 3).double(), torch.tensor([0.4, -1.0, 0.2]).double(), SLANT.double()),
    ],
    mistakes="""
the codes: these are the codes. How do they become images again?
    return mean + codes @ components -> return codes
mean not added: the mean was taken away, but not added at the end.
    mean + codes -> codes
mean not taken away: the mean is added at the end, but was never taken away.
    (x - mean) -> x
no mean: the mean has no effect. The directions start from it, not from 0.
    (x - mean) -> x ; mean + codes -> codes
mean of these images: the mean of these very images is used. New images are measured from the mean that is given.
    (x - mean) -> (x - {x.mean(0)|mean}) ; return mean -> return x.mean(0)
    (x - mean) -> (x - x.mean(0))
    (x - mean) -> (x - x.mean(1, keepdim=True)) ; return mean -> return x.mean(1, keepdim=True)
what is lost: this is what gets lost: the image less its rebuilt version.
    return mean + codes -> return x - mean - codes
mean subtracted twice: the mean is taken away twice.
    return mean + codes @ components -> return codes @ components - mean
everything kept: nothing is lost. Fewer components than pixels cannot hold every image.
    return mean + codes @ components -> return x
averaged over components: too close to the mean: the steps along the components are averaged. They add up.
    codes @ components -> codes @ components / len(components)
one component alone: one component alone has an effect. Does each turn of your loop begin again from the mean, or end it too early?
    codes @ components -> codes[:, {:1] @ components[:1]|-1:] @ components[-1:]}
cut off: numbers below 0 or above 1 are cut off. Return what the formula gives, whatever it is.
    mean + codes @ components -> (mean + codes @ components).clamp({0, 1|min=0})
""",
)
