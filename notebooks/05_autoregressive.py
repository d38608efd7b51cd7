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
# - choose an output: on or off, one of 256, or a mixture of logistics, and for colours red, green and blue in turn; read it in nats, bits and perplexity,
# - sample with a cache, and say why it is still slow; turn probabilities into a file of sixteen bytes, and back,
# - steer samples by temperature, top-k and nucleus, complete what is missing, and say which parts cannot be completed,
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
import copy
import io
import itertools
import math
import re
import time
import zlib

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Audio, display
from PIL import Image
from torch.nn import functional as F

from course_lib import autoregressive as ar
from course_lib import checkpoints, datasets, distributions, metrics, training
from course_lib.autoregressive import coding
from course_lib.datasets import binarise, faces
from course_lib.metrics import leaderboard
from course_lib.nn import MaskedLinear, masked_mlp
from course_lib.plotting import LossPlot, curves, show_images, show_source, table
from course_lib.recipes import preset_for, recipes
from course_lib.widgets import autoregressive as widgets
from course_lib.widgets.pixels import across_the_edge

training.seed_everything(0)
digits, unseen = datasets.load("mnist_small", "train"), datasets.load("mnist_small", "test")
torch.manual_seed(0)
black_and_white, new_digits = binarise(digits.x), binarise(unseen.x)
live = ar.LIVE[preset_for()].options()  # what this machine can train while you watch


def coins(n, seed):
    """Uniform random numbers, one for each pixel of n images, (n, 784)."""
    return torch.rand(n, 784, generator=torch.Generator().manual_seed(seed))


# %% [markdown]
# ## First, play
#
# A network draws a digit one pixel after the other, row by row from the top. Before each pixel it looks at those already there, and says how likely "on" is. Then a coin is tossed that shows "on" with just this probability.
#
# **Predict first.** At which row will you know the digit? Below the pen there are orange guesses: are they a forecast of the finished digit?

# %%
gated = checkpoints.load("pixelcnn_gated")
pen = widgets.DrawingExplorer(gated)
pen

# %% [markdown]
# > **What to notice.**
# >
# > - A stroke that has begun is carried on: below a white pixel the model expects white.
# > - When is the digit decided? Keep the top quarter of a drawing and let the rest be drawn again: in about one case of four it becomes the same digit. Keep the top half: in about six of ten. Keep three quarters: in nearly nine of ten. (The network of lecture 07 reads the digits; by chance it would be one in ten.)
# > - Only the framed pixel's probability counts. The orange guesses are no forecast, for each takes what is undrawn before it as black. Together they expect less than half of the ink that comes.
# > - The chart shows the price. Naively each of the 784 pixels takes a whole pass of the network. Section 9 makes that cheap.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
with torch.no_grad():
    expects = gated.logits(new_digits[::10])[:, 0, 0].sigmoid()
white_above = new_digits[::10, 0, :-1].bool()
assert expects[:, 1:][white_above].mean() > 0.6 and expects[:, 1:][~white_above].mean() < 0.1
drawings, same = ar.sample_cached(gated, 40, uniforms=coins(40, 0)), {}
for kept_rows in (7, 14, 21):  # a quarter, a half, three quarters
    kept = (torch.arange(28).view(1, 1, 28, 1) < kept_rows).expand(120, 1, 28, 28)
    redrawn = ar.sample_cached(gated, 120, uniforms=coins(120, 1), given=drawings.repeat_interleave(3, 0), known=kept)
    named = metrics.digit_probabilities(redrawn.float()).argmax(1).view(40, 3)
    same[kept_rows] = (named == metrics.digit_probabilities(drawings.float()).argmax(1)[:, None]).float().mean()
    if kept_rows == 14:
        with torch.no_grad():
            orange = gated.logits(drawings * kept[:40])[:, 0, 0].sigmoid()[:, 14:].sum((1, 2)).mean()
        assert orange < 0.5 * redrawn[:, 0, 14:].sum((1, 2)).float().mean()
# standard errors near 0.05: 40 drawings, each redrawn three times
assert 0.1 < same[7] < 0.38 and 0.45 < same[14] < 0.75 < same[21] < 0.97 and same[7] < same[14] < same[21]
assert gated.shape == (1, 28, 28) and 28 * 28 == 784

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · The naive attempt: each pixel by itself
#
# Our digits are made black and white: a pixel of grey level $g\in[0,1]$ becomes 1 with probability $g$, anew each time (`binarise`). 784 pixels, on or off: $2^{784}$ images. A table with one probability for each cannot be written down. The cheapest way out: pretend that pixels do not depend on each other,
#
# $$p(x)=\prod_i p(x_i)$$
#
# and count how often each is on. (A pixel that was never on gets 1 in 1,000, or its first appearance would cost infinitely much.)
# What a digit costs is $-\log p(x)$, in nats; lower is better.
#
# **Predict first.** What will samples look like?

# %%
on = black_and_white.float().mean(0).clamp(1e-3, 1 - 1e-3)
alone = -(new_digits * on.log() + (1 - new_digits) * (1 - on).log()).flatten(1).sum(1).mean()
show_images(torch.cat([new_digits[::100], torch.bernoulli(on.expand(10, -1, -1, -1))]), columns=10, row_labels=["digits", "samples"])
print(f"each pixel by itself: {alone:.1f} nats an image")


# %% [markdown]
# > **What to notice.**
# >
# > - Dust in the shape of an average digit.
# > - Each pixel is on as often as it should be, and knows nothing of its neighbour. In digits, neighbours agree.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
def bond(x):
    """Covariance of a pixel with its right neighbour, mean over the image."""
    x = x.float() - x.float().mean(0)
    return (x[..., 1:] * x[..., :-1]).mean().item()


dust = torch.bernoulli(on.expand(1000, -1, -1, -1), generator=torch.Generator().manual_seed(0))
assert (dust.mean(0) - new_digits.mean(0)).abs().mean() < 0.02
assert abs(bond(dust)) < 0.05 * bond(new_digits)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · The chain rule
#
# Let each pixel know of those *before* it. Put the pixels in any order; then, for **every** distribution,
#
# $$p(x)=p(x_1)\,p(x_2\mid x_1)\,p(x_3\mid x_1,x_2)\cdots=\prod_{i=1}^{D}p(x_i\mid x_{<i})$$
#
# Here $x_{<i}$ is short for $x_1,\dots,x_{i-1}$, and $D$ is the number of pixels. Each factor is a fraction, $p(x_i\mid x_{<i})=p(x_1,\dots,x_i)\,/\,p(x_1,\dots,x_{i-1})$. Its numerator is the next one's denominator, so all cancel but $p(x)$. Nothing is approximated.
#
# A model of this form is **autoregressive**. It has to answer $D$ small questions, each about a single pixel. Answers to small questions are easy to normalise.
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
# > **What to notice.**
# >
# > - Nearly half of the nats are gone, and strokes appear.
# > - And that is without a hidden layer.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
with torch.no_grad():
    binarised_anew = [-linear.log_prob(binarise(unseen.x, generator=torch.Generator().manual_seed(seed))).mean() for seed in range(5)]
assert 0.42 < 1 - torch.stack(binarised_anew).mean() / alone < 0.5 and torch.stack(binarised_anew).std() < 0.5
assert len(linear.net) == 1 and linear.direct is None
lines = linear.sample(60, uniforms=coins(60, 0))
assert bond(lines) > 0.5 * bond(new_digits) > 10 * abs(bond(dust))


# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · All questions in one pass: MADE
#
# We want networks instead of one linear layer, but not 784 of them. **MADE** takes one ordinary network from $x$ to 784 logits and cuts connections until output $i$ has no path from $x_i$ or anything after it.
#
# Each hidden unit gets a number $m$, its **degree**: it may see the first $m$ pixels and no others. Input $j$ counts as $m=j$. Two rules follow.
#
# - A connection from unit $m$ to unit $m'$ stays if $m'\ge m$.
# - Output $i$ listens to units with $m<i$.
#
# Along a path from input $j$ the degrees never fall: $j\le m\le m'<i$. So only inputs $j<i$ reach output $i$.

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
# > **What to notice.**
# >
# > - Dark is a connection, rows are outputs. The last picture follows them all the way through the hidden layers: only what lies *below* the diagonal is left.
# > - The first output has no input at all. It is a bias, as $p(x_1)$ should be.
# > - Beside this network our MADE keeps the logistic regressions of before (`direct`). So the hidden layers need only learn what those cannot say.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert (through.triu() == 0).all() and (through.tril(-1) > 0).sum() == 15 and not through[0].any()
assert all((later <= earlier).all() for layer in layers for later, earlier in zip(layer.mask.T.float()[1:], layer.mask.T.float()))
with torch.no_grad():  # without hidden layers' output the regressions are left
    bare = copy.deepcopy(small)
    bare.net[-1].weight.zero_()
    bare.net[-1].bias.zero_()
    some = torch.rand(5, 6).round()
    assert torch.allclose(bare.in_turn(some), F.linear(some, small.direct[0].weight * small.direct[0].mask, small.direct[0].bias))

# %% [markdown]
# **Test it** in two ways.
#
# 1. The gradient of output $i$ is zero for inputs $i,i+1,\dots$
# 2. On a 3 × 3 grid there are only 512 images: their probabilities must add up to 1.
#
# Then let each output see its own pixel, a **leak**. Both tests fail: each output still lies between 0 and 1, but their product is no distribution any more.

