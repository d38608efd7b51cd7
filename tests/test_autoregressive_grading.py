"""Exercise 05: what its goal measures, and truths that come from elsewhere than the right answers."""

import answers
import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli
from torch.nn import functional as F

from course_lib.grading.autoregressive import DEPENDS, LIKELIHOOD, measure
from course_lib.grading.fixtures import convolutions, pixels

both = pytest.mark.parametrize("grading", [False, True], ids=["visible", "hidden"])


def cases(task, grading: bool):
    return answers.hidden("autoregressive", task)() if grading else task.cases


def paths(model: nn.Sequential, size: tuple[int, ...], row: int, column: int) -> torch.Tensor:
    """Which inputs lead to the outputs at a pixel: a 1 at one input alone goes through the sizes of all weights."""
    x = torch.eye(torch.Size(size).numel()).reshape(-1, *size)
    for layer in model:
        if isinstance(layer, nn.Conv2d):
            x = F.conv2d(x.double(), layer.weight.double().abs(), padding=layer.padding)
    return x[:, :, row, column].any(1).reshape(size).any(0)


@both
def test_an_output_depends_on_what_a_path_of_weights_leads_from(grading):
    met = 0
    for model, x, row, column in cases(DEPENDS, grading):
        if any(isinstance(layer, nn.Tanhshrink) for layer in model):  # flat where the input is 0
            assert x.eq(0).any() and not (DEPENDS.answer(model, x, row, column) & ~paths(model, x.shape[1:], row, column)).any()
            continue
        assert torch.equal(DEPENDS.answer(model, x, row, column), paths(model, x.shape[1:], row, column))
        met += 1
    assert met >= 5


@both
def test_the_log_likelihood_is_that_of_independent_coins(grading):
    for logits, x in cases(LIKELIHOOD, grading):
        expected = Bernoulli(logits=logits.double()).log_prob(x.double()).sum(1)
        torch.testing.assert_close(LIKELIHOOD.answer(logits.double(), x.double()), expected)


@pytest.mark.parametrize(("kinds", "causal"), [("AB", 1.0), ("ABB", 1.0), ("BB", 0.0), ("CB", 0.0)])
def test_a_model_is_measured_by_what_it_sees(kinds, causal):
    model = convolutions((1, *[3] * (len(kinds) - 1), 1), kinds, 0.4)
    seen, unseen = pixels(5, 1, 8, 8), pixels(7, 1, 8, 8, step=2.3)
    for state in (torch.no_grad, torch.enable_grad):
        with state():
            measured = measure(model, seen, unseen)
        assert measured["causal"] == causal
        assert measured["reach"] == paths(model, (1, 8, 8), 7, 7).sum()
    costs = [-Bernoulli(logits=model(x)).log_prob(x).mean().item() / torch.tensor(2.0).log().item() for x in (seen, unseen)]
    assert measured["log2 P per pixel"] == pytest.approx(-costs[1], rel=1e-5)
    assert measured["gap"] == pytest.approx(costs[1] - costs[0], abs=1e-6)


def test_a_fair_coin_costs_one_bit_and_reaches_nowhere():
    coin = nn.Conv2d(1, 1, 1)
    nn.init.zeros_(coin.weight)
    nn.init.zeros_(coin.bias)
    expected = {"log2 P per pixel": -1.0, "causal": 1.0, "gap": 0.0, "reach": 0.0}
    assert measure(coin, pixels(3, 1, 8, 8), pixels(4, 1, 8, 8)) == pytest.approx(expected, abs=1e-6)
