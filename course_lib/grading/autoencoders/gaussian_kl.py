"""Exercise 02, task 2b: the KL divergence of a diagonal Gaussian from N(0, I)."""

import torch
from torch.distributions import Normal, kl_divergence

from course_lib.grading import Task, grid


def gaussian_kl(mean, log_var):
    each = 0.5 * (mean**2 + log_var.exp() - 1 - log_var)
    return each.sum(1)


def truth(mean, log_var):
    return kl_divergence(Normal(mean, (0.5 * log_var).exp()), Normal(torch.zeros_like(mean), torch.ones_like(mean))).sum(1)


GAUSSIAN_KL = Task(
    gaussian_kl,
    truth,
    cases=[(grid(4, 3), grid(4, 3).flip(0)), (grid(1, 5).double(), grid(1, 5).double() ** 2), (grid(2, 2).cos(), 8 * grid(2, 2))],
    gradient=True,
    mistakes="""
lost half: exactly twice too large. Which factor stands in front of the closed form?
    0.5 * ->
mean over latents: independent dimensions add up. Look at how you reduce over the last axis.
    .sum(1) -> .mean(1)
sign: negative. A KL divergence never is: check the sign of the whole expression.
    0.5 * -> -0.5 *
σ for log σ²: right if the second argument were log σ. It is log σ².
    log_var.exp() - 1 - log_var -> (2 * log_var).exp() - 1 - 2 * log_var
σ for σ²: σ stands where σ² belongs. The second argument is log σ²: what undoes a log?
    log_var.exp() -> (0.5 * log_var).exp()
log σ² squared: log_var is squared where σ² belongs. It holds log σ²: what undoes a log?
    log_var.exp() -> log_var**2
summed over the batch: one number for the whole batch; one per example is asked for.
    .sum(1) -> .sum()
averaged over the batch: the mean over the batch; one number per example is asked for.
    .sum(1) -> .sum(1).mean()
summed over axis 0: one number for each latent: axis 0 is the batch. One per example is asked for.
    .sum(1) -> .sum(0)
μ not squared: the mean is not squared: a cloud on the other side of 0 would be paid for being there.
    mean**2 -> mean
μ² left out: the mean has no effect. A cloud far from 0 is unlike the prior.
    mean**2 + ->
σ² left out: σ² is not there, so a wide cloud costs less and less. Four terms stand in the bracket.
    + log_var.exp() ->
log σ² left out: the log is not there, so the narrowest cloud would be the cheapest. Four terms stand in the bracket.
    - 1 - log_var -> - 1
½ before μ² alone: the ½ reaches the first term only. Look at the brackets.
    0.5 * (mean**2 -> (0.5 * mean**2
−1 outside the sum: the 1 is taken away once. It stands inside the sum: once for each latent.
    - 1 - -> - ; .sum(1) -> .sum(1) - {0.5|1}
+1 for −1: too large by the number of latents. At μ = 0 and σ = 1 the KL must be 0: look at the sign of the constant.
    - 1 - -> + 1 -
lost −1: too large by the same amount for every example. At μ = 0 and σ = 1 the KL must be 0: which constant is missing?
    - 1 - -> -
sign of log σ²: as if log σ² were added. Its sign decides whether narrow clouds cost something.
    - 1 - -> - 1 +
directions swapped: this is the KL from the prior to the posterior. The posterior comes first.
    mean**2 + log_var.exp() - 1 - log_var -> (mean**2 + 1) * (-log_var).exp() - 1 + log_var
""",
)
