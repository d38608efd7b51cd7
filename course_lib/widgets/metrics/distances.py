"""Distances of distributions: how they hang on the number of samples, and what transport moves where."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...metrics import Moments, frechet_distance, sinkhorn, transport_plan_1d
from ...metrics.arrays import exact_pair
from ...metrics.kernels import cubic_kernel, kernel_sums, sums_of_subsets
from ...plotting.panels import CYCLE, GREY, Bars, Chart, Line, Mark, Note, Strokes, png, ramp
from .. import BESIDE, WIDE, Explorer, choice_slider, kept_for, menu, seed_slider, slider


class SampleSizeExplorer(Explorer):
    """FID and KID of fewer samples: one falls as they grow in number, the other only gets less noisy.

    For each number N several random sets of N rows are scored against the whole reference. FID∞ draws a straight line through the FIDs of
    parts of a set against 1/N, and reads it where 1/N is 0.

    Args:
        features: (n, d) of samples, n of 200 or more; the first 2,000 are used
        reference: (m, d) of real data

    Attributes:
        samples: the slider, N;  seed: which random sets

    Source: Chong & Forsyth 2020 (arXiv:1911.07023); Bińkowski et al. 2018 (arXiv:1801.01401).
    """

    SIZES = (50, 100, 200, 500, 1000, 2000)
    SETS = 8  # random sets of each size
    PARTS = 6  # sizes of the parts that the straight line goes through, from a fifth of the set to all of it

    def __init__(self, features: Any, reference: Any):
        self.features, self.reference = exact_pair(features, reference, ("features", "reference"))
        if len(self.features) < 200:
            raise ValueError(f"features must have 200 rows or more, so that there are numbers to compare; got {len(self.features)}")
        self.features = self.features[: self.SIZES[-1]]
        n, m = len(self.features), len(self.reference)
        self.sizes = [size for size in self.SIZES if size < n] + [n]
        self.moments = Moments().update(self.reference)
        whole, diagonal = kernel_sums(self.reference, self.reference, cubic_kernel)
        self.among = (whole - diagonal) / (m * (m - 1))  # the reference's own part of KID
        parts = [cubic_kernel(part, self.reference).mean(1) for part in self.features.split(500)]
        self.across = torch.cat(parts)  # of each row, its part of KID's cross term
        self.samples = choice_slider("samples N", [(f"{size:,}", size) for size in self.sizes], self.sizes[min(2, len(self.sizes) - 1)])
        self.seed = seed_slider("seed")
        super().__init__([self.samples, self.seed])

    def parts(self, size: int) -> list[int]:
        """Sizes of the parts that FID∞ of a set is drawn through."""
        return [round(size * share) for share in np.linspace(0.2, 1, self.PARTS)]

    def fid(self, rows: Tensor) -> float:
        return float(frechet_distance(Moments().update(self.features[rows]), self.moments))

    @kept_for("seed")
    def measured(self) -> dict[str, np.ndarray]:
        """`FID`, `FID∞` and `KID` of each size and set, (sizes, sets), and the FIDs of parts (sizes, sets, parts)."""
        generator, n = torch.Generator().manual_seed(self.seed.value), len(self.features)
        chosen = torch.zeros(len(self.sizes), self.SETS, n, dtype=torch.float64)
        parts = np.zeros((len(self.sizes), self.SETS, self.PARTS))
        for i, size in enumerate(self.sizes):
            for j in range(self.SETS):
                rows = torch.randperm(n, generator=generator)[:size]
                chosen[i, j, rows] = 1
                parts[i, j] = [self.fid(rows[:k]) for k in self.parts(size)]
        limits = np.stack([straight(1 / np.array(self.parts(size)), parts[i].T)[1] for i, size in enumerate(self.sizes)])
        sums = sums_of_subsets(self.features, chosen.flatten(0, 1)).view(chosen.shape[:2])
        size = torch.tensor(self.sizes, dtype=torch.float64)[:, None]
        kids = sums / (size * (size - 1)) + self.among - 2 * (chosen @ self.across) / size
        return {"FID": parts[..., -1], "FID∞": limits, "KID": kids.numpy(), "parts": parts}

    def panels(self):
        size, found = self.samples.value, self.measured()
        i, n = self.sizes.index(size), len(self.features)
        fid, limit, kid = (found[name][i] for name in ("FID", "FID∞", "KID"))
        d, least = self.features.shape[1], self.parts(size)[0]
        charts = [
            self.against_n("FID and FID∞", {"FID": (found["FID"], CYCLE[0]), "FID∞": (found["FID∞"], CYCLE[2])}, i),
            self.against_n("KID", {"KID": (found["KID"], CYCLE[3])}, i),
            self.extrapolation(found["parts"][i], limit, size),
        ]

        def told(name: str, values: np.ndarray) -> str:
            spread = values.std(ddof=1)
            return f"{name} {values.mean():.4g}" + (f" ± {spread:.2g}" if spread > 1e-6 * abs(values.mean()) else "")

        first, last = (found["FID"][k].mean() for k in (0, -1))
        text = f"N = {size:,} of {n:,} samples against {len(self.reference):,}, {self.SETS} random sets (mean ± standard deviation): "
        text += f"{told('FID', fid)}, {told('FID∞', limit)}, {told('KID', kid)}. "
        text += f"From N = {self.sizes[0]:,} to {n:,} the mean FID goes from {first:.4g} to {last:.4g}"
        text += ", though it is one model: compare FIDs at one N only. " if first > 1.2 * last else ". "
        kids = found["KID"]
        error = kids[0].std(ddof=1) / math.sqrt(self.SETS)
        text += f"The mean KID goes from {kids[0].mean():.3g}, give or take {error:.2g}, to {kids[-1].mean():.3g}. "
        if least < 2 * d:
            text += f"Do not trust FID∞ here: its smallest parts have {least} rows for {d} features, where FID is no straight line in 1/N. "
        if size == n:
            text += "All samples are one set: FID and KID have no spread left to show."
        elif size > n / 2:
            text += "Sets of more than half of the samples share most of them: the true spread is larger than shown."
        return [charts, [Note(text, WIDE)]]

    def against_n(self, title: str, curves: dict[str, tuple[np.ndarray, str]], i: int) -> Chart:
        lines, clouds, told = [], [], []
        for name, (values, color) in curves.items():
            where = np.repeat(self.sizes, self.SETS)
            clouds.append(Strokes(where, values.ravel(), "", color, 4, 0.5))
            lines.append(Line(self.sizes, values.mean(1), f"{name}, mean", color))
            means = ", ".join(f"{v.mean():.3g} ± {v.std(ddof=1):.2g} at {size:,}" for size, v in zip(self.sizes, values))
            told.append(f"{name}: {means}")
        values = next(iter(curves.values()))[0][i]
        if title == "KID":
            lines.append(Line((self.sizes[0], self.sizes[-1]), (0, 0), "0", GREY, dashed=True))
        return Chart(
            title + f", {self.SETS} sets of each N",
            "samples N",
            "",
            f"{title} against N, mean ± standard deviation of {self.SETS} sets. {'; '.join(told)}. Now N = {self.sizes[i]:,}",
            lines,
            strokes=clouds,
            marks=[Mark(self.sizes[i], values.mean(), f"{values.mean():.3g}")],
            log_x=True,
            x_range=(self.sizes[0] / 1.2, self.sizes[-1] * 1.25),
            x_ticks={size: f"{size:,}" for size in self.sizes if size in (50, 200, 1000) or size == self.sizes[-1]},
            width=262,
            height=250,
        )

    def extrapolation(self, parts: np.ndarray, limit: np.ndarray, size: int) -> Chart:
        """FID of parts against 1/N, and the line through their means."""
        x, means = 1 / np.array(self.parts(size)), parts.mean(0)
        slope, end = straight(x, means)
        told = ", ".join(f"{mean:.3g} at 1/{k}" for k, mean in zip(self.parts(size), means))
        return Chart(
            f"FID against 1/N: FID∞ = {end:.3g}",
            "1/N",
            "",
            f"mean FID of parts of a set of {size:,} against 1/N: {told}; the line through them meets 1/N = 0 at FID∞ = {end:.3g}",
            [Line((0, x[0]), (end, end + slope * x[0]), "straight line", GREY, dashed=True)],
            strokes=[Strokes(np.tile(x, self.SETS), parts.ravel(), "parts of a set", CYCLE[0], 4, 0.5)],
            marks=[Mark(1 / size, means[-1], color=CYCLE[0]), Mark(0, end, color=CYCLE[2])],
            x_range=(-0.06 * x[0], 1.08 * x[0]),
            x_ticks={0: "0", 1 / size: f"1/{size:,}", x[0]: f"1/{self.parts(size)[0]:,}"},
            width=262,
            height=250,
        )


def straight(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and value at 0 of the line of least squares through y (k,) or (k, lines) at x (k,)."""
    slope, end = np.polyfit(x, y, 1)
    return slope, end


