"""Interactive explorers: sliders, and pictures that follow them.

This module has what they share. The explorers of a topic live in the module of its name, for example `course_lib.widgets.autoencoders`.
No topic's explorers import another's: what two topics need lies here, in `plane` (points and densities in a chart) or in `pixels`
(pictures whose pixels are framed, hidden or clicked on). Only core `ipywidgets` are used, so that they work on 8.x and on Colab's 7.7.1.
"""

import base64
import html
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

import ipywidgets as widgets
import torch
from IPython import get_ipython
from torch import Tensor, nn

from ..plotting.panels import PAPER, Chart, Note, Pixels, Strips, Table, fewer_colors, figure_png

GAP = 14  # pixels between two panels
BESIDE = 464  # pixels: what fits beside a column of sliders in JupyterLab on a screen of 1280
WIDE = 814  # pixels: what fits below a row of them
HALF = (WIDE - GAP) // 2  # pixels: two of them fit there
PAGE = 960  # pixels: as wide as a static figure may be, so that GitHub need not shrink it much

Panel = Chart | Note | Strips | Table


def chosen_label(menu: widgets.Widget) -> str:
    """What a menu shows. Its own `label` is empty in ipywidgets 8 until it has moved."""
    option = menu.options[menu.index]
    return str(option[0] if isinstance(option, tuple) else option)


