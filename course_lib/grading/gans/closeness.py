"""Exercise 03, not graded: how close each sample is to the others of its batch."""

import torch

from course_lib.grading import Task, grid


def closeness(m):
    difference = (m[:, None] - m).abs()  # (batch, batch, kernels, size)
    distance = difference.sum(3)
    near = (-distance).exp()
    return near.sum(1) - 1


def truth(m):
    return torch.stack([torch.cdist(each, each, p=1).neg().exp().sum(1) for each in m.unbind(1)], 1) - 1


CLOSENESS = Task(
    closeness,
    truth,
    cases=[(grid(4, 3, 2).sin(),), (grid(3, 1, 5),), (torch.zeros(3, 2, 2),), ((7 * grid(4, 2, 3)).cos(),), (grid(1, 4, 2).double(),)],
    gradient=True,
    mistakes="""
itself counted: each number is 1 too large: a sample is at distance 0 from itself, and that counts e⁰. Only the others are asked for.
    near.sum(1) - 1 -> near.sum(1)
no exponential: these are distances, which are large for samples that lie apart. Closeness is e to the minus distance.
    (-distance).exp() -> {|-}distance ; near.sum(1) - 1 -> near.sum(1)
sign of the exponent: closeness grows with the distance here: look at the sign of the exponent.
    -distance -> distance
squared distance: the differences are squared. The distance here adds up their absolute values.
    .abs() -> .square()
    .sum(3) -> .norm(dim=3)
signs cancel: the differences are added up with their signs, so that they cancel. First the absolute value of each, then the sum.
    .abs() -> ; .sum(3) -> .sum(3){.abs()|}
distances summed first: the distances to all others are added up before the exponential. Each sample has a term of its own.
    .sum(3) -> .sum((1, 3)) ; near.sum(1) - 1 -> near{| - 1}
averaged over the batch: averaged over the batch. The formula adds up.
    near.sum(1) - 1 -> {(near.sum(1) - 1) / len(m)|(near.sum(1) - 1) / max(len(m) - 1, 1)|near.mean(1)}
averaged over the entries: the distance is averaged over the entries of a code. It is their sum.
    .sum(3) -> .mean(3)
one distance for all kernels: the kernels are taken together, so all have the same number. Each compares the samples by itself.
    .sum(3) -> .sum((2, 3)) ; near.sum(1) - 1 -> {(near.sum(1) - 1)[:, None].expand(-1, m.shape[1])|near.sum(1) - 1}
exponential of each entry: the exponential is taken of each entry, then summed. First the distance, a sum over the entries, then the exponential.
    .sum(3) -> ; near.sum(1) - 1 -> near.sum((1, 3)){ - m.shape[2]| - 1|}
summed over the kernels: one number for each sample. One for each sample and kernel is asked for.
    near.sum(1) - 1 -> (near.sum(1) - 1).sum(1)
kernels compared: the kernels of a sample are compared with each other. The samples of a batch are, kernel by kernel.
    difference = -> m = m.transpose(0, 1); difference = ; near.sum(1) - 1 -> (near.sum(1) - 1).T
""",
)
