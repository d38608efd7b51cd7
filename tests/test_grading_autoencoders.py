"""Exercise 02: what it measures of a VAE, and answers that look right but must not pass."""

import linecache
from types import SimpleNamespace

import answers
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib.grading import CheckFailed, Task
from course_lib.grading.autoencoders import EXPERIMENT, TASKS, measure

BY_NAME = {task.name: task for task in TASKS}
FORMS = [
    pytest.param(task, number, form, id=f"{task.name}-m{number + 1}-{i}")
    for task in TASKS
    if isinstance(task, Task)
    for number, mistake in enumerate(task.mistakes)
    for i, form in enumerate(mistake.forms, 1)
]
both = pytest.mark.parametrize("hidden", [False, True])


def define(name: str, answer: str):
    """A student's function with this answer in it, its lines known to tracebacks."""
    source = answers.cell("autoencoders", name, answer)
    file = f"<cell {len(linecache.cache)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace = {}
    exec(compile(source, file, "exec"), namespace)
    return namespace[name]


def failure(name: str, answer: str, hidden: bool = False) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        BY_NAME[name].check(define(name, answer), hidden=hidden)
    return caught.value


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
# Answers that look right


@both
@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("linear_bottleneck_error", "torch.linalg.eigvals(torch.cov(x.T, correction=0)).real[latents:].sum()"),  # not sorted
        ("linear_bottleneck_error", "torch.linalg.eigvals(torch.cov(x.T, correction=0)).real[:-latents].sum()"),
        ("linear_bottleneck_error", "torch.cov(x.T, correction=0).diagonal()[latents:].sum()"),
        ("denoising_loss", "(reconstruct((x + level * noise).flatten(1)) - x.flatten(1)).square().sum(1).mean()"),  # no images
        ("kl_weight", "beta if not warm_up else beta * min((step - cycle if cycle else step) / warm_up, 1)"),
        ("auroc", "torch.where((d := anomalous_scores[:, None] - normal_scores).abs() < 1e-2, 0.5, (d > 0).float()).mean()"),
        ("detect", "(t := torch.quantile(normal_scores, 1 - rate), scores.abs() > t)"),
        ("free_bits", "kl.mean().clamp(min=floor) * kl.shape[1]"),
    ],
)
def test_what_looks_right_is_rejected(name, answer, hidden):
    failure(name, answer, hidden)


@both
@pytest.mark.parametrize(
    ("name", "answer", "lost"),
    [
        ("gaussian_kl", "0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).detach()", "mean or log_var"),
        ("gaussian_kl", "0.5 * (mean**2 + log_var.detach().exp() - 1 - log_var.detach()).sum(1)", "log_var"),
        ("elbo", "(x * logits - F.softplus(logits)).sum((1, 2, 3)).detach() - kl", "logits"),
        ("elbo", "(x * logits - F.softplus(logits)).sum((1, 2, 3)) - kl.detach()", "kl"),
        ("denoising_loss", "torch.sum((x - reconstruct(x + level * noise)) ** 2, (1, 2, 3)).mean().item()", "reconstruct"),
        ("denoising_loss", "torch.sum((x - reconstruct(x + level * noise).detach()) ** 2, (1, 2, 3)).mean()", "reconstruct"),
        (
            "denoising_loss",
            """
            with torch.no_grad():
                return torch.sum((x - reconstruct(x + level * noise)) ** 2, (1, 2, 3)).mean()
            """,
            "reconstruct",
        ),
        ("free_bits", "kl.mean(0).clamp(min=floor).sum().item()", "kl"),
        ("free_bits", "sum(max(floor, nats.item()) for nats in kl.mean(0))", "kl"),
    ],
)
def test_an_answer_that_nothing_learns_through_is_rejected(name, answer, lost, hidden):
    error = failure(name, answer, hidden)
    assert error.kind == "gradient" and f"right values, but no gradient reaches {lost}: nothing could be learned" in str(error)


def test_a_gradient_that_is_nan_is_named():
    softplus = "torch.where(logits > 0, logits + (1 + torch.exp(-logits)).log(), (1 + torch.exp(logits)).log())"
    assert "right values, but a gradient is NaN" in str(failure("elbo", f"(x * logits - {softplus}).sum((1, 2, 3)) - kl"))


def test_a_graph_broken_by_a_change_in_place_is_named():
    answer = """
        variance = log_var.exp()
        kl = 0.5 * (mean**2 + variance - 1 - log_var).sum(1)
        variance += 1
        return kl
    """
    error = failure("gaussian_kl", answer)
    assert error.kind == "gradient" and "has been modified by an inplace operation" in str(error)


