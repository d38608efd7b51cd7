"""The game of a GAN: its best discriminator, its dynamics, a film of it, its failures, and one that trains while you watch."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import expit, ndtr
from torch import Tensor

from ...gans import GAMES, LOSSES, METHODS, PointGAN, gan_step_with_cures, modes_covered, play
from ...plotting.panels import CYCLE, GREY, INK, Bars, Chart, Label, Line, Mark, Note, Strokes, png
from ...training import learning_rate
from .. import BESIDE, GAP, WIDE, Explorer, choice_slider, film, int_slider, kept_for, menu, seeded, slider, some
from ..pixels import rgb
from ..plane import arrows, as_points, circles, dots, log_normal, square

REAL, FAKE = CYCLE[2], CYCLE[0]  # orange and blue: data and what is judged to be data, samples and what is judged to be one
COVERED, MISSED = "#1a7f37", CYCLE[1]  # green, red
LEVELS = 24  # of a colour
ASIDE = 388  # pixels: what fits beside a plane in JupyterLab on a screen of 1280


def progress(steps: np.ndarray, modes: np.ndarray, count: int, good: np.ndarray, t: int, last: int | None = None) -> Chart:
    """Share of the modes covered and of the samples near a mode against the step, each (t,), with the entry t marked."""
    now = {"modes covered": f"{int(modes[t])} of {count}", "samples near a mode": f"{float(good[t]):.0%}"}
    shares = dict(zip(now, ((np.asarray(modes, dtype=float) / count, COVERED), (np.asarray(good, dtype=float), FAKE))))
    lines = [Line(steps, values, f"{name}: {now[name]}", color) for name, (values, color) in shares.items()]
    marks = [Mark(steps[t], values[t], color=color) for values, color in shares.values()]
    alt = f"shares against the step; at step {int(steps[t])}: " + ", ".join(f"{name} {words}" for name, words in now.items())
    chart = Chart("how far it is", "step", "share", alt, lines, marks=marks, width=BESIDE, height=220)
    chart.x_range, chart.y_range = (0, max(1, int(last or steps[-1]))), (0, 1.05)
    return chart


# --------------------------------------------------------------------------------------------------------------------
# The best discriminator


class OptimalExplorer(Explorer):
    """Data N(0, 1) and a model on sliders: the best discriminator, how far apart it finds the two, and what the generator then feels.

    Attributes:
        mean, std: the sliders of the model q

    All numbers are integrals over a grid, with the discriminator at its best answer to q.
    """

    def __init__(self, mean: float = 3.0, std: float = 1.0):
        self.x = np.linspace(-22, 22, 1761)  # five standard deviations of the widest q, furthest out; twelve points in the narrowest
        self.distances = np.linspace(0, 6, 31)
        self.mean, self.std = slider("μ of q", mean, -6, 6, 0.1), slider("σ of q", std, 0.3, 3, 0.1)
        super().__init__([self.mean, self.std])

    def measure(self, means: np.ndarray, std: float) -> dict[str, np.ndarray]:
        """Of each mean of q, (n,): "js" in nats, "w1", and the mean length of the gradient by μ at the samples of q under each loss."""
        x, step, means = self.x, self.x[1] - self.x[0], np.asarray(means, dtype=float)[:, None]
        log_p, log_q = log_normal(x, 0.0, 1.0), log_normal(x, means, std)
        p, q, score = np.exp(log_p), np.exp(log_q), log_p - log_q  # D* = sigmoid(score)
        log_d = -np.logaddexp(0, -score)
        log_not_d = log_d - score
        slope = np.abs(-x + (x - means) / std**2)  # of the score; a sample moves as μ does
        gap = ndtr((x - means) / std) - ndtr(x)
        return {
            "js": math.log(2) + 0.5 * step * (p * log_d + q * log_not_d).sum(1),
            "w1": step * np.abs(gap).sum(1),
            "saturating": step * (q * np.exp(log_d) * slope).sum(1),
            "nonsaturating": step * (q * np.exp(log_not_d) * slope).sum(1),
            # the best critic rises or falls by 1 for 1 wherever mass must be moved, and is flat where none must
            "wasserstein": step * (q * (np.abs(gap) > 1e-9)).sum(1),
        }

    @kept_for("std")
    def curves(self) -> dict[str, np.ndarray]:
        """The same against the distance of the means."""
        return self.measure(self.distances, self.std.value)

    def panels(self):
        mean, std = self.mean.value, self.std.value
        curves, here = self.curves(), {name: float(v[0]) for name, v in self.measure(np.array([mean]), std).items()}
        log_p, log_q = log_normal(self.x, 0.0, 1.0), log_normal(self.x, mean, std)
        seen = np.abs(self.x) <= 10
        best = expit(log_p - log_q)
        middle = float(np.interp(mean, self.x, best))
        q = f"N({mean:.1f}, {std:.1f}²)"
        lines = [
            Line(self.x[seen], np.exp(log_p[seen]), "data p = N(0, 1)", REAL),
            Line(self.x[seen], np.exp(log_q[seen]), f"model q = {q}", FAKE),
            Line(self.x[seen], best[seen], "D*(x) = p / (p + q)", CYCLE[1]),
        ]
        alt = f"densities of the data N(0, 1) and of the model {q}, and the best discriminator; D* is {middle:.3g} in the middle of q"
        top = Chart("two densities and the best discriminator", "x", "density, or D*", alt, lines, height=240)
        top.width = 3 * 260 + 2 * GAP  # as wide as the three below
        top.x_range, top.y_range = (-10, 10), (0, 1.4)
        return [[top], self.charts(curves, here, abs(mean), std), [Note(self.words(here, q, middle), WIDE)]]

    def charts(self, curves: dict[str, np.ndarray], here: dict[str, float], distance: float, std: float) -> list[Chart]:
        shown = {"x_label": f"|μ| at σ = {std:.1f}", "x_range": (-0.3, 6.3), "width": 260, "height": 250}
        ceiling = math.log(2)
        js = Chart(
            "Jensen–Shannon",
            y_label="nats",
            alt=f"JS divergence against the distance of the means; at {distance:.1f} it is {here['js']:.3f} of at most 0.693 nats",
            lines=[Line(self.distances, curves["js"]), Line((0, 6), (ceiling, ceiling), "its most, log 2", GREY, dashed=True)],
            marks=[Mark(distance, here["js"], f"{here['js']:.3f}")],
            y_range=(0, 0.8),
            **shown,
        )
        w1 = Chart(
            "Wasserstein-1",
            y_label="distance",
            alt=f"Wasserstein-1 distance against the distance of the means; at {distance:.1f} it is {here['w1']:.2f}",
            lines=[Line(self.distances, curves["w1"], "no limit")],
            marks=[Mark(distance, here["w1"], f"{here['w1']:.2f}")],
            y_range=(0, 6.8),
            **shown,
        )
        kinds = {"saturating": (CYCLE[1], "log(1 − D)"), "nonsaturating": (CYCLE[3], "−log D"), "wasserstein": (CYCLE[5], "Wasserstein")}
        told = ", ".join(f"{words} {here[kind]:.2g}" for kind, (_, words) in kinds.items())
        felt = Chart(
            "what a sample of q feels",
            y_label="mean gradient",
            alt=f"mean length of the gradient by μ at the samples of q, logarithmic; at distance {distance:.1f}: {told}",
            lines=[Line(self.distances, curves[kind], words, color) for kind, (color, words) in kinds.items()],
            marks=[Mark(distance, here[kind], color=color) for kind, (color, _) in kinds.items()],
            log_y=True,
            y_range=(1e-5, 20),  # what lies below is drawn on the floor
            **shown,
        )
        return [js, w1, felt]

    @staticmethod
    def words(here: dict[str, float], q: str, middle: float) -> str:
        value = min(0.0, round(2 * here["js"] - 2 * math.log(2), 3)) + 0.0  # no −0.000
        text = f"q = {q}: JS = {here['js']:.3f} nats, so V(D*) = 2 JS − 2 log 2 = {value:.3f}. W₁ = {here['w1']:.2f}. "
        text += f"In the middle of q the best discriminator says {middle:.2g}. "
        text += f"The mean gradient at a sample is {here['saturating']:.2g} for log(1 − D), {here['nonsaturating']:.2g} for −log D, "
        return text + f"{here['wasserstein']:.2g} for the Wasserstein critic."


# --------------------------------------------------------------------------------------------------------------------
# The smallest game


class GameExplorer(Explorer):
    """Two players with a number each: their path, and whether it circles, spirals out or settles.

    Attributes:
        game, players: the menus;  rate_x, rate_y, steps, start: the sliders. y starts at 0
    """

    REACH = 3.0  # of the picture
    LENGTH = 200  # steps

    def __init__(self):
        self.game = menu("game", list(GAMES))
        self.players = menu("players", list(METHODS))
        rates = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
        self.rate_x, self.rate_y = (choice_slider(f"rate of {name}", rates, 0.1) for name in "xy")
        self.steps = int_slider("steps", 100, 0, self.LENGTH)
        self.start = slider("start x", 1.0, 0.1, 2.0, 0.1)
        super().__init__([self.game, self.players, self.rate_x, self.rate_y, self.steps, self.start])

    @kept_for("game", "players", "rate_x", "rate_y", "start")
    def whole_path(self) -> np.ndarray:
        """Played to the end: the slider of steps then only looks at less of it."""
        rates = self.rate_x.value, self.rate_y.value
        return play(self.game.value, self.players.value, self.LENGTH, *rates, (self.start.value, 0.0)).numpy()

    def path(self) -> np.ndarray:
        """Where both players are after each step, (steps + 1, 2)."""
        return self.whole_path()[: self.steps.value + 1]

    @kept_for("game")
    def gradients(self) -> tuple[np.ndarray, np.ndarray]:
        """Places of the plane, and the gradient of the game there, (n, 2) each."""
        axis = torch.linspace(-self.REACH, self.REACH, 13, dtype=torch.float64)[1:-1]
        places = torch.cartesian_prod(axis, axis)
        x, y = (axis.clone().requires_grad_() for axis in places.T)
        gradients = torch.autograd.grad(GAMES[self.game.value](x, y).sum(), (x, y))
        return places.numpy(), torch.stack(gradients, 1).numpy()

    def field(self) -> Strokes:
        """Arrows along which both would move if they stepped at once, all of one length."""
        places, gradients = self.gradients()
        way = gradients * (-self.rate_x.value, self.rate_y.value)
        length = np.linalg.norm(way, axis=1, keepdims=True)
        moving = length[:, 0] > 1e-12  # not at the equilibrium
        way = 0.34 * way[moving] / length[moving]
        look = {"label": "way of a joint step", "color": GREY, "width": 1, "opacity": 0.45}
        return arrows(places[moving] - way / 2, way, self.REACH, 0.25, 0.175, **look)

    def panels(self):
        path, first = self.path(), self.start.value
        n = len(path) - 1
        with np.errstate(over="ignore"):
            distance = np.nan_to_num(np.hypot(*path.T), nan=np.inf)
        shown, left = within(path, self.REACH)
        last = f"({path[-1, 0]:.2g}, {path[-1, 1]:.2g})"
        verdict = outcome(path, (self.rate_x.value, self.rate_y.value))
        text = f"{self.players.value.capitalize()} steps, game “{self.game.value}”: after {n} steps the distance from the equilibrium is "
        text += f"{distance[-1]:.3g}, at the start it was {first:.3g}. {verdict}"
        gone = "" if left is None else f" It leaves the picture at step {left}; what follows is not drawn."
        strokes = [self.field(), Strokes(shown[:, 0], shown[:, 1], "after each step", FAKE, 4)]
        marks = [Mark(0.0, 0.0, "(0, 0)", INK), Mark(first, 0.0, color=FAKE)]
        marks.append(Mark(*shown[-1], f"step {n}" if left is None else f"leaves at step {left}"))
        line = Line(shown[:, 0], shown[:, 1], color=FAKE)
        alt = f"the path of x and y from ({first:.1f}, 0) to {last} in {n} steps, around the equilibrium (0, 0). {verdict}{gone}"
        plane = square("who stands where", alt, self.REACH, strokes=strokes, lines=[line], marks=marks)
        plane.x_label, plane.y_label = "x, which minimises", "y, which maximises"
        floor, ceiling = 1e-6, 1e6  # what lies beyond is drawn on the edge
        drawn = distance.clip(floor, ceiling)
        how_far = Chart(
            "distance from the equilibrium",
            "step",
            "distance",
            f"distance from (0, 0) against the step, logarithmic: first {first:.3g}, {distance[-1]:.3g} after {n} steps. {verdict}",
            [Line(np.arange(n + 1), drawn)],
            marks=[Mark(n, drawn[-1], f"{distance[-1]:.3g}")],
            log_y=True,
            x_range=(0, self.LENGTH),
            y_range=(min(0.3, 0.7 * drawn.min()), max(3.0, 1.4 * drawn.max())),
            width=BESIDE,
            height=220,
        )
        return [[plane], [how_far], [Note(text + gone, BESIDE)]]


def within(path: np.ndarray, reach: float) -> tuple[np.ndarray, int | None]:
    """The path (n, 2) until it leaves the square, cut at its border, or overflows; and the step at which it does, None if never."""
    outside = ~(np.abs(path) <= reach).all(1)  # written so that NaN is outside
    if not outside.any():
        return path, None
    k = int(outside.argmax())
    before, after = path[k - 1], path[k]
    if not np.isfinite(after).all():
        return path[:k], k
    share = min((math.copysign(reach, b) - a) / (b - a) for a, b in zip(before, after) if abs(b) > reach)
    return np.concatenate([path[:k], [before + share * (after - before)]]), k


def outcome(path: np.ndarray, rates: tuple[float, float]) -> str:
    """Where a path (n, 2) leads, in a sentence: its largest distance in the last third against that in the first third."""
    if len(path) <= 10:
        return "That is too short to tell where it leads."
    if not np.isfinite(path).all():
        return "It spirals out, past the largest number there is."
    # with unequal rates a circle becomes an ellipse; measured with each axis in its own unit it is a circle again
    distance, third = np.hypot(*(path / np.sqrt(rates)).T), len(path) // 3
    growth = distance[-third:].max() / distance[:third].max()
    return "It spirals out." if growth > 1.02 else "It settles." if growth < 0.98 else "It circles."


# --------------------------------------------------------------------------------------------------------------------
# The film


class TrainingMovie(Explorer):
    """Recorded trainings on points of the plane: samples, the discriminator's opinion of every place, and the modes covered.

    Args:
        films: loss → tensors "steps" (t,), "samples" (t, n, 2), "landscape" (t, g, g), which is D(x) in [0, 1] on the square [−4, 4]²
            with rows from top to bottom, "modes" (t,), and "good" (t,), the share of samples near a mode
        data: (m, 2)
        modes: how many there are

    Attributes:
        loss: the menu;  frame: the slider;  play: the buttons that move it
    """

    REACH = 4.0

    def __init__(self, films: Mapping[str, Mapping[str, Any]], data: Any, modes: int = 25):
        self.data, self.modes = as_points(data, "data"), modes
        self.films = {str(name): checked_film(str(name), each) for name, each in some(films, "films", "loss → recording").items()}
        last = max(len(each["steps"]) for each in self.films.values()) - 1
        self.loss = menu("loss", list(self.films))
        self.frame, self.play = film(last, 250)
        super().__init__([self.loss, self.frame, self.play])

    def panels(self):
        name, shown = self.loss.value, self.films[self.loss.value]
        t = min(self.frame.value, len(shown["steps"]) - 1)
        steps, step, modes, good = shown["steps"], int(shown["steps"][t]), int(shown["modes"][t]), float(shown["good"][t])
        reach, told = self.REACH, f"{name} at step {step}: {modes} of {self.modes} modes covered, {good:.0%} of the samples near a mode"
        clouds = [dots(self.data, reach, "data", GREY, 2.5, 0.6), dots(shown["samples"][t], reach, "samples", INK, 4)]
        alt = f"{told}; the discriminator's mean opinion D is {shown['landscape'][t].mean():.2f} over the plane"
        plane = square(f"{name}, step {step}", alt, reach, background=tinted(stretched(shown["landscape"][t])), strokes=clouds)
        chart = progress(steps, shown["modes"], self.modes, shown["good"], t)
        chart.width = ASIDE
        deepest = opinion_range(shown["landscape"][t]) / 2
        legend = "The colour is the discriminator's opinion, each frame on a scale of its own. White: undecided, D = ½. "
        legend += f"The deepest orange, judged real: D = {0.5 + deepest:.2f}. The deepest blue, judged fake: D = {0.5 - deepest:.2f}."
        return [[plane, chart], [Note(legend, 740)]]


def checked_film(name: str, film: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The tensors of a film as arrays.

    Raises:
        ValueError: one is missing, or their shapes do not fit
    """
    keys = {"steps": 1, "samples": 3, "landscape": 3, "modes": 1, "good": 1}  # and how many axes each has
    if missing := [key for key in keys if key not in film]:
        raise ValueError(f"the film “{name}” lacks {', '.join(missing)}; it needs {', '.join(keys)}")
    arrays = {key: torch.as_tensor(film[key]).cpu() for key in keys}
    shapes = ", ".join(f"{key} {tuple(v.shape)}" for key, v in arrays.items())
    if any(arrays[key].ndim != axes for key, axes in keys.items()) or len({len(v) for v in arrays.values()}) != 1:
        raise ValueError(f"the film “{name}” needs one entry a frame: (t,), (t, n, 2) and (t, g, g); got {shapes}")
    if arrays["landscape"].dtype == torch.uint8:
        arrays["landscape"] = arrays["landscape"] / 255
    arrays["samples"], arrays["landscape"] = arrays["samples"].float(), arrays["landscape"].float()
    low, high = arrays["landscape"].min(), arrays["landscape"].max()
    if not (low >= 0 and high <= 1):  # written so that NaN fails too
        raise ValueError(f"the landscape of “{name}” must be D in [0, 1], but spans [{low:.3g}, {high:.3g}]; apply the sigmoid first")
    return {key: v.numpy() for key, v in arrays.items()}


