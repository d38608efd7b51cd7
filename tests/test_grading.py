"""The checks of the exercises: right answers pass, every known mistake is told apart and named, borrowed answers are refused."""

import csv
import itertools
import linecache
import signal
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from torch import nn
from torch.nn import functional as F

from course_lib import distributions
from course_lib.grading import CheckFailed, Goal, Mistake, Task, grid, pipeline
from course_lib.grading.autoencoders import EXPERIMENT, GAUSSIAN_KL, KL_WEIGHT, REPARAMETERISE, TASKS, measure

WRITTEN = [task for task in TASKS if isinstance(task, Task)]

# What a student would type for each task: the right answer, then each known mistake under its label. Written apart from the tasks'
# own references and mistakes, in float32, with other operations.
ANSWERS = {
    "reparameterise": (
        "mean, log_var, noise",
        "mean + torch.exp(log_var / 2) * noise",
        {
            "log σ² used as σ": "mean + log_var * noise",
            "σ² for σ": "mean + torch.exp(log_var) * noise",
            "root of log σ²": "mean + log_var.sqrt() * noise",
            "half σ² for σ": "mean + 0.5 * log_var.exp() * noise",
            "noise not scaled": "mean + noise",
            "noise left out": "mean",
            "mean left out": "torch.exp(log_var / 2) * noise",
            "mean scaled too": "torch.exp(log_var / 2) * (mean + noise)",
            "gradient cut at σ": "mean + torch.exp(log_var.data / 2) * noise",
        },
    ),
    "gaussian_kl": (
        "mean, log_var",
        "-0.5 * torch.sum(1 + log_var - mean**2 - torch.exp(log_var), dim=1)",
        {
            "lost half": "(mean**2 + log_var.exp() - 1 - log_var).sum(1)",
            "mean over latents": "-0.5 * torch.mean(1 + log_var - mean**2 - torch.exp(log_var), dim=1)",
            "sign": "0.5 * torch.sum(1 + log_var - mean**2 - torch.exp(log_var), dim=1)",
            "σ for log σ²": "0.5 * (mean**2 + log_var.exp() ** 2 - 1 - 2 * log_var).sum(1)",
            "σ for σ²": "0.5 * (mean**2 + (0.5 * log_var).exp() - 1 - log_var).sum(1)",
            "log σ² squared": "0.5 * (mean**2 + log_var**2 - 1 - log_var).sum(1)",
            "summed over the batch": "-0.5 * torch.sum(1 + log_var - mean**2 - torch.exp(log_var))",
            "averaged over the batch": "-0.5 * torch.sum(1 + log_var - mean**2 - torch.exp(log_var), dim=1).mean()",
            "lost −1": "0.5 * (mean**2 + log_var.exp() - log_var).sum(1)",
            "sign of log σ²": "0.5 * (mean**2 + log_var.exp() - 1 + log_var).sum(1)",
            "directions swapped": "0.5 * (log_var + (1 + mean**2) / log_var.exp() - 1).sum(1)",
        },
    ),
    "elbo": (
        "x, logits, kl",
        "(x * logits - F.softplus(logits)).sum((1, 2, 3)) - kl",
        {
            "the loss": "kl + F.binary_cross_entropy_with_logits(logits, x, reduction='none').sum((1, 2, 3))",
            "−log p for log p": "F.binary_cross_entropy_with_logits(logits, x, reduction='none').sum((1, 2, 3)) - kl",
            "averaged over everything": "-F.binary_cross_entropy_with_logits(logits, x) - kl",
            "summed over everything": "-F.binary_cross_entropy_with_logits(logits, x, reduction='sum') - kl",
            "KL added": "(x * logits - F.softplus(logits)).sum((1, 2, 3)) + kl",
            "KL left out": "(x * logits - F.softplus(logits)).sum((1, 2, 3))",
            "averaged over pixels": "(x * logits - F.softplus(logits)).mean((1, 2, 3)) - kl",
            "averaged over the batch": "((x * logits - F.softplus(logits)).sum((1, 2, 3)) - kl).mean()",
            "sigmoid, then log": (
                "(x * torch.log(torch.sigmoid(logits)) + (1 - x) * torch.log(1 - torch.sigmoid(logits))).sum((1, 2, 3)) - kl"
            ),
            "sigmoid, then clamped log": "-F.binary_cross_entropy(torch.sigmoid(logits), x, reduction='none').sum((1, 2, 3)) - kl",
            "sigmoid twice": "-F.binary_cross_entropy_with_logits(logits.sigmoid(), x, reduction='none').sum((1, 2, 3)) - kl",
            "squared error": "-((x - torch.sigmoid(logits)) ** 2).sum((1, 2, 3)) - kl",
            "dark pixels forgotten": "-(x * F.softplus(-logits)).sum((1, 2, 3)) - kl",
        },
    ),
    "iwae_bound": (
        "log_likelihood, log_prior, log_posterior",
        "torch.logsumexp(log_likelihood + log_prior - log_posterior, 0) - math.log(len(log_prior))",
        {
            "mean of the logs": "(log_likelihood + log_prior - log_posterior).mean(0)",
            "log k forgotten": "torch.logsumexp(log_likelihood + log_prior - log_posterior, 0)",
            "divided by k after the log": "torch.logsumexp(log_likelihood + log_prior - log_posterior, 0) / log_prior.shape[0]",
            "underflow": "torch.log(torch.mean(torch.exp(log_likelihood + log_prior - log_posterior), 0))",
            "a small number in the log": "torch.log(torch.mean(torch.exp(log_likelihood + log_prior - log_posterior), 0) + 1e-8)",
            "one largest for the batch": (
                "(m := (w := log_likelihood + log_prior - log_posterior).max()) + torch.log(torch.exp(w - m).mean(0))"
            ),
            "wrong axis": "torch.logsumexp(log_likelihood + log_prior - log_posterior, 1) - math.log(log_prior.shape[1])",
            "posterior multiplied": "torch.logsumexp(log_likelihood + log_prior + log_posterior, 0) - math.log(len(log_prior))",
            "posterior left out": "torch.logsumexp(log_likelihood + log_prior, 0) - math.log(len(log_prior))",
            "prior left out": "torch.logsumexp(log_likelihood - log_posterior, 0) - math.log(len(log_prior))",
            "largest weight": "(log_likelihood + log_prior - log_posterior).max(0).values",
        },
    ),
    "kl_weight": (
        "step, warm_up, beta, cycle=None",
        "beta if not warm_up else beta * min((step % cycle if cycle else step) / warm_up, 1)",
        {
            "no cap": "beta if not warm_up else beta * (step % cycle if cycle else step) / warm_up",
            "β forgotten": "beta if not warm_up else min((step % cycle if cycle else step) / warm_up, 1.0)",
            "capped at 1": "beta if not warm_up else min(1.0, beta * (step % cycle if cycle else step) / warm_up)",
            "capped at β": "beta if not warm_up else min(beta, (step % cycle if cycle else step) / warm_up)",
            "0 without a warm-up": "0.0 if not warm_up else beta * min((step % cycle if cycle else step) / warm_up, 1)",
            "a jump": "beta if not warm_up else beta * min((step % cycle if cycle else step) // warm_up, 1)",
            "falling": "beta if not warm_up else beta * max(0.0, 1 - (step % cycle if cycle else step) / warm_up)",
            "cycle ignored": "beta if not warm_up else beta * min(step / warm_up, 1)",
            "ramp over the whole cycle": (
                "beta * (step % cycle) / cycle if cycle else (beta if not warm_up else beta * min(step / warm_up, 1))"
            ),
            "one step early": "beta if not warm_up else beta * min(((step % cycle if cycle else step) + 1) / warm_up, 1)",
        },
    ),
    "detect": (
        "normal_scores, scores, rate",
        "(torch.quantile(normal_scores, 1 - rate), scores > torch.quantile(normal_scores, 1 - rate))",
        {
            "wrong tail": "(torch.quantile(normal_scores, rate), scores > torch.quantile(normal_scores, rate))",
            "threshold from the new data": "(torch.quantile(scores, 1 - rate), scores > torch.quantile(scores, 1 - rate))",
            "flags reversed": "(torch.quantile(normal_scores, 1 - rate), scores < torch.quantile(normal_scores, 1 - rate))",
            "percent": "(torch.quantile(normal_scores, 1 - rate / 100), scores > torch.quantile(normal_scores, 1 - rate / 100))",
            "mean plus two σ": (
                "(normal_scores.mean() + 2 * normal_scores.std(), scores > normal_scores.mean() + 2 * normal_scores.std())"
            ),
            "the maximum": "(max(normal_scores), scores > max(normal_scores))",
            "the threshold flagged": "(torch.quantile(normal_scores, 1 - rate), scores >= torch.quantile(normal_scores, 1 - rate))",
            "no interpolation": "(t := normal_scores.sort()[0][int(len(normal_scores) * (1 - rate))], scores > t)",
            "two-sided": "(torch.quantile(normal_scores, 1 - rate / 2), scores > torch.quantile(normal_scores, 1 - rate / 2))",
        },
    ),
    "auroc": (
        "normal_scores, anomalous_scores",
        "(0.5 + 0.5 * torch.sign(anomalous_scores[:, None] - normal_scores[None])).mean()",
        {
            "reversed": "(0.5 + 0.5 * torch.sign(normal_scores[:, None] - anomalous_scores[None])).mean()",
            "ties lost": "(anomalous_scores[:, None] > normal_scores[None]).float().mean()",
            "ties won": "(anomalous_scores[:, None] >= normal_scores[None]).float().mean()",
            "counted": "(0.5 + 0.5 * torch.sign(anomalous_scores[:, None] - normal_scores[None])).sum()",
            "divided by the images": (
                "(0.5 + 0.5 * torch.sign(anomalous_scores[:, None] - normal_scores)).sum() / (len(normal_scores) + len(anomalous_scores))"
            ),
            "paired in order": "sum(0.5 + 0.5 * torch.sign(a - n) for n, a in zip(normal_scores, anomalous_scores)) / "
            "min(len(normal_scores), len(anomalous_scores))",
            "best accuracy": (
                "max(((anomalous_scores >= t).sum() + (normal_scores < t).sum()) / (len(normal_scores) + len(anomalous_scores)) "
                "for t in torch.cat([normal_scores, anomalous_scores]))"
            ),
        },
    ),
    "free_bits": (
        "kl, floor",
        "torch.clamp(kl.mean(0), min=floor).sum()",
        {
            "floor before the mean": "torch.clamp(kl, min=floor).sum(1).mean()",
            "one floor for all latents": "torch.clamp(kl.mean(0).sum(), min=floor)",
            "capped": "torch.clamp(kl.mean(0), max=floor).sum()",
            "floor added": "(kl.mean(0) + floor).sum()",
            "mean over latents": "torch.clamp(kl.mean(0), min=floor).mean()",
        },
    ),
    "resampling_weights": (
        "density, alpha",
        "torch.softmax(-torch.log(density + alpha).sum(1), 0)",
        {
            "not normalised": "torch.exp(-torch.log(density + alpha).sum(1))",
            "common, not rare": "torch.softmax(torch.log(density + alpha).sum(1), 0)",
            "sum over latents": "F.normalize((1 / (density + alpha)).sum(1), p=1, dim=0)",
            "α left out": "torch.softmax(-torch.log(density).sum(1), 0)",
            "α after the product": "F.normalize(1 / (torch.prod(density, 1) + alpha), p=1, dim=0)",
        },
    ),
}
# Settings that land in each region of the experiment.
SETTINGS = {
    "collapsed": '{"beta": 4.0}',
    "warm-up not over": '{"beta": 1.0, "warm_up": 5000}',
    "KL too cheap": '{"beta": 0.1, "warm_up": 700}',
    "KL too dear": '{"beta": 2.0}',
    "too dear too early": '{"beta": 1.0}',
}


