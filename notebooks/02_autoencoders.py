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
# - use the same model to sample, repair, condition, find anomalies and resample a biased data set.
#
# **Time** about 100 minutes. **Hardware** a laptop's CPU; nothing is downloaded. Every picture with sliders needs a running kernel.
# **You need** linear algebra, basic PyTorch, and the Gaussian distribution.

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
widgets.LatentExplorer(checkpoints.load("beta_vae_mnist_b1"), images=x_test[::100])

# %% [markdown]
# > **What to notice.** Nearly every place you reach is a digit, or something between two digits. Slant, width and loops change smoothly.
# > The rest of this lecture is about how a space like this comes about. We begin with one that is *not* like this.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · The naive attempt: squeeze, restore, and sample
#
# An **autoencoder** has two networks. The encoder turns an image $x$ into a short vector, the *latent* $z=e_\phi(x)$. The decoder turns it back:
# $\hat x=d_\theta(z)$. $\phi$ and $\theta$ are their weights. No labels are needed: the input is its own target.
#
# $$\min_{\theta,\phi}\;\mathbb E_x\big[\ell\big(x,\,d_\theta(e_\phi(x))\big)\big]$$
#
# The latent is a bottleneck: 784 pixels must pass through 16 numbers. Whatever the decoder needs to know must be in them.

# %%
show_source(Autoencoder)
autoencoder = Autoencoder(latents=16, hidden=(128, 128))
run = training.fit(autoencoder, x, **live, watch=LossPlot(title="autoencoder"))

# %%
show_images(torch.cat([x_test[::100], autoencoder.reconstruct(x_test[::100])]), columns=10, row_labels=["x", "x̂"])

# %% [markdown]
# Good: the images come back. So the decoder can draw digits, and it draws them from 16 numbers. Then why not give it 16 *random* numbers?
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
# > **What to notice.** No digit in the first row, and few in the second, though their spread is right. Reconstruction never asked where codes should lie, nor what lies between them.
# > A generator needs two things that we did not ask for. **Completeness**: every likely $z$ decodes to something sensible.
# > **Continuity**: neighbours decode to similar things.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · How narrow may the bottleneck be?
#
# With 784 latents an autoencoder could copy. With one it must choose. The family below was trained on MNIST with 1 to 64 latents.
# The dashed line is PCA, the best *linear* autoencoder with the same number of latents.
#
# **Predict first.** Where does the non-linear model help most: with few latents or with many?

# %%
sizes = [1, 2, 4, 8, 16, 32, 64]
linear = PCA(x, max(sizes))  # lecture 01
pca = {k: (linear.reconstruct(x_test, k) - x_test).square().mean().item() for k in sizes}

bottlenecks = checkpoints.load_family("ae_mnist")
errors = {k: model.record["numbers"]["mse"] for k, model in bottlenecks.items()}
widgets.BottleneckExplorer(bottlenecks, x_test[5::100], errors=errors, pca=pca)

# %% [markdown]
# > **What to notice.** The bend helps most where numbers are few: two latents of the network are worth eight of PCA. At 64 the two meet.
# > With two latents most digits already come back as the right class. From 16 on, little is gained.
#
# **Squared error or cross-entropy?** Both are minus a log-likelihood: of a Gaussian with fixed variance, and of a Bernoulli.
# They agree on the best prediction (the mean), and differ in how they punish a confident mistake.

# %%
p = torch.linspace(0.005, 0.995, 199)
curves(
    {"cross-entropy, −log p": (p, -p.log()), "squared error, (1 − p)²": (p, (1 - p) ** 2)},
    x_label="prediction p for a pixel that is white (x = 1)",
    y_label="cost",
)

