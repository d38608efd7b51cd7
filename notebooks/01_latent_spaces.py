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
# # 01 · Latent spaces
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/notebooks/01_latent_spaces.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/notebooks/01_latent_spaces.ipynb)
#
# **You will be able to**
# - write down the ideal generative model, a table of every image, use it, and say why it ends at a handful of pixels,
# - find a latent space with linear algebra (PCA), with a density (probabilistic PCA), with clusters (EM) and with topics,
# - fill the holes of a table by its low rank, and classify images whose pixels are missing,
# - walk between two images in pixels and in latents, and measure who stays near the data,
# - count, in nats, what a bottleneck lets through.
#
# **Time** about 80 minutes. **Hardware** a laptop's CPU; nothing is downloaded. Every picture with sliders needs a running kernel.
# **You need** linear algebra, basic PyTorch, and the probability of [lecture 00](00_start_here.ipynb).

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

import matplotlib.pyplot as plt
import numpy as np
import torch

from course_lib import checkpoints, datasets, distributions, latent_spaces, training
from course_lib.latent_spaces import PCA, GaussianMixture, JointTable, ProbabilisticPCA, lerp, manifold_distance, patches, slerp
from course_lib.plotting import curves, show_images, show_source, table
from course_lib.widgets import latent_spaces as widgets

training.seed_everything(0)
digits, unseen = datasets.load("mnist_small", "train"), datasets.load("mnist_small", "test")
x, x_test = digits.images(), unseen.images()
ink, ink_test = (x >= 0.5).float(), (x_test >= 0.5).float()  # black and white
print(digits, unseen, sep="\n")

# %% [markdown]
# ## First, play
#
# Cut the digits into pieces of $2\times2$ pixels. There are only $2^4=16$ such pieces. Count how often each occurs, and you have the best generative model there can be for them:
# one probability for each possible image.
#
# Each button is a pixel. Click it to say what you know: nothing (?), paper (0) or ink (1).
#
# **Predict first.** Say that the upper left pixel is ink. What becomes likelier for its neighbours, and for the pixel across the diagonal?

# %%
joint = JointTable.from_images(patches(ink, 2))
widgets.JointTableExplorer(joint)

# %% [markdown]
# > **What to notice.** With nothing known, four pieces in five are empty paper. One pixel of ink makes its neighbours ink with high probability, and the one across the diagonal with less.
# > The row of completions is **in-painting**: the known pixels stay, the rest is drawn.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · The ideal model: a table of every image
#
# A data set is a sample from some distribution $p(x)$. With few pixels, $p$ fits in a table: one entry for each image $x=(x_1,\dots,x_4)$. The table answers every question:
#
# - *sampling*: draw an entry,
# - *likelihood*: look it up,
# - *conditionals*: keep the entries that agree with what is known, and divide by their sum,
#
# $$p(x_3,x_4\mid x_1,x_2)=\frac{p(x_1,x_2,x_3,x_4)}{\sum_{x_3,x_4}p(x_1,x_2,x_3,x_4)} .$$

# %%
show_source(JointTable.conditional)

# %%
# test it: Bayes' rule by hand. Upper row known to be ink, ink
known = torch.tensor([[1, 1], [-1, -1]])
conditional = joint.conditional(known)
agree = [i for i in range(16) if joint.states[i, 0].tolist() == [1, 1]]
by_hand = {i: joint.p[i] / sum(joint.p[j] for j in agree) for i in agree}
print(
    f"adds up to {conditional.sum():.3f}; largest difference from the loop {max(abs(conditional[i] - p) for i, p in by_hand.items()):.0e}"
)
print(f"entropy {joint.entropy() / math.log(2):.2f} bits; four fair coins would have 4")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Why it ends here
#
# The table has $2^d-1$ free numbers for $d$ black-and-white pixels. Every one must be learned from data.
#
# **Predict first.** From 4,000 digits you get 64,000 pieces of $7\times7$ pixels. What share of the pieces of *new* digits has never been seen?

# %%
sides, entries, never_seen = [1, 2, 3, 4, 5, 6, 7], [], []
for side in sides:
    old, new = (patches(images, side).flatten(1).long() for images in (ink, ink_test))
    bit = 2 ** torch.arange(side * side)
    seen = set((old * bit).sum(1).tolist())
    entries.append(latent_spaces.table_size(side * side))
    never_seen.append(np.mean([code not in seen for code in (new * bit).sum(1).tolist()]))
    print(f"{side}×{side}: {entries[-1]:>19,} entries, {len(seen):>6,} of them seen, {never_seen[-1]:6.1%} of new pieces never seen")