def code(task: str, expression: str) -> str:
    """The student's cell with this expression as the answer."""
    return f"import math\n\ndef {task}({ANSWERS[task][0]}):\n    return {expression}\n"


def define(source: str, name: str, **names):
    """Run a student's cell as a notebook does, with its lines known to tracebacks."""
    file = f"<cell {len(linecache.cache)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace = {"torch": torch, "F": F, **names}
    exec(compile(source, file, "exec"), namespace)
    return namespace[name]


def failure(task: Task, answer, hidden: bool = False) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        task.check(answer, hidden=hidden)
    return caught.value


# --------------------------------------------------------------------------------------------------------------------
# Every task and every mistake


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("task", WRITTEN, ids=lambda task: task.name)
def test_a_right_answer_passes(task, hidden, capsys):
    task.check(define(code(task.name, ANSWERS[task.name][1]), task.name), hidden=hidden)
    n = len(task.hidden_cases if hidden else task.cases)
    assert capsys.readouterr().out == f"✓ {task.name}: {n} of {n} {'hidden ' * hidden}cases\n"


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize(("task", "number"), [(t, i) for t in WRITTEN for i in range(len(t.mistakes))], ids=lambda v: getattr(v, "name", v))
def test_a_known_mistake_is_rejected_with_its_hint(task, number, hidden):
    mistake = task.mistakes[number]
    error = failure(task, define(code(task.name, ANSWERS[task.name][2][mistake.label]), task.name), hidden)
    if hidden and not error.kind.startswith("m"):
        pytest.fail(f"rejected, but not recognised on the hidden inputs: {error}")
    assert error.kind == f"m{number + 1}"
    assert str(error) == f"✗ {task.name}: {mistake.hint} [{task.name}/m{number + 1}]"


