"""Scores in the plane, where everything can be seen: what counts as real, as covered, and as likely."""

import math

import numpy as np
import torch
from torch import Tensor

from ...datasets import toy2d, toy2d_log_prob
from ...datasets.toy2d import plane
from ...metrics import neighbour_scores, precision_recall
from ...metrics.coverage import distances_to_neighbours
from ...plotting.panels import CYCLE, GREY, Bars, Chart, Label, Line, Mark, Note, png, ramp
from .. import BESIDE, HALF, WIDE, Explorer, choice_slider, int_slider, kept_for, menu, slider
from ..plane import circles, dots, seen_segments, shaded, square

# --------------------------------------------------------------------------------------------------------------------
# Precision and recall

MODES = 8
RADIUS, WIDTH = 3.0, 0.3  # of the circle of modes, and of each mode
HOLE = (0.0, 0.0)
# name → modes that the model makes (None: the middle of the circle instead), its spread and shift, stray real point, stray sample
MODELS = {
    "good": (range(MODES), 1.0, 0.0, None, None),
    "collapsed": (range(3), 1.0, 0.0, None, None),
    "too wide": (range(MODES), 3.0, 0.0, None, None),
    "shifted": (range(MODES), 1.0, 1.2, None, None),
    "in the hole": (None, 2.0, 0.0, None, None),
    "in the hole, one real stray": (None, 2.0, 0.0, HOLE, None),
    "collapsed, one stray sample": (range(3), 1.0, 0.0, None, (-4.5, 0.0)),
}


