"""The one task of the warm-up exercise. Its truth comes from SciPy in float64, never from the course's own functions."""

import torch
from scipy.special import rel_entr
from torch.special import xlogy

from course_lib.grading import Mistake, Task, grid


def _kl(p, q):
    return torch.tensor(rel_entr(p.numpy(), q.numpy()).sum())


def _table(x):
    """Positive numbers as probabilities."""
    return x / x.sum()


KL_BETWEEN = Task(
    "kl_between",
    _kl,
    cases=[
        (_table(grid(4, low=1, high=4)), _table(grid(4, low=1, high=3).flip(0))),
        (_table(grid(2, 3, low=0, high=5)), _table(grid(2, 3, low=1, high=2).flip(1))),  # its first entry is 0
    ],
    hidden_cases=[
        (_table(grid(5, low=0, high=1).square()), _table(grid(5, low=1, high=6).flip(0))),
        (_table(grid(3, 2).exp()), _table(grid(3, 2, low=2, high=5).flip(1))),
    ],
    mistakes=[
        Mistake(
            "directions swapped",
            lambda p, q: (xlogy(q, q) - xlogy(q, p)).sum(),
            "this is KL(q‖p), the other direction. The mean is taken over the first table: which one stands in front of the log?",
        ),
        Mistake(
            "sign",
            lambda p, q: -_kl(p, q),
            "negative. A KL divergence never is: which of the two tables is on top in the fraction?",
        ),
        Mistake("bits", lambda p, q: _kl(p, q) / torch.tensor(2.0).log(), "right in bits. Nats are asked for: which logarithm gives them?"),
        Mistake("base 10", lambda p, q: _kl(p, q) / torch.tensor(10.0).log(), "right for logarithms of base 10. Nats are asked for."),
        Mistake(
            "mean for sum",
            lambda p, q: _kl(p, q) / p.numel(),
            "too small by the number of entries or rows. The entries are weighted by p already: they add up, and are not averaged.",
            forms=[lambda p, q: _kl(p, q) / len(p)],
        ),
        Mistake(
            "0 · log 0",
            lambda p, q: (p * (p / q).log()).sum(),
            "NaN: p is 0 somewhere, and a computer takes 0 · log 0 for NaN. Such an entry counts 0. `torch.xlogy` knows that.",
            forms=[
                lambda p, q: (p * (p / q).log2()).sum(),
                lambda p, q: (p * (p / q).log10()).sum(),
                lambda p, q: (p * (p / q).log()).mean(),
                lambda p, q: (p * (q / p).log()).sum(),
            ],
        ),
        Mistake(
            "one for each row",
            lambda p, q: (xlogy(p, p) - xlogy(p, q)).sum(-1),
            "one number for each row or column. The whole table has one.",
            forms=[
                lambda p, q: (xlogy(p, p) - xlogy(p, q)).sum(0),
                lambda p, q: (p * (p / q).log()).sum(-1),
                lambda p, q: (p * (p / q).log()).sum(0),
            ],
        ),
        Mistake(
            "not added up",
            lambda p, q: xlogy(p, p) - xlogy(p, q),
            "one number for each entry. The divergence is their sum.",
            forms=[lambda p, q: p * (p / q).log()],
        ),
        Mistake(
            "entropy",
            lambda p, q: -xlogy(p, p).sum(),
            "this is the entropy of p, if you leave the sign out: q does not come into it.",
            forms=[lambda p, q: xlogy(p, p).sum()],
        ),
        Mistake(
            "cross-entropy",
            lambda p, q: -xlogy(p, q).sum(),
            "this is the cross-entropy, −Σ p log q. The KL is what it costs more than the entropy of p.",
        ),
        Mistake(
            "not weighted",
            lambda p, q: (p / q)[p > 0].log().sum(),
            "the log-ratios are added up as they are. How often does each entry occur when x is drawn from p?",
        ),
        Mistake(
            "weighted with q",
            lambda p, q: (xlogy(q, p) - xlogy(q, q)).sum(),
            "the log-ratio is the right one, but it is weighted with q. The mean is taken over p.",
            forms=[lambda p, q: torch.where(p > 0, q * (p / q).log(), 0).sum()],
        ),
        Mistake(
            "no log of q",
            lambda p, q: (xlogy(p, p) - p * q).sum(),
            "q goes in without its logarithm. If you use `F.kl_div`: it wants its first argument as logarithms.",
        ),
        Mistake(
            "logs divided",
            lambda p, q: (xlogy(p, p) / q.log()).sum(),
            "a logarithm is divided by a logarithm. The logarithm of a fraction is a difference.",
            forms=[lambda p, q: (p * p.log() / q.log()).sum()],
        ),
        Mistake(
            "logs added",
            lambda p, q: (xlogy(p, p) + xlogy(p, q)).sum(),
            "log p and log q are added. What is the logarithm of a fraction?",
        ),
        Mistake(
            "both directions",
            lambda p, q: (xlogy(p, p / q) + xlogy(q, q / p)).sum(),
            "KL(q‖p) is added, or the mean of both taken. One direction is asked for.",
            forms=[lambda p, q: (xlogy(p, p / q) + xlogy(q, q / p)).sum() / 2],
        ),
        Mistake(
            "a small number in the log",
            lambda p, q: xlogy(p, (p + 1e-3) / q).sum(),
            "a small number keeps the logarithm finite, but this one is so large that it shows. Entries of 0 can be left out instead.",
            forms=[lambda p, q, n=n: xlogy(p, (p + 10.0**-n) / q).sum() for n in (1, 2, 4)]
            + [lambda p, q, n=n: xlogy(p, (p + 10.0**-n) / (q + 10.0**-n)).sum() for n in (1, 2, 3, 4)],
        ),
    ],
)

TASKS: tuple[Task, ...] = (KL_BETWEEN,)
