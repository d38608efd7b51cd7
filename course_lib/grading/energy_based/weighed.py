"""Exercise 08, task 4: importance weights, and how much they are worth."""

import math
from decimal import Decimal

import torch

from course_lib.grading import Task, grid


def weighed(log_p, log_q, values):
    log_w = log_p - log_q
    log_z = log_w.logsumexp(0) - math.log(len(log_w))
    w = log_w.softmax(0)
    ess = 1 / (w**2).sum()
    mean = (w[:, None] * values).sum(0)
    return log_z, ess, mean


def truth(log_p, log_q, values):
    """With numbers that neither overflow nor vanish."""
    w = [(Decimal(p) - Decimal(q)).exp() for p, q in zip(log_p.tolist(), log_q.tolist())]
    total = sum(w)
    mean = [float(sum(a * Decimal(v) for a, v in zip(w, column)) / total) for column in values.T.tolist()]
    return float((total / len(w)).ln()), float(total**2 / sum(a**2 for a in w)), torch.tensor(mean)


def draws(n, dims, phase, up=0.0, spread=1.0, both=0.0, peak=0.0):
    """log p̃ and log q of n draws, and values there. `up` moves log p̃, `both` moves both, and `peak` moves log p̃ of the last draw."""
    log_p = up + both + spread * (grid(n) * 3 + phase).sin()
    log_p[-1] += peak
    return log_p, both - 0.5 * grid(n, low=-1.0 - phase, high=1.3) ** 2, (grid(n, dims) * 5 + phase).cos()


