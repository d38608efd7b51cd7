"""Looking into a latent space: single latents, β, the size of the bottleneck, and a map of two latents."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ...autoencoders import ACTIVE
from ...distributions import gaussian_kl_per_latent
from ...plotting.panels import CYCLE, INK, Bars, Chart, Line, Mark, Note, Strips, fewer_colors, png, tile
from .. import Explorer, as_images, call, choice_slider, decode, int_slider, kept_for, menu, numbers, plural, reconstruct, slider

AXIS = 7  # pictures in one traversal


def kl_per_latent(model: nn.Module, images: Tensor | None = None) -> Tensor | None:
    """Nats that each latent carries: measured with the checkpoint, else on `images`; None for a model without a posterior."""
    if "kl_per_latent" in numbers(model):
        return torch.tensor(numbers(model)["kl_per_latent"])
    if images is None or not hasattr(model, "posterior"):
        return None
    posterior = call(model, "posterior", images)
    return gaussian_kl_per_latent(posterior.mean, posterior.log_var).mean(0).cpu()


def informative(model: nn.Module, images: Tensor | None = None) -> list[int]:
    """Latents in the order of what they carry, the busiest first; in their own order when nothing is known."""
    kl = kl_per_latent(model, images)
    return list(range(model.config["latents"])) if kl is None else kl.argsort(descending=True).tolist()


def traversal(z: Tensor, latent: int, values: Tensor) -> Tensor:
    """Copies of the code z (latents,) in which one latent takes each of `values`: (values, latents)."""
    codes = z.repeat(len(values), 1)
    codes[:, latent] = values
    return codes


class LatentExplorer(Explorer):
    """One slider a latent; the decoded picture follows, with a traversal of the slider that moved last.

    Args:
        model: has `encode`, `decode` and `config["latents"]`
        images: (n, c, h, w) to start from, besides the prior mean
        latents: which latents get a slider, or how many; the ten most informative when left out
        span: the sliders reach from −span to span, further where an image's code lies further out

    Attributes:
        sliders: one for each latent shown;  start: the menu;  reset: the button
    """

    def __init__(self, model: nn.Module, images: Any = None, latents: int | Sequence[int] | None = None, span: float = 3.0):
        self.model, self.span = model, span
        self.images = None if images is None else as_images(images)[:12]
        order = informative(model, self.images)
        self.latents = order[:10] if latents is None else order[:latents] if isinstance(latents, int) else list(latents)
        bad = [j for j in self.latents if not 0 <= j < model.config["latents"]]
        if bad or not self.latents:
            raise ValueError(f"the model has latents 0 to {model.config['latents'] - 1}; choose some of them, not {bad or 'none'}")
        self.codes = torch.zeros(1, model.config["latents"])
        if self.images is not None:
            self.codes = torch.cat([self.codes, call(model, "encode", self.images)])
        reach = self.codes.abs().amax(0).clamp(min=span)
        self.sliders = [slider(f"z{j + 1}", 0.0, -tenth(reach[j]), tenth(reach[j]), 0.1) for j in self.latents]
        self.start = menu(
            "start from", [("prior mean", 0)] + [(f"image {i}", i) for i in range(1, len(self.codes))], min(1, len(self.codes) - 1)
        )
        self.reset = widgets.Button(description="back to the start")
        self._strip = None, None
        self.place()
        self.follow(self.sliders)
        super().__init__([self.start, *self.sliders, self.reset], {self.start: self.restart})
        self.reset.on_click(self.restart)

    @property
    def z(self) -> Tensor:
        """The code that is shown, (1, latents): the start's, with the sliders' values in it."""
        z = self.codes[self.start.value].clone()
        for j, control in zip(self.latents, self.sliders, strict=True):
            # a slider that was not moved stands for the exact code, not for its rounded value
            if abs(control.value - round(float(z[j]), 1)) > 0.01:
                z[j] = control.value
        return z[None]

    def place(self) -> None:
        """Put the sliders on the code of the start."""
        for j, control in zip(self.latents, self.sliders, strict=True):
            control.value = round(float(self.codes[self.start.value, j]), 1)

    def restart(self, _event=None) -> None:
        """Back to the start, drawn once, with the same traversal."""
        with self.held():
            self.place()

    def panels(self):
        z, j = self.z, self.latents[self.moved]
        values = torch.linspace(self.sliders[self.moved].min, self.sliders[self.moved].max, AXIS)
        codes = traversal(z[0], j, values)
        if self._strip[0] is None or not torch.equal(self._strip[0], codes):  # the same while one slider is dragged
            self._strip = codes, decode(self.model, codes)
        shown = ", ".join(f"z{k + 1} = {z[0, k]:.1f}" for k in self.latents)
        top = [Strips("decoded", [("", decode(self.model, z), f"decoded from {shown}")], 224)]
        if self.start.value:
            chosen = self.images[self.start.value - 1 : self.start.value]
            top.append(Strips("started from", [("", chosen, f"image {self.start.value}, whose code the sliders started from")], 112))
        labels = [f"{v:.1f}" for v in values]
        alt = f"{AXIS} pictures decoded as z{j + 1} goes from {labels[0]} to {labels[-1]}, the other latents as set"
        return [
            top,
            [Strips(f"z{j + 1} from {labels[0]} to {labels[-1]}, the others as set", [("", self._strip[1], alt)], 56, columns=labels)],
        ]


def tenth(x: float) -> float:
    """x rounded up to a tenth."""
    return math.ceil(10 * float(x) - 1e-6) / 10


class BetaExplorer(Explorer):
    """β moves through a family of trained β-VAEs: reconstructions, samples, traversals, and the point on the rate–distortion curve.

    Args:
        family: β → model, as `checkpoints.load_family` gives it
        images: (n, c, h, w) to reconstruct; seven are shown
        curve: β → (rate, distortion) in nats; the checkpoints' own measured numbers when left out

    The samples decode the same z at every β, so that only β changes.
    """

    def __init__(self, family: Mapping[float, nn.Module], images: Any, curve: Mapping[float, tuple[float, float]] | None = None):
        self.family, self.images = {b: family[b] for b in sorted(family)}, as_images(images)
        self.across = 7 if self.images.shape[-1] <= 28 else 5  # pictures in a row: the charts shall fit beside them
        self.images = self.images[: self.across]
        measured = {b: (numbers(m)["rate"], numbers(m)["distortion"]) for b, m in self.family.items() if "rate" in numbers(m)}
        self.curve = {b: curve[b] for b in sorted(curve)} if curve else measured
        self.kl = {b: kl_per_latent(m, self.images) for b, m in self.family.items()}
        noise = torch.Generator().manual_seed(0)
        self.noise = torch.randn(2 * self.across, max(m.config["latents"] for m in self.family.values()), generator=noise)
        options = [(f"{b:g}", b) for b in self.family]
        self.beta = choice_slider("β", options, min(self.family, key=lambda b: abs(b - 1)))
        self.around = int_slider("image", 1, 1, len(self.images))
        for b in self.family:  # now rather than at the first visit: the slider then never waits for a network
            for row in self.scene(b, 1):
                for panel in row:
                    panel.html()
        super().__init__([self.beta, self.around])

    @kept_for()
    def scene(self, beta: float, around: int) -> list[list]:
        """The panels of one β."""
        model, kl = self.family[beta], self.kl[beta]
        latents = (informative(model) if kl is None else kl.argsort(descending=True).tolist())[:5]
        codes = call(model, "encode", self.images)
        values = torch.linspace(-3, 3, self.across)
        moved = torch.cat([traversal(codes[around - 1], j, values) for j in latents])
        n, drawn = len(codes), len(self.noise)
        pictures = decode(model, torch.cat([codes, self.noise[:, : codes.shape[1]], moved]))
        rows = [
            ("originals", self.images, "original images"),
            ("rebuilt", pictures[:n], f"their reconstructions at β = {beta:g}"),
            ("samples", pictures[n : n + drawn], f"{drawn} samples at β = {beta:g}"),
        ]
        lines = [
            (
                f"z{j + 1}" + ("" if kl is None else f", {kl[j]:.2f} nats"),
                pictures[n + drawn + self.across * i : n + drawn + self.across * (i + 1)],
                f"z{j + 1} from −3 to 3 at β = {beta:g}",
            )
            for i, j in enumerate(latents)
        ]
        title = f"image {around}, one latent moved at a time, the busiest first"
        return [
            [Strips(f"β = {beta:g}", rows, wrap=self.across), *([self.plane(beta)] if self.curve else [])],
            [Strips(title, lines, columns=[f"{v:g}" for v in values]), *([] if kl is None else [self.bars(beta)])],
        ]

    def panels(self):
        return self.scene(self.beta.value, self.around.value)

    def plane(self, beta: float) -> Chart:
        rates, distortions = zip(*self.curve.values(), strict=True)
        mark, text = (), ""
        if beta in self.curve:
            rate, distortion = self.curve[beta]
            mark = [Mark(rate, distortion, f"β = {beta:g}")]
            text = f"rate {rate:.1f} nats, distortion {distortion:.1f} nats"
        spread = min(rates) > 0 and max(rates) > 20 * min(rates)  # β = 0 pays no rent and would squeeze the others into a corner
        alt = f"rate–distortion curve of {len(rates)} models, the point at β = {beta:g}: {text or 'not measured'}"
        line = Line(rates, distortions, markers=True, names=[f"{b:g}" for b in self.curve])
        chart = Chart(text or "rate and distortion", "rate: KL (nats)", "distortion (nats)", alt, [line], marks=mark, log_x=spread)
        chart.width = 270
        return chart

    def bars(self, beta: float) -> Chart:
        floor = 0.01  # nats: where the logarithmic axis begins
        kl = self.kl[beta].clamp(min=floor).sort(descending=True).values.numpy()
        top = max(float(k.max()) for k in self.kl.values() if k is not None)
        where = np.arange(len(kl))
        active = int((kl > ACTIVE).sum())
        alt = f"KL of each latent at β = {beta:g}: {active} of {len(kl)} above {ACTIVE} nats, the largest {kl[0]:.2f}"
        every = math.ceil(len(kl) / 10)
        return Chart(
            f"{active} of {len(kl)} latents in use (KL > {ACTIVE:g} nats)",
            "latent, busiest first",
            "KL (nats)",
            alt,
            bars=[Bars(where - 0.4, where + 0.4, kl)],
            width=270,
            log_y=True,
            y_range=(floor, max(1.0, 1.5 * top)),
            x_range=(-0.6, len(kl) - 0.4),
            x_ticks={int(i): str(i + 1) for i in where[::every]},
        )


class BottleneckExplorer(Explorer):
    """The number of latents moves through a family of autoencoders: reconstructions, and the point on the error curve.

    Args:
        family: latents → model
        images: (n, c, h, w) to reconstruct; ten are shown
        errors: latents → mean squared error a pixel; measured on `images` when left out
        pca: the same for PCA, drawn as a second curve
    """

    def __init__(
        self,
        family: Mapping[float, nn.Module],
        images: Any,
        errors: Mapping[float, float] | None = None,
        pca: Mapping[float, float] | None = None,
    ):
        self.family, images = {int(k): family[k] for k in sorted(family)}, as_images(images)
        rebuilt = {k: reconstruct(m, images) for k, m in self.family.items()}
        own = {k: float((pictures - images).square().mean()) for k, pictures in rebuilt.items()}
        self.errors = {int(k): float(v) for k, v in sorted((errors or own).items())}
        self.pca = {int(k): float(v) for k, v in sorted((pca or {}).items())}
        self.images, self.rebuilt = images[:10], {k: pictures[:10] for k, pictures in rebuilt.items()}
        self.latents = choice_slider("latents", list(self.family), list(self.family)[len(self.family) // 2])
        super().__init__([self.latents])

    def panels(self):
        k = self.latents.value
        rows = [("originals", self.images, "original images"), ("rebuilt", self.rebuilt[k], f"reconstructions through {k} latents")]
        lines = [Line(list(self.errors), list(self.errors.values()), "autoencoder", markers=True)]
        if self.pca:
            lines.append(Line(list(self.pca), list(self.pca.values()), "PCA", CYCLE[4], dashed=True, markers=True))
        error = self.errors.get(k)
        mark = [Mark(k, error, f"{error:.4f}")] if error is not None else []
        alt = f"error against the number of latents; at {k} latents " + (f"{error:.4f} a pixel" if mark else "not measured")
        if k in self.pca:
            alt += f", PCA {self.pca[k]:.4f}"
        axis = sorted({*self.errors, *self.pca})
        chart = Chart("reconstruction error", "latents", "mean squared error a pixel", alt, lines, marks=mark, log_x=True)
        chart.x_ticks, chart.width = {v: str(v) for v in axis}, 460
        pixels = math.prod(self.images.shape[1:])
        title = f"{pixels} pixels through {plural(k, 'latent')}"
        return [[Strips(title, rows)], [chart]]


class LatentMap(Explorer):
    """A latent plane: the codes of a data set, or the picture at every place, with a crosshair that decodes the point you pick.

    Args:
        model: two latents
        points: (n, 2) codes
        labels: (n,) integers, one colour each
        span: the map reaches from −span to span; from the codes (all but the outermost 0.5 %) when left out
    """

    def __init__(self, model: nn.Module, points: Any, labels: Any, span: float | None = None):
        points, labels = torch.as_tensor(points).cpu().numpy(), torch.as_tensor(labels).cpu().numpy()
        if points.ndim != 2 or points.shape[1] != 2 or len(points) != len(labels):
            raise ValueError(f"points must be (n, 2) with n labels, got {points.shape} and {labels.shape}")
        if model.config["latents"] != 2:
            raise ValueError(f"a map needs a model with 2 latents, this one has {model.config['latents']}")
        self.model = model
        self.points, self.labels, self.classes = points, labels, np.unique(labels)
        self.span = float(span) if span else tenth(max(1.0, np.quantile(np.abs(points), 0.995)))
        self.z1 = slider("z1", 0.0, -self.span, self.span, 0.05, 2)
        self.z2 = slider("z2", 0.0, -self.span, self.span, 0.05, 2)
        self.backdrop = widgets.ToggleButtons(options=["codes", "pictures"], description="map", style={"button_width": "105px"})
        self.backdrops = {"codes": self.scatter(), "pictures": self.manifold()}
        super().__init__([self.z1, self.z2, self.backdrop])

    def scatter(self) -> bytes:
        """The codes as a PNG, drawn once."""
        figure = Figure(figsize=(3.6, 3.6), dpi=160, layout="none")
        axes = figure.add_axes((0, 0, 1, 1), xlim=(-self.span, self.span), ylim=(-self.span, self.span))
        axes.axis("off")
        for i, label in enumerate(self.classes):
            axes.scatter(*self.points[self.labels == label].T, s=5, color=CYCLE[i % len(CYCLE)], alpha=0.7, linewidth=0)
        # the names on their clouds: ten colours are too many to look up one by one
        centres = np.array([np.median(self.points[self.labels == label], axis=0) for label in self.classes])
        for i, (label, where) in enumerate(zip(self.classes, apart(centres, 0.13 * self.span).clip(-0.93 * self.span, 0.93 * self.span))):
            box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": CYCLE[i % len(CYCLE)], "alpha": 0.9}
            axes.text(*where, str(label), ha="center", va="center", fontsize=9, fontweight="bold", bbox=box)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=160)
        return fewer_colors(buffer.getvalue(), 64)  # enough, and a quarter of the bytes: the picture travels with every step

    def manifold(self, side: int = 15) -> bytes:
        """The picture at every place of a grid; each is decoded at the centre of its cell."""
        step = 2 * self.span / side
        axis = -self.span + step * (torch.arange(side) + 0.5)
        z2, z1 = torch.meshgrid(axis.flip(0), axis, indexing="ij")  # the first row of a picture is its top
        return png(tile(decode(self.model, torch.stack([z1.flatten(), z2.flatten()], 1)), side, pad=0))

    def panels(self):
        z1, z2 = self.z1.value, self.z2.value
        where = f"z = ({z1:.2f}, {z2:.2f})"
        reach = (-self.span, self.span)
        color = INK if self.backdrop.value == "codes" else CYCLE[2]  # seen on white, and on pictures
        lines = [Line((z1, z1), reach, color=color, dashed=True), Line(reach, (z2, z2), color=color, dashed=True)]
        if self.backdrop.value == "codes":
            alt = f"codes of {len(self.points)} images in {len(self.classes)} classes, crosshair at {where}"
            title = "where the encoder puts each class"
        else:
            alt, title = f"pictures decoded over the latent plane, crosshair at {where}", "what the decoder makes of each place"
        ground = (self.backdrops[self.backdrop.value], (*reach, *reach))
        plane = Chart(title, "z1", "z2", alt, lines, marks=[Mark(z1, z2, color=color)], background=ground, x_range=reach, y_range=reach)
        plane.width, plane.height = 412, 424
        near = self.labels[((self.points - (z1, z2)) ** 2).sum(1).argmin()]
        big = Strips(f"decoded from {where}", [("", decode(self.model, torch.tensor([[z1, z2]])), f"decoded from {where}")], 224)
        return [[plane, big], [Note(f"The nearest code belongs to class {near}.")]]


def apart(points: np.ndarray, distance: float) -> np.ndarray:
    """Push points (n, 2) that are closer than `distance` away from each other."""
    points = points.copy()
    for _ in range(60):
        gap = points[:, None] - points[None]
        length = np.linalg.norm(gap, axis=-1) + np.eye(len(points)) * 1e9
        push = np.clip(distance - length, 0, None)
        points += 0.25 * (gap / np.maximum(length, 1e-9)[..., None] * push[..., None]).sum(1)
    return points
