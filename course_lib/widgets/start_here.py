"""The front door's explorers, probability on sliders and the choice of a family, and its two drawings: the family tree and the map."""

import math
import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..distributions import entropy, gaussian_kl_between, mutual_information
from ..plotting import repository_url
from ..plotting.panels import CYCLE, GREY, GRID, INK, Bars, Cells, Chart, Drawing, Line, Mark, Note, one_picture, png
from . import Explorer, choice_slider, int_slider, slider
from .plane import log_normal

BIT = math.log(2)  # nats


# --------------------------------------------------------------------------------------------------------------------
# Probability


def gaussian_kl(mean_q: float, std_q: float, mean_p: float, std_p: float) -> float:
    """KL of two Gaussians on the line, from means and standard deviations, in nats."""
    numbers = (mean_q, 2 * math.log(std_q), mean_p, 2 * math.log(std_p))
    return float(gaussian_kl_between(*(torch.tensor([number], dtype=torch.float64) for number in numbers)))


class KLExplorer(Explorer):
    """Two Gaussians, their KL divergence in both directions, and the curves whose areas the two divergences are.

    Args:
        q, p: mean and standard deviation of each at the start

    Attributes:
        q_mean, q_std, p_mean, p_std: the sliders
    """

    def __init__(self, q: tuple[float, float] = (0.0, 0.5), p: tuple[float, float] = (0.0, 2.0)):
        self.x = np.linspace(-9, 9, 181)  # three standard deviations of the widest, furthest out
        self.q_mean, self.q_std = slider("μ of q", q[0], -3, 3, 0.1), slider("σ of q", q[1], 0.3, 2, 0.1)
        self.p_mean, self.p_std = slider("μ of p", p[0], -3, 3, 0.1), slider("σ of p", p[1], 0.3, 2, 0.1)
        super().__init__([self.q_mean, self.q_std, self.p_mean, self.p_std])

    def panels(self):
        q, p = (self.q_mean.value, self.q_std.value), (self.p_mean.value, self.p_std.value)
        log_q, log_p = log_normal(self.x, *q), log_normal(self.x, *p)
        q_words, p_words = (f"{name} = N({mean:.1f}, {std:.1f}²)" for name, (mean, std) in (("q", q), ("p", p)))
        lines = [Line(self.x, np.exp(log_q), q_words, CYCLE[0]), Line(self.x, np.exp(log_p), p_words, CYCLE[2])]
        both = Chart("two densities", "x", "density", f"densities of {q_words} and {p_words}", lines, width=614, height=230)
        both.x_range = (-9, 9)
        directions = {
            "KL(q‖p)": (gaussian_kl(*q, *p), "q · log(q/p)", np.exp(log_q) * (log_q - log_p), CYCLE[0]),
            "KL(p‖q)": (gaussian_kl(*p, *q), "p · log(p/q)", np.exp(log_p) * (log_p - log_q), CYCLE[2]),
        }
        ends = np.concatenate([values for _, _, values, _ in directions.values()])
        margin = 0.08 * (ends.max() - ends.min()) or 0.5
        scale = (ends.min() - margin, ends.max() + margin)  # one for both, so that their areas compare
        charts = []
        for name, (nats, formula, values, color) in directions.items():
            half = (self.x[1] - self.x[0]) / 2
            area = Bars(self.x - half, self.x + half, values, color=color, opacity=0.45)
            alt = f"{formula} over x; the area under it, less what lies below 0, is {name} = {nats:.3f} nats"
            chart = Chart(f"{name} = {nats:.3f} nats", "x", formula, alt, [Line(self.x, values, color=color)], [area])
            chart.width, chart.height, chart.x_range, chart.y_range = 300, 230, (-9, 9), scale
            charts.append(chart)
        return [[both], charts]


