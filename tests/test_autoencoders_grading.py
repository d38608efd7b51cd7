"""Exercise 02: what its experiment measures of a VAE, and which settings it takes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib.grading import CheckFailed
from course_lib.grading.autoencoders import EXPERIMENT, measure

# --------------------------------------------------------------------------------------------------------------------
# What is measured of a VAE


def test_measure_equals_the_analytic_elbo():
    """A decoder that ignores z: the likelihood needs no sampling, and the KL is the one that the encoder's bias sets."""
    mean, log_var = torch.tensor([0.0, 1.0, 0.2]), torch.tensor([0.0, -1.0, 0.1])
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(4, 6))
    decoder = nn.Sequential(nn.Linear(3, 4), nn.Unflatten(1, (1, 2, 2)))
    for layer, bias in ((encoder[1], torch.cat([mean, log_var])), (decoder[0], torch.tensor([0.0, 1.0, -2.0, 0.5]))):
        nn.init.zeros_(layer.weight)
        layer.bias.data.copy_(bias)
    x = torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 0]]).reshape(2, 1, 2, 2)
    log_p, log_not_p = F.logsigmoid(decoder[0].bias.double()), F.logsigmoid(-decoder[0].bias.double())
    likelihood = (x.flatten(1) * log_p + (1 - x.flatten(1)) * log_not_p).sum(1).mean()
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).double()
    got = measure(SimpleNamespace(latents=3, encoder=encoder, decoder=decoder), x)
    assert got["ELBO"] == pytest.approx(float((likelihood - kl.sum()).detach()), abs=1e-5)
    assert got["KL"] == pytest.approx(float(kl.sum()), abs=1e-6)
    assert got["final weight / β"] == 1  # a model that says nothing of its warm-up
    assert got["latents in use"] == 1  # KLs of 0, 0.68 and 0.02 nats


def test_measure_averages_over_the_cloud():
    """A decoder whose single logit is z: the expected log-likelihood under N(μ, σ²) by quadrature."""
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    nn.init.zeros_(encoder[1].weight)
    encoder[1].bias.data.copy_(torch.tensor([0.5, -0.4]))
    got = measure(SimpleNamespace(latents=1, encoder=encoder, decoder=lambda z: z.reshape(-1, 1, 1, 1)), torch.ones(500, 1, 1, 1))
    z = torch.linspace(-8, 8, 20001, dtype=torch.double)
    density = torch.distributions.Normal(0.5, float(torch.tensor(-0.2).exp())).log_prob(z).exp()
    expected = torch.trapezoid(density * F.logsigmoid(z), z)
    kl = 0.5 * (0.25 + float(torch.tensor(-0.4).exp()) - 1 + 0.4)
    assert got["ELBO"] == pytest.approx(float(expected) - kl, abs=1e-3)


def test_a_diverged_model_is_named_by_the_goal():
    numbers = measure(
        SimpleNamespace(latents=1, encoder=lambda x: torch.full((len(x), 2), torch.nan), decoder=nn.Identity()), torch.ones(4, 1)
    )
    with pytest.raises(CheckFailed, match="Training diverged"):
        EXPERIMENT.check(numbers)


# --------------------------------------------------------------------------------------------------------------------
# The experiment's settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"beta": -1}, "beta should be a number, 0 or more; yours is -1."),
        ({"beta": "1"}, "beta should be a number, 0 or more; yours is '1'."),
        ({"beta": True}, "beta should be a number, 0 or more; yours is True."),
        ({"beta": float("nan")}, "beta should be a number, 0 or more; yours is nan."),
        ({"beta": 1, "warm_up": -5}, "warm_up should be a number of steps, 0 or more; yours is -5."),
        ({"beta": 1, "warm_up": None}, "warm_up should be a number of steps, 0 or more; yours is None."),
        ({"beta": 1, "cycle": 0}, "cycle should be a number of steps, at least 1, or None; yours is 0."),
        (
            {"warm_up": 700},
            "settings should return a dict with beta and, if you like, warm_up or cycle; beta is missing: yours has warm_up.",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_sentence(given, said):
    with pytest.raises(CheckFailed) as caught:
        EXPERIMENT.chosen(lambda: given)
    assert caught.value.kind == "type" and str(caught.value) == f"✗ experiment: {said} [experiment/type]"


def test_numbers_of_any_kind_will_do():
    given = {"beta": np.float32(1), "warm_up": np.int64(700), "cycle": None}
    assert EXPERIMENT.chosen(lambda: given) == given


@pytest.mark.parametrize("hidden", [False, True])
def test_a_weight_that_never_reaches_beta_is_no_way_round_the_experiment(hidden):
    with pytest.raises(CheckFailed, match="before the weight had risen to β"):
        EXPERIMENT.check({"ELBO": -19.05, "latents in use": 5, "KL": 7.0, "final weight / β": 0.8}, hidden=hidden)
