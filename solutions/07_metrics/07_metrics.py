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
# # Exercise 7 · How good is a model?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/exercises/07_metrics/07_metrics.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/exercises/07_metrics/07_metrics.ipynb)
#
# You write the numbers by which generative models are compared: bits and perplexity, FID, KID, precision and recall, and how well a model obeys that is told what to
# draw. Then you measure how FID depends on the number of samples, take that bias out, and find a model that has only copied its training set. The lecture is
# `notebooks/07_metrics.ipynb`.
#
# | task | what you do | points | minutes | difficulty |
# |---|---|---|---|---|
# | 1 | perplexity and bits | 2 | 5 | ★☆☆ |
# | 2 | FID from moments | 3 | 10 | ★★☆ |
# | 3 | KID without bias | 3 | 10 | ★★☆ |
# | 4 | precision, recall and obedience | 4 | 20 | ★★☆ |
# | 5 | the bias of FID, an experiment | 3 | 15 | ★★★ |
# | 6 | a model that memorises | 3 | 15 | ★★☆ |
# | 7 | a written answer | 2 | 10 | ★★☆ |
#
# **How it works.** Replace each `raise NotImplementedError()` with your code and run the check below it. A check prints `✓`, or one line that says what is
# wrong. Grading runs the same checks again with other inputs. Write the answers with PyTorch and your own functions: a check notices when an answer runs code
# from `course_lib`. Add cells as you like, but do not copy, delete or change the type of the cells that are here.
#
# **Notation.** Features are rows: n real ones and m drawn ones (`fake`), with d numbers each. They are float64, because distances are small differences of
# large numbers: stay with it.

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
import math

from matplotlib import pyplot as plt
from torch.nn import functional as F

from course_lib import checkpoints, datasets
from course_lib.datasets import faces
from course_lib.grading import CheckFailed
from course_lib.grading.metrics import (
    BIAS,
    CORPUS,
    FRECHET,
    KERNEL,
    LIMIT,
    MEMORISED,
    OBEDIENCE,
    PRECISION,
    fid_of_sets,
    fids_by_number,
    measure,
    numbers_of_samples,
    stream,
)
from course_lib.metrics import digit_features, face_features, predicted_attributes
from course_lib.metrics.coverage import distances_to_neighbours
from course_lib.plotting import show_images

torch.set_num_threads(1)  # what is computed here is small


# %% [markdown]
# ## Task 1 · Perplexity and bits
#
# **2 points · 5 minutes · ★☆☆**
#
# A model of text gives each text a log-probability in **nats**: log is the natural logarithm here, and one bit is ln 2 nats. Texts differ in length, and models cut them into different **tokens**: letters, syllables, words.
# Two numbers sum up a corpus. In **bits per character** models with different tokens can be compared; **perplexity** is the number of equally likely tokens that
# would be as hard to guess. In both, sum over the corpus first: a long text has more to say than a short one.
#
# $$\text{bits}=-\frac{\sum_i\log p_i}{\ln 2\,\sum_i c_i},\qquad \text{perplexity}=\exp\left(-\frac{\sum_i\log p_i}{\sum_i t_i}\right),$$
#
# with $c_i$ characters and $t_i$ tokens in text i.

# %% nbgrader={"grade": false, "grade_id": "corpus_scores", "locked": false, "schema_version": 3, "solution": true, "task": false}
def corpus_scores(log_p, tokens, characters):
    """Two numbers for a corpus.

    log_p: (texts,), the log-probability of each text, in nats
    tokens: (texts,), how many tokens each has, whole numbers
    characters: (texts,), how many characters each has, whole numbers
    Returns: (bits per character, perplexity per token), two numbers
    """
    ### BEGIN SOLUTION
    nats = -log_p.sum()
    return nats / math.log(2) / characters.sum(), (nats / tokens.sum()).exp()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_corpus_scores", "locked": true, "schema_version": 3, "solution": false, "task": false}
CORPUS.check(corpus_scores)

# %% nbgrader={"grade": true, "grade_id": "grade_corpus_scores", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.metrics import CORPUS
from course_lib.grading.metrics.shared import numbers

