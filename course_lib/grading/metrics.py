"""Tasks of exercise 07. Truths come from loops over points and pairs and from closed forms, never from course_lib.metrics."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.grading import Goal, Mistake, Task, grid, is_number, is_whole

LOG_2 = math.log(2)


def _numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _cloud(n: int, d: int, phase: float, size: float = 1.0, pace: float = 17.0) -> Tensor:
    """Points that look scattered, (n, d), float64: no random generator is asked, and no two distances are equal."""
    return size * (pace * grid(n, d).double().square() + 3 * grid(n, d).double() + phase).sin()


# --------------------------------------------------------------------------------------------------------------------
# 1a · A corpus


def _corpus(log_p, tokens, characters):
    nats = -sum(log_p.tolist())
    return nats / LOG_2 / sum(characters.tolist()), math.exp(nats / sum(tokens.tolist()))


def _rates(bits: Callable | None = None, perplexity: Callable | None = None) -> Callable:
    """Another way to one of the two numbers, or to both, from (log_p, tokens, characters) in float64."""

    def wrong(log_p, tokens, characters):
        given = log_p, tokens.double(), characters.double()
        right = _corpus(*given)
        return (bits(*given) if bits else right[0]), (perplexity(*given) if perplexity else right[1])

    return wrong


def _bits(log_p, units):
    return -log_p.sum() / units.sum() / LOG_2


def _guesses(log_p, units):
    return (-log_p.sum() / units.sum()).exp()


_C1 = (_numbers(-31.0, -12.5, -64.0), torch.tensor([12, 4, 31]), torch.tensor([40, 19, 120]))
_C2 = (_numbers(-8.0, -150.0), torch.tensor([2, 70]), torch.tensor([14, 290]))
_C3 = (_numbers(-40.0, -22.0, -9.0, -71.0, -15.0), torch.tensor([20, 30, 7, 25, 3]), torch.tensor([61, 80, 30, 99, 12]))
_D1 = (_numbers(-90.0, -17.0), torch.tensor([33, 9]), torch.tensor([130, 28]))
_D2 = (_numbers(-5.0, -61.0, -33.5, -20.0), torch.tensor([4, 18, 16, 5]), torch.tensor([9, 77, 60, 31]))
_D3 = (_numbers(-12.0, -120.0, -44.0), torch.tensor([3, 66, 40]), torch.tensor([17, 240, 110]))

CORPUS = Task(
    "corpus_scores",
    _corpus,
    results=("bits per character", "perplexity per token"),
    cases=[_C1, _C2, _C3],
    hidden_cases=[_D1, _D2, _D3],
    mistakes=[
        Mistake(
            "every text counts the same",
            _rates(lambda p, t, c: (-p / c).mean() / LOG_2, lambda p, t, c: (-p / t).mean().exp()),
            "the texts' own rates are averaged: a short text counts as much as a long one. What should count the same?",
            forms=[_rates(lambda p, t, c: (-p / c).mean() / LOG_2), _rates(None, lambda p, t, c: (-p / t).mean().exp())],
        ),
        Mistake(
            "mean of perplexities",
            _rates(None, lambda p, t, c: (-p / t).exp().mean()),
            "the bits are right, but the perplexity is a mean of perplexities, which one bad text rules. Average before the exp.",
            forms=[_rates(lambda p, t, c: (-p / c).mean() / LOG_2, lambda p, t, c: (-p / t).exp().mean())],
        ),
        Mistake(
            "one for each text",
            _rates(lambda p, t, c: -p / c / LOG_2, lambda p, t, c: (-p / t).exp()),
            "you return a number for each text. The corpus is to have one.",
        ),
        Mistake(
            "nats",
            _rates(lambda p, t, c: _bits(p, c) * LOG_2),
            "the perplexity is right, but the other number is in nats.",
        ),
        Mistake(
            "times log 2",
            _rates(lambda p, t, c: _bits(p, c) * LOG_2**2),
            "the step from nats to bits goes the wrong way: a bit is the smaller unit, so there are more of them.",
        ),
        Mistake(
            "two to the nats",
            _rates(None, lambda p, t, c: 2 ** (-p.sum() / t.sum())),
            "the bits are right, but the perplexity raises 2 to a number of nats. Base and unit must fit.",
        ),
        Mistake(
            "e to the bits",
            _rates(None, lambda p, t, c: _bits(p, t).exp()),
            "the bits are right, but the perplexity is e to a number of bits. Base and unit must fit.",
            forms=[_rates(None, lambda p, t, c: _bits(p, c).exp())],
        ),
        Mistake(
            "tokens and characters exchanged",
            _rates(lambda p, t, c: _bits(p, t), lambda p, t, c: _guesses(p, c)),
            "tokens and characters are exchanged: which of the two numbers is for which?",
        ),
        Mistake(
            "tokens for both",
            _rates(lambda p, t, c: _bits(p, t)),
            "the perplexity is right, but the bits are per token. Models with other tokens could not be compared by them.",
        ),
        Mistake(
            "characters for both",
            _rates(None, lambda p, t, c: _guesses(p, c)),
            "the bits are right, but the perplexity is per character. It should say how hard a token is to guess.",
        ),
        Mistake(
            "a mean over texts",
            _rates(lambda p, t, c: -p.mean() / LOG_2 / c.sum(), lambda p, t, c: (-p.mean() / t.sum()).exp()),
            "the cost of one text, on average, is divided by the length of all. Numerator and denominator must speak of the same texts.",
        ),
        Mistake(
            "each text as a whole",
            _rates(lambda p, t, c: -p.mean() / LOG_2, lambda p, t, c: (-p.mean()).exp()),
            "the lengths play no part: this is what a whole text costs.",
            forms=[_rates(lambda p, t, c: -p.sum() / LOG_2, lambda p, t, c: (-p.sum()).exp())],
        ),
        Mistake(
            "sign",
            _rates(lambda p, t, c: -_bits(p, c), lambda p, t, c: 1 / _guesses(p, t)),
            "the sign is wrong: a perplexity below 1 would mean fewer than one symbol to choose from.",
            forms=[_rates(lambda p, t, c: -_bits(p, c)), _rates(None, lambda p, t, c: 1 / _guesses(p, t))],
        ),
        Mistake(
            "order",
            lambda log_p, tokens, characters: _corpus(log_p, tokens, characters)[::-1],
            "the two numbers are exchanged.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 1b · Bits per dimension


def _per_pixel(log_density, pixels, span):
    return torch.stack([(pixels * math.log(256 / span) - one) / (pixels * LOG_2) for one in log_density.unbind()])


def _offset(bits: Callable) -> Callable:
    """Another offset, in bits a pixel, from (pixels, span)."""
    return lambda log_density, pixels, span: -log_density / (pixels * LOG_2) + bits(pixels, span)


def _changed(change: Callable) -> Callable:
    """The right bits, changed by (bits, pixels, span)."""
    return lambda log_density, pixels, span: change(_per_pixel(log_density, pixels, span), pixels, span)


PIXELS = Task(
    "pixel_bits",
    _per_pixel,
    cases=[(_numbers(0.0, 0.0), 784, 1.0), (_numbers(0.0, 900.0, -120.0), 784, 2.0), (_numbers(2100.0, 40.0), 3072, 0.5)],
    hidden_cases=[(_numbers(650.0, 0.0), 784, 1.0), (_numbers(33.0, -12.0, 5.0), 64, 2.0), (_numbers(0.0, -70.0), 256, 4.0)],
    mistakes=[
        Mistake(
            "offset forgotten",
            _offset(lambda pixels, span: 0.0),
            "a density is turned into bits as if it were a probability. How wide is a grey level?",
        ),
        Mistake(
            "offset subtracted",
            _offset(lambda pixels, span: -math.log2(256 / span)),
            "the width of a grey level enters with the wrong sign: uniform pixels would cost less than nothing.",
        ),
        Mistake(
            "offset once",
            _offset(lambda pixels, span: math.log2(256 / span) / pixels),
            "the width of a grey level counts once for the whole image. How many pixels have one?",
        ),
        Mistake(
            "255 levels",
            _offset(lambda pixels, span: math.log2(255 / span)),
            "the largest grey level is 255, but how many are there?",
        ),
        Mistake(
            "span ignored",
            _offset(lambda pixels, span: 8.0),
            "right for pixels in [0, 1]. Over a longer range the same 256 levels are wider.",
        ),
        Mistake(
            "span the wrong way",
            _offset(lambda pixels, span: math.log2(256 * span)),
            "right for pixels in [0, 1]. Does a longer range make a grey level wider, or narrower?",
        ),
        Mistake(
            "span as a factor",
            _offset(lambda pixels, span: 8 / span),
            "right for pixels in [0, 1]. Over twice the range a level is twice as wide: what does that do to a logarithm of its width?",
            forms=[_offset(lambda pixels, span: 8 * span)],
        ),
        Mistake(
            "offset in nats",
            _offset(lambda pixels, span: math.log(256 / span)),
            "the density is in bits, but the offset is in nats.",
        ),
        Mistake(
            "nats",
            _changed(lambda bits, pixels, span: bits * LOG_2),
            "this is in nats. Uniform pixels should cost 8 bits.",
        ),
        Mistake(
            "density in nats",
            lambda log_density, pixels, span: -log_density / pixels + math.log2(256 / span),
            "the offset is in bits, but the density is in nats.",
        ),
        Mistake(
            "times log 2",
            lambda log_density, pixels, span: -log_density * LOG_2 / pixels + math.log2(256 / span),
            "uniform pixels come out right, others do not: the density goes from nats to bits the wrong way.",
        ),
        Mistake(
            "whole image",
            _changed(lambda bits, pixels, span: bits * pixels),
            "these are the bits of a whole image.",
            forms=[lambda log_density, pixels, span: -log_density / LOG_2 + math.log2(256 / span)],
        ),
        Mistake(
            "sign",
            lambda log_density, pixels, span: log_density / (pixels * LOG_2) + math.log2(256 / span),
            "uniform pixels come out right, but the likelier an image is, the more it costs.",
            forms=[_changed(lambda bits, pixels, span: -bits)],
        ),
        Mistake(
            "mean of the batch",
            _changed(lambda bits, pixels, span: bits.mean()),
            "the images are averaged. Each should have its own number.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 2 · The Fréchet distance


def _root(cov: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(cov)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


def _shift(mean1, mean2):
    return (mean1 - mean2).square().sum()


def _frechet(mean1, cov1, mean2, cov2):
    """The trace of the root is the nuclear norm of the product of the roots."""
    root = torch.linalg.svdvals(_root(cov1) @ _root(cov2)).sum()
    return _shift(mean1, mean2) + cov1.trace() + cov2.trace() - 2 * root


def _instead(trace: Callable) -> Callable:
    """Another number in the place of the trace of the root, from (cov1, cov2)."""

    def wrong(mean1, cov1, mean2, cov2):
        return _shift(mean1, mean2) + cov1.trace() + cov2.trace() - 2 * trace(cov1, cov2)

    return wrong


def _around(change: Callable) -> Callable:
    """Other terms, from (means' difference, sum of traces, trace of the root)."""

    def wrong(mean1, cov1, mean2, cov2):
        return change(mean1 - mean2, cov1.trace() + cov2.trace(), torch.linalg.svdvals(_root(cov1) @ _root(cov2)).sum())

    return wrong


def _spread(d: int, phase: float, rank: int = 0, size: float = 1.0) -> Tensor:
    """A covariance (d, d); with `rank`, one of fewer points than features."""
    a = (13 * grid(d, rank or d).double().square() + 5 * grid(d, rank or d).double() + phase).sin()
    scale = torch.linspace(0.5, 1.4, d, dtype=torch.float64)[:, None]
    return size * ((a * scale) @ (a * scale).T / (rank or d) + (0.0 if rank else 0.15) * torch.eye(d, dtype=torch.float64))


def _place(d: int, phase: float) -> Tensor:
    return (4 * grid(d).double() + phase).sin()


FRECHET = Task(
    "frechet",
    _frechet,
    cases=[
        (_place(2, 0.3), _spread(2, 0.1), _place(2, 1.9), _spread(2, 1.4)),
        (_place(4, 1.0), _spread(4, 2.0, size=3.0), _place(4, 0.2), _spread(4, 0.7)),
        (_place(8, 0.5), _spread(8, 0.9, rank=2, size=2.0), _place(8, 2.0), _spread(8, 2.6)),
    ],
    hidden_cases=[
        (_place(3, 0.1), _spread(3, 0.6), _place(3, 1.2), _spread(3, 2.2, size=2.0)),
        (_place(5, 2.2), _spread(5, 1.1), _place(5, 0.4), _spread(5, 0.2, size=0.5)),
        (_place(9, 1.5), _spread(9, 1.7, rank=2, size=2.0), _place(9, 0.7), _spread(9, 0.4)),
    ],
    mistakes=[
        Mistake(
            "factor 2 missing",
            _around(lambda shift, traces, root: shift.square().sum() + traces - root),
            "the root counts once: two equal Gaussians would not be at distance 0.",
        ),
        Mistake(
            "root of each entry",
            _instead(lambda a, b: (a @ b).sqrt().trace()),
            "you take the root of each entry. A matrix root is another matrix: its square, as a matrix product, gives the matrix back.",
            forms=[
                _instead(lambda a, b: (a @ b).clamp(min=0).sqrt().trace()),
                _instead(lambda a, b: (a @ b).abs().sqrt().trace()),
                _instead(lambda a, b: (a @ b).sqrt().sum()),
            ],
        ),
        Mistake(
            "variances alone",
            _instead(lambda a, b: (a.diagonal() * b.diagonal()).sqrt().sum()),
            "only the variances take part: the product is one of entries, not of matrices.",
            forms=[_instead(lambda a, b: (a * b).sqrt().sum())],
        ),
        Mistake(
            "product of the roots",
            _instead(lambda a, b: (_root(a) @ _root(b)).trace()),
            "you multiply the two roots. The root of a product is something else, unless the two matrices commute.",
        ),
        Mistake(
            "eigenvalues of each alone",
            _instead(lambda a, b: (torch.linalg.eigvalsh(a).clamp(min=0) * torch.linalg.eigvalsh(b).clamp(min=0)).sqrt().sum()),
            "eigenvalues are multiplied pair by pair, but they belong to different directions. Of which matrix are they needed?",
        ),
        Mistake(
            "taken for symmetric",
            _instead(lambda a, b: torch.linalg.eigvalsh(a @ b).clamp(min=0).sqrt().sum()),
            "`eigh` and `eigvalsh` read only one half of a matrix, and a product of symmetric matrices is not symmetric.",
            forms=[
                _instead(lambda a, b: torch.linalg.eigvalsh(a @ b).sqrt().sum()),
                _instead(lambda a, b: torch.linalg.eigvalsh(a @ b).abs().sqrt().sum()),
                _instead(lambda a, b: torch.linalg.eigvalsh(b @ a).clamp(min=0).sqrt().sum()),
                _instead(lambda a, b: torch.linalg.eigvalsh(b @ a).sqrt().sum()),
                _instead(lambda a, b: torch.linalg.eigvalsh(b @ a).abs().sqrt().sum()),
            ],
        ),
        Mistake(
            "singular values",
            _instead(lambda a, b: torch.linalg.svdvals(a @ b).sqrt().sum()),
            "these are roots of singular values. They equal the eigenvalues only of symmetric matrices.",
        ),
        Mistake(
            "no root",
            _instead(lambda a, b: (a @ b).trace()),
            "this is the trace of the product itself: the root is missing.",
        ),
        Mistake(
            "root of the trace",
            _instead(lambda a, b: (a @ b).trace().sqrt()),
            "you take the root of the trace. The trace of the root is asked for: a sum of roots.",
        ),
        Mistake(
            "sum for product",
            _instead(lambda a, b: torch.linalg.eigvalsh(a + b).sqrt().sum()),
            "this is the root of the sum of the covariances. The formula has their product.",
        ),
        Mistake(
            "norm not squared",
            _around(lambda shift, traces, root: shift.square().sum().sqrt() + traces - 2 * root),
            "the distance of the means is not squared. The traces are squares, too.",
        ),
        Mistake(
            "means averaged",
            _around(lambda shift, traces, root: shift.square().mean() + traces - 2 * root),
            "the squared differences of the means are averaged. A squared length is their sum.",
            forms=[_around(lambda shift, traces, root: shift.sum().square() + traces - 2 * root)],
        ),
        Mistake(
            "means left out",
            _around(lambda shift, traces, root: traces - 2 * root),
            "the means play no part.",
        ),
        Mistake(
            "means alone",
            _around(lambda shift, traces, root: shift.square().sum()),
            "the covariances play no part.",
        ),
        Mistake(
            "sign",
            _around(lambda shift, traces, root: shift.square().sum() + traces + 2 * root),
            "the root is added. What should the distance of two equal Gaussians be?",
        ),
        Mistake(
            "root of the whole",
            _around(lambda shift, traces, root: (shift.square().sum() + traces - 2 * root).sqrt()),
            "the squared distance is asked for: FID takes no root at the end.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 3 · The kernel distance


def _cube(u, v):
    return (sum(a * b for a, b in zip(u, v)) / len(u) + 1) ** 3


def _pairs(real, fake):
    """Pair by pair."""
    a, b = real.tolist(), fake.tolist()
    within = [sum(_cube(u, v) for i, u in enumerate(x) for j, v in enumerate(x) if i != j) / (len(x) * (len(x) - 1)) for x in (a, b)]
    return sum(within) - 2 * sum(_cube(u, v) for u in a for v in b) / (len(a) * len(b))


def _others(k):
    """The mean of a square matrix without its diagonal."""
    return (k.sum() - k.trace()) / (len(k) * (len(k) - 1))


def _kernels(
    within: Callable = _others,
    cross: Callable = torch.mean,
    weight: float = 2.0,
    kernel: Callable = lambda dots, d: (dots / d + 1) ** 3,
    last: Callable = lambda value: value,
) -> Callable:
    """Other means of the kernel over pairs, or another kernel of the inner products and d."""

    def wrong(real, fake):
        k, l, m = (kernel(u @ v.T, real.shape[1]) for u, v in ((real, real), (fake, fake), (real, fake)))
        return last(within(k) + within(l) - weight * cross(m))

    return wrong


def _sized(sizes: Callable) -> Callable:
    """Other numbers to divide by, from (n, m): the rows taken for those of each set, and the pairs of the cross term."""

    def wrong(real, fake):
        n, m, pairs = sizes(len(real), len(fake))
        k, l, both = ((u @ v.T / real.shape[1] + 1) ** 3 for u, v in ((real, real), (fake, fake), (real, fake)))
        return (k.sum() - k.trace()) / (n * (n - 1)) + (l.sum() - l.trace()) / (m * (m - 1)) - 2 * both.sum() / pairs

    return wrong


KERNEL = Task(
    "unbiased_kid",
    _pairs,
    cases=[
        (_cloud(5, 3, 0.2), _cloud(7, 3, 1.1, 1.4)),
        (_cloud(8, 2, 0.5, 1.3), _cloud(4, 2, 2.0, 1.3)),
        (_cloud(6, 4, 0.9), _cloud(9, 4, 1.6)),
    ],
    hidden_cases=[
        (_cloud(4, 3, 1.3, 1.2), _cloud(6, 3, 0.4)),
        (_cloud(9, 2, 0.1), _cloud(5, 2, 2.4)),
        (_cloud(7, 5, 1.8, 1.5), _cloud(6, 5, 0.6)),
    ],
    mistakes=[
        Mistake(
            "diagonal kept",
            _kernels(torch.mean),
            "each point is compared with itself too. It is always most like itself, so this is too large on average.",
        ),
        Mistake(
            "diagonal in the sum",
            _kernels(lambda k: k.sum() / (len(k) * (len(k) - 1))),
            "you divide by the number of pairs of two different points, but the sum holds the points with themselves, too.",
        ),
        Mistake(
            "divided by n²",
            _kernels(lambda k: (k.sum() - k.trace()) / len(k) ** 2),
            "the diagonal is out of the sum, but still in the number that you divide by.",
        ),
        Mistake(
            "half the pairs",
            _kernels(lambda k: k.triu(1).sum() / (len(k) * (len(k) - 1))),
            "every pair is summed once, but the number that you divide by counts each twice.",
        ),
        Mistake(
            "diagonal of the cross term",
            _kernels(cross=lambda m: (m.sum() - m.diagonal().sum()) / (m.numel() - min(m.shape))),
            "pairs are left out of the cross term, too. No point of one set is in the other, so all count.",
            forms=[
                _kernels(cross=lambda m: (m.sum() - m.diagonal().sum()) / m.numel()),
                _kernels(cross=lambda m: (m.sum() - m.diagonal().sum()) / (len(m) * (m.shape[1] - 1))),
                _kernels(cross=lambda m: (m.sum() - m.diagonal().sum()) / ((len(m) - 1) * (m.shape[1] - 1))),
            ],
        ),
        Mistake(
            "cross term over n²",
            _kernels(cross=lambda m: m.sum() / len(m) ** 2),
            "the cross term is divided as if both sets were of one size. How many pairs are there?",
            forms=[
                _kernels(cross=lambda m: m.sum() / m.shape[1] ** 2),
                _kernels(cross=lambda m: m.sum() / (len(m) * (len(m) - 1))),
            ],
        ),
        Mistake(
            "one number of rows for both",
            _sized(lambda n, m: (n, n, n * m)),
            "all is divided as if both sets had the same number of rows. Each has its own: n and m.",
            forms=[_sized(lambda n, m: (n, n, n * n)), _sized(lambda n, m: (m, m, n * m)), _sized(lambda n, m: (m, m, m * m))],
        ),
        Mistake(
            "cross term over too few pairs",
            _kernels(cross=lambda m: m.sum() / (len(m) * (m.shape[1] - 1))),
            "the cross term is divided by too few pairs. It leaves none out: no row of one set is in the other.",
            forms=[
                _kernels(cross=lambda m: m.sum() / ((len(m) - 1) * m.shape[1])),
                _kernels(cross=lambda m: m.sum() / ((len(m) - 1) * (m.shape[1] - 1))),
            ],
        ),
        Mistake(
            "not divided by d",
            _kernels(kernel=lambda dots, d: (dots + 1) ** 3),
            "the inner product is not divided by the number of features.",
            forms=[
                lambda real, fake: _kernels(kernel=lambda dots, d: (dots / len(real) + 1) ** 3)(real, fake),
                lambda real, fake: _kernels(kernel=lambda dots, d: (dots / len(dots) + 1) ** 3)(real, fake),
            ],
        ),
        Mistake(
            "divided by √d",
            _kernels(kernel=lambda dots, d: (dots / d**0.5 + 1) ** 3),
            "the inner product is divided by √d. That is attention's scale; this kernel has another.",
        ),
        Mistake(
            "all divided by d",
            _kernels(kernel=lambda dots, d: ((dots + 1) / d) ** 3),
            "the 1 is divided by d, too. Mind the brackets.",
            forms=[_kernels(kernel=lambda dots, d: (dots + 1) ** 3 / d)],
        ),
        Mistake(
            "squared",
            _kernels(kernel=lambda dots, d: (dots / d + 1) ** 2),
            "the kernel has another power: yours compares means and variances, but no skewness.",
        ),
        Mistake(
            "1 missing",
            _kernels(kernel=lambda dots, d: (dots / d) ** 3),
            "the 1 is missing in the kernel, or stands outside the power, where the three terms cancel it.",
            forms=[_kernels(kernel=lambda dots, d: (dots / d) ** 3 + 1)],
        ),
        Mistake(
            "cross term once",
            _kernels(weight=1.0),
            "the cross term counts once: two sets from one distribution would not give 0 on average.",
        ),
        Mistake(
            "sign",
            _kernels(weight=-2.0),
            "the cross term is added. Sets that are alike should be near 0.",
            forms=[_kernels(last=lambda value: -value)],
        ),
        Mistake(
            "root",
            _kernels(last=torch.sqrt),
            "KID takes no root at the end. What would it do with a value below 0?",
            forms=[_kernels(last=lambda value: value.abs().sqrt()), _kernels(last=lambda value: value.clamp(min=0).sqrt())],
        ),
        Mistake(
            "held above 0",
            _kernels(last=lambda value: value.clamp(min=0)),
            "values below 0 are cut off. An unbiased estimate of 0 must fall on both sides of it.",
            forms=[_kernels(last=torch.abs)],
        ),
        Mistake(
            "sum",
            _kernels(lambda k: k.sum() - k.trace(), torch.sum),
            "the pairs are summed, not averaged.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 4 · Precision and recall


def _reach(points, k):
    """For each point the distance to its k-th nearest other point, by sorting."""
    return [sorted(math.dist(p, q) for j, q in enumerate(points) if j != i)[k - 1] for i, p in enumerate(points)]


def _covered(points, by, k):
    reach = _reach(by, k)
    return sum(any(math.dist(p, q) <= r for q, r in zip(by, reach)) for p in points) / len(points)


def _precise(real, fake, k):
    real, fake = real.tolist(), fake.tolist()
    return _covered(fake, real, k), _covered(real, fake, k)


def _far(a, b):
    return (a[:, None] - b).square().sum(2).sqrt()


def _kth(a, k, far=_far):
    return far(a, a).sort(1).values[:, k]


def _balls(share: Callable, radius: Callable = _kth) -> Callable:
    """Another share, from (distances of the points to the centres, radii of the centres, radii of the points), or other radii."""

    def wrong(real, fake, k):
        between, of_real, of_fake = _far(fake, real), radius(real, k), radius(fake, k)
        return share(between, of_real, of_fake), share(between.T, of_fake, of_real)

    return wrong


def _inside(between, of_centres, of_points):
    return (between <= of_centres).any(1).double().mean()


def _by(far: Callable) -> Callable:
    """Another distance for all."""

    def wrong(real, fake, k):
        between = far(fake, real)
        return _inside(between, _kth(real, k, far), None), _inside(between.T, _kth(fake, k, far), None)

    return wrong


_PR1 = (_cloud(9, 2, 0.4), _cloud(7, 2, 1.2, 0.8) + 0.3, 2)
_PR2 = (_cloud(8, 2, 1.9, 1.5), _cloud(12, 2, 0.6, 0.7), 1)
_PR3 = (_cloud(14, 3, 0.3), _cloud(10, 3, 2.2, 1.5), 3)
_PR4 = (_cloud(11, 2, 2.5, 4.0), _cloud(13, 2, 0.2, 3.0) - 1, 2)
_PS1 = (_cloud(10, 2, 1.1), _cloud(8, 2, 0.9, 1.2) + 0.2, 2)
_PS2 = (_cloud(13, 2, 0.7, 0.8), _cloud(9, 2, 1.5, 1.4), 3)
_PS3 = (_cloud(9, 3, 1.6, 1.3), _cloud(12, 3, 0.1), 1)
_PS4 = (_cloud(12, 2, 0.5, 5.0), _cloud(10, 2, 2.1, 3.0) + 1, 2)
# whole numbers, whose distances are exact: some rows lie on the surface of a ball
_PR5 = (
    torch.tensor([[4, 2], [0, 3], [4, 6], [6, 1], [0, 5], [2, 4], [3, 4]]).double(),
    torch.tensor([[3, 5], [1, -1], [8, 2], [7, 3], [6, -1], [7, 5], [6, 5], [3, 0]]).double(),
    1,
)
_PS5 = (
    torch.tensor([[5, 4], [3, 3], [1, 3], [1, 5], [3, 5], [6, 6], [3, 1], [2, 5]]).double(),
    torch.tensor([[5, 1], [2, 1], [6, 0], [3, -1], [5, 3], [2, 0]]).double(),
    1,
)

PRECISION = Task(
    "precision_and_recall",
    _precise,
    results=("precision", "recall"),
    cases=[_PR1, _PR2, _PR3, _PR4, _PR5],
    hidden_cases=[_PS1, _PS2, _PS3, _PS4, _PS5],
    mistakes=[
        Mistake(
            "exchanged",
            lambda real, fake, k: _precise(real, fake, k)[::-1],
            "precision and recall are exchanged: which one falls when a model makes good pictures of a single kind?",
        ),
        Mistake(
            "its own neighbour",
            _balls(_inside, lambda a, k: _kth(a, k - 1)),
            "the balls are too small: a point counts as its own first neighbour.",
        ),
        Mistake(
            "one neighbour too far",
            _balls(_inside, lambda a, k: _kth(a, k + 1)),
            "the balls reach one neighbour too far.",
        ),
        Mistake(
            "one k for all",
            _balls(_inside, lambda a, k: _kth(a, 3)),
            "k plays no part in the radius.",
            forms=[_balls(_inside, lambda a, k: _kth(a, 1))],
        ),
        Mistake(
            "neighbours in the other set",
            lambda real, fake, k: (
                _inside(_far(fake, real), _far(real, fake).sort(1).values[:, k - 1], None),
                _inside(_far(real, fake), _far(fake, real).sort(1).values[:, k - 1], None),
            ),
            "the radii come from neighbours in the other set. A ball belongs to one set: its neighbours are of the same.",
            forms=[
                lambda real, fake, k: (
                    _inside(_far(fake, real), _far(real, fake).sort(1).values[:, k], None),
                    _inside(_far(real, fake), _far(fake, real).sort(1).values[:, k], None),
                ),
            ],
        ),
        Mistake(
            "balls of the wrong set",
            _balls(lambda between, of_centres, of_points: (between <= of_points[:, None]).any(1).double().mean()),
            "the balls lie round the points that are tested. Whose balls should a sample fall into?",
        ),
        Mistake(
            "real balls for both",
            lambda real, fake, k: (
                _precise(real, fake, k)[0],
                (_far(fake, real) <= _kth(real, k)).any(0).double().mean(),
            ),
            "precision is right, but recall takes the balls of the real rows. In recall the roles are exchanged, and the balls with them.",
        ),
        Mistake(
            "wrong axis of recall",
            lambda real, fake, k: (_precise(real, fake, k)[0], (_far(fake, real) <= _kth(fake, k)[:, None]).any(1).double().mean()),
            "precision is right, and recall has the right balls, but any and mean run over the wrong axes: yours is the share of balls "
            "that hold a real row.",
        ),
        Mistake(
            "surface left out",
            _balls(lambda between, of_centres, of_points: (between < of_centres).any(1).double().mean()),
            "a row on the surface of a ball is left out. The surface belongs to the ball.",
        ),
        Mistake(
            "mean of the k distances",
            _balls(_inside, lambda a, k: _far(a, a).sort(1).values[:, 1 : k + 1].mean(1)),
            "the radius is a mean over k neighbours. It should be the distance to one of them.",
            forms=[
                _balls(_inside, lambda a, k: _far(a, a).sort(1).values[:, : k + 1].mean(1)),
                _balls(_inside, lambda a, k: _far(a, a).sort(1).values[:, :k].mean(1)),
            ],
        ),
        Mistake(
            "farthest neighbours",
            _balls(_inside, lambda a, k: _far(a, a).sort(1, descending=True).values[:, k]),
            "the radii count from the farthest row. `topk` finds the largest, unless told otherwise.",
            forms=[
                _balls(_inside, lambda a, k: _far(a, a).sort(1, descending=True).values[:, k - 1]),
                _balls(_inside, lambda a, k: _far(a, a).max(1).values),
            ],
        ),
        Mistake(
            "wrong axis",
            _balls(lambda between, of_centres, of_points: (between <= of_centres).any(0).double().mean()),
            "any and mean run over the wrong axes: yours is the share of balls that hold something, not of points that lie in one.",
        ),
        Mistake(
            "all for any",
            _balls(lambda between, of_centres, of_points: (between <= of_centres).all(1).double().mean()),
            "a point must lie in all balls at once. How many are enough?",
        ),
        Mistake(
            "share of pairs",
            _balls(lambda between, of_centres, of_points: (between <= of_centres).double().mean()),
            "this is the share of pairs. A point counts once, however many balls it lies in.",
            forms=[_balls(lambda between, of_centres, of_points: (between <= of_centres).double().sum(1).mean())],
        ),
        Mistake(
            "nearest ball alone",
            _balls(
                lambda between, of_centres, of_points: (between.min(1).values <= of_centres[between.argmin(1)]).double().mean(),
            ),
            "only the ball of the nearest point is tried. A point farther off may have a larger ball.",
        ),
        Mistake(
            "one radius",
            _balls(_inside, lambda a, k: _kth(a, k).mean().expand(len(a))),
            "all balls have one radius. Each point has its own: large where points are rare.",
            forms=[
                _balls(_inside, lambda a, k: _kth(a, k).median().expand(len(a))),
                _balls(_inside, lambda a, k: _kth(a, k).max().expand(len(a))),
                _balls(_inside, lambda a, k: _kth(a, k).min().expand(len(a))),
            ],
        ),
        Mistake(
            "squared and plain",
            _balls(lambda between, of_centres, of_points: _inside(between.square(), of_centres, None)),
            "squared distances are compared with plain ones. Either will do, if both are the same.",
            forms=[_balls(lambda between, of_centres, of_points: _inside(between, of_centres.square(), None))],
        ),
        Mistake(
            "sum of the sides",
            _by(lambda a, b: (a[:, None] - b).abs().sum(2)),
            "this is not the straight distance: the differences are added up without their squares.",
            forms=[_by(lambda a, b: (a[:, None] - b).abs().amax(2))],
        ),
        Mistake(
            "outside",
            _balls(lambda between, of_centres, of_points: 1 - _inside(between, of_centres, None)),
            "this is the share of those that lie outside.",
            forms=[_balls(lambda between, of_centres, of_points: (between >= of_centres).any(1).double().mean())],
        ),
        Mistake(
            "numbers for shares",
            _balls(lambda between, of_centres, of_points: (between <= of_centres).any(1).sum()),
            "you count. A share is asked for.",
            forms=[_balls(lambda between, of_centres, of_points: (between <= of_centres).any(1).double().sum())],
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 5a · FID at infinity


def _line(x, y):
    """Intercept and slope of least squares, by Cramer's rule."""
    n, sx, sy, sxx, sxy = len(x), x.sum(), y.sum(), (x * x).sum(), (x * y).sum()
    below = n * sxx - sx * sx
    return (sy * sxx - sx * sxy) / below, (n * sxy - sx * sy) / below


def _limit(sizes, values, below):
    limit, slope = _line(1 / sizes, values)
    return limit, math.ceil(float(slope) / below)


def _against(x: Callable) -> Callable:
    """A straight line in another x of N; the number by its slope all the same."""

    def wrong(sizes, values, below):
        limit, slope = _line(x(sizes), values)
        return limit, math.ceil(float(slope) / below)

    return wrong


def _answers(limit: Callable | None = None, needed: Callable | None = None) -> Callable:
    """Another limit, from (sizes, values), or another number, from (limit, slope, below)."""

    def wrong(sizes, values, below):
        right, slope = _line(1 / sizes, values)
        return limit(sizes, values) if limit else right, needed(right, slope, below) if needed else math.ceil(float(slope) / below)

    return wrong


def _ends(sizes, values, below):
    first, last = int(sizes.argmin()), int(sizes.argmax())
    slope = (values[first] - values[last]) / (1 / sizes[first] - 1 / sizes[last])
    return values[last] - slope / sizes[last], math.ceil(float(slope) / below)


def _origin(sizes, values, below):
    slope = (values / sizes).sum() / (1 / sizes.square()).sum()
    return torch.zeros((), dtype=torch.float64), math.ceil(float(slope) / below)


def _up(number) -> int:
    return math.ceil(float(number))


LIMIT = Task(
    "at_infinity",
    _limit,
    results=("FID∞", "N"),
    cases=[  # `below` is above FID∞ in all: a search for the N at which FID itself falls to it must come to an end
        (_numbers(100.0, 200.0, 400.0, 1600.0), _numbers(9.1, 5.9, 4.4, 3.4), 3.5),
        (_numbers(2000.0, 250.0, 500.0), _numbers(1.62, 4.9, 2.71), 1.5),
        (_numbers(60.0, 120.0, 90.0, 400.0, 1000.0), _numbers(2.7, 1.2, 1.8, 0.4, 0.1), 0.01),
    ],
    hidden_cases=[
        (_numbers(150.0, 300.0, 900.0), _numbers(7.3, 4.6, 2.7), 2.5),
        (_numbers(1000.0, 80.0, 160.0, 320.0), _numbers(0.6, 10.9, 5.6, 2.4), 0.3),
        (_numbers(500.0, 5000.0, 1000.0, 700.0), _numbers(4.1, 3.3, 3.8, 3.9), 4.0),
    ],
    mistakes=[
        Mistake(
            "line in N",
            _against(lambda n: n),
            "the line is drawn against N, and 0 there means no samples. Against what is FID a straight line, and where is infinity?",
            forms=[
                lambda sizes, values, below: (_line(sizes, values)[0], _limit(sizes, values, below)[1]),
                lambda sizes, values, below: (_line(sizes, values)[0], math.ceil(-float(_line(sizes, values)[1]) / below)),
                lambda sizes, values, below: (_line(sizes, values)[0], math.ceil(abs(float(_line(sizes, values)[1])) / below)),
            ],
        ),
        Mistake(
            "line in log N",
            _against(torch.log),
            "the line is drawn against the logarithm of N. Against that it has no limit.",
            forms=[
                lambda sizes, values, below: (_line(sizes.log(), values)[0], _limit(sizes, values, below)[1]),
                lambda sizes, values, below: (_line(sizes.log10(), values)[0], _limit(sizes, values, below)[1]),
                _against(torch.log10),
                _against(lambda n: -n.log()),
            ],
        ),
        Mistake(
            "line in 1/√N",
            _against(lambda n: n.rsqrt()),
            "the line is drawn against 1/√N. So fall standard errors, but this is a bias.",
        ),
        Mistake(
            "line in 1/N²",
            _against(lambda n: 1 / n.square()),
            "the line is drawn against 1/N². The bias does not fall so fast.",
        ),
        Mistake(
            "largest N",
            _answers(lambda sizes, values: values[sizes.argmax()]),
            "this is the value of the largest N. It is the least biased, but biased all the same.",
            forms=[_answers(lambda sizes, values: values.min())],
        ),
        Mistake(
            "last value",
            _answers(lambda sizes, values: values[-1]),
            "this is the last value of the list. It is biased like all of them, and the list need not be sorted.",
        ),
        Mistake(
            "mean of the values",
            _answers(lambda sizes, values: values.mean()),
            "the values are averaged, so the biases are averaged with them.",
        ),
        Mistake(
            "slope for intercept",
            lambda sizes, values, below: (_line(1 / sizes, values)[1], _limit(sizes, values, below)[1]),
            "you return the slope as FID∞. Which of the two is the value at 1/N = 0?",
            forms=[
                lambda sizes, values, below: (_line(1 / sizes, values)[1], math.ceil(float(_line(1 / sizes, values)[0]) / below)),
                lambda sizes, values, below: (_line(1 / sizes, values)[1], float(_line(1 / sizes, values)[0])),
            ],
        ),
        Mistake(
            "through the origin",
            _origin,
            "the line goes through the origin, as if FID∞ were 0. It has a free intercept.",
            forms=[lambda sizes, values, below: (_line(1 / sizes, values)[0], _origin(sizes, values, below)[1])],
        ),
        Mistake(
            "two points",
            _ends,
            "the line goes through the smallest and the largest N only. All values count: least squares.",
            forms=[lambda sizes, values, below: _ends_of_list(sizes, values, below)],
        ),
        Mistake(
            "axes exchanged",
            lambda sizes, values, below: (
                -_line(values, 1 / sizes)[0] / _line(values, 1 / sizes)[1],
                _up(1 / _line(values, 1 / sizes)[1] / below),
            ),
            "1/N is fitted as a function of FID. The errors are in FID, so it is FID that should be fitted.",
        ),
        Mistake(
            "rounded down",
            _answers(None, lambda limit, slope, below: math.floor(float(slope) / below)),
            "FID∞ is right, but N is not rounded up: there the bias is still a little above what is allowed.",
            forms=[_answers(None, lambda limit, slope, below: round(float(slope) / below))],
        ),
        Mistake(
            "not rounded",
            _answers(None, lambda limit, slope, below: float(slope) / below),
            "FID∞ is right, but N is no whole number.",
        ),
        Mistake(
            "c for N",
            _answers(None, lambda limit, slope, below: float(slope)),
            "FID∞ is right, but c is returned in the place of N. For which N is c/N small enough?",
        ),
        Mistake(
            "upside down",
            _answers(None, lambda limit, slope, below: _up(below / slope)),
            "FID∞ is right, but the quotient for N is upside down: a smaller bias should need more samples.",
        ),
        Mistake(
            "FID at most `below`",
            _answers(None, lambda limit, slope, below: _up(slope / (below - limit))),
            "FID∞ is right, but at your N it is FID itself that has come down to `below`. Only the bias c/N should: FID∞ is no part of it.",
        ),
        Mistake(
            "FID for its bias",
            _answers(None, lambda limit, slope, below: _up(slope / (below + limit))),
            "FID∞ is right, but N is no answer to the question: the bias is the distance to FID∞, and it alone should be small.",
            forms=[
                _answers(None, lambda limit, slope, below: _up((limit + slope) / below)),
                _answers(None, lambda limit, slope, below: _up(limit / below)),
            ],
        ),
        Mistake(
            "relative bias",
            _answers(None, lambda limit, slope, below: _up(slope / (below * limit))),
            "FID∞ is right, but N is for a share of FID∞. `below` is in the units of FID.",
        ),
        Mistake(
            "order",
            lambda sizes, values, below: _limit(sizes, values, below)[::-1],
            "FID∞ and N are exchanged.",
        ),
    ],
)


def _ends_of_list(sizes, values, below):
    slope = (values[0] - values[-1]) / (1 / sizes[0] - 1 / sizes[-1])
    return values[-1] - slope / sizes[-1], math.ceil(float(slope) / below)


# --------------------------------------------------------------------------------------------------------------------
# 5b · The experiment

MODULUS = 2**31 - 1
ATTEMPTS = 16
ROWS = 12_000  # what one attempt may cost


def stream(count: int, start: int) -> Tensor:
    """Numbers that look normal and independent, (count,), float64: the same on every platform, being whole numbers until the end.

    Source: Park & Miller 1988, the multiplicative generator, with the multiplier of 1993.
    """
    x = torch.tensor([pow(48271, start + 1, MODULUS)])
    while len(x) < count:
        x = torch.cat([x, x * pow(48271, len(x), MODULUS) % MODULUS])
    return torch.special.ndtri(x[:count].double() / MODULUS)


def fid_of_sets(a: Tensor, b: Tensor) -> Tensor:
    """FID of many pairs of sets at once: a, b (sets, n, d) → (sets,)."""
    means = a.mean(1), b.mean(1)
    a, b = ((x - mean[:, None]) / (x.shape[1] - 1) ** 0.5 for x, mean in zip((a, b), means))
    cov1, cov2 = a.mT @ a, b.mT @ b
    values, vectors = torch.linalg.eigh(cov1)
    root = vectors * values.clamp(min=0).sqrt()[:, None]
    trace = torch.linalg.eigvalsh(root.mT @ cov2 @ root).clamp(min=0).sqrt().sum(1)
    return (means[0] - means[1]).square().sum(1) + a.square().sum((1, 2)) + b.square().sum((1, 2)) - 2 * trace


def numbers_of_samples(smallest: int, ratio: float) -> list[int]:
    """Five numbers of samples, evenly spaced in 1/N, from `smallest` to `ratio` times as many."""
    return [round(smallest / (1 + i / 4 * (1 / ratio - 1))) for i in range(5)]


def fids_by_number(features: Tensor, sizes: list[int], repeats: int, attempt: int) -> Tensor:
    """FID of real features against real ones at each of these numbers, (len(sizes),), the mean of `repeats`; each attempt draws anew."""
    drawn = stream(2 * repeats * sum(sizes) * len(features), attempt * 10**8)
    parts = drawn.reshape(-1, len(features)).mul(features).split([2 * repeats * n for n in sizes])
    pairs = [part.reshape(2, repeats, n, len(features)) for part, n in zip(parts, sizes)]
    return torch.stack([fid_of_sets(*pair).mean() for pair in pairs])


def measure(fit: Callable, features: Tensor, smallest: int, ratio: float = 2.0, repeats: int = 1) -> dict[str, float]:
    """How far FID∞ of real features against real ones is from 0, and how many rows an attempt costs.

    fit: (sizes, values, below) → (FID∞, N);  features: (d,), their standard deviations
    Returns: `minus error`, the root mean square of 16 attempts; `rows to spare`, how many of 12,000 one attempt leaves, below 0 if it
        takes more; and `smallest`, `ratio`, for the hints
    """
    sizes = numbers_of_samples(smallest, ratio)
    rows = torch.tensor(sizes, dtype=torch.float64)
    limits = [float(fit(rows, fids_by_number(features, sizes, repeats, i), 0.1)[0]) for i in range(ATTEMPTS)]
    return {
        "minus error": -math.sqrt(sum(limit**2 for limit in limits) / ATTEMPTS),
        "rows to spare": float(ROWS - 2 * repeats * sum(sizes)),
        "smallest": float(smallest),
        "ratio": float(ratio),
    }


BIAS = Goal(
    "experiment",
    {"minus error": -0.07, "rows to spare": 0.0},
    slack={"minus error": 0.01, "rows to spare": 0.0},
    settings=("smallest", "ratio", "repeats"),
    rules={
        "smallest": (lambda value: is_whole(value, range(10, 501)), "a whole number from 10 to 500"),
        "ratio": (lambda value: is_number(value, 1.1) and value <= 10, "a number from 1.1 to 10"),
        "repeats": (lambda value: is_whole(value, range(1, 11)), "a whole number from 1 to 10"),
    },
    mistakes=[
        Mistake(
            "good but dear",
            lambda m: m["minus error"] >= -0.07,
            "Close enough to 0, but with too many rows. Where do most of them go?",
        ),
        Mistake(
            "short lever",
            lambda m: m["ratio"] < 2.5,
            "All your N are much alike, and the line is drawn on far beyond them: small errors of the values turn it.",
        ),
        Mistake(
            "too small",
            lambda m: m["smallest"] < 120 and (m["minus error"] < -0.08 or m["rows to spare"] < 0),
            "With so few rows for 32 features the bias is no straight line in 1/N, and its values scatter: yet these N pull the line most.",
        ),
        Mistake(
            "too few",
            lambda m: m["rows to spare"] > 5000,
            "You use far fewer rows than you may. What would lower the chance in the values?",
        ),
        Mistake(
            "too dear",
            lambda m: m["rows to spare"] < 0,
            "Too many rows, and FID∞ is still too far from 0: more of them is not the whole answer.",
        ),
        Mistake(
            "close",
            lambda m: True,
            "Not far off. `smallest` and `ratio` act together, and one repeat more or less leaves room for them.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 6 · Which model has memorised?


def _nearest(points, others):
    return [min(math.dist(p, q) for q in others) for p in points]


def _rows(x):
    return x.flatten(1).tolist()


def _closer(models, train, test):
    fresh = _nearest(_rows(test), _rows(train))
    shares = []
    for samples in models:
        near = _nearest(_rows(samples), _rows(train))
        shares.append(sum((a < b) + 0.5 * (a == b) for a in near for b in fresh) / (len(near) * len(fresh)))
    return torch.tensor(shares, dtype=torch.float64), max(range(len(shares)), key=shares.__getitem__)


def _between(a, b):
    """All distances, (n, m)."""
    return (a.flatten(1)[:, None] - b.flatten(1)).square().sum(2).sqrt()


def _near(a, b):
    return _between(a, b).min(1).values


def _halves(a, b):
    return (a[:, None] < b).double().mean() + (a[:, None] == b).double().mean() / 2


def _alone(a):
    """The distance of each to the nearest other."""
    return _between(a, a).fill_diagonal_(math.inf).min(1).values


def _in_turn(a, b):
    n = min(len(a), len(b))
    return (a[:n] < b[:n]).double().mean() + (a[:n] == b[:n]).double().mean() / 2


def _chosen(
    share: Callable = _halves,
    of_samples: Callable = lambda samples, train, test: _near(samples, train),
    of_test: Callable = lambda samples, train, test: _near(test, train),
    pick: Callable = lambda shares, models, train, test: int(shares.argmax()),
) -> Callable:
    """Another share of the two lists of distances, other lists, or another choice."""

    def wrong(models, train, test):
        given = [(samples, train, test) for samples in models]
        shares = torch.stack([share(of_samples(*one), of_test(*one)) for one in given]).double()
        return shares, pick(shares, models, train, test)

    return wrong


def _steps(n: int, d: int, phase: float, size: float = 6.0) -> Tensor:
    """Points on a grid of quarters, (n, d), float64: their distances may tie, and do so however they are computed."""
    return (4 * _cloud(n, d, phase, size)).round() / 4


def _models(train: Tensor, phase: float, shift: float, order: tuple[int, ...], n: int) -> Tensor:
    """Three models: half of the samples of one are training points and the others stray, one is blurred, one is honest; (3, n, ...)."""
    flat = train.flatten(1)
    strays = _steps(n, flat.shape[1], phase + 0.3, 9.0)
    copies = torch.cat([flat[: (2 * n) // 3], strays[: n - (2 * n) // 3] + 40])
    near = flat[torch.arange(n) % len(flat)] + shift
    honest = _steps(n, flat.shape[1], phase)
    return torch.stack([(copies, near, honest)[i].reshape(n, *train.shape[1:]) for i in order])


_T1, _E1 = _steps(11, 2, 0.4), torch.cat([_steps(7, 2, 1.7), _steps(11, 2, 0.4)[:1]])
_T2, _E2 = _steps(9, 8, 1.2).reshape(9, 2, 2, 2), _steps(9, 8, 1.2).reshape(9, 2, 2, 2)[3:5]
_E2 = torch.cat([_steps(5, 8, 0.2).reshape(5, 2, 2, 2), _E2])
_T3, _E3 = _steps(13, 3, 2.1), torch.cat([_steps(8, 3, 0.9), _steps(13, 3, 2.1)[5:6]])
_U1, _V1 = _steps(10, 2, 1.4), torch.cat([_steps(8, 2, 0.6), _steps(10, 2, 1.4)[2:3]])
_U2, _V2 = _steps(12, 4, 0.8).reshape(12, 1, 2, 2), torch.cat([_steps(6, 4, 2.3), _steps(12, 4, 0.8)[4:6]]).reshape(8, 1, 2, 2)
_U3, _V3 = _steps(14, 3, 0.1), torch.cat([_steps(9, 3, 1.9), _steps(14, 3, 0.1)[7:8]])

MEMORISED = Task(
    "spot_the_copy",
    _closer,
    results=("P", "the number of the model"),
    cases=[
        (_models(_T1, 0.9, 1.0, (1, 0, 2), 9), _T1, _E1),
        (_models(_T2, 1.5, 2.0, (2, 1, 0), 6), _T2, _E2),
        (_models(_T3, 0.2, 1.25, (0, 2, 1), 12), _T3, _E3),
    ],
    hidden_cases=[
        (_models(_U1, 2.2, 1.0, (1, 0, 2), 6), _U1, _V1),
        (_models(_U2, 0.5, 1.5, (1, 2, 0), 9), _U2, _V2),
        (_models(_U3, 1.1, 1.25, (2, 0, 1), 12), _U3, _V3),
    ],
    mistakes=[
        Mistake(
            "ties lost",
            _chosen(lambda a, b: (a[:, None] < b).double().mean()),
            "ties are lost. A sample and a test point that are equally near count half.",
        ),
        Mistake(
            "ties count whole",
            _chosen(lambda a, b: (a[:, None] <= b).double().mean()),
            "ties count whole. A sample and a test point that are equally near count half.",
        ),
        Mistake(
            "farther",
            _chosen(lambda a, b: _halves(b, a)),
            "this is the probability that a sample is farther away. A copy should have a high number.",
            forms=[_chosen(lambda a, b: _halves(b, a), pick=lambda shares, *_: int(shares.argmin()))],
        ),
        Mistake(
            "near the test set",
            _chosen(of_samples=lambda samples, train, test: _near(samples, test)),
            "the samples' distances are those to the test set. What could be copied from there?",
            forms=[_chosen(lambda a, b: _halves(a, b), lambda s, train, test: _near(s, test), lambda s, train, test: _near(train, test))],
        ),
        Mistake(
            "train and test exchanged",
            _chosen(of_samples=lambda s, train, test: _near(s, train), of_test=lambda s, train, test: _near(s, test)),
            "the same samples are measured against both sets. The test points are to be measured against the training set, too.",
        ),
        Mistake(
            "among themselves",
            _chosen(of_samples=lambda s, train, test: _alone(s)),
            "you measure how near samples are to each other. That finds repeated samples, not copied ones.",
            forms=[_chosen(of_samples=lambda s, train, test: _near(s, s))],
        ),
        Mistake(
            "training set with itself",
            _chosen(of_test=lambda s, train, test: _alone(train)),
            "the samples are compared with training points. The yardstick is made of points that no model has seen.",
            forms=[_chosen(of_test=lambda s, train, test: _near(train, train)), _chosen(of_test=lambda s, train, test: _near(train, test))],
        ),
        Mistake(
            "test set with itself",
            _chosen(of_test=lambda s, train, test: _alone(test)),
            "b is the distance to the nearest other test image. It should be that to the nearest training image.",
            forms=[_chosen(of_test=lambda s, train, test: _near(test, test))],
        ),
        Mistake(
            "test set against samples",
            _chosen(of_test=lambda s, train, test: _near(test, s)),
            "b is the distance of a test image to the nearest sample. Which set should both distances lead to?",
            forms=[_chosen(of_samples=lambda s, train, test: _near(s, test), of_test=lambda s, train, test: _near(test, s))],
        ),
        Mistake(
            "sample i with test image i",
            _chosen(_in_turn),
            "sample i is compared with test image i alone. All pairs count: each sample with each test image.",
        ),
        Mistake(
            "all distances",
            _chosen(
                lambda a, b: _halves(a.flatten(), b.flatten()),
                lambda s, train, test: _between(s, train),
                lambda s, train, test: _between(test, train),
            ),
            "all distances to the training set are compared. Of each sample and of each test image only the smallest counts.",
        ),
        Mistake(
            "sum over pairs",
            _chosen(lambda a, b: _halves(a, b) * len(a) * len(b)),
            "you count pairs. P is their share: divide by the number of all pairs.",
            forms=[_chosen(lambda a, b: _halves(a, b) * len(a)), _chosen(lambda a, b: _halves(a, b) * len(b))],
        ),
        Mistake(
            "wrong axis",
            _chosen(of_samples=lambda s, train, test: _near(train, s), of_test=lambda s, train, test: _near(train, test)),
            "the minimum runs over the wrong axis: yours is how near each training point has something, one number for a training point.",
            forms=[_chosen(of_samples=lambda s, train, test: _near(train, s))],
        ),
        Mistake(
            "mean for minimum",
            _chosen(
                of_samples=lambda s, train, test: _between(s, train).mean(1), of_test=lambda s, train, test: _between(test, train).mean(1)
            ),
            "you take the mean distance to the training set. A copy is near to one training point, and far from the others.",
            forms=[_chosen(of_samples=lambda s, train, test: _between(s, train).mean(1))],
        ),
        Mistake(
            "one yardstick",
            _chosen(lambda a, b: _halves(a, b.mean()[None])),
            "one of the two lists of distances has become one number. Compare every sample with every test point.",
            forms=[
                _chosen(lambda a, b: (a.mean() < b).double().mean()),
                _chosen(lambda a, b: _halves(a.mean()[None], b)),
                _chosen(lambda a, b: (a < b.mean()).double().mean()),
                _chosen(lambda a, b: _halves(a, b.median()[None])),
                _chosen(lambda a, b: (a < b.median()).double().mean()),
            ],
        ),
        Mistake(
            "no yardstick",
            _chosen(lambda a, b: a.mean(), pick=lambda shares, *_: int(shares.argmin())),
            "you return distances. Near compared with what? Test points say how near a new point is.",
            forms=[
                _chosen(lambda a, b: a.mean()),
                _chosen(lambda a, b: a.median(), pick=lambda shares, *_: int(shares.argmin())),
                _chosen(lambda a, b: a.mean() / b.mean(), pick=lambda shares, *_: int(shares.argmin())),
                _chosen(lambda a, b: b.mean() - a.mean()),
            ],
        ),
        Mistake(
            "exact copies alone",
            _chosen(lambda a, b: (a == 0).double().mean()),
            "only exact copies count. One with a little noise on it would pass.",
        ),
        Mistake(
            "decided by distance",
            _chosen(pick=lambda shares, models, train, test: int(torch.stack([_near(s, train).mean() for s in models]).argmin())),
            "the probabilities are right, but the choice goes by a mean distance: a few samples that are far off can hide many copies.",
        ),
        Mistake(
            "smallest chosen",
            _chosen(pick=lambda shares, *_: int(shares.argmin())),
            "the probabilities are right, but the model that copies least is named.",
        ),
        Mistake(
            "nearest to one half",
            _chosen(pick=lambda shares, *_: int((shares - 0.5).abs().argmin())),
            "the probabilities are right, but the model nearest to 0.5 is named. That is the most honest one.",
        ),
        Mistake(
            "counted from 1",
            _chosen(pick=lambda shares, *_: int(shares.argmax()) + 1),
            "the probabilities are right, but the models are counted from 0.",
        ),
        Mistake(
            "largest probability",
            _chosen(pick=lambda shares, *_: float(shares.max())),
            "the probabilities are right, but you return the largest of them. Which model has it?",
        ),
        Mistake(
            "order",
            lambda models, train, test: _closer(models, train, test)[::-1],
            "the probabilities and the number of the model are exchanged.",
        ),
    ],
)

TASKS: tuple[Task | Goal, ...] = (CORPUS, PIXELS, FRECHET, KERNEL, PRECISION, LIMIT, BIAS, MEMORISED)
