"""Sampling one value after the other: naive, and with what was computed before kept; temperature, top-k and nucleus."""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..distributions import uniforms_for
from ..nn import check_whole, checked, one_hot
from .layers import GatedLayer, gate


def raster(shape: Sequence[int]) -> list[tuple[int, int, int]]:
    """The order in which colours of pixels are drawn: (colour, row, column) for each."""
    return [(c, i, j) for i in range(shape[1]) for j in range(shape[2]) for c in range(shape[0])]


def canvas(model: nn.Module, n: int, given: Tensor | None, known: Tensor | None) -> tuple[Tensor, Tensor]:
    """The images to be filled in, (n, *shape) with 0 where nothing is known yet, and the mask of what is known."""
    device = next(model.parameters()).device
    if given is None and known is None:
        given, known = torch.zeros(1, *model.shape, dtype=torch.long), torch.zeros(1, *model.shape, dtype=torch.bool)
    for name, value in (("given", given), ("known", known)):
        if value is None or tuple(value.shape) not in ((n, *model.shape), (1, *model.shape)):
            got = "none" if value is None else tuple(value.shape)
            raise ValueError(f"completion needs given and known, each of shape {(n, *model.shape)} or for one image, got {got} for {name}")
    checked(known, "known")
    checked(given, "given", finite=False)  # where it is not known, anything may stand
    known = known.to(device).bool().expand(n, *model.shape)
    x = torch.where(known, given.to(device), 0)
    check_whole(x, model.levels, model.shape, name="given")
    return x.long(), known


@torch.no_grad()
def sample_naive(
    model: nn.Module,
    n: int,
    *,
    y: Tensor | None = None,
    temperature: float = 1.0,
    uniforms: Tensor | None = None,
    given: Tensor | None = None,
    known: Tensor | None = None,
) -> Tensor:
    """n images by a whole pass of the network for every pixel.

    Args:
        y: (n,) labels, for a model with classes
        temperature: below 1 the likely values become likelier
        uniforms: (n, height · width · colours), one for each draw: rows, columns, colours;
            drawn when left out
        given, known: whole numbers (n, *shape) or (1, *shape) and a bool mask of the pixels to keep, for completion

    Returns:
        whole numbers (n, *shape), int64

    Raises:
        ValueError: a label missing or needless, uniforms or images of another shape, a temperature that is not above 0
    """
    uniforms = uniforms_for(model, n, math.prod(model.shape), temperature, uniforms)
    x, known = canvas(model, n, given, known)
    for turn, (c, i, j) in enumerate(raster(model.shape)):
        drawn = model.draw(model.logits(x, y)[:, c, :, i, j], uniforms[:, turn], temperature)
        x[:, c, i, j] = torch.where(known[:, c, i, j], x[:, c, i, j], drawn)
    return x


class CachedLayer:
    """A `GatedLayer` while an image is drawn: it keeps the rows above, and what its row has had so far."""

    def __init__(self, layer: GatedLayer, n: int, columns: int, given: Tensor | None):
        weight = layer.horizontal.weight
        self.layer, self.reach = layer, layer.reach * layer.dilation
        self.back = range(self.reach, -1, -layer.dilation)  # how far back each tap of the horizontal kernel looks
        self.taps = weight[:, :, 0].permute(2, 1, 0).flatten(0, 1).contiguous()  # all taps as one matrix, (taps · width, 2 · width)
        self.out = as_matrix(layer.out)
        self.above = weight.new_zeros(n, weight.shape[1], self.reach + 1, columns + 2 * self.reach)
        self.nothing = [weight.new_zeros(n, weight.shape[1])] * self.reach  # left of the image
        bias = weight.new_zeros(1, 2 * len(weight)) if given is None else layer.given(given)
        self.bias_v, self.bias_h = bias[:, :, None].chunk(2, 1)

    def begin_row(self, v: Tensor) -> Tensor:
        """The vertical stack for a whole row: v (n, width, columns) → the same. What it says to the horizontal stack is kept."""
        self.above = torch.cat([self.above[:, :, 1:], F.pad(v, (self.reach, self.reach))[:, :, None]], 2)
        v = self.layer.vertical(self.above)
        said = self.layer.link(v)[:, :, 0] + self.layer.horizontal.bias[:, None] + self.bias_h
        self.said = said.permute(2, 0, 1).contiguous().unbind()  # (n, 2 · width) for each column
        self.so_far = self.nothing.copy()
        return gate(v[:, :, 0] + self.bias_v)

    def step(self, h: Tensor, j: int) -> Tensor:
        """The horizontal stack at column j: h (n, width) → (n, width)."""
        self.so_far.append(h)
        seen = torch.cat([self.so_far[-1 - back] for back in self.back], 1)
        across = torch.addmm(self.said[j], seen, self.taps)
        return h + torch.addmm(self.out[1], gate(across), self.out[0])


