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
# - compute the Inception Score, FID and KID from features, and know what each cannot see,
# - tell quality from coverage by precision and recall, and copying from both,
# - move one distribution onto another at the least cost,
# - read a leaderboard without being fooled: by sample size, by features, by the best of many runs.
#
# **Time** about 110 minutes. **Hardware** a laptop's CPU; nothing is downloaded. Every picture with sliders needs a running kernel.
# **You need** basic PyTorch and Gaussians; what a VAE, a GAN, a flow and a diffusion model are (lectures 02 to 06). Lecture 00 has the notation.

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
from functools import partial

import torch
from torch.distributions import Normal

from course_lib import checkpoints, datasets, metrics, training
from course_lib.datasets import binarise
from course_lib.metrics import leaderboard
from course_lib.plotting import LossPlot, curves, show_images, show_source, table
from course_lib.recipes import find, preset_for
from course_lib.widgets import metrics as widgets

training.seed_everything(0)
train, test = datasets.load("mnist_small", "train"), datasets.load("mnist_small", "test")
order = torch.randperm(len(train))
known, seen = train.images()[order[:1000]], train.images()  # some training images, and all of them
unseen = test.images()[torch.randperm(len(test))]  # 1,000 digits that no model has seen

# %% [markdown]
# ## First, play
#
# Take 500 real digits. Damage them. Compare them with 500 others. Each score below answers the same question, "how far are these from real digits?", in its own way.
#
# **Predict first.** Choose *training copies* at strength 1: all 500 are copies of images that the models were trained on. Which scores notice that nothing new was made?

# %%
widgets.CorruptionExplorer(unseen, seen)

# %% [markdown]
# > **What to notice.** No score sees everything. Dashed lines show what real against real gives. A little noise (strength 0.25) spoils precision. Dropped digits (0.5) leave precision alone and spoil recall and coverage. A few images shown again and again (*duplicates*, 0.25) pass FID, and lose recall. A little blur (0.25) makes digits *more* typical: precision stays, recall falls. And copies are perfect for all but one: only the distance to the training set knows.
# > The rest of this lecture takes these scores apart, one at a time.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · The naive attempt: how near is the nearest real image?
#
# A good sample looks like a real digit. So measure each sample's distance to the nearest training image, pixel by pixel, and average. Small is good. Four candidates: new digits written by people, samples of a GAN, the mean of each class, and a thief who copies the training set.
#
# **Predict first.** Who wins?

# %%
gan = checkpoints.load("stylegan")
with torch.no_grad():
    candidates = {
        "real, new": unseen[:500],
        "StyleGAN": gan.sample(500),
        "class means": torch.stack([seen[train.y == digit].mean(0) for digit in range(10)]).repeat(50, 1, 1, 1),
        "copies": known[:500],
    }
show_images(torch.cat([x[:10] for x in candidates.values()]), columns=10, row_labels=list(candidates))
table([{"candidate": name, "mean distance": metrics.nearest_distances(x, seen).mean().item()} for name, x in candidates.items()])

# %% [markdown]
# > **What to notice.** The thief wins, with a distance of 0. Ten grey blurs beat digits that people wrote. The naive score is wrong three times:
# > it looks at **one sample at a time**, so it cannot see that ten pictures are not a thousand; it **rewards copies**; and it counts **pixels**, where a digit moved by two pixels is far from itself and an average digit is near to many.
# > A generative model makes a *distribution*. We have to compare distributions, in a space where near means alike, and watch for copies.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Likelihood on one scale
#
# Some models of this course tell $p_\theta(x)$, or a bound of it. Then there is a score without any samples: the mean of $-\log p_\theta(x)$ over test images. It is the length of the best code that the model can give them. Three units are in use.
#
# - **nats** an image: $-\log p_\theta(x)$ itself, with the natural logarithm.
# - **bits a dimension**: divide by $D\log 2$, with $D$ pixels. Then images of any size compare.
# - **perplexity**: $\exp(\text{nats a symbol})$, for text. So many equally likely symbols would be as hard to guess.
#
# A density is not a probability. With pixels in $[0,1]$ a grey level is an interval of width $1/256$, so $\log P(x)=\log p(x)-D\log 256$. **Test it**: a model that knows nothing pays 8 bits a pixel for 256 levels, whatever the image. A model of text that finds 27 symbols equally likely has a perplexity of 27.

