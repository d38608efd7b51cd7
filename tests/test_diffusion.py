"""Properties of the diffusion models of topic 06, against closed forms, SciPy, quadrature, autograd and loops by hand."""

import inspect
import itertools
import json
import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import integrate, stats
from scipy.special import expit
from torch import nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from course_lib import checkpoints, datasets, metrics, training
from course_lib.autoencoders import codes as codes_module
from course_lib.datasets import Dataset
from course_lib.diffusion import (
    METHODS,
    PREDICTIONS,
    SCHEDULES,
    Attention,
    Autoguided,
    Diffusion,
    EigenDiffusion,
    EigenNetwork,
    ImageDiffusion,
    LatentDiffusion,
    NoiseEmbedding,
    PointDiffusion,
    Refinement,
    ResidualBlock,
    Schedule,
    ScoreNetwork,
    UNet,
    VectorNetwork,
    WaveDiffusion,
    WaveNetwork,
    annealed_langevin,
    ddim_step,
    edit,
    edm_weights,
    encode,
    euler_maruyama,
    inpaint,
    langevin,
    likelihood,
    log_normal_times,
    mixture_log_prob,
    mixture_score,
    ode_log_prob,
    paired_by_transport,
    sample,
    sample_fast,
    variational_bound,
    within,
)
from course_lib.diffusion import recipes as diffusion_recipes
from course_lib.diffusion.likelihood import even_in_log_snr, ode_bound, pixel_log_prob
from course_lib.diffusion.samplers import estimates
from course_lib.recipes import recipes

QUIET = {"progress": False, "device": "cpu"}
RECIPES = diffusion_recipes.RECIPES
TRAINED = [name for name, recipe in RECIPES.items() if recipe.build]  # the others are recordings
KEEP_VARIANCE = ("linear", "cosine", "sigmoid")
SDE = {"euler_maruyama": euler_maruyama}
IRREGULAR = torch.tensor([1.0, 0.93, 0.92, 0.5, 0.41, 0.07, 0.01, 0.0], dtype=torch.float64)
TINY = {"shape": (1, 8, 8), "width": 16, "multiples": (1, 2), "classes": 3}
CORNERS = ((-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0))


@torch.no_grad()
def shaken(module, scale=0.1):
    """The same module with noise on every weight: the layers that begin at 0 would pass any test."""
    for p in module.parameters():
        p.add_(scale * torch.randn_like(p))
    return module.eval()


def image_model(**options):
    return shaken(ImageDiffusion(**(TINY | options)))


def coefficients(name, log_snr):
    """α and σ from log α²/σ² and the sum that a schedule keeps."""
    ratio = torch.exp(-log_snr / 2)  # σ/α
    alpha = 1 / (1 + ratio) if name == "straight" else (1 + ratio.square()).rsqrt()
    return alpha, alpha * ratio


def words(predict, x, noise, alpha, sigma):
    """What a network of each kind says that has these estimates."""
    return {"noise": noise, "data": x, "v": alpha * noise - sigma * x, "velocity": noise - x}[predict]


class Knows(nn.Module):
    """A network that knows the data and the noise of its examples, wherever they are on their way."""

    classes = 0

    def __init__(self, name, predict, x, noise):
        super().__init__()
        self.name, self.predict, self.x, self.noise = name, predict, x, noise

    def forward(self, x_t, log_snr, y=None):
        alpha, sigma = coefficients(self.name, log_snr.view(-1, *[1] * (x_t.ndim - 1)))
        return words(self.predict, self.x, self.noise, alpha, sigma)


class Best(nn.Module):
    """The best denoiser of a mixture of Gaussians of one spread (0: points), in closed form."""

    classes = 0

    def __init__(self, name, predict, means, spread, weights=None):
        super().__init__()
        self.name, self.predict, self.spread = name, predict, spread
        self.means = nn.Parameter(torch.as_tensor(means, dtype=torch.float64))  # a parameter: `Diffusion.sample` asks where they are
        k = len(self.means)
        self.weights = torch.full((k,), 1 / k, dtype=torch.float64) if weights is None else torch.as_tensor(weights, dtype=torch.float64)
        self.seen = []

    def forward(self, x_t, log_snr, y=None):
        self.seen.append(log_snr[0].item())
        alpha, sigma = coefficients(self.name, log_snr.double()[:, None])
        width = (alpha * self.spread).square() + sigma.square()
        off = x_t[:, None].double() - alpha[..., None] * self.means  # (batch, k, dims)
        share = (self.weights.log() - off.square().sum(2) / (2 * width)).softmax(1)
        guess = (share[..., None] * (self.means + (alpha * self.spread**2 / width)[..., None] * off)).sum(1)
        return words(self.predict, guess, (x_t - alpha * guess) / sigma, alpha, sigma).to(x_t.dtype)


def best(name, means=((0.0, 0.0),), spread=0.5, weights=None, predict="data"):
    """A model of a known distribution that cannot be better."""
    return Diffusion(Best(name, predict, means, spread, weights), (len(means[0]),), name, predict)


class Says(nn.Module):
    """A network that answers with any function, and keeps what it was asked."""

    def __init__(self, function, classes=0):
        super().__init__()
        self.function, self.classes, self.asked = function, classes, []
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, x_t, log_snr, y=None):
        self.asked.append((x_t, log_snr, y))
        return self.function(x_t, log_snr)


# --- schedules


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_time_of_a_level_is_found_again(name):
    schedule, t = Schedule(name), torch.linspace(0.01, 0.98, 50, dtype=torch.float64)
    assert torch.allclose(schedule.time_at(schedule.log_snr(t)), t, atol=1e-9)
    assert schedule.time_at(50.0) < 1e-6 and schedule.time_at(torch.tensor([-50.0])) > 1 - 1e-6


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_rates_are_those_of_the_forward_equation(name):
    schedule = Schedule(name)
    for t in (0.05, 0.4, 0.9):
        f, g2 = schedule.rates(t)
        alpha, variance = (lambda v: schedule.at(v)[0]), (lambda v: schedule.at(v)[1] ** 2)
        h = 1e-3
        alpha_ts, variance_ts = schedule.between(t, t + h)  # what one short step does
        assert f == pytest.approx(math.log(alpha_ts) / h, rel=0.02) and g2 == pytest.approx(variance_ts / h, rel=0.02)
        assert variance(t + h) - variance(t - h) == pytest.approx(2 * h * (2 * f * variance(t) + g2), rel=1e-3)
        assert alpha(t + h) - alpha(t - h) == pytest.approx(2 * h * f * alpha(t), rel=1e-3)
        if name in KEEP_VARIANCE:
            assert g2 == pytest.approx(-2 * f, rel=1e-4)
    if name == "linear":
        assert schedule.rates(0.5)[1] == pytest.approx(0.1 + 19.9 * 0.5, rel=1e-6)


@pytest.mark.parametrize("name", ["cosine", "linear", "straight"])
def test_log_normal_times_are_normal_in_log_noise(name):
    schedule = Schedule(name)
    alpha, sigma = schedule.alpha_sigma(log_normal_times(schedule, 4000, -1.0, 1.2))
    assert stats.kstest((sigma / alpha).log().numpy(), "norm", args=(-1.0, 1.2)).pvalue > 1e-3


def test_edms_weights_leave_variance_one_and_the_least_to_the_network():
    x, noise = 0.7 * torch.randn(200_000).double(), torch.randn(200_000).double()
    for sigma in (0.02, 0.5, 30.0):
        skip, out, into = edm_weights(sigma, 0.7)
        noisy = x + sigma * noise
        asked = (x - skip * noisy) / out  # what F should say
        assert (into * noisy).var().item() == pytest.approx(1, rel=0.02) and asked.var().item() == pytest.approx(1, rel=0.02)
        for other in (skip - 0.1 / sigma, skip + 0.1 / sigma):  # another share of the input leaves the network more to say
            assert (x - other * noisy).var() > (x - skip * noisy).var()
        # of Gaussian data the best guess is the skip alone
        assert (asked * noisy).mean().abs().item() < 0.02 * noisy.std().item()


def test_v_is_edms_network_for_data_of_variance_one():
    model = PointDiffusion(2, predict="v")
    for t in (0.1, 0.5, 0.9):
        alpha, sigma = model.schedule.at(t)
        skip, out, into = edm_weights(sigma / alpha, 1.0)
        p, q, *_ = model.shares(alpha, sigma)  # x̂₀ = p x_t + q v with x_t = α (x₀ + σ/α ε)
        assert (p * alpha, -q) == pytest.approx((skip, out)) and into == pytest.approx(alpha)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_go_from_data_to_noise_in_float64_and_keep_their_sum(name):
    t = torch.linspace(0, 1, 401)  # float32
    alpha, sigma = Schedule(name).alpha_sigma(t.view(1, 401))
    assert alpha.dtype == sigma.dtype == torch.float64 and alpha.shape == (1, 401)
    total = alpha + sigma if name == "straight" else alpha.square() + sigma.square()
    assert torch.allclose(total, torch.ones(1, 401, dtype=torch.float64), rtol=0, atol=1e-14)
    assert (alpha[0, :-1].diff() < 0).all() and (sigma[0, :-1].diff() > 0).all()
    assert Schedule(name).at(0.0) == (1.0, 0.0) and Schedule(name).at(1)[0] < 0.01 and Schedule(name).at(1)[1] > 0.99
    assert all(isinstance(v, float) for v in Schedule(name).at(0.3))
    assert torch.allclose(Schedule(name).alpha_bar(t), alpha[0].square(), rtol=1e-12)


def test_the_linear_schedule_is_ddpms_product_of_a_thousand_betas():
    product = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    ours = Schedule("linear").alpha_bar(torch.arange(1, 1001) / 1000).numpy()
    assert np.abs(ours - product).max() < 2e-3
    assert np.abs(np.log(ours) / np.log(product) - 1)[100:].max() < 0.01


def test_cosine_sigmoid_and_straight_are_their_formulas():
    t = np.linspace(0, 0.999, 500)

    def f(t):
        return np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2

    expected = {
        "cosine": f(t) / f(0),
        "sigmoid": (expit(3) - expit(6 * t - 3)) / (expit(3) - expit(-3)),
        "straight": (1 - t) ** 2,
    }
    for name, value in expected.items():
        assert np.allclose(Schedule(name).alpha_bar(torch.tensor(t)).numpy(), np.maximum(value, 1e-6), rtol=1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
def test_nothing_is_lost_at_the_ends_of_time(name):
    schedule, x = Schedule(name), torch.randn(3, 2)
    value = schedule.log_snr(torch.linspace(0, 1, 2001))
    assert value[0] == math.inf and value[1:].isfinite().all() and (value[1:].diff() <= 0).all() and value[-1] < -9
    assert all(v.isfinite().all() for v in schedule.posterior(x, x, 0.0, 1.0))
    for predict in PREDICTIONS:
        model = Diffusion(Says(lambda x, l: 0 * x + 0.5), (2,), name, predict)
        for t in (1.0, 1e-3, torch.tensor([1.0, 0.5, 1e-3])):
            assert all(v.isfinite().all() for v in model.denoise(x, t))
        for method in METHODS:
            assert METHODS[method](model, x, schedule.times(1)).isfinite().all()


def test_times_are_a_falling_list_from_one_to_zero():
    times = Schedule().times(7)
    assert times.dtype == torch.float64 and times.tolist() == pytest.approx([i / 7 for i in range(7, -1, -1)], abs=1e-15)
    assert Schedule("linear").times(1).tolist() == [1.0, 0.0]


def test_a_thousand_small_steps_of_ddpm_are_one_large_step():
    schedule, x = Schedule("linear"), torch.full((20_000,), 1.5)
    x_t, betas = x.clone(), np.linspace(1e-4, 0.02, 1000)
    for i, beta in enumerate(betas, 1):
        x_t = (1 - beta) ** 0.5 * x_t + beta**0.5 * torch.randn_like(x_t)
        if i in (50, 300, 1000):
            at_once = schedule.noised(x, torch.full((20_000,), i / 1000), torch.randn_like(x))
            assert at_once.mean().item() == pytest.approx(x_t.mean().item(), abs=0.04)
            assert at_once.std().item() == pytest.approx(x_t.std().item(), rel=0.03)


@pytest.mark.parametrize("name", SCHEDULES)
def test_each_example_is_noised_by_its_own_time(name):
    x, noise, t = torch.randn(3, 2, 4), torch.randn(3, 2, 4), torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64)
    x_t = Schedule(name).noised(x, t, noise)
    assert x_t.dtype == torch.float32
    for i in range(3):
        alpha, sigma = Schedule(name).at(t[i].item())
        assert torch.allclose(x_t[i], alpha * x[i] + sigma * noise[i])


def by_quadrature(schedule, x, x_t, s, t):
    """Mean and variance of p(x_s | x_t, x₀) ∝ q(x_s | x₀) q(x_t | x_s), added up on a grid."""
    (alpha_s, sigma_s), (alpha_t, sigma_t) = schedule.at(s), schedule.at(t)
    step = alpha_t / alpha_s
    grid = alpha_s * x + sigma_s * np.linspace(-8, 8, 40_001)
    log_p = stats.norm.logpdf(grid, alpha_s * x, sigma_s) + stats.norm.logpdf(x_t, step * grid, (sigma_t**2 - step**2 * sigma_s**2) ** 0.5)
    p = np.exp(log_p - log_p.max())
    mean = (p * grid).sum() / p.sum()
    return mean, (p * (grid - mean) ** 2).sum() / p.sum()


