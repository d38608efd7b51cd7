"""Scores take NumPy arrays and tensors alike."""

import numpy as np
from torch import Tensor

Array = np.ndarray | Tensor


def to_numpy(x: Array) -> np.ndarray:
    return x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)
