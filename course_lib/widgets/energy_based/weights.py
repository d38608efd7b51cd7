"""Weights: means under one density from draws of another, and how a partition function is estimated."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...energy_based import RBM, LogZ, base_rates, normalised, self_normalised, weight_ess
from ...energy_based.boltzmann import MOST
from ...plotting.panels import CYCLE, GREY, Bars, Chart, Line, Mark, Note, Strokes, Table
from .. import (
    HALF,
    WIDE,
    Explorer,
    as_images,
    at_rest,
    choice_slider,
    int_slider,
    kept_for,
    menu,
    numbers,
    plural,
    seed_slider,
    seeded,
    slider,
)
from ..plane import log_normal

# --------------------------------------------------------------------------------------------------------------------
# Importance sampling

# name → weight, mean and standard deviation of each Gaussian of p along every axis; each has the mean 0
TARGETS = {"two modes": ((0.5, -2.0, 0.6), (0.5, 2.0, 0.6)), "Gaussian": ((1.0, 0.0, 1.0),)}
FEW = 10  # draws: a mean of fewer is none


def log_target(name: str, x: np.ndarray) -> np.ndarray:
    """log p(x) along one axis, nats."""
    return np.logaddexp.reduce([math.log(w) + log_normal(x, m, s) for w, m, s in TARGETS[name]])


class ImportanceExplorer(Explorer):
    """The mean of x₁ under p from draws of a proposal q: their weights, how many draws they are worth, and how that falls with dimensions.

    p and q are the same along every axis, q = N(shift, width²). The mean of x₁ is 0.

    Attributes:
        target: the menu;  shift, width, dims, draws, seed: the sliders
    """

    BELOW = True
    REACH, MOST = 7.0, 1000

    def __init__(self):
        self.target = menu("target p", list(TARGETS))
        self.shift, self.width = slider("shift of q", 2.0, 0.0, 4.0, 0.1), slider("width of q", 0.7, 0.3, 4.0, 0.1)
        self.dims = int_slider("dimensions", 1, 1, 30)
        self.draws = choice_slider("draws", [(f"{n:,}", n) for n in (10, 30, 100, 300, self.MOST)], 100)
        self.seed = seed_slider("seed")
        super().__init__([self.target, self.shift, self.width, self.dims, self.draws, self.seed])

    @kept_for("seed")
    def noise(self) -> Tensor:
        return torch.randn(self.MOST, self.dims.max, generator=torch.Generator().manual_seed(self.seed.value), dtype=torch.float64)

    def drawn(self) -> tuple[Tensor, Tensor]:
        """x₁ of the draws, and their log weights log p − log q, (n,) each."""
        m, s = self.shift.value, self.width.value
        x = m + s * self.noise()[: self.draws.value, : self.dims.value]
        log_weights = log_target(self.target.value, x.numpy()) - log_normal(x.numpy(), m, s)
        return x[:, 0], torch.from_numpy(log_weights).sum(1)

    def square_of_weights(self) -> float:
        """∫ p² / q along one axis, the mean square of the weights; infinite where q is too narrow for the tails of p."""
        m, s = self.shift.value, self.width.value
        if 2 / max(std for _, _, std in TARGETS[self.target.value]) ** 2 <= 1 / s**2:
            return math.inf
        x = np.linspace(-60, 60, 24_001)
        return float(np.exp(2 * log_target(self.target.value, x) - log_normal(x, m, s)).sum() * (x[1] - x[0]))

    def panels(self):
        x, log_weights = self.drawn()
        w, ess = normalised(log_weights), float(weight_ess(log_weights))
        mean, error = (float(v) for v in self_normalised(x, log_weights))
        square = self.square_of_weights()
        return [
            [self.densities(x), self.stems(x, w, ess)],
            [self.running(x, log_weights, mean, error), self.collapse(ess, square)],
            [Note(self.words(w, ess, mean, error, square), WIDE)],
        ]

    def densities(self, x: Tensor) -> Chart:
        m, s = self.shift.value, self.width.value
        grid = np.linspace(-self.REACH, self.REACH, 241)
        p, q = np.exp(log_target(self.target.value, grid)), np.exp(log_normal(grid, m, s))
        seen = x[x.abs() <= self.REACH][:300].numpy()
        top = max(p.max(), q.max())
        ground = np.stack([np.zeros_like(seen), np.full_like(seen, 0.06 * top)], 1)
        return Chart(
            "along the first axis: target p and proposal q",
            "x₁",
            "density",
            f"target {self.target.value} and proposal with mean {m:.1f} and width {s:.1f}; {len(x):,} draws",
            [Line(grid, p, "p"), Line(grid, q, "q", CYCLE[1])],
            strokes=[Strokes(np.stack([seen, seen], 1), ground, "draws of q", CYCLE[1], 1.0, 0.6)],
            x_range=(-self.REACH, self.REACH),
            y_range=(0, 1.08 * top),
            width=HALF,
            height=220,
        )

    def stems(self, x: Tensor, w: Tensor, ess: float) -> Chart:
        keep = w.argsort(descending=True)[:300]
        x, w, n = x[keep].numpy().clip(-self.REACH, self.REACH), w[keep].numpy(), self.draws.value
        return Chart(
            f"share of all weight of each draw; ESS {ess:.1f} of {n:,}",
            "x₁",
            "share of all weight",
            f"weights of {n:,} draws: the largest has {w[0]:.1%} of all weight, at x₁ = {x[0]:.2f}; effective sample size {ess:.1f}",
            [Line((-self.REACH, self.REACH), (1 / n, 1 / n), "1 / n, if p were q", GREY, dashed=True)],
            strokes=[Strokes(np.stack([x, x], 1), np.stack([0 * w, w], 1), "", CYCLE[0], 1.5, 0.8), Strokes(x, w, "", CYCLE[0], 5)],
            x_range=(-self.REACH, self.REACH),
            y_range=(0, 1.15 * max(float(w[0]), 1 / n)),
            width=HALF,
            height=220,
        )

    def running(self, x: Tensor, log_weights: Tensor, mean: float, error: float) -> Chart:
        """The estimate after 1, 2, … draws, with two standard errors."""
        n = len(x)
        w = (log_weights - log_weights.max()).exp()
        total = w.cumsum(0).clamp_min(1e-300)
        means = (w * x).cumsum(0) / total
        # Σ w² (x − mean)², multiplied out
        squares = (w**2 * x**2).cumsum(0) - 2 * means * (w**2 * x).cumsum(0) + means**2 * (w**2).cumsum(0)
        errors = squares.clamp_min(0).sqrt() / total
        places = np.unique(np.geomspace(2, n, 60).round().astype(int))
        low, middle, high = (v[places - 1].clamp(-5, 5).numpy() for v in (means - 2 * errors, means, means + 2 * errors))
        return Chart(
            "the estimate as draws come in",
            "draws",
            "mean of x₁",
            f"the mean of x₁ after {n:,} draws is estimated as {mean:.3f} ± {error:.3f}; exact 0",
            [
                Line(places, low, "± 2 standard errors", CYCLE[7]),
                Line(places, high, "", CYCLE[7]),
                Line(places, middle, "estimate"),
                Line((2, n), (0, 0), "exact", GREY, dashed=True),
            ],
            marks=[Mark(n, float(middle[-1]), f"{mean:.2f}")],
            log_x=True,
            x_range=(2, 1.02 * n),
            y_range=(-5, 5) if max(abs(low).max(), abs(high).max()) > 2.6 else (-2.7, 2.7),
            width=HALF,
            height=220,
        )

    def collapse(self, ess: float, square: float) -> Chart:
        """What a draw is worth against the number of dimensions: 1 / (∫ p²/q)^d in the long run, and the measured one."""
        n, d = self.draws.value, self.dims.value
        dims = np.arange(1, self.dims.max + 1)
        lines = [Line(dims, np.exp(np.maximum(-dims * math.log(square), -40)), "in the long run", GREY)] if math.isfinite(square) else []
        share = square**-d if math.isfinite(square) else 0.0
        return Chart(
            "worth of a draw, ESS / n",
            "dimensions",
            "ESS / n",
            f"in {plural(d, 'dimension')} a draw is worth {ess / n:.2e} independent ones; in the long run {share:.2e}",
            [*lines, Line((1, self.dims.max), (1 / n, 1 / n), "one draw of all", CYCLE[2], dashed=True)],
            marks=[Mark(d, ess / n, f"{ess / n:.2g}", CYCLE[0])],
            log_y=True,
            x_range=(0.5, self.dims.max + 0.5),
            y_range=(1e-6, 2),
            width=HALF,
            height=220,
        )

    def words(self, w: Tensor, ess: float, mean: float, error: float, square: float) -> str:
        n, d = self.draws.value, self.dims.value
        text = f"Estimate {mean:.2f} ± {error:.2f}, exact 0. The {n:,} draws are worth {ess:.1f}; "
        text += f"the largest weight is {float(w.max()):.0%} of all. "
        text += "The weights have an infinite variance: q is too narrow for the tails of p. " if math.isinf(square) else ""
        if ess < FEW and n > FEW:
            return text + f"The estimate hangs on fewer than {FEW} draws: neither it nor its error can be believed."
        if abs(mean) > 4 * error:
            text += f"The estimate is {abs(mean) / error:.0f} standard errors off, yet ESS finds nothing wrong: "
            return text + "it sees only where draws fell, and they miss a part of p."
        if math.isfinite(square) and d > 1:
            return (
                text
                + f"Each dimension divides the worth of a draw by ∫ p²/q = {square:.2f} in the long run; {d} of them by {square**d:.3g}."
            )
        return text + (f"In the long run a draw of q is worth 1 / ∫ p²/q = {1 / square:.2f} draws of p." if math.isfinite(square) else "")


# --------------------------------------------------------------------------------------------------------------------
# The partition function of an RBM


class PartitionExplorer(Explorer):
    """log Z of an RBM by annealed importance sampling, beside the exact one.

    Args:
        model: an `RBM` with at most 25 units in its smaller layer
        images: (n, *shape) in [0, 1], whose base rates the annealing can begin at; without them the menu has one entry
        exact: log Z in nats; when left out the record's `log_z_exact`, or all states are added up: with 784 pixels and 20 hidden units that
            takes half a minute

    Attributes:
        temperatures, runs, seed: the sliders;  base: the menu
    """

    COUNTS = (3, 10, 30, 100, 300)
    OWN, RATES = "the model's biases", "base rates of images"
    BELOW = True

    def __init__(self, model: RBM, images: Any = None, exact: float | None = None):
        if not isinstance(model, RBM):
            raise ValueError(f"the model must be an RBM, got {type(model).__name__}")
        few = min(model.hidden, len(model.visible_bias))
        exact = numbers(model).get("log_z_exact") if exact is None else exact
        if exact is None and few > MOST:
            raise ValueError(f"the smaller layer has {few} units, and at most {MOST} can be added up: take a smaller RBM, or give exact")
        self.model = model
        with at_rest(model):
            self.exact = float(model.log_partition() if exact is None else exact)
        self.rates = None if images is None else base_rates(as_images(images)).to(model.visible_bias)
        self.temperatures = choice_slider("temperatures", self.COUNTS, 10)
        self.runs = choice_slider("runs", [10, 30, 100], 30)
        self.base = menu("begin at", [self.OWN] if images is None else [self.RATES, self.OWN])
        self.seed = seed_slider("seed")
        super().__init__([self.temperatures, self.runs, *([] if images is None else [self.base]), self.seed])

    @kept_for("runs", "base", "seed")
    def estimate(self, steps: int) -> LogZ:
        """log Z through so many temperatures."""
        with at_rest(self.model) as device, seeded(self.seed.value, device):
            return self.model.log_partition_ais(self.runs.value, steps, self.rates if self.base.value == self.RATES else None)

    def panels(self):
        counts = self.COUNTS[: self.COUNTS.index(self.temperatures.value) + 1]
        found = [self.estimate(steps) for steps in counts]
        return [
            [self.against_temperatures(counts, found), self.spread(found[-1])],
            [self.table(counts, found), Note(self.words(found[-1]), HALF)],
        ]

    def against_temperatures(self, counts: tuple[int, ...], found: list[LogZ]) -> Chart:
        values = np.array([f.value for f in found])
        reach = max(1.0, 1.3 * np.abs(values - self.exact).max())
        floor, ceiling = self.exact - reach, self.exact + max(1.0, 0.35 * reach)
        ends = np.array([[max(f.low, floor), min(f.high, ceiling)] for f in found])
        last = found[-1]
        return Chart(
            "log Z: estimates, three standard errors, exact",
            "temperatures",
            "log Z (nats)",
            f"log Z is {last.value:.3f} with {plural(counts[-1], 'temperature')}, {interval(last)}; exact {self.exact:.3f}",
            [
                Line((self.COUNTS[0], self.COUNTS[-1]), (self.exact,) * 2, "exact", GREY, dashed=True),
                Line(counts, values, "AIS", markers=True),
            ],
            strokes=[Strokes(np.array([counts, counts]).T, ends, "", CYCLE[0], 2)],
            marks=[Mark(counts[-1], last.value, f"{last.value:.2f}")],
            log_x=True,
            x_range=(2.3, 450),
            y_range=(floor, ceiling),
            x_ticks={n: str(n) for n in self.COUNTS},
            width=HALF,
            height=270,
        )

    def spread(self, found: LogZ) -> Chart:
        w = found.log_weights.cpu().numpy()
        low, high = min(w.min(), self.exact), max(w.max(), self.exact)
        edges = np.linspace(low - 0.05 * (high - low) - 1e-3, high + 0.05 * (high - low) + 1e-3, 25)
        height, _ = np.histogram(w, edges)
        return Chart(
            f"log weights of {plural(len(w), 'run')}; ESS {found.ess:.1f}",
            "log weight (nats)",
            "runs",
            f"log weights from {w.min():.2f} to {w.max():.2f} nats, standard deviation {w.std(ddof=1):.3f}; "
            f"effective sample size {found.ess:.2f}",
            bars=[Bars(edges[:-1], edges[1:], height, "runs", CYCLE[0], 0.7)],
            lines=[Line((found.value,) * 2, (0, 1.1 * height.max()), "log of their mean weight", CYCLE[1])],
            x_rules={"exact": self.exact},
            y_range=(0, 1.25 * height.max()),
            width=HALF,
            height=270,
        )

    def table(self, counts: tuple[int, ...], found: list[LogZ]) -> Table:
        rows = [
            {
                "temperatures": str(n),
                "log Z": f"{f.value:.2f}",
                "off": f"{f.value - self.exact:+.2f}",
                "interval": interval(f),
                "ESS": f"{f.ess:.1f}",
            }
            for n, f in zip(counts, found)
        ]
        return Table(f"exact log Z {self.exact:.3f}", rows, f"log Z by AIS with {', '.join(map(str, counts))} temperatures", bold="off")

    def words(self, found: LogZ) -> str:
        n, steps = self.runs.value, self.temperatures.value
        sd = float(found.log_weights.std())
        text = f"{n} runs through {steps} temperatures: log Z = {found.value:.2f}, exact {self.exact:.2f}. "
        text += f"Log weights spread by {sd:.2f} nats; the runs are worth {found.ess:.1f}. "
        if found.trouble:
            return text + f"{found.trouble[0].upper()}{found.trouble[1:]}."
        if not found.low <= self.exact <= found.high:
            return text + "The exact one lies outside the interval: weights that nobody drew are missing."
        return text + "The exact one lies in the interval. The mean weight is right on average, so its log is too low on average."


def interval(found: LogZ) -> str:
    """Three standard errors of Z in words; where they are larger than Z itself, there is no lower end."""
    return f"{found.low:.2f} to {found.high:.2f}" if math.isfinite(found.low) else f"below {found.high:.2f}"
