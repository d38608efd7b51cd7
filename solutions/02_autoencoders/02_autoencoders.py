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

# %% [markdown]
# # Exercise 2 · Build a VAE, and keep its latents awake
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/exercises/02_autoencoders/02_autoencoders.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/exercises/02_autoencoders/02_autoencoders.ipynb)
#
# You see what a bottleneck keeps, write the formulas of a variational autoencoder, train one on 8×8 digits in seconds, save it from posterior
# collapse, and put glasses on faces in colour. The lecture is `notebooks/02_autoencoders.ipynb`.
#
# | task | what you do | points | minutes | difficulty |
# |---|---|---|---|---|
# | 1 | a bottleneck, and noise | 2 | 15 | ★☆☆ |
# | 2 | the cloud and its rent | 4 | 10 | ★☆☆ |
# | 3 | the ELBO | 3 | 10 | ★★☆ |
# | 4 | the importance-weighted bound | 3 | 10 | ★★☆ |
# | 5 | β and annealing, an experiment | 4 | 20 | ★★★ |
# | 6 | an arrow that puts on glasses | 2 | 10 | ★★☆ |
# | 7 | a written answer | 2 | 15 | ★★☆ |
# | – | more, if you like: free bits and fair sampling | 0 | 15 | ★★☆ |
#
# **How it works.** Replace each `raise NotImplementedError()` with your code and run the check below it. A check prints `✓`, or one line that says
# what is wrong. Grading runs the same checks again with other inputs. Write the answers with PyTorch and your own functions: a check notices
# when an answer runs code from `course_lib`. What a network is trained through must also pass gradients on: the check looks at them. Add cells as
# you like, but do not copy, delete or change the type of the cells that are here.
#
# **Notation.** x data, z latent, θ decoder, φ encoder, ε noise. $\odot$ multiplies entry by entry. $\mathbb 1[\dots]$ is 1 where the condition holds, else
# 0. Logarithms are natural, so likelihoods and KLs are in nats.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["setup"]
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

# %% nbgrader={"grade": false, "grade_id": "imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
from torch import nn
from torch.nn import functional as F

from course_lib import checkpoints, datasets, metrics
from course_lib.grading import CheckFailed
from course_lib.grading.autoencoders import (
    ATTRIBUTE_ARROW,
    BALANCED_ARROW,
    DENOISING,
    ELBO,
    EXPERIMENT,
    FREE_BITS,
    GAUSSIAN_KL,
    IWAE_BOUND,
    KL_WEIGHT,
    LINEAR_BOTTLENECK,
    REPARAMETERISE,
    RESAMPLING,
    measure,
)
from course_lib.plotting import show_images

torch.set_num_threads(1)  # networks this small are fastest on one core

# %% [markdown]
# The data: 8×8 digits, each pixel ink (1, shown white) or paper (0, shown black). The pictures below use one digit of each class.

# %% nbgrader={"grade": false, "grade_id": "data", "locked": true, "schema_version": 3, "solution": false, "task": false}
x_train, x_test = ((datasets.load("digits8", split).x >= 128).float() for split in ("train", "test"))
x_valid, x_test = x_test[::2], x_test[1::2]  # to tune on, and to judge by at the end
TEN = [91, 31, 81, 11, 158, 5, 22, 74, 0, 4]  # where in x_test a 0, a 1, … a 9 lies that is easy to read


def show_digits(x, columns=12, **options):
    """Rows of digits, each with a rim of paper, so that ink at the border does not run into the page."""
    show_images(F.pad(x, (1, 1, 1, 1)), columns=columns, size=0.6, **options)


def show_ten(rows):
    """The ten digits below their classes, then rows of what became of them. rows: a list of (name, images)."""
    names = [name for name, _ in rows]
    show_digits(x_test[TEN], columns=10, titles=range(10), row_labels=["clean".rjust(max(map(len, names)))])
    show_digits(torch.cat([images for _, images in rows]), columns=10, row_labels=names)


show_digits(x_train[:12])
print(f"{len(x_train)} to train on, {len(x_valid)} to tune on, each {tuple(x_train[0].shape)}")


# %% [markdown]
# ## Task 1 · A bottleneck, and noise
#
# **2 points · 15 minutes · ★☆☆**
#
# ### 1a · What a linear bottleneck must lose (1 point)
#
# An autoencoder squeezes each image through r numbers, its latents. If encoder and decoder are matrices, the best it can do is known. Take n images
# $x_1,\dots,x_n$ as vectors of pixels, their mean $\bar x$ and their covariance $C=\frac1n\sum_i(x_i-\bar x)(x_i-\bar x)^\top$ with eigenvalues
# $\lambda_1\ge\lambda_2\ge\dots$. The r latents save the first r eigenvalues. The squared error, summed over pixels and averaged over images, is what is left:
#
# $$E_r=\sum_{j>r}\lambda_j .$$
#
# `torch.linalg.eigvalsh` or `torch.linalg.svdvals` will help. Both leave one thing for you to get right: read what they return.

