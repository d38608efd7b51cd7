"""Scores of images: what each of them notices when digits are spoilt, and how the ranking of models hangs on the features."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from ...metrics import (
    auroc,
    digit_features,
    digit_network,
    frechet_distance,
    inception_score,
    mmd,
    nearest_distances,
    neighbour_scores_fast,
    predicted_digits,
    sliced_wasserstein,
)
from ...plotting.panels import CYCLE, GREY, Bars, Chart, Drawing, Label, Line, Mark, Note, Strips
from .. import HALF, WIDE, Explorer, as_digits, choice_slider, kept_for, menu

# --------------------------------------------------------------------------------------------------------------------
# Corruptions

REAL = "real digits"


def blur(x: Tensor, strength: float, _train: Tensor | None) -> tuple[Tensor, str]:
    sigma = 2.5 * strength
    return torch.from_numpy(gaussian_filter(x.numpy(), (0, 0, sigma, sigma))), f"blurred with σ = {sigma:.3g} pixels"


def noisy(x: Tensor, strength: float, _train: Tensor | None) -> tuple[Tensor, str]:
    sigma = 0.6 * strength
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return (x + sigma * noise).clamp(0, 1), f"with Gaussian noise of σ = {sigma:.3g}, clipped to [0, 1]"


def salt_and_pepper(x: Tensor, strength: float, _train: Tensor | None) -> tuple[Tensor, str]:
    share, generator = 0.3 * strength, torch.Generator().manual_seed(0)
    hit, white = (torch.rand(x.shape, generator=generator) for _ in range(2))
    return torch.where(hit < share, (white < 0.5).float(), x), f"with {share:.1%} of the pixels set to black or white"


def dropped(x: Tensor, strength: float, _train: Tensor | None) -> tuple[Tensor, str]:
    left = 10 - round(8 * strength)
    kept = x[predicted_digits(x) < left]
    return kept, f"from 0 to {left - 1} only, {len(kept)} of {len(x)}"


def repeated(x: Tensor, strength: float, _train: Tensor | None) -> tuple[Tensor, str]:
    distinct = round(len(x) * (5 / len(x)) ** strength)
    return x[torch.arange(len(x)) % distinct], f"that repeat {distinct} different images"


def copied(x: Tensor, strength: float, train: Tensor) -> tuple[Tensor, str]:
    number, generator = round(strength * len(x)), torch.Generator().manual_seed(0)
    mixed, places = x.clone(), torch.randperm(len(x), generator=generator)[:number]
    mixed[places] = train[torch.randperm(len(train), generator=generator)[:number]]
    return mixed, f"of which {number} are copies of training images"


CORRUPTIONS = {
    "blur": blur,
    "noise": noisy,
    "salt and pepper": salt_and_pepper,
    "dropped digits": dropped,
    "duplicates": repeated,
    "training copies": copied,
}

# name → title, range of the picture or None where it follows the values
SCORES = {
    "FID": ("FID, lower is better", None),
    "KID": ("KID, lower is better", None),
    "sliced W": ("sliced Wasserstein, lower is better", None),
    "precision": ("precision, higher is better", (-0.03, 1.08)),
    "density": ("density, 1 as real ones", None),
    "IS": ("inception score, higher is better", (0.4, 10.8)),
    "recall": ("recall, higher is better", (-0.03, 1.08)),
    "coverage": ("coverage, higher is better", (-0.03, 1.08)),
    "closer": ("closer to training than new ones", (-0.03, 1.08)),
}


def short(value: float) -> str:
    """Three digits, and no powers of ten for large numbers."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


