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

# %% [markdown] slideshow={"slide_type": "slide"}
# # 08 · Energy-based models and sampling
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/notebooks/08_energy_based.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/notebooks/08_energy_based.ipynb)
#
# **You will be able to**
# - write a density as an energy, and say what its constant $Z$ costs,
# - estimate a mean by importance sampling, and see when the estimate hangs on a few draws,
# - build chains (Metropolis–Hastings, Langevin, Hamiltonian, Gibbs), and judge whether they can be believed,
# - train a restricted Boltzmann machine, and measure its likelihood by annealed importance sampling,
# - learn an energy without any chain: score matching and telling data from noise,
# - read a classifier as an energy, and compose energies with "and", "or" and "not".
#
# **Time** about 110 minutes. **Hardware** a laptop's CPU; nothing is downloaded. Every picture with sliders needs a running kernel.
# **You need** lectures 00 (densities, KL) and 01 (mixtures). Sections 6, 12 and 15 look back at 06, sections 15 to 17 at 02, sections 14 and 15 at 07.

# %% tags=["setup"]
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

# %% slideshow={"slide_type": "slide"}
import math

import torch

from course_lib import checkpoints, datasets, metrics, training
from course_lib import energy_based as eb
from course_lib.datasets import toy2d, toy2d_log_prob
from course_lib.datasets.toy2d import plane
from course_lib.energy_based.recipes import strangers
from course_lib.latent_spaces import start_mixture
from course_lib.nn import mlp
from course_lib.plotting import LossPlot, curves, show_images, show_source, table
from course_lib.recipes import preset_for
from course_lib.widgets import energy_based as widgets

training.seed_everything(0)
digits, unseen = datasets.load("mnist_small", "train"), datasets.load("mnist_small", "test")
live = eb.LIVE[preset_for()].options()  # what this machine can train while you watch

# %% [markdown]
# ## First, play
#
# Below is a landscape. Low ground is likely, and drawn dark. Walkers start in it, and each step is a small random one: downhill is always taken, uphill only sometimes. After many steps the places that they visited are *samples* of the density. Nobody needed to know its constant.
#
# **Predict first.** Eight hollows in a circle, and all walkers start in one of them. With small steps, will they find the other seven? And will the numbers beside the picture tell you?

# %%
landscape = widgets.ChainExplorer(step=0.2)
landscape

# %% [markdown]
# > **What to notice.** All sixteen walkers are still in the hollow where they began. And hardly anything warns: more than half of the steps are taken, and R-hat, which compares the walkers with each other and is 1 where they agree, is below 1.1. What it has above 1 comes from the short run: were this hollow the whole landscape, a longer walk would bring R-hat to 1. Only because we know the truth can we say that the variance is 0.07 where 4.56 is right.
# > Now let them start *spread out*. R-hat jumps above 5: walkers that tell different stories have not seen everything. Put them back *at one place*, and raise *step* to 2. Now they get around: all eight hollows are visited, though nine of ten steps are refused. R-hat still objects: 300 such steps are few.
# > Chains, and whether to believe them, are half of this lecture. Energies and how they learn are the other half.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
from course_lib.datasets.toy2d import GAUSSIANS


def walk(start, step):
    landscape.start.value, landscape.step.value = start, step
    return landscape.walked()


def hollows(chains):
    return len(torch.cdist(chains.later.flatten(0, 1), GAUSSIANS["gaussians8"][0]).argmin(1).unique())


here, apart = landscape.start.options
stuck = walk(here, 0.2)
assert hollows(stuck) == 1 and stuck.r_hat < 1.1 and stuck.acceptance > 0.5 and stuck.trouble is None and landscape.chains.value == 16
assert abs(stuck.later[:, :, 1].var() - 0.07) < 0.02 and abs(landscape.right()[3] - 4.56) < 0.01
# the intervention: the one hollow alone, for ten times as long
hollow = eb.gaussian(torch.tensor([3.0, 0.0]), GAUSSIANS["gaussians8"][1] ** 2 * torch.eye(2))
assert eb.metropolis(hollow.energy, hollow.mean.repeat(16, 1), 0.2, 3_000).r_hat < 1.04
assert walk(apart, 0.2).r_hat > 5
striding = walk(here, 2.0)
assert hollows(striding) == 8 and 0.05 < striding.acceptance < 0.12 and striding.r_hat > 1.2 and len(striding.accepted) == 300
_ = walk(here, 0.2)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · The naive attempt: let a network say how likely x is
#
# A flow had to be invertible and an autoregressive model had to be cut into conditionals, so that their densities sum to 1. What if a network $f_\theta$ may be anything, and its output simply *is* $\log p(x)$? Training is easy: raise $f_\theta$ where data is.

# %%
moons, new_moons = (toy2d("moons", n, seed).x for n, seed in ((2_000, 1), (1_000, 2)))
cells = plane(70, 3.5)  # the middles of small squares that fill [−3.5, 3.5]²
AREA = (7 / 70) ** 2


def train(loss, steps=1_200, rate=1e-2):
    """A network of the plane, trained to make `loss(f, batch)` small."""
    training.seed_everything(0)
    f = mlp([2, 64, 64, 1])
    optimiser = torch.optim.Adam(f.parameters(), rate)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, steps)
    for _ in range(steps):
        value = loss(lambda x: f(x)[:, 0], moons[torch.randint(len(moons), (256,))])
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        falling.step()
    return lambda x: f(x)[:, 0].detach()


naive = train(lambda f, x: -f(x).mean())
print(f'"log p" of new data {naive(new_moons).mean():,.0f}, of the corners of the plane {naive(cells[[0, -1]]).mean():,.0f}')
print(f"what the plane's probabilities sum to: e^{(naive(cells).logsumexp(0) + math.log(AREA)).item():,.0f}")

# %% [markdown]
# > **What to notice.** The network says "likely" ever louder, on data and in empty corners alike: nothing ever told it that a probability spent here is missing there. What it calls probabilities sum to far more than 1.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert naive(new_moons).mean() > 100 and naive(cells[[0, -1]]).mean() > 100 and naive(cells).logsumexp(0) + math.log(AREA) > 100

# %% [markdown]
# So divide by the sum. With $E_\theta(x)=-f_\theta(x)$, the **energy**,
#
# $$p_\theta(x)=\frac{e^{-E_\theta(x)}}{Z_\theta},\qquad Z_\theta=\int e^{-E_\theta(x)}\,dx,\qquad -\log p_\theta(x)=E_\theta(x)+\log Z_\theta .$$
#
# $Z_\theta$ is the **partition function**. This is an **energy-based model**. *Every* density can be written so: take $E=-\log p$ ($\infty$ where $p$ is 0), then $Z=1$. A constant added to $E$ changes nothing, because $Z$ takes it back. Let the square $[-3.5,3.5]^2$ be all the places that there are. Then we can add up its small squares.

# %%
exact = train(lambda f, x: -f(x).mean() + f(cells).logsumexp(0) + math.log(AREA))


def log_p(x):
    return exact(x) - (exact(cells).logsumexp(0) + math.log(AREA))


truth = toy2d_log_prob("moons", cells)
show_images(
    torch.stack([g.exp().view(1, 70, 70) / g.exp().max() for g in (truth, log_p(cells))]),
    columns=2,
    titles=["the truth", "e^(−E) / Z"],
    size=2.2,
)
fit, best = log_p(new_moons).mean().item(), toy2d_log_prob("moons", new_moons).mean().item()
print(f"log p of new points {fit:.2f} nats, by the truth {best:.2f}")
print(f"small squares: {len(cells):,}; states of 784 pixels, black or white: 10^{784 * math.log10(2):.0f}")

# %% [markdown]
# > **What to notice.** With $Z$ the same network, in as many steps, comes within a fifth of a nat of the truth. And the price: in two dimensions $Z$ is a sum of 4,900 terms. For a black-and-white digit it has $10^{236}$. This lecture is about doing without that sum.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert 0 < best - fit < 1 / 5 and len(cells) == 4_900 and round(784 * math.log10(2)) == 236
assert torch.allclose((exact(cells) + 5).log_softmax(0), exact(cells).log_softmax(0), atol=1e-4)  # a constant changes nothing

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Where it comes from: physics
#
# A physical system in a bath of temperature $T$ is in state $s$ with probability $p(s)=e^{-E(s)/T}/Z$: the **Boltzmann distribution** (also Gibbs distribution). At high $T$ all states are nearly equally likely; as $T\to0$ only the lowest remain. Lecture 05's temperature was the same $T$ for one pixel or letter at a time, with logits for $-E$.
#
# The **Ising model** is the simplest with surprises. Spins $s_i=\pm1$ sit on a square lattice, and each pair of neighbours that agree lowers the energy: $E(s)=-\sum_{\langle i,j\rangle}s_is_j$. The mean spin is its **magnetisation**. A small lattice can be added up.

# %%
show_source(eb.ising_energy)
spins = 2 * eb.states(16).view(-1, 4, 4) - 1  # all 65,536 lattices of 4 × 4
rows = []
for temperature in (1.0, eb.CRITICAL_TEMPERATURE, 5.0):
    p = (-eb.ising_energy(spins).double() / temperature).softmax(0)
    size = (p * eb.magnetisation(spins).abs()).sum().item()
    two = p.sort(descending=True).values[:2].sum().item()
    rows.append(
        {
            "T": round(temperature, 2),
            "mean size of the magnetisation": f"{size:.2f}",
            "share of the two states where all agree": f"{two:.3f}",
        }
    )
log_z_of_cold = (-eb.ising_energy(spins).double()).logsumexp(0).item()
print(f"log Z at T = 1 by hand {log_z_of_cold:.4f}, by the library {eb.ising_log_partition(4, 1.0):.4f}")  # test it
table(rows)

# %% [markdown]
# In a large lattice something happens at one temperature. **Predict first.** Raise $T$ slowly from 1 to 4. Does order fade slowly, or does it break?

# %%
lattices = widgets.IsingExplorer(temperature=2.2, sweeps=200)
lattices.start.value = "cold: all up"
lattices