@pytest.mark.parametrize("task", WRITTEN, ids=lambda task: task.name)
def test_no_two_mistakes_look_the_same(task):
    for cases in (task.cases, task.hidden_cases):
        versions = {m.label: [task._expected(m.wrong, case) for case in cases] for m in task.mistakes}
        versions["right"] = [task._expected(task.reference, case) for case in cases]
        for (a, first), (b, second) in itertools.combinations(versions.items(), 2):
            assert not all(task._equal(x, y) for x, y in zip(first, second)), f"{a} and {b} agree on every input"


def test_each_task_has_at_least_four_mistakes_with_their_own_labels_and_hints():
    for task in TASKS:
        assert len(task.mistakes) >= 4
        assert len({m.label for m in task.mistakes}) == len({m.hint for m in task.mistakes}) == len(task.mistakes)
        expected = SETTINGS if isinstance(task, Goal) else ANSWERS[task.name][2]
        assert [m.label for m in task.mistakes] == list(expected)


@pytest.mark.parametrize("task", WRITTEN, ids=lambda task: task.name)
def test_hidden_inputs_differ_and_checks_draw_no_random_numbers(task):
    seen = [str(case) for case in task.cases]
    assert task.hidden_cases and not any(str(case) in seen for case in task.hidden_cases)
    before = torch.random.get_rng_state()
    task.check(define(code(task.name, ANSWERS[task.name][1]), task.name))
    assert torch.equal(before, torch.random.get_rng_state())


