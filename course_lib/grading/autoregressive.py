"""Tasks of exercise 05. Truths come from loops over tables and taps, torch.distributions and autograd, never from course_lib's models."""

import math
from collections.abc import Callable
from functools import partial
from typing import NoReturn

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli
from torch.nn import functional as F

from course_lib.grading import Goal, Mistake, Outcome, Task, grid, is_number, is_whole

LOG_2 = math.log(2)
_EPSILONS = tuple(10.0**-i for i in range(4, 13))  # tiny numbers that students add "to be safe"

# --------------------------------------------------------------------------------------------------------------------
# 1a · Conditionals of a table


def _table(entries: int, phase: float) -> Tensor:
    """A joint table of binary variables, with no symmetry."""
    return (2 * (5 * grid(*[2] * entries) + phase).sin()).flatten().softmax(0).reshape([2] * entries)


def _rows(batch: int, entries: int, step: int) -> Tensor:
    """Rows of 0 and 1, (batch, entries)."""
    numbers = torch.arange(batch) * step + 1
    return (numbers[:, None] >> torch.arange(entries)) % 2


def _mass(joint, fixed):
    """The probability that each variable in `fixed`, index → value, has its value."""
    return joint[tuple(fixed.get(i, slice(None)) for i in range(joint.ndim))].sum()


def _each(rule, joint, x):
    """rule(joint, row, i) for every row and variable, (batch, D)."""
    rows = [[rule(joint, dict(enumerate(row)), i) for i in range(joint.ndim)] for row in x.tolist()]
    return torch.stack([torch.stack(row) for row in rows])


def _only(row, keep):
    return {i: value for i, value in row.items() if keep(i)}


def _given(joint, row, i, keep):
    """p(x_i | those that `keep` lets through)."""
    others = _only(row, keep)
    return _mass(joint, others | {i: row[i]}) / _mass(joint, others)


def _conditional(joint, row, i):
    return _given(joint, row, i, lambda j: j < i)


def _log_conditionals(joint, x):
    return _each(_conditional, joint, x).log()


def _by(rule):
    """The logarithm of another rule."""
    return lambda joint, x: _each(rule, joint, x).log()


def _listed(joint, x):
    """With lists as indices, which pick rows of the first axis, in the place of tuples."""
    rows = [[joint[row[: i + 1]].sum().log() - joint[row[:i]].sum().log() for i in range(joint.ndim)] for row in x.tolist()]
    return torch.tensor(rows)


def _reversed_axes(joint):
    return joint.permute(*range(joint.ndim - 1, -1, -1))


