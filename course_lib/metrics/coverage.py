"""Quality and coverage apart, by nearest neighbours: precision and recall, density and coverage, and whether a model has memorised."""

from typing import NamedTuple

import torch
from torch import Tensor

from ..datasets.core import hashes
from .arrays import BLOCK, Array, alike, as_tensor, exact_pair
from .detection import auroc


class NeighbourScores(NamedTuple):
    """The fields of `PrecisionRecall` and of `DensityCoverage`."""

    precision: float
    recall: float
    density: float
    coverage: float
    samples: int
    reference: int


class PrecisionRecall(NamedTuple):
    """precision: share of samples that look real;  recall: share of real ones that the model can make; and how many were seen."""

    precision: float
    recall: float
    samples: int
    reference: int


class DensityCoverage(NamedTuple):
    """density: how crowded samples are with real neighbours, 1 as for real ones;  coverage: share of real ones with a sample near."""

    density: float
    coverage: float
    samples: int
    reference: int


def distances_to_neighbours(a: Tensor, k: int) -> Tensor:
    """The distances of each row of (n, d) to its k nearest other rows, nearest first, (n, k)."""
    nearest = a.new_full((len(a), k + 1), torch.inf)  # the nearest of all is the row itself, at 0
    for start in range(0, len(a), BLOCK):
        rows, later = slice(start, start + BLOCK), slice(start + BLOCK, None)
        distances = torch.cdist(a[rows], a[start:])  # distances are symmetric: later rows hear of these, too
        for part, found in ((rows, distances), (later, distances[:, BLOCK:].T)):
            nearest[part] = torch.cat([nearest[part], found], 1).topk(k + 1, largest=False).values
    return nearest[:, 1:]


def nearest_distances(a: Array, b: Array, names: tuple[str, str] = ("a", "b")) -> Tensor:
    """The distance of each row of a (n, d) to the nearest row of b (m, d): (n,), in float32: sets of images are large.

    names: what the caller calls them

    Raises:
        ValueError: other shapes, NaN or infinite values, or bytes in one and floats in the other
    """
    a, b = (as_tensor(x, name) for x, name in zip((a, b), names))
    alike(a, b, names)
    if a.ndim < 2 or b.ndim < 2 or a.shape[1:].numel() != b.shape[1:].numel() or not len(b):
        both = f"{names[0]} and {names[1]}"
        raise ValueError(f"{both} must have the same size a row, and {names[1]} one row or more; got {tuple(a.shape)} and {tuple(b.shape)}")
    a, b = a.flatten(1).float(), b.flatten(1).float().to(a.device)
    middle = b.mean(0)  # float32 has more digits near 0
    a, b = a - middle, b - middle
    # fast distances of close points have lost their digits; those of the nearest ones are computed again, so that a copy is at 0
    return torch.cat([(part - b[torch.cdist(part, b).argmin(1)]).norm(dim=1) for part in a.split(BLOCK)])


def checked(real: Array, fake: Array, *ks: int) -> tuple[Tensor, Tensor]:
    """Both sets in float64; ValueError unless they fit each other, and each has more rows than any k."""
    real, fake = exact_pair(real, fake, ("real", "fake"))
    most = min(len(real), len(fake)) - 1
    for k in ks:
        if not 1 <= k <= most:
            raise ValueError(f"k must be 1 to {most} with {len(real)} real and {len(fake)} fake rows; got {k}")
    return real, fake


def neighbour_scores(real: Array, fake: Array, k: int = 3, k_density: int = 5) -> NeighbourScores:
    """Precision, recall, density and coverage, all from the same distances.

    Args:
        real: (n, d), fake: (m, d) features
        k, k_density: which neighbour gives a point its reach, for the first two and for the last two scores

    Raises:
        ValueError: shapes do not fit, or not more rows than k

    Source: Kynkäänniemi et al. 2019 (arXiv:1904.06991), equations 1 and 2; Naeem et al. 2020 (arXiv:2002.09797), equations 3 and 4.
    """
    real, fake = checked(real, fake, k, k_density)
    among_real, among_fake, distances = torch.cdist(real, real), torch.cdist(fake, fake), torch.cdist(fake, real)

    def reach(among: Tensor, k: int) -> Tensor:
        return among.kthvalue(k + 1, 1).values  # the nearest of all is the row itself, at 0

    precise = (distances <= reach(among_real, k)).any(1)  # for each sample: is it within the reach of a real one?
    recalled = (distances <= reach(among_fake, k)[:, None]).any(0)  # for each real one: of a sample?
    within = distances <= reach(among_real, k_density)
    density, covered = within.sum() / (k_density * len(fake)), within.any(0)
    shares = (precise.double().mean(), recalled.double().mean(), density, covered.double().mean())
    return NeighbourScores(*(share.item() for share in shares), len(fake), len(real))