class CoverageExplorer(Explorer):
    """Real points, a model's points, and the balls that decide what counts as real and what as covered.

    A ball around a point reaches to its k-th neighbour of the same set. Precision: the share of samples in a ball of a real point. Recall:
    the share of real points in a ball of a sample. Density counts the real balls around a sample, over k. Coverage: the share of real
    balls with a sample in them.

    Attributes:
        model: the menu that also sets spread and shift;  balls: around which set;  k, spread, shift: the sliders
    """

    N, REACH, CELLS = 96, 5.2, 104

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.noise = torch.randn(2, self.N, 2, generator=generator, dtype=torch.float64)
        angles = 2 * math.pi * torch.arange(MODES, dtype=torch.float64) / MODES
        self.centres = RADIUS * torch.stack([angles.cos(), angles.sin()], 1)
        self.cells = plane(self.CELLS, self.REACH).double()
        self.model = menu("model", list(MODELS))
        self.balls = menu("balls", ["around real points", "around samples"])
        self.k = int_slider("k", 3, 1, 10)
        self.spread = slider("spread", 1.0, 0.2, 4.0, 0.2)
        self.shift = slider("shift", 0.0, 0.0, 2.0, 0.1)
        super().__init__([self.model, self.balls, self.k, self.spread, self.shift], {self.model: self.take})

    def take(self, _change=None) -> None:
        """Set spread and shift as the model says, and draw once."""
        _, spread, shift, _, _ = MODELS[self.model.value]
        with self.held():
            self.spread.value, self.shift.value = spread, shift

    def points(self) -> tuple[Tensor, Tensor]:
        """Real points and samples, (n, 2) each; a stray one is the last."""
        modes, _, _, stray_real, stray = MODELS[self.model.value]
        turns = torch.arange(self.N)
        real = self.centres[turns % MODES] + WIDTH * self.noise[0]
        middles = torch.zeros(self.N, 2, dtype=torch.float64) if modes is None else self.centres[list(modes)][turns % len(modes)]
        samples = middles + self.spread.value * WIDTH * self.noise[1] + torch.tensor([self.shift.value, 0.0], dtype=torch.float64)
        if stray_real is not None:
            real = torch.cat([real[:-1], torch.tensor([stray_real], dtype=torch.float64)])
        if stray is not None:
            samples = torch.cat([samples[:-1], torch.tensor([stray], dtype=torch.float64)])
        return real, samples

    def panels(self):
        k, around_real = self.k.value, self.balls.value == "around real points"
        real, samples = self.points()
        found = neighbour_scores(real, samples, k, k)
        scores = {name: getattr(found, name) for name in ("precision", "recall", "density", "coverage")}
        middles, others = (real, samples) if around_real else (samples, real)
        reach = distances_to_neighbours(middles, k)[:, -1]
        inside = (torch.cdist(others, middles) <= reach).any(1)
        return [
            [self.picture(middles.numpy(), others.numpy(), reach.numpy(), inside.numpy(), around_real)],
            [self.bars(scores)],
            [Note(self.words(scores, real, samples, inside, reach), BESIDE)],
        ]

    def picture(self, middles: np.ndarray, others: np.ndarray, reach: np.ndarray, inside: np.ndarray, around_real: bool) -> Chart:
        owner, guest = ("real points", "samples") if around_real else ("samples", "real points")
        number = int(inside.sum())
        alt = (
            f"{len(middles)} {owner} with balls to their {ordinal(self.k.value)} neighbour, radius {reach.min():.2f} to {reach.max():.2f}, "
        )
        return square(
            f"balls around {owner}",
            alt + f"and {len(others)} {guest}: {number} inside, {len(others) - number} outside",
            self.REACH,
            background=self.shade(middles, reach),
            strokes=[
                seen_segments(circles(middles, reach), self.REACH, color=GREY, width=0.8, opacity=0.35),
                dots(middles, self.REACH, owner, GREY, 4),
                dots(others[inside], self.REACH, f"{guest} inside, {number}", CYCLE[0], 6),
                dots(others[~inside], self.REACH, f"outside, {len(others) - number}", CYCLE[1], 6),
            ],
        )

    def shade(self, middles: np.ndarray, reach: np.ndarray) -> bytes:
        """How many balls hold each place of the plane, over k, as a picture: white is none."""
        count = (torch.cdist(self.cells, torch.from_numpy(middles)) <= torch.from_numpy(reach)).sum(1).view(self.CELLS, -1).numpy()
        share = np.where(count > 0, 0.3 + 0.7 * np.minimum(1, count / (2 * self.k.value)), 0)
        return png(ramp(share.repeat(2, 0).repeat(2, 1), (255, 255, 255), (255, 214, 140)))

    def bars(self, scores: dict[str, float]) -> Chart:
        top = max(1.0, *scores.values())
        return Chart(
            "four scores",
            "",
            "",
            ", ".join(f"{name} {value:.3f}" for name, value in scores.items()),
            bars=[Bars([i - 0.34], [i + 0.34], [v], color=CYCLE[0] if i % 2 == 0 else CYCLE[2]) for i, v in enumerate(scores.values())],
            labels=[Label(i, value + 0.09 * top, f"{value:.2f}") for i, value in enumerate(scores.values())],
            x_range=(-0.6, 3.6),
            y_range=(0, 1.25 * top),
            x_ticks=dict(enumerate(scores)),
            width=HALF,
            height=165,
        )

    def words(self, scores: dict[str, float], real: Tensor, samples: Tensor, inside: Tensor, reach: Tensor) -> str:
        model, k = self.model.value, self.k.value
        _, _, _, stray_real, stray = MODELS[model]
        what, guest = ("count as real", "samples") if self.balls.value == "around real points" else ("count as covered", "real points")
        text = f"k = {k}: {int(inside.sum())} of {len(inside)} {guest} lie in a ball and {what}. Precision {scores['precision']:.2f}, "
        text += f"recall {scores['recall']:.2f}, density {scores['density']:.2f}, coverage {scores['coverage']:.2f}. "
        if stray_real is not None:
            without = precision_recall(real[:-1], samples, k).precision
            text += f"Without the stray real point in the middle precision would be {without:.2f}. "
            text += f"One ball makes samples count as real; density asks for k = {k} balls around a sample."
        elif stray is not None:
            without = precision_recall(real, samples[:-1], k).recall
            text += f"Without the stray sample on the left recall would be {without:.2f}. "
            text += "Its ball covers what the model never makes; coverage uses real balls only."
        elif scores["precision"] > scores["recall"] + 0.15:
            text += "What it makes looks real, but it does not make everything."
        elif scores["recall"] > scores["precision"] + 0.15:
            text += "It reaches the data, but much of what it makes is not real."
        return text


def ordinal(k: int) -> str:
    return f"{k}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(k, 'th') }"


# --------------------------------------------------------------------------------------------------------------------
# Likelihood and quality

SHARES = (0.0, 0.5, 0.9, 0.99, 0.999)
BANDWIDTHS = (0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.5)


