"""What autoencoders are used for, and how they are trained: noise, anomalies, debiasing, and annealing."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from torch import Tensor, nn

from ...autoencoders import ACTIVE, balancing_weights, resampling_weights
from ...metrics import auroc, roc_curve
from ...plotting.panels import CYCLE, Bars, Chart, Line, Mark, Note, Strips
from .. import Explorer, as_images, call, decode, film, kept_for, menu, reconstruct, slider, wide


class NoiseExplorer(Explorer):
    """Add noise to images and clean them with denoisers trained at different noise levels.

    Args:
        denoisers: name, such as "trained at σ = 0.4" → model with `encode` and `decode`
        images: (n, c, h, w); ten are shown, up to 64 are measured
        corrupt: (images, level, noise) → noisy images; images + level · noise, cut to [0, 1], when left out
        top: the largest noise level
    """

    def __init__(
        self,
        denoisers: Mapping[Any, nn.Module],
        images: Any,
        corrupt: Callable[[Tensor, float, Tensor], Tensor] | None = None,
        top: float = 1.0,
    ):
        self.denoisers, self.images = {str(k): m for k, m in denoisers.items()}, as_images(images)[:64]
        self.corrupt = corrupt or (lambda x, level, noise: (x + level * noise).clamp(0, 1))
        # one noise for every level: moving the slider then changes its strength only
        self.epsilon = torch.randn(self.images.shape, generator=torch.Generator().manual_seed(0))
        self.level = slider("noise σ", 0.4, 0.0, top, 0.05, 2)
        self.denoiser = menu("denoiser", list(self.denoisers))
        self.axis = np.linspace(0, top, round(top / 0.05) + 1)  # where the slider stops
        noisy = [self.noisy(level, len(self.images)) for level in self.axis]
        self.raw = [self.error(x) for x in noisy]
        self.curves = {name: [self.error(reconstruct(m, x)) for x in noisy] for name, m in self.denoisers.items()}
        super().__init__([self.level, self.denoiser])

    def noisy(self, level: float, n: int) -> Tensor:
        return self.corrupt(self.images[:n], float(level), self.epsilon[:n])

    def error(self, pictures: Tensor) -> float:
        return float((pictures - self.images).square().mean())

    def panels(self):
        level, name, n = self.level.value, self.denoiser.value, min(10, len(self.images))
        noisy = self.noisy(level, n)
        before, after = (float(np.interp(level, self.axis, errors)) for errors in (self.raw, self.curves[name]))
        rows = [
            ("clean", self.images[:n], "clean images"),
            (f"noisy, MSE {before:.4f}", noisy, f"the same with noise σ = {level:.2f}, mean squared error {before:.4f}"),
            (
                f"denoised, MSE {after:.4f}",
                reconstruct(self.denoisers[name], noisy),
                f"denoised by the model {name}, mean squared error {after:.4f}",
            ),
        ]
        ceiling = 1.3 * max(max(errors) for errors in self.curves.values())
        lines = [Line(self.axis, errors, each, CYCLE[i % len(CYCLE)]) for i, (each, errors) in enumerate(self.curves.items())]
        # the noise itself would dwarf the rest
        seen = np.array(self.raw) <= ceiling
        lines.append(Line(self.axis[seen], np.array(self.raw)[seen], "not denoised", CYCLE[4], dashed=True))
        alt = f"mean squared error against the noise level for {len(self.curves)} denoisers; at σ = {level:.2f}, {name} reaches {after:.4f}"
        mark = Mark(level, after, f"{after:.4f}", CYCLE[list(self.curves).index(name) % len(CYCLE)])
        chart = Chart(f"error on {len(self.images)} images", "noise level σ", "mean squared error", alt, lines, marks=[mark])
        chart.width, chart.y_range = 560, (0, 1.02 * ceiling)
        return [[Strips(f"σ = {level:.2f}", rows)], [chart]]


class AnomalyExplorer(Explorer):
    """A threshold on an anomaly score: what it catches, misses and flags by mistake, and the point on the ROC curve.

    Args:
        scores: name → (scores of normal images (n,), scores of anomalous ones (m,)); higher means more anomalous
        images: (normal (n, c, h, w), anomalous (m, c, h, w)), in the order of the scores

    An image is flagged when its score is at or above the threshold, as in `metrics.roc_curve`.
    """

    def __init__(self, scores: Mapping[str, tuple[Any, Any]], images: tuple[Any, Any] | None = None):
        self.scores = {name: tuple(np.asarray(torch.as_tensor(s).cpu(), dtype=float) for s in pair) for name, pair in scores.items()}
        self.images = None if images is None else tuple(as_images(x) for x in images)
        for name, pair in self.scores.items():
            if self.images and tuple(map(len, pair)) != tuple(map(len, self.images)):
                given = f"{len(pair[0])} and {len(pair[1])} scores for {len(self.images[0])} and {len(self.images[1])} images"
                raise ValueError(f"“{name}” has {given}; give one score an image")
        self.rocs = {name: roc_curve(*pair)[:2] for name, pair in self.scores.items()}
        self.areas = {name: auroc(*pair) for name, pair in self.scores.items()}
        self.score = menu("score", list(self.scores))
        self.quantile = slider("threshold", 0.95, 0.5, 1.0, 0.005, 3)
        super().__init__([self.score, self.quantile])

    @property
    def threshold(self) -> float:
        """The score below which the chosen share of normal images lies."""
        return float(np.quantile(self.scores[self.score.value][0], self.quantile.value))

    def counts(self) -> dict[str, int]:
        """Anomalies caught and missed, normal images passed and flagged (false alarms)."""
        normal, anomalous = self.scores[self.score.value]
        caught, alarms = int((anomalous >= self.threshold).sum()), int((normal >= self.threshold).sum())
        return {"caught": caught, "missed": len(anomalous) - caught, "false alarms": alarms, "passed": len(normal) - alarms}

    def panels(self):
        name = self.score.value
        normal, anomalous = self.scores[name]
        threshold, count = self.threshold, self.counts()
        caught, alarms = count["caught"] / len(anomalous), count["false alarms"] / len(normal)
        text = (
            f"Threshold {threshold:.4g}, the {self.quantile.value:.1%} quantile of the normal scores. "
            f"Caught {count['caught']} of {len(anomalous)} anomalies, missed {count['missed']}. "
            f"{count['false alarms']} false alarms among {len(normal)} normal images."
        )
        both = np.concatenate([normal, anomalous])
        low, high = float(both.min()), float(np.quantile(both, 0.99))
        edges = np.linspace(low, high if high > low else low + 1, 41)
        bars = [  # shares rather than counts: the two sets may differ in size. The last bar takes all that lies beyond
            Bars(edges[:-1], edges[1:], np.histogram(s.clip(low, edges[-1]), edges)[0] / len(s), label, color, 0.6)
            for s, label, color in ((normal, "normal", CYCLE[0]), (anomalous, "anomalous", CYCLE[1]))
        ]
        told = f"scores of normal and anomalous images with the threshold at {threshold:.4g}"
        rule = {"flagged →": min(threshold, edges[-1])}
        histogram = Chart(
            "score of each image", f"{name} (last bar: and above)", "share of its set", told, bars=bars, x_rules=rule, width=400
        )
        line = Line(*self.rocs[name])
        chance = Line((0, 1), (0, 1), color=CYCLE[4], dashed=True)
        area = self.areas[name]
        told = f"ROC curve with area {area:.3f}; at this threshold {caught:.1%} of anomalies are caught at {alarms:.1%} false alarms"
        marks = [Mark(alarms, caught, f"{caught:.0%} at {alarms:.1%}")]
        square = {"x_range": (0, 1), "y_range": (0, 1.02)}
        roc = Chart(f"ROC, area under it {area:.3f}", "false alarms (share)", "caught (share)", told, [line, chance], marks=marks, **square)
        return [[histogram, roc], [Note(text)], *([[self.pictures(normal, anomalous, threshold)]] if self.images else [])]

    def pictures(self, normal: np.ndarray, anomalous: np.ndarray, threshold: float) -> Strips:
        from_low = anomalous.argsort(kind="stable")
        caught, missed = from_low[::-1][anomalous[from_low[::-1]] >= threshold], from_low[anomalous[from_low] < threshold]
        alarms = normal.argsort(kind="stable")[::-1]
        alarms = alarms[normal[alarms] >= threshold]
        rows = [
            ("caught, surest first", self.images[1][caught[:10].copy()], "anomalies caught, the highest scores first"),
            ("missed, worst first", self.images[1][missed[:10].copy()], "anomalies missed, the lowest scores first"),
            ("false alarms", self.images[0][alarms[:10].copy()], "normal images flagged, the highest scores first"),
        ]
        return Strips("what the threshold does", rows, wrap=10)


class AnnealingPlayback(Explorer):
    """Replay recorded trainings side by side: samples, the KL of each latent, and the ELBO, step by step.

    Args:
        recordings: name → tensors "steps" (t,), "kl" (t, latents) nats, "elbo" (t,) nats, "beta" (t,), "samples" (t, n, h, w) uint8

    Attributes:
        frame: the slider;  play: the buttons that move it
    """

    def __init__(self, recordings: Mapping[str, Mapping[str, Any]]):
        keys = ("steps", "kl", "elbo", "beta", "samples")
        for name, recording in recordings.items():
            missing = [key for key in keys if key not in recording]
            if missing:
                raise ValueError(f"the recording “{name}” lacks {', '.join(missing)}; it needs {', '.join(keys)}")
        self.recordings = {name: {key: torch.as_tensor(r[key]).cpu().numpy() for key in keys} for name, r in recordings.items()}
        last = max(len(r["steps"]) for r in self.recordings.values()) - 1
        self.frame, self.play = film(last, 300)
        super().__init__([self.frame, self.play])

    def panels(self):
        rows = [[], [], []]
        top = max(float(r["kl"].max()) for r in self.recordings.values())
        elbos = np.concatenate([r["elbo"] for r in self.recordings.values()]).astype(float)
        floor = float(np.quantile(elbos, 0.1))  # the first steps would flatten all that follows
        ceiling = float(elbos.max())
        margin = 0.08 * (ceiling - floor) or 1.0
        across = max(253, 760 // len(self.recordings))  # one column for each, beside each other up to three
        for name, r in self.recordings.items():
            t = min(self.frame.value, len(r["steps"]) - 1)
            step, kl, elbo, beta = int(r["steps"][t]), r["kl"][t].astype(float), float(r["elbo"][t]), float(r["beta"][t])
            active = int((kl > ACTIVE).sum())
            samples = torch.from_numpy(r["samples"][t])[:, None]
            rows[0].append(
                Strips(
                    f"{name} · step {step} · β {beta:.2f}",
                    [("", samples[:16], f"samples of {name} at step {step}")],
                    40,
                    5,
                    width=across,
                )
            )
            where = np.arange(len(kl))
            told = f"{name} at step {step}: {active} of {len(kl)} latents above {ACTIVE} nats, {kl.sum():.1f} nats in all"
            ticks = {int(i): str(i + 1) for i in where[:: math.ceil(len(kl) / 10)]}
            bars = Chart(f"{active} of {len(kl)} latents active", "latent", "KL (nats)", told, bars=[Bars(where - 0.4, where + 0.4, kl)])
            bars.x_ticks, bars.x_range, bars.y_range, bars.height, bars.width = ticks, (-0.6, len(kl) - 0.4), (0, 1.05 * top), 200, across
            rows[1].append(bars)
            seen = r["elbo"] >= floor - margin
            line = Line(r["steps"][seen], r["elbo"][seen].astype(float))
            told = f"ELBO of {name} over training; at step {step} it is {elbo:.1f} nats"
            mark = Mark(step, max(elbo, floor - margin / 2), f"{elbo:.1f}")
            curve = Chart(
                "ELBO",
                "step",
                "ELBO (nats)",
                told,
                [line],
                marks=[mark],
                y_range=(floor - margin, ceiling + margin),
                height=200,
                width=across,
            )
            rows[2].append(curve)
        return rows


REMEDIES = ("none", "rare latents", "known groups")


class DebiasingExplorer(Explorer):
    """Reweight a data set in which two things go together, and see what an arrow in latent space has learned of it.

    The arrow is the mean code of the images that have an attribute, less that of those that have not. Each counts by its weight.

    Args:
        model: with `encode` and `decode`
        images: (n, c, h, w), the biased data
        groups: (n,) whole numbers
        has: (n,) bool, who has the attribute
        names: of the groups, and of having and not having the attribute: (("left", "right"), ("without", "with"))
        others: (m, c, h, w), new images without the attribute, to which the arrow is added
        others_groups: (m,)
        read: images (k, c, h, w) → what is seen in each, (k, 2): its group, and whether it has the attribute
        alpha: the slider's range, from strong to weak

    Attributes:
        remedy: the menu of weights;  alpha: how strongly rare latents count;  step: how far along the arrow
    """

    SHOWN = 5  # of each group

    def __init__(
        self,
        model: nn.Module,
        images: Any,
        groups: Any,
        has: Any,
        names: tuple[Sequence[str], Sequence[str]],
        others: Any,
        others_groups: Any,
        read: Callable[[Tensor], Tensor],
        alpha: tuple[float, float] = (0.1, 100.0),
    ):
        self.model, self.names, self.read = model, [list(each) for each in names], read
        images, self.others = as_images(images), as_images(others, "others")
        self.groups, self.has, self.others_groups = (torch.as_tensor(v).cpu().long() for v in (groups, has, others_groups))
        for what, given, of in (
            ("groups", self.groups, images),
            ("has", self.has, images),
            ("others_groups", self.others_groups, self.others),
        ):
            if given.shape != (len(of),):
                raise ValueError(f"{what} must hold one number for each image, {len(of)}, got shape {tuple(given.shape)}")
        if set(self.has.tolist()) != {0, 1}:
            raise ValueError("an arrow leads from images without the attribute to images with it: give some of both")
        self.latents = torch.cat([call(model, "encode", part) for part in images.split(1_000)])
        self.codes = call(model, "encode", self.others)
        self.cells = 2 * self.groups + self.has
        self.remedy = menu("weights", list(REMEDIES))
        low, high = (math.log10(a) for a in alpha)
        start = 10 ** round((low + high) / 2, 2)
        self.alpha = widgets.FloatLogSlider(start, min=low, max=high, step=0.25, description="smoothing α", readout_format=".3g", **wide())
        self.alpha.disabled = True  # until it means something
        self.remedy.observe(lambda change: setattr(self.alpha, "disabled", change["new"] != "rare latents"), "value")
        self.step = slider("step t", 1.0, 0.0, 1.5, 0.1)
        super().__init__([self.remedy, self.alpha, self.step])

    @property
    def weights(self) -> Tensor:
        """Probabilities of the images, (n,), float64."""
        return self.weighted(self.remedy.value, self.alpha.value if self.remedy.value == "rare latents" else 0.0)

    def weighted(self, remedy: str, alpha: float) -> Tensor:
        if remedy == "none":
            return torch.full((len(self.latents),), 1 / len(self.latents), dtype=torch.float64)
        return resampling_weights(self.latents, alpha) if remedy == "rare latents" else balancing_weights(self.cells)

    @property
    def arrow(self) -> Tensor:
        """(latents,)."""
        w = self.weights.to(self.latents.dtype)
        without, having = (torch.where(self.has == k, w, 0) for k in (0, 1))
        return having @ self.latents / having.sum() - without @ self.latents / without.sum()

    @kept_for("remedy", "alpha", "step")
    def edited(self) -> tuple[Tensor, list[float], float]:
        """The others after the step; for each group the share in which it is still read; and the share in which the attribute is."""
        moved = decode(self.model, self.codes + self.step.value * self.arrow)
        group, has = torch.as_tensor(self.read(moved)).T
        kept = [(group[self.others_groups == g] == g).double().mean().item() for g in range(len(self.names[0]))]
        return moved, kept, has.double().mean().item()

    def panels(self):
        weights, t = self.weights, self.step.value
        cells = [f"{group}, {having}" for group in self.names[0] for having in self.names[1]]
        data, drawn = ([float(w[self.cells == k].sum()) for k in range(len(cells))] for w in (self.weighted("none", 0.0), weights))
        moved, kept, has = self.edited()
        said = ", ".join(f"{name} {a:.1%} → {b:.1%}" for name, a, b in zip(cells, data, drawn, strict=True))
        shares = self.bars("what a batch holds", f"share of a batch: {said}", cells, {"data": data, "with the weights": drawn}, 540)
        said = ", ".join(f"{name} {share:.0%}" for name, share in zip(self.names[0], kept, strict=True))
        same = self.bars(f"still of its group after t = {t:.1f}", f"still read as of its group: {said}", self.names[0], {"": kept}, 253)
        shown = torch.cat([(self.others_groups == g).nonzero()[: self.SHOWN, 0] for g in range(len(self.names[0]))])
        rows = [
            ("z", decode(self.model, self.codes[shown]), "new images, decoded from their codes"),
            (f"z + {t:.1f} a", moved[shown], f"the same after a step of {t:.1f} along the arrow with these weights"),
        ]
        effective = 1 / float(weights.square().sum())
        note = f"Weights: {self.remedy.value}. They are worth {effective:,.0f} of {len(weights):,} images. "
        note += f"After the step the attribute is read in {has:.0%}; the group is kept by {said}."
        return [[shares, same], [Strips(f"“{self.names[1][1]}”, as an arrow", rows, 64)], [Note(note, 700)]]

    def bars(self, title: str, alt: str, ticks: Sequence[str], values: Mapping[str, list[float]], width: int) -> Chart:
        """One bar a tick for each of the named lists, beside each other."""
        where, thick = np.arange(len(ticks)), 0.76 / len(values)
        bars = [
            Bars(where - 0.38 + i * thick, where - 0.38 + (i + 1) * thick, each, name, CYCLE[i])
            for i, (name, each) in enumerate(values.items())
        ]
        reach = (-0.6, len(where) - 0.4)
        return Chart(title, "", "share", alt, bars=bars, x_ticks=dict(enumerate(ticks)), x_range=reach, y_range=(0, 1), width=width)