class TableExplorer(Explorer):
    """The joint table of two coins, and how their entropies and the mutual information fit together.

    Attributes:
        x_heads, y_heads: sliders, the chance of 1 for each coin
        dependence: the slider; 0 is independence, 1 the most that these chances allow, −1 the most in the other direction
    """

    def __init__(self, x_heads: float = 0.5, y_heads: float = 0.5, dependence: float = 0.8):
        self.x_heads, self.y_heads = slider("p(x = 1)", x_heads, 0, 1, 0.05, 2), slider("p(y = 1)", y_heads, 0, 1, 0.05, 2)
        self.dependence = slider("dependence", dependence, -1, 1, 0.05, 2)
        super().__init__([self.x_heads, self.y_heads, self.dependence])

    def joint(self) -> torch.Tensor:
        """p(x, y), (2, 2): row x, column y."""
        a, b, d = self.x_heads.value, self.y_heads.value, self.dependence.value
        # with the chances given, the table has one number left to choose, and these are its limits
        room = min(a, b) - a * b if d > 0 else a * b - max(0.0, a + b - 1)
        both = a * b + d * room
        return torch.tensor([[1 - a - b + both, b - both], [a - both, both]], dtype=torch.float64).clamp(min=0)

    def panels(self):
        joint = self.joint()
        p_x, p_y = joint.sum(1), joint.sum(0)
        alt = "joint table: " + ", ".join(f"p({i}, {j}) = {joint[i, j]:.3f}" for i in (0, 1) for j in (0, 1))
        rows, columns = [f"x = {i}: {p_x[i]:.2f}" for i in (0, 1)], [f"y = {j}: {p_y[j]:.2f}" for j in (0, 1)]
        return [[Cells("p(x, y), with p(x) and p(y) beside", joint, alt, rows, columns, each=84), self.information(joint)]]

    def information(self, joint: torch.Tensor) -> Drawing:
        """Four bars over one axis: where the bars of X and Y overlap, they tell the same."""
        h_x, h_y, h_xy = (abs(float(entropy(p))) for p in (joint.sum(1), joint.sum(0), joint))  # abs: no −0.000
        shared = max(0.0, float(mutual_information(joint)))
        bars = {  # name → where it begins, its length, its colour
            "H(X)": (0.0, h_x, CYCLE[0]),
            "H(Y)": (h_x - shared, h_y, CYCLE[2]),
            "H(X, Y)": (0.0, h_xy, CYCLE[4]),
            "I(X; Y)": (h_x - shared, shared, CYCLE[1]),
        }
        told = {name: f"{length / BIT:.3f} bits = {length:.3f} nats" for name, (_, length, _) in bars.items()}
        left, unit = 156, 150  # pixels: the labels; one bit

        def draw(canvas):
            canvas.text(0, 15, "entropies, laid over each other", 12, bold=True)
            for bits in (0, 1, 2):
                x = left + unit * bits
                canvas.line((x, x), (26, 190), GRID, 1)
                canvas.text(x, 205, f"{bits}", 10, "middle", color=GREY)
            canvas.text(left + unit, 221, "bits", 11, "middle")
            for y, (name, (start, length, color)) in zip((32, 72, 112, 152), bars.items()):
                canvas.rect(left + unit * start / BIT, y + 6, unit * length / BIT, 20, color, 0.75)
                canvas.text(left - 8, y + 13, name, 12, "end", bold=True)
                canvas.text(left - 8, y + 28, told[name], 10, "end", color=GREY)
            for x in (left + unit * (h_x - shared) / BIT, left + unit * h_x / BIT):
                canvas.line((x, x), (26, 190), INK, 1, True)

        return Drawing("; ".join(f"{name} = {words}" for name, words in told.items()), left + 2 * unit + 20, 226, draw)


