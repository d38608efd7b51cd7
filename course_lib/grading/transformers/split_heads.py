"""Exercise 09, task 2a: one long vector, several short ones."""

import torch

from course_lib.grading import Task, grid


def split_heads(x, heads):
    batch, time, width = x.shape
    parts = x.reshape(batch, time, heads, width // heads)
    return parts.transpose(1, 2)


def truth(x, heads):
    """Head by head: each takes the next d entries."""
    d = x.shape[2] // heads
    return torch.stack([torch.stack([text[:, h * d : (h + 1) * d] for h in range(heads)]) for text in x])


SPLIT = Task(
    split_heads,
    truth,
    cases=[(grid(2, 3, 8), 4), (grid(1, 5, 6), 2), (grid(3, 4, 3).sin(), 3), (grid(2, 2, 5).double(), 1)],
    gradient=("x",),
    mistakes="""
reshaped at once: the shape is right, but heads get pieces of several places mixed up. Cut the last axis alone into two, then move the axes.
    parts.transpose(1, 2) -> x.reshape(batch, heads, time, width // heads)
moved before the cut: time and width change places before the cut, so heads get pieces of several places mixed up. Cut first, then move.
    parts.transpose(1, 2) -> x.transpose(1, 2).reshape(batch, heads, time, width // heads)
not moved: each vector is cut as it should be, but time still stands before the heads: (batch, heads, time, d) is asked for.
    parts.transpose(1, 2) -> parts
entries dealt out: the entries are dealt out one by one, so head 0 has every heads-th one. It should have the first d, which lie side by side.
    heads, width // heads) -> width // heads, heads) ; parts.transpose(1, 2) -> parts.permute(0, 3, 1, 2)
heads and d exchanged: the last axis is cut into d parts of `heads` entries. How many heads are there, and how long is one part?
    heads, width // heads) -> width // heads, heads){| ; parts.transpose(1, 2) -> parts.permute(0, 2, 1, 3)}
time and entries exchanged: time and the entries of a head are exchanged: this is what a product with the keys wants of them later, `.mT`.
    parts.transpose(1, 2) -> parts.{permute(0, 2, 3, 1)|transpose(1, 2).mT}
heads first: the axis of the heads stands in front of the batch.
    parts.transpose(1, 2) -> parts.permute(2, 0, 1, 3)
other axes exchanged: the cut is right, but two other axes change places than time and heads: axes count from 0.
    parts.transpose(1, 2) -> parts.transpose({0, 1|0, 2|2, 3|0, 3|1, 3})
heads joined with the batch: the heads are joined with the batch on one axis. Each keeps its own.
    parts.transpose(1, 2) -> {parts.transpose(1, 2)|parts.permute(2, 0, 1, 3)}.flatten(0, 1)
heads reversed: the heads are there in reverse order.
    parts.transpose(1, 2) -> parts.transpose(1, 2).flip(1)
time cut: time is cut into pieces for the heads. Every head sees all places, and a part of each vector.
    return parts.transpose(1, 2) -> return x.mT.reshape(batch, heads, width // heads, time).mT.flip(2)
every head sees all: each head has the whole vector. Its share is width / heads entries.
    return parts.transpose(1, 2) -> return x[:, None].expand(batch, heads, time, width)
""",
)
