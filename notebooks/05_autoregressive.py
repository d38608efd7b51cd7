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
# # 05 · Autoregressive models
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/notebooks/05_autoregressive.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/notebooks/05_autoregressive.ipynb)
#
# **You will be able to**
# - write any distribution as a product of conditionals, and compute them all in one pass of a network,
# - build masks that let no pixel see itself or its future, and find a leak with one backward pass,
# - choose an output: on or off, one of 256, or a mixture of logistics; read it in nats, bits and perplexity,
# - sample with a cache, and say why it is still slow,
# - steer samples by temperature, top-k and nucleus, and complete what is missing,
# - do the same for sound (WaveNet) and for text.
#
# **Time** about 110 minutes. **Hardware** a laptop's CPU; nothing is downloaded. Every picture with sliders needs a running kernel.
# **You need** basic PyTorch, convolutions, and probabilities that multiply. Lecture 00 has the notation.

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
import time

import matplotlib.pyplot as plt
import torch
from IPython.display import Audio, display

from course_lib import autoregressive as ar
from course_lib import checkpoints, datasets, distributions, training
from course_lib.datasets import binarise
from course_lib.nn import MaskedLinear, masked_mlp
from course_lib.plotting import LossPlot, curves, show_images, show_source, table
from course_lib.recipes import preset_for
from course_lib.widgets import autoregressive as widgets

training.seed_everything(0)
digits, unseen = datasets.load("mnist_small", "train"), datasets.load("mnist_small", "test")
torch.manual_seed(0)
black_and_white, new_digits = binarise(digits.x), binarise(unseen.x)
live = ar.LIVE[preset_for()].options()  # what this machine can train while you watch

# %% [markdown]
# ## First, play
#
# A network draws a digit the way you write: one pixel after the other, row by row. Before each pixel it looks at those already there, and says how likely "on" is. Then a coin is tossed.
#
# **Predict first.** At which row will you know the digit? Does the pale guess just below the pen change with each pixel?

# %%
gated = checkpoints.load("pixelcnn_gated")
widgets.DrawingExplorer(gated)

# %% [markdown]
# > **What to notice.** A stroke that has begun is carried on; which digit it becomes is decided late, by single pixels. Only the framed pixel's probability counts.
# > The orange ones take everything undrawn as black: they are no forecast of the digit, and they change with each pixel nearby.
# > The chart shows the price: a whole pass of the network for each of the 784 pixels. Section 9 makes that cheap.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · The naive attempt: each pixel by itself
#
# Our digits are made black and white: a pixel of grey level $g\in[0,1]$ becomes 1 with probability $g$, anew each time (`binarise`). 784 pixels, on or off: $2^{784}$ images. A table with one probability for each cannot be written down. The cheapest way out: pretend that pixels do not depend on each other,
#
# $$p(x)=\prod_i p(x_i)$$
#
# and count how often each is on. **Predict first.** What will samples look like?

# %%
on = black_and_white.float().mean(0).clamp(1e-3, 1 - 1e-3)
alone = -(new_digits * on.log() + (1 - new_digits) * (1 - on).log()).flatten(1).sum(1).mean()
show_images(torch.cat([new_digits[::100], torch.bernoulli(on.expand(10, -1, -1, -1))]), columns=10, row_labels=["digits", "samples"])
print(f"each pixel by itself: {alone:.1f} nats an image")

# %% [markdown]
# > **What to notice.** Dust in the shape of an average digit. Each pixel is right on its own, and no two agree. What is missing is that a pixel should know of the others.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · The chain rule
#
# Let each pixel know of those *before* it. Put the pixels in any order; then, for **every** distribution,
#
# $$p(x)=p(x_1)\,p(x_2\mid x_1)\,p(x_3\mid x_1,x_2)\cdots=\prod_{i=1}^{D}p(x_i\mid x_{<i})$$
#
# Nothing is approximated: each factor is a fraction whose numerator is the next one's denominator. $x_{<i}$ is short for $x_1,\dots,x_{i-1}$. A model of this form is **autoregressive**.
# It has to answer $D$ small questions, each about a single pixel. Answers to small questions are easy to normalise.
#
# **Test it** on a table of three coins: 8 probabilities, any numbers.

# %%
torch.manual_seed(0)
joint = torch.rand(2, 2, 2)
joint = joint / joint.sum()
first = joint.sum((1, 2))
second = joint.sum(2) / first[:, None]
third = joint / joint.sum(2, keepdim=True)
product = first[:, None, None] * second[:, :, None] * third
print(f"p(x1) p(x2|x1) p(x3|x1,x2) misses p(x1,x2,x3) by {(product - joint).abs().max():.0e}")

# %% [markdown]
# The simplest network for $p(x_i=1\mid x_{<i})$ is a logistic regression: $\sigma(\ell_i)$ with the **logit** $\ell_i=b_i+\sum_{j<i}W_{ij}x_j$ and $\sigma(\ell)=1/(1+e^{-\ell})$. All 784 together are one matrix $W$ that is zero on and above the diagonal. Train it, on 4,000 digits.

