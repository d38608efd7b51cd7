"""What autoencoders are used for, and how they are trained: noise, anomalies, debiasing, and annealing."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from torch import Tensor, nn

from ...autoencoders import ACTIVE, resampling_weights
from ...metrics import auroc, roc_curve
from ...plotting.panels import CYCLE, Bars, Chart, Line, Mark, Note, Strips
from .. import Explorer, as_images, film, int_slider, menu, reconstruct, slider, wide


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


class DebiasingExplorer(Explorer):
    """Resample a biased data set by what its latent space says is rare; α sets how strongly.

    Args:
        latents: (n, latents), the encoded data set
        groups: (n,) integers; used to measure, never to resample
        group_names: one a group
        images: (n, c, h, w)
        alpha: the slider's range, from strong to weak
        retrain: probabilities (n,) → dict of accuracies, by group name or number; called for uniform sampling, for the first α,
            and by the button

    Attributes:
        alpha, latent: sliders;  retrain: the button, or None
    """

    def __init__(
        self,
        latents: Any,
        groups: Any,
        group_names: Sequence[str],
        images: Any,
        alpha: tuple[float, float] = (1e-3, 10.0),
        retrain: Callable[[np.ndarray], Mapping[Any, float]] | None = None,
    ):
        self.latents, self.groups = (np.asarray(torch.as_tensor(v).cpu()) for v in (latents, groups))
        self.names, self.images, self.train = list(group_names), torch.as_tensor(images), retrain
        if not len(self.latents) == len(self.groups) == len(self.images):
            raise ValueError(f"latents, groups and images must be as many, got {len(self.latents)}, {len(self.groups)}, {len(self.images)}")
        low, high = (math.log10(a) for a in alpha)
        start = 10 ** round((low + high) / 2, 2)
        self.alpha = widgets.FloatLogSlider(start, min=low, max=high, step=0.25, description="smoothing α", readout_format=".3g", **wide())
        self.latent = int_slider("latent shown", 1, 1, self.latents.shape[1])
        self.retrain, self.trained = None, None
        controls = [self.alpha, self.latent]
        if retrain:
            uniform = np.full(len(self.latents), 1 / len(self.latents))
            self.baseline = self._accuracies(uniform)
            self.trained = self.alpha.value, self._accuracies(self.weights)
            self.retrain = widgets.Button(description="retrain with these weights", layout=widgets.Layout(width="320px"))
            self.retrain.on_click(self.train_again)
            controls.append(self.retrain)
        super().__init__(controls)

    @property
    def weights(self) -> np.ndarray:
        return resampling_weights(torch.as_tensor(self.latents), self.alpha.value).numpy()

    def _accuracies(self, weights: np.ndarray) -> list[float]:
        answer = dict(self.train(weights))
        try:
            return [float(answer[name] if name in answer else answer[i]) for i, name in enumerate(self.names)]
        except KeyError as error:
            raise ValueError(f"retrain must return an accuracy for each of {', '.join(self.names)}; {error} is missing") from None

    def train_again(self, _button=None) -> None:
        """Train the classifier with the present weights and show its accuracy."""
        self.retrain.disabled, self.retrain.description = True, "training …"
        try:
            self.trained = self.alpha.value, self._accuracies(self.weights)
            self.draw()
        except Exception as error:
            self.fail(error)
        finally:
            self.retrain.disabled, self.retrain.description = False, "retrain with these weights"

    def panels(self):
        weights, n = self.weights, len(self.latents)
        shares = [float((self.groups == g).mean()) for g in range(len(self.names))]
        after = [float(weights[self.groups == g].sum()) for g in range(len(self.names))]
        told = ", ".join(f"{name} {a:.0%} → {b:.0%}" for name, a, b in zip(self.names, shares, after, strict=True))
        rows = [
            [
                self.density(weights),
                self.pairs("share of each group", "share", f"share of each group in a batch: {told}", shares, "data", after, "resampled"),
            ]
        ]
        if self.trained:
            alpha, accuracy = self.trained
            said = ", ".join(f"{name} {a:.1%} → {b:.1%}" for name, a, b in zip(self.names, self.baseline, accuracy, strict=True))
            new = f"resampled, α = {alpha:.3g}"
            rows[0].append(
                self.pairs(
                    "accuracy of the classifier", "accuracy", f"accuracy of each group: {said}", self.baseline, "uniform", accuracy, new
                )
            )
        top = weights.argsort(kind="stable")[::-1][:12]
        labels = [f"×{weights[i] * n:.1f}" for i in top]
        strip = Strips(
            "drawn more often than before",
            [("", self.images[top.copy()], f"the 12 most up-weighted images, {labels[0]} and less")],
            columns=labels,
        )
        effective = 1 / float((weights**2).sum())
        note = f"Worth {effective:.0f} of {n} images: the more the weights differ, the fewer images a batch really sees."
        return [*rows, [strip], [Note(note)]]

    def density(self, weights: np.ndarray) -> Chart:
        z = self.latents[:, self.latent.value - 1]
        before, edges = np.histogram(z, 10)
        after, _ = np.histogram(z, edges, weights=weights)
        fullest = before.argmax()
        told = (
            f"histogram of latent {self.latent.value} before and after resampling; "
            f"the fullest bin goes from {before[fullest] / len(z):.0%} to {after[fullest]:.0%}"
        )
        bars = [
            Bars(edges[:-1], edges[1:], before / len(z), "data", CYCLE[0], 0.55),
            Bars(edges[:-1], edges[1:], after, "resampled", CYCLE[1], 0.55),
        ]
        return Chart("what resampling evens out", f"z{self.latent.value}", "share of the images", told, bars=bars, width=253)

    def pairs(self, title: str, y_label: str, alt: str, old: list[float], old_name: str, new: list[float], new_name: str) -> Chart:
        where = np.arange(len(self.names))
        bars = [Bars(where - 0.38, where, old, old_name, CYCLE[0]), Bars(where, where + 0.38, new, new_name, CYCLE[1])]
        ticks = dict(enumerate(self.names))
        top = 1.0 if y_label == "accuracy" else 1.1 * max(*old, *new)
        reach = (-0.6, len(where) - 0.4)
        return Chart(title, "group", y_label, alt, bars=bars, x_ticks=ticks, x_range=reach, y_range=(0, top), width=253)
