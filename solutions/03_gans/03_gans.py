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
# # Exercise 3 · Build a GAN, and cure its collapse
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/exercises/03_gans/03_gans.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/exercises/03_gans/03_gans.ipynb)
#
# You write what two networks play against each other, see what the game is worth, build a generator of faces by the rules and tell it in words what to draw. Then you
# meet a GAN that makes the same sample over and over, and cure it. The lecture is `notebooks/03_gans.ipynb`.
#
# | task | what you do | points | minutes | difficulty |
# |---|---|---|---|---|
# | 1 | what the players minimise | 4 | 10 | ★☆☆ |
# | 2 | the best discriminator | 3 | 10 | ★★☆ |
# | 3 | the gradient penalty | 3 | 20 | ★★★ |
# | 4 | a DCGAN generator | 3 | 10 | ★★☆ |
# | 5 | ask in words | 3 | 10 | ★★☆ |
# | 6 | cure a collapse, an experiment | 2 | 20 | ★★★ |
# | 7 | a written answer | 2 | 10 | ★★☆ |
# | – | more, if you like: samples that see each other, and a judge of patches | 0 | 15 | ★★☆ |
#
# **How it works.** Replace each `raise NotImplementedError()` with your code and run the check below it. A check prints `✓`, or one line that says what is
# wrong. Grading runs the same checks again with other inputs. Write the answers with PyTorch and your own functions: a check notices when an answer runs
# code from `course_lib`. What a network is trained through must also pass gradients on: the check looks at them. Add cells as you like, but do not copy,
# delete or change the type of the cells that are here.
#
# **Notation.** x data, z latent, p the density of the data, q that of generated samples. A **score** s is what the discriminator puts out: any real
# number. $D=\operatorname{sigmoid}(s)=1/(1+e^{-s})$ is the probability it gives to "real". Logarithms are natural;
# their unit is the nat.

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
from torch import nn
from torch.nn import functional as F

from course_lib import checkpoints, datasets, metrics
from course_lib.grading import CheckFailed
from course_lib.grading.gans import (
    CLOSENESS,
    CURE,
    DCGAN,
    DISCRIMINATOR,
    GENERATOR,
    ONE_HOT_WORDS,
    OPTIMAL,
    PENALTY,
    PROJECTION,
    RECEPTIVE,
    VALUE,
    measure,
)
from course_lib.plotting import curves, show_images

torch.set_num_threads(1)  # networks this small are fastest on one core


# %% [markdown]
# ## Task 1 · What the players minimise
#
# **4 points · 10 minutes · ★☆☆**
#
# A generator makes points out of noise. A discriminator gets real points and made ones, and gives each a score: high for "real". Both learn from that score,
# and they want opposite things.
#
# ### 1a · The discriminator (2 points)
#
# It is a classifier. With n real scores $s_i$ and m scores $\tilde s_j$ of generated samples, it minimises
#
# $$L_D=-\frac1n\sum_{i=1}^n\log\operatorname{sigmoid}(s_i)-\frac1m\sum_{j=1}^m\log\left(1-\operatorname{sigmoid}(\tilde s_j)\right).$$
#
# A trained discriminator is sure of itself: scores of ±200 happen, and the answer must stay finite and right there.

# %% nbgrader={"grade": false, "grade_id": "discriminator_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def discriminator_loss(real, fake):
    """What the discriminator minimises.

    real: (n,), scores of real data
    fake: (m,), scores of generated samples
    Returns: a tensor without axes
    """
    ### BEGIN SOLUTION
    return F.softplus(-real).mean() + F.softplus(fake).mean()  # −log sigmoid(s) = softplus(−s)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_discriminator_loss", "locked": true, "schema_version": 3, "solution": false, "task": false}
DISCRIMINATOR.check(discriminator_loss)

# %% nbgrader={"grade": true, "grade_id": "grade_discriminator_loss", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.gans import DISCRIMINATOR