class JensenExplorer(Explorer):
    """Two values and a weight: the log of their mean against the mean of their logs.

    Attributes:
        a, b, weight: the sliders; the weight is that of a, and b has the rest
    """

    def __init__(self, a: float = 0.4, b: float = 5.0, weight: float = 0.5):
        self.a, self.b = slider("a", a, 0.1, 6, 0.1), slider("b", b, 0.1, 6, 0.1)
        self.weight = slider("weight of a", weight, 0, 1, 0.05, 2)
        self.x = np.linspace(0.08, 6.2, 300)
        super().__init__([self.a, self.b, self.weight])

    def panels(self):
        a, b, w = self.a.value, self.b.value, self.weight.value
        mean = w * a + (1 - w) * b
        upper, lower = math.log(mean), w * math.log(a) + (1 - w) * math.log(b)
        gap = max(0.0, upper - lower)  # rounding can make it −1e-16
        lines = [
            Line(self.x, np.log(self.x), "log", CYCLE[0]),
            Line((a, b), (math.log(a), math.log(b)), "the straight line between a and b", CYCLE[4], dashed=True),
            Line((mean, mean), (lower, upper), f"gap {gap:.3f}", CYCLE[1]),
        ]
        marks = [Mark(a, math.log(a), "a", CYCLE[0]), Mark(b, math.log(b), "b", CYCLE[0])]
        marks += [Mark(mean, upper, color=CYCLE[1]), Mark(mean, lower, color=CYCLE[4])]
        alt = f"the log of the mean {mean:.2f} is {upper:.3f}, the mean of the logs is {lower:.3f}, the gap is {gap:.3f}"
        chart = Chart("Jensen's inequality for the logarithm", "value", "log of the value", alt, lines, marks=marks, width=614, height=320)
        chart.x_range, chart.y_range = (0, 6.4), (-2.7, 2.2)
        text = f"log of the mean: log {mean:.2f} = {upper:.3f} (on the curve). Mean of the logs: {lower:.3f} (on the line). Gap {gap:.3f}."
        return [[chart], [Note(text)]]


class LikelihoodExplorer(Explorer):
    """A histogram, and a Gaussian to fit by hand: the mean log-likelihood of yours against the best there is.

    Args:
        values: (n,), the data
        name: what they are, with the unit: the label of the axis

    Attributes:
        mean, std: the sliders;  count: how many of the values are there, the first of one shuffled order
    """

    def __init__(self, values: Any, name: str = "x"):
        values = torch.as_tensor(values, dtype=torch.float64).cpu()
        if values.ndim != 1 or len(values) < 5 or float(values.std()) == 0:
            raise ValueError(f"values must be (n,) with n at least 5, and not all alike, got shape {tuple(values.shape)}")
        self.values, self.name = values[torch.randperm(len(values), generator=torch.Generator().manual_seed(0))].numpy(), name
        centre, spread = float(self.values.mean()), float(self.values.std())
        step = 10.0 ** math.floor(math.log10(spread / 10))
        digits = max(0, round(-math.log10(step)))
        low, high = (math.floor((centre + side * 3 * spread) / step) * step for side in (-1, 1))
        self.range = low, high
        # a start that is visibly wrong
        self.mean = slider("μ", round(centre + spread, digits), low, high, step, digits)
        self.std = slider("σ", round(max(step, 0.7 * spread), digits), step, round(3 * spread, digits), step, digits)
        sizes = [n for n in (5, 10, 20, 50, 100, 200, 500, 1000, 2000) if n < len(values)] + [len(values)]
        self.count = choice_slider("samples n", [(f"{n:,}", n) for n in sizes], min(sizes, key=lambda n: abs(n - 200)))
        super().__init__([self.mean, self.std, self.count])

    def score(self, mean: float, std: float) -> float:
        """The mean log-likelihood of the samples under N(mean, std²), nats."""
        return float(log_normal(self.values[: self.count.value], mean, std).mean())

    def panels(self):
        x, mean, std = self.values[: self.count.value], self.mean.value, self.std.value
        best_mean, best_std = float(x.mean()), float(x.std())
        yours, best = self.score(mean, std), self.score(best_mean, best_std)
        edges = np.linspace(*self.range, 31)
        heights = np.histogram(x, edges)[0] / (len(x) * (edges[1] - edges[0]))
        axis = np.linspace(*self.range, 241)
        lines = [
            Line(axis, np.exp(log_normal(axis, mean, std)), "your Gaussian", CYCLE[1]),
            Line(axis, np.exp(log_normal(axis, best_mean, best_std)), "the best", CYCLE[4], dashed=True),
        ]
        words = f"N({mean:.4g}, {std:.4g}²) has mean log-likelihood {yours:.3f} nats, "
        words += f"and the best, N({best_mean:.4g}, {best_std:.4g}²), has {best:.3f}"
        data = Bars(edges[:-1], edges[1:], heights, f"{len(x):,} samples", CYCLE[0], 0.4)
        left = Chart("the data and the model", self.name, "density", f"histogram of {len(x)} samples; {words}", lines, [data], width=400)
        left.x_range = self.range
        floor = best - 4.0  # nats: what lies deeper would flatten the top
        curve = np.array([self.score(m, std) for m in axis])
        mark = Mark(mean, max(yours, floor), f"{yours:.2f}" if yours >= floor else f"{yours:.2f}, below")
        alt = f"mean log-likelihood against μ at σ = {std:.4g}; at μ = {mean:.4g} it is {yours:.3f} nats, its top is at {best_mean:.4g}"
        top = Line(self.range, (best, best), "the best over μ and σ", CYCLE[4], dashed=True)
        right = Chart("mean log-likelihood at your σ", "μ", "nats a sample", alt, [top], marks=[mark], width=400)
        right.lines = [Line(axis[curve >= floor], curve[curve >= floor], color=CYCLE[1]), top]
        right.x_range, right.y_range = self.range, (floor, best + 0.4)
        gap = gaussian_kl(best_mean, best_std, mean, std)
        text = f"Yours {yours:.3f} nats a sample, the best {best:.3f}. Difference {best - yours:.3f}, KL(best‖yours) {gap:.3f}."
        return [[left, right], [Note(text)]]


