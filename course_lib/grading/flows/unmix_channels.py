"""Exercise 04, task 4b: the 1×1 convolution's way back."""

import torch

from course_lib.grading import Task, grid
from course_lib.grading.flows.mix_channels import PAIR, TURNED


def unmix_channels(z, weight):
    inverse = torch.linalg.inv(weight)
    return torch.einsum("oc,bchw->bohw", inverse, z)


def truth(z, weight):
    return torch.linalg.solve(weight, z.flatten(2)).reshape(z.shape)


CASES = [(grid(2, 3, 2, 4), TURNED), (grid(3, 2, 3, 3).sin(), PAIR), (grid(1, 2, 2, 1).double(), PAIR.T.double())]
MISTAKES = """
forward again: this is the way forward once more: z is mixed with W again.
    inverse, z -> weight, z
transposed for inverse: z is mixed with Wᵀ. Only for a rotation is that the inverse; W starts as one and is then trained.
    inverse, z -> weight.T, z
inverse transposed: the inverse is the right one, but its rows and columns have changed places.
    inverse, z -> inverse.T, z
entry by entry: each entry of W is inverted by itself. The inverse of a matrix is another thing: W times it gives the identity.
    inverse, z -> 1 / weight, z
minus W: z is mixed with −W. That undoes an addition; W was multiplied by, so it takes the inverse matrix.
    torch.einsum("oc,bchw->bohw", inverse, z) -> {-|z - }torch.einsum("oc,bchw->bohw", weight, z)
divided by the determinant: a matrix is not undone by a division by its determinant: that restores the volume, not the directions.
    inverse, z) -> {weight|torch.eye(len(weight))|inverse}, z) / torch.linalg.det(weight)
reshaped, not permuted: the inverse is the right one, but entries of different pixels are mixed. The channels have to become the last axis
    first.
    torch.einsum("oc,bchw->bohw", inverse, z) -> (z{|.movedim(1, -1)}.reshape(-1, len(weight)) @ inverse{.T|}).reshape(z.shape)
log-det too: the way back is right, but only x is asked for, without a log-det.
    inverse, z) -> inverse, z), {-|}(z[0, 0].numel() * torch.linalg.slogdet(weight)[1]).expand(len(z))
"""
UNMIX = Task(unmix_channels, truth, cases=CASES, mistakes=MISTAKES, tolerance=5e-5)
