"""Topic 08: Markov chains and whether to believe them, Ising, Boltzmann machines, the RBM, a neural energy, score matching and NCE."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import ellipk
from torch import nn
from torch.distributions import Categorical, MixtureSameFamily, Normal

from course_lib import datasets, training
from course_lib.datasets.toy2d import plane
from course_lib.energy_based import (
    CRITICAL_TEMPERATURE,
    RBM,
    BoltzmannMachine,
    Chains,
    NeuralEnergy,
    PointEnergy,
    annealed_importance_sampling,
    annealing,
    autocorrelation,
    autocorrelation_time,
    banana,
    base_rates,
    effective_sample_size,
    eight_modes,
    gaussian,
    gaussian_conditional,
    gibbs,
    heat_capacity,
    hmc,
    hmc_step,
    ising_energy,
    ising_log_partition,
    ising_sweep,
    langevin_step,
    leapfrog,
    log_z,
    magnetisation,
    mala,
    mala_step,
    metropolis,
    metropolis_step,
    mixture,
    noise_contrastive,
    onsager_energy,
    onsager_heat_capacity,
    onsager_magnetisation,
    product,
    random_walk,
    score_matching,
    self_normalised,
    sliced_score_matching,
    slope,
    split_r_hat,
    states,
    targets,
    tempered,
    ula,
    weight_ess,
)
from course_lib.energy_based.recipes import LIVE, measure_energy, measure_rbm, strangers
from course_lib.scores import denoising_score_matching

# --- detailed balance

FIVE = torch.tensor([0.1, 0.3, 0.05, 0.35, 0.2])


def on_five(x):
    return -FIVE.log()[x[:, 0].long()]


def round_the_ring(x):
    return (x + 2 * torch.randint(2, x.shape) - 1) % 5, 0.0


Q = torch.tensor([[1, 4, 1, 1, 1], [1, 1, 6, 1, 1], [2, 2, 1, 3, 1], [1, 1, 1, 1, 5], [7, 1, 1, 1, 1.0]])
Q /= Q.sum(1, keepdim=True)


def lopsided(x):
    i = x[:, 0].long()
    j = torch.multinomial(Q[i], 1)
    return j.to(x), (Q[j[:, 0], i] / Q[i, j[:, 0]]).log()


def imbalance(before, after, cells=5):
    """Of flows between cells there and back, the largest difference in standard errors; and of the shares before and after."""
    flows = torch.zeros(cells, cells, dtype=torch.float64)
    flows.index_put_((before.long(), after.long()), torch.ones(len(before), dtype=torch.float64), accumulate=True)
    pairs = (flows - flows.T).abs() / (flows + flows.T).clamp_min(1).sqrt()
    moved = (flows.sum(1) - flows.sum(0)).abs() / (flows.sum(1) + flows.sum(0) - 2 * flows.diagonal()).clamp_min(1).sqrt()
    return max(pairs.max().item(), moved.max().item())


@pytest.mark.parametrize("propose", [round_the_ring, lopsided])
def test_metropolis_is_in_detailed_balance_on_five_states(propose):
    x = torch.multinomial(FIVE, 400_000, replacement=True)[:, None].float()
    y, accepted = metropolis_step(x, on_five, propose)
    assert imbalance(x[:, 0], y[:, 0]) < 4 and 0.3 < accepted.double().mean() < 0.9
    assert torch.equal(y[~accepted], x[~accepted])
    # and the mistakes that this must find: the ratio inverted, and a correction that is left out
    wrong, _ = metropolis_step(x, lambda x: -on_five(x), propose)
    assert imbalance(x[:, 0], wrong[:, 0]) > 20
    if propose is lopsided:
        uncorrected, _ = metropolis_step(x, on_five, lambda x: (lopsided(x)[0], 0.0))
        assert imbalance(x[:, 0], uncorrected[:, 0]) > 20


def test_metropolis_probabilities_are_those_of_the_formula():
    counts = torch.stack([metropolis_step(torch.full((40_000, 1), float(i)), on_five, lopsided)[0][:, 0] for i in range(5)])
    found = torch.stack([row.long().bincount(minlength=5) for row in counts]) / 40_000
    for i, j in itertools.permutations(range(5), 2):
        expected = Q[i, j] * min(1, FIVE[j] * Q[j, i] / (FIVE[i] * Q[i, j]))
        assert found[i, j].item() == pytest.approx(expected.item(), abs=0.012), (i, j)


WAVES = MixtureSameFamily(Categorical(torch.tensor([0.4, 0.6])), Normal(torch.tensor([-1.0, 1.5]), torch.tensor([0.5, 0.9])))


def waves(x):
    return -WAVES.log_prob(x[:, 0])


KERNELS = {
    "random walk": lambda x: metropolis_step(x, waves, random_walk(1.5)),
    "mala": lambda x: mala_step(x, waves, 0.3),
    "hmc": lambda x: hmc_step(x, waves, 0.6, 3),
    "ula": lambda x: (langevin_step(x, lambda x: -slope(waves, x), 0.3), torch.ones(len(x))),
}


@pytest.mark.parametrize("name", KERNELS)
def test_continuous_kernels_are_in_detailed_balance_between_five_cells(name):
    x = WAVES.sample((400_000, 1))
    edges = torch.tensor([-1.2, -0.4, 0.8, 1.9])
    y, accepted = KERNELS[name](x)
    found = imbalance(*(torch.bucketize(v[:, 0], edges) for v in (x, y)))
    assert found > 20 if name == "ula" else found < 4
    assert accepted.double().mean() > 0.4


def test_gibbs_is_in_detailed_balance_coordinate_by_coordinate_and_a_sweep_keeps_the_table():
    table = torch.rand(3, 2) + 0.1
    table /= table.sum()
    x = torch.multinomial(table.flatten(), 300_000, replacement=True)
    x = torch.stack([x // 2, x % 2], 1)

    def draw(x, i):
        return torch.multinomial(table[:, x[:, 1]].T if i == 0 else table[x[:, 0]], 1)[:, 0]

    for i in range(2):
        y = x.clone()
        y[:, i] = draw(x, i)
        assert imbalance(2 * x[:, 0] + x[:, 1], 2 * y[:, 0] + y[:, 1], 6) < 4
    chains = gibbs(draw, x[:100_000], 2)
    assert chains.acceptance == 1
    shares = (2 * chains.path[2, :, 0] + chains.path[2, :, 1]).bincount(minlength=6) / 100_000
    torch.testing.assert_close(shares, table.flatten(), atol=0.007, rtol=0)
    # the second coordinate of a sweep sees the new first one
    first = gibbs(lambda x, i: x[:, 1 - i] + 1, torch.tensor([[0, 10]]), 1).path[1]
    assert first.tolist() == [[11, 12]]


# --- stationary moments


def check_moments(path, target, sigmas=4.5):
    """Means and second moments of a path (steps, chains, 2) of independent chains, within standard errors by their spread."""
    path = (path - target.mean).double()
    products = torch.stack([path[..., 0], path[..., 1], path[..., 0] ** 2, path[..., 1] ** 2, path[..., 0] * path[..., 1]], -1).mean(0)
    cov = target.cov.double()
    expected = torch.tensor([0, 0, cov[0, 0], cov[1, 1], cov[0, 1]], dtype=torch.float64)
    error = products.std(0) / len(products) ** 0.5
    assert ((products.mean(0) - expected).abs() / error).max() < sigmas
    assert error.max() < 0.8


SAMPLERS = {
    "metropolis": lambda energy, x: metropolis(energy, x, 1.2, 600),
    "mala": lambda energy, x: mala(energy, x, 0.4, 500),
    "hmc": lambda energy, x: hmc(energy, x, 0.35, 7, 150),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_chains_come_to_the_moments_of_their_target(name):
    target = targets()["Gaussian"]
    chains = SAMPLERS[name](target.energy, 3 * torch.randn(200, 2))
    check_moments(chains.path[len(chains.path) // 2 :], target)
    assert chains.trouble is None and chains.ess > 1000 and 0.25 < chains.acceptance < 0.99
    assert chains.after(100).shape == ((len(chains.path) - 101) * 200, 2)


@pytest.mark.parametrize("name", SAMPLERS)
def test_chains_that_begin_in_a_banana_keep_its_moments(name):
    target = banana()
    check_moments(SAMPLERS[name](target.energy, target.sample(1000)).path[-100::20], target)


def test_a_ball_that_comes_back_forgets_nothing_without_jitter():
    def energy(x):
        return 0.5 * x.square().sum(1)

    x, leaps = 3 + torch.randn(200, 1), 20
    assert hmc(energy, x, 2 * math.pi / leaps, leaps, 30, jitter=0).path[-1].mean() > 2
    assert hmc(energy, x, 2 * math.pi / leaps, leaps, 30).path[-1].mean().abs() < 0.4


def test_gibbs_has_the_moments_of_a_gaussian():
    target = targets()["Gaussian"]
    check_moments(gibbs(gaussian_conditional(target.mean, target.cov), torch.zeros(200, 2), 200).path[100:], target)


def test_moments_of_targets_are_those_of_their_samples_and_densities():
    cells = plane(900, 15.0)
    area = (30 / 900) ** 2
    for target in (banana(0.3, 1.5), eight_modes(), targets()["Gaussian"]):
        x = target.sample(200_000)
        torch.testing.assert_close(x.mean(0), target.mean, atol=0.03, rtol=0)
        torch.testing.assert_close(x.T.cov(), target.cov, atol=0.05, rtol=0.02)
        p = target.log_prob(cells).exp() * area
        assert p.sum().item() == pytest.approx(1, abs=1e-3), target.name
        mean = p @ cells
        torch.testing.assert_close(mean, target.mean, atol=2e-3, rtol=0)
        torch.testing.assert_close((p[:, None] * cells).T @ cells - mean[:, None] * mean, target.cov, atol=5e-3, rtol=2e-3)


def test_chains_at_eight_modes_stay_where_they_are_and_r_hat_says_so():
    target = eight_modes()
    chains = metropolis(target.energy, target.sample(40), 0.3, 400)
    assert "tell different stories" in chains.trouble and chains.r_hat > 1.5
    together = metropolis(target.energy, torch.tensor([[3.0, 0.0]]).repeat(40, 1), 0.3, 600)
    assert together.trouble is None  # all of them missed seven modes: nothing shows
    hot = metropolis(tempered(target.energy, 40.0), target.sample(40), 3.0, 600)
    assert hot.r_hat < 1.05


@pytest.mark.parametrize("std", [0.5, 3.0])
@pytest.mark.parametrize("share", [0.05, 0.5, 1.2])
def test_langevin_has_the_spread_of_its_target_but_for_its_known_bias(std, share):
    step = share * std**2
    chains = ula(lambda x: 0.5 * (x / std).square().sum(1), std * torch.randn(5000, 1), step, math.ceil(3 / share))
    assert chains.path[-1].var().item() == pytest.approx(std**2 / (1 - share / 2), rel=0.09)
    exact = mala(lambda x: 0.5 * (x / std).square().sum(1), std * torch.randn(5000, 1), step, math.ceil(3 / share))
    assert exact.path[-1].var().item() == pytest.approx(std**2, rel=0.09)
    if share == 1.2:
        assert abs(chains.path[-1].var().item() / std**2 - 1) > 1


# --- leapfrog


def uneven(x):
    return (
        (0.25 * x[:, 0] ** 4 + 0.5 * x[:, 1] ** 2 + x[:, 0] * x[:, 1].sin()).sum(-1)
        if x.ndim == 3
        else (0.25 * x[:, 0] ** 4 + 0.5 * x[:, 1] ** 2 + x[:, 0] * x[:, 1].sin())
    )


def test_leapfrog_goes_back_the_way_it_came():
    x, v = torch.randn(50, 2).double(), torch.randn(50, 2).double()
    y, w = leapfrog(x, v, uneven, 0.1, 13)
    back, u = leapfrog(y, -w, uneven, 0.1, 13)
    torch.testing.assert_close(back, x, atol=1e-10, rtol=0)
    torch.testing.assert_close(-u, v, atol=1e-10, rtol=0)
    assert (y - x).abs().mean() > 0.3


def test_leapfrog_keeps_volumes():
    start, h = torch.randn(4).double(), 1e-6

    def end(state):
        return torch.cat(leapfrog(state[None, :2], state[None, 2:], uneven, 0.3, 9), 1)[0]

    jacobian = torch.stack([(end(start + h * e) - end(start - h * e)) / (2 * h) for e in torch.eye(4).double()], 1)
    assert jacobian.det().item() == pytest.approx(1, abs=1e-7) and (jacobian - torch.eye(4)).abs().max() > 0.5


def test_leapfrogs_error_of_energy_falls_with_the_square_of_the_step():
    x, v = torch.randn(200, 2).double(), torch.randn(200, 2).double()

    def error(step):
        y, w = leapfrog(x, v, uneven, step, round(2.0 / step))
        return (uneven(y) + 0.5 * w.square().sum(1) - uneven(x) - 0.5 * v.square().sum(1)).abs().mean().item()

    assert error(0.1) / error(0.05) == pytest.approx(4, rel=0.1)


def test_leapfrog_turns_a_harmonic_ball_by_its_angle():
    x, v = leapfrog(torch.tensor([[1.0]]).double(), torch.tensor([[0.0]]).double(), lambda x: 0.5 * x.square().sum(1), 1e-3, 1000)
    assert (x.item(), v.item()) == (pytest.approx(math.cos(1), abs=1e-5), pytest.approx(-math.sin(1), abs=1e-5))


# --- what is said of chains that are none


@pytest.mark.parametrize(
    ("chains", "message"),
    [
        (lambda: ula(lambda x: 0.5 * x.square().sum(1), torch.ones(4, 2), 5.0, 400), "4 of 4 chains diverged, the first at step"),
        (lambda: metropolis(targets()["Gaussian"].energy, torch.zeros(3, 2), 1e4, 40), "3 of 3 chains never moved in 40 steps"),
        (lambda: hmc(targets()["Gaussian"].energy, torch.zeros(3, 2), 1e3, 5, 40), "never moved .*acceptance 0.00%"),
        (lambda: mala(targets()["Gaussian"].energy, torch.zeros(3, 2), 0.1, 5), "5 steps are too few"),
        (lambda: metropolis(targets()["Gaussian"].energy, torch.zeros(3, 2), 0.01, 100), "R-hat .* let them run longer"),
    ],
)
def test_chains_that_are_no_samples_say_so_in_a_sentence(chains, message):
    found = chains()
    assert isinstance(found, Chains)
    with pytest.raises(AssertionError, match=message):
        assert found.trouble is None, found.trouble


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e, x: metropolis(e, x, 0.0, 5), "scale of the proposal must be above 0, got 0"),
        (lambda e, x: metropolis(e, x, -1.0, 5), "scale of the proposal must be above 0, got -1"),
        (lambda e, x: mala(e, x, 0.0, 5), "step η must be above 0"),
        (lambda e, x: ula(e, x, math.nan, 5), "step η must be above 0, got nan"),
        (lambda e, x: hmc(e, x, -0.1, 3, 5), "step ε must be above 0"),
        (lambda e, x: hmc(e, x, 0.1, 0, 5), "number of leaps must be above 0"),
        (lambda e, x: mala(e, x[:0], 0.1, 5), "one chain and one step or more"),
        (lambda e, x: mala(e, x / 0, 0.1, 5), "x must be finite"),
        (lambda e, x: mala(e, x, 0.1, 0), "one chain and one step or more"),
        (lambda e, x: slope(lambda x: x.sum(), x), r"must be \(3,\), one number an example, got \(\)"),
        (lambda e, x: tempered(e, 0.0), "temperature must be above 0 and finite, got 0"),
        (lambda e, x: tempered(e, -1.0), "temperature must be above 0"),
        (lambda e, x: product([]), "needs energies"),
        (lambda e, x: mixture([e, e], [1.0]), "got 2 and 1 weights"),
        (lambda e, x: mixture([e, e], [1.0, 0.0]), "must be above 0"),
        (lambda e, x: gaussian(torch.zeros(2), -torch.eye(2)), "positive definite"),
        (lambda e, x: ising_sweep(torch.ones(1, 3, 3), 1.0), "even side"),
        (lambda e, x: ising_sweep(torch.ones(1, 4, 4), 0.0), "temperature must be above 0"),
        (lambda e, x: ising_log_partition(5, 1.0), "a side from 1 to 4"),
        (lambda e, x: states(26), "at most 25"),
        (lambda e, x: BoltzmannMachine(15, 6), "1 to 20 units"),
        (lambda e, x: RBM((6,), 4).free_energy(torch.full((1, 6), 0.5)), "values in between"),
        (lambda e, x: RBM((1, 28, 28), 30).log_partition(), "estimate with log_partition_ais"),
        (lambda e, x: RBM((6,), 4, k=0), "k must be above 0"),
        (lambda e, x: annealing(2), "3 steps or more"),
        (lambda e, x: annealed_importance_sampling(None, None, x, torch.tensor([0.5, 1.0])), "rise from 0 to 1"),
        (lambda e, x: effective_sample_size(torch.randn(3, 2)), "4 steps or more"),
        (lambda e, x: split_r_hat(torch.randn(30)), r"path must be \(steps, chains\)"),
        (lambda e, x: weight_ess(torch.full((3,), -math.inf)), "one above −∞"),
        (lambda e, x: weight_ess(torch.tensor([0.0, math.nan])), "log_weights must be numbers"),
        (lambda e, x: log_z(torch.zeros(1)), "2 runs or more"),
        (lambda e, x: PointEnergy(objective="mle"), "unknown objective"),
        (lambda e, x: NeuralEnergy((1, 8, 8), step=0), "step must be above 0"),
        (lambda e, x: NeuralEnergy((1, 8, 8)).loss(torch.rand(2, 1, 8, 8), torch.zeros(2).long()), "was built without classes"),
    ],
)
def test_bad_input_gets_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call(targets()["Gaussian"].energy, torch.randn(3, 2))


# --- diagnostics


def autoregressive(phi, steps, chains, dims=1):
    x = torch.empty(steps, chains, dims, dtype=torch.float64)
    x[0] = torch.randn(chains, dims) / math.sqrt(1 - phi**2)
    for t in range(1, steps):
        x[t] = phi * x[t - 1] + torch.randn(chains, dims)
    return x


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, -0.5])
def test_effective_sample_size_of_an_autoregression(phi):
    path = autoregressive(phi, 4000, 8, 2)
    expected = 4000 * 8 * (1 - phi) / (1 + phi)
    assert effective_sample_size(path).tolist() == pytest.approx([expected] * 2, rel=0.12)
    assert autocorrelation_time(path)[0].item() == pytest.approx((1 + phi) / (1 - phi), rel=0.12)
    torch.testing.assert_close(autocorrelation(path).mean((1, 2))[:5], phi ** torch.arange(5).double(), atol=0.04, rtol=0)
    # the error of the mean is what it says: over many chains
    means = autoregressive(phi, 500, 800).mean(0)[:, 0]
    assert means.var().item() == pytest.approx(1 / (1 - phi**2) / (500 * (1 - phi) / (1 + phi)), rel=0.2)


def ess_by_loops(path):
    """Stan's estimate for (steps, chains), as in the reference manual, in NumPy, term by term."""
    half = len(path) // 2
    x = np.concatenate([path[:half], path[len(path) - half :]], 1)
    n, m = x.shape
    within = np.mean([np.var(x[:, j], ddof=1) for j in range(m)])
    total = within * (n - 1) / n + np.var(x.mean(0), ddof=1)
    rho = []
    for t in range(n):
        covariances = []
        for j in range(m):
            c = x[:, j] - x[:, j].mean()
            covariances.append(np.sum(c[: n - t] * c[t:]) / n * n / (n - 1))
        rho.append(1 - (within - np.mean(covariances)) / total)
    rho[0], time, last = 1.0, -1.0, math.inf
    for t in range(0, n - 1, 2):
        pair = rho[t] + rho[t + 1]
        if pair <= 0:
            break
        last = min(last, pair)
        time += 2 * last
    return n * m / max(time, 1 / math.log10(n * m)), math.sqrt(total / within)


