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
# # 07 · Metrics
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/notebooks/07_metrics.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/notebooks/07_metrics.ipynb)
#
# **You will be able to**
# - put every likelihood on one scale, in nats, bits and perplexity, and say when it means nothing for samples,
# - compute the Inception Score, FID and KID from features, with error bars, and know what each cannot see,
# - tell quality from coverage by precision and recall, and copying from both,
# - move one distribution onto another at the least cost,
# - read a leaderboard without being fooled: by sample size, by features, by the best of many runs.
#
# **Time** about 110 minutes. **Hardware** a laptop's CPU; nothing is downloaded. Every picture with sliders needs a running kernel.
# **You need** basic PyTorch and Gaussians; what a VAE, a GAN, a flow and a diffusion model are (lectures 02 to 06). Lecture 00 has the notation.

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
from functools import partial

import numpy as np
import torch
from IPython.display import display
from scipy.ndimage import gaussian_filter
from torch.distributions import Normal

from course_lib import checkpoints, datasets, metrics, training
from course_lib.datasets import binarise
from course_lib.metrics import leaderboard
from course_lib.plotting import LossPlot, show_images, show_source, table
from course_lib.recipes import find, preset_for
from course_lib.widgets import metrics as widgets

training.seed_everything(0)
train, test = datasets.load("mnist_small", "train"), datasets.load("mnist_small", "test")
order = torch.randperm(len(train))
known, seen = train.images()[order[:1000]], train.images()  # some training images, and all of them
unseen = test.images()[torch.randperm(len(test))]  # 1,000 digits that no model has seen
generator = torch.Generator().manual_seed(0)
splits = [torch.randperm(len(unseen), generator=generator).split(500) for _ in range(40)]  # their random halves


def spread(values, form="{:.3g}", of="{:.2g}"):
    """mean ± standard deviation, as a text."""
    values = torch.tensor([float(v) for v in values], dtype=torch.float64)
    return f"{form.format(values.mean())} ± {of.format(values.std())}"


# %% [markdown]
# ## First, play
#
# Take 500 real digits. Damage them. Compare them with 500 others. Nine scores below ask, each in its own way, "are these like real digits?" Sections 5 to 11 explain them; here only watch which of them move.
#
# **Predict first.** Choose *training copies* at strength 1: all 500 are copies of images that the models were trained on. Which scores notice that nothing new was made?

# %%
first = widgets.CorruptionExplorer(unseen[torch.cat(splits[0])], seen)
first.corruption.value, first.strength.value = "training copies", 1.0
first


# %% [markdown]
# > **What to notice.** No score sees everything. The dashed lines hold the mean ± 2 standard deviations of 20 random halves of *real* digits; this is the **floor**, what perfect samples would get. Copies (strength 1) stay near it, within four of these standard deviations, in eight scores of nine. Only the ninth, the distance to the training set, tells: it goes from 0.5 to 1.
# > Now move the menu. *Noise* (0.25) brings precision from 0.9 down to 0.4 or less. *Dropped digits* (0.5) leave precision alone and take about a third off recall and coverage. *Duplicates* (0.25), the same 158 images again and again, move FID by about three of these standard deviations. They halve recall, which is more than twenty. *Blur* (0.25) raises precision a little, and recall falls to about a half, too.
# > The rest of this lecture takes these scores apart, one at a time.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
def spoilt(corruption, strength):
    first.corruption.value = corruption
    return first.measured(strength)


clean, low = first.measured(0.0), {name: (low + high) / 2 for name, (low, high) in first.ranges.items()}
assert first.SPLITS == 20 and first.noticed(clean) == [] and len(clean) == 9
copies = spoilt("training copies", 1.0)
assert first.noticed(copies) == ["closer"] and copies["closer"] == 1 and abs(clean["closer"] - 0.5) < 0.05  # eight of nine see nothing
assert abs(low["precision"] - 0.9) < 0.05 and spoilt("noise", 0.25)["precision"] < 0.4
dropped = spoilt("dropped digits", 0.5)
assert abs(dropped["precision"] - low["precision"]) < 0.03 and all(
    abs(dropped[key] / low[key] - 2 / 3) < 0.1 for key in ("recall", "coverage")
)
again = spoilt("duplicates", 0.25)
assert "repeat 158 different" in first.found(0.25)[3] and 0.45 < again["recall"] < 0.62
away = {name: (again[name] - low[name]) / ((first.ranges[name][1] - low[name]) / 2) for name in ("FID", "recall")}
assert abs(away["FID"] - 3) < 1 and away["recall"] < -20 and abs(again["recall"] / low["recall"] - 0.5) < 0.15  # in standard deviations
blurred = spoilt("blur", 0.25)
assert blurred["precision"] > low["precision"] and 0.45 < blurred["recall"] < 0.62
first.corruption.value = "training copies"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · The naive attempt: how near is the nearest real image?
#
# A good sample looks like a real digit. So measure each sample's distance to the nearest training image, pixel by pixel, and average. Small is good. Four candidates: new digits written by people, samples of lecture 02's VAE with two latents, the mean of each class, and a thief who copies the training set.
#
# **Predict first.** Who wins?

# %%
smearing = checkpoints.load("vae_2d")
with torch.no_grad():
    candidates = {
        "real, new": unseen[:500],
        "VAE, 2 latents": smearing.sample(500),
        "class means": torch.stack([seen[train.y == digit].mean(0) for digit in range(10)]).repeat(50, 1, 1, 1),
        "copies": known[:500],
    }
show_images(torch.cat([x[:10] for x in candidates.values()]), columns=10, row_labels=list(candidates))
far = {name: metrics.nearest_distances(x, seen) for name, x in candidates.items()}
errors = {name: f" ± {d.std() / len(d) ** 0.5:.2f}" for name, d in far.items()} | {"class means": ""}  # ten pictures, and all there are
table([{"candidate": name, "mean distance ± its standard error": f"{d.mean():.2f}{errors[name]}"} for name, d in far.items()])

# %% [markdown]
# > **What to notice.** The thief wins, with a distance of 0. Ten grey blurs (4.78) beat digits that people wrote (5.06 ± 0.06), too. (The blurs have no error: there are no other class means to draw.) So does the VAE (4.56 ± 0.04), though its samples are smears: the digit network is unsure of about one in five, and of hardly any real digit. The score is wrong three times.
# > It looks at **one sample at a time**, so it cannot see that ten pictures are not a thousand. It **rewards copies**. And it counts **pixels**: moved by two pixels, 99 % of the digits are farther from themselves than from the nearest other digit, while an average digit lies within 8 of half the training set, where a real one lies within 8 of one image in seventeen.
# > A generative model makes a *distribution*. We have to compare distributions, in a space where near means alike, and watch for copies.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert far["copies"].max() == 0 and len(candidates["class means"].flatten(1).unique(dim=0)) == 10
assert abs(far["class means"].mean() - 4.78) < 0.01 and abs(far["real, new"].mean() - 5.06) < 0.01
assert abs(far["real, new"].std() / 500**0.5 - 0.06) < 0.005
assert abs(far["VAE, 2 latents"].mean() - 4.56) < 0.03 and abs(far["VAE, 2 latents"].std() / 500**0.5 - 0.04) < 0.005
unsure = [
    (metrics.digit_probabilities(candidates[name]).max(1).values < 0.9).double().mean().item() for name in ("VAE, 2 latents", "real, new")
]
assert abs(unsure[0] - 1 / 5) < 0.06 and unsure[1] < 0.03
moved = (unseen[:500] - unseen[:500].roll(2, 3)).flatten(1).norm(dim=1)
assert round((moved > far["real, new"]).double().mean().item(), 2) == 0.99
within = [(torch.cdist(x.flatten(1), seen.flatten(1)) < 8).double().mean().item() for x in (candidates["class means"][:10], unseen[:500])]
assert 0.5 < within[0] < 0.6 and round(1 / within[1]) == 17  # half of them, and one in seventeen

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Likelihood on one scale
#
# Some models of this course tell $p_\theta(x)$, or a bound of it. Then there is a score without any samples: the mean of $-\log p_\theta(x)$ over test images. It is the length of the best code that the model can give them. Three units are in use.
#
# - **nats** an image: $-\log p_\theta(x)$ itself, with the natural logarithm.
# - **bits a dimension**: divide by $D\log 2$, with $D$ numbers an image (pixels times colours). Then images of any size share a unit. (They still do not compare: larger images have more alike neighbours, which cost less.)
# - **perplexity**: $\exp(\text{nats a symbol})$, for text. So many equally likely symbols would be as hard to guess.
#
# A density is not a probability. With pixels in $[0,1]$ a grey level is an interval of width $1/256$. Where the density is constant within each level, $\log P(x)=\log p(x)-D\log 256$; where it is not, the mean of the right side over noise within the levels is a lower bound, by Jensen (lecture 04). **Test it**: a model that knows nothing pays 8 bits a pixel for 256 levels, whatever the image. A model of text that finds 27 symbols equally likely has a perplexity of 27.

# %%
show_source(metrics.perplexity)
show_source(metrics.levels_log_prob)
nothing_known = torch.zeros(5)  # log of the uniform density on [0, 1]⁷⁸⁴, for five images
bits = metrics.bits_per_dim(metrics.levels_log_prob(nothing_known, dims=784), 784)
lengths = torch.tensor([10, 200, 35])
print(f"bits a dimension: {bits.tolist()}")
print(f"perplexity of a uniform guess among 27: {metrics.perplexity(-lengths * math.log(27), lengths):.2f}")

# %% [markdown]
# **Black and white on the same scale.** Lectures 02 and 05 report nats of *binarised* digits. How do those compare with bits of 256 grey levels? A model of black and white becomes a model of grey: draw the picture $b$, then each pixel's level $v$ given $b$, as often as training images have it there. Binarisation is $q(b\mid v)$, so by Bayes $P(v_i\mid b_i)=h_i(v_i)\,q(b_i\mid v_i)/h_i(b_i)$. Put this into the ELBO with $b$ as the latent, $\mathbb E_{q(b\mid v)}[\log p_\theta(b)+\log P(v\mid b)-\log q(b\mid v)]$: the $q$ cancels, and
#
# $$\log P(v)\ \ge\ \mathbb E_{q(b\mid v)}\Big[\log p_\theta(b)+\sum_i\big(\log h_i(v_i)-\log h_i(b_i)\big)\Big]$$
#
# with $h_i(v)$ the share of level $v$ at pixel $i$ (counts are smoothed, or an unseen level would be impossible) and $h_i(b)$ the share of black or white there. The sum does not depend on the model. It is what grey costs, and all binarised models pay it.

# %%
levels = metrics.GreyLevels(train.x)
vae = checkpoints.load("vae")
x, on = test.x[::5], binarise(test.x[::5], generator=torch.Generator().manual_seed(0))  # 200 images
training.seed_everything(0)
with torch.no_grad():
    nats = vae.iwae_bound(on, k=50)
grey = levels.bound(x, on, nats)
for what, found in {"the VAE on black and white": nats, "on 256 levels             ": grey}.items():
    bits = metrics.bits_per_dim(found, 784)
    print(f"{what}: {-found.mean():.1f} nats, {bits.mean():.3f} ± {bits.std() / 200**0.5:.3f} bits a pixel (200 images)")
for n in (1000, 2000):
    fewer_counts = metrics.bits_per_dim(metrics.GreyLevels(train.x[order[:n]]).bound(x, on, nats), 784).mean()
    print(f"with levels counted on {n:,} images for {len(train):,}: {fewer_counts:.3f} bits a pixel")
pixelcnn = {name: checkpoints.record(name)["numbers"] for name in ("pixelcnn_8bit", "pixelcnn_gated")}
levels_nats, colour_nats = pixelcnn["pixelcnn_8bit"]["bits_per_dim"] * 784 * math.log(2), pixelcnn["pixelcnn_gated"]["nll"]
print(f"PixelCNN trained on 256 levels: {levels_nats:.0f} nats. One trained on black and white: {colour_nats:.1f} for those alone")