# --------------------------------------------------------------------------------------------------------------------
# What else can be wrong with an answer

KL = "0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1)"


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("raise NotImplementedError()", "blank", "not answered yet"),
        (f"value = {KL}", "none", "returned None: is there a `return`?"),
        (f"return ({KL})[:, None]", "shape", "should have shape (4,), yours has (4, 1)"),
        (f"return ({KL}).round().long()", "dtype", "should be floating point, yours is whole numbers (torch.int64)"),
        (f"return ({KL}).numpy()", "type", "should be a tensor of shape (4,), yours is a numpy.ndarray"),
        (f"return {KL}, 1", "type", "1 result asked for, yours returns 2"),
        (f"return ({KL}) * float('nan')", "nan", "is NaN in case 1 (mean (4, 3), log_var (4, 3))"),
        (f"return ({KL}) / 0", "nan", "is infinite in case 1"),
        (f"return {KL} + 0.25 * (mean[:, 0] > 0.5)", "value", "off by up to 0.25 at [3], in case 1"),
        ("return mean @ log_var", "error", "RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
        ("return 0.5 * (mean ** 2 + log_var.exp() - 1 - log_var).sum(dimension=1)", "error", "in line 2 of your cell: `return 0.5"),
        ("raise SystemExit", "error", "SystemExit: no message"),
        ("return 0.5 * helper(mean)", "error", "NameError: name 'helper' is not defined"),
        ("mean.pow_(2)\n    return 0.5 * (mean + log_var.exp() - 1 - log_var).sum(1)", "in place", "changes its input mean in place"),
        (f"return {KL} + torch.randn(len(mean))", "random", "two calls with the same inputs gave two answers"),
    ],
)
def test_other_faults_are_named(body, kind, said):
    error = failure(GAUSSIAN_KL, define(f"def answer(mean, log_var):\n    {body}\n", "answer"))
    assert error.kind == kind
    assert said in str(error)


def test_wrong_number_of_arguments_and_no_function_are_named():
    assert "takes 1 positional argument but 2 were given" in str(failure(GAUSSIAN_KL, define("def f(mean):\n    return mean", "f")))
    assert "a function is asked for, got a tensor of shape (2,)" in str(failure(GAUSSIAN_KL, torch.zeros(2)))


def test_an_in_place_change_is_named_where_gradients_are_asked_for():
    answer = define("def f(mean, log_var, noise):\n    return mean.add_((log_var / 2).exp() * noise)", "f")
    assert "changes its input mean in place" in str(failure(REPARAMETERISE, answer))


def test_a_lost_gradient_is_named():
    detached = define("def f(mean, log_var, noise):\n    return (mean + (log_var / 2).exp() * noise).detach()", "f")
    assert "right values, but no gradient reaches mean or log_var or noise" in str(failure(REPARAMETERISE, detached))
    mean_only = define("def f(mean, log_var, noise):\n    return mean.detach() + (log_var / 2).exp() * noise", "f")
    assert "no gradient reaches mean:" in str(failure(REPARAMETERISE, mean_only))


