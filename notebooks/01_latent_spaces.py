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

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from course_lib import checkpoints, datasets, distributions, latent_spaces, metrics, training
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
# Cut the digits into pieces of $2\times2$ pixels. There are only $2^4=16$ such pieces. Count how often each occurs, and you have one probability for each possible image.
# No other model can give these pieces a higher likelihood.
#
# Each button is a pixel. Click it to say what you know: nothing (?), paper (0, drawn black) or ink (1, drawn white).
#
# **Predict first.** Say that the upper left pixel is ink. What becomes likelier for its neighbours, and for the pixel across the diagonal?

# %%
joint = JointTable.from_images(patches(ink, 2))
explorer = widgets.JointTableExplorer(joint)
for _ in range(2):
    explorer.turn(0)  # the upper left pixel: from ? to 0 to 1
explorer

# %% [markdown]
# > **What to notice.** Four pieces in five are empty paper, so with nothing known each pixel is ink with probability 0.13. One pixel of ink raises its two neighbours to 0.75, and the pixel across the diagonal to 0.60.
# > The row of completions is **in-painting**: the known pixels stay, the rest is drawn from the conditional.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
nothing, corner = torch.full((2, 2), -1), torch.tensor([[1, -1], [-1, -1]])
assert 0.75 < joint.p[0] < 0.85, "four pieces in five are empty"
assert all(round(p, 2) == 0.13 for p in joint.pixel_marginals(nothing).flatten().tolist())
given = joint.pixel_marginals(corner)
assert round(given[0, 1].item(), 2) == round(given[1, 0].item(), 2) == 0.75 and round(given[1, 1].item(), 2) == 0.60
assert torch.equal(explorer.known, corner), "the picture shows the answer"
assert (joint.complete(corner, 100)[:, 0, 0] == 1).all(), "the known pixel stays"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · The ideal model: a table of every image
#
# A data set is a sample from some distribution $p(x)$. With few pixels, $p$ fits in a table: one entry for each image $x=(x_1,\dots,x_4)$. The table answers every question:
#
# - *sampling*: draw an entry,
# - *likelihood*: look it up,
# - **conditionals**: keep the entries that agree with what is known, and divide by their sum,
#
# $$p(x_3,x_4\mid x_1,x_2)=\frac{p(x_1,x_2,x_3,x_4)}{\sum_{x_3',x_4'}p(x_1,x_2,x_3',x_4')} .$$

# %%
show_source(JointTable.conditional)

# %%
# test it: the formula by hand. Upper row known to be ink, ink
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
# The table of $D$ black-and-white pixels has $2^D$ entries. They add up to 1, so $2^D-1$ of them are free, and every one must be learned from data.
#
# **Predict first.** From 4,000 digits you get 64,000 pieces of $7\times7$ pixels. What share of the pieces of *new* digits has never been seen?

# %%
sides, entries, never_seen = [1, 2, 3, 4, 5, 6, 7], [], []
for side in sides:
    old, new = (patches(images, side).flatten(1).long() for images in (ink, ink_test))
    bit = 2 ** torch.arange(side * side)
    seen = set((old * bit).sum(1).tolist())
    entries.append(latent_spaces.table_size(side * side) + 1)  # the last follows from the sum, but stands in the table too
    strange = torch.tensor([code not in seen for code in (new * bit).sum(1).tolist()])
    never_seen.append(strange.float().mean().item())
    print(f"{side}×{side}: {entries[-1]:>19,} entries, {len(seen):>6,} of them seen, {never_seen[-1]:6.1%} of new pieces never seen")
print(f"28×28: the number of entries has {len(str(2**784))} digits. That of the atoms in the observable universe, about 10^80, has 81.")

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
axes[0].semilogy(sides, entries, marker="o")
axes[0].set(xlabel="side of the piece (pixels)", ylabel="entries of the table")
axes[1].plot(sides, 100 * np.array(never_seen), marker="o", color="C1")
axes[1].set(xlabel="side of the piece (pixels)", ylabel="new pieces never seen (%)")
plt.show()

# %% [markdown]
# > **What to notice.** The table grows like $2^{\text{side}^2}$; the data do not. At $7\times7$ nearly a quarter of the new pieces has probability 0 under the table. 97 % of the test digits hold at least one such piece, and their log-likelihood is $-\infty$.
# > Adding a little to every count (**smoothing**) removes the zeros. It spreads that little over more than $10^{14}$ images, nearly all of them noise.
#
# The table fails because it treats every image as a stranger to every other. All that follows shares something: between pixels, or between images.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert all(2 ** (n * n) == e for n, e in zip(sides, entries)) and entries[-1] > 10**14 and len(str(2**784)) == 237
assert len(patches(ink, 7)) == 64_000 and 0.22 < never_seen[-1] < 0.25 and never_seen == sorted(never_seen)
assert round(strange.view(len(ink_test), 16).any(1).float().mean().item(), 2) == 0.97, "these test digits hold a piece never seen"
# nearly all are noise: a random 7×7 image was never seen either, and changes its neighbour's colour twice as often as a piece of a digit
random_pieces, busy = torch.randint(2, (1000, 49)), patches(ink_test, 7).float()
assert not any(code in seen for code in (random_pieces * bit).sum(1).tolist())
changes = [(v.diff(dim=2) != 0).float().mean() for v in (random_pieces.view(-1, 7, 7), busy[busy.flatten(1).any(1)])]
assert changes[0] > 2 * changes[1]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · Digits are a thin sheet in a huge room
#
# An image of $28\times28$ pixels is a point in a room of 784 dimensions. The **manifold hypothesis** says that digits fill almost none of it. They lie near a curved sheet with few directions, such as slant, width and the size of a loop. (There may be several sheets: from a 1 to a 0 it is a jump.) The number of directions is the **intrinsic dimension**.
# Coordinates on that sheet are a **latent space**, and a latent is written $z$. From $x$ to $z$ is *inference* (encoding); from $z$ to $x$ is *generation* (decoding).
#
# Below, images are drawn at random in five ways: pixel by pixel, or as a random code that is decoded. The last row holds real digits for comparison. Each row has its Euclidean distance to the nearest of 4,000 training digits.
# This lecture explains the codes of PCA. The autoencoder and the **VAE** are networks that ship with the course and belong to lecture 02. Here they are black boxes with the same two functions, `encode` and `decode`.
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
# Nine images are few, so here are 200 of each kind, four times. A pixel counts as **grey** between 0.1 and 0.9. The codes of PCA and of the autoencoder are drawn from a Gaussian with the mean and the variances of the training digits' codes, those of the VAE from $\mathcal N(0,I)$.
# The last row is for fairness: new digits that went through the VAE, there and back. PCA learned from 4,000 digits, the networks from 59,000; none saw the new ones.

# %%
def through_vae(n, generator):
    return vae.decode(vae.encode(x_test[torch.randperm(1000, generator=generator)[:n]])).detach()


rows, spans = [], {}
for name, source in (sources | {"new digits, through the VAE": through_vae}).items():
    batches = [source(200, torch.Generator().manual_seed(seed)).clamp(0, 1) for seed in range(4)]
    spans[name] = torch.stack([manifold_distance(batch, x).median() for batch in batches])
    images = torch.cat(batches)
    soft = ((images > 0.1) & (images < 0.9)).float().mean().item()
    rows.append(
        {
            "drawn": name,
            "median distance, ± over draws": f"{spans[name].mean():.2f} ± {spans[name].std():.2f}",
            "grey pixels": f"{soft:.0%}",
        }
    )
table(rows)

