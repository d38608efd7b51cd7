"""Figures that look alike in every lecture.

Lectures use matplotlib: `show_images`, `curves`, `LossPlot`. Explorers redraw many times a second, which matplotlib is too slow for:
they use the panels of `course_lib.plotting.panels`.
"""

import html
import importlib.metadata
import inspect
import math
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from IPython import get_ipython
from IPython.display import display

from . import panels
from .panels import CYCLE, GRID, INK, PAPER, Chart, Line, enlarge, one_picture, picture, tile, to_uint8  # noqa: F401


def use_style() -> None:
    """Set matplotlib's defaults for a lecture: readable fonts, light grid, colour-blind-safe colours, 90 dpi."""
    plt.rcParams.update(
        {
            "figure.dpi": 90,
            "savefig.dpi": 90,
            "figure.figsize": (6.4, 3.6),
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",  # not transparent: ink on a dark theme would vanish
            "font.size": 11,
            "axes.titlesize": 12,
            "axes.prop_cycle": plt.cycler(color=CYCLE),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": GRID,
            "lines.linewidth": 2,
            "legend.frameon": False,
            "image.cmap": "gray",
            "image.interpolation": "nearest",
        }
    )


def show_images(
    images: Any,
    columns: int = 8,
    titles: Sequence[str] | None = None,
    row_labels: Sequence[str] | None = None,
    size: float = 0.9,
    heading: str | None = None,
) -> None:
    """Show (n, c, h, w) images in a grid.

    Args:
        titles: one above each image; long ones are wrapped, and the rows make room
        row_labels: one left of each row
        size: width of an image, in inches
    """
    array = to_uint8(images, "images")
    array = array[:, None] if array.ndim == 3 else array
    if array.ndim != 4 or not len(array):
        raise ValueError(f"images must be (n, c, h, w), n above 0, got {array.shape}")
    columns = min(columns, len(array))
    rows = math.ceil(len(array) / columns)
    for name, given, wanted in (("titles", titles, len(array)), ("row_labels", row_labels, rows)):
        if given is not None and len(given) != wanted:
            raise ValueError(f"{name} has {len(given)} entries, but there are {wanted} to label")
    font, letter, line = 9, 0.085, 0.16  # points; inches a letter and a line of that font take
    wrapped = [textwrap.wrap(str(t), max(4, int(size / letter))) or [""] for t in titles or []]
    above = max(map(len, wrapped), default=0) * line + (0.05 if wrapped else 0)
    left = max((len(str(label)) for label in row_labels or []), default=0) * letter + (0.15 if row_labels else 0)
    tall = size * array.shape[2] / array.shape[3]
    gap, head = 0.06, 0.35 if heading else 0.0
    width, height = left + columns * (size + gap), head + rows * (tall + above + gap)
    figure = plt.figure(figsize=(width, height), layout="none")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    for i, image in enumerate(array):
        x, y = left + i % columns * (size + gap), head + i // columns * (tall + above + gap) + above
        axes.imshow(
            one_picture(image), cmap="gray", vmin=0, vmax=255, extent=(x, x + size, y + tall, y), interpolation="nearest", aspect="auto"
        )
        if titles is not None:
            axes.text(x + size / 2, y - 0.04, "\n".join(wrapped[i]), ha="center", va="bottom", fontsize=font, linespacing=1.1)
        if row_labels is not None and i % columns == 0:
            axes.text(left - 0.1, y + tall / 2, str(row_labels[i // columns]), ha="right", va="center", fontsize=font)
    if heading:
        axes.text(0.02, 0.05, heading, ha="left", va="top", fontsize=font + 2)
    axes.set(xlim=(0, width), ylim=(height, 0))  # imshow has narrowed them
    plt.show()


def show_pixels(images: Any, alt: str, columns: int = 12, times: int = 5) -> None:
    """Show (n, c, h, w) images in a grid, every pixel exactly `times` × `times` on the screen: for small ones, such as faces.

    Args:
        alt: what a reader who cannot see them is told
    """
    columns = min(columns, len(images))
    sheet = panels.png(enlarge(tile(images, columns), times))
    display({"image/png": sheet, "text/plain": alt}, metadata={"image/png": {"alt": alt}}, raw=True)


def curves(
    lines: Mapping[str, Any],
    x_label: str = "step",
    y_label: str = "loss (nats)",
    title: str | None = None,
    log_x: bool = False,
    log_y: bool = False,
    markers: bool = False,
    size: tuple[float, float] = (6.4, 3.4),
) -> None:
    """Lines with labelled axes and, from two lines on, a legend.

    Args:
        lines: label → (x, y), or label → y alone
    """
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    for color, (label, values) in zip(CYCLE * len(lines), lines.items(), strict=False):
        x, y = values if isinstance(values, tuple) else (range(len(values)), values)
        axes.plot(x, y, label=label, color=color, marker="o" if markers else None)
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    if log_x:
        axes.set_xscale("log")
    if log_y:
        axes.set_yscale("log")
    if len(lines) > 1:
        figure.legend(loc="outside right upper", frameon=False)  # beside the axes, so that it never hides a line
    plt.show()


def table(rows: Sequence[Mapping[str, Any]]) -> Any:
    """A list of rows, each heading → value, as a Markdown table for a notebook. Floats get three digits."""
    from IPython.display import Markdown

    head = list(rows[0])
    lines = [head, ["---"] * len(head), *[[f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows]]
    return Markdown("\n".join("| " + " | ".join(line) + " |" for line in lines))


def show_source(obj: Any, open: bool = True) -> None:
    """Show the source of a function, class, method or module as it runs, highlighted and foldable, with a link to its file.

    Args:
        open: unfolded at first
    """
    display({"text/html": source_html(obj, open), "text/plain": inspect.getsource(inspect.unwrap(obj))}, raw=True)


def source_html(obj: Any, open: bool = True) -> str:
    """The HTML of `show_source`. Styles are inline: GitHub, Colab and nbviewer drop style sheets."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    obj = inspect.unwrap(obj)
    lines, first = inspect.getsourcelines(obj)
    first = max(first, 1)  # a module begins at line 0
    code = textwrap.dedent("".join(lines))
    module = inspect.getmodule(obj).__name__
    name = module if inspect.ismodule(obj) else f"{module}.{obj.__qualname__}"
    # its own light background, so that the colours hold on a dark theme
    block = f"{PAPER};padding:8px 12px;margin:4px 0;overflow-x:auto;white-space:pre;line-height:1.35;font-size:13px"
    body = highlight(code, PythonLexer(), HtmlFormatter(noclasses=True, nowrap=True, style="default"))
    where = f"{module.replace('.', '/')}{'/__init__' if Path(inspect.getsourcefile(obj)).stem == '__init__' else ''}.py"
    lines_text = f"{where}, lines {first}–{first + len(lines) - 1}"
    url = repository_url()
    link = f'<a href="{url}/blob/main/{where}#L{first}-L{first + len(lines) - 1}">{lines_text}</a>' if url else lines_text
    return (
        f"<details{' open' if open else ''}><summary><code>{html.escape(name)}</code> · {link}</summary>"
        f'<pre style="{block}"><code style="background:none;color:{INK}">{body}</code></pre></details>'
    )


def repository_url() -> str | None:
    """The repository that `[project.urls]` names, or None when the course is not installed."""
    try:
        urls = importlib.metadata.metadata("deep-generative-course").get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    named = dict(entry.split(", ", 1) for entry in urls)
    return next((named[key].rstrip("/") for key in ("Repository", "Source", "Homepage") if key in named), None)


class LossPlot:
    """A loss plot that grows while a model trains: `fit(..., watch=LossPlot())`.

    It is redrawn in place, at most once in `every` seconds and at the last step, always as one PNG: whatever stands there when training
    ends is the static figure. Outside a notebook it does nothing.

    Args:
        keys: which entries of `run.history` to draw; all losses and other scalars when left out
        every: seconds between two drawings
    """

    def __init__(self, keys: Sequence[str] | None = None, every: float = 1.0, title: str = "training", y_label: str = "nats"):
        self.keys, self.every, self.title, self.y_label = keys, every, title, y_label
        self.drawn, self.handle = -math.inf, None

    def __call__(self, run) -> None:
        now = time.monotonic()
        last = run.step >= run.steps
        if get_ipython() is None or not run.history or (now - self.drawn < self.every and not last):
            return
        bundle = self.bundle(run.history)
        if self.handle is None:
            self.handle = display(bundle[0], metadata=bundle[1], raw=True, display_id=True)
        else:
            self.handle.update(bundle[0], metadata=bundle[1], raw=True)
        self.drawn = time.monotonic()

    def bundle(self, history: Sequence[Mapping[str, float]]) -> tuple[dict, dict]:
        """The mime bundle and its metadata."""
        chart = self.chart(history)
        return {"image/png": chart.png(), "text/plain": chart.alt}, {"image/png": {"alt": chart.alt}}

    def chart(self, history: Sequence[Mapping[str, float]]) -> Chart:
        keys = self.keys or [key for key in history[-1] if key not in ("step", "seconds")]
        missing = [key for key in keys if key not in history[-1]]
        if missing:
            raise ValueError(f"the training step logs {', '.join(k for k in history[-1])}, but LossPlot was asked for {', '.join(missing)}")
        kept = history[:: math.ceil(len(history) / 400)]  # more points than pixels only cost time
        kept = kept if kept[-1] is history[-1] else [*kept, history[-1]]
        steps = [entry["step"] for entry in kept]
        lines = [Line(steps, [entry[key] for entry in kept], key, CYCLE[i % len(CYCLE)]) for i, key in enumerate(keys)]
        now = ", ".join(f"{key} {history[-1][key]:.4g}" for key in keys)
        alt = f"{self.title}: at step {history[-1]['step']}, {now}"
        return Chart(alt, "step", self.y_label, alt, lines, width=560, height=280)
