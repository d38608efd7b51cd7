"""What a masked network can see."""

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from ...autoregressive import GatedPixelCNN, MaskedConv2d, PixelRNN, causal_mask, shift_down, shift_right
from ...plotting.panels import CYCLE, GREY, INK, Drawing, Note, outline, png
from .. import BESIDE, Explorer, int_slider, menu, plural

SIDE = 15
PIXELCNN, GATED, ROW_LSTM = "PixelCNN", "gated PixelCNN", "row LSTM"
DEEP = SIDE + 1  # layers after which nothing new comes into sight on this grid
# what a pixel can be for the output, and how it is painted
OUTPUT, SEEN, NOT_YET, BLIND, FUTURE = range(5)
COLOURS = np.array([(255, 255, 255), (120, 178, 229), (214, 232, 247), (231, 99, 0), (226, 228, 231)], dtype=np.uint8)
ITSELF = np.array((189, 31, 1), dtype=np.uint8)


def positive(module: nn.Module) -> nn.Module:
    """Every weight a small positive number and no biases: then no two ways can cancel, and a gradient is 0 only where no way leads."""
    for name, p in module.named_parameters():
        nn.init.constant_(p, 0.0 if name.endswith("bias") else 0.2)
    return module.double()


def forward(model: str, layers: int, first_mask: str, kernel: int, x: Tensor) -> Tensor:
    """The course's own layers, with one channel and positive weights: (n, 1, h, w) → (n, h, w)."""
    if model == PIXELCNN:
        for kind in (first_mask, *"B" * (layers - 1)):
            x = positive(MaskedConv2d(1, 1, kernel, kind))(x)
        return x[:, 0]
    if model == GATED:
        net = positive(GatedPixelCNN((1, SIDE, SIDE), 1, (1,) * layers, kernel, "bernoulli", 2))
        # the shift to the right does for the horizontal stack what mask A does for PixelCNN
        v = net.first_v(F.pad(shift_down(x), (1, 1, 1, 0)))
        h = net.first_h(F.pad(shift_right(x) if first_mask == "A" else x, (1, 0)))
        for layer in net.layers:
            v, h = layer(v, h)
        return h[:, 0]
    for i in range(layers):
        net = positive(PixelRNN((1, SIDE, SIDE), 1))
        net.first = positive(MaskedConv2d(1, 1, kernel, first_mask)) if i == 0 else nn.Identity()
        net.scaled, net.head = lambda x: x, nn.Identity()
        x = net.logits(x)[:, 0]
    return x[:, 0]


@cache
def sees(model: str, layers: int, first_mask: str, kernel: int) -> np.ndarray:
    """Which pixels each output depends on, by gradients: bool (h, w of the output, h, w of the input)."""
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        # one copy of the grid for each output, so that one backward pass gives all gradients
        x = torch.ones(SIDE**2, 1, SIDE, SIDE, dtype=torch.float64, requires_grad=True)
        out = forward(model, layers, first_mask, kernel, x).flatten(1).diagonal().sum()
        (gradient,) = torch.autograd.grad(out, x)
    return (gradient != 0).view(SIDE, SIDE, SIDE, SIDE).numpy()


