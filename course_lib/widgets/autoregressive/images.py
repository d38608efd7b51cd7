"""Explorers of models that draw one pixel after the other."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...autoregressive import GatedPixelCNN, sample_cached
from ...plotting.panels import CYCLE, Bars, Chart, Line, Mark, Note, Strips, ramp
from .. import BESIDE, GAP, WIDE, Explorer, at_rest, int_slider, kept_for, menu, plural, seed_slider, slider
from ..cuts import PALE, Cut, cut_sliders
from ..pixels import UNDRAWN

NEXT = np.array([231, 99, 0])  # the frame around the pixel in question
RIM = 2  # of that frame, and around each large picture, so that a pixel at the edge has room for its own


def framed(colours: np.ndarray, place: tuple[int, int] | None, scale: int) -> np.ndarray:
    """A picture (h, w, 3) as (3, H, W) with pixels `scale` wide, a pale rim, and a frame around the pixel at `place`."""
    wide = np.pad(colours.repeat(scale, 0).repeat(scale, 1), ((RIM, RIM), (RIM, RIM), (0, 0)), constant_values=208)
    if place is not None:
        top, left = (scale * k for k in place)  # of the frame: the rim has moved the pixel down and to the right
        inside = np.s_[top + RIM : top + RIM + scale, left + RIM : left + RIM + scale]
        pixel = wide[inside].copy()
        wide[top : top + scale + 2 * RIM, left : left + scale + 2 * RIM] = NEXT
        wide[inside] = pixel
    return wide.transpose(2, 0, 1)


def checked(model: Any, classes: bool = False) -> GatedPixelCNN:
    """The model, if these explorers can draw with it.

    Raises:
        ValueError: it is no GatedPixelCNN of one colour, or (with `classes`) has no labels, or (without) needs them
    """
    if not isinstance(model, GatedPixelCNN) or model.shape[0] != 1 or model.output == "logistic":
        raise ValueError("the model must be a GatedPixelCNN of one colour with a bernoulli or categorical output, to be drawn with a cache")
    if classes and not model.classes:
        raise ValueError("the model has no classes; build it with GatedPixelCNN(classes=10, ...) or load pixelcnn_classes")
    if not classes and model.classes:
        raise ValueError(f"the model was built with {model.classes} classes and needs labels; take one without, or ClassExplorer")
    return model


def checked_images(images: Any, model: GatedPixelCNN) -> Tensor:
    """Whole numbers (n, *shape) as the model takes them, int64.

    Raises:
        ValueError: another shape, floats, or values that the model does not have
    """
    images = torch.as_tensor(images)
    if images.ndim != 4 or len(images) == 0 or tuple(images.shape[1:]) != model.shape:
        raise ValueError(f"images must be (n, {', '.join(map(str, model.shape))}) with n above 0, got shape {tuple(images.shape)}")
    if images.is_floating_point() and not torch.equal(images, images.round()):
        raise ValueError(f"images must hold whole numbers 0 to {model.levels - 1}, got fractions; undo the division, or binarise them")
    images = images.long().cpu()
    if images.min() < 0 or images.max() >= model.levels:
        advice = "; binarise them first" if model.levels == 2 else ""
        raise ValueError(f"images must hold whole numbers 0 to {model.levels - 1}, got {images.min()} to {images.max()}{advice}")
    return images


def uniforms(model: GatedPixelCNN, n: int, seed: int) -> Tensor:
    """The random numbers of n drawings, (n, pixels): the same for the same seed, and the lecture's own generator is left alone."""
    return torch.rand(n, math.prod(model.shape), generator=torch.Generator().manual_seed(seed))


def drawn(model: GatedPixelCNN, u: Tensor, **options: Any) -> Tensor:
    """`sample_cached` under uniforms u (n, pixels), on the model's device: whole numbers (n, *shape), on the CPU."""
    with at_rest(model) as device:
        placed = {name: v.to(device) if isinstance(v, Tensor) else v for name, v in options.items()}
        return sample_cached(model, len(u), uniforms=u.to(device), **placed).cpu()


def brightness(model: GatedPixelCNN, logits: Tensor) -> Tensor:
    """The expected value of each pixel as a share of white, from outputs (n, 1, numbers, h, w): (n, h, w). Black and white: p(white)."""
    if model.output == "bernoulli":
        return logits[:, 0, 0].sigmoid()
    share = torch.linspace(0, 1, model.levels, device=logits.device)
    return torch.einsum("nvhw,v->nhw", logits[:, 0].softmax(1), share)


def large(number: float) -> str:
    """A large count in words, such as "1.23 billion"."""
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.3g} {name}"
    return f"{number:,.0f}"


