"""Tasks of exercise 01. Truths come from NumPy, SciPy and scikit-learn in float64, never from the course's own models."""

import itertools
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from scipy.linalg import svd
from scipy.spatial import geometric_slerp
from scipy.special import log_softmax, softmax
from scipy.stats import bernoulli, multivariate_normal
from sklearn import decomposition
from torch import Tensor

from course_lib.grading import Goal, Mistake, Task, grid, is_whole

# --------------------------------------------------------------------------------------------------------------------
# 1 · The joint table


def _conditional(table, known):
    """Image by image: the sixteen are few enough to go through."""
    joint = {image: float(table[image]) for image in itertools.product((0, 1), repeat=len(known)) if _fits(image, known)}
    result = np.zeros(table.shape)
    for image, p in joint.items():
        result[image] = p / sum(joint.values())
    return torch.from_numpy(result)


def _fits(image, known):
    return all(wanted is None or pixel == wanted for pixel, wanted in zip(image, known))


def _mask(table, known):
    """1.0 where an image fits, else 0.0."""
    mask = torch.zeros_like(table)
    for image in itertools.product((0, 1), repeat=len(known)):
        mask[image] = float(_fits(image, known))
    return mask


def _one_only(known, choose):
    only = choose(i for i, value in enumerate(known) if value is not None)
    return [value if i == only else None for i, value in enumerate(known)]


def _one(known, i):
    return [value if j == i else None for j, value in enumerate(known)]


def _place(known):
    return tuple(slice(None) if value is None else value for value in known)


def _opposite(known):
    return [None if value is None else 1 - value for value in known]


def _normalised(t):
    """Divided by its sum: NaN, where the reference would stop, if nothing is left."""
    return t / t.sum()


def _marginal_product(table, known):
    """The product of p(pixel i = its known value), as if the known pixels were independent."""
    return torch.stack([table.select(i, value).sum() for i, value in enumerate(known) if value is not None]).prod()


def _table(weights):
    return (weights / weights.sum()).reshape(2, 2, 2, 2)


_HOLES = torch.tensor([5.0, 2, 0, 1, 3, 0, 0, 4, 1, 0, 2, 2, 0, 6, 1, 5])  # counts, as of images: some never occur

