"""Tasks of exercise 06. Truths come from loops over examples and from conditioning joint Gaussians, never from course_lib.diffusion."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib.grading import Goal, Mistake, Task, grid, is_number, is_whole

# --------------------------------------------------------------------------------------------------------------------
# Networks and draws that belong to no file: code of this file would count as borrowed when an answer calls it

_SOURCE = '''
def one_each(value, x, name):
    if not torch.is_tensor(value):
        raise TypeError(f"{name} should be a tensor of shape ({len(x)},), one number for each example")
    if value.shape != (len(x),):
        raise TypeError(f"{name} should have shape ({len(x)},), one number for each example, not {tuple(value.shape)}")


class Network(nn.Module):
    """(x_t, t) → the shape of x_t, or (x_t, t, y) with labels from 0 to `labels` − 1; weights are fixed."""

    def __init__(self, dims, phase, labels=0):
        super().__init__()
        self.mix = nn.Parameter((grid(dims, dims) * 3 + phase).sin() * 0.7)
        self.time = nn.Parameter((grid(dims) * 2 + phase).cos())
        self.labels = nn.Parameter((grid(labels, dims) * 5 + phase).sin()) if labels else None

    def forward(self, x, t, y=None):
        one_each(t, x, "t")
        if self.labels is not None:
            one_each(y, x, "the labels")
            if y.is_floating_point():
                raise TypeError("labels should be whole numbers")
        h = x.flatten(1).to(self.mix) @ self.mix + t.reshape(-1, 1).to(self.mix) * self.time
        if self.labels is not None:
            h = h + (y.reshape(-1, 1) == torch.arange(len(self.labels))).to(self.mix) @ self.labels
        return torch.tanh(h).reshape(x.shape)


class Draws(nn.Module):
    """Stands for torch.rand, or with `normal` for torch.randn: other numbers at each call, the same in each check."""

    def __init__(self, phase, normal=False):
        super().__init__()
        self.phase, self.normal, self.calls = phase, normal, 0

    def forward(self, *shape, **options):
        shape = tuple(options["size"] if "size" in options else shape[0] if shape and not isinstance(shape[0], int) else shape)
        self.calls += 1
        u = (self.phase * self.calls + 0.6180339887 * torch.arange(1, math.prod(shape) + 1, dtype=torch.float64)) % 1
        u = 0.001 + 0.998 * u
        return (torch.special.ndtri(u) if self.normal else u).float().reshape(shape)


class Field(nn.Module):
    """(x, t) → a velocity that turns and bends. It counts how often any such field is asked: a check gives away copies."""

    calls = 0

    def __init__(self, turn):
        super().__init__()
        self.turn = turn

    def forward(self, x, t):
        one_each(t, x, "t")
        Field.calls += 1
        t = t.reshape(-1, *[1] * (x.ndim - 1)).to(x)
        return torch.sin(self.turn * x + 3 * t) - t * x.flip(-1)
'''
_NAMES: dict = {"math": math, "torch": torch, "nn": nn, "grid": grid}
exec(_SOURCE, _NAMES)
Network, Draws, Field = (_NAMES[name] for name in ("Network", "Draws", "Field"))


def _function(name: str, formula: str) -> Callable:
    """A function of t."""
    namespace = {"torch": torch}
    exec(f"def {name}(t):\n    return {formula}", namespace)
    return namespace[name]


def _like(c: Tensor, x: Tensor) -> Tensor:
    """One number for each example, ready to be multiplied with x."""
    return c.reshape(-1, *[1] * (x.ndim - 1)).to(x)


class _WithTimes(Task):
    """A task with a list of times. An answer gets a copy of it, and must leave it as it is."""

    def _answered(self, answer, case, where, gradient):
        copies = tuple(list(value) if isinstance(value, list) else value for value in case)
        outcome = super()._answered(answer, copies, where, gradient)
        for name, value, given in zip(self._names(), copies, case):
            if isinstance(given, list) and value != given:
                self._fail("in place", f"your function changes the list {name}. Make a new one instead: its owner may need it again.")
        return outcome


# --------------------------------------------------------------------------------------------------------------------
# 1a · Noising


def _noised(x, alpha_bar, noise):
    """Example by example."""
    return torch.stack([math.sqrt(a) * x[i] + math.sqrt(1 - a) * noise[i] for i, a in enumerate(alpha_bar.tolist())])


def _mixed(data: Callable, spread: Callable, shape: Callable = _like) -> Callable:
    """Other weights of the data and the noise, functions of ᾱ, or another way to spread ᾱ over the axes."""
    return lambda x, alpha_bar, noise: data(shape(alpha_bar, x)) * x + spread(shape(alpha_bar, x)) * noise


def _alpha(a):
    return a.sqrt()


def _sigma(a):
    return (1 - a).sqrt()


_BARS = {
    2: torch.tensor([0.83, 0.21]),
    3: torch.tensor([0.95, 0.0, 0.4]),
    4: torch.tensor([0.99, 0.62, 0.3, 0.04]),
    5: torch.tensor([0.11, 1.0, 0.5, 0.77, 0.02]),
}

NOISED = Task(
    "noised",
    _noised,
    cases=[
        (grid(4, 4), _BARS[4], (3 * grid(4, 4)).sin()),
        (grid(3, 2, 3, 3), _BARS[3], (5 * grid(3, 2, 3, 3)).cos()),
        (grid(2, 2, 2).cos(), _BARS[2], grid(2, 2, 2).flip(1)),
    ],
    hidden_cases=[
        (grid(3, 3).sin(), _BARS[3].flip(0), (4 * grid(3, 3)).cos()),
        (grid(4, 1, 4, 4).flip(2), _BARS[4].flip(0), (7 * grid(4, 1, 4, 4)).sin()),
        (grid(5, 5), _BARS[5], (2 * grid(5, 5)).sin()),
        (grid(2, 2, 2).sin(), _BARS[2].flip(0), (3 * grid(2, 2, 2)).cos()),
    ],
    mistakes=[
        Mistake(
            "ᾱ for α",
            _mixed(lambda a: a, lambda a: 1 - a),
            "ᾱ and 1 − ᾱ stand where their roots belong. They are shares of the variance; a factor of x is an amplitude.",
        ),
        Mistake(
            "ᾱ squared",
            _mixed(lambda a: a, lambda a: (1 - a.square()).sqrt()),
            "ᾱ is squared somewhere, but it is a square already: the factors are its root and the root of 1 − ᾱ.",
            forms=[
                _mixed(_alpha, lambda a: (1 - a.square()).sqrt()),
                _mixed(lambda a: a.square(), lambda a: 1 - a.square()),
                _mixed(lambda a: a.square(), lambda a: (1 - a).square()),
            ],
        ),
        Mistake(
            "data without its root",
            _mixed(lambda a: a, _sigma),
            "the noise is right, the data are too weak: ᾱ is the square of their factor.",
        ),
        Mistake(
            "noise without its root",
            _mixed(_alpha, lambda a: 1 - a),
            "the data are right, the noise is too weak: 1 − ᾱ is its variance, not its standard deviation.",
        ),
        Mistake(
            "factors that add up to 1",
            _mixed(_alpha, lambda a: 1 - a.sqrt()),
            "the two factors add up to 1. Here their squares do, so that the variance stays 1.",
        ),
        Mistake(
            "data and noise exchanged",
            _mixed(_sigma, _alpha),
            "data and noise are exchanged: where ᾱ is near 1 there should be hardly any noise.",
            forms=[_mixed(lambda a: 1 - a, lambda a: a)],
        ),
        Mistake(
            "along the wrong axis",
            _mixed(_alpha, _sigma, lambda a, x: a),
            "each example has its own ᾱ, but yours runs along another axis. Broadcasting starts at the last one: which axes must be added?",
            forms=[
                _mixed(_alpha, _sigma, lambda a, x: a[:, None]),
                _mixed(_alpha, _sigma, lambda a, x: a[:, None] if x.ndim < 4 else a),
            ],
        ),
        Mistake(
            "always four axes",
            _mixed(_alpha, _sigma, lambda a, x: a[:, None, None, None]),
            "right for images, but points have fewer axes and come back with too many: let the number of added axes follow x.",
        ),
        Mistake(
            "one ᾱ for the batch",
            _mixed(_alpha, _sigma, lambda a, x: a[0]),
            "the whole batch gets one ᾱ. Each example has its own.",
            forms=[_mixed(_alpha, _sigma, lambda a, x: a[-1]), _mixed(_alpha, _sigma, lambda a, x: a.mean())],
        ),
        Mistake(
            "sign",
            lambda x, alpha_bar, noise: 2 * _noised(x, alpha_bar, 0 * noise) - _noised(x, alpha_bar, noise),
            "the noise is subtracted. A network that predicts it later would have the wrong sign.",
        ),
        Mistake(
            "noise not scaled",
            _mixed(_alpha, torch.ones_like),
            "all noise is added at every t. How much of it is there when ᾱ is 1?",
        ),
        Mistake(
            "data not scaled",
            _mixed(torch.ones_like, _sigma),
            "the data never fade. At ᾱ = 0 nothing of them should be left.",
        ),
        Mistake(
            "noise forgotten",
            lambda x, alpha_bar, noise: _noised(x, alpha_bar, 0 * noise),
            "the data fade, but no noise comes.",
        ),
        Mistake(
            "noise scaled by the data",
            lambda x, alpha_bar, noise: _noised(x, alpha_bar, x * noise),
            "the noise is multiplied by the data. It is added, the same for dark and for bright.",
        ),
        Mistake(
            "noise fades too",
            _mixed(_alpha, lambda a: (a * (1 - a)).sqrt()),
            "the noise is multiplied by √ᾱ too. Only the data fade.",
            forms=[_mixed(_alpha, _alpha)],
        ),
        Mistake(
            "multiplied up again",
            _mixed(lambda a: a.cumprod(0).sqrt(), lambda a: (1 - a.cumprod(0)).sqrt()),
            "ᾱ is multiplied up over the batch. It is that product already, and one example has nothing to do with the next.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 1b · The cosine schedule


def _bar(t, offset, least):
    """By the double angle: cos² θ = (1 + cos 2θ) / 2."""
    end = 1 + math.cos(offset / (1 + offset) * math.pi)
    return ((1 + torch.cos((t + offset) / (1 + offset) * math.pi)) / end).clamp(min=least)


def _schedule(t, offset, least):
    bar = _bar(t, offset, least)
    return bar, bar / (1 - bar)


def _angle(t, offset):
    return (t + offset) / (1 + offset) * math.pi / 2


def _with_snr(bar: Callable) -> Callable:
    """Another ᾱ, with the SNR that follows from it."""

    def wrong(t, offset, least):
        value = bar(t, offset, least)
        return value, value / (1 - value)

    return wrong


def _with_bar(snr: Callable) -> Callable:
    """The right ᾱ with another SNR."""

    def wrong(t, offset, least):
        bar = _bar(t, offset, least)
        return bar, snr(bar)

    return wrong


def _quotient(f: Callable) -> Callable:
    """ᾱ from another f(t, offset)."""
    return lambda t, offset, least: (f(t, offset) / f(torch.zeros((), dtype=t.dtype), offset)).clamp(min=least)


def _limited(most: float) -> Callable:
    """ᾱ with an upper limit."""
    return _with_snr(lambda t, offset, least: _bar(t, offset, least).clamp(max=most))


class _Schedules(Task):
    """Where an SNR is beyond 5, 2 % are near enough: in float32 a number next to 1 leaves few digits to 1 − ᾱ. No ᾱ is above 1."""

    def _same(self, x, y):
        if isinstance(x, Tensor) and isinstance(y, Tensor) and x.shape == y.shape and x.is_floating_point() and y.is_floating_point():
            x = torch.where((y.abs() > 5) & ((x - y).abs() < 0.02 * y.abs()), y.to(x), x)
        return super()._same(x, y)


COSINE = _Schedules(
    "cosine_schedule",
    _schedule,
    results=("ᾱ", "SNR"),
    cases=[
        (torch.tensor([0.2, 0.45, 0.7, 1.0]), 0.1, 0.002),
        (torch.tensor([0.3, 1.0, 0.92, 0.5]), 0.05, 0.003),
        (torch.tensor([0.08, 0.6, 0.95]), 0.1, 0.06),
        (torch.tensor([1e-3, 0.5], dtype=torch.float64), 0.008, 1e-4),
        (torch.tensor([[0.4, 0.9, 1.0], [0.75, 0.3, 0.6]]), 0.06, 0.005),
        (torch.tensor(0.65), 0.1, 0.002),
    ],
    hidden_cases=[
        (torch.tensor([0.55, 1.0, 0.25]), 0.07, 0.001),
        (torch.tensor([0.35, 0.8, 0.93, 0.6, 0.2]), 0.15, 0.004),
        (torch.tensor([0.96, 0.5, 0.09]), 0.08, 0.07),
        (torch.tensor([0.7, 1.2e-3], dtype=torch.float64), 0.007, 2e-4),
        (torch.tensor([[0.85, 0.35], [1.0, 0.5], [0.2, 0.95]]), 0.12, 0.006),
        (torch.tensor(0.45), 0.09, 0.003),
    ],
    mistakes=[
        Mistake(
            "not divided by f(0)",
            _with_snr(lambda t, offset, least: _angle(t, offset).cos().square().clamp(min=least)),
            "ᾱ is not 1 at t = 0: f(t) is not divided by f(0).",
        ),
        Mistake(
            "not squared",
            _with_snr(lambda t, offset, least: (_angle(t, offset).cos() / _angle(torch.zeros(()), offset).cos()).clamp(min=least)),
            "the cosine is not squared: this is α. ᾱ is its square.",
            forms=[_with_snr(lambda t, offset, least: _bar(t, offset, least).sqrt())],
        ),
        Mistake(
            "f(0) not squared",
            _with_snr(
                lambda t, offset, least: (_angle(t, offset).cos().square() / math.cos(offset / (1 + offset) * math.pi / 2)).clamp(min=least)
            ),
            "f(0) is a cosine without its square. f is the same function in both places.",
        ),
        Mistake(
            "a whole turn too far",
            _with_snr(
                lambda t, offset, least: ((2 * _angle(t, offset)).cos().square() / math.cos(offset / (1 + offset) * math.pi) ** 2).clamp(
                    min=least
                )
            ),
            "the angle runs to π, and ᾱ rises again in the second half. Where does the cosine reach 0 for the first time?",
        ),
        Mistake(
            "1 + offset left out",
            _with_snr(
                lambda t, offset, least: (((t + offset) * math.pi / 2).cos().square() / math.cos(offset * math.pi / 2) ** 2).clamp(
                    min=least
                )
            ),
            "t + offset is not divided by 1 + offset: at t = 1 the angle has passed π/2.",
        ),
        Mistake(
            "offset left out",
            _with_snr(lambda t, offset, least: (t * math.pi / 2).cos().square().clamp(min=least)),
            "the offset plays no part. It is there so that the first steps do not add too little noise.",
            forms=[
                _with_snr(lambda t, offset, least: ((t / (1 + offset)) * math.pi / 2).cos().square().clamp(min=least)),
            ],
        ),
        Mistake(
            "sine",
            _with_snr(lambda t, offset, least: (1 - _bar(t, offset, 0.0)).clamp(min=least)),
            "ᾱ rises from 0 to 1: this is the share of the noise. That of the data is asked for.",
            forms=[_with_snr(lambda t, offset, least: 1 - _bar(t, offset, least))],
        ),
        Mistake(
            "not held above least",
            _with_snr(lambda t, offset, least: _bar(t, offset, 0.0)),
            "at t = 1 ᾱ falls to 0, and a sampler that divides by its root gets ∞. Hold it at `least` or above.",
            forms=[
                lambda t, offset, least: (_bar(t, offset, 0.0), _schedule(t, offset, 0.0)[1].clamp(min=least)),
            ],
        ),
        Mistake(
            "SNR before the floor",
            lambda t, offset, least: (_bar(t, offset, least), _schedule(t, offset, 0.0)[1]),
            "ᾱ is right, but the SNR belongs to another ᾱ, the one before it was held above `least`.",
            forms=[
                lambda t, offset, least: (_bar(t, offset, least), _schedule(t, offset, 0.0)[1].clamp(min=least)),
                lambda t, offset, least: (_bar(t, offset, least), _bar(t, offset, least) / (1 - _bar(t, offset, 0.0))),
            ],
        ),
        Mistake(
            "held below too",
            _with_snr(lambda t, offset, least: _bar(t, offset, least).clamp(max=1 - least)),
            "ᾱ has an upper limit, or 1 − ᾱ a lower one. Only ᾱ has a limit, `least`, from below: t is above 0 here, so 1 − ᾱ is never 0.",
            forms=[
                *(_limited(most) for most in (0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)),
                *(_with_bar(lambda bar, gap=gap: bar / (1 - bar).clamp(min=gap)) for gap in (1e-4, 1e-3, 1e-2)),
                *(_with_bar(lambda bar, gap=gap: bar / (1 - bar + gap)) for gap in (1e-5, 1e-4, 1e-3)),
                lambda t, offset, least: (_bar(t, offset, least), _limited(1 - least)(t, offset, least)[1]),
                lambda t, offset, least: ((bar := _bar(t, offset, least)), bar / (1 - bar).clamp(min=least)),
            ],
        ),
        Mistake(
            "least added",
            _with_snr(lambda t, offset, least: _bar(t, offset, 0.0) + least),
            "`least` is added everywhere. Only what lies below it should change.",
            forms=[
                _with_snr(lambda t, offset, least: (_bar(t, offset, 0.0) + least).clamp(max=1)),
                _with_snr(lambda t, offset, least: least + (1 - least) * _bar(t, offset, 0.0)),
            ],
        ),
        Mistake(
            "least as the most",
            _with_snr(lambda t, offset, least: _bar(t, offset, 0.0).clamp(max=least)),
            "ᾱ is held below `least`. It should be held above: minimum and maximum are easily confused.",
        ),
        Mistake(
            "floor before dividing",
            _with_snr(
                lambda t, offset, least: (
                    _angle(t, offset).cos().square().clamp(min=least) / math.cos(offset / (1 + offset) * math.pi / 2) ** 2
                )
            ),
            "f is held above `least` before it is divided by f(0). It is ᾱ, the quotient, that should be.",
        ),
        Mistake(
            "offset fixed",
            _with_snr(lambda t, offset, least: _bar(t, 0.008, least)),
            "the offset is fixed at 0.008, as in the paper. Here it is given.",
        ),
        Mistake(
            "brackets",
            _with_snr(_quotient(lambda t, offset: (t + offset / (1 + offset) * math.pi / 2).cos().square())),
            "something has left its brackets: all of t + offset is divided by all of 1 + offset, and it is the cosine that is squared.",
            forms=[
                _with_snr(_quotient(lambda t, offset: ((t + offset / 1 + offset) * math.pi / 2).cos().square())),
                _with_snr(_quotient(lambda t, offset: ((t + offset) / 1 + offset * math.pi / 2).cos().square())),
                _with_snr(_quotient(lambda t, offset: _angle(t, offset).square().cos())),
            ],
        ),
        Mistake(
            "f of the first time",
            _with_snr(lambda t, offset, least: (_bar(t, offset, 0.0) / _bar(t.flatten()[0], offset, 0.0)).clamp(min=least)),
            "f(t) is divided by f at one of the times given, the first or the least of them. f(0) is f at t = 0.",
            forms=[_with_snr(lambda t, offset, least: (_bar(t, offset, 0.0) / _bar(t.min(), offset, 0.0)).clamp(min=least))],
        ),
        Mistake(
            "multiplied up",
            _with_snr(lambda t, offset, least: _bar(t, offset, 0.0).cumprod(0).clamp(min=least)),
            "ᾱ is multiplied up over the times. The quotient f(t)/f(0) is ᾱ already.",
            forms=[
                _with_snr(lambda t, offset, least: _bar(t, offset, 0.0).cumprod(-1).clamp(min=least)),
                *(_with_snr(lambda t, offset, least, axis=axis: _bar(t, offset, least).cumprod(axis)) for axis in (0, -1)),
            ],
        ),
        Mistake(
            "SNR without brackets",
            _with_bar(lambda bar: 0 * bar),
            "ᾱ is right, and the SNR is 0 everywhere. Python divides before it subtracts: 1 − ᾱ needs brackets.",
        ),
        Mistake(
            "SNR of amplitudes",
            _with_bar(lambda bar: (bar / (1 - bar)).sqrt()),
            "ᾱ is right, and the SNR is α/σ, a ratio of amplitudes. It is the ratio of the variances.",
        ),
        Mistake(
            "SNR squared",
            _with_bar(lambda bar: (bar / (1 - bar)).square()),
            "ᾱ is right, and the SNR is squared once too often: ᾱ is a square already.",
            forms=[_with_bar(lambda bar: bar.square() / (1 - bar.square()))],
        ),
        Mistake(
            "SNR upside down",
            _with_bar(lambda bar: (1 - bar) / bar),
            "ᾱ is right, and the SNR is upside down: the signal stands above the noise.",
        ),
        Mistake(
            "logarithm",
            _with_bar(lambda bar: (bar / (1 - bar)).log()),
            "ᾱ is right, and this is the logarithm of the SNR. The ratio itself is asked for.",
            forms=[_with_bar(lambda bar: 10 * (bar / (1 - bar)).log10()), _with_bar(lambda bar: (bar / (1 - bar)).sqrt().log())],
        ),
        Mistake(
            "root in the SNR",
            _with_bar(lambda bar: bar.sqrt() / (1 - bar)),
            "ᾱ is right, but in the SNR a root stands above or below and none on the other side. Both are variances.",
            forms=[_with_bar(lambda bar: bar / (1 - bar).sqrt()), _with_bar(lambda bar: bar.sqrt() / (1 - bar.sqrt()))],
        ),
        Mistake(
            "order",
            lambda t, offset, least: _schedule(t, offset, least)[::-1],
            "ᾱ and the SNR are exchanged.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 2 · The posterior


def _given_both(s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """x_s and x_t, given x₀, are jointly Gaussian: the slope of the mean of x_s in x_t, and the variance left, from ᾱ_s and ᾱ_t."""
    cov = torch.sqrt(t / s) * (1 - s)
    return cov / (1 - t), (1 - s) - cov.square() / (1 - t)


def _posterior(x, x_t, alpha_bar, s, t):
    bar_s, bar_t = alpha_bar[s], alpha_bar[t]
    slope, variance = _given_both(bar_s, bar_t)
    return bar_s.sqrt() * x + slope * (x_t - bar_t.sqrt() * x), variance


def _between(
    of_t: Callable = lambda s, t, r: r.sqrt() * (1 - s) / (1 - t),
    of_x: Callable = lambda s, t, r: s.sqrt() * (1 - r) / (1 - t),
    variance: Callable = lambda s, t, r: (1 - r) * (1 - s) / (1 - t),
    ratio: Callable = lambda bar, s, t: bar[t] / bar[s],
) -> Callable:
    """Other weights: functions of ᾱ_s, ᾱ_t and their ratio."""

    def wrong(x, x_t, alpha_bar, s, t):
        three = alpha_bar[s], alpha_bar[t], ratio(alpha_bar, s, t)
        return of_t(*three) * x_t + of_x(*three) * x, variance(*three)

    return wrong


def _at(move: Callable) -> Callable:
    """The right formula at other places of the table."""

    def wrong(x, x_t, alpha_bar, s, t):
        return _between()(x, x_t, alpha_bar, *move(s, t))

    return wrong


def _by_precisions(x, x_t, alpha_bar, s, t):
    """The mean as two estimates of x_s, each with its precision."""
    bar, r = alpha_bar[s], alpha_bar[t] / alpha_bar[s]
    from_x, from_t = 1 / (1 - bar), r / (1 - r)
    return (from_x * bar.sqrt() * x + from_t * x_t / r.sqrt()) / (from_x + from_t), 1 / (from_x + from_t)


_CHAIN = torch.tensor([1.0, 0.93, 0.78, 0.55, 0.3, 0.12, 0.03])
_OTHER_CHAIN = torch.tensor([1.0, 0.85, 0.8, 0.5, 0.36, 0.2, 0.09, 0.01])

POSTERIOR = Task(
    "posterior",
    _posterior,
    results=("mean", "variance"),
    cases=[
        (grid(3, 2), (2 * grid(3, 2)).cos(), _CHAIN, 3, 4),
        (grid(2, 1, 2, 2), (4 * grid(2, 1, 2, 2)).sin(), _CHAIN, 2, 5),
        (grid(4, 3).sin(), grid(4, 3), _CHAIN, 0, 1),
        (grid(2, 3), grid(2, 3).flip(0).cos(), _CHAIN, 1, 6),
    ],
    hidden_cases=[
        (grid(2, 4), (3 * grid(2, 4)).sin(), _OTHER_CHAIN, 4, 5),
        (grid(3, 1, 2, 2).cos(), grid(3, 1, 2, 2), _OTHER_CHAIN, 3, 7),
        (grid(3, 3), (2 * grid(3, 3)).sin(), _OTHER_CHAIN, 0, 4),
        (grid(2, 2), grid(2, 2).flip(0).sin(), _OTHER_CHAIN, 2, 6),
    ],
    mistakes=[
        Mistake(
            "β of a single step",
            _between(ratio=lambda bar, s, t: bar[t] / bar[t - 1]),
            "right for s = t − 1. With steps left out, the noise of the single step at t is not all that came since s.",
            forms=[
                _between(of_t=lambda s, t, r: (t / s).sqrt() * (1 - s) / (1 - t), ratio=lambda bar, s, t: bar[t] / bar[t - 1]),
                _between(ratio=lambda bar, s, t: bar[s + 1] / bar[s]),
            ],
        ),
        Mistake(
            "s taken as t − 1",
            _at(lambda s, t: (t - 1, t)),
            "right for s = t − 1: s plays no part. Some steps may be left out, so s can be any time before t.",
        ),
        Mistake(
            "off by one",
            _at(lambda s, t: (s, t - 1)),
            "off by one: the table starts at t = 0, with ᾱ = 1, so ᾱ of time t stands at place t.",
            forms=[
                _at(lambda s, t: (s - 1, t - 1)),
                _at(lambda s, t: (s - 1, t)),
                _at(lambda s, t: (s + 1, t)),
                _at(lambda s, t: (max(s - 1, 0), t - 1)),
                _at(lambda s, t: (max(s - 1, 0), t)),
            ],
        ),
        Mistake(
            "s and t exchanged",
            _at(lambda s, t: (t, s)),
            "s and t are exchanged. s is the earlier time, with less noise; the ratio of ᾱ between them is below 1.",
        ),
        Mistake(
            "weights exchanged",
            _between(lambda s, t, r: s.sqrt() * (1 - r) / (1 - t), lambda s, t, r: r.sqrt() * (1 - s) / (1 - t)),
            "the weights of x and x_t are exchanged. At s = 0 the mean must be x, whatever x_t says.",
        ),
        Mistake(
            "variance of the step",
            _between(variance=lambda s, t, r: 1 - r),
            "the mean is right, but the variance is that of the noise between s and t. Knowing x makes it smaller, and 0 at s = 0.",
        ),
        Mistake(
            "variance of x_s",
            _between(variance=lambda s, t, r: 1 - s),
            "the mean is right, but this is the variance of x_s given x alone. x_t tells about it too.",
            forms=[_between(variance=lambda s, t, r: (1 - s) / (1 - t)), _between(variance=lambda s, t, r: 1 - t)],
        ),
        Mistake(
            "standard deviation",
            _between(variance=lambda s, t, r: ((1 - r) * (1 - s) / (1 - t)).sqrt()),
            "the mean is right, but this is the standard deviation. The variance is asked for.",
        ),
        Mistake(
            "log-variance",
            _between(variance=lambda s, t, r: ((1 - r) * (1 - s) / (1 - t)).log()),
            "the mean is right, but this is the logarithm of the variance, and −∞ at s = 0. The variance is asked for.",
            forms=[
                _between(variance=lambda s, t, r, least=least: ((1 - r) * (1 - s) / (1 - t)).clamp(min=least).log())
                for least in (1e-20, 1e-12, 1e-10, 1e-8, 1e-6)
            ],
        ),
        Mistake(
            "roots left out",
            _between(lambda s, t, r: r * (1 - s) / (1 - t), lambda s, t, r: s * (1 - r) / (1 - t)),
            "the variance is right, but in the mean ᾱ stands where its root belongs.",
            forms=[
                _between(of_t=lambda s, t, r: r * (1 - s) / (1 - t)),
                _between(of_x=lambda s, t, r: s * (1 - r) / (1 - t)),
            ],
        ),
        Mistake(
            "roots of the noise",
            _between(
                lambda s, t, r: r.sqrt() * (1 - s).sqrt() / (1 - t).sqrt(), lambda s, t, r: s.sqrt() * (1 - r).sqrt() / (1 - t).sqrt()
            ),
            "the variance is right, but in the mean 1 − ᾱ stands under a root. Only the factors of the data have one.",
            forms=[
                _between(of_t=lambda s, t, r: r.sqrt() * (1 - s).sqrt() / (1 - t).sqrt()),
                _between(of_t=lambda s, t, r: (r * (1 - s)).sqrt() / (1 - t)),
                _between(of_x=lambda s, t, r: s.sqrt() * (1 - r).sqrt() / (1 - t)),
            ],
        ),
        Mistake(
            "not divided",
            _between(lambda s, t, r: r.sqrt() * (1 - s), lambda s, t, r: s.sqrt() * (1 - r), lambda s, t, r: (1 - r) * (1 - s)),
            "a division by 1 − ᾱ_t is missing: both weights have it, and the variance.",
            forms=[
                _between(lambda s, t, r: r.sqrt() * (1 - s)),
                _between(of_x=lambda s, t, r: s.sqrt() * (1 - r)),
                _between(lambda s, t, r: r.sqrt() * (1 - s), lambda s, t, r: s.sqrt() * (1 - r)),
                _between(variance=lambda s, t, r: (1 - r) * (1 - s)),
            ],
        ),
        Mistake(
            "ratio upside down",
            _between(ratio=lambda bar, s, t: bar[s] / bar[t]),
            "r is upside down: it is a share, and cannot be above 1.",
        ),
        Mistake(
            "quotient upside down",
            _between(variance=lambda s, t, r: (1 - r) * (1 - t) / (1 - s)),
            "a quotient of the two 1 − ᾱ is upside down: at s = 0 it becomes infinite.",
            forms=[
                _between(of_t=lambda s, t, r: r.sqrt() * (1 - t) / (1 - s)),
                _between(lambda s, t, r: r.sqrt() * (1 - t) / (1 - s), variance=lambda s, t, r: (1 - r) * (1 - t) / (1 - s)),
            ],
        ),
        Mistake(
            "divided by the noise at s",
            _between(lambda s, t, r: r.sqrt(), lambda s, t, r: s.sqrt() * (1 - r) / (1 - s)),
            "in the mean something is divided by 1 − ᾱ_s, which is 0 at s = 0. Both weights have 1 − ᾱ_t below.",
            forms=[
                _between(lambda s, t, r: r.sqrt() * (1 - s) / (1 - s), lambda s, t, r: s.sqrt() * (1 - r) / (1 - s)),
                _between(of_x=lambda s, t, r: s.sqrt() * (1 - r) / (1 - s)),
                _between(lambda s, t, r: r.sqrt() * (1 - t) / (1 - s), lambda s, t, r: s.sqrt() * (1 - r) / (1 - s)),
            ],
        ),
        Mistake(
            "precisions at s = 0",
            _by_precisions,
            "right, except at s = 0: there 1 − ᾱ_s is 0, and a division by it ends in NaN. The task's formula divides by 1 − ᾱ_t alone.",
            forms=[
                lambda x, x_t, alpha_bar, s, t, which=which: tuple(
                    part * float("nan") if s == 0 and bad else part for part, bad in zip(_posterior(x, x_t, alpha_bar, s, t), which)
                )
                for which in ((True, True), (False, True))
            ],
        ),
        Mistake(
            "root of the ratio",
            _between(ratio=lambda bar, s, t: (bar[t] / bar[s]).sqrt()),
            "r is taken as √(ᾱ_t/ᾱ_s). It is the ratio itself, and has a root in one place only, in the weight of x_t.",
            forms=[
                _between(
                    lambda s, t, r: r * (1 - s) / (1 - t),
                    ratio=lambda bar, s, t: (bar[t] / bar[s]).sqrt(),
                )
            ],
        ),
        Mistake(
            "product of the table",
            _between(ratio=lambda bar, s, t: bar[s + 1 : t + 1].prod()),
            "r is a product of entries of the table. Each ᾱ is such a product already, from the start on: divide two of them.",
            forms=[_between(ratio=lambda bar, s, t: bar[s:t].prod())],
        ),
        Mistake(
            "variance padded",
            _between(variance=lambda s, t, r: ((1 - r) * (1 - s) / (1 - t)).clamp(min=1e-3)),
            "the variance is kept from 0. At s = 0 it is 0, and nothing here divides by it.",
            forms=[
                _between(variance=lambda s, t, r: ((1 - r) * (1 - s) / (1 - t)).clamp(min=1e-4)),
                _between(variance=lambda s, t, r: (1 - r) * (1 - s) / (1 - t) + 1e-3),
                _between(variance=lambda s, t, r: (1 - r) * (1 - s) / (1 - t) + 1e-4),
            ],
        ),
        Mistake(
            "table changed",
            lambda x, x_t, alpha_bar, s, t: _between()(x, x_t, alpha_bar.sqrt(), s, t),
            "the right formula with another table: it holds ᾱ, and needs no root, square or product first.",
            forms=[
                lambda x, x_t, alpha_bar, s, t: _between()(x, x_t, alpha_bar.square(), s, t),
                lambda x, x_t, alpha_bar, s, t: _between()(x, x_t, alpha_bar.cumprod(0), s, t),
            ],
        ),
        Mistake(
            "ratio forgotten",
            _between(ratio=lambda bar, s, t: bar[t]),
            "the whole way from 0 to t counts as the step. Divide out what happened before s.",
            forms=[_between(ratio=lambda bar, s, t: bar[s]), _between(ratio=lambda bar, s, t: bar[t] * bar[s])],
        ),
        Mistake(
            "difference for ratio",
            _between(ratio=lambda bar, s, t: 1 - (bar[s] - bar[t])),
            "the noise of the step is taken as a difference of two ᾱ. Factors multiply along the chain, so it needs their ratio.",
        ),
        Mistake(
            "ᾱ for the earlier data",
            _between(of_x=lambda s, t, r: t.sqrt() * (1 - r) / (1 - t)),
            "the variance is right, but the weight of x has the wrong ᾱ under its root. What is wanted is x_s: which share of it is data?",
            forms=[
                _between(of_x=lambda s, t, r: r.sqrt() * (1 - r) / (1 - t)),
            ],
        ),
        Mistake(
            "noise kept",
            lambda x, x_t, alpha_bar, s, t: (
                alpha_bar[s].sqrt() * x + ((1 - alpha_bar[s]) / (1 - alpha_bar[t])).sqrt() * (x_t - alpha_bar[t].sqrt() * x),
                _posterior(x, x_t, alpha_bar, s, t)[1],
            ),
            "this mean keeps all of the noise in x_t, as DDIM without new noise does. With this variance on top there would be too much.",
        ),
        Mistake(
            "x_t left out",
            _between(of_t=lambda s, t, r: 0 * s, of_x=lambda s, t, r: s.sqrt()),
            "the mean is √ᾱ_s x: x_t plays no part. It tells where on its way the chain is.",
        ),
        Mistake(
            "order",
            lambda x, x_t, alpha_bar, s, t: _posterior(x, x_t, alpha_bar, s, t)[::-1],
            "mean and variance are exchanged.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 3a · Estimates of the data and the noise


def _clean(x_t, noise, alpha_bar):
    return (x_t - math.sqrt(1 - alpha_bar) * noise) / math.sqrt(alpha_bar)


def _left(x, x_t, alpha_bar):
    """The noise that makes x_t out of x."""
    return (x_t - math.sqrt(alpha_bar) * x) / math.sqrt(1 - alpha_bar)


def _estimates(x_t, noise, alpha_bar):
    x = torch.minimum(torch.maximum(_clean(x_t, noise, alpha_bar), torch.tensor(-1.0)), torch.tensor(1.0))
    return x, _left(x, x_t, alpha_bar)


def _from_data(estimate: Callable, cut: Callable = lambda x: x.clamp(-1, 1)) -> Callable:
    """Another estimate of x₀ or another way to cut it; the noise follows."""

    def wrong(x_t, noise, alpha_bar):
        x = cut(estimate(x_t, noise, alpha_bar))
        return x, _left(x, x_t, alpha_bar)

    return wrong


def _noise_from(rest: Callable) -> Callable:
    """The right x₀, and another noise: a function of (x, x_t, noise, ᾱ)."""

    def wrong(x_t, noise, alpha_bar):
        x = _estimates(x_t, noise, alpha_bar)[0]
        return x, rest(x, x_t, noise, alpha_bar)

    return wrong


ESTIMATES = Task(
    "estimates",
    _estimates,
    results=("x", "noise"),
    cases=[
        (grid(4, 3), 1.8 * (3 * grid(4, 3)).cos(), 0.4),
        (grid(2, 1, 3, 3), 2.2 * (7 * grid(2, 1, 3, 3)).sin(), 0.85),
        (grid(5, 2), -grid(5, 2), 0.1),
    ],
    hidden_cases=[(grid(3, 3).flip(0), 1.9 * (5 * grid(3, 3)).sin(), 0.3), (grid(2, 2, 2, 3), 2.5 * (4 * grid(2, 2, 2, 3)).cos(), 0.7)],
    mistakes=[
        Mistake(
            "noise as it came",
            _noise_from(lambda x, x_t, noise, a: noise),
            "x is right, but the noise is the network's. Where x was clipped the two no longer make x_t.",
        ),
        Mistake(
            "not clipped",
            lambda x_t, noise, alpha_bar: (_clean(x_t, noise, alpha_bar), noise),
            "x leaves [−1, 1]. No pixel does, and the error would grow from step to step: clip it.",
            forms=[lambda x_t, noise, alpha_bar: (_clean(x_t, noise, alpha_bar), noise.clamp(-1, 1))],
        ),
        Mistake(
            "clipped at 0",
            _from_data(_clean, lambda x: x.clamp(0, 1)),
            "x is clipped to [0, 1]. The data lie in [−1, 1].",
            forms=[
                _from_data(_clean, lambda x: x.clamp(max=1)),
                _from_data(_clean, lambda x: x.clamp(min=-1)),
                lambda x_t, noise, alpha_bar: (_clean(x_t, noise, alpha_bar).clamp(0, 1), noise),
            ],
        ),
        Mistake(
            "squashed",
            _from_data(_clean, torch.tanh),
            "x is squashed, so that values inside [−1, 1] change too. They should stay as they are.",
            forms=[
                _from_data(_clean, torch.sigmoid),
                _from_data(_clean, lambda x: 2 * (x - x.min()) / (x.max() - x.min()) - 1),
                _from_data(_clean, lambda x: x / x.abs().max()),
                _from_data(_clean, lambda x: x / x.abs().max().clamp(min=1)),
            ],
        ),
        Mistake(
            "clipped before dividing",
            _from_data(lambda x_t, noise, a: (x_t - math.sqrt(1 - a) * noise).clamp(-1, 1) / math.sqrt(a), lambda x: x),
            "√ᾱ x is clipped, before the division. It is x that must stay in [−1, 1].",
            forms=[
                lambda x_t, noise, alpha_bar: (
                    (x_t - math.sqrt(1 - alpha_bar) * noise).clamp(-1, 1) / math.sqrt(alpha_bar),
                    noise,
                )
            ],
        ),
        Mistake(
            "ᾱ for α",
            _from_data(lambda x_t, noise, a: (x_t - math.sqrt(1 - a) * noise) / a),
            "a factor is off: x_t holds √ᾱ of x and √(1 − ᾱ) of the noise. A root is missing, or stands over the wrong thing.",
            forms=[
                _from_data(lambda x_t, noise, a: (x_t - (1 - a) * noise) / math.sqrt(a)),
                _from_data(lambda x_t, noise, a: (x_t - (1 - a) * noise) / a),
                _from_data(lambda x_t, noise, a: (x_t - (1 - math.sqrt(a)) * noise) / math.sqrt(a)),
                lambda x_t, noise, alpha_bar: (
                    (x := ((x_t - (1 - math.sqrt(alpha_bar)) * noise) / math.sqrt(alpha_bar)).clamp(-1, 1)),
                    (x_t - math.sqrt(alpha_bar) * x) / (1 - math.sqrt(alpha_bar)),
                ),
                lambda x_t, noise, alpha_bar: (
                    (x := ((x_t - (1 - alpha_bar) * noise) / alpha_bar).clamp(-1, 1)),
                    (x_t - alpha_bar * x) / (1 - alpha_bar),
                ),
                lambda x_t, noise, alpha_bar: (
                    (x := ((x_t - (1 - alpha_bar) * noise) / math.sqrt(alpha_bar)).clamp(-1, 1)),
                    (x_t - math.sqrt(alpha_bar) * x) / (1 - alpha_bar),
                ),
            ],
        ),
        Mistake(
            "x_t clipped",
            _from_data(lambda x_t, noise, a: _clean(x_t.clamp(-1, 1), noise, a)),
            "x_t is clipped. It holds noise, and may lie anywhere; only x must stay in [−1, 1].",
            forms=[_from_data(lambda x_t, noise, a: _clean(x_t.clamp(-1, 1), noise.clamp(-1, 1), a))],
        ),
        Mistake(
            "noise added",
            _from_data(lambda x_t, noise, a: (x_t + math.sqrt(1 - a) * noise) / math.sqrt(a)),
            "the noise is added once more. To get back to the data it must be taken away.",
        ),
        Mistake(
            "half divided",
            _from_data(lambda x_t, noise, a: x_t - math.sqrt(1 - a) * noise / math.sqrt(a)),
            "only one of two parts is divided. All of the difference stands above the line: it needs brackets.",
            forms=[
                _from_data(lambda x_t, noise, a: x_t / math.sqrt(a) - math.sqrt(1 - a) * noise),
                _noise_from(lambda x, x_t, noise, a: x_t - math.sqrt(a) * x / math.sqrt(1 - a)),
            ],
        ),
        Mistake(
            "not scaled up",
            _from_data(lambda x_t, noise, a: x_t - math.sqrt(1 - a) * noise),
            "the noise is taken away, but the data in x_t are weaker than x: what were they multiplied by?",
            forms=[_from_data(lambda x_t, noise, a: (x_t - math.sqrt(1 - a) * noise) * math.sqrt(a))],
        ),
        Mistake(
            "all noise taken away",
            _from_data(lambda x_t, noise, a: (x_t - noise) / math.sqrt(a)),
            "the noise is taken away in full. In x_t it is scaled.",
            forms=[_from_data(lambda x_t, noise, a: x_t - noise)],
        ),
        Mistake(
            "data and noise exchanged",
            _from_data(lambda x_t, noise, a: (x_t - math.sqrt(a) * noise) / math.sqrt(1 - a)),
            "the factors of x and of the noise are exchanged.",
        ),
        Mistake(
            "noise not divided",
            _noise_from(lambda x, x_t, noise, a: x_t - math.sqrt(a) * x),
            "x is right, and this is what is left of x_t. It is the noise times its factor, not the noise.",
            forms=[
                _noise_from(lambda x, x_t, noise, a: (x_t - math.sqrt(a) * x) / (1 - a)),
                _noise_from(lambda x, x_t, noise, a: (x_t - math.sqrt(a) * x) / math.sqrt(a)),
            ],
        ),
        Mistake(
            "noise from all of x",
            _noise_from(lambda x, x_t, noise, a: (x_t - x) / math.sqrt(1 - a)),
            "x is right, but in the noise x is taken away in full, or with ᾱ. In x_t it has the factor √ᾱ.",
            forms=[
                _noise_from(lambda x, x_t, noise, a: x_t - x),
                _noise_from(lambda x, x_t, noise, a: (x_t - a * x) / math.sqrt(1 - a)),
                _noise_from(lambda x, x_t, noise, a: (x_t - a * x) / (1 - a)),
            ],
        ),
        Mistake(
            "mixed again",
            _noise_from(lambda x, x_t, noise, a: math.sqrt(a) * x + math.sqrt(1 - a) * noise),
            "x is right, but then it is mixed with the noise again. Which noise makes x_t together with x? Solve for it.",
        ),
        Mistake(
            "noise negative",
            _noise_from(lambda x, x_t, noise, a: -_left(x, x_t, a)),
            "x is right, but the noise has the wrong sign.",
        ),
        Mistake(
            "noise clipped",
            _noise_from(lambda x, x_t, noise, a: noise.clamp(-1, 1)),
            "x is right, but the noise is clipped. Noise may be as large as it likes; it should fit x and x_t.",
            forms=[
                _noise_from(lambda x, x_t, noise, a: _left(x, x_t, a).clamp(-1, 1)),
                lambda x_t, noise, alpha_bar: (_clean(x_t, noise.clamp(-1, 1), alpha_bar).clamp(-1, 1), noise.clamp(-1, 1)),
            ],
        ),
        Mistake(
            "order",
            lambda x_t, noise, alpha_bar: _estimates(x_t, noise, alpha_bar)[::-1],
            "x and the noise are exchanged.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 3b · One step of DDIM


def _ddim_step(x, noise, alpha_bar, times, i, eta, fresh):
    t, s = alpha_bar[times[i]], alpha_bar[times[i + 1]]
    variance = eta**2 * _given_both(s, t)[1]
    return s.sqrt() * x + (1 - s - variance).clamp(min=0).sqrt() * noise + variance.sqrt() * fresh


def _step(
    next_: Callable = lambda times, i, bar: times[i + 1],
    data: Callable = lambda s, t: s.sqrt(),
    variance: Callable = lambda s, t, eta: eta**2 * (1 - s) / (1 - t) * (1 - t / s),
    kept: Callable = lambda s, t, v: (1 - s - v).sqrt(),
    added: Callable = lambda v: v.sqrt(),
) -> Callable:
    """Another part of the step; s and t are ᾱ at the two times."""

    def wrong(x, noise, alpha_bar, times, i, eta, fresh):
        s, t = alpha_bar[next_(times, i, alpha_bar)], alpha_bar[times[i]]
        v = variance(s, t, eta)
        return data(s, t) * x + kept(s, t, v) * noise + added(v) * fresh

    return wrong


def _single(x, noise, alpha_bar, times, i, eta, fresh):
    """β of the single step at t."""
    s, t, before = alpha_bar[times[i + 1]], alpha_bar[times[i]], alpha_bar[times[i] - 1]
    v = eta**2 * (1 - s) / (1 - t) * (1 - t / before)
    return s.sqrt() * x + (1 - s - v).sqrt() * noise + v.sqrt() * fresh


def _above_zero(s, t, v):
    return (1 - s - v).clamp(min=0).sqrt()


_PACES: tuple[Callable, ...] = (
    lambda times, i, bar: times[i] - 1,
    lambda times, i, bar: times[i] - (times[0] - times[1]),
    lambda times, i, bar: times[i] - times[0] // (len(times) - 1),
    lambda times, i, bar: times[i] - (times[i - 1] - times[i]),
    lambda times, i, bar: times[i] - (len(bar) - 1) // (len(times) - 1),
    lambda times, i, bar: times[i] - len(bar) // (len(times) - 1),
    lambda times, i, bar: times[i] - len(bar) // len(times),
)

DDIM = _WithTimes(
    "ddim_step",
    _ddim_step,
    cases=[
        (grid(3, 2).sin(), (3 * grid(3, 2)).cos(), _CHAIN, [6, 5, 3, 1, 0], 1, 0.0, grid(3, 2)),
        (grid(2, 1, 2, 2), (4 * grid(2, 1, 2, 2)).sin(), _CHAIN, [6, 4, 3, 0], 1, 1.0, (9 * grid(2, 1, 2, 2)).cos()),
        (grid(2, 2), grid(2, 2).cos(), _CHAIN, [5, 4, 2, 0], 1, 0.4, grid(2, 2).flip(0)),
        (grid(3, 3), grid(3, 3).flip(0), _CHAIN, [6, 5, 2, 0], 2, 1.0, grid(3, 3).sin()),
    ],
    hidden_cases=[
        (grid(2, 3), (2 * grid(2, 3)).sin(), _OTHER_CHAIN, [7, 6, 3, 0], 1, 0.0, grid(2, 3).cos()),
        (grid(4, 2), (5 * grid(4, 2)).sin(), _OTHER_CHAIN, [7, 5, 4, 1, 0], 1, 1.0, (3 * grid(4, 2)).cos()),
        (grid(3, 1, 2, 2).cos(), grid(3, 1, 2, 2), _OTHER_CHAIN, [6, 5, 2, 0], 1, 0.4, (8 * grid(3, 1, 2, 2)).sin()),
        (grid(2, 2), grid(2, 2).flip(0), _OTHER_CHAIN, [7, 4, 3, 0], 2, 0.7, grid(2, 2).sin()),
    ],
    mistakes=[
        Mistake(
            "constant stride",
            _step(_PACES[1]),
            "the next time is found by a constant stride. The times need not be evenly spaced: it is the next entry of the list.",
            forms=[
                *(_step(pace) for pace in (_PACES[0], *_PACES[2:])),
                *(_step(lambda times, i, bar, pace=pace: max(pace(times, i, bar), 0)) for pace in _PACES),
                *(_step(pace, kept=_above_zero) for pace in _PACES),
            ],
        ),
        Mistake(
            "all the way",
            _step(lambda times, i, bar: times[-1]),
            "the step goes all the way to time 0. It should end at the next entry of the list.",
        ),
        Mistake(
            "i is no time",
            _step(lambda times, i, bar: i + 1),
            "i is taken as a time. It says where in the list of times the step begins.",
            forms=[
                lambda x, noise, alpha_bar, times, i, eta, fresh: _step()(x, noise, alpha_bar, range(len(alpha_bar)), i, eta, fresh),
                lambda x, noise, alpha_bar, times, i, eta, fresh: _step()(x, noise, alpha_bar, range(len(alpha_bar))[::-1], i, eta, fresh),
                lambda x, noise, alpha_bar, times, i, eta, fresh: _step()(x, noise, alpha_bar, {i: i + 1, i + 1: i}, i, eta, fresh),
            ],
        ),
        Mistake(
            "backwards",
            lambda x, noise, alpha_bar, times, i, eta, fresh: _step()(
                x, noise, alpha_bar, {i: times[i + 1], i + 1: times[i]}, i, eta, fresh
            ),
            "s and t are exchanged: the list falls, so the step goes from times[i] to times[i + 1].",
            forms=[lambda x, noise, alpha_bar, times, i, eta, fresh: _step()(x, noise, alpha_bar, times, i - 1, eta, fresh)],
        ),
        Mistake(
            "stays at t",
            _step(data=lambda s, t: t.sqrt(), kept=lambda s, t, v: (1 - t - v).sqrt()),
            "x and the noise are put together with ᾱ of time t, where the step begins. It should end at s.",
            forms=[_step(data=lambda s, t: t.sqrt()), _step(kept=lambda s, t, v: (1 - t - v).sqrt())],
        ),
        Mistake(
            "β of a single step",
            _single,
            "right for neighbouring times. Where the list leaves times out, more noise is added than r of two neighbouring times says.",
        ),
        Mistake(
            "η not squared",
            _step(variance=lambda s, t, eta: eta * (1 - s) / (1 - t) * (1 - t / s)),
            "right for η = 0 and η = 1. In between, η scales the standard deviation, not the variance.",
        ),
        Mistake(
            "variance for standard deviation",
            _step(added=lambda v: v),
            "the fresh noise is multiplied by a variance. Its factor is a standard deviation.",
            forms=[
                _step(kept=lambda s, t, v: (1 - s - v.square()).sqrt(), added=lambda v: v),
            ],
        ),
        Mistake(
            "standard deviation taken off",
            _step(kept=lambda s, t, v: (1 - s - v.sqrt()).sqrt()),
            "under the root of the old noise a standard deviation is taken off. Variances add up, so it needs the variance.",
            forms=[
                _step(kept=lambda s, t, v: (1 - s).sqrt() - v.sqrt()),
                _step(kept=lambda s, t, v: (1 - s - v.sqrt()).clamp(min=0).sqrt()),
            ],
        ),
        Mistake(
            "old noise not reduced",
            _step(kept=lambda s, t, v: (1 - s).sqrt()),
            "right for η = 0. With fresh noise there is too much in all: what comes new must be taken off the old.",
            forms=[_step(kept=lambda s, t, v: (1 - s + v).sqrt())],
        ),
        Mistake(
            "root of the noise missing",
            _step(kept=lambda s, t, v: 1 - s - v),
            "the factor of the old noise lacks its root: this is a variance.",
            forms=[_step(kept=lambda s, t, v: 1 - s - v, added=lambda v: v)],
        ),
        Mistake(
            "ᾱ for α",
            _step(data=lambda s, t: s),
            "the factor of x is ᾱ. An amplitude is its root.",
            forms=[
                _step(data=lambda s, t: s, kept=lambda s, t, v: 1 - s - v),
                _step(data=lambda s, t: s, kept=lambda s, t, v: 1 - s - v, added=lambda v: v),
            ],
        ),
        Mistake(
            "variance of the step",
            _step(variance=lambda s, t, eta: eta**2 * (1 - t / s)),
            "v is the variance of all the noise between s and t. The factor (1 − ᾱ_s)/(1 − ᾱ_t) is missing: at s = 0 v must be 0.",
            forms=[
                _step(variance=lambda s, t, eta: eta**2 * (1 - t / s), kept=_above_zero),
                _step(variance=lambda s, t, eta: eta**2 * (1 - t / s), kept=lambda s, t, v: (1 - s - v).abs().sqrt()),
            ],
        ),
        Mistake(
            "variance upside down",
            _step(variance=lambda s, t, eta: eta**2 * (1 - t) / (1 - s) * (1 - t / s)),
            "right for η = 0. A quotient in the variance is upside down: look at task 2.",
            forms=[
                _step(variance=lambda s, t, eta: eta**2 * (1 - t) / (1 - s) * (1 - t / s), kept=_above_zero),
                _step(variance=lambda s, t, eta: eta**2 * (1 - s) / (1 - t) * (1 - s / t)),
                _step(variance=lambda s, t, eta: eta**2 * (1 - s) / (1 - t) * (1 - s / t), kept=_above_zero),
            ],
        ),
        Mistake(
            "factor of the variance missing",
            _step(variance=lambda s, t, eta: eta**2 * (1 - t / s) * (1 - s)),
            "right for η = 0. In the variance something is missing: compare it with that of task 2.",
            forms=[
                _step(variance=lambda s, t, eta: eta**2 * (1 - t / s) / (1 - t)),
                _step(variance=lambda s, t, eta: eta**2 * (1 - t / s) / (1 - t), kept=_above_zero),
                _step(variance=lambda s, t, eta: eta**2 * (1 - s) / (1 - t)),
                _step(variance=lambda s, t, eta: eta**2 * (1 - s) / (1 - t), kept=_above_zero),
                _step(variance=lambda s, t, eta: eta**2 * (1 - s), kept=_above_zero),
                _step(variance=lambda s, t, eta: eta**2 * (1 - s)),
                _step(variance=lambda s, t, eta: eta**2 * (1 - s) / (1 - t) * (s - t)),
            ],
        ),
        Mistake(
            "another ratio",
            _step(variance=lambda s, t, eta: eta**2 * (1 - s) / (1 - t) * (1 - (t / s).sqrt())),
            "right for η = 0. In the variance r is not ᾱ_t/ᾱ_s: it has no root, and both times are in it.",
            forms=[_step(variance=lambda s, t, eta: eta**2 * (1 - s) / (1 - t) * (1 - t))],
        ),
        Mistake(
            "v rooted too early",
            _step(variance=lambda s, t, eta: eta * ((1 - s) / (1 - t) * (1 - t / s)).sqrt(), kept=_above_zero),
            "right for η = 0. v is a standard deviation here, and then its root is taken again.",
            forms=[
                _step(variance=lambda s, t, eta: eta * ((1 - s) / (1 - t) * (1 - t / s)).sqrt()),
                _step(variance=lambda s, t, eta: eta**2 * ((1 - s) / (1 - t) * (1 - t / s)).sqrt()),
                _step(variance=lambda s, t, eta: eta**2 * ((1 - s) / (1 - t) * (1 - t / s)).sqrt(), kept=_above_zero),
            ],
        ),
        Mistake(
            "no fresh noise",
            _step(added=lambda v: 0 * v),
            "right for η = 0. The old noise is reduced, but `fresh` never comes in.",
        ),
        Mistake(
            "η twice",
            lambda x, noise, alpha_bar, times, i, eta, fresh: _step(added=lambda v: eta * v.sqrt())(
                x, noise, alpha_bar, times, i, eta, fresh
            ),
            "right for η = 0 and η = 1. The fresh noise is multiplied by η once more: it is in v already.",
        ),
        Mistake(
            "x not scaled",
            _step(data=lambda s, t: 1.0),
            "x is added as it is. At time s a part of it has faded: by which factor?",
        ),
        Mistake(
            "x scaled like x_t",
            _step(data=lambda s, t: (s / t).sqrt()),
            "x is scaled by √(ᾱ_s/ᾱ_t). That would suit x_t; x is an estimate of the data.",
        ),
        Mistake(
            "always deterministic",
            _step(variance=lambda s, t, eta: 0 * s),
            "η plays no part: this is the step for η = 0.",
        ),
        Mistake(
            "always η = 1",
            _step(variance=lambda s, t, eta: (1 - s) / (1 - t) * (1 - t / s)),
            "η plays no part: this is the step for η = 1.",
        ),
        Mistake(
            "posterior of task 2",
            lambda x, noise, alpha_bar, times, i, eta, fresh: _step(
                kept=lambda s, t, v: (1 - s - _given_both(s, t)[1]).clamp(min=0).sqrt(),
            )(x, noise, alpha_bar, times, i, eta, fresh),
            "right for η = 1. Of the old noise as much is taken off as for η = 1: with less that is new, more of the old stays.",
        ),
        Mistake(
            "fresh noise scaled by η alone",
            _step(added=lambda v: 1.0),
            "the fresh noise is not scaled to the step, so there is still noise at s = 0.",
            forms=[
                lambda x, noise, alpha_bar, times, i, eta, fresh: _step(added=lambda v: eta)(x, noise, alpha_bar, times, i, eta, fresh),
                lambda x, noise, alpha_bar, times, i, eta, fresh: _step(kept=lambda s, t, v: (1 - s).sqrt(), added=lambda v: eta)(
                    x, noise, alpha_bar, times, i, eta, fresh
                ),
            ],
        ),
        Mistake(
            "x and noise exchanged",
            lambda x, noise, alpha_bar, times, i, eta, fresh: _ddim_step(noise, x, alpha_bar, times, i, eta, fresh),
            "x and the noise are exchanged: near s = 0 x should be all that is left.",
        ),
        Mistake(
            "noises exchanged",
            lambda x, noise, alpha_bar, times, i, eta, fresh: _ddim_step(x, fresh, alpha_bar, times, i, eta, noise),
            "the estimated noise and the fresh one are exchanged. With η = 0 no fresh noise may come in.",
        ),
        Mistake(
            "sign",
            _step(kept=lambda s, t, v: -(1 - s - v).sqrt()),
            "the noise points the other way. A part of it belongs to x_s, and that part is added.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 4 · The loss


def _loss(network, x, alpha_bar, rand, randn):
    t, noise = rand(len(x)), randn(x.shape).to(x)
    share = _like(alpha_bar(t), x)
    return (network(share.sqrt() * x + (1 - share).sqrt() * noise, t) - noise).square().sum() / x.numel()


def _trained(
    time: Callable = lambda rand, x: rand(len(x)),
    noise: Callable = lambda rand, randn, x: randn(x.shape),
    mix: Callable = lambda x, a, noise: a.sqrt() * x + (1 - a).sqrt() * noise,
    target: Callable = lambda x, x_t, noise: noise,
    told: Callable = lambda t, alpha_bar: t,
    reduce: Callable = lambda error: error.square().mean(),
) -> Callable:
    """Another part of the loss."""

    def wrong(network, x, alpha_bar, rand, randn):
        t, eps = time(rand, x), noise(rand, randn, x).to(x)
        x_t = mix(x, _like(alpha_bar(t), x), eps).expand(x.shape)
        return reduce(network(x_t, told(t, alpha_bar)) - target(x, x_t, eps))

    return wrong


def _drawn_twice(network, x, alpha_bar, rand, randn):
    t, first, second = rand(len(x)), randn(x.shape).to(x), randn(x.shape).to(x)
    return (network(_noised(x, alpha_bar(t), first), t) - second).square().mean()


def _times_drawn_twice(network, x, alpha_bar, rand, randn):
    first, second, noise = rand(len(x)), rand(len(x)), randn(x.shape).to(x)
    return (network(_noised(x, alpha_bar(first), noise), second) - noise).square().mean()


def _weighted(network, x, alpha_bar, rand, randn, weight):
    t, noise = rand(len(x)), randn(x.shape).to(x)
    share = alpha_bar(t)
    return (_like(weight(share), x) * (network(_noised(x, share, noise), t) - noise).square()).mean()


def _one_by_one(network, x, alpha_bar, rand, randn):
    """Draws in a loop over the examples."""
    total = 0.0
    for one in x:
        t, noise = rand(1), randn(one.shape).to(x)
        total = total + (network(_noised(one[None], alpha_bar(t), noise[None]), t)[0] - noise).square().mean()
    return total / len(x)


def _along_rows(network, x, alpha_bar, rand, randn):
    """ᾱ with one further axis, however many x has."""
    t, noise = rand(len(x)), randn(x.shape).to(x)
    share = alpha_bar(t).to(x)[:, None]
    return (network(share.sqrt() * x + (1 - share).sqrt() * noise, t) - noise).square().mean()


def _scaled_noise(network, x, alpha_bar, rand, randn, of_said, of_noise):
    """Both sides of the error with factors, functions of ᾱ."""
    t, noise = rand(len(x)), randn(x.shape).to(x)
    share = alpha_bar(t)
    said, a = network(_noised(x, share, noise), t), _like(share, x)
    return (of_said(a) * said - of_noise(a) * noise).square().mean()


def _asked_for_v(network, x, alpha_bar, rand, randn):
    t, noise = rand(len(x)), randn(x.shape).to(x)
    share = alpha_bar(t)
    a = _like(share, x)
    return (network(_noised(x, share, noise), t) - a.sqrt() * noise + (1 - a).sqrt() * x).square().mean()


def _mixed_by_t(network, x, alpha_bar, rand, randn):
    """Flow matching's line."""
    t, noise = rand(len(x)), randn(x.shape).to(x)
    return (network(x + _like(t, x) * (noise - x), t) - noise).square().mean()


