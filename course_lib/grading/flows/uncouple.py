"""Exercise 04, task 2b: the coupling layer's way back."""

import torch

from course_lib.grading import Task, grid
from course_lib.grading.fixtures import tanh_network


def uncouple(z, log_scale, shift):
    first, second = z.chunk(2, 1)
    s, t = log_scale(first), shift(first)
    scale = s.exp()
    moved = (second - t) / scale
    return torch.cat([first, moved], 1)


CASES = [
    (grid(4, 6), tanh_network(3, 0.3), tanh_network(3, 1.4)),
    (grid(4, 2).flip(0), tanh_network(1, 0.7), tanh_network(1, 2.0)),
    (grid(2, 6), tanh_network(3, 0.3, 8.0, -9.0), tanh_network(3, 1.4)),  # s from −28 to 18
    (grid(1, 4).double(), torch.sin, torch.cos),
]
MISTAKES = """
forward again: this is the way forward once more. Undo the last step first.
    (second - t) / scale -> second * scale + t
only the shift divided: only t is divided by exp(s): a division comes before a subtraction unless brackets say otherwise.
    (second - t) / scale -> second - t / scale
scaled back first: the steps are undone in the order in which they were made. Take off your coat before your shirt.
    (second - t) / scale -> second / scale - t
sign of s: the shift is undone, but the second half is stretched once more instead of squeezed back.
    / scale -> * scale
sign of t: the scale is undone, but the shift is added once more.
    (second - t) / scale -> {(second + t) / scale|second / scale + t}
scale padded: off where the scale is tiny: something is added to it. exp(s) is never 0, so it needs no margin.
    s.exp() -> s.exp().{add|clamp}(1e-{6|2|3|4|5|7|8|9|10|11|12})
divided by s: it is divided by s. The second half was multiplied by exp(s).
    / scale -> / s
minus in front: a minus stands before exp(s). It would undo an addition; the second half was multiplied, and that is undone by a division.
    (second - t) / scale -> {(second - t) * -scale|(second - t) * -s|second - t - scale}
s and t exchanged: `log_scale` and `shift` have changed places: which of them was added?
    s, t = -> t, s =
shift not undone: the scale is undone, the shift is not.
    (second - t) -> second
scale not undone: the shift is undone, the scale is not.
    / scale ->
from the changed half: s and t are computed from the second half of z. Forward they came from the half that did not change.
    log_scale(first), shift(first) -> log_scale(second), shift(second)
scale from the changed half: s is computed from the second half of z. Forward it came from the half that did not change.
    log_scale(first) -> log_scale(second)
shift from the changed half: t is computed from the second half of z. Forward it came from the half that did not change.
    shift(first) -> shift(second)
every second entry: every second entry is kept. Forward the halves were the first D/2 entries and the rest.
    z.chunk(2, 1) -> z[:, ::2], z[:, 1::2] ; cat([first, moved], 1) -> {cat([first, moved], 1)|stack([first, moved], 2).flatten(1)}
halves exchanged: the first half is changed and the second kept. Forward it was the other way round.
    first, second = -> second, first = ; [first, moved] -> [moved, first]
both halves changed: both halves are changed. The first one has stayed as it was: nothing is to be undone there.
    [first, moved] -> [(first - t) / scale, moved]
s bounded: s is squeezed before it is used. Where it has to be bounded, the function log_scale has done that: take s as it comes.
    s.exp() -> s.{tanh()|clamp(-5, 5)|clamp(-1, 1)|clamp(-2, 2)|clamp(-3, 3)|clamp(-4, 4)|clamp(-6, 6)|clamp(-8, 8)|clamp(-10, 10)}.exp()
joined below each other: the halves are joined along the batch. Axis 0 counts the examples: along which axis was z split?
    cat([first, moved], 1) -> {cat([first, moved])|stack([first, moved], 1)}
order of the halves: the halves come back in the wrong order: the untouched half stays in front.
    [first, moved] -> [moved, first]
only the changed half: only the changed half comes back. x has all D entries.
    torch.cat([first, moved], 1) -> moved
log-det too: the way back is right, but only x is asked for, without a log-det.
    moved], 1) -> moved], 1), {-|}s.sum(1)
"""
UNCOUPLE = Task(uncouple, cases=CASES, mistakes=MISTAKES, tolerance=3e-5)
