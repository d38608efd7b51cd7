"""What is special about the explorers of topic 08. What holds for all is in `explorers.py`."""

import functools
import math
import re

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import multivariate_normal
from torch.distributions import Normal
from views import cells, number, picture, set_to, told, words

from course_lib.datasets.toy2d import plane
from course_lib.energy_based import (
    RBM,
    hmc,
    ising_energy,
    magnetisation,
    mala,
    metropolis,
    onsager_energy,
    onsager_magnetisation,
    states,
    targets,
    tempered,
    ula,
)
from course_lib.widgets.energy_based import (
    ChainExplorer,
    CompositionExplorer,
    GibbsExplorer,
    ImportanceExplorer,
    IsingExplorer,
    PartitionExplorer,
)
from course_lib.widgets.energy_based.chains import LEAPS, METHODS, tempered_moments
from course_lib.widgets.energy_based.machines import TEMPERATURES

HMC = list(METHODS)[-1]


@functools.cache
def rbm(shape=(1, 4, 4), hidden=6):
    """A machine with weights that matter."""
    generator = torch.Generator().manual_seed(0)
    made = RBM(shape, hidden)
    with torch.no_grad():
        for p in made.parameters():
            p.copy_(0.5 * torch.randn(p.shape, generator=generator))
    return made.eval()


def pictures_of(side=4, n=3):
    return (torch.rand(n, 1, side, side, generator=torch.Generator().manual_seed(1)) > 0.5).float()


def walking():
    return ChainExplorer("Gaussian", "MALA", 0.5)


def short():
    """One that is made again in a moment: for checks that move every control."""
    return ChainExplorer("Gaussian", steps=40)


def at(explorer, **values):
    """Set several controls, and draw once."""
    with explorer.held():
        for name, value in values.items():
            getattr(explorer, name).value = value
    return set_to(explorer)


def sampled():
    return GibbsExplorer(rbm(), pictures_of())


def partition():
    return PartitionExplorer(rbm(), pictures_of())


# --- chains