@both
@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("denoising_loss", "F.mse_loss(reconstruct((x + level * noise).detach()), x.detach(), reduction='sum') / len(x)"),
        ("elbo", "torch.distributions.Bernoulli(logits=logits).log_prob(x).sum((1, 2, 3)) - kl"),
        ("linear_bottleneck_error", "float(torch.linalg.eigvals(torch.cov(x.T, correction=0)).real.sort().values[:-latents].sum())"),
    ],
)
def test_other_right_answers_pass(name, answer, hidden, capsys):
    BY_NAME[name].check(define(name, answer), hidden=hidden)
    assert "✓" in capsys.readouterr().out


@pytest.mark.parametrize(("task", "number", "form"), FORMS)
def test_a_form_of_a_mistake_looks_like_no_other_mistake(task, number, form):
    others = [version for i, mistake in enumerate(task.mistakes) if i != number for version in (mistake.wrong, *mistake.forms)]
    for cases in (task.cases, task.hidden_cases):
        outcomes = [task._expected(form, case) for case in cases]
        for other in (task.reference, *others):
            assert not all(task._equal(outcome, task._expected(other, case)) for outcome, case in zip(outcomes, cases))


@both
@pytest.mark.parametrize(
    ("name", "answer", "label"),
    [
        (
            "elbo",
            "(x * ((s := logits.sigmoid()) + 1e-6).log() + (1 - x) * (1 - s + 1e-6).log()).sum((1, 2, 3)) - kl",
            "a small number in the log",
        ),
        (
            "elbo",
            "(x * ((s := logits.sigmoid()) + 1e-12).log() + (1 - x) * (1 - s + 1e-12).log()).sum((1, 2, 3)) - kl",
            "a small number in the log",
        ),
        (
            "elbo",
            "-F.binary_cross_entropy(logits.sigmoid().clamp(1e-5, 1 - 1e-5), x, reduction='none').sum((1, 2, 3)) - kl",
            "probabilities clamped",
        ),
        ("iwae_bound", "((log_likelihood + log_prior - log_posterior).exp() + 1e-10).mean(0).log()", "a small number in the log"),
        ("linear_bottleneck_error", "torch.linalg.svdvals(x - x.mean(0))[latents:].sum() / len(x)", "singular values not squared"),
        ("linear_bottleneck_error", "torch.linalg.eigvalsh(torch.cov(x))[:-latents].sum()", "images as variables"),
        ("kl_weight", "beta * min(1, (step % warm_up) / warm_up) if warm_up else beta", "remainder by the warm-up"),
        (
            "auroc",
            "(0.5 + 0.5 * torch.sign(anomalous_scores[:, None] - normal_scores)).sum() / len(normal_scores)",
            "divided by the images",
        ),
    ],
)
def test_forms_of_a_mistake_get_its_hint(name, answer, label, hidden):
    number = [mistake.label for mistake in BY_NAME[name].mistakes].index(label)
    assert failure(name, answer, hidden).kind == f"m{number + 1}"


@pytest.mark.parametrize(
    ("name", "answer", "kind", "said"),
    [
        (
            "linear_bottleneck_error",
            "torch.linalg.eigvals(torch.cov(x.T, correction=0))[latents:].sum()",
            "dtype",
            "the result is complex (torch.complex64), in case 1",
        ),
        (
            "linear_bottleneck_error",
            "torch.linalg.eigvalsh(torch.cov(x.T, correction=0))[::-1][latents:].sum()",
            "error",
            "step must be greater than zero; torch cannot step backwards: `.flip(0)` turns a tensor round, in line",
        ),
        (
            "elbo",
            "torch.distributions.Bernoulli(logits=logits).log_prob(x / 2).sum((1, 2, 3)) - kl",
            "error",
            "found invalid values: tensor([[[[0.0000, 0.5000,",
        ),
        (
            "gaussian_kl",
            "torch.from_numpy(0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).numpy())",
            "error",
            "gradients must pass through this function: stay with torch",
        ),
    ],
)
def test_errors_are_told_in_full_and_in_one_line(name, answer, kind, said):
    error = failure(name, answer)
    assert error.kind == kind and said in str(error) and "\n" not in str(error)


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
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_sentence(given, said):
    with pytest.raises(CheckFailed) as caught:
        EXPERIMENT.chosen(lambda: given)
    assert caught.value.kind == "type" and str(caught.value) == f"✗ experiment: {said} [experiment/type]"


def test_an_error_in_the_settings_is_told_in_one_line():
    with pytest.raises(CheckFailed, match="ZeroDivisionError: division by zero, in line") as caught:
        EXPERIMENT.chosen(lambda: {"beta": 1 / 0})
    assert caught.value.kind == "error"


def test_numbers_of_any_kind_will_do():
    given = {"beta": np.float32(1), "warm_up": np.int64(700), "cycle": None}
    assert EXPERIMENT.chosen(lambda: given) == given


@both
def test_a_weight_that_never_reaches_beta_is_no_way_round_the_experiment(hidden):
    with pytest.raises(CheckFailed, match="before the weight had risen to β"):
        EXPERIMENT.check({"ELBO": -19.05, "latents in use": 5, "KL": 7.0, "final weight / β": 0.8}, hidden=hidden)
