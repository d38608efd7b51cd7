"""What scores take and give: arrays or tensors in, float64 inside, and how many samples were seen beside the number."""

import numpy as np
import torch
from torch import Tensor

from ..nn import checked

Array = np.ndarray | Tensor
BLOCK = 1000  # rows that are compared with all others at a time: what is in memory is BLOCK × n


def as_tensor(x: Array, name: str, finite: bool = True) -> Tensor:
    """x without its gradient, after a look at it; ValueError that names it where it holds anything but real, finite numbers."""
    try:
        x = torch.as_tensor(np.ascontiguousarray(x) if isinstance(x, np.ndarray) else x)  # torch takes no array that is read backwards
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} must be a tensor or array of numbers, got {type(x).__name__}") from None
    return checked(x.detach(), name, finite)


def to_numpy(x: Array, name: str, finite: bool = True) -> np.ndarray:
    """The same as an array."""
    x = as_tensor(x, name, finite).cpu()
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy()  # NumPy has no such type


def in_bytes(x: Tensor, other: Tensor) -> bool:
    """Whether x holds grey levels as whole numbers where `other` holds floats in [0, 1]: the same pictures, 255 times as far apart."""
    if x.is_floating_point() or x.dtype == torch.bool or not other.is_floating_point():
        return False
    shares = other.numel() > 0 and bool(other.min() >= 0) and bool(other.max() <= 1)
    return x.dtype == torch.uint8 or shares and x.numel() > 0 and bool(x.max() > 1)


def alike(a: Tensor, b: Tensor, names: tuple[str, str] = ("a", "b")) -> None:
    """Raise ValueError where one set holds bytes and the other floats."""
    for x, other, (name, other_name) in ((a, b, names), (b, a, names[::-1])):
        if in_bytes(x, other):
            raise ValueError(
                f"{name} holds whole numbers ({str(x.dtype).removeprefix('torch.')}) and {other_name} floats: give both alike; "
                f"datasets.to_float turns bytes into floats in [0, 1]"
            )


class Score(float):
    """A number that knows how it was measured.

    Attributes:
        samples: how many were scored;  reference: how many they were compared with, 0 without any
        error: standard deviation over parts of the samples, where it was measured
    """

    def __new__(cls, value: float, samples: int = 0, reference: int = 0, error: float | None = None):
        score = super().__new__(cls, value)
        score.samples, score.reference, score.error = samples, reference, error
        return score

    def __repr__(self) -> str:
        give = "" if self.error is None else f" ± {self.error:.2g}"
        return f"{float(self):.4g}{give} (n = {self.samples:,}{f' against {self.reference:,}' if self.reference else ''})"


def exact(features: Array, name: str = "features", least: int = 2) -> Tensor:
    """(n, d) in float64, on the GPU where it is; Apple's has no such type and hands over to the CPU.

    Raises:
        ValueError: not (n, d) with n of `least` or more, or NaN or infinite ones among them
    """
    features = as_tensor(features, name, finite=False)
    if features.ndim != 2 or len(features) < least or not features.shape[1]:
        raise ValueError(f"{name} must be (n, d) with n of {least} or more; got {tuple(features.shape)}")
    # a finite sum has finite terms; only where it is not must each be looked at
    if not features.sum().isfinite() and not features.isfinite().all():
        raise ValueError(f"{name} must be finite, but there are NaN or infinite ones among them")
    return (features.cpu() if features.device.type == "mps" else features).double()


def exact_pair(a: Array, b: Array, names: tuple[str, str] = ("a", "b")) -> tuple[Tensor, Tensor]:
    """Two sets of the same features, as `exact` gives them, on one device.

    Raises:
        ValueError: as in `exact`, different numbers of features, or bytes in one and floats in the other
    """
    a, b = (as_tensor(x, name, finite=False) for x, name in zip((a, b), names))
    alike(a, b, names)
    a, b = exact(a, names[0]), exact(b, names[1])
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{names[0]} and {names[1]} must have the same features; got {tuple(a.shape)} and {tuple(b.shape)}")
    return a, b.to(a.device)
