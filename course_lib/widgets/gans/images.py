"""What a trained generator can do: labels and directions, styles, arithmetic with latents, and translation by pix2pix."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...datasets import faces
from ...gans import GAN, Pix2Pix, StyleGAN
from ...latent_spaces import lerp, slerp
from ...plotting.panels import CYCLE, Bars, Chart, Line, Mark, Note, Strips, picture, to_uint8
from .. import BESIDE, Explorer, as_images, at_rest, call, decode, int_slider, kept_for, menu, plural, seed_slider, slider
from ..pixels import EDITOR, clickable, mark_one, on_paper, ruled

AXIS = 7  # pictures in one traversal
DIRECTIONS = 4  # sliders for them
COLOURS = [("hair_colour", "black"), ("hair_colour", "red"), ("hair_colour", "blue"), ("hair_colour", "green"), ("skin", "light1")]
# task → pixels of the picture side by side that one given pixel stands for, and the colours that a click goes through
EDITS = {"outline": (1, [(0,), (255,)]), "superresolution": (2, [faces.COLOURS[name][value] for name, value in COLOURS])}


def normal(latents: int, seed: int) -> Tensor:
    """z ~ N(0, I), (1, latents), the same for the same seed."""
    return torch.randn(1, latents, generator=torch.Generator().manual_seed(seed))


def principal_directions(weight: Tensor, k: int) -> Tensor:
    """The k orthogonal unit vectors of z that a layer (outputs, latents) stretches most, (k, latents); the largest entry is positive.

    Source: Shen & Zhou 2021 (arXiv:2007.06600).
    """
    _, _, v = torch.linalg.svd(weight.detach().cpu().float(), full_matrices=False)
    v = v[:k]
    return v * v.gather(1, v.abs().argmax(1, keepdim=True)).sign()  # a singular vector has no sign of its own


class ConditionalExplorer(Explorer):
    """One z with every label, and four directions to move z along.

    Args:
        model: a conditional `gans.GAN`

    Attributes:
        digit: the slider for the label;  seed: the slider that draws another z
        moves: sliders along the directions of z that the generator's first layer stretches most;  reset: the button
    """

    def __init__(self, model: GAN):
        if not getattr(model, "classes", 0):
            raise ValueError(f"this explorer needs a GAN with labels, such as the checkpoint “cgan”; {type(model).__name__} has none")
        self.model = model
        self.directions = principal_directions(model.generator.layers[0].weight[:, : model.latents], DIRECTIONS)
        self.digit = int_slider("digit", min(3, model.classes - 1), 0, model.classes - 1)
        self.seed = seed_slider()
        self.moves = [slider(f"move {k + 1}", 0.0, -3.0, 3.0, 0.1) for k in range(len(self.directions))]
        self.reset = widgets.Button(description="moves back to 0")
        self._last = {}
        self.follow(self.moves)
        super().__init__([self.digit, self.seed, *self.moves, self.reset])
        self.reset.on_click(self.restart)

    def restart(self, _button=None) -> None:
        """z as it was drawn, drawn once, with the same traversal."""
        with self.held():
            for control in self.moves:
                control.value = 0.0

    @property
    def z(self) -> Tensor:
        """The draw, and what the sliders add to it: (1, latents)."""
        return normal(self.model.latents, self.seed.value) + torch.tensor([[c.value for c in self.moves]]) @ self.directions

    def pictures(self, what: str, z: Tensor, y: Tensor) -> Tensor:
        """Images in [0, 1], kept while z and y stay: dragging one slider leaves some of the pictures as they are."""
        before = self._last.get(what)
        if before is None or not (torch.equal(before[0], z) and torch.equal(before[1], y)):
            with at_rest(self.model) as device:
                before = self._last[what] = z, y, self.model.decode(z.to(device), y.to(device)).cpu()
        return before[2]

    def panels(self):
        z, digit, k, classes = self.z, self.digit.value, self.moved, self.model.classes
        drawn = f"draw {self.seed.value}"
        moves = ", ".join(f"{c.value:+.1f} along direction {i + 1}" for i, c in enumerate(self.moves) if abs(c.value) > 0.05)
        told = f"{drawn}, moved {moves}" if moves else f"{drawn}, not moved"
        every = self.pictures("labels", z.expand(classes, -1), torch.arange(classes))
        plain = self.pictures("plain", normal(self.model.latents, self.seed.value), torch.tensor([digit]))
        steps = torch.linspace(-3, 3, AXIS)
        path = self.pictures("path", z + (steps - self.moves[k].value)[:, None] * self.directions[k], torch.full((AXIS,), digit))
        half = math.ceil(classes / 2)
        labels = [f"{v:g}".replace("-", "−") for v in steps.tolist()]
        return [
            [
                Strips(f"label {digit}", [("", every[digit : digit + 1], f"label {digit} from {told}")], 224),
                Strips("z as drawn", [("", plain, f"label {digit} from {drawn}, before any move")], 112),
            ],
            [
                Strips(
                    f"same z, {classes} labels: 0 to {half - 1}, below {half} to {classes - 1}",
                    [("", mark_one(every, digit), f"labels 0 to {classes - 1} from the same z, {told}; label {digit} marked")],
                    90,
                    wrap=half,
                )
            ],
            [
                Strips(
                    f"direction {k + 1} from −3 to 3, the others as set",
                    [("", path, f"label {digit}, {AXIS} pictures as direction {k + 1} goes from −3 to 3, {drawn}")],
                    56,
                    columns=labels,
                )
            ],
        ]


class StyleExplorer(Explorer):
    """Two styles, and the layer where the second takes over; truncation; and what noise does by itself.

    Args:
        model: a `gans.StyleGAN`

    Attributes:
        coarse, fine: sliders that draw the two styles;  layer: from which on the fine one is used;  truncation: of both
        same: the box; without it each picture has noise of its own
    """

    PSI = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)

    def __init__(self, model: StyleGAN):
        if not hasattr(model, "mix"):
            raise ValueError(f"this explorer mixes styles and needs a gans.StyleGAN; {type(model).__name__} has none")
        self.model = model
        self.coarse, self.fine = seed_slider("coarse"), seed_slider("fine", 1)
        self.layer = int_slider("layer", 2, 0, model.LAYERS)
        self.truncation = slider("truncation", 1.0, 0.0, 1.5, 0.05, 2)
        self.same = widgets.Checkbox(True, description="same noise", indent=False)
        super().__init__([self.coarse, self.fine, self.layer, self.truncation, self.same])

    def noise(self, n: int) -> list[Tensor]:
        """For each layer (n, 1, h, w)."""
        if self.same.value:
            return self.model.fixed_noise(n)
        return [torch.cat(layer) for layer in zip(*(self.model.fixed_noise(1, seed=i) for i in range(n)), strict=True)]

    @kept_for("coarse", "fine", "truncation", "same")
    def mixtures(self) -> Tensor:
        """The two styles mixed at layer 0, 1, …: (layers + 1, *shape). The first is all fine, the last all coarse."""
        model, psi = self.model, self.truncation.value
        with at_rest(model) as device:
            coarse, fine = (model.style(normal(model.latents, c.value).to(device), psi) for c in (self.coarse, self.fine))
            w = torch.cat([model.mix(coarse, fine, layer) for layer in range(model.LAYERS + 1)])
            return model.synthesise(w, self.noise(len(w))).cpu()

    @kept_for("coarse", "same")
    def truncated(self) -> Tensor:
        """The coarse style alone at every truncation of `PSI`, (7, *shape)."""
        model = self.model
        with at_rest(model) as device:
            z = normal(model.latents, self.coarse.value).to(device)
            w = torch.cat([model.style(z, psi) for psi in self.PSI])
            return model.synthesise(w, self.noise(len(w))).cpu()

    def panels(self):
        layers, layer, psi = self.model.LAYERS, self.layer.value, self.truncation.value
        coarse, fine = self.coarse.value, self.fine.value
        mixed, cut = self.mixtures(), self.truncated()
        at = f"truncation {psi:.2f}"
        top = [
            Strips(f"coarse: draw {coarse}", [("", mixed[layers:], f"the style of draw {coarse} in every layer, {at}")], 140),
            Strips(f"fine: draw {fine}", [("", mixed[:1], f"the style of draw {fine} in every layer, {at}")], 140),
            Strips(
                f"mixed at layer {layer}",
                [("", mixed[layer : layer + 1], f"draw {coarse} before layer {layer}, draw {fine} from there on, {at}")],
                140,
            ),
        ]
        nearest = min(range(len(self.PSI)), key=lambda i: abs(self.PSI[i] - psi))
        rows = [
            Strips(
                "the fine style takes over at layer",
                [("", mark_one(mixed, layer), f"the mixture at layers 0 to {layers}, {at}; layer {layer} marked")],
                56,
                columns=[str(i) for i in range(layers + 1)],
            ),
            Strips(
                "truncation of the coarse style",
                [("", mark_one(cut, nearest), f"draw {coarse} at truncation 0 to 1.5; {self.PSI[nearest]:g}, the nearest, marked")],
                56,
                columns=[f"{v:g}" for v in self.PSI],
            ),
        ]
        height, width = self.model.shape[1:]
        sizes = ", ".join(f"{2 * i} and {2 * i + 1} at {height * 2**i // 4} × {width * 2**i // 4}" for i in range(layers // 2))
        noise = "Every picture has the same noise." if self.same.value else "Each picture of a row has noise of its own."
        return [top, [rows[0]], [rows[1]], [Note(f"Layers by their pixels: {sizes}. {noise}", BESIDE)]]


class ArithmeticExplorer(Explorer):
    """Between two draws, and a − b + c from three.

    Args:
        model: an unconditional generator with `decode` and `latents`
        predict: images (n, c, h, w) in [0, 1] → n digits, written above the pictures when given

    Attributes:
        a, b, c: sliders that draw a z each;  t: how far from a to b;  way: "lerp" or "slerp"
    """

    STEPS = 11  # pictures on the path

    def __init__(self, model: nn.Module, predict: Callable[[Tensor], Tensor] | None = None):
        if getattr(model, "classes", 0):
            raise ValueError(f"this explorer needs a model without labels, and this one has {model.classes}; try ConditionalExplorer")
        self.model, self.predict = model, predict
        self.a, self.b, self.c = (seed_slider(name, seed) for seed, name in enumerate("abc"))
        self.t = slider("t", 0.5, 0.0, 1.0, 0.02, 2)
        self.way = menu("path", [("straight line (lerp)", "lerp"), ("arc (slerp)", "slerp")])
        self._last = {}
        super().__init__([self.a, self.b, self.c, self.t, self.way])

    def between(self, t: Tensor, way: str) -> Tensor:
        """z on the way from a to b: (steps,) → (steps, latents)."""
        a, b = (normal(self.model.latents, control.value)[0] for control in (self.a, self.b))
        return (lerp if way == "lerp" else slerp)(a, b, t)

    def terms(self) -> Tensor:
        """z of a, b, c, of a − b + c, and of the same direction at the length √latents of a draw: (5, latents)."""
        a, b, c = (normal(self.model.latents, control.value)[0] for control in (self.a, self.b, self.c))
        far = a - b + c
        return torch.stack([a, b, c, far, far * math.sqrt(len(far)) / far.norm().clamp(min=1e-12)])

    def pictures(self, what: str, z: Tensor) -> tuple[Tensor, list[str]]:
        """Images, and what `predict` reads in them, each with a blank before it; kept while z stays."""
        before = self._last.get(what)
        if before is None or not torch.equal(before[0], z):
            images = decode(self.model, z)
            read = [""] * len(z)
            if self.predict is not None:
                with torch.inference_mode():
                    read = [f" “{int(digit)}”" for digit in self.predict(images)]
            before = self._last[what] = z, images, read
        return before[1:]

    def panels(self):
        t, way, seeds = self.t.value, self.way.value, (self.a.value, self.b.value, self.c.value)
        axis = torch.linspace(0, 1, self.STEPS)
        path, read = self.pictures("path", self.between(axis, way))
        z = self.between(torch.tensor([t]), way)
        here, read_here = self.pictures("here", z)
        marked = round(t * (self.STEPS - 1))
        pair = f"a (draw {seeds[0]}) to b (draw {seeds[1]}) by {way}"
        alt = f"{self.STEPS} pictures from {pair}, the one at t = {axis[marked]:.1f} marked"
        reads = self.predict is not None
        strip = Strips(
            f"from {pair}" + (", and the digit read" if reads else ""),
            [("", mark_one(path, marked), alt + (f"; read as{','.join(read)}" if reads else ""))],
            56,
            columns=[f"{v:.1f}{digit}" for v, digit in zip(axis.tolist(), read, strict=True)],
        )
        large = Strips(
            f"t = {t:.2f}{read_here[0]}",
            [("", here, f"the picture at t = {t:.2f} from {pair}" + (f", read as{read_here[0]}" if reads else ""))],
            168,
        )
        terms = self.terms()
        summed, read = self.pictures("sum", terms)
        lengths = terms.norm(dim=1).tolist()
        names = ["a", "b", "c", "a − b + c", "rescaled"]
        told = "; ".join(
            f"{name} of length {length:.1f}{digit and f', read as{digit}'}"
            for name, length, digit in zip(names, lengths, read, strict=True)
        )
        a, b, c = seeds
        sums = Strips(
            "arithmetic: z of a, minus z of b, plus z of c",
            [("", summed, f"draws a = {a}, b = {b}, c = {c}: {told}")],
            112,
            columns=[f"{name}{digit}" for name, digit in zip(names, read, strict=True)],
        )
        text = (
            f"Length of z: {lengths[3]:.1f} for a − b + c, {float(z.norm()):.1f} at t = {t:.2f}; a draw has about √{len(terms[0])} = "
            f"{math.sqrt(len(terms[0])):.1f}. “Rescaled” is a − b + c at that length."
        )
        return [[strip], [large, self.lengths(t, float(z.norm()), lengths[:3])], [sums], [Note(text, 682)]]

    def lengths(self, t: float, length: float, ends: list[float]) -> Chart:
        """The length of z on both ways."""
        axis = torch.linspace(0, 1, 41)
        lines = [
            Line(axis.tolist(), self.between(axis, way).norm(dim=1).tolist(), name, color)
            for way, name, color in (("lerp", "straight line", CYCLE[0]), ("slerp", "arc", CYCLE[2]))
        ]
        typical = math.sqrt(self.model.latents)
        lines.append(Line((0, 1), (typical, typical), "of a draw, about", CYCLE[4], dashed=True))
        alt = f"length of z on the way: {ends[0]:.2f} at a, {ends[1]:.2f} at b, {length:.2f} at t = {t:.2f}, about {typical:.2f} for a draw"
        top = 1.25 * max(typical, *ends[:2])
        return Chart("length of z on the way", "t", "‖z‖", alt, lines, marks=[Mark(t, length)], y_range=(0, top), width=400, height=190)


class TranslationExplorer(Explorer):
    """Give pix2pix an outline or a small picture, and edit it pixel by pixel.

    Args:
        models: "outline" and/or "superresolution" → a `gans.Pix2Pix` trained for it
        x: (n, *shape), uint8 or floats in [0, 1]

    Attributes:
        task: the menu;  face: which image;  pixels: task → one button a pixel, in reading order
        row, column: the pixel under the cursor, for the keyboard;  turn: the button that goes on to its next colour;  undo, reset: buttons
        given: what is given now, (1, 1, h, w) for outlines, (1, 3, h / 2, w / 2) for super-resolution
    """

    def __init__(self, models: Mapping[str, Pix2Pix], x: Any):
        self.models, self.images = dict(models), as_images(x, "x")
        unknown = [task for task in self.models if task not in EDITS]
        if unknown or not self.models:
            raise ValueError(f"models must name one or more of {', '.join(EDITS)}, not {', '.join(map(str, unknown)) or 'nothing'}")
        if self.images.shape[1] != 3:
            raise ValueError(f"a click paints with a colour, so x must have three channels, not {self.images.shape[1]}")
        for task, model in self.models.items():
            if tuple(self.images.shape[1:]) != tuple(model.shape):
                raise ValueError(f"the model for {task} takes images of shape {model.shape}, but x has {tuple(self.images.shape[1:])}")
        self.task = menu("task", list(self.models))
        self.face = int_slider("face", 1, 1, len(self.images))
        self.row, self.column = int_slider("row", 1, 1, 1), int_slider("column", 1, 1, 1)
        self.turn, self.undo, self.reset = (
            widgets.Button(description=name, layout=widgets.Layout(width="96px")) for name in ("turn pixel", "undo", "reset")
        )
        height, width = self.images.shape[2:]
        self.grids = {task: clickable(height // EDITS[task][0], width // EDITS[task][0], self.click) for task in self.models}
        self.pixels = {task: grid.children for task, grid in self.grids.items()}
        self.paper, editor = on_paper(*self.grids.values())
        self.start()
        buttons = widgets.HBox([self.turn, self.undo, self.reset])
        instead = {self.task: self.restart, self.face: self.restart}
        super().__init__([self.task, self.face, editor, self.row, self.column, buttons], instead)
        self.turn.on_click(lambda _button: self.click((self.row.value - 1) * self.given.shape[3] + self.column.value - 1))
        self.undo.on_click(self.back)
        self.reset.on_click(self.restart)

    def start(self) -> None:
        """The task's picture of the face, unedited, and the cursor in its middle."""
        task = self.task.value
        factor, colours = EDITS[task]
        self.colours = torch.tensor(colours) / 255
        original = self.images[self.face.value - 1 : self.face.value]
        given = call(self.models[task], "given", original)[:, :, ::factor, ::factor]
        self.given, self.unedited, self.history = given.clone(), given.clone(), []
        for name, grid in self.grids.items():
            grid.layout.display = None if name == task else "none"
        for control, side in ((self.row, given.shape[2]), (self.column, given.shape[3])):
            if control.max != side:
                control.value = 1  # else it might lie outside for a moment
                control.max = side
                control.value = (side + 1) // 2

    def restart(self, _event=None) -> None:
        """Forget the edits."""
        try:
            with self.held():
                self.start()
        except Exception as error:
            self.fail(error)

    def click(self, i: int) -> None:
        """Pixel i takes its next colour, and the cursor goes there."""
        row, column = divmod(i, self.given.shape[3])
        before = self.given[0, :, row, column].clone()
        self.history.append((i, before))
        known = torch.isclose(self.colours, before).all(1).nonzero().flatten().tolist()  # where it stands among them, if it does
        self.put(i, self.colours[(known[0] + 1) % len(self.colours) if known else 0])

    def back(self, _button=None) -> None:
        """Take back the last click; there may be none."""
        if self.history:
            self.put(*self.history.pop())

    def put(self, i: int, colour: Tensor) -> None:
        row, column = divmod(i, self.given.shape[3])
        with self.held():
            self.given[0, :, row, column] = colour
            self.row.value, self.column.value = row + 1, column + 1

    def _show(self) -> None:
        self.paper.value = self.page()
        super()._show()

    def page(self) -> str:
        """The given picture, large, with lines between its pixels and a frame around the cursor's."""
        given = to_uint8(self.given)[0].transpose(1, 2, 0).repeat(3 // self.given.shape[1], 2)
        side = EDITOR // max(given.shape[:2])
        large = ruled(given.repeat(side, 0).repeat(side, 1), side, self.row.value - 1, self.column.value - 1, 2)
        return picture(large, f"the given picture, {given.shape[0]} × {given.shape[1]} pixels to click on, cursor at {self.cursor}")

    @property
    def cursor(self) -> str:
        """Where it is and what lies under it, in words."""
        row, column = self.row.value, self.column.value
        levels = to_uint8(self.given)[0, :, row - 1, column - 1].tolist()
        under = f"colour #{bytes(levels).hex()}" if len(levels) == 3 else "white" if levels[0] else "black"
        return f"row {row}, column {column}, {under}"

    @property
    def edited(self) -> int:
        """How many pixels differ from what the face gives."""
        return int((self.given != self.unedited).any(1).sum())

    def settings(self) -> str:
        return f"{super().settings()}, pixels edited = {self.edited}"

    def panels(self):
        task, face = self.task.value, self.face.value
        factor, _ = EDITS[task]
        original = self.images[face - 1 : face]
        given = self.given.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
        made = {"translation": call(self.models[task], "translate", given)}
        if factor > 1:
            smooth = F.interpolate(self.given, scale_factor=factor, mode="bicubic", align_corners=False).clamp(0, 1)
            made = {"nearest": given, "bicubic": smooth, **made}
        error = {name: float((images - original).abs().mean()) for name, images in made.items()}
        edits = "no pixel edited" if not self.edited else f"{plural(self.edited, 'pixel')} edited"
        what = "outline" if task == "outline" else "small picture"
        first = [
            Strips("given" if factor == 1 else "given (nearest)", [("", given, f"the {what} of face {face}, {edits}")], 140),
            Strips("translation", [("", made["translation"], f"what pix2pix makes of it; error {error['translation']:.3f}")], 140),
            Strips("original", [("", original, f"face {face}, the original")], 140),
        ]
        told = ", ".join(f"{name} {v:.3f}" for name, v in error.items())
        text = f"Mean absolute error a pixel: {told}. Cursor at {self.cursor}."
        text += f" {edits[0].upper() + edits[1:]}." if not self.edited else f" {edits}, so the original is not the answer to this any more."
        second = []
        if factor > 1:
            chart = Chart(
                "distance from the original",
                "enlarged by",
                "absolute error",
                f"mean absolute error a pixel: {told}",
                bars=[Bars([i - 0.35], [i + 0.35], [v], color=CYCLE[i]) for i, v in enumerate(error.values())],
                x_ticks=dict(enumerate(error)),
                x_range=(-0.6, len(error) - 0.4),
                y_range=(0, 1.1 * max(max(error.values()), 1e-3)),
                width=294,
                height=170,
            )
            second = [[Strips("bicubic", [("", smooth, f"the small picture enlarged smoothly; error {error['bicubic']:.3f}")], 140), chart]]
        return [first, *second, [Note(text, BESIDE)]]