# %% [markdown]
# > **What to notice.** In this sum a tenth of the nats is black and white, 86 of 848, and nine tenths are grey levels. That share belongs to our crude model of grey, which draws each pixel's level alone. The PixelCNN that learned 256 levels needs 571 nats for everything; against that the 83.5 of black and white are 15 %. Either way black and white is the small part. State the data with every number: “86 nats” and “1.56 bits” are the same model here. What grey costs depends on how many images its levels were counted on: 1.78, 1.65 and 1.56 bits for 1,000, 2,000 and 4,000. The leaderboard counts on 59,000 and says 1.47 (on other test images, too: these 200 are good to ± 0.02).
#
# **When there is only a sample of $z$.** This is **importance sampling**. A VAE's likelihood is $p_\theta(x)=\mathbb E_{q}[w]$ with weights $w=p_\theta(x,z)/q_\phi(z\mid x)$. The mean of $k$ weights estimates it without bias. Its logarithm is too low on average, by Jensen: $\mathbb E\log\frac1k\sum_i w_i\le\log\mathbb E\,w=\log p_\theta(x)$, and less so for larger $k$. The **effective sample size** $(\sum w)^2/\sum w^2$ says how many of the $k$ draws really count.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert round(-nats.mean().item()) == 86 and round(-grey.mean().item()) == 848 and 0.09 < (nats.mean() / grey.mean()).item() < 0.11
assert round(levels_nats) == 571 and round(colour_nats, 1) == 83.5 and round(colour_nats / levels_nats, 2) == 0.15
assert round(metrics.bits_per_dim(grey, 784).mean().item(), 2) == 1.56 and len(train) == 4_000 and len(x) == 200
assert abs(metrics.bits_per_dim(grey, 784).std() / 200**0.5 - 0.02) < 0.01
counted = [metrics.GreyLevels(train.x[order[:n]]).bound(x, on, nats) for n in (1_000, 2_000, 4_000)]
assert all(abs(metrics.bits_per_dim(v, 784).mean() - told) < 0.03 for v, told in zip(counted, (1.78, 1.65, 1.56)))
on_all = next(row for row in leaderboard.read()["rows"] if row["name"] == "vae")
assert round(on_all["bits_per_dim"], 2) == 1.47 and f"{59_000:,}" in checkpoints.record("vae")["data"]
assert checkpoints.record("pixelcnn_8bit")["config"]["levels"] == 256

# %%
show_source(metrics.importance_sampled)
training.seed_everything(0)
with torch.no_grad():
    log_weights = vae.log_weights(on[:100], 500)
rows = []
for k in (1, 5, 50, 500):  # 500 draws are 500 groups of one, 100 groups of five, and so on: average over the groups
    found = [metrics.importance_sampled(group) for group in log_weights.split(k)]
    estimate, effective = (torch.stack([pair[i].mean() for pair in found]).mean() for i in (0, 1))
    rows.append({"k": k, "log p(x) ≥, nats": f"{estimate:.2f}", "draws that count": f"{effective:.1f}"})
table(rows)

# %% [markdown]
# > **What to notice.** The bound rises with $k$ and flattens: five draws for one gain about 1.6 nats, five hundred for fifty about 0.4. Of 500 draws fewer than 45 count, on average over 100 images, because $q_\phi$ is not the true posterior: if it were, each weight would be $p_\theta(x,z)/p_\theta(z\mid x)=p_\theta(x)$, the same for all, and all 500 would count. A bound with $k=1$ (the ELBO) and one with $k=500$ are different scores. Say which one you report.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
bound, counting = ([float(row[key]) for row in rows] for key in ("log p(x) ≥, nats", "draws that count"))
assert bound == sorted(bound) and abs(bound[1] - bound[0] - 1.6) < 0.3 and abs(bound[3] - bound[2] - 0.4) < 0.2
assert rows[3]["k"] == 500 and 30 < counting[3] < 45 and log_weights.shape[1] == 100
assert round(metrics.importance_sampled(torch.zeros(500, 1))[1].item()) == 500  # equal weights: the true posterior

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · Likelihood and quality are two things
#
# Surely a model with a better likelihood draws better samples? **Predict first.** Let 99 of 100 samples of a good model be noise: how many nats does it lose? And a model whose samples are all perfect: may its likelihood be terrible?
#
# **Noise that costs nothing.** Mix a good model with noise: $p=0.01\,p_{\text{good}}+0.99\,p_{\text{noise}}$. Then $\log p\ge\log p_{\text{good}}-\log 100$: it loses at most 4.6 nats. For 784 pixels that is 0.008 bits a pixel. And 99 of 100 samples are noise.
#
# **A lookup table.** Put a narrow Gaussian on each training point. All samples look perfect. New points lie between the Gaussians, where the density is nearly 0.
#
# So the answer is no, in both directions (Theis et al. 2016). The explorer starts at both extremes: a share of noise of 99 %, and narrow kernels. Move both away from there, and watch nats and samples.

# %%
noisy = widgets.LikelihoodExplorer()
noisy

# %% [markdown]
# > **What to notice.** With 99 % noise 79 % of the mixture's samples are off the rings; nearly all of the others are noise that happened to hit them. Yet the likelihood falls by 1.9 nats only, and never by more than 4.6. (It falls by less than 4.6 because noise in the plane hits the rings by chance. With 784 pixels uniform noise gives a digit more than 3,000 nats less than a good model does: it adds nothing, and the whole 4.6 is lost.) The lookup table's samples all look real at a bandwidth of 0.01, with a mean log-likelihood of about −319 nats on test points. Of the slider's bandwidths the best on test points, 0.2, draws worse samples. Likelihood asks "is any real image impossible?". Samples ask "is any drawn image impossible?". They are the two directions of lecture 00's KL: $\mathrm{KL}(p_\text{data}\,\|\,p_\theta)$ is large where data are that the model finds impossible, $\mathrm{KL}(p_\theta\,\|\,p_\text{data})$ where the model draws what never occurs.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
world, real_share = noisy.world(), lambda: [noisy.real_looking(x).double().mean().item() for x in noisy.samples()]
assert noisy.data.value == "rings" and noisy.share.value == 0.99 and round(1 - real_share()[0], 2) == 0.79
by_chance = noisy.real_looking(noisy.SIDE * (torch.rand(4000, 2, dtype=torch.float64) - 0.5)).double().mean()
assert abs(by_chance - real_share()[0]) < 0.05  # uniform noise alone hits the rings as often
assert round(world["data"] - world["mixture"][3], 1) == 1.9 and round(math.log(100), 1) == 4.6
assert noisy.bandwidth.value == 0.01 and real_share()[1] == 1 and round(world["lookup"][1][1]) == -319
tested = [test_points for _, test_points in world["lookup"]]
noisy.bandwidth.value = 0.2
assert max(tested) == tested[4] and real_share()[1] < 0.9
noisy.bandwidth.value = 0.01
assert 784 * math.log(256) - levels_nats > 3_000  # log density of a good model of pixels in [0, 1]; that of uniform noise is 0

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Features: a space where near means alike
#
# Scores of samples compare *features*: the layer before the last of a classifier. There, one hopes, near means alike; the table below tests it on the failures of section 1. Published numbers use Inception, a network for photographs. Ours use the **digit network**, 64 features, trained on the 59,000 digits that the models saw too.
#
# Let one learn before your eyes, for sixty batches of 64 images. The shipped one had more time.

# %%
recipe, budget = find("digit_network"), find("digit_network").budgets[preset_for()].options()
young = recipe.build()
training.fit(
    young, (train.x, train.y), watch=LossPlot(), progress=False, **recipe.fit,
    **budget | {"steps": 60, "batch_size": 64, "warmup": 10, "ema": None},
)  # fmt: skip
with torch.no_grad():
    right = (young.eval()(test.images()).argmax(1) == test.y).float().mean()
print(f"the young network is right for {right:.0%} of 1,000 new digits")
print(f"the shipped one is right for {checkpoints.record('digit_network')['numbers']['accuracy']:.1%} of MNIST's 10,000 test images")

# %%
of_seen = metrics.digit_features(seen)
spaces = {"pixels": lambda x: x.flatten(1).double(), "digit network": metrics.digit_features}
rows, lost_itself, of_means = [], {}, {}
for name, space in spaces.items():
    there, training_there = space(unseen[:500]), space(seen)
    to_others = metrics.nearest_distances(there, training_there)
    lost_itself[name] = ((space(unseen[:500].roll(2, 3)) - there).norm(dim=1) > to_others).double().mean().item()
    of_means[name] = metrics.nearest_distances(space(candidates["class means"][:10]), training_there) / to_others.mean()
    rows.append(
        {
            "space": name,
            "moved by two pixels, farther from itself than from another digit": f"{lost_itself[name]:.0%}",
            "distance of class means to the nearest digit, over that of new digits": f"{of_means[name].mean():.2f}",
        }
    )
table(rows)

# %% [markdown]
# > **What to notice.** Sixty batches are enough for about nine digits in ten. In pixels the class means were nearer to digits than new digits are; in features each of the ten is farther. That failure is mended. The other one is halved: 99 % of moved digits are farther from themselves than from another digit in pixels, about 55 % still are in features. So near means alike *more often*, not always.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert 0.85 < right < 0.96 and of_means["pixels"].mean() < 1 and of_means["digit network"].min() > 1.05
assert round(lost_itself["pixels"], 2) == 0.99 and abs(lost_itself["digit network"] - 0.55) < 0.08

# %% [markdown]
# ## 5 · The Inception Score
#
# The first score of this kind needs no real data. Let the classifier judge each sample: $p(y\mid x)$. A good sample gets a sure answer. A good *set* gets every answer equally often: $p(y)=\mathbb E_x\,p(y\mid x)$ is flat. Both at once, as a KL:
#
# $$\mathrm{IS}=\exp\ \mathbb E_x\,\mathrm{KL}\big(p(y\mid x)\,\|\,p(y)\big)$$
#
# It lies between 1 and the number of classes. Papers average it over ten parts of the samples, in each of which $p(y)$ is a little less flat. **Test it** on answers that we make up.

# %%
show_source(metrics.inception_score)
sure = torch.eye(10).repeat_interleave(50, 0)  # class by class, as samples often come
print("sure and balanced:", metrics.inception_score(sure, splits=1))
print("in ten parts:     ", metrics.inception_score(sure))
print("one class only:   ", metrics.inception_score(sure[:50], splits=1))
print("never sure:       ", metrics.inception_score(torch.full((500, 10), 0.1), splits=1))

# %%
one_each = torch.stack([unseen[(metrics.predicted_digits(unseen) == digit).nonzero()[0, 0]] for digit in range(10)])
sets = {
    "500 real digits": unseen[:500],
    "500 of the VAE": candidates["VAE, 2 latents"],
    "ten digits, 50 times each": one_each.repeat(50, 1, 1, 1),
}
inception = {name: metrics.inception_score(metrics.digit_probabilities(x), splits=5) for name, x in sets.items()}
table([{"samples": name, "IS": repr(score)} for name, score in inception.items()])

# %% [markdown]
# > **What to notice.** Ten pictures, each shown fifty times, score no lower than five hundred real digits: the difference is within the spread of five parts. The VAE's samples score lower than both. The Inception Score sees classes and nothing within a class, and it never looks at real data. It is still printed in tables; do not decide anything by it.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
(of_real, of_vae, of_ten) = inception.values()
assert of_ten > of_real - of_real.error and of_vae < min(of_real, of_ten) - of_vae.error
assert len(sets["ten digits, 50 times each"].flatten(1).unique(dim=0)) == 10

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · FID: compare two Gaussians
#
# So compare with real data. Fit a Gaussian to the features of real images, $\mathcal N(\mu_1,\Sigma_1)$, and one to those of samples, $\mathcal N(\mu_2,\Sigma_2)$. Their squared **Fréchet distance** is
#
# $$\mathrm{FID}=\|\mu_1-\mu_2\|^2+\operatorname{tr}\!\big(\Sigma_1+\Sigma_2-2(\Sigma_1\Sigma_2)^{1/2}\big)$$
#
# The first term compares means. The second compares spreads: in one dimension $\sigma_1^2+\sigma_2^2-2\sigma_1\sigma_2=(\sigma_1-\sigma_2)^2$. It sees a lack of quality (features move) and a lack of variety (features shrink). It sees nothing that two Gaussians cannot show.
#
# $\Sigma_1\Sigma_2$ is not symmetric. Its eigenvalues are real and not negative, but rounding makes the root of a general matrix complex. The code below takes a detour: with $\Sigma_1=RR^\top$, the symmetric $R^\top\Sigma_2R$ has the same eigenvalues $\lambda_i$, because $AB$ and $BA$ always share theirs, and the trace of the root is $\sum_i\sqrt{\lambda_i}$. **Test it**: with covariances that share their axes the answer is known.