# %%
linear = ar.MADE(hidden=())
training.fit(linear, digits.x, steps=300, batch_size=100, lr=5e-2, prepare=binarise, progress=False)
torch.manual_seed(1)
with torch.no_grad():
    print(f"logistic regressions: {-linear.log_prob(new_digits).mean():.1f} nats an image (each pixel by itself: {alone:.1f})")
show_images(linear.sample(10), columns=10, row_labels=["samples"])


# %% [markdown]
# > **What to notice.** Half of the nats are gone, and strokes appear. And that is without a hidden layer.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · All questions in one pass: MADE
#
# We want networks instead of one linear layer, but not 784 of them. **MADE** takes one ordinary network from $x$ to 784 logits and cuts connections until output $i$ has no path from $x_i$ or anything after it.
#
# Each hidden unit gets a number $m$: it may see the first $m$ pixels. Input $j$ counts as $m=j$. A connection from unit $m$ to unit $m'$ stays if $m'\ge m$. Output $i$ listens to units with $m<i$.

# %%
def show_mask(axis, mask, title):
    """1 is dark, 0 is white; every entry has its border."""
    axis.pcolormesh(mask, cmap="Greys", vmin=0, vmax=1.4, edgecolors="#c3c8cf", linewidth=0.5)
    axis.set(title=title, xticks=[], yticks=[], aspect="equal")
    axis.title.set_fontsize(10)
    axis.use_sticky_edges = False  # else the outer borders are cut in half
    axis.margins(0.01)
    axis.invert_yaxis()
    axis.spines[:].set_visible(False)


show_source(MaskedLinear)
show_source(masked_mlp)
show_source(ar.MADE.in_turn)
small = ar.MADE((1, 2, 3), hidden=(12, 12))
layers = [layer for layer in small.net if hasattr(layer, "mask")]
figure, axes = plt.subplots(1, 4, figsize=(8.5, 2.6), width_ratios=[6, 12, 12, 6], layout="constrained")
through = layers[2].mask.float() @ layers[1].mask.float() @ layers[0].mask.float()
for axis, mask, title in zip(
    axes, [*(layer.mask.float() for layer in layers), through], ["x → first", "first → second", "second → out", "paths, x → out"]
):
    show_mask(axis, (mask > 0).float(), title)
plt.show()

# %% [markdown]
# > **What to notice.** Dark is a connection, rows are outputs. The last picture follows them all the way through the hidden layers: only what lies *below* the diagonal is left. The first output has no input at all. It is a bias, as $p(x_1)$ should be.
# > Beside this network our MADE keeps the logistic regressions of before (`direct`), so the hidden layers only learn what those cannot say.

# %% [markdown]
# **Test it** in two ways. A leak shows in the first, probabilities that do not add up in the second. (1) The gradient of output $i$ is zero for inputs $i,i+1,\dots$ (2) On a 3 × 3 grid there are only 512 images: their probabilities must add up to 1.

