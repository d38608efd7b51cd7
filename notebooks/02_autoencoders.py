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
# # 02 · Autoencoders and variational autoencoders
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/notebooks/02_autoencoders.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/notebooks/02_autoencoders.ipynb)
#
# **You will be able to**
# - build an autoencoder, and say why its latent space is no place to sample from,
# - derive the evidence lower bound (ELBO), its KL term and the reparameterisation trick, and test each in one line,
# - steer a picture by its latents, and choose β by what it does to rate, distortion and disentanglement,
# - recognise posterior collapse and cure it,
# - use the same model to sample, repair, condition, find anomalies and reweight a biased data set.
#
# **Time** about 100 minutes. **Hardware** a laptop's CPU; nothing is downloaded. Every picture with sliders needs a running kernel.
# **You need** lecture 00 (its notation, the KL divergence, Jensen's inequality), linear algebra, and basic PyTorch.

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
from IPython.display import display

from course_lib import checkpoints, datasets, metrics, training
from course_lib.autoencoders import LIVE, VAE, Autoencoder
from course_lib.latent_spaces import PCA
from course_lib.plotting import LossPlot, curves, show_images, show_source, table
from course_lib.recipes import preset_for
from course_lib.widgets import autoencoders as widgets

training.seed_everything(0)
digits, unseen = datasets.load("mnist_small", "train"), datasets.load("mnist_small", "test")
x, x_test = digits.images(), unseen.images()
live = LIVE[preset_for()].options()  # what this machine can train while you watch
print(digits, unseen, sep="\n")

# %% [markdown]
# ## First, play
#
# Below is a trained model. It has never stored an image. It turns ten numbers $z$ into a picture, and each slider is one of them.
#
# **Predict first.** Start from one of the digits and move a single slider all the way. Will the digit fade out, break, or turn into another digit?

# %%
playground = widgets.LatentExplorer(checkpoints.load("beta_vae_mnist_b1"), images=x_test[::100])
playground.start.value = 3  # a 2
playground.sliders[4].value = -2.0
playground

# %% [markdown]
# > **What to notice.** The slider turned a 2 into a 6, and the places between are digits, too. We tried all 10 sliders from all 10 images:
# > more than half of these roads lead into another class. A network that reads digits is sure of what it sees (above 0.9) at five of six places, and on the roads that change class still at three of four.
# > The rest of this lecture is about how a space like this comes about. We begin with one that is *not* like this.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
with torch.no_grad():
    starts = playground.codes[1:]  # the codes of the ten images
    roads = starts[:, None, None].repeat(1, 10, 7, 1)  # image, latent, place
    for j in range(10):
        roads[:, j, :, j] = torch.linspace(-3, 3, 7)
    seen = metrics.digit_probabilities(playground.model.decode(roads.flatten(0, 2))).view(10, 10, 7, 10)
read, sure = seen.argmax(-1), seen.amax(-1) > 0.9
asked = read[2, playground.latents[4]]  # along the slider that was set
assert asked[0] == 6 and asked[-1] == 2 and sure[2, playground.latents[4]].all()
turns = (read != read[:, :, :1]).any(2)  # the roads that change class
assert 0.5 < turns.float().mean() < 0.8
assert 0.8 < sure.float().mean() < 0.87 and 0.7 < sure[turns].float().mean() < 0.8  # five of six, three of four

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · The naive attempt: squeeze, restore, and sample
#
# An **autoencoder** has two networks. The encoder turns an image $x$ into a short vector, the *latent* $z=e_\phi(x)$. The decoder turns it back:
# $\hat x=d_\theta(z)$. $\phi$ and $\theta$ are their weights. No labels are needed: the input is its own target.
#
# $$\min_{\theta,\phi}\;\mathbb E_x\big[\ell\big(x,\,d_\theta(e_\phi(x))\big)\big]$$
#
# $\ell$ is the **reconstruction error** of one image (section 2 chooses it). The latent is a bottleneck: 784 pixels must pass through 16 numbers.
# Whatever the decoder needs to know must be in them.

# %%
show_source(Autoencoder)
autoencoder = Autoencoder(latents=16, hidden=(128, 128))
run = training.fit(autoencoder, x, **live, watch=LossPlot(title="autoencoder"))
show_images(torch.cat([x_test[::100], autoencoder.reconstruct(x_test[::100])]), columns=10, row_labels=["x", "x̂"])

# %% [markdown]
# Most images come back: more than four of five test digits are still read as their class. (Above, the 5 has become an 8; 800 steps are few.)
# So the decoder can draw digits, and it draws them from 16 numbers. Then why not give it 16 *random* numbers?
#
# **Predict first.** What will the decoder make of $z\sim\mathcal N(0,I)$? Of numbers with the spread of the real codes?

# %%
z = autoencoder.encode(x).detach()
print(f"spread of the codes: smallest {z.std(0).min():.1f}, largest {z.std(0).max():.1f}")
guesses = torch.randn(20, 16)
show_images(
    torch.cat([autoencoder.decode(guesses[:10]), autoencoder.decode(z.mean(0) + z.std(0) * guesses[10:])]).detach(),
    columns=10,
    row_labels=["z ~ N(0, I)", "z with the codes' spread"],
)

# %% [markdown]
# > **What to notice.** The first row is stains, the second has some digits and some wrecks, though each number has the right spread.
# > Compare them by the **Fréchet distance** to real digits. (That is the idea of the FID, lecture 07, here with the features of our digit reader. It would be 0 for equal distributions; 500 real digits come to about 10.)
# > The first row is several times as far away as the second, and the second is further away than the reconstructions are. Reconstruction never asked where codes should lie, nor what lies between them.
# > A generator needs two things that we did not ask for. **Completeness**: every likely $z$ decodes to something sensible.
# > **Continuity**: neighbours decode to similar things.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
with torch.no_grad():
    noise = torch.randn(500, 16, generator=torch.Generator().manual_seed(1))
    apart = [metrics.digit_fid(v) for v in (autoencoder.decode(noise), autoencoder.decode(z.mean(0) + z.std(0) * noise))]
    apart.append(metrics.digit_fid(autoencoder.reconstruct(x_test[::2])))
    came_back = autoencoder.reconstruct(x_test)
assert apart[0] > 2 * apart[1] and apart[1] > 1.3 * apart[2], apart
assert abs(metrics.digit_fid(x_test[::2]) - 10) < 2
assert metrics.class_accuracy(came_back, unseen.y) > 4 / 5
assert metrics.predicted_digits(came_back[500:501]).item() == 8 or torch.cuda.is_available()  # the 5 that is shown

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · How narrow may the bottleneck be?
#
# With 784 latents an autoencoder could copy. With one it must choose. The family below was trained on MNIST with 1 to 64 latents.
# The dashed line is PCA, the best *linear* autoencoder in squared error with the same number of latents. (PCA was fitted to our 4,000 training images, the networks saw 59,000.
# For PCA that changes little: fitted to all 59,000, its error is lower by at most 3 %, at every size; we measured that once. Both errors are on our 1,000 test images.)
#
# **Predict first.** Where does the non-linear model help most: with few latents or with many?

# %%
sizes = [1, 2, 4, 8, 16, 32, 64]
linear = PCA(x, max(sizes))  # lecture 01
pca = {k: (linear.reconstruct(x_test, k) - x_test).square().mean().item() for k in sizes}

bottlenecks = checkpoints.load_family("ae_mnist")
errors = {k: (model.reconstruct(x_test) - x_test).square().mean().item() for k, model in bottlenecks.items()}
squeeze = widgets.BottleneckExplorer(bottlenecks, x_test[5::100], errors=errors, pca=pca)
squeeze.latents.value = 2
squeeze

# %% [markdown]
# > **What to notice.** Two latents of the network are worth eight of PCA. As a share of PCA's error, the network's error falls up to 16 latents, to less than half. Then the lead shrinks, and at 64 the two meet.
# > (That is the limit of these networks, not of all: their hidden layers have 128 units, and they minimised cross-entropy, where PCA minimises the error that is plotted.)
# > With two latents, three of five test digits come back as a picture that is read as the right class. From 16 latents on, little is gained.
#
# **Squared error or cross-entropy?** Both are minus a log-likelihood, up to a factor and a constant: of a Gaussian with fixed variance, and of a Bernoulli.
# They agree on the best prediction (the mean), and differ in how they punish a confident mistake.
# The decoder's last layer gives a **logit** $l$, any real number, and the pixel's value is $p=\sigma(l)=1/(1+e^{-l})$. What trains the network is the slope with respect to $l$.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert abs(errors[2] / pca[8] - 1) < 0.05
ratios = [errors[k] / pca[k] for k in sizes]
assert sizes[4] == 16 and sizes[6] == 64 and 0.4 < ratios[4] < 0.5 and 0.95 < ratios[6] < 1.05
assert ratios[:5] == sorted(ratios[:5], reverse=True) and ratios[4:] == sorted(ratios[4:])
assert all(tuple(model.config["hidden"]) == (128, 128) for model in bottlenecks.values())
assert 0.57 < metrics.class_accuracy(bottlenecks[2].reconstruct(x_test).detach(), unseen.y) < 0.67
assert errors[16] - errors[64] < 0.1 * (errors[1] - errors[64])

# %%
logit = torch.linspace(-8, 4, 241, requires_grad=True)
costs = {"cross-entropy, −log p": -logit.sigmoid().log(), "squared error, (1 − p)²": (1 - logit.sigmoid()) ** 2}
slopes = {name: torch.autograd.grad(cost.sum(), logit, retain_graph=True)[0] for name, cost in costs.items()}
curves(
    {f"slope of {name}": (logit.detach(), slope) for name, slope in slopes.items()},
    x_label="logit l for a pixel that is white (x = 1)",
    y_label="d cost / d l",
    size=(8, 3.4),
)

# %% [markdown]
# > **What to notice.** Read from the right: a pixel that is already white gets no push from either. On the left it is confidently wrong. There cross-entropy pushes with slope −1,
# > the full error $p-x$, and squared error pushes no longer: its slope is $-2(1-p)^2p$, and the sigmoid has gone flat. (As a function of $p$ itself, squared error is steepest at $p=0$. The network does not output $p$.)
# > For images that are nearly black and white we use cross-entropy. Strictly, a Bernoulli's pixel is 0 or 1. But cross-entropy is linear in $x$, so with a grey $x$ it is a mean over coin flips:
# > each turns the pixel white with chance $x$. Section 8 flips the coins.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
cross, squared = slopes.values()
assert cross[0] < -0.99 and squared[0].abs() < 0.001 and cross[-1].abs() < 0.05 and squared[-1].abs() < 0.05
probability = logit.sigmoid()
assert torch.allclose(cross, probability - 1, atol=1e-5) and torch.allclose(squared, -2 * (1 - probability) ** 2 * probability, atol=1e-5)
levels = torch.linspace(0.01, 0.99, 99)  # a pixel that is white in 30 % of the images: both costs are lowest at p = 0.3
assert abs(levels[(-0.3 * levels.log() - 0.7 * (1 - levels).log()).argmin()] - 0.3) < 0.001
assert abs(levels[(0.3 * (1 - levels) ** 2 + 0.7 * levels**2).argmin()] - 0.3) < 0.001
with torch.no_grad():  # grey images cost what their black-and-white versions cost on average
    rebuilt = bottlenecks[16].reconstruct(x_test).repeat(10, 1, 1, 1)
    ten_times = x_test.repeat(10, 1, 1, 1)
    flipped = datasets.binarise(ten_times, torch.Generator().manual_seed(0))
    costs_of = [torch.nn.functional.binary_cross_entropy(rebuilt, target).item() for target in (flipped, ten_times)]
assert abs(costs_of[0] / costs_of[1] - 1) < 0.01, costs_of

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · Denoising: a harder task teaches more
#
# Show the encoder a corrupted image $\tilde x=x+\sigma\varepsilon$ with $\varepsilon\sim\mathcal N(0,I)$, and ask for the clean $x$. ($\sigma$ is now the strength of the noise; the sigmoid $\sigma(l)$ was another. In training and below, $\tilde x$ is cut to $[0,1]$,
# the range of an image. Most pixels are black, so about half of the noise is cut away.)
# Copying no longer helps. The best answer is the mean of all $x$ that could have become this $\tilde x$ (section 2), and for that the model must know what digits look like.
#
# **Predict first.** Three models were trained at $\sigma=0.25$, $0.5$ and $1$. Which is best on an image *without* noise?