@pytest.mark.parametrize("phi", [0.7, -0.9])
def test_effective_sample_size_and_r_hat_by_loops(phi):
    path = autoregressive(phi, 101, 3)[:, :, 0]
    path[:, 1] += 0.8
    ess, r_hat = ess_by_loops(path.numpy())
    assert effective_sample_size(path).item() == pytest.approx(ess, rel=1e-9)
    assert split_r_hat(path).item() == pytest.approx(r_hat, rel=1e-12)


def test_r_hat_is_one_where_chains_agree_and_not_where_one_strays_or_drifts():
    path = torch.randn(1000, 4)
    assert split_r_hat(path).item() == pytest.approx(1, abs=0.005)
    assert split_r_hat(path + torch.tensor([0, 0, 0, 2.0])) > 1.3
    assert split_r_hat(path[:, :1] + torch.linspace(0, 3, 1000)[:, None]) > 1.2
    assert split_r_hat(torch.zeros(10, 2)).isnan() and effective_sample_size(torch.zeros(10, 2)).isnan()
    assert split_r_hat(torch.arange(3.0).expand(10, 3)).isinf()


def test_r_hat_and_effective_sample_size_do_not_change_with_the_units():
    path = autoregressive(0.5, 300, 3)
    torch.testing.assert_close(split_r_hat(path), split_r_hat(7 * path - 100))
    torch.testing.assert_close(effective_sample_size(path), effective_sample_size(-0.01 * path + 5))


