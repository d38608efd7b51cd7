"""The explorer of models of sound."""

import math

import numpy as np

from ...datasets import RATE
from ...plotting.panels import CYCLE, GREY, Chart, Drawing, Line, Mark, Note
from .. import HALF, WIDE, Explorer, int_slider, menu, plural

WIDTH = 32  # channels of the WaveNet whose cost is counted
LAYERS = 9


def dilations(kind: str, layers: int) -> list[int]:
    """Of each layer, from the input upwards."""
    return [2**k if kind == "dilated" else 1 for k in range(layers)]


def tree(steps: list[int]) -> list[list[int]]:
    """How far back each level reaches for one output: the input's places first, the output's [0] last."""
    levels = [[0]]
    for d in reversed(steps):
        levels.append(sorted({back + way for back in levels[-1] for way in (0, d)}))
    return levels[::-1]


class DilationExplorer(Explorer):
    """Causal convolutions with two taps, dilated as in WaveNet or plain: what one output can hear, and what a new sample costs.

    Attributes:
        layers: the slider;  kind: the menu
    """

    def __init__(self):
        self.layers = int_slider("layers", 4, 1, LAYERS)
        self.kind = menu("kind", ["dilated", "plain"])
        super().__init__([self.layers, self.kind])

    def panels(self):
        kind, layers = self.kind.value, self.layers.value
        levels = tree(dilations(kind, layers))
        # with a ring each layer computes one new value; without, all that the output needs, and neither counts the input
        nodes = sum(map(len, levels[1:]))
        each = 6 * WIDTH**2  # two taps to 2 · width channels, then a mix to 2 · width
        return [[self.drawing(levels)], [self.field(), self.cost()], [Note(self.words(len(levels[0]), nodes, each), WIDE)]]

    def drawing(self, levels: list[list[int]]) -> Drawing:
        layers, field = self.layers.value, len(levels[0])
        window = max(16, min(2**layers, 4 * 2 ** math.ceil(math.log2(field))))  # samples in sight
        left, right, top, step = 70, WIDE - 12, 40, max(16, min(46, 220 // layers))
        bottom = top + step * layers
        pitch = (right - left) / (window - 1)

        def x(back):
            return right - pitch * np.asarray(back, dtype=float)

        def draw(canvas) -> None:
            title = f"{plural(layers, 'layer')}, {self.kind.value}: one output hears {plural(field, 'sample')}"
            canvas.text(0, 15, title, 12, bold=True)
            faint = np.arange(window)
            if window <= 128:
                for level in range(layers + 1):
                    canvas.strokes(x(faint)[:, None], np.full((window, 1), bottom - step * level), "#ccd2d8", min(7.0, 0.6 * pitch))
            for level, d in enumerate(dilations(self.kind.value, layers), 1):
                above = np.repeat(levels[level], 2)
                below = above + np.tile([0, d], len(levels[level]))
                y = bottom - step * level
                canvas.strokes(np.stack([x(below), x(above)], 1), np.tile([y + step, y], (len(above), 1)), CYCLE[0], 1.4, 0.8)
                canvas.text(left - 10, y + 4, f"step {d}", 10, "end", color=GREY)
            for level, places in enumerate(levels):
                size = max(6.0 if level == layers else 2.5, min(8.0, 0.7 * pitch))
                colour = CYCLE[1] if level == layers else CYCLE[2] if level == 0 else CYCLE[0]
                canvas.strokes(x(places)[:, None], np.full((len(places), 1), bottom - step * level), colour, size)
            canvas.text(left - 10, bottom + 4, "sound", 10, "end", color=GREY)
            canvas.text(right, top - 9, "output", 10, "end", color=CYCLE[1])
            for back in sorted({0, window // 4, window // 2, 3 * window // 4, window - 1}):
                canvas.text(float(x(back)), bottom + 20, "now" if back == 0 else f"−{back}", 10, "middle", color=GREY)
            canvas.text((left + right) / 2, bottom + 36, "samples of the past", 11, "middle")

        alt = f"tree of {plural(layers, 'layer')} of {self.kind.value} causal convolutions; the output hears {plural(field, 'sample')}; "
        alt += "used in each layer from the sound up: " + ", ".join(str(len(places)) for places in levels)
        return Drawing(alt, WIDE, bottom + 42, draw)

    def field(self) -> Chart:
        depths = np.arange(1, LAYERS + 1)
        fields = {kind: np.array([1 + sum(dilations(kind, n)) for n in depths]) for kind in ("dilated", "plain")}
        here = int(fields[self.kind.value][self.layers.value - 1])
        return Chart(
            "receptive field",
            "layers",
            "samples",
            f"receptive field against layers, logarithmic; {self.kind.value} with {self.layers.value}: {here}",
            [Line(depths, fields["dilated"], "dilated: 2ⁿ"), Line(depths, fields["plain"], "plain: n + 1", CYCLE[2])],
            marks=[Mark(self.layers.value, here, str(here), CYCLE[1])],
            log_y=True,
            x_range=(0.7, LAYERS + 0.3),
            y_range=(1.5, 800),
            x_ticks={int(n): str(n) for n in depths},
            width=HALF,
            height=230,
        )

    def cost(self) -> Chart:
        depths, each = np.arange(1, LAYERS + 1), 6 * WIDTH**2
        without = np.array([each * sum(map(len, tree(dilations(self.kind.value, n))[1:])) for n in depths])
        k = self.layers.value - 1
        return Chart(
            f"multiplications for each new sample, {self.kind.value}",
            "layers",
            "thousand multiplications",
            f"multiplications per new sample; with {k + 1} layers {without[k]:,} without a ring buffer, {each * (k + 1):,} with one",
            [
                Line(depths, without / 1000, f"without: {without[k]:,}"),
                Line(depths, each * depths / 1000, f"ring buffer: {each * (k + 1):,}", CYCLE[2]),
            ],
            marks=[Mark(k + 1, without[k] / 1000, color=CYCLE[0]), Mark(k + 1, each * (k + 1) / 1000, color=CYCLE[2])],
            log_y=True,
            x_range=(0.7, LAYERS + 0.3),
            y_range=(3, 8e3),
            x_ticks={int(n): str(n) for n in depths},
            width=HALF,
            height=230,
        )

    def words(self, field: int, nodes: int, each: int) -> str:
        layers = self.layers.value
        text = f"The output hears {plural(field, 'sample')}, {1000 * field / RATE:g} ms at {RATE:,} Hz. "
        text += f"Without memory a new sample needs {plural(nodes, 'node')} of the tree, {nodes * each:,} multiplications; with a ring "
        text += f"buffer in each layer only the newest of each, {plural(layers, 'node')}, {layers * each:,}"
        text += f": {nodes / layers:.1f} times fewer. " if nodes > layers else ", for there is nothing to keep yet. "
        return text + f"One node of a WaveNet with {WIDTH} channels takes {each:,}; the output layers come on top either way."
