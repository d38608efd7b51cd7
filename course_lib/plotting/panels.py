"""Pictures and small charts as plain data: HTML and SVG while a kernel runs, and one PNG for readers without one."""

import base64
import html
import io
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image

# ten colours that stay apart for colour-blind readers. Source: Petroff 2021 (arXiv:2107.02270)
CYCLE = ("#3f90da", "#bd1f01", "#ffa90e", "#832db6", "#717581", "#e76300", "#a96b59", "#92dadd", "#b9ac70", "#94a4a2")
INK, GREY, GRID = "#1f2328", "#59636e", "#e1e4e8"
PAPER = f"background:#fff;color:{INK};border:1px solid #d0d7de;border-radius:8px"


def to_uint8(image: Any, name: str = "image") -> np.ndarray:
    """(..., c, h, w), (h, w) or (h, w, 3) as uint8, torch or numpy. Floats must lie in [0, 1]. name: what the caller calls it

    Raises:
        ValueError: NaN, or floats outside [0, 1]
    """
    if hasattr(image, "detach"):
        if image.is_meta:
            raise ValueError(f"{name} is on the device meta, where tensors have shapes but no values")
        image = image.detach().cpu()
        image = image.float() if image.is_floating_point() else image  # NumPy has no bfloat16
    array = np.asarray(image)
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if array.dtype.kind not in "fiu":
        raise ValueError(f"a picture needs floats in [0, 1] or uint8, but {name} has {array.dtype}")
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if not (low >= -0.01 and high <= 1.01):  # written so that NaN fails too
        raise ValueError(
            f"a picture needs floats in [0, 1] or uint8, but those of {name} span [{low:.3g}, {high:.3g}]; rescale or clip them first"
        )
    return (array.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def one_picture(image: Any) -> np.ndarray:
    """(h, w), (h, w, 3) or (c, h, w) → uint8 (h, w) or (h, w, 3)."""
    array = to_uint8(image)
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] == 3):
        raise ValueError(f"image: one picture must be (h, w), (h, w, 3) or (c, h, w) with c = 1 or 3, got shape {array.shape}")
    return array


def png(array: np.ndarray) -> bytes:
    """uint8 (h, w) or (h, w, 3) as PNG bytes."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(buffer, "png", compress_level=1)  # quick: a slider waits for it
    return buffer.getvalue()


def fewer_colors(content: bytes, colors: int = 128) -> bytes:
    """A PNG in at most so many colours: soft pictures under hundreds of dots take a third of the bytes in a notebook."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(content)).convert("RGB").quantize(colors, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def ramp(values: Any, low=(0, 0, 0), high=(255, 255, 255)) -> np.ndarray:
    """(..., h, w) in [0, 1] → colours between two, uint8 (..., h, w, 3)."""
    share = np.asarray(values, dtype=np.float32).clip(0, 1)[..., None]
    return (share * np.array(high) + (1 - share) * np.array(low) + 0.5).astype(np.uint8)