# %% [markdown]
# > **What to notice.** Near $p=0$ squared error is nearly flat: a pixel that is confidently wrong gets almost no gradient. Cross-entropy goes to infinity there.
# > For images that are nearly black and white we use cross-entropy. For a true log-likelihood the pixels must be 0 or 1: section 8 binarises them.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · Denoising: a harder task teaches more
#
# Show the encoder a corrupted image $\tilde x=x+\sigma\varepsilon$ with $\varepsilon\sim\mathcal N(0,I)$, and ask for the clean $x$.
# Copying no longer helps. The model must know what digits look like.
#
# **Predict first.** Three models were trained at $\sigma=0.25$, $0.5$ and $1$. Which is best on an image *without* noise?

# %%
denoisers = {f"trained at σ = {sigma:g}": model for sigma, model in checkpoints.load_family("denoiser_mnist").items()}
widgets.NoiseExplorer(denoisers, x_test[3::50])

# %% [markdown]
# > **What to notice.** Each model is best near the noise it was trained with. The strong denoiser redraws clean digits too: it trusts its idea of a digit more than its eyes.
# > A denoiser points from noise towards data. Lecture 06 builds a whole generator out of that one fact.

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

# %%
from course_lib.distributions import DiagonalGaussian, gaussian_kl, gaussian_kl_per_latent, reparameterise

show_source(reparameterise)
# test it: for f(z) = z², the gradient of E[f] is known: ∂/∂μ (μ² + σ²) = 2μ and ∂/∂log σ² = σ²
mean, log_var = torch.tensor([[1.5]], requires_grad=True), torch.tensor([[-1.0]], requires_grad=True)
reparameterise(mean.expand(400_000, 1), log_var.expand(400_000, 1)).square().mean().backward()
print(f"∂/∂μ: sampled {mean.grad.item():.2f}, exact {2 * mean.item():.2f}")
print(f"∂/∂log σ²: sampled {log_var.grad.item():.2f}, exact {log_var.exp().item():.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · The evidence lower bound
#
# A generator says: draw $z$ from a prior $p(z)=\mathcal N(0,I)$, then $x$ from $p_\theta(x\mid z)$. The probability of an image is a sum over everything that could have caused it,
# $p_\theta(x)=\int p_\theta(x\mid z)\,p(z)\,dz$. That integral is hopeless: nearly all $z$ explain nearly nothing of $x$.
#
# So sample where it matters, from $q_\phi(z\mid x)$, and correct for it. The logarithm is concave, so by **Jensen's inequality** the log of a mean is at least the mean of the log:
#
# $$\log p_\theta(x)=\log\mathbb E_{q}\!\left[\frac{p_\theta(x\mid z)\,p(z)}{q_\phi(z\mid x)}\right]\;\ge\;
# \underbrace{\mathbb E_{q}\big[\log p_\theta(x\mid z)\big]}_{-\text{distortion}}-\underbrace{\mathrm{KL}\big(q_\phi(z\mid x)\,\|\,p(z)\big)}_{\text{rate}}=\mathrm{ELBO}(x)$$
#
# The gap is exactly $\mathrm{KL}\big(q_\phi(z\mid x)\,\|\,p_\theta(z\mid x)\big)$. The ELBO is *maximised*; its negative is the loss.

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
        "ELBO, four times too wide": (means, elbo(means, 4 * best_var)),
    },
    x_label="mean of q",
    y_label="nats",
    title="The bound touches where q is the posterior",
    size=(8, 3.4),
)
print(f"log p(x) {exact:.4f}   ELBO at the true posterior {elbo(best_mean[None], best_var).item():.4f}")

# %% [markdown]
# > **What to notice.** The bound never crosses $\log p(x)$. It touches only where $q$ is the true posterior. A $q$ with the wrong width leaves a gap that no mean can close.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · The rent that keeps clouds in place
#
# Left alone, reconstruction would shrink every cloud to a point: a point is easiest to decode. Then the space between means nothing again.
# The second term is the rent that a cloud pays for being unlike the prior. For Gaussians it has a closed form:
#
# $$\mathrm{KL}\!\left(q_\phi(z\mid x)\,\|\,\mathcal N(0,I)\right)=\tfrac12\sum_j\left(\mu_j^2+\sigma_j^2-1-\log\sigma_j^2\right)$$
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
widgets.LatentMap(plain, plain.encode(x_test), unseen.y)