@pytest.mark.parametrize("width", [1.0, 1.5, 3.0])
def test_effective_size_of_weights_of_a_wider_gaussian(width):
    x = width * torch.randn(200_000).double()
    log_w = Normal(0.0, 1.0).log_prob(x) - Normal(0.0, width).log_prob(x) + 17.0  # a constant plays no part
    second = width**2 / math.sqrt(2 * width**2 - 1)  # E w² for w = p / q
    assert weight_ess(log_w).item() / 200_000 == pytest.approx(1 / second, rel=0.02)
    mean, error = self_normalised(torch.stack([x**2, x], 1), log_w)
    assert ((mean - torch.tensor([1.0, 0.0])).abs() < 4.5 * error).all()
    if width == 3.0:  # the error is what other draws do
        draws = width * torch.randn(2000, 500).double()
        found = [self_normalised(row**2, Normal(0.0, 1.0).log_prob(row) - Normal(0.0, width).log_prob(row)) for row in draws]
        spread = torch.stack([mean for mean, _ in found]).std()
        assert spread.item() == pytest.approx(torch.stack([error for _, error in found]).mean().item(), rel=0.1)


def test_weights_of_a_narrow_proposal_look_well_and_are_not():
    x = 0.3 * torch.randn(1000)
    log_w = eight_modes().log_prob(torch.stack([x + 3, x], 1)) - Normal(0.0, 0.3).log_prob(x)
    assert weight_ess(log_w) > 300  # though it has seen one mode of eight


