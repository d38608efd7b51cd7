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
# # 03 · Generative adversarial networks
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/notebooks/03_gans.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/notebooks/03_gans.ipynb)
#
# **You will be able to**
# - write down the game of a GAN, find its best discriminator, and say what the generator then minimises,
# - see why the game circles, why its gradient vanishes and why modes go missing, and cure each of them,
# - build a DCGAN by its rules, give it a label, grow it, and control its style layer by layer,
# - translate one kind of image into another, from pairs,
# - measure samples when there is no likelihood to measure.
#
# **Time** about 110 minutes. **Hardware** a laptop's CPU; nothing is downloaded. Every picture with sliders needs a running kernel.
# **You need** linear algebra, basic PyTorch, and the Gaussian distribution. Lecture 02 helps.

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
from torch import nn
from torch.nn import functional as F

from course_lib import checkpoints, datasets, gans, metrics, training
from course_lib.datasets.toy2d import GAUSSIANS
from course_lib.plotting import LossPlot, curves, show_images, show_source, table
from course_lib.recipes import preset_for
from course_lib.widgets import gans as widgets

training.seed_everything(0)
digits, unseen = datasets.load("mnist_small", "train"), datasets.load("mnist_small", "test")
x, x_test = digits.images(), unseen.images()
live = gans.LIVE[preset_for()].options()  # what this machine can train while you watch

# %% [markdown]
# ## First, play
#
# Below is the generator of a trained GAN. It turns a random vector $z$ and a label into a picture, in one pass. Nobody ever told it what a good picture is.
#
# **Predict first.** Keep $z$ and change only the label. What will the ten digits have in common?

# %%
widgets.ConditionalExplorer(checkpoints.load("cgan"))


# %% [markdown]
# > **What to notice.** In the row of ten, slant, width and weight of the stroke stay. The label says what, $z$ says how.
# > The strokes are sharp. A VAE's are soft, because it averages over what it cannot know. This lecture is about a loss that does not average.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · The naive attempt: give each z a target
#
# We want a network $G_\theta$ that turns noise $z\sim\mathcal N(0,I)$ into images. The simplest idea: pair every $z$ with a real image $x$, and minimise the squared error.
#
# $$\min_\theta\;\mathbb E_{x,z}\,\lVert G_\theta(z)-x\rVert^2$$
#
# **Predict first.** $z$ and $x$ are paired at random. What is the best that $G_\theta$ can do?