def as_matrix(layer: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """A 1×1 convolution as (inputs, outputs) and its bias, for `addmm`."""
    return layer.weight.flatten(1).T.contiguous(), layer.bias


@torch.no_grad()
def sample_cached(
    model: nn.Module,
    n: int,
    *,
    y: Tensor | None = None,
    temperature: float = 1.0,
    uniforms: Tensor | None = None,
    given: Tensor | None = None,
    known: Tensor | None = None,
    draw: Callable[[Tensor, Tensor, float], Tensor] | None = None,
) -> Tensor:
    """The same pixels as `sample_naive` under the same uniforms; the vertical stack runs once a row, the horizontal one once a pixel.

    draw: in the place of `model.draw`, (outputs (n, numbers), uniforms (n,), temperature) → values (n,), such as those in a code

    All other arguments, result and errors are those of `sample_naive`. Where completion has nothing to draw, nothing is computed.
    """
    draw = draw or model.draw
    colours, height, columns = model.shape
    uniforms = uniforms_for(model, n, colours * height * columns, temperature, uniforms).unbind(1)
    x, known = canvas(model, n, given, known)
    label = one_hot(y, n, model.classes, model.first_h.weight)
    layers = [CachedLayer(layer, n, columns, label) for layer in model.layers]
    place_v, place_h = model.places(height, columns)
    first = as_matrix(model.first_h)
    heads = [(as_matrix(head[0]), as_matrix(head[2])) for head in model.heads]
    # two rows above and two columns to the left, of nothing
    scaled = F.pad(model.scaled(x) * known, (2, 0, 2, 0))
    wanted = (~known.all(0).all(0)).tolist()
    last = [max((j for j in range(columns) if row[j]), default=-1) for row in wanted]  # the last column to be drawn in each row
    for i in range(height):
        if max(last[i:]) < 0:
            break
        v = model.first_v(F.pad(scaled[:, :, i : i + 2, 2:], (1, 1)))[:, :, 0] + place_v[:, :, i]
        for layer in layers:
            v = layer.begin_row(v)
        for j in range(last[i] + 1):
            h = torch.addmm(first[1], scaled[:, :, i + 2, j : j + 2].flatten(1), first[0]) + place_h[:, :, i, j]
            for layer in layers:
                h = layer.step(h, j)
            if not wanted[i][j]:
                continue
            features = F.silu(h)
            for c, (before, after) in enumerate(heads):
                seen = torch.cat([features, scaled[:, :c, i + 2, j + 2]], 1) if c else features
                logits = torch.addmm(after[1], F.silu(torch.addmm(before[1], seen, before[0])), after[0])
                drawn = draw(logits, uniforms[(i * columns + j) * colours + c], temperature)
                drawn = torch.where(known[:, c, i, j], x[:, c, i, j], drawn)
                x[:, c, i, j] = drawn
                scaled[:, c, i + 2, j + 2] = model.scaled(drawn)
    return x


@torch.no_grad()
def sample_parallel(
    model: nn.Module,
    n: int,
    *,
    y: Tensor | None = None,
    temperature: float = 1.0,
    uniforms: Tensor | None = None,
    given: Tensor | None = None,
    known: Tensor | None = None,
) -> tuple[Tensor, int]:
    """The same pixels again, all guessed at once and corrected until nothing changes.

    Each pass draws every pixel from what the last pass guessed for those before it. After k passes the first k pixels are final, because
    they depend on final ones only; most are right much sooner.

    Arguments and errors as for `sample_naive`.

    Returns:
        whole numbers (n, *shape), and the number of passes: at most colours · height · width + 1, of which the last one changes nothing

    Source: Song et al. 2020 (arXiv:2002.03629); Wiggers & Hoogeboom 2020 (arXiv:2002.09928).
    """
    colours, height, width = model.shape
    dims = math.prod(model.shape)
    uniforms = uniforms_for(model, n, dims, temperature, uniforms)
    x, known = canvas(model, n, given, known)
    passes, changed = 0, True
    while changed and passes <= dims:
        in_turn = model.logits(x, y).permute(0, 3, 4, 1, 2).flatten(0, 3)  # (n · dims, numbers), in the order of drawing
        drawn = model.draw(in_turn, uniforms.flatten(), temperature)
        drawn = torch.where(known, x, drawn.view(n, height, width, colours).movedim(3, 1))
        passes, changed = passes + 1, not torch.equal(drawn, x)
        x = drawn
    return x, passes
