"""Exercise 04, task 4a: an invertible 1×1 convolution."""

import torch
from torch import nn

from course_lib.grading import Task, grid


def mix_channels(x, weight):
    batch, channels, height, width = x.shape
    log = torch.linalg.slogdet(weight)[1]
    mixed = torch.einsum("oc,bchw->bohw", weight, x)
    log_det = height * width * log
    return mixed, log_det.expand(batch)


def truth(x, weight):
    z = nn.functional.linear(x.movedim(1, -1), weight).movedim(-1, 1)
    return z, (z[0, 0].numel() * torch.linalg.svdvals(weight).log().sum()).expand(len(x))


# Its determinant is 0 in float32. Triangular with different entries on the diagonal, so that gradients of the eigenvalues are right there.
SMALL = 0.05 * (torch.diag(grid(36, low=0.5, high=1.6)) + (grid(36, 36, low=1.0, high=60.0).sin() * 0.01).tril(-1))
TURNED = torch.tensor([[0.4, 1.3, -0.2], [0.9, 0.2, 0.5], [-0.3, 0.6, 1.1]])  # a negative determinant
PAIR = torch.tensor([[1.2, 0.7], [-0.4, 0.9]])

CASES = [
    (grid(2, 3, 2, 4), TURNED),
    (grid(3, 2, 3, 3).sin(), PAIR),
    (grid(2, 36, 1, 2).cos(), SMALL),
    (grid(1, 2, 2, 1), PAIR.T),
]
MISTAKES = """
transposed: the channels are mixed with Wᵀ: rows and columns have changed places. Entry c of the result is row c of W times the channels.
    "oc, -> "co,
inverse: z is made with the inverse of W. Forward, W itself is applied.
    weight, x) -> torch.linalg.inv(weight), x) ; = height -> = {|-}height
reshaped, not permuted: z has the right shape, but entries of different pixels are mixed: a reshape cuts the numbers up as they lie. The
    channels have to become the last axis first.
    torch.einsum("oc,bchw->bohw", weight, x) -> (x{|.movedim(1, -1)}.reshape(-1, channels) @ weight{.T|}).reshape(x.shape)
x as it came: z is x: W has no effect on it.
    return mixed -> return x
pixels not counted: z is right, but the log-det counts W once. It is applied at every pixel: how many blocks has the Jacobian of the whole
    image?
    height * width * -> ; .expand(batch) -> {.expand(batch)|}
one side counted: z is right, but for the log-det only one side of the image is counted. W is applied at every pixel.
    height * width -> {height|width|height**2|width**2}
sides added: z is right, but for the log-det the sides of the image are added. How many pixels has it?
    height * width -> (height + width)
channels for a side: z is right, but for the log-det the channels are counted in place of a side of the image. x has the shape (batch, C,
    height, width).
    height * width -> channels{ * height| * width|}
channels counted too: z is right, but the log-det is too large by the number of channels: W mixes all channels of a pixel at once.
    height * width -> channels * height * width
batch counted too: z is right, but the log-det is multiplied by the size of the batch. Each example has a log-det of its own.
    height * width -> {batch * height * width|x.numel()} ; .expand(batch) -> {.expand(batch)|}
one number: z is right, and the log-det too, but it comes once. The layers add up theirs example by example: one number for each.
    .expand(batch) -> {|[None]}
log-det as a column: z is right, and the log-det too, but it has an axis too many: (batch, 1) where (batch,) is asked for.
    .expand(batch) -> .expand(batch, 1)
det, then log: right for a few channels, but with some dozens the determinant itself is 0 or infinite on a computer. One function of
    torch.linalg returns its logarithm without it.
    slogdet(weight)[1] -> det(weight.float()).abs().{add|clamp}({0|1e-8|1e-2|1e-3|1e-4|1e-5|1e-6|1e-7|1e-9|1e-10|1e-11|1e-12}).log()
absolute value forgotten: NaN: the determinant may be negative, and it has no logarithm. A mirror stretches nothing: what counts is its
    size.
    torch.linalg.slogdet(weight)[1] -> torch.{linalg.det(weight.float()).log()|logdet(weight.float())}
determinant without log: z is right, but beside it stands the determinant. Its logarithm is asked for.
    slogdet(weight)[1] -> det(weight.float()){.abs()|}
sign of the log-det: z is right, but the log-det has the wrong sign: this is that of the way back.
    log_det = height -> log_det = -height
size of the log: z is right, but an absolute value is taken of the logarithm. Where W squeezes, the log-det is negative.
    (weight)[1] -> (weight)[1].abs()
bits: z is right, but the log-det is in bits. Nats are asked for.
    (weight)[1] -> (weight)[1] / math.log(2)
no log-det: z is right, but the log-det is 0: that holds for a mere permutation of the channels. W stretches, too.
    (weight)[1] -> (weight)[1] * 0
sign, not log: `slogdet` returns two things, and you took the sign. The logarithm is the second.
    (weight)[1] -> (weight)[0]
sign times logarithm: z is right, but the logarithm is multiplied by the sign of the determinant. A mirror stretches as much as no mirror.
    torch.linalg.slogdet(weight)[1] -> math.prod(torch.linalg.slogdet(weight))
diagonal alone: the log-det comes from the diagonal of W. That is enough for a triangular matrix, and W may be any.
    torch.linalg.slogdet(weight)[1] -> weight.diagonal().abs().log().sum()
log-det detached: right values, but no gradient comes through the log-det: W would shrink without end. What cuts the graph?
    (weight)[1] -> (weight)[1].detach()
"""
MIX = Task(mix_channels, truth, cases=CASES, mistakes=MISTAKES, results=("z", "log_det"), gradient=True, tolerance=5e-5)
