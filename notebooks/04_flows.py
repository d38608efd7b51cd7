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
# **You need** linear algebra with determinants, basic PyTorch, and the Gaussian distribution. Lecture 02 helps.

# %% tags=["setup"]
# The set-up of every notebook. On Colab it adds the course and changes nothing else; elsewhere the course is there already.
import os
from glob import glob

if "COLAB_RELEASE_TAG" in os.environ:
    wheels = glob("/content/deep_generative_course-*.whl")
    source = max(wheels, default="git+https://github.com/deep-generative-course/deep-generative-models")
    # !pip install --quiet --no-deps {source} torchdiffeq

from course_lib import plotting

plotting.use_style()

import torch  # after the course, which tells threads that wait not to spin

if "COLAB_RELEASE_TAG" in os.environ and not torch.cuda.is_available():
    print("This runtime has no GPU, so training is slow. Runtime → Change runtime type → T4 GPU gives you one.")

# %% slideshow={"slide_type": "slide"}
import math
import time

import matplotlib.pyplot as plt
import torch
from torch import nn

from course_lib import checkpoints, datasets, flows, metrics, training
from course_lib.datasets import toy2d, toy2d_log_prob
from course_lib.datasets.toy2d import plane
from course_lib.distributions import bits_per_dim, standard_normal_log_prob
from course_lib.nn import mlp
from course_lib.plotting import LossPlot, curves, show_images, show_source, table
from course_lib.recipes import preset_for
from course_lib.widgets import flows as widgets

training.seed_everything(0)
digits, unseen = datasets.load("mnist_small", "train"), datasets.load("mnist_small", "test")
points = toy2d("moons", 20_000, seed=0).x
new_points = toy2d("moons", 5_000, seed=1).x
live = flows.LIVE[preset_for()].options()  # what this machine can train while you watch

# %% [markdown]
# ## First, play
#
# Below, a Gaussian cloud is bent, layer by layer, until it has the shape of two moons. Every layer can be undone. So the model can make points, and it also knows the exact density of each.
#
# **Predict first.** Colours mark the angle at which a point started. Will the colours mix on the way? Can the lines of the grid ever cross?

# %%
names = {"nice": "NICE", "realnvp": "RealNVP", "glow": "Glow", "spline": "spline", "maf": "MAF", "iaf": "IAF", "ffjord": "FFJORD"}
widgets.LayerExplorer({names[kind]: checkpoints.load(f"flow_moons_{kind}") for kind in flows.SHOWN}, points[:1000])


# %% [markdown]
# > **What to notice.** The grid is stretched and bent and never torn, and its lines never cross: each point has one way back. Where the grid is squeezed, density is high.
# > NICE only shears, so it needs many layers for little. RealNVP stretches too. With splines three layers do much of the work.

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
with torch.no_grad():
    print(f"spread of z: {naive.model.net(new_points).std():.4f}")

# %% [markdown]
# > **What to notice.** 1.84 nats: better than the truth, which cannot be. It is $\log 2\pi$, the density of a Gaussian at its peak. The network sends *every* $x$ to $z=0$.
# > It has found a hole in the loss: squeezing space makes everything likely, and nobody counted the squeezing. The rest of the lecture counts it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Change of variables, on the line
#
# Probability cannot be made by moving it. A small interval $dx$ is mapped to $dz=|f'(x)|\,dx$, and both hold the same probability: $p(x)\,dx=p_z(z)\,dz$. So
#
# $$p(x)=p_z\big(f(x)\big)\,|f'(x)|,\qquad \log p(x)=\log p_z\big(f(x)\big)+\log|f'(x)|$$
#
# Where $f$ is steep, $x$ is spread over much of $z$, and its density is high.
#
# **Predict first.** Make the map flat around $x=0$. Does the density there rise or fall? What happens to the area under the whole curve?

# %%
widgets.ChangeOfVariablesExplorer()

