"""Exercise 06, task 1b: the cosine schedule."""

import math

import torch
from torch import Tensor

from course_lib.grading import Task


def cosine_schedule(t, offset, least):
    def f(t):
        angle = (t + offset) / (1 + offset) * math.pi / 2
        return torch.cos(angle) ** 2

    ratio = f(t) / f(0 * t)
    bar = ratio.clamp(min=least)
    snr = bar / (1 - bar)
    return bar, snr


def truth(t, offset, least):
    """By the double angle: cos² θ = (1 + cos 2θ) / 2."""
    end = 1 + math.cos(offset / (1 + offset) * math.pi)
    bar = ((1 + torch.cos((t + offset) / (1 + offset) * math.pi)) / end).clamp(min=least)
    return bar, bar / (1 - bar)


class Schedules(Task):
    """Where an SNR is beyond 5, 2 % are near enough: in float32 a number next to 1 leaves few digits to 1 − ᾱ. No ᾱ is above 1."""

    def _same(self, x, y):
        if isinstance(x, Tensor) and isinstance(y, Tensor) and x.shape == y.shape and x.is_floating_point() and y.is_floating_point():
            x = torch.where((y.abs() > 5) & ((x - y).abs() < 0.02 * y.abs()), y.to(x), x)
        return super()._same(x, y)


