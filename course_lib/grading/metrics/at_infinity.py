"""Exercise 07, task 5a: FID at infinity."""

import math

import numpy as np

from course_lib.grading import Task
from course_lib.grading.metrics.shared import numbers


def at_infinity(sizes, values, below):
    def line(x, y):
        dx, dy = x - x.mean(), y - y.mean()
        slope = (dx * dy).sum() / dx.square().sum()
        return y.mean() - slope * x.mean(), slope

    x = 1 / sizes
    limit, c = line(x, values)
    needed = math.ceil(c / below)
    return limit, needed


def truth(sizes, values, below):
    c, limit = np.polyfit(1 / sizes.numpy(), values.numpy(), 1)
    return limit, math.ceil(c / below)


LIMIT = Task(
    at_infinity,
    truth,
    results=("FID∞", "N"),
    cases=[  # `below` is above FID∞ in all: a search for the N at which FID itself falls to it must come to an end
        (numbers(100.0, 200.0, 400.0, 1600.0, 800.0), numbers(9.1, 5.9, 4.4, 3.4, 3.2), 3.5),
        (numbers(2000.0, 250.0, 500.0), numbers(1.62, 4.9, 2.71), 1.5),
        (numbers(60.0, 120.0, 90.0, 400.0, 1000.0), numbers(2.7, 1.2, 1.8, 0.4, 0.1), 0.01),
    ],
    mistakes="""
line in N: the line is drawn against N, and 0 there means no samples. Against what is FID a straight line, and where is infinity?
    {1 / sizes -> sizes|return limit -> return line(sizes, values)[0]|1 / sizes -> sizes ; c / below -> -c / below}
line in log N: the line is drawn against the logarithm of N. Against that it has no limit.
    1 / sizes -> {sizes.log()|sizes.log10()|-sizes.log()}
    return limit -> return line(sizes.log(), values)[0]
line in 1/√N: the line is drawn against 1/√N. So fall standard errors, but this is a bias.
    1 / sizes -> sizes**-0.5 ; c / below -> {c / below|(c / below) ** 2}
    return limit -> return line(sizes**-0.5, values)[0]
line in 1/N²: the line is drawn against 1/N². The bias does not fall so fast.
    1 / sizes -> 1 / sizes**2 ; c / below -> {c / below|(c / below) ** 0.5}
    return limit -> return line(1 / sizes**2, values)[0]
largest N: this is the value of the largest N. It is the least biased, but biased all the same.
    return limit -> return values{[sizes.argmax()]|.min()}
last value: this is the last value of the list. It is biased like all of them, and the list need not be sorted.
    return limit -> return values[-1]
mean of the values: the values are averaged, so the biases are averaged with them.
    return limit -> return values.mean()
slope for intercept: you return the slope as FID∞. Which of the two is the value at 1/N = 0?
    return limit, needed -> return c, {needed|limit}
    limit, c = line -> c, limit = line
through the origin: the line goes through the origin, as if FID∞ were 0. It has a free intercept.
    {line(x, values) -> (0.0, (x * values).sum() / (x * x).sum())|c / below -> (x * values).sum() / (x * x).sum() / below}
two points: the line goes through the smallest and the largest N only. All values count: least squares.
    line(x, values) -> line(x[i], values[i]) ; limit, c = -> i = {[int(x.argmax()), int(x.argmin())]|[0, -1]}; limit, c =
axes exchanged: 1/N is fitted as a function of FID. The errors are in FID, so it is FID that should be fitted.
    line(x, values) -> line(values, x) ; needed = -> limit, c = -limit / c, 1 / c; needed =
rounded down: FID∞ is right, but N is not rounded up: there the bias is still a little above what is allowed.
    math.ceil(c / below) -> {math.floor(c / below)|round(float(c) / below)}
not rounded: FID∞ is right, but N is no whole number.
    math.ceil(c / below) -> c / below
c for N: FID∞ is right, but c is returned in the place of N. For which N is c/N small enough?
    math.ceil(c / below) -> {c|math.ceil(c)}
upside down: FID∞ is right, but the quotient for N is upside down: a smaller bias should need more samples.
    c / below -> below / c
FID at most `below`: FID∞ is right, but at your N it is FID itself that has come down to `below`. Only the bias c/N should: FID∞ is no part of it.
    c / below -> c / (below - limit)
FID for its bias: FID∞ is right, but N is no answer to the question: the bias is the distance to FID∞, and it alone should be small.
    c / below -> {c / (below + limit)|(c + limit) / below|limit / below}
relative bias: FID∞ is right, but N is for a share of FID∞. `below` is in the units of FID.
    c / below -> c / (below * limit)
order: FID∞ and N are exchanged.
    return limit, needed -> return needed, limit
held above 0: a FID∞ below 0 is cut off. Where the truth is 0, an estimate without bias falls on both sides of it.
    return limit -> return {limit.clamp(min=0)|abs(limit)}
""",
)