@pytest.mark.parametrize("temperature", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("name", list(targets()))
def test_the_right_moments_of_a_tempered_shape_are_those_of_a_fine_grid(name, temperature):
    target = targets()[name]
    if name == "8 modes":
        x = y = torch.arange(-6, 6, 0.05, dtype=torch.float64)
    else:
        x, y = (torch.arange(-14, end, 0.1, dtype=torch.float64) for end in (14, 100 if name == "banana" else 14))
    places = torch.cartesian_prod(x, y)
    p = (-target.energy(places.float()).double() / temperature).softmax(0)[:, None]
    mean = (p * places).sum(0)
    variance = (p * (places - mean).square()).sum(0)
    found = tempered_moments(target, temperature)
    torch.testing.assert_close(found[0].double(), mean, atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(found[1].double(), variance, atol=2e-3, rtol=5e-3)


RUNS = {
    "random walk": metropolis,
    "Langevin (ULA)": ula,
    "MALA": mala,
    HMC: lambda energy, x, step, steps: hmc(energy, x, step, LEAPS, steps),
}


@pytest.mark.parametrize("method", list(METHODS))
def test_the_chains_are_those_of_the_library(method):
    explorer = at(short(), method=method, shape="banana", step=0.05, temperature=2.0, seed=3, steps=50)
    energy, x, path = tempered(targets()["banana"].energy, 2.0), explorer.first(), []
    with torch.random.fork_rng():
        for i in range(2):
            torch.manual_seed(3000 + i)
            made = RUNS[method](energy, x, 0.05, explorer.BLOCK)
            path.append(made.path[1:])
            x = made.path[-1]
    path = torch.cat(path)
    assert explorer.walked().path[1:].equal(path)
    later = path[explorer.BLOCK - 1 :].double()  # half of the path with its start
    assert number(r"mean x₁ (…)", told(explorer) + explorer.view.value) == pytest.approx(later[..., 0].mean().item(), abs=6e-4)
    assert number(r"var x₂ (…)", explorer.view.value) == pytest.approx(later[..., 1].var(unbiased=False).item(), abs=6e-4)


def test_going_on_is_the_same_as_starting_there():
    once, stepwise = short(), short()
    for k in (0, 3, 40, 120, 75):
        stepwise.steps.value = k
    once.steps.value = 75
    assert once.view.value == stepwise.view.value


def test_a_walk_that_works_has_samples_whose_moments_are_right():
    explorer = walking()
    assert "samples: the second half" in explorer.view.value and "Farthest off" in words(explorer)
    chains = explorer.walked()
    assert chains.trouble is None and chains.r_hat < 1.1
    assert f"R-hat is {chains.r_hat:.2f}" in words(explorer) and f"acceptance {chains.acceptance:.0%}" in words(explorer)
    for right, (value, error) in zip([1, -1, 2, 1], explorer.found(chains)):
        assert abs(value - right) < 5 * error and 0 < error < 0.5


@pytest.mark.parametrize(
    "change, said",
    [
        ({"method": "Langevin (ULA)", "shape": "banana", "step": 1.0}, "chains diverged, the first at step"),
        ({"method": "MALA", "shape": "8 modes", "step": 5.0, "start": "spread out"}, "chains never moved in 300 steps (acceptance"),
        ({"method": "random walk", "shape": "8 modes", "step": 0.5}, "the chains tell different stories (R-hat"),
        ({"steps": 7}, "7 steps are too few"),
        ({"steps": 0}, "nobody has moved yet"),
    ],
)
def test_what_are_no_samples_is_said_and_not_drawn_as_samples(change, said):
    explorer = at(walking(), **change)
    assert said in words(explorer) and "no samples" in explorer.view.value
    assert "samples: the second half" not in explorer.view.value
    assert not re.search(r"\b(nan|inf)\b", told(explorer) + words(explorer))


def test_chains_that_never_moved_have_an_r_hat_that_is_no_number():
    explorer = at(short(), method="MALA", shape="8 modes", step=5.0)
    assert "16 of 16 chains never moved in 40 steps (acceptance 0.00%)" in words(explorer) and "R-hat undefined." in words(explorer)
    explorer.start.value = "spread out"
    assert "R-hat ∞." in words(explorer)


def test_chains_that_all_missed_seven_modes_pass_the_diagnostics_but_not_the_moments():
    explorer = at(walking(), shape="8 modes", method="MALA", step=0.05)
    assert explorer.walked().trouble is None
    assert "R-hat and ESS find nothing wrong, yet" in words(explorer) and "nobody entered" in words(explorer)


def test_a_long_step_without_correction_is_wrong_by_the_closed_form():
    explorer = at(walking(), method="Langevin (ULA)", chains=64, start="spread out")
    assert explorer.walked().trouble is None and "a long one makes the density another" in words(explorer)
    # along each eigenvector of the covariance the variance ends at σ² / (1 − η / 2σ²)
    sizes, vectors = np.linalg.eigh(np.array([[2.0, 1.0], [1.0, 1.0]]))
    wrong = np.diag(vectors @ np.diag(sizes / (1 - explorer.step.value / (2 * sizes))) @ vectors.T)
    for (value, error), ends in zip(explorer.found(explorer.walked())[2:], wrong):
        assert abs(value - ends) < 5 * error


def test_a_step_of_nought_is_refused_in_a_sentence():
    for method in METHODS:
        explorer = at(short(), method=method, step=0.0)
        assert "must be above 0, got 0" in words(explorer) and "<svg" not in explorer.view.value
        explorer.static()


# --- composition


def test_what_is_composed_is_the_sum_the_soft_minimum_and_the_difference():
    explorer, x = CompositionExplorer(), plane(9, 4.0)
    explorer.weight1.value, explorer.weight2.value = 1.5, 0.5
    one, two = (explorer.energies[name](x) for name in ("ring", "stripe"))
    for way, right in {
        "first AND second": 1.5 * one + 0.5 * two,
        "first OR second": -(1.5 * (-one).exp() + 0.5 * (-two).exp()).log(),
        "first AND NOT second": 1.5 * one - 0.5 * two,
    }.items():
        explorer.way.value = way
        torch.testing.assert_close(explorer.composed()(x), right)
    right = -multivariate_normal([0, 0], [[6, 0], [0, 0.5]]).logpdf(x.numpy())
    np.testing.assert_allclose(two.numpy(), right, rtol=1e-5)


def test_the_product_of_two_gaussians_has_the_mean_and_covariance_of_the_closed_form():
    explorer = at(CompositionExplorer(), first="stripe", second="spot", weight2=2.0)
    precision = np.diag([1 / 6, 2.0]) + 2 * np.eye(2)
    mean, cov = np.linalg.solve(precision, 2 * np.array([1.5, 1.5])), np.linalg.inv(precision)
    x = explorer.drawn().path[-1].numpy()
    assert np.abs(x.mean(0) - mean).max() < 5 * math.sqrt(cov.max() / len(x))
    assert np.abs(np.cov(x.T) - cov).max() < 0.12
    assert "samples of chains" in explorer.view.value


def test_the_shares_said_are_those_of_the_chains_and_of_the_density():
    explorer = CompositionExplorer()
    x = explorer.drawn().path[-1]
    near = (0.5 * ((x.norm(dim=1) - 3) / 0.4) ** 2 < 3).float().mean().item()
    assert number(r"(…)% end where ring is likely", words(explorer)) == pytest.approx(100 * near, abs=0.6)
    right = number(r"ring is likely \(right: (…)%", words(explorer)) / 100

    def mass(low, high):
        """Of the product in polar coordinates; the stripe along the ring by a sum."""
        x, y = np.cos(angle := np.linspace(0, 2 * np.pi, 721)[:-1]), np.sin(angle)
        return quad(lambda r: r * np.exp(-0.5 * (((r - 3) / 0.4) ** 2 + (r * x) ** 2 / 6 + (r * y) ** 2 / 0.5)).mean(), low, high)[0]

    width = 0.4 * math.sqrt(6)
    assert right == pytest.approx(mass(3 - width, 3 + width) / mass(0, 10), abs=0.01)


def test_a_density_without_a_finite_mass_is_said():
    explorer = at(CompositionExplorer(), first="spot", second="stripe", way="first AND NOT second", weight2=2.0)
    assert "There is no such density" in words(explorer) and "no density" in explorer.view.value
    explorer.weight2.value = 0.4  # 1 > 0.4 / 0.5
    assert "There is no such density" not in words(explorer)


def test_a_density_that_lies_far_away_is_not_called_infinite():
    """Ring less three stripes: 3.125 (r − 3)² − 3 r² across the stripe, least at r = 75, beyond ten planes, and finite."""
    explorer = at(CompositionExplorer(), first="ring", second="stripe", way="first AND NOT second", weight2=3.0)
    assert "far outside the picture" in words(explorer) and "no density in sight" in explorer.view.value
    explorer.weight1.value = 0.9  # 2.81 < 3
    assert "There is no such density" in words(explorer)


def test_chains_in_wrong_shares_are_not_called_samples():
    explorer = at(CompositionExplorer(), first="8 modes", second="stripe", way="first AND NOT second", weight2=0.5)
    assert "not the right shares" in words(explorer) and "samples of chains" not in explorer.view.value


# --- Ising


def test_the_numbers_are_those_of_the_lattice_that_is_shown():
    explorer = at(IsingExplorer(), temperature=2.5, sweeps=33)
    alt, pixels = picture(explorer, "spins")
    up = pixels.reshape(32, -1, 32, pixels.shape[1] // 32, 3)[:, 0, :, 0, 0] > 100
    spins = torch.from_numpy(2.0 * up - 1)
    assert spins.equal(explorer.lattice().double())
    assert f"mean spin {magnetisation(spins):+.2f}" in explorer.view.value
    unlike = ((up != np.roll(up, 1, 0)).mean() + (up != np.roll(up, 1, 1)).mean()) / 2
    assert number(r"(…)% of the neighbours differ", alt) == pytest.approx(100 * unlike, abs=0.6)
    place = TEMPERATURES.index(2.5)
    all_of_it = torch.cat([explorer.block(i) for i in range(-1, 4)])[16:34, place]
    assert number(r"at 2.5 (…), Onsager 0.000", told(explorer)) == pytest.approx(all_of_it.mean((1, 2)).abs().mean().item(), abs=6e-4)
    energy = ising_energy(all_of_it)
    assert number(r"energy of a spin against the temperature; at 2.5 (…)", told(explorer)) == pytest.approx(
        energy.mean().item() / 1024, abs=6e-4
    )
    explorer.chart.value = "heat capacity"
    right = energy.var().item() / (2.5**2 * 1024)
    assert number(r"heat capacity of a spin against the temperature; at 2.5 (…)", told(explorer)) == pytest.approx(right, abs=6e-4)


def test_from_a_cold_start_the_lattices_follow_onsager_away_from_the_transition():
    explorer = at(IsingExplorer(), start="cold: all up", sweeps=200)
    spin, energy, _ = explorer.later()
    for i, t in enumerate(TEMPERATURES):
        if abs(t - 2.269) > 0.15:
            assert abs(float(spin[i]) - onsager_magnetisation(t)) < (0.02 if t < 2.269 else 0.35)
            assert float(energy[i]) == pytest.approx(onsager_energy(t), abs=0.05)


def test_domains_that_are_left_are_said():
    explorer = IsingExplorer()
    assert "has not forgotten its start" in words(explorer)  # the first picture
    explorer.start.value = "cold: all up"
    assert "has taken a side" in words(explorer)
    explorer.sweeps.value = 0
    assert "mean spin +1.00" in explorer.view.value


# --- Gibbs


def test_a_half_sweep_draws_one_layer_and_keeps_what_is_held():
    explorer = at(sampled(), keep="lower half", start="noise")
    v, shade, on, free = explorer.film()
    digit = pictures_of()[0].flatten()
    assert (v[:, :, 8:] == digit[8:]).all() and set(v.unique().tolist()) == {0.0, 1.0}
    assert v[1].equal(v[0]) and not v[2].equal(v[1])  # hidden units, then pixels
    model = rbm()
    with torch.no_grad():
        torch.testing.assert_close(on[3], model.hidden_given(v[2].view(-1, 1, 4, 4)))
        torch.testing.assert_close(free[5], model.free_energy(v[5].view(-1, 1, 4, 4)))
    assert number(r"is (…) now", words(explorer)) == pytest.approx(free[-1].mean().item(), abs=0.06)
    assert number(r"given pictures: (…)\.", words(explorer)) == pytest.approx(model.free_energy(pictures_of()).mean().item(), abs=0.06)


@pytest.mark.parametrize("way", ["layer by layer", "pixel by pixel"])
def test_chains_end_in_the_conditional_of_all_states(way, monkeypatch):
    monkeypatch.setattr(GibbsExplorer, "CHAINS", 3000)
    monkeypatch.setattr(GibbsExplorer, "panels", lambda self: [])
    explorer = at(sampled(), keep="lower half", way=way)
    x = states(8)
    x = torch.cat([x, pictures_of()[0].flatten()[8:].expand(len(x), -1)], 1)
    p = (-rbm().free_energy(x.view(-1, 1, 4, 4))).softmax(0).detach()
    right = (p[:, None] * x).sum(0)[:8]
    found = explorer.film()[0][-1, :, :8].mean(0)
    assert (found - right).abs().max() < 5 * 0.5 / 3000**0.5


def test_a_row_is_drawn_by_the_change_of_free_energy():
    explorer, model = at(sampled(), way="pixel by pixel", keep="nothing"), rbm()
    v, shade, _, _ = explorer.film()
    before, after = v[4], v[5]  # the first row again
    assert after[:, 4:].equal(before[:, 4:])
    last = after.clone().view(-1, 1, 4, 4).repeat(2, 1, 1, 1)
    last[:4, 0, 0, 3], last[4:, 0, 0, 3] = 0, 1
    off, on = model.free_energy(last).detach().split(4)
    torch.testing.assert_close(shade[5][:, 3], (off - on).sigmoid())


def test_what_is_held_is_grey_and_what_is_drawn_is_blue():
    explorer = at(sampled(), keep="upper half")
    sheet = cells(picture(explorer, "pixels of 4 chains")[1], 4, 4)
    grey = (sheet == sheet[..., :1]).all(-1)
    assert grey[:, :2].all() and not grey[:, 2:].any()


# --- importance


@pytest.mark.parametrize("shift, width", [(0.5, 1.3), (1.0, 0.9), (2.0, 2.0)])
def test_the_worth_of_a_draw_is_the_closed_form_of_two_gaussians(shift, width):
    explorer = at(ImportanceExplorer(), target="Gaussian", shift=shift, width=width)
    v = 2 * width**2 - 1
    assert explorer.square_of_weights() == pytest.approx(width**2 / math.sqrt(v) * math.exp(shift**2 / v), rel=1e-6)
    explorer.draws.value = 1000
    assert number(r"a draw is worth ([\d.e+-]+)", told(explorer)) > 0


def test_too_narrow_a_proposal_has_weights_of_infinite_variance():
    explorer = at(ImportanceExplorer(), target="Gaussian", width=0.7, shift=0.0)
    assert math.isinf(explorer.square_of_weights()) and "infinite variance" in words(explorer)
    explorer.width.value = 0.8
    assert "infinite variance" not in words(explorer)


def test_weights_estimate_and_ess_are_those_of_the_definitions():
    explorer = at(ImportanceExplorer(), shift=1.0, width=2.0, dims=3, draws=300)
    x = 1 + 2 * explorer.noise()[:300, :3]
    p = sum(0.5 * Normal(m, 0.6).log_prob(x).exp() for m in (torch.tensor(-2.0).double(), torch.tensor(2.0).double()))
    w = (p.log() - Normal(torch.tensor(1.0).double(), 2.0).log_prob(x)).sum(1).exp()
    ess, mean = w.sum() ** 2 / (w**2).sum(), (w * x[:, 0]).sum() / w.sum()
    error = ((w / w.sum()) ** 2 * (x[:, 0] - mean) ** 2).sum().sqrt()
    assert number(r"effective sample size (…)", told(explorer)) == pytest.approx(ess.item(), abs=0.06)
    found = number(r"estimated as (…) ±", told(explorer)), number(r"± (…);", told(explorer))
    assert found == pytest.approx((mean.item(), error.item()), abs=6e-4)


def test_ess_does_not_see_the_mode_that_no_draw_fell_into():
    explorer = ImportanceExplorer()  # the first picture
    assert number(r"effective sample size (…)", told(explorer)) > 90 and number(r"estimated as (…)", told(explorer)) > 1.8
    assert "ESS finds nothing wrong" in words(explorer)


def test_weights_collapse_with_the_dimension():
    explorer = at(ImportanceExplorer(), target="Gaussian", shift=0.5, width=1.3, draws=1000)
    worth = []
    for dims in (1, 10, 30):
        explorer.dims.value = dims
        worth.append(number(r"effective sample size (…)", told(explorer)))
    assert worth[0] > 700 and worth[0] > worth[1] > worth[2] and worth[2] < 50
    explorer.draws.value = 100
    assert "neither it nor its error can be believed" in words(explorer)


# --- the partition function


def exact(model) -> float:
    v, h = states(16).double(), states(model.hidden).double()
    w, b, c = (p.detach().double() for p in (model.weight, model.visible_bias, model.hidden_bias))
    return (v @ w @ h.T + (v @ b)[:, None] + h @ c).flatten().logsumexp(0).item()


def test_the_exact_line_is_the_sum_over_all_states_and_the_estimate_the_log_of_the_mean_weight():
    explorer = partition()
    assert number(r"exact (…)", told(explorer)) == pytest.approx(exact(rbm()), abs=6e-4)
    found = explorer.estimate(explorer.temperatures.value)
    w = found.log_weights.double()
    assert number(r"log Z is (…)", told(explorer)) == pytest.approx(w.exp().mean().log().item(), abs=6e-4)
    assert number(r"effective sample size (…)", told(explorer)) == pytest.approx(
        (w.exp().sum() ** 2 / (2 * w).exp().sum()).item(), abs=6e-3
    )
    assert number(r"standard deviation (…)", told(explorer)) == pytest.approx(w.std().item(), abs=6e-4)


def test_more_temperatures_narrow_the_weights_and_hit_the_exact_one():
    explorer = at(partition(), runs=100, temperatures=300)
    few, many = explorer.estimate(3), explorer.estimate(300)
    assert many.log_weights.std() < few.log_weights.std() / 3
    assert many.low < exact(rbm()) < many.high and "lies in the interval" in words(explorer)


def test_few_temperatures_on_a_strong_machine_are_said_to_be_too_few():
    strong = RBM((1, 4, 4), 6)
    with torch.no_grad():
        for p, q in zip(strong.parameters(), rbm().parameters()):
            p.copy_(8 * q)
    explorer = at(PartitionExplorer(strong), temperatures=3, runs=10)
    assert "hangs on few runs" in words(explorer) and "interval" in words(explorer)


def test_an_exact_value_from_elsewhere_is_taken_and_recorded_ones_too():
    assert PartitionExplorer(rbm(), exact=7.0).exact == 7.0
    recorded = RBM((1, 4, 4), 6)
    recorded.record = {"numbers": {"log_z_exact": 5.5}}
    assert PartitionExplorer(recorded).exact == 5.5


# --- what is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GibbsExplorer(torch.nn.Linear(2, 2), pictures_of()), "must be an RBM"),
        (lambda: GibbsExplorer(rbm(), torch.zeros(2, 1, 8, 8)), r"images must be \(n, 1, 4, 4\)"),
        (lambda: GibbsExplorer(rbm(), torch.zeros(0, 1, 4, 4)), "n above 0"),
        (lambda: PartitionExplorer(torch.nn.Linear(2, 2)), "must be an RBM"),
        (lambda: PartitionExplorer(RBM((1, 8, 8), 30)), "30 units, and at most 25"),
        (lambda: CompositionExplorer({}), "energies is empty"),
        (lambda: CompositionExplorer({"one": torch.sum}), "two energies or more"),
    ],
)
def test_what_cannot_be_shown_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_controls_lie_above_the_view_for_it_needs_the_whole_width():
    explorer = ImportanceExplorer()
    assert explorer.children[0].children == tuple(explorer.controls) and explorer.children[1] is explorer.view


@pytest.mark.parametrize("make", [short, sampled, partition, CompositionExplorer, IsingExplorer, ImportanceExplorer])
def test_explorers_draw_the_same_again_and_leave_the_lectures_numbers_alone(make):
    rbm()  # made once for all tests, of drawn weights: not by the explorer that is looked at
    before = torch.get_rng_state()
    first, second = make(), make()
    assert first.view.value == second.view.value and torch.get_rng_state().equal(before)