# %% [markdown]
# > **What to notice.** Draw as often as you like: random pixels never come near a digit. Random codes do. Those of PCA and of the autoencoder lie about equally near, at 5.9, and yet look different:
# > PCA gives grey ghosts, the autoencoder clear strokes, now and then a digit.
# > The VAE's draws lie even nearer to the data than real new digits do. That is no victory: a soft, average picture is near to many. Blur the new digits, and they come nearer too. Send them through the VAE, and they lie nearer than its draws.
# > Distance alone does not measure quality, and lecture 07 says what does.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
far = {name: span.mean().item() for name, span in spans.items()}
grey = {row["drawn"]: int(row["grey pixels"][:-1]) for row in rows}
flat_codes, network_codes, vae_codes, fresh = (
    "random PCA codes (40)",
    "random autoencoder codes (16)",
    "random VAE codes (10)",
    "new digits, for comparison",
)
assert min(far["uniform pixels"], far["pixels with the right means"]) > 9 > 6.5 > max(far[flat_codes], far[network_codes])
assert all(abs(far[name] - 5.9) < 0.12 for name in (flat_codes, network_codes)), "PCA and autoencoder: equally near"
assert grey[flat_codes] > 1.5 * grey[network_codes] > 1.5 * grey[fresh], "ghosts are grey, strokes are not"
assert far[vae_codes] < far[fresh] - 2 * spans[fresh].std()
assert spans["new digits, through the VAE"].max() < spans[vae_codes].min() - 0.2, "compared like with like, the draws lie farther"
assert manifold_distance(torch.nn.functional.avg_pool2d(x_test, 3, 1, 1), x).median() < manifold_distance(x_test, x).median() - 0.3, (
    "blurred digits come nearer"
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · The flat sheet: principal components
#
# The simplest sheet is flat. Take the mean image $\bar x$ and $k$ directions $u_1,\dots,u_k$ of unit length, at right angles. The code is $z_j=u_j^\top(x-\bar x)$ and the picture from it is
#
# $$\hat x=\bar x+\sum_{j=1}^k z_j u_j .$$
#
# Which directions lose least? With one direction $u$ the mean squared error is, by Pythagoras, the whole variance less the variance along $u$: $\operatorname{tr}C-u^\top Cu$, where $C=\frac1N\sum_i(x_i-\bar x)(x_i-\bar x)^\top$ is the covariance.
# So make $u^\top Cu$ large while $u^\top u=1$. With a multiplier $\lambda$ the derivative vanishes where $2Cu-2\lambda u=0$, that is $Cu=\lambda u$: $u$ is an eigenvector, and catches the variance $u^\top Cu=\lambda$.
# The next direction must be at right angles to the first, and the same argument gives the next eigenvector. So we keep the $k$ eigenvectors with the largest eigenvalues, $\lambda_1\ge\lambda_2\ge\dots$ No other $k$ directions do better together: that is the theorem of Eckart and Young, which section 10 uses.
# Then $z_j$ has variance $\lambda_j$, and the error that remains is $\sum_{j>k}\lambda_j$. This is **principal component analysis**. Of faces, the directions are called **eigenfaces** (Turk & Pentland 1991).
#
# So let us look at faces, in colour: 16 × 16 pixels, 768 numbers. We drew them from parts, so every **factor** is known: skin, hair, glasses, the colour of the clothing, …
#
# **Predict first.** Of 768 components, how many keep half of the variance? Will one of them be the glasses?

# %%
show_source(PCA.__init__)
faces, new_faces = datasets.load("faces", "train"), datasets.load("faces", "test")
x_faces = datasets.to_float(faces.x[:5_000])
eigenfaces = PCA(x_faces, 100)
explorer = widgets.ComponentExplorer(eigenfaces, new_faces.x[:12])
explorer.components.value = 7
explorer

# %%
# test it: the error is the sum of the eigenvalues left out, and the directions are at right angles
error = (pca.reconstruct(x) - x).square().flatten(1).sum(1).mean()
print(f"error {error:.3f}   eigenvalues left out {pca.total_variance - pca.variances.sum():.3f}")
print(f"largest |uᵢ·uⱼ − 1[i = j]|: {(pca.components @ pca.components.T - torch.eye(40)).abs().max():.0e}")
keeps = {
    name: {share: int((PCA(images, 400).explained < share).sum()) + 1 for share in (0.5, 0.8, 0.95)}
    for name, images in (("faces", x_faces), ("digits", x))
}
for name, needed in keeps.items():
    print(f"{name}: components needed", ", ".join(f"{k} for {share:.0%}" for share, k in needed.items()))
# which factor does a component follow? The share of a code's variance that lies between the values of a factor
codes = eigenfaces.encode(x_faces)
follows = []
for j in range(12):
    between = {}
    for name, y in zip(faces.factors, faces.y[:5_000].T):
        means = torch.stack(
            [codes[y == value, j].mean() if (y == value).any() else torch.tensor(0.0) for value in range(faces.factors[name])]
        )
        between[name] = (means[y].var() / codes[:, j].var()).item()
    follows.append(dict(sorted(between.items(), key=lambda item: -item[1])))
changed = {}
for name in ("clothing_colour", "glasses", "background"):  # 1,000 faces, each with another's value of one factor
    y, column = faces.y[:1_000].clone(), list(faces.factors).index(name)
    y[:, column] = faces.y[1_000:2_000, column]
    apart = (datasets.to_float(datasets.faces.draw(y)) - x_faces[:1_000]).square().sum(1)
    changed[name] = (apart > 0).float().sum((1, 2)).mean().item(), apart.sum((1, 2)).mean().item()
    print("another {}: {:.0f} of 256 pixels change, squared change {:.1f} in sum".format(name, *changed[name]))
table(
    [
        {"component": str(j + 1), "follows most": ", ".join(f"{name} {share:.2f}" for name, share in list(line.items())[:3])}
        for j, line in enumerate(follows)
    ]
)

# %% [markdown]
# > **What to notice.** Seven components keep half of the variance of faces, 28 keep four fifths; digits need 11 and 43.
# > Components are not factors. The first follows hair, skin and the colour of the hair at once, and no one of them for more than two fifths. Of the first twelve, the third comes closest to a factor: seven tenths of it is the colour of the clothing. Glasses have to wait for the twelfth, and then half of it is theirs. Variance counts how many pixels change and how much, not what they mean: another background changes 77 pixels, and still less in sum than other glasses do in 18.
# > Move one of the first four by two deviations, and more than 180 of 256 pixels change visibly. And a flat sheet cannot swap a part: the picture halfway between two codes is the mean of the two pictures, one faded into the other.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert keeps["faces"][0.5] == explorer.components.value == 7 and keeps["faces"][0.8] == 28
assert keeps["digits"][0.5] == 11 and keeps["digits"][0.8] == 43
assert set(list(follows[0])[:3]) == {"hair", "skin", "hair_colour"} and max(follows[0].values()) < 0.4
closest = [max(line.values()) for line in follows]
assert np.argmax(closest) == 2 and abs(follows[2]["clothing_colour"] - 0.7) < 0.06 and len(follows) == 12
assert next(iter(follows[11])) == "glasses" and abs(follows[11]["glasses"] - 0.5) < 0.06
assert all(line["glasses"] < 0.25 for line in follows[:11])
assert abs(changed["background"][0] - 77) < 3 and abs(changed["glasses"][0] - 18) < 2
assert changed["background"][1] < 0.8 * changed["glasses"][1] < changed["clothing_colour"][1]
pushed = 2 * eigenfaces.variances[:4].sqrt()[:, None] * eigenfaces.components[:4]
assert ((255 * pushed.view(4, 3, 256).abs().amax(1) > 10).sum(1) > 180).all()  # visibly: by more than 10 of 255 levels
z_a, z_b = eigenfaces.encode(x_faces[[0]]), eigenfaces.encode(x_faces[[1]])
assert torch.allclose(eigenfaces.decode((z_a + z_b) / 2), (eigenfaces.decode(z_a) + eigenfaces.decode(z_b)) / 2, atol=1e-5)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · A sheet with a density: probabilistic PCA
#
# PCA is no generative model yet: it has no $p(x)$. Give the code a prior, and the picture some noise:
#
# $$z\sim\mathcal N(0,I_k),\qquad x\mid z\sim\mathcal N(Wz+\bar x,\;\sigma^2I)\quad\Longrightarrow\quad x\sim\mathcal N(\bar x,\;WW^\top+\sigma^2I).$$
#
# The last step: $x$ is a sum of independent Gaussians, so it is Gaussian, and their covariances add up: $W\,I\,W^\top$ from the code, $\sigma^2I$ from the noise.
#
# Maximum likelihood has a closed form. Let $U$ hold the $k$ eigenvectors, one a column, and the diagonal matrix $\Lambda$ their eigenvalues. Then $W=U(\Lambda-\sigma^2I)^{1/2}$, and $\sigma^2$ is the mean of the eigenvalues left out.
# $W$ is unique only up to a rotation of the code: $WR$ with $RR^\top=I$ has the same $WW^\top$, so the likelihood cannot tell them apart.
# Along a kept direction the variance is then $(\lambda_j-\sigma^2)+\sigma^2=\lambda_j$, as in the data. **Factor analysis** is the same with one noise variance for each pixel.
#
# This is the small brother of the VAE: prior, decoder, noise. Here the likelihood is exact, and so is the posterior, which is the encoder:
#
# $$z\mid x\sim\mathcal N\big(M^{-1}W^\top(x-\bar x),\;\sigma^2M^{-1}\big),\qquad M=W^\top W+\sigma^2I.$$
#
# Its mean is the code of PCA, each $z_j$ times $\sqrt{\lambda_j-\sigma^2}/\lambda_j$: the noise shrinks it.

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
by_formula = torch.linalg.solve(w.T @ w + model.noise_variance * torch.eye(10), w.T @ (smooth_test - model.mean).T).T
print(f"mean of p(z | x): largest difference from the formula {(model.encode(smooth_test) - by_formula).abs().max():.0e}")

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
# > The test of that: keep only the 40 busiest of the 64 pixels. At 8 latents the lead shrinks from 27 nats to one, and probabilistic PCA with 16 latents is ahead of both.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
score = {name: dict(zip(sizes, values)) for name, values in lines.items()}
factors, principal = score["factor analysis, test"], score["probabilistic PCA, test"]
assert factors[8] > principal[32] + 4 and 26 < factors[8] - principal[8] < 29 and round(factors[8] - principal[8]) == 27
assert smooth.shape[1] == 64
busiest = smooth.var(0).argsort(descending=True)[:40]
quiet_gone = smooth[:, busiest], smooth_test[:, busiest]
lead = FactorAnalysis(8).fit(quiet_gone[0].numpy()).score(quiet_gone[1].numpy())
assert 0.5 < lead - ProbabilisticPCA(quiet_gone[0], 8).log_prob(quiet_gone[1]).mean() < 1.5
assert ProbabilisticPCA(quiet_gone[0], 16).log_prob(quiet_gone[1]).mean() > lead + 1

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · Break it: a density that goes through the roof
#
# Pixels are whole numbers: 17 grey levels here. A density may put a spike on each level. A pixel that is always 0 is worse: its variance is 0, and the density there has no bound.
#
# **Predict first.** What happens to the test log-likelihood of factor analysis when we leave out the small random numbers added above?

# %%
varying = small.std(0) > 0
print(f"{(~varying).sum()} of 64 pixels have one value in every training image")
scores = {}
stored, stored_test = small * 16 / 17, small_test * 16 / 17  # the units of `smooth`: from one level to the next 1/17
for name, train, test in (("stored pixels", stored, stored_test), ("pixels + noise", smooth, smooth_test)):
    for which, kept in (("all pixels", varying | True), ("without those", varying)):
        fitted = FactorAnalysis(8).fit(train[:, kept].numpy())
        scores[name, which] = fitted.score(test[:, kept].numpy())
        print(
            f"{name:14} {which:13}  smallest noise variance {fitted.noise_variance_.min():.0e}   test log-likelihood {scores[name, which]:.1f} nats"
        )

# %% [markdown]
# > **What to notice.** Stored pixels seem to gain 45 nats, and two thirds of that, 31 nats, come from three pixels that never change. Each scores 13 nats, only because the library stops at a variance of $10^{-12}$; with noise it scores less than 3.
# > Nearly all the rest comes from seven pixels that have one value in at least 99 of 100 images. Nothing about digits was learned.
#
# The cure is **dequantisation**: add to each pixel a uniform number $u$ as wide as one grey level, $w=\frac1{17}$ here. A level $\ell$ then stands for an interval, and the density gives it the probability $P(\ell)=\int_0^w p(\ell+u)\,du$.
# With Jensen's inequality,
#
# $$\log P(\ell)=\log\big(w\,\mathbb E_u[p(\ell+u)]\big)\ge\log w+\mathbb E_u\big[\log p(\ell+u)\big].$$
#
# The right side is the score on noisy pixels, and a constant. The left side is the log of a probability, at most 0. So no spike can pay any more: the score is bounded by $-\log w$ a pixel, and no density beats the best table of levels.
# Lecture 04 depends on it, and shows a better way to draw $u$.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
gain = {which: scores["stored pixels", which] - scores["pixels + noise", which] for which in ("all pixels", "without those")}
three = gain["all pixels"] - gain["without those"]
assert (~varying).sum() == 3 and round(gain["all pixels"]) == 45 and round(three) == 31 and 0.64 < three / gain["all pixels"] < 0.72
each = {name: (scores[name, "all pixels"] - scores[name, "without those"]) / 3 for name in ("stored pixels", "pixels + noise")}
assert round(each["stored pixels"]) == 13 == round(-0.5 * math.log(2 * math.pi * 1e-12)) and each["pixels + noise"] < 3
lively = (small == small.mode(0).values).float().mean(0) < 99 / 100
assert (varying & ~lively).sum() == 7
tests = (stored[:, lively], stored_test[:, lively]), (smooth[:, lively], smooth_test[:, lively])
without_noise, with_noise = (FactorAnalysis(8).fit(train.numpy()).score(test.numpy()) for train, test in tests)
assert 0 < without_noise - with_noise < 0.15 * gain["without those"], "without the seven, little of the rest is left"
# dequantised: the bound for each pixel is −log w, and the fitted Gaussians stay below it. It is Jensen, on one Gaussian and one level
assert scores["pixels + noise", "all pixels"] < 64 * math.log(17)
spike, u = torch.distributions.Normal(0.02, 0.01), torch.linspace(0, 1 / 17, 10001)
assert spike.log_prob(u).mean() + math.log(1 / 17) < (spike.cdf(u[-1]) - spike.cdf(u[0])).log() < 0

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · A latent that is a choice: mixtures and EM
#
# Let the latent be one of $K$ clouds, $p(x)=\sum_k\pi_k\,\mathcal N(x;\mu_k,\Sigma_k)$. If we knew the cloud of each point, the fit would be easy. If we knew the clouds, so would the memberships. **Expectation–maximisation** (EM) goes back and forth:
#
# - **E step**, inference: $r_{ik}=p(k\mid x_i)\propto\pi_k\,\mathcal N(x_i;\mu_k,\Sigma_k)$, the **responsibility** of cloud $k$ for point $i$,
# - **M step**: weights, means and covariances, in which point $i$ is weighted by $r_{ik}$. With $N_k=\sum_ir_{ik}$,
#
# $$\pi_k=\frac{N_k}N,\qquad\mu_k=\frac1{N_k}\sum_ir_{ik}\,x_i,\qquad\Sigma_k=\frac1{N_k}\sum_ir_{ik}\,(x_i-\mu_k)(x_i-\mu_k)^\top .$$
#
# Why does it climb? For any distribution $q$ over the clouds, Jensen's inequality gives
#
# $$\log p(x)=\log\sum_kq(k)\,\frac{p(x,k)}{q(k)}\;\ge\;\sum_kq(k)\log\frac{p(x,k)}{q(k)},\quad\text{with equality for }q(k)=p(k\mid x).$$
#
# Call the right side, summed over the points, $B(q,\theta)$, where $\theta$ holds the weights, means and covariances. The E step takes the $q$ with equality. The M step keeps this $q$ and takes the $\theta'$ that makes $B$ largest; set the derivatives to 0, and the three formulas come out. So
#
# $$\sum_i\log p_{\theta'}(x_i)\;\ge\;B(q,\theta')\;\ge\;B(q,\theta)\;=\;\sum_i\log p_\theta(x_i).$$
#
# The VAE of lecture 02 climbs the same bound, the **ELBO**.
#
# A case with a known answer: one pixel of the neck of 900 faces, with Gaussian noise in each channel, of a standard deviation of two grey levels. The faces were drawn with eight colours of skin. EM sees the 900 colours and the number 8.
#
# **Predict first.** It begins with eight clouds that all look alike. Will it find the eight colours?

# %%
show_source(GaussianMixture.log_joint)
show_source(GaussianMixture.responsibilities)
show_source(GaussianMixture.em_step)

# %%
skins = torch.tensor(list(datasets.faces.COLOURS["skin"].values())).double()  # (8, 3) of 255 levels; narrow clouds need the digits
pixel = faces.x[:, :, 13, 6]  # on the neck
seen = (pixel == skins[faces.y[:, 0]]).all(1).nonzero()[:900, 0]  # where nothing hides it
skin, noise = faces.y[seen, 0], 2 * torch.randn(900, 3, generator=torch.Generator().manual_seed(0))
points = (pixel[seen] + noise).double() / 10  # in tens of levels
view = torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, -1.0]]).double()  # what is drawn: how light a colour is, and how warm


