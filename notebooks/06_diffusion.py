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
# # 06 · Diffusion
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/notebooks/06_diffusion.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/notebooks/06_diffusion.ipynb)
#
# **You will be able to**
# - drown data in noise in closed form, and step back by Bayes' rule,
# - derive the loss from the bound of lecture 02, and say it in noise, data or v,
# - train a denoiser, and sample with it in 100 steps or in 5,
# - walk along a score with Langevin, and see why that is the same model,
# - steer by labels, fill in, edit and interpolate, with no further training,
# - build flow matching by changing one line.
#
# **Time** about 120 minutes. **Hardware** a laptop's CPU; nothing is downloaded. Every picture with sliders needs a running kernel.
# **You need** basic PyTorch, Gaussians, and the bound of lecture 02; lectures 01, 03 and 04 where they are named. Lecture 00 has the notation.

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
import torch
from IPython.display import Audio, display

from course_lib import checkpoints, datasets, diffusion, metrics, training
from course_lib.datasets import toy2d
from course_lib.datasets.toy2d import plane
from course_lib.latent_spaces import slerp
from course_lib.plotting import LossPlot, curves, show_images, show_source, table
from course_lib.recipes import floats_and_labels, preset_for
from course_lib.widgets import diffusion as widgets

training.seed_everything(0)
unseen = datasets.load("mnist_small", "test")
tiny = datasets.load("digits8", "train")  # 8 × 8 pixels: small enough to train on while you watch
live = diffusion.LIVE[preset_for()].options()
model = checkpoints.load("diffusion")

# %% [markdown]
# ## First, play
#
# Start from pure noise. A network looks at it and draws the digit that it thinks is hidden. Remove a little of the noise, in the direction of that guess. Look again. Fifty times. Pixels lie in $[-1,1]$ here.
#
# **Predict first.** At the very first step (set *step* to 0) the network sees nothing but noise. What will its guess look like? When is it decided which digit it will be?

# %%
widgets.ReverseExplorer(model)


# %% [markdown]
# > **What to notice.** The first guess is a grey blur; keep it in mind for section 1. Then the guess takes sides. What is large is decided first, and fine strokes last.
# > The other method in the menu, DDPM, adds fresh noise at each step (section 7), so the guess changes its mind for longer.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · The naive attempt: clean everything in one step
#
# A generator must turn noise into data. So train a network to do just that: show it noise $\varepsilon$, ask for a digit $x$, and take the squared error. Which digit? Any: noise and digits are paired at random. **Predict first.** Will different noise give different digits?

# %%
def one_leap(run, batch):
    """Noise in, digit out: the squared error to a digit that has nothing to do with the noise."""
    x, _ = batch
    out = run.model.net(torch.randn_like(x), torch.zeros(len(x)))
    loss = (out - (2 * x - 1)).square().flatten(1).sum(1).mean()
    run.update(loss)
    return {"loss": loss}


leap = diffusion.ImageDiffusion((1, 8, 8), width=16, patch=1)
training.fit(leap, (tiny.x, tiny.y), step=one_leap, prepare=floats_and_labels, progress=False, **live | {"steps": 60, "ema": None})
with torch.no_grad():
    drawn = (leap.net(torch.randn(10, 1, 8, 8), torch.zeros(10)) + 1) / 2
show_images(torch.cat([tiny.images()[:10], drawn.clamp(0, 1)]), columns=10, row_labels=["digits", "one leap"])

# %% [markdown]
# > **What to notice.** Always the same blur, whatever the noise. The noise says nothing about the digit, and the squared error is least at the **mean** of all answers that are possible.
# > Now ask for less. If the network sees a digit with *a little* noise, few answers are possible, and their mean is sharp. So go in small steps. That is the whole idea; the rest is bookkeeping.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Forward: drown the data in noise
#
# Time $t$ runs from 0 (data) to 1 (noise): lecture 00's $T$ is 1 here. At each time
#
# $$x_t=\alpha_t\,x_0+\sigma_t\,\varepsilon,\qquad\varepsilon\sim\mathcal N(0,I)$$
#
# $\alpha_t$ falls from 1 to 0, $\sigma_t$ grows from 0 to 1. With $\alpha_t^2+\sigma_t^2=1$ the variance of data with variance 1 stays 1. Many papers write $\bar\alpha_t$ for our $\alpha_t^2$.
# One number says how noisy $x_t$ is: the **signal-to-noise ratio** $\mathrm{SNR}_t=\alpha_t^2/\sigma_t^2$. How fast it falls is the **schedule**.
#
# **Predict first.** At which $t$ can you no longer tell the digit? Is it the same for all schedules?

# %%
widgets.NoiseExplorer(unseen.images()[::100])

# %% [markdown]
# > **What to notice.** A digit survives a lot of noise: at an SNR of 1 you still read it. DDPM's linear schedule (2020) has drowned it soon after half-time; its last third is spent on pure noise. The cosine spreads the work evenly. The histogram ends as a bell, whatever it was before: the end forgets the beginning.
#
# **Where do small steps come in?** Early papers have a chain of $n$ steps, $n=1000$. Step $i$ leads to the time $t=i/n$ and adds a little noise: the old value times $\sqrt{1-\beta_i}$, plus $\sqrt{\beta_i}\,\varepsilon$. Sums of Gaussians are Gaussian, so all steps up to $t$ are one, the formula above, with $\alpha_t^2=\prod_{i\le nt}(1-\beta_i)$. In the limit of many steps the product of the "linear" schedule is the exponential in the code. **Test it** with 1,000 steps, on the single number $x_0=1$.