# %%
flat = checkpoints.load("vae_2d")
widgets.LatentMap(flat, flat.encode(x_test), unseen.y)

# %% [markdown]
# > **What to notice.** Read the axes. The plain codes spread over tens of units, in rays with empty land between them; in the gaps the decoder draws nonsense.
# > The VAE's codes fill one round disc of radius 3 without gaps. Switch to the picture map: walking across it, each digit turns into its neighbour.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · Train it
#
# The whole loss is distortion plus rate, summed over dimensions, averaged over the batch. Summing matters. If the reconstruction were averaged over 784 pixels
# and the KL summed over latents, the rent would be 784 times too high. That slip is common, and looks like "my VAE only draws blurs".

# %%
show_source(VAE.terms)
show_source(VAE.loss)
training.seed_everything(0)
vae = VAE(latents=16, hidden=(128, 128))
run = training.fit(vae, x, **live, watch=LossPlot(title="VAE"))

# %%
show_images(
    torch.cat([autoencoder.decode(guesses[:10]).detach(), vae.decode(guesses[:10]).detach()]),
    columns=10,
    row_labels=["autoencoder", "VAE"],
    heading="The same random z ~ N(0, I), decoded",
)

# %% [markdown]
# > **What to notice.** Same data, same size, some seconds each. The autoencoder draws stains. The VAE's draws are soft, but they are made of strokes, and many are digits.
#
# Now the one that was trained longer. Its record says how, on what, and what it reached. `python -m course_lib train vae --preset cpu` makes it again.
# (Its minutes are those of one core that had other work to do. Two idle cores need about 15.)

# %%
best = checkpoints.load("vae")
print({key: best.record[key] for key in ("data", "parameters", "steps", "minutes", "device", "command")})
print(best.record["numbers"])
torch.manual_seed(0)
show_images(best.sample(40), columns=10)

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
torch.manual_seed(0)
binary = datasets.binarise(x_test[::5])
ks = [1, 2, 5, 10, 20, 50, 100, 200]
bounds = {"this VAE, 200 test images": (ks, [best.iwae_bound(binary, k).mean().item() for k in ks])}
curves(bounds, x_label="number of samples k", y_label="bound on log p(x), nats", log_x=True, markers=True)

# %% [markdown]
# > **What to notice.** The curve rises fast, then crawls. The distance from $k=1$ to where it would level off estimates the gap of section 5:
# > how far the Gaussian $q_\phi$ is from the true posterior.

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
widgets.BetaExplorer(betas, x_test[2::100])

# %% [markdown]
# > **What to notice.** At $\beta=0$ reconstructions are sharp and samples are garbage: the codes are nowhere near the prior. Around $\beta=1$ both are good.
# > At $\beta=16$ nearly every bar is at zero, and all samples look like one average digit. The point slides along one curve: **rate–distortion**. You buy detail with nats.
#
# Digits do not come with their causes. **Sprites** do: each image has a known shape, scale, orientation, x and y. So we can ask whether a latent means one thing.

# %%
sprites = datasets.load("sprites", "test")
sprite_betas = checkpoints.load_family("beta_vae_sprites")
widgets.BetaExplorer(sprite_betas, sprites.images()[::700])


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


table([row(beta, model.record["numbers"]) for beta, model in sprite_betas.items()])

# %% [markdown]
# > **What to notice.** From β = 0.5 to 8, MIG, DCI and SAP rise: position and size move to latents of their own. At 16 they fall back a little.
# > The price is in the columns before them: at β = 8 three latents are left, and shape and orientation, which change few pixels, are lost.
# > FactorVAE hardly moves, and likes β = 0 best. The scores measure different things, and none of them can be computed without labels.
#
# ### Perturb one latent at a time
#
# Move the sliders of the model with β = 8. Name each latent by what it moves. Which causes of the picture have no slider at all?

