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
# # Exercise 4 · Build a flow, and ask it for what it has never seen
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/exercises/04_flows/04_flows.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/exercises/04_flows/04_flows.ipynb)
#
# You write the parts of a normalizing flow: a change of variables, a coupling layer with its way back, log-determinants, a convolution that can be undone. You
# train it on points and on digits, measure it in bits per dimension, and find out that it likes a blank image better than any digit. The lecture is
# `notebooks/04_flows.ipynb`.
#
# | task | what you do | points | minutes | difficulty |
# |---|---|---|---|---|
# | 1 | change a variable | 2 | 10 | ★☆☆ |
# | 2 | a coupling layer | 3 | 15 | ★★☆ |
# | 3 | many layers | 4 | 10 | ★★☆ |
# | 4 | an invertible 1×1 convolution | 3 | 15 | ★★☆ |
# | 5 | bits per dimension | 3 | 15 | ★★★ |
# | 6 | catch the outsiders, an experiment | 3 | 15 | ★★★ |
# | 7 | a written answer | 2 | 10 | ★★☆ |
#
# **How it works.** Replace each `raise NotImplementedError()` with your code and run the check below it. A check prints `✓`, or one line that says what is
# wrong. Grading runs the same checks again with other inputs. Write the answers with PyTorch and your own functions: a check notices when an answer runs
# code from `course_lib`. What a flow is trained through must also pass gradients on: the check looks at them. Add cells as you like, but do not copy,
# delete or change the type of the cells that are here.
#
# **Notation.** x data, z latent. A flow is an invertible map; **forward** means from data to latent, x → z. Logarithms are natural, so log densities are in
# nats. **Log-det** is short for $\log\left|\det\partial z/\partial x\right|$: by how much the map stretches volume at x.

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
import zlib

from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F

from course_lib import datasets
from course_lib.grading import CheckFailed
from course_lib.grading.flows import (
    BITS,
    COUPLE,
    LIKELIHOOD,
    LOG_DENSITY,
    LOGITS,
    MIX,
    OUTSIDERS,
    TRIANGULAR,
    UNCOUPLE,
    UNMIX,
    measure,
)
from course_lib.plotting import show_images

torch.set_num_threads(1)  # networks this small are fastest on one core


# %% [markdown]
# ## Task 1 · Change a variable
#
# **2 points · 10 minutes · ★☆☆**
#
# A number x has the density p. It goes through a smooth map g that only rises or only falls, and out comes y = g(x). Probability is neither made nor lost: what
# lay between x and x + dx now lies between y and y + dy. With $x=g^{-1}(y)$,
#
# $$p_Y(y)=\frac{p\left(x\right)}{\left|g'(x)\right|}.$$
#
# Write its logarithm. Far out, p itself is 0 on a computer and log p is not, so stay with logarithms. You get three
# functions: log p, the inverse $g^{-1}$, and the slope $g'$ as a function **of x**.

# %% nbgrader={"grade": false, "grade_id": "log_density", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_density(y, log_p, inverse, slope):
    """The log density of y = g(x), in nats.

    y: points, any shape
    log_p: the log density of x, a function that keeps the shape, as the next two do
    inverse: g⁻¹, which leads from y to x
    slope: the derivative of g with respect to x, as a function of x; never 0
    Returns: the same shape as y
    """
    ### BEGIN SOLUTION
    x = inverse(y)
    return log_p(x) - slope(x).abs().log()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_log_density", "locked": true, "schema_version": 3, "solution": false, "task": false}
LOG_DENSITY.check(log_density)

# %% nbgrader={"grade": true, "grade_id": "grade_log_density", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
import torch
from torch.distributions import Gumbel, Normal

from course_lib.grading import grid
from course_lib.grading.flows import LOG_DENSITY

bent = lambda y: 2 * y.asinh(), lambda x: (x / 2).cosh() / 2
decay = lambda y: -y.log() / 2, lambda x: -2 * (-2 * x).exp()