print(f"28×28: a number with {len(str(latent_spaces.table_size(784)))} digits. The observable universe has atoms for 80 digits.")

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
axes[0].semilogy(sides, entries, marker="o")
axes[0].set(xlabel="side of the piece (pixels)", ylabel="entries of the table")
axes[1].plot(sides, 100 * np.array(never_seen), marker="o", color="C1")
axes[1].set(xlabel="side of the piece (pixels)", ylabel="new pieces never seen (%)")
plt.show()

# %% [markdown]
# > **What to notice.** The table grows like $2^{\text{side}^2}$; the data do not. At $7\times7$ nearly a quarter of the new pieces has probability 0 under the table, so the log-likelihood of a test digit is $-\infty$.
# > Adding a little to every count (smoothing) removes the zeros. It spreads that little over $10^{14}$ images, nearly all of them noise.
#
# The table fails because it treats every image as a stranger to every other. All that follows shares something: between pixels, or between images.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · Digits are a thin sheet in a huge room
#
# An image of $28\times28$ pixels is a point in a room of 784 dimensions. The **manifold hypothesis** says that digits fill almost none of it. They lie near a curved sheet with few directions: slant, width, loop, class.
# Coordinates on that sheet are a **latent space**, and a latent is written $z$. From $x$ to $z$ is *inference* (encoding); from $z$ to $x$ is *generation* (decoding).
#
# Five ways to draw at random follow. Each has its distance to the nearest of 4,000 real digits. The encoders and decoders are explained in this lecture and the next.
#
# **Predict first.** Pixels with the right average darkness, each drawn on its own: how far from a digit?

# %%
pca = PCA(x, 40)
autoencoder, vae = checkpoints.load("ae_mnist_d16"), checkpoints.load("beta_vae_mnist_b1")
codes = autoencoder.encode(x).detach()


def normal(n, dims, generator):
    return torch.randn(n, dims, generator=generator)


sources = {
    "uniform pixels": lambda n, g: torch.rand(n, 1, 28, 28, generator=g),
    "pixels with the right means": lambda n, g: torch.bernoulli(x.mean(0).expand(n, -1, -1, -1), generator=g),
    "random PCA codes (40)": lambda n, g: pca.decode(normal(n, 40, g) * pca.variances.sqrt()).clamp(0, 1),
    "random autoencoder codes (16)": lambda n, g: autoencoder.decode(codes.mean(0) + codes.std(0) * normal(n, 16, g)).detach(),
    "random VAE codes (10)": lambda n, g: vae.decode(normal(n, 10, g)).detach(),
    "new digits, for comparison": lambda n, g: x_test[torch.randperm(1000, generator=g)[:n]],
}
widgets.RandomExplorer(sources, x)

# %% [markdown]
# > **What to notice.** Draw as often as you like: random pixels never make a digit. Random codes come closer the better the space is: PCA gives ghosts, an autoencoder gives strokes and now and then a digit, a VAE gives digits.
# > The VAE's draws lie even nearer to the data than real new digits do. That is not a victory: they are smooth and average. Distance alone does not measure quality, and lecture 07 says what does.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · The flat sheet: principal components
#
# The simplest sheet is flat. Take the mean image $\bar x$ and $k$ directions $u_1,\dots,u_k$ of unit length, at right angles. The code is $z_j=u_j^\top(x-\bar x)$ and the picture from it is
#
# $$\hat x=\bar x+\sum_{j=1}^k z_j u_j .$$
#
# The squared error is smallest when the $u_j$ are eigenvectors of the covariance $C=\frac1n\sum_i(x_i-\bar x)(x_i-\bar x)^\top$ with the largest eigenvalues $\lambda_1\ge\lambda_2\ge\dots$
# Then $z_j$ has variance $\lambda_j$, and the error that remains is $\sum_{j>k}\lambda_j$. This is **principal component analysis**. Of faces, the directions are called eigenfaces; here they are eigen-digits.
#
# **Predict first.** Of 784 components, how many keep half of the variance?

# %%
show_source(PCA.__init__)
widgets.ComponentExplorer(PCA(x, 100), x_test[4::100])

# %%
# test it: the error is the sum of the eigenvalues left out, and the directions are at right angles
error = (pca.reconstruct(x) - x).square().flatten(1).sum(1).mean()
print(f"error {error:.3f}   eigenvalues left out {pca.total_variance - pca.variances.sum():.3f}")
print(f"largest |uᵢ·uⱼ − 1[i = j]|: {(pca.components @ pca.components.T - torch.eye(40)).abs().max():.0e}")
keeps = {share: int((PCA(x, 400).explained < share).sum()) + 1 for share in (0.5, 0.8, 0.9, 0.95)}
print("components needed:", ", ".join(f"{k} for {share:.0%}" for share, k in keeps.items()))