# --------------------------------------------------------------------------------------------------------------------
# Transport

BINS, BIN = 48, 0.25  # places, and how far apart they are
PLACES = BIN * (np.arange(BINS) + 0.5)
AT = PLACES[:20] - 2.5  # where a shape is defined, around its middle
SHAPES = {
    "one bump": np.exp(-0.5 * (AT / 0.6) ** 2),
    "two bumps": np.exp(-0.5 * ((AT + 1.4) / 0.35) ** 2) + 0.6 * np.exp(-0.5 * ((AT - 1.3) / 0.45) ** 2),
    "flat": (np.abs(AT) < 1.5).astype(float),
    "ramp": np.where(np.abs(AT) < 2, AT + 2, 0.0),
    "spike": (np.abs(AT - BIN / 2) < BIN / 2).astype(float),
}
EXACT = 0.0


def histogram(shape: str, shift: float = 0.0) -> np.ndarray:
    """(BINS,) with sum 1: the shape, moved to the right by a multiple of BIN."""
    weights = np.zeros(BINS)
    start = 2 + round(shift / BIN)
    weights[start : start + len(AT)] = SHAPES[shape] / SHAPES[shape].sum()
    return weights


def total_variation(p: np.ndarray, q: np.ndarray) -> float:
    """Half the sum of |p − q|: the largest difference in the probability of any event."""
    return float(np.abs(p - q).sum() / 2)


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """Mean KL divergence to the middle of both, in bits: from 0 to 1."""
    middle = (p + q) / 2
    kl = [np.sum(a[a > 0] * np.log2(a[a > 0] / middle[a > 0])) for a in (p, q)]
    return float(sum(kl) / 2)


