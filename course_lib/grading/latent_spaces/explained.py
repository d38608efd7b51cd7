"""Exercise 01, task 2c: the share of the variance that the first components explain."""

import torch
from sklearn.decomposition import PCA

from course_lib.grading import Task
from course_lib.grading.latent_spaces.pca import RISING, images


def explained(x, k):
    centred = x - x.mean(0)
    spread = torch.linalg.svdvals(centred)
    variances = spread.square() / len(x)
    share = variances[:k].sum() / variances.sum()
    return share


def truth(x, k):
    return PCA(svd_solver="full").fit(x.numpy()).explained_variance_ratio_[:k].sum()


EXPLAINED = Task(
    explained,
    truth,
    cases=[(images(9, 4), 2), (RISING, 1)],
    mistakes="""
not centred: the mean image was not taken away first: each pixel has its own mean.
    x - x.mean(0) -> x{| - x.mean()}
the first pixels: these are the variances of k pixels. Those along the components are asked for.
    spread.square() / len(x) -> x.var(0){|.sort(descending=True).values}
singular values not squared: singular values are added up. A variance is the square of a spread.
    spread.square() -> spread
squared once too often: eigenvalues of the covariance are variances already: they need no square.
    .square() -> ** 4
smallest first: the share of the k smallest. In which order does `torch.linalg.eigvalsh` return them?
    (centred) -> (centred).flip(0)
lost, not kept: this is the share that is lost.
    variances[:k].sum() -> variances[k:].sum()
the k-th alone: the share of a single component. The first k are to be added up.
    variances[:k].sum() -> variances[{k - 1|k|0}]
one too many: one component too many is counted.
    [:k] -> [: k + 1]
variance, not share: this is the variance itself. What share of the whole is it?
    / variances.sum() ->
always 1: always 1: the sum is divided by itself. The whole includes the components that are left out.
    / variances.sum() -> / variances[:k].sum()
one for each k: a share for every number of components up to k. Only the last of them is asked for.
    variances[:k].sum() -> variances[:k].cumsum(0)
not added up: the share of each component by itself. Together they explain one number.
    variances[:k].sum() -> variances[:k]
one too few: one component too few is counted.
    [:k] -> [: k - 1]
per cent: right in per cent. A number between 0 and 1 is asked for.
    return share -> return 100 * share
kept against lost: what is kept is divided by what is lost. A share is one of the whole, which holds both.
    / variances.sum() -> / variances[k:].sum()
means for sums: a mean is divided by a mean: k numbers above, d below. Add them up.
    variances[:k].sum() / variances.sum() -> variances[:k].mean() / variances.mean()
n and n − 1: above the line the variances are divided by n and below by n − 1, or the other way round. `torch.cov` and `var` take n − 1 unless told otherwise.
    return share -> return share {* len(x) / (len(x) - 1)|* (len(x) - 1) / len(x)}
centred along the wrong axis: each image has its own mean taken away, over its pixels. It is each pixel that has one, over the images.
    x.mean(0) -> x.mean(1, keepdim=True)
root: this is the root of the share. Variances need no root.
    return share -> return share.sqrt()
pixels standardised: each pixel is divided by its standard deviation first, so that all vary alike. Take the images as they are.
    x - x.mean(0) -> (x - x.mean(0)) / x.std(0)
""",
)
