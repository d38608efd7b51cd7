"""What a trained diffusion of digits can do: sample in few steps, follow a label, fill a hole, and make a digit of a rough drawing."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from torch import Tensor

from ...diffusion import ImageDiffusion, edit, inpaint, sample, sample_heun
from ...diffusion.recipes import GUIDANCE
from ...metrics import predicted_digits
from ...plotting.panels import CYCLE, Chart, Line, Mark, Note, Strips, picture, ramp
from .. import BESIDE, WIDE, Explorer, as_digits, at_rest, choice_slider, int_slider, kept_for, menu, plural, seed_slider, seeded, slider
from ..pixels import EDITOR, UNDRAWN, across_the_edge, clickable, filled_in, on_paper, ruled

STEPS = 20  # of a chain, where no slider says so


def checked(model: Any) -> ImageDiffusion:
    """The model, if these explorers can draw with it.

    Raises:
        ValueError: it is no ImageDiffusion of 28 × 28 digits with their ten labels
    """
    if not isinstance(model, ImageDiffusion) or model.shape != (1, 28, 28) or model.classes != 10:
        raise ValueError(
            "the model must be an ImageDiffusion of shape (1, 28, 28) with 10 classes, so that the digit network can read what it draws; "
            "load the checkpoint “diffusion”"
        )
    return model


def noise(n: int) -> Tensor:
    """Standard normal (n, 1, 28, 28), drawn on the CPU: a device with other random numbers begins with the same."""
    return torch.randn(n, 1, 28, 28)


def alike(images: Tensor) -> float:
    """The mean correlation of two of these pictures (n, c, h, w). Unlike a distance, it does not grow with the strokes' width."""
    pictures = images.flatten(1).double()
    pictures = pictures - pictures.mean(1, keepdim=True)
    pictures = pictures / pictures.norm(dim=1, keepdim=True).clamp_min(1e-9)
    n = len(pictures)
    return float((pictures.sum(0).square().sum() - pictures.square().sum()) / (n * (n - 1)))


def article(digit: int) -> str:
    return f"{'an' if digit == 8 else 'a'} {digit}"


def read(images: Tensor) -> list[int]:
    """What the digit network takes each image for."""
    with torch.inference_mode():
        return predicted_digits(images).tolist()


# --------------------------------------------------------------------------------------------------------------------
# Steps

# name in the recording → name in the legend, colour
METHODS = {
    "ddim": ("DDIM, η = 0", CYCLE[0]),
    "ddpm": ("DDPM, η = 1", CYCLE[2]),
    "heun": ("Heun, 2 evaluations a step", CYCLE[3]),
}


