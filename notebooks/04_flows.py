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
# # 04 · Normalizing flows
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/notebooks/04_flows.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/notebooks/04_flows.ipynb)
#
# **You will be able to**
# - compute a density through any invertible map, in one dimension and in many,
# - build coupling layers, splines, 1×1 convolutions and autoregressive flows, and say what each costs in both directions,
# - follow a continuous flow, and estimate its trace with one random vector,
# - turn pixels into densities and back: dequantisation, bits per dimension,
# - show where exact likelihood fails: precision, topology, and pictures from elsewhere.
#
# **Time** about 110 minutes. **Hardware** a laptop's CPU; nothing is downloaded. Every picture with sliders needs a running kernel.
# **You need** linear algebra with determinants, basic PyTorch, and of lecture 00 the Gaussian, KL divergence and Jensen's inequality. Lecture 02 helps.

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
import copy
import math
import statistics
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.ndimage import label
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from torch import nn

from course_lib import checkpoints, datasets, flows, metrics, training
from course_lib.datasets import faces, toy2d, toy2d_log_prob
from course_lib.datasets.toy2d import plane
from course_lib.distributions import bits_per_dim, standard_normal_log_prob
from course_lib.metrics import leaderboard
from course_lib.nn import mlp
from course_lib.plotting import LossPlot, curves, show_images, show_source, table
from course_lib.recipes import preset_for
from course_lib.widgets import flows as widgets

training.seed_everything(0)
digits, unseen = datasets.load("mnist_small", "train"), datasets.load("mnist_small", "test")
portraits = datasets.load("faces", "test")  # no shipped model has seen them
points = toy2d("moons", 20_000, seed=0).x
new_points = toy2d("moons", 5_000, seed=1).x
live = flows.LIVE[preset_for()].options()  # what this machine can train while you watch

# %% [markdown]
# ## First, play
#
# Below, a Gaussian cloud is bent, layer by layer, until it has the shape of two moons. Every layer can be undone. So the model can make points, and it also knows the exact density of each.
#
# **Predict first.** Colours mark the angle at which a point started. Will the colours mix on the way? The grid has upright lines and level lines. Can two upright ones ever cross?

# %%
names = {"nice": "NICE", "realnvp": "RealNVP", "glow": "Glow", "spline": "spline", "maf": "MAF", "iaf": "IAF", "ffjord": "FFJORD"}
moons = {names[kind]: checkpoints.load(f"flow_moons_{kind}") for kind in flows.SHOWN}
play = widgets.LayerExplorer(moons, points[:1000])
play.model.value = "spline"
play


# %% [markdown]
# > **What to notice.** The grid is stretched and bent and never torn. Two lines of one family never cross: each point has exactly one way back.
# > The colours stay together: for more than 90 % of the points, the nearest neighbour has the same colour.
# > The density of a point is the Gaussian's density where it came from, times by how much the map has squeezed the plane on the way. Squeeze it twice as much, and the density is twice as high.
# >
# > Now try the other models. All have eight couplings. NICE shears, which changes no area, and scales both axes once; RealNVP also stretches; splines bend.
# > Their means of $-\log p(x)$ on new points are 0.17, 0.05 and 0.02 nats above the lowest possible, that of the true density. (Where NICE and RealNVP squeeze the grid into threads, their lines seem to touch: 200 points a line are too few there.)

# %% slideshow={"slide_type": "skip"} tags=["claim"]
def crossing_pairs(lines):
    """How many pairs of the polylines (n, points, 2) cross."""
    cross = lambda u, v: u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]  # noqa: E731
    start, step, crossed = lines[:, :-1], lines.diff(dim=1), 0
    for i in range(len(lines)):
        for j in range(i + 1, len(lines)):
            p, r, q, s = start[i][:, None], step[i][:, None], start[j][None], step[j][None]
            turn = cross(r, s)
            along, across = cross(q - p, s) / turn, cross(q - p, r) / turn
            crossed += bool(((along >= 0) & (along < 1) & (across >= 0) & (across < 1)).any())
    return crossed


scene = play.scene()
for family in torch.as_tensor(scene["lines"][-1]).double().split(13):  # upright lines, then level ones
    assert scene["lines"].shape[2] == 200 and crossing_pairs(family) == 0
places = torch.as_tensor(scene["points"][-1])
nearest = (torch.cdist(places, places) + 9 * torch.eye(len(places))).argmin(1)
assert (scene["sector"][nearest] == scene["sector"]).mean() > 0.9  # an eighth by chance
with torch.no_grad():
    for model in moons.values():  # one way back, once rounding is out of the way
        exact = copy.deepcopy(model).double()
        assert (exact.decode(exact.encode(new_points.double())) - new_points).abs().max() < 1e-10
    squeezed = -torch.stack(scene["growth"]).log().sum(0)  # log of how much all layers together have squeezed, at each sample
    gaussian = standard_normal_log_prob(torch.as_tensor(scene["points"][0]))
    assert (moons["spline"].log_prob(places) - gaussian - squeezed).abs().max() < 0.05
    assert all((layer(new_points)[1] == 0).all() == isinstance(layer, flows.AdditiveCoupling) for layer in moons["NICE"].layers)
    assert sum(isinstance(layer, flows.ActNorm) for layer in moons["NICE"].layers) == 1 == len(moons["NICE"].layers) - 8  # the one scaling
scores = {name: model.record["numbers"]["nll"] - model.record["numbers"]["entropy"] for name, model in moons.items()}
assert [round(scores[name], 2) for name in ("NICE", "RealNVP", "spline")] == [0.17, 0.05, 0.02]
assert all(sum(isinstance(layer, flows.Coupling) for layer in model.layers) == 8 for model in moons.values())


# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · The naive attempt: send the data to a Gaussian
#
# We want a density for data $x$. We know one for $z\sim\mathcal N(0,I)$. So let a network $f_\theta$ map $x$ to $z$, and make $f_\theta(x)$ as likely as possible:
#
# $$\max_\theta\;\mathbb E_x\big[\log\mathcal N(f_\theta(x);0,I)\big]$$
#
# **Predict first.** The true density of these moons gives $\mathbb E[-\log p(x)]=2.05$ nats. Nothing can be better than the truth. What will the network reach?