class CorruptionExplorer(Explorer):
    """Real digits against real digits of which one half is spoilt, and what each score says about it.

    The first half is the reference, the second is spoilt. At first all strengths of a corruption are measured, and kept. Scores act on
    the digit network's features; density and coverage use k = 5, precision and recall k = 3.

    Args:
        images: (n, 1, 28, 28), uint8 or floats in [0, 1], in random order, that the network was not trained on; at most 1,000 are used
        train: training images, of which copies may be made; without them there are no copies, and no distance to them

    Attributes:
        corruption: the menu;  strength: the slider, 0 leaves the digits as they are
    """

    STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
    HALF, SPLITS, SHOWN = 500, 20, 12

    def __init__(self, images: Any, train: Any = None):
        images = as_digits(images, "images", 200)[: 2 * self.HALF]
        half = len(images) // 2
        self.real, self.clean = images[:half], images[half : 2 * half]
        self.train = None if train is None else as_digits(train, "train", half)
        self.of_real, self.of_train = digit_features(self.real), None if train is None else digit_features(self.train)
        self.fresh = self.to_train(self.of_real)
        self._found = {}
        self.corruption = menu("corruption", [name for name in CORRUPTIONS if name != "training copies" or train is not None])
        self.strength = choice_slider("strength", [(f"{s:g}", s) for s in self.STRENGTHS], 0.5)
        self.ranges = self.of_real_splits()
        super().__init__([self.corruption, self.strength])

    def to_train(self, features: Tensor) -> Tensor | None:
        return None if self.of_train is None else nearest_distances(features, self.of_train)

    def of_real_splits(self) -> dict[str, tuple[float, float]]:
        """What each score gives for two halves of real digits: mean − 2 and mean + 2 standard deviations over random splits."""
        features = torch.cat([self.of_real, digit_features(self.clean)])
        near, half = self.to_train(features), len(self.real)
        generator = torch.Generator().manual_seed(0)
        seen = [
            self.scores(features[a], features[b], *((None, None) if near is None else (near[a], near[b])))
            for a, b in (torch.randperm(2 * half, generator=generator).split(half) for _ in range(self.SPLITS))
        ]
        ranges = {}
        for name in seen[0]:
            values = torch.tensor([scores[name] for scores in seen], dtype=torch.float64)
            mean, spread = values.mean().item(), values.std().item()
            ranges[name] = mean - 2 * spread, mean + 2 * spread
        return ranges

    @staticmethod
    def scores(real: Tensor, fake: Tensor, fresh: Tensor | None, near: Tensor | None) -> dict[str, float]:
        """Every score of features (m, 64) against those of real digits (n, 64), with their distances to training images, if any."""
        with torch.inference_mode():
            probabilities = digit_network().head(fake.float()).double().softmax(1)
        near_real = neighbour_scores_fast(real, fake)
        found = {
            "FID": float(frechet_distance(real, fake)),
            "KID": float(mmd(real, fake)),
            "sliced W": float(sliced_wasserstein(real, fake, projections=50)),
            "precision": near_real.precision,
            "density": near_real.density,
            "IS": float(inception_score(probabilities, 1)),
            "recall": near_real.recall,
            "coverage": near_real.coverage,
        }
        return found if near is None else {**found, "closer": auroc(-fresh, -near)}

    def corrupted(self, strength: float) -> tuple[Tensor, str]:
        """The second half, spoilt, (m, 1, 28, 28), and in words what they are now."""
        if strength == 0:
            return self.clean, "as they are"
        return CORRUPTIONS[self.corruption.value](self.clean, strength, self.train)

    def measured(self, strength: float) -> dict[str, float]:
        """Every score at this strength of the chosen corruption."""
        return self.found(strength)[0]

    def found(self, strength: float) -> tuple[dict[str, float], Tensor, int, str]:
        """Scores, the first few digits, how many there are, and what they are, in words; kept once found."""
        key = strength and (self.corruption.value, strength)  # nothing done is the same for all
        if key not in self._found:
            x, done = self.corrupted(strength)
            features = digit_features(x)
            scores = self.scores(self.of_real, features, self.fresh, self.to_train(features))
            self._found[key] = scores, x[: self.SHOWN].clone(), len(x), done
        return self._found[key]

    def panels(self):
        strength, name = self.strength.value, self.corruption.value
        curve = {s: self.measured(s) for s in self.STRENGTHS}
        _, spoilt, number, done = self.found(strength)
        n = self.SHOWN
        strips = Strips(
            f"{name}, strength {strength:g}: {number} digits {done}",
            [
                ("real", self.real[:n], f"{n} of {len(self.real)} real digits, the reference"),
                ("corrupted", spoilt, f"{len(spoilt)} of {number} digits {done}"),
            ],
            56,
        )
        charts = [self.chart(score, [curve[s][score] for s in self.STRENGTHS], strength) for score in curve[0.0]]
        rows = [charts[i : i + 3] for i in range(0, len(charts), 3)]
        return [[strips], *rows, [Note(self.words(curve[0.0], curve[strength], done), WIDE)]]

    def chart(self, score: str, values: list[float], strength: float) -> Chart:
        """One score against strength; between the dashed lines it lies for most splits of real digits."""
        title, ends = SCORES[score]
        low, high = self.ranges[score]
        here = values[self.STRENGTHS.index(strength)]
        top, bottom = max(*values, high), min(*values, low, 0)
        told = ", ".join(f"{value:.3g} at {s:g}" for s, value in zip(self.STRENGTHS, values))
        alt = f"{score} against the strength of {self.corruption.value}: {told}; {low:.3g} to {high:.3g} for real digits; now {here:.3g}"
        return Chart(
            title,
            "strength",
            "",
            alt,
            [
                *(Line((0, 1), (end, end), "", GREY, dashed=True) for end in (low, high)),
                Line(self.STRENGTHS, values, markers=True),
            ],
            marks=[Mark(strength, here, short(here))],
            x_range=(-0.04, 1.06),
            y_range=ends or (bottom - 0.08 * (top - bottom), top + 0.12 * (top - bottom)),
            x_ticks={s: f"{s:g}" for s in (0.0, 0.5, 1.0)},
            width=262,
            height=148,
        )

    def noticed(self, now: Mapping[str, float]) -> list[str]:
        """Scores more than four standard deviations away from the mean of real digits."""
        reach = {name: (low - (high - low) / 2, high + (high - low) / 2) for name, (low, high) in self.ranges.items()}
        return [name for name, value in now.items() if not reach[name][0] <= value <= reach[name][1]]

    def words(self, clean: Mapping[str, float], now: Mapping[str, float], done: str) -> str:
        outside = self.noticed(now)
        blind = [name for name in now if name not in outside]
        text = f"The second half: digits {done}. Dashed: mean ± 2 standard deviations of {self.SPLITS} random splits of the real digits. "
        if outside:
            told = ", ".join(f"{name} {short(clean[name])} → {short(now[name])}" for name in outside)
            text += f"Far outside, so they notice: {told}. "
            text += f"Near the real ones, so they do not: {', '.join(blind)}. " if blind else "No score takes these for real digits. "
        else:
            text += "Every score takes these for real digits. "
        if self.strength.value and self.corruption.value == "training copies":
            if outside == ["closer"]:
                return text + "A copy is a perfect digit: only the distance to the training images tells."
            return text + "A copy is a perfect digit: what tells it for certain is the distance to the training images."
        text += f"Precision {clean['precision']:.2f} → {now['precision']:.2f}, recall {clean['recall']:.2f} → {now['recall']:.2f}: "
        lost = [clean[name] - now[name] for name in ("precision", "recall")]
        if max(lost) < 0.05:
            return text + "neither loses much."
        if min(lost) > 0.7:
            return text + "quality and variety are both gone."
        return text + ("quality suffers more." if lost[0] > lost[1] else "variety suffers more.")


