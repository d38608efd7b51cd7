"""What scores take and give: arrays or tensors in, float64 inside, and how many samples were seen beside the number."""

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray | Tensor
BLOCK = 1000  # rows that are compared with all others at a time: what is in memory is BLOCK × n


def to_numpy(x: Array) -> np.ndarray:
    return x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)


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
    features = torch.as_tensor(features).detach()
    if features.ndim != 2 or len(features) < least or not features.shape[1]:
        raise ValueError(f"{name} must be (n, d) with n of {least} or more; got {tuple(features.shape)}")
    # a finite sum has finite terms; only where it is not must each be looked at
    if not features.sum().isfinite() and not features.isfinite().all():
        raise ValueError(f"{name} must be finite, but there are NaN or infinite ones among them")
    return (features.cpu() if features.device.type == "mps" else features).double()


def exact_pair(a: Array, b: Array, names: tuple[str, str] = ("a", "b")) -> tuple[Tensor, Tensor]:
    """Two sets of the same features, as `exact` gives them, on one device.

    Raises:
        ValueError: as in `exact`, or different numbers of features
    """
    a, b = exact(a, names[0]), exact(b, names[1])
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{names[0]} and {names[1]} must have the same features; got {tuple(a.shape)} and {tuple(b.shape)}")
    return a, b.to(a.device)
