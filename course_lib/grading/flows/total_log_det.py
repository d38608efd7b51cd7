"""Exercise 04, task 3a: the log-det of many layers."""

import torch

from course_lib.grading import Task
from course_lib.grading.fixtures import triangles


def total_log_det(jacobians):
    diagonal = jacobians.diagonal(dim1=-2, dim2=-1)
    logs = diagonal.abs().log()
    return logs.sum((0, 2))


def truth(jacobians):
    return torch.linalg.slogdet(jacobians)[1].sum(0)


# the first layer's determinant is infinite in float32, the second's and that of both are 0, in float64 too
WIDE = triangles(2, 1, 784, low=1.2, high=4.0) / torch.tensor([1.0, 30.0]).reshape(2, 1, 1, 1)

CASES = [
    (triangles(3, 2, 4, low=0.2, high=3.0),),
    (WIDE,),
    (triangles(1, 3, 2, low=0.5, high=1.6).double(),),
    (torch.tensor([[[0.7, -2e-13, 1.1]], [[3e-7, 0.5, -1.6]]]).diag_embed(),),
]
MISTAKES = """
product, then log: right in few dimensions, but a product of 784 numbers is infinite or 0 on a computer. The log of a product is a sum of
    logs.
    logs.sum((0, 2)) -> diagonal.float().{prod(-1).abs().log().sum(0)|prod(0).prod(-1).abs().log()}
absolute value forgotten: NaN: an entry of the diagonal may be negative, and it has no logarithm. A layer that turns an axis round stretches
    as much.
    .abs() ->
    logs.sum((0, 2)) -> {torch.logdet(jacobians).sum(0)|diagonal.float().prod(-1).log().sum(0)|diagonal.float().prod(-1).prod(0).log()}
negative entries clamped: negative entries of the diagonal are clamped to a tiny number. They stretch as positive ones do: what counts is
    their size.
    .abs() -> .clamp(min=1e-{8|2|3|4|5|6|7|9|10|11|12})
entries padded: off where an entry of the diagonal is tiny: something is added to it, or it is kept above a margin. None is 0, so none is
    needed.
    .abs() -> .{abs().add|add|abs().clamp}(1e-{8|2|3|4|5|6|7|9|10|11|12}).abs()
another diagonal: `diagonal` takes the first two axes unless told otherwise, and those are the layers and the batch. Which two hold a
    matrix?
    dim1=-2, dim2=-1 -> ; .abs() -> {.abs()|} ; (0, 2) -> {(0, 1)|(0, 1, 2)|(0, 2)|(1, 2)|0|1|2}
every entry: infinite: the logarithm of every entry is taken, the zeros above the diagonal among them. Which entries make up the determinant
    of a triangular matrix?
    .diagonal(dim1=-2, dim2=-1) -> ; (0, 2) -> (0, 2, 3)
absolute value of the log: an absolute value is taken after the logarithm. An entry below 1 squeezes, and its logarithm must stay negative.
    logs.sum((0, 2)) -> {logs.abs().sum((0, 2))|diagonal.log().abs().sum((0, 2))|logs.sum((0, 2)).abs()|logs.sum(2).abs().sum(0)}
determinant: this is the determinant itself. Its logarithm is asked for, and it needs no product at all.
    logs.sum((0, 2)) -> {diagonal.float().prod(-1).prod(0)|diagonal.float().prod(0).prod(-1)|logs.sum((0, 2)).exp()}{|.abs()}
determinants of the layers added: the determinants of the layers are added up, without a logarithm. Determinants multiply; it is their
    logarithms that add up.
    logs.sum((0, 2)) -> diagonal.float().prod(-1).{|abs().}sum(0)
trace: the diagonals are added up as they are: that is the trace. The determinant is their product, and its logarithm is asked for.
    logs.sum -> diagonal{|.abs()}.sum
log of the sum: the logarithm is taken of a sum over the diagonal. First the log of each entry, then the sum.
    logs.sum((0, 2)) -> diagonal.{abs().sum(-1).log().sum(0)|abs().sum((0, 2)).log()|sum(-1).abs().log().sum(0)}
last layer alone: one layer alone. Every layer on the way from x to z stretches.
    logs.sum((0, 2)) -> logs[{-1|0}].sum(-1)
one for each layer: a number for each layer and example. The whole flow has one for each example.
    logs.sum((0, 2)) -> logs.sum(2){|.T}
layers multiplied: the log-dets of the layers are multiplied. Determinants multiply; their logarithms do something else.
    logs.sum((0, 2)) -> logs.sum(2).prod(0)
determinants added: the determinants of the layers are added. The Jacobian of a composition is a product of matrices.
    logs.sum((0, 2)) -> {logs.sum(2).logsumexp(0)|diagonal.float().prod(-1).abs().sum(0).log()}
matrices added: the matrices are added. By the chain rule the Jacobian of a composition is their product.
    logs.sum((0, 2)) -> torch.linalg.slogdet(jacobians.sum(0))[1]
averaged over the layers: averaged over the layers. Each stretches what the one before has stretched: they add up.
    logs.sum((0, 2)) -> logs.sum(2).mean(0)
averaged over the entries: averaged over the entries. A log-determinant is a sum, however many there are.
    logs.sum((0, 2)) -> logs.{mean((0, 2))|mean(2).sum(0)}
summed over the batch: one number for the batch. Each example has its own. Which axis is which?
    logs.sum((0, 2)) -> logs.sum(){| / logs.shape[1]}
other axes summed: the sum runs over the batch too, but not over the layers or not over the diagonal. Which axis is which?
    (0, 2) -> {(1, 2)|(0, 1)|1}
sign: the wrong sign: this is the log-det of the way back, from z to x.
    return logs -> return -logs
bits: another logarithm: the natural one is asked for.
    .log() -> .log{2|10}()
sign times logarithm: the logarithm is multiplied by the sign of the determinant. A layer that turns an axis round stretches as much as one
    that does not.
    return logs -> return (diagonal.sign(){.prod(2, True)||.prod(2, True).prod(0)} * logs)
signs come first: `slogdet` returns two things, and you took the sign. The logarithm is the second.
    logs.sum((0, 2)) -> diagonal.sign().prod(2).{sum|prod}(0)
"""
TRIANGULAR = Task(total_log_det, truth, cases=CASES, mistakes=MISTAKES, tolerance=3e-5)
