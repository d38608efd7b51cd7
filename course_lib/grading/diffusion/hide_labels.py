"""Exercise 06, task 5b: hide some labels."""

import torch

from course_lib.grading import Task
from course_lib.grading.fixtures import Draws


def hide_labels(y, classes, share, rand):
    draw = rand(len(y))
    mask = draw < share
    return torch.where(mask, classes, y)


def truth(y, classes, share, rand):
    u = rand(len(y)).tolist()
    return torch.tensor([classes if u[i] < share else label for i, label in enumerate(y.tolist())])


HIDE = Task(
    hide_labels,
    truth,
    cases=[
        (torch.arange(60) % 5, 5, 0.4, Draws(0.31)),
        (torch.arange(7) % 3, 3, 0.45, Draws(0.77)),
        (torch.arange(9) % 4, 6, 0.6, Draws(0.05)),
    ],
    mistakes="""
one mask for the batch: all labels are hidden, or none: the draw was made once for the batch. Draw one for each example.
    rand(len(y)) -> {rand(1)|rand(len(y)).mean()}
one draw at a time: one draw at a time. Call `rand` once for the whole batch, as the task says: the check compares with those draws.
    rand(len(y)) -> torch.cat([rand(1) for _ in y])
drawn twice: `rand` is called twice, and the labels go by the second draw, or by both. Call it once, and keep what it gives.
    rand(len(y)) -> {[rand(len(y)), rand(len(y))][1]|rand(len(y)).minimum(rand(len(y)))|rand(len(y)).maximum(rand(len(y)))}
the others hidden: the wrong share is hidden: a draw is below `share` with that probability.
    < share -> {> share|< 1 - share}
the other end: the right share in the long run, but hidden where the draw is large. The task hides where it is below `share`.
    < share -> > 1 - share
label 0: a hidden label becomes 0, but 0 is a class: its pictures would be mixed up with those of no label.
    mask, classes -> mask, 0
last class: a hidden label becomes the last class. Classes run from 0 to classes − 1.
    mask, classes -> mask, classes - 1
minus one: a hidden label becomes −1, and no table of labels has such a row. Use the number after the last class.
    mask, classes -> mask, -1
one too many: a hidden label becomes K + 1. Classes count from 0, so the first free number is K.
    mask, classes -> mask, classes + 1
another number: a hidden label becomes a number that is not `classes`. It is K, whatever the batch and the data.
    mask, classes -> mask, {10|len(y)|y.max() + 1}
nothing hidden: no label is hidden.
    torch.where(mask, classes, y) -> y
everything hidden: every label is hidden, whatever the share.
    torch.where(mask, classes, y) -> torch.full_like(y, classes)
the first ones: the first labels of the batch are hidden. Which ones is for the draws to say.
    draw < share -> torch.arange(len(y)) < {|int|round}(share * len(y))
an exact number: always the same number is hidden in a batch. Each label is hidden with the probability `share`, by its own draw.
    draw < share -> {draw.argsort().argsort() < int(share * len(y))|draw.argsort().argsort() < round(share * len(y))}
    draw < share -> draw.argsort(){|.argsort()} < share * len(y)
half of them: the share is fixed. It is given as `share`.
    < share -> < {0.5|0.1|0.2}
thrown away: examples are thrown away. Only their labels are hidden; the pictures still count.
    torch.where(mask, classes, y) -> y[~mask]
the mask: this is the mask. The labels are asked for, with some of them replaced.
    torch.where(mask, classes, y) -> mask
added: the number is added to the label. A hidden label leaves no trace of what it was.
    torch.where(mask, classes, y) -> y + classes * mask
""",
)