# %%
show_source(diffusion.Schedule.alpha_bar)
beta = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
x = torch.ones(100_000)
for b in beta[:500].tolist():
    x = math.sqrt(1 - b) * x + math.sqrt(b) * torch.randn_like(x)
alpha, sigma = diffusion.Schedule("linear").at(0.5)
print(f"500 small steps: mean {x.mean():.2f}, standard deviation {x.std():.2f}; in one: α = {alpha:.2f}, σ = {sigma:.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · One step back, if you knew the answer
#
# Take two times $s<t$. Given $x_t$ alone, $x_s$ could be many things. Given $x_t$ **and** $x_0$, Bayes' rule for Gaussians leaves one Gaussian:
#
# $$q(x_s\mid x_t,x_0)=\mathcal N\Big(\frac{\alpha_{t|s}\sigma_s^2}{\sigma_t^2}\,x_t+\frac{\alpha_s\sigma_{t|s}^2}{\sigma_t^2}\,x_0,\ \ \frac{\sigma_{t|s}^2\sigma_s^2}{\sigma_t^2}\Big)$$
#
# with $\alpha_{t|s}=\alpha_t/\alpha_s$ and $\sigma_{t|s}^2=\sigma_t^2-\alpha_{t|s}^2\sigma_s^2$: the step from $s$ to $t$ by itself. The mean is a weighted sum of where we are and where we should go. The variance comes from adding precisions: $1/\text{variance}=1/\sigma_s^2+\alpha_{t|s}^2/\sigma_{t|s}^2$.
#
# **Test it** against Bayes' rule on a fine grid: prior of $x_s$ given $x_0$, times the step to $x_t$, normalised.

# %%
show_source(diffusion.Schedule.posterior)
schedule, s, t, x_0, x_t = diffusion.Schedule("cosine"), 0.4, 0.7, torch.tensor([0.8]), torch.tensor([-0.3])
mean, variance = schedule.posterior(x_0, x_t, s, t)
(alpha_s, sigma_s), (alpha_t, sigma_t) = schedule.at(s), schedule.at(t)
alpha_ts, variance_ts = schedule.between(s, t)
grid = torch.linspace(-6, 6, 100_001, dtype=torch.float64)
log_prior = -((grid - alpha_s * x_0) ** 2) / (2 * sigma_s**2)
log_likelihood = -((x_t - alpha_ts * grid) ** 2) / (2 * variance_ts)
p = (log_prior + log_likelihood).softmax(0)
print(f"formula: mean {mean.item():.4f}, variance {variance.item():.4f}")
print(f"on the grid: mean {(p * grid).sum():.4f}, variance {(p * (grid - (p * grid).sum()) ** 2).sum():.4f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · The loss
#
# We do not know $x_0$. So a network **guesses** it, $\hat x_0=\hat x_\theta(x_t,t)$, and we step back with the guess in its place. How wrong may the guess be? The VAE's bound (lecture 02) answers. Its latents are the noisy images at times $0<t_1<\dots<t_n=1$, and its encoder adds noise: nothing to learn. Bayes' rule turns each of its steps round, $q(x_t\mid x_s)=q(x_s\mid x_t,x_0)\,q(x_t\mid x_0)/q(x_s\mid x_0)$; the last two cancel from step to step, and with $s=t_{i-1}$, $t=t_i$ this is left:
#
# $$-\log p(x_0)\ \le\ \underbrace{\mathrm{KL}(q(x_1\mid x_0)\,\|\,\mathcal N(0,I))}_{\text{prior, about }0}+\sum_{i\ge2}\mathbb E\,\underbrace{\mathrm{KL}\big(q(x_s\mid x_t,x_0)\,\|\,q(x_s\mid x_t,\hat x_0)\big)}_{\frac12(\mathrm{SNR}_s-\mathrm{SNR}_t)\,\|x_0-\hat x_0\|^2}\underbrace{-\,\mathbb E\log p(x_0\mid x_{t_1})}_{\text{pixels}}$$
#
# Both Gaussians in the middle have the same variance, so their KL is a squared distance. **All of training is: predict the clean image, in squared error.** The network may say it in other words, since $x_t=\alpha_tx_0+\sigma_t\varepsilon$ ties them together:
#
# | it predicts | target | squared error in units of $\|x_0-\hat x_0\|^2$ |
# |---|---|---|
# | data | $x_0$ | 1 |
# | noise | $\varepsilon$ | $\alpha_t^2/\sigma_t^2$ |
# | v (where $\alpha_t^2+\sigma_t^2=1$) | $\alpha_t\varepsilon-\sigma_tx_0$ | $1/\sigma_t^2$ |
# | velocity (section 15) | $\varepsilon-x_0$ | $(\alpha_t+\sigma_t)^2/\sigma_t^2$ |
#
# The **simple loss** drops the weights of the bound and averages one of these errors over random times. It cares less about the last bit of noise, which nobody sees and which costs many nats (section 17). In the code $f$ is what the network says. From it come a guess of the image, $\hat x_0$, and the guess of the noise that goes with it, $\hat\varepsilon=(x_t-\alpha_t\hat x_0)/\sigma_t$: both are sums of $x_t$ and $f$, with weights that `shares` gives.

# %%
show_source(diffusion.Diffusion.loss)
show_source(diffusion.Diffusion.target)
show_source(diffusion.Diffusion.shares)

# %% [markdown]
# **Test it**, twice. The KL of the two Gaussians is ½ (SNR<sub>s</sub> − SNR<sub>t</sub>) times the squared error. And one guess told in three ways: the errors differ by just the factors of the table.

# %%
x, noise, t = torch.randn(1, 50), torch.randn(1, 50), torch.tensor([0.6], dtype=torch.float64)
guess = x + 0.1 * torch.randn(1, 50)
alpha, sigma = schedule.at(0.6)
x_t = alpha * x + sigma * noise
errors = {}
for predict in ("data", "noise", "v"):
    teller = diffusion.PointDiffusion(50, predict=predict)
    said = teller.target(guess, (x_t - alpha * guess) / sigma, t)  # what it says when x₀ = guess
    errors[predict] = (said - teller.target(x, noise, t)).square().sum().item()
(right, variance), (guessed, _) = schedule.posterior(x, x_t, 0.4, 0.6), schedule.posterior(guess, x_t, 0.4, 0.6)
normals = [torch.distributions.Normal(mean, variance.sqrt()) for mean in (right, guessed)]
snr_s, snr_t = schedule.log_snr([0.4, 0.6]).exp().tolist()
print(f"KL of the two {torch.distributions.kl_divergence(*normals).sum():.4f}, formula {(snr_s - snr_t) / 2 * errors['data']:.4f}")
print(", ".join(f"{name} {error / errors['data']:.3f}" for name, error in errors.items()), end="; ")
print(f"expected 1, {(alpha / sigma) ** 2:.3f}, {1 / sigma**2:.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · The network: a U-Net that knows the time
#
# Input and output are images of one size, so the network goes down to small pictures, to see the whole, and up again, with **skip connections** that bring the details back. Where the picture is small, **attention** lets every place look at every other.
#
# Blocks of 2 × 2 pixels become channels first, which makes everything four times as cheap. One network serves all times. It is told $\log\mathrm{SNR}_t$ by sines and cosines of many frequencies, which scale and shift the channels in each block. The label enters the same way; one more label stands for "not told".

# %%
show_source(diffusion.UNet.forward)
show_source(diffusion.ResidualBlock.forward)
show_source(diffusion.NoiseEmbedding.forward, open=False)
print(f"{sum(p.numel() for p in model.parameters()):,} weights; {sum(p.numel() for p in model.net.down.parameters()):,} on the way down")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · Train it live
#
# 1,437 digits of 8 × 8 pixels, the same network in small. `.ema` is the running average of the weights; it draws better.

# %%
training.seed_everything(0)
small = diffusion.ImageDiffusion((1, 8, 8), width=16, patch=1)
small = training.fit(small, (tiny.x, tiny.y), prepare=floats_and_labels, watch=LossPlot(y_label="squared error"), **live).ema
told = torch.arange(20) % 10
show_images(small.sample(20, told), columns=10)
show_images(model.sample(20, told), columns=10)

# %% [markdown]
# > **What to notice.** Above yours, below the shipped one, 28 × 28, which has learned from 59,000 digits for longer. The loss falls fast for a hundred steps, then slowly, and stays far above 0. It must: under strong noise nobody knows which digit it is, under weak noise nobody knows the last bit of the noise. **Samples keep getting better while the loss seems to stand still.** Judge by samples.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · Sampling: DDPM and DDIM
#
# **DDPM** steps back by $q(x_s\mid x_t,\hat x_0)$: the mean, and fresh noise. **DDIM** notices that the loss only knows $q(x_t\mid x_0)$ at each time, not how the times hang together. So it may choose the chain, and chooses one without fresh noise: split $x_t$ into $\hat x_0$ and $\hat\varepsilon$, and mix the two anew, as time $s$ has them.
#
# $$x_s=\alpha_s\hat x_0+\sqrt{\sigma_s^2-\eta^2\tilde\sigma^2}\;\hat\varepsilon+\eta\,\tilde\sigma\,\varepsilon_\text{new}$$
#
# $\tilde\sigma^2$ is the variance of section 3. $\eta=0$ is DDIM, $\eta=1$ is DDPM; the times may be any list. Pixels lie in $[-1,1]$, so the guess $\hat x_0$ is clipped to that, and $\hat\varepsilon$ computed again, for the two must still make $x_t$. (For models that do not clip, `sample_fast` writes each step as one sum of $x_t$ and $f$.)

# %%
show_source(diffusion.Diffusion.denoise)
show_source(diffusion.estimates)
show_source(diffusion.ddim_step)
show_source(diffusion.sample)


# %% [markdown]
# **Test it** with an oracle that knows the data, and so the noise. From any noise, in any number of steps, it must land on the data.

# %%
class Oracle(diffusion.PointDiffusion):
    """Knows the data. `answer` is what a network says; here it is asked for the noise."""

    target_points = torch.randn(4, 2)

    def answer(self, x_t, t, y=None, guidance=1.0):
        alpha, sigma = self.schedule.at(t)
        return (x_t - alpha * self.target_points) / sigma


oracle, start = Oracle(predict="noise"), torch.randn(4, 2)
for steps in (7, 10, 13):
    landed = diffusion.sample(oracle, start, oracle.schedule.times(steps))
    print(f"{steps} steps: lands on the data up to {(landed - oracle.target_points).abs().max():.0e}")

# %% [markdown]
# **Predict first.** The same noise, fewer steps. With $\eta=0$, do you get *other drawings* of the digits, or worse versions of the same? And with $\eta=1$? (FID is lecture 03's distance from real digits: lower is better.)

# %%
samplers = checkpoints.record("diffusion_samplers")["numbers"]
widgets.DDIMExplorer(model, samplers)


# %% [markdown]
# > **What to notice.** Without fresh noise the start decides the drawing (the label decides which digit): 5 steps give a sketch of what 100 steps draw. So DDIM can run backwards too; section 9 uses it. With $\eta=1$ every number of steps draws something else. Few steps with fresh noise look rougher, and yet the chart gives them the lower FID. Section 11 comes back to that.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · Break it: skip steps, keep the old step size
#
# Suppose a model was trained with 1,000 times. You want 20, so you take every 50th, and step back with the formula for *one* of the 1,000 steps. A common bug: $\beta_t$ or "$t-1$" looked up in the long list. **Predict first.** What do the samples look like?

# %%
def careless(model, start, times, y):
    """Walks through `times`, but steps back by 1/1000 each time."""
    x_t = start
    for t in times[:-1].tolist():
        x, noise = diffusion.estimates(model, x_t, t, y)
        x_t = diffusion.ddim_step(model, x_t, x, noise, t, max(t - 1 / 1000, 0.0))
    return x_t


torch.manual_seed(1)
start, times = torch.randn(10, 1, 28, 28), model.schedule.times(20)
with torch.no_grad():
    wrong, right = careless(model, start, times, told[:10]), diffusion.sample(model, start, times, told[:10])
show_images((torch.cat([wrong, right]) + 1).div(2).clamp(0, 1), columns=10, row_labels=["step 1/1000", "next in list"])
print(f"pixels' standard deviation: wrong {wrong.std():.2f}, right {right.std():.2f}, data {(2 * unseen.images() - 1).std():.2f}")
missed = careless(oracle, torch.randn(4, 2), oracle.schedule.times(20), None) - oracle.target_points
print(f"the oracle of section 7 misses the data by {missed.abs().max():.1f}")

# %% [markdown]
# > **What to notice.** The network is told "little noise is left", but hardly any has been removed. So it takes noise for strokes. **The earlier time is the next entry of your list.** Nothing else may be assumed: not $t-1$, not a constant stride.
# > The oracle finds this bug at once: with perfect guesses it still misses.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · The ODE: codes, interpolation, likelihood
#
# Let the steps of DDIM become infinitely small. What is left is a differential equation, the **probability-flow ODE**:
#
# $$\frac{\mathrm dx}{\mathrm dt}=\alpha_t'\,\hat x_0(x,t)+\sigma_t'\,\hat\varepsilon(x,t)$$
#
# It has the same $p(x_t)$ at every time as the noisy chain. (With infinitely many steps that chain is a stochastic differential equation, forward $\mathrm dx=-\frac12\beta x\,\mathrm dt+\sqrt\beta\,\mathrm dw$ with $\beta=n\beta_i$ the noise per unit of time and $\mathrm dw$ Gaussian of variance $\mathrm dt$; back it also needs $-\beta\nabla\log p_t$, the slope of section 10. The ODE takes half of that slope and no noise.) It is deterministic and runs both ways, so each image has **one** code: the noise that leads to it. And lecture 04's continuous flows come back, with time the other way round: $u$ being the right-hand side,
#
# $$\log p(x_0)=\log\mathcal N(x_1;0,I)+\int_0^1\operatorname{tr}\frac{\partial u}{\partial x}\,\mathrm dt$$

# %%
show_source(diffusion.encode)
fine = model.schedule.times(50)
pair = model.scaled(datasets.to_float(unseen.x[[10, 320]]))
codes = diffusion.encode(model, pair, fine)
back = diffusion.sample(model, codes, fine)
print(
    f"codes: mean {codes.mean():.2f}, standard deviation {codes.std():.2f}; decoding misses the images by {(back - pair).abs().mean():.3f} a pixel"
)
weights = torch.linspace(0, 1, 9)
between = torch.stack([slerp(codes[0].flatten(), codes[1].flatten(), w).view(1, 28, 28) for w in weights])
show_images(model.unscaled(diffusion.sample(model, between, fine)), columns=9, row_labels=["through codes"])
mixed = torch.stack([(1 - w) * pair[0] + w * pair[1] for w in weights])
show_images(model.unscaled(mixed), columns=9, row_labels=["pixels mixed"])

# %% [markdown]
# > **What to notice.** Through the codes one digit turns into the other by way of digits; mixed pixels give double exposures. (Lecture 01: walk along the sphere, `slerp`, since all noise lies near one.)
# > Codes should look like noise of standard deviation 1. These do not: pixels that are exactly black tell the network that there is no noise at all. The way back finds the image all the same.
#
# **Likelihood.** Points of the plane, where we can look at the density. Train, then ask the ODE at each place of a grid, and compare with the true density. (The model divides points by 1.5, so a density per unit is smaller by 1.5².)

# %%
show_source(diffusion.velocity, open=False)
show_source(diffusion.velocity_and_trace, open=False)
show_source(diffusion.ode_log_prob, open=False)
training.seed_everything(0)
points = toy2d("moons", 20_000).x
moons = diffusion.PointDiffusion(scale=1.5, predict="v")
run = training.fit(moons, points, progress=False, **live | {"steps": 1200, "batch_size": 256, "ema": None})

# %%
cells = plane(64, 3.6)
log_p = diffusion.ode_log_prob(moons, moons.scaled(cells), steps=40, exact=True) - 2 * math.log(moons.scale)
figure, axes = plt.subplots(1, 3, figsize=(8.5, 2.9), layout="constrained")
points_drawn = moons.sample(2000, steps=50)
truth = datasets.toy2d_log_prob("moons", cells)
for axis, density, title in ((axes[0], truth, "true density"), (axes[1], log_p, "by the ODE")):
    axis.imshow(density.exp().view(64, 64), extent=(-3.6, 3.6, -3.6, 3.6), origin="lower", cmap="magma", vmax=truth.exp().max())
    axis.set(title=title, xticks=[], yticks=[])
axes[2].scatter(*points_drawn.T, s=2, color="#2a6f97")
axes[2].set(title="samples", xticks=[], yticks=[], xlim=(-3.6, 3.6), ylim=(-3.6, 3.6), aspect="equal")
plt.show()
fresh = toy2d("moons", 1000, seed=1).x
found = diffusion.ode_log_prob(moons, moons.scaled(fresh), steps=40, exact=True) - 2 * math.log(moons.scale)
print(f"new points: {-found.mean():.2f} nats by the ODE, {-datasets.toy2d_log_prob('moons', fresh).mean():.2f} in truth")
print(f"the density adds up to {log_p.exp().sum().item() * (7.2 / 64) ** 2:.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · The same thing, from the slope: scores and Langevin
#
# The **score** $\nabla_x\log p(x)$ points to where data are denser. It needs no normalising constant. Follow it, with noise, and you get samples of $p$; this is **Langevin's walk**:
#
# $$x\leftarrow x+\eta\,\nabla\log p(x)+\sqrt{2\eta}\;\varepsilon$$
#
# ($\eta$ is a step size here, not DDIM's share of noise. Papers use the same letter for both.)
#
# **Predict first.** Three groups of points far apart; all walkers start in one corner. Will each group get its fair share? What if the noise in the walk is left out?

# %%
widgets.ScoreExplorer()

# %% [markdown]
# > **What to notice.** Without noise all walkers end on the peaks: that is climbing, not sampling. With noise but a narrow mixture they find the nearest group and stay: between the groups every slope leads back to the nearest one, and the density is so low that hardly a walker gets across. Blur the mixture, and the gaps fill. **Annealing** starts blurred and sharpens step by step; the shares come out right.
# > $\sqrt{2\eta}$ and nothing else: with $\sqrt\eta$ each group gets half its variance; with $2\eta$, $\eta$ being small, hardly any.
#
# Annealing needs the score of *noisy* data at every noise level. Given $x_0$ it is known: $\nabla\log q(x_t\mid x_0)=-(x_t-\alpha_tx_0)/\sigma_t^2=-\varepsilon/\sigma_t$. The slope of $p(x_t)$ is the mean of these over all $x_0$ that may be behind $x_t$. So fit $s_\theta(x_t)$ to $-\varepsilon/\sigma_t$ in squared error: **denoising score matching**. Times $\sigma_t^2$ it is the simple loss for noise, with $s_\theta=-\hat\varepsilon/\sigma_t$. Diffusion is annealed Langevin with a better plan. **Test it** on moons: the network's $-\hat\varepsilon/\sigma_t$ against the exact slope of the 20,000 training points under noise.

# %%
show_source(diffusion.langevin)
show_source(diffusion.ScoreNetwork.loss)
alpha, sigma = moons.schedule.at(0.3)
at = moons.scaled(fresh[:200]) * alpha + sigma * torch.randn(200, 2)
true = diffusion.mixture_score(at, alpha * moons.scaled(points), sigma)
with torch.no_grad():
    guessed = -moons.denoise(at, 0.3)[1] / sigma
print(
    f"agreement of directions (cosine): {torch.cosine_similarity(true, guessed).median():.3f}; mean lengths {true.norm(dim=1).mean():.2f} and {guessed.norm(dim=1).mean():.2f}"
)

# %% [markdown]
# Annealed Langevin with a score network of its own. Here $\alpha=1$: noise is only added, of seven widths.

# %%
training.seed_everything(0)
score = training.fit(diffusion.ScoreNetwork(), points, progress=False, **live | {"steps": 1000, "batch_size": 256, "lr": 3e-3}).ema
walk = []
with torch.no_grad():
    diffusion.annealed_langevin(score, 4 * torch.randn(1000, 2), steps=30, watch=lambda x: walk.append(x))
figure, axes = plt.subplots(1, 4, figsize=(8.5, 2.4), layout="constrained")
for axis, i in zip(axes, (0, 45, 105, len(walk) - 1)):
    axis.scatter(*walk[i].T, s=2, color="#2a6f97")
    axis.set(title=f"σ = {score.sigmas[i // 30]:.2g}", xticks=[], yticks=[], xlim=(-6, 6), ylim=(-6, 6), aspect="equal")
plt.show()

# %% [markdown]
# > **What to notice.** Coarse to fine again, with an explicit list of noise levels. This is the score network of Song & Ermon (2019), a year before DDPM. The chain of sections 2 to 4 is older (Sohl-Dickstein et al. 2015).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · Fewer steps
#
# A thousand steps are a thousand passes of the network. How few will do? **Heun's method** takes a DDIM step, looks at the guess *there*, and repeats the step with the mean of both guesses. Two passes a step; the error falls with the square of the step.

# %%
show_source(diffusion.sample_heun)
names = {"ddpm": "DDPM", "ddim": "DDIM", "heun": "Heun"}
lines = {}
for method, name in names.items():
    steps = [int(s) for s in samplers[method]]
    passes = [2 * s - 1 if method == "heun" else s for s in steps]
    lines[name] = (passes, [entry["fid"] for entry in samplers[method].values()])
curves(lines, x_label="passes of the network", y_label="FID", log_x=True, markers=True, title=f"{samplers['samples']:,} samples each")

# %% [markdown]
# > **What to notice.** Deterministic chains settle early: 20 steps of DDIM are as good as 1,000, and 5 of Heun's (9 passes) as good as either. But DDPM has the lower FID at every number of steps. Fresh noise lets later steps correct what a small network got wrong earlier; a deterministic chain carries its mistakes to the end. With an easier task for the network it is the other way round for few steps: section 17 has the same table for latent diffusion.
# > **Distillation** goes on from here: a student network learns to do two of the teacher's DDIM steps in one, then its student again (Salimans & Ho 2022). **Consistency models** learn to jump from any $x_t$ to the end of its ODE path. Both trade training time for one to four passes.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · Steering: classifier-free guidance
#
# The model was trained with labels, and with the label hidden one time in ten. So it can answer twice: told the label $y$, and not told. The difference points towards what makes a 7 a 7. Go further in that direction:
#
# $$\hat\varepsilon=\hat\varepsilon(x_t)+w\,\big(\hat\varepsilon(x_t,y)-\hat\varepsilon(x_t)\big)$$
#
# $w=0$ ignores the label, $w=1$ is the plain conditional model. By Bayes' rule the difference is $-\sigma_t\nabla\log p(y\mid x_t)$: the slope of a classifier that nobody trained. Hence **classifier-free**. In the code the difference is taken of what the network says; both guesses are sums with it, so it is the same. **Predict first.** What happens at $w=6$, to quality and to variety?

# %%
show_source(diffusion.Diffusion.answer)
widgets.GuidanceExplorer(model, samplers)

# %% [markdown]
# > **What to notice.** At $w=0$ you get any digit, or none: the label was hidden one time in ten only, so the network had little practice without it. Above 1, nearly all are the digit asked for, and more and more alike: the odd ones die out, strokes get bold. Class accuracy rises; FID is best near 1.5 and gets worse again: **guidance buys fidelity with variety.**
# > Text works the same way: instead of one of ten labels, the network is told the numbers of a sentence, by attention to its words (lecture 09).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · In-painting and editing, with nothing new to train
#
# **In-painting.** After each step, put the known pixels back, as noisy as the rest. Once is not enough: the unknown part has had no time to fit. RePaint goes back a step and repeats. **Predict first.** Hide the upper half of a 9 (images 18 and 19; click on the picture or take a button, then *fill in*). What may it become?

# %%
show_source(diffusion.inpaint)
widgets.InpaintExplorer(model, unseen.images()[::50])

# %% [markdown]
# > **What to notice.** Most completions are digits that fit; what is known never changes. Set *repeats* to 1: strokes break at the border. Lecture 05's models could only continue downwards. This one fills in any region, though only approximately: nothing makes the early steps look ahead.
#
# **SDEdit.** Noise a crude drawing a little, then clean it. **Predict first.** With how much noise does the drawing become a digit and yet stay *your* drawing?

# %%
show_source(diffusion.edit)
widgets.EditExplorer(model)

# %% [markdown]
# > **What to notice.** Little noise keeps the clumsy strokes. Much noise gives a perfect digit, which has forgotten the drawing. In between, the drawing decides what is large, and the model the details: what drowns last is what is large.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · Latent diffusion
#
# Pixels are expensive. Lecture 02's VAE turns a digit into 40 numbers, so run the diffusion **there**, with a small MLP, and let the VAE's decoder draw. Stable Diffusion is this, with larger parts and a text in the place of the label. **Predict first.** The codes of the digits have some mean and spread. Draw codes from a Gaussian with just these: will they decode to digits?

# %%
latent = checkpoints.load("latent_diffusion")
vae = latent.autoencoder
torch.manual_seed(0)
gaussian = vae.decode(torch.randn(10, 40) * latent.std + latent.mean)
show_images(
    torch.cat([gaussian, vae.sample(10), latent.sample(10, told[:10])]),
    columns=10,
    row_labels=["a Gaussian", "the VAE's prior", "diffusion"],
)
coded = checkpoints.record("latent_samplers")["numbers"]
print(
    f"{sum(p.numel() for p in latent.parameters()):,} weights; FID {coded['ddim']['20']['fid']:.1f} of {coded['samples']:,} samples in 20 steps"
)

# %% [markdown]
# > **What to notice.** The codes of real digits fill only a part of the space: one Gaussian misses it, the diffusion learned where it is. It can be asked for a digit, although the VAE never saw a label.
# > Its FID is the best of the course so far (StyleGAN, lecture 03, has 7.6 with as many samples), by an MLP that trained for minutes. **Put the work where the data are simple.** Samples are no sharper than the decoder; FID does not mind.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · Flow matching: straight lines
#
# Why those curved schedules? Take the simplest path from data to noise, $x_t=(1-t)\,x_0+t\,\varepsilon$, and learn its **velocity**:
#
# $$\frac{\mathrm dx_t}{\mathrm dt}=\varepsilon-x_0\qquad\text{loss}=\|u_\theta(x_t,t)-(\varepsilon-x_0)\|^2$$
#
# To sample, follow $u_\theta$ back from $t=1$ to 0. It is the same family: $\alpha_t=1-t$, $\sigma_t=t$, and the network says yet another mixture of $x_0$ and $\varepsilon$. In our code it is the schedule "straight" and the prediction "velocity"; DDIM on it is Euler's method.
#
# **Predict first.** Each training path is straight. Are the paths of the *samples* straight?

# %%
family = {
    "flow matching": checkpoints.load("points_flow"),
    "with transport": checkpoints.load("points_transport"),
    "diffusion": checkpoints.load("points_diffusion"),
}
widgets.TrajectoryExplorer(family)

# %% [markdown]
# > **What to notice.** Many training lines cross at one point, and the velocity there can have one value only: their mean. So sampled paths first run to the middle and then turn round to a group; the titles say how much longer that is than the straight line. **Minibatch optimal transport** pairs each batch's noise with its data so that the lines are short. They hardly cross, the paths are straight, and one step lands close.
# > It costs an assignment for each batch, and helps less in many dimensions: a batch of images hardly ever has noise that is near. **Rectified flow** straightens in another way: take pairs of a noise and *its own sample*, and train again.

# %%
show_source(diffusion.paired_by_transport, open=False)
flow = checkpoints.load("latent_flow")
torch.manual_seed(4)
start = torch.randn(10, 40)
rows = [m.sample(10, told[:10], steps=n, start=start) for n in (2, 5, 20) for m in (latent, flow)]
show_images(torch.cat(rows), columns=10, row_labels=[f"{name}, {n} steps" for n in (2, 5, 20) for name in ("diffusion", "flow")])

# %% [markdown]
# > **What to notice.** From one noise both draw nearly the same digit. That is no accident: both learn the path from a Gaussian to the same data, in two coordinates. Two steps give smooth, typical digits; with more steps they become individual.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16 · Not an image: a sound
#
# Nothing above needs images. Replace the U-Net by dilated convolutions (lecture 05, but looking both ways) and train on a quarter of a second of notes. All 2,048 samples of a sound are made at once, in 30 steps; WaveNet needed one pass for each sample.

# %%
sound = checkpoints.load("diffusion_sound")
torch.manual_seed(0)
notes = torch.tensor([0, 2, 4, 7])
played = sound.sample(4, notes, guidance=2.0, steps=30)
display(Audio(torch.cat([torch.cat([wave, torch.zeros(800)]) for wave in played]).numpy(), rate=datasets.RATE))
figure, axes = plt.subplots(1, 4, figsize=(8.5, 1.8), layout="constrained", sharey=True)
for axis, wave, note in zip(axes, played, notes.tolist()):
    axis.plot(torch.arange(400) / 8, wave[:400], linewidth=0.8)
    axis.set(title=f"{datasets.load('sounds', 'test').classes[note]} Hz", xlabel="milliseconds")
plt.show()
n = checkpoints.record("diffusion_sound")["numbers"]
print(
    f"the note asked for is heard in {n['note_accuracy']:.0%} of {n['samples']} sounds (in {n['note_accuracy_of_data']:.0%} of real ones)"
)


# %% [markdown] slideshow={"slide_type": "slide"}
# ## 17 · Numbers
#
# The chains in pixels, FID in the features of the digit network. It depends on the number of samples: with so few, real digits do not have 0 either. Below, bits a pixel on MNIST's test images, by the chain's bound (1,000 images) and by the ODE (200). The ODE has an exact *density*; pixels are whole numbers, so a little noise stands between the two (as in lecture 04), and that makes it a bound as well.

# %%
def fid_table(recorded, names):
    """A row for each number of steps, a column for each method that was recorded."""
    columns = {m: f"FID, {name}" for m, name in names.items() if m in recorded}
    return [
        {"steps": s} | {title: f"{recorded[m][s]['fid']:.1f}" if s in recorded[m] else "" for m, title in columns.items()}
        for s in recorded["ddpm"]
    ]


n = samplers["samples"]
real = datasets.load("mnist_small", "train").images()[torch.randperm(4000, generator=torch.Generator().manual_seed(0))[:n]]
print(f"In pixels, {n:,} samples each; as many real digits have {metrics.digit_fid(real):.1f}")
few, many = samplers["guidance"]["1.5"]["fid"], samplers["guided_ddpm"]["1000"]["fid"]
print(f"With guidance w = 1.5: DDIM {few:.1f} in 20 steps, DDPM {many:.1f} in 1,000")
table(fid_table(samplers, names))

# %%
print(f"Latent diffusion, {coded['samples']:,} samples each")
table(fid_table(coded, names | {"flow": "flow matching"}))


# %%
def row(name, what):
    entry = checkpoints.record(name)
    n = entry["numbers"]
    return {
        "model": what,
        "FID, 2,000 samples": f"{n['fid']:.1f}",
        "bits/dim": f"{n['bits_per_dim']:.2f}" if "bits_per_dim" in n else "",
        "by the ODE": f"{n['bits_per_dim_ode']:.2f}" if "bits_per_dim_ode" in n else "",
        "class accuracy, w = 2": f"{n['class_accuracy']:.1%}",
        "weights": f"{entry['parameters']:,}",
        "training": f"{entry['steps']:,} steps, {entry['minutes']:.0f} min on {entry['device']}",
    }


table([row("diffusion", "diffusion"), row("latent_diffusion", "latent diffusion"), row("latent_flow", "flow matching, latent")])

# %% [markdown]
# > **What to notice.** In pixels DDPM has no more than the FID of as many real digits from 10 steps on: 500 samples cannot tell the two apart, and 1,000 steps are no better. DDIM stays at twice that, with 1,000 steps too: its errors are the network's, not the steps'. A weak guidance mends them: with $w=1.5$ 20 deterministic steps have the FID of 1,000 noisy ones. In codes they need no such help. More steps are not better without end: they follow the model more exactly, its errors included.
# > With $w=2$ nearly all samples are the digit asked for.
# > The bits are poor: lecture 05's PixelCNN has 1.05. The simple loss hardly looks at the last bit of noise, and that is where most bits are. Good samples and a good likelihood are two things; lecture 07 takes that up.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 18 · Check yourself
#
# <details><summary><b>1.</b> Why does the network's first guess, at pure noise, look like a blur?</summary>
#
# It minimises a squared error, so it says the <i>mean</i> of all digits that are still possible. It is not a bad network. Samples are sharp because each step narrows what is possible.
# </details>
#
# <details><summary><b>2.</b> Your loss stands at 40 since step 500. Stop?</summary>
#
# No. Most of the loss is what nobody can know, and it stays. Look at samples of the averaged weights, or at FID.
# </details>
#
# <details><summary><b>3.</b> You trained with 1,000 times and sample with 7. Which entry is "the time before"?</summary>
#
# The next one of your list of 7. With a step of 1/1000 the network is told of less noise than there is.
# </details>
#
# <details><summary><b>4.</b> Is a sample with w = 6 more probable under the model?</summary>
#
# It is more typical of its <i>label</i>. It is no sample of the conditional model: that would be w = 1. Variety is lost on purpose.
# </details>
#
# <details><summary><b>5.</b> Why clip the guess to [−1, 1], and what must follow?</summary>
#
# Pixels cannot lie outside. After clipping, x̂₀ and the old noise no longer make x<sub>t</sub>; the noise has to be computed again from the clipped guess.
# </details>
#
# <details><summary><b>6.</b> Are the paths of flow matching straight?</summary>
#
# Those of training are. The sampled ones bend wherever training paths cross, since one point can have one velocity only. With optimal transport fewer of them cross.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 19 · Summary, and when things go wrong
#
# - Drown data in noise in closed form; learn to guess the clean image in squared error; step back a little; repeat.
# - Noise, data, v, velocity and score are one guess in different words. DDPM, DDIM, Heun and Euler are different steps with the same network.
# - Nothing plays against anything, so training is stable; the price is many passes for each sample. In-painting and editing need nothing new; guidance needs labels that were hidden now and then in training.
#
# | you see | look at | cure |
# |---|---|---|
# | samples are noise with few steps | which time is "before" | the next entry of the list |
# | samples too dark, too bright, or saturated | estimates outside [−1, 1] | clip, and compute the noise again |
# | NaN at the first or last step | 0/0 at α = 0 or σ = 0 | ᾱ of at least 10⁻⁶; no noise at the last step |
# | grain that stays | DDPM with few steps | η = 0, or more steps |
# | guidance does nothing | labels never hidden in training | hide each example's label on its own, one in ten |
# | all samples of a class look alike | w too large | w between 1 and 2 |
# | training looks stuck | most of the loss can never go away | look at samples; average the weights (EMA) |
# | Langevin stays in one group | hardly any density between groups | anneal the noise |
#
# **Cost.** One sample is as many passes as steps, or twice that with guidance. Likelihoods are bounds, or an ODE with a backward pass at each step.
# **Several GPUs**: `accelerate launch -m course_lib train diffusion --preset gpu`.
#
# **Care.** Models of this family draw people who never lived and pictures in the style of artists who never agreed. They can also recite training images. Say what is generated, and ask whose pictures you train on.
#
# **Now you**: [exercise 06](../exercises/06_diffusion/06_diffusion.ipynb), 20 points.
#
# **Read on.** Sohl-Dickstein et al. (arXiv:1503.03585) · Song & Ermon (arXiv:1907.05600) · Ho et al., DDPM (arXiv:2006.11239) · Song et al., DDIM (arXiv:2010.02502) and the SDE view (arXiv:2011.13456) · Kingma et al., *Variational Diffusion Models* (arXiv:2107.00630) ·
# Nichol & Dhariwal (arXiv:2102.09672) · Ho & Salimans, guidance (arXiv:2207.12598) · Karras et al., design space (arXiv:2206.00364) · Lugmayr et al., RePaint (arXiv:2201.09865) · Meng et al., SDEdit (arXiv:2108.01073) ·
# Rombach et al., latent diffusion (arXiv:2112.10752) · Lipman et al., flow matching (arXiv:2210.02747) · Liu et al., rectified flow (arXiv:2209.03003) · Tong et al., minibatch transport (arXiv:2302.00482) · Salimans & Ho, distillation (arXiv:2202.00512) · Song et al., consistency models (arXiv:2303.01469)