# %% [markdown]
# > **What to notice.** It breaks, near $T=2.27$. At 1.8 the mean spin is above 0.9; at 3 the mean spin is nearly 0; most of the fall lies between 2.1 and 2.5. This is a **phase transition**, at $T_c=2/\log(1+\sqrt2)=2.269$ in an infinite lattice (Onsager, 1944). No spin was told of it.
# > The chain has its own troubles. Set *start* to hot, *temperature* to 1.4 and *sweeps* to 40: domains of both sides are left, where the cold start has long been right. Even after 200 sweeps the two starts disagree, there and near $T_c$. At 3 they agree. A chain that draws spin by spin moves a wall between domains, or a large patch, only slowly.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
from course_lib.widgets.energy_based.machines import TEMPERATURES

place, found = {t: TEMPERATURES.index(t) for t in TEMPERATURES}, {}
for start in lattices.start.options:
    for sweeps in (40, 200):
        lattices.start.value, lattices.sweeps.value = start, sweeps
        found[start[:3], sweeps] = lattices.later()[0]
cold, hot = found["col", 200], found["hot", 200]
assert cold[place[1.8]] > 0.9 and max(cold[place[3.0]], hot[place[3.0]]) < 0.15
assert cold[place[2.1]] - cold[place[2.5]] > 0.5 * (cold[place[1.0]] - cold[place[5.0]])
assert found["col", 40][place[1.4]] - found["hot", 40][place[1.4]] > 0.1 and abs(cold[place[1.4]] - eb.onsager_magnetisation(1.4)) < 0.02
assert abs(2 / math.log(1 + math.sqrt(2)) - 2.269) < 1e-3 and cold[place[2.27]] - hot[place[2.27]] > 0.1
assert cold[place[1.4]] - hot[place[1.4]] > 0.1 > abs(cold[place[3.0]] - hot[place[3.0]])
lattices.start.value, lattices.sweeps.value = "cold: all up", 200

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · Means without samples: importance weights
#
# We often want a mean under $p$, say $\mathbb E_p[g(x)]$, or $Z$ itself. Draw from an easy density $q$ instead, and correct. With $\tilde p(x)=e^{-E(x)}$, not normalised, and $w(x)=\tilde p(x)/q(x)$, where $q$ is above 0 wherever $p$ is,
#
# $$Z=\int q(x)\,\frac{\tilde p(x)}{q(x)}\,dx=\mathbb E_q[w(x)],\qquad \mathbb E_p[g(x)]=\frac{\mathbb E_q[w(x)\,g(x)]}{\mathbb E_q[w(x)]}\approx\sum_i\bar w_i\,g(x_i),\quad \bar w_i=\frac{w_i}{\sum_jw_j}.$$
#
# This is **importance sampling**, self-normalised on the right. If a few weights are large, the mean hangs on a few draws. The **effective sample size** $1/\sum_i\bar w_i^2$ says on how many: $n$ if all are equal, 1 if one has everything.
#
# **Predict first.** Move the proposal away from the target. Which suffers first: the estimate, or the effective sample size? And make $q$ narrower than $p$: what do the weights not see?

# %%
weighing = widgets.ImportanceExplorer()
weighing


# %% [markdown]
# > **What to notice.** As it stands, everything looks well: nearly all of the 100 draws count, and the mean is about 2 with an error of 0.05. The truth is 0. So the estimate suffers first, and the effective sample size keeps silent: the proposal covers one of two modes, and the weights see only where draws fell.
# > Set *shift* to 0, *width* to 1.5 and *draws* to 1,000: now both modes are covered, four draws of ten count, and the estimate is right within three errors. Narrow $q$ to 0.5: few draws reach the modes, and these few have huge weights. **A proposal must reach wherever its target does: rather too wide than too narrow.** Back at a width of 1.5, raise *dimensions* to 10: of 1,000 draws a handful is left.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
def weighed(shift, width, dims, draws):
    weighing.shift.value, weighing.width.value, weighing.dims.value, weighing.draws.value = shift, width, dims, draws
    x, log_w = weighing.drawn()
    return float(eb.weight_ess(log_w)), *map(float, eb.self_normalised(x, log_w))


ess, mean, error = weighed(2.0, 0.7, 1, 100)
assert ess > 90 and abs(mean - 2) < 0.1 and abs(error - 0.05) < 0.01
ess, mean, error = weighed(0.0, 1.5, 1, 1_000)
assert abs(ess / 1_000 - 0.4) < 0.05 and abs(mean) < 3 * error
assert weighed(0.0, 0.5, 1, 1_000)[0] < 30 and weighed(0.0, 1.5, 10, 1_000)[0] < 10
_ = weighed(2.0, 0.7, 1, 100)

# %% [markdown]
# In many dimensions a proposal that is wrong by a little in each is wrong by a lot. Let $p$ be $\mathcal N(0,I)$ and $q$ wider by half, $\mathcal N(0,1.5^2I)$. The effective share of $n$ draws is $(\sum_iw_i)^2/(n\sum_iw_i^2)$, in the long run $\mathbb E_q[w]^2/\mathbb E_q[w^2]$. Both densities are normalised, so $\mathbb E_q[w]=1$. In one dimension $\mathbb E_q[w^2]=s^2/\sqrt{2s^2-1}$ with $s=1.5$, so the share is $0.83$. In $d$ dimensions $w$ is a product of $d$ such weights, and the share is $0.83^d$.

# %%
show_source(eb.weight_ess)
rows = []
for d in (1, 10, 50, 200):
    x = 1.5 * torch.randn(20_000, d)
    log_w = -0.5 * x.square().sum(1) + 0.5 * (x / 1.5).square().sum(1)
    share = (math.sqrt(2 * 1.5**2 - 1) / 1.5**2) ** d
    rows.append(
        {"dimensions": d, "effective, of 20,000": f"{eb.weight_ess(log_w).item():,.1f}", "20,000 · 0.83^d": f"{20_000 * share:,.1e}"}
    )
table(rows)

# %% [markdown]
# > **What to notice.** At 10 dimensions a sixth of the draws is left; at 50 about one in ten thousand should count, two in all, and the measured number is too large already, for the heaviest draws have not come; at 200 the weights cannot even see how bad it is: the true value lies far below 1, and no measured one can. Images have hundreds. We need samples that *find* the likely places: chains.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
shares = [(math.sqrt(3.5) / 2.25) ** d for d in (1, 10, 50, 200)]
measured = [float(row["effective, of 20,000"].replace(",", "")) for row in rows]
assert 0.83 < shares[0] < 0.84 and 1 / 7 < shares[1] < 1 / 6 and 0.5e-4 < shares[2] < 1.2e-4 and 20_000 * shares[3] < 1e-9
assert abs(measured[0] / 20_000 - shares[0]) < 0.01 and abs(measured[1] / 20_000 - shares[1]) < 0.02 and min(measured) >= 1
assert abs(20_000 * shares[2] - 2) < 0.1 and measured[2] > 20_000 * shares[2]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Metropolis–Hastings
#
# A **Markov chain** goes from $x$ to its next place by chance, looking at nothing but $x$. We want its visits to be distributed as $p$. It is enough that between every two places as much traffic goes there as back, **detailed balance**:
#
# $$p(x)\,P(x\to y)=p(y)\,P(y\to x).$$
#
# Sum over $x$: the right side gives $p(y)$, the left what arrives at $y$. So a chain distributed as $p$ stays so: $p$ is **stationary**. If the chain can get everywhere (it is **irreducible**) and does not go round in circles (**aperiodic**), it ends in $p$ from any start.
#
# Take any proposal $q(y\mid x)$, and accept it with probability
#
# $$a(x\to y)=\min\Big(1,\ \frac{p(y)\,q(x\mid y)}{p(x)\,q(y\mid x)}\Big),\qquad\text{else stay at }x.$$
#
# Why it balances: of the two ratios, there and back, one is at least 1. Say it is the one there; then $p(x)q(y|x)\cdot1=p(y)q(x|y)\cdot\frac{p(x)q(y|x)}{p(y)q(x|y)}$. And $Z$ cancels: $p(y)/p(x)=e^{E(x)-E(y)}$.

# %%
show_source(eb.metropolis_step)
energies = torch.tensor([0.0, 1.0, 0.3, 2.0, 0.7], dtype=torch.float64)  # five states in a ring
p = (-energies).softmax(0)
q = 0.7 * torch.eye(5).double().roll(1, 1) + 0.3 * torch.eye(5).double().roll(-1, 1)  # one step clockwise with 0.7, back with 0.3


def transitions(correct=True):
    """The matrix P(x → y) of Metropolis–Hastings on the ring; not `correct`: the proposal's ratio is forgotten."""
    ratio = p / p[:, None]
    if correct:
        ratio = ratio * torch.where(q > 0, q.T / q.clamp(min=1e-9), 0)
    moves = q * ratio.clamp(max=1)
    return moves + torch.diag(1 - moves.sum(1))


flow = p[:, None] * transitions()
print(f"as much traffic there as back: {torch.allclose(flow, flow.T)}; p stays as it is: {torch.allclose(p @ transitions(), p)}")  # test it

# %% [markdown]
# **Break it.** Forget $q(x\mid y)/q(y\mid x)$, as one does with a proposal that leans to one side. Nothing fails: proposals are accepted and rejected as before. Where does the chain end?

# %%
ends = torch.linalg.matrix_power(transitions(correct=False), 2_000)[0]
accepted = {
    "correct": 1 - (p * transitions().diagonal()).sum().item(),
    "forgotten": 1 - (ends * transitions(correct=False).diagonal()).sum().item(),
}
print(f"accepted: {accepted['correct']:.0%} with the correction, {accepted['forgotten']:.0%} without")
table(
    [
        {"state": "p", **{str(i): f"{v:.3f}" for i, v in enumerate(p.tolist())}},
        {"state": "where it ends", **{str(i): f"{v:.3f}" for i, v in enumerate(ends.tolist())}},
    ]
)

