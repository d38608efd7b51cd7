"""Exercise 02, task 3: the ELBO of each image."""

import torch
from torch.distributions import Bernoulli
from torch.nn import functional as F

from course_lib.grading import Task, grid

STRIPES = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
CROSS = torch.tensor([0.0, 1.0, 1.0, 0.0])
SURE = torch.tensor([200.0, 150.0, -150.0, 50.0])  # sigmoid(200) is 1 in floating point, and log(1 − 1) is −∞


def elbo(x, logits, kl):
    log_p, log_not_p = F.logsigmoid(logits), F.logsigmoid(-logits)
    pixels = x * log_p + (1 - x) * log_not_p
    likelihood = pixels.flatten(1).sum(1)
    return likelihood - kl


def with_logits(x, logits, kl):
    likelihood = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)
    return likelihood - kl


def truth(x, logits, kl):
    return Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1) - kl


ELBO = Task(
    elbo,
    truth,
    ways=[with_logits],
    cases=[
        (STRIPES.repeat(12).reshape(3, 2, 4, 4), grid(3, 2, 4, 4), grid(3, low=0.5, high=4)),
        (CROSS.reshape(1, 1, 2, 2), SURE.reshape(1, 1, 2, 2), torch.tensor([1.5])),
    ],
    gradient=("logits", "kl"),
    tolerance=2e-5,
    mistakes="""
the loss: this is the loss. The ELBO, its negative, is what we maximise.
    likelihood - kl -> kl - likelihood
−log p for log p: the likelihood has the wrong sign, the KL the right one. A cross-entropy is −log p: it is small where the fit is good.
    likelihood - kl -> -likelihood - kl
averaged over everything: the likelihood is averaged over pixels and images, PyTorch's default reduction. The pixels of each image add up.
    .flatten(1).sum(1) -> .mean()
summed over everything: the likelihood is summed over the images too: each one gets that of the whole batch. Add up its own pixels alone.
    .flatten(1).sum(1) -> .sum()
averaged over the images: every image gets the mean likelihood of the batch. `reduction='sum'` adds up the images too: keep them apart.
    .flatten(1).sum(1) -> .sum() / len(x)
arguments swapped: the image and the logits have changed places. In which order does your cross-entropy take them?
    logits, x -> x, logits
sign of the logits: the logits have the wrong sign: where the decoder is sure of ink, you read paper.
    x * log_p + (1 - x) * log_not_p -> x * log_not_p + (1 - x) * log_p
KL added: the KL is a cost. Here a dear cloud makes the bound better.
    likelihood - kl -> likelihood + kl
KL left out: the reconstruction term alone: what does the cloud cost?
    likelihood - kl -> likelihood
KL in every pixel: the KL is subtracted in every pixel, before the sum. Each image pays it once.
    likelihood - kl -> likelihood - x[0].numel() * kl
averaged over pixels: the likelihood is averaged over pixels, the KL is summed over latents. Log-probabilities of pixels add up.
    .sum(1) -> .mean(1)
averaged over the batch: one number for the whole batch; the ELBO of each example is asked for.
    likelihood - kl -> (likelihood - kl).mean()
sigmoid, then log: right for small logits, infinite or NaN for large ones: sigmoid rounds to 1, and log(1 − 1) is −∞. Work on logits.
    F.logsigmoid(logits), F.logsigmoid(-logits) -> (p := logits.float().sigmoid()).log(), (1 - p).log()
sigmoid, then clamped log: right for small logits, but PyTorch stops at −100 where sigmoid has rounded to 0 or 1. There is a version that takes logits.
    x * log_p + (1 - x) * log_not_p -> -F.binary_cross_entropy(logits.float().sigmoid(), x.float(), reduction="none")
probabilities clamped: the clamp keeps the log finite, but wrong: a dark pixel at logit 200 costs 200 nats, yours stops at the log of the margin. What sigmoid has rounded away does not come back: look for a function that takes the logits.
    F.logsigmoid(logits), F.logsigmoid(-logits) -> (p := logits.float().sigmoid().clamp(m := 1e-{7|2|3|4|5|6}, 1 - m)).log(), (1 - p).log()
    F.logsigmoid(logits), F.logsigmoid(-logits) -> (p := logits.float().sigmoid().clamp(m := 2**-23, 1 - m)).log(), (1 - p).log()
a small number in the log: the number in the log keeps it finite, but wrong: a dark pixel at logit 200 costs 200 nats, yours stops at the log of that number. What sigmoid has rounded away does not come back: look for a function that takes the logits.
    F.logsigmoid(logits), F.logsigmoid(-logits) -> (torch.stack([p := logits.sigmoid(), 1 - p]) + 1e-{8|3|4|5|6|7|9|10|12|15|20}).log()
sigmoid twice: the sigmoid is applied twice: your function takes logits and gets probabilities.
    F.logsigmoid(logits), F.logsigmoid(-logits) -> F.logsigmoid(logits.sigmoid()), F.logsigmoid(-logits.sigmoid())
squared error: this is a squared error. Which log-probability does a Bernoulli give to each pixel?
    x * log_p + (1 - x) * log_not_p -> -(x - logits.sigmoid()).square()
dark pixels forgotten: only the bright pixels count. A dark pixel that is predicted bright must cost something too.
    + (1 - x) * log_not_p ->
""",
)
