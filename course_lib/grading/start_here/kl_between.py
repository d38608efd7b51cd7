"""Exercise 00: the KL divergence of two tables."""

import torch
from scipy.special import rel_entr

from course_lib.grading import Task, grid


def table(x):
    """Positive numbers as probabilities."""
    return x / x.sum()


def kl_between(p, q):
    ratio = p / q
    log = torch.where(p > 0, ratio, 1.0).log()
    return (p * log).sum()


def truth(p, q):
    return torch.tensor(rel_entr(p.numpy(), q.numpy()).sum())


KL_BETWEEN = Task(
    kl_between,
    truth,
    cases=[
        (table(grid(4, low=1, high=4)), table(grid(4, low=1, high=3).flip(0))),
        (table(grid(2, 3, low=0, high=5)), table(grid(2, 3, low=1, high=2).flip(1))),  # its first entry is 0
    ],
    mistakes="""
directions swapped: this is KL(q‖p), the other direction. The mean is taken over the first table: which one stands in front of the log?
    ratio = p / q -> ratio = q / p ; torch.where(p > 0, ratio, 1.0) -> ratio ; p * log -> q * log
sign: negative. A KL divergence never is: which of the two tables is on top in the fraction?
    (p * log).sum() -> -(p * log).sum()
bits: right in bits. Nats are asked for: which logarithm gives them?
    .log() -> .log2()
base 10: right for logarithms of base 10. Nats are asked for.
    .log() -> .log10()
mean for sum: too small by the number of entries or rows. The entries are weighted by p already: they add up, and are not averaged.
    .sum() -> .mean()
    (p * log).sum() -> (p * log).sum() / len(p)
0 · log 0: NaN: p is 0 somewhere, and a computer takes 0 · log 0 for NaN. Such an entry counts 0. `torch.xlogy` knows that.
    torch.where(p > 0, ratio, 1.0) -> ratio
    torch.where(p > 0, ratio, 1.0).log() -> ratio.log2()
    torch.where(p > 0, ratio, 1.0).log() -> ratio.log10()
    torch.where(p > 0, ratio, 1.0) -> ratio ; .sum() -> .mean()
    torch.where(p > 0, ratio, 1.0) -> (1 / ratio)
one for each row: one number for each row or column. The whole table has one.
    .sum() -> .sum(-1)
    .sum() -> .sum(0)
    torch.where(p > 0, ratio, 1.0) -> ratio ; .sum() -> .sum(-1)
    torch.where(p > 0, ratio, 1.0) -> ratio ; .sum() -> .sum(0)
not added up: one number for each entry. The divergence is their sum.
    (p * log).sum() -> p * log
    torch.where(p > 0, ratio, 1.0) -> ratio ; (p * log).sum() -> p * log
entropy: this is the entropy of p, if you leave the sign out: q does not come into it.
    p / q -> p
    p / q -> p ; (p * log).sum() -> -(p * log).sum()
cross-entropy: this is the cross-entropy, −Σ p log q. The KL is what it costs more than the entropy of p.
    p / q -> 1 / q
not weighted: the log-ratios are added up as they are. How often does each entry occur when x is drawn from p?
    (p * log) -> log
weighted with q: the log-ratio is the right one, but it is weighted with q. The mean is taken over p.
    p * log -> q * log
    torch.where(p > 0, ratio, 1.0) -> ratio ; p * log -> q * log
no log of q: q goes in without its logarithm. If you use `F.kl_div`: it wants its first argument as logarithms.
    p / q -> p ; p * log -> p * (log - q)
logs divided: a logarithm is divided by a logarithm. The logarithm of a fraction is a difference.
    p / q -> p ; p * log -> p * log / q.log()
    p / q -> p ; torch.where(p > 0, ratio, 1.0) -> ratio ; p * log -> p * log / q.log()
logs added: log p and log q are added. What is the logarithm of a fraction?
    p / q -> p * q
both directions: KL(q‖p) is added, or the mean of both taken. One direction is asked for.
    (p * log).sum() -> (p * log).sum() + (q * (q / p).log()).sum()
    (p * log).sum() -> (p * log).sum() / 2 + (q * (q / p).log()).sum() / 2
a small number in the log: a small number keeps the logarithm finite, but this one is so large that it shows. Entries of 0 can be left out instead.
    ratio = p / q -> ratio = (p + 1e-3) / q
    ratio = p / q -> ratio = (p + 1e-1) / q
    ratio = p / q -> ratio = (p + 1e-2) / q
    ratio = p / q -> ratio = (p + 1e-4) / q
    ratio = p / q -> ratio = (p + 1e-1) / (q + 1e-1)
    ratio = p / q -> ratio = (p + 1e-2) / (q + 1e-2)
    ratio = p / q -> ratio = (p + 1e-3) / (q + 1e-3)
    ratio = p / q -> ratio = (p + 1e-4) / (q + 1e-4)
""",
)