# %%
show_source(metrics.gaussian_distance)
mean, std = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([1.0, 2.0, 0.5])
cloud = mean + std * torch.randn(200_000, 3)
other = 1.0 + 3.0 * torch.randn(200_000, 3)
print(f"known: {((mean - 1) ** 2 + (std - 3) ** 2).sum():.2f}   measured: {metrics.frechet_distance(cloud, other)!r}")

# %%
real = metrics.digit_features(unseen)
training.seed_everything(0)
names = ["vae", "vae_gan", "vqvae", "dcgan", "cgan", "latent_spline", "glow", "latent_flow"]
with torch.no_grad():
    samples = {name: metrics.draw(checkpoints.load(name), 500).clamp(0, 1) for name in names}
show_images(torch.cat([x[::41][:12] for x in samples.values()]), columns=12, row_labels=names, size=0.6)

# %%
features = {name: metrics.digit_features(x) for name, x in samples.items()}


def over_halves(score, fake=None, draws=10):
    """A score of samples, or else of the other half of the real digits, against random halves of the real ones."""
    return torch.tensor([float(score(real[a] if fake is None else fake, real[b])) for a, b in splits[:draws]])


fids = {"real against real": over_halves(metrics.frechet_distance, draws=40)}
fids |= {name: over_halves(metrics.frechet_distance, fake) for name, fake in features.items()}
redrawn = {}
for name in ("latent_flow", "latent_spline", "cgan", "vae"):  # quick to draw: six other draws of 500, against one half
    with torch.no_grad():
        draws = [metrics.digit_features(metrics.draw(checkpoints.load(name), 500).clamp(0, 1)) for _ in range(6)]
    redrawn[name] = torch.tensor([float(metrics.frechet_distance(x, real[splits[0][1]])) for x in draws])
table(
    [
        {
            "model, 500 samples": name,
            "FID, mean ± sd over real halves": spread(v),
            "over six other draws": spread(redrawn[name]) if name in redrawn else "–",
        }
        for name, v in sorted(fids.items(), key=lambda item: item[1].mean())
    ]
)

# %% [markdown]
# > **What to notice.** Good and bad models are far apart: the upper four lie below 40, the lower four above 90. *Real against real* is not 0. This is the floor at 500 samples, 18.9 ± 4.8, and latent flow lies on it, within one of these standard deviations. That means that 500 samples cannot tell it from real digits; 10,000 can: 5.5 ± 1.0, with a floor of 1.5 (section 14). Two draws decide a number, of real digits and of samples. The last column draws the samples anew: neighbours among the upper four are less than three standard deviations of their difference apart, so do not trust their order. (Models that are told a label, such as latent flow and cGAN, draw each digit equally often here.) FID has no unit and no natural size: these features are not those of Inception, so numbers compare within this course only. Where does the floor come from?

# %% slideshow={"slide_type": "skip"} tags=["claim"]
ranked = sorted((v.mean().item(), name) for name, v in fids.items() if name != "real against real")
floor = fids["real against real"]
assert len(features["vae"]) == 500 and ranked[3][0] < 40 and ranked[4][0] > 90
assert abs(floor.mean() - 18.9) < 0.5 and abs(floor.std() - 4.8) < 0.3
assert abs(fids["latent_flow"].mean() - floor.mean()) < floor.std() and {name for _, name in ranked[:4]} == set(redrawn)
beside = [redrawn[name] for _, name in ranked[:4]]
assert all(abs(a.mean() - b.mean()) < 3 * (a.var() + b.var()).sqrt() for a, b in zip(beside, beside[1:]))
told_later = {row["name"]: row for row in leaderboard.read()["rows"]}["latent_flow"]
assert round(told_later["fid"], 1) == 5.5 and round(told_later["fid_error"], 1) == 1.0 and leaderboard.read()["samples"] == 10_000
assert round(leaderboard.floors(leaderboard.read())[0]["fid"], 1) == 1.5
assert all(getattr(checkpoints.load(name), "classes", 0) == 10 for name in ("latent_flow", "cgan"))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · The bias of FID, and KID
#
# **Predict first.** FID fits a covariance to $N$ feature vectors of a model. Take fewer of them: does FID fall, rise, or only get noisier?
#
# A mean from $N$ samples is off by chance. FID squares what is off, and squares do not cancel. For the first term, with two sets of one distribution:
#
# $$\mathbb E\,\|\hat\mu_1-\hat\mu_2\|^2=\tfrac{1}{N}\operatorname{tr}\Sigma+\tfrac{1}{N}\operatorname{tr}\Sigma=\tfrac{2}{N}\operatorname{tr}\Sigma$$
#
# The fitted covariances are off, too, and add another term in $1/N$; with 64 features it is the larger one, as the table below shows. So **fewer samples, larger FID**, by about $c/N$ once $N$ is well above the number of features. The constant $c$ depends on the model, so even the order of two models may depend on $N$ (Chong & Forsyth 2020).
#
# **KID** compares without Gaussians. Take a kernel $k(a,b)=(a\cdot b/d+1)^3$, a number for how alike two feature vectors are. Compare likeness within and between, for two samples $a,a'$, two real images $b,b'$ and $d=64$ features:
#
# $$\mathrm{MMD}^2=\mathbb E\,k(a,a')+\mathbb E\,k(b,b')-2\,\mathbb E\,k(a,b)$$
#
# This is the squared **maximum mean discrepancy** (MMD), and KID is it. The naive estimate averages $k$ over all pairs of a set, and so counts each point's likeness to itself, which is large: too large a distance on average. KID leaves these pairs out, $\frac1{N(N-1)}\sum_{i\ne j}k(a_i,a_j)$. Each remaining term has the right mean, so the sum is right on average, **unbiased**, for any $N$. Take fewer samples of one model, and watch both.

# %%
training.seed_everything(0)
with torch.no_grad():
    many = metrics.digit_features(metrics.draw(checkpoints.load("latent_flow"), 2000))
fewer = widgets.SampleSizeExplorer(many, of_seen)
fewer.samples.value = 1000
fewer

# %% [markdown]
# > **What to notice.** FID falls as $N$ grows, from about 100 at 50 samples to below 10 at 2,000. KID has no such trend: its mean goes up and down, and its spread shrinks (at 2,000 every set is all there are, so none is left to see). Against $1/N$ the FID is nearly a line (right, from parts of 1,000 samples); where it meets $1/N=0$ is **FID$_\infty$**. From 500 samples on, its mean is nearer to the value of all 2,000 than FID's, for most of the samples' bias is gone. (The bias of the real images' own number stays.) Two warnings: the line needs parts well above the 64 features, and the extrapolation is noisy: at $N=50$ it scatters more than FID itself. Rule: never compare FIDs at different $N$, always print $N$, and print the floor.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
found = fewer.measured()
means = found["FID"].mean(1)
assert (np.diff(means) < 0).all() and 75 < means[0] < 130 and means[-1] < 10 and fewer.sizes[0] == 50 and fewer.sizes[-1] == 2_000
steps = np.diff(found["KID"].mean(1))
assert (steps > 0).any() and (steps < 0).any()
assert (np.diff(found["KID"].std(1)) < 0).sum() >= 4 and found["KID"][0].std() > 4 * found["KID"][-2].std()
lined = np.corrcoef(1 / np.array(fewer.parts(1000)), found["parts"][fewer.sizes.index(1000)].mean(0))[0, 1]
assert lined > 0.98 and many.shape[1] == 64 and found["FID∞"][0].std() > found["FID"][0].std()
end = found["FID∞"][-1].mean()
for i, size in enumerate(fewer.sizes):
    assert size < 500 or abs(found["FID∞"][i].mean() - end) < 0.8 * abs(means[i] - end) or size == 2_000

# %%
show_source(metrics.kid)
show_source(metrics.cubic_kernel)

# %%
# test it: two sets of 200 of the same digits, many times. KID is 0 on average, FID is not, and neither is the naive KID
values = {"FID": [], "FID, first term": [], "KID": [], "KID with each point's likeness to itself": []}
for _ in range(100):
    a, b = real[torch.randperm(len(real))[:400]].split(200)
    values["FID"].append(metrics.frechet_distance(a, b))
    values["FID, first term"].append((a.mean(0) - b.mean(0)).square().sum())
    values["KID"].append(metrics.mmd(a, b))
    values["KID with each point's likeness to itself"].append(metrics.mmd(a, b, biased=True))
values = {name: torch.tensor([float(v) for v in v100]) for name, v100 in values.items()}
predicted = 2 * torch.cov(real.T).trace().item() / 200
rows = [{"N = 200": name, "mean ± standard error": f"{v.mean():.1f} ± {v.std() / 10:.1f}"} for name, v in values.items()]
table([*rows[:2], {"N = 200": "known: 2 tr Σ / N", "mean ± standard error": f"{predicted:.1f}"}, *rows[2:]])

# %% [markdown]
# > **What to notice.** The first term is as large as the formula says. The covariances add three to five times as much. KID is 0 within its error; with each point's likeness to itself it is far above.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert abs(values["KID"].mean()) < 3 * values["KID"].std() / 10 and values["FID"].mean() > 20 * values["FID"].std() / 10
assert abs(values["FID, first term"].mean() - predicted) < 3 * values["FID, first term"].std() / 10  # 2 tr Σ / N
assert values["KID with each point's likeness to itself"].mean() > 5 * values["KID"].std() / 10
assert 3 < values["FID"].mean() / values["FID, first term"].mean() - 1 < 5

# %% [markdown]
# **How one split fools.** Above, floors are means over 40 random halves of 1,000 digits. Why the trouble? Take a single split, the first 500 digits against the last 500, in the order in which this notebook happened to shuffle them.

# %%
one_half, other_half = real[:500], real[500:]
one = {name: float(score(one_half, other_half)) for name, score in (("FID", metrics.frechet_distance), ("KID", metrics.mmd))}
kids = over_halves(metrics.mmd, draws=40)
better = [name for name, fake in features.items() if metrics.frechet_distance(fake, other_half) < one["FID"]]
table(
    [
        {"real against real": "this one split", "FID": f"{one['FID']:.1f}", "KID": f"{one['KID']:.0f}"},
        {"real against real": "40 random splits, mean ± sd", "FID": spread(floor), "KID": spread(kids, "{:.0f}", "{:.0f}")},
    ]
)