# %% [markdown]
# > **What to notice.** The share of accepted steps falls by five in a hundred, which nobody would notice. And the chain ends elsewhere: one state is visited half as often again as it should be, another too rarely by more than a third. An acceptance rate says whether a chain moves, and nothing about where it ends.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert abs(accepted["forgotten"] - accepted["correct"]) < 0.055 and abs((ends / p).max() - 1.5) < 0.02 and (ends / p).min() < 2 / 3
walkers = eb.metropolis(
    lambda x: energies[x[:, 0].long() % 5].float(),
    torch.zeros(4_000, 1),
    lambda x: (
        (y := (x + torch.where(torch.rand(len(x), 1) < 0.7, 1.0, -1.0)) % 5),
        torch.where((y - x) % 5 == 1, 3 / 7, 7 / 3)[:, 0].log(),
    ),
    60,
)
visits = torch.bincount(walkers.path[-1].long().flatten(), minlength=5) / 4_000
assert (visits - p).abs().max() < 5 * (0.25 / 4_000) ** 0.5  # the library's own step, by its visits

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · Can a chain be believed?
#
# The samples of a chain are not independent: each is near the one before. Three questions, three numbers.
#
# - **How much do they repeat each other?** The **autocorrelation** $\rho_k$ is the correlation of the chain with itself $k$ steps later. $n$ samples of one chain are worth $n/(1+2\sum_k\rho_k)$ independent ones, its **effective sample size**.
# - **Has it forgotten its start?** Throw away the first half, the **burn-in**. Run several chains from starts far apart, and compare: **R-hat** is $\sqrt{\text{variance of all}/\text{variance within a chain}}$, after each chain is cut in two, so that a drift shows as well. It is 1 where all tell the same story; above 1.01, let them run on.
# - **Is the target right?** No number of the chain says so (section 4). Only a case whose answer is known.
#
# **Predict first.** A random walk with steps of size 0.1, 2.4 or 30 on a Gaussian of width 1. Which has the best acceptance, and which is worth most samples?

# %%
normal = lambda x: 0.5 * x.square().sum(1)  # noqa: E731
rows, walks = [], {}
for scale in (0.1, 2.4, 30.0):
    walk = walks[scale] = eb.metropolis(normal, 5 * torch.randn(20, 1), scale, 2_000)
    rows.append(
        {
            "size of a step": scale,
            "accepted": f"{walk.acceptance:.0%}",
            "worth, of 20,000": f"{walk.ess:,.0f}",
            "R-hat": f"{walk.r_hat:.2f}",
        }
    )
table(rows)

# %%
lag = torch.arange(0, 100)
curves(
    {f"steps of {scale}": eb.autocorrelation(walk.later[:, :, 0]).mean(1)[:100] for scale, walk in walks.items()},
    x_label="steps later",
    y_label="autocorrelation",
)

# %% [markdown]
# > **What to notice.** Small steps: nearly all are accepted, and almost nothing is learned, for the chain crawls. Large steps: nearly all are refused, and it stands still. In between a chain accepts less than half, and is worth most. R-hat rejects both: in the steps that are judged each such chain has seen a part only. That is no memory of a bad start. Crawling chains that begin at exact draws fare no better.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
crawling, walking, leaping = walks.values()
assert crawling.acceptance > 0.9 and 0.35 < walking.acceptance < 0.5 and leaping.acceptance < 0.1
assert walking.ess > 3 * max(crawling.ess, leaping.ess) and crawling.r_hat > 1.05 and walking.r_hat < 1.01 < leaping.r_hat
assert eb.metropolis(normal, torch.randn(20, 1), 0.1, 2_000).r_hat > 1.05  # the intervention: a perfect start
assert crawling.trouble is None or "different stories" in crawling.trouble

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · Follow the slope: Langevin and Hamilton
#
# A random walk does not use what we have: the slope of $E$. **Langevin's walk** goes downhill and adds noise,
#
# $$x\leftarrow x-\eta\,\nabla E(x)+\sqrt{2\eta}\,\varepsilon,\qquad\varepsilon\sim\mathcal N(0,I).$$
#
# $-\nabla E=\nabla\log p$ is the **score** of lecture 06: no $Z$ in it. Why $\sqrt{2\eta}$? Try $E=x^2/2\sigma^2$. Then $x\leftarrow(1-\eta/\sigma^2)\,x+\sqrt{2\eta}\,\varepsilon$, and a variance $v$ that stays as it is has $v=(1-\eta/\sigma^2)^2v+2\eta$, so
#
# $$v=\frac{\sigma^2}{1-\eta/2\sigma^2}.$$
#
# For small $\eta$ this is $\sigma^2$, as it should be; with noise $\sqrt\eta$ it would be half of that. For larger $\eta$ it is too wide (**unadjusted**, ULA), and from $\eta=2\sigma^2$ on the walk flies away. **MALA** takes the step as a proposal and lets Metropolis decide: exact for every $\eta$.

# %%
show_source(eb.langevin_step)
show_source(eb.mala_step)
rows = []
for eta in (0.02, 0.5, 1.0, 2.5):
    start = torch.zeros(2_000, 1)  # a variance of 0
    ula, mala = eb.ula(normal, start, eta, 300), eb.mala(normal, start, eta, 300)
    rows.append(
        {
            "η": eta,
            "ULA: variance": f"{ula.path[-1].var().item():.3g}" if ula.path[-1].isfinite().all() else "diverged",
            "1 / (1 − η/2)": f"{1 / (1 - eta / 2):.3g}" if eta < 2 else "none",
            "MALA: variance": f"{mala.path[-1].var().item():.3g}",
            "MALA accepts": f"{mala.acceptance:.0%}",
        }
    )
print(eb.ula(normal, torch.randn(10, 1), 2.5, 3_000).trouble)
table(rows)

# %% [markdown]
# > **What to notice.** The walk without correction ends in the variance that the formula gives, twice too wide at $\eta=1$. MALA comes to a variance of 1 with every step, and pays with refusals. At $\eta=2.5$ ULA diverges, and the course's chains say so in a sentence rather than draw it.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
for row in rows[:3]:
    assert abs(float(row["ULA: variance"]) * (1 - row["η"] / 2) - 1) < 0.15
assert all(abs(float(row["MALA: variance"]) - 1) < 0.25 for row in rows)
refused = [1 - float(row["MALA accepts"].rstrip("%")) / 100 for row in rows]
assert refused == sorted(refused) and rows[3]["ULA: variance"] == "diverged"
x = torch.randn(2_000, 1)  # the intervention: noise √η in place of √(2η)
for _ in range(400):
    x = x - 0.02 * x + 0.02**0.5 * torch.randn_like(x)
assert abs(x.var().item() - 0.5) < 0.08

# %% [markdown]
# **Hamiltonian Monte Carlo** gives the walker a push $v\sim\mathcal N(0,I)$ and lets it roll: $\dot x=v$, $\dot v=-\nabla E(x)$. The total energy $H=E(x)+\frac12\|v\|^2$ is kept, so a long roll would always be accepted, if it could be followed exactly. The **leapfrog** integrator nearly does, can be run backwards, and keeps volumes; Metropolis removes the rest. A long roll goes far without turning back: the random walk is gone.

# %%
show_source(eb.leapfrog)
show_source(eb.hmc_step)
x, v = torch.randn(50, 3), torch.randn(50, 3)
y, w = eb.leapfrog(x, v, normal, 0.1, 20)
back, turned = eb.leapfrog(y, -w, normal, 0.1, 20)
print(f"rolled back, it is where it began: {torch.allclose(back, x, atol=1e-5)}")  # test it

# %%
wide = eb.gaussian(torch.zeros(50), torch.diag(torch.linspace(0.5, 2, 50) ** 2))
# how many slopes a step needs, if the last one is kept; a random walk needs an energy, which is cheaper
METHODS = {
    "random walk": (1, lambda energy, x, step: eb.metropolis(energy, x, step, 400)),
    "MALA": (1, lambda energy, x, step: eb.mala(energy, x, step, 400)),
    "HMC, 10 leaps": (10, lambda energy, x, step: eb.hmc(energy, x, step, 10, 400)),
}
STEPS = {  # of each method, found by trying a few
    "Gaussian": (2.5, 0.5, 0.2),
    "banana": (2.0, 0.25, 0.2),
    "8 modes": (2.0, 0.25, 0.2),
    "Gaussian, 50 dimensions": (0.3, 0.2, 0.25),
}
rows, found = [], {}
for name, target in (eb.targets() | {"Gaussian, 50 dimensions": wide}).items():
    for (method, (cost, chain)), step in zip(METHODS.items(), STEPS[name]):
        training.seed_everything(0)
        run = found[name, method] = chain(target.energy, 2 * torch.randn(50, len(target.mean)), step)
        samples = run.later.flatten(0, 1)
        ratio = samples.var(0) / target.cov.diag()
        rows.append(
            {
                "target": name,
                "method": method,
                "step": step,
                "accepted": f"{run.acceptance:.0%}",
                "worth, of 10,000": f"{run.ess:,.0f}",
                "worth, of 10,000 slopes": f"{run.ess / cost:,.0f}",
                "R-hat": f"{run.r_hat:.2f}",
                "variance / true": f"{ratio.min():.2f} to {ratio.max():.2f}",
            }
        )
table(rows)

# %% [markdown]
# > **What to notice.** On three of four targets HMC's steps are worth most, and R-hat is nearest to 1. But each costs ten slopes. In two dimensions that does not pay: on the banana a random walk is worth more for the money. In 50 dimensions it does: there a slope of HMC is worth more than twice a step of the others. The more dimensions, the less a blind step finds: from 2 dimensions of width 1 to 50, a random walk loses nine tenths of its worth and more, HMC less than four fifths.
# > HMC hangs on how long it rolls. With steps of 0.6 in place of 0.2 it is worth more on the Gaussian, and far less on the banana.
# > On the eight modes no method is at home. The chains started everywhere, so together they cover the ring, and R-hat says that each knows its own part only. A slope shows the way down, not the way to another valley.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
worth = {key: run.ess for key, run in found.items()}
for name in ("Gaussian", "banana", "Gaussian, 50 dimensions"):
    assert worth[name, "HMC, 10 leaps"] > 2 * max(worth[name, "MALA"], worth[name, "random walk"])
    assert found[name, "HMC, 10 leaps"].r_hat < 1.1 and found[name, "HMC, 10 leaps"].r_hat < found[name, "random walk"].r_hat