COSINE = Schedules(
    cosine_schedule,
    truth,
    results=("ᾱ", "SNR"),
    any_float=True,
    cases=[
        (torch.tensor([0.2, 0.45, 0.7, 1.0]), 0.1, 0.002),
        (torch.tensor([0.3, 1.0, 0.92, 0.5]), 0.05, 0.003),
        (torch.tensor([0.08, 0.6, 0.95]), 0.1, 0.06),
        (torch.tensor([1e-3, 0.5], dtype=torch.float64), 0.008, 1e-4),
        (torch.tensor([[0.4, 0.9, 1.0], [0.75, 0.3, 0.6]]), 0.06, 0.005),
        (torch.tensor(0.65), 0.1, 0.002),
    ],
    mistakes="""
not divided by f(0): ᾱ is not 1 at t = 0: f(t) is not divided by f(0).
    / f(0 * t) ->
not squared: the cosine is not squared: this is α. ᾱ is its square.
    {) ** 2 -> )|clamp(min=least) -> clamp(min=least).sqrt()}
α beside the SNR of ᾱ: the SNR is that of ᾱ, but what stands beside it is α. ᾱ is its square.
    return bar -> return {bar.sqrt()|ratio.sqrt().clamp(min=least)}
    bar = ratio -> bar = ratio.sqrt() ; bar / (1 - bar) -> bar**2 / (1 - bar**2)
f(0) not squared: f(0) is a cosine without its square. f is the same function in both places.
    f(0 * t) -> f(0 * t).sqrt()
a whole turn too far: the angle runs to π, and ᾱ rises again in the second half. Where does the cosine reach 0 for the first time?
    math.pi / 2 -> math.pi
1 + offset left out: t + offset is not divided by 1 + offset: at t = 1 the angle has passed π/2.
    / (1 + offset) ->
offset left out: the offset plays no part. It is there so that the first steps do not add too little noise.
    (t + offset) / (1 + offset) -> t{| / (1 + offset)}
sine: ᾱ rises from 0 to 1: this is the share of the noise. That of the data is asked for.
    ratio.clamp(min=least) -> {(1 - ratio).clamp|1 - ratio.clamp}(min=least)
sine for cosine: a sine stands where the cosine belongs: f should fall as t grows.
    torch.cos(angle) -> torch.sin(angle)
multiplied by f(0): f(t) is multiplied by f(0) where it should be divided by it.
    / f(0 * t) -> * f(0 * t)
not held above least: at t = 1 ᾱ falls to 0, and a sampler that divides by its root gets ∞. Hold it at `least` or above.
    .clamp(min=least) -> {|; bar / (1 - bar) -> (bar / (1 - bar)).clamp(min=least)}
SNR before the floor: ᾱ is right, but the SNR belongs to another ᾱ, the one before it was held above `least`.
    bar / (1 - bar) -> {ratio / (1 - ratio)|(ratio / (1 - ratio)).clamp(min=least)|bar / (1 - ratio)}
held below too: ᾱ has an upper limit, or 1 − ᾱ a lower one. Only ᾱ has a limit, `least`, from below: t is above 0 here, so 1 − ᾱ is never 0.
    clamp(min=least) -> clamp(least, {1 - least|0.9|0.95|0.98|0.99|0.995|0.998|0.999|0.9995|0.9999})
    / (1 - bar) -> / (1 - bar{).clamp(min=1e-4|).clamp(min=1e-3|).clamp(min=1e-2|).clamp(min=least| + 1e-5| + 1e-4| + 1e-3})
    bar / (1 - bar) -> bar.clamp(max=1 - least) / (1 - bar.clamp(max=1 - least))
least added: `least` is added everywhere. Only what lies below it should change.
    ratio.clamp(min=least) -> {ratio + least|(ratio + least).clamp(max=1)|least + (1 - least) * ratio}
least as the most: ᾱ is held below `least`. It should be held above: minimum and maximum are easily confused.
    min=least -> max=least
floor before dividing: f is held above `least` before it is divided by f(0). It is ᾱ, the quotient, that should be.
    ratio = f(t) -> ratio = f(t).clamp(least) ; .clamp(min=least) ->
offset fixed: the offset is fixed at 0.008, as in the paper. Here it is given.
    (t + offset) / (1 + offset) -> (t + 0.008) / 1.008
brackets: something has left its brackets: all of t + offset is divided by all of 1 + offset, and it is the cosine that is squared.
    (t + offset) / (1 + offset) -> {t + offset / (1 + offset)|(t + offset / 1 + offset)|(t + offset) / 1 + offset}
    (angle) ** 2 -> (angle**2)
f of the first time: f(t) is divided by f at one of the times given, the first or the least of them. f(0) is f at t = 0.
    f(0 * t) -> f({t.flatten()[0]|t.min()})
multiplied up: ᾱ is multiplied up over the times. The quotient f(t)/f(0) is ᾱ already.
    .clamp(min=least) -> {.cumprod(0).clamp(min=least)|.cumprod(-1).clamp(min=least)}
    bar = ratio.clamp(min=least) -> bar = ratio.clamp(min=least).cumprod({0|-1})
SNR without brackets: ᾱ is right, and the SNR is 0 everywhere. Python divides before it subtracts: 1 − ᾱ needs brackets.
    (1 - bar) -> 1 - bar
SNR of amplitudes: ᾱ is right, and the SNR is α/σ, a ratio of amplitudes. It is the ratio of the variances.
    bar / (1 - bar) -> (bar / (1 - bar)).sqrt()
SNR squared: ᾱ is right, and the SNR is squared once too often: ᾱ is a square already.
    bar / (1 - bar) -> {(bar / (1 - bar)) ** 2|bar**2 / (1 - bar**2)}
SNR upside down: ᾱ is right, and the SNR is upside down: the signal stands above the noise.
    bar / (1 - bar) -> (1 - bar) / bar
logarithm: ᾱ is right, and this is the logarithm of the SNR. The ratio itself is asked for.
    bar / (1 - bar) -> {(bar / (1 - bar)).log()|10 * (bar / (1 - bar)).log10()|0.5 * (bar / (1 - bar)).log()}
root in the SNR: ᾱ is right, but in the SNR a root stands above or below and none on the other side. Both are variances.
    bar / (1 - bar) -> {bar.sqrt() / (1 - bar)|bar / (1 - bar).sqrt()|bar.sqrt() / (1 - bar.sqrt())}
order: ᾱ and the SNR are exchanged.
    bar, snr -> snr, bar
""",
)
