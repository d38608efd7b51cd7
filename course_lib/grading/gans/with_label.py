"""Exercise 03, task 5a: a label behind z."""

import torch
from torch.nn import functional as F

from course_lib.grading import Task, grid


def with_label(z, y, classes):
    hot = F.one_hot(y, classes).to(z)
    return torch.cat([z, hot], 1)


def truth(z, y, classes):
    return torch.stack([torch.cat([code, (torch.arange(classes) == label).to(code)]) for code, label in zip(z, y)])


WITH_LABEL = Task(
    with_label,
    truth,
    cases=[
        (grid(4, 3), torch.tensor([0, 2, 1, 2]), 4),
        (grid(2, 5), torch.tensor([1, 1]), 2),
        (grid(1, 2).double(), torch.tensor([0]), 12),
    ],
    gradient=("z",),
    mistakes="""
the number itself: the label is one number more. Then class 9 looks like nine times class 1: give each class a place of its own.
    F.one_hot(y, classes).to(z) -> y[:, None].to(z){| / classes| / (classes - 1)}
the number in every place: each of the new columns holds the label's number. There is a 1 in the place of the class, and 0 elsewhere.
    F.one_hot(y, classes) -> y[:, None].expand(-1, classes)
label first: the label stands before z. It is asked for behind it.
    [z, hot] -> [hot, z]
as many places as there are labels: the width depends on the largest label of the batch. `F.one_hot` counts the classes that it sees unless told.
    F.one_hot(y, classes) -> F.one_hot(y)
counted from 1: the 1 is one place too far to the right. Class 0 has the first place.
    F.one_hot(y, classes) -> F.one_hot(y + 1, classes + 1)[:, :classes]
    F.one_hot(y, classes) -> F.one_hot((y {-|+} 1) % classes, classes)
one place too many: one column too many. With `classes` classes the labels run from 0 to classes − 1.
    F.one_hot(y, classes) -> F.one_hot(y, classes + 1)
ten classes always: always ten places for the label. Other cases have another number of classes, `classes`.
    F.one_hot(y, classes) -> F.one_hot(y, 10)
−1 for 0: the other places hold −1. In a one-hot row they hold 0.
    .to(z) -> .to(z) * 2 - 1
the number in its place: the place of the class holds the label's number, so class 0 leaves no trace. It holds a 1.
    .to(z) -> .to(z) * y[:, None]
turned about: 0 and 1 have changed places: the class that is asked for has the 1.
    F.one_hot -> 1 - F.one_hot
one label for all: every row has the label of the first. Each has its own.
    F.one_hot(y, classes) -> F.one_hot(y[:1].expand(len(y)), classes)
every label in every row: each row has a 1 for every label of the batch: `[:, y]` takes all rows. Each row has one place of its own: give the row numbers too, `torch.arange(len(y))`.
    .to(z) -> .to(z).amax(0).expand(len(z), -1)
labels taken for rows: some rows hold nothing but 1s behind z: `[y]` picks rows by their number. In each row the label picks a place: give both, the row numbers, `torch.arange(len(y))`, and y.
    F.one_hot(y, classes).to(z) -> torch.zeros(len(z), classes).to(z).index_fill(0, y, 1.0)
label left out: this is z alone: where is the label?
    [z, hot] -> [z]
the label alone: this is the label alone: where is z?
    [z, hot] -> [hot]
sorted by class: the labels have been sorted, so they belong to other rows of z.
    F.one_hot(y, classes) -> F.one_hot(y.sort().values, classes)
z cut off: right values, but no gradient reaches z. What cuts the graph?
    [z, hot] -> [z.detach(), hot]
""",
)