# %% [markdown]
# > **What to notice.** Eleven components keep half of the variance, 43 keep four fifths. The rest are strokes' edges.
# > Moving one component by hand changes the whole digit at once, adding ink here and *negative* ink there. A flat sheet cannot follow a stroke that moves; it can only fade one picture into another.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · A sheet with a density: probabilistic PCA
#
# PCA is no generative model yet: it has no $p(x)$. Give the code a prior, and the picture some noise:
#
# $$z\sim\mathcal N(0,I_k),\qquad x\mid z\sim\mathcal N(Wz+\bar x,\;\sigma^2I)\quad\Longrightarrow\quad x\sim\mathcal N(\bar x,\;WW^\top+\sigma^2I).$$
#
# Maximum likelihood has a closed form: $W$ is the eigenvectors, stretched, and $\sigma^2$ is the mean of the eigenvalues left out. **Factor analysis** is the same with one noise variance for each pixel.
# This is the small brother of the VAE: prior, decoder, noise, and here even the posterior $p(z\mid x)$ and the likelihood are exact.

# %%
show_source(ProbabilisticPCA.log_prob)

# %%
# test it: the shortcut against the full covariance matrix, on 8×8 digits
generator = torch.Generator().manual_seed(0)
small, small_test = (datasets.load("digits8", split).images().flatten(1) for split in ("train", "test"))
smooth, smooth_test = (v * 16 / 17 + torch.rand(v.shape, generator=generator) / 17 for v in (small, small_test))  # section 6 says why
model = ProbabilisticPCA(smooth, 10)
w = model.components.T * model.scale
full = torch.distributions.MultivariateNormal(model.mean, w @ w.T + model.noise_variance * torch.eye(64))
print(f"shortcut {model.log_prob(smooth_test).mean():.2f} nats   full matrix {full.log_prob(smooth_test).mean():.2f} nats")

# %%
from sklearn.decomposition import FactorAnalysis

sizes = [1, 2, 4, 8, 12, 16, 24, 32, 48]
lines = {
    "probabilistic PCA, train": [ProbabilisticPCA(smooth, k).log_prob(smooth).mean().item() for k in sizes],
    "probabilistic PCA, test": [ProbabilisticPCA(smooth, k).log_prob(smooth_test).mean().item() for k in sizes],
    "factor analysis, test": [FactorAnalysis(k).fit(smooth.numpy()).score(smooth_test.numpy()) for k in sizes],
}
curves({name: (sizes, values) for name, values in lines.items()}, "latents", "log-likelihood (nats)", markers=True)

# %% [markdown]
# > **What to notice.** Factor analysis with 8 latents is ahead of probabilistic PCA with 32. It knows that border pixels hardly vary. Probabilistic PCA has one σ² for all, so it must spend directions on telling the busy pixels from the quiet ones.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · Break it: a density that goes through the roof
#
# Pixels are whole numbers: 17 grey levels here. A density may put a spike on each level. A pixel that is always 0 is worse: its variance is 0, and the density there has no bound.
#
# **Predict first.** What happens to the test log-likelihood of factor analysis when we leave out the small random numbers added above?

# %%
print(f"{(small.std(0) == 0).sum()} of 64 pixels have one value in every training image")
for name, train, test in (("stored pixels", small, small_test), ("pixels + noise", smooth, smooth_test)):
    fitted = FactorAnalysis(8).fit(train.numpy())
    score = fitted.score(test.numpy())
    print(f"{name:14}  smallest noise variance {fitted.noise_variance_.min():.0e}   test log-likelihood {score:.1f} nats")

# %% [markdown]
# > **What to notice.** The gain comes from the few pixels that never change: each is worth 13 nats, only because the library stops at a variance of $10^{-12}$. Nothing about digits was learned.
# > The cure is **dequantisation**: add to each pixel a uniform number as wide as one grey level. Then no density can beat the best table of levels. Lecture 04 depends on it, and shows a better way to draw that number.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · A latent that is a choice: mixtures and EM
#
# Let the latent be one of $K$ clouds, $p(x)=\sum_k\pi_k\,\mathcal N(x;\mu_k,\Sigma_k)$. If we knew the cloud of each point, the fit would be easy. If we knew the clouds, so would the memberships. **EM** goes back and forth:
#
# - **E step**, inference: $r_{ik}=p(k\mid x_i)\propto\pi_k\,\mathcal N(x_i;\mu_k,\Sigma_k)$, the *responsibility* of cloud $k$ for point $i$,
# - **M step**: weights, means and covariances of the points, counted by responsibility.
#
# Why does it climb? For any $q$, Jensen's inequality gives $\log p(x)\ge\sum_k q(k)\log\frac{p(x,k)}{q(k)}$, with equality for $q(k)=p(k\mid x)$. The E step makes the bound touch, the M step raises it. The VAE of lecture 02 climbs the same bound.