DISCRIMINATOR.check(
    discriminator_loss,
    hidden=lambda: [
        (grid(7).sin() * 3, grid(3)),
        (torch.tensor([-800.0, 1.0]), torch.tensor([2.0, -3.0, 2000.0, 0.5])),
        (torch.tensor([-1.5]), grid(4) * 3),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 1b · The generator (2 points)
#
# It is judged by the same scores. In the game as it was first written, it minimises what the discriminator maximises:
#
# $$L_G^{\text{saturating}}=\frac1m\sum_{j=1}^m\log\left(1-\operatorname{sigmoid}(\tilde s_j)\right),\qquad
# L_G^{\text{non-saturating}}=-\frac1m\sum_{j=1}^m\log\operatorname{sigmoid}(\tilde s_j).$$
#
# The second wants the same: a high score. Why there are two, you will see below.

# %% nbgrader={"grade": false, "grade_id": "generator_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def generator_loss(fake, saturating):
    """What the generator minimises.

    fake: (m,), scores of its samples
    saturating: True for log(1 − D), False for −log D
    Returns: a tensor without axes
    """
    ### BEGIN SOLUTION
    return -F.softplus(fake).mean() if saturating else F.softplus(-fake).mean()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_generator_loss", "locked": true, "schema_version": 3, "solution": false, "task": false}
GENERATOR.check(generator_loss)

# %% nbgrader={"grade": true, "grade_id": "grade_generator_loss", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.gans import GENERATOR

GENERATOR.check(
    generator_loss,
    hidden=lambda: [
        (grid(4).cos() * 3, False),
        (grid(7) * 2, True),
        (torch.tensor([1500.0, -3.0]), True),
        (torch.tensor([-800.0, 2.0, 0.5]), False),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# What a sample feels is the gradient of the loss with respect to its score. Here it is for both of your losses. At the start the generator is bad, the
# discriminator is sure, and scores lie far to the left. Predict first: which generator will learn nothing there?

# %% tags=["nbval-ignore-output"]
judge_loss, fool_loss = (task.yours_or_ours(globals()) for task in (DISCRIMINATOR, GENERATOR))
felt = {}
for name, saturating in (("saturating", True), ("non-saturating", False)):
    scores = torch.linspace(-10, 10, 201).requires_grad_()
    (len(scores) * fool_loss(scores, saturating)).backward()  # without the 1/m of the mean
    felt[name] = scores.detach(), scores.grad.abs()
curves(felt, x_label="score of a generated sample", y_label="size of its gradient")


# %% [markdown]
# Now a GAN made of your losses, on two moons. It starts far from the data, and the discriminator has learned for 300 steps before the game begins. The first
# row trains with the saturating loss, the second with the other one.

# %% tags=["nbval-ignore-output"]
def network(inputs, outputs, width=64):
    """Points (batch, inputs) → (batch, outputs)."""
    return nn.Sequential(
        *(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)),
    )


def descend(optimiser, loss):
    """One step of one player: only the parameters of this optimiser move."""
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def moons_film(saturating, shots=(0, 50, 200, 500, 1000, 1500)):
    """Samples at some steps of the game."""
    torch.manual_seed(0)
    generator, discriminator = network(2, 2), nn.Sequential(network(2, 1), nn.Flatten(0))
    nn.init.constant_(generator[-1].bias, 3.0)  # far from the data
    of_generator = torch.optim.SGD(generator.parameters(), lr=0.02)
    of_discriminator = torch.optim.Adam(discriminator.parameters(), lr=0.001, betas=(0.5, 0.9))
    z, film = torch.randn(400, 2), []
    for step in range(-300, shots[-1] + 1):
        if step in shots:
            film.append(generator(z).detach())
        x = moons[torch.randint(len(moons), (128,))]
        fake = generator(torch.randn(128, 2))
        # detached: this step is the discriminator's, nothing may flow into the generator
        descend(of_discriminator, judge_loss(discriminator(x), discriminator(fake.detach())))
        if step >= 0:
            descend(of_generator, fool_loss(discriminator(fake), saturating))
    return film


moons = datasets.toy2d("moons", 4000).x
shots = (0, 50, 200, 500, 1000, 1500)
figure, panels = plt.subplots(2, len(shots), figsize=(11, 4), sharex=True, sharey=True)
for row, saturating in zip(panels, (True, False)):
    for axes, step, points in zip(row, shots, moons_film(saturating, shots)):
        axes.scatter(*moons[:600].T, s=1, color="0.8")
        axes.scatter(*points.T, s=3, color="C1")
        axes.set(xlim=(-5, 5), ylim=(-4, 4), title=f"step {step}" if saturating else "", xticks=[], yticks=[])
    row[0].set_ylabel("saturating" if saturating else "non-saturating")
plt.show()


# %% [markdown]
# The first row does not move: a sample that is seen through has no gradient left. In the second row the gradient is largest for just such samples, so they
# set off at once. (Adam divides a gradient by its own
# usual size, which hides the trouble: put `torch.optim.Adam` in place of `torch.optim.SGD`, at a rate of 0.001, and the first row moves too.)

# %% [markdown]
# ## Task 2 · The best discriminator
#
# **3 points · 10 minutes · ★★☆**
#
# ### 2a · Between two known densities (1 point)
#
# Take the generator as fixed. A point x comes from the data with density p(x) and from the generator with density q(x), each half of the time. By Bayes'
# rule the best answer to "real?" is
#
# $$D^*(x)=\frac{p(x)}{p(x)+q(x)} .$$
#
# The densities come as logarithms, and log densities near −1000 are ordinary for images. $e^{-1000}$ is 0 on a computer, and 0 / 0 is NaN.

# %% nbgrader={"grade": false, "grade_id": "optimal_discriminator", "locked": false, "schema_version": 3, "solution": true, "task": false}
def optimal_discriminator(log_data, log_model):
    """D*(x) of some points.

    log_data, log_model: log p(x) and log q(x) of each point, of one shape
    Returns: probabilities, the same shape
    """
    ### BEGIN SOLUTION
    return torch.sigmoid(log_data - log_model)  # divide top and bottom by p
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_optimal_discriminator", "locked": true, "schema_version": 3, "solution": false, "task": false}
OPTIMAL.check(optimal_discriminator)

# %% nbgrader={"grade": true, "grade_id": "grade_optimal_discriminator", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.gans import OPTIMAL

OPTIMAL.check(
    optimal_discriminator,
    hidden=lambda: [
        (grid(5) * 3 - 4, grid(5).sin() - 3),
        (torch.tensor([-900.0, -6.0, -2002.0, -2000.0]), torch.tensor([-4.0, -900.0, -2001.0, -2004.0])),
        (grid(3, 2), grid(3, 2).flip(1).exp()),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 2b · What the game is worth (2 points)
#
# The discriminator maximises the **value**
#
# $$V(D)=\mathbb E_{x\sim p}\left[\log D(x)\right]+\mathbb E_{x\sim q}\left[\log\left(1-D(x)\right)\right].$$
#
# Now x has finitely many values, so p and q are tables that add up to 1, and each expectation is a weighted sum. At the best discriminator the value tells
# how far apart the tables are. It is
#
# $$V(D^*)=2\,\mathrm{JS}(p,q)-2\log 2 ,$$
#
# with the **Jensen–Shannon divergence** JS. It compares p and q with their mean m and is 0 where p = q:
#
# $$\mathrm{JS}(p,q)=\tfrac12\,\mathrm{KL}(p,m)+\tfrac12\,\mathrm{KL}(q,m),\qquad m=\tfrac12(p+q),\qquad \mathrm{KL}(a,b)=\sum_x a(x)\log\frac{a(x)}{b(x)} .$$
#
# Return both, the value and JS. A term with probability 0 counts 0, whatever stands behind the log:
# `torch.xlogy(a, b)` is a · log b and knows that.

# %% nbgrader={"grade": false, "grade_id": "game_value", "locked": false, "schema_version": 3, "solution": true, "task": false}
def game_value(p, q):
    """The value of the game at the best discriminator, and the Jensen–Shannon divergence that it measures, in nats.

    p, q: (k,), probabilities that add up to 1; entries may be 0, but not at the same place
    Returns: (value, divergence), numbers or tensors without axes
    """
    ### BEGIN SOLUTION
    best = p / (p + q)
    value = (torch.xlogy(p, best) + torch.xlogy(q, 1 - best)).sum()
    return value, value / 2 + torch.tensor(2.0).log()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_game_value", "locked": true, "schema_version": 3, "solution": false, "task": false}
VALUE.check(game_value)

# %% nbgrader={"grade": true, "grade_id": "grade_game_value", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.gans import VALUE
from course_lib.grading.gans.game_value import table

VALUE.check(
    game_value,
    hidden=lambda: [
        (table(grid(6, low=0.2, high=3).square()), table(grid(6, low=1, high=6).flip(0))),
        (table(torch.tensor([1.0, 0.0, 4.0, 2.0])), table(torch.tensor([0.0, 3.0, 2.0, 0.5]))),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Is that what training finds? On the left a small network is trained with your loss of 1a, on samples of two Gaussians, and drawn over your D*. On the right
# your divergence of two densities shaped like tents, each 2 wide, while one moves away. Predict first: what does it come to when the two no longer overlap,
# and what is its slope there?

# %% tags=["nbval-ignore-output"]
best, worth = (task.yours_or_ours(globals()) for task in (OPTIMAL, VALUE))
normal = torch.distributions.Normal
torch.manual_seed(0)
discriminator = nn.Sequential(network(1, 1), nn.Flatten(0))
optimiser = torch.optim.Adam(discriminator.parameters(), lr=0.003)
for step in range(1500):
    optimiser.param_groups[0]["lr"] = 0.003 * (1 - step / 1500)
    descend(optimiser, judge_loss(discriminator(torch.randn(256, 1) - 1), discriminator(0.6 * torch.randn(256, 1) + 1)))

x = torch.linspace(-4, 4, 401)
data, model = normal(-1.0, 1.0), normal(1.0, 0.6)
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6))
left.fill_between(x, data.log_prob(x).exp(), alpha=0.25, color="C0", label="data p")
left.fill_between(x, model.log_prob(x).exp(), alpha=0.25, color="C1", label="model q")
left.plot(x, best(data.log_prob(x), model.log_prob(x)), color="0.2", label="your D*")
left.plot(x, discriminator(x[:, None]).sigmoid().detach(), "--", color="C2", label="trained")
left.set(xlabel="x")
left.legend(fontsize=9)

distances, divergences = torch.linspace(0, 4, 41), []
for distance in distances:
    tents = [(1 - (torch.arange(-1.005, 6, 0.01) - middle).abs()).clamp(min=0) for middle in (0.0, distance)]
    p, q = (tent / tent.sum() for tent in tents)
    inhabited = p + q > 0
    divergences.append(float(worth(p[inhabited], q[inhabited])[1]))
right.plot(distances, divergences, color="C3", label="your divergence")
right.axhline(torch.tensor(2.0).log(), linestyle=":", color="0.4", label="log 2")
right.set(xlabel="distance of the tents", ylabel="nats")
right.legend(fontsize=9)
plt.show()


# %% [markdown]
# Training comes close to D* where there are samples. On the right the divergence is log 2 from distance 2 on, and flat: the discriminator is perfect, and
# nothing tells the generator whether it came nearer. That is the first row of moons again.

# %% [markdown]
# ## Task 3 · The gradient penalty
#
# **3 points · 20 minutes · ★★★**
#
# A **critic** puts out a score with no sigmoid behind it, and is asked for a large gap between real and made: mean score of the real minus mean score of the
# made. That gap has a slope at any distance, if the critic is not allowed to be steep. Where its slope is at most 1, the largest gap is the **Wasserstein
# distance**: how far the one cloud must be carried to become the other.
#
# The penalty keeps the slope near 1. It looks at one point between each real example $x_i$ and each made one $\tilde x_i$. With a share $u_i$ between 0 and 1:
#
# $$\hat x_i=x_i+u_i\,(\tilde x_i-x_i),\qquad
# P=\frac1n\sum_{i=1}^n\Big(\big\lVert\nabla_{\!x}\,\mathrm{critic}(\hat x_i)\big\rVert-1\Big)^2 .$$
#
# The length $\lVert\cdot\rVert$ is Euclidean and runs over everything in an example: two numbers of a point, all channels and pixels of an image. Each
# example has one share. $\nabla_{\!x}\,\mathrm{critic}(\hat x_i)$ is the gradient of the score with respect to the point, at $\hat x_i$: `torch.autograd.grad` finds
# it. Since the penalty itself is trained through, the critic's parameters must feel it.

# %% nbgrader={"grade": false, "grade_id": "gradient_penalty", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gradient_penalty(critic, real, fake, share):
    """How far the critic's slope is from 1, between real and generated examples.

    critic: a network, (batch, ...) → scores (batch,)
    real, fake: (batch, ...), of one shape, with any number of axes: (batch, 2) for points, (batch, channels, height, width) for images
    share: (batch,), 0 for the real example, 1 for the fake
    Returns: a tensor without axes
    """
    ### BEGIN SOLUTION
    share = share.reshape(-1, *[1] * (real.dim() - 1))
    between = (real + share * (fake - real)).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_gradient_penalty", "locked": true, "schema_version": 3, "solution": false, "task": false}
PENALTY.check(gradient_penalty)

# %% nbgrader={"grade": true, "grade_id": "grade_gradient_penalty", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.gans import PENALTY
from course_lib.grading.gans.gradient_penalty import fixed_critic

PENALTY.check(
    gradient_penalty,
    hidden=lambda: [
        (fixed_critic(1, 4, 4), grid(4, 1, 4, 4).cos(), grid(4, 1, 4, 4).flip(2) / 2, torch.tensor([0.0, 0.3, 0.6, 1.0])),
        (fixed_critic(3), grid(3, 3).exp() / 3, grid(3, 3).flip(1), torch.tensor([0.8, 0.4, 0.1])),
        (fixed_critic(3, 3), grid(3, 3, 3).sin(), grid(3, 3, 3).flip(0), torch.tensor([0.55, 0.05, 0.35])),
        (fixed_critic(2), grid(1, 2), grid(1, 2).flip(1) * 2, torch.tensor([0.65])),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Two clouds whose centres are 4 apart, and two critics that are trained to tell them from each other: one freely, one with 100 times your penalty. The first
# two pictures show the critic's score from dark to bright, each on a scale of its own, with lines of equal score. The third shows both along the line through
# the two centres, on one scale. Predict first: which gap will come out near 4?

# %% tags=["nbval-ignore-output"]
flatness = PENALTY.yours_or_ours(globals())


def clouds(n):
    """Real and made points: the centres are 4 apart."""
    return 0.4 * torch.randn(n, 2) - torch.tensor([2.0, 0.0]), 0.4 * torch.randn(n, 2) + torch.tensor([2.0, 0.0])


def trained_critic(weight, steps=600):
    torch.manual_seed(0)
    critic = nn.Sequential(network(2, 1), nn.Flatten(0))
    optimiser = torch.optim.Adam(critic.parameters(), lr=0.002, betas=(0.5, 0.9))
    for _ in range(steps):
        real, fake = clouds(128)
        loss = critic(fake).mean() - critic(real).mean()
        descend(optimiser, loss + weight * flatness(critic, real, fake, torch.rand(128)) if weight else loss)
    return critic


figure, panels = plt.subplots(1, 3, figsize=(12, 3), width_ratios=(3, 3, 2), layout="constrained")
across, up = torch.meshgrid(torch.linspace(-4, 4, 81), torch.linspace(-2.4, 2.4, 49), indexing="xy")
for axes, weight, style in zip(panels, (0, 100), ("--", "-")):
    critic = trained_critic(weight)
    real, fake = clouds(400)
    height = critic(torch.stack([across, up], 2).reshape(-1, 2)).detach().reshape(across.shape)
    axes.contourf(across, up, height, levels=20, cmap="cividis")
    axes.contour(across, up, height, levels=20, colors="white", linewidths=0.4)
    axes.scatter(*real.T, s=2, color="black", label="real")
    axes.scatter(*fake.T, s=2, color="C1", label="made")
    axes.set(title=f"weight {weight}: the gap is {critic(real).mean() - critic(fake).mean():,.1f}", xlim=(-4, 4), ylim=(-2.4, 2.4))
    middle = height[len(height) // 2]  # along y = 0
    panels[2].plot(across[0], middle - middle[len(middle) // 2], style, color="0.2", label=f"weight {weight}")
panels[0].legend(markerscale=5, fontsize=9, frameon=True)
panels[2].legend(fontsize=9)
panels[2].set(title="score along the middle", xlim=(-4, 4), ylim=(-5, 5), xlabel="from real to made")
plt.show()


# %% [markdown]
# Free, the critic's gap grows as long as it is trained: on the scale of the other one it is a wall, and only its sign means something. Held to slope 1, the
# gap is a distance, and the slope under the made points leads straight to the real ones.

# %% [markdown]
# ## Task 4 · A DCGAN generator
#
# **3 points · 10 minutes · ★★☆**
#
# Images need convolutions, and GANs with convolutions would not train until some rules were found. A DCGAN generator keeps these:
#
# * z comes in as an image of 1×1 pixel with one channel for each latent, and every layer that grows it is a **transposed convolution** with a kernel of 4: no
#   fully connected layer, no fixed upsampling;
# * the first one has stride 1 and no padding and makes 4×4. Each later one has stride 2 and padding 1 and doubles height and width;
# * each but the last is followed by **batch norm**, then **ReLU**. Such a convolution has no bias (`bias=False`), since batch norm would take it away again;
# * the last is followed by **tanh** alone, for the data lie in [−1, 1]. It may have a bias or not.
#
# The transposed convolutions lead from the latents to `channels[0]`, on to `channels[1]`, and so on to `channels[-1]`, the channels of the image. So k entries
# give an image of side $4\cdot2^{k-1}$. The check looks at the layers and names the first rule that is broken.

# %% nbgrader={"grade": false, "grade_id": "dcgan_generator", "locked": false, "schema_version": 3, "solution": true, "task": false}
def dcgan_generator(latents, channels):
    """A generator by the rules of DCGAN: (batch, latents, 1, 1) → (batch, channels[-1], side, side) in [−1, 1].

    latents: number of latents
    channels: a tuple, what each transposed convolution puts out, two entries or more
    Returns: an nn.Sequential of layers of torch.nn
    """
    ### BEGIN SOLUTION
    layers, inputs = [], latents
    for i, outputs in enumerate(channels[:-1]):
        stride, padding = (2, 1) if i else (1, 0)
        layers += [nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        inputs = outputs
    return nn.Sequential(*layers, nn.ConvTranspose2d(inputs, channels[-1], 4, 2, 1), nn.Tanh())
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_dcgan_generator", "locked": true, "schema_version": 3, "solution": false, "task": false}
DCGAN.check(dcgan_generator)

# %% nbgrader={"grade": true, "grade_id": "grade_dcgan_generator", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.gans import DCGAN

DCGAN.check(
    dcgan_generator,
    hidden=lambda: [
        (3, (6, 5, 2)),
        (8, (9, 1)),
        (4, (8, 3, 4, 3)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Your generator for 16×16 faces in colour, layer by layer, with the shape that leaves each for a batch of two. Does the side double where it should?

# %%
build = DCGAN.yours_or_ours(globals())
x = torch.zeros(2, 32, 1, 1)
for layer in build(32, (32, 16, 3)):
    x = layer(x)
    print(f"{type(layer).__name__:16} {tuple(x.shape)}")

# %% [markdown]
# Now it plays, with your losses, against a discriminator that does everything the other way round: strided convolutions, leaky ReLU. 400 steps take some
# seconds. They are few, so the faces are rough: a real DCGAN trains a hundred times as long.

# %% tags=["nbval-ignore-output"]
people, faces = datasets.load("faces", "test"), datasets.faces
x_faces = datasets.to_float(people.x) * 2 - 1


class Judge(nn.Module):
    """(batch, 3, 16, 16) → scores (batch,)."""

    def __init__(self, width=16):
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2), nn.Flatten()),
        )
        self.own = nn.Linear(32 * width, 1)

    def forward(self, x, rows):
        return self.own(self.features(x)).squeeze(1)


def small_weights(layer):
    """DCGAN's initial weights."""
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0.0, 0.02)


def untold(batch):
    """Nothing that the players are told of the faces of a batch."""
    return torch.empty(len(batch), 0)


def play(generator, judge, steps, rows_of=untold, latents=32):
    """Train both on the faces. rows_of: numbers of faces → what both players are told of them, (batch, numbers)."""
    rows = rows_of(torch.arange(2))
    generator(torch.cat([torch.zeros(2, latents), rows], 1)[:, :, None, None])  # lazy layers, if yours has any, find their sizes
    optimisers = [torch.optim.Adam(player.apply(small_weights).parameters(), betas=(0.5, 0.99)) for player in (generator, judge)]
    for step in range(steps):
        for optimiser in optimisers:
            optimiser.param_groups[0]["lr"] = 0.005 * min(1, 2 - 2 * step / steps)  # steady, then down to 0 in the second half
        batch = torch.randint(len(x_faces), (64,))
        x, rows = x_faces[batch], rows_of(batch)
        fake = generator(torch.cat([torch.randn(64, latents), rows], 1)[:, :, None, None])
        descend(optimisers[1], judge_loss(judge(x, rows), judge(fake.detach(), rows)))
        descend(optimisers[0], fool_loss(judge(fake, rows), False))
    return generator


torch.manual_seed(0)
dcgan = play(build(32, (32, 16, 3)), Judge(), steps=400)
torch.manual_seed(1)
with torch.no_grad():
    made = dcgan(torch.randn(24, 32, 1, 1))
show_images((torch.cat([x_faces[:12], made]) + 1) / 2, columns=12, size=0.7, row_labels=["data", "made", "made"])


# %% [markdown]
# ## Task 5 · Ask in words
#
# **3 points · 10 minutes · ★★☆**
#
# This GAN makes what it likes. Tell both players what is in each picture, and you can ask for it: a **conditional** GAN. A face has several **factors**: hair
# colour, glasses, hat and so on. Each has some **words**: black, blue, … for the hair.
#
# ### 5a · Words as numbers (1 point)
#
# A word is not a quantity: hair 4 is not twice hair 2. So each factor becomes a block of zeros with a single 1 in the place of its word. The blocks stand one
# behind the other, in the order of the factors. Where nothing is asked, the word is −1, and the whole block is 0: leave it to the generator.
#
# For example, with factors of 3 and 2 words, the words (2, 0) become the row 0 0 1 1 0, and (−1, 1) becomes 0 0 0 0 1.

# %% nbgrader={"grade": false, "grade_id": "one_hot_words", "locked": false, "schema_version": 3, "solution": true, "task": false}
def one_hot_words(words, kinds):
    """Rows that say which words are asked for.

    words: (batch, factors), whole numbers: for each factor the number of its word, from 0 on, or −1 where nothing is asked
    kinds: a tuple, how many words each factor has
    Returns: (batch, sum of kinds), zeros and ones as floating-point numbers
    """
    ### BEGIN SOLUTION
    blocks = [words[:, f, None] == torch.arange(count) for f, count in enumerate(kinds)]
    return torch.cat(blocks, 1).float()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_one_hot_words", "locked": true, "schema_version": 3, "solution": false, "task": false}
ONE_HOT_WORDS.check(one_hot_words)

# %% nbgrader={"grade": true, "grade_id": "grade_one_hot_words", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.gans import ONE_HOT_WORDS

ONE_HOT_WORDS.check(
    one_hot_words,
    hidden=lambda: [
        (torch.tensor([[2, -1, 0], [0, 1, 1], [-1, 3, -1], [1, 0, 0], [2, 2, 1]]), (4, 5, 2)),
        (torch.tensor([[0, 1], [-1, 0]]), (3, 6)),
        (torch.tensor([[1], [-1], [0]]), (3,)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 5b · A score for obedience (2 points)
#
# The generator gets its rows behind z. The discriminator must be told too, or any good face would pass, whatever was asked for. It turns a picture into **features**
# $h$, and a score $s$ is made of them. Now each word w gets a vector $v_w$ as long as h, to be learned. The words that are asked for add up to a
# vector $e$, and its inner product with h says how well the picture fits them. So a **projection discriminator** gives the score
#
# $$s+\sum_d e_d\,h_d,\qquad e=\sum_{w\ \text{asked for}}v_w .$$

# %% nbgrader={"grade": false, "grade_id": "projection_score", "locked": false, "schema_version": 3, "solution": true, "task": false}
def projection_score(score, h, rows, vectors):
    """The score of each picture, with the words that are asked for. All that is given is float32, or all is float64.

    score: (batch,), the score of each picture by itself
    h: (batch, features), the features of each picture
    rows: (batch, words), zeros and ones from 5a: the words for each picture
    vectors: (words, features), the vector of each word
    Returns: (batch,), of the type of what is given
    """
    ### BEGIN SOLUTION
    return score + (h * (rows @ vectors)).sum(1)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_projection_score", "locked": true, "schema_version": 3, "solution": false, "task": false}
PROJECTION.check(projection_score)

# %% nbgrader={"grade": true, "grade_id": "grade_projection_score", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.gans import PROJECTION
from course_lib.grading.gans.projection_score import ASKED

PROJECTION.check(
    projection_score,
    hidden=lambda: [
        (grid(4).sin() * 2, (6 * grid(4, 5)).cos(), ASKED.flip(1), (8 * grid(5, 5)).sin() + 0.2),
        (grid(3) - 1, (4 * grid(3, 2)).sin() + 0.3, ASKED[:3, 1:].flip(0), (9 * grid(4, 2)).cos()),
        (grid(1), (2 * grid(1, 6)).exp().sin(), torch.tensor([[1.0, 0.0, 1.0]]), (7 * grid(3, 6)).sin() * 2),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# The same game as before, with words: each picture comes with some of its own, now many, now few. Predict first: which two of the six factors below will gain most over
# giving everybody the same answer?

# %% tags=["nbval-ignore-output"]
hot, match = (task.yours_or_ours(globals()) for task in (ONE_HOT_WORDS, PROJECTION))
factors = ("skin", "hair_colour", "glasses", "clothing_colour", "hat", "background")
kinds, columns = tuple(len(faces.ATTRIBUTES[name]) for name in factors), [list(faces.ATTRIBUTES).index(name) for name in factors]
words = faces.attributes(people.y)[:, columns]


class ToldJudge(Judge):
    def __init__(self):
        super().__init__()
        self.vectors = nn.Parameter(0.02 * torch.randn(sum(kinds), self.own.in_features))

    def forward(self, x, rows):
        h = self.features(x)
        return match(self.own(h).squeeze(1), h, rows, self.vectors)


def some_words(batch):
    """The rows of some faces, of which each tells a share of its words."""
    kept_back = torch.rand(len(batch), len(factors)) < torch.rand(len(batch), 1)
    return hot(words[batch].masked_fill(kept_back, -1), kinds)


def asked(**by_name):
    """Words (factors,) by name: asked(hat="hat")."""
    return torch.tensor([faces.ATTRIBUTES[name].index(by_name[name]) if name in by_name else -1 for name in factors])


def drawn(words):
    """(n, factors) → n faces for these words."""
    with torch.no_grad():
        return (conditional(torch.cat([torch.randn(len(words), 32), hot(words, kinds)], 1)[:, :, None, None]) + 1) / 2


torch.manual_seed(0)
conditional = play(build(32 + sum(kinds), (32, 16, 3)), ToldJudge(), steps=800, rows_of=some_words)
torch.manual_seed(1)
requests = {
    "blue hair": asked(hair_colour="blue"),
    "dark glasses": asked(glasses="dark"),
    "red clothes": asked(clothing_colour="red"),
    "hat, blue behind": asked(hat="hat", background="blue"),
}
pictures = [drawn(request.repeat(100, 1))[:12] for request in requests.values()]  # batch norm needs a batch
show_images(torch.cat(pictures), columns=12, size=0.7, row_labels=list(requests))
x, wanted = drawn(words[:1000]), torch.full((1000, len(faces.ATTRIBUTES)), -1)
wanted[:, columns] = words[:1000]
longer = checkpoints.load("cgan_faces").sample(12, y=faces.attributes(people.y[:12]))  # a model that was told ten words of each face
labels = ["data", "all six words", "14,000 steps"]
show_images(torch.cat([(x_faces[:12] + 1) / 2, x[:12], longer]), columns=12, size=0.7, row_labels=[label.rjust(16) for label in labels])
print("1,000 faces, asked for with six words each. As asked for in:")
for name, share in metrics.factor_accuracy(x, wanted).items():
    likeliest = words[:, factors.index(name)].bincount().max() / len(words)
    print(f"{name.replace('_', ' '):16} {share:4.0%}    (one answer for all: {likeliest:.0%})")

# %% [markdown]
# Clothes and background gain most: large and plain. Shades of skin and of hair are mixed up more often. What you leave open changes along a row: it is up to z. The last
# row is the lecture's larger model: the same kind of score, ten words, 14,000 steps.

# %% [markdown]
# ## Task 6 · Cure a collapse
#
# **2 points · 20 minutes · ★★★**
#
# Eight clouds on a ring, called **modes**. A good generator reaches all of them. Here are a small GAN made of your functions, and a way to count. Training runs three times, from three seeds,
# since a GAN that works may be luck.

# %% nbgrader={"grade": false, "grade_id": "train", "locked": true, "schema_version": 3, "solution": false, "task": false}
judge_loss, fool_loss, flatness = (task.yours_or_ours(globals()) for task in (DISCRIMINATOR, GENERATOR, PENALTY))
angle = torch.arange(8) * torch.pi / 4
centres, std = 3 * torch.stack([angle.cos(), angle.sin()], 1), 0.15
torch.manual_seed(0)
ring, new_ring = (centres.repeat(750, 1)[torch.randperm(6000)] + std * torch.randn(6000, 2) for _ in range(2))  # to tune on, to judge by


def players(*sizes):
    """A network with two hidden layers."""
    return nn.Sequential(*(nn.Linear(sizes[0], 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, sizes[1])))


class TinyGAN(nn.Module):
    def __init__(self, pack):
        super().__init__()
        self.pack = pack
        self.generator = players(2, 2)
        self.discriminator = nn.Sequential(players(2 * pack, 1), nn.Flatten(0))

    def packed(self, points):
        """(n, 2) → (n / pack, 2 · pack): some points side by side, to be judged as one."""
        return points.reshape(-1, 2 * self.pack)

    def judge(self, points):
        """One score for each pack."""
        return self.discriminator(self.packed(points))


def train(rate=0.003, critic_steps=1, penalty=0.0, pack=1, seed=0, updates=4000, batch=120):
    """A TinyGAN. Every choice costs the same: so many updates, shared by the two players."""
    torch.manual_seed(seed)
    gan, z, film = TinyGAN(pack), torch.randn(300, 2), []
    of_generator = torch.optim.Adam(gan.generator.parameters(), betas=(0.5, 0.9))
    of_discriminator = torch.optim.Adam(gan.discriminator.parameters(), betas=(0.5, 0.9))
    rounds = updates // (critic_steps + 1)
    for i in range(rounds):
        if i % (rounds // 5) == 0:
            film.append(gan.generator(z).detach())
        fade = min(1, 2 - 2 * i / rounds)  # steady, then down to 0 in the second half
        of_generator.param_groups[0]["lr"], of_discriminator.param_groups[0]["lr"] = rate * fade, 0.0005 * fade
        for _ in range(critic_steps):
            real, fake = ring[torch.randint(len(ring), (batch,))], gan.generator(torch.randn(batch, 2)).detach()
            loss = judge_loss(gan.judge(real), gan.judge(fake))
            if penalty:
                loss = loss + penalty * flatness(gan.discriminator, gan.packed(real), gan.packed(fake), torch.rand(batch // pack))
            of_discriminator.zero_grad()
            loss.backward()
            of_discriminator.step()
        of_generator.zero_grad()
        fool_loss(gan.judge(gan.generator(torch.randn(batch, 2))), False).backward()
        of_generator.step()
    gan.film = [*film[:5], gan.generator(z).detach()]
    return gan


def train_three(**chosen):
    """The same settings from three seeds."""
    return [train(**chosen, seed=seed) for seed in range(3)]


# %% [markdown]
# The first try. Each row is one seed, from the first step to the last: made points in red, and round each mode a circle within which a sample is good.

# %%
def show_films(gans):
    """Samples in the course of training, one row for each GAN."""
    figure, panels = plt.subplots(len(gans), 6, figsize=(11, 2 * len(gans)), sharex=True, sharey=True)
    for seed, (row, gan) in enumerate(zip(panels, gans)):
        for i, (axes, points) in enumerate(zip(row, gan.film)):
            for centre in centres:
                axes.add_patch(plt.Circle(tuple(centre), 4 * std, fill=False, color="0.6", linewidth=1))
            axes.scatter(*points.T, s=3, color="C1")
            axes.set(xlim=(-6, 6), ylim=(-6, 6), xticks=[], yticks=[], aspect="equal", title="" if seed else f"{i / 5:.0%} of the steps")
        row[0].set_ylabel(f"seed {seed}")
    plt.show()


def reached(gans):
    """What counts."""
    m = measure(gans, ring, centres, std)
    return f"{m['modes']} of 8 modes in the worst of three, {m['good']:.0%} good samples, ahead {m['ahead']:.2f}, moved {m['moved']:.1f}"


# %% tags=["nbval-ignore-output"]
first_try = train_three(rate=0.003)
show_films(first_try)
print(reached(first_try))


# %% [markdown]
# **Mode collapse.** The samples reach few of the modes: they lie in a clump, along a thin line or in a wedge. When the discriminator has found the place out,
# they move on to another, all together.
#
# **Your turn.** Find settings for which
#
# * the **worst** of the three GANs reaches **all 8 modes**, each with at least a tenth of its fair share of samples, and
# * **at least 85 %** of the samples are good: within four standard deviations of a mode.
#
# Four things can be changed, `rate` in any case. Each is said to cure a collapse. Here one helps more than the others, and none has been enough alone: it takes
# two, each of a suitable size. The discriminator's own rate stays at 0.0005.
#
# | setting | what it does | first try |
# |---|---|---|
# | `rate` | the generator's learning rate | 0.003 |
# | `critic_steps` | steps of the discriminator for each one of the generator (1 to 30); the sum of all steps stays the same | 1 |
# | `penalty` | the weight of your gradient penalty | 0 |
# | `pack` | how many samples lie side by side when the discriminator judges them, all real or all made (a divisor of 120, up to 10) | 1 |
#
# A try takes some seconds. Predict before you run: what can a discriminator see in a pack that it cannot see in a single sample? And what does a pack of 8
# cost, when the batch has 120 samples?
#
# Two more numbers are printed to help. **Ahead** is how often a real sample scores above a made one: ½ means that the discriminator is fooled, 1 that it sees
# through everything. **Moved** is how far a sample still travelled, on average, in the last two fifths of the
# training, in the units of the picture: neighbouring modes lie 2.3 apart.

# %% nbgrader={"grade": false, "grade_id": "settings", "locked": false, "schema_version": 3, "solution": true, "task": false}
def settings():
    """Your choice for train: a dict with rate, and critic_steps, penalty or pack if you like."""
    ### BEGIN SOLUTION
    return {"rate": 0.01, "pack": 2}
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_cure", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
gans = globals().get("first_try")  # stands in for yours if the next line fails
chosen = CURE.chosen(settings)
gans = train_three(**chosen)
CURE.check(measure(gans, ring, centres, std), chosen)

# %% nbgrader={"grade": true, "grade_id": "grade_cure", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
# Grading draws other samples from your GANs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.gans import CURE, measure

chosen = CURE.chosen(settings)
CURE.check(measure(gans, ring, centres, std), chosen)
CURE.check(measure(gans, new_ring, centres, std, part=1), chosen, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Your GANs in the course of their training. Keep the numbers for task 7, and those of a try that failed.

# %% tags=["nbval-ignore-output"]
try:
    CURE.chosen(settings)
    print(f"yours: {reached(gans)}")
except CheckFailed:
    print("Your settings are not there yet, so the first try stands in for yours below.")
show_films(gans)


# %% [markdown] nbgrader={"grade": false, "grade_id": "written_question", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Task 7 · In your own words
#
# **2 points · 10 minutes · ★★☆** · graded by hand
#
# About 180 words in all. Use what you measured.
#
# 1. (1 point) In the first try, the samples of a GAN lie in a clump or along a line and miss most modes. Why does a discriminator that judges one sample at a
#    time not punish that? What does it see in a pack of two?
# 2. (½ point) Name one change of yours that did not cure the collapse, with its settings and numbers, and say why it did not.
# 3. (½ point) In task 2 your divergence is flat where the densities no longer overlap. What does that mean for the generator, and what does the critic of task 3
#    do better there?

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_answer", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# 1. Each single sample is as real as the data of that mode, so no single judgement is wrong: only the lack of variety is, and a discriminator that sees one
#    sample at a time cannot see variety. (Once the place is known as fake, the score is highest somewhere else, and as samples that lie close together get nearly
#    the same gradient, they all go.) In a pack of two from the data the points mostly lie in different modes; two points in one place are suspicious.
# 2. A penalty of 10: 0 of 8 modes, no good samples. It holds the discriminator flat, so it follows a moving generator even more slowly. Or a generator's rate
#    of 0.01 without a pack: 0 modes in the worst of three. Faster steps only make it change places sooner.
# 3. The value does not change when the generator moves, so its gradient is zero: it stands still. The score of a critic whose slope is held at 1 rises
#    evenly from the made to the real, at any distance, so there is a direction to go.
#
# **Marking guide (2 points).** One half point each for: (1a) single samples look real, variety is not visible to a judge of single samples; (1b) two points in one
# place are suspicious in a pack; (2) a change that failed, with settings, numbers and a reason that fits them, not a hint of the check in other words; (3) no
# gradient where JS is flat, and a slope at any distance for the critic. Accept any wording and the student's own numbers. Give no credit for "the generator
# overfits" or "more training is needed".

# %% [markdown]
# ## More, if you like
#
# **no points · 15 minutes · ★★☆**
#
# **Minibatch discrimination** is another way to let the discriminator see variety. Each sample i is turned into some short codes $m_{i1},m_{i2},\dots$, one for
# each of K kernels. Its closeness to the rest of the batch is
#
# $$o_{ik}=\sum_{j\ne i}\exp\left(-\lVert m_{ik}-m_{jk}\rVert_1\right),$$
#
# where $\lVert\cdot\rVert_1$ adds up absolute values. The discriminator gets these numbers beside the sample's own features.

# %% nbgrader={"grade": false, "grade_id": "closeness", "locked": false, "schema_version": 3, "solution": true, "task": false}
def closeness(m):
    """How close each sample is to the others of its batch.

    m: (batch, kernels, size), the codes of each sample
    Returns: (batch, kernels)
    """
    ### BEGIN SOLUTION
    distance = (m[:, None] - m[None]).abs().sum(3)
    return (-distance).exp().sum(1) - 1  # less its closeness to itself
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_closeness", "locked": true, "schema_version": 3, "solution": false, "task": false}
CLOSENESS.check(closeness)

# %% [markdown]
# Does it give a collapsed batch away? Here the points themselves are the codes. A clump stands out at once. Samples along a line or in a wedge do so less,
# though they too are mostly closer to each other than data. Compare with the pictures of task 6.

# %% tags=["nbval-ignore-output"]
near = CLOSENESS.yours_or_ours(globals())
torch.manual_seed(0)
with torch.no_grad():
    batches = {"data": ring[:120]}
    for name, three in (("first try", first_try), ("yours", gans)):
        batches |= {f"{name}, seed {seed}": gan.generator(torch.randn(120, 2)) for seed, gan in enumerate(three)}
for name, batch in batches.items():
    print(f"{name:17} mean closeness {near(batch[:, None]).mean():5.1f} of 119")


# %% [markdown]
# **A judge of patches.** When a GAN turns one picture into another, outlines into photographs say, the whole is given, and what has to look real is the
# texture. So a **PatchGAN** gives a score to each patch: its output is an image of scores. How many pixels wide is the patch that one score sees? Layer l has a
# kernel of $k_l$ and a stride of $s_l$:
#
# $$r=1+\sum_{l=1}^{L}(k_l-1)\prod_{i<l}s_i .$$

# %% nbgrader={"grade": false, "grade_id": "receptive_field", "locked": false, "schema_version": 3, "solution": true, "task": false}
def receptive_field(layers):
    """The side of the patch that one output pixel sees.

    layers: a list of (kernel, stride), from the image on
    Returns: a whole number
    """
    ### BEGIN SOLUTION
    side, step = 1, 1
    for kernel, stride in layers:
        side += (kernel - 1) * step
        step *= stride
    return side
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_receptive_field", "locked": true, "schema_version": 3, "solution": false, "task": false}
RECEPTIVE.check(receptive_field)

# %% [markdown]
# The discriminator of pix2pix, cut off after each of its layers. Its full patch is the 70×70 of the paper.

# %%
patch = RECEPTIVE.yours_or_ours(globals())
layers = [(4, 2), (4, 2), (4, 2), (4, 1), (4, 1)]
print("  ".join(f"{n} layers: {patch(layers[:n])}" for n in range(1, 6)))
