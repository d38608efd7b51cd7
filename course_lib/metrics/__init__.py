"""Scores of trained models.

`factors` how well a latent space separates them, `detection` of anomalies and usefulness of features, `digits` the digit network and the
distances between sets of images that it measures.
"""

from .detection import auroc, linear_probe, roc_curve  # noqa: F401
from .digits import (  # noqa: F401
    DigitNetwork,
    class_shares,
    digit_features,
    digit_fid,
    digit_kid,
    digit_network,
    draw,
    frechet_distance,
    gaussian_distance,
    kernel_distance,
    moments,
    predicted_digits,
)
from .factors import DCI, dci, disentanglement, factor_vae_score, mig, mutual_information_matrix, sap  # noqa: F401


def __getattr__(name: str):
    # `course_lib.recipes` asks every topic for its RECIPES; importing them here at once would be a cycle with the topics that measure
    if name == "RECIPES":
        from .recipes import RECIPES

        return RECIPES
    raise AttributeError(f"module 'course_lib.metrics' has no attribute {name!r}")
