"""Network pieces that several topics share."""

import functools
import inspect
import math
from collections.abc import Callable, Sequence

import numpy as np
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


class Model(nn.Module):
    """A generative model: there are several ways through it, so it has no `forward`, and `model(x)` says which methods it has instead.

    A module whose whole use is one way, such as a layer or a classifier, is a plain `nn.Module`.
    """

    WAYS = (
        *("sample(n)", "encode(x)", "decode(z)", "reconstruct(x)", "translate(x)"),
        *("log_prob(x)", "elbo(x)", "energy(x)", "score(x)", "loss(x)"),
    )

    def forward(self, *args, **kwargs):
        ways = [f".{way}" for way in self.WAYS if hasattr(self, way.split("(")[0])]
        raise NotImplementedError(f"{type(self).__name__} cannot be called as model(x): say what you want of it, {', '.join(ways)}")


def normal(model: nn.Module, *shape: int) -> Tensor:
    """Draws of N(0, 1) where the model's weights are, and in their precision."""
    weight = next(model.parameters())
    return torch.randn(*shape, device=weight.device, dtype=weight.dtype)


def checked(x: Tensor, name: str, finite: bool = True) -> Tensor:
    """x, after a look at it: real numbers, none of them NaN or infinite, that really are somewhere.

    finite: False where NaN goes on to a result that shows it; so it does in training, and `fit` says at which step and what to do

    Raises:
        ValueError: it is not so; the message begins with `name`, what the caller calls x
    """
    if not isinstance(x, Tensor) or x.is_complex():
        found = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"{name} must be a tensor of real numbers, got {found}")
    if x.is_meta:
        raise ValueError(f"{name} is on the device meta, where tensors have shapes but no values")
    # on a GPU the look at the values would wait for the device at each step, and a compiler could not trace it
    looked_at = finite and x.device.type == "cpu" and x.is_floating_point() and not torch.compiler.is_compiling()
    # a finite sum has finite terms; only where it is not must each be looked at
    if looked_at and not x.sum().isfinite() and not (good := x.isfinite()).all():
        raise ValueError(f"{name} must be finite, but {int((~good).sum())} of its {x.numel()} numbers are NaN or infinite")
    return x


def tensors(
    function: Callable | None = None,
    *,
    finite: str = "",
    ordered: str = "",
    whole: str = "",
    masks: str = "",
    anywhere: str = "",
    model: str = "",
) -> Callable:
    """A function whose arguments of type Tensor are looked at before it begins, so that its body is its mathematics alone.

    They hold real numbers, are on one device, and are brought to one precision: bytes beside floats, or float64 beside float32, would else
    stop in the middle, or overflow. An error about shapes names all of them.

    Args:
        finite: names, with spaces between them, of arguments without NaN or infinity. Else NaN goes in, and comes out where it belongs
        ordered: the same, but infinity is allowed: logits of −∞, say
        whole: names of labels and the like, which stay as they are
        masks: the same, and they must be bool
        anywhere: names of times and the like, which stay as they are and where they are
        model: the name of a model, "self" for a method's own. The others are brought to the precision of its weights and must lie where
            they do; the last axes of what is neither whole nor anywhere are its `shape`, if it has one

    Raises:
        ValueError: from the function; the message names the argument
    """
    if function is None:
        return functools.partial(tensors, finite=finite, ordered=ordered, whole=whole, masks=masks, anywhere=anywhere, model=model)
    kinds = {p.name: p.annotation for p in inspect.signature(function).parameters.values()}
    names, looked_at = list(kinds), [name for name, kind in kinds.items() if "Tensor" in str(kind) and "Callable" not in str(kind)]
    finite, ordered, masks, anywhere, whole = finite.split(), ordered.split(), masks.split(), anywhere.split(), f"{whole} {masks}".split()

    @functools.wraps(function)
    def after_a_look(*args, **kwargs):
        if torch.compiler.is_compiling() or len(args) > len(names):
            return function(*args, **kwargs)
        given = dict(zip(names, args)) | kwargs
        found = {name: given[name] for name in looked_at if given.get(name) is not None}
        found = {name: torch.as_tensor(x) if isinstance(x, np.ndarray) else x for name, x in found.items()}
        # a parameter that may be a number, too, is one where it is no tensor
        found = {name: x for name, x in found.items() if isinstance(x, Tensor) or not isinstance(x, int | float)}
        for name, x in found.items():
            checked(x, name, name in finite)
            if name in masks and x.dtype != torch.bool:
                raise ValueError(f"{name} must be a mask of bool, got {x.dtype}")
            if name in ordered and x.device.type == "cpu" and x.isnan().any():
                raise ValueError(f"{name} must be numbers, but {int(x.isnan().sum())} of its {x.numel()} are NaN")
        here = {name: x for name, x in found.items() if name not in anywhere}
        floats = {name: x for name, x in here.items() if name not in whole}
        weight = next(given[model].parameters(), None) if isinstance(given.get(model), nn.Module) else None
        place, first = next(((x.device, name) for name, x in here.items() if x.ndim), (None, ""))
        kind = [x.dtype for x in floats.values() if x.ndim and x.is_floating_point()] or [torch.get_default_dtype()]
        kind = functools.reduce(torch.promote_types, kind)
        if weight is not None:
            place, first, kind = weight.device, "the model", weight.dtype
        shape = tuple(getattr(given.get(model), "shape", ()))
        for name, x in found.items():
            if name in here and x.ndim and x.device != place:
                raise ValueError(f"{name} is on {x.device}, but {first} on {place}: give both on one device")
            if name in floats and tuple(x.shape[x.ndim - len(shape) :]) != shape:
                raise ValueError(f"{name} must be (..., {', '.join(map(str, shape))}), got {tuple(x.shape)}")
            given[name] = x.to(kind) if name in floats else x
        try:
            return function(**given)
        except (RuntimeError, IndexError) as error:
            if isinstance(error, torch.OutOfMemoryError | torch.linalg.LinAlgError) or not found:
                raise  # a full GPU, or a matrix that has no inverse, has its own name
            got = ", ".join(f"{name} {tuple(x.shape)}" for name, x in found.items())
            raise ValueError(f"{function.__name__} has no answer to {got}: {str(error).splitlines()[0]}") from error

    return after_a_look