class ReceptiveFieldExplorer(Explorer):
    """Which pixels an output depends on, which it may not, and which it never sees however deep the network is.

    Attributes:
        model, first_mask, kernel: the menus;  layers, row, column: the sliders

    Found by the gradients of the course's own layers on a grid of 15 × 15, with one channel and positive weights.
    """

    def __init__(self):
        self.model = menu("model", [PIXELCNN, GATED, ROW_LSTM])
        self.layers = int_slider("layers", 3, 1, 8)
        self.row, self.column = int_slider("row", 8, 0, SIDE - 1), int_slider("column", 6, 0, SIDE - 1)
        self.first_mask = menu("first mask", [("A: without itself", "A"), ("B: a mistake", "B")])
        self.kernel = menu("kernel", [("3 × 3", 3), ("5 × 5", 5)])
        super().__init__([self.model, self.layers, self.row, self.column, self.first_mask, self.kernel])

    def kinds(self) -> tuple[np.ndarray, bool]:
        """What each pixel is for the output, (15, 15) of OUTPUT, SEEN, NOT_YET, BLIND, FUTURE; and whether the output sees itself."""
        row, column, setting = self.row.value, self.column.value, (self.first_mask.value, self.kernel.value)
        now = sees(self.model.value, self.layers.value, *setting)[row, column]
        ever = sees(self.model.value, DEEP, *setting)[row, column]
        before = np.arange(SIDE**2).reshape(SIDE, SIDE) < row * SIDE + column
        kinds = np.where(before, np.where(now, SEEN, np.where(ever, NOT_YET, BLIND)), FUTURE)
        kinds[row, column] = OUTPUT
        return kinds, bool(now[row, column])

    def panels(self):
        kinds, itself = self.kinds()
        return [[self.grid(kinds, itself)], [self.masks()], [Note(self.words(kinds, itself), BESIDE)]]

    def grid(self, kinds: np.ndarray, itself: bool) -> Drawing:
        cell, top = 20, 26
        row, column, side = self.row.value, self.column.value, SIDE * 20
        depth = plural(self.layers.value, "layer")
        counts = [int((kinds == kind).sum()) for kind in range(5)]
        colours = COLOURS[kinds]
        if itself:
            colours[row, column] = ITSELF
        entries = [
            (COLOURS[SEEN], f"sees: {counts[SEEN]}"),
            (COLOURS[NOT_YET], f"more layers: {counts[NOT_YET]}"),
            (COLOURS[BLIND], f"blind spot: {counts[BLIND]}"),
            (COLOURS[FUTURE], f"not allowed: {counts[FUTURE]}"),
            (ITSELF if itself else COLOURS[OUTPUT], "output: sees itself" if itself else "the output"),
        ]

        def draw(canvas) -> None:
            canvas.text(
                0, 15, f"{self.model.value}, {plural(self.layers.value, 'layer')}, output at row {row}, column {column}", 12, bold=True
            )
            canvas.image(0, top, side, side, png(colours))
            for k in range(SIDE + 1):
                canvas.line((0, side), (top + k * cell,) * 2, "#ffffff", 1)
                canvas.line((k * cell,) * 2, (top, top + side), "#ffffff", 1)
            canvas.line((0, side, side, 0, 0), (top, top, top + side, top + side, top), GREY, 1)
            x, y = column * cell, top + row * cell
            outline(canvas, x, y, cell, cell, INK, 3)
            for i, (colour, label) in enumerate(entries):
                y = top + 8 + 26 * i
                canvas.rect(side + 18, y, 16, 16, GREY)
                canvas.rect(side + 19, y + 1, 14, 14, f"#{bytes(colour).hex()}")
                canvas.text(side + 41, y + 12, label, 12)

        alt = f"grid of {SIDE} × {SIDE} pixels for {self.model.value} with {depth}; the output at row {row}, "
        alt += f"column {column} sees {counts[SEEN]} earlier pixels, {counts[NOT_YET]} more with more layers, never {counts[BLIND]}; "
        alt += f"{counts[FUTURE]} come later" + ("; it sees itself" if itself else "")
        return Drawing(alt, BESIDE, top + side + 4, draw)

    def kernels(self) -> list[tuple[str, np.ndarray]]:
        """The kernels in use, name → (rows, columns) of 0 and 1 around their centre."""
        k, first = self.kernel.value, self.first_mask.value
        a, b = (causal_mask(k, kind)[0, 0].numpy() for kind in "AB")
        if self.model.value == PIXELCNN:
            return [(f"first layer: mask {first}", a if first == "A" else b), ("layers behind: mask B", b)]
        if self.model.value == GATED:
            reach = k // 2
            vertical, horizontal = np.zeros((k, k)), np.zeros((k, k))
            vertical[: reach + 1] = 1
            horizontal[reach, : reach + 1] = 1
            return [("vertical; input shifted down", vertical), (f"horizontal; {'' if first == 'A' else 'not '}shifted right", horizontal)]
        above = np.zeros((3, 3))
        above[0] = 1
        above[1, :2] = 1
        return [(f"first layer: mask {first}", a if first == "A" else b), ("LSTM: state above, left", above)]

    def masks(self) -> Drawing:
        cell, gap = 18, 232
        kernels = self.kernels()

        def draw(canvas) -> None:
            for i, (name, mask) in enumerate(kernels):
                left = i * gap
                canvas.text(left, 15, name, 12, bold=True)
                n = len(mask)
                for (r, c), value in np.ndenumerate(mask):
                    x, y = left + c * cell, 24 + r * cell
                    canvas.rect(x, y, cell - 1, cell - 1, CYCLE[0] if value else "#e2e4e7")
                    canvas.text(x + cell / 2, y + 13, f"{value:.0f}", 11, "middle", color="#ffffff" if value else GREY)
                x, y = left + n // 2 * cell - 0.5, 24 + n // 2 * cell - 0.5
                outline(canvas, x, y, cell, cell, INK)

        alt = "; ".join(f"{name}: rows {', '.join(''.join(f'{v:.0f}' for v in line) for line in mask)}" for name, mask in kernels)
        return Drawing(alt + "; the centre is framed", BESIDE, 28 + cell * max(len(mask) for _, mask in kernels), draw)

    def words(self, kinds: np.ndarray, itself: bool) -> str:
        earlier = self.row.value * SIDE + self.column.value
        seen, not_yet, blind = (int((kinds == kind).sum()) for kind in (SEEN, NOT_YET, BLIND))
        text = f"With {plural(self.layers.value, 'layer')} the output sees {seen} of {earlier} earlier pixels. "
        if not_yet:
            text += f"{not_yet} more come{'s' if not_yet == 1 else ''} into sight with more layers. "
        text += f"{blind} lie{'s' if blind == 1 else ''} in the blind spot whatever the depth. " if blind else "There is no blind spot. "
        if itself:
            text += "Mask B in the first layer is the mistake: the output sees the very pixel it shall predict. "
        if self.model.value == ROW_LSTM:
            return text + "The first layer is a masked convolution; each LSTM carries a state down, one column to either side a row."
        if self.model.value == GATED:
            return text + "The vertical stack sees all of the rows above, the horizontal one its own row."
        return (
            text
            + "Each layer goes up by rows and to the right only as far as its kernel, so the corner above on the right stays out of reach."
        )


