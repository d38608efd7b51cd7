"""Named weights that ship with the course, each beside a JSON record of how it was made.

A checkpoint is two files in `course_lib/weights/`: `NAME.safetensors` and `NAME.json`. The record holds the model's class and config,
the data, seed, preset, steps, minutes, device, the exact command and the measured numbers. A recording (`"model": null`) is a set of
plain tensors, such as the course of a training run.
"""

import difflib
import errno
import functools
import hashlib
import importlib
import json
import os
import re
import tempfile
from pathlib import Path

import numpy as np
import safetensors
import torch
from safetensors.torch import load as read_safetensors
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

WEIGHTS = Path(__file__).parent / "weights"


def names() -> list[str]:
    """Every shipped checkpoint and recording."""
    return sorted(path.stem for path in WEIGHTS.glob("*.json"))


def record(name: str) -> dict:
    """How the checkpoint called `name` was made, and its numbers.

    Raises:
        KeyError: there is no such checkpoint; the message lists the nearest names
    """
    path = WEIGHTS / f"{name}.json"
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.4)
        raise KeyError(
            f"no checkpoint {name!r}; " + (f"did you mean {' or '.join(near)}? " if near else "") + f"There are: {', '.join(names())}"
        )
    return json.loads(path.read_text(encoding="utf-8"))


def tensors(name: str) -> dict[str, Tensor]:
    """The stored tensors of `name`, after a look at their hash.

    Raises:
        ValueError: the file is missing, cut short or altered
    """
    entry, path = record(name), WEIGHTS / f"{name}.safetensors"
    content = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        state = f"has {len(content)} of {entry['bytes']} bytes" if len(content) != entry["bytes"] else "has been altered"
        raise ValueError(f"{path.name} {state}; fetch it again with `git checkout -- course_lib/weights`, or train it: {entry['command']}")
    try:
        return unpacked(read_safetensors(content))
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path.name} is not a safetensors file ({error})") from None


ROW = "|row"  # after a tensor's name: what one step of its 8 bits is worth in each row


def packed(state: dict[str, Tensor], bits: int) -> dict[str, Tensor]:
    """What is stored: float32 in 16 bits, or matrices in 8, with a scale for each row, and the rest in 16; other types as they are.

    Raises:
        ValueError: not 8, 16 or 32 bits
    """
    if bits not in (8, 16, 32):
        raise ValueError(f"weights are stored in 8, 16 or 32 bits, not {bits}")
    stored = {}
    for key, t in state.items():
        t = t.detach().cpu().contiguous()  # convolutions may keep their weights with the channels last
        if t.dtype == torch.float32 and bits == 8 and t.ndim > 1:
            rows = (t.flatten(1).abs().amax(1) / 127).clamp(min=1e-12)
            stored[key] = (t / rows.view(-1, *[1] * (t.ndim - 1))).round().to(torch.int8)
            stored[key + ROW] = rows
        else:
            stored[key] = t.half() if t.dtype == torch.float32 and bits < 32 else t
    return stored


def unpacked(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that `packed` stored; those of 8 bits as float32."""
    state = {}
    for key, t in stored.items():
        if not key.endswith(ROW):
            rows = stored.get(key + ROW)
            state[key] = t if rows is None else t * rows.view(-1, *[1] * (t.ndim - 1))
    return state


def recordings(name: str) -> dict[str, dict[str, Tensor]]:
    """The parts of a recording: tensors stored as `PART/key`, beside those that all parts share."""
    stored = tensors(name)
    shared = {key: t for key, t in stored.items() if "/" not in key}
    return {
        part: shared | {key.removeprefix(f"{part}/"): t for key, t in stored.items() if key.startswith(f"{part}/")}
        for part in record(name)["numbers"]
    }


def build(entry: dict) -> nn.Module:
    """The untrained model that a record describes."""
    module, cls = entry["model"].rsplit(".", 1)
    if not module.startswith("course_lib."):  # a record is data: it must not be able to import anything it likes
        raise ValueError(f"a record may name models of course_lib only, not {entry['model']}")
    return getattr(importlib.import_module(module), cls)(**entry["config"])


def load(name: str, device: torch.device | str = "cpu") -> nn.Module:
    """The trained model called `name`, ready to use: float32, in eval mode, its record as `model.record`.

    The random numbers that come next are those that would have come without it.
    """
    entry = record(name)
    if entry["model"] is None:
        raise ValueError(f"{name} is a recording of training, not a model; read it with checkpoints.tensors({name!r})")
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)  # whatever a notebook has set: what is trained with these weights expects them
    try:
        with torch.random.fork_rng(devices=[]):  # weights are drawn, then overwritten
            model = build(entry)
    finally:
        torch.set_default_dtype(default)
    model.load_state_dict({key: t.float() if t.is_floating_point() else t for key, t in tensors(name).items()})
    model.record = entry
    return model.to(device).eval().requires_grad_(False)


@functools.cache
def shipped(name: str, device: str = "cpu") -> nn.Module:
    """`load`, once: all who ask get the same model."""
    return load(name, device)


def load_family(prefix: str, device: torch.device | str = "cpu") -> dict[float, nn.Module]:
    """Every checkpoint whose name is `prefix` and a number, such as `beta_vae_sprites_b4`, in the order of that number."""
    found = {float(m[1]): name for name in names() if (m := re.fullmatch(re.escape(prefix) + r"_[a-z]+([\d.]+)", name))}
    if not found:
        families = sorted({m[1] for name in names() if (m := re.fullmatch(r"(.+)_[a-z]+[\d.]+", name))})
        raise KeyError(f"no family {prefix!r}; there are: {', '.join(families)}")
    return {number: load(found[number], device) for number in sorted(found)}


def save(name: str, model: nn.Module | dict[str, Tensor], entry: dict, *, bits: int = 16, folder: Path | None = None) -> dict:
    """Write a model (or the tensors of a recording) and its record; both files are whole or absent.

    Args:
        entry: the record: data, seed, preset, steps, minutes, device, command, numbers. Class, config and hash are filled in here
        bits: of each number in float32, 8, 16 or 32; see `packed`
        folder: where to; the shipped weights by default
    """
    folder = WEIGHTS if folder is None else Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    is_model = isinstance(model, nn.Module)
    state = model.state_dict() if is_model else model
    content = to_safetensors(packed(state, bits))
    entry = {
        "name": name,
        # the topic and the class, without the file inside the topic: that may move
        "model": ".".join(type(model).__module__.split(".")[:2] + [type(model).__qualname__]) if is_model else None,
        "config": model.config if is_model else {},
        "parameters": sum(p.numel() for p in model.parameters()) if is_model else 0,
        **entry,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    try:
        text = json.dumps(plain(entry), indent=1, ensure_ascii=False)
    except TypeError as error:
        raise ValueError(f"the record of {name} holds what JSON cannot: {error}") from None
    # both are made before either is written; the weights come first: a record never names a file that is not there
    write_atomically(folder / f"{name}.safetensors", content)
    write_atomically(folder / f"{name}.json", (text + "\n").encode())
    return json.loads(text)


def plain(value):
    """NumPy's numbers and arrays and single tensors as Python's own, inside containers too: what JSON and `torch.load` take."""
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value] if isinstance(value, list) else tuple(map(plain, value))
    if isinstance(value, np.generic | np.ndarray) or isinstance(value, Tensor) and value.ndim == 0:
        return value.tolist()
    return value


def writable(path: Path) -> None:
    """Make the folder of `path` and try to write there, so that nobody finds out after an hour. ValueError when it cannot be."""
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error.strerror}); choose another place") from None


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """The old file or the new one, never half of one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