# --------------------------------------------------------------------------------------------------------------------
# Feature networks

# name → score of (real, fake) features, whether higher is better
RANKED = {
    "FID": (lambda real, fake: float(frechet_distance(real, fake)), False),
    "KID": (lambda real, fake: float(mmd(real, fake)), False),
    "precision": (lambda real, fake: neighbour_scores_fast(real, fake).precision, True),
    "recall": (lambda real, fake: neighbour_scores_fast(real, fake).recall, True),
}


class FeatureExplorer(Explorer):
    """The same samples in other features: does the ranking of the models hold?

    Args:
        samples: name of a model → its samples (n, 1, 28, 28), uint8 or floats in [0, 1], equally many of each
        real: real digits, (m, 1, 28, 28)
        networks: name → function of images (n, 1, 28, 28) in [0, 1] that gives features (n, d); the first is compared with the others

    Attributes:
        network, score: the menus
    """

    SHOWN = 24

    def __init__(self, samples: Mapping[str, Any], real: Any, networks: Mapping[str, Callable[[Tensor], Tensor]]):
        if len(samples) < 2 or not networks:
            raise ValueError(f"give samples of two models or more and one network or more; got {len(samples)} and {len(networks)}")
        self.samples = {name: as_digits(x, f"samples of {name}", 10) for name, x in samples.items()}
        if len({len(x) for x in self.samples.values()}) > 1:
            told = ", ".join(f"{name} {len(x)}" for name, x in self.samples.items())
            raise ValueError(f"every model must give equally many samples, for FID falls with their number; got {told}")
        self.real, self.networks = as_digits(real, "real", 10), dict(networks)
        self.network = menu("network", list(networks))
        self.score = menu("score", list(RANKED))
        super().__init__([self.network, self.score])

    @kept_for()
    def features(self, network: str, images: str | None) -> Tensor:
        """Features of a model's samples, or of the real digits for None."""
        x = self.real if images is None else self.samples[images]
        with torch.inference_mode():
            features = torch.as_tensor(self.networks[network](x)).cpu().double()
        if features.ndim != 2 or len(features) != len(x):
            raise ValueError(f"network {network} must turn {tuple(x.shape)} into ({len(x)}, d), but gave {tuple(features.shape)}")
        return features

    @kept_for("score")
    def values(self, network: str) -> dict[str, float]:
        """The chosen score of each model in these features."""
        measure, real = RANKED[self.score.value][0], self.features(network, None)
        return {name: measure(real, self.features(network, name)) for name in self.samples}

    def ranks(self, network: str) -> dict[str, int]:
        """1 for the best; equal values share the better rank."""
        values, up = self.values(network), RANKED[self.score.value][1]
        return {name: 1 + sum(other > value if up else other < value for other in values.values()) for name, value in values.items()}

    def panels(self):
        network, score, first = self.network.value, self.score.value, next(iter(self.networks))
        values, ranks, before = self.values(network), self.ranks(network), self.ranks(first)
        order = sorted(ranks, key=lambda name: (ranks[name], before[name]))
        n = min(self.SHOWN, *(len(x) for x in self.samples.values()))
        strips = Strips(
            f"{n} samples of each, best {score} by “{network}” first",
            [(f"{ranks[name]}. {name}", self.samples[name][:n], f"{n} samples of {name}, rank {ranks[name]}") for name in order],
            28,
            width=WIDE,
        )
        return [
            [self.bars(order, values, network), self.ladder(order, ranks, before, first, network)],
            [strips],
            [Note(self.words(values, ranks, before, first, network), WIDE)],
        ]

    def color(self, name: str) -> str:
        return CYCLE[list(self.samples).index(name) % len(CYCLE)]

    def bars(self, order: list[str], values: Mapping[str, float], network: str) -> Chart:
        score, d = self.score.value, self.features(network, None).shape[1]
        top, bottom = max(values.values()), min(0.0, *values.values())
        room = 0.12 * (top - bottom or 1.0)
        better = "higher" if RANKED[score][1] else "lower"
        return Chart(
            f"{score} by “{network}”, {d} features",
            "",
            f"{score}, {better} is better",
            f"{score} by {network} with {d} features, best first: " + ", ".join(f"{name} {values[name]:.4g}" for name in order),
            bars=[Bars([i - 0.36], [i + 0.36], [values[name]], color=self.color(name)) for i, name in enumerate(order)],
            labels=[Label(i, max(values[name], 0.0) + 0.4 * room, short(values[name])) for i, name in enumerate(order)],
            x_range=(-0.6, len(order) - 0.4),
            y_range=(bottom - (room if bottom < 0 else 0), top + room),
            x_ticks=dict(enumerate(order)),
            width=HALF,
            height=280,
        )

    def ladder(self, order: list[str], ranks: Mapping[str, int], before: Mapping[str, int], first: str, network: str) -> Drawing:
        """Ranks by the first network on the left and by the chosen one on the right; a line for each model."""
        told = ", ".join(f"{name} {before[name]} → {ranks[name]}" for name in order)
        left, right = self.places(before), self.places(ranks)
        step = 222 / len(order)

        def draw(canvas) -> None:
            canvas.text(0, 15, "who moves", 12, bold=True)
            canvas.text(140, 42, first, 11, "end", color=GREY)
            canvas.text(272, 42, network, 11, color=GREY)
            for name in order:
                y = [58 + step * (ladder[name] + 0.5) for ladder in (left, right)]
                canvas.line((150, 262), y, self.color(name), 2)
                for x, height in zip((150, 262), y):
                    canvas.dot(x, height, 4, self.color(name))
                canvas.text(140, y[0] + 4, f"{before[name]}. {name}", 11, "end")
                canvas.text(272, y[1] + 4, f"{ranks[name]}. {name}", 11)

        return Drawing(f"ranks by {self.score.value}, from {first} to {network}: {told}", HALF, 280, draw)

    @staticmethod
    def places(ranks: Mapping[str, int]) -> dict[str, int]:
        """Where each name stands on the ladder, 0 on top; names of one rank follow each other."""
        return {name: i for i, name in enumerate(sorted(ranks, key=ranks.get))}

    def words(self, values: Mapping[str, float], ranks: Mapping[str, int], before: Mapping[str, int], first: str, network: str) -> str:
        score, n, m = self.score.value, len(next(iter(self.samples.values()))), len(self.real)
        best = [name for name, rank in ranks.items() if rank == 1]
        text = f"{score} of {n:,} samples against {m:,} real digits by “{network}”: best {' and '.join(best)} ({values[best[0]]:.3g}). "
        if network == first:
            return text + "This is the network that the others are compared with: choose another and see who moves."
        moved = {name: before[name] - ranks[name] for name in ranks if ranks[name] != before[name]}
        if not moved:
            return text + f"No model changes its rank from “{first}”."
        far = max(moved, key=lambda name: abs(moved[name]))
        text += (
            f"{len(moved)} of {len(ranks)} models change their rank from “{first}”; farthest {far}, from {before[far]} to {ranks[far]}. "
        )
        return text + "A value says nothing across networks: each has its own scale."
