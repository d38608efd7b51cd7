"""How well the latents of a model separate the factors that made the data.

Every score takes `codes` (n, latents), one float row per example (for a VAE the posterior mean), and
`factors` (n, factors), the integer factors of variation that made the example. The rows must be a random sample or the
complete grid of factors. Every score is a float in [0, 1], higher is better, and is the same for every order of the
latents. scikit-learn is imported where it is used: it takes longer to load than most of these scores take to compute.
"""

from typing import NamedTuple

import numpy as np

from .arrays import Array, to_numpy


class DCI(NamedTuple):
    """Disentanglement, completeness and informativeness, each in [0, 1]."""

    disentanglement: float
    completeness: float
    informativeness: float


def mutual_information_matrix(codes: Array, factors: Array, bins: int = 20) -> np.ndarray:
    """Mutual information between every latent and every factor, in nats.

    Each latent is cut into `bins` of equal width between its extremes, as in published tables. So shift and scale do not
    matter, but a far outlier leaves few bins for the rest. Independent pairs score about (bins − 1)(values − 1) / 2n.

    Args:
        codes: (n, latents) floats
        factors: (n, factors) integers
        bins: at least 2; a factor with more values than bins cannot be carried whole, even by a perfect latent

    Returns:
        (latents, factors), zero for a constant latent, at most the factor's entropy

    Raises:
        ValueError: shapes, types or values do not fit

    Source: Chen et al. 2018 (arXiv:1802.04942), section 4.1, with the histogram of posterior means of Locatello et al.
    2019 (arXiv:1811.12359).
    """
    codes, factors, sizes = _codes_and_factors(codes, factors)
    if bins < 2:
        raise ValueError(f"bins is {bins}, and a latent needs at least 2 bins to carry information")
    information = np.empty((codes.shape[1], len(sizes)))
    span = np.ptp(codes, axis=0)
    cells = ((codes - codes.min(0)) / np.where(span > 0, span, 1) * bins).astype(int).clip(max=bins - 1)
    for i, cell in enumerate(cells.T):
        for j, size in enumerate(sizes):
            joint = np.bincount(cell * size + factors[:, j], minlength=bins * size).reshape(bins, size)
            information[i, j] = _entropy(joint.sum(0)) + _entropy(joint.sum(1)) - _entropy(joint)
    return information.clip(min=0)  # rounding can leave −1e-16


def mig(codes: Array, factors: Array, bins: int = 20) -> float:
    """Mutual information gap: how far the best latent of a factor is ahead of the second best.

    The gap is divided by the entropy of the factor and averaged over factors. A factor shared by two latents scores 0.

    Args: as in `mutual_information_matrix`

    Source: Chen et al. 2018 (arXiv:1802.04942), section 4.1.
    """
    information = mutual_information_matrix(codes, factors, bins)
    entropy = [_entropy(np.unique(column, return_counts=True)[1]) for column in to_numpy(factors, "factors").T]
    return float((_gap(information) / entropy).mean())


def dci(codes: Array, factors: Array, seed: int = 0) -> DCI:
    """Disentanglement, completeness, informativeness: what a forest that predicts the factors looks at.

    A random forest per factor gives an importance matrix (latents, factors). A latent is disentangled when its row has
    low entropy (it serves one factor); a factor is complete when its column has (one latent serves it). Trees of
    2 × values leaves keep the importances clean, because deep splits fit noise with every latent. Informativeness is the
    balanced accuracy of deep trees on held-out examples, 0 at chance.

    Args:
        codes: (n, latents) floats
        factors: (n, factors) integers
        seed: chooses the examples (at most 5,000 to fit and 5,000 to score) and grows the trees

    Raises:
        ValueError: shapes, types or values do not fit

    Source: Eastwood & Williams 2018 (openreview.net/forum?id=By-7dz-AZ), section 2. Ours is a classifier with its
    accuracy where theirs is a regressor with its error.
    """
    from sklearn.ensemble import RandomForestClassifier

    codes, factors, sizes = _codes_and_factors(codes, factors)
    fit, score = _halves(len(codes), seed)
    importance, accuracy = np.empty((codes.shape[1], len(sizes))), []
    for j, size in enumerate(sizes):
        # every split sees every latent (max_features=None), so that a useless latent is not used for want of a better one
        shared = {"max_features": None, "class_weight": "balanced", "random_state": seed}
        small = RandomForestClassifier(20, max_leaf_nodes=2 * size, **shared).fit(codes[fit], factors[fit, j])
        full = RandomForestClassifier(10, min_samples_leaf=5, **shared).fit(codes[fit], factors[fit, j])
        importance[:, j] = small.feature_importances_
        accuracy.append(_above_chance(full.predict(codes[score]), factors[score, j], size))
    return DCI(_concentration(importance), _concentration(importance.T), float(np.mean(accuracy)))


