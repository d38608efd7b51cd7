"""Exercise 07, task 6: which model hands out its training set?"""

import math

import torch
from torch import Tensor

from course_lib.grading import Task
from course_lib.grading.metrics.shared import cloud


def spot_the_copy(models, train, test):
    def far(x, y):
        return (x.flatten(1)[:, None] - y.flatten(1)).square().sum(2).sqrt()

    shares = []
    for samples in models:
        a = far(samples, train).min(1).values
        b = far(test, train).min(1).values
        nearer, same = a[:, None] < b, a[:, None] == b
        shares.append((nearer + same / 2).mean())
    shares = torch.stack(shares)
    return shares, int(shares.argmax())


def truth(models, train, test):
    """Pair by pair."""

    def nearest(points):
        return [min(math.dist(p, q) for q in train.flatten(1).tolist()) for p in points.flatten(1).tolist()]

    pairs = [[(a < b) + 0.5 * (a == b) for a in nearest(samples) for b in nearest(test)] for samples in models]
    shares = [sum(each) / len(each) for each in pairs]
    return torch.tensor(shares), shares.index(max(shares))


def steps(n: int, phase: float, d: int, size: float = 6.0) -> Tensor:
    """Points on a grid of quarters, (n, d): their distances may tie, and do so however they are computed."""
    return (4 * cloud(n, d, phase, size)).round() / 4


def case(shape, training, others, kept, made, shift, order) -> tuple[Tensor, Tensor, Tensor]:
    """Models, training and test set of points or images; `training`, `others`, `made`: how many, and a phase.

    kept: the training points that are in the test set, too
    order: of the models. Two thirds of what 0 makes are training points, and the rest strays; 1 shifts training points; 2 and 3 are honest
    """
    d, (n, phase) = math.prod(shape), made
    train = steps(*training, d)
    test = torch.cat([steps(*others, d), train[kept]])
    copied = torch.cat([train[: 2 * n // 3], steps(n, phase + 0.3, d, 9.0)[: n - 2 * n // 3] + 40])
    each = copied, train[torch.arange(n) % len(train)] + shift, steps(n, phase, d), steps(n, phase + 0.7, d)
    return torch.stack([each[i] for i in order]).unflatten(-1, shape), train.unflatten(-1, shape), test.unflatten(-1, shape)


MEMORISED = Task(
    spot_the_copy,
    truth,
    results=("P", "the number of the model"),
    any_float=True,
    cases=[
        case((2,), (11, 0.4), (7, 1.7), slice(1), (9, 0.9), 1.0, (1, 0, 2)),
        case((2, 2, 2), (9, 1.2), (5, 0.2), slice(3, 5), (6, 1.5), 2.0, (2, 1, 0)),
        case((3,), (13, 2.1), (8, 0.9), slice(5, 6), (12, 0.2), 1.25, (0, 2, 1)),
        case((4,), (10, 1.9), (6, 0.3), slice(2), (1, 0.6), 1.0, (2, 1)),
    ],
    mistakes="""
ties lost: ties are lost. A sample and a test point that are equally near count half.
    nearer + same / 2 -> nearer.double()
ties count whole: ties count whole. A sample and a test point that are equally near count half.
    same / 2 -> same / 1
farther: this is the probability that a sample is farther away. A copy should have a high number.
    a[:, None] < b -> a[:, None] > b ; argmax() -> {argmax|argmin}()
near the test set: the samples' distances are those to the test set. What could be copied from there?
    far(samples, train) -> far(samples, test) ; far(test, train) -> {far(test, train)|far(train, test)}
train and test exchanged: the same samples are measured against both sets. The test points are to be measured against the training set, too.
    far(test, train) -> far(samples, test)
among themselves: you measure how near samples are to each other. That finds repeated samples, not copied ones.
    far(samples, train) -> far(samples, samples){.fill_diagonal_(math.inf)|}
training set with itself: the samples are compared with training points. The yardstick is made of points that no model has seen.
    far(test, train) -> far(train, {train).fill_diagonal_(math.inf)|test)}
test set with itself: b is the distance to the nearest other test image. It should be that to the nearest training image.
    far(test, train) -> far(test, test).fill_diagonal_(math.inf)
test set against samples: b is the distance of a test image to the nearest sample. Which set should both distances lead to?
    far(test, train) -> far(test, samples) ; far(samples, train) -> far(samples, {train|test})
sample i with test image i: sample i is compared with test image i alone. All pairs count: each sample with each test image.
    a[:, None] < b, a[:, None] == b -> a[: len(b)] < b[: len(a)], a[: len(b)] == b[: len(a)]
all distances: all distances to the training set are compared. Of each sample and of each test image only the smallest counts.
    far(samples, train).min(1).values -> far(samples, train).flatten() ; far(test, train).min(1).values -> far(test, train).flatten()
sum over pairs: you count pairs. P is their share: divide by the number of all pairs.
    .mean() -> {.sum()|.sum(0).mean()|.sum(1).mean()}
wrong axis: the minimum runs over the wrong axis: yours is how near each training point has something, one number for a training point.
    far(samples, train).min(1) -> far(samples, train).min(0) ; far(test, train).min(1) -> far(test, train).min({0|1})
mean for minimum: you take the mean distance to the training set. A copy is near to one training point, and far from the others.
    far(samples, train).min(1).values -> far(samples, train).mean(1) ; (test, train).min(1).values -> (test, train).{mean(1)|min(1).values}
one yardstick: one of the two lists of distances has become one number. Compare every sample with every test point.
    a[:, None] < b, a[:, None] == b -> {a < b.mean(), 0|a.mean() < b, 0|a < b.median(), a == b.median()|a < b.median(), 0}
no yardstick: you return distances. Near compared with what? Test points say how near a new point is.
    (nearer + same / 2).mean() -> {a.mean()|a.median()|a.mean() / b.mean()} ; argmax() -> argmin()
    (nearer + same / 2).mean() -> {a.mean()|b.mean() - a.mean()}
exact copies alone: only exact copies count. One with a little noise on it would pass.
    (nearer + same / 2).mean() -> (a == 0).double().mean()
decided by distance: the probabilities are right, but the choice goes by a mean distance: a few samples that are far off can hide many copies.
    shares.argmax() -> torch.stack([far(samples, train).min(1).values.mean() for samples in models]).argmin()
smallest chosen: the probabilities are right, but the model that copies least is named.
    argmax() -> argmin()
nearest to one half: the probabilities are right, but the model nearest to 0.5 is named. That is the most honest one.
    shares.argmax() -> (shares - 0.5).abs().argmin()
counted from 1: the probabilities are right, but the models are counted from 0.
    int(shares.argmax()) -> int(shares.argmax()) + 1
largest probability: the probabilities are right, but you return the largest of them. Which model has it?
    int(shares.argmax()) -> shares.max()
order: the probabilities and the number of the model are exchanged.
    return shares, int(shares.argmax()) -> return int(shares.argmax()), shares
b is 0: b is 0 throughout: each point of a set is its own nearest. It should be how far a test image is from the training set.
    far(test, train) -> far({test, test|train, train})
sum of the sides: this is not the straight distance: the differences are added up without their squares.
    .square().sum(2).sqrt() -> .abs().sum(2)
""",
)
