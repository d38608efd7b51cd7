"""Exercise 08: what its goal measures, the sampler of its bug hunt, and truths that come from elsewhere than the right answers."""

import math
from types import SimpleNamespace

import answers
import jupytext
import pytest
import torch
from torch.distributions import Normal
from torch.nn import functional as F

from course_lib import energy_based
from course_lib.grading import plain
from course_lib.grading.energy_based import (
    CONTRASTIVE_GRADIENT,
    DENOISING_LOSS,
    GIBBS_STEP,
    LANGEVIN_STEP,
    LOG_PARTITION,
    MENDED,
    METROPOLIS_HASTINGS,
    WEIGHED,
    measure,
)
from course_lib.grading.fixtures import gamma_energy

both = pytest.mark.parametrize("grading", [False, True], ids=["visible", "hidden"])


def cases(task, grading: bool):
    return answers.hidden("energy_based", task)() if grading else task.cases


@both
def test_the_slope_of_log_z_is_the_mean_of_every_unit(grading):
    for couplings, bias, temperature in cases(LOG_PARTITION, grading):
        couplings, bias = couplings.double(), bias.double().requires_grad_()
        (slope,) = torch.autograd.grad(LOG_PARTITION.answer(couplings, bias, temperature), bias)
        s = energy_based.states(len(bias)).double()
        p = ((0.5 * ((s @ couplings) * s).sum(1) + s @ bias) / temperature).softmax(0)
        torch.testing.assert_close(slope, p @ s / temperature)


def test_a_step_of_metropolis_and_hastings_leaves_the_density_as_it_is():
    """Exact samples of N(0, 1), moved by a proposal that leans, are samples of N(0, 1)."""
    with plain():
        x = torch.randn(200_000, 1)
        y = 0.7 * x + 0.4 + 0.9 * torch.randn_like(x)
        log_q = lambda to, given: Normal(0.7 * given + 0.4, 0.9).log_prob(to).sum(1)  # noqa: E731
        found, moved = METROPOLIS_HASTINGS.answer(x, y, lambda x: 0.5 * x.square().sum(1), log_q, torch.rand(200_000))
        assert 0.3 < moved.float().mean() < 0.95
        assert abs(float(found.mean())) < 0.012 and abs(float(found.var()) - 1) < 0.016
        wrong = {mistake.label: mistake.forms[0][1] for mistake in METROPOLIS_HASTINGS.known}
        for label in ("proposal forgotten", "proposal inverted"):
            found, _ = wrong[label](x, y, lambda x: 0.5 * x.square().sum(1), log_q, torch.rand(200_000))
            assert abs(float(found.mean())) > 0.05, label


def test_langevins_walk_has_the_variance_that_its_step_says():
    """ULA on N(0, 1) ends in the variance 1 / (1 − η / 2). Source: as `energy_based.ula`."""
    with plain():
        x, step = torch.randn(50_000, 1), 0.3
        for _ in range(40):
            x = LANGEVIN_STEP.answer(x, lambda x: 0.5 * x.square().sum(1), step, torch.randn_like(x))
    assert float(x.var()) == pytest.approx(1 / (1 - step / 2), rel=0.03)


def test_denoising_is_least_at_the_score_of_the_noisy_data():
    """Data N(0, 1) with noise of width σ are N(0, 1 + σ²): among s(x) = −a x the best a is 1 / (1 + σ²)."""
    with plain():
        x, noise = torch.randn(100_000, 1), torch.randn(100_000, 1)
        sigma = torch.full((100_000,), 0.7)
        losses = {a: float(DENOISING_LOSS.answer(lambda x, a=a: -a * x, x, sigma, noise)) for a in torch.linspace(0.3, 1.2, 91).tolist()}
    assert min(losses, key=losses.get) == pytest.approx(1 / 1.49, abs=0.02)


@both
def test_weights_agree_with_the_librarys(grading):
    for log_p, log_q, values in cases(WEIGHED, grading):
        log_w, values = log_p.double() - log_q.double(), values.double()
        log_z, ess, mean = WEIGHED.answer(log_p.double(), log_q.double(), values)
        torch.testing.assert_close(ess, energy_based.weight_ess(log_w))
        torch.testing.assert_close(mean, energy_based.self_normalised(values, log_w)[0])
        if len(log_w) > 1:
            assert float(log_z) == pytest.approx(energy_based.log_z(log_w).value)