_COSINE_BAR = _function("alpha_bar", "torch.cos(1.5 * t) ** 2")
_LINEAR_BAR = _function("alpha_bar", "torch.exp(-0.1 * t - 4 * t**2)")

LOSS = Task(
    "loss",
    _loss,
    cases=[
        (Network(2, 0.3), grid(5, 2), _COSINE_BAR, Draws(0.37), Draws(0.71, True)),
        (Network(9, 1.1), grid(3, 1, 3, 3), _LINEAR_BAR, Draws(0.13), Draws(0.29, True)),
        (Network(3, 0.7), grid(4, 3).cos(), _LINEAR_BAR, Draws(0.55), Draws(0.47, True)),
    ],
    hidden_cases=[
        (Network(3, -0.4), grid(6, 3).sin(), _LINEAR_BAR, Draws(0.23), Draws(0.61, True)),
        (Network(8, 0.9), grid(4, 1, 4, 2), _COSINE_BAR, Draws(0.81), Draws(0.17, True)),
    ],
    gradient=("network",),
    mistakes=[
        Mistake(
            "one t for the batch",
            _trained(time=lambda rand, x: rand(1).expand(len(x))),
            "the whole batch gets one t. Draw one for each example: the loss varies far less from batch to batch.",
            forms=[
                _trained(time=lambda rand, x: rand(len(x))[0].expand(len(x))),
            ],
        ),
        Mistake(
            "ᾱ of the first example",
            lambda network, x, alpha_bar, rand, randn: _trained()(network, x, lambda t: alpha_bar(t)[0].expand(len(t)), rand, randn),
            "all examples get the ᾱ of one of them. Here `alpha_bar(t)` is no pair, but one ᾱ for each example: is there a `[0]` too many?",
            forms=[
                lambda network, x, alpha_bar, rand, randn: _trained()(network, x, lambda t: alpha_bar(t)[-1].expand(len(t)), rand, randn)
            ],
        ),
        Mistake(
            "one noise for the batch",
            _trained(noise=lambda rand, randn, x: randn(x.shape[1:]).expand(x.shape)),
            "all examples get the same noise. Each needs its own, fresh for every pixel.",
            forms=[
                _trained(noise=lambda rand, randn, x: randn(1).expand(x.shape)),
                _trained(noise=lambda rand, randn, x: _like(randn(len(x)), x).expand(x.shape)),
            ],
        ),
        Mistake(
            "noise drawn twice",
            _drawn_twice,
            "the noise is drawn twice: the network is asked for noise that is not in its input.",
        ),
        Mistake(
            "t drawn twice",
            _times_drawn_twice,
            "t is drawn twice: the network is told another t than the one that x was noised with.",
        ),
        Mistake(
            "draws changed",
            _trained(time=lambda rand, x: 1 - rand(len(x))),
            "the draws are changed, or made one by one. Take them as they come, once for the whole batch: the check compares numbers.",
            forms=[
                _trained(time=lambda rand, x: rand(len(x)).sort().values),
                _trained(time=lambda rand, x: 0.001 + 0.999 * rand(len(x))),
                _trained(noise=lambda rand, randn, x: -randn(x.shape)),
                _one_by_one,
            ],
        ),
        Mistake(
            "uniform noise",
            _trained(noise=lambda rand, randn, x: Draws(randn.phase)(x.shape)),
            "the noise is uniform in (0, 1). It should be normal.",
            forms=[
                _trained(noise=lambda rand, randn, x: Draws(rand.phase, False)(x.shape)),
                lambda network, x, alpha_bar, rand, randn: _uniform_second(network, x, alpha_bar, rand),
            ],
        ),
        Mistake(
            "normal times",
            lambda network, x, alpha_bar, rand, randn: _trained(
                time=lambda _, x: Draws(randn.phase, True)(len(x)), noise=lambda rand, _, x: Draws(randn.phase, True)(x.shape)
            )(network, x, alpha_bar, rand, randn),
            "the times are normal, and leave [0, 1]. They should be uniform.",
            forms=[lambda network, x, alpha_bar, rand, randn: _normal_times(network, x, alpha_bar, randn)],
        ),
        Mistake(
            "clean input",
            _trained(mix=lambda x, a, noise: x),
            "the network sees x without noise. How could it know what the noise was?",
        ),
        Mistake(
            "predicts the data",
            _trained(target=lambda x, x_t, noise: x),
            "the network is asked for x. Here it predicts the noise.",
            forms=[_trained(target=lambda x, x_t, noise: x_t)],
        ),
        Mistake(
            "predicts the velocity",
            _trained(target=lambda x, x_t, noise: noise - x),
            "the network is asked for a difference of noise and data. Other models learn such; here it predicts the noise alone.",
            forms=[_asked_for_v, _trained(target=lambda x, x_t, noise: x - noise), _trained(target=lambda x, x_t, noise: x_t - noise)],
        ),
        Mistake(
            "ᾱ for α",
            _trained(mix=lambda x, a, noise: a * x + (1 - a) * noise),
            "x is noised with ᾱ where its root belongs. You solved that in task 1.",
            forms=[
                _trained(mix=lambda x, a, noise: a * x + (1 - a).sqrt() * noise),
                _trained(mix=lambda x, a, noise: a.sqrt() * x + (1 - a) * noise),
            ],
        ),
        Mistake(
            "t for ᾱ",
            lambda network, x, alpha_bar, rand, randn: _trained()(network, x, lambda t: t, rand, randn),
            "t itself is taken for ᾱ, or 1 − t. The function alpha_bar gives it.",
            forms=[
                lambda network, x, alpha_bar, rand, randn: _trained()(network, x, lambda t: 1 - t, rand, randn),
                lambda network, x, alpha_bar, rand, randn: _trained()(network, x, lambda t: (1 - t).square(), rand, randn),
                _mixed_by_t,
            ],
        ),
        Mistake(
            "network told ᾱ",
            _trained(told=lambda t, alpha_bar: alpha_bar(t)),
            "the network is told ᾱ, or something else made of t. In sampling it will be told t itself.",
            forms=[
                _trained(told=lambda t, alpha_bar: 1 - t),
                _trained(told=lambda t, alpha_bar: 1000 * t),
                _trained(told=lambda t, alpha_bar: alpha_bar(t).sqrt()),
            ],
        ),
        Mistake(
            "data and noise exchanged",
            _trained(mix=lambda x, a, noise: (1 - a).sqrt() * x + a.sqrt() * noise),
            "x_t is mixed the wrong way round: at small t it should be nearly all data.",
        ),
        Mistake(
            "one factor missing",
            _trained(mix=lambda x, a, noise: x + (1 - a).sqrt() * noise),
            "x_t lacks a factor or a part. As in task 1, the data fade and the noise grows.",
            forms=[
                _trained(mix=lambda x, a, noise: a.sqrt() * x + noise),
                _trained(mix=lambda x, a, noise: x + noise),
                _trained(mix=lambda x, a, noise: a.sqrt() * x),
                _trained(mix=lambda x, a, noise: noise),
            ],
        ),
        Mistake(
            "along the wrong axis",
            _along_rows,
            "right for points, but in images ᾱ runs along the rows of pixels. As in task 1, let the number of added axes follow x.",
        ),
        Mistake(
            "noise with its factor",
            lambda network, x, alpha_bar, rand, randn: _scaled_noise(
                network, x, alpha_bar, rand, randn, torch.ones_like, lambda a: (1 - a).sqrt()
            ),
            "one side of the difference has a factor. The network says ε itself, of variance 1 at every t.",
            forms=[
                lambda network, x, alpha_bar, rand, randn: _scaled_noise(
                    network, x, alpha_bar, rand, randn, lambda a: (1 - a).sqrt(), torch.ones_like
                )
            ],
        ),
        Mistake(
            "weighted",
            lambda network, x, alpha_bar, rand, randn: _weighted(network, x, alpha_bar, rand, randn, lambda a: a / (1 - a)),
            "the errors are weighted by t. In this loss all times count the same.",
            forms=[
                lambda network, x, alpha_bar, rand, randn: _weighted(network, x, alpha_bar, rand, randn, lambda a: (1 - a) / a),
                lambda network, x, alpha_bar, rand, randn: _weighted(network, x, alpha_bar, rand, randn, lambda a: 1 - a),
                lambda network, x, alpha_bar, rand, randn: _weighted(network, x, alpha_bar, rand, randn, lambda a: a),
                lambda network, x, alpha_bar, rand, randn: _weighted(network, x, alpha_bar, rand, randn, lambda a: (1 - a).sqrt()),
            ],
        ),
        Mistake(
            "sum",
            _trained(reduce=lambda error: error.square().sum()),
            "a sum over the batch, so the loss grows with its size. The mean is asked for.",
            forms=[_trained(reduce=lambda error: error.square().sum(0).mean()), _trained(reduce=lambda error: error.square().sum() / 2)],
        ),
        Mistake(
            "summed over pixels",
            _trained(reduce=lambda error: error.square().flatten(1).sum(1).mean()),
            "a sum over the pixels of each example, or some of them. The mean over everything is asked for.",
            forms=[_trained(reduce=lambda error: error.square().sum(-1).mean())],
        ),
        Mistake(
            "one loss for each example",
            _trained(reduce=lambda error: error.square().flatten(1).mean(1)),
            "one number for each example. To train, their mean is needed.",
            forms=[
                _trained(reduce=lambda error: error.square().flatten(1).sum(1)),
                _trained(reduce=lambda error: error.square()),
            ],
        ),
        Mistake(
            "root of the mean",
            _trained(reduce=lambda error: error.square().mean().sqrt()),
            "the root of the mean square. The mean square itself is asked for.",
            forms=[_trained(reduce=lambda error: error.flatten(1).norm(dim=1).mean()), _trained(reduce=lambda error: error.norm())],
        ),
        Mistake(
            "absolute error",
            _trained(reduce=lambda error: error.abs().mean()),
            "the mean of absolute errors. Squared ones make the network learn a mean; absolute ones a median.",
            forms=[
                _trained(reduce=lambda error: torch.nn.functional.smooth_l1_loss(error, 0 * error)),
            ],
        ),
        Mistake(
            "half",
            _trained(reduce=lambda error: error.square().mean() / 2),
            "exactly half of the loss that is asked for.",
        ),
        Mistake(
            "square of the mean",
            _trained(reduce=lambda error: error.mean().square()),
            "errors cancel before they are squared: first the square, then the mean.",
            forms=[_trained(reduce=lambda error: error.mean())],
        ),
        Mistake(
            "sign of the noise",
            _trained(target=lambda x, x_t, noise: -noise),
            "the noise is added to what the network says. An error is a difference.",
        ),
        Mistake(
            "negative",
            _trained(reduce=lambda error: -error.square().mean()),
            "minus the loss. Its minimum would be reached with the largest errors.",
        ),
    ],
)