class TransportExplorer(Explorer):
    """Sand from one histogram to another: the best plan, Sinkhorn's softer one, and distances that feel how far apart they are or do not.

    Moving one unit costs the square of its way.

    Attributes:
        source, target: the menus;  shift: of the target, to the right;  epsilon: the slider, `exact` or Sinkhorn's ε
    """

    SHIFTS = [BIN * i for i in range(25)]
    EPSILONS = (EXACT, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)

    def __init__(self):
        self.cost = (PLACES[:, None] - PLACES) ** 2
        self.source = menu("source", list(SHAPES), "one bump")
        self.target = menu("target", list(SHAPES), "two bumps")
        self.shift = slider("shift", 3.0, 0.0, self.SHIFTS[-1], BIN, 2)
        self.epsilon = choice_slider("ε", [("exact" if e == EXACT else f"{e:g}", e) for e in self.EPSILONS], EXACT)
        super().__init__([self.source, self.target, self.shift, self.epsilon])

    @kept_for("source", "target")
    def plan(self, epsilon: float, shift: float) -> tuple[np.ndarray, int]:
        """What goes from each place (rows) to each (columns), (BINS, BINS), and Sinkhorn's rounds."""
        p, q = (torch.from_numpy(v) for v in (histogram(self.source.value), histogram(self.target.value, shift)))
        if epsilon == EXACT:
            return transport_plan_1d(p, q).numpy(), 0
        found = sinkhorn(p, q, torch.from_numpy(self.cost), epsilon)
        return found.plan.numpy(), found.rounds

    def distance(self, plan: np.ndarray) -> float:
        """The root of the mean squared way: W₂ if the plan is the best."""
        return math.sqrt(float((plan * self.cost).sum()))

    @kept_for("source", "target")
    def curves(self) -> dict[str, list[float]]:
        """Each distance for every shift of these shapes."""
        p, moved = histogram(self.source.value), [histogram(self.target.value, shift) for shift in self.SHIFTS]
        return {
            "W₂": [self.distance(self.plan(EXACT, shift)[0]) for shift in self.SHIFTS],
            "total variation": [total_variation(p, q) for q in moved],
            "Jensen-Shannon": [jensen_shannon(p, q) for q in moved],
        }

    def panels(self):
        shift, epsilon = BIN * round(self.shift.value / BIN), self.epsilon.value
        p, q = histogram(self.source.value), histogram(self.target.value, shift)
        plan, rounds = self.plan(epsilon, shift)
        here, i = self.distance(plan), self.SHIFTS.index(shift)
        now = {name: values[i] for name, values in self.curves().items()}
        w1 = float((self.plan(EXACT, shift)[0] * np.sqrt(self.cost)).sum())
        how = "exact" if epsilon == EXACT else f"Sinkhorn, ε = {epsilon:g}"
        left, right = PLACES - BIN / 2, PLACES + BIN / 2
        ends = (0.0, BIN * BINS)
        heaps = Chart(
            "what is there, and what is wanted",
            "place",
            "share",
            f"source, {self.source.value}, mean place {p @ PLACES:.2f}; "
            f"target, {self.target.value} moved by {shift:g}, mean place {q @ PLACES:.2f}",
            bars=[Bars(left, right, p, "source", CYCLE[0], 0.8), Bars(left, right, q, "target", CYCLE[2], 0.8)],
            x_range=ends,
            y_range=(0, 1.08 * max(p.max(), q.max())),
            width=BESIDE,
            height=170,
        )
        return [
            [heaps],
            [self.picture(plan, how, here, ends)],
            [self.far(here, shift, now["W₂"], epsilon), self.near(shift, now)],
            [Note(self.words(now, w1, here, rounds, plan), BESIDE)],
        ]

    def picture(self, plan: np.ndarray, how: str, here: float, ends: tuple[float, float]) -> Chart:
        """The plan: source along x, target along y. The root shows small entries too."""
        share = np.sqrt(plan / plan.max()).T[::-1]
        content = png(ramp(share.repeat(6, 0).repeat(6, 1), (255, 255, 255), (131, 45, 182)))
        used = int((plan > 1e-4).sum())
        return Chart(
            f"the plan, {how}: {used} non-zero entries",
            "from (place of the source)",
            "to (place of the target)",
            f"transport plan, {how}: {used} pairs of places carry more than 0.0001 each; root of the mean squared way {here:.3f}",
            [Line(ends, ends, "nothing moves", GREY, dashed=True)],
            background=(content, (*ends, *ends)),
            x_range=ends,
            y_range=ends,
            width=BESIDE,
            height=330,
        )

    def far(self, here: float, shift: float, exact: float, epsilon: float) -> Chart:
        values = self.curves()["W₂"]
        marks = [Mark(shift, exact, f"{exact:.2f}", CYCLE[0])]
        told = f"W₂ against shift: {values[0]:.2f} at 0, {values[-1]:.2f} at {self.SHIFTS[-1]:g}; now {exact:.3f}"
        if epsilon != EXACT:
            marks.insert(0, Mark(shift, here, "", CYCLE[3]))
            told += f", by Sinkhorn's plan {here:.3f}"
        return Chart(
            "W₂ feels the distance",
            "shift",
            "W₂",
            told,
            [Line(self.SHIFTS, values)],
            marks=marks,
            x_range=(0, self.SHIFTS[-1]),
            y_range=(0, 1.08 * max(*values, here)),
            width=225,
            height=190,
        )

    def near(self, shift: float, now: dict[str, float]) -> Chart:
        curves = self.curves()
        colors = {"total variation": CYCLE[1], "Jensen-Shannon": CYCLE[5]}
        told = "; ".join(
            f"{name} {curves[name][0]:.2f} at 0, {curves[name][-1]:.2f} at {self.SHIFTS[-1]:g}, now {now[name]:.3f}" for name in colors
        )
        return Chart(
            "these saturate at 1",
            "shift",
            "TV, JS (bits)",
            f"distances that compare place by place, against shift: {told}",
            [Line(self.SHIFTS, curves[name], short, color) for (name, color), short in zip(colors.items(), ("TV", "JS"))],
            marks=[Mark(shift, now[name], "", color) for name, color in colors.items()],
            x_range=(0, self.SHIFTS[-1]),
            y_range=(-0.03, 1.08),
            width=225,
            height=190,
        )

    def words(self, now: dict[str, float], w1: float, here: float, rounds: int, plan: np.ndarray) -> str:
        text = f"W₁ = {w1:.3f} and W₂ = {now['W₂']:.3f} (exact); total variation {now['total variation']:.3f}, "
        text += f"Jensen-Shannon {now['Jensen-Shannon']:.3f} bits. "
        if self.epsilon.value == EXACT:
            text += "The best plan is monotone: mass keeps its order, so what starts farther left ends no farther right. "
        else:
            more = max(0.0, here - now["W₂"])
            text += f"Sinkhorn's plan after {rounds} rounds: {here:.3f}, {more:.3f} more than W₂. "
            one_place = "spike" in (self.source.value, self.target.value)
            text += "From or to one place there is only one plan, whatever ε is. " if one_place else "ε rewards a plan that spreads. "
        if now["total variation"] > 0.999:
            text += "The two do not overlap: a farther shift changes neither TV nor JS, and their gradient is 0."
        elif now["total variation"] < 1e-9:
            text += "The two are equal, and every exact distance is 0."
        return text
