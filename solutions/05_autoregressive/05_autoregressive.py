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
# # Exercise 5 · One symbol after the other
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/exercises/05_autoregressive/05_autoregressive.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/exercises/05_autoregressive/05_autoregressive.ipynb)
#
# You write the parts of autoregressive models of images, texts and sounds: the chain rule, masks that hide the future, a test that finds leaks, two measures,
# two ways to cut off the tail, and a convolution that runs step by step. Then you train a network that draws digits pixel by pixel. The lecture is
# `notebooks/05_autoregressive.ipynb`.
#
# | task | what you do | points | minutes | difficulty |
# |---|---|---|---|---|
# | 1 | the chain rule | 2 | 15 | ★☆☆ |
# | 2 | a masked convolution | 3 | 10 | ★☆☆ |
# | 3 | find leaks by gradients | 3 | 15 | ★★★ |
# | 4 | bits and perplexity | 2 | 10 | ★★☆ |
# | 5 | top-k and nucleus | 3 | 15 | ★★★ |
# | 6 | step by step, with a buffer | 3 | 10 | ★★☆ |
# | 7 | digits pixel by pixel, an experiment | 2 | 10 | ★★☆ |
# | 8 | a written answer | 2 | 5 | ★★☆ |
#
# **How it works.** Replace each `raise NotImplementedError()` with your code and run the check below it. A check prints `✓`, or one line that says what is
# wrong. Grading runs the same checks again with other inputs. Write the answers with PyTorch and your own functions: a check notices when an answer runs code
# from `course_lib`. What a network is trained through must also pass gradients on: the check looks at them. Add cells as you like, but do not copy, delete or
# change the type of the cells that are here.
#
# **Notation.** x data, with the symbols (or pixels) $x_1,\dots,x_D$ in reading order, and $x_{<i}$ for those before $x_i$. Logarithms are natural, so
# log-probabilities are in nats. A **logit** is what a network puts out before softmax or sigmoid.

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
import itertools
import math
import re
import time
from pydoc_data import topics

from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F

from course_lib import datasets
from course_lib.grading import CheckFailed
from course_lib.grading.autoregressive import (
    CAUSAL,
    CONDITIONALS,
    CONV,
    DEPENDS,
    DIGITS,
    LIKELIHOOD,
    MASK,
    NUCLEUS,
    PER_SYMBOL,
    STEP,
    TOP_K,
    measure,
)
from course_lib.plotting import show_images

torch.set_num_threads(1)  # networks this small are fastest on one core


# %% [markdown]
# ## Task 1 · The chain rule
#
# **2 points · 15 minutes · ★☆☆**
#
# Every joint distribution is a product of conditionals, with no assumption:
#
# $$p(x)=\prod_{i=1}^{D}p(x_i\mid x_{<i}),\qquad p(x_i\mid x_{<i})=\frac{p(x_1,\dots,x_i)}{p(x_1,\dots,x_{i-1})}.$$
#
# ### 1a · Factors of a table (1 point)
#
# A table holds the joint probability of D binary variables: `joint[1, 0, 1]` is $p(x_1=1,x_2=0,x_3=1)$. For each row of x, find the logarithm of each factor.
# A probability of fewer variables is a sum over the others; $p(x_1)$ has nothing before it, and is divided by 1.

# %% nbgrader={"grade": false, "grade_id": "log_conditionals", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_conditionals(joint, x):
    """The logarithm of each factor of the chain rule.

    joint: a table with D axes of length 2; all entries are above 0 and sum to 1
    x: (batch, D), whole numbers 0 and 1
    Returns: (batch, D), log p(x_i | x_<i) in nats
    """
    ### BEGIN SOLUTION
    factors = []
    for row in x.tolist():
        heads = torch.stack([joint[tuple(row[:i])].sum() for i in range(joint.ndim + 1)])
        factors.append(heads.log().diff())
    return torch.stack(factors)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_log_conditionals", "locked": true, "schema_version": 3, "solution": false, "task": false}
CONDITIONALS.check(log_conditionals)

# %% nbgrader={"grade": true, "grade_id": "grade_log_conditionals", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.autoregressive import CONDITIONALS
from course_lib.grading.fixtures import binary_rows, joint_table