# %% [markdown]
# > **What to notice.** The one split says: floor 30.1, KID 118. Latent flow then looks better than real digits. Over 40 splits FID is 18.9 ± 4.8 and KID −2 ± 28: this split lies more than two standard deviations off in FID and four in KID. Nobody chose it: of 1,000 other splits fewer than 2 % have so large a KID, and this one happened to come first.
# > The same holds for a model's number. One draw is a draw. Print a mean with its standard deviation over splits or seeds; where there is one set only, the **jackknife** gives an error bar: leave out a tenth at a time and see how far the score moves (section 13 tests it).

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert len(splits) == 40 and round(one["FID"], 1) == 30.1 and round(one["KID"]) == 118 and len(real) == 1_000
assert "latent_flow" in better
assert (
    round(kids.mean().item()) == -2 and round(kids.std().item()) == 28 and abs(floor.mean() - 18.9) < 0.5 and abs(floor.std() - 4.8) < 0.3
)
assert one["FID"] > floor.mean() + 2 * floor.std() and one["KID"] > kids.mean() + 4 * kids.std()
chosen = torch.stack([torch.randperm(1_000, generator=generator) < 500 for _ in range(1_000)]).double()
assert (metrics.kernels.mmd_of_subsets(real, real, chosen, 1 - chosen) > one["KID"]).double().mean() < 0.02

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · Precision and recall: quality and coverage apart
#
# One number cannot say *what* is wrong. A model that draws perfect ones only and a model that draws every digit badly may have the same FID. So ask twice (Kynkäänniemi et al. 2019). Give each real point a ball that reaches to its $k$-th real neighbour; together the balls are where real data live.
#
# - **precision**: the share of samples inside the balls of real points. Quality.
# - **recall**: the share of real points inside the balls of samples, which reach to their $k$-th neighbour among the samples. Coverage.
#
# An outlier has a huge ball, and one stray sample may then cover half of the data. **Density** counts how many real balls hold a sample, divided by $k$: about 1 for real data, and it may be more. **Coverage** asks whether a real point's own ball holds any sample. In both only real points have balls.
#
# **Predict first.** Data fill eight clusters. A collapsed model fills three of them, perfectly. Which of the four numbers are high?

# %%
balls = widgets.CoverageExplorer()
balls.model.value = "collapsed"
balls


# %% [markdown]
# > **What to notice.** *Collapsed*: precision and density stay high, 0.83 each, against 0.91 and 0.90 for the good model; recall and coverage fall from 0.94 and 0.86 to 0.34 and 0.38. *Too wide*: precision falls to 0.46, recall is 1, coverage falls less, to 0.61. (These are 96 points, drawn once.) *Collapsed, one stray sample*: a single outlier doubles recall, to 0.73, and leaves coverage alone; show the balls around samples to see why. *In the hole, one real stray*: one real outlier makes precision 1 for samples in the empty middle; density, 0.34, is fooled much less. A larger $k$ makes precision, recall and coverage kinder; density is divided by $k$.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
def four(model, k=3):
    balls.model.value = model
    return metrics.neighbour_scores(*balls.points(), k, k)


assert [round(v, 2) for v in four("collapsed")[:4]] == [0.83, 0.34, 0.83, 0.38] and balls.N == 96
assert [round(v, 2) for v in four("good")[:4]] == [0.91, 0.94, 0.90, 0.86]
assert [round(four("too wide")[i], 2) for i in (0, 1, 3)] == [0.46, 1, 0.61]
stray = four("collapsed, one stray sample")
assert (
    round(stray.recall, 2) == 0.73
    and stray.recall > 2 * four("collapsed").recall
    and abs(stray.coverage - four("collapsed").coverage) < 0.01
)
hole = four("in the hole, one real stray")
assert hole.precision == 1 and round(hole.density, 2) == 0.34 and four("in the hole").precision < 0.05
for model in balls.model.options:
    few, several = four(model, 3), four(model, 6)
    assert all(several[i] >= few[i] for i in (0, 1, 3)), model  # precision, recall, coverage
balls.model.value = "collapsed"

# %% [markdown]
# Do the four scores see a mode that is missing? On faces we can know: each is drawn from parts that we chose. Below, a sampler draws *real* faces, but leaves out those with a hat. All else about it is perfect. And we can count exactly: 500 real faces hold 576 pairs of words, such as a hat and a beard, or red hair and a blue background. How many of them never come?
#
# **Predict first.** One face in four wears a hat. All of these are withheld. Which of the four scores will tell?

# %%
show_source(metrics.neighbour_scores, open=False)
people, new_people = datasets.load("faces", "train"), datasets.load("faces", "test")
pool, others = people.x[:1_500], new_people.x[:500]
withheld = widgets.WithheldExplorer(pool, people.y[:1_500], others, new_people.y[:500])
display(withheld)
torch.manual_seed(0)
labelled, asked = checkpoints.load("cgan"), datasets.faces.attributes(new_people.y[500:1_000])
face_gan, face_vae = checkpoints.load("cgan_faces"), checkpoints.load("vae_faces")
with torch.no_grad():
    cases = {
        "real faces of the training set": datasets.to_float(pool[:500]),
        "GAN that is told ten words": face_gan.sample(500, y=asked),
        "VAE": face_vae.sample(500).clamp(0, 1),
        "the real ones, blurred": torch.nn.functional.avg_pool2d(datasets.to_float(pool[:500]), 3, 1, 1),
        "one face, 500 times": datasets.to_float(pool[:1]).repeat(500, 1, 1, 1),
    }
rows, four_of, lost_by = [], {}, {}
for name, x in cases.items():
    found = four_of[name] = metrics.neighbour_scores(withheld.real, metrics.face_features(x))
    lost_by[name] = len(metrics.missing_pairs(metrics.predicted_attributes(x), withheld.reference))
    rows.append({"500 faces": name} | {score: f"{getattr(found, score):.2f}" for score in ("precision", "recall", "density", "coverage")})
    rows[-1] |= {f"pairs missing, of {withheld.pairs}": lost_by[name]}
table(rows)


# %% [markdown]
# > **What to notice.** Withhold all hats. Precision rises a little, coverage does not move. Recall falls from 0.81 to 0.76, where another draw moves it by 0.015. (All of this is over six draws; the picture is one.) Most faces with a hat have a neighbour without one: 92 in 100 of their balls still hold a sample. The count is not in doubt: 217 pairs never come, where full draws of 500 miss about nine. Withhold red hair, and no score moves by more than 0.03; about 35 pairs are missing. A beard costs the most recall of the three, down to 0.66. So low recall is a reason to look, and high recall is no proof that nothing is missing.
# > The table turns it round. The GAN has a recall below a third, yet, told the words of real faces, it misses no more pairs than these may do by chance. Does it draw few of the ways to draw each pair? No: draw its faces again from the parts that are read in them, and recall is about 0.73. The parts are there; but its pictures lie nearer to each other, and to the middle of the data, than data do. So its density is about 2, and its balls are small: with balls of their size, real faces have a recall below a third as well. The VAE, which is told no words, misses dozens of pairs. Blur leaves a precision of 0.4 and no recall; one face repeated recalls nothing and has a precision of 1.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
def withhold(word, draws=6):
    """Mean and standard deviation over draws, of (scores, pairs missing), with nothing and with everything withheld."""
    withheld.word.value, found = word, []
    for draw in range(draws):
        withheld.seed.value = draw
        found.append([list(withheld.measured()[i].values()) for i in (0, -1)])
    withheld.seed.value = 0
    return torch.tensor(found).mean(0), torch.tensor(found).std(0)


(full, bare), (sd, sd_bare) = withhold(("hat", "hat"))
precision, recall, density, coverage, lost_pairs = range(5)
assert 0 < bare[precision] - full[precision] < 0.07 and abs(bare[coverage] - full[coverage]) < 0.02
assert abs(full[recall] - 0.81) < 0.02 and abs(bare[recall] - 0.76) < 0.02 and full[recall] - bare[recall] > 2 * sd[recall]
assert abs(sd[recall] - 0.015) < 0.01 and abs(bare[lost_pairs] - 217) < 3 and abs(full[lost_pairs] - 9) < 3 and withheld.pairs == 576
(_, of_red), (_, of_beards) = withhold(("hair_colour", "red"))[0], withhold(("beard", "beard"))[0]
assert all(abs(of_red[i] - full[i]) < 0.03 for i in range(4)) and abs(of_red[lost_pairs] - 35) < 4
assert abs(of_beards[recall] - 0.66) < 0.03 and of_beards[recall] < min(bare[recall], of_red[recall]) and withheld.size == 500
withheld.word.value = ("hat", "hat")
hats = new_people.y[:, list(datasets.faces.FACTORS).index("hat")] > 0
assert abs(hats.double().mean() - 1 / 4) < 0.02
_, by_gan, _, soft, single = (four_of[name] for name in cases)
_, of_gan, of_vae, _, _ = lost_by.values()
assert by_gan.recall < 1 / 3 and of_gan < full[lost_pairs] + 2 * sd[lost_pairs] and abs(by_gan.density - 2.2) < 0.4 and 30 < of_vae < 90
assert soft.recall < 0.02 and abs(soft.precision - 0.4) < 0.05 and single.recall == 0 and single.precision == 1
of_gan_faces = metrics.face_features(cases["GAN that is told ten words"])
to_middle = [(x - withheld.real.mean(0)).norm(dim=1).median() for x in (of_gan_faces, withheld.real)]
assert to_middle[0] < to_middle[1]  # typical: nearer to the middle of the data than data are
drawn_again = datasets.to_float(datasets.faces.draw(metrics.predicted_factors(cases["GAN that is told ten words"])))
assert abs(metrics.neighbour_scores(withheld.real, metrics.face_features(drawn_again)).recall - 0.73) < 0.06  # the parts alone
small = torch.cdist(of_gan_faces, of_gan_faces).kthvalue(4, 1).values.median()  # the third neighbour, and the face itself
as_real = torch.cdist(metrics.face_features(cases["real faces of the training set"]), withheld.real)
assert (as_real <= small).any(0).double().mean() < 1 / 3
reach, kept = torch.cdist(withheld.real, withheld.real).kthvalue(6, 1).values, []  # the fifth neighbour
for draw in range(6):
    withheld.seed.value = draw
    kept.append((torch.cdist(withheld.features[withheld.drawn(1.0)], withheld.real) <= reach).any(0)[hats[:500]])
withheld.seed.value = 0
assert abs(torch.stack(kept).double().mean() - 0.92) < 0.03

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · Wasserstein: how much sand, how far
#
# Kernels and balls must be chosen. Here is a distance with neither a kernel nor a $k$. One choice is left, the **ground cost**: what it costs to move one unit from place to place. See two distributions as heaps of sand: $p_i$ lies at place $x_i$, and $q_j$ is wanted at place $y_j$. A **transport plan** (or coupling) $\gamma_{ij}$ says how much goes from $x_i$ to $y_j$. The **Wasserstein distance** is the cost of the best plan, amount times distance:
#
# $$W_1=\min_\gamma\sum_{ij}\gamma_{ij}\,|x_i-y_j|\qquad\text{rows of }\gamma\text{ sum to }p,\text{ columns to }q$$
#
# $W_2$ squares the distance, and takes the root of the cost. On a line the best plan is easy: sort, and match in order. Elsewhere it is a linear program. With $C_{ij}$ the cost of one unit, **Sinkhorn's algorithm** adds a little entropy, which rewards plans that spread: minimise $\sum\gamma_{ij}C_{ij}+\varepsilon\sum\gamma_{ij}(\log\gamma_{ij}-1)$. Set the derivative to 0, with multipliers $f_i,g_j$ for rows and columns: $C_{ij}+\varepsilon\log\gamma_{ij}=f_i+g_j$, so
#
# $$\gamma_{ij}=u_i\,e^{-C_{ij}/\varepsilon}\,v_j,\qquad u_i=e^{f_i/\varepsilon},\ v_j=e^{g_j/\varepsilon}.$$
#
# Scale the rows until they sum to $p$, then the columns to $q$, and again: fast, and on a GPU.
#
# **Predict first.** Move the target far away from the source. What happens to the Wasserstein distance, and what to the Jensen–Shannon divergence of lecture 03? (**Total variation** is half of the summed absolute difference of the two.)

# %%
sand = widgets.TransportExplorer()
sand.shift.value = 5.0
sand

