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
        Mistake(
            "mean for sum",
            lambda p, q: _kl(p, q) / p.numel(),
            "too small by the number of entries. The entries are weighted by p already: they add up, and are not averaged.",
        ),
        Mistake(
            "0 · log 0",
            lambda p, q: (p * (p / q).log()).sum(),
            "NaN: p is 0 somewhere, and a computer takes 0 · log 0 for NaN. Such an entry counts 0. `torch.xlogy` knows that.",
        ),
        Mistake("one for each row", lambda p, q: (xlogy(p, p) - xlogy(p, q)).sum(-1), "one number for each row. The whole table has one."),
        Mistake("entropy", lambda p, q: -xlogy(p, p).sum(), "this is the entropy of p: q does not come into it."),
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
        ),
        Mistake(
            "no log of q",
            lambda p, q: (xlogy(p, p) - p * q).sum(),
            "q goes in without its logarithm. If you use `F.kl_div`: it wants its first argument as logarithms.",
        ),
    ],
)

TASKS: tuple[Task, ...] = (KL_BETWEEN,)