assert worth["banana", "HMC, 10 leaps"] / 10 < worth["banana", "random walk"]
assert worth["Gaussian, 50 dimensions", "HMC, 10 leaps"] / 10 > 2 * max(
    worth["Gaussian, 50 dimensions", m] for m in ("MALA", "random walk")
)
assert all(found["8 modes", method].r_hat > 1.2 for method in METHODS)
blind, rolling = [], []
for d in (2, 50):  # the dimension alone; the steps as theory scales them, 1/√d and 1/⁴√d
    training.seed_everything(0)
    leaps, ways = round(1.5 * d**0.25), torch.randn(50, d)
    blind.append(eb.metropolis(normal, ways, 2.4 / d**0.5, 400).ess)
    rolling.append(eb.hmc(normal, ways, 1 / d**0.25, leaps, 400).ess / leaps)
assert blind[1] < blind[0] / 10 and rolling[1] > rolling[0] / 5
longer = {name: eb.hmc(eb.targets()[name].energy, 2 * torch.randn(50, 2), 0.6, 10, 400).ess for name in ("Gaussian", "banana")}
assert STEPS["Gaussian"][2] == STEPS["banana"][2] == 0.2
assert longer["Gaussian"] > 1.5 * worth["Gaussian", "HMC, 10 leaps"] and longer["banana"] < worth["banana", "HMC, 10 leaps"] / 3
for name in ("Gaussian", "banana"):  # against the true moments
    samples, truth_of = found[name, "HMC, 10 leaps"].later.flatten(0, 1), eb.targets()[name]
    error = (truth_of.cov.diag() / worth[name, "HMC, 10 leaps"]).sqrt()
    assert ((samples.mean(0) - truth_of.mean).abs() < 6 * error).all()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · Gibbs: one coordinate at a time
#
# Often $p(x_i\mid\text{all others})$ is easy though $p(x)$ is not. **Gibbs sampling** draws one coordinate after the other from it. As a proposal, this is always accepted: $p(x_i'|x_{-i})$ is exactly what Metropolis' ratio asks for. For a spin of section 2 the conditional is the sigmoid of $2/T$ times its neighbours' sum.
#
# It is slow where coordinates hang together: each move must stay near where the others are.

# %%
show_source(eb.gibbs_sweep)
rows, times = [], {}
for r in (0.0, 0.9, 0.97):
    cov = torch.tensor([[1.0, r], [r, 1.0]])
    run = eb.gibbs(eb.gaussian_conditional(torch.zeros(2), cov), torch.randn(30, 2), 4_000)
    times[r] = eb.autocorrelation_time(run.later).max().item()
    rows.append(
        {
            "correlation": r,
            "sweeps for one independent sample": f"{times[r]:.0f}",
            "(1 + r²) / (1 − r²)": f"{(1 + r * r) / (1 - r * r):.0f}",
        }
    )
table(rows)

# %% [markdown]
# > **What to notice.** With a correlation of 0.97 about 33 sweeps make one independent sample. The formula: one sweep multiplies the memory of the start by $r^2$, and $1+2\sum_k r^{2k}=(1+r^2)/(1-r^2)$.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert all(abs(times[r] * (1 - r * r) / (1 + r * r) - 1) < 0.35 for r in times) and abs((1 + 0.97**2) / (1 - 0.97**2) - 33) < 1

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · How an energy learns
#
# Raise $\log p_\theta$ of the data by gradients. $Z_\theta$ depends on $\theta$, too:
#
# $$\nabla_\theta\log Z_\theta=\frac1{Z_\theta}\int\nabla_\theta e^{-E_\theta(x)}dx=-\int\frac{e^{-E_\theta(x)}}{Z_\theta}\nabla_\theta E_\theta(x)\,dx=-\mathbb E_{p_\theta}\big[\nabla_\theta E_\theta\big],$$
#
# $$\boxed{\;\nabla_\theta\log p_\theta(x)=-\nabla_\theta E_\theta(x)+\mathbb E_{x'\sim p_\theta}\big[\nabla_\theta E_\theta(x')\big]\;}$$
#
# Lower the energy of data (**positive phase**); raise it where the model itself goes, in its dreams (**negative phase**). Section 1 had forgotten the second half. $Z$ is gone; what is left needs *samples of the model*, one batch for each step.
#
# Test it where everything can be added up: a **Boltzmann machine**, units of 0 and 1 that pull at each other with weights $w_{ij}$, $E(s)=-\sum_{i<j}w_{ij}s_is_j-\sum_ib_is_i$. There $\partial E/\partial w_{ij}=-s_is_j$: the rule is "how often are both on in the data, less how often in the dream", a rule that a synapse could follow.

# %%
training.seed_everything(0)
machine = eb.BoltzmannMachine(visible=6)
x = (torch.rand(100, 6) < torch.tensor([0.2, 0.8, 0.5, 0.5, 0.1, 0.9])).float()
machine.loss(x).backward()  # exact −log p, through log Z
states = eb.states(6)
dream = machine.log_prob(states).exp().detach()
pairs = (x.T @ x) / len(x) - states.T @ (dream[:, None] * states)
print(f"the boxed rule is the gradient: {torch.allclose(-machine.weight.grad, pairs.triu(1), atol=1e-6)}")  # test it

# %% [markdown]
# With **hidden units** $h$ a machine can say more: what is seen, $x$, has the energy $F(x)=-\log\sum_he^{-E(x,h)}$, its **free energy**. Then $p(x)=e^{-F(x)}/Z$, and the boxed rule holds with $F$ for $E$. Twelve units still have 4,096 states to add up. Images need a machine whose conditionals are easy.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · The restricted Boltzmann machine
#
# *Restricted*: pixels pull at hidden units and hidden units at pixels, and nothing at its own kind,
#
# $$E(x,h)=-x^\top Wh-b^\top x-c^\top h .$$
#
# Here $\sigma$ is the sigmoid. Given $x$ the energy is a sum over $j$, $-\sum_jh_j(x^\top W_{:j}+c_j)-b^\top x$, so the hidden units are independent, and $e^{-E}$ is a product:
#
# $$p(h_j=1\mid x)=\sigma\big(x^\top W_{:j}+c_j\big),\qquad p(x_i=1\mid h)=\sigma\big(W_{i:}h+b_i\big),\qquad F(x)=-b^\top x-\sum_j\log\big(1+e^{x^\top W_{:j}+c_j}\big).$$
#
# Gibbs sampling takes all hidden units at once, then all pixels at once. Where do the dreams of the negative phase come from?
#
# - **Contrastive divergence**, CD-$k$: begin at the data, take $k$ steps. Cheap, and biased: the chain has not gone far.
# - **Persistent** CD: keep a hundred chains, let them go on from where they were, a step for each step of training.

# %%
show_source(eb.RBM.free_energy)
show_source(eb.RBM.loss)
training.seed_everything(0)
tiny = eb.RBM(shape=(1, 2, 3), hidden=4, persistent=False)
with torch.no_grad():
    tiny.weight.normal_(std=1.5)
everything = eb.states(6).view(-1, 1, 2, 3)
data = everything[[5, 21, 42, 42, 63]]


def gradient(loss):
    return torch.autograd.grad(loss, tiny.weight)[0]


true = gradient(tiny.free_energy(data).mean() + (-tiny.free_energy(everything)).logsumexp(0))  # of the exact −log p
rows = []
for k in (1, 3, 10, 30):
    tiny.k = k
    many = gradient(tiny.loss(data.repeat(20_000, 1, 1, 1)))  # averaged over 100,000 chains
    rows.append({"k": k, "CD-k, off by": f"{(many - true).norm().item() / true.norm().item():.0%}"})
table(rows)

# %% [markdown]
# > **What to notice.** CD-1 is off by a good part of the gradient, however many chains are averaged: this is bias, not noise. Longer chains remove it.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
off = [float(row["CD-k, off by"].rstrip("%")) for row in rows]
assert off[0] > 1.5 * off[1] and off[1] > 2 * max(off[2:]) and off[0] > 20 and max(off[2:]) < 5
tiny.k = 1
another, same = (gradient(tiny.loss(data.repeat(20_000, 1, 1, 1))) for _ in range(2))  # other chains, as far off
assert (another - same).norm() < 0.1 * (another - true).norm()

# %%
training.seed_everything(0)
young = eb.RBM(hidden=64)
young.begin_at(datasets.to_float(digits.x))
training.fit(young, digits.x, prepare=datasets.binarise, watch=LossPlot(), **live)

# %% [markdown]
# The curve is a difference of two free energies: it goes up and down around 0 and does not say how well training goes. Look at what was learned. Below: what single hidden units pull at, white for on and black for off; then dreams of the young machine.

# %%
young.eval()
filters = young.weight.detach().T[:16].view(-1, 1, 28, 28)
training.seed_everything(0)
show_images(
    torch.cat([(0.5 + filters / filters.abs().amax((1, 2, 3), keepdim=True) / 2), young.sample(16, shades=True)]), columns=16, size=0.55
)

# %% [markdown]
# > **What to notice.** Hidden units have become blurred strokes and pieces of digits: each pulls pixels on where it is bright, and off where it is dark. The dreams are shown as probabilities of pixels, which is why they look soft. Most are made of strokes as a digit is. Starting from the base rates of the pixels, training gained more than 50 nats of pseudo-likelihood ($\sum_i\log p(x_i\mid\text{all other pixels})$, which needs no $Z$).

# %% slideshow={"slide_type": "skip"} tags=["claim"]
test = datasets.binarise(unseen.x[::10], generator=torch.Generator().manual_seed(0)).float()
plain = eb.RBM(hidden=64)
plain.begin_at(datasets.to_float(digits.x))
with torch.no_grad():
    plain.weight.zero_()
    gained = (young.pseudo_log_likelihood(test) - plain.pseudo_log_likelihood(test)).mean().item()
assert gained > 50 and all(0.1 < (each > 0).float().mean() < 0.9 for each in filters)

# %% [markdown]
# The shipped machine has 500 hidden units and trained for 60,000 steps. Watch it dream, from noise or from a digit, and hide half of a digit: Gibbs sampling with some pixels held fast fills in the rest. **Predict first.** Start at noise. How many steps until there is a digit? And once there, will the digit become another?

# %%
rbm = checkpoints.load("rbm")
dreaming = widgets.GibbsExplorer(rbm, unseen.x[::20])
dreaming