# %%
show_source(GaussianMixture.log_joint)
show_source(GaussianMixture.responsibilities)
show_source(GaussianMixture.em_step)

# %%
points = datasets.toy2d("gaussians8", 600).x


def draw_mixture(axis, mixture, points, title):
    """The points in the colours of their likeliest clouds, each cloud as the ellipse of two deviations."""
    owner = mixture.responsibilities(points).argmax(1)
    axis.scatter(*points.T, c=owner, cmap="tab10", vmin=0, vmax=9, s=4)
    angle = torch.linspace(0, 2 * math.pi, 80)
    circle = 2 * torch.stack([angle.cos(), angle.sin()])
    for k, (mean, root) in enumerate(zip(mixture.means, torch.linalg.cholesky(mixture.covariances))):
        axis.plot(*(mean[:, None] + root @ circle), color=plt.get_cmap("tab10")(k % 10))
    axis.set(title=title, xlim=(-4.2, 4.2), ylim=(-4.2, 4.2), aspect="equal", xticks=[], yticks=[])


figure, axes = plt.subplots(2, 4, figsize=(9, 4.9), layout="constrained")
for row, seed in zip(axes, (2, 5)):
    row[0].set_ylabel(f"start {seed}")
    mixture = latent_spaces.start_mixture(points, 8, seed)
    history = [mixture.log_prob(points).mean().item()]
    for step in range(61):
        if step in (0, 3, 12, 60):
            draw_mixture(row[(0, 3, 12, 60).index(step)], mixture, points, f"step {step}: {history[-1]:.2f}")
        mixture = mixture.em_step(points)
        history.append(mixture.log_prob(points).mean().item())
    print(
        f"start {seed}: log-likelihood never falls: {all(b >= a - 1e-5 for a, b in zip(history, history[1:]))}; from {history[0]:.2f} to {history[-1]:.2f} nats"
    )
plt.show()

# %% [markdown]
# > **What to notice.** Both runs climb at every step, and they end at different places. EM finds a local optimum: where two clouds share one cluster, another cloud must cover two. Start several times, keep the best.
#
# **Break it.** Give one cloud a single point, and let it shrink. With `floor=0` nothing stops it.

# %%
# one wide cloud for 20 points; then a hundredth of the weight goes to a spike on the first point
few_points = points[:20].double()
wide = GaussianMixture(torch.ones(1).double(), few_points.mean(0, keepdim=True), few_points.T.cov()[None])
print(f"{'one wide cloud':22} mean log-likelihood {wide.log_prob(few_points).mean():.2f} nats")
for width in (1e-1, 1e-3, 1e-6, 1e-9, 1e-12):
    shapes = torch.stack([wide.covariances[0], width**2 * torch.eye(2).double()])
    spiked = GaussianMixture(torch.tensor([0.99, 0.01]).double(), torch.stack([wide.means[0], few_points[0]]), shapes)
    print(f"a spike of width {width:.0e} mean log-likelihood {spiked.log_prob(few_points).mean():.2f} nats")

# %% [markdown]
# > **What to notice.** The narrower the spike, the higher the likelihood, without end. It is the same trouble as in section 6: maximum likelihood of a density is only safe when no width may go to 0. `floor` adds a little to every variance.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · Codes, then a density of codes
#
# Random PCA codes gave ghosts, because one Gaussian is a poor description of where codes lie. Put a mixture on the codes instead. This is a recipe for the whole course: first a latent space, then a model of it.
#
# **Predict first.** Will more clouds always be better for new digits?

# %%
few = PCA(x, 20)
z, z_test = few.encode(x), few.encode(x_test)
counts = [1, 3, 10, 20, 40]
mixtures = {k: latent_spaces.fit_mixture(z, k, steps=25)[0] for k in counts}
curves(
    {name: (counts, [mixtures[k].log_prob(v).mean().item() for k in counts]) for name, v in (("train", z), ("test", z_test))},
    *("clouds K", "log-likelihood of the codes (nats)"),
    markers=True,
)

# %%
generator = torch.Generator().manual_seed(1)
drawn = {k: few.decode(mixtures[k].sample(500, generator)[0]).clamp(0, 1) for k in (1, 10, 40)}
best = torch.stack([few.decode(mixtures[40].means)[k] for k in mixtures[40].weights.argsort(descending=True)[:10]]).clamp(0, 1)
show_images(
    torch.cat([best, *(v[:10] for v in drawn.values())]), columns=10, row_labels=["means of 10 clouds", *(f"drawn, K = {k}" for k in drawn)]
)
print("median distance to the nearest digit:", ", ".join(f"K = {k}: {manifold_distance(v, x).median():.2f}" for k, v in drawn.items()))

