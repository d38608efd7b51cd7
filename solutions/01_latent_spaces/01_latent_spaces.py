# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,slideshow,nbgrader,-all
#     notebook_metadata_filter: kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Exercise 1 · From one big table to a latent space
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/exercises/01_latent_spaces/01_latent_spaces.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/exercises/01_latent_spaces/01_latent_spaces.ipynb)
#
# You fill in images from a table of all of them, and see why that cannot last. Then come four classics that say more with fewer numbers: principal
# components, a mixture fitted by EM, a low-rank table of film ratings, and naive Bayes, which does not mind missing pixels. The lecture is
# `notebooks/01_latent_spaces.ipynb`.
#
# | task | what you do | points | minutes | difficulty |
# |---|---|---|---|---|
# | 1 | a table of every image | 3 | 10 | ★☆☆ |
# | 2 | principal components | 4 | 15 | ★★☆ |
# | 3 | a mixture, by EM | 5 | 20 | ★★★ |
# | 4 | ratings with holes, an experiment | 3 | 15 | ★★☆ |
# | 5 | naive Bayes with missing pixels | 3 | 10 | ★★☆ |
# | 6 | a written answer | 2 | 10 | ★★☆ |
# | – | more, if you like: a path that keeps its length | 0 | 10 | ★☆☆ |
#
# **How it works.** Replace each `raise NotImplementedError()` with your code and run the check below it. A check prints `✓`, or one line that says what is
# wrong. Grading runs the same checks again with other inputs. Write the answers with PyTorch and your own functions: a check notices when an answer runs
# code from `course_lib`. Add cells as you like, but do not copy, delete or change the type of the cells that are here.
#
# **Notation.** x data, z latent, n images, d pixels, k components. Logarithms are natural.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["setup"]
# The set-up of every notebook. On Colab it adds the course and changes nothing else; elsewhere the course is there already.
import os

if "COLAB_RELEASE_TAG" in os.environ:
    import shutil
    import subprocess
    import sys
    from glob import glob

    from packaging.version import Version

    source = "git+https://github.com/deep-generative-course/deep-generative-models"
    # of wheels in /content the newest; uploaded twice it is called "… (1).whl", and pip takes no such name
    found = glob("/content/deep_generative_course-*.whl")
    if wheels := [(Version(os.path.basename(path).split("-")[1]), os.path.getmtime(path), path) for path in found]:
        version, _, path = max(wheels)
        source = shutil.copy(path, f"/tmp/deep_generative_course-{version}-py3-none-any.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", source, "torchdiffeq"]
    if subprocess.run(install, capture_output=True, env=os.environ | {"GIT_TERMINAL_PROMPT": "0"}).returncode:
        raise SystemExit(
            f"The course could not be installed from {source}: put its wheel (`make colab-bundle` writes it to dist/) into /content, "
            "the folder that opens at the left, and run this cell again."
        )

from course_lib import plotting

plotting.use_style()

import torch  # after the course, which tells threads that wait not to spin

if "COLAB_RELEASE_TAG" in os.environ and not torch.cuda.is_available():
    print("This runtime has no GPU, so training is slow. Runtime → Change runtime type → T4 GPU gives you one.")

# %% nbgrader={"grade": false, "grade_id": "imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
from matplotlib import pyplot as plt
from torch.nn import functional as F

from course_lib import datasets
from course_lib.grading import CheckFailed
from course_lib.grading.latent_spaces import (
    CONDITIONAL,
    EXPERIMENT,
    EXPLAINED,
    LOG_POSTERIOR,
    LOW_RANK,
    M_STEP,
    PRINCIPAL,
    REBUILD,
    RESPONSIBILITIES,
    SLERP,
    measure,
)
from course_lib.plotting import show_images

torch.set_num_threads(1)  # matrices this small are fastest on one core

# %% [markdown]
# ## Task 1 · A table of every image
#
# **3 points · 10 minutes · ★☆☆**
#
# Cut 8×8 digits into patches of 2×2 pixels, each ink (1, shown white) or paper (0, black). There are only $2^4=16$ different patches. So one table can hold
# the probability of each: the most honest generative model there is. Axis i of `table` is pixel i, in the order top left, top right, bottom left, bottom
# right.

# %%
digits, new_digits = ((datasets.load("digits8", split).x >= 128).float() for split in ("train", "test"))
patches = F.unfold(digits, 2, stride=2).transpose(1, 2).reshape(-1, 4)  # (patches, 4 pixels)
counts = torch.ones(2, 2, 2, 2)  # one of each to begin with, so that no patch is impossible
counts.index_put_(tuple(patches.long().T), torch.tensor(1.0), accumulate=True)
table = counts / counts.sum()

every = torch.cartesian_prod(*[torch.arange(2)] * 4)  # the 16 patches, in the order of the table


def show_patches(patches, titles, columns=8):
    framed = F.pad(patches.reshape(-1, 1, 2, 2).float(), (1, 1, 1, 1), value=0.8)
    show_images(framed, titles=titles, columns=columns, size=0.6)