# %%
denoisers = {f"trained at σ = {sigma:g}": model for sigma, model in checkpoints.load_family("denoiser_mnist").items()}
cleaning = widgets.NoiseExplorer(denoisers, x_test[3::50])
cleaning.level.value = 0.0
cleaning.denoiser.value = "trained at σ = 1"
cleaning

# %% [markdown]
# > **What to notice.** On clean images the weakest denoiser is best. At each of the three training levels, the model trained there wins.
# > The strong denoiser spoils clean digits: of 100, about 22 come back as a blot or as another class, against 2 for the weak one. With a little noise, σ = 0.2, it does *better*: about 7.
# > It never saw a clean picture, and a network is not to be trusted outside of what it was trained on.
# > A denoiser points from noise towards data: the change it makes and the change that is needed have a cosine above 0.9. (Pointing at the mean of all digits gives 0.73.) Lecture 06 builds a whole generator out of that fact.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
mse_at = {s: model.record["numbers"]["mse_at"] for s, model in checkpoints.load_family("denoiser_mnist").items()}
assert all(min(mse_at, key=lambda s: mse_at[s][str(level)]) == level for level in (0.25, 0.5, 1.0))
assert min(mse_at, key=lambda s: mse_at[s]["0.0"]) == 0.25
with torch.no_grad():
    wrong = [100 * (1 - metrics.class_accuracy(model.reconstruct(x_test), unseen.y)) for model in denoisers.values()]
    assert abs(wrong[0] - 2) < 1 and abs(wrong[2] - 22) < 1
    slight = (x_test + 0.2 * torch.randn(x_test.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    assert abs(100 * (1 - metrics.class_accuracy(denoisers["trained at σ = 1"].reconstruct(slight), unseen.y)) - 7) < 1.5
    noisy = (x_test + 0.5 * torch.randn(x_test.shape)).clamp(0, 1)
    steps = [(model.reconstruct(noisy) - noisy).flatten(1) for model in denoisers.values()]
assert all(torch.cosine_similarity(step, (x_test - noisy).flatten(1)).mean() > 0.9 for step in steps)
assert abs(torch.cosine_similarity((x.mean(0) - noisy).flatten(1), (x_test - noisy).flatten(1)).mean() - 0.73) < 0.01
assert (noisy - x_test).square().mean() < 0.6 * 0.5**2  # the cut takes about half of the noise away

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Clouds instead of points
#
# To fill the gaps between codes, let the encoder answer with a cloud. It gives a mean $\mu$ and a variance $\sigma^2$ for each latent:
#
# $$q_\phi(z\mid x)=\mathcal N\!\big(\mu_\phi(x),\operatorname{diag}\sigma_\phi^2(x)\big)$$
#
# The decoder must now restore $x$ from *any* point of the cloud. That gives continuity.
#
# A sample has no derivative with respect to $\mu$ and $\sigma$. But a sample is also a fixed noise, moved and scaled: $z=\mu+\sigma\,\varepsilon$ with
# $\varepsilon\sim\mathcal N(0,I)$. Now $\partial z/\partial\mu=1$ and $\partial z/\partial\sigma=\varepsilon$. This is the **reparameterisation trick**.
#
# There is another way, which needs no trick: the **score-function estimator** (REINFORCE), $\nabla_\mu\mathbb E_q[f(z)]=\mathbb E_q\big[f(z)\,\nabla_\mu\log q(z)\big]$.
# It knows only the *values* $f(z)$ and finds the direction by comparing draws; the trick knows the *slope* of $f$ at each draw. So the first is usually much noisier. The last line below measures it for one $f$.

# %%
from course_lib.distributions import DiagonalGaussian, gaussian_kl, gaussian_kl_per_latent, reparameterise

show_source(reparameterise)
# test it: for f(z) = z², the gradient of E[f] is known: ∂/∂μ (μ² + σ²) = 2μ and ∂/∂log σ² = σ²
mean, log_var = torch.tensor([[1.5]], requires_grad=True), torch.tensor([[-1.0]], requires_grad=True)
reparameterise(mean.expand(400_000, 1), log_var.expand(400_000, 1)).square().mean().backward()
print(f"∂/∂μ: sampled {mean.grad.item():.2f}, exact {2 * mean.item():.2f}")
print(f"∂/∂log σ²: sampled {log_var.grad.item():.2f}, exact {log_var.exp().item():.2f}")
e, sd = torch.randn(400_000), math.exp(-0.5)
draws = 1.5 + sd * e
slope, score = 2 * draws, draws**2 * e / sd  # two estimates of ∂/∂μ from one draw each; ∇ log q(z) = (z − μ)/σ² = ε/σ
print(
    f"one draw estimates ∂/∂μ as {slope.mean():.2f} ± {slope.std():.1f} by the trick, {score.mean():.2f} ± {score.std():.1f} by the score function"
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · The evidence lower bound
#
# A generator says: draw $z$ from a prior $p(z)=\mathcal N(0,I)$, then $x$ from $p_\theta(x\mid z)$. The probability of an image is a sum over everything that could have caused it,
# $p_\theta(x)=\int p_\theta(x\mid z)\,p(z)\,dz$. The naive way averages $p_\theta(x\mid z)$ over draws of the prior. That is hopeless: nearly all $z$ explain nearly nothing of $x$.
#
# So draw $z$ where it matters, from $q=q_\phi(z\mid x)$. Bayes says $p_\theta(x)=p_\theta(x,z)/p_\theta(z\mid x)$ for *every* $z$. Take logarithms, average over $q$, and put $q$ in twice:
#
# $$\log p_\theta(x)=\mathbb E_q\!\left[\log\frac{p_\theta(x,z)}{p_\theta(z\mid x)}\right]
# =\underbrace{\mathbb E_q\!\left[\log\frac{p_\theta(x,z)}{q(z\mid x)}\right]}_{\mathrm{ELBO}(x)}+\underbrace{\mathbb E_q\!\left[\log\frac{q(z\mid x)}{p_\theta(z\mid x)}\right]}_{\mathrm{KL}(q\,\|\,p_\theta(z\mid x))\;\ge\;0}$$
#
# A KL is never negative, so the first term is a lower bound: the **evidence lower bound**. (Jensen's inequality gives the bound too, but not the gap.) With $p_\theta(x,z)=p_\theta(x\mid z)\,p(z)$ it splits into two numbers that we can compute:
#
# $$\mathrm{ELBO}(x)=\underbrace{\mathbb E_{q}\big[\log p_\theta(x\mid z)\big]}_{-\text{distortion}}-\underbrace{\mathrm{KL}\big(q_\phi(z\mid x)\,\|\,p(z)\big)}_{\text{rate}}$$
#
# The ELBO is *maximised*; its negative is the loss. One could search the best $q$ for every image anew. The encoder answers for all images at once: **amortised inference**.
# What that haste costs is measured in section 8.

# %%
# test it: one latent, one pixel, x = 1.5 z + noise, where log p(x) is known exactly
observed, weight, noise_var = torch.tensor(1.0), 1.5, 0.5
exact = torch.distributions.Normal(0.0, (weight**2 + noise_var) ** 0.5).log_prob(observed)
best_mean, best_var = weight * observed / (weight**2 + noise_var), noise_var / (weight**2 + noise_var)  # the true posterior
means = torch.linspace(-1.5, 2.5, 200)


def elbo(m, v):
    reconstruction = -0.5 * (((observed - weight * m) ** 2 + weight**2 * v) / noise_var + torch.log(torch.tensor(2 * torch.pi * noise_var)))
    return reconstruction - gaussian_kl(m[:, None], torch.full_like(m[:, None], v).log())


curves(
    {
        "log p(x)": (means, exact.expand(200)),
        "ELBO, true variance": (means, elbo(means, best_var)),
        "ELBO, four times that variance": (means, elbo(means, 4 * best_var)),
    },
    x_label="mean of q",
    y_label="nats",
    title="The bound touches where q is the posterior",
    size=(8, 3.4),
)
print(f"log p(x) {exact:.4f}   ELBO at the true posterior {elbo(best_mean[None], best_var).item():.4f}")

# %% [markdown]
# > **What to notice.** The bound never crosses $\log p(x)$. It touches only where $q$ is the true posterior. A $q$ with the wrong variance leaves a gap that no mean can close: with four times the true one, 0.8 nats at best.
# > At every mean the gap is exactly $\mathrm{KL}(q\,\|\,p(z\mid x))$, as derived.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
for width in (1, 4):
    gap = exact - elbo(means, width * best_var)
    to_posterior = 0.5 * (width - 1 - math.log(width) + (means - best_mean) ** 2 / best_var)  # KL between two Gaussians
    assert torch.allclose(gap, to_posterior, atol=1e-4) and gap.min() > -1e-5
    assert (gap.min() < 1e-3) == (width == 1)
assert round(gap.min().item(), 1) == 0.8
assert abs(slope.mean() - 3) < 0.05 and abs(score.mean() - 3) < 0.1 and score.std() > 5 * slope.std()  # section 4

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · The rent that keeps clouds in place
#
# Left alone, reconstruction would shrink every cloud to a point: a point is easiest to decode. Then the space between means nothing again.
# The second term of the ELBO is the rent that a cloud pays for being unlike the prior. (One thing, four names: **KL term** in the formula, **rate** in the literature, because it counts the nats
# that $z$ may carry about $x$, *rent* in this lecture's stories, and *price* once a factor β stands before it.) For Gaussians it has a closed form:
#
# $$\mathrm{KL}\!\left(q_\phi(z\mid x)\,\|\,\mathcal N(0,I)\right)=\tfrac12\sum_j\left(\mu_j^2+\sigma_j^2-1-\log\sigma_j^2\right)$$
#
# To derive it, take one latent and write $z=\mu+\sigma\varepsilon$. Both densities have the factor $1/\sqrt{2\pi}$, so it cancels: $\log\frac{q(z\mid x)}{p(z)}=-\log\sigma-\tfrac12\varepsilon^2+\tfrac12z^2$.
# Now take the mean, with $\mathbb E[\varepsilon^2]=1$ and $\mathbb E[z^2]=\mu^2+\sigma^2$. Independent latents make a sum of logarithms, so their KLs add.
#
# **Predict first.** For a latent that the decoder ignores, which $\mu$ and $\sigma$ are cheapest? What does that latent's KL come to?

# %%
show_source(gaussian_kl_per_latent)
show_source(gaussian_kl)
# test it: the closed form against 100,000 samples
cloud = DiagonalGaussian(torch.tensor([[0.5, -1.0, 0.0]]), torch.tensor([[0.3, -2.0, 0.0]]))
samples = cloud.sample(100_000)
prior = torch.distributions.Normal(0.0, 1.0)
monte_carlo = (cloud.log_prob(samples) - prior.log_prob(samples).sum(-1)).mean()
print(f"closed form {gaussian_kl(cloud.mean, cloud.log_var).item():.2f}   Monte Carlo {monte_carlo:.2f}")
print(f"an ignored latent, μ = 0 and σ = 1: {gaussian_kl(torch.zeros(1, 1), torch.zeros(1, 1)).item():.2f}")

# %% [markdown]
# Why $\mathcal N(0,I)$? It is easy to sample, the KL has a closed form, and a powerful decoder can bend it into any shape. It is a convenience, not a belief about digits.
# Section 12 replaces it.
#
# Look at what the rent does. Both models below have two latents. The first is a plain autoencoder, the second a VAE. Each dot is the code of an unseen digit.

# %%
plain = bottlenecks[2]
plain_codes = plain.encode(x_test).detach()
widgets.LatentMap(plain, plain_codes, unseen.y, span=plain_codes.abs().max().item())

# %%
flat = checkpoints.load("vae_2d")
flat_codes = flat.encode(x_test).detach()
plane = widgets.LatentMap(flat, flat_codes, unseen.y)
plane.backdrop.value = "pictures"
plane


# %% [markdown]
# > **What to notice.** Read the axes. The plain codes reach 33 units out, in rays, and nothing tells where to draw: on a grid of 15 × 15 cells over their square, four of five hold no code.
# > In the empty cells the decoder draws fewer digits: there the digit reader is sure (above 0.9) of six pictures in ten, where codes lie of nearly nine.
# > The VAE's codes (press *codes* to see them) fill a disc. Their square has empty cells, too, more than half of all. But 19 of 20 draws from $\mathcal N(0,I)$ fall within radius 2.5, and there at most one cell in 20 is empty.
# > And the VAE decodes as well where no code lies as where some do. Its reconstructions are no closer, though. Two latents are few, for both models.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
def grid(model, codes, side=15):
    """Cells of a square that holds all codes: how many codes lie in each, whether its centre decodes to a digit, and how far out it is."""
    span = codes.abs().max().item() * 1.001
    cell = ((codes + span) / (2 * span) * side).long()
    held = torch.zeros(side, side).index_put((cell[:, 0], cell[:, 1]), torch.ones(len(codes)), accumulate=True)
    axis = -span + 2 * span / side * (torch.arange(side) + 0.5)
    centres = torch.cartesian_prod(axis, axis)
    sure = metrics.digit_probabilities(model.decode(centres).detach()).amax(1) > 0.9
    return held, sure.view(side, side).float(), centres.norm(dim=1).view(side, side)


held, sure, _ = grid(plain, plain_codes)
assert round(plain_codes.abs().max().item()) == 33 and 0.75 < (held == 0).float().mean() < 0.85
assert 0.52 < sure[held == 0].mean() < 0.65 and 0.82 < sure[held > 0].mean() < 0.92
held, sure, radius = grid(flat, flat_codes)
assert (held[radius < 2.5] == 0).float().mean() <= 1 / 20 and 0.5 < (held == 0).float().mean() < 0.7
assert abs(1 - math.exp(-(2.5**2) / 2) - 19 / 20) < 0.01  # the chance of a radius below 2.5
assert sure[held == 0].mean() > sure[held > 0].mean() - 0.05
assert abs((flat.reconstruct(x_test) - x_test).square().mean() / errors[2] - 1) < 0.15  # no closer than the autoencoder's

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · Train it
#
# The whole loss is distortion plus rate, summed over dimensions, averaged over the batch. Summing matters. If the reconstruction were averaged over 784 pixels
# and the KL summed over latents, the rent would be 784 times too high. That slip is common, and looks like "my VAE only draws blurs".
# (Most models of this lecture are trained on grey pixels. By section 2, their ELBO is still a lower bound: on the mean of $\log p_\theta$ over the black-and-white versions of an image.)

# %%
show_source(VAE.terms)
show_source(VAE.loss)
training.seed_everything(0)
vae = VAE(latents=16, hidden=(128, 128))
run = training.fit(vae, x, **live, watch=LossPlot(title="VAE"))
show_images(
    torch.cat([autoencoder.decode(guesses[:10]).detach(), vae.decode(guesses[:10]).detach()]),
    columns=10,
    row_labels=["autoencoder", "VAE"],
    heading="The same random z ~ N(0, I), decoded",
)


def distance(draw, n=500, seeds=3):
    """Mean and standard deviation over draws of the Fréchet distance between n samples and MNIST's test images."""
    found = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        with torch.no_grad():
            found.append(float(metrics.digit_fid(draw(n))))
    return torch.tensor(found).mean().item(), torch.tensor(found).std().item()


def fitted(model):
    """Draws from an autoencoder whose codes got a Gaussian with full covariance."""
    codes = model.encode(x).detach()
    factor = torch.linalg.cholesky(codes.T.cov())
    return lambda n: model.decode(codes.mean(0) + torch.randn(n, model.latents) @ factor.T)


away = {
    "autoencoder, z ~ N(0, I)": distance(lambda n: autoencoder.decode(torch.randn(n, 16))),
    "autoencoder, z from a Gaussian fitted to its codes": distance(fitted(autoencoder)),
    "VAE, z ~ N(0, I)": distance(vae.sample),
}
print("Fréchet distance to real digits, 500 samples:", *(f"{name}: {mean:.0f} ± {sd:.0f}" for name, (mean, sd) in away.items()), sep="\n")

# %% [markdown]
# > **What to notice.** Same data, as many steps, 1 % more weights. The autoencoder draws stains. The VAE's draws are soft, but they are made of strokes, and some are digits: their Fréchet distance is less than a third.
# > Be fair to the autoencoder, though. Give it what it lacks, a density fitted to its codes afterwards (here one Gaussian with full covariance), and it beats this VAE, which has seen 800 steps.
# > That is **ex-post density estimation** (arXiv:1903.12436, Ghosh et al. 2020). A VAE needs more training, and a prior that fits: the table below.
#
# Now the one that was trained longer. Its record says how, on what, and what it reached. `python -m course_lib train vae --preset cpu` makes it again.
# (Its minutes are those of one core that had other work to do.)

# %% slideshow={"slide_type": "skip"} tags=["claim"]
noise_distance, fitted_distance, vae_distance = (mean for mean, _ in away.values())
assert vae_distance < noise_distance / 3 and fitted_distance < 0.9 * vae_distance, away
assert live["steps"] == 800 or torch.cuda.is_available()
weights_of = [sum(w.numel() for w in model.parameters()) for model in (autoencoder, vae)]
assert abs(weights_of[1] / weights_of[0] - 1.01) < 0.003

# %%
best = checkpoints.load("vae")
print({key: best.record[key] for key in ("data", "parameters", "steps", "minutes", "device", "command")})
print(best.record["numbers"])
torch.manual_seed(0)
show_images(best.sample(40), columns=10)
rivals = {
    "autoencoder, 16 latents, shipped, Gaussian fitted to its codes": fitted(bottlenecks[16]),
    "VAE, 10 latents, shipped, z ~ N(0, I)": playground.model.sample,
    "VAE, 40 latents, the best, z ~ its own prior (section 12)": best.sample,
    "real digits": lambda n: x_test[torch.randperm(len(x_test))[:n]],
}
ranking = {name: distance(draw) for name, draw in rivals.items()}
table([{"500 samples of": name, "Fréchet distance": f"{mean:.0f} ± {sd:.0f}"} for name, (mean, sd) in ranking.items()])

# %% [markdown]
# > **What to notice.** The order is now as promised: the VAE with 10 latents is ahead of the autoencoder with a fitted Gaussian, and the best is close to real digits. (± is the spread over three draws.)
# > The best also had most of everything: 1.3 million weights, 40,000 steps and a learned prior, against a quarter million and 8,000 to 10,000 steps. So this is no proof that VAEs are better, only that they are enough.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
fitted_gaussian, ten, forty, real = ranking.values()
assert fitted_gaussian[0] - fitted_gaussian[1] > ten[0] + ten[1] and ten[0] > 5 * forty[0] and forty[0] < 3 * real[0], ranking
assert round(best.record["parameters"] / 1e6, 1) == 1.3 and best.record["steps"] == 40_000
for other, steps in ((bottlenecks[16], 8_000), (playground.model, 10_000)):
    assert 0.2e6 < other.record["parameters"] < 0.26e6 and other.record["steps"] == steps
assert playground.model.config["latents"] == 10

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · A tighter bound
#
# The ELBO uses one sample at a time. With $k$ samples, average the weights *before* the logarithm:
#
# $$\mathcal L_k(x)=\mathbb E\left[\log\frac1k\sum_{i=1}^k\frac{p_\theta(x\mid z_i)\,p(z_i)}{q_\phi(z_i\mid x)}\right],\qquad
# \mathrm{ELBO}=\mathcal L_1\le\mathcal L_2\le\dots\le\log p_\theta(x)$$
#
# This is the **importance-weighted bound**. Papers report it with $k$ in the hundreds or thousands as "the" log-likelihood of a VAE.
# Pixels are made 0 or 1 first, by a coin with the grey value as its chance of heads.

# %%
show_source(VAE.log_weights)
show_source(VAE.iwae_bound)
from course_lib.distributions import log_mean_exp

torch.manual_seed(0)
binary = datasets.binarise(x_test[::20])  # 50 test images
ks = [1, 2, 10, 20, 100, 200, 1000, 2000]
with torch.no_grad():
    log_w = torch.cat([best.log_weights(binary, 200) for _ in range(10)])  # 2,000 draws an image
levels_of = {k: log_mean_exp(log_w.view(2000 // k, k, -1), 1) for k in ks}  # all draws in groups of k: (groups, images)
bounds = [levels_of[k].mean().item() for k in ks]
curves(
    {"this VAE, 50 test images, averaged over 2,000 draws": (ks, bounds)},
    x_label="number of samples k",
    y_label="bound on log p(x), nats",
    log_x=True,
    markers=True,
)
print(
    "\n".join(f"k = {k:5}: {bound:.2f}" for k, bound in zip(ks, bounds)),
    f"\n± {log_w.mean(0).std() / 50**0.5:.1f} over images, the same images at every k",
)

# %% [markdown]
# > **What to notice.** From $k=1$ to 20 the bound gains two nats. Then it crawls, and does not level off: from 200 to 2,000 it still gains 0.1 to 0.2.
# > The gain over $k=1$ is a lower estimate of the gap of section 5, $\mathrm{KL}(q_\phi\,\|\,p_\theta(z\mid x))$: at least 2.5 nats on average.
#
# Where does the gap come from? Perhaps no diagonal Gaussian fits the posterior (**approximation gap**). Perhaps one does, and the encoder misses it (**amortisation gap**; Cremer et al. 2018).
# To tell them apart, give each of the 50 images a $q$ of its own: start from the encoder's $\mu$ and $\log\sigma^2$ and climb the ELBO, with both networks fixed. The better $q$ makes the bound $\mathcal L_k$ tighter, too.
#
# **Predict first.** Which part of the gap is larger?

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert len(binary) == 50 and all(a < b for a, b in zip(bounds, bounds[1:]))
gain = dict(zip(ks, bounds))
assert 1.5 < gain[20] - gain[1] < 2.5 and 0.1 - 0.03 < gain[2000] - gain[200] < 0.2 + 0.03 and gain[2000] - gain[1] > 2.5

# %%
q = best.posterior(binary)
mean, log_var = (v.detach().clone().requires_grad_(True) for v in (q.mean, q.log_var))
optimiser = torch.optim.Adam([mean, log_var], lr=0.02)


def log_weights_of(q, draws):
    z = q.sample(draws)
    return best.log_likelihood(binary, z) + best.prior.log_prob(z, best) - q.log_prob(z)


for _ in range(80):
    bound = log_weights_of(DiagonalGaussian(mean, log_var), 8).mean()  # the ELBO
    mean.grad, log_var.grad = torch.autograd.grad(-len(binary) * bound, [mean, log_var])
    optimiser.step()
with torch.no_grad():
    log_w_own = torch.cat([log_weights_of(DiagonalGaussian(mean, log_var), 200) for _ in range(5)])  # 1,000 draws an image
amortised, refined, tight = log_w.mean(0), log_w_own.mean(0), log_mean_exp(log_w_own, 0)
rows = {"ELBO, q from the encoder": amortised, "ELBO, q of each image's own": refined, "L_k, q of each image's own, k = 1,000": tight}
table([{"bound on log p(x), 50 images": name, "nats": f"{v.mean():.1f}"} for name, v in rows.items()])

# %% [markdown]
# > **What to notice.** The larger part of the gap is amortisation: 80 steps for each image recover about three fifths of it. (Seven times as many steps recover no more; we measured that once.)
# > The encoder's guess is worst on unlikely images: what an image recovers and its $-\log p(x)$ correlate by about 0.6, and five of the 50 images make a third of the sum.
# > What is left, about one nat, is the approximation gap, or a little less than it, since $\mathcal L_k$ is a bound, too.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert next(iter(optimiser.state.values()))["step"] == 80 and len(binary) == 50
recovered = refined - amortised
assert 0.53 < recovered.mean() / (tight - amortised).mean() < 0.67 and 0.8 < (tight - refined).mean() < 1.3
assert abs(torch.corrcoef(torch.stack([recovered, -tight]))[0, 1] - 0.6) < 0.1
assert 0.28 < recovered.topk(5).values.sum() / recovered.sum() < 0.42

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · One latent, one meaning? β
#
# Multiply the rate by $\beta$:
#
# $$\mathcal L_\beta=\text{distortion}+\beta\cdot\text{rate}$$
#
# $\beta=1$ is the ELBO. Larger values make information expensive, so the model keeps only what pays most, and tends to put independent causes on separate latents:
# **disentanglement**. $\beta=0$ is an autoencoder with noise it can switch off.
#
# **Predict first.** As β grows from 0 to 16, what happens to the reconstructions? To the number of latents in use? To samples from the prior?

# %%
betas = checkpoints.load_family("beta_vae_mnist")
dial = widgets.BetaExplorer(betas, x_test[2::100])
dial.beta.value = 8
dial

# %% [markdown]
# > **What to notice.** At $\beta=0$ reconstructions are best and samples are garbage: the codes are nowhere near the prior. Of the seven models, $\beta=1$ has the samples with the smallest Fréchet distance, and $\beta=2$ is close.
# > At $\beta=16$ one bar of ten is left. Nineteen of twenty samples are read as an 8, the digit that the average of all digits resembles, and one reconstruction in seven keeps its class.
# > The point slides along one curve: **rate–distortion**. You buy detail with nats. (The curve is what these networks reach, not the best that is possible.)
# > One thing the picture does not show: $\beta=0.5$ ends with an ELBO one nat *higher* than $\beta=1$, and on training images as well. So after 10,000 steps the model with β = 1 has not found the optimum of its own objective.
#
# Digits do not come with their causes. **Sprites** do: each image has a known shape, scale, orientation, x and y. So do **faces**, drawn from parts: nine words say what any of them shows, such as its skin, glasses and background. So we can ask whether a latent means one thing.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
numbers = {beta: model.record["numbers"] for beta, model in betas.items()}
rates, distortions = [n["rate"] for n in numbers.values()], [n["distortion"] for n in numbers.values()]
assert rates == sorted(rates, reverse=True) and distortions == sorted(distortions) and numbers[16]["active_latents"] == 1
far = {b: distance(model.sample, seeds=2)[0] for b, model in betas.items()}
assert sorted(far, key=far.get)[:2] == [1, 2] and far[2] < 1.2 * far[1] and far[0] > 5 * far[1], far
q = betas[0].posterior(x_test)
assert q.std.mean() < 0.01 * q.mean.std(0).mean()  # β = 0 has switched its noise off
torch.manual_seed(0)
assert (metrics.predicted_digits(betas[16].sample(500)) == 8).float().mean() > 0.9  # 19 of 20
assert metrics.predicted_digits(x.mean(0, keepdim=True)).item() == 8
assert 0.12 < metrics.class_accuracy(betas[16].reconstruct(x_test).detach(), unseen.y) < 0.18  # one in seven
with torch.no_grad():
    in_training = [betas[b].elbo(x).mean() for b in (0.5, 1)]
assert 0.4 < in_training[0] - in_training[1] < 1.5
assert 0.5 < numbers[0.5]["elbo"] - numbers[1]["elbo"] < 1.5 and playground.model.record["steps"] == 10_000

# %%
sprites = datasets.load("sprites", "test")
sprite_betas = checkpoints.load_family("beta_vae_sprites")
dial = widgets.BetaExplorer(sprite_betas, sprites.images()[::700])
dial.beta.value = 8
display(dial)
face_betas = checkpoints.load_family("beta_vae_faces")
widgets.BetaExplorer(face_betas, datasets.load("faces", "test").images()[:7])


# %% [markdown]
# Four scores put numbers on it. All compare codes with true factors; 1 is best.
#
# | score | asks | source |
# |---|---|---|
# | MIG | how much more one latent knows of a factor than the runner-up | Chen et al. 2018 |
# | DCI | whether each latent is used for one factor only (importance in a forest) | Eastwood & Williams 2018 |
# | SAP | how much better the best latent predicts a factor than the second best | Kumar et al. 2018 |
# | FactorVAE | which latent stops varying when one factor is held fixed | Kim & Mnih 2018 |

# %%
def row(beta, n):
    scores = {"MIG": n["mig"], "DCI": n["dci_disentanglement"], "SAP": n["sap"], "FactorVAE": n["factor_vae"]}
    return {"β": beta, "rate (nats)": n["rate"], "distortion (nats)": n["distortion"], "latents in use": n["active_latents"], **scores}


families = {"sprites": sprite_betas, "faces": face_betas}
table([{"images": name, **row(beta, model.record["numbers"])} for name, family in families.items() for beta, model in family.items()])

# %% [markdown]
# > **What to notice.** Sprites: from β = 0.5 to 8, MIG, DCI and SAP more than double. At 16, MIG and SAP fall back a little, and DCI does not.
# > The price is in the columns before them: at β = 8 three latents are left, and the distortion is twice that of β = 1.
# > FactorVAE hardly moves, and likes β = 0 best.
# >
# > **Faces** are harder: seventeen causes, ten latents. MIG and SAP double from β = 0.1 to 1, and fall at 2. At β = 1 the background has a latent of its own, which knows 0.97 of its 1.61 nats; all others know next to nothing of it. Of the mood no latent of any model knows a tenth of a nat, and the face network reads it in the reconstructions as if by chance: a mouth is a few pixels.
# > The price: of the words of a face, 82 % can be read in the reconstruction at β = 0.1, 74 % at 1.
# >
# > The scores measure different things, and none of them can be computed without labels. Each row is one trained model; another seed would move them
# > (Locatello et al. found that seeds matter as much as β. They also proved that no objective without labels can tell a disentangled code from an entangled one, unless it assumes something about model or data.)
#
# ### Perturb one latent at a time
#
# Move the sliders of the model with β = 8. Name each latent by what it moves. Which causes of the picture have no slider at all?

# %% slideshow={"slide_type": "skip"} tags=["claim"]
scores = {b: m.record["numbers"] for b, m in sprite_betas.items()}
assert all(scores[8][key] > 2 * scores[0.5][key] for key in ("mig", "dci_disentanglement", "sap"))
assert [scores[16][key] < scores[8][key] for key in ("mig", "sap", "dci_disentanglement")] == [True, True, False]
assert scores[8]["active_latents"] == 3 and 1.9 < scores[8]["distortion"] / scores[1]["distortion"] < 2.1
assert max(scores, key=lambda b: scores[b]["factor_vae"]) == 0 and all(0.58 < n["factor_vae"] < 0.7 for n in scores.values())
of_faces = {b: m.record["numbers"] for b, m in face_betas.items()}
assert all(1.9 < of_faces[1][key] / of_faces[0.1][key] < 2.2 and of_faces[2][key] < 0.75 * of_faces[1][key] for key in ("mig", "sap"))
assert (
    max(n["mig"] for n in of_faces.values()) < 0.5 * scores[8]["mig"] and face_betas[1].latents == 10 and len(datasets.faces.FACTORS) == 17
)
people, kept = datasets.load("faces", "test"), {}
seen_faces, spoken = people.images()[:4000], datasets.faces.attributes(people.y[:4000])
mood, ground = (list(datasets.faces.ATTRIBUTES).index(name) for name in ("mouth", "background"))
for b, m in face_betas.items():
    with torch.no_grad():
        codes, back = m.encode(seen_faces), m.reconstruct(seen_faces)
    known = metrics.mutual_information_matrix(codes, spoken[:, [mood, ground]])
    kept[b] = metrics.factor_accuracy(back, people.y[:4000], words=True)
    assert known[:, 0].max() < 0.1 and abs(kept[b]["mouth"] - 0.5) < 0.02
    if b == 1:
        assert abs(known[:, 1].max() - 0.97) < 0.02 and sorted(known[:, 1])[-2] < 0.05
assert round(math.log(5), 2) == 1.61 and [round(100 * sum(kept[b].values()) / len(kept[b])) for b in (0.1, 1)] == [82, 74]

# %%
display(widgets.LatentExplorer(sprite_betas[8], images=sprites.images()[::700]))
# the same by numbers: mutual information (nats) between each latent and each factor
codes = sprite_betas[8].encode(sprites.images())
information = metrics.mutual_information_matrix(codes, sprites.y)
table([{"latent": f"z{j + 1}", **dict(zip(sprites.factors, map(float, line.round(2)), strict=True))} for j, line in enumerate(information)])

# %% [markdown]
# > **What to notice.** *Orientation* has no slider: no latent knows more than a tenth of a nat of it. x and y have one each. The third slider, z2, knows the scale *and* part of the shape, 0.68 of the 1.10 nats that three shapes have.
# > Yet it is neither. It is the number of white pixels (rank correlation above 0.99): shapes of one scale differ in it by a third. So shape is not lost but **entangled** with scale.
# > Cross-entropy counts pixels, and so does a latent that must pay for itself.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
orientation, shape = list(sprites.factors).index("orientation"), list(sprites.factors).index("shape")
assert information[:, orientation].max() < 0.1
assert sorted(information[:, list(sprites.factors).index(name)].argmax() for name in ("scale", "x", "y")) == [1, 2, 7]
assert round(float(information[1, shape]), 2) == 0.68 and information[:, shape].argmax() == 1 and round(math.log(3), 2) == 1.10
white = sprites.images().flatten(1).sum(1)
ranks = torch.stack([codes[:, 1].detach(), white]).argsort(1).argsort(1).double()
assert torch.corrcoef(ranks)[0, 1].abs() > 0.99
sizes_of = [white[(sprites.y[:, 1] == 5) & (sprites.y[:, 0] == kind)].mean() for kind in range(3)]  # the three shapes at the largest scale
assert 0.25 < 1 - min(sizes_of) / max(sizes_of) < 0.4

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · Break it: posterior collapse
#
# Early in training the codes say nothing yet, so the decoder learns to ignore them. Then the cheapest cloud is the prior itself, with KL zero, and the encoder has no reason to come back.
# That is **posterior collapse**. It takes all latents, or, as below, most of them. Deep networks and strong decoders invite it.
#
# Below, one deep VAE was trained three times from the same start: as it is, with β rising from 0 to 1 (**annealing**), and with **free bits**: the first half nat of each latent is not charged.
#
# **Predict first.** Which run uses its latents first? Which keeps them? Press play.

# %%
widgets.AnnealingPlayback(checkpoints.recordings("kl_annealing"))

# %% [markdown]
# > **What to notice.** At step 100 both cures use all 16 latents. The run without a cure falls to a single one, and from step 400 to 1,000 stays there. In the end it has 3, and its ELBO lags by 11 nats.
# > Annealing lets latents become useful before they cost anything. Yet it ends with 4, only one more. Free bits keep all 16 alive, most of them at about the half nat that is free.
# > These half nats pay for themselves: the run spends 4 nats more than the annealed one, and its ELBO is the same.
# > The ELBO of all three is measured at β = 1, so it is fair to compare. But each is one run, so read the 0.2 nats between the two cures as a tie.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
film = checkpoints.recordings("kl_annealing")
used = {name: (torch.as_tensor(r["kl"]) > 0.05).sum(1).tolist() for name, r in film.items()}
last = {name: float(r["elbo"][-1]) for name, r in film.items()}
assert [int(film["none"]["steps"][1]), used["none"][1], used["annealing"][1], used["free bits"][1]] == [100, 3, 16, 16]
assert film["none"]["steps"][[4, 10]].tolist() == [400, 1_000] and set(used["none"][4:11]) == {1} and min(used["annealing"][4:11]) >= 4
spent = {name: float(torch.as_tensor(r["kl"][-1]).sum()) for name, r in film.items()}
assert abs(spent["free bits"] - spent["annealing"] - 4) < 0.5
assert [counts[-1] for counts in used.values()] == [3, 4, 16]
assert all(abs(last[cure] - last["none"] - 11) < 1 for cure in last if cure != "none")
assert all(10.5 < last[cure] - last["none"] < 12 for cure in ("annealing", "free bits"))
assert abs(abs(last["annealing"] - last["free bits"]) - 0.2) < 0.1
idle = torch.as_tensor(film["free bits"]["kl"][-1])
assert ((idle > 0.4) & (idle < 0.7)).sum() > 8

# %%
from course_lib.autoencoders import active_latents, beta_schedule

show_source(beta_schedule)
show_source(VAE.loss_with_free_bits)
# do it yourself: the live model with the rent 30 times too high (a mild form of the slip of section 7), and then the repair: go on with β = 1
training.seed_everything(0)
model = VAE(latents=16, hidden=(128, 128), beta=30.0)
found = []
for beta in (30.0, 1.0):
    model.beta = beta
    training.fit(model, x, **live | {"steps": 200}, progress=False)
    found.append((active_latents(model, x_test), model.elbo(x_test).mean().item()))
    print(f"200 steps at β = {beta:2.0f}: {found[-1][0]:2} of 16 latents in use, ELBO {found[-1][1]:.0f} nats")

# %% [markdown]
# > **What to notice.** At thirty times the price no latent is worth it. Back at the right price the same weights take most of their latents into use again: this small network had collapsed because of the price alone.
# > In the deep one above, the price was right, and most latents stayed collapsed.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert found[0][0] == 0 and found[1][0] >= 8 and found[1][1] > found[0][1] + 20

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · When the loss becomes NaN
#
# $\sigma$ must be positive, so we predict $\log\sigma^2$ and exponentiate. Let the learning rate be too high and $\exp$ overflows: infinity in the KL, NaN in the weights.
# `fit` stops before the damage and says what to look at.

# %%
training.seed_everything(0)
try:
    training.fit(VAE(latents=16, hidden=(128, 128)), 3e38 * x + x, steps=20, batch_size=100, lr=1e-3, progress=False)
except ValueError as error:
    print("a wrong range is caught first:", error)


class Unguarded(VAE):
    """The same model without the bound on log σ² that `VAE.posterior` has."""

    def posterior(self, x, y=None):
        return DiagonalGaussian(*self.encoder(x).chunk(2, 1))


try:
    training.fit(Unguarded(latents=16, hidden=(128, 128)), x, steps=200, batch_size=100, lr=0.3, progress=False)
except training.TrainingDiverged as error:
    print("\n", error)
run = training.fit(VAE(latents=16, hidden=(128, 128)), x, steps=100, batch_size=100, lr=2e-3, clip=100.0, progress=False)
print(f"\nwith a sane rate: loss {run.history[0]['loss']:.0f} → {run.history[-1]['loss']:.0f}")
guarded = training.fit(VAE(latents=16, hidden=(128, 128)), x, steps=20, batch_size=100, lr=0.3, progress=False)
print(f"with the bound and the rate that is too high: loss {guarded.history[-1]['loss']:.0f}, finite and useless")


# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · What the rent pays for, and a better prior
#
# Average the rate over the images. Let $q(z)=\frac1N\sum_n q_\phi(z\mid x_n)$ be all the clouds together, the **aggregated posterior**. Put it into the logarithm, once above and once below the line:
# $\log\frac{q(z\mid x)}{p(z)}=\log\frac{q(z\mid x)}{q(z)}+\log\frac{q(z)}{p(z)}$. The averages of the two parts have names (**ELBO surgery**, Hoffman & Johnson 2016):
#
# $$\mathbb E_x\,\mathrm{KL}\big(q_\phi(z\mid x)\,\|\,p(z)\big)=I_q(x;z)+\mathrm{KL}\big(q(z)\,\|\,p(z)\big)$$
#
# $I_q$, the **mutual information**, is what a code tells about its image. It does not contain the prior. Only the second part is waste, and only it depends on the prior. (With $N$ images $I_q$ is at most $\log N$: a code cannot tell more than which image it came from.)
# Below, both are estimated for the VAE with two latents. $q(z)$, meant over all digits, becomes a mixture of the clouds of 5,000 images. If the cloud that $z$ came from is among them, $I_q$ comes out too small on average (and never above $\log 5000=8.5$);
# without it, too large (arXiv:1905.06922, Poole et al. 2019).
#
# **Predict first.** The rate is 6.2 nats. How much of it is information?

# %%
@torch.no_grad()
def surgery(vae, own, n=1_000):
    """Rate, I_q(x; z) and KL(q(z) ‖ p) in nats, by samples from the first n clouds; `own` tells whether a sample's own cloud is in q(z)."""
    q = vae.posterior(torch.cat([x_test, x]))
    z = DiagonalGaussian(q.mean[:n], q.log_var[:n]).sample()
    clouds = -0.5 * (((z[:, None] - q.mean) ** 2 * (-q.log_var).exp()) + q.log_var + math.log(2 * math.pi)).sum(-1)  # log q(z_i | x_n)
    of_its_own = clouds.diagonal().clone()
    if not own:
        clouds.fill_diagonal_(-math.inf)
    together = clouds.logsumexp(1) - math.log(clouds.shape[1] - (not own))
    under_prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    return [v.mean().item() for v in (of_its_own - under_prior, of_its_own - together, together - under_prior)]


parts = {"own cloud in q(z)": surgery(flat, True), "own cloud left out": surgery(flat, False)}
table(
    [
        {"VAE with two latents": name, **dict(zip(("rate", "I(x; z)", "KL(q(z) ‖ p)"), (f"{v:.2f}" for v in row)))}
        for name, row in parts.items()
    ]
)

# %% [markdown]
# > **What to notice.** About 6 of the 6.2 nats are information. At most 0.5 nats are waste: the clouds together nearly are $\mathcal N(0,I)$, as the map of section 6 showed.
# > The estimate works because the rate is below $\log 5000$. For the best model, at 23 nats, even all 59,000 training images would stop it at $\log 59000=11$.
#
# The clouds of a larger model need not fit $\mathcal N(0,I)$ so well, and no decoder can be trained where no cloud lies. So learn the prior, too: the best $p(z)$ is $q(z)$ itself, for then the waste is 0.
# A mixture of all 59,000 clouds would be slow, and would fit the training images too well. The **VampPrior** ("variational mixture of posteriors") is a mixture of the encoder's answers to a few learned pseudo-images $u_c$:
# $p(z)=\frac1C\sum_c q_\phi(z\mid u_c)$. Our best model has 256 of them. Its rate has no closed form, so one sample of $q$ estimates it.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
(rate, low, waste_high), (_, high, waste_low) = parts.values()
assert 6.0 < rate < 6.4 and 5.7 < low < high < 6.2 and 0.1 < waste_low < waste_high < 0.5
assert round(math.log(5000), 1) == 8.5
assert abs(rate - flat.posterior(x_test).kl().mean().item()) < 0.2  # the samples agree with the closed form
assert round(best.record["numbers"]["rate"]) == 23 and round(math.log(59_000)) == 11
assert best.config["components"] == 256 and best.record["data"] == "mnist, 59,000 images" and 4 * len(x) < 59_000

# %%
torch.manual_seed(1)
centres, _, _ = best.prior.components(best)
shown = torch.randperm(len(centres))[:10]
show_images(
    torch.cat(
        [best.prior.pseudo[shown].sigmoid(), best.decode(centres[shown]), best.sample(10), best.decode(torch.randn(10, best.latents))]
    ),
    columns=10,
    row_labels=["pseudo-images", "their codes, decoded", "z from the VampPrior", "z from N(0, I)"],
)

# %% [markdown]
# > **What to notice.** The pseudo-images look like noise; only their codes matter. Samples from the learned prior are digits. From $\mathcal N(0,I)$ the same decoder draws wrecks, since nobody trained it there:
# > the same clouds that cost 23 nats under the VampPrior would cost 70 under $\mathcal N(0,I)$. (A VAE that is trained with $\mathcal N(0,I)$ puts its clouds elsewhere, so this does not say that its samples would be as bad.)

# %% slideshow={"slide_type": "skip"} tags=["claim"]
with torch.no_grad():
    q = best.posterior(binary)
    under = [best.prior.kl(q, q.sample(), best).mean() for _ in range(20)], q.kl().mean()
assert abs(sum(under[0]) / 20 - 23) < 2 and abs(under[1] - 70) < 5
assert (
    distance(lambda n: best.decode(torch.randn(n, best.latents)), seeds=2)[0]
    > 10 * ranking["VAE, 40 latents, the best, z ~ its own prior (section 12)"][0]
)
assert (metrics.digit_probabilities(best.decode(centres).detach()).amax(1) > 0.9).float().mean() > 0.95
assert len(metrics.predicted_digits(best.prior.pseudo.sigmoid().detach()).unique()) == 1  # as images, all pseudo-images are alike

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · On demand: the conditional VAE
#
# Give the label $y$ to both networks: $q_\phi(z\mid x,y)$ and $p_\theta(x\mid z,y)$. The class need not be in $z$ any more, and there it would cost rent. So $z$ is mostly left with what digits of all classes share: **style**.
# The bound is that of section 5 with $y$ given everywhere: $\log p_\theta(x\mid y)\ge\mathbb E_q[\log p_\theta(x\mid z,y)]-\mathrm{KL}(q_\phi(z\mid x,y)\,\|\,p(z))$.

# %%
conditional = checkpoints.load("cvae")
torch.manual_seed(3)
styles = torch.randn(4, conditional.latents).repeat_interleave(10, 0)
show_images(
    conditional.decode(styles, torch.arange(10).repeat(4)),
    columns=10,
    row_labels=[f"style {i}" for i in range(1, 5)],
    heading="One z a row, one class a column",
)

# %% [markdown]
# > **What to notice.** Slant and weight of the stroke go along a row: over 200 styles, the slants of two classes correlate by 0.9 on average, and so does their ink.
# > Nine times in ten the class is the one you asked for. Style 4 shows the tenth: its 4, 7 and 9 are broken. Its $z$ lies further out than nine of ten draws.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
with torch.no_grad():
    drawn = conditional.decode(styles, torch.arange(10).repeat(4))
    torch.manual_seed(0)
    many = torch.randn(200, conditional.latents).repeat_interleave(10, 0)
    classes = torch.arange(10).repeat(200)
    pictures = conditional.decode(many, classes)
assert (metrics.predicted_digits(drawn) == torch.arange(10).repeat(4)).view(4, 10)[:3].all()
assert set((metrics.predicted_digits(drawn)[30:] != torch.arange(10)).nonzero().flatten().tolist()) >= {4, 7, 9}
assert abs((metrics.predicted_digits(pictures) == classes).float().mean() - 0.9) < 0.02
assert (many[::10].norm(dim=1) < styles[30].norm()).float().mean() > 0.9
place = torch.arange(28.0) - 13.5
mass = pictures[:, 0] / pictures[:, 0].sum((1, 2), keepdim=True)
down, across = place - (mass.sum(2) @ place)[:, None], place - (mass.sum(1) @ place)[:, None]
slant = (mass * down[:, :, None] * across[:, None, :]).sum((1, 2)) / (mass.sum(2) * down**2).sum(1)
for trait in (slant, pictures.flatten(1).mean(1)):
    assert abs((torch.corrcoef(trait.view(200, 10).T).sum() - 10) / 90 - 0.9) < 0.03

# %% [markdown] slideshow={"slide_type": "slide"}
# **Without labels in training** there is a way, too. A VAE of faces was told nothing: 768 numbers in, 64 latents, 768 numbers out. Afterwards we take codes of faces with dark glasses and of faces without glasses. The difference of the two means is an **arrow** in latent space, $a=\bar z_{\text{dark}}-\bar z_{\text{none}}$ (Larsen et al. 2015).
# Add it to the code of a face that has no glasses, and decode $z+t\,a$. Because our faces are drawn from parts, we also know the right answer: the same face, drawn with glasses. And the **face network**, which reads each of ten words right in more than 99 % of real faces, tells whether something *else* has changed.
#
# **Predict first.** Which arrow will work better, the one for glasses or the one for a hat?

# %%
from course_lib.widgets.faces import FaceEditor

face_vae, people, new_people = checkpoints.load("vae_faces"), datasets.load("faces", "train"), datasets.load("faces", "test")
new_faces, factors, attributes = datasets.to_float(new_people.x), list(datasets.faces.ATTRIBUTES), datasets.faces.attributes
with torch.no_grad():
    z_people = torch.cat([face_vae.encode(datasets.to_float(part)) for part in people.x[:10_000].split(1_000)])


def arrow(factor, before, after):
    """The mean code with one word less the mean code with another."""
    words, found = datasets.faces.ATTRIBUTES[factor], attributes(people.y[:10_000])[:, factors.index(factor)]
    return z_people[found == words.index(after)].mean(0) - z_people[found == words.index(before)].mean(0)


def arrow_works(factor, before, after, t=1.0):
    """What t arrows do to 300 new faces with the word `before`.

    Returns: the shares that have the other word then, that have kept all else that can be seen before and after, and that have lost each
    other word; and the length of the arrow, as a share of the way from a face's own code to that of the same face drawn so
    """
    words, column = datasets.faces.ATTRIBUTES[factor], factors.index(factor)
    y = new_people.y[(attributes(new_people.y)[:, column] == words.index(before)).nonzero()[:300, 0]]
    drawn_so = datasets.faces.change(y, **{factor: after})
    with torch.no_grad():
        z, goal = (face_vae.encode(datasets.to_float(datasets.faces.draw(v))) for v in (y, drawn_so))
        moved = face_vae.decode(z + t * arrow(factor, before, after)).clamp(0, 1)
    read = metrics.predicted_attributes(moved)
    seen = datasets.faces.visible(y, words=True) & datasets.faces.visible(drawn_so, words=True)  # a hat may hide the hair
    lost = (read != attributes(y)) & seen
    lost[:, column] = False
    share = lambda v: v.float().mean(0)  # noqa: E731
    reach = arrow(factor, before, after).norm() / (goal - z).norm(dim=1).mean()
    return share(read[:, column] == words.index(after)).item(), share(~lost.any(1)).item(), share(lost), reach.item()


bare = new_people.y[(attributes(new_people.y)[:, factors.index("glasses")] == 0).nonzero()[:10, 0]]
with torch.no_grad():
    z_bare, glasses = face_vae.encode(datasets.to_float(datasets.faces.draw(bare))), arrow("glasses", "none", "dark")
    steps_along = [face_vae.decode(z_bare + t * glasses).clamp(0, 1) for t in (0, 0.5, 1)]
show_images(
    torch.cat([*steps_along, datasets.to_float(datasets.faces.draw(datasets.faces.change(bare, glasses="dark")))]),
    columns=10,
    row_labels=["z", "z + a/2", "z + a", "drawn so"],
)
moves = {
    ("glasses", "none", "dark"): "no glasses → dark",
    ("beard", "none", "beard"): "no beard → beard",
    ("mouth", "sad", "happy"): "sad → happy",
    ("hat", "none", "hat"): "no hat → hat",
}
obeyed, further, untouched = ({move: arrow_works(*move, t=t) for move in moves} for t in (1.0, 1.5, 0.0))
rows = []
for move, name in moves.items():
    (has, same, _, reach), (has_more, same_more, *_) = obeyed[move], further[move]
    rows.append({"arrow": name, "has it": f"{has:.0%}", "all else as before": f"{same:.0%}"})
    rows[-1] |= {"the same, only decoded": f"{untouched[move][1]:.0%}", "arrow's length / way of a face": f"{reach:.2f}"}
    rows[-1] |= {"at 1.5 a: has it": f"{has_more:.0%}", "all else": f"{same_more:.0%}"}
display(table(rows))
FaceEditor(face_vae)

# %% [markdown]
# > **What to notice.** Glasses and beards arrive nearly always, and about six faces in seven keep all else that can be seen; without any arrow nineteen in twenty do. The mood arrives in little more than half. Two faces in three get the hat, and one in three loses something, most often the colour of the hair.
# > An arrow is the mean of changes that are not alike, so it is shorter than any face's own way: for glasses and beard it has two thirds of that length or more, for mood and hat about half. Go half as far again, and nearly all wear the hat, but half have lost something else. The editor shows what the 64 latents keep of *your* face: go through the mouths.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
(has_glasses, kept_glasses, _, way_glasses), (has_beard, kept_beard, _, way_beard), *others = obeyed.values()
(has_mood, _, _, way_mood), (has_hat, kept_hat, lost_hat, way_hat) = others
assert min(has_glasses, has_beard) > 0.93 and abs(kept_glasses - 6 / 7) < 0.06 and abs(kept_beard - 6 / 7) < 0.06
assert all(abs(same - 19 / 20) < 0.04 for _, same, *_ in untouched.values())
assert 0.5 < has_mood < 0.66 and abs(has_hat - 2 / 3) < 0.08 and abs(kept_hat - 2 / 3) < 0.07
assert factors[lost_hat.argmax()] == "hair_colour"
assert min(way_glasses, way_beard) > 0.63 and abs(way_mood - 1 / 2) < 0.09 and abs(way_hat - 1 / 2) < 0.09
has_hat, kept_hat, *_ = further["hat", "none", "hat"]
assert has_hat > 0.95 and abs(kept_hat - 1 / 2) < 0.08 and further["mouth", "sad", "happy"][0] > has_mood + 0.1
assert min(checkpoints.record("face_network")["numbers"]["word_accuracy"].values()) > 0.99
assert face_vae.latents == 64 and new_faces[0].numel() == 768

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · Repair: in-painting by looking for z
#
# Half of an image is lost. Pixels are independent *given z*, so the lost ones drop out of the sum, and the best explanation of the rest is
# $\arg\max_z\,\log p_\theta(x_{\text{known}}\mid z)+\log p(z)$. Gradient descent on $z$ finds it; the network does not change.

# %%
from course_lib.autoencoders import inpaint

show_source(inpaint, open=False)
torch.manual_seed(0)
damaged, known = x_test[7::100], torch.ones(1, 28, 28, dtype=torch.bool)
known[:, 14:] = False
repaired = inpaint(best, damaged, known)
again = inpaint(best, x_test[405:406].expand(10, -1, -1, -1), known, starts=1)  # one 4, ten searches, each from a start of its own
show_images(
    torch.cat([damaged, torch.where(known, damaged, 0.5), repaired, again]),
    columns=10,
    row_labels=["truth", "given", "repaired", "one 4, ten searches"],
)

# %% [markdown]
# > **What to notice.** The lower halves fit the upper ones. Nearly all ten make the right digit, though not the right pixels; of 50 others, about four in five do. The best of eight starts is shown.
# > In the last row, the upper half of a single 4 is completed from ten starts, and ends as a 4 or as another digit, mostly a 0. Each answer is *one* explanation, a local mode of $p(z\mid x_{\text{known}})$, and does not say how sure it is.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
right = metrics.predicted_digits(repaired) == unseen.y[7::100]
assert right.sum() >= 9
more = inpaint(best, x_test[3::20], known)
assert len(more) == 50 and abs((metrics.predicted_digits(more) == unseen.y[3::20]).float().mean() - 4 / 5) < 0.08
with torch.no_grad():
    off = (repaired - damaged)[:, :, 14:].square().mean()
    assert off > 2 * (best.reconstruct(damaged) - damaged)[:, :, 14:].square().mean()  # a good digit, not the same pixels
ends = metrics.predicted_digits(again)
assert 2 <= (ends == 4).sum() <= 8 and (ends == 0).sum() >= (ends != 4).sum() / 2
assert torch.equal(again[:, :, :14], x_test[405:406, :, :14].expand(10, -1, -1, -1))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · Anomalies: three scores, and a blind spot
#
# A model of faces should be bad at what is no whole face. Three scores of one VAE: the distortion, the rate, and their sum, $-\mathrm{ELBO}$.
# Each is averaged over 16 draws of $z$, so that an image's score does not depend on one. (This decoder is a Gaussian with one learned σ of five grey levels. A density may exceed 1, so its distortion may be negative; one number that is 100 levels off costs about 180 nats.) We judge a score by the **area under its ROC curve**: the chance that an anomaly scores higher than a usual image; 0.5 is guessing.
# Our faces are drawn from parts, so we can put a part out of place: a mouth on the forehead, mouth and eyes exchanged, halves of two people. Each pixel is one that faces have; only the place is wrong.
#
# **Predict first.** Which of the three separates best? And what will they say of a whole face with a *combination* that no training face has, such as red hair and a green top?

# %%
torch.manual_seed(0)
normal, lifted, exchanged, halves = new_faces[:300], *new_faces[300:600].clone().split(100)
lifted[:, :, 1:4, 3:12] = new_faces[300:400, :, 9:12, 3:12]  # rows 9 to 11 are the mouth's, 5 to 7 those of the eyes
exchanged[:, :, 5:8, 3:12], exchanged[:, :, 9:12, 3:12] = new_faces[400:500, :, 9:12, 3:12], new_faces[400:500, :, 5:8, 3:12]
halves[..., 8:] = new_faces[600:700, ..., 8:]
others, kinds = torch.cat([lifted, exchanged, halves]), torch.arange(3).repeat_interleave(100)


@torch.no_grad()
def in_parts(vae, images, draws=16):
    """Distortion, rate and −ELBO of each image, averaged over draws of z: (n,) each, nats."""
    distortion, rate = (torch.stack(v).mean(0) for v in zip(*[vae.terms(images) for _ in range(draws)]))
    return {"distortion": distortion, "rate": rate, "−ELBO": distortion + rate}


usual, odd = in_parts(face_vae, normal), in_parts(face_vae, others)
scores = {name: (usual[name], odd[name]) for name in usual}
display(widgets.AnomalyExplorer(scores, (normal, others)))
never_seen = in_parts(face_vae, datasets.to_float(datasets.load("faces", "held_out").x[::5]))  # whole, 200 with each pair that is new
areas = {
    name: {
        kind: metrics.auroc(a, b[kinds == i])
        for i, kind in enumerate(("mouth on the forehead", "mouth and eyes exchanged", "halves of two"))
    }
    | {"whole, pair never seen": metrics.auroc(a, never_seen[name])}
    for name, (a, b) in scores.items()
}
display(table([{"area under the ROC curve": name, **{kind: round(float(v), 2) for kind, v in row.items()}} for name, row in areas.items()]))
by_pair = {
    " + ".join(" ".join(dict.fromkeys((word, name.removesuffix("_colour")))) for name, word in ((a, b), (c, d))): metrics.auroc(
        usual["−ELBO"], v
    )
    for (a, b, c, d), v in zip(datasets.faces.HELD_OUT, never_seen["−ELBO"].chunk(5))
}
bearded = attributes(new_people.y[1_000:3_000])[:, factors.index("beard")] == 1  # a quarter, here and in training
by_beard = metrics.auroc(usual["−ELBO"], in_parts(face_vae, new_faces[1_000:3_000][bearded])["−ELBO"])
print("−ELBO, pair by pair:", ", ".join(f"{pair} {v:.2f}" for pair, v in by_pair.items()), f"\nany beard: {by_beard:.2f}")
# a blank digit, from a broken camera
blank, some_digits = torch.zeros(256, 1, 28, 28), x_test[1::3][:300]  # the same image 256 times: 256 draws at once
rows, verdicts = [], {}
for name, judge in {"best VAE, VampPrior": best, "VAE β = 1, N(0, I)": betas[1]}.items():
    of_blank, of_digits = in_parts(judge, blank, 8), in_parts(judge, some_digits, 8)
    verdicts[name] = of_blank, of_digits
    rows.append({"blank image under": name} | {key: f"{v.mean():.0f} (digits {of_digits[key].mean():.0f})" for key, v in of_blank.items()})
table(rows)

# %% [markdown]
# > **What to notice.** Distortion does all of the work. The decoder cannot draw a mouth up there, and pays for every pixel. The rate finds nothing odd in a part out of place, and halves of two people even cost *less* rate than a person.
# > The last column is no anomaly: whole faces, but each with a pair of words that training never held together. They rank above a usual face in seven of ten cases. Look at the pairs: red hair with a green top passes, and a green beard is caught nearly always. Any beard at all, and a quarter of the training faces wear one, ranks as high as the five pairs together. So the score does not say *never seen* but *dear to draw*: with people in the pictures, that is who gets stopped at the gate.
# > Now a blank image, for models of digits. For our best one it is an anomaly by its *distortion*, about 170 nats against 70; its rate is that of a digit. The VAE with β = 1 says the opposite:
# > a blank image is more normal than the average digit, by every score. Most of that is the rate: 2 nats, against 16 for a digit. Low $-\mathrm{ELBO}$ means "cheap to describe", not "one of ours".
# > So do not trust a score before you have shown it *your* anomalies. Lecture 04 meets some that even an exact likelihood calls normal.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
*broken, rare = zip(*(areas[name].values() for name in ("distortion", "rate", "−ELBO")))
assert all(by_distortion > 0.98 and by_both > 0.98 and by_rate < 0.7 for by_distortion, by_rate, by_both in broken), broken
assert 0.35 < broken[0][1] < 0.65 and odd["rate"][kinds == 2].mean() < usual["rate"].mean() - 3
assert 0.63 < rare[0] < 0.77 and 0.63 < rare[2] < 0.77, rare  # seven of ten
assert abs(by_pair["red hair + green clothing"] - 0.5) < 0.08 and by_pair["green hair + beard"] > 0.95 and len(by_pair) == 5, by_pair
assert abs(by_beard - rare[2]) < 0.06 and abs((attributes(people.y)[:, factors.index("beard")] == 1).float().mean() - 1 / 4) < 0.02
assert abs(255 * (0.5 * face_vae.log_var).exp() - 5) < 0.5 and abs((100 / 255) ** 2 / face_vae.log_var.exp() / 2 - 180) < 10
assert not datasets.faces.held_out(datasets.load("faces", "train").y).any() and checkpoints.record("vae_faces")["data"].startswith("faces")
(blank_best, digits_best), (blank_small, digits_small) = verdicts.values()
assert abs(blank_best["distortion"].mean() - 170) < 15 and abs(digits_best["distortion"].mean() - 70) < 5
assert abs(blank_best["rate"].mean() - digits_best["rate"].mean()) < 2
assert all(blank_small[key].mean() < digits_small[key].mean() for key in blank_small)
cheaper = {key: digits_small[key].mean() - blank_small[key].mean() for key in blank_small}
assert abs(blank_small["rate"].mean() - 2) < 1 and abs(digits_small["rate"].mean() - 16) < 1.5 and cheaper["rate"] > cheaper["−ELBO"] / 2

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16 · Features for another task
#
# Labels are dear, images are cheap. Train a linear classifier on codes (a **linear probe**), with only a few labels.

# %%
encoders = {
    "pixels (784)": lambda v: v.flatten(1),
    "autoencoder, 16 latents": bottlenecks[16].encode,
    "denoiser σ = 0.5, 64 latents": checkpoints.load("denoiser_mnist_s0.5").encode,
    "VAE, 40 latents": best.encode,
}
rows, accuracy = [], {}
for name, encode in encoders.items():
    train_codes, test_codes = encode(x).detach(), encode(x_test).detach()
    for n in (50, 200, 1000):
        draws = [torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:n] for seed in range(3)]
        accuracy[name, n] = torch.tensor([metrics.linear_probe(train_codes[i], digits.y[i], test_codes, unseen.y) for i in draws])
    rows.append({"features": name} | {f"{n} labels": f"{v.mean():.2f} ± {v.std():.2f}" for (who, n), v in accuracy.items() if who == name})
table(rows)

# %% [markdown]
# > **What to notice.** The VAE's codes win every column. Their lead over pixels is 18 points with 50 labels and 6 with 1,000: features matter most where labels are few. (± is the spread over three choices of the labelled images.)
# > With 1,000 labels the autoencoder's 16 numbers are no better than 784 pixels. The models differ in size and training, so the table ranks these four, not their families. The encoders saw 59,000 images without labels; the pixels saw nothing.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
average = {key: v.mean().item() for key, v in accuracy.items()}
pixels, code_16, _, code_vae = encoders
for n in (50, 200, 1000):
    assert max(encoders, key=lambda name: average[name, n]) == code_vae
lead = [100 * (average[code_vae, n] - average[pixels, n]) for n in (50, 1000)]
assert abs(lead[0] - 18) < 4 and abs(lead[1] - 6) < 2.5, lead
assert abs(average[code_16, 1000] - average[pixels, 1000]) < 0.02
assert x[0].numel() == 784 and bottlenecks[16].config["latents"] == 16 and "59,000" in bottlenecks[16].record["data"] and len(x) < 59_000

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 17 · A biased data set, and what is learned from it
#
# In 4,000 faces, glasses and skin go together. Of the faces with light or tan skin (here *paler*) 97 % wear glasses, of those with brown or dark skin (*darker*) 3 %. Nobody wrote that down.
# Two models learn from their codes. (The VAE is that of section 13, trained on all faces, so nothing here is the fault of its latents.) One draws new faces: a mixture of 20 Gaussians (lecture 01) over the codes. The other is the arrow "add glasses" of section 13.
# Do weights $w$ help, by which faces are drawn more or less often? We try two kinds. One needs no labels. If something is rare in a latent, draw it more often (after Amini et al. 2019, doi:10.1145/3306618.3314243, whose encoder learns from the biased images, too):
#
# $$w(x)\propto\prod_j\frac1{\hat h_j(z_j(x))+\alpha},\qquad \hat h_j(z_j)=\text{share of all codes in the same tenth of the range of latent }j$$
#
# A large α makes all weights alike. The other kind needs to know the groups: each of the four combinations of skin and glasses is drawn equally often. The **effective sample size** $1/\sum w^2$ says how many faces of equal weight such a set is worth.
#
# **Predict first.** Add the arrow "glasses" of these data to a face with dark skin. What will you see?

# %%
from course_lib.autoencoders import balancing_weights, resampling_weights
from course_lib.latent_spaces import start_mixture

show_source(resampling_weights)
show_source(balancing_weights)


def darker_with_glasses(words):
    """Which of the faces with these words (n, 10) have brown or dark skin, and which wear glasses: (n, 2)."""
    return torch.stack([words[:, factors.index("skin")] >= 2, words[:, factors.index("glasses")] >= 1], 1)


of_all = darker_with_glasses(attributes(people.y[:10_000])).long()
cell = 2 * of_all[:, 0] + of_all[:, 1]  # paler without and with glasses, darker without and with
biased = torch.cat([(cell == k).nonzero()[:count, 0] for k, count in enumerate((60, 1_940, 1_940, 60))])
codes_of, (darker, glasses_on) = z_people[biased], of_all[biased].T
weights = {
    "none": torch.full((4_000,), 1 / 4_000, dtype=torch.float64),
    "rare latents": resampling_weights(codes_of, 10.0),
    "known groups": balancing_weights(cell[biased]),
}


def faces_from(weights, seed, n=500):
    """Faces from 20 Gaussians, fitted to codes that are drawn with these weights."""
    torch.manual_seed(seed)
    evenly = (torch.arange(4_000) + 0.5) / 4_000
    codes = codes_of[torch.searchsorted(weights.cumsum(0), evenly.double()).clamp(max=3_999)]  # each as often as its weight says
    mixture = start_mixture(codes, 20, seed)
    for _ in range(8):
        mixture = mixture.em_step(codes, floor=1e-2)
    with torch.no_grad():
        return face_vae.decode(mixture.sample(n)[0]).clamp(0, 1)


def wear_glasses(x):
    """The share that wears glasses, of the faces read as paler and of those read as darker."""
    is_darker, has = darker_with_glasses(metrics.predicted_attributes(x)).T
    return torch.stack([has[is_darker == side].float().mean() for side in (0, 1)])


drawn_faces = {name: [faces_from(w, seed) for seed in range(3)] for name, w in weights.items()}
in_samples = {name: torch.stack([wear_glasses(x) for x in runs]) for name, runs in drawn_faces.items()}
plain = new_people.y[:3_000][(attributes(new_people.y[:3_000])[:, factors.index("glasses")] == 0)]
sides = darker_with_glasses(attributes(plain))[:, 0].long()
plain, sides = (torch.cat([v[sides == side][:60] for side in (0, 1)]) for v in (plain, sides))
names = ("paler", "darker"), ("no glasses", "glasses")
debias = widgets.DebiasingExplorer(
    face_vae,
    datasets.to_float(people.x[biased]),
    darker,
    glasses_on,
    names,
    datasets.to_float(datasets.faces.draw(plain)),
    sides,
    lambda v: darker_with_glasses(metrics.predicted_attributes(v)),
)
arrow_of = {}
for name in reversed(weights):
    with debias.held():
        debias.remedy.value, debias.alpha.value = name, 10.0
    arrow_of[name] = debias.edited()[1:]
display(debias)
rows = []
for name, w in weights.items():
    batch = [w[cell[biased] == k].sum().item() for k in range(4)]
    rows.append({"weights": name + (", α = 10" if name == "rare latents" else ""), "effective sample size": f"{1 / w.square().sum():,.0f}"})
    rows[-1] |= {f"batch: {side}, glasses": f"{b / (a + b):.0%}" for side, a, b in zip(names[0], batch[::2], batch[1::2])}
    rows[-1] |= {
        f"samples: {side}, glasses": f"{100 * v.mean():.0f} ± {100 * v.std():.0f} %" for side, v in zip(names[0], in_samples[name].T)
    }
    rows[-1] |= {"after the arrow: still darker": f"{arrow_of[name][0][1]:.0%}"}
table(rows)

# %% [markdown]
# > **What to notice.** The arrow has learned the bias. It puts on glasses and lightens the skin: of the darker faces about one in four is still read as darker. The mixture has kept the bias, too, a little blurred: of its paler faces five in six wear glasses, of its darker ones one in five. (± is the standard deviation over three starts of the mixture.)
# > *Rare latents* do not help. The two wrong pairs are rare, but they are rare in no latent: the one that tells them best has an area under the ROC curve of 0.58. No α of the slider brings them above 4 % of a batch, and with none does the arrow spare the skin. A small α finds faces that are odd in other ways: at α = 1 the weights are worth 150 of 4,000 images.
# > *Known groups* help both models. The arrow leaves the skin alone, and about half of the samples wear glasses, on either side. The price is in the second column: 120 faces fill half of each batch. Weights repeat what is there, and cannot invent what was never photographed.
# > To measure the bias you need the groups, and the remedy that works needs them as well.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert torch.bincount(cell[biased]).tolist() == [60, 1_940, 1_940, 60] and 1_940 / 2_000 == 0.97
paler_kept, darker_kept = zip(*(arrow_of[name][0] for name in weights))
assert 0.15 < darker_kept[0] < 0.38 and darker_kept[2] > 0.95 and min(paler_kept) > 0.95 and darker_kept[1] < 0.38, arrow_of
assert min(has for _, has in arrow_of.values()) > 0.75
(paler_as_is, darker_as_is), _, balanced = (v.mean(0) for v in in_samples.values())
assert abs(paler_as_is - 5 / 6) < 0.07 and abs(darker_as_is - 1 / 5) < 0.08 and ((balanced - 0.5).abs() < 0.12).all(), in_samples
rare = (cell[biased] == 0) | (cell[biased] == 3)
told_by = torch.tensor([float(metrics.auroc(z[~rare], z[rare])) for z in codes_of.T])
assert abs(torch.maximum(told_by, 1 - told_by).max() - 0.58) < 0.02 and codes_of.shape == (4_000, 64)
for alpha in 10 ** torch.arange(-1, 2.1, 0.25, dtype=torch.float64):  # where the slider stops
    w = resampling_weights(codes_of, alpha.item()).float()
    a, b = ((w * part) @ codes_of / (w * part).sum() for part in (glasses_on, 1 - glasses_on))
    with torch.no_grad():
        after = face_vae.decode(face_vae.encode(datasets.to_float(datasets.faces.draw(plain[sides == 1]))) + a - b).clamp(0, 1)
    assert w[rare].sum() < 0.04 and darker_with_glasses(metrics.predicted_attributes(after))[:, 0].float().mean() < 0.5, alpha
assert debias.alpha.min == -1 and debias.alpha.max == 2 and debias.alpha.step == 0.25
assert abs(1 / resampling_weights(codes_of, 1.0).square().sum() - 150) < 5 and rare.sum() == 120
assert (weights["known groups"][rare].sum() - 0.5).abs() < 1e-9 and round(float(1 / weights["known groups"].square().sum())) == 466

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 18 · Symbols instead of numbers: VQ-VAE
#
# Let the encoder give a $7\times7$ grid of vectors $z_e$ (the e stands for encoder). Replace each by the nearest of 64 learned vectors $e_1,\dots,e_{64}$, the **codebook**. An image becomes 49 symbols.
#
# $$\mathcal L=\underbrace{-\log p_\theta(x\mid e)}_{\text{reconstruction}}+\underbrace{\|\mathrm{sg}[z_e]-e\|^2}_{\text{codebook}}+\lambda\,\underbrace{\|z_e-\mathrm{sg}[e]\|^2}_{\text{commitment}}$$
#
# $e$ is the nearest code of each vector, $\mathrm{sg}$ (stop-gradient) passes the value and no gradient, $\lambda=0.25$ (the paper's β). The choice of the nearest has no gradient, so the first term uses a **straight-through** one:
# what reaches $e$ is handed to $z_e$ as if nothing had happened between. The second term moves the codes to their vectors. Like the paper's appendix, we do that by running averages instead of gradients. The third keeps the encoder near its codes.
#
# The clouds are gone, and the rent is a constant: with all 64 symbols equally likely, each image costs $49\log64$ nats. That is no prior to sample from. A second model must learn which grids of symbols are likely. Here it is a small transformer, the GPT of lecture 09: it says how likely each symbol is after those before it.

# %%
from course_lib.autoencoders import VectorQuantiser

show_source(VectorQuantiser)
vq = checkpoints.load("vqvae")
torch.manual_seed(0)
symbols = vq.encode(x_test[4::100])
show_images(
    torch.cat([x_test[4::100], vq.decode(symbols), vq.decode(torch.randint(0, vq.codes, symbols.shape)), vq.sample(10)]),
    columns=10,
    row_labels=["x", "from 49 symbols", "random symbols", "learned prior"],
)
print(f"an image as symbols, first rows:\n{symbols[0, :4]}")
with torch.no_grad():
    all_symbols = vq.encode(x_test)
    paid = -vq.prior.log_prob(all_symbols.flatten(1)).mean().item()
    vq_error, vae_error = ((m.reconstruct(x_test) - x_test).square().mean().item() for m in (vq, best))
table(
    [
        {"model": "VQ-VAE, symbols under the learned prior", "nats an image": round(paid), "squared error a pixel": f"{vq_error:.4f}"},
        {
            "model": "VQ-VAE, all symbols equally likely",
            "nats an image": round(49 * math.log(64)),
            "squared error a pixel": f"{vq_error:.4f}",
        },
        {"model": "best VAE", "nats an image": round(best.record["numbers"]["rate"]), "squared error a pixel": f"{vae_error:.4f}"},
    ]
)

# %% [markdown]
# > **What to notice.** Reconstructions are a little closer than the best VAE's. They should be: the 49 symbols cost 2.8 times as many nats as the VAE's code. Rate and distortion together come to 126 nats, against the VAE's 93: a better picture, and a worse model of pixels.
# > Random symbols are texture, not digits. The prior does the generating: it is a language model over 64 words. Lecture 09 builds it.
#
# **Where this is used.** An encoder that makes images small, plus a strong model of what is small, is how most image generators of the 2020s are built. The encoder is called a **tokeniser**.
# With symbols, as here, the second model is a transformer (VQ-GAN, arXiv:2012.09841, Esser et al. 2021). With numbers and a very small β, it is a diffusion model: **latent diffusion** (arXiv:2112.10752, Rombach et al. 2022),
# which lecture 06 builds in small, on the best VAE of this lecture. Both add the discriminator of the next section to the tokeniser's loss, since whatever the tokeniser blurs, the second model cannot bring back.
# Newer ones drop the codebook: **finite scalar quantisation** rounds each of a few numbers to a few levels (arXiv:2309.15505, Mentzer et al. 2023).

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert vq_error < vae_error and symbols.shape[1:] == (7, 7)
with torch.no_grad():  # both on the same grey images
    blur = torch.nn.functional.binary_cross_entropy(vq.reconstruct(x_test), x_test, reduction="sum").item() / len(x_test)
    assert abs(paid + blur - 126) < 2 and abs(-best.elbo(x_test).mean().item() - 93) < 1
    assert round(paid / best.record["numbers"]["rate"], 1) == 2.8
assert paid < 49 * math.log(vq.codes) and vq.codes == 64 and len(all_symbols.unique()) <= 64 and vq.commitment == 0.25
by_chance = distance(lambda n: vq.decode(torch.randint(0, vq.codes, (n, 7, 7))), seeds=2)[0]
assert by_chance > 3 * distance(vq.sample, seeds=2)[0]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 19 · Why VAEs blur, and a hybrid
#
# For each pixel, cross-entropy is lowest at the average of all images that $z$ could mean (section 2). An average is blurred. And what we show as a sample is the mean of $p_\theta(x\mid z)$, not a draw from it:
# its grey pixels say "perhaps". The more nats $z$ carries, the fewer images it could mean, and the less there is to average.
#
# **VAE-GAN** compares images in the eyes of a discriminator instead: two images are alike if its inner features are. Lecture 03 explains the game that trains it.

# %%
hybrid = checkpoints.load("vae_gan")
torch.manual_seed(0)
draws = {"VAE β = 1": betas[1].sample(500), "best VAE": best.sample(500), "VAE-GAN": hybrid.sample(500), "real digits": x_test[::2]}
show_images(torch.cat([v[:10] if name != "real digits" else v[::50] for name, v in draws.items()]), columns=10, row_labels=list(draws))


def grey(v):
    """Share of pixels that are neither black nor white."""
    return ((v > 0.1) & (v < 0.9)).float().mean().item()


unsure = {name: (metrics.digit_probabilities(v).amax(1) < 0.9).float().mean().item() for name, v in draws.items()}
table(
    [
        {
            "500 of": name,
            "grey pixels (0.1 to 0.9)": f"{grey(v):.1%}",
            "not surely a digit": f"{unsure[name]:.0%}",
            "Fréchet distance": round(float(metrics.digit_fid(v))),
        }
        for name, v in draws.items()
    ]
)

# %% [markdown]
# > **What to notice.** The hybrid's strokes have edges: it has even fewer grey pixels than real digits. The small VAE has twice as many as they have. The best VAE has a third more: it spends more nats, and it was trained on black-and-white pixels.
# > Sharp is not right, though. Of the hybrid's draws more than a third are no sure digits, against one in 25 of the best VAE's, and its Fréchet distance lies between the two VAEs'. It also gave up the likelihood: there is no ELBO to report.
# > The hybrid is the smallest of the three and was trained for the fewest images, so this shows what a discriminator does to edges, not which family wins.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
share = {name: grey(v) for name, v in draws.items()}
assert (
    share["VAE-GAN"]
    < share["real digits"]
    < 1.2 * share["real digits"]
    < share["best VAE"]
    < 1.45 * share["real digits"]
    < 2 * share["real digits"]
    < share["VAE β = 1"] + 0.01
)
assert unsure["VAE-GAN"] > 1 / 3 and abs(unsure["best VAE"] - 1 / 25) < 0.015
shapes_of = [float(metrics.digit_fid(draws[name])) for name in ("best VAE", "VAE-GAN", "VAE β = 1")]
assert shapes_of == sorted(shapes_of)
by_rate = [grey(betas[b].reconstruct(x_test)) for b in (0.5, 1, 2, 4, 8, 16)]  # the rate falls along this list, the blur rises
assert by_rate == sorted(by_rate) and by_rate[-1] > 1.8 * by_rate[0]
assert (
    hybrid.record["parameters"] < betas[1].record["parameters"] < best.record["parameters"]
    and hybrid.record["steps"] * 64 < betas[1].record["steps"] * 128
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 20 · Numbers
#
# Log-likelihood of binarised MNIST test images, in nats; higher is better. Bounds can only be compared when their kind is named. ("static": one black-and-white version of each image, fixed once; "dynamic": new coin flips each time.)

# %%
n = best.record["numbers"]
ours = f"{best.record['steps']:,} steps, {best.record['device']}"
table(
    [
        {
            "model": "ours, VampPrior, 40 latents",
            "nats": f"{n['elbo']:.2f}",
            "kind": "ELBO",
            "binarisation": "dynamic",
            "budget, source": ours,
        },
        {
            "model": "the same",
            "nats": f"{n['iwae_bound']:.2f}",
            "kind": f"bound, k = {n['k']}",
            "binarisation": "dynamic",
            "budget, source": ours,
        },
        {
            "model": "VAE, convolutions",
            "nats": "-86.77",
            "kind": "ELBO",
            "binarisation": "dynamic",
            "budget, source": "457 epochs, pytorch-generative",
        },
        {"model": "VAE", "nats": "-97.10", "kind": "bound", "binarisation": "static", "budget, source": "65k steps, altosaar"},
        {"model": "VAE + IAF", "nats": "-95.33", "kind": "bound", "binarisation": "static", "budget, source": "150k steps, altosaar"},
        {
            "model": "PixelCNN (lecture 05)",
            "nats": "-81.45",
            "kind": "exact",
            "binarisation": "dynamic",
            "budget, source": "457 epochs, pytorch-generative",
        },
        {
            "model": "BIVA, many layers of latents",
            "nats": "-78.41",
            "kind": "bound",
            "binarisation": "dynamic",
            "budget, source": "arXiv:1902.02102",
        },
        {
            "model": "NVAE, many layers of latents",
            "nats": "-78.01",
            "kind": "bound",
            "binarisation": "dynamic",
            "budget, source": "arXiv:2007.03898",
        },
    ]
)

# %% [markdown]
# > **What to notice.** Like with like: our ELBO is a third of a nat below that of the convolutional VAE. With a single layer of latents, our bound with k = 500 comes within 3 nats of a PixelCNN's exact value. VAEs with many layers of latents are ahead of that PixelCNN by 3 nats, again by a bound alone.
# > A PixelCNN pays at sampling time, too: one pixel after the other, where a VAE draws an image in one pass. Dynamic and static binarisation must not be compared, nor budgets as unlike as these ranked.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert -81.45 - 3 < n["iwae_bound"] < -81.45 and abs(-86.77 - n["elbo"] - 1 / 3) < 0.1 and min(-78.41, -78.01) > -81.45 + 3
assert n["iwae_bound"] > n["elbo"] and n["k"] == 500
layers = [784 * 128, 128 * 128, 128 * 32, 16 * 128, 128 * 128, 128 * 784]  # section 22: multiplications of the live VAE, forward
assert round(sum(layers) / 1e6, 2) == 0.24 and sum(w.numel() for w in vae.parameters() if w.dim() == 2) == sum(layers)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 21 · Check yourself
#
# <details><summary><b>1.</b> Your VAE's reconstructions are perfect and its samples are garbage. What do you check first?</summary>
#
# The weight of the KL. A rate in the hundreds of nats means that the codes left the prior: β near 0, or a reconstruction summed while the KL is averaged.
# <i>Not</i> more training: the loss is already doing what it was told. <i>Not</i> the decoder: it draws well from the codes it knows.
# </details>
#
# <details><summary><b>2.</b> One latent has KL 0.00 for every image. Is that a bug?</summary>
#
# No. The model found this latent not worth its rent, and its cloud has become the prior. It is a bug if <i>all</i> latents do so (posterior collapse),
# or if they do so in the first steps and never return.
# </details>
#
# <details><summary><b>3.</b> Why does the encoder predict log σ² and not σ?</summary>
#
# Any real number is a valid log σ², so no constraint is needed, and the closed form of the KL uses it directly. It is <i>not</i> because σ could not be learned:
# σ = softplus(output) works too. Confusing log σ with log σ² is one of the most common errors: the width comes out squared, or as its root.
# </details>
#
# <details><summary><b>4.</b> Model A has ELBO −90, model B has −88 by a bound with k = 500. Which is better?</summary>
#
# You cannot tell. A's own k = 500 bound may well be above −88. Compare the same kind of number, on the same images, binarised the same way.
# </details>
#
# <details><summary><b>5.</b> Would a very strong decoder, one that models every pixel given the others, make the latents better?</summary>
#
# No: it can explain x without z, so paying rent for z is pointless, and the posterior tends to collapse. Strong decoders need annealing, free bits, or a narrower view of the other pixels.
# </details>
#
# <details><summary><b>6.</b> Does β > 1 give a worse generative model?</summary>
#
# By likelihood, yes: β = 1 is the bound, and every β above 1 in section 9 ends with a lower ELBO. Its samples were worse, too, by Fréchet distance. As a representation it may be better. State which you want.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 22 · Summary, and when things go wrong
#
# - An autoencoder compresses. Its codes have no agreed place, so sampling fails.
# - A VAE answers with clouds and charges rent for them. Its loss is minus a lower bound on $\log p_\theta(x)$.
# - β trades rate against distortion. A latent collapses when it is not worth its rent, or is not yet.
# - The prior can be learned, the label can be given, the code can be searched for, the symbols can be discrete.
# - A VAE's gap to $\log p_\theta(x)$ is $\mathrm{KL}(q\,\|\,p(z\mid x))$. Its rate is information plus the mismatch of clouds and prior.
#
# | you see | look at | cure |
# |---|---|---|
# | all samples alike, KL near 0 | KL of each latent | annealing, free bits, lower β, shallower decoder |
# | sharp reconstructions, garbage samples | rate in the hundreds | β too low; sum over pixels *and* over latents |
# | only blurs, from the start | reconstruction averaged over pixels | sum it |
# | NaN | learning rate, range of the input, log σ² | lower rate, warm-up, `clip=`, a bound on log σ² |
# | loss stalls | learning-rate schedule | warm-up, then cosine; larger batch |
# | good on train, bad on test | gap between the two ELBOs | dropout, weight decay, fewer parameters, more data |
# | slow on a GPU | batch size, data on the CPU | larger batch; `precision="bf16"`; data kept on the device, as `fit` does |
# | out of memory | k of the bound, batch | `chunk=`, `accumulate=`, gradient checkpointing |
#
# **Cost.** One training step of the live VAE is about 0.24 M multiplications an image forward, and about twice that backward; sampling is one decoder pass. Memory is weights plus one batch of activations.
# **Several GPUs**: `accelerate launch -m course_lib train vae --preset gpu`.
#
# **Care.** A VAE trained on faces can edit them, and can remember some. Anomaly scores decide who gets a second look; section 15 shows how they fail. Section 17 shows how little it takes to be unfair to a group, and that one must measure to see it.
#
# **Now you**: [exercise 02](../exercises/02_autoencoders/02_autoencoders.ipynb), 20 points.
#
# **Read on.** Kingma & Welling, *Auto-Encoding Variational Bayes* (arXiv:1312.6114) and their *Introduction to VAEs* (arXiv:1906.02691) · Rezende et al., the same idea at the same time (arXiv:1401.4082) · Bowman et al., collapse and annealing (arXiv:1511.06349) · Kingma et al., free bits (arXiv:1606.04934) · Burda et al., importance weighting (arXiv:1509.00519) · Cremer et al., *Inference Suboptimality in VAEs* (arXiv:1801.03558) · Hoffman & Johnson, *ELBO Surgery* (2016) ·
# Higgins et al., β-VAE (ICLR 2017) · Alemi et al., *Fixing a Broken ELBO* (arXiv:1711.00464) · Locatello et al., on the limits of disentanglement (arXiv:1811.12359) ·
# Tomczak & Welling, VampPrior (arXiv:1705.07120) · van den Oord et al., VQ-VAE (arXiv:1711.00937) · Larsen et al., VAE-GAN (arXiv:1512.09300)