class DDIMExplorer(Explorer):
    """The ten digits from one noise, in few steps or many, with fresh noise on the way or without.

    Args:
        model: an `ImageDiffusion` of digits with labels
        record: the numbers of the recording `diffusion_samplers`; without them there is no chart
        seed: of the noise that is shown first

    Attributes:
        steps, eta, noise: the sliders
    """

    def __init__(self, model: ImageDiffusion, record: Mapping | None = None, seed: int = 0):
        self.model, self.record = checked(model), record
        self.steps = choice_slider("steps", (2, 5, 10, 20, 50, 100), 20)
        self.eta = slider("η", 0.0, 0.0, 1.0, 0.25, 2)
        self.noise = seed_slider("noise", seed)
        super().__init__([self.steps, self.eta, self.noise])

    @kept_for("steps", "eta", "noise")
    def digits(self) -> tuple[Tensor, float]:
        """Ten pictures (10, 1, 28, 28) in [0, 1] and the seconds that they took."""
        model = self.model
        with at_rest(model) as device, seeded(self.noise.value, device):
            start, y = noise(1).expand(10, -1, -1, -1).to(device), torch.arange(10, device=device)
            started = time.perf_counter()
            x = model.unscaled(sample(model, start, model.schedule.times(self.steps.value), y, eta=self.eta.value)).cpu()
            return x, time.perf_counter() - started

    @kept_for("noise")
    def ends(self) -> Tensor:
        """Where the ODE leads from the same noise, as exactly as these pictures can show: (10, 1, 28, 28)."""
        model = self.model
        with at_rest(model) as device, seeded(self.noise.value, device):
            start, y = noise(1).expand(10, -1, -1, -1).to(device), torch.arange(10, device=device)
            return model.unscaled(sample_heun(model, start, model.schedule.times(STEPS), y)).cpu()

    @property
    def method(self) -> str | None:
        """What the recording calls this η, or None if it has none."""
        return {0.0: "ddim", 1.0: "ddpm"}.get(self.eta.value)

    def fid(self) -> float | None:
        """The recorded one of the present setting."""
        return (self.record or {}).get(self.method, {}).get(str(self.steps.value), {}).get("fid")

    def panels(self):
        steps, eta, seed = self.steps.value, self.eta.value, self.noise.value
        ends, (x, seconds) = self.ends(), self.digits()  # the first to come is slower, and shall not be the one that is timed
        digits = read(x)
        right = sum(digit == y for y, digit in enumerate(digits))
        apart = float((x - ends).abs().mean())
        told = f"labels 0 to 9 from noise {seed} in {steps} steps with η = {eta:.2f}; read as {', '.join(map(str, digits))}"
        strips = Strips(
            f"ten labels from one noise, {steps} steps, η = {eta:g}; below, where the ODE from this noise ends",
            [
                ("sampled", x, f"{told}; {apart:.3f} from the end of the ODE"),
                ("end of the ODE", ends, f"labels 0 to 9 from noise {seed} by Heun's method in {STEPS} steps"),
            ],
            56,
            columns=[f"{y}" if y == digit else f"{y}, read {digit}" for y, digit in enumerate(digits)],
        )
        rows = [[strips]]
        if self.record:
            rows.append([self.chart()])
        return [*rows, [Note(self.words(right, apart, seconds), WIDE)]]

    def chart(self) -> Chart:
        """FID against steps of every recorded method."""
        lines, told = [], []
        for method, (name, color) in METHODS.items():
            if method in self.record:
                fids = {int(steps): entry["fid"] for steps, entry in self.record[method].items()}
                x = sorted(fids)
                lines.append(Line(x, [fids[steps] for steps in x], name, color, markers=True))
                told.append(f"{name}: " + ", ".join(f"{fids[steps]:.3g} in {steps}" for steps in x))
        most = max(100, *(max(line.x) for line in lines))
        steps, fid = self.steps.value, self.fid()
        here = "not recorded" if fid is None else f"{fid:.3g}"
        return Chart(
            f"FID of {self.record['samples']:,} samples",
            "steps",
            "FID, lower is better",
            f"FID against steps. {'; '.join(told)}. At {steps} steps and η = {self.eta.value:g}: {here}",
            lines,
            marks=[] if fid is None else [Mark(steps, fid, f"{fid:.3g}")],
            x_rules={f"{steps} steps": steps} if fid is None else None,  # a mark says it, too
            log_x=True,
            x_range=(1.7, 1.2 * most),
            y_range=(0, 1.15 * max(max(line.y) for line in lines)),
            x_ticks={n: f"{n:,}" for n in (2, 5, 10, 20, 50, 100, 1000) if n <= most},
            width=690,
            height=250,
        )

    def words(self, right: int, apart: float, seconds: float) -> str:
        steps, eta = self.steps.value, self.eta.value
        text = f"{steps} steps took {seconds:.2f} s for all ten when first asked for, {1000 * seconds / steps:.0f} ms a step. "
        text += f"{right} of 10 are read as the digit asked for. On average a pixel is {apart:.3f} from the end of the ODE. "
        if eta == 0:
            text += "η = 0 adds no noise: the start decides the drawing, and more steps only bring it closer to that end. "
        else:
            text += "η > 0 adds fresh noise at each step: the start alone no longer decides, and the digits are others. "
        if self.record:
            fid = self.fid()
            text += "The recording has no FID of this setting." if fid is None else f"Recorded FID of this setting: {fid:.3g}."
        return text


# --------------------------------------------------------------------------------------------------------------------
# Guidance


