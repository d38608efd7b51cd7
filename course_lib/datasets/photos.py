"""Photographs: small colour patches of the two that scikit-learn ships, for the statistics of natural images."""

import numpy as np
import torch

from .core import Dataset

NAMES = ("china", "flower")
STEP = 4  # pixels from one patch to the next: neighbours overlap
EDGE = 512  # of 640 columns, those to the left are for training


def photos(split: str = "train", size: int = 16) -> Dataset:
    """Patches of 16×16 or 32×32 pixels, uint8 (n, 3, size, size); y says of which photograph, `china` or `flower`.

    The training patches lie in the left four fifths of each photograph, the test patches in the right fifth: no pixel is in both.
    Within a split neighbours overlap, so there is less to learn from than their number says.

    Raises:
        ValueError: an unknown split, or another size

    Source: scikit-learn's `load_sample_images`, CC BY 2.0: "china.jpg" by danielbuechele, "flower.jpg" from the Flickr page of vultilion,
    as `sklearn/datasets/images/README.txt` has it. Nothing is copied here.
    """
    if split not in ("train", "test"):
        raise ValueError(f"photos has no split {split!r}: choose one of train, test.")
    if isinstance(size, bool) or size not in (16, 32):
        raise ValueError(f"The size of a patch must be 16 or 32, not {size!r}.")
    from sklearn.datasets import load_sample_image

    columns = slice(0, EDGE) if split == "train" else slice(EDGE, None)
    parts = []
    for name in NAMES:
        picture = torch.from_numpy(np.array(load_sample_image(f"{name}.jpg"))).permute(2, 0, 1)[:, :, columns]
        windows = picture.unfold(1, size, STEP).unfold(2, size, STEP)  # (3, down, across, size, size)
        parts.append(windows.permute(1, 2, 0, 3, 4).flatten(0, 1))
    y = torch.arange(len(NAMES)).repeat_interleave(len(parts[0]))
    return Dataset("photos" if size == 16 else f"photos{size}", split, torch.cat(parts).contiguous(), y, classes=NAMES)