# %% [markdown]
# > **What to notice.** With 40 clouds many draws can be read, from 20 numbers and without a network. But the two curves part: each cloud of 20 dimensions has 210 numbers for its covariance alone, and fewer and fewer digits to learn them from.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · Latents of a text: topics
#
# A document is a bag of words. **Latent Dirichlet allocation** gives each document a mixture of topics, and each topic a distribution over words:
#
# $$z\sim\text{Dirichlet}(\alpha),\qquad p(\text{word}\mid z)=\sum_k z_k\,p(\text{word}\mid k).$$
#
# The latent is again a short vector, here of shares that add up to 1. The texts are the pages that Python's `help()` prints; they come with Python.
#
# **Predict first.** Nobody names the topics. Which would you expect in a language's manual?

# %%
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer

texts = datasets.documents()
counter = CountVectorizer(stop_words="english", token_pattern=r"[a-z]{4,}", min_df=4, max_df=0.4)
words = counter.fit_transform(texts.values())
lda = LatentDirichletAllocation(6, random_state=0, max_iter=30, doc_topic_prior=0.1, topic_word_prior=0.05).fit(words)
topic_words = lda.components_ / lda.components_.sum(1, keepdims=True)
shares = lda.transform(words)
widgets.TopicExplorer(topic_words, counter.get_feature_names_out(), shares.mean(0))

# %%
for k in range(len(topic_words)):
    top = [counter.get_feature_names_out()[i] for i in topic_words[k].argsort()[::-1][:6]]
    pages = [list(texts)[i] for i in shares[:, k].argsort()[::-1][:3]]
    print(f"topic {k + 1}: {', '.join(top):64} pages: {', '.join(pages)}")

# %% [markdown]
# > **What to notice.** Strings and their formatting, classes and instances, functions and their arguments, exceptions: nobody named these, and each has its topic and its pages. Not every topic is that clear. A text drawn from a topic has the right words and no grammar: the bag has forgotten the order. Lecture 05 gives it back.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · A table with holes: low rank
#
# 300 people have rated a quarter of 24 films. If taste has few latents, the full table is nearly a product: $R\approx UV^\top$, with $k$ numbers for each person and for each film.
# The best approximation of rank $k$ keeps the $k$ largest singular values. It needs a full table, so we alternate: fill the holes, cut the rank, fill again.
#
# **Predict first.** Tastes were made from three latents, and noise. Which rank predicts held-out ratings best, and what would a large rank do to ratings that it *has* seen?

# %%
show_source(latent_spaces.truncated_svd)
show_source(latent_spaces.complete_ratings)
films = datasets.ratings()
ranks = range(1, 13)
filled = {rank: latent_spaces.complete_ratings(films.values, films.seen, rank) for rank in ranks}


def rms(table, where):
    return (table - films.values)[where].square().mean().sqrt().item()


column_means = (films.values * films.seen).sum(0) / films.seen.sum(0)
lines = {"ratings seen": [rms(t, films.seen) for t in filled.values()], "held out": [rms(t, films.held_out) for t in filled.values()]}
lines["held out, film's mean"] = [rms(column_means.expand_as(films.values), films.held_out)] * len(ranks)
curves({name: (ranks, values) for name, values in lines.items()}, "rank k", "error (stars, root mean square)", markers=True)

# %%
# the films' latents, from the table filled at rank 3. The first says how much opinions differ, so we look at the other two
u, s, v = torch.linalg.svd(filled[3] - filled[3].mean(0), full_matrices=False)
figure, axis = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
genres = ["science fiction"] * 6 + ["comedy"] * 6 + ["horror"] * 6 + ["two at once"] * 6
for genre, color in zip(dict.fromkeys(genres), ("C0", "C1", "C2", "grey")):
    rows = [i for i, g in enumerate(genres) if g == genre]
    axis.scatter(v[1, rows], v[2, rows], label=genre, color=color, s=30)
axis.set(xlabel="second latent of a film", ylabel="third latent", title="24 films, placed by their ratings alone")
figure.legend(loc="outside right upper", frameon=False)
plt.show()