def draw_mixture(axis, mixture, points, title):
    """Every point in its own colour, each cloud as the ellipse of two deviations."""
    axis.scatter(*(view @ points.T), c=(points / 25.5).clamp(0, 1).numpy(), s=5)
    angle = torch.linspace(0, 2 * math.pi, 80).double()
    circle = 2 * torch.stack([angle.cos(), angle.sin()])
    for mean, covariance in zip(mixture.means, mixture.covariances):
        root = torch.linalg.cholesky(view @ covariance @ view.T)
        axis.plot(*((view @ mean)[:, None] + root @ circle), color="black", linewidth=0.9)
    axis.set(title=title, xlim=(14, 47), ylim=(7, 12), xticks=[], yticks=[])


figure, axes = plt.subplots(2, 4, figsize=(9, 4.9), layout="constrained")
for row, seed in zip(axes, (2, 19)):
    row[0].set_ylabel(f"start {seed}\nred − blue, stretched")
    mixture = latent_spaces.start_mixture(points, 8, seed)
    history = [mixture.log_prob(points).mean().item()]
    for step in range(151):
        if step in (0, 5, 20, 150):
            draw_mixture(row[(0, 5, 20, 150).index(step)], mixture, points, f"step {step}: {history[-1]:.2f}")
        mixture = mixture.em_step(points)
        history.append(mixture.log_prob(points).mean().item())
    print(
        f"start {seed}: log-likelihood never falls: {all(b >= a - 1e-4 for a, b in zip(history, history[1:]))}; from {history[0]:.2f} to {history[-1]:.2f} nats"
    )