# %%
show_source(metrics.perplexity)
show_source(metrics.levels_log_prob)
nothing_known = torch.zeros(5)  # log of the uniform density on [0, 1]⁷⁸⁴, for five images
bits = metrics.bits_per_dim(metrics.levels_log_prob(nothing_known, dims=784), 784)
lengths = torch.tensor([10, 200, 35])
print(f"bits a dimension: {bits.tolist()}")
print(f"perplexity of a uniform guess among 27: {metrics.perplexity(-lengths * math.log(27), lengths):.2f}")

# %% [markdown]
# **Black and white on the same scale.** Lectures 02 and 05 report nats of *binarised* digits. How do those compare with bits of 256 grey levels? A model of black and white becomes a model of grey: draw the picture $b$, then each pixel's level $v$ given $b$, as often as training images have it there. Binarisation is $q(b\mid v)$, so
#
# $$\log P(v)\ \ge\ \mathbb E_{q(b\mid v)}\Big[\log p_\theta(b)+\sum_i\big(\log h_i(v_i)-\log h_i(b_i)\big)\Big]$$
#
# with $h_i(v)$ the share of level $v$ at pixel $i$ (counts are smoothed, or an unseen level would be impossible) and $h_i(b)$ the share of black or white there. The sum does not depend on the model. It is what grey costs, and all binarised models pay it.