def data_uri(content: bytes) -> str:
    """PNG bytes as the address of an image."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def picture(image: Any, alt: str, width: int | None = None) -> str:
    """One image as an HTML `<img>` with its pixels kept sharp.

    Args:
        image: (h, w), (h, w, 3) or (c, h, w); floats in [0, 1] or uint8; numpy or torch
        alt: what a reader who cannot see it is told
        width: on the screen, in pixels; the image's own when left out
    """
    array = one_picture(image)
    h, w = array.shape[:2]
    width = width or w
    sharp = "image-rendering:pixelated;" if width >= w else ""
    # both attributes reserve the space before the PNG is decoded, so that nothing jumps while a slider moves
    return (
        f'<img src="{data_uri(png(array))}" alt="{html.escape(alt)}" width="{width}" height="{round(width * h / w)}" '
        f'style="{sharp}width:{width}px;max-width:100%;height:auto;margin:0;display:block">'
    )


def tile(images: Any, columns: int | None = None, pad: int = 1) -> np.ndarray:
    """Lay out (n, c, h, w) or (n, h, w) images row by row on white.

    Args:
        columns: images in a row; about √n when left out
        pad: pixels between two images

    Returns:
        uint8 (H, W), or (H, W, 3) for colour
    """
    array = to_uint8(images, "images")
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4 or len(array) == 0 or array.shape[1] not in (1, 3):
        raise ValueError(f"images must be (n, c, h, w) with c = 1 or 3, or (n, h, w), and n above 0, got shape {array.shape}")
    n, c, h, w = array.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    cells = np.full((rows * columns, h + pad, w + pad, c), 255, np.uint8)
    cells[:n, :h, :w] = array.transpose(0, 2, 3, 1)
    sheet = cells.reshape(rows, columns, h + pad, w + pad, c).swapaxes(1, 2).reshape(rows * (h + pad), columns * (w + pad), c)
    sheet = sheet[: rows * (h + pad) - pad, : columns * (w + pad) - pad]
    return sheet[:, :, 0] if c == 1 else sheet


def enlarge(images: Any, times: int = 6) -> np.ndarray:
    """Every pixel as a block of `times` × `times`, sharp and all alike: uint8 of the same layout, (..., h, w) or (h, w, 3)."""
    array = to_uint8(images, "images")
    if array.ndim < 2:
        raise ValueError(f"images must be (..., h, w) or (h, w, 3), got shape {array.shape}")
    down, across = (0, 1) if array.ndim == 3 and array.shape[2] == 3 else (-2, -1)
    return array.repeat(times, down).repeat(times, across)


# ---------------------------------------------------------------------------------------------------------------------
# Two canvases that take the same calls, so that the static figure is the live one


class Svg:
    """Draws in pixels, y downwards, into an SVG string."""

    def __init__(self):
        self.parts = []

    def line(self, x, y, color: str, width: float = 1.5, dashed: bool = False) -> None:
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="{width}"{dash}/>')

    def rect(self, x, y, w, h, color: str, opacity: float = 1.0) -> None:
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="{color}" fill-opacity="{opacity}"/>')

    def dot(self, x, y, radius: float, color: str) -> None:
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{color}" stroke="#fff" stroke-width="1"/>')

    def strokes(self, x, y, color: str, width: float = 1.5, opacity: float = 1.0) -> None:
        """n lines of k points each, (n, k), as one shape; with k = 1 they are dots as wide as a line."""
        pairs = zip(np.asarray(x).tolist(), np.asarray(y).tolist(), strict=True)
        if np.shape(x)[1] == 1:  # a line of no length, whose round ends are a dot
            path = "".join(f"M{a:.1f} {b:.1f}h0" for (a,), (b,) in pairs)
        else:
            path = "".join("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(*pair, strict=True)) for pair in pairs)
        style = f'fill="none" stroke="{color}" stroke-width="{width}" stroke-opacity="{opacity}" stroke-linecap="round"'
        self.parts.append(f'<path d="{path}" {style}/>')

    def text(self, x, y, text: str, size: int = 11, anchor: str = "start", turn: float = 0, color: str = INK, bold: bool = False) -> None:
        rotate = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
        # a white rim keeps a label readable where it meets a line
        weight = ' font-weight="600" stroke="#fff" stroke-width="3" paint-order="stroke"' if bold else ""
        place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{color}"'
        self.parts.append(f"<text {place}{weight}{rotate}>{html.escape(text)}</text>")

    def image(self, x, y, w, h, content: bytes, sharp: bool = True) -> None:
        self.parts.append(
            f'<image x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" preserveAspectRatio="none" '
            f'style="image-rendering:{"pixelated" if sharp else "auto"}" href="{data_uri(content)}"/>'
        )


class Pixels:
    """Draws the same onto matplotlib axes whose unit is one pixel, shifted to (left, top)."""

    def __init__(self, axes, left: float = 0, top: float = 0):
        self.axes, self.left, self.top, self.order = axes, left, top, 0

    @property
    def above(self) -> int:
        """What comes later lies on top, as in SVG; matplotlib would sort by kind."""
        self.order += 1
        return self.order

    def line(self, x, y, color: str, width: float = 1.5, dashed: bool = False) -> None:
        style = "--" if dashed else "-"
        x, y = np.asarray(x) + self.left, np.asarray(y) + self.top
        self.axes.plot(x, y, color=color, linewidth=0.72 * width, linestyle=style, zorder=self.above)

    def rect(self, x, y, w, h, color: str, opacity: float = 1.0) -> None:
        corner = (x + self.left, y + self.top)
        self.axes.add_patch(Rectangle(corner, w, h, facecolor=color, alpha=opacity, linewidth=0, zorder=self.above))

    def dot(self, x, y, radius: float, color: str) -> None:
        centre = (x + self.left, y + self.top)
        self.axes.add_patch(Circle(centre, radius, facecolor=color, edgecolor="#fff", linewidth=0.7, zorder=self.above))

    def strokes(self, x, y, color: str, width: float = 1.5, opacity: float = 1.0) -> None:
        points = np.stack([np.asarray(x) + self.left, np.asarray(y) + self.top], -1)
        style = {"color": color, "alpha": opacity, "zorder": self.above}
        if points.shape[1] == 1:
            self.axes.scatter(*points[:, 0].T, s=(0.72 * width) ** 2, linewidths=0, **style)
        else:
            self.axes.add_collection(LineCollection(points, linewidths=0.72 * width, capstyle="round", **style))

    def text(self, x, y, text: str, size: int = 11, anchor: str = "start", turn: float = 0, color: str = INK, bold: bool = False) -> None:
        align = {"start": "left", "middle": "center", "end": "right"}[anchor]
        style = {"fontsize": 0.66 * size, "color": color, "fontweight": "bold" if bold else "normal"}  # pixels → points, a wider font
        place = {"ha": align, "va": "baseline", "rotation": -turn, "rotation_mode": "anchor", "zorder": self.above}
        if bold:
            place["path_effects"] = [withStroke(linewidth=2, foreground="white")]
        self.axes.text(x + self.left, y + self.top, text.replace("$", r"\$"), **place, **style)

    def image(self, x, y, w, h, content: bytes, sharp: bool = True) -> None:
        extent = (x + self.left, x + self.left + w, y + self.top + h, y + self.top)
        picture = Image.open(io.BytesIO(content)).convert("RGB")
        how = "nearest" if sharp else "antialiased"
        self.axes.imshow(picture, extent=extent, interpolation=how, aspect="auto", zorder=self.above)


def outline(canvas: Svg | Pixels, x: float, y: float, w: float, h: float, color: str, width: float = 2) -> None:
    """The border of a box."""
    canvas.line((x, x + w, x + w, x, x), (y, y, y + h, y + h, y), color, width)


@dataclass
class Line:
    """y over x. `label` goes to the legend; `markers` puts a dot on each point, `names` a word beside it."""

    x: Any
    y: Any
    label: str = ""
    color: str = CYCLE[0]
    dashed: bool = False
    markers: bool = False
    names: Sequence[str] = ()


@dataclass
class Bars:
    """Bars from `left` to `right`, each an array, as high as `height`."""

    left: Any
    right: Any
    height: Any
    label: str = ""
    color: str = CYCLE[0]
    opacity: float = 1.0


@dataclass
class Strokes:
    """Many short lines of one colour, drawn as one shape, because a thousand of their own would be slow: a cloud of dots, arrows, rings.

    Args:
        x, y: (n, k), n lines of k points; with k = 1, or given as (n,), they are dots
        width: of a line, or of a dot, in pixels
    """

    x: Any
    y: Any
    label: str = ""
    color: str = CYCLE[0]
    width: float = 1.5
    opacity: float = 1.0

    def __post_init__(self):
        self.x, self.y = (np.asarray(v, dtype=float) for v in (self.x, self.y))
        if self.x.ndim == 1 and self.x.shape == self.y.shape:
            self.x, self.y = self.x[:, None], self.y[:, None]
        if self.x.ndim != 2 or self.x.shape != self.y.shape:
            raise ValueError(f"strokes need x and y of one shape, (n, k) or (n,), got {self.x.shape} and {self.y.shape}")


@dataclass
class Label:
    """A word in the chart, centred on its place."""

    x: float
    y: float
    text: str
    color: str = INK


@dataclass
class Mark:
    """The point that moves with a slider, with its label beside it."""

    x: float
    y: float
    label: str = ""
    color: str = CYCLE[1]


@dataclass
class Chart:
    """A small chart with axes, ticks and a legend.

    Args:
        title, x_label, y_label: text; units belong into the labels
        alt: what a reader who cannot see the chart is told; it should hold the numbers
        bars, strokes, lines, labels, marks: what is drawn, in this order
        x_rules: label → where a dashed line stands
        background: PNG bytes, encoded once because the picture stays while a slider moves, and the (left, right, bottom, top) it covers
        x_range, y_range: from the data when left out
        log_x, log_y: logarithmic; the data must be positive there
        x_ticks: position → label, instead of round numbers
        x_pictures: position → one picture, as `picture` takes it, drawn there instead of a label
        width, height: pixels
    """

    title: str
    x_label: str
    y_label: str
    alt: str
    lines: Sequence[Line] = ()
    bars: Sequence[Bars] = ()
    marks: Sequence[Mark] = ()
    strokes: Sequence[Strokes] = ()
    labels: Sequence[Label] = ()
    x_rules: Mapping[str, float] | None = None
    background: tuple[bytes, tuple[float, float, float, float]] | None = None
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    log_x: bool = False
    log_y: bool = False
    x_ticks: Mapping[float, str] | None = None
    x_pictures: Mapping[float, Any] | None = None
    width: int = 340
    height: int = 260

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    def html(self) -> str:
        return svg(self)

    def png(self, scale: float = 1.25) -> bytes:
        return figure_png(self.size, self.draw, scale)

    def draw(self, canvas: Svg | Pixels) -> None:
        legend = [item for item in (*self.bars, *self.strokes, *self.lines) if item.label]
        lines_of_legend = self._legend_rows(legend)
        x_low, x_high = self._range(self.x_range, self.log_x, "x")
        y_low, y_high = self._range(self.y_range, self.log_y, "y")
        if self.x_pictures:
            x_ticks = {}
        else:
            x_ticks = dict(self.x_ticks) if self.x_ticks else {v: f"{v:g}" for v in ticks(x_low, x_high, self.log_x, self.width // 60)}
        y_ticks = {v: f"{v:g}" for v in ticks(y_low, y_high, self.log_y)}

        left = 26 + 6.5 * max(len(label) for label in y_ticks.values())
        right, top = self.width - 14, 24 + 16 * len(lines_of_legend)
        widest = 6.3 * max((len(label) for label in x_ticks.values()), default=0)
        crowded = len(x_ticks) > 1 and widest > (right - left) / len(x_ticks)
        pictures = {x: one_picture(image) for x, image in (self.x_pictures or {}).items()}
        side = min(40, 0.85 * (right - left) / max(1, len(pictures)))
        tallest = max((side * image.shape[0] / image.shape[1] for image in pictures.values()), default=0)
        bottom = self.height - (30 + tallest if pictures else 36 + 0.6 * widest if crowded else 40)
        scale_x, scale_y = (math.log if self.log_x else float), (math.log if self.log_y else float)

        def px(x):
            return left + (scale_x(x) - scale_x(x_low)) / (scale_x(x_high) - scale_x(x_low)) * (right - left)

        def py(y):  # a value below a logarithmic axis is drawn on its floor
            y = max(y, y_low) if self.log_y else y
            return bottom - (scale_y(y) - scale_y(y_low)) / (scale_y(y_high) - scale_y(y_low)) * (bottom - top)

        canvas.text(0, 15, self.title, 12, bold=True)
        for row, items in enumerate(lines_of_legend):
            for x, item in items:
                if isinstance(item, Strokes):  # a dot is shown larger than it is, and never faint
                    dots = item.x.shape[1] == 1
                    y = 26 + 16 * row
                    canvas.strokes([[x + 7] if dots else [x + 1, x + 13]], [[y] if dots else [y, y]], item.color, 6 if dots else 3)
                else:
                    canvas.rect(x, 22 + 16 * row, 14, 8 if isinstance(item, Bars) else 3, item.color, getattr(item, "opacity", 1.0))
                canvas.text(x + 18, 30 + 16 * row, item.label)
        for y, label in y_ticks.items():
            canvas.line((left, right), (py(y), py(y)), GRID, 1)
            canvas.text(left - 5, py(y) + 4, label, 10, "end", color=GREY)
        for x, label in x_ticks.items():
            canvas.line((px(x), px(x)), (bottom, bottom + 4), GREY, 1)
            if crowded:
                canvas.text(px(x) + 3, bottom + 13, label, 10, "end", turn=-35, color=GREY)
            else:
                canvas.text(px(x), bottom + 15, label, 10, "middle", color=GREY)
        for x, image in pictures.items():
            canvas.image(px(x) - side / 2, bottom + 5, side, side * image.shape[0] / image.shape[1], png(image))
        canvas.text((left + right) / 2, self.height - 7, self.x_label, 11, "middle")
        canvas.text(13, (top + bottom) / 2, self.y_label, 11, "middle", turn=-90)
        if self.background:
            content, (x0, x1, y0, y1) = self.background
            canvas.image(px(x0), py(y1), px(x1) - px(x0), py(y0) - py(y1), content, sharp=False)
        for bars in self.bars:
            for x0, x1, height in zip(bars.left, bars.right, bars.height, strict=True):
                edge, end = py(y_low if self.log_y else max(0.0, y_low)), py(min(float(height), y_high))
                canvas.rect(px(x0), min(edge, end), max(px(x1) - px(x0), 0.5), abs(edge - end), bars.color, bars.opacity)
        for strokes in self.strokes:
            x, y = np.vectorize(px, [float])(strokes.x), np.vectorize(py, [float])(strokes.y)
            canvas.strokes(x, y, strokes.color, strokes.width, strokes.opacity)
        canvas.line((left, right), (bottom, bottom), GREY, 1)
        for line in self.lines:
            x, y = [px(v) for v in line.x], [py(v) for v in line.y]
            canvas.line(x, y, line.color, 2, line.dashed)
            if line.markers:
                for a, b in zip(x, y, strict=True):
                    canvas.dot(a, b, 3.5, line.color)
            for a, b, name in zip(x, y, line.names, strict=False):
                canvas.text(a - 5, b + 13, name, 10, "end", color=GREY)
        for label, x in (self.x_rules or {}).items():
            canvas.line((px(x), px(x)), (top, bottom), INK, 1.2, True)
            self._label(canvas, px(x), top + 10, label, left, right)
        for label in self.labels:
            canvas.text(px(label.x), py(label.y) + 4, label.text, 11, "middle", color=label.color, bold=True)
        for mark in self.marks:
            canvas.dot(px(mark.x), py(mark.y), 6, mark.color)
            self._label(canvas, px(mark.x), max(py(mark.y) - 8, top + 10), mark.label, left, right)

    @staticmethod
    def _label(canvas, x: float, y: float, text: str, left: float, right: float) -> None:
        """Beside the point, on the side that has room."""
        if x + 9 + 6.5 * len(text) < right:
            canvas.text(x + 9, y, text, 11, bold=True)
        else:
            canvas.text(max(x - 9, left + 6.5 * len(text)), y, text, 11, "end", bold=True)

    def _legend_rows(self, items: list) -> list[list[tuple[float, Any]]]:
        rows, x = [], self.width
        for item in items:
            wide = 34 + 6.3 * len(item.label)
            if x + wide > self.width:
                rows.append([])
                x = 0
            rows[-1].append((x, item))
            x += wide
        return rows

    def _range(self, given: tuple[float, float] | None, log: bool, axis: str) -> tuple[float, float]:
        if given:
            return given
        parts = [getattr(item, axis) for item in (*self.lines, *self.strokes)]
        parts += [[getattr(item, axis)] for item in (*self.marks, *self.labels)]
        for bars in self.bars:
            parts += [bars.left, bars.right] if axis == "x" else [bars.height] + ([] if log else [[0.0]])
        values = np.concatenate([np.asarray(part, dtype=float).ravel() for part in parts] or [np.zeros(1)])
        if not np.isfinite(values).all():
            raise ValueError(f"the chart “{self.title}” was given NaN or infinity on its {axis} axis")
        if log and values.min() <= 0:
            raise ValueError(f"the chart “{self.title}” has a logarithmic {axis} axis, but its smallest value is {values.min():g}")
        low, high = float(values.min()), float(values.max())
        if log:
            margin = (high / low) ** 0.08 if high > low else 2.0
            return low / margin, high * margin
        margin = 0.08 * (high - low) or 0.5
        # bars stand on zero; a margin below it would lift them off the axis
        return (low if self.bars and (axis == "x" or low == 0) else low - margin), (high if self.bars and axis == "x" else high + margin)


def ticks(low: float, high: float, log: bool = False, count: int = 5) -> list[float]:
    """About `count` round numbers in [low, high]."""
    if log:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for steps in ((1,), (1, 3), (1, 2, 5)):
            found = [step * 10.0**k for k in decades for step in steps if low <= step * 10.0**k <= high * 1.0001]
            if len(found) >= 3:
                break
        return [float(f"{v:.6g}") for v in found[:: max(1, math.ceil(len(found) / count))]] or ticks(low, high)
    rough = (high - low) / count
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 2.5, 5, 10) if unit * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [float(f"{i * step:.6g}") for i in range(first, math.floor(high / step + 1e-9) + 1)]


def svg(panel: "Chart | Cells") -> str:
    """The drawing as an SVG that says its alt."""
    canvas, (width, height) = Svg(), panel.size
    panel.draw(canvas)
    return (
        f'<svg role="img" aria-label="{html.escape(panel.alt)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" style="max-width:100%;font-family:inherit">{"".join(canvas.parts)}</svg>'
    )


@dataclass
class Cells:
    """A table of shares: each cell is as bright as its number, which stands in it.

    Args:
        values: (rows, columns) in [0, 1]
        alt: what a reader who cannot see it is told
        rows, columns: labels beside and above the cells
        each: side of a cell in pixels
    """

    title: str
    values: Any
    alt: str
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    each: int = 72

    def __post_init__(self):
        self.values = np.asarray(self.values, dtype=float)
        if self.values.ndim != 2 or not ((self.values >= 0) & (self.values <= 1 + 1e-6)).all():  # written so that NaN fails too
            raise ValueError(f"the cells “{self.title}” need (rows, columns) of numbers in [0, 1], got shape {self.values.shape}")
        self.left = max((round(6.6 * len(label)) + 8 for label in self.rows), default=1)
        self.top = 40 if self.columns else 23

    @property
    def size(self) -> tuple[int, int]:
        high, wide = self.values.shape
        return max(self.left + wide * self.each + 1, round(7.2 * len(self.title))), self.top + high * self.each + 1

    def html(self) -> str:
        return svg(self)

    def draw(self, canvas: Svg | Pixels) -> None:
        canvas.text(0, 15, self.title, 12, bold=True)
        high, wide = self.values.shape
        right, bottom = self.left + wide * self.each, self.top + high * self.each
        for j, label in enumerate(self.columns):
            canvas.text(self.left + (j + 0.5) * self.each, 34, label, 11, "middle", color=GREY)
        for i, label in enumerate(self.rows):
            canvas.text(self.left - 6, self.top + (i + 0.5) * self.each + 4, label, 11, "end", color=GREY)
        for (i, j), value in np.ndenumerate(self.values):
            x, y, grey = self.left + j * self.each, self.top + i * self.each, round(255 * min(value, 1.0))
            canvas.rect(x, y, self.each, self.each, f"#{grey:02x}{grey:02x}{grey:02x}")
            color = INK if value > 0.5 else "#ffffff"  # the one that stands out more
            canvas.text(x + self.each / 2, y + self.each / 2 + 5, f"{value:.2f}", 14, "middle", color=color)
        for i in range(high + 1):
            canvas.line((self.left, right), (self.top + i * self.each,) * 2, GREY, 1)
        for j in range(wide + 1):
            canvas.line((self.left + j * self.each,) * 2, (self.top, bottom), GREY, 1)


@dataclass
class Strips:
    """Rows of small pictures, each row with its label on the left.

    Args:
        rows: (label, images (n, c, h, w), alt) of each row; without images it says "none"
        each: about how wide one picture is on the screen; whole multiples of its pixels are used
        wrap: pictures in one line; longer rows take several
        columns: a label above each picture
        width: at least so many pixels, to line up with what is below
    """

    title: str
    rows: Sequence[tuple[str, Any, str]]
    each: int = 48
    wrap: int | None = None
    columns: Sequence[str] = ()
    width: int = 0

    def __post_init__(self):
        self.made = None  # the HTML, once made: an explorer may show the same strips again
        # a missing row is as high as the first row with pictures, so that nothing jumps when it empties
        height, width = next((images.shape[-2:] for _, images, _ in self.rows if len(images)), (self.each, self.each))
        scale = max(1, round(self.each / width))
        self.pitch, self.empty = (width + 1) * scale, height * scale
        self.sheets = []
        for _, images, _ in self.rows:
            sheet = tile(images, self.wrap or len(images)) if len(images) else None
            self.sheets.append(None if sheet is None else (sheet, sheet.shape[1] * scale, sheet.shape[0] * scale))
        self.left = max((round(6.6 * len(label)) + 10 for label, _, _ in self.rows if label), default=0)

    @property
    def size(self) -> tuple[int, int]:
        pictures = [sheet[1] for sheet in self.sheets if sheet]
        wide = max([self.width - self.left, round(7.2 * len(self.title)) - self.left, self.pitch * len(self.columns), *pictures])
        tall = sum(sheet[2] if sheet else self.empty for sheet in self.sheets) + 5 * (len(self.sheets) - 1)
        return self.left + wide, 22 + (16 if self.columns else 0) + tall

    def html(self) -> str:
        if self.made is None:
            cells = []
            if self.columns:
                spans = "".join(f'<span style="width:{self.pitch}px;text-align:center">{html.escape(c)}</span>' for c in self.columns)
                cells.append(f'<span></span><div style="display:flex;font-size:10px;color:{GREY}">{spans}</div>')
            for (label, _, alt), sheet in zip(self.rows, self.sheets, strict=True):
                none = f'<span style="color:{GREY};font-size:11px;line-height:{self.empty}px">none</span>'
                cells.append(f'<span style="font-size:11px">{html.escape(label)}</span>')
                cells.append(f"<div>{picture(sheet[0], alt, sheet[1]) if sheet else none}</div>")
            grid = f"display:grid;grid-template-columns:{self.left}px auto;row-gap:5px;align-items:center;justify-content:start"
            heading = f'<div style="font-size:12px;font-weight:600;line-height:22px;height:22px">{html.escape(self.title)}</div>'
            self.made = f'<div style="min-width:{self.width}px">{heading}<div style="{grid}">{"".join(cells)}</div></div>'
        return self.made

    def draw(self, canvas: Pixels) -> None:
        canvas.text(0, 15, self.title, 12, bold=True)
        y = 22
        if self.columns:
            for i, label in enumerate(self.columns):
                canvas.text(self.left + (i + 0.5) * self.pitch, y + 11, label, 10, "middle", color=GREY)
            y += 16
        for (label, _, _), sheet in zip(self.rows, self.sheets, strict=True):
            height = sheet[2] if sheet else self.empty
            canvas.text(0, y + height / 2 + 4, label)
            if sheet:
                canvas.image(self.left, y, sheet[1], sheet[2], png(sheet[0]))
            else:
                canvas.text(self.left, y + height / 2 + 4, "none", color=GREY)
            y += height + 5


@dataclass
class Table:
    """Rows of words and numbers under headings.

    Args:
        rows: heading → text, the same headings in each row;  alt: what it shows, in words
        bold: a heading whose column stands out;  marked: numbers of rows that stand out
    """

    title: str
    rows: Sequence[Mapping[str, str]]
    alt: str
    bold: str = ""
    marked: Sequence[int] = ()

    LINE, GAP = 19, 16  # pixels: height of a row, space between two columns

    @property
    def widths(self) -> list[int]:
        return [round(6.2 * max(len(heading), *(len(row[heading]) for row in self.rows))) + self.GAP for heading in self.rows[0]]

    @property
    def size(self) -> tuple[int, int]:
        return max(sum(self.widths), round(7.2 * len(self.title))), 24 + self.LINE * (len(self.rows) + 1)

    def html(self) -> str:
        cell = f"padding:0 {self.GAP // 2}px;height:{self.LINE}px;line-height:{self.LINE}px;font-size:11px;white-space:nowrap"

        def line(tag: str, row: Mapping[str, str], style: str = "") -> str:
            cells = (
                f'<{tag} style="{cell};text-align:{"left" if i == 0 else "right"};font-weight:{600 if h == self.bold else 400}">'
                f"{html.escape(text)}</{tag}>"
                for i, (h, text) in enumerate(row.items())
            )
            return f'<tr style="background:none;{style}">{"".join(cells)}</tr>'

        head = line("th", {h: h for h in self.rows[0]}, f"border-bottom:1px solid {GREY}")
        body = "".join(line("td", row, "color:#1a66c2" if i in self.marked else "") for i, row in enumerate(self.rows))
        return (
            f'<div style="overflow-x:auto;max-width:100%">'
            f'<div style="font-size:12px;font-weight:600;line-height:22px">{html.escape(self.title)}</div>'
            f'<table aria-label="{html.escape(self.alt)}" style="border-collapse:collapse;margin:0">'
            f"<thead>{head}</thead><tbody>{body}</tbody></table></div>"
        )

    def draw(self, canvas: Pixels) -> None:
        canvas.text(0, 15, self.title, 12, bold=True)
        for i, row in enumerate([{h: h for h in self.rows[0]}, *self.rows]):
            right, color = 0, "#1a66c2" if i - 1 in self.marked else INK
            for j, ((heading, text), width) in enumerate(zip(row.items(), self.widths, strict=True)):
                right += width
                at, anchor = (0, "start") if j == 0 else (right - self.GAP // 2, "end")
                canvas.text(at, 37 + self.LINE * i, text, 11, anchor, color=color, bold=heading == self.bold)
        canvas.line((0, sum(self.widths)), (42, 42), GREY, 1)


@dataclass
class Note:
    """A sentence or two under the pictures."""

    text: str
    width: int = 640

    @property
    def lines(self) -> list[str]:
        return textwrap.wrap(self.text, int(self.width / 6.4))

    @property
    def size(self) -> tuple[int, int]:
        return self.width, 6 + 17 * len(self.lines)

    def html(self) -> str:
        return f'<div style="font-size:12px;line-height:17px;max-width:{self.width}px">{html.escape(self.text)}</div>'

    def draw(self, canvas: Pixels) -> None:
        for i, line in enumerate(self.lines):
            canvas.text(0, 13 + 17 * i, line, 12)


def figure_png(size: tuple[float, float], draw: Callable[[Pixels], None], scale: float = 1.25) -> bytes:
    """Call `draw(canvas)` on a white page of `size` pixels and return the PNG, `scale` times as large."""
    width, height = size
    figure = Figure(
        figsize=(width / 100, height / 100), dpi=100 * scale, facecolor="white", layout="none"
    )  # not pyplot's: nothing to close
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    draw(Pixels(axes))
    axes.set(xlim=(0, width), ylim=(height, 0))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100 * scale)
    return buffer.getvalue()


@dataclass
class Drawing:
    """What `draw(canvas)` paints on `width` × `height` pixels: a panel of an explorer, or a figure of its own.

    alt: what a reader who cannot see it is told
    """

    alt: str
    width: int
    height: int
    draw: Callable[[Svg | Pixels], None]

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    def html(self) -> str:
        return svg(self)

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict]:
        content = base64.b64encode(figure_png(self.size, self.draw)).decode()
        return {"text/plain": self.alt, "image/png": content}, {"image/png": {"alt": self.alt}}
