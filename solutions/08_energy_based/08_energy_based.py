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
# # Exercise 8 · Energies, chains and a machine that dreams
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/exercises/08_energy_based/08_energy_based.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/exercises/08_energy_based/08_energy_based.ipynb)
#
# You write the parts of energy-based models: a partition function, Metropolis and Hastings, Langevin, importance weights, Gibbs, contrastive divergence. Between them you mend a sampler that looks healthy and is wrong. Then your parts become one machine: a
# restricted Boltzmann machine learns handwritten digits, and dreams of new ones. The lecture is `notebooks/08_energy_based.ipynb`.
#
# | task | what you do | points | minutes | difficulty |
# |---|---|---|---|---|
# | 1 | the sum over all states | 2 | 10 | ★☆☆ |
# | 2 | Metropolis and Hastings | 3 | 15 | ★★☆ |
# | 3 | Langevin: walk along a slope, and learn one | 3 | 15 | ★★☆ |
# | 4 | importance weights and their worth | 2 | 10 | ★★☆ |
# | 5 | a restricted Boltzmann machine | 4 | 15 | ★★☆ |
# | 6 | a sampler that looks healthy, a bug hunt | 2 | 10 | ★★★ |
# | 7 | a machine that dreams, an experiment | 2 | 10 | ★★☆ |
# | 8 | a written answer | 2 | 5 | ★★☆ |
#
# **How it works.** Replace each `raise NotImplementedError()` with your code and run the check below it. A check prints `✓`, or one line that says what is
# wrong. Grading runs the same checks again with other inputs. Write the answers with PyTorch: a check notices when an answer runs code from `course_lib`. Results have the floating-point type of the inputs.
# **Draw nothing yourself**: where chance is needed, the draws are handed to you. So each function has one right result, and chains can be replayed.
# Add cells as you like, but do not copy, delete or change the type of the cells that are here.
#
# **Notation.** An energy $E(x)$ makes a density, $p(x)=e^{-E(x)}/Z$. A low energy is a high density. **Z** is the number that makes all of it sum to 1, the partition function. A **chain** is a state that moves step by step; many run at once, a row each. **v** is what is seen, pixels
# of 0 and 1, and **h** what is not, hidden units of 0 and 1.

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

from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F

from course_lib import datasets
from course_lib.grading import CheckFailed
from course_lib.grading.energy_based import (
    CONTRASTIVE_GRADIENT,
    DENOISING_LOSS,
    DREAMS,
    GIBBS_STEP,
    LANGEVIN_STEP,
    LOG_PARTITION,
    MENDED,
    METROPOLIS_HASTINGS,
    WEIGHED,
    measure,
)

torch.set_num_threads(1)  # machines this small are fastest on one core


def black_and_white(split):
    """Small MNIST as rows of 784 pixels, each 0 or 1."""
    return (datasets.load("mnist_small", split).x.flatten(1) > 127).float()


digits, unseen_digits = black_and_white("train"), black_and_white("test")


# %% [markdown]
# ## Task 1 · The sum over all states
#
# **2 points · 10 minutes · ★☆☆**
#
# A **Boltzmann machine** has n units, each 0 or 1, and every two may pull at each other. With couplings $w_{ij}$, biases $b_i$ and a temperature T,
#
# $$E(s)=-\sum_{i<j}w_{ij}s_is_j-\sum_i b_is_i,\qquad p(s)=\frac{e^{-E(s)/T}}{Z},\qquad \log Z=\log\sum_{s\in\{0,1\}^n}e^{-E(s)/T}.$$
#
# W is symmetric with zeros on its diagonal, and each pair counts once. The machines are small, so add up all $2^n$ states; `itertools` is imported. Exponents may be large: log Z is an ordinary number even where $e^{-E/T}$ is too large for one.

# %% nbgrader={"grade": false, "grade_id": "log_partition", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_partition(couplings, bias, temperature):
    """log Z of a Boltzmann machine, by adding up all of its states.

    couplings: (n, n), symmetric, 0 on the diagonal
    bias: (n,)
    temperature: T, above 0
    Returns: log Z in nats, (), through which gradients pass to the biases
    """
    ### BEGIN SOLUTION
    s = torch.tensor(list(itertools.product([0, 1], repeat=len(bias))), dtype=bias.dtype)
    energy = -((s @ couplings) * s).sum(dim=1) / 2 - s @ bias
    return torch.logsumexp(-energy / temperature, dim=0)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_log_partition", "locked": true, "schema_version": 3, "solution": false, "task": false}
LOG_PARTITION.check(log_partition)

# %% nbgrader={"grade": true, "grade_id": "grade_log_partition", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.energy_based import LOG_PARTITION
from course_lib.grading.energy_based.log_partition import coupled

