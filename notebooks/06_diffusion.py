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
# - walk along a score with Langevin, and see the same model as a stochastic differential equation,
# - steer by labels, fill in, edit and interpolate, with no further training,
# - build flow matching by changing one line, and say why it works.
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
import copy
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Audio, display
from scipy.ndimage import label
from sklearn.linear_model import LogisticRegression

from course_lib import checkpoints, datasets, diffusion, metrics, training
from course_lib.datasets import faces, toy2d
from course_lib.datasets.toy2d import plane
from course_lib.latent_spaces import slerp
from course_lib.plotting import LossPlot, show_images, show_source, table
from course_lib.recipes import floats_and_labels, preset_for
from course_lib.widgets import diffusion as widgets
from course_lib.widgets.faces import WordsExplorer

training.seed_everything(0)
unseen = datasets.load("mnist_small", "test")
tiny = datasets.load("digits8", "train")  # 8 × 8 pixels: small enough to train on while you watch
live = diffusion.LIVE[preset_for()].options()
model = checkpoints.load("diffusion")
samplers = checkpoints.record("diffusion_samplers")["numbers"]  # scores of 500 samples by each method of section 7, measured once

# %% [markdown]
# ## First, play
#
# Start from pure noise, and ask for a 3. A network looks at the noise and draws the 3 that it thinks is hidden. Remove a little of the noise, in the direction of that guess. Look again. Fifty times. Pixels lie in $[-1,1]$ here.
#
# **Predict first.** At the very first step the network sees nothing but noise. What will its eight guesses look like? When is it decided how each 3 is drawn?

# %%
play = widgets.ReverseExplorer(model, digit=3)
play

# %% [markdown]
# > **What to notice.** The first guess is a grey blur, one and the same for all eight; keep it in mind for section 1. Then the guess takes sides. Within the first third of the steps it has come half of the way to its end. What is large is decided before the fine strokes.
# > The other method in the menu, DDPM, adds fresh noise at each step (section 7), so its guess stays open for longer. With the digit *any* the label is hidden from the network, and the ends are much worse: section 13 measures it.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
states, guesses = play.run()
threes = model.scaled(unseen.images()[unseen.y == 3]).mean(0)
assert guesses[0].std(0).mean() < 0.15 * guesses[-1].std(0).mean()  # one and the same
assert all(np.corrcoef(guess.flatten(), threes.flatten())[0, 1] > 0.95 for guess in guesses[0])  # the mean of all 3s


def left(part):
    """How much of the first distance from the end is left after each step."""
    away = (part - part[-1:]).flatten(1).norm(dim=1)
    return away / away[0]


def coarse(part):
    return torch.nn.functional.avg_pool2d(part.flatten(0, 1), 7)


large = coarse(guesses).unflatten(0, guesses.shape[:2])
fine_part = guesses - large.repeat_interleave(7, -1).repeat_interleave(7, -2)
half_way = [int((left(part) > 0.5).nonzero().max()) + 1 for part in (guesses, large, fine_part)]
assert half_way[0] < 50 / 3 and half_way[1] < half_way[2]
play.method.value = 1.0
assert int((left(play.run()[1]) > 0.5).nonzero().max()) + 1 > half_way[0]
play.method.value = 0.0
assert samplers["guidance"]["0"]["fid"] > 4 * samplers["guidance"]["1"]["fid"]


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

# %% slideshow={"slide_type": "skip"} tags=["claim"]
digits8 = tiny.images()
assert drawn.std(0).mean() < 0.2 * digits8.std(0).mean()
assert np.corrcoef(drawn.mean(0).flatten(), digits8.mean(0).flatten())[0, 1] > 0.95
to_mean, to_another = ((digits8 - other).square().flatten(1).sum(1).mean() for other in (digits8.mean(0), digits8.roll(1, 0)))
assert to_another > 1.8 * to_mean  # two digits differ by twice the variance
test_digits = model.scaled(unseen.images()[::10])
with torch.no_grad():
    wrong_by = [
        (model.denoise(model.schedule.noised(test_digits, torch.full((100,), t), torch.randn_like(test_digits)), t)[0] - test_digits)
        .square()
        .mean()
        for t in (0.2, 1.0)
    ]
assert wrong_by[0] < 0.1 * wrong_by[1]  # a little noise leaves little open

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Forward: drown the data in noise
#
# Time $t$ runs from 0 (data) to 1 (noise): lecture 00's $T$ is 1 here. At each time
#
# $$x_t=\alpha_t\,x_0+\sigma_t\,\varepsilon,\qquad\varepsilon\sim\mathcal N(0,I)$$
#
# $\alpha_t$ falls from 1 to 0, $\sigma_t$ grows from 0 to 1. With $\alpha_t^2+\sigma_t^2=1$ the variance of data with variance 1 stays 1: the process is **variance preserving**. Many papers write $\bar\alpha_t$ for our $\alpha_t^2$.
# One number says how noisy $x_t$ is: the **signal-to-noise ratio** $\mathrm{SNR}_t=\alpha_t^2/\sigma_t^2$. How fast it falls is the **schedule**.
#
# **Predict first.** At which $t$ can you no longer tell the digit? Is it the same for all schedules?

# %%
drowning = widgets.NoiseExplorer(unseen.images()[::100])
with drowning.held():
    drowning.schedule.value, drowning.t.value = "linear", 0.63
drowning

# %% [markdown]
# > **What to notice.** A digit survives a lot of noise. At an SNR of 1 you still read it, and so does the network: its guess $\hat x_0$ is read as the right digit in 97 % of cases. At $\log\mathrm{SNR}=-4$ its guess is hardly better than chance.
# > DDPM's linear schedule (2020) is there at $t=0.63$, shown above: it spends more than a third of its time on what is nearly pure noise. The cosine gets there at $t=0.91$. The histogram ends as a bell, whatever it was before: the end forgets the beginning.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
some, labels = model.scaled(unseen.images()[::4]), unseen.y[::4]
read_right = {}
for level in (0.0, -4.0):
    t = model.schedule.time_at(level).item()
    with torch.no_grad():
        guess, _ = model.denoise(model.schedule.noised(some, torch.full((len(some),), t), torch.randn_like(some)), t)
    read_right[level] = metrics.class_accuracy(model.unscaled(guess), labels)
assert abs(read_right[0.0] - 0.97) < 0.03 and read_right[-4.0] < 0.25
lost = {name: diffusion.Schedule(name).time_at(-4.0).item() for name in ("linear", "cosine")}
assert round(lost["linear"], 2) == 0.63 and 1 - lost["linear"] > 1 / 3 and round(lost["cosine"], 2) == 0.91
alpha, sigma = diffusion.Schedule("cosine").at(1.0)
end = (alpha * drowning.x + sigma * drowning.noise).flatten()
assert abs(end.mean()) < 0.03 and abs(end.std() - 1) < 0.03 and abs((end**4).mean() - 3) < 0.2 and drowning.x.std() < 0.7

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · Small steps, and one step back if you knew the answer
#
# Early papers have a chain of $n$ steps, $n=1000$. Step $i$ leads to the time $t=i/n$ and adds a little noise: the old value times $\sqrt{1-\beta_i}$, plus $\sqrt{\beta_i}\,\varepsilon$. Sums of independent Gaussians are Gaussian, so all steps up to $t$ are one, the formula of section 2, with $\alpha_t^2=\prod_{i\le nt}(1-\beta_i)$. In the limit of many steps the product of the "linear" schedule is the exponential in the code.
#
# **One step back.** Take two times $s<t$. Given $x_t$ alone, $x_s$ could be many things. Given $x_t$ **and** $x_0$, Bayes' rule for Gaussians leaves one Gaussian:
#
# $$q(x_s\mid x_t,x_0)=\mathcal N\Big(\frac{\alpha_{t|s}\sigma_s^2}{\sigma_t^2}\,x_t+\frac{\alpha_s\sigma_{t|s}^2}{\sigma_t^2}\,x_0,\ \ \frac{\sigma_{t|s}^2\sigma_s^2}{\sigma_t^2}\Big)$$
#
# with $\alpha_{t|s}=\alpha_t/\alpha_s$ and $\sigma_{t|s}^2=\sigma_t^2-\alpha_{t|s}^2\sigma_s^2$: the step from $s$ to $t$ by itself. Multiply the two densities, $q(x_s\mid x_0)$ and $q(x_t\mid x_s)$, and complete the square in $x_s$. Precisions add: $1/\text{variance}=1/\sigma_s^2+\alpha_{t|s}^2/\sigma_{t|s}^2$. So do the means, weighted by them: $\text{mean}/\text{variance}=\alpha_sx_0/\sigma_s^2+\alpha_{t|s}x_t/\sigma_{t|s}^2$. It is a weighted sum of where we are and where we should go.
#
# **Test both.** 500 of 1,000 steps on the single number $x_0=1$ against the jump; and the posterior against Bayes' rule on a fine grid: prior of $x_s$ given $x_0$, times the step to $x_t$, normalised.

# %%
show_source(diffusion.Schedule.alpha_bar)
show_source(diffusion.Schedule.posterior)
x = torch.ones(100_000)
for b in torch.linspace(1e-4, 0.02, 1000).tolist()[:500]:
    x = math.sqrt(1 - b) * x + math.sqrt(b) * torch.randn_like(x)
alpha, sigma = diffusion.Schedule("linear").at(0.5)
print(f"500 small steps: mean {x.mean():.2f}, standard deviation {x.std():.2f}; in one: α = {alpha:.2f}, σ = {sigma:.2f}")
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

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert abs(x.mean() - alpha) < 0.02 and abs(x.std() - sigma) < 0.02  # 500 small steps are one
on_grid = (p * grid).sum()
assert abs(mean - on_grid) < 1e-4 and abs(variance - (p * (grid - on_grid) ** 2).sum()) < 1e-4
assert abs(1 / variance - (1 / sigma_s**2 + alpha_ts**2 / variance_ts)) < 1e-4  # precisions add
assert abs(mean / variance - (alpha_s * x_0 / sigma_s**2 + alpha_ts * x_t / variance_ts)) < 1e-4

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · The loss
#
# We do not know $x_0$. So a network **guesses** it, $\hat x_0=\hat x_\theta(x_t,t)$, and we step back with the guess in its place: $p_\theta(x_s\mid x_t)=q(x_s\mid x_t,\hat x_0)$. How wrong may the guess be? The bound of lecture 02, the **ELBO**, answers. Its latents are now the noisy images $x_1,\dots,x_n$ at times $0<t_1<\dots<t_n=1$: here the index counts steps. Its encoder $q$ adds noise: nothing to learn. Its decoder is the chain of steps back.
#
# **Line 1**, Jensen's inequality (lecture 00), with all products written as sums of logarithms:
#
# $$\log p(x_0)\ \ge\ \mathbb E_q\Big[\log p(x_n)+\sum_{i\ge2}\log p_\theta(x_{i-1}\mid x_i)+\log p_\theta(x_0\mid x_1)-\sum_{i\ge2}\log q(x_i\mid x_{i-1})-\log q(x_1\mid x_0)\Big]$$
#
# **Line 2**, Bayes' rule turns each step of the encoder round. It needs $x_0$ behind the bar. There it changes nothing: the chain is **Markov**, so $q(x_i\mid x_{i-1})=q(x_i\mid x_{i-1},x_0)$, and
#
# $$\log q(x_i\mid x_{i-1})=\log q(x_{i-1}\mid x_i,x_0)+\log q(x_i\mid x_0)-\log q(x_{i-1}\mid x_0)$$
#
# **Line 3**, in the sum the last two terms **telescope**: each $x_i$ in between comes once with plus and once with minus,
#
# $$\sum_{i\ge2}\big[\log q(x_i\mid x_0)-\log q(x_{i-1}\mid x_0)\big]=\log q(x_n\mid x_0)-\log q(x_1\mid x_0)$$
#
# **Line 4**, the lone $\log q(x_1\mid x_0)$ cancels too. What is left are differences of logarithms under $q$, which are KLs:
#
# $$-\log p(x_0)\ \le\ \underbrace{\mathrm{KL}(q(x_n\mid x_0)\,\|\,\mathcal N(0,I))}_{\text{prior, about }0}+\sum_{i\ge2}\mathbb E\,\underbrace{\mathrm{KL}\big(q(x_{i-1}\mid x_i,x_0)\,\|\,q(x_{i-1}\mid x_i,\hat x_0)\big)}_{\text{chain}}\underbrace{-\,\mathbb E\log p_\theta(x_0\mid x_1)}_{\text{pixels}}$$
#
# The two Gaussians of the chain have one variance, since we gave $p_\theta$ that of $q$. So their KL is the squared distance of the means over twice the variance. With section 3, from $t$ to $s$:
#
# $$\frac{(\alpha_s\sigma_{t|s}^2/\sigma_t^2)^2}{2\,\sigma_{t|s}^2\sigma_s^2/\sigma_t^2}\,\|x_0-\hat x_0\|^2=\frac{\alpha_s^2\,\sigma_{t|s}^2}{2\,\sigma_s^2\sigma_t^2}\,\|x_0-\hat x_0\|^2=\tfrac12\,(\mathrm{SNR}_s-\mathrm{SNR}_t)\,\|x_0-\hat x_0\|^2$$
#
# **All of training is: predict the clean image, in squared error**, with a weight for each time. Test both: line 1 against line 4 on paths of a chain of five steps, in one dimension, with a bad guess $\hat x_0=x_t/2$; and the KL against the squared error.