# --------------------------------------------------------------------------------------------------------------------
# Families of models

CRITERIA = ("likelihood", "speed", "quality", "latent space", "stability")
# Family → a score from 0 to 3 and the reason for it, in the order of CRITERIA. Our judgements, for images, of plain members of each family.
FAMILIES: dict[str, tuple[tuple[int, str], ...]] = {
    "autoregressive": (
        (3, "exact, by the chain rule"),
        (0, "one value after the other"),
        (2, "good, and for text the best"),
        (0, "no latents"),
        (3, "plain maximum likelihood"),
    ),
    "flow": (
        (3, "exact, by change of variables"),
        (3, "one pass"),
        (1, "invertible layers hold it back"),
        (2, "exact codes, as large as the data"),
        (2, "maximum likelihood, if inverses stay tame"),
    ),
    "flow matching": (
        (2, "exact, by solving an ODE"),
        (1, "tens of passes; few on straight paths"),
        (3, "sharp and varied"),
        (1, "noise as large as the data"),
        (3, "plain regression"),
    ),
    "VAE": (
        (2, "a lower bound"),
        (3, "one pass"),
        (1, "soft pictures"),
        (3, "small, with an encoder"),
        (3, "one loss; mind collapse"),
    ),
    "diffusion": (
        (2, "a lower bound, or exact with an ODE"),
        (1, "tens to hundreds of passes"),
        (3, "sharp and varied"),
        (1, "noise as large as the data"),
        (3, "plain regression"),
    ),
    "score model": (
        (1, "its slope only, unless an ODE is solved"),
        (0, "a walk of hundreds of steps or more"),
        (3, "sharp and varied"),
        (0, "no latents: each walk is random"),
        (3, "plain regression"),
    ),
    "energy-based": (
        (1, "up to an unknown constant"),
        (0, "a Markov chain for each sample"),
        (1, "hard to scale"),
        (0, "no latents"),
        (1, "must sample while it trains"),
    ),
    "GAN": (
        (0, "none"),
        (3, "one pass"),
        (3, "sharp, though modes may be missing"),
        (2, "smooth, but no encoder"),
        (0, "a game of two networks"),
    ),
}


