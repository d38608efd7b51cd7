"""Are two sets of samples from one distribution, and how sure is a score of two sets? A classifier's answer, and error bars."""

from collections.abc import Callable

import numpy as np
import torch

from .arrays import Array, Score, exact_pair
from .kernels import mmd_of_subsets


def c2st(a: Array, b: Array, classifier: object | None = None, folds: int = 5, seed: int = 0) -> Score:
    """Classifier two-sample test: how often a classifier, trained to tell the two sets apart, is right about rows that it has not seen.

    0.5: this classifier cannot tell them apart. 1: it never errs. With equal distributions n + m held-out answers scatter around 0.5
    by about 0.5 / √(n + m); a fold may lie below 0.5.

    Args:
        a: (n, d), b: (m, d) features, `folds` rows or more each
        classifier: any of scikit-learn's, which is copied for each fold. A support vector machine with a Gaussian kernel, on
            standardised features, when left out: it sees shifts as well as spreads
        folds: parts; each is judged by a classifier that was trained on the others
        seed: deals the rows out

    Returns:
        the accuracy, the mean of that on a and that on b: a larger set counts no more; `error` is the standard deviation over folds

    Raises:
        ValueError: shapes do not fit, or fewer rows than folds

    Source: Lopez-Paz & Oquab 2017 (arXiv:1610.06545), section 3, with cross-validation for one split.
    """
    from sklearn.base import clone
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    a, b = exact_pair(a, b)
    if not 2 <= folds <= min(len(a), len(b)):
        raise ValueError(f"folds must be 2 to {min(len(a), len(b))}, one row of each set or more in each; got {folds}")
    x, y = torch.cat([a, b]).cpu().numpy(), np.repeat([0, 1], [len(a), len(b)])
    judge = classifier if classifier is not None else make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
    shares = []
    for train, held_out in StratifiedKFold(folds, shuffle=True, random_state=seed).split(x, y):
        right = clone(judge).fit(x[train], y[train]).predict(x[held_out]) == y[held_out]
        shares.append([right[y[held_out] == which].mean() for which in (0, 1)])
    accuracy = np.mean(shares, 1)
    return Score(accuracy.mean().item(), len(a), len(b), accuracy.std(ddof=1).item())


def jackknife_error(score: Callable[[torch.Tensor, torch.Tensor], float], a: Array, b: Array, parts: int = 10, seed: int = 0) -> float:
    """Standard error of a score of two sets: what other draws of both would change, estimated by leaving a part of each out in turn.

    Not by the bootstrap: it repeats rows, and repeated rows make FID larger. A tenth left out repeats none. The error is too large on
    average rather than too small (Efron & Stein 1981); for FID of 300 rows of 64 features by half or more.

    Args:
        score: (a, b) → a number, such as `frechet_distance` or `mmd`
        a: (n, d), b: (m, d), `parts` rows or more each
        parts: more are steadier and slower: the error itself is good to about 1 / √(2 · parts)

    Raises:
        ValueError: shapes do not fit, or fewer rows than parts

    Source: the delete-a-group jackknife, Kott 2001; √((parts − 1) / parts · Σ (θᵢ − θ̄)²).
    """
    a, b = exact_pair(a, b)
    if not 2 <= parts <= min(len(a), len(b)):
        raise ValueError(f"parts must be 2 to {min(len(a), len(b))}, one row of each set or more in each; got {parts}")
    of_a, of_b = _groups(len(a), parts, seed), _groups(len(b), parts, seed + 1)
    return _spread([float(score(a[of_a != part], b[of_b != part])) for part in range(parts)])


def kid_error(a: Array, b: Array, parts: int = 10, seed: int = 0) -> float:
    """The same as `jackknife_error(mmd, a, b)`, in a tenth of the time: the parts share their kernel values."""
    a, b = exact_pair(a, b)
    kept = [torch.stack([_groups(len(x), parts, seed + i) != part for part in range(parts)]).to(a) for i, x in enumerate((a, b))]
    return _spread(mmd_of_subsets(a, b, *kept).tolist())


def _groups(n: int, parts: int, seed: int) -> torch.Tensor:
    """The part of each of n rows, (n,): equally large parts, dealt out at random."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed)) % parts


def _spread(left: list[float]) -> float:
    """The standard error that the scores without each part tell."""
    return float(np.std(left) * (len(left) - 1) ** 0.5)