# %%
times = schedule.times(5).flip(0).tolist()  # 0, 0.2, …, 1
paths = [torch.full((200_000,), 0.8, dtype=torch.float64)]
for s, t in zip(times, times[1:]):
    a, v = schedule.between(s, t)
    paths.append(a * paths[-1] + v**0.5 * torch.randn_like(paths[-1]))
normal = torch.distributions.Normal
log_p = normal(0.0, 1.0).log_prob(paths[-1])  # of line 1
line_4 = (
    torch.distributions.kl_divergence(normal(0.8 * schedule.at(1.0)[0], schedule.at(1.0)[1]), normal(0.0, 1.0)).expand_as(log_p).clone()
)
for i in range(1, 6):
    s, t, x_t = times[i - 1], times[i], paths[i]
    a, v = schedule.between(s, t)
    log_p -= normal(a * paths[i - 1], v**0.5).log_prob(x_t)
    if i > 1:
        (back, variance), (right, _) = schedule.posterior(x_t / 2, x_t, s, t), schedule.posterior(paths[0], x_t, s, t)
        log_p += normal(back, variance.sqrt()).log_prob(paths[i - 1])
        line_4 += (right - back).square() / (2 * variance)
    else:
        pixel = normal(x_t / 2, schedule.at(t)[1]).log_prob(paths[0])
        log_p, line_4 = log_p + pixel, line_4 - pixel
noise_of_mean = (log_p + line_4).std() / len(log_p) ** 0.5
print(f"line 1: {-log_p.mean():.3f} nats, line 4: {line_4.mean():.3f}; they may differ by {noise_of_mean:.3f} by chance")
x, guess = torch.randn(1, 50), torch.randn(1, 50)
(right, variance), (guessed, _) = (schedule.posterior(v, x, 0.4, 0.6) for v in (x, guess))
snr_s, snr_t = schedule.log_snr([0.4, 0.6]).exp().tolist()
kl = torch.distributions.kl_divergence(normal(right, variance.sqrt()), normal(guessed, variance.sqrt())).sum()
print(f"KL of the two {kl:.4f}, ½ (SNR_s − SNR_t) ‖x₀ − x̂₀‖² = {(snr_s - snr_t) / 2 * (x - guess).square().sum():.4f}")

# %% [markdown]
# **The simple loss.** The network may say its guess in other words, since $x_t=\alpha_tx_0+\sigma_t\varepsilon$ ties them together:
#
# | it predicts | target | squared error in units of $\|x_0-\hat x_0\|^2$ |
# |---|---|---|
# | data | $x_0$ | 1 |
# | noise | $\varepsilon$ | $\alpha_t^2/\sigma_t^2$ |
# | v (where $\alpha_t^2+\sigma_t^2=1$) | $\alpha_t\varepsilon-\sigma_tx_0$ | $1/\sigma_t^2$ |
# | velocity (section 17) | $\varepsilon-x_0$ | $(\alpha_t+\sigma_t)^2/\sigma_t^2$ |
#
# The **simple loss** drops the weights of the bound and averages one of these errors over random times; Ho et al. (2020) took the noise's. It cares less about the last bit of noise, which nobody sees and which costs many nats (section 20). In the code $f$ is what the network says. From it come a guess of the image, $\hat x_0$, and the guess of the noise that goes with it, $\hat\varepsilon=(x_t-\alpha_t\hat x_0)/\sigma_t$: both are sums of $x_t$ and $f$, with weights that `shares` gives. **Test it**: one guess told in four ways has errors that differ by just the factors of the table.

# %%
show_source(diffusion.Diffusion.loss)
show_source(diffusion.Diffusion.target)
show_source(diffusion.Diffusion.shares)
noise, t = torch.randn(1, 50), torch.tensor([0.6], dtype=torch.float64)
alpha, sigma = schedule.at(0.6)
x_t = alpha * x + sigma * noise
errors = {}
for predict in ("data", "noise", "v", "velocity"):
    teller = diffusion.PointDiffusion(50, predict=predict)
    said = teller.target(guess, (x_t - alpha * guess) / sigma, t)  # what it says when x₀ = guess
    errors[predict] = (said - teller.target(x, noise, t)).square().sum().item()
print(", ".join(f"{name} {error / errors['data']:.3f}" for name, error in errors.items()), end="; ")
print(f"expected 1, {(alpha / sigma) ** 2:.3f}, {1 / sigma**2:.3f}, {((alpha + sigma) / sigma) ** 2:.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · The network: a U-Net that knows the time
#
# Input and output are images of one size, so the network, a **U-Net**, goes down to small pictures, to see the whole, and up again, with **skip connections** that bring the details back.
# Blocks of 2 × 2 pixels become channels first, which makes everything about four times as cheap. One network serves all times. It is told $\log\mathrm{SNR}_t$ by sines and cosines of many frequencies, which scale and shift the channels in each block. The label enters the same way; one more label stands for "not told".
#
# **Attention.** A convolution sees its neighbours only. Whether a stroke at the top belongs to one at the bottom takes many of them. So, where the picture is small, let each place ask all others. Place $i$ makes three vectors of its channels: a **query** $q_i$ (what it looks for), a **key** $k_i$ (what it can be found by) and a **value** $v_i$ (what it tells). It weighs all places by how well their keys fit its query, and takes the weighted mean of what they tell:
#
# $$h_i=\sum_j a_{ij}\,v_j,\qquad a_{ij}=\frac{\exp(q_i\cdot k_j/\sqrt d)}{\sum_l\exp(q_i\cdot k_l/\sqrt d)}$$
#
# $d$ is the length of a key; without $\sqrt d$ the sums of $d$ products grow, and the weights go to 0 and 1. Several **heads** do this side by side, each with its own $q,k,v$. Here there are 7 × 7 places, so the table $a$ has 49² entries; with each of the 28 × 28 pixels as a place it would have 256 times as many. **Test it**: shift the picture's first place, and see how many of the 49 outputs change, by a convolution and by attention.

# %%
show_source(diffusion.UNet.forward)
show_source(diffusion.Attention.forward)
show_source(diffusion.ResidualBlock.forward, open=False)
show_source(diffusion.NoiseEmbedding.forward, open=False)
stage = copy.deepcopy(model.net.middle[0])
stage.attention.norm = torch.nn.Identity()  # it looks at all places, too
places = torch.randn(1, 64, 7, 7)
shifted = places.clone()
shifted[..., 0, 0] += 1
with torch.no_grad():
    changes = {name: layer(shifted) - layer(places) for name, layer in (("convolution", stage.block.conv1), ("attention", stage.attention))}
print("places that notice:", ", ".join(f"{name} {(change.abs().sum(1) > 1e-5).sum().item()}" for name, change in changes.items()))
print(f"{sum(p.numel() for p in model.parameters()):,} weights; {sum(p.numel() for p in model.net.down.parameters()):,} on the way down")

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert abs((log_p + line_4).mean()) < 4 * noise_of_mean < 0.05 < log_p.std()  # line 1 is line 4
assert abs(kl - (snr_s - snr_t) / 2 * (x - guess).square().sum()) < 1e-3 * kl
assert abs(errors["noise"] / errors["data"] - (alpha / sigma) ** 2) < 1e-4 and abs(errors["v"] / errors["data"] - 1 / sigma**2) < 1e-4
assert abs(errors["velocity"] / errors["data"] - ((alpha + sigma) / sigma) ** 2) < 1e-4
assert [(change.abs().sum(1) > 1e-5).sum().item() for change in changes.values()] == [4, 49] and (28 * 28) ** 2 == 256 * 49**2

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · Train it live
#
# 1,437 digits of 8 × 8 pixels, the same network in small, 300 steps. `.ema` is the running average of the weights (**exponential moving average**), with which one draws.

# %%
training.seed_everything(0)
small, plot, kept = diffusion.ImageDiffusion((1, 8, 8), width=16, patch=1), LossPlot(y_label="squared error"), {}


def watch(run):
    plot(run)
    if run.step == run.steps // 3:
        kept["third"] = copy.deepcopy(run.ema)  # to be compared with the end


run = training.fit(small, (tiny.x, tiny.y), prepare=floats_and_labels, watch=watch, **live)
small = run.ema
told = torch.arange(20) % 10
show_images(small.sample(20, y=told), columns=10)
show_images(model.sample(20, y=told, guidance=1.5), columns=10)

# %% [markdown]
# > **What to notice.** Above yours, below the shipped one, 28 × 28, which has learned from 59,000 digits for longer. The loss falls fast for a third of the steps, then slowly, and stays far above 0. A part of it must stay: under strong noise nobody knows how the digit was drawn. Under weak noise $v$ is nearly all noise, finer than the network can tell (section 18). In between the shipped network errs least.
# > **Samples keep getting better while the loss seems to stand still.** In the last two thirds the loss falls by less than a quarter, but the share of samples that a classifier does not read as asked falls to less than a half. Judge by samples.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert checkpoints.record("diffusion")["data"] == "mnist, 59,000 items" and len(tiny.x) < 59_000
losses = torch.tensor([row["loss"] for row in run.history])
third = len(losses) // 3
assert losses[0] > 1.6 * losses[third - 1] and losses[-third:].mean() > 5
assert losses[-third:].mean() > 0.75 * losses[third - 1]
reader = LogisticRegression(max_iter=1000).fit(tiny.images().flatten(1), tiny.y)
asked, misread = torch.arange(200) % 10, {}
for name, network in (("third", kept["third"]), ("end", small)):
    training.seed_everything(1)
    misread[name] = (reader.predict(network.sample(200, y=asked).flatten(1)) != asked.numpy()).mean()
assert misread["end"] < 0.5 * misread["third"], misread


def error_of_v(level):
    """Mean squared error of what the shipped network says, a pixel, at this log SNR."""
    t = model.schedule.time_at(level).expand(len(test_digits))
    noise = torch.randn_like(test_digits)
    with torch.no_grad():
        said = model.net(model.schedule.noised(test_digits, t, noise), model.log_snr(t, test_digits))
    return (said - model.target(test_digits, noise, t)).square().mean().item()


assert min(error_of_v(-6), error_of_v(10)) > 2 * error_of_v(1)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · Sampling: DDPM and DDIM
#
# **DDPM** steps back by $q(x_s\mid x_t,\hat x_0)$: the mean, and fresh noise; this is **ancestral sampling**. **DDIM** notices that the loss only knows $q(x_t\mid x_0)$ at each time, not how the times hang together. So it may choose the chain, and chooses one without fresh noise: split $x_t$ into $\hat x_0$ and $\hat\varepsilon$, and mix the two anew, as time $s$ has them.
#
# $$x_s=\alpha_s\hat x_0+\sqrt{\sigma_s^2-\eta^2\tilde\sigma^2}\;\hat\varepsilon+\eta\,\tilde\sigma\,\varepsilon_\text{new}$$
#
# $\tilde\sigma^2$ is the variance of section 3. $\eta=0$ is DDIM. $\eta=1$ is DDPM: put $\hat\varepsilon=(x_t-\alpha_t\hat x_0)/\sigma_t$ in, and the mean is that of section 3. The times may be any falling list. Pixels lie in $[-1,1]$, so the guess $\hat x_0$ is clipped to that, and $\hat\varepsilon$ computed again, for the two must still make $x_t$. (For models that do not clip, `sample_fast` writes each step as one sum of $x_t$ and $f$.)
#
# **Test it** with an oracle that knows the data, and so the noise. From any noise, in any number of steps, it must land on the data.

# %%
show_source(diffusion.Diffusion.denoise)
show_source(diffusion.estimates)
show_source(diffusion.ddim_step)
show_source(diffusion.sample)


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
ddim = widgets.DDIMExplorer(model, samplers, seed=5)
ddim.steps.value = 5
ddim

# %% [markdown]
# > **What to notice.** Without fresh noise the start decides the drawing (the label decides which digit): 5 steps give a sketch of what 100 steps draw. So DDIM can run backwards too; section 11 uses it. With $\eta=1$ every number of steps draws something else.
# > In each number of steps the chart gives DDPM the lower FID. Sections 10 and 12 come back to that. We chose a noise that suits: of 500 drawings by DDIM, 94 to 97 % are read as the digit asked for.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
begin = torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(5)).expand(10, -1, -1, -1)
ten = torch.arange(10)


def drawn_in(steps, eta=0.0, begin=begin):
    training.seed_everything(steps)
    return diffusion.sample(model, begin, model.schedule.times(steps), ten, eta=eta)