# %% [markdown]
# > **What to notice.** The error on what was seen falls with every rank; on what was held out it turns at once. The films of one genre lie together, and those of two genres between them. The method never saw a genre.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · Generative or discriminative, when pixels go missing
#
# **Logistic regression** learns $p(y\mid x)$ and nothing about $x$. **Naive Bayes** learns $p(y)$ and $p(x\mid y)=\prod_d p(x_d\mid y)$, as if pixels were independent within a class. They are not, so it is the worse classifier of whole images.
# But it is a model of $x$. A pixel that is missing is summed out: $\sum_{x_d}p(x_d\mid y)=1$, so its factor just disappears. Logistic regression has no such rule; we put in the training mean.
#
# **Predict first.** Half of the pixels of every test digit are gone. Who loses more?

# %%
show_source(latent_spaces.NaiveBayes.log_joint)
results = latent_spaces.compare_classifiers(
    *((ink.flatten(1), digits.y), (ink_test.flatten(1), unseen.y)),
    sizes=(10, 20, 50, 100, 200, 500, 1000, 4000),
    shares=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
)
widgets.MissingExplorer(results)

# %%
# test it: leaving a factor out equals summing over the pixel's two values
bayes = latent_spaces.NaiveBayes(ink.flatten(1).double(), digits.y, 10)
image, present = ink_test[:1].flatten(1).double(), torch.ones(1, 784, dtype=torch.bool)
present[0, 400] = False
both = image.repeat(2, 1)
both[:, 400] = torch.tensor([0.0, 1.0])
print(f"left out {bayes.log_joint(image, present)[0, 3]:.6f}   summed out {bayes.log_joint(both).logsumexp(0)[3]:.6f}")
torch.manual_seed(0)
show_images(bayes.sample(torch.arange(10)).float().view(10, 1, 28, 28), columns=10, row_labels=["drawn, 0 to 9"])

# %% [markdown]
# > **What to notice.** With all pixels, logistic regression wins at every size. From about half missing, and 200 training images, naive Bayes wins; with enough images it names six digits in ten with 90 % of the pixels gone.
# > Move the size with 70 % missing: logistic regression gets *worse* with more data. It learns to rely on exact combinations of pixels, which the mean does not imitate.
# > Its samples are dust in the shape of a digit: each pixel is drawn on its own. The independence that makes it robust makes it a bad painter.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · Walking between two digits
#
# The straight line (**lerp**) between images $a$ and $b$ is $(1-t)\,a+t\,b$. In pixels it is a double exposure. In a good latent space each step is an image.
#
# In many dimensions there is a second trouble. Samples of $\mathcal N(0,I_d)$ all have length about $\sqrt d$, and the middle of the straight line between two of them has length about $\sqrt{d/2}$. The decoder has hardly seen such short codes.
# **Slerp** takes the arc instead, and keeps the length:
#
# $$\text{slerp}(a,b;t)=\frac{\sin((1-t)\,\omega)}{\sin\omega}\,a+\frac{\sin(t\,\omega)}{\sin\omega}\,b,\qquad\omega=\text{angle between }a\text{ and }b .$$
#
# **Predict first.** In which space does the middle of the path lie farthest from real digits?

# %%
show_source(slerp, open=False)
spaces = {
    "pixels": (lambda v: v, lambda v: v),
    "PCA (40)": (pca.encode, lambda v: pca.decode(v).clamp(0, 1)),
    "autoencoder (16)": (lambda v: autoencoder.encode(v).detach(), lambda v: autoencoder.decode(v).detach()),
    "VAE (10)": (lambda v: vae.encode(v).detach(), lambda v: vae.decode(v).detach()),
}
widgets.InterpolationExplorer(spaces, x_test[3::100], x)

# %%
# test it: lengths along both paths, for 1,000 pairs of Gaussian points in 10 and in 512 dimensions
for dims in (10, 512):
    a, b = torch.randn(2, 1000, dims, generator=torch.Generator().manual_seed(0))
    print(
        f"{dims:3} dimensions, middle of the path: lerp {lerp(a, b, 0.5).norm(dim=1).mean():5.2f}   slerp {slerp(a, b, 0.5).norm(dim=1).mean():5.2f}   √d {dims**0.5:5.2f}"
    )

pairs = torch.randperm(1000, generator=torch.Generator().manual_seed(0))[:400].view(2, 200)
steps = torch.linspace(0, 1, 9)
lines = {}
for name, (encode, decode) in spaces.items():
    a, b = encode(x_test[pairs[0]]), encode(x_test[pairs[1]])
    lines[name] = (steps, [manifold_distance(decode(lerp(a, b, t.item())), x).median().item() for t in steps])
curves(lines, "t", "distance to the nearest digit")