def opinion_range(landscape: np.ndarray) -> float:
    """How far 2D − 1 gets from 0 at all but a twentieth of the places (g, g), at least 0.01: one odd corner shall not set the scale."""
    return max(0.01, float(np.quantile(np.abs(2 * landscape - 1), 0.95)))


def stretched(landscape: np.ndarray) -> np.ndarray:
    """D (g, g) in [0, 1] with its differences from ½ enlarged until colours show them: where samples look real, D is near ½ everywhere."""
    return np.clip(0.5 + (landscape - 0.5) / opinion_range(landscape), 0, 1)


def tinted(landscape: np.ndarray, side: int = 128) -> bytes:
    """D (g, g) in [0, 1] as a soft picture, PNG bytes: blue at 0, white at ½, orange at 1."""
    # the outer rows and columns lie on the border of the square, so they stay on the border of the picture
    smooth = F.interpolate(torch.from_numpy(landscape)[None, None], (side, side), mode="bicubic", align_corners=True)[0, 0]
    opinion = (2 * smooth.clamp(0, 1) - 1).numpy()[..., None]
    opinion = np.round(LEVELS * opinion) / LEVELS  # steps too small to see, and a third of the bytes: it travels with every frame
    colors = np.array([rgb(FAKE), rgb(REAL)], dtype=np.float32)
    full = np.where(opinion < 0, colors[0], colors[1])
    return png((255 - 0.7 * np.abs(opinion) * (255 - full) + 0.5).astype(np.uint8))  # not the full colours: dots shall stand out


