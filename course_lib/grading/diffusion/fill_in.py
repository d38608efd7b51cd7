"""Exercise 06, task 5b: fill in what is hidden."""

import itertools
import math

import torch

from course_lib.grading import Task, grid
from course_lib.grading.diffusion.posterior import CHAIN
from course_lib.grading.fixtures import Draws, Mixer

CROSS = torch.tensor([[True, False, True], [False, False, True]])
LEFT = torch.tensor([[True, False], [True, False], [True, False]])


def fill_in(step, x, known, mask, alpha_bar, times, randn):
    for t, s in zip(times, times[1:]):
        x = step(x, t, s)
        bar = alpha_bar[s]
        fresh = randn(known.shape)
        there = bar.sqrt() * known + (1 - bar).sqrt() * fresh
        x = torch.where(mask, there, x)
    return x


def truth(step, x, known, mask, alpha_bar, times, randn):
    """Number by number."""
    for i in range(1, len(times)):
        alpha, sigma = math.sqrt(alpha_bar[times[i]]), math.sqrt(1 - alpha_bar[times[i]])
        x, noise = step(x, times[i - 1], times[i]), randn(known.shape)
        for place in itertools.product(*map(range, known.shape)):
            if mask[place[-2:]]:
                x[place] = alpha * known[place] + sigma * noise[place]
    return x