# %% [markdown]
# > **What to notice.** The two shaded pieces always hold the same probability. Where the map is flat, the density has a dip; where it is steep, a peak. The whole area stays 1.000 whatever you do, without ever dividing by anything.
# > That is the point of flows: **no normalising constant**. The log-derivative does that work.

# %% [markdown]
# **Test it.** PyTorch can differentiate any map. Take $f(x)=\sinh x$, and add up the density on a fine grid.

# %%
x = torch.linspace(-6, 6, 20_001, dtype=torch.float64, requires_grad=True)
z = x.sinh()
(slope,) = torch.autograd.grad(z.sum(), x)
density = (standard_normal_log_prob(z[:, None]) + slope.abs().log()).exp()
print(f"area with the slope {torch.trapezoid(density, x).item():.6f}, without it {torch.trapezoid(density / slope, x).item():.6f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · In many dimensions: a determinant
#
# Now $f:\mathbb R^D\to\mathbb R^D$ has a matrix of derivatives, the **Jacobian** $J=\partial f/\partial x$. A small cube becomes a small parallelepiped, whose volume is $|\det J|$ times larger:
#
# $$\log p(x)=\log p_z(f(x))+\log\big|\det J(x)\big|$$
#
# Two things stand in the way. $f$ has to be invertible. And a determinant of a $D\times D$ matrix takes about $D^3$ multiplications, for every example.

# %%
rows = []
for dims in (2, 64, 784):
    matrix = torch.randn(dims, dims)
    started = time.perf_counter()
    torch.linalg.slogdet(matrix)
    diagonal = 3.0 + torch.rand(dims)
    rows.append(
        {
            "D": dims,
            "seconds for one log-determinant": f"{time.perf_counter() - started:.5f}",
            "product of D scales near 3.5": f"{diagonal.prod():.3g}",
            "sum of their logs": f"{diagonal.log().sum():.1f}",
        }
    )
table(rows)

# %% [markdown]
# > **What to notice.** A product of 784 harmless numbers is infinite in float32; the sum of their logarithms is not. **Never form the determinant.** And if $J$ is *triangular*, its determinant is the product of the diagonal: that costs $D$, not $D^3$.
# > All the layers below are built so that $J$ is triangular, or nearly.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Coupling layers
#
# Cut $x$ in two halves. The first stays. It also decides, through any network at all, how the second is moved:
#
# $$z_1=x_1,\qquad z_2=x_2\odot e^{s(x_1)}+t(x_1)$$
#
# The inverse needs no inverse of the network: $x_2=(z_2-t(z_1))\odot e^{-s(z_1)}$. $J$ is triangular with diagonal $(1,\dots,1,e^{s})$, so $\log|\det J|=\sum_j s_j(x_1)$.
# **NICE** has $s=0$. **RealNVP** has $s$, kept in $(-3,3)$ by a tanh. The next layer lets the other half stay.

# %%
show_source(flows.Coupling.forward)
show_source(flows.Coupling.inverse)
show_source(flows.scale_and_shift)

# %% [markdown]
# **Test it**, with random weights: it inverts, and its log-determinant is the one that PyTorch finds from the whole Jacobian.

# %%
torch.manual_seed(0)
flow = flows.Flow("realnvp", dims=6, layers=4, hidden=(32,)).double()
for weights in flow.parameters():
    nn.init.normal_(weights, 0, 0.3)
batch = torch.randn(5, 6, dtype=torch.float64)
z, log_det = flow.transform(batch)
jacobians = torch.stack([torch.autograd.functional.jacobian(lambda v: flow.encode(v[None])[0], v) for v in batch])
print(f"x → z → x misses by {(flow.decode(z) - batch).abs().max():.0e}")
print(f"log-determinant against slogdet: {(log_det - torch.linalg.slogdet(jacobians)[1]).abs().max():.0e}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · Train it live
#
# The loss is $-\log p(x)$, averaged. No bound, no second player, no noise: plain maximum likelihood.

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


square = plane(96, 4.5)
with torch.no_grad():
    learned = trained.log_prob(square)
    loss = -trained.log_prob(new_points).mean()
true = toy2d_log_prob("moons", square)
maps([d.exp().view(96, 96) for d in (true, learned)], ["true density", "the flow's"], size=2.6)
cell = (9 / 96) ** 2
print(f"−log p of new points {loss:.3f} nats, the truth {-toy2d_log_prob('moons', new_points).mean():.3f}")
print(f"area under the flow's density {learned.exp().sum() * cell:.3f}")

# %% [markdown]
# > **What to notice.** The loss now stays *above* the truth, as it must: the difference is $\mathrm{KL}(p_\text{true}\,\|\,p_\theta)$. The area is 1.
# > A faint bridge joins the moons. A flow bends the plane without tearing it, and a Gaussian is one piece. Section 9 comes back to that.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · More than stretching: splines
#
# An affine coupling moves each $x_2$ by a straight line. A **monotone spline** moves it by a curve: $k$ bins, in each a ratio of two quadratics that rises from knot to knot. It has a slope everywhere, an inverse by the quadratic formula, and outside the box it is the identity.
#
# **Predict first.** Eight layers of straight lines and eight of splines have the same networks but for the last layer. On which shape will the difference be largest: moons, or a checkerboard with sharp edges?

# %%
show_source(flows.knots, open=False)
show_source(flows.rational_quadratic, open=False)
torch.manual_seed(3)
u = torch.linspace(-4, 4, 801)
widths, heights, slopes = torch.randn(5), torch.randn(5), torch.randn(4)
y, log_slope = flows.rational_quadratic(u, *(v.expand(801, -1) for v in (widths, heights, slopes)))
back, _ = flows.rational_quadratic(y, *(v.expand(801, -1) for v in (widths, heights, slopes)), inverse=True)
curves({"map": (u, y), "its slope": (u, log_slope.exp())}, "x", "y, and dy/dx", "A spline with five random bins")
print(f"there and back misses by {(back - u).abs().max():.0e}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · Who decides over whom: mixing
#
# If the same half always stayed, half of $x$ would never change. RealNVP swaps the halves. **Glow** learns the mixing: $z=Wx$ on the channels, which on images is a convolution with a 1×1 kernel. Each pixel uses the same $W$, so
#
# $$\log|\det J|=h\cdot w\cdot\log|\det W|$$
#
# $W=PL(U+\operatorname{diag}s)$ with triangular $L$ and $U$ makes it $h\,w\sum\log|s|$. **ActNorm** shifts and scales each channel, and starts so that the first batch has mean 0 and deviation 1: a batch norm that looks at one batch only.

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
# A finer cut than halves: entry $i$ is moved by what the entries before it say. $J$ is triangular again.
#
# $$\text{MAF: } z_i=(x_i-t_i(x_{<i}))\,e^{-s_i(x_{<i})}\qquad\text{IAF: } x_i=z_i\,e^{s_i(z_{<i})}+t_i(z_{<i})$$
#
# A **masked** network (MADE, lecture 05) gives all $s_i,t_i$ in one pass. MAF knows all of $x$, so its density is one pass; to sample, $x_1$ must be there before $x_2$. IAF is the same layer the other way round.
#
# **Predict first.** At 64 dimensions, how much slower is the slow direction?

# %%
show_source(flows.Autoregressive)
show_source(flows.InverseAutoregressive)
rows = []
wide = torch.randn(256, 64)
for kind in ("realnvp", "maf", "iaf"):
    model = flows.Flow(kind, dims=64, layers=2, hidden=(128,))
    seconds = []
    with torch.no_grad():
        for call, argument in ((model.log_prob, wide), (model.sample, 256)):
            call(argument)
            started = time.perf_counter()
            call(argument)
            seconds.append(1000 * (time.perf_counter() - started))
    rows.append({"flow": kind, "density of 256 points (ms)": round(seconds[0], 1), "256 samples (ms)": round(seconds[1], 1)})
table(rows)

# %% [markdown]
# > **What to notice.** A coupling is fast both ways. MAF is fast where training needs it, IAF where sampling does. One slow direction costs $D$ passes.
# > IAF is used where its own samples are all that is needed: as the posterior of a VAE, or to copy a slow model (Parallel WaveNet).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · All of them on the same points
#
# Five densities whose true entropy is known, eight layers each, 1,500 steps (750 for the continuous flow, whose steps are dearer). What is left above the entropy is $\mathrm{KL}(p\,\|\,p_\theta)$, in nats. Below, the densities themselves.

# %%
record = checkpoints.record("flow_toys")["numbers"]
table(
    [
        {"density": toy, "entropy": f"{n['entropy']:.2f}"}
        | {names[kind]: f"+{max(0.0, n['nll'][kind] - n['entropy']):.2f}" for kind in names}
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
# > **What to notice.** NICE can shear only. Affine couplings draw filaments between islands: the plane is bent, not torn. Splines come close to sharp edges. FFJORD's densities are smooth; with 750 steps it is not done yet.
# > Glow's learned mixing has little to mix in two dimensions, and loses the turns that RealNVP takes; with the channels of images it is the other way round.
# > None can have exactly zero density anywhere, or exactly eight pieces: an invertible map keeps the *number of pieces*, and the Gaussian has one.

# %% [markdown]
# **A flow, a VAE and a GAN on the same points.** "Nowhere" is the share of samples where the true density is lower than at all but one in a thousand data points.

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
# > **What to notice.** The flow covers everything and leaves a little dust between the pieces. The GAN stays close to the data, unevenly, with threads.
# > The VAE has two latents for two dimensions, and its codes keep the shape of the data. The prior also draws codes from the gaps between them, and the decoder fills the gaps (lecture 02 called them holes).
# > Only the flow can say how likely a point is.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · Without layers: continuous flows
#
# Let the number of layers go to infinity, each doing almost nothing. Points follow a velocity $v_\theta(x,t)$ from $t=0$ (latent) to $t=1$ (data), and
#
# $$\frac{dx}{dt}=v_\theta(x,t),\qquad \frac{d\log p}{dt}=-\operatorname{tr}\frac{\partial v_\theta}{\partial x}$$
#
# The determinant has become a **trace**, and $v_\theta$ may be *any* network: paths of a smooth velocity never cross, so the map inverts by going back in time. An adaptive solver (`torchdiffeq`) chooses the steps.
# In many dimensions the trace itself is dear. **Hutchinson**: for random $\varepsilon$ with mean 0 and covariance $I$, $\mathbb E[\varepsilon^\top A\,\varepsilon]=\operatorname{tr}A$. One vector is enough.

# %%
show_source(flows.Velocity.with_tangents)
show_source(flows.WithTrace)
show_source(flows.ContinuousFlow.transform)
torch.manual_seed(0)
matrix = torch.randn(50, 50)
signs = torch.randint(2, (20_000, 50)) * 2.0 - 1
estimates = ((signs @ matrix) * signs).sum(1)
print(f"trace {matrix.trace():.2f}, mean of 20,000 estimates {estimates.mean():.2f}, deviation of a single one {estimates.std():.1f}")

# %% [markdown]
# **Predict first.** The points start as one round cloud. At which time will the two moons part?

# %%
ffjord = checkpoints.load("flow_moons_ffjord")
widgets.TrajectoryExplorer(ffjord, points[:400])

# %% [markdown]
# > **What to notice.** Paths bend around each other and never cross. Nothing parts suddenly: the bridge gets thinner until the end. That is the same limit as before, seen in time.
# > The solver needs dozens of evaluations of $v$ for one density. Lecture 06 trains such velocities without any solver (flow matching).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · Break it: an inverse that is none
#
# On paper $f^{-1}(f(x))=x$. In 32 bits each layer rounds, and a layer that squeezes by $e^{3}$ on the way in enlarges the rounding error by $e^{3}$ on the way out.
#
# **Predict first.** How does the error grow with depth: like the number of layers, or like a power of it? What does float64 change: the slope, or the start?

# %%
widgets.InversionExplorer()

# %% [markdown]
# > **What to notice.** With small weights the error hardly grows. With large ones it multiplies at each layer, until "samples" are noise. float64 starts eight digits lower and rises just as steeply.
# > Additive couplings only add errors up. Bounded scales ($s\in(-3,3)$), ActNorm and gradient clipping keep trained flows on the safe side: look at the round trip of a trained flow before you trust its samples.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · Pixels are not real numbers
#
# A pixel is a whole number from 0 to 255. A flow has a *density*. Feed it the bare numbers, and it can put a spike on each.
#
# **Predict first.** Train a flow on bare pixels. What will its loss do in the long run?

# %%
small_digits = digits.x[:, :, ::2, ::2].contiguous()  # every second pixel


class Bare(flows.ImageFlow):
    def loss(self, x):
        return -self.log_density(flows.dequantise(x, 0.5)).mean()  # always the middle of the bin


history = {}
for name, model in {"bare pixels": Bare, "with noise": flows.ImageFlow}.items():
    training.seed_everything(0)
    model = model((1, 14, 14), "glow", steps=(4,), width=16, dequantisation="uniform")
    run = training.fit(model, small_digits, steps=400, batch_size=64, lr=5e-3, clip=100.0, progress=False)
    offset = 196 * math.log(256) if name == "bare pixels" else 0.0  # both on the same scale
    history[name] = ([r["step"] for r in run.history], [(r["loss"] + offset) / (196 * math.log(2)) for r in run.history])
curves(history, y_label="bits per dimension", title="Digits of 14 × 14 pixels")

# %% [markdown]
# > **What to notice.** With noise the curve comes to rest. On bare pixels it goes on falling, below 0 bits, where no code can be: the spikes get ever narrower. A density of whole numbers has no upper bound.
#
# **Dequantisation.** Add $u\in[0,1)^D$: $v=(x+u)/256$. Then the density of $v$ bounds the probability of $x$, and is worth maximising:
#
# $$\log P(x)\ge\mathbb E_{u\sim q(u\mid x)}\big[\log p(v)-\log q(u\mid x)\big]-D\log 256$$
#
# Uniform noise has $\log q=0$. **Variational** dequantisation learns $q$, a small flow of its own that asks $x$ what noise would be easy to describe.

# %%
show_source(flows.ImageFlow.log_prob)
show_source(flows.VariationalDequantiser, open=False)


# %% [markdown]
# **Bits per dimension** are $-\log P(x)/(D\log 2)$. **Test it** on the one image model whose answer everybody knows: every value equally likely.

# %%
class Uniform(flows.ImageFlow):
    def log_density(self, v, y=None):
        return torch.zeros(len(v))  # density 1 on the unit cube


print(f"uniform pixels: {Uniform(dequantisation='uniform').bits_per_dim(unseen.x[:4])[0]:.6f} bits, and log2(256) = 8")
uniform_255 = bits_per_dim(torch.tensor(-784 * math.log(255)), 784)
print(f"divide by 255 instead, a common slip: {uniform_255:.3f} bits, a gift of {8 - uniform_255:.4f} to every model")

# %% [markdown]
# Pixels end at 0 and 1, and the Gaussian never ends. So the first layer is a **logit**, $\log\frac{v}{1-v}$, and its derivative belongs to the log-determinant. Forget it and the bits are of something else.

# %%
show_source(flows.Logit)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · From points to pictures: multi-scale flows
#
# Which pixels stay? RealNVP's answer is a **checkerboard**: each pixel is moved by what its neighbours say. Then every 2×2 patch becomes four channels (**squeeze**), and channels are split. After each level, half of the channels are done, and the rest goes on at half the size.
#
# A checkerboard *is* a split of channels after squeezing: upper left and lower right of each patch are the black squares. So we squeeze first, and the networks work at a quarter of the cost.

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
# **Temperature.** $z\sim\mathcal N(0,T^2I)$ with $T<1$ stays nearer to the middle. **Interpolation.** Each image has exactly one $z$, so a path between two images is exact at both ends.
#
# **Predict first.** What will $T=0$ show? And what lies between a 3 and an 8?

# %%
widgets.TemperatureExplorer({names[name]: model for name, model in models.items()}, unseen.x[::100])  # image n shows the digit n

# %% [markdown]
# > **What to notice.** Low temperature makes strokes clean and alike; at 0 there is one picture, the image of the middle. Above 1 they fall apart.
# > The path in $z$ bends strokes where the one in pixels cross-fades, and its ends are the images themselves, to the last bit. A VAE's ends are reconstructions.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · Break it: likelihood is not familiarity
#
# A flow knows $\log P(x)$ exactly (but for the noise). So it should find pictures that do not belong: they are unlikely. Should it not?
#
# **Predict first.** Order these by likelihood under a flow trained on digits: digits, digits upside down, inverted digits, noise, a blank black image, a grey one.

# %%
torch.manual_seed(0)
x = unseen.x[::10]
blank = torch.zeros_like(x)
sets = {
    "digits": x,
    "upside down": x.flip(2),
    "shifted by 7": x.roll(7, 3),
    "thin (2/3 ink)": (x.float() * 2 / 3).to(torch.uint8),
    "inverted": 255 - x,
    "noise": torch.randint(256, x.shape, dtype=torch.uint8),
    "black": blank,
    "grey": blank + 128,
}
glow = models["glow"]
rows, scores = [], {}
with torch.no_grad():
    for name, images in sets.items():
        torch.manual_seed(1)
        u, log_q = glow.dequantiser(images)
        z, log_det = glow.transform(flows.dequantise(images, u))
        scores[name] = -glow.bits_per_dim(images)
        rows.append(
            {
                "pictures": name,
                "bits per dimension": round(-scores[name].mean().item(), 2),
                "‖z‖, typical 28": round(z.norm(dim=1).mean().item(), 1),
                "log-det per pixel": round((log_det / 784).mean().item(), 2),
            }
        )
show_images(torch.cat([images[3:4] for images in sets.values()]) / 255, columns=8, titles=list(sets))
table(rows)

# %% [markdown]
# **Why.** $\log P$ has two parts: how near $z$ is to the middle, and how much $f$ stretches space around $x$. The second depends on *local* things: flat regions are easy to predict from their neighbours, whatever they show. A blank image is flat everywhere.
#
# So low likelihood finds noise, and misses what is *simpler* than the data. A better question is whether the likelihood is **typical**: $|\log P(x)-\mathbb E\log P|$, in either direction.

# %%
reference = scores["digits"].mean()
table(
    [
        {
            "outsiders": name,
            "AUROC, unlikely": metrics.auroc(-scores["digits"], -other),
            "AUROC, untypical": metrics.auroc((scores["digits"] - reference).abs(), (other - reference).abs()),
        }
        for name, other in scores.items()
        if name != "digits"
    ]
)


# %% [markdown]
# > **What to notice.** A black image is *more* likely than any digit: it is the one image that needs no surprise. Its AUROC by likelihood is 0, which is worse than guessing; by typicality it is 1.
# > Digits upside down are hardly less likely than digits: both rules miss them. Exact likelihood measures how well pixels are predicted from their neighbours, not what the picture means. Do not use it as an alarm without such a table.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · Numbers
#
# Bits per dimension on MNIST's 10,000 test images, 8 bits, uniform or variational dequantisation, one draw of the noise. Lower is better.

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


def published(what, bits, weights, training):
    return {"model": what, "bits/dim": bits, "10 draws": "", "FID of samples": "", "weights": weights, "training": training}


table(
    [
        row("realnvp", "RealNVP, uniform"),
        row("glow", "Glow, variational"),
        row("spline", "spline, variational"),
        published("UvA tutorial 11: uniform", "1.078", "560,000", "200 epochs, an RTX 3090 for 2–3 h"),
        published("UvA: variational", "1.043", "630,000", "the same"),
        published("UvA: multi-scale, variational", "1.020", "1,710,000", "the same"),
        published("RealNVP / Glow / FFJORD, in the FFJORD paper", "1.06 / 1.05 / 0.99", "", "GPU days"),
    ]
)

# %% [markdown]
# > **What to notice.** Compare bits only at equal data, equal depth of colour and equal noise. Variational noise is part of the model: it makes the *bound* tighter, and costs a small flow more. Ten draws tighten it further.
# > Splines need fewest bits and have no better FID: bits and FID need not agree. Most of the bits are in the last digit of grey of each edge, which nobody sees.
# > An FID above 240 is poor; lecture 03 has GANs below 10. Small flows place strokes well and digits badly. They had one thread of a busy machine; more steps lower the bits further.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16 · Check yourself
#
# <details><summary><b>1.</b> A flow reports log p(x) = +350 nats for a dequantised image. Is that a bug?</summary>
#
# No. It is a density on the unit cube, and may be any size. Bits per dimension after subtracting D log 256 are those of a probability, and <i>must not</i> be below 0.
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
# The reward for stretching is 196 times too small, so W shrinks less than it should be allowed to, and the "likelihood" is none: the density no longer integrates to 1. It trains without an error message.
# </details>
#
# <details><summary><b>5.</b> Why does a flow for 784 pixels need a z of 784 numbers? Could it have 20?</summary>
#
# An invertible map keeps the dimension. With 20, different images would share one z, and there would be no density on pixels. For few latents one needs a decoder with noise: a VAE.
# </details>
#
# <details><summary><b>6.</b> After loading a checkpoint, the first training batch gives a much worse loss. Which layer is to blame?</summary>
#
# ActNorm, if "is set" was kept outside the saved state: it takes the batch for its first, and overwrites what was learned.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 17 · Summary, and when things go wrong
#
# - A flow is an invertible map with a cheap log-determinant. Its likelihood is exact, its latent code too.
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
# **Cost.** One density is one pass of all networks, one sample too. Depth and memory are the price: activations of every layer are kept for training.
# **Several GPUs**: `accelerate launch -m course_lib train spline --preset gpu`.
#
# **Care.** A likelihood looks like a measure of truth and is used as an alarm for the unusual. Section 14 shows how it fails: test on the outsiders that you fear, and say which you tested.
#
# **Now you**: [exercise 04](../exercises/04_flows/04_flows.ipynb), 20 points.
#
# **Read on.** Dinh et al., NICE (arXiv:1410.8516) and RealNVP (arXiv:1605.08803) · Kingma & Dhariwal, Glow (arXiv:1807.03039) · Durkan et al., *Neural Spline Flows* (arXiv:1906.04032) ·
# Papamakarios et al., MAF (arXiv:1705.07057) and the review *Normalizing Flows for Probabilistic Modeling and Inference* (arXiv:1912.02762) · Kingma et al., IAF (arXiv:1606.04934) ·
# Chen et al., *Neural ODEs* (arXiv:1806.07366) · Grathwohl et al., FFJORD (arXiv:1810.01367) · Ho et al., Flow++ (arXiv:1902.00275) · Nalisnick et al., *Do Deep Generative Models Know What They Don't Know?* (arXiv:1810.09136)