# %%
levels = metrics.GreyLevels(train.x)
vae = checkpoints.load("vae")
x, on = test.x[::5], binarise(test.x[::5], generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    nats = vae.iwae_bound(on, k=50)
grey = levels.bound(x, on, nats)
print(f"the VAE on black and white: {-nats.mean():.1f} nats, {metrics.bits_per_dim(nats, 784).mean():.3f} bits a pixel")
print(f"on 256 levels:              {-grey.mean():.1f} nats, {metrics.bits_per_dim(grey, 784).mean():.3f} bits a pixel")

# %% [markdown]
# > **What to notice.** Nine tenths of the bits of a grey digit are its grey levels. Black and white is the easy part, so a small gain in nats there is a hardly visible one here. State the data with every number: “86 nats” and “1.56 bits” are the same model here. (With levels counted on all 59,000 training images, the leaderboard says 1.47.)
#
# **When there is only a sample of $z$.** A VAE's likelihood is $p_\theta(x)=\mathbb E_{q}[w]$ with weights $w=p_\theta(x,z)/q_\phi(z\mid x)$. The mean of $k$ weights estimates it; its logarithm is too low on average, and less so for larger $k$. The **effective sample size** $(\sum w)^2/\sum w^2$ says how many of the $k$ draws really count.

# %%
show_source(metrics.importance_sampled)
with torch.no_grad():
    log_weights = vae.log_weights(on[:100], 500)
rows = []
for k in (1, 5, 50, 500):
    estimate, effective = metrics.importance_sampled(log_weights[:k])
    rows.append({"k": k, "log p(x) ≥, nats": f"{estimate.mean():.2f}", "draws that count": f"{effective.mean():.1f}"})
table(rows)

# %% [markdown]
# > **What to notice.** The estimate rises with $k$ and flattens. Of 500 draws about 40 count: $q_\phi$ is not the true posterior. A bound with $k=1$ (the ELBO) and one with $k=500$ are different scores. Say which one you report.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · Likelihood and quality are two things
#
# Surely a model with a better likelihood draws better samples? **Predict first.** Let 99 of 100 samples of a good model be noise: how many nats does it lose? And a model whose samples are all perfect: may its likelihood be terrible?
#
# **Noise that costs nothing.** Mix a good model with noise: $p=0.01\,p_{\text{good}}+0.99\,p_{\text{noise}}$. Then $\log p\ge\log p_{\text{good}}-\log 100$: it loses at most 4.6 nats. For 784 pixels that is 0.008 bits a pixel. And 99 of 100 samples are noise.
#
# **A lookup table.** Put a narrow Gaussian on each training point. All samples look perfect. New points lie between the Gaussians, where the density is nearly 0.
#
# So the answer is no, in both directions (Theis et al. 2016). In the explorer, raise the share of noise to 99 %, and watch nats and samples. Then narrow the kernels of the lookup table.

# %%
widgets.LikelihoodExplorer()

# %% [markdown]
# > **What to notice.** The mixture's samples are garbage long before its likelihood says so: with 99 % noise it loses about 2 nats, and never more than 4.6. The lookup table's samples are perfect at a bandwidth of 0.01, with a mean log-likelihood of about −320 nats on test points; the bandwidth that is best on test points draws worse samples. Likelihood asks "is any real image impossible?". Samples ask "is any drawn image impossible?". They are the two directions of lecture 00's KL: of the data from the model, and of the model from the data.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Features: a space where near means alike
#
# Scores of samples compare *features*: the layer before the last of a classifier. There a moved digit is near itself, and a strong blur is far from digits. Published numbers use Inception, a network for photographs. Ours use the **digit network**, 64 features, trained on the 59,000 digits that the models saw too.
#
# Let one learn before your eyes. After some hundred batches it is right for nine digits in ten. The shipped one had more time.

# %%
recipe, budget = find("digit_network"), find("digit_network").budgets[preset_for()].options()
young = recipe.build()
training.fit(
    young, (train.x, train.y), watch=LossPlot(), progress=False, **recipe.fit,
    **budget | {"steps": 120, "batch_size": 64, "warmup": 10, "ema": None},
)  # fmt: skip
with torch.no_grad():
    right = (young.eval()(unseen).argmax(1) == metrics.predicted_digits(unseen)).float().mean()
print(f"the young network agrees with the shipped one on {right:.0%} of new digits")
print(f"the shipped one is right for {checkpoints.record('digit_network')['numbers']['accuracy']:.1%} of MNIST's 10,000 test images")

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
with torch.no_grad():
    drawn = gan.sample(1000)
sets = {"1,000 real digits": unseen, "1,000 of StyleGAN": drawn, "ten digits, 100 times each": one_each.repeat(100, 1, 1, 1)}
table([{"samples": name, "IS": repr(metrics.inception_score(metrics.digit_probabilities(x), splits=5))} for name, x in sets.items()])

# %% [markdown]
# > **What to notice.** Ten pictures, each shown a hundred times, score as high as a thousand real digits. The Inception Score sees classes and nothing within a class, and it never looks at real data. It is still printed in tables; do not decide anything by it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · FID: compare two Gaussians
#
# So compare with real data. Fit a Gaussian to the features of real images, $\mathcal N(\mu_1,\Sigma_1)$, and one to those of samples, $\mathcal N(\mu_2,\Sigma_2)$. Their **Fréchet distance** is
#
# $$\mathrm{FID}=\|\mu_1-\mu_2\|^2+\operatorname{tr}\!\big(\Sigma_1+\Sigma_2-2(\Sigma_1\Sigma_2)^{1/2}\big)$$
#
# The first term compares means. The second compares spreads: in one dimension it is $(\sigma_1-\sigma_2)^2$. It sees a lack of quality (features move) and a lack of variety (features shrink). It sees nothing that two Gaussians cannot show.
#
# $\Sigma_1\Sigma_2$ is not symmetric. Its eigenvalues are real and not negative, but rounding makes the root of a general matrix complex. The code below takes a detour to a symmetric one. **Test it**: in one dimension, and with covariances that share their axes, the answer is known.

# %%
show_source(metrics.gaussian_distance)
mean, std = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([1.0, 2.0, 0.5])
cloud = mean + std * torch.randn(200_000, 3)
other = 1.0 + 3.0 * torch.randn(200_000, 3)
print(f"known: {((mean - 1) ** 2 + (std - 3) ** 2).sum():.2f}   measured: {metrics.frechet_distance(cloud, other)!r}")

# %%
real = metrics.digit_features(unseen)
names = ["vae", "vae_gan", "vqvae", "dcgan", "cgan", "stylegan", "glow", "latent_flow"]
with torch.no_grad():
    samples = {name: metrics.draw(checkpoints.load(name), 500).clamp(0, 1) for name in names}
show_images(torch.cat([x[::41][:12] for x in samples.values()]), columns=12, row_labels=names, size=0.6)

# %%
half_a, half_b = real[:500], real[500:]
rows = [{"model": "real against real", "FID": float(metrics.frechet_distance(half_a, half_b))}]
rows += [{"model": name, "FID": float(metrics.frechet_distance(metrics.digit_features(x), half_b))} for name, x in samples.items()]
table(sorted(rows, key=lambda row: row["FID"]))

# %% [markdown]
# > **What to notice.** Good and bad models are far apart. The first five rows are not: take other samples, or the other half of the real digits, and they change places. FID has no unit and no natural size: these features are not those of Inception, so numbers compare within this course only. And *real against real* is not 0. It is called the **floor** at this number of samples. Where does it come from?

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · The bias of FID, and KID
#
# **Predict first.** FID fits a covariance to $N$ feature vectors of a model. Take fewer of them: does FID fall, rise, or only get noisier?
#
# A covariance from few samples is off in every direction. FID squares what is off, so it adds up: **fewer samples, larger FID**, by about $c/N$. The constant $c$ depends on the model, so even the order of two models may depend on $N$.
#
# **KID** compares without Gaussians. Take a kernel $k(a,b)=(a\cdot b/d+1)^3$, a number for how alike two feature vectors are. Compare likeness within and between, for two samples $a,a'$, two real images $b,b'$ and $d=64$ features:
#
# $$\mathrm{MMD}^2=\mathbb E\,k(a,a')+\mathbb E\,k(b,b')-2\,\mathbb E\,k(a,b)$$
#
# This is the squared **maximum mean discrepancy**, and KID is it. With pairs of two *different* points in the first two means it is right on average for any $N$. Take fewer samples of one model, and watch both.

# %%
with torch.no_grad():
    many = metrics.digit_features(metrics.draw(checkpoints.load("latent_flow"), 2000))
widgets.SampleSizeExplorer(many, metrics.digit_features(seen))

# %% [markdown]
# > **What to notice.** FID falls as $N$ grows. KID has no trend: its mean wobbles within its spread, which shrinks as $N$ grows. Against $1/N$ the FID is nearly a line; where it meets $1/N=0$ is FID$_\infty$, with most of the bias gone if all $N$ are well above the 64 features. The extrapolation is noisy, too: with few samples the line has a wild slope. Rule: never compare FIDs at different $N$, always print $N$, and print the floor.

# %%
show_source(metrics.kid)
show_source(metrics.cubic_kernel)

# %%
# test it: two halves of the same digits, many times. KID is 0 on average, FID is not
fids, kids = [], []
for _ in range(400):
    both = real[torch.randperm(len(real))]
    fids.append(metrics.frechet_distance(both[:200], both[200:400]))
    kids.append(metrics.mmd(both[:200], both[200:400]))
fids, kids = torch.tensor(fids), torch.tensor(kids)
print(f"FID of equal distributions, N = 200: {fids.mean():.1f} ± {fids.std() / 20:.1f}")
print(f"KID of equal distributions, N = 200: {kids.mean():.1f} ± {kids.std() / 20:.1f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · Precision and recall: quality and coverage apart
#
# One number cannot say *what* is wrong. A model that draws perfect ones only and a model that draws every digit badly may have the same FID. So ask twice. Give each real point a ball that reaches to its $k$-th real neighbour; together the balls are where real data live.
#
# - **precision**: the share of samples inside the balls of real points. Quality.
# - **recall**: the share of real points inside the balls of samples, which reach to their $k$-th neighbour among the samples. Coverage.
#
# An outlier has a huge ball, and one stray sample may then cover half of the data. **Density** counts how many real balls hold a sample, divided by $k$: about 1 for real data, and it may be more. **Coverage** asks whether a real point's own ball holds any sample. In both only real points have balls.
#
# **Predict first.** A collapsed model draws a few perfect points again and again. Which of the four numbers are high?

# %%
widgets.CoverageExplorer()

# %% [markdown]
# > **What to notice.** Collapsed: precision stays high, recall and coverage fall. Too wide: precision falls, recall is 1, coverage falls less. *Collapsed, one stray sample*: a single outlier doubles recall and leaves coverage alone; show the balls around samples to see why. *In the hole, one real stray*: one real outlier makes precision 1 for samples in the empty middle; density, 0.34, is fooled much less. A larger $k$ makes precision, recall and coverage kinder; density is divided by $k$.

# %%
show_source(metrics.neighbour_scores, open=False)
labelled = checkpoints.load("cgan")
cases = {
    "all digits": samples["cgan"],
    "threes only": labelled.sample(500, torch.full((500,), 3)),
    "one image": samples["cgan"][:1].repeat(500, 1, 1, 1),
}
cases["blurred"] = torch.nn.functional.avg_pool2d(samples["cgan"], 5, 1, 2)
rows = []
for name, x in cases.items():
    fake = metrics.digit_features(x)
    found = metrics.neighbour_scores(real, fake)
    rows.append({"cGAN": name} | {score: f"{getattr(found, score):.2f}" for score in ("precision", "recall", "density", "coverage")})
table(rows)

# %% [markdown]
# > **What to notice.** Threes only: as precise as before, and blind to nine tenths of the data. One image repeated: its balls have radius 0, so it recalls nothing. Blur costs some precision and all of recall: blurred digits crowd together. FID alone would have said “worse” three times without saying why.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · Wasserstein: how much sand, how far
#
# Kernels and balls must be chosen. Here is a distance with neither a kernel nor a $k$. See two distributions as heaps of sand. A **plan** $\gamma_{ij}$ says how much goes from place $i$ to place $j$. The **Wasserstein distance** is the cost of the best plan, amount times distance:
#
# $$W_1=\min_\gamma\sum_{ij}\gamma_{ij}\,|x_i-y_j|\qquad\text{rows of }\gamma\text{ sum to }p,\text{ columns to }q$$
#
# On a line the best plan is easy: sort, and match in order. Elsewhere it is a linear program. **Sinkhorn** adds a little entropy, $-\varepsilon H(\gamma)$, and then scaling rows and columns in turn is enough: fast, and on a GPU.
#
# **Predict first.** Move the target far away from the source. What happens to the Wasserstein distance, and what to the Jensen–Shannon divergence of lecture 03? (*Total variation* is half of the summed difference of the two.)

# %%
widgets.TransportExplorer()

# %% [markdown]
# > **What to notice.** Once the heaps do not overlap, Jensen–Shannon says 1 bit for near and far alike, and total variation says 1. The Wasserstein distance (here $W_2$, which squares the way) still grows with the distance: it has a slope where the others are flat, which is why lecture 03 trained a critic for it. Large ε smears the plan and raises its cost; small ε comes near the exact plan and needs more rounds.

# %%
show_source(metrics.sinkhorn)
a, b = torch.randn(3000, dtype=torch.float64), 2 + 3 * torch.randn(2000, dtype=torch.float64)
known_w2 = math.sqrt(2**2 + (3 - 1) ** 2)  # of two Gaussians on a line: FID in one dimension is its square
print(f"W2, known: {known_w2:.2f}   from samples, 3,000 against 2,000: {metrics.wasserstein_1d(a, b, p=2):.2f}")
place = torch.linspace(-1, 1, 60, dtype=torch.float64)
p, q = (Normal(m, s).log_prob(place).softmax(0) for m, s in ((0.0, 0.1), (0.1, 0.4)))
cost = (place[:, None] - place).abs()
exact = (metrics.transport_plan_1d(p, q) * cost).sum()
print(f"exact {exact:.3f}; Sinkhorn " + ", ".join(f"{metrics.sinkhorn(p, q, cost, e).cost:.3f} (ε = {e})" for e in (0.5, 0.1, 0.02)))

# %% [markdown]
# In many dimensions the distance of samples needs very many of them. **Sliced** Wasserstein looks at shadows on random lines, where sorting is enough, and averages. FID is a Wasserstein distance, too: it is $W_2^2$ of the two fitted Gaussians.

# %%
sliced = {"real against real": half_b} | {name: metrics.digit_features(x) for name, x in samples.items()}
rows = [{"model": name, "sliced W2 of features": float(metrics.sliced_wasserstein(x, half_a))} for name, x in sliced.items()]
table(sorted(rows, key=lambda row: row["sliced W2 of features"]))

# %% [markdown]
# > **What to notice.** The same four models lead, near the level of real digits, and the other four follow far behind. Two distances that were built in different ways agree about what is large.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · Who chose the features?
#
# All of these scores are blind to what the features leave out. Compare the same models with other eyes: pixels at half size, 40 principal components of pixels, your young network, one that never learned, the classifier's last layer.
#
# **Predict first.** Small pictures and their principal components compare pixel by pixel. Which model will they favour?

# %%
mean, directions = seen.flatten(1).mean(0), torch.linalg.svd(seen.flatten(1) - seen.flatten(1).mean(0), full_matrices=False).Vh[:40]
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
widgets.FeatureExplorer(samples, unseen[:500], networks)

# %% [markdown]
# > **What to notice.** The order changes with the eyes. The VAE rises to the top in principal components, which like what is right on average. StyleGAN leads for the untrained network and falls far behind for the answers of the classifier, which see classes only. Your young network agrees with the shipped one on all but neighbours in the table. Precision hardly depends on the features; recall does.
# > Inception learned from photographs of dogs and furniture. On faces its features look at the wrong things (arXiv:2203.06026); expect no better of X-rays or digits. On Colab, `!pip install torch-fidelity`, then `metrics.inception_features(images)` gives you its 2,048 features to add to the menu.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · Has it memorised?
#
# A model that copies its training set gets the FID of real digits. Look at nearest neighbours: each sample beside the training image that it is nearest to. And count. Take a sample and a *new* real image. How often is the sample nearer to the training set? For a model that has learned and not copied: about half of the time. *Copies* below is the share of samples that are nearer than 99 of 100 new images.

# %%
suspects = {name: samples[name] for name in ("stylegan", "latent_flow", "vae")} | {"a copier": known[:500]}
shown = torch.cat([x[:6] for x in suspects.values()])
nearest = torch.cdist(shown.flatten(1), seen.flatten(1)).argmin(1)
pairs = torch.stack([shown, seen[nearest]], 1).view(len(suspects), 12, 1, 28, 28)
show_images(
    pairs.flatten(0, 1), columns=12, row_labels=list(suspects), size=0.6, heading="each sample, and the training image nearest to it"
)

# %%
show_source(metrics.memorisation)
rows = []
for name, x in suspects.items():
    found = metrics.memorisation(x, seen, unseen)
    fid = metrics.frechet_distance(metrics.digit_features(x), real)
    rows.append({"suspect": name, "nearer than a new image": f"{found.closer:.0%}", "copies": f"{found.copies:.0%}", "FID": f"{fid:.0f}"})
rows.append(
    {
        "suspect": "500 other real digits",
        "nearer than a new image": "–",
        "copies": "–",
        "FID": f"{metrics.frechet_distance(metrics.digit_features(known[500:]), real):.0f}",
    }
)
table(rows)

# %% [markdown]
# > **What to notice.** The copier's FID is that of other real digits: nothing in it says “copied”. The distance says it at once. StyleGAN's samples are no nearer to these training images than new digits are. (These 4,000 are a part of the training set; the leaderboard looks at all 59,000.) Smooth, average digits sit near many images and get a high share, as those of latent flow do (61 %). Strongly blurred or broken ones are far from all and get a low one. Neither proves anything alone; it is a reason to look.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · Scores of a latent space, and of people
#
# **Disentanglement.** Lecture 02 moved one latent and saw one thing change. Four scores measure that on data whose factors are known: **MIG** (how far is a factor's best latent ahead of the second, in mutual information), **DCI** (does each latent serve one factor), **SAP** (the same gap for a small classifier), **FactorVAE** (hold a factor fixed: which latent stands still). **Test it**: factors as latents score 1. And rotated ones?

# %%
factors = torch.cartesian_prod(*[torch.arange(4)] * 3).repeat(10, 1)
clean = factors.double() + 0.01 * torch.randn(len(factors), 3)
rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
rows = [
    {"latents": "the factors"} | metrics.disentanglement(clean, factors),
    {"latents": "rotated"} | metrics.disentanglement(clean @ rotation, factors),
]
keys = ("mig", "dci_disentanglement", "sap", "factor_vae")
rows += [{"latents": f"β-VAE on sprites, β = {b}"} | checkpoints.record(f"beta_vae_sprites_b{b}")["numbers"] for b in (0, 1, 4, 16)]
table([{"latents": row["latents"]} | {key: f"{row[key]:.2f}" for key in keys} for row in rows])

# %% [markdown]
# > **What to notice.** A rotation keeps all information, and MIG, DCI and SAP fall: they judge *axes*. FactorVAE asks only which latent moves least, and forgives it. On the sprites MIG and SAP rise with β while FactorVAE falls. There is no single measure of disentanglement; look at traversals, too.
#
# **People.** The judge of last resort. Show a person a real and a made picture, ask which is real. How many answers do you need? With $n$ answers a share of one half is uncertain by $\pm1.96\sqrt{0.25/n}$.

# %%
table(
    [
        {"answers": n, "fooled": "50 %", "95 % of the time between": f"{0.5 - 0.98 / n**0.5:.0%} and {0.5 + 0.98 / n**0.5:.0%}"}
        for n in (20, 100, 1000, 10_000)
    ]
)

# %% [markdown]
# > **What to notice.** Twenty answers tell you hardly anything: 28 % to 72 %. People also learn during the task, notice artefacts and not missing variety, and differ from each other. Say who was asked, how many, what they were paid, and how long they looked.

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


fids = [fid(x) for x in seeds]
table(
    [
        {"conditional GAN": "300 samples", "FID": fids[0]},
        {"conditional GAN": "300 samples, the best of ten seeds", "FID": min(fids)},
        {"conditional GAN": "300 samples, the worst of ten seeds", "FID": max(fids)},
        {"conditional GAN": "3,000 samples", "FID": fid(lots)},
        {"conditional GAN": "3,000 samples, resized to 24 pixels and back", "FID": fid(resize(resize(lots, 24), 28))},
    ]
)

# %%
guided, asked = checkpoints.load("latent_diffusion"), torch.arange(1000) % 10
weights = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
scores = {"precision": [], "recall": [], "density": [], "coverage": []}
for w in weights:
    training.seed_everything(0)
    found = metrics.neighbour_scores(real, metrics.digit_features(guided.sample(1000, asked, w)))
    for name, values in scores.items():
        values.append(getattr(found, name))
curves({name: (weights, values) for name, values in scores.items()}, "guidance w of latent diffusion", "score", markers=True)

# %% [markdown]
# > **What to notice.** Ten times as many samples take a third off the FID of one and the same model. The luckiest of ten seeds takes off a fifth. Resizing moves FID fivefold, here upward: resize a rival's samples and it helps you (arXiv:2104.11222). Guidance from $w=1$ to 2 trades recall for precision: samples look better because the model forgets. Beyond that precision falls, too. **The cure** is a protocol, written down before you look: $N$, features, preprocessing, seeds, and both precision and recall.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · One leaderboard
#
# Every model of digits that ships with this course, one protocol: 10,000 samples, all 10,000 test images of MNIST, the digit network's features, $k=3$ for precision and recall, $k=5$ for density and coverage. *Copies* is the share of samples that are nearer to one of the 59,000 training images than 99 of 100 new images are. The first row is real: 10,000 training images, as if a model had drawn them, whose copies are counted against the other 49,000.

# %%
board = leaderboard.read()
widgets.LeaderboardExplorer(board)

# %%
table(leaderboard.table(board, columns=leaderboard.IN_SHORT))


# %% [markdown]
# > **What to notice.** Sort by bits: the PixelCNN on 256 levels leads with 1.05, flows follow with 1.09 to 1.18, and the diffusion model in pixels is last with 2.14. GANs and latent diffusion have no likelihood and are not in the first chart. Sort by FID: latent diffusion and flow matching lead with 5.5, StyleGAN has 7.5, that PixelCNN 116, the flows 250 to 280. (Lectures 03 and 06 have 7.6 for StyleGAN and 5.0 for latent diffusion: other samples, and other shares of the labels. Only numbers of one protocol compare.)
# > *Within* the autoencoders fewer bits mostly go with a better FID. Among the flows they do not (spline 1.09 and 272, Glow 1.13 and 247), and *across* families not at all: PixelCNN 1.05 bits and FID 116, VAE 1.47 and 10.7, diffusion 2.14 and 15.5. And the bits of binarised models are bounds that pay for a crude model of grey.
# > Precision and recall say more than FID, but not all of it. The conditional VAE has 0.90 and 0.17: typical digits, never odd ones. DCGAN has 0.60 and 0.77, but do not believe this recall: its stray samples have large balls, and its coverage is only 0.48.
# > *Copies* is 0.9 % for real images. Latent diffusion has 1.6 %: a little above, worth a look at the neighbours. Pixels drawn in black and white have jagged strokes that the digit network rarely saw (PixelCNNs, MADE); VAEs learn from binarised digits, too, but show grey means. And 1,000 samples take from 0.003 s (small VAEs) to 54 s (the PixelRNN).
#
# **Against published numbers.** Ours are small models, each trained on one core of a CPU, in 1 to 81 minutes. Bits on 8-bit MNIST, and nats on binarised MNIST:

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
# FIDs cannot be compared with published ones: other features, other $N$. That is the point of section 10.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · Check yourself
#
# <details><summary><b>1.</b> A paper reports FID 12 with 50,000 samples, yours has 14 with 5,000. Is theirs better?</summary>
#
# Nobody knows. FID grows as N falls; yours might be below 12 at 50,000. Measure both at one N, or extrapolate both to 1/N = 0. "Yes, 12 < 14" compares two different things; "no, the bias explains it" is a guess, too.
# </details>
#
# <details><summary><b>2.</b> Your KID is −0.3. A bug?</summary>
#
# No. An estimate that is right on average for a distance of 0 must fall below 0 quite often. Clamping it at 0 would bring the bias back. With the diagonal left in it would never be negative, and always too large.
# </details>
#
# <details><summary><b>3.</b> Precision 0.95, recall 0.05. Which failure of lecture 03 is this?</summary>
#
# Mode collapse, or samples that are too smooth: what is drawn is typical, and it is little. Look at them. Swapped arguments would show the mirror image, so check those too: precision asks about samples.
# </details>
#
# <details><summary><b>4.</b> Model A has 1.05 bits/dim, model B 2.1. Whose samples do you expect to be better?</summary>
#
# Bits alone do not say. On the leaderboard the diffusion model has twice the bits of the PixelCNN and a far better FID. Bits are spent on every last grey level, which no eye sees.
# </details>
#
# <details><summary><b>5.</b> A model of binarised digits has 84 nats, a flow on grey ones 1.1 bits/dim. Convert and compare?</summary>
#
# Dividing 84 nats by 784 log 2 gives 0.15 bits of <i>black and white</i>. The grey levels are still to be paid for. Add them (section 2), then compare.
# </details>
#
# <details><summary><b>6.</b> FID 1.6 against a floor of 1.5. Done?</summary>
#
# Look at nearest neighbours first: copies of the training set have the floor's FID by definition. Then look where the features are blind.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16 · Summary, and when things go wrong
#
# - Likelihood asks whether the model expects real data; scores of samples ask whether its data look real. Neither implies the other.
# - IS sees classes only. FID compares two Gaussians and is biased by $N$. KID is right on average for any $N$. Precision and recall tell quality from coverage. Wasserstein has a slope where others are flat.
# - No score of samples against real data sees copies of the training set, except the distance to it.
# - Every number needs its $N$, its features, its data and its floor.
#
# | you see | look at | cure |
# |---|---|---|
# | FID is complex, or NaN | a general matrix root | eigenvalues of the symmetric form |
# | FID falls when you do nothing | more samples than before | one $N$ for all |
# | KID below 0 | nothing: distance 0 within its error | print the error |
# | precision of real data far below 1 | $k$ too small, too few real points | larger $k$, and the floor beside it |
# | recall higher than precision for a bad model | one outlier with a huge ball | density and coverage |
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
# Peyré & Cuturi, *Computational Optimal Transport* (arXiv:1803.00567) · Meehan et al., data copying (arXiv:2004.05675) · Locatello et al., disentanglement (arXiv:1811.12359) · Zhou et al., HYPE, human evaluation (arXiv:1904.01121) · Stein et al. (arXiv:2306.04675)
