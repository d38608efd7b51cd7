"""Exercise 09, task 3: rotary positions."""

import cmath

import torch

from course_lib.grading import Task, grid


def rotate(x, start):
    time, d = x.shape[-2:]
    half = d // 2
    speed = 10_000.0 ** (-2 * torch.arange(half) / d)
    place = torch.arange(start, start + time)
    angle = place[:, None] * speed
    cos, sin = angle.cos(), angle.sin()
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


def truth(x, start):
    """Place by place and pair by pair, as complex numbers: to turn is to multiply by exp(iθ)."""
    rows, d = x.reshape(-1, *x.shape[-2:]).tolist(), x.shape[-1]
    for row in rows:
        for t, numbers in enumerate(row):
            for i in range(d // 2):
                turned = complex(numbers[i], numbers[i + d // 2]) * cmath.exp(1j * (start + t) * 10_000 ** (-2 * i / d))
                numbers[i], numbers[i + d // 2] = turned.real, turned.imag
    return torch.tensor(rows).reshape(x.shape)


ROTATE = Task(
    rotate,
    cases=[
        ((3 * grid(2, 2, 4, 6)).sin(), 0),
        ((4 * grid(2, 3, 2, 4)).cos(), 5),
        ((5 * grid(3, 5, 8)).sin(), 2),
        ((2 * grid(2, 1, 1, 2)).cos().double(), 3),
    ],
    gradient=("x",),
    tolerance=1e-3,  # a wrong angle may be large, and its sine in float32 is then no better
    mistakes="""
start ignored: right where the text begins, but with a cache the first place of x is not the first of the text: it stands at position `start`.
    torch.arange(start, start + time) -> torch.arange(time)
start twice: right for a start of 0. Otherwise it counts twice: `arange(start, …)` begins at `start` by itself.
    torch.arange(start, start + time) -> start + torch.arange(start, start + time)
counted down: positions fall from place to place. The first place of x stands at `start`, the next at `start` + 1.
    torch.arange(start, start + time) -> torch.arange(start, start + time).flip(0)
    torch.arange(start, start + time) -> torch.arange(start, start - time, -1)
counted from 1: each position is one too large: the first place of x stands at `start` itself.
    torch.arange(start, start + time) -> torch.arange(start + 1, start + time + 1)
same place for all: all places are turned as the first one is. Each has its own position.
    torch.arange(start, start + time) -> torch.full((time,), start)
exponent halved: the angles fall too slowly from pair to pair. Look at the exponent: is the 2 there?
    (-2 * torch -> (-torch
exponent doubled: the angles fall too fast from pair to pair: the exponent is divided by half of d, or i counts in twos and is doubled once more.
    {(-2 * torch.arange(half) -> (-2 * torch.arange(0, d, 2)|arange(half) / d -> arange(half) / half}
exponent not divided by d: the exponent is not divided by d: from the second pair on hardly anything turns.
    {arange(half) / d -> arange(half)|-2 * torch.arange(half) / d -> -torch.arange(half)|-2 * torch.arange(half) / d -> -1.0 * torch.arange(0, d, 2)}
exponent positive: the angles grow from pair to pair, by a minus that is missing: the last pair turns slowest.
    (-2 * -> (2 *
exponent from 1: right but for i, which is one too large: i is 0 for the first pair.
    torch.arange(half) / d -> torch.arange(1, half + 1) / d
another base: the angles fall too slowly or too fast from pair to pair: the base is 10,000.
    10_000.0 -> {1_000.0|100_000.0|500_000.0|10.0|2.0}
last exponent −1: the exponents run from 0 to −1 itself. i ends at d/2 − 1, so the last one is −1 + 2/d.
    (-2 * torch.arange(half) / d) -> (-torch.linspace(0, 1, half))
no power: an angle is the position times i. The power of 10,000 is not there.
    10_000.0 ** (-2 * torch.arange(half) / d) -> {torch.arange(half)|torch.arange(1, half + 1)|-2 * torch.arange(half) / d|2 * torch.arange(half) / d}
position in the power: the position goes into the power as well, and at position 0 the angle is ∞, whose sine is NaN. Only 10,000 gets the exponent.
    place[:, None] * speed -> (place[:, None] * 10_000.0) ** (-2 * torch.arange(half) / d)
logarithm left out: the base is e. exp wants the logarithm of 10,000 beside the exponent.
    10_000.0 ** (-2 * torch.arange(half) / d) -> torch.exp(-2 * torch.arange(half) / d)
one speed for all: all pairs turn by the same angle. From pair to pair it should fall.
    10_000.0 ** (-2 * torch.arange(half) / d) -> torch.ones(half)
speeds reversed: the first pair turns slowest. It should be the fastest, with an angle of 1 from place to place.
    place[:, None] * speed -> place[:, None] * speed.flip(0)
neighbours paired: neighbours are turned together, x₀ with x₁. The formula pairs entry i with entry i + d/2.
    x[..., :half], x[..., half:] -> x[..., ::2], x[..., 1::2] ; torch.cat([ -> torch.stack([ ; b * cos], -1) -> b * cos], -1).flatten(-2)
halves mixed up: the pairs are taken in one way and put back in another: halves there, neighbours here. The formula has halves on both sides.
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1) -> angle = angle.repeat_interleave(2, -1); return x * angle.cos() + torch.cat([-b, a], -1) * angle.sin()
    {x[..., :half], x[..., half:] -> x[..., ::2], x[..., 1::2]|torch.cat([ -> torch.stack([ ; b * cos], -1) -> b * cos], -1).flatten(-2)}
other way round: the pairs turn the other way: which of the two sines has the minus?
    a * cos - b * sin, a * sin + b * cos -> a * cos + b * sin, b * cos - a * sin
no minus: neither sine has a minus. This is no turn: the length of a pair changes.
    a * cos - b * sin -> a * cos + b * sin
two minus signs: both sines have a minus. This is no turn: the length of a pair changes.
    a * sin + b * cos -> b * cos - a * sin
mirrored: the second half has the wrong sign: pairs are turned and mirrored.
    {a * sin + b * cos -> a * sin - b * cos|a * sin + b * cos -> -a * sin - b * cos|a * cos - b * sin -> b * sin - a * cos}
sine and cosine exchanged: sine and cosine are exchanged: at position 0 nothing should turn.
    cos, sin = angle.cos(), angle.sin() -> sin, cos = angle.cos(), angle.sin()
new half used too early: the second half is computed from the first one after that was turned. Both need the halves as they came.
    return torch.cat([a * cos - b * sin, -> a = a * cos - b * sin; return torch.cat([a,
first half alone: one half is turned and the other left as it was. A turn changes both.
    {a * sin + b * cos], -> b],|torch.cat([a * cos - b * sin, -> torch.cat([a,}
halves exchanged: the halves come back in the wrong order.
    [a * cos - b * sin, a * sin + b * cos] -> [a * sin + b * cos, a * cos - b * sin]
added: sines and cosines are added to x, as sinusoidal positions are. Rotary positions turn x.
    torch.cat([a * cos - b * sin, a * sin + b * cos], -1) -> x + torch.cat([{sin, cos|cos, sin}], -1)
multiplied entry by entry: each entry is multiplied by a sine or cosine alone. In a turn the two of a pair mix.
    {a * cos - b * sin, a * sin + b * cos -> a * cos, b * {sin|cos}|a * cos - b * sin, a * sin + b * cos -> a * cos, a * sin|a * cos - b * sin, a * sin + b * cos -> a * cos + a * sin, b * cos + b * sin|a * cos - b * sin, a * sin + b * cos -> a * cos - a * sin, b * cos + b * sin}
heads for places: the angle grows along another axis than time. Time is the last axis but one.
    angle = place[:, None] * speed -> angle = torch.arange(start, start + x.shape[-3])[:, None, None] * speed
degrees: degrees come in. The formula's angle is in radians, and so `cos` and `sin` of torch want it.
    angle = place[:, None] * speed -> angle = (place[:, None] * speed).{deg2rad|rad2deg}()
full turns: the angle is multiplied by 2π, which the formula does not have.
    place[:, None] * speed -> 2 * math.pi * place[:, None] * speed
""",
)