class GuidanceExplorer(Explorer):
    """Sixteen samples of one digit, plain and guided, from the same noise: what guidance buys, and what it costs.

    Args:
        model: an `ImageDiffusion` of digits with labels
        record: the numbers of the recording `diffusion_samplers`; without them there are no charts

    Attributes:
        weight, noise: the sliders;  digit: the menu
    """

    N = 16

    def __init__(self, model: ImageDiffusion, record: Mapping | None = None):
        self.model, self.record = checked(model), record
        self.weight = slider("w", 6.0, 0.0, 6.0, 0.5)
        self.digit = menu("digit", range(10), 5)
        self.noise = seed_slider("noise")
        super().__init__([self.weight, self.digit, self.noise])

    @kept_for("digit", "noise")
    def samples(self, weight: float) -> dict:
        """Sixteen pictures `x` (16, 1, 28, 28) in [0, 1], the `digits` they are read as, and of two of them the mean `distance` and
        `correlation`."""
        with at_rest(self.model) as device, seeded(self.noise.value, device):
            y = torch.full((self.N,), self.digit.value, device=device)
            x = self.model.sample(self.N, y=y, guidance=weight, steps=STEPS, start=noise(self.N).to(device)).cpu()
        return {"x": x, "digits": read(x), "distance": float(torch.pdist(x.flatten(1)).mean()), "correlation": alike(x)}

    def panels(self):
        weight, digit = self.weight.value, self.digit.value
        plain, guided = self.samples(1.0), self.samples(weight)

        def sheet(title: str, w: float, drawn: dict) -> Strips:
            alt = f"{self.N} samples with label {digit} at w = {w:g}, noise {self.noise.value}; {drawn['digits'].count(digit)} read as "
            return Strips(title, [("", drawn["x"], f"{alt}{article(digit)}, two of them {drawn['distance']:.2f} apart on average")], 84, 4)

        rows = [[sheet(f"label {digit}, w = 1: plain", 1.0, plain), sheet(f"the same noise, w = {weight:g}", weight, guided)]]
        if entries := (self.record or {}).get("guidance"):
            n = f"{self.record['samples']:,} samples"
            accuracy = self.chart(entries, "class_accuracy", f"taken for the digit asked for, {n}", "share", "%", 100)
            rows.append([accuracy, self.chart(entries, "fid", f"FID of {n}", "FID")])
        return [*rows, [Note(self.words(plain, guided), 710)]]

    def chart(self, entries: Mapping, number: str, title: str, name: str, unit: str = "", scale: float = 1) -> Chart:
        """A recorded number against w, with a mark where it was recorded at the present w."""
        values = {float(w): scale * entry[number] for w, entry in entries.items()}
        x, weight = sorted(values), self.weight.value
        here = values.get(weight)
        return Chart(
            title,
            "w",
            f"{name}, {unit}" if unit else f"{name}, lower is better",
            f"{title} against w: " + ", ".join(f"{values[w]:.4g}{unit} at {w:g}" for w in x),
            [Line(x, [values[w] for w in x], markers=True)],
            marks=[] if here is None else [Mark(weight, here, f"{here:.3g}{unit}")],
            x_rules={f"w = {weight:g}": weight} if here is None else None,  # a mark says it, too
            x_range=(-0.2, 6.2),
            y_range=(0, 1.15 * max(values.values())),
            width=348,
            height=200,
        )

    def words(self, plain: dict, guided: dict) -> str:
        weight, digit = self.weight.value, self.digit.value

        def told(drawn: dict) -> tuple[str, str]:
            return (
                f"{drawn['digits'].count(digit)} of {self.N}",
                f"{drawn['distance']:.2f} apart with a correlation of {drawn['correlation']:.2f}",
            )

        (taken, apart), (before, wide) = told(guided), told(plain)
        text = f"At w = {weight:g}, {taken} are taken for {article(digit)}. Two samples lie {apart} on average (1: the same picture)"
        if weight == 1:
            return f"{text}. w = 1 is the plain conditional model: nothing is guided."
        text += f"; at w = 1 it is {before}, and {wide}. "
        if weight == 0:
            return text + "w = 0 ignores the label: any digit may come."
        if weight < 1:
            return text + "Between 0 and 1 the label counts, but less than the model believes in it."
        text += "w > 1 moves away from what the model would draw without a label: "
        if guided["correlation"] > plain["correlation"]:
            return text + "the samples are more alike. Guidance buys fidelity with variety."
        return text + "for this digit and noise the samples are no more alike."


# --------------------------------------------------------------------------------------------------------------------
# In-painting

CELL = 4  # pixels: side of what one click hides
ACROSS = 28 // CELL  # cells
PARTS = {
    "upper half": np.s_[:14],
    "left half": np.s_[:, :14],
    "middle": np.s_[8:20, 8:20],
    "clear": None,
}