# %% [markdown]
# > **What to notice.** In pixels the middle is two digits at once, and in PCA too: a linear map turns straight lines into straight lines.
# > Halfway, every path is farther from the data than at its ends. The VAE's lies lowest all the way and rises least. The autoencoder's rises no less than that of pixels: nobody asked its codes to be continuous.
# > With 10 latents the straight line is a little short; with 512 it leaves the shell by far.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · What a bottleneck lets through, in nats
#
# How much does a code say about its image? The measure is **mutual information**, $I(x;z)=\mathrm{KL}\big(p(x,z)\,\|\,p(x)\,p(z)\big)$: the nats that knowing one saves in describing the other.
# Real numbers can hold any amount of it, so counting latents is not enough. Noise limits it: a latent of variance $S$ with Gaussian noise of variance $N$ carries at most $\frac12\log(1+S/N)$ nats, the **channel capacity**.
#
# **Rate–distortion** asks the other way round: how many nats are needed to describe $x$ up to a squared error $D$? For Gaussian data with variances $\lambda_j$ the answer is *reverse water-filling*: every component may err by the same level, and one whose variance is below the level is dropped.
# For any data with the same covariance, the Gaussian is the hardest. So real digits must need less.
#
# **Predict first.** A VAE is a noisy channel whose rate is its KL. Will it lie above or below the Gaussian curve?

# %%
variances = PCA(x, 784).variances
distortions = np.linspace(9, 52, 60)
gauss = [latent_spaces.reverse_water_filling(variances, d)[0].item() for d in distortions]
figure, axis = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
axis.plot(distortions, gauss, label="Gaussian with the digits' covariance")
torch.manual_seed(0)
for beta, member in checkpoints.load_family("beta_vae_mnist").items():
    if beta:
        q = member.posterior(x_test)
        error, rate = (member.decode(q.sample()) - x_test).square().flatten(1).sum(1).mean().item(), q.kl().mean().item()
        axis.scatter(error, rate, color="C1", zorder=3, label="VAE, one point for each β" if beta == 1 else None)
        axis.annotate(f"β = {beta:g}", (error, rate), textcoords="offset points", xytext=(6, 5))
axis.set(xlabel="distortion: squared error of an image", ylabel="rate (nats an image)", ylim=(-2, 60))
axis.legend(frameon=False)
plt.show()

# %%
# test it: mutual information of a binary channel that flips a bit with probability f
for flip in (0.0, 0.1, 0.5):
    channel = 0.5 * torch.tensor([[1 - flip, flip], [flip, 1 - flip]])
    closed = math.log(2) - distributions.entropy(torch.tensor([flip, 1 - flip]))
    print(f"flip {flip:.1f}: I = {distributions.mutual_information(channel):.4f} nats   log 2 − H(flip) = {closed:.4f}")

# %% [markdown]
# > **What to notice.** Up to β = 8 the VAEs lie far below the curve: at the same error they need about half of the nats, and their KL is only an upper bound of what their codes carry. A bent sheet does better than any flat one, because digits are not Gaussian.
# > At β = 16 the point is no better than the curve: the VAE has given up nearly all of its latents.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · Numbers: how good are these old codes?
#
# A code is good if a simple model on it works. Test error of classifiers on MNIST. Ours learn from 4,000 images and are tested on 1,000; the published ones had 60,000 and 10,000.

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier


def test_error(predicted):
    return f"{(torch.as_tensor(predicted) != unseen.y).float().mean():.1%}"


z, z_test = pca.encode(x), pca.encode(x_test)
by_class = [z[digits.y == c] for c in range(10)]
quadratic = GaussianMixture(torch.full((10,), 0.1), torch.stack([c.mean(0) for c in by_class]), torch.stack([c.T.cov() for c in by_class]))
flat, flat_test = x.flatten(1).numpy(), x_test.flatten(1).numpy()
table(
    [
        {"classifier": "naive Bayes, black and white", "ours": test_error(bayes.predict(ink_test.flatten(1).double())), "published": "–"},
        {
            "classifier": "linear",
            "ours": test_error(LogisticRegression(max_iter=200).fit(flat, digits.y).predict(flat_test)),
            "published": "12.0 %",
        },
        {
            "classifier": "3 nearest neighbours",
            "ours": test_error(KNeighborsClassifier(3).fit(flat, digits.y).predict(flat_test)),
            "published": "5.0 %",
        },
        {
            "classifier": "40 PCA codes, one Gaussian a class",
            "ours": test_error(quadratic.responsibilities(z_test).argmax(1)),
            "published": "3.3 %",
        },
    ]
)

