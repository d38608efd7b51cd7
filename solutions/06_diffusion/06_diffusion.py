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
# # Exercise 6 · From noise, step by step
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/exercises/06_diffusion/06_diffusion.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/exercises/06_diffusion/06_diffusion.ipynb)
#
# You write the parts of a diffusion model: how data drown in noise, the way back if the data were known, a sampler that may leave out steps, the loss, guidance
# by a label, in-painting, and flow matching. On the way you put hats and dark glasses on faces. Then you look for a sampler that makes do with six evaluations. The lecture is `notebooks/06_diffusion.ipynb`.
#
# | task | what you do | points | minutes | difficulty |
# |---|---|---|---|---|
# | 1 | from data to noise | 3 | 10 | ★☆☆ |
# | 2 | back, if the data were known | 3 | 10 | ★★☆ |
# | 3 | one step of DDIM | 3 | 15 | ★★★ |
# | 4 | the loss | 2 | 10 | ★★☆ |
# | 5 | guidance and in-painting | 2 | 10 | ★★☆ |
# | 6 | flow matching | 3 | 10 | ★★☆ |
# | 7 | few steps, an experiment | 2 | 15 | ★★★ |
# | 8 | a written answer | 2 | 10 | ★★☆ |
#
# **How it works.** Replace each `raise NotImplementedError()` with your code and run the check below it. A check prints `✓`, or one line that says what is
# wrong. Grading runs the same checks again with other inputs. Write the answers with PyTorch and your own functions: a check notices when an answer runs code
# from `course_lib`. The loss of task 4 must also pass gradients on to the network: its check looks at them. Add cells as you like, but do not copy, delete or
# change the type of the cells that are here.
#
# **Notation.** x data (or $x_0$), ε normal noise, and $x_t=\alpha(t)\,x+\sigma(t)\,\varepsilon$ for t from 0 (data) to 1 (noise). $\bar\alpha=\alpha^2$ is the
# share of the variance that is data; in tasks 1 to 5 the noise has the rest, $\sigma^2=1-\bar\alpha$. A chain of T steps numbers its times from 0 to T, and a
# **table** holds ᾱ for each of them, with 1 at place 0.

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
from torch import nn
from torch.nn import functional as F

from course_lib import checkpoints
from course_lib.datasets import faces
from course_lib.grading import CheckFailed
from course_lib.grading.diffusion import (
    COSINE,
    DDIM,
    ESTIMATES,
    EULER,
    FEW,
    FILL,
    GUIDED,
    LOSS,
    NOISED,
    PATH,
    POSTERIOR,
    measure,
    sliced_distance,
    spread,
)
from course_lib.plotting import show_images

torch.set_num_threads(1)  # what is computed here is small


# %% [markdown]
# ## Task 1 · From data to noise
#
# **3 points · 10 minutes · ★☆☆**
#
# ### 1a · Noise in one go (1 point)
#
# A chain adds a little noise at each step. Sums of normal noise are normal, so one can jump to any t at once:
#
# $$x_t=\sqrt{\bar\alpha}\;x+\sqrt{1-\bar\alpha}\;\varepsilon.$$
#
# In training each example of a batch has its own t, and so its own ᾱ. The examples may be points or images.

# %% nbgrader={"grade": false, "grade_id": "noised", "locked": false, "schema_version": 3, "solution": true, "task": false}
def noised(x, alpha_bar, noise):
    """x_t in one go.

    x: (batch, ...), with one further axis (points) or more (images: three)
    alpha_bar: (batch,), from 0 to 1
    noise: as x
    Returns: as x
    """
    ### BEGIN SOLUTION
    share = alpha_bar.view(-1, *[1] * (x.ndim - 1))
    return share.sqrt() * x + (1 - share).sqrt() * noise
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_noised", "locked": true, "schema_version": 3, "solution": false, "task": false}
NOISED.check(noised)

# %% nbgrader={"grade": true, "grade_id": "grade_noised", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.diffusion import NOISED