# %% [markdown]
# > **What to notice.** Once the heaps do not overlap, from a shift of about 4.5, Jensen–Shannon says 1 bit for near and far alike, and total variation says 1. $W_2$ still grows, by nearly the shift itself: it has a slope where the others are flat, which is why lecture 03 trained a critic for $W_1$. The best plan is **monotone**: mass keeps its order. Its non-zero entries form a thin staircase. Large ε smears the plan and raises its cost; small ε comes near the exact plan and needs more rounds.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
curve, late = sand.curves(), [shift >= 4.5 for shift in sand.SHIFTS]
assert all(1 - v < 0.01 for name in ("Jensen-Shannon", "total variation") for v, is_late in zip(curve[name], late) if is_late)
assert all(v < 0.99 for v, shift in zip(curve["total variation"], sand.SHIFTS) if shift <= 3.5)
slopes = np.diff([v for v, is_late in zip(curve["W₂"], late) if is_late]) / 0.25
assert (slopes > 0.9).all() and (slopes < 1.01).all()
plans = {e: sand.plan(e, 5.0) for e in sand.EPSILONS}
filled = [np.flatnonzero(row > 1e-12) for row in plans[0.0][0]]
filled = [row for row in filled if len(row)]
assert all(a.max() <= b.min() for a, b in zip(filled, filled[1:]))  # monotone
costs, rounds = [sand.distance(plan) for plan, _ in plans.values()], [count for _, count in plans.values()]
assert costs == sorted(costs) and rounds[1:] == sorted(rounds[1:], reverse=True) and costs[1] < 1.001 * costs[0]

# %%
show_source(metrics.sinkhorn)
pairs = [(torch.randn(3000, dtype=torch.float64), 2 + 3 * torch.randn(2000, dtype=torch.float64)) for _ in range(10)]
known_w2 = math.sqrt(2**2 + (3 - 1) ** 2)  # of two Gaussians on a line: FID in one dimension is its square
drawn_w2 = spread([metrics.wasserstein_1d(a, b, p=2) for a, b in pairs], "{:.2f}", "{:.2f}")
print(f"W2, known: {known_w2:.2f}   from samples, 3,000 against 2,000, ten times: {drawn_w2}")
place = torch.linspace(-1, 1, 60, dtype=torch.float64)
p, q = (Normal(m, s).log_prob(place).softmax(0) for m, s in ((0.0, 0.1), (0.1, 0.4)))
cost = (place[:, None] - place).abs()
exact = (metrics.transport_plan_1d(p, q) * cost).sum()
print(f"exact {exact:.3f}; Sinkhorn " + ", ".join(f"{metrics.sinkhorn(p, q, cost, e).cost:.3f} (ε = {e})" for e in (0.5, 0.1, 0.02)))

# %% [markdown]
# In many dimensions the distance of samples needs very many of them. **Sliced Wasserstein** looks at shadows on random lines, where sorting is enough, and averages. FID is a Wasserstein distance, too: it is $W_2^2$ of the two fitted Gaussians.

# %%
sliced = {"real against real": over_halves(metrics.sliced_wasserstein, draws=40)}
sliced |= {name: over_halves(metrics.sliced_wasserstein, fake) for name, fake in features.items()}
table(
    [{"model": name, "sliced W2, mean ± sd over halves": spread(v)} for name, v in sorted(sliced.items(), key=lambda item: item[1].mean())]
)

# %% [markdown]
# > **What to notice.** Real against real has 0.40 ± 0.06, and the same four models as before lie within four standard deviations of it; the other four have more than twice as much. On the same features, Gaussians and shadows agree about what is large.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
floor_w = sliced["real against real"]
assert round(floor_w.mean().item(), 1) == 0.40 and round(floor_w.std().item(), 2) == 0.06
near = [name for name, v in sliced.items() if abs(v.mean() - floor_w.mean()) < 4 * floor_w.std() and name != "real against real"]
assert set(near) == {name for _, name in ranked[:4]}
assert all(v.mean() > 2 * floor_w.mean() for name, v in sliced.items() if name not in (*near, "real against real"))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · Who chose the features?
#
# All of these scores are blind to what the features leave out. Compare the same models with other eyes: pixels at half size, 40 **principal components** of pixels (lecture 01), your young network, one that never learned, the classifier's ten probabilities.
#
# **Predict first.** Small pictures and their principal components compare pixel by pixel. The digit network puts the conditional GAN (about 20) far before the VQ-VAE (about 100). Will pixels agree?

# %%
mean, directions = seen.flatten(1).mean(0), torch.linalg.svd(seen.flatten(1) - seen.flatten(1).mean(0), full_matrices=False).Vh[:40]
training.seed_everything(0)
blank = recipe.build().eval()


def seen_by(network, x):
    with torch.no_grad():
        return network.features(x).double()


networks = {
    "digit network": metrics.digit_features,
    "young network": partial(seen_by, young),
    "untrained network": partial(seen_by, blank),
    "pixels, 14 × 14": lambda x: torch.nn.functional.avg_pool2d(x, 2).flatten(1).double(),
    "40 principal components": lambda x: ((x.flatten(1) - mean) @ directions.T).double(),
    "answers of the classifier": metrics.digit_probabilities,
}
a, b = splits[0]  # real digits take part, as their own floor
eyes = widgets.FeatureExplorer(samples | {"real digits": unseen[a]}, unseen[b], networks)
eyes.network.value = "40 principal components"
eyes


# %% [markdown]
# > **What to notice.** A value says nothing across networks, so see how far each model is above the real digits. Over six splits these have 19 by the digit network and 1.45 by principal components: in the picture at least half of each of the four lowest bars is floor. Above it, principal components put the VQ-VAE and the conditional GAN equally far, within a factor of 1.5; small pixels put the VQ-VAE ahead. They also tell good from bad less clearly: by the digit network the nearest of the lower four is more than three times as far above the floor as the farthest of the upper four, by principal components less than 1.5 times. Your young network, which read 3,840 images, agrees with the shipped one on which four are good. Precision nearly keeps its order: the **rank correlation** with the digit network's (Spearman's: 1 for the same order, −1 for the reverse) is above 0.7 for all of them. For recall it falls below 0.3. That is no chance: against other halves of the real digits the digit network keeps its own order of recall above 0.6.
# > Inception learned from photographs of dogs and furniture. On faces its features look at the wrong things (arXiv:2203.06026); expect no better of X-rays or digits. On Colab, `!pip install torch-fidelity`, then `metrics.inception_features(images)` gives you its features to add to the menu.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
def ordered(score):
    eyes.score.value = score
    return {network: eyes.ranks(network) for network in networks}


def agreement(one, other):  # Spearman's correlation of two orders
    first_order, second_order = (np.argsort(np.argsort([ranks[name] for name in samples], kind="stable")) for ranks in (one, other))
    return np.corrcoef(first_order, second_order)[0, 1]


orders, upper = ordered("FID"), {name for _, name in ranked[:4]}
assert abs(eyes.values("digit network")["cgan"] - 20) < 10 and abs(eyes.values("digit network")["vqvae"] - 100) < 25
small = eyes.values("pixels, 14 × 14")
assert small["vqvae"] < small["cgan"]


def above_floor(network):  # FID of each model without that of real digits
    view = networks[network]
    of_real = [float(metrics.frechet_distance(view(unseen[a]), view(unseen[b]))) for a, b in splits[:6]]
    return {name: value - np.mean(of_real) for name, value in eyes.values(network).items() if name in samples}, np.mean(of_real)


def gap(away):  # of the two groups: best of the lower over worst of the upper four
    return min(away[name] for name in samples if name not in upper) / max(away[name] for name in upper)


bars = eyes.values("40 principal components")
assert sorted(bars[name] for name in samples)[3] < 2 * bars["real digits"]  # half of the bars: at least half is floor


(by_network, floor_network), (by_components, floor_components) = map(above_floor, ("digit network", "40 principal components"))
assert abs(floor_network - 19) < 2 and abs(floor_components - 1.45) < 0.1
assert 1 / 1.5 < by_components["vqvae"] / by_components["cgan"] < 1.5 and gap(by_network) > 3 and gap(by_components) < 1.5
assert set(sorted(samples, key=orders["young network"].get)[:4]) == upper and 60 * 64 == 3_840 and len(samples["vae"]) == 500
kept, lost = (
    min(agreement(found["digit network"], found[network]) for network in networks) for found in map(ordered, ("precision", "recall"))
)
assert kept > 0.7 and lost < 0.3
of_halves = [[metrics.neighbour_scores_fast(real[b], x).recall for x in features.values()] for _, b in splits[:6]]
ranks = [np.argsort(np.argsort(recalls)) for recalls in of_halves]
assert min(np.corrcoef(ranks[0], other)[0, 1] for other in ranks[1:]) > 0.6
eyes.score.value = "FID"

# %% [markdown]
# **Features that learned more.** Two scores of the 2020s change what FID is made of.
#
# **FD-DINOv2** (Stein et al. 2023, arXiv:2306.04675) keeps the Fréchet distance and changes the eyes: DINOv2, a vision transformer that learned from 142 million images without labels, has 1,024 features. No labels decide what counts any more (though the images were picked to resemble ImageNet and its like). The authors asked people: FIDs on Inception ranked diffusion models too low against what people saw, and DINOv2's features agreed better. Gaussians, the bias in $N$ and the blindness to copies stay.
#
# **CMMD** (Jayasumana et al. 2024, arXiv:2401.09603) changes both halves: features of CLIP, which learned from images *with texts*, and instead of Gaussians the MMD of section 7 with the kernel $e^{-\|a-b\|^2/2h^2}$. That kernel is **characteristic**: its MMD is 0 for equal distributions only, where the cubic one sees three moments and FID two. Without the diagonal it is unbiased for any $N$, like KID. It still sees only what CLIP sees. Both networks are large downloads, of about a gigabyte, so this lecture runs neither; `metrics.mmd(a, b, partial(metrics.gaussian_kernel, bandwidth=h))` is CMMD's second half on any features.
#
# **Ask a classifier.** Instead of choosing a distance, *learn* one. Mix samples and real images, train a classifier to tell them apart, and count how often it is right on held-out ones. This is the **classifier two-sample test**, C2ST (Lopez-Paz & Oquab 2017): 0.5 means that this classifier finds no difference, 1 that it never errs. It is a discriminator (lecture 03) that nobody trains against. **Test it**: for two Gaussians of width 1 whose means are δ apart, no classifier is right more often than $\Phi(\delta/2)$, with Φ the normal distribution function.

# %%
show_source(metrics.c2st)
for delta in (0.0, 1.0, 2.0):
    shifted = [(torch.randn(300, 2), torch.randn(300, 2) + torch.tensor([delta, 0.0])) for _ in range(3)]
    answers = spread([metrics.c2st(a, b) for a, b in shifted], "{:.2f}", "{:.2f}")
    print(f"δ = {delta:g}: best possible {Normal(0.0, 1.0).cdf(torch.tensor(delta / 2)):.2f}, measured {answers}")

# %%
views = {"digit network": metrics.digit_features, "pixels, 14 × 14": networks["pixels, 14 × 14"]}
judge = partial(metrics.c2st, folds=3)
told = {"real against real": {v: [judge(view(unseen[a]), view(unseen[b])) for a, b in splits[:3]] for v, view in views.items()}}
no_haze = samples["cgan"] * (samples["cgan"] > 0.02)  # the five darkest levels made black
suspects = {name: samples[name] for name in ("latent_flow", "vae", "cgan")} | {"cgan, 5 darkest levels black": no_haze}
for name, x in suspects.items():
    told[name] = {v: [judge(view(x), view(unseen[b])) for _, b in splits[:2]] for v, view in views.items()}
table(
    [
        {"500 samples": name} | {f"C2ST, {v}": spread(answers, "{:.2f}", "{:.2f}") for v, answers in row.items()}
        for name, row in told.items()
    ]
)