# %%
widgets.LatentExplorer(sprite_betas[8], images=sprites.images()[::700])

# %%
# the same by numbers: mutual information (nats) between each latent and each factor
codes = sprite_betas[8].encode(sprites.images())
information = metrics.mutual_information_matrix(codes, sprites.y)
table([{"latent": f"z{j + 1}", **dict(zip(sprites.factors, map(float, line.round(2)), strict=True))} for j, line in enumerate(information)])

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · Break it: posterior collapse
#
# Early in training the codes say nothing yet, so the decoder learns to ignore them. Then the cheapest cloud is the prior itself, with KL zero, and the encoder has no reason to come back.
# That is **posterior collapse**. Deep networks and strong decoders invite it.
#
# Below, one deep VAE was trained three times from the same start: as it is, with β rising from 0 to 1 (**annealing**), and with **free bits**: the first half nat of each latent is not charged.
#
# **Predict first.** Press play. Which run uses its latents first? Which keeps them?

# %%
widgets.AnnealingPlayback(checkpoints.recordings("kl_annealing"))

# %% [markdown]
# > **What to notice.** Without a cure three latents are left in the end, and the ELBO lags by 11 nats. Annealing lets latents become useful before they cost anything: one more survives, and it pays.
# > Free bits keep all sixteen alive, most of them at just the half nat that is free. The ELBO of all three is measured at β = 1, so it is fair to compare.

# %%
from course_lib.autoencoders import active_latents, beta_schedule