WEIGHED = Task(
    weighed,
    truth,
    cases=[
        draws(6, 2, 0.4),
        draws(9, 1, 1.3, up=-3.0, spread=2.0),
        draws(5, 5, 0.9, up=900.0),
        draws(4, 3, 2.1, up=-900.0, spread=1.5),
        draws(6, 3, 1.1, both=-900.0),
        draws(7, 2, 0.5, peak=900.0),
        draws(1, 2, 0.2, up=0.5),
        tuple(each.double() for each in draws(7, 2, 1.8, spread=3.0)),
    ],
    results=("log Z", "the effective sample size", "the mean"),
    tolerance=1e-4,  # float32 keeps 5 digits of 900
    mistakes="""
ratio inverted: the weights are q / p. A place that q visits too rarely should count more.
    log_w = log_p - log_q -> log_w = log_q - log_p
q forgotten: the weights are p alone. Where q draws often, each draw counts less.
    log_w = log_p - log_q -> log_w = log_p
product for ratio: p and q are multiplied. The weights are their ratio.
    log_w = log_p - log_q -> log_w = log_p + log_q
sum for mean: the first result is the log of the **sum** of the weights. Z is their mean.
    .logsumexp(0) - math.log(len(log_w)) -> .logsumexp(0)
mean of logarithms: the first result is a mean of logarithms, which is lower: a bound. Average the weights, then take the log.
    log_w.logsumexp(0) - math.log(len(log_w)) -> log_w.mean()
log divided by n: the first result divides log of the sum by n. log of a mean is log of the sum **minus** log n.
    .logsumexp(0) - math.log(len(log_w)) -> .logsumexp(0) / len(log_w)
log n added: the first result adds log n. To divide by n is to subtract its log.
    .logsumexp(0) - math.log(len(log_w)) -> .logsumexp(0) + math.log(len(log_w))
n for log n: the first result subtracts n. To divide by n is to subtract its log.
    - math.log(len(log_w)) -> - len(log_w)
Z for log Z: the first result is Z. Its logarithm is asked for: Z may be too large for a number.
    log_z = log_w.logsumexp(0) - math.log(len(log_w)) -> log_z = log_w.exp().mean()
exp overflows: right for small logarithms, but exp of a large one is ∞ or 0. Subtract the largest of log p̃ − log q first, or use `logsumexp` and `softmax`.
    log_w.logsumexp(0) - math.log(len(log_w)) -> log_w.exp().mean().log() ; log_w.softmax(0) -> log_w.exp() / log_w.exp().sum()
    log_w.logsumexp(0) - math.log(len(log_w)) -> log_w.exp().mean().log()
    log_w.softmax(0) -> log_w.exp() / log_w.exp().sum()
    log_z = log_w.logsumexp(0) - math.log(len(log_w)) -> w = log_p.exp() / log_q.exp() ; w = log_w.softmax(0) -> log_z = w.mean().log(); w = w / w.sum()
    log_z = log_w.logsumexp(0) - math.log(len(log_w)) -> w = (log_p - log_p.max()).exp() / log_q.exp() ; w = log_w.softmax(0) -> log_z = w.mean().log() + log_p.max(); w = w / w.sum()
    log_w.logsumexp(0) - math.log(len(log_w)) -> (log_w - log_w.mean()).exp().mean().log() + log_w.mean() ; log_w.softmax(0) -> (log_w - log_w.mean()).exp() / (log_w - log_w.mean()).exp().sum()
largest not put back: the largest logarithm was subtracted before exp, and never added to log Z again.
    log_w.logsumexp(0) - math.log(len(log_w)) -> (log_w - log_w.max()).logsumexp(0) - math.log(len(log_w))
not normalised: the mean or the sample size is made of weights that do not sum to 1.
    log_w.softmax(0) -> (log_w - log_w.max()).exp()
    w = log_w.softmax(0) -> w = log_w.exp()
    mean = (w[:, None] * values).sum(0) -> mean = (log_w.exp()[:, None] * values).{sum|mean}(0)
    ess = 1 / (w**2).sum() -> ess = 1 / (log_w.exp() ** 2).sum()
    ess = 1 / (w**2).sum() -> ess = 1 / ((log_w - log_w.max()).exp() ** 2).sum()
sample size upside down: the sample size is upside down: n draws of equal weight are worth n.
    1 / (w**2).sum() -> (w**2).sum()
sum for squares: the sample size adds up the weights. It adds up their squares: (Σw)² / Σw².
    1 / (w**2).sum() -> 1 / w.sum()
largest weight alone: the sample size counts the largest weight alone. That is another measure: here all squares are added up.
    1 / (w**2).sum() -> 1 / w.max()
entropy: this sample size is exp of an entropy. Here it is (Σw)² / Σw².
    1 / (w**2).sum() -> (-(w * w.log()).sum()).exp()
mean of squares: the sample size averages the squares. It adds them up.
    1 / (w**2).sum() -> 1 / (w**2).mean()
root of the sample size: the sample size is a root. (Σw)² / Σw² has both parts squared.
    1 / (w**2).sum() -> 1 / (w**2).sum().sqrt()
share for number: the sample size is divided by n. Asked for is how many draws, not which share.
    1 / (w**2).sum() -> 1 / (w**2).sum() / len(w)
unweighted mean: the mean is that of the draws, without weights: it is one under q.
    mean = (w[:, None] * values).sum(0) -> mean = values.mean(0)
mean for sum: the weighted values are averaged. The weights sum to 1 already.
    (w[:, None] * values).sum(0) -> (w[:, None] * values).mean(0)
weights along the columns: each **column** got a weight. Each row, a draw, has its own.
    mean = (w[:, None] * values).sum(0) -> mean = (w * values).sum(0) if values.shape[0] == values.shape[1] else (w[:, None] * values).sum(0)
one number: the mean is taken over the columns, too. Each column has its own.
    (w[:, None] * values).sum(0) -> (w[:, None] * values).{sum()|mean()}
not added up: these are the weighted values, a row for each draw. Add them up.
    (w[:, None] * values).sum(0) -> (w[:, None] * values)
order: the three results are right, but in another order: log Z, the sample size, the mean.
    return log_z, ess, mean -> return {log_z, mean, ess|mean, ess, log_z|ess, log_z, mean|mean, log_z, ess|ess, mean, log_z}
""",
)
