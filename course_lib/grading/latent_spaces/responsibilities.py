"""Exercise 01, task 3a: the E step of a mixture of Gaussians."""

import math

import numpy as np
import torch
from scipy.special import softmax
from scipy.stats import multivariate_normal

from course_lib.grading import Task


def responsibilities(x, weights, means, variances):
    squared = (x[:, None] - means) ** 2 / variances
    logs = -0.5 * (squared + (2 * math.pi * variances).log())
    joint = weights.log() + logs.sum(2)
    return joint.softmax(1)


def truth(x, weights, means, variances):
    clouds = [multivariate_normal(mean, np.diag(variance)) for mean, variance in zip(means.numpy(), variances.numpy())]
    logs = np.stack([cloud.logpdf(x.numpy()).reshape(len(x)) for cloud in clouds], 1)
    return torch.from_numpy(softmax(np.log(weights.numpy()) + logs, axis=1))


# Points near the clouds, then some so far away that every density is 0 in any precision.
NEAR = torch.tensor([[0.2, -0.1], [1.1, 0.6], [-0.7, 0.9], [0.5, 1.4], [-1.2, -0.6]])
FAR = torch.tensor([[70.0, 10.0], [-50.0, 60.0]])
CLOUDS = (torch.tensor([[0.0, 0.3], [1.0, 0.8], [-0.9, -0.2]]), torch.tensor([[0.5, 0.8], [0.3, 0.9], [0.7, 0.4]]))
PAIR = (torch.tensor([[1.0], [-1.0]]), torch.tensor([[0.25], [0.25]]))

RESPONSIBILITIES = Task(
    responsibilities,
    truth,
    cases=[
        (torch.cat([NEAR, FAR]), torch.tensor([0.5, 0.2, 0.3]), *CLOUDS),
        (torch.tensor([[60.0], [-60.0]]), torch.tensor([0.25, 0.75]), *PAIR),  # as far as each other
        (NEAR[1:2], torch.tensor([0.3, 0.7]), *(each[:2] for each in CLOUDS)),
    ],
    mistakes="""
wrong axis: the columns, or all numbers together, add up to 1. It is each point that is shared out among the components.
    joint.softmax(1) -> {joint.softmax(0)|joint.flatten().softmax(0).reshape(joint.shape)}
densities before logs: right near the clouds, NaN far away: there every density is 0 on a computer, and so is their sum. Work with logarithms.
    joint.softmax(1) -> joint.exp() / joint.exp().sum(1, keepdim=True)
a small number in the sum: a small number hides the 0 / 0, but far points then belong to nobody, or to everybody alike. Work with logarithms.
    joint.softmax(1) -> joint.exp() / (joint.exp().sum(1, keepdim=True) + 1e-10)
    logs.sum(2) -> logs.sum(2); joint = joint.exp().clamp(1e-{6|8|10|12|15|20|30}) ; joint.softmax(1) -> joint / joint.sum(1, keepdim=True)
one largest for all points: the largest number of the whole table is taken away before exp. Some points are still lost: each row has its own.
    logs.sum(2) -> logs.sum(2); joint = (joint - joint.max()).exp() ; joint.softmax(1) -> joint / joint.sum(1, keepdim=True)
weights forgotten: the weights have no effect: a rare component claims as much as a common one.
    weights.log() + ->
weights not in logs: the weight is added to a log-density. What must happen to it first?
    weights.log() -> weights
variance as standard deviation: right if the last argument were the standard deviation. It is σ².
    ** 2 / variances -> ** 2 / variances**2 ; pi * variances -> pi * variances{**2|}
variances ignored: every cloud has variance 1 here: the last argument has no effect.
    ** 2 / variances -> ** 2 ; pi * variances -> pi * torch.ones_like(variances)
width of the cloud forgotten: only the squared distance depends on the variance. A wide cloud is also lower: what stands in front of the exp of a Gaussian?
    squared + (2 * math.pi * variances).log() -> squared
sign of the log variance: log σ² has the wrong sign: a wide cloud is lower, not higher.
    squared + -> squared -
half forgotten: a ½ is missing: in the exponent, or where the root of σ² becomes a logarithm.
    squared + -> {2 * squared +|squared + 2 *|2 * squared + 2 *}
averaged over dimensions: the log-densities of the dimensions are averaged. The density of a point is their product: logarithms add up.
    logs.sum(2) -> logs.mean(2)
not normalised: these are the joint densities, or what is left of them by another factor for each point. What turns them into p(j | x)?
    joint.softmax(1) -> {joint|(joint - joint.amax(1, keepdim=True))}.exp()
logs returned: these are the logarithms of the answer.
    joint.softmax(1) -> joint.log_softmax(1)
the nearest takes all: each point belongs to one component alone. EM shares it out.
    joint.softmax(1) -> (joint == joint.amax(1, keepdim=True)).to(x)
weights times logs: the log-density is multiplied by the weight. What becomes of a product when you take its logarithm?
    weights.log() + -> weights *
weights at the end: the weights come in after the division, so that the rows do not add up to 1. They belong above and below the line.
    weights.log() + -> ; return joint -> return weights * joint
weights in each dimension: the weight counts once for each dimension. A cloud has one weight: is it added before the sum over the dimensions?
    weights.log() + -> x.shape[1] * weights.log() +
sign of the distance: the further, the likelier: is a minus missing?
    {squared + -> -squared +|joint.softmax(1) -> (-joint).softmax(1)}
divided by σ: the squared distance is divided by σ. The formula divides it by σ², which is what you are given.
    ** 2 / variances -> ** 2 / variances.sqrt()
log-joint: these are the logarithms of the weighted densities: not yet shares, which lie between 0 and 1.
    joint.softmax(1) -> joint
logs divided by their sum: logarithms are divided by the sum of logarithms. It is densities that are shared out.
    joint.softmax(1) -> joint / joint.sum(1, keepdim=True)
""",
)