show_source(beta_schedule)
show_source(VAE.loss_with_free_bits)
# do it yourself: the same small model with the rent 30 times too high (the slip of section 7), and the repair
for beta in (30.0, 1.0):
    training.seed_everything(0)
    model = VAE(latents=16, hidden=(128, 128), beta=beta)
    training.fit(model, x, **live, progress=False)
    print(f"β = {beta:4.0f}: {active_latents(model, x_test):2} of 16 latents in use, ELBO {model.elbo(x_test).mean():.0f} nats")

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
run = training.fit(VAE(latents=16, hidden=(128, 128)), x, steps=200, batch_size=100, lr=2e-3, clip=100.0, progress=False)
print(f"\nwith a sane rate: loss {run.history[0]['loss']:.0f} → {run.history[-1]['loss']:.0f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · A better prior
#
# The rent pulls every single cloud to $\mathcal N(0,I)$. The bound only needs the clouds *together* to look like the prior: $p(z)\approx\frac1N\sum_n q_\phi(z\mid x_n)$.
# So learn the prior. The **VampPrior** is a mixture of the encoder's own answers to learned pseudo-images $u_c$: $p(z)=\frac1C\sum_c q_\phi(z\mid u_c)$.
# Our best model has 256 of them.

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
# > **What to notice.** The pseudo-images are no digits; only their codes matter. Samples from the learned prior are digits. From $\mathcal N(0,I)$ the same decoder draws worse: nobody trained it there.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · On demand: the conditional VAE
#
# Give the label $y$ to both networks: $q_\phi(z\mid x,y)$ and $p_\theta(x\mid z,y)$. The class need not be in $z$ any more, so $z$ is left with what digits of all classes share: **style**.

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
# > **What to notice.** Slant and weight of the stroke stay the same along a row. You asked for a class and got it.

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
show_images(torch.cat([damaged, torch.where(known, damaged, 0.5), repaired]), columns=10, row_labels=["truth", "given", "repaired"])

# %% [markdown]
# > **What to notice.** The lower halves fit the upper ones, though not always as it was: the top of a 4 can become a 9. The model gives *one* explanation. It does not say how sure it is.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · Anomalies: two scores, and a blind spot
#
# A model of digits should be bad at what is not a digit. Two scores: the reconstruction error, and $-\mathrm{ELBO}$, which adds the rate.
# Our anomalies are sprites, digits on their side, and two digits on top of each other.

# %%
torch.manual_seed(0)
others = torch.cat(
    [sprites.images()[::61, :, 2:30, 2:30], x_test[::10].rot90(1, (2, 3)), torch.maximum(x_test[::10], x_test.flip(0)[5::10])]
)
kinds = torch.arange(3).repeat_interleave(100)
normal = x_test[1::3][:300]


@torch.no_grad()
def minus_elbo(images, repeats=8):
    return -torch.stack([best.elbo(images) for _ in range(repeats)]).mean(0)


scores = {
    "reconstruction error": (bottlenecks[32].error(normal).detach(), bottlenecks[32].error(others).detach()),
    "−ELBO": (minus_elbo(normal), minus_elbo(others)),
}
widgets.AnomalyExplorer(scores, (normal, others))

# %%
rows = []
for name, (usual, odd) in scores.items():
    parts = {kind: metrics.auroc(usual, odd[kinds == i]) for i, kind in enumerate(("sprites", "on their side", "two digits"))}
    rows.append({"score": name, **parts, "all": metrics.auroc(usual, odd)})
display(table(rows))
blank = torch.zeros(1, 1, 28, 28)
print(f"a blank image: error {bottlenecks[32].error(blank).item():.0f} (digits: {scores['reconstruction error'][0].mean():.0f})", end=", ")
print(f"−ELBO {minus_elbo(blank).item():.0f} (digits: {scores['−ELBO'][0].mean():.0f})")

# %% [markdown]
# > **What to notice.** Both scores rank most anomalies above most digits. Now the *blank* image, a broken camera: by reconstruction error it is more normal than the average digit.
# > Low error means "easy to draw", not "one of ours". The ELBO catches it, because its code lies where no digit's code does, and the rate says so.
# > Do not trust that for ever: lecture 04 meets anomalies that even an exact likelihood calls normal.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16 · Features for another task
#
# Labels are dear, images are cheap. Train a linear classifier on codes, with only a few labels.

# %%
encoders = {
    "pixels (784)": lambda v: v.flatten(1),
    "autoencoder, 16 latents": bottlenecks[16].encode,
    "denoiser σ = 0.5, 64 latents": checkpoints.load("denoiser_mnist_s0.5").encode,
    "VAE, 40 latents": best.encode,
}
rows = []
for name, encode in encoders.items():
    train_codes, test_codes = encode(x).detach(), encode(x_test).detach()
    chosen = {n: torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:n] for n in (50, 200, 1000)}
    rows.append(
        {"features": name}
        | {f"{n} labels": metrics.linear_probe(train_codes[i], digits.y[i], test_codes, unseen.y) for n, i in chosen.items()}
    )
table(rows)

# %% [markdown]
# > **What to notice.** Compare the columns, not only the rows: what helps with 50 labels need not help with 1,000. The encoders saw 59,000 images without labels; the pixels saw nothing.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 17 · A biased data set, and what latents can do about it
#
# A classifier must name the shape of a sprite. Its data are biased: 97 % of the pictures have the sprite on the left. Nobody wrote that down.
# A VAE does not need to be told. Position is among its latents, so rare positions are rare codes. Draw those more often:
#
# $$w(x)\propto\prod_j\frac1{\hat h_j(z_j(x))+\alpha},\qquad \hat h_j=\text{histogram of latent }j$$
#
# **Predict first.** α smooths the weights. What goes wrong when α is tiny?

# %%
from course_lib.autoencoders import resampling_weights

show_source(resampling_weights)
everything = datasets.load("sprites", "train")
side = torch.where(everything.y[:, 3] <= 4, 0, torch.where(everything.y[:, 3] >= 10, 1, 2))  # left, right, and a middle we leave out
order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(0))
biased = torch.cat([order[side[order] == 0][:15_520], order[side[order] == 1][:480]])
pictures, shapes, groups = datasets.to_float(everything.x[biased]), everything.y[biased, 0], side[biased]
test_side = torch.where(sprites.y[:, 3] <= 4, 0, torch.where(sprites.y[:, 3] >= 10, 1, 2))

