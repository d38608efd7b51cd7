"""Exercise 00: the KL divergence of two tables."""

import torch
from scipy.special import rel_entr

from course_lib.grading import Task, grid


def table(x):
    """Positive numbers as probabilities."""
    return x / x.sum()


def kl_between(q, p):
    ratio = q / p
    log = torch.where(q > 0, ratio, 1.0).log()
    return (q * log).sum()


def truth(q, p):
    return torch.tensor(rel_entr(q.numpy(), p.numpy()).sum())


KL_BETWEEN = Task(
    kl_between,
    truth,
    cases=[
        (table(grid(4, low=1, high=4)), table(grid(4, low=1, high=3).flip(0))),
        (table(grid(2, 3, low=0, high=5)), table(grid(2, 3, low=1, high=2).flip(1))),  # its first entry is 0
    ],
    mistakes="""
directions swapped: this is KL(p‖q), the other direction. The mean is taken over the first table: which one stands in front of the log?
    ratio = q / p -> ratio = p / q ; torch.where(q > 0, ratio, 1.0) -> ratio ; q * log -> p * log
sign: negative. A KL divergence never is: which of the two tables is on top in the fraction?
    (q * log).sum() -> -(q * log).sum()
bits: right in bits. Nats are asked for: which logarithm gives them?
    .log() -> .log2()
base 10: right for logarithms of base 10. Nats are asked for.
    .log() -> .log10()
mean for sum: too small by the number of entries or rows. The entries are weighted by q already: they add up, and are not averaged.
    .sum() -> .mean()
    (q * log).sum() -> (q * log).sum() / len(q)
0 · log 0: NaN: q is 0 somewhere, and a computer takes 0 · log 0 for NaN. Such an entry counts 0. `torch.xlogy` knows that.
    torch.where(q > 0, ratio, 1.0) -> ratio
    torch.where(q > 0, ratio, 1.0).log() -> ratio.log2()
    torch.where(q > 0, ratio, 1.0).log() -> ratio.log10()
    torch.where(q > 0, ratio, 1.0) -> ratio ; .sum() -> .mean()
    torch.where(q > 0, ratio, 1.0) -> (1 / ratio)
one for each row: one number for each row or column. The whole table has one.
    .sum() -> .sum(-1)
    .sum() -> .sum(0)
    torch.where(q > 0, ratio, 1.0) -> ratio ; .sum() -> .sum(-1)
    torch.where(q > 0, ratio, 1.0) -> ratio ; .sum() -> .sum(0)
not added up: one number for each entry. The divergence is their sum.
    (q * log).sum() -> q * log
    torch.where(q > 0, ratio, 1.0) -> ratio ; (q * log).sum() -> q * log
entropy: this is the entropy of q, if you leave the sign out: p does not come into it.
    q / p -> q
    q / p -> q ; (q * log).sum() -> -(q * log).sum()
cross-entropy: this is the cross-entropy, −Σ q log p. The KL is what it costs more than the entropy of q.
    q / p -> 1 / p
not weighted: the log-ratios are added up as they are. How often does each entry occur when x is drawn from q?
    (q * log) -> log
weighted with p: the log-ratio is the right one, but it is weighted with p. The mean is taken over q.
    q * log -> p * log
    torch.where(q > 0, ratio, 1.0) -> ratio ; q * log -> p * log
no log of p: p goes in without its logarithm. If you use `F.kl_div`: it wants its first argument as logarithms.
    q / p -> q ; q * log -> q * (log - p)
logs divided: a logarithm is divided by a logarithm. The logarithm of a fraction is a difference.
    q / p -> q ; q * log -> q * log / p.log()
    q / p -> q ; torch.where(q > 0, ratio, 1.0) -> ratio ; q * log -> q * log / p.log()
logs added: log q and log p are added. What is the logarithm of a fraction?
    q / p -> q * p
both directions: KL(p‖q) is added, or the mean of both taken. One direction is asked for.
    (q * log).sum() -> (q * log).sum() + (p * (p / q).log()).sum()
    (q * log).sum() -> (q * log).sum() / 2 + (p * (p / q).log()).sum() / 2
a small number in the log: a small number keeps the logarithm finite, but this one is so large that it shows. Entries of 0 can be left out instead.
    ratio = q / p -> ratio = (q + 1e-3) / p
    ratio = q / p -> ratio = (q + 1e-1) / p
    ratio = q / p -> ratio = (q + 1e-2) / p
    ratio = q / p -> ratio = (q + 1e-4) / p
    ratio = q / p -> ratio = (q + 1e-1) / (p + 1e-1)
    ratio = q / p -> ratio = (q + 1e-2) / (p + 1e-2)
    ratio = q / p -> ratio = (q + 1e-3) / (p + 1e-3)
    ratio = q / p -> ratio = (q + 1e-4) / (p + 1e-4)
""",
)
