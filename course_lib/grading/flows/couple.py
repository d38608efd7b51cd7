"""Exercise 04, task 2a: a coupling layer."""

import torch
from torch.distributions.transforms import AffineTransform

from course_lib.grading import Task, grid
from course_lib.grading.fixtures import tanh_network


def couple(x, log_scale, shift):
    first, second = x.chunk(2, 1)
    s, t = log_scale(first), shift(first)
    scale = s.exp()
    moved = second * scale + t
    log_det = s.sum(1)
    return torch.cat([first, moved], 1), log_det


def truth(x, log_scale, shift):
    first, second = x.chunk(2, 1)
    transform = AffineTransform(shift(first), log_scale(first).exp())
    moved = transform(second)
    return torch.cat([first, moved], 1), transform.log_abs_det_jacobian(second, moved).sum(1)


CASES = [  # no batch is as large as D/2
    (grid(4, 6), tanh_network(3, 0.3), tanh_network(3, 1.4)),
    (grid(5, 2).flip(0), tanh_network(1, 0.7), tanh_network(1, 2.0)),
    (grid(3, 4) * 2, tanh_network(2, -0.6), tanh_network(2, 0.1)),
    (grid(2, 6), tanh_network(3, 0.3, 6.0, -5.0), tanh_network(3, 1.4)),  # s from −20 to 15
    (grid(2, 320).sin(), tanh_network(160, 0.9, 0.5, -5.2), tanh_network(160, 0.2)),  # the determinant is 0, in float64 too
    (grid(1, 4).double(), torch.sin, torch.cos),  # s and t need not be networks
]
MISTAKES = """
s not exponentiated: the second half is multiplied by s itself. s is the logarithm of the scale, so that the scale is never 0 or negative.
    s.exp() -> s ; s.sum(1) -> {s|s.abs().log()|s.log()}.sum(1)
another scale: the scale is positive, but it is not exp(s): an absolute value, a softplus, 1 + s or 2 to the s stands in its place.
    s.exp() -> {s.abs()|F.softplus(s)|1 + s|s.exp2()} ; s.sum(1) -> {scale.abs().log()|s}.sum(1)
inverse: this is the way back, from z to x. Forward means from data to latent: scale, then shift.
    second * scale + t -> (second - t) / scale ; s.sum(1) -> {-|}s.sum(1)
sign of s: the second half is multiplied by exp(−s). That undoes the scale; forward, s has no minus.
    s.exp() -> (-s).exp() ; + t -> {+|-} t ; s.sum(1) -> {|-}s.sum(1)
sign of t: the shift is taken away. That is for the way back; forward, it is added.
    + t -> - t
s and t exchanged: `log_scale` and `shift` have changed places: which of them is s?
    s, t = -> t, s = ; s.sum(1) -> {s|t}.sum(1)
shifted first: the shift is scaled too. Scale the second half first, then add t.
    second * scale + t -> (second + t) * scale
shift from the changed half: t is computed from the second half, which it then changes: nobody could undo that. The first half is still
    there after.
    shift(first) -> shift(second)
scale from the changed half: s is computed from the second half, which it then changes: nobody could undo that. The first half is still
    there after.
    log_scale(first) -> log_scale(second)
t exponentiated: the exponential is taken of t too. Only s is a logarithm.
    second * scale + t -> {second * scale + t.exp()|second * (s + t).exp()|(second * s + t).exp()}
multiplied by t: the second half is multiplied by t. A shift is added.
    + t -> * t
no shift: the shift is missing.
    + t ->
s bounded: s is squeezed before it is used. Where it has to be bounded, the function log_scale has done that: take s as it comes.
    s.exp() -> {s.tanh().exp()|s.sigmoid()|(s + 2).sigmoid()} ; s.sum(1) -> {scale.log()|s}.sum(1)
    scale = s.exp() -> c = {5|1|2|3|4|6|8|10|15}; s = s.clamp({-c, c|max=c|min=-c}); scale = s.exp()
    s.exp() -> s.clamp(-{5, 5|1, 1|2, 2|3, 3|4, 4|6, 6|8, 8|10, 10}).exp()
conditioned on itself: s and t are computed from the second half, which they then change: nobody could undo that. What is still there after?
    log_scale(first), shift(first) -> log_scale(second), shift(second)
halves exchanged: the first half is changed and the second kept. Here it is the other way round.
    first, second = -> second, first = ; [first, moved] -> [moved, first]
both halves changed: both halves are changed, so s and t could not be computed again on the way back. The first half has to stay as it is.
    [first, moved] -> [first * scale + t, moved]
order of the halves: the halves come back in the wrong order: the untouched half stays in front.
    [first, moved] -> [moved, first]
every second entry: every second entry is kept. The halves here are the first D/2 entries and the rest.
    x.chunk(2, 1) -> x[:, ::2], x[:, 1::2] ; cat([first, moved], 1) -> {cat([first, moved], 1)|stack([first, moved], 2).flatten(1)}
only the changed half: only the changed half comes back. z has all D entries: the first half belongs to it.
    torch.cat([first, moved], 1) -> moved
joined below each other: the halves are joined along the batch. Axis 0 counts the examples: along which axis was x split?
    cat([first, moved], 1) -> {cat([first, moved])|stack([first, moved], 1)}
sign of the log-det: z is right, but the log-det has the wrong sign: it is that of ∂z/∂x, which is positive where the layer stretches.
    s.sum(1) -> -s.sum(1)
scales summed: z is right, but the scales are added up for the log-det. The determinant is their product: what is the logarithm of that?
    s.sum(1) -> scale.sum(1)
log of the summed scales: z is right, but for the log-det the scales are added up before the logarithm. The determinant is their product.
    s.sum(1) -> (scale.sum(1){| + s.shape[1]}).log()
s multiplied: z is right, but for the log-det the entries of s are multiplied. They are logarithms already: what becomes of a product?
    s.sum(1) -> s.{float().|}prod(1)
product, then log: right in few dimensions, but the product of the scales of a whole image is 0 or infinite on a computer. The logarithm of
    exp(s) is s.
    s.sum(1) -> scale.float().prod(1).log()
determinant: z is right, but beside it stands the determinant. Its logarithm is asked for, and it needs no product at all.
    s.sum(1) -> scale.prod(1)
log of s: z is right, but for the log-det a logarithm is taken of s, which is one already.
    s.sum(1) -> s.{abs().|}log().sum(1)
log-det averaged: z is right, but the log-det is a mean over the entries. A log-determinant is a sum, however many there are.
    s.sum(1) -> s.{mean(1)|sum(1) / x.shape[1]}
counted twice: z is right, but the log-det is twice too large: only one of the halves is scaled.
    s.sum(1) -> 2 * s.sum(1)
summed over the batch: z is right, but the log-det is summed over the examples: axis 0 counts them. Each example has a log-det of its own.
    .sum(1) -> .{sum|mean}(0)
log-det for the whole batch: z is right, but the log-det is one number. Each example has its own.
    s.sum(1) -> s.{sum()|mean()|sum(1).mean()|sum().expand(len(x))}
log-det for each entry: z is right, but the log-det has a number for each entry. Add up those of an example.
    s.sum(1) -> s
no log-det: z is right, but the log-det is 0, as if nothing were stretched. Only a layer that shifts alone has that.
    s.sum(1) -> torch.zeros(len(x))
sizes of s added: z is right, but the log-det adds up the sizes of s. Where s is negative the layer squeezes, and that must count as
    negative.
    s.sum(1) -> s.{abs().sum(1)|sum(1).abs()}
ones of the diagonal added: z is right, but the ones on the diagonal, those of the untouched half, are added to the log-det. What is the
    logarithm of 1?
    s.sum(1) -> s.sum(1) + {s.shape[1]|1}
shift in the log-det: z is right, but the shift is in the log-det. A shift moves everything alike and stretches nothing.
    s.sum(1) -> (s + t).sum(1)
bits: z is right, but the log-det is divided by log 2. s is a natural logarithm, and nats are asked for.
    s.sum(1) -> s.sum(1) / math.log(2)
log-det detached: right values, but no gradient comes through the log-det: the flow would learn to squeeze everything into one point.
    s.sum(1) -> s.sum(1).detach()
s and t detached: right values, but no gradient reaches the two functions, so they would never learn. Is there a `no_grad` or a `detach`?
    log_scale(first), shift(first) -> log_scale(first).detach(), shift(first).detach()
    torch.cat([first, moved], 1), log_det -> torch.cat([first, moved], 1).detach(), log_det.detach()
"""
COUPLE = Task(couple, truth, cases=CASES, mistakes=MISTAKES, results=("z", "log_det"), gradient=True)
