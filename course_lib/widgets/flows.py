"""The explorers of topic 04."""

import colorsys
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr
from torch import Tensor, nn

from ..datasets import faces, to_float
from ..datasets.faces.captions import phrase
from ..datasets.toy2d import plane
from ..distributions import standard_normal_log_prob
from ..flows import (
    ActNorm,
    Autoregressive,
    ContinuousFlow,
    Coupling,
    Flow,
    ImageFlow,
    InvertibleLinear,
    LatentFlow,
    Permutation,
    rational_quadratic,
)
from ..flows.layers import COUPLINGS
from ..flows.models import Conditioner
from ..flows.spline import SMALLEST, UNIT
from ..latent_spaces import lerp
from ..metrics import predicted_attributes
from ..plotting.panels import CYCLE, GREY, INK, Bars, Chart, Line, Mark, Note, Strips, Strokes
from . import (
    BESIDE,
    WIDE,
    Explorer,
    as_images,
    at_rest,
    choice_slider,
    int_slider,
    kept_for,
    menu,
    plural,
    seed_slider,
    seeded,
    slider,
    some,
)
from .plane import arrows, as_points, dots, log_normal, seen_lines, seen_segments, shaded, square

# --------------------------------------------------------------------------------------------------------------------
# One dimension

# shares of z that the four bins get, slopes at the three inner knots
PRESETS = {
    "identity": ((1, 1, 1, 1), (1, 1, 1)),
    "two bumps": ((1, 1, 1, 1), (1, 0.1, 1)),
    "squeeze": ((0.5, 2, 2, 0.5), (0.8, 2, 0.8)),
    "stretch": ((2, 0.5, 0.5, 2), (0.8, 0.3, 0.8)),
}