class Explorer(widgets.VBox):
    """Controls, and a view that is drawn again when one of them moves.

    A subclass makes its controls, hands them to `super().__init__`, and says in `panels` what to show for their present values.

    Attributes:
        controls: the widgets that a reader moves
        view: one HTML widget with everything that is drawn
        milliseconds: how long the last drawing took in the kernel
        moved: which of the controls given to `follow` moved last, counted from 0
    """

    BELOW = False  # True where the view needs the whole width: controls then lie in rows above it, however many they are
    FEW_COLORS = False  # True where soft pictures lie under hundreds of dots: the static figure then takes a third of the bytes
    _held = False

    # ipywidgets 7 displays through this method, 8 through the mime bundle; without it both take the bundle, which holds a picture too
    _ipython_display_ = None

    def __init__(self, controls: Sequence[widgets.Widget], instead: Mapping[widgets.Widget, Callable] | None = None):
        """instead: control → what follows it in place of the drawing; for a control that moves others."""
        self.controls = list(controls)
        self.view = widgets.HTML()
        self.milliseconds = 0.0
        for control in self.controls:
            # a film's buttons move its slider; drawing for both would be a waste
            if control.has_trait("value") and not isinstance(control, widgets.Play):
                control.observe((instead or {}).get(control, self.draw), "value")
        if len(self.controls) > 3 and not self.BELOW:
            column = widgets.VBox(self.controls, layout=widgets.Layout(width="330px", flex="0 0 auto"))
            super().__init__([widgets.HBox([column, self.view], layout=widgets.Layout(flex_flow="row wrap", align_items="flex-start"))])
        else:
            super().__init__([widgets.HBox(self.controls, layout=widgets.Layout(flex_flow="row wrap")), self.view])
        self._show()  # an error here is the cell's: only a callback has nobody else to tell
        replace_those_of_the_last_run(self)

    def panels(self) -> list[list[Panel]]:
        """Rows of panels for the present values of the controls."""
        raise NotImplementedError(f"{type(self).__name__} must say what to show: define panels()")

    def draw(self, _change=None) -> None:
        """Draw the present values. An error becomes one sentence in the view."""
        if self._held:
            return
        try:
            self._show()
        except Exception as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Say in the view, in one sentence, what went wrong in a callback: nobody would see its traceback."""
        reason = " ".join(str(error).split()).rstrip(".") or "no reason given"
        sentence = f"{type(self).__name__} could not draw this: {reason} ({type(error).__name__})."
        self.view.value = f'<div role="alert" style="{PAPER};border-color:#bd1f01;padding:8px 12px">{html.escape(sentence)}</div>'

    def _show(self) -> None:
        started = time.perf_counter()
        rows = "".join(
            f'<div style="display:flex;flex-wrap:wrap;gap:{GAP}px;align-items:flex-start">{"".join(panel.html() for panel in row)}</div>'
            for row in self.panels()
        )
        # white paper on any theme: pictures and charts are made for it
        self.view.value = (
            f'<div style="{PAPER};padding:10px 12px;line-height:1.3;display:flex;flex-direction:column;gap:{GAP}px;width:fit-content;'
            f'max-width:100%;box-sizing:border-box">{rows}</div>'
        )
        self.milliseconds = 1000 * (time.perf_counter() - started)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Move several controls, draw once."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self.draw()

    def follow(self, controls: Sequence[widgets.Widget]) -> None:
        """Keep in `moved` which of these a reader moved last. To be called before `super().__init__`: what is drawn may need it."""
        self.moved = 0

        def remember(i: int, change: Any) -> None:
            # less than a step is the browser rounding a value, and controls that are held move on their own
            if not self._held and abs(change["new"] - change["old"]) > 0.05:
                self.moved = i

        for i, control in enumerate(controls):
            control.observe(partial(remember, i), "value")

    def close(self) -> None:
        """Close whatever belongs to it too. Widgets live in the kernel and in the page until they are closed."""
        for widget in belongings(self):
            widget.close()
        super().close()

    def settings(self) -> str:
        """The controls in words, for example "β = 4, traverse image = 1"."""
        named = [c for c in self.controls if c.has_trait("value") and getattr(c, "description", "")]
        shown = [(c.description, chosen_label(c) if hasattr(c, "options") else c.value) for c in named]
        return ", ".join(f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {value}" for name, value in shown)

    def static(self) -> bytes:
        """What is shown now as a PNG, for readers without a kernel."""
        rows = [[Note(f"{type(self).__name__}: {self.settings()}. Run the notebook to move the controls.", 700)], *self.panels()]
        placed, y, width = [], GAP, 0
        for row in rows:
            x, tall = GAP, 0
            for panel in row:
                w, h = panel.size
                if x > GAP and x + w > PAGE:  # the browser wraps a row that is too long, and so do we
                    x, y, tall = GAP, y + tall + GAP, 0
                placed.append((panel, x, y))
                x, tall, width = x + w + GAP, max(tall, h), max(width, x + w + GAP)
            y += tall + GAP

        def draw(page: Pixels) -> None:
            for panel, x, y in placed:
                panel.draw(Pixels(page.axes, x, y))

        content = figure_png((width, y), draw)
        return fewer_colors(content) if self.FEW_COLORS else content

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict]:
        alt = f"{type(self).__name__}: {self.settings()}"
        # GitHub drops pictures inside HTML, but shows image/png
        data = {"text/plain": alt, "image/png": base64.b64encode(self.static()).decode()}
        if self.comm is not None:  # None once closed
            data["application/vnd.jupyter.widget-view+json"] = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return data, {"image/png": {"alt": alt}}


def belongings(widget: widgets.Widget) -> list[widgets.Widget]:
    """Every widget inside one, however deep: children, layouts, styles, and the links of film buttons."""
    found, new = [], [widget]
    while new:
        each = new.pop()
        values = [*(getattr(each, name) for name in each.keys), getattr(each, "link", None)]
        inside = [v for value in values for v in (value if isinstance(value, tuple | list) else [value]) if isinstance(v, widgets.Widget)]
        new += [v for v in inside if v is not widget and v not in found]
        found += [v for v in inside if v is not widget and v not in found]
    return found


SHOWN: dict[str, tuple[int, list[Explorer]]] = {}  # cell → the number of its last run, and the explorers made in it


def replace_those_of_the_last_run(explorer: Explorer) -> None:
    """Close the explorers that this cell made when it ran before: nobody sees them any more."""
    if (shell := get_ipython()) is None or not hasattr(shell, "kernel"):
        return
    metadata = shell.parent_header.get("metadata", {})
    cell = metadata.get("cellId") or shell.user_ns.get("In", [""])[-1]  # not every front end says which cell it is: then its text does
    run, made = SHOWN.get(cell, (None, []))
    if run != shell.execution_count:
        for old in made:
            old.close()
        made = []
    SHOWN[cell] = shell.execution_count, [*made, explorer]


def kept_for(*controls: str) -> Callable:
    """Decorate a method of an explorer: what it returned for its arguments and these controls' values is kept. A slider comes by again."""

    def decorate(method: Callable) -> Callable:
        @wraps(method)
        def remembered(self, *args: Any) -> Any:
            values = [getattr(self, name).value for name in controls]
            # a browser's 0.30000000000000004 is 0.3
            key = method.__name__, *args, *(round(value, 4) if isinstance(value, float) else value for value in values)
            memory = vars(self).setdefault("_kept", {})
            if key not in memory:
                memory[key] = method(self, *args)
            return memory[key]

        return remembered

    return decorate


def slider(description: str, value: float, low: float, high: float, step: float, digits: int = 1, **kwargs: Any) -> widgets.FloatSlider:
    """A float slider with its name and its value beside it."""
    return widgets.FloatSlider(
        value, min=low, max=high, step=step, description=description, readout=True, readout_format=f".{digits}f", **wide(), **kwargs
    )


