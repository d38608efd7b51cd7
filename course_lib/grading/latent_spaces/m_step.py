"""Exercise 01, task 3b: the M step of a mixture of Gaussians."""

import numpy as np
import torch

from course_lib.grading import Task, grid


def m_step(x, r):
    n, k = r.shape
    points = r.sum(0)[:, None]
    means = r.T @ x / points
    squared = (x[:, None] - means) ** 2
    variances = (r[:, :, None] * squared).sum(0) / points
    weights = r.sum(0) / n
    return weights, means, variances


def truth(x, r):
    x, columns = x.numpy(), r.T.numpy()
    means = np.stack([np.average(x, axis=0, weights=column) for column in columns])
    variances = np.stack([np.diag(np.cov(x.T, aweights=column, ddof=0)) for column in columns])
    return tuple(map(torch.from_numpy, (columns.mean(1), means, variances)))


def shared(n, k):
    """Responsibilities: every component has some points to itself, none exactly one."""
    return (2 * torch.eye(k)[torch.arange(n) % k] + grid(n, k).exp().sin()).softmax(1)


RARE = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.05, 0.15, 0.8], [0.02, 0.9, 0.08]])  # the first has less than one


M_STEP = Task(
    m_step,
    truth,
    cases=[(grid(7, 2).exp().sin() * 2, shared(7, 3)), (grid(4, 2).square() * torch.tensor([1.0, 0.0]), RARE)],
    results=("weights", "means", "variances"),
    mistakes="""
divided by n: means or variances are divided by the number of all points. How many of them belong to this component?
    @ x / points -> @ x / n ; .sum(0) / points -> .sum(0) / {n|points}
    .sum(0) / points -> .sum(0) / n
    weights, means, -> weights, means * points / n, ; .sum(0) / points -> .sum(0) / {points|n}
weights not divided: the weights are numbers of points, or divided by another number than n. They should add up to 1.
    r.sum(0) / n -> r.sum(0){| / k| / n / k}
standard deviations: standard deviations are returned. Variances are asked for.
    .sum(0) / points -> .sum(0).div(points).sqrt()
not centred: the variance is the mean square, measured from 0. Measure it from the component's mean.
    x[:, None] - means -> x[:, None]
about the mean of all: each variance is measured from the mean of all points. Each component has its own mean.
    x[:, None] - means -> x[:, None] - x.mean(0)
absolute deviations: the deviations are not squared.
    (x[:, None] - means) ** 2 -> (x[:, None] - means).abs()
responsibilities squared: in the variances each responsibility counts twice: is it inside the square too?
    r[:, :, None] * -> r[:, :, None] ** 2 *
the nearest takes all: each point counts for one component alone, as in k-means. EM shares it out.
    n, k = r.shape -> n, k = r.shape; r = (r == r.amax(1, keepdim=True)).to(r)
    weights = r.sum(0) -> weights = (r == r.amax(1, keepdim=True)).to(r).sum(0)
responsibilities ignored: every component gets the mean or the variance of all points. Weigh the points by their responsibilities.
    means, variances -> {x.mean(0).expand(k, -1)|means}, x.var(0, correction={0|1}).expand(k, -1)
    means, variances -> x.mean(0).expand(k, -1), variances
    r.T @ x / points -> x.mean(0).expand(k, -1)
N_k − 1: the variances are divided by one less than the component's share. EM maximises the likelihood: no correction.
    .sum(0) / points -> .sum(0) / (points - 1)
one variance for all dimensions: each component has one variance for all its dimensions. Each dimension has its own.
    .sum(0) / points -> .sum(0).mean(1, keepdim=True).expand_as(means) / points
equal weights: the weights are all equal, whatever the responsibilities say.
    r.sum(0) / n -> torch.full_like(r[0], 1 / k)
sums, not means: means or variances are sums over the points. By what are they to be divided?
    weights, means, -> weights, means * points, ; .sum(0) / points -> .sum(0){| / points}
    .sum(0) / points -> .sum(0)
    @ x / points -> @ x ; (r[:, :, None] * squared).sum(0) / points -> r.T @ x**2 - means**2
    @ x / points -> @ x ; .sum(0) / points -> .sum(0){ / points|}
in another order: the right numbers in another order: the weights are asked for first, then the means, then the variances.
    weights, means, variances -> {variances, means, weights|means, variances, weights}
squares not weighed: the means are weighed, but in the variances every point counts alike: a far point that belongs elsewhere makes a cloud wide.
    (r[:, :, None] * squared).sum(0) / points -> squared.{mean(0)|sum(0) / points}
a little added: a little is added to every variance. The formula has no such term; the loop below adds it.
    .sum(0) / points -> .sum(0) / points + 1e-{3|1|2|4}
""",
)