def sap(codes: Array, factors: Array, seed: int = 0) -> float:
    """Separated attribute predictability: how far the best latent predicts a factor better than the second best.

    One latent predicts a factor of K values with K − 1 thresholds, fitted as a tree of K leaves on half of the examples.
    Its score is the balanced accuracy on the other half, scaled so that chance is 0 and perfect is 1.

    Args:
        codes: (n, latents) floats
        factors: (n, factors) integers
        seed: chooses the examples, at most 5,000 to fit and 5,000 to score

    Raises:
        ValueError: shapes, types or values do not fit

    Source: Kumar et al. 2018 (arXiv:1711.00848), section 3: thresholds that minimise the balanced error, for discrete
    factors. The scaling and the tree are ours; a linear classifier on one latent cannot single out a middle value.
    """
    from sklearn.tree import DecisionTreeClassifier

    codes, factors, sizes = _codes_and_factors(codes, factors)
    fit, score = _halves(len(codes), seed)
    accuracy = np.empty((codes.shape[1], len(sizes)))
    for j, size in enumerate(sizes):
        tree = DecisionTreeClassifier(max_leaf_nodes=size, class_weight="balanced", random_state=seed)
        for i in range(codes.shape[1]):
            column = codes[:, i : i + 1]
            predicted = tree.fit(column[fit], factors[fit, j]).predict(column[score])
            accuracy[i, j] = _above_chance(predicted, factors[score, j], size)
    return float(_gap(accuracy).mean())