# %% [markdown]
# > **What to notice.** The lower half of a digit is held, the upper is drawn. Two half-steps from noise the free energy has fallen by hundreds of nats, and after 56 it is about that of real digits: noise is forgotten at once, details take longer. Set *keep* to nothing: now whole digits form out of noise, though not each is clear. Start at a *digit* and keep nothing: it changes slowly, and mostly stays what it is. Gibbs sampling gets slowly from the valley of one digit to that of another: after 28 sweeps about one of seven is read as another digit, after 400 about half or more.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
free = dreaming.film()[3].mean(1)
assert free[0] - free[2] > 200 and abs(free[56] - dreaming.usual) < 60
dreaming.keep.value = "nothing"
free = dreaming.film()[3].mean(1)
assert free[2] - free[56] > 100 and abs(free[56] - dreaming.usual) < 80
some = datasets.binarise(unseen.x[::10], generator=torch.Generator().manual_seed(1)).float()
training.seed_everything(0)
stayed = {
    sweeps: (metrics.predicted_digits(rbm.sample(len(some), steps=sweeps, start=some, shades=True)) == unseen.y[::10]).float().mean()
    for sweeps in (28, 400)
}
assert abs(stayed[28] - 6 / 7) < 0.11 and stayed[400] < 0.55
dreaming.keep.value = "lower half"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · How good is it? log Z by annealing
#
# $\log p(x)=-F(x)-\log Z$, and $\log Z$ is a sum over $2^{500}$ states. Importance sampling (section 3) from an easy machine $p_0$, of energy $E_0$, fails: the two are too far apart. So go there in small steps. **Annealed importance sampling** (AIS) places densities between, with the energy $(1-\beta)E_0+\beta E$ of $x$ and $h$: $p_\beta$ goes from $p_0$ at $\beta=0$ to ours at $\beta=1$. It begins at a draw $x_0$ of $p_0$. At each $\beta_k$ it multiplies the weight by the small ratio and lets a chain follow:
#
# $$w=\prod_{k=1}^{K}\frac{\tilde p_{\beta_k}(x_{k-1})}{\tilde p_{\beta_{k-1}}(x_{k-1})},\qquad x_k\ \text{by a step that leaves}\ p_{\beta_k}\ \text{as it is},\qquad \mathbb E[w]=\frac{Z_1}{Z_0}.$$
#
# $\hat Z$ is right on average, for any number of temperatures. So its *logarithm* is too low on average (Jensen), and $-\log p$ of the data looks too *good*. With 20 hidden units the sum over all states can be done: test it there first. **Predict first.** With few temperatures, will the estimate be too high or too low?

# %%
show_source(eb.annealed_importance_sampling)
small = checkpoints.load("rbm_20")
annealing = widgets.PartitionExplorer(small, unseen.x)
annealing

# %% [markdown]
# > **What to notice.** With 10 temperatures the estimate is too low, by more than 5 nats, and the runs are worth hardly more than one: the explorer says that the number hangs on few runs. With 300 it is within 3 nats. With 10,000 temperatures and 200 runs, as in the record, AIS finds 211.4 ± 0.15, and the sum over all 1,048,576 states of the hidden units is 211.3. Too low means: unless checked, a bad estimate *flatters* the model.
# > Look at the log weights, too. With few temperatures they spread over many nats, so the mean weight is little but the largest one's share.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
found = {}
for seed in range(3):
    annealing.seed.value = seed
    found |= {(seed, steps): annealing.estimate(steps) for steps in (10, 300)}
assert all(annealing.exact - found[s, 10].value > 5 and found[s, 10].ess < 5 and found[s, 10].trouble for s in range(3))
assert all(abs(found[s, 300].value - annealing.exact) < 3 for s in range(3))
assert all(float(found[s, 10].log_weights.std()) > 2 for s in range(3))
n = small.record["numbers"]
assert abs(n["log_z"] - n["log_z_exact"]) < 3 * n["log_z_error"] and (n["ais_steps"], n["ais_runs"]) == (10_000, 200) and 2**20 == 1_048_576
assert abs(n["log_z"] - 211.4) < 0.1 and abs(n["log_z_error"] - 0.15) < 0.01 and abs(n["log_z_exact"] - 211.3) < 0.1
annealing.seed.value = 0

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · Hidden units and EM: climbing a bound by turns
#
# Lecture 01 fitted mixtures by EM. Here is why it climbs. For *any* distribution $q(z)$ over what is hidden,
#
# $$\log p_\theta(x)=\underbrace{\mathbb E_q\big[\log p_\theta(x,z)\big]+\mathbb H[q]}_{\mathrm{ELBO}(q,\theta)}+\mathrm{KL}\big(q\,\|\,p_\theta(z\mid x)\big).$$
#
# The **E step** holds $\theta$ and sets $q=p_\theta(z\mid x)$: the KL becomes 0, and the bound touches. The **M step** holds $q$ and raises the first term in $\theta$. Each step climbs the *same* function, in turn, as one climbs a hill going only north and only east (**coordinate ascent**). In the language of this lecture, $-\mathrm{ELBO}$ is a **free energy**: mean energy $-\log p_\theta(x,z)$ less entropy. It is least for the Boltzmann distribution, $q\propto e^{\log p_\theta(x,z)}$, and its least value $-\log\sum_ze^{\log p_\theta(x,z)}$ is section 8's $F(x)$.

# %%
points = toy2d("gaussians8", 800, 3).x
mixture = start_mixture(points, 8, seed=2)
climb = []


def bound(q, mixture):
    """ELBO(q, θ), nats a point."""
    return (q * (mixture.log_joint(points) - q.clamp(min=1e-30).log())).sum(1).mean().item()


q = torch.full((800, 8), 1 / 8)
for step in range(12):
    climb.append({"step": f"{step}", "ELBO before E": bound(q, mixture)})
    q = mixture.responsibilities(points)
    climb[-1] |= {"after E": bound(q, mixture), "log p": mixture.log_prob(points).mean().item()}
    mixture = mixture.em_step(points)
    climb[-1] |= {"after M": bound(q, mixture)}
table([{key: value if key == "step" else f"{value:.3f}" for key, value in row.items()} for row in climb[::3]])

# %% [markdown]
# > **What to notice.** Every third step is shown. Read a row from left to right, then the next: the bound never falls. After each E step it equals $\log p$. A VAE (lecture 02) climbs the same bound with both at once: its encoder is a $q$ that has to be learned, because the E step has no closed form. A Boltzmann machine's trouble is another one: its M step holds $\log Z_\theta$.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
path = [row[key] for row in climb for key in ("ELBO before E", "after E", "after M")]
assert all(later >= before - 1e-4 for before, later in zip(path, path[1:]))
assert all(abs(row["after E"] - row["log p"]) < 1e-4 for row in climb)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · Learning without chains
#
# Three ways avoid the dream.
#
# **Score matching.** Match slopes: $s_\theta=-\nabla_xE_\theta$ has no $Z$. The goal $\frac12\mathbb E\|s_\theta-\nabla\log p\|^2$ seems to need the unknown score of the data. Multiply out, and integrate the mixed term by parts, $\mathbb E[s_\theta\cdot\nabla\log p]=\int s_\theta\cdot\nabla p=-\mathbb E[\nabla\cdot s_\theta]$ (where $p\,s_\theta$ vanishes far out):
#
# $$\tfrac12\mathbb E\|s_\theta-\nabla\log p\|^2=\mathbb E\big[\tfrac12\|s_\theta\|^2+\textstyle\sum_i\partial_is_{\theta,i}\big]+\text{const}.$$
#
# The sum needs a backward pass for each dimension. **Sliced** score matching takes random directions, $v^\top\nabla(v^\top s_\theta)$: the same on average, one pass. **Denoising** score matching adds noise to the data and predicts it: it learns the score of the *noisy* data, lecture 06's loss.
#
# **Noise-contrastive estimation** asks a question with an answer: is $x$ data, or a draw from a known noise density $q$? Shown as many of each, the best classifier has logit $\log p(x)-\log q(x)$; shown $\nu$ draws of noise for each of data, $\log\nu$ less. So use $\log p_\theta-\log q$ as the logit, with $\log Z$ as a free number: *it is learned*, because a wrong constant would misclassify.

# %%
show_source(eb.score_matching)
show_source(eb.sliced_score_matching)
show_source(eb.noise_contrastive)
x = 2 * torch.randn(50_000, 2)
slopes = {scale: eb.score_matching(lambda x, scale=scale: -x / scale, x).item() for scale in (2.0, 3.0, 4.0, 5.0, 6.0)}
print(f"x ~ N(0, 4): score matching is least for a variance of {min(slopes, key=slopes.get):.0f}")  # test it

# %%
learned, wrong, rows = {}, {}, []
points = toy2d("gaussians8", 4_000, 1).x
grid, area = plane(120, 4.5), (9 / 120) ** 2
true_score = -eb.slope(lambda x: -toy2d_log_prob("gaussians8", x), points[:1_000])
for objective in eb.OBJECTIVES:
    training.seed_everything(0)
    model = learned[objective] = eb.PointEnergy(objective=objective)
    training.fit(model, points, steps=1_000, batch_size=256, lr=5e-3, progress=False)
    wrong[objective] = ((model.score(points[:1_000]).detach() - true_score).square().sum() / true_score.square().sum()).item()
    rows.append(
        {
            "objective": objective,
            "squared error of the slope, as a share": f"{wrong[objective]:.0%}",
            "log Z by the grid": f"{(-model.energy(grid).detach()).logsumexp(0).item() + math.log(area):.2f}",
            "its own log Z": f"{model.log_z.item():.2f}" if objective == "nce" else "not learned",
        }
    )
densities = [toy2d_log_prob("gaussians8", grid), *(-model.energy(grid).detach() for model in learned.values())]
show_images(torch.stack([(d - d.max()).exp().view(1, 120, 120) for d in densities]), columns=5, titles=["the truth", *learned], size=1.6)
table(rows)

