"""Exercise 02, task 4: the importance-weighted bound."""

import math

import torch
from scipy.special import logsumexp

from course_lib.grading import Task, grid

# two images, hundreds of nats apart; the samples of the first are, too
FAR = torch.tensor([[-1900.0, -6.0], [-1000.0, -5.0], [-1700.0, -4.0]])


def iwae_bound(log_likelihood, log_prior, log_posterior):
    log_weights = log_likelihood + log_prior - log_posterior
    total = torch.logsumexp(log_weights, 0)
    return total - math.log(len(log_weights))


def truth(log_likelihood, log_prior, log_posterior):
    return torch.from_numpy(logsumexp(log_likelihood + log_prior - log_posterior, axis=0, b=1 / len(log_prior)))


IWAE_BOUND = Task(
    iwae_bound,
    truth,
    cases=[
        (grid(5, 3), grid(5, 3).flip(0) - 1, grid(5, 3).sin()),
        (grid(4, 2) * 3 - 1000, grid(4, 2).cos() - 9, grid(4, 2).flip(1)),
        (FAR, grid(3, 2), grid(3, 2).flip(0)),
        (grid(4, 1).double(), grid(4, 1).double().cos(), grid(4, 1).double().sin()),
    ],
    mistakes="""
mean of the logs: the mean of the logs is the ELBO again. Here the mean comes before the log.
    total - math.log(len(log_weights)) -> log_weights.mean(0)
log k forgotten: too large by log k: the log of the sum of the weights. The bound takes their mean.
    - math.log(len(log_weights)) ->
log k added: too large by 2 log k: the log of k has the wrong sign. Dividing by k inside a log is what outside it?
    total - -> total +
log of the batch: the sum is divided by the number of images. The mean is over the k samples: which axis is theirs?
    len(log_weights) -> log_weights.shape[1]
divided by k after the log: the division by k happens after the log. Inside the log it would be a mean: what is it outside?
    - math.log(len(log_weights)) -> / len(log_weights)
underflow: right for moderate weights, but −∞ at log weights near −1000: exp underflows to 0. Keep the largest one out of the exp.
    torch.logsumexp(log_weights, 0) -> log_weights.float().exp().sum(0).log()
a small number in the log: the number added inside the log hides the −∞, but unlikely images get its log. Keep the largest weight out of the exp.
    total - math.log(len(log_weights)) -> (log_weights.float().exp().mean(0) + 1e-{8|3|4|5|6|7|9|10|12|15|20|30}).log()
one largest for the batch: right for images of like likelihood, −∞ for one far below the others: its largest log weight is that of the whole batch.
    torch.logsumexp(log_weights, 0) -> (log_weights - log_weights.max()).exp().sum(0).log() + log_weights.max()
largest not added back: the largest log weight is taken out of the exp, but not given back after the log.
    torch.logsumexp(log_weights, 0) -> (log_weights - log_weights.amax(0)).exp().sum(0).log()
wrong axis: reduced over the batch. The first axis holds the k samples.
    (log_weights, 0) -> (log_weights, 1) ; len(log_weights) -> {log_weights.shape[1]|len(log_weights)}
posterior multiplied: q multiplies here. An importance weight divides by the proposal.
    - log_posterior -> + log_posterior
posterior left out: the weights lack q, from which the samples came.
    - log_posterior ->
prior left out: the weights lack p(z): the joint is likelihood times prior.
    + log_prior ->
prior and posterior swapped: p(z) and q(z | x) have changed places: the proposal belongs in the denominator.
    + log_prior - log_posterior -> - log_prior + log_posterior
likelihood alone: the likelihoods alone are averaged, as if z came from the prior. It came from q: the weights must say so.
    + log_prior - log_posterior ->
three sums: the three densities are averaged one by one. First form the weight of each sample, then average.
    torch.logsumexp(log_weights, 0) -> log_likelihood.logsumexp(0) + log_prior.logsumexp(0) - log_posterior.logsumexp(0)
largest weight: this is the largest log weight alone. The others count too.
    total - math.log(len(log_weights)) -> log_weights.amax(0)
""",
)
