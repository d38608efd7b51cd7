"""Exercise 01, task 5: naive Bayes with missing pixels."""

import numpy as np
import torch
from scipy.special import log_softmax
from scipy.stats import bernoulli

from course_lib.grading import Task


def log_posterior(x, seen, log_prior, p):
    known = seen.to(x.dtype)
    n, d = x.shape
    ink = (x * known) @ p.log().T
    paper = ((1 - x) * known) @ (1 - p).log().T
    joint = log_prior + ink + paper
    return joint.log_softmax(1)


def truth(x, seen, log_prior, p):
    """Pixel by pixel: an unseen one adds nothing."""
    logs = np.where(seen[:, None], bernoulli.logpmf(x[:, None].numpy(), p.numpy()), 0)
    return torch.from_numpy(log_softmax(log_prior.numpy() + logs.sum(2), axis=1))


PIXELS = torch.tensor([[1.0, 0, 1, 1, 0], [0, 0, 1, 0, 1], [1, 1, 1, 0, 0], [0, 1, 0, 1, 1]])
SEEN = torch.tensor([[1, 0, 1, 0, 1], [1, 1, 0, 0, 1], [0, 1, 1, 1, 0], [1, 0, 1, 1, 0]]).bool()
INK = torch.tensor([[0.9, 0.2, 0.6, 0.3, 0.15], [0.25, 0.7, 0.4, 0.8, 0.55], [0.5, 0.35, 0.1, 0.65, 0.75]])
# Forty pixels of ink and forty of paper that no class expects: the product of so many probabilities is 0 on a computer, in every precision.
# Each by itself is still above 1.2e-7, where `torch.distributions.Bernoulli` cuts off: that answer is right.
UNLIKELY = torch.tensor([[2e-7, 1 - 2.0**-22], [8e-7, 1 - 2.0**-18]]).repeat_interleave(40, 1)
ODD = (torch.arange(80) < 40).float()

LOG_POSTERIOR = Task(
    log_posterior,
    truth,
    cases=[
        (PIXELS, SEEN, torch.tensor([0.5, 0.2, 0.3]).log(), INK),
        (ODD.expand(2, -1), torch.ones(2, 80).bool().tril(70), torch.tensor([0.25, 0.75]).log(), UNLIKELY),
        (PIXELS[:1], SEEN[:1], torch.tensor([0.6, 0.4]).log(), INK[:2]),
    ],
    tolerance=5e-5,
    mistakes="""
seen ignored: `seen` has no effect: what stands at an unseen pixel is taken for true.
    seen.to(x.dtype) -> torch.ones_like(x)
missing taken for paper: a missing pixel counts as paper. A 0 is a statement; a missing pixel says nothing, so it adds nothing.
    known = seen.to(x.dtype) -> known = torch.ones_like(x); x = x * seen
missing taken for half: a missing pixel is filled with ½ or a mean. Even a guess is evidence: leave the pixel out.
    known = seen.to(x.dtype) -> known = torch.ones_like(x); x = torch.where(seen, x, {0.5|log_prior.exp() @ p|p.mean(0)|x.mean(0)})
the unseen counted: only the unseen pixels count: `seen` is true where a pixel is known.
    seen.to(x.dtype) -> (~seen).to(x.dtype)
paper ignored: only ink counts. A pixel that is seen to be paper is evidence too.
    + ink + paper -> + ink
prior forgotten: the prior has no effect: this is right if all classes are equally common.
    log_prior + ink -> ink
prior not in logs: the prior is added as a probability to logarithms. It came as a logarithm.
    log_prior + ink -> log_prior.exp() + ink
not normalised: this is the log-joint. What turns it into the logarithm of p(y | x)?
    joint.log_softmax(1) -> joint
normalised over the images: the probabilities add up to 1 over the images, or over the whole table. It is each image that has its classes.
    joint.log_softmax(1) -> {joint.log_softmax(0)|joint - joint.logsumexp((0, 1))}
probabilities, not logs: these are the probabilities. Their logarithms are asked for.
    joint.log_softmax(1) -> joint.softmax(1)
products before logs: right for a few pixels, NaN or infinite for many: the product of many probabilities is 0 on a computer. Add logarithms.
    joint.log_softmax(1) -> (joint.exp() / joint.exp().sum(1, keepdim=True)).log()
a small number in the log: a small number is added before the log, so that all rare pixels look alike. p lies above 0: its log is finite as it is.
    x.shape -> x.shape; eps = 1e-{8|2|3|4|5|6|7|9|10} ; p.log() -> (p + eps).log() ; (1 - p).log() -> (1 - p + eps).log()
    {p.log() -> (p|(1 - p).log() -> (1 - p} + 1e-{8|2|3|4|5|6|7|9|10}).log()
    x.shape -> x.shape; p = p.float().clamp(eps := 1e-{6|2|3|4|5}, 1 - eps).to(x)
averaged over pixels: the evidence is averaged over the pixels. Independent evidence adds up: ten pixels say more than one.
    ink + paper -> (ink + paper) / {known.sum(1, keepdim=True)|d|n}
    + ink + paper -> / d + (ink + paper) / d
a small number in the product: a small number keeps the logarithm finite, but the product that it is added to was 0: all classes look alike. Add logarithms.
    + paper -> + paper; joint = joint.exp() + 1e-{12|6|8|9|10|15|20|30} ; joint.log_softmax(1) -> (joint / joint.sum(1, keepdim=True)).log()
prior for each pixel: the prior counts more than once. An image has one class: is log p(y) added before the sum over the pixels?
    log_prior + ink -> {known.sum(1, keepdim=True)|d|2} * log_prior + ink
log of the log prior: NaN everywhere: the logarithm of a negative number. The prior came as a logarithm.
    log_prior + ink -> log_prior.log() + ink
the likelihood alone: this is log p(x | y), how well each class explains the image. The class given the image is asked for.
    joint.log_softmax(1) -> ink + paper
ink taken for paper: log p and log (1 − p) have changed places: p is the probability of ink, which is 1.
    (x * known) -> ((1 - x) * known) ; paper = ((1 - x) -> paper = (x
minus between the terms: paper that a class expects speaks against it here: look at the sign between the two terms.
    ink + paper -> ink - paper
ink ignored: only paper counts. A pixel that is seen to be ink is evidence too.
    ink + paper -> paper
seen in one term: `seen` reaches one of the two terms alone. A missing pixel has neither.
    {(1 - x) * known -> (1 - x)|x * known -> x}
another Z: log Z is not the sum, mean or largest of the logarithms: Z adds up probabilities, and its logarithm comes last.
    joint.log_softmax(1) -> joint - joint.{sum|mean|amax}(1, keepdim=True)
    joint.log_softmax(1) -> joint / joint.sum(1, keepdim=True)
sign: the logarithm of a probability is never above 0.
    return joint -> return -joint
bits: right in bits. Logarithms are natural in this course.
    joint.log_softmax(1) -> joint.log_softmax(1) / math.log(2)
""",
)
