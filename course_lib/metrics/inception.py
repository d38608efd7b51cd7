"""Inception's features, which published FID and KID are measured with. Our numbers on digits use the digit network instead."""

from functools import cache

import torch
from torch import Tensor

from ..nn import checked


@torch.no_grad()
def inception_features(images: Tensor, batch_size: int = 50) -> Tensor:
    """(n, 1 or 3, h, w), uint8 or floats in [0, 1] → (n, 2048), float64 on the CPU.

    Needs the package torch-fidelity, which fetches 90 MB of weights when first used: `pip install torch-fidelity` on Colab.

    Raises:
        ImportError: the package is missing
        ConnectionError: the weights cannot be fetched
        ValueError: other shapes or types

    Source: Heusel et al. 2017 (arXiv:1706.08500); the weights are those of their TensorFlow code, ported by torch-fidelity.
    """
    checked(images, "images", finite=False)
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"images must be (n, 1 or 3, h, w); got {tuple(images.shape)}")
    if images.dtype != torch.uint8:
        if not images.is_floating_point() or len(images) and not 0 <= images.min() <= images.max() <= 1:
            raise ValueError("images must be uint8, or floats in [0, 1]")
        images = (images * 255).round().to(torch.uint8)
    network = extractor(str(images.device))
    return torch.cat([network(part.expand(-1, 3, -1, -1))[0].cpu().double() for part in images.split(batch_size)])


@cache
def extractor(device: str) -> torch.nn.Module:
    """torch-fidelity's Inception, up to the layer before the last."""
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise ImportError(
            f"Inception's features need torch-fidelity ({error}): run `pip install torch-fidelity`, or use digit_features for digits"
        ) from None
    try:
        return FeatureExtractorInceptionV3("inception-v3-compat", ["2048"]).eval().to(device)
    except OSError as error:  # what urllib raises without a network
        raise ConnectionError(
            f"Inception's weights could not be fetched ({error}): connect to the network once, or use digit_features for digits"
        ) from None
