"""Exercise 02, task 2a: a sample made from noise."""

from course_lib.grading import Task, grid


def reparameterise(mean, log_var, noise):
    std = (0.5 * log_var).exp()
    return mean + std * noise


REPARAMETERISE = Task(
    reparameterise,
    cases=[
        (grid(4, 3), 6 * grid(4, 3).flip(0), grid(4, 3).sin()),
        (*(each.double() for each in (grid(1, 5), grid(1, 5) / 2, grid(1, 5).flip(1))),),
    ],
    gradient=True,
    mistakes="""
log σ² used as σ: right if the second argument were σ. It is log σ², which may be negative.
    std * -> log_var *
σ² for σ: the noise is scaled by the variance. Which power of it is the standard deviation?
    0.5 * ->
root of log σ²: NaN where log σ² is negative: the root of a negative number. Which number has to be under the root?
    (0.5 * log_var).exp() -> log_var.sqrt()
half σ² for σ: the noise is scaled by half the variance. Where must the ½ stand to turn σ² into σ?
    (0.5 * log_var).exp() -> 0.5 * log_var.exp()
exponent doubled: the noise is scaled by σ⁴. log σ² is given: is log σ twice as large, or smaller?
    0.5 -> 2
divided by σ: the noise is divided by σ, so a narrow cloud gets wide. Look at the sign of the exponent.
    0.5 -> -0.5
softplus: softplus makes a number positive, but the number here is log σ². What undoes a log?
    (0.5 * log_var).exp() -> F.softplus({log_var|0.5 * log_var})
σ added: σ is added to the noise: it shifts the cloud and leaves its width at 1. ⊙ is a product.
    std * -> std +
noise taken away: the noise is taken away. As a draw that would be as good, but the formula adds it.
    mean + -> mean -
noise not scaled: every cloud has width 1 here: the second argument has no effect.
    std * ->
noise left out: this is the mean itself: nothing random is left in it.
    + std * noise ->
mean left out: every cloud sits at 0: where is the mean?
    mean + ->
mean scaled too: σ multiplies the mean too. Only the noise is stretched.
    mean + std * noise -> (mean + noise) * std
gradient cut at σ: right values, but no gradient reaches log_var, so the width could never be learned. What cuts the graph?
    .exp() -> .exp().detach()
""",
)