def _uniform_second(network, x, alpha_bar, rand):
    """Uniform noise from the second call of rand."""
    t, noise = rand(len(x)), rand(x.shape).to(x)
    return (network(_noised(x, alpha_bar(t), noise), t) - noise).square().mean()


def _normal_times(network, x, alpha_bar, randn):
    """Times from randn, and then the noise."""
    t, noise = randn(len(x)), randn(x.shape).to(x)
    return (network(_noised(x, alpha_bar(t), noise), t) - noise).square().mean()


# --------------------------------------------------------------------------------------------------------------------
# 5a · Guidance


def _guided(network, x_t, t, y, classes, w):
    """Both labels in one batch."""
    both = network(torch.cat([x_t, x_t]), torch.cat([t, t]), torch.cat([y, y * 0 + classes]))
    told, untold = both.split(len(x_t))
    return torch.lerp(untold, told, float(w))


def _combined(rule: Callable, null: Callable = lambda y, classes: torch.full_like(y, classes)) -> Callable:
    """Another combination of (told, untold, w), or another label for "not told"."""

    def wrong(network, x_t, t, y, classes, w):
        return rule(network(x_t, t, y), network(x_t, t, null(y, classes)), w)

    return wrong


def _right_rule(told, untold, w):
    return untold + w * (told - untold)


