"""Exercise 06, task 5a: guidance."""

import torch

from course_lib.grading import Task, grid
from course_lib.grading.fixtures import Denoiser


def guided(network, x_t, t, y, classes, w):
    null = torch.full_like(y, classes)
    told, untold = network(x_t, t, y), network(x_t, t, null)
    return untold + w * (told - untold)


def truth(network, x_t, t, y, classes, w):
    """Both labels in one batch."""
    both = network(torch.cat([x_t, x_t]), torch.cat([t, t]), torch.cat([y, y * 0 + classes]))
    told, untold = both.split(len(x_t))
    return torch.lerp(untold, told, float(w))


GUIDED = Task(
    guided,
    truth,
    cases=[
        (Denoiser(2, phase=0.2, labels=4), grid(5, 2), grid(5, low=0.1, high=0.9), torch.tensor([0, 2, 1, 1, 0]), 3, 3.6),
        (Denoiser(1, 2, 2, phase=1.3, labels=6), grid(3, 1, 2, 2), grid(3, low=0.2, high=0.7), torch.tensor([2, 3, 1]), 5, 0.0),
        (Denoiser(3, phase=0.6, labels=3), grid(4, 3).sin(), grid(4, low=0.3, high=0.8), torch.tensor([1, 0, 1, 0]), 2, 1.0),
        (Denoiser(2, phase=1.9, labels=5), grid(3, 2).cos(), grid(3, low=0.1, high=0.5), torch.tensor([0, 2, 0]), 4, 0.7),
    ],
    mistakes="""
starts at the told one: at w = 0 the label still counts. This is the other convention, in which w is one less: start where nothing was told.
    return untold + -> return told +
w one too large: at w = 1 the label does not count, and at w = 0 it is avoided. 1 should give what the network says of y.
    + w * -> + (w - 1) *
told and untold exchanged: the two are exchanged: at w = 0 the label counts in full, and a large w leads away from it.
    untold + w * (told - untold) -> told + w * (untold - told)
sign: the direction has the wrong sign: this leads away from y.
    untold + w -> untold - w
w times the told one: w multiplies the whole of what the network says. Only the difference that the label makes is stretched.
    untold + w * (told - untold) -> {untold + w * told|told + w * untold|w * told|w * told - untold}
not what was told: this is the difference alone. It is added to a place to start from.
    return untold + w -> return w
starts at x_t: x_t is a picture, and what is asked for is noise. Start at what the network says when nothing was told.
    return untold + w -> return x_t + w
w not used: w plays no part.
    return untold + w * (told - untold) -> return {told|(told + untold) / 2|2 * told - untold}
label not used: y plays no part: this is what the network says when nothing was told, whatever w is.
    return untold + w * (told - untold) -> return untold
w kept below 1: right for w up to 1. Above, guidance goes past what the network says of y: that is its point.
    + w * -> + min(w, 1) *
some w alone: right for some w alone. The formula holds for each number from 0 on, and needs no cases and no rounding.
    + w * -> + {int(w)|round(w)|math.ceil(w)|max(w, 1) * (w > 0)|(w or 1)|w * (w >= 1)} *
divided by the weights: a weighted mean of the two never goes past either. Stretch their difference.
    untold + w * (told - untold) -> (untold + w * told) / (1 + w)
clipped: the noise is clipped. It has no bounds: the data have.
    return untold + w * (told - untold) -> return (untold + w * (told - untold)).clamp(-1, 1)
mean of the classes: the mean of what the network says of all the classes stands for “not told”. Ask it with the label that means this.
    network(x_t, t, null) -> (sum(network(x_t, t, torch.full_like(y, k)) for k in range(classes)) / classes)
label 0 for nothing told: label 0 stands for “not told”, but 0 is a class. The network learned another label for it.
    torch.full_like(y, classes) -> torch.zeros_like(y)
last class for nothing told: the last class stands for “not told”. Classes run from 0 to classes − 1.
    (y, classes) -> (y, classes - 1)
largest label of the batch: the label for “not told” is made of the labels of this batch. It is K, whichever classes happen to be there.
    (y, classes) -> (y, y.max() + 1)
a label never seen: the network is given a label that it has never learned. Which one was it trained with when nothing was told?
    torch.full_like(y, classes) -> {torch.full_like(y, -1)|torch.full_like(y, classes + 1)|y + classes}
another label: two classes are compared. y should be compared with the label for “not told”.
    torch.full_like(y, classes) -> (y + 1) % classes
""",
)
