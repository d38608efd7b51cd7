"""Exercise 06, task 2: the posterior."""

import torch

from course_lib.grading import Task, grid

CHAIN = torch.tensor([1.0, 0.93, 0.78, 0.55, 0.3, 0.12, 0.03])


def posterior(x, x_t, alpha_bar, s, t):
    bar_s, bar_t = alpha_bar[s], alpha_bar[t]
    r, left = bar_t / bar_s, 1 - bar_t
    of_t = r.sqrt() * (1 - bar_s) / left
    of_x = bar_s.sqrt() * (1 - r) / left
    variance = (1 - r) * (1 - bar_s) / left
    return of_t * x_t + of_x * x, variance


def given_both(s, t):
    """x_s and x_t, given x₀, are jointly Gaussian: the slope of the mean of x_s in x_t, and the variance left, from ᾱ_s and ᾱ_t."""
    covariance = torch.sqrt(t / s) * (1 - s)
    return covariance / (1 - t), (1 - s) - covariance.square() / (1 - t)


def truth(x, x_t, alpha_bar, s, t):
    slope, variance = given_both(alpha_bar[s], alpha_bar[t])
    return alpha_bar[s].sqrt() * x + slope * (x_t - alpha_bar[t].sqrt() * x), variance


POSTERIOR = Task(
    posterior,
    truth,
    results=("mean", "variance"),
    cases=[
        (grid(3, 2), (2 * grid(3, 2)).cos(), CHAIN, 3, 4),
        (grid(2, 1, 2, 2), (4 * grid(2, 1, 2, 2)).sin(), CHAIN, 2, 5),
        (grid(4, 3).sin(), grid(4, 3), CHAIN, 0, 1),
        (grid(2, 3), grid(2, 3).flip(0).cos(), CHAIN, 1, 6),
    ],
    mistakes="""
β of a single step: right for s = t − 1. With steps left out, the noise of the single step at t is not all that came since s.
    bar_t / bar_s -> {bar_t / alpha_bar[t - 1]|alpha_bar[s + 1] / bar_s|bar_t / alpha_bar[t - 1] ; r.sqrt() -> (bar_t / bar_s).sqrt()}
s taken as t − 1: right for s = t − 1: s plays no part. Some steps may be left out, so s can be any time before t.
    alpha_bar[s] -> alpha_bar[t - 1]
off by one: off by one: the table starts at t = 0, with ᾱ = 1, so ᾱ of time t stands at place t.
    [t] -> [t - 1]
    [s], alpha_bar[t] -> {[s - 1], alpha_bar[t]|[s + 1], alpha_bar[t]|[max(s - 1, 0)], alpha_bar[t]|[s - 1], alpha_bar[t - 1]}
    [s], alpha_bar[t] -> [max(s - 1, 0)], alpha_bar[t - 1]
s and t exchanged: s and t are exchanged. s is the earlier time, with less noise; the ratio of ᾱ between them is below 1.
    alpha_bar[s], alpha_bar[t] -> alpha_bar[t], alpha_bar[s]
weights exchanged: the weights of x and x_t are exchanged. At s = 0 the mean must be x, whatever x_t says.
    of_t * x_t + of_x * x -> of_t * x + of_x * x_t
variance of the step: the mean is right, but the variance is that of the noise between s and t. Knowing x makes it smaller, and 0 at s = 0.
    (1 - r) * (1 - bar_s) / left -> 1 - r
variance of x_s: the mean is right, but this is the variance of x_s given x alone. x_t tells about it too.
    (1 - r) * (1 - bar_s) / left -> {1 - bar_s|(1 - bar_s) / left|left}
standard deviation: the mean is right, but this is the standard deviation. The variance is asked for.
    x, variance -> x, variance.sqrt()
log-variance: the mean is right, but this is the logarithm of the variance, and −∞ at s = 0. The variance is asked for.
    x, variance -> x, variance{|.clamp(min=1e-20)|.clamp(min=1e-12)|.clamp(min=1e-10)|.clamp(min=1e-8)|.clamp(min=1e-6)}.log()
roots left out: the variance is right, but in the mean ᾱ stands where its root belongs.
    {r.sqrt() -> r ; bar_s.sqrt() -> bar_s|r.sqrt() -> r|bar_s.sqrt() -> bar_s}
½ outside the power: powers come before divisions: `a**1/2` is half of a. The root is `a**(1/2)`, or `a**0.5`.
    {r.sqrt() -> r**1/2 ; bar_s.sqrt() -> bar_s**1/2|r.sqrt() -> r**1/2|bar_s.sqrt() -> bar_s**1/2}
a difference of the two: the variance is right, but the two parts of the mean are subtracted. Both pull x_s towards them: add them.
    of_t * x_t + of_x * x -> {of_t * x_t - of_x * x|of_x * x - of_t * x_t}
r for 1 − r: the variance is right, but x has the weight r where 1 − r belongs: the more noise the step brings, the more x must say.
    bar_s.sqrt() * (1 - r) -> bar_s.sqrt() * r
ratio of the noises: r is taken as a quotient of two 1 − ᾱ. It is the share of the data that survives from s to t: a quotient of two ᾱ.
    bar_t / bar_s -> {(1 - bar_s) / (1 - bar_t)|(1 - bar_t) / (1 - bar_s)}
roots of the noise: the variance is right, but in the mean 1 − ᾱ stands under a root. Only the factors of the data have one.
    r.sqrt() * (1 - bar_s) / left -> (r * (1 - bar_s) / left).sqrt() {; bar_s.sqrt() * (1 - r) / left -> (bar_s * (1 - r) / left).sqrt()|}
    {r.sqrt() * (1 - bar_s) -> (r * (1 - bar_s)).sqrt()|bar_s.sqrt() * (1 - r) -> (bar_s * (1 - r)).sqrt()}
not divided: a division by 1 − ᾱ_t is missing: both weights have it, and the variance.
    {, 1 - bar_t -> , 1|r.sqrt() * (1 - bar_s) / left -> r.sqrt() * (1 - bar_s)|(1 - r) / left -> (1 - r)}
    {r.sqrt() * (1 - bar_s) / left -> r.sqrt() * (1 - bar_s) ; (1 - r) / left -> (1 - r)|variance = (1 - r) -> variance = left * (1 - r)}
ratio upside down: r is upside down: it is a share, and cannot be above 1.
    bar_t / bar_s -> bar_s / bar_t
quotient upside down: a quotient of the two 1 − ᾱ is upside down: at s = 0 it becomes infinite.
    {(1 - r) * (1 - bar_s) / -> (1 - r) / (1 - bar_s) *|r.sqrt() * (1 - bar_s) / -> r.sqrt() / (1 - bar_s) *}
    r.sqrt() * (1 - bar_s) / -> r.sqrt() / (1 - bar_s) * ; (1 - r) * (1 - bar_s) / -> (1 - r) / (1 - bar_s) *
divided by the noise at s: in the mean something is divided by 1 − ᾱ_s, which is 0 at s = 0. Both weights have 1 − ᾱ_t below.
    (1 - r) / left -> (1 - r) / (1 - bar_s) {|; r.sqrt() * (1 - bar_s) / left -> r.sqrt()}
    (1 - r) / left -> (1 - r) / (1 - bar_s) ; r.sqrt() * (1 - bar_s) / left -> r.sqrt() {* (1 - bar_s) / (1 - bar_s)|/ (1 - bar_s) * left}
precisions at s = 0: right, except at s = 0: there 1 − ᾱ_s is 0, and a division by it ends in NaN. The task's formula divides by 1 − ᾱ_t alone.
    of_t * x_t + of_x * x, -> variance * (bar_s.sqrt() * x / (1 - bar_s) + r.sqrt() * x_t / (1 - r)),
    x, variance -> x{| + 0 / (1 - bar_s)}, variance / (1 - bar_s) * (1 - bar_s)
root of the ratio: r is taken as √(ᾱ_t/ᾱ_s). It is the ratio itself, and has a root in one place only, in the weight of x_t.
    bar_t / bar_s -> (bar_t / bar_s) ** 0.5 {|; r.sqrt() -> r}
product of the table: r is a product of entries of the table. Each ᾱ is such a product already, from the start on: divide two of them.
    bar_t / bar_s -> alpha_bar[{s + 1 : t + 1|s:t}].prod()
variance padded: the variance is kept from 0. At s = 0 it is 0, and nothing here divides by it.
    x, variance -> x, variance{.clamp(min=1e-3)|.clamp(min=1e-4)| + 1e-3| + 1e-4}
table changed: the right formula with another table: it holds ᾱ, and needs no root, square or product first.
    alpha_bar[s], alpha_bar[t] -> {alpha_bar.sqrt()[[s, t]]|(alpha_bar**2)[[s, t]]|alpha_bar.cumprod(0)[[s, t]]}
ratio forgotten: the whole way from 0 to t counts as the step. Divide out what happened before s.
    bar_t / bar_s -> {bar_t|bar_s|bar_t * bar_s}
difference for ratio: the noise of the step is taken as a difference of two ᾱ. Factors multiply along the chain, so it needs their ratio.
    bar_t / bar_s -> 1 - bar_s + bar_t
ᾱ for the earlier data: the variance is right, but the weight of x has the wrong ᾱ under its root. What is wanted is x_s: which share of it is data?
    bar_s.sqrt() -> {bar_t.sqrt()|r**0.5}
noise kept: this mean keeps all of the noise in x_t, as DDIM without new noise does. With this variance on top there would be too much.
    of_t * x_t + of_x * x -> bar_s.sqrt() * x + ((1 - bar_s) / left).sqrt() * (x_t - bar_t.sqrt() * x)
x_t left out: the mean is √ᾱ_s x: x_t plays no part. It tells where on its way the chain is.
    of_t * x_t + of_x * x -> bar_s.sqrt() * x
order: mean and variance are exchanged.
    of_t * x_t + of_x * x, variance -> variance, of_t * x_t + of_x * x
""",
)
