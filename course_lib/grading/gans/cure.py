"""Exercise 03, task 6: cure a collapse."""

import torch

from course_lib.grading import Goal, Region, is_number, is_whole

PACKS = (1, 2, 3, 4, 5, 6, 8, 10)  # they divide the exercise's batch of 120


@torch.no_grad()
def measure(gans, x, centres, std, part=0, n=2000) -> dict[str, float]:
    """What the GANs of the exercise reach: modes covered by the worst of them, the share of good samples, how far the discriminator
    is ahead (the share of pairs of a real and a made one in which it scores the real one higher; ½: it is fooled), and how far
    samples still moved in the last two fifths of training.

    gans: each has `generator`, (n, 2) → (n, 2), `judge`, points (n, 2) → scores, one for each pack, and `film`, samples (m, 2) of the
        same noise after 0, 20, … 100 % of training
    x: (n, 2), real points
    centres: (modes, 2); a sample is good within four std of one, and a mode is covered by a tenth of its fair share
    part: 0, 1, …, other noise for each

    The noise is a Sobol sequence through the normal's quantile function: the same on every platform.
    """
    sobol = torch.quasirandom.SobolEngine(2).fast_forward(1 + part * n)  # its first point is 0, which has no quantile
    noise = torch.special.ndtri(sobol.draw(n, dtype=torch.float64)).to(x.dtype)
    modes, good, ahead, moved = [], [], [], []
    for gan in gans:
        samples = gan.generator(noise)
        distance, nearest = torch.cdist(samples, centres).min(1)
        near = distance <= 4 * std
        counts = nearest[near].bincount(minlength=len(centres))
        modes.append(int((counts >= n / len(centres) / 10).sum()))
        good.append(near.double().mean() + 0 * samples.sum())  # NaN where training diverged
        whole = min(len(x), n) // 120 * 120  # every pack divides it
        real, made = gan.judge(x[:whole]), gan.judge(samples[:whole])
        ahead.append((real[:, None] > made).double().mean())
        moved.append((gan.film[-1] - gan.film[-3]).norm(dim=1).double().mean())
    means = {name: float(torch.stack(values).mean()) for name, values in (("good", good), ("ahead", ahead), ("moved", moved))}
    return {"modes": min(modes), **means}


def blunt(m):
    """Whether the discriminator of large packs, or of single samples that reach every mode, is fooled too easily."""
    return m["pack"] > 2 and m["ahead"] < 0.8 or m["pack"] == 1 and m["ahead"] < 0.62 and m["modes"] == 8


CURE = Goal(
    "cure",
    {"modes": 8, "good": 0.85},
    slack={"modes": 0, "good": 0.03},
    close={"good": 0.15},
    settings={"rate": 0.003, "critic_steps": 1, "penalty": 0, "pack": 1},
    rules={
        "rate": (lambda value: is_number(value, 0) and 0 < value <= 1, "a number above 0, at most 1"),
        "critic_steps": (lambda value: is_whole(value, range(1, 31)), "a whole number from 1 to 30"),
        "penalty": (lambda value: is_number(value, 0), "a number, 0 or more"),
        "pack": (lambda value: is_whole(value, PACKS), "1, 2, 3, 4, 5, 6, 8 or 10, so that it divides the batch of 120"),
    },
    known=[
        Region(
            "too slow",
            lambda m: m["modes"] < 8 and m["good"] < 0.7 and not blunt(m) and (m["moved"] < 1.2 or m["pack"] > 1 and m["rate"] < 0.003),
            "The generator has not come far, and it does not run about either: it learns too slowly, or too seldom.",
        ),
        Region(
            "lost",
            lambda m: m["good"] < 0.005 or m["moved"] > 10,
            "The generator runs about far from the data, and the discriminator cannot follow. Either its steps are far too large, or "
            "something holds the discriminator back.",
        ),
        Region(
            "collapsed",
            lambda m: m["modes"] < 8 and m["moved"] >= 1.2 and m["pack"] == 1,
            "At least one GAN has collapsed: its samples lie in a clump or along a line and change places together, and a discriminator "
            "that judges them one by one cannot know. What would have to be put before it?",
        ),
        Region(
            "outrun",
            lambda m: m["modes"] < 8 and m["moved"] >= 1.2,
            "At least one GAN has collapsed, though its discriminator sees packs: the samples change places faster than it can follow. Are "
            "the generator's steps too large for it, or does something hold it back?",
        ),
        Region(
            "held up",
            lambda m: m["modes"] == 8 and m["pack"] == 2 and (m["penalty"] > 0 or m["critic_steps"] > 1),
            "Every mode is there: a cure works. But the generator does not finish. What does it get out of `critic_steps`, which are taken "
            "from its own, and out of a `penalty`, which keeps the score from rising steeply towards the modes?",
        ),
        Region(
            "nearly",
            lambda m: m["modes"] == 8 and m["pack"] > 1 and m["rate"] < 0.01 and not blunt(m),
            "Every mode is there: a cure works. Now help the generator to finish in the same number of steps: raise `rate`. A "
            "discriminator that judges packs bears larger steps.",
        ),
        Region(
            "blunt discriminator",
            blunt,
            "Many samples lie between the modes, and the discriminator no longer notices. Is it held flat, or does it get too few "
            "examples, each made of too many samples?",
        ),
        Region(
            "generator behind",
            lambda m: m["modes"] == 8 and m["pack"] == 1,
            "Every mode is there, but many samples lie between them, and the discriminator sees that: the generator does not keep up. It "
            "needs larger steps. But where samples are judged one by one, larger steps alone bring the collapse back: something must let "
            "the discriminator see several samples first.",
        ),
    ],
)