# --------------------------------------------------------------------------------------------------------------------
# Mode collapse

LEAST, NEAR = 10, 4.0  # a mode is covered by so many samples within so many standard deviations, as `modes_covered` counts


def plane_of_modes(title: str, alt: str, samples: np.ndarray, centres: np.ndarray, std: float, data: np.ndarray | None = None) -> Chart:
    """The samples in the plane, and a ring around each mode with its count, green when it is covered."""
    reach = float(math.ceil(np.abs(centres).max() + NEAR * std))
    distance = np.linalg.norm(samples[:, None] - centres[None], axis=-1)
    nearest = distance.argmin(1)
    counts = np.bincount(nearest[distance.min(1) <= NEAR * std], minlength=len(centres))
    rings = circles(centres, NEAR * std)
    covered = counts >= LEAST
    strokes = [] if data is None else [dots(data, reach, "data", GREY, 2.5, 0.35)]
    strokes.append(dots(samples, reach, "samples", INK, 3, 0.6))
    for which, label, color in ((covered, "covered", COVERED), (~covered, "missed", MISSED)):
        strokes.append(Strokes(rings[which, :, 0], rings[which, :, 1], label, color, 1.8))
    below = NEAR * std + 0.055 * reach  # half a line of text under the ring
    labels = [Label(x, y - below, str(n), COVERED) for (x, y), n in zip(centres[covered], counts[covered])]
    return square(title, alt, reach, strokes=strokes, labels=labels)