# %%
class Naive(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = mlp([2, 64, 64, 2])

    def loss(self, x):
        return -standard_normal_log_prob(self.net(x)).mean()


naive = training.fit(Naive(), points, steps=300, batch_size=256, lr=3e-3, progress=False)
print(f"the truth {-toy2d_log_prob('moons', new_points).mean():.2f} nats, the naive network {naive.history[-1]['loss']:.2f}")
square, cell = plane(96, 4.5), (9 / 96) ** 2  # 96 × 96 places on [−4.5, 4.5]², and the area of one
with torch.no_grad():
    z = naive.model.net(new_points)
    area = standard_normal_log_prob(naive.model.net(square)).exp().sum().item() * cell
print(f"spread of z: {z.std():.4f}; integral of its “density” over the square: {area:.1f}")

# %% [markdown]
# > **What to notice.** 1.84 nats: better than the truth, which cannot be. It is $\log 2\pi$: in the plane, a Gaussian has the density $1/2\pi$ at its peak. The network sends *every* $x$ to $z=0$.
# > It has found a hole in the loss: squeezing space makes everything likely, and nobody counted the squeezing. What it calls a density has an integral of more than 10 over this square alone. A density has 1 over the whole plane.
# > The rest of the lecture counts the squeezing.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert round(naive.history[-1]["loss"], 2) == 1.84 == round(math.log(2 * math.pi), 2)
assert (
    naive.history[-1]["loss"] < -toy2d_log_prob("moons", new_points).mean()
    and round(-toy2d_log_prob("moons", new_points).mean().item(), 2) == 2.05
)
assert z.std() < 0.02 and z.mean(0).abs().max() < 0.02
assert area > 10

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Change of variables, on the line
#
# Let $f$ be smooth and rise everywhere, or fall everywhere. Then it is **invertible**: each $z=f(x)$ comes from one $x$.
# Moving points makes no probability. A small interval $dx$ is mapped to one of length $dz=|f'(x)|\,dx$, and both hold the same probability. With $p_z$ for the density of $z$, $p(x)\,dx=p_z(z)\,dz$. So
#
# $$p(x)=p_z\big(f(x)\big)\,|f'(x)|,\qquad \log p(x)=\log p_z\big(f(x)\big)+\log|f'(x)|$$
#
# Where $f$ is steep, a small piece of $x$ takes a large piece of $z$ with all of its probability, and the density of $x$ is high.
#
# **Predict first.** Make the map flat around $x=0$. Does the density there rise or fall? What happens to the area under the whole curve?

# %%
line = widgets.ChangeOfVariablesExplorer()
line.x.value = 0.0  # where the map is flat
line

# %% [markdown]
# > **What to notice.** The two shaded pieces always hold the same probability. At 0, where the map has slope 0.1, the density falls to a tenth of the Gaussian's peak. Beside it the map is steeper than 1, and the density has its two peaks.
# > The area stays 1.000 whatever you do, and nothing was divided by it. That is the point of flows: **no normalising constant**. The log-derivative does that work.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
probe = widgets.ChangeOfVariablesExplorer()
fine = np.linspace(-12, 12, 48_001)
for preset, shift, scale in (("identity", 0, 1), ("two bumps", 0, 1), ("squeeze", 1.5, 0.5), ("stretch", -1, 1.7)):
    probe.preset.value = preset
    probe.shift.value, probe.scale.value = shift, scale
    assert abs(np.trapezoid(probe.density(fine), fine) - 1.000) < 0.0005
    inside = np.linspace(0.3, 0.8, 2001)
    ends = torch.special.ndtr(torch.as_tensor(probe.transform(inside[[0, -1]])[0]))
    assert abs(np.trapezoid(probe.density(inside), inside) - (ends[1] - ends[0])) < 1e-4
density, slope = line.density(fine), np.exp(line.transform(fine)[1])
middle, peaks = 24_000, np.flatnonzero((density[1:-1] > density[:-2]) & (density[1:-1] > density[2:])) + 1
assert abs(slope[middle] - 0.1) < 1e-3 and abs(density[middle] * math.sqrt(2 * math.pi) - 0.1) < 1e-3
assert len(peaks) == 2 and (slope[peaks] > 1).all() and fine[peaks[0]] < 0 < fine[peaks[1]]

# %% [markdown]
# **Test it.** PyTorch finds the slope of any smooth map. Take $f(x)=\sinh x$, and add up the density on a fine grid.

# %%
x = torch.linspace(-6, 6, 20_001, dtype=torch.float64, requires_grad=True)
z = x.sinh()
(slope,) = torch.autograd.grad(z.sum(), x)
density = (standard_normal_log_prob(z[:, None]) + slope.abs().log()).exp()
print(f"area with the slope {torch.trapezoid(density, x).item():.6f}, without it {torch.trapezoid(density / slope, x).item():.6f}")


# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · In many dimensions: a determinant
#
# Now $f:\mathbb R^D\to\mathbb R^D$ has a matrix of derivatives, the **Jacobian** $J=\partial f/\partial x$. A small cube becomes a small parallelepiped: its edges are the columns of $J$, times the edge of the cube. Its volume is $|\det J|$ times the cube's:
#
# $$\log p(x)=\log p_z(f(x))+\log\big|\det J(x)\big|$$
#
# This is the **change of variables** formula. $p_z$ is called the **base density**, or the prior of $z$; here it is always $\mathcal N(0,I)$. To sample, draw $z\sim p_z$ and go back: $x=f^{-1}(z)$.
#
# Two things stand in the way of using it. $f$ has to be invertible. And a determinant of a $D\times D$ matrix takes of the order of $D^3$ multiplications, for every example.

# %%
def milliseconds(call, times=5):
    """The median time of a call, after one that warms up."""
    call()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


rows, taken = [], {}
for dims in (2, 64, 784):
    matrix, scales = torch.randn(dims, dims), torch.linspace(3, 4, dims)
    taken[dims] = milliseconds(lambda m=matrix: torch.linalg.slogdet(m)), milliseconds(lambda v=scales: v.log().sum())
    rows.append(
        {
            "D": dims,
            "log-determinant of D × D (ms)": f"{taken[dims][0]:.3f}",
            "sum of D logarithms (ms)": f"{taken[dims][1]:.3f}",
            "product of D scales from 3 to 4": f"{scales.prod():.3g}",
            "sum of their logarithms": f"{scales.log().sum():.1f}",
        }
    )
table(rows)

# %% [markdown]
# > **What to notice.** A product of 784 harmless numbers is infinite in float32; the sum of their logarithms is not. **Never form the determinant.** And if $J$ is *triangular*, its determinant is the product of the diagonal: that costs $D$, not $D^3$.
# > The layers of sections 4, 6 and 8 are built so that $J$ is triangular; those of section 7 so that it consists of small blocks. Section 10 needs no determinant at all.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert scales.prod() == math.inf and scales.log().sum().isfinite() and len(scales) == 784
assert taken[784][0] > 5 * taken[64][0] and taken[784][0] > 5 * taken[784][1]
triangle = (torch.randn(9, 9).tril(-1) + torch.diag(scales[:9])).double()
assert abs(torch.linalg.slogdet(triangle)[1] - triangle.diagonal().log().sum()) < 1e-9

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Coupling layers
#
# Cut $x$ in two halves. The first stays. It also decides, through any network at all, how the second is moved ($\odot$ multiplies entry by entry):
#
# $$z_1=x_1,\qquad z_2=x_2\odot e^{s(x_1)}+t(x_1)$$
#
# This is a **coupling layer**. Its inverse needs no inverse of the network: $x_2=(z_2-t(z_1))\odot e^{-s(z_1)}$. Its Jacobian, in blocks:
#
# $$J=\begin{pmatrix}\partial z_1/\partial x_1&\partial z_1/\partial x_2\\\partial z_2/\partial x_1&\partial z_2/\partial x_2\end{pmatrix}=\begin{pmatrix}I&0\\\ast&\operatorname{diag}e^{s(x_1)}\end{pmatrix},\qquad\log|\det J|=\sum_j s_j(x_1)$$
#
# The block $\ast$ holds every derivative of the network. It may be anything: opposite a block of zeros it does not enter the determinant.
# **NICE** has $s=0$ (an *additive* coupling), and after its last coupling one scale for each axis. **RealNVP** has $s$ (an *affine* coupling), here kept in $(-3,3)$ by a tanh. The next layer lets the other half stay.

# %%
show_source(flows.Coupling.forward)
show_source(flows.Coupling.inverse)
show_source(flows.scale_and_shift)

# %% [markdown]
# **Many layers** make the *flow*; it is *normalizing*, since it turns the data into a normal distribution. Call them $f_1,\dots,f_K$, and what lies between them $h_0=x$, $h_k=f_k(h_{k-1})$, $h_K=z$. By the chain rule the Jacobian of the whole is the product $J_K\cdots J_1$. The determinant of a product is the product of determinants, so the logarithms add up:
#
# $$\log p(x)=\log p_z(z)+\sum_{k=1}^{K}\log\big|\det J_k(h_{k-1})\big|$$
#
# **Test it**, with random weights: the zeros of one layer; four layers invert; and their log-determinants add up to the one that PyTorch finds from the whole Jacobian.

# %%
torch.manual_seed(0)
flow = flows.Flow("realnvp", dims=6, layers=4, hidden=(32,)).double()
for weights in flow.parameters():
    nn.init.normal_(weights, 0, 0.3)
batch = torch.randn(5, 6, dtype=torch.float64)
z, log_det = flow.transform(batch)
jacobians = torch.stack([torch.autograd.functional.jacobian(lambda v: flow.encode(v[None])[0], v) for v in batch])
one = torch.autograd.functional.jacobian(lambda v: flow.layers[0](v[None])[0][0], batch[0])
print("the Jacobian of one layer:", *("  ".join(f"{value:5.2f}" for value in line_) for line_ in one.tolist()), sep="\n")
print(f"x → z → x misses by {(flow.decode(z) - batch).abs().max():.0e}")
print(f"sum of the log-determinants against slogdet of the whole: {(log_det - torch.linalg.slogdet(jacobians)[1]).abs().max():.0e}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · Train it live
#
# The loss is $-\log p_\theta(x)$, averaged over the data. No bound, no second player, no noise: plain maximum likelihood. Add and subtract $\log p_\text{data}$:
#
# $$\mathbb E[-\log p_\theta(x)]=\mathbb E[-\log p_\text{data}(x)]+\mathbb E\big[\log p_\text{data}(x)-\log p_\theta(x)\big]=H(p_\text{data})+\mathrm{KL}(p_\text{data}\,\|\,p_\theta)$$
#
# A KL is never below 0. So the lowest possible loss is the entropy of the data, and what lies above that is the KL.

# %%
show_source(flows.Flow.transform)
training.seed_everything(0)
trained = training.fit(flows.point_flow("realnvp"), points, **live, watch=LossPlot()).model


# %%
def maps(pictures, titles, heading=None, size=1.9, columns=None):
    """Densities on the square, white for none."""
    columns = columns or len(pictures)
    rows = math.ceil(len(pictures) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(size * columns, (size + 0.3) * rows), squeeze=False)
    for axis, picture, title in zip(axes.flat, pictures, titles):
        axis.imshow(picture, cmap="BuPu", vmin=0, vmax=picture.max())
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    figure.suptitle(heading)
    plt.show()


with torch.no_grad():
    learned = trained.log_prob(square)
    gaps = toy2d_log_prob("moons", new_points) - trained.log_prob(new_points)
true = toy2d_log_prob("moons", square)
maps([d.exp().view(96, 96) for d in (true, learned)], ["true density", "the flow's"], size=2.6)
print(
    f"the flow is {gaps.mean():.3f} ± {gaps.std() / len(gaps) ** 0.5:.3f} nats above the entropy, {-toy2d_log_prob('moons', new_points).mean():.3f}"
)
print(f"integral of the flow's density over the square {learned.exp().sum() * cell:.3f}")

# %% [markdown]
# > **What to notice.** On 5,000 new points the loss is now *above* the entropy, by more than three standard errors. (Over a few points a mean may fall below by chance.) The integral is 1, and nobody made it so.
# > A bridge joins the moons: cut both pictures at a tenth of their peak, and the true density falls into two pieces, the flow's does not. Faint or not, *some* bridge is in every flow: it bends the plane without tearing it, and a Gaussian is one piece (section 9).

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert gaps.mean() > 3 * gaps.std() / len(gaps) ** 0.5 and len(gaps) == 5_000
assert 0.97 < learned.exp().sum().item() * cell < 1.03


def pieces(density, share):
    """How many pieces of a picture lie above this share of its peak."""
    return label(np.asarray(density > share * density.max()))[1]


assert pieces(true.exp().view(96, 96), 0.1) == 2 and pieces(learned.exp().view(96, 96), 0.1) == 1

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · More than stretching: splines
#
# An affine coupling moves each entry of $x_2$ by a straight line. A **monotone rational-quadratic spline** moves it by a curve through knots $(x^{(k)},y^{(k)})$ with a positive slope $d_k$ at each. The network says where the knots lie and how steep they are.
# Between two knots let $\xi=\frac{x-x^{(k)}}{x^{(k+1)}-x^{(k)}}\in[0,1]$ and $s=\frac{y^{(k+1)}-y^{(k)}}{x^{(k+1)}-x^{(k)}}$, the mean slope (not the $s$ of an affine coupling). Then
#
# $$y=y^{(k)}+\big(y^{(k+1)}-y^{(k)}\big)\frac{s\,\xi^2+d_k\,\xi(1-\xi)}{s+(d_k+d_{k+1}-2s)\,\xi(1-\xi)},\qquad
# \frac{dy}{dx}=\frac{s^2\big[d_{k+1}\xi^2+2s\,\xi(1-\xi)+d_k(1-\xi)^2\big]}{\big[s+(d_k+d_{k+1}-2s)\,\xi(1-\xi)\big]^2}$$
#
# Put in $\xi=0$ and $\xi=1$: it meets the knots, with slopes $d_k$ and $d_{k+1}$. It rises: $\xi(1-\xi)\le\frac14$, so the denominator is at least $\frac s2$, and no term in the numerator of $\frac{dy}{dx}$ is negative.
# To invert it, solve a quadratic equation for $\xi$; since the curve rises, just one root lies in $[0,1]$. Outside the box, here $[-3,3]$, it is the identity, and the slope at both ends of the box is 1.
#
# **Predict first.** In section 9, “Glow” and “spline” are one flow of eight layers, but for the coupling: straight lines in the first, splines in the second. On which shape will the difference be largest: moons, a checkerboard, or eight separate Gaussians?

# %%
show_source(flows.knots, open=False)
show_source(flows.rational_quadratic, open=False)
torch.manual_seed(3)
u = torch.linspace(-4, 4, 801, requires_grad=True)
bins = [v.expand(801, -1) for v in (torch.randn(5), torch.randn(5), torch.randn(4))]  # widths, heights, slopes
y, log_slope = flows.rational_quadratic(u, *bins)
back, _ = flows.rational_quadratic(y, *bins, inverse=True)
(by_autograd,) = torch.autograd.grad(y.sum(), u)
curves(
    {"map": (u.detach(), y.detach()), "its slope": (u.detach(), log_slope.exp().detach())},
    "x",
    "y, and dy/dx",
    "A spline with five random bins",
)
print(
    f"there and back misses by {(back - u).abs().max():.0e}, the slope differs from autograd's by {(log_slope.exp() - by_autograd).abs().max():.0e}"
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · Who decides over whom: mixing
#
# If the same half always stayed, half of $x$ would never change. RealNVP swaps the halves. **Glow** learns the mixing: $z=Wx$ on the channels, which on images is an **invertible 1×1 convolution**. Each of the $h\cdot w$ places uses the same $W$: the Jacobian has $h\cdot w$ copies of it on its diagonal and zeros elsewhere, so
#
# $$\log|\det J|=h\cdot w\cdot\log|\det W|$$
#
# Write $W=PL(U+\operatorname{diag}s)$: a fixed permutation $P$, a lower triangular $L$ with ones on its diagonal, an upper triangular $U$ with zeros on its diagonal, and a vector $s$. The determinants of the three factors are $\pm1$, 1 and $\prod_is_i$, so this is $h\,w\sum_i\log|s_i|$. **ActNorm** shifts and scales each channel. It starts so that the first batch has mean 0 and standard deviation 1; from then on shift and scale are weights like others, and no later batch is looked at.

# %%
show_source(flows.InvertibleLinear)
show_source(flows.ActNorm.initialise)
torch.manual_seed(0)
mixing, image = flows.InvertibleLinear(4), torch.randn(2, 4, 7, 7)
nn.init.normal_(mixing.log_s, 0, 0.5)  # it starts as a rotation, which changes no volume
mixed, log_det = mixing(image)
print(f"log-det {log_det[0]:.4f}, 49 · log |det W| {49 * torch.linalg.slogdet(mixing.weight())[1]:.4f}")
print(f"there and back misses by {(mixing.inverse(mixed) - image).abs().max():.0e}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · One entry after the other: autoregressive flows
#
# A finer cut than halves: entry $i$ is moved by what the entries before it, $x_{<i}$, say. $z_i$ depends on no later entry, so $J$ is triangular again.
#
# $$\text{MAF: } z_i=(x_i-t_i(x_{<i}))\,e^{-s_i(x_{<i})}\qquad\text{IAF: } x_i=z_i\,e^{s_i(z_{<i})}+t_i(z_{<i})$$
#
# On its diagonal stand $e^{-s_i}$, so in both $\log|\det J|=-\sum_is_i$.
#
# A **masked** network (MADE, lecture 05) gives all $s_i,t_i$ in one pass. MAF knows all of $x$, so its density is one pass; to sample, $x_1$ must be there before $x_2$. IAF is the same layer the other way round.
#
# **Predict first.** At 64 dimensions, how much slower is the slow direction?

# %%
show_source(flows.Autoregressive)
show_source(flows.InverseAutoregressive)
rows, wide = [], torch.randn(256, 64)
passes, clock = {}, {}
for kind in ("realnvp", "maf", "iaf"):
    model = flows.Flow(kind, dims=64, layers=2, hidden=(128,))
    counts = []
    model.layers[0].network.register_forward_hook(lambda *_, counts=counts: counts.append(1))
    for task, call in (("density", lambda m=model: m.log_prob(wide)), ("samples", lambda m=model: m.sample(256))):
        counts.clear()
        with torch.no_grad():
            call()
            passes[kind, task] = len(counts)
            clock[kind, task] = milliseconds(call, times=3)
    rows.append(
        {"flow": names[kind]}
        | {
            f"{task} of 256 points: passes" if task == "density" else f"256 {task}: passes": passes[kind, task]
            for task in ("density", "samples")
        }
        | {f"{task} (ms)": round(clock[kind, task], 1) for task in ("density", "samples")}
    )
table(rows)

# %% [markdown]
# > **What to notice.** A coupling takes one pass of each network either way. MAF takes one where training needs it and $D=64$ for samples; IAF the other way round, and here one more for the log-determinant.
# > The clock shows it too: the slow direction takes more than ten times as long.
# > IAF is used where only the density of its *own* samples is needed, since those come with their $s_i$ at no further cost: as the posterior of a VAE, or to copy a slow model (Parallel WaveNet, arXiv:1711.10433).

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert passes["realnvp", "density"] == passes["realnvp", "samples"] == 1
assert (passes["maf", "density"], passes["maf", "samples"]) == (1, 64) and (passes["iaf", "density"], passes["iaf", "samples"]) == (65, 1)
assert clock["maf", "samples"] > 10 * clock["maf", "density"] and clock["iaf", "density"] > 10 * clock["iaf", "samples"]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · All of them on the same points
#
# Five densities whose true entropy is known, eight layers each, 1,500 steps. FFJORD is the continuous flow of section 10: it has a velocity in place of layers, and 750 steps, since its steps are dearer. What is left above the entropy estimates $\mathrm{KL}(p_\text{data}\,\|\,p_\theta)$, in nats, from 10,000 new points.
# Each number is *one* training: take no difference of a few hundredths for a fact. Below, the densities themselves.

# %%
record = checkpoints.record("flow_toys")["numbers"]
table(
    [
        {"density": toy, "entropy": f"{n['entropy']:.2f}"} | {names[kind]: f"{n['nll'][kind] - n['entropy']:+.2f}" for kind in names}
        for toy, n in record.items()
    ]
)

# %%
recorded = checkpoints.recordings("flow_toys")
shown = ("moons", "checkerboard", "gaussians8", "swissroll")
true_maps = {toy: toy2d_log_prob(toy, plane(48, 4.5)).exp().view(48, 48) for toy in shown}
maps(
    [picture.float() for toy in shown for picture in (true_maps[toy], *recorded[toy]["density"])],
    ["true", *names.values()] * len(shown),
    size=1.25,
    columns=8,
)

# %% [markdown]
# > **What to notice.** Glow against spline answers section 6: 0.01 nats on the moons, 0.34 on the checkerboard, 0.58 on the eight Gaussians. Is it because they are separate pieces? Not only: the swiss roll, one band, gains 0.41, more than the checkerboard's eight squares.
# > NICE, which can shear and scale each axis once, is far off there: by 2.09 nats. Affine couplings draw filaments between islands: cut at a hundredth of its peak, RealNVP's density of the eight Gaussians is one piece. The spline flow's is eight, as it should be.
# > But look lower, at a thousandth of the peak: the spline's islands are joined to fewer than four pieces, the true ones are still eight. No flow here has zero density anywhere: a continuous map with a continuous inverse keeps the *number of pieces* of the region in which the density is positive, and the Gaussian's is one: the whole plane.
# >
# > FFJORD had fewer steps and is not done: with 1,000 steps it comes from 0.17 to 0.14 on the moons. Glow is behind RealNVP on four of the five. The learned mixing alone cannot be why, since the spline flow has the same mixing and is the best on all five (on the moons and the Gaussians by less than 0.04).

# %% slideshow={"slide_type": "skip"} tags=["claim"]
excess = {toy: {kind: n["nll"][kind] - n["entropy"] for kind in names} for toy, n in record.items()}
gain = {toy: e["glow"] - e["spline"] for toy, e in excess.items()}
assert [round(gain[toy], 2) for toy in ("moons", "checkerboard", "gaussians8", "swissroll")] == [0.01, 0.34, 0.58, 0.41]
assert pieces(true_maps["swissroll"], 0.1) == 1 and pieces(true_maps["checkerboard"], 0.1) == 8 and gain["gaussians8"] == max(gain.values())
assert round(excess["gaussians8"]["nice"], 2) == 2.09 == round(max(excess["gaussians8"].values()), 2)
eight = dict(zip(names, recorded["gaussians8"]["density"].float()))
assert pieces(eight["realnvp"], 0.01) == 1 and pieces(eight["spline"], 0.01) == pieces(true_maps["gaussians8"], 0.01) == 8
assert pieces(eight["spline"], 0.001) < 4 and pieces(true_maps["gaussians8"], 0.001) == 8
assert round(excess["moons"]["ffjord"], 2) == 0.17 and checkpoints.record("flow_moons_ffjord")["steps"] == 1_000
longer = checkpoints.record("flow_moons_ffjord")["numbers"]
assert round(longer["nll"] - longer["entropy"], 2) == 0.14
assert sum(e["glow"] > e["realnvp"] for e in excess.values()) == 4
assert all(min(e, key=e.get) == "spline" for e in excess.values())
lead = {toy: sorted(e.values())[1] - e["spline"] for toy, e in excess.items()}
assert {toy for toy, ahead in lead.items() if ahead < 0.04} == {"moons", "gaussians8"}

# %% [markdown]
# **A flow, a VAE and a GAN on the same points**, 2,000 steps each, one training each. The flow is the spline flow. The GAN has its cures from lecture 03. The VAE has two latents and a Gaussian decoder that learns one σ; two VAEs were trained, from σ² = e⁻⁸ and from e⁻⁴ (in a square of side 1), and the one with the higher ELBO is shown. Of the VAE you see the decoder's means, without its noise.
#
# "Nowhere" is the share of samples where the true density is lower than at all but one in a thousand data points. It is no measure of coverage: a model that draws one good point for ever scores 0 %.

# %%
rivals = checkpoints.recordings("flow_rivals")
figure, axes = plt.subplots(3, 3, figsize=(7.2, 7.4), sharex=True, sharey=True)
for row, (toy, stored) in zip(axes, rivals.items()):
    nowhere = checkpoints.record("flow_rivals")["numbers"][toy]["nowhere"]
    for axis, rival, samples in zip(row, flows.RIVALS, stored["samples"].float()):
        axis.scatter(*samples.T, s=1, color="#333333")
        axis.set(xlim=(-4.5, 4.5), ylim=(-4.5, 4.5), aspect="equal", xticks=[], yticks=[])
        axis.set_title(f"{rival}: {nowhere[rival]:.0%} nowhere", fontsize=10)
plt.show()

# %% [markdown]
# > **What to notice.** About 1 % of the flow's samples lie nowhere, ten times as many as of the data. The GAN draws 2 to 6 % nowhere, many on threads from piece to piece. Of the VAE's samples a third or more lie nowhere.
# > Is the VAE's decoder to blame, or its prior? Give the decoder codes of data in place of codes from the prior: the 36 % of the moons become 3 %, the 46 % of the pinwheel 7 %. There the prior draws codes from the gaps between the codes of data.
# > On the Gaussians 34 % become 24 %: codes of data help little, so there most of the blame is the decoder's and encoder's.
# > It depends on the start. On the Gaussians, from e⁻⁸, it is 57 %, and less than 1 % with codes of data. On the pinwheel, from e⁻⁴, it is 14 %. So a VAE's score here is no fact about VAEs.
# > Only the flow can say exactly how likely a point is: the VAE has a bound, the GAN nothing.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
duel = checkpoints.record("flow_rivals")["numbers"]
assert all(0.005 < n["nowhere"]["flow"] < 0.015 for n in duel.values())  # 1 %
assert sorted(round(100 * n["nowhere"]["GAN"]) for n in duel.values()) == [2, 5, 6]
percent = {
    toy: {start: tuple(round(100 * v[key]) for key in ("nowhere", "codes")) for start, v in n["vae_starts"].items()}
    for toy, n in duel.items()
}
assert percent["moons"]["-8"] == (36, 3) and percent["pinwheel"]["-8"] == (46, 7) and percent["gaussians8"]["-4"] == (34, 24)
assert [n["nowhere"]["VAE"] == n["vae_starts"]["-8"]["nowhere"] for n in duel.values()] == [True, True, False]  # which start is shown
assert percent["pinwheel"]["-4"][0] == 14
assert 0.57 <= duel["gaussians8"]["vae_starts"]["-8"]["nowhere"] < 0.58 and percent["gaussians8"]["-8"][1] < 1

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · Without layers: continuous flows
#
# Let the number of layers go to infinity, each doing almost nothing: $x_{t+dt}=x_t+v_\theta(x_t,t)\,dt$, from $t=0$ (latent) to $t=1$ (data). Mind two directions: this time runs from noise to data, against that of lecture 00's table, and this layer maps from latent to data, against the $f$ of before. The Jacobian of such a layer is $I+dt\,A$ with $A=\partial v_\theta/\partial x$.
# Multiply its determinant out: the diagonal gives $1+dt\,(A_{11}+\dots+A_{DD})$, and every other product has a factor $dt^2$. With $\log(1+a)\approx a$ this is $\log\det(I+dt\,A)\approx dt\,\operatorname{tr}A$. The layer makes volumes larger by that, so it makes the density smaller by it: $\log p(x_{t+dt})=\log p(x_t)-\log\det(I+dt\,A)$. Divide by $dt$ and let it go to 0:
#
# $$\frac{dx}{dt}=v_\theta(x,t),\qquad \frac{d\log p(x_t)}{dt}=-\operatorname{tr}\frac{\partial v_\theta}{\partial x}$$
#
# This is the **instantaneous change of variables**: where the velocity spreads points out, their density falls. The determinant has become a **trace**, and $v_\theta$ may be *any* smooth network: such an equation has one solution through each place at each time, so two paths are never at the same place at the same *time*, and the map inverts by going back in time.
# An adaptive solver (`torchdiffeq`) chooses the steps.
#
# In many dimensions the trace itself is dear: $D$ derivatives. **Hutchinson's estimator**: for random $\varepsilon$ with mean 0 and covariance $I$, $\mathbb E[\varepsilon^\top A\,\varepsilon]=\sum_{ij}A_{ij}\,\mathbb E[\varepsilon_i\varepsilon_j]=\operatorname{tr}A$, and $A\varepsilon$ is one derivative, in the direction $\varepsilon$ (a **Jacobian-vector product**). **FFJORD** is a continuous flow trained with this estimator.

# %%
show_source(flows.Velocity.with_tangents)
show_source(flows.WithTrace)
show_source(flows.ContinuousFlow.transform)
torch.manual_seed(0)
matrix = torch.randn(50, 50)
for dt in (1e-2, 1e-3, 1e-4):
    print(f"dt = {dt:g}: log det(I + dt A) / dt = {torch.linalg.slogdet(torch.eye(50).double() + dt * matrix.double())[1] / dt:.2f}")
signs = torch.randint(2, (20_000, 50)) * 2.0 - 1
estimates = ((signs @ matrix) * signs).sum(1)
print(f"trace {matrix.trace():.2f}, mean of 20,000 estimates {estimates.mean():.2f}, deviation of a single one {estimates.std():.1f}")

# %% [markdown]
# One random vector gives a trace of 7 with a standard deviation of 49. But it is unbiased, and so is the gradient of the loss: stochastic gradient descent asks for no more. So FFJORD uses one vector for each example. For a number that you report, average over many, or take the exact trace. In two dimensions that costs two derivatives, and ours is trained with it.
#
# **Predict first.** The points start as one round cloud. At which time will the two moons part?

# %%
ffjord = checkpoints.load("flow_moons_ffjord")
way = widgets.TrajectoryExplorer(ffjord, points[:400])
way

# %% [markdown]
# > **What to notice.** Never: cut at a fifth of its peak, the density is one piece at all times. In the middle between the moons it falls until the end, to less than a tenth of what it was, and is not 0. That is the same limit as before, seen in time.
# > The trails cross in the picture: of the 80 drawn, 78 of the 3,160 pairs do. But they pass the crossing at different times. At one time no two points meet.
# > The solver needs dozens of evaluations of $v$ for one density. Lecture 06 trains such velocities without any solver (flow matching).

# %% slideshow={"slide_type": "skip"} tags=["claim"]
bridge = way.densities[:, 46:50, 46:50].mean((1, 2))  # in the middle of the picture, between the moons
assert way.CELLS == 96 and (np.diff(bridge[::4]) < 0).all() and 0.001 < bridge[-1] < 0.1 * bridge[0]
assert all(pieces(density, 0.2) == 1 for density in way.densities)
trails = torch.as_tensor(way.points[:, : way.TRAILS]).double()  # (times, 80, 2), those in the picture
assert trails.shape[1] == 80 and 80 * 79 // 2 == 3_160 and abs(crossing_pairs(trails.transpose(0, 1)) - 78) <= 12
assert min(torch.pdist(moment).min() for moment in trails) > 0.001
evaluations, evaluate = [], ffjord.velocity.with_tangents
ffjord.velocity.with_tangents = lambda *given: evaluations.append(1) or evaluate(*given)
with torch.no_grad():
    ffjord.log_prob(new_points[:100])
del ffjord.velocity.with_tangents
assert 24 <= len(evaluations) <= 200 and ffjord.trace == "exact"
assert abs(estimates.mean() - matrix.trace()) < 3 * estimates.std() / 20_000**0.5 and 45 < estimates.std() < 53  # 49
assert round(matrix.trace().item()) == 7
assert abs(torch.linalg.slogdet(torch.eye(50).double() + 1e-6 * matrix.double())[1] / 1e-6 - matrix.trace()) < 0.01

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · Break it: an inverse that is none
#
# On paper $f^{-1}(f(x))=x$. In 32 bits each layer rounds, and a layer that squeezes an entry by $e^{3}$ on the way in enlarges its rounding error by $e^{3}$ on the way out.
#
# **Predict first.** How does the error grow with depth: like the number of layers, like its square, or exponentially? (The vertical axis is logarithmic: there, exponential growth is a straight line.) What does float64 change: the slope, or the start?

# %%
inversion = widgets.InversionExplorer()
inversion.weights.value, inversion.depth.value = 1.0, 8
inversion

# %% [markdown]
# > **What to notice.** With weights of 0.1 the error hardly grows. With weights of 1 it grows exponentially: after some layers each one makes it more than ten times as large, until “samples” are noise. float64 starts about nine digits lower and rises as steeply: it buys some layers, no cure.
# > Additive couplings keep every volume, but not every length: a shear stretches some directions, and an error with them. They are calm at weights of 1, where affine ones explode, and explode at 3.
# > Bounded scales ($s\in(-3,3)$) did not prevent any of this; all affine couplings here have them. Trained flows can be calm: the three of the moons come back to within 0.001. Look at the round trip of a trained flow before you trust its samples.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
depths = np.array(widgets.DEPTHS)
single, double = (inversion.measure("affine", 1.0, precision) for precision in ("float32", "float64"))
assert inversion.measure("affine", 0.1, "float32")[-1] < 1e-5
late = (depths >= 6) & (depths <= 32)
rise = np.polyfit(depths[late], np.log10(double[late]), 1)[0]  # digits a layer
straight = [np.corrcoef(axis, np.log10(double[late]))[0, 1] for axis in (depths[late], np.log(depths[late]))]
assert rise > 1 and straight[0] > 0.99 and straight[0] > straight[1]
rise_single = np.polyfit(depths[5:9], np.log10(single[5:9]), 1)[0]  # 8 to 24 layers
assert abs(rise_single - np.polyfit(depths[5:9], np.log10(double[5:9]), 1)[0]) < 0.3
assert 8 < np.log10(single[:9] / double[:9]).mean() < 10.5
assert inversion.measure("additive", 1.0, "float32")[-1] < 0.01 and inversion.measure("additive", 3.0, "float32")[-1] > 1e3
with torch.no_grad():
    assert all((model.decode(model.encode(new_points)) - new_points).abs().max() < 0.001 for model in moons.values())

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · Pixels are not real numbers
#
# A pixel is a whole number from 0 to 255. A flow has a *density*. Feed it the bare numbers, and it can put a spike on each.
#
# The faces of lecture 01, 16 × 16 pixels, show it best, since they are drawn in few colours. The pixel in the upper left corner is background: one of five colours, and no other. Its red and green are two numbers, so a spline flow on the plane will do. (We leave out blue, to be able to look.)
#
# **Predict first.** The entropy of five colours, each as frequent as here, is 1.16 bits for each of the two numbers, and no code needs less. Train the flow on bare numbers. What will its loss do?

# %%
corners = portraits.x[:, :2, 0, 0]  # red and green of the upper left pixel
tones, counts = corners.unique(dim=0, return_counts=True)
shares = counts / counts.sum()
fewest = -(shares * shares.log2()).sum().item() / 2  # bits for each number, of the best code


def as_bits(nats):
    return (nats + 2 * math.log(256)) / (2 * math.log(2))  # a bin has the area 1/256²


fed = {
    "bare numbers": lambda x: flows.dequantise(x, 0.5),  # always the middle of the bin
    "with noise": lambda x: flows.dequantise(x, torch.rand(x.shape, device=x.device)),
}
history, fitted = {}, {}
for name, prepare in fed.items():
    training.seed_everything(0)
    model = flows.Flow("spline", dims=2, layers=3, hidden=(32, 32))
    run = training.fit(model, corners, steps=800, batch_size=64, lr=5e-3, clip=10.0, prepare=prepare, progress=False)
    fitted[name] = run.model.eval().cpu()
    history[name] = ([r["step"] for r in run.history], [as_bits(r["loss"]) for r in run.history])

figure, (axis, *zooms) = plt.subplots(1, 3, figsize=(9.6, 3.0), width_ratios=(1.5, 1, 1))
for name, (step, bits) in history.items():
    axis.plot(step, bits, label=name)
axis.axhline(fewest, color="#333333", linestyle="--", label="the best code")
axis.set(xlabel="step", ylabel="bits for each number", title="Two numbers of one pixel")
axis.legend()
around = torch.linspace(-2.5, 3.5, 121)  # grey levels beside purple, red 192 and green 174
red, green = torch.meshgrid(192 + around, 174 + around, indexing="xy")
spikes = {}
with torch.no_grad():
    for axis, (name, model) in zip(zooms, fitted.items()):
        spikes[name] = model.log_prob(torch.stack([red.flatten(), green.flatten()], 1) / 256).exp().view(121, 121) / 256**2
        axis.imshow(spikes[name], origin="lower", extent=(189.5, 195.5, 171.5, 177.5), cmap="BuPu")
        axis.plot([192, 193, 193, 192, 192], [174, 174, 175, 175, 174], color="#333333", lw=0.8)
        axis.set(title=f"{name}: at purple", xlabel="red", xticks=(190, 192, 193, 195), yticks=(172, 174, 175, 177))
        axis.grid(False)
    zooms[0].set_ylabel("green")
    middle = {name: as_bits(-model.log_prob(flows.dequantise(corners, 0.5)).mean().item()) for name, model in fitted.items()}
    beside = as_bits(-fitted["bare numbers"].log_prob(flows.dequantise(corners, 0.6)).mean().item())
plt.show()
print(f"the best code {fewest:.2f} bits, the bare flow {middle['bare numbers']:.2f}; a tenth of a level beside the numbers {beside:.2f}")
for width in (1e-1, 1e-2, 1e-3, 1e-4):  # at a whole number: 256 spikes, each with 1/256 of the probability
    print(f"256 Gaussian spikes of deviation {width:g}: {math.log2(256 * width * math.sqrt(2 * math.pi)):+.1f} bits for any image whatever")

# %% [markdown]
# > **What to notice.** Bare numbers end below 1.16 bits, where no code can be. The flow has learned no better code: it has drawn its probability together in spikes, thinner than the bin of one grey level (the square). A tenth of a level beside the numbers it needs about one bit more for each. With noise a spike has to fill its bin, and the loss stays above the best code.
# > The other printed model knows nothing of pictures: it puts a spike on each level. Make the spikes narrow enough, and it “needs” fewer than 0 bits, for any image whatever. A density at whole numbers has no upper bound.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert len(tones) == 5 and round(fewest, 2) == 1.16
late = {name: torch.tensor(bits[-4:]).mean() for name, (_, bits) in history.items()}
assert middle["bare numbers"] < fewest - 0.2 and late["bare numbers"] < fewest < late["with noise"] - 0.1
assert abs(beside - middle["bare numbers"] - 1) < 0.5
inside_bin = (red >= 192) & (red <= 193) & (green >= 174) & (green <= 175)
assert spikes["bare numbers"].max() > 3 * spikes["with noise"].max()  # drawn together
wide_ = {name: (d > d.max() / 2).float().sum().item() * 0.05**2 for name, d in spikes.items()}  # area above half the peak, in bins
assert wide_["bare numbers"] < 0.3 < wide_["with noise"]
assert math.log2(256 * 1e-3 * math.sqrt(2 * math.pi)) < 0 < math.log2(256 * 1e-2 * math.sqrt(2 * math.pi))

# %% [markdown]
# **Dequantisation.** Add noise $u\in[0,1)^D$: $v=(x+u)/256$. A density $p(v)$ gives each whole-number image the probability of its bin, a cube of volume $256^{-D}$. Write the integral over the bin as an expectation under any $q(u\mid x)$, and use Jensen's inequality (lecture 00):
#
# $$\log P(x)=\log\int_{[0,1)^D}\!\!\frac{p(v)}{256^{D}}\,du=\log\mathbb E_{u\sim q(u\mid x)}\!\left[\frac{p(v)}{256^{D}\,q(u\mid x)}\right]\ge\mathbb E_{u\sim q(u\mid x)}\big[\log p(v)-\log q(u\mid x)\big]-D\log 256$$
#
# $P(x)$ is at most 1, so this bound cannot run away as the bare density does. It is tight where $q$ is the model's own $p(u\mid x)=p(v)/(256^DP(x))$: what is lost is $\mathrm{KL}(q(u\mid x)\,\|\,p(u\mid x))$.
# **Uniform dequantisation** has $\log q=0$. **Variational dequantisation** learns $q$, a small flow of its own: it looks at $x$ and draws the noise that $p$ finds easy to describe, which can make the bound tighter.

# %%
show_source(flows.ImageFlow.log_prob)
show_source(flows.VariationalDequantiser, open=False)


# %% [markdown]
# **Bits per dimension** are $-\log P(x)/(D\log 2)$. **Test it** on the one image model whose answer everybody knows: every value equally likely.
#
# Pixels end at 0 and 1, and the Gaussian never ends. So the first layer of a flow on images is a **logit**, $\log\frac{v}{1-v}$, and its derivative belongs to the log-determinant. Forget it and the bits are of something else. (First $v$ is pressed into $[\frac\alpha2,1-\frac\alpha2]$ with $\alpha=10^{-5}$, so that no pixel goes to infinity.)

# %%
class Uniform(flows.ImageFlow):
    def log_density(self, v, y=None):
        return torch.zeros(len(v))  # density 1 on the unit cube


print(f"uniform pixels: {Uniform(dequantisation='uniform').bits_per_dim(unseen.x[:4])[0]:.6f} bits, and log2(256) = 8")
uniform_255 = bits_per_dim(torch.tensor(-784 * math.log(255)), 784)
print(f"divide by 255 instead, a common slip: {uniform_255:.3f} bits, a gift of {8 - uniform_255:.4f} to every model")
show_source(flows.Logit)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · From points to pictures: multi-scale flows
#
# Which pixels stay? RealNVP's answer is a **checkerboard**: each pixel is moved by what its neighbours say. Then every 2×2 patch becomes four channels (**squeeze**), and channels are split. After each level, half of the channels are done: they go straight into $z$. The rest goes on at half the size.
#
# A checkerboard *is* a split of channels after squeezing: upper left and lower right of each patch are the black squares. So we squeeze first, and the networks have a quarter of the places to work at.

# %%
board = (torch.arange(8)[:, None] + torch.arange(8)) % 2
squeezed, _ = flows.Squeeze()(board[None, None].float())
kept, moved = flows.Coupling(nn.Identity(), order="checkerboard").split(squeezed)
print(f"kept: {kept.unique().tolist()}, moved: {moved.unique().tolist()}")
show_source(flows.Coupling.split)
show_source(flows.Level)
show_source(flows.ImageFlow.transform)

# %%
models = {name: checkpoints.load(name) for name in ("realnvp", "glow", "spline")}
torch.manual_seed(2)
show_images(
    torch.cat([model.sample(10) for model in models.values()]),
    columns=10,
    row_labels=["RealNVP", "Glow", "spline"],
    heading="Samples, temperature 1",
)

# %% [markdown]
# **Temperature.** $z\sim\mathcal N(0,T^2I)$ with $T<1$ stays nearer to the middle. That sharpens the density of $z$, and the density of $x$ in the same way only where the flow keeps all volumes.
# **Interpolation.** Each image, taken in the middle of its bins, has exactly one $z$, so a path between two images is exact at both ends.
#
# **Predict first.** What will $T=0$ show? And what lies between a 3 and an 8?

# %%
warmth = widgets.TemperatureExplorer({names[name]: model for name, model in models.items()}, unseen.x[::100])  # image n shows the digit n
warmth.temperature.value, warmth.first.value, warmth.second.value = 0.0, 3, 8
warmth

# %%
torch.manual_seed(0)
directions, broken, rows = torch.randn(64, 784), {}, []
for temperature in (0.0, 0.5, 0.7, 1.0, 1.2):
    with torch.no_grad():
        drawn = models["glow"].decode(temperature * directions)
    # pieces of ink that touch nowhere, not even at a corner
    broken[temperature] = torch.tensor([float(label(image > 0.5, np.ones((3, 3)))[1]) for image in drawn[:, 0].numpy()])
    mean, error, apart = broken[temperature].mean(), broken[temperature].std() / 8, torch.pdist(drawn.flatten(1)).mean()
    rows.append({"temperature": temperature, "distance of two samples": f"{apart:.1f}", "pieces of a digit": f"{mean:.2f} ± {error:.2f}"})
real = torch.tensor([float(label(image > 0.5, np.ones((3, 3)))[1]) for image in unseen.images()[:, 0].numpy()])
rows.append(
    {
        "temperature": "real digits",
        "distance of two samples": "",
        "pieces of a digit": f"{real.mean():.2f} ± {real.std() / len(real) ** 0.5:.2f}",
    }
)
table(rows)

# %% [markdown]
# > **What to notice.** At 0 there is one picture, the image of the middle. The warmer, the further apart the samples and the more often their strokes are broken: Glow's digits are in one piece at 0.5, as real ones are, and in about 1.4 at 1 and 1.8 at 1.2. Low temperature buys clean strokes, and pays with variety.
# > The path in $z$ bends strokes where the one in pixels cross-fades: half-way, RealNVP's path has less than a third as many grey pixels. Both ends of the path are the images themselves, to the last of the 256 levels. A VAE's ends are reconstructions.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
apart = [float(row["distance of two samples"]) for row in rows[:-1]]
assert apart[0] == 0 and apart == sorted(apart)
assert broken[0.5].mean() < 1.15 and real.mean() < 1.05
assert abs(broken[1.0].mean() - 1.4) < 0.25 and abs(broken[1.2].mean() - 1.8) < 0.3
assert 0.5 in broken and broken[0.7].mean() < broken[1.0].mean() < broken[1.2].mean()
bent, faded, missed = warmth.path()
greyness = [((way_[3:5] > 0.2) & (way_[3:5] < 0.8)).float().mean() for way_ in (bent, faded)]
assert greyness[1] > 3 * greyness[0] and missed < 0.5  # of 256 levels

# %% [markdown]
# **A flow where it is at home.** A flow keeps the dimension, so ours has to describe 784 pixels with 784 latents, and spends itself on them. The VAEs of lecture 02 have put a digit into 40 numbers and a face into 64. Train a flow on these codes: $z$ from the flow, a picture from the VAE's decoder. The flow is then a learned prior, and with $q$ the VAE's encoder
#
# $$\log p(x)\ \ge\ \mathbb E_{q(z\mid x)}\big[\log p_\theta(x\mid z)+\log p_\text{flow}(z)-\log q(z\mid x)\big].$$
#
# The likelihood is a bound again, the ELBO of lecture 02. The flow of faces has Glow's layers and is told ten words $y$, such as *red hair* and *dark glasses*: each coupling's network sees them beside the half that stays, so it is $p_\text{flow}(z\mid y)$.
#
# **Predict first.** The VAE's own faces, from $z\sim\mathcal N(0,I)$, have an FID of 107. The decoder stays as it is. Was it to blame?

# %%
show_source(flows.LatentFlow.transform)
of_codes, of_faces = checkpoints.load("latent_spline"), checkpoints.load("latent_glow_faces")
pixel_faces = checkpoints.load("glow_faces")
asked = faces.attributes(portraits.y[:12])
torch.manual_seed(0)
drawn = [model.sample(12).clamp(0, 1) for model in (pixel_faces, of_faces.autoencoder)]
drawn += [of_faces.sample(12, y=asked).clamp(0, 1), portraits.images()[:12]]
show_images(torch.cat(drawn), columns=12, row_labels=["flow of pixels", "VAE's own prior", "flow of codes", "test faces"])
board_ = {row["name"]: row for row in leaderboard.read(leaderboard.SHIPPED_FACES)["rows"]}
elbo = {key: of_codes.record["numbers"][name] for key, name in {"flow": "elbo", "VAE's own": "elbo_own_prior"}.items()}
print("ELBO of test digits, nats: " + ", ".join(f"prior {key} {value:.1f}" for key, value in elbo.items()))
homes = {
    "digits: spline flow of 784 pixels": (models["spline"].record, models["spline"].record["numbers"]["fid"]),
    "digits: spline flow of 40 codes": (of_codes.record, of_codes.record["numbers"]["fid"]),
    "faces: flow of 768 pixels": (pixel_faces.record, pixel_faces.record["numbers"]["fid"]),
    "faces: the VAE and its own prior": (of_faces.autoencoder.record, board_["vae_faces"]["fid"]),
    "faces: flow of its 64 codes": (of_faces.record, of_faces.record["numbers"]["fid"]),
}
table(
    [
        {"model": what, "FID of 10,000 samples": f"{fid:.1f}", "weights": f"{n['parameters']:,}", "minutes": f"{n['minutes']:.0f}"}
        for what, (n, fid) in homes.items()
    ]
)

# %% [markdown]
# **The same $z$, other words.** A flow is invertible under every $y$. So take a face's code, go to $z$ under its *own* words, and come back under *others*. How such a face is really drawn we know: the data set can draw every counterfactual.
#
# **Predict first.** No word speaks of eyes, of the cut of a shirt or of earrings. Where are they kept, in $y$ or in $z$? Say *dark glasses* of every face: will its shirt change?

# %%
swap = widgets.CounterfactualExplorer(of_faces, portraits.y[:160])
swap.change.value = ("glasses", "dark")
swap

# %% [markdown]
# > **What to notice.** On codes a flow is at home: FID 12 in place of 271 for digits, and 12.5 in place of 65 for faces. (The 12.5 is of faces drawn for the words of test faces; the flow of pixels is told none.) The decoder was not to blame: with the prior that it was trained with it has 107. The flow took 7 minutes, after the VAE's 19. As a prior of digits a flow is 0.3 nats better than the mixture of 256 Gaussians that the VAE was trained with. The price is the exact likelihood.
# > Words are obeyed: the face network of lecture 02 reads 97 % of them in the faces drawn for them, and 89 % of the pairs that no training face has.
# > With $z$ kept and one word changed, the new word is read in nearly nine of ten faces or more, and at least 95 % of the other words stay. So does what no word says: put dark glasses on, and nine shirts in ten keep their cut (with a new $z$ one in twenty), and so do nine in ten eyes and earrings. And $z$ has lost the words: from a code a linear classifier reads the skin in 98 %, from $z$ no more often than by always naming the commonest. So $y$ holds the words, and $z$ the rest.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
pixels_, codes_, drawn_ = models["spline"].record, of_codes.record, of_faces.record
assert (round(codes_["numbers"]["fid"]), round(pixels_["numbers"]["fid"])) == (12, 271)
assert (
    round(pixel_faces.record["numbers"]["fid"]) == 65
    and round(board_["vae_faces"]["fid"]) == 107
    and round(drawn_["numbers"]["fid"], 1) == 12.5
)
assert of_faces.autoencoder.record["name"] == "vae_faces" and drawn_["config"]["kind"] == "glow" and drawn_["numbers"]["samples"] == 10_000
assert (round(drawn_["minutes"]), round(of_faces.autoencoder.record["minutes"])) == (7, 19)
assert round(elbo["flow"] - elbo["VAE's own"], 1) == 0.3 and of_codes.autoencoder.config["components"] == 256
assert of_codes.autoencoder.config["prior"] == "vamp" and of_codes.config["kind"] == models["spline"].config["kind"] == "spline"
with torch.no_grad():  # the same comparison on other digits: piece by piece
    on = (unseen.images() > 0.5).float()
    gain = torch.stack([of_codes.iwae_bound_in_parts(on, 1) - of_codes.autoencoder.iwae_bound_in_parts(on, 1) for _ in range(8)]).mean()
assert gain > 0
assert round(drawn_["numbers"]["obeyed"], 2) == 0.97 and round(drawn_["numbers"]["held_out"], 2) == 0.89
some_y = portraits.y[:300]
vae_of_faces = of_faces.autoencoder
with torch.no_grad():
    kept_z = of_faces.encode(vae_of_faces.encode(datasets.to_float(faces.draw(some_y))), faces.attributes(some_y))
for name, word in (
    ("hair_colour", "green"),
    ("glasses", "dark"),
    ("mouth", "sad"),
    ("background", "pink"),
    ("hat", "hat"),
    ("beard", "beard"),
):
    changed = faces.change(some_y, **{name: word})
    spoken, seen_ = faces.attributes(changed), faces.visible(changed, words=True)
    column = list(faces.ATTRIBUTES).index(name)
    with torch.no_grad():
        torch.manual_seed(0)
        made, anew = (vae_of_faces.decode(of_faces.decode(z, spoken)).clamp(0, 1) for z in (kept_z, torch.randn_like(kept_z)))
    right = metrics.predicted_attributes(made) == spoken
    new = seen_[:, column] & (changed != some_y).any(1)
    assert right[new, column].float().mean() > 0.83, name
    seen_[:, column] = False
    assert right[seen_].float().mean() >= 0.95, name
    if name == "glasses":
        read_ = [metrics.faces.predicted_factors(x) == changed for x in (made, anew)]
        shares_ = {}
        for part in ("clothing", "eyes", "earrings"):
            shown_, column = faces.visible(changed)[:, list(faces.FACTORS).index(part)], list(faces.FACTORS).index(part)
            shares_[part] = [each[shown_, column].float().mean() for each in read_]
        assert abs(shares_["clothing"][0] - 9 / 10) < 0.05 and abs(shares_["clothing"][1] - 1 / 20) < 0.04
        assert all(shares_[part][0] > 9 / 10 - 0.02 and shares_[part][1] < 0.7 for part in ("eyes", "earrings"))
known_y = datasets.load("faces", "train").y[:3_000]
with torch.no_grad():
    codes_of = vae_of_faces.encode(datasets.to_float(faces.draw(known_y)))
    skins, both = faces.attributes(known_y)[:, 0], (codes_of, of_faces.encode(codes_of, faces.attributes(known_y)))
from_code, from_z = (LogisticRegression(max_iter=300).fit(v[:2_000], skins[:2_000]).score(v[2_000:], skins[2_000:]) for v in both)
assert abs(from_code - 0.98) < 0.02 and from_z < torch.bincount(skins[2_000:]).max() / 1_000 + 0.04
assert not {"eyes", "clothing", "earrings"} & set(faces.ATTRIBUTES)


# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · Break it: likelihood is not familiarity
#
# A flow bounds $\log P(x)$ closely, from below. Pictures that do not belong ought to be unlikely, so it should find them. Should it not?
#
# **Predict first.** Order these by likelihood under the flow of the pixels of faces: faces, mirrored faces, faces upside down, inverted faces, photographs, noise, a plain peach square, a plain grey one. (Peach is one of the five backgrounds.)

# %%
def plain(*colour):
    return torch.tensor(colour, dtype=torch.uint8).view(1, 3, 1, 1).expand(8, 3, 16, 16)  # one picture, eight draws of the noise


def roughness(x):
    """Mean difference of neighbouring pixels, levels."""
    return (x.float().diff(dim=2).abs().mean((1, 2, 3)) + x.float().diff(dim=3).abs().mean((1, 2, 3))) / 2


torch.manual_seed(0)
x, patches = portraits.x[:400], datasets.load("photos", "test").x
peach, pink = faces.COLOURS["background"]["peach"], faces.COLOURS["background"]["pink"]
sets = {
    "faces": x,
    "mirrored": x.flip(3),
    "upside down": x.flip(2),
    "inverted": 255 - x,
    "photos": patches[torch.randperm(len(patches))[:400]],
    "noise": torch.randint(256, x.shape, dtype=torch.uint8),
    "plain peach": plain(*peach),
    "plain pink": plain(*pink),
    "plain grey": plain(128, 128, 128),
}
rows, scores = [], {}
with torch.no_grad():
    for name, images in sets.items():
        torch.manual_seed(1)
        u, log_q = pixel_faces.dequantiser(images)
        z, log_det = pixel_faces.transform(flows.dequantise(images, u))
        scores[name] = -pixel_faces.bits_per_dim(images)
        rows.append(
            {
                "pictures": name,
                "bits per dimension": f"{-scores[name].mean():.2f}",
                "the cheapest": f"{-scores[name].max():.2f}",
                "‖z‖, typical 28": round(z.norm(dim=1).mean().item(), 1),
                "log-det per number": round((log_det / 768).mean().item(), 2),
            }
        )
roughest = torch.stack([images[roughness(images).argmax()] for images in sets.values()])  # more to see than in others
show_images(roughest / 255, columns=9, titles=list(sets))
table(rows)


# %% [markdown]
# A plain peach square is *more* likely than any of these 400 faces. One explanation is that it is flat: each pixel is easy to predict from its neighbours. Another is an **atom**, a lump of probability at one exact value, on which a flow can build the spike of section 12. That can be tested: move every pixel by one level. No eye sees it, flat stays flat, and the atom is missed. Here for faces, and for the digits of section 13, most of whose pixels are exactly black.

# %%
def moved(images, by):
    return (images.int() + by).clamp(0, 255).to(torch.uint8)


def codes_of_colours(images):
    return (images.long() * torch.tensor([65_536, 256, 1]).view(1, 3, 1, 1)).sum(1).flatten()


glow, figures, black = models["glow"], unseen.x[::10], torch.zeros(8, 1, 28, 28, dtype=torch.uint8)
torch.manual_seed(2)
tried = {"faces": (pixel_faces, x, -1), "plain peach": (pixel_faces, plain(*peach), -1)}
tried |= {"digits": (glow, figures, 1), "plain black": (glow, black, 1)}
costs = {
    name: [model.bits_per_dim(images).mean().item() for images in (first, moved(first, by))] for name, (model, first, by) in tried.items()
}

used, counts = codes_of_colours(portraits.x).unique(return_counts=True)
often = counts / counts.sum()
alone = -(often * often.log2()).sum().item() / 3  # bits for each number, pixels coded one by one
torch.manual_seed(0)
sampled = codes_of_colours((pixel_faces.sample(200) * 255).round())
black_share, hit = (digits.x == 0).float().mean().item(), torch.isin(sampled, used).float().mean().item()
print(f"{black_share:.0%} of the pixels of digits are exactly 0")
print(f"faces are drawn in {len(used)} colours; coded one by one, with no look at a neighbour, they cost {alone:.2f} bits for each number")
print(f"the flow needs {-scores['faces'].mean():.2f}; of the pixels of its samples {hit:.1%} have one of these colours")
table(
    [
        {"pictures": name, "bits per dimension": f"{here:.2f}", "all pixels moved by one level": f"{beside_:.2f}"}
        for name, (here, beside_) in costs.items()
    ]
)

# %% [markdown]
# > **What to notice.** There are two ways to be likely and not familiar. In digits it is the atom: 81 % of their pixels are exactly 0. A black image costs less than 0.1 bits, and one level lighter about 6. So do digits: 6.2 in place of 1.2. In faces it is hardly an atom: one level darker, faces and peach cost less than half a bit more, digits about five and black six. What is left is that the square is flat, and of a colour that the flow knows: plain grey is as flat and costs more than twice as much. In $z$ nothing stands out: the peach square's is as long as a face's, and all that it gains is in the log-determinant.
# > Yet faces are full of atoms. A code that looks at no neighbour would need 1.89 bits for each number, the flow needs 4.3, and fewer than one in fifty of the pixels that it draws has a colour of the data.
# > Upside down, inverted, in photographs and noise, the flow is right: they cost more than faces. Mirrored faces cost little more: 92 % of their pixels are as before, and upside down it is 39 %.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
cheapest = -scores["faces"].max()
assert -scores["plain peach"].min() < cheapest and len(x) == 400 and -scores["plain pink"].mean() < cheapest
assert -scores["plain grey"].mean() > 2 * -scores["plain peach"].mean()
assert round(black_share, 2) == 0.81 and costs["plain black"][0] < 0.1 and 5.5 < costs["plain black"][1] < 6.5
assert round(costs["digits"][0], 1) == 1.2 and abs(costs["digits"][1] - 6.2) < 0.15
assert all(costs[name][1] - costs[name][0] < 0.5 for name in ("faces", "plain peach"))
assert all(abs(costs[name][1] - costs[name][0] - more) < 0.3 for name, more in (("digits", 5), ("plain black", 6)))
assert round(alone, 2) == 1.89 and round(-scores["faces"].mean().item(), 1) == 4.3 and hit < 1 / 50
means = {name: -values.mean().item() for name, values in scores.items()}
assert all(means[name] > means["faces"] + 2 for name in ("upside down", "inverted", "photos", "noise"))
assert 0 < means["mirrored"] - means["faces"] < 1
told = {each["pictures"]: each for each in rows}
assert abs(told["faces"]["‖z‖, typical 28"] - 28) < 1.5 and round(math.sqrt(768)) == 28
assert abs(told["plain peach"]["‖z‖, typical 28"] - told["faces"]["‖z‖, typical 28"]) < 1.5
gained = [told[name]["log-det per number"] for name in ("faces", "plain peach")]
assert abs((gained[1] - gained[0]) / math.log(2) - (means["faces"] - means["plain peach"])) < 0.4, "bits from the log-determinant"
as_before = [(x == sets[name]).all(1).float().mean().item() for name in ("mirrored", "upside down")]
assert abs(as_before[0] - 0.92) < 0.015 and abs(as_before[1] - 0.39) < 0.02

# %% [markdown]
# **Likely and typical.** No draw from $\mathcal N(0,I)$ in 768 dimensions is near its peak at 0: the peak has the highest density and next to no volume. Draws have lengths near $\sqrt{768}\approx28$, and so about the same log-density: they lie in the **typical set**. A better question is therefore whether the likelihood is *usual* (Nalisnick et al., arXiv:1906.02994): $|\log P(x)-\mathbb E\log P|$, in either direction. We take the mean over training faces. (The flow's own samples cost more than faces: it has not learned them well.)
# **AUROC** is the share of pairs of an outsider and a face in which the outsider gets the higher alarm: 0.5 is guessing. Behind ± stands the standard deviation over 200 resamplings of the pictures; a plain square is one picture, its score the mean over its draws.

# %%
with torch.no_grad():
    reference = -pixel_faces.bits_per_dim(datasets.load("faces", "train").x[:400]).mean()
    squares = torch.cat([plain(*colour) for colour in faces.COLOURS["background"].values()])
    scores["all five backgrounds"] = -pixel_faces.bits_per_dim(squares).view(5, 8).mean(1)
    scores |= {name: value.mean()[None] for name, value in scores.items() if name.startswith("plain")}


def detected(inside, outside, resamplings=200):
    """AUROC of an alarm, and its standard deviation over resampled images."""
    pick = lambda v: v[torch.randint(len(v), (len(v),))]  # noqa: E731
    draws = torch.tensor([metrics.auroc(pick(inside), pick(outside)) for _ in range(resamplings)])
    return metrics.auroc(inside, outside), draws.std().item()


torch.manual_seed(3)
caught = {
    name: (detected(-scores["faces"], -other), detected((scores["faces"] - reference).abs(), (other - reference).abs()))
    for name, other in scores.items()
    if name != "faces"
}
table(
    [
        {"outsiders": name, "AUROC, unlikely": f"{a:.2f} ± {da:.2f}", "AUROC, untypical": f"{b:.2f} ± {db:.2f}"}
        for name, ((a, da), (b, db)) in caught.items()
    ]
)

# %% [markdown]
# > **What to notice.** By likelihood the peach square has an AUROC of 0, which is worse than guessing; by typicality it has 1. But the plain squares of all five backgrounds together are missed by both rules, below 0.8: some cost less than a face and some as much. Upside down, inverted, photographs and noise are found by both rules.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert caught["plain peach"][0][0] < 0.005 and caught["plain peach"][1][0] > 0.99
assert all(area < 0.8 for area, _ in caught["all five backgrounds"]) and caught["all five backgrounds"][0][0] < 0.5
assert len(scores["plain peach"]) == 1 and len(scores["all five backgrounds"]) == 5
torch.manual_seed(4)
with torch.no_grad():  # the flow's own samples cost more than faces
    own_bits = pixel_faces.bits_per_dim((pixel_faces.sample(100) * 256).floor().clamp(0, 255).to(torch.uint8))
assert own_bits.median() > -scores["faces"].median() + 0.4
assert all(area > 0.95 for name in ("upside down", "inverted", "photos", "noise") for area, _ in caught[name])


# %% [markdown]
# **The other way round.** A flow of photographs, tried on patches of photographs that we edit, one thing at a time. Photographs have no atoms: their commonest colour has 0.2 % of the pixels, that of faces 8 %. On them smooth images are likely images: one reason why flows trained on CIFAR-10 find house numbers (SVHN) more likely (Nalisnick et al. 2018; Serrà et al., arXiv:1909.11480). We train a small flow on 8 × 8 colour patches of two photographs, on their left four fifths, and try patches of the right fifth.
#
# **Predict first.** Flatten each patch to its own mean colour: more likely, or less? Make it grey? Swap red and blue? Shuffle its 64 pixels, so that the colours stay and their order goes? And a face?

# %%
def middles(images):
    return images[:, :, 4:12, 4:12].contiguous()


seen_patches = middles(datasets.load("photos", "train").x)
training.seed_everything(0)
photo_flow = flows.ImageFlow((3, 8, 8), "glow", steps=(4, 4), width=16, dequantisation="uniform")
photo_flow = training.fit(photo_flow, seen_patches, steps=200, batch_size=64, lr=5e-3, clip=100.0, progress=False).model.eval().cpu()
fresh = middles(patches[torch.randperm(len(patches))[:400]])
mean = fresh.float().mean((2, 3), keepdim=True)
edits = {
    "photographs": fresh,
    "upside down": fresh.flip(2),
    "flattened": mean.round().to(torch.uint8).expand_as(fresh),
    "half the contrast": (mean + (fresh - mean) / 2).round().to(torch.uint8),
    "in grey": fresh.float().mean(1, keepdim=True).round().to(torch.uint8).expand_as(fresh),
    "red and blue swapped": fresh[:, [2, 1, 0]],
    "shuffled": fresh.flatten(2)[:, :, torch.randperm(64)].view_as(fresh),
    "faces": middles(x),
    "noise": torch.randint(256, fresh.shape, dtype=torch.uint8),
}
bits = {name: photo_flow.bits_per_dim(images) for name, images in edits.items()}
usual = photo_flow.bits_per_dim(seen_patches[torch.randperm(len(seen_patches))[:400]]).mean()
rows = {
    name: {
        "pictures": name,
        "bits per dimension": f"{b.mean():.2f}",
        "more likely than the original": f"{(b < bits['photographs']).float().mean():.0%}" if name not in ("photographs", "faces") else "",
        "AUROC, unlikely": round(metrics.auroc(bits["photographs"], b), 2),
        "AUROC, untypical": round(metrics.auroc((bits["photographs"] - usual).abs(), (b - usual).abs()), 2),
    }
    for name, b in bits.items()
}
smooth_to_rough = roughness(fresh).argsort()[[50, 150, 220, 260, 290, 320, 360, 390]]  # more of the rough half, to see what is done
show_images(torch.cat([images[smooth_to_rough] for images in edits.values()]) / 255, columns=8, row_labels=list(edits), size=0.6)
print(f"rank correlation of bits with roughness, over the photographs: {spearmanr(roughness(fresh), bits['photographs'])[0]:.2f}")
table(list(rows.values()))

# %% [markdown]
# > **What to notice.** Flattened, more than 90 % of the patches become more likely, so an alarm for the unlikely finds plain squares *more* normal than photographs. With half the contrast most become more likely too. Shuffled, most become less likely, though every colour is still there. Turned upside down, nothing changes on average.
# > Likelihood does know colours: with red and blue swapped most become less likely. A face is found by its hard edges: made grey it is found as well, flattened to its mean colour hardly. So the same score finds faces among photographs and photographs among faces, and in both misses a plain square.
# > It is smoothness that it pays for: from patch to patch, bits follow roughness with a rank correlation above 0.6. Typicality is no cure. More than half of these patches are sky or blur, whose neighbours differ by less than one level. So a plain square *is* typical.
# >
# > Likelihood measures how well pixels are predicted, one level from the next and one neighbour from the other, not what the picture means. Do not use it as an alarm without such tables.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
better = {name: (b < bits["photographs"]).float().mean() for name, b in bits.items()}
assert better["flattened"] > 0.9 and better["half the contrast"] > 0.6 and better["shuffled"] < 0.3
assert better["red and blue swapped"] < 0.35 and bits["red and blue swapped"].mean() > bits["photographs"].mean() + 0.5
assert abs(bits["upside down"].mean() - bits["photographs"].mean()) < 0.15
assert metrics.auroc(bits["photographs"], bits["flattened"]) < 0.4 and metrics.auroc(bits["photographs"], bits["noise"]) > 0.95
assert metrics.auroc(bits["photographs"], bits["faces"]) > 0.93 and caught["photos"][0][0] > 0.95
of_face = edits["faces"].float()
greyed, flattened = (
    v.round().to(torch.uint8).expand_as(fresh) for v in (of_face.mean(1, keepdim=True), of_face.mean((2, 3), keepdim=True))
)
assert metrics.auroc(bits["photographs"], photo_flow.bits_per_dim(greyed)) > 0.93
assert metrics.auroc(bits["photographs"], photo_flow.bits_per_dim(flattened)) < 0.78
assert roughness(edits["faces"]).mean() > 2 * roughness(fresh).mean()
commonest = [codes_of_colours(v).unique(return_counts=True)[1].max().item() / (v.numel() / 3) for v in (seen_patches, portraits.x)]
assert abs(commonest[0] - 0.002) < 0.001 and abs(commonest[1] - 0.08) < 0.01
assert spearmanr(roughness(fresh), bits["photographs"])[0] > 0.6
assert metrics.auroc((bits["photographs"] - usual).abs(), (bits["flattened"] - usual).abs()) < 0.75
assert (roughness(fresh) < 1).float().mean() > 0.5


# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · Numbers
#
# Bits per dimension on MNIST's 10,000 test images, 8 bits, uniform or variational dequantisation, one draw of the noise; “10 draws” averages the probability over ten, a tighter bound. Lower is better. Our three rows had about equal time, not equal steps (of 32 images) or weights, and are one training each.
# The published test numbers of the UvA tutorial average over 8 draws.

# %%
def row(name, what):
    entry = checkpoints.record(name)
    n = entry["numbers"]
    return {
        "model": what,
        "bits/dim": f"{n['bits_per_dim']:.3f}",
        "10 draws": f"{n['bits_per_dim_k10']:.3f}",
        "FID of samples": f"{n['fid']:.0f}",
        "weights": f"{entry['parameters']:,}",
        "training": f"{entry['steps']:,} steps, {entry['minutes']:.0f} min on {entry['device']}",
    }


def published(what, bits, tighter, weights="", training=""):
    return {"model": what, "bits/dim": bits, "10 draws": tighter, "FID of samples": "", "weights": weights, "training": training}


table(
    [
        row("realnvp", "RealNVP, uniform"),
        row("glow", "Glow, variational"),
        row("spline", "spline, variational"),
        published("UvA tutorial 11: uniform", "", "1.078 (8)", "556,312", "200 epochs: 78,000 steps of 128 images"),
        published("UvA: variational", "", "1.043 (8)", "628,388", "the same"),
        published("UvA: multi-scale, variational", "", "1.020 (8)", "1,711,818", "the same"),
        published("RealNVP / Glow / FFJORD, in the FFJORD paper", "1.06 / 1.05 / 0.99", ""),
    ]
)

# %% [markdown]
# > **What to notice.** Compare bits only at equal data, equal depth of colour, equal noise and about equally many draws. Ten draws tighten each of our bounds by 0.01 to 0.02.
# > Variational noise is part of the model: in UvA's first two rows, which differ in nothing else but 13 % more weights (those of $q$), it saves 0.035 bits.
# > UvA's variational flow is better than our best by 0.03 bits. It saw more than thirty times as many images in training, and had more weights and other networks, so the table cannot say which of them did it.
# > The spline flow is the best of our three and has not the best FID: the two need not agree. An FID of more than 240 is poor: lecture 03's conditional GAN has 9.6 after fewer minutes. In section 13 the strokes are clean, and few samples are digits.
# > A good model of digits in black and white needs about 0.15 bits a pixel (the 83.5 nats of lecture 05's gated PixelCNN), less than a fifth of what any of these flows needs. The rest pays for shades of grey, and for shapes that the flow knows less well; the table cannot part the two.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
ours = {name: checkpoints.record(name) for name in ("realnvp", "glow", "spline")}
assert all(40 < entry["minutes"] < 46 for entry in ours.values())
assert round(1.078 - 1.043, 3) == 0.035 and round(628_388 / 556_312 - 1, 2) == 0.13
n = {name: entry["numbers"] for name, entry in ours.items()}
assert all(0.01 <= round(v["bits_per_dim"] - v["bits_per_dim_k10"], 2) <= 0.02 for v in n.values())
assert min(n, key=lambda name: n[name]["bits_per_dim"]) == "spline" != min(n, key=lambda name: n[name]["fid"])
assert round(n["spline"]["bits_per_dim_k10"] - 1.043, 2) == 0.03 and ours["spline"]["parameters"] < 628_388
assert all(flows.RECIPES[name].budgets["cpu"].batch_size == 32 for name in ours)
assert 30 * 32 * ours["spline"]["steps"] < 78_000 * 128 and 50_000 // 128 * 200 == 78_000
binary = checkpoints.record("pixelcnn_gated")["numbers"]["nll"]
assert round(binary, 1) == 83.5 and round(binary / 784 / math.log(2), 2) == 0.15
assert all(0.15 / v["bits_per_dim"] < 0.2 and v["fid"] > 240 for v in n.values())
rival = checkpoints.record("cgan")
assert round(rival["numbers"]["fid"], 1) == 9.6 and rival["minutes"] < min(entry["minutes"] for entry in ours.values())
# self-check 4: on data of deviation 3, the scale a that maximises the right and the wrong likelihood of 196 places
scale = torch.linspace(0.005, 1, 20_000)
right, wrong = (scale[(places_ * scale.log() - 196 * 0.5 * (3 * scale) ** 2).argmax()].item() for places_ in (196, 1))
assert round(right, 2) == 0.33 and round(wrong, 3) == 0.024

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16 · Check yourself
#
# <details><summary><b>1.</b> A flow reports log p(x) = +350 nats for a dequantised image. Is that a bug?</summary>
#
# No. It is a density on the unit cube, and may be any size. After subtracting D log 256 it bounds the log of a probability, so averaged over the noise the bits per dimension <i>must not</i> be below 0.
# </details>
#
# <details><summary><b>2.</b> Why may the network inside a coupling be anything, even one that cannot be inverted?</summary>
#
# Its input is the half that stays, which is known in both directions. Only the map of the other half has to be inverted, and that is a line or a spline. <i>Not</i> because "networks with ReLU are invertible": they are not.
# </details>
#
# <details><summary><b>3.</b> You stack ten couplings and always keep the same half. What can the flow learn of that half?</summary>
#
# Nothing: it is handed through to z unchanged, so its density is taken to be N(0, I). Swap, permute or mix.
# </details>
#
# <details><summary><b>4.</b> The log-det of a 1×1 convolution on 14 × 14 pixels was computed as log |det W|. What happens in training?</summary>
#
# The reward for stretching is 196 times too small beside the price of a long z, so W shrinks <i>more</i> than it should: for one channel of deviation 3, to 0.024 instead of 1/3. The "likelihood" is none, since its density does not integrate to 1. It trains without an error message. <i>Not</i> "W grows": the term that makes it grow is the one that is too small.
# </details>
#
# <details><summary><b>5.</b> Why does a flow for 784 pixels need a z of 784 numbers? Could it have 20?</summary>
#
# An invertible map keeps the dimension. With 20, different images would share one z, and there would be no density on pixels. For few latents one needs a decoder with noise: a VAE, and a flow can then be its prior (section 13).
# </details>
#
# <details><summary><b>6.</b> After loading a checkpoint, the first training batch gives a much worse loss. Which layer is to blame?</summary>
#
# ActNorm, if "is set" was kept outside the saved state: it takes the batch for its first, and overwrites what was learned.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 17 · Summary, and when things go wrong
#
# - A flow is an invertible map with a cheap log-determinant. Its likelihood is exact, its latent code too; for whole numbers with noise it is a close bound.
# - Couplings are cheap both ways; autoregressive flows are finer and slow one way; continuous flows are free in form and need a solver.
# - Pixels need noise, the noise needs its $\log q$, and every squash its Jacobian.
# - Flows keep dimension and number of pieces. High likelihood is not the same as being familiar.
#
# | you see | look at | cure |
# |---|---|---|
# | loss below the truth, or below 0 bits | is there a log-det? noise on pixels? the logit's Jacobian? | count every change of volume |
# | NaN after some hundred steps | scales, rate | bound $s$, ActNorm, `clip=`, warm-up |
# | samples are noise, the loss is fine | the round trip in float32 | smaller scales; float64 for sampling |
# | half of z looks like raw data | which half stays | alternate, or mix |
# | threads between clusters | the number of pieces | splines, more layers, a mixture as base |
# | loss jumps after loading | ActNorm's flag | keep it in the saved state |
# | splines do nothing | data outside [−3, 3] | ActNorm first |
# | sampling takes minutes | MAF | coupling, or IAF |
#
# **Cost.** With couplings, one density is one pass of all networks, and one sample too. Depth and memory are the price: activations of every layer are kept for training.
# **Several GPUs**: `accelerate launch -m course_lib train spline --preset gpu`.
#
# **Care.** A likelihood looks like a measure of truth and is used as an alarm for the unusual. Section 14 shows how it fails: test on the outsiders that you fear, and say which you tested.
#
# **Now you**: [exercise 04](../exercises/04_flows/04_flows.ipynb), 20 points.
#
# **Read on.** Rezende & Mohamed, *Variational Inference with Normalizing Flows* (arXiv:1505.05770) · Dinh et al., NICE (arXiv:1410.8516) and RealNVP (arXiv:1605.08803) · Kingma & Dhariwal, Glow (arXiv:1807.03039) · Durkan et al., *Neural Spline Flows* (arXiv:1906.04032) ·
# Papamakarios et al., MAF (arXiv:1705.07057) and the review *Normalizing Flows for Probabilistic Modeling and Inference* (arXiv:1912.02762) · Kingma et al., IAF (arXiv:1606.04934) ·
# Chen et al., *Neural ODEs* (arXiv:1806.07366) · Grathwohl et al., FFJORD (arXiv:1810.01367) · Theis et al., *A note on the evaluation of generative models*, for dequantisation (arXiv:1511.01844) · Ho et al., Flow++ (arXiv:1902.00275) ·
# Behrmann et al., *Understanding and Mitigating Exploding Inverses* (arXiv:2006.09347) · Cornish et al., on the number of pieces (arXiv:1909.13833) · Nalisnick et al., *Do Deep Generative Models Know What They Don't Know?* (arXiv:1810.09136) · Kirichenko et al., *Why Normalizing Flows Fail to Detect Out-of-Distribution Data* (arXiv:2006.08545)