def as_is(function: Callable) -> Callable:
    """What `tensors` decorates, without the look: for a loop of hundreds of draws whose arguments were looked at before the first."""
    return function.__wrapped__


def as_weights(x: Tensor, model: nn.Module, name: str, shape: Sequence[int] | None = None, finite: bool = True) -> Tensor:
    """x in the precision of the model's weights, after a look at it.

    Args:
        name: what the caller calls it
        shape: of its last axes, where a layer would only complain about matrices
        finite: as in `checked`

    Raises:
        ValueError: as in `checked`, another shape, or another device than the weights'
    """
    x = checked(x, name, finite)
    weight = next(model.parameters(), x)  # a model without weights takes x as it is
    if x.device != weight.device:
        raise ValueError(f"{name} is on {x.device}, but the model on {weight.device}: give {name}.to({str(weight.device)!r})")
    if shape is not None and tuple(x.shape[x.ndim - len(shape) :]) != tuple(shape):
        raise ValueError(f"{name} must be (..., {', '.join(map(str, shape))}), got {tuple(x.shape)}")
    return x.to(weight.dtype)


Classes = int | Sequence[int]  # how many a label has, or each of several labels; 0 for a model without labels


def labels(y: Tensor | int | None, n: int, classes: Classes, device: torch.device | str) -> Tensor | None:
    """The label of each of n examples, int64 (n,) on `device`; None for a model without classes.

    y: (n,) whole numbers from 0 to classes − 1, or one for all; None where there are no classes. Where an example has several labels, a
        column for each, (n, len(classes)), or one row for all

    Raises:
        ValueError: the model has classes and y is missing, it has none and y is given, or y is anything else
    """
    last = classes - 1 if isinstance(classes, int) else ", ".join(str(c - 1) for c in classes)
    if bool(classes) != (y is not None):
        needs = f"needs a label from 0 to {last} for each example" if classes else "was built without classes"
        raise ValueError(f"this model {needs}; y is {'missing' if y is None else 'given'}")
    if y is None:
        return None
    y, columns = torch.as_tensor(y), () if isinstance(classes, int) else (len(classes),)
    whole = not (y.is_floating_point() or y.is_complex() or y.dtype == torch.bool)
    fits = whole and not y.is_meta and tuple(y.shape) in {columns, (1, *columns), (n, *columns)}
    # on a GPU the look at the labels would wait for the device at each step
    looked_at = y.device.type == "cpu" and not torch.compiler.is_compiling()
    if not fits or looked_at and not ((y >= 0) & (y < torch.tensor(classes))).all():
        got = f"{y.dtype} of shape {tuple(y.shape)}{' on meta' if y.is_meta else ''}"
        raise ValueError(f"labels y must be integers of shape {(n, *columns)} from 0 to {last}, got {got}")
    return y.to(device).long().expand(n, *columns)


def labels_or_drawn(y: Tensor | int | None, n: int, classes: Classes, device: torch.device | str) -> Tensor | None:
    """`labels`, drawn at random, all alike, where a model with classes is given none: what every `sample` does."""
    if classes and y is None:
        if isinstance(classes, int):
            return torch.randint(classes, (n,), device=device)
        return torch.stack([torch.randint(c, (n,), device=device) for c in classes], 1)
    return labels(y, n, classes, device)


def one_hot(y: Tensor | int | None, n: int, classes: Classes, like: Tensor) -> Tensor | None:
    """`labels` as layers take them, (n, classes) of the type of `like`, on its device; None for a model without classes.

    Those of several labels stand side by side, (n, sum of classes).
    """
    y = labels(y, n, classes, like.device)
    if y is None or isinstance(classes, int):
        return None if y is None else F.one_hot(y, classes).to(like.dtype)
    return torch.cat([F.one_hot(column, c) for column, c in zip(y.T, classes)], 1).to(like.dtype)