class LikelihoodExplorer(Explorer):
    """Likelihood against quality: a model of garbage with a fine likelihood, and one of perfect samples with a terrible one.

    The mixture draws from the data's own density, but for a share of noise, uniform on a square. The lookup table keeps 100 training
    points, and draws one of them with Gaussian noise. A sample looks real where the data's density is higher than at 1 of 100 real points.

    Attributes:
        data: the menu;  share: of noise in the mixture, the slider;  bandwidth: of the lookup table, the slider

    Source: Theis et al. 2016 (arXiv:1511.01844), section 3.
    """

    FEW_COLORS = True
    TRAIN, TEST, DRAWN = 100, 2000, 400
    SIDE, REACH, DIMS = 10.0, 5.0, 784
    FLOOR = -20.0  # nats; what lies below is drawn on the edge

    def __init__(self):
        self.data = menu("data", ["rings", "moons", "gaussians8", "pinwheel"])
        self.share = choice_slider("noise", [(f"{s:.4g}", s) for s in SHARES], 0.99)
        self.bandwidth = choice_slider("bandwidth", [(f"{h:g}", h) for h in BANDWIDTHS], 0.01)
        super().__init__([self.data, self.share, self.bandwidth])

    @kept_for("data")
    def world(self) -> dict:
        """Points of the data, and the likelihoods of both models at every setting, in nats."""
        name = self.data.value
        train, test, spare = (toy2d(name, n, seed).x.double() for n, seed in ((self.TRAIN, 1), (self.TEST, 2), (10_000, 3)))
        of_test = toy2d_log_prob(name, test)
        return {
            "train": train,
            "data": of_test.mean().item(),
            "threshold": toy2d_log_prob(name, spare).quantile(0.01).item(),
            "mixture": [mixture_log_prob(of_test, share, self.SIDE).mean().item() for share in SHARES],
            "lookup": [tuple(kernel_log_prob(x, train, h).mean().item() for x in (train, test)) for h in BANDWIDTHS],
            "picture": shaded(toy2d_log_prob(name, plane(96, self.REACH).double()).exp().view(96, 96).numpy()),
            "spare": spare,
        }

    def samples(self) -> tuple[Tensor, Tensor]:
        """What the mixture and the lookup table draw, (DRAWN, 2) each."""
        world, generator = self.world(), torch.Generator().manual_seed(0)
        noise = self.SIDE * (torch.rand(self.DRAWN, 2, generator=generator, dtype=torch.float64) - 0.5)
        is_noise = torch.rand(self.DRAWN, 1, generator=generator) < self.share.value
        mixed = torch.where(is_noise, noise, world["spare"][: self.DRAWN])
        jitter = torch.randn(self.DRAWN, 2, generator=generator, dtype=torch.float64)
        looked_up = world["train"][torch.randint(self.TRAIN, (self.DRAWN,), generator=generator)] + self.bandwidth.value * jitter
        return mixed, looked_up

    def real_looking(self, x: Tensor) -> Tensor:
        """Which of the points (n, 2) lie where the data's density is higher than at 1 of 100 real points: (n,) bool."""
        return toy2d_log_prob(self.data.value, x) >= self.world()["threshold"]

    def panels(self):
        world, share, h = self.world(), self.share.value, self.bandwidth.value
        looks = [self.real_looking(x) for x in self.samples()]
        titles = f"mixture, {share:.4g} noise", f"lookup table, bandwidth {h:g}"
        planes = [self.plane(title, x.numpy(), real.numpy()) for title, x, real in zip(titles, self.samples(), looks)]
        mixture = world["mixture"][SHARES.index(share)]
        train, test = world["lookup"][BANDWIDTHS.index(h)]
        return [
            planes,
            [self.of_mixture(mixture), self.of_lookup(train, test)],
            [Note(self.words(mixture, train, test, *(real.double().mean().item() for real in looks)), WIDE)],
        ]

    def plane(self, title: str, x: np.ndarray, real: np.ndarray) -> Chart:
        number = int(real.sum())
        return square(
            f"{title}: {number / len(x):.0%} look real",
            f"{len(x)} samples of the {title}; {number} look real, {len(x) - number} do not; "
            f"behind them the density of the data, {self.data.value}",
            self.REACH,
            background=self.world()["picture"],
            strokes=[
                dots(x[real], self.REACH, "looks real", CYCLE[2], 4.5),
                dots(x[~real], self.REACH, "does not", CYCLE[1], 4.5),
            ],
        )

    def of_mixture(self, here: float) -> Chart:
        values, data, i = self.world()["mixture"], self.world()["data"], SHARES.index(self.share.value)
        places = range(len(SHARES))
        floor = [data + math.log1p(-share) for share in SHARES]
        told = ", ".join(f"{value:.3f} at {share:.4g}" for share, value in zip(SHARES, values))
        return Chart(
            "mixture: mean log p of test points",
            "share of noise",
            "log p (nats)",
            f"log-likelihood of the mixture in nats against its share of noise: {told}; the data's own density {data:.3f}",
            [
                Line(places, floor, "at least: data + log(1 − noise)", GREY, dashed=True),
                Line(places, values, "mixture", markers=True),
            ],
            marks=[Mark(i, here, f"{here:.2f}")],
            x_range=(-0.3, len(SHARES) - 0.4),
            y_range=(data - 7.5, data + 0.9),
            x_ticks={k: f"{share:.4g}" for k, share in enumerate(SHARES)},
            width=HALF,
            height=230,
        )

    def of_lookup(self, train: float, test: float) -> Chart:
        world, h = self.world(), self.bandwidth.value
        of_train, of_test = (np.array(values) for values in zip(*world["lookup"]))
        told = ", ".join(f"{b:.3f} and {a:.4g} at {h:g}" for h, a, b in zip(BANDWIDTHS, of_test, of_train))
        low = max(test, self.FLOOR)
        return Chart(
            f"lookup table: mean log p{', cut at ' + f'{self.FLOOR:g}' if of_test.min() < self.FLOOR else ''}",
            "bandwidth",
            "log p (nats)",
            f"log-likelihood of the lookup table in nats, of training and of test points, against bandwidth: {told}; "
            f"the data's own density {world['data']:.3f}",
            [
                Line(BANDWIDTHS, of_train, "training", CYCLE[2], markers=True),
                Line(BANDWIDTHS, of_test.clip(self.FLOOR), "test", CYCLE[0], markers=True),
                Line((BANDWIDTHS[0], BANDWIDTHS[-1]), (world["data"],) * 2, "the data's density", GREY, dashed=True),
            ],
            marks=[Mark(h, train, "", CYCLE[2]), Mark(h, low, f"{test:.4g}", CYCLE[0])],
            log_x=True,
            x_range=(0.0025, 1.9),
            y_range=(self.FLOOR - 1.5, 8.5),
            x_ticks={h: f"{h:g}" for h in BANDWIDTHS},
            width=HALF,
            height=230,
        )

    def words(self, mixture: float, train: float, test: float, mixed_real: float, looked_real: float) -> str:
        share, data = self.share.value, self.world()["data"]
        text = f"The data's own density gives test points {data:.2f} nats on average. Mixture: {mixed_real:.0%} of its samples look real, "
        text += f"and it loses {data - mixture:.2f} nats"
        if share:
            most = -math.log1p(-share)
            bits = most / math.log(2) / self.DIMS
            text += f", in any dimension at most −log(1 − {share:.4g}) = {most:.2f}; "
            text += f"on an image of {self.DIMS} pixels that is {bits:.2g} bits a pixel"
        text += (
            f". Lookup table: {looked_real:.0%} of its samples look real, with {test:.4g} nats on test points and {train:.2f} on its own. "
        )
        best = BANDWIDTHS[int(np.argmax([value for _, value in self.world()["lookup"]]))]
        return text + f"On test points bandwidth {best:g} is best."


def mixture_log_prob(of_data: Tensor, share: float, side: float) -> Tensor:
    """log of (1 − share) p(x) + share / side², given log p(x) (n,), nats; x lies in the square."""
    if share == 0:
        return of_data
    return torch.logaddexp(of_data + math.log1p(-share), torch.full_like(of_data, math.log(share / side**2)))


def kernel_log_prob(x: Tensor, points: Tensor, bandwidth: float) -> Tensor:
    """log density of equal Gaussians of this width on the points (m, 2), at x (n, 2): (n,) nats."""
    exponents = -torch.cdist(x, points).square() / (2 * bandwidth**2)
    return exponents.logsumexp(1) - math.log(len(points) * 2 * math.pi * bandwidth**2)
