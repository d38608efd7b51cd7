"""Scores of a detector, and of features for another task."""

import numpy as np
import torch

from .arrays import Array, alike, to_numpy


def roc_curve(normal_scores: Array, anomalous_scores: Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The trade-off of an anomaly detector that flags every score at or above a threshold.

    Args:
        normal_scores: (n,), higher means more anomalous: a reconstruction error or a negative ELBO
        anomalous_scores: (m,)

    Returns:
        false positive rates, true positive rates and thresholds, each (distinct scores + 1,); the threshold falls from
        infinity, where nothing is flagged, to the smallest score, where everything is

    Raises:
        ValueError: a set is empty, not one-dimensional, or has NaN
    """
    normal, anomalous = _both(normal_scores, anomalous_scores)
    thresholds = np.append(np.inf, np.unique(np.concatenate([normal, anomalous]))[::-1])
    rates = [1 - np.searchsorted(np.sort(scores), thresholds) / len(scores) for scores in (normal, anomalous)]
    rates[0][0] = rates[1][0] = 0.0  # the first threshold flags nothing, not even a score of infinity
    return rates[0], rates[1], thresholds


def auroc(normal_scores: Array, anomalous_scores: Array) -> float:
    """Probability that an anomalous example scores above a normal one, ties counting half: the area under `roc_curve`.

    Args and errors: as in `roc_curve`. 0.5 is chance; below it the sign of the score is wrong.

    Source: the Mann–Whitney U statistic; Hanley & McNeil 1982 (doi:10.1148/radiology.143.1.7063747).
    """
    normal, anomalous = _both(normal_scores, anomalous_scores)
    normal = np.sort(normal)
    below, up_to = np.searchsorted(normal, anomalous, "left"), np.searchsorted(normal, anomalous, "right")
    return float((below + up_to).mean() / (2 * len(normal)))


def linear_probe(codes: Array, labels: Array, test_codes: Array, test_labels: Array) -> float:
    """Test accuracy of logistic regression on frozen, standardised features.

    Args:
        codes, test_codes: (n, features) and (m, features) floats
        labels, test_labels: (n,) and (m,) integers

    Raises:
        ValueError: shapes do not fit

    Source: Alain & Bengio 2016 (arXiv:1610.01644).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    codes, labels = to_numpy(codes, "codes"), to_numpy(labels, "labels")
    test_codes, test_labels = to_numpy(test_codes, "test_codes"), to_numpy(test_labels, "test_labels")
    alike(torch.as_tensor(codes), torch.as_tensor(test_codes), ("codes", "test_codes"))
    for name, x, of, y in (("codes", codes, "labels", labels), ("test_codes", test_codes, "test_labels", test_labels)):
        if x.ndim != 2 or not len(x) or y.shape != x.shape[:1] or x.shape[1:] != codes.shape[1:]:
            raise ValueError(
                f"{name} {x.shape} with {of} {y.shape} must be (n, features) with (n,), n above 0, the same features in both sets"
            )
        if y.dtype.kind not in "iub":
            raise ValueError(f"{of} must be integers, one for each of {name}, got {y.dtype}")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return float(probe.fit(codes, labels).score(test_codes, test_labels))


def _both(normal_scores: Array, anomalous_scores: Array) -> tuple[np.ndarray, np.ndarray]:
    normal, anomalous = _scores(normal_scores, "normal_scores"), _scores(anomalous_scores, "anomalous_scores")
    alike(torch.as_tensor(normal), torch.as_tensor(anomalous), ("normal_scores", "anomalous_scores"))
    return normal, anomalous


def _scores(scores: Array, name: str) -> np.ndarray:
    scores = to_numpy(scores, name, finite=False)  # a score may be infinite
    if scores.ndim != 1 or len(scores) == 0 or np.isnan(scores).any():
        raise ValueError(f"{name} has shape {scores.shape} and {np.isnan(scores).sum()} NaN, but must be (n,), n above 0, without NaN")
    return scores