order = table.flatten().argsort(descending=True)
show_patches(every[order], [f"{p:.1%}" for p in table.flatten()[order]])
print(f"{len(patches):,} patches, table[0, 0, 1, 1] = {table[0, 0, 1, 1]:.3f}: paper above, ink below")


# %% [markdown]
# Some pixels are known, and the others are missing. The table tells what they may be: keep the images that agree with the known pixels, and divide by their
# sum. With K for the known pixels, $c_K$ for their values and $x_K$ for what an image x has there:
#
# $$p(x\mid x_K=c_K)=\frac{p(x)\,\mathbb 1[x_K=c_K]}{\sum_{x'}p(x')\,\mathbb 1[x'_K=c_K]} .$$
#
# Here $\mathbb 1[\dots]$ is 1 where the statement in the brackets is true, else 0, and $x'$ runs through all sixteen images.

# %% nbgrader={"grade": false, "grade_id": "conditional", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conditional(table, known):
    """p(image | known pixels) of a table of 2×2 images.

    table: (2, 2, 2, 2), axis i is pixel i; adds up to 1
    known: four entries, each 0, 1 or None where the pixel is missing
    Returns: (2, 2, 2, 2), 0 for an image that contradicts what is known; adds up to 1
    """
    ### BEGIN SOLUTION
    joint = table.clone()
    for pixel, value in enumerate(known):
        if value is not None:
            joint.select(pixel, 1 - value).zero_()  # the images that have the other value there
    return joint / joint.sum()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_conditional", "locked": true, "schema_version": 3, "solution": false, "task": false}
CONDITIONAL.check(conditional)

# %% nbgrader={"grade": true, "grade_id": "grade_conditional", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.latent_spaces import CONDITIONAL
from course_lib.grading.latent_spaces.conditional import COUNTS, as_table