def test_log_z_of_lognormal_weights():
    found = [log_z(0.5 * torch.randn(400) + 3.0) for _ in range(200)]
    truth = 3.0 + 0.5 * 0.25
    assert np.mean([z.value for z in found]) == pytest.approx(truth, abs=0.01)
    assert np.mean([z.low < truth < z.high for z in found]) > 0.97
    assert np.std([z.value for z in found]) == pytest.approx(np.mean([z.error for z in found]), rel=0.2)
    few = log_z(torch.tensor([0.0] * 50 + [20.0]))
    assert few.low == -math.inf and "few runs (1.0 of 51)" in few.trouble and found[0].trouble is None


# --- energies and what is made of them


def test_a_product_of_energies_is_a_product_of_densities_and_a_mixture_a_mixture():
    grid, area = plane(200, 8.0), (16 / 200) ** 2
    a = gaussian(torch.tensor([1.0, 0.0]), torch.eye(2))
    b = gaussian(torch.tensor([-1.0, 1.0]), torch.tensor([[2.0, 0.5], [0.5, 1.0]]))
    p, q = (target.log_prob(grid).exp() for target in (a, b))

    def density(energy):
        p = (-energy(grid)).exp()
        return p / (p.sum() * area)

    # of two Gaussians: precisions add up
    precision = a.cov.inverse() + b.cov.inverse()
    mean = precision.inverse() @ (a.cov.inverse() @ a.mean + b.cov.inverse() @ b.mean)
    both = gaussian(mean, precision.inverse()).log_prob(grid).exp()
    torch.testing.assert_close(density(product([a.energy, b.energy])), both, atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(density(mixture([a.energy, b.energy], [0.3, 0.7])), 0.3 * p + 0.7 * q, atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(density(tempered(a.energy, 2.0)), gaussian(a.mean, 2 * a.cov).log_prob(grid).exp(), atol=1e-5, rtol=1e-3)
    powers = density(product([a.energy, b.energy], [1.0, -0.3]))
    torch.testing.assert_close(powers, p * q**-0.3 / (p * q**-0.3).sum() / area, atol=1e-5, rtol=1e-3)
    # the chains of a composition are those of its density
    chains = hmc(product([a.energy, b.energy]), torch.randn(200, 2), 0.4, 4, 150)
    torch.testing.assert_close(chains.after(50).mean(0), mean, atol=0.05, rtol=0)


def test_slope_is_the_gradient_and_leaves_nothing_behind():
    x = torch.randn(5, 3, requires_grad=True)
    found = slope(lambda x: (x**3).sum(1), x)
    torch.testing.assert_close(found, 3 * x.detach() ** 2)
    assert x.grad is None and not found.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(slope(lambda x: (x**3).sum(1), x), found)


# --- annealed importance sampling


def test_annealing_between_two_gaussians_finds_the_ratio_of_their_constants():
    wide, std, centre = 3.0, 0.7, 2.0

    def energy_at(x, beta):
        return (1 - beta) * 0.5 * (x / wide).square().sum(1) + beta * 0.5 * ((x - centre) / std).square().sum(1)

    def step_at(x, beta):
        return metropolis_step(x, lambda x: energy_at(x, beta), random_walk(1.0))[0]

    truth = 2 * math.log(std / wide)  # of (2π)^(d/2) σ^d, d = 2
    log_w, x = annealed_importance_sampling(energy_at, step_at, wide * torch.randn(2000, 2), torch.linspace(0, 1, 60))
    found = log_z(log_w)
    assert found.low < truth < found.high and found.error < 0.05
    one, _ = annealed_importance_sampling(energy_at, step_at, wide * torch.randn(2000, 2), torch.tensor([0.0, 1.0]))
    assert weight_ess(one) < 0.5 * found.ess  # plain importance sampling is the case of one step
    w = log_w.softmax(0)
    assert (w @ x.double())[0].item() == pytest.approx(centre, abs=0.1)
    schedule = annealing(290)
    assert len(schedule) == 291 and schedule[0] == 0 and schedule[-1] == 1 and (schedule.diff() > 0).all()
    assert ((schedule > 0.9).sum() / 290).item() == pytest.approx(20 / 29, abs=0.01)


# --- Ising


def test_energy_of_a_lattice_by_loops():
    spins = 2 * torch.randint(2, (3, 4, 4)).float() - 1
    for s, found in zip(spins, ising_energy(spins, 0.3)):
        pairs = sum(s[i, j] * (s[(i + 1) % 4, j] + s[i, (j + 1) % 4]) for i in range(4) for j in range(4))
        assert found.item() == pytest.approx((-pairs - 0.3 * s.sum()).item(), abs=1e-5)
    assert ising_energy(torch.ones(8, 8)).item() == -128 and magnetisation(torch.ones(2, 4, 4)).tolist() == [1, 1]


@pytest.mark.parametrize(("side", "temperature", "field"), [(3, 1.5, 0.0), (3, 3.0, 0.4), (4, 2.27, 0.0), (4, 1.0, -0.2)])
def test_partition_function_of_a_lattice_by_its_transfer_matrix(side, temperature, field):
    rows = np.array(list(itertools.product((-1, 1), repeat=side)))
    own = -(rows * np.roll(rows, 1, 1)).sum(1) - field * rows.sum(1)
    transfer = np.exp(-(own[:, None] / 2 + own / 2 - rows @ rows.T) / temperature)
    truth = math.log(np.trace(np.linalg.matrix_power(transfer, side)))
    assert ising_log_partition(side, temperature, field) == pytest.approx(truth, rel=1e-10)


@pytest.mark.parametrize("field", [0.0, 0.15])
def test_sweeps_have_the_means_of_the_enumeration_at_every_temperature(field):
    every = 2 * states(16).view(-1, 4, 4) - 1
    energy = ising_energy(every, field).double()
    temperatures = torch.tensor([2.4, 3.0, 4.0])
    spins = torch.ones(3 * 400, 4, 4)
    spins[::2] = -1
    kept = []
    for sweep in range(120):
        spins = ising_sweep(spins, temperatures.repeat_interleave(400), field)
        if sweep >= 60:
            kept.append(torch.stack([ising_energy(spins, field), magnetisation(spins).abs()]))
    found = torch.stack(kept).view(60, 2, 3, 400)
    error = found.mean(0).std(-1) / 20
    for i, t in enumerate(temperatures.tolist()):
        p = (-energy / t).softmax(0)
        for j, value in enumerate((energy, magnetisation(every).abs().double())):
            assert abs(found[:, j, i].mean() - p @ value) < 4.5 * error[j, i] + 1e-6, (t, j)
        # fluctuations: the variance over everything, and the derivative of the mean energy
        capacity = heat_capacity(found[:, 0, i].flatten(), t, 16).item()
        h = 1e-3
        means = [((-energy / (t + d)).softmax(0) @ energy).item() for d in (-h, h)]
        assert capacity == pytest.approx((means[1] - means[0]) / (2 * h) / 16, rel=0.06)


def test_a_large_lattice_has_onsagers_magnetisation():
    temperatures = torch.tensor([1.8, 2.1, 3.5])
    spins, kept = torch.ones(3 * 8, 32, 32), []
    for sweep in range(250):
        spins = ising_sweep(spins, temperatures.repeat_interleave(8))
        if sweep >= 100:
            kept.append(magnetisation(spins).abs())
    found = torch.stack(kept).mean(0).view(3, 8).mean(1)
    assert found[:2].tolist() == pytest.approx([onsager_magnetisation(1.8), onsager_magnetisation(2.1)], abs=0.012)
    assert onsager_magnetisation(3.5) == 0 and found[2] < 0.12
    assert pytest.approx(2.269185, abs=1e-6) == CRITICAL_TEMPERATURE
    assert onsager_magnetisation(CRITICAL_TEMPERATURE - 1e-9) < 0.2 and onsager_magnetisation(0.5) > 0.999


def test_onsagers_energy_and_heat_capacity_are_those_of_the_elliptic_integral():
    for t in (1.0, 2.0, 2.5, 5.0):
        k = 2 * math.sinh(2 / t) / math.cosh(2 / t) ** 2
        right = -1 / math.tanh(2 / t) * (1 + 2 / math.pi * (2 * math.tanh(2 / t) ** 2 - 1) * ellipk(k * k))
        assert onsager_energy(t) == pytest.approx(right, abs=1e-9)
        assert onsager_heat_capacity(t) == pytest.approx((onsager_energy(t + 0.01) - onsager_energy(t - 0.01)) / 0.02, rel=1e-2)
    assert onsager_energy(2 / math.log(1 + math.sqrt(2))) == pytest.approx(-math.sqrt(2), abs=1e-3)
    assert onsager_energy(0.3) == pytest.approx(-2) and math.isfinite(onsager_heat_capacity(2.27))


# --- Boltzmann machines


def shaken(model, size=0.6):
    with torch.no_grad():
        for p in model.parameters():
            p.add_(size * torch.randn_like(p))
    return model


def test_states_count_in_binary():
    assert states(2).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]] and states(0).shape == (1, 0)
    assert len(states(10).unique(dim=0)) == 1024


