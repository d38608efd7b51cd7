"""Tasks of exercise 04. Truths come from torch.distributions, autograd and `torch.linalg.slogdet`, never from the course's own flows."""

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.distributions import Gumbel, Independent, Laplace, Normal
from torch.distributions.transforms import AffineTransform, ComposeTransform, SigmoidTransform

from course_lib.grading import Goal, Mistake, Task, grid, is_number, is_whole

LOG_2 = math.log(2)

# --------------------------------------------------------------------------------------------------------------------
# 1 · Change of variables on the line


def _function(name: str, formula: str) -> Callable:
    """A function of x that belongs to no file: one of this file's own would count as borrowed when an answer calls it."""
    namespace = {"torch": torch}
    exec(f"def {name}(x):\n    return {formula}", namespace)
    return namespace[name]


_MINUS_CUBE = _function("inverse_of_minus_cube", "-x.sign() * x.abs() ** (1 / 3)"), _function("slope_of_minus_cube", "-3 * x**2")
_FALLING = _function("inverse_of_3_minus_2x", "(3 - x) / 2"), _function("slope_of_3_minus_2x", "torch.full_like(x, -2.0)")
_DECAY = _function("inverse_of_decay", "-torch.log(x) / 2"), _function("slope_of_decay", "-2 * torch.exp(-2 * x)")
_BENT = _function("inverse_of_bent", "2 * torch.asinh(x)"), _function("slope_of_bent", "torch.cosh(x / 2) / 2")


def _log_density(y, log_p, inverse, slope):
    """By autograd on the inverse: the slope that is given plays no part."""
    with torch.enable_grad():
        y = y.detach().requires_grad_()
        x = inverse(y)
        (stretch,) = torch.autograd.grad(x.sum(), y)
    return (log_p(x) + stretch.abs().log()).detach()


def _padded_slope(y, log_p, inverse, slope, margin):
    return log_p(inverse(y)) - (slope(inverse(y)).abs() + margin).log()


def _clamped_slope(y, log_p, inverse, slope, margin):
    return log_p(inverse(y)) - slope(inverse(y)).abs().clamp(min=margin).log()


_MARGINS = tuple(10.0**-i for i in range(2, 13))  # tiny numbers that students add "to be safe"