for axis in axes[1]:
    axis.set_xlabel("red + blue")
plt.show()
runs = [latent_spaces.fit_mixture(points, 8, steps=150, seed=seed, tolerance=0.0) for seed in range(20)]
final = torch.tensor([history[-1] for _, history in runs])
print(
    f"20 starts: {final.mean():.2f} ± {final.std():.2f} nats, the best {final.max():.2f}, reached by {(final > final.max() - 0.01).sum()} of them"
)
found = runs[int(final.argmax())][0].means
off = 10 * (found[torch.cdist(skins / 10, found).argmin(1)] - skins / 10).abs()
print(f"the best clouds and the eight skins differ by at most {off.max():.1f} of 255 levels")

# %% [markdown]
# > **What to notice.** Both runs climb at every step, and they end at different places. Start 19 finds the eight skins, each to half a grey level; nobody told it a single one. Let EM start from the true colours, and it ends as high. Start 2 no longer moves, and is lower: two clouds cover two skins each, two others share one, and the long thin cloud holds a few stray points. EM finds a **local optimum**. Of 20 starts only a few find the best one. Start several times, keep the best.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert all(after >= before - 1e-4 for seed in (2, 19) for history in runs[seed][1:] for before, after in zip(history, history[1:]))


def shared(mixture):
    """[skin, cloud]: whether the cloud owns more than 2 % of the points of the skin."""
    owner = mixture.responsibilities(points).argmax(1)
    counts = torch.zeros(8, 8).index_put_((skin, owner), torch.tensor(1.0), accumulate=True)
    return counts > 0.02 * counts.sum(1, keepdim=True)


by_skin = {seed: shared(runs[seed][0]) for seed in (2, 19)}
clouds, covered = by_skin[2].sum(1), by_skin[2].sum(0)
assert (covered == 2).sum() == 2 and (clouds == 2).sum() == 1 and covered.max() == 2, "two cover two skins each, two others share one"
assert runs[2][0].responsibilities(points).sum(0).min() < 10, "a few stray points"
assert runs[2][1][-1] - runs[2][1][-11] < 1e-3, "start 2 no longer moves"
from_truth = GaussianMixture(torch.ones(8).double() / 8, skins / 10, 0.04 * torch.eye(3).double().expand(8, 3, 3))
for _ in range(50):
    from_truth = from_truth.em_step(points)
assert abs(from_truth.log_prob(points).mean() - final[19]) < 0.01
assert (by_skin[19].sum(0) == 1).all() and (by_skin[19].sum(1) == 1).all(), "one cloud for each skin"
assert final.argmax() in (15, 19) and final[19] > final.max() - 0.01 and off.max() < 0.5 and len(points) == 900
assert 1 <= (final > final.max() - 0.01).sum() <= 5 and final.max() > final[2] + 0.1 and len(runs) == 20

# %% [markdown]
# **Break it.** Make one cloud narrow, and let EM run. Nothing stops it from shrinking onto a single point when `floor`, which is added to every variance, is 0.

# %%
few_points = points[:20].double()
wide = GaussianMixture(torch.ones(1).double(), few_points.mean(0, keepdim=True), few_points.T.cov()[None])
print(f"one wide cloud for 20 points: mean log-likelihood {wide.log_prob(few_points).mean():.2f} nats")
shapes = torch.stack([wide.covariances[0], 0.01 * torch.eye(3).double()])  # the second sits on the first point, 0.1 wide
start = GaussianMixture(torch.tensor([0.95, 0.05]).double(), torch.stack([wide.means[0], few_points[0]]), shapes)
broken, kept_up = [], []
for floor, told in ((0.0, broken), (1e-6, kept_up)):
    mixture = start
    try:
        for step in range(6):
            told.append(mixture.log_prob(few_points).mean().item())
            print(f"floor {floor:.0e}, step {step}: {told[-1]:.2f} nats, smallest variance {mixture.covariances[1].diagonal().min():.0e}")
            mixture = mixture.em_step(few_points, floor=floor)
    except torch.linalg.LinAlgError:
        print("     the covariance has become singular: its Cholesky root does not exist, and EM ends here")
# the likelihood of a spike on one point, as it gets narrower
widths = (1e-1, 1e-3, 1e-6, 1e-9, 1e-12)
spikes = [GaussianMixture(start.weights, start.means, torch.stack([shapes[0], w**2 * torch.eye(3).double()])) for w in widths]
heights = [spiked.log_prob(few_points).mean().item() for spiked in spikes]
print("spike as wide as", ", ".join(f"{w:.0e}: {h:.2f} nats" for w, h in zip(widths, heights)))

# %% [markdown]
# > **What to notice.** Without a floor the cloud is a point after two steps, and the code stops. The narrower the spike, the higher the likelihood, without end: each time the width shrinks to a tenth, this adds $\frac{3\log10}{20}\approx0.35$ nats to the mean over 20 points.
# > It is the same trouble as in section 6: maximum likelihood of a density is only safe when no width may go to 0. `floor` sees to that.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert len(broken) == 2 < 6 <= len(kept_up), "with floor 0 EM breaks down, with a floor it runs on"
assert heights == sorted(heights) and round(3 * math.log(10) / 20, 2) == 0.35
assert all(
    abs((b - a) / math.log10(v / w) - 0.35) < 0.01 for (a, b), (v, w) in zip(zip(heights[1:], heights[2:]), zip(widths[1:], widths[2:]))
)

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
mixtures = {k: [latent_spaces.fit_mixture(z, k, steps=15, seed=seed)[0] for seed in range(3 if k > 1 else 1)] for k in counts}
scores = {k: torch.tensor([[m.log_prob(v).mean() for v in (z, z_test)] for m in of_k]) for k, of_k in mixtures.items()}  # (starts, 2)
curves(
    {name: (counts, [scores[k][:, column].mean().item() for k in counts]) for column, name in enumerate(("train", "test"))},
    *("clouds K", "log-likelihood of the codes (nats)"),
    markers=True,
)
for k in (10, 20, 40):
    print(
        f"K = {k}, {len(scores[k])} starts: train {scores[k][:, 0].mean():.1f} ± {scores[k][:, 0].std():.1f}   test {scores[k][:, 1].mean():.1f} ± {scores[k][:, 1].std():.1f}"
    )

# %%
generator = torch.Generator().manual_seed(1)
drawn = {k: few.decode(mixtures[k][0].sample(500, generator)[0]).clamp(0, 1) for k in (1, 10, 40)}
largest = mixtures[40][0].weights.argsort(descending=True)[:10]
best = few.decode(mixtures[40][0].means[largest]).clamp(0, 1)
show_images(
    torch.cat([best, *(v[:10] for v in drawn.values())]), columns=10, row_labels=["10 means of K = 40", *(f"drawn, K = {k}" for k in drawn)]
)
reach = {k: manifold_distance(v, x).median().item() for k, v in drawn.items()}
sure = {k: (metrics.digit_probabilities(v).max(1).values > 0.9).float().mean().item() for k, v in drawn.items()}
print("median distance of 500 draws to the nearest digit:", ", ".join(f"K = {k}: {v:.2f}" for k, v in reach.items()))
print(
    "draws to which the digit network of lecture 07 gives one digit with more than 0.9:",
    ", ".join(f"K = {k}: {v:.0%}" for k, v in sure.items()),
)

