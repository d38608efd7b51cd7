"""Network pieces that several topics share."""

import functools
import inspect
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checkpoints import plain


def keeps_config(init: Callable) -> Callable:
    """An `__init__` that keeps its arguments, defaults included, as `model.config`: `type(model)(**model.config)` builds the model again.

    Tuples are kept as lists, as JSON gives them back.
    """
    signature = inspect.signature(init)

    @functools.wraps(init)
    def init_and_keep(self, *args, **kwargs):
        init(self, *args, **kwargs)
        given = signature.bind(self, *args, **kwargs)
        given.apply_defaults()
        _, *named = given.arguments.items()
        self.config = {name: plain(list(value) if isinstance(value, tuple | list) else value) for name, value in named}

    return init_and_keep


def mlp(sizes: Sequence[int], activation: type[nn.Module] = nn.SiLU) -> nn.Sequential:
    """Linear layers with an activation between them, none after the last: (batch, sizes[0]) → (batch, sizes[-1])."""
    layers = []
    for i, (inputs, outputs) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        layers += [nn.Linear(inputs, outputs)] + ([activation()] if i < len(sizes) - 2 else [])
    return nn.Sequential(*layers)


def mlp_encoder(shape: Sequence[int], hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Images (batch, *shape) → (batch, outputs)."""
    return nn.Sequential(nn.Flatten(), mlp([math.prod(shape), *hidden, outputs]))


def mlp_decoder(inputs: int, hidden: Sequence[int], shape: Sequence[int]) -> nn.Sequential:
    """(batch, inputs) → logits or means (batch, *shape)."""
    return nn.Sequential(mlp([inputs, *hidden, math.prod(shape)]), nn.Unflatten(1, tuple(shape)))


def conv_encoder(shape: Sequence[int], channels: Sequence[int], outputs: int) -> nn.Sequential:
    """Images (batch, *shape) → (batch, outputs); every entry of `channels` halves height and width.

    Height and width must be divisible by 2 ** len(channels).
    """
    height, width = _coarsest(shape, channels)
    sizes = [shape[0], *channels]
    layers = [layer for a, b in zip(sizes[:-1], sizes[1:], strict=True) for layer in (nn.Conv2d(a, b, 4, 2, 1), nn.SiLU())]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * height * width, outputs))


def conv_decoder(inputs: int, channels: Sequence[int], shape: Sequence[int]) -> nn.Sequential:
    """(batch, inputs) → logits or means (batch, *shape); the mirror image of `conv_encoder` with the same `channels`."""
    height, width = _coarsest(shape, channels)
    sizes = [*channels[::-1], shape[0]]
    layers = [nn.Linear(inputs, channels[-1] * height * width), nn.Unflatten(1, (channels[-1], height, width))]
    for a, b in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.SiLU(), nn.ConvTranspose2d(a, b, 4, 2, 1)]
    return nn.Sequential(*layers)


def _coarsest(shape: Sequence[int], channels: Sequence[int]) -> tuple[int, int]:
    check_halvings(shape, len(channels))
    factor = 2 ** len(channels)
    return shape[1] // factor, shape[2] // factor


def check_halvings(shape: Sequence[int], times: int = 2) -> None:
    """Raise ValueError unless height and width of (channels, height, width) can be halved so many times."""
    factor = 2**times
    if shape[1] % factor or shape[2] % factor:
        raise ValueError(f"{times} halvings need height and width divisible by {factor}, got {shape[1]} × {shape[2]}")


def one_hot(y: Tensor | None, classes: int, like: Tensor) -> Tensor | None:
    """The label of each example as layers take it, None for a model without classes.

    Args:
        y: (batch,), whole numbers from 0 to classes − 1; None where there are no classes
        like: a tensor of the type that is wanted, on the device that is

    Returns:
        (batch, classes)

    Raises:
        ValueError: the model has classes and y is missing, or it has none and y is given
    """
    if bool(classes) != (y is not None):
        needs = f"needs a label from 0 to {classes - 1} for each example" if classes else "was built without classes"
        raise ValueError(f"this model {needs}; y is {'missing' if y is None else 'given'}")
    return F.one_hot(y, classes).to(like) if classes else None


def check_images(x: Tensor, shape: Sequence[int]) -> None:
    """Raise ValueError unless x is a float batch (batch, *shape) with values in [0, 1]."""
    if x.ndim != len(shape) + 1 or tuple(x.shape[1:]) != tuple(shape):
        raise ValueError(f"expected images of shape (batch, {', '.join(map(str, shape))}), got {tuple(x.shape)}")
    if not x.is_floating_point():
        raise ValueError(f"expected floats in [0, 1], got {x.dtype}; datasets.to_float turns pixels 0–255 into them")
    # on a GPU the look at the values would wait for the device at each step
    if not x.is_cuda and len(x) and (torch.amin(x) < 0 or torch.amax(x) > 1):
        raise ValueError(f"expected values in [0, 1], got {x.min().item():.3g} to {x.max().item():.3g}")


class MaskedLinear(nn.Linear):
    """A linear layer some of whose connections are cut: y = (mask ⊙ W) x + b.

    mask: (outputs, inputs) of 0 and 1
    """

    def __init__(self, mask: Tensor):
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.to(self.weight.dtype), persistent=False)  # known from the sizes: no need to store it

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.mask * self.weight, self.bias)


def masked_mlp(dims: int, hidden: Sequence[int], outputs: int = 1, given: int = 0, activation: type[nn.Module] = nn.SiLU) -> nn.Sequential:
    """An MLP whose outputs for entry i depend on the entries before i alone: (batch, dims + given) → (batch, outputs · dims).

    The first `dims` outputs are the first number of each entry, the next `dims` the second, and so on. The last `given` inputs are seen
    by all.

    Source: MADE, Germain et al. 2015 (arXiv:1502.03509), section 4.
    """
    # each unit has a degree: how many entries it may have seen. An output may use units of a lower degree than its own
    degrees = torch.cat([torch.arange(1, dims + 1), torch.zeros(given)])
    lowest = 0 if given else min(1, dims - 1)  # units of degree 0 see what is given alone: the first entry has nothing else
    layers = []
    for width in hidden:
        new = torch.arange(width) * (dims - lowest) // width + lowest  # spread over all entries, also where there are more of them
        layers += [MaskedLinear(new[:, None] >= degrees), activation()]
        degrees = new
    return nn.Sequential(*layers, MaskedLinear(torch.arange(1, dims + 1).repeat(outputs)[:, None] > degrees))
