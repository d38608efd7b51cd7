"""Exercise 02, task 6a: the arrow in latent space that gives a face an attribute."""

import numpy as np
import torch

from course_lib.grading import Task, grid

SOME = torch.tensor([True, False, False, True, False, False])  # fewer with than without


def attribute_arrow(z, has):
    with_it, without = z[has], z[~has]
    arrow = with_it.mean(0) - without.mean(0)
    return arrow


def truth(z, has):
    """The slope of a straight line through the codes, as least squares find it."""
    columns = np.stack([np.ones(len(has)), has.numpy()], 1)
    return torch.from_numpy(np.linalg.lstsq(columns, z.numpy(), rcond=None)[0][1])


ATTRIBUTE_ARROW = Task(
    attribute_arrow,
    truth,
    cases=[
        ((4 * grid(6, 3)).sin() * 2 + 0.4, SOME),
        ((7 * grid(7, 2)).cos() * 3 - 1, torch.tensor([True, True, False, True, True, False, True])),
        (grid(3, 5).double().exp() - 2, torch.tensor([False, True, False])),
    ],
    mistakes="""
the other way: right, but it points the other way: it takes the attribute off. Which mean is taken from which?
    with_it.mean(0) - without.mean(0) -> without.mean(0) - with_it.mean(0)
added: the two means are added. Which arrow leads from one of them to the other?
    with_it.mean(0) - without -> with_it.mean(0) + without
not subtracted: the mean code of those with the attribute. It also holds what all faces have in common: what has to be taken away?
    - without.mean(0) ->
without alone: the mean code of those without the attribute. Where do those with it come in?
    with_it.mean(0) - without.mean(0) -> {|-}without.mean(0)
less the mean of all: compared with the mean of all codes. Both groups are among them, so the arrow is too short.
    z[~has] -> z
    z[has] -> z
sums: the codes are added up, so the arrow grows with the number of faces. What makes two groups of different size comparable?
    with_it.mean(0) - without.mean(0) -> with_it.sum(0) - without.sum(0)
    with_it.mean(0) -> with_it.sum(0)
    without.mean(0) -> without.sum(0)
divided by all: a sum is divided by the number of all faces. Each mean has the size of its own group.
    with_it.mean(0) - without.mean(0) -> with_it.sum(0) / len(z) - without.sum(0) / len(z)
    with_it.mean(0) -> with_it.sum(0) / len(z)
    without.mean(0) -> without.sum(0) / len(z)
brackets: n − |W| is one divisor: Python divides by n alone, and then takes |W| away. Put brackets round it.
    without.mean(0) -> without.sum(0) / len(z) - len(with_it)
halves: each sum is divided by half the number of faces. The two groups need not be equally large.
    with_it.mean(0) - without.mean(0) -> (with_it.sum(0) - without.sum(0)) * 2 / len(z)
divisors swapped: each sum is divided by the size of the other group. A mean has the size of its own.
    with_it.mean(0) - without.mean(0) -> with_it.sum(0) / len(without) - without.sum(0) / len(with_it)
one count for both: both sums are divided by the size of one group. Each mean has that of its own.
    without.mean(0) -> without.sum(0) / len(with_it)
    with_it.mean(0) -> with_it.sum(0) / len(without)
one number: the latents are averaged, too, to one number. Which axis are the faces on?
    with_it.mean(0) - without.mean(0) -> with_it.mean() - without.mean()
    without.mean(0) -> without.mean()
    with_it.mean(0) -> with_it.mean()
two faces: the difference of two single faces: it holds all in which these two differ. What is the same in many faces with the attribute?
    with_it.mean(0) - without.mean(0) -> with_it[{0|-1}] - without[{0|-1}]
medians: medians are subtracted. Means are asked for.
    with_it.mean(0) - without.mean(0) -> with_it.median(0).values - without.median(0).values
    with_it.mean(0) - without.mean(0) -> with_it.quantile(0.5, 0) - without.quantile(0.5, 0)
length 1: the direction is right, but its length has been made 1. How far to go is part of the arrow.
    return arrow -> return arrow / arrow.norm()
means of length 1: each mean code is brought to length 1 before they are subtracted. The decoder takes latents as they are.
    with_it.mean(0) - without.mean(0) -> F.normalize(with_it.mean(0), dim=0) - F.normalize(without.mean(0), dim=0)
covariance: the covariance of the codes with the attribute. It is too short: what has it to be divided by, to be the difference of two means?
    return arrow -> return arrow * has.to(z).var(correction={0|1})
in standard deviations: each latent is divided by its standard deviation. The decoder takes latents as they are.
    return arrow -> return arrow / z.std(0{|, correction=0})
without its signs: the signs are lost: in some latents an attribute leads down.
    return arrow -> return arrow.abs()
0 and 1 as places: the first two faces alone count: 0 and 1 have been taken for the places of faces. Booleans choose faces: `z[has]`, and `~has` turns them round.
    z[has] -> z[has.long()] ; z[~has] -> z[(~has).long()]
faces moved: these are the codes, moved along the arrow. The arrow alone is asked for.
    return arrow -> return z + arrow
one for each face: the same arrow once for each face. One is asked for, without an axis for the faces.
    return arrow -> return arrow.expand_as(z)
""",
)