def values_of(classes: Classes) -> int:
    """How many entries `one_hot` has."""
    return classes if isinstance(classes, int) else sum(classes)


class LabelEmbedding(nn.Embedding):
    """The learned code of a label, (batch,) → (batch, width); of several, (batch, labels) → (batch, width), the sum of their codes."""

    def __init__(self, classes: Classes, width: int):
        super().__init__(values_of(classes), width)
        starts = [0] if isinstance(classes, int) else [sum(classes[:i]) for i in range(len(classes))]
        self.register_buffer("starts", torch.tensor(starts), persistent=False)

    def forward(self, y: Tensor) -> Tensor:
        return super().forward(y.view(len(y), -1) + self.starts).sum(1)


def check_images(x: Tensor, shape: Sequence[int], name: str = "x") -> None:
    """Raise ValueError unless x is a float batch (batch, *shape) with values in [0, 1]. name: what the caller calls it."""
    checked(x, name, finite=False)
    if x.ndim != len(shape) + 1 or tuple(x.shape[1:]) != tuple(shape):
        raise ValueError(f"{name}: expected images of shape (batch, {', '.join(map(str, shape))}), got {tuple(x.shape)}")
    if not x.is_floating_point():
        raise ValueError(f"{name}: expected floats in [0, 1], got {x.dtype}; datasets.to_float turns pixels 0–255 into them")
    # on a GPU the look at the values would wait for the device at each step; written so that NaN fails too
    if x.device.type == "cpu" and len(x) and not (torch.amin(x) >= 0 and torch.amax(x) <= 1):
        raise ValueError(f"{name}: expected values in [0, 1], got {x.min().item():.3g} to {x.max().item():.3g}")


def images(x: Tensor, model: nn.Module, name: str = "x") -> Tensor:
    """Images (batch, *model.shape) in [0, 1], in the precision of the model's weights; ValueError where they are anything else."""
    check_images(x, model.shape, name)
    return as_weights(x, model, name)


def check_whole(x: Tensor, levels: int, shape: Sequence[int] = (), what: str = "images", name: str = "x") -> None:
    """Raise ValueError unless x is a batch of `shape` that holds whole numbers from 0 to levels − 1. 0 and 1 may be floats too.

    name: what the caller calls x
    """
    checked(x, name, finite=False)  # NaN lies outside every range
    wanted = f"{what} of whole numbers from 0 to {levels - 1}"
    if x.is_floating_point() and levels > 2:
        raise ValueError(f"{name}: expected {wanted}, got {x.dtype}; give the stored whole numbers, not floats made of them")
    check_shape(x, shape, what, name)
    # on a GPU the look at the values would wait for the device at each step
    if x.is_cuda or not x.numel():
        return
    low, high = x.amin().item(), x.amax().item()
    if not (low >= 0 and high <= levels - 1):
        raise ValueError(f"{name}: expected {wanted}, got values from {low:.4g} to {high:.4g}")
    if x.is_floating_point() and ((x != 0) & (x != 1)).any():
        raise ValueError(f"{name}: expected {wanted}, got values in between; datasets.binarise turns shades into them")


def check_range(x: Tensor, name: str, low: float, high: float, what: str) -> None:
    """Raise ValueError unless all of x lies from low to high; what: in a word, with its units.

    On a GPU the look at the values would wait for the device at each step.
    """
    if x.device.type == "cpu" and x.numel() and not torch.compiler.is_compiling() and not (torch.amin(x) >= low and torch.amax(x) <= high):
        raise ValueError(f"{name}: expected {what} from {low:g} to {high:g}, got {x.min().item():.4g} to {x.max().item():.4g}")


def check_shape(x: Tensor, shape: Sequence[int], what: str = "images", name: str = "x") -> None:
    """Raise ValueError unless x is (batch, *shape)."""
    if x.ndim != len(shape) + 1 or tuple(x.shape[1:]) != tuple(shape):
        raise ValueError(f"{name}: expected {what} of shape (batch, {', '.join(map(str, shape))}), got {tuple(x.shape)}")


def whole(x: Tensor, levels: int, what: str, name: str = "x") -> Tensor:
    """A batch (batch, time) of whole numbers as int64.

    Raises:
        ValueError: floats, numbers outside 0 to levels − 1, or another shape
    """
    checked(x, name)
    if x.ndim != 2 or x.is_floating_point():
        raise ValueError(f"{name}: expected {what} of whole numbers, of shape (batch, time), got {x.dtype} of shape {tuple(x.shape)}")
    check_whole(x, levels, x.shape[1:], what, name)
    return x.long()


def check_start(start: Tensor | None, n: int, levels: int, what: str, device: torch.device) -> Tensor | None:
    """What n samples go on from, int64 (n, time) on the device; None where there is nothing.

    Args:
        start: whole numbers (n, time) or (1, time)

    Raises:
        ValueError: as in `whole`, or another number of rows
    """
    if start is None:
        return None
    start = whole(start, levels, what, "start").to(device)
    if len(start) not in (1, n):
        raise ValueError(f"start: expected a start for each of the {n} {what}, or one for all, got {len(start)}")
    return start.expand(n, -1)


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