training.seed_everything(0)
observer = VAE(shape=(1, 32, 32), latents=6, hidden=(128, 128))
training.fit(observer, pictures, **live)


def retrain(weights, seeds=3):
    """Accuracy on each side of a small classifier whose batches are drawn with `weights`, averaged over seeds."""
    total = {"left": 0.0, "right": 0.0}
    for seed in range(seeds):
        torch.manual_seed(seed)
        classifier = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1024, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
        optimiser = torch.optim.AdamW(classifier.parameters(), lr=3e-3)
        drawn = torch.multinomial(torch.as_tensor(weights, dtype=torch.float32), 800 * 128, replacement=True)
        for batch in drawn.split(128):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(classifier(pictures[batch]), shapes[batch]).backward()
            optimiser.step()
        right = (classifier(sprites.images()).argmax(1) == sprites.y[:, 0]).float()
        for i, name in enumerate(total):
            total[name] += right[test_side == i].mean().item() / seeds
    return total


widgets.DebiasingExplorer(observer.encode(pictures).detach(), groups, ["left", "right"], pictures, alpha=(0.01, 10.0), retrain=retrain)

# %% [markdown]
# > **What to notice.** With moderate smoothing the rare side gains several points, the common side loses few. With a tiny α a handful of odd pictures fill every batch: the common side collapses, and the rare side gains nothing more.
# > Resampling repeats what is there. It cannot invent what was never photographed, and it also lifts outliers and errors of labelling. Measuring by group, as here, comes first.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 18 · Symbols instead of numbers: VQ-VAE
#
# Replace each vector of a $7\times7$ grid by the nearest of 64 learned vectors, the **codebook**. An image becomes 49 symbols.
# The choice of the nearest has no gradient, so it is passed straight through: the decoder's gradient goes to the encoder as if nothing had happened between.
# The clouds and the rent are gone, and so is the prior. A second model must learn which grids of symbols are likely. Here it is a small recurrent network.

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

# %% [markdown]
# > **What to notice.** Reconstructions are sharper than any VAE's above. Random symbols are texture, not digits. The prior does the generating: it is a language model over 64 words. Lectures 05 and 09 build better ones.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 19 · Why VAEs blur, and a hybrid
#
# Cross-entropy for each pixel rewards the average of all images that $z$ could mean. An average is blurred. **VAE-GAN** compares images in the eyes of a discriminator instead:
# two images are alike if its inner features are. Lecture 03 explains the game that trains it.

# %%
hybrid = checkpoints.load("vae_gan")
torch.manual_seed(0)
draws = {"VAE β = 1": betas[1].sample(500), "VAE-GAN": hybrid.sample(500), "real digits": x_test[::2]}
show_images(torch.cat([v[:10] if name != "real digits" else v[::50] for name, v in draws.items()]), columns=10, row_labels=list(draws))
for name, v in draws.items():
    print(f"{name:12} pixels that are neither black nor white (0.1 to 0.9): {((v > 0.1) & (v < 0.9)).float().mean():.1%}")

# %% [markdown]
# > **What to notice.** The hybrid's strokes have edges; its share of grey pixels is close to that of real digits. But it gave up the likelihood: there is no ELBO to report, and some draws are crisp nonsense.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 20 · Numbers
#
# Log-likelihood of binarised MNIST test images, in nats; higher is better. Bounds can only be compared when their kind is named.