@pytest.mark.parametrize("hidden", [0, 3])
def test_a_boltzmann_machine_by_loops(hidden):
    model = shaken(BoltzmannMachine(4, hidden))
    w, b = model.weight.detach(), model.bias.detach()
    every = list(itertools.product((0, 1), repeat=4 + hidden))
    energies = {}
    for s in every:
        pairs = sum(w[i, j] * s[i] * s[j] for i in range(4 + hidden) for j in range(i + 1, 4 + hidden))
        energies[s] = -(pairs + sum(b[i] * s[i] for i in range(4 + hidden))).item()
    found = model.energy(torch.tensor(every))
    assert found.tolist() == pytest.approx(list(energies.values()), abs=1e-5)
    z = sum(math.exp(-e) for e in energies.values())
    assert model.log_partition().item() == pytest.approx(math.log(z), abs=1e-5)
    seen = torch.tensor(list(itertools.product((0, 1), repeat=4)))
    for x, log_p in zip(seen.tolist(), model.log_prob(seen)):
        total = sum(math.exp(-e) for s, e in energies.items() if list(s[:4]) == x)
        assert log_p.item() == pytest.approx(math.log(total / z), abs=1e-5)
    assert model.log_prob(seen).exp().sum().item() == pytest.approx(1, abs=1e-5)
    drawn = model.sample(20_000, sweeps=30)
    shares = (drawn @ torch.tensor([8.0, 4, 2, 1])).long().bincount(minlength=16) / 20_000
    torch.testing.assert_close(shares, model.log_prob(seen).exp().detach(), atol=0.015, rtol=0)