class CollapseLab(Explorer):
    """Trainings that collapsed and trainings that were cured: which modes the samples reach, for every seed.

    Args:
        results: (loss, cure) → one entry a seed: {"samples": (n, 2), "modes": int, "good": share of samples near a mode}
        centres: (modes, 2);  std: of every mode

    Attributes:
        loss, cure: the menus;  seed: the slider
    """

    def __init__(self, results: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]], centres: Any, std: float):
        self.centres, self.std = as_points(centres, "centres"), float(std)
        self.results = {}
        for (loss, cure), runs in some(results, "results", "(loss, cure) → seeds").items():
            missing = sorted({key for run in runs for key in ("samples", "modes", "good") if key not in run})
            if missing or not runs:
                what = f"lacks {', '.join(missing)}" if missing else "has no seeds"
                raise ValueError(f"the result “{loss}, {cure}” {what}; give samples, modes and good for each seed")
            self.results[loss, cure] = [dict(run, samples=as_points(run["samples"], "samples")) for run in runs]
        losses, cures = (list(dict.fromkeys(names)) for names in zip(*self.results))
        self.loss, self.cure = menu("loss", losses), menu("cure", cures)
        self.seed = int_slider("seed", 1, 1, max(map(len, self.results.values())))
        super().__init__([self.loss, self.cure, self.seed])

    def panels(self):
        loss, cure = self.loss.value, self.cure.value
        runs, plain = self.results.get((loss, cure)), self.results.get((loss, "none"), [])
        if runs is None:
            others = ", ".join(name for each, name in self.results if each == loss)
            return [[Note(f"There is no training with the loss “{loss}” and the cure “{cure}”. With this loss there are: {others}.", 740)]]
        seed = min(self.seed.value, len(runs))
        run, count = runs[seed - 1], len(self.centres)
        told = f"{loss}, cure “{cure}”, seed {seed}: {run['modes']} of {count} modes covered, {run['good']:.0%} of the samples near a mode"
        means = {name: np.mean([each["modes"] for each in group]) for name, group in ((cure, runs), ("none", plain)) if group}
        text = f"{told[0].upper()}{told[1:]}. Over {len(runs)} seeds: {means[cure]:.1f} modes on average"
        text += f", without a cure {means['none']:.1f}." if cure != "none" and plain else "."
        short = "" if seed == self.seed.value else f" There are only {len(runs)} seeds of this one."
        plane = plane_of_modes(f"{run['modes']} of {count} modes covered", told, run["samples"], self.centres, self.std)
        return [[plane, self.bars(runs, plain, seed)], [Note(text + short, 740)]]

    def bars(self, runs: list, plain: list, seed: int) -> Chart:
        loss, cure, count = self.loss.value, self.cure.value, len(self.centres)
        groups = {cure: (runs, CYCLE[0])} if cure == "none" else {"none": (plain, CYCLE[9]), cure: (runs, CYCLE[0])}
        groups = {name: group for name, group in groups.items() if group[0]}
        wide, bars = 0.8 / len(groups), []
        for i, (name, (group, color)) in enumerate(groups.items()):
            left = np.arange(1, len(group) + 1) - 0.4 + wide * i
            bars.append(Bars(left, left + wide, [each["modes"] for each in group], f"cure: {name}", color))
        told = "; ".join(f"{name}: {', '.join(str(each['modes']) for each in group)}" for name, (group, _) in groups.items())
        most = max(len(group) for group, _ in groups.values())
        chart = Chart("modes covered, seed by seed", "seed", "modes", f"modes covered by each seed with the loss {loss}; {told}", bars=bars)
        chart.x_ticks, chart.x_range, chart.y_range = {i: str(i) for i in range(1, most + 1)}, (0.4, most + 0.6), (0, 1.1 * count)
        chart.x_rules = {"": seed}
        chart.lines = [Line((0.4, most + 0.6), (count, count), f"all {count}", GREY, dashed=True)]
        chart.width, chart.height = ASIDE, 300
        return chart