# %% [markdown]
# > **What to notice.** No model was asked for a sample. Sliced and exact score matching know the slope at the data best: their squared error is less than a tenth of the slope's own square. Look at their pictures all the same: some of the eight modes are far too bright, others nearly gone. A slope says which way is up *here*; how much of the whole lies here, it does not say. Where nothing lies between two modes, nothing tells their shares.
# > Denoising has all eight. Its noise of 0.3 fills the gaps, and the price is that it draws the density *with* that noise, broader. Noise-contrastive estimation compares with noise that is everywhere, so its shares are about right. But its picture is almost a ring: the gaps between the modes are shallow. And it alone says what $\log Z$ is; the grid agrees.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert min(slopes, key=slopes.get) == 4
assert max(wrong["sliced"], wrong["exact"]) < 0.1 < min(wrong["denoising"], wrong["nce"])
assert abs(float(rows[0]["log Z by the grid"]) - learned["nce"].log_z.item()) < 0.15
sector = torch.cdist(grid, GAUSSIANS["gaussians8"][0]).argmin(1)  # the mode that a place is nearest to
shares = {
    name: torch.zeros(8).index_add_(0, sector, (-model.energy(grid).detach()).softmax(0)) for name, model in learned.items()
}  # an eighth each is right
assert all(shares[name].max() > 0.25 and shares[name].min() < 0.06 for name in ("sliced", "exact"))
assert all(shares[name].max() < 0.2 and shares[name].min() > 0.06 for name in ("denoising", "nce"))
assert learned["denoising"].sigma == 0.3
angles = torch.arange(16) * math.pi / 8  # at a mode and between two, in turn
height = {name: -model.energy(3 * torch.stack([angles.cos(), angles.sin()], 1)).detach() for name, model in learned.items()}
depth = {name: (h[::2] - h[1::2]).mean() for name, h in height.items()}
assert depth["nce"] < 0.6 * depth["denoising"] and all(shares["denoising"] > 0.06)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · A network as the energy of images
#
# The boxed rule, with a convolutional network for $E_\theta$ and Langevin's walk for the dreams. Three things make it work on a laptop.
#
# - A **replay buffer** keeps a thousand images, and each batch of chains goes on from some of them: persistent chains again. One in twenty starts anew at noise.
# - **A cold walk**: at temperature $T$ Langevin's step is $x-\frac\eta T\nabla E+\sqrt{2\eta}\,\varepsilon$. At $T=1$ the walk would take ages. Here the slope counts 10 and the noise 0.005, so $T=0.005^2/20$, about a millionth: what is sampled is near the bottom of the valleys. Slopes are clipped, too.
# - **Small energies**: only differences are learned, so a penalty keeps the energies from drifting.
#
# So the samples are not those of $p_\theta$ at $T=1$, and at the temperature of the walk nobody knows $\log Z$, or a likelihood. What the model says at $T=1$ we shall see.

# %%
show_source(eb.NeuralEnergy.walk)
show_source(eb.NeuralEnergy.loss)
ebm = checkpoints.load("ebm_digits")
training.seed_everything(0)
x, film = torch.rand(12, 1, 28, 28), []
for steps in (0, 5, 15, 40, 140):
    x = ebm.walk(x, steps) if steps else x
    film.append(x)
show_images(torch.cat(film), columns=12, row_labels=["noise", "5 steps", "20", "60", "200"], size=0.6)

# %%
some = datasets.to_float(unseen.x[::2])
kinds = {"digits": some} | strangers(some)
energies_of = {name: ebm.energy(x) for name, x in kinds.items()}
told = {name: metrics.auroc(energies_of["digits"], e) for name, e in energies_of.items()}
at_1 = eb.log_z(-energies_of["noise"])  # section 3: the noise is drawn from q = 1
print(
    f"at T = 1: log Z {at_1.value:.2f} ± {at_1.error:.3f} nats; log p of digits {-energies_of['digits'].mean() - at_1.value:.1f} nats, of noise 0"
)
table(
    [
        {"pictures": name, "mean energy": f"{e.mean():.3f}", "chance that one lies above a digit": f"{told[name]:.3f}"}
        for name, e in energies_of.items()
    ]
)

# %% [markdown]
# > **What to notice.** Twenty steps make strokes out of noise, sixty most of a digit. The 140 steps after that change hardly more than the forty before: the walk slows down. No decoder, no noise schedule: the picture is a place where the walk comes to rest.
# > The table: digits lie lowest. Noise, digits in negative and digits with shuffled pixels lie higher, so much that hardly any overlap. *Sprites*, white shapes on black, lie a little higher: four of five comparisons tell them apart.
# > And at $T=1$? Uniform noise is a good proposal: nearly all draws count. So $\log Z$ is easily had, and the density of a digit is only some 25 times that of noise, while there is far more room for noise. At $T=1$ this is a model of noise. Digits are what it *prefers*, and the cold walk goes by that alone.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert all(energies_of["digits"].mean() < e.mean() for name, e in energies_of.items() if name != "digits")
assert min(told[name] for name in ("noise", "negatives", "shuffled")) > 0.99 and abs(told["sprites"] - 0.8) < 0.08
assert at_1.ess > 0.9 * len(some) and abs((-energies_of["digits"].mean() - at_1.value).exp() - 25) < 4
moved = [(film[i + 1] - film[i]).abs().mean().item() for i in range(4)]
assert moved[3] < 0.25 * moved[0] and max(moved[2:]) < moved[1] and moved[3] < 1.4 * moved[2] and 200 - 60 == 140

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · Your classifier is an energy-based model
#
# A classifier has outputs $f_y(x)$, and $p(y\mid x)=e^{f_y(x)}/\sum_{y'}e^{f_{y'}(x)}$. A number added to all outputs changes nothing, and it may be another one for each $x$. So one number for each $x$ is free, the level of its outputs. Use it: let $p(x,y)\propto e^{f_y(x)}$. Then
#
# $$E(x)=-\log\sum_ye^{f_y(x)},$$
#
# and the classifier stays what it was. Train with $-\log p(y\mid x)$ plus section 13's loss for $E$: this is **JEM**. What for? A classifier must answer, whatever it is shown. The energy can say "this is no digit" (**out-of-distribution detection**).

# %%
jem, judge = checkpoints.load("jem"), metrics.digits.digit_network()
scores = {name: jem.energy(x) for name, x in kinds.items()}
doubts = {"JEM": {}, "ordinary": {}}
for who, f in {"JEM": jem.logits, "ordinary": judge}.items():
    doubts[who] = {name: -f(x).softmax(1).amax(1) for name, x in kinds.items()}
accuracy = (jem.logits(some).argmax(1) == unseen.y[::2]).double().mean().item()
print(f"JEM's right answers on digits: {accuracy:.1%}")
table(
    [
        {
            "instead of digits": name,
            "by JEM's energy": f"{metrics.auroc(scores['digits'], scores[name]):.3f}",
            "by JEM's doubt": f"{metrics.auroc(doubts['JEM']['digits'], doubts['JEM'][name]):.3f}",
            "by an ordinary classifier's doubt": f"{metrics.auroc(doubts['ordinary']['digits'], doubts['ordinary'][name]):.3f}",
        }
        for name in scores
        if name != "digits"
    ]
)

# %% [markdown]
# > **What to notice.** Noise, digits in negative and shuffled digits lie higher than digits in 98 of 100 comparisons or more. (Noise is no fair test of it: its dreams begin there, so training has raised it.) Doubt, JEM's own or that of lecture 07's digit network, is less sure of each; that network is surer of noise than of digits. *Sprites* are the warning. By energy they pass for digits, more easily than digits do: their number lies below a half, which is chance. Here doubt is the better detector, and that of the ordinary network the best. Nothing in training says at what height a place lies that no dream has visited.
# > The joint training costs answers: 94.6 % are right. The same network, trained for answers alone, has more after 1,000 steps on 4,000 digits, where JEM took 3,500 steps on 59,000.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
told, *doubted = ({name: metrics.auroc(of["digits"], of[name]) for name in of if name != "digits"} for of in (scores, *doubts.values()))
assert all(told[name] > 0.98 and told[name] > max(each[name] for each in doubted) for name in ("noise", "negatives", "shuffled"))
assert told["sprites"] < 0.5 < doubted[0]["sprites"] < doubted[1]["sprites"] and doubted[1]["noise"] < 0.5
answers = jem.record["numbers"]["accuracy"]
assert abs(100 * answers - 94.6) < 0.1 and abs(accuracy - answers) < 0.02
training.seed_everything(0)
plain = eb.NeuralEnergy(classes=10)  # the intervention: JEM's network without the energy
optimiser = torch.optim.Adam(plain.parameters(), 1e-3)
for _ in range(1_000):
    batch = torch.randint(len(digits.x), (32,))
    optimiser.zero_grad()
    torch.nn.functional.cross_entropy(plain.logits(datasets.to_float(digits.x[batch])), digits.y[batch]).backward()
    optimiser.step()
assert (plain.logits(datasets.to_float(unseen.x)).argmax(1) == unseen.y).double().mean() > answers + 0.005
assert len(digits.x) == 4_000 and jem.record["steps"] == 3_500 and "59,000" in jem.record["data"] and len(digits.x) < 59_000


# %% [markdown]
# **What would convince you?** Start at noise and climb the output for one digit. An ordinary classifier is soon sure, and the picture is still noise: an **adversarial** picture, a wrong answer given with confidence. Climb JEM's output.