def test_the_gradient_of_a_boltzmann_machine_is_the_difference_of_its_correlations():
    model = shaken(BoltzmannMachine(5))
    x = torch.randint(2, (30, 5)).float()
    model.loss(x).backward()
    every = states(5)
    p = model.log_prob(every).exp().detach()
    of_model, of_data = (every.T * p) @ every, x.T @ x / 30
    torch.testing.assert_close(model.weight.grad, (of_model - of_data).triu(1), atol=1e-5, rtol=1e-4)


@pytest.fixture
def rbm():
    return shaken(RBM((2, 3), 4, chains=50), 0.8)


PIXELS, HIDDEN = states(6).view(-1, 2, 3), states(4)


def test_an_rbm_by_enumeration(rbm):
    w, b, c = rbm.weight.detach(), rbm.visible_bias.detach(), rbm.hidden_bias.detach()
    table = torch.tensor(
        [[-sum(v[i] * w[i, j] * h[j] for i in range(6) for j in range(4)) - v @ b - h @ c for h in HIDDEN] for v in states(6)]
    )
    torch.testing.assert_close(torch.stack([rbm.energy(PIXELS, h.expand(64, 4)) for h in HIDDEN], 1).detach(), table, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(rbm.free_energy(PIXELS).detach(), -(-table).logsumexp(1), atol=1e-5, rtol=1e-5)
    joint = (-table).flatten().softmax(0).view(64, 16)
    torch.testing.assert_close(rbm.hidden_given(PIXELS).detach(), joint @ HIDDEN / joint.sum(1, keepdim=True), atol=1e-5, rtol=1e-4)
    seen = (joint.T @ states(6) / joint.sum(0)[:, None]).view(16, 2, 3)
    torch.testing.assert_close(rbm.visible_given(HIDDEN).detach(), seen, atol=1e-5, rtol=1e-4)
    assert rbm.log_partition() == pytest.approx((-table).logsumexp((0, 1)).item(), abs=1e-4)
    torch.testing.assert_close(rbm.log_prob(PIXELS).exp().detach(), joint.sum(1), atol=1e-6, rtol=1e-4)
    wide = RBM((3,), 7)
    shaken(wide, 0.8)
    total = sum((-wide.energy(states(3), h.expand(8, 7))).exp().sum() for h in states(7))
    assert wide.log_partition() == pytest.approx(total.log().item(), abs=1e-4)  # the pixels are fewer


def test_pseudo_likelihood_by_enumeration(rbm):
    p = rbm.log_prob(PIXELS).exp().detach()
    place = {tuple(v.tolist()): i for i, v in enumerate(states(6))}
    for v, found in zip(states(6), rbm.pseudo_log_likelihood(PIXELS)):
        total = 0.0
        for i in range(6):
            other = v.clone()
            other[i] = 1 - v[i]
            total += math.log(p[place[tuple(v.tolist())]] / (p[place[tuple(v.tolist())]] + p[place[tuple(other.tolist())]]))
        assert found.item() == pytest.approx(total, abs=1e-4)


def test_gibbs_leaves_an_rbm_as_it_is_and_samples_come_to_it(rbm):
    p = rbm.log_prob(PIXELS).exp().detach()
    start = torch.multinomial(p, 100_000, replacement=True)
    after = rbm.gibbs(PIXELS[start]).flatten(1) @ 2 ** torch.arange(5, -1, -1.0)
    assert imbalance(start, after, 64) < 4.7  # a sweep of two halves is not reversible pixel by pixel, but v → v' is
    drawn = rbm.sample(100_000, steps=60).flatten(1) @ 2 ** torch.arange(5, -1, -1.0)
    torch.testing.assert_close(drawn.long().bincount(minlength=64) / 100_000, p, atol=0.006, rtol=0)
    shades = rbm.sample(20_000, steps=60, shades=True)
    torch.testing.assert_close(shades.mean(0).flatten(), p @ states(6), atol=0.012, rtol=0)


def gradients(model):
    return torch.cat([p.grad.flatten() for p in model.parameters()])


@pytest.mark.parametrize("persistent", [True, False])
def test_the_contrastive_gradient_is_the_exact_one_in_expectation(rbm, persistent):
    x = PIXELS[torch.multinomial(torch.rand(64), 20_000, replacement=True)]
    (-rbm.log_prob(x)).mean().backward()
    w = rbm.weight.detach()
    p = rbm.log_prob(PIXELS).exp().detach()
    h = rbm.hidden_given(PIXELS).detach()
    # log_partition has no gradient: what it would add is the mean of −∇F under the model
    seen = states(6)
    exact = torch.cat([((seen * p[:, None]).T @ h).flatten(), p @ seen, p @ h]) + gradients(rbm)
    rbm.zero_grad()
    if persistent:  # chains that are where the model is
        rbm.particles = seen[torch.multinomial(p, 200_000, replacement=True)]
    model = rbm if persistent else RBM((2, 3), 4, k=40, persistent=False)
    model.load_state_dict(
        {**rbm.state_dict(), **({} if persistent else {"particles": model.particles[:100]})}, strict=False
    ) if persistent else [a.data.copy_(b) for a, b in zip(model.parameters(), rbm.parameters())]
    model.loss(x).backward()
    torch.testing.assert_close(gradients(model), exact, atol=0.02, rtol=0)
    assert exact.abs().max() > 0.1 and w.shape == (6, 4)
    # CD-1 is biased, and points the same way all the same
    first = RBM((2, 3), 4, k=1, persistent=False)
    [a.data.copy_(b) for a, b in zip(first.parameters(), rbm.parameters())]
    first.loss(x).backward()
    assert F.cosine_similarity(gradients(first), exact, dim=0) > 0.5
    assert (gradients(first) - exact).abs().max() > 0.03


@pytest.mark.parametrize("persistent", [True, False])
def test_the_step_by_the_formula_is_that_of_the_loss(persistent):
    torch.manual_seed(5)
    ours = shaken(RBM((2, 3), 4, k=2, persistent=persistent, chains=7), 0.5)
    theirs = RBM((2, 3), 4, k=2, persistent=persistent, chains=7)
    theirs.load_state_dict(ours.state_dict())
    x, sgd = PIXELS[5:25], torch.optim.SGD(theirs.parameters(), 0.3)
    torch.manual_seed(0)
    theirs.loss(x).backward()
    sgd.step()
    torch.manual_seed(0)
    ours.contrastive_step(x, 0.3)
    for a, b in zip(ours.state_dict().values(), theirs.state_dict().values()):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_chains_move_in_training_alone_and_begin_at_the_data_without_them(rbm):
    x, before = PIXELS[:10], rbm.particles.clone()
    rbm.eval().loss(x)
    assert rbm.particles.equal(before)
    rbm.train().loss(x)
    assert not rbm.particles.equal(before) and ((rbm.particles == 0) | (rbm.particles == 1)).all()
    images = torch.tensor([[0.0, 0.1, 0.9], [1.0, 0.5, 0.2]]).expand(500, 2, 3)
    rbm.begin_at(images)
    torch.testing.assert_close(rbm.visible_bias.sigmoid(), (images[0].flatten() + 0.01) / 1.02, atol=1e-5, rtol=0)
    assert base_rates(images).isfinite().all()


def test_ais_of_20_hidden_units_is_the_enumeration():
    model = shaken(RBM((40,), 20), 0.5)
    truth = model.log_partition()
    found = [model.log_partition_ais(100, 300) for _ in range(12)]
    assert sum(z.low < truth < z.high for z in found) >= 11
    assert np.mean([z.value for z in found]) == pytest.approx(truth, abs=0.1) and max(z.error for z in found) < 0.3
    other = model.log_partition_ais(100, 300, base=torch.linspace(-1, 1, 40))  # wherever it begins
    assert other.low < truth < other.high
    quick = model.log_partition_ais(100, 3)
    assert quick.error > 2 * found[0].error
    x = torch.randint(2, (5, 40))
    torch.testing.assert_close(model.log_prob(x, found[0].value), model.log_prob(x) + truth - found[0].value, atol=1e-3, rtol=0)


def test_a_shipped_machine_knows_its_log_z():
    model = RBM((1, 6, 6), 30)
    model.record = {"numbers": {"log_z": 12.5}}
    x = torch.randint(2, (3, 1, 6, 6))
    torch.testing.assert_close(model.log_prob(x), -model.free_energy(x) - 12.5)


def test_pcd_learns_bars():
    bars = torch.zeros(6, 1, 3, 3)
    for i in range(3):
        bars[i, 0, i], bars[3 + i, 0, :, i] = 1, 1
    torch.manual_seed(1)
    model = RBM((1, 3, 3), 8, chains=200)
    training.fit(model, bars.repeat(50, 1, 1, 1), steps=700, batch_size=100, lr=0.03, schedule="linear", progress=False)
    with torch.no_grad():
        assert model.log_prob(bars).mean() > math.log(1 / 6) - 0.7 and model.log_prob(bars).exp().sum() > 0.5


# --- a network as an energy


def small(classes=0, **options):
    torch.manual_seed(0)
    return NeuralEnergy((1, 8, 8), width=4, classes=classes, replay=40, **options)


def test_a_classifier_read_as_an_energy():
    model, x, y = shaken(small(3), 0.1), torch.rand(5, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1])
    logits = model.logits(x)
    torch.testing.assert_close(model.energy(x), -logits.exp().sum(1).log())
    torch.testing.assert_close(model.energy(x, y), -logits[torch.arange(5), y])
    # p(y | x) = exp(−E(x, y)) / exp(−E(x)) is the classifier's own
    torch.testing.assert_close((model.energy(x) - model.energy(x, y)).exp(), logits.softmax(1)[torch.arange(5), y])
    with torch.no_grad():  # moving all logits changes the density of x, and no p(y | x)
        model.head.bias += 2.0
    torch.testing.assert_close(model.logits(x).softmax(1), logits.softmax(1))
    torch.testing.assert_close(model.energy(x), -logits.logsumexp(1) - 2)


