"""Exercise 01, task 1: the joint table of four pixels, conditioned on some of them."""

import itertools

import torch

from course_lib.grading import Task, grid


def conditional(table, known):
    kept = torch.zeros_like(table)
    for image in itertools.product((0, 1), repeat=4):
        fits = [pixel == value for pixel, value in zip(image, known) if value is not None]
        if all(fits):
            kept[image] = table[image]
    return kept / kept.sum()


def as_table(weights):
    return (weights / weights.sum()).reshape(2, 2, 2, 2)


COUNTS = torch.tensor([5.0, 2, 0, 1, 3, 0, 0, 4, 1, 0, 2, 2, 0, 6, 1, 5])  # as of images: some never occur

CONDITIONAL = Task(
    conditional,
    cases=[
        (as_table(grid(16).exp().sin() + 1.2), (None, 1, 0, None)),
        (as_table(COUNTS), (0, None, None, 1)),
        (as_table(grid(16).square() + 0.1), (0, None, 0, None)),
    ],
    mistakes="""
not divided: these are p(image, known pixels): they do not add up to 1. What is missing?
    kept / kept.sum() -> kept
known pixels ignored: this is the table as it came: what you know has changed nothing.
    kept / kept.sum() -> table
0 taken for unknown: a pixel known to be 0 is treated as unknown. In Python `if value:` is false for 0 as it is for None.
    value is not None -> value
unknown taken for 0: one image has everything: None is treated as a value, 0 or 1. An unknown pixel may be either.
    [pixel == value -> [pixel == {(value or 0)|(1 if value is None else value)} ; known) if value is not None -> known)
contradictions kept: the images that contradict what is known are kept, and those that fit are gone.
    if all -> if not all
one known pixel only: only one of the known pixels counts. Does each turn of your loop begin again from the whole table, or end it too early?
    all(fits) -> fits[{-1|0}]
pixels in reverse order: right if `known` were read backwards. Axis 0 of the table is the first pixel.
    (image, known) -> (image, known[::-1])
all that fit are equal: every image that fits is equally likely here. What does the table say of them?
    kept[image] = table[image] -> kept[image] = {1|(table[image] > 0)}
a mask: 1 for each image that fits, 0 for the rest: this says what is possible, not how likely it is.
    kept[image] = table[image] -> kept[image] = 1 ; kept / kept.sum() -> kept
known pixels as if independent: divided by the product of the single pixels' probabilities, as if they were independent. Known pixels occur together.
    / kept.sum() -> / math.prod(table.select(i, value).sum() for i, value in enumerate(known) if value is not None)
softmax: a softmax gives something to every image, even to those that contradict. Probabilities need no exp.
    kept / kept.sum() -> kept.flatten().softmax(0).reshape(table.shape)
0 and 1 exchanged: right if each known 0 were a 1 and each 1 a 0. Do you keep the images that you meant to set to 0?
    pixel == value -> pixel != value
columns before rows: right if the second pixel were bottom left. The order is top left, top right, bottom left, bottom right.
    (image, known) -> (image, [known[i] for i in (0, 2, 1, 3)])
divided by another number: the images that fit are divided by something, but not by their sum: they do not add up to 1.
    / kept.sum() -> / {2 ** known.count(None)|(kept > 0).sum()|kept.max()|kept.mean()|kept.norm()}
divided along one axis: divided by the sums along one axis. It is all sixteen images together that add up to 1.
    kept.sum() -> kept.sum({-1, keepdim=True|0, keepdim=True|1, keepdim=True|2, keepdim=True|0|1|2|3})
one match is enough: an image is kept as soon as one known pixel agrees. All of them have to.
    all(fits) -> any(fits)
nothing fits: NaN everywhere: no image is left, and 0 is divided by 0. No pixel equals None: do you ask that of the unknown ones?
    known) if value is not None -> known)
known axes gone: the axes of the known pixels are gone. The images that contradict keep their places in the table, with 0.
    kept / kept.sum() -> {(kept / kept.sum())|table}[tuple(slice(None) if value is None else value for value in known)]
""",
)
