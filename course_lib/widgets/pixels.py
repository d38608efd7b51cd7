"""Pictures whose pixels are framed, hidden or clicked on."""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np

from ..plotting.panels import CYCLE, ramp, to_uint8

UNDRAWN = np.array([201, 215, 233])  # neither black nor white: nothing is known there
EDITOR = 280  # pixels on the screen: side of a picture to click on
ON_PAPER = {"margin": "0", "grid_area": "1 / 1 / 2 / 2"}  # where the picture lies, and the buttons on it


def rgb(color: str) -> list[int]:
    """ "#bd1f01" → [189, 31, 1]."""
    return list(bytes.fromhex(color[1:]))


def framed(images: Any, colors: Sequence[str]) -> np.ndarray:
    """A rim of one pixel around each picture, in its colour: (n, 1, h, w) or (n, 3, h, w) → uint8 (n, 3, h + 2, w + 2)."""
    inside = to_uint8(images)
    n, _, h, w = inside.shape
    framed = np.empty((n, 3, h + 2, w + 2), np.uint8)
    framed[:] = np.array([rgb(color) for color in colors], np.uint8)[:, :, None, None]
    framed[:, :, 1:-1, 1:-1] = inside
    return framed


def mark_one(images: Any, which: int) -> np.ndarray:
    """The images with a rim each: red around the one at `which`, white around the others."""
    return framed(images, [CYCLE[1] if i == which else "#ffffff" for i in range(len(images))])


def filled_in(pictures: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """What was given in grey, what was drawn where it was hidden (h, w) in blue: (n, h, w) in [0, 1] → uint8 (n, 3, h, w)."""
    return np.where(hidden[..., None], ramp(pictures, (9, 22, 60), (140, 205, 255)), ramp(pictures)).transpose(0, 3, 1, 2)


def across_the_edge(images: np.ndarray, hidden: np.ndarray) -> float:
    """Mean |difference| of neighbours of which one is hidden and one is not: images (n, h, w)."""
    gaps = []
    for axis in (0, 1):
        edge = np.diff(hidden, axis=axis)  # of booleans: where they differ
        gaps.append(np.abs(np.diff(images, axis=axis + 1))[:, edge].ravel())
    return float(np.concatenate(gaps).mean())


# --------------------------------------------------------------------------------------------------------------------
# A picture to click on


def clickable(rows: int, columns: int, click: Callable[[int], None]) -> widgets.GridBox:
    """Invisible buttons to lie on a picture, in reading order: a click then changes one picture, not the colour of many buttons.

    click: called with the button's place, counted from 0
    """
    side = EDITOR // max(rows, columns)
    # one layout and one style for all. The padding pushes the name out of sight; a screen reader still finds it
    layout = widgets.Layout(width=f"{side}px", height=f"{side}px", min_width="0", padding=f"0 0 0 {side}px", margin="0")
    style = widgets.ButtonStyle(button_color="transparent")
    # sliders do for the keyboard; nobody shall press Tab 784 times to leave. Version 7 does not know it
    extra = {"tabbable": False} if widgets.Button.class_traits().get("tabbable") else {}
    names = [f"row {row + 1}, column {column + 1}" for row in range(rows) for column in range(columns)]
    buttons = [widgets.Button(description=name, layout=layout, style=style, **extra) for name in names]
    for i, button in enumerate(buttons):
        button.on_click(lambda _button, i=i: click(i))
    size = {"width": f"{side * columns}px", "height": f"{side * rows}px"}
    across = {"grid_template_columns": f"repeat({columns}, {side}px)", "grid_auto_rows": f"{side}px"}
    return widgets.GridBox(buttons, layout=widgets.Layout(**across, **ON_PAPER, **size))


def on_paper(*grids: widgets.GridBox) -> tuple[widgets.HTML, widgets.GridBox]:
    """The paper for a picture, and the same with grids of invisible buttons on it."""
    paper, side = widgets.HTML(layout=widgets.Layout(**ON_PAPER)), f"{EDITOR}px"
    one_cell = widgets.Layout(grid_template_columns=side, grid_template_rows=side, width=side, height=side, margin="2px 2px 2px 10px")
    return paper, widgets.GridBox([paper, *grids], layout=one_cell)


def ruled(picture: np.ndarray, side: int, row: int, column: int, rim: int) -> np.ndarray:
    """A picture (h, w, 3) with lines between its cells, `side` pixels wide, and a red frame around the one under the cursor."""
    ruled = picture.copy()
    ruled[::side], ruled[:, ::side] = 96, 96  # a grey that is seen on black and on white
    y, x = side * row, side * column
    ruled[y : y + side + 1, x : x + side + 1] = rgb(CYCLE[1])
    inside = np.s_[y + rim : y + side + 1 - rim, x + rim : x + side + 1 - rim]
    ruled[inside] = picture[inside]
    return ruled
