"""What a check says of an answer: where an error came from, what a value is, and guesses at what no known mistake explains."""

import inspect
import linecache
import math
import textwrap
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

TWO_TYPES = (
    "numbers of two types meet, as float (float32) and double (float64): new tensors take the type of the inputs, `dtype=x.dtype`, "
    "and `.to(x)` brings others to it"
)

# what an error message leaves unsaid
ADVICE = {
    "step must be greater than zero": "torch cannot step backwards: `.flip(0)` turns a tensor round",
    "grad can be implicitly created only for scalar outputs": "add the numbers up first, `.sum()`: each depends on its own example alone",
    "element 0 of tensors does not require grad": "the point at which you want a gradient has to say so: `.requires_grad_()`",
    "One of the differentiated Tensors does not require grad": "differentiate by the point that you put in, made to ask for a gradient "
    "with `.requires_grad_()`, not by the parameters or another tensor",
    "dim must be a 2-tuple": "a norm runs over one axis or two: `.flatten(1)` first, then one axis is left besides the batch",
    "it must be of length 1 or 2": "`.flatten(1)` first, then one axis is left besides the batch",
    "Dimension out of range": "the inputs of this case have fewer axes: `.flatten(1)`, or axes counted from the end, suit every number",
    "Sizes of tensors must match except in dimension": "is this the axis to join along? Along all others both are as long: "
    "`expand` the shorter one",
    "expected scalar type": TWO_TYPES,
    "same dtype": TWO_TYPES,
    "same scalar type": TWO_TYPES,
    "dtypes match": TWO_TYPES,
    "expects each tensor to be equal size": "`torch.stack` wants equal ones: `torch.cat(…, 1)` joins blocks of different width",
    "is out of bounds for dimension": "the last place is one less than the size: is this number a place, was it counted from 1, or was a "
    "start added too early? `cumsum` tells where things end",
    "The shape of the mask": "a mask has an entry for each row that it chooses from: choose from the mask, too. "
    "It stands for the first axes: `x[..., mask]` picks by the last ones",
    "only one element tensors can be converted": "`torch.stack` makes one tensor of several",
    "must match the existing size": "what is put in has another size than its place: where does a slice begin and end, or which axis is "
    "too long?",
    "Class values must be non-negative": "`F.one_hot` knows no −1: what should stand where nothing is asked for?",
    "values to unpack": "how many results does the call return? One tensor falls apart along its first axis",
    "must match the size of tensor": "was an axis summed away? `keepdim=True` leaves it there; "
    "or does one lack an axis of length 1? `[:, None]` adds it",
    "Tensors must have same number of dimensions": "`torch.cat` adds no axes: give the smaller one axes of length 1, then `expand` it",
    'can only concatenate list (not "tuple")': "a list and a tuple do not join: `[first, *others]` takes both",
    'can only concatenate tuple (not "list")': "a list and a tuple do not join: `[first, *others]` takes both",
    "input matrix is ill-conditioned": "does it hold a NaN? Rounding puts eigenvalues of 0 a little below it: `clamp(min=0)` before a root",
    "not positive-definite": "some eigenvalues are 0, and Cholesky wants all above it: `eigh` takes zeros",
    "mat1 and mat2 shapes cannot be multiplied": "which axis meets which? A transpose `.T` may be missing, or be one too many",
    "weight should have at least three dimensions": "`conv2d` wants a weight of shape (out, in, height, width): add the missing axes",
    "Expected size for first two dimensions of batch2": "a matrix product works on the last two axes: which ones should it mix?",
    "can't multiply sequence by non-int": "`torch.autograd.grad` returns a tuple: `(g,) = …` takes its one entry",
    "bad operand type for unary ~: 'NoneType'": "it may be None: ask `is not None` first",
    "Boolean value of Tensor with more than one value is ambiguous": "`if`, `not`, `and`, `min` and `max` want one truth "
    "value: `~`, `&`, `clamp` and `torch.where` go entry by entry; of an argument that may be missing ask `is not None`",
    "upper bound and lower bound inconsistent with step sign": "`arange(a, b)` ends before b: how many numbers should there be?",
    "selected index k out of range": "`topk` finds no more than there are: what if k is larger than that?",
    "Kernel size can't be greater than actual input size": "the kernel reaches over more inputs than there are: which ones are missing?",
    "division by zero": "ask first whether there is anything to divide by",
    "could not infer output dtype": "truth values and whole numbers have no mean: `.double()` makes numbers of them first",
    "Can't call numpy() on Tensor that requires grad": "no, gradients must pass through this function: stay with torch",
}


