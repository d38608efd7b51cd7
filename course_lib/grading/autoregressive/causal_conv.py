"""Exercise 05, task 6a: a causal dilated convolution, all at once."""

from torch.nn import functional as F

from course_lib.grading import Task, grid


def causal_conv(x, weight, bias, dilation):
    past = (weight.shape[2] - 1) * dilation
    padded = F.pad(x, (past, 0))
    return F.conv1d(padded, weight, bias, dilation=dilation)


CAUSAL = Task(
    causal_conv,
    cases=[
        (grid(2, 3, 11).sin(), grid(4, 3, 3).cos(), grid(4), 2),
        (grid(5, 1, 8), grid(3, 1, 2), grid(3), 4),
        (grid(3, 2, 7).cos(), grid(4, 2, 5).sin(), grid(4), 1),
        tuple(grid(*shape).double() for shape in ((1, 2, 6), (2, 2, 2), (2,))) + (2,),
    ],
    gradient=("x", "weight", "bias"),
    mistakes="""
both sides padded: zeros are added on both sides, so an output sees what comes after it. On which side is the past?
    (past, 0) -> {(past // 2, past - past // 2)|(past - past // 2, past // 2)}
padded on the right: the zeros are on the right, or the wrong end was cut off: an output sees itself and what comes after it. On which side is the past?
    (past, 0) -> (0, past)
not padded: the output is shorter than the input: before the start there are zeros.
    (past, 0) -> (0, 0)
padded twice: the output is longer than the input: `padding` adds zeros on both sides. Those on the right, or what comes of them, must go.
    (past, 0) -> (past, {past|past - weight.shape[2] + 1|past - dilation})
dilation left out: right for a dilation of 1: the taps of the kernel lie `dilation` steps apart.
    {* dilation -> ; |}, dilation=dilation ->
late: everything is late: here y_t may see x_t itself, as in kind B.
    (past, 0)) -> (past + {1, 0))[:, :, :-1]|dilation, 0))[:, :, :-dilation]|dilation - 1, 0))[:, :, : past + x.shape[2]]}
kernel turned: the kernel is turned round: its last tap belongs to the newest input.
    padded, weight -> padded, weight.flip(2)
bias left out: the bias is missing.
    weight, bias, dilation=dilation -> weight, dilation=dilation
circular: before the start stands the end of the sequence: that is the future. Zeros belong there.
    F.pad(x, (past, 0)) -> x[:, :, torch.arange(-past, x.shape[2]) % x.shape[2]]
first value repeated: before the start the first inputs are repeated or mirrored. Zeros belong there.
    (past, 0) -> (past, 0), mode="{replicate|reflect}"
dilation left out of the padding: right for a dilation of 1. With a larger one the kernel reaches further back, and so must the zeros.
    * dilation ->
padded by the dilation: right for two taps. More of them reach further back, and so must the zeros.
    (weight.shape[2] - 1) * dilation -> dilation
stride: the dilation is given as a stride, which leaves out outputs. It belongs between the taps.
    dilation=dilation -> stride=dilation{| ; * dilation ->}
padded by the whole kernel: the output is longer than the input: zeros for all taps are too many. The last tap meets x_t itself.
    (weight.shape[2] - 1) * dilation -> weight.shape[2] * dilation{| - 1}
""",
)