class ChangeOfVariablesExplorer(Explorer):
    """A map of the line from x to z ~ N(0, 1), a density of x, and the probability that both sides give to one small interval.

    The map is z = spline((x − shift) / scale), with four bins of equal width.

    Attributes:
        preset: the menu that sets all of the map;  x: where the small interval begins
        heights: relative heights of the four bins;  slopes: dz/du at the three inner knots;  shift, scale: of x, before the spline
    """

    WIDTH = 0.5  # of the small interval
    REACH, TALL = 6.0, 4.5  # of x and z in the pictures

    def __init__(self):
        self.preset = menu("preset", list(PRESETS), "two bumps")
        self.x = slider("x", 0.8, -5.0, 5.0, 0.1)
        heights, slopes = PRESETS["two bumps"]
        self.heights = [slider(f"height {k + 1}", v, 0.1, 4.0, 0.1) for k, v in enumerate(heights)]
        self.slopes = [slider(f"slope {k + 1}", v, 0.1, 4.0, 0.1) for k, v in enumerate(slopes)]
        self.shift, self.scale = slider("shift", 0.0, -2.0, 2.0, 0.1), slider("scale", 1.0, 0.3, 2.0, 0.1)
        super().__init__([self.preset, self.x, *self.heights, *self.slopes, self.shift, self.scale], {self.preset: self.take})

    def take(self, _change=None) -> None:
        """Set the map as the menu says, and draw once."""
        heights, slopes = PRESETS[self.preset.value]
        with self.held():
            for control, value in zip([*self.heights, *self.slopes, self.shift, self.scale], [*heights, *slopes, 0.0, 1.0], strict=True):
                control.value = value

    def transform(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """z and log dz/dx at x, (n,) each."""
        scale = self.scale.value
        heights = torch.tensor([control.value for control in self.heights], dtype=torch.float64).log()  # the softmax makes shares of them
        slopes = torch.tensor([control.value for control in self.slopes], dtype=torch.float64)
        slopes = (slopes - SMALLEST).expm1().log() - UNIT  # so that the spline has just these slopes
        u = torch.as_tensor((np.asarray(x, dtype=float) - self.shift.value) / scale)
        z, log_slope = rational_quadratic(u, *(v.expand(len(u), -1) for v in (torch.zeros(4, dtype=torch.float64), heights, slopes)))
        return z.numpy(), log_slope.numpy() - math.log(scale)

    def density(self, x: np.ndarray) -> np.ndarray:
        """p(x) = N(z(x); 0, 1) · dz/dx, (n,)."""
        z, log_slope = self.transform(x)
        return np.exp(log_normal(z, 0.0, 1.0) + log_slope)

    def panels(self):
        x, end = self.x.value, self.x.value + self.WIDTH
        inside = np.linspace(x, end, 201)
        everywhere = self.shift.value + self.scale.value * np.linspace(-8, 8, 4001)
        piece = self.density(inside)
        here, total = (float(np.trapezoid(p, at)) for p, at in ((piece, inside), (self.density(everywhere), everywhere)))
        (z, z_end), (log_slope, _) = self.transform(np.array([x, end]))
        there, slope = float(ndtr(z_end) - ndtr(z)), math.exp(log_slope)
        text = f"At x = {x:.1f}: z = {z:.2f}, slope dz/dx = {slope:.2f}, log of it {round(log_slope, 2) + 0.0:.2f} nats. "
        text += f"p(x) = N(z; 0, 1) · dz/dx = {math.exp(log_normal(z, 0, 1)):.3f} · {slope:.2f} = {piece[0]:.3f}. "
        text += f"The interval [{x:.1f}, {end:.1f}] of x holds {here:.4f}, its image [{z:.2f}, {z_end:.2f}] under N(0, 1) {there:.4f}. "
        text += f"All of the density of x: {total:.3f}."
        return [self.map_and_latent(x, z, z_end, slope, there), [self.below(inside, piece, here, total)], [Note(text, BESIDE)]]

    def map_and_latent(self, x: float, z: float, z_end: float, slope: float, there: float) -> list[Chart]:
        """The map, and to its right the density of z lying on its side."""
        reach, tall, end = self.REACH, self.TALL, x + self.WIDTH
        xs = np.linspace(-reach, reach, 601)
        zs, _ = self.transform(xs)
        shown = np.abs(zs) <= tall
        low, high, top = (float(np.clip(v, -tall, tall)) for v in (z, z_end, max(z, z_end)))
        knots = self.shift.value + self.scale.value * np.array([-3, -1.5, 0, 1.5, 3])
        at_knots, _ = self.transform(knots)
        kept = (np.abs(knots) <= reach) & (np.abs(at_knots) <= tall)
        run = np.linspace(-1.2, 1.2, 2) / math.hypot(1, slope)
        tangent = Line(x + run, (z + slope * run).clip(-tall, tall), "", CYCLE[1])
        corner = Line((x, x, reach), (-tall, low, low), "", GREY, dashed=True), Line((end, end, reach), (-tall, high, high), "", GREY, True)
        chart = Chart(
            f"the map, slope {slope:.2f} at x = {x:.1f}",
            "x",
            "z",
            f"the map from x to z; at x = {x:.1f} it is z = {z:.2f} with slope {slope:.2f}, at x = {end:.1f} it is {z_end:.2f}",
            [Line(xs[shown], zs[shown]), *corner, *([tangent] if abs(z) < tall else [])],
            strokes=[Strokes(knots[kept], at_knots[kept], color=INK, width=6)],
            marks=[Mark(x, low)],
            x_range=(-reach, reach),
            y_range=(-tall, tall),
            width=304,
            height=280,
        )
        side = np.linspace(-tall, tall, 181)
        heights = np.exp(log_normal(side, 0.0, 1.0))
        rows = np.linspace(low, high, max(2, round(26 * (high - low))))
        area = np.exp(log_normal(rows, 0.0, 1.0))
        latent = Chart(
            f"z ~ N(0, 1): {there:.4f}",
            "density of z",
            "z",
            f"density of z ~ N(0, 1), lying on its side; its part between z = {z:.2f} and {z_end:.2f} is {there:.4f}",
            [Line(heights, side)],
            strokes=[Strokes(np.stack([0 * area, area], 1), np.stack([rows, rows], 1), color="#f2c1b8", width=2)],
            x_range=(0, 0.45),
            y_range=(-tall, tall),
            x_ticks={0: "0", 0.2: "0.2", 0.4: "0.4"},
            width=146,
            height=280,
        )
        return [chart, latent]

    def below(self, inside: np.ndarray, piece: np.ndarray, here: float, total: float) -> Chart:
        """The density of x under the map."""
        xs = np.linspace(-self.REACH, self.REACH, 601)
        p = self.density(xs)
        ceiling = max(0.5, 1.1 * float(p.max()))
        middles = 0.5 * (piece[:-1:8] + piece[8::8])
        return Chart(
            f"density of x: {here:.4f} in the piece, {total:.3f} in all",
            "x",
            "density of x",
            f"density of x, {total:.3f} in all; the part between x = {inside[0]:.1f} and {inside[-1]:.1f} is {here:.4f}",
            [Line(xs, p)],
            bars=[Bars(inside[:-1:8], inside[8::8], middles, color="#f2c1b8")],
            marks=[Mark(inside[0], piece[0])],
            x_range=(-self.REACH, self.REACH),
            y_range=(0, ceiling),
            width=304,
            height=220,
        )


# --------------------------------------------------------------------------------------------------------------------
# Layer by layer


def described(layer: nn.Module) -> str:
    """What a layer of a flow on the plane does, on the way from latent to data."""
    if isinstance(layer, Coupling):
        kept, moved = ("x₁", "x₂") if layer.order == "first" else ("x₂", "x₁")
        how = {"additive": "shifted", "affine": "shifted and scaled", "spline": "bent by a monotone spline"}[layer.kind]
        return f"{'an' if layer.kind[0] == 'a' else 'a'} {layer.kind} coupling: {kept} stays, and {moved} is {how} as {kept} says"
    if isinstance(layer, Autoregressive):
        return "an autoregressive layer: x₁ is shifted and scaled alike everywhere, x₂ as x₁ says"
    known = {
        ActNorm: "a shift and a scale of each axis",
        InvertibleLinear: "a linear mixing of the axes: it turns, shears and stretches",
        Permutation: "a permutation: x₁ and x₂ change places",
    }
    return known.get(type(layer), type(layer).__name__)


class LayerExplorer(Explorer):
    """A flow on the plane, layer by layer from latent to data: a bent grid, where the samples go, and the exact density so far.

    Args:
        models: name → `flows.Flow` with dims = 2
        data: (n, 2), drawn over the density when given

    Attributes:
        model: the menu;  layer: the slider, 0 is the latent and the last is the data
    """

    FEW_COLORS = True
    CELLS = 96  # of the density, across
    SAMPLES, ALONG = 1000, 200  # samples, and points on each line of the grid: with fewer, strongly bent lines seem to cross

    def __init__(self, models: Mapping[str, Flow], data: Any = None):
        self.models, self.data = some(models, "models", "name → flow"), None if data is None else as_points(data, "data")
        for name, model in self.models.items():
            if getattr(model, "dims", None) != 2 or not hasattr(model, "stages") or model.classes:
                raise ValueError(f"the model “{name}” must be a flows.Flow with dims = 2 and no classes, to be drawn in the plane")
        self.model = menu("model", list(self.models))
        last = len(self.models[self.model.value].layers)
        self.layer = int_slider("after layer", last, 0, last)
        super().__init__([self.model, self.layer], {self.model: self.fit})

    def fit(self, _change=None) -> None:
        """As many steps on the slider as the model has layers."""
        with self.held():
            self.layer.value = 0  # else it might lie outside for a moment
            self.layer.max = len(self.models[self.model.value].layers)
            self.layer.value = self.layer.max

    @kept_for("model")
    def scene(self) -> dict[str, Any]:
        """Samples (k, n, 2) and grid lines (k, lines, points, 2) after each layer, and the picture and mass of each density."""
        model = self.models[self.model.value]
        axis, along = torch.arange(-3, 3.01, 0.5), torch.linspace(-3, 3, self.ALONG)
        upright = torch.stack(torch.meshgrid(axis, along, indexing="ij"), -1)
        z = torch.randn(self.SAMPLES, 2, generator=torch.Generator().manual_seed(0))
        start = torch.cat([z, upright.flatten(0, 1), upright.flip(-1).flatten(0, 1)])
        with at_rest(model) as device:
            stages = torch.stack(model.stages(start.to(device))).cpu()
            far = stages[:, : self.SAMPLES].abs().amax(-1)
            # the ends fit; of what lies between, which may spread far, at least three quarters
            far = max(far[[0, -1]].quantile(0.97, dim=1).max().item(), far.quantile(0.75, dim=1).max().item())
            reach = float(min(8, max(4, math.ceil(far))))
            cells = plane(self.CELLS, reach).to(device)
            pictures, masses = [], []
            for k in range(len(stages)):
                density = partly(model, cells, k).exp().cpu()
                masses.append(float(density.sum() * (2 * reach / self.CELLS) ** 2))
                pictures.append(shaded(density.view(self.CELLS, -1).numpy()))
            # the area that each layer makes of a small one: the inverse of what the layer's own log-det says
            pairs = zip(reversed(model.layers), stages[1:, : self.SAMPLES].to(device))
            growth = [(-layer(x)[1]).exp().cpu() for layer, x in pairs]
        points, lines = stages.split([self.SAMPLES, stages.shape[1] - self.SAMPLES], 1)
        sector = ((torch.atan2(z[:, 1], z[:, 0]) / (2 * math.pi) * 8).floor() % 8).int().numpy()
        lines = lines.unflatten(1, (-1, len(along))).numpy()
        values = {"reach": reach, "points": points.numpy(), "lines": lines, "sector": sector}
        return values | {"pictures": pictures, "masses": masses, "growth": growth}

    def panels(self):
        name, k, scene = self.model.value, self.layer.value, self.scene()
        model, reach, points = self.models[name], scene["reach"], scene["points"][k]
        n = len(model.layers)
        where = "the latent z" if k == 0 else "the data x" if k == n else f"after layer {k} of {n}"
        strokes = [seen_segments(scene["lines"][k], reach, color=GREY, width=1, opacity=0.55)]
        for i in range(8):
            hue = "#" + "".join(f"{round(255 * v):02x}" for v in colorsys.hsv_to_rgb(i / 8, 0.85, 0.85))
            strokes.append(dots(points[scene["sector"] == i], reach, color=hue, width=3.5, opacity=0.8))
        spread = points.std(0)
        told = f"{name}, {where}: the bent grid, and {len(points)} samples with standard deviations {spread[0]:.2f} and {spread[1]:.2f}"
        left = square(f"grid and samples, {where}", told, reach, 0, strokes=strokes)
        clouds = [] if self.data is None else [dots(self.data, reach, "", CYCLE[2], 2.5, 0.5)]
        alt = f"the density of {name}, {where}; {scene['masses'][k]:.1%} of it lies in the picture"
        title = f"density {'of z' if k == 0 else 'of x' if k == n else where}" + ("" if self.data is None else "; orange: the data")
        right = square(title, alt, reach, 0, scene["pictures"][k], strokes=clouds)
        return [[left, right], [Note(self.words(model, k, scene), WIDE)]]

    @staticmethod
    def words(model: Flow, k: int, scene: Mapping[str, Any]) -> str:
        n, closing = len(model.layers), "The colour of a sample is its direction in the latent plane."
        if k == 0:
            return f"Nothing has happened yet: z ~ N(0, I), on a square grid. The way to the data has {n} layers. {closing}"
        growth = scene["growth"][k - 1]
        low, high = (float(growth.quantile(q)) for q in (0.05, 0.95))
        areas = f"It multiplies every area by {low:.2f}" if high - low < 0.005 else f"It multiplies areas by {low:.2f} to {high:.2f}"
        areas += "" if high - low < 0.005 else ", for nine samples in ten"
        so_far = "log-det of this layer" if k == 1 else f"log-dets of these {k} layers"
        exact = f"The density comes from the {so_far} alone" if k < n else "The density is the model's p(x)"
        return f"Layer {k} of {n} on the way to the data is {described(list(reversed(model.layers))[k - 1])}. {areas}. {exact}. {closing}"


def partly(model: Flow, h: Tensor, k: int) -> Tensor:
    """Log density of what the last k layers, run backwards, make of z ~ N(0, I), at h (n, 2): (n,), nats."""
    log_det = h.new_zeros(len(h))
    for layer in model.layers[len(model.layers) - k :]:
        h, more = layer(h)
        log_det = log_det + more
    return standard_normal_log_prob(h) + log_det


# --------------------------------------------------------------------------------------------------------------------
# Images


class TemperatureExplorer(Explorer):
    """Samples of image flows at a temperature, and the way from one digit to another, straight in z and straight in pixels.

    Args:
        models: name → `flows.ImageFlow`
        x: (n, *shape), uint8, the images to go between

    Attributes:
        model: the menu;  temperature: the standard deviation of z;  seed: the slider that draws others
        first, second: which images, counted from 0
    """

    ACROSS = 8  # pictures in a row

    def __init__(self, models: Mapping[str, ImageFlow], x: Any):
        self.models, self.images = some(models, "models", "name → flow"), torch.as_tensor(x)
        as_images(self.images, "x")  # for its shape
        for name, model in self.models.items():
            if getattr(model, "classes", 0):
                raise ValueError(f"the model “{name}” needs labels; this explorer takes flows that were built without classes")
            model.check(self.images[:1])
        self.model = menu("model", list(self.models))
        self.temperature = slider("temperature", 0.7, 0.0, 1.2, 0.1)
        self.seed = seed_slider()
        self.first = int_slider("first", 0, 0, len(self.images) - 1)
        self.second = int_slider("second", min(1, len(self.images) - 1), 0, len(self.images) - 1)
        super().__init__([self.model, self.temperature, self.seed, self.first, self.second])

    @kept_for("model", "temperature", "seed")
    def samples(self) -> Tensor:
        """Sixteen images (16, *shape) in [0, 1]. The same z at every temperature, but for its length."""
        model, generator = self.models[self.model.value], torch.Generator().manual_seed(self.seed.value)
        z = self.temperature.value * torch.randn(2 * self.ACROSS, model.dims, generator=generator)
        with at_rest(model) as device:
            return model.decode(z.to(device)).cpu()

    @kept_for("model", "first", "second")
    def path(self) -> tuple[Tensor, Tensor, float]:
        """Pictures on the straight line in z, those in pixels, and by how many grey levels both ends are missed."""
        model, pair = self.models[self.model.value], self.images[[self.first.value, self.second.value]]
        t = torch.linspace(0, 1, self.ACROSS)
        with at_rest(model) as device:
            ends = model.encode(pair.to(device)).cpu()
            pictures = model.decode(lerp(*ends, t).to(device)).cpu()
        pixels = pair.float() / 255
        missed = 255 * float((pictures[[0, -1]] - pixels).abs().max())
        return pictures, torch.lerp(pixels[:1], pixels[1:], t.view(-1, 1, 1, 1)), missed

    def panels(self):
        name, temperature, first, second = self.model.value, self.temperature.value, self.first.value, self.second.value
        samples, (latent, pixels, missed) = self.samples(), self.path()
        apart = float(torch.pdist(samples.flatten(1)).mean())
        drawn = f"{len(samples)} samples at temperature {temperature:.1f}"
        alt = f"{drawn} from {name}, draw {self.seed.value}; mean distance of two of them {apart:.2f}"
        pair = f"image {first} to image {second}"
        fractions = ["0", *(f"{i}/{self.ACROSS - 1}" for i in range(1, self.ACROSS - 1)), "1"]
        ways = Strips(
            f"from {pair}: straight in z above, straight in pixels below",
            [
                ("", latent, f"{self.ACROSS} pictures from {pair} on the straight line in z of {name}"),
                ("", pixels, f"{self.ACROSS} pictures from {pair} on the straight line in pixels"),
            ],
            56,
            columns=fractions,
        )
        alike = (
            f"Two of the samples lie {apart:.2f} apart on average." if temperature else "All sixteen are one picture, the decoded z = 0."
        )
        level = round(missed)
        ends = "are met exactly" if level == 0 else f"are missed by up to {plural(level, 'grey level')} of 255"
        text = f"z ~ N(0, {temperature:.1f}² I) in {self.models[name].dims} dimensions. {alike} "
        text += f"On the way in z both ends {ends}: a flow loses nothing."
        return [[Strips(drawn, [("", samples, alt)], 56, self.ACROSS)], [ways], [Note(text, BESIDE)]]


class CounterfactualExplorer(Explorer):
    """Faces with one word changed: the z of each under its own words, decoded under the others; beside it, how such a face is drawn.

    Args:
        model: a `flows.LatentFlow` of the codes of faces that is told their ten words
        y: (n, 17), the factors of the faces to choose from, n at least 8

    Attributes:
        change: the menu of words, whose first entry changes none;  length: of z, times its own;  eight: which eight of the faces
    """

    SHOWN = 8
    FACTORS = ("glasses", "mouth", "hair", "hair_colour", "beard", "hat", "skin", "clothing_colour", "background")

    def __init__(self, model: LatentFlow, y: Any):
        if not isinstance(model, LatentFlow) or isinstance(model.classes, int) or tuple(model.classes) != faces.KINDS:
            raise ValueError("the model must be a flows.LatentFlow that is told the ten words of faces")
        self.model, self.y = model, faces.rows(y)
        if len(self.y) < self.SHOWN:
            raise ValueError(f"y must hold the factors of {self.SHOWN} faces or more, got {len(self.y)}")
        said = [(self.said(name, word), (name, word)) for name in self.FACTORS for word in faces.ATTRIBUTES[name]]
        self.change = menu("told", [("their own words", None), *said], ("glasses", "dark"))
        self.length = slider("length of z", 1.0, 0.0, 1.4, 0.1)
        self.eight = int_slider("faces", 0, 0, len(self.y) // self.SHOWN - 1)
        super().__init__([self.change, self.length, self.eight])

    @staticmethod
    def said(name: str, word: str) -> str:
        """How a word stands in the menu."""
        return f"no {name}" if word == "none" else f"{word} background" if name == "background" else phrase(name, word)

    @kept_for("eight")
    def own(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Factors (8, 17), the faces (8, 3, 16, 16) in [0, 1], what the VAE makes of their codes, and z (8, dims)."""
        y = self.y[self.SHOWN * self.eight.value :][: self.SHOWN]
        x, vae = to_float(faces.draw(y)), self.model.autoencoder
        with at_rest(self.model) as device:
            codes = vae.encode(x.to(device))
            return y, x, vae.decode(codes).clamp(0, 1).cpu(), self.model.encode(codes, faces.attributes(y).to(device))

    @kept_for("eight", "change", "length")
    def told_so(self) -> tuple[Tensor, Tensor, Tensor]:
        """The changed factors (8, 17), the faces drawn of them, and those that the flow makes, (8, 3, 16, 16) each in [0, 1]."""
        y, *_, z = self.own()
        changed = faces.change(y, **dict([self.change.value] if self.change.value else []))
        with at_rest(self.model) as device:
            codes = self.model.decode(self.length.value * z, faces.attributes(changed).to(device))
            made = self.model.autoencoder.decode(codes).clamp(0, 1).cpu()
        return changed, to_float(faces.draw(changed)), made

    def panels(self):
        (_, x, decoded, _), (changed, drawn, made) = self.own(), self.told_so()
        seen = faces.visible(changed, words=True)
        right = (predicted_attributes(made) == faces.attributes(changed)) & seen
        name, word = self.change.value or ("", "")
        told = self.said(name, word) if name else "their own words"
        error, at_best = (float((a - b).square().mean()) for a, b in ((made, drawn), (decoded, x)))
        rows = [
            ("faces", x, f"{self.SHOWN} faces of the data"),
            ("their codes, decoded", decoded, f"{self.SHOWN} faces, encoded and decoded by the VAE; mean squared error {at_best:.4f}"),
            (
                "z kept, words changed",
                made,
                f"the same {self.SHOWN} z at {self.length.value:.1f} times their length, decoded for {told}; error {error:.4f}",
            ),
            ("how it is drawn", drawn, f"{self.SHOWN} faces drawn from the same factors with {told}"),
        ]
        others = torch.ones(seen.shape[1], dtype=torch.bool)
        text = ""
        if name:
            column = list(faces.ATTRIBUTES).index(name)
            others[column] = False
            text = f"{told.capitalize()}: read in {int(right[:, column].sum())} of {int(seen[:, column].sum())} faces. "
        text += f"Of {int(seen[:, others].sum())} other words that can be seen, {int(right[:, others].sum())} are still read. "
        text += f"Squared error to the face as it is drawn {error:.4f} a pixel; the VAE alone has {at_best:.4f} on the first row."
        return [[Strips(f"told {told}, length of z {self.length.value:.1f}", rows, 72)], [Note(text, WIDE)]]


# --------------------------------------------------------------------------------------------------------------------
# Continuous time


class TrajectoryExplorer(Explorer):
    """A continuous flow: points on their way from latent to data, the velocity that carries them, and the density at each time.

    Args:
        model: a `flows.ContinuousFlow` with dims = 2
        data: (n, 2)

    Attributes:
        time: the slider, 0 is the latent and 1 the data
    """

    FEW_COLORS = True
    TIMES, POINTS, TRAILS, CELLS = 41, 300, 80, 96
    FINE = 3  # times finer is the grid made after it was pushed, for its corners have moved smoothly

    def __init__(self, model: ContinuousFlow, data: Any):
        if getattr(model, "dims", None) != 2 or not hasattr(model, "path"):
            raise ValueError("the model must be a flows.ContinuousFlow with dims = 2, to be drawn in the plane")
        self.model, self.data = model, as_points(data, "data")
        self.times = np.linspace(0, 1, self.TIMES)
        self.prepare()
        self.time = slider("time", 1.0, 0.0, 1.0, 1 / (self.TIMES - 1), 3)
        super().__init__([self.time])

    def prepare(self) -> None:
        """Follow the points and a grid of the latent plane once, and take the velocity and the density at each time."""
        z = torch.randn(self.POINTS, 2, generator=torch.Generator().manual_seed(0))
        grid = 121
        axis = torch.linspace(-4.5, 4.5, grid)
        down, across = torch.meshgrid(axis, axis, indexing="ij")
        start = torch.cat([z, torch.stack([across.flatten(), down.flatten()], 1)])
        with at_rest(self.model) as device:
            path = self.model.path(start.to(device), self.times.tolist()).cpu()
            with torch.random.fork_rng(devices=[]):  # a Hutchinson trace draws numbers; a lecture's seed shall hold
                self.nll = -float(self.model.log_prob(torch.as_tensor(self.data[:1000]).to(device)).mean())
        self.points, corners = path[:, : self.POINTS].numpy(), path[:, self.POINTS :].view(self.TIMES, grid, grid, 2)
        far = max(float(np.quantile(np.abs(self.points).max(-1), 0.97)), float(np.quantile(np.abs(self.data).max(-1), 0.99)))
        self.reach = float(min(8, max(4, math.ceil(far))))
        places = torch.as_tensor(np.stack(np.meshgrid(*2 * [np.linspace(-self.reach, self.reach, 15)[1:-1]]), -1).reshape(-1, 2)).float()
        with at_rest(self.model) as device:
            ways = [self.model.velocity(torch.tensor(float(t), device=device), places.to(device)).cpu() for t in self.times]
        self.places, self.ways = places.numpy(), torch.stack(ways).numpy()
        self.densities = self.pushed(corners)
        self.pictures = [shaded(density) for density in self.densities]

    def pushed(self, corners: Tensor) -> np.ndarray:
        """The density at each time on the cells of the plane (times, cells, cells), rows from top to bottom.

        Every piece of the latent plane takes its probability along; a cell has the probability of the pieces in it over their area.
        corners: (times, g, g, 2), where a grid over [−4.5, 4.5]² has gone.
        """
        fine = (corners.shape[1] - 1) * self.FINE + 1
        axis, step = torch.linspace(-4.5, 4.5, fine), 9 / (corners.shape[1] - 1)
        mass = torch.outer(weights := (-0.5 * axis.square()).exp(), weights).flatten().numpy() / (2 * math.pi)
        size, densities = 2 * self.reach / self.CELLS, []
        for frame in corners:
            down, across = torch.gradient(frame, spacing=step, dim=(0, 1), edge_order=2)
            area = (across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]).abs()  # of a piece whose area was 1
            coarse = torch.cat([frame, area[..., None]], -1).permute(2, 0, 1)[None]
            x, y, area = F.interpolate(coarse, (fine, fine), mode="bilinear", align_corners=True)[0].flatten(1).numpy()
            column, row = np.floor((x + self.reach) / size).astype(int), np.floor((self.reach - y) / size).astype(int)
            seen = (column >= 0) & (column < self.CELLS) & (row >= 0) & (row < self.CELLS)
            cell = row[seen] * self.CELLS + column[seen]
            # a little softness closes the holes where pieces have moved apart
            there, room = (
                gaussian_filter(np.bincount(cell, each[seen], self.CELLS**2).reshape(self.CELLS, -1), 0.6, mode="constant")
                for each in (mass, area)
            )
            densities.append(there / np.maximum(room, 1e-6))
        return np.stack(densities)

    def panels(self):
        k = round(self.time.value * (self.TIMES - 1))
        t, reach, here = float(self.times[k]), self.reach, self.points[k]
        way = np.linalg.norm(here - self.points[0], axis=-1)
        speed = np.linalg.norm(self.ways[k], axis=-1)
        mass = float(self.densities[k].sum()) * (2 * reach / self.CELLS) ** 2
        trails = seen_lines(self.points[: k + 1, : self.TRAILS].swapaxes(0, 1), reach, color=CYCLE[0], width=1.2, opacity=0.6)
        strokes = [self.arrows(k), trails, dots(here, reach, color=INK, width=4)]
        told = f"{len(here)} points at time {t:.3f}; they are {way.mean():.2f} from their start on average; mean speed {speed.mean():.2f}"
        left = square(f"points, trails and velocity at t = {t:.3f}", told, reach, 0, strokes=strokes)
        alt = f"the density at time {t:.3f}; {mass:.1%} of it lies in the picture"
        clouds = [dots(self.data, reach, "", CYCLE[2], 2.5, 0.5)]
        right = square(f"density at t = {t:.3f}; orange: the data", alt, reach, 0, self.pictures[k], strokes=clouds)
        name = " (the latent)" if k == 0 else " (the data)" if k == self.TIMES - 1 else ""
        text = f"Time {t:.3f}{name}: the points are {way.mean():.2f} from where they began on average, the farthest {way.max():.2f}. "
        text += f"The velocity in the picture is {speed.mean():.2f} on average and at most {speed.max():.2f}; arrows show it to scale. "
        return [[left, right], [Note(text + f"At t = 1 the data has −log p(x) = {self.nll:.3f} nats on average.", WIDE)]]

    def arrows(self, k: int) -> Strokes:
        """The velocity at time k; the fastest of all times is as long as two steps of the arrows' grid."""
        longest = np.linalg.norm(self.ways, axis=-1).max()
        ways = self.ways[k] * (4 * self.reach / 14 / max(longest, 1e-9))
        return arrows(self.places, ways, self.reach, 0.3, 0.18, color=CYCLE[1], width=1.1, opacity=0.5)


# --------------------------------------------------------------------------------------------------------------------
# There and back

DEPTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
WEIGHTS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)
PRECISIONS = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}


class InversionExplorer(Explorer):
    """Random couplings, forwards and backwards: how much of x is lost to rounding, against depth, weights and precision.

    Attributes:
        depth, weights: the sliders, layers and the scale of the last layer of each network
        kind, precision: the menus

    Stacks of 64 random couplings on 8 dimensions, alternately keeping the first half and the second, and 64 points x ~ N(0, I).
    """

    DIMS, HIDDEN, POINTS = 8, 32, 64
    FLOOR, CEILING = 1e-16, 1e20  # of the picture; what lies beyond is drawn on the edge

    def __init__(self):
        self.depth = choice_slider("layers", DEPTHS, 16)
        self.weights = choice_slider("weights", [(f"{v:g}", v) for v in WEIGHTS], 0.5)
        self.kind = menu("kind", list(COUPLINGS), "affine")
        self.precision = menu("precision", list(PRECISIONS))
        super().__init__([self.depth, self.weights, self.kind, self.precision])

    def layers(self, kind: str, weights: float, precision: str) -> list[Coupling]:
        """The random stack, the same numbers at every precision."""
        layers, half = [], self.DIMS // 2
        with seeded(0):
            for i in range(max(DEPTHS)):
                network = Conditioner(half, [self.HIDDEN], COUPLINGS[kind].numbers * half)
                nn.init.normal_(network.net[-1].weight, 0.0, weights / math.sqrt(self.HIDDEN))
                layers.append(COUPLINGS[kind](network, ("first", "second")[i % 2]).to(PRECISIONS[precision]))
        return layers

    @kept_for("kind", "weights", "precision")
    def errors(self) -> np.ndarray:
        """The largest |x − f⁻¹(f(x))| for each of DEPTHS, infinite where numbers overflowed."""
        return self.measure(self.kind.value, self.weights.value, self.precision.value)

    @kept_for("kind", "weights")
    def doubled(self) -> np.ndarray:
        """The same in float64, to be drawn beside any other precision."""
        return self.measure(self.kind.value, self.weights.value, "float64")

    def measure(self, kind: str, weights: float, precision: str) -> np.ndarray:
        layers = self.layers(kind, weights, precision)
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(self.POINTS, self.DIMS, generator=generator, dtype=torch.float64).to(PRECISIONS[precision])
        with torch.inference_mode():
            h, reached = x, {}
            for i, layer in enumerate(layers, 1):
                h = layer(h)[0]
                if i in DEPTHS:
                    reached[i] = h
            # go back with all depths in one batch, each joining where it turned round
            back = x.new_zeros(0, self.DIMS)
            for i in range(len(layers), 0, -1):
                back = layers[i - 1].inverse(torch.cat([back, reached[i]]) if i in reached else back)
        lost = (back.unflatten(0, (-1, self.POINTS)) - x).abs().double().amax((1, 2)).flip(0)
        return torch.nan_to_num(lost, nan=math.inf).numpy()

    def panels(self):
        kind, precision, weights, depth = self.kind.value, self.precision.value, self.weights.value, self.depth.value
        errors = self.errors()
        here, unit = float(errors[DEPTHS.index(depth)]), float(torch.finfo(PRECISIONS[precision]).eps)
        drawn = errors.clip(self.FLOOR, self.CEILING)
        double = [] if precision == "float64" else [Line(DEPTHS, self.doubled().clip(self.FLOOR, self.CEILING), "in float64", CYCLE[3])]
        told = "overflow" if math.isinf(here) else f"{here:.1e}"
        chart = Chart(
            f"{kind} couplings in {precision}, weights {weights:g}",
            "layers",
            "largest |x − f⁻¹(f(x))|",
            f"largest error of the way there and back against depth, logarithmic; at {depth} layers {told}; {kind}, {precision}",
            [
                Line(DEPTHS, drawn, "error", markers=True),
                *double,
                Line((1, 64), (unit, unit), f"rounding, {unit:.1e}", GREY, dashed=True),
                Line((1, 64), (1e-2, 1e-2), "large enough to see", CYCLE[2], dashed=True),
            ],
            marks=[Mark(depth, float(np.clip(here, self.FLOOR, self.CEILING)), told)],
            log_y=True,
            x_range=(0, 66),
            y_range=(self.FLOOR, 100 * self.CEILING),
            x_ticks={n: str(n) for n in (1, 8, 16, 24, 32, 48, 64)},
            width=BESIDE,
            height=300,
        )
        return [[chart], [Note(self.words(here, told, unit), BESIDE)]]

    def words(self, here: float, told: str, unit: float) -> str:
        head = f"{self.depth.value} {self.kind.value} layers with weights {self.weights.value:g} in {self.precision.value}: "
        if math.isinf(here):
            return head + "numbers overflow on the way, and nothing comes back. Samples and densities are worthless."
        head += f"x comes back with an error of at most {told}"
        head += f", {here / unit:.2g} times the rounding of a number near 1. " if here < 1e-2 else ". "
        if here < 1e-4:
            return head + "Samples can be trusted: a sample and its density belong together."
        if here < 1e-2:
            return head + "Samples look right, but the density of a sample is that of a point beside it."
        return head + "Samples cannot be trusted: what the inverse makes is not what the density was computed for."
