"""Exercise 04, task 3b: the likelihood."""

import math

import torch
from torch.distributions import Independent, Normal

from course_lib.grading import Task, grid
from course_lib.grading.fixtures import far_out


def log_likelihood(z, log_dets):
    constant = math.log(2 * math.pi) / 2
    squares = z.square() / 2
    base = (-squares - constant).sum(1)
    volume = log_dets.sum(0)
    return base + volume


def truth(z, log_dets):
    return Independent(Normal(torch.zeros_like(z), torch.ones_like(z)), 1).log_prob(z) + log_dets.sum(0)


CASES = [
    (grid(3, 4), grid(2, 3) * 3),
    (grid(4, 1), grid(1, 4) * 2),
    (far_out(3, 784), grid(2, 3)),
    (grid(1, 3).double(), grid(2, 1).double()),
]
MISTAKES = """
product, then log: right for a few entries near 0. Far out, or in many dimensions, the density is 0 on a computer: take the logarithm of
    each factor on paper.
    .sum(1) -> .float().exp().{prod(1).log()|log().sum(1)}
log-dets subtracted: the log-dets are subtracted. They are those of x → z: where that stretches, points of x lie closer together than those
    of z.
    + volume -> - volume
base left out: this is the log-det alone. The density of z, where the examples have arrived, belongs to it.
    base + volume -> volume
log-dets left out: the log-dets are left out: this is the density of z, not of x.
    + volume ->
one log-det alone: one layer's log-det alone. Every layer counts.
    log_dets.sum(0) -> log_dets[{-1|0}]
half of the log-dets: the log-dets count half. The ½ belongs to the normal density alone: where do its brackets end?
    + volume -> {+|-} volume / 2
log-dets averaged: the log-dets are averaged over the layers. The stretching of one layer comes on top of that of the others.
    log_dets.sum(0) -> log_dets.mean(0)
log-dets multiplied: the log-dets are multiplied. They are logarithms.
    log_dets.sum(0) -> log_dets.prod(0)
log of the log-dets: a logarithm is taken of the log-dets, which are logarithms already.
    log_dets.sum(0) -> log_dets.{abs().|}log().sum(0)
exp of the log-dets: exp is taken of the log-dets. A log density is asked for, so they stay the logarithms that they are.
    log_dets.sum(0) -> log_dets.{exp().sum(0)|sum(0).exp()}
log-dets of the whole batch: every example gets the log-dets of the whole batch. Which axis of log_dets counts the layers?
    log_dets.sum(0) -> log_dets.{sum|mean}()
constant left out: too large by the same amount everywhere: the constant of the normal density is missing. To train it makes no difference,
    to compare two models it does.
    - constant ->
constant once: the constant of the normal density is there once. Each of the D entries has one.
    - constant).sum(1) -> ).sum(1) - {constant|2 * constant}
batch for D: the constant is counted once for each example of the batch. It is needed once for each of the D entries.
    - constant).sum(1) -> ).sum(1) - constant * len(z)
layers for D: the constant is counted once for each layer. It is needed once for each of the D entries.
    - constant).sum(1) -> ).sum(1) - constant * len(log_dets)
constant without log: the root of 2π is subtracted as it is. The density is divided by it: what becomes of that among logarithms?
    math.log(2 * math.pi) / 2 -> {math.sqrt(2 * math.pi)|math.pi}
constant in another base: the logarithm of 2π has another base, 10 or 2. Natural ones are asked for.
    math.log(2 -> math.log{10|2}(2
bracket of the constant: the constant is off: log(2)·π stands where log(2π) belongs.
    math.log(2 * math.pi) / 2 -> math.log({2) * math.pi / 2|2) * math.pi|0.5 * 2 * math.pi)}
constant doubled: the constant is twice too large: the density of one entry has the root of 2π below it.
    math.pi) / 2 -> math.pi)
sign of the constant: the constant has the wrong sign: the density is divided by the root of 2π.
    - constant -> + constant
half left out: the squares count twice too much: the exponent of a normal density has a half.
    z.square() / 2 -> z.square()
half squared too: the factor −½ is squared with z. Square z first, then multiply.
    -squares -> {|-}(z / 2).square()
sign of the square: a z far from 0 counts as likely. The exponent of a normal density is negative.
    -squares -> squares
length, not its square: the length of z stands where its square belongs.
    (-squares - constant).sum(1) -> -z.{norm(dim=1)|abs().sum(1)} / 2 - constant * z.shape[1]
summed, then squared: the entries of z are added up before they are squared. Each entry has a density, and a square, of its own.
    (-squares - constant).sum(1) -> -z.sum(1).square() / 2 - constant * z.shape[1]
base averaged: the log densities of the entries are averaged. They are independent: their logs add up.
    .sum(1) -> .mean({1|})
base of the whole batch: every example gets the log density of the whole batch. Sum over the entries of each alone: which axis is that?
    .sum(1) -> .sum()
one for each entry: a number for each entry of z. The log densities of the entries of an example add up.
    .sum(1) -> ; + volume -> + volume[:, None]
one for each layer: a number for each layer. The log-dets of the layers add up: which axis of log_dets counts them?
    log_dets.sum(0) -> log_dets
divided by D: a mean over the entries. The likelihood belongs to the whole example: its logarithm is a sum.
    base + volume -> (base + volume) / z.shape[1]
    .sum(1) -> .mean(1) ; log_dets.sum(0) -> log_dets.mean(0)
density: this is the density. Its logarithm is asked for.
    base + volume -> (base + volume).exp()
loss: minus the right value. It is a good loss, but here the log-likelihood is asked for.
    base + volume -> -base - volume
one number: one number for the batch. Each example has its own.
    base + volume -> {(base + volume).mean()|(-base - volume).mean()|(base + volume).sum()}
bits: right in bits. Nats are asked for.
    base + volume -> (base + volume) / math.log(2){| / z.shape[1]}
"""
LIKELIHOOD = Task(log_likelihood, truth, cases=CASES, mistakes=MISTAKES, gradient=True)