def test_a_gibbs_step_leaves_the_machine_as_it_is_and_its_direction_is_the_exact_slope():
    """By enumeration: the chances of every pair (v, h) to go to every v, and the slope of the exact log-likelihood."""
    with plain(torch.float64):
        weight, b, c = torch.randn(3, 2), torch.randn(3), torch.randn(2)
        v = energy_based.states(3).double()
        p = (v @ b + F.softplus(v @ weight + c).sum(1)).softmax(0)
        draws = 40_000
        start = v[torch.multinomial(p, draws, replacement=True)]
        _, after = GIBBS_STEP.answer(start, weight, b, c, torch.rand(draws, 2), torch.rand(draws, 3))
        counted = torch.bincount((after @ torch.tensor([4.0, 2.0, 1.0])).long(), minlength=8) / draws
        torch.testing.assert_close(counted, p, rtol=0, atol=0.012)

        data = v[[1, 6, 6, 7]]
        parameters = [each.clone().requires_grad_() for each in (weight, b, c)]
        free = lambda x, W, b, c: x @ b + F.softplus(x @ W + c).sum(1)  # noqa: E731
        exact = torch.autograd.grad((free(data, *parameters).mean() - free(v, *parameters).logsumexp(0)), parameters)
        dream = v.repeat_interleave((p * 200_000).round().long(), 0)  # as often as the machine dreams of it
        for found, slope in zip(CONTRASTIVE_GRADIENT.answer(data, dream, weight, c), exact):
            torch.testing.assert_close(found, slope, rtol=0, atol=1e-4)


def long_run(sampler, steps=600, chains=400):
    """Mean and variance of what it makes of a gamma density of shape 3 and scale 1, from exact starts; both are truly 3."""
    generator = torch.Generator().manual_seed(0)
    x = -torch.rand(3, chains, generator=generator).log().sum(0)
    noise, uniform = torch.randn(steps, chains, generator=generator), torch.rand(steps, chains, generator=generator)
    path = sampler(x, gamma_energy, 2.0, noise, uniform)
    return torch.stack([path.mean(), path.var()])


def test_the_mended_sampler_has_the_right_density_and_each_bug_alone_has_not():
    with plain():
        right, few = torch.tensor([3.0, 3.0]), torch.tensor([0.06, 0.15])
        assert ((long_run(MENDED.answer) - right).abs() < few).all()
        wrong = {mistake.label: mistake.forms[0][1] for mistake in MENDED.known}
        for label in ("as it was given", "ratio", "stale energy", "refused ones not recorded", "ratio inverted", "proposals recorded"):
            assert ((long_run(wrong[label]) - right).abs() > 3 * few).any(), label


def test_the_sampler_that_students_are_given_has_the_three_bugs():
    cells = jupytext.read(answers.ROOT / "solutions/08_energy_based/08_energy_based.py").cells
    [source] = [cell.source for cell in cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "careless"]
    names = {"torch": torch}
    exec(source, names)
    assert MENDED.known[0].label == "as it was given"
    for case in MENDED.cases:
        torch.testing.assert_close(names["careless"](*case), MENDED.known[0].forms[0][1](*case))


def test_pixels_are_measured_as_coins_where_nothing_pulls_and_drawings_by_the_digit_network():
    on = torch.tensor([0.2, 0.5, 0.9])
    coins = SimpleNamespace(weight=torch.zeros(3, 4), visible_bias=on.logit(), hidden_bias=torch.ones(4), steps=7)
    drawn = (torch.arange(40 * 784).view(40, 784) % 5 == 0).float()
    found = measure(coins, torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]), drawn)
    expected = (math.log(0.2) + math.log(0.8)) / 2 + math.log(0.5) + math.log(0.9)
    assert found["pixels"] == pytest.approx(expected, rel=1e-5)
    assert found["steps"] == 7 and found["minus FID"] < -500