# %% [markdown]
# > **What to notice.** Real against real is at chance. In the digit network's features the conditional GAN is hard to tell, 0.6 or below. In small pixels it is told about two times in three, easiest of the three. A part of the give-away is a haze that no eye sees: a third of its pixels have grey levels of 1 to 5, where real digits are exactly 0. Make the five darkest levels black, and the classifier is right less often, though still above chance. So C2ST answers "are they equal?", not "are they good?", and it depends on features and classifier as much as FID does.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
mean_of = {(name, v): float(np.mean(answers)) for name, row in told.items() for v, answers in row.items()}
eye, pixel = views
assert all(abs(mean_of["real against real", v] - 0.5) < 0.04 for v in views)
assert mean_of["cgan", eye] < 0.6 and abs(mean_of["cgan", pixel] - 2 / 3) < 0.04
assert mean_of["cgan", pixel] > max(mean_of[name, pixel] for name in ("vae", "latent_flow")) + 0.01
assert 0.55 < mean_of["cgan, 5 darkest levels black", pixel] < mean_of["cgan", pixel] - 0.02
x = samples["cgan"]
assert abs(((x > 0) & (x <= 0.02)).float().mean() - 1 / 3) < 0.04 and round(0.02 * 255) == 5 and (unseen == 0).float().mean() > 0.8

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · Has it memorised?
#
# A model that copies its training set gets the FID of real digits. Look at nearest neighbours: each sample beside the training image that it is nearest to. And count. Take a sample and a *new* real image. How often is the sample nearer to the training set? For a model that has learned and not copied: about half of the time. *Copies* below is the share of samples that are nearer than 99 of 100 new images, so new images have 1 % of them. On faces, a copy can be *counted*: they are drawn from parts, so read the parts in a sample, draw it again from these, and look whether it is a training face, pixel for pixel.

# %%
suspects = {name: samples[name] for name in ("cgan", "latent_flow", "vae")} | {"a copier": known[:500]}
shown = torch.cat([x[:6] for x in suspects.values()])
nearest = torch.cdist(shown.flatten(1), seen.flatten(1)).argmin(1)
pairs = torch.stack([shown, seen[nearest]], 1).view(len(suspects), 12, 1, 28, 28)
show_images(
    pairs.flatten(0, 1), columns=12, row_labels=list(suspects), size=0.6, heading="each sample, and the training image nearest to it"
)

# %%
show_source(metrics.memorisation)
suspects |= {"glow": samples["glow"]}
copying = {name: metrics.memorisation(x, seen, unseen) for name, x in suspects.items()}
fid_of = {name: spread(over_halves(metrics.frechet_distance, metrics.digit_features(x))) for name, x in suspects.items()}
other = spread([metrics.frechet_distance(of_seen[torch.randperm(len(seen))[:500]], real[b]) for _, b in splits[:10]])
rows = [
    {"suspect": n, "nearer than a new image": f"{m.closer:.0%}", "copies": f"{m.copies:.0%}", "FID": fid_of[n]} for n, m in copying.items()
]
display(
    table([*rows, {"suspect": "500 training digits at random, ten times", "nearer than a new image": "–", "copies": "–", "FID": other}])
)
copied = datasets.to_float(people.x[:500])
with torch.no_grad():
    of_faces = {
        "new faces": datasets.to_float(new_people.x[:500]),
        "GAN that is told ten words": cases["GAN that is told ten words"],
        "VAE": cases["VAE"],
        "a copier": copied,
        "a copier that adds noise": (copied + 0.02 * torch.randn_like(copied)).clamp(0, 1),
        "a copier that goes through the VAE": face_vae.reconstruct(copied),
    }
copies_of = {
    name: [
        metrics.exact_copies(v, people.x).sum().item()
        for v in ((255 * x).round().byte(), datasets.faces.draw(metrics.predicted_factors(x)))
    ]
    for name, x in of_faces.items()
}
columns = "is a training face", "is one when drawn again from its parts"
table([{"500 faces": name} | dict(zip(columns, counts)) for name, counts in copies_of.items()])

# %% [markdown]
# > **What to notice.** The copier's FID is on the floor of section 6: nothing in it says “copied”. The distance says it at once. The conditional GAN's samples are farther from these training images than new digits are: only 38 % are nearer. (These 4,000 are a part of the training set; the leaderboard looks at all 59,000.) Latent flow's are, with about 60 % and a standard error of about 2 %. That is a reason to look, and no proof. Smooth pictures sit near many images: *new* digits, blurred by 0.7 pixels, go from 50 % to 64 %. Broken digits, as Glow's, are far from all and get less than 20 %.
# > A count needs no such excuse. Two independent faces hardly ever coincide: of 10,000 fresh ones none is among the 60,000 training faces. So one exact copy would be evidence; the GAN and the VAE have none. A little noise hides all 500 of the copier's from a comparison of pixels. Drawn again from their parts, more than a third are found. (All parts must be read right, which succeeds about as often on new faces.) Even through the VAE's 64 numbers about one in five is found; of the GAN's faces still none.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
fd_copier = over_halves(metrics.frechet_distance, metrics.digit_features(known[:500]))
assert abs(fd_copier.mean() - floor.mean()) < floor.std() and copying["a copier"].copies == 1 and copying["a copier"].closer == 1
assert abs(copying["cgan"].closer - 0.38) < 0.05 and len(seen) == 4_000 and f"{59_000:,}" in checkpoints.record("cgan")["data"]
assert abs(copying["latent_flow"].closer - 0.60) < 0.05 and copying["glow"].closer < 0.20
of_flow, of_new = (metrics.nearest_distances(x, seen) for x in (samples["latent_flow"], unseen))
resampled = [of_flow[torch.randint(500, (500,))][:, None] < of_new[torch.randint(1000, (1000,))] for _ in range(30)]  # a bootstrap
assert torch.stack([r.double().mean() for r in resampled]).std() < 0.03
assert len(known) == len(unseen) == 1_000
fresh = datasets.faces.draw(datasets.faces.random_factors(10_000, seed=9))
assert not metrics.exact_copies(fresh, people.x).any() and len(people) == 60_000 and face_vae.latents == 64
by_noise, by_vae = copies_of["a copier that adds noise"], copies_of["a copier that goes through the VAE"]
assert copies_of["a copier"][0] == 500 and by_noise[0] == by_vae[0] == 0 and by_noise[1] > 500 / 3 and abs(by_vae[1] / 500 - 1 / 5) < 0.06
assert all(copies_of[name] == [0, 0] for name in ("GAN that is told ten words", "VAE", "new faces"))
redrawn = datasets.faces.draw(metrics.predicted_factors(of_faces["new faces"]))
assert abs((redrawn == new_people.x[:500]).flatten(1).all(1).sum() - by_noise[1]) < 50  # as often as on new faces
smooth = torch.from_numpy(gaussian_filter(unseen[:500].numpy(), (0, 0, 0.7, 0.7)))
shares = [metrics.memorisation(x, seen, unseen[500:]).closer for x in (unseen[:500], smooth)]
assert abs(shares[0] - 0.50) < 0.03 and abs(shares[1] - 0.64) < 0.04

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · Scores of a latent space, and of people
#
# **Disentanglement.** Lecture 02 moved one latent and saw one thing change. Four scores measure that on data whose factors are known: **MIG** (how far is a factor's best latent ahead of the second, in mutual information, as a share of the factor's entropy), **DCI** (does each latent serve one factor), **SAP** (the same gap for a small classifier), **FactorVAE** (hold a factor fixed: which latent stands still). **Test it**: factors as latents score 1. And rotated ones?

# %%
factors = torch.cartesian_prod(*[torch.arange(4)] * 3).repeat(5, 1)
clean = factors.double() + 0.01 * torch.randn(len(factors), 3)
turned = []
for _ in range(4):  # four random rotations
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    turned.append(metrics.disentanglement(clean @ rotation, factors))
keys = ("mig", "dci_disentanglement", "sap", "factor_vae")
shown = {"the factors": metrics.disentanglement(clean, factors)}
sprites = {b: checkpoints.record(f"beta_vae_sprites_b{b}")["numbers"] for b in (0, 0.5, 1, 2, 4, 8, 16)}
shown |= {f"β-VAE on sprites, β = {b}": numbers for b, numbers in sprites.items()}
rows = [{"latents": name} | {key: f"{found[key]:.2f}" for key in keys} for name, found in shown.items()]
rows.insert(1, {"latents": "rotated, four times"} | {key: spread([t[key] for t in turned], "{:.2f}", "{:.2f}") for key in keys})
table(rows)

# %% [markdown]
# > **What to notice.** A rotation keeps all information, and MIG, DCI and SAP fall: they judge *axes*. FactorVAE asks only which latent moves least, and forgives these rotations more. On the sprites MIG and SAP stay below 0.1 up to β = 2, are highest at β = 8 (0.58 and 0.50) and lower again at 16. FactorVAE is highest without any KL, 0.69 at β = 0, and says 0.60 from β = 4 on: the scores do not even agree on the best β. Each row is one trained model; other seeds would move it. There is no single measure of disentanglement; look at traversals, too.
#
# **People.** The judge of last resort. Show a person a real and a made picture, ask which is real. How many answers do you need? With $n$ answers a share of one half is uncertain by $\pm1.96\sqrt{0.25/n}$.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert all(max(t[key] for t in turned) < 0.85 < shown["the factors"][key] for key in ("mig", "dci_disentanglement", "sap"))
assert np.mean([t["factor_vae"] for t in turned]) > max(np.mean([t[key] for t in turned]) for key in keys[:3]) + 0.2
for key, best in {"mig": 0.58, "sap": 0.50}.items():
    assert max(sprites[b][key] for b in (0, 0.5, 1, 2)) < 0.1 and max(sprites, key=lambda b: sprites[b][key]) == 8, key
    assert round(sprites[8][key], 2) == best
assert round(sprites[0]["factor_vae"], 2) == 0.69 and max(sprites, key=lambda b: sprites[b]["factor_vae"]) == 0
assert all(round(sprites[b]["factor_vae"], 2) == 0.60 for b in (4, 8, 16))

# %%
table(
    [
        {"answers": n, "fooled": "50 %", "95 % of the time between": f"{0.5 - 0.98 / n**0.5:.0%} and {0.5 + 0.98 / n**0.5:.0%}"}
        for n in (20, 100, 1000, 10_000)
    ]
)

# %% [markdown]
# > **What to notice.** Twenty answers tell you hardly anything: 28 % to 72 %. People also learn during the task, notice artefacts and not missing variety, and differ from each other. Say who was asked, how many, what they were paid, and how long they looked.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
within = 1.96 * math.sqrt(0.25 / 20)
assert (round(0.5 - within, 2), round(0.5 + within, 2)) == (0.28, 0.72)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · Break it: how to win without a better model
#
# Four ways to another number with the same model.
#
# 1. More samples than the other paper. 2. The best of many seeds. 3. Another resizing or number format. 4. Samples of another distribution: guidance (lecture 06) or truncation (lecture 03) throw rare ones away.

# %%
training.seed_everything(1)
with torch.no_grad():
    seeds, lots = [labelled.sample(300) for _ in range(10)], labelled.sample(3000)


def fid(x):
    return float(metrics.frechet_distance(metrics.digit_features(x), real))


def resize(x, side):
    return torch.nn.functional.interpolate(x, side, mode="bilinear")


few = [fid(x) for x in seeds]
of_many = {"3,000 samples": fid(lots), "3,000 samples, resized to 24 pixels and back": fid(resize(resize(lots, 24), 28))}
bar = metrics.jackknife_error(metrics.frechet_distance, metrics.digit_features(seeds[0]), real)
told = {"the first seed ± jackknife": f"{few[0]:.1f} ± {bar:.1f}", "ten seeds, mean ± sd": spread(few)}
told |= {"the best of ten seeds": f"{min(few):.1f}", "the worst of ten seeds": f"{max(few):.1f}"}
rows = [{"conditional GAN": f"300 samples, {name}", "FID": value} for name, value in told.items()]
table([*rows, *({"conditional GAN": name, "FID": f"{value:.1f}"} for name, value in of_many.items())])

# %%
guided, asked = checkpoints.load("latent_diffusion"), torch.arange(500) % 10
scores = {w: {name: [] for name in ("precision", "recall", "density", "coverage")} for w in (1.0, 2.0, 8.0)}
for w, of_w in scores.items():
    for seed in range(4):
        training.seed_everything(seed)
        found = metrics.neighbour_scores(real, metrics.digit_features(guided.sample(500, y=asked, guidance=w)))
        for name, values in of_w.items():
            values.append(getattr(found, name))
