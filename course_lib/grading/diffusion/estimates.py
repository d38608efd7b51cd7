"""Exercise 06, task 3a: two estimates that fit."""

import math

from course_lib.grading import Task, grid


def estimates(x_t, noise, alpha_bar):
    a, b = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    clean = (x_t - b * noise) / a
    x = clean.clamp(-1, 1)
    left = (x_t - a * x) / b
    return x, left


def truth(x_t, noise, alpha_bar):
    """The noise is held between those that make x 1 and −1."""
    a, b = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    held = noise.clip((x_t - a) / b, (x_t + a) / b)
    return (x_t - b * held) / a, held


ESTIMATES = Task(
    estimates,
    truth,
    results=("x", "noise"),
    cases=[
        (grid(4, 3), 1.8 * (3 * grid(4, 3)).cos(), 0.4),
        (grid(2, 1, 3, 3), 2.2 * (7 * grid(2, 1, 3, 3)).sin(), 0.85),
        (grid(5, 2), -grid(5, 2), 0.1),
    ],
    mistakes="""
noise as it came: x is right, but the noise is the network's. Where x was clipped the two no longer make x_t.
    return x, left -> return x, noise
not clipped: x leaves [−1, 1]. No pixel does, and the error would grow from step to step: clip it.
    .clamp(-1, 1) -> {|; x, left -> x, noise.clamp(-1, 1)}
clipped at 0: x is clipped to [0, 1]. The data lie in [−1, 1].
    (-1, 1) -> (0, 1) {|; x, left -> x, noise}
clipped at one end: x is clipped at one end only. It can leave [−1, 1] at both.
    (-1, 1) -> ({max=1|min=-1}) {|; x, left -> x, noise}
squashed: x is squashed, so that values inside [−1, 1] change too. They should stay as they are.
    clean.clamp(-1, 1) -> {clean.tanh()|clean.sigmoid()|2 * (clean - clean.min()) / (clean.max() - clean.min()) - 1}
    .clamp(-1, 1) -> / clean.abs().max(){|.clamp(min=1)}
clipped before dividing: √ᾱ x is clipped, before the division. It is x that must stay in [−1, 1].
    (x_t - b * noise) -> (x_t - b * noise).clip(-1, 1) ; .clamp(-1, 1) -> {|; x, left -> x, noise}
ᾱ for α: a factor is off: x_t holds √ᾱ of x and √(1 − ᾱ) of the noise. A root is missing, or stands over the wrong thing.
    (x_t - b * noise) / a -> (x_t - {b * noise) / a**2|b**2 * noise) / a|b**2 * noise) / a**2|(1 - a) * noise) / a}
    (alpha_bar), math.sqrt(1 - alpha_bar) -> (alpha_bar){, 1 - math.sqrt(alpha_bar)|, 1 - alpha_bar|**2, 1 - alpha_bar}
½ outside the power: powers come before divisions: `a**1/2` is half of a. The root is `a**(1/2)`, or `a**0.5`.
    math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar) -> {alpha_bar**1/2, (1 - alpha_bar)**1/2|math.sqrt(alpha_bar), (1 - alpha_bar)**1/2}
x_t clipped: x_t is clipped. It holds noise, and may lie anywhere; only x must stay in [−1, 1].
    (x_t - b * noise) -> (x_t.clip(-1, 1) - b * noise{|.clip(-1, 1)})
    (x_t - b * noise) -> (x_t.clip(-1, 1) - b * noise) ; {(x_t - a * x) -> (x_t.clip(-1, 1) - a * x)|x, left -> x, noise}
noise clipped first: the network's noise is clipped before x is found. It may be as large as it likes; only x must stay in [−1, 1].
    b * noise -> b * noise.clip(-1, 1) {|; x, left -> x, noise|; x, left -> x, noise.clip(-1, 1)}
noise added: the noise is added once more. To get back to the data it must be taken away.
    x_t - b * noise -> x_t + b * noise
half divided: only one of two parts is divided. All of the difference stands above the line: it needs brackets.
    {(x_t - b * noise) / a -> x_t - b * noise / a|(x_t - b * noise) / a -> x_t / a - b * noise|(x_t - a * x) / b -> x_t - a * x / b}
not scaled up: the noise is taken away, but the data in x_t are weaker than x: what were they multiplied by?
    (x_t - b * noise) / a -> (x_t - b * noise){| * a}
all noise taken away: the noise is taken away in full. In x_t it is scaled.
    (x_t - b * noise) / a -> (x_t - noise){| / a}
data and noise exchanged: the factors of x and of the noise are exchanged.
    (x_t - b * noise) / a -> (x_t - a * noise) / b
noise not divided: x is right, and this is what is left of x_t. It is the noise times its factor, not the noise.
    (x_t - a * x) / b -> (x_t - a * x){| / b**2| / a}
noise from all of x: x is right, but in the noise x is taken away in full, or with ᾱ. In x_t it has the factor √ᾱ.
    (x_t - a * x) / b -> (x_t - {x) / b|x)|a**2 * x) / b|a**2 * x) / b**2}
mixed again: x is right, but then it is mixed with the noise again. Which noise makes x_t together with x? Solve for it.
    (x_t - a * x) / b -> a * x + b * noise
noise negative: x is right, but the noise has the wrong sign.
    (x_t - a * x) / b -> (a * x - x_t) / b
noise clipped: x is right, but the noise is clipped. Noise may be as large as it likes; it should fit x and x_t.
    left = (x_t - a * x) / b -> left = {noise.clip(-1, 1)|((x_t - a * x) / b).clip(-1, 1)}
order: x and the noise are exchanged.
    x, left -> left, x
""",
)