LOG_DENSITY = Task(
    "log_density",
    _log_density,
    cases=[
        (grid(5, low=0.3, high=3.0), Normal(0.5, 0.8).log_prob, torch.log, torch.exp),
        (grid(2, 3, low=-2.1, high=1.7), Laplace(0.2, 1.5).log_prob, *_MINUS_CUBE),
        (grid(4), Normal(-1.0, 2.0).log_prob, *_FALLING),
        (torch.tensor([3e-11, 2e-7, 1e-5, 0.5, 4.0]), Normal(0.5, 0.8).log_prob, torch.log, torch.exp),  # tiny slopes, and a far tail
    ],
    hidden_cases=[
        (grid(6, low=-3.0, high=2.0), Gumbel(0.0, 1.2).log_prob, *_BENT),
        (grid(3, 2, low=0.1, high=2.5), Normal(0.3, 0.6).log_prob, *_DECAY),
        (torch.tensor([3e-11, 3e-8, 0.3, 1.7]), Normal(0.3, 0.5).log_prob, *_DECAY),
    ],
    mistakes=[
        Mistake(
            "sign",
            lambda y, log_p, inverse, slope: log_p(inverse(y)) + slope(inverse(y)).abs().log(),
            "the slope of g enters with the wrong sign. Where g stretches, is the density of y thicker or thinner?",
        ),
        Mistake(
            "slope left out",
            lambda y, log_p, inverse, slope: log_p(inverse(y)),
            "only the point is carried over. Where g stretches, the same probability is spread over more room: what is missing?",
        ),
        Mistake(
            "slope at y",
            lambda y, log_p, inverse, slope: log_p(inverse(y)) - slope(y).abs().log(),
            "the slope is taken at y. It is the slope of g, and g is applied to x.",
        ),
        Mistake(
            "base density at y",
            lambda y, log_p, inverse, slope: log_p(y) - slope(inverse(y)).abs().log(),
            "log p is asked at y. It is the density of x: where did this y come from?",
        ),
        Mistake(
            "never inverted",
            lambda y, log_p, inverse, slope: log_p(y) - slope(y).abs().log(),
            "`inverse` has no effect: both p and the slope belong to x, and y is what came out of g.",
            forms=[lambda y, log_p, inverse, slope: log_p(y) + slope(y).abs().log(), lambda y, log_p, inverse, slope: log_p(y)],
        ),
        Mistake(
            "absolute value forgotten",
            lambda y, log_p, inverse, slope: log_p(inverse(y)) - slope(inverse(y)).log(),
            "right where g rises, NaN where it falls: a negative slope has no logarithm. Turning the line round does not thin the density.",
        ),
        Mistake(
            "negative slopes clamped",
            lambda y, log_p, inverse, slope: log_p(inverse(y)) - slope(inverse(y)).clamp(min=1e-8).log(),
            "a negative slope is clamped to a tiny number. It is not small: it stretches as a positive one does. What counts is its size.",
            forms=[
                lambda y, log_p, inverse, slope, margin=margin: log_p(inverse(y)) - slope(inverse(y)).clamp(min=margin).log()
                for margin in _MARGINS
            ],
        ),
        Mistake(
            "absolute value after the log",
            lambda y, log_p, inverse, slope: log_p(inverse(y)) - slope(inverse(y)).log().abs(),
            "NaN where g falls: the absolute value comes after the logarithm. The slope needs it, and its logarithm must keep its sign.",
        ),
        Mistake(
            "absolute value of the log",
            lambda y, log_p, inverse, slope: log_p(inverse(y)) - slope(inverse(y)).abs().log().abs(),
            "the absolute value is taken of the logarithm too. A slope below 1 squeezes, and its logarithm must stay negative.",
        ),
        Mistake(
            "slope padded",
            lambda y, log_p, inverse, slope: log_p(inverse(y)) - (slope(inverse(y)).abs() + 1e-8).log(),
            "off where the slope is tiny: something is added to it, or it is kept above a margin. It is never 0, so it needs neither.",
            forms=[
                *(partial(_padded_slope, margin=margin) for margin in _MARGINS),
                *(partial(_clamped_slope, margin=margin) for margin in _MARGINS[:7]),
            ],
        ),
        Mistake(
            "slope without log",
            lambda y, log_p, inverse, slope: log_p(inverse(y)) - slope(inverse(y)).abs(),
            "the slope is subtracted as it is. Densities are divided by it: what becomes of a division among logarithms?",
            forms=[lambda y, log_p, inverse, slope: log_p(inverse(y)) - slope(inverse(y))],
        ),
        Mistake(
            "slope squared",
            lambda y, log_p, inverse, slope: log_p(inverse(y)) - slope(inverse(y)).square().log(),
            "the square of the slope stands for its absolute value, so that its logarithm counts twice.",
        ),
        Mistake(
            "log density divided",
            lambda y, log_p, inverse, slope: log_p(inverse(y)) / slope(inverse(y)).abs(),
            "the log density is divided (or multiplied) by the slope. The density is divided: for its logarithm that is a difference.",
            forms=[
                lambda y, log_p, inverse, slope: log_p(inverse(y)) * slope(inverse(y)).abs(),
                lambda y, log_p, inverse, slope: log_p(inverse(y)) / slope(inverse(y)),
                lambda y, log_p, inverse, slope: log_p(inverse(y)) * slope(inverse(y)),
                lambda y, log_p, inverse, slope: log_p(inverse(y)) / slope(inverse(y)).abs().log(),
            ],
        ),
        Mistake(
            "log of log p",
            lambda y, log_p, inverse, slope: log_p(inverse(y)).log() - slope(inverse(y)).abs().log(),
            "NaN where p is below 1: a logarithm is taken of log_p, which is one already.",
        ),
        Mistake(
            "density, then log",
            lambda y, log_p, inverse, slope: (log_p(inverse(y)).float().exp() / slope(inverse(y)).abs()).log(),
            "right where p is large. In its far tail the density is 0 on a computer, and its logarithm infinite: stay with logarithms.",
        ),
        Mistake(
            "density",
            lambda y, log_p, inverse, slope: _log_density(y, log_p, inverse, slope).exp(),
            "this is the density. Its logarithm is asked for.",
        ),
        Mistake(
            "negative",
            lambda y, log_p, inverse, slope: -_log_density(y, log_p, inverse, slope),
            "minus the right value: that is a loss. The log density itself is asked for.",
        ),
        Mistake(
            "bits",
            lambda y, log_p, inverse, slope: _log_density(y, log_p, inverse, slope) / LOG_2,
            "log p comes in nats, so the logarithm of the slope has to be in nats too, and nothing is divided by log 2.",
            forms=[
                lambda y, log_p, inverse, slope: log_p(inverse(y)) - slope(inverse(y)).abs().log2(),
                lambda y, log_p, inverse, slope: log_p(inverse(y)) - slope(inverse(y)).abs().log10(),
            ],
        ),
        Mistake(
            "one number",
            lambda y, log_p, inverse, slope: _log_density(y, log_p, inverse, slope).sum(),
            "one number for all points. Each point has a log density of its own.",
            forms=[lambda y, log_p, inverse, slope: _log_density(y, log_p, inverse, slope).mean()],
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 2 · A coupling layer


def _network(width: int, phase: float, gain: float = 1.0, offset: float = 0.0) -> nn.Sequential:
    """(batch, width) → (batch, width), with fixed weights: no random generator is asked. `gain` and `offset` change its outputs."""
    layers = nn.utils.skip_init(nn.Linear, width, 3), nn.Tanh(), nn.utils.skip_init(nn.Linear, 3, width)
    network = nn.Sequential(*layers)
    with torch.no_grad():
        for i, parameter in enumerate(network.parameters()):
            parameter.copy_((grid(*parameter.shape, low=-4.0, high=5.0) * (1 + i) + phase).sin())
        network[-1].weight.mul_(gain)
        network[-1].bias.mul_(gain).add_(offset)
    return network


def _halves(x):
    return x.chunk(2, 1)


def _couple(x, log_scale, shift):
    first, second = _halves(x)
    map_ = AffineTransform(shift(first), log_scale(first).exp())
    moved = map_(second)
    return torch.cat([first, moved], 1), map_.log_abs_det_jacobian(second, moved).sum(1)


def _with_log_det(log_det):
    """The right z beside another log-det, a function of s and t."""

    def wrong(x, log_scale, shift):
        first, _ = _halves(x)
        return _couple(x, log_scale, shift)[0], log_det(log_scale(first), shift(first))

    return wrong


def _moved(rule, log_det=lambda s: s.sum(1), join=lambda first, moved: torch.cat([first, moved], 1)):
    """Another rule for the second half, of (second half, s, t)."""

    def wrong(x, log_scale, shift):
        first, second = _halves(x)
        s = log_scale(first)
        return join(first, rule(second, s, shift(first))), log_det(s)

    return wrong


def _right_rule(second, s, t):
    return second * s.exp() + t


def _self_conditioned(x, log_scale, shift):
    first, second = _halves(x)
    s = log_scale(second)
    return torch.cat([first, second * s.exp() + shift(second)], 1), s.sum(1)


def _shifted_by_itself(x, log_scale, shift):
    first, second = _halves(x)
    s = log_scale(first)
    return torch.cat([first, second * s.exp() + shift(second)], 1), s.sum(1)


def _scaled_by_itself(x, log_scale, shift):
    first, second = _halves(x)
    s = log_scale(second)
    return torch.cat([first, second * s.exp() + shift(first)], 1), s.sum(1)


def _other_half(x, log_scale, shift):
    first, second = _halves(x)
    s = log_scale(second)
    return torch.cat([first * s.exp() + shift(second), second], 1), s.sum(1)


def _both_halves(x, log_scale, shift):
    first, second = _halves(x)
    s, t = log_scale(first), shift(first)
    return torch.cat([first * s.exp() + t, second * s.exp() + t], 1), s.sum(1)


def _interleaved(x, log_scale, shift):
    even, odd = x[:, ::2], x[:, 1::2]
    s = log_scale(even)
    return torch.cat([even, odd * s.exp() + shift(even)], 1), s.sum(1)


def _put_back(x, log_scale, shift):
    even, odd = x[:, ::2], x[:, 1::2]
    s = log_scale(even)
    return torch.stack([even, odd * s.exp() + shift(even)], 2).flatten(1), s.sum(1)


_BOLD = _network(3, 0.3, 3.0, -3.5)  # s from below −10 to above 6
_BOUNDS = (1, 2, 3, 4, 5, 6)  # at which students cut s off

COUPLE = Task(
    "couple",
    _couple,
    results=("z", "log_det"),
    cases=[  # no batch is as large as D/2
        (grid(4, 6), _network(3, 0.3), _network(3, 1.4)),
        (grid(5, 2).flip(0), _network(1, 0.7), _network(1, 2.0)),
        (grid(3, 4) * 2, _network(2, -0.6), _network(2, 0.1)),
        (grid(2, 6), _BOLD, _network(3, 1.4)),
        (grid(2, 320).sin(), _network(160, 0.9, 0.5, -1.5), _network(160, 0.2)),  # the determinant is 0 in float32
    ],
    hidden_cases=[
        (grid(3, 8).sin(), _network(4, 2.2), _network(4, -1.0)),
        (grid(3, 4).cos() * 2, _network(2, 1.1), _network(2, 0.5)),
        (grid(2, 6).flip(0) * 1.3, _BOLD, _network(3, 0.6)),
        (grid(3, 300).cos(), _network(150, 0.4, 0.5, -1.6), _network(150, 1.0)),
    ],
    gradient=True,
    mistakes=[
        Mistake(
            "s not exponentiated",
            _moved(lambda second, s, t: second * s + t),
            "the second half is multiplied by s itself. s is the logarithm of the scale, so that the scale is never 0 or negative.",
            forms=[
                _moved(lambda second, s, t: second * s + t, lambda s: s.abs().log().sum(1)),
                _moved(lambda second, s, t: second * s + t, lambda s: s.log().sum(1)),
            ],
        ),
        Mistake(
            "another scale",
            _moved(lambda second, s, t: second * s.abs() + t, lambda s: s.abs().log().sum(1)),
            "the scale is positive, but it is not exp(s): an absolute value, a softplus, 1 + s or 2 to the s stands in its place.",
            forms=[
                _moved(lambda second, s, t: second * s.abs() + t),
                _moved(lambda second, s, t: second * nn.functional.softplus(s) + t, lambda s: nn.functional.softplus(s).log().sum(1)),
                _moved(lambda second, s, t: second * nn.functional.softplus(s) + t),
                _moved(lambda second, s, t: second * (1 + s) + t, lambda s: (1 + s).abs().log().sum(1)),
                _moved(lambda second, s, t: second * (1 + s) + t),
                _moved(lambda second, s, t: second * s.exp2() + t),
                _moved(lambda second, s, t: second * s.exp2() + t, lambda s: s.sum(1) * LOG_2),
            ],
        ),
        Mistake(
            "inverse",
            _moved(lambda second, s, t: (second - t) * (-s).exp(), lambda s: -s.sum(1)),
            "this is the way back, from z to x. Forward means from data to latent: scale, then shift.",
            forms=[_moved(lambda second, s, t: (second - t) * (-s).exp())],
        ),
        Mistake(
            "sign of s",
            _moved(lambda second, s, t: second * (-s).exp() + t),
            "the second half is multiplied by exp(−s). That undoes the scale; forward, s has no minus.",
            forms=[
                _moved(lambda second, s, t: second * (-s).exp() + t, lambda s: -s.sum(1)),
                _moved(lambda second, s, t: second * (-s).exp() - t),
                _moved(lambda second, s, t: second * (-s).exp() - t, lambda s: -s.sum(1)),
            ],
        ),
        Mistake(
            "sign of t",
            _moved(lambda second, s, t: second * s.exp() - t),
            "the shift is taken away. That is for the way back; forward, it is added.",
        ),
        Mistake(
            "s and t exchanged",
            lambda x, log_scale, shift: _couple(x, shift, log_scale),
            "`log_scale` and `shift` have changed places: which of them is s?",
            forms=[lambda x, log_scale, shift: (_couple(x, shift, log_scale)[0], _couple(x, log_scale, shift)[1])],
        ),
        Mistake(
            "shifted first",
            _moved(lambda second, s, t: (second + t) * s.exp()),
            "the shift is scaled too. Scale the second half first, then add t.",
        ),
        Mistake(
            "shift from the changed half",
            _shifted_by_itself,
            "t is computed from the second half, which it then changes: nobody could undo that. The first half is still there after.",
        ),
        Mistake(
            "scale from the changed half",
            _scaled_by_itself,
            "s is computed from the second half, which it then changes: nobody could undo that. The first half is still there after.",
        ),
        Mistake(
            "t exponentiated",
            _moved(lambda second, s, t: second * s.exp() + t.exp()),
            "the exponential is taken of t too. Only s is a logarithm.",
            forms=[_moved(lambda second, s, t: second * (s + t).exp()), _moved(lambda second, s, t: (second * s + t).exp())],
        ),
        Mistake(
            "multiplied by t",
            _moved(lambda second, s, t: second * s.exp() * t),
            "the second half is multiplied by t. A shift is added.",
            forms=[_moved(lambda second, s, t: second * s.exp() * t, lambda s: s.sum(1))],
        ),
        Mistake("no shift", _moved(lambda second, s, t: second * s.exp()), "the shift is missing."),
        Mistake(
            "s bounded",
            _moved(lambda second, s, t: second * s.tanh().exp() + t, lambda s: s.tanh().sum(1)),
            "s is squeezed before it is used. Where it has to be bounded, the function log_scale has done that: take s as it comes.",
            forms=[
                *(
                    _moved(lambda second, s, t, c=c: second * s.clamp(-c, c).exp() + t, lambda s, c=c: s.clamp(-c, c).sum(1))
                    for c in (*_BOUNDS, 8, 10)
                ),
                *(_moved(lambda second, s, t, c=c: second * s.clamp(-c, c).exp() + t) for c in (*_BOUNDS, 8, 10)),
                *(
                    _moved(lambda second, s, t, c=c: second * s.clamp(max=c).exp() + t, lambda s, c=c: s.clamp(max=c).sum(1))
                    for c in _BOUNDS
                ),
                _moved(lambda second, s, t: second * s.sigmoid() + t, lambda s: s.sigmoid().log().sum(1)),
                _moved(lambda second, s, t: second * (s + 2).sigmoid() + t, lambda s: (s + 2).sigmoid().log().sum(1)),
                _moved(lambda second, s, t: second * s.tanh().exp() + t),
            ],
        ),
        Mistake(
            "conditioned on itself",
            _self_conditioned,
            "s and t are computed from the second half, which they then change: nobody could undo that. What is still there after?",
        ),
        Mistake(
            "halves exchanged",
            _other_half,
            "the first half is changed and the second kept. Here it is the other way round.",
        ),
        Mistake(
            "both halves changed",
            _both_halves,
            "both halves are changed, so s and t could not be computed again on the way back. The first half has to stay as it is.",
        ),
        Mistake(
            "order of the halves",
            _moved(_right_rule, join=lambda first, moved: torch.cat([moved, first], 1)),
            "the halves come back in the wrong order: the untouched half stays in front.",
        ),
        Mistake(
            "every second entry",
            _interleaved,
            "every second entry is kept. The halves here are the first D/2 entries and the rest.",
            forms=[_put_back],
        ),
        Mistake(
            "only the changed half",
            _moved(_right_rule, join=lambda first, moved: moved),
            "only the changed half comes back. z has all D entries: the first half belongs to it.",
        ),
        Mistake(
            "joined below each other",
            _moved(_right_rule, join=lambda first, moved: torch.cat([first, moved])),
            "the halves are joined along the batch. Axis 0 counts the examples: along which axis was x split?",
            forms=[_moved(_right_rule, join=lambda first, moved: torch.stack([first, moved], 1))],
        ),
        Mistake(
            "sign of the log-det",
            _with_log_det(lambda s, t: -s.sum(1)),
            "z is right, but the log-det has the wrong sign: it is that of ∂z/∂x, which is positive where the layer stretches.",
        ),
        Mistake(
            "scales summed",
            _with_log_det(lambda s, t: s.exp().sum(1)),
            "z is right, but the scales are added up for the log-det. The determinant is their product: what is the logarithm of that?",
        ),
        Mistake(
            "log of the summed scales",
            _with_log_det(lambda s, t: s.exp().sum(1).log()),
            "z is right, but for the log-det the scales are added up before the logarithm. The determinant is their product.",
            forms=[_with_log_det(lambda s, t: (s.exp().sum(1) + s.shape[1]).log())],
        ),
        Mistake(
            "s multiplied",
            _with_log_det(lambda s, t: s.prod(1)),
            "z is right, but for the log-det the entries of s are multiplied. They are logarithms already: what becomes of a product?",
        ),
        Mistake(
            "product, then log",
            _with_log_det(lambda s, t: s.float().exp().prod(1).log()),
            "right in few dimensions, but the product of the scales of a whole image is 0 or infinite on a computer. The logarithm of "
            "exp(s) is s.",
            forms=[_with_log_det(lambda s, t: torch.linalg.det(s.float().exp().diag_embed()).abs().log())],
        ),
        Mistake(
            "determinant",
            _with_log_det(lambda s, t: s.exp().prod(1)),
            "z is right, but beside it stands the determinant. Its logarithm is asked for, and it needs no product at all.",
        ),
        Mistake(
            "log of s",
            _with_log_det(lambda s, t: s.abs().log().sum(1)),
            "z is right, but for the log-det a logarithm is taken of s, which is one already.",
            forms=[_with_log_det(lambda s, t: s.log().sum(1))],
        ),
        Mistake(
            "log-det averaged",
            _with_log_det(lambda s, t: s.mean(1)),
            "z is right, but the log-det is a mean over the entries. A log-determinant is a sum, however many there are.",
            forms=[_with_log_det(lambda s, t: s.sum(1) / (2 * s.shape[1]))],
        ),
        Mistake(
            "counted twice",
            _with_log_det(lambda s, t: 2 * s.sum(1)),
            "z is right, but the log-det is twice too large: only one of the halves is scaled.",
        ),
        Mistake(
            "summed over the batch",
            _with_log_det(lambda s, t: s.sum(0)),
            "z is right, but the log-det is summed over the examples: axis 0 counts them. Each example has a log-det of its own.",
            forms=[_with_log_det(lambda s, t: s.mean(0))],
        ),
        Mistake(
            "log-det for the whole batch",
            _with_log_det(lambda s, t: s.sum()),
            "z is right, but the log-det is one number. Each example has its own.",
            forms=[
                _with_log_det(lambda s, t: s.mean()),
                _with_log_det(lambda s, t: s.sum(1).mean()),
                _with_log_det(lambda s, t: s.sum().expand(len(s))),
            ],
        ),
        Mistake(
            "log-det for each entry",
            _with_log_det(lambda s, t: s),
            "z is right, but the log-det has a number for each entry. Add up those of an example.",
        ),
        Mistake(
            "no log-det",
            _with_log_det(lambda s, t: torch.zeros_like(s[:, 0])),
            "z is right, but the log-det is 0, as if nothing were stretched. Only a layer that shifts alone has that.",
        ),
        Mistake(
            "sizes of s added",
            _with_log_det(lambda s, t: s.abs().sum(1)),
            "z is right, but the log-det adds up the sizes of s. Where s is negative the layer squeezes, and that must count as negative.",
            forms=[_with_log_det(lambda s, t: s.sum(1).abs())],
        ),
        Mistake(
            "ones of the diagonal added",
            _with_log_det(lambda s, t: s.sum(1) + s.shape[1]),
            "z is right, but the ones on the diagonal, those of the untouched half, are added to the log-det. What is the logarithm of 1?",
            forms=[_with_log_det(lambda s, t: s.sum(1) + 1)],
        ),
        Mistake(
            "shift in the log-det",
            _with_log_det(lambda s, t: (s + t).sum(1)),
            "z is right, but the shift is in the log-det. A shift moves everything alike and stretches nothing.",
        ),
        Mistake(
            "bits",
            _with_log_det(lambda s, t: s.sum(1) / LOG_2),
            "z is right, but the log-det is divided by log 2. s is a natural logarithm, and nats are asked for.",
        ),
        Mistake(
            "log-det detached",
            _with_log_det(lambda s, t: s.sum(1).detach()),
            "right values, but no gradient comes through the log-det: the flow would learn to squeeze everything into one point.",
        ),
        Mistake(
            "s and t detached",
            _moved(lambda second, s, t: second * s.detach().exp() + t.detach(), lambda s: s.detach().sum(1)),
            "right values, but no gradient reaches the two functions, so they would never learn. Is there a `no_grad` or a `detach`?",
        ),
    ],
)


def _uncouple(z, log_scale, shift):
    first, second = _halves(z)
    return torch.cat([first, AffineTransform(shift(first), log_scale(first).exp()).inv(second)], 1)


def _back(rule, join=lambda first, moved: torch.cat([first, moved], 1)):
    """Another way back for the second half, of (second half, s, t)."""

    def wrong(z, log_scale, shift):
        first, second = _halves(z)
        return join(first, rule(second, log_scale(first), shift(first)))

    return wrong


def _right_way_back(second, s, t):
    return (second - t) * (-s).exp()


def _back_from_itself(z, log_scale, shift):
    first, second = _halves(z)
    return torch.cat([first, _right_way_back(second, log_scale(second), shift(second))], 1)


def _scale_from_itself(z, log_scale, shift):
    first, second = _halves(z)
    return torch.cat([first, _right_way_back(second, log_scale(second), shift(first))], 1)


def _shift_from_itself(z, log_scale, shift):
    first, second = _halves(z)
    return torch.cat([first, _right_way_back(second, log_scale(first), shift(second))], 1)


def _back_interleaved(z, log_scale, shift):
    even, odd = z[:, ::2], z[:, 1::2]
    return torch.cat([even, _right_way_back(odd, log_scale(even), shift(even))], 1)


def _put_back_interleaved(z, log_scale, shift):
    return torch.stack(_halves(_back_interleaved(z, log_scale, shift)), 2).flatten(1)


def _back_both_halves(z, log_scale, shift):
    first, second = _halves(z)
    s, t = log_scale(first), shift(first)
    return torch.cat([_right_way_back(first, s, t), _right_way_back(second, s, t)], 1)


def _back_other_half(z, log_scale, shift):
    first, second = _halves(z)
    return torch.cat([_right_way_back(first, log_scale(second), shift(second)), second], 1)


UNCOUPLE = Task(
    "uncouple",
    _uncouple,
    cases=[
        (grid(4, 6), _network(3, 0.3), _network(3, 1.4)),
        (grid(4, 2).flip(0), _network(1, 0.7), _network(1, 2.0)),
        (grid(2, 6), _BOLD, _network(3, 1.4)),
    ],
    hidden_cases=[
        (grid(3, 8).sin(), _network(4, 2.2), _network(4, -1.0)),
        (grid(3, 4).cos() * 2, _network(2, 1.1), _network(2, 0.5)),
        (grid(2, 6).flip(0) * 1.3, _BOLD, _network(3, 0.6)),
    ],
    tolerance=3e-5,
    mistakes=[
        Mistake(
            "forward again",
            lambda z, log_scale, shift: _couple(z, log_scale, shift)[0],
            "this is the way forward once more. Undo the last step first.",
        ),
        Mistake(
            "only the shift divided",
            _back(lambda second, s, t: second - t * (-s).exp()),
            "only t is divided by exp(s): a division comes before a subtraction unless brackets say otherwise.",
        ),
        Mistake(
            "scaled back first",
            _back(lambda second, s, t: second * (-s).exp() - t),
            "the steps are undone in the order in which they were made. Take off your coat before your shirt.",
        ),
        Mistake(
            "sign of s",
            _back(lambda second, s, t: (second - t) * s.exp()),
            "the shift is undone, but the second half is stretched once more instead of squeezed back.",
        ),
        Mistake(
            "sign of t",
            _back(lambda second, s, t: (second + t) * (-s).exp()),
            "the scale is undone, but the shift is added once more.",
            forms=[_back(lambda second, s, t: second * (-s).exp() + t)],
        ),
        Mistake(
            "scale padded",
            _back(lambda second, s, t: (second - t) / (s.exp() + 1e-6)),
            "off where the scale is tiny: something is added to it. exp(s) is never 0, so it needs no margin.",
            forms=[
                *(_back(lambda second, s, t, margin=margin: (second - t) / (s.exp() + margin)) for margin in _MARGINS[:7]),
                *(_back(lambda second, s, t, margin=margin: (second - t) / s.exp().clamp(min=margin)) for margin in _MARGINS[:3]),
            ],
        ),
        Mistake(
            "divided by s",
            _back(lambda second, s, t: (second - t) / s),
            "it is divided by s. The second half was multiplied by exp(s).",
        ),
        Mistake(
            "minus in front",
            _back(lambda second, s, t: (second - t) * -s.exp()),
            "a minus stands before exp(s). It would undo an addition; the second half was multiplied, and that is undone by a division.",
            forms=[_back(lambda second, s, t: (second - t) * -s), _back(lambda second, s, t: second - t - s.exp())],
        ),
        Mistake(
            "s and t exchanged",
            lambda z, log_scale, shift: _uncouple(z, shift, log_scale),
            "`log_scale` and `shift` have changed places: which of them was added?",
        ),
        Mistake(
            "shift not undone",
            _back(lambda second, s, t: second * (-s).exp()),
            "the scale is undone, the shift is not.",
        ),
        Mistake(
            "scale not undone",
            _back(lambda second, s, t: second - t),
            "the shift is undone, the scale is not.",
        ),
        Mistake(
            "from the changed half",
            _back_from_itself,
            "s and t are computed from the second half of z. Forward they came from the half that did not change.",
        ),
        Mistake(
            "scale from the changed half",
            _scale_from_itself,
            "s is computed from the second half of z. Forward it came from the half that did not change.",
        ),
        Mistake(
            "shift from the changed half",
            _shift_from_itself,
            "t is computed from the second half of z. Forward it came from the half that did not change.",
        ),
        Mistake(
            "every second entry",
            _back_interleaved,
            "every second entry is kept. Forward the halves were the first D/2 entries and the rest.",
            forms=[_put_back_interleaved],
        ),
        Mistake(
            "halves exchanged",
            _back_other_half,
            "the first half is changed and the second kept. Forward it was the other way round.",
        ),
        Mistake(
            "both halves changed",
            _back_both_halves,
            "both halves are changed. The first one has stayed as it was: nothing is to be undone there.",
        ),
        Mistake(
            "s bounded",
            _back(lambda second, s, t: (second - t) * (-s.tanh()).exp()),
            "s is squeezed before it is used. Where it has to be bounded, the function log_scale has done that: take s as it comes.",
            forms=[_back(lambda second, s, t, c=c: (second - t) * (-s.clamp(-c, c)).exp()) for c in (*_BOUNDS, 8, 10)],
        ),
        Mistake(
            "joined below each other",
            _back(_right_way_back, join=lambda first, moved: torch.cat([first, moved])),
            "the halves are joined along the batch. Axis 0 counts the examples: along which axis was z split?",
            forms=[_back(_right_way_back, join=lambda first, moved: torch.stack([first, moved], 1))],
        ),
        Mistake(
            "order of the halves",
            _back(_right_way_back, join=lambda first, moved: torch.cat([moved, first], 1)),
            "the halves come back in the wrong order: the untouched half stays in front.",
        ),
        Mistake(
            "only the changed half",
            _back(_right_way_back, join=lambda first, moved: moved),
            "only the changed half comes back. x has all D entries.",
        ),
        Mistake(
            "log-det too",
            lambda z, log_scale, shift: (_uncouple(z, log_scale, shift), -log_scale(_halves(z)[0]).sum(1)),
            "the way back is right, but only x is asked for, without a log-det.",
            forms=[lambda z, log_scale, shift: (_uncouple(z, log_scale, shift), log_scale(_halves(z)[0]).sum(1))],
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 3 · Many layers


def _total_log_det(jacobians):
    return torch.linalg.slogdet(jacobians)[1].sum(0)


def _diagonals(jacobians):
    return jacobians.diagonal(dim1=-2, dim2=-1)


def _logs(jacobians):
    """log |d| of every diagonal entry, (layers, batch, D)."""
    return _diagonals(jacobians).abs().log()


def _triangles(*shape: int, low: float, high: float, phase: float = 0.0) -> Tensor:
    """Lower triangular matrices. Their diagonals have sizes from low to high, every third entry negative; below it lie small numbers."""
    size = shape[-1]
    diagonal = grid(*shape, low=low, high=high)
    diagonal = torch.where(torch.arange(diagonal.numel()).reshape(shape) % 3 == 1, -diagonal, diagonal)
    below = 0.3 / size * (grid(*shape, size, low=1.0, high=50.0) + phase).sin()
    return below.tril(-1) + torch.diag_embed(diagonal)


def _product(jacobians):
    """In float32, as the student's own: float64 would overflow later."""
    return _diagonals(jacobians).float().prod(-1)


def _multiplied(jacobians):
    """The Jacobian of the whole, in float32."""
    whole = jacobians[0].float()
    for jacobian in jacobians[1:].float():
        whole = jacobian @ whole
    return whole


_TINY = (torch.tensor([[[0.7, -2e-10, 1.1]], [[3e-7, 0.5, -1.6]]]).diag_embed(),)
_TINY_TOO = (torch.tensor([[[-4e-10, 0.8], [1.3, 0.6]], [[1.7, 5e-6], [-0.9, 2e-8]]]).diag_embed(),)
_WIDE = _triangles(2, 1, 784, low=1.2, high=4.0)
_WIDE[1] /= 9  # the first layer's product is infinite, the second's is 0
_WIDE_TOO = torch.stack([_triangles(1, 784, low=0.1, high=0.9, phase=1.0), _triangles(1, 784, low=1.4, high=2.0)])

TRIANGULAR = Task(
    "total_log_det",
    _total_log_det,
    cases=[(_triangles(3, 2, 4, low=0.2, high=3.0),), (_WIDE,), (_triangles(1, 3, 2, low=0.5, high=1.6),), _TINY],
    hidden_cases=[(_triangles(2, 4, 3, low=0.3, high=2.5, phase=2.0),), (_WIDE_TOO,), (_triangles(4, 1, 5, low=0.4, high=1.9),), _TINY_TOO],
    tolerance=3e-5,
    mistakes=[
        Mistake(
            "product, then log",
            lambda j: _product(j).abs().log().sum(0),
            "right in few dimensions, but a product of 784 numbers is infinite or 0 on a computer. The log of a product is a sum of logs.",
            forms=[
                lambda j: torch.linalg.det(j.float()).abs().log().sum(0),
                lambda j: _diagonals(j).float().prod(-1).prod(0).abs().log(),
                lambda j: torch.linalg.det(j.float()).prod(0).abs().log(),
                lambda j: _diagonals(j).float().prod(0).prod(-1).abs().log(),
                lambda j: torch.linalg.det(_multiplied(j)).abs().log(),
                lambda j: _diagonals(j).float().abs().prod(-1).log().sum(0),
            ],
        ),
        Mistake(
            "absolute value forgotten",
            lambda j: _diagonals(j).log().sum((0, 2)),
            "NaN: an entry of the diagonal may be negative, and it has no logarithm. A layer that turns an axis round stretches as much.",
            forms=[
                lambda j: torch.logdet(j).sum(0),
                lambda j: _product(j).log().sum(0),
                lambda j: torch.linalg.det(j.float()).log().sum(0),
                lambda j: _product(j).prod(0).log(),
            ],
        ),
        Mistake(
            "negative entries clamped",
            lambda j: _diagonals(j).clamp(min=1e-8).log().sum((0, 2)),
            "negative entries of the diagonal are clamped to a tiny number. They stretch as positive ones do: what counts is their size.",
            forms=[lambda j, margin=margin: _diagonals(j).clamp(min=margin).log().sum((0, 2)) for margin in _MARGINS],
        ),
        Mistake(
            "entries padded",
            lambda j: (_diagonals(j).abs() + 1e-8).log().sum((0, 2)),
            "off where an entry of the diagonal is tiny: something is added to it, or it is kept above a margin. None is 0, so none is "
            "needed.",
            forms=[
                *(lambda j, margin=margin: (_diagonals(j).abs() + margin).log().sum((0, 2)) for margin in _MARGINS),
                *(lambda j, margin=margin: _diagonals(j).abs().clamp(min=margin).log().sum((0, 2)) for margin in _MARGINS[:8]),
            ],
        ),
        Mistake(
            "another diagonal",
            lambda j: j.diagonal().abs().log().sum((0, 1)),
            "`diagonal` takes the first two axes unless told otherwise, and those are the layers and the batch. Which two hold a matrix?",
            forms=[
                *(lambda j, axes=axes: j.diagonal().abs().log().sum(axes) for axes in ((0, 1, 2), (0, 2), (1, 2), 0, 1, 2)),
                lambda j: j.diagonal().log().sum((0, 2)),
                lambda j: j.diagonal().log().sum((0, 1)),
            ],
        ),
        Mistake(
            "every entry",
            lambda j: j.abs().log().sum((0, 2, 3)),
            "infinite: the logarithm of every entry is taken, the zeros above the diagonal among them. Which entries make up the "
            "determinant of a triangular matrix?",
        ),
        Mistake(
            "absolute value of the log",
            lambda j: _diagonals(j).abs().log().abs().sum((0, 2)),
            "an absolute value is taken after the logarithm. An entry below 1 squeezes, and its logarithm must stay negative.",
            forms=[
                lambda j: _diagonals(j).log().abs().sum((0, 2)),
                lambda j: _total_log_det(j).abs(),
                lambda j: torch.linalg.slogdet(j)[1].abs().sum(0),
            ],
        ),
        Mistake(
            "determinant",
            lambda j: _product(j).prod(0),
            "this is the determinant itself. Its logarithm is asked for, and it needs no product at all.",
            forms=[
                lambda j: _product(j).prod(0).abs(),
                lambda j: _diagonals(j).float().prod(0).prod(-1),
                lambda j: _diagonals(j).float().prod(0).prod(-1).abs(),
                lambda j: torch.linalg.det(j.float()).prod(0),
                lambda j: torch.linalg.det(j.float()).prod(0).abs(),
                lambda j: torch.linalg.det(_multiplied(j)),
                lambda j: _total_log_det(j).exp().float(),
            ],
        ),
        Mistake(
            "determinants of the layers added",
            lambda j: _product(j).sum(0),
            "the determinants of the layers are added up, without a logarithm. Determinants multiply; it is their logarithms that add up.",
            forms=[lambda j: _product(j).abs().sum(0)],
        ),
        Mistake(
            "trace",
            lambda j: _diagonals(j).sum((0, 2)),
            "the diagonals are added up as they are: that is the trace. The determinant is their product, and its logarithm is asked for.",
            forms=[lambda j: _diagonals(j).abs().sum((0, 2))],
        ),
        Mistake(
            "log of the sum",
            lambda j: _diagonals(j).abs().sum(-1).log().sum(0),
            "the logarithm is taken of a sum over the diagonal. First the log of each entry, then the sum.",
            forms=[lambda j: _diagonals(j).abs().sum((0, 2)).log(), lambda j: _diagonals(j).sum(-1).abs().log().sum(0)],
        ),
        Mistake(
            "last layer alone",
            lambda j: _logs(j)[-1].sum(-1),
            "one layer alone. Every layer on the way from x to z stretches.",
            forms=[lambda j: _logs(j)[0].sum(-1)],
        ),
        Mistake(
            "one for each layer",
            lambda j: _logs(j).sum(-1),
            "a number for each layer and example. The whole flow has one for each example.",
            forms=[lambda j: _logs(j).sum(-1).T],
        ),
        Mistake(
            "layers multiplied",
            lambda j: _logs(j).sum(-1).prod(0),
            "the log-dets of the layers are multiplied. Determinants multiply; their logarithms do something else.",
        ),
        Mistake(
            "determinants added",
            lambda j: _logs(j).sum(-1).logsumexp(0),
            "the determinants of the layers are added. The Jacobian of a composition is a product of matrices.",
            forms=[lambda j: _product(j).abs().sum(0).log(), lambda j: torch.linalg.det(j.float()).abs().sum(0).log()],
        ),
        Mistake(
            "matrices added",
            lambda j: torch.linalg.slogdet(j.sum(0))[1],
            "the matrices are added. By the chain rule the Jacobian of a composition is their product.",
        ),
        Mistake(
            "averaged over the layers",
            lambda j: _logs(j).sum(-1).mean(0),
            "averaged over the layers. Each stretches what the one before has stretched: they add up.",
        ),
        Mistake(
            "averaged over the entries",
            lambda j: _logs(j).mean((0, 2)),
            "averaged over the entries. A log-determinant is a sum, however many there are.",
            forms=[lambda j: _logs(j).mean(-1).sum(0)],
        ),
        Mistake(
            "summed over the batch",
            lambda j: _logs(j).sum(),
            "one number for the batch. Each example has its own. Which axis is which?",
            forms=[lambda j: _logs(j).sum(-1).sum(0).mean()],
        ),
        Mistake(
            "other axes summed",
            lambda j: _logs(j).sum((1, 2)),
            "the sum runs over the batch too, but not over the layers or not over the diagonal. Which axis is which?",
            forms=[lambda j: _logs(j).sum((0, 1)), lambda j: _logs(j).sum(1)],
        ),
        Mistake("sign", lambda j: -_total_log_det(j), "the wrong sign: this is the log-det of the way back, from z to x."),
        Mistake(
            "bits",
            lambda j: _total_log_det(j) / LOG_2,
            "another logarithm: the natural one is asked for.",
            forms=[lambda j: _total_log_det(j) / math.log(10)],
        ),
        Mistake(
            "sign times logarithm",
            lambda j: math.prod(torch.linalg.slogdet(j)).sum(0),
            "the logarithm is multiplied by the sign of the determinant. A layer that turns an axis round stretches as much as one that "
            "does not.",
            forms=[
                lambda j: (_diagonals(j).sign() * _logs(j)).sum((0, 2)),
                lambda j: torch.linalg.slogdet(j)[0].prod(0) * _total_log_det(j),
            ],
        ),
        Mistake(
            "signs come first",
            lambda j: torch.linalg.slogdet(j)[0].sum(0),
            "`slogdet` returns two things, and you took the sign. The logarithm is the second.",
            forms=[lambda j: torch.linalg.slogdet(j)[0].prod(0)],
        ),
    ],
)


def _log_likelihood(z, log_dets):
    dims = z.shape[1]
    base = Independent(Normal(z.new_zeros(dims), z.new_ones(dims)), 1)
    return base.log_prob(z) + log_dets.sum(0)


def _of_base(base):
    """Another base density with the right log-dets."""
    return lambda z, log_dets: base(z) + log_dets.sum(0)


def _of_log_dets(combine):
    """The right base density with the log-dets used otherwise."""
    return lambda z, log_dets: _log_likelihood(z, torch.zeros_like(log_dets)) + combine(log_dets)


LOG_2PI = math.log(2 * math.pi)


def _far_out(batch: int, dims: int) -> Tensor:
    """Points of so many dimensions, and so far out in the first of them, that their density is 0 in float32."""
    return torch.cat([grid(batch, 1, low=16.0, high=18.0), grid(batch, dims - 1).sin()], 1)


def _naive_base(z):
    """Through the density of each entry, in float32."""
    return (-z.float().square() / 2).exp() / math.sqrt(2 * math.pi)


LIKELIHOOD = Task(
    "log_likelihood",
    _log_likelihood,
    cases=[
        (grid(3, 4), grid(2, 3).flip(1) * 3),
        (grid(2, 6).sin() * 2, grid(5, 2)),
        (grid(4, 1), grid(1, 4) * 2),
        (_far_out(3, 784), grid(2, 3)),
    ],
    hidden_cases=[(grid(5, 2).cos() * 3, grid(3, 5) - 1), (grid(2, 9), grid(4, 2).square()), (_far_out(2, 300), grid(3, 2) * 2)],
    gradient=True,
    mistakes=[
        Mistake(
            "product, then log",
            _of_base(lambda z: _naive_base(z).prod(1).log()),
            "right for a few entries near 0. Far out, or in many dimensions, the density is 0 on a computer: take the logarithm of each "
            "factor on paper.",
            forms=[
                _of_base(lambda z: _naive_base(z).log().sum(1)),
                lambda z, log_dets: (_naive_base(z).prod(1) * log_dets.exp().prod(0)).log(),
            ],
        ),
        Mistake(
            "log-dets subtracted",
            _of_log_dets(lambda log_dets: -log_dets.sum(0)),
            "the log-dets are subtracted. They are those of x → z: where that stretches, points of x lie closer together than those of z.",
        ),
        Mistake(
            "base left out",
            lambda z, log_dets: log_dets.sum(0),
            "this is the log-det alone. The density of z, where the examples have arrived, belongs to it.",
        ),
        Mistake("log-dets left out", _of_log_dets(lambda log_dets: 0), "the log-dets are left out: this is the density of z, not of x."),
        Mistake(
            "one log-det alone",
            _of_log_dets(lambda log_dets: log_dets[-1]),
            "one layer's log-det alone. Every layer counts.",
            forms=[_of_log_dets(lambda log_dets: log_dets[0])],
        ),
        Mistake(
            "half of the log-dets",
            _of_log_dets(lambda log_dets: log_dets.sum(0) / 2),
            "the log-dets count half. The ½ belongs to the normal density alone: where do its brackets end?",
            forms=[_of_log_dets(lambda log_dets: -log_dets.sum(0) / 2)],
        ),
        Mistake(
            "log-dets averaged",
            _of_log_dets(lambda log_dets: log_dets.mean(0)),
            "the log-dets are averaged over the layers. The stretching of one layer comes on top of that of the others.",
        ),
        Mistake(
            "log-dets multiplied",
            _of_log_dets(lambda log_dets: log_dets.prod(0)),
            "the log-dets are multiplied. They are logarithms.",
        ),
        Mistake(
            "log of the log-dets",
            _of_log_dets(lambda log_dets: log_dets.abs().log().sum(0)),
            "a logarithm is taken of the log-dets, which are logarithms already.",
            forms=[_of_log_dets(lambda log_dets: log_dets.log().sum(0))],
        ),
        Mistake(
            "exp of the log-dets",
            _of_log_dets(lambda log_dets: log_dets.exp().sum(0)),
            "exp is taken of the log-dets. A log density is asked for, so they stay the logarithms that they are.",
            forms=[_of_log_dets(lambda log_dets: log_dets.sum(0).exp())],
        ),
        Mistake(
            "log-dets of the whole batch",
            _of_log_dets(lambda log_dets: log_dets.sum()),
            "every example gets the log-dets of the whole batch. Which axis of log_dets counts the layers?",
            forms=[_of_log_dets(lambda log_dets: log_dets.mean())],
        ),
        Mistake(
            "constant left out",
            _of_base(lambda z: -z.square().sum(1) / 2),
            "too large by the same amount everywhere: the constant of the normal density is missing. To train it makes no difference, to "
            "compare two models it does.",
        ),
        Mistake(
            "constant once",
            _of_base(lambda z: -z.square().sum(1) / 2 - LOG_2PI / 2),
            "the constant of the normal density is there once. Each of the D entries has one.",
            forms=[_of_base(lambda z: -z.square().sum(1) / 2 - LOG_2PI)],
        ),
        Mistake(
            "batch for D",
            _of_base(lambda z: -z.square().sum(1) / 2 - LOG_2PI / 2 * len(z)),
            "the constant is counted once for each example of the batch. It is needed once for each of the D entries.",
        ),
        Mistake(
            "layers for D",
            lambda z, log_dets: _of_base(lambda z: -z.square().sum(1) / 2 - LOG_2PI / 2 * len(log_dets))(z, log_dets),
            "the constant is counted once for each layer. It is needed once for each of the D entries.",
        ),
        Mistake(
            "constant without log",
            _of_base(lambda z: -z.square().sum(1) / 2 - math.sqrt(2 * math.pi) * z.shape[1]),
            "the root of 2π is subtracted as it is. The density is divided by it: what becomes of that among logarithms?",
            forms=[_of_base(lambda z: -z.square().sum(1) / 2 - math.pi * z.shape[1])],
        ),
        Mistake(
            "constant in another base",
            _of_base(lambda z: -z.square().sum(1) / 2 - math.log10(2 * math.pi) / 2 * z.shape[1]),
            "the logarithm of 2π has another base, 10 or 2. Natural ones are asked for.",
            forms=[_of_base(lambda z: -z.square().sum(1) / 2 - math.log2(2 * math.pi) / 2 * z.shape[1])],
        ),
        Mistake(
            "bracket of the constant",
            _of_base(lambda z: -z.square().sum(1) / 2 - LOG_2 * math.pi / 2 * z.shape[1]),
            "the constant is off: log(2)·π stands where log(2π) belongs.",
            forms=[
                _of_base(lambda z: -z.square().sum(1) / 2 - LOG_2 * math.pi * z.shape[1]),
                _of_base(lambda z: -z.square().sum(1) / 2 - (math.log(0.5 * 2 * math.pi)) * z.shape[1]),
            ],
        ),
        Mistake(
            "constant doubled",
            _of_base(lambda z: -z.square().sum(1) / 2 - LOG_2PI * z.shape[1]),
            "the constant is twice too large: the density of one entry has the root of 2π below it.",
        ),
        Mistake(
            "sign of the constant",
            _of_base(lambda z: -z.square().sum(1) / 2 + LOG_2PI / 2 * z.shape[1]),
            "the constant has the wrong sign: the density is divided by the root of 2π.",
        ),
        Mistake(
            "half left out",
            _of_base(lambda z: -z.square().sum(1) - LOG_2PI / 2 * z.shape[1]),
            "the squares count twice too much: the exponent of a normal density has a half.",
        ),
        Mistake(
            "half squared too",
            _of_base(lambda z: (z / 2).square().sum(1) - LOG_2PI / 2 * z.shape[1]),
            "the factor −½ is squared with z. Square z first, then multiply.",
            forms=[_of_base(lambda z: -(z / 2).square().sum(1) - LOG_2PI / 2 * z.shape[1])],
        ),
        Mistake(
            "sign of the square",
            _of_base(lambda z: z.square().sum(1) / 2 - LOG_2PI / 2 * z.shape[1]),
            "a z far from 0 counts as likely. The exponent of a normal density is negative.",
        ),
        Mistake(
            "length, not its square",
            _of_base(lambda z: -z.norm(dim=1) / 2 - LOG_2PI / 2 * z.shape[1]),
            "the length of z stands where its square belongs.",
            forms=[_of_base(lambda z: -z.abs().sum(1) / 2 - LOG_2PI / 2 * z.shape[1])],
        ),
        Mistake(
            "summed, then squared",
            _of_base(lambda z: -z.sum(1).square() / 2 - LOG_2PI / 2 * z.shape[1]),
            "the entries of z are added up before they are squared. Each entry has a density, and a square, of its own.",
        ),
        Mistake(
            "base averaged",
            _of_base(lambda z: Normal(0.0, 1.0).log_prob(z).mean(1)),
            "the log densities of the entries are averaged. They are independent: their logs add up.",
            forms=[_of_base(lambda z: Normal(0.0, 1.0).log_prob(z).mean())],
        ),
        Mistake(
            "base of the whole batch",
            _of_base(lambda z: Normal(0.0, 1.0).log_prob(z).sum()),
            "every example gets the log density of the whole batch. Sum over the entries of each alone: which axis is that?",
        ),
        Mistake(
            "one for each entry",
            lambda z, log_dets: Normal(0.0, 1.0).log_prob(z) + log_dets.sum(0)[:, None],
            "a number for each entry of z. The log densities of the entries of an example add up.",
        ),
        Mistake(
            "one for each layer",
            lambda z, log_dets: _log_likelihood(z, torch.zeros_like(log_dets)) + log_dets,
            "a number for each layer. The log-dets of the layers add up: which axis of log_dets counts them?",
        ),
        Mistake(
            "divided by D",
            lambda z, log_dets: _log_likelihood(z, log_dets) / z.shape[1],
            "a mean over the entries. The likelihood belongs to the whole example: its logarithm is a sum.",
            forms=[lambda z, log_dets: Normal(0.0, 1.0).log_prob(z).mean(1) + log_dets.mean(0)],
        ),
        Mistake(
            "density",
            lambda z, log_dets: _log_likelihood(z, log_dets).exp(),
            "this is the density. Its logarithm is asked for.",
        ),
        Mistake(
            "loss",
            lambda z, log_dets: -_log_likelihood(z, log_dets),
            "minus the right value. It is a good loss, but here the log-likelihood is asked for.",
        ),
        Mistake(
            "one number",
            lambda z, log_dets: _log_likelihood(z, log_dets).mean(),
            "one number for the batch. Each example has its own.",
            forms=[lambda z, log_dets: _log_likelihood(z, log_dets).sum(), lambda z, log_dets: -_log_likelihood(z, log_dets).mean()],
        ),
        Mistake(
            "bits",
            lambda z, log_dets: _log_likelihood(z, log_dets) / LOG_2,
            "right in bits. Nats are asked for.",
            forms=[lambda z, log_dets: _log_likelihood(z, log_dets) / LOG_2 / z.shape[1]],
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 4 · An invertible 1×1 convolution


def _mix(x, weight):
    pixels = x.shape[2] * x.shape[3]
    z = nn.functional.linear(x.movedim(1, -1), weight).movedim(-1, 1)
    return z, (pixels * torch.linalg.slogdet(weight)[1]).expand(len(x))


def _mixed(mixing):
    """Another z with the right log-det."""
    return lambda x, weight: (mixing(x, weight), _mix(x, weight)[1])


def _volume(log_det):
    """The right z with another log-det, of (x, log|det W|)."""
    return lambda x, weight: (_mix(x, weight)[0], log_det(x, torch.linalg.slogdet(weight)[1]))


def _naive_volume(log_det):
    """The right z with the log-det of a float32 matrix, as the student's own: float64 would underflow later."""
    return lambda x, weight: (_mix(x, weight)[0], (x.shape[2] * x.shape[3] * log_det(weight.float())).expand(len(x)))


def _rows(x, matrix):
    """Reshaped where it should be permuted: entries of different pixels are mixed."""
    return (x.reshape(-1, x.shape[1]) @ matrix.T).reshape(x.shape)


def _pixels(x):
    return x.shape[2] * x.shape[3]


# Triangular with different entries on the diagonal: gradients of the eigenvalues, another way to the determinant, are right in float32 too.
_DIAGONAL = {n: torch.diag(grid(n, low=0.5, high=1.6)) for n in (36, 31)}
_SMALL = 0.05 * (_DIAGONAL[36] + (grid(36, 36, low=1.0, high=60.0).sin() * 0.01).tril(-1))  # its determinant is 0 in float32
_LARGE = -20.0 * (_DIAGONAL[31] + (grid(31, 31, low=2.0, high=50.0).cos() * 0.01).triu(1))  # negative, and infinite
_TURNED = torch.tensor([[0.4, 1.3, -0.2], [0.9, 0.2, 0.5], [-0.3, 0.6, 1.1]])  # a negative determinant
_PAIR = torch.tensor([[1.2, 0.7], [-0.4, 0.9]])

MIX = Task(
    "mix_channels",
    _mix,
    results=("z", "log_det"),
    cases=[(grid(2, 3, 2, 4), _TURNED), (grid(3, 2, 3, 3).sin(), _PAIR), (grid(2, 36, 1, 2).cos(), _SMALL)],
    hidden_cases=[(grid(4, 2, 5, 2), _PAIR.T - 1), (grid(2, 3, 3, 2).cos(), -_TURNED.T), (grid(2, 31, 2, 1).sin(), _LARGE)],
    gradient=True,
    tolerance=5e-5,
    mistakes=[
        Mistake(
            "transposed",
            _mixed(lambda x, w: _mix(x, w.T)[0]),
            "the channels are mixed with Wᵀ: rows and columns have changed places. Entry c of the result is row c of W times the channels.",
        ),
        Mistake(
            "inverse",
            _mixed(lambda x, w: _mix(x, torch.linalg.inv(w))[0]),
            "z is made with the inverse of W. Forward, W itself is applied.",
            forms=[lambda x, w: _mix(x, torch.linalg.inv(w))],
        ),
        Mistake(
            "reshaped, not permuted",
            _mixed(_rows),
            "z has the right shape, but entries of different pixels are mixed: a reshape cuts the numbers up as they lie. "
            "The channels have to become the last axis first.",
            forms=[
                lambda x, w: (_rows(x, w.T), _mix(x, w)[1]),
                _mixed(lambda x, w: (x.movedim(1, -1).reshape(-1, len(w)) @ w.T).reshape(x.shape)),
            ],
        ),
        Mistake(
            "x as it came",
            _mixed(lambda x, w: x),
            "z is x: W has no effect on it.",
        ),
        Mistake(
            "pixels not counted",
            _volume(lambda x, log: log.expand(len(x))),
            "z is right, but the log-det counts W once. It is applied at every pixel: how many blocks has the Jacobian of the whole image?",
            forms=[_volume(lambda x, log: log)],
        ),
        Mistake(
            "one side counted",
            _volume(lambda x, log: (x.shape[2] * log).expand(len(x))),
            "z is right, but for the log-det only one side of the image is counted. W is applied at every pixel.",
            forms=[
                _volume(lambda x, log: (x.shape[3] * log).expand(len(x))),
                _volume(lambda x, log: (x.shape[2] ** 2 * log).expand(len(x))),
                _volume(lambda x, log: (x.shape[3] ** 2 * log).expand(len(x))),
            ],
        ),
        Mistake(
            "sides added",
            _volume(lambda x, log: ((x.shape[2] + x.shape[3]) * log).expand(len(x))),
            "z is right, but for the log-det the sides of the image are added. How many pixels has it?",
        ),
        Mistake(
            "channels for a side",
            _volume(lambda x, log: (x.shape[1] * x.shape[2] * log).expand(len(x))),
            "z is right, but for the log-det the channels are counted in place of a side of the image. x has the shape (batch, C, "
            "height, width).",
            forms=[
                _volume(lambda x, log: (x.shape[1] * x.shape[3] * log).expand(len(x))),
                _volume(lambda x, log: (x.shape[1] * log).expand(len(x))),
            ],
        ),
        Mistake(
            "channels counted too",
            _volume(lambda x, log: (x[0].numel() * log).expand(len(x))),
            "z is right, but the log-det is too large by the number of channels: W mixes all channels of a pixel at once.",
        ),
        Mistake(
            "batch counted too",
            _volume(lambda x, log: (len(x) * _pixels(x) * log).expand(len(x))),
            "z is right, but the log-det is multiplied by the size of the batch. Each example has a log-det of its own.",
            forms=[
                _volume(lambda x, log: (x.numel() * log).expand(len(x))),
                _volume(lambda x, log: x.numel() * log),
                _volume(lambda x, log: len(x) * _pixels(x) * log),
            ],
        ),
        Mistake(
            "one number",
            _volume(lambda x, log: _pixels(x) * log),
            "z is right, and the log-det too, but it comes once. The layers add up theirs example by example: one number for each.",
            forms=[
                _volume(lambda x, log: (_pixels(x) * log)[None]),
            ],
        ),
        Mistake(
            "log-det as a column",
            _volume(lambda x, log: (_pixels(x) * log).expand(len(x), 1)),
            "z is right, and the log-det too, but it has an axis too many: (batch, 1) where (batch,) is asked for.",
        ),
        Mistake(
            "det, then log",
            _naive_volume(lambda w: torch.linalg.det(w).abs().log()),
            "right for a few channels, but with some dozens the determinant itself is 0 or infinite on a computer. One function of "
            "torch.linalg returns its logarithm without it.",
            forms=[
                *(_naive_volume(lambda w, margin=margin: (torch.linalg.det(w).abs() + margin).log()) for margin in _MARGINS),
                *(_naive_volume(lambda w, margin=margin: torch.linalg.det(w).abs().clamp(min=margin).log()) for margin in _MARGINS),
            ],
        ),
        Mistake(
            "absolute value forgotten",
            _naive_volume(lambda w: torch.linalg.det(w).log()),
            "NaN: the determinant may be negative, and it has no logarithm. A mirror stretches nothing: what counts is its size.",
            forms=[_volume(lambda x, log: (_pixels(x) * log * math.nan).expand(len(x))), _naive_volume(torch.logdet)],
        ),
        Mistake(
            "determinant without log",
            _naive_volume(lambda w: torch.linalg.det(w).abs()),
            "z is right, but beside it stands the determinant. Its logarithm is asked for.",
            forms=[_naive_volume(torch.linalg.det)],
        ),
        Mistake(
            "sign of the log-det",
            _volume(lambda x, log: (-_pixels(x) * log).expand(len(x))),
            "z is right, but the log-det has the wrong sign: this is that of the way back.",
        ),
        Mistake(
            "size of the log",
            _volume(lambda x, log: (_pixels(x) * log.abs()).expand(len(x))),
            "z is right, but an absolute value is taken of the logarithm. Where W squeezes, the log-det is negative.",
        ),
        Mistake(
            "bits",
            _volume(lambda x, log: (_pixels(x) * log / LOG_2).expand(len(x))),
            "z is right, but the log-det is in bits. Nats are asked for.",
        ),
        Mistake(
            "no log-det",
            _volume(lambda x, log: (0 * log).expand(len(x))),
            "z is right, but the log-det is 0: that holds for a mere permutation of the channels. W stretches, too.",
        ),
        Mistake(
            "sign, not log",
            lambda x, w: (_mix(x, w)[0], (_pixels(x) * torch.linalg.slogdet(w)[0]).expand(len(x))),
            "`slogdet` returns two things, and you took the sign. The logarithm is the second.",
        ),
        Mistake(
            "sign times logarithm",
            lambda x, w: (_mix(x, w)[0], (_pixels(x) * math.prod(torch.linalg.slogdet(w))).expand(len(x))),
            "z is right, but the logarithm is multiplied by the sign of the determinant. A mirror stretches as much as no mirror.",
        ),
        Mistake(
            "diagonal alone",
            lambda x, w: (_mix(x, w)[0], (_pixels(x) * w.diagonal().abs().log().sum()).expand(len(x))),
            "the log-det comes from the diagonal of W. That is enough for a triangular matrix, and W may be any.",
        ),
        Mistake(
            "log-det detached",
            lambda x, w: (_mix(x, w)[0], _mix(x, w.detach())[1]),
            "right values, but no gradient comes through the log-det: W would shrink without end. What cuts the graph?",
        ),
    ],
)


def _unmix(z, weight):
    return _mix(z, torch.linalg.inv(weight))[0]


UNMIX = Task(
    "unmix_channels",
    _unmix,
    cases=[(grid(2, 3, 2, 4), _TURNED), (grid(3, 2, 3, 3).sin(), _PAIR)],
    hidden_cases=[(grid(4, 2, 5, 2), _PAIR.T - 1), (grid(2, 3, 3, 2).cos(), -_TURNED.T)],
    tolerance=5e-5,
    mistakes=[
        Mistake("forward again", lambda z, w: _mix(z, w)[0], "this is the way forward once more: z is mixed with W again."),
        Mistake(
            "transposed for inverse",
            lambda z, w: _mix(z, w.T)[0],
            "z is mixed with Wᵀ. Only for a rotation is that the inverse; W starts as one and is then trained.",
        ),
        Mistake(
            "inverse transposed",
            lambda z, w: _mix(z, torch.linalg.inv(w).T)[0],
            "the inverse is the right one, but its rows and columns have changed places.",
        ),
        Mistake(
            "entry by entry",
            lambda z, w: _mix(z, 1 / w)[0],
            "each entry of W is inverted by itself. The inverse of a matrix is another thing: W times it gives the identity.",
        ),
        Mistake(
            "minus W",
            lambda z, w: _mix(z, -w)[0],
            "z is mixed with −W. That undoes an addition; W was multiplied by, so it takes the inverse matrix.",
            forms=[lambda z, w: z - _mix(z, w)[0]],
        ),
        Mistake(
            "divided by the determinant",
            lambda z, w: _mix(z, w)[0] / torch.linalg.det(w),
            "a matrix is not undone by a division by its determinant: that restores the volume, not the directions.",
            forms=[lambda z, w: z / torch.linalg.det(w), lambda z, w: _mix(z, torch.linalg.inv(w))[0] / torch.linalg.det(w)],
        ),
        Mistake(
            "reshaped, not permuted",
            lambda z, w: _rows(z, torch.linalg.inv(w)),
            "the inverse is the right one, but entries of different pixels are mixed. The channels have to become the last axis first.",
            forms=[
                lambda z, w: _rows(z, torch.linalg.inv(w).T),
                lambda z, w: (z.movedim(1, -1).reshape(-1, len(w)) @ torch.linalg.inv(w).T).reshape(z.shape),
            ],
        ),
        Mistake(
            "log-det too",
            lambda z, w: (_unmix(z, w), -_mix(z, w)[1]),
            "the way back is right, but only x is asked for, without a log-det.",
            forms=[lambda z, w: (_unmix(z, w), _mix(z, w)[1])],
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 5 · Bits per dimension


def _to_logits(x, u, alpha):
    transform = ComposeTransform([AffineTransform(alpha, 1 - 2 * alpha), SigmoidTransform().inv])
    v = (x + u) / 256
    y = transform(v)
    return y, transform.log_abs_det_jacobian(v, y).sum(1)


def _of_v(v):
    """Another v, squashed as it should be."""

    def wrong(x, u, alpha):
        s = alpha + (1 - 2 * alpha) * v(x.to(u), u)
        return torch.logit(s), (math.log(1 - 2 * alpha) - s.log() - (1 - s).log()).sum(1)

    return wrong


def _of_s(s, inner, map_=torch.logit):
    """Another s, of (v, alpha), with the slope of its inner step. A log-det for it, as a student derives it."""

    def wrong(x, u, alpha):
        squashed = s((x + u) / 256, alpha)
        return map_(squashed), (math.log(inner(alpha)) - squashed.log() - (1 - squashed).log()).sum(1)

    return wrong


def _logit_clipped(eps, slope_too=False):
    """The logit of an s that is clipped to [eps, 1 − eps], alone or in the log-det too."""

    def wrong(x, u, alpha):
        s = alpha + (1 - 2 * alpha) * (x + u) / 256
        clipped = s.clamp(eps, 1 - eps)
        return torch.logit(clipped), _log_slope(clipped if slope_too else s, alpha).sum(1)

    return wrong


def _slope_of(log_det):
    """The right y with another log-det, of (s, v, alpha)."""

    def wrong(x, u, alpha):
        v = (x + u) / 256
        return _to_logits(x, u, alpha)[0], log_det(alpha + (1 - 2 * alpha) * v, v, alpha)

    return wrong


def _log_slope(s, alpha):
    """log ∂y/∂v of each pixel."""
    return math.log(1 - 2 * alpha) - s.log() - (1 - s).log()


_BYTES = torch.tensor([[0, 17, 128, 255], [3, 250, 64, 201], [99, 0, 255, 31]], dtype=torch.uint8)
_SHARES = torch.tensor([[0.3, 0.9, 0.5, 0.7], [0.0, 0.25, 0.6, 0.1], [0.45, 0.8, 0.95, 0.15]])

_DARK = torch.tensor([[0, 3, 40], [90, 0, 7]], dtype=torch.uint8), torch.tensor([[0.0, 0.5, 0.2], [0.7, 0.0, 0.4]])


def _whole_images(batch: int, stride: int) -> tuple[Tensor, Tensor]:
    """Images of 784 pixels with their noise."""
    places = torch.arange(batch * 784).reshape(batch, 784)
    return (places * stride % 256).to(torch.uint8), 0.45 + 0.4 * places.sin()


LOGITS = Task(
    "to_logits",
    _to_logits,
    results=("y", "log_det"),
    cases=[
        (_BYTES, _SHARES, 0.05),
        (_BYTES.T.clone(), _SHARES.T.flip(0).clone(), 0.01),
        (_BYTES[:2], _SHARES[1:], 0.44),  # squeezed so much that the whole map squeezes
        (*_whole_images(2, 7), 0.03),  # the determinant is infinite
        (*_DARK, 1e-9),
    ],
    hidden_cases=[
        (255 - _BYTES[:2], _SHARES[1:], 0.1),
        (_BYTES.T[1:].clone(), 1 - _SHARES.T[1:] / 2, 0.002),
        (_BYTES[1:], _SHARES[:2], 0.46),
        (*_whole_images(2, 13), 0.02),
        (_DARK[0].flip(1) // 2, _DARK[1].flip(1) / 2, 2e-9),
    ],
    tolerance=3e-5,
    mistakes=[
        Mistake(
            "255 for 256",
            _of_v(lambda x, u: (x + u) / 255),
            "divided by 255. There are 256 values, 0 among them, and each gets a bin of its own: how wide is it?",
            forms=[_of_v(lambda x, u: x / 255 + u / 256), _of_v(lambda x, u: x / 255), _of_v(lambda x, u: x / 255 + u / 255)],
        ),
        Mistake(
            "u left out",
            _of_v(lambda x, u: x / 256),
            "u has no effect: v stays on 256 points, and a density can grow there without end.",
            forms=[_of_v(lambda x, u: (x + 0.5) / 256)],
        ),
        Mistake(
            "u centred",
            _of_v(lambda x, u: (x + u - 0.5) / 256),
            "u is centred, so half of a bin lies in the bin below, and v may be negative. The bin of x runs from x to x + 1.",
        ),
        Mistake(
            "u not scaled",
            _of_v(lambda x, u: x / 256 + u),
            "u is added after the division: noise as large as the whole range of grey. It is to fill one bin.",
            forms=[_of_v(lambda x, u: x / 255 + u)],
        ),
        Mistake(
            "not divided",
            _of_v(lambda x, u: x + u),
            "NaN: the pixels still run to 256. A logit needs a number between 0 and 1.",
            forms=[_of_v(lambda x, u: x + u / 256)],
        ),
        Mistake(
            "alpha left out",
            _of_s(lambda v, alpha: v, lambda alpha: 1),
            "alpha has no effect: at v = 0 the logit is infinite.",
            forms=[_of_s(lambda v, alpha: v, lambda alpha: 1 - 2 * alpha)],
        ),
        Mistake(
            "alpha on one side",
            _of_s(lambda v, alpha: alpha + (1 - alpha) * v, lambda alpha: 1 - alpha),
            "v is moved away from 0, but not from 1. The margin alpha is needed on both sides.",
            forms=[
                _of_s(lambda v, alpha: alpha + (1 - alpha) * v, lambda alpha: 1 - 2 * alpha),
                _of_s(lambda v, alpha: alpha + v, lambda alpha: 1),
            ],
        ),
        Mistake(
            "alpha on the other side",
            _of_s(lambda v, alpha: (1 - 2 * alpha) * v, lambda alpha: 1 - 2 * alpha),
            "v is moved away from 1, but not from 0. The margin alpha is needed on both sides.",
            forms=[_of_s(lambda v, alpha: (1 - alpha) * v, lambda alpha: 1 - alpha)],
        ),
        Mistake(
            "clamped",
            _of_s(lambda v, alpha: v.clamp(alpha, 1 - alpha), lambda alpha: 1),
            "v is clamped, so many dark values become one, and no map leads back. The formula squeezes.",
            forms=[_of_s(lambda v, alpha: v.clamp(alpha, 1 - alpha), lambda alpha: 1 - 2 * alpha)],
        ),
        Mistake(
            "logit clipped",
            _logit_clipped(1e-6),
            "the logit cuts off what lies nearer than `eps` to 0 or 1, so many dark values become one. alpha keeps r inside: take no eps.",
            forms=[*(_logit_clipped(eps) for eps in _MARGINS[:7]), *(_logit_clipped(eps, True) for eps in _MARGINS[:7])],
        ),
        Mistake(
            "bracket of the logit",
            lambda x, u, alpha: (torch.full_like(u, -math.inf), _to_logits(x, u, alpha)[1]),
            "y is minus infinity everywhere: `r / 1 - r` divides by 1 and takes r away. 1 − r needs brackets.",
            forms=[
                lambda x, u, alpha: (
                    torch.full_like(u, -math.inf),
                    _slope_of(lambda s, v, a: (math.log(1 - 2 * a) - (s * 1 - s).log()).sum(1))(x, u, alpha)[1],
                )
            ],
        ),
        Mistake(
            "logit of v",
            lambda x, u, alpha: (torch.logit((x + u) / 256), _to_logits(x, u, alpha)[1]),
            "the logit is taken of v, which may be 0. It is applied to r, and r keeps a margin from both ends.",
        ),
        Mistake(
            "r for y",
            lambda x, u, alpha: (alpha + (1 - 2 * alpha) * (x + u) / 256, _to_logits(x, u, alpha)[1]),
            "y is r: it still lies between 0 and 1. Which function leads from there to the whole line?",
        ),
        Mistake(
            "logit turned round",
            lambda x, u, alpha: (-_to_logits(x, u, alpha)[0], _to_logits(x, u, alpha)[1]),
            "y has the wrong sign: bright pixels come out negative. Which of r and 1 − r stands above the other?",
        ),
        Mistake(
            "sigmoid for logit",
            _of_s(lambda v, alpha: alpha + (1 - 2 * alpha) * v, lambda alpha: 1 - 2 * alpha, torch.sigmoid),
            "y is a sigmoid. The logit is what undoes a sigmoid: it leads from (0, 1) to the whole line.",
            forms=[
                lambda x, u, alpha: (
                    (alpha + (1 - 2 * alpha) * (x + u) / 256).sigmoid(),
                    (
                        math.log(1 - 2 * alpha)
                        + (alpha + (1 - 2 * alpha) * (x + u) / 256).sigmoid().log()
                        + (1 - (alpha + (1 - 2 * alpha) * (x + u) / 256).sigmoid()).log()
                    ).sum(1),
                )
            ],
        ),
        Mistake(
            "odds",
            lambda x, u, alpha: (_to_logits(x, u, alpha)[0].exp(), _to_logits(x, u, alpha)[1]),
            "y is r / (1 − r), which is never negative. The logit is the logarithm of that.",
        ),
        Mistake(
            "log for logit",
            lambda x, u, alpha: (
                (alpha + (1 - 2 * alpha) * (x + u) / 256).log(),
                (math.log(1 - 2 * alpha) - (alpha + (1 - 2 * alpha) * (x + u) / 256).log()).sum(1),
            ),
            "y is log r. The logit is log r − log(1 − r).",
            forms=[_of_s(lambda v, alpha: alpha + (1 - 2 * alpha) * v, lambda alpha: 1 - 2 * alpha, torch.log)],
        ),
        Mistake(
            "factor of alpha forgotten",
            _slope_of(lambda s, v, alpha: (-s.log() - (1 - s).log()).sum(1)),
            "y is right, but the log-det lacks the first step: from v to r everything shrinks by 1 − 2·alpha.",
        ),
        Mistake(
            "factor of alpha once",
            _slope_of(lambda s, v, alpha: math.log(1 - 2 * alpha) + (-s.log() - (1 - s).log()).sum(1)),
            "y is right, but the factor 1 − 2·alpha is counted once. Every pixel is multiplied by it.",
        ),
        Mistake(
            "sign of the alpha factor",
            _slope_of(lambda s, v, alpha: (-math.log(1 - 2 * alpha) - s.log() - (1 - s).log()).sum(1)),
            "y is right, but in the log-det the factor 1 − 2·alpha has the wrong sign: this step squeezes.",
        ),
        Mistake(
            "logit forgotten",
            _slope_of(lambda s, v, alpha: (0 * s + math.log(1 - 2 * alpha)).sum(1)),
            "y is right, but the log-det knows the first step alone. The logit stretches too, most near 0 and 1.",
        ),
        Mistake(
            "sign of the logit",
            _slope_of(lambda s, v, alpha: (math.log(1 - 2 * alpha) + s.log() + (1 - s).log()).sum(1)),
            "y is right, but the log-det has the slope of the sigmoid for that of the logit. Each is one over the other.",
        ),
        Mistake(
            "one side of the logit",
            _slope_of(lambda s, v, alpha: (math.log(1 - 2 * alpha) - s.log()).sum(1)),
            "y is right, but half of the logit's slope is missing: it is 1 / (r · (1 − r)).",
            forms=[
                _slope_of(lambda s, v, alpha: (math.log(1 - 2 * alpha) - (1 - s).log()).sum(1)),
                _slope_of(lambda s, v, alpha: (math.log(1 - 2 * alpha) - s.log() + (1 - s).log()).sum(1)),
            ],
        ),
        Mistake(
            "slope at v",
            _slope_of(lambda s, v, alpha: (math.log(1 - 2 * alpha) - v.log() - (1 - v).log()).sum(1)),
            "y is right, but the slope of the logit is taken at v. The logit is applied to r.",
            forms=[_slope_of(lambda s, v, alpha: (-v.log() - (1 - v).log()).sum(1))],
        ),
        Mistake(
            "slope without log",
            _slope_of(lambda s, v, alpha: ((1 - 2 * alpha) / (s * (1 - s))).sum(1)),
            "y is right, but the slopes are added up for the log-det. The determinant is their product: what is the logarithm of that?",
            forms=[_slope_of(lambda s, v, alpha: ((1 - 2 * alpha) / (s * (1 - s))).prod(1))],
        ),
        Mistake(
            "log of the summed slopes",
            _slope_of(lambda s, v, alpha: ((1 - 2 * alpha) / (s * (1 - s))).sum(1).log()),
            "y is right, but for the log-det the slopes are added up before the logarithm. The determinant is their product.",
        ),
        Mistake(
            "product, then log",
            _slope_of(lambda s, v, alpha: ((1 - 2 * alpha) / (s * (1 - s))).float().prod(1).log()),
            "y is right, and the log-det too for a few pixels. The product of the slopes of a whole image is infinite or 0 on a "
            "computer: add up logarithms.",
            forms=[
                _slope_of(lambda s, v, alpha: -(s * (1 - s) / (1 - 2 * alpha)).float().prod(1).log()),
                _slope_of(lambda s, v, alpha: math.log(1 - 2 * alpha) * s.shape[1] - (s * (1 - s)).float().prod(1).log()),
            ],
        ),
        Mistake(
            "sizes of the logs",
            _slope_of(lambda s, v, alpha: _log_slope(s, alpha).abs().sum(1)),
            "y is right, but an absolute value is taken of the logarithms. With a large alpha the map squeezes, and that counts as "
            "negative.",
            forms=[_slope_of(lambda s, v, alpha: _log_slope(s, alpha).sum(1).abs())],
        ),
        Mistake(
            "sign of the log-det",
            _slope_of(lambda s, v, alpha: -_log_slope(s, alpha).sum(1)),
            "y is right, but the log-det is that of the way back, from y to v.",
        ),
        Mistake(
            "256 in the log-det",
            _slope_of(lambda s, v, alpha: (_log_slope(s, alpha) - math.log(256)).sum(1)),
            "y is right, but the log-det counts the division by 256 too. It is that of v → y; the 256 comes in 5b.",
            forms=[_slope_of(lambda s, v, alpha: (_log_slope(s, alpha) + math.log(256)).sum(1))],
        ),
        Mistake(
            "bits",
            _slope_of(lambda s, v, alpha: _log_slope(s, alpha).sum(1) / LOG_2),
            "y is right, but the log-det is in bits. Nats are asked for; bits come in 5b.",
        ),
        Mistake(
            "log-det averaged",
            _slope_of(lambda s, v, alpha: _log_slope(s, alpha).mean(1)),
            "y is right, but the log-det is a mean over the pixels. A log-determinant is a sum.",
        ),
        Mistake(
            "log-det for each pixel",
            _slope_of(lambda s, v, alpha: _log_slope(s, alpha)),
            "y is right, but the log-det has a number for each pixel. Add up those of an image.",
        ),
        Mistake(
            "summed over the batch",
            _slope_of(lambda s, v, alpha: _log_slope(s, alpha).sum(0)),
            "y is right, but the log-det is summed over the images: axis 0 counts them. Each image has a log-det of its own.",
        ),
        Mistake(
            "log-det for the whole batch",
            _slope_of(lambda s, v, alpha: _log_slope(s, alpha).sum()),
            "y is right, but the log-det is one number. Each image has its own.",
            forms=[_slope_of(lambda s, v, alpha: _log_slope(s, alpha).mean())],
        ),
    ],
)


def _bits_per_dim(log_p, log_det, dims):
    """Through the probability of one pixel: the mean one that D pixels have, in bits."""
    log_bin = log_p + log_det + dims * torch.tensor(1 / 256, dtype=log_p.dtype).log()
    return -(log_bin / dims) / torch.tensor(2.0, dtype=log_p.dtype).log()


BITS = Task(
    "bits_per_dim",
    _bits_per_dim,
    cases=[
        (torch.tensor([-4100.0, -3900.5, -4210.0]), torch.tensor([6230.0, 5890.0, 6011.5]), 784),
        (torch.tensor([-3.0, 1.5]), torch.tensor([4.0, 9.0]), 2),
        (torch.tensor([-70.0, -88.0, -95.0, -61.0]), torch.tensor([140.0, 131.0, 155.0, 160.0]), 64),
    ],
    hidden_cases=[
        (torch.tensor([-4400.0, -4000.0]), torch.tensor([6100.0, 6350.0]), 1024),
        (torch.tensor([-2.0, 0.5, -7.5]), torch.tensor([1.0, 8.0, 3.0]), 3),
    ],
    mistakes=[
        Mistake(
            "bracket of the denominator",
            lambda p, d, n: -(p + d) - n * math.log(256) / (n * LOG_2),
            "only the second part is divided: a division comes before a subtraction. The whole of log p(v) − D·log 256 needs brackets.",
            forms=[
                lambda p, d, n: -(p + d) + 8,
                lambda p, d, n: -((p + d) - n * math.log(256) / (n * LOG_2)),
                lambda p, d, n: -p + d - n * math.log(256) / (n * LOG_2),
            ],
        ),
        Mistake(
            "log2 of the log density",
            lambda p, d, n: -((p + d).log2() - n * 8) / n,
            "a logarithm is taken of log_p + log_det, which are logarithms already. From nats to bits it is a division.",
            forms=[
                lambda p, d, n: -((p + d).log() - n * math.log(256)) / (n * LOG_2),
                lambda p, d, n: -((p + d).log2() - n * math.log(256)) / n,
                lambda p, d, n: -(p.log2() + d.log2() - n * 8) / n,
            ],
        ),
        Mistake(
            "minus before log p alone",
            lambda p, d, n: (-p + d - n * math.log(256)) / (n * LOG_2),
            "the minus stands before log_p alone. It belongs to the whole numerator: all three terms change their sign.",
        ),
        Mistake(
            "784 for D",
            lambda p, d, n: -(p + d - 784 * math.log(256)) / (784 * LOG_2),
            "right for 784 pixels only: the images of other cases have another number, `dims`.",
            forms=[
                lambda p, d, n: -(p + d - n * math.log(256)) / (784 * LOG_2),
                lambda p, d, n: -(p + d - 784 * math.log(256)) / (n * LOG_2),
            ],
        ),
        Mistake(
            "batch for D",
            lambda p, d, n: -(p + d - len(p) * math.log(256)) / (len(p) * LOG_2),
            "the number of images stands for the number of pixels, which is `dims`.",
        ),
        Mistake(
            "nats",
            lambda p, d, n: -(p + d) / n + math.log(256),
            "right in nats. Bits are asked for: how many nats has a bit?",
        ),
        Mistake(
            "multiplied by log 2",
            lambda p, d, n: (-(p + d) / n + math.log(256)) * LOG_2,
            "it is multiplied by log 2. A bit is log 2 ≈ 0.69 nats, so there are more bits than nats.",
        ),
        Mistake(
            "2 for log 2",
            lambda p, d, n: (-(p + d) / n + math.log(256)) / 2,
            "it is divided by 2. A bit is log 2 nats, not 2.",
        ),
        Mistake(
            "multiplied by D",
            lambda p, d, n: (-(p + d) + n * math.log(256)) / LOG_2 * n,
            "it is multiplied by D. In a / b * c the c stands above the line: the denominator needs brackets.",
            forms=[lambda p, d, n: (-(p + d) + n * math.log(256)) / n * LOG_2 * n],
        ),
        Mistake(
            "another base",
            lambda p, d, n: (-(p + d) / n + math.log10(256)) / math.log10(2),
            "some logarithms have the base 10. log_p and log_det are natural ones, so log 256 and log 2 are too.",
            forms=[
                lambda p, d, n: (-(p + d) / n + math.log(256)) / math.log10(2),
                lambda p, d, n: (-(p + d) / n + math.log10(256)) / LOG_2,
            ],
        ),
        Mistake(
            "width of the bin forgotten",
            lambda p, d, n: -(p + d) / (n * LOG_2),
            "too small by 8 bits: this is a density of v. The probability of a value is that times the width of its bin, in every pixel.",
        ),
        Mistake(
            "sign of the 8 bits",
            lambda p, d, n: -(p + d) / (n * LOG_2) - 8,
            "16 bits too small: the bin is narrow, so a value is less likely than the density says, and that costs bits.",
        ),
        Mistake(
            "255 for 256",
            lambda p, d, n: (-(p + d) / n + math.log(255)) / LOG_2,
            "a little too small: 255 bins are counted. Pixels take 256 values, 0 among them.",
        ),
        Mistake(
            "bin counted once",
            lambda p, d, n: -(p + d - math.log(256)) / (n * LOG_2),
            "the width of the bin is counted for one pixel. Each of the D pixels has one.",
        ),
        Mistake(
            "8 nats",
            lambda p, d, n: (-(p + d) / n + 8) / LOG_2,
            "8 is added to nats and then turned into bits with the rest. log 256 is 8 bits, but it is not 8 nats.",
            forms=[
                lambda p, d, n: -(p + d - 8 * n) / (n * LOG_2),
                lambda p, d, n: -(p + d) / n + 8,
                lambda p, d, n: -(p + d) / (n * LOG_2) + math.log(256),
            ],
        ),
        Mistake(
            "256 for 8",
            lambda p, d, n: -(p + d) / (n * LOG_2) + 256,
            "256 stands where its logarithm belongs.",
            forms=[lambda p, d, n: (-(p + d) / n + 256) / LOG_2],
        ),
        Mistake(
            "log-det left out",
            lambda p, d, n: (-p / n + math.log(256)) / LOG_2,
            "log_det has no effect: this takes the density of y for that of v. y is stretched.",
        ),
        Mistake(
            "log-det subtracted",
            lambda p, d, n: (-(p - d) / n + math.log(256)) / LOG_2,
            "log_det has the wrong sign. y is stretched, so the points of v lie closer together than those of y.",
        ),
        Mistake(
            "sign",
            lambda p, d, n: ((p + d) / n - math.log(256)) / LOG_2,
            "negative where it should be positive: this is a mean log-probability. Bits are what it costs.",
            forms=[lambda p, d, n: ((p + d) / n + math.log(256)) / LOG_2],
        ),
        Mistake(
            "whole image",
            lambda p, d, n: (-(p + d) + n * math.log(256)) / LOG_2,
            "these are the bits of the whole image. They are shared by its D pixels.",
        ),
        Mistake(
            "dims on one part",
            lambda p, d, n: (-p / n - d + math.log(256)) / LOG_2,
            "only one of the two is divided by D. Both log_p and log_det belong to the whole image.",
            forms=[
                lambda p, d, n: (-p - d / n + math.log(256)) / LOG_2,
                lambda p, d, n: -(p + d) / LOG_2 + 8,
                lambda p, d, n: -(p + d / n - n * math.log(256)) / (n * LOG_2),
                lambda p, d, n: -(p / n + d - n * math.log(256)) / (n * LOG_2),
            ],
        ),
        Mistake(
            "one number",
            lambda p, d, n: ((-(p + d) / n + math.log(256)) / LOG_2).mean(),
            "one number for the batch. Each image has its own.",
            forms=[lambda p, d, n: ((-(p + d) / n + math.log(256)) / LOG_2).sum()],
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 6 · Outsiders

SCORES = ("likelihood", "ratio", "complexity", "typicality")


def _auroc(insiders: Tensor, outsiders: Tensor) -> float:
    """The share of pairs in which the outsider has the higher score; a tie counts half."""
    pairs = outsiders[:, None] - insiders
    return float((pairs > 0).double().mean() + (pairs == 0).double().mean() / 2)


@torch.no_grad()
def measure(detector, digits: Tensor, outsiders: Mapping[str, Tensor]) -> dict[str, float]:
    """How well a detector tells outsiders from digits: the AUROC of blank images, of blurred ones, and the worst of the others.

    detector: has `score`, images (n, 64) → (n,), high for an outsider, `log_p`, images → (n,) nats, `seen`, the median log p of the images
        that it was trained on, and `layers`
    digits: (n, 64), unseen digits
    outsiders: images (m, 64) by kind: "blank", "blurred" and others

    Besides: `least`, the lowest score of a digit, `gap`, by how many nats the median log p is lower on them than on the seen
    images, and `layers`.
    """
    inside = detector.score(digits).double()
    auroc = {kind: _auroc(inside, detector.score(x).double()) for kind, x in outsiders.items()}
    reached = {kind: auroc.pop(kind) for kind in ("blank", "blurred")} | {"others": min(auroc.values())}
    gap = detector.seen - float(detector.log_p(digits).double().median())
    return reached | {"least": float(inside.min()), "gap": gap, "layers": len(detector.layers)}


OUTSIDERS = Goal(
    "outsiders",
    {"blank": 0.86, "blurred": 0.85, "others": 0.92},
    slack={"blank": 0.04, "blurred": 0.04, "others": 0.03},
    settings=("score", "noise", "layers", "steps"),
    rules={
        "score": (lambda value: value in SCORES, f"{', '.join(map(repr, SCORES[:-1]))} or {SCORES[-1]!r}"),
        "noise": (lambda value: is_number(value, 0) and 0 < value <= 1, "a number above 0, at most 1"),
        "layers": (lambda value: is_whole(value, range(1, 11)), "a whole number from 1 to 10"),
        "steps": (lambda value: is_whole(value, range(1, 701)), "a whole number from 1 to 700"),
    },
    mistakes=[
        Mistake(
            "likelihood",
            lambda m: m["blank"] < 0.5 and m["least"] > 20,
            "The flow finds a blank image likelier than nearly every digit, so a detector that waits for a low likelihood lets it pass. "
            "What is unusual about its likelihood all the same?",
        ),
        Mistake(
            "ratio",
            lambda m: m["blank"] < 0.5,
            "Blank images pass: a noisy background explains them worse still than the flow of digits does, so the ratio speaks for them. A "
            "background flow helps against other outsiders.",
        ),
        Mistake(
            "complexity",
            lambda m: m["least"] < -10,
            "Blank images are caught, since they compress so well. But a compressor knows no digits: an image that it finds as hard as a "
            "digit, or harder, passes. Look at which kind fails.",
        ),
        Mistake(
            "overfitted",
            lambda m: m["gap"] > 4 and m["blank"] < 0.86,
            "The flow knows its training digits by heart: on new ones log p is far lower, so that its median over the seen ones is no "
            "longer typical of digits. Stop earlier, or take fewer layers.",
        ),
        Mistake(
            "too few layers",
            lambda m: m["layers"] < 5,
            "The score sees both sides, but this flow bends space too little to tell a digit from its blur. What would let it bend more?",
        ),
        Mistake(
            "trained too short",
            lambda m: True,
            "Score and flow could do it, but the flow has not learned enough of what makes a digit: look at how much its steps still gain.",
        ),
    ],
)

TASKS: tuple[Task | Goal, ...] = (LOG_DENSITY, COUPLE, UNCOUPLE, TRIANGULAR, LIKELIHOOD, MIX, UNMIX, LOGITS, BITS, OUTSIDERS)