# --------------------------------------------------------------------------------------------------------------------
# A GAN that trains while you watch

CURES = ("none", "minibatch", "packing", "penalty")


def cured(loss: str, cure: str) -> dict[str, Any]:
    """The arguments of `PointGAN` for a loss and a cure; "penalty" is that of WGAN-GP for its loss, and R1 for the others."""
    if cure == "penalty" and loss == "wasserstein":
        return {"loss": loss, "penalty": 0.1, "critic_steps": 3}
    return {"loss": loss} | {"none": {}, "minibatch": {"minibatch": True}, "packing": {"pack": 4}, "penalty": {"r1": 0.1}}[cure]


class LiveRun:
    """One small training, done a slice at a time: what `gan_step_with_cures` asks of a run.

    Its random numbers are its own: what other cells draw does not change it, nor it what they draw.

    Attributes:
        chosen: (loss, cure, rate, steps);  step: where training is;  seconds: spent so far
        history: (step, modes covered, share of good samples) every EVERY steps
    """

    BATCH, EVERY = 128, 25
    SAMPLES = 2500  # as many as the lecture counts modes with

    def __init__(self, chosen: tuple[str, str, float, int], data: Tensor, centres: Tensor, std: float, seed: int = 0):
        self.chosen, self.data, self.centres, self.std, self.seed = chosen, data, centres, std, seed
        loss, cure, rate, self.steps = chosen
        self.step, self.seconds, self.history = 0, 0.0, []
        with seeded(seed):
            self.model = PointGAN(**cured(loss, cure))
            self.z = torch.randn(self.SAMPLES, self.model.latents)  # the same at every look, so that the samples are seen to move
            self.random = torch.get_rng_state()
        self.optimisers = self.model.optimisers(lr=rate, betas=(0.5, 0.9))
        self.look()

    @property
    def done(self) -> bool:
        return self.step >= self.steps

    def update(self, loss: Tensor, name: str) -> None:
        """Step one player; the other's gradients are cleared with its own."""
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss of the {name} became {loss.item():.3g}; a smaller rate may help")
        loss.backward()
        self.optimisers[name].step()
        for each in self.optimisers.values():
            each.zero_grad()

    def go_on(self, seconds: float) -> None:
        """Train for so long, at least one step."""
        started = time.perf_counter()
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.random)
            while not self.done:
                for optimiser in self.optimisers.values():
                    for group in optimiser.param_groups:
                        group["lr"] = self.chosen[2] * learning_rate(self.step, self.steps, "linear")
                gan_step_with_cures(self, self.data[torch.randint(len(self.data), (self.BATCH,))])
                self.step += 1
                if self.step % self.EVERY == 0 or self.done:
                    self.look()
                if time.perf_counter() - started > seconds:
                    break
            self.random = torch.get_rng_state()
        self.seconds += time.perf_counter() - started

    @torch.no_grad()
    def look(self) -> None:
        """Draw samples and count the modes."""
        self.samples = self.model.decode(self.z)
        self.history.append((self.step, *modes_covered(self.samples, self.centres, self.std, LEAST, NEAR)))