class InpaintExplorer(Explorer):
    """Paint over a part of a digit, and let the model fill it in, eight times.

    Args:
        model: an `ImageDiffusion` of digits
        images: (n, 1, 28, 28), uint8 or floats in [0, 1]
        image: the one that is shown first

    Attributes:
        image, repeats, noise: the sliders;  cells: one button for each square of 4 × 4 pixels, in reading order
        row, column: the cell under the cursor, for the keyboard;  turn: the button that hides or shows it
        parts: name → the button that hides this part, and "clear", which shows all
        fill: the button that fills in; where that was done before, it draws others, with the next noise
        hidden: bool (28, 28)
    """

    N = 8

    def __init__(self, model: ImageDiffusion, images: Any, image: int = 0):
        self.model, self.images = checked(model), as_digits(images)
        self.hidden, self._filled = np.zeros((28, 28), dtype=bool), {}
        self.hidden[PARTS["upper half"]] = True
        self.image = int_slider("image", image, 0, len(self.images) - 1)
        self.repeats = int_slider("repeats", 5, 1, 10)
        self.noise = seed_slider("noise")
        self.row, self.column = int_slider("row", 4, 1, ACROSS), int_slider("column", 4, 1, ACROSS)
        names = [*PARTS, "turn cell", "fill in"]
        *parts, self.turn, self.fill = (widgets.Button(description=name, layout=widgets.Layout(width="156px")) for name in names)
        self.fill.button_style = "primary"
        self.parts = dict(zip(PARTS, parts, strict=True))
        grid = clickable(ACROSS, ACROSS, self.click)
        self.cells, (self.paper, editor) = grid.children, on_paper(grid)
        rows = [widgets.HBox(pair) for pair in (parts[:2], parts[2:], [self.turn, self.fill])]
        self.complete()
        super().__init__([self.image, self.repeats, self.noise, *rows[:2], editor, self.row, self.column, rows[2]])
        for name, button in self.parts.items():
            button.on_click(partial(self.hide, name))
        self.turn.on_click(lambda _button: self.click(self.cell))
        self.fill.on_click(self.run)

    def square(self, i: int) -> tuple[slice, slice]:
        """The pixels of cell i."""
        row, column = divmod(i, ACROSS)
        return np.s_[CELL * row : CELL * (row + 1), CELL * column : CELL * (column + 1)]

    def click(self, i: int) -> None:
        """Hide cell i, or show it when all of it was hidden, and put the cursor there."""
        with self.held():
            self.hidden[self.square(i)] = not self.hidden[self.square(i)].all()
            self.row.value, self.column.value = (v + 1 for v in divmod(i, ACROSS))

    def hide(self, name: str, _button=None) -> None:
        """Hide one of `PARTS` and nothing else."""
        self.hidden[:] = False
        if PARTS[name] is not None:
            self.hidden[PARTS[name]] = True
        self.draw()

    @property
    def key(self) -> tuple:
        return self.image.value, self.hidden.tobytes(), self.repeats.value, self.noise.value

    def complete(self) -> None:
        """Fill in what is hidden, unless that was done before, and keep it: (8, 1, 28, 28) in [0, 1], and what each is read as."""
        if self.key in self._filled:
            return
        original = self.images[self.image.value].expand(self.N, -1, -1, -1)
        with at_rest(self.model) as device, seeded(self.noise.value, device):
            x, known, start = (v.to(device) for v in (self.model.scaled(original), torch.from_numpy(~self.hidden), noise(self.N)))
            x = inpaint(self.model, x, known, start, self.model.schedule.times(STEPS), repeats=self.repeats.value)
            x = self.model.unscaled(x).cpu()
        self._filled[self.key] = x, read(x)

    def run(self, _button=None) -> None:
        """What “fill in” does. The button says so while it takes its second. It is never pressed in vain: what is there already is kept,
        and others are drawn."""
        self.fill.description, self.fill.disabled = "filling in …", True
        try:
            if self.key in self._filled:
                with self.unseen():  # drawn once, at the end
                    self.noise.value = (self.noise.value + 1) % (self.noise.max + 1)
            self.complete()
        except Exception as error:
            self.fail(error)
        else:
            self.draw()
        finally:
            self.fill.description, self.fill.disabled = "fill in", False

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """Move controls and draw nothing."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def settings(self) -> str:
        return f"{super().settings()}, {self.hidden.sum()} of {self.hidden.size} pixels hidden"

    def _show(self) -> None:
        self.paper.value = self.page()
        super()._show()

    def page(self) -> str:
        """The image, large, pale blue where it is hidden, with lines between the cells and a frame around the cursor's."""
        image = self.images[self.image.value, 0].numpy()
        # what is hidden still shines through: who paints must see what
        colours = np.where(self.hidden[..., None], ramp(image, UNDRAWN - 20, UNDRAWN + 20), ramp(image)).astype(np.uint8)
        scale = EDITOR // 28
        large = ruled(colours.repeat(scale, 0).repeat(scale, 1), CELL * scale, self.row.value - 1, self.column.value - 1, 3)
        return picture(large, f"{self.where}, in cells to click on; cursor at {self.cursor}")

    @property
    def where(self) -> str:
        return f"image {self.image.value}, {self.hidden.sum()} of {self.hidden.size} pixels hidden"

    @property
    def cell(self) -> int:
        """The one under the cursor."""
        return (self.row.value - 1) * ACROSS + self.column.value - 1

    @property
    def cursor(self) -> str:
        """Where it is and whether the cell is hidden, in words."""
        here = self.hidden[self.square(self.cell)]
        state = "hidden" if here.all() else "half hidden" if here.any() else "shown"
        return f"row {self.row.value}, column {self.column.value}, {state}"

    def panels(self):
        image, hidden, filled = self.images[self.image.value, 0].numpy(), self.hidden, self._filled.get(self.key)
        seen = np.where(hidden[..., None], UNDRAWN, ramp(image)).astype(np.uint8)
        above = {"original": ramp(image).transpose(2, 0, 1), "the model sees": seen.transpose(2, 0, 1)}
        setting = f"{plural(self.repeats.value, 'repeat')}, noise {self.noise.value}"
        if filled is None:
            sheet, title = np.stack([above["the model sees"]] * self.N), f"{self.where}; press “fill in”"
        else:
            x = filled[0][:, 0].numpy()
            sheet, title = filled_in(x, hidden), f"{self.where}; blue: filled in"
            above[f"mean of {self.N}"] = filled_in(x.mean(0)[None], hidden)[0]
        top = Strips(title, [("", np.stack(list(above.values())), f"{self.where}: {', '.join(above)}")], 112, columns=list(above))
        rows = []
        for part in (slice(0, 4), slice(4, 8)):
            said = f"read as {', '.join(map(str, filled[1][part]))}" if filled else "not filled in yet"
            name = f"completions {part.start + 1} to {part.stop}, {said}"
            rows.append([Strips(name, [("", sheet[part], f"{name}; {self.where}; {setting}")], 112)])
        return [[top], *rows, [Note(self.words(image, filled), BESIDE)]]

    def words(self, image: np.ndarray, filled: tuple | None) -> str:
        repeats, hidden = self.repeats.value, self.hidden
        cursor = f" Cursor at {self.cursor}."
        calls = (STEPS - 1) * repeats + 1  # the last step, to t = 0, is never repeated
        cost = f"{plural(STEPS, 'step')} with {plural(repeats, 'repeat')}: {plural(calls, 'evaluation')} of the network"
        if filled is None:
            return f"Not filled in yet. It takes {cost}.{cursor}"
        x = filled[0][:, 0].numpy()
        level = round(255 * float(np.abs(x - image)[:, ~hidden].max(initial=0)))
        text = f"{cost}. On known pixels the completions and the image agree"
        text += " exactly. " if level == 0 else f" to within {level} of 255 grey levels. "
        if not hidden.any():
            return text + "Nothing is hidden: click on cells to paint." + cursor
        spread = float(x[:, hidden].std(0).mean())
        text += f"On hidden ones they differ, with a standard deviation of {spread:.2f} a pixel. "
        counts = {digit: filled[1].count(digit) for digit in sorted(set(filled[1]))}
        text += "Read as " + ", ".join(f"{digit} ({n} of {self.N})" for digit, n in counts.items())
        text += f"; the original as {read(torch.from_numpy(image)[None, None])[0]}. "
        if not hidden.all():
            edge, usual = across_the_edge(x, hidden), across_the_edge(image[None], hidden)
            text += f"Neighbours across the edge differ by {edge:.3f} on average, in the original by {usual:.3f}. "
            text += (
                "Repeats give both sides time to fit each other."
                if repeats > 1
                else "Without repeats only the known side pulls at the other."
            )
        return text.rstrip() + cursor


