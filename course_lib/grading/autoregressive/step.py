"""Exercise 05, task 6b: one step of a causal dilated convolution."""

import torch

from course_lib.grading import Task, grid


def step(x, buffer, weight, bias, dilation):
    known = torch.cat([buffer, x[:, :, None]], 2)
    taps = known[:, :, ::dilation]
    y = torch.einsum("ock,bck->bo", weight, taps) + bias
    return y, known[:, :, 1:]


STEP = Task(
    step,
    results=("y", "buffer"),
    cases=[
        (grid(2, 3), grid(2, 3, 4).sin(), grid(5, 3, 3).cos(), grid(5), 2),
        (grid(4, 1).cos(), grid(4, 1, 4), grid(3, 1, 2).sin(), grid(3), 4),
        (grid(5, 2), grid(5, 2, 3).cos(), grid(4, 2, 4), grid(4), 1),
        tuple(grid(*shape).double() for shape in ((1, 2), (1, 2, 1), (3, 2, 2), (3,))) + (1,),  # as the next cell uses it
    ],
    mistakes="""
kernel turned: y reads the buffer the wrong way round: the first tap of the kernel meets the oldest input, the last tap meets x.
    weight, taps -> weight.flip(2), taps
x in front: x is put in front of the buffer. The buffer holds the oldest input first, so the newest belongs at its other end.
    buffer, x[:, :, None] -> x[:, :, None], buffer ; known[:, :, 1:] -> {known[:, :, :-1]|buffer}
    taps = known -> taps = torch.cat([x[:, :, None], buffer], 2)
dilation left out: right for a dilation of 1: y takes the newest inputs, one by one. Its taps lie `dilation` steps apart.
    ::dilation] -> {-weight.shape[2] :|: weight.shape[2]}]
x left out: y does not know x, the newest input. The last tap of the kernel is for it.
    {weight, taps -> weight[:, :, :-1], taps[:, :, :-1]|::dilation] -> [max(0, i * dilation - 1) for i in range(weight.shape[2])]]}
x alone: y knows x and nothing else. What came before is in the buffer.
    "ock,bck->bo", weight, taps -> {"oc,bc->bo", weight[:, :, -1], x|"ock,bc->bo", weight, x}
bias left out: the bias is missing.
    + bias ->
time kept: y has an axis for time. It is one step: (batch, outputs).
    return y -> return y[:, :, None]
buffer as it was: y is right, but the buffer is returned as it came: the next step would not know this x.
    known[:, :, 1:] -> buffer
buffer shrinks: y is right, but the buffer is too short: it holds (K − 1) · d inputs, for all taps. Only the oldest one goes.
    known[:, :, 1:] -> {known[:, :, -dilation:]|known[:, :, dilation:]|buffer[:, :, 1:]|known[:, :, 2:]}
x not stored: y is right, but x is not in the buffer: the next step will need it.
    known[:, :, 1:] -> {F.pad(buffer[:, :, 1:], (0, 1))|buffer.roll(-1, 2)|buffer.roll(1, 2)|torch.zeros_like(buffer)}
moved the wrong way: y is right, and x is the newest input, but the others move the wrong way: the oldest, which is the first, should go.
    known[:, :, 1:] -> torch.cat([{buffer[:, :, -1:], buffer[:, :, :-2]|buffer.roll(1, 2)[:, :, :-1]}, x[:, :, None]], 2)
buffer grows: y is right, but the buffer grows with each step. Which input will never be needed again?
    known[:, :, 1:] -> known
newest dropped: y is right, but x enters the buffer at the wrong end: the oldest input is its first, the newest its last.
    known[:, :, 1:] -> torch.cat([x[:, :, None], buffer[:, :, :-1]], 2)
oldest overwritten: y is right, but x takes the place of the oldest input, and the others stay where they are. Then the buffer is no longer in order.
    known[:, :, 1:] -> torch.cat([x[:, :, None], buffer[:, :, 1:]], 2)
newest overwritten: y is right, but x takes the place of the newest input, and the others do not move on.
    known[:, :, 1:] -> torch.cat([buffer[:, :, :-1], x[:, :, None]], 2)
y in the buffer: y is right, but an output goes into the buffer. It holds this layer's inputs.
    known[:, :, 1:] -> torch.cat([buffer[:, :, 1:], y[:, :1, None].expand(-1, x.shape[1], 1)], 2)
old buffer read: y reads the buffer after x was added and the oldest input dropped: the first tap no longer finds its input.
    ::dilation] -> [min(i * dilation + 1, buffer.shape[2]) for i in range(weight.shape[2])]]
    taps = known -> taps = F.pad(known[:, :, 1:], (1, 0))
order: y and the buffer are exchanged.
    return y, known[:, :, 1:] -> return known[:, :, 1:], y
""",
)