def row_lstm_figure() -> None:
    """Show what a row LSTM reads at one place, and what becomes of its memory there."""
    grey, blue, yellow, pale = GREY, "#dcebf8", "#ffe7bd", "#f4f5f7"
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.9), width_ratios=[1, 1.2], layout="constrained")

    def box(axis, x, y, text, colour="white", wide=0.8, tall=0.7):
        axis.add_patch(Rectangle((x - wide / 2, y - tall / 2), wide, tall, facecolor=colour, edgecolor=grey))
        axis.text(x, y, text, ha="center", va="center", fontsize=11)

    def arrow(axis, *points):
        for start, end in zip(points, points[1:]):
            last = end == points[-1]
            axis.annotate("", end, start, arrowprops={"arrowstyle": "->" if last else "-", "color": grey, "shrinkA": 0, "shrinkB": 0})

    for j in range(5):
        box(left, j, 3, "$h, c$" if j == 2 else "$h$", blue if j in (1, 2, 3) else pale)
        box(left, j, 0.5, "$x$", yellow if j in (1, 2) else pale)
    for j in (1, 2, 3):
        arrow(left, (j, 2.65), (2 + 0.3 * (j - 2), 2.1))
    for j in (1, 2):
        arrow(left, (j, 0.85), (2 + 0.3 * (j - 2), 1.4))
    box(left, 2, 1.75, "LSTM", wide=1.5)
    left.text(-0.6, 3, "row above", ha="right", va="center")
    left.text(-0.6, 0.5, "this row's features", ha="right", va="center")
    left.set(xlim=(-3.6, 4.6), ylim=(0, 3.5), title="what it reads at one place")

    for x, y, text, colour, wide in (
        (1, 3, r"$\times f$", yellow, 0.9),
        (2.8, 3, "+", "white", 0.7),
        (2.8, 1.9, r"$i\odot g$", yellow, 1.1),
        (4.6, 1.9, r"$o\odot\tanh$", yellow, 1.3),
        (2.8, 0.6, "$f, i, g, o$ from convolutions of $x$ and $h_{old}$", pale, 5.4),
    ):
        box(right, x, y, text, colour, wide)
    for points in (
        [(-0.2, 3), (0.55, 3)],
        [(1.45, 3), (2.45, 3)],
        [(3.15, 3), (5.7, 3)],
        [(2.8, 2.25), (2.8, 2.65)],
        [(4.6, 3), (4.6, 2.25)],
        [(5.25, 1.9), (5.7, 1.9)],
        *([(x, 0.95), (x, y)] for x, y in ((1, 2.65), (2.8, 1.55), (4.6, 1.55))),
    ):
        arrow(right, *points)
    for x, y, text in ((-0.5, 3, "$c_{old}$"), (5.9, 3, "$c$"), (5.9, 1.9, "$h$")):
        right.text(x, y, text, ha="center", va="center", fontsize=12)
    right.set(xlim=(-1, 6.3), ylim=(0, 3.5), title="what becomes of its memory")
    for axis in (left, right):
        axis.axis("off")
    plt.show()