def test_a_number_and_a_tensor_without_axes_are_one_answer(capsys):
    KL_WEIGHT.check(lambda *given: torch.tensor(define(code("kl_weight", ANSWERS["kl_weight"][1]), "kl_weight")(*given)))
    assert capsys.readouterr().out.startswith("✓")


def test_an_error_in_one_case_only_says_which():
    error = failure(KL_WEIGHT, lambda step, warm_up, beta, cycle: beta * min(1, (step % cycle if cycle else step) / warm_up))
    assert "ZeroDivisionError" in str(error) and "case 5 (step = 30, warm_up = 0, beta = 1.5, cycle = None)" in str(error)


def test_warnings_and_stderr_of_an_answer_do_not_fail_it(capfd):
    body = "def f(mean, log_var):\n    import sys, warnings\n    warnings.warn('mind')\n    print('x', file=sys.stderr)\n    return " + KL
    GAUSSIAN_KL.check(define(body, "f"))
    assert capfd.readouterr().err == ""  # nbgrader takes anything on stderr for a failure


# --------------------------------------------------------------------------------------------------------------------
# Borrowed answers


@pytest.mark.parametrize(
    "source",
    [
        "from course_lib.distributions import gaussian_kl as answer",
        "from course_lib.distributions import gaussian_kl\n\ndef answer(mean, log_var):\n    return gaussian_kl(mean, log_var)",
        "import course_lib.distributions as d\n\ndef answer(mean, log_var):\n    return d.gaussian_kl(mean, log_var)",
        "def answer(mean, log_var):\n    from course_lib import distributions\n    return distributions.gaussian_kl(mean, log_var)",
        "from importlib import import_module as i\n\ndef answer(*a):\n    module = i('course_' + 'lib.distributions')\n"
        "    return getattr(module, 'gaussian' + '_kl')(*a)",
        "import functools\nfrom course_lib.distributions import gaussian_kl\nanswer = functools.partial(gaussian_kl)",
        "from course_lib.distributions import DiagonalGaussian as D\n\ndef answer(mean, log_var):\n    return D(mean, log_var).kl()",
        "from course_lib.grading.autoencoders import GAUSSIAN_KL\nanswer = GAUSSIAN_KL.reference",
        "from course_lib.grading.autoencoders import GAUSSIAN_KL\nanswer = GAUSSIAN_KL.yours_or_ours({})",
        "from course_lib.distributions import gaussian_kl as k\n\ndef answer(m, v):\n    try:\n        return k(m, v)\n"
        "    except BaseException:\n        return m",
    ],
)
def test_a_borrowed_answer_is_refused_however_it_is_imported(source):
    error = failure(GAUSSIAN_KL, define(source, "answer"))
    assert error.kind == "library"
    assert "your function runs course_lib." in str(error)


def test_switching_the_watch_off_is_noticed():
    source = "import sys\nfrom course_lib.distributions import gaussian_kl as k\n\ndef answer(m, v):\n    sys.setprofile(None)\n"
    source += "    return k(m, v)\n"
    assert failure(GAUSSIAN_KL, define(source, "answer")).kind == "library"
    assert sys.getprofile() is None


def test_the_library_works_again_after_a_check():
    failure(GAUSSIAN_KL, distributions.gaussian_kl)
    assert distributions.gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 3)).tolist() == [0.0, 0.0]


def test_using_the_library_for_the_inputs_is_no_borrowing(capsys):
    GAUSSIAN_KL.check(define(code("gaussian_kl", ANSWERS["gaussian_kl"][1]), "gaussian_kl", grid=grid, course=distributions))
    assert "✓" in capsys.readouterr().out


def test_a_notebook_shows_the_message_and_no_stack():
    error = failure(GAUSSIAN_KL, define(code("gaussian_kl", ANSWERS["gaussian_kl"][2]["lost half"]), "gaussian_kl"))
    assert error._render_traceback_() == [str(error)]
    assert isinstance(error, AssertionError)


def test_yours_or_ours(capsys):
    mine = define(code("gaussian_kl", ANSWERS["gaussian_kl"][1]), "gaussian_kl")
    assert GAUSSIAN_KL.yours_or_ours({"gaussian_kl": mine}) is mine
    assert capsys.readouterr().out == ""
    for namespace in ({}, {"gaussian_kl": lambda mean, log_var: 2 * mine(mean, log_var)}):
        ours = GAUSSIAN_KL.yours_or_ours(namespace)
        assert "gaussian_kl: yours does not pass its check yet" in capsys.readouterr().out
        mean = grid(4, 3).requires_grad_()
        result = ours(mean, grid(4, 3))
        assert result.dtype == torch.float32
        torch.testing.assert_close(result, mine(mean, grid(4, 3)))
        result.sum().backward()
        torch.testing.assert_close(mean.grad, mean.detach())  # d/dμ of ½ μ²


