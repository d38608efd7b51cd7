"""The score of a mixture in the plane, and who follows it."""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ...datasets.toy2d import plane
from ...diffusion import langevin, mixture_log_prob, mixture_score
from ...plotting.panels import CYCLE, INK, Bars, Chart, Label, Note, Strokes, png
from .. import BESIDE, Explorer, choice_slider, int_slider, menu, seeded, slider
from ..plane import DEEP, arrows, dots, seen_segments, square

MEANS = torch.tensor([[1.8, 1.6], [-2.0, 0.9], [0.3, -2.2]])
WEIGHTS = torch.tensor([0.2, 0.5, 0.3])
WIDTH = 0.35  # of each Gaussian
NAMES = "ABC"
PLAIN, ANNEALED, CLIMB = "Langevin", "annealed Langevin", "gradient only"
STEPS, LEVELS = 200, 10
WIDEST = 4.0  # width of the mixture at the first level of the annealed walk: wider than the modes lie apart
REACH = 4.0


def blurred(sigma: float) -> float:
    """The width of each Gaussian once noise of width σ is added."""
    return math.hypot(WIDTH, sigma)


def widths(sigma: float) -> list[float]:
    """Widths of the Gaussians at each level of the annealed walk that ends at noise σ: each the same share of the one before."""
    return np.geomspace(WIDEST, blurred(sigma), LEVELS).tolist()


def score(x: Tensor, width: float) -> Tensor:
    """∇ log p at x (n, 2), of the mixture whose Gaussians are so wide."""
    return mixture_score(x, MEANS, width, WEIGHTS)


