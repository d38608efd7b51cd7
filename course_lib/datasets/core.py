"""What a data set is, and how its stored bytes become batches that a model sees."""

import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

BROKEN = (OSError, EOFError, ValueError, zlib.error, tarfile.TarError)  # what reading a damaged file can raise


@dataclass(frozen=True, eq=False)
class Dataset:
    """One split of a data set.

    x: uint8 (n, channels, height, width) for images, float32 (n, 2) for points of the plane, float32 (n, time) for sounds
    y: int64 (n,) labels; int64 (n, factors) indices for sprites and faces; None where there is no label
    classes: what label 0, 1, … stands for; empty where the number says it all
    factors: sprites and faces, name → number of values, in the order of the columns of y
    """

    name: str
    split: str
    x: Tensor
    y: Tensor | None = None
    classes: tuple[str, ...] = ()
    factors: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"{self.name} ({self.split}): {len(self):,} × {str(self.x.dtype).removeprefix('torch.')} {tuple(self.x.shape[1:])}"

    def to(self, device: str | torch.device) -> "Dataset":
        """The same data on another device."""
        return replace(self, x=self.x.to(device), y=None if self.y is None else self.y.to(device))

    def images(self) -> Tensor:
        """All images as floats in [0, 1]: four times the memory, so for small sets only.

        Raises:
            ValueError: the data set holds points, not images
        """
        return to_float(self.x)


def to_float(x: Tensor) -> Tensor:
    """uint8 images as floats in [0, 1], of the same shape.

    Raises:
        ValueError: x is not uint8; a float image has been scaled already, and must not be scaled twice
    """
    if not isinstance(x, Tensor) or x.dtype != torch.uint8:
        raise ValueError(f"to_float scales a uint8 tensor x to [0, 1] and got {describe(x)}: give it the stored bytes, once.")
    return x.float().div_(255)


def binarise(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """A fresh black-and-white sample of every image, of the same shape: each pixel is on with its grey level as probability.

    Draw anew for every batch ("dynamic binarisation"); reported MNIST likelihoods in nats are for such images.

    Args:
        x: uint8, or float in [0, 1]

    Raises:
        ValueError: another type, or values outside [0, 1]

    Source: Salakhutdinov & Murray 2008; Burda et al. 2015 (arXiv:1509.00519), section 5.
    """
    if not isinstance(x, Tensor) or not (x.dtype == torch.uint8 or x.is_floating_point()):
        raise ValueError(f"binarise expects a tensor x of uint8, or of floats in [0, 1], and got {describe(x)}.")
    if x.is_meta:
        raise ValueError("binarise cannot look at x on the device meta, where tensors have no values.")
    if x.dtype == torch.uint8:
        x = to_float(x)
    elif x.numel():
        low, high = (v.item() for v in x.aminmax())
        if not (low >= 0 and high <= 1):  # written so that NaN is caught too
            raise ValueError(f"binarise reads pixels of x as probabilities, in [0, 1], and got values from {low:.3g} to {high:.3g}.")
    return torch.bernoulli(x, generator=generator)


def batches(
    x: Tensor | tuple[Tensor, ...],
    batch_size: int,
    *,
    generator: torch.Generator | None = None,
    shuffle: bool = True,
    drop_last: bool = False,
) -> Iterator:
    """One epoch: every item exactly once, in batches, in a new random order.

    Args:
        x: a tensor, or a tuple of tensors with one length on one device
        generator: makes the order reproducible
        drop_last: leave out the last batch where it is smaller than the others

    Yields:
        the structure of x with `batch_size` items; views of x, not copies, when it is not shuffled

    Raises:
        ValueError: no tensor, lengths or devices that differ, or a batch size below 1
    """
    tensors = x if isinstance(x, tuple) else (x,)
    if not tensors or not all(isinstance(t, Tensor) and t.dim() > 0 for t in tensors):
        raise ValueError(f"batches expects a tensor or a tuple of tensors and got {describe(x)}.")
    if len({(len(t), t.device) for t in tensors}) > 1:
        found = ", ".join(f"{len(t):,} items on {t.device}" for t in tensors)
        raise ValueError(f"batches expects tensors of one length on one device and got {found}.")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of at least 1, not {batch_size!r}.")

    def epoch() -> Iterator:
        n, device = tensors[0].shape[0], tensors[0].device
        if shuffle:
            # one permutation an epoch; a generator draws on its own device
            order = torch.randperm(n, generator=generator, device=generator.device if generator else device).to(device)
        for start in range(0, n - batch_size + 1 if drop_last else n, batch_size):
            stop = start + batch_size
            batch = tuple(t.index_select(0, order[start:stop]) if shuffle else t[start:stop] for t in tensors)
            yield batch if isinstance(x, tuple) else batch[0]

    return epoch()


def hashes(x: Tensor) -> list[str]:
    """The SHA-256 of every item's bytes, in order: two splits are disjoint when their hashes are."""
    if not isinstance(x, Tensor) or x.is_meta or x.dim() < 2:
        raise ValueError(f"hashes expects a tensor x of items with values, and got {describe(x)}.")
    return [hashlib.sha256(row).hexdigest() for row in x.detach().cpu().flatten(1).contiguous().numpy()]


def describe(x: object) -> str:
    if isinstance(x, Tensor):
        return f"a {str(x.dtype).removeprefix('torch.')} tensor of shape {tuple(x.shape)}"
    return "a tuple of " + " and ".join(map(describe, x)) if isinstance(x, tuple) and x else f"{type(x).__name__} {x!r:.40}"


def split_of(name: str, split: str, x: Tensor, y: Tensor, test: Tensor, **meta) -> Dataset:
    chosen = {"train": ~test, "test": test, "all": torch.ones_like(test)}[split]
    return Dataset(name, split, x[chosen], y[chosen], **meta)


def images_from(pixels: np.ndarray, *shape: int) -> Tensor:
    return torch.from_numpy(np.array(pixels, np.uint8).reshape(-1, *shape))


def labels_from(labels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(labels, np.int64))


def check_sha256(data, expected: str) -> None:
    if hashlib.sha256(data).hexdigest() != expected:
        raise ValueError("its SHA-256 differs from the published one")
