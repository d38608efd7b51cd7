"""Exercise 02, task 1a: what a linear bottleneck must lose."""

import torch
from scipy.linalg import hadamard
from sklearn.decomposition import PCA

from course_lib.grading import Task, grid

# pixels that vary apart from each other: the covariance is diagonal, and `eigvals` leaves its entries unsorted
APART = torch.from_numpy(hadamard(8)[:, 1:5]).float() * torch.tensor([1.0, 3.0, 0.5, 2.0]) + 1


def linear_bottleneck_error(x, latents):
    centred = x - x.mean(0)
    eigenvalues = torch.linalg.svdvals(centred).square() / len(x)
    return eigenvalues[latents:].sum()


def truth(x, latents):
    pca = PCA(latents, svd_solver="full").fit(x)
    return float(((pca.inverse_transform(pca.transform(x)) - x.numpy()) ** 2).sum(1).mean())


LINEAR_BOTTLENECK = Task(
    linear_bottleneck_error,
    truth,
    ways=["centred = x - x.mean(0) -> ; svdvals(centred).square() / len(x) -> eigvalsh(torch.cov(x.T, correction=0)).flip(0)"],
    cases=[(grid(7, 4).exp().sin(), 2), (torch.outer(grid(6), grid(3, low=1, high=2)).cos(), 1), (APART, 2), (APART.T.sin(), 1)],
    mistakes="""
not centred: the mean image was not taken away first. The covariance is measured about the mean.
    x - x.mean(0) -> x{| - x.mean()}
each image centred: each image loses its own mean brightness. The mean image is taken over the images: one number for each pixel.
    x.mean(0) -> x.mean(1, keepdim=True)
kept, not lost: this is what the bottleneck keeps. The error is what it loses.
    [latents:] -> [:latents]
smallest first: the smallest eigenvalues were kept. In which order does `torch.linalg.eigvalsh` return them?
    [latents:] -> .flip(0)[latents:]
the r smallest: the sum of the r smallest eigenvalues. r is how many are kept: how many are lost?
    [latents:] -> .flip(0)[:latents]
n − 1: too large by n/(n − 1). The error is a mean over n images; `torch.cov` divides by n − 1 unless told otherwise.
    / len(x) -> / (len(x) - 1)
singular values not squared: singular values of the centred images are added up. How do they become eigenvalues of the covariance?
    .square() / len(x) -> {|/ len(x)|/ len(x) ** 0.5}
not divided by n: n times too large: the sum over the images. The mean over them is asked for.
    / len(x) ->
divided by the pixels: the covariance is divided by the number of pixels. It is a mean over the images.
    / len(x) -> / x.shape[1]
images as variables: this is a covariance between images, n × n. `torch.cov` takes each row for a variable: what are the rows of x?
    x.T, correction=0 -> x{|, correction=0} ; [latents:] -> {[latents:]|.flip(0)[: x.shape[1] - latents]}
averaged over pixels: too small by the number of pixels. The squared error of an image is a sum over its pixels.
    .sum() -> .sum() / x.shape[1]
averaged over what is lost: the mean of the eigenvalues that are lost. Each of them is lost whole: they add up.
    .sum() -> .mean()
one too many kept: one component too many is kept. With r latents the first r eigenvalues are saved.
    latents: -> latents + 1 :
one too few kept: one component too few is kept. With r latents the first r eigenvalues are saved, and Python counts from 0.
    latents: -> latents - 1 :
share of the variance: this is the share of the variance that is lost. The error itself is asked for.
    .sum() -> .sum() / eigenvalues.sum()
""",
)