@pytest.mark.parametrize("steps", [3, 10, 200])
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_posterior_is_bayes_rule_on_every_list_of_times(name, steps):
    schedule, x = Schedule(name), 0.7
    times = schedule.times(steps).tolist()
    for i in sorted({0, 1, steps // 2, steps - 2}):  # the first step of the way back begins at t = 1
        t, s = times[i], times[i + 1]
        alpha, sigma = schedule.at(t)
        x_t = alpha * x + 1.3 * sigma
        mean, variance = schedule.posterior(*torch.tensor([[x], [x_t]], dtype=torch.float64), s, t)
        expected = by_quadrature(schedule, x, x_t, s, t)
        assert mean.item() == pytest.approx(expected[0], rel=1e-6) and variance.item() == pytest.approx(expected[1], rel=1e-5)
    # the last step, to t = 0, leaves no doubt
    mean, variance = schedule.posterior(*torch.tensor([[x], [-2.0]], dtype=torch.float64), 0.0, times[-2])
    assert mean.item() == pytest.approx(x, abs=1e-12) and variance.item() == 0


@pytest.mark.parametrize("name", KEEP_VARIANCE)
@pytest.mark.parametrize("steps", [10, 50, 1000])
def test_the_posterior_is_ddpms_with_the_betas_of_the_shortened_chain(name, steps):
    schedule = Schedule(name)
    times = schedule.times(steps).flip(0)
    bars = schedule.alpha_bar(times).numpy()
    now, last = bars[1:], bars[:-1]
    beta = 1 - now / last
    of_x, of_t = last**0.5 * beta / (1 - now), (1 - beta) ** 0.5 * (1 - last) / (1 - now)
    x, x_t = torch.randn(2, steps, dtype=torch.float64)
    mean, variance = schedule.posterior(x, x_t, times[:-1], times[1:])
    assert np.allclose(mean, of_x * x.numpy() + of_t * x_t.numpy(), rtol=1e-7, atol=1e-9)
    assert np.allclose(variance, (1 - last) / (1 - now) * beta, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_what_the_posterior_draws_is_distributed_as_noised_data(name):
    # over x_t, the posterior's mean and variance must give back those of q(x_s | x₀)
    schedule, x = Schedule(name), torch.full((100_000, 1), 0.8, dtype=torch.float64)
    for s, t in ((0.2, 0.6), (0.55, 0.6), (0.1, 0.9)):
        mean, variance = schedule.posterior(x, schedule.noised(x, torch.full((len(x),), t), torch.randn_like(x)), s, t)
        alpha, sigma = schedule.at(s)
        assert mean.mean().item() == pytest.approx(0.8 * alpha, abs=0.02)
        assert (mean.var() + variance).sqrt().item() == pytest.approx(sigma, rel=0.01)


# --- what the network says


@pytest.mark.parametrize("predict", PREDICTIONS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_targets_split_into_the_data_and_the_noise_they_came_from(name, predict):
    model = Diffusion(Says(None), (2, 3), name, predict)
    x, noise = torch.randn(2, 8, 2, 3, dtype=torch.float64)
    t = torch.linspace(1e-3, 1, 8, dtype=torch.float64)
    target = model.target(x, noise, t)
    alpha, sigma = (c.view(-1, 1, 1) for c in coefficients(name, model.schedule.log_snr(t)))
    assert torch.allclose(target, words(predict, x, noise, alpha, sigma), atol=1e-9)
    model.answer = lambda *_: target
    back = model.denoise(model.schedule.noised(x, t, noise), t)
    assert torch.allclose(back[0], x, atol=1e-9) and torch.allclose(back[1], noise, atol=1e-9)


@pytest.mark.parametrize("predict", PREDICTIONS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_two_estimates_make_the_noisy_data_whatever_the_network_says(name, predict):
    model = shaken(PointDiffusion(3, 16, 1, name, predict, classes=4)).double()
    x_t, t = 3 * torch.randn(6, 3, dtype=torch.float64), torch.linspace(0.01, 1, 6, dtype=torch.float64)
    for guidance in (0.0, 1.0, 3.0):
        x, noise = model.denoise(x_t, t, torch.arange(6) % 4, guidance)
        alpha, sigma = (c[:, None] for c in model.schedule.alpha_sigma(t))
        assert torch.allclose(alpha * x + sigma * noise, x_t, atol=1e-10)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_losses_agree_up_to_their_weights(name):
    def loss_of(predict):
        """The loss of one example, of a network with always the same opinion about x₀."""

        def opinion(x_t, log_snr):
            alpha, sigma = (c.view(-1, 1) for c in coefficients(name, log_snr))
            guess = 0.3 * x_t + 0.1
            return words(predict, guess, (x_t - alpha * guess) / sigma, alpha, sigma)

        model = Diffusion(Says(opinion), (4,), name, predict).double()
        loss = model.loss(x)
        (asked,) = model.net.asked
        return loss.item(), asked[1]

    for seed in range(8):
        x, losses = torch.randn(1, 4, dtype=torch.float64), {}
        for predict in PREDICTIONS:
            torch.manual_seed(seed)
            losses[predict], log_snr = loss_of(predict)
        alpha, sigma = (c.item() for c in coefficients(name, log_snr))
        weights = {"data": 1, "noise": alpha**2 / sigma**2, "v": (alpha**2 / sigma + sigma) ** 2, "velocity": (1 + alpha / sigma) ** 2}
        for predict, weight in weights.items():
            assert losses[predict] == pytest.approx(weight * losses["data"], rel=1e-6)
        if name != "straight":
            assert weights["v"] == pytest.approx(1 + weights["noise"])


def test_the_loss_is_a_sum_over_dimensions_and_a_mean_over_the_batch():
    x = torch.randn(5, 2, 3)
    assert Diffusion(Says(lambda x, l: 0 * x), (2, 3), predict="data").loss(x).item() == pytest.approx(x.square().sum().item() / 5)
    many = Diffusion(Says(lambda x, l: 0 * x), (2, 3), predict="noise").loss(torch.zeros(20_000, 2, 3))
    assert many.item() == pytest.approx(6, rel=0.02)


def test_times_of_the_loss_are_spread_over_all_of_them_and_differ_within_a_batch():
    model = Diffusion(Says(lambda x, l: 0 * x), (1,), "straight")
    model.loss(torch.zeros(1000, 1, dtype=torch.float64))
    alpha = coefficients("straight", model.net.asked[0][1])[0]
    assert stats.kstest(1 - alpha.numpy(), "uniform").statistic < 0.005 and alpha.max() < 1
    assert not torch.equal(alpha.sort().values, alpha) and not torch.equal(alpha.sort(descending=True).values, alpha)


def test_noise_and_times_are_independent_of_the_data():
    x = torch.arange(2000.0)[:, None] / 2000
    model = Diffusion(Says(lambda x, l: 0 * x), (1,))
    model.loss(x)
    x_t, log_snr, _ = model.net.asked[0]
    alpha, sigma = coefficients("cosine", log_snr.double())
    noise = ((x_t[:, 0] - alpha * x[:, 0]) / sigma).numpy()
    assert stats.kstest(noise, "norm").pvalue > 1e-3
    for other in (x[:, 0].numpy(), log_snr.numpy()):
        assert abs(np.corrcoef(noise, other)[0, 1]) < 0.08
    assert abs(stats.spearmanr(log_snr.numpy(), x[:, 0].numpy()).statistic) < 0.08


@pytest.mark.parametrize("name, predict", [("cosine", "noise"), ("straight", "velocity")])
def test_the_loss_is_least_at_the_conditional_mean(name, predict):
    model = PointDiffusion(1, 48, 2, name, predict)
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 600)
    for _ in range(600):
        optimiser.zero_grad()
        model.loss(torch.where(torch.rand(256, 1) < 0.7, 1.0, -1.0)).backward()
        optimiser.step()
        rate.step()
    for t in (0.3, 0.5, 0.8):
        alpha, sigma = model.schedule.at(t)
        x_t = alpha * torch.tensor([1.0, 1, 1, -1, -1, -1])[:, None] + sigma * torch.tensor([0.0, 1, -1, 0, 1, -1])[:, None]
        expected = torch.tanh(alpha * x_t / sigma**2 + 0.5 * math.log(0.7 / 0.3))
        with torch.no_grad():
            x, noise = model.denoise(x_t, t)
        assert (x - expected).abs().max() < 0.25 and (noise - (x_t - alpha * expected) / sigma).abs().max() < 0.25
        assert (x - x_t / alpha).abs().max() > 0.3  # a network that had learned nothing would not do


NETWORKS = {
    "unet": lambda: (UNet((2, 8, 8), 16, classes=3), torch.randn(6, 2, 8, 8)),
    "deep unet": lambda: (UNet((1, 8, 16), 16, (1, 2, 2), 2, (1, 2), 1, 3), torch.randn(6, 1, 8, 16)),
    "vector": lambda: (VectorNetwork(5, 16, 2, 3), torch.randn(6, 5)),
    "eigen": lambda: (EigenNetwork((2, 4, 4), 32, 16, 2, 8, 3), torch.randn(6, 2, 4, 4)),
    "refined": lambda: (EigenNetwork((2, 4, 4), 32, 16, 2, 8, 3, blocks=1, channels=16), torch.randn(6, 2, 4, 4)),
    "wave": lambda: (WaveNetwork(64, 4, 8, (1, 2, 4), 3), torch.randn(6, 64)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_reach_every_parameter_and_every_place(name):
    net, x = NETWORKS[name]()
    model = Diffusion(shaken(net), x.shape[1:], drop=0.5)
    model.loss(x, torch.arange(6) % 3).backward()
    for key, p in net.named_parameters():
        assert p.grad is not None and p.grad.isfinite().all() and p.grad.abs().max() > 1e-6, key
    leaf = x.clone().requires_grad_()
    out = net(leaf, torch.zeros(6), torch.arange(6) % 3)
    assert out.shape == x.shape and out.is_contiguous()
    # the middle of the first example hears of its own corners, and nothing of other examples
    middle = tuple(n // 2 for n in x.shape[1:])
    (gradient,) = torch.autograd.grad(out[(0, *middle)], leaf)
    assert not gradient[1:].any() and gradient[0].flatten()[-1] != 0 and gradient[0].flatten()[0] != 0


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_hear_the_level_and_the_label(name):
    net, x = NETWORKS[name]()
    net, y = shaken(net), torch.arange(6) % 3
    with torch.no_grad():
        out = net(x, torch.zeros(6), y)
        assert torch.allclose(net(x, torch.zeros(6), None), net(x, torch.zeros(6), torch.full((6,), 3)), atol=1e-5)
        assert torch.allclose(net(x, torch.zeros(1), y), out, atol=1e-5)  # one level for all
        assert torch.allclose(net(x, torch.zeros(1)), net(x, torch.zeros(6)), atol=1e-5)
        for other in (net(x, torch.full((6,), 1.0), y), net(x, torch.zeros(6), (y + 1) % 3), net(x, torch.zeros(6))):
            assert (other - out).flatten(1).abs().amax(1).min() > 1e-4
        mixed = net(x, torch.tensor([0.0, 5.0, 0.0, 5.0, 0.0, 5.0]), y)
        assert torch.allclose(mixed[::2], out[::2], atol=1e-5) and not torch.allclose(mixed[1::2], out[1::2], atol=1e-4)


@pytest.mark.parametrize(("components", "blocks"), [(12, 0), (5, 0), (1, 0), (5, 2)])
def test_before_training_the_eigen_network_is_the_best_linear_denoiser(components, blocks):
    """Wiener's, E(x₀ | x_t) of a Gaussian, by a dense solve; what lies outside the components is taken for the mean."""
    torch.manual_seed(0)
    mixed = torch.randn(12, 12, dtype=torch.float64)
    x = (torch.randn(4000, 12, dtype=torch.float64) @ mixed + 3 * torch.randn(12, dtype=torch.float64)).view(-1, 3, 2, 2)
    net = EigenNetwork((3, 2, 2), components, 8, 1, blocks=blocks, channels=8).double()
    net.look_at(x)
    values, vectors = np.linalg.eigh(np.cov(x.flatten(1).numpy().T, bias=True))
    covariance = (vectors[:, -components:] * values[-components:]) @ vectors[:, -components:].T
    mean = x.flatten(1).numpy().mean(0)
    for t in (0.001, 0.3, 0.7, 0.999):
        alpha, sigma = Schedule().at(t)
        x_t = alpha * x[:9] + sigma * torch.randn_like(x[:9])
        gain = alpha * covariance @ np.linalg.inv(alpha**2 * covariance + sigma**2 * np.eye(12))
        x0 = mean + (x_t.flatten(1).numpy() - alpha * mean) @ gain.T
        with torch.no_grad():
            v = net(x_t, torch.full((9,), 2 * math.log(alpha / sigma), dtype=torch.float64)).flatten(1).numpy()
        assert np.abs(alpha * x_t.flatten(1).numpy() - sigma * v - x0).max() < 1e-8


def test_a_refinement_knows_where_it_is():
    """Of an even picture convolutions make an even one, but for the border; vectors for the places are what tells them apart."""
    torch.manual_seed(0)
    net, x, context = shaken(Refinement((3, 12, 12), 16, 1, 4)), torch.zeros(1, 3, 12, 12), torch.zeros(1, 4)
    with torch.no_grad():
        assert net(x, x, context)[..., 4:8, 4:8].std() > 1e-2
        net.places.zero_()
        assert net(x, x, context)[..., 4:8, 4:8].flatten(2).std(2).max() < 1e-6


def test_what_an_eigen_network_is_asked_has_variance_one_in_every_direction():
    """Its target, (x̂₀ − c_skip x) / c_out, for data that are a Gaussian's."""
    torch.manual_seed(0)
    std = torch.tensor([3.0, 1.0, 0.1, 0.01])
    x0, level = std * torch.randn(200_000, 4), 0.5
    skip, out, into = edm_weights(level, std)
    x = x0 + level * torch.randn_like(x0)
    for values in ((x0 - skip * x) / out, into * x):
        assert (values.std(0) - 1).abs().max() < 0.01


@torch.no_grad()
def test_the_embedding_tells_all_levels_apart_and_has_room_for_infinity():
    levels = torch.linspace(-14, 14, 113)
    embedded = NoiseEmbedding(16)(torch.cat([levels, torch.tensor([math.inf, -math.inf])]))
    assert embedded.isfinite().all() and torch.pdist(embedded).min() > 1e-3
    net = NoiseEmbedding(16, 4)
    assert net.label.num_embeddings == 5  # and one for "not told"


# --- samplers


@pytest.mark.parametrize("times", [7, 10, 13, 1, IRREGULAR], ids=lambda t: str(t) if isinstance(t, int) else "irregular")
@pytest.mark.parametrize("method", ["ddim", "heun"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_whoever_knows_the_noise_lands_on_the_data(name, method, times):
    times = Schedule(name).times(times) if isinstance(times, int) else times
    x, noise = torch.randn(2, 5, 3, dtype=torch.float64)
    alpha, sigma = Schedule(name).at(1.0)
    for predict in PREDICTIONS:
        model = Diffusion(Knows(name, predict, x, noise), (3,), name, predict)
        assert torch.allclose(METHODS[method](model, alpha * x + sigma * noise, times), x, atol=1e-8)


@pytest.mark.parametrize("name", SCHEDULES)
def test_each_previous_time_is_the_next_of_the_list(name):
    x, noise = torch.randn(2, 4, 3, dtype=torch.float64)
    schedule, seen = Schedule(name), []
    model = Diffusion(Knows(name, "noise", x, noise), (3,), name, "noise")
    for times in (IRREGULAR, schedule.times(13), IRREGULAR[2:]):
        seen.clear()
        start = schedule.noised(x, times[0].expand(4), noise)
        out = sample(model, start, times, watch=lambda t, x_t, guess: seen.append((t, x_t, guess)))
        assert [t for t, _, _ in seen] == times[:-1].tolist() and torch.equal(seen[0][1], start)
        for t, x_t, guess in seen:  # on the line that belongs to its own time
            alpha, sigma = schedule.at(t)
            assert torch.allclose(x_t, alpha * x + sigma * noise, atol=1e-9) and torch.allclose(guess, x, atol=1e-6)
        assert torch.allclose(out, x, atol=1e-8)


@pytest.mark.parametrize("predict", PREDICTIONS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_short_way_of_ddim_is_the_long_one(name, predict):
    model, start = best(name, CORNERS, 0.2, predict=predict), torch.randn(6, 2, dtype=torch.float64)
    x_t = start
    for t, s in itertools.pairwise(IRREGULAR.tolist()):
        x_t = ddim_step(model, x_t, *estimates(model, x_t, t), t, s).detach()
    assert torch.allclose(sample(model, start, IRREGULAR), x_t, atol=1e-9)
    assert torch.allclose(sample(model, start, IRREGULAR, watch=lambda *_: None), x_t, atol=1e-9)
    model.clip = True  # now the estimates are cut, and so the points
    model.net.means.data *= 1.2
    outside = sample(model, start, IRREGULAR)
    assert outside.abs().max() <= 1
    model.clip = False
    assert sample(model, start, IRREGULAR).abs().max() > 1


@pytest.mark.parametrize("method", METHODS)
def test_samplers_leave_alone_what_they_are_given(method):
    start, said, times = torch.randn(4, 2), torch.randn(4, 2), Schedule().times(3)
    before = start.clone(), said.clone(), times.clone()
    for function in (lambda x, l: said, lambda x, l: x, lambda x, l: said[:1].expand(4, 2)):
        METHODS[method](Diffusion(Says(function), (2,)), start, times)
        assert all(torch.equal(a, b) for a, b in zip((start, said, times), before))


@pytest.mark.parametrize("times", [Schedule().times(1000), Schedule().times(12), IRREGULAR], ids=["full", "shortened", "irregular"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_ddim_with_eta_one_is_ddpm_at_every_step(name, times):
    model = Diffusion(Says(None), (3,), name)
    x, noise, fresh = torch.randn(3, 2, 3, dtype=torch.float64)
    pairs = list(zip(times[:-1].tolist(), times[1:].tolist()))
    for t, s in pairs[:: max(1, len(pairs) // 40)] + pairs[-2:]:
        alpha, sigma = model.schedule.at(t)
        x_t = alpha * x + sigma * noise
        mean, variance = model.schedule.posterior(x, x_t, s, t)
        still = ddim_step(model, x_t, x, noise, t, s, 1.0, torch.zeros_like(x))
        assert torch.allclose(still, mean, atol=1e-9)
        moved = ddim_step(model, x_t, x, noise, t, s, 1.0, fresh) - still
        assert torch.allclose(moved, variance.sqrt() * fresh, atol=1e-9)
        for eta in (0.0, 0.3, 0.7):  # between the two, whatever is fresh is missing from the old noise
            still = ddim_step(model, x_t, x, noise, t, s, eta, torch.zeros_like(x))
            moved = ddim_step(model, x_t, x, noise, t, s, eta, fresh) - still
            assert torch.allclose(moved, eta * variance.sqrt() * fresh, atol=1e-9)
            alpha_s, sigma_s = model.schedule.at(s)
            assert torch.allclose(
                (still - alpha_s * x).square() + eta**2 * variance * noise.square(), (sigma_s * noise).square(), atol=1e-9
            )


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_ancestral_chain_is_a_loop_over_the_posterior(name):
    model, start = best(name, CORNERS, 0.2), torch.randn(6, 2, dtype=torch.float64)
    torch.manual_seed(5)
    drawn = METHODS["ddpm"](model, start, IRREGULAR)
    torch.manual_seed(5)
    x_t = start
    for t, s in itertools.pairwise(IRREGULAR.tolist()):
        mean, variance = model.schedule.posterior(model.denoise(x_t, t)[0].detach(), x_t, s, t)
        x_t = mean + variance.sqrt() * torch.randn_like(x_t)
    assert torch.allclose(drawn, x_t, atol=1e-9)


def test_fresh_noise_is_drawn_for_eta_above_zero_alone():
    model, start = best("cosine", CORNERS, 0.2), torch.randn(6, 2, dtype=torch.float64)
    state = torch.get_rng_state()
    first = sample(model, start, IRREGULAR)
    assert torch.equal(state, torch.get_rng_state()) and torch.equal(first, sample(model, start, IRREGULAR))
    assert not torch.allclose(sample(model, start, IRREGULAR, eta=0.5), sample(model, start, IRREGULAR, eta=0.5))
    x, noise = model.denoise(start, 0.8)
    assert not torch.equal(ddim_step(model, start, x, noise, 0.8, 0.4, 0.5), ddim_step(model, start, x, noise, 0.8, 0.4, 0.5))


def exact_flow(schedule, x, t, s, spread=0.5):
    """Where the ODE takes x from time t to s if data are N(0, spread²): it keeps x in units of the deviation."""
    (alpha_t, sigma_t), (alpha_s, sigma_s) = schedule.at(t), schedule.at(s)
    return x * ((alpha_s * spread) ** 2 + sigma_s**2) ** 0.5 / ((alpha_t * spread) ** 2 + sigma_t**2) ** 0.5


@pytest.mark.parametrize("name", SCHEDULES)
def test_ddim_and_heun_find_the_solution_of_the_ode(name):
    model, x = best(name), torch.randn(300, 2, dtype=torch.float64)
    schedule = model.schedule

    def error(method, times):
        return (METHODS[method](model, x, times) - exact_flow(schedule, x, times[0].item(), times[-1].item())).abs().mean().item()

    one, two = error("ddim", schedule.times(80)), error("ddim", schedule.times(160))
    assert two < 0.01 and 1.7 < one / two < 2.3  # of the first order
    calls = len(model.net.seen)
    heun = error("heun", schedule.times(80))
    assert len(model.net.seen) - calls == 159 and heun < 0.8 * two  # as many calls of the network
    # away from t = 0, where the step to no noise is of the first order, Heun's error falls with the square
    coarse, fine = (error("heun", even_in_log_snr(schedule, n, 0.02).flip(0)) for n in (40, 80))
    assert 3 < coarse / fine < 5 and fine < 2e-3
    coarse, fine = (error("ddim", even_in_log_snr(schedule, n, 0.02).flip(0)) for n in (40, 80))
    assert 1.6 < coarse / fine < 2.4


@pytest.mark.parametrize("name", SCHEDULES)
def test_samples_have_the_spread_of_the_data_for_every_prediction_and_method(name):
    start = torch.randn(4000, 2, dtype=torch.float64)
    for predict in PREDICTIONS:
        model = best(name, predict=predict)
        assert sample(model, start, model.schedule.times(100)).std().item() == pytest.approx(0.5, rel=0.06)
    few, many = (METHODS["ddpm"](model, start, model.schedule.times(n)).std().item() for n in (10, 400))
    assert few < 0.42 and many == pytest.approx(0.5, rel=0.04)


@pytest.mark.parametrize("method", METHODS)
def test_samples_have_the_modes_of_the_data_in_their_shares(method):
    weights = (0.1, 0.2, 0.3, 0.4)
    for name in ("cosine", "straight"):
        model = best(name, CORNERS, 0.15, weights)
        x = METHODS[method](model, torch.randn(4000, 2, dtype=torch.float64), model.schedule.times(60))
        near = torch.cdist(x, torch.tensor(CORNERS, dtype=torch.float64))
        shares = torch.bincount(near.argmin(1), minlength=4) / 4000
        assert torch.allclose(shares, torch.tensor(weights), atol=0.03) and near.amin(1).quantile(0.99) < 0.6


@pytest.mark.parametrize("name", SCHEDULES)
def test_encoding_is_the_way_back(name):
    model, x = best(name, predict="v"), 0.5 * torch.randn(300, 2, dtype=torch.float64)
    schedule = model.schedule
    coarse, fine = (encode(model, x, schedule.times(n)) for n in (100, 400))
    errors = [(z - exact_flow(schedule, x, 0.0, 1.0)).abs().mean().item() for z in (coarse, fine)]
    assert errors[1] < 0.01 and errors[1] < 0.4 * errors[0]
    assert (sample(model, fine, schedule.times(400)) - x).abs().mean() < 0.01
    assert fine.std().item() == pytest.approx(1, rel=0.08)


def test_clipped_estimates_still_make_the_noisy_data():
    model = image_model(classes=0, predict="noise").double()
    x_t = 2 * torch.randn(4, 1, 8, 8, dtype=torch.float64)
    for t in (0.9, 0.3):
        raw, _ = model.denoise(x_t, t)
        x, noise = estimates(model, x_t, t)
        assert raw.abs().max() > 1.5 and torch.equal(x, raw.clamp(-1, 1))
        alpha, sigma = model.schedule.at(t)
        assert torch.allclose(alpha * x + sigma * noise, x_t, atol=1e-10)
        still = ddim_step(model, x_t, x, noise, t, 0.2, 1.0, torch.zeros_like(x))
        assert torch.allclose(still, model.schedule.posterior(x, x_t, 0.2, t)[0], atol=1e-10)
    assert ImageDiffusion.clip and WaveDiffusion.clip and not PointDiffusion.clip
    x, _ = estimates(PointDiffusion(2, 4, 1, predict="noise"), torch.full((1, 2), 9.0), 0.9)
    assert x.abs().max() > 1


# --- labels


@pytest.mark.parametrize("build", [lambda: PointDiffusion(3, 16, 1, classes=4), lambda: image_model(classes=4)], ids=["points", "images"])
@torch.no_grad()
def test_guidance_moves_along_the_line_between_untold_and_told(build):
    model = shaken(build(), 0.05).double()
    x_t, y, t = torch.randn(5, *model.shape, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0]), 0.6
    untold, told = model.denoise(x_t, t)[1], model.denoise(x_t, t, y, 1.0)[1]
    assert (told - untold).flatten(1).abs().amax(1).min() > 1e-3
    assert torch.equal(model.denoise(x_t, t, y, 0.0)[1], untold)
    assert torch.allclose(model.denoise(x_t, t, torch.full((5,), 4), 1.0)[1], untold, atol=1e-10)  # the null label is "not told"
    for w in (-1.0, 1e-9, 0.25, 1 - 1e-9, 2.0, 7.5):
        x, noise = model.denoise(x_t, t, y, w)
        assert torch.allclose(noise, untold + w * (told - untold), atol=1e-8)
        alpha, sigma = model.schedule.at(t)
        assert torch.allclose(alpha * x + sigma * noise, x_t, atol=1e-9)


@pytest.mark.parametrize("predict", PREDICTIONS)
@pytest.mark.parametrize("name", SCHEDULES)
@torch.no_grad()
def test_the_fast_sampler_agrees_with_the_plain_one(name, predict):
    model = shaken(PointDiffusion(2, 16, 1, name, predict, classes=3), 0.3).double()
    start, y, times = torch.randn(6, 2, dtype=torch.float64), torch.arange(6) % 3, model.schedule.times(7)
    for guidance in (0.0, 1.0, 3.0):
        plain, fast = (f(model, start, times, y, guidance=guidance) for f in (sample, sample_fast))
        assert torch.allclose(plain, fast, rtol=1e-8, atol=1e-8)
        assert torch.equal(model.sample(6, y=y, guidance=guidance, steps=7, start=start), fast)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_euler_and_maruyama_end_with_the_spread_and_the_shares_of_the_data(eta):
    torch.manual_seed(1)
    model = best("linear", ((1.0, 0.0), (-1.0, 0.0)), 0.2, (0.3, 0.7), "noise")
    x = euler_maruyama(model, torch.randn(3000, 2, dtype=torch.float64), model.schedule.times(500), eta=eta)
    assert (x[:, 0] > 0).double().mean().item() == pytest.approx(0.3, abs=0.035)
    assert x[:, 1].std().item() == pytest.approx(0.2, abs=0.02) and (x[:, 0].abs() - 1).std().item() == pytest.approx(0.2, abs=0.02)


def test_a_short_step_of_euler_and_maruyama_is_that_of_ddim_with_the_same_eta():
    model, x_t = best("linear", ((3.0, -2.0), (-3.0, 1.0)), 0.3), torch.randn(5, 2, dtype=torch.float64)
    t, s = 0.3, 0.2999
    for eta in (0.0, 0.4, 1.0):
        torch.manual_seed(0)
        ours = euler_maruyama(model, x_t, torch.tensor([t, s], dtype=torch.float64), eta=eta)
        torch.manual_seed(0)
        theirs = sample(model, x_t, torch.tensor([t, s], dtype=torch.float64), eta=eta)
        assert torch.allclose(ours - x_t, theirs - x_t, rtol=0.02, atol=2e-6)
        assert (ours - x_t).abs().max() > 1e-4
    seen = []
    euler_maruyama(model, x_t, model.schedule.times(4), watch=lambda s, x: seen.append((s, x.shape)))
    assert seen == [(0.75, (5, 2)), (0.5, (5, 2)), (0.25, (5, 2)), (0.0, (5, 2))]


@torch.no_grad()
def test_guidance_reaches_every_sampler():
    model, y = shaken(PointDiffusion(2, 16, 1, classes=3), 0.3).double(), torch.arange(6) % 3
    start, times = torch.randn(6, 2, dtype=torch.float64), Schedule().times(5)

    def outcomes(guidance, y=y):
        known = torch.zeros(2).bool()
        return {
            **{name: (torch.manual_seed(1), f(model, start, times, y, guidance))[1] for name, f in (METHODS | SDE).items()},
            "inpaint": (torch.manual_seed(1), inpaint(model, start, known, start, times, y, guidance))[1],
            "edit": edit(model, start, 0.9, 5, y, guidance, noise=start.flip(0)),
        }

    none, zero, one, four = outcomes(1.0, None), outcomes(0.0), outcomes(1.0), outcomes(4.0)
    for name in none:
        assert torch.allclose(none[name], zero[name], atol=1e-9), name
        assert not torch.allclose(zero[name], one[name], atol=1e-3) and not torch.allclose(one[name], four[name], atol=1e-3), name
        assert torch.allclose(one[name], outcomes(1.0 + 1e-12)[name], atol=1e-7), name
    assert not torch.allclose(encode(model, start, times, y), encode(model, start, times), atol=1e-3)


@pytest.mark.parametrize("drop", [0.1, 0.4])
def test_each_example_loses_its_label_on_its_own(drop):
    model = Diffusion(Says(lambda x, l: 0 * x, classes=5), (1,), drop=drop)
    y, hidden = torch.arange(64) % 5, []
    for _ in range(100):
        model.loss(torch.zeros(64, 1), y)
        told = model.net.asked[-1][2]
        hidden.append(told == 5)
        assert torch.equal(told[~hidden[-1]], y[~hidden[-1]])
    share = torch.stack(hidden).float()
    assert share.mean().item() == pytest.approx(drop, abs=0.03)
    assert ((share.mean(1) > 0) & (share.mean(1) < 1)).float().mean() > 0.95  # both kinds in a batch
    assert share.mean(0).std() < 0.1 and share.mean(1).std() < 0.1
    assert torch.equal(y, torch.arange(64) % 5)  # the labels of the caller stay


@pytest.mark.parametrize("drop, taught", [(0.0, False), (0.5, True)])
def test_the_null_label_is_taught_by_the_examples_that_lost_theirs(drop, taught):
    model = shaken(PointDiffusion(2, 16, 1, classes=3, drop=drop))
    model.loss(torch.randn(60, 2), torch.arange(60) % 3).backward()
    gradient = model.net.given.label.weight.grad.abs().amax(1)
    assert (gradient[:3] > 0).all() and bool(gradient[3] > 0) == taught


SEVERAL = (3, 4, 2)


def test_of_several_labels_each_is_lost_by_itself_and_all_together():
    model = Diffusion(Says(lambda x, l: 0 * x, classes=SEVERAL), (1,), drop=0.2)
    y, hidden = torch.stack([torch.arange(60) % c for c in SEVERAL], 1), []
    for _ in range(200):
        model.loss(torch.zeros(60, 1), y)
        told = model.net.asked[-1][2]
        hidden.append(told == torch.tensor(SEVERAL))
        assert torch.equal(told[~hidden[-1]], y[~hidden[-1]])
    lost = torch.cat(hidden).float()
    assert lost.mean(0).tolist() == pytest.approx([1 - 0.8**2] * 3, abs=0.02)
    assert lost.prod(1).mean().item() == pytest.approx(0.2 + 0.8 * 0.2**3, abs=0.02)


@torch.no_grad()
def test_what_is_not_told_of_several_labels_is_minus_one():
    model = shaken(PointDiffusion(2, 16, 1, classes=SEVERAL), 0.3)
    start, y = torch.randn(4, 2), torch.tensor([[0, 1, 1], [2, -1, 0], [-1, -1, -1], [1, 3, -1]])

    def drawn(y, **options):
        return model.sample(4, y=y, start=start, steps=3, **options)

    assert torch.equal(drawn(y), drawn(torch.where(y < 0, torch.tensor(SEVERAL), y)))
    assert torch.allclose(drawn(y, guidance=0.0)[2], drawn(y)[2]) and torch.allclose(drawn(y, guidance=5.0)[2], drawn(y)[2], atol=1e-5)
    assert not torch.allclose(drawn(y)[0], drawn(y, guidance=3.0)[0], atol=1e-3)
    for column in range(3):  # each label is heard
        other = y.clone()
        other[0, column] = 1 - other[0, column]
        assert not torch.allclose(drawn(other)[0], drawn(y)[0], atol=1e-4) and torch.equal(drawn(other)[1:], drawn(y)[1:])
    assert torch.equal(drawn([0, 1, 1]), drawn(torch.tensor([[0, 1, 1]] * 4)))
    assert model.sample(5).shape == (5, 2)
    for wrong in (torch.tensor([0, 1]), torch.tensor([[0, 1, 3]] * 4), torch.tensor([[-2, 1, 1]] * 4), torch.zeros(4, 3), 1):
        with pytest.raises(ValueError, match="labels y must be integers of shape|no answer"):
            drawn(wrong)


def test_guidance_may_depend_on_the_time():
    model, y = shaken(PointDiffusion(2, 16, 1, classes=3), 0.3).double(), torch.arange(6) % 3
    start, times = torch.randn(6, 2, dtype=torch.float64), Schedule().times(10)
    part = within(4.0, 0.3, 0.65)
    assert [part(t) for t in (0.0, 0.29, 0.3, 0.5, 0.65, 0.66, 1.0)] == [1.0, 1.0, 4.0, 4.0, 4.0, 1.0, 1.0]
    by_hand = start
    for t, s in model.schedule.steps(times):
        x, noise = model.denoise(by_hand, t, y, 4.0 if 0.3 <= t <= 0.65 else 1.0)
        by_hand = ddim_step(model, by_hand, x.detach(), noise.detach(), t, s)
    for found in (sample(model, start, times, y, part), model.sample(6, y=y, guidance=part, steps=10, start=start)):
        assert torch.allclose(found, by_hand, atol=1e-9)
    everywhere, nowhere = (sample(model, start, times, y, within(4.0, *ends)) for ends in ((0.0, 1.0), (0.01, 0.02)))
    assert torch.allclose(everywhere, sample(model, start, times, y, 4.0)) and torch.allclose(nowhere, sample(model, start, times, y))
    assert not torch.allclose(by_hand, everywhere, atol=1e-3) and not torch.allclose(by_hand, nowhere, atol=1e-3)


@torch.no_grad()
def test_autoguidance_moves_on_from_the_worse_through_the_better():
    better, worse = best("cosine", CORNERS, 0.3), best("cosine", CORNERS, 0.6)
    x_t = torch.randn(7, 2, dtype=torch.float64)
    (good, _), (bad, _) = (m.denoise(x_t, 0.5) for m in (better, worse))
    assert not torch.allclose(good, bad, atol=0.05)
    for w in (0.0, 1.0, 2.5):
        x, noise = Autoguided(better, worse, w).denoise(x_t, 0.5)
        assert torch.allclose(x, bad + w * (good - bad), atol=1e-12)
        alpha, sigma = better.schedule.at(0.5)
        assert torch.allclose(alpha * x + sigma * noise, x_t, atol=1e-9)
    # the worse model's Gaussians are too wide, and to be pushed away from it makes those of the samples narrow
    start, times = torch.randn(4000, 2, dtype=torch.float64), better.schedule.times(60)

    def width(model):
        ends = sample(model, start, times)
        return (ends.abs() - 1).square().mean().sqrt().item()

    assert width(better) == pytest.approx(0.3, abs=0.03) and width(worse) > 0.45 and width(Autoguided(better, worse, 2.0)) < 0.25
    torch.manual_seed(0)
    assert torch.allclose(sample(Autoguided(better, worse, 1.0), start, times), sample(better, start, times), atol=1e-9)


# --- transport


@pytest.mark.parametrize("shape", [(1,), (2,), (1, 2, 2)])
def test_transport_is_the_cheapest_permutation(shape):
    for _ in range(6):
        x, noise = torch.randn(2, 6, *shape)
        paired = paired_by_transport(x, noise)
        costs = [(x - noise[list(order)]).square().sum().item() for order in itertools.permutations(range(6))]
        assert (x - paired).square().sum().item() == pytest.approx(min(costs), rel=1e-5)
        matches = (paired.flatten(1)[:, None] == noise.flatten(1)).all(2)
        assert (matches.sum(0) == 1).all() and (matches.sum(1) == 1).all()


def test_transport_on_a_line_keeps_the_order_and_is_used_by_the_loss():
    x = torch.randn(200, 1)
    model = PointDiffusion(1, 4, 1, "straight", "velocity", transport=True)
    noise = model.noise_for(x)
    assert torch.equal(noise[x[:, 0].argsort()], noise.sort(0).values)
    assert stats.kstest(noise[:, 0].numpy(), "norm").pvalue > 1e-3
    model.net = Says(lambda x, l: 0 * x)
    assert model.loss(x) < 0.1  # ‖ε − x₀‖² of the paired; 2 without pairing
    model.transport = False
    assert model.loss(x) > 1


# --- likelihood


GRID = 2 * torch.arange(256, dtype=torch.float64) / 255 - 1


@pytest.mark.parametrize("mean", [-3.0, -1.0, -0.99, 0.123, 1.0, 40.0])
@pytest.mark.parametrize("sigma", [1e-4, 0.01, 0.3, 5.0])
def test_the_levels_of_a_pixel_share_a_probability_of_one(mean, sigma):
    log_p = pixel_log_prob(GRID, torch.tensor(mean, dtype=torch.float64), sigma)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-9) and log_p.isfinite().all()
    edges = np.concatenate([[-np.inf], (GRID.numpy()[1:] + GRID.numpy()[:-1]) / 2, [np.inf]])
    low, high = (edges[:-1] - mean) / sigma, (edges[1:] - mean) / sigma
    expected = np.where(low > 0, stats.norm.sf(low) - stats.norm.sf(high), stats.norm.cdf(high) - stats.norm.cdf(low))
    seen = expected > 1e-25
    assert np.allclose(log_p.numpy()[seen], np.log(expected[seen]), rtol=1e-6, atol=1e-6) and (log_p[~torch.tensor(seen)] < -57).all()


def test_pixels_of_images_keep_their_shape_and_type():
    x = GRID[torch.randint(256, (3, 1, 4, 4))]
    log_p, single = (pixel_log_prob(v, 0 * v, 1.0) for v in (x, x.float()))
    assert single.shape == x.shape and single.dtype == torch.float32 and torch.allclose(single.double(), log_p, rtol=1e-2)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_parts_of_the_bound_are_the_terms_of_the_chain(name):
    steps, n = 6, 4000
    model = best(name, CORNERS, 0.3)
    x = GRID[torch.tensor([40, 200])].expand(n, 2)
    parts = variational_bound(model, x, steps=steps, draws=10)
    assert torch.allclose(parts["bound"], -(parts["prior"] + parts["chain"] + parts["pixels"]))
    assert all(part.shape == (n,) for part in parts.values()) and (parts["chain"] >= 0).all() and (parts["pixels"] > 0).all()
    alpha, sigma = model.schedule.at(1.0)
    prior = kl_divergence(Normal(alpha * x[0], sigma), Normal(torch.zeros(2).double(), 1.0)).sum()
    assert torch.allclose(parts["prior"], prior.expand(n), rtol=1e-5, atol=1e-12) and prior > 0
    chain = 0.0
    for i in range(2, steps + 1):
        s, t = (i - 1) / steps, i / steps
        x_t = model.schedule.noised(x, torch.full((n,), t), torch.randn_like(x))
        (q, variance), (p, _) = (model.schedule.posterior(v, x_t, s, t) for v in (x, model.denoise(x_t, t)[0].detach().clamp(-1, 1)))
        chain += kl_divergence(Normal(q, variance.sqrt()), Normal(p, variance.sqrt())).sum(1)
    spread = (parts["chain"].var() + chain.var()).sqrt().item() / n**0.5
    assert parts["chain"].mean().item() == pytest.approx(chain.mean().item(), abs=4 * spread)
    assert spread < 0.05 * chain.mean().item()


def test_the_pixels_of_the_bound_are_those_of_the_first_step():
    guess = torch.tensor([0.1, -1.7, 0.4], dtype=torch.float64)
    model = Diffusion(Says(lambda x, l: guess.expand_as(x)), (3,), "cosine", "data")
    x = GRID[torch.tensor([[140, 0, 255], [3, 128, 190]])]
    for steps in (1, 4, 100):
        alpha, sigma = model.schedule.at(1 / steps)
        width = sigma / alpha
        low = np.where(x <= -1 + 1e-6, -np.inf, (x - guess.clamp(-1, 1) - 1 / 255) / width)
        high = np.where(x >= 1 - 1e-6, np.inf, (x - guess.clamp(-1, 1) + 1 / 255) / width)
        expected = -np.log(
            np.maximum(np.where(low > 0, stats.norm.sf(low) - stats.norm.sf(high), stats.norm.cdf(high) - stats.norm.cdf(low)), 1e-30)
        )
        parts = variational_bound(model, x, steps=steps, draws=3)
        assert np.allclose(parts["pixels"], expected.sum(1), rtol=1e-5)
        assert (parts["chain"] > 0).all() if steps > 1 else not parts["chain"].any()


def test_the_number_of_draws_does_not_change_the_bound_on_average():
    model, x = best("cosine", CORNERS, 0.3), GRID[torch.tensor([40, 200])].expand(3000, 2)
    values = [variational_bound(model, x, steps=50, draws=draws)["chain"] for draws in (1, 7, 80)]
    assert values[0].std() > 1.5 * values[1].std() > 1.5 * values[2].std()
    for value in values[:2]:
        assert value.mean().item() == pytest.approx(values[2].mean().item(), abs=4 * value.std().item() / 3000**0.5)


def even_in_time(model, x, steps, draws):
    """The chain of the bound from steps chosen evenly in time, each as likely as the next."""
    n, schedule = len(x), model.schedule
    times, chain = schedule.times(steps).flip(0), torch.zeros(n).double()
    snr = schedule.log_snr(times).exp()
    for k in range(draws):
        i = 2 + ((torch.rand(n) + k) / draws * (steps - 1)).long().clamp(max=steps - 2)
        guess = model.denoise(schedule.noised(x, times[i], torch.randn_like(x)), times[i])[0].clamp(-1, 1).detach()
        chain += 0.5 * (snr[i - 1] - snr[i]) * (x - guess).square().sum(1) * (steps - 1) / draws
    return chain


@pytest.mark.parametrize("name", SCHEDULES)
def test_draws_even_in_log_snr_have_the_mean_of_draws_even_in_time_and_less_spread(name):
    n, steps = 4000, 200
    model, x = best(name, CORNERS, 0.3), GRID[torch.tensor([40, 200])].expand(n, 2)
    ours, evenly = variational_bound(model, x, steps=steps, draws=10)["chain"], even_in_time(model, x, steps, 10)
    error = ((ours.var() + evenly.var()) / n).sqrt().item()
    assert ours.mean().item() == pytest.approx(evenly.mean().item(), abs=4 * error)
    assert ours.std() < 0.6 * evenly.std()


def test_the_error_of_the_bound_is_the_spread_that_draws_leave():
    model, x = best("cosine", CORNERS, 0.3), GRID[torch.tensor([40, 200])].expand(4000, 2)
    for draws in (2, 5, 20):
        parts = variational_bound(model, x, steps=200, draws=draws)
        told, true = parts["error"].square().mean().sqrt(), parts["chain"].std()
        assert 0.95 * true < told < 3 * true, (draws, told, true)  # rather too large: neighbours differ in truth as well
    terms = torch.randn(7, 5000).double()  # where they do not, it is right
    assert likelihood.error_of_mean(terms).square().mean().item() == pytest.approx(1 / 7, rel=0.05)
    assert variational_bound(model, x[:3], steps=50, draws=1)["error"].isinf().all()
    assert not variational_bound(model, x[:3], steps=1, draws=4)["error"].any()


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_variational_bound_is_below_the_truth_and_rises_with_the_steps(name):
    p = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    model = best(name, CORNERS, 0.0, p)
    x = torch.tensor(CORNERS, dtype=torch.float64)[torch.multinomial(p, 3000, replacement=True)]
    truth = (p * p.log()).sum().item()
    values = [variational_bound(model, x, steps=steps, draws=20) for steps in (10, 100, 1000)]
    means, slack = [v["bound"].mean().item() for v in values], 4 * values[-1]["bound"].std().item() / 3000**0.5
    assert all(a < b - 0.05 for a, b in itertools.pairwise(means)), means
    # what remains is that a bin of the pixels is narrow beside the first noise, and what 1,000 steps leave between them
    alpha, sigma = model.schedule.at(1e-3)
    lost = 2 * stats.norm.logcdf(alpha / sigma / 255)
    assert values[-1]["pixels"].mean().item() == pytest.approx(-lost, rel=1e-3)
    assert truth + lost - 0.02 - slack < means[-1] < truth + lost + slack and slack < 0.15


def test_the_variational_bound_is_below_the_entropy_of_grey_levels():
    # a Gaussian rounded to 256 levels: its best denoiser and its entropy are known
    edges = np.concatenate([[-np.inf], (GRID.numpy()[1:] + GRID.numpy()[:-1]) / 2, [np.inf]])
    p = torch.tensor(np.diff(stats.norm.cdf(edges, 0.1, 0.25)))
    model = best("cosine", GRID[:, None].tolist(), 0.0, p)
    x = GRID[torch.multinomial(p, 1000, replacement=True)][:, None]
    truth = (p * p.log()).sum().item()
    bound = variational_bound(model, x, steps=30, draws=20)["bound"]
    assert truth - 1.2 < bound.mean().item() < truth - 4 * bound.std().item() / 1000**0.5


def test_images_are_scored_in_the_units_of_the_chain():
    model, x = image_model(classes=0), torch.randint(256, (3, 1, 8, 8)) / 255
    torch.manual_seed(2)
    bound = variational_bound(model, 2 * x - 1, steps=20, draws=3)["bound"]
    torch.manual_seed(2)
    assert torch.equal(model.elbo(x, steps=20, draws=3), bound) and bound.shape == (3,) and bound.isfinite().all()
    told = image_model(classes=3)
    torch.manual_seed(2)
    first = told.elbo(x, torch.tensor([0, 1, 2]), steps=20, draws=3)
    torch.manual_seed(2)
    assert not torch.allclose(first, told.elbo(x, torch.tensor([1, 2, 0]), steps=20, draws=3))


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_ode_has_the_density_of_a_gaussian(name):
    model, x = best(name, ((0.3, -0.2, 0.1),), 0.5), 0.2 + 0.6 * torch.randn(60, 3, dtype=torch.float64)
    alpha, sigma = model.schedule.at(1e-3)
    true = Normal(alpha * model.net.means[0].detach(), ((alpha * 0.5) ** 2 + sigma**2) ** 0.5).log_prob(x).sum(1)
    coarse, fine = ((ode_log_prob(model, x, steps=n) - true).abs().max() for n in (50, 200))
    assert fine < 0.03 and fine < 0.6 * coarse
    later = (
        Normal(*(lambda a, s: (a * model.net.means[0].detach(), ((a * 0.5) ** 2 + s**2) ** 0.5))(*model.schedule.at(0.3)))
        .log_prob(x)
        .sum(1)
    )
    assert (ode_log_prob(model, x, steps=100, first=0.3) - later).abs().max() < 0.04


@pytest.mark.parametrize("name, predict", [("linear", "noise"), ("cosine", "v"), ("sigmoid", "data"), ("straight", "velocity")])
def test_the_ode_has_the_density_of_a_mixture(name, predict):
    means, weights, spread = ((1.0, 0.5), (-1.0, 0.2), (0.0, -1.0)), torch.tensor([0.5, 0.3, 0.2]), 0.3
    model = best(name, means, spread, weights, predict)
    x = torch.tensor(means, dtype=torch.float64).repeat(10, 1) + 0.5 * torch.randn(30, 2, dtype=torch.float64)
    exact = ode_log_prob(model, x, steps=150, first=5e-3, exact=True)
    alpha, sigma = model.schedule.at(5e-3)
    width = ((alpha * spread) ** 2 + sigma**2) ** 0.5
    true = torch.stack([MultivariateNormal(alpha * torch.tensor(m).double(), width**2 * torch.eye(2).double()).log_prob(x) for m in means])
    true = (true + weights.double().log()[:, None]).logsumexp(0)
    assert (exact - true).abs().max() < 0.03
    assert (ode_log_prob(model, x, steps=20, first=5e-3) - true).abs().max() > 0.1  # one direction is an estimate
    assert torch.allclose(true, mixture_log_prob(x, alpha * torch.tensor(means).double(), width, weights.double()), atol=1e-5)


def test_random_directions_give_the_trace_on_average():
    model, x = best("cosine", ((1.0, 0.5), (-1.0, 0.2)), 0.3), torch.tensor([[0.2, 0.9]], dtype=torch.float64)
    found = ode_log_prob(model, x.expand(3000, 2), steps=15)
    exact = ode_log_prob(model, x, steps=15, exact=True).item()
    assert found.std() > 0.01 and found.mean().item() == pytest.approx(exact, abs=4 * found.std().item() / 3000**0.5)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_bound_of_the_ode_is_below_the_known_probability(name):
    weights = (0.12, 0.28, 0.18, 0.42)  # two independent pixels: one direction gives the trace itself
    model, which = best(name, CORNERS, 0.0, weights), torch.arange(12) % 4
    x, true = torch.tensor(CORNERS, dtype=torch.float64)[which], torch.tensor(weights).double().log()[which]
    bound = ode_bound(model, x, steps=150)
    # pixels so far apart are recognised: what is lost is that a bin is narrow beside the noise
    alpha, sigma = model.schedule.at(2e-3)
    lost = 2 * stats.norm.logcdf(alpha / sigma / 255)
    assert bound.shape == (12,) and (bound < true).all() and torch.allclose(bound, true + lost, atol=0.04)


@pytest.mark.parametrize("name", SCHEDULES)
def test_steps_even_in_log_snr_are_even(name):
    schedule = Schedule(name)
    times = even_in_log_snr(schedule, 40, 1e-3, 0.99)
    assert times.shape == (41,) and times.dtype == torch.float64 and (times.diff() > 0).all()
    assert times[0].item() == pytest.approx(1e-3) and times[-1].item() == pytest.approx(0.99, abs=1e-4)
    gaps = schedule.log_snr(times).diff()
    assert torch.allclose(gaps, gaps.mean().expand(40), rtol=0.02)
    whole = even_in_log_snr(schedule, 40)
    assert schedule.log_snr(whole[-1]).item() == pytest.approx(schedule.log_snr(torch.tensor(1.0)).item(), rel=1e-3)


# --- scores

MEANS = torch.tensor([[1.0, 0.5], [-1.5, 0.0], [0.0, -2.0]], dtype=torch.float64)
SHARES = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)


@pytest.mark.parametrize("weights", [None, SHARES], ids=["equal", "weighted"])
def test_the_score_of_a_mixture_is_the_gradient_of_its_log_density(weights):
    x = (2 * torch.randn(5, 4, 2, dtype=torch.float64)).requires_grad_()
    log_p = mixture_log_prob(x, MEANS, 0.7, weights)
    w = np.full(3, 1 / 3) if weights is None else weights.numpy()
    expected = np.log(sum(v * stats.multivariate_normal.pdf(x.detach().numpy(), m, 0.49 * np.eye(2)) for v, m in zip(w, MEANS.numpy())))
    assert log_p.shape == (5, 4) and np.allclose(log_p.detach(), expected, atol=1e-5)
    (gradient,) = torch.autograd.grad(log_p.sum(), x)
    assert torch.allclose(mixture_score(x, MEANS, 0.7, weights), gradient, atol=1e-5)


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_the_density_of_a_mixture_integrates_to_one(sigma):
    line = torch.linspace(-8, 8, 401, dtype=torch.float64)
    p = mixture_log_prob(torch.cartesian_prod(line, line), MEANS, sigma, SHARES).exp().view(401, 401)
    assert integrate.simpson(integrate.simpson(p.numpy(), x=line.numpy()), x=line.numpy()) == pytest.approx(1, abs=1e-5)


def test_a_mixture_far_from_its_means_is_finite():
    x = torch.tensor([[1e3, -1e3]])
    assert mixture_log_prob(x, MEANS.float(), 0.05).isfinite().all() and mixture_score(x, MEANS.float(), 0.05).isfinite().all()


@pytest.mark.parametrize("spread", [0.2, 1.0, 3.0])
def test_langevins_walk_has_the_spread_of_its_target(spread):
    for rate in (0.05, 0.4):
        step = rate * spread**2
        x = langevin(lambda x: (1.0 - x) / spread**2, torch.zeros(20_000), step, int(8 / rate))
        # the walk in steps of this size is itself Gaussian, a little wider than the target
        assert x.std().item() == pytest.approx(spread / (1 - rate / 2) ** 0.5, rel=0.025)
        assert x.mean().item() == pytest.approx(1, abs=0.04 * max(1, spread))


def test_langevins_walk_can_be_watched_and_takes_as_many_steps_as_asked():
    seen = []
    x = langevin(lambda x: torch.full_like(x, 2.0), torch.zeros(5000, 1), 0.01, 7, seen.append)
    assert len(seen) == 7 and torch.equal(seen[-1], x)
    assert seen[0].mean().item() == pytest.approx(0.02, abs=0.01) and seen[0].std().item() == pytest.approx(0.02**0.5, rel=0.05)
    assert x.mean().item() == pytest.approx(0.14, abs=0.03) and x.std().item() == pytest.approx(0.14**0.5, rel=0.05)


def test_the_loss_of_a_score_network_is_least_at_the_score():
    model = ScoreNetwork(1, (2.0, 0.7, 0.3), (32, 32))
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 500)
    for _ in range(500):
        optimiser.zero_grad()
        model.loss(0.5 + 0.8 * torch.randn(256, 1)).backward()
        optimiser.step()
        rate.step()
    for sigma in (2.0, 0.7, 0.3):
        x = 0.5 + (0.64 + sigma**2) ** 0.5 * torch.linspace(-1.5, 1.5, 7)[:, None]
        with torch.no_grad():
            found = model(x, sigma)
            assert torch.equal(found, model(x, torch.full((7,), sigma)))
        assert (sigma * (found - (0.5 - x) / (0.64 + sigma**2))).abs().max() < 0.12


def test_the_loss_of_a_score_network_is_the_same_at_every_width():
    class Zero(ScoreNetwork):
        def forward(self, x, sigma):
            self.widths = sigma
            return torch.zeros_like(x)

    model = Zero(3)
    assert model.loss(torch.randn(20_000, 3)).item() == pytest.approx(3, rel=0.03)  # ‖ε‖²
    counts = torch.stack([(model.widths == s).sum() for s in model.sigmas])
    assert (counts - 20_000 / 7).abs().max() < 250


def test_annealing_finds_both_modes_in_their_shares_and_a_plain_walk_does_not():
    means, weights = torch.tensor([[-4.0, 0.0], [4.0, 0.0]]), torch.tensor([0.2, 0.8])

    class Exact:
        sigmas = torch.tensor([10.0, 6.0, 4.0, 2.5, 1.6, 1.0, 0.6, 0.3, 0.1])

        def __call__(self, x, sigma):
            return mixture_score(x, means, (0.3**2 + sigma**2) ** 0.5, weights)

    corner, seen = torch.tensor([[-4.0, 0.0]]).repeat(2000, 1), []
    plain = langevin(lambda x: mixture_score(x, means, 0.3, weights), corner, 0.1 * 0.1, 9 * 60)
    assert (plain[:, 0] < 0).all()
    x = annealed_langevin(Exact(), corner, 60, 0.1, seen.append)
    assert len(seen) == 9 * 60
    assert (x[:, 0] > 0).float().mean().item() == pytest.approx(0.8, abs=0.08)
    near = torch.where(x[:, :1] > 0, x - means[1], x - means[0])
    assert 0.3 < near.std() < 0.4


# --- editing and filling in


@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize(
    "build", [lambda: best("cosine", CORNERS, 0.3), lambda: best("straight", CORNERS, 0.3)], ids=["cosine", "straight"]
)
def test_known_parts_are_exact_and_the_rest_is_new(build, repeats):
    model = build()
    x, start = torch.randn(2, 20, 2, dtype=torch.float64)
    known = torch.tensor([True, False])
    out = inpaint(model, x, known, start, model.schedule.times(6), repeats=repeats)
    assert torch.equal(out[:, 0], x[:, 0]) and (out[:, 1] - x[:, 1]).abs().min() > 1e-6
    assert len(model.net.seen) == 1 + 5 * repeats  # the last step has nothing to go back to
    mask = torch.rand(20, 2) < 0.5
    out = inpaint(model, x, mask, start, IRREGULAR, repeats=repeats)
    assert torch.equal(out[mask], x[mask]) and not torch.isclose(out[~mask], x[~mask]).any()
    assert torch.equal(inpaint(model, x, torch.ones(2).bool(), start, IRREGULAR), x)


@pytest.mark.parametrize("repeats", [1, 3])
def test_what_is_known_is_as_noisy_as_its_time(repeats):
    model, x = Diffusion(Says(lambda x, l: 0 * x), (1,), "cosine", "data"), torch.full((20_000, 1), 2.0)
    inpaint(model, x, torch.ones(1).bool(), torch.randn_like(x), IRREGULAR, repeats=repeats)
    for x_t, log_snr, _ in model.net.asked[repeats:]:  # before, nothing has been put in
        alpha, sigma = coefficients("cosine", log_snr[0].double())
        assert x_t.mean().item() == pytest.approx(2 * alpha.item(), abs=0.03) and x_t.std().item() == pytest.approx(sigma.item(), rel=0.03)


class Correlated(nn.Module):
    """The best denoiser of two Gaussian coordinates of deviation 1 with correlation r."""

    classes = 0

    def __init__(self, r):
        super().__init__()
        self.cov = torch.tensor([[1.0, r], [r, 1.0]], dtype=torch.float64)

    def forward(self, x_t, log_snr, y=None):
        alpha, sigma = (c[0].item() for c in coefficients("cosine", log_snr))
        return x_t @ torch.linalg.inv(alpha**2 * self.cov + sigma**2 * torch.eye(2)).T @ (alpha * self.cov).T


def test_repeats_bring_what_is_filled_in_together_with_what_is_known():
    model = Diffusion(Correlated(0.9), (2,), "cosine", "data")
    x = torch.tensor([[1.5, 0.0]], dtype=torch.float64).expand(3000, 2)

    def filled(repeats):
        return inpaint(model, x, torch.tensor([True, False]), torch.randn_like(x), model.schedule.times(50), repeats=repeats)[:, 1]

    once, often = filled(1), filled(12)
    assert (often.mean() - 0.9 * 1.5).abs() < 0.5 * (once.mean() - 0.9 * 1.5).abs()
    assert often.mean().item() == pytest.approx(1.35, abs=0.08) and often.std().item() == pytest.approx((1 - 0.81) ** 0.5, rel=0.15)


def test_nothing_known_and_no_repeats_is_the_ancestral_chain():
    model, start = best("cosine", CORNERS, 0.2), torch.randn(3000, 2, dtype=torch.float64)
    for repeats in (1, 4):
        out = inpaint(model, start, torch.zeros(2).bool(), start, model.schedule.times(60), repeats=repeats)
        shares = torch.bincount(torch.cdist(out, torch.tensor(CORNERS).double()).argmin(1), minlength=4) / 3000
        assert torch.allclose(shares, torch.full((4,), 0.25), atol=0.04)


@pytest.mark.parametrize("name", SCHEDULES)
def test_editing_keeps_as_much_as_the_strength_leaves(name):
    model = best(name, CORNERS, 0.1)
    x = torch.tensor([[0.9, 0.9], [-0.8, 1.1]], dtype=torch.float64).repeat(200, 1)
    assert torch.equal(edit(model, x, 0, 5), x) and not model.net.seen
    noise = torch.randn_like(x)
    gone = [edit(model, v, 1.0, 30, noise=noise) for v in (x, -x)]
    assert (gone[0] - gone[1]).abs().quantile(0.97) < 0.2  # the same noise, whatever it hides
    near = edit(model, x, 0.05, 10)
    assert (near.sign() == x.sign()).all() and not torch.equal(near, edit(model, x, 0.05, 10))
    model.net.seen.clear()
    out = edit(model, x, 0.4, 8, noise=noise)
    expected = [model.schedule.log_snr(torch.tensor(0.4 * (1 - i / 8)).double()).item() for i in range(8)]
    assert model.net.seen == pytest.approx(expected)
    start = model.schedule.noised(x, torch.full((len(x),), 0.4).double(), noise)
    assert torch.allclose(out, sample(model, start, torch.linspace(0.4, 0, 9).double()), atol=1e-5)


# --- models


def test_attention_is_that_of_pytorch():
    layer, x = shaken(Attention(16), 0.5), torch.randn(3, 16, 5, 4)
    q, k, v = layer.into(layer.norm(x)).view(3, 3, 4, 4, 20).transpose(3, 4).unbind(1)  # (batch, heads, places, channels)
    expected = F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(3, 16, 5, 4)
    assert torch.allclose(layer(x), x + layer.out(expected), atol=1e-5)
    assert torch.allclose(layer(x.contiguous(memory_format=torch.channels_last)), layer(x), atol=1e-5)
    assert not torch.allclose(layer(x), x, atol=0.1) and torch.equal(Attention(16)(x), x)


def test_a_block_begins_as_the_identity():
    x, given = torch.randn(2, 16, 4, 4), torch.randn(2, 8)
    assert torch.equal(ResidualBlock(16, 16, 8)(x, given), x)
    assert not torch.equal(shaken(ResidualBlock(16, 16, 8))(x, given), shaken(ResidualBlock(16, 16, 8))(x, given + 1))


@pytest.mark.parametrize("name", ["unet", "deep unet"])
@torch.no_grad()
def test_the_order_of_channels_in_memory_changes_nothing(name):
    net, x = NETWORKS[name]()
    net, level = shaken(net).double(), torch.linspace(-5, 5, 6)
    x = x.double()
    out = net(x, level)
    assert any(p.ndim == 4 and p.is_contiguous(memory_format=torch.channels_last) and not p.is_contiguous() for p in net.parameters())
    assert torch.allclose(net(x.contiguous(memory_format=torch.channels_last), level), out, atol=1e-12)
    assert torch.allclose(net.to(memory_format=torch.contiguous_format)(x, level), out, atol=1e-12)


def test_patches_of_waves_are_put_back_where_they_were():
    net = WaveNetwork(32, 4, 8, (1,))
    with torch.no_grad():  # the first and the last layer pass their input on
        for layer in (net.first, net.last[3], net.last[1], *net.outs):
            layer.weight.zero_(), layer.bias.zero_()
        for i in range(4):
            net.first.weight[i, i, 1] = net.last[1].weight[i, i, 0] = net.last[3].weight[i, i, 1] = 1
    x = 1 + torch.rand(2, 32)
    assert torch.allclose(net(x, torch.zeros(2)), F.silu(F.silu(x)), atol=1e-6)


MODELS = {
    "images": lambda **options: image_model(**options),
    "colours": lambda **options: image_model(shape=(3, 8, 12), **options),
    "flow matching": lambda **options: image_model(schedule="straight", predict="velocity", **options),
    "points": lambda **options: shaken(PointDiffusion(4, 16, 1, **({"scale": 2.0, "classes": 3} | options))),
    "wave": lambda **options: shaken(WaveDiffusion(64, 4, 8, (1, 2), **({"classes": 3} | options))),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", MODELS)
def test_samples_have_the_shape_the_range_and_the_type_of_the_data(name, method):
    model = MODELS[name]()
    x = model.sample(3, y=torch.tensor([0, 1, 2]), guidance=2.0, steps=3, method=method)
    assert x.shape == (3, *model.shape) and x.dtype == torch.float32 and x.isfinite().all() and not x.requires_grad
    if isinstance(model, ImageDiffusion):
        assert x.min() >= 0 and x.max() <= 1
        mean = ((x + x.flip(0)) / 2).mean()
        assert 0.05 < mean < 0.95
    if isinstance(model, WaveDiffusion):
        assert x.abs().max() <= 1
    assert model.sample(2, steps=2, method=method).shape == (2, *model.shape)  # labels of its own
    start, options = torch.randn(3, *model.shape), {"y": torch.arange(3), "guidance": 1.0, "steps": 3, "method": method}
    once, again = ((torch.manual_seed(3), model.sample(3, **options, start=start))[1] for _ in range(2))
    assert torch.equal(once, again)
    if method != "ddpm":
        assert torch.equal(model.sample(3, **options, start=start), once)
    assert not torch.allclose(model.sample(3, **options, start=-start), once, atol=1e-4)


def test_labels_are_given_by_name():
    assert LABELLED.sample(2, y=1, steps=1).shape == (2, 2)
    start = torch.randn(2, 2)
    assert torch.equal(LABELLED.sample(2, y=1, start=start), LABELLED.sample(2, y=torch.tensor([1, 1]), start=start))
    with pytest.raises(TypeError, match="positional"):
        LABELLED.sample(2, torch.tensor([0, 1]))


@pytest.mark.parametrize("name", MODELS)
def test_models_work_in_double_precision(name):
    model = MODELS[name]().double()
    x, y = torch.rand(4, *model.shape, dtype=torch.float64), torch.arange(4) % 3
    loss = model.loss(x, y)
    loss.backward()
    assert loss.dtype == torch.float64 and all(p.grad.dtype == torch.float64 for p in model.parameters())
    start, options = torch.randn(2, *model.shape, dtype=torch.float64), {"y": y[:2], "guidance": 2.0, "steps": 3}
    assert model.sample(2, **options, start=start).dtype == torch.float64
    single = MODELS[name]()
    single.load_state_dict(model.state_dict())
    assert torch.allclose(single.sample(2, **options, start=start.float()).double(), model.sample(2, **options, start=start), atol=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_noise_is_drawn_in_the_type_of_the_model(name):
    assert MODELS[name]().double().sample(2, steps=2).dtype == torch.float64


def test_images_and_points_come_back_from_the_units_of_the_chain():
    x = torch.rand(5, 1, 8, 8)
    model = image_model()
    assert torch.allclose(model.unscaled(model.scaled(x)), x, atol=1e-6)
    assert (model.scaled(torch.zeros(1, 1, 8, 8)) == -1).all() and (model.scaled(torch.ones(1, 1, 8, 8)) == 1).all()
    x = torch.randn(5, 2)
    assert torch.allclose(PointDiffusion(scale=4.0).scaled(x), x / 4) and torch.allclose(PointDiffusion(scale=4.0).unscaled(x), 4 * x)


LABELLED = PointDiffusion(2, 4, 1, classes=3)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda: LABELLED.sample(2, y=torch.tensor([0, 3])), r"labels y must be integers of shape \(2,\) from 0 to 2"),
        (lambda: LABELLED.sample(2, y=torch.tensor([-1, 1])), r"labels y must be integers of shape \(2,\) from 0 to 2"),
        (lambda: LABELLED.sample(2, y=torch.tensor([0.0, 1.0])), r"labels y must be integers of shape \(2,\) from 0 to 2"),
        (lambda: LABELLED.sample(2, start=torch.zeros(3, 2)), r"start must be \(2, 2\), got \(3, 2\)"),
        (lambda: sample(LABELLED, torch.zeros(1, 2), torch.tensor([1000, 500, 0])), "times must fall from at most 1 to at least 0"),
        (lambda: sample(LABELLED, torch.zeros(1, 2), torch.tensor([0.0, 0.5, 1.0])), "times must fall .* got .0.0, 0.5, 1.0"),
        (lambda: encode(LABELLED, torch.zeros(1, 2), torch.linspace(0, 1, 9)), "times must fall .* got 9 times from 0.0 to 1.0"),
        (
            lambda: inpaint(
                image_model(), torch.zeros(2, 1, 8, 8), torch.zeros(2, 8, 8).bool(), torch.zeros(2, 1, 8, 8), torch.tensor([1.0, 0.0])
            ),
            r"known \(2, 8, 8\) and start \(2, 1, 8, 8\) must fit x \(2, 1, 8, 8\)",
        ),
        (lambda: image_model().loss(torch.zeros(2, 1, 9, 9)), r"expected images of shape \(batch, 1, 8, 8\)"),
        (lambda: UNet(attention=(2,)), "attention must name sizes from 0 to 1"),
        (lambda: langevin(lambda x: -x, torch.zeros(1), -0.1, 2), "the step η must be above 0, got -0.1"),
        (lambda: ode_log_prob(LABELLED, torch.zeros(1, 2), first=0.0), "first must lie between 0 and 1"),
        (lambda: variational_bound(image_model(), torch.zeros(1, 1, 8, 8), draws=0), "draws must be at least 1, got 0"),
    ],
)
def test_wrong_input_is_one_clear_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        wrong()


def test_the_walk_keeps_no_graph():
    x = langevin(lambda x: -x, torch.ones(2, requires_grad=True), 0.1, 3)
    assert not x.requires_grad and x.grad_fn is None


def test_sixteen_bits_are_for_the_network_alone():
    model, start = shaken(PointDiffusion(2, 16, 1), 0.3), torch.randn(5, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert sample(model, start, model.schedule.times(3)).dtype == torch.float32
    assert model.half().denoise(start.half(), 0.5)[0].dtype == torch.float16


def test_losses_see_data_in_the_units_of_the_chain():
    for model, x, expected in (
        (image_model(predict="data"), torch.full((2, 1, 8, 8), 0.75), 64 * 0.25),
        (PointDiffusion(2, 4, 1, predict="data", scale=2.0), torch.full((2, 2), 3.0), 2 * 2.25),
    ):
        model.net = Says(lambda x, l: 0 * x)
        assert model.loss(x).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_samples_are_in_the_units_of_the_data(method):
    points = PointDiffusion(1, 4, 1, predict="data", scale=3.0)
    points.net = Best("cosine", "data", ((1.0,),), 0.5)
    x = points.sample(4000, steps=150, method=method)
    assert x.mean().item() == pytest.approx(3, abs=0.1) and x.std().item() == pytest.approx(1.5, rel=0.08)


def test_latent_diffusion_goes_through_the_frozen_autoencoder():
    model = shaken(LatentDiffusion(width=16, layers=1))
    model.mean.copy_(torch.randn(40)), model.std.copy_(0.5 + torch.rand(40))
    weights = {id(p) for p in model.autoencoder.parameters()}
    assert weights and not weights & {id(p) for p in model.parameters()}
    assert not any("autoencoder" in key or "decoder" in key for key in model.state_dict())
    assert sum(v.numel() for v in model.state_dict().values()) < 12_000 and not any(p.requires_grad for p in model.autoencoder.parameters())
    codes = torch.randn(5, 40)
    assert torch.allclose(model.scaled(codes), (codes - model.mean) / model.std)
    start, y = torch.randn(3, 40), torch.arange(3)
    images = model.sample(3, y=y, guidance=2.0, steps=4, start=start)
    assert images.shape == (3, 1, 28, 28) and images.min() >= 0 and images.max() <= 1
    chain = sample(model, start, Schedule().times(4), y, 2.0)
    with torch.no_grad():
        assert torch.allclose(images, checkpoints.load("vae").decode(chain * model.std + model.mean), atol=1e-5)


def test_codes_come_back_with_their_mean_and_spread(monkeypatch):
    monkeypatch.setattr(codes_module, "shipped", lambda name, device: SimpleNamespace(decode=lambda z: z))
    model = LatentDiffusion(width=16, layers=1, predict="data")
    model.mean.copy_(torch.linspace(-3, 3, 40)), model.std.copy_(torch.linspace(0.1, 2, 40))
    model.classes, model.net = 0, Best("cosine", "data", (tuple([0.0] * 40),), 1.0)
    codes = model.sample(2000, steps=60).float()
    assert ((codes.mean(0) - model.mean).abs() < 0.1 * model.std + 0.01).all() and torch.allclose(codes.std(0), model.std, rtol=0.12)
    model.net = Says(lambda x, l: 0 * x)
    assert model.loss(model.mean + model.std * torch.randn(4000, 40)).item() == pytest.approx(40, rel=0.03)


BUILDS = [
    lambda: ImageDiffusion((3, 8, 12), 16, (1, 2, 2), 2, (0, 2), 1, 4, "sigmoid", "noise", 0.2),
    lambda: PointDiffusion(3, 8, 2, "straight", "velocity", 2, 0.3, True, 2.5),
    lambda: LatentDiffusion("vae", 8, 2, "linear", "data", 5, 0.4),
    lambda: WaveDiffusion(32, 4, 8, (1, 3), 2, "sigmoid", "data", 0.2),
    lambda: ScoreNetwork(3, (2.0, 0.5), (8,)),
]
IDS = ["images", "points", "latent", "wave", "score"]


@pytest.mark.parametrize("build", BUILDS, ids=IDS)
def test_every_model_is_rebuilt_from_its_config_and_its_file(build, tmp_path, monkeypatch):
    model = shaken(build())
    assert model.config == type(model)(**json.loads(json.dumps(model.config))).config
    signature = inspect.signature(type(model)).parameters
    assert set(signature) == set(model.config)
    assert all(model.config[key] != p.default for key, p in signature.items() if key != "autoencoder")  # nothing is the same by accident
    for kind in ("vae.json", "vae.safetensors"):
        (tmp_path / kind).symlink_to(checkpoints.WEIGHTS / kind)
    monkeypatch.setattr(checkpoints, "WEIGHTS", tmp_path)
    checkpoints.save("mine", model, {"command": "none"}, bits=32)
    loaded = checkpoints.load("mine")
    assert type(loaded) is type(model) and loaded.config == model.config
    assert all(torch.equal(v, loaded.state_dict()[k]) for k, v in model.state_dict().items())
    if isinstance(model, ScoreNetwork):
        x = torch.randn(4, 3)
        assert torch.equal(loaded(x, 0.5), model(x, 0.5))
        return
    assert (loaded.schedule.name, loaded.predict, loaded.drop, loaded.classes) == (
        model.schedule.name,
        model.predict,
        model.drop,
        model.classes,
    )
    x_t, y = torch.randn(4, *model.shape), torch.arange(4) % model.classes
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(loaded.denoise(x_t, 0.4, y, 2.0), model.denoise(x_t, 0.4, y, 2.0)))


def test_the_image_model_has_its_size():
    assert 700_000 < sum(p.numel() for p in ImageDiffusion().parameters()) < 800_000


PLAIN = {"times": Schedule().times(2)}


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: Schedule("cosin"), "unknown schedule 'cosin'; choose one of linear, cosine, sigmoid, straight"),
        (lambda: Schedule().times(0), "a chain needs at least one step, got 0"),
        (lambda: PointDiffusion(schedule="exp"), "unknown schedule 'exp'"),
        (lambda: PointDiffusion(predict="eps"), "unknown prediction 'eps'; choose one of noise, data, v, velocity"),
        (lambda: PointDiffusion().sample(2, method="euler"), "unknown method 'euler'; choose one of ddpm, ddim, heun"),
        (lambda: PointDiffusion().sample(2, steps=0), "at least one step, got 0"),
        (lambda: PointDiffusion().denoise(torch.zeros(2, 2), 0.5, torch.zeros(2).long()), "trained without labels; leave y out"),
        (lambda: PointDiffusion().sample(2, y=torch.zeros(2).long()), "built without classes; y is given"),
        (lambda: PointDiffusion().sample(2, y=torch.zeros(2).long(), guidance=0.0), "built without classes; y is given"),
        (lambda: PointDiffusion().loss(torch.zeros(2, 2), torch.zeros(2).long()), "trained without labels; leave y out"),
        (lambda: UNet((1, 30, 28), multiples=(1, 2)), r"sides must be multiples of 4 and width of 8, got \(30, 28\) and 32"),
        (lambda: UNet((1, 28, 26), multiples=(1, 2)), r"sides must be multiples of 4 and width of 8, got \(28, 26\)"),
        (lambda: ImageDiffusion((1, 28, 28), multiples=(1, 2, 2)), "sides must be multiples of 8"),
        (lambda: UNet(width=12), "and width of 8, got .* and 12"),
        (lambda: EigenDiffusion((1, 2, 2), 5), "images of 4 numbers have 1 to 4 components, got components=5"),
        (lambda: EigenDiffusion(schedule="straight"), "needs a schedule with α² \\+ σ² = 1: linear, cosine or sigmoid"),
        (lambda: WaveDiffusion(100, 8), "the length must be a multiple of 8, got 100"),
        (lambda: within(2.0, 0.6, 0.4), "0 ≤ first ≤ last ≤ 1, got 0.6 and 0.4"),
        (lambda: within(2.0, -0.1, 0.4), "got -0.1 and 0.4"),
        (
            lambda: Autoguided(best("cosine"), best("linear"), 2.0),
            r"must share schedule and shape, got \('cosine', \(2,\)\) and \('linear'",
        ),
        (lambda: log_normal_times(Schedule(), 3, std=0.0), "standard deviation of log σ must be above 0, got 0.0"),
        (lambda: edit(best("cosine"), torch.zeros(2, 2), -0.1, 3), "strength must lie between 0 .* and 1 .*, got -0.1"),
        (lambda: edit(best("cosine"), torch.zeros(2, 2), 1.01, 3), "got 1.01"),
        (lambda: edit(best("cosine"), torch.zeros(2, 2), math.nan, 3), "got nan"),
        (lambda: inpaint(best("cosine"), *[torch.zeros(2, 2)] * 3, **PLAIN), "known must be a mask of bool .*, got torch.float32 and 5"),
        (lambda: inpaint(best("cosine"), torch.zeros(2, 2), torch.ones(2).byte(), torch.zeros(2, 2), **PLAIN), "got torch.uint8 and 5"),
        (
            lambda: inpaint(best("cosine"), torch.zeros(2, 2), torch.ones(2).bool(), torch.zeros(2, 2), **PLAIN, repeats=0),
            "got torch.bool and 0",
        ),
        (lambda: metrics.mmd(torch.zeros(5, 3), torch.zeros(5, 4)), r"the same features; got \(5, 3\) and \(5, 4\)"),
        (lambda: metrics.mmd(torch.zeros(5, 3), torch.zeros(1, 3)), r"b must be \(n, d\) with n of 2 or more; got \(1, 3\)"),
        (lambda: metrics.mmd(torch.zeros(1, 3), torch.zeros(5, 3)), r"a must be \(n, d\) with n of 2 or more; got \(1, 3\)"),
        (lambda: metrics.mmd(torch.zeros(5), torch.zeros(5)), r"a must be \(n, d\) with n of 2 or more; got \(5,\)"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


# --- the kernel distance


def test_the_mmd_is_a_double_loop_without_the_diagonal():
    a, b = torch.randn(7, 5), 0.5 + torch.randn(4, 5)

    def k(u, v):
        return (float((u.double() * v.double()).sum()) / 5 + 1) ** 3

    inside = [np.mean([k(u, v) for i, u in enumerate(part) for j, v in enumerate(part) if i != j]) for part in (a, b)]
    expected = sum(inside) - 2 * np.mean([k(u, v) for u in a for v in b])
    assert metrics.mmd(a, b) == pytest.approx(expected, rel=1e-9)
    assert metrics.mmd(b, a) == pytest.approx(expected, rel=1e-9)


def test_the_mmd_is_right_on_average_for_few_points():
    same = [metrics.mmd(*torch.randn(2, 6, 3)) for _ in range(3000)]
    error = np.std(same) / 3000**0.5
    assert abs(np.mean(same)) < 4 * error < 0.2 and min(same) < 0  # with the diagonal it would be about 1
    # x·y/d with means μ and 0: by hand for d = 1, E(xy + 1)³ = 1 + 3 m² + 3 E[x²]² + E[x³]²
    m = 1.0

    def mean_kernel(p, q):
        return 1 + 3 * p * q + 3 * (1 + p**2) * (1 + q**2) + (p**3 + 3 * p) * (q**3 + 3 * q)

    truth = mean_kernel(m, m) + mean_kernel(0, 0) - 2 * mean_kernel(m, 0)
    for n in (3, 30):
        found = [metrics.mmd(m + torch.randn(n, 1), torch.randn(n + 1, 1)) for _ in range(2000)]
        assert np.mean(found) == pytest.approx(truth, abs=4 * np.std(found) / 2000**0.5)


def test_the_mmd_of_digits_knows_digits():
    data = datasets.load("mnist_small", "test").images()
    some, others, noise = data[::7], data[3::7], torch.rand(100, 1, 28, 28)
    assert abs(metrics.digit_kid(some, others)) < 0.05 * metrics.digit_kid(noise, others)
    assert metrics.digit_kid(some) == pytest.approx(metrics.digit_kid(some, data), rel=1e-9)


# --- recipes


def test_the_recipes_are_found():
    assert set(RECIPES) == {
        *("diffusion", "diffusion_faces", "diffusion_faces_worse", "latent_diffusion", "latent_flow", "diffusion_sound"),
        *("diffusion_samplers", "latent_samplers"),
        *("points_diffusion", "points_flow", "points_transport"),
    }
    assert all(recipes()[name] is recipe for name, recipe in RECIPES.items())
    flow, transport = RECIPES["points_flow"].build(), RECIPES["points_transport"].build()
    assert (flow.transport, transport.transport) == (False, True) and flow.schedule.name == transport.schedule.name == "straight"
    assert RECIPES["points_diffusion"].build().schedule.name == "cosine"


def small(name):
    """A recipe's model, made smaller, and data for it."""
    recipe = RECIPES[name]
    torch.manual_seed(0)
    y = torch.arange(24) % 9
    if name.startswith("latent"):
        return recipe, LatentDiffusion(width=16, layers=1), (torch.randn(24, 40), y)
    if recipe.data == "mnist":
        data = Dataset("fake", "train", torch.randint(256, (24, 1, 28, 28), dtype=torch.uint8), y)
        return recipe, recipe.build(width=8), recipe.tensors(data)
    if recipe.data == "sounds":
        return recipe, recipe.build(width=8, dilations=(1, 2)), recipe.tensors(datasets.sounds(24, length=2100))
    if recipe.data == "faces":
        y = datasets.faces.random_factors(24)
        model, tensors = recipe.build(width=8, layers=1, components=9), recipe.tensors(Dataset("fake", "train", datasets.faces.draw(y), y))
        recipe.before(model, tensors)
        return recipe, model, tensors
    return recipe, recipe.build(width=16, layers=1), recipe.tensors(datasets.toy2d(recipe.data, 24))


def test_autoguidance_is_measured_beside_the_worse_model_alone(monkeypatch):
    """Away from itself with any weight a model draws what it draws alone."""
    recipe, model, _ = small("diffusion_faces_worse")
    model.steps = 3
    shipped = checkpoints.load
    monkeypatch.setattr(checkpoints, "load", lambda name, *device: model if name == "diffusion_faces" else shipped(name, *device))
    y = datasets.faces.random_factors(20)
    numbers = recipe.measure(model.eval(), Dataset("fake", "test", datasets.faces.draw(y), y), 20)
    assert set(numbers["autoguided"]) == {"1.5", "2"} and (numbers["chain"], numbers["samples"]) == (3, 20)
    for guided in numbers["autoguided"].values():
        assert guided["fid"] == pytest.approx(numbers["fid"], rel=1e-3) and guided["word_accuracy"] == numbers["word_accuracy"]
    training.seed_everything(0)
    alone = diffusion_recipes.asked_for(model, datasets.faces.attributes(y), steps=3)
    assert metrics.face_fid(alone) == pytest.approx(numbers["fid"], rel=1e-2)


@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("name", TRAINED)
def test_every_recipe_trains_and_repeats(name, precision):
    def train(seed):
        recipe, model, tensors = small(name)
        options = {"steps": 2, "batch_size": 8, "ema": 0.9, "log_every": 1, "precision": precision, "seed": seed}
        run = training.fit(model, tensors, **options, **(QUIET | recipe.fit))
        assert len(run.history) == 2 and all(math.isfinite(row["loss"]) for row in run.history)
        return run.model

    trained, again, other = (torch.cat([p.detach().flatten() for p in train(seed).parameters()]) for seed in (0, 0, 1))
    assert trained.isfinite().all() and trained.dtype == torch.float32
    assert torch.equal(trained, again) and not torch.equal(trained, other)
    untrained = torch.cat([p.detach().flatten() for p in small(name)[1].parameters()])
    assert not torch.equal(trained, untrained)


def test_notes_are_heard():
    t = torch.arange(2048) / datasets.RATE
    strengths = (1.0, 0.6, 0.4, 0.3, 0.2)
    pure = torch.stack(
        [sum(s * torch.sin(2 * math.pi * k * note * t + k) for k, s in enumerate(strengths, 1)) for note in diffusion_recipes.NOTES]
    )
    assert diffusion_recipes.heard_note(pure).tolist() == list(range(8))
    noisy = 0.1 * pure.flip(0) + 0.02 * torch.randn(8, 2048)
    assert diffusion_recipes.heard_note(noisy).tolist() == list(range(7, -1, -1))
    data = datasets.sounds(300, seed=5, length=2048)
    told = data.y < 8
    assert (diffusion_recipes.heard_note(data.x[told]) == data.y[told]).float().mean() > 0.9


def test_samples_are_asked_for_in_parts_and_keep_their_labels():
    asked = []

    class Echo(nn.Module):
        unused = nn.Parameter(torch.zeros(1))

        def parameters(self):
            return iter([self.unused])

        def sample(self, n, *, y, guidance, steps, method):
            asked.append((n, guidance, steps, method))
            return y[:, None].float()

    y = torch.arange(11)
    out = diffusion_recipes.asked_for(Echo(), y, 3.0, 7, "heun", batch_size=4)
    assert torch.equal(out[:, 0], y.float()) and asked == [(4, 3.0, 7, "heun"), (4, 3.0, 7, "heun"), (3, 3.0, 7, "heun")]


@pytest.mark.parametrize("name", ["latent_diffusion", "latent_flow"])
def test_a_latent_model_learns_the_spread_of_its_codes(name):
    codes, model = 3 + 2 * torch.randn(500, 40), RECIPES[name].build()
    RECIPES[name].before(model, (codes, None))
    assert torch.allclose(model.mean, codes.mean(0)) and torch.allclose(model.std, codes.std(0))
    assert model.scaled(codes).std().item() == pytest.approx(1, rel=1e-3)


def test_codes_are_drawn_from_the_posterior_once_for_each_image():
    data = Dataset("fake", "train", torch.randint(256, (1005, 1, 28, 28), dtype=torch.uint8), torch.arange(1005) % 10)
    with torch.no_grad():
        codes, y = diffusion_recipes.codes_and_labels(data)
        again, _ = diffusion_recipes.codes_and_labels(data)
        x = datasets.binarise(data.x, generator=torch.Generator().manual_seed(0))
        q = checkpoints.load("vae").posterior(x)
    assert codes.shape == (1005, 40) and torch.equal(codes, again) and torch.equal(y, data.y)
    z = (codes - q.mean) / q.std
    assert z.mean().abs() < 0.02 and z.std().item() == pytest.approx(1, abs=0.02)


def test_every_measure_gives_numbers(monkeypatch):
    monkeypatch.setattr(diffusion_recipes, "ode_bound", partial(ode_bound, steps=4))
    data = datasets.load("mnist_small", "test")
    few = Dataset("fake", "test", data.x[:20], data.y[:20])
    numbers = diffusion_recipes.measure_images(shaken(ImageDiffusion(width=8), 0.02), few, n=12, bounds=3, odes=2)
    assert set(numbers) == {
        "fid",
        "fid_error",
        "class_accuracy",
        "class_accuracy_error",
        "guidance",
        "samples",
        "bits_per_dim",
        "bits_per_dim_error",
        "bound_images",
        "bits_per_dim_ode",
        "bits_per_dim_ode_error",
        "ode_images",
    }
    assert all(math.isfinite(v) for v in numbers.values()) and numbers["samples"] == 12 and numbers["bits_per_dim"] > 1
    eight = SimpleNamespace(name="gaussians8")
    numbers = diffusion_recipes.measure_points(RECIPES["points_flow"].build(), eight, n=200, draws=3, steps=(2, 20))
    kinds = ("distance_2_steps", "distance_20_steps", "distance_of_data")
    assert set(numbers) == {"samples", "draws", *kinds, *(f"{kind}_sd" for kind in kinds)} and numbers["distance_20_steps"] > 0.5
    numbers = diffusion_recipes.measure_sound(small("diffusion_sound")[1], datasets.sounds(200, seed=3), n=10)
    assert set(numbers) == {"note_accuracy", "note_accuracy_error", "note_accuracy_of_data", "guidance", "samples"}
    assert numbers["note_accuracy_of_data"] > 0.9


@pytest.mark.parametrize("name", ["points_flow", "points_transport", "points_diffusion"])
def test_what_was_recorded_is_measured_again_within_its_spread(name):
    recorded = checkpoints.record(name)["numbers"]
    assert recorded["draws"] >= 10
    numbers = diffusion_recipes.measure_points(
        checkpoints.load(name), SimpleNamespace(name="gaussians8"), recorded["samples"], 3, (1, 2, 10)
    )
    measured = [key for key in numbers if key.startswith("distance") and not key.endswith("_sd")]
    assert len(measured) == 4
    for key in measured:
        # three draws against ten, and one standard deviation is known no better than that
        assert abs(numbers[key] - recorded[key]) < 4 * recorded[f"{key}_sd"] * (1 / 3 + 1 / recorded["draws"]) ** 0.5, key


@pytest.mark.parametrize("name", TRAINED)
def test_every_record_states_its_spread_and_no_more_digits_than_it_allows(name):
    numbers = checkpoints.record(name)["numbers"]
    spreads = {key: value for key, value in numbers.items() if key.endswith(("_error", "_sd"))}
    assert spreads and all(value > 0 for value in spreads.values())
    for key, value in spreads.items():
        digits = 1 - math.floor(math.log10(value))
        assert numbers[key.rsplit("_", 1)[0]] == round(numbers[key.rsplit("_", 1)[0]], digits)
    drawn = {"fid", "class_accuracy", "bits_per_dim", "bits_per_dim_ode", "note_accuracy"}
    assert all(f"{key}_error" in numbers for key in drawn & set(numbers))


def test_numbers_are_rounded_to_what_their_spread_allows():
    rounded = diffusion_recipes.as_far_as_known({"a": 2.13719, "a_error": 0.01234, "b": 0.05661, "b_sd": 0.0212, "samples": 12345})
    assert rounded == {"a": 2.137, "a_error": 0.012, "b": 0.057, "b_sd": 0.021, "samples": 12345}
    assert diffusion_recipes.share_error(0.5, 100) == pytest.approx(0.05, rel=0.01) and 0 < diffusion_recipes.share_error(1.0, 100) < 0.01


def test_a_sampler_is_measured_on_its_own_model_from_the_same_noise(monkeypatch):
    load = checkpoints.load
    stand_ins = {
        "diffusion": shaken(ImageDiffusion(width=8)),
        "latent_flow": shaken(LatentDiffusion(width=8, schedule="straight", predict="velocity")),
    }
    monkeypatch.setattr(checkpoints, "load", lambda name, *rest: stand_ins.get(name) or load(name, *rest))
    monkeypatch.setattr(metrics, "digit_kid", lambda x: float(len(x)))
    y = torch.arange(12) % 10
    for name, options in (
        ("diffusion", {"steps": 2, "method": "ddpm"}),
        ("diffusion", {"steps": 2}),
        ("diffusion", {"steps": 2, "method": "heun"}),
        ("latent_flow", {"steps": 2}),
        ("diffusion", {"steps": 20, "guidance": 2.5}),
    ):
        numbers = diffusion_recipes.measure_sampler(name, options, y, seed=4)
        training.seed_everything(4)
        drawn = stand_ins[name].sample(12, y=y, **options)
        assert numbers["fid"] == pytest.approx(metrics.digit_fid(drawn), abs=numbers["fid_error"]) and numbers["fid_error"] > 0
        assert numbers["kid"] == pytest.approx(12, abs=numbers["kid_error"])
        assert numbers["class_accuracy"] == pytest.approx((metrics.predicted_digits(drawn) == y).float().mean().item())


@pytest.mark.parametrize("recording", ["diffusion_samplers", "latent_samplers"])
def test_the_films_of_samplers_have_what_they_promise(monkeypatch, recording):
    asked = []

    def fake(name, options, y, seed):
        asked.append((name, options, seed))
        assert y.tolist() == [7, 3, 5]
        return {"fid": len(asked)}

    monkeypatch.setattr(diffusion_recipes, "measure_sampler", fake)
    film = RECIPES[recording].film
    tensors, numbers = film(None, 3, None, Dataset("fake", "test", None, torch.tensor([7, 3, 5, 1])), 1)
    chains = film.keywords["chains"]
    wanted = {"ddpm", "ddim", "heun"} | ({"guidance", "guided_ddpm"} if recording == "diffusion_samplers" else {"flow"})
    assert set(chains) == wanted and tensors == {}
    assert asked == [(name, options | {varied: v}, 1) for name, options, varied, values in chains.values() for v in values]
    assert numbers.pop("samples") == 3
    assert {k: [float(key) for key in row] for k, row in numbers.items()} == {label: list(c[3]) for label, c in chains.items()}
    assert [row["fid"] for rows in numbers.values() for row in rows.values()] == list(range(1, len(asked) + 1))
    assert all(RECIPES[name].build for name, *_ in chains.values())


# --- GPU

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.mark.gpu
@gpu
@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("name", TRAINED)
def test_everything_runs_on_a_gpu(name, precision):
    recipe, model, tensors = small(name)
    options = {"steps": 2, "batch_size": 8, "precision": precision, "ema": 0.9, "log_every": 1, "progress": False, "device": "cuda"}
    run = training.fit(model, tensors, **options, **recipe.fit)
    assert len(run.history) == 2 and all(p.is_cuda and p.isfinite().all() for p in model.parameters())
    y = torch.arange(3, device="cuda") % model.classes if model.classes else None
    for method in METHODS:
        x = run.ema.sample(3, y=y, guidance=2.0, steps=3, method=method)
        assert x.is_cuda and x.isfinite().all()
    x = torch.randn(3, *model.shape, device="cuda")
    assert encode(model, x, Schedule().times(3), y).is_cuda and edit(model, x, 0.5, 3, y).is_cuda
    assert inpaint(model, x, (x > 0), x, Schedule().times(3), y, repeats=2).is_cuda
    x = x.clamp(-1, 1)
    assert variational_bound(model, x, y, 10, 3)["bound"].isfinite().all()
    assert ode_log_prob(model, x, y, 3).isfinite().all() and ode_bound(model, x, y, 3).isfinite().all()


@pytest.mark.gpu
@gpu
def test_scores_run_on_a_gpu():
    model, x = ScoreNetwork(2, hidden=(8,)).cuda(), torch.randn(6, 2).cuda()
    model.loss(x).backward()
    assert annealed_langevin(model, x, 2).is_cuda and langevin(lambda x: -x, x, 0.1, 2).is_cuda
    means = torch.randn(3, 2).cuda()
    assert mixture_score(x, means, 0.5).is_cuda and mixture_log_prob(x, means, 0.5).is_cuda