def neighbour_scores_fast(real: Array, fake: Array, k: int = 3, k_density: int = 5) -> NeighbourScores:
    """The same as `neighbour_scores`, in a third of the time for thousands of rows: distances a few rows at a time, each computed once."""
    real, fake = checked(real, fake, k, k_density)
    of_real, of_fake = distances_to_neighbours(real, max(k, k_density)), distances_to_neighbours(fake, k)[:, -1]
    reach, dense_reach = of_real[:, k - 1], of_real[:, k_density - 1]
    precise, within = 0, 0
    near, recalled = torch.full_like(reach, torch.inf), torch.zeros_like(reach, dtype=torch.bool)
    for part, its_reach in zip(fake.split(BLOCK), of_fake.split(BLOCK)):
        distances = torch.cdist(part, real)
        precise += (distances <= reach).any(1).sum().item()
        recalled |= (distances <= its_reach[:, None]).any(0)
        within += (distances <= dense_reach).sum().item()
        near = torch.minimum(near, distances.amin(0))
    covered = (near <= dense_reach).double().mean().item()
    recall = recalled.double().mean().item()
    return NeighbourScores(precise / len(fake), recall, within / (k_density * len(fake)), covered, len(fake), len(real))


def precision_recall(real: Array, fake: Array, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall: what lies within the reach of a set is as near to one of its points as that point's k-th neighbour.

    Args:
        real: (n, d), fake: (m, d) features, more than k rows each
        k: which neighbour gives a point its reach

    Raises:
        ValueError: shapes do not fit, or too few rows for k

    Source: Kynkäänniemi et al. 2019 (arXiv:1904.06991), equations 1 and 2.
    """
    found = neighbour_scores_fast(real, fake, k, k)
    return PrecisionRecall(found.precision, found.recall, found.samples, found.reference)


def density_coverage(real: Array, fake: Array, k: int = 5) -> DensityCoverage:
    """Density and coverage: only real points have a reach, so a stray sample cannot claim that it covers half of the data.

    Args and errors: as in `precision_recall`

    Source: Naeem et al. 2020 (arXiv:2002.09797), equations 3 and 4.
    """
    found = neighbour_scores_fast(real, fake, k, k)
    return DensityCoverage(found.density, found.coverage, found.samples, found.reference)


def exact_copies(samples: Array, train: Array) -> Tensor:
    """Which samples are a training image, pixel for pixel: bool (n,).

    Args:
        samples, train: (n, ...) and (m, ...) images, both uint8, or both in [0, 1] and then rounded to the nearest of 256 levels

    Raises:
        ValueError: other shapes, numbers outside the range, or bytes in one and floats in the other
    """
    samples, train = (as_tensor(x, name).cpu() for x, name in ((samples, "samples"), (train, "train")))
    alike(samples, train, ("samples", "train"))
    if samples.shape[1:] != train.shape[1:]:
        raise ValueError(f"samples and train must be images of one size, got {tuple(samples.shape)} and {tuple(train.shape)}")
    known = set(hashes(levels(train, "train")))
    return torch.tensor([mark in known for mark in hashes(levels(samples, "samples"))], dtype=torch.bool)


def levels(x: Tensor, name: str) -> Tensor:
    """Images as uint8."""
    if x.dtype == torch.uint8:
        return x
    if not x.is_floating_point() or x.ndim < 2 or not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"{name} must be images, uint8 or in [0, 1], got {x.dtype} of shape {tuple(x.shape)}")
    return (255 * x).round().to(torch.uint8)


class Memorisation(NamedTuple):
    """closer: how often a sample is nearer to the training set than a new image is, 0.5 when neither is;
    copies: share of samples nearer than all but 1 in 100 new images;  distance: of a sample to the training set, the median;
    fresh: the same of a new image."""

    closer: float
    copies: float
    distance: float
    fresh: float


def memorisation(samples: Array, train: Array, test: Array) -> Memorisation:
    """Are samples nearer to the training data than data that the model has never seen?

    Blurred or wrong samples are far from everything: a `closer` below 0.5 is no proof of quality, only of not copying.

    Args:
        samples, train, test: (n, ...) images or features, any numbers of them, all floats or all bytes

    Raises:
        ValueError: an empty set, NaN or infinite values, other shapes, or bytes beside floats

    Source: Meehan et al. 2020 (arXiv:2004.05675), without its cells; the probability is that of `auroc`.
    """
    for name, x in (("samples", samples), ("train", train), ("test", test)):
        x = as_tensor(x, name, finite=False)
        if not x.numel() or not x.isfinite().all():
            raise ValueError(f"{name} must have one row or more, without NaN or infinite values; got {tuple(x.shape)}")
    of_samples, of_test = nearest_distances(samples, train, ("samples", "train")), nearest_distances(test, train, ("test", "train"))
    copies = (of_samples < of_test.quantile(0.01)).double().mean().item()
    return Memorisation(auroc(-of_test, -of_samples), copies, of_samples.quantile(0.5).item(), of_test.quantile(0.5).item())
