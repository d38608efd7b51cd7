"""Exercise 04, task 1: a change of variables on the line."""

import torch
from torch.distributions import Laplace, Normal

from course_lib.grading import Task, fixtures, grid


def log_density(y, log_p, inverse, slope):
    x = inverse(y)
    log = slope(x).abs().log()
    return log_p(x) - log


def truth(y, log_p, inverse, slope):
    y = y.detach().requires_grad_()
    x = inverse(y)
    (stretch,) = torch.autograd.grad(x.sum(), y)  # the slope that is given plays no part
    return (log_p(x) + stretch.abs().log()).detach()


CASES = [
    (grid(5, low=0.3, high=3.0), Normal(0.5, 0.8).log_prob, torch.log, torch.exp),
    (grid(2, 3, low=-2.1, high=1.7), Laplace(0.2, 1.5).log_prob, fixtures.inverse_of_minus_cube, fixtures.slope_of_minus_cube),
    (grid(4), Normal(-1.0, 2.0).log_prob, fixtures.inverse_of_3_minus_2x, fixtures.slope_of_3_minus_2x),
    (torch.tensor([3e-13, 2e-7, 1e-5, 0.5, 4.0]), Normal(0.5, 0.6).log_prob, torch.log, torch.exp),  # tiny slopes, p is 0 in float64 too
]
MISTAKES = """
sign: the slope of g enters with the wrong sign. Where g stretches, is the density of y thicker or thinner?
    - log -> + log
slope left out: only the point is carried over. Where g stretches, the same probability is spread over more room: what is missing?
    - log ->
slope at y: the slope is taken at y. It is the slope of g, and g is applied to x.
    slope(x) -> slope(y)
base density at y: log p is asked at y. It is the density of x: where did this y come from?
    log_p(x) -> log_p(y)
never inverted: `inverse` has no effect: both p and the slope belong to x, and y is what came out of g.
    inverse(y) -> y ; - log -> {- log|+ log|}
absolute value forgotten: right where g rises, NaN where it falls: a negative slope has no logarithm. Turning the line round does not thin
    the density.
    .abs() ->
negative slopes clamped: a negative slope is clamped to a tiny number. It is not small: it stretches as a positive one does. What counts is
    its size.
    .abs() -> .clamp(min=1e-{8|2|3|4|5|6|7|9|10|11|12})
absolute value after the log: NaN where g falls: the absolute value comes after the logarithm. The slope needs it, and its logarithm must
    keep its sign.
    .abs().log() -> .log().abs()
absolute value of the log: the absolute value is taken of the logarithm too. A slope below 1 squeezes, and its logarithm must stay negative.
    .log() -> .log().abs()
slope padded: off where the slope is tiny: something is added to it, or it is kept above a margin. It is never 0, so it needs neither.
    .abs() -> .{abs().add|add|abs().clamp}(1e-{8|2|3|4|5|6|7|9|10|11|12}).abs()
slope without log: the slope is subtracted as it is. Densities are divided by it: what becomes of a division among logarithms?
    .abs().log() -> {.abs()|}
slope squared: the square of the slope stands for its absolute value, so that its logarithm counts twice.
    .abs() -> .square()
log density divided: the log density is divided (or multiplied) by the slope. The density is divided: for its logarithm that is a
    difference.
    - log -> {/ slope(x).abs()|* slope(x).abs()|/ slope(x)|* slope(x)|/ log}
log of log p: NaN where p is below 1: a logarithm is taken of log_p, which is one already.
    return log_p(x) -> return log_p(x).log()
density, then log: right where p is large. In its far tail the density is 0 on a computer, and its logarithm infinite: stay with logarithms.
    log_p(x) - log -> (log_p(x){.float()|}.exp() / slope(x).abs()).log()
density: this is the density. Its logarithm is asked for.
    log_p(x) - log -> (log_p(x) - log).exp()
negative: minus the right value: that is a loss. The log density itself is asked for.
    log_p(x) - log -> log - log_p(x)
bits: log p comes in nats, so the logarithm of the slope has to be in nats too, and nothing is divided by log 2.
    log_p(x) - log -> {(log_p(x) - log) / math.log(2)|log_p(x) - log / math.log(2)|log_p(x) - log / math.log(10)}
one number: one number for all points. Each point has a log density of its own.
    log_p(x) - log -> (log_p(x) - log).{sum|mean}()
"""
LOG_DENSITY = Task(log_density, truth, cases=CASES, mistakes=MISTAKES)