GUIDED = Task(
    "guided",
    _guided,
    cases=[
        (Network(2, 0.2, 4), grid(5, 2), grid(5, low=0.1, high=0.9), torch.tensor([0, 2, 1, 1, 0]), 3, 3.0),
        (Network(4, 1.3, 6), grid(3, 1, 2, 2), grid(3, low=0.2, high=0.7), torch.tensor([2, 3, 1]), 5, 0.0),
        (Network(3, 0.6, 3), grid(4, 3).sin(), grid(4, low=0.3, high=0.8), torch.tensor([1, 0, 1, 0]), 2, 1.0),
    ],
    hidden_cases=[
        (Network(2, -0.5, 6), grid(4, 2).cos(), grid(4, low=0.2, high=0.9), torch.tensor([0, 3, 2, 1]), 5, 2.5),
        (Network(4, 0.8, 4), grid(3, 1, 2, 2), grid(3, low=0.1, high=0.6), torch.tensor([1, 0, 2]), 3, 0.4),
    ],
    mistakes=[
        Mistake(
            "starts at the told one",
            _combined(lambda told, untold, w: told + w * (told - untold)),
            "at w = 0 the label still counts. This is the other convention, in which w is one less: start where nothing was told.",
        ),
        Mistake(
            "w one too large",
            _combined(lambda told, untold, w: untold + (w - 1) * (told - untold)),
            "at w = 1 the label does not count, and at w = 0 it is avoided. 1 should give what the network says of y.",
        ),
        Mistake(
            "told and untold exchanged",
            _combined(lambda told, untold, w: told + w * (untold - told)),
            "the two are exchanged: at w = 0 the label counts in full, and a large w leads away from it.",
        ),
        Mistake(
            "sign",
            _combined(lambda told, untold, w: untold - w * (told - untold)),
            "the direction has the wrong sign: this leads away from y.",
        ),
        Mistake(
            "w times the told one",
            _combined(lambda told, untold, w: untold + w * told),
            "w times what is told is added. Only the difference that the label makes is stretched.",
            forms=[
                _combined(lambda told, untold, w: told + w * untold),
                _combined(lambda told, untold, w: w * told),
                _combined(lambda told, untold, w: w * told - untold),
            ],
        ),
        Mistake(
            "not what was told",
            _combined(lambda told, untold, w: w * (told - untold)),
            "this is the difference alone. It is added to a place to start from.",
        ),
        Mistake(
            "w not used",
            _combined(lambda told, untold, w: told),
            "w plays no part.",
            forms=[
                _combined(lambda told, untold, w: untold),
                _combined(lambda told, untold, w: (told + untold) / 2),
                _combined(lambda told, untold, w: 2 * told - untold),
            ],
        ),
        Mistake(
            "w kept below 1",
            _combined(lambda told, untold, w: _right_rule(told, untold, min(w, 1))),
            "right for w up to 1. Above, guidance goes past what the network says of y: that is its point.",
        ),
        Mistake(
            "divided by the weights",
            _combined(lambda told, untold, w: (untold + w * told) / (1 + w)),
            "a weighted mean of the two never goes past either. Stretch their difference.",
        ),
        Mistake(
            "label 0 for nothing told",
            _combined(_right_rule, lambda y, classes: torch.zeros_like(y)),
            "label 0 stands for “not told”, but 0 is a class. The network learned another label for it.",
        ),
        Mistake(
            "last class for nothing told",
            _combined(_right_rule, lambda y, classes: torch.full_like(y, classes - 1)),
            "the last class stands for “not told”. Classes run from 0 to classes − 1.",
        ),
        Mistake(
            "largest label of the batch",
            _combined(_right_rule, lambda y, classes: y * 0 + y.max() + 1),
            "the label for “not told” is made of the labels of this batch. It is K, whichever classes happen to be there.",
        ),
        Mistake(
            "a label never seen",
            _combined(_right_rule, lambda y, classes: torch.full_like(y, -1)),
            "the network is given a label that it has never learned. Which one was it trained with when nothing was told?",
            forms=[
                _combined(_right_rule, lambda y, classes: torch.full_like(y, classes + 1)),
                _combined(_right_rule, lambda y, classes: y + classes),
            ],
        ),
        Mistake(
            "another label",
            _combined(_right_rule, lambda y, classes: (y + 1) % classes),
            "two classes are compared. y should be compared with the label for “not told”.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 5b · Hiding labels


def _hide_labels(y, classes, share, rand):
    u = rand(len(y)).tolist()
    return torch.tensor([classes if u[i] < share else label for i, label in enumerate(y.tolist())])


def _hidden(mask: Callable, null: Callable = lambda y, classes: torch.full_like(y, classes)) -> Callable:
    return lambda y, classes, share, rand: torch.where(mask(y, share, rand), null(y, classes), y)


def _right_mask(y, share, rand):
    return rand(len(y)) < share


HIDE = Task(
    "hide_labels",
    _hide_labels,
    cases=[
        (torch.arange(60) % 5, 5, 0.4, Draws(0.31)),
        (torch.arange(7) % 3, 3, 0.45, Draws(0.77)),
        (torch.arange(9) % 4, 6, 0.6, Draws(0.05)),
    ],
    hidden_cases=[
        (torch.arange(60) % 6, 6, 0.3, Draws(0.63)),
        (torch.arange(8) % 4, 5, 0.55, Draws(0.21)),
        (torch.arange(5), 5, 0.0, Draws(0.4)),
    ],
    mistakes=[
        Mistake(
            "one mask for the batch",
            _hidden(lambda y, share, rand: rand(1) < share),
            "all labels are hidden, or none: the draw was made once for the batch. Draw one for each example.",
            forms=[
                _hidden(lambda y, share, rand: rand(len(y)).mean() < share),
            ],
        ),
        Mistake(
            "one draw at a time",
            lambda y, classes, share, rand: torch.tensor([classes if rand(1) < share else label for label in y.tolist()]),
            "one draw at a time. Call `rand` once for the whole batch, as the task says: the check compares with those draws.",
        ),
        Mistake(
            "the others hidden",
            _hidden(lambda y, share, rand: rand(len(y)) > share),
            "the wrong share is hidden: a draw is below `share` with that probability.",
            forms=[_hidden(lambda y, share, rand: rand(len(y)) < 1 - share)],
        ),
        Mistake(
            "the other end",
            _hidden(lambda y, share, rand: rand(len(y)) > 1 - share),
            "the right share in the long run, but hidden where the draw is large. The task hides where it is below `share`.",
        ),
        Mistake(
            "label 0",
            _hidden(_right_mask, lambda y, classes: torch.zeros_like(y)),
            "a hidden label becomes 0, but 0 is a class: its pictures would be mixed up with those of no label.",
        ),
        Mistake(
            "last class",
            _hidden(_right_mask, lambda y, classes: torch.full_like(y, classes - 1)),
            "a hidden label becomes the last class. Classes run from 0 to classes − 1.",
        ),
        Mistake(
            "minus one",
            _hidden(_right_mask, lambda y, classes: torch.full_like(y, -1)),
            "a hidden label becomes −1, and no table of labels has such a row. Use the number after the last class.",
        ),
        Mistake(
            "one too many",
            _hidden(_right_mask, lambda y, classes: torch.full_like(y, classes + 1)),
            "a hidden label becomes K + 1. Classes count from 0, so the first free number is K.",
        ),
        Mistake(
            "another number",
            _hidden(_right_mask, lambda y, classes: torch.full_like(y, 10)),
            "a hidden label becomes a number that is not `classes`. It is K, whatever the batch and the data.",
            forms=[
                _hidden(_right_mask, lambda y, classes: torch.full_like(y, len(y))),
                _hidden(_right_mask, lambda y, classes: y * 0 + y.max() + 1),
            ],
        ),
        Mistake(
            "nothing hidden",
            lambda y, classes, share, rand: y,
            "no label is hidden.",
        ),
        Mistake(
            "everything hidden",
            lambda y, classes, share, rand: torch.full_like(y, classes),
            "every label is hidden, whatever the share.",
        ),
        Mistake(
            "the first ones",
            _hidden(lambda y, share, rand: torch.arange(len(y)) < share * len(y)),
            "the first labels of the batch are hidden. Which ones is for the draws to say.",
            forms=[
                _hidden(lambda y, share, rand: torch.arange(len(y)) < int(share * len(y))),
                _hidden(lambda y, share, rand: torch.arange(len(y)) < round(share * len(y))),
            ],
        ),
        Mistake(
            "an exact number",
            _hidden(lambda y, share, rand: rand(len(y)).argsort().argsort() < int(share * len(y))),
            "always the same number is hidden in a batch. Each label is hidden with the probability `share`, by its own draw.",
            forms=[
                _hidden(lambda y, share, rand: rand(len(y)).argsort().argsort() < round(share * len(y))),
                _hidden(lambda y, share, rand: rand(len(y)).argsort() < share * len(y)),
                _hidden(lambda y, share, rand: rand(len(y)).argsort().argsort() < share * len(y)),
            ],
        ),
        Mistake(
            "half of them",
            _hidden(lambda y, share, rand: rand(len(y)) < 0.5),
            "the share is fixed. It is given as `share`.",
            forms=[_hidden(lambda y, share, rand, fixed=fixed: rand(len(y)) < fixed) for fixed in (0.1, 0.2)],
        ),
        Mistake(
            "thrown away",
            lambda y, classes, share, rand: y[rand(len(y)) >= share],
            "examples are thrown away. Only their labels are hidden; the pictures still count.",
        ),
        Mistake(
            "the mask",
            lambda y, classes, share, rand: rand(len(y)) < share,
            "this is the mask. The labels are asked for, with some of them replaced.",
        ),
        Mistake(
            "added",
            lambda y, classes, share, rand: y + classes * (rand(len(y)) < share),
            "the number is added to the label. A hidden label leaves no trace of what it was.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 6a · Flow matching


def _path_and_velocity(x, noise, t):
    """The velocity by autograd: how x_t changes with t, example by example."""
    with torch.enable_grad():
        one = torch.ones((), dtype=x.dtype)
        at = [torch.func.jvp(lambda u, i=i: torch.lerp(x[i], noise[i], u), (t[i].to(x),), (one,)) for i in range(len(x))]
    return torch.stack([point for point, _ in at]), torch.stack([slope for _, slope in at])


def _line(point: Callable, velocity: Callable = lambda x, noise, t: noise - x, shape: Callable = _like) -> Callable:
    return lambda x, noise, t: (point(x, noise, shape(t, x)), velocity(x, noise, shape(t, x)))


def _straight(x, noise, t):
    return (1 - t) * x + t * noise


PATH = Task(
    "path_and_velocity",
    _path_and_velocity,
    results=("x_t", "velocity"),
    cases=[
        (grid(4, 4), (3 * grid(4, 4)).sin(), torch.tensor([0.1, 0.0, 0.55, 0.8])),
        (grid(3, 2, 3, 3), (5 * grid(3, 2, 3, 3)).cos(), torch.tensor([0.9, 0.3, 1.0])),
    ],
    hidden_cases=[
        (grid(3, 3).flip(0), (4 * grid(3, 3)).cos(), torch.tensor([0.7, 0.0, 1.0])),
        (grid(2, 1, 2, 2), (6 * grid(2, 1, 2, 2)).sin(), torch.tensor([0.35, 0.95])),
    ],
    mistakes=[
        Mistake(
            "data and noise exchanged",
            _line(lambda x, noise, t: t * x + (1 - t) * noise, lambda x, noise, t: x - noise),
            "the path runs from noise to data. Many papers count so; here t = 0 is the data, as in the tasks before.",
        ),
        Mistake(
            "points exchanged",
            _line(lambda x, noise, t: t * x + (1 - t) * noise),
            "the velocity is right, but the path runs the other way: at t = 0 it should be at the data.",
        ),
        Mistake(
            "velocity backwards",
            _line(_straight, lambda x, noise, t: x - noise),
            "x_t is right, but the velocity points to the data. With growing t the path moves towards the noise.",
        ),
        Mistake(
            "variance kept",
            _line(lambda x, noise, t: (1 - t).sqrt() * x + t.sqrt() * noise),
            "x_t lies on a curve: the squares of its factors add up to 1. On a straight path the factors themselves do.",
            forms=[
                _line(lambda x, noise, t: (1 - t) * x + (1 - (1 - t).square()).sqrt() * noise),
                _line(lambda x, noise, t: (1 - t.square()).sqrt() * x + t * noise),
                _line(lambda x, noise, t: (t * math.pi / 2).cos() * x + (t * math.pi / 2).sin() * noise),
                _line(
                    lambda x, noise, t: (t * math.pi / 2).cos() * x + (t * math.pi / 2).sin() * noise,
                    lambda x, noise, t: math.pi / 2 * ((t * math.pi / 2).cos() * noise - (t * math.pi / 2).sin() * x),
                ),
                _line(
                    lambda x, noise, t: (1 - t).sqrt() * x + t.sqrt() * noise,
                    lambda x, noise, t: noise / t.sqrt() / 2 - x / (1 - t).sqrt() / 2,
                ),
            ],
        ),
        Mistake(
            "velocity scaled by t",
            _line(_straight, lambda x, noise, t: t * (noise - x)),
            "x_t is right, but this is the way gone so far. The velocity is the same all along a straight path.",
            forms=[
                _line(_straight, lambda x, noise, t: (noise - x) / t),
                _line(_straight, lambda x, noise, t: (noise - x) / (1 - t)),
            ],
        ),
        Mistake(
            "velocity by a quotient",
            _line(_straight, lambda x, noise, t: (_straight(x, noise, t) - x) / t),
            "x_t is right, and so is the velocity, but not at one end of the path, where it is 0/0. Differentiate the path by t.",
            forms=[
                _line(_straight, lambda x, noise, t: (_straight(x, noise, t) - x) / t.clamp(min=1e-9)),
                _line(_straight, lambda x, noise, t: (noise - _straight(x, noise, t)) / (1 - t)),
                _line(_straight, lambda x, noise, t: (noise - _straight(x, noise, t)) / (1 - t).clamp(min=1e-9)),
            ],
        ),
        Mistake(
            "velocity from x_t",
            _line(_straight, lambda x, noise, t: noise - _straight(x, noise, t)),
            "x_t is right, but the velocity goes from x_t to the noise: that is the way still to go. Differentiate the path by t.",
        ),
        Mistake(
            "noise as the target",
            _line(_straight, lambda x, noise, t: noise),
            "x_t is right, but the target is noise or data alone. Differentiate the path by t.",
            forms=[
                _line(_straight, lambda x, noise, t: x),
                _line(_straight, lambda x, noise, t: _straight(x, noise, t)),
                _line(_straight, lambda x, noise, t: -x),
            ],
        ),
        Mistake(
            "sum for difference",
            _line(_straight, lambda x, noise, t: noise + x),
            "x_t is right, but the velocity is a sum. What is the derivative of 1 − t?",
        ),
        Mistake(
            "v of diffusion",
            _line(_straight, lambda x, noise, t: (1 - t) * noise - t * x),
            "x_t is right, but this is v, the target of diffusion with another path. Differentiate this path by t.",
        ),
        Mistake(
            "along the wrong axis",
            _line(_straight, shape=lambda t, x: t),
            "each example has its own t, but yours runs along another axis. Broadcasting starts at the last one.",
            forms=[_line(_straight, shape=lambda t, x: t[:, None])],
        ),
        Mistake(
            "always four axes",
            _line(_straight, shape=lambda t, x: t[:, None, None, None]),
            "right for images, but points come back with too many axes: let the number of added axes follow x.",
        ),
        Mistake(
            "one t for the batch",
            _line(_straight, shape=lambda t, x: t[0]),
            "the whole batch gets one t. Each example has its own.",
            forms=[_line(_straight, shape=lambda t, x: t.mean()), _line(_straight, shape=lambda t, x: t[-1])],
        ),
        Mistake(
            "noise added to all of x",
            _line(lambda x, noise, t: x + t * noise),
            "the data never fade: at t = 1 nothing of them should be left.",
            forms=[_line(lambda x, noise, t: x + t * noise, lambda x, noise, t: noise)],
        ),
        Mistake(
            "order",
            lambda x, noise, t: _path_and_velocity(x, noise, t)[::-1],
            "x_t and the velocity are exchanged.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 6b · Euler


def _integrate(velocity, x, times):
    for t, s in zip(times, times[1:]):
        x = torch.add(x, velocity(x, torch.full((len(x),), t).to(x)), alpha=s - t)
    return x


def _walk(
    length: Callable = lambda times, i: times[i + 1] - times[i],
    told: Callable = lambda times, i: times[i],
    first: int = 0,
    last: int = 0,
    move: Callable = lambda x, v, h, start: x + h * v,
    at: Callable = lambda x, start: x,
) -> Callable:
    """Other steps: their length, the time the field is told, which steps are made, what moves."""

    def wrong(velocity, x, times):
        start = x
        for i in range(first, len(times) - 1 - last):
            v = velocity(at(x, start), torch.full((len(x),), float(told(times, i))).to(x))
            x = move(x, v, length(times, i), start)
        return x

    return wrong


def _middle(velocity, x, times):
    for t, s in zip(times, times[1:]):
        half = x + (s - t) / 2 * velocity(x, torch.full((len(x),), t).to(x))
        x = x + (s - t) * velocity(half, torch.full((len(x),), (t + s) / 2).to(x))
    return x


def _heun(velocity, x, times):
    for t, s in zip(times, times[1:]):
        v = velocity(x, torch.full((len(x),), t).to(x))
        x = x + (s - t) * (v + velocity(x + (s - t) * v, torch.full((len(x),), s).to(x))) / 2
    return x


class _Steps(_WithTimes):
    """Counts how often the field of a right answer is asked, too."""

    def _compare(self, answer, cases, hidden, gradient):
        super()._compare(answer, cases, hidden, gradient)
        for i, case in enumerate(cases, 1):
            where, steps = f"{hidden}case {i}", len(case[2]) - 1
            Field.calls = 0
            self._answered(answer, case, where, gradient)
            if Field.calls != steps:
                self._fail("calls", f"right place, but the field is asked {Field.calls} times for {steps} steps, in {where}: once a step.")


EULER = _Steps(
    "integrate",
    _integrate,
    cases=[
        (Field(1.1), grid(5, 2), [1.0, 0.6, 0.35, 0.0]),
        (Field(0.6), grid(3, 1, 2, 2), [1.0, 0.9, 0.5, 0.3, 0.1]),
        (Field(1.7), grid(2, 3), [0.8, 0.55, 0.2]),
    ],
    hidden_cases=[(Field(0.9), grid(4, 2), [1.0, 0.75, 0.2, 0.0]), (Field(1.4), grid(2, 1, 3, 2), [0.9, 0.8, 0.45, 0.15])],
    mistakes=[
        Mistake(
            "sign",
            _walk(lambda times, i: times[i] - times[i + 1]),
            "it walks away from the data: the velocity points to growing t, and here t falls. What sign has s − t?",
        ),
        Mistake(
            "equal steps",
            _walk(lambda times, i: (times[-1] - times[0]) / (len(times) - 1)),
            "all steps are equally long. The times need not be evenly spaced: each step has its own length.",
            forms=[
                _walk(lambda times, i: -1 / (len(times) - 1)),
                _walk(lambda times, i: -1 / len(times)),
                _walk(lambda times, i: times[1] - times[0]),
                _walk(lambda times, i: 1 / (len(times) - 1)),
                _walk(lambda times, i: 1 / len(times)),
                lambda velocity, x, times: _walk(lambda _, i: -1 / len(times))(velocity, x, [*times, 0.0]),
            ],
        ),
        Mistake(
            "all the way at each step",
            _walk(lambda times, i: -times[i]),
            "each step goes all the way to t = 0. It should go to the next time only.",
            forms=[_walk(lambda times, i: times[i]), _walk(lambda times, i: times[i + 1]), _walk(lambda times, i: -times[i + 1])],
        ),
        Mistake(
            "velocity not scaled",
            _walk(lambda times, i: 1.0),
            "the velocity is added as it is. How long does a step last?",
            forms=[_walk(lambda times, i: -1.0)],
        ),
        Mistake(
            "time of the end",
            _walk(told=lambda times, i: times[i + 1]),
            "the field is told the time where the step ends. x is still where it begins.",
        ),
        Mistake(
            "time in the middle",
            _walk(told=lambda times, i: (times[i] + times[i + 1]) / 2),
            "the field is told a time in the middle of the step. x is still where it begins.",
        ),
        Mistake(
            "one time for all steps",
            _walk(told=lambda times, i: times[0]),
            "the field is told the same time at every step. Time goes on.",
            forms=[_walk(told=lambda times, i: times[-1]), _walk(told=lambda times, i: 0), _walk(told=lambda times, i: 1)],
        ),
        Mistake(
            "time counted the other way",
            _walk(told=lambda times, i: 1 - times[i]),
            "the field is told 1 − t. It counts as the list does: t = 1 is noise.",
        ),
        Mistake(
            "number of the step",
            _walk(told=lambda times, i: i),
            "the field is told the number of the step. It wants its time.",
            forms=[_walk(told=lambda times, i: i / (len(times) - 1)), _walk(told=lambda times, i: 1 - i / (len(times) - 1))],
        ),
        Mistake(
            "last step missing",
            _walk(last=1),
            "the last step is missing: between n times lie n − 1 steps.",
            forms=[_walk(first=1), _walk(first=1, last=1)],
        ),
        Mistake(
            "field at the start",
            _walk(at=lambda x, start: start),
            "the field is always asked at the start. x has moved on.",
        ),
        Mistake(
            "steps forgotten",
            _walk(move=lambda x, v, h, start: start + h * v),
            "each step begins at the start again, so only the last one counts.",
            forms=[_walk(move=lambda x, v, h, start: start + h * v, at=lambda x, start: start)],
        ),
        Mistake(
            "nothing moves",
            lambda velocity, x, times: x,
            "x comes back as it was. A sum is a new tensor: does x get it?",
        ),
        Mistake(
            "clipped",
            _walk(move=lambda x, v, h, start: (x + h * v).clamp(-1, 1)),
            "x is clipped. On its way it holds noise, and may lie anywhere.",
            forms=[lambda velocity, x, times: _integrate(velocity, x, times).clamp(-1, 1)],
        ),
        Mistake(
            "on to 0",
            lambda velocity, x, times: _integrate(velocity, x, [*times, 0.0]),
            "right for lists that end at 0. Elsewhere it goes on to 0, and should stop at times[-1].",
        ),
        Mistake(
            "velocity alone",
            _walk(move=lambda x, v, h, start: h * v),
            "x is replaced by the step. The step is added to it.",
        ),
        Mistake(
            "to the end in one step",
            lambda velocity, x, times: _walk()(velocity, x, [times[0], times[-1]]),
            "it goes straight from the first place to the last. Each entry of the list is a stop, where the field is asked anew.",
        ),
        Mistake(
            "times reversed",
            lambda velocity, x, times: _walk()(velocity, x, times[::-1]),
            "the times are walked in the reverse order. They fall: x is noise at the first of them.",
            forms=[lambda velocity, x, times: _walk()(velocity, x, sorted(times))],
        ),
        Mistake(
            "one step alone",
            lambda velocity, x, times: _walk()(velocity, x, times[:2]),
            "only the first step is made: is the `return` inside the loop?",
        ),
        Mistake(
            "a better method",
            _heun,
            "a method with two evaluations for each step. It is more exact, but Euler's is asked for: one evaluation a step.",
            forms=[_middle],
        ),
        Mistake(
            "every place returned",
            lambda velocity, x, times: torch.stack([x, *(_integrate(velocity, x, times[: i + 1]) for i in range(1, len(times)))]),
            "every place on the way is returned. The last one is asked for.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 7 · Few steps

POINTS = 1000


def spread(n: int, dims: int) -> Tensor:
    """Points that fill the unit cube evenly, (n, dims), float64: the same on every platform, since no random generator is asked.

    Source: Roberts 2018, the additive recurrence on the generalised golden ratio.
    """
    ratio = 2.0
    for _ in range(60):  # ratio ** (dims + 1) = ratio + 1
        ratio = (1 + ratio) ** (1 / (dims + 1))
    steps = torch.tensor([ratio ** -(i + 1) for i in range(dims)], dtype=torch.float64)
    return (0.5 + torch.arange(1, n + 1, dtype=torch.float64)[:, None] * steps) % 1


def sliced_distance(a: Tensor, b: Tensor, directions: int = 32) -> float:
    """The sliced Wasserstein-1 distance of two sets of as many points (n, 2): both sorted along each direction, and compared."""
    angles = torch.arange(directions, dtype=torch.float64) * math.pi / directions
    along = torch.stack([angles.cos(), angles.sin()])
    return float(((a.double() @ along).sort(0).values - (b.double() @ along).sort(0).values).abs().mean())


def measure(sampler, mixture) -> dict[str, float]:
    """How far a sampler's points are from those of a mixture, and what they cost.

    sampler: (denoise, start) → points, with the attributes `eta`, `bend`, `method`;  denoise: (x_t, ᾱ) → the estimate of x₀
    mixture: has denoise, and draw(u) → points, from u (n, 3) in the unit cube

    Returns: `minus distance`, `minus evaluations` of `denoise`, `eta`, `bend`, and `heun`, 1 for that method
    """
    calls = 0

    def counted(*given):
        nonlocal calls
        calls += 1
        return mixture.denoise(*given)

    points = sampler(counted, torch.special.ndtri(spread(POINTS, 2)))
    return {
        "minus distance": -sliced_distance(points, mixture.draw(spread(POINTS, 3))),
        "minus evaluations": -float(calls),
        "eta": float(sampler.eta),
        "bend": float(sampler.bend),
        "heun": float(sampler.method == "heun"),
    }


FEW = Goal(
    "few_steps",
    {"minus distance": -0.04, "minus evaluations": -6.0},
    slack={"minus distance": 0.004, "minus evaluations": 0.0},
    settings=("schedule", "bend", "method", "eta", "steps"),
    rules={
        "schedule": (lambda value: value in ("linear", "cosine", "straight"), "'linear', 'cosine' or 'straight'"),
        "bend": (lambda value: is_number(value, 0.25) and value <= 4, "a number from 0.25 to 4"),
        "method": (lambda value: value in ("ddim", "heun"), "'ddim' or 'heun'"),
        "eta": (lambda value: is_number(value, 0) and value <= 1, "a number from 0 to 1"),
        "steps": (lambda value: is_whole(value, range(1, 101)), "a whole number from 1 to 100"),
    },
    mistakes=[
        Mistake(
            "good but dear",
            lambda m: m["minus distance"] >= -0.04,
            "Close enough, but with too many evaluations. Which steps could be longer, and which must stay short?",
        ),
        Mistake(
            "noise put back",
            lambda m: m["eta"] > 0 and not m["heun"],
            "Every step adds fresh noise, which the steps after it must clean up. A few steps cannot.",
        ),
        Mistake(
            "two for one",
            lambda m: m["heun"] > 0,
            "This method asks the denoiser twice a step, but for the last: six evaluations make three steps. Is the second look worth it?",
        ),
        Mistake(
            "too few steps",
            lambda m: m["minus evaluations"] > -6,
            "You use fewer evaluations than you may: take them all first, then look where the times lie.",
        ),
        Mistake(
            "last steps too long",
            lambda m: m["bend"] < 1.4,
            "At which SNR is the denoiser asked last? From there the points go to the data in one step, and on that way clusters part.",
        ),
        Mistake(
            "first steps too long",
            lambda m: m["bend"] > 2.0,
            "Nearly all times crowd next to the data, and the first steps are too long: the points set out in the wrong direction.",
        ),
        Mistake(
            "schedule and bend",
            lambda m: True,
            "Close. Schedule and bend act together: change one of them, and look at the SNRs at which the denoiser is asked.",
        ),
    ],
)

TASKS: tuple[Task | Goal, ...] = (NOISED, COSINE, POSTERIOR, ESTIMATES, DDIM, LOSS, GUIDED, HIDE, PATH, EULER, FEW)