table([{"guidance w": w} | {name: spread(v, "{:.2f}", "{:.2f}") for name, v in of_w.items()} for w, of_w in scores.items()])

# %% [markdown]
# > **What to notice.** Ten times as many samples take about a third or more off the mean FID of one and the same model. The luckiest of ten seeds takes off a sixth or more. The error bar that the jackknife reads from one seed is on the safe side: 7.2 on average, where ten seeds spread by 3.6. Part of it is the draw of the real images, which the seeds share: with them held fixed the jackknife says 5.7. The rest is its own bias; it is too large on average rather than too small (Efron & Stein 1981). KID's bar is too wide, too. Resizing to 24 pixels and back multiplies FID by about five; if rivals' samples were resized and yours were not, you would win (arXiv:2104.11222). Guidance from $w=1$ to 2 (table: mean ± sd over four seeds) trades recall for precision: recall falls by 0.15 or more, precision gains at most 0.05, little more than its spread. At 8 precision falls below where it began. **The cure** is a protocol, written down before you look: $N$, features, preprocessing, seeds, and both precision and recall.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
gain = 1 - of_many["3,000 samples"] / np.mean(few)
assert 0.3 < gain < 0.5 and len(lots) == 10 * len(seeds[0]) and 1 - min(few) / np.mean(few) > 1 / 6 and len(few) == 10
of_seeds = [metrics.digit_features(x) for x in seeds]
bars = [metrics.jackknife_error(metrics.frechet_distance, x, real) for x in of_seeds]
assert abs(np.mean(bars) - 7.2) < 0.4 and abs(np.std(few, ddof=1) - 3.6) < 0.3 and len(seeds[0]) == 300 and real.shape[1] == 64
held = [metrics.jackknife_error(lambda x, _: metrics.frechet_distance(x, real), x, x) for x in of_seeds]
assert abs(np.mean(held) - 5.7) < 0.6
kid_spread = np.std([float(metrics.mmd(x, real)) for x in of_seeds], ddof=1)
assert np.mean([metrics.kid_error(x, real) for x in of_seeds]) > 1.15 * kid_spread
assert 4 < of_many["3,000 samples, resized to 24 pixels and back"] / of_many["3,000 samples"] < 7
plain, twice, strong = ({name: np.mean(v) for name, v in scores[w].items()} for w in (1.0, 2.0, 8.0))
assert plain["recall"] - twice["recall"] > 0.15 and 0 < twice["precision"] - plain["precision"] < 0.05
assert strong["precision"] < plain["precision"] - 0.05

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · One leaderboard
#
# Every model of digits that ships with this course, one protocol: 10,000 samples, all 10,000 test images of MNIST, the digit network's features, $k=3$ for precision and recall, $k=5$ for density and coverage. *Copies* is the share of samples that are nearer to one of the 59,000 training images than 99 of 100 new images are.
#
# The first two rows are **floors**. *Training images*: 10,000 at a time, as if a model had drawn them, whose copies are counted against the other 49,000. *Binarised*: the same in black and white. A model that draws black and white should be held against that row, for the test images are grey. FID and KID of floors are mean ± standard deviation over five disjoint sets; those of models carry the jackknife's error where their samples are quick to draw.
#
# Three things are not equal. Budgets differ: read the column before you compare two rows. Latent diffusion, latent flow and latent spline draw codes for the VAE of lecture 02: its 22.9 minutes and its weights come on top of theirs. And models that are told a label draw each digit equally often, which the test images nearly do.
#
# The chart and the first table show models that **compete**. **Studies**, which show one effect and were never meant to draw well (β-VAEs, two latents, an unbalanced training set, a blind spot), have a table of their own. Settings matter, too: the diffusion model in pixels is drawn as its `sample` does by default, in 20 DDIM steps with guidance $w=1$. That is the worst of three settings: on 500 samples lecture 06 measured an FID of 26.7 this way, 12.9 with DDPM's fresh noise in as many steps, and 14.7 with $w=1.5$, which asks the network twice a step.

# %%
board = leaderboard.read()
widgets.LeaderboardExplorer(board)

# %%
table(leaderboard.table(board, columns=leaderboard.IN_SHORT))

# %%
table(
    leaderboard.table(
        board, columns=("name", "topic", "budget", "bits_per_dim", "fid", "precision", "recall"), rows=leaderboard.studies(board)
    )
)

# %% [markdown]
# > **What to notice.** Sort by bits: the PixelCNN on 256 levels leads with 1.05, flows of pixels follow with 1.09 to 1.18, and the diffusion model in pixels is last with 2.16. GANs, the VQ-VAE, latent diffusion, latent flow and the networks that are energies (lecture 08) have no likelihood that we can compute here, and are not in the first chart. Bits of binarised models are bounds that pay for a crude model of grey (section 2); the RBM's stand on an *estimate* of its normaliser, which flatters on average. So 1.47 of theirs and 1.13 of Glow's say little about each other.
# > Sort by FID: latent diffusion and flow matching have 5.5 each, and their difference is far below the error; the conditional GAN has 9.5, the PixelCNN on 256 levels 116, the flows of pixels 247 to 281. A flow of the VAE's 40 codes has 11.3. The VAE with its own prior has 10.7, the same within the errors: of what the flow adds, this FID sees nothing. All lie above the grey floor, 1.5 ± 0.15. The binarised floor is 39.5: real digits pay that for black and white alone, where the gated PixelCNN has 124. (Lecture 06 has 5.7 for latent diffusion, with a guidance of 2 and 2,000 samples. Only numbers of one protocol compare.)
# > *Within* the flows of pixels fewer bits need not go with a better FID (spline 1.09 and 272, Glow 1.13 and 247), and *across* families they do not: over the 14 models with bits the rank correlation of the two is −0.2. PixelCNN has 1.05 bits and FID 116, VAE 1.47 and 10.7, diffusion 2.16 and 15.5.
# > Precision and recall say more than FID, but not all of it. The conditional VAE has 0.90 and 0.17: typical digits, hardly ever odd ones. DCGAN has 0.60 and 0.77, but its coverage is only 0.48: recall lets any ball around a sample reach a real digit, coverage asks for a sample in the real digit's own ball. DCGAN's samples are spread wide, and so are their balls. Of our 500, with balls of the real digits' size, recall falls from 0.79 to 0.49.
# > *Copies* is 0.9 % for real images. Latent diffusion has 1.6 %, the most of all. The other three that use the VAE's decoder have 1.1 to 1.4 %, all the rest no more than real images: a reason to look at the neighbours, as in section 11. The models that compete took 1 to 81 minutes of one core, and 1,000 samples take from 0.005 s (the conditional VAE) to 54 s (the PixelRNN).
#
# **Against published numbers.** Ours are small models, each trained on one core of a CPU. Glow's bits are here logarithms of the mean of ten draws of the noise that fills grey levels, which is 0.01 better than the one draw of the leaderboard. Bits on 8-bit MNIST, and nats on binarised MNIST:

# %% slideshow={"slide_type": "skip"} tags=["claim"]
row = {row["name"]: row for row in board["rows"]}
competing, shown_floors = leaderboard.competing(board), leaderboard.floors(board)
bits = {r["name"]: r["bits_per_dim"] for r in competing if r["bits_per_dim"] is not None}
fid_on = {r["name"]: r["fid"] for r in competing}
flows = [r["name"] for r in competing if r["topic"] == "flows" and r["name"] != "latent_spline"]  # of pixels
assert round(fid_on["latent_spline"], 1) == 11.3 and checkpoints.record("vae")["config"]["latents"] == 40
assert (
    min(bits, key=bits.get) == "pixelcnn_8bit" and round(bits["pixelcnn_8bit"], 2) == 1.05 and row["pixelcnn_8bit"]["likelihood"] == "exact"
)
assert (round(min(bits[n] for n in flows), 2), round(max(bits[n] for n in flows), 2)) == (1.09, 1.18) and sorted(bits, key=bits.get)[
    1:4
] == sorted(flows, key=bits.get)
assert checkpoints.record("pixelcnn_8bit")["config"]["levels"] == 256 and leaderboard.COLUMNS["seconds"][0] == f"s per {1_000:,}"
assert max(bits, key=bits.get) == "diffusion" and round(bits["diffusion"], 2) == 2.16
silent = {r["name"] for r in competing} - set(bits)
assert {r["name"] for r in competing if r["topic"] == "gans"} | {"vqvae", "latent_diffusion", "latent_flow", "ebm_digits", "jem"} <= silent
assert row["rbm"]["likelihood"] == "estimate, binarised"
assert round(row["latent_diffusion"]["fid"], 1) == round(row["latent_flow"]["fid"], 1) == 5.5
assert abs(row["latent_diffusion"]["fid"] - row["latent_flow"]["fid"]) < 0.1 * row["latent_flow"]["fid_error"]
assert round(fid_on["cgan"], 1) == 9.5 and round(fid_on["pixelcnn_8bit"]) == 116
assert (round(min(fid_on[n] for n in flows)), round(max(fid_on[n] for n in flows))) == (247, 281)
on_grey, on_off = shown_floors
assert (
    round(on_grey["fid"], 1) == 1.5
    and round(on_grey["fid_error"], 2) == 0.15
    and min(fid_on.values()) > on_grey["fid"] + 3 * on_grey["fid_error"]
)
assert abs(on_off["fid"] - 39.5) < 0.1 and row["pixelcnn_gated"]["pictures"] == "black and white"
assert round(fid_on["pixelcnn_gated"]) == 124
elsewhere = checkpoints.record("latent_diffusion")["numbers"]
assert round(elsewhere["fid"], 1) == 5.7 and elsewhere["guidance"] == 2 and elsewhere["samples"] == 2_000
of_codes = ("latent_diffusion", "latent_flow", "latent_spline")
assert all(checkpoints.record(name)["config"]["autoencoder"] == "vae" for name in of_codes) and round(row["vae"]["minutes"], 1) == 22.9
assert all(row[name]["parameters"] < row["vae"]["parameters"] for name in of_codes)  # so they count their own alone
assert abs(row["latent_spline"]["fid"] - row["vae"]["fid"]) < row["vae"]["fid_error"]
with_bits = [r for r in competing if r["name"] in bits]
by_bits, by_fid = (np.argsort(np.argsort([r[key] for r in with_bits])) for key in ("bits_per_dim", "fid"))
assert len(with_bits) == 14 and round(np.corrcoef(by_bits, by_fid)[0, 1], 1) == -0.2
by_copies = sorted(competing, key=lambda r: -r["copies"])
assert {r["name"] for r in by_copies[:4]} == {"vae", *of_codes} and by_copies[0]["name"] == "latent_diffusion"
assert [round(100 * by_copies[i]["copies"], 1) for i in (1, 3)] == [1.4, 1.1] and by_copies[4]["copies"] <= on_grey["copies"]
assert bits["spline"] < bits["glow"] and (round(fid_on["spline"]), round(bits["glow"], 2), round(bits["spline"], 2)) == (272, 1.13, 1.09)
assert (round(bits["vae"], 2), round(fid_on["vae"], 1), round(fid_on["diffusion"], 1)) == (1.47, 10.7, 15.5)
assert (round(row["cvae"]["precision"], 2), round(row["cvae"]["recall"], 2)) == (0.90, 0.17)
assert [round(row["dcgan"][key], 2) for key in ("precision", "recall", "coverage")] == [0.60, 0.77, 0.48]
assert round(on_grey["copies"], 3) == 0.009 and round(row["latent_diffusion"]["copies"], 3) == 0.016
minutes, pace = ({r["name"]: r[key] for r in competing} for key in ("minutes", "seconds"))
assert round(min(minutes.values())) == 1 and round(max(minutes.values())) == 81
assert (
    min(pace, key=pace.get) == "cvae"
    and round(pace["cvae"], 3) == 0.005
    and max(pace, key=pace.get) == "pixelrnn"
    and round(pace["pixelrnn"]) == 54
)
of_glow = checkpoints.record("glow")["numbers"]["bits_per_dim_k10"]
assert round(bits["glow"] - of_glow, 2) == 0.01 and all("1 threads" in r["trained_on"] for r in competing)
drawn, of_500 = features["dcgan"], real[:500]  # equally many
balls_of = [torch.cdist(x, x).kthvalue(4, 1).values for x in (drawn, of_500)]
reached = [(torch.cdist(drawn, real) <= size).any(0).double().mean() for size in (balls_of[0][:, None], balls_of[1].median())]
assert balls_of[0].median() > 1.1 * balls_of[1].median() and abs(reached[0] - 0.79) < 0.04 and abs(reached[1] - 0.49) < 0.06
narrow = balls_of[0] < balls_of[0].quantile(0.95)
assert (torch.cdist(drawn[narrow], real) <= balls_of[0][narrow][:, None]).any(0).double().mean() > 0.65  # not the work of a few outliers
settings = checkpoints.record("diffusion_samplers")["numbers"]
recorded = settings["ddim"]["20"], settings["guidance"]["1.5"], settings["ddpm"]["20"]
assert [round(entry["fid"], 1) for entry in recorded] == [26.7, 14.7, 12.9] and settings["samples"] == 500
assert 1.9 < bits["diffusion"] / bits["pixelcnn_8bit"] < 2.1 and round(84 / (784 * math.log(2)), 2) == 0.15  # answers 4 and 5 below