# --------------------------------------------------------------------------------------------------------------------
# The experiment


@pytest.mark.parametrize(
    ("measured", "label"),
    [
        ({"ELBO": -24.7, "latents in use": 0, "KL": 0.0}, "collapsed"),
        ({"ELBO": -20.3, "latents in use": 5, "KL": 8.8, "warmed up": 0.5}, "warm-up not over"),
        ({"ELBO": -21.5, "latents in use": 2, "KL": 1.8, "warmed up": 0.5}, "KL too dear"),
        ({"ELBO": -28.4, "latents in use": 8, "KL": 18.0}, "KL too cheap"),
        ({"ELBO": -20.2, "latents in use": 4, "KL": 7.1}, "KL too cheap"),
        ({"ELBO": -21.5, "latents in use": 2, "KL": 1.8}, "KL too dear"),
        ({"ELBO": -19.2, "latents in use": 3, "KL": 4.2}, "too dear too early"),
    ],
)
def test_the_experiment_hints_by_region(measured, label):
    with pytest.raises(CheckFailed) as caught:
        EXPERIMENT.check({"warmed up": 1.0} | measured)
    number = [m.label for m in EXPERIMENT.mistakes].index(label)
    assert caught.value.kind == f"m{number + 1}"
    assert EXPERIMENT.mistakes[number].hint in str(caught.value)
    assert f"ELBO {measured['ELBO']:.4g} (goal: at least -19.6)" in str(caught.value)


def test_the_experiment_passes_at_its_goal_and_a_met_goal_stays_met_in_the_hidden_test(capsys):
    EXPERIMENT.check({"ELBO": -19.6, "latents in use": 4, "KL": 5.0})
    EXPERIMENT.check({"ELBO": -19.8, "latents in use": 3, "KL": 5.0}, hidden=True)
    assert capsys.readouterr().out.count("✓ experiment: ELBO") == 2
    with pytest.raises(CheckFailed):
        EXPERIMENT.check({"ELBO": -20.0, "latents in use": 3, "KL": 5.0}, hidden=True)


@pytest.mark.parametrize(("measured", "said"), [(None, "got a NoneType"), ({"ELBO": 1.0}, "latents in use missing")])
def test_the_experiment_says_what_is_missing(measured, said):
    with pytest.raises(CheckFailed, match=said):
        EXPERIMENT.check(measured)


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("raise NotImplementedError()", "blank", "not answered yet"),
        ("pass", "none", "should return a dict with beta and, if you like, warm_up or cycle; yours returns a NoneType"),
        ("return 1.0, 700", "type", "yours returns a tuple"),
        ("return {}", "type", "yours has nothing"),
        ("return {'warm_up': 700}", "type", "yours has warm_up"),
        ("return {'beta': 1.0, 'steps': 9000}", "type", "yours has beta, steps"),
    ],
)
def test_other_settings_are_refused_in_one_sentence(body, kind, said):
    with pytest.raises(CheckFailed) as caught:
        EXPERIMENT.chosen(define(f"def settings():\n    {body}\n", "settings"))
    assert caught.value.kind == kind and said in str(caught.value)


def test_settings_are_handed_on():
    assert EXPERIMENT.chosen(lambda: {"beta": 1.0, "cycle": 400}) == {"beta": 1.0, "cycle": 400}


def test_the_experiment_names_divergence():
    with pytest.raises(CheckFailed, match="Training diverged"):
        EXPERIMENT.check({"ELBO": float("nan"), "latents in use": 8, "KL": 1.0})


def test_a_number_just_short_of_a_goal_is_close():
    goal = Goal("height", {"metres": 2.0}, [Mistake("tiny", lambda m: m["metres"] < 1, "Grow.")], slack={"metres": 0.0})
    with pytest.raises(CheckFailed, match=r"metres 1.9 \(goal: at least 2\). Close: keep tuning. \[height/value\]"):
        goal.check({"metres": 1.9})


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
    assert got["warmed up"] == 1  # a model that says nothing of its warm-up
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


# --------------------------------------------------------------------------------------------------------------------
# The pipeline, without running a notebook


def cell(name: str, source: str, kind: str = "code", **meta):
    make = new_code_cell if kind == "code" else new_markdown_cell
    return make(source, metadata={"nbgrader": {"grade_id": name, "schema_version": 3, "solution": False, "grade": False, **meta}})