# %%
torch.manual_seed(0)
model = ar.MADE((1, 3, 3), hidden=(32, 32))
jacobian = torch.autograd.functional.jacobian(lambda x: model.logits(x.view(1, 1, 3, 3)).flatten(), torch.rand(9))
everything = torch.tensor(list(itertools.product([0.0, 1.0], repeat=9))).view(512, 1, 3, 3)
print(f"largest gradient on or above the diagonal: {jacobian.triu().abs().max():g}, below it {jacobian.tril(-1).abs().max():.2f}")
with torch.no_grad():
    print(f"sum over all {len(everything)} images: {model.log_prob(everything).exp().sum():.6f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Train it live: teacher forcing
#
# The loss is $-\log p(x)=-\sum_i\log p(x_i\mid x_{<i})$. The network always sees the *true* pixels before $i$, never its own guesses. This is called **teacher forcing**. It is no trick: it is what the formula says. And it makes training parallel, since no pixel waits for another.

# %%
training.seed_everything(0)
made = training.fit(ar.MADE(), digits.x, prepare=binarise, watch=LossPlot(), **live | {"batch_size": 100, "lr": 3e-2}).model
with torch.no_grad():
    print(f"MADE after {live['steps']} steps: {-made.log_prob(new_digits).mean():.1f} nats")
show_images(torch.cat([made.sample(10), checkpoints.load("made").sample(10)]), columns=10, row_labels=["yours", "shipped"])

# %% [markdown]
# > **What to notice.** The samples are digit-like. The shipped one is the same model, trained longer on 59,000 digits.
# > MADE knows nothing of neighbours: pixel 400 and pixel 401 are as foreign to it as any two. It needs a million weights.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · Neighbours: masked convolutions
#
# **PixelCNN** asks every question with the same small network, a convolution whose kernel is cut: weights on pixels to come are zero.
#
# - **Mask A** also cuts the centre. It belongs in the *first* layer: the centre is the pixel to be predicted.
# - **Mask B** keeps the centre. It belongs in all others: what stands there has seen only the past already.

# %%
show_source(ar.causal_mask)
figure, axes = plt.subplots(1, 2, figsize=(3.6, 2))
for axis, kind in zip(axes, "AB"):
    show_mask(axis, ar.causal_mask(5, kind)[0, 0], f"mask {kind}")
    axis.add_patch(plt.Rectangle((2, 2), 1, 1, fill=False, edgecolor="#d1495b", linewidth=2))
plt.show()

# %% [markdown]
# **Predict first.** Add layers, and each pixel sees farther. With enough of them, does it see *every* pixel before it?

# %%
widgets.ReceptiveFieldExplorer()

# %% [markdown]
# > **What to notice.** The field grows up and to the left in a wedge. Above and to the right there is a part that it never reaches, however many layers there are: the **blind spot**. Each row up lets it go right by half a kernel at most. A larger kernel makes the blind spot smaller, not empty.
# > Set the first mask to B. The pixel sees itself. Is that good or bad? The next cells show it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · Break it: one wrong letter
#
# **Predict first.** Train a PixelCNN whose first mask is B. Will its loss be better or worse than the honest one's? And its samples?

# %%
leaky = ar.PixelCNN(width=16, layers=3)
leaky.net[0].mask.copy_(ar.causal_mask(7, "B"))
honest = ar.PixelCNN(width=16, layers=3)
losses = {}
for name, model in {"A, then B": honest, "B from the start": leaky}.items():
    run = training.fit(model, digits.x, prepare=binarise, progress=False, **live | {"steps": 120, "lr": 1e-2})
    losses[name] = ([r["step"] for r in run.history], [r["loss"] for r in run.history])
curves(losses, y_label="nats an image", title="The loss of the leaky model is wonderful")
torch.manual_seed(0)
samples = torch.cat([ar.sample_naive(model, 8).float() for model in (honest, leaky)])
show_images(samples, columns=8, row_labels=["A, then B", "B"])


# %% [markdown]
# > **What to notice.** The leaky model reads the answer and copies it: nearly 0 nats, where the best published models need more than 75. Its samples are nearly black: when it draws there is nothing to copy but the empty canvas. **A likelihood that is too good is a leak until proven otherwise.**
#
# One backward pass finds it. Take one output, and ask which inputs it depends on.

# %%
def sees(model, row, column):
    """Which pixels the output at (row, column) depends on: bool (height, width)."""
    x = torch.rand(1, *model.shape, requires_grad=True)
    model.logits(x)[0, :, :, row, column].pow(2).sum().backward()
    return x.grad[0].abs().sum(0) > 0


for name, model in {"honest": honest, "leaky": leaky}.items():
    seen = sees(model, 14, 14)
    print(f"{name}: sees itself {seen[14, 14].item()}, sees later pixels {(seen.flatten()[14 * 28 + 15 :]).any().item()}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · No blind spot: two stacks and gates
#
# The **gated PixelCNN** splits the work. A *vertical* stack sees all rows above, to both sides: it may, since they are all past. A *horizontal* stack sees its own row to the left, and is told what the vertical one found. Never the other way round: the vertical stack looks to both sides, so it would bring news from the right, the pixel itself among it.
#
# There is no mask A here. Both inputs are moved by one place, once, before the first layer. After that, each layer may look at its own place.
#
# Each layer ends in a **gate**, $\tanh(a)\odot\sigma(b)$, entry by entry: one half of the channels says what, the other how much. Dilation (every second or fourth pixel) makes the field large with few layers.

# %%
show_source(ar.GatedPixelCNN.features)
show_source(ar.GatedLayer.forward)
seen = sees(gated, 14, 14)
past = torch.arange(784).view(28, 28) < 14 * 28 + 14
blind = sees(checkpoints.load("pixelcnn_blind"), 14, 14)
print(f"pixels before (14, 14): {past.sum()}; the gated model sees {(seen & past).sum()}, and {(seen & ~past).sum()} others")
print(f"the plain PixelCNN sees {(blind & past).sum()}, and {(blind & ~past).sum()} others")

# %% [markdown]
# These layers reach 13 columns to each side and 14 rows up. What is missing lies beyond that, and another layer would bring it in. The plain model's missing corner stays missing.
#
# **PixelRNN** goes another way. An LSTM is a network with a memory: it reads one thing after the other and updates a state. This one runs down the image, a whole row at a time, with convolutions along the row (a *row LSTM*; the paper's *diagonal* one runs from corner to corner).
# Its memory reaches any number of rows up, but with each row only one column further to each side. So it has a blind spot too: choose *row LSTM* in the picture above. And rows have to wait for each other, in training too.

# %%
show_source(ar.PixelRNN.logits, open=False)
shipped = {"MADE": "made", "PixelCNN, blind": "pixelcnn_blind", "row LSTM": "pixelrnn", "gated PixelCNN": "pixelcnn_gated"}
torch.manual_seed(5)
rows = []
for name in shipped.values():
    model = checkpoints.load(name)
    rows.append(model.sample(10).float())
show_images(torch.cat(rows), columns=10, row_labels=list(shipped))

# %% [markdown]
# > **What to notice.** Strokes get smoother and more of the digits are whole. Section 14 has the nats.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · Which output? Grey levels and colours
#
# A real pixel is one of 256 numbers. Three ways to give its distribution:
#
# | output | numbers a pixel | knows that 100 is close to 101 |
# |---|---|---|
# | Bernoulli | 1 | only on and off |
# | 256-way softmax | 256 | no, has to learn it |
# | mixture of discretised logistics | 3 a component (weight, middle, width), 15 for five | yes |
#
# The third takes a smooth density, a sum of bells, and gives each whole number the area over its bin:
#
# $$P(k)=\sum_c\pi_c\Big[\sigma\!\Big(\frac{k+½-m_c}{s_c}\Big)-\sigma\!\Big(\frac{k-½-m_c}{s_c}\Big)\Big]$$
#
# The outer bins reach to infinity, so that the areas add up to 1. (The code scales 0…255 to $[-1,1]$, so ½ becomes $1/255$.)
#
# The picture has three more sliders. **Temperature** divides the logits by $T$ before the softmax. **Top-k** keeps the $k$ likeliest values, the **nucleus** the fewest that reach probability $p$ together; the rest is cut off. Sections 10 and 12 use them.
#
# **Predict first.** On digits, which values does the 256-way output give a peak, and where? Take a pixel on an edge.

# %%
grey = checkpoints.load("pixelcnn_8bit")
widgets.NextPixelExplorer(grey, unseen.x[::100])

# %% [markdown]
# > **What to notice.** Nobody told the softmax that 180 and 181 are neighbours, and it found out: its bars form a hill. The hill is ragged, since each value is learned by itself. Black and white have small peaks of their own.
# > In the background all mass is on 0. Temperature flattens or sharpens; top-k and the nucleus cut the feet of the hill off.

# %% [markdown]
# **A trap.** At small scales $\sigma(a)-\sigma(b)$ subtracts two numbers that are nearly equal. In float32 the digits that differ are lost, and the loss becomes $\log 0$. Written as $\log\sigma(a)+\log\sigma(-b)+\log(1-e^{b-a})$ the nearly equal numbers are gone. The last term comes from `expm1`, and $b-a$ is known exactly.

# %%
show_source(distributions.logistic_bin_log_prob)
values = torch.arange(256) / 127.5 - 1
rows = []
for log_scale in (-3.0, -5.0, -7.0):
    mean, scale = torch.tensor(0.1, dtype=torch.float64), math.exp(log_scale)
    true = distributions.logistic_bin_log_prob(values.double(), mean, torch.tensor(log_scale, dtype=torch.float64))
    ours = distributions.logistic_bin_log_prob(values, mean.float(), torch.tensor(log_scale))
    a, b = ((values - 0.1 + half) / scale for half in (1 / 255, -1 / 255))
    plain = (a.sigmoid() - b.sigmoid()).log()[1:-1]
    rows.append(
        {
            "log-scale": log_scale,
            "values of 254 with log 0, plain": int(plain.isinf().sum()),
            "values with log 0, ours": int(ours.isinf().sum()),
            "largest error of ours (nats)": f"{(ours - true).abs().max():.0e}",
        }
    )
table(rows)

# %% [markdown]
# **Which is better?** The same small gated model on the 8 × 8 digits of scikit-learn, 17 grey levels, with both outputs.

# %%
tiny = datasets.load("digits8", "train"), datasets.load("digits8", "test")
levels = [(part.x.float() / 255 * 16).round().to(torch.uint8) for part in tiny]
results = {}
for output in ("categorical", "logistic"):
    training.seed_everything(0)
    model = ar.GatedPixelCNN((1, 8, 8), width=24, dilations=(1, 2, 1), output=output, levels=17)
    run = training.fit(model, levels[0], progress=False, **live | {"steps": 250})
    results[output] = ([r["step"] for r in run.history], [r["loss"] / (64 * math.log(2)) for r in run.history])
    with torch.no_grad():
        print(f"{output}: {model.bits_per_dim(levels[1]).mean():.3f} bits a pixel on new digits, log2(17) = {math.log2(17):.2f}")
curves(results, y_label="bits a pixel", title="8 × 8 digits, 17 grey levels")

# %% [markdown]
# > **What to notice.** The mixture starts lower: a step that makes 9 likelier makes 8 and 10 likelier too. The softmax has to learn each level by itself, and has nearly caught up at the end. With 256 levels it takes longer.

# %% [markdown]
# **Colours** are drawn in order too: red, then green given red, then blue given both. In a masked convolution each channel belongs to a colour, and at the *centre* a channel may listen to earlier colours only (A), or to its own as well (B).

# %%
colour = torch.arange(3)
figure, axes = plt.subplots(1, 2, figsize=(5.6, 2.4))
for axis, kind in zip(axes, "AB"):
    show_mask(axis, ar.causal_mask(3, kind, colour, colour)[:, :, 1, 1], f"mask {kind}, at the centre")
    names = {"ticks": [0.5, 1.5, 2.5], "labels": ["red", "green", "blue"]}
    axis.set_xticks(**names)
    axis.set_yticks(**names)
    axis.set(xlabel="from", ylabel="to")
plt.show()
torch.manual_seed(0)
coloured = ar.GatedPixelCNN((3, 5, 5), width=8, dilations=(1, 1), levels=4)
x = torch.rand(1, 3, 5, 5, requires_grad=True)
for i, name in enumerate(["red", "green", "blue"]):
    (gradient,) = torch.autograd.grad(coloured.logits(x)[0, i, :, 2, 2].pow(2).sum(), x)
    print(f"{name} at (2, 2) sees at its own place: {[n for n, g in zip(['red', 'green', 'blue'], gradient[0, :, 2, 2]) if g != 0]}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · Why sampling is slow, and what helps
#
# Training sees all pixels at once. Sampling cannot: pixel 301 needs pixel 300. The naive loop runs the **whole** network 784 times and keeps one number of each run.
#
# Almost all of that work is repeated. When pixel $(i,j)$ is drawn, nothing changes above it or to its left. A **cache** keeps it:
# - the vertical stack is computed once for each *row*,
# - the horizontal stack once for each *pixel*, from the few stored columns that its kernel reaches.
#
# Below is the naive loop, and what `sample_cached` keeps of each layer: `begin_row` is the vertical stack and `step` the horizontal one.

# %%
show_source(ar.sample_naive)
show_source(ar.CachedLayer, open=False)
torch.manual_seed(0)
uniforms = torch.rand(1, 784)
started = time.perf_counter()
quick = ar.sample_cached(gated, 1, uniforms=uniforms)
middle = time.perf_counter()
slow = ar.sample_naive(gated, 1, uniforms=uniforms)
ended = time.perf_counter()
print(f"same pixels: {torch.equal(quick, slow)}")

# %% tags=["nbval-ignore-output"]
print(f"cached {middle - started:.2f} s, naive {ended - middle:.1f} s: {(ended - middle) / (middle - started):.0f} times as long")

# %% [markdown]
# > **What to notice.** Uniform numbers $u_i$ are drawn beforehand; pixel $i$ is on if $u_i<p(x_i=1\mid x_{<i})$. Then both loops must give the *same* image, pixel by pixel. That is how a cache is tested.

# %% [markdown]
# **In parallel after all?** With fixed $u$ the image solves 784 equations: $x_i$ is 1 where $u_i<p_\theta(x_i=1\mid x_{<i})$, and 0 elsewhere. So *guess* the image, compute all right sides in one pass, take the result as the next guess, and stop when nothing changes. After $k$ passes the first $k$ pixels are surely right.
#
# **Predict first.** 785 passes are always enough: 784, and one that changes nothing. How many will it take?

# %%
show_source(ar.sample_parallel)
guess, passes = ar.sample_parallel(gated, 1, uniforms=uniforms)
print(f"same pixels: {torch.equal(guess, slow)}, after {passes} passes")

# %% [markdown]
# > **What to notice.** Far fewer than 784, since most pixels do not depend on the one just before. Each pass is a *whole* one: more arithmetic than the cache, but a GPU does it at once. "Speculative" decoding of language models is a relative: a small model guesses, the large one checks many words in one pass.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · Steering: temperature, completion, classes
#
# **Temperature.** (Not the time $t$ of other lectures.) $T<1$ sharpens, $T\to0$ always takes the likeliest value. **Completion** is free: pixels that are known are not drawn. The chain rule does the rest, if what is missing comes *after* what is known.
#
# **Predict first.** Hide the lower half of a digit, then the upper half. Which completions will fit, and why?

# %%
widgets.CompletionExplorer(gated, new_digits[::100])

# %% [markdown]
# > **What to notice.** The lower half fits: strokes go on, and different seeds end in different digits. The upper half does not: it was drawn before the model came to the known part, and knows nothing of it. The chain rule in this order has $p(\text{lower}\mid\text{upper})$ ready. The other direction would need a sum over all upper halves.
# > Low temperature gives nearly the same careful answer ten times; a high one gives dust.

# %% [markdown]
# **Classes.** To ask for a digit, give every layer the label too: $p(x\mid y)=\prod_i p(x_i\mid x_{<i},y)$. A one-hot $y$ times a matrix adds a bias inside each gate.

# %%
widgets.ClassExplorer(checkpoints.load("pixelcnn_classes"))

# %% [markdown]
# > **What to notice.** The same coins, another label, another digit. Where the label says nothing (the empty border), nothing changes.
# > Some drawings begin a second time at the lower edge. This model is small, and looks back over about ten rows: by then it no longer sees that its digit is done. A receptive field is a memory.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · Sound: WaveNet
#
# Sound is a long row: 8,000 numbers a second here, 44,100 on a CD. To hear a tone of 262 Hz you must look back 31 samples; for a syllable, thousands. A **causal** convolution sees now and the past alone. With two weights it looks back one step. **Dilate** it: look at $t$ and $t-d$, with $d=1,2,4,\dots,512$ from layer to layer. Ten layers then see 1,024 samples: 128 ms, enough for a tone, not for a syllable.
#
# **Predict first.** How many plain layers (no dilation) would that take?

# %%
widgets.DilationExplorer()

# %% [markdown]
# > **What to notice.** Each dilated layer doubles the field; each plain one adds one sample, so 1,024 take 1,023 layers. No sample is skipped: the dilated tree has exactly one path to each.

# %% [markdown]
# **μ-law.** 16 bits are 65,536 values, too many for a softmax. Ears notice small changes of quiet sounds and miss them in loud ones. So the values are squeezed, $\operatorname{sign}(x)\ln(1+\mu|x|)/\ln(1+\mu)$ with $\mu=255$, and cut into 256 steps that are fine near 0.

# %%
sounds = datasets.load("sounds", "test")
steps = distributions.inverse_mu_law(torch.arange(256)).diff()
print(f"steps of μ-law: {steps.min():.5f} near 0, {steps.max():.3f} at the ends; of 256 equal steps: {2 / 255:.5f}")
quiet = 0.02 * sounds.x[0]
errors = {"μ-law": distributions.inverse_mu_law(distributions.mu_law(quiet)), "equal steps": (quiet * 127.5).round() / 127.5}
for name, coarse in errors.items():
    print(f"a quiet tone, {name}: signal {10 * math.log10(quiet.var() / (coarse - quiet).var()):.0f} dB above the error")

# %%
wavenet = checkpoints.load("wavenet")
show_source(ar.WaveNet.logits)
show_source(ar.WaveNet.sample, open=False)
torch.manual_seed(1)
uniforms = torch.rand(2, 60)
ring, naive = wavenet.sample(2, 60, uniforms=uniforms), torch.zeros(2, 60, dtype=torch.long)
with torch.no_grad():
    for t in range(60):  # a whole pass for every sample
        naive[:, t] = distributions.categorical_sample(uniforms[:, t], wavenet.logits(naive)[:, :, t])
print(f"same sound as the naive loop: {torch.equal(ring, naive)}")
played = distributions.inverse_mu_law(wavenet.sample_fast(3, 4000, temperature=0.9))  # the same, as products of matrices
figure, axes = plt.subplots(2, 3, figsize=(8.5, 3), sharex=True, sharey=True, layout="constrained")
for axis, wave in zip(axes.flat, [*sounds.x[:3], *played]):
    axis.plot(torch.arange(320) / 8, wave[:320], linewidth=1)
axes[0, 0].set_ylabel("data")
axes[1, 0].set_ylabel("sampled")
axes[1, 1].set_xlabel("ms")
plt.show()

# %% [markdown]
# Listen: three of our synthetic tones, then three samples, half a second each.

# %% tags=["nbval-ignore-output"]
silence = torch.zeros(1600)
for waves in (sounds.x[:3], played):
    display(Audio(torch.cat([part for wave in waves for part in (wave, silence)]).numpy(), rate=datasets.RATE))

# %% [markdown]
# > **What to notice.** The samples begin ragged: at the start there is little past to hold on to. Then a tone settles. Listen: it keeps its pitch and dies away as the data do. What is left is hiss.
# > Each layer keeps a **ring** of its last inputs. Step $t$ reads the entry that is $d$ steps old and writes over it. Nothing is moved, whatever the dilation.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · Text, one character at a time
#
# The data: Python's own manual, which comes with every Python. The oldest language model counts: an **n-gram** looks at the last $n-1$ characters and asks how often each character followed. What follows a context that was seen once, or never? Counts of shorter contexts are mixed in, the more so the rarer the long one.
#
# The unit. $-\log_2p$ averaged is **bits per character**. **Perplexity** is $e^{\text{nats}}=2^{\text{bits}}$: among how many equally likely characters the model is, in effect, guessing.

# %%
manual, new_text = datasets.load("manual", "train"), datasets.load("manual", "test")
pieces = new_text.x[:20_000].long().view(40, 500)  # each begins with nothing before it


def text_row(name, nats, stored):
    bits = nats / pieces.numel() / math.log(2)
    return {"model": name, "contexts stored": stored, "bits a character": round(bits, 2), "perplexity": round(2**bits, 1)}


rows = []
for n in (1, 2, 3, 4, 6):
    counts = ar.NGram(manual.x.long(), 96, n)
    nats = -sum(counts.log_prob(piece) for piece in pieces).item()
    rows.append(text_row(f"{n}-gram", nats, f"{sum(map(len, counts.counts)):,}"))
lstm = checkpoints.load("char_lstm")
with torch.no_grad():
    rows.append(text_row("LSTM", -lstm.log_prob(pieces).sum().item(), "none"))
table([*rows, text_row("uniform", pieces.numel() * math.log(96), "none")])

# %% [markdown]
# > **What to notice.** Longer contexts help until they are too rare: from 4-gram to 6-gram the table grows sevenfold and gains a tenth of a bit. The LSTM has no table, and is as unsure as among 4 characters.
#
# An **LSTM** keeps a state instead of a table: it reads a character, changes the state, and predicts the next. Trained by teacher forcing, as above. (Transformers, which look back instead of remembering, have lecture 09.)
#
# **Predict first.** Set *top k* to 1: the likeliest character is always taken. What will the text look like?

# %%
widgets.NextCharacterExplorer(lstm, manual)

# %% [markdown]
# > **What to notice.** After `The import statemen` the next character is sure; after `The ` a dozen are likely. With *top k* at 1 most prompts soon run into the same phrase, and then into blanks without end: the likeliest text is not a typical one. High temperature invents words.
# > **Top-k** keeps the $k$ likeliest; $k$ is too many where one is sure and too few where fifty are fine. The **nucleus** keeps as few as reach probability $p$ together, so it adapts.

# %%
show_source(ar.top_k)
show_source(ar.nucleus)
torch.manual_seed(3)
start = datasets.encode("The import statement ").long()[None]
for name, keep in {"everything": lambda z: z, "top 5": lambda z: ar.top_k(z, 5), "nucleus 0.8": lambda z: ar.nucleus(z, 0.8)}.items():
    print(f"--- {name}\n{manual.decode(lstm.sample(1, 260, keep=keep, start=start)[0])}\n")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · Break it: training on your own guesses
#
# In training the model reads true text; when sampling, its own. After a slip it is in a place that it has never seen (**exposure bias**). An old cure is **scheduled sampling**: in training, feed the model its own guess now and then, and more often as training goes on.
#
# Take the smallest text there is: two characters, always equal, `aa` or `bb`. **Predict first.** What does the second prediction learn if the first character it reads is its own guess, and the target the true one?

# %%
pairs = torch.randint(2, (2000, 1)).expand(-1, 2).contiguous()
rows = []
for own in (0.0, 0.5, 1.0):
    training.seed_everything(0)
    model = ar.CharLSTM(symbols=2, width=16)
    training.fit(
        model,
        pairs,
        steps=300,
        batch_size=100,
        lr=1e-2,
        step=lambda run, x, own=own: run.update(run.model.loss(x, own)) or {},
        progress=False,
    )
    drawn = model.sample(1000, 2)
    rows.append(
        {
            "own guesses": f"{own:.0%}",
            "bits for a pair": round(-model.log_prob(pairs).mean().item() / math.log(2), 2),
            "samples that are a pair": f"{(drawn[:, 0] == drawn[:, 1]).float().mean():.0%}",
        }
    )
table(rows)


# %% [markdown]
# > **What to notice.** Teacher forcing finds the truth: one bit, all samples are pairs. Fed with its own guesses, which have nothing to do with this pair's second character, the model learns to *ignore what it reads*; fed with half of each, it trusts what it reads half as much as it should. Scheduled sampling can help a model that is too small. It is not maximum likelihood, and more data do not bring it back.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · Numbers
#
# On MNIST's 10,000 test images; exact, unless a bound is named. Left, pixels drawn as black or white (nats an image); right, all 256 grey levels (bits a pixel). Lower is better.

# %%
def row(name, what):
    entry = checkpoints.record(name)
    n = entry["numbers"]
    return {
        "model": what,
        "nats": f"{n['nll']:.1f}" if "nll" in n else "",
        "bits/dim": f"{n['bits_per_dim']:.3f}" if "bits_per_dim" in n else "",
        "weights": f"{entry['parameters']:,}",
        "training": f"{entry['steps']:,} steps, {entry['minutes']:.0f} min on {entry['device']}",
    }


def published(what, nats, bits, weights, training):
    return {"model": what, "nats": nats, "bits/dim": bits, "weights": weights, "training": training}


table(
    [
        {
            "model": "each pixel by itself",
            "nats": f"{alone:.1f}",
            "bits/dim": "",
            "weights": "784",
            "training": "counting 4,000 digits; 1,000 test images",
        },
        *(row(name, what) for what, name in shipped.items()),
        row("pixelcnn_classes", "gated, told the digit"),
        published("pytorch-generative: PixelCNN", "81.45", "", "54,000", "457 epochs, GPU"),
        published("pytorch-generative: gated PixelCNN", "81.50", "", "3,360,000", "457 epochs, GPU"),
        row("vae", "VAE of lecture 02, a bound") | {"nats": f"{-checkpoints.record('vae')['numbers']['iwae_bound']:.1f}"},
        row("pixelcnn_8bit", "gated PixelCNN, 256-way"),
        row("spline", "spline flow of lecture 04, a bound"),
        published("UvA tutorial 12: gated PixelCNN", "", "0.808", "852,000", "150 epochs, GPU"),
    ]
)

# %% [markdown]
# > **What to notice.** Neighbours count: the gated model needs 7 nats less than MADE, with a seventh of its weights. It beats the VAE's bound from lecture 02, and exactly, with no bound at all. The plain PixelCNN is behind MADE: it is small, and blind.
# > Told the digit, a model of half the size is as good: the label is worth a few nats. Published numbers come from hundreds of epochs on a GPU; our gated models saw two to four epochs, on one thread of a busy CPU.
# > On grey levels it is ahead of the flow. Compare only within a column: nats of black-and-white images say nothing of bits of grey ones.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · Check yourself
#
# <details><summary><b>1.</b> Your PixelCNN reports 2 nats an image on binarised digits. Celebrate?</summary>
#
# No. The best published models need more than 75. A pixel sees itself: mask B in the first layer, a shortcut around the masked layer, or a shift that was forgotten. Take the gradient of one output.
# </details>
#
# <details><summary><b>2.</b> Is the chain rule an approximation? Does it need pixels to be independent?</summary>
#
# Neither. It holds for every distribution and every order. What approximates is the <i>network</i> that answers each question.
# </details>
#
# <details><summary><b>3.</b> Why is a mask B in the second layer no leak, though it keeps the centre?</summary>
#
# What stands at the centre after the first layer has been computed from earlier pixels only. Mask A everywhere would be safe too, but each layer would throw its nearest information away.
# </details>
#
# <details><summary><b>4.</b> A model has 1.2 bits a character. What is its perplexity, and what does it mean?</summary>
#
# 2<sup>1.2</sup> = 2.3: as unsure as a fair choice among 2.3 characters. <i>Not</i> e<sup>1.2</sup>: that would be for nats.
# </details>
#
# <details><summary><b>5.</b> Cached samples look fine, but differ from the naive ones under the same uniforms. Is that good enough?</summary>
#
# No. They come from another distribution than the one whose likelihood you report. Usual causes: the cache is one step late, a padding that is not zero, or a bias added twice.
# </details>
#
# <details><summary><b>6.</b> Why does nucleus sampling with p = 0.9 sometimes keep 1 character and sometimes 40?</summary>
#
# It keeps as few as reach 0.9 together. Where the model is sure, one does. Top-k would keep k in both places.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16 · Summary, and when things go wrong
#
# - The chain rule turns any distribution into small questions. Masks let one network answer all of them in one pass, so training is parallel and the likelihood is exact.
# - Sampling goes one value after the other. A cache removes the repeated work, not the waiting; guessing in parallel removes some of the waiting.
# - There is no latent code, so nothing to interpolate in. For compression you need none: $-\log_2p(x)$ is the length of a code. On our digits the likelihood is the best so far.
#
# | you see | look at | cure |
# |---|---|---|
# | a loss too good to be true | gradient of one output | mask A first; shift the input; colour order |
# | good loss, samples black or dust | the order of drawing; the cache; a leak | compare with the naive loop under the same uniforms |
# | loss NaN or infinite with logistics | σ(a) − σ(b), tiny scales | the form with three logs; clamp log-scales |
# | the upper part of a completion does not fit | what comes first | another order, or a model trained on several |
# | one colour looks random | which colours a head sees | red, green given red, blue given both |
# | text runs in circles | temperature 0 | a nucleus of 0.9, temperature near 1 |
# | training loss far below the test loss | few data, many weights | fewer weights, more data, stop early |
# | sounds are hiss | receptive field, temperature | more dilations; $T$ a little below 1 |
#
# **Cost.** One pass gives the likelihood of everything. One sample takes as many steps as there are values; the cache holds width × layers × the rows and columns that the kernels reach.
# **Several GPUs**: `accelerate launch -m course_lib train pixelcnn_8bit_large --preset gpu`.
#
# **Care.** A language model that has read a text may recite it, names and numbers included, when it is led there. The manual is public; your users' emails are not. Exact likelihood makes memorised pieces easy to find: they are far too likely.
#
# **Now you**: [exercise 05](../exercises/05_autoregressive/05_autoregressive.ipynb), 20 points.
#
# **Read on.** Larochelle & Murray, NADE (2011) · Germain et al., MADE (arXiv:1502.03509) · van den Oord et al., PixelRNN (arXiv:1601.06759), gated PixelCNN (arXiv:1606.05328) and WaveNet (arXiv:1609.03499) ·
# Salimans et al., PixelCNN++ (arXiv:1701.05517) · Ramachandran et al., *Fast Generation* (arXiv:1704.06001) · Song et al., *Accelerating Feedforward Computation* (arXiv:2002.03629) ·
# Holtzman et al., *The Curious Case of Neural Text Degeneration* (arXiv:1904.09751) · Bengio et al., scheduled sampling (arXiv:1506.03099) and Huszár's answer (arXiv:1511.05101) · Graves (arXiv:1308.0850)