# %%
n = best.record["numbers"]
ours = f"{best.record['steps']:,} steps, {best.record['device']}"
table(
    [
        {"model": "ours, VampPrior, 40 latents", "nats": n["elbo"], "kind": "ELBO", "binarisation": "dynamic", "budget, source": ours},
        {"model": "the same", "nats": n["iwae_bound"], "kind": f"bound, k = {n['k']}", "binarisation": "dynamic", "budget, source": ours},
        {"model": "VAE", "nats": -86.77, "kind": "bound", "binarisation": "dynamic", "budget, source": "pytorch-generative"},
        {"model": "VAE", "nats": -97.10, "kind": "bound", "binarisation": "static", "budget, source": "65k steps, altosaar"},
        {"model": "VAE + IAF", "nats": -95.33, "kind": "bound", "binarisation": "static", "budget, source": "150k steps, altosaar"},
        {
            "model": "PixelCNN (lecture 05)",
            "nats": -81.45,
            "kind": "exact",
            "binarisation": "dynamic",
            "budget, source": "457 epochs, pytorch-generative",
        },
    ]
)

# %% [markdown]
# > **What to notice.** A model with exact likelihoods is ahead. It pays at sampling time: one pixel after the other, where a VAE draws an image in one pass.

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
# No. The model decided that this latent is not worth its rent, and it has become the prior. It is a bug if <i>all</i> latents do so (posterior collapse),
# or if they do so in the first steps and never return.
# </details>
#
# <details><summary><b>3.</b> Why does the encoder predict log σ² and not σ?</summary>
#
# Any real number is a valid log σ², so no constraint is needed, and the closed form of the KL uses it directly. It is <i>not</i> because σ could not be learned:
# softplus(σ) works too. Confusing log σ with log σ² is one of the most common errors: it squares the width.
# </details>
#
# <details><summary><b>4.</b> Model A has ELBO −90, model B has −88 by a bound with k = 500. Which is better?</summary>
#
# You cannot tell. A's own k = 500 bound may well be above −88. Compare the same kind of number, on the same images, binarised the same way.
# </details>
#
# <details><summary><b>5.</b> Would a very strong decoder, one that models every pixel given the others, make the latents better?</summary>
#
# No: it can explain x without z, so paying rent for z is pointless, and the posterior collapses. Strong decoders need annealing, free bits, or a weaker view of x.
# </details>
#
# <details><summary><b>6.</b> Does β > 1 give a worse generative model?</summary>
#
# By likelihood, yes: β = 1 is the bound. As a representation it may be better, and samples can even improve a little, since the clouds together match the prior more closely. State which you want.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 22 · Summary, and when things go wrong
#
# - An autoencoder compresses. Its codes have no agreed place, so sampling fails.
# - A VAE answers with clouds and charges rent for them. Its loss is minus a lower bound on $\log p_\theta(x)$.
# - β trades rate against distortion. Collapse is what happens when nothing is worth its rent.
# - The prior can be learned, the label can be given, the code can be searched for, the symbols can be discrete.
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
# **Cost.** One training step of the live VAE is about 0.24 M multiplications an image, forward; sampling is one decoder pass. Memory is weights plus one batch of activations.
# **Several GPUs**: `accelerate launch -m course_lib train vae --preset gpu`.
#
# **Care.** A VAE trained on faces can edit them, and can remember some. Anomaly scores decide who gets a second look; section 15 shows how they fail. Section 17 shows how little it takes to be unfair to a group, and that one must measure to see it.
#
# **Now you**: [exercise 02](../exercises/02_autoencoders/02_autoencoders.ipynb), 20 points.
#
# **Read on.** Kingma & Welling, *Auto-Encoding Variational Bayes* (arXiv:1312.6114) and their *Introduction to VAEs* (arXiv:1906.02691) · Burda et al., importance weighting (arXiv:1509.00519) ·
# Higgins et al., β-VAE (ICLR 2017) · Alemi et al., *Fixing a Broken ELBO* (arXiv:1711.00464) · Locatello et al., on the limits of disentanglement (arXiv:1811.12359) ·
# Tomczak & Welling, VampPrior (arXiv:1705.07120) · van den Oord et al., VQ-VAE (arXiv:1711.00937) · Larsen et al., VAE-GAN (arXiv:1512.09300)
