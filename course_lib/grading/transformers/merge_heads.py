"""Exercise 09, task 2b: back to one long vector."""

import torch

from course_lib.grading import Task, grid


def merge_heads(x):
    batch, heads, time, d = x.shape
    moved = x.transpose(1, 2)
    return moved.reshape(batch, time, heads * d)


def truth(x):
    """Place by place: the heads side by side."""
    return torch.stack([torch.stack([torch.cat([head[t] for head in text]) for t in range(x.shape[2])]) for text in x])


MERGE = Task(
    merge_heads,
    truth,
    cases=[(grid(2, 4, 3, 2),), (grid(1, 2, 5, 3).sin(),), (grid(3, 3, 4, 1),), (grid(2, 1, 2, 5).double(),)],
    gradient=("x",),
    mistakes="""
not moved: the shape is right, but the numbers are not where they were: heads and time must change places before they are joined.
    moved.reshape -> x.reshape
entries dealt in: the entries of the heads are dealt out in turns: first the first of each head. The entries of one head stay side by side.
    x.transpose(1, 2) -> x.permute(0, 2, 3, 1)
heads added: the heads are added up or averaged. They are put side by side: the vector is as long as it was before the cut.
    moved.reshape(batch, time, heads * d) -> x.{sum|mean}(1)
joined along time: the heads are joined along time. They belong side by side in one vector.
    moved.reshape(batch, time, heads * d) -> x.reshape(batch, heads * time, d)
joined along time, in turns: the heads stand one after the other for each place, on the axis of time. They belong side by side in one vector.
    moved.reshape(batch, time, heads * d) -> moved.reshape(batch, time * heads, d)
time and entries joined: the axis of time is joined to the entries, and the heads are left. Which two axes belong together?
    moved.reshape(batch, time, heads * d) -> x.reshape(batch, heads, time * d)
heads left: the axes are moved, but heads and entries are still two axes. They become one.
    moved.reshape(batch, time, heads * d) -> moved
heads reversed: the heads stand in reverse order.
    x.transpose(1, 2) -> x.flip(1).transpose(1, 2)
one head alone: one head alone comes out. All of them count.
    moved.reshape(batch, time, heads * d) -> x[:, {0|-1}]
moved to the wrong place: time is moved to the end before the entries are joined, so these are pieces of several places mixed up.
    moved.reshape(batch -> x.{mT|permute(0, 3, 1, 2)|permute(0, 3, 2, 1)}.reshape(batch
joined with the batch: heads and batch are joined. The texts of a batch stay apart.
    moved.reshape(batch, time, heads * d) -> {x.reshape(batch * heads, time, d)|torch.cat(list(x), -1)|torch.cat(list(x))}
""",
)