def test_the_walk_of_a_neural_energy_is_step_by_step_the_formula():
    model, x = shaken(small(step=7.0, noise=0.01), 0.1), 0.3 + 0.4 * torch.rand(4, 1, 8, 8)
    torch.manual_seed(3)
    found = model.walk(x, 2)
    torch.manual_seed(3)
    for _ in range(2):
        x = x.requires_grad_()
        (g,) = torch.autograd.grad(model.energy(x).sum(), x)
        x = (x - 7.0 * g.clamp(-0.03, 0.03) + 0.01 * torch.randn_like(x)).clamp(0, 1).detach()
    torch.testing.assert_close(found, x, atol=1e-5, rtol=1e-4)


def test_chains_go_down_and_stay_inside_and_take_their_places_in_training_alone():
    model = shaken(small(), 0.1)
    x = torch.rand(16, 1, 8, 8)
    after = model.walk(x, 30)
    assert model.energy(after).mean() < model.energy(x).mean() and after.min() >= 0 and after.max() <= 1
    before = model.replay.clone()
    model.eval().loss(x)
    assert model.replay.equal(before)
    model.train().loss(x)
    changed = (model.replay != before).flatten(1).any(1).sum()
    assert 5 < changed <= 16  # some of 40 were drawn twice


def test_a_step_of_training_lowers_the_data_and_raises_the_dreams():
    model = small(decay=0.0)
    x = 0.2 * torch.rand(32, 1, 8, 8)
    dreams = datasets.to_float(model.replay)
    gap = (model.energy(x).mean() - model.energy(dreams).mean()).item()
    optimiser = torch.optim.SGD(model.parameters(), 0.5)
    for _ in range(5):
        optimiser.zero_grad()
        model.loss(x).backward()
        optimiser.step()
    assert model.energy(x).mean() - model.energy(dreams).mean() < gap - 0.01


def test_an_energy_of_digits_knows_them_from_noise_and_its_classes():
    data = datasets.load("digits8", "train")
    model = NeuralEnergy((1, 8, 8), width=8, classes=10, replay=200, steps=5)
    training.fit(model, (data.images(), data.y), steps=200, batch_size=32, lr=5e-3, clip=1.0, progress=False)
    test = datasets.load("digits8", "test")
    assert (model.logits(test.images()).argmax(1) == test.y).float().mean() > 0.75
    assert model.energy(test.images()).mean() < model.energy(torch.rand(200, 1, 8, 8)).mean() - 0.5
    asked, noise = torch.arange(10).repeat(3), torch.rand(30, 1, 8, 8)
    drawn = model.sample(30, y=asked, steps=20, start=noise)
    assert (model.energy(drawn, asked) - model.energy(noise, asked)).mean() < -0.5
    assert model.sample(4, steps=1).shape == (4, 1, 8, 8)


