"""Exercise 07, task 4a: precision and recall by balls."""

import math

from torch import Tensor

from course_lib.grading import Task
from course_lib.grading.metrics.shared import cloud, numbers


def precision_and_recall(real, fake, k):
    def far(a, b):
        return (a[:, None] - b).square().sum(2).sqrt()

    def share(points, centres):
        between, sorted_ = far(points, centres), far(centres, centres).sort(1).values
        radius = sorted_[:, k]  # place 0 is the point itself
        inside = between <= radius
        return inside.any(1).double().mean()

    precision = share(fake, real)
    recall = share(real, fake)
    return precision, recall


def truth(real, fake, k):
    """Point by point."""

    def share(points, centres):
        reach = [sorted(math.dist(p, q) for j, q in enumerate(centres) if j != i)[k - 1] for i, p in enumerate(centres)]
        return sum(any(math.dist(p, q) <= r for q, r in zip(centres, reach)) for p in points) / len(points)

    real, fake = real.tolist(), fake.tolist()
    return share(fake, real), share(real, fake)


def pairs(*values: float) -> Tensor:
    return numbers(*values).reshape(-1, 2)


PRECISION = Task(
    precision_and_recall,
    truth,
    results=("precision", "recall"),
    cases=[
        (cloud(9, 2, 0.4), cloud(7, 2, 1.2, 0.8) + 0.3, 2),
        (cloud(8, 2, 1.9, 1.5), cloud(12, 2, 0.6, 0.7), 1),
        (cloud(14, 3, 0.3), cloud(10, 3, 2.2, 1.5), 3),
        (cloud(11, 2, 2.5, 4.0), cloud(13, 2, 0.2, 3.0) - 1, 2),
        # whole numbers, whose distances are exact: some rows lie on the surface of a ball, and in the last case some stand there twice
        (pairs(4, 2, 0, 3, 4, 6, 6, 1, 0, 5, 2, 4, 3, 4), pairs(3, 5, 1, -1, 8, 2, 7, 3, 6, -1, 7, 5, 6, 5, 3, 0), 1),
        (pairs(0, 2, 3, 3, 3, 3, 6, 9, 8, 9, 4, 0, 8, 9), pairs(26, 3, 9, 5, 8, 8, 2, 2, 8, 8, 3, 2, 2, 2), 2),
    ],
    mistakes="""
exchanged: precision and recall are exchanged: which one falls when a model makes good pictures of a single kind?
    return precision, recall -> return recall, precision
its own neighbour: the balls are too small: a point counts as its own first neighbour.
    sorted_[:, k] -> sorted_[:, k - 1]
one neighbour too far: the balls reach one neighbour too far.
    sorted_[:, k] -> sorted_[:, k + 1]
one k for all: k plays no part in the radius.
    sorted_[:, k] -> sorted_[:, {3|1}]
neighbours in the other set: the radii come from neighbours in the other set. A ball belongs to one set: its neighbours are of the same.
    sorted_[:, k] -> between.sort(0).values[{k - 1|k}]
neighbours in both sets: the radii count neighbours of both sets. A ball belongs to one set: its neighbours are of the same.
    far(centres, centres) -> far(centres, torch.cat([centres, points]))
balls of the wrong set: the balls lie round the points that are tested. Whose balls should a sample fall into?
    far(centres, centres) -> far(points, points) ; sorted_[:, k] -> sorted_[:, k, None]
real balls for both: precision is right, but recall takes the balls of the real rows. In recall the roles are exchanged, and the balls with them.
    share(real, fake) -> (far(fake, real) <= far(real, real).sort(1).values[:, k]).any(0).double().mean()
wrong axis of recall: precision is right, and recall has the right balls, but any and mean run over the wrong axes: yours is the share of balls that hold a real row.
    share(real, fake) -> (far(real, fake) <= far(fake, fake).sort(1).values[:, k]).any(0).double().mean()
surface left out: a row on the surface of a ball is left out. The surface belongs to the ball.
    between <= radius -> between < radius
mean of the k distances: the radius is a mean over k neighbours. It should be the distance to one of them.
    sorted_[:, k] -> sorted_[:, {1 : k + 1|: k + 1|:k}].mean(1)
not sorted: the radius is not the distance to the k-th nearest. Is each row sorted, along axis 1, and are its values taken, not its places?
    far(centres, centres).sort(1).values -> far(centres, centres){|.sort(0).values|.sort(1).indices}
farthest neighbours: the radii count from the farthest row. `topk` finds the largest, unless told otherwise.
    sorted_[:, k] -> sorted_[:, {-1 - k|-k|-1}]
wrong axis: any and mean run over the wrong axes: yours is the share of balls that hold something, not of points that lie in one.
    inside.any(1) -> inside.any(0)
all for any: a point must lie in all balls at once. How many are enough?
    inside.any(1) -> inside.all(1)
how many balls: a point counts that lies in one ball or more: not in just one, nor in k of them.
    inside.any(1) -> (inside.sum(1) {== 1|>= k|> 1})
share of pairs: this is the share of pairs. A point counts once, however many balls it lies in.
    inside.any(1).double() -> inside.double(){|.sum(1)}
nearest ball alone: only the ball of the nearest point is tried. A point farther off may have a larger ball.
    between <= radius -> (between <= radius) & (between == between.min(1, keepdim=True).values)
one radius: all balls have one radius. Each point has its own: large where points are rare.
    sorted_[:, k] -> sorted_[:, k].{mean|median|max|min}()
squared and plain: squared distances are compared with plain ones. Either will do, if both are the same.
    between <= radius -> {between**2 <= radius|between <= radius**2}
sum of the sides: this is not the straight distance: the differences are added up without their squares.
    .square().sum(2).sqrt() -> .abs().{sum|amax}(2)
outside: this is the share of those that lie outside.
    inside.any(1) -> (~inside).all(1)
always inside: both numbers are 1, whatever the rows. Is a radius made of the very distances that it is compared with, or `<=` turned round?
    sorted_[:, k] -> between.sort(1).values[:, {k - 1|k}, None]
    between <= radius -> between >= radius
numbers for shares: you count. A share is asked for.
    inside.any(1).double().mean() -> inside.any(1){|.double()}.sum()
divided by the wrong rows: points are counted, and divided by the number of the balls, or by the same number in both. How many rows are tested?
    inside.any(1).double().mean() -> inside.any(1).sum() / len({centres|real|fake})
a repeated row left out: a row that stands there twice is another row, at distance 0: it counts among the neighbours. Leave out the point itself by its place, not by its distance.
    sorted_[:, k] -> sorted_.where(sorted_ > 0, math.inf).sort(1).values[:, k - 1]
""",
)
