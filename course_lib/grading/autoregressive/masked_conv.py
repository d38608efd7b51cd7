"""Exercise 05, task 2b: a masked convolution."""

from torch.nn import functional as F

from course_lib.grading import Task, grid
from course_lib.grading.autoregressive.causal_mask import causal_mask


def masked_conv(x, weight, mask):
    pad = weight.shape[-1] // 2
    return F.conv2d(x, weight * mask, padding=pad)


CONV = Task(
    masked_conv,
    cases=[
        (grid(4, 1, 6, 5), grid(3, 1, 3, 3).sin(), causal_mask(3, "A")),
        (grid(2, 3, 5, 7).sin(), grid(4, 3, 5, 5).cos(), causal_mask(5, "B")),
        (grid(1, 2, 4, 5).double().sin(), grid(2, 2, 1, 1).double(), causal_mask(1, "B")),
    ],
    gradient=("x", "weight"),
    mistakes="""
mask left out: the mask has no effect.
    weight * mask -> weight
no padding: the output is smaller than the image: pad with zeros, kernel // 2 on every side.
    , padding=pad ->
padded for another kernel: right for a kernel of 3. A larger one needs more zeros around the image.
    =pad -> ={1|2}
padded by the kernel: the output is larger than the image: so much padding is too much on each side.
    =pad -> =2 * pad{ + 1|}
padded on one side: the padding is all on one side. Above and to the left, that would make a plain convolution causal; here the mask does so already, and the centre has to stay where it is.
    x, weight * mask, padding=pad -> F.pad(x, ({2 * pad, 0, 2 * pad, 0|0, 2 * pad, 0, 2 * pad|pad, pad, 2 * pad, 0})), weight * mask
not padded with zeros: right inside, wrong at the border: outside the image there are zeros. Anything else may come from later pixels.
    x, weight * mask, padding=pad -> F.pad(x, [pad] * 4, mode="{replicate|circular|reflect}"), weight * mask
mask the wrong way: the weights that should go stay, and the others go.
    * mask -> * (1 - mask)
mask transposed: the mask or the kernel is transposed: axis 2 of the weight counts rows, as axis 0 of the mask does.
    weight * mask -> {weight * mask.T|(weight * mask).mT}
kernel turned: the kernel is turned by 180°: with that the later pixels are seen. `conv2d` as it is has above above.
    weight * mask -> {(weight * mask).flip(2, 3)|weight.flip(2, 3) * mask|weight * mask.flip(0, 1)}
mask added: the mask is added to the weights. What should become of a weight where the mask is 0?
    weight * mask -> weight + mask
renormalised: the output is divided by how many places are open. Only the masked weights are asked for.
    =pad) -> =pad){| * mask.numel()} / mask.sum()
inputs apart: each output takes the same weights for all channels of the input. Axis 1 of the weight counts them.
    x, weight * mask -> x.sum(1, keepdim=True), weight[:, :1] * mask
weight detached: right values, but no gradient reaches the weight: `.data`, `.detach()` and `no_grad` cut it off. Multiply the weight as it is.
    weight * mask -> weight.detach() * mask
""",
)