# %%
def ours(name, key, form="{:.2f}"):
    return form.format(checkpoints.record(name)["numbers"][key])


table(
    [
        {
            "what": "gated PixelCNN, bits a dimension",
            "ours": ours("pixelcnn_8bit", "bits_per_dim"),
            "published": "0.81",
            "source": "UvA tutorial 12, 0.85 M weights, 150 epochs",
        },
        {
            "what": "flow, variational dequantisation, bits",
            "ours": ours("glow", "bits_per_dim_k10"),
            "published": "1.04",
            "source": "UvA tutorial 11, 200 epochs on a GPU",
        },
        {
            "what": "Glow, bits",
            "ours": ours("glow", "bits_per_dim_k10"),
            "published": "1.05",
            "source": "Grathwohl et al. (arXiv:1810.01367), table 2",
        },
        {
            "what": "gated PixelCNN, binarised, nats",
            "ours": ours("pixelcnn_gated", "nll", "{:.1f}"),
            "published": "81.5",
            "source": "pytorch-generative, 3.4 M weights, 457 epochs",
        },
        {
            "what": "VAE, binarised, nats",
            "ours": "≤ " + ours("vae", "elbo", "{:.1f}").lstrip("-"),
            "published": "≤ 86.8",
            "source": "pytorch-generative",
        },
        {"what": "MADE, binarised, nats", "ours": ours("made", "nll", "{:.1f}"), "published": "84.9", "source": "pytorch-generative"},
    ]
)

# %% [markdown]
# FIDs cannot be compared with published ones: other features, other $N$. That is the point of sections 7 and 10.
#
# **The same in colour.** Of the faces of lecture 02 everything is known: which parts each is drawn from, and what every word means. So a model can be asked for words, and the **face network**, which reads them in real faces almost without error, counts how often it obeys. *Pairs never seen* are two words that no training face has together: red hair with a green top, a hat with light glasses, three more. **Predict first.** Does the model with the best FID obey best?

# %%
of_faces = leaderboard.read(leaderboard.SHIPPED_FACES)
in_colour = widgets.LeaderboardExplorer(of_faces)
in_colour.across.value = "obeyed"
in_colour

# %%
table(leaderboard.table(of_faces, columns=leaderboard.FACES_IN_SHORT))

# %% [markdown]
# > **What to notice.** No. Diffusion has the best FID, 7.6, and obeys best: 97.7 % of the words that it is told. Pairs never seen are drawn best by the flow of the VAE's codes, 89.5 %; diffusion draws 81.6 %. One pair makes the difference: green hair with a beard, which diffusion draws in about two faces of five (lecture 06), and the flow in more than two of three.
# > KID has PixelCNN before diffusion, 0.8 and 1.0, where FID says 10.3 and 7.6; and the GAN before the flow of codes, 1.5 and 1.7, where FID says 25.5 and 12.6. The neighbours say how the GAN differs: its precision is above that of real faces, but real faces lie near its samples for 0.14 of them only (section 8 says why), near those of the diffusion model for 0.61, near other real ones for 0.82.
# > By itself the VAE has an FID of 107, and with a flow of its codes, told ten words, in place of $\mathcal N(0,I)$ one of 12.6, through the same decoder: it was the prior that drew badly. The floor has 2.0, so on faces, too, all are far from done. Each of these numbers is a question of its own; report several.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
of_face = {r["name"]: r for r in of_faces["rows"]}
by_noise, by_game, floor_row = of_face["diffusion_faces"], of_face["cgan_faces"], of_faces["floor"]
by_pixel, by_flow, by_prior = of_face["pixelcnn_faces"], of_face["latent_glow_faces"], of_face["vae_faces"]
told_words = [r for r in of_face.values() if r["obeyed"]]
assert min(of_face.values(), key=lambda r: r["fid"]) is by_noise and max(told_words, key=lambda r: r["obeyed"]) is by_noise
assert max(told_words, key=lambda r: r["held_out"]) is by_flow
assert [round(r["fid"], 1) for r in (by_pixel, by_flow, by_noise, by_game)] == [10.3, 12.6, 7.6, 25.5] and round(by_prior["fid"]) == 107
assert round(100 * by_noise["obeyed"], 1) == 97.7 and [round(100 * r["held_out"], 1) for r in (by_flow, by_noise)] == [89.5, 81.6]
on_pairs = [checkpoints.record(name)["numbers"]["held_out_pairs"] for name in ("diffusion_faces", "latent_glow_faces")]
hard = "green hair_colour, beard beard"
assert abs(on_pairs[0][hard] - 2 / 5) < 0.05 and on_pairs[1][hard] > 2 / 3
rest = [sum(v for k, v in pairs.items() if k != hard) / 4 for pairs in on_pairs]
assert abs(rest[1] - rest[0]) < 0.04  # of the other four pairs both draw as many
assert [round(r["kid"], 1) for r in (by_pixel, by_noise, by_game, by_flow)] == [0.8, 1.0, 1.5, 1.7]
assert by_pixel["kid"] + by_pixel["kid_error"] < by_noise["kid"] and by_game["kid"] + by_game["kid_error"] < by_flow["kid"]
assert by_game["precision"] > floor_row["precision"]
assert [round(r["recall"], 2) for r in (by_game, by_noise, floor_row)] == [0.14, 0.61, 0.82] and round(floor_row["fid"], 1) == 2.0
assert checkpoints.record("latent_glow_faces")["config"]["autoencoder"] == "vae_faces"
assert checkpoints.record("vae_faces")["config"].get("prior", "normal") == "normal"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · Check yourself
#
# <details><summary><b>1.</b> A paper reports FID 12 with 50,000 samples, yours has 14 with 5,000. Is theirs better?</summary>
#
# Nobody knows. FID grows as N falls; yours might be below 12 at 50,000. Measure both at one N, or extrapolate both to 1/N = 0. And ask for error bars. "Yes, 12 < 14" compares two different things; "no, the bias explains it" is a guess, too.
# </details>
#
# <details><summary><b>2.</b> Your KID is −0.3. A bug?</summary>
#
# No. An estimate that is right on average for a distance of 0 must fall below 0 again and again. Clamping it at 0 would bring the bias back. With the diagonal left in it would never be negative, and too large on average.
# </details>
#
# <details><summary><b>3.</b> Precision 0.95, recall 0.05. Which failure of lecture 03 is this?</summary>
#
# Mode collapse, or samples that are too smooth: what is drawn is typical, and has little variety. Look at them. Swapped arguments would show the mirror image, so check those too: precision asks about samples.
# </details>
#
# <details><summary><b>4.</b> Model A has 1.05 bits/dim, model B 2.1. Whose samples do you expect to be better?</summary>
#
# Bits alone do not say. On the leaderboard the diffusion model has twice the bits of the PixelCNN and a far better FID. Most bits are spent on exact grey levels, few of which an eye can tell: of the PixelCNN's only 15 % are black and white (section 2).
# </details>
#
# <details><summary><b>5.</b> A model of binarised digits has 84 nats, a flow on grey ones 1.1 bits/dim. Convert and compare?</summary>
#
# Dividing 84 nats by 784 log 2 gives 0.15 bits of <i>black and white</i>. The grey levels are still to be paid for. Add them (section 2), then compare.
# </details>
#
# <details><summary><b>6.</b> FID 1.6 against a floor of 1.5 ± 0.15. Done?</summary>
#
# On this score the model cannot be told from real digits. Look at nearest neighbours next: copies of the training set have the floor's FID by definition. Then look where the features are blind.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16 · Summary, and when things go wrong
#
# - Likelihood asks whether the model expects real data; scores of samples ask whether its data look real. Neither implies the other.
# - IS sees classes only. FID compares two Gaussians and is biased by $N$. KID is right on average for any $N$. Precision and recall tell quality from coverage. Wasserstein has a slope where others are flat. A classifier (C2ST) finds any difference that it can learn, seen or unseen by people.
# - No score of samples against real data sees copies of the training set, except the distance to it.
# - Every number needs its $N$, its features, its data, its error bar and its floor: mean ± standard deviation over splits, never one split.
#
# | you see | look at | cure |
# |---|---|---|
# | FID is complex, or NaN | a general matrix root | eigenvalues of the symmetric form |
# | FID falls when you do nothing | more samples than before | one $N$ for all |
# | KID below 0 | nothing: distance 0 within its error | print the error |
# | precision of real data far below 1 | $k$ too small, too few real points | larger $k$, and the floor beside it |
# | recall higher than precision for a bad model | samples that are spread wide, or one outlier: huge balls | density and coverage |
# | IS changes when rows are sorted | parts hold single classes | shuffle first |
# | bits/dim below those of every paper | dequantisation, 255 for 256, a lost Jacobian | uniform pixels must give 8 |
# | all scores perfect | test images among the training images | compare hashes; look at neighbours |
# | two groups disagree about one model | resizing, JPEG, uint8 or float | one preprocessing, written down |
#
# **Cost.** FID costs one pass of the feature network and a $d\times d$ eigenvalue problem; KID and precision cost $N^2$ distances. On a GPU, features are computed there and sums stay in float64. **Several GPUs**: split the samples, gather the features.
#
# **Care.** A score is what a field optimises next. Inception's classes have almost no people, text or medicine; a model tuned on FID learns what those features see. Training data that comes back in samples is someone's picture: look before you publish.
#
# **Now you**: [exercise 07](../exercises/07_metrics/07_metrics.ipynb), 20 points.
#
# **Read on.** Theis et al., *A note on the evaluation of generative models* (arXiv:1511.01844) · Salimans et al., IS (arXiv:1606.03498) · Barratt & Sharma, against IS (arXiv:1801.01973) · Heusel et al., FID (arXiv:1706.08500) · Bińkowski et al., KID (arXiv:1801.01401) ·
# Chong & Forsyth, FID∞ (arXiv:1911.07023) · Kynkäänniemi et al., precision and recall (arXiv:1904.06991), ImageNet classes in FID (arXiv:2203.06026) · Naeem et al., density and coverage (arXiv:2002.09797) · Parmar et al., resizing (arXiv:2104.11222) ·
# Peyré & Cuturi, *Computational Optimal Transport* (arXiv:1803.00567) · Meehan et al., data copying (arXiv:2004.05675) · Locatello et al., disentanglement (arXiv:1811.12359) · Zhou et al., HYPE, human evaluation (arXiv:1904.01121) · Stein et al., FD-DINOv2 (arXiv:2306.04675) ·
# Jayasumana et al., CMMD (arXiv:2401.09603) · Lopez-Paz & Oquab, C2ST (arXiv:1610.06545)