def test_strangers_are_no_digits():
    x = datasets.load("mnist_small", "test").images()[:6]
    found = strangers(x)
    assert list(found) == ["noise", "negatives", "shuffled", "sprites"] and all(v.shape == x.shape for v in found.values())
    torch.testing.assert_close(found["shuffled"].flatten(1).sort(1).values, x.flatten(1).sort(1).values)
    sizes = strangers(datasets.load("mnist_small", "test").images()[:300])["sprites"].flatten(1).sum(1)
    assert sizes.max() > 4 * sizes.min()  # the smallest of one shape come first


# --- score matching and noise


def test_score_matching_is_the_distance_to_the_true_score_but_for_a_constant():
    target = targets()["Gaussian"]
    x = target.sample(200_000)
    true = -(x - target.mean) @ target.cov.inverse()
    matrix, shift = torch.tensor([[-0.5, 0.2], [0.1, -0.8]]), torch.tensor([0.3, -0.2])

    def score(x):
        return x @ matrix + shift

    distance = 0.5 * (score(x) - true).square().sum(1).mean()
    constant = 0.5 * target.cov.inverse().trace()  # ½ E ‖∇log p‖²
    assert (score_matching(score, x) + constant).item() == pytest.approx(distance.item(), abs=0.03)


def test_sliced_score_matching_is_the_full_one_in_expectation():
    net = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 3)).double()
    x = torch.randn(8, 3).double()
    full = score_matching(net, x).item()
    trace = torch.stack([torch.autograd.functional.jacobian(lambda v: net(v[None])[0], row).trace() for row in x])
    assert full == pytest.approx((0.5 * net(x).square().sum(1) + trace).mean().item(), rel=1e-9)
    draws = torch.stack([sliced_score_matching(net, x).detach() for _ in range(1500)])
    assert abs(draws.mean().item() - full) < 4.5 * draws.std().item() / 1500**0.5
    assert draws.std() > 0.01
    many = torch.stack([sliced_score_matching(net, x, 16).detach() for _ in range(200)])
    assert many.std() < draws.std() / 3
    images = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1))  # whatever the shape, and with a gradient for the weights
    sliced_score_matching(images, torch.rand(2, 1, 4, 4)).backward()
    assert images[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_denoising_finds_the_score_of_the_noisy_data(sigma):
    x = 1.5 * torch.randn(400_000, 1)
    noisy = 1.5**2 + sigma**2
    best = min(np.linspace(0.5, 1.5, 11), key=lambda k: denoising_score_matching(lambda x: -k * x / noisy, x, sigma).item())
    assert best == pytest.approx(1.0)
    torch.manual_seed(0)
    a = denoising_score_matching(lambda x: -x, x, sigma)
    torch.manual_seed(0)
    b = denoising_score_matching(lambda x: -x, x, torch.full((len(x),), sigma))
    torch.testing.assert_close(a, b)


def test_telling_data_from_noise_finds_the_missing_constant():
    class Bowl(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.log_z = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(0.0))

        def forward(self, x):
            return -0.5 * self.a * x.square().sum(1) - self.log_z

    model, std = Bowl(), 0.7
    q = Normal(0.0, 1.5)
    x, noise = std * torch.randn(20_000, 2), 1.5 * torch.randn(40_000, 2)
    optimiser = torch.optim.LBFGS(model.parameters(), max_iter=50)

    def closure():
        optimiser.zero_grad()
        loss = noise_contrastive(model, lambda x: q.log_prob(x).sum(1), x, noise)
        loss.backward()
        return loss

    optimiser.step(closure)
    assert model.a.item() == pytest.approx(1 / std**2, rel=0.03)
    assert model.log_z.item() == pytest.approx(math.log(2 * math.pi * std**2), abs=0.03)
    # at the truth the classifier cannot be bettered: its loss is that of the true log odds
    odds = Normal(0.0, std).log_prob(x).sum(1) - q.log_prob(x).sum(1) - math.log(2)
    back = Normal(0.0, std).log_prob(noise).sum(1) - q.log_prob(noise).sum(1) - math.log(2)
    best = -F.logsigmoid(odds).mean() - 2 * F.logsigmoid(-back).mean()
    assert closure().item() == pytest.approx(best.item(), abs=1e-3)


@pytest.mark.parametrize("objective", ["nce", "sliced", "denoising"])
def test_a_small_energy_learns_eight_modes(objective):
    model = PointEnergy(objective=objective, hidden=(64, 64))
    data = datasets.load("gaussians8", "train").x
    training.fit(model, data, steps=400, batch_size=256, lr=1e-2, progress=False)
    grid, area = plane(160, 6.0), (12 / 160) ** 2
    with torch.no_grad():
        log_z = (-model.energy(grid)).logsumexp(0) + math.log(area)
    if objective == "nce":
        assert model.log_z.item() == pytest.approx(log_z.item(), abs=0.1)
    truth = datasets.toy2d_log_prob("gaussians8", grid).exp()
    with torch.no_grad():
        p = (-model.energy(grid) - log_z).exp()
    apart = 0.5 * (p - truth).abs().sum() * area  # total variation: 1 for strangers
    assert apart < 0.65, "a Gaussian of the right width is 0.8 away"


def test_an_energys_score_passes_gradients_to_its_weights():
    model, x = PointEnergy(hidden=(8,)), torch.randn(4, 2)
    torch.testing.assert_close(model.score(x), -slope(model.energy, x))
    model.score(x).square().sum().backward()
    assert all(p.grad is not None for p in model.net[0].parameters())
    assert model.sample(7, steps=3).shape == (7, 2)


# --- recipes


def test_records_hold_what_the_lecture_reads():
    data = datasets.load("mnist_small", "test")
    data = datasets.Dataset(data.name, data.split, data.x[::50], data.y[::50])
    model = RBM(hidden=6, chains=10)
    model.begin_at(data.images())
    found = measure_rbm(model, data, runs=20, steps=30, n=20)
    assert found["log_z_low"] <= found["log_z_exact"] <= found["log_z_high"] and found["nll"] > 50
    assert found["test_images"] == 20 and found["pseudo_nll"] == pytest.approx(found["nll"], rel=0.01)  # hardly any weights yet
    energy = NeuralEnergy(width=2, classes=10, replay=10, steps=1).eval()
    found = measure_energy(energy, data, n=10)
    assert {"accuracy", "fid", "auroc_noise", "auroc_softmax_noise"} <= found.keys()
    assert LIVE["cpu"].steps <= 2000
