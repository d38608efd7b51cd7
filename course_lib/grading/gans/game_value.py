"""Exercise 03, task 2b: what the game is worth."""

import math

import torch
from scipy.special import rel_entr

from course_lib.grading import Task, grid


def game_value(p, q):
    best = p / (p + q)
    terms = torch.xlogy(p, best) + torch.xlogy(q, 1 - best)
    value = terms.sum()
    return value, value / 2 + math.log(2)


def from_divergence(p, q):
    mean = 0.5 * (p + q)
    of_p, of_q = torch.xlogy(p, p / mean).sum(), torch.xlogy(q, q / mean).sum()
    js = (of_p + of_q) / 2
    return 2 * js - 2 * math.log(2), js


def truth(p, q):
    mean = (p.numpy() + q.numpy()) / 2
    js = float(rel_entr(p.numpy(), mean).sum() + rel_entr(q.numpy(), mean).sum()) / 2
    return 2 * js - 2 * math.log(2), js


def table(x):
    """Numbers that are 0 or more as probabilities."""
    return x / x.sum()


VALUE = Task(
    game_value,
    truth,
    cases=[
        (table(grid(4, low=1, high=4)), table(grid(4, low=1, high=3).flip(0))),
        (table(torch.tensor([3.0, 2.0, 1.0, 0.0, 0.0])), table(torch.tensor([0.0, 1.0, 1.0, 2.0, 1.0]))),  # misses a part, makes one up
    ],
    results=("the value", "the divergence"),
    ways=(
        "return value, value / 2 + math.log(2) -> mean = (p + q) / 2; "
        "of_p, of_q = torch.xlogy(p, p / mean).sum(), torch.xlogy(q, q / mean).sum(); return value, (of_p + of_q) / 2",
        from_divergence,
    ),
    mistakes="""
0 · log 0: NaN: where p or q is 0, a computer takes 0 · log 0 for NaN. Such a term counts 0. `torch.xlogy` knows that.
    torch.xlogy(p, best) + torch.xlogy(q, 1 - best) -> p * best.log() + q * (1 - best).log()
    torch.xlogy(p, p / mean).sum(), torch.xlogy(q, q / mean).sum() -> (p * (p / mean).log()).sum(), (q * (q / mean).log()).sum()
D reversed: p and q have changed places in D*: this is what the worst discriminator gets.
    best = p / -> best = q /
D of the probabilities: a sigmoid of p − q is not D*. The function of 2a takes logarithms; here p and q are the probabilities themselves.
    best = p / (p + q) -> best = (p - q).sigmoid()
D = ½: always −2 log 2: that is the value when D is ½ everywhere, where p = q. The best discriminator sees a difference.
    best = p / (p + q) -> best = torch.full_like(p, 0.5)
log D in both terms: log D stands in both terms. The second one is about fakes: log(1 − D).
    1 - best -> best
the 1 outside the log: 1 − log D stands where log(1 − D) belongs. Look at the brackets.
    torch.xlogy(q, 1 - best) -> q - torch.xlogy(q, best)
signs differ: a minus stands before the second term. In V both expectations are added.
    + torch.xlogy(q, 1 - best) -> - torch.xlogy(q, 1 - best)
    torch.xlogy(p, best) + torch.xlogy(q, 1 - best) -> p * best.log() - q * (1 - best).log()
xlogy turned round: the two arguments have changed places: in `torch.xlogy(a, b)` a is the weight, and the logarithm is taken of b.
    torch.xlogy(p, best) + torch.xlogy(q, 1 - best) -> torch.xlogy(best, p) + torch.xlogy(1 - best, q)
    (p, p / mean) -> (p / mean, p) ; (q, q / mean) -> (q / mean, q)
not weighted: the logarithms are added up as they are. How often does each entry occur under p, and how often under q?
    torch.xlogy(p, best) + torch.xlogy(q, 1 - best) -> best.log() + (1 - best).log()
weighted with p twice: both terms are weighted with p. The fakes come from q.
    torch.xlogy(q, 1 - best) -> torch.xlogy(p, 1 - best)
mean for sum: averaged over the entries. They are weighted by p and q already: they add up.
    terms.sum() -> terms.mean()
    (of_p + of_q) / 2 -> (of_p + of_q) / 2 / len(p)
the loss: the sign of the value: this is the loss of the discriminator. V is what it maximises.
    return value, -> return -value,
    terms.sum() -> -terms.sum()
averaged over both: half of the value: the two expectations are added, not averaged.
    terms.sum() -> terms.sum() / 2
    return value, -> return value / 2,
    return value, value / 2 + math.log(2) -> return value / 2, (value / 2 + math.log(2)) / 2
bits: right in bits. Nats are asked for: which logarithm gives them?
    return value, value / 2 + math.log(2) -> return value / math.log(2), value / 2 / math.log(2) + 1
order: the value comes first, then the divergence.
    return value, value / 2 + math.log(2) -> return value / 2 + math.log(2), value
twice the divergence: the divergence is twice too large. JS is half of the sum of two KL divergences; from the value it is found by solving V = 2 JS − 2 log 2.
    value / 2 + math.log(2) -> value + 2 * math.log(2)
    (of_p + of_q) / 2 -> of_p + of_q
    (of_p + of_q) / 2 -> (p * (p / mean).log()).sum() + (q * (q / mean).log()).sum()
mixture without its half: p + q stands for the mixture, but it adds up to 2. JS compares each table with (p + q) / 2.
    0.5 * (p + q) -> (p + q)
    0.5 * (p + q) -> (p + q) ; (of_p + of_q) / 2 -> of_p + of_q
    mean = (p + q) / 2 -> mean = p + q ; (of_p + of_q) / 2 -> of_p + of_q
    (of_p + of_q) / 2 -> ((p * (p / (p + q)).log()).sum() + (q * (q / (p + q)).log()).sum()) / {2|1}
one comparison: only one table is compared with the mixture. JS is the mean of both comparisons.
    (of_p + of_q) / 2 -> {of_p|of_q|of_p / 2|of_q / 2}
    (of_p + of_q) / 2 -> {(p * (p|(q * (q} / mean).log()).sum()
from the mixture: the mixture stands first in the KL divergences, so they are infinite where a table is 0. In JS each table stands first.
    (p, p / mean) -> (mean, mean / p) ; (q, q / mean) -> (mean, mean / q)
no logarithm of the mixture: the mixture goes in without its logarithm. `F.kl_div(log_b, a)` wants the second distribution first, and as logarithms.
    torch.xlogy(p, p / mean) -> (torch.xlogy(p, p) - p * mean) ; torch.xlogy(q, q / mean) -> (torch.xlogy(q, q) - q * mean)
    (of_p + of_q) / 2 -> (torch.xlogy(p, p) - p * mean + torch.xlogy(q, q) - q * mean).{mean() / 2|sum()}
    (of_p + of_q) / 2 -> (2 * torch.xlogy(mean, mean) - mean * p - mean * q).{sum()|mean()} / 2
value from the divergence: the divergence is right, the value is not. In V(D*) both terms have a factor, and the second a minus.
    2 * js - 2 * math.log(2) -> {2 * js + 2 * math.log(2)|2 * js - math.log(2)|js - 2 * math.log(2)}
    2 * js - 2 * math.log(2) -> 2 * js{ - 2| - 2 * math.log10(2)|}
negative divergence: the divergence is negative: which table stands above the other in the logarithm?
    (of_p + of_q) / 2 -> -(of_p + of_q){ / 2|}
log 2 once: the value is right, the divergence is not: log 2 counts twice. Solve V = 2 JS − 2 log 2 for JS.
    value / 2 + math.log(2) -> (value + math.log(2)) / 2
log 2 not divided: the value is right, but log 2 is not halved with it. Solve V = 2 JS − 2 log 2 for JS.
    value / 2 + math.log(2) -> value / 2 + 2 * math.log(2)
log 2 left out: the value is right, the divergence negative. It must be 0 where p = q: solve V = 2 JS − 2 log 2 for it.
    value / 2 + math.log(2) -> {|-}value / 2
    value / 2 + math.log(2) -> (value - 2 * math.log(2)) / 2
the distance: this is the root of the divergence: SciPy's `jensenshannon` returns that, as a distance.
    (of_p + of_q) / 2 -> ((of_p + of_q) / 2).sqrt()
a KL divergence: the divergence compares p and q directly, by KL, which is infinite where one is 0 and the other is not. JS compares each with their mean.
    p / mean -> p / q ; (of_p + of_q) / 2 -> of_p
    q / mean -> q / p ; (of_p + of_q) / 2 -> of_q
    p / mean -> p / q ; q / mean -> q / p
    p / mean -> p / q ; q / mean -> q / p ; (of_p + of_q) / 2 -> of_p + of_q
    (of_p + of_q) / 2 -> {(p * (p / q)|(q * (q / p)}.log()).sum()
    (of_p + of_q) / 2 -> ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / {1|2}
""",
)