class LiveGAN(Explorer):
    """Train a small GAN and watch its samples: choose a loss and a cure, press train, and stop when you have seen enough.

    Args:
        data: (n, 2);  centres: (modes, 2) of its modes;  std: of every mode

    Attributes:
        loss, cure: the menus;  rate, steps: the sliders;  train, stop: the buttons
        run: the present training, or None;  training: whether it is going on

    Training is cut into slices inside an asyncio task, so the kernel answers the stop button, and other cells, between two of them.
    In a cell, `explorer.train.click()` and `await explorer.finished()` train to the end.
    """

    SLICE, PAUSE = 0.3, 0.02  # seconds: of training, and for the kernel to look at its messages

    def __init__(self, data: Any, centres: Any, std: float):
        self.data, self.centres, self.std = (*map(torch.from_numpy, (as_points(data, "data"), as_points(centres, "centres"))), float(std))
        self.loss, self.cure = menu("loss", list(LOSSES), "nonsaturating"), menu("cure", list(CURES))
        self.rate = choice_slider("rate", [(f"{v:g}", v) for v in (1e-4, 3e-4, 1e-3, 3e-3)], 1e-3)
        self.steps = choice_slider("steps", [(f"{n:,}", n) for n in (200, 500, 1000, 2000, 3000)], 1000)
        self.train, self.stop = (widgets.Button(description=name, layout=widgets.Layout(width="156px")) for name in ("train", "stop"))
        self.run, self.training, self._halted, self._trouble = None, False, False, ""
        super().__init__([self.loss, self.cure, self.rate, self.steps, self.train, self.stop])
        self.train.on_click(self.begin)
        self.stop.on_click(self.halt)

    @property
    def chosen(self) -> tuple[str, str, float, int]:
        """What the controls say: loss, cure, rate, steps."""
        return self.loss.value, self.cure.value, self.rate.value, self.steps.value

    def begin(self, _button=None) -> None:
        """Go on with a training that was stopped; begin anew when a control has moved since, or when it had reached its end."""
        old = self.run
        if old is None or old.done or old.chosen != self.chosen or self._trouble:
            again = old is not None and old.chosen == self.chosen
            try:
                self.run = LiveRun(self.chosen, self.data, self.centres, self.std, seed=old.seed + 1 if again else 0)
            except Exception as error:
                self.fail(error)
                return
        self._halted, self._trouble = False, ""
        if self.training:  # the task that is there takes the new run
            return
        self.training = True
        try:
            # whichever loop handles this click: JupyterLab 4.4 and later answer widgets in a thread of their own
            self._task = asyncio.get_running_loop().create_task(self._train())
        except RuntimeError:  # a plain script, in which nothing else waits
            asyncio.run(self._train())

    def halt(self, _button=None) -> None:
        """Stop after the present slice and keep what is there."""
        self._halted = True

    def close(self) -> None:
        self.halt()
        super().close()

    async def finished(self) -> None:
        """Wait until nothing trains any more."""
        while self.training:
            await asyncio.sleep(self.PAUSE)

    async def _train(self) -> None:
        try:
            while not (self._halted or self.run.done):
                self.run.go_on(self.SLICE)
                self.draw()
                await asyncio.sleep(self.PAUSE)
            if self.run.history[-1][0] < self.run.step:  # the picture shows where it was stopped
                self.run.look()
        except Exception as error:  # nobody would see the traceback of a task
            self._trouble = str(error)
        finally:
            self.training = False
            self.draw()

    def state(self) -> str:
        """What is going on, in a sentence or two."""
        run = self.run
        loss, cure, rate, steps = self.chosen if run is None else run.chosen
        if run is None:
            return f"Nothing is trained yet. Press train for {steps:,} steps with the loss {loss}, cure “{cure}”, rate {rate:g}."
        what = f"{loss}, cure “{cure}”, rate {rate:g}" + (f", random start {run.seed + 1}" if run.seed else "")
        if self._trouble:
            text = f"{what}: training broke down at step {run.step}, for {self._trouble}."
        elif run.done:
            text = f"{what}: trained {steps:,} steps in {run.seconds:.1f} s. Train again for another random start."
        elif self.training:
            text = f"{what}: training, step {run.step:,} of {steps:,}."
        else:
            text = f"{what}: stopped at step {run.step:,} of {steps:,}. It keeps what it has; train goes on from here."
        moved = " The controls have moved since, so train begins anew." if run.chosen != self.chosen else ""
        return text[0].upper() + text[1:] + moved

    def panels(self):
        run, count, data = self.run, len(self.centres), self.data.numpy()
        steps = self.steps.value if run is None else run.steps
        history = np.array([(0.0, 0.0, 0.0)] if run is None else run.history, dtype=float)
        step, modes, good = int(history[-1, 0]), int(history[-1, 1]), float(history[-1, 2])
        told = f"at step {step}: {modes} of {count} modes covered, {good:.0%} of the samples near a mode"
        if run is None:
            told = f"no samples yet, only the data: {count} modes"
        samples = np.zeros((0, 2), np.float32) if run is None else run.samples.numpy()
        title = "the data" if run is None else f"step {step:,}: {modes} of {count} modes covered"
        plane = plane_of_modes(title, told, samples, self.centres.numpy(), self.std, data)
        chart = progress(*history[:, :2].T, count, history[:, 2], -1, steps)
        return [[plane], [chart], [Note(self.state(), BESIDE)]]