# --------------------------------------------------------------------------------------------------------------------
# One pixel after the other

PROBABILITY, SURPRISE, FINISHED = "probability", "surprise", "finished digit"


class DrawingExplorer(Explorer):
    """A digit as it is drawn, pixel by pixel: what is there, what the model makes of it, and what the drawing has cost so far.

    Args:
        model: a `GatedPixelCNN` of one colour without classes
        seed: of the uniforms that draw the six digits

    Attributes:
        pixels: how many are drawn;  digit: which of the six;  beside: the menu of what stands beside the drawing
    """

    DIGITS = 6

    def __init__(self, model: GatedPixelCNN, seed: int = 0):
        self.model = checked(model)
        self.u = uniforms(model, self.DIGITS, seed)
        self.images = drawn(model, self.u)
        with at_rest(model) as device:
            self.nats = -model.log_prob_map(self.images.to(device)).cpu().numpy()[:, 0]
        # a convolution uses each of its weights once at each pixel
        self.multiplications = sum(p.numel() for p in model.parameters() if p.ndim == 4)
        _, self.height, self.width = model.shape
        total = self.height * self.width
        step = self.width // 4 if self.width % 4 == 0 else 1  # so that the slider ends at the last pixel
        self.pixels = int_slider("pixels", (self.height // 2 * self.width + self.width // 2) // step * step, 0, total, step=step)
        self.digit = int_slider("digit", 0, 0, self.DIGITS - 1)
        self.beside = menu("beside", [PROBABILITY, SURPRISE, FINISHED])
        super().__init__([self.pixels, self.digit, self.beside])

    def so_far(self) -> Tensor:
        """The chosen digit with what is not drawn yet left black, (1, *shape)."""
        x = self.images[self.digit.value : self.digit.value + 1].clone()
        x.view(-1)[self.pixels.value :] = 0
        return x

    @kept_for("digit", "pixels")
    def map(self) -> np.ndarray:
        """The brightness that the model expects of each pixel given those before it, (h, w)."""
        with at_rest(self.model) as device:
            return brightness(self.model, self.model.logits(self.so_far().to(device)))[0].cpu().numpy()

    def panels(self):
        t, total = self.pixels.value, self.height * self.width
        known = np.arange(total).reshape(self.height, self.width) < t
        place = None if t == total else divmod(t, self.width)
        digit = self.images[self.digit.value, 0].numpy() / (self.model.levels - 1)
        canvas = np.where(known[..., None], ramp(digit), UNDRAWN).astype(np.uint8)
        expected, nats = self.map(), self.nats[self.digit.value]
        what = "p(white)" if self.model.levels == 2 else "expected grey"
        if self.beside.value == PROBABILITY:
            other = np.where(known[..., None], ramp(expected), ramp(expected, (31, 26, 16), (255, 186, 66)))
            name = f"{what}; orange: not drawn yet"
        elif self.beside.value == SURPRISE:
            other = np.where(known[..., None], ramp(nats / max(nats.max(), 1e-9), (255, 255, 255), (150, 20, 5)), UNDRAWN)
            name = f"surprise, up to {nats.max():.1f} nats"
        else:
            other, name = ramp(digit), "the finished digit"
        scale = max(1, 224 // self.width)
        sheet = np.stack([framed(canvas, place, scale), framed(other.astype(np.uint8), place, scale)])
        alt = f"digit {self.digit.value} with {t} of {total} pixels drawn, and beside it: {name}"
        strips = Strips(f"{t} of {total} pixels drawn", [("", sheet, alt)], sheet.shape[-1], columns=("the drawing", name))
        return [[strips, self.cost(t, total, WIDE - GAP - strips.size[0])], [Note(self.words(t, total, place, expected, nats), WIDE)]]

    @staticmethod
    def cost(t: int, total: int, width: int) -> Chart:
        """Evaluations of a pixel by the network against pixels drawn, naive and cached."""
        ends, k = np.array([0, total]), 1000
        return Chart(
            "what the drawing costs",
            "pixels drawn",
            "pixel evaluations, thousands",
            f"pixel evaluations by the network so far: after {t} pixels naive {t * total:,}, cached {t:,}",
            [Line(ends, total * ends / k, f"naive: {t * total:,}"), Line(ends, ends / k, f"cached: {t:,}", CYCLE[2])],
            marks=[Mark(t, t * total / k, color=CYCLE[0]), Mark(t, t / k, color=CYCLE[2])],
            x_range=(0, total),
            y_range=(-0.02 * total**2 / k, 1.02 * total**2 / k),
            width=width,
            height=264,
        )

    def words(self, t: int, total: int, place: tuple[int, int] | None, expected: np.ndarray, nats: np.ndarray) -> str:
        spent = nats.ravel()[:t].sum()
        text = f"Naive: {plural(t, 'pass')} over {total} pixels = {plural(t * total, 'pixel evaluation')}; cached: {t:,}. "
        text += f"One evaluation is {self.multiplications:,} multiply-adds, so {large(t * total * self.multiplications)} against "
        text += f"{large(t * self.multiplications)}. So far −log p = {spent:.1f} nats. "
        if place is None:
            return text + "The digit is finished: the sum over all pixels is −log p(x)."
        here, u = float(expected[place]), float(self.u[self.digit.value, t])
        text += f"Next: row {place[0]}, column {place[1]}. "
        if self.model.output == "bernoulli":
            colour = "white" if self.images[self.digit.value, 0][place] else "black"
            sign = "<" if colour == "white" else "≥"
            text += f"p(white) = {here:.3f}, the uniform u = {u:.3f} {sign} p, so it becomes {colour}. "
        else:
            text += f"Expected value {here * (self.model.levels - 1):.1f}, drawn {int(self.images[self.digit.value, 0][place])}. "
        return text + "Only the framed pixel's probability counts: those after it (orange) read undrawn pixels as black."


# --------------------------------------------------------------------------------------------------------------------
# The distribution of one pixel


class NextPixelExplorer(Explorer):
    """p(value | earlier pixels) of one pixel, and what temperature, top-k and nucleus leave of it.

    Args:
        model: a `GatedPixelCNN` of one colour with a categorical output, without classes
        images: (n, *shape) whole numbers

    Attributes:
        image, row, column: which pixel;  temperature, top_k, nucleus: the sliders
    """

    def __init__(self, model: GatedPixelCNN, images: Any):
        self.model = checked(model)
        if model.output != "categorical":
            raise ValueError(f"the model must have a categorical output, to have a bar for each value, got {model.output}")
        self.images = checked_images(images, model)
        _, h, w = model.shape
        self.image = int_slider("image", 0, 0, len(self.images) - 1)
        row, column = divmod(int(self.scene(0)[1].argmax()), w)  # where the model is least sure
        self.row, self.column = int_slider("row", row, 0, h - 1), int_slider("column", column, 0, w - 1)
        self.temperature, self.top_k, self.nucleus = cut_sliders(model.levels)
        super().__init__([self.image, self.row, self.column, self.temperature, self.top_k, self.nucleus])

    @kept_for()
    def scene(self, i: int) -> tuple[Tensor, np.ndarray]:
        """Of an image: the logits (values, h, w) and each pixel's entropy in bits (h, w)."""
        with at_rest(self.model) as device:
            logits = self.model.logits(self.images[i : i + 1].to(device))[0, 0].cpu()
        logs = logits.log_softmax(0)
        return logits, (-(logs.exp() * logs).sum(0) / math.log(2)).numpy()

    def panels(self):
        logits, entropies = self.scene(self.image.value)
        row, column, top = self.row.value, self.column.value, self.model.levels - 1
        cut = Cut(logits[:, row, column], self.temperature.value, self.top_k.value, self.nucleus.value)
        true = int(self.images[self.image.value, 0, row, column])
        image = self.images[self.image.value, 0].numpy() / top
        before = np.arange(image.size).reshape(image.shape) < row * image.shape[1] + column
        # what comes later is shown pale: it is no part of the condition
        given = np.where(before[..., None], ramp(image), ramp(image, UNDRAWN - 30, (255, 255, 255)))
        scale = max(1, 196 // image.shape[1])
        unsure = ramp(entropies / max(entropies.max(), 1e-9), (255, 255, 255), (9, 58, 112))
        place = (row, column)
        sheet = np.stack([framed(given.astype(np.uint8), place, scale), framed(unsure, place, scale)])
        alt = f"image {self.image.value} with the pixel at row {row}, column {column} framed, and the entropy of every pixel, "
        alt += f"from {entropies.min():.2f} to {entropies.max():.2f} bits"
        names = "pale: not known yet", f"entropy of each, white 0, dark {entropies.max():.1f} bits"
        strips = Strips(f"image {self.image.value}, row {row}, column {column}", [("", sheet, alt)], sheet.shape[-1], columns=names)
        return [[strips], [self.bars(cut, true)], [Note(self.words(cut, true), BESIDE)]]

    def bars(self, cut: Cut, true: int) -> Chart:
        n = self.model.levels
        edges = np.arange(n) - 0.5
        p, q = cut.model, cut.drawn
        tall = q > 1e-5 * q.max()  # bars that nobody would see only cost time
        best = int(p.argmax())
        return Chart(
            "p(value | earlier pixels)",
            "value",
            "probability",
            f"bars of {n} values; the likeliest is {best} with {p[best]:.3f}, the true one {true} has {p[true]:.4f}; {cut.told}",
            bars=[
                Bars(edges, edges + 1, p, "model", PALE),
                Bars(edges[tall], edges[tall] + 1, q[tall], "drawn from", CYCLE[0], 0.75),
            ],
            marks=[Mark(true, float(q[true]), f"true: {true}")],
            x_range=(-0.02 * n, 1.02 * n),
            y_range=(0, 1.15 * float(max(p.max(), q.max()))),
            width=BESIDE,
            height=236,
        )

    def words(self, cut: Cut, true: int) -> str:
        p, q = cut.model[true], cut.drawn[true]
        text = f"The true value {true} has p = {p:.4f}, {-math.log(max(p, 1e-30)):.2f} nats of surprise. " + cut.words("value")
        return text + ("" if q > 0 else " The true value is cut off: it would never be drawn.")


# --------------------------------------------------------------------------------------------------------------------
# Labels


class ClassExplorer(Explorer):
    """Digits drawn for a label. The random numbers stay, so what changes with the label is the label's doing.

    Args:
        model: a `GatedPixelCNN` of one colour with classes

    Attributes:
        digit: the label;  temperature, seed: the sliders
    """

    N = 10

    def __init__(self, model: GatedPixelCNN):
        self.model = checked(model, classes=True)
        self.digit = int_slider("digit", min(3, model.classes - 1), 0, model.classes - 1)
        self.temperature = slider("temperature", 1.0, 0.3, 2.0, 0.1)
        self.seed = seed_slider()
        super().__init__([self.digit, self.temperature, self.seed])

    @kept_for("temperature", "seed")
    def samples(self, label: int | None) -> np.ndarray:
        """Ten drawings under a label, or with None the first of them under every label, (n, h, w) in [0, 1]."""
        u = uniforms(self.model, self.N, self.seed.value)
        labels = torch.arange(self.model.classes) if label is None else torch.full((self.N,), label)
        u = u[:1].expand(self.model.classes, -1) if label is None else u
        return drawn(self.model, u, y=labels, temperature=self.temperature.value)[:, 0].numpy() / (self.model.levels - 1)

    @kept_for()
    def map(self, label: int) -> np.ndarray:
        """The brightness that the model expects of each pixel if all before it are black, (h, w)."""
        with at_rest(self.model) as device:
            empty = torch.zeros(1, *self.model.shape, dtype=torch.long, device=device)
            logits = self.model.logits(empty, torch.tensor([label], device=device))
            return brightness(self.model, logits)[0].cpu().numpy()

    def panels(self):
        label, temperature, seed = self.digit.value, self.temperature.value, self.seed.value
        samples, every, empty = self.samples(label), self.samples(None), self.map(label)
        mean = samples.mean(0)
        names = [f"▸ {k}" if k == label else str(k) for k in range(self.model.classes)]
        alt = f"{self.N} samples under the label {label} at temperature {temperature:.1f}, draw {seed}"
        ten = Strips(f"label {label}, ten drawings", [("", samples[:, None], alt)], 84, 5)
        pair = np.stack([mean, empty / max(empty.max(), 1e-9)])
        what = "p(white)" if self.model.levels == 2 else "expected grey"
        alt = f"the mean of the {self.N} samples, and {what} of each pixel before anything is drawn, at most {empty.max():.3f}"
        both = Strips(
            "what the label says",
            [("", pair[:, None], alt)],
            168,
            columns=(f"mean of the {self.N}", f"before any stroke, up to {empty.max():.2f}"),
        )
        alt = f"one drawing under each label 0 to {self.model.classes - 1}, from the same random numbers, draw {seed}"
        row = Strips("the first drawing under every label, from the same random numbers", [("", every[:, None], alt)], 56, columns=names)
        return [[ten, both], [row], [Note(self.words(label, samples, empty), WIDE)]]

    def words(self, label: int, samples: np.ndarray, empty: np.ndarray) -> str:
        row = int((samples > 0.5).any(2).argmax(1).mean().round()) if (samples > 0.5).any() else None
        place = divmod(int(empty.argmax()), empty.shape[1])
        text = f"All labels use the same {self.N} × {empty.size} random numbers; only the label's bias in each layer differs. "
        text += f"While all is black, label {label} expects a first stroke most at row {place[0]}, column {place[1]} ({empty.max():.3f}). "
        if row is None:
            return text + "None of the ten drawings has a bright pixel."
        return text + f"The ten drawings begin at row {row} on average and have {(samples > 0.5).mean():.1%} bright pixels."