CORPUS.check(
    corpus_scores,
    hidden=lambda: [
        (numbers(-90.6, -17.0), torch.tensor([33, 9]), torch.tensor([130, 28])),
        (numbers(-5.2, -61.0, -33.5, -20.0), torch.tensor([4, 18, 16, 5]), torch.tensor([9, 77, 60, 31])),
        (numbers(-12.0, -120.9, -44.0), torch.tensor([3, 66, 40]), torch.tensor([17, 240, 110])),
        (numbers(-70.8), torch.tensor([19]), torch.tensor([88])),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Three models of the same two texts. The first reads letters, the others syllables and words. Predict first: which model is the best? Which one has the best
# perplexity?

# %% tags=["nbval-ignore-output"]
scores = CORPUS.yours_or_ours(globals())
characters = torch.tensor([60, 900])
for name, tokens, log_p in (
    ("letters", [60, 900], [-95.0, -1310.0]),
    ("syllables", [25, 330], [-88.0, -1190.0]),
    ("words", [12, 160], [-99.0, -1260.0]),
):
    bits, perplexity = scores(torch.tensor(log_p, dtype=torch.float64), torch.tensor(tokens), characters)
    print(f"{name:10} {float(bits):.2f} bits per character, perplexity {float(perplexity):7.1f} per token")


# %% [markdown]
# ## Task 2 · FID from moments
#
# **3 points · 10 minutes · ★★☆**
#
# FID, the Fréchet inception distance, puts a Gaussian on the features of real images and another on those of drawn ones. The squared distance of the two is
#
# $$\lVert\mu_1-\mu_2\rVert^2+\operatorname{tr}\Sigma_1+\operatorname{tr}\Sigma_2-2\operatorname{tr}\left(\Sigma_1\Sigma_2\right)^{1/2}.$$
#
# The root is that of a matrix: the matrix R with R R = Σ₁Σ₂. You need not form it. Its trace is the sum of its eigenvalues, and these are the roots of those of Σ₁Σ₂:
# real, and not below 0, though the product is not symmetric. `torch.linalg.eigvals` gives them as complex numbers, whose `.real` counts. Or find a symmetric matrix with
# the same eigenvalues, for `torch.linalg.eigvalsh`. With fewer rows than features some eigenvalues are 0, and rounding puts them a little below: `clamp(min=0)`.

# %% nbgrader={"grade": false, "grade_id": "frechet", "locked": false, "schema_version": 3, "solution": true, "task": false}
def frechet(mean1, cov1, mean2, cov2):
    """Squared Fréchet distance of two Gaussians.

    mean1, mean2: (d,)
    cov1, cov2: (d, d), symmetric; some eigenvalues may be 0
    Returns: a number
    """
    ### BEGIN SOLUTION
    values, vectors = torch.linalg.eigh(cov1)
    root = vectors * values.clamp(min=0).sqrt()  # root @ root.T is cov1
    trace = torch.linalg.eigvalsh(root.T @ cov2 @ root).clamp(min=0).sqrt().sum()
    return (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * trace
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_frechet", "locked": true, "schema_version": 3, "solution": false, "task": false}
FRECHET.check(frechet)

# %% nbgrader={"grade": true, "grade_id": "grade_frechet", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.metrics import FRECHET
from course_lib.grading.metrics.frechet import place, spread

FRECHET.check(
    frechet,
    hidden=lambda: [
        (place(3, 0.1), spread(3, 0.4), place(3, 1.2), spread(3, 2.8, size=2.0)),
        (place(5, 2.2), spread(5, 1.1), place(5, 0.4), spread(5, 0.2, size=0.5)),
        (place(9, 1.5), spread(9, 1.7, rank=2, size=2.0), place(9, 0.7), spread(9, 0.4)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# 500 test digits against 500 others, which are spoilt in some way. The features are the last layer but one of a small classifier, not Inception's. Predict first:
# which of the five is worst? And how far are good digits from good digits?

# %% tags=["nbval-ignore-output"]
distance = FRECHET.yours_or_ours(globals())
generator = torch.Generator().manual_seed(0)
small = datasets.load("mnist_small", "test")
order = torch.randperm(1000, generator=generator)
images, labels = small.images()[order], small.y[order]
real, other = images[:500], images[500:]
spoilt = {
    "as they are": other,
    "blurred": F.avg_pool2d(other, 3, 1, 1),
    "a little noise": (other + 0.1 * torch.randn(other.shape, generator=generator)).clamp(0, 1),
    "no 8 and no 9": other[labels[500:] < 8],
    "50 images, ten times each": other[:50].repeat(10, 1, 1, 1),
}


def gaussian_of(features):
    """Mean and covariance."""
    return features.mean(0), features.T.cov()


of_real = gaussian_of(digit_features(real))
found = {name: float(distance(*of_real, *gaussian_of(digit_features(x)))) for name, x in spoilt.items()}
figure, axes = plt.subplots(figsize=(8, 2.2))
axes.barh(list(found), list(found.values()))
axes.invert_yaxis()
axes.set(xlabel="FID, 500 against 500")
plt.show()
print(*(f"{name}: {value:.1f}" for name, value in found.items()), sep="\n")


# %% [markdown]
# ## Task 3 · KID without bias
#
# **3 points · 10 minutes · ★★☆**
#
# KID, the kernel inception distance, compares pairs of features by the kernel $k(u,v)=(u\cdot v/d+1)^3$. For n real rows x and m drawn rows y it is
#
# $$\frac{1}{n(n-1)}\sum_{i\neq j}k(x_i,x_j)+\frac{1}{m(m-1)}\sum_{i\neq j}k(y_i,y_j)-\frac{2}{nm}\sum_{i,j}k(x_i,y_j).$$
#
# The first two sums leave out each row with itself. This makes the estimate **unbiased**: right on average, for any n and m.

# %% nbgrader={"grade": false, "grade_id": "unbiased_kid", "locked": false, "schema_version": 3, "solution": true, "task": false}
def unbiased_kid(real, fake):
    """KID on all pairs.

    real: (n, d)
    fake: (m, d)
    Returns: a number
    """

    ### BEGIN SOLUTION
    def kernel(u, v):
        return (u @ v.T / u.shape[1] + 1) ** 3

    def others(x):
        k = kernel(x, x)
        return (k.sum() - k.trace()) / (len(x) * (len(x) - 1))

    return others(real) + others(fake) - 2 * kernel(real, fake).mean()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_unbiased_kid", "locked": true, "schema_version": 3, "solution": false, "task": false}
KERNEL.check(unbiased_kid)

# %% nbgrader={"grade": true, "grade_id": "grade_unbiased_kid", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.metrics import KERNEL
from course_lib.grading.metrics.shared import cloud

KERNEL.check(
    unbiased_kid,
    hidden=lambda: [
        (cloud(4, 3, 1.3, 1.2), cloud(6, 3, 0.4)),
        (cloud(9, 2, 0.1, 1.5), cloud(5, 2, 2.4, 1.4)),
        (cloud(7, 5, 1.8, 1.5), cloud(6, 5, 0.6)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Two sets from the **same** distribution of eight features, 20 times for each number of rows: each dot is a measurement. Both distances are truly 0. Predict first:
# where do the means lie? Which of the two can be below 0?

# %% tags=["nbval-ignore-output"]
kid, distance = (task.yours_or_ours(globals()) for task in (KERNEL, FRECHET))
figure, panels = plt.subplots(1, 2, figsize=(10, 2.8))
counts = [10, 20, 40, 80]
for axes, name in zip(panels, ("FID", "KID")):
    means = []
    for n in counts:
        # `stream(count, start)` gives normal numbers, the same on every machine; another start gives others
        pairs = stream(20 * 2 * n * 8, 0).reshape(20, 2, n, 8)
        values = [float(distance(*gaussian_of(a), *gaussian_of(b)) if name == "FID" else kid(a, b)) for a, b in pairs]
        axes.scatter([n] * 20, values, s=6, color="0.6")
        means.append(sum(values) / 20)
    axes.plot(counts, means, marker="o")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel="rows in each set", title=name, xscale="log", xticks=counts, xticklabels=counts)
    axes.minorticks_off()
plt.show()


# %% [markdown]
# ## Task 4 · Precision, recall and obedience
#
# **4 points · 20 minutes · ★★☆**
#
# ### 4a · Balls (2 points)
#
# One number cannot tell bad samples from missing ones. So put a ball round each real row: its radius is the distance to its k-th nearest **other** real row.
# **Precision** is the share of drawn rows that lie in one real ball or more. **Recall** exchanges the roles: the share of real rows that lie in a ball of the
# drawn ones, whose radii come from the drawn ones. A ball includes its surface. Distances are straight (Euclidean) ones.

# %% nbgrader={"grade": false, "grade_id": "precision_and_recall", "locked": false, "schema_version": 3, "solution": true, "task": false}
def precision_and_recall(real, fake, k):
    """Shares of drawn rows that look real, and of real rows that are covered.

    real: (n, d)
    fake: (m, d)
    k: which neighbour gives the radius, 1 for the nearest; less than n and m
    Returns: (precision, recall), two numbers
    """

    ### BEGIN SOLUTION
    def share(points, centres):
        radius = torch.cdist(centres, centres).sort(1).values[:, k]  # place 0 is the point itself
        return (torch.cdist(points, centres) <= radius).any(1).double().mean()

    return share(fake, real), share(real, fake)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_precision_and_recall", "locked": true, "schema_version": 3, "solution": false, "task": false}
PRECISION.check(precision_and_recall)

# %% nbgrader={"grade": true, "grade_id": "grade_precision_and_recall", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.metrics import PRECISION
from course_lib.grading.metrics.precision_and_recall import pairs
from course_lib.grading.metrics.shared import cloud

PRECISION.check(
    precision_and_recall,
    hidden=lambda: [
        (cloud(10, 2, 1.1), cloud(8, 2, 0.9, 1.2) + 0.2, 2),
        (cloud(13, 2, 0.7, 0.8), cloud(9, 2, 1.5, 1.4), 3),
        (cloud(9, 3, 1.6, 1.3), cloud(12, 3, 0.1), 1),
        (cloud(12, 2, 0.5, 5.0), cloud(10, 2, 2.1, 3.0) + 1, 2),
        # whole numbers: rows on the surface of a ball; in the last case some stand there twice
        (pairs(5, 4, 3, 3, 1, 3, 1, 5, 3, 5, 6, 6, 3, 1, 2, 5), pairs(5, 1, 2, 1, 6, 0, 3, -1, 5, 3, 2, 0), 1),
        (pairs(0, 8, 6, 8, 0, 6, 1, 7, 1, 7, 8, 5, 8, 5), pairs(25, 3, 2, 2, 1, 4, 9, 4, 1, 4, 5, 3, 5, 3), 2),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Three models of eight clusters, with the balls of precision above and those of recall below. Predict first: which model has the higher precision, which the higher
# recall? The last is the first with four samples far away, so its axes are wider. What do these do to recall?

# %% tags=["nbval-ignore-output"]
precise = PRECISION.yours_or_ours(globals())


def clusters(which, width, start, n=64):
    """n points in clusters on a circle, in turn."""
    angles = torch.tensor(which).repeat(n)[:n].double() * math.pi / 4
    return torch.stack([angles.cos(), angles.sin()], 1) + width * stream(2 * n, start).reshape(n, 2)


circle = clusters(range(8), 0.06, 0)
far = clusters([0, 1], 0.06, 10**6)
far[:4] = 3 * torch.tensor([[-1.0, 0.2], [-0.9, -0.4], [0.3, -1.0], [-0.7, 0.8]])
models = {"two clusters": clusters([0, 1], 0.06, 10**6), "too wide": clusters(range(8), 0.25, 2 * 10**6), "four strays": far}
figure, panels = plt.subplots(2, 3, figsize=(10, 6.6))
for column, (name, drawn) in zip(panels.T, models.items()):
    precision, recall = (float(value) for value in precise(circle, drawn, 3))
    for axes, centres, points, title in (
        (column[0], circle, drawn, f"precision {precision:.2f}"),
        (column[1], drawn, circle, f"recall {recall:.2f}"),
    ):
        # the last of three distances is the radius: that to the third nearest other row
        for centre, radius in zip(centres.tolist(), distances_to_neighbours(centres, 3)[:, -1].tolist()):
            axes.add_patch(plt.Circle(centre, radius, color="C0", alpha=0.12, linewidth=0))
        axes.scatter(*points.T, s=5, color="C1", zorder=3)
        side = max(1.9, 1.2 * float(drawn.abs().max()))
        axes.set(title=f"{name}: {title}", xlim=(-side, side), ylim=(-side, side), aspect="equal")
for axes, balls, dots in ((panels[0, 0], "real", "drawn"), (panels[1, 0], "drawn", "real")):
    axes.set_ylabel(f"blue: balls of the {balls} rows\nred: the {dots} rows")
plt.show()


# %% [markdown]
# ### 4b · Does it do as it is told? (2 points)
#
# Some models are told what to draw: for each of a face's ten **attributes**, such as its hair, glasses and mood, a value, or nothing (−1). A network reads the
# attributes of what was drawn. An entry, one attribute of one face, **counts** where something was asked for **and** can be seen: a hat hides hair, and without a
# hat it has no colour. Two numbers sum up the entries that count:
#
# - For each attribute, take the share of right ones among its entries that count. The first number is the **mean of these shares**, so a rare attribute weighs as much as any
#   other. An attribute that counts nowhere has no share, and is left out of the mean.
# - The second is the share of **faces** in which all that counts is right.

# %% nbgrader={"grade": false, "grade_id": "obedience", "locked": false, "schema_version": 3, "solution": true, "task": false}
def obedience(asked, read, seen):
    """How well a model obeys.

    asked: (n, attributes), whole numbers from 0 on: what each face should have; −1 where nothing was asked for
    read: (n, attributes), whole numbers from 0 on: what a network reads in what was drawn
    seen: (n, attributes), True where such an attribute can be seen in such a face. In each face something counts
    Returns: (mean of the attributes' shares, share of the faces), two numbers
    """
    ### BEGIN SOLUTION
    counts = seen & (asked >= 0)
    wrong = counts & (read != asked)
    of = counts.sum(0)
    some = of > 0
    return 1 - (wrong.sum(0)[some] / of[some]).mean(), 1 - wrong.any(1).double().mean()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_obedience", "locked": true, "schema_version": 3, "solution": false, "task": false}
OBEDIENCE.check(obedience)

# %% nbgrader={"grade": true, "grade_id": "grade_obedience", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.metrics import OBEDIENCE
from course_lib.grading.metrics.obedience import case

OBEDIENCE.check(
    obedience,
    hidden=lambda: [case(12, 4, 700), case(10, 5, 90, never=3), case(7, 6, 811, never=1), case(15, 3, 205), case(5, 4, 390)],
)
### END HIDDEN TESTS

# %% [markdown]
# A diffusion model is told the ten attributes of each of 300 real faces, and draws. Its weight w says how much it stresses what it is told (lecture 06, guidance):
# 0 is not at all, 1 plain. A GAN is told the same. Your functions judge them. Predict first: as w grows from 0 to 8, which of the four numbers rise, and which fall?

# %% tags=["nbval-ignore-output"]
obey, precise = (task.yours_or_ours(globals()) for task in (OBEDIENCE, PRECISION))
factors = faces.random_factors(300, seed=11)
asked, seen, real = faces.attributes(factors), faces.visible(factors, words=True), faces.draw(factors) / 255
others = face_features(faces.draw(faces.random_factors(300, seed=12)) / 255)  # of other real faces
weights = [0, 1, 2, 4, 8]
drawn = {"real": real}
with torch.no_grad():
    for w in weights:
        torch.manual_seed(0)  # the same noise for each w
        drawn[f"w = {w}"] = checkpoints.load("diffusion_faces").sample(300, y=asked, guidance=float(w), steps=10)
    drawn["GAN"] = checkpoints.load("cgan_faces").sample(300, y=asked)
judged = {
    name: [float(value) for value in (*obey(asked, predicted_attributes(x), seen), *precise(others, face_features(x), 3))]
    for name, x in drawn.items()
}
figure, axes = plt.subplots(figsize=(8, 2.8))
for i, name in enumerate(("attributes that obey", "faces that obey in all", "precision", "recall")):
    axes.plot(range(5), [judged[f"w = {w}"][i] for w in weights], marker="o", label=name)
axes.set(xlabel="w", xticks=range(5), xticklabels=weights, ylim=(0, 1.05))
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
names = [name for name in drawn if name != "w = 4"]
show_images(torch.cat([drawn[name][:12] for name in names]), columns=12, size=0.7, row_labels=names)
print(*(f"{name:6} {a:.2f} of the attributes, {b:.2f} of the faces" for name, (a, b, _, _) in judged.items()), sep="\n")
print(
    f"Real faces, all entries counted: {(predicted_attributes(real) == asked).double().mean():.2f}. Which ones are wrong, and whose fault is it?"
)


# %% [markdown]
# ## Task 5 · The bias of FID
#
# **3 points · 15 minutes · ★★★**
#
# ### 5a · FID at infinity (2 points)
#
# FID is too large with few rows, even between equal sets. With N rows in each set it is on average
#
# $$\text{FID}(N)\approx\text{FID}_\infty+\frac cN .$$
#
# So measure it at several N, and put a straight line through the values by **least squares**, against 1/N. FID∞ is where the line meets 1/N = 0; c/N is the bias.
# Return FID∞, and the smallest whole N whose **bias** c/N is at most `below`. It is the bias alone that must be so small, not FID(N): where FID∞ is larger than
# `below`, FID(N) never comes down to it. The values come in any order.

# %% nbgrader={"grade": false, "grade_id": "at_infinity", "locked": false, "schema_version": 3, "solution": true, "task": false}
def at_infinity(sizes, values, below):
    """FID without its bias, and how many rows make the bias small.

    sizes: (count,), N of each measurement, in any order, float64
    values: (count,), the FID there
    below: how large the bias c/N may be, FID∞ not counted; a number
    Returns: (FID∞, N), a number and a whole number
    """
    ### BEGIN SOLUTION
    x = 1 / sizes
    c = ((x - x.mean()) * (values - values.mean())).sum() / (x - x.mean()).square().sum()
    return values.mean() - c * x.mean(), math.ceil(c / below)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_at_infinity", "locked": true, "schema_version": 3, "solution": false, "task": false}
LIMIT.check(at_infinity)

# %% nbgrader={"grade": true, "grade_id": "grade_at_infinity", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.metrics import LIMIT
from course_lib.grading.metrics.shared import numbers

LIMIT.check(
    at_infinity,
    hidden=lambda: [
        (numbers(150.0, 300.0, 900.0, 600.0), numbers(7.3, 4.6, 2.7, 2.6), 2.5),
        (numbers(1000.0, 80.0, 160.0, 320.0), numbers(0.6, 10.9, 5.6, 2.4), 0.3),
        (numbers(500.0, 5000.0, 1000.0, 700.0), numbers(4.1, 3.3, 3.8, 3.9), 4.0),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Real digits against real digits, 64 features of each, as of task 2. Predict first: what is FID∞? How many digits would you need for a bias below 0.1?

# %% tags=["nbval-ignore-output"]
limit = LIMIT.yours_or_ours(globals())
features = digit_features(datasets.load("mnist_small", "train").images())
generator = torch.Generator().manual_seed(0)
# `fid_of_sets` is the FID of task 2, of many pairs of sets at once
mixed = [features[torch.randperm(4000, generator=generator)] for _ in range(10)]  # the 4,000 images are dealt out ten times
sizes = torch.tensor([250.0, 400.0, 500.0, 1000.0, 2000.0], dtype=torch.float64)
values = torch.stack([torch.stack([fid_of_sets(*one.reshape(2, -1, int(n), 64)).mean() for one in mixed]).mean() for n in sizes])
found, needed = limit(sizes, values, 0.1)
slope = (values.mean() - found) / (1 / sizes).mean()
figure, axes = plt.subplots(figsize=(7, 2.8))
axes.scatter(1 / sizes, values, zorder=3)
axes.plot([0, 1 / 250], [float(found), float(found + slope / 250)])
axes.set(xlabel="1/N", ylabel="FID, real against real")
plt.show()
print(*(f"N = {n:.0f}: {value:.1f}" for n, value in zip(sizes, values)), sep="\n")
print(f"FID∞ {float(found):.2f}; the bias is below 0.1 from {needed:,} digits in each set")

# %% [markdown]
# ### 5b · Where to measure (1 point)
#
# How good is FID∞, and what does it cost? Here a row has 32 features, normal numbers with known standard deviations, and both sets are real: the truth is 0.
# FID is measured at five numbers of rows, evenly spaced in 1/N, from `smallest` to `ratio` times as many, `repeats` times each, always with fresh rows. Your
# `at_infinity` draws the line. All this is one **attempt**, and its cost is the rows of both sets at all five N, `repeats` times. The **error** is the root mean
# square of FID∞ over 16 such attempts, each with fresh rows.
#
# The simplest plan measures once, with 12,000 rows: 6,000 against 6,000. Predict first: how far from 0 is that? The first
# try makes do with half as many rows, and takes the bias out. Is it nearer?

# %% nbgrader={"grade": false, "grade_id": "features", "locked": true, "schema_version": 3, "solution": false, "task": false}
deviations = torch.linspace(0.5, 1.5, 32, dtype=torch.float64)
limit = LIMIT.yours_or_ours(globals())
first_try = {"smallest": 40, "ratio": 2.0, "repeats": 10}


# %% tags=["nbval-ignore-output"]
def show_experiment(title, smallest, ratio=2.0, repeats=10):
    """The lines of four attempts, and the numbers of all: `fids_by_number` draws the rows of one attempt, `measure` makes all 16."""
    sizes = numbers_of_samples(smallest, ratio)
    rows = torch.tensor(sizes).double()
    figure, axes = plt.subplots(figsize=(7, 2.6))
    for attempt in range(4):
        values = fids_by_number(deviations, sizes, repeats, attempt)
        start = float(limit(rows, values, 0.1)[0])
        axes.scatter(1 / rows, values, s=14, color=f"C{attempt}")
        axes.plot(
            [0, 1 / smallest],
            [start, start + float((values.mean() - start) / (1 / rows).mean()) / smallest],
            color=f"C{attempt}",
            linewidth=0.8,
        )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel="1/N", ylabel="FID", title=f"{title}: N = {', '.join(map(str, sizes))}")
    plt.show()
    numbers = measure(limit, deviations, smallest, ratio, repeats)
    print(f"{title}: error {-numbers['minus error']:.3f}, {2 * repeats * sum(sizes):,} rows an attempt")


once = [float(fids_by_number(deviations, [6000], 1, attempt)) for attempt in range(4)]
print("6,000 against 6,000, four times:", *(f"{value:.3f}" for value in once))
show_experiment("first try", **first_try)


# %% [markdown]
# **Your turn.** Find settings with an error of at most **0.07** and at most **12,000** rows an attempt. The check shows the error with a minus sign and the rows that you leave
# over, so that more is better in both.
#
# | setting | what it does | first try |
# |---|---|---|
# | `smallest` | the smallest N, from 10 to 500 | 40 |
# | `ratio` | the largest N is so many times as large, from 1.1 to 10 | 2 |
# | `repeats` | how often FID is measured at each N, from 1 to 10 | 10 |
#
# Give `smallest`; what else you leave out is as in the first try. A try takes a second; `show_experiment("mine", smallest=100)` shows one. Predict before you run: what is wrong with very small N, and what with N that are much alike?

# %% nbgrader={"grade": false, "grade_id": "settings", "locked": false, "schema_version": 3, "solution": true, "task": false}
def settings():
    """Your choice for the experiment: a dict with smallest, and any of the others."""
    ### BEGIN SOLUTION
    return {"smallest": 300, "ratio": 3.0, "repeats": 2}
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_experiment", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
chosen = BIAS.chosen(settings)
BIAS.check(measure(limit, deviations, **chosen), chosen)

# %% nbgrader={"grade": true, "grade_id": "grade_experiment", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
# Grading measures other features with your settings here.
### BEGIN HIDDEN TESTS
from course_lib.grading.metrics import BIAS, LIMIT, measure

other_deviations = torch.linspace(0.35, 1.2, 32, dtype=torch.float64).flip(0).square()
chosen = BIAS.chosen(settings)
BIAS.check(measure(LIMIT.answer, deviations, **chosen), chosen)
BIAS.check(measure(LIMIT.answer, other_deviations, **chosen), chosen, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Your settings, to be compared with the first try above. Keep the numbers for task 7.

# %% tags=["nbval-ignore-output"]
try:
    show_experiment("yours", **BIAS.chosen(settings))
except CheckFailed:
    print("Your settings are not there yet.")


# %% [markdown]
# ## Task 6 · A model that memorises
#
# **3 points · 15 minutes · ★★☆**
#
# A model that hands out its training images has excellent FID, precision and recall. What gives it away is that its samples lie nearer to the training set than new
# images do. Let a(s) be the Euclidean distance of a sample s to its **nearest** training image, and b(t) that of a test image t to **its** nearest training image. Over all pairs of a
# sample and a test image,
#
# $$P=\Pr\big(a(s)<b(t)\big)+\tfrac12\Pr\big(a(s)=b(t)\big).$$
#
# A model that has learnt the distribution has P ≈ 0.5, one that copies has more. Measure several models, and name the one with the largest P, counting from 0.
# Images have further axes: `flatten(1)` makes rows of them.

# %% nbgrader={"grade": false, "grade_id": "spot_the_copy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def spot_the_copy(models, train, test):
    """How often samples are nearer to the training set than new images are.

    models: (models, samples, ...), the same number of samples of each model, points or images
    train: (training images, ...)
    test: (test images, ...)
    Returns: (P, number of the model), (models,) and a whole number
    """

    ### BEGIN SOLUTION
    def nearest(x):
        return torch.cdist(x.flatten(1), train.flatten(1)).min(1).values

    fresh = nearest(test)
    shares = []
    for samples in models:
        near = nearest(samples)[:, None]
        shares.append((near < fresh).double().mean() + (near == fresh).double().mean() / 2)
    shares = torch.stack(shares)
    return shares, int(shares.argmax())
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_spot_the_copy", "locked": true, "schema_version": 3, "solution": false, "task": false}
MEMORISED.check(spot_the_copy)

# %% nbgrader={"grade": true, "grade_id": "grade_spot_the_copy", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.metrics import MEMORISED
from course_lib.grading.metrics.spot_the_copy import case

MEMORISED.check(
    spot_the_copy,
    hidden=lambda: [
        case((2,), (10, 1.4), (8, 0.6), slice(2, 3), (6, 2.2), 1.0, (1, 0, 2)),
        case((1, 2, 2), (12, 0.8), (6, 2.3), slice(4, 6), (9, 0.5), 1.5, (1, 2, 0)),
        case((3,), (14, 0.1), (9, 1.9), slice(7, 8), (12, 1.1), 1.25, (2, 0, 1)),
        case((3, 2), (8, 0.7), (7, 1.2), slice(1), (1, 0.4), 0.5, (1, 2)),
        case((2,), (9, 2.3), (6, 0.5), slice(3), (7, 1.6), 1.0, (3, 1, 2, 0)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Three models of digits; the images are shrunk to 14×14. Each sample stands above its nearest training image. One of the models is a VAE, one has noise added to
# training images, one hands out real images that nobody has trained on. The VAE was trained on MNIST's training images; the 600 that count as training images here
# are among them. Judge by the pictures first: which is which? Then look at P, left of the rows. It gives away the copier, and no more: real images and an honest model
# are both near 0.5. With 100 samples and 100 test images P scatters by about 0.04, so values such as 0.45 and 0.53 do not tell models apart.

# %% tags=["nbval-ignore-output"]
spot = MEMORISED.yours_or_ours(globals())
torch.manual_seed(0)
noise = torch.randn(100, 1, 14, 14, generator=torch.Generator().manual_seed(2))
shuffled = datasets.load("mnist_small", "train").images()[torch.randperm(4000, generator=torch.Generator().manual_seed(1))]
train, unseen = F.avg_pool2d(shuffled[:600], 2), F.avg_pool2d(images, 2)
with torch.no_grad():
    drawn = F.avg_pool2d(checkpoints.load("vae").sample(100), 2)
three = torch.stack([unseen[:100], (train[:100] + 0.08 * noise).clamp(0, 1), drawn]).double()
train, unseen = train.double(), unseen[100:200].double()
shares, copier = spot(three, train, unseen)
rows = []
for samples in three:
    rows += [samples[:12], torch.stack([min(train, key=lambda image: (image - sample).square().sum()) for sample in samples[:12]])]
labels = [label for i, share in enumerate(shares) for label in (f"model {i}, P = {float(share):.2f}", "nearest in training")]
show_images(torch.cat(rows).float(), columns=12, size=0.7, row_labels=labels)
print(*(f"model {i}: P = {float(share):.2f}" for i, share in enumerate(shares)), f"the copier is number {copier}", sep="\n")

# %% [markdown] nbgrader={"grade": false, "grade_id": "written_question", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Task 7 · In your own words
#
# **2 points · 10 minutes · ★★☆** · graded by hand
#
# About 120 words in all.
#
# 1. A colleague's model has **better bits per dimension** than yours, and clearly **worse samples**. How can this be? Suppose theirs draws from a
#    model better than yours with probability 1/100, and else noise: how much worse than that model's can its bits per dimension be on images of 784 pixels? Give the number.
# 2. The other way round: a model has perfect samples, FID and precision, and is worthless. How, and which number of this exercise shows it?
# 3. Your model and your colleague's are to be compared in a table. Which numbers do you report, and what must stand beside FID? Use what you measured in task 5.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_answer", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# 1. Likelihood is a mean of logarithms, and a logarithm forgives. The mixture gives each image at least 1/100 of the good model's probability: that costs at most
#    log₂ 100 = 6.64 bits an image, 0.0085 bits per dimension on 784 pixels. Yet 99 of its 100 samples are noise. A colleague's model that is better by 0.01 in its bits
#    may be such a mixture.
# 2. It hands out its training images. They are real, so FID, precision and recall have nothing to object to. P of task 6 shows it: 0.94 for training images with a
#    little noise, where new images gave 0.44 and the VAE 0.52. Bits per dimension on test images would show it, too.
# 3. Bits per dimension on test images, on the same 256 levels; FID or KID; precision and recall apart; P. Beside FID stand N, the same for both models, the feature
#    network, and the floor: real digits against real ones have FID 18 at N = 500 and 10 at N = 1000, though the truth is 0. Two models with another N cannot be compared by FID.
#
# **Marking guide (2 points).** One half point each for: (a) likelihood hardly punishes a share of bad samples, a mean of logarithms, **and** at most log₂ 100 / 784 ≈ 0.008 bits
# per dimension; (b) a model that memorises, found by P or by its likelihood on test images; (c) likelihood, quality and coverage reported as separate numbers on test data; (d) N is
# the same and stated, with a number from task 5 for the bias. Accept any wording and the student's own numbers.