@cache
def walk(kind: str, sigma: float, step: float, particles: int) -> np.ndarray:
    """Where the particles are after 0, 1, … STEPS steps, (STEPS + 1, n, 2); the same random numbers for every kind of walk.

    Args:
        step: η; the annealed walk takes it at its last level, and more before, in proportion to the square of the width
    """
    with seeded(0):
        x = torch.tensor([3.4, 3.4]) + 0.15 * torch.randn(particles, 2)
        path = [x]
        if kind == CLIMB:
            for _ in range(STEPS):
                path.append(path[-1] + step * score(path[-1], blurred(sigma)))
        elif kind == PLAIN:
            langevin(lambda x: score(x, blurred(sigma)), x, step, STEPS, path.append)
        else:
            for width in widths(sigma):
                here = step * (width / blurred(sigma)) ** 2
                x = langevin(lambda x, width=width: score(x, width), x, here, STEPS // LEVELS, path.append)
    return torch.stack(path).numpy()


def nearest(x: Tensor) -> Tensor:
    """Which mean is nearest to each point (..., 2)."""
    return torch.cdist(x, MEANS).argmin(-1)


def gathered(x: Tensor, mass: Tensor) -> tuple[np.ndarray, float]:
    """The share of points x (n, 2) nearest to each mode, and their spread around it along one axis, if each counts `mass` (n,)."""
    mode = nearest(x)
    shares = torch.bincount(mode, mass, len(MEANS))
    spread = (mass * (x - MEANS[mode]).square().sum(1)).sum() / (2 * mass.sum())
    return (shares / mass.sum()).numpy(), float(spread.sqrt())


@cache
def right(width: float) -> tuple[np.ndarray, float]:
    """The same of the mixture itself, by a sum over a fine grid: its shares nearest to each mode, and its spread."""
    places = plane(200, 5 + 4.5 * width)
    return gathered(places, mixture_log_prob(places, MEANS, width, WEIGHTS).double().exp())


@cache
def scenery(width: float) -> tuple[bytes, Strokes]:
    """The density as a picture, and the score as arrows."""
    density = mixture_log_prob(plane(160, REACH), MEANS, width, WEIGHTS).exp().view(160, 160, 1)
    # pale, so that arrows stay in sight; the square root keeps what is thin
    pale = 255 - 0.5 * np.round(24 * (density / density.max()).sqrt().numpy()) / 24 * (255 - DEEP)
    axis = np.linspace(-REACH, REACH, 18)[1:-1]
    places = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    way = 0.35 * width**2 * score(torch.as_tensor(places).float(), width).numpy()
    length, longest = np.linalg.norm(way, axis=1, keepdims=True), 0.85 * (axis[1] - axis[0])
    way = way * np.minimum(1, longest / np.maximum(length, 1e-9))
    look = {"label": "score", "color": CYCLE[1], "width": 1.1, "opacity": 0.6}
    return png((pale + 0.5).astype(np.uint8)), arrows(places - way / 2, way, REACH, 0.35, 0.22, **look)


class ScoreExplorer(Explorer):
    """The score of three Gaussians in the plane, and particles that follow it from a far corner.

    Attributes:
        sigma: the noise added to the mixture;  step: η;  steps: how many are taken;  walk: the menu

    The annealed walk begins with much noise, so that the modes are one, and goes down to σ in ten levels of twenty steps.
    """

    FEW_COLORS = True
    PARTICLES, TRAILS, LATELY = 400, 6, 15

    def __init__(self):
        self.walk = menu("walk", [PLAIN, ANNEALED, CLIMB])
        self.sigma = slider("noise σ", 0.0, 0.0, 2.0, 0.1)
        self.step = choice_slider("step η", [(f"{v:g}", v) for v in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)], 0.02)
        self.steps = int_slider("steps", STEPS, 0, STEPS)
        super().__init__([self.walk, self.sigma, self.step, self.steps])

    def width(self) -> float:
        """Of the Gaussians whose score the particles follow at this step."""
        sigma = round(self.sigma.value, 4)
        if self.walk.value != ANNEALED:
            return blurred(sigma)
        return widths(sigma)[max(0, self.steps.value - 1) // (STEPS // LEVELS)]

    def panels(self):
        kind, k, width = self.walk.value, self.steps.value, self.width()
        path = walk(kind, round(self.sigma.value, 4), self.step.value, self.PARTICLES)
        here = torch.as_tensor(path[k])
        shares, spread = gathered(here, torch.ones(len(here), dtype=torch.float64))
        right_shares, right_spread = right(width)
        told = "; ".join(f"{name} {a:.0%} of the particles, right {b:.0%}" for name, a, b in zip(NAMES, shares, right_shares))
        added = math.sqrt(max(0.0, width**2 - WIDTH**2))
        background, field = scenery(width)
        lately = path[max(0, k - self.LATELY) : k + 1, : self.TRAILS].swapaxes(0, 1)
        chart = square(
            f"{kind}, {k} steps, noise σ = {added:.2f}",
            f"density and score of three Gaussians with noise {added:.2f}, and {len(here)} particles after {k} steps: {told}",
            REACH,
            background=background,
            strokes=[
                field,
                seen_segments(lately, REACH, label=f"{self.TRAILS} paths, last {self.LATELY} steps", color=CYCLE[2], width=1.6),
                dots(path[k], REACH, "particles", INK, 3.5, 0.75),
            ],
            labels=[Label(x, y + 1.1, name) for name, (x, y) in zip(NAMES, MEANS.tolist())],
        )
        words = self.words(added, shares, right_shares, spread, right_spread)
        return [[chart], [self.bars(shares, right_shares, told)], [Note(words, BESIDE)]]

    @staticmethod
    def bars(shares: np.ndarray, right_shares: np.ndarray, told: str) -> Chart:
        x = np.arange(len(shares))
        ticks = {float(i): f"{NAMES[i]}: {a:.0%}, right {b:.0%}" for i, (a, b) in enumerate(zip(shares, right_shares))}
        bars = [Bars(x - 0.32, x, shares, "particles", CYCLE[0]), Bars(x, x + 0.32, right_shares, "right", "#c3c8cf")]
        chart = Chart("share nearest to each mode", "mode", "share", told, bars=bars, x_ticks=ticks, width=BESIDE, height=190)
        chart.x_range, chart.y_range = (-0.5, len(shares) - 0.5), (0, 1)
        return chart

    def words(self, added: float, shares: np.ndarray, right_shares: np.ndarray, spread: float, right_spread: float) -> str:
        kind, k = self.walk.value, self.steps.value
        wrong = 0.5 * float(np.abs(shares - right_shares).sum())
        text = f"{kind[0].upper()}{kind[1:]} with η = {self.step.value:g} after {k} steps, noise σ = {added:.2f}"
        text += " at this level. " if kind == ANNEALED else ". "
        text += f"{wrong:.0%} of the particles are at the wrong mode. "
        text += f"Their spread around the nearest mode is {spread:.2f}; right is {right_spread:.2f}. "
        if k == 0:
            return text + "Nobody has moved yet: all begin in the corner."
        if kind == CLIMB:
            return text + "Without noise each particle climbs to a peak and stays there: that is no sample."
        if k == STEPS and wrong > 0.1:
            if kind == ANNEALED:
                return text + "The steps were too short: while the noise was large, there was no time to spread."
            if self.width() > 1:
                return text + f"With so much noise there is a way between the modes, but {STEPS} steps of this length do not get far on it."
            return text + "Between the modes the density is low: who has come to one stays long. More noise opens a way, and takes detail."
        if k == STEPS and spread > 1.15 * right_spread:
            return text + "The steps are so long that the walk blurs the modes."
        if kind == ANNEALED:
            return text + "With much noise the modes are one and particles spread; as it falls, they part into the right shares."
        return text + "Each step goes η along the score and adds noise of width √(2η)."
