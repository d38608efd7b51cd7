"""Exercise 03, not graded: the patch that one output pixel sees."""

from dataclasses import replace

from torch import Tensor

from course_lib.grading import Task
from course_lib.grading.words import number


def receptive_field(layers):
    side, step = 1, 1
    for kernel, stride in layers:
        side += (kernel - 1) * step
        step *= stride
    return side


def truth(layers):
    """By following one output pixel back: how many pixels of each layer's input it sees."""
    pixels = 1
    for kernel, stride in reversed(layers):
        pixels = (pixels - 1) * stride + kernel
    return pixels


class Whole(Task):
    """70.0 is as good as 70."""

    def _read(self, outcome, inputs):
        x = number(outcome.values[0]) if len(outcome.values) == 1 else None
        is_whole = isinstance(x, Tensor) and x.is_floating_point() and x.ndim == 0 and x % 1 == 0
        return replace(outcome, values=(x.long(),)) if is_whole else outcome


RECEPTIVE = Whole(
    receptive_field,
    truth,
    cases=[
        ([(4, 2), (4, 2), (4, 2), (4, 1), (4, 1)],),
        *(([(3, 1)],), ([(5, 3), (2, 2), (3, 1)],), ([(4, 2), (3, 1), (5, 3)],), ([(7, 4), (3, 2), (3, 2), (1, 1)],)),
    ],
    mistakes="""
strides ignored: the strides have no effect. After a stride of 2, neighbours lie two pixels of the image apart.
    step *= stride -> pass
its own stride too: the stride of a layer counts for itself already. It takes effect on the layers behind it.
    - 1) * step -> - 1) * step * stride
strides behind it: each layer is multiplied by the strides behind it. Those before it have spread its inputs.
    in layers -> in layers[::-1]
kernel and stride exchanged: kernel and stride have changed places: the kernel comes first in each pair.
    kernel, stride -> stride, kernel
strides added: the strides are added up. Two strides of 2 make steps of 4, and three make 8.
    step = 1, 1 -> step = 1, 0 ; * step -> * max(step, 1) ; *= stride -> += stride
    *= stride -> += stride
the last stride alone: each layer is multiplied by the stride just before it. All strides before it have spread its inputs.
    *= stride -> = stride
kernel for kernel − 1: each kernel adds its whole width. One of its pixels was counted before: it adds k − 1.
    (kernel - 1) -> kernel
    step = 1, 1 -> step = 0, 1 ; (kernel - 1) -> kernel
1 forgotten: one too small: without any layer a pixel sees itself.
    step = 1, 1 -> step = 0, 1
kernels multiplied: the kernels are multiplied. Each layer widens the field by a number of pixels.
    += (kernel - 1) * step -> *= kernel
an area: the area. The length of a side is asked for.
    return side -> return side**2
""",
)