# %% [markdown]
# Published: LeCun, Bottou, Bengio & Haffner 1998, *Gradient-based learning applied to document recognition* (doi:10.1109/5.726791), table of results. Theirs is a quadratic classifier on 40 principal components; a Gaussian for each class is one.
#
# > **What to notice.** The best of the four is generative: a latent space, and a density in it for each class. With a fifteenth of the data it is close to the published number.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · Check yourself
#
# <details><summary><b>1.</b> Why not smooth the joint table of 7×7 pieces, instead of giving it up?</summary>
#
# Smoothing treats all unseen images alike, and nearly all of them are noise. It does <i>not</i> matter how the constant is chosen: a table has no notion that one image resembles another.
# More data would help by a factor; the table grows by $2^{d}$.
# </details>
#
# <details><summary><b>2.</b> PCA with 784 components rebuilds every digit perfectly. Is it a good generative model then?</summary>
#
# No. Rebuilding says nothing about which codes are likely. <i>Not</i> because it is linear either: probabilistic PCA is linear and is a generative model, though a poor one. What is missing is a density of the codes.
# </details>
#
# <details><summary><b>3.</b> EM stops with two clouds on one cluster. The likelihood rose at every step. Is the code wrong?</summary>
#
# Not necessarily: EM promises a climb, <i>not</i> the summit. Start from other points and keep the best. The code would be wrong if the likelihood had <i>fallen</i>.
# </details>
#
# <details><summary><b>4.</b> A density model of images reports a log-likelihood of +900 nats on test data. Great?</summary>
#
# Ask about the pixels. A density can exceed 1, and on pixels stored as whole numbers it can be made as large as you like (section 6). Compare models only on data with the same noise added, or on discrete probabilities, which never exceed 1.
# </details>
#
# <details><summary><b>5.</b> Half of the pixels are missing in a <i>known</i> way: always the lower half. Does naive Bayes still have its advantage?</summary>
#
# Logistic regression could now be trained on the upper half alone, and would win. The advantage of the generative model is that it needs no new training for each pattern of holes.
# </details>
#
# <details><summary><b>6.</b> The middle of a straight path in a 512-dimensional latent space decodes to something dull. Is the decoder bad?</summary>
#
# The code is: it is too short. Its length is about $\sqrt{256}=16$, where nearly all samples have $\sqrt{512}\approx 22.6$. Try slerp before you blame the decoder.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16 · Summary, and when things go wrong
#
# - A table of every image is the ideal model. It grows like $2^d$ and generalises to nothing.
# - Data lie near a thin sheet. A latent space is a set of coordinates on it: flat (PCA), in pieces (mixtures), of shares (topics), of tastes (low rank).
# - To generate, you need codes *and* a density of codes.
# - A generative model can leave out what is missing. A discriminative one is better when nothing is.
# - Information is counted in nats, not in latents. Noise is what limits it.
#
# | you see | look at | cure |
# |---|---|---|
# | log-likelihood grows without end | a variance near 0, pixels stored as whole numbers | a floor on variances; dequantise |
# | EM gives NaN | densities of far points are 0 in floating point | log domain (`logsumexp`), a floor, fewer clouds |
# | EM ends badly | two clouds on one cluster | several starts; means from k-means |
# | PCA's first component is "all pixels" | the mean was not taken away | centre the data |
# | PCA follows one feature only | features in different units | scale each to variance 1 first |
# | low rank is perfect on seen entries, bad on new ones | rank too high for the data | lower rank, shrink singular values, more data |
# | eigenvectors "differ" from a library's | sign and order | compare up to sign; `eigh` sorts upwards |
# | PCA is slow in very many dimensions | the d × d covariance | `torch.pca_lowrank`, or the n × n matrix when n < d |
#
# **Cost.** PCA of 4,000 digits takes a tenth of a second: $O(nd^2+d^3)$. A step of EM costs $O(nKd^2)$. A decode is one product of matrices. All of it fits a laptop, and runs on a GPU as it is.
#
# **Care.** A table of ratings gives away more than films: low rank was used to find people again in "anonymous" ratings. Mean-filled pixels, averaged faces and topics with a majority's words all describe the majority; look at the error of each group.
#
# **Now you**: [exercise 01](../exercises/01_latent_spaces/01_latent_spaces.ipynb), 20 points.
#
# **Read on.** Tipping & Bishop, *Probabilistic principal component analysis* (doi:10.1111/1467-9868.00196) · Blei, Ng & Jordan, *Latent Dirichlet allocation* (jmlr.org/papers/v3/blei03a.html) ·
# Ng & Jordan, *On discriminative vs. generative classifiers* (NIPS 2001) · Richardson & Weiss, *On GANs and GMMs* (arXiv:1805.12462) · White, *Sampling generative networks*, slerp (arXiv:1609.04468) ·
# Narayanan & Shmatikov, on finding people in anonymous ratings (arXiv:cs/0610105) · Alemi et al., *Fixing a Broken ELBO*, rate and distortion of a VAE (arXiv:1711.00464)