LOG_DENSITY.check(
    log_density,
    hidden=lambda: [
        (grid(6, low=-3.0, high=2.0), Gumbel(0.0, 1.2).log_prob, *bent),
        (grid(3, 2, low=0.1, high=2.5), Normal(0.3, 0.6).log_prob, *decay),
        (torch.tensor([3e-13, 3e-8, 0.3, 1.7]), Normal(0.3, 0.28).log_prob, *decay),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Three maps of a standard normal variable. Each histogram holds 20,000 samples that were sent through g; over it lies your density. Predict first: which map
# makes two peaks out of one?

# %% tags=["nbval-ignore-output"]
changed = LOG_DENSITY.yours_or_ours(globals())
normal = torch.distributions.Normal(0.0, 1.0)
maps = {
    "exp(x)": (torch.exp, torch.log, torch.exp, (0.02, 6)),
    "−2x + 1": (lambda x: 1 - 2 * x, lambda y: (1 - y) / 2, lambda x: torch.full_like(x, -2), (-7, 9)),
    "sigmoid(3x)": (
        lambda x: (3 * x).sigmoid(),
        lambda y: y.logit() / 3,
        lambda x: 3 * (3 * x).sigmoid() * (-3 * x).sigmoid(),
        (0.002, 0.998),
    ),
}
torch.manual_seed(0)
samples = torch.randn(20_000)
figure, panels = plt.subplots(1, 3, figsize=(11, 2.8))
for axes, (name, (g, inverse, slope, limits)) in zip(panels, maps.items()):
    axes.hist(g(samples).numpy(), bins=60, range=limits, density=True, color="C0", alpha=0.35, label="samples")
    y = torch.linspace(*limits, 400)
    axes.plot(y, changed(y, normal.log_prob, inverse, slope).exp(), color="C3", label="your density")
    axes.set(title=f"y = {name}", xlabel="y")
panels[0].legend(fontsize=9)
plt.show()


# %% [markdown]
# The third map is steep in the middle and flat on both sides: it thins the middle out and piles up what lies beside it. A flow is nothing else, in many
# dimensions, with a map that is learned.

# %% [markdown]
# ## Task 2 · A coupling layer
#
# **3 points · 15 minutes · ★★☆**
#
# In D dimensions the slope becomes a matrix, the Jacobian $\partial z/\partial x$ with the entries $\partial z_i/\partial x_j$, and $|g'|$ becomes
# $|\det\partial z/\partial x|$. For a free network that costs D³ operations, and nobody could invert the network. A **coupling layer** is
# built so that both are cheap. It splits x into halves $x_1,x_2$ of D/2 entries each,
# and moves the second half as the first one says:
#
# $$z_1=x_1,\qquad z_2=x_2\odot e^{s(x_1)}+t(x_1).$$
#
# The sign ⊙ multiplies entry by entry.
#
# ### 2a · Forward (2 points)
#
# s and t are any functions of the first half, such as networks. s is the **logarithm** of the scale: where it has to be bounded, that happens inside the
# function, so use it as it comes. The Jacobian is triangular. Which entries does its diagonal have?

# %% nbgrader={"grade": false, "grade_id": "couple", "locked": false, "schema_version": 3, "solution": true, "task": false}
def couple(x, log_scale, shift):
    """A coupling layer, from data to latent.

    x: (batch, D), D even; the first D/2 entries stay as they are
    log_scale, shift: functions s and t, (batch, D/2) → (batch, D/2)
    Returns: (z, log_det) of shapes (batch, D) and (batch,)
    """
    ### BEGIN SOLUTION
    first, second = x.chunk(2, dim=1)
    s = log_scale(first)
    return torch.cat([first, second * s.exp() + shift(first)], dim=1), s.sum(1)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_couple", "locked": true, "schema_version": 3, "solution": false, "task": false}
COUPLE.check(couple)

# %% nbgrader={"grade": true, "grade_id": "grade_couple", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
import torch

from course_lib.grading import grid
from course_lib.grading.fixtures import tanh_network
from course_lib.grading.flows import COUPLE

COUPLE.check(
    couple,
    hidden=lambda: [
        (grid(3, 8).sin(), tanh_network(4, 2.2), tanh_network(4, -1.0)),
        (grid(3, 4).cos() * 2, tanh_network(2, 1.1), tanh_network(2, 0.5)),
        (grid(2, 6).flip(0) * 1.3, tanh_network(3, 0.3, 6.0, -5.0), tanh_network(3, 0.6)),
        (grid(3, 300).cos(), tanh_network(150, 0.4, 0.5, -5.6), tanh_network(150, 1.0)),
        (grid(1, 6, low=0.2), torch.cos, torch.tanh),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 2b · Back (1 point)
#
# To draw samples, the layer runs from z to x. s and t need not be inverted: what they were computed from is still there.

# %% nbgrader={"grade": false, "grade_id": "uncouple", "locked": false, "schema_version": 3, "solution": true, "task": false}
def uncouple(z, log_scale, shift):
    """The inverse of `couple`.

    z: (batch, D)
    log_scale, shift: the same functions as forward
    Returns: x, (batch, D)
    """
    ### BEGIN SOLUTION
    first, second = z.chunk(2, dim=1)
    return torch.cat([first, (second - shift(first)) * (-log_scale(first)).exp()], dim=1)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_uncouple", "locked": true, "schema_version": 3, "solution": false, "task": false}
UNCOUPLE.check(uncouple)

# %% nbgrader={"grade": true, "grade_id": "grade_uncouple", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
import torch

from course_lib.grading import grid
from course_lib.grading.fixtures import tanh_network
from course_lib.grading.flows import UNCOUPLE

UNCOUPLE.check(
    uncouple,
    hidden=lambda: [
        (grid(3, 8).sin(), tanh_network(4, 2.2), tanh_network(4, -1.0)),
        (grid(3, 4).cos() * 2, tanh_network(2, 1.1), tanh_network(2, 0.5)),
        (grid(2, 6).flip(0) * 1.3, tanh_network(3, 0.3, 8.0, -9.0), tanh_network(3, 0.6)),
        (grid(1, 6, low=0.2), torch.cos, torch.tanh),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# One layer of yours bends a grid, then a second one with the axes exchanged. Colour is the log-det: the plane is
# stretched where lines are red, squeezed where they are blue. Predict first: which lines stay straight in the first picture?

# %% tags=["nbval-ignore-output"]
forth, back = (task.yours_or_ours(globals()) for task in (COUPLE, UNCOUPLE))


def lines(side=2.5, n=21, fine=121):
    """The lines of a grid, (2 · n, fine, 2)."""
    places, along = torch.linspace(-side, side, n), torch.linspace(-side, side, fine)
    upright = torch.stack(torch.meshgrid(places, along, indexing="ij"), 2)
    return torch.cat([upright, upright.flip(2)])


def draw_lines(axes, points, colours, limit):
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xticks=[], yticks=[])
    return axes.scatter(*points.reshape(-1, 2).T, c=colours, s=0.6, linewidths=0, cmap="coolwarm", vmin=-1.8, vmax=1.8)


wave, ramp = (lambda a: 0.9 * (1.5 * a).sin()), (lambda a: 0.8 * (1.2 * a).cos())
x = lines(side=2.0, n=17, fine=1001).reshape(-1, 2)
once, first_log_det = forth(x, wave, ramp)
twice, second_log_det = forth(once.flip(1), wave, ramp)
figure, panels = plt.subplots(1, 3, figsize=(11, 3.7))
for axes, points, colours, title in (
    (panels[0], x, torch.zeros(len(x)), "x"),
    (panels[1], once, first_log_det, "after one layer"),
    (panels[2], twice.flip(1), first_log_det + second_log_det, "after two"),
):
    drawn = draw_lines(axes, points, colours, limit=6.0)
    axes.set_title(title)
figure.colorbar(drawn, ax=panels, label="log-det, nats")
plt.show()
again = back(back(twice, wave, ramp).flip(1), wave, ramp)
print("forward and back again: largest error below 1e-4 is", bool((again - x).abs().max() < 1e-4))


# %% [markdown]
# The first layer moves points up and down only, so upright lines stay where they are. Two layers with exchanged halves move everything.

# %% [markdown]
# ## Task 3 · Many layers
#
# **4 points · 10 minutes · ★★☆**
#
# ### 3a · The log-det of all of them (2 points)
#
# One layer after the other: $z=f_L(\dots f_2(f_1(x)))$. By the chain rule the Jacobian is the product $J_L\cdots J_2J_1$, and determinants multiply:
#
# $$\log\left|\det\frac{\partial z}{\partial x}\right|=\sum_{l=1}^{L}\log\left|\det J_l\right|.$$
#
# Each $J_l$ is **lower triangular** here, so its determinant is the product of its diagonal. An image has 784 entries, and a product of 784 numbers does not fit
# into a float: stay with logarithms. An entry may be negative: that layer turns an axis round.

# %% nbgrader={"grade": false, "grade_id": "total_log_det", "locked": false, "schema_version": 3, "solution": true, "task": false}
def total_log_det(jacobians):
    """The log-det of a composition of layers, example by example.

    jacobians: (layers, batch, D, D), lower triangular, no 0 on a diagonal
    Returns: (batch,), in nats
    """
    ### BEGIN SOLUTION
    return jacobians.diagonal(dim1=-2, dim2=-1).abs().log().sum((0, 2))
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_total_log_det", "locked": true, "schema_version": 3, "solution": false, "task": false}
TRIANGULAR.check(total_log_det)

# %% nbgrader={"grade": true, "grade_id": "grade_total_log_det", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
import torch

from course_lib.grading.fixtures import triangles
from course_lib.grading.flows import TRIANGULAR

TRIANGULAR.check(
    total_log_det,
    hidden=lambda: [
        (triangles(2, 4, 3, low=0.3, high=2.5, phase=2.0),),
        # one determinant is 0, in float64 too, the other infinite in float32
        (torch.stack([triangles(1, 784, low=0.02, high=0.4, phase=1.0), triangles(1, 784, low=1.4, high=2.0)]),),
        (triangles(4, 1, 5, low=0.4, high=1.9),),
        (torch.tensor([[[-4e-13, 0.8], [1.3, 0.6]], [[1.7, 5e-6], [0.9, 2e-8]]]).diag_embed(),),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 3b · The likelihood (2 points)
#
# The latent has a standard normal density: its D entries are independent, each with the log density
# $\log\mathcal N(z_d;0,1)=-\frac12 z_d^2-\frac12\log 2\pi$. Then
#
# $$\log p(x)=\sum_{d=1}^{D}\log\mathcal N(z_d;0,1)+\sum_{l=1}^{L}\log\left|\det J_l\right|.$$
#
# This is what a flow is trained by: no bound, no adversary.

# %% nbgrader={"grade": false, "grade_id": "log_likelihood", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_likelihood(z, log_dets):
    """log p(x) of a flow.

    z: (batch, D), where the examples have arrived
    log_dets: (layers, batch), those of each layer from x to z
    Returns: (batch,), in nats
    """
    ### BEGIN SOLUTION
    return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1) + log_dets.sum(0)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_log_likelihood", "locked": true, "schema_version": 3, "solution": false, "task": false}
LIKELIHOOD.check(log_likelihood)

# %% nbgrader={"grade": true, "grade_id": "grade_log_likelihood", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.fixtures import far_out
from course_lib.grading.flows import LIKELIHOOD

LIKELIHOOD.check(
    log_likelihood,
    hidden=lambda: [
        (grid(5, 2).cos() * 3, grid(3, 5) - 1),
        (grid(2, 9), grid(4, 2).square()),
        (far_out(2, 300), grid(3, 2) * 2),
        (grid(1, 5).cos(), grid(1, 1)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Here is a flow made of your functions. s is held between −2 and 2. Before each layer the entries are shuffled by a fixed permutation, so that no entry
# is always in the first half; a permutation has log-det 0.

# %% nbgrader={"grade": false, "grade_id": "flow", "locked": true, "schema_version": 3, "solution": false, "task": false}
forth, back, likelihood = (task.yours_or_ours(globals()) for task in (COUPLE, UNCOUPLE, LIKELIHOOD))


class Bounded(nn.Module):
    """Holds numbers between −2 and 2."""

    def forward(self, s):
        return 2 * torch.tanh(s / 2)


def network(size, width, *end):
    """(batch, size) → (batch, size). It starts as 0 everywhere, so that the flow starts as the identity."""
    last = nn.Linear(width, size)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(size, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last, *end)


class Flow(nn.Module):
    def __init__(self, dims, layers, width=64):
        super().__init__()
        half = dims // 2
        self.layers = nn.ModuleList(nn.ModuleList([network(half, width, Bounded()), network(half, width)]) for _ in range(layers))
        generator = torch.Generator().manual_seed(1)
        shuffles = [torch.randperm(dims, generator=generator) for _ in range(layers)]
        self.orders = shuffles if dims > 2 else [torch.tensor([1, 0])] * layers

    def forward(self, x):
        """x → z and the log-dets, (layers, batch)."""
        log_dets = []
        for order, (log_scale, shift) in zip(self.orders, self.layers):
            x, log_det = forth(x[:, order], log_scale, shift)
            log_dets.append(log_det)
        return x, torch.stack(log_dets)

    def log_p(self, x):
        return likelihood(*self(x))

    def stages(self, z):
        """From z to x: what is there after each step."""
        film = [z]
        for order, (log_scale, shift) in reversed(list(zip(self.orders, self.layers))):
            film.append(back(film[-1], log_scale, shift)[:, order.argsort()])
        return film


def fit(flow, loss_of_batch, steps, rate=0.002):
    """Minimise loss_of_batch(): the rate warms up, then falls as a cosine."""
    optimiser = torch.optim.Adam(flow.parameters())
    for i in range(steps):
        optimiser.param_groups[0]["lr"] = rate * min(1, (i + 1) / 30) * (1 + math.cos(math.pi * i / steps)) / 2
        optimiser.zero_grad()
        loss_of_batch().backward()
        nn.utils.clip_grad_norm_(flow.parameters(), 50.0)
        optimiser.step()
    return flow


# %% [markdown]
# It learns two moons. The density in the middle is your `log_likelihood`, on a grid; the samples on the right went through your `uncouple`.

# %% tags=["nbval-ignore-output"]
moons = datasets.toy2d("moons", 4000).x
torch.manual_seed(0)
flow = Flow(2, layers=8)
fit(flow, lambda: -flow.log_p(moons[torch.randint(len(moons), (256,))]).mean(), steps=700)

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.1), sharex=True, sharey=True)
across, up = torch.meshgrid(torch.linspace(-4, 4, 241), torch.linspace(-3, 3, 181), indexing="xy")
torch.manual_seed(1)
with torch.no_grad():
    density = flow.log_p(torch.stack([across, up], 2).reshape(-1, 2)).exp().reshape(across.shape)
    samples = flow.stages(torch.randn(1500, 2))[-1]
left.scatter(*moons[:1500].T, s=2, color="0.3")
middle.imshow(density, origin="lower", extent=(-4, 4, -3, 3), cmap="viridis", vmax=float(density.flatten().quantile(0.995)))
right.scatter(*samples.T, s=2, color="C1")
for axes, title in ((left, "data"), (middle, "density"), (right, "samples")):
    axes.set(title=title, xlim=(-4, 4), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[])
plt.show()
print(f"probability in the picture: {density.sum() / 30**2:.2f}")

# %% [markdown]
# And how it is done: a grid over the latent plane, from z to x, layer by layer. Points are coloured by their distance from the origin in z.

# %% tags=["nbval-ignore-output"]
with torch.no_grad():
    film = flow.stages(lines(side=2.2, n=23).reshape(-1, 2))
figure, panels = plt.subplots(1, 5, figsize=(12, 2.7))
for axes, i in zip(panels, (0, 2, 4, 6, 8)):
    axes.scatter(*film[i].T, c=film[0].norm(dim=1), s=0.6, cmap="viridis")
    axes.set(title=f"after {i} layers" if i else "z", xlim=(-4, 4), ylim=(-4, 4), aspect="equal", xticks=[], yticks=[])
plt.show()


# %% [markdown]
# The plane is bent and never torn: that is why a thin thread of density joins the moons.

# %% [markdown]
# ## Task 4 · An invertible 1×1 convolution
#
# **3 points · 15 minutes · ★★☆**
#
# A permutation between two layers decides once and for all who meets whom. A flow called Glow learns it: at every pixel the C channels are multiplied by the same C×C
# matrix W, which is what a 1×1 convolution does:
#
# $$z_{b,\cdot,h,w}=W\,x_{b,\cdot,h,w}.$$
#
# Here b counts the images, h and w are the row and the column of a pixel, and the dot stands for all its channels.
#
# ### 4a · Forward (2 points)
#
# The Jacobian of the whole image has one block W for each pixel, so
#
# $$\log\left|\det\frac{\partial z}{\partial x}\right|=\text{height}\cdot\text{width}\cdot\log\left|\det W\right|.$$
#
# It is the same for every example; return it once for each, so that it can be added to the others. With some dozens of channels det W itself may be too small
# or too large for a float.

# %% nbgrader={"grade": false, "grade_id": "mix_channels", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mix_channels(x, weight):
    """A 1×1 convolution without bias, from data to latent.

    x: (batch, C, height, width)
    weight: (C, C), any invertible matrix
    Returns: (z, log_det), z shaped like x, log_det (batch,)
    """
    ### BEGIN SOLUTION
    log_det = x.shape[2] * x.shape[3] * torch.linalg.slogdet(weight).logabsdet
    return F.conv2d(x, weight[:, :, None, None]), log_det.expand(len(x))
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_mix_channels", "locked": true, "schema_version": 3, "solution": false, "task": false}
MIX.check(mix_channels)

# %% nbgrader={"grade": true, "grade_id": "grade_mix_channels", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
import torch

from course_lib.grading import grid
from course_lib.grading.flows import MIX
from course_lib.grading.flows.mix_channels import PAIR, TURNED

MIX.check(
    mix_channels,
    hidden=lambda: [
        (grid(4, 2, 5, 2), PAIR.T - 1),
        (grid(2, 3, 3, 2).cos(), -TURNED.T),
        # a determinant that is negative, and infinite in float32
        (grid(2, 31, 2, 1).sin(), -20 * (grid(31, low=0.5, high=1.6).diag() + (grid(31, 31, low=2.0, high=50.0).cos() * 0.01).triu(1))),
        (grid(1, 3, 4, 4), TURNED + 1),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 4b · Back (1 point)

# %% nbgrader={"grade": false, "grade_id": "unmix_channels", "locked": false, "schema_version": 3, "solution": true, "task": false}
def unmix_channels(z, weight):
    """The inverse of `mix_channels`.

    z: (batch, C, height, width)
    weight: (C, C), as forward
    Returns: x, shaped like z
    """
    ### BEGIN SOLUTION
    return F.conv2d(z, torch.linalg.inv(weight)[:, :, None, None])
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_unmix_channels", "locked": true, "schema_version": 3, "solution": false, "task": false}
UNMIX.check(unmix_channels)

# %% nbgrader={"grade": true, "grade_id": "grade_unmix_channels", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.flows import UNMIX
from course_lib.grading.flows.mix_channels import PAIR, TURNED

UNMIX.check(
    unmix_channels,
    hidden=lambda: [
        (grid(4, 2, 5, 2), PAIR.T - 1),
        (grid(2, 3, 3, 2).cos(), -TURNED.T),
        (grid(1, 3, 4, 4), TURNED + 1),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Colour images have three channels, so W mixes colours. Below your log-det stands what autograd finds for the whole Jacobian of a small image.

# %% tags=["nbval-ignore-output"]
mix, unmix = (task.yours_or_ours(globals()) for task in (MIX, UNMIX))
grey = datasets.load("mnist_small", "test").images()[50::100][:8]
hue = 2 * math.pi * (torch.arange(8)[:, None] / 8 + torch.arange(3) / 3)
chosen = grey * (0.5 + 0.5 * hue.cos())[:, :, None, None] + (1 - grey) * 0.15  # digits in eight colours
weight = torch.tensor([[0.2, 0.9, 0.1], [0.1, 0.2, 0.8], [0.9, 0.1, 0.2]])
mixed, _ = mix(chosen, weight)
show_images(torch.cat([chosen, mixed.clamp(0, 1), unmix(mixed, weight).clamp(0, 1)]), columns=8, size=0.8, row_labels=["x", "z", "back"])

small = chosen[:1, :, 8:12, 8:12]
jacobian = torch.autograd.functional.jacobian(lambda x: mix(x, weight)[0].flatten(), small).reshape(48, 48)
print(f"yours {float(mix(small, weight)[1]):.2f}, by autograd {float(torch.linalg.slogdet(jacobian)[1]):.2f}")


# %% [markdown]
# ## Task 5 · Bits per dimension
#
# **3 points · 15 minutes · ★★★**
#
# Pixels are whole numbers from 0 to 255, a flow has a density. On whole numbers alone a density could rise to
# infinity at each of them, whatever their probabilities. So each pixel is spread over a bin by noise u from [0, 1): **dequantisation**. Then it is moved from (0, 1) to the whole line, with a margin α that keeps it from the ends:
#
# $$v=\frac{x+u}{256},\qquad r=\alpha+(1-2\alpha)\,v,\qquad y=\operatorname{logit}(r)=\log\frac{r}{1-r},\qquad \frac{dy}{dv}=\frac{1-2\alpha}{r\,(1-r)}.$$
#
# ### 5a · From pixels to logits (2 points)
#
# Return y and the log-det of **v → y**, an image each. The division by 256 is left for 5b.

# %% nbgrader={"grade": false, "grade_id": "to_logits", "locked": false, "schema_version": 3, "solution": true, "task": false}
def to_logits(x, u, alpha):
    """Dequantised pixels on the whole line.

    x: (batch, D), uint8 or floats, whole numbers from 0 to 255
    u: (batch, D), floats in [0, 1)
    alpha: the margin, above 0 and below ½
    Returns: (y, log_det) of shapes (batch, D) and (batch,), the log-det that of v → y
    """
    ### BEGIN SOLUTION
    r = alpha + (1 - 2 * alpha) * (x + u) / 256
    return torch.logit(r), (math.log(1 - 2 * alpha) - r.log() - (1 - r).log()).sum(1)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_to_logits", "locked": true, "schema_version": 3, "solution": false, "task": false}
LOGITS.check(to_logits)

# %% nbgrader={"grade": true, "grade_id": "grade_to_logits", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.fixtures import whole_images
from course_lib.grading.flows import LOGITS
from course_lib.grading.flows.to_logits import BYTES, DARK, SHARES

LOGITS.check(
    to_logits,
    hidden=lambda: [
        (255 - BYTES[:2], SHARES[1:], 0.1),
        (BYTES.T[1:].float(), 1 - SHARES.T[1:] / 2, 0.002),
        (BYTES[1:], SHARES[:2], 0.46),
        (*whole_images(2, 13), 0.02),
        (DARK[0].flip(1) // 2, DARK[1].flip(1) / 2, 2e-12),
        (BYTES[2:], SHARES[:1], 0.15),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 5b · From log densities to bits (1 point)
#
# The flow gives $\log p(y)$. By the change of variables $\log p(v)=\log p(y)+\text{log-det}$. A value of a pixel is a bin of v that is 1/256 wide, so the image x
# has a probability of about $p(v)\cdot256^{-D}$. (Its logarithm, averaged over the noise u, is never above the right
# one, so these bits are never too few.) In bits, for one of the D pixels:
#
# $$\text{bits/dim}=-\frac{\log p(v)-D\log256}{D\,\log2}.$$

# %% nbgrader={"grade": false, "grade_id": "bits_per_dim", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bits_per_dim(log_p, log_det, dims):
    """Bits per dimension of 8-bit images.

    log_p: (batch,), the log density of y in nats
    log_det: (batch,), that of v → y
    dims: D, the number of pixels
    Returns: (batch,)
    """
    ### BEGIN SOLUTION
    return -(log_p + log_det - dims * math.log(256)) / (dims * math.log(2))
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_bits_per_dim", "locked": true, "schema_version": 3, "solution": false, "task": false}
BITS.check(bits_per_dim)

# %% nbgrader={"grade": true, "grade_id": "grade_bits_per_dim", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
import torch

from course_lib.grading.flows import BITS

BITS.check(
    bits_per_dim,
    hidden=lambda: [
        (torch.tensor([-4400.0, -4000.0]), torch.tensor([6100.0, 6350.0]), 1024),
        (torch.tensor([-2.0, 0.5, 3.5, -7.5]), torch.tensor([1.0, 8.0, 15.0, 3.0]), 3),
        (torch.tensor([-62.5]), torch.tensor([88.25]), 25),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Two tests. Who knows nothing needs 8 bits for a pixel: a uniform density of v has log p(v) = 0. And who gives y the logistic density, which is the image
# of a uniform r, needs just as much.

# %%
squash, bits = (task.yours_or_ours(globals()) for task in (LOGITS, BITS))
torch.manual_seed(0)
pixels, noise = torch.randint(0, 256, (3, 64)), torch.rand(3, 64)
y, log_det = squash(pixels, noise, 1e-6)
nothing = torch.zeros(3)
logistic = (F.logsigmoid(y) + F.logsigmoid(-y)).sum(1)
print("uniform: ", " ".join(f"{b:.2f}" for b in bits(nothing, nothing, 64).tolist()))
print("logistic:", " ".join(f"{b:.2f}" for b in bits(logistic, log_det, 64).tolist()))


# %% [markdown]
# ## Task 6 · Catch the outsiders
#
# **3 points · 15 minutes · ★★★**
#
# A flow knows the density of digits. So it should notice what is no digit, by a low likelihood: an **outsider**. Here are digits of 8×8 pixels and six kinds of outsiders.

# %% nbgrader={"grade": false, "grade_id": "digits", "locked": true, "schema_version": 3, "solution": false, "task": false}
def digits_of(split):
    """MNIST digits shrunk to 8×8, (n, 64), whole numbers from 0 to 255 as floats."""
    images = datasets.load("mnist_small", split).images()[:, :, 2:26, 2:26]
    return (F.interpolate(images, size=8, mode="area") * 255).round().flatten(1)


def outsiders(x, seed=0):
    """What is no digit, by kind; some kinds are made from digits x."""
    generator = torch.Generator().manual_seed(seed)
    images = x.reshape(-1, 1, 8, 8)
    return {
        "blank": torch.zeros_like(x),
        "grey": torch.linspace(0, 255, len(x)).round()[:, None].expand(-1, 64),
        "blurred": F.avg_pool2d(F.pad(images, (1, 1, 1, 1)), 3, 1).round().flatten(1),
        "inverted": 255 - x,
        "shuffled": x[:, torch.randperm(64, generator=generator)],
        "noise": torch.randint(0, 256, x.shape, generator=generator).float(),
    }


train_digits, unseen = digits_of("train"), digits_of("test")
digits, others = unseen[::4], outsiders(unseen[1::4])  # to tune on
new_digits, new_others = unseen[2::4], outsiders(unseen[3::4], seed=1)  # to judge by

# %% tags=["nbval-ignore-output"]
shown = {"digit": digits[::25]} | {kind: x[::25] for kind, x in others.items()}
show_images(torch.cat([x[:10] for x in shown.values()]).reshape(-1, 1, 8, 8) / 255, columns=10, size=0.6, row_labels=list(shown))

# %% [markdown]
# A detector gives each image a score, which should be high for an outsider. Below, a flow is trained on digits by your functions. Four scores can be made of it.

# %% nbgrader={"grade": false, "grade_id": "train", "locked": true, "schema_version": 3, "solution": false, "task": false}
squash, bits, likelihood = (task.yours_or_ours(globals()) for task in (LOGITS, BITS, LIKELIHOOD))


class Detector:
    """A flow on digits and a score made of it. For the score "ratio" a second flow learns digits with noise."""

    def __init__(self, score="likelihood", noise=0.1, layers=2, steps=100):
        self.kind, (self.flow, self.background) = score, (None, None)
        torch.manual_seed(0)
        self.flow = self.trained(layers, steps)
        if score == "ratio":
            self.background = self.trained(layers, steps, noise)
        with torch.no_grad():
            self.seen = float(self.log_p(train_digits).median())

    def trained(self, layers, steps, noise=0.0):
        flow = Flow(64, layers)

        def loss_of_batch():
            x = train_digits[torch.randint(len(train_digits), (128,))]
            x = torch.where(torch.rand(x.shape) < noise, torch.randint(0, 256, x.shape), x)
            return -self.log_p(x, flow, torch.rand(x.shape)).mean()

        return fit(flow, loss_of_batch, steps)

    def log_p(self, x, flow=None, u=None):
        """log P of images (n, 64), in nats; without u, pixels count in the middle of their bins."""
        y, log_det = squash(x, torch.full_like(x, 0.5) if u is None else u, 0.01)
        return likelihood(*(flow or self.flow)(y)) + log_det - 64 * math.log(256)

    @torch.no_grad()
    def sample(self, n):
        """Images from the flow, (n, 64), from 0 (black) to 1."""
        y = self.flow.stages(torch.randn(n, 64, generator=torch.Generator().manual_seed(0)))[-1]
        return ((y.sigmoid() - 0.01) / 0.98).clamp(0, 1)

    def score(self, x):
        """High for an outsider, (n,)."""
        log_p = self.log_p(x)
        if self.kind == "typicality":
            return (log_p - self.seen).abs()
        if self.kind == "ratio":
            return self.log_p(x, self.background) - log_p
        if self.kind == "complexity":
            sizes = [8 * len(zlib.compress(bytes(image), 9)) for image in x.byte().tolist()]
            return -log_p - math.log(2) * torch.tensor(sizes)
        return -log_p


# %% [markdown]
# The first try: two layers, 100 steps, and the plain likelihood. **AUROC** is the share of pairs of an outsider and a digit in which the outsider has the higher
# score: 1 is perfect, ½ is a guess, 0 is the wrong way round. Predict first: which kind does the flow like best?

# %% tags=["nbval-ignore-output"]
@torch.no_grad()
def show_detector(detector):
    """log P of digits and outsiders, what counts, and samples."""
    figure, axes = plt.subplots(figsize=(9, 3.2))
    limits = detector.seen - 300, detector.seen + 150
    for kind, x in ({"digits": digits} | others).items():
        where = detector.log_p(x).clamp(max=limits[1])
        beyond = float((where < limits[0]).double().mean())
        label = f"{kind}, {beyond:.0%} further left" if beyond > 0.005 else kind
        style = "stepfilled" if kind == "digits" else "step"
        axes.hist(where.numpy(), bins=60, range=limits, histtype=style, alpha=0.6, label=label, linewidth=2)
    axes.axvline(detector.seen, color="black", linestyle=":", label="median of the training digits")
    axes.set(xlabel="log P, nats", ylabel="images", ylim=(0, 100))
    axes.legend(fontsize=8)
    plt.show()
    nats = float(detector.log_p(digits).mean())
    print(f"digits cost {-nats / 64 / math.log(2):.2f} bits/dim; ", end="")
    numbers = measure(detector, digits, others)
    print(f"AUROC: blank {numbers['blank']:.2f}, blurred {numbers['blurred']:.2f}, worst of the others {numbers['others']:.2f}")
    show_images(detector.sample(10).reshape(-1, 1, 8, 8), columns=10, size=0.6, row_labels=["samples"])


first_try = Detector()
show_detector(first_try)


# %% [markdown]
# **It likes a blank image better than any digit.** The flow is right, in a way: the pixels round a digit are nearly always black, so black is likely everywhere,
# and a blank image has no stroke that could surprise it. A density is highest at such a point although no data lie there: there is
# too little room near it. In high dimensions most of the probability lies where the density is middling.
#
# **Your turn.** Find settings for which the AUROC is at least
#
# * **0.86** for **blank** images, **0.85** for **blurred** ones, and
# * **0.92** for the worst of the **others**.
#
# Here P(x) is the probability of the pixels x, as in 5b, and log P is in nats.
#
# | setting | what it does | first try |
# |---|---|---|
# | `score` | `"likelihood"`: −log P(x) | `"likelihood"` |
# | | `"ratio"`: log P of a background flow less log P of the flow; the background saw digits with noise | |
# | | `"complexity"`: −log P(x) less the size of the image after `zlib`, in nats | |
# | | `"typicality"`: how far log P(x) is from the median of the training digits, to either side | |
# | `noise` | for the ratio: the share of pixels that are random for the background flow, above 0, up to 1 | 0.1 |
# | `layers` | coupling layers (1 to 10) | 2 |
# | `steps` | training steps (1 to 700) | 100 |
#
# A try takes some seconds. Predict before you run: which scores can catch an image whose likelihood is too **high**? And what happens to the median of the
# training digits when the flow learns them by heart?

# %% nbgrader={"grade": false, "grade_id": "settings", "locked": false, "schema_version": 3, "solution": true, "task": false}
def settings():
    """Your choice for Detector: a dict with score, and noise, layers or steps if you like."""
    ### BEGIN SOLUTION
    return {"score": "typicality", "layers": 6, "steps": 300}
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_outsiders", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
detector = globals().get("first_try")  # stands in for yours if the next line fails
tried = OUTSIDERS.chosen(settings)
detector = Detector(**tried)
OUTSIDERS.check(measure(detector, digits, others), tried)

# %% nbgrader={"grade": true, "grade_id": "grade_outsiders", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
# Grading shows your detector other images here.
### BEGIN HIDDEN TESTS
from course_lib.grading.flows import OUTSIDERS, measure

tried = OUTSIDERS.chosen(settings)
OUTSIDERS.check(measure(detector, digits, others), tried)
OUTSIDERS.check(measure(detector, new_digits, new_others), tried, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Your detector. Keep the numbers for task 7, and those of a try that failed.

# %% tags=["nbval-ignore-output"]
try:
    OUTSIDERS.chosen(settings)
except CheckFailed:
    print("Your settings are not there yet, so the first try stands in for yours below.")
show_detector(detector)

# %% [markdown] nbgrader={"grade": false, "grade_id": "written_question", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Task 7 · In your own words
#
# **2 points · 10 minutes · ★★☆** · graded by hand
#
# About 120 words in all. Use what you measured.
#
# 1. Why does the flow give a blank image a higher likelihood than real digits, although it has never seen one? Why do samples from it still not look blank?
# 2. Name one change that did not reach the goal, with its numbers, and say why it did not.
# 3. A coupling layer leaves half of its input as it is. What would be lost, for training and for sampling, if a free network took its place?

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_answer", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# 1. Black pixels are likely one by one, most of all near the edge, and a blank image has no stroke that costs anything: it lies near the highest point of the
#    density. But a density is not a probability. There is hardly any volume near that point, while digits are many and fill a large region of
#    middling density. Samples come from where the volume is, at a distance from the peak.
# 2. The ratio with noise 0.1 (4 layers, 300 steps): blank 0.07. The background finds blank images worse than the flow of digits does, so the ratio takes them
#    for digits. Or typicality with 10 layers and 700 steps: blank fell to about 0.8, since the flow had learned the training digits by heart, and their median log P
#    was no longer that of new digits.
# 3. The log-det would be a determinant of a full D×D Jacobian, about D³ operations for each example and step, and gradients through it. And nobody could
#    go back from z to x without an iterative solver, if there is a way back at all: no samples.
#
# **Marking guide (2 points).** One half point each for: (a) black pixels or simple images are predictable, the blank image lies near the density's peak;
# (b) density is not probability: too little volume there, samples come from the typical set; (c) a change that failed, with numbers and a reason that fits
# them; (d) the determinant's cost **and** the missing inverse. Accept any wording and the student's own numbers. Give no credit for "the flow was not trained
# long enough" in part 1.