NOISED.check(
    noised,
    hidden=lambda: [
        (grid(3, 3).sin(), torch.tensor([0.4, 0.0, 0.95]), (4 * grid(3, 3)).cos()),
        (grid(4, 1, 4, 4).flip(2), torch.tensor([0.04, 0.3, 0.62, 0.99]), (7 * grid(4, 1, 4, 4)).sin()),
        (2 * grid(5, 5), torch.tensor([0.11, 1.0, 0.5, 0.77, 0.02]), (2 * grid(5, 5)).sin()),
        (grid(2, 2, 2).sin(), torch.tensor([0.21, 0.83]), (3 * grid(2, 2, 2)).cos()),
        (grid(2, 1, 2, 1, 2).cos(), torch.tensor([0.73, 0.08]), (6 * grid(2, 1, 2, 1, 2)).sin()),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Three faces with the same noise, at ten values of ᾱ. Predict first: what drowns last, the colours, the glasses or the mood?

# %% tags=["nbval-ignore-output"]
add_noise = NOISED.yours_or_ours(globals())
texts = [
    "a smiling face with long red hair",
    "a sad face with dark glasses and a green shirt",
    "a smiling face with a beard and a blue hat",
]
pictures = faces.draw(torch.stack([faces.row(faces.parse(text)) for text in texts])) / 127.5 - 1
noise = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
shares = [1, 0.9, 0.8, 0.65, 0.5, 0.35, 0.2, 0.1, 0.05, 0]
rows = torch.stack([add_noise(pictures, torch.full((3,), share), noise) for share in shares], 1)
show_images((rows.flatten(0, 1) / 2 + 0.5).clamp(0, 1), columns=10, size=0.9)
print("ᾱ:", *shares)


# %% [markdown]
# ### 1b · The cosine schedule (2 points)
#
# A schedule says how ᾱ falls. That of DDPM, the model of 2020 that made diffusion known, spends a third of its time on what is nearly pure noise. The cosine
# schedule falls more evenly:
#
# $$\bar\alpha(t)=\frac{f(t)}{f(0)},\qquad f(t)=\cos^2\!\left(\frac{t+\delta}{1+\delta}\cdot\frac\pi2\right),\qquad \text{SNR}(t)=\frac{\bar\alpha}{1-\bar\alpha}.$$
#
# δ is a small **offset**. At t = 1 the cosine reaches 0, and a sampler would divide by 0: so ᾱ is held at `least` or above. SNR is the signal-to-noise ratio, that
# of the ᾱ so held. `torch.cos` takes tensors and `math.cos` numbers: t is a tensor, f(0) a number.

# %% nbgrader={"grade": false, "grade_id": "cosine_schedule", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cosine_schedule(t, offset, least):
    """ᾱ and the signal-to-noise ratio of the cosine schedule.

    t: times above 0, up to 1, a tensor of any shape; it may have no axes, or several
    offset: δ, a number
    least: a number; no ᾱ is smaller
    Returns: (ᾱ, SNR), both as t
    """

    ### BEGIN SOLUTION
    def f(t):
        return math.cos((t + offset) / (1 + offset) * math.pi / 2) ** 2

    alpha_bar = torch.cos((t + offset) / (1 + offset) * math.pi / 2).square() / f(0)
    alpha_bar = alpha_bar.clamp(min=least)
    return alpha_bar, alpha_bar / (1 - alpha_bar)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_cosine_schedule", "locked": true, "schema_version": 3, "solution": false, "task": false}
COSINE.check(cosine_schedule)

# %% nbgrader={"grade": true, "grade_id": "grade_cosine_schedule", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.diffusion import COSINE

COSINE.check(
    cosine_schedule,
    hidden=lambda: [
        (torch.tensor([0.55, 1.0, 0.25]), 0.07, 0.001),
        (torch.tensor([0.35, 0.8, 0.93, 0.6, 0.2]), 0.15, 0.004),
        (torch.tensor([0.96, 0.5, 0.09]), 0.08, 0.07),
        (torch.tensor([0.7, 1.2e-3], dtype=torch.float64), 0.007, 2e-4),
        (torch.tensor([[0.85, 0.35], [1.0, 0.5], [0.2, 0.95]]), 0.12, 0.006),
        (torch.tensor(0.45), 0.09, 0.003),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Your schedule beside DDPM's, in which the rate of noise grows linearly. Predict first: at which t is the picture lost, SNR below 0.01, with each of them?

# %% tags=["nbval-ignore-output"]
cosine = COSINE.yours_or_ours(globals())
t = torch.linspace(0.01, 1, 200)
linear = torch.exp(-0.1 * t - 9.95 * t**2).clamp(min=1e-4)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 2.8))
for name, (share, snr) in {"cosine": cosine(t, 0.008, 1e-4), "linear rate": (linear, linear / (1 - linear))}.items():
    left.plot(t, share, label=name)
    right.semilogy(t, snr, label=name)
right.axhline(0.01, color="black", linestyle=":")
left.set(xlabel="t", ylabel="ᾱ")
right.set(xlabel="t", ylabel="SNR")
left.legend()
plt.show()


# %% [markdown]
# ## Task 2 · Back, if the data were known
#
# **3 points · 10 minutes · ★★☆**
#
# Generating goes backwards, from time t to an earlier time s < t. If x were known, Bayes' rule would say how $x_s$ is distributed, given $x_t$: this is the
# **posterior** q. Write $\bar\alpha_t$ for ᾱ at time t, and $r=\bar\alpha_t/\bar\alpha_s$ for the share that survives the way from s to t. Each number in $x_s$ is normal,
# with mean m and variance v:
#
# $$q(x_s\mid x_t,x)=\mathcal N(m,v),\qquad m=\frac{\sqrt r\,(1-\bar\alpha_s)}{1-\bar\alpha_t}\,x_t+\frac{\sqrt{\bar\alpha_s}\,(1-r)}{1-\bar\alpha_t}\,x,\qquad
# v=\frac{(1-r)(1-\bar\alpha_s)}{1-\bar\alpha_t}.$$
#
# It holds for any s < t, so a sampler may leave out steps. At s = 0 nothing is left open.

# %% nbgrader={"grade": false, "grade_id": "posterior", "locked": false, "schema_version": 3, "solution": true, "task": false}
def posterior(x, x_t, alpha_bar, s, t):
    """Mean and variance of x_s, given x_t and the data.

    x, x_t: (batch, ...)
    alpha_bar: (T + 1,), the table of ᾱ, with 1 at place 0
    s, t: whole numbers, 0 ≤ s < t ≤ T
    Returns: (mean, variance), mean as x, variance a number or a tensor without axes
    """
    ### BEGIN SOLUTION
    bar_s, bar_t = alpha_bar[s], alpha_bar[t]
    r = bar_t / bar_s
    mean = (r.sqrt() * (1 - bar_s) * x_t + bar_s.sqrt() * (1 - r) * x) / (1 - bar_t)
    return mean, (1 - r) * (1 - bar_s) / (1 - bar_t)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_posterior", "locked": true, "schema_version": 3, "solution": false, "task": false}
POSTERIOR.check(posterior)

# %% nbgrader={"grade": true, "grade_id": "grade_posterior", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.diffusion import POSTERIOR

OTHER = torch.tensor([1.0, 0.85, 0.8, 0.5, 0.36, 0.2, 0.09, 0.01])
POSTERIOR.check(
    posterior,
    hidden=lambda: [
        (grid(2, 4), (3 * grid(2, 4)).sin(), OTHER, 4, 5),
        (grid(3, 1, 2, 2).cos(), grid(3, 1, 2, 2), OTHER, 3, 7),
        (grid(3, 3), (2 * grid(3, 3)).sin(), OTHER, 0, 4),
        (grid(2, 2), grid(2, 2).flip(0).sin(), OTHER, 2, 6),
        (grid(1, 5), grid(1, 5).cos(), OTHER, 1, 2),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Data at 0.8, and a place at time t = 0.8 that is known to be −1.2. Below is all that is between: the mean, and two standard deviations to each side.
# Predict first: where is the band widest, and where does it close?

# %% tags=["nbval-ignore-output"]
between, cosine = (task.yours_or_ours(globals()) for task in (POSTERIOR, COSINE))
table = torch.cat([torch.ones(1), cosine(torch.arange(1, 101) / 100, 0.008, 1e-4)[0]])
known, seen = torch.tensor([[0.8]]), torch.tensor([[-1.2]])
means, variances = zip(*(between(known, seen, table, s, 80) for s in range(80)))
mean = torch.cat([*means, seen])[:, 0]  # at s = t it is what was seen, without doubt
deviation = torch.tensor([*map(float, variances), 0.0]).sqrt()
s = torch.arange(81) / 100
figure, axes = plt.subplots(figsize=(9, 2.8))
axes.fill_between(s, mean - 2 * deviation, mean + 2 * deviation, alpha=0.25)
axes.plot(s, mean)
axes.scatter([0, 0.8], [0.8, -1.2], color="black", zorder=3)
axes.set(xlabel="s", ylabel="$x_s$")
plt.show()


# %% [markdown]
# ## Task 3 · One step of DDIM
#
# **3 points · 15 minutes · ★★★**
#
# x is not known, but a network guesses it. It says what the noise in $x_t$ is, and from that follows x. Two samplers share the step that comes next: DDPM's draws
# new noise, DDIM's (denoising diffusion implicit models) need not.
#
# ### 3a · Two estimates that fit (1 point)
#
# Solve $x_t=\sqrt{\bar\alpha}\,x+\sqrt{1-\bar\alpha}\,\varepsilon$ for x. A pixel lies in [−1, 1], so **clip** x: what lies outside moves to −1 or 1.
# Then the network's noise no longer goes with it: return the noise that makes $x_t$ together with the clipped x.

# %% nbgrader={"grade": false, "grade_id": "estimates", "locked": false, "schema_version": 3, "solution": true, "task": false}
def estimates(x_t, noise, alpha_bar):
    """The data and the noise in x_t, by what the network says.

    x_t: (batch, ...)
    noise: as x_t, what the network takes for the noise
    alpha_bar: a number, above 0 and below 1
    Returns: (x, noise), both as x_t; x in [−1, 1], and the two make x_t
    """
    ### BEGIN SOLUTION
    alpha, sigma = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    x = ((x_t - sigma * noise) / alpha).clamp(-1, 1)
    return x, (x_t - alpha * x) / sigma
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_estimates", "locked": true, "schema_version": 3, "solution": false, "task": false}
ESTIMATES.check(estimates)

# %% nbgrader={"grade": true, "grade_id": "grade_estimates", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.diffusion import ESTIMATES

ESTIMATES.check(
    estimates,
    hidden=lambda: [
        (grid(3, 3).flip(0), 1.9 * (5 * grid(3, 3)).sin(), 0.3),
        (grid(2, 2, 2, 3), 2.5 * (4 * grid(2, 2, 2, 3)).cos(), 0.7),
        (2 * grid(1, 6), 1.5 * (2 * grid(1, 6)).sin(), 0.97),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 3b · The step (2 points)
#
# A chain walks through a list of times that falls to 0. The gaps need not be equal. Step i leads from t = `times[i]` to the **next** one, s = `times[i + 1]`:
#
# $$x_s=\sqrt{\bar\alpha_s}\;x+\sqrt{1-\bar\alpha_s-v}\;\varepsilon+\sqrt v\;\varepsilon_\text{fresh},\qquad v=\eta^2\,\frac{(1-r)(1-\bar\alpha_s)}{1-\bar\alpha_t},\qquad
# r=\frac{\bar\alpha_t}{\bar\alpha_s}.$$
#
# With η = 0 no chance is left: that is DDIM. With η = 1 it is DDPM, the posterior of task 2 with the guess in the place of x.

# %% nbgrader={"grade": false, "grade_id": "ddim_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ddim_step(x, noise, alpha_bar, times, i, eta, fresh):
    """x_s from the estimates of the data and the noise.

    x, noise: (batch, ...), the two estimates at time times[i]
    alpha_bar: (T + 1,), the table of ᾱ, with 1 at place 0
    times: whole numbers up to T that fall to 0, a list
    i: the number of the step, from 0
    eta: a number from 0 to 1
    fresh: as x, new normal noise
    Returns: as x
    """
    ### BEGIN SOLUTION
    bar_t, bar_s = alpha_bar[times[i]], alpha_bar[times[i + 1]]
    variance = eta**2 * (1 - bar_t / bar_s) * (1 - bar_s) / (1 - bar_t)
    return bar_s.sqrt() * x + (1 - bar_s - variance).sqrt() * noise + variance.sqrt() * fresh
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_ddim_step", "locked": true, "schema_version": 3, "solution": false, "task": false}
DDIM.check(ddim_step)

# %% nbgrader={"grade": true, "grade_id": "grade_ddim_step", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.diffusion import DDIM

OTHER = torch.tensor([1.0, 0.85, 0.8, 0.5, 0.36, 0.2, 0.09, 0.01])
DDIM.check(
    ddim_step,
    hidden=lambda: [
        (grid(2, 3), (2 * grid(2, 3)).sin(), OTHER, [7, 6, 3, 0], 1, 0.0, grid(2, 3).cos()),
        (grid(4, 2), (5 * grid(4, 2)).sin(), OTHER, [7, 5, 4, 1, 0], 1, 0.95, (3 * grid(4, 2)).cos()),
        (grid(3, 1, 2, 2).cos(), grid(3, 1, 2, 2), OTHER, [6, 5, 2, 0], 1, 0.25, (8 * grid(3, 1, 2, 2)).sin()),
        (grid(2, 2), grid(2, 2).flip(0), OTHER, [7, 4, 3, 0], 2, 0.7, grid(2, 2).sin()),
        (grid(3, 2), (3 * grid(3, 2)).cos(), OTHER, [7, 4, 2, 1, 0], 2, 0.8, (4 * grid(3, 2)).sin()),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# For a mixture of Gaussians the best guess of x is known exactly, so no network need be trained. Each cluster pulls with its share.

# %% nbgrader={"grade": false, "grade_id": "mixture", "locked": true, "schema_version": 3, "solution": false, "task": false}
class Mixture:
    """Gaussian clusters in the plane, of one width."""

    def __init__(self, means, weights, width):
        self.means = torch.as_tensor(means, dtype=torch.float64)
        self.weights = torch.as_tensor(weights, dtype=torch.float64) / sum(weights)
        self.width = width

    def denoise(self, x_t, alpha_bar):
        """The mean of x, given x_t, (n, 2)."""
        alpha, signal = alpha_bar**0.5, alpha_bar * self.width**2
        variance = signal + 1 - alpha_bar
        shares = (self.weights.log() - (x_t[:, None] - alpha * self.means).square().sum(2) / (2 * variance)).softmax(1)
        return ((1 - alpha_bar) * shares @ self.means + alpha * self.width**2 * x_t) / variance

    def draw(self, u):
        """Points of the mixture, one for each row of u (n, 3) in the unit cube."""
        which = torch.searchsorted(self.weights.cumsum(0), u[:, 0].contiguous()).clamp(max=len(self.weights) - 1)
        return self.means[which] + self.width * torch.special.ndtri(u[:, 1:])


def on_circle(n, turn=0.0, radii=0.8):
    """n places round the origin."""
    angles = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n + turn
    return torch.as_tensor(radii).reshape(-1, 1) * torch.stack([angles.cos(), angles.sin()], 1)


ring = Mixture(on_circle(8), [1, 2, 3, 4, 5, 6, 7, 8], 0.05)
cut, step = (task.yours_or_ours(globals()) for task in (ESTIMATES, DDIM))


def chain(noise_of, start, table, eta=0.0, seed=0):
    """All places from noise to data, (len(table), n, 2).

    noise_of: (x_t, ᾱ, number of the time) → the noise in x_t
    table: ᾱ at each time of the chain, from 1 down
    seed: of the fresh noise
    """
    times, generator = list(range(len(table)))[::-1], torch.Generator().manual_seed(seed)
    places = [start]
    for i, t in enumerate(times[:-1]):
        x, noise = cut(places[-1], noise_of(places[-1], table[t], t), float(table[t]))
        fresh = torch.randn(start.shape, generator=generator, dtype=start.dtype)
        places.append(step(x, noise, table, times, i, eta, fresh))
    return torch.stack(places)


def exact(mixture):
    """The noise in x_t by the exact denoiser."""
    return lambda x_t, alpha_bar, *_: (x_t - alpha_bar**0.5 * mixture.denoise(x_t, alpha_bar)) / (1 - alpha_bar) ** 0.5


# %% [markdown]
# Four points of noise, each sent on its way three times, in 40 steps. Predict first: for η = 0, how many different ends will each have?

# %% tags=["nbval-ignore-output"]
cosine = COSINE.yours_or_ours(globals())
table = torch.cat([torch.ones(1), cosine(torch.arange(1, 41) / 40, 0.008, 1e-4)[0]]).double()
start = torch.tensor([[1.2, 0.4], [-0.3, 1.5], [-1.0, -0.8], [0.5, -1.4]], dtype=torch.float64).repeat(3, 1)
clusters = ring.draw(spread(500, 3))
figure, panels = plt.subplots(1, 3, figsize=(11, 3.6))
for axes, eta in zip(panels, (0.0, 0.5, 1.0)):
    paths = chain(exact(ring), start, table, eta)
    axes.scatter(*clusters.T, s=2, color="0.75")
    for path in range(len(start)):
        axes.plot(*paths[:, path].T, color=f"C{path % 4}", linewidth=0.6)
        axes.scatter(*paths[-1, path], color=f"C{path % 4}", s=40, zorder=3)
    axes.scatter(*start[:4].T, color="black", marker="x", zorder=3)
    axes.set(title=f"η = {eta}", xlim=(-2, 2), ylim=(-2, 2), aspect="equal")
plt.show()


# %% [markdown]
# ## Task 4 · The loss
#
# **2 points · 10 minutes · ★★☆**
#
# A network $\hat\varepsilon$ learns to say the noise from $x_t$ and t. For each batch: draw a t for **each example**, uniform in [0, 1); draw fresh normal noise; noise the
# data; compare. The loss is the mean over all numbers of the batch,
#
# $$L=\operatorname{mean}\left(\hat\varepsilon(x_t,t)-\varepsilon\right)^2.$$
#
# So that the check knows what you draw, the two functions to draw with are given. They are called as `torch.rand` and `torch.randn` are: `rand(n)`, `randn(x.shape)`.
# Draw with each of them **once**, for the whole batch, and take the numbers as they come.

# %% nbgrader={"grade": false, "grade_id": "loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def loss(network, x, alpha_bar, rand, randn):
    """What training makes small.

    network: (x_t, t) → the noise that it sees in x_t, as x_t; t is (batch,)
    x: (batch, ...)
    alpha_bar: a function, t (batch,) → ᾱ (batch,)
    rand, randn: draw uniform and normal numbers, of the shape that they are given
    Returns: a tensor without axes
    """
    ### BEGIN SOLUTION
    t, noise = rand(len(x)), randn(x.shape)
    share = alpha_bar(t).view(-1, *[1] * (x.ndim - 1))
    x_t = share.sqrt() * x + (1 - share).sqrt() * noise
    return F.mse_loss(network(x_t, t), noise)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_loss", "locked": true, "schema_version": 3, "solution": false, "task": false}
LOSS.check(loss)

# %% nbgrader={"grade": true, "grade_id": "grade_loss", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.diffusion import LOSS
from course_lib.grading.fixtures import Denoiser, Draws, cosine_bar, linear_bar

LOSS.check(
    loss,
    hidden=lambda: [
        (Denoiser(3, phase=-0.4), grid(6, 3).sin(), linear_bar, Draws(0.23, ends=True), Draws(0.61, normal=True, ends=True)),
        (Denoiser(1, 4, 2, phase=0.9), grid(4, 1, 4, 2), cosine_bar, Draws(0.81, ends=True), Draws(0.17, normal=True, ends=True)),
        (Denoiser(3, 2, phase=1.6), grid(3, 3, 2).cos(), linear_bar, Draws(0.43), Draws(0.37, normal=True, ends=True)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# A small network learns three clusters by your loss, and your sampler draws from it. Predict first: which loss has a network that always says 0? And why can the loss
# not fall to 0? The network is small, and smears the rarest cluster, on the right: that is its error, not yours.

# %% tags=["nbval-ignore-output"]
train_on, cosine = (task.yours_or_ours(globals()) for task in (LOSS, COSINE))


class Guess(nn.Module):
    """(x_t, t) → noise."""

    def __init__(self, width=64):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2))

    def forward(self, x, t):
        x, angle = x.float(), t.reshape(-1, 1) * math.pi / 2
        waves = [(angle * k).cos() for k in range(1, 7)]
        return angle.sin() * x + angle.cos() * self.layers(torch.cat([2 * x, *waves], 1))  # so it need not be steep at small t


torch.manual_seed(0)
guess, losses = Guess(), []
optimiser = torch.optim.Adam(guess.parameters(), lr=0.01)
points = Mixture(on_circle(3, radii=0.6), [1, 2, 3], 0.12).draw(spread(4000, 3)).float()
for i in range(600):
    optimiser.param_groups[0]["lr"] = 0.01 * (1 + math.cos(math.pi * i / 600)) / 2
    batch = points[torch.randint(len(points), (500,))]
    optimiser.zero_grad()
    value = train_on(guess, batch, lambda t: cosine(t, 0.008, 1e-4)[0], torch.rand, torch.randn)
    value.backward()
    optimiser.step()
    losses.append(float(value.detach()))

table = torch.cat([torch.ones(1), cosine(torch.arange(1, 101) / 100, 0.008, 1e-4)[0]])
with torch.no_grad():
    drawn = chain(lambda x_t, alpha_bar, t: guess(x_t, torch.full((len(x_t),), t / 100)), torch.randn(1000, 2), table)[-1]
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.2), width_ratios=[1.6, 1, 1])
left.plot(losses)
left.set(xlabel="step", ylabel="loss", ylim=(0, 1.1))
for axes, cloud, title in ((middle, points[:1000], "data"), (right, drawn, "drawn")):
    axes.scatter(*cloud.T, s=2)
    axes.set(title=title, xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal")
plt.show()


# %% [markdown]
# ## Task 5 · Guidance and in-painting
#
# **2 points · 10 minutes · ★★☆**
#
# A network that is also told a label y, and in training now and then is not, can be asked twice: with y, and with nothing told. The difference is what y changes,
# and **classifier-free guidance** stretches it by a weight w:
#
# $$\hat\varepsilon=\hat\varepsilon(x_t,t,\varnothing)+w\,\big(\hat\varepsilon(x_t,t,y)-\hat\varepsilon(x_t,t,\varnothing)\big).$$
#
# Here w = 0 ignores y and w = 1 is the network with y, plain. Papers differ: in some, w is one less. Labels run from 0 to K − 1, and ∅, “not told”, is one label
# more: the number K.
#
# ### 5a · The combination (1 point)

# %% nbgrader={"grade": false, "grade_id": "guided", "locked": false, "schema_version": 3, "solution": true, "task": false}
def guided(network, x_t, t, y, classes, w):
    """The noise in x_t, with the label stressed.

    network: (x_t, t, y) → noise, as x_t
    x_t: (batch, ...)
    t: (batch,)
    y: (batch,), whole numbers from 0 to classes − 1
    classes: K, a number; as a label it means “not told”
    w: the weight, a number from 0 on
    Returns: as x_t
    """
    ### BEGIN SOLUTION
    told = network(x_t, t, y)
    untold = network(x_t, t, torch.full_like(y, classes))
    return untold + w * (told - untold)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_guided", "locked": true, "schema_version": 3, "solution": false, "task": false}
GUIDED.check(guided)

# %% nbgrader={"grade": true, "grade_id": "grade_guided", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.diffusion import GUIDED
from course_lib.grading.fixtures import Denoiser

GUIDED.check(
    guided,
    hidden=lambda: [
        (Denoiser(2, phase=-0.5, labels=6), grid(4, 2).cos(), grid(4, low=0.2, high=0.9), torch.tensor([0, 3, 2, 1]), 5, 2.5),
        (Denoiser(1, 2, 2, phase=0.8, labels=4), grid(3, 1, 2, 2), grid(3, low=0.1, high=0.6), torch.tensor([1, 0, 2]), 3, 0.4),
        (Denoiser(3, phase=1.1, labels=5), grid(2, 3).sin(), grid(2, low=0.4, high=0.8), torch.tensor([2, 0]), 4, 0.0),
        (Denoiser(2, phase=0.4, labels=7), grid(3, 2), grid(3, low=0.3, high=0.9), torch.tensor([4, 1, 1]), 6, 1.7),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Three clusters that overlap, each a class. The exact denoisers stand for the network, and class 0 is asked for. Predict first: with a larger w, what becomes of
# the mean of the points, and what of their spread?

# %% tags=["nbval-ignore-output"]
guide, cosine = (task.yours_or_ours(globals()) for task in (GUIDED, COSINE))
wide = Mixture(on_circle(3, turn=math.pi / 2, radii=0.35), [1, 1, 1], 0.2)
alone = [Mixture(wide.means[[k]], [1], 0.2) for k in range(3)]
table = torch.cat([torch.ones(1), cosine(torch.arange(1, 41) / 40, 0.008, 1e-4)[0]]).double()


def say(x_t, t, y):
    """The noise, by the label; label 3 is “not told”."""
    said = torch.stack([exact(model)(x_t, table[int(t[0])]) for model in (*alone, wide)])
    return said[y, torch.arange(len(y))]


start = torch.special.ndtri(spread(600, 2))
zeros = torch.zeros(600, dtype=torch.long)
figure, panels = plt.subplots(1, 4, figsize=(12, 3))
for axes, w in zip(panels, (0.0, 1.0, 2.0, 4.0)):
    drawn = chain(lambda x_t, alpha_bar, t, w=w: guide(say, x_t, torch.full((600,), t), zeros, 3, w), start, table)[-1]
    axes.scatter(*wide.draw(spread(600, 3)).T, s=2, color="0.8")
    axes.scatter(*drawn.T, s=2)
    axes.set(title=f"w = {w:.0f}: spread {drawn.std(0).mean():.2f}", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
plt.show()


# %% [markdown]
# ### 5b · Fill in what is hidden (1 point)
#
# Of a picture x some pixels are known, the others are hidden. **In-painting** fills them in, with any sampler. After each step, from t to s, all pixels are at time s.
# Then put the known ones in, where $m=1$ (`mask` is True), as noisy as the rest, with noise ε that is drawn anew:
#
# $$x_s\;\leftarrow\;m\left(\sqrt{\bar\alpha_s}\;x+\sqrt{1-\bar\alpha_s}\;\varepsilon\right)+(1-m)\,x_s.$$
#
# The next step sees them, so what is hidden comes to fit what is known. As in task 4, `randn` stands for `torch.randn`: call it once after each step, for all pixels of the
# batch.

# %% nbgrader={"grade": false, "grade_id": "fill_in", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fill_in(step, x, known, mask, alpha_bar, times, randn):
    """Pictures that are as they are known to be, with the rest made up.

    step: (x_t, t, s) → x_s, a step of some sampler
    x: (batch, colours, height, width), the noise to begin with, x_t at times[0]
    known: as x, the pictures without noise; what they hold in hidden pixels has no meaning
    mask: (height, width), truth values, True where a pixel is known
    alpha_bar: (T + 1,), the table of ᾱ, with 1 at place 0
    times: whole numbers up to T that fall, a list
    randn: draws normal numbers, of the shape that it is given
    Returns: as x, the pictures at times[-1]
    """
    ### BEGIN SOLUTION
    for t, s in zip(times[:-1], times[1:]):
        noisy = alpha_bar[s].sqrt() * known + (1 - alpha_bar[s]).sqrt() * randn(known.shape)
        x = torch.where(mask, noisy, step(x, t, s))
    return x
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_fill_in", "locked": true, "schema_version": 3, "solution": false, "task": false}
FILL.check(fill_in)

# %% nbgrader={"grade": true, "grade_id": "grade_fill_in", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.diffusion import FILL
from course_lib.grading.fixtures import Draws, Mixer

OTHER = torch.tensor([1.0, 0.85, 0.8, 0.5, 0.36, 0.2, 0.09, 0.01])
CORNER = torch.tensor([[True, True, False], [True, False, False], [False, False, False]])
FILL.check(
    fill_in,
    hidden=lambda: [
        (Mixer(0.8), (4 * grid(2, 3, 3, 3)).cos(), grid(2, 3, 3, 3), CORNER, OTHER, [7, 6, 3, 1, 0], Draws(0.43, normal=True)),
        (Mixer(1.2), grid(3, 2, 3, 3), (6 * grid(3, 2, 3, 3)).sin(), ~CORNER, OTHER, [6, 4, 3, 0], Draws(0.21, normal=True)),
        (Mixer(0.6), grid(1, 3, 2, 3).sin(), (2 * grid(1, 3, 2, 3)).cos(), CORNER[:2], OTHER, [5, 4, 2, 1], Draws(0.86, normal=True)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Now all that you have written works together, on faces. The network knows the words of captions, any of which may be “not told”, and your `guided`, `estimates` and
# `ddim_step` make its sampler. Your `fill_in` keeps what is not grey. The last two rows tell no word at all. Predict first: will the right half of a face fit the left?
#
# Then change the wishes: words of captions, such as "a beard" or "light glasses", go with any of the three holes.

# %% tags=["nbval-ignore-output"]
fill, guide, cosine, cut, step = (task.yours_or_ours(globals()) for task in (FILL, GUIDED, COSINE, ESTIMATES, DDIM))
network = checkpoints.load("diffusion_faces").requires_grad_(False)
table = torch.cat([torch.ones(1), cosine(torch.arange(1, 21) / 20, 0.008, 1e-4)[0]])
factors = faces.random_factors(10, seed=6, hat="none", glasses="none", beard="none")
true_words, portraits = faces.attributes(factors), faces.draw(factors) / 255
holes = {name: torch.zeros(16, 16, dtype=torch.bool) for name in ("eyes", "top", "right")}
holes["eyes"][4:9, 2:14] = holes["top"][:5] = holes["right"][:, 8:] = True


def told(wish):
    """The faces' own words, but for what is wished for; without a wish none, −1."""
    words = true_words.clone() if wish else torch.full_like(true_words, -1)
    for name, word in faces.parse(wish).items() if wish else ():
        words[:, list(faces.ATTRIBUTES).index(name)] = faces.ATTRIBUTES[name].index(word)
    return words


def filled(hole, wish, w=2.0):
    """The faces with a hole filled in."""
    prompts = torch.cat([told(wish), torch.full((1, 10), -1)])  # the last is “not told”
    number = torch.arange(10)  # face i is told prompt i

    def say(x_t, t, y):
        return network.denoise(x_t, t, prompts[y])[1]

    def one_step(x_t, t, s):
        noise = guide(say, x_t, torch.full((10,), t / 20), number, 10, w)
        x, noise = cut(x_t, noise, float(table[t]))
        return step(x, noise, table, [t, s], 0, 1.0, torch.randn(x.shape))

    torch.manual_seed(0)
    start = torch.randn(portraits.shape)
    return fill(one_step, start, 2 * portraits - 1, ~holes[hole], table, list(range(20, -1, -1)), torch.randn) / 2 + 0.5


rows, names = [portraits], ["the faces"]
for hole, wish in (("eyes", "dark glasses"), ("top", "a green hat"), ("right", "")):
    rows += [torch.where(holes[hole], 0.8, portraits), filled(hole, wish)]
    names += ["hidden", wish or "nothing told"]
show_images(torch.cat(rows).clamp(0, 1), columns=10, size=0.8, row_labels=names)


# %% [markdown]
# ## Task 6 · Flow matching
#
# **3 points · 10 minutes · ★★☆**
#
# ### 6a · The path and its velocity (1 point)
#
# Another way from data to noise is a straight line, $x_t=(1-t)\,x+t\,\varepsilon$. A network learns the **velocity** u along it, $\mathrm dx_t/\mathrm dt$. As in all
# tasks before, t = 0 is the data and t = 1 the noise; some papers count the other way. Each example has its own t.

# %% nbgrader={"grade": false, "grade_id": "path_and_velocity", "locked": false, "schema_version": 3, "solution": true, "task": false}
def path_and_velocity(x, noise, t):
    """A place on the straight path, and the velocity there.

    x, noise: (batch, ...)
    t: (batch,), from 0 to 1
    Returns: (x_t, velocity), both as x
    """
    ### BEGIN SOLUTION
    t = t.view(-1, *[1] * (x.ndim - 1))
    return (1 - t) * x + t * noise, noise - x
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_path_and_velocity", "locked": true, "schema_version": 3, "solution": false, "task": false}
PATH.check(path_and_velocity)

# %% nbgrader={"grade": true, "grade_id": "grade_path_and_velocity", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.diffusion import PATH

PATH.check(
    path_and_velocity,
    hidden=lambda: [
        (grid(3, 3).flip(0), (4 * grid(3, 3)).cos(), torch.tensor([0.7, 0.0, 1.0])),
        (grid(2, 1, 2, 2), (6 * grid(2, 1, 2, 2)).sin(), torch.tensor([0.35, 0.95])),
        (grid(3, 3, 3).cos(), (2 * grid(3, 3, 3)).sin(), torch.tensor([0.15, 0.6, 0.45])),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 6b · Euler's steps (2 points)
#
# To generate, follow the velocity from noise back to data. Euler's step from t to the next time s takes the velocity where it is:
#
# $$x_s=x_t+(s-t)\,u(x_t,t).$$
#
# The times fall, and the gaps need not be equal.

# %% nbgrader={"grade": false, "grade_id": "integrate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def integrate(velocity, x, times):
    """Follow a velocity through all the times, one evaluation a step.

    velocity: (x, t) → as x; t is (batch,)
    x: (batch, ...), the place at times[0]
    times: numbers that fall, a list
    Returns: as x, the place at times[-1]
    """
    ### BEGIN SOLUTION
    for t, s in zip(times[:-1], times[1:]):
        x = x + (s - t) * velocity(x, torch.full((len(x),), t, dtype=x.dtype))
    return x
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_integrate", "locked": true, "schema_version": 3, "solution": false, "task": false}
EULER.check(integrate)

# %% nbgrader={"grade": true, "grade_id": "grade_integrate", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.diffusion import EULER
from course_lib.grading.fixtures import Field

EULER.check(
    integrate,
    hidden=lambda: [
        (Field(0.9), grid(4, 2), [1.0, 0.75, 0.2, 0.01, 0.0]),
        (Field(1.4), 3 * grid(2, 1, 3, 2), [0.9, 0.8, 0.45, 0.15]),
        (Field(0.7), grid(3, 3), [0.6, 0.1]),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# The exact velocity for the ring: the mean of all lines through a place. Predict first: each line is straight. Is what you follow straight too? What would two
# steps give? After one step all points lie in the same place, so that panel draws them larger.

# %% tags=["nbval-ignore-output"]
follow = EULER.yours_or_ours(globals())


def velocity(x_t, t):
    """(noise − data), by the exact denoiser; x_t / size has the variance 1 of the tasks before."""
    t = t[0]
    size = ((1 - t) ** 2 + t**2) ** 0.5
    return (x_t - ring.denoise(x_t / size, ((1 - t) / size) ** 2)) / t


start = torch.special.ndtri(spread(400, 2))
figure, panels = plt.subplots(1, 4, figsize=(12, 3.2))
for axes, steps in zip(panels, (1, 2, 6, 50)):
    times = torch.linspace(1, 0, steps + 1).tolist()
    places = torch.stack([follow(velocity, start, times[: i + 1]) for i in range(steps + 1)])
    axes.plot(*places[:, :40].permute(2, 0, 1), color="0.8", linewidth=0.6)
    axes.scatter(*places[-1].T, s=60 if steps == 1 else 3, zorder=3)
    axes.set(title=f"{steps} step{'s' * (steps > 1)}", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), aspect="equal")
plt.show()

# %% [markdown]
# ## Task 7 · Few steps
#
# **2 points · 15 minutes · ★★★**
#
# A network is large and a sampler asks it at every step: evaluations are what images cost. How few will do? Here the exact denoiser stands for the network, so
# what is wrong with the points is the sampler's fault alone. The **distance** is the mean difference of sorted coordinates, along 32 directions (sliced Wasserstein),
# between 1000 drawn points and 1000 that are spread evenly over the mixture. Two evenly spread sets of the mixture are about 0.005 apart. 1000 points drawn by
# chance come only to 0.01 to 0.04, and so does any sampler with fresh noise.

# %% nbgrader={"grade": false, "grade_id": "sampler", "locked": true, "schema_version": 3, "solution": false, "task": false}
cosine, cut, step = (task.yours_or_ours(globals()) for task in (COSINE, ESTIMATES, DDIM))
new_ring = Mixture(on_circle(7, turn=0.3, radii=[0.9, 0.7, 0.8, 0.6, 0.9, 0.75, 0.85]), [2, 5, 1, 4, 3, 2, 6], 0.06)  # to judge by


class Sampler:
    """From noise to points, with the times of a schedule."""

    def __init__(self, schedule="linear", bend=1.0, method="ddim", eta=1.0, steps=40, seed=0):
        self.method, self.eta, self.bend, self.seed = method, eta, bend, seed
        t = (torch.arange(1, steps + 1, dtype=torch.float64) / steps) ** bend
        self.times = torch.cat([torch.zeros(1, dtype=torch.float64), t])
        if schedule == "cosine":
            share = cosine(t, 0.008, 1e-4)[0]
        elif schedule == "linear":
            share = torch.exp(-0.1 * t - 9.95 * t**2)
        else:  # flow matching's line, scaled to variance 1
            share = (1 - t) ** 2 / ((1 - t) ** 2 + t**2)
        self.table = torch.cat([torch.ones(1, dtype=torch.float64), share.clamp(min=1e-4)])

    def __call__(self, denoise, start):
        def noise_of(x_t, alpha_bar, *_):
            return (x_t - alpha_bar**0.5 * denoise(x_t, alpha_bar)) / (1 - alpha_bar) ** 0.5

        if self.method == "ddim":
            return chain(noise_of, start, self.table, self.eta, self.seed)[-1]
        x, table = start, self.table
        for t in range(len(table) - 1, 0, -1):  # Heun: a step of DDIM, a second look, and the mean of both
            bar_t, bar_s = table[t], table[t - 1]
            noise = noise_of(x, bar_t)
            there = (bar_s / bar_t) ** 0.5 * x + ((1 - bar_s) ** 0.5 - (bar_s / bar_t * (1 - bar_t)) ** 0.5) * noise
            if t > 1:
                noise = (noise + noise_of(there, bar_s)) / 2
                there = (bar_s / bar_t) ** 0.5 * x + ((1 - bar_s) ** 0.5 - (bar_s / bar_t * (1 - bar_t)) ** 0.5) * noise
            x = there
        return x


# %% [markdown]
# The first try: DDPM's schedule, evenly spaced, with all of its noise, in 40 steps. Predict first: with ten steps, will it still find the clusters?

# %% tags=["nbval-ignore-output"]
def show_sampler(sampler, title):
    """The points, the data, and where the times lie."""
    points = sampler(ring.denoise, torch.special.ndtri(spread(1000, 2)))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), width_ratios=[1, 1.8])
    left.scatter(*ring.draw(spread(1000, 3)).T, s=2, color="0.75", label="data")
    left.scatter(*points.T, s=2, label="drawn")
    left.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal", title=title)
    left.legend(loc="center", markerscale=4, fontsize=8)
    right.semilogy(sampler.times[1:], (sampler.table / (1 - sampler.table))[1:], marker="o", markersize=4)
    right.set(xlabel="t", ylabel="SNR", title="where the denoiser is asked, but for second looks")
    plt.show()
    numbers = measure(sampler, ring)
    print(f"{title}: distance {-numbers['minus distance']:.3f}, {-numbers['minus evaluations']:.0f} evaluations")


first_try = Sampler()
show_sampler(first_try, "first try")
show_sampler(Sampler(steps=10), "ten steps")


# %% [markdown]
# **Your turn.** Find settings with a distance of at most **0.04** and at most **6** evaluations. The check counts both with a minus sign, so that more is better.
# Name a `schedule` in any case; what else you leave out stays as in the first try.
#
# | setting | what it does | first try |
# |---|---|---|
# | `schedule` | "linear" (DDPM's), "cosine" (yours) or "straight" (flow matching's line) | "linear" |
# | `bend` | the times are $t_i=(i/T)^\text{bend}$, i from 1 to T; from 0.25 to 4 | 1 |
# | `method` | "ddim", one evaluation a step, or "heun", two for each step but the last | "ddim" |
# | `eta` | η from 0 to 1, for "ddim" | 1 |
# | `steps` | T, from 1 to 100 | 40 |
#
# A try takes a second. Predict before you run: of these five, which change helps most at six evaluations?

# %% nbgrader={"grade": false, "grade_id": "settings", "locked": false, "schema_version": 3, "solution": true, "task": false}
def settings():
    """Your choice for Sampler: a dict with schedule and, if you like, others of the table."""
    ### BEGIN SOLUTION
    return {"schedule": "cosine", "bend": 1.6, "eta": 0.0, "steps": 6}
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_few_steps", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
sampler = globals().get("first_try")  # stands in for yours if the next line fails
sampler = Sampler(**FEW.chosen(settings))
FEW.check(measure(sampler, ring), FEW.chosen(settings))

# %% nbgrader={"grade": true, "grade_id": "grade_few_steps", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
# Grading sends your sampler to other clusters here.
### BEGIN HIDDEN TESTS
from course_lib.grading.diffusion import FEW, measure

FEW.check(measure(sampler, ring), FEW.chosen(settings))
FEW.check(measure(sampler, new_ring), FEW.chosen(settings), hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Your sampler, and how far 1000 points are that are drawn by chance. Keep the numbers for task 8, and those of a try that failed. Fresh noise makes the distance
# itself a matter of chance: `distances` measures your settings, or some of them changed, with eight seeds.

# %% tags=["nbval-ignore-output"]
try:
    chosen = FEW.chosen(settings)
    show_sampler(sampler, "your sampler")
except CheckFailed:
    chosen = {}
    print("Your settings are not there yet, so the first try stands in for yours below.")
    show_sampler(first_try, "first try")


def distances(**changes):
    """The distances of your sampler with these changes, for eight seeds of the fresh noise."""
    return [-measure(Sampler(**chosen | changes, seed=seed), ring)["minus distance"] for seed in range(8)]


def show_distances(name, found):
    """Mean and range."""
    print(f"{name}: distance {sum(found) / len(found):.3f}, from {min(found):.3f} to {max(found):.3f}")


u = torch.rand(40, 1000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
show_distances("drawn by chance", [sliced_distance(ring.draw(one), ring.draw(spread(1000, 3))) for one in u])
show_distances("your settings with eta = 1", distances(eta=1.0))

# %% [markdown] nbgrader={"grade": false, "grade_id": "written_question", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Task 8 · In your own words
#
# **2 points · 10 minutes · ★★☆** · graded by hand
#
# At most 180 words in all. Use what you measured.
#
# 1. (1 point) Leave everything else as in your settings, and set `eta` = 1, once with 6 steps and once with 60: `distances(eta=1, steps=60)`. Compare the means
#    with the distance of points drawn by chance. Why does fresh noise hurt more with few steps?
# 2. (½ point) Name one other change that did not reach the goal, with its numbers, and say why it did not.
# 3. (½ point) The loss of task 4 does not fall to 0, even with the best network there can be. Why? And what would one step from pure noise to data give?

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_answer", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# 1. With η = 1 the distance is 0.060 at 6 steps, the mean of eight seeds, where η = 0 has 0.033. At 60 steps it is 0.022, hardly more than the 0.018 of points drawn by
#    chance. Each step puts in new noise, which the steps after it must clean up. Six steps are few and long: much of what the late ones put in is never removed.
# 2. The linear schedule with `bend` = 1 and η = 0, 6 steps: 0.175. Four of its six times have an SNR below 0.1, where all points are sent to nearly the same
#    place, and the last step starts at SNR 3, when the clusters have hardly parted. Or Heun with the cosine schedule, `bend` = 1.6, 3 steps: 0.133. Its steps are twice as long.
# 3. From $x_t$ alone one cannot tell which x it came from: many fit. The network can only say the mean of all the noises that fit, and what is left of the error is their
#    variance. One step from pure noise gives the mean of x, so all points land near the middle of the ring, where there are no data.
#
# **Marking guide (2 points).** One half point each for: (1a) η = 1 is worse at 6 steps, with numbers, and about as close at 60 as points drawn by chance; (1b) because noise that is added must be
# removed by the steps that follow, and few long ones cannot; (2) a change that failed, with numbers and a reason that fits them; (3) the posterior of x given $x_t$ has a
# spread, the network says its mean, **and** one step gives the mean of the data. Accept any wording and the student's own numbers.