class FamilyChooser(Explorer):
    """How much five properties matter to you, and the families in the order in which they serve that.

    Args:
        families: name → (score 0 to 3, reason) for each of CRITERIA

    Attributes:
        weights: one slider for each of CRITERIA, 0 (I do not care) to 3 (I need it)
    """

    def __init__(self, families: Mapping[str, Sequence[tuple[int, str]]] = FAMILIES):
        self.families = dict(families)
        self.weights = [int_slider(name, 1, 0, 3) for name in CRITERIA]
        super().__init__(self.weights)

    def ranking(self) -> list[tuple[str, float]]:
        """Each family with its share of the points that your weights allow, the best first; 0 for all when nothing matters."""
        weights = [control.value for control in self.weights]
        most = 3 * sum(weights) or 1
        shares = {name: sum(w * score for w, (score, _) in zip(weights, scores)) / most for name, scores in self.families.items()}
        return sorted(shares.items(), key=lambda item: -item[1])

    def reason(self, family: str) -> str:
        """What speaks for a family and what against it, of the properties that matter to you."""
        marks = [(name, control.value, *mark) for name, control, mark in zip(CRITERIA, self.weights, self.families[family])]
        gained, lost = max(marks, key=lambda m: m[1] * m[2]), max(marks, key=lambda m: m[1] * (3 - m[2]))
        against = lost[1] * (3 - lost[2]) > 0
        # one reason is not told twice: of a family that is weak in all that matters, it speaks against
        parts = [f"+ {gained[0]}: {gained[3]}"] if gained[1] * gained[2] and not (against and gained == lost) else []
        return " · ".join(parts + ([f"− {lost[0]}: {lost[3]}"] if against else []))

    def panels(self):
        ranking = self.ranking()
        if not any(control.value for control in self.weights):
            return [[Note("Nothing matters to you yet, so no family is better than another: move a slider above 0.", 614)]]
        reasons = {family: self.reason(family) for family, _ in ranking}
        left, longest, row = 106, 440, 44

        def draw(canvas):
            canvas.text(0, 15, "how well each family serves what matters to you", 12, bold=True)
            for i, (family, share) in enumerate(ranking):
                y = 26 + row * i
                leads = share == ranking[0][1]
                canvas.text(left - 8, y + 13, family, 12, "end", bold=leads)
                canvas.rect(left, y, longest, 17, GRID, 0.6)
                canvas.rect(left, y, max(longest * share, 0.5), 17, CYCLE[2] if leads else CYCLE[0])
                canvas.text(left + longest + 8, y + 13, f"{share:.0%}", 12)
                canvas.text(left, y + 31, reasons[family], 11, color=GREY)

        alt = "the families in order: " + "; ".join(f"{family} {share:.0%}, {reasons[family]}" for family, share in ranking)
        return [[Drawing(alt, 614, 28 + row * len(ranking), draw)]]


def family_tree() -> Drawing:
    """The families of generative models by what they make of p(x), each with the lecture that teaches it."""
    leaves = [  # name, what it is in two lines, lectures
        ("autoregressive", "one value", "at a time", "05, 09"),
        ("flow", "an invertible", "map", "04"),
        ("flow matching", "a velocity,", "from noise to data", "06, 10"),
        ("VAE", "a lower", "bound", "02"),
        ("diffusion", "undo noise", "in steps", "06"),
        ("score model", "the slope", "of log p(x)", "06, 08"),
        ("energy-based", "an unscaled", "p(x)", "08"),
        ("GAN", "two networks", "play", "03"),
    ]
    boxes = [  # left, top, width, height, colour, lines
        (420, 8, 260, 46, CYCLE[4], ("generative model", "learns p(x) from examples")),
        (287, 96, 280, 46, CYCLE[0], ("explicit", "gives a number for p(x)")),
        (962, 96, 136, 46, CYCLE[1], ("implicit", "gives samples only")),
        (87, 184, 230, 46, CYCLE[0], ("tractable", "log p(x), exactly")),
        (541, 184, 270, 46, CYCLE[0], ("approximate", "a bound, or up to a constant")),
        *((5 + 137 * i, 272, 132, 80, CYCLE[leaf[0] == "GAN"], leaf) for i, leaf in enumerate(leaves)),
    ]
    children = {0: (1, 2), 1: (3, 4), 2: (12,), 3: (5, 6, 7), 4: (8, 9, 10, 11)}

    def draw(canvas):
        for parent, below in children.items():
            x, top, width, height, *_ = boxes[parent]
            middle, bottom = x + width / 2, top + height
            for child in below:
                left, lower, wide, *_ = boxes[child]
                across, half = left + wide / 2, (bottom + lower) / 2
                canvas.line((middle, middle, across, across), (bottom, half, half, lower), GREY, 1.5)
        for x, y, width, height, color, (name, *what) in boxes:
            lectures = what.pop() if len(what) == 3 else None
            canvas.rect(x, y, width, height, "#ffffff")
            canvas.rect(x, y, width, height, color, 0.16)
            canvas.rect(x, y, 4, height, color)
            canvas.text(x + width / 2, y + 19, name, 14, "middle", bold=True)
            for i, line in enumerate(what):
                canvas.text(x + width / 2, y + 36 + 16 * i, line, 12, "middle")
            if lectures:
                canvas.text(x + width / 2, y + 71, f"lecture {lectures}", 11, "middle", color=GREY)

    alt = (
        "The family tree. Generative models are explicit or implicit. Explicit ones are tractable "
        "(autoregressive models, flows, flow matching) or approximate (VAEs, diffusion, score models, energy-based models). "
        "GANs are implicit."
    )
    return Drawing(alt, 1100, 360, draw)