def factor_vae_score(
    codes: Array, factors: Array, *, active: Array | None = None, votes: int = 5000, batch: int = 64, seed: int = 0
) -> float:
    """Accuracy of guessing which factor was held fixed from the latent that then varies least.

    Each vote fixes one factor at a random value, draws `batch` examples that share it, and takes the latent with the
    smallest variance relative to its variance over all examples. A majority vote maps latents to factors; fresh votes
    score it. Chance is 1 / factors, not 0.

    Args:
        codes: (n, latents) floats
        factors: (n, factors) integers, the complete grid or a sample with many examples for each value
        active: (latents,) booleans, the latents that may vote; for a VAE for example `mean_kl > 0.01`. Without it those
            with a variance above 0.01, which suits posterior means under a unit Gaussian prior. Divided by its own
            tiny variance, a collapsed latent would vote like a useful one.
        votes: number of votes to fit, and again to score, shared out equally among the factors
        batch: examples per vote, at least 2
        seed: chooses the examples

    Returns:
        accuracy in [0, 1]; 1 / factors when no latent is active

    Raises:
        ValueError: shapes, types or values do not fit

    Source: Kim & Mnih 2018 (arXiv:1802.05983), section 4; the default threshold is that of Burda et al. 2016
    (arXiv:1509.00519) for active units.
    """
    codes, factors, sizes = _codes_and_factors(codes, factors)
    if batch < 2 or votes < len(sizes):
        raise ValueError(f"batch is {batch} and votes {votes}, but a variance needs 2 examples and every factor 1 vote")
    variance = codes.var(0)
    active = variance > 0.01 if active is None else to_numpy(active, "active").astype(bool)
    if active.shape != variance.shape:
        raise ValueError(f"active has shape {active.shape}, but there are {len(variance)} latents: give one boolean for each")
    active = active & (variance > 0)
    if not active.any():
        return 1 / len(sizes)
    scaled = codes[:, active] / np.sqrt(variance[active])

    generator = np.random.default_rng(seed)
    table = np.zeros((2, scaled.shape[1], len(sizes)), dtype=int)  # votes to fit, votes to score
    for j, size in enumerate(sizes):
        by_value = np.argsort(factors[:, j], kind="stable")
        counts = np.bincount(factors[:, j], minlength=size)
        starts = np.cumsum(counts) - counts
        for part in table:
            value = generator.choice(factors[:, j], (votes // len(sizes), 1))
            offset = generator.integers(counts[value], size=(len(value), batch))
            winner = scaled[by_value[starts[value] + offset]].var(1).argmin(1)
            part[:, j] = np.bincount(winner, minlength=scaled.shape[1])
    fit, score = table
    return float(score[np.arange(len(fit)), fit.argmax(1)].sum() / score.sum())


def disentanglement(codes: Array, factors: Array, seed: int = 0) -> dict[str, float]:
    """Every score by name, for one row of a table.

    Returns:
        mig, dci_disentanglement, dci_completeness, dci_informativeness, sap, factor_vae

    Args and errors: as in `mig`, `dci`, `sap` and `factor_vae_score`
    """
    return {
        "mig": mig(codes, factors),
        **{f"dci_{name}": value for name, value in dci(codes, factors, seed)._asdict().items()},
        "sap": sap(codes, factors, seed),
        "factor_vae": factor_vae_score(codes, factors, seed=seed),
    }


def _codes_and_factors(codes: Array, factors: Array) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Checked codes (n, latents), factors relabelled 0 … size − 1 (n, factors), and the sizes."""
    codes, factors = to_numpy(codes, "codes", finite=False), to_numpy(factors, "factors")
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or 0 in codes.shape + factors.shape:
        raise ValueError(f"codes {codes.shape} and factors {factors.shape} must be (n, latents) and (n, factors) with the same n above 0")
    if not np.issubdtype(factors.dtype, np.integer):
        raise ValueError(f"factors are {factors.dtype}, but must be integers: give the index of each value")
    if not np.isfinite(codes).all():
        raise ValueError(f"{(~np.isfinite(codes)).sum()} codes are NaN or infinite: check the encoder before scoring it")
    relabelled = np.stack([np.unique(column, return_inverse=True)[1].reshape(-1) for column in factors.T], axis=1)
    sizes = (relabelled.max(0) + 1).tolist()
    if 1 in sizes:
        raise ValueError(f"factor column {sizes.index(1)} has a single value, so nothing can predict it: leave that column out")
    return codes.astype(np.float64), relabelled, sizes


def _halves(n: int, seed: int, limit: int = 5000) -> tuple[np.ndarray, np.ndarray]:
    """Two disjoint sets of random row numbers: a grid is ordered, so its first half lacks whole factor values."""
    if n < 4:
        raise ValueError(f"{n} examples cannot be split into some to fit and some to score: give at least 4, better 1,000")
    order = np.random.default_rng(seed).permutation(n)[: 2 * limit]
    return order[: len(order) // 2], order[len(order) // 2 :]


def _entropy(counts: np.ndarray) -> float:
    """Entropy in nats of the distribution that the counts describe."""
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum())


def _gap(scores: np.ndarray) -> np.ndarray:
    """Best minus second best latent for each factor; a lone latent competes with one that knows nothing."""
    ordered = np.sort(np.pad(scores, ((1, 0), (0, 0))), axis=0)
    return ordered[-1] - ordered[-2]


def _concentration(importance: np.ndarray) -> float:
    """1 − entropy of each row relative to a uniform row, weighted by the row's share of all importance."""
    total = importance.sum()
    if total == 0 or importance.shape[1] == 1:  # nothing is used; or there is one place only to be concentrated in
        return float(total > 0)
    focus = [1 - _entropy(row) / np.log(len(row)) for row in importance]
    return float(np.clip(importance.sum(1) @ focus / total, 0, 1))


def _above_chance(predicted: np.ndarray, truth: np.ndarray, size: int) -> float:
    """Balanced accuracy on a scale where a guess scores 0 and a perfect answer 1."""
    recall = np.mean([(predicted[truth == value] == value).mean() for value in np.unique(truth)])
    return float(max(0.0, (recall - 1 / size) / (1 - 1 / size)))