CONDITIONAL.check(
    conditional,
    hidden=lambda: [
        (as_table(grid(16).cos() + 1.5), (1, 0, None, 0)),
        (as_table(COUNTS.flip(0)), (None, None, 0, None)),
        (as_table(grid(16).exp()), (None, 0, 0, None)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Now the table can **in-paint**: fill holes. First a patch of which more and more is known, with the four images that are likeliest then. Below, whole
# digits that have lost half of their pixels. Predict first: what will the filled digits get right, and what wrong? Each patch is filled by itself.

# %% tags=["nbval-ignore-output"]
given = CONDITIONAL.yours_or_ours(globals())
tiles, titles = [], []
for known in ((None, None, 1, None), (0, None, 1, None), (0, 0, 1, None)):
    p = given(table, known).flatten()
    likeliest = p.argsort(descending=True)[:4]
    tiles += [torch.tensor([[0.5 if value is None else value for value in known]]), every[likeliest]]  # a missing pixel is grey
    titles += ["known", *(f"{q:.0%}" for q in p[likeliest])]
show_patches(torch.cat(tiles), titles, columns=5)

# %% tags=["nbval-ignore-output"]
torch.manual_seed(0)
original = F.unfold(new_digits[5::30], 2, stride=2).transpose(1, 2).reshape(-1, 4)
lost = torch.rand_like(original) < 0.5
holes = torch.where(lost, 0.5, original)
expected, drawn = [], []
for patch, gone in zip(original, lost):
    p = given(table, tuple(None if g else int(value) for value, g in zip(patch, gone))).flatten()
    expected.append(p @ every.float())
    drawn.append(every[torch.multinomial(p, 1)[0]].float())
rows = [holes, torch.stack(expected), torch.stack(drawn), original]
pictures = torch.cat([F.fold(row.reshape(-1, 16, 4).transpose(1, 2), 8, 2, stride=2) for row in rows])
show_images(F.pad(pictures, (1, 1, 1, 1)), columns=12, size=0.6, row_labels=["half lost", "p(ink)", "one draw", "whole"])
print(f"A table for whole 8×8 digits has {2**64 - 1:,} free numbers. There are {len(digits):,} digits to count.")

# %% [markdown]
# ## Task 2 · Principal components
#
# **4 points · 15 minutes · ★★☆**
#
# A table treats every image as a thing of its own. But digits are alike: most of what varies can be said with a few numbers, the **code** of an image. If
# code and image are linked by a matrix, the one that loses least squared error is known. Take the mean image $\bar x$ and the covariance
#
# $$C=\frac1n\sum_{i=1}^n(x_i-\bar x)(x_i-\bar x)^\top .$$
#
# Its eigenvectors $w_1,w_2,\dots$ of largest eigenvalues $\lambda_1\ge\lambda_2\ge\dots$ are the **principal components**. Each $\lambda_j$ is the variance
# of the data along $w_j$.

# %% nbgrader={"grade": false, "grade_id": "data", "locked": true, "schema_version": 3, "solution": false, "task": false}
train, test = (datasets.load("mnist_small", split) for split in ("train", "test"))
x_train, x_test = (data.images().flatten(1) for data in (train, test))


def show_digits(x, columns=12, **options):
    """Rows of 28×28 digits, from rows of pixels."""
    show_images(x.reshape(-1, 1, 28, 28).clamp(0, 1), columns=columns, size=0.6, **options)


show_digits(x_test[3::84])
print(f"{len(x_train):,} digits to learn from, {len(x_test):,} to test on, each with {x_train.shape[1]} grey pixels in a row")


# %% [markdown]
# ### 2a · The components (2 points)
#
# `torch.linalg.eigh` of the covariance gives them, or `torch.linalg.svd` of the centred images. Look up in which order each returns what, and whether the
# vectors are rows or columns. (`torch.linalg.eig`, without the h, promises no order at all.) If w is an eigenvector, so is −w: either sign is right.

# %% nbgrader={"grade": false, "grade_id": "pca", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pca(x, k):
    """The mean and the first k principal components.

    x: (n, d), one image a row
    k: number of components
    Returns: (mean, components), mean (d,), components (k, d): rows of length 1, the largest variance first
    """
    ### BEGIN SOLUTION
    mean = x.mean(0)
    covariance = (x - mean).T @ (x - mean) / len(x)
    vectors = torch.linalg.eigh(covariance).eigenvectors  # in columns, the smallest variance first
    return mean, vectors.flip(1)[:, :k].T
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_pca", "locked": true, "schema_version": 3, "solution": false, "task": false}
PRINCIPAL.check(pca)

# %% nbgrader={"grade": true, "grade_id": "grade_pca", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.latent_spaces import PRINCIPAL
from course_lib.grading.latent_spaces.pca import images

PRINCIPAL.check(pca, hidden=lambda: [(images(7, 5), 3), (images(7, 4).flip(1) ** 2 * torch.tensor([0.1, 0.4, 1.0, 3.0]), 3)])
### END HIDDEN TESTS

# %% [markdown]
# ### 2b · There and back (1 point)
#
# The code of an image is $z_j=w_j^\top(x-\bar x)$, and the image rebuilt from it
#
# $$\hat x=\bar x+\sum_{j=1}^k z_j\,w_j .$$
#
# New images are coded with the mean and the components of the old ones.

# %% nbgrader={"grade": false, "grade_id": "rebuild", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rebuild(x, mean, components):
    """Images rebuilt from their codes.

    x: (n, d)
    mean: (d,)
    components: (k, d), rows of length 1, at right angles to each other
    Returns: (n, d)
    """
    ### BEGIN SOLUTION
    return mean + (x - mean) @ components.T @ components
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_rebuild", "locked": true, "schema_version": 3, "solution": false, "task": false}
REBUILD.check(rebuild)

# %% nbgrader={"grade": true, "grade_id": "grade_rebuild", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.latent_spaces import REBUILD
from course_lib.grading.latent_spaces.rebuild import SLANT, SQUARE

REBUILD.check(
    rebuild,
    hidden=lambda: [
        (grid(6, 4).cos(), torch.tensor([0.1, 0.9, -0.4, 0.2]), SQUARE[:2]),
        (grid(7, 3).square(), grid(3), SLANT[:1]),
        (grid(1, 3), grid(3).cos(), SLANT),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 2c · How much is kept (1 point)
#
# The share of the variance that the first k of d components explain:
#
# $$\frac{\lambda_1+\dots+\lambda_k}{\lambda_1+\dots+\lambda_d} .$$

# %% nbgrader={"grade": false, "grade_id": "explained", "locked": false, "schema_version": 3, "solution": true, "task": false}
def explained(x, k):
    """The share of the variance that the first k principal components explain.

    x: (n, d)
    Returns: a number between 0 and 1, or a tensor without axes
    """
    ### BEGIN SOLUTION
    variances = torch.linalg.svdvals(x - x.mean(0)).square()  # n times too large, which the share does not mind
    return variances[:k].sum() / variances.sum()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_explained", "locked": true, "schema_version": 3, "solution": false, "task": false}
EXPLAINED.check(explained)

# %% nbgrader={"grade": true, "grade_id": "grade_explained", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.latent_spaces import EXPLAINED
from course_lib.grading.latent_spaces.pca import images

EXPLAINED.check(explained, hidden=lambda: [(images(7, 5), 3), (images(8, 4).flip(1) ** 2, 1)])
### END HIDDEN TESTS

# %% [markdown]
# The mean digit and the first eleven components ("eigen-digits": white adds ink, black takes it away). Then new digits, rebuilt from more and more
# components. Predict first: how many of the 784 numbers does it take until you can read them?

# %% tags=["nbval-ignore-output"]
components_of, there_and_back, share_kept = (task.yours_or_ours(globals()) for task in (PRINCIPAL, REBUILD, EXPLAINED))
mean, components = components_of(x_train, 128)
show_digits(torch.cat([mean[None], 0.5 + 4 * components[:11]]), columns=12, titles=["mean", *map(str, range(1, 12))])

some = x_test[3::84]
sizes = (2, 8, 32, 128)
rows = [there_and_back(some, mean, components[:k]) for k in sizes]
labels = [f"{k} components, {share_kept(x_train, k):.0%}" for k in sizes]
show_digits(torch.cat([*rows, some]), row_labels=[*labels, "original"])


# %% [markdown]
# ## Task 3 · A mixture, by EM
#
# **5 points · 20 minutes · ★★★**
#
# Codes need a distribution, or nothing can be drawn. A single Gaussian is one cloud; digits come in several. A **mixture** has k of them, Gaussians with a
# mean and a variance for each dimension, and weights $\pi_j$ that add up to 1:
#
# $$p(x)=\sum_{j=1}^k\pi_j\,\mathcal N\!\left(x;\mu_j,\operatorname{diag}\sigma_j^2\right).$$
#
# Which cloud a point came from is a latent variable that nobody has seen. EM guesses it and fits the clouds, in turn, and the likelihood never falls.
#
# ### 3a · Whose point is it? (3 points)
#
# The E step shares each point out among the clouds, by Bayes' rule:
#
# $$r_{ij}=p(j\mid x_i)=\frac{\pi_j\,\mathcal N(x_i;\mu_j,\operatorname{diag}\sigma_j^2)}{\sum_{l=1}^k\pi_l\,\mathcal N(x_i;\mu_l,\operatorname{diag}\sigma_l^2)},\qquad
# \mathcal N(x;\mu,\operatorname{diag}\sigma^2)=\prod_{c=1}^{d}\frac{1}{\sqrt{2\pi\sigma_c^2}}\,e^{-(x_c-\mu_c)^2/2\sigma_c^2} .$$
#
# A point far from every cloud has density $e^{-1000}$ under each. On a computer that is 0, and 0 / 0 is NaN, yet the point belongs somewhere: compare
# logarithms. (The π under the root is 3.14…; $\pi_j$ is a weight.)

# %% nbgrader={"grade": false, "grade_id": "responsibilities", "locked": false, "schema_version": 3, "solution": true, "task": false}
def responsibilities(x, weights, means, variances):
    """p(component | point) under a mixture of Gaussians with diagonal covariances.

    x: (n, d)
    weights: (k,), above 0, add up to 1
    means, variances: (k, d); variances are σ²
    Returns: (n, k), each row adds up to 1
    """
    ### BEGIN SOLUTION
    squared = ((x[:, None] - means) ** 2 / variances).sum(2)
    log_joint = weights.log() - 0.5 * (squared + variances.log().sum(1))  # 2π is the same for all and cancels
    return log_joint.softmax(1)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_responsibilities", "locked": true, "schema_version": 3, "solution": false, "task": false}
RESPONSIBILITIES.check(responsibilities)

# %% nbgrader={"grade": true, "grade_id": "grade_responsibilities", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.latent_spaces import RESPONSIBILITIES
from course_lib.grading.latent_spaces.responsibilities import CLOUDS, FAR, NEAR, PAIR

RESPONSIBILITIES.check(
    responsibilities,
    hidden=lambda: [
        (torch.cat([FAR.flip(1), -NEAR]), torch.tensor([0.1, 0.6, 0.3]), CLOUDS[0].flip(0), CLOUDS[1].flip(1)),
        (torch.tensor([[-80.0], [80.0], [-80.25]]), torch.tensor([0.5, 0.5]), *PAIR),
        (grid(1, 3), torch.tensor([0.7, 0.3]), grid(2, 3).sin(), grid(2, 3).exp()),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 3b · Fit the clouds (2 points)
#
# The M step takes the shares for granted. Each cloud has $N_j=\sum_i r_{ij}$ points, if you add up its shares, and gets their weighted mean and variance,
# the variance for each dimension c by itself:
#
# $$\pi_j=\frac{N_j}{n},\qquad \mu_j=\frac1{N_j}\sum_{i=1}^n r_{ij}\,x_i,\qquad \sigma_{jc}^2=\frac1{N_j}\sum_{i=1}^n r_{ij}\,(x_{ic}-\mu_{jc})^2 .$$

# %% nbgrader={"grade": false, "grade_id": "m_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def m_step(x, r):
    """The mixture of highest likelihood when the responsibilities are given.

    x: (n, d)
    r: (n, k), each row adds up to 1
    Returns: (weights, means, variances): (k,), (k, d), (k, d)
    """
    ### BEGIN SOLUTION
    share = r.sum(0)[:, None]
    means = r.T @ x / share
    variances = (r[:, :, None] * (x[:, None] - means) ** 2).sum(0) / share
    return r.mean(0), means, variances
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_m_step", "locked": true, "schema_version": 3, "solution": false, "task": false}
M_STEP.check(m_step)

# %% nbgrader={"grade": true, "grade_id": "grade_m_step", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.latent_spaces import M_STEP
from course_lib.grading.latent_spaces.m_step import RARE, shared

M_STEP.check(
    m_step,
    hidden=lambda: [
        (grid(8, 3).cos() + grid(8, 1), shared(8, 2)),
        (grid(6, 2).exp(), shared(6, 4)),
        ((grid(4, 2).exp() + grid(4, 1).cos()) * torch.tensor([0.0, 1.0]), RARE.roll(1, 0).flip(1)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# EM at work on the first two components of three digits. It never sees the labels, which only colour the points. The ellipses are drawn at two standard
# deviations, and with a variance for each dimension they cannot tilt. Predict first: where will the three clouds end?

# %% tags=["nbval-ignore-output"]
expect, maximise = (task.yours_or_ours(globals()) for task in (RESPONSIBILITIES, M_STEP))
torch.manual_seed(2)


def em(x, k, steps):
    """Mixtures after 0, 1, … steps of EM, from k random points as means."""
    mixture = torch.full((k,), 1 / k), x[torch.randperm(len(x))[:k]], x.var(0).expand(k, -1)
    yield mixture
    for _ in range(steps):
        weights, means, variances = maximise(x, expect(x, *mixture))
        mixture = weights, means, variances + 1e-3  # a cloud must not shrink onto one point
        yield mixture


def mean_log_likelihood(x, weights, means, variances):
    normal = torch.distributions.Normal(means, variances.sqrt())
    return (weights.log() + normal.log_prob(x[:, None]).sum(2)).logsumexp(1).mean()


three = torch.isin(train.y, torch.tensor([0, 1, 7]))
z, y = ((x_train - mean) @ components[:2].T)[three], train.y[three]
history = list(em(z, 3, 30))
figure, panels = plt.subplots(1, 5, figsize=(11, 2.7), sharex=True, sharey=True)
for axes, step in zip(panels, (0, 1, 3, 8, 30)):
    for digit, colour in zip((0, 1, 7), ("C0", "C2", "C4")):
        axes.scatter(*z[y == digit].T, s=2, color=colour, alpha=0.4, label=digit)
    for _, centre, variance in zip(*history[step]):
        width, height = 4 * variance.sqrt()
        axes.add_patch(plt.matplotlib.patches.Ellipse(tuple(centre), width, height, fill=False, linewidth=2, color="C1"))
    axes.set_title(f"step {step}: {mean_log_likelihood(z, *history[step]):.2f} nats", fontsize=10)
figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", markerscale=5)
plt.show()

# %% [markdown]
# Now draw digits that nobody wrote: random codes of 20 components, decoded. The first row takes them from one Gaussian with the right mean and variances,
# the second from your mixture with 60 clouds. The third, for comparison, has new digits squeezed through the same 20 components. How near does each come to
# a digit of the training set? Keep the numbers for task 6.

# %% tags=["nbval-ignore-output"]
directions = components[:20]
z = (x_train - mean) @ directions.T
*_, (weights, means, variances) = em(z, 60, 30)
cloud = torch.multinomial(weights, 500, replacement=True)
codes = {
    "one Gaussian": torch.randn(500, 20) * z.std(0),
    "60 clouds": means[cloud] + variances[cloud].sqrt() * torch.randn(500, 20),
    "new digits": ((x_test - mean) @ directions.T)[1::2],
}
made = {name: mean + code @ directions for name, code in codes.items()}
show_digits(torch.cat([x[3::42] for x in made.values()]), row_labels=list(made))
for name, x in made.items():
    print(f"{name:13} median distance to the nearest digit of the training set: {torch.cdist(x, x_train).min(1).values.median():.2f}")

# %% [markdown]
# ## Task 4 · Ratings with holes
#
# **3 points · 15 minutes · ★★☆**
#
# Latent variables need no images. A thousand people have rated films. Each has seen about six of 24. Which would they like? (The table is made up, so that
# the truth is known.)

# %% nbgrader={"grade": false, "grade_id": "films", "locked": true, "schema_version": 3, "solution": false, "task": false}
films = datasets.ratings(people=1000)
ratings, seen = films.values, films.seen
half = (torch.arange(len(ratings)) % 2 == 0)[:, None]  # every other person
tune_on, judge_on = films.held_out & half, films.held_out & ~half  # ratings that are kept from the fit


def show_ratings(tables, people=slice(0, 30)):
    """Tables of stars beside each other; NaN is a hole."""
    figure, panels = plt.subplots(1, len(tables), figsize=(3.4 * len(tables) + 1, 3.8), sharey=True)
    for axes, (title, values) in zip(panels if len(tables) > 1 else [panels], tables.items()):
        picture = axes.imshow(values[people], vmin=1, vmax=5, cmap="cividis", aspect="auto")
        axes.set(title=title, xlabel="film")
        axes.grid(False)
    figure.supylabel("person")
    figure.colorbar(picture, ax=panels, label="stars")
    plt.show()


show_ratings({"seen": torch.where(seen, ratings, torch.nan), "in truth": ratings})
print(f"{seen.sum():,} ratings seen, {tune_on.sum():,} held out to tune on")


# %% [markdown]
# ### 4a · The best table of low rank (1 point)
#
# If a few tastes decide, the table is nearly a product: people × tastes times tastes × films. Its rank is the number of tastes. The singular value
# decomposition $A=\sum_j s_j u_jv_j^\top$, with $s_1\ge s_2\ge\dots$, has the best approximation of rank r in its first terms:
#
# $$A_r=\sum_{j=1}^{r}s_j\,u_jv_j^\top .$$
#
# `torch.linalg.svd(a, full_matrices=False)` returns U, S and Vᵀ, the last one transposed already: $u_j$ is a column of the first, $v_j^\top$ a row of the
# last.

# %% nbgrader={"grade": false, "grade_id": "low_rank", "locked": false, "schema_version": 3, "solution": true, "task": false}
def low_rank(a, rank):
    """The matrix of that rank that is nearest to a in squared error.

    a: (rows, columns)
    rank: number of terms
    Returns: (rows, columns)
    """
    ### BEGIN SOLUTION
    u, s, vt = torch.linalg.svd(a, full_matrices=False)
    return u[:, :rank] * s[:rank] @ vt[:rank]
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_low_rank", "locked": true, "schema_version": 3, "solution": false, "task": false}
LOW_RANK.check(low_rank)

# %% nbgrader={"grade": true, "grade_id": "grade_low_rank", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.latent_spaces import LOW_RANK
from course_lib.grading.latent_spaces.pca import images

LOW_RANK.check(low_rank, hidden=lambda: [(images(7, 5), 3), (images(9, 3).T ** 2, 2), (images(6, 4), 2)])
### END HIDDEN TESTS

# %% [markdown]
# ### 4b · The experiment (2 points)
#
# The decomposition needs a full table. So fill the holes with a guess, approximate, take the approximation as the new guess, and repeat: each **refill**
# moves the holes a little. The first guess is each film's mean. The loop works on what is left when these means are taken away.
#
# Is the guess any good? Look at its **gain** on ratings that were held out: by how many per cent its squared error is below that of the film means.

# %% nbgrader={"grade": false, "grade_id": "complete", "locked": true, "schema_version": 3, "solution": false, "task": false}
nearest = LOW_RANK.yours_or_ours(globals())
film_means = (ratings * seen).sum(0) / seen.sum(0)


def complete(rank, refills=100):
    """The table of ratings with its holes filled."""
    guess = torch.zeros_like(ratings)
    for _ in range(refills):
        guess = nearest(torch.where(seen, ratings - film_means, guess), rank)
    return film_means + guess


def reached(guess):
    """The gain of a filled table over the film means."""
    numbers = measure(guess, ratings, seen, tune_on)
    return f"gain {numbers['gain']:z.0f} % on held-out ratings, {numbers['gain on seen']:z.0f} % on seen ones"


# %% [markdown]
# The first try has rank 10.

# %% tags=["nbval-ignore-output"]
first_try = complete(rank=10)
print(reached(first_try))


# %% [markdown]
# It knows the seen ratings by heart, and of the others no more than the film means, which have a gain of 0 %.
#
# **Your turn.** Choose `rank` and `refills` so that the gain on held-out ratings is **at least 54 %**. Predict before you run: what does a rank of 1 miss?
# What does a rank of 20 learn that it should not? And why might it pay to stop before the guess has settled?

# %% nbgrader={"grade": false, "grade_id": "settings", "locked": false, "schema_version": 3, "solution": true, "task": false}
def settings():
    """Your choice for complete: a dict with rank, and refills if you like. The first try would be {"rank": 10, "refills": 100}."""
    ### BEGIN SOLUTION
    return {"rank": 3, "refills": 12}
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_experiment", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
guess = globals().get("first_try", ratings)  # stands in for yours if the next line fails
chosen = EXPERIMENT.chosen(settings)
guess = complete(**chosen)
EXPERIMENT.check(measure(guess, ratings, seen, tune_on), chosen)

# %% nbgrader={"grade": true, "grade_id": "grade_experiment", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
# Grading measures your table on the held-out ratings of other people here.
### BEGIN HIDDEN TESTS
from course_lib.grading.latent_spaces import EXPERIMENT, measure

chosen = EXPERIMENT.chosen(settings)
EXPERIMENT.check(measure(guess, ratings, seen, tune_on), chosen)
EXPERIMENT.check(measure(guess, ratings, seen, judge_on), chosen, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Your table beside the truth, and what it would recommend. Then the gain for other ranks and refills: find the ones that underfit and the ones that
# overfit.

# %% tags=["nbval-ignore-output"]
show_ratings({"seen": torch.where(seen, ratings, torch.nan), "filled": guess.clamp(1, 5), "in truth": ratings})
for person in (0, 3, 6):
    liked = (ratings[person] * seen[person]).argsort(descending=True)[:2]
    advice = (guess[person] - 10 * seen[person]).argsort(descending=True)[:2]
    stars = ", ".join(f"{films.films[i]} (truth: {ratings[person, i]:g})" for i in advice)
    print(f"Person {person} liked {' and '.join(films.films[i] for i in liked)}. Your advice: {stars}.")

# %% tags=["nbval-ignore-output"]
try:
    EXPERIMENT.chosen(settings)
    print("gain in % on held-out ratings (on seen ones)\n\nrank" + "".join(f"{n:>10} refills" for n in (1, 10, 100)))
    for rank in (1, 2, 3, 4, 6, 10, 24):
        numbers = [measure(complete(rank, n), ratings, seen, tune_on) for n in (1, 10, 100)]
        print(f"{rank:4}" + "".join(f"{m['gain']:z12.0f} ({m['gain on seen']:z.0f})" for m in numbers))
except CheckFailed:
    print("Your settings are not there yet, so the first try stands in for yours above.")


# %% [markdown]
# ## Task 5 · Naive Bayes with missing pixels
#
# **3 points · 10 minutes · ★★☆**
#
# A generative model of images with a class y is a classifier too. **Naive Bayes** takes the pixels as independent once the class is known. With
# $p_{yc}=p(x_c=1\mid y)$, S for the pixels that are seen and $x_S$ for what an image has there:
#
# $$\log p(y\mid x_S)=\log p(y)+\sum_{c\in S}\Big(x_c\log p_{yc}+(1-x_c)\log(1-p_{yc})\Big)-\log Z .$$
#
# A pixel that is missing is summed out, and its two values have probability 1 together: it leaves no term. Z makes the probabilities of an image's classes
# add up to 1.
#
# Hundreds of pixels make $p(x_S\mid y)$ too small for a computer, but not its logarithm.

# %% nbgrader={"grade": false, "grade_id": "log_posterior", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_posterior(x, seen, log_prior, p):
    """log p(class | seen pixels) under naive Bayes.

    x: (n, d) of 0.0 and 1.0; what stands at a missing pixel means nothing
    seen: (n, d), boolean, true where the pixel is seen
    log_prior: (classes,), log p(y)
    p: (classes, d), p(pixel = 1 | class), above 0 and below 1
    Returns: (n, classes)
    """
    ### BEGIN SOLUTION
    seen = seen.to(x.dtype)
    log_joint = log_prior + (seen * x) @ p.log().T + (seen * (1 - x)) @ (1 - p).log().T
    return log_joint.log_softmax(1)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_log_posterior", "locked": true, "schema_version": 3, "solution": false, "task": false}
LOG_POSTERIOR.check(log_posterior)

# %% nbgrader={"grade": true, "grade_id": "grade_log_posterior", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.latent_spaces import LOG_POSTERIOR
from course_lib.grading.latent_spaces.log_posterior import INK, ODD, PIXELS, SEEN, UNLIKELY

LOG_POSTERIOR.check(
    log_posterior,
    hidden=lambda: [
        (1 - PIXELS[:3], ~SEEN[1:], torch.tensor([0.1, 0.9]).log(), INK[1:]),
        (1 - ODD[None], torch.ones(1, 80).bool(), torch.tensor([0.4, 0.6]).log(), UNLIKELY.flip(0, 1)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Against it stands **logistic regression**, which models p(y | x) and nothing else. It cannot leave a pixel out, so a missing one gets the mean of the
# training images. Both are trained on whole images. Predict first: who wins when all pixels are there, and who when half of them are missing?

# %% tags=["nbval-ignore-output"]
from sklearn.linear_model import LogisticRegression

classify = LOG_POSTERIOR.yours_or_ours(globals())
ink_train, ink_test = ((x >= 0.5).float() for x in (x_train, x_test))
hiding = torch.rand(ink_test.shape, generator=torch.Generator().manual_seed(0))  # a pixel is lost where this is below the share


def fit(n, seed=0):
    """Both classifiers from n training images: functions of (images, seen pixels) that return classes."""
    chosen = torch.randperm(len(ink_train), generator=torch.Generator().manual_seed(seed))[:n]
    x, y = ink_train[chosen], train.y[chosen]
    member = F.one_hot(y, 10).float()
    p = (member.T @ x + 0.1) / (member.sum(0)[:, None] + 0.2)  # a little is added: no pixel is impossible
    log_prior = ((member.sum(0) + 0.1) / (n + 1)).log()
    logistic = LogisticRegression(max_iter=300).fit(x.numpy(), y.numpy())
    return {
        "naive Bayes": lambda new, seen: classify(new, seen, log_prior, p).argmax(1),
        "logistic regression": lambda new, seen: torch.from_numpy(logistic.predict(torch.where(seen, new, x.mean(0)).numpy())),
    }


shares = (0.0, 0.25, 0.5, 0.75, 0.9)
print(f"{'':25}pixels missing\n{'':19}" + "".join(f"{share:7.0%}" for share in shares))
for n, draws in ((50, 5), (len(ink_train), 1)):
    print(f"trained on {n:,} images" + f", mean of {draws} draws" * (draws > 1))
    models = [fit(n, seed) for seed in range(draws)]
    for name in models[0]:
        right = [torch.stack([model[name](ink_test, hiding >= share) == test.y for model in models]).float().mean() for share in shares]
        print(f"  {name:19}" + "".join(f"{value:6.0%} " for value in right))

# %% tags=["nbval-ignore-output"]
some = slice(3, None, 84)
rows, titles = [], []
for share in (0.0, 0.5, 0.75):
    seen_pixels = hiding[some] >= share
    rows.append(torch.where(seen_pixels, ink_test[some], 0.5))  # a missing pixel is grey
    bayes, logistic = (models[0][name](ink_test[some], seen_pixels) for name in ("naive Bayes", "logistic regression"))
    titles += [f"{a} / {b}" for a, b in zip(bayes, logistic)]
show_digits(torch.cat(rows), titles=titles, heading="naive Bayes / logistic regression, both trained on all images")


# %% [markdown] nbgrader={"grade": false, "grade_id": "written_question", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Task 6 · In your own words
#
# **2 points · 10 minutes · ★★☆** · graded by hand
#
# About 120 words in all. Use what you measured.
#
# 1. Task 3 drew codes from one Gaussian with the right mean and variances. Why do they give no digits, although each number by itself is an ordinary one?
#    What does the mixture do better? Name the two distances.
# 2. In task 5, which classifier loses more when pixels go missing, and how much? What does naive Bayes have that lets it leave a pixel out, and why is the
#    mean no full replacement for a pixel?
# 3. With all pixels and all images the order is reversed. What does naive Bayes assume of digits that is wrong? Why does that hurt less when there are only
#    50 images to learn from?

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_answer", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# 1. The Gaussian knows the variance of each component and that they are uncorrelated, not that they depend on each other. Digits fill only a few curved
#    regions of the code space, and most of the Gaussian's mass lies between them: its samples are blends at a median distance of 5.9, where new digits have
#    4.7. Each of the 60 clouds covers one small region, so its samples stay near real digits: 5.1.
# 2. Logistic regression: from 87 % to 67 % with half of the pixels missing, and to 21 % with 90 % missing. Naive Bayes goes from 84 % to 81 % and 70 %. It
#    has p(x | y), so it can sum a pixel out. Logistic regression has fixed weights that were learned for whole images. A mean pixel looks like an
#    observation and pulls every image to the same average digit.
# 3. That pixels are independent given the class. Neighbouring pixels of a stroke repeat each other, and naive Bayes counts them as separate evidence. With
#    50 images (60 % against 58 %) the assumption costs no more than it saves: it leaves one frequency for each pixel and class to be counted, while
#    logistic regression can fit what only happens to separate the few images.
#
# **Marking guide (2 points).** One half point each for: (a) single variances say nothing of how components depend on each other, or: most of the Gaussian's
# mass lies where no digit is; (b) the mixture stays close to where digits are, with both distances; (c) naive Bayes sums a missing pixel out because it
# models p(x | y), and a mean is taken for evidence, with the numbers; (d) independence given the class is wrong, and with few images there is less to
# estimate. Accept any wording and the student's own numbers. Give no credit for "the Gaussian has the wrong variance" or "naive Bayes is more robust".

# %% [markdown]
# ## More, if you like
#
# **no points · 10 minutes · ★☆☆**
#
# How do you walk from one code to another? On a **straight line** the middle is short: two independent random codes of many dimensions are nearly at right
# angles, so their mean has only 0.71 of their length, and a decoder has hardly seen such codes. **Slerp** walks along the arc instead. With Ω the angle
# between a and b:
#
# $$\operatorname{slerp}(a,b,t)=\frac{\sin((1-t)\,\Omega)}{\sin\Omega}\,a+\frac{\sin(t\,\Omega)}{\sin\Omega}\,b .$$
#
# The angle is that between the directions, whatever the lengths.

# %% nbgrader={"grade": false, "grade_id": "slerp", "locked": false, "schema_version": 3, "solution": true, "task": false}
def slerp(a, b, t):
    """The point at t on the arc from a to b.

    a, b: (d,), not on one line
    t: a number between 0 and 1
    Returns: (d,)
    """
    ### BEGIN SOLUTION
    angle = (a @ b / (a.norm() * b.norm())).acos()
    return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_slerp", "locked": true, "schema_version": 3, "solution": false, "task": false}
SLERP.check(slerp)

# %% [markdown]
# A walk between the codes of two digits, each number divided by its standard deviation. The lengths are printed. Where do the rows differ, and is the
# middle of either a digit?

# %% tags=["nbval-ignore-output"]
walk = SLERP.yours_or_ours(globals())
z = (x_train - mean) @ components.T
spread = z.std(0)
a, b = ((x_test[[420, 720]] - mean) @ components.T) / spread
steps = torch.linspace(0, 1, 9).tolist()
paths = {"straight": [torch.lerp(a, b, t) for t in steps], "arc": [walk(a, b, t) for t in steps]}
for name, path in paths.items():
    print(f"{name:9} length of the code: " + "  ".join(f"{code.norm():4.1f}" for code in path))
show_digits(mean + torch.stack([*paths["straight"], *paths["arc"]]) * spread @ components, columns=9, row_labels=list(paths))