@dataclass
class Card:
    """One lecture on the map: its number and title, how long it takes, what it is about, and a picture, as `picture` takes it.

    minutes is None for a lecture that is still to come.
    """

    title: str
    minutes: int | None
    line: str
    picture: Any


def lecture_map(cards: Sequence[Card]) -> Drawing:
    """The lectures as cards, three in a row."""
    width, height, gap, side = 300, 116, 10, 100
    sheets = [png(one_picture(card.picture)) for card in cards]
    times = [f"{card.minutes} minutes" if card.minutes else "to come" for card in cards]

    def draw(canvas):
        for i, (card, sheet, time) in enumerate(zip(cards, sheets, times)):
            x, y = i % 3 * (width + gap), i // 3 * (height + gap)
            canvas.rect(x, y, width, height, CYCLE[0] if card.minutes else GREY, 0.1)
            canvas.image(x + 8, y + 8, side, side, sheet)
            canvas.text(x + side + 18, y + 22, card.title, 13, bold=True)
            canvas.text(x + side + 18, y + 39, time, 11, color=GREY)
            for j, line in enumerate(textwrap.wrap(card.line, 28)):
                canvas.text(x + side + 18, y + 58 + 15 * j, line, 11)

    rows = math.ceil(len(cards) / 3)
    alt = "The lectures. " + " ".join(f"{card.title} ({time}): {card.line}." for card, time in zip(cards, times))
    return Drawing(alt, 3 * width + 2 * gap, rows * (height + gap) - gap, draw)


def progress_board(folder: str | Path = "../exercises") -> Drawing | Note:
    """Every exercise with its tasks, as its notebook was last saved: right, not right yet, open, or written for a human.

    folder: with a folder for each exercise, seen from where the kernel runs
    """
    from ..grading import progress

    exercises = progress.everywhere(folder)
    if not exercises:
        return Note(f"There are no exercises in {folder}: run this in the course's folder.", 614)
    colors = {"right": "#2b8a3e", "wrong": CYCLE[1], "written": CYCLE[0], "open": GRID}
    left, row, side, most = 180, 30, 20, max(len(exercise.tasks) for exercise in exercises)
    width = left + most * (side + 6) + 150

    def draw(canvas):
        for i, exercise in enumerate(exercises):
            y = 8 + row * i
            canvas.text(left - 10, y + 15, exercise.name, 12, "end", bold=exercise.right == exercise.most)
            for j, task in enumerate(exercise.tasks):
                canvas.rect(left + j * (side + 6), y, side, side, colors[task.state])
            canvas.text(left + most * (side + 6) + 8, y + 15, f"{exercise.right:g} of {exercise.most:g} points", 12)
        y = 22 + row * len(exercises)
        named = (("right", "its check says ✓"), ("wrong", "✗: see its hint"), ("written", "a human reads it"), ("open", "open"))
        for j, (state, words) in enumerate(named):
            canvas.rect(8 + j * width / 4, y - 10, 12, 12, colors[state])
            canvas.text(25 + j * width / 4, y, words, 11, color=GREY)

    words = {"right": "right", "wrong": "not right yet", "written": "written", "open": "open"}
    tasks = []
    for exercise in exercises:
        states = ", ".join(f"{task.name} {words[task.state]}" for task in exercise.tasks)
        tasks.append(f"{exercise.name} {exercise.right:g} of {exercise.most:g}: {states}")
    return Drawing(f"Points so far. {'; '.join(tasks)}.", int(width), 34 + row * len(exercises), draw)


def address(slug: str) -> str:
    """Where a lecture's link leads: to the file beside this notebook; on Colab, which has no such file, to the page that opens it there."""
    if "COLAB_RELEASE_TAG" in os.environ and (url := repository_url()):
        return url.replace("github.com", "colab.research.google.com/github") + f"/blob/main/notebooks/{slug}.ipynb"
    return f"{slug}.ipynb"