# %% nbgrader={"grade": false, "grade_id": "linear_bottleneck_error", "locked": false, "schema_version": 3, "solution": true, "task": false}
def linear_bottleneck_error(x, latents):
    """The squared error of the best linear autoencoder: summed over pixels, averaged over images.

    x: (n, pixels)
    latents: r, the size of the bottleneck
    Returns: a number, or a tensor without axes
    """
    ### BEGIN SOLUTION
    centred = x - x.mean(0)
    eigenvalues = torch.linalg.eigvalsh(centred.T @ centred / len(x))  # the smallest first
    return eigenvalues[: x.shape[1] - latents].sum()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_linear_bottleneck_error", "locked": true, "schema_version": 3, "solution": false, "task": false}
LINEAR_BOTTLENECK.check(linear_bottleneck_error)

# %% nbgrader={"grade": true, "grade_id": "grade_linear_bottleneck_error", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.autoencoders import LINEAR_BOTTLENECK
from course_lib.grading.autoencoders.linear_bottleneck_error import APART

LINEAR_BOTTLENECK.check(
    linear_bottleneck_error,
    hidden=lambda: [
        (grid(9, 5).square().cos() + 1, 3),
        (grid(8, 3).exp().cos(), 1),
        (APART.flip(1)[:, 1:] * 2, 1),
        (grid(4, 7).exp().sin() + 1, 2),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# The floor holds for matrices. What does a network with curved layers make of the same bottleneck? The table below gives both errors on the training
# images: where the second number is below the first, the curves have gained something. Predict first: for which sizes is that so, and where does the gain end?

# %% nbgrader={"grade": false, "grade_id": "autoencoders", "locked": true, "schema_version": 3, "solution": false, "task": false}
floor = LINEAR_BOTTLENECK.yours_or_ours(globals())


def autoencoder(latents, width=128):
    """8×8 images through a bottleneck of `latents` numbers and back."""
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(64, width), nn.SiLU(), nn.Linear(width, latents)),
        *(nn.Linear(latents, width), nn.SiLU(), nn.Linear(width, 64), nn.Unflatten(1, (1, 8, 8))),
    )


def descend(model, loss, steps=1000):
    """Train the model: loss(model, x) on one batch after the other."""
    optimiser = torch.optim.Adam(model.parameters())
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - step / steps)
        optimiser.zero_grad()
        loss(model, x_train[torch.randint(len(x_train), (100,))]).backward()
        optimiser.step()
    return model


def squared_error(model, x):
    """Summed over pixels, averaged over images."""
    return (model(x) - x).square().flatten(1).sum(1).mean()


# %% tags=["nbval-ignore-output"]
torch.manual_seed(0)
print("bottleneck   linear floor   curved, trained")
for latents in (1, 2, 4, 8, 16, 32, 64):
    model = descend(autoencoder(latents), squared_error)
    print(f"{latents:10}   {float(floor(x_train.flatten(1), latents)):12.2f}   {squared_error(model, x_train).item():15.2f}")


# %% [markdown]
# The gain grows to some size and then shrinks. At 64 it has ended: the bottleneck is as wide as the image, so matrices can copy it without any error, and the
# network, which has to find the copy by training, stays just short of that.
#
# ### 1b · Noise in, clean image out (1 point)
#
# A wide bottleneck can copy its input and learn nothing. A **denoising** autoencoder cannot get away with that: it sees a noisy image and must return the
# clean one. With noise ε, a noise level s (its standard deviation) and the network f:
#
# $$\frac1n\sum_{i=1}^n\big\lVert f(x_i+s\,\varepsilon_i)-x_i\big\rVert^2 ,$$
#
# where the squared length sums over the pixels of an image.

# %% nbgrader={"grade": false, "grade_id": "denoising_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def denoising_loss(x, noise, level, reconstruct):
    """What a denoising autoencoder minimises on one batch.

    x: (batch, channels, height, width), clean images
    noise: ε, the same shape
    level: s, the standard deviation of the noise that is added
    reconstruct: the network f, from images to images
    Returns: a tensor without axes
    """
    ### BEGIN SOLUTION
    return (reconstruct(x + level * noise) - x).square().flatten(1).sum(1).mean()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_denoising_loss", "locked": true, "schema_version": 3, "solution": false, "task": false}
DENOISING.check(denoising_loss)

# %% nbgrader={"grade": true, "grade_id": "grade_denoising_loss", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.autoencoders import DENOISING
from course_lib.grading.autoencoders.denoising_loss import network