def release():
    return new_notebook(
        cells=[
            new_markdown_cell("Write it."),
            cell("kl", "def kl(mean):\n    raise NotImplementedError()", solution=True),
            cell("check_kl", "KL.check(kl)", locked=True),
            cell("grade_kl", "# hidden", grade=True, locked=True, points=2),
            cell("question", "Why?", "markdown", locked=True),
            cell("answer", "YOUR ANSWER HERE", "markdown", solution=True, grade=True, points=1),
        ]
    )


def answered():
    notebook = release()
    notebook.cells[1].source = "def kl(mean):\n    return mean"
    notebook.cells[5].source = "Because."
    return notebook


def sources(notebook):
    return [c.source for c in notebook.cells]


def test_repair_leaves_a_good_submission_alone():
    repaired, remarks = pipeline.repair(answered(), release())
    assert sources(repaired) == sources(answered()) and remarks == []


def test_repair_keeps_a_students_own_cells_in_place():
    submitted = answered()
    submitted.cells.insert(2, new_code_cell("print('mine')"))
    repaired, remarks = pipeline.repair(submitted, release())
    assert sources(repaired) == sources(submitted) and remarks == []


def test_repair_takes_the_last_of_several_copies_and_says_so():
    submitted = answered()
    submitted.cells.insert(2, cell("kl", "def kl(mean):\n    return 2 * mean", solution=True))
    repaired, remarks = pipeline.repair(submitted, release())
    assert remarks == ["kl was there 2 times: the last one counts"]
    named = [c for c in repaired.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "kl"]
    assert [c.source for c in named] == ["def kl(mean):\n    return 2 * mean"]
    assert "def kl(mean):\n    return mean" in sources(repaired)  # the earlier one stays as a cell of the student's own


def test_repair_puts_deleted_cells_back():
    submitted = answered()
    del submitted.cells[1:4]
    repaired, remarks = pipeline.repair(submitted, release())
    assert sources(repaired) == [*sources(release())[:5], "Because."]
    assert remarks == ["kl was deleted: put back blank", "check_kl was deleted: put back", "grade_kl was deleted: put back"]


def test_repair_restores_changed_tests():
    submitted = answered()
    submitted.cells[3].source = "print('✓')"
    repaired, remarks = pipeline.repair(submitted, release())
    assert sources(repaired) == sources(answered())
    assert remarks == ["grade_kl was changed: put back as it was"]


def test_repair_changes_retyped_cells_back():
    submitted = answered()
    submitted.cells[1] = cell("kl", submitted.cells[1].source, "markdown", solution=True)
    submitted.cells[2] = cell("check_kl", "KL.check(kl)", "raw", locked=True)
    repaired, remarks = pipeline.repair(submitted, release())
    assert sources(repaired) == sources(answered())
    assert [c.cell_type for c in repaired.cells] == [c.cell_type for c in release().cells]
    assert remarks == ["kl had become a markdown cell: changed back to code", "check_kl was changed: put back as it was"]
    nbformat.validate(repaired)


def test_repair_finds_answers_whose_metadata_was_lost():
    submitted = answered()
    for each in submitted.cells:
        each.metadata = {}
    repaired, remarks = pipeline.repair(submitted, release())
    assert sources(repaired) == sources(answered()) and remarks == []
    assert repaired.cells[1].metadata.nbgrader.grade_id == "kl"


def test_repaired_notebooks_have_unique_ids_and_one_cell_a_name():
    submitted = answered()
    submitted.cells += [nbformat.from_dict(c) for c in answered().cells]  # everything copied
    repaired, _ = pipeline.repair(submitted, release())
    names = [c.metadata.nbgrader.grade_id for c in repaired.cells if "nbgrader" in c.metadata]
    assert names == ["kl", "check_kl", "grade_kl", "question", "answer"]
    assert len({c.id for c in repaired.cells}) == len(repaired.cells)
    nbformat.validate(repaired)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no notebook at all"),
        ({"02_x.ipynb": "{ half a noteb"}, "02_x.ipynb cannot be read as a notebook"),
        ({"02_x.ipynb": "[1, 2]"}, "02_x.ipynb cannot be read as a notebook"),
        ({"02_x.ipynb": ""}, "02_x.ipynb cannot be read as a notebook"),
        ({"a.ipynb": "{}", "b.ipynb": "{}"}, "02_x.ipynb is not there (a.ipynb, b.ipynb)"),
    ],
)
def test_an_unreadable_submission_is_refused_in_one_sentence(tmp_path, files, said):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError) as caught:
        pipeline.read(tmp_path, "02_x", [])
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_submission_under_another_name_is_read(tmp_path):
    nbformat.write(answered(), tmp_path / "02_x (1).ipynb")
    remarks = []
    assert sources(pipeline.read(tmp_path, "02_x", remarks)) == sources(answered())
    assert remarks == ["graded 02_x (1).ipynb, the only notebook there"]