CONDITIONAL = Task(
    "conditional",
    _conditional,
    cases=[
        (_table(grid(16).exp().sin() + 1.2), (None, 1, 0, None)),
        (_table(_HOLES), (0, None, None, 1)),
        (_table(grid(16).square() + 0.1), (0, None, 0, None)),
    ],
    hidden_cases=[
        (_table(grid(16).cos() + 1.5), (1, 0, None, 0)),
        (_table(_HOLES.flip(0)), (None, None, 0, None)),
        (_table(grid(16).exp()), (None, 0, 0, None)),
    ],
    mistakes=[
        Mistake("not divided", lambda t, k: t * _mask(t, k), "these are p(image, known pixels): they do not add up to 1. What is missing?"),
        Mistake("known pixels ignored", lambda t, k: t, "this is the table as it came: what you know has changed nothing."),
        Mistake(
            "0 taken for unknown",
            lambda t, k: _conditional(t, [value or None for value in k]),
            "a pixel known to be 0 is treated as unknown. In Python `if value:` is false for 0 as it is for None.",
        ),
        Mistake(
            "unknown taken for 0",
            lambda t, k: _conditional(t, [value or 0 for value in k]),
            "one image has everything: None is treated as a value, 0 or 1. An unknown pixel may be either.",
            forms=[lambda t, k: _normalised(t * _mask(t, [1 if value is None else value for value in k]))],
        ),
        Mistake(
            "contradictions kept",
            lambda t, k: t * (1 - _mask(t, k)) / (t * (1 - _mask(t, k))).sum(),
            "the images that contradict what is known are kept, and those that fit are gone.",
        ),
        Mistake(
            "one known pixel only",
            lambda t, k: _conditional(t, _one_only(k, max)),
            "only one of the known pixels counts. Does each turn of your loop begin again from the whole table, or end it too early?",
            forms=[lambda t, k: _conditional(t, _one_only(k, min))],
        ),
        Mistake(
            "pixels in reverse order",
            lambda t, k: _conditional(t, k[::-1]),
            "right if `known` were read backwards. Axis 0 of the table is the first pixel.",
        ),
        Mistake(
            "all that fit are equal",
            lambda t, k: _mask(t, k) / _mask(t, k).sum(),
            "every image that fits is equally likely here. What does the table say of them?",
            forms=[lambda t, k: _normalised((t * _mask(t, k) > 0).to(t))],
        ),
        Mistake(
            "a mask",
            lambda t, k: _mask(t, k),
            "1 for each image that fits, 0 for the rest: this says what is possible, not how likely it is.",
        ),
        Mistake(
            "known pixels as if independent",
            lambda t, k: t * _mask(t, k) / _marginal_product(t, k),
            "divided by the product of the single pixels' probabilities, as if they were independent. Known pixels occur together.",
        ),
        Mistake(
            "softmax",
            lambda t, k: (t * _mask(t, k)).flatten().softmax(0).reshape(t.shape),
            "a softmax gives something to every image, even to those that contradict. Probabilities need no exp.",
        ),
        Mistake(
            "0 and 1 exchanged",
            lambda t, k: _normalised(t * _mask(t, _opposite(k))),
            "right if each known 0 were a 1 and each 1 a 0. Do you keep the images that you meant to set to 0?",
        ),
        Mistake(
            "columns before rows",
            lambda t, k: _normalised(t * _mask(t, [k[i] for i in (0, 2, 1, 3)])),
            "right if the second pixel were bottom left. The order is top left, top right, bottom left, bottom right.",
        ),
        Mistake(
            "divided by another number",
            lambda t, k: t * _mask(t, k) / _mask(t, k).sum(),
            "the images that fit are divided by something, but not by their sum: they do not add up to 1.",
            forms=[
                lambda t, k: t * _mask(t, k) / (t * _mask(t, k) > 0).sum(),
                lambda t, k: t * _mask(t, k) / (t * _mask(t, k)).max(),
                lambda t, k: t * _mask(t, k) / (t * _mask(t, k)).mean(),
                lambda t, k: t * _mask(t, k) / (t * _mask(t, k)).norm(),
            ],
        ),
        Mistake(
            "divided along one axis",
            lambda t, k: t * _mask(t, k) / (t * _mask(t, k)).sum(-1, keepdim=True),
            "divided by the sums along one axis. It is all sixteen images together that add up to 1.",
            forms=[lambda t, k, axis=axis: t * _mask(t, k) / (t * _mask(t, k)).sum(axis, keepdim=True) for axis in range(3)]
            + [lambda t, k, axis=axis: t * _mask(t, k) / (t * _mask(t, k)).sum(axis) for axis in range(4)],
        ),
        Mistake(
            "one match is enough",
            lambda t, k: _normalised(t * (_mask(t, k) + sum(_mask(t, _one(k, i)) for i in range(4) if k[i] is not None) > 0)),
            "an image is kept as soon as one known pixel agrees. All of them have to.",
        ),
        Mistake(
            "nothing fits",
            lambda t, k: t * torch.nan,
            "NaN everywhere: no image is left, and 0 is divided by 0. No pixel equals None: do you ask that of the unknown ones?",
        ),
        Mistake(
            "known axes gone",
            lambda t, k: _conditional(t, k)[_place(k)],
            "the axes of the known pixels are gone. The images that contradict keep their places in the table, with 0.",
            forms=[lambda t, k: t[_place(k)]],
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 2 · Principal components


class UpToSign(Task):
    """A task whose result has unit vectors of free sign: in all versions alike the entry of largest magnitude is made positive."""

    def _outcome(self, result, inputs):
        outcome = super()._outcome(result, inputs)
        return replace(outcome, values=tuple(_signed(value, inputs[1]) for value in outcome.values))


def _signed(vectors, k):
    if not isinstance(vectors, Tensor) or vectors.ndim != 2 or not vectors.numel() or vectors.is_complex():
        return vectors
    axis = 0 if vectors.shape[0] != k == vectors.shape[1] else 1  # they may have come as columns
    largest = vectors.gather(axis, vectors.abs().argmax(axis, keepdim=True))
    return torch.where(largest < 0, -vectors, vectors)


def _pca(x, k):
    fitted = decomposition.PCA(k, svd_solver="full").fit(x.numpy())
    return torch.from_numpy(fitted.mean_), torch.from_numpy(fitted.components_)


def _directions(covariance):
    """Eigenvectors as rows, the largest variance first."""
    return torch.linalg.eigh(covariance).eigenvectors.flip(1).T


def _scatter(x):
    return (x - x.mean(0)).T @ (x - x.mean(0))


def _stretched(x, k, stretch):
    """The components, each times stretch(its variance)."""
    return _directions(_scatter(x))[:k] * stretch(torch.linalg.eigvalsh(_scatter(x)).flip(0)[:k, None] / len(x))


def _standardised(x):
    return (x - x.mean(0)) / x.std(0)


# Each row a different mix of a few waves: variances well apart, so that float32 finds the same directions.
_WAVES = torch.stack([3 * grid(9).sin(), 2 * grid(9).exp().cos(), grid(9).square() - 1, 0.5 * (4 * grid(9)).sin()], 1)
_MIX = torch.tensor([[0.6, 0.5, -0.3, 0.5], [0.2, 0.7, 0.6, -0.3], [-0.7, 0.4, 0.2, 0.5], [0.3, -0.3, 0.7, 0.6]])
_DATA = _WAVES @ _MIX + torch.tensor([1.0, -0.5, 2.0, 0.3])
_MORE = torch.cat([_WAVES[:7, :3] @ _MIX[:3], 0.7 * (5 * grid(7, 1)).cos()], 1) + torch.tensor([0.5, 2.0, -1.0, 0.8, 1.0])

# Here `torch.linalg.eig`, which promises no order, does not happen to put the largest variance first.
_RISING = _DATA[:6, 1:] * torch.tensor([0.3, 1.0, 2.0])
_FALLING = _DATA.flip(1)[2:] ** 2 * torch.tensor([0.1, 0.4, 1.0, 3.0])

PRINCIPAL = UpToSign(
    "pca",
    _pca,
    cases=[(_DATA, 2), (_RISING, 1)],
    hidden_cases=[(_MORE, 3), (_FALLING, 3)],
    results=("mean", "components"),
    tolerance=1e-4,  # an eigenvector in float32
    mistakes=[
        Mistake(
            "smallest first",
            lambda x, k: (x.mean(0), _directions(_scatter(x)).flip(0)[:k]),
            "these are the directions of least variance. In which order does `torch.linalg.eigh` return them?",
        ),
        Mistake(
            "in ascending order",
            lambda x, k: (x.mean(0), _directions(_scatter(x))[:k].flip(0)),
            "the right directions, but the one of largest variance should come first.",
        ),
        Mistake(
            "not centred",
            lambda x, k: (x.mean(0), _directions(x.T @ x)[:k]),
            "the mean is returned, but it was not taken away before the covariance.",
        ),
        Mistake(
            "one mean for all pixels",
            lambda x, k: (x.mean(), _directions((x - x.mean()).T @ (x - x.mean()))[:k]),
            "the mean is one number. Each pixel has its own mean over the images.",
            forms=[
                lambda x, k: (x.mean(0), _directions((x - x.mean()).T @ (x - x.mean()))[:k]),
                lambda x, k: (x.mean(), _directions(_scatter(x))[:k]),
            ],
        ),
        Mistake(
            "components in columns",
            lambda x, k: (x.mean(0), _directions(_scatter(x))[:k].T),
            "each component is a column. Rows are asked for, so that `components[0]` is the first.",
        ),
        Mistake(
            "rows for columns",
            lambda x, k: (x.mean(0), torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh[:, :k].T),
            "the right matrix, read the wrong way: `eigh` has the eigenvectors in columns, `svd` returns Vᵀ, with the components in rows.",
            forms=[
                lambda x, k: (x.mean(0), torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh[:, :k]),
                lambda x, k: (x.mean(0), torch.linalg.eigh(_scatter(x)).eigenvectors[:k]),
                lambda x, k: (x.mean(0), torch.linalg.eigh(_scatter(x)).eigenvectors.flip(1)[:k]),
                lambda x, k: (x.mean(0), torch.linalg.eigh(_scatter(x)).eigenvectors.flip(0)[:k]),
            ],
        ),
        Mistake(
            "all of them",
            lambda x, k: (x.mean(0), _directions(_scatter(x))),
            "every direction is returned. Only the first k are asked for.",
        ),
        Mistake(
            "pixels standardised",
            lambda x, k: (x.mean(0), _directions(_standardised(x).T @ _standardised(x))[:k]),
            "each pixel is divided by its standard deviation first: a pixel that hardly ever changes then counts like any other.",
        ),
        Mistake(
            "scaled by the spread",
            lambda x, k: (x.mean(0), _stretched(x, k, lambda variance: variance.sqrt())),
            "the directions are right, but stretched by how far the images spread along them. Each should have length 1.",
            forms=[
                lambda x, k: (x.mean(0), _stretched(x, k, lambda variance: (variance * len(x)).sqrt())),
                lambda x, k: (x.mean(0), _stretched(x, k, lambda variance: (variance * len(x) / (len(x) - 1)).sqrt())),
                lambda x, k: (x.mean(0), _stretched(x, k, lambda variance: variance)),
                lambda x, k: (x.mean(0), _stretched(x, k, lambda variance: variance * len(x))),
                lambda x, k: (x.mean(0), _stretched(x, k, lambda variance: variance * len(x) / (len(x) - 1))),
            ],
        ),
        Mistake(
            "covariance of the images",
            lambda x, k: (x.mean(0), _directions((x - x.mean(0)) @ (x - x.mean(0)).T)[:k]),
            "these directions have one entry for each image, not for each pixel: the covariance is over the wrong axis.",
            forms=[lambda x, k: (x.mean(0), _directions(torch.cov(x))[:k])],
        ),
        Mistake(
            "codes, not components",
            lambda x, k: (x.mean(0), (x - x.mean(0)) @ _directions(_scatter(x))[:k].T),
            "these are the codes of the images. The directions themselves are asked for.",
        ),
        Mistake(
            "components before the mean",
            lambda x, k: (_directions(_scatter(x))[:k], x.mean(0)),
            "the components come first here. The mean is asked for first, then they.",
        ),
        Mistake(
            "the first left out",
            lambda x, k: (x.mean(0), _directions(_scatter(x))[1 : k + 1]),
            "the component of largest variance is left out: Python counts from 0.",
        ),
    ],
)


def _rebuild(x, mean, components):
    """The nearest point of the plane through the mean, by least squares."""
    x, mean, components = x.numpy(), mean.numpy(), components.numpy()
    codes = np.linalg.lstsq(components.T, (x - mean).T)[0]
    return torch.from_numpy(mean + codes.T @ components)


_SQUARE = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1]]) / 2
_SLANT = torch.tensor([[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])

REBUILD = Task(
    "rebuild",
    _rebuild,
    cases=[(grid(5, 4).exp().sin(), torch.tensor([0.3, -0.2, 0.5, 0.1]), _SQUARE[:2]), (grid(2, 3), torch.tensor([1.0, 0.5, 2.0]), _SLANT)],
    hidden_cases=[(grid(6, 4).cos(), torch.tensor([0.1, 0.9, -0.4, 0.2]), _SQUARE), (grid(7, 3).square(), grid(3), _SLANT[:1])],
    mistakes=[
        Mistake("the codes", lambda x, m, c: (x - m) @ c.T, "these are the codes. How do they become images again?"),
        Mistake("mean not added", lambda x, m, c: (x - m) @ c.T @ c, "the mean was taken away, but not added at the end."),
        Mistake("mean not taken away", lambda x, m, c: x @ c.T @ c + m, "the mean is added at the end, but was never taken away."),
        Mistake("no mean", lambda x, m, c: x @ c.T @ c, "the mean has no effect. The directions start from it, not from 0."),
        Mistake(
            "mean of these images",
            lambda x, m, c: (x - x.mean(0)) @ c.T @ c + x.mean(0),
            "the mean of these very images is used. New images are measured from the mean that is given.",
            forms=[
                lambda x, m, c: (x - x.mean(0)) @ c.T @ c + m,
                lambda x, m, c: (x - m) @ c.T @ c + x.mean(0),
                lambda x, m, c: (x - x.mean(1, keepdim=True)) @ c.T @ c + x.mean(1, keepdim=True),
            ],
        ),
        Mistake("what is lost", lambda x, m, c: x - m - (x - m) @ c.T @ c, "this is what gets lost: the image less its rebuilt version."),
        Mistake("mean subtracted twice", lambda x, m, c: (x - m) @ c.T @ c - m, "the mean is taken away twice."),
        Mistake(
            "everything kept",
            lambda x, m, c: x,
            "nothing is lost. Fewer components than pixels cannot hold every image.",
        ),
        Mistake(
            "averaged over components",
            lambda x, m, c: m + (x - m) @ c.T @ c / len(c),
            "too close to the mean: the steps along the components are averaged. They add up.",
        ),
        Mistake(
            "one component alone",
            lambda x, m, c: m + (x - m) @ c[:1].T @ c[:1],
            "one component alone has an effect. Does each turn of your loop begin again from the mean, or end it too early?",
            forms=[lambda x, m, c: m + (x - m) @ c[-1:].T @ c[-1:]],
        ),
        Mistake(
            "cut off",
            lambda x, m, c: (m + (x - m) @ c.T @ c).clamp(0, 1),
            "numbers below 0 or above 1 are cut off. Return what the formula gives, whatever it is.",
            forms=[lambda x, m, c: (m + (x - m) @ c.T @ c).clamp(min=0)],
        ),
    ],
)


def _explained(x, k):
    return float(decomposition.PCA(svd_solver="full").fit(x.numpy()).explained_variance_ratio_[:k].sum())


def _spectrum(x):
    """Variances along the components, the largest first."""
    return torch.linalg.svdvals(x - x.mean(0)).square() / len(x)


def _share(values, k):
    return values[:k].sum() / values.sum()


EXPLAINED = Task(
    "explained",
    _explained,
    cases=[(_DATA, 2), (_RISING, 1)],
    hidden_cases=[(_MORE, 3), (_DATA.flip(1)[2:] ** 2, 1), (_FALLING, 3)],
    mistakes=[
        Mistake(
            "not centred",
            lambda x, k: _share(torch.linalg.svdvals(x).square(), k),
            "the mean image was not taken away first: each pixel has its own mean.",
            forms=[lambda x, k: _share(torch.linalg.svdvals(x - x.mean()).square(), k)],
        ),
        Mistake(
            "the first pixels",
            lambda x, k: _share(x.var(0), k),
            "these are the variances of k pixels. Those along the components are asked for.",
            forms=[lambda x, k: _share(x.var(0).sort(descending=True).values, k)],
        ),
        Mistake(
            "singular values not squared",
            lambda x, k: _share(_spectrum(x).sqrt(), k),
            "singular values are added up. A variance is the square of a spread.",
        ),
        Mistake(
            "squared once too often",
            lambda x, k: _share(_spectrum(x).square(), k),
            "eigenvalues of the covariance are variances already: they need no square.",
        ),
        Mistake(
            "smallest first",
            lambda x, k: _share(_spectrum(x).flip(0), k),
            "the share of the k smallest. In which order does `torch.linalg.eigvalsh` return them?",
        ),
        Mistake("lost, not kept", lambda x, k: 1 - _share(_spectrum(x), k), "this is the share that is lost."),
        Mistake(
            "the k-th alone",
            lambda x, k: _spectrum(x)[k - 1] / _spectrum(x).sum(),
            "the share of a single component. The first k are to be added up.",
            forms=[lambda x, k: _spectrum(x)[k] / _spectrum(x).sum(), lambda x, k: _spectrum(x)[0] / _spectrum(x).sum()],
        ),
        Mistake("one too many", lambda x, k: _share(_spectrum(x), k + 1), "one component too many is counted."),
        Mistake("variance, not share", lambda x, k: _spectrum(x)[:k].sum(), "this is the variance itself. What share of the whole is it?"),
        Mistake(
            "always 1",
            lambda x, k: _share(_spectrum(x)[:k], k),
            "always 1: the sum is divided by itself. The whole includes the components that are left out.",
        ),
        Mistake(
            "one for each k",
            lambda x, k: _spectrum(x)[:k].cumsum(0) / _spectrum(x).sum(),
            "a share for every number of components up to k. Only the last of them is asked for.",
        ),
        Mistake(
            "not added up",
            lambda x, k: _spectrum(x)[:k] / _spectrum(x).sum(),
            "the share of each component by itself. Together they explain one number.",
        ),
        Mistake("one too few", lambda x, k: _share(_spectrum(x), k - 1), "one component too few is counted."),
        Mistake("per cent", lambda x, k: 100 * _share(_spectrum(x), k), "right in per cent. A number between 0 and 1 is asked for."),
        Mistake(
            "kept against lost",
            lambda x, k: _spectrum(x)[:k].sum() / _spectrum(x)[k:].sum(),
            "what is kept is divided by what is lost. A share is one of the whole, which holds both.",
        ),
        Mistake(
            "means for sums",
            lambda x, k: _spectrum(x)[:k].mean() / _spectrum(x).mean(),
            "a mean is divided by a mean: k numbers above, d below. Add them up.",
        ),
        Mistake(
            "n and n − 1",
            lambda x, k: _share(_spectrum(x), k) * len(x) / (len(x) - 1),
            "above the line the variances are divided by n and below by n − 1, or the other way round. `torch.cov` and `var` take n − 1 "
            "unless told otherwise.",
            forms=[lambda x, k: _share(_spectrum(x), k) * (len(x) - 1) / len(x)],
        ),
        Mistake(
            "centred along the wrong axis",
            lambda x, k: _share(torch.linalg.svdvals(x - x.mean(1, keepdim=True)).square(), k),
            "each image has its own mean taken away, over its pixels. It is each pixel that has one, over the images.",
        ),
        Mistake("root", lambda x, k: _share(_spectrum(x), k).sqrt(), "this is the root of the share. Variances need no root."),
        Mistake(
            "pixels standardised",
            lambda x, k: _share(torch.linalg.svdvals(_standardised(x)).square(), k),
            "each pixel is divided by its standard deviation first, so that all vary alike. Take the images as they are.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 3 · A mixture, by EM


def _log_joint(x, weights, means, variances):
    """log π_k + log N(x; μ_k, diag σ²_k), (n, k)."""
    x, weights, means, variances = (np.asarray(value) for value in (x, weights, means, variances))
    clouds = [multivariate_normal(mean, np.diag(variance)) for mean, variance in zip(means, variances)]
    return np.log(weights) + np.stack([cloud.logpdf(x).reshape(len(x)) for cloud in clouds], 1)


def _responsibilities(x, weights, means, variances):
    return torch.from_numpy(softmax(_log_joint(x, weights, means, variances), axis=1))


def _densities(x, w, m, v):
    return torch.from_numpy(np.exp(_log_joint(x, w, m, v)))


def _padded(x, w, m, v, margin):
    joint = _densities(x, w, m, v).clamp(min=margin)
    return joint / joint.sum(1, keepdim=True)


def _logs(x, w, m, v):
    return torch.from_numpy(_log_joint(x, w, m, v))


def _one_largest(x, w, m, v):
    joint = (_logs(x, w, m, v) - _logs(x, w, m, v).max()).exp()
    return joint / joint.sum(1, keepdim=True)


def _log_determinant(v):
    return 0.5 * v.log().sum(1)


def _half_distance(x, m, v):
    return 0.5 * ((x[:, None] - m).square() / v).sum(2)


# Points near the clouds, then some so far away that every density is 0 in any precision.
_NEAR = torch.tensor([[0.2, -0.1], [1.1, 0.6], [-0.7, 0.9], [0.5, 1.4], [-1.2, -0.6]])
_FAR = torch.tensor([[70.0, 10.0], [-50.0, 60.0]])
_CLOUDS = (torch.tensor([[0.0, 0.3], [1.0, 0.8], [-0.9, -0.2]]), torch.tensor([[0.5, 0.8], [0.3, 0.9], [0.7, 0.4]]))
_PAIR = (torch.tensor([[1.0], [-1.0]]), torch.tensor([[0.25], [0.25]]))

RESPONSIBILITIES = Task(
    "responsibilities",
    _responsibilities,
    cases=[
        (torch.cat([_NEAR, _FAR]), torch.tensor([0.5, 0.2, 0.3]), *_CLOUDS),
        (torch.tensor([[60.0], [-60.0]]), torch.tensor([0.25, 0.75]), *_PAIR),  # as far as each other
    ],
    hidden_cases=[
        (torch.cat([_FAR.flip(1), -_NEAR]), torch.tensor([0.1, 0.6, 0.3]), _CLOUDS[0].flip(0), _CLOUDS[1].flip(1)),
        (torch.tensor([[-80.0], [80.0], [-80.25]]), torch.tensor([0.5, 0.5]), *_PAIR),
    ],
    mistakes=[
        Mistake(
            "wrong axis",
            lambda x, w, m, v: _logs(x, w, m, v).softmax(0),
            "the columns, or all numbers together, add up to 1. It is each point that is shared out among the components.",
            forms=[lambda x, w, m, v: _logs(x, w, m, v).flatten().softmax(0).reshape(len(x), -1)],
        ),
        Mistake(
            "densities before logs",
            lambda x, w, m, v: _densities(x, w, m, v) / _densities(x, w, m, v).sum(1, keepdim=True),
            "right near the clouds, NaN far away: there every density is 0 on a computer, and so is their sum. Work with logarithms.",
        ),
        Mistake(
            "a small number in the sum",
            lambda x, w, m, v: _densities(x, w, m, v) / (_densities(x, w, m, v).sum(1, keepdim=True) + 1e-10),
            "a small number hides the 0 / 0, but far points then belong to nobody, or to everybody alike. Work with logarithms.",
            forms=[partial(_padded, margin=10.0**-n) for n in (6, 8, 10, 12, 15, 20, 30)],
        ),
        Mistake(
            "one largest for all points",
            _one_largest,
            "the largest number of the whole table is taken away before exp. Some points are still lost: each row has its own.",
        ),
        Mistake(
            "weights forgotten",
            lambda x, w, m, v: _responsibilities(x, torch.ones_like(w), m, v),
            "the weights have no effect: a rare component claims as much as a common one.",
        ),
        Mistake(
            "weights not in logs",
            lambda x, w, m, v: (_logs(x, torch.ones_like(w), m, v) + w).softmax(1),
            "the weight is added to a log-density. What must happen to it first?",
        ),
        Mistake(
            "variance as standard deviation",
            lambda x, w, m, v: _responsibilities(x, w, m, v.square()),
            "right if the last argument were the standard deviation. It is σ².",
            forms=[lambda x, w, m, v: (_logs(x, w, m, v) + _half_distance(x, m, v) - _half_distance(x, m, v.square())).softmax(1)],
        ),
        Mistake(
            "variances ignored",
            lambda x, w, m, v: _responsibilities(x, w, m, torch.ones_like(v)),
            "every cloud has variance 1 here: the last argument has no effect.",
        ),
        Mistake(
            "width of the cloud forgotten",
            lambda x, w, m, v: (_logs(x, w, m, v) + _log_determinant(v)).softmax(1),
            "only the squared distance depends on the variance. A wide cloud is also lower: what stands in front of the exp of a Gaussian?",
        ),
        Mistake(
            "sign of the log variance",
            lambda x, w, m, v: (_logs(x, w, m, v) + 2 * _log_determinant(v)).softmax(1),
            "log σ² has the wrong sign: a wide cloud is lower, not higher.",
        ),
        Mistake(
            "half forgotten",
            lambda x, w, m, v: (_logs(x, w, m, v) - _half_distance(x, m, v)).softmax(1),
            "a ½ is missing: in the exponent, or where the root of σ² becomes a logarithm.",
            forms=[
                lambda x, w, m, v: (_logs(x, w, m, v) - _log_determinant(v)).softmax(1),
                lambda x, w, m, v: (_logs(x, w, m, v) - _half_distance(x, m, v) - _log_determinant(v)).softmax(1),
            ],
        ),
        Mistake(
            "averaged over dimensions",
            lambda x, w, m, v: ((_logs(x, w, m, v) - w.log()) / x.shape[1] + w.log()).softmax(1),
            "the log-densities of the dimensions are averaged. The density of a point is their product: logarithms add up.",
        ),
        Mistake(
            "not normalised",
            _densities,
            "these are the joint densities, or what is left of them by another factor for each point. What turns them into p(j | x)?",
            forms=[lambda x, w, m, v: (_logs(x, w, m, v) - _logs(x, w, m, v).amax(1, keepdim=True)).exp()],
        ),
        Mistake(
            "logs returned",
            lambda x, w, m, v: _logs(x, w, m, v).log_softmax(1),
            "these are the logarithms of the answer.",
        ),
        Mistake(
            "the nearest takes all",
            lambda x, w, m, v: torch.nn.functional.one_hot(_logs(x, w, m, v).argmax(1), len(w)).double(),
            "each point belongs to one component alone. EM shares it out.",
        ),
        Mistake(
            "weights times logs",
            lambda x, w, m, v: (w * _logs(x, torch.ones_like(w), m, v)).softmax(1),
            "the log-density is multiplied by the weight. What becomes of a product when you take its logarithm?",
        ),
        Mistake(
            "weights at the end",
            lambda x, w, m, v: w * _logs(x, torch.ones_like(w), m, v).softmax(1),
            "the weights come in after the division, so that the rows do not add up to 1. They belong above and below the line.",
        ),
        Mistake(
            "weights in each dimension",
            lambda x, w, m, v: (_logs(x, torch.ones_like(w), m, v) + x.shape[1] * w.log()).softmax(1),
            "the weight counts once for each dimension. A cloud has one weight: is it added before the sum over the dimensions?",
        ),
        Mistake(
            "sign of the distance",
            lambda x, w, m, v: (_logs(x, w, m, v) + 2 * _half_distance(x, m, v)).softmax(1),
            "the further, the likelier: is a minus missing?",
            forms=[lambda x, w, m, v: (-_logs(x, w, m, v)).softmax(1)],
        ),
        Mistake(
            "divided by σ",
            lambda x, w, m, v: (_logs(x, w, m, v) + _half_distance(x, m, v) - _half_distance(x, m, v.sqrt())).softmax(1),
            "the squared distance is divided by σ. The formula divides it by σ², which is what you are given.",
        ),
        Mistake(
            "log-joint",
            _logs,
            "these are the logarithms of the weighted densities: not yet shares, which lie between 0 and 1.",
        ),
        Mistake(
            "logs divided by their sum",
            lambda x, w, m, v: _logs(x, w, m, v) / _logs(x, w, m, v).sum(1, keepdim=True),
            "logarithms are divided by the sum of logarithms. It is densities that are shared out.",
        ),
    ],
)


def _m_step(x, r):
    columns = r.T.numpy()
    means = np.stack([np.average(x.numpy(), axis=0, weights=column) for column in columns])
    variances = np.stack([np.diag(np.atleast_2d(np.cov(x.numpy().T, aweights=column, ddof=0))) for column in columns])
    return tuple(map(torch.from_numpy, (columns.mean(1), means, variances)))


def _about(x, r, means):
    """Weighted mean squared deviation from the given means, (k, dims)."""
    return torch.einsum("nk,nkd->kd", r, (x[:, None] - means).square()) / r.sum(0)[:, None]


def _hard(r):
    return torch.nn.functional.one_hot(r.argmax(1), r.shape[1]).to(r)


def _shared(n, k):
    """Responsibilities: every component has some points to itself, none exactly one."""
    return (2 * torch.eye(k)[torch.arange(n) % k] + grid(n, k).exp().sin()).softmax(1)


M_STEP = Task(
    "m_step",
    _m_step,
    cases=[(grid(7, 2).exp().sin() * 2, _shared(7, 3)), (grid(5, 2).square(), _shared(5, 2))],
    hidden_cases=[(grid(8, 3).cos() + grid(8, 1), _shared(8, 2)), (grid(6, 2).exp(), _shared(6, 4))],
    results=("weights", "means", "variances"),
    mistakes=[
        Mistake(
            "divided by n",
            lambda x, r: (r.mean(0), r.T @ x / len(x), _about(x, r, r.T @ x / len(x)) * r.mean(0)[:, None]),
            "means or variances are divided by the number of all points. How many of them belong to this component?",
            forms=[
                lambda x, r: (r.mean(0), r.T @ x / len(x), _about(x, r, r.T @ x / len(x))),
                lambda x, r: (*_m_step(x, r)[:2], _m_step(x, r)[2] * r.mean(0)[:, None]),
                lambda x, r: (r.mean(0), r.T @ x / len(x), _m_step(x, r)[2]),
                lambda x, r: (r.mean(0), r.T @ x / len(x), _m_step(x, r)[2] * r.mean(0)[:, None]),
            ],
        ),
        Mistake(
            "weights not divided",
            lambda x, r: (r.sum(0), *_m_step(x, r)[1:]),
            "the weights are numbers of points, or divided by another number than n. They should add up to 1.",
            forms=[lambda x, r: (r.sum(0) / r.shape[1], *_m_step(x, r)[1:]), lambda x, r: (r.mean(0) / r.shape[1], *_m_step(x, r)[1:])],
        ),
        Mistake(
            "standard deviations",
            lambda x, r: (*_m_step(x, r)[:2], _m_step(x, r)[2].sqrt()),
            "standard deviations are returned. Variances are asked for.",
        ),
        Mistake(
            "not centred",
            lambda x, r: (*_m_step(x, r)[:2], _about(x, r, torch.zeros_like(_m_step(x, r)[1]))),
            "the variance is the mean square, measured from 0. Measure it from the component's mean.",
        ),
        Mistake(
            "about the mean of all",
            lambda x, r: (*_m_step(x, r)[:2], _about(x, r, x.mean(0).expand(r.shape[1], -1))),
            "each variance is measured from the mean of all points. Each component has its own mean.",
        ),
        Mistake(
            "absolute deviations",
            lambda x, r: (
                *_m_step(x, r)[:2],
                torch.einsum("nk,nkd->kd", r, (x[:, None] - _m_step(x, r)[1]).abs()) / r.sum(0)[:, None],
            ),
            "the deviations are not squared.",
        ),
        Mistake(
            "responsibilities squared",
            lambda x, r: (*_m_step(x, r)[:2], torch.einsum("nk,nkd->kd", r**2, (x[:, None] - _m_step(x, r)[1]) ** 2) / r.sum(0)[:, None]),
            "in the variances each responsibility counts twice: is it inside the square too?",
        ),
        Mistake(
            "the nearest takes all",
            lambda x, r: _m_step(x, _hard(r)),
            "each point counts for one component alone, as in k-means. EM shares it out.",
            forms=[lambda x, r: (_hard(r).mean(0), *_m_step(x, r)[1:])],
        ),
        Mistake(
            "responsibilities ignored",
            lambda x, r: (r.mean(0), *(part.expand(r.shape[1], -1) for part in (x.mean(0), x.var(0, correction=0)))),
            "every component gets the mean or the variance of all points. Weigh the points by their responsibilities.",
            forms=[
                lambda x, r: (*_m_step(x, r)[:2], x.var(0, correction=0).expand(r.shape[1], -1)),
                lambda x, r: (*_m_step(x, r)[:2], x.var(0).expand(r.shape[1], -1)),
                lambda x, r: (r.mean(0), *(part.expand(r.shape[1], -1) for part in (x.mean(0), x.var(0)))),
                lambda x, r: (r.mean(0), x.mean(0).expand(r.shape[1], -1), _m_step(x, r)[2]),
                lambda x, r: (r.mean(0), x.mean(0).expand(r.shape[1], -1), _about(x, r, x.mean(0).expand(r.shape[1], -1))),
            ],
        ),
        Mistake(
            "N_k − 1",
            lambda x, r: (*_m_step(x, r)[:2], _m_step(x, r)[2] * (r.sum(0) / (r.sum(0) - 1))[:, None]),
            "the variances are divided by one less than the component's share. EM maximises the likelihood: no correction.",
        ),
        Mistake(
            "one variance for all dimensions",
            lambda x, r: (*_m_step(x, r)[:2], _m_step(x, r)[2].mean(1, keepdim=True).expand(-1, x.shape[1])),
            "each component has one variance for all its dimensions. Each dimension has its own.",
        ),
        Mistake(
            "equal weights",
            lambda x, r: (torch.full_like(r[0], 1 / r.shape[1]), *_m_step(x, r)[1:]),
            "the weights are all equal, whatever the responsibilities say.",
        ),
        Mistake(
            "sums, not means",
            lambda x, r: (r.mean(0), r.T @ x, _m_step(x, r)[2] * r.sum(0)[:, None]),
            "means or variances are sums over the points. By what are they to be divided?",
            forms=[
                lambda x, r: (r.mean(0), r.T @ x, _m_step(x, r)[2]),
                lambda x, r: (*_m_step(x, r)[:2], _m_step(x, r)[2] * r.sum(0)[:, None]),
                lambda x, r: (r.mean(0), r.T @ x, r.T @ x**2 - (r.T @ x) ** 2),
                lambda x, r: (r.mean(0), r.T @ x, _about(x, r, r.T @ x)),
                lambda x, r: (r.mean(0), r.T @ x, _about(x, r, r.T @ x) * r.sum(0)[:, None]),
            ],
        ),
        Mistake(
            "in another order",
            lambda x, r: _m_step(x, r)[::-1],
            "the right numbers in another order: the weights are asked for first, then the means, then the variances.",
            forms=[lambda x, r: (*_m_step(x, r)[1:], r.mean(0))],
        ),
        Mistake(
            "squares not weighed",
            lambda x, r: (*_m_step(x, r)[:2], (x[:, None] - _m_step(x, r)[1]).square().mean(0)),
            "the means are weighed, but in the variances every point counts alike: a far point that belongs elsewhere makes a cloud wide.",
            forms=[lambda x, r: (*_m_step(x, r)[:2], (x[:, None] - _m_step(x, r)[1]).square().sum(0) / r.sum(0)[:, None])],
        ),
        Mistake(
            "a little added",
            lambda x, r: (*_m_step(x, r)[:2], _m_step(x, r)[2] + 1e-3),
            "a little is added to every variance. The formula has no such term; the loop below adds it.",
            forms=[lambda x, r, n=n: (*_m_step(x, r)[:2], _m_step(x, r)[2] + 10.0**-n) for n in (1, 2, 4)],
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 4 · Ratings


def _low_rank(a, rank):
    return _weighted(a, rank, lambda s: s)


def _triples(a):
    """The terms of the decomposition, the largest first."""
    u, s, v = svd(a.numpy(), full_matrices=False)
    return list(zip(u.T, s, v))


def _weighted(a, rank, weight):
    """The sum of the first terms, each with weight(singular value)."""
    return torch.from_numpy(sum((weight(s) * np.outer(u, v) for u, s, v in _triples(a)[:rank]), np.zeros(a.shape)))


def _wrong_way(u, s, vt, rank):
    return u[:, :rank] * s[:rank] @ vt[:, :rank].T


LOW_RANK = Task(
    "low_rank",
    _low_rank,
    cases=[(grid(5, 4).exp().sin() * 2, 2), (_DATA[:4, :3], 1)],
    hidden_cases=[(_MORE, 3), (_DATA.T[:3] ** 2, 2)],
    tolerance=3e-5,
    mistakes=[
        Mistake("rank ignored", lambda a, r: a, "this is the matrix as it came. Only the first terms are kept."),
        Mistake("what is left out", lambda a, r: a - _low_rank(a, r), "this is what is left out: the terms after the first."),
        Mistake("one too many", lambda a, r: _low_rank(a, r + 1), "one term too many: the rank is higher than was asked for."),
        Mistake(
            "the last term alone",
            lambda a, r: _low_rank(a, r) - _low_rank(a, r - 1),
            "a single term, where all up to that rank should be added up.",
        ),
        Mistake(
            "singular values left out",
            lambda a, r: _weighted(a, r, lambda s: 1.0),
            "every term has strength 1: where are the singular values?",
        ),
        Mistake(
            "singular values squared",
            lambda a, r: _weighted(a, r, lambda s: s**2),
            "the singular values count twice: they stand between U and Vᵀ once.",
        ),
        Mistake(
            "root of the singular values",
            lambda a, r: _weighted(a, r, np.sqrt),
            "the singular values count by their root. `svd` returns them as they are: no root is needed.",
        ),
        Mistake(
            "Vᵀ taken for V",
            lambda a, r: _wrong_way(*torch.linalg.svd(a, full_matrices=False), r),
            "`svd` returns Vᵀ, not V: its rows, not its columns, belong to the singular values.",
        ),
        Mistake(
            "smallest kept",
            lambda a, r: a - _low_rank(a, min(a.shape) - r),
            "the weakest terms are kept. In which order does `torch.linalg.svd` return them?",
        ),
        Mistake(
            "column means apart",
            lambda a, r: a.mean(0) + _low_rank(a - a.mean(0), r),
            "the column means are kept besides, as PCA does: the rank is one higher than was asked for. Decompose the matrix as it is.",
        ),
        Mistake(
            "column means lost",
            lambda a, r: _low_rank(a - a.mean(0), r),
            "the column means are taken away, as PCA does, and lost. Decompose the matrix as it is.",
        ),
        Mistake("one too few", lambda a, r: _low_rank(a, r - 1), "one term too few: the rank is lower than was asked for."),
        Mistake(
            "the first left out",
            lambda a, r: _low_rank(a, r + 1) - _low_rank(a, 1),
            "the largest term is left out: Python counts from 0.",
        ),
    ],
)


def measure(guess: Tensor, ratings: Tensor, seen: Tensor, held_out: Tensor) -> dict[str, float]:
    """What a filled table is worth: by how many per cent its squared error is below that of each film's mean, and its rank about them.

    guess, ratings: (people, films)
    seen, held_out: boolean, the same shape; the means come from the seen ratings
    """
    mean = (ratings * seen).sum(0) / seen.sum(0)

    def gain(where):
        return float(100 - 100 * (guess - ratings)[where].square().sum() / (mean - ratings)[where].square().sum())

    return {"gain": gain(held_out), "gain on seen": gain(seen), "rank": int(torch.linalg.matrix_rank(guess - mean, rtol=1e-4))}


EXPERIMENT = Goal(
    "experiment",
    {"gain": 54.0},
    slack={"gain": 4.0},
    settings=("rank", "refills"),
    rules={
        "rank": (lambda value: is_whole(value, range(25)), "a whole number from 0 to 24, the number of films"),
        "refills": (lambda value: is_whole(value, range(1001)), "a whole number from 0 to 1,000"),
    },
    mistakes=[
        Mistake(
            "film means alone",
            lambda m: m["rank"] == 0,
            "The guess is each film's mean for everybody: nothing has been learned about people.",
        ),
        Mistake(
            "the table copied",
            lambda m: m["gain on seen"] > 99,
            "The seen ratings come out as they went in, and the others have hardly moved: a rank this high can hold any table.",
        ),
        Mistake(
            "rank too small",
            lambda m: m["rank"] < 3,
            "Even the seen ratings are fitted badly: people differ in more ways than this rank can hold.",
        ),
        Mistake(
            "too few refills",
            lambda m: m["gain on seen"] < 80,
            "The holes were filled with the films' means at first, and the guess is still close to them: it has not had time to move.",
        ),
        Mistake(
            "rank too large",
            lambda m: m["rank"] > 3,
            "The seen ratings are fitted better than the held-out ones by far: the extra terms learn noise.",
        ),
        Mistake(
            "too many refills",
            lambda m: m["gain on seen"] > 86,
            "The rank is well chosen, but the guess fits the seen ratings ever closer and forgets how uncertain it is: stop earlier.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 5 · Naive Bayes with missing pixels


def _log_posterior(x, seen, log_prior, p):
    """An unseen pixel adds nothing."""
    x, seen = x.numpy(), seen.numpy()
    ink, paper = (bernoulli.logpmf(value, p.numpy()) for value in (1, 0))  # (classes, d)
    joint = log_prior.numpy() + (x * seen) @ ink.T + ((1 - x) * seen) @ paper.T
    return torch.from_numpy(log_softmax(joint, axis=1))


def _evidence(x, p, seen, margin=0.0):
    """Σ over the seen pixels of log p(x_d | y), (n, classes)."""
    ink, paper = x[:, None] * (p + margin).log(), (1 - x[:, None]) * (1 - p + margin).log()
    return ((ink + paper) * seen[:, None]).sum(2)


def _products(x, seen, prior, p, margin=0.0):
    joint = prior.exp() * _evidence(x, p, seen).exp() + margin
    return (joint / joint.sum(1, keepdim=True)).log()


def _filled(x, seen, prior, p, guess):
    """As if the missing pixels had been seen with these values."""
    return (prior + _evidence(torch.where(seen, x, guess), p, torch.ones_like(x))).log_softmax(1)


def _halves(x, p, seen_ink, seen_paper):
    """The evidence with a mask for each of its two terms."""
    return (x * seen_ink) @ p.log().T + ((1 - x) * seen_paper) @ (1 - p).log().T


_PIXELS = torch.tensor([[1.0, 0, 1, 1, 0], [0, 0, 1, 0, 1], [1, 1, 1, 0, 0], [0, 1, 0, 1, 1]])
_SEEN = torch.tensor([[1, 0, 1, 0, 1], [1, 1, 0, 0, 1], [0, 1, 1, 1, 0], [1, 0, 1, 1, 0]]).bool()
_INK = torch.tensor([[0.9, 0.2, 0.6, 0.3, 0.15], [0.25, 0.7, 0.4, 0.8, 0.55], [0.5, 0.35, 0.1, 0.65, 0.75]])
# Pixels that no class expects: the product of seventy probabilities is 0 on a computer, in every precision. Each by itself is still
# above 1.2e-7, where `torch.distributions.Bernoulli` cuts off: that answer is right.
_UNLIKELY = torch.stack([torch.full((80,), 2e-7), torch.full((80,), 8e-7)])

LOG_POSTERIOR = Task(
    "log_posterior",
    _log_posterior,
    cases=[
        (_PIXELS, _SEEN, torch.tensor([0.5, 0.2, 0.3]).log(), _INK),
        (torch.ones(2, 80), torch.ones(2, 80).bool().tril(70), torch.tensor([0.25, 0.75]).log(), _UNLIKELY),
    ],
    hidden_cases=[
        (1 - _PIXELS[:3], ~_SEEN[1:], torch.tensor([0.1, 0.9]).log(), _INK[1:]),
        (torch.ones(1, 80), torch.ones(1, 80).bool(), torch.tensor([0.4, 0.6]).log(), _UNLIKELY.flip(0)),
    ],
    tolerance=5e-5,
    mistakes=[
        Mistake(
            "seen ignored",
            lambda x, s, prior, p: (prior + _evidence(x, p, torch.ones_like(x))).log_softmax(1),
            "`seen` has no effect: what stands at an unseen pixel is taken for true.",
        ),
        Mistake(
            "missing taken for paper",
            lambda x, s, prior, p: (prior + _evidence(x * s, p, torch.ones_like(x))).log_softmax(1),
            "a missing pixel counts as paper. A 0 is a statement; a missing pixel says nothing, so it adds nothing.",
        ),
        Mistake(
            "missing taken for half",
            lambda x, s, prior, p: _filled(x, s, prior, p, 0.5),
            "a missing pixel is filled with ½ or a mean. Even a guess is evidence: leave the pixel out.",
            forms=[
                lambda x, s, prior, p: _filled(x, s, prior, p, prior.exp() @ p),
                lambda x, s, prior, p: _filled(x, s, prior, p, p.mean(0)),
                lambda x, s, prior, p: _filled(x, s, prior, p, x.mean(0)),
            ],
        ),
        Mistake(
            "the unseen counted",
            lambda x, s, prior, p: (prior + _evidence(x, p, ~s)).log_softmax(1),
            "only the unseen pixels count: `seen` is true where a pixel is known.",
        ),
        Mistake(
            "paper ignored",
            lambda x, s, prior, p: (prior + (x * s) @ p.log().T).log_softmax(1),
            "only ink counts. A pixel that is seen to be paper is evidence too.",
        ),
        Mistake(
            "prior forgotten",
            lambda x, s, prior, p: _evidence(x, p, s).log_softmax(1),
            "the prior has no effect: this is right if all classes are equally common.",
        ),
        Mistake(
            "prior not in logs",
            lambda x, s, prior, p: (prior.exp() + _evidence(x, p, s)).log_softmax(1),
            "the prior is added as a probability to logarithms. It came as a logarithm.",
        ),
        Mistake(
            "not normalised",
            lambda x, s, prior, p: prior + _evidence(x, p, s),
            "this is the log-joint. What turns it into the logarithm of p(y | x)?",
        ),
        Mistake(
            "normalised over the images",
            lambda x, s, prior, p: (prior + _evidence(x, p, s)).log_softmax(0),
            "the probabilities add up to 1 over the images, or over the whole table. It is each image that has its classes.",
            forms=[lambda x, s, prior, p: (prior + _evidence(x, p, s)) - (prior + _evidence(x, p, s)).flatten().logsumexp(0)],
        ),
        Mistake(
            "probabilities, not logs",
            lambda x, s, prior, p: (prior + _evidence(x, p, s)).softmax(1),
            "these are the probabilities. Their logarithms are asked for.",
        ),
        Mistake(
            "products before logs",
            _products,
            "right for a few pixels, NaN or infinite for many: the product of many probabilities is 0 on a computer. Add logarithms.",
        ),
        Mistake(
            "a small number in the log",
            lambda x, s, prior, p: (prior + _evidence(x, p, s, 1e-8)).log_softmax(1),
            "a small number is added before the log, so that all rare pixels look alike. p lies above 0: its log is finite as it is.",
            forms=[lambda x, s, prior, p, n=n: (prior + _evidence(x, p, s, 10.0**-n)).log_softmax(1) for n in (2, 3, 4, 5, 6, 7, 9, 10)],
        ),
        Mistake(
            "averaged over pixels",
            lambda x, s, prior, p: (prior + _evidence(x, p, s) / s.sum(1, keepdim=True)).log_softmax(1),
            "the evidence is averaged over the pixels. Independent evidence adds up: ten pixels say more than one.",
            forms=[
                lambda x, s, prior, p: (prior + _evidence(x, p, s) / x.shape[1]).log_softmax(1),
                lambda x, s, prior, p: ((prior + _evidence(x, p, s)) / x.shape[1]).log_softmax(1),
                lambda x, s, prior, p: (prior + _evidence(x, p, s).div(x.shape[0])).log_softmax(1),
            ],
        ),
        Mistake(
            "a small number in the product",
            lambda x, s, prior, p: _products(x, s, prior, p, 1e-12),
            "a small number keeps the logarithm finite, but the product that it is added to was 0: all classes look alike. Add logarithms.",
            forms=[lambda x, s, prior, p, n=n: _products(x, s, prior, p, 10.0**-n) for n in (6, 8, 9, 10, 15, 20, 30)],
        ),
        Mistake(
            "prior for each pixel",
            lambda x, s, prior, p: (prior * s.sum(1, keepdim=True) + _evidence(x, p, s)).log_softmax(1),
            "the prior counts more than once. An image has one class: is log p(y) added before the sum over the pixels?",
            forms=[
                lambda x, s, prior, p: (prior * x.shape[1] + _evidence(x, p, s)).log_softmax(1),
                lambda x, s, prior, p: (prior * 2 + _evidence(x, p, s)).log_softmax(1),
            ],
        ),
        Mistake(
            "log of the log prior",
            lambda x, s, prior, p: (prior.log() + _evidence(x, p, s)).log_softmax(1),
            "NaN everywhere: the logarithm of a negative number. The prior came as a logarithm.",
        ),
        Mistake(
            "the likelihood alone",
            lambda x, s, prior, p: _evidence(x, p, s),
            "this is log p(x | y), how well each class explains the image. The class given the image is asked for.",
        ),
        Mistake(
            "ink taken for paper",
            lambda x, s, prior, p: (prior + _evidence(1 - x, p, s)).log_softmax(1),
            "log p and log (1 − p) have changed places: p is the probability of ink, which is 1.",
        ),
        Mistake(
            "minus between the terms",
            lambda x, s, prior, p: (prior + (x * s) @ p.log().T - ((1 - x) * s) @ (1 - p).log().T).log_softmax(1),
            "paper that a class expects speaks against it here: look at the sign between the two terms.",
        ),
        Mistake(
            "ink ignored",
            lambda x, s, prior, p: (prior + ((1 - x) * s) @ (1 - p).log().T).log_softmax(1),
            "only paper counts. A pixel that is seen to be ink is evidence too.",
        ),
        Mistake(
            "seen in one term",
            lambda x, s, prior, p: (prior + _halves(x, p, s, torch.ones_like(x))).log_softmax(1),
            "`seen` reaches one of the two terms alone. A missing pixel has neither.",
            forms=[lambda x, s, prior, p: (prior + _halves(x, p, torch.ones_like(x), s)).log_softmax(1)],
        ),
        Mistake(
            "another Z",
            lambda x, s, prior, p: (prior + _evidence(x, p, s)) - (prior + _evidence(x, p, s)).sum(1, keepdim=True),
            "log Z is not the sum, mean or largest of the logarithms: Z adds up probabilities, and its logarithm comes last.",
            forms=[
                lambda x, s, prior, p: (prior + _evidence(x, p, s)) - (prior + _evidence(x, p, s)).mean(1, keepdim=True),
                lambda x, s, prior, p: (prior + _evidence(x, p, s)) - (prior + _evidence(x, p, s)).amax(1, keepdim=True),
                lambda x, s, prior, p: (prior + _evidence(x, p, s)) / (prior + _evidence(x, p, s)).sum(1, keepdim=True),
            ],
        ),
        Mistake(
            "sign",
            lambda x, s, prior, p: -(prior + _evidence(x, p, s)).log_softmax(1),
            "the logarithm of a probability is never above 0.",
        ),
        Mistake(
            "bits",
            lambda x, s, prior, p: (prior + _evidence(x, p, s)).log_softmax(1) / np.log(2),
            "right in bits. Logarithms are natural in this course.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# More, without points: a path that keeps its length


def _slerp(a, b, t):
    """The arc between the directions by SciPy, then its weights, which the full vectors get."""
    unit_a, unit_b = (value.numpy() / np.linalg.norm(value) for value in (a, b))
    weights = np.linalg.lstsq(np.stack([unit_a, unit_b], 1), geometric_slerp(unit_a, unit_b, t))[0]
    return torch.from_numpy(weights[0] * a.numpy() + weights[1] * b.numpy())


def _cosine(a, b):
    return torch.nn.functional.cosine_similarity(a, b, 0)


def _arc(a, b, t, angle):
    return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()


SLERP = Task(
    "slerp",
    _slerp,
    cases=[
        (torch.tensor([0.8, 0.1, -0.3]), torch.tensor([-0.2, 0.5, 0.4]), 0.3),
        (torch.tensor([3.0, 1.0]), torch.tensor([-1.5, 2.5]), 0.6),
    ],
    hidden_cases=[(grid(4), grid(4).flip(0), 0.25), (torch.tensor([0.5, -0.2, 0.3]), torch.tensor([0.4, 0.6, -0.1]), 0.8)],
    tolerance=2e-5,
    mistakes=[
        Mistake("a straight line", lambda a, b, t: (1 - t) * a + t * b, "this is the straight line, whose middle is too short."),
        Mistake(
            "a straight line, stretched",
            lambda a, b, t: torch.lerp(a, b, t) / torch.lerp(a, b, t).norm() * ((1 - t) * a.norm() + t * b.norm()),
            "a straight line, then stretched: it hurries through the middle. Slerp turns at constant speed.",
            forms=[
                lambda a, b, t: torch.nn.functional.normalize(torch.lerp(a, b, t), dim=0),
                lambda a, b, t: torch.nn.functional.normalize(torch.lerp(a, b, t), dim=0) * a.norm(),
            ],
        ),
        Mistake("from b to a", lambda a, b, t: _slerp(b, a, t), "it runs from b to a. At t = 0 it should stand at a."),
        Mistake(
            "sin Ω left out",
            lambda a, b, t: _slerp(a, b, t) * (1 - _cosine(a, b) ** 2).sqrt(),
            "too short by the same factor everywhere: at t = 0 it should be a itself.",
        ),
        Mistake(
            "lengths left in the cosine",
            lambda a, b, t: _arc(a, b, t, (a @ b).acos()),
            "Ω is wrong unless both vectors have length 1: the cosine is the scalar product of the directions.",
            forms=[
                lambda a, b, t: _arc(a, b, t, (a @ b).clamp(-1, 1).acos()),
                lambda a, b, t: _arc(a, b, t, (a @ b / a.norm()).acos()),
                lambda a, b, t: _arc(a, b, t, (a @ b / b.norm()).acos()),
                lambda a, b, t: _arc(a, b, t, (a @ b / (a @ a)).acos()),
            ],
        ),
        Mistake(
            "cosine for angle",
            lambda a, b, t: _arc(a, b, t, _cosine(a, b)),
            "Ω is the cosine itself, or its arc sine. What undoes a cosine?",
            forms=[lambda a, b, t: _arc(a, b, t, _cosine(a, b).asin())],
        ),
        Mistake(
            "unit length",
            lambda a, b, t: torch.from_numpy(geometric_slerp(*(v.numpy() / v.norm().item() for v in (a, b)), t)),
            "the result has length 1. Only the angle needs directions; what is added up are a and b themselves.",
        ),
        Mistake(
            "length put back",
            lambda a, b, t: _arc(a / a.norm(), b / b.norm(), t, _cosine(a, b).acos()) * torch.lerp(a.norm(), b.norm(), t),
            "the arc is walked with directions alone, and the length put back at the end. What is added up are a and b themselves.",
        ),
    ],
)

TASKS: tuple[Task | Goal, ...] = (
    *(CONDITIONAL, PRINCIPAL, REBUILD, EXPLAINED),
    *(RESPONSIBILITIES, M_STEP, LOW_RANK, EXPERIMENT, LOG_POSTERIOR),
    SLERP,
)