LOG_PARTITION.check(
    log_partition,
    hidden=lambda: [
        (*coupled(5, 1.3), 1.0),
        (*coupled(7, 0.6), 3.2),
        (*coupled(4, 2.2, 1.7), 0.6),
        (*coupled(1, 1.8), 1.9),
        (coupled(4, 0.2)[0] + 250 * (1 - torch.eye(4)), torch.tensor([-30.0, 500.0, 20.0, -10.0]), 0.8),
        (*(each.double() for each in coupled(6, 0.9)), 0.8),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# log Z knows more than it seems to: $\partial \log Z/\partial b_i$ is $\langle s_i\rangle/T$, how often unit i is on. Here ten units dislike their neighbours on a ring, and all would like to be on. Predict first: at a low temperature, how many are on? And at a very high one?

# %% tags=["nbval-ignore-output"]
log_sum = LOG_PARTITION.yours_or_ours(globals())
ring = -3 * (torch.eye(10).roll(1, 0) + torch.eye(10).roll(-1, 0))
temperatures = torch.logspace(-1.3, 1.7, 40)
on = []
for temperature in temperatures.tolist():
    bias = torch.ones(10, requires_grad=True)
    (slope,) = torch.autograd.grad(log_sum(ring, bias, temperature), bias)
    on.append(float(temperature * slope.sum()))
figure, axes = plt.subplots(figsize=(7, 2.4))
axes.semilogx(temperatures, on)
axes.set(xlabel="temperature", ylabel="units that are on", ylim=(0, 10))
plt.show()
print(
    f"at the lowest temperature {on[0]:.2f} of 10, at the highest {on[-1]:.2f}; a machine of 28 × 28 pixels has 10^{784 * math.log10(2):.0f} states"
)


# %% [markdown]
# ## Task 2 · Metropolis and Hastings
#
# **3 points · 15 minutes · ★★☆**
#
# Nobody adds up 10²³⁶ states. A **chain** needs no Z: from x, propose y, drawn from $q(y\mid x)$, and go there with probability
#
# $$\alpha=\min\!\left(1,\ \frac{p(y)\,q(x\mid y)}{p(x)\,q(y\mid x)}\right);\qquad\text{else stay at } x.$$
#
# Z cancels. The second factor counts how likely the way back is beside the way there. The uniform number u of a chain decides: it goes where u < α. Energies, log q and their differences may be near 1000 or −1000, where exp is 0 or ∞ in the computer, and the whole ratio still an ordinary number. (Hastings 1970.)

# %% nbgrader={"grade": false, "grade_id": "metropolis_hastings", "locked": false, "schema_version": 3, "solution": true, "task": false}
def metropolis_hastings(x, y, energy, log_q, uniform):
    """One step of many chains.

    x: (chains, dims), where they are
    y: (chains, dims), what is proposed
    energy: E, x → (chains,)
    log_q: log_q(a, b) is log q(a | b), the log density of proposing a from b, (chains,)
    uniform: (chains,), a draw between 0 and 1 for each
    Returns: (the next x, moved), (chains, dims) and (chains,); moved is boolean
    """
    ### BEGIN SOLUTION
    log_alpha = energy(x) - energy(y) + log_q(x, y) - log_q(y, x)
    moved = uniform < log_alpha.exp()  # above 1 is as good as 1
    return torch.where(moved[:, None], y, x), moved
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_metropolis_hastings", "locked": true, "schema_version": 3, "solution": false, "task": false}
METROPOLIS_HASTINGS.check(metropolis_hastings)

# %% nbgrader={"grade": true, "grade_id": "grade_metropolis_hastings", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.energy_based import METROPOLIS_HASTINGS
from course_lib.grading.energy_based.metropolis_hastings import case
from course_lib.grading.fixtures import cliff, deep_bowl, even, flat_plain, knowing_the_cliff, leaning, steep_bowl, wavy_bowl

METROPOLIS_HASTINGS.check(
    metropolis_hastings,
    hidden=lambda: [
        case(50, 2, 1.1, wavy_bowl, leaning),
        case(40, 3, 0.4, wavy_bowl, even),
        case(40, 1, 1.9, steep_bowl, leaning),
        case(30, 3, 0.8, deep_bowl, leaning),
        case(40, 1, 2.7, flat_plain, leaning),
        case(50, 1, 0.6, cliff, knowing_the_cliff),
        case(1, 2, 1.6, wavy_bowl, even),
        tuple(each.double() if torch.is_tensor(each) else each for each in case(30, 3, 2.6, wavy_bowl, leaning)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# A hundred chains look for two hills, with proposals of three widths. **Type your prediction into the next cell**: which width makes the mean of 2,000 steps most exact, 0.1, 1.5 or 20? And what share of its proposals is taken?

# %%
predicted_width, predicted_share = 0.1, 0.9  # yours

# %% tags=["nbval-ignore-output"]
take = METROPOLIS_HASTINGS.yours_or_ours(globals())


def two_hills(x):
    return -torch.logaddexp(-(x[:, 0] - 1.5).square(), -(x[:, 0] + 1.5).square())


def walk(width, chains=100, steps=2000, seed=0):
    """The places of all chains after each step, (steps, chains), and the share of proposals that was taken."""
    generator = torch.Generator().manual_seed(seed)
    x, path, share = torch.full((chains, 1), 1.5), [], 0.0
    for _ in range(steps):
        y = x + width * torch.randn(chains, 1, generator=generator)
        log_q = lambda to, given: -(to - given).square().sum(1) / (2 * width**2)  # noqa: B023, E731
        x, moved = take(x, y, two_hills, log_q, torch.rand(chains, generator=generator))
        path.append(x[:, 0])
        share += float(moved.float().mean()) / steps
    return torch.stack(path), share


figure, panels = plt.subplots(1, 3, figsize=(11, 2.2), sharey=True)
errors = {}
for axes, width in zip(panels, (0.1, 1.5, 20.0)):
    path, share = walk(width)
    errors[width] = float(path.mean(0).square().mean().sqrt())  # the true mean is 0
    axes.plot(path[:300, 0])
    axes.set(title=f"width {width:g}: {share:.0%} taken, error {errors[width]:.2f}", xlabel="step")
    if width == predicted_width:
        said = f"You said {predicted_width:g} with {predicted_share:.0%} taken. It takes {share:.0%}"
plt.show()
print(f"{said}; the most exact is {min(errors, key=errors.get):g}.")


# %% [markdown]
# ## Task 3 · Langevin: walk along a slope, and learn one
#
# **3 points · 15 minutes · ★★☆**
#
# ### 3a · A step of Langevin's walk (1 point)
#
# A chain that knows the slope of the energy goes downhill, and trembles. With a step η and noise $\varepsilon\sim\mathcal N(0,I)$,
#
# $$x' = x-\eta\,\nabla E(x)+\sqrt{2\eta}\;\varepsilon .$$
#
# Find the slope with `torch.autograd.grad`. Each example walks on its own.

# %% nbgrader={"grade": false, "grade_id": "langevin_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def langevin_step(x, energy, step, noise):
    """One step of Langevin's walk.

    x: (batch, ...)
    energy: E, x → (batch,)
    step: η, above 0
    noise: ε, as x
    Returns: as x
    """
    ### BEGIN SOLUTION
    x = x.detach().clone().requires_grad_()
    slope = torch.autograd.grad(energy(x).sum(), x)[0]
    return x.detach() - step * slope + (2 * step) ** 0.5 * noise
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_langevin_step", "locked": true, "schema_version": 3, "solution": false, "task": false}
LANGEVIN_STEP.check(langevin_step)

# %% nbgrader={"grade": true, "grade_id": "grade_langevin_step", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.energy_based import LANGEVIN_STEP
from course_lib.grading.energy_based.langevin_step import case
from course_lib.grading.fixtures import flat_plain, steep_bowl, wavy_bowl

LANGEVIN_STEP.check(
    langevin_step,
    hidden=lambda: [
        case(5, 3, phase=1.2, energy=wavy_bowl, step=0.2),
        case(2, 2, 3, 1, phase=0.5, energy=steep_bowl, step=0.04),
        case(1, 2, phase=2.3, energy=wavy_bowl, step=0.9),
        case(4, 2, phase=0.9, energy=flat_plain, step=0.3),
        tuple(each.double() if torch.is_tensor(each) else each for each in case(2, 5, phase=1.7, energy=wavy_bowl, step=0.06)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 3b · Denoising score matching (2 points)
#
# Where does the energy come from? A network s learns the **score**, $s(x)=-\nabla E(x)$, without Z and without a chain: noise is added to data, and s has to point back,
#
# $$\tilde x=x+\sigma\varepsilon,\qquad L=\frac1N\sum_{n}\sigma_n^2\left\|\,s(\tilde x_n)+\frac{\varepsilon_n}{\sigma_n}\right\|^2 .$$
#
# Each example has its own width $\sigma_n$. The norm adds up all entries of an example. (Vincent 2011; the factor σ²: Song & Ermon 2019, arXiv:1907.05600.)

# %% nbgrader={"grade": false, "grade_id": "denoising_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def denoising_loss(score, x, sigma, noise):
    """How badly a score points back from noisy data.

    score: s, (batch, ...) → the same shape
    x: data, (batch, ...)
    sigma: σ, (batch,), above 0
    noise: ε, as x
    Returns: L, ()
    """
    ### BEGIN SOLUTION
    sigma = sigma.reshape(-1, *[1] * (x.dim() - 1))
    miss = sigma * score(x + sigma * noise) + noise  # σ (s + ε / σ)
    return miss.square().sum() / len(x)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_denoising_loss", "locked": true, "schema_version": 3, "solution": false, "task": false}
DENOISING_LOSS.check(denoising_loss)

# %% nbgrader={"grade": true, "grade_id": "grade_denoising_loss", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.energy_based import DENOISING_LOSS
from course_lib.grading.energy_based.denoising_loss import images, points
from course_lib.grading.fixtures import tanh_network

DENOISING_LOSS.check(
    denoising_loss,
    hidden=lambda: [
        (tanh_network(3, 1.4), *points(6, 3, phase=1.3)),
        (tanh_network(4, 0.3, gain=1.5), *points(4, 4, phase=0.2)),
        (images(1.9), *points(3, 1, 2, 3, phase=2.6)),
        (tanh_network(2, 0.2), *points(1, 2, phase=0.7, low=1.4)),
        (tanh_network(5, 1.7).double(), *(each.double() for each in points(3, 5, phase=1.8))),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# A small network is an energy of points on two moons. Your loss teaches its slope, and your walk draws from it: 2,000 chains from far out. Predict first: will the learned moons be as thin as the data's?

# %% tags=["nbval-ignore-output"]
loss_of, walk_on = DENOISING_LOSS.yours_or_ours(globals()), LANGEVIN_STEP.yours_or_ours(globals())
torch.manual_seed(0)
moons = datasets.load("moons").x
net = nn.Sequential(nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))


def energy_of(x):
    return net(x).squeeze(1) + x.square().sum(1) / 8  # a wide bowl keeps the chains from leaving


def score_of(x):
    x = x.requires_grad_()
    return -torch.autograd.grad(energy_of(x).sum(), x, create_graph=True)[0]


optimiser = torch.optim.Adam(net.parameters(), lr=0.003)
for _ in range(800):
    x = moons[torch.randint(len(moons), (256,))]
    optimiser.zero_grad()
    loss_of(score_of, x, torch.full((256,), 0.25), torch.randn_like(x)).backward()
    optimiser.step()
x = 3 * torch.randn(2000, 2)
for _ in range(200):
    x = walk_on(x, energy_of, 0.02, torch.randn_like(x)).detach()
axis = torch.linspace(-4, 4, 80)
places = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
with torch.no_grad():
    heights = energy_of(places.view(-1, 2)).view(80, 80)
figure, panels = plt.subplots(1, 3, figsize=(10, 3.2), sharex=True, sharey=True)
for axes, cloud, title in zip(panels, (moons[:2000], None, x), ("data", "energy learned, dark is low", "your walk")):
    if cloud is None:
        axes.imshow(heights.clamp(max=heights.min() + 8), extent=(-4, 4, -4, 4), origin="lower")
    else:
        axes.plot(*cloud.T, ".", markersize=2)
    axes.set(title=title, xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
    axes.grid(False)
plt.show()


# %% [markdown]
# The energy is that of the **noisy** data, a moon as wide as the noise.
#
# ## Task 4 · Importance weights and their worth
#
# **2 points · 10 minutes · ★★☆**
#
# Draws $x_1,\dots,x_n$ of a density q, which is easy, stand for draws of p, which is not. Each has a weight, $w_i=\tilde p(x_i)/q(x_i)$, where $\tilde p=Z\,p$ is p without its Z. Three numbers come out:
#
# $$\log\hat Z=\log\frac1n\sum_i w_i,\qquad \mathrm{ESS}=\frac{\left(\sum_i w_i\right)^2}{\sum_i w_i^2},\qquad \hat\mu=\frac{\sum_i w_i\,f(x_i)}{\sum_i w_i}.$$
#
# The effective sample size, ESS, says how many draws of p these n are worth. Logarithms are handed to you, some near 900 or −900: no weight may be too large or too small for a number.

# %% nbgrader={"grade": false, "grade_id": "weighed", "locked": false, "schema_version": 3, "solution": true, "task": false}
def weighed(log_p, log_q, values):
    """What draws of q say about p.

    log_p: log p̃ of each draw, (n,)
    log_q: log q of each draw, (n,)
    values: f of each draw, (n, d)
    Returns: (log Z, ESS, mean), (), () and (d,)
    """
    ### BEGIN SOLUTION
    log_w = log_p - log_q
    w = torch.softmax(log_w, dim=0)
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w)), 1 / w.square().sum(), w @ values
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_weighed", "locked": true, "schema_version": 3, "solution": false, "task": false}
WEIGHED.check(weighed)

# %% nbgrader={"grade": true, "grade_id": "grade_weighed", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.energy_based import WEIGHED
from course_lib.grading.energy_based.weighed import draws

WEIGHED.check(
    weighed,
    hidden=lambda: [
        draws(8, 3, 1.4),
        draws(5, 2, 0.6, up=-4.0, spread=2.5),
        draws(7, 7, 1.9, up=920.0, spread=0.7),
        draws(6, 2, 0.3, up=-850.0, spread=2.0),
        draws(8, 2, 0.7, both=-870.0, spread=1.4),
        draws(6, 3, 1.6, peak=950.0),
        draws(1, 3, 1.1, up=2.5),
        tuple(each.double() for each in draws(9, 1, 2.4, spread=1.8)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# p is a normal density in D dimensions, and q one that is wider by a third. **Type your prediction into the next cell**: of 10,000 draws, how many are left in 10 dimensions, and how many in 100?

# %%
predicted = {10: 5000, 100: 500}  # yours

# %% tags=["nbval-ignore-output"]
weigh = WEIGHED.yours_or_ours(globals())
torch.manual_seed(0)
for dims in (1, 10, 100):
    x = 4 / 3 * torch.randn(10_000, dims)
    log_p = -x.square().sum(1) / 2  # without its Z
    log_q = -(x * 3 / 4).square().sum(1) / 2 - dims * math.log(4 / 3 * math.sqrt(2 * math.pi))
    log_z, ess, _ = weigh(log_p, log_q, x)
    said = f"you said {predicted[dims]:,}, " if dims in predicted else ""
    print(f"{dims:3d} dimensions: {said}it is {ess:,.0f} of 10,000;  log Z {log_z:.2f}, truly {dims / 2 * math.log(2 * math.pi):.2f}")


# %% [markdown]
# ## Task 5 · A restricted Boltzmann machine
#
# **4 points · 15 minutes · ★★☆**
#
# Pixels v pull at hidden units h, and no unit at one of its own kind:
#
# $$E(v,h)=-v^\top W h-b^\top v-c^\top h .$$
#
# So, given the pixels, all hidden units are independent, and the other way round: $p(h_j=1\mid v)=\sigma\big(\sum_i v_iW_{ij}+c_j\big)$ and $p(v_i=1\mid h)=\sigma\big(\sum_j W_{ij}h_j+b_i\big)$, with the sigmoid σ. The energy of the pixels alone adds up all hidden states, unit by unit: $\log\tilde p(v)=b^\top v+\sum_j\log\big(1+e^{\sum_iv_iW_{ij}+c_j}\big)$, in code `v @ b + F.softplus(v @ W + c).sum(1)`.
#
# ### 5a · A Gibbs step (2 points)
#
# Draw all hidden units given the pixels, then all pixels given those hidden **states**. A unit is on, 1, where its uniform number lies below its probability; else it is off, 0.

# %% nbgrader={"grade": false, "grade_id": "gibbs_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gibbs_step(v, weight, visible_bias, hidden_bias, uniform_h, uniform_v):
    """The hidden units given the pixels, and the pixels given those.

    v: (chains, pixels) of 0 and 1
    weight: W, (pixels, hidden)
    visible_bias, hidden_bias: b, (pixels,), and c, (hidden,)
    uniform_h, uniform_v: draws between 0 and 1, (chains, hidden) and (chains, pixels)
    Returns: (h, the new v), (chains, hidden) and (chains, pixels), of 0 and 1, of the type of v
    """
    ### BEGIN SOLUTION
    h = (uniform_h < torch.sigmoid(v @ weight + hidden_bias)).to(v.dtype)
    return h, (uniform_v < torch.sigmoid(h @ weight.T + visible_bias)).to(v.dtype)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_gibbs_step", "locked": true, "schema_version": 3, "solution": false, "task": false}
GIBBS_STEP.check(gibbs_step)

# %% nbgrader={"grade": true, "grade_id": "grade_gibbs_step", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.energy_based import GIBBS_STEP
from course_lib.grading.energy_based.gibbs_step import walkers

GIBBS_STEP.check(
    gibbs_step,
    hidden=lambda: [
        walkers(25, 6, 4, 1.6),
        walkers(30, 3, 3, 0.5),
        walkers(20, 2, 5, 2.3),
        walkers(1, 8, 9, 0.9),
        tuple(each.double() for each in walkers(15, 5, 2, 1.1)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 5b · What to learn (2 points)
#
# The slope of log p has two parts: what goes together in the data, less what goes together in the machine's own dreams. With $\pi_j(v)=p(h_j=1\mid v)$,
#
# $$\Delta W=\langle v\,\pi(v)^\top\rangle_\text{data}-\langle v\,\pi(v)^\top\rangle_\text{dreams},\qquad \Delta b=\langle v\rangle_\text{data}-\langle v\rangle_\text{dreams},\qquad \Delta c=\langle \pi(v)\rangle_\text{data}-\langle \pi(v)\rangle_\text{dreams}.$$
#
# Each ⟨·⟩ is a mean over the rows. There may be more dreams than data, or fewer. (Hinton 2002; Tieleman 2008.)

# %% nbgrader={"grade": false, "grade_id": "contrastive_gradient", "locked": false, "schema_version": 3, "solution": true, "task": false}
def contrastive_gradient(v, dream, weight, hidden_bias):
    """The direction in which the data become likelier.

    v: data, (n, pixels) of 0 and 1
    dream: the machine's own, (m, pixels) of 0 and 1
    weight, hidden_bias: W, (pixels, hidden), and c, (hidden,)
    Returns: (ΔW, Δb, Δc), (pixels, hidden), (pixels,) and (hidden,)
    """
    ### BEGIN SOLUTION
    on, dreamt = (torch.sigmoid(each @ weight + hidden_bias) for each in (v, dream))
    d_weight = v.T @ on / len(v) - dream.T @ dreamt / len(dream)
    return d_weight, v.mean(dim=0) - dream.mean(dim=0), on.mean(dim=0) - dreamt.mean(dim=0)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_contrastive_gradient", "locked": true, "schema_version": 3, "solution": false, "task": false}
CONTRASTIVE_GRADIENT.check(contrastive_gradient)

# %% nbgrader={"grade": true, "grade_id": "grade_contrastive_gradient", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.energy_based import CONTRASTIVE_GRADIENT
from course_lib.grading.energy_based.contrastive_gradient import states

CONTRASTIVE_GRADIENT.check(
    contrastive_gradient,
    hidden=lambda: [
        states(8, 8, 3, 4, 1.2),
        states(4, 9, 5, 5, 0.6),
        states(2, 1, 4, 6, 1.7),
        tuple(each.double() for each in states(6, 5, 3, 3, 0.8)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# A tiny world: pictures of 3 × 3 pixels, whose rows are white or black, or whose columns are. There are 14 of them, so no machine can give each more than 1/14. Your machine of 9 pixels and 6 hidden units learns them, and your `log_partition` tells its **exact** likelihood: it has 2¹⁵
# states. Predict first: what does a picture cost before training, when all 512 are about equally likely?

# %% tags=["nbval-ignore-output"]
draw, learn, log_sum = (each.yours_or_ours(globals()) for each in (GIBBS_STEP, CONTRASTIVE_GRADIENT, LOG_PARTITION))
patterns = [torch.tensor(bits).float().view(3, 1).expand(3, 3) for bits in itertools.product([0, 1], repeat=3)]
world = torch.unique(torch.stack([each.flatten() for pattern in patterns for each in (pattern, pattern.T)]), dim=0)


def exact_nats(weight, b, c):
    """What a picture of the tiny world costs on average."""
    both = torch.cat([torch.cat([torch.zeros(9, 9), weight], 1), torch.cat([weight.T, torch.zeros(6, 6)], 1)])
    log_z = log_sum(both, torch.cat([b, c]), 1.0)
    return float(log_z - (world @ b + F.softplus(world @ weight + c).sum(1)).mean())


torch.manual_seed(0)
weight, b, c = 0.1 * torch.randn(9, 6), torch.zeros(9), torch.zeros(6)
dream = (torch.rand(100, 9) < 0.5).float()
nats = []
for i in range(4001):
    if i % 200 == 0:
        nats.append(exact_nats(weight, b, c))
    _, dream = draw(dream, weight, b, c, torch.rand(100, 6), torch.rand(100, 9))
    for parameter, direction in zip((weight, b, c), learn(world, dream, weight, c)):
        parameter += 0.1 * direction
figure, panels = plt.subplots(1, 2, figsize=(10, 2.4), width_ratios=(1, 1.6))
panels[0].plot(range(0, 4001, 200), nats)
panels[0].axhline(math.log(len(world)), linestyle=":", color="gray")
panels[0].set(xlabel="steps", ylabel="nats a picture")
panels[1].imshow(F.pad(dream[:20].view(2, 10, 3, 3), (0, 1, 0, 1), value=0.5).permute(0, 2, 1, 3).reshape(8, 40), cmap="gray")
panels[1].set(title="dreams", xticks=[], yticks=[])
panels[1].grid(False)
plt.show()
print(
    f"{nats[0]:.2f} nats before, log 512 = {math.log(512):.2f}; {nats[-1]:.2f} after, the best is log {len(world)} = {math.log(len(world)):.2f}"
)


# %% [markdown]
# ## Task 6 · A sampler that looks healthy
#
# **2 points · 10 minutes · ★★★**
#
# Somebody samples numbers that are always above 0: the proposal **multiplies** by a random factor. Half of the proposals are taken, the chains move up and down, all looks well. The density is wrong. Read what each line is meant to do; the remarks are right, the code is not.

# %% nbgrader={"grade": false, "grade_id": "careless", "locked": true, "schema_version": 3, "solution": false, "task": false}
def careless(x, energy, width, noise, uniform):
    """Samples of p = exp(−energy) / Z on the numbers above 0. Or so they say.

    x: (chains,), where they start, above 0
    energy: E, x → (chains,)
    width: how far proposals go
    noise, uniform: (steps, chains), normal draws and draws between 0 and 1
    Returns: (steps · chains,), where the chains are after the first step, after the second, …
    """
    path, e = [], energy(x)  # e is the energy of where the chains are
    for eps, u in zip(noise, uniform):
        y = x * torch.exp(width * eps)  # a factor whose log is normal
        e_y = energy(y)
        log_ratio = e - e_y  # log of p(y) q(x | y) / (p(x) q(y | x))
        moved = u.log() < log_ratio  # each chain decides for itself
        x = torch.where(moved, y, x)
        e = e_y  # the energy of where the chains are now
        path.append(x[moved])  # where the chains are now
    return torch.cat(path)


# %% nbgrader={"grade": false, "grade_id": "show_sampler", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
def show_sampler(**samplers):
    """Histograms of long runs, beside the density that is asked for: the gamma density x² exp(−x) / 2. Its mean and variance are 3."""
    generator = torch.Generator().manual_seed(0)
    noise, uniform = torch.randn(4000, 50, generator=generator), torch.rand(4000, 50, generator=generator)
    figure, panels = plt.subplots(1, len(samplers), figsize=(4.2 * len(samplers), 2.5), squeeze=False, sharey=True)
    at = torch.linspace(0.01, 12, 200)
    for axes, (name, sampler) in zip(panels[0], samplers.items()):
        path = sampler(torch.full((50,), 3.0), lambda x: x - 2 * x.log(), 1.0, noise, uniform)
        axes.hist(path, bins=60, range=(0, 12), density=True, alpha=0.6)
        axes.plot(at, at**2 * torch.exp(-at) / 2)
        axes.set(title=f"{name}: mean {path.mean():.2f}, variance {path.var():.2f}", xlabel="x")
    plt.show()


show_sampler(careless=careless)


# %% [markdown]
# **Your turn.** Three lines do not do what their remarks say. Copy the sampler, find the three, and mend each; leave all other lines as they are. `show_sampler(mended=mended)` in a cell of your own looks at what you have. One of the three hardly shows in the picture. For the ratio you need $q(y\mid x)$: log y is normal around log x with standard deviation `width`, and a density of
# log y becomes one of y when it is divided by y.

# %% nbgrader={"grade": false, "grade_id": "mended", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mended(x, energy, width, noise, uniform):
    """Samples of p = exp(−energy) / Z on the numbers above 0.

    x, energy, width, noise, uniform, and what is returned: as in careless
    """
    ### BEGIN SOLUTION
    path, e = [], energy(x)  # e is the energy of where the chains are
    for eps, u in zip(noise, uniform):
        y = x * torch.exp(width * eps)  # a factor whose log is normal
        e_y = energy(y)
        log_ratio = e - e_y + torch.log(y / x)  # log of p(y) q(x | y) / (p(x) q(y | x))
        moved = u.log() < log_ratio  # each chain decides for itself
        x = torch.where(moved, y, x)
        e = energy(x)  # the energy of where the chains are now
        path.append(x)  # where the chains are now
    return torch.cat(path)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_mended", "locked": true, "schema_version": 3, "solution": false, "task": false}
MENDED.check(mended)

# %% nbgrader={"grade": true, "grade_id": "grade_mended", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.energy_based import MENDED
from course_lib.grading.energy_based.mended import case
from course_lib.grading.fixtures import gamma_energy, two_humps

MENDED.check(
    mended,
    hidden=lambda: [
        case(14, 5, 1.3, gamma_energy, 1.1),
        case(11, 7, 0.4, two_humps, 0.8),
        case(13, 1, 2.2, two_humps, 1.3),
        tuple(each.double() if torch.is_tensor(each) else each for each in case(12, 3, 1.7, gamma_energy, 0.6)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Both, after the same draws. Acceptance, trace and R-hat do not tell them apart: only a density that is known does.

# %% tags=["nbval-ignore-output"]
show_sampler(careless=careless, mended=MENDED.yours_or_ours(globals()))

# %% [markdown]
# ## Task 7 · A machine that dreams
#
# **2 points · 10 minutes · ★★☆**
#
# Here is a machine for digits, made of your functions. In each step, chains dream for k Gibbs steps, and the weights follow your direction. Without `persistent` the chains begin at the data each time: that is contrastive divergence, CD-k. With it they go on from where they were: PCD.
#
# **The work is given**: 60 billion multiplications, at most 1,000 steps of 100 digits. A larger machine, or more Gibbs steps, means fewer steps of learning. How would you spend it?

# %% nbgrader={"grade": false, "grade_id": "machine", "locked": true, "schema_version": 3, "solution": false, "task": false}
draw, learn = (each.yours_or_ours(globals()) for each in (GIBBS_STEP, CONTRASTIVE_GRADIENT))
WORK, MOST_STEPS, BATCH = 60e9, 1000, 100
often_on = (digits.mean(0) + 0.01) / 1.02  # how often each pixel is on, never 0 or 1
unseen, new_digits = unseen_digits[::2], unseen_digits[1::2]  # to tune on, to judge by


class Machine:
    """A restricted Boltzmann machine of 784 pixels that is trained as soon as it is made."""

    def __init__(self, seed=0, units=32, rate=0.01, k=1, persistent=False):
        self.generator = torch.Generator().manual_seed(seed)
        self.weight = 0.01 * torch.randn(784, units, generator=self.generator)
        self.visible_bias, self.hidden_bias = often_on.logit(), torch.zeros(units)
        self.steps = min(MOST_STEPS, int(WORK / ((4 + 2 * k) * 784 * units * BATCH)))
        dream = self.noise(BATCH)
        for i in range(self.steps):
            v = digits[torch.randint(len(digits), (BATCH,), generator=self.generator)]
            dream = self.dreams(dream if persistent else v, k)
            directions = learn(v, dream, self.weight, self.hidden_bias)
            for parameter, direction in zip((self.weight, self.visible_bias, self.hidden_bias), directions):
                parameter += rate * (1 - i / self.steps) * direction

    def noise(self, n):
        """Pictures (n, 784) whose pixels know nothing of each other."""
        return (torch.rand(n, 784, generator=self.generator) < often_on).float()

    def dreams(self, v, steps):
        """Where chains are that began at v, after so many Gibbs steps."""
        for _ in range(steps):
            uniforms = (torch.rand(len(v), n, generator=self.generator) for n in (len(self.hidden_bias), 784))
            _, v = draw(v, self.weight, self.visible_bias, self.hidden_bias, *uniforms)
        return v


# %% [markdown]
# Two numbers judge it. **pixels** is the pseudo-log-likelihood: the sum, over the 784 pixels of an unseen digit, of the log probability of that pixel given all others. It is exact and needs no Z. **FID** compares 400 dreams with real digits, in the eyes of a small classifier; the dreams begin at noise and take 150 Gibbs steps. Lower is better, so the
# check counts it with a minus sign. The first try:

# %% tags=["nbval-ignore-output"]
def show_machine(machine, images=unseen):
    dreams = machine.dreams(machine.noise(400), 150)
    numbers = measure(machine, images, dreams)
    print(f"{machine.steps} steps: pixels {numbers['pixels']:.1f}, FID {-numbers['minus FID']:.0f}")
    figure, axes = plt.subplots(figsize=(9, 1.9))
    axes.imshow(dreams[:30].view(2, 15, 28, 28).permute(0, 2, 1, 3).reshape(56, 420), cmap="gray")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    plt.show()


first_try = Machine()
show_machine(first_try)


# %% [markdown]
# **Your turn.** Find settings with **pixels** of at least **−104** and an **FID** of at most **425**. `seed` is yours, any whole number: it draws the first weights, the batches and the dreams. Your numbers will differ from your neighbour's.
#
# | setting | what it does | first try |
# |---|---|---|
# | `seed` | a number of your own, from 0 to 1,000,000; it must be given | 0 |
# | `units` | hidden units: 16, 32, 64, 128, 256 or 512 | 32 |
# | `rate` | the learning rate at the start, above 0, at most 10; it falls to 0 | 0.01 |
# | `k` | Gibbs steps for each step of learning: 1, 2, 5 or 10 | 1 |
# | `persistent` | whether the chains go on from where they were, True or False | False |
#
# A try takes ten to twenty seconds, and up to a minute on a slow machine. Predict before you run: which of the two numbers will notice `persistent`?

# %% nbgrader={"grade": false, "grade_id": "settings", "locked": false, "schema_version": 3, "solution": true, "task": false}
def settings():
    """Your choice for Machine: a dict with seed, and any of the others."""
    ### BEGIN SOLUTION
    return {"seed": 7, "units": 128, "rate": 0.3, "k": 1, "persistent": True}
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_dreams", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
machine = globals().get("first_try")  # stands in for yours if the next line fails
chosen = DREAMS.chosen(settings)
machine = Machine(**chosen)
DREAMS.check(measure(machine, unseen, machine.dreams(machine.noise(400), 150)), chosen)

# %% nbgrader={"grade": true, "grade_id": "grade_dreams", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
# Grading shows your machine other digits, and lets it dream anew.
### BEGIN HIDDEN TESTS
from course_lib.grading.energy_based import DREAMS, measure

chosen = DREAMS.chosen(settings)
DREAMS.check(measure(machine, new_digits, machine.dreams(machine.noise(400), 150)), chosen, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# And now it dreams, of digits that nobody wrote. Each row is one chain, from noise on. **Type your prediction into the next cell**: after how many Gibbs steps does the noise become something that you can read?

# %%
predicted_steps = 1000  # yours

# %% tags=["nbval-ignore-output"]
try:
    DREAMS.chosen(settings)
except CheckFailed:
    print("Your settings are not there yet, so the first try stands in for yours below.")
times = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
v, pictures, before, depths = machine.noise(8), [], 0, []
for now in times:
    v, before = machine.dreams(v, now - before), now
    depths.append(float((v @ machine.visible_bias + F.softplus(v @ machine.weight + machine.hidden_bias).sum(1)).mean()))
    # shades, the probability of each pixel given the hidden units, are easier to read than 0 and 1
    shades = torch.sigmoid(torch.sigmoid(v @ machine.weight + machine.hidden_bias) @ machine.weight.T + machine.visible_bias)
    pictures.append(shades if now else v)
figure, axes = plt.subplots(figsize=(9, 6))
axes.imshow(torch.stack(pictures, 1).view(8, len(times), 28, 28).permute(0, 2, 1, 3).reshape(8 * 28, len(times) * 28), cmap="gray")
axes.set(xticks=[28 * i + 14 for i in range(len(times))], xticklabels=times, yticks=[], xlabel="Gibbs steps")
axes.grid(False)
plt.show()
settled = next(step for step, depth in zip(times, depths) if depth > depths[-1] - 30)
print(f"You said {predicted_steps}. After {settled} steps the energy is within 30 nats of where it ends.")

# %% [markdown]
# One number is still missing: what does a digit cost, in nats? That takes log Z, a sum over 2⁷⁸⁴ pictures. **Annealed importance sampling** finds it with your Gibbs step and your weights: 100 chains go slowly from a machine without weights, whose Z is known, to yours, and each collects a log weight on its way (Neal 2001; Salakhutdinov & Murray 2008). Before you believe the cost, look at what the 100 chains are worth.

# %% tags=["nbval-ignore-output"]
weigh = WEIGHED.yours_or_ours(globals())
W, b, c, base = machine.weight, machine.visible_bias, machine.hidden_bias, often_on.logit()


def log_p_tilde(v, beta):
    """Of the machine on the way: without weights at 0, yours at 1."""
    return v @ ((1 - beta) * base + beta * b) + F.softplus(beta * (v @ W + c)).sum(1)


v, log_w = machine.noise(100), torch.zeros(100)
betas = torch.linspace(0, 1, 601).tolist()
for old, beta in zip(betas, betas[1:]):
    log_w += log_p_tilde(v, beta) - log_p_tilde(v, old)
    uniforms = (torch.rand(100, n, generator=machine.generator) for n in (len(c), 784))
    _, v = draw(v, beta * W, (1 - beta) * base + beta * b, beta * c, *uniforms)
log_ratio, ess, _ = weigh(log_w, torch.zeros(100), log_w[:, None])
log_z = float(log_ratio + F.softplus(base).sum() + len(c) * math.log(2))
cost = log_z - float((new_digits @ b + F.softplus(new_digits @ W + c).sum(1)).mean())
coins = -float((new_digits @ often_on.log() + (1 - new_digits) @ (1 - often_on).log()).mean())
print(f"log Z = {log_z:.1f}, from 100 chains that are worth {ess:.1f}")
print(f"a digit costs {cost:.1f} nats; coins for each pixel {coins:.1f}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "written_question", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Task 8 · In your own words
#
# **2 points · 5 minutes · ★★☆** · graded by hand
#
# At most 150 words in all. Use what you measured.
#
# 1. (1 point) Train once with `persistent` and once without, all else as in your settings. What do the two numbers say? Why can the pixels be as good without it, and the drawings worse?
# 2. (½ point) In the last cell 100 chains are worth few, perhaps a single one. Is the cost of a digit then more likely too low, or too high? Why?
# 3. (½ point) The careless sampler of task 6 takes a healthy share of its proposals. Why does that say nothing about its target?

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_answer", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# 1. Seed 7, 128 units, rate 0.25: pixels −98.6 and FID 417 with `persistent`, −97.9 and 510 without. Given all other pixels, one pixel is as well known either way: near the data, CD has seen all that it needs. But its chains begin at the data in each step and never get far away, so
#    what lies elsewhere is never pushed up. A chain from noise wanders there and gets stuck. Persistent chains go on, find such places, and learning takes them away.
# 2. Too low. Ẑ is a mean of weights that is right on average only because rare, large weights belong to it. With few effective runs they are missing: Ẑ is too small, and −log p = log Z − log p̃ with it.
# 3. Acceptance says how often the rule says yes, not whether the rule is the right one: a chain with a wrong ratio accepts just as gladly, and goes to another density.
#
# **Marking guide (2 points).** One half point each for: (1a) pixels about equal, FID clearly worse without `persistent`, with numbers; (1b) chains of CD stay near the data, so what is far away is never corrected; (2) too low, since log Ẑ misses the
# large weights; (3) the rule decides the target, and acceptance only counts how often it says yes. Accept any wording and the student's own numbers.