DENOISING.check(
    denoising_loss,
    hidden=lambda: [
        (grid(4, 3, 3, 2, low=0, high=1).flip(1), grid(4, 3, 3, 2).square(), 0.7, network(3)),
        (grid(1, 2, 2, 3, low=0, high=1), 5 * (9 * grid(1, 2, 2, 3)).cos(), 0.95, network(2)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Two autoencoders with the same 32 latents: one only copies, one was trained with your loss at level 0.5. Both meet new digits, at three levels. The table has
# the squared error per image, the picture one digit of each class. Predict first: at which level does the denoiser gain most, and is there one at which it
# hardly gains?

# %% tags=["nbval-ignore-output"]
noisy_loss = DENOISING.yours_or_ours(globals())
torch.manual_seed(0)
copier = descend(autoencoder(32), squared_error)
denoiser = descend(autoencoder(32), lambda model, x: noisy_loss(x, torch.randn_like(x), 0.5, model))
print("noise s    noisy   copier   denoiser")
rows = []
with torch.no_grad():
    for level in (0.2, 0.5, 1.0):
        noisy = x_test + level * torch.randn_like(x_test)
        versions = {f"s = {level}": noisy, "copier": copier(noisy), "denoiser": denoiser(noisy)}
        error, copied, denoised = ((images - x_test).square().sum() / len(x_test) for images in versions.values())
        print(f"{level:7}   {error:6.1f}   {copied:6.1f}   {denoised:8.1f}")
        rows += [(name, images[TEN].clamp(0, 1)) for name, images in versions.items()]
show_ten(rows)


# %% [markdown]
# At s = 0.2 the copier looks as good as the denoiser, or better: so little noise hardly hurts, and the denoiser, made for 0.5, smooths whatever it gets. From
# s = 0.5 on the copier hands the noise through, and the denoiser returns what digits look like. Where the noise has hidden too much, that is a blur of several
# digits, or another digit than the one that was there.

# %% [markdown]
# ## Task 2 · The cloud and its rent
#
# **4 points · 10 minutes · ★☆☆**
#
# ### 2a · Reparameterisation (2 points)
#
# Before an image is seen, z is taken to come from the **prior** $p(z)=\mathcal N(0,I)$. The encoder answers an image with a cloud,
# $q_\phi(z\mid x)=\mathcal N(\mu,\operatorname{diag}\sigma^2)$: the **posterior**, its guess at z now that x is known. Training needs a sample from it, and a
# gradient with respect to μ and σ. No gradient passes through a draw. So the draw moves out of the way: take noise ε from $\mathcal N(0, I)$, which
# depends on nothing, then shift and stretch it:
#
# $$z=\mu+\sigma\odot\varepsilon .$$
#
# The network puts out $\log\sigma^2$, since that may be any real number.

# %% nbgrader={"grade": false, "grade_id": "reparameterise", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reparameterise(mean, log_var, noise):
    """A sample of N(mean, diag(exp(log_var))) made from noise.

    mean, log_var, noise: (batch, latents); log_var is log σ², noise is a sample of N(0, I)
    Returns: (batch, latents)
    """
    ### BEGIN SOLUTION
    return mean + (0.5 * log_var).exp() * noise
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_reparameterise", "locked": true, "schema_version": 3, "solution": false, "task": false}
REPARAMETERISE.check(reparameterise)

# %% nbgrader={"grade": true, "grade_id": "grade_reparameterise", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.autoencoders import REPARAMETERISE

REPARAMETERISE.check(
    reparameterise,
    hidden=lambda: [
        (grid(6, 2).cos(), grid(6, 2), grid(6, 2).flip(0)),
        (grid(2, 7) * 3, -(grid(2, 7) ** 2), grid(2, 7)),
        (grid(1, 4), 7 * grid(1, 4).flip(1), grid(1, 4).exp()),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 2b · The Gaussian KL (2 points)
#
# Each cloud pays rent for being unlike the prior. Between two Gaussians the rent has a closed form, with no sampling in it:
#
# $$\mathrm{KL}\!\left(q_\phi(z\mid x)\,\|\,\mathcal N(0,I)\right)=\tfrac12\sum_j\left(\mu_j^2+\sigma_j^2-1-\log\sigma_j^2\right).$$
#
# Here j counts the latents. Before you write it: for which μ and σ is it zero?

# %% nbgrader={"grade": false, "grade_id": "gaussian_kl", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gaussian_kl(mean, log_var):
    """KL(N(mean, diag(exp(log_var))) ‖ N(0, I)) of each example, in nats.

    mean, log_var: (batch, latents); log_var is log σ²
    Returns: (batch,)
    """
    ### BEGIN SOLUTION
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(-1)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_gaussian_kl", "locked": true, "schema_version": 3, "solution": false, "task": false}
GAUSSIAN_KL.check(gaussian_kl)

# %% nbgrader={"grade": true, "grade_id": "grade_gaussian_kl", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.autoencoders import GAUSSIAN_KL

GAUSSIAN_KL.check(
    gaussian_kl,
    hidden=lambda: [
        (grid(6, 2).sin(), grid(6, 2) * 2),
        (torch.zeros(2, 8), grid(2, 8)),
        (torch.zeros(1, 3), torch.zeros(1, 3)),
        (grid(3, 2) * 4, 7 * grid(3, 2).flip(0)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 3 · The ELBO
#
# **3 points · 10 minutes · ★★☆**
#
# The likelihood of an image, also called its evidence, is an integral over every z that could have made it: out of reach. Jensen's inequality gives a bound
# from below, the **evidence lower bound** (ELBO):
#
# $$\log p_\theta(x)\;\ge\;\mathrm{ELBO}(x)=\mathbb E_{z\sim q_\phi(z\mid x)}\left[\log p_\theta(x\mid z)\right]-\mathrm{KL}\!\left(q_\phi(z\mid x)\,\|\,\mathcal N(0,I)\right).$$
#
# One z from the cloud is enough to estimate the expectation: use $\log p_\theta(x\mid z)$ in its place.
#
# The decoder puts out one **logit** $a_d$ for each pixel d: any real number, which $\operatorname{sigmoid}(a)=1/(1+e^{-a})$ turns into the probability of ink. The
# pixels are independent Bernoulli variables:
#
# $$\log p_\theta(x\mid z)=\sum_d x_d\log \operatorname{sigmoid}(a_d)+(1-x_d)\log\left(1-\operatorname{sigmoid}(a_d)\right).$$
#
# A trained decoder is sure of itself: logits of ±200 happen, and the answer must stay finite there.

# %% nbgrader={"grade": false, "grade_id": "elbo", "locked": false, "schema_version": 3, "solution": true, "task": false}
def elbo(x, logits, kl):
    """The ELBO of each image, from one sample of z, in nats.

    x, logits: (batch, channels, height, width); x of zeros and ones, logits from the decoder
    kl: (batch,), the KL of each image
    Returns: (batch,)
    """
    ### BEGIN SOLUTION
    log_likelihood = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)
    return log_likelihood - kl
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_elbo", "locked": true, "schema_version": 3, "solution": false, "task": false}
ELBO.check(elbo)

# %% nbgrader={"grade": true, "grade_id": "grade_elbo", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.autoencoders import ELBO
from course_lib.grading.autoencoders.elbo import CROSS, STRIPES

ELBO.check(
    elbo,
    hidden=lambda: [
        (STRIPES.repeat(6).reshape(2, 3, 4, 2).flip(2), grid(2, 3, 4, 2) * 2, grid(2, low=3, high=5)),
        (CROSS.reshape(2, 1, 1, 2), torch.tensor([60.0, 3.0, -150.0, 180.0]).reshape(2, 1, 1, 2), torch.tensor([0.0, 2.0])),
        (CROSS.reshape(1, 2, 2, 1), grid(1, 2, 2, 1) * 160, torch.tensor([0.25])),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 4 · The importance-weighted bound
#
# **3 points · 10 minutes · ★★☆**
#
# The ELBO is a loose bound. With k samples $z_1,\dots,z_k$ from the cloud there is a tighter one, which reaches $\log p_\theta(x)$ as k grows:
#
# $$\mathcal L_k(x)=\mathbb E\left[\log\frac1k\sum_{i=1}^k w_i\right],\qquad w_i=\frac{p_\theta(x\mid z_i)\,p(z_i)}{q_\phi(z_i\mid x)} .$$
#
# The mean of $p_\theta(x\mid z)$ over the prior is $p_\theta(x)$. The samples come from q instead, so each is weighted by prior over q: its importance weight.
#
# Your function computes what stands in the brackets. The three densities come as logarithms, and $\log w_i$ near −1000 is ordinary for images. $e^{-1000}$ is 0
# on a computer, and its log is −∞.

# %% nbgrader={"grade": false, "grade_id": "iwae_bound", "locked": false, "schema_version": 3, "solution": true, "task": false}
def iwae_bound(log_likelihood, log_prior, log_posterior):
    """The importance-weighted bound of each image, in nats.

    log_likelihood, log_prior, log_posterior: (k, batch), log p(x|z), log p(z) and log q(z|x) of each sample
    Returns: (batch,)
    """
    ### BEGIN SOLUTION
    log_weights = log_likelihood + log_prior - log_posterior
    largest = log_weights.amax(0)
    return largest + (log_weights - largest).exp().mean(0).log()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_iwae_bound", "locked": true, "schema_version": 3, "solution": false, "task": false}
IWAE_BOUND.check(iwae_bound)

# %% nbgrader={"grade": true, "grade_id": "grade_iwae_bound", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.autoencoders import IWAE_BOUND
from course_lib.grading.autoencoders.iwae_bound import FAR

IWAE_BOUND.check(
    iwae_bound,
    hidden=lambda: [
        (grid(3, 4).sin() * 4 - 1200, grid(3, 4) - 5, grid(3, 4).flip(0)),
        (grid(7, 1).exp(), grid(7, 1), grid(7, 1).flip(0)),
        (grid(1, 3), grid(1, 3).flip(1), grid(1, 3) ** 2),
        (FAR.flip(1) * 2 - 3, grid(3, 2).cos(), grid(3, 2)),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 5 · β and annealing
#
# **4 points · 20 minutes · ★★★**
#
# Now the parts become a VAE. It maximises $\log p_\theta(x\mid z)-w\,\mathrm{KL}$, with a weight w that may change while it trains.
#
# At the start the decoder is noise, so a latent has nothing to say and its rent is due all the same. The cheapest thing is to switch it off. While it is
# off, the decoder does not learn to use it: **posterior collapse**. The cure is to let the rent rise slowly. After `warm_up` steps w has grown evenly
# from 0 to β, and stays there. With `cycle`, time starts again from 0 every `cycle` steps: the rent is free for a moment, and a latent that is off can be
# tried once more.
#
# $$w(t)=\beta\,\min\!\left(1,\frac{t}{\texttt{warm\_up}}\right),\qquad t=\texttt{step}\ \text{ or }\ t=\texttt{step}\bmod\texttt{cycle}.$$
#
# With `warm_up = 0` the weight is β from the first step.
#
# ### 5a · The weight (2 points)

# %% nbgrader={"grade": false, "grade_id": "kl_weight", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kl_weight(step, warm_up, beta, cycle=None):
    """The weight of the KL at a training step.

    step: 0, 1, 2, …
    warm_up: steps until the weight reaches beta, or 0
    beta: the weight after the warm-up
    cycle: steps after which the warm-up begins again, or None
    Returns: a float
    """
    ### BEGIN SOLUTION
    if cycle is not None:
        step = step % cycle
    if warm_up == 0:
        return beta
    return beta * min(1.0, step / warm_up)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_kl_weight", "locked": true, "schema_version": 3, "solution": false, "task": false}
KL_WEIGHT.check(kl_weight)

# %% nbgrader={"grade": true, "grade_id": "grade_kl_weight", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading.autoencoders import KL_WEIGHT

KL_WEIGHT.check(
    kl_weight,
    hidden=lambda: [
        *((7, 10, 0.5, None), (10, 10, 3.0, None), (99, 10, 0.25, None), (0, 0, 4.0, None), (0, 10, 2.0, None)),
        *((405, 20, 6.0, 200), (210, 20, 6.0, 200), (200, 20, 6.0, 200), (5, 20, 6.0, 200), (630, 20, 6.0, 200), (90, 0, 2.0, 40)),
        (80, 0, 2.0, 40),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ### 5b · The experiment (2 points)
#
# Here is a small VAE with eight latents and a training loop made of your functions. Training takes a few seconds. Where one of your functions does not pass
# its check yet, ours stands in, so you can go on. Until your settings are there, the collapsed VAE below stands in for yours.

# %% nbgrader={"grade": false, "grade_id": "train", "locked": true, "schema_version": 3, "solution": false, "task": false}
sample, rent, bound, weight = (task.yours_or_ours(globals()) for task in (REPARAMETERISE, GAUSSIAN_KL, ELBO, KL_WEIGHT))


class TinyVAE(nn.Module):
    def __init__(self, latents=8, width=64):
        super().__init__()
        self.latents = latents
        self.encoder = nn.Sequential(
            *(nn.Flatten(), nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2 * latents))
        )
        self.decoder = nn.Sequential(
            *(nn.Linear(latents, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 64), nn.Unflatten(1, (1, 8, 8)))
        )


def train(beta, warm_up=0, cycle=None, latents=8, steps=800, seed=5):
    """A TinyVAE trained for `steps` steps, with the given weight on the KL."""
    torch.manual_seed(seed)
    vae = TinyVAE(latents)
    optimiser = torch.optim.Adam(vae.parameters())
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.03 * min(1, 2 - 2 * step / steps)  # high, then down to 0 in the second half
        x = x_train[torch.randint(len(x_train), (100,))]
        mean, log_var = vae.encoder(x).chunk(2, 1)
        z = sample(mean, log_var, torch.randn_like(mean))
        w = weight(step, warm_up, beta, cycle)
        vae.warmed_up = w / beta if beta else 1.0  # the share of β that the weight has now
        loss = -bound(x, vae.decoder(z), w * rent(mean, log_var)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return vae


def decoded(vae, x):
    """What the decoder makes of the middle of each image's cloud."""
    with torch.no_grad():
        return vae.decoder(vae.encoder(x).chunk(2, 1)[0]).sigmoid()


def reached(vae):
    """What counts, on images not trained on."""
    numbers = measure(vae, x_valid)
    return f"ELBO {numbers['ELBO']:.1f} nats, {numbers['latents in use']} of {vae.latents} latents in use"


# %% [markdown]
# The first try has β = 4 from the first step. Look at what comes back.

# %% tags=["nbval-ignore-output"]
collapsed = train(beta=4)
show_ten([("decoded", decoded(collapsed, x_test[TEN]))])
print(reached(collapsed))


# %% [markdown]
# Every image decodes to the same ghost, the average of all digits. No latent carries anything.
#
# **Your turn.** Find settings for which, on images not trained on,
#
# * the ELBO (the true one, β = 1) is **at least −19.6 nats**,
# * **at least 4 of the 8 latents** are in use: the KL of each, averaged over the images, is above 0.1 nats, and
# * the weight has **reached your β** when training ends, after 800 steps.
#
# Two things can be changed: β, which is what the rent comes to in the end, and the warm-up, which is how long the latents have to find a use before it is
# due. The one does not replace the other: no warm-up saves a β that is too high at the end. (`cycle` is allowed too. In so short a training it does no better than a warm-up
# alone.)
#
# Try by hand in a cell of your own, or loop over a few values. Predict before you run: what does a larger β do to the ELBO and to the latents? What
# does the warm-up change when the final β is the same?

# %% nbgrader={"grade": false, "grade_id": "settings", "locked": false, "schema_version": 3, "solution": true, "task": false}
def settings():
    """Your choice for train: a dict with beta and warm_up."""
    ### BEGIN SOLUTION
    return {"beta": 1.0, "warm_up": 700}
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_experiment", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
vae = globals().get("collapsed", TinyVAE())  # stands in for yours if the next line fails
chosen = EXPERIMENT.chosen(settings)
vae = train(**chosen)
EXPERIMENT.check(measure(vae, x_valid), chosen)

# %% nbgrader={"grade": true, "grade_id": "grade_experiment", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-ignore-output"]
# Grading measures your VAE on other images here.
### BEGIN HIDDEN TESTS
from course_lib.grading.autoencoders import EXPERIMENT, measure

chosen = EXPERIMENT.chosen(settings)
EXPERIMENT.check(measure(vae, x_valid), chosen)
EXPERIMENT.check(measure(vae, x_test), chosen, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# What did the warm-up do? Here is your β once more, from the first step. Keep both lines for task 7.

# %% tags=["nbval-ignore-output"]
try:
    beta = EXPERIMENT.chosen(settings)["beta"]
    print(f"your settings:          {reached(vae)}")
    print(f"your β from the start:  {reached(train(beta))}")
except CheckFailed:
    print("Your settings are not there yet, so the collapsed VAE stands in for yours below.")

# %% [markdown]
# Your VAE at work: digits and what it makes of them, then digits that nobody wrote, decoded from noise.

# %% tags=["nbval-ignore-output"]
show_ten([("decoded", decoded(vae, x_test[TEN]))])
torch.manual_seed(1)
with torch.no_grad():
    show_digits(vae.decoder(torch.randn(24, vae.latents)).sigmoid())

# %% [markdown]
# How loose is its ELBO? Your bound of task 4 tells, with more and more samples of each image's cloud.

# %% tags=["nbval-ignore-output"]
importance, normal = IWAE_BOUND.yours_or_ours(globals()), torch.distributions.Normal
torch.manual_seed(2)
with torch.no_grad():
    mean, log_var = vae.encoder(x_test).chunk(2, 1)
    cloud = normal(mean, (0.5 * log_var).exp())
    z = cloud.sample((64,))
    log_likelihood = torch.stack([bound(x_test, vae.decoder(each), torch.zeros(len(x_test))) for each in z])  # the ELBO with a KL of 0
    parts = log_likelihood, normal(0.0, 1.0).log_prob(z).sum(-1), cloud.log_prob(z).sum(-1)
    for k in (1, 8, 64):
        print(f"k = {k:2}: {importance(*(part[:k] for part in parts)).mean():.2f} nats")


# %% [markdown]
# **A β above 1** is sometimes chosen on purpose. The coordinates of the prior are independent of each other. A dear KL pushes the clouds towards it, and with luck
# each latent that is left then stands for one thing alone: one for the slant of a digit, another for its width. This is called disentanglement.

# %% [markdown]
# ## Task 6 · An arrow that puts on glasses
#
# **2 points · 10 minutes · ★★☆**
#
# Your VAE has eight latents and was trained for seconds. Here is a larger one, made of the same parts, that has seen 60,000 small faces. Nobody told it
# what glasses are. Its 64 latents know all the same.
#
# ### 6a · The arrow (1 point)
#
# The **code** of a face is the middle of its cloud. Take n faces with codes $z_1,\dots,z_n$. Some of them, the set W, have the attribute: they wear glasses, say. The
# others are without. The arrow leads from the mean code of those without to the mean code of those with it:
#
# $$a=\frac1{|W|}\sum_{i\in W}z_i-\frac1{n-|W|}\sum_{i\notin W}z_i .$$

# %% nbgrader={"grade": false, "grade_id": "attribute_arrow", "locked": false, "schema_version": 3, "solution": true, "task": false}
def attribute_arrow(z, has):
    """The direction in latent space that gives a face an attribute.

    z: (n, latents), the codes of n faces, float32 or float64
    has: (n,) boolean, whether a face has the attribute; some have it, some have not
    Returns: (latents,), of the type of z
    """
    ### BEGIN SOLUTION
    return z[has].mean(0) - z[~has].mean(0)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_attribute_arrow", "locked": true, "schema_version": 3, "solution": false, "task": false}
ATTRIBUTE_ARROW.check(attribute_arrow)

# %% nbgrader={"grade": true, "grade_id": "grade_attribute_arrow", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.autoencoders import ATTRIBUTE_ARROW

ATTRIBUTE_ARROW.check(
    attribute_arrow,
    hidden=lambda: [
        ((9 * grid(8, 4)).sin() * 2 - 1, torch.tensor([False, True, False, False, False, True, False, True])),
        ((4 * grid(5, 1)).exp().cos() + 3, torch.tensor([True, False, True, True, True])),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Now add an arrow to the codes of new faces and decode. The faces are drawn from parts, so the right answer is known: the same face, drawn with that part. And a
# network that reads faces says what it sees. Predict first: do two arrows add up to both attributes?

# %% tags=["nbval-ignore-output"]
face_vae, faces = checkpoints.load("vae_faces"), datasets.faces


def coded(y):
    """The codes of the faces with factors y."""
    with torch.no_grad():
        return face_vae.encode(datasets.to_float(faces.draw(y)))


def decoded_faces(z):
    with torch.no_grad():
        return face_vae.decode(z)


def has_word(y, factor, word):
    """Which faces have a word, (n,) boolean."""
    return faces.attributes(y)[:, list(faces.ATTRIBUTES).index(factor)] == faces.ATTRIBUTES[factor].index(word)


def read_in(x, factor, word):
    """The share of images in which the face network reads a word."""
    column = list(faces.ATTRIBUTES).index(factor)
    return (metrics.predicted_attributes(x)[:, column] == faces.ATTRIBUTES[factor].index(word)).float().mean()


arrow = ATTRIBUTE_ARROW.yours_or_ours(globals())
album, new = faces.random_factors(5000), faces.random_factors(300, seed=7, glasses="none", beard="none", hat="none")
album = album[~has_word(album, "glasses", "light")]
z_album, z_new = coded(album), coded(new)
glasses, beard = arrow(z_album, has_word(album, "glasses", "dark")), arrow(z_album, has_word(album, "beard", "beard"))
moved = {"+ glasses": glasses, "+ beard": beard, "+ both": glasses + beard}
rows = [datasets.to_float(faces.draw(new[:10]))]
for name, a in moved.items():
    x = decoded_faces(z_new + a)
    rows.append(x[:10])
    print(f"{name:9}  dark glasses are read in {read_in(x, 'glasses', 'dark'):4.0%}, a beard in {read_in(x, 'beard', 'beard'):4.0%}")
rows.append(datasets.to_float(faces.draw(faces.change(new[:10], glasses="dark", beard="beard"))))
show_images(torch.cat(rows), columns=10, size=0.8, row_labels=["new face", *moved, "drawn so"])


# %% [markdown]
# They do: one direction each, for everybody, and the sum has both.
#
# ### 6b · A hat that nobody asked for (1 point)
#
# Another album was taken at the beach. Of the people with dark glasses nine in ten wear a hat, of the others one in ten. The mean code of those with glasses holds
# most of a hat, and so does the arrow.
#
# Compare like with like. Let the faces come in groups, here with a hat and without. Inside each group g there are faces with the attribute and without: let $a_g$
# be the arrow of 6a inside the group. With k groups, each of which counts the same,
#
# $$a_{\text{balanced}}=\frac1k\sum_g a_g .$$

# %% nbgrader={"grade": false, "grade_id": "balanced_arrow", "locked": false, "schema_version": 3, "solution": true, "task": false}
def balanced_arrow(z, has, group):
    """The direction that gives a face an attribute, where the attribute is common in one group and rare in another.

    z: (n, latents), the codes of n faces
    has: (n,) boolean, whether a face has the attribute
    group: (n,), the number of each face's group: whole numbers from 0 on, which may leave some out. Each group has faces with the
        attribute and without
    Returns: (latents,)
    """
    ### BEGIN SOLUTION
    arrows = []
    for g in group.unique():
        inside = group == g
        arrows.append(z[has & inside].mean(0) - z[~has & inside].mean(0))
    return torch.stack(arrows).mean(0)
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_balanced_arrow", "locked": true, "schema_version": 3, "solution": false, "task": false}
BALANCED_ARROW.check(balanced_arrow)

# %% nbgrader={"grade": true, "grade_id": "grade_balanced_arrow", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.autoencoders import BALANCED_ARROW
from course_lib.grading.autoencoders.balanced_arrow import THREE, TWO

BALANCED_ARROW.check(
    balanced_arrow,
    hidden=lambda: [
        ((6 * grid(9, 5)).cos() - 2 * TWO[0][:, None], ~TWO[1].flip(0), TWO[0].flip(0)),
        ((8 * grid(11, 3)).sin() + THREE[0].sqrt()[:, None] / 2, ~THREE[1], THREE[0] - 1),
        ((5 * grid(7, 2)).exp().sin(), torch.tensor([True, True, False, True, False, False, True]), torch.tensor([0, 1, 1, 2, 2, 0, 1])),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Both arrows, from the album of the beach, on the new faces. None of them has a hat. Predict first: how many get one?

# %% tags=["nbval-ignore-output"]
fair = BALANCED_ARROW.yours_or_ours(globals())
parts = (("dark", "hat", 900), ("dark", "none", 100), ("none", "hat", 100), ("none", "none", 900))
beach = torch.cat([faces.random_factors(n, seed=i, glasses=glasses, hat=hat) for i, (glasses, hat, n) in enumerate(parts)])
z_beach, dark, hats = coded(beach), has_word(beach, "glasses", "dark"), has_word(beach, "hat", "hat")
moved = {"arrow of 6a": arrow(z_beach, dark), "balanced": fair(z_beach, dark, hats.long())}
rows = [datasets.to_float(faces.draw(new[:10]))]
for name, a in moved.items():
    x = decoded_faces(z_new + a)
    rows.append(x[:10])
    print(f"{name:11}  dark glasses are read in {read_in(x, 'glasses', 'dark'):4.0%}, a hat in {read_in(x, 'hat', 'hat'):4.0%}")
rows.append(datasets.to_float(faces.draw(faces.change(new[:10], glasses="dark"))))
show_images(torch.cat(rows), columns=10, size=0.8, row_labels=["new face", *moved, "drawn so"])


# %% [markdown]
# Glasses come with either arrow. The first brings hats along, or half a hat that lies on the hair: a mean cannot take apart what its data show together. The second
# can, because you said what the groups are. Where nobody has noticed the hats, nobody takes them out.

# %% [markdown] nbgrader={"grade": false, "grade_id": "written_question", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Task 7 · In your own words
#
# **2 points · 15 minutes · ★★☆** · graded by hand
#
# About 120 words in all. Use what you measured in task 5.
#
# 1. Take a latent that is switched off. Which μ and σ does the encoder give for it, whatever the image, and what does its KL come to? Why does nothing bring it
#    back as long as the weight stays at β?
# 2. Your warm-up ended at the same β as the run without one, printed below the check of 5b. Why is the result different?
# 3. A colleague wants latents that stand for one thing each (see the end of task 5) and asks for β = 4. What is gained, what is lost, and where do you see the
#    loss: in the ELBO or in the latents in use?

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_answer", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# 1. μ = 0 and σ = 1, so its cloud is the prior and its KL is 0. The decoder ignores it, so moving μ or σ away would cost KL and gain no likelihood. The
#    decoder in turn has no reason to look at pure noise. Neither side can gain by moving alone. Only a smaller weight, such as the start of another cycle, makes
#    moving free again.
# 2. Early on the decoder is bad, so a latent brings little likelihood and its KL is not worth paying. With a small weight at the start the latent costs nothing,
#    encoder and decoder come to agree on what it means, and by the time β is reached it earns more than it costs. It is a matter of the path and of local
#    optima, not of the final objective, which is the same.
# 3. A large β pushes the clouds towards the factorised prior, so the latents that remain tend to be independent of each other and to stand for single things. It
#    lowers the information about x: reconstructions blur and more latents switch off. The true ELBO falls, and so does the number of latents in use.
#
# **Marking guide (2 points).** One half point each for: (a) μ = 0, σ = 1, KL = 0; (b) no gain for either side, since the decoder ignores noise; (c) the
# warm-up changes the path: the latent is cheap while the decoder learns to use it; (d) the trade of question 3, with the ELBO or the latents in use named. Accept
# any wording. Give no credit for "β makes the model better", and none for "annealing lowers β".

# %% [markdown]
# ## More, if you like
#
# **no points · 15 minutes · ★★☆**
#
# **Free bits** are another cure for collapse: the first b nats of each latent cost nothing, so there is no gain in switching it off. The KL of a latent is averaged
# over the batch first, then raised to the floor:
#
# $$\sum_j\max\!\left(b,\;\frac1n\sum_{i=1}^n\mathrm{KL}_{ij}\right),$$
#
# with i for the n images of the batch and j for the latents.

# %% nbgrader={"grade": false, "grade_id": "free_bits", "locked": false, "schema_version": 3, "solution": true, "task": false}
def free_bits(kl, floor):
    """The KL term with free bits.

    kl: (batch, latents), nats
    floor: b, nats for each latent
    Returns: a tensor without axes
    """
    ### BEGIN SOLUTION
    return kl.mean(0).clamp(min=floor).sum()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_free_bits", "locked": true, "schema_version": 3, "solution": false, "task": false}
FREE_BITS.check(free_bits)


# %% [markdown]
# **Fair sampling.** A data set with few slanted digits gives a model that is bad at them. The latents know what is rare. Let $\hat q_j(z_{ij})$ be the estimated
# density of latent j at image i. Drawing images with probability
#
# $$p_i\;\propto\;\prod_j\frac{1}{\hat q_j(z_{ij})+\alpha}$$
#
# shows the rare ones more often. The constant α > 0 keeps a single odd image from taking over.

# %% nbgrader={"grade": false, "grade_id": "resampling_weights", "locked": false, "schema_version": 3, "solution": true, "task": false}
def resampling_weights(density, alpha):
    """The probability with which each image is drawn.

    density: (n, latents), estimated density of each latent at each image
    alpha: a number above 0
    Returns: (n,), adds up to 1
    """
    ### BEGIN SOLUTION
    weights = 1 / (density + alpha).prod(1)
    return weights / weights.sum()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_resampling_weights", "locked": true, "schema_version": 3, "solution": false, "task": false}
RESAMPLING.check(resampling_weights)

# %% [markdown]
# Does it work? The latents are those of your VAE of task 5, less the ones that are switched off: their μ is the same for every image, so they know nothing
# of what is rare. Below are the twelve most ordinary digits by your weights and the twelve rarest, then the classes of the most ordinary tenth and of
# the rarest. Which class is hardly ever rare? Compare it with the ghost of 5b.

# %% tags=["nbval-ignore-output"]
with torch.no_grad():
    z = vae.encoder(x_train).chunk(2, 1)[0]
density = []
for mu in z[:, z.std(0) > 0.2].T.contiguous():  # 1 for a latent that carries much, near 0 for one that is off
    counts, edges = torch.histogram(mu, bins=20, density=True)
    density.append(counts[torch.bucketize(mu, edges[1:-1])])
if density:
    order = RESAMPLING.yours_or_ours(globals())(torch.stack(density, 1), 0.05).argsort()
    show_digits(x_train[torch.cat([order[:12], order[-12:]])], row_labels=["ordinary", "rare"])
    tenth, classes = len(order) // 10, datasets.load("digits8", "train").y
    print("class           " + "".join(f"{digit:4}" for digit in range(10)))
    for name, part in (("ordinary tenth", order[:tenth]), ("rarest tenth", order[-tenth:])):
        print(f"{name:16}" + "".join(f"{count:4}" for count in classes[part].bincount(minlength=10)))
else:
    print("Every latent of this VAE is switched off: none can tell what is rare.")