# %% [markdown]
# > **What to notice.** Look at the last row: from 40 clouds many draws can be read, from 20 numbers and without a network. They lie nearer to real digits than those of one Gaussian.
# > The digit network is sure of seven in ten. But it is sure of nearly as many of the ghosts: its answer alone does not measure quality either.
# > But the two curves part, and from 20 clouds to 40 new digits lose: each cloud of 20 dimensions has 210 numbers for its covariance alone, and 40 clouds leave it a hundred digits to learn them from.
# > Take half of the digits away, and the test score of 40 clouds falls at least three times as far as that of 10.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
train_score, test_score = ([scores[k][:, column].mean().item() for k in counts] for column in (0, 1))
assert reach[40] < reach[1] - 0.5 and 0.6 < sure[1] < sure[40] < 0.75 and train_score == sorted(train_score)
assert scores[20][:, 1].min() > scores[40][:, 1].max(), "from 20 to 40 clouds the test score falls, whichever the start"
assert 20 * 21 // 2 == 210 > len(z) / 40 == 100
part = torch.randperm(len(z), generator=torch.Generator().manual_seed(0))[: len(z) // 2]
loss = {
    k: test_score[counts.index(k)] - latent_spaces.fit_mixture(z[part], k, steps=15)[0].log_prob(z_test).mean().item() for k in (10, 40)
}
assert loss[40] > 3 * loss[10] > 0

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · Latents of a text: topics
#
# Take a document as a **bag of words**: how often each word occurs, and nothing else. **Latent Dirichlet allocation** (LDA) gives each document a mixture of topics, and each topic a distribution over words:
#
# $$z\sim\text{Dirichlet}(\alpha),\qquad p(\text{word}\mid z)=\sum_k z_k\,p(\text{word}\mid k).$$
#
# The latent is again a short vector, here of shares that add up to 1. The **Dirichlet** is a distribution over such vectors; a small $\alpha$ prefers documents with few topics. scikit-learn fits the topics by **variational inference**: it climbs a bound like that of section 7.
# The texts are the pages that Python's `help()` prints; they come with Python.
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
# > **What to notice.** Strings, classes and their instances, functions, exceptions: nobody named these, and each has its own topic and its pages. Not every topic is that clear, and another Python has slightly other pages.
# > A text drawn from a topic has the right words and no grammar: the bag has forgotten the order. Lecture 05 gives it back.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
vocabulary = list(counter.get_feature_names_out())
leads = [max(range(6), key=lambda k: topic_words[k, vocabulary.index(word)]) for word in ("string", "instance", "function", "exception")]
assert len(set(leads)) == 4, "four subjects, four topics"
assert all(
    topic_words[k].argsort()[::-1].tolist().index(vocabulary.index(word)) < 6
    for k, word in zip(leads, ("string", "instance", "function", "exception"))
)
backwards = counter.transform([" ".join(reversed(text.split())) for text in texts.values()])
assert abs(lda.transform(backwards) - shares).max() < 1e-6, "the order of the words makes no difference"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · A table with holes: low rank
#
# 300 made-up people have rated a quarter of 24 made-up films. If taste has few latents, the full table is nearly a product: $R\approx UV^\top$, with $k$ numbers for each person and for each film. This is **matrix factorisation**, and filling the holes is **matrix completion**.
# The best approximation of rank $k$ in squared error keeps the $k$ largest singular values (**truncated SVD**; Eckart and Young 1936). It needs a full table, so we alternate: fill the holes, cut the rank, fill again (**hard-impute**).
# PCA is the same thing: if the centred data, one a row, are $USV^\top$, then $C=\frac1NVS^2V^\top$. The directions are the columns of $V$, and $\lambda_j=s_j^2/N$.
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


def of_the_means(films):
    return ((films.values * films.seen).sum(0) / films.seen.sum(0)).expand_as(films.values)


lines = {"ratings seen": [rms(t, films.seen) for t in filled.values()], "held out": [rms(t, films.held_out) for t in filled.values()]}
lines["held out, film's mean"] = [rms(of_the_means(films), films.held_out)] * len(ranks)
curves({name: (ranks, values) for name, values in lines.items()}, "rank k", "error (stars, root mean square)", markers=True)

# five more tables, made in the same way
errors = torch.tensor(
    [
        [(latent_spaces.complete_ratings(t.values, t.seen, k) - t.values)[t.held_out].square().mean().sqrt() for k in range(1, 7)]
        for t in map(lambda seed: datasets.ratings(seed=seed), range(1, 6))
    ]
)
print("held out, five other tables:", ", ".join(f"rank {k}: {e.mean():.2f} ± {e.std():.2f}" for k, e in enumerate(errors.T, 1)))

# %%
# the films' latents, from the table filled at rank 3. The first has one sign for all films (who likes films, and how much), so we look at the other two
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
# > **What to notice.** The error on what was seen falls with every rank; on what was held out it is smallest at rank 3, the number of latents that made the table, and that holds for five other tables too. From rank 6 on, the method is no better than each film's mean, give or take 0.05 stars.
# > The films of one genre lie together, and those of two genres between them. The method never saw a genre.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert lines["ratings seen"] == sorted(lines["ratings seen"], reverse=True)
assert min(ranks, key=lambda k: lines["held out"][k - 1]) == 3 and (errors.argmin(1) == 2).all() and len(errors) == 5
assert all(abs(error - lines["held out, film's mean"][0]) < 0.05 for error in lines["held out"][5:])
films_at = v[1:3].T
centres = torch.stack([films_at[6 * g : 6 * g + 6].mean(0) for g in range(3)])
assert torch.equal(torch.cdist(films_at[:18], centres).argmin(1), torch.arange(18) // 6), (
    "each of 18 films is nearest to its own genre's middle"
)
farthest = torch.cdist(films_at[18:], centres).argmax(1).tolist()
assert farthest == [2, 0, 1, 1, 0, 2], "a film of two genres is farthest from the third"
assert (v[0] * v[0, 0] > 0).all(), "the first latent: the same sign for every film"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · Generative or discriminative, when pixels go missing
#
# **Logistic regression** learns $p(y\mid x)$ and nothing about $x$. **Naive Bayes** learns $p(y)$ and $p(x\mid y)=\prod_d p(x_d\mid y)$, as if pixels were independent within a class. They are not, so with enough images it is the worse classifier of whole images.
# But it is a model of $x$. A pixel that is missing is **marginalised**, summed out: $\sum_{x_d}p(x_d\mid y)=1$, so its factor just disappears. Logistic regression has no such rule; we put in the training mean (**mean imputation**).
#
# $p(x_d=1\mid y)$ is a share of counts, and to each count a little is added, or one strange pixel would forbid a class. The textbook's little is 1 (**Laplace smoothing**). With two images of a class that is a strong opinion: a pixel that was never ink gets probability $\frac14$. We add 0.1, and compare.
#
# **Predict first.** Half of the pixels of every test digit are gone. Who loses more? And who is ahead with all pixels and only 20 training images?

# %%
show_source(latent_spaces.NaiveBayes.log_joint)
SIZES, SHARES = (10, 20, 50, 100, 200, 500, 1000, 4000), (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
split = (ink.flatten(1), digits.y), (ink_test.flatten(1), unseen.y)
draws = [latent_spaces.compare_classifiers(*split, SIZES[:-1], SHARES, seed=seed) for seed in range(5)]
whole = latent_spaces.compare_classifiers(*split, SIZES[-1:], SHARES)  # all 4,000 images: nothing to draw but the holes
names = ("naive Bayes", "logistic regression")
accuracy = {name: torch.stack([torch.cat([draw[name], whole[name]]) for draw in draws]) for name in names}  # (draws, sizes, shares)
missing = widgets.MissingExplorer({"sizes": SIZES, "shares": SHARES, **{name: values.mean(0) for name, values in accuracy.items()}})
missing  # the mean of five draws of training images and of holes

# %%
# all pixels: naive Bayes with two smoothings against logistic regression, ± over the five draws
orders = [torch.randperm(4000, generator=torch.Generator().manual_seed(seed)) for seed in range(5)]  # the draws' own


def with_smoothing(amount, chosen):
    model = latent_spaces.NaiveBayes(split[0][0][chosen], digits.y[chosen], 10, amount)
    return (model.predict(split[1][0]) == unseen.y).float().mean()


textbook = torch.stack([torch.stack([with_smoothing(1.0, order[:n]) for n in SIZES]) for order in orders])
columns = {"naive Bayes, smoothing 1": textbook, "smoothing 0.1": accuracy["naive Bayes"][:, :, 0]}
columns["logistic regression"] = accuracy["logistic regression"][:, :, 0]
table(
    [
        {"images": f"{n:,}", **{name: f"{v[:, i].mean():.3f} ± {v[:, i].std():.3f}" for name, v in columns.items()}}
        for i, n in enumerate(SIZES)
    ]
)

# %%
# test it: leaving a factor out equals summing over the pixel's two values
bayes = latent_spaces.NaiveBayes(ink.flatten(1).double(), digits.y, 10, smoothing=0.1)
image, present = ink_test[:1].flatten(1).double(), torch.ones(1, 784, dtype=torch.bool)
present[0, 400] = False
both = image.repeat(2, 1)
both[:, 400] = torch.tensor([0.0, 1.0])
print(f"left out {bayes.log_joint(image, present)[0, 3]:.6f}   summed out {bayes.log_joint(both).logsumexp(0)[3]:.6f}")
torch.manual_seed(0)
show_images(bayes.sample(torch.arange(10)).float().view(10, 1, 28, 28), columns=10, row_labels=["drawn, 0 to 9"])

# %% [markdown]
# > **What to notice.** With all pixels and up to 200 images the two are level. Naive Bayes is ahead by one or two points with 20 to 100, and a weaker penalty on the weights of logistic regression makes up for that.
# > With 4,000 images logistic regression wins, 87 % to 84 %. The wrong guess, independent pixels, costs little while data are few, and sets the limit when they are many. Ng & Jordan often saw the generative model lead at first, then fall behind. Here only the second half is clear.
# > A prior counts as part of the guess: with the textbook's smoothing of 1, naive Bayes loses at every size.
# >
# > With half of the pixels missing naive Bayes loses a few points, logistic regression many, and naive Bayes is ahead at every size. With 4,000 images and 90 % of the pixels gone it still names seven digits in ten; logistic regression two.
# > Move the size with 70 % missing: logistic regression stays about the same from 100 images to 1,000, and is *worse* with 4,000. From many images it learns large weights of both signs, which must cancel; the mean does not imitate that.
# > The test of it: a penalty 1,000 times as strong keeps the weights small. On one draw of such holes 73 % are then right, in place of 49 %. It costs three points on whole images.
# > Trained on images with the same share of holes, it is good again, though not as good as naive Bayes. That takes a new training for each kind of hole.
# > The samples of naive Bayes are dust in the shape of a digit: each pixel is drawn on its own. The independence that makes it robust makes it a bad painter.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
at = {n: i for i, n in enumerate(SIZES)}
generative, discriminative = accuracy["naive Bayes"].mean(0), accuracy["logistic regression"].mean(0)
lead = (generative - discriminative)[:, 0]
assert all(0 < lead[at[n]] < 0.03 for n in (20, 50, 100)) and abs(lead[at[200]]) < 0.02 and lead[at[4000]] < -0.02
assert round(discriminative[-1, 0].item(), 2) in (0.87, 0.88) and round(generative[-1, 0].item(), 2) == 0.84
assert (textbook.mean(0) < discriminative[:, 0]).all(), "with smoothing 1 naive Bayes loses at every size"
weaker = torch.zeros(5, 3)
for i, order in enumerate(orders):
    for j, n in enumerate((20, 50, 100)):
        fitted = LogisticRegression(C=100, max_iter=300).fit(ink.flatten(1)[order[:n]].numpy(), digits.y[order[:n]].numpy())
        weaker[i, j] = fitted.score(split[1][0].numpy(), unseen.y.numpy())
assert ((weaker.mean(0) - generative[[at[20], at[50], at[100]], 0]).abs() < 0.025).all(), "a weaker penalty: level"
half, most, nearly_all = SHARES.index(0.5), SHARES.index(0.7), SHARES.index(0.9)
assert (generative[:, half] > discriminative[:, half]).all() and generative[at[200] :, 0].sub(generative[at[200] :, half]).max() < 0.04
assert discriminative[at[200] :, 0].sub(discriminative[at[200] :, half]).min() > 0.05
assert 0.65 < generative[-1, nearly_all] < 0.75 and 0.17 < discriminative[-1, nearly_all] < 0.26
plateau = discriminative[at[100] : at[1_000] + 1, most]
assert plateau.max() - plateau.min() < 0.07 and discriminative[-1, most] < plateau.min() - 0.03
# the cause: with small weights far less is lost
careful = LogisticRegression(C=1 / 1_000, max_iter=300).fit(split[0][0].numpy(), digits.y.numpy())
usual = LogisticRegression(max_iter=300).fit(split[0][0].numpy(), digits.y.numpy())
assert abs(careful.coef_).max() < 0.2 * abs(usual.coef_).max() and min(usual.coef_.max(), -usual.coef_.min()) > 0.5
# the cause: trained on images with the same share of holes, logistic regression with 4,000 images is good again
pixels, holes = ink.flatten(1), torch.rand(2, 4000, 784, generator=torch.Generator().manual_seed(0)) < SHARES[most]
filled_train, filled_test = (torch.where(h[: len(v)], pixels.mean(0), v) for h, v in zip(holes, (pixels, split[1][0])))
used_to_holes = LogisticRegression(max_iter=300).fit(filled_train.numpy(), digits.y.numpy()).score(filled_test.numpy(), unseen.y.numpy())
assert discriminative[-1, most] + 0.2 < used_to_holes < generative[-1, most]
upper = torch.arange(784) < 392
of_upper = LogisticRegression(max_iter=300).fit(pixels[:, upper].numpy(), digits.y.numpy())
assert (
    of_upper.score(split[1][0][:, upper].numpy(), unseen.y.numpy())
    > (bayes.predict(split[1][0].double(), upper.expand(1000, -1)) == unseen.y).float().mean() + 0.02
), "section 15, question 5"
with_holes = [fitted.score(filled_test.numpy(), unseen.y.numpy()) for fitted in (careful, usual)]
assert abs(with_holes[0] - 0.73) < 0.02 and abs(with_holes[1] - 0.49) < 0.02
assert round(100 * (usual.score(split[1][0].numpy(), unseen.y.numpy()) - careful.score(split[1][0].numpy(), unseen.y.numpy()))) == 3

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · Walking between two digits
#
# The straight line (linear interpolation, **lerp**) between images $a$ and $b$ is $(1-t)\,a+t\,b$. In pixels it is a double exposure. In a good latent space each step should be an image.
#
# In many dimensions there may be a second trouble. With $d$ latents, samples of $\mathcal N(0,I_d)$ all have length about $\sqrt d$, and the middle of the straight line between two of them has length about $\sqrt{d/2}$. No draw is that short, so the decoder has hardly been trained there.
# Spherical interpolation, **slerp**, takes the arc instead, and keeps the length:
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
explorer = widgets.InterpolationExplorer(spaces, x_test[3::100], x)
explorer.first.value, explorer.second.value = 5, 9
explorer

# %%
# test it: lengths along both paths, for 1,000 pairs of Gaussian points in 10 and in 512 dimensions
middles = {}
for dims in (10, 512):
    a, b = torch.randn(2, 1000, dims, generator=torch.Generator().manual_seed(0))
    middles[dims] = [path(a, b, 0.5).norm(dim=1).mean().item() for path in (lerp, slerp)]
    print(
        f"{dims:3} dimensions, length in the middle: lerp {middles[dims][0]:5.2f}   slerp {middles[dims][1]:5.2f}   √d {dims**0.5:5.2f}   √(d/2) {(dims / 2) ** 0.5:5.2f}"
    )

# medians over 200 pairs of unseen digits, four times
steps = torch.linspace(0, 1, 5)
far, looks = {name: torch.zeros(4, len(steps)) for name in spaces}, {}
for draw in range(4):
    pairs = torch.randperm(1000, generator=torch.Generator().manual_seed(draw))[:400].view(2, 200)
    for name, (encode, decode) in spaces.items():
        a, b = encode(x_test[pairs[0]]), encode(x_test[pairs[1]])
        path = [decode(lerp(a, b, t.item())) for t in steps]
        far[name][draw] = torch.stack([manifold_distance(images, x).median() for images in path])
        if not draw:  # of the first end and the middle: share of grey pixels, and the mean probability of the digit that a network sees
            looks[name] = [
                (((v > 0.1) & (v < 0.9)).float().mean().item(), metrics.digit_probabilities(v).max(1).values.mean().item())
                for v in (path[0], path[2])
            ]
curves({name: (steps, values.mean(0)) for name, values in far.items()}, "t", "distance to the nearest digit", markers=True)
rise = {name: values[:, 2] - values[:, [0, -1]].mean(1) for name, values in far.items()}
table(
    [
        {
            "path in": name,
            "distance rises to the middle by": f"{rise[name].mean():.2f} ± {rise[name].std():.2f}",
            "grey pixels, end → middle": f"{end[0]:.0%} → {middle[0]:.0%}",
            "digit network sure, end → middle": f"{end[1]:.2f} → {middle[1]:.2f}",
        }
        for name, (end, middle) in looks.items()
    ]
)

# %%
# do short codes harm? The VAE (10 latents) and a GAN of lecture 03 (64 latents): draws, and the middles of lerp and slerp between them
gan = checkpoints.load("dcgan")
harm = {}
for name, member, latents in (("VAE (10)", vae, 10), ("GAN (64)", gan, 64)):
    a, b = torch.randn(2, 500, latents, generator=torch.Generator().manual_seed(0))
    for kind, codes_there in (("a draw", a), ("lerp", lerp(a, b, 0.5)), ("slerp", slerp(a, b, 0.5))):
        with torch.no_grad():
            images = member.decode(codes_there).clamp(0, 1)
        grey_share = ((images > 0.1) & (images < 0.9)).float().mean().item()
        harm[name, kind] = manifold_distance(images, x).median().item(), grey_share, images.flatten(1).var(0).sum().item()
        print(
            f"{name}, {kind:6}: distance to the nearest digit {harm[name, kind][0]:.2f}, grey pixels {grey_share:.1%}, variance of the images {harm[name, kind][2]:.1f}"
        )

# %% [markdown]
# > **What to notice.** In pixels the middle is two digits at once, and in PCA too: a linear map turns straight lines into straight lines.
# > Halfway, every path is farther from the data than at its ends. The middle in pixels lies farthest, and the VAE's path is the lowest all the way. PCA's rises most; those of the pixels and of both networks rise by about the same, 0.4 to 0.5.
# > Distance does not show what you see: the networks' strokes stay whole where the others fade to grey. But a whole stroke is not yet a digit: a digit network is no surer of the networks' middles than of the double exposures.
# >
# > With 512 latents the middle of the straight line has length 16 where draws have 22.6: it leaves the shell by far. Whether that harms depends on the decoder. With 10 and with 64 latents the middles of lerp lie no farther from digits than those of slerp.
# > But the VAE's are a little greyer, and they vary a quarter less: short codes give pictures near the average. The GAN's are no greyer and vary hardly less; lecture 03, section 11, shows them. When pictures turn dull on short codes, try slerp.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
halfway = [decode(lerp(*encode(x_test[[3, 503]]), 0.5)[None])[0] for encode, decode in (spaces["pixels"], (pca.encode, pca.decode))]
ends_of = [[decode(encode(x_test[[i]]))[0] for i in (3, 503)] for encode, decode in (spaces["pixels"], (pca.encode, pca.decode))]
assert all(torch.allclose(middle, (a + b) / 2, atol=1e-5) for middle, (a, b) in zip(halfway, ends_of)), "the middle is both digits at once"
assert all((v[:, 2] > v[:, [0, -1]].amax(1)).all() for v in far.values()), "halfway is farther than both ends"
assert all((far["pixels"][:, 2] > v[:, 2]).all() for name, v in far.items() if name != "pixels"), "the middle in pixels lies farthest"
assert all((far["VAE (10)"] < far[name]).all() for name in ("pixels", "PCA (40)", "autoencoder (16)")), "the VAE's lies lowest all the way"
mean_rise = {name: v.mean().item() for name, v in rise.items()}
assert max(mean_rise, key=mean_rise.get) == "PCA (40)" and all(
    0.4 - 0.05 < v < 0.5 + 0.05 for name, v in mean_rise.items() if name != "PCA (40)"
)
fading = {name: middle[0] - end[0] for name, (end, middle) in looks.items()}
assert min(fading["pixels"], fading["PCA (40)"]) > 2 * max(fading["autoencoder (16)"], fading["VAE (10)"]), "grey: the others fade"
assert all(looks[name][1][1] < looks["pixels"][1][1] + 0.02 for name in ("autoencoder (16)", "VAE (10)")), "no surer of the networks'"
assert round(middles[512][0]) == 16 == round((512 / 2) ** 0.5) and round(middles[512][1], 1) == 22.6 == round(512**0.5, 1)
assert all(harm[name, "lerp"][0] < harm[name, "slerp"][0] + 0.05 for name in ("VAE (10)", "GAN (64)"))
greyer = {name: harm[name, "lerp"][1] / harm[name, "slerp"][1] for name in ("VAE (10)", "GAN (64)")}
assert 1.05 < greyer["VAE (10)"] < 1.25 and greyer["GAN (64)"] < 1.03
varied = {name: harm[name, "lerp"][2] / harm[name, "slerp"][2] for name in ("VAE (10)", "GAN (64)")}
assert 0.7 < varied["VAE (10)"] < 0.8 and 0.92 < varied["GAN (64)"] < 1, "a quarter less, hardly less"
average = vae.decode(torch.randn(2000, 10, generator=torch.Generator().manual_seed(1))).detach().mean(0)
near_average = [
    (vae.decode(path(a, b, 0.5)).detach() - average).flatten(1).norm(dim=1).mean()
    for path in (lerp, slerp)
    for a, b in [torch.randn(2, 500, 10, generator=torch.Generator().manual_seed(0))]
]
assert near_average[0] < 0.9 * near_average[1], "short codes give pictures near the average"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · What a bottleneck lets through, in nats
#
# How much does a code say about its image? The measure is **mutual information**, $I(x;z)=\mathrm{KL}\big(p(x,z)\,\|\,p(x)\,p(z)\big)$: the nats that knowing one saves in describing the other (lecture 00, section 7.7).
# Counting latents will not do: one real number, read exactly, holds as much as you like. What limits it is noise. Let a latent be a signal of variance $S$ plus independent Gaussian noise of variance $\sigma^2$.
# For a density, $H$ is the **differential entropy** $-\int p\log p$. It depends on the units, but the difference of two does not. For a Gaussian of variance $v$ it is the mean of $\frac12\log2\pi v+\frac{(z-\mu)^2}{2v}$, which is $\frac12\log2\pi v+\frac12=\frac12\log2\pi ev$.
# Once the signal is known, only the noise is open. So for a Gaussian signal
#
# $$I=H(z)-H(z\mid\text{signal})=\tfrac12\log2\pi e(S+\sigma^2)-\tfrac12\log2\pi e\sigma^2=\tfrac12\log\left(1+\tfrac S{\sigma^2}\right).$$
#
# No signal of that variance does better, because of all densities of one variance the Gaussian has the largest entropy. This is the **capacity** of the channel.
#
# **Rate–distortion** asks the other way round. The **distortion** is the squared error of the picture that one gets back. The **rate** is how many nats the code may carry. How small can the distortion be at a given rate?
# For Gaussian data with variances $\lambda_j$ in independent directions the answer is **reverse water-filling**: choose a water level. A direction whose variance lies above it may err by the level $\ell$, and costs $\frac12\log\frac{\lambda_j}{\ell}$ nats. One below the level is not sent at all.
# Of all data with one covariance, the Gaussian needs most nats. So digits need at most as many. By how much can a network go below?

# %%
show_source(latent_spaces.reverse_water_filling)
# test it: ½ log(1 + S/σ²) is the mean of log p(z | signal)/p(z), for S = 4 and σ² = 1
from torch.distributions import Normal

signal = 2 * torch.randn(200_000, generator=torch.Generator().manual_seed(0))
noisy = signal + torch.randn(200_000, generator=torch.Generator().manual_seed(1))
told = (Normal(signal, 1.0).log_prob(noisy) - Normal(0.0, 5**0.5).log_prob(noisy)).mean().item()
print(f"capacity {0.5 * math.log(1 + 4 / 1):.3f} nats   Monte Carlo {told:.3f}")

# test it: the flat channel. Each PCA code of the digits, shrunk and with noise as the water level asks, makes exactly the error allowed
full = PCA(x, 784)
variances, all_codes = full.variances, full.encode(x)
flat_channel = {}
for allowed in (15.0, 24.0, 33.0):
    rate, errors = latent_spaces.reverse_water_filling(variances, allowed)
    kept = (1 - errors.max() / variances.clamp(min=1e-12)).clamp(min=0)  # 0 for a direction below the level: not sent
    noise = torch.randn(all_codes.shape, generator=torch.Generator().manual_seed(0))
    sent = kept * all_codes + (kept * errors).sqrt() * noise
    flat_channel[allowed] = rate.item(), (full.decode(sent) - x).square().flatten(1).sum(1).mean().item()
    print(
        f"squared error allowed {allowed:.0f}: rate {rate:.1f} nats in {(variances > errors.max()).sum()} directions, error made {flat_channel[allowed][1]:.2f}"
    )

# %% [markdown]
# Now a bent channel. The encoder of a VAE answers an image not with one code but with a small cloud of codes, $q(z\mid x)=\mathcal N\big(\mu(x),\operatorname{diag}\sigma^2(x)\big)$: a signal with noise on it. One code is drawn from the cloud and decoded.
# How many nats does it carry? Compare each cloud with one fixed distribution, the prior $p(z)=\mathcal N(0,I)$, and write $q(z)$ for the mean of all clouds (the **aggregate posterior**). Put $q(z)$ into the fraction, above and below:
#
# $$\underbrace{\mathbb E_x\,\mathrm{KL}\big(q(z\mid x)\,\|\,p(z)\big)}_{\text{rate}}
# =\mathbb E_{x,z}\Big[\log\frac{q(z\mid x)}{q(z)}+\log\frac{q(z)}{p(z)}\Big]=I(x;z)+\mathrm{KL}\big(q(z)\,\|\,p(z)\big)\;\ge\;I(x;z).$$
#
# So this rate, which has a closed form, is an upper bound of what the codes carry. Six VAEs come with the course. They have the same network, and differ in what they were made to pay for a nat while they learned: the number $\beta$. How they learn is the subject of lecture 02; here we only measure.
#
# **Predict first.** Will the VAEs lie above or below the curve of the Gaussian? Which end of it is that of the highest price?

# %%
distortions = np.linspace(11, 52, 60)
gauss = [latent_spaces.reverse_water_filling(variances, d)[0].item() for d in distortions]
figure, axis = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
axis.plot(gauss, distortions, label="Gaussian with the digits' covariance")
axis.scatter(*zip(*flat_channel.values()), color="C0", zorder=3, label="digits through the flat channel")
torch.manual_seed(0)
measured = {}
for beta, member in checkpoints.load_family("beta_vae_mnist").items():
    if beta:  # at β = 0 nothing holds the clouds near p(z), and the rate says little
        q = member.posterior(x_test)
        rate, errors = (
            q.kl().mean().item(),
            [(member.decode(q.sample()) - x_test).square().flatten(1).sum(1).mean().item() for _ in range(3)],
        )
        measured[beta] = rate, np.mean(errors)
        axis.scatter(*measured[beta], color="C1", zorder=3, label="VAE, one point for each β" if beta == 1 else None)
        axis.annotate(f"β = {beta:g}", measured[beta], textcoords="offset points", xytext=(-8, -13), ha="right", fontsize=9)
axis.set(xlabel="rate (nats an image)", ylabel="distortion: squared error of an image", xlim=(-6, 58), ylim=(6, 54))
axis.legend(frameon=False)
plt.show()
gaussian_rate = {beta: latent_spaces.reverse_water_filling(variances, error)[0].item() for beta, (_, error) in measured.items()}
table(
    [
        {"β": beta, "rate (nats)": rate, "distortion": error, "Gaussian rate there": gaussian_rate[beta]}
        for beta, (rate, error) in measured.items()
    ]
)

# %% [markdown]
# > **What to notice.** The highest price is the left end: few nats, a large error. Up to β = 8 the VAEs lie far below the curve: at the same error they need half of the nats, give or take a tenth, although they were not even trained on squared error, and the rate is only an upper bound.
# > That is no fault of the theory: digits are not Gaussian, and a bent sheet follows them better than a flat one. Send Gaussian images with the digits' covariance through the same channels, and every point lies above the curve, as it must.
# > At β = 16 the VAE is no better than the curve: less than one nat is left. It has given up nearly all of its latents, and lecture 02 calls that posterior collapse.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert abs(told - 0.5 * math.log(5)) < 0.01 and all(abs(error - allowed) < 0.02 * allowed for allowed, (_, error) in flat_channel.items())
assert (
    min(measured, key=lambda beta: measured[beta][0]) == max(measured, key=lambda beta: measured[beta][1]) == max(measured) == 16
    and len(measured) == 6
)
assert all(0.4 < measured[beta][0] / gaussian_rate[beta] < 0.6 for beta in (0.5, 1, 2, 4, 8)), "half of the nats, give or take a tenth"
assert 0.5 < measured[16][0] < 1 and measured[16][0] > gaussian_rate[16], "at β = 16 no better"
# the cause: Gaussian images of the same covariance, through the same VAEs
surrogate = full.decode(torch.randn(1000, 784, generator=torch.Generator().manual_seed(0)) * variances.sqrt())
for member in checkpoints.load_family("beta_vae_mnist").values():
    mean, log_var = member.encoder(surrogate).detach().chunk(2, 1)  # not `posterior`, which wants pixels in [0, 1]
    q = distributions.DiagonalGaussian(mean, log_var.clamp(-15, 15))
    error = (member.decode(q.sample()) - surrogate).square().flatten(1).sum(1).mean().item()
    assert error > variances.sum() or q.kl().mean().item() > latent_spaces.reverse_water_filling(variances, error)[0]
used = {b: (m.kl_per_latent(m.posterior(x_test)).mean(0) > 0.1).sum() for b, m in checkpoints.load_family("beta_vae_mnist").items()}
assert used[16] <= 2 and used[1] >= 8, "nearly all latents given up"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · Numbers: how good are these old codes?
#
# A code is good if a simple model on it works. Test error of classifiers on MNIST. Ours learn from 4,000 images and are tested on 1,000; the published ones had 60,000 and 10,000.

# %%
from sklearn.neighbors import KNeighborsClassifier

wrong = {}


def test_error(name, predicted):
    wrong[name] = (torch.as_tensor(predicted) != unseen.y).float().mean().item()
    return f"{100 * wrong[name]:.1f} ± {100 * (wrong[name] * (1 - wrong[name]) / len(unseen)) ** 0.5:.1f} %"


z, z_test = pca.encode(x), pca.encode(x_test)
by_class = [z[digits.y == c] for c in range(10)]
quadratic = GaussianMixture(torch.full((10,), 0.1), torch.stack([c.mean(0) for c in by_class]), torch.stack([c.T.cov() for c in by_class]))
flat, flat_test = x.flatten(1).numpy(), x_test.flatten(1).numpy()
guesses = {
    "naive Bayes, black and white": (bayes.predict(ink_test.flatten(1).double()), "–"),
    "linear": (LogisticRegression(max_iter=200).fit(flat, digits.y).predict(flat_test), "12.0 %"),
    "3 nearest neighbours": (KNeighborsClassifier(3).fit(flat, digits.y).predict(flat_test), "5.0 %"),
    "40 PCA codes, one Gaussian a class": (quadratic.responsibilities(z_test).argmax(1), "3.3 %"),
}
table([{"classifier": name, "ours": test_error(name, predicted), "published": there} for name, (predicted, there) in guesses.items()])

# %% [markdown]
# Published: LeCun, Bottou, Bengio & Haffner 1998, *Gradient-based learning applied to document recognition* (doi:10.1109/5.726791), table of results. Theirs is a quadratic classifier on 40 principal components; a Gaussian for each class is one (**quadratic discriminant analysis**).
#
# The ± is the standard error of a share counted on 1,000 images. The comparison is loose: theirs learn from fifteen times as many images, prepared in their own way.
#
# > **What to notice.** The best of the four is generative: a latent space, and a density in it for each class. With a fifteenth of the data it is within one standard error of the published number.
# > What helps is that each class has a covariance of its own: with one covariance for all ten (**linear** discriminant analysis), the boundaries are flat, and the same codes err on 13 % of the digits.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert min(wrong, key=wrong.get) == "40 PCA codes, one Gaussian a class" and 60_000 / len(digits) == 15
assert abs(wrong["40 PCA codes, one Gaussian a class"] - 0.033) < (0.033 * 0.967 / 1000) ** 0.5
one_shape = quadratic.covariances.mean(0).expand(10, -1, -1)
shared = GaussianMixture(quadratic.weights, quadratic.means, one_shape).responsibilities(z_test).argmax(1)
assert round((shared != unseen.y).float().mean().item(), 2) == 0.13 and len(unseen) == 1_000

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · Check yourself
#
# <details><summary><b>1.</b> Why not smooth the joint table of 7×7 pieces, instead of giving it up?</summary>
#
# Smoothing treats all unseen images alike, and nearly all of them are noise. A better constant raises the score, but does <i>not</i> cure it: a table has no notion that one image resembles another.
# Ten times the data is only a factor; the table of $D$ pixels has $2^D$ entries.
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
# Logistic regression could now be trained on the upper half alone. With all 4,000 images it then wins; with a few hundred, naive Bayes is level or ahead. The advantage of the generative model is that it needs no new training for each pattern of holes.
# </details>
#
# <details><summary><b>6.</b> The middle of a straight path in a 512-dimensional latent space decodes to something dull. Is the decoder bad?</summary>
#
# Perhaps not: the code is <i>short</i>. Its length is about $\sqrt{256}=16$, where nearly all samples have $\sqrt{512}\approx 22.6$. Try slerp before you blame the decoder: if the picture gets better, it was the length.
# It need <i>not</i> be: for the GAN of section 12 the two paths hardly differ. For its VAE the pictures of short codes are greyer and more alike.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16 · Summary, and when things go wrong
#
# - A table of every image is the ideal model. It grows like $2^D$ and generalises to nothing.
# - Data lie near a thin sheet. A latent space is a set of coordinates on it: flat (PCA), in pieces (mixtures), of shares (topics), of tastes (low rank).
# - To generate, you need codes *and* a density of codes.
# - A generative classifier can leave out what is missing. When nothing is, a discriminative one is as good with few examples, and better with many.
# - Information is counted in nats, not in latents. Noise is what limits it. Rate and distortion trade against each other.
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
# | PCA is slow in very many dimensions | the D × D covariance | `torch.pca_lowrank`, or the N × N matrix when N < D |
#
# **Cost.** PCA of $N$ images of $D$ pixels costs $O(ND^2+D^3)$, about a second for 4,000 digits. A step of EM costs $O(NKD^2+KD^3)$. A decode is one product of matrices. All of it fits a laptop, and runs on a GPU as it is.
#
# **Care.** A table of ratings gives away more than films: a handful of ratings known from elsewhere was enough to find people again in "anonymous" ones. Mean-filled pixels, averaged faces and topics with a majority's words all describe the majority; look at the error of each group.
#
# **Now you**: [exercise 01](../exercises/01_latent_spaces/01_latent_spaces.ipynb), 20 points.
#
# **Read on.** Tipping & Bishop, *Probabilistic principal component analysis* (doi:10.1111/1467-9868.00196) · Blei, Ng & Jordan, *Latent Dirichlet allocation* (jmlr.org/papers/v3/blei03a.html) ·
# Ng & Jordan, *On discriminative vs. generative classifiers* (NIPS 2001) · Richardson & Weiss, *On GANs and GMMs* (arXiv:1805.12462) · White, *Sampling generative networks*, slerp (arXiv:1609.04468) ·
# Narayanan & Shmatikov, on finding people in anonymous ratings (arXiv:cs/0610105) · Alemi et al., *Fixing a Broken ELBO*, rate and distortion of a VAE (arXiv:1711.00464)