# %%
torch.manual_seed(0)
model = ar.MADE((1, 3, 3), hidden=(32, 32))
leaking = copy.deepcopy(model)
leaking.direct[0].mask.fill_diagonal_(1)
point = torch.rand(9)
everything = torch.tensor(list(itertools.product([0.0, 1.0], repeat=9))).view(512, 1, 3, 3)
for name, tested in {"masked": model, "with a leak": leaking}.items():
    jacobian = torch.autograd.functional.jacobian(lambda x, tested=tested: tested.logits(x.view(1, 1, 3, 3)).flatten(), point)
    with torch.no_grad():
        total = tested.log_prob(everything).exp().sum()
    print(f"{name}: largest gradient on or above the diagonal {jacobian.triu().abs().max():.2g}; sum over all 512 images {total:.4f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Train it live: teacher forcing
#
# The loss is $-\log p(x)=-\sum_i\log p(x_i\mid x_{<i})$. With $p_i=\sigma(\ell_i)$ each term is a binary cross-entropy, $-x_i\log p_i-(1-x_i)\log(1-p_i)$.
#
# The network always sees the *true* pixels before $i$, never its own guesses. This is called **teacher forcing**. It is no trick: it is what the formula says. And it makes training parallel, since no pixel waits for another.
#
# (In sampling the guesses are all there is. Section 14 asks whether that matters.)

# %%
training.seed_everything(0)
made = training.fit(ar.MADE(), digits.x, prepare=binarise, watch=LossPlot(), **live | {"steps": 150, "batch_size": 100, "lr": 3e-2}).model
shipped_made, plain = checkpoints.load("made"), checkpoints.load("pixelcnn_blind")
moved = new_digits.roll(3, 3)  # three pixels to the right
rows = []
with torch.no_grad():
    for name, model in {"yours": made, "MADE, shipped": shipped_made, "PixelCNN of section 5": plain}.items():
        nats = [-model.log_prob(x).mean().item() for x in (new_digits, moved)]
        rows.append({"model": name, "nats": f"{nats[0]:.1f}", "nats, digits moved by 3 pixels": f"{nats[1]:.1f}"})
show_images(torch.cat([made.sample(10), shipped_made.sample(10)]), columns=10, row_labels=["yours", "shipped"])
table(rows)

# %% [markdown]
# > **What to notice.**
# >
# > - Yours draws pieces of digits. The shipped model was trained longer, on 59,000 digits, and needs some nats fewer.
# > - Move every digit three pixels to the right, and both MADEs lose dozens of nats. They have other weights for each place, more than a million in all. What was learned of a stroke at one place does not serve at another.
# > - The network of the next section uses the same few weights everywhere. Moving costs it little.
# > - Is less always better here? No: our digits are centred, so a moved one *is* rarer, and a perfect model would mind, too.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
cost = {row["model"]: [float(row["nats"]), float(row["nats, digits moved by 3 pixels"])] for row in rows}
assert cost["MADE, shipped"][0] < cost["yours"][0] - 3 and f"{59_000:,}" in checkpoints.record("made")["data"]
assert (
    all(cost[name][1] > cost[name][0] + 40 for name in ("yours", "MADE, shipped")) and new_digits[..., 25:].sum() < 0.01 * new_digits.sum()
)
assert cost["PixelCNN of section 5"][1] < cost["PixelCNN of section 5"][0] + 15
centre = unseen.x.float().sum((1, 2)) @ torch.arange(28.0) / unseen.x.float().sum((1, 2, 3))
assert (centre - centre.mean()).abs().mean() < 1  # centred: three pixels are far
sizes = {name: checkpoints.record(name)["parameters"] for name in ("made", "pixelcnn_blind")}
assert sizes["made"] > 1e6 and sizes["pixelcnn_blind"] < sizes["made"] / 5

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
# > **What to notice.**
# >
# > - The **receptive field** grows up and to the left.
# > - Above and to the right there is a part that it never reaches, however many layers there are: the **blind spot**. With each row up it can go right by half a kernel at most: one pixel for 3 × 3, two for 5 × 5.
# > - With 5 × 5 the blind spot is smaller, but it is there.
# > - Set the first mask to B. The pixel sees itself. Is that good or bad? The next cells show it.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
field = widgets.ReceptiveFieldExplorer()


def spots(layers, kernel=3, mask="A"):
    """The kinds of all pixels for the output: 1 seen, 2 seen with more layers, 3 blind spot, 4 later."""
    field.layers.value, field.kernel.value, field.first_mask.value = layers, kernel, mask
    return field.kinds()


assert all((spots(8)[0] == 1).sum() > (spots(n)[0] == 1).sum() for n in (1, 3, 5))
assert {(spots(n)[0] == 3).sum() for n in (1, 3, 8)} == {28} and 0 < (spots(3, 5)[0] == 3).sum() < 28
for kernel in (3, 5):  # what is in sight ends one step further right with each row up
    kinds = spots(8, kernel)[0]
    assert [max(np.flatnonzero(kinds[8 - up] != 3)) for up in (1, 2, 3)] == [6 + kernel // 2 * up for up in (1, 2, 3)]
assert spots(3, mask="B")[1] and not spots(3)[1]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · Break it: one wrong letter
#
# **Predict first.** Train a PixelCNN whose first mask is B. Will its loss be better or worse than the honest one's? And its samples?

# %%
training.seed_everything(0)
leaky = ar.PixelCNN(width=16, layers=3, residual=True)
leaky.net[0].mask.copy_(ar.causal_mask(7, "B"))
honest = ar.PixelCNN(width=16, layers=3, residual=True)
losses = {}
for name, model in {"A, then B": honest, "B from the start": leaky}.items():
    run = training.fit(model, digits.x, prepare=binarise, progress=False, **live | {"steps": 100, "lr": 1e-2})
    losses[name] = ([r["step"] for r in run.history], [r["loss"] for r in run.history])
curves(losses, y_label="nats an image", title="The loss of the leaky model is wonderful")
torch.manual_seed(3)
samples = torch.cat([ar.sample_naive(model, 8).float() for model in (honest, leaky)])
show_images(samples, columns=8, row_labels=["A, then B", "B"])

# %% [markdown]
# > **What to notice.**
# >
# > - The leaky model reads the answer and copies it: nearly 0 nats, where the best published models need more than 75.
# > - Its samples are black. When it draws there is nothing to copy but the empty canvas.
# > - Its number is no likelihood. It gives fifty different digits a "probability" near 1 *each*, and all images together may have 1.
# > - **A likelihood that is too good is a leak until proven otherwise.**
#
# One backward pass finds a leak. Take one output, and ask which inputs it depends on.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert losses["B from the start"][1][-1] < 1 and losses["A, then B"][1][-1] > 75 and samples[8:].float().mean() < 0.01
with torch.no_grad():  # put another canvas before it, and it copies that
    assert leaky.log_prob(new_digits[::20]).exp().mean() > 0.5 and len(new_digits[::20]) == 50
    for other in (new_digits[:50], new_digits[:50].flip(2)):
        assert ((leaky.logits(other)[:, 0, 0] > 0) == other[:, 0].bool()).float().mean() > 0.98


# %%
def sees(model, row, column, *label):
    """Which pixels the output at (row, column) depends on: bool (height, width)."""
    x = torch.rand(1, *model.shape, requires_grad=True)
    model.logits(x, *label)[0, :, :, row, column].pow(2).sum().backward()
    return x.grad[0].abs().sum(0) > 0


for name, model in {"honest": honest, "leaky": leaky}.items():
    seen = sees(model, 14, 14)
    print(f"{name}: sees itself {seen[14, 14].item()}, sees later pixels {(seen.flatten()[14 * 28 + 15 :]).any().item()}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · No blind spot: two stacks and gates
#
# The **gated PixelCNN** splits the work.
#
# - A *vertical* stack sees all rows above, to both sides. It may: they are all past.
# - A *horizontal* stack sees its own row to the left, and is told what the vertical one found.
#
# Never the other way round. What the horizontal stack knows one column further right includes this very pixel, and the vertical stack, which looks to both sides, would bring it back.
#
# There is no mask A here. Both inputs are moved by one place, once, before the first layer. After that, each layer may look at its own place.
#
# Each layer ends in a **gated activation unit**, $\tanh(a)\odot\sigma(b)$, entry by entry: one half of the channels says what, the other how much. **Dilated** kernels, whose taps lie two or four pixels apart, make the field large with few layers.

# %%
show_source(ar.GatedPixelCNN.features)
show_source(ar.GatedLayer.forward)
seen = sees(gated, 14, 14)
past = torch.arange(784).view(28, 28) < 14 * 28 + 14
blind = sees(plain, 14, 14)
reach = sum(gated.config["dilations"])
print(f"pixels before (14, 14): {past.sum()}; the gated model sees {(seen & past).sum()}, and {(seen & ~past).sum()} others")
print(f"its layers reach {1 + reach} columns to each side and {2 + reach} rows up")
print(f"the plain PixelCNN sees {(blind & past).sum()}, and {(blind & ~past).sum()} others")

# %% [markdown]
# > **What to notice.**
# >
# > - Neither sees itself or a later pixel.
# > - What the gated model misses lies beyond the reach of its layers, and more layers bring it in. The plain model's missing corner stays missing.
# > - What is the corner worth? Take it from the logistic regressions of section 2 and train them again, with all else the same: they need about 2 nats more, of more than a hundred. Little, but not nothing. Other networks may miss it less, or more.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
missing = (past & ~seen).nonzero() - 14
assert (
    ((missing[:, 0].abs() > 2 + reach) | (missing[:, 1].abs() > 1 + reach)).all() and not (seen & ~past).any() and not (blind & ~past).any()
)
bits = {"output": "bernoulli", "levels": 2}
assert (sees(ar.GatedPixelCNN(width=4, dilations=(*gated.config["dilations"], 8, 8), **bits), 14, 14) == past).all()
corner = past & (torch.arange(28)[None] - 14 > 16 - torch.arange(28)[:, None])  # its first kernel goes right by 3, the others by 1 a row
assert corner.sum() == 55 and (sees(ar.PixelCNN(width=4, layers=40, residual=True), 14, 14) == (past & ~corner)).all()
assert not (corner & blind).any()
row_of, column_of = torch.arange(784) // 28, torch.arange(784) % 28
up, right = row_of[:, None] - row_of[None], column_of[None] - column_of[:, None]  # of input j, seen from output i
training.seed_everything(0)
cornerless = ar.MADE(hidden=())
cornerless.net[0].mask.mul_(~((up > 0) & (right > up)))  # what 3 × 3 kernels never see
training.fit(cornerless, digits.x, steps=300, batch_size=100, lr=5e-2, prepare=binarise, progress=False)
with torch.no_grad():
    more = linear.log_prob(new_digits).mean() - cornerless.log_prob(new_digits).mean()
assert 1.4 < more < 2.7 and -linear.log_prob(new_digits).mean() > 100  # 2.04, 2.05, 2.03 from three seeds


class Talkative(ar.GatedLayer):  # the horizontal stack speaks to the vertical one: "never the other way round"
    def forward(self, v, h, given=None):
        return super().forward(v + h, h, given)


wrong = ar.GatedPixelCNN(width=4, **bits)
wrong.layers = torch.nn.ModuleList(Talkative(4, 3, d) for d in (1, 2))
assert sees(wrong, 14, 14)[14, 14]

# %% [markdown]
# **PixelRNN** goes another way. An **LSTM** (long short-term memory) is a network with a memory $c$, the **cell**. It reads one thing after the other. Each time it forgets a part of its memory and writes something new, both entry by entry:
#
# $$c=f\odot c_{\text{old}}+i\odot g,\qquad h=o\odot\tanh c$$
#
# The gates $f,i,o=\sigma(\cdot)$ (forget, input, output) and the candidate $g=\tanh(\cdot)$ are computed from the new input and the last output $h_{\text{old}}$. Where $f=1$ and $i=0$ the memory is kept as it is, for as long as you like.
#
# Ours is a **row LSTM**: it runs down the image, a whole row at a time. Its new input is the row, its $h_{\text{old}}$ that of the row above, three columns wide. (The paper's **diagonal** one runs from corner to corner.)
#
# So its memory reaches any number of rows up, but with each row only one column further to each side. It has a blind spot too: choose *row LSTM* in the picture of section 5. And rows wait for each other, in training too.

# %%
widgets.row_lstm_figure()
show_source(ar.PixelRNN.logits, open=False)

# %%
shipped = {"MADE": "made", "PixelCNN, blind": "pixelcnn_blind", "row LSTM": "pixelrnn", "gated PixelCNN": "pixelcnn_gated"}
measured = {row["name"]: row["fid"] for row in leaderboard.read()["rows"]}
torch.manual_seed(5)
labels = [f"{label}, FID {measured[name]:.0f}" for label, name in shipped.items()]
show_images(torch.cat([checkpoints.load(name).sample(10).float() for name in shipped.values()]), columns=10, row_labels=labels)

# %% [markdown]
# > **What to notice.**
# >
# > - Ten samples of each rank nothing. The **FID** of lecture 07 measures how far 10,000 samples lie from real digits; lower is closer.
# > - By FID none is near real digits made black and white: those have 39.5.
# > - The four are of unlike sizes, and were trained for unlike times. Section 15 has all that, and the nats.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
board = leaderboard.read()
black_floor = leaderboard.floors(board)[1]
assert board["samples"] == 10_000 and round(black_floor["fid"], 1) == 39.5
assert all(measured[name] > 1.5 * black_floor["fid"] for name in shipped.values())
rnn = checkpoints.load("pixelrnn")
tall = sees(rnn, 27, 14)
assert tall[0].any() and all(tall[up].nonzero().max() <= 14 + 3 + (27 - up) for up in range(27)) and not tall[20, 26:].any()
upright = copy.deepcopy(rnn)
with torch.no_grad():
    upright.across.weight.zero_()  # without the three columns of the row above only its own column's memory is left
assert sees(upright, 27, 14)[0].any() and sees(upright, 27, 14)[:, 18:].sum() == 0

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
# $$P(k)=\sum_c\pi_c\Big[\sigma\!\Big(\frac{k+\tfrac12-m_c}{s_c}\Big)-\sigma\!\Big(\frac{k-\tfrac12-m_c}{s_c}\Big)\Big]$$
#
# Here $\sigma$ is the cumulative distribution of a logistic bell, $m_c$ its middle and $s_c$ its width. The outer bins reach to infinity, so that the areas add up to 1. (The code scales 0…255 to $[-1,1]$, so ½ becomes $1/255$.)
#
# The picture has three more sliders. **Temperature** divides the logits by $T$ before the softmax. **Top-k** keeps the $k$ likeliest values, the **nucleus** the fewest that reach probability $p$ together; the rest is cut off. Sections 11 and 13 use them.
#
# **Predict first.** On digits, which values does the 256-way output give a peak, and where? Take a pixel on an edge.

# %%
grey = checkpoints.load("pixelcnn_8bit")
widgets.NextPixelExplorer(grey, unseen.x[::100])

# %% [markdown]
# > **What to notice.**
# >
# > - Nothing in a softmax says that 180 and 181 are neighbours. It found out: its bars form a hill.
# > - The hill is ragged, and that is learned, too. Some grey values are more frequent than their neighbours in the data, and its small peaks stand where theirs do.
# > - Black and nearly white have peaks of their own. In the background nearly all mass is on 0.
# > - Temperature flattens or sharpens. Top-k and the nucleus cut the feet of the hill off.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
with torch.no_grad():
    chance = torch.cat([grey.logits(part)[:, 0].softmax(1) for part in unseen.x[::50].split(10)]).movedim(1, 3)
spread = -(chance * chance.clamp_min(1e-30).log2()).sum(3)
hills = chance[spread > 6.5]  # where the model is least sure: at edges
inner = hills[:, 2:250]
jumps = [v.diff(dim=1).abs().sum(1).mean() for v in (inner, inner[:, torch.randperm(248, generator=torch.Generator().manual_seed(0))])]
assert len(hills) > 300 and jumps[0] < 0.5 * jumps[1]  # neighbours are alike: with values shuffled they are not
assert ((inner[:, 1:-1] > inner[:, :-2]) & (inner[:, 1:-1] > inner[:, 2:])).sum(1).float().mean() > 40  # ragged: many small peaks
often = torch.bincount(digits.x.flatten().long(), minlength=256)[2:250].float().log()
rough = [v - F.avg_pool1d(v[None, None], 9, 1, 4, count_include_pad=False)[0, 0] for v in (inner.log().mean(0), often)]
assert np.corrcoef(*rough)[0, 1] > 0.7
assert (inner[:, 178] - inner[:, 179]).abs().mean() < 0.7 * (inner[:, 178] - inner[:, 60]).abs().mean()  # values 180 and 181
average = hills.mean(0)
assert average[0] > 5 * average[1:6].max() and average[251:256].max() > 2 * average[240:250].max()
far_from_ink = F.max_pool2d(unseen.x[::50].float(), 9, 1, 4)[:, 0] == 0
assert chance[..., 0][far_from_ink].mean() > 0.99
small_bins = distributions.logistic_bin_log_prob(torch.arange(256) / 127.5 - 1, torch.tensor(0.3), torch.tensor(-4.0))
assert abs(small_bins.exp().sum() - 1) < 1e-4
flat, sharp = ((logits / t).softmax(0).max() for logits in [hills[0].log()] for t in (2.0, 0.5))
assert flat < hills[0].max() < sharp and (ar.nucleus(hills[0].log(), 0.9).isfinite().nonzero().flatten() > 0).float().mean() > 0.9

# %% [markdown]
# **A trap.** Call the two arguments of $P(k)$ above $a$ and $b$. At small scales $\sigma(a)-\sigma(b)$ subtracts two numbers that are nearly equal. In float32 the digits that differ are lost, and the loss becomes $\log 0$.
#
# The same number is $\log\sigma(a)+\log\sigma(-b)+\log(1-e^{b-a})$, without that subtraction. The last term comes from `expm1`, and $b-a=-1/s_c$ is known without subtracting.

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
# **Which is better?** The same small gated model on the 8 × 8 digits of scikit-learn, 17 grey levels, with both outputs, from three seeds. Then the same from two seeds, with the grey levels exchanged by one fixed shuffle: 3 may be called 11, and 4 be called 0.
#
# **Predict first.** Which output minds?

# %%
tiny = [datasets.load("digits8", part).x for part in ("train", "test")]
levels = [(x.float() / 255 * 16).round().to(torch.uint8) for x in tiny]
renamed = torch.randperm(17, generator=torch.Generator().manual_seed(1)).to(torch.uint8)
rows, results = [], {}
for order, parts, seeds in (("in order", levels, (0, 1, 2)), ("shuffled", [renamed[x.long()] for x in levels], (0, 1))):
    for output in ("categorical", "logistic"):
        early, late = [], []
        for seed in seeds:
            training.seed_everything(seed)
            model = ar.GatedPixelCNN((1, 8, 8), width=16, dilations=(1, 2), output=output, levels=17)
            run = training.fit(model, parts[0], progress=False, log_every=15, **live | {"steps": 105})
            early.append(run.history[1]["loss"] / 64 / math.log(2))
            with torch.no_grad():
                late.append(model.bits_per_dim(parts[1]).mean().item())
        results[order, output] = np.array([early, late])
        (a, b), (c, d) = ((v.mean(), v.std(ddof=1)) for v in results[order, output])
        rows.append(
            {
                "grey levels": order,
                "output": output,
                "bits a pixel, step 30": f"{a:.2f} ± {b:.2f}",
                "new digits, at the end": f"{c:.2f} ± {d:.2f}",
            }
        )
table(rows)

# %% [markdown]
# > **What to notice.**
# >
# > - With levels in order the mixture starts lower. A step that draws a bell towards 9 makes 8 and 10 likelier, too; the softmax learns each level by itself. By the end it has made up a part of the way.
# > - Shuffle the levels, and the mixture's head start is gone: its bells lie over values that have nothing to do with each other. Now the softmax ends lower.
# > - The softmax loses, too, but not by its output: exchange its 17 outputs in the same way, and it says what it said before. The shades are also its *input*, and there the shuffle hurts.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
lead = {order: results[order, "categorical"] - results[order, "logistic"] for order in ("in order", "shuffled")}
assert (lead["in order"][0] > 0).all() and lead["in order"][0].mean() > 0.1 and 0 < lead["in order"][1].mean() < lead["in order"][0].mean()
softmax = ar.GatedPixelCNN((1, 8, 8), width=8, dilations=(1,), levels=17)
exchanged, back_again = copy.deepcopy(softmax), renamed.long().argsort()
exchanged.heads[0][2].load_state_dict({name: v[back_again] for name, v in softmax.heads[0][2].state_dict().items()})
with torch.no_grad():  # inputs as they were, only the names of the outputs exchanged
    x = levels[1][:20]
    assert torch.allclose(exchanged.score(exchanged.logits(x), renamed[x.long()]), softmax.log_prob_map(x), atol=1e-5)
assert (lead["shuffled"][0] < -0.3).all() and (lead["shuffled"][1] < -0.03).all()
assert results["shuffled", "categorical"][1].mean() > results["in order", "categorical"][1].mean() + 0.1
bells = torch.tensor([0.0, -0.6, -1.5]).repeat_interleave(5).requires_grad_()  # weights, middles at level 3, log-scales
mixture = lambda v: distributions.logistic_mixture_log_prob(torch.arange(17) / 8 - 1, *v.view(3, 5), 17)  # noqa: E731
for log_p, v, risers in ((mixture, bells, {8, 9, 10}), (lambda v: v.log_softmax(0), torch.zeros(17).requires_grad_(), {9})):
    (slope,) = torch.autograd.grad(log_p(v)[9], v)
    change = log_p(v + 0.05 * slope) - log_p(v)
    assert set((change[7:12] > 0).nonzero().flatten().tolist()) >= {k - 7 for k in risers} and (len(risers) == 3 or (change > 0).sum() == 1)

# %% [markdown]
# **Colours** are drawn in order too: $p(x_i\mid x_{<i})=p(r\mid x_{<i})\;p(g\mid r,x_{<i})\;p(b\mid r,g,x_{<i})$ for the red $r$, green $g$ and blue $b$ of pixel $i$. In a masked convolution each channel belongs to a colour. At the *centre* it may listen to earlier colours only (mask A), or to its own as well (B). Our gated network has a **head** for each colour instead: a small network that is given what is known of the pixels before, and the colours before its own as numbers.
#
# It was trained on the 60,000 faces of lecture 02, and is told ten words of each. The frame is where the hair may begin. **Predict first.** Choose the second likeliest *red* in place of the likeliest. What happens to green, and to blue?

# %%
painter, real_faces = checkpoints.load("pixelcnn_faces"), datasets.load("faces", "test")
people = real_faces.y[[12, 7, 8, 54, 37, 11]]
x = faces.draw(people[:1]).float().requires_grad_()
for i, name in enumerate(widgets.colours.NAMES):
    (gradient,) = torch.autograd.grad(painter.logits(x, faces.attributes(people[:1]))[0, i, :, 1, 3].pow(2).sum(), x)
    print(f"{name} at (1, 3) sees at its own place: {[n for n, g in zip(widgets.colours.NAMES, gradient[0, :, 1, 3]) if g != 0]}")
palette = widgets.ColourExplorer(painter, people, row=1, column=3)
palette.red.value = 2
palette


# %% [markdown]
# > **What to notice.**
# >
# > - Background or hair? Red says which: 255 or 40, one as likely as the other. Green and blue follow at once, 223 and 191 or 21 and 10.
# > - On average green costs less than red, and blue less than green: 0.33, 0.22 and 0.16 bits a pixel. As long as red is unknown, green would cost about as much as red.
# > - Give each pixel the red of another one, and green costs more than ten times as much. The head believes what it is given.
# > - The bits lie where something begins: more than half of them on one pixel in twenty. Three in four of these differ in colour from the pixel to the left and from the one above.
# > - The test faces have only 539 colours. Count them, without any network: blue costs 0.09 bits where red and green are known. Our blue knows all pixels before as well, and costs more. So this network has not quite learned which colours there are. Go to face 1, row 2, column 10. The second likeliest red there is 228, skin, which in all faces goes with a green of 190. The network gives that green about a third.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
def after(rank):
    """The red that is the rank-th likeliest in the picture, the likeliest green after it, and how likely that is."""
    palette.red.value = rank
    (red, green, _), (_, p, _), _ = palette.in_turn()
    return red, green, p[green].item()


assert after(1)[:2] == (255, 223) == faces.COLOURS["background"]["peach"][:2] and palette.in_turn()[0][2] == 191 and after(1)[2] > 0.95
assert after(2)[:2] == (40, 21) == faces.COLOURS["hair_colour"]["black"][:2] and palette.in_turn()[0][2] == 10 and after(2)[2] > 0.95
assert abs(palette.in_turn()[1][0][[255, 40]] - 0.5).max() < 0.1
with palette.held():
    palette.face.value, palette.row.value, palette.column.value = 1, 2, 10
assert after(2)[:2] == (228, 190) and 0.25 < after(2)[2] < 0.42
with palette.held():
    palette.face.value, palette.row.value, palette.column.value = 0, 1, 3
colours_of = real_faces.x.permute(0, 2, 3, 1).flatten(0, 2).long()
assert (colours_of[colours_of[:, 0] == 228] == torch.tensor([228, 190, 148])).all() and (colours_of[:, 0] == 228).sum() > 50_000
some_faces, their_words = real_faces.x[:300].long(), faces.attributes(real_faces.y[:300])
with torch.no_grad():
    spent = -painter.log_prob_map(some_faces, their_words) / math.log(2)  # bits, (300, 3, 16, 16)
    known_before = F.silu(painter.features(*painter.inputs(some_faces[:60], their_words[:60]))).permute(0, 2, 3, 1).flatten(0, 2)[::23]
true = some_faces[:60].permute(0, 2, 3, 1).flatten(0, 2)[::23]  # colours of 668 pixels
p_red, p_green = palette.chances(known_before, true[:, :0]), palette.chances(known_before, true[:, :1])
reds = torch.arange(256)[:, None]
red_unknown = torch.stack([p @ palette.chances(at.expand(256, -1), reds) for p, at in zip(p_red, known_before)])  # the sum over all reds
red_exchanged = palette.chances(known_before, true[torch.randperm(len(true), generator=torch.Generator().manual_seed(0)), :1])
costs = [
    -p.gather(1, true[:, k, None]).clamp_min(1e-30).log2().mean()
    for p, k in ((p_red, 0), (p_green, 1), (red_unknown, 1), (red_exchanged, 1))
]
assert (spent.mean((0, 2, 3)) - torch.tensor([0.33, 0.22, 0.16])).abs().max() < 0.02
assert costs[1] < 0.8 * costs[0] and abs(costs[2] / costs[0] - 1) < 0.2 and costs[3] > 10 * costs[1]
of_pixels = spent.sum(1).flatten().sort(descending=True).values
assert 0.52 < of_pixels[: len(of_pixels) // 20].sum() / of_pixels.sum() < 0.65
begins = [(F.pad(some_faces, pad, value=-1)[:, :, :16, :16] != some_faces).any(1) for pad in ((1, 0), (0, 0, 1, 0))]  # left, above
of_begun = (begins[0] & begins[1]).flatten()
assert abs(of_begun[spent.sum(1).flatten().argsort(descending=True)[: len(of_pixels) // 20]].float().mean() - 0.75) < 0.05
assert of_begun.float().mean() < 0.2


def bits_by_counting(colours):
    """Entropy of whole numbers (n,) by their counts, bits."""
    share = torch.unique(colours, return_counts=True)[1].double() / len(colours)
    return -(share * share.log2()).sum().item()


numbered = colours_of @ torch.tensor([65_536, 256, 1])
assert round(bits_by_counting(numbered) - bits_by_counting(numbered // 256), 2) == 0.09 and spent[:, 2].mean() > 0.13
assert len(torch.unique(numbered)) == 539

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
# > **What to notice.**
# >
# > - Uniform numbers $u_i$ are drawn beforehand; pixel $i$ is on if $u_i<p(x_i=1\mid x_{<i})$. Then both loops must give the *same* image, pixel by pixel.
# > - That is how a cache is tested. One that is a single column late gives another image.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert torch.equal(quick, slow) and quick.sum() > 20


class Late(ar.CachedLayer):
    def step(self, h, j):
        return super().step(h, max(0, j - 1))


honest_layer, ar.sampling.CachedLayer = ar.sampling.CachedLayer, Late
assert not torch.equal(ar.sample_cached(gated, 1, uniforms=uniforms), slow)
ar.sampling.CachedLayer = honest_layer

# %% [markdown]
# **In parallel after all?** With fixed $u$ the image solves 784 equations: $x_i$ is 1 where $u_i<p_\theta(x_i=1\mid x_{<i})$, and 0 elsewhere. So *guess* the image, compute all right sides in one pass, take the result as the next guess, and stop when nothing changes (a **fixed-point iteration**). After $k$ passes the first $k$ pixels are surely right.
#
# **Predict first.** 785 passes are always enough: 784, and one that changes nothing. How many will it take?

# %%
show_source(ar.sample_parallel)
guess, passes = ar.sample_parallel(gated, 1, uniforms=uniforms)
others = [ar.sample_parallel(gated, 1, uniforms=coins(1, seed))[1] for seed in range(1, 4)]
print(f"same pixels: {torch.equal(guess, slow)}, after {passes} passes; three more images: {', '.join(map(str, others))}")

# %% [markdown]
# > **What to notice.**
# >
# > - Far fewer than 784. Most pixels come out the same whatever the one just before is, so they need not wait for it.
# > - Where each pixel copies the one before, all 785 passes are needed.
# > - Each pass is a *whole* one: more arithmetic than with the cache, but a GPU does it at once.
# > - **Speculative decoding** of language models is a relative: a small model guesses, the large one checks many words in one pass.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert torch.equal(guess, slow) and all(10 < n < 784 / 6 for n in (passes, *others))
turned = slow.repeat(56, 1, 1, 1)
places = torch.arange(3, 784, 14)  # every fourteenth pixel is turned over
turned.view(56, 784)[torch.arange(56), places] ^= 1
with torch.no_grad():
    next_one = gated.logits(turned)[:, 0, 0].sigmoid().flatten(1)[torch.arange(56), (places + 1) % 784]
decides = uniforms[0, (places + 1) % 784] < next_one
assert (decides != slow.flatten()[(places + 1) % 784].bool()).float().mean() < 0.5


class Copycat(ar.PixelModel):  # each pixel is what the one before it is, and the first is on
    def __init__(self):
        super().__init__()
        self.shape, self.output, self.levels, self.classes = (1, 28, 28), "bernoulli", 2, 0
        self.strength = torch.nn.Parameter(torch.tensor(60.0))

    def logits(self, x, y=None):
        return (F.pad(x.flatten(1)[:, :-1], (1, 0), value=1) - 0.5).view(-1, 1, 1, 28, 28) * self.strength


assert ar.sample_parallel(Copycat(), 1, uniforms=uniforms)[1] == 785

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · A digit in sixteen bytes: arithmetic coding
#
# $-\log_2p(x)$ is called the length of a code. Where is the code? Naively each pixel gets a code word of its own. The shortest word has one bit, so a digit takes 784 bits, and nothing is won.
#
# A pixel that was expected with probability 0.99 should cost $-\log_20.99=0.014$ bits. So pixels must share bits. **Arithmetic coding** does that:
#
# 1. Begin with the interval $I_0=[0,1)$. Cut it into two pieces of lengths $p(x_1=0)$ and $p(x_1=1)$. Keep the piece of the true $x_1$.
# 2. Cut that piece in the same proportions as $p(x_2\mid x_1)$, keep the piece of the true $x_2$, and go on to the last pixel:
#
# $$|I_i|=|I_{i-1}|\;p(x_i\mid x_{<i}),\qquad\text{so}\quad|I_D|=\prod_ip(x_i\mid x_{<i})=p(x)$$
#
# 3. Write down a binary number that lies inside $I_D$ with all its continuations: at most $-\log_2p(x)+2$ bits.
#
# **Three pixels by hand.** Each is white with probability ¾, and all three are. White keeps the upper piece: $[\tfrac14,1)$, then $[\tfrac7{16},1)$, then $[\tfrac{37}{64},1)$, of length $\tfrac{27}{64}=(\tfrac34)^3$. The binary number $0.11\dots$ lies in $[\tfrac34,1)$ however it goes on. So two bits stand for three pixels.
#
# The receiver has the same model. The number lies in one of the first two pieces, so $x_1$ is known; then $p(x_2\mid x_1)$ can be computed, and so on. This is the sampling loop, **with a file in the place of the coin**.
#
# Both must have the same probabilities to the last digit. So they run the same loop, and round to whole numbers of $2^{-20}$.
#
# **Predict first.** A black-and-white digit is 784 bits, 98 bytes. How many bytes has it as a PNG, and how many here?

# %%
show_source(coding.Interval)
show_source(coding.encode_images)
ten = {"black and white": (gated, new_digits[::100]), "256 grey levels": (grey, unseen.x[::100])}
codes = {name: coding.encode_images(model, x) for name, (model, x) in ten.items()}
back = {name: torch.equal(coding.decode_images(model, codes[name]), x.long()) for name, (model, x) in ten.items()}


def as_png(x):
    """Bytes of an image (1, h, w) as a PNG: 8 bits a pixel, or 1 bit where there are only 0 and 1."""
    picture = Image.fromarray((x[0] * (255 if x.max() == 1 else 1)).to(torch.uint8).numpy())
    picture.convert("1" if x.max() == 1 else "L").save(file := io.BytesIO(), "PNG", optimize=True)
    return len(file.getvalue())


def deflated(x):
    """Bytes that deflate, the method inside PNG, needs for the pixels alone."""
    pixels = np.packbits(x.numpy().astype(bool), axis=-1) if x.max() == 1 else x.numpy()
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return len(machine.compress(pixels.tobytes()) + machine.flush())


rows, sizes = [], {}
for name, (model, x) in ten.items():
    with torch.no_grad():
        ideal = -model.log_prob(x) / math.log(2) / 8
    sizes[name] = {"PNG": map(as_png, x), "deflate": map(deflated, x), "our code": map(len, codes[name]), "−log₂ p / 8": ideal.tolist()}
    sizes[name] = {way: np.array(list(v)) for way, v in sizes[name].items()}
    mean = {way: f"{v.mean():.1f} ± {v.std(ddof=1):.1f}" for way, v in sizes[name].items()}
    rows.append(
        {"ten digits, bytes each": name, "raw": 98 if model is gated else 784} | mean | {"decoded exactly": "yes" if back[name] else "no"}
    )
bit = sizes["black and white"]
show_images(
    new_digits[::100], columns=10, titles=[f"{a} → {b}" for a, b in zip(bit["PNG"], bit["our code"])], heading="bytes: PNG → our code"
)
table(rows)

# %% [markdown]
# > **What to notice.**
# >
# > - The code is as long as $-\log_2p(x)$ says, and at most two bytes more.
# > - PNG takes more than the raw 98 bytes: 57 of its bytes are headers. Its method without them, deflate, still needs more than three times ours.
# > - The model of each pixel by itself (section 1) would need more than twice ours. The rest is what the pixels know of each other.
# > - No magic: the receiver needs the model, and deflate does not. Against deflate it has paid for itself after thousands of digits.
# > - And it is brittle: disturb the weights a little, and what is decoded is not the digit.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
for name, v in sizes.items():
    assert back[name] and (v["our code"] >= v["−log₂ p / 8"] - 0.1).all() and (v["our code"] <= v["−log₂ p / 8"] + 2).all()
Image.fromarray(255 * new_digits[0, 0].to(torch.uint8).numpy()).convert("1").save(whole := io.BytesIO(), "PNG", optimize=True)
data = whole.getvalue()
payload = int.from_bytes(data[(at := data.index(b"IDAT")) - 4 : at], "big")
assert len(data) - payload == 57 and bit["PNG"].min() > 98 and 14 < bit["our code"].mean() < 18 and round(-math.log2(0.99), 3) == 0.014
assert (
    bit["deflate"].mean() > 3 * bit["our code"].mean()
    and sizes["256 grey levels"]["deflate"].mean() > 1.3 * sizes["256 grey levels"]["our code"].mean()
)
alone_bytes = (-(new_digits * on.log() + (1 - new_digits) * (1 - on).log()).flatten(1).sum(1) / math.log(2) / 8)[::100].numpy()
assert 2.1 < alone_bytes.mean() / bit["our code"].mean() < 2.8
paid_back = gated.record["bytes"] / (bit["deflate"] - bit["our code"]).mean()
assert 2_000 < paid_back < 40_000
by_hand = coding.Interval()
for _ in range(3):
    by_hand.narrow([2**18, 3 * 2**18], 1)
assert by_hand.width / 2**by_hand.bits == 27 / 64 and by_hand.low / 2**by_hand.bits == 37 / 64 < 0.75
shaken = copy.deepcopy(gated)
with torch.no_grad():
    for p in shaken.parameters():
        p += 1e-2 * p.std() * torch.randn(p.shape, generator=torch.Generator().manual_seed(0)) if p.numel() > 1 else 0
assert not torch.equal(coding.decode_images(shaken, codes["black and white"]), new_digits[::100].long())

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · Steering: temperature, completion, classes
#
# **Temperature.** (Not the time $t$ of other lectures.) Each conditional becomes $p(x_i\mid x_{<i})^{1/T}$, normalised anew. $T<1$ sharpens, $T\to0$ always takes the likeliest value. This is not $p(x)^{1/T}$ of the whole image: each step is sharpened without asking what can follow it.
#
# **Completion**, or **inpainting**, is free: pixels that are known are not drawn. The chain rule does the rest, if what is missing comes *after* what is known.
#
# Below, each half of a face is hidden in turn. The network of section 8 must be told ten words. Those that the seen half shows are the face's own; the others come from other faces.
#
# **Predict first.** In which row will the answers fit best, in which worst, and why?

# %%
completion = widgets.CompletionExplorer(painter, people)
completion

# %% [markdown]
# > **What to notice.**
# >
# > - **Lower half**: eight answers, and they join on without a break. The upper half decides hair, glasses and background, and they stay. It says nothing of mouth and top, and these vary about as in the data.
# > - **Right half**: fits best. In each row the left half comes first, and faces are nearly symmetric. Eight in ten of the pixels drawn are the face's own; of the lower half six in ten.
# > - **Left half**: fits worst where the halves meet. What stands to its right was not known when it was drawn. Across the middle neighbours differ more than six times as much as in the face itself.
# > - **Upper half**: was drawn before the network came to anything seen. Four in ten of its pixels are the face's own, the fewest of all. Tell it all ten words, and it is nearly six: words reach every pixel, whatever the order.
# > - The chain rule in this order has $p(\text{lower}\mid\text{upper})$ ready. The other direction would need a sum over all upper halves.
# > - And who tells the words if nobody can see them all? Bayes: $p(\text{word}\mid\text{upper})$ is proportional to $p(\text{word})\,p(\text{upper}\mid\text{word})$, and the upper half comes first. So the network has it: where hair is seen its true colour gets 0.99 and more; the true mouth, which is hidden, gets about one half on average.
# > - Set the temperature and press *draw*. At 1.6 more than a quarter of the pixels drawn below have a colour that no test face has. At 1.0 it is one in seven, at 0.4 one in twenty.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
crowd, copies = real_faces.y[100:140], 4
of_crowd, own_words = faces.draw(crowd), faces.attributes(crowd)
other_words = faces.attributes(real_faces.y[200 : 200 + len(crowd) * copies])
originals, told_own = of_crowd.repeat_interleave(copies, 0), own_words.repeat_interleave(copies, 0)
word = list(faces.ATTRIBUTES).index


def redraw(where, temperature=1.0, every_word=False):
    """Forty faces with a half hidden and drawn again, four answers each; which pixels are hidden; and which words are seen."""
    hidden = widgets.colours.hidden_part(where, 0.5)
    seen = torch.stack([widgets.colours.words_seen(y, ~hidden) for y in crowd]).repeat_interleave(copies, 0)
    told = told_own if every_word else torch.where(seen, told_own, other_words)
    u = torch.rand(len(told), 768, generator=torch.Generator().manual_seed(0))
    known = (~hidden).expand(len(told), 3, 16, 16)
    return ar.sample_cached(painter, len(told), y=told, uniforms=u, given=originals, known=known, temperature=temperature), hidden, seen


def own_pixels(drawn, hidden):
    return (drawn == originals).all(1)[:, hidden].float().mean()


def edge_against_faces(drawn, hidden):
    """How much more neighbours differ across the edge than in the faces themselves: a ratio."""
    a, b = (across_the_edge(v.flatten(0, 1).numpy().astype(float), hidden.numpy()) for v in (drawn, of_crowd))
    return a / b


answers = {where: redraw(where) for where in widgets.colours.HIDE}
fits = {where: own_pixels(*answers[where][:2]) for where in answers}
assert 0.75 < fits["right"] < 0.88 and 0.55 < fits["lower"] < 0.68 and 0.35 < fits["upper"] < 0.48 and fits["left"] < fits["lower"]
told_all = own_pixels(*redraw("upper", every_word=True)[:2])
assert 0.53 < told_all < 0.64 and told_all > fits["upper"] + 0.1
seams = {where: edge_against_faces(*answers[where][:2]) for where in answers}
assert seams["lower"] < 1.1 and seams["right"] < 2 and seams["left"] > 6 and max(seams, key=seams.get) == "left"
assert max(fits, key=fits.get) == "right" and min(fits, key=fits.get) == "upper"
lower, hidden, seen = answers["lower"]
read = metrics.predicted_attributes(lower / 255)
stay = [word(name) for name in ("hair", "glasses", "background")]
assert (read == told_own)[:, stay].float().mean() > 0.95 and seen[:, stay].float().mean() > 0.95
assert not seen[:, [word("mouth"), word("clothing_colour")]].any()
for name in ("mouth", "clothing_colour"):
    in_answers, in_faces = (
        torch.bincount(v[:, word(name)], minlength=len(faces.ATTRIBUTES[name])) / len(v) for v in (read, faces.attributes(real_faces.y))
    )
    assert (in_answers - in_faces).abs().max() < 0.15
first_rows = of_crowd[:, :, :8].long()  # Bayes, one word at a time, with the others true
for name, least, most in (("hair_colour", 0.99, 1.01), ("mouth", 0.36, 0.62)):
    fit = []
    for k in range(len(faces.ATTRIBUTES[name])):
        guess = own_words.clone()
        guess[:, word(name)] = k
        with torch.no_grad():
            fit.append(painter.score(painter.logits(first_rows, guess), first_rows).flatten(1).sum(1))
    often = torch.bincount(faces.attributes(real_faces.y)[:, word(name)]) / len(real_faces)
    believed = (torch.stack(fit, 1) + often.log()).softmax(1).gather(1, own_words[:, word(name), None])[:, 0]
    shown = seen[::copies, word(name)]
    believed = believed[shown] if shown.any() else believed
    assert least < believed.mean() < most
known_colours = torch.unique(numbered)
strange = {}
for warmth in (0.4, 1.0, 1.6):
    x = lower if warmth == 1 else redraw("lower", warmth)[0]
    strange[warmth] = 1 - torch.isin(x.movedim(1, 3)[:, hidden].long() @ torch.tensor([65_536, 256, 1]), known_colours).float().mean()
assert 0.25 < strange[1.6] < 0.35 and abs(strange[1.0] - 1 / 7) < 0.025 and abs(strange[0.4] - 1 / 20) < 0.02
sharpened = [q**2 / (q**2).sum(axis, keepdim=True) for axis, q in enumerate((first, second, third))]  # section 2's three coins, T = 1/2
in_steps = sharpened[0][:, None, None] * sharpened[1][:, :, None] * sharpened[2]
assert abs(in_steps.sum() - 1) < 1e-5 and (in_steps - joint**2 / (joint**2).sum()).abs().max() > 0.03

# %% [markdown]
# **Classes.** To ask for a digit, give every layer the label $y$ too: $p(x\mid y)=\prod_i p(x_i\mid x_{<i},y)$. The **one-hot** vector of $y$ (a 1 at its place, else 0) times a matrix is added inside each gate, a bias of its own for each label.

# %%
of_class = checkpoints.load("pixelcnn_classes")
widgets.ClassExplorer(of_class)

# %% [markdown]
# **What is a label worth?** With $p(x)=\tfrac1{10}\sum_yp(x\mid y)$ no image can gain more than $\log10=2.3$ nats from its label, for $p(x)\ge\tfrac1{10}\,p(x\mid y)$.
#
# Bayes turns the model round: $p(y\mid x)=p(x\mid y)/\sum_{y'}p(x\mid y')$ reads digits, though it was only ever taught to draw. And it says what the gain is: $\log p(x\mid y)-\log p(x)=\log10+\log p(y\mid x)$. It is all of $\log10$ where the image leaves no doubt about its label.
#
# On average over real digits the gain is at most their **mutual information** $I(x;y)$. It would be equal for a model that reads as well as can be.

# %%
some, labels = new_digits[::20], unseen.y[::20]
with torch.no_grad():
    each = torch.stack([of_class.log_prob(some, torch.full((len(some),), k)) for k in range(10)], 1)  # log p(x | y = k)
gain = each.gather(1, labels[:, None])[:, 0] - (each.logsumexp(1) - math.log(10))
print(
    f"told the label, {len(some)} digits gain {gain.mean():.2f} nats on average and {gain.max():.3f} at most; log 10 = {math.log(10):.3f}"
)
print(f"the label that makes the digit likeliest is the true one for {(each.argmax(1) == labels).float().mean():.0%}")

# %% [markdown]
# > **What to notice.**
# >
# > - The same coins, another label, another digit: more often than not the one that was asked for.
# > - In the border the label says nothing, and hardly anything changes.
# > - One fault is easy to see: stray strokes at the lower edge. About half of the drawings have ink in their three lowest rows, of the digits about a fifth.
# > - The label is worth nearly all of its 2.3 nats. Where two models differ by more, the rest has another cause.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
sets = torch.stack([ar.sample_cached(of_class, 20, y=torch.full((20,), k), uniforms=coins(20, 0)) for k in range(10)])
read = metrics.digit_probabilities(sets.flatten(0, 1).float()).argmax(1).view(10, 20)
assert (read == torch.arange(10)[:, None]).float().mean() > 0.55 and np.mean([len(read[:, i].unique()) for i in range(20)]) > 5
low = [(x[..., 0, 25:, :].flatten(-2).sum(-1) > 0).float().mean() for x in (sets, new_digits)]
assert 0.35 < low[0] < 0.65 and 0.15 < low[1] < 0.27
changes, rim = (sets != sets[:1]).float().mean((0, 1, 2)), torch.ones(28, 28, dtype=torch.bool)
rim[2:26, 2:26] = False
assert changes[rim].mean() < 0.35 * changes[~rim].mean()
assert gain.max() <= math.log(10) + 1e-4 and 1.9 < gain.mean() < 2.3 and (each.argmax(1) == labels).float().mean() > 0.9
assert torch.allclose(gain, math.log(10) + each.log_softmax(1).gather(1, labels[:, None])[:, 0], atol=1e-3)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · Sound: WaveNet
#
# Sound is a long row: 8,000 numbers a second here, 44,100 on a CD. One period of a tone of 262 Hz is 31 samples. A syllable of a fifth of a second is 1,600.
#
# A **causal** convolution sees now and the past alone. With two weights it looks back one step. **Dilate** it: look at $t$ and $t-d$, with $d=1,2,4,\dots,512$ from layer to layer. Ten layers then see 1,024 samples, 128 ms: enough for a tone, not for a syllable.
#
# Each layer ends in a gate, as in section 7. One half of what it finds is added to its input and goes on to the next layer (a **shortcut**). The other half goes straight to the output (a **skip**).
#
# **Predict first.** How many plain layers (no dilation) would that take?

# %%
widgets.DilationExplorer()


# %% [markdown]
# > **What to notice.**
# >
# > - Each dilated layer doubles the field. Each plain one adds one sample, so 1,024 take 1,023 layers.
# > - No sample is skipped: the dilated tree has exactly one path to each.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
def paths(dilations):
    """How many paths lead from the last output to each sample of the past."""
    count = torch.ones(1)
    for d in dilations:
        count = F.conv1d(F.pad(count, (d, d))[None, None], torch.ones(1, 1, 2), dilation=d)[0, 0]
    return count


dilated = [2**k for k in range(10)]
assert (paths(dilated) == 1).all() and len(paths(dilated)) == 1_024 == len(paths([1] * 1_023))
assert (
    all(len(paths(dilated[: k + 1])) == 2 * len(paths(dilated[:k])) for k in range(1, 10))
    and checkpoints.load("wavenet").receptive_field == 1_024
)

# %% [markdown]
# **μ-law.** 16 bits are 65,536 values, too many for a softmax. Ears notice small changes of quiet sounds and miss them in loud ones. So the values are squeezed, $\operatorname{sign}(x)\ln(1+\mu|x|)/\ln(1+\mu)$ with $\mu=255$, and cut into 256 steps that are fine near 0. Below, the two ways are compared in decibels: 10 dB more is ten times less squared error.

# %%
sounds = datasets.load("sounds", "test")
steps = distributions.inverse_mu_law(torch.arange(256)).diff()
print(f"steps of μ-law: {steps.min():.5f} near 0, {steps.max():.3f} at the ends; of 256 equal steps: {2 / 255:.5f}")
for name, tone in {"a loud tone": sounds.x[0], "a quiet one": 0.02 * sounds.x[0]}.items():
    coarse = {"μ-law": distributions.inverse_mu_law(distributions.mu_law(tone)), "equal steps": (tone * 127.5).round() / 127.5}
    above = {rule: 10 * math.log10(tone.var() / (c - tone).var()) for rule, c in coarse.items()}
    print(f"{name}: signal above the error by {above['μ-law']:.0f} dB with μ-law, {above['equal steps']:.0f} dB with equal steps")

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
notes = sounds.x[sounds.y < 8]  # without the chirps, which slide


def pitch(wave, low=230, high=580):
    """Hz of the strongest period: where the autocorrelation of a piece of sound has its peak."""
    power = torch.fft.irfft(torch.fft.rfft(wave, 2 * len(wave)).abs() ** 2)[: len(wave)] / torch.arange(len(wave), 0, -1)
    k = (first := datasets.RATE // high) + power[first : datasets.RATE // low + 1].argmax().item()
    a, b, c = power[k - 1 : k + 2].tolist()
    return datasets.RATE / (k + (a - c) / (2 * (a - 2 * b + c)))  # between samples, by a parabola


figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), layout="constrained", width_ratios=[1, 1, 1.3])
for axis, wave, title in zip(axes, (notes[1], played[1]), ("data", "sampled")):
    axis.plot(torch.arange(320) / 8, wave[:320], linewidth=1)
    axis.set(title=title, xlabel="ms", ylim=(-1, 1))
starts = range(200, 3200, 100)
for waves, style in ((notes[:3], {"color": "#94a4a2", "linestyle": "--"}), (played, {})):
    for i, wave in enumerate(waves):
        label = "data" if style and i == 0 else None if style else f"sample {i + 1}"
        axes[2].plot([(t + 400) / 8 for t in starts], [pitch(wave[t : t + 800]) for t in starts], label=label, **style)
axes[2].set(title="pitch", xlabel="ms", ylabel="Hz", ylim=(240, 540))
axes[2].legend(fontsize=7, ncols=2)
plt.show()

# %% tags=["nbval-ignore-output"]
print("Listen: three of our synthetic tones, then three samples, half a second each.")
silence = torch.zeros(1600)
for waves in (notes[:3], played):
    display(Audio(torch.cat([part for wave in waves for part in (wave, silence)]).numpy(), rate=datasets.RATE))

# %% [markdown]
# > **What to notice.**
# >
# > - The samples begin ragged, for at the start there is no past to hold on to. Take the past of true sounds away, and their next 20 samples cost about twice the bits.
# > - Then a tone settles, with hiss over it.
# > - Listen for a pitch that drifts. Nearly half of all samples move by more than half a semitone within two tenths of a second. Of the notes in the data none does, and of all sounds one in twelve (chirps, which slide).
# > - Each value is drawn from the last 128 ms alone, and the note is longer. Nothing ties it to the pitch with which it began.
# > - Each layer keeps a **ring buffer** of its last inputs. Step $t$ reads the entry that is $d$ steps old and writes over it. Nothing is moved, whatever the dilation.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert all(abs(pitch(x[600:1400]) / float(sounds.classes[y]) - 1) < 0.02 for x, y in zip(sounds.x[:60], sounds.y[:60]) if y < 8)
with torch.no_grad():
    true = distributions.mu_law(sounds.x[:20])
    price = lambda x: -wavenet.logits(x).log_softmax(1).gather(1, x[:, None])[:, 0]  # noqa: E731
    with_past, without = price(true)[:, 2_000:], price(true[:, 2_000:])
assert 1.7 < without[:, :20].mean() / with_past[:, :20].mean() < 2.8 and torch.allclose(without[:, 1_100:], with_past[:, 1_100:], atol=1e-3)
crowd = distributions.inverse_mu_law(
    wavenet.sample_fast(40, 3000, temperature=0.9, uniforms=torch.rand(40, 3000, generator=torch.Generator().manual_seed(0)))
)


def wanders(waves):
    """Which sounds move by more than half a semitone from 0.125 s to 0.3 s."""
    return np.array([abs(12 * math.log2(pitch(x[2000:2800]) / pitch(x[600:1400]))) > 0.5 for x in waves])


share_of_samples, share_of_data = wanders(crowd).mean(), wanders(sounds.x).mean()
assert not wanders(notes).any() and abs(share_of_data - 1 / 12) < 0.01 and 0.25 < share_of_samples < 0.65  # 0.46 ± 0.05 over four seeds
assert share_of_samples > share_of_data + 3 * math.sqrt(share_of_samples * (1 - share_of_samples) / 40)
treble = lambda x: (torch.fft.rfft(x).abs()[..., -x.shape[-1] // 8 :] ** 2).sum(-1) / (torch.fft.rfft(x).abs() ** 2).sum(-1)  # noqa: E731
assert (
    treble(crowd).median() > 3 * treble(distributions.inverse_mu_law(distributions.mu_law(sounds.x[:, :3000]))).median()
)  # above 3 kHz: hiss
assert round(1_024 / datasets.RATE * 1000) == 128 and notes.shape[1] > 3 * 1_024

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · Text, one character at a time
#
# The data: Python's own manual, which comes with every Python. The oldest language model counts: an **n-gram** looks at the last $n-1$ characters and asks how often each character followed.
#
# What follows a context that was seen once, or never? Shorter contexts are mixed in, the more so the rarer the long one (**interpolation**, or **smoothing**). Let $n_k$ be the count of the last $k$ characters, and $n_k(x)$ how often $x$ followed them:
#
# $$p_k(x)=\frac{n_k(x)+s\,p_{k-1}(x)}{n_k+s}$$
#
# It begins with $p_{-1}=1/96$ for each of the 96 characters. The strength $s$ says how often a context must be seen before its own counts weigh more than the shorter model.
#
# **The unit.** $-\log_2p$, averaged, is **bits per character**. **Perplexity** is 2 to the power of these bits: among how many equally likely characters the model is, in effect, guessing.

# %%
manual, new_text = datasets.load("manual", "train"), datasets.load("manual", "test")
pieces = new_text.x[:20_000].long().view(40, 500)  # each begins with nothing before it


def text_row(name, stored, *nats):
    bits = [n / pieces.numel() / math.log(2) for n in nats]
    columns = ("bits a character", "perplexity", "bits with s = 20")
    return {"model": name, "stored": stored} | dict(
        zip(columns, [f"{bits[0]:.2f}", f"{2 ** bits[0]:.1f}", *(f"{b:.2f}" for b in bits[1:]), ""])
    )


rows = []
for n in (1, 2, 4, 6, 8):
    counts = ar.NGram(manual.x.long(), 96, n)  # s = 5
    nats = []
    for counts.strength in (5.0, 20.0):
        nats.append(-sum(counts.log_prob(piece) for piece in pieces[::2]).item() * 2)
    rows.append(text_row(f"{n}-gram", f"{sum(map(len, counts.counts)):,} context{'s' if n > 1 else ''}", *nats))
lstm = checkpoints.load("char_lstm")
with torch.no_grad():
    rows.append(text_row("LSTM", f"{lstm.record['parameters']:,} weights", -2 * lstm.log_prob(pieces[::2]).sum().item()))
table([*rows, text_row("uniform", "nothing", pieces.numel() * math.log(96))])

# %% [markdown]
# > **What to notice.**
# >
# > - Longer contexts help until they are rare. The 8-gram stores three times as many as the 6-gram and is worse: it trusts counts of one.
# > - With a larger strength it trusts them less. Then both are better, and about equal.
# > - The LSTM has no table, and is as unsure as among about 4 characters.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
of = {row["model"]: row for row in rows}
bits_at = {s: {n: float(of[f"{n}-gram"][key]) for n in (1, 2, 4, 6, 8)} for s, key in ((5, "bits a character"), (20, "bits with s = 20"))}
assert bits_at[5][1] > bits_at[5][2] + 0.5 > bits_at[5][4] + 1 and bits_at[5][4] > bits_at[5][6] < bits_at[5][8] - 0.05
stored = {n: int(of[f"{n}-gram"]["stored"].split()[0].replace(",", "")) for n in (6, 8)}
assert 2.5 < stored[8] / stored[6] < 3.5
assert all(bits_at[20][n] < bits_at[5][n] - 0.1 for n in (6, 8)) and abs(bits_at[20][6] - bits_at[20][8]) < 0.04
assert (
    float(of["LSTM"]["bits a character"]) < min(*bits_at[5].values(), *bits_at[20].values()) and 3.4 < float(of["LSTM"]["perplexity"]) < 4.5
)

# %% [markdown]
# An **LSTM** keeps a state instead of a table: it reads a character, changes the state, and predicts the next. Trained by teacher forcing, as above. (Section 7 has its equations. Transformers, which look back instead of remembering, have lecture 09.)
#
# **Predict first.** With *top k* at 1 the likeliest character is always taken (**greedy decoding**). What will the text look like?

# %%
writer = widgets.NextCharacterExplorer(lstm, manual)
writer.top_k.value = 1
writer

# %% [markdown]
# > **What to notice.**
# >
# > - Greedy text is not typical text: nearly every prompt soon runs into the same phrase, and then into blanks without end.
# > - Set *top k* to all, and there are three different texts. The higher the temperature, the more words are invented.
# > - After `The import statemen` the next character is sure; after `The ` a dozen are likely.
# > - **Top-k** keeps the $k$ likeliest: the same number in both places. The **nucleus** keeps as few as reach probability $p$ together, so it adapts: one in the first place, more than ten in the other.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
prompts = ["The ", "If ", "A class ", "In Python ", "for x in ", "Note that ", "This is ", "def ", "When ", "Return "]
greedy = []
for prompt in prompts:
    begun = datasets.encode(prompt).long()[None]
    greedy.append(manual.decode(lstm.sample(1, len(prompt) + 250, keep=lambda z: ar.top_k(z, 1), start=begun)[0])[len(prompt) :])
endings = {text.rstrip()[-20:] for text in greedy if text.endswith(20 * " ")}
assert sum(text.endswith(20 * " ") for text in greedy) >= 9 and len(endings) <= 2
assert not manual.decode(new_text.x).count(40 * " ") > 5
writer.top_k.value = 96
assert len(set(writer.continuations())) == 3
writer.top_k.value = 1
known_words = set(re.findall("[a-z]{4,}", manual.decode(manual.x).lower()))
invented = []
for warmth in (0.5, 1.0, 1.6):
    text = lstm.sample(20, 200, temperature=warmth, uniforms=torch.rand(20, 200, generator=torch.Generator().manual_seed(0)))
    words = re.findall("[a-z]{4,}", " ".join(map(manual.decode, text)).lower())
    invented.append(np.mean([word not in known_words for word in words]))
assert invented[0] < 0.12 < invented[1] < 0.45 < invented[2]
kept = {}
for prompt in ("The import statemen", "The "):
    with torch.no_grad():
        next_logits = lstm.logits(F.pad(datasets.encode(prompt).long(), (0, 1))[None])[0, -1]
    kept[prompt] = [
        next_logits.softmax(0).max(),
        *(cut.isfinite().sum() for cut in (ar.nucleus(next_logits, 0.9), ar.top_k(next_logits, 5))),
    ]
assert (
    kept["The import statemen"][0] > 0.99
    and kept["The import statemen"][1] == 1
    and 10 < kept["The "][1] < 25
    and kept["The "][2] == 5 == kept["The import statemen"][2]
)

# %%
show_source(ar.top_k)
show_source(ar.nucleus)
torch.manual_seed(3)
start = datasets.encode("The import statement ").long()[None]
for name, keep in {"everything": lambda z: z, "top 5": lambda z: ar.top_k(z, 5), "nucleus 0.8": lambda z: ar.nucleus(z, 0.8)}.items():
    print(f"--- {name}\n{manual.decode(lstm.sample(1, 260, keep=keep, start=start)[0])}\n")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · Break it: training on your own guesses
#
# In training the model reads true text; when sampling, its own. After a slip it is in a place that it has never seen (**exposure bias**). An old cure is **scheduled sampling**: in training, feed the model its own guess now and then, and more often as training goes on.
#
# Take the smallest text there is: two characters, always equal, `aa` or `bb`.
#
# **Predict first.** What does the second prediction learn if the first character it reads is its own guess, and the target the true one?
#
# Count. With probability $s$ the character it reads is a guess, and half of the guesses are wrong. So what it reads equals its target with probability $1-s/2$. The best it can do is to say "the same" with just this probability.
#
# A true pair then costs $1-\log_2(1-s/2)$ bits: 1 for the first character, the rest for the second.

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
            "own guesses, s": f"{own:.0%}",
            "bits for a pair, by the count": round(1 - math.log2(1 - own / 2), 2),
            "bits for a pair, measured": round(-model.log_prob(pairs).mean().item() / math.log(2), 2),
            "samples that are a pair": f"{(drawn[:, 0] == drawn[:, 1]).float().mean():.0%}",
        }
    )
table(rows)

# %% [markdown]
# > **What to notice.**
# >
# > - Teacher forcing finds the truth: one bit, and all samples are pairs.
# > - Its own guesses have nothing to do with this pair's second character. Fed with them alone, the model learns to *ignore what it reads*.
# > - Fed with half of each, it trusts what it reads half as much as it should. The count and the measurement agree.
# > - So scheduled sampling is not maximum likelihood, and more data do not mend it: the count has no place for them. Its inventors report gains for captions of pictures, and raise $s$ slowly. The reading list has an answer to them.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert all(abs(row["bits for a pair, by the count"] - row["bits for a pair, measured"]) < 0.03 for row in rows)
assert [row["bits for a pair, by the count"] for row in rows] == [1, 1.42, 2]
pair_shares = [float(row["samples that are a pair"].rstrip("%")) for row in rows]
assert pair_shares[0] >= 99 and abs(pair_shares[1] - 75) < 5 and abs(pair_shares[2] - 50) < 5
with torch.no_grad():  # the model that saw its own guesses alone: what it reads makes no difference
    after_a, after_b = model.logits(torch.tensor([[0, 0], [1, 0]])).softmax(2)[:, 1, 0]
assert own == 1.0 and abs(after_a - after_b) < 0.05


# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · Numbers
#
# On MNIST's 10,000 test images; exact, unless a bound is named. "nats": pixels drawn as black or white, nats an image. "bits/dim": all 256 grey levels, bits a pixel. "faces": the 10,000 test faces, bits for each colour of each pixel. Lower is better.
#
# The rows are no race between equals: look at weights, epochs and minutes. Published rows: github.com/EugenHotaj/pytorch-generative, and tutorial 12 of UvA's deep-learning course.

# %%
def row(name, what):
    entry = checkpoints.record(name)
    n = entry["numbers"]
    budget, of_faces = recipes()[name].budgets[entry["preset"]], entry["data"].startswith("faces")
    bits = f"{n['bits_per_dim']:.3f}" if "bits_per_dim" in n else ""
    return {
        "model": what,
        "nats": f"{n['nll']:.1f}" if "nll" in n else "",
        "bits/dim": "" if of_faces else bits,
        "faces": bits if of_faces else "",
        "weights": f"{entry['parameters']:,}",
        "epochs": f"{entry['steps'] * budget.batch_size / (60_000 if of_faces else 59_000):.1f}",
        "training": f"{entry['minutes']:.0f} min on {entry['device'].replace('1 threads', '1 thread')}",
    }


def published(what, nats, bits, weights, epochs):
    return {"model": what, "nats": nats, "bits/dim": bits, "faces": "", "weights": weights, "epochs": epochs, "training": "GPU"}


on_faces = {line["name"]: line for line in leaderboard.read(leaderboard.SHIPPED_FACES)["rows"]}
table(
    [
        {
            "model": "each pixel by itself",
            "nats": f"{alone:.1f}",
            "bits/dim": "",
            "faces": "",
            "weights": "784",
            "epochs": "1",
            "training": "counting 4,000 digits; on 1,000 images",
        },
        *(row(name, what) for what, name in shipped.items()),
        row("pixelcnn_classes", "gated, told the digit"),
        published("pytorch-generative: MADE", "84.87", "", "", ""),
        published("pytorch-generative: PixelCNN", "81.45", "", "54,000", "457"),
        published("pytorch-generative: gated PixelCNN", "81.50", "", "3,360,000", "457"),
        row("vae", "VAE of lecture 02, a bound") | {"nats": f"{-checkpoints.record('vae')['numbers']['iwae_bound']:.1f}"},
        row("pixelcnn_8bit", "gated PixelCNN, 256-way"),
        row("spline", "spline flow of lecture 04, a bound"),
        published("UvA tutorial 12: gated PixelCNN", "", "0.808", "852,000", "150"),
        row("pixelcnn_faces", "gated PixelCNN, told ten words"),
        row("diffusion_faces", "diffusion of lecture 06, a bound") | {"faces": f"{on_faces['diffusion_faces']['bits_per_dim']:.3f}"},
    ]
)

# %% [markdown]
# > **What to notice.**
# >
# > - The gated model needs fewer nats than MADE, with a fraction of its weights.
# > - It lies below the VAE's bound from lecture 02, and is exact. How far the VAE itself lies below its bound, the bound does not say.
# > - Told the digit, a smaller model does as well. At most 2.3 nats of that are the label's doing.
# > - Published numbers come from more than a hundred epochs on a GPU; our gated models saw a few epochs, on one thread of a busy CPU.
# > - Of the two published PixelCNNs the plain one is as good as the gated one, with a sixtieth of its weights. They differ in more than the blind spot, so this does not say what it costs (section 7).
# > - On grey levels the gated model is ahead of the flow's bound. On faces it is far ahead of the bound of lecture 06; the ten words that it is told are worth at most 0.022 bits of that. Its faces have an FID of 10.3; training faces have 2.0.
# > - But far from the truth, which we know, for we drew the faces. Told the words, whoever knows all drawings and colours needs about 25 bits for a face. The network needs 189.
# > - Compare only within a column: nats of black-and-white images say nothing of bits of grey ones, or of flat colours.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
compared = ("made", "pixelcnn_gated", "pixelcnn_classes", "pixelcnn_8bit", "vae", "spline", "pixelcnn_faces", "diffusion_faces")
entries = {name: checkpoints.record(name) for name in compared}
numbers = {name: entry["numbers"] for name, entry in entries.items()}
weights = {name: entry["parameters"] for name, entry in entries.items()}
assert numbers["pixelcnn_gated"]["nll"] < numbers["made"]["nll"] - 1 and weights["pixelcnn_gated"] < weights["made"] / 2
assert numbers["pixelcnn_gated"]["nll"] < -numbers["vae"]["iwae_bound"]
assert weights["pixelcnn_classes"] < weights["pixelcnn_gated"] and numbers["pixelcnn_classes"]["nll"] < numbers["pixelcnn_gated"]["nll"] + 1
assert round(math.log(10), 1) == 2.3 and numbers["pixelcnn_8bit"]["bits_per_dim"] < numbers["spline"]["bits_per_dim"]
assert numbers["pixelcnn_faces"]["bits_per_dim"] < 0.1 * on_faces["diffusion_faces"]["bits_per_dim"]
assert round(on_faces["pixelcnn_faces"]["fid"], 1) == 10.3
assert round(leaderboard.read(leaderboard.SHIPPED_FACES)["floor"]["fid"], 1) == 2.0
seen_factors, truth = faces.visible(real_faces.y), 0.0  # −log₂ of how often its value comes, for each factor that can be seen
for (name, values), column, can_be_seen in zip(faces.FACTORS.items(), real_faces.y.T, seen_factors.T):
    often = torch.bincount(column, minlength=len(values)).double()
    group = faces.word_index(name) if name in faces.ATTRIBUTES else torch.zeros(len(values), dtype=torch.long)  # among those of its word
    share = often / torch.zeros(group.max() + 1, dtype=torch.float64).index_add_(0, group, often)[group]
    truth -= (share[column].log2() * can_be_seen).mean().item()
assert abs(truth - 25) < 0.5 and round(768 * numbers["pixelcnn_faces"]["bits_per_dim"]) == 189
# words are worth at most their entropy, and that is at most the sum over the ten
assert round(sum(bits_by_counting(words) for words in faces.attributes(real_faces.y).T) / 768, 3) == 0.022
seen_epochs = [float(row(name, "")["epochs"]) for name in ("pixelcnn_gated", "pixelcnn_classes", "pixelcnn_8bit")]
assert max(seen_epochs) < 20 and 20 * max(seen_epochs) < 457
assert 55 < 3_360_000 / 54_000 < 65 and entries["pixelcnn_gated"]["device"] == "cpu, 1 threads"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16 · Check yourself
#
# <details><summary><b>1.</b> Your PixelCNN reports 2 nats an image on binarised digits. Celebrate?</summary>
#
# No. The best published models need more than 75. It is no likelihood at all: the "probabilities" of all images add up to more than 1. A pixel sees itself: mask B in the first layer, a shortcut around the masked layer, or a shift that was forgotten. Take the gradient of one output.
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
# <details><summary><b>6.</b> A PixelCNN completes the lower half of a face, but not the upper one. Has it not learned enough?</summary>
#
# It has. p(lower | upper) is a product of the conditionals that it was trained on. p(upper | lower) is p(upper, lower) divided by a sum over <i>all</i> upper halves, 384 values of 256 levels each, and no training makes that sum shorter. Another order does: a model that begins at the bottom has p(upper | lower) ready.
# </details>
#
# <details><summary><b>7.</b> An image has 83 nats. How many bytes does it take, and what must the receiver have?</summary>
#
# 83 / ln 2 / 8 = 15 bytes, and at most two more for the end. The receiver needs the very same model, and must compute the same probabilities to the last digit.
# </details>

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert 8 * 16 * 3 == 384 == painter.shape[0] * hidden.sum() and painter.levels == 256
assert round(2**1.2, 1) == 2.3 and round(math.exp(1.2), 1) != 2.3
assert round(83 / math.log(2) / 8) == 15
nothing_but_a = ar.PixelCNN(width=4, layers=2)
for layer in nothing_but_a.net:
    if isinstance(layer, ar.MaskedConv2d) and layer.kernel_size[0] == 3:
        layer.mask.copy_(ar.causal_mask(3, "A"))
assert not sees(nothing_but_a, 14, 14)[14, 13] and sees(ar.PixelCNN(width=4, layers=2), 14, 14)[14, 13]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 17 · Summary, and when things go wrong
#
# - The chain rule turns any distribution into small questions, the three colours of a pixel included. Masks let one network answer all of them in one pass, so training is parallel and the likelihood is exact.
# - Sampling goes one value after the other. A cache removes the repeated work, not the waiting; guessing in parallel removes some of the waiting.
# - There is no latent code, so nothing to interpolate in. For compression you need none: $-\log_2p(x)$ is the length of a code, and arithmetic coding makes that code. On our digits the likelihood is the best so far.
#
# | you see | look at | cure |
# |---|---|---|
# | a loss too good to be true | gradient of one output | mask A first; shift the input; colour order |
# | good loss, samples black or dust | the order of drawing; the cache; a leak | compare with the naive loop under the same uniforms |
# | loss NaN or infinite with logistics | σ(a) − σ(b), tiny scales | the form with three logs; clamp log-scales |
# | the upper or left part of a completion does not fit | what comes first | another order, or a model trained on several |
# | pixels in colours that the data do not have | which colours a head sees; temperature | red, green given red, blue given both; $T$ below 1 |
# | text runs in circles | temperature 0 | a nucleus of 0.9, temperature near 1 |
# | training loss far below the test loss | few data, many weights | fewer weights, more data, stop early |
# | sounds are hiss | receptive field, temperature | more dilations; $T$ a little below 1 |
#
# **Cost.** One pass gives the likelihood of everything. One sample takes as many steps as there are values; the cache holds width × layers × the rows and columns that the kernels reach.
# **Several GPUs**: `accelerate launch -m course_lib train pixelcnn_8bit_large --preset gpu`.
#
# **Care.** A language model that has read a text may recite it, names and numbers included, when it is led there. The manual is public; your users' emails are not. An exact likelihood helps to find memorised pieces: look for those that are far likelier to this model than to one that has not read them.
#
# **Now you**: [exercise 05](../exercises/05_autoregressive/05_autoregressive.ipynb), 20 points.
#
# **Read on.** Larochelle & Murray, NADE (2011) · Germain et al., MADE (arXiv:1502.03509) · van den Oord et al., PixelRNN (arXiv:1601.06759), gated PixelCNN (arXiv:1606.05328) and WaveNet (arXiv:1609.03499) ·
# Salimans et al., PixelCNN++ (arXiv:1701.05517) · Ramachandran et al., *Fast Generation* (arXiv:1704.06001) · Song et al., *Accelerating Feedforward Computation* (arXiv:2002.03629) ·
# Holtzman et al., *The Curious Case of Neural Text Degeneration* (arXiv:1904.09751) · Bengio et al., scheduled sampling (arXiv:1506.03099) and Huszár's answer (arXiv:1511.05101) · Graves (arXiv:1308.0850)