def int_slider(description: str, value: int, low: int, high: int, **kwargs: Any) -> widgets.IntSlider:
    """The same for whole numbers."""
    return widgets.IntSlider(value, min=low, max=high, description=description, readout=True, **wide(), **kwargs)


def seed_slider(description: str = "draw", seed: int = 0) -> widgets.IntSlider:
    """A slider that draws others: 51 seeds."""
    return int_slider(description, seed, 0, 50)


def film(last: int, interval: int) -> tuple[widgets.IntSlider, widgets.Play]:
    """A slider over the frames 0 to `last`, which is shown first, and the buttons that play them, a frame every `interval` milliseconds."""
    frame, play = int_slider("frame", last, 0, last), widgets.Play(value=last, min=0, max=last, interval=interval)
    # in the browser: playing does not wait for the kernel, and still works on both versions
    play.link = widgets.jslink((play, "value"), (frame, "value"))
    return frame, play


def choice_slider(description: str, options: Sequence, value: Any) -> widgets.SelectionSlider:
    """A slider over a list of values."""
    return widgets.SelectionSlider(options=options, value=value, description=description, readout=True, **wide())


def menu(description: str, options: Sequence, value: Any = None) -> widgets.Dropdown:
    """A drop-down list; `value` is the first option when left out."""
    first = options[0][1] if isinstance(options[0], tuple) else options[0]
    return widgets.Dropdown(options=options, value=first if value is None else value, description=description, **wide())


def wide() -> dict:
    """Room for the description of a control; without it long ones are cut off."""
    return {"style": {"description_width": "90px"}, "layout": widgets.Layout(width="320px")}


def plural(n: int, noun: str) -> str:
    """A number and its noun: "1 step", "1,000 steps", "2 passes"."""
    return f"{n:,} {noun}{'' if n == 1 else 's' if not noun.endswith('s') else 'es'}"


def some(entries: Mapping, name: str, what: str) -> dict:
    """The entries as a dict.

    Raises:
        ValueError: there are none
    """
    if not entries:
        raise ValueError(f"{name} is empty; give at least one, {what}")
    return dict(entries)


def as_images(images: Any, name: str = "images") -> Tensor:
    """(n, c, h, w) uint8 or float → float in [0, 1]."""
    images = torch.as_tensor(images)
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(f"{name} must be (n, channels, height, width) with n above 0, got shape {tuple(images.shape)}")
    return images.float() / 255 if images.dtype == torch.uint8 else images


def as_digits(images: Any, name: str = "images", least: int = 1) -> Tensor:
    """(n, 1, 28, 28) uint8 or float → float in [0, 1] on the CPU.

    Raises:
        ValueError: another shape, or fewer than `least`
    """
    images = as_images(images, name).cpu()
    if tuple(images.shape[1:]) != (1, 28, 28) or len(images) < least:
        raise ValueError(f"{name} must be digits (n, 1, 28, 28) with n of {least} or more, got shape {tuple(images.shape)}")
    return images


@contextmanager
def at_rest(model: nn.Module) -> Iterator[torch.device]:
    """Evaluation mode, without gradients; gives the model's device."""
    training = model.training
    if training:
        model.eval()
    try:
        with torch.inference_mode():
            yield next((p.device for p in model.parameters()), torch.device("cpu"))
    finally:
        if training:
            model.train()


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Random numbers that begin at `seed`. Those of the lecture go on afterwards as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[device] if device is not None and device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def call(model: nn.Module, method: str, x: Tensor) -> Any:
    """`model.method(x)` on the model's device, in evaluation mode, without gradients. A tensor comes back on the CPU."""
    with at_rest(model) as place:
        # floats in the precision of the weights first: Apple's devices have no float64
        weight = next(model.parameters(), x)
        result = getattr(model, method)((x.to(weight.dtype) if x.is_floating_point() and weight.is_floating_point() else x).to(place))
    return result.cpu() if isinstance(result, Tensor) else result


def decode(model: nn.Module, z: Tensor) -> Tensor:
    """(n, latents) → (n, c, h, w) in [0, 1].

    Raises:
        ValueError: the model returns another shape
    """
    images = call(model, "decode", z)
    if images.ndim != 4 or len(images) != len(z):
        raise ValueError(
            f"decode must turn z {tuple(z.shape)} into images ({len(z)}, channels, height, width), but gave {tuple(images.shape)}"
        )
    return images


def reconstruct(model: nn.Module, x: Tensor) -> Tensor:
    """Encode and decode: (n, c, h, w) → (n, c, h, w)."""
    return decode(model, call(model, "encode", x))


def numbers(model: nn.Module) -> dict:
    """The measured numbers of a shipped checkpoint, or {} for any other model."""
    return getattr(model, "record", {}).get("numbers", {})