def test_mistakes_are_read_from_outputs():
    def said(name, value):
        return new_output("error", ename=name, evalue=value, traceback=[])

    notebook = new_notebook(cells=[cell(f"check_{t}", "") for t in ("gaussian_kl", "elbo", "auroc", "detect")])
    notebook.cells[0].outputs = [said("CheckFailed", "✗ gaussian_kl: exactly twice [too] large. [gaussian_kl/m1]")]
    notebook.cells[1].outputs = [said("CheckFailed", "✗ elbo: not answered yet. [elbo/blank]")]
    notebook.cells[2].outputs = [said("NameError", "name 'auroc' is not defined")]
    notebook.cells[3].outputs = [said("CellTimeoutError", "")]
    assert pipeline.mistakes_in(notebook, pipeline.tasks_of("02_autoencoders")) == {
        "gaussian_kl": "lost half",
        "elbo": "not answered",
        "auroc": "NameError",
        "detect": "does not end",
    }


def test_the_report_counts_mistakes_and_shows_what_is_open(tmp_path):
    report = pipeline.Report(
        "02_x",
        {"kl": 2.0, "answer": 1.0},
        [
            pipeline.Submission("ada", {"kl": 2.0, "answer": None}, graded=True),
            pipeline.Submission("bob", {"kl": 0.0, "answer": 0.0}, {"kl": "lost half"}, ["kl was deleted: put back blank"], graded=True),
            pipeline.Submission("cyd", {"kl": 0.0, "answer": 0.5}, {"kl": "lost half"}, graded=True),
            pipeline.Submission("dee", remarks=["not graded: no notebook"]),
        ],
    )
    text = str(report)
    assert "ada       2       ?      2" in text and "dee       –       –      –" in text and "at most   2       1      3" in text
    assert "  kl    2 × lost half" in text and "bob: kl was deleted: put back blank" in text and "? is graded by hand" in text
    report.write_csv(tmp_path / "report.csv")
    rows = list(csv.reader((tmp_path / "report.csv").open(encoding="utf-8-sig")))
    assert rows[0] == ["student", "kl", "answer", "total", "mistakes", "remarks"]
    assert rows[3] == ["bob", "0", "0", "0", "kl: lost half", "kl was deleted: put back blank"]
    assert len(rows) == 6


def test_no_submissions_is_said_in_one_sentence(tmp_path, capsys):
    assert pipeline.grade("02_autoencoders", tmp_path / "none", grading=tmp_path) is None
    said = capsys.readouterr().out
    assert said.startswith("No submissions in ") and "a notebook STUDENT.ipynb or a folder STUDENT/" in said and said.count("\n") == 1


def test_submissions_are_found_as_files_and_in_folders(tmp_path):
    folder, submitted = tmp_path / "in", tmp_path / "submitted"
    for file in ("ada.ipynb", "bob/anything.ipynb", "cyd/02_x/02_x.ipynb", "notes.txt", "empty/readme.md"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(file)
    assert pipeline.collect(folder, "02_x", submitted) == {
        "ada": submitted / "ada" / "02_x",
        "bob": folder / "bob",
        "cyd": folder / "cyd" / "02_x",
    }
    assert (submitted / "ada" / "02_x" / "02_x.ipynb").read_text() == "ada.ipynb"


def test_an_unknown_assignment_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"no assignment '2'; there are .*02_autoencoders"):
        pipeline.grade("2")


def test_a_deadline_ends_what_was_started_and_only_that():
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(sleep) as other:
        with pipeline.deadline(0.2) as late, subprocess.Popen(sleep, start_new_session=True) as process:
            assert process.wait(timeout=30) == -signal.SIGKILL
        assert late.is_set() and other.poll() is None
        with pipeline.deadline(30) as late, subprocess.Popen([sys.executable, "-c", ""]) as process:
            assert process.wait(timeout=30) == 0
        assert not late.is_set()
        other.kill()


def test_why_nbgrader_failed_is_one_line():
    log = "[ERROR] There was an error\n[ERROR] Traceback:\n  File 'x'\nnbclient.exceptions.DeadKernelError: Kernel died\n"
    error = "Traceback\nnbgrader.converters.base.NbGraderException: Please see the above\n"
    assert pipeline._failure({"success": False, "log": log, "error": error}) == "nbclient.exceptions.DeadKernelError: Kernel died"
    assert pipeline._failure({"success": True}) is None
