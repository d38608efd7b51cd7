"""Exercise 01, task 4a: the nearest matrix of low rank."""

import torch

from course_lib.grading import Task, grid
from course_lib.grading.latent_spaces.pca import images


def low_rank(a, rank):
    u, s, vt = torch.linalg.svd(a, full_matrices=False)
    u, s, vt = u[:, :rank], s[:rank], vt[:rank]
    return u * s @ vt


def truth(a, rank):
    """The rows, projected onto the directions that eigenvectors give."""
    directions = torch.linalg.eigh(a.T @ a).eigenvectors[:, a.shape[1] - rank :]
    return a @ directions @ directions.T


LOW_RANK = Task(
    low_rank,
    truth,
    cases=[(grid(5, 4).exp().sin() * 2, 2), (images(4, 3).T, 1)],
    tolerance=3e-5,
    mistakes="""
rank ignored: this is the matrix as it came. Only the first terms are kept.
    return u * s @ vt -> return a
what is left out: this is what is left out: the terms after the first.
    return u -> return a - u
one too many: one term too many: the rank is higher than was asked for.
    full_matrices=False) -> full_matrices=False); rank += 1
the last term alone: a single term, where all up to that rank should be added up.
    u * s @ vt -> u[:, -1:] * s[-1:] @ vt[-1:]
singular values left out: every term has strength 1: where are the singular values?
    u * s @ vt -> u @ vt
singular values squared: the singular values count twice: they stand between U and Vᵀ once.
    u * s @ vt -> u * s**2 @ vt
root of the singular values: the singular values count by their root. `svd` returns them as they are: no root is needed.
    u * s @ vt -> u * s.sqrt() @ vt
Vᵀ taken for V: `svd` returns Vᵀ, not V: its rows, not its columns, belong to the singular values.
    full_matrices=False) -> full_matrices={False|True}) ; vt[:rank] -> vt[:, :rank].T
smallest kept: the weakest terms are kept. In which order does `torch.linalg.svd` return them?
    u[:, :rank], s[:rank], vt[:rank] -> u[:, -rank:], s[-rank:], vt[-rank:]
column means apart: the column means are kept besides, as PCA does: the rank is one higher than was asked for. Decompose the matrix as it is.
    svd(a, -> svd(a - a.mean(0), ; return u -> return a.mean(0) + u
column means lost: the column means are taken away, as PCA does, and lost. Decompose the matrix as it is.
    svd(a, -> svd(a - a.mean(0),
one too few: one term too few: the rank is lower than was asked for.
    full_matrices=False) -> full_matrices=False); rank -= 1
the first left out: the largest term is left out: Python counts from 0.
    u[:, :rank], s[:rank], vt[:rank] -> u[:, 1 : rank + 1], s[1 : rank + 1], vt[1 : rank + 1]
""",
)