# --------------------------------------------------------------------------------------------------------------------
# Editing

# name → the digit it is meant to be, and its strokes: corners (x, y) in pixels
DRAWINGS = {
    "rough 0": (0, [[(14, 4), (20, 9), (20, 19), (14, 24), (8, 19), (8, 9), (14, 4)]]),
    "rough 3": (3, [[(8, 5), (19, 5), (12, 13), (19, 16), (18, 22), (8, 23)]]),
    "rough 4": (4, [[(9, 4), (8, 15), (21, 15)], [(18, 5), (18, 25)]]),
    "rough 7": (7, [[(7, 5), (21, 5), (11, 24)]]),
    "rough 8": (8, [[(8, 5), (20, 5), (8, 23), (20, 23), (8, 5)]]),
    "house": (None, [[(7, 24), (7, 12), (14, 4), (21, 12), (21, 24), (7, 24)], [(7, 12), (21, 12)]]),
    "scribble": (None, [[(5, 8), (22, 6), (6, 13), (22, 15), (7, 21), (22, 22)]]),
}


def rasterised(strokes: list[list[tuple[float, float]]], width: float = 2.4) -> Tensor:
    """Lines of one width, white on black, as a hurried pen leaves them: (28, 28) in [0, 1]."""
    y, x = np.mgrid[:28, :28] + 0.0
    nearest = np.full((28, 28), np.inf)
    for stroke in strokes:
        for (x0, y0), (x1, y1) in zip(stroke[:-1], stroke[1:], strict=True):
            along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)
            along = along.clip(0, 1)
            nearest = np.minimum(nearest, np.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0)))
    return torch.from_numpy((width / 2 + 0.5 - nearest).clip(0, 1)).float()