end = drawn_in(100)
apart = {name: (other - end).square().mean().item() for name, other in (("5", drawn_in(5)), ("other noise", drawn_in(20, begin=-begin)))}
assert apart["5"] < 0.25 * apart["other noise"]
back, _ = model.schedule.posterior(x, x_t, 0.4, 0.6)  # η = 1 without its fresh noise is the mean of section 3
its_noise = (x_t - model.schedule.at(0.6)[0] * x) / model.schedule.at(0.6)[1]
assert torch.allclose(diffusion.ddim_step(model, x_t, x, its_noise, 0.6, 0.4, 1.0, torch.zeros_like(x_t)), back, atol=1e-5)
fresh_noise = drawn_in(20, 1.0), drawn_in(10, 1.0)
assert (fresh_noise[0] - fresh_noise[1]).square().mean() > 2 * apart["5"] and (fresh_noise[0] - end).square().mean() > 2 * apart["5"]
assert all(samplers["ddpm"][n]["fid"] < samplers["ddim"][n]["fid"] for n in samplers["ddpm"])
read_right = [entry["class_accuracy"] for entry in samplers["ddim"].values()]
assert (round(min(read_right), 2), round(max(read_right), 2)) == (0.94, 0.97) and samplers["samples"] == 500


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
# > **What to notice.** The network is told "little noise is left", but hardly any has been removed. So it takes the noise for a part of the picture, and leaves it there. **The earlier time is the next entry of your list.** Nothing else may be assumed: not $t-1$, not a constant stride.
# > The oracle finds this bug at once: with perfect guesses it still misses.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert wrong.std() > 1.2 * right.std() and abs(right.std() - (2 * unseen.images() - 1).std()) < 0.08
assert np.corrcoef(wrong.flatten(), start.flatten())[0, 1] > 3 * abs(np.corrcoef(right.flatten(), start.flatten())[0, 1])  # noise is left
assert missed.abs().max() > 0.5
stride = torch.tensor([1.0, 0.9, 0.3, 0.25, 0.0], dtype=torch.float64)  # any list, if each step leads to its next entry
assert (diffusion.sample(oracle, torch.randn(4, 2), stride) - oracle.target_points).abs().max() < 1e-5

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · The same thing, from the slope: scores and Langevin
#
# The **score** $\nabla_x\log p(x)$ points to where data are denser. It needs no normalising constant. The naive use is to climb along it; but then all end on the peaks. Follow it with noise, in small steps and for long, and you get samples of $p$; this is **Langevin's walk** (Langevin dynamics):
#
# $$x\leftarrow x+\eta\,\nabla\log p(x)+\sqrt{2\eta}\;\varepsilon$$
#
# ($\eta$ is a step size here, not DDIM's share of noise. Papers use the same letter for both.)
#
# **Predict first.** Three groups of points far apart; all walkers start in one corner. Will each group get its fair share? What if the noise in the walk is left out?

# %%
walkers = widgets.ScoreExplorer()
walkers

# %% [markdown]
# > **What to notice.** Without noise all walkers end on a peak: that is climbing, not sampling. With noise but a narrow mixture they find the nearest group and stay: between the groups every slope leads back to the nearest one, and the density is so low that hardly a walker gets across. Blur the mixture, and the gaps fill. **Annealing** starts blurred and sharpens step by step; the shares come out nearly right.
# > $\sqrt{2\eta}$ and nothing else: with $\sqrt\eta$ each group gets half its variance; with $2\eta$, $\eta$ being small, hardly any.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
from course_lib.widgets.diffusion import scores as walks  # noqa: E402

ends = {kind: torch.as_tensor(walks.walk(kind, 0.0, 0.02, 400)[-1]) for kind in (walks.PLAIN, walks.ANNEALED, walks.CLIMB)}
assert torch.cdist(ends[walks.CLIMB], walks.MEANS).min(1).values.max() < 0.05
shares = {kind: walks.gathered(x, torch.ones(400, dtype=torch.float64))[0] for kind, x in ends.items()}
assert shares[walks.PLAIN].max() > 0.99 and np.abs(shares[walks.ANNEALED] - walks.WEIGHTS.numpy()).max() < 0.1
between_modes = diffusion.mixture_log_prob(walks.MEANS.mean(0), walks.MEANS, walks.blurred(0.0), walks.WEIGHTS)
assert between_modes.exp() < 1e-3 < diffusion.mixture_log_prob(walks.MEANS.mean(0), walks.MEANS, walks.blurred(2.0), walks.WEIGHTS).exp()
eta, x = 0.02, {name: torch.zeros(20_000) for name in ("√2η", "√η", "2η")}
for _ in range(300):
    for name, size in (("√2η", (2 * eta) ** 0.5), ("√η", eta**0.5), ("2η", 2 * eta)):
        x[name] = x[name] - eta * x[name] + size * torch.randn(20_000)  # of N(0, 1)
assert abs(x["√2η"].var() - 1) < 0.05 and abs(x["√η"].var() - 0.5) < 0.03 and x["2η"].var() < 0.06

# %% [markdown]
# **Learning a score.** Annealing needs the score of *noisy* data, at every noise level. Given $x_0$ it is known: $\nabla\log q(x_t\mid x_0)=-(x_t-\alpha_tx_0)/\sigma_t^2=-\varepsilon/\sigma_t$. And the slope of $p_t(x_t)=\int q(x_t\mid x_0)\,p(x_0)\,dx_0$ is a mean of these:
#
# $$\nabla\log p_t(x_t)=\frac{\int\nabla q(x_t\mid x_0)\,p(x_0)\,dx_0}{p_t(x_t)}=\int\nabla\log q(x_t\mid x_0)\;\underbrace{\frac{q(x_t\mid x_0)\,p(x_0)}{p_t(x_t)}}_{p(x_0\mid x_t)}\,dx_0=\mathbb E\Big[-\frac{\varepsilon}{\sigma_t}\,\Big|\,x_t\Big]$$
#
# The squared error is least at the mean (section 1). So fit $s_\theta(x_t)$ to $-\varepsilon/\sigma_t$: **denoising score matching** (Vincent 2011). Times $\sigma_t^2$ it is the simple loss for noise, with $s_\theta=-\hat\varepsilon/\sigma_t$. So a diffusion model is a score at every level of noise; annealed Langevin and the chain of section 7 are two ways to walk along it. Solved for the mean of $x_0$ the equation is **Tweedie's formula**: $\mathbb E[x_0\mid x_t]=\big(x_t+\sigma_t^2\nabla\log p_t(x_t)\big)/\alpha_t$. **Test it** on the two moons: the network's $-\hat\varepsilon/\sigma_t$ against the exact slope of the 20,000 training points under noise. (The model divides points by 1.5, so that their standard deviation is about 1.)

# %%
show_source(diffusion.langevin)
show_source(diffusion.langevin_step)
show_source(diffusion.ScoreNetwork.loss)
show_source(diffusion.denoising_score_matching)
training.seed_everything(0)
points = toy2d("moons", 20_000).x
moons = diffusion.PointDiffusion(scale=1.5, predict="v")
training.fit(moons, points, progress=False, **live | {"steps": 900, "batch_size": 256, "lr": 3e-3, "ema": None})
moons.eval()
fresh = toy2d("moons", 1000, seed=1).x
alpha, sigma = moons.schedule.at(0.3)
at = moons.scaled(fresh[:200]) * alpha + sigma * torch.randn(200, 2)
true = diffusion.mixture_score(at, alpha * moons.scaled(points), sigma)
with torch.no_grad():
    guessed = -moons.denoise(at, 0.3)[1] / sigma
agreement = torch.cosine_similarity(true, guessed)
print(
    f"agreement of directions (cosine), median: {agreement.median():.3f}; mean lengths {true.norm(dim=1).mean():.2f} and {guessed.norm(dim=1).mean():.2f}"
)

# %% [markdown]
# Annealed Langevin with a score network of its own. Here $\alpha=1$: noise is only added, which is called **variance exploding**. It has seven widths, and the scale of the picture shrinks with them.

# %%
training.seed_everything(0)
score = training.fit(diffusion.ScoreNetwork(), points, progress=False, **live | {"steps": 1000, "batch_size": 256, "lr": 3e-3}).ema
walk = []
with torch.no_grad():
    diffusion.annealed_langevin(score, 4 * torch.randn(1000, 2), steps=30, watch=lambda x: walk.append(x))