# %%
def climb_output(f, steps=200, rate=0.02):
    """From noise, up the slope of the outputs f_y for y = 0 … 9, with steps of equal length."""
    x = torch.rand(10, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    own = torch.arange(10)
    for _ in range(steps):
        g = eb.slope(lambda x: -f(x)[own, own], x)
        x = (x - rate * 28 * g / g.flatten(1).norm(dim=1).view(-1, 1, 1, 1)).clamp(0, 1)
    return x


ordinary, with_energy = climb_output(judge), climb_output(jem.logits)
own = torch.arange(10)
sure = {"ordinary": judge(ordinary).softmax(1)[own, own], "JEM": jem.logits(with_energy).softmax(1)[own, own]}
show_images(torch.cat([ordinary, with_energy]), columns=10, row_labels=["ordinary", "JEM"], size=0.7)
print(", ".join(f"{name}: sure of its digit by {p.min():.1%} or more" for name, p in sure.items()))

# %% [markdown]
# > **What to notice.** The ordinary classifier is sure of all ten digits, by more than 99 %, and its pictures are stripes: a network that reads real digits nearly without error can be told anything. The same climb of JEM's outputs ends at strokes, and the ordinary classifier reads most of them as what was asked. One may stay noise: chains get stuck, too. And shown the stripes, JEM's energy objects: they lie far above its digits.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert sure["ordinary"].min() > 0.99 and checkpoints.record("digit_network")["numbers"]["accuracy"] > 0.99
assert (judge(with_energy).argmax(1) == own).sum() >= 6 and (with_energy.shape[0], len(own)) == (10, 10)
assert jem.energy(ordinary).min() > scores["digits"].mean() + 3 * scores["digits"].std()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · And, or, not
#
# Energies add. $E_1+E_2$ is the energy of $p_1p_2/Z$: likely where *both* find it likely, **and**. $-\log(e^{-E_1}+e^{-E_2})$ is a **mixture**, **or**. $E_1-wE_2$ avoids what the second likes, **not**. A mixture can be made of any two densities. A product cannot: of two flows or two autoregressive models it is no flow, because its constant is missing. Energies never had one. (Scores add as energies do: guidance in lecture 06 is $\nabla\log p(x)+w\,\nabla\log p(y\mid x)$. But the product is meant of clean data, and at a noise level the sum of two noisy scores only comes near its score.)

# %%
composing = widgets.CompositionExplorer()
composing


# %% [markdown]
# > **What to notice.** Ring *and* stripe: only the two places where they cross. Ring *or* stripe: both. Ring *and not* stripe: the ring without the crossings. Make $w_2$ larger than the first can bear, 3 with $w_1$ at 0.5, and "not" has no density at all: far out the stripe is so unlikely that running away from it pays without end. The explorer says so instead of drawing.
# > The constants matter in "or" alone. Each energy is known up to a constant, and that constant is part of its weight.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
def seen(way):
    composing.way.value = way
    ends = composing.drawn().path[-1]
    return composing.liked(ends, torch.ones(len(ends)))  # the shares of chains where the first, and the second, is likely


both, either, without = map(seen, composing.way.options)
assert min(both) > 0.9 and either[0] < 1 and 0.25 < either[1] < 0.6 and without[1] < 0.02
composing.weight1.value, composing.weight2.value = 0.5, 3.0
assert not composing.places()[1] and not composing.bounded(1_000)
assert 0.5 * 0.5 / 0.4**2 < 3 * 0.5 / 0.5  # across the stripe: w₁ r² / 2 · 0.4² of the ring, w₂ r² / 2 · 0.5 of the stripe
composing.weight1.value = composing.weight2.value = 1.0
composing.way.value = composing.way.options[0]

# %% [markdown]
# **Faces.** The same works with networks that were never meant for it. A VAE (lecture 02) has learned 16 × 16 faces; its prior is an energy of its codes, $E_0(z)=\frac12\|z\|^2$. The face network (lecture 07) reads words off a face, so $-\log p(\text{tan skin}\mid\text{face}(z))$ is another energy of $z$. Add what you want. Section 3 draws from the sum: take codes from the prior, weigh them by $w=e^{-E_1-E_2}$, and choose by weight. Tan skin and a lavender background were never seen together: that pair is held out of the training faces.
#
# **Predict first.** The last row is chosen for red hair, and the network reads it there. Will you see it?

# %%
from course_lib.datasets import faces

painter, reader = checkpoints.load("vae_faces"), metrics.faces.face_network()
training.seed_everything(0)
with torch.no_grad():
    drawn = painter.decode(torch.randn(4_000, 64))  # faces of exact draws of e^(−E₀)


def says(factor, word):
    """−log p(word | face): the energy of "has this attribute", faces (n, 3, 16, 16) → (n,)."""
    which = faces.word_index(factor) == faces.WORDS[factor].index(word)
    return lambda x: -reader.split(reader(x))[factor].log_softmax(1)[:, which].logsumexp(1)


lavender, tan, red = says("background", "lavender"), says("skin", "tan"), says("hair_colour", "red")
green, blue = says("clothing_colour", "green"), says("clothing_colour", "blue")
wishes = {
    "anything": lambda x: torch.zeros(len(x)),
    "lavender background": lavender,
    "lavender and tan skin": eb.product([lavender, tan]),
    "a green or a blue top": eb.mixture([green, blue]),
    "red hair": red,
}
with torch.no_grad():
    log_w = {name: -energy(drawn) for name, energy in wishes.items()}
chosen = {name: torch.multinomial(w.softmax(0), 300, replacement=True) for name, w in log_w.items()}
show_images(torch.cat([drawn[i.unique()[:12]] for i in chosen.values()]), columns=12, row_labels=list(wishes), size=0.6)

# %% [markdown]
# > **What to notice.** One wish: nearly all faces that are chosen have a lavender background, by the reader, where one in five had it before. Both wishes: nine in ten have tan skin as well. No training face has the two, and of the VAE's own faces one in twenty. "Green or blue" gives both. Nothing was trained for this: energies were added up.
# > And do *you* see it? The reader judges its own work here. Another judge: draw each face again from the parts that are read in it, once with each value of one part, and see which comes nearest in pixels. Of real faces that went through the VAE it says what is true, for 95 in 100 or more. It finds the two wishes together in about half of the faces chosen for them. Of those chosen for red hair it finds red in less than a third, where the reader says nine tenths. **An energy asks for what pleases the reader**, and off its data that may be something else, as in section 14. Lecture 10 asks for such faces in words.
# > The price is section 3's, too: of 4,000 draws some 230 count for the two wishes. Wish for all ten words of a face, and hardly more than one is left.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
read = metrics.faces.predicted_attributes(drawn)  # (4,000, 10)


def reads(rows, factor, word):
    """In which of the drawn faces the face network reads the word."""
    return read[rows, list(faces.ATTRIBUTES).index(factor)] == faces.ATTRIBUTES[factor].index(word)


def nearest(x, factor, word):
    """In which faces the word is nearest in pixels, of all values of its factor."""
    y, off = metrics.faces.predicted_factors(x), []
    for value in range(len(faces.FACTORS[factor])):
        y[:, list(faces.FACTORS).index(factor)] = value
        off.append((datasets.to_float(faces.draw(y)) - x).square().flatten(1).sum(1))
    return faces.word_index(factor)[torch.stack(off, 1).argmin(1)] == faces.WORDS[factor].index(word)


def share(name, judge, *pairs):
    """Of the faces chosen for a wish, the share in which a judge finds all (factor, word)."""
    return torch.stack([judge(chosen[name], *pair) for pair in pairs]).all(0).double().mean().item()


def redrawn(rows, factor, word):
    return nearest(drawn[rows], factor, word)


lavender_, tan_, red_ = ("background", "lavender"), ("skin", "tan"), ("hair_colour", "red")
assert (*tan_, *lavender_) in faces.HELD_OUT
assert share("lavender background", reads, lavender_) > 0.9 and abs(share("anything", reads, lavender_) - 1 / 5) < 0.08
assert abs(share("lavender and tan skin", reads, lavender_, tan_) - 0.9) < 0.06
assert abs((reads(slice(None), *lavender_) & reads(slice(None), *tan_)).double().mean() - 1 / 20) < 0.02
assert min(share("a green or a blue top", reads, ("clothing_colour", word)) for word in ("green", "blue")) > 0.3
real_faces = datasets.load("faces", "test")
words_of = faces.attributes(real_faces.y[:200])
with torch.no_grad():
    through, parts = painter.reconstruct(datasets.to_float(real_faces.x[:200])), reader.split(reader(drawn))
for factor, word in (lavender_, tan_, red_):
    true = words_of[:, list(faces.ATTRIBUTES).index(factor)] == faces.ATTRIBUTES[factor].index(word)
    assert (nearest(through, factor, word) == true).double().mean() > 0.95
assert abs(share("lavender and tan skin", redrawn, lavender_, tan_) - 0.5) < 0.12
assert abs(share("red hair", reads, red_) - 0.9) < 0.06 and share("red hair", redrawn, red_) < 1 / 3
count = {name: eb.weight_ess(w).item() for name, w in log_w.items()}
assert abs(count["lavender and tan skin"] - 230) < 40 and len(drawn) == 4_000
of_ten = [
    parts[name].log_softmax(1)[:, faces.word_index(name) == k].logsumexp(1) for name, k in zip(faces.ATTRIBUTES, words_of[0].tolist())
]
assert len(of_ten) == 10 and eb.weight_ess(sum(of_ten)) < 2

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16 · Break it: good reconstructions, bad dreams
#
# How far is a CD-1 machine from one with persistent chains? Both have 500 hidden units and the same 18,000 steps. CD-1 has only ever looked one step away from data. **Predict first.** Which one puts a digit back better after one step? Which one dreams better from noise?

# %%
one, persistent = checkpoints.load("rbm_cd1"), checkpoints.load("rbm_pcd1")
black_white = datasets.binarise(unseen.x, generator=torch.Generator().manual_seed(0)).float()
training.seed_everything(0)
noise = (torch.rand(12, 1, 28, 28) < 0.5).float()
dreams, rows = [], []
for name, model in {"CD-1": one, "persistent": persistent}.items():
    back = model.visible_given(eb.samplers.coins(model.hidden_given(black_white)))
    wrong = (back - black_white).abs().mean().item()
    dreams.append(model.sample(12, steps=1_000, start=noise, shades=True))
    n = model.record["numbers"]
    rows.append(
        {
            "trained by": name,
            "pixels put back wrongly": f"{wrong:.1%}",
            "p of the empty picture": f"{math.exp(-model.free_energy(torch.zeros(1, 1, 28, 28)).item() - n['log_z']):.1g}",
            "−log p of test digits, nats (AIS)": f"{n['nll']:.1f} ± {n['nll_error']:.1f}",
        }
    )
show_images(torch.cat(dreams), columns=12, row_labels=["CD-1", "persistent"], size=0.6)
table(rows)

# %% [markdown]
# > **What to notice.** One step away from data the two cannot be told apart. Their dreams can. From noise the CD-1 machine comes to empty pictures and blots, and its likelihood is worse by some 70 nats. What happened: training lowers the free energy at data and raises it one step away, and nowhere else. Far from the data there are valleys that no chain of CD-1 ever entered. The empty picture is one: $e^{-F(x)-\log Z}$ gives it, alone, more than half of all the probability, where the machine of persistent chains gives it less than a thousandth. Persistent chains find such valleys, and training fills them.
# > **A small reconstruction error says nothing about a density.** The same was true of autoencoders (lecture 02).

# %% slideshow={"slide_type": "skip"} tags=["claim"]
again = [float(row["pixels put back wrongly"].rstrip("%")) for row in rows]
assert abs(again[0] - again[1]) < 0.5
nll = {name: model.record["numbers"]["nll"] for name, model in (("CD-1", one), ("persistent", persistent))}
assert abs(nll["CD-1"] - nll["persistent"] - 70) < 3
alike = ("steps", "seed", "data")
assert (
    all(one.record[key] == persistent.record[key] for key in alike)
    and one.record["steps"] == 18_000
    and one.hidden == persistent.hidden == 500
)
empty = {row["trained by"]: float(row["p of the empty picture"]) for row in rows}
assert empty["CD-1"] > 0.5 and empty["persistent"] < 1e-3
assert (dreams[0].mean((1, 2, 3)) < 0.02).sum() >= 4 and (dreams[1].mean((1, 2, 3)) < 0.02).sum() <= 1  # empty dreams, of 12 each

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 17 · Numbers
#
# MNIST, black or white, 10,000 test digits. Each machine's $\log Z$ is by AIS with 200 runs through 10,000 temperatures; ± joins its error and that of the mean over digits. The figures of 2008 are those of Salakhutdinov and Murray. Their machines are as large, but trained and binarised in another way: compare them with ours in tens of nats.

# %%
told = {
    "rbm_20": "20 hidden units, persistent chains",
    "rbm_cd1": "500 hidden units, CD-1",
    "rbm_pcd1": "500 hidden units, persistent chains",
    "rbm": "500 hidden units, persistent chains, longer",
}
rows = []
for name, what in told.items():
    entry = checkpoints.record(name)
    n = entry["numbers"]
    rows.append(
        {
            "machine": what,
            "−log p, nats an image": f"{n['nll']} ± {n['nll_error']}",
            "runs that count, of 200": f"{n['ais_ess']:.0f}",
            "steps": f"{entry['steps']:,}",
            "minutes of one core": f"{entry['minutes']:.0f}",
        }
    )
for what, nats in {"CD-1": "125.53", "CD-3": "105.50", "CD-25": "86.34"}.items():
    rows.append(
        {
            "machine": f"500 hidden units, {what} (2008)",
            "−log p, nats an image": nats,
            "runs that count, of 200": "",
            "steps": "",
            "minutes of one core": "",
        }
    )
vae = checkpoints.record("vae")
rows.append(
    {
        "machine": "VAE of lecture 02: a bound, with 500 draws",
        "−log p, nats an image": f"≤ {-vae['numbers']['iwae_bound']:.1f}",
        "runs that count, of 200": "",
        "steps": f"{vae['steps']:,}",
        "minutes of one core": f"{vae['minutes']:.0f}",
    }
)
fid = {name: checkpoints.record(name)["numbers"]["fid"] for name in ("rbm", "ebm_digits", "jem")}
print(
    "FID of 2,000 samples:",
    ", ".join(f"{name} {value}" for name, value in fid.items()),
    "(the RBM draws black or white, the digits are grey)",
)
table(rows)

# %% [markdown]
# > **What to notice.** With persistent chains and 60,000 steps the machine comes to 86.6 nats, in tens of nats what CD-25 had in 2008. CD-1 is far behind in both laboratories. Of two machines that differ in steps alone, the longer gains between 4 and 5 nats. The 20 hidden units cannot say more: with more than twice the steps they are 47 nats behind the 500 of row 3.
# > The VAE has a *bound*, so its truth may be better than it says. AIS *estimates*, and may flatter. Neither is exact, and their errors point in opposite directions.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
n = {name: checkpoints.record(name)["numbers"] for name in told}
assert any(row["machine"] == "500 hidden units, CD-25 (2008)" and row["−log p, nats an image"] == "86.34" for row in rows)
assert checkpoints.record("rbm_20")["config"]["hidden"] == 20
assert (
    abs(n["rbm"]["nll"] - 86.6) < 0.1
    and abs(n["rbm"]["nll"] - 86.34) < 5
    and checkpoints.record("rbm")["steps"] == 60_000
    and n["rbm_cd1"]["nll"] > n["rbm"]["nll"] + 50
)
assert 4.1 < n["rbm_pcd1"]["nll"] - n["rbm"]["nll"] < 4.9 and abs(n["rbm_20"]["nll"] - n["rbm_pcd1"]["nll"] - 47) < 1.5
assert (
    checkpoints.record("rbm_20")["steps"] > 2 * checkpoints.record("rbm_pcd1")["steps"]
    and checkpoints.record("rbm_pcd1")["config"]["hidden"] == 500
)
assert all(entry["ais_ess"] > 10 and (entry["ais_runs"], entry["ais_steps"]) == (200, 10_000) for entry in n.values())

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 18 · Check yourself
#
# <details><summary><b>1.</b> You double an energy, E → 2E. Does the density stay the same?</summary>
#
# No. It becomes p², normalised: temperature ½, sharper. <i>Not</i> "yes, constants cancel": a constant that is <i>added</i> cancels, a factor does not.
# </details>
#
# <details><summary><b>2.</b> A chain accepts 99 % of its steps. Is that good?</summary>
#
# It cannot be said, and it is a warning: steps so small that nothing changes are always accepted. Look at the effective sample size.
# </details>
#
# <details><summary><b>3.</b> R-hat is 1.00 and the effective sample size large. Can the samples be wrong?</summary>
#
# Yes, twice. All chains may have missed the same mode; and a wrong target has perfect diagnostics. Both numbers compare a chain with itself and with its like.
# </details>
#
# <details><summary><b>4.</b> In the learning rule, why is the second term there? What happens without it?</summary>
#
# It is −∇ log Z. Without it energies sink everywhere, on data and elsewhere, without end (section 1).
# </details>
#
# <details><summary><b>5.</b> AIS says log Z = 350 ± 0.1 with an effective sample size of 1.3 of 100 runs. Do you believe the error?</summary>
#
# No. One run has nearly all the weight, so neither mean nor spread can be estimated from it. More temperatures, or more runs. And an estimate of log Z that is too low makes the model look too good.
# </details>
#
# <details><summary><b>6.</b> Score matching found the right slope everywhere on two far-apart clusters. Are their shares right?</summary>
#
# Not necessarily. Shares differ by a constant added on one cluster, and a constant has no slope where there is data. Between the clusters, where the slope would tell, there is none.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 19 · Summary, and when things go wrong
#
# - Any function is a density up to a constant, and the constant is the price: for training, for likelihoods, for comparing models.
# - Chains draw without the constant. They are right in the limit; whether the limit is near, only comparisons tell: several starts, effective sample size, a case with a known answer.
# - To learn: lower the energy of data, raise that of dreams. Where the dreams come from names the method: CD, persistent chains, replay buffers, or none (score matching, noise-contrastive estimation).
# - AIS gives $\log Z$ with an interval, after it was checked where the sum can be done.
# - Energies add: and, or, not.
#
# | you see | look at | cure |
# |---|---|---|
# | acceptance near 1, nothing moves | step far too small | larger step; aim at 40 % in few dimensions, 23 % in many, 57 % for MALA, 65 % for HMC |
# | chains diverge, NaN | Langevin's step against the narrowest width | smaller step; MALA |
# | R-hat above 1.01 | traces of single chains | longer; other starts; another sampler; tempering |
# | all diagnostics fine, wrong means | proposal's ratio; energy's sign; temperature | detailed balance on five states |
# | energies of data and dreams drift away together | only differences are learned | a penalty on their squares |
# | energies of dreams far above those of data, loss explodes | dreams never reach the valleys | more steps, replay buffer, smaller rate, clip the slope |
# | dreams all alike | chains stuck in one valley | more chains, fresh starts at noise, persistent chains with smaller rate |
# | CD loss looks fine, dreams are noise | chains never leave the data | persistent chains, larger $k$ |
# | AIS with an effective size of 1 | too few temperatures | more of them, most near 1; base rates of the data as the start |
# | hidden units all equal | weights started at 0 | small random weights; biases at the data's rates |
#
# **Cost.** A step of an RBM is a handful of matrix products, like one layer of an MLP. A step of a neural energy costs 20 slopes for the dreams and a batch of data and one of dreams for the learning: some twenty times a classifier's step. **Learning rates**: chains must keep up with the weights, so decay to 0. **Several GPUs**: `accelerate launch -m course_lib train jem --preset gpu`.
#
# **Care.** An energy that says "this is unlike my data" also says it of people who were missing from the data. Who is an outlier is decided by who was collected.
#
# **Now you**: [exercise 08](../exercises/08_energy_based/08_energy_based.ipynb), 20 points, ends in digits drawn by your own machine.
#
# **Read on.** Ackley, Hinton & Sejnowski, *A Learning Algorithm for Boltzmann Machines* (1985) · Hinton, contrastive divergence (2002) and *A Practical Guide to Training RBMs* (2010) · Tieleman, persistent chains (2008) · Salakhutdinov & Murray, AIS for RBMs (2008) · Neal & Hinton, EM as coordinate ascent (1998) · Neal, *MCMC Using Hamiltonian Dynamics* (arXiv:1206.1901) and *Annealed Importance Sampling* (arXiv:physics/9803008) · Hyvärinen, score matching (2005) · Vincent, denoising score matching (2011) · Gutmann & Hyvärinen, noise-contrastive estimation (2010) · Song et al., sliced score matching (arXiv:1905.07088) · LeCun et al., *A Tutorial on Energy-Based Learning* (2006) · Du & Mordatch (arXiv:1903.08689) · Nijkamp et al., short-run chains (arXiv:1904.09770) · Grathwohl et al., JEM (arXiv:1912.03263) · Du et al., composition (arXiv:2004.06030) · Song & Kingma, *How to Train Your Energy-Based Models* (arXiv:2101.03288) · Vehtari et al., R-hat (arXiv:1903.08008)