# %%
class Paired(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator = gans.Generator((1, 28, 28), latents=16, width=16)

    def loss(self, x):
        z = torch.randn(len(x), 16)
        return (self.generator(z) - (2 * x - 1)).square().mean()


naive = training.fit(Paired(), x, steps=200, batch_size=64, lr=5e-3).model
with torch.no_grad():
    pictures = (naive.generator(torch.randn(9, 16)) + 1) / 2
show_images(torch.cat([pictures, x.mean(0, keepdim=True)]), columns=10, titles=[f"G(z{i})" for i in range(1, 10)] + ["mean digit"])

# %% [markdown]
# > **What to notice.** Every $z$ gives the mean of all digits. Any digit may be the target of any $z$, and what squared error likes best is the mean of the targets.
# > So the question "how far is this from *that* image?" is the wrong one. The right one is "could this be *any* real image?", and no formula answers it. A second network can learn to.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Two players
#
# The **discriminator** $D_\phi(x)\in(0,1)$ says how likely $x$ is a real image. The **generator** $G_\theta$ tries to be mistaken for real. ($\phi$ was the encoder's in lecture 02; here it is the discriminator's.)
#
# $$\min_\theta\max_\phi\;V=\mathbb E_{x}\big[\log D_\phi(x)\big]+\mathbb E_{z}\big[\log(1-D_\phi(G_\theta(z)))\big]$$
#
# $D$ climbs $V$ by labelling well. $G$ goes down, by being labelled wrong. In code $D$ gives a *score* $s$, any real number, and $D=\operatorname{sigmoid}(s)$.
# Then $-\log D=\operatorname{softplus}(-s)$, which stays finite for every score.

# %%
show_source(gans.discriminator_loss)
show_source(gans.generator_loss)

# %% [markdown]
# **Test it.** The first is binary cross-entropy with the labels 1 and 0. PyTorch has that one, so the two must agree.

# %%
real, fake = torch.randn(8), torch.randn(8)
cross_entropy = F.binary_cross_entropy_with_logits(real, torch.ones(8)) + F.binary_cross_entropy_with_logits(fake, torch.zeros(8))
print(f"ours − PyTorch's: {abs(gans.discriminator_loss(real, fake) - cross_entropy):.6f}")
print(f"at scores of ±200: {gans.discriminator_loss(torch.tensor([-200.0]), torch.tensor([200.0])):.0f}, not infinite")

# %% [markdown]
# The loop has one step for each player. In $D$'s step the samples are fixed: **nothing may flow back into $G$**, or $G$ would be taught to look fake.

# %%
show_source(gans.gan_step)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · The best discriminator, and what the generator then minimises
#
# Hold $G$ fixed. Its samples have some density $q(x)$, the data $p(x)$. At each $x$, $V$ is $p\log D+q\log(1-D)$. Set the derivative by $D$ to zero:
#
# $$D^*(x)=\frac{p(x)}{p(x)+q(x)},\qquad V(D^*)=2\,\mathrm{JS}(p,q)-2\log 2$$
#
# $\mathrm{JS}(p,q)=\tfrac12\mathrm{KL}(p\,\|\,m)+\tfrac12\mathrm{KL}(q\,\|\,m)$ with $m=\tfrac12(p+q)$ is the **Jensen–Shannon divergence**. It is 0 when $p=q$, and at most $\log 2$ nats.
# So a GAN with a perfect discriminator minimises a divergence, without either density ever being written down.
#
# **Test it.** Take two tables of probabilities, and let gradient ascent find the best $D$ for them.

# %%
show_source(gans.optimal_discriminator)
p, q = torch.tensor([0.5, 0.3, 0.15, 0.05]), torch.tensor([0.1, 0.2, 0.3, 0.4])
scores = torch.zeros(4, requires_grad=True)
climb = torch.optim.Adam([scores], lr=0.1, maximize=True)
for _ in range(500):
    climb.zero_grad()
    value = (p * F.logsigmoid(scores) + q * F.logsigmoid(-scores)).sum()
    value.backward()
    climb.step()
print("found by ascent  ", [round(v, 3) for v in scores.sigmoid().tolist()])
print("p / (p + q)      ", [round(v, 3) for v in gans.optimal_discriminator(p.log(), q.log()).tolist()])
print(f"V there {value.item():.4f}, 2 JS − 2 log 2 {2 * gans.js_divergence(p, q).item() - 2 * math.log(2):.4f}")

# %% [markdown]
# Now move a generator by hand. The data are $\mathcal N(0,1)$, the generator's samples $\mathcal N(\mu,\sigma^2)$.
#
# **Predict first.** At $\mu=0$, $\sigma=1$, what is $D^*$? When the two hardly overlap, is there still a slope that tells $G$ where to go?

# %%
widgets.OptimalExplorer()

# %% [markdown]
# > **What to notice.** At $p=q$ the best discriminator says ½ everywhere. Apart, $D^*$ becomes a step, and JS comes to rest at $\log 2=0.69$: further apart is not worse.
# > The last panel shows the price. The gradient of $\log(1-D)$ dies where $D$ is sure. That of $-\log D$ does not. The Wasserstein distance, section 8, has the same slope at any distance.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Break it: a discriminator that is too good
#
# At the start $G$'s samples are easy to tell from data, so $D$ wins at once. Let us give $D$ a head start and look at what reaches $G$.

# %%
training.seed_everything(0)
points = datasets.toy2d("gaussians8", 4_000, seed=0).x
duel = gans.PointGAN(width=64)


def discriminator_only(run, batch):
    samples = run.model.sample(len(batch))
    loss = gans.discriminator_loss(run.model.score(batch), run.model.score(samples))
    run.update(loss, "discriminator")
    felt = {}
    for kind in ("saturating", "nonsaturating"):
        scores = run.model.score(run.model.decode(torch.randn(256, 2)))
        gradients = torch.autograd.grad(gans.generator_loss(scores, kind), run.model.generator.parameters())
        felt[kind] = torch.cat([g.flatten() for g in gradients]).norm()
    return felt


run = training.fit(
    duel, points, steps=400, batch_size=256, step=discriminator_only, optimisers=duel.optimisers(lr=1e-3), device="cpu", progress=False
)
steps = [row["step"] for row in run.history]
curves(
    {kind: (steps, [row[kind] for row in run.history]) for kind in ("saturating", "nonsaturating")},
    x_label="head start of the discriminator (steps)",
    y_label="gradient that reaches G",
    log_y=True,
)

# %% [markdown]
# > **What to notice.** With every step of $D$ the gradient of $\log(1-D)$ shrinks towards nothing: this is the **vanishing gradient**. That of $-\log D$ grows.
# > Both have the same fixed point. The original paper already trains with the second, the **non-saturating** loss, and so does nearly everybody since.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · A game is not a descent
#
# Training a network goes down a landscape. A game has no landscape: each player's step changes the other's. Take the smallest one. One player owns the number $x$ and minimises $xy$, the other owns $y$ and maximises it. At $(0,0)$ neither can gain by moving alone: a **Nash equilibrium**.
#
# **Predict first.** Both follow their gradients at once, with a small rate. Do they arrive?

# %%
show_source(gans.play, open=False)
widgets.GameExplorer()

# %%
path = gans.play("bilinear", "simultaneous", 100, 0.1, 0.1)
print(f"distance after 100 steps {path[-1].norm():.4f}, and √(1 + 0.1²)^100 = {math.sqrt(1 + 0.1**2) ** 100:.4f}")

# %% [markdown]
# > **What to notice.** Simultaneous steps spiral *out*, by the factor $\sqrt{1+\eta^2}$ a step, however small the rate $\eta$. Taking turns circles for ever. Looking one step ahead (extragradient), or adding the change of the gradient (optimistic), settles.
# > The last menu entry is a GAN with one parameter a player, and it circles too: an oscillating loss is what a GAN looks like when nothing is broken. The curves of a GAN tell you little; look at samples.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · The film of a GAN
#
# Now the same game with two small networks. The data are 25 Gaussians on a grid, the samples are points $G_\theta(z)$ with $z\in\mathbb R^2$. The colour is the discriminator's opinion of every place. Press play, for each loss.
#
# **Predict first.** Will the samples spread over all 25 at once, or go from one to the next?

# %%
grid_points = datasets.load("gaussians25", "test").x
centres, std = GAUSSIANS["gaussians25"]
widgets.TrainingMovie(checkpoints.recordings("gan_films"), grid_points[:1000])

# %% [markdown]
# > **What to notice.** With the non-saturating loss the samples rush from mode to mode: for 1,800 steps they cover 2 to 10 of the 25. They spread only as the learning rate falls. The hinge loss never does, and ends with 4.
# > The saturating loss does best *here*, in spite of section 4: the clouds overlap from the start, so its gradient does not vanish. The Wasserstein losses reach most modes within a few hundred steps, with more points in between.
# > No loss wins everywhere. What the theory says of one effect must be measured beside the others.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · Mode collapse, and four cures
#
# A generator that draws one kind of sample perfectly is hard to tell from data *one sample at a time*. Nothing in $V$ looks at variety unless $D$ can. When parts of the data are never drawn we speak of **mode collapse**. It is rarely a single mode; more often some are missing, and the others have the wrong shares.
#
# On a grid of Gaussians we can count. A mode is covered when at least 10 of 2,500 samples lie within 4 standard deviations of it.

# %%
show_source(gans.modes_covered)
show_source(gans.MinibatchDiscrimination)

# %% [markdown]
# | cure | idea | source |
# |---|---|---|
# | minibatch discrimination | $D$ sees, beside a sample, how close the others of its batch are | Salimans et al. 2016 |
# | packing | $D$ judges four samples together: four alike are suspicious | Lin et al. 2017 |
# | zero-centred penalty (R1) | $D$ may not be steep at the data, so its slope stays useful everywhere | Mescheder et al. 2018 |
# | Wasserstein loss with a gradient penalty | the critic's slope is 1 between data and samples | Gulrajani et al. 2017 |
#
# **Predict first.** Two of the cures show $D$ more samples at once, two make it less steep. Which kind helps more on 25 Gaussians?

# %%
outcomes = checkpoints.recordings("gan_collapse")
lab = {
    tuple(part.split(", ")): [
        {"samples": s, "modes": int(m), "good": float(g)} for s, m, g in zip(r["samples"], r["modes"], r["good"], strict=True)
    ]
    for part, r in outcomes.items()
}
explorer = widgets.CollapseLab(lab, centres, std)
explorer.seed.value = 2
explorer

# %%
collapse = checkpoints.record("gan_collapse")["numbers"]
table(
    [
        {
            "loss": part.split(", ")[0],
            "cure": part.split(", ")[1],
            "modes of 25, five seeds": " ".join(map(str, n["modes"])),
            "seeds with all 25": n["modes"].count(25),
            "samples near a mode": f"{n['good']:.0%}",
            "seconds a run": n["seconds"],
        }
        for part, n in collapse.items()
    ]
)

# %% [markdown]
# > **What to notice.** Without a cure the same GAN covers 0, 8, 0, 4 and 25 modes with five seeds. One run proves nothing.
# > Minibatch discrimination covers nearly all with every loss, with the most samples near a mode, at three to four times the time. Packing costs nothing and brings back 18 to 25. Both show $D$ more than one sample at once.
# > R1 helps some seeds only: it calms the swings, and does not show $D$ variety. The Wasserstein rows clip the weights at 0.1, or penalise instead; clipping alone covers 24 or 25.
# > Look at the last column but one as well. Points spread evenly over the square would lie near a mode a third of the time, so 25 modes with 30 % good samples means: spread out, not learned.

# %% [markdown]
# Your turn. Choose, press *train*, and stop when you have seen enough.

# %%
widgets.LiveGAN(datasets.load("gaussians25", "train").x, centres, std)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · Earth mover's distance: WGAN
#
# JS says "apart" and not "how far apart". The **Wasserstein distance** $W$ does: how much mass must be moved, times how far. Its dual form asks for a **critic** $f$ that never rises faster than 1 for 1 (it is 1-Lipschitz):
#
# $$W(p,q)=\max_{\lVert f\rVert_L\le1}\;\mathbb E_{x\sim p}[f(x)]-\mathbb E_{x\sim q}[f(x)]$$
#
# The critic's score is no probability, and it has no sigmoid. What remains is to keep it from being steep. WGAN **clips** every weight to $[-c,c]$. WGAN-GP **penalises** a gradient whose length is not 1, at points between data and samples:
#
# $$\lambda\,\mathbb E_{\hat x}\big[(\lVert\nabla_{\hat x}f(\hat x)\rVert_2-1)^2\big],\qquad \hat x=x+\varepsilon\,(G(z)-x),\quad\varepsilon\sim U(0,1)$$

# %%
show_source(gans.gradient_penalty)
show_source(gans.gradient_norm)

# %% [markdown]
# **Test it.** A linear critic $f(x)=w^\top x$ has the gradient $w$ everywhere, so the penalty must be $(\lVert w\rVert-1)^2$, for flat data and for images.

# %%
for shape in [(6,), (1, 4, 4)]:
    w = torch.randn(shape)
    penalty = gans.gradient_penalty(lambda v, w=w: (v * w).flatten(1).sum(1), torch.randn(5, *shape), torch.randn(5, *shape))
    print(f"x of shape {shape}: penalty {penalty:.4f}, (‖w‖ − 1)² = {(w.norm() - 1) ** 2:.4f}")

# %% [markdown]
# **Predict first.** Two critics of the same size learn to tell the same two clouds apart, one clipped at $c=0.1$, one with the penalty. Which weights does the clipped one use, and how steep does it get?

# %%
one, two = torch.randn(2_000, 2) * 0.5 - torch.tensor([1.5, 0.0]), torch.randn(2_000, 2) * 0.5 + torch.tensor([1.5, 0.0])
weights, slopes, gaps = {}, {}, {}
for name, cure in {"clipped": {"clip": 0.1}, "penalised": {"penalty": 10.0}}.items():
    training.seed_everything(0)
    critic = gans.PointGAN(width=64, loss="wasserstein", scale=1.0, **cure)
    players = critic.optimisers(lr=2e-3)
    for _ in range(300):
        players["discriminator"].zero_grad()
        loss = gans.discriminator_loss(critic.score(one), critic.score(two), "wasserstein")
        if critic.penalty:
            loss = loss + critic.penalty * gans.gradient_penalty(critic.score, one, two)
        loss.backward()
        players["discriminator"].step()
        if critic.clip:
            gans.clip_weights(critic.discriminator, critic.clip)
    weights[name] = torch.cat([p.detach().flatten() for p in critic.discriminator.parameters()])
    between = (one + torch.rand(2_000, 1) * (two - one)).requires_grad_()
    slopes[name] = gans.gradient_norm(critic.score, between).detach()
    gaps[name] = (critic.score(one).mean() - critic.score(two).mean()).item()
share = {name: (w.abs() > 0.099).float().mean().item() for name, w in weights.items()}
table(
    [
        {
            "critic": name,
            "weights at ±0.1 or beyond": f"{share[name]:.0%}",
            "slope between the clouds: 10 %, median, 90 %": " ".join(
                f"{v:.2f}" for v in slopes[name].quantile(torch.tensor([0.1, 0.5, 0.9])).tolist()
            ),
            "distance it reports, in truth 3": f"{gaps[name]:.2f}",
        }
        for name in weights
    ]
)

# %% [markdown]
# > **What to notice.** Two thirds of the clipped weights lie at the limit, where they can be little but on or off. The slope is whatever such weights allow: 0.7 in one place, 2.4 in another.
# > The penalised critic rises evenly, with a slope a little above 1, since the penalty only asks. Divide the distance it reports by its slope and you get the true one.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · Spectral norm
#
# A layer $Wx$ stretches no vector by more than its largest singular value $\sigma_1(W)$. Divide $W$ by it, and the layer is 1-Lipschitz; leaky ReLU is so already. So is the whole discriminator, without a gradient of a gradient. $\sigma_1$ is followed by one step of power iteration in each training step. This is PyTorch's own `spectral_norm`.

# %%
sngan = checkpoints.load("sngan")
layers = [m for m in sngan.discriminator.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
print("largest singular values:", [round(torch.linalg.svdvals(m.weight.flatten(1))[0].item(), 2) for m in layers])

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · Images: the rules of the DCGAN
#
# | rule | why |
# |---|---|
# | no pooling: strided convolutions down, transposed ones up | the networks learn their own resampling |
# | batch norm in both, but not at $G$'s end and $D$'s start | keeps the scale of every layer; at the ends it would wash out what is real |
# | no hidden linear layers | fewer weights, and structure stays local |
# | ReLU and a last tanh in $G$, leaky ReLU in $D$ | a leaky unit always passes some gradient on to $G$ |
# | Adam with rate 2·10⁻⁴ and $\beta_1=0.5$ | with much momentum the players chase where the other was |

# %%
show_source(gans.Generator)
show_source(gans.strided_layers)
show_source(gans.Discriminator, open=False)

# %%
training.seed_everything(0)
dcgan = gans.GAN(width=16)
run = training.fit(dcgan, x, **live, step=gans.gan_step, optimisers=dcgan.optimisers(lr=1e-3), watch=LossPlot(title="DCGAN"))

# %%
shipped = checkpoints.load("dcgan")
torch.manual_seed(1)
show_images(
    torch.cat([dcgan.eval().sample(10), shipped.sample(10), x_test[::100]]),
    columns=10,
    row_labels=["live, 400 steps", f"after {shipped.record['minutes']:.0f} min", "real"],
)

# %% [markdown]
# > **What to notice.** After 400 steps there are strokes. After thousands most are digits, as sharp as real ones; some are signs that nobody writes. $D$ judges what is drawn, not what it is called.

# %% [markdown]
# **How sensitive is it?** Change one rule at a time, with everything else as it was.

# %%
broken = checkpoints.record("gan_rules")["numbers"]
pictures = checkpoints.recordings("gan_rules")
show_images(
    torch.cat([pictures[name]["samples"] for name in broken]),
    columns=10,
    row_labels=[f"{name}: FID {n['fid']:.0f}" if n["fid"] else f"{name}: diverged" for name, n in broken.items()],
    heading=f"A small DCGAN after {checkpoints.record('gan_rules')['steps']:,} steps; FID is explained in section 16, lower is better",
)

# %% [markdown]
# > **What to notice.** Two changes decide between digits and nothing. Without batch norm this $D$ wins at once, and $G$ paints black. With the saturating loss no gradient is left, as in section 4.
# > The rest is a matter of degree, and of luck: a rate ten times as high is *better* in so short a run. The rules are places to start from. Change one at a time, with several seeds, and measure.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · Walks and arithmetic in z
#
# Nothing in the game mentions distances in $z$. Yet near $z$ give near images, since $G_\theta$ is continuous, and the walk from one digit to another must pass through what $D$ accepts.
#
# **Predict first.** A straight line between two draws passes closer to the origin than any typical $z$ in 64 dimensions. Will the middle of the walk look worse than its ends?

# %%
widgets.ArithmeticExplorer(shipped)

# %% [markdown]
# > **What to notice.** The picture changes a little with every step, and no picture shows two digits on top of each other, as a mix of pixels would. The middle has a shorter $z$ and looks no worse.
# > $z_a-z_b+z_c$ is longer than any draw, about $\sqrt3$ times; the last picture has it cut to the usual length. With single digits such sums seldom mean anything. The paper's famous sums of faces average several draws for each term.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · On demand: the conditional GAN
#
# Give the label $y$ to both players: $G(z,y)$ and $D(x,y)$. $D$ must see it too, or $G$ has no reason to obey. The first paper joins the label to the input. The **projection** discriminator gives each class a vector $e_y$ and adds its inner product with the features $h(x)$:
#
# $$s(x,y)=w^\top h(x)+e_y^\top h(x)$$

# %%
show_source(gans.Discriminator.forward)
cgan = checkpoints.load("cgan")
torch.manual_seed(3)
styles = torch.randn(5, cgan.latents).repeat_interleave(10, 0)
show_images(
    cgan.decode(styles, torch.arange(10).repeat(5)),
    columns=10,
    row_labels=[f"z{i}" for i in range(1, 6)],
    heading="One z a row, one class a column",
)
print(f"share of 10,000 samples that the digit network takes for the class asked for: {cgan.record['numbers']['class_accuracy']:.1%}")

# %% [markdown]
# ### Samples as training data
#
# Two classes are rare: 20 images each, where the others have 400. A classifier learns the common ones and neglects these. Can a GAN fill the gap?
#
# **Predict first.** One generator was trained on the same unbalanced images, and one on all of MNIST. Which of them can add something that the classifier's images do not hold?

# %%
images, labels = gans.unbalanced(digits)
images = datasets.to_float(images)
rare = torch.isin(unseen.y, torch.tensor(gans.RARE))
missing = torch.tensor(gans.RARE).repeat_interleave(380)  # what the two classes lack to be as many as the others
theirs = {digit: (labels == digit).nonzero().flatten() for digit in gans.RARE}
torch.manual_seed(0)
extras = {
    "nothing": images[:0],
    "the 20, again and again": images[torch.cat([theirs[digit].repeat(19) for digit in gans.RARE])],
    "samples of a GAN trained on the same images": checkpoints.load("cgan_unbalanced").sample(len(missing), y=missing),
    "samples of a GAN trained on all of MNIST": cgan.sample(len(missing), y=missing),
    "the real images that were taken away": x[torch.cat([(digits.y == digit).nonzero().flatten()[20:] for digit in gans.RARE])],
}
rows = []
for name, extra in extras.items():
    training.seed_everything(0)
    classifier = metrics.DigitNetwork(width=8, features=32)
    data = torch.cat([images, extra]), torch.cat([labels, missing[: len(extra)]])
    training.fit(classifier, data, steps=300, batch_size=100, lr=3e-3, device="cpu", progress=False)
    right = (classifier(x_test).argmax(1) == unseen.y).float()
    rows.append({"added": name, "rare classes right": f"{right[rare].mean():.0%}", "the others": f"{right[~rare].mean():.0%}"})
show_images(
    torch.cat([extras["samples of a GAN trained on the same images"][::80], extras["samples of a GAN trained on all of MNIST"][::80]]),
    columns=10,
    row_labels=["20 + 20 images", "all of MNIST"],
)
table(rows)

# %% [markdown]
# > **What to notice.** With 20 images a class the classifier hardly ever says 4 or 9. Showing the 20 again and again mends most of it: half of the harm was the imbalance, not the lack of images.
# > The GAN that knows only the same 20 does *worse* than they do: it cannot know more about a 4 than its data, and it adds errors. The GAN trained on all of MNIST helps, because it has seen thousands more. It hands on data that you did not have; it makes none.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · Growing up: progressive GANs
#
# Large images are hard to begin with: $D$ finds a flaw at once. So begin with small ones. Both players learn 7×7 images, then 14×14, then 28×28, and each new layer is **faded in**: for a while the output is a mix of the old image, enlarged, and the new one.

# %%
show_source(gans.growth)
grown = checkpoints.load("progressive")
torch.manual_seed(2)
z = torch.randn(10, grown.latents)
rows = []
for size in (1.0, 2.0, 3.0):
    grown.grown.fill_(size)
    rows.append(grown.decode(z))
show_images(torch.cat(rows), columns=10, row_labels=["7 × 7", "14 × 14", "28 × 28"], heading="The same z, through one layer, two and three")

# %% [markdown]
# > **What to notice.** One $z$ keeps its picture as it grows: the first layer settles where the ink is, the later ones settle the edges. Each stage took a third of the training, so the last had the least to do and the least time.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · StyleGAN: control by layer
#
# In a DCGAN, $z$ enters at the bottom. In a **StyleGAN** the bottom is a learned constant. A mapping network turns $z$ into $w$, and $w$ sets the mean and standard deviation of every channel in every layer. That is **AdaIN**, *adaptive instance normalisation*:
#
# $$\mathrm{AdaIN}(h,w)=\sigma_w\,\frac{h-\mu(h)}{\sigma(h)}+\mu_w$$
#
# $\mu(h)$ and $\sigma(h)$ are taken over the pixels of one channel of one image. Noise for each pixel is added in every layer, so that $w$ need not say where each speck of ink lies.

# %%
show_source(gans.adain)
h = gans.adain(3 + 2 * torch.randn(4, 3, 16, 16), mean=torch.full((4, 3), -1.0), std=torch.full((4, 3), 0.5))
print(f"asked for −1 and 0.5; mean {h.mean((2, 3)).mean():.3f}, deviation {h.std((2, 3), unbiased=False).mean():.3f}")
show_source(gans.StyledConv.forward)

# %% [markdown]
# Each layer has its own $w$, so two images can be **mixed**: the coarse layers follow one, the fine layers the other. **Truncation** pulls $w$ towards the mean $\bar w$: $w'=\bar w+\psi\,(w-\bar w)$.
#
# **Predict first.** Which layers decide the digit, and which the weight of the stroke? What will $\psi=0$ show?

# %%
explorer = widgets.StyleExplorer(checkpoints.load("stylegan"))
explorer.coarse.value, explorer.fine.value = 2, 5
explorer

# %% [markdown]
# > **What to notice.** The first two layers decide that it is a 0. The last two decide how thick the line is: let the second style take over at layer 4, and the shape stays while the stroke thins.
# > $\psi=0$ shows one digit, a 2, whatever you draw: the mean style. On the way from it to a 0 there are shapes that are no digit. Above 1 shapes get extreme.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · From image to image: pix2pix
#
# Now the condition is an image. The pairs are made by us: the outline of a digit, and the digit. The generator is a **U-Net**, whose shortcuts carry what need not change past the bottleneck. Its loss has two parts:
#
# $$\min_\theta\;\text{adversarial}+\lambda\,\mathbb E\,\lVert x-G_\theta(y)\rVert_1$$
#
# L1 gets the large picture right and leaves edges soft. The **PatchGAN** discriminator gives one score to every patch: it judges strokes and leaves the rest to L1.

# %%
show_source(gans.UNet.forward)
show_source(gans.PatchDiscriminator)
translators = {task: checkpoints.load(f"pix2pix_{task}") for task in gans.TASKS}
patch = translators["outline"].discriminator
print(
    f"scores for one image: {tuple(patch(x_test[:1], x_test[:1]).shape[1:])}, each from {patch.receptive_field} × {patch.receptive_field} pixels"
)

# %% [markdown]
# **Predict first.** The outline of a 0 has two rings. Which side will be filled? Then click on pixels: open the ring, and draw a line across it.

# %%
widgets.TranslationExplorer(translators, unseen.x[::50])

# %% [markdown]
# > **What to notice.** The ink goes between the two rings and not inside the inner one. Nobody said which side is ink: the pairs did. A gap of a few pixels hardly leaks, since the network has learned strokes and not flood filling.
# > Draw a line across, and it is taken for a border: the ink parts there. Clear the picture and draw a single stroke, and you get grey: no outline in the pairs looked like that.

# %%
small = gans.shrink(x_test)
enlarged = {
    "7 × 7": small,
    "bicubic": F.interpolate(F.avg_pool2d(x_test, 4), scale_factor=4, mode="bicubic").clamp(0, 1),
    "pix2pix": translators["superresolution"].translate(small),
    "real": x_test,
}
show_images(
    torch.cat([v[5::100] for v in enlarged.values()]),
    columns=10,
    row_labels=list(enlarged),
    heading="Super-resolution: the same code, another pair",
)
table(
    [
        {
            "enlarged by": name,
            "absolute error a pixel": (v - x_test).abs().mean().item(),
            "read correctly": f"{(metrics.predicted_digits(v) == unseen.y).float().mean():.1%}",
        }
        for name, v in enlarged.items()
    ]
)


# %% [markdown]
# > **What to notice.** Bicubic enlargement adds nothing and is hardly readable. pix2pix draws sharp strokes where the seven pixels only hint at them, and 95 % are read as what they were.
# > In the rest it has drawn a *wrong* digit as sharply as a right one. Sharp is not true: do not enlarge evidence with a GAN.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16 · Numbers
#
# A GAN has no likelihood. We compare sets of samples instead. The digit network, a classifier with a test accuracy of 99.5 %, gives 64 features of an image. The **Fréchet distance** (FID) fits a Gaussian to the features of each set and measures how far apart the two are. Lower is better. Lecture 07 takes it apart.

# %%
def row(name, what):
    entry = checkpoints.record(name)
    n = entry["numbers"]
    asked = f"{n['class_accuracy']:.1%}" if "class_accuracy" in n else ""
    rarest = f"{n['rarest_class']:.1%}" if "rarest_class" in n else ""
    budget = f"{entry['steps']:,} steps, {entry['minutes']:.0f} min"
    return {
        "model": what,
        "FID": n["fid"],
        "rarest class": rarest,
        "class asked for": asked,
        "weights": entry["parameters"],
        "budget": budget,
    }


torch.manual_seed(0)
vae = checkpoints.load("vae")
reference = checkpoints.record("digit_moments")["numbers"]
table(
    [
        {
            "model": "real: 10,000 training images",
            "FID": reference["fid_of_training_images"],
            "rarest class": "",
            "class asked for": "",
            "weights": "",
            "budget": "",
        },
        row("dcgan", "DCGAN"),
        row("wgan_gp", "WGAN-GP"),
        row("sngan", "spectral norm, hinge loss"),
        row("cgan", "conditional, projection, R1"),
        row("stylegan", "StyleGAN, R1, minibatch discrimination"),
        row("progressive", "progressive growing, R1"),
        {
            "model": "VAE of lecture 02",
            "FID": metrics.digit_fid(metrics.draw(vae, 10_000)),
            "rarest class": "",
            "class asked for": "",
            "weights": checkpoints.record("vae")["parameters"],
            "budget": "",
        },
    ]
)

# %% [markdown]
# > **What to notice.** The same small networks end above 100 without labels, and near 10 with them: to be told which of ten shapes to draw is most of the work. StyleGAN gets there without labels, with R1, minibatch discrimination and more layers.
# > The VAE is soft, and has 10.9. This FID asks whether a classifier's features look alike and whether all kinds are there; soft edges cost little, signs that nobody writes cost much. Look at both samples and numbers.
# > Published FIDs use another network's features and cannot be compared with these. On CIFAR-10, with 100,000 steps: WGAN-GP 22.3, spectral norm 16.8, projection 10.8 (mimicry). The order is the same. The minutes are those of one thread on a busy machine.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 17 · Check yourself
#
# <details><summary><b>1.</b> The discriminator's loss is 0.0001 and the generator's samples do not change. What has happened?</summary>
#
# $D$ has won, and with the saturating loss no gradient is left. Use −log D, slow $D$ down, or make it less steep (R1, gradient penalty, spectral norm). <i>Not</i> "D is well trained, good": a GAN needs a discriminator that can still be fooled.
# </details>
#
# <details><summary><b>2.</b> Both losses oscillate and do not go down. Is the training broken?</summary>
#
# Not by that. The game has no common loss to go down. Look at samples, at the modes covered, at FID. It is broken when the swings grow, or when samples get worse.
# </details>
#
# <details><summary><b>3.</b> Without `detach` (or `no_grad`) in the discriminator's step, what goes wrong?</summary>
#
# $D$'s loss sends gradients into $G$ that teach it to be recognised. They are thrown away only if the generator's gradients are cleared before its own step. <i>Not</i> merely slower: if they stay, $G$ is trained against itself.
# </details>
#
# <details><summary><b>4.</b> Every sample is excellent, and all are the digit 1. What does JS say? What does the discriminator see?</summary>
#
# JS is large, since nine tenths of the data are never drawn. But a discriminator that looks at one sample at a time can only say "a 1 is now too frequent", and $G$ answers by moving to another digit. A discriminator that sees several samples at once can say "too much alike".
# </details>
#
# <details><summary><b>5.</b> Why is there no batch norm in the critic of WGAN-GP?</summary>
#
# The penalty is about the gradient at each example. Batch norm makes each score depend on the whole batch, so that gradient is no longer the critic's own. Use layer norm, or none.
# </details>
#
# <details><summary><b>6.</b> Truncation improves FID of the samples you show. May you report it as the model's FID?</summary>
#
# Only if you say so. Truncation trades variety for quality. Often FID gets <i>worse</i> with it, since FID counts variety too. State ψ beside the number.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 18 · Summary, and when things go wrong
#
# - A GAN learns its loss. With the best discriminator it minimises the Jensen–Shannon divergence.
# - It is a game: it circles, the gradient can vanish, modes can go missing. Each has a cure that can be measured.
# - WGAN, penalties and spectral norm all keep the discriminator from being steep.
# - Labels, styles and images can steer the generator. There is no likelihood and no encoder.
#
# | you see | look at | cure |
# |---|---|---|
# | D's loss near 0, samples stand still | the gradient that reaches G | non-saturating loss, slower D, R1 or spectral norm |
# | all samples alike | modes, class shares | minibatch discrimination, packing, penalty; smaller rate |
# | samples good, then suddenly noise | the swings of the losses | R1, EMA of G, `schedule="linear"` |
# | checkerboard patterns | kernel and stride of transposed convolutions | kernel a multiple of the stride; resize, then convolve |
# | the label is ignored | does D see the label? | give it to both; projection |
# | NaN | precision of the penalty | gradient penalty in float32; lower rate |
# | grey, soft images | sigmoid twice, or data in [0, 1] beside a tanh | one range for both players |
# | slow on a GPU | tiny kernels | larger width rather than larger batch; `precision="bf16"` without penalties |
#
# **Cost.** Sampling is one pass of the generator. Training is about three passes forward and back for each step, more with a penalty.
# **Several GPUs**: `accelerate launch -m course_lib train dcgan --preset gpu`.
#
# **Care.** GANs made convincing faces of nobody cheap. They also repeat what they were shown: a class that is rare in the data is rare, or missing, in the samples. Section 12 measures that. Say when an image is made, and by what.
#
# **Now you**: [exercise 03](../exercises/03_gans/03_gans.ipynb), 20 points.
#
# **Read on.** Goodfellow et al., *Generative Adversarial Nets* (arXiv:1406.2661) · Radford et al., DCGAN (arXiv:1511.06434) · Salimans et al., *Improved Techniques* (arXiv:1606.03498) ·
# Arjovsky et al., WGAN (arXiv:1701.07875) · Gulrajani et al., WGAN-GP (arXiv:1704.00028) · Miyato et al., spectral norm (arXiv:1802.05957) and projection (arXiv:1802.05637) ·
# Mescheder et al., *Which Training Methods for GANs do actually Converge?* (arXiv:1801.04406) · Karras et al., growing (arXiv:1710.10196) and StyleGAN (arXiv:1812.04948) · Isola et al., pix2pix (arXiv:1611.07004)