FILL = Task(
    fill_in,
    truth,
    cases=[
        (Mixer(0.9), grid(2, 3, 2, 3), (5 * grid(2, 3, 2, 3)).sin(), CROSS, CHAIN, [6, 5, 3, 1, 0], Draws(0.31, normal=True)),
        (Mixer(1.3), (3 * grid(1, 3, 3, 2)).cos(), grid(1, 3, 3, 2), LEFT, CHAIN, [6, 4, 3, 0], Draws(0.77, normal=True)),
        (Mixer(0.5), grid(3, 1, 2, 3).sin(), (7 * grid(3, 1, 2, 3)).cos(), ~CROSS, CHAIN, [5, 4, 2, 1, 0], Draws(0.12, normal=True)),
        (Mixer(1.1), (2 * grid(2, 2, 3, 2)).sin(), grid(2, 2, 3, 2).cos(), LEFT, CHAIN, [4, 2, 1], Draws(0.58, normal=True)),
    ],
    mistakes="""
mask inverted: the picture is put in where it is hidden, and what the steps made stays where it is known. Where is `mask` True?
    mask, there -> ~mask, {there|known}
clean pixels: known pixels are put in without noise, while all the others have theirs. A step was made for pictures that are equally noisy everywhere.
    mask, there -> mask, known
    x = step(x, t, s) -> x = step(torch.where(mask, known, x), t, s) ; mask, there -> mask, x {|; return x -> return torch.where(mask, known, x)}
    step(x, t, s) -> step(torch.where(mask, known, x) if t == times[0] else x, t, s)
clean at the end: known pixels are put in without noise at the end. That is right at time 0 alone, and `times` need not end there.
    {return x -> return torch.where(mask, known, x)|mask, there -> mask, known if s == times[-1] else there}
level of t: the known pixels are as noisy as they were before the step. At which time are the others by then?
    alpha_bar[s] -> alpha_bar[t]
one level for all: the known pixels are equally noisy after each step. The others become cleaner: which entry of the table fits them?
    alpha_bar[s] -> alpha_bar[{times[0]|times[-1]|times[1]|-1}]
    alpha_bar[s] -> alpha_bar[times[0]] ; randn(known.shape) -> fresh if t != times[0] else randn(known.shape)
table off by one: off by one: the table starts at t = 0, with ᾱ = 1, so ᾱ of time s stands at place s.
    alpha_bar[s] -> alpha_bar[{s - 1|max(s - 1, 0)|s + 1}]
number of the step: a time is its place in the table, not the number of the step in the list.
    alpha_bar[s] -> alpha_bar[{times.index(s)|times.index(t)}]
noise not fresh: the same noise is put in after each step. It should be drawn anew each time: one draw of `randn` for each step.
    randn(known.shape) -> fresh if t != times[0] else randn(known.shape)
    step(x, t, s) -> step(x, t, s) if t != times[0] else step(start := x, t, s) ; randn(known.shape) -> start
one noise for all: one draw is shared, by the pictures of the batch, by the colours or by the pixels. Each number has noise of its own.
    randn(known.shape) -> randn({known[:1].shape|known[0].shape|known[:, :1].shape|mask.shape|1})
other draws: the noise is not the one that is compared. After each step call `randn` once, for all pixels of the batch, and with it for no other step.
    randn(known.shape) -> {torch.stack([randn(one.shape) for one in known])|[randn(known.shape), randn(known.shape)][1]}
    randn(known.shape) -> torch.zeros_like(known).masked_scatter(mask, randn(known[..., mask].shape))
    randn(known.shape) -> (noises := randn((len(times) - 1, *known.shape)) if t == times[0] else noises)[times.index(t)]
    randn(known.shape) -> randn(known.shape) if t != times[0] else [randn(known.shape), randn(known.shape)][1]
x for the noise: the known pixels get what the step made in the place of noise. That is a picture: draw the noise.
    (1 - bar).sqrt() * fresh -> (1 - bar).sqrt() * x
    x = step(x, t, s) -> ; (1 - bar).sqrt() * fresh -> (1 - bar).sqrt() * x ; mask, there, x) -> mask, there, step(x, t, s))
noise on all pixels: noise is added to the hidden pixels, too. The step has left them as noisy as they should be at s.
    torch.where(mask, there, x) -> torch.where(mask, bar.sqrt() * known, x) + (1 - bar).sqrt() * fresh
    torch.where(mask, there, x) -> bar.sqrt() * torch.where(mask, known, x) + (1 - bar).sqrt() * fresh
at the end alone: the known pixels are put in at the end alone. What is hidden never saw them, so it cannot fit them.
    x = torch.where(mask, there, x) -> x = torch.where(mask, there, x) if s == times[-1] else x {|; randn(known.shape) -> randn(known.shape) if s == times[-1] else 0}
    mask, there -> mask, x ; return x -> return torch.where(mask, known, x)
before the step: the known pixels are put in before each step. The task puts them in after it: what a step gets is then as noisy everywhere, and the last one cannot change them.
    x = step(x, t, s) -> ; alpha_bar[s] -> alpha_bar[t] ; x = torch.where(mask, there, x) -> x = step(torch.where(mask, there, x), t, s)
    x = step(x, t, s) -> ; x = torch.where(mask, there, x) -> x = step(torch.where(mask, there, x), t, s)
    x = step(x, t, s) -> ; alpha_bar[s] -> alpha_bar[t] ; x = torch.where(mask, there, x) -> x = step(torch.where(mask, there, x), t, s) ; return x -> return torch.where(mask, known, x)
before the first step, too: the known pixels are put in before the first step, too, or before and after each one. It does no harm, but the pictures are compared number by number: begin with the step, and draw after each.
    step(x, t, s) -> step(torch.where(mask, alpha_bar[t].sqrt() * known + (1 - alpha_bar[t]).sqrt() * randn(x.shape), x) if t == times[0] else x, t, s)
    step(x, t, s) -> step(torch.where(mask, alpha_bar[t].sqrt() * known + (1 - alpha_bar[t]).sqrt() * randn(x.shape), x), t, s)
    step(x, t, s) -> step(torch.where(mask, alpha_bar[t].sqrt() * known + (1 - alpha_bar[t]).sqrt() * x, x) if t == times[0] else x, t, s)
    x = step(x, t, s) -> ; mask, there, x) -> mask, there, step(torch.where(mask, alpha_bar[t].sqrt() * known + (1 - alpha_bar[t]).sqrt() * fresh, x), t, s))
not after the last step: after the last step the known pixels are not put in, so they are what that step has made of them.
    mask, there -> mask & (s {!= times[-1]|> 0}), there
begins with the pictures: the chain begins with what `known` holds, and in hidden pixels that has no meaning. It begins with the noise x.
    step(x, t, s) -> step({known|torch.where(mask, x, known)} if t == times[0] else x, t, s)
never put in: this is a plain sampler: the known pixels are never put in.
    mask, there -> mask, x
always from the start: each step begins at the noise of the start. It should begin where the one before it has ended.
    x = step(x, t, s) -> y = step(x, t, s) ; x = torch.where(mask, there, x) -> y = torch.where(mask, there, y) ; return x -> return y
step thrown away: what `step` returns is thrown away. It makes a new tensor, and leaves the x that it was given as it is.
    x = step(x, t, s) -> step(x, t, s)
noisier each time: noise comes on top of the noise of the step before. Start from the clean picture after each step.
    there = -> known = ; mask, there -> mask, known
noise on what the steps made: what the steps made is noised once more. From which picture do the known pixels come?
    bar.sqrt() * known -> bar.sqrt() * x
noise of one step: the known pixels get the noise of the step alone, from ᾱ_t / ᾱ_s. They start from the clean picture: how noisy is it at s?
    {alpha_bar[s] -> alpha_bar[t] / alpha_bar[s]|(1 - bar).sqrt() -> (1 - alpha_bar[t] / bar).sqrt()}
table changed: the right formula with another table: it holds ᾱ, and needs no root, square or product first.
    alpha_bar[s] -> ({alpha_bar.sqrt()|alpha_bar**2|alpha_bar.cumprod(0)})[s]
½ outside the power: powers come before divisions: `a**1/2` is half of a. The root is `a**(1/2)`, or `a**0.5`.
    bar.sqrt() -> bar**1/2 {; (1 - bar).sqrt() -> (1 - bar)**1/2|}
    (1 - bar).sqrt() -> (1 - bar)**1/2
factors exchanged: the two factors are exchanged: as t falls, the picture should come out and the noise go.
    bar.sqrt() * known + (1 - bar).sqrt() -> (1 - bar).sqrt() * known + bar.sqrt()
noise subtracted: the noise is subtracted. That is as likely, but the pictures are compared number by number: add it.
    known + (1 -> known - (1
ᾱ for α: a factor is ᾱ, or the noise's is 1 − ᾱ. An amplitude is a root: look at task 1.
    bar.sqrt() -> bar {|; (1 - bar).sqrt() -> (1 - bar)}
    (1 - bar).sqrt() -> (1 - bar)
root of ᾱ only: in the factor of the noise the root is taken too early: it is that of the whole 1 − ᾱ.
    (1 - bar).sqrt() -> (1 - bar.sqrt())
one factor missing: the picture fades as the noise grows. One of the two factors is missing.
    {bar.sqrt() * known -> known|(1 - bar).sqrt() * fresh -> fresh|(1 - bar).sqrt() * fresh -> 0}
added: the known pixels are added to what the steps made. They take its place.
    x = torch.where(mask, there, x) -> x = x + mask * there
the hidden ones lost: what the steps made of the hidden pixels is thrown away. Where nothing is known, x stays as the step left it.
    mask, there, x) -> mask, there, {0 * x|known|fresh})
one of them: only the first picture of the batch is filled in, or the first colour.
    torch.where(mask, there, x) -> torch.cat([torch.where(mask, there, x)[{:1], x[1:]]|:, :1], x[:, 1:]], 1})
all put in: the mask plays no part: all pixels are put in, hidden ones too.
    torch.where(mask, there, x) -> there
a step too few: the chain stops a step too early: a list of n times has n − 1 steps.
    times[1:] -> times[1:-1]
one step: only the first step is made. Does the `return` stand inside the loop?
    zip(times, times[1:]) -> zip(times[:1], times[1:])
other times: the steps do not go from one time of the list to the next. The times need not be neighbours, nor end at 0.
    zip(times, times[1:]) -> {[(t, t - 1) for t in times[:-1]]|[(t, t - 1) for t in range(times[0], times[-1], -1)]|[(t, t - 1) for t in times]}
    zip(times, times[1:]) -> {[(t, 0) for t in times[:-1]]|zip(times, times[2:])|[(t, t - 1) for t in range(times[0], 0, -1)]}
    zip(times, times[1:]) -> [(t, t - 1) for t in range(len(alpha_bar) - 1, 0, -1)]
clipped: the result is clipped, or each step is, or what is put in. Noisy pixels lie outside [−1, 1], too, and `step` looks after its own estimates.
    {return x -> return x|mask, there, x) -> mask, there, x)|x = step(x, t, s) -> x = step(x, t, s)|mask, there -> mask, there|* fresh -> * fresh}.clamp(-1, 1)
""",
)