CONDITIONALS = Task(
    "log_conditionals",
    _log_conditionals,
    cases=[(_table(3, 0.4), _rows(5, 3, 3)), (_table(4, 1.3), _rows(6, 4, 5)), (_table(2, 0.1), _rows(3, 2, 1))],
    hidden_cases=[(_table(4, -0.8), _rows(7, 4, 3)), (_table(3, 2.2), _rows(6, 3, 5))],
    mistakes=[
        Mistake(
            "marginals",
            _by(lambda joint, row, i: _given(joint, row, i, lambda j: False)),
            "each variable is taken by itself: this is log p(xᵢ). What came before it is known, and changes its probability.",
        ),
        Mistake(
            "not divided",
            _by(lambda joint, row, i: _mass(joint, _only(row, lambda j: j <= i))),
            "this is the probability of the first i variables together. By what is it divided to become that of xᵢ, given the others?",
            forms=[_by(lambda joint, row, i: _mass(joint, row))],
        ),
        Mistake(
            "divided by the wrong one",
            _by(lambda joint, row, i: _mass(joint, _only(row, lambda j: j <= i)) / _mass(joint, {i: row[i]})),
            "this is p(x₍<i₎ | xᵢ), the other way round: the joint probability is divided by that of what is known.",
        ),
        Mistake(
            "given all others",
            _by(lambda joint, row, i: _given(joint, row, i, lambda j: j != i)),
            "xᵢ is conditioned on all the others. The chain rule lets it see those before it; those after it are not drawn yet.",
        ),
        Mistake(
            "given those after",
            _by(lambda joint, row, i: _given(joint, row, i, lambda j: j > i)),
            "xᵢ is conditioned on the variables after it. That is a chain rule too, from the last to the first: start with x₁.",
        ),
        Mistake(
            "given the last one alone",
            _by(lambda joint, row, i: _given(joint, row, i, lambda j: j == i - 1)),
            "right for two variables: only the one just before is known. All those before count; sum out none of them.",
        ),
        Mistake(
            "divided by the one before",
            _by(lambda joint, row, i: _mass(joint, _only(row, lambda j: j <= i)) / _mass(joint, _only(row, lambda j: j == i - 1))),
            "right for two variables: the joint probability is divided by that of xᵢ₋₁ alone. Divide by that of all before xᵢ together.",
        ),
        Mistake(
            "divided too early",
            _by(lambda joint, row, i: _mass(joint, _only(row, lambda j: j <= i)) / _mass(joint, _only(row, lambda j: j < i - 1))),
            "the denominator lacks xᵢ₋₁: this is the probability of xᵢ₋₁ and xᵢ together, given those before.",
        ),
        Mistake(
            "a list as index",
            _listed,
            "rows of the table are picked where one entry is meant: a list or a tensor as index picks along the first axis. "
            "A tuple has one index for each axis.",
            forms=[lambda joint, x: torch.stack([joint[x[:, : i + 1]].flatten(1).sum(1).log() for i in range(x.shape[1])], 1)],
        ),
        Mistake(
            "logarithms divided",
            lambda joint, x: _each(
                lambda t, row, i: _mass(t, _only(row, lambda j: j <= i)).log() / _mass(t, _only(row, lambda j: j < i)).log(), joint, x
            ),
            "logarithms are divided. The logarithm of a quotient is a difference.",
            forms=[
                lambda joint, x: _each(
                    lambda t, row, i: (
                        _mass(t, _only(row, lambda j: j <= i)).log() / (_mass(t, _only(row, lambda j: j < i)).log() if i else 1.0)
                    ),
                    joint,
                    x,
                )
            ],
        ),
        Mistake(
            "axes reversed",
            lambda joint, x: _log_conditionals(_reversed_axes(joint), x),
            "the table is read the wrong way round: x₁ is its first axis.",
        ),
        Mistake(
            "probability of a one",
            _by(lambda joint, row, i: _conditional(joint, row | {i: 1}, i)),
            "this is the probability of xᵢ = 1 whatever the row holds. Where it holds a 0, that of the 0 is asked for.",
        ),
        Mistake(
            "probability of a zero",
            _by(lambda joint, row, i: _conditional(joint, row | {i: 0}, i)),
            "this is the probability of xᵢ = 0 whatever the row holds. Look up the value that it holds.",
        ),
        Mistake(
            "other value",
            _by(lambda joint, row, i: 1 - _conditional(joint, row, i)),
            "this is the probability of the other value: 0 and 1 are exchanged.",
        ),
        Mistake(
            "logs summed out",
            lambda joint, x: _each(
                lambda t, row, i: _mass(t.log(), _only(row, lambda j: j <= i)) - _mass(t.log(), _only(row, lambda j: j < i)), joint, x
            ),
            "logarithms are added where a variable is summed out. Probabilities add up; take the logarithm after that.",
        ),
        Mistake(
            "averaged out",
            _by(lambda joint, row, i: _conditional(joint, row, i) * 2),
            "every factor is twice too large: a variable is averaged out. It is summed out.",
        ),
        Mistake(
            "probabilities",
            lambda joint, x: _log_conditionals(joint, x).exp(),
            "these are the probabilities. Their logarithms are asked for.",
        ),
        Mistake(
            "negative",
            lambda joint, x: -_log_conditionals(joint, x),
            "minus the right values: those are costs. Logarithms of probabilities are below 0.",
        ),
        Mistake(
            "bits",
            lambda joint, x: _log_conditionals(joint, x) / LOG_2,
            "right in bits. Nats are asked for: the natural logarithm.",
            forms=[lambda joint, x: _log_conditionals(joint, x) / math.log(10)],
        ),
        Mistake(
            "first factor left out",
            lambda joint, x: _log_conditionals(joint, x)[:, 1:],
            "a column is missing: x₁ has a factor too, with nothing before it.",
            forms=[lambda joint, x: torch.cat([torch.zeros(len(x), 1), _log_conditionals(joint, x)[:, 1:]], 1)],
        ),
        Mistake(
            "added up",
            lambda joint, x: _log_conditionals(joint, x).sum(1),
            "this is log p(x), one number for a row. Here each factor is asked for by itself.",
            forms=[lambda joint, x: _log_conditionals(joint, x).sum(1, keepdim=True)],
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 1b · The log-likelihood of a row


def _log_likelihood(logits, x):
    return Bernoulli(logits=logits).log_prob(x.to(logits)).sum(1)


def _each_log(logits, x):
    return Bernoulli(logits=logits).log_prob(x.to(logits))


def _taken(p, x):
    """p where x is 1, 1 − p where it is 0."""
    return torch.where(x.bool(), p, 1 - p)


def _padded_logs(logits, x, margin):
    p, x = logits.float().sigmoid(), x.float()
    return (x * (p + margin).log() + (1 - x) * (1 - p + margin).log()).sum(1)


def _clamped_logs(logits, x, margin):
    return _taken(logits.float().sigmoid().clamp(margin, 1 - margin), x).log().sum(1)


def _pixels(*shape: int, step: float = 1.7) -> Tensor:
    """Zeros and ones, as floats."""
    return ((torch.arange(math.prod(shape)) * step).sin() > 0.2).float().reshape(shape)


LIKELIHOOD = Task(
    "log_likelihood",
    _log_likelihood,
    cases=[
        (grid(4, 6), _pixels(4, 6)),
        (grid(3, 784, low=-1.5, high=1.0), _pixels(3, 784)),
        (grid(5, 2, low=-220.0, high=180.0), _pixels(5, 2, step=2.9)),
    ],
    hidden_cases=[
        (grid(2, 5).flip(0), _pixels(2, 5, step=2.3)),
        (grid(3, 900, low=-1.0, high=1.2), _pixels(3, 900, step=0.9)),
        (grid(6, 4, low=-150.0, high=250.0), _pixels(6, 4, step=1.1)),
    ],
    gradient=("logits",),
    mistakes=[
        Mistake(
            "product, then log",
            lambda logits, x: _taken(logits.float().sigmoid(), x).prod(1).log(),
            "right for a few pixels. The product of hundreds of probabilities is 0 on a computer, and its logarithm −∞: add up logarithms.",
            forms=[
                lambda logits, x: _each_log(logits, x).float().exp().prod(1).log(),
                lambda logits, x: (logits.float().sigmoid() ** x.float() * (1 - logits.float().sigmoid()) ** (1 - x.float())).prod(1).log(),
            ],
        ),
        Mistake(
            "sigmoid, then log",
            lambda logits, x: _taken(logits.float().sigmoid(), x).log().sum(1),
            "right for small logits. At large ones the sigmoid is exactly 0 or 1 in a float, and the logarithm is lost: "
            "torch has a function that takes logits as they are.",
            forms=[
                lambda logits, x: (x.float() * logits.float().sigmoid().log() + (1 - x.float()) * (1 - logits.float().sigmoid()).log()).sum(
                    1
                ),
                lambda logits, x: -F.binary_cross_entropy(logits.float().sigmoid(), x.float(), reduction="none").sum(1),
                lambda logits, x: (logits.float().sigmoid() ** x.float() * (1 - logits.float().sigmoid()) ** (1 - x.float())).log().sum(1),
                lambda logits, x: ((2 * x.float() - 1) * logits.float()).sigmoid().log().sum(1),
            ],
        ),
        Mistake(
            "exp overflows",
            lambda logits, x: (x.float() * logits.float() - (1 + logits.float().exp()).log()).sum(1),
            "right for small logits. exp of a large one is infinite in a float: torch has log(1 + eˣ) as one function, which is not.",
            forms=[lambda logits, x: (x.float() * logits.float() - logits.float().exp().log1p()).sum(1)],
        ),
        Mistake(
            "probabilities padded",
            partial(_padded_logs, margin=1e-8),
            "a tiny number is added to the probabilities, or they are kept from 0: then an impossible pixel costs far too "
            "little. Work with the logits, which need no such help.",
            forms=[
                *(form for margin in _EPSILONS for form in (partial(_padded_logs, margin=margin), partial(_clamped_logs, margin=margin))),
                lambda logits, x: Bernoulli(logits.float().sigmoid(), validate_args=False).log_prob(x.float()).sum(1),
                lambda logits, x: _padded_logs(logits, x, 0.0).nan_to_num(),
                lambda logits, x: _taken(logits.float().sigmoid(), x).log().nan_to_num().sum(1),
                lambda logits, x: _each_log(logits, x).clamp(min=-100).sum(1),
            ],
        ),
        Mistake(
            "logits kept small",
            lambda logits, x: _log_likelihood(logits.clamp(-10, 10), x),
            "right for small logits. Large ones are cut off, so an impossible pixel costs far too little. They need no such help.",
            forms=[lambda logits, x, most=most: _log_likelihood(logits.clamp(-most, most), x) for most in (5, 15, 20, 30, 50, 80, 88, 100)],
        ),
        Mistake(
            "sigmoid twice",
            lambda logits, x: _log_likelihood(logits.sigmoid(), x),
            "the sigmoid is taken twice: a function with `logits` in its name takes it by itself.",
        ),
        Mistake(
            "arguments exchanged",
            lambda logits, x: -F.binary_cross_entropy_with_logits(x, logits, reduction="none").sum(1),
            "logits and x are exchanged: the logits come first.",
        ),
        Mistake(
            "1 minus the logarithm",
            lambda logits, x: (x * F.logsigmoid(logits) + (1 - x) * (1 - F.logsigmoid(logits))).sum(1),
            "the zeros go wrong: log(1 − p) is neither 1 − log p nor −log p.",
            forms=[lambda logits, x: (x * F.logsigmoid(logits) - (1 - x) * F.logsigmoid(logits)).sum(1)],
        ),
        Mistake(
            "sign",
            lambda logits, x: -_log_likelihood(logits, x),
            "minus the right value: that is the loss. log p(x) itself is asked for.",
        ),
        Mistake(
            "ones alone",
            lambda logits, x: (x * F.logsigmoid(logits)).sum(1),
            "only the pixels that are 1 count. A 0 has a probability too.",
            forms=[lambda logits, x: ((1 - x) * F.logsigmoid(-logits)).sum(1)],
        ),
        Mistake(
            "always a one",
            lambda logits, x: F.logsigmoid(logits).sum(1),
            "x has no effect: this is the probability of an image of ones.",
        ),
        Mistake(
            "0 and 1 exchanged",
            lambda logits, x: _log_likelihood(-logits, x),
            "0 and 1 are exchanged: the sigmoid of a logit is the probability of a 1.",
        ),
        Mistake(
            "logits for logs",
            lambda logits, x: (x * logits).sum(1),
            "logits are added up as if they were log-probabilities. They still have to become that.",
            forms=[
                lambda logits, x: (x * logits - (1 - x) * logits).sum(1),
                lambda logits, x: logits.log_softmax(1).mul(x).sum(1),
                lambda logits, x: logits.log_softmax(1).sum(1),
                lambda logits, x: logits.sum(1),
            ],
        ),
        Mistake(
            "probabilities added",
            lambda logits, x: _taken(logits.sigmoid(), x).sum(1),
            "probabilities are added up. Independent factors multiply: which sum belongs to a product?",
            forms=[lambda logits, x: _taken(logits.sigmoid(), x).sum(1).log()],
        ),
        Mistake(
            "averaged",
            lambda logits, x: _each_log(logits, x).mean(1),
            "a mean over the pixels. The chain rule adds them up.",
        ),
        Mistake(
            "summed over the batch",
            lambda logits, x: _each_log(logits, x).sum(0),
            "added up over the images: axis 0 counts them. Each image has a log p of its own.",
            forms=[lambda logits, x: _each_log(logits, x).mean(0)],
        ),
        Mistake(
            "one number",
            lambda logits, x: _each_log(logits, x).sum(),
            "one number for the batch. Each image has a log p of its own.",
            forms=[
                lambda logits, x: _each_log(logits, x).mean(),
                lambda logits, x: _log_likelihood(logits, x).mean(),
                lambda logits, x: -_each_log(logits, x).mean(),
                lambda logits, x: -_each_log(logits, x).sum(),
            ],
        ),
        Mistake(
            "each pixel",
            _each_log,
            "one number for each pixel. Add up those of an image.",
        ),
        Mistake(
            "probability",
            lambda logits, x: _log_likelihood(logits, x).exp(),
            "this is the probability, which is 0 for a large image on a computer. Its logarithm is asked for.",
            forms=[lambda logits, x: _taken(logits.float().sigmoid(), x).prod(1)],
        ),
        Mistake(
            "bits",
            lambda logits, x: _log_likelihood(logits, x) / LOG_2,
            "right in bits. Nats are asked for.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 2a · The masks


def _causal_mask(kernel, kind):
    """By the number of a place in reading order."""
    number = torch.arange(kernel * kernel).reshape(kernel, kernel)
    centre = kernel * kernel // 2
    return (number < centre if kind == "A" else number <= centre).double()


def _open(rule):
    """Another mask: rule(row, column, kind) says which places are open; both count from the centre."""

    def wrong(kernel, kind):
        steps = torch.arange(kernel) - kernel // 2
        return rule(steps[:, None].expand(kernel, kernel), steps.expand(kernel, kernel), kind == "B").double()

    return wrong


def _centre(r, c):
    return (r == 0) & (c == 0)


def _before(r, c):
    return (r < 0) | ((r == 0) & (c < 0))


MASK = Task(
    "causal_mask",
    _causal_mask,
    cases=[(5, "A"), (5, "B"), (3, "A"), (3, "B"), (1, "B")],
    hidden_cases=[(7, "B"), (7, "A"), (9, "B"), (1, "A")],
    mistakes=[
        Mistake(
            "A and B exchanged",
            lambda kernel, kind: _causal_mask(kernel, "B" if kind == "A" else "A"),
            "A and B are exchanged: the first layer sees the image itself, so there the centre must be closed.",
        ),
        Mistake(
            "centre always open",
            _open(lambda r, c, b: _before(r, c) | _centre(r, c)),
            "the centre is open in both kinds. In kind A it would show the network the pixel that it should predict.",
        ),
        Mistake(
            "centre always closed",
            _open(lambda r, c, b: _before(r, c)),
            "the centre is closed in both kinds. From the second layer on it holds no pixel of its own, and may be seen.",
        ),
        Mistake(
            "open and closed exchanged",
            lambda kernel, kind: 1 - _causal_mask(kernel, kind),
            "open and closed are exchanged: 1 is for what may be seen.",
        ),
        Mistake(
            "future",
            lambda kernel, kind: _causal_mask(kernel, kind).flip(0, 1),
            "right turned by 180°: what comes later is open. Convolutions of torch do not turn the kernel round, so above is above.",
        ),
        Mistake(
            "columns for rows",
            lambda kernel, kind: _causal_mask(kernel, kind).T,
            "rows and columns are exchanged: pixels are read row by row, not column by column.",
        ),
        Mistake(
            "right for left",
            lambda kernel, kind: _causal_mask(kernel, kind).flip(1),
            "in the row of the centre, the pixels to its right are open. They come later.",
        ),
        Mistake(
            "rows alone",
            _open(lambda r, c, b: (r < 0) | (_centre(r, c) & b)),
            "the rows above are right, but in the row of the centre the pixels to its left are known too.",
        ),
        Mistake(
            "whole row of the centre",
            _open(lambda r, c, b: (r <= 0) & ~(_centre(r, c) & (not b))),
            "the whole row of the centre is open. What lies to its right comes later.",
            forms=[_open(lambda r, c, b: (r <= 0) if b else (r < 0)), _open(lambda r, c, b: r <= 0)],
        ),
        Mistake(
            "rows below",
            _open(lambda r, c, b: (r != 0) | (c < 0) | (_centre(r, c) & b)),
            "the rows below the centre are open. They come later.",
            forms=[
                _open(lambda r, c, b: ~_centre(r, c) | b),
                _open(lambda r, c, b: torch.ones_like(r, dtype=torch.bool)),
                _open(lambda r, c, b: r != 0),
                _open(lambda r, c, b: (r < 0) | (c < int(b))),
            ],
        ),
        Mistake(
            "one place too far",
            _open(lambda r, c, b: (r < 0) | ((r == 0) & (c <= int(b)))),
            "the row of the centre is open one place too far: kind A ends before the centre, kind B with it.",
        ),
        Mistake(
            "one place too few",
            _open(lambda r, c, b: (r < 0) | ((r == 0) & (c < int(b) - 1))),
            "the row of the centre ends one place too early: kind A ends just before the centre, kind B with it.",
        ),
        Mistake(
            "left upper corner",
            _open(lambda r, c, b: (r <= 0) & (c <= 0) & ~(_centre(r, c) & (not b))),
            "the pixels above, to the right of the centre, are closed. They come earlier as well: whole rows do.",
            forms=[
                _open(lambda r, c, b: (r < 0) & (c < 0) | (_centre(r, c) & b)),
                _open(lambda r, c, b: (r <= 0) & (c <= 0)),
                _open(lambda r, c, b: (r <= 0) & (c < int(b))),
                _open(lambda r, c, b: (r < 0) & (c < int(b))),
            ],
        ),
        Mistake(
            "row alone",
            _open(lambda r, c, b: (r == 0) & (c < 0) | (_centre(r, c) & b)),
            "only the row of the centre is used. All rows above come earlier.",
        ),
        Mistake(
            "triangle",
            lambda kernel, kind: torch.ones(kernel, kernel).tril(0 if kind == "B" else -1).double(),
            "a triangle. That masks a matrix which mixes positions; here the places are those of a kernel, round its centre.",
            forms=[
                lambda kernel, kind: torch.ones(kernel, kernel).triu(0 if kind == "B" else 1).double(),
                lambda kernel, kind: torch.ones(kernel, kernel).tril().double(),
            ],
        ),
        Mistake(
            "axes of a weight",
            lambda kernel, kind: _causal_mask(kernel, kind)[None, None],
            "the shape is that of a weight. The mask alone is asked for, (kernel, kernel); it broadcasts.",
        ),
        Mistake(
            "boolean",
            lambda kernel, kind: _causal_mask(kernel, kind).bool(),
            "the right places, but not as floats. Weights are multiplied by the mask: return floats.",
            forms=[lambda kernel, kind: _causal_mask(kernel, kind).long()],
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 2b · A masked convolution


def _masked_conv(x, weight, mask):
    """Σ over the open places of the kernel of W[:, :, i, j] · the image, moved so that it lies there."""
    reach, (height, width) = weight.shape[-1] // 2, x.shape[2:]
    wide = F.pad(x, (reach, reach, reach, reach))
    return sum(
        torch.einsum("oc,bchw->bohw", weight[:, :, i, j], wide[:, :, i : i + height, j : j + width]) for i, j in mask.nonzero().tolist()
    )


def _same_conv(x, weight, mode="constant"):
    pad = weight.shape[-1] // 2
    return F.conv2d(F.pad(x, (pad, pad, pad, pad), mode=mode), weight)


def _mask(kernel: int, kind: str) -> Tensor:
    return _causal_mask(kernel, kind).float()


class Convolution(Task):
    """A task whose stand-in has a network to train, for which the reference would be slow."""

    def _stand_in(self, x: Tensor, weight: Tensor, mask: Tensor) -> Tensor:
        return F.conv2d(x, weight * mask, padding=weight.shape[-1] // 2)


CONV = Convolution(
    "masked_conv",
    _masked_conv,
    cases=[
        (grid(4, 1, 6, 5), grid(3, 1, 3, 3).sin(), _mask(3, "A")),
        (grid(2, 3, 5, 7).sin(), grid(4, 3, 5, 5).cos(), _mask(5, "B")),
    ],
    hidden_cases=[
        (grid(3, 2, 7, 6).cos(), grid(5, 2, 5, 5), _mask(5, "A")),
        (grid(5, 3, 4, 6), (3 * grid(2, 3, 3, 3)).sin(), _mask(3, "B")),
    ],
    gradient=("x", "weight"),
    mistakes=[
        Mistake("mask left out", lambda x, weight, mask: _same_conv(x, weight), "the mask has no effect."),
        Mistake(
            "no padding",
            lambda x, weight, mask: F.conv2d(x, weight * mask),
            "the output is smaller than the image: pad with zeros, kernel // 2 on every side.",
        ),
        Mistake(
            "padded for another kernel",
            lambda x, weight, mask: F.conv2d(x, weight * mask, padding=1),
            "right for a kernel of 3. A larger one needs more zeros around the image.",
            forms=[lambda x, weight, mask: F.conv2d(x, weight * mask, padding=2)],
        ),
        Mistake(
            "padded by the kernel",
            lambda x, weight, mask: F.conv2d(x, weight * mask, padding=weight.shape[-1]),
            "the output is larger than the image: so much padding is too much on each side.",
            forms=[lambda x, weight, mask: F.conv2d(x, weight * mask, padding=weight.shape[-1] - 1)],
        ),
        Mistake(
            "padded on one side",
            lambda x, weight, mask: F.conv2d(F.pad(x, (weight.shape[-1] - 1, 0, weight.shape[-1] - 1, 0)), weight * mask),
            "the padding is all on one side. Above and to the left, that would make a plain convolution causal; here the mask does so "
            "already, and the centre has to stay where it is.",
            forms=[
                lambda x, weight, mask: F.conv2d(F.pad(x, (0, weight.shape[-1] - 1, 0, weight.shape[-1] - 1)), weight * mask),
                lambda x, weight, mask: F.conv2d(
                    F.pad(x, (weight.shape[-1] // 2, weight.shape[-1] // 2, weight.shape[-1] - 1, 0)), weight * mask
                ),
            ],
        ),
        Mistake(
            "not padded with zeros",
            lambda x, weight, mask: _same_conv(x, weight * mask, "replicate"),
            "right inside, wrong at the border: outside the image there are zeros. Anything else may come from later pixels.",
            forms=[
                lambda x, weight, mask: _same_conv(x, weight * mask, "circular"),
                lambda x, weight, mask: _same_conv(x, weight * mask, "reflect"),
            ],
        ),
        Mistake(
            "mask the wrong way",
            lambda x, weight, mask: _same_conv(x, weight * (1 - mask)),
            "the weights that should go stay, and the others go.",
        ),
        Mistake(
            "mask transposed",
            lambda x, weight, mask: _same_conv(x, weight * mask.T),
            "the mask or the kernel is transposed: axis 2 of the weight counts rows, as axis 0 of the mask does.",
            forms=[lambda x, weight, mask: _same_conv(x, (weight * mask).transpose(2, 3))],
        ),
        Mistake(
            "kernel turned",
            lambda x, weight, mask: _same_conv(x, (weight * mask).flip(2, 3)),
            "the kernel is turned by 180°: with that the later pixels are seen. `conv2d` as it is has above above.",
            forms=[
                lambda x, weight, mask: _same_conv(x, weight.flip(2, 3) * mask),
                lambda x, weight, mask: _same_conv(x, weight * mask.flip(0, 1)),
            ],
        ),
        Mistake(
            "mask added",
            lambda x, weight, mask: _same_conv(x, weight + mask),
            "the mask is added to the weights. What should become of a weight where the mask is 0?",
        ),
        Mistake(
            "renormalised",
            lambda x, weight, mask: _same_conv(x, weight * mask) / mask.sum(),
            "the output is divided by how many places are open. Only the masked weights are asked for.",
            forms=[lambda x, weight, mask: _same_conv(x, weight * mask) * mask.numel() / mask.sum()],
        ),
        Mistake(
            "inputs apart",
            lambda x, weight, mask: sum(_same_conv(x[:, i : i + 1], (weight * mask)[:, :1]) for i in range(x.shape[1])),
            "each output takes the same weights for all channels of the input. Axis 1 of the weight counts them.",
        ),
        Mistake(
            "weight detached",
            lambda x, weight, mask: _masked_conv(x, weight.detach(), mask),
            "right values, but no gradient reaches the weight: `.data`, `.detach()` and `no_grad` cut it off. "
            "Multiply the weight as it is.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 3 · What an output depends on


def _network(
    channels: tuple[int, ...],
    kinds: str,
    phase: float,
    kernel: int = 3,
    cancel: bool = False,
    scale: float = 1.0,
    narrow: bool = False,
    inputs: str = "",
) -> nn.Sequential:
    """Convolutions with fixed weights and a tanh between them: masks A and B, "C" for no mask, "R" for later pixels alone.

    cancel: the first two outputs are each other's negative, so that the sum of two depends on nothing
    narrow: the first output sees its own row alone, the last one does not see the left column of the kernel
    inputs: "opposite", the second input counts as minus the first; "narrow", the first is seen in its own row alone, the last not there
    """
    layers: list[nn.Module] = []
    for i, kind in enumerate(kinds):
        conv = nn.utils.skip_init(nn.Conv2d, channels[i], channels[i + 1], kernel, padding=kernel // 2)
        mask = {"C": torch.ones(kernel, kernel), "R": _mask(kernel, "B").flip(0, 1)}.get(kind)
        with torch.no_grad():
            conv.weight.copy_((7 * grid(*conv.weight.shape) + phase + i).sin() * (_mask(kernel, kind) if mask is None else mask) * scale)
            conv.bias.copy_(grid(channels[i + 1]) / 4)
            if inputs == "opposite" and i == 0:
                conv.weight[:, 1].copy_(-conv.weight[:, 0])
            if inputs == "narrow" and i == 0:
                conv.weight[:, 0, : kernel // 2] = conv.weight[:, 0, kernel // 2 + 1 :] = 0
                conv.weight[:, -1, kernel // 2] = 0
            if cancel and i == len(kinds) - 1:
                conv.weight[1].copy_(-conv.weight[0])
            if narrow and i == len(kinds) - 1:
                conv.weight[0, :, : kernel // 2] = 0
                conv.weight[-1, :, :, 0] = 0
        layers += [conv, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def _sensitivity(model, x, row, column):
    """Derivatives of all outputs at the pixel by all inputs, (outputs, batch, channels, height, width), one backward pass each."""
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        out = model(x)[:, :, row, column].sum(0)
        return torch.stack([torch.autograd.grad(value, x, retain_graph=True, materialize_grads=True)[0] for value in out])


def _depends_on(model, x, row, column):
    return (_sensitivity(model, x, row, column) != 0).flatten(0, 2).any(0)


def _through(rule):
    """Another way to make a map of the derivatives, (outputs, batch, channels, height, width)."""
    return lambda model, x, row, column: rule(_sensitivity(model, x, row, column))


def _of_all_outputs(model, x, row, column, of=torch.square):
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(of(model(x)).sum(), x)
    return (slope != 0).flatten(0, 1).any(0)


DEPENDS = Task(
    "depends_on",
    _depends_on,
    cases=[
        (_network((1, 3, 4), "AB", 0.3, narrow=True), grid(1, 1, 5, 6).sin(), 2, 3),
        (_network((2, 4, 2), "AB", 1.1, cancel=True, inputs="narrow"), grid(4, 2, 6, 5), 3, 1),
        (_network((1, 2, 3), "CR", 0.7), grid(2, 1, 7, 6).cos(), 2, 4),
        (_network((2, 3), "A", 0.7, inputs="opposite"), grid(2, 2, 6, 7).cos(), 2, 4),  # one layer: the slopes cancel exactly
        (_network((1, 2, 3), "AB", 0.5, scale=1e-8), grid(2, 1, 5, 7).cos(), 4, 2),  # small slopes count
        (_network((1, 1, 1), "AB", 0.5), grid(1, 1, 6, 5), 4, 2),  # some slopes are negative
    ],
    hidden_cases=[
        (_network((1, 3, 2, 2), "ABB", 2.0, cancel=True), grid(3, 1, 6, 7).sin(), 4, 2),
        (_network((3, 2, 3), "RC", 0.2, narrow=True, inputs="narrow"), grid(1, 3, 5, 6), 1, 3),
        (_network((2, 3, 4), "AB", 1.6, scale=1e-8), grid(3, 2, 7, 5).cos(), 3, 1),
        (_network((2, 2), "C", 0.9, kernel=5, inputs="opposite"), grid(3, 2, 6, 5).sin(), 3, 2),
        (_network((1, 1, 1), "CB", 1.9), grid(1, 1, 5, 6).cos(), 3, 4),
    ],
    mistakes=[
        Mistake(
            "outputs added",
            _through(lambda g: (g.sum(0) != 0).flatten(0, 1).any(0)),
            "the outputs of the pixel are added up first. Where one rises as another falls, their sum hides what each "
            "depends on: take them one by one.",
            forms=[_through(lambda g: (g.mean(0) != 0).flatten(0, 1).any(0))],
        ),
        Mistake(
            "first output alone",
            _through(lambda g: (g[0] != 0).flatten(0, 1).any(0)),
            "only the first output of the pixel is looked at. Any of them may depend on an input.",
            forms=[_through(lambda g: (g[-1] != 0).flatten(0, 1).any(0))],
        ),
        Mistake(
            "slopes added",
            _through(lambda g: (g.sum((1, 2)) != 0).any(0)),
            "the slopes of examples and channels are added up. One may be minus another, and their sum 0: ask of each whether it is 0.",
            forms=[_through(lambda g: (g.mean((1, 2)) != 0).any(0)), _through(lambda g: (g.sum(2) != 0).flatten(0, 1).any(0))],
        ),
        Mistake(
            "one input channel alone",
            _through(lambda g: (g[:, :, 0] != 0).flatten(0, 1).any(0)),
            "only one channel of the input is looked at. An input pixel has them all.",
            forms=[_through(lambda g: (g[:, :, -1] != 0).flatten(0, 1).any(0))],
        ),
        Mistake(
            "every pixel",
            _of_all_outputs,
            "the outputs of all pixels are looked at. Those at (row, column) are asked for.",
            forms=[partial(_of_all_outputs, of=lambda out: out), partial(_of_all_outputs, of=lambda out: out[:, 0])],
        ),
        Mistake(
            "row and column exchanged",
            lambda model, x, row, column: _depends_on(model, x, column, row),
            "row and column are exchanged: axis 2 counts the rows.",
        ),
        Mistake(
            "positive slopes alone",
            _through(lambda g: (g > 0).flatten(0, 2).any(0)),
            "only inputs that raise an output count. One that lowers it is seen as well.",
            forms=[_through(lambda g: (g < 0).flatten(0, 2).any(0)), _through(lambda g: g.sum((0, 1, 2)) > 0)],
        ),
        Mistake(
            "small slopes left out",
            _through(lambda g: (g.abs() > 1e-6).flatten(0, 2).any(0)),
            "a small slope counts as none. However little an input changes the output, the output depends on it: compare with 0.",
            forms=[
                *(_through(lambda g, m=10.0**-i: (g.abs() > m).flatten(0, 2).any(0)) for i in (2, 3, 4, 5, 7, 8, 9, 10, 12)),
                _through(lambda g: ~torch.isclose(g, torch.zeros_like(g)).flatten(0, 2).all(0)),
            ],
        ),
        Mistake(
            "independent",
            _through(lambda g: (g == 0).flatten(0, 2).all(0)),
            "this is the map of what has no effect: true and false are exchanged.",
        ),
        Mistake(
            "in every example",
            _through(lambda g: (g != 0).flatten(0, 2).all(0)),
            "an input counts only where all outputs, examples and channels agree. One of them is enough.",
            forms=[_through(lambda g: g.prod(0).ne(0).flatten(0, 1).any(0))],
        ),
        Mistake(
            "causal by decree",
            lambda model, x, row, column: torch.arange(x.shape[2] * x.shape[3]).reshape(x.shape[2:]) < row * x.shape[3] + column,
            "this is what a causal model may see. What this model does see is asked for: the gradient knows.",
            forms=[lambda model, x, row, column: torch.arange(x.shape[2] * x.shape[3]).reshape(x.shape[2:]) <= row * x.shape[3] + column],
        ),
        Mistake(
            "slopes",
            _through(lambda g: g.abs().sum((0, 1, 2))),
            "these are the sizes of the slopes. Which of them are not 0?",
            forms=[
                _through(lambda g: g.abs().amax((0, 1, 2))),
                _through(lambda g: g.sum((0, 1, 2))),
            ],
        ),
        Mistake(
            "batch and channels kept",
            _through(lambda g: (g != 0).any(0)),
            "the map has axes for the examples and channels of the input. One map (height, width) is asked for: any of them counts.",
            forms=[
                _through(lambda g: g.sum(0) != 0),
                _through(lambda g: (g != 0).any(0).any(0)),
                _through(lambda g: (g != 0).any(0).any(1)),
            ],
        ),
        Mistake(
            "pixel itself added",
            lambda model, x, row, column: (
                _depends_on(model, x, row, column)
                | (torch.arange(x.shape[2] * x.shape[3]).reshape(x.shape[2:]) == row * x.shape[3] + column)
            ),
            "the pixel itself is always marked. It counts only where the output depends on it.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 4 · Bits and perplexity


def _per_symbol(log_p, real):
    nats = -log_p[real].mean()
    return nats / torch.tensor(2.0, dtype=nats.dtype).log(), nats.exp()


def _from_nats(nats_of):
    """Bits and perplexity of another cost in nats."""

    def wrong(log_p, real):
        nats = nats_of(log_p, real)
        return nats / LOG_2, nats.exp()

    return wrong


def _pair(bits, perplexity=torch.exp):
    """Another step from the right nats to the two results."""

    def wrong(log_p, real):
        nats = -log_p[real].mean()
        return bits(nats), perplexity(nats)

    return wrong


def _to_bits(nats):
    return nats / LOG_2


def _zeroed(log_p, real):
    return torch.where(real, log_p, 0.0)


def _lengths(length: int, *lengths: int) -> Tensor:
    return torch.arange(length) < torch.tensor(lengths)[:, None]


def _costs(*shape: int, padding: float, real: Tensor, low: float = -4.0) -> Tensor:
    return torch.where(real, grid(*shape, low=low, high=-0.1), padding)


_R1, _R2, _R3 = _lengths(5, 5, 2, 3), _lengths(784, 784, 500), _lengths(6, 1, 6, 4, 2)
_H1, _H2, _H3 = _lengths(7, 3, 7), _lengths(900, 640, 900, 30), _lengths(4, 4, 1, 2, 1, 3)

PER_SYMBOL = Task(
    "bits_and_perplexity",
    _per_symbol,
    results=("bits", "perplexity"),
    cases=[
        (_costs(3, 5, padding=0.0, real=_R1), _R1),
        (_costs(2, 784, padding=-1.3, real=_R2), _R2),
        (_costs(4, 6, padding=-math.inf, real=_R3), _R3),
    ],
    hidden_cases=[
        (_costs(2, 7, padding=0.0, real=_H1, low=-3.0), _H1),
        (_costs(3, 900, padding=-0.7, real=_H2, low=-3.0), _H2),
        (_costs(5, 4, padding=-math.inf, real=_H3, low=-2.5), _H3),
    ],
    mistakes=[
        Mistake(
            "multiplied by zero",
            _from_nats(lambda log_p, real: -(log_p * real).sum() / real.sum()),
            "NaN where the padding holds −∞: 0 · ∞ is no number. Choose the real symbols instead of multiplying the others by 0.",
            forms=[_from_nats(lambda log_p, real: ((-log_p * real).sum(1) / real.sum(1)).mean())],
        ),
        Mistake(
            "padding counted",
            _from_nats(lambda log_p, real: -log_p.mean()),
            "the padding is counted too. It is no symbol: leave it out of the sum and of the number.",
            forms=[
                _from_nats(lambda log_p, real: -log_p.sum() / real.sum()),
                _from_nats(lambda log_p, real: -log_p.sum(1).div(real.sum(1)).mean()),
            ],
        ),
        Mistake(
            "padding counted below",
            _from_nats(lambda log_p, real: -_zeroed(log_p, real).mean()),
            "the sum is right, but it is shared by all places, the padding among them. How many symbols are there?",
            forms=[
                _from_nats(lambda log_p, real: -(log_p * real).mean()),
            ],
        ),
        Mistake(
            "each text",
            _from_nats(lambda log_p, real: -_zeroed(log_p, real).sum() / log_p.shape[0]),
            "the sum is right, but it is divided by the number of rows: this is what a whole text costs. How many symbols are there?",
            forms=[_from_nats(lambda log_p, real: -_zeroed(log_p, real).sum() / log_p.shape[1])],
        ),
        Mistake(
            "padding guessed",
            _from_nats(lambda log_p, real: -log_p[log_p.isfinite() & (log_p != 0)].mean()),
            "the padding is guessed from its values, which may be any. `real` says where it is.",
            forms=[
                _from_nats(lambda log_p, real: -log_p[log_p.isfinite()].mean()),
                _from_nats(lambda log_p, real: -log_p[log_p != 0].mean()),
            ],
        ),
        Mistake(
            "padding alone",
            _from_nats(lambda log_p, real: -log_p[~real].mean()),
            "this is what the padding costs: true stands for a real symbol.",
        ),
        Mistake(
            "entropy",
            _from_nats(lambda log_p, real: -(log_p[real].exp() * log_p[real]).mean()),
            "each logarithm is weighted with its probability, as in an entropy. Here a plain mean is asked for.",
            forms=[_from_nats(lambda log_p, real: -(log_p[real].exp() * log_p[real]).float().sum())],
        ),
        Mistake(
            "rows first",
            _from_nats(lambda log_p, real: -(_zeroed(log_p, real).sum(1) / real.sum(1)).mean()),
            "each row is averaged first, then the rows: then a symbol of a short row counts for more. All symbols count the same.",
            forms=[
                lambda log_p, real: (
                    -(_zeroed(log_p, real).sum(1) / real.sum(1)).mean() / LOG_2,
                    (-(_zeroed(log_p, real).sum(1) / real.sum(1))).exp().mean(),
                ),
            ],
        ),
        Mistake(
            "perplexities averaged",
            lambda log_p, real: (_to_bits(-log_p[real].mean()), (-log_p[real]).exp().mean()),
            "bits are right, but the perplexity is a mean of perplexities, which a few hard symbols rule. Average the nats, then take exp.",
            forms=[
                lambda log_p, real: (
                    _to_bits(-log_p[real].mean()),
                    (-(_zeroed(log_p, real).sum(1) / real.sum(1))).exp().mean(),
                )
            ],
        ),
        Mistake(
            "probabilities averaged",
            lambda log_p, real: (_to_bits(-log_p[real].mean()), 1 / log_p[real].exp().mean()),
            "bits are right, but the perplexity comes from a mean of probabilities. Average the logarithms.",
            forms=[_from_nats(lambda log_p, real: -log_p[real].exp().mean().log())],
        ),
        Mistake(
            "product, then root",
            lambda log_p, real: (_to_bits(-log_p[real].mean()), log_p[real].float().exp().prod() ** (-1 / real.sum())),
            "right for a few symbols. The product of hundreds of probabilities is 0 on a computer: stay with logarithms up to the end.",
            forms=[
                _from_nats(lambda log_p, real: -log_p[real].float().exp().prod().log() / real.sum()),
                lambda log_p, real: (_to_bits(-log_p[real].mean()), (-log_p[real].sum()).float().exp() ** (1 / real.sum())),
            ],
        ),
        Mistake(
            "exp of bits",
            lambda log_p, real: (_to_bits(-log_p[real].mean()), _to_bits(-log_p[real].mean()).exp()),
            "bits are right, but the perplexity is exp of bits. exp belongs to nats; what belongs to bits?",
        ),
        Mistake(
            "2 to the nats",
            _pair(_to_bits, lambda nats: 2**nats),
            "bits are right, but the perplexity is 2 to the power of nats. 2 belongs to bits; what belongs to nats?",
        ),
        Mistake(
            "nats",
            _pair(lambda nats: nats),
            "the perplexity is right, but the first result is in nats. How many nats has a bit?",
        ),
        Mistake(
            "multiplied by log 2",
            _pair(lambda nats: nats * LOG_2),
            "the perplexity is right, but for bits the nats are multiplied by log 2. A bit is log 2 ≈ 0.69 nats: "
            "there are more bits than nats.",
            forms=[_pair(lambda nats: nats * LOG_2, lambda nats: 2 ** (nats * LOG_2))],
        ),
        Mistake(
            "sign of the bits",
            _pair(lambda nats: -nats / LOG_2),
            "the perplexity is right, but the bits are negative. They are what a symbol costs.",
        ),
        Mistake(
            "inverse",
            _pair(_to_bits, lambda nats: (-nats).exp()),
            "bits are right, but the perplexity is below 1: this is the mean probability of a symbol. Among how many would one guess?",
            forms=[_pair(lambda nats: -nats / LOG_2, lambda nats: (-nats).exp())],
        ),
        Mistake(
            "log of the bits",
            _pair(lambda nats: nats.log2()),
            "the first result takes a logarithm of the nats, which are logarithms already. From nats to bits it is a division.",
            forms=[
                lambda log_p, real: (-log_p[real].log2().mean(), (-log_p[real].mean()).exp()),
                lambda log_p, real: (-log_p[real].log2().mean(),) * 2,
            ],
        ),
        Mistake(
            "all together",
            _from_nats(lambda log_p, real: -log_p[real].double().sum()),
            "these are the bits of all symbols together. Those of one symbol are asked for.",
            forms=[lambda log_p, real: (_to_bits(-log_p[real].sum()), (-log_p[real].mean()).exp())],
        ),
        Mistake(
            "one for each row",
            _from_nats(lambda log_p, real: -_zeroed(log_p, real).sum(1) / real.sum(1)),
            "one number for each row. All symbols of the batch together give one.",
        ),
        Mistake(
            "order",
            lambda log_p, real: _per_symbol(log_p, real)[::-1],
            "bits and perplexity are exchanged.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 5 · Top-k and nucleus


class Filter(Task):
    """A task whose results hold −∞ on purpose, so that an unknown mistake is told by the symbols that stay."""

    def _explain(self, answer: Outcome, truth: Outcome, where: str, leaves: list[str]) -> NoReturn:
        given, asked = answer.values[0], truth.values[0]
        if isinstance(given, Tensor) and given.shape == asked.shape and given.is_floating_point() and not given.isnan().any():
            for wrong, said in (
                (given.isfinite() & ~asked.isfinite(), "should go, but has a finite logit"),
                (~given.isfinite() & asked.isfinite(), "should stay, but has an infinite logit"),
            ):
                if wrong.any():
                    self._fail("value", f"symbol {wrong.nonzero()[0].tolist()} {said}, in {where}.")
        super()._explain(answer, truth, where, leaves)


def _keep(logits, stays, away=-math.inf):
    return torch.where(stays, logits, torch.full_like(logits, away))


def _top_k(logits, k):
    """By counting: a symbol stays if fewer than k are strictly larger."""
    larger = (logits[:, None, :] > logits[:, :, None]).sum(2)
    return _keep(logits, larger < k)


def _exactly_k(logits, k):
    return torch.full_like(logits, -math.inf).scatter(1, logits.topk(min(k, logits.shape[1]), 1).indices, 1.0).isfinite()


def _kth(values, k):
    """The k-th largest of each row, (batch, 1)."""
    return values.sort(1, descending=True).values[:, min(k, values.shape[1]) - 1, None]


_L1 = torch.tensor([[2.0, -1.0, 0.5, 3.0, -4.0], [0.1, 0.2, -3.0, -0.4, 0.3], [-5.0, -1.0, -2.0, -0.5, -2.5]])
_L2 = torch.tensor([[1.0, 1.0, -2.0, 1.0, 0.5, -1.0], [0.0, 3.0, 2.0, 2.0, -6.0, 2.0]])
_L3 = torch.tensor([[-3.0, 0.4, 2.5], [0.7, -0.2, -1.1], [1.0, 1.5, -2.0], [-0.5, 0.1, 0.3]])
_M1 = torch.tensor([[0.3, 2.0, -1.5, 1.1], [-4.0, -0.2, -0.3, -6.0], [2.2, -3.1, 0.9, 1.0]])
_M2 = torch.tensor([[-1.0, 2.0, 2.0, 0.0, 2.0, -3.5, 1.0], [0.6, -2.0, 0.4, 0.4, 3.0, -1.0, -5.0]])

TOP_K = Filter(
    "top_k",
    _top_k,
    cases=[(_L1, 2), (_L2, 2), (_L3, 5), (_L1.flip(1), 1)],
    hidden_cases=[(_M1, 2), (_M2, 2), (_M1, 9), (_M2.flip(1), 1)],
    mistakes=[
        Mistake(
            "ties broken",
            lambda logits, k: _keep(logits, _exactly_k(logits, k)),
            "right without ties. Symbols that are as likely as the k-th stay too: which of them went was chance.",
            forms=[
                lambda logits, k: _keep(logits, logits.argsort(dim=1, descending=True, stable=True).argsort(1) < k),
                lambda logits, k: _keep(logits, logits.argsort(dim=1, stable=True).flip(1).argsort(1) < k),
            ],
        ),
        Mistake(
            "k-th left out",
            lambda logits, k: _keep(logits, logits > _kth(logits, k)),
            "the k-th symbol itself goes: it is not larger than itself.",
        ),
        Mistake(
            "one too many",
            lambda logits, k: _keep(logits, logits >= _kth(logits, k + 1)),
            "one symbol too many stays: counting starts at 0.",
        ),
        Mistake(
            "nothing goes",
            lambda logits, k: logits.clone(),
            "all symbols stay, in every case.",
        ),
        Mistake(
            "largest alone",
            lambda logits, k: _top_k(logits, 1),
            "right for k = 1: only the likeliest stays. The threshold is the k-th largest.",
        ),
        Mistake(
            "k-th smallest",
            lambda logits, k: _keep(logits, logits >= logits.sort(1).values[:, min(k, logits.shape[1]) - 1, None]),
            "the threshold is the k-th smallest logit: which way does your sort go?",
        ),
        Mistake(
            "equal ones counted once",
            lambda logits, k: torch.stack([_keep(row, row >= row.unique().flip(0)[: min(k, logits.shape[1])][-1]) for row in logits]),
            "right without ties. Equal logits are counted once, as one of k values: each symbol counts.",
        ),
        Mistake(
            "places for ranks",
            lambda logits, k: _keep(logits, logits.argsort(dim=1, descending=True, stable=True) < k),
            "`argsort` tells which symbol has each rank, not which rank each symbol has.",
            forms=[lambda logits, k: _keep(logits, (torch.arange(logits.shape[1]) < k).expand(logits.shape))],
        ),
        Mistake(
            "smallest kept",
            lambda logits, k: -_top_k(-logits, k).where(_top_k(-logits, k).isfinite(), math.inf),
            "the k least likely symbols stay.",
            forms=[lambda logits, k: _keep(logits, _top_k(-logits, k).isfinite())],
        ),
        Mistake(
            "largest removed",
            lambda logits, k: _keep(logits, ~_top_k(logits, k).isfinite()),
            "the k most likely symbols go, and the others stay.",
        ),
        Mistake(
            "zero for −∞",
            lambda logits, k: _keep(logits, _top_k(logits, k).isfinite(), 0.0),
            "removed symbols get the logit 0. A logit of 0 is a probability like others, often a large one: which logit has none?",
            forms=[lambda logits, k: logits * _top_k(logits, k).isfinite()],
        ),
        Mistake(
            "large number for −∞",
            lambda logits, k: _keep(logits, _top_k(logits, k).isfinite(), -1e9),
            "removed symbols get a large negative logit. Take −∞ itself, `-math.inf`: a fixed number may be too small one day.",
            forms=[
                *(
                    lambda logits, k, away=away: _keep(logits, _top_k(logits, k).isfinite(), away)
                    for away in (-100.0, -1e3, -1e4, -1e5, -1e6, -1e8, -1e10, -1e20, -1e30, float(torch.finfo(torch.float32).min))
                ),
                lambda logits, k: _keep(logits, _top_k(logits, k).isfinite(), math.inf),
            ],
        ),
        Mistake(
            "over the batch",
            lambda logits, k: _top_k(logits.T, k).T,
            "the k largest are sought along axis 0, which counts the examples. Each row has its own.",
        ),
        Mistake(
            "over all rows",
            lambda logits, k: _top_k(logits.reshape(1, -1), k).reshape(logits.shape),
            "the k largest of the whole batch stay. Each row has its own.",
        ),
        Mistake(
            "by size",
            lambda logits, k: _keep(logits, _top_k(logits.abs(), k).isfinite()),
            "the sizes of the logits decide. A logit far below 0 is unlikely.",
        ),
        Mistake(
            "one threshold for all",
            lambda logits, k: _keep(logits, logits >= _kth(logits, k)[:1]),
            "one threshold is used for all rows. Each row has its own: keep its axis.",
            forms=[
                lambda logits, k: _keep(logits, logits >= _kth(logits, k)[-1:]),
                lambda logits, k: _keep(logits, logits >= _kth(logits, k).min()),
                lambda logits, k: _keep(logits, logits >= _kth(logits, k).max()),
            ],
        ),
        Mistake(
            "k values",
            lambda logits, k: logits.topk(min(k, logits.shape[1]), 1).values,
            "only the k largest come back, sorted. The others stay in their places, with a logit that can never be drawn.",
            forms=[
                lambda logits, k: logits.topk(min(k, logits.shape[1]), 1).indices,
                lambda logits, k: logits.sort(1, descending=True).values,
                lambda logits, k: _top_k(logits, k).sort(1, descending=True).values,
            ],
        ),
        Mistake(
            "probabilities",
            lambda logits, k: _top_k(logits, k).softmax(1),
            "these are probabilities. Logits are asked for: what stays, stays as it was.",
            forms=[
                lambda logits, k: _top_k(logits, k).log_softmax(1),
                lambda logits, k: _top_k(logits.softmax(1), k),
                lambda logits, k: _top_k(logits.log_softmax(1), k),
                lambda logits, k: logits.softmax(1) * _top_k(logits, k).isfinite(),
            ],
        ),
        Mistake(
            "mask",
            lambda logits, k: _top_k(logits, k).isfinite(),
            "this tells which symbols stay. Their logits are asked for.",
        ),
    ],
)


def _nucleus(logits, p):
    """By counting: a symbol stays if all that are strictly likelier have less than p together."""
    probabilities = logits.softmax(1)
    likelier = logits[:, None, :] > logits[:, :, None]
    return _keep(logits, (probabilities[:, None] * likelier).sum(2) < p)


def _by_order(logits, p, stays, order=None, ties=True):
    """Sorts, adds up, and keeps where stays(cumulative, probabilities, p); with ties, all as likely as the last one that stays."""
    order = torch.argsort(logits, dim=1, descending=True, stable=True) if order is None else order
    sorted_ = logits.softmax(1).gather(1, order)
    kept = torch.zeros_like(logits, dtype=torch.bool).scatter(1, order, stays(sorted_.cumsum(1), sorted_, p))
    if ties:
        least = logits.where(kept, math.inf).amin(1, keepdim=True)
        kept = logits >= least
    return kept


def _untied(stays):
    return lambda logits, p: _keep(logits, _by_order(logits, p, stays, ties=False))


def _tied(stays):
    return lambda logits, p: _keep(logits, _by_order(logits, p, stays))


def _exclusive(total, each, p):
    return total - each < p


def _dropped(total, each, p):
    return total <= p


def _one_more(total, each, p):
    inside = total - each < p
    return torch.cat([torch.ones_like(inside[:, :1]), inside[:, :-1]], 1)


def _unsorted(logits, p):
    each = logits.softmax(1)
    return _keep(logits, each.cumsum(1) - each < p)


def _not_put_back(logits, p):
    sorted_ = logits.softmax(1).sort(1, descending=True).values
    return _keep(logits, sorted_.cumsum(1) - sorted_ < p)


def _order(logits):
    """The symbols from the likeliest down."""
    return torch.argsort(logits, dim=1, descending=True, stable=True)


def _nucleus_by(measure, logits, p, ties):
    """Another measure, of the sorted logits, in the place of the probabilities."""
    each = measure(logits.gather(1, _order(logits)))
    return _keep(logits, _by_order(logits, p, lambda total, _, p: each.cumsum(1) - each < p, ties=ties))


def _inside(logits, p):
    """Which of the sorted symbols are in the nucleus."""
    each = logits.softmax(1).gather(1, _order(logits))
    return each.cumsum(1) - each < p


def _put_back_by_gather(logits, p):
    sorted_ = logits.gather(1, _order(logits))
    return _keep(sorted_, _inside(logits, p)).gather(1, _order(logits))


def _sorted_sum(logits):
    return logits.sort(1, descending=True).values.cumsum(1)


def _same_number(logits, p):
    return _top_k(logits, int(_nucleus(logits, p)[0].isfinite().sum()))


_N2 = torch.tensor([[0.0, 0.0, 0.0, 0.0, -1.0, 1.5], [-0.5, 1.0, 1.0, -2.0, 1.0, 0.2]])
_N3 = torch.tensor([[-1.0, 1.0, 0.4], [1.7, -0.2, 0.1], [0.3, 1.5, -0.4], [-0.5, 0.1, 0.3]])

NUCLEUS = Filter(
    "nucleus",
    _nucleus,
    cases=[(_L1, 0.8), (_N2, 0.6), (_N3, 0.9999), (_L1.flip(1), 0.05)],
    hidden_cases=[(_M1, 0.7), (_M2 / 2, 0.4), (_N3.flip(1), 0.9999), (_M1.flip(1), 0.1)],
    mistakes=[
        Mistake(
            "ties broken",
            _untied(_exclusive),
            "right without ties. Symbols that are as likely as the last one inside stay too: which of them went was chance.",
            forms=[
                lambda logits, p: _keep(logits, _by_order(logits, p, _exclusive, logits.argsort(dim=1, stable=True).flip(1), ties=False))
            ],
        ),
        Mistake(
            "border left out",
            _tied(_dropped),
            "the symbol that takes the sum past p goes, so less than p is left, and nothing at all where the first symbol has more than p.",
            forms=[
                _untied(_dropped),
                _tied(lambda total, each, p: total < p),
                _untied(lambda total, each, p: total < p),
                lambda logits, p: _keep(logits, logits > logits.where(_nucleus(logits, p).isfinite(), math.inf).amin(1, keepdim=True)),
            ],
        ),
        Mistake(
            "one kept at least",
            _tied(lambda total, each, p: (total <= p) | (torch.arange(total.shape[1]) == 0)),
            "the first symbol is saved, but elsewhere the one that takes the sum past p still goes: less than p is left.",
            forms=[
                _untied(lambda total, each, p: (total <= p) | (torch.arange(total.shape[1]) == 0)),
                _untied(lambda total, each, p: (total < p) | (torch.arange(total.shape[1]) == 0)),
            ],
        ),
        Mistake(
            "one too many",
            _tied(_one_more),
            "one symbol too many stays: p was reached before it.",
            forms=[_untied(_one_more)],
        ),
        Mistake(
            "nothing goes",
            lambda logits, p: logits.clone(),
            "all symbols stay, always. Does what you add up ever reach p? And which symbol do you take for the last one inside?",
        ),
        Mistake(
            "not sorted",
            _unsorted,
            "probabilities are added up in the order of the alphabet. The likeliest come first.",
            forms=[lambda logits, p: _keep(logits, logits.softmax(1).cumsum(1) <= p)],
        ),
        Mistake(
            "rarest first",
            lambda logits, p: _keep(logits, _by_order(logits, p, _exclusive, torch.argsort(logits, dim=1, stable=True), ties=False)),
            "sorted from the rarest on, so the tail stays. The likeliest come first.",
            forms=[lambda logits, p: _keep(logits, _by_order(logits, p, _dropped, torch.argsort(logits, dim=1, stable=True), ties=False))],
        ),
        Mistake(
            "not put back",
            _not_put_back,
            "which places stay is right in sorted order, but the logits are in the order of the alphabet: put it back.",
        ),
        Mistake(
            "put back the wrong way",
            _put_back_by_gather,
            "sorted values are picked by what the sort returned, which mixes them once more. Which function puts values at given places?",
            forms=[
                lambda logits, p: _keep(logits, _inside(logits, p).gather(1, _order(logits))),
            ],
        ),
        Mistake(
            "probabilities not sorted",
            lambda logits, p: _nucleus_by(lambda sorted_: logits.softmax(1), logits, p, ties=True),
            "logits are sorted, but the probabilities that are added up are not: they come in the order of the alphabet.",
            forms=[lambda logits, p: _nucleus_by(lambda sorted_: logits.softmax(1), logits, p, ties=False)],
        ),
        Mistake(
            "tail kept",
            lambda logits, p: _keep(logits, ~_nucleus(logits, p).isfinite()),
            "the nucleus goes and the tail stays.",
        ),
        Mistake(
            "threshold on each",
            lambda logits, p: _keep(logits, logits.softmax(1) >= p),
            "each symbol is compared with p. p is for the sum of the likeliest ones.",
            forms=[
                lambda logits, p: _keep(logits, logits.softmax(1) > p),
                lambda logits, p: _keep(logits, logits.softmax(1) >= 1 - p),
                lambda logits, p: _keep(logits, logits.softmax(1) >= p * logits.softmax(1).amax(1, keepdim=True)),
            ],
        ),
        Mistake(
            "logits added",
            lambda logits, p: _nucleus_by(lambda sorted_: sorted_, logits, p, ties=False),
            "logits are added up. Probabilities reach p, and a logit is not one yet.",
            forms=[
                lambda logits, p: _keep(logits, _by_order(logits, p, lambda total, each, p: _sorted_sum(logits) < p, ties=False)),
                lambda logits, p: _keep(logits, _by_order(logits, p, lambda total, each, p: _sorted_sum(logits) <= p, ties=False)),
                *(
                    lambda logits, p, of=of, ties=ties: _nucleus_by(of, logits, p, ties)
                    for of in (lambda sorted_: sorted_, torch.exp, torch.sigmoid)
                    for ties in (False, True)
                ),
            ],
        ),
        Mistake(
            "softmax over the batch",
            lambda logits, p: _nucleus_by(lambda sorted_: logits.softmax(0).gather(1, _order(logits)), logits, p, ties=False),
            "the softmax runs over axis 0, which counts the examples.",
            forms=[
                lambda logits, p: _nucleus_by(lambda sorted_: logits.softmax(0).gather(1, _order(logits)), logits, p, ties=True),
                lambda logits, p: _nucleus_by(lambda sorted_: sorted_.softmax(0), logits, p, ties=False),
                lambda logits, p: _nucleus_by(lambda sorted_: sorted_.softmax(0), logits, p, ties=True),
                lambda logits, p: _nucleus(logits.T, p).T,
            ],
        ),
        Mistake(
            "share of the alphabet",
            lambda logits, p: _top_k(logits, math.ceil(p * logits.shape[1])),
            "a share p of the alphabet stays. p is a share of the probability: sometimes one symbol has it, sometimes it takes many.",
            forms=[lambda logits, p: _top_k(logits, max(1, int(p * logits.shape[1])))],
        ),
        Mistake(
            "same for all rows",
            _same_number,
            "all rows have the same number of symbols, or the same threshold. Each row has its own.",
            forms=[
                lambda logits, p: _top_k(logits, int(_inside(logits, p)[0].sum())),
                lambda logits, p: _keep(logits, logits >= logits.where(_nucleus(logits, p).isfinite(), math.inf).amin()),
                lambda logits, p: _keep(logits, logits >= logits.where(_nucleus(logits, p).isfinite(), math.inf).amin(1)[0]),
            ],
        ),
        Mistake(
            "zero for −∞",
            lambda logits, p: _keep(logits, _nucleus(logits, p).isfinite(), 0.0),
            "removed symbols get the logit 0, which is a probability like others. Which logit has none?",
        ),
        Mistake(
            "large number for −∞",
            lambda logits, p: _keep(logits, _nucleus(logits, p).isfinite(), -1e9),
            "removed symbols get a large negative logit. Take −∞ itself, `-math.inf`.",
            forms=[
                lambda logits, p, away=away: _keep(logits, _nucleus(logits, p).isfinite(), away)
                for away in (-100.0, -1e3, -1e4, -1e5, -1e6, -1e8, -1e10, -1e20, -1e30)
            ],
        ),
        Mistake(
            "sorted",
            lambda logits, p: _nucleus(logits, p).sort(1, descending=True).values,
            "the right logits, but sorted. Each symbol has its place.",
            forms=[lambda logits, p: _untied(_exclusive)(logits, p).sort(1, descending=True).values],
        ),
        Mistake(
            "probabilities",
            lambda logits, p: _nucleus(logits, p).softmax(1),
            "these are probabilities. Logits are asked for: what stays, stays as it was.",
            forms=[
                lambda logits, p: _nucleus(logits, p).log_softmax(1),
                lambda logits, p: logits.softmax(1) * _nucleus(logits, p).isfinite(),
                lambda logits, p: _keep(logits.softmax(1), _nucleus(logits, p).isfinite()),
            ],
        ),
        Mistake(
            "mask",
            lambda logits, p: _nucleus(logits, p).isfinite(),
            "this tells which symbols stay. Their logits are asked for.",
            forms=[_inside],
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 6 · A causal convolution, all at once and step by step


def _taps(x, weight, dilation, order=1):
    """Σ over taps of W[:, :, j] · x[t − (K − 1 − j) · dilation], with x zero before its start."""
    kernel, length = weight.shape[2], x.shape[2]
    total = 0
    for j in range(kernel):
        late = (kernel - 1 - j) * dilation if order == 1 else j * dilation
        moved = F.pad(x, (late, 0))[:, :, :length]
        total = total + torch.einsum("oc,bct->bot", weight[:, :, j], moved)
    return total


def _causal_conv(x, weight, bias, dilation):
    return _taps(x, weight, dilation) + bias[:, None]


def _conv(x, weight, bias, dilation, left, right):
    return F.conv1d(F.pad(x, (left, right)), weight, bias, dilation=dilation)


def _span(weight, dilation):
    return (weight.shape[2] - 1) * dilation


CAUSAL = Task(
    "causal_conv",
    _causal_conv,
    cases=[
        (grid(2, 3, 11).sin(), grid(4, 3, 3).cos(), grid(4), 2),
        (grid(5, 1, 8), grid(3, 1, 2), grid(3), 4),
        (grid(3, 2, 7).cos(), grid(4, 2, 5).sin(), grid(4), 1),
    ],
    hidden_cases=[
        (grid(4, 2, 13).cos(), grid(3, 2, 3).sin(), grid(3), 3),
        (grid(2, 4, 9), grid(5, 4, 2).cos(), grid(5), 2),
    ],
    gradient=("x", "weight", "bias"),
    mistakes=[
        Mistake(
            "both sides padded",
            lambda x, weight, bias, dilation: _conv(
                x, weight, bias, dilation, _span(weight, dilation) // 2, _span(weight, dilation) - _span(weight, dilation) // 2
            ),
            "zeros are added on both sides, so an output sees what comes after it. On which side is the past?",
        ),
        Mistake(
            "padded on the right",
            lambda x, weight, bias, dilation: _conv(x, weight, bias, dilation, 0, _span(weight, dilation)),
            "the zeros are on the right, or the wrong end was cut off: an output sees itself and what comes after it. "
            "On which side is the past?",
        ),
        Mistake(
            "not padded",
            lambda x, weight, bias, dilation: _conv(x, weight, bias, dilation, 0, 0),
            "the output is shorter than the input: before the start there are zeros.",
        ),
        Mistake(
            "padded twice",
            lambda x, weight, bias, dilation: _conv(x, weight, bias, dilation, _span(weight, dilation), _span(weight, dilation)),
            "the output is longer than the input: `padding` adds zeros on both sides. Those on the right, or what comes of them, must go.",
            forms=[
                lambda x, weight, bias, dilation: _conv(
                    x, weight, bias, dilation, _span(weight, dilation), _span(weight, dilation) - weight.shape[2] + 1
                ),
                lambda x, weight, bias, dilation: _conv(
                    x, weight, bias, dilation, _span(weight, dilation), max(0, _span(weight, dilation) - dilation)
                ),
            ],
        ),
        Mistake(
            "dilation left out",
            lambda x, weight, bias, dilation: _causal_conv(x, weight, bias, 1),
            "right for a dilation of 1: the taps of the kernel lie `dilation` steps apart.",
        ),
        Mistake(
            "late",
            lambda x, weight, bias, dilation: _causal_conv(F.pad(x, (1, 0))[:, :, :-1], weight, bias, dilation),
            "everything is late: here y_t may see x_t itself, as in kind B.",
            forms=[
                lambda x, weight, bias, dilation: _causal_conv(F.pad(x, (dilation, 0))[:, :, :-dilation], weight, bias, dilation),
                lambda x, weight, bias, dilation: _causal_conv(F.pad(x, (dilation - 1, 0))[:, :, : x.shape[2]], weight, bias, dilation),
            ],
        ),
        Mistake(
            "kernel turned",
            lambda x, weight, bias, dilation: _taps(x, weight, dilation, order=-1) + bias[:, None],
            "the kernel is turned round: its last tap belongs to the newest input.",
        ),
        Mistake(
            "bias left out",
            lambda x, weight, bias, dilation: _taps(x, weight, dilation),
            "the bias is missing.",
        ),
        Mistake(
            "circular",
            lambda x, weight, bias, dilation: F.conv1d(
                torch.cat([x[:, :, torch.arange(-_span(weight, dilation), 0) % x.shape[2]], x], 2), weight, bias, dilation=dilation
            ),
            "before the start stands the end of the sequence: that is the future. Zeros belong there.",
        ),
        Mistake(
            "first value repeated",
            lambda x, weight, bias, dilation: F.conv1d(
                F.pad(x, (_span(weight, dilation), 0), mode="replicate"), weight, bias, dilation=dilation
            ),
            "before the start the first inputs are repeated or mirrored. Zeros belong there.",
            forms=[
                lambda x, weight, bias, dilation: F.conv1d(
                    F.pad(x, (_span(weight, dilation), 0), mode="reflect"), weight, bias, dilation=dilation
                )
            ],
        ),
        Mistake(
            "dilation left out of the padding",
            lambda x, weight, bias, dilation: _conv(x, weight, bias, dilation, weight.shape[2] - 1, 0),
            "right for a dilation of 1. With a larger one the kernel reaches further back, and so must the zeros.",
        ),
        Mistake(
            "padded by the dilation",
            lambda x, weight, bias, dilation: _conv(x, weight, bias, dilation, dilation, 0),
            "right for two taps. More of them reach further back, and so must the zeros.",
        ),
        Mistake(
            "stride",
            lambda x, weight, bias, dilation: F.conv1d(F.pad(x, (_span(weight, dilation), 0)), weight, bias, stride=dilation),
            "the dilation is given as a stride, which leaves out outputs. It belongs between the taps.",
            forms=[
                lambda x, weight, bias, dilation: F.conv1d(F.pad(x, (weight.shape[2] - 1, 0)), weight, bias, stride=dilation),
            ],
        ),
        Mistake(
            "padded by the whole kernel",
            lambda x, weight, bias, dilation: _conv(x, weight, bias, dilation, weight.shape[2] * dilation, 0),
            "the output is longer than the input: zeros for all taps are too many. The last tap meets x_t itself.",
            forms=[lambda x, weight, bias, dilation: _conv(x, weight, bias, dilation, weight.shape[2] * dilation - 1, 0)],
        ),
    ],
)


def _step(x, buffer, weight, bias, dilation):
    """The last column of the convolution of all that is known."""
    known = torch.cat([buffer, x[:, :, None]], 2)
    y = sum(torch.einsum("oc,bc->bo", weight[:, :, j], known[:, :, j * dilation]) for j in range(weight.shape[2]))
    return y + bias, known[:, :, 1:]


def _stepped(y_of, buffer_of=lambda known, buffer: known[:, :, 1:]):
    """Another rule for the output, of (known, weight, dilation), or for the buffer."""

    def wrong(x, buffer, weight, bias, dilation):
        known = torch.cat([buffer, x[:, :, None]], 2)
        return y_of(known, weight, dilation) + bias, buffer_of(known, buffer)

    return wrong


def _read(places, weight_of=lambda weight: weight):
    """The output from the places in `known` that places(kernel, dilation) lists, oldest first."""

    def y_of(known, weight, dilation):
        return torch.einsum("ock,bck->bo", weight_of(weight), known[:, :, list(places(weight.shape[2], dilation))])

    return y_of


def _right_places(kernel, dilation):
    return range(0, (kernel - 1) * dilation + 1, dilation)


_right_y = _read(_right_places)

STEP = Task(
    "step",
    _step,
    results=("y", "buffer"),
    cases=[
        (grid(2, 3), grid(2, 3, 4).sin(), grid(5, 3, 3).cos(), grid(5), 2),
        (grid(4, 1).cos(), grid(4, 1, 4), grid(3, 1, 2).sin(), grid(3), 4),
        (grid(5, 2), grid(5, 2, 3).cos(), grid(4, 2, 4), grid(4), 1),
    ],
    hidden_cases=[
        (grid(3, 2).sin(), grid(3, 2, 6).cos(), grid(4, 2, 3), grid(4), 3),
        (grid(6, 3), grid(6, 3, 2).sin(), grid(2, 3, 3).cos(), grid(2), 1),
    ],
    mistakes=[
        Mistake(
            "kernel turned",
            _stepped(_read(_right_places, lambda weight: weight.flip(2))),
            "y reads the buffer the wrong way round: the first tap of the kernel meets the oldest input, the last tap meets x.",
        ),
        Mistake(
            "x in front",
            lambda x, buffer, weight, bias, dilation: (
                _right_y(torch.cat([x[:, :, None], buffer], 2), weight, dilation) + bias,
                torch.cat([x[:, :, None], buffer], 2)[:, :, :-1],
            ),
            "x is put in front of the buffer. The buffer holds the oldest input first, so the newest belongs at its other end.",
            forms=[
                lambda x, buffer, weight, bias, dilation: (
                    _right_y(torch.cat([x[:, :, None], buffer], 2), weight, dilation) + bias,
                    _step(x, buffer, weight, bias, dilation)[1],
                ),
                lambda x, buffer, weight, bias, dilation: (
                    _right_y(torch.cat([x[:, :, None], buffer], 2), weight, dilation) + bias,
                    buffer.clone(),
                ),
            ],
        ),
        Mistake(
            "dilation left out",
            _stepped(_read(lambda kernel, dilation: range(-kernel, 0))),
            "right for a dilation of 1: y takes the newest inputs, one by one. Its taps lie `dilation` steps apart.",
            forms=[_stepped(_read(lambda kernel, dilation: range(kernel)))],
        ),
        Mistake(
            "x left out",
            _stepped(lambda known, weight, dilation: _right_y(torch.cat([known[:, :, :-1], 0 * known[:, :, -1:]], 2), weight, dilation)),
            "y does not know x, the newest input. The last tap of the kernel is for it.",
            forms=[
                _stepped(_read(lambda kernel, dilation: [max(0, i - 1) for i in _right_places(kernel, dilation)])),
            ],
        ),
        Mistake(
            "x alone",
            _stepped(lambda known, weight, dilation: torch.einsum("oc,bc->bo", weight[:, :, -1], known[:, :, -1])),
            "y knows x and nothing else. What came before is in the buffer.",
            forms=[_stepped(lambda known, weight, dilation: torch.einsum("ock,bc->bo", weight, known[:, :, -1]))],
        ),
        Mistake(
            "bias left out",
            lambda x, buffer, weight, bias, dilation: (
                _step(x, buffer, weight, 0 * bias, dilation)[0],
                _step(x, buffer, weight, bias, dilation)[1],
            ),
            "the bias is missing.",
        ),
        Mistake(
            "time kept",
            lambda x, buffer, weight, bias, dilation: (
                _step(x, buffer, weight, bias, dilation)[0][:, :, None],
                _step(x, buffer, weight, bias, dilation)[1],
            ),
            "y has an axis for time. It is one step: (batch, outputs).",
        ),
        Mistake(
            "buffer as it was",
            _stepped(_right_y, lambda known, buffer: buffer),
            "y is right, but the buffer is returned as it came: the next step would not know this x.",
        ),
        Mistake(
            "buffer shrinks",
            lambda x, buffer, weight, bias, dilation: (
                _step(x, buffer, weight, bias, dilation)[0],
                torch.cat([buffer, x[:, :, None]], 2)[:, :, -dilation:],
            ),
            "y is right, but the buffer is too short: it holds (K − 1) · d inputs, for all taps. Only the oldest one goes.",
            forms=[
                lambda x, buffer, weight, bias, dilation: (
                    _step(x, buffer, weight, bias, dilation)[0],
                    torch.cat([buffer, x[:, :, None]], 2)[:, :, dilation:],
                ),
                _stepped(_right_y, lambda known, buffer: buffer[:, :, 1:]),
                _stepped(_right_y, lambda known, buffer: known[:, :, 2:]),
            ],
        ),
        Mistake(
            "x not stored",
            _stepped(_right_y, lambda known, buffer: F.pad(buffer[:, :, 1:], (0, 1))),
            "y is right, but x is not in the buffer: the next step will need it.",
            forms=[
                _stepped(_right_y, lambda known, buffer: buffer.roll(-1, 2)),
                _stepped(_right_y, lambda known, buffer: buffer.roll(1, 2)),
                _stepped(_right_y, lambda known, buffer: torch.zeros_like(buffer)),
            ],
        ),
        Mistake(
            "moved the wrong way",
            _stepped(_right_y, lambda known, buffer: torch.cat([buffer.roll(1, 2)[:, :, :-1], known[:, :, -1:]], 2)),
            "y is right, and x is the newest input, but the others move the wrong way: the oldest, which is the first, should go.",
        ),
        Mistake(
            "buffer grows",
            _stepped(_right_y, lambda known, buffer: known),
            "y is right, but the buffer grows with each step. Which input will never be needed again?",
        ),
        Mistake(
            "newest dropped",
            _stepped(_right_y, lambda known, buffer: torch.cat([known[:, :, -1:], buffer[:, :, :-1]], 2)),
            "y is right, but x enters the buffer at the wrong end: the oldest input is its first, the newest its last.",
        ),
        Mistake(
            "oldest overwritten",
            _stepped(_right_y, lambda known, buffer: torch.cat([known[:, :, -1:], buffer[:, :, 1:]], 2)),
            "y is right, but x takes the place of the oldest input, and the others stay where they are. Then the "
            "buffer is no longer in order.",
        ),
        Mistake(
            "newest overwritten",
            _stepped(_right_y, lambda known, buffer: torch.cat([buffer[:, :, :-1], known[:, :, -1:]], 2)),
            "y is right, but x takes the place of the newest input, and the others do not move on.",
        ),
        Mistake(
            "y in the buffer",
            lambda x, buffer, weight, bias, dilation: (
                _step(x, buffer, weight, bias, dilation)[0],
                torch.cat([buffer[:, :, 1:], _step(x, buffer, weight, bias, dilation)[0][:, :1, None].expand(-1, x.shape[1], 1)], 2),
            ),
            "y is right, but an output goes into the buffer. It holds this layer's inputs.",
        ),
        Mistake(
            "old buffer read",
            _stepped(_read(lambda kernel, dilation: [min(i + 1, (kernel - 1) * dilation) for i in _right_places(kernel, dilation)])),
            "y reads the buffer after x was added and the oldest input dropped: the first tap no longer finds its input.",
            forms=[_stepped(lambda known, weight, dilation: _right_y(F.pad(known[:, :, 1:], (1, 0)), weight, dilation))],
        ),
        Mistake(
            "order",
            lambda x, buffer, weight, bias, dilation: _step(x, buffer, weight, bias, dilation)[::-1],
            "y and the buffer are exchanged.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 7 · A network for digits


def measure(model: Callable[[Tensor], Tensor], seen: Tensor, unseen: Tensor) -> dict[str, float]:
    """What a model of binary images has learned.

    model: images (n, 1, height, width) → logits of the same shape
    seen, unseen: images of zeros and ones, those it was trained on and others

    Returns: `log2 P per pixel` on the unseen images, minus the bits per pixel; `causal`, 1 where no logit depends on its own pixel
    or a later one; `gap`, by how many bits per pixel the seen images are cheaper; `reach`, on how many earlier pixels the last one depends
    """
    with torch.no_grad():
        bits = [float(F.binary_cross_entropy_with_logits(model(x), x)) / LOG_2 for x in (unseen, seen)]
    height, width = unseen.shape[2:]
    x = unseen[:64].clone().requires_grad_()
    with torch.enable_grad():
        logits = model(x).flatten(1)
        slopes = [torch.autograd.grad(logits[:, i].sum(), x, retain_graph=True)[0].flatten(1) for i in range(height * width)]
    seen_by = torch.stack([slope.ne(0).any(0) for slope in slopes])
    causal = not seen_by.triu().any()
    return {
        "log2 P per pixel": -bits[0],
        "causal": float(causal),
        "gap": bits[0] - bits[1],
        "reach": float(seen_by[-1].sum()),
    }


DIGITS = Goal(
    "digits",
    {"log2 P per pixel": -0.4, "causal": 1.0},
    slack={"log2 P per pixel": 0.02, "causal": 0.0},
    settings=("kernel", "layers", "width", "dropout", "steps", "first"),
    rules={
        "kernel": (lambda value: is_whole(value, (3, 5, 7)), "3, 5 or 7"),
        "layers": (lambda value: is_whole(value, range(1, 5)), "a whole number from 1 to 4"),
        "width": (lambda value: is_whole(value, range(1, 33)), "a whole number from 1 to 32"),
        "dropout": (lambda value: is_number(value, 0) and value < 1, "a number from 0 to below 1"),
        "steps": (lambda value: is_whole(value, range(1, 501)), "a whole number from 1 to 500"),
        "first": (lambda value: value in ("A", "B"), "'A' or 'B'"),
    },
    mistakes=[
        Mistake(
            "peeking",
            lambda m: m["causal"] < 1,
            "Hardly any bits, and yet nothing is learned: the network sees the pixel that it should predict, and "
            "copies it. Look at its samples.",
        ),
        Mistake(
            "overfitted",
            lambda m: m["gap"] > 0.05,
            "The seen digits cost far less than the unseen ones: the network knows them by heart. What keeps it from that?",
        ),
        Mistake(
            "short-sighted",
            lambda m: m["reach"] < 40,
            "The last pixel depends on only some of the 63 before it: what a stroke did further up stays unknown. What widens the view?",
        ),
        Mistake(
            "learned too little",
            lambda m: True,
            "It sees enough, but even the seen digits are expensive: it had too few steps or too little room to "
            "learn, or too much was dropped.",
        ),
    ],
)

TASKS: tuple[Task | Goal, ...] = (CONDITIONALS, LIKELIHOOD, MASK, CONV, DEPENDS, PER_SYMBOL, TOP_K, NUCLEUS, CAUSAL, STEP, DIGITS)
