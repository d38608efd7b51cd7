"""Exercise 01, task 2a: principal components."""

from dataclasses import replace

import torch
from sklearn.decomposition import PCA
from torch import Tensor

from course_lib.grading import Task, grid


class UpToSign(Task):
    """A task whose vectors, in rows, have a free sign. Mistakes are told by magnitudes: read the wrong way, each entry has its own sign."""

    def _same(self, x, y):
        if isinstance(x, Tensor) and isinstance(y, Tensor) and x.ndim == 2 and x.shape == y.shape:
            x = x * (x * y).sum(1, keepdim=True).sgn()
        return super()._same(x, y)

    def named(self, answers, cases, gradient=True):
        return super().named([magnitudes(answer) for answer in answers], cases, gradient)

    def _mistaken(self, wrong, case, gradient=True):
        return magnitudes(super()._mistaken(wrong, case, gradient))


def magnitudes(outcome):
    return replace(outcome, values=tuple(value.abs() if isinstance(value, Tensor) else value for value in outcome.values))


def images(n, d):
    """n images of d pixels: mixed waves, whose variances lie well apart, so that float32 finds the same directions."""
    waves = torch.stack([(3 / 2**j) * ((j + 1) * grid(n) + j**2).sin() for j in range(d)], 1)
    return waves @ (1.0 + torch.outer(torch.arange(d), torch.arange(2, d + 2))).cos() + grid(d).exp()


# Here `torch.linalg.eig`, which promises no order, does not happen to put the largest variance first.
RISING = images(6, 3) * torch.tensor([0.3, 1.0, 2.0])


def pca(x, k):
    mean = x.mean(0)
    centred = x - mean
    covariance = centred.T @ centred / len(x)
    variances, vectors = torch.linalg.eigh(covariance)
    directions = vectors.flip(1).T
    return mean, directions[:k]


def truth(x, k):
    fitted = PCA(k, svd_solver="full").fit(x.numpy())
    return torch.from_numpy(fitted.mean_), torch.from_numpy(fitted.components_)


PRINCIPAL = UpToSign(
    pca,
    truth,
    cases=[(images(9, 4), 2), (RISING, 1)],
    results=("mean", "components"),
    tolerance=1e-4,  # an eigenvector in float32
    mistakes="""
smallest first: these are the directions of least variance. In which order does `torch.linalg.eigh` return them?
    vectors.flip(1).T -> vectors.T
in ascending order: the right directions, but the one of largest variance should come first.
    [:k] -> [:k].flip(0)
not centred: the mean is returned, but it was not taken away before the covariance.
    x - mean -> x
one mean for all pixels: the mean is one number. Each pixel has its own mean over the images.
    {mean = x.mean(0) -> mean = x.mean()|x - mean -> x - x.mean()|return mean -> return x.mean()}
components in columns: each component is a column. Rows are asked for, so that `components[0]` is the first.
    [:k] -> [:k].T
rows for columns: the right matrix, read the wrong way: `eigh` has the eigenvectors in columns, `svd` returns Vᵀ, with the components in rows.
    directions[:k] -> {directions[:, :k]|vectors[-k:]|vectors[:, -k:]|vectors[:, :k]}
    vectors.flip(1).T -> vectors{|.flip(1)|.flip(0)}
all of them: every direction is returned. Only the first k are asked for.
    [:k] ->
pixels standardised: each pixel is divided by its standard deviation first: a pixel that hardly ever changes then counts like any other.
    x - mean -> (x - mean) / x.std(0)
scaled by the spread: the directions are right, but stretched by how far the images spread along them. Each should have length 1.
    / len(x) -> {/ len(x)||/ (len(x) - 1)} ; [:k] -> [:k] * variances.flip(0)[:k, None]{.sqrt()|}
covariance of the images: these directions have one entry for each image, not for each pixel: the covariance is over the wrong axis.
    centred.T @ centred / len(x) -> {centred @ centred.T|torch.cov(x)}
codes, not components: these are the codes of the images. The directions themselves are asked for.
    directions[:k] -> centred @ directions[:k].T
components before the mean: the components come first here. The mean is asked for first, then they.
    mean, directions[:k] -> directions[:k], mean
the first left out: the component of largest variance is left out: Python counts from 0.
    [:k] -> [1 : k + 1]
""",
)