figure, axes = plt.subplots(1, 5, figsize=(10, 2.3), layout="constrained")
for axis, i, reach in zip(axes, (29, 59, 119, len(walk) - 1), (9, 6, 3.2, 3.2)):
    axis.scatter(*walk[i].T, s=2, color="#2a6f97")
    axis.set(title=f"σ = {score.sigmas[i // 30]:.2g}", xticks=[], yticks=[], xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
axes[4].scatter(*points[:1000].T, s=2, color="#888888")
axes[4].set(title="data", xticks=[], yticks=[], xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal")
plt.show()

# %% [markdown]
# > **What to notice.** Coarse to fine again, with an explicit list of noise levels. Both moons are found, in about equal shares; the last points scatter wider than the data, and wider than the last noise, $\sigma=0.06$, would explain: the rest is the error of a small network. The method is that of Song & Ermon (2019), a year before DDPM. The chain of sections 2 to 4 is older (Sohl-Dickstein et al. 2015).

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert agreement.median() > 0.99 and abs(guessed.norm(dim=1).mean() / true.norm(dim=1).mean() - 1) < 0.1
to_data = torch.cdist(walk[-1], points[:4000]).min(1).values
of_data, of_noisy = (torch.cdist(x, points[:4000]).min(1).values for x in (fresh, fresh + 0.06 * torch.randn_like(fresh)))
assert of_data.mean() < of_noisy.mean() < to_data.mean() < 0.3 and score.sigmas[-1] == torch.tensor(0.06)
places = plane(64, 3.6)
inside = datasets.toy2d_log_prob("moons", places) > -4
moon_of_place, found_moons = label(inside.view(64, 64).numpy())


def upper_share(x):
    """The share of points that are nearest to the moon with the first label."""
    return (moon_of_place.flatten()[inside][torch.cdist(x, places[inside]).argmin(1)] == 1).mean()


assert found_moons == 2 and 0.35 < upper_share(walk[-1]) < 0.65
widths = [walk[i].std().item() for i in (29, 59, 119, len(walk) - 1)]
assert widths == sorted(widths, reverse=True)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · Infinitely many steps: the SDE
#
# How many steps should the chain of section 2 have? Let there be more and more. With $\beta_i=\beta(t)\,dt$ and $dt=1/n$, a step is $\sqrt{1-\beta\,dt}\;x+\sqrt{\beta\,dt}\;\varepsilon\approx x-\tfrac12\beta x\,dt+\sqrt\beta\,dw$, where $dw$ is Gaussian with variance $dt$. In the limit this is a **stochastic differential equation** (SDE). For any schedule ($f$ is a rate here, not what the network says):
#
# $$\text{forward:}\quad dx=f\,x\,dt+g\,dw,\qquad f=\frac{\alpha_t'}{\alpha_t},\quad g^2=(\sigma_t^2)'-2f\sigma_t^2$$
#
# The same noise, played backwards, does not undo itself. What undoes it is the score. With $dt$ negative (Anderson 1982; $\bar w$ is noise that runs back):
#
# $$\text{reverse:}\quad dx=\big[f\,x-g^2\,\nabla\log p_t(x)\big]dt+g\,d\bar w$$
#
# and one dial gives a family that has the same $p_t$ at **every** time, DDIM's $\eta$ once more:
#
# $$dx=\Big[f\,x-\tfrac12(1+\eta^2)\,g^2\,\nabla\log p_t(x)\Big]dt+\eta\,g\,d\bar w$$
#
# $\eta=1$ is the reverse SDE, and DDPM in small steps. $\eta=0$ has no noise left: the **probability-flow ODE**, DDIM in small steps.
#
# Why has the ODE the same $p_t$? The noise $g\,dw$ alone spreads a density by $\tfrac12g^2\,\nabla\!\cdot\!\nabla p_t$ per unit of time; this is the noise's part of the **Fokker–Planck equation**. Now $\nabla p_t=p_t\nabla\log p_t$. So a flow with velocity $-\tfrac12g^2\nabla\log p_t$ and no noise changes the density by the same amount. And why may we turn the dial? What $\eta$ adds to the ODE is a step of length $\tfrac12\eta^2g^2\,|dt|$ along the score, and noise of variance $\eta^2g^2\,|dt|$: a step of *Langevin's walk*, which leaves $p_t$ as it is.
#
# The plainest solver takes short straight steps, noise included: **Euler–Maruyama**. **Predict first.** Two peaks, at −1 with share 0.3 and at 1 with share 0.7; their score is known exactly. Which of the three dials ends with the right shares?

# %%
show_source(diffusion.euler_maruyama)


class TwoPeaks(diffusion.PointDiffusion):
    """Knows the score of two Gaussians on a line, so it can say the best guess of the noise: −σ times the score."""

    peaks, mass, width = torch.tensor([[-1.0], [1.0]]), torch.tensor([0.3, 0.7]), 0.15

    def density(self, x, t):
        alpha, sigma = self.schedule.at(t)
        return diffusion.mixture_log_prob(x, alpha * self.peaks, math.hypot(alpha * self.width, sigma), self.mass).exp()

    def answer(self, x_t, t, y=None, guidance=1.0):
        alpha, sigma = self.schedule.at(t)
        return -sigma * diffusion.mixture_score(x_t, alpha * self.peaks, math.hypot(alpha * self.width, sigma), self.mass)


peaks, dials = TwoPeaks(1, schedule="linear", predict="noise"), (0.0, 0.5, 1.0)
training.seed_everything(0)
start, times, ended = torch.randn(4000, 1), peaks.schedule.times(200), {}
column, back_in_time = torch.linspace(-2.6, 2.6, 200)[:, None], torch.linspace(1, 0.004, 120).tolist()
density = torch.stack([peaks.density(column, t) for t in back_in_time], 1)
figure, axes = plt.subplots(1, 3, figsize=(10, 2.9), layout="constrained", sharey=True)
for axis, eta in zip(axes, dials):
    trail = [start[:14, 0]]
    ended[eta] = diffusion.euler_maruyama(peaks, start, times, eta=eta, watch=lambda s, x, trail=trail: trail.append(x[:14, 0]))
    axis.imshow(density.sqrt(), extent=(1, 0, -2.6, 2.6), origin="lower", aspect="auto", cmap="Greys", vmax=1.3)
    axis.plot(times, torch.stack(trail), linewidth=0.8)
    axis.set(title=f"η = {eta:g}: {(ended[eta] > 0).float().mean():.0%} end above 0", xlabel="t", ylim=(-2.6, 2.6))
axes[0].set(ylabel="x")
plt.show()

# %% [markdown]
# > **What to notice.** All three end with the right shares and widths. Without noise the paths never cross, and the start decides the end: the 30 % of the noise that lie lowest go down. With noise the paths tremble and exchange places.
# > So why prefer one? **Noise forgets.** Push all points up by 0.3 at half-time, as a bad guess would: the ODE carries the push to the end, and the wrong share goes up. With $\eta=1$ most of the error is gone at the end. The price: Euler–Maruyama with $\eta=1$ needs more steps. In 10 steps it is several times as far off as with $\eta=0$.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
data = peaks.peaks[torch.multinomial(peaks.mass, 4000, replacement=True)] + 0.15 * torch.randn(4000, 1)
chance = 0.5 / 4000**0.5
for x in ended.values():
    assert abs((x > 0).float().mean() - 0.7) < 4 * chance and abs((x.abs() - 1).std() - 0.15) < 0.015
order = start[:, 0].argsort()
assert (ended[0.0][order, 0].diff() > -1e-4).all() and (ended[1.0][order, 0].diff() < -0.5).any()  # who begins above ends above
assert (ended[0.0][order, 0][: int(0.28 * 4000)] < 0).all() and (ended[0.0][order, 0][int(0.32 * 4000) :] > 0).all()  # 30 %


def apart(x):
    return float(metrics.wasserstein_1d(x[:, 0], data[:, 0]))


off = {}
for eta in (0.0, 1.0):
    at_half = diffusion.euler_maruyama(peaks, start, times[:101], eta=eta)
    off[eta] = [apart(diffusion.euler_maruyama(peaks, at_half + push, times[100:], eta=eta)) for push in (0.0, 0.3)]
assert times[100] == 0.5 and off[0.0][1] > 4 * off[0.0][0] and off[1.0][1] < 0.5 * off[0.0][1]
in_ten = {eta: apart(diffusion.euler_maruyama(peaks, start, peaks.schedule.times(10), eta=eta)) for eta in (0.0, 1.0)}
assert in_ten[1.0] > 3 * in_ten[0.0] and len(peaks.schedule.times(10)) == 10 + 1

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · The ODE: codes, interpolation, likelihood
#
# Write the probability-flow ODE with the two guesses: $x=\alpha_t\hat x_0+\sigma_t\hat\varepsilon$ and $\nabla\log p_t=-\hat\varepsilon/\sigma_t$. What has $f\sigma_t\hat\varepsilon$ in it cancels, and it is short:
#
# $$\frac{\mathrm dx}{\mathrm dt}=f\,x-\tfrac12g^2\,\nabla\log p_t(x)=\alpha_t'\,\hat x_0(x,t)+\sigma_t'\,\hat\varepsilon(x,t)$$
#
# It is deterministic and runs both ways, so each image has **one** code: the noise that leads to it. And lecture 04's continuous flows come back, with time the other way round. Let $u$ be the right-hand side, and $x_1$ the end of the path, at $t=1$:
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
through = model.unscaled(diffusion.sample(model, between, fine))
mixed = model.unscaled(torch.stack([(1 - w) * pair[0] + w * pair[1] for w in weights]))
show_images(torch.cat([through, mixed]), columns=9, row_labels=["through codes", "pixels mixed"])

# %% [markdown]
# > **What to notice.** Through the codes one digit bends into the other, with strokes as sharp as those of real digits; mixed pixels give double exposures, whose strokes are mostly grey. (Lecture 01: walk along the sphere, `slerp`, since all noise lies near one.)
# > Codes should look like noise of standard deviation 1. These do not, and the cause is the exactly black pixels: no noisy image at a time above 0 has them, so they tell the network that there is no noise at all. Give the images a little noise, and start the way there at the time that has it: the codes get a standard deviation near 1. Noise on the black pixels alone does it; noise on all the others does not.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
grey = [((x > 0.2) & (x < 0.8)).float().mean((1, 2, 3)) for x in (through, mixed, unseen.images())]
assert grey[0][1:-1].mean() < grey[2].mean() + 0.03 and grey[1][3:6].mean() > 1.4 * grey[0][3:6].mean()
of_strokes = [(part / (x > 0.2).float().mean((1, 2, 3)))[3:6].mean() for part, x in zip(grey, (through, mixed))]
assert of_strokes[1] > 0.7 > 0.5 > of_strokes[0]
four = model.scaled(unseen.images()[[10, 320, 520, 770]])
first = model.schedule.time_at(2 * math.log((1 - 0.03**2) ** 0.5 / 0.03)).item()  # where σ = 0.03
later = torch.cat([fine[fine > first], torch.tensor([first], dtype=torch.float64)])
noised = model.schedule.noised(four, torch.full((4,), first), torch.randn_like(four))
black, still = four == -1, model.schedule.at(first)[0] * four
started = [(four, fine), (noised, later), (torch.where(black, noised, still), later), (torch.where(black, still, noised), later)]
stds = [diffusion.encode(model, x, times).std() for x, times in started]
assert stds[0] < 0.7 and abs(stds[1] - 1) < 0.12 and abs(stds[2] - 1) < 0.12 and stds[3] < 0.7  # black pixels alone; all others

# %% [markdown]
# **Likelihood.** Points of the plane, where we can look at the density. Ask the ODE of section 9's moons at each place of a grid, and compare with the true density. (The model's density is per unit of its own, which is 1.5 of the plane's; per unit of the plane it is 1.5² times smaller.)

# %%
show_source(diffusion.velocity, open=False)
show_source(diffusion.velocity_and_trace, open=False)
show_source(diffusion.ode_log_prob, open=False)
cells = plane(64, 3.6)  # row by row from the upper left
log_p = diffusion.ode_log_prob(moons, moons.scaled(cells), steps=40, exact=True) - 2 * math.log(moons.scale)
points_drawn = moons.sample(2000, steps=50)
truth = datasets.toy2d_log_prob("moons", cells)
figure, axes = plt.subplots(1, 3, figsize=(8.5, 2.9), layout="constrained")
for axis, density, title in ((axes[0], truth, "true density"), (axes[1], log_p, "by the ODE")):
    axis.imshow(density.exp().view(64, 64), extent=(-3.6, 3.6, -3.6, 3.6), cmap="magma", vmax=truth.exp().max())
    axis.set(title=title, xticks=[], yticks=[])
axes[2].scatter(*points_drawn.T, s=2, color="#2a6f97")
axes[2].set(title="samples", xticks=[], yticks=[], xlim=(-3.6, 3.6), ylim=(-3.6, 3.6), aspect="equal")
plt.show()
found = diffusion.ode_log_prob(moons, moons.scaled(fresh), steps=40, exact=True) - 2 * math.log(moons.scale)
print(f"new points: {-found.mean():.2f} nats by the ODE, {-datasets.toy2d_log_prob('moons', fresh).mean():.2f} in truth")
print(f"the density adds up to {log_p.exp().sum().item() * (7.2 / 64) ** 2:.2f}")

# %% slideshow={"slide_type": "skip"} tags=["claim"]
counted = torch.tensor(np.histogram2d(-points_drawn[:, 1], points_drawn[:, 0], bins=64, range=[[-3.6, 3.6]] * 2)[0])  # rows from above
for density in (truth, log_p):
    upright, upside_down = (
        np.corrcoef(counted.flatten(), way.flatten())[0, 1] for way in (density.exp().view(64, 64), density.exp().view(64, 64).flip(0))
    )
    assert upright > 0.5 > 0.3 > upside_down
gap = datasets.toy2d_log_prob("moons", fresh) - found
assert gap.mean() > 0 and abs(log_p.exp().sum().item() * (7.2 / 64) ** 2 - 1) < 0.08

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · Fewer steps
#
# A thousand steps are a thousand passes of the network. How few will do? The naive answer, DDIM with a long list cut short, makes an error that falls with the step. **Heun's method** takes a DDIM step, looks at the guess *there*, and repeats the step with the mean of both guesses. Two passes a step; where paths are smooth, the error falls with the square of the step.
#
# Few samples make FID larger, so real digits do not have 0 either. The grey band is 500 real digits: mean ± standard deviation over 30 draws.

# %%
show_source(diffusion.sample_heun)
stored = checkpoints.tensors("digit_moments")
train_features = metrics.digit_features(datasets.load("mnist_small", "train").images())
test_features = metrics.digit_features(unseen.images())


def fid(features):
    return float(metrics.gaussian_distance(*metrics.moments(features), stored["mean"], stored["cov"]))


dealer = torch.Generator().manual_seed(0)
draws = [train_features[torch.randperm(len(train_features), generator=dealer)[:500]] for _ in range(30)]
real_fid = torch.tensor([fid(draw) for draw in draws])
real_kid = torch.tensor([float(metrics.mmd(draw, test_features)) for draw in draws])
names = {"ddpm": "DDPM", "ddim": "DDIM", "heun": "Heun"}
figure, axis = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
axis.axhspan(*(real_fid.mean() + sign * real_fid.std() for sign in (-1, 1)), color="#dddddd")
axis.axhline(real_fid.mean(), color="#888888", label="real digits, ± sd")
for method, name in names.items():
    steps = [int(s) for s in samplers[method]]
    passes = [2 * s - 1 if method == "heun" else s for s in steps]
    axis.plot(passes, [entry["fid"] for entry in samplers[method].values()], marker="o", label=name)
axis.set(xscale="log", xlabel="passes of the network", ylabel="FID", title=f"{samplers['samples']:,} samples each", ylim=(0, None))
axis.legend(ncols=2)
plt.show()
print(f"500 real digits, 30 draws: FID {real_fid.mean():.1f} ± {real_fid.std():.1f}, KID {real_kid.mean():.0f} ± {real_kid.std():.0f}")

# %% [markdown]
# > **What to notice.** Deterministic chains settle early: 20 steps of DDIM are as good as 1,000, and 5 of Heun's (9 passes) as good as either, within the spread of real draws. But DDPM has the lower FID at every number of steps, by far more than that spread from 10 steps on. Section 10 has shown a likely cause on two peaks: fresh noise forgets what was guessed wrong earlier. In latent diffusion (sections 15 and 20) it is the other way round for few steps.
# > **Distillation** goes on from here: a student network learns to do two of the teacher's DDIM steps in one, then its student again (Salimans & Ho 2022). **Consistency models** learn to jump from any $x_t$ to the end of its ODE path. Both trade training time for one to four passes.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
by = {method: {int(n): entry["fid"] for n, entry in samplers[method].items()} for method in names}
spread = real_fid.std().item()
assert 8 < real_fid.mean() < 16 and 1 < spread < 5
assert abs(by["ddim"][20] - by["ddim"][1000]) < 2 * spread and abs(by["heun"][5] - by["ddim"][20]) < 2 * spread and 2 * 5 - 1 == 9
assert all(by["ddpm"][n] < by["ddim"][n] for n in by["ddpm"])
assert all(by["ddim"][n] - by["ddpm"][n] > 3 * spread for n in by["ddpm"] if n >= 10)
coded = checkpoints.record("latent_samplers")["numbers"]
assert all(coded["ddim"][n]["fid"] < coded["ddpm"][n]["fid"] for n in ("5", "10", "20"))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · Steering: classifier-free guidance
#
# The model was trained with labels, and with the label hidden one time in ten. So it can answer twice: told the label $y$, and not told. The difference points towards what makes a 7 a 7. Go further in that direction:
#
# $$\hat\varepsilon=\hat\varepsilon(x_t)+w\,\big(\hat\varepsilon(x_t,y)-\hat\varepsilon(x_t)\big)$$
#
# $w=0$ ignores the label, $w=1$ is the plain conditional model. By Bayes' rule the difference is $-\sigma_t\nabla\log p(y\mid x_t)$: the slope of a classifier that nobody trained. Hence **classifier-free guidance**; before it, **classifier guidance** trained a classifier of noisy images (Dhariwal & Nichol 2021). (Ho & Salimans count from the plain model: their $w$ is ours minus 1.) In the code the difference is taken of what the network says; both guesses are sums with it, so it is the same. **Predict first.** What happens at $w=6$, to quality and to variety?
#
# **Ten words in place of one label.** The faces of lecture 02 have ten words each. A network may be told any of them: it was trained with each word hidden now and then, by itself or with all others. It is no U-Net. The parts of these faces stand in fixed places, so an MLP does, between the principal components of lecture 01, and a few convolutions sharpen what it says: section 18 says how. **Predict first.** No training face has both green hair and a beard. Ask for them with $w=1$, then with $w=2$: what do you get?

# %%
show_source(diffusion.Diffusion.answer)
guided = widgets.GuidanceExplorer(model, samplers)
display(guided)
shown_faces = WordsExplorer(checkpoints.load("diffusion_faces"), guided=True, steps=10)
for name, word in {"mouth": "any", "hair": "any", "hair_colour": "green", "beard": "beard"}.items():
    shown_faces.menus[name].value = word
shown_faces.guidance.value = 2.0
shown_faces

# %% [markdown]
# > **What to notice.** Above $w=1$, nearly all are the digit asked for, and they are more alike: the odd ones die out, strokes get bold. Class accuracy rises; of the values tried, FID is best at 1.5 and then gets worse: **guidance buys fidelity with variety.** At $w=0$ the label has no effect, and FID is worst of all. (That the network saw hidden labels one time in ten only may be the cause; we have not tested it.)
# >
# > **The faces** do as they are told: in 10,000 faces for the words of test faces the face network reads 97.8 % of them at $w=1$ and 99.7 % at $w=2$. The price is the same as for digits, an FID of 18.9 in place of 7.3. Of the five pairs that no training face has, four are drawn about nine times in ten. Green hair with a beard is not: 37 % at $w=1$. Here a beard has the colour of the hair, so this pair takes a green beard, and there was none to learn from. That alone is not the reason: the GAN and the flow of codes, which learned from the same faces, draw it in 69 % and 73 %. But the network knows the direction, and guidance goes on where it points: 72 % at $w=2$.
# > Text works the same way: in place of words from a list, the network is told the numbers of a sentence, by attention to its words (lecture 10).

# %% slideshow={"slide_type": "skip"} tags=["claim"]
one, six = guided.samples(1.0), guided.samples(6.0)
assert six["digits"].count(5) > 0.9 * 16 >= one["digits"].count(5) and six["correlation"] > one["correlation"] + 0.1
assert six["x"].mean() > 1.2 * one["x"].mean()  # ink
record = {float(w): entry for w, entry in samplers["guidance"].items()}
accuracies = [record[w]["class_accuracy"] for w in sorted(record)]
assert (
    accuracies == sorted(accuracies)
    and min(record, key=lambda w: record[w]["fid"]) == 1.5
    and max(record, key=lambda w: record[w]["fid"]) == 0
)
told = shown_faces.model.record["numbers"]
assert [round(100 * told[key], 1) for key in ("obeyed", "guided_obeyed")] == [97.8, 99.7] and (told["samples"], told["guidance"]) == (
    10_000,
    2,
)
assert [round(told[key], 1) for key in ("fid", "guided_fid")] == [7.3, 18.9]
pair_at_1, pair_at_2 = (told[f"{which}held_out_pairs"]["green hair_colour, beard beard"] for which in ("", "guided_"))
others = [value for pair, value in told["held_out_pairs"].items() if not pair.startswith("green hair")]
assert (round(100 * pair_at_1), round(100 * pair_at_2)) == (37, 72) and len(others) == 4 and min(others) > 0.87
rivals = [checkpoints.record(name)["numbers"]["held_out_pairs"] for name in ("cgan_faces", "latent_glow_faces")]
assert [round(100 * pairs["green hair_colour, beard beard"]) for pairs in rivals] == [69, 73]
in_training = faces.attributes(datasets.load("faces", "train").y)
is_green, bearded = (
    in_training[:, list(faces.ATTRIBUTES).index(n)] == faces.ATTRIBUTES[n].index(v)
    for n, v in (("hair_colour", "green"), ("beard", "beard"))
)
assert min(is_green.sum(), bearded.sum()) > 2_000 and not (is_green & bearded).any()
above = [record[w]["fid"] for w in sorted(record) if w >= 1.5]
assert above == sorted(above) and above[1] - above[0] > 3 * spread
assert abs(record[0.0]["class_accuracy"] - 0.1) < 4 * (0.1 * 0.9 / 500) ** 0.5 and model.drop == 0.1

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · In-painting and editing, with nothing new to train
#
# **In-painting.** After each step, put the known pixels back, as noisy as the rest. Once is not enough: the unknown part has had no time to fit. **RePaint** goes back a step and repeats. **Predict first.** The upper half of a 9 is hidden. What may it become? (Click on the picture to hide or show squares, or take a button, then *fill in*. Pressed again it draws others.)
#
# **SDEdit.** Noise a crude drawing a little, then clean it. **Predict first.** With how much noise does the drawing become a digit and yet stay *your* drawing?
#
# **Both, in colour.** Hide of real faces all that any glasses may cover. Say of each what is true, but *dark glasses*, and fill in. Then a face of six rectangles, and four words for it. **Predict first.** Apart from the glasses, what of a face will change? How strong must the noise be until rectangles become a face?

# %%
show_source(diffusion.inpaint)
painter = widgets.InpaintExplorer(model, unseen.images()[::50], image=18)
painter

# %% [markdown]
# > **What to notice.** Nines and fours: both fit what is known, which never changes. Most completions are digits. Set *repeats* to 1: the strokes break more often at the border. Lecture 05's models could only continue in reading order. This one fills in any region, though only approximately: what is known enters after each step, and no step looks ahead.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
from course_lib.widgets.pixels import across_the_edge  # noqa: E402

filled, read_as = painter._filled[painter.key]
assert set(read_as) == {4, 9} and torch.equal(
    (filled * 255).round()[:, :, 14:], (painter.images[18] * 255).round()[:, 14:].expand(8, -1, -1, -1)
)
edge, sure = {1: [], 5: []}, []
for i in (2, 13, 16):
    x = model.scaled(painter.images[i : i + 1].expand(4, -1, -1, -1))
    for repeats in edge:
        torch.manual_seed(0)
        known = torch.from_numpy(~painter.hidden)
        out = model.unscaled(diffusion.inpaint(model, x, known, torch.randn(4, 1, 28, 28), model.schedule.times(20), repeats=repeats))
        edge[repeats].append(across_the_edge(out[:, 0].numpy(), painter.hidden))
    sure.append((metrics.digit_probabilities(out).max(1).values > 0.9).float().mean().item())
assert np.mean(edge[1]) > 1.15 * np.mean(edge[5]) and np.mean(sure) > 0.6

# %%
show_source(diffusion.edit)
editor = widgets.EditExplorer(model)
with editor.held():
    editor.drawing.value, editor.label.value = "rough 3", "3"
editor

# %% [markdown]
# > **What to notice.** Little noise keeps the clumsy strokes. Much noise gives a clean digit, which has forgotten the drawing. In between, the drawing decides what is large, and the model the details: what drowns last is what is large. Take the *house* and ask for an 8: the more noise, the farther from the house, and the more eights.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
moved = [result["distance"] for result in editor.curve().values()]
assert moved == sorted(moved) and moved[0] < 0.001 and editor.strength.value == 0.7 and editor.results(0.7)["digits"].count(3) >= 7
with editor.held():
    editor.drawing.value, editor.label.value = "house", "8"
houses = editor.curve()
eights = [result["digits"].count(8) for result in houses.values()]
assert [result["distance"] for result in houses.values()] == sorted(result["distance"] for result in houses.values())
assert eights[-1] >= 7 and eights[0] == 0 and np.corrcoef(list(houses), eights)[0, 1] > 0.8
kept_large = model.schedule.noised(test_digits, torch.full((100,), 0.7), torch.randn_like(test_digits))
large, details = (torch.nn.functional.avg_pool2d(x, 7).repeat_interleave(7, 2).repeat_interleave(7, 3) for x in (test_digits, kept_large))
of_large = np.corrcoef(large.flatten(), details.flatten())[0, 1]
of_details = np.corrcoef((test_digits - large).flatten(), (kept_large - details).flatten())[0, 1]
assert of_large > 1.5 * of_details  # what is large drowns last

# %%
draw_faces, real = shown_faces.model, datasets.load("faces", "test")
bare = real.y[faces.attributes(real.y)[:, list(faces.ATTRIBUTES).index("glasses")] == 0][:200]
without = datasets.to_float(faces.draw(bare))
covered = torch.zeros(16, 16, dtype=torch.bool)
for glasses in faces.FACTORS["glasses"]:
    covered |= (faces.draw(faces.change(bare[:20], glasses=glasses)) != faces.draw(bare[:20])).any(1).any(0)
with_glasses = faces.attributes(faces.change(bare, glasses="dark"))
x = draw_faces.scaled(without)
torch.manual_seed(0)
filled_in = diffusion.inpaint(draw_faces, x, ~covered, torch.randn_like(x), draw_faces.schedule.times(20), with_glasses, guidance=2.0)
filled_in = draw_faces.unscaled(filled_in)
hidden = torch.where(covered, 0.85, without)
show_images(torch.cat([row[:10] for row in (without, hidden, filled_in)]), columns=10, row_labels=["real", "hidden", "filled in"])

rectangles = torch.tensor([0.72, 0.88, 0.98]).view(3, 1, 1).repeat(1, 16, 16)
for top, bottom, left_, right, colour in (
    (2, 13, 3, 13, (0.75, 0.15, 0.1)),  # hair
    (4, 13, 4, 12, (0.95, 0.78, 0.62)),  # face
    (13, 16, 3, 13, (0.2, 0.6, 0.3)),  # shirt
    (6, 8, 5, 7, (0.1, 0.1, 0.1)),  # eyes
    (6, 8, 9, 11, (0.1, 0.1, 0.1)),
    (10, 11, 6, 10, (0.8, 0.2, 0.2)),  # mouth
):
    rectangles[:, top:bottom, left_:right] = torch.tensor(colour).view(3, 1, 1)
wanted = faces.told({"hair": "long", "hair_colour": "red", "mouth": "happy", "clothing_colour": "green"}).expand(100, -1)
made = {}
for strength in (0.0, 0.3, 0.6, 0.9):
    torch.manual_seed(0)
    x = diffusion.edit(draw_faces, draw_faces.scaled(rectangles.expand(100, -1, -1, -1)), strength, 20, wanted, guidance=2.0)
    made[strength] = draw_faces.unscaled(x)
show_images(torch.cat([x[:10] for x in made.values()]), columns=10, row_labels=[f"noise up to t = {strength:g}" for strength in made])

# %% [markdown]
# > **What to notice.** Nothing but the 44 hidden pixels has changed, and the new ones fit: dark glasses are read in at least 98 % of the 200 faces, and so is every other word. Rectangles need strong noise. After $t=0.3$ the drawing shows through, and long hair is read in none or nearly none; at 0.6 in about half; at 0.9 all four words are read nearly always, and the ten faces differ most. Two of these words, red hair and a green top, no training face has together.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert covered.sum() == 44 and (filled_in - without)[:, :, ~covered].abs().max() < 1e-5 and len(without) == 200
assert min(metrics.factor_accuracy(filled_in, with_glasses).values()) > 0.98
heard = {strength: metrics.factor_accuracy(x, wanted) for strength, x in made.items()}
assert heard[0.3]["hair"] < 0.05 and 0.4 < heard[0.6]["hair"] < 0.6 and min(heard[0.9].values()) > 0.95
assert [x.std(0).mean() for x in made.values()] == sorted(x.std(0).mean() for x in made.values())
assert faces.HELD_OUT[0] == ("hair_colour", "red", "clothing_colour", "green")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · Latent diffusion
#
# Pixels are expensive. Lecture 02's VAE turns a digit into 40 numbers, so run the diffusion **there**, with a small MLP, and let the VAE's decoder draw: **latent diffusion**. Stable Diffusion is built so: its codes are small images, its network a U-Net, and a text stands in the place of the label. **Predict first.** The codes of the digits have some mean and spread. Draw codes from a Gaussian with just these: will they decode to digits?

# %%
latent = checkpoints.load("latent_diffusion")
vae = latent.autoencoder
torch.manual_seed(0)
n, asked = 1000, torch.arange(1000) % 10
with torch.no_grad():
    ways = {
        "N(0, I)": vae.decode(torch.randn(n, 40)),
        "a Gaussian": vae.decode(torch.randn(n, 40) * latent.std + latent.mean),
        "the VAE's prior": vae.sample(n),
        "diffusion": latent.sample(n, y=asked),
    }
show_images(torch.cat([x[:10] for x in ways.values()]), columns=10, row_labels=list(ways))


def scores(x):
    """FID and KID of images, and the error of KID."""
    features = metrics.digit_features(x)
    return {"FID": fid(features), "KID": float(metrics.mmd(features, test_features)), "±": metrics.kid_error(features, test_features)}


scored = {name: scores(x) for name, x in ways.items()}
print(f"{sum(p.numel() for p in latent.parameters()):,} weights")
table([{"codes from": name} | {key: f"{value:,.0f}" for key, value in row.items()} for name, row in scored.items()])

# %% [markdown]
# > **What to notice.** The codes of real digits fill only a part of the space. One Gaussian misses it, be it $\mathcal N(0,I)$ or one with the codes' own mean and spread. The prior of this VAE is a **VampPrior** (lecture 02): a mixture of 256 Gaussians, learned with the VAE, and it finds most of that part. The diffusion, a second model of the same codes, finds it at least as well, and can be asked for a digit, although the VAE never saw a label.
# > On the leaderboard of lecture 07 no model in pixels has a lower FID. This one is an MLP that trained for less than half an hour, on the codes of a VAE that had trained as long. **Put the work where the data are simple.** Samples can be no sharper than the decoder makes them.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
from course_lib.metrics import leaderboard  # noqa: E402

assert min(scored["N(0, I)"]["FID"], scored["a Gaussian"]["FID"]) > 10 * scored["the VAE's prior"]["FID"]
assert vae.config["prior"] == "vamp" and vae.config["components"] == 256
assert scored["diffusion"]["KID"] < scored["the VAE's prior"]["KID"] + scored["the VAE's prior"]["±"]
assert metrics.class_accuracy(ways["diffusion"], asked) > 0.95 and vae.config["classes"] == 0
board = {row["name"]: row for row in leaderboard.competing(leaderboard.read())}
in_pixels = [row["fid"] for name, row in board.items() if not name.startswith("latent")]
assert (
    board["latent_diffusion"]["fid"] + board["latent_diffusion"]["fid_error"] < min(in_pixels)
    and max(board["latent_diffusion"]["minutes"], checkpoints.record("vae")["minutes"]) < 30
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16 · Better guidance: when, and away from what
#
# **When.** Guidance with a large $w$ makes all samples alike. Must it act at *all* noise levels? Early, at large $t$, it decides between the few typical drawings, and variety is lost. Late, there is nothing left to decide. So guide in an **interval** of times only (Kynkäänniemi et al. 2024):
#
# $$w(t)=\begin{cases}w&t_\text{first}\le t\le t_\text{last}\\1&\text{else}\end{cases}$$
#
# **Predict first.** With $w=2$, which part of the way back can do with the plain model: early, middle or late? Latent diffusion, 1,000 samples, 20 steps, the same noise in each row.

# %%
show_source(diffusion.within)
start, times, rows = torch.randn(n, 40, generator=torch.Generator().manual_seed(1)), latent.schedule.times(20), {}
for name, w in {
    "nowhere, w = 1": 1.0,
    "everywhere, w = 2": 2.0,
    "early, t ≥ 0.6": diffusion.within(2.0, 0.6, 1.0),
    "middle, 0.1 ≤ t ≤ 0.6": diffusion.within(2.0, 0.1, 0.6),
    "late, t ≤ 0.1": diffusion.within(2.0, 0.0, 0.1),
}.items():
    x = latent.sample(n, y=asked, guidance=w, steps=20, start=start)
    alike = torch.pdist(x[asked == 3].flatten(1)).mean().item()
    rows[name] = scores(x) | {"read as asked": metrics.class_accuracy(x, asked), "two 3s apart": alike}
table(
    [
        {"guided": name, "FID": f"{r['FID']:.1f}", "KID": f"{r['KID']:.0f} ± {r['±']:.0f}", "read as asked": f"{r['read as asked']:.1%}"}
        | {"two 3s apart": f"{r['two 3s apart']:.2f}"}
        for name, r in rows.items()
    ]
)

# %% [markdown]
# > **What to notice.** Early guidance does the harm: alone it has nearly the FID of guidance everywhere. The middle does the good: with it, too, nearly all samples are read as the digit asked for, but they keep more variety and cost a fraction of the FID. (The plain model's FID is lower still; in KID the two do not differ.) Late guidance changes next to nothing, so leave it out: steps outside the interval need one pass in place of two.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
nowhere, everywhere, early, middle, late = rows.values()
assert early["FID"] > 0.7 * everywhere["FID"] > 1.5 * middle["FID"]
assert middle["read as asked"] > 0.995 > nowhere["read as asked"] and middle["two 3s apart"] > everywhere["two 3s apart"] + 0.1
assert everywhere["KID"] - middle["KID"] > 2 * everywhere["±"]
assert nowhere["FID"] < middle["FID"] and abs(middle["KID"] - nowhere["KID"]) < nowhere["±"] + middle["±"]
assert early["two 3s apart"] < middle["two 3s apart"]  # where variety is lost
assert abs(late["FID"] - nowhere["FID"]) < 0.1 * (everywhere["FID"] - nowhere["FID"])

# %% [markdown]
# **Away from what.** The difference of guidance mixes two things: the label, and *quality*, since the network that is not told is also the worse network. A label is not always there. So take the quality alone, **autoguidance** (Karras et al. 2024): push the model away from a **worse version of itself**, one with fewer weights and less training. Where the two agree, nothing happens. Where they differ, the hope is that the worse one errs as the better one does, only more:
#
# $$\hat x=\hat x_\text{worse}+w\,(\hat x_\text{model}-\hat x_\text{worse})$$
#
# By Tweedie's formula (section 9) the difference is $\sigma_t^2/\alpha_t$ times the slope of $\log(p_\text{model}/p_\text{worse})$: it leads to where the model is denser than the worse one.
#
# On the moons: the model of section 9, and a smaller one after 150 steps. *Nowhere* is the share of samples that lie where fewer than 1 % of the data do. **Predict first.** Will the two moons stay, or will one win?

# %%
show_source(diffusion.Autoguided.denoise)
training.seed_everything(1)
worse = diffusion.PointDiffusion(scale=1.5, predict="v", width=64, layers=2)
worse = training.fit(worse, points, progress=False, **live | {"steps": 150, "batch_size": 256, "lr": 3e-3}).ema.eval()
held_out = toy2d("moons", 8_000, seed=2).x.split(2000)
rare = datasets.toy2d_log_prob("moons", held_out[0]).quantile(0.01)
times, clouds, found = moons.schedule.times(40), {}, {}
for name, denoiser in {
    "the worse model": worse,
    "the model, w = 1": moons,
    "autoguided, w = 1.5": diffusion.Autoguided(moons, worse, 1.5),
    "autoguided, w = 3": diffusion.Autoguided(moons, worse, 3.0),
}.items():
    draws = []
    for seed in range(3):
        torch.manual_seed(seed)
        clouds[name] = moons.unscaled(diffusion.sample(denoiser, torch.randn(2000, 2), times))
        away = metrics.sliced_wasserstein(clouds[name], held_out[seed + 1], p=1)
        draws.append([(datasets.toy2d_log_prob("moons", clouds[name]) < rare).float().mean().item(), float(away)])
    found[name] = torch.tensor(draws)
figure, axes = plt.subplots(1, 4, figsize=(10, 2.7), layout="constrained")
for axis, (name, x) in zip(axes, clouds.items()):
    nowhere_share, distance = found[name].mean(0)
    axis.scatter(*x[:1500].T, s=2, color="#2a6f97")
    axis.set(title=f"{name}\nnowhere {nowhere_share:.1%}, distance {distance:.2f} ± {found[name].std(0)[1]:.2f}", xticks=[], yticks=[])
    axis.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal")
    axis.title.set_fontsize(9)
plt.show()

# %% [markdown]
# > **What to notice.** With $w=1.5$ about half as many samples lie nowhere, both moons stay in their shares, and the distance from new data has not grown beyond its spread. It is not for free without end: at $w=3$ fewer samples lie nowhere than of the data themselves, the points crowd inside the moons, and the distance grows. Is the hope fulfilled? Hardly. The worse model's error is more than twice as long, but the cosine between the two is only about 0.2, and the guided guess of a clean point is farther off than the model's own. The slope explains more: the worse model spreads wider, so away from it is inwards.
# >
# > **At full size**, on the faces of section 13: away from an MLP with fewer than a third of the weights and no convolutions, trained for two minutes (its own FID: 23.7), the network's FID falls from 7.3 to 5.9 at $w=1.5$. That is three times the floor of real faces, 2.0. At $w=2$ it is 7.3 again. Words are obeyed as before, 97.8 %. Away from *not told* was another thing: more obedience, and an FID of 18.9.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
bad, plain, better, strong = found.values()
assert 0.35 < better[:, 0].mean() / plain[:, 0].mean() < 0.65 and plain[:, 0].mean() < 0.5 * bad[:, 0].mean() and strong[:, 0].mean() < 0.01
assert better[:, 1].mean() < plain[:, 1].mean() + plain[:, 1].std()
farther = strong[:, 1] - plain[:, 1]  # of the same noise from the same data
assert farther.mean() > 2 * farther.std() / len(farther) ** 0.5
assert abs(upper_share(clouds["autoguided, w = 1.5"]) - upper_share(fresh)) < 0.06
crowd = [
    torch.cdist(clouds[name][:1000], clouds[name][1000:2000]).min(1).values.median() for name in ("the model, w = 1", "autoguided, w = 3")
]
assert crowd[1] < crowd[0]
noisy_at = moons.schedule.noised(moons.scaled(fresh), torch.full((1000,), 0.2), torch.randn_like(fresh))
with torch.no_grad():
    by_model, by_worse = (m.denoise(noisy_at, 0.2)[0] for m in (moons, worse))
best = (
    noisy_at
    + moons.schedule.at(0.2)[1] ** 2
    * diffusion.mixture_score(noisy_at, moons.schedule.at(0.2)[0] * moons.scaled(points), moons.schedule.at(0.2)[1])
) / moons.schedule.at(0.2)[0]
wrong_ways = by_model - best, by_worse - best
assert wrong_ways[1].norm() > 2 * wrong_ways[0].norm()
assert abs((wrong_ways[0] * wrong_ways[1]).sum() / (wrong_ways[0].norm() * wrong_ways[1].norm()) - 0.2) < 0.12
assert (torch.lerp(by_worse, by_model, 1.5) - best).norm() > 1.5 * wrong_ways[0].norm()
of_worse = checkpoints.record("diffusion_faces_worse")
alone, away = of_worse["numbers"], of_worse["numbers"]["autoguided"]
assert (
    of_worse["parameters"] < shown_faces.model.record["parameters"] / 3
    and of_worse["config"]["blocks"] == 0
    and round(of_worse["minutes"]) == 2
)
assert [round(n["fid"], 1) for n in (alone, told, away["1.5"], away["2"])] == [23.7, 7.3, 5.9, 7.3] and alone["samples"] == told["samples"]
floor_of_faces = leaderboard.read(leaderboard.SHIPPED_FACES)["floor"]["fid"]
assert away["1.5"]["fid"] < 3 * floor_of_faces and round(floor_of_faces, 1) == 2.0
assert [round(100 * n["obeyed"], 1) for n in (told, away["1.5"])] == [97.8, 97.8] and round(told["guided_fid"], 1) == 18.9

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 17 · Flow matching: straight lines
#
# Why those curved schedules? Take the simplest path from data to noise, $x_t=(1-t)\,x_0+t\,\varepsilon$, and learn its **velocity**:
#
# $$\frac{\mathrm dx_t}{\mathrm dt}=\varepsilon-x_0\qquad\text{loss}=\|u_\theta(x_t,t)-(\varepsilon-x_0)\|^2$$
#
# To sample, follow $u_\theta$ back from $t=1$ to 0. It is the same family: $\alpha_t=1-t$, $\sigma_t=t$, and the network says yet another mixture of $x_0$ and $\varepsilon$. In our code it is the schedule "straight" and the prediction "velocity"; DDIM on it is Euler's method. (Many papers let $t$ run the other way, from noise at 0 to data at 1, and learn $x_0-\varepsilon$. Look before you mix code.)
#
# **Why may one regress on $\varepsilon-x_0$?** That is the **conditional velocity**, of one pair $(x_0,\varepsilon)$. Many pairs pass through one point $x$ at time $t$, and samples need one velocity there. The right one is the **marginal velocity**, the mean over the pairs that pass:
#
# $$u(x,t)=\mathbb E\big[\varepsilon-x_0\mid x_t=x\big]$$
#
# Right, because what flows is density times velocity. Each pair keeps the continuity equation, $\partial_tp_t(x\mid\text{pair})+\nabla\!\cdot\![p_t(x\mid\text{pair})(\varepsilon-x_0)]=0$; take the mean over pairs. By Bayes' rule the mean of $p_t(x\mid\text{pair})(\varepsilon-x_0)$ is $p_t(x)\,u(x,t)$, so $\partial_tp_t(x)+\nabla\!\cdot\![p_t(x)\,u(x,t)]=0$. So who follows $u$ has the density $p_t$ at each time. And regression finds it, because the squared error splits (given $x_t$, the targets lie around $u$ with mean 0, so the product term is 0):
#
# $$\mathbb E\|u_\theta(x_t)-(\varepsilon-x_0)\|^2=\mathbb E\|u_\theta(x_t)-u(x_t)\|^2+\underbrace{\mathbb E\|u(x_t)-(\varepsilon-x_0)\|^2}_{\text{no }\theta\text{ in it}}$$
#
# **Test it** on eight groups of points: the network against the mean over all 20,000 training points, and the single targets against the same mean.

# %%
family = {
    "flow matching": checkpoints.load("points_flow"),
    "with transport": checkpoints.load("points_transport"),
    "diffusion": checkpoints.load("points_diffusion"),
}
straight = family["flow matching"]
eight = straight.scaled(toy2d("gaussians8", 20_000).x)
x_0 = straight.scaled(toy2d("gaussians8", 500, seed=7).x)
noise = torch.randn_like(x_0)
x_t = 0.5 * x_0 + 0.5 * noise
score_there = diffusion.mixture_score(x_t, 0.5 * eight, 0.5)  # of p_t, if the training points are the data
marginal = (x_t - (x_t + 0.25 * score_there) / 0.5) / 0.5  # (x_t − x̂₀)/t with x̂₀ from the score
with torch.no_grad():
    said = straight.answer(x_t, 0.5)
gaps = {"network": (said - marginal).norm(dim=1).mean().item(), "single targets": (noise - x_0 - marginal).norm(dim=1).mean().item()}
print(f"mean distance from the marginal velocity at t = 0.5: network {gaps['network']:.2f}, single targets {gaps['single targets']:.2f}")

# %% [markdown]
# **Predict first.** Each training path is straight. Are the paths of the *samples* straight?

# %%
trails = widgets.TrajectoryExplorer(family)
trails

# %% [markdown]
# > **What to notice.** Many training lines cross at one point, and the velocity there can have one value only: their mean. So sampled paths first run towards the middle and then turn to a group; the titles say how much longer that is than the straight line. **Minibatch optimal transport** pairs each batch's noise with its data so that the lines are short. Its paths are straight up to 1 %, and one step comes as near as 0.10, where plain flow matching is nearly 2 off. In 100 steps all three are as near to the data as other data are, within the spread of a draw.
# > It costs an assignment for each batch, and helps less in many dimensions. In the plane it cuts the mean squared length of the lines to a tenth; for codes of 40 numbers (section 15) to 0.6; for digits of 784 pixels to 0.95. (Batches of 256.)
# > **Reflow** (**rectified flow**) straightens in another way: take pairs of a noise and *its own sample*, and train again.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert gaps["network"] < 0.1 * gaps["single targets"]
radius = torch.as_tensor(trails.ways("flow matching", 100)).norm(dim=-1).mean(1)
assert radius.min() < 0.85 * min(radius[0], radius[-1])  # first towards the middle
longer = {name: trails.measured(name, 100)[0] for name in family}
assert longer["with transport"] < 1.01 < 1.5 < longer["flow matching"]
numbers = {name: member.record["numbers"] for name, member in family.items()}
assert round(numbers["with transport"]["distance_1_steps"], 2) == 0.10 and 1.8 < numbers["flow matching"]["distance_1_steps"] < 2
for entry in numbers.values():
    assert abs(entry["distance_100_steps"] - entry["distance_of_data"]) < 2 * entry["distance_of_data_sd"] / entry["draws"] ** 0.5 * 2**0.5


def shortened(data):
    """What is left of the mean squared length of a batch's lines, of 256, once they are paired."""
    noise = torch.randn(256, data.shape[1])
    batch = data[torch.randperm(len(data))[:256]]
    return ((batch - diffusion.paired_by_transport(batch, noise)).square().sum() / (batch - noise).square().sum()).item()


from course_lib.diffusion.recipes import codes_and_labels  # noqa: E402

few = datasets.Dataset("some", "train", datasets.load("mnist_small", "train").x[::4], datasets.load("mnist_small", "train").y[::4])
with torch.no_grad():
    codes_40 = latent.scaled(codes_and_labels(few)[0])
cut = {
    d: np.mean([shortened(data) for _ in range(3)])
    for d, data in ((2, eight), (40, codes_40), (784, model.scaled(few.images()).flatten(1)))
}
assert abs(cut[2] - 0.1) < 0.03 and abs(cut[40] - 0.6) < 0.05 and abs(cut[784] - 0.95) < 0.02

# %%
show_source(diffusion.paired_by_transport, open=False)
flow = checkpoints.load("latent_flow")
torch.manual_seed(4)
start = torch.randn(100, 40)
pictures = {
    (name, k): m.sample(100, y=asked[:100], steps=k, start=start) for k in (2, 5, 20) for name, m in (("diffusion", latent), ("flow", flow))
}
show_images(torch.cat([x[:10] for x in pictures.values()]), columns=10, row_labels=[f"{name}, {k} steps" for name, k in pictures])


# %% [markdown]
# > **What to notice.** From one noise both draw nearly the same digit. That is no accident. Divide $x_t$ by $\alpha_t$, and both chains are $x_0+\sigma\varepsilon$ with $\sigma=\sigma_t/\alpha_t$: their ODEs are one equation in two coordinates. In two steps drawings of one digit are more alike; with more steps they become individual.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
def far(a, b):
    return (a - b).flatten(1).norm(dim=1).mean()


for k in (2, 5, 20):
    assert far(pictures["diffusion", k], pictures["flow", k]) < 0.25 * far(pictures["diffusion", k], pictures["diffusion", k].roll(10, 0))
for name in ("diffusion", "flow"):
    apart_of = [far(pictures[name, k], pictures[name, k].roll(10, 0)) for k in (2, 5, 20)]
    assert apart_of[0] < 0.85 * apart_of[2] and apart_of == sorted(apart_of)
torch.manual_seed(0)
start, exact = torch.randn(500, 1), [TwoPeaks(1, schedule=name, predict="noise") for name in ("cosine", "straight")]
ends = [diffusion.sample(member, start, member.schedule.times(400)) for member in exact]
assert (ends[0] - ends[1]).abs().median() < 0.01  # one equation: the same noise ends in the same place

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 18 · What to ask, and when: EDM
#
# Which of the words of section 4 should the network say? The naive choices each have a bad end. If it says the noise, its error enters $\hat x_0$ times $\sigma_t/\alpha_t$, without limit at strong noise. If it says the data, then at weak noise it has to copy its input exactly.
#
# **EDM** (Karras et al. 2022) derives the answer. Divide by $\alpha_t$, so that $x_t/\alpha_t=x_0+\sigma\varepsilon$ with $\sigma=\sigma_t/\alpha_t$. Give the network $F$ a share of the input for free:
#
# $$\hat x_0=c_\text{skip}\,x+c_\text{out}\,F(c_\text{in}\,x),\qquad c_\text{skip}=\frac{\sigma_d^2}{\sigma^2+\sigma_d^2},\quad c_\text{out}=\frac{\sigma\,\sigma_d}{\sqrt{\sigma^2+\sigma_d^2}},\quad c_\text{in}=\frac1{\sqrt{\sigma^2+\sigma_d^2}}$$
#
# $\sigma_d$ is the standard deviation of the data. $c_\text{in}$ gives the input variance 1. $c_\text{skip}$ is the share for which $F$ has least to say, and $c_\text{out}$ then gives its target variance 1: this is **preconditioning**. For $\sigma_d=1$ it is v, up to the sign. (A test checks all of it; v was there first, for another reason.)
#
# One $\sigma_d$ for all is a compromise. In the principal components of lecture 01 each direction has its own, and what $c_\text{skip}$ gives is then the best *linear* denoiser, Wiener's. $F$ adds what a Gaussian cannot know. The network of section 13's faces is built so, with 320 components. (A test compares it, untrained, with Wiener's formula.) Convolutions then look at its estimate beside $x_t$, and add what is missing. They are told where they are by sixteen learned numbers for each place.
#
# **When.** Which noise levels should training draw? The naive answer is "all, evenly in $t$". Look where there is something to learn: at each level, what share of the target's variance does the shipped network explain? Beside it stands a rule without a network: *what is nearly black is black*. **Predict first.** Where is the share 0, and why?

# %%
show_source(diffusion.edm_weights)
show_source(diffusion.EigenNetwork.forward, open=False)
show_source(diffusion.log_normal_times)
some_digits = model.scaled(unseen.images()[::10])
data_std = (some_digits - some_digits.mean(0)).square().mean().sqrt().item()
log_sigmas = np.linspace(-6, 4, 21)
learned, by_rule = [], []
for log_sigma in log_sigmas:
    t = model.schedule.time_at(-2 * log_sigma).expand(len(some_digits))
    with torch.no_grad():
        x_t = model.schedule.noised(some_digits, t, torch.randn_like(some_digits))
        guess, _ = model.denoise(x_t, t)
    _, out, _ = diffusion.edm_weights(math.exp(log_sigma), data_std)
    x_t = x_t / model.schedule.at(t[0].item())[0]
    rule = torch.where(x_t < -1 + 3 * math.exp(log_sigma), -1.0, x_t)
    for shares, x in ((learned, guess), (by_rule, rule)):
        shares.append(1 - (x - some_digits).square().mean().item() / out**2)  # 1: all of what F was asked; 0: the skip would do
training.seed_everything(0)
drawn_levels = {
    "cosine, evenly in t": -0.5 * model.schedule.log_snr(0.001 + 0.999 * torch.rand(20_000)),
    "EDM": -0.5 * model.schedule.log_snr(diffusion.log_normal_times(model.schedule, 20_000)),
}
figure, axis = plt.subplots(figsize=(8, 2.9), layout="constrained")
axis.plot(log_sigmas, np.clip(learned, 0, 1), color="black", label="share explained by the network")
axis.plot(log_sigmas, np.clip(by_rule, 0, 1), "--", color="black", linewidth=0.8, label="by the rule")
for name, levels in drawn_levels.items():
    axis.hist(levels.numpy(), bins=np.linspace(-6, 6, 60), density=True, alpha=0.5, label=f"training draws: {name}")
axis.set(xlabel="log σ of x₀ + σ ε", xlim=(-6, 6))
axis.legend()
plt.show()

# %% [markdown]
# > **What to notice.** Under the strongest noise there is nothing to learn: the mean image is the best answer. Under the weakest the network explains nothing either, but it never saw such noise: training ends at $t=0.001$, where $\log\sigma=-5.05$. There *is* something to learn. The rule explains most of it, since most pixels are exactly black. Nobody would see it: at $\log\sigma=-6$ the noise is a third of a grey level. The network earns its keep in the middle, where the rule falls behind. Even times of the cosine schedule put 22 % of their draws at $\log\sigma>1$, where less than half is explained; EDM's log-normal draws put 3 % there.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
share_at = dict(zip(log_sigmas.round(1), learned))
rule_at = dict(zip(log_sigmas.round(1), by_rule))
assert max(abs(share_at[-6.0]), abs(share_at[4.0])) < 0.1 and share_at[-1.0] > 0.85 > 0.5 > rule_at[-1.0] and rule_at[-6.0] > 0.6
assert round(-0.5 * model.schedule.log_snr(torch.tensor(0.001)).item(), 2) == -5.05 and (some_digits == -1).float().mean() > 0.7
assert abs(math.exp(-6) / (2 / 255) - 1 / 3) < 0.03  # of a grey level
assert max(share for level, share in share_at.items() if level > 1) < 0.5
over = {name: (levels > 1).float().mean().item() for name, levels in drawn_levels.items()}
assert abs(over["cosine, evenly in t"] - 0.22) < 0.02 and abs(over["EDM"] - 0.03) < 0.01
out = torch.tensor([diffusion.edm_weights(s, data_std)[1] for s in (0.01, 1.0, 100.0)])
assert out.max() <= data_std < 1 and out[0] < 0.011  # an error of F enters x̂₀ times c_out; told as noise, it would enter times σ


# %% [markdown]
# **Does it matter?** The moons, a small network, 220 steps, three seeds each. Only the times of training differ.

# %%
class LogNormal(diffusion.PointDiffusion):
    """Draws its training times as EDM does."""

    def times_for(self, n):
        return diffusion.log_normal_times(self.schedule, n).clamp(0.001, 1)


lost_points = {}
for name, kind in (("evenly in t", diffusion.PointDiffusion), ("log-normal", LogNormal)):
    lost_points[name] = []
    for seed in range(3):
        training.seed_everything(seed)
        learner = kind(scale=1.5, predict="v", width=64, layers=2)
        learner = training.fit(
            learner, points, progress=False, seed=seed, **live | {"steps": 220, "batch_size": 256, "lr": 3e-3}
        ).ema.eval()
        x = learner.sample(3000, steps=40)
        lost_points[name].append((datasets.toy2d_log_prob("moons", x) < rare).float().mean().item())
table([{"training times": name, "nowhere": f"{np.mean(v):.1%} ± {np.std(v, ddof=1):.1%}"} for name, v in lost_points.items()])

# %% [markdown]
# > **What to notice.** With the same network and as many steps, fewer samples lie nowhere. A likely reason: a short training lacks the fine structure, which is decided at weak noise, and there log-normal times are more frequent. We have tried no other data.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
even, focused = (torch.tensor(v) for v in lost_points.values())
assert focused.mean() + focused.std() < even.mean() - even.std()
weak_noise = [
    torch.cat([kind(predict="v").times_for(2000) for _ in range(5)]).lt(0.2).double().mean()
    for kind in (diffusion.PointDiffusion, LogNormal)
]
assert weak_noise[1] > 1.5 * weak_noise[0]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 19 · Not an image: a sound
#
# Nothing above needs images. Replace the U-Net by dilated convolutions (lecture 05, but looking both ways) and train on a quarter of a second of notes. All 2,048 samples of a sound are made at once, in 30 steps; WaveNet needed one pass for each sample.

# %%
sound = checkpoints.load("diffusion_sound")
torch.manual_seed(0)
notes = torch.tensor([0, 2, 4, 7])
played = sound.sample(4, y=notes, guidance=2.0, steps=30)
display(Audio(torch.cat([torch.cat([wave, torch.zeros(800)]) for wave in played]).numpy(), rate=datasets.RATE))
figure, axes = plt.subplots(1, 4, figsize=(8.5, 1.8), layout="constrained", sharey=True)
for axis, wave, note in zip(axes, played, notes.tolist()):
    axis.plot(torch.arange(400) / 8, wave[:400], linewidth=0.8)
    axis.set(title=f"{datasets.load('sounds', 'test').classes[note]} Hz", xlabel="milliseconds")
plt.show()
numbers = checkpoints.record("diffusion_sound")["numbers"]
print(
    f"the note asked for is heard in {numbers['note_accuracy']:.0%} of {numbers['samples']} sounds (in {numbers['note_accuracy_of_data']:.0%} of real ones)"
)


# %% [markdown] slideshow={"slide_type": "slide"}
# ## 20 · Numbers
#
# The chains in pixels, 500 samples each, in the features of the digit network. Beside FID stands **KID**, lecture 07's kernel distance, which is 0 on average for two sets of real digits, whatever their number. The last row is 500 real digits, mean ± standard deviation over 30 draws.

# %%
def score_table(recorded, names, key="fid"):
    """A row for each number of steps, a column for each method that was recorded."""
    columns = {m: name for m, name in names.items() if m in recorded}
    return [
        {"steps": s} | {title: f"{recorded[m][s][key]:.1f}" if s in recorded[m] else "" for m, title in columns.items()}
        for s in recorded["ddpm"]
    ]


def both(entry):
    return f"{entry['fid']:.1f} / {round(entry['kid'])}"


rows = [
    {"steps": s} | {f"{name}, FID / KID": both(samplers[m][s]) if s in samplers[m] else "" for m, name in names.items()}
    for s in samplers["ddpm"]
]
rows.append({"steps": "DDIM 20, w = 1.5", "DDIM, FID / KID": both(samplers["guidance"]["1.5"])})
rows.append({"steps": "DDPM 1,000, w = 1.5", "DDPM, FID / KID": both(samplers["guided_ddpm"]["1000"])})
floor = f"{real_fid.mean():.1f} ± {real_fid.std():.1f} / {real_kid.mean():.0f} ± {real_kid.std():.0f}"
rows.append({"steps": "real digits", "DDPM, FID / KID": floor})
display(table([{key: row.get(key, "") for key in rows[0]} for row in rows]))
print(f"Latent diffusion, {coded['samples']:,} samples each, FID")
table(score_table(coded, names | {"flow": "flow matching"}))


# %%
def row(name, what):
    entry = checkpoints.record(name)
    n = entry["numbers"]
    return {
        "model": what,
        "FID, 2,000 samples": f"{n['fid']} ± {n['fid_error']}",
        "bits/dim": f"{n['bits_per_dim']} ± {n['bits_per_dim_error']}" if "bits_per_dim" in n else "",
        "by the ODE": f"{n['bits_per_dim_ode']} ± {n['bits_per_dim_ode_error']}" if "bits_per_dim_ode" in n else "",
        "class accuracy, w = 2": f"{n['class_accuracy']:.1%}",
        "weights": f"{entry['parameters']:,}",
        "training": f"{entry['steps']:,} steps, {entry['minutes']:.0f} min on {entry['device']}",
    }


table([row("diffusion", "diffusion"), row("latent_diffusion", "latent diffusion"), row("latent_flow", "flow matching, latent")])

# %% [markdown]
# Bits a pixel are of MNIST's test images, by the chain's bound (1,000 images) and by the ODE (200), each with the standard error of its mean. The ODE has an exact *density*; pixels are whole numbers, so a little noise stands between the two (as in lecture 04), and that makes it a bound as well.
#
# > **What to notice.** From 10 steps on FID cannot tell DDPM from as many real digits. KID has doubts: 58 to 79, which is two to three of their standard deviations above real digits. Look at more than one score, and at its spread. DDIM is farther off in both, with 1,000 steps too: its errors are the network's, not the steps'. A weak guidance mends them: with $w=1.5$, 20 deterministic steps are within the spread of real digits in FID *and* KID. More steps are not better without end (see the second table): they follow the model more exactly, its errors included.
# > With $w=2$ nearly all samples are the digit asked for.
# > The bits are poor: lecture 05's PixelCNN has 1.05. More than three quarters of them are spent at $\log\mathrm{SNR}>4$, on noise so weak that nearly every digit is read, and to which the simple loss gives less than a tenth of its draws. That is a choice of weights, not a limit: trained on the bound itself, diffusion has been among the best in likelihood (*Variational Diffusion Models*, 2021). Lecture 07 takes up that good samples and a good likelihood are two things.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
ddpm = [entry for n, entry in samplers["ddpm"].items() if int(n) >= 10]
assert all(abs(e["fid"] - real_fid.mean()) < 2 * real_fid.std() for e in ddpm)
kids = torch.tensor([e["kid"] for e in ddpm])
assert (round(kids.min().item()), round(kids.max().item())) == (58, 79) and abs(real_kid.mean()) < 0.5 * real_kid.std()
assert (kids.min() - real_kid.mean()) / real_kid.std() > 1.7 and (kids.max() - real_kid.mean()) / real_kid.std() < 4
assert all(samplers["ddim"][n][key] > samplers["ddpm"][n][key] for n in samplers["ddim"] for key in ("fid", "kid"))
assert all(
    e["kid"] > real_kid.mean() + 5 * real_kid.std() and e["fid"] > real_fid.mean() + 3 * real_fid.std() for e in samplers["ddim"].values()
)
weak = samplers["guidance"]["1.5"]
assert abs(weak["fid"] - real_fid.mean()) < real_fid.std() and abs(weak["kid"] - real_kid.mean()) < real_kid.std()
assert coded["ddpm"]["50"]["fid"] < coded["ddpm"]["1000"]["fid"] and coded["ddpm"]["50"]["kid"] < coded["ddpm"]["1000"]["kid"] - 20
assert all(checkpoints.record(name)["numbers"]["class_accuracy"] > 0.99 for name in ("diffusion", "latent_diffusion", "latent_flow"))
bits = checkpoints.record("diffusion")["numbers"]
assert round(checkpoints.record("pixelcnn_8bit")["numbers"]["bits_per_dim"], 2) == 1.05 and bits["bits_per_dim"] > 1.8 * 1.05
fifty = model.scaled(unseen.images()[::20])
parts = diffusion.variational_bound(model, fifty, draws=10)
levels = torch.linspace(4, model.schedule.log_snr(torch.tensor(0.001)).item(), 13)
with torch.no_grad():  # ½ SNR ‖x₀ − x̂₀‖² for each nat of log SNR
    spent = [
        0.5 * math.exp(v) * diffusion.likelihood.squared_error(model, fifty, model.schedule.time_at(v).expand(50)).mean().item()
        for v in levels.tolist()
    ]
weakest = parts["pixels"].mean().item() + np.trapezoid(spent, levels)
assert weakest > 0.75 * -parts["bound"].mean().item()
t = model.schedule.time_at(4.0).item()
with torch.no_grad():
    read_at_4 = metrics.class_accuracy(
        model.unscaled(model.denoise(model.schedule.noised(some, torch.full((len(some),), t), torch.randn_like(some)), t)[0]), labels
    )
assert read_at_4 > 0.97 and t < 0.1

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 21 · Check yourself
#
# <details><summary><b>1.</b> Why does the network's first guess, at pure noise, look like a blur?</summary>
#
# It minimises a squared error, so it says the <i>mean</i> of all digits that are still possible. It is not a bad network. Samples are sharp because each step narrows what is possible.
# </details>
#
# <details><summary><b>2.</b> Your loss has hardly moved since a third of the steps. Stop?</summary>
#
# No. Much of the loss is what the noisy image does not say, and it stays. Look at samples of the averaged weights, or at FID.
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
# Those of training are. The sampled ones bend wherever training paths cross, since one point can have one velocity only: the mean of all that pass. With optimal transport fewer of them cross.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 22 · Summary, and when things go wrong
#
# - Drown data in noise in closed form; learn to guess the clean image in squared error; step back a little; repeat.
# - Noise, data, v, velocity and score are one guess in different words. DDPM, DDIM, Heun, Euler and Euler–Maruyama are different steps with the same network; η is a dial between an ODE and an SDE with the same densities.
# - Nothing plays against anything, so training is stable; the price is many passes for each sample. In-painting and editing need nothing new; guidance needs labels that were hidden now and then in training, or a worse version of the model.
#
# | you see | look at | cure |
# |---|---|---|
# | samples are noise with few steps | which time is "before" | the next entry of the list |
# | samples too dark, too bright, or saturated | estimates outside [−1, 1] | clip, and compute the noise again |
# | NaN at the first or last step | 0/0 at α = 0 or σ = 0 | ᾱ of at least 10⁻⁶; no noise at the last step |
# | guidance does no good | labels never hidden in training: "not told" is untrained | hide each example's label on its own, one in ten |
# | all samples of a class look alike | w too large, or guidance at large t | w between 1 and 2, in an interval |
# | training looks stuck | much of the loss can never go away | look at samples; average the weights (EMA) |
# | Langevin stays in one group | hardly any density between groups | anneal the noise |
# | flow matching runs the wrong way | which end of t is the noise | one convention; flip the sign of the velocity |
#
# **Cost.** One sample is as many passes as steps, or twice that with guidance. Likelihoods are bounds, or an ODE with a backward pass at each step.
# **Several GPUs**: `accelerate launch -m course_lib train diffusion --preset gpu`.
#
# **Care.** Models of this family draw people who never lived and pictures in the style of artists who never agreed. They can also recite training images. Say what is generated, and ask whose pictures you train on.
#
# **Now you**: [exercise 06](../exercises/06_diffusion/06_diffusion.ipynb), 20 points.
#
# **Read on.** Sohl-Dickstein et al. (arXiv:1503.03585) · Song & Ermon (arXiv:1907.05600) · Ho et al., DDPM (arXiv:2006.11239) · Song et al., DDIM (arXiv:2010.02502) and the SDE view (arXiv:2011.13456) · Kingma et al., *Variational Diffusion Models* (arXiv:2107.00630) ·
# Nichol & Dhariwal (arXiv:2102.09672) · Dhariwal & Nichol, classifier guidance (arXiv:2105.05233) · Ho & Salimans, guidance (arXiv:2207.12598) · Kynkäänniemi et al., guidance in an interval (arXiv:2404.07724) · Karras et al., design space (arXiv:2206.00364) and autoguidance (arXiv:2406.02507) · Lugmayr et al., RePaint (arXiv:2201.09865) · Meng et al., SDEdit (arXiv:2108.01073) ·
# Rombach et al., latent diffusion (arXiv:2112.10752) · Lipman et al., flow matching (arXiv:2210.02747) · Liu et al., rectified flow (arXiv:2209.03003) · Tong et al., minibatch transport (arXiv:2302.00482) · Salimans & Ho, distillation (arXiv:2202.00512) · Song et al., consistency models (arXiv:2303.01469)
