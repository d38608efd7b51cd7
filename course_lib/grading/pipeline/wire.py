"""Messages between the judge and a sandbox: JSON, and tensors as safetensors. Nothing from inside is ever unpickled.

A frame is two lengths, then JSON, then bytes. What comes out of a sandbox was written by a stranger: it may be endless, late, or nonsense,
and then `Nonsense` is raised.
"""

import inspect
import json
import math
import select
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from course_lib.grading.running import Observed, Outcome
from course_lib.grading.words import Unseen, describe, type_name

MOST = 64 << 20  # bytes of tensors in a frame
TEXT, TRUSTED = 16 << 20, 512 << 20  # bytes of JSON, which grows when it is read: from inside, and between our own processes
HEAD = struct.Struct("!II")
DTYPES = {torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
MOST_VALUES, MOST_LAYERS = 100, 200  # of an answer
# files of torch.nn whose layers are built here, since making one costs nothing: none that is a network by itself
BUILT = {"activation", "batchnorm", "channelshuffle", "conv", "dropout", "flatten", "instancenorm", "linear", "normalization", "padding"}
BUILT |= {"pixelshuffle", "pooling", "sparse", "upsampling"}
DTYPES |= {torch.float16, torch.bfloat16, torch.float32, torch.float64}


class Nonsense(Exception):
    """What came is no message."""


class Ended(Exception):
    """The other side is gone."""


class Late(Exception):
    """Nothing came in time."""


def send(channel: socket.socket, message: Mapping[str, Any], blob: bytes = b"", until: float = math.inf) -> None:
    """Write one frame.

    until: a time of `time.monotonic`

    Raises:
        Ended, Late
    """
    text = json.dumps(message).encode()
    data = memoryview(HEAD.pack(len(text), len(blob)) + text + blob)
    try:
        while data:
            _wait(channel, until, writing=True)
            data = data[channel.send(data[: 1 << 20], socket.MSG_DONTWAIT) :]
    except BlockingIOError:
        raise Late from None
    except OSError:
        raise Ended from None


def receive(channel: socket.socket, until: float = math.inf, most: int = TEXT) -> tuple[dict[str, Any], bytes]:
    """Read one frame.

    Raises:
        Nonsense: no JSON, or more than `most` bytes of it or MOST of tensors;  Ended, Late
    """
    text, blob = HEAD.unpack(_read(channel, HEAD.size, until))
    if text > most or blob > MOST:
        raise Nonsense(f"a message of {text + blob} bytes")
    data = _read(channel, text + blob, until)
    try:
        message = json.loads(data[:text])
    except (ValueError, RecursionError) as error:
        raise Nonsense(type(error).__name__) from None
    if not isinstance(message, dict):
        raise Nonsense("no dict")
    return message, bytes(data[text:])


def _read(channel: socket.socket, size: int, until: float) -> bytearray:
    data = bytearray()
    while len(data) < size:
        _wait(channel, until)
        try:
            more = channel.recv(min(size - len(data), 1 << 20))
        except OSError:
            raise Ended from None
        if not more:
            raise Ended
        data += more
    return data


def _wait(channel: socket.socket, until: float, writing: bool = False) -> None:
    left = None if until == math.inf else until - time.monotonic()
    if left is not None and left <= 0:
        raise Late
    try:
        ready = select.select([] if writing else [channel], [channel] if writing else [], [], left)
    except (OSError, ValueError):
        raise Ended from None
    if not any(ready):
        raise Late


# --------------------------------------------------------------------------------------------------------------------
# Values


def packed(observed: Observed) -> tuple[dict[str, Any], bytes]:
    """What became of an answer, as a message."""
    if observed.problem:
        kind, what = observed.problem
        return {"problem": [kind, what[:2000]]}, b""
    tensors: dict[str, Tensor] = {}
    values = [_down(value, tensors) for value in observed.outcome.values[:MOST_VALUES]]
    gradients = [_down(value, tensors) for value in observed.outcome.gradients]
    return {"values": values, "gradients": gradients, "calls": observed.calls}, safetensors.torch.save(tensors)


def unpacked(message: Mapping[str, Any], blob: bytes) -> Observed:
    """The same, read with suspicion.

    Raises:
        Nonsense
    """
    try:
        if problem := message.get("problem"):
            kind, what = problem
            if kind not in ("library", "blank", "error", "in place", "side effect", "switched on", "none", "gradient", "time"):
                raise Nonsense(f"a problem of kind {str(kind)[:30]!r}")
            return Observed(problem=(kind, str(what)[:2000]))
        if len(message["values"]) > MOST_VALUES or _layers([*message["values"], *message["gradients"]]) > MOST_LAYERS:
            raise Nonsense("too many values or layers")
        tensors = safetensors.torch.load(blob) if blob else {}
        values, gradients = (tuple(_up(value, tensors) for value in message[key]) for key in ("values", "gradients"))
        if not all(isinstance(value, Tensor) for value in gradients):
            raise Nonsense("a gradient that is no tensor")
        return Observed(Outcome(values, gradients), calls=int(message.get("calls", 0)))
    except Nonsense:
        raise
    except Exception as error:  # whatever a stranger's bytes make of these libraries
        raise Nonsense(type(error).__name__) from None


def _down(value: Any, tensors: dict[str, Tensor]) -> dict[str, Any]:
    if isinstance(value, np.bool_ | np.number):
        value = value.item()
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        if value.is_complex():
            return {"complex": _down(torch.view_as_real(value.resolve_conj()), tensors)}
        if value.dtype in DTYPES and value.layout == torch.strided and value.numel() * value.element_size() < MOST // 4:
            tensors[f"{len(tensors)}"] = value.contiguous().clone()
            return {"tensor": f"{len(tensors) - 1}"}
    if type(value) is nn.Sequential and len(value) <= 100:
        return {"layers": [_layer(layer) for layer in value]}
    return {"value": scalar(value)} if is_scalar(value) else {"type": type_name(value)[:100], "text": describe(value)[:200]}


def _up(value: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Any:
    if "tensor" in value:
        return tensors[value["tensor"]]
    if "complex" in value:
        return torch.view_as_complex(tensors[value["complex"]["tensor"]])
    if "layers" in value:
        return nn.Sequential(*map(_built, value["layers"]))
    return unscalar(value["value"]) if "value" in value else Unseen(str(value["type"])[:100], str(value["text"])[:200])


def _layers(values: list[Mapping[str, Any]]) -> int:
    """How many layers these values hold, those of layers in layers, too."""
    inner = [value["layers"] for value in values if "layers" in value]
    return sum(len(each) + _layers(each) for each in inner)


def _layer(layer: nn.Module) -> dict[str, Any]:
    """A layer of torch as its class and settings; of any other class no more than that it is one."""
    if type(layer) is nn.Sequential:
        return {"layers": [_layer(each) for each in layer][:100]}
    kind = type(layer).__name__
    if type(layer) is not getattr(nn, kind, None):
        return {"class": None}
    settings = {}
    for name in inspect.signature(type(layer).__init__).parameters:
        given = getattr(layer, name, None)
        if name == "bias":
            settings[name] = given is not None and given is not False
        elif type(given) in (int, float, bool, str) or (type(given) is tuple and all(type(each) is int for each in given)):
            settings[name] = given
    return {"class": kind, "settings": settings}


def _built(layer: Mapping[str, Any]) -> nn.Module:
    """A layer with these settings, and without weights; ValueError where there is none, or a huge one."""
    if "layers" in layer:
        return nn.Sequential(*map(_built, layer["layers"]))
    if layer["class"] is None:
        return Own()
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in layer["settings"].items()}
    made = getattr(nn, layer["class"], None)
    file = getattr(made, "__module__", "").removeprefix("torch.nn.modules.")
    if file not in BUILT or made is nn.MultiheadAttention or not issubclass(made, nn.Module):
        return Own()
    if not all(isinstance(value, float | bool | str) or np.max(np.abs(value), initial=0) < 1000 for value in settings.values()):
        raise ValueError
    with torch.device("meta"):
        return made(**settings)


class Own(nn.Module):
    """Stands for a layer of a student's own class, or of one that no exercise asks for."""


def is_scalar(value: Any) -> bool:
    """Whether a value is None, a truth value, a number of 64 bits or a short text."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is None or isinstance(value, float) or (isinstance(value, str) and len(value) <= 1000)


def scalar(value: Any) -> Any:
    """As JSON: not every reader knows NaN."""
    return {"float": float.hex(value)} if isinstance(value, float) else value


def unscalar(value: Any) -> Any:
    """Raises ValueError where it is none."""
    if isinstance(value, dict):
        return float.fromhex(value["float"])
    if not is_scalar(value):
        raise ValueError
    return value


def told(value: Any) -> Any:
    """A result that is no tensor, such as settings: a dict of scalars, or how it prints, as JSON."""
    if isinstance(value, np.bool_ | np.number):
        value = value.item()
    if isinstance(value, dict) and len(value) <= 100:
        return {"dict": [[told(key), told(each)] for key, each in value.items()]}
    if is_scalar(value):
        return {"value": scalar(value)}
    return {"type": type_name(value)[:100], "text": repr(value)[:200]}


def understood(message: Any, depth: int = 3) -> Any:
    """The same, read with suspicion.

    Raises:
        Nonsense
    """
    try:
        if "dict" in message and depth:
            return {understood(key, 0): understood(each, depth - 1) for key, each in message["dict"]}
        return unscalar(message["value"]) if "value" in message else Unseen(str(message["type"])[:100], str(message["text"])[:200])
    except Nonsense:
        raise
    except Exception as error:
        raise Nonsense(type(error).__name__) from None