CONDITIONALS.check(
    log_conditionals,
    hidden=lambda: [
        (joint_table(4, -0.8), binary_rows(7, 4, 3)),
        (joint_table(3, 2.2), binary_rows(6, 3, 5)),
        (joint_table(5, 0.9), binary_rows(1, 5, 4)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Three variables, eight rows. Each level below splits the parts of the level above, as your factors say: dark where the variable is 1. The lowest level is
# the joint table. Predict first: if the variables were independent, what would be alike in the second level?

# %%
factors_of = CONDITIONALS.yours_or_ours(globals())
joint = torch.tensor([[[0.05, 0.07], [0.20, 0.08]], [[0.25, 0.05], [0.05, 0.25]]])
rows = torch.tensor(list(itertools.product([0, 1], repeat=3)))
heads = factors_of(joint, rows).cumsum(1).exp()  # p(x_1), p(x_1, x_2), p(x_1, x_2, x_3)
figure, axes = plt.subplots(figsize=(9, 2.4))
for level in range(3):
    left = 0.0
    for row, head in zip(rows[:: 2 ** (2 - level)].tolist(), heads[:: 2 ** (2 - level), level].tolist()):
        axes.barh(2 - level, head, left=left, color="C0", alpha=0.75 if row[level] else 0.25, edgecolor="white")
        axes.text(left + head / 2, 2 - level, "".join(map(str, row[: level + 1])), ha="center", va="center", fontsize=9)
        left += head
axes.set(yticks=[2, 1, 0], yticklabels=["$x_1$", "$x_1x_2$", "$x_1x_2x_3$"], xlabel="probability", xlim=(0, 1))
axes.grid(False)
plt.show()
print(f"sum over all rows: {heads[:, -1].sum():.4f}")


# %% [markdown]
# ### 1b · A whole image (1 point)
#
# No table holds $2^{784}$ entries. A network takes its place: from $x_{<i}$ it makes a logit $\ell_i$, and
#
# $$p(x_i=1\mid x_{<i})=\sigma(\ell_i),\qquad \log p(x)=\sum_{i=1}^{D}\log p(x_i\mid x_{<i}).$$
#
# Logits may be large, and the images too: mind what a float can hold.

# %% nbgrader={"grade": false, "grade_id": "log_likelihood", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_likelihood(logits, x):
    """log p(x) of binary images.

    logits: (batch, D)
    x: (batch, D), floats 0 and 1
    Returns: (batch,), in nats
    """
    ### BEGIN SOLUTION
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_log_likelihood", "locked": true, "schema_version": 3, "solution": false, "task": false}
LIKELIHOOD.check(log_likelihood)

# %% nbgrader={"grade": true, "grade_id": "grade_log_likelihood", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.autoregressive import LIKELIHOOD
from course_lib.grading.fixtures import pixels

LIKELIHOOD.check(
    log_likelihood,
    hidden=lambda: [
        (grid(2, 5).flip(0), pixels(2, 5, step=2.3)),
        (grid(3, 900, low=-1.0, high=1.2), pixels(3, 900, step=0.9)),
        (grid(6, 4, low=-11.0, high=13.0) ** 3, pixels(6, 4, step=1.1)),
        (grid(1, 7, low=-3.0, high=2.0), pixels(1, 7, step=0.7)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 2 · A masked convolution
#
# **3 points · 10 minutes · ★☆☆**
#
# A convolution computes the logits of all pixels at once. Pixel by pixel, in reading order (row by row, from left to right), each may depend on the pixels
# before it alone. So some weights of the kernel are held at 0.
#
# ### 2a · Two masks (1 point)
#
# 1 is for a weight that stays: in all rows above the centre, and in the row of the centre to its left. **Kind A**, for the first layer, closes the centre.
# **Kind B**, for all others, opens it: there the centre holds what the layer before has made of earlier pixels.

# %% nbgrader={"grade": false, "grade_id": "causal_mask", "locked": false, "schema_version": 3, "solution": true, "task": false}
def causal_mask(kernel, kind):
    """Which weights of a kernel stay.

    kernel: its side, odd
    kind: "A" or "B"
    Returns: (kernel, kernel), 0 and 1 as float32, like the weights
    """
    ### BEGIN SOLUTION
    mask = torch.zeros(kernel, kernel)
    mask[: kernel // 2] = 1
    mask[kernel // 2, : kernel // 2 + (kind == "B")] = 1
    return mask
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_causal_mask", "locked": true, "schema_version": 3, "solution": false, "task": false}
MASK.check(causal_mask)

# %% nbgrader={"grade": true, "grade_id": "grade_causal_mask", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.autoregressive import MASK

MASK.check(causal_mask, hidden=lambda: [(7, "B"), (7, "A"), (9, "B"), (1, "A")])
### END HIDDEN TESTS

# %% [markdown]
# ### 2b · The convolution (2 points)
#
# Apply the masked kernel. Around the image there are zeros, so that the output is as large as the image. Gradients must reach the weight, and the weight
# itself must not change.

# %% nbgrader={"grade": false, "grade_id": "masked_conv", "locked": false, "schema_version": 3, "solution": true, "task": false}
def masked_conv(x, weight, mask):
    """A convolution without bias, with some weights held at 0.

    x: (batch, C, height, width)
    weight: (outputs, C, kernel, kernel), kernel odd
    mask: (kernel, kernel)
    Returns: (batch, outputs, height, width)
    """
    ### BEGIN SOLUTION
    return F.conv2d(x, weight * mask, padding=weight.shape[-1] // 2)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_masked_conv", "locked": true, "schema_version": 3, "solution": false, "task": false}
CONV.check(masked_conv)

# %% nbgrader={"grade": true, "grade_id": "grade_masked_conv", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.autoregressive import CONV

CONV.check(
    masked_conv,
    hidden=lambda: [
        (grid(3, 2, 7, 6).cos(), grid(5, 2, 5, 5), (torch.arange(25) < 12).view(5, 5).float()),
        (grid(5, 3, 4, 6), (3 * grid(2, 3, 3, 3)).sin(), (torch.arange(9) < 5).view(3, 3).float()),
        (grid(1, 2, 8, 7).sin(), (2 * grid(3, 2, 7, 7)).cos(), (torch.arange(49) < 25).view(7, 7).float()),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# One white pixel goes through a layer of kind A and then through layers of kind B, all weights 1. Predict first: does the white pixel itself stay white?

# %% tags=["nbval-ignore-output"]
open_places, convolve = (task.yours_or_ours(globals()) for task in (MASK, CONV))
ones = torch.ones(1, 1, 3, 3)
film = [torch.zeros(1, 1, 9, 13)]
film[0][0, 0, 2, 6] = 1
for kind in "ABBB":
    film.append(convolve(film[-1], ones, open_places(3, kind)))
figure, panels = plt.subplots(1, 5, figsize=(12, 2))
for axes, image, title in zip(panels, film, ("image", "A", "A B", "A B B", "A B B B")):
    axes.imshow((image[0, 0] > 0).float() + (image[0, 0] + 1).log(), cmap="gray")
    axes.scatter(6, 2, s=12, color="red")
    axes.set(title=title, xticks=[], yticks=[])
plt.show()


# %% [markdown]
# ## Task 3 · Find leaks by gradients
#
# **3 points · 15 minutes · ★★★**
#
# A network that sees its own pixel has a wonderful likelihood and is worth nothing. The error is easily made: a wrong mask, a normalisation over the whole
# image, a shift by one. Gradients find it: where the derivative of an output by an input is not 0, the output **depends** on that input.
#
# The model has several outputs at each pixel. Mark each input pixel on which any output at (row, column) depends, in any example and any channel of
# the input. Two outputs may react in opposite ways: think what their sum would tell you. The functions here are smooth, and no slope is 0 by chance, so every
# other slope counts, however small.

# %% nbgrader={"grade": false, "grade_id": "depends_on", "locked": false, "schema_version": 3, "solution": true, "task": false}
def depends_on(model, x, row, column):
    """The input pixels on which the outputs at one pixel depend.

    model: (batch, C, height, width) → (batch, outputs, height, width)
    x: (batch, C, height, width)
    row, column: the pixel of the outputs
    Returns: (height, width), boolean
    """
    ### BEGIN SOLUTION
    x = x.clone().requires_grad_()
    outputs = model(x)[:, :, row, column].sum(0)  # examples do not mix
    slopes = [torch.autograd.grad(output, x, retain_graph=True)[0] for output in outputs]
    return torch.stack(slopes).ne(0).flatten(0, 2).any(0)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_depends_on", "locked": true, "schema_version": 3, "solution": false, "task": false}
DEPENDS.check(depends_on)

# %% nbgrader={"grade": true, "grade_id": "grade_depends_on", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.autoregressive import DEPENDS
from course_lib.grading.fixtures import convolutions

DEPENDS.check(
    depends_on,
    hidden=lambda: [
        (convolutions((1, 3, 2, 2), "ABB", 2.0, outputs="opposite"), grid(3, 1, 6, 7).sin(), 4, 2),
        (convolutions((3, 2, 3), "RC", 0.2, inputs="narrow", outputs="narrow"), grid(1, 3, 5, 6), 1, 3),
        (convolutions((2, 3, 4), "AB", 1.6, scale=1e-8), grid(3, 2, 7, 5).cos(), 3, 1),
        (convolutions((2, 2), "C", 0.9, kernel=5, inputs="opposite"), grid(3, 2, 6, 5).sin(), 3, 2),
        (convolutions((1, 1, 1), "CB", 1.9), grid(1, 1, 5, 6).cos(), 3, 4),
        (
            convolutions((1, 3, 2), "CB", 0.6, between=torch.nn.Tanhshrink),
            grid(3, 1, 6, 8) * (torch.arange(8) > torch.tensor([6, 5, 6]).view(3, 1, 1, 1)),
            2,
            5,
        ),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Your test looks at networks of kernel 3. Red is the pixel that is predicted, white what its prediction depends on. Predict first: with ever more layers,
# will everything above be white?

# %% nbgrader={"grade": false, "grade_id": "masked", "locked": true, "schema_version": 3, "solution": false, "task": false}
open_places, convolve = (task.yours_or_ours(globals()) for task in (MASK, CONV))


class Masked(nn.Module):
    """A masked convolution with a bias."""

    def __init__(self, inputs, outputs, kernel, kind):
        super().__init__()
        layer = nn.Conv2d(inputs, outputs, kernel)  # for its initial weights
        self.weight, self.bias = layer.weight, layer.bias
        self.register_buffer("mask", open_places(kernel, kind))

    def forward(self, x):
        return convolve(x, self.weight, self.mask) + self.bias[:, None, None]


# %% tags=["nbval-ignore-output"]
sees = DEPENDS.yours_or_ours(globals())
torch.manual_seed(0)
networks = {
    "A": [Masked(1, 4, 3, "A")],
    "A B B": [Masked(1, 4, 3, "A"), nn.Tanh(), Masked(4, 4, 3, "B"), nn.Tanh(), Masked(4, 2, 3, "B")],
    "A and seven B": [Masked(1, 4, 3, "A"), *(layer for _ in range(7) for layer in (nn.Tanh(), Masked(4, 4, 3, "B")))],
    "B B B": [Masked(1, 4, 3, "B"), nn.Tanh(), Masked(4, 4, 3, "B"), nn.Tanh(), Masked(4, 2, 3, "B")],
    "A, then normalised": [Masked(1, 4, 3, "A"), nn.GroupNorm(1, 4), nn.Tanh(), Masked(4, 2, 3, "B")],
}
figure, panels = plt.subplots(1, len(networks), figsize=(12, 2.4))
for axes, (name, layers) in zip(panels, networks.items()):
    seen = sees(nn.Sequential(*layers), torch.randn(2, 1, 11, 11), 7, 5)
    axes.imshow(seen, cmap="gray", vmin=0, vmax=1)
    axes.scatter(5, 7, s=25, color="red")
    axes.set(title=f"{name}: {int(seen.sum())}", xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
plt.show()


# %% [markdown]
# Two leaks: three layers of kind B show the pixel itself, and a normalisation over the image shows nearly everything, later pixels too. And a **blind spot**:
# however many layers, a wedge on the right is never seen, since each step up allows only one step to the right. The lecture's gated network closes it with
# two stacks.

# %% [markdown]
# ## Task 4 · Bits and perplexity
#
# **2 points · 10 minutes · ★★☆**
#
# A model of text gave each symbol of a batch a log-probability. Texts have different lengths, so rows are filled up with **padding**, which is no symbol.
# Over the N real symbols of the whole batch,
#
# $$\text{nats}=-\frac1N\sum_{n=1}^{N}\log p_n,\qquad \text{bits}=\frac{\text{nats}}{\log2},\qquad \text{perplexity}=e^{\text{nats}}.$$
#
# A perplexity of 10 says: as uncertain as a fair choice among 10 symbols.

# %% nbgrader={"grade": false, "grade_id": "bits_and_perplexity", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bits_and_perplexity(log_p, real):
    """What a symbol costs on average.

    log_p: (batch, length), in nats; the padding may hold anything, −∞ too
    real: (batch, length), boolean, false for padding
    Returns: (bits, perplexity), two numbers or tensors without axes
    """
    ### BEGIN SOLUTION
    nats = -log_p[real].mean()
    return nats / math.log(2), nats.exp()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_bits_and_perplexity", "locked": true, "schema_version": 3, "solution": false, "task": false}
PER_SYMBOL.check(bits_and_perplexity)

# %% nbgrader={"grade": true, "grade_id": "grade_bits_and_perplexity", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.autoregressive import PER_SYMBOL
from course_lib.grading.fixtures import padded_costs

PER_SYMBOL.check(
    bits_and_perplexity,
    hidden=lambda: [
        padded_costs(7, 3, 7, padding=0.0, low=-3.0),
        padded_costs(900, 640, 900, 30, padding=-0.7, low=-3.0),
        padded_costs(4, 4, 1, 2, 1, 3, padding=-math.inf, low=-2.5),
        padded_costs(6, 2, 5, padding=math.inf, low=-2.0),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# The help texts of Python, in letters and spaces. A model of order n looks up how often each letter followed the n letters before it; each count starts at
# half of the letter's share of the text. Predict first: does it get better with each letter that it sees?

# %% tags=["nbval-ignore-output"]
cost = PER_SYMBOL.yours_or_ours(globals())
letters = " abcdefghijklmnopqrstuvwxyz"
written = re.sub("[^a-z]+", " ", " ".join(topics.topics[key] for key in sorted(topics.topics)).lower())
text = torch.tensor([letters.index(letter) for letter in written])
seen_text, unseen_text = text[: len(text) * 9 // 10], text[len(text) * 9 // 10 :]


def contexts(symbols, order):
    """The number of the `order` symbols before each symbol, and the symbol itself."""
    number = torch.zeros(len(symbols) - order, dtype=torch.long)
    for i in range(order):
        number = 27 * number + symbols[i : len(symbols) - order + i]
    return number, symbols[order:]


def count(order):
    """The log-probabilities of each next letter, (27 ** order, 27)."""
    before, after = contexts(seen_text, order)
    counts = torch.bincount(27 * before + after, minlength=27 ** (order + 1)).reshape(-1, 27) + 0.5 * share
    return (counts / counts.sum(1, keepdim=True)).log()


share = torch.bincount(seen_text) / len(seen_text)
models = [count(order) for order in range(5)]
costs = {}
for name, symbols in (("seen", seen_text), ("unseen", unseen_text)):
    log_p = [models[order][contexts(symbols, order)][None] for order in range(5)]
    costs[name] = [tuple(map(float, cost(each, torch.ones_like(each, dtype=torch.bool)))) for each in log_p]
figure, axes = plt.subplots(figsize=(6, 3))
for name, numbers in costs.items():
    axes.plot([bits for bits, _ in numbers], marker="o", label=name)
    for order, (bits, perplexity) in enumerate(numbers):
        place = {"xytext": (3, 6), "ha": "left"} if name == "unseen" else {"xytext": (-3, -14), "ha": "right"}
        axes.annotate(f"{perplexity:.1f}", (order, bits), textcoords="offset points", fontsize=8, **place)
axes.set(xlabel="letters seen before", ylabel="bits for a letter", xticks=range(5), xlim=(-0.4, 4.4), ylim=(0.8, 4.6))
axes.legend(title="small numbers: perplexity")
plt.show()


# %% [markdown]
# Each letter more multiplies the number of contexts by 27. So the counts get thin: seen text becomes cheaper and cheaper, unseen text gains less and less.
# Here counting comes to its end, and networks begin.

# %% [markdown]
# ## Task 5 · Top-k and nucleus
#
# **3 points · 15 minutes · ★★★**
#
# To write a text, one draws symbol after symbol. Unlikely symbols are many, and together they are drawn often enough to spoil a text. Two filters cut them
# off. Both return logits: what stays keeps its logit, what goes gets −∞.
#
# ### 5a · Top-k (1 point)
#
# The k largest logits of each row stay. **Ties:** whatever is equal to the k-th largest stays too. If k is larger than the number of symbols, all stay.

# %% nbgrader={"grade": false, "grade_id": "top_k", "locked": false, "schema_version": 3, "solution": true, "task": false}
def top_k(logits, k):
    """Only the k likeliest symbols.

    logits: (batch, symbols), finite
    k: a whole number, at least 1
    Returns: (batch, symbols)
    """
    ### BEGIN SOLUTION
    least = logits.topk(min(k, logits.shape[1]), dim=1).values[:, -1:]
    return logits.masked_fill(logits < least, -math.inf)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_top_k", "locked": true, "schema_version": 3, "solution": false, "task": false}
TOP_K.check(top_k)

# %% nbgrader={"grade": true, "grade_id": "grade_top_k", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.autoregressive import TOP_K

TOP_K.check(
    top_k,
    hidden=lambda: [
        (few := torch.tensor([[0.3, 2.0, -1.5, 1.1], [-4.0, -0.2, -0.3, -6.0], [2.2, -3.1, 0.9, 1.0]]), 2),
        (ties := torch.tensor([[-1.0, 2.0, 2.0, 0.0, 2.0, -3.5, 1.0], [0.6, -2.0, 0.4, 0.4, 3.0, -1.0, -5.0]]), 2),
        (few, 9),
        (ties.flip(1), 1),
        (torch.tensor([[-30.08, 200.51, 1.44, -45.73, 90.26]]), 4),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 5b · Nucleus (2 points)
#
# Also called top-p. Go through the symbols from the likeliest down and add up their probabilities until the sum is at least p. These symbols are the
# **nucleus**, the one that takes the sum to p or past it included; so at least one symbol stays. **Ties:** whatever is as likely as the last one in the
# nucleus stays too.

# %% nbgrader={"grade": false, "grade_id": "nucleus", "locked": false, "schema_version": 3, "solution": true, "task": false}
def nucleus(logits, p):
    """Only the likeliest symbols that have the probability p together.

    logits: (batch, symbols), finite
    p: above 0, below 1
    Returns: (batch, symbols)
    """
    ### BEGIN SOLUTION
    ordered = logits.sort(dim=1, descending=True).values
    probabilities = ordered.softmax(1)
    inside = probabilities.cumsum(1) - probabilities < p  # what came before is not enough yet
    least = ordered.masked_fill(~inside, math.inf).amin(1, keepdim=True)
    return logits.masked_fill(logits < least, -math.inf)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_nucleus", "locked": true, "schema_version": 3, "solution": false, "task": false}
NUCLEUS.check(nucleus)

# %% nbgrader={"grade": true, "grade_id": "grade_nucleus", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.autoregressive import NUCLEUS

NUCLEUS.check(
    nucleus,
    hidden=lambda: [
        (few := torch.tensor([[0.3, 2.0, -1.5, 1.1], [-4.0, -0.2, -0.3, -6.0], [2.2, -3.1, 0.9, 1.0]]), 0.7),
        (torch.tensor([[-1.0, 2.0, 2.0, 0.0, 2.0, -3.5, 1.0], [0.6, -2.0, 0.4, 0.4, 3.0, -1.0, -5.0]]) / 2, 0.4),
        (torch.tensor([[0.4, 1.0, -1.0], [0.1, -0.2, 1.7], [-0.4, 1.5, 0.3], [0.3, 0.1, -0.5]]), 0.9999),
        (few.flip(1), 0.1),
        (3 * grid(1, 10).cos(), 0.96),
        ((2 * grid(3, 15)).sin() / 3, 0.13),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# The model of order 4, after two contexts. Predict first: after which of them does top-5 keep symbols that it should not, and after which does it cut off
# good ones?

# %% tags=["nbval-ignore-output"]
largest, core = (task.yours_or_ours(globals()) for task in (TOP_K, NUCLEUS))


def number_of(context):
    """The row of the model for this context."""
    number = 0
    for letter in context:
        number = 27 * number + letters.index(letter)
    return number


filters = {"all": lambda logits: logits, "top-5": lambda logits: largest(logits, 5), "nucleus 0.9": lambda logits: core(logits, 0.9)}
figure, panels = plt.subplots(2, 3, figsize=(12, 4), sharex=True)
for context, line in zip(("func", "the "), panels):
    for axes, (name, rule) in zip(line, filters.items()):
        chance = rule(models[4][number_of(context)][None]).softmax(1)[0]
        axes.bar(range(27), chance, color="C0")
        axes.set(title=f"“{context}”, {name}: {int((chance > 0).sum())} stay", xticks=range(27), xticklabels=letters.replace(" ", "_"))
        axes.tick_params(axis="x", labelsize=7)
    line[0].set_ylabel("probability")
plt.show()


def write(rule, length=110, seed=0):
    """A text, letter by letter."""
    generator = torch.Generator().manual_seed(seed)
    text = "the "
    for _ in range(length):
        chance = rule(models[4][number_of(text[-4:])][None]).softmax(1)
        text += letters[int(torch.multinomial(chance, 1, generator=generator))]
    return text


for name, rule in filters.items():
    print(f"{name:12} {write(rule)}")


# %% [markdown]
# ## Task 6 · Step by step, with a buffer
#
# **3 points · 10 minutes · ★★☆**
#
# WaveNet is a stack of **causal dilated convolutions** along time. With K taps that lie d steps apart,
#
# $$y_t=b+\sum_{j=0}^{K-1}W_{\cdot\cdot j}\,x_{t-(K-1-j)d},$$
#
# where $W_{\cdot\cdot j}$ is the matrix `weight[:, :, j]`, and x is 0 before its start. The last tap, j = K − 1, meets $x_t$ itself.
#
# ### 6a · All at once (1 point)
#
# For training the whole sequence is known. `F.conv1d` knows dilations; what is left is the padding.

# %% nbgrader={"grade": false, "grade_id": "causal_conv", "locked": false, "schema_version": 3, "solution": true, "task": false}
def causal_conv(x, weight, bias, dilation):
    """A causal dilated convolution.

    x: (batch, C, length)
    weight: (outputs, C, K), K at least 2
    bias: (outputs,)
    dilation: d, a whole number from 1 on
    Returns: (batch, outputs, length)
    """
    ### BEGIN SOLUTION
    past = (weight.shape[2] - 1) * dilation
    return F.conv1d(F.pad(x, (past, 0)), weight, bias, dilation=dilation)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_causal_conv", "locked": true, "schema_version": 3, "solution": false, "task": false}
CAUSAL.check(causal_conv)

# %% nbgrader={"grade": true, "grade_id": "grade_causal_conv", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.autoregressive import CAUSAL

CAUSAL.check(
    causal_conv,
    hidden=lambda: [
        (grid(4, 2, 13).cos(), grid(3, 2, 3).sin(), grid(3), 3),
        (grid(2, 4, 9), grid(5, 4, 2).cos(), grid(5), 2),
        (grid(1, 3, 8).double().sin(), grid(2, 3, 4).double(), grid(2).double(), 2),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 6b · One step (2 points)
#
# For sampling, to run the whole convolution again for each new step is a waste: only the last column is new. So each layer keeps a **buffer** of its last (K
# − 1) · d inputs, oldest first. From the newest input and the buffer comes one column of the output, and the buffer for the next step.

# %% nbgrader={"grade": false, "grade_id": "step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def step(x, buffer, weight, bias, dilation):
    """One step of a causal dilated convolution.

    x: (batch, C), the newest input
    buffer: (batch, C, (K − 1) · dilation), the inputs before it, oldest first
    weight, bias, dilation: as in causal_conv
    Returns: (y, buffer), y (batch, outputs), the buffer as large as before
    """
    ### BEGIN SOLUTION
    known = torch.cat([buffer, x[:, :, None]], dim=2)
    return F.conv1d(known, weight, bias, dilation=dilation)[:, :, 0], known[:, :, 1:]
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_step", "locked": true, "schema_version": 3, "solution": false, "task": false}
STEP.check(step)

# %% nbgrader={"grade": true, "grade_id": "grade_step", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.autoregressive import STEP

STEP.check(
    step,
    hidden=lambda: [
        (grid(3, 2).sin(), grid(3, 2, 6).cos(), grid(4, 2, 3), grid(4), 3),
        (grid(6, 3), grid(6, 3, 2).sin(), grid(2, 3, 3).cos(), grid(2), 1),
        (grid(1, 3).double().sin(), grid(1, 3, 1).double(), grid(3, 3, 2).double().cos(), grid(3).double(), 1),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Ten layers, with dilations 1, 2, 4 … 512, write a sequence: each output is the next input. Once all layers run again over the whole sequence for each step,
# once with your buffers. Predict first: by how much is the second way faster?

# %% tags=["nbval-ignore-output"]
whole, one = (task.yours_or_ours(globals()) for task in (CAUSAL, STEP))
torch.manual_seed(0)
dilations = [2**i for i in range(10)]
exact = {"dtype": torch.float64}  # a sequence that feeds itself blows rounding errors up
stack = [(torch.randn(64, 64, 2, **exact) / 7, torch.randn(64, **exact) / 10, dilation) for dilation in dilations]
start = torch.zeros(1, 64, **exact)


@torch.no_grad()
def slowly(n):
    x = start[:, :, None]
    for _ in range(n):
        h = x
        for layer in stack:
            h = torch.tanh(whole(h, *layer))
        x = torch.cat([x, h[:, :, -1:]], 2)
    return x[0]


@torch.no_grad()
def quickly(n):
    columns, buffers = [start], [torch.zeros(1, 64, dilation, **exact) for dilation in dilations]
    for _ in range(n):
        h = columns[-1]
        for i, layer in enumerate(stack):
            h, buffers[i] = one(h, buffers[i], *layer)
            h = torch.tanh(h)
        columns.append(h)
    return torch.stack(columns, 2)[0]


times = {}
for name, way in (("all again", slowly), ("with buffers", quickly)):
    began = time.perf_counter()
    times[name] = way(400), time.perf_counter() - began
figure, axes = plt.subplots(figsize=(9, 2.2))
for (name, (sequence, seconds)), style in zip(times.items(), ("-", "--")):
    axes.plot(sequence[0, :200], style, label=f"{name}: {1000 * seconds / 400:.1f} ms a step")
axes.set(xlabel="t", ylabel="first channel", ylim=(-1, 2))
axes.legend(loc="upper right")
plt.show()
print("the same sequence:", bool(torch.allclose(*(sequence for sequence, _ in times.values()), atol=1e-4)))

# %% [markdown]
# ## Task 7 · Digits pixel by pixel
#
# **2 points · 10 minutes · ★★☆**
#
# Here is a PixelCNN made of your functions, for digits of 8×8 pixels that are black or white. One layer of kind A, some of kind B that add to what is there,
# and a last one of kernel 1.

# %% nbgrader={"grade": false, "grade_id": "pixelcnn", "locked": true, "schema_version": 3, "solution": false, "task": false}
likelihood, open_places, convolve = (task.yours_or_ours(globals()) for task in (LIKELIHOOD, MASK, CONV))


def digits_of(split):
    """Digits of 8×8 pixels, 0 or 1, (n, 1, 8, 8)."""
    return (datasets.load("digits8", split).images() > 0.5).float()


train_digits, unseen = digits_of("train"), digits_of("test")
digits, new_digits = unseen[::2], unseen[1::2]  # to tune on, to judge by


class PixelCNN(nn.Module):
    """A network that is trained as soon as it is made."""

    def __init__(self, kernel=3, layers=1, width=16, dropout=0.0, steps=100, first="A", seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.first = Masked(1, width, kernel, first)
        self.rest = nn.ModuleList(Masked(width, width, kernel, "B") for _ in range(layers))
        self.last = Masked(width, 1, 1, "B")
        self.dropout = dropout
        self.fit(steps)

    def forward(self, x):
        """The logits of images, (n, 1, 8, 8)."""
        h = self.first(x)
        for layer in self.rest:
            h = h + F.dropout(layer(F.relu(h)), self.dropout, self.training)
        return self.last(F.relu(h))

    def fit(self, steps):
        optimiser = torch.optim.Adam(self.parameters())
        for i in range(steps):
            optimiser.param_groups[0]["lr"] = 0.01 * min(1, (i + 1) / 20) * (1 + math.cos(math.pi * i / steps)) / 2
            x = train_digits[torch.randint(len(train_digits), (64,))]
            optimiser.zero_grad()
            (-likelihood(self(x).flatten(1), x.flatten(1)).mean() / 64).backward()
            optimiser.step()
        self.eval()

    @torch.no_grad()
    def draw(self, x, rows=0):
        """Replace all but the first rows, pixel by pixel."""
        generator, x = torch.Generator().manual_seed(0), x.clone()
        for row, column in itertools.product(range(rows, 8), range(8)):
            chance = self(x)[:, :, row, column].sigmoid()
            x[:, :, row, column] = torch.bernoulli(chance, generator=generator)
        return x


# %% [markdown]
# The first try: kernel 3, one layer of kind B, 100 steps. Drawn below are new digits, and completions of real ones whose upper half is given. Without any
# model a pixel costs 1 bit.

# %% tags=["nbval-ignore-output"]
@torch.no_grad()
def show_digits(model):
    """What the digits cost, new ones, and lower halves for given upper ones."""
    for name, x in (("training digits", train_digits), ("unseen digits", digits)):
        bits = -likelihood(model(x).flatten(1), x.flatten(1)).mean() / 64 / math.log(2)
        print(f"{name}: {bits:.3f} bits per pixel")
    given = digits[9::18][:10]
    images = torch.cat([model.draw(torch.zeros(10, 1, 8, 8)), given, model.draw(given, rows=4)])
    show_images(images, columns=10, size=0.7, row_labels=["new", "real", "completed"])


first_try = PixelCNN()
show_digits(first_try)


# %% [markdown]
# **Your turn.** Find settings for which unseen digits cost at most **0.40 bits per pixel**: the mean of $\log_2 p(x)$ per pixel is at least −0.40. And the
# network must be causal: no logit may depend on its own pixel or a later one.
#
# | setting | what it does | first try |
# |---|---|---|
# | `kernel` | the side of the kernels: 3, 5 or 7 | 3 |
# | `layers` | layers of kind B (1 to 4) | 1 |
# | `width` | channels (1 to 32) | 16 |
# | `dropout` | the share of a layer's outputs that is dropped in training, below 1 | 0 |
# | `steps` | training steps (1 to 500) | 100 |
# | `first` | the kind of the first mask, "A" or "B" | "A" |
#
# A try takes up to half a minute. Predict before you run: what becomes of the bits with `first` = "B", and what of the new digits?

# %% nbgrader={"grade": false, "grade_id": "settings", "locked": false, "schema_version": 3, "solution": true, "task": false}
def settings():
    """Your choice for PixelCNN: a dict with kernel, and any of the others."""
    ### BEGIN SOLUTION
    return {"kernel": 5, "layers": 3, "width": 24, "dropout": 0.1, "steps": 400}
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_digits", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
model = globals().get("first_try")  # stands in for yours if the next line fails
model = PixelCNN(**DIGITS.chosen(settings))
DIGITS.check(measure(model, train_digits, digits), DIGITS.chosen(settings))

# %% nbgrader={"grade": true, "grade_id": "grade_digits", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
# Grading shows your network other digits here.
### BEGIN HIDDEN TESTS
from course_lib.grading.autoregressive import DIGITS, measure

chosen = DIGITS.chosen(settings)
DIGITS.check(measure(model, train_digits, digits), chosen)
DIGITS.check(measure(model, train_digits, new_digits), chosen, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Your network. Keep the numbers for task 8, and those of a try that failed.

# %% tags=["nbval-ignore-output"]
try:
    DIGITS.chosen(settings)
except CheckFailed:
    print("Your settings are not there yet, so the first try stands in for yours below.")
show_digits(model)

# %% [markdown] nbgrader={"grade": false, "grade_id": "written_question", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Task 8 · In your own words
#
# **2 points · 5 minutes · ★★☆** · graded by hand
#
# About 100 words in all. Use what you measured.
#
# 1. Why does `first` = "B" reach almost 0 bits per pixel, and why are its new digits worthless? How would you notice without looking at pictures?
# 2. Name one change that did not reach the goal, with its numbers, and say why it did not.
# 3. Training sees all pixels of an image at once. Why can sampling not do that, and what do buffers change about its cost, what not?

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_answer", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# 1. With "B" in the first layer each logit sees the pixel that it predicts, and copies it: a bit is then nearly certain. In sampling that pixel is not there
#    yet, so the network copies the 0 that stands in its place. The gradient of a logit by its own pixel is not 0: `depends_on` shows it.
# 2. Kernel 3 with one layer and 100 steps: 0.59 bits. The last pixel sees only a few of the others, so a stroke further up stays unknown. Or kernel 5,
#    3 layers, width 32, 20 steps: 0.58 bits, on seen digits no fewer. It sees all 63 pixels before the last, but has not yet learned what to make of them.
# 3. In training the true earlier pixels are given, so all conditionals can be computed side by side. In sampling each pixel must be drawn before the next is
#    predicted: D steps one after the other. A buffer makes each step cheaper, since old columns are not computed again; the number of steps stays.
#
# **Marking guide (2 points).** One half point each for: (a) the logit sees and copies its own pixel, which is missing in sampling; (b) a test that finds it:
# gradient, `causal`, or a likelihood too good beside bad samples; (c) a change that failed, with numbers and a reason that fits them; (d) sampling is
# sequential because each pixel depends on those drawn, **and** buffers save work in a step, not steps. Accept any wording and the student's own numbers.
