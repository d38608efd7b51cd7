"""Layers that never look ahead: masked convolutions, the gated layer without a blind spot, causal convolutions in one dimension."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn import tensors


def check_odd(kernel: int) -> None:
    """Raise ValueError unless a kernel of this size has a centre."""
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"a kernel needs a centre, so its size must be odd, got {kernel}")


@tensors(finite="groups_out groups_in", whole="groups_out groups_in")
def causal_mask(kernel: int, kind: str, groups_out: Tensor | None = None, groups_in: Tensor | None = None) -> Tensor:
    """Which weights of a kernel × kernel convolution may stay: those above the centre, and in its row those left of it.

    Args:
        kernel: odd
        kind: "A" leaves out the centre, for the first layer; "B" keeps it, for the layers behind, whose inputs are safe already
        groups_out, groups_in: the colour (0, 1, 2 for red, green, blue) of each output and input channel. At the centre a channel sees
            colours before its own, and with "B" its own too

    Returns:
        (outputs, inputs, kernel, kernel) of 0 and 1; one channel each when no groups are given

    Raises:
        ValueError: an even kernel, or another kind than A and B

    Source: van den Oord et al. 2016 (arXiv:1601.06759), section 3.4.
    """
    check_odd(kernel)
    if kind not in ("A", "B"):
        raise ValueError(f"unknown mask {kind!r}; choose A for the first layer or B for those behind it")
    groups_out = torch.zeros(1) if groups_out is None else groups_out
    groups_in = torch.zeros(1) if groups_in is None else groups_in
    centre = kernel // 2
    mask = torch.zeros(len(groups_out), len(groups_in), kernel, kernel)
    mask[:, :, :centre] = 1
    mask[:, :, centre, :centre] = 1
    before, own = groups_in[None] < groups_out[:, None], groups_in[None] == groups_out[:, None]
    mask[:, :, centre, centre] = (before | own if kind == "B" else before).float()
    return mask


def colours_of(channels: int, colours: int) -> Tensor:
    """Channels shared out to the colours in turn: 0, 1, 2, 0, 1, 2, …"""
    return torch.arange(channels) % colours


class MaskedConv2d(nn.Conv2d):
    """A convolution whose kernel is cut by `causal_mask`: (batch, inputs, height, width) → (batch, outputs, height, width).

    Args:
        kernel, kind: as in `causal_mask`
        colours: among which the channels are shared out in turn
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, kind: str, colours: int = 1):
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        self.register_buffer("mask", causal_mask(kernel, kind, colours_of(outputs, colours), colours_of(inputs, colours)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


def shift_down(x: Tensor) -> Tensor:
    """Every row takes the place of the next; the first is 0."""
    return F.pad(x, (0, 0, 1, 0))[:, :, :-1]


def shift_right(x: Tensor) -> Tensor:
    """Every column takes the place of the next; the first is 0."""
    return F.pad(x, (1, 0))[..., :-1]


def gate(x: Tensor) -> Tensor:
    """tanh(a) · σ(b) of the two halves of the channels."""
    a, b = x.chunk(2, 1)
    return torch.tanh(a) * torch.sigmoid(b)


class GatedLayer(nn.Module):
    """Two stacks: the vertical one sees all rows so far, the horizontal one its row so far and what the vertical one says. No blind spot.

    Both inputs are shifted once, before the first layer, so every layer may look at its own place.

    Args:
        width: channels of each stack
        kernel: odd; the vertical kernel has kernel // 2 + 1 rows and `kernel` columns, the horizontal one kernel // 2 + 1 columns
        dilation: pixels from one tap to the next
        given: size of a vector that every place sees, such as a label; 0 for none

    Source: van den Oord et al. 2016 (arXiv:1606.05328), section 2.
    """

    def __init__(self, width: int, kernel: int = 3, dilation: int = 1, given: int = 0):
        super().__init__()
        check_odd(kernel)
        self.reach, self.dilation = kernel // 2, dilation
        self.vertical = nn.Conv2d(width, 2 * width, (self.reach + 1, kernel), dilation=dilation)
        self.horizontal = nn.Conv2d(width, 2 * width, (1, self.reach + 1), dilation=dilation)
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.out = nn.Conv2d(width, width, 1)
        self.given = nn.Linear(given, 4 * width, bias=False) if given else None

    def forward(self, v: Tensor, h: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """v, h (batch, width, height, width of the image), given (batch, given) → the new v and h, of the same shapes."""
        reach = self.reach * self.dilation
        v = self.vertical(F.pad(v, (reach, reach, reach, 0)))
        across = self.horizontal(F.pad(h, (reach, 0))) + self.link(v)
        if self.given is not None:
            bias_v, bias_h = self.given(given)[:, :, None, None].chunk(2, 1)
            v, across = v + bias_v, across + bias_h
        return gate(v), h + self.out(gate(across))


class CausalConv1d(nn.Conv1d):
    """A dilated convolution in time that sees the present and the past: (batch, inputs, time) → (batch, outputs, time)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 2, dilation: int = 1):
        super().__init__(inputs, outputs, kernel, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, ((self.kernel_size[0] - 1) * self.dilation[0], 0)))