# Kind, what would make it of the right answer, and how it is said. A guess: nothing says that the student went this way.
GUESSES = {
    "twice": (lambda y: 2 * y, "every number is twice the right one: is something counted twice, or a ½ lost?"),
    "half": (lambda y: y / 2, "every number is half the right one: is there a ½ too many?"),
    "sign": (lambda y: -y, "right but for the sign."),
    "bits": (lambda y: y / math.log(2), "right if divided by log₂ e: bits where nats are asked for?"),
    "nats": (lambda y: y * math.log(2), "right if divided by log 2: nats where bits are asked for?"),
    "transposed": (lambda y: y.mT if y.ndim > 1 else y, "right but transposed: are two axes exchanged?"),
    "summed": (lambda y: y.sum(), "the sum of the right numbers: is the batch summed away?"),
    "averaged": (lambda y: y.double().mean(), "the mean of the right numbers: is the batch averaged away?"),
}


def guess(pairs: Sequence[tuple[Any, Any]], cases: Sequence[dict[str, Any]], same: Callable[[Any, Any], bool]) -> tuple[str, str] | None:
    """A kind, and a hint that says that it is a guess; None where nothing simple makes the wrong answers of the right ones.

    pairs: (wrong, right) for each case;  cases: the inputs by name;  same: whether two results agree
    """
    if not all(isinstance(x, Tensor) and isinstance(y, Tensor) and y.dtype != torch.bool for x, y in pairs):
        return None
    for kind, (change, said) in GUESSES.items():
        if all(same(x, change(y)) for x, y in pairs):
            return kind, f"a guess: {said}"
    for name, value in cases[0].items():
        if not isinstance(value, Tensor) or not all(isinstance(case[name], Tensor) for case in cases):
            continue
        for what, size in _sizes(value.ndim):
            n = [size(case[name]) if case[name].ndim == value.ndim else math.nan for case in cases]
            if set(n) == {1}:
                continue  # nothing was multiplied
            if all(same(x, y * k) for (x, y), k in zip(pairs, n)):
                return "sum for mean", f"a guess: too large by the number of {what} {name}. Is a sum taken where a mean is asked for?"
            if all(same(x, y / k) for (x, y), k in zip(pairs, n)):
                return "mean for sum", f"a guess: too small by the number of {what} {name}. Is a mean taken where a sum is asked for?"
    return None


def _sizes(axes: int) -> Iterator[tuple[str, Callable[[Tensor], int]]]:
    """What a mean may have divided by: in words, and for a tensor."""
    yield "entries of", Tensor.numel
    yield "entries of each example of", lambda x: x[0].numel() if x.ndim and len(x) else 0
    for axis in range(axes):
        yield f"places along axis {axis} of", lambda x, axis=axis: x.shape[axis]


def number(value: Any) -> Any:
    """A number of Python or NumPy as a tensor without axes, so that 0.5 and tensor(0.5) are one answer."""
    if isinstance(value, np.bool_ | np.number):
        value = value.item()
    return torch.tensor(value) if isinstance(value, bool | int | float) else value


def kind(x: Tensor) -> str:
    kinds = {"boolean": x.dtype == torch.bool, "floating point": x.is_floating_point(), "complex": x.is_complex()}
    return next((kind for kind, fits in kinds.items() if fits), "whole numbers")


@dataclass(frozen=True, repr=False)
class Unseen:
    """A value of another process that did not come along, since it is no number: its type, and how it prints."""

    type: str
    text: str = ""

    def __repr__(self) -> str:
        return self.text


def type_name(value: Any) -> str:
    """The type of a value with its module: `numpy.ndarray`, and `list` for Python's own."""
    if isinstance(value, Unseen):
        return value.type
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def describe(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type_name(value)}"


def shown(value: Any) -> str:
    """An input in a message: a tensor by its shape, a network by its kind (its layers would fill the message)."""
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)}"
    return f"= a {type(value).__name__}" if isinstance(value, nn.Module) else f"= {getattr(value, '__name__', value)}"


class Said(Exception):
    """An error of an answer in another process, as it was said there."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


def where(error: BaseException, answer: Callable) -> str:
    """The error with the line of the student's own code that it came from."""
    if isinstance(error, Said):
        return str(error)
    code = getattr(inspect.unwrap(answer), "__code__", None)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if code and frame.filename == code.co_filename]
    advice = "".join(f"; {advice}" for said, advice in ADVICE.items() if said in str(error))
    message = f"{type(error).__name__}: {first_lines(str(error))}{advice}"
    if not own:
        return message
    line = linecache.getline(own[-1].filename, own[-1].lineno).strip()
    return f"{message}, in line {own[-1].lineno} of your cell{f': `{line}`' if line else ''}"


def first_lines(message: str) -> str:
    """The first line that says something; where it leads on to the next, that one too."""
    lines = [line.strip() for line in message[:10_000].splitlines() if line.strip()] or ["no message"]
    end = next((i for i, line in enumerate(lines) if not line.endswith((":", ","))), len(lines))
    return textwrap.shorten(" ".join(lines[: end + 1]).rstrip(":,."), 300, placeholder=" …")