class EditExplorer(Explorer):
    """A rough drawing is noised up to a strength and cleaned again: between the drawing as it is and a digit that forgot it.

    Args:
        model: an `ImageDiffusion` of digits with labels
        images: (n, 1, 28, 28), uint8 or floats in [0, 1]: the menu offers the first of them beside the drawings

    Attributes:
        drawing, label: the menus;  strength, noise: the sliders
    """

    N, IMAGES = 8, 5
    STEPS = 10  # of a whole chain: coarse, because five chains wait behind each new drawing
    STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)  # always in the charts; those that the slider visits join them

    def __init__(self, model: ImageDiffusion, images: Any = None):
        self.model, self._results = checked(model), {}
        self.guides = {name: (digit, rasterised(strokes)[None]) for name, (digit, strokes) in DRAWINGS.items()}
        if images is not None:
            self.guides |= {f"image {i}": (None, image) for i, image in enumerate(as_digits(images)[: self.IMAGES])}
        self.drawing = menu("drawing", list(self.guides), "house")
        self.strength = slider("strength", 0.7, 0.0, 1.0, 0.05, 2)
        self.label = menu("label", ["none", *map(str, range(10))], "8")
        self.noise = seed_slider("noise")
        super().__init__([self.drawing, self.strength, self.label, self.noise])

    def guide(self) -> Tensor:
        """The drawing, (1, 1, 28, 28)."""
        return self.guides[self.drawing.value][1][None]

    def results(self, strength: float) -> dict:
        """Of eight results: `x` (8, 1, 28, 28) in [0, 1], the first's `noised` start, `digits`, `distance` from the drawing; kept."""
        key = self.drawing.value, self.label.value, self.noise.value, round(strength, 4)
        if key not in self._results:
            model, guide = self.model, self.guide().expand(self.N, -1, -1, -1)
            with at_rest(model) as device, seeded(self.noise.value, device):
                x, fresh = model.scaled(guide).to(device), noise(self.N).to(device)
                y = None if self.label.value == "none" else torch.full((self.N,), int(self.label.value), device=device)
                steps = max(1, round(self.STEPS * strength))  # as long as those of a whole chain
                made = model.unscaled(edit(model, x, key[3], steps, y, GUIDANCE, fresh)).cpu()
                noised = model.unscaled(model.schedule.noised(x[:1], torch.tensor([key[3]]), fresh[:1])).cpu()
            self._results[key] = {"x": made, "noised": noised, "digits": read(made), "distance": float((made - guide).abs().mean())}
        return self._results[key]

    def curve(self) -> dict[float, dict]:
        """strength → results, for `STRENGTHS` and what the slider has visited with this drawing, label and noise."""
        for strength in self.STRENGTHS:
            self.results(strength)
        setting = self.drawing.value, self.label.value, self.noise.value
        return {key[3]: kept for key, kept in sorted(self._results.items(), key=lambda item: item[0][3]) if key[:3] == setting}

    @property
    def wanted(self) -> int | None:
        """The digit that results are compared with: the label, else what the drawing was meant to be, if that is known."""
        return self.guides[self.drawing.value][0] if self.label.value == "none" else int(self.label.value)

    def share(self, digits: list[int]) -> float:
        """How many are taken for the digit that is wanted, or for the commonest one when none is."""
        count = max(map(digits.count, digits)) if self.wanted is None else digits.count(self.wanted)
        return count / len(digits)

    def panels(self):
        strength, name = round(self.strength.value, 4), self.drawing.value
        here, curve = self.results(strength), self.curve()
        label = "no label" if self.label.value == "none" else f"label {self.label.value}"
        goal = "the commonest digit" if self.wanted is None else article(self.wanted)
        above = torch.cat([self.guide(), here["noised"], here["x"].mean(0, keepdim=True)])
        top = Strips(
            f"{name}, and noised up to t = {strength:.2f}",
            [("", above, f"the drawing “{name}”, the same noised up to time {strength:.2f}, and the mean of {self.N} results")],
            112,
            columns=("the drawing", "the start of the chain", f"mean of {self.N} results"),
        )
        alt = f"{self.N} results from “{name}” at strength {strength:.2f}, {label}, noise {self.noise.value}; "
        alt += f"read as {', '.join(map(str, here['digits']))}; {here['distance']:.3f} from the drawing"
        row = Strips(
            f"eight results, {label}, and the digit read in each", [("", here["x"], alt)], 56, columns=[f"{d}" for d in here["digits"]]
        )
        charts = [
            self.chart("distance from the drawing", "a pixel", {s: kept["distance"] for s, kept in curve.items()}, strength),
            self.chart(f"taken for {goal}", "share", {s: self.share(kept["digits"]) for s, kept in curve.items()}, strength, 1.12),
        ]
        return [[top], [row], charts, [Note(self.words(here, curve[1.0], label, goal), BESIDE)]]

    @staticmethod
    def chart(title: str, name: str, values: dict[float, float], strength: float, top: float | None = None) -> Chart:
        values = {s: round(v, 4) for s, v in values.items()}  # what rounding leaves of 0 is 0
        told = ", ".join(f"{v:.3g} at {s:g}" for s, v in values.items())
        return Chart(
            title,
            "strength",
            name,
            f"{title} against strength: {told}",
            [Line(list(values), list(values.values()), markers=True)],
            marks=[Mark(strength, values[strength], f"{values[strength]:.3g}")],
            x_range=(-0.03, 1.03),
            y_range=(0, top or 1.2 * max(max(values.values()), 1e-3)),
            width=(BESIDE - 14) // 2,
            height=180,
        )

    def words(self, here: dict, forgot: dict, label: str, goal: str) -> str:
        strength = self.strength.value
        alpha, sigma = self.model.schedule.at(strength)
        count = round(self.N * self.share(here["digits"]))
        text = f"The chain starts at t = {strength:.2f} with α = {alpha:.2f} of the drawing and σ = {sigma:.2f} of noise"
        text += f", {label}" + (f" with guidance {GUIDANCE:g}. " if self.label.value != "none" else ". ")
        text += f"The results are {here['distance']:.3f} a pixel away from the drawing ({forgot['distance']:.3f} at strength 1), and "
        text += f"{count} of {self.N} are taken for {goal} ({round(self.N * self.share(forgot['digits']))} at strength 1). "
        share = here["distance"] / max(forgot["distance"], 1e-9)
        if share < 0.2:
            return text + "Little noise: the crude strokes stay."
        if share > 0.85:
            return text + "Much noise: the drawing is all but forgotten."
        return text + "In between, the place and slant of the strokes stay, and the model draws them anew."
