"""The checks of the exercises: right answers pass, every known mistake is told apart and named, borrowed answers are refused."""

import csv
import itertools
import linecache
import signal
import subprocess
import sys

import answers
import nbformat
import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from torch.nn import functional as F

from course_lib import distributions
from course_lib.grading import CheckFailed, Goal, Mistake, Task, grid, pipeline
from course_lib.grading.autoencoders import EXPERIMENT, GAUSSIAN_KL, KL_WEIGHT, REPARAMETERISE
from course_lib.grading.autoregressive import CONV as MASKED_CONV
from course_lib.grading.gans import CURE, DCGAN, PENALTY, RECEPTIVE, WITH_PLANES

EVERY = [(topic, task) for topic, tasks in answers.TASKS.items() for task in tasks]
WRITTEN = [pytest.param(topic, task, id=f"{topic}-{task.name}") for topic, task in EVERY if isinstance(task, Task)]
GOALS = [pytest.param(topic, task, id=f"{topic}-{task.name}") for topic, task in EVERY if isinstance(task, Goal)]
MISTAKES = [
    pytest.param(topic, task, i, id=f"{topic}-{task.name}-m{i + 1}")
    for topic, task in EVERY
    if isinstance(task, Task)
    for i in range(len(task.mistakes))
]


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
# Every task, goal and mistake of every topic


def test_every_topic_with_tasks_has_answers_and_no_other():
    assert answers.BY_TOPIC.keys() == answers.TASKS.keys()


@pytest.mark.parametrize(("topic", "tasks"), answers.TASKS.items(), ids=answers.TASKS)
def test_each_task_has_at_least_four_mistakes_with_their_own_labels_and_hints(topic, tasks):
    typed = answers.BY_TOPIC[topic]
    for task in tasks:
        assert len(task.mistakes) >= 4
        assert len({m.label for m in task.mistakes}) == len({m.hint for m in task.mistakes}) == len(task.mistakes)
        expected = typed.SETTINGS[task.name] if isinstance(task, Goal) else typed.ANSWERS[task.name][2]
        assert [m.label for m in task.mistakes] == list(expected)
    assert len({task.name for task in tasks}) == len(tasks)


def test_an_answer_may_have_several_lines(capsys):
    body = """
        half = 0.5
        return half * (mean**2 + log_var.exp() - 1 - log_var).sum(1)
    """
    GAUSSIAN_KL.check(define(answers.cell("autoencoders", "gaussian_kl", body), "gaussian_kl"))
    assert "✓" in capsys.readouterr().out


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize(("topic", "task"), WRITTEN)
def test_a_right_answer_passes(topic, task, hidden, capsys):
    task.check(define(answers.right(topic, task.name), task.name), hidden=hidden)
    n = len(task.hidden_cases if hidden else task.cases)
    assert capsys.readouterr().out == f"✓ {task.name}: {n} of {n} {'hidden ' * hidden}cases\n"


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize(("topic", "task", "number"), MISTAKES)
def test_a_known_mistake_is_rejected_with_its_hint(topic, task, number, hidden):
    mistake = task.mistakes[number]
    error = failure(task, define(answers.wrong(topic, task.name, mistake.label), task.name), hidden)
    if hidden and not error.kind.startswith("m"):
        pytest.fail(f"rejected, but not recognised on the hidden inputs: {error}")
    assert error.kind == f"m{number + 1}"
    assert str(error) == f"✗ {task.name}: {mistake.hint} [{task.name}/m{number + 1}]"


@pytest.mark.parametrize(("topic", "task"), WRITTEN)
def test_no_two_mistakes_look_the_same(topic, task):
    for cases in (task.cases, task.hidden_cases):
        versions = {m.label: [task._expected(m.wrong, case) for case in cases] for m in task.mistakes}
        versions["right"] = [task._expected(task.reference, case) for case in cases]
        for (a, first), (b, second) in itertools.combinations(versions.items(), 2):
            assert not all(task._equal(x, y) for x, y in zip(first, second)), f"{a} and {b} agree on every input"
        for mistake in task.mistakes:
            for form in mistake.forms:
                equal = [task._equal(task._expected(form, case), truth) for case, truth in zip(cases, versions["right"])]
                assert not all(equal), f"a form of {mistake.label} is right on every input"


@pytest.mark.parametrize(("topic", "task"), WRITTEN)
def test_hidden_inputs_differ_and_checks_draw_no_random_numbers(topic, task):
    seen = [str(case) for case in task.cases]
    assert task.hidden_cases and not any(str(case) in seen for case in task.hidden_cases)
    before = torch.random.get_rng_state()
    task.check(define(answers.right(topic, task.name), task.name))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(("topic", "goal"), GOALS)
def test_a_goal_hints_by_region(topic, goal):
    regions = answers.BY_TOPIC[topic].REGIONS[goal.name]
    labels = [mistake.label for mistake in goal.mistakes]
    assert {label for _, label in regions} == set(labels)
    for measured, label in regions:
        with pytest.raises(CheckFailed) as caught:
            goal.check(measured)
        number = labels.index(label)
        assert caught.value.kind == f"m{number + 1}", measured
        assert goal.mistakes[number].hint in str(caught.value)
        for key, least in goal.at_least.items():
            assert f"{key} {measured[key]:.4g} (goal: at least {least:.4g})" in str(caught.value)


@pytest.mark.parametrize(("topic", "goal"), GOALS)
def test_a_goal_is_met_at_its_thresholds_and_a_met_one_stays_met_in_the_hidden_test(topic, goal, capsys):
    enough = {key: least - goal.slack[key] for key, least in goal.at_least.items()}
    goal.check(goal.at_least)
    goal.check(enough, hidden=True)
    assert capsys.readouterr().out.count(f"✓ {goal.name}: ") == 2
    numbers, _ = answers.BY_TOPIC[topic].REGIONS[goal.name][0]
    for key, least in enough.items():
        with pytest.raises(CheckFailed):
            goal.check(numbers | enough | {key: least - 1e-3}, hidden=True)


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
    KL_WEIGHT.check(lambda *given: torch.tensor(define(answers.right("autoencoders", "kl_weight"), "kl_weight")(*given)))
    assert capsys.readouterr().out.startswith("✓")


def test_an_error_in_one_case_only_says_which():
    error = failure(KL_WEIGHT, lambda step, warm_up, beta, cycle: beta * min(1, (step % cycle if cycle else step) / warm_up))
    assert "ZeroDivisionError" in str(error) and "case 5 (step = 30, warm_up = 0, beta = 1.5, cycle = None)" in str(error)


def test_warnings_and_stderr_of_an_answer_do_not_fail_it(capfd):
    body = "def f(mean, log_var):\n    import sys, warnings\n    warnings.warn('mind')\n    print('x', file=sys.stderr)\n    return " + KL
    GAUSSIAN_KL.check(define(body, "f"))
    assert capfd.readouterr().err == ""  # nbgrader takes anything on stderr for a failure


# --------------------------------------------------------------------------------------------------------------------
# Answers that are networks, and answers that take gradients


class Own(torch.nn.Module):
    """A student's class around a generator."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers


def test_a_generator_may_be_nested_but_not_be_a_class_of_ones_own(capsys):
    build, sequence = define(answers.right("gans", "dcgan_generator"), "dcgan_generator"), torch.nn.Sequential
    DCGAN.check(lambda *given: sequence(sequence(*build(*given)[:-2]), *build(*given)[-2:]))
    assert "✓" in capsys.readouterr().out
    error = failure(DCGAN, lambda *given: Own(build(*given)))
    assert error.kind == "type" and "an nn.Sequential is asked for, got a test_grading.Own." in str(error)
    assert failure(DCGAN, lambda *given: list(build(*given))).kind == "type"
    assert failure(DCGAN, lambda *given: sequence(*build(*given), Own(sequence()))).kind == "m1"


def test_the_first_rule_that_a_generator_breaks_is_named():
    body = """
        sizes = [latents, *channels]
        layers = []
        for a, b in zip(sizes, channels):
            layers += [nn.ConvTranspose2d(a, b, 3, 2), nn.LeakyReLU()]
        return nn.Sequential(*layers, nn.Sigmoid())
    """
    broken = define(answers.cell("gans", "dcgan_generator", body), "dcgan_generator")
    assert DCGAN.mistakes[int(failure(DCGAN, broken).kind[1:]) - 1].label == "kernel"


@pytest.mark.parametrize(
    ("last", "case"), [("b == channels[-1]", "case 3 (latents = 10, channels = (7, 6, 2, 2))"), ("b == 1", "case 2 (latents = 5")]
)
def test_a_rule_that_is_broken_in_some_cases_only_is_named_with_the_first(last, case):
    body = f"""
        layers, a = [], latents
        for i, b in enumerate(channels):
            last = {last}
            layers.append(nn.ConvTranspose2d(a, b, 4, 2 if i else 1, 1 if i else 0, bias=last))
            layers += [] if last else [nn.BatchNorm2d(b), nn.ReLU()]
            a = b
        return nn.Sequential(*layers, nn.Tanh())
    """
    error = failure(DCGAN, define(answers.cell("gans", "dcgan_generator", body), "dcgan_generator"))
    label = "no batch norm" if "channels" in last else "image normalised"
    assert DCGAN.mistakes[int(error.kind[1:]) - 1].label == label and f"in {case}" in str(error)


def test_building_a_network_in_a_check_leaves_the_random_numbers_alone():
    before = torch.random.get_rng_state()
    DCGAN.check(define(answers.right("gans", "dcgan_generator"), "dcgan_generator"))
    failure(DCGAN, define(answers.wrong("gans", "dcgan_generator", "kernel"), "dcgan_generator"))
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_librarys_own_networks_are_refused():
    source = "from course_lib.gans import Generator\n\ndef f(latents, channels):\n    return Generator((1, 16, 16), latents, 8).layers"
    assert failure(DCGAN, define(source, "f")).kind == "library"


@pytest.mark.parametrize(
    ("slope", "said"),
    [
        (
            "torch.autograd.grad(critic(x), x, create_graph=True)",
            "grad can be implicitly created only for scalar outputs; add the scores up",
        ),
        ("torch.autograd.grad(critic(x.detach()).sum(), x, create_graph=True)", "the point at which you want a gradient has to say so"),
    ],
)
def test_what_goes_wrong_with_a_gradient_comes_with_advice(slope, said):
    body = f"""
        x = (real + fake) / 2
        slope = {slope}
        return slope[0].sum()
    """
    if "detach" not in slope:
        body = body.replace("/ 2", "/ 2\n        x.requires_grad_()")
    error = failure(PENALTY, define(answers.cell("gans", "gradient_penalty", body), "gradient_penalty"))
    assert error.kind == "error" and said in str(error) and "critic = a Sequential, real (2, 2)" in str(error)


def test_differentiating_by_the_parameters_comes_with_advice():
    body = """
        x = ((real + fake) / 2).requires_grad_()
        slopes = torch.autograd.grad(critic(x).sum(), critic.parameters(), create_graph=True)
        return sum((slope.norm() - 1) ** 2 for slope in slopes)
    """
    said = str(failure(PENALTY, define(answers.cell("gans", "gradient_penalty", body), "gradient_penalty")))
    assert "differentiate by the point that you put in" in said and "has to say so" not in said


def test_a_norm_over_three_axes_comes_with_advice():
    for norm in ("slope.norm(dim=(1, 2, 3))", "torch.linalg.norm(slope, dim=(1, 2, 3))", "torch.linalg.vector_norm(slope, dim=(1, 2, 3))"):
        body = """
            u = share.view(-1, *[1] * (real.dim() - 1))
            x = (real + u * (fake - real)).requires_grad_()
            slope = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]
            return ((LENGTH - 1) ** 2).mean()
        """
        error = failure(PENALTY, define(answers.cell("gans", "gradient_penalty", body.replace("LENGTH", norm)), "gradient_penalty"))
        assert error.kind == "error" and "`.flatten(1)`" in str(error), norm


@pytest.mark.parametrize(
    ("planes", "said"),
    [
        (
            "F.one_hot(y, classes)[:, :, None, None]",
            "is this the axis to join along? Then `expand` the smaller one first",
        ),
        ("F.one_hot(y, classes)", "`torch.cat` adds no axes"),
    ],
)
def test_planes_that_are_not_expanded_come_with_advice(planes, said):
    body = f"torch.cat([x, {planes}], 1)"
    error = failure(WITH_PLANES, define(answers.cell("gans", "with_label_planes", body), "with_label_planes"))
    assert error.kind == "error" and said in str(error)


def test_a_list_and_a_tuple_that_do_not_join_come_with_advice():
    error = failure(DCGAN, lambda latents, channels: [latents] + channels)
    assert error.kind == "error" and "`[first, *others]` takes both" in str(error)


def test_a_number_of_numpy_is_a_number(capsys):
    right = define(answers.right("gans", "receptive_field"), "receptive_field")
    RECEPTIVE.check(lambda layers: np.int64(right(layers)))
    KL_WEIGHT.check(lambda *given: np.float32(define(answers.right("autoencoders", "kl_weight"), "kl_weight")(*given)))
    assert capsys.readouterr().out.count("✓") == 2
    assert failure(RECEPTIVE, lambda layers: np.float64(right(layers))).kind == "dtype"
    assert CURE.chosen(lambda: {"rate": np.float32(0.25), "pack": np.int64(2)}) == {"rate": 0.25, "pack": 2}


SOFTPLUS = "softplus = lambda s: s.clamp(min=0) + torch.log1p(torch.exp(-s.abs()))"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("optimal_discriminator", "torch.exp(log_data - torch.logaddexp(log_data, log_model))"),
        ("optimal_discriminator", "torch.exp(log_data - torch.logsumexp(torch.stack([log_data, log_model]), 0))"),
        ("optimal_discriminator", "torch.log_softmax(torch.stack([log_data, log_model]), 0)[0].exp()"),
        ("discriminator_loss", f"{SOFTPLUS}\nreturn softplus(-real).mean() + softplus(fake).mean()"),
        ("generator_loss", f"{SOFTPLUS}\nreturn -softplus(fake).mean() if saturating else softplus(-fake).mean()"),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_other_stable_answers_pass(name, body, hidden, capsys):
    task = next(task for task in answers.TASKS["gans"] if task.name == name)
    task.check(define(answers.cell("gans", name, body), name), hidden)
    assert "✓" in capsys.readouterr().out


KL_BOTH = "kl = lambda a, b: torch.xlogy(a, a / b).sum()"
NAIVE = "kl = lambda a, b: (a * torch.log(a / b)).sum()"


@pytest.mark.parametrize(
    ("name", "label", "body"),
    [
        ("discriminator_loss", "1 minus the score", "-real.sigmoid().log().mean() - (1 - fake).sigmoid().log().mean()"),
        ("discriminator_loss", "another base", "(F.softplus(-real).mean() + F.softplus(fake).mean()) / math.log(2)"),
        ("discriminator_loss", "sigmoid, then log", "-F.logsigmoid(real).mean() - (1 - fake.sigmoid()).log().mean()"),
        (
            "discriminator_loss",
            "scores clamped",
            "-real.clamp(-10, 10).sigmoid().log().mean() - (1 - fake.clamp(-10, 10).sigmoid()).log().mean()",
        ),
        ("generator_loss", "sigmoid, then log", "(1 - fake.sigmoid()).log().mean() if saturating else -F.logsigmoid(fake).mean()"),
        ("generator_loss", "sigmoid, then log", "F.logsigmoid(-fake).mean() if saturating else -fake.sigmoid().log().mean()"),
        ("optimal_discriminator", "0 / 0 covered up", "torch.nan_to_num(log_data.exp() / (log_data.exp() + log_model.exp()), nan=0.5)"),
        ("optimal_discriminator", "0 / 0 covered up", "(log_data.exp() + 1e-12) / (log_data.exp() + log_model.exp() + 1e-12)"),
        ("optimal_discriminator", "0 / 0 covered up", "(log_data.exp() + 1e-12) / (log_data.exp() + log_model.exp() + 2e-12)"),
        ("game_value", "a KL divergence", f"{KL_BOTH}\njs = (kl(p, q) + kl(q, p)) / 2\nreturn 2 * js - math.log(4), js"),
        ("game_value", "a KL divergence", "js = (p * (p / q).log()).sum()\nreturn 2 * js - math.log(4), js"),
        ("game_value", "mixture without its half", f"{KL_BOTH}\njs = kl(p, p + q) / 2 + kl(q, p + q) / 2\nreturn 2 * js - math.log(4), js"),
        ("game_value", "twice the divergence", f"{KL_BOTH}\nm = (p + q) / 2\njs = kl(p, m) + kl(q, m)\nreturn 2 * js - math.log(4), js"),
        ("game_value", "twice the divergence", f"{NAIVE}\njs = kl(p, (p + q) / 2) + kl(q, (p + q) / 2)\nreturn 2 * js - math.log(4), js"),
        ("game_value", "one comparison", f"{NAIVE}\njs = kl(p, (p + q) / 2)\nreturn 2 * js - math.log(4), js"),
        ("game_value", "from the mixture", f"{NAIVE}\nm = (p + q) / 2\njs = (kl(m, p) + kl(m, q)) / 2\nreturn 2 * js - math.log(4), js"),
        ("game_value", "one comparison", f"{KL_BOTH}\njs = kl(p, (p + q) / 2)\nreturn 2 * js - math.log(4), js"),
        (
            "game_value",
            "signs differ",
            "d = p / (p + q)\nv = (p * d.log()).sum() - (q * (1 - d).log()).sum()\nreturn v, v / 2 + math.log(2)",
        ),
        (
            "gradient_penalty",
            "share and length of points",
            "x = (real + share * (fake - real)).requires_grad_()\ng = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]\n"
            "return ((g.norm(dim=1) - 1) ** 2).mean()",
        ),
        (
            "receptive_field",
            "strides added",
            "side, step = 1, 1\nfor kernel, stride in layers:\n    side += (kernel - 1) * step\n    step += stride\nreturn side",
        ),
        ("discriminator_loss", "one count for both", "(F.softplus(-real).sum() + F.softplus(fake).sum()) / len(fake)"),
        ("generator_loss", "only the signs differ", "F.logsigmoid(-fake).mean() if saturating else -F.logsigmoid(-fake).mean()"),
        ("optimal_discriminator", "sigmoid of a ratio", "torch.sigmoid(log_data / log_model)"),
        ("game_value", "value from the divergence", f"{KL_BOTH}\nm = (p + q) / 2\njs = (kl(p, m) + kl(q, m)) / 2\nreturn 2 * js, js"),
        ("closeness", "signs cancel", "torch.exp(-(m[:, None] - m).sum(3)).sum(1) - 1"),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_mistakes_that_a_student_made_are_named(name, label, body, hidden):
    task = next(task for task in answers.TASKS["gans"] if task.name == name)
    error = failure(task, define(answers.cell("gans", name, body), name), hidden)
    assert error.kind.startswith("m") and task.mistakes[int(error.kind[1:]) - 1].label == label, str(error)


COUPLED = "a, b = x.chunk(2, 1)\ns, t = log_scale(a), shift(a)\nreturn torch.cat([a, {}], 1), {}"
EINSUM = "torch.einsum('oc,bchw->bohw', weight, x)"
MIXED = f"log = torch.linalg.slogdet(weight)[1]\nreturn {EINSUM}, ({{}}) * torch.ones(len(x))"
SQUASHED = "s = alpha + (1 - 2 * alpha) * (x + u) / 256\nreturn torch.logit(s), {}"
SLOPE = "(math.log(1 - 2 * alpha) - s.log() - torch.log1p(-s)).sum(1)"


@pytest.mark.parametrize(
    ("name", "label", "body"),
    [
        ("log_density", "density, then log", "x = inverse(y)\nreturn (log_p(x).exp() / slope(x).abs()).log()"),
        ("log_density", "absolute value after the log", "x = inverse(y)\nreturn log_p(x) - slope(x).log().abs()"),
        ("log_density", "slope padded", "x = inverse(y)\nreturn log_p(x) - (slope(x).abs() + 1e-12).log()"),
        ("couple", "product, then log", COUPLED.format("b * s.exp() + t", "torch.det(torch.diag_embed(s.exp())).log()")),
        ("couple", "s bounded", COUPLED.format("b * s.clamp(-5, 5).exp() + t", "s.clamp(-5, 5).sum(1)")),
        ("couple", "s bounded", COUPLED.format("b * s.clamp(-10, 10).exp() + t", "s.clamp(-10, 10).sum(1)")),
        ("uncouple", "scale padded", "a, b = z.chunk(2, 1)\nreturn torch.cat([a, (b - shift(a)) / (log_scale(a).exp() + 1e-8)], 1)"),
        ("total_log_det", "entries padded", "(jacobians.diagonal(dim1=-2, dim2=-1).abs() + 1e-12).log().sum((0, 2))"),
        ("total_log_det", "other axes summed", "jacobians.diagonal(dim1=-2, dim2=-1).abs().log().sum((1, 2))"),
        ("total_log_det", "another diagonal", "jacobians.diagonal().abs().log().sum(0).sum(0)"),
        ("total_log_det", "absolute value of the log", "jacobians.diagonal(dim1=-2, dim2=-1).abs().log().abs().sum((0, 2))"),
        ("total_log_det", "sign times logarithm", "sign, log = torch.linalg.slogdet(jacobians)\nreturn (sign * log).sum(0)"),
        ("log_likelihood", "product, then log", "torch.distributions.Normal(0.0, 1.0).log_prob(z).exp().prod(1).log() + log_dets.sum(0)"),
        ("log_likelihood", "half of the log-dets", "-0.5 * ((z**2).sum(1) + z.shape[1] * math.log(2 * math.pi) + log_dets.sum(0))"),
        ("mix_channels", "one side counted", MIXED.format("x.shape[2] ** 2 * log")),
        ("mix_channels", "batch counted too", MIXED.format("x.numel() * log")),
        ("to_logits", "product, then log", SQUASHED.format("((1 - 2 * alpha) / (s * (1 - s))).prod(1).log()")),
        ("to_logits", "sizes of the logs", SQUASHED.format("((1 - 2 * alpha) / (s * (1 - s))).log().abs().sum(1)")),
        ("to_logits", "logit clipped", SQUASHED.format(SLOPE).replace("logit(s)", "logit(s, eps=1e-3)")),
        ("log_density", "never inverted", "log_p(y)"),
        ("couple", "sign of s", COUPLED.format("b * (-s).exp() + t", "-s.sum(1)")),
        ("couple", "another scale", COUPLED.format("b * (1 + s) + t", "(1 + s).abs().log().sum(1)")),
        ("couple", "log-det for the whole batch", COUPLED.format("b * s.exp() + t", "s.sum().expand(len(x))")),
        ("uncouple", "minus in front", "a, b = z.chunk(2, 1)\nreturn torch.cat([a, (b - shift(a)) * -log_scale(a)], 1)"),
        ("log_likelihood", "divided by D", "torch.distributions.Normal(0.0, 1.0).log_prob(z).mean(1) + log_dets.mean(0)"),
        ("mix_channels", "det, then log", MIXED.format("x[0, 0].numel() * (weight.det().abs() + 1e-12).log()")),
        ("mix_channels", "inverse", MIXED.format("-x[0, 0].numel() * log").replace("', weight,", "', weight.inverse(),")),
        ("to_logits", "alpha on the other side", SQUASHED.format(SLOPE).replace("s = alpha +", "s =")),
        ("to_logits", "not divided", SQUASHED.format(SLOPE).replace("(x + u) / 256", "(x + u / 256)")),
        ("bits_per_dim", "dims on one part", "-(log_p + log_det / dims - dims * math.log(256)) / (dims * math.log(2))"),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_mistakes_that_a_student_made_with_flows_are_named(name, label, body, hidden):
    task = next(task for task in answers.TASKS["flows"] if task.name == name)
    error = failure(task, define(answers.cell("flows", name, body), name), hidden)
    assert error.kind.startswith("m") and task.mistakes[int(error.kind[1:]) - 1].label == label, str(error)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("couple", COUPLED.format("torch.addcmul(t, b, torch.exp(s))", "s.sum(-1)")),
        ("uncouple", "a, b = z.chunk(2, 1)\nreturn torch.cat([a, (b - shift(a)) / log_scale(a).exp()], 1)"),
        ("total_log_det", "torch.linalg.slogdet(jacobians).logabsdet.sum(0)"),
        ("mix_channels", MIXED.format("x[0, 0].numel() * torch.linalg.eigvals(weight).abs().log().sum()")),
        ("mix_channels", MIXED.format("x[0, 0].numel() * torch.linalg.svdvals(weight).log().sum()")),
        ("log_likelihood", "torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1) + log_dets.sum(0)"),
        ("to_logits", SQUASHED.format(SLOPE)),
        (
            "to_logits",
            SQUASHED.format("((1 - 2 * alpha) / (s * (1 - s))).log().sum(1)").replace("torch.logit(s)", "torch.log(s / (1 - s))"),
        ),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_other_right_answers_about_flows_pass(name, body, hidden, capsys):
    task = next(task for task in answers.TASKS["flows"] if task.name == name)
    task.check(define(answers.cell("flows", name, body), name), hidden)
    assert "✓" in capsys.readouterr().out


SORTED = "s, i = logits.sort(1, descending=True)\neach = {}\ninside = each.cumsum(1) - each < p\nreturn "
LEAST = "torch.where(logits >= s.where(inside, torch.inf).amin(1, keepdim=True), logits, -torch.inf)"
SLOPES = "x = x.clone().requires_grad_()\ny = {}\ng = torch.stack([torch.autograd.grad(v, x, retain_graph=True)[0] for v in y])\nreturn {}"
KNOWN = "known = torch.cat([buffer, x[:, :, None]], 2)\ny = F.conv1d(known, weight, bias, dilation=dilation)[:, :, 0]\nreturn {}"


@pytest.mark.parametrize(
    ("name", "label", "body"),
    [
        (
            "log_conditionals",
            "a list as index",
            "torch.stack([joint[x[:, : i + 1]].flatten(1).sum(1).log() for i in range(x.shape[1])], 1)",
        ),
        ("log_likelihood", "sigmoid, then log", "((2 * x - 1) * logits).sigmoid().log().sum(1)"),
        ("log_likelihood", "exp overflows", "(logits * x - torch.log1p(torch.exp(logits))).sum(-1)"),
        ("log_likelihood", "probabilities padded", "torch.where(x > 0, logits.sigmoid(), 1 - logits.sigmoid()).log().nan_to_num().sum(1)"),
        ("causal_mask", "rows below", "1 - (torch.arange(kernel**2) == kernel**2 // 2).float().view(kernel, kernel) * (kind == 'A')"),
        ("masked_conv", "padded on one side", "F.conv2d(F.pad(x, (0, mask.shape[0] - 1, 0, mask.shape[0] - 1)), weight * mask)"),
        ("masked_conv", "mask transposed", "F.conv2d(x, (weight * mask).mT, padding='same')"),
        ("depends_on", "every pixel", SLOPES.format("[model(x).sum()]", "(g != 0).flatten(0, 2).any(0)")),
        ("depends_on", "slopes added", SLOPES.format("model(x)[:, :, row, column].sum(0)", "(g.mean((1, 2)) != 0).any(0)")),
        ("bits_and_perplexity", "log of the bits", "bits = -log_p[real].log2().mean()\nreturn bits, 2**bits"),
        ("bits_and_perplexity", "entropy", "n = -(log_p * log_p.exp())[real].sum()\nreturn n / math.log(2), n.exp()"),
        ("bits_and_perplexity", "padding guessed", "n = -log_p[log_p != 0].mean()\nreturn n / math.log(2), n.exp()"),
        ("top_k", "ties broken", "logits.masked_fill(logits.argsort(1).flip(1).argsort(1) >= k, -math.inf)"),
        ("top_k", "one threshold for all", "logits.masked_fill(logits < logits.topk(min(k, logits.shape[1])).values.min(), -math.inf)"),
        ("nucleus", "logits added", SORTED.format("s") + LEAST),
        ("nucleus", "softmax over the batch", SORTED.format("s.softmax(0)") + LEAST),
        (
            "nucleus",
            "probabilities not sorted",
            SORTED.format("logits.softmax(1)") + "logits.where(inside.gather(1, i.argsort(1)), -torch.inf)",
        ),
        ("nucleus", "nothing goes", SORTED.format("s.log_softmax(1)") + LEAST),
        ("nucleus", "sorted", SORTED.format("s.softmax(1)") + "s.where(inside, -torch.inf)"),
        (
            "nucleus",
            "put back the wrong way",
            SORTED.format("s.softmax(1)") + "s.where(inside, -torch.inf)[torch.arange(len(s))[:, None], i]",
        ),
        ("causal_conv", "late", "F.conv1d(F.pad(x, (weight.shape[2] * dilation, 0)), weight, bias, dilation=dilation)[:, :, : x.shape[2]]"),
        ("step", "buffer shrinks", KNOWN.format("y, known[:, :, dilation:]")),
        ("step", "x not stored", KNOWN.format("y, buffer.roll(-1, 2)")),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_mistakes_that_a_student_made_with_autoregressive_models_are_named(name, label, body, hidden):
    task = next(task for task in answers.TASKS["autoregressive"] if task.name == name)
    error = failure(task, define(answers.cell("autoregressive", name, body), name), hidden)
    assert error.kind.startswith("m") and task.mistakes[int(error.kind[1:]) - 1].label == label, str(error)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (
            "log_conditionals",
            "joint = joint.double()\nm = [joint.reshape(*[2] * i, -1).sum(-1)[x[:, :i].unbind(1)] for i in range(1, x.shape[1] + 1)]\n"
            "return F.pad(torch.stack(m, 1).log(), (1, 0)).diff()",
        ),
        ("log_likelihood", "(x * logits - F.softplus(logits)).sum(1)"),
        ("log_likelihood", "torch.distributions.Bernoulli(logits=logits.double()).log_prob(x.double()).sum(1)"),
        (
            "causal_mask",
            "torch.from_numpy((np.arange(kernel**2) < kernel**2 // 2 + (kind == 'B')).astype('float64').reshape(kernel, kernel))",
        ),
        ("masked_conv", "w = weight.clone()\nw[:, :, mask == 0] = 0\nreturn F.conv2d(x, w, padding='same')"),
        (
            "depends_on",
            "jacobian = torch.func.jacrev(lambda x: model(x)[:, :, row, column])(x)\nreturn (jacobian != 0).flatten(0, 3).any(0)",
        ),
        ("bits_and_perplexity", "n = float(-log_p[real].double().mean())\nreturn n / math.log(2), math.exp(n)"),
        ("top_k", "torch.where((logits[:, None] > logits[:, :, None]).sum(2) < k, logits, -math.inf)"),
        (
            "nucleus",
            "q = logits.double().softmax(1)\nreturn torch.where((q[:, None] * (q[:, None] > q[:, :, None])).sum(2) < p, logits, -math.inf)",
        ),
        (
            "causal_conv",
            "late = (weight.shape[2] - 1) * dilation\nreturn F.conv1d(x, weight, bias, padding=late, dilation=dilation)[:, :, :-late]",
        ),
        (
            "step",
            "new = buffer.roll(-1, 2)\nnew[:, :, -1] = x\ny = x @ weight[:, :, -1].T + bias\n"
            "return y + torch.einsum('bck,ock->bo', buffer[:, :, ::dilation], weight[:, :, :-1]), new",
        ),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_other_right_answers_about_autoregressive_models_pass(name, body, hidden, capsys):
    task = next(task for task in answers.TASKS["autoregressive"] if task.name == name)
    task.check(define(answers.cell("autoregressive", name, body), name), hidden)
    assert "✓" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("top_k", "logits.where(logits >= logits.topk(k).values[:, -1:], -math.inf)", "what if k is larger than that?"),
        ("step", "F.conv1d(buffer, weight, bias, dilation=dilation)[:, :, 0], buffer", "which ones are missing?"),
    ],
)
def test_too_few_symbols_or_inputs_come_with_advice(name, body, said):
    task = next(task for task in answers.TASKS["autoregressive"] if task.name == name)
    error = failure(task, define(answers.cell("autoregressive", name, body), name))
    assert error.kind == "error" and said in str(error)


MIXED_BY = "a = alpha_bar.view(-1, *[1] * (x.ndim - 1))\nreturn {} * x + {} * noise"
SCHEDULE = (
    "f = lambda u: torch.cos((u + offset) / (1 + offset) * math.pi / 2) ** 2\nbar = f(t) / f(torch.zeros(()))\n"
    "held = bar.clamp(min=least)\nreturn {}, {}"
)
BETWEEN = "s, t = alpha_bar[s], alpha_bar[t]\nr = t / s\nreturn {}, {}"
MEAN, VARIANCE = "(r.sqrt() * (1 - s) * x_t + s.sqrt() * (1 - r) * x) / (1 - t)", "(1 - r) * (1 - s) / (1 - t)"
GUESSES = "a, b = alpha_bar**0.5, (1 - alpha_bar) ** 0.5\nx = {}\nreturn x, {}"
FROM_DATA = "((x_t - b * noise) / a).clamp(-1, 1)"
ONE_STEP = "t, s = alpha_bar[times[i]], alpha_bar[times[i + 1]]\nv = {}\nreturn {}"
STEP_V, STEP_SUM = "eta**2 * (1 - t / s) * (1 - s) / (1 - t)", "s.sqrt() * x + (1 - s - v).sqrt() * noise + v.sqrt() * fresh"
NOISE_LOSS = (
    "t, n = {}, randn(x.shape)\na = alpha_bar(t).reshape(-1, *[1] * (x.ndim - 1))\nx_t = {}\nerror = network(x_t, t) - {}\nreturn {}"
)
NOISY, SQUARES = "a.sqrt() * x + (1 - a).sqrt() * n", "error.square().mean()"
TOLD = "told, untold = network(x_t, t, y), network(x_t, t, {})\nreturn untold + w * (told - untold)"
ON_LINE = "t = t.view(-1, *[1] * (x.ndim - 1))\np = {}\nreturn p, {}"
EULERS = "for t, s in zip(times, times[1:]):\n    {}\nreturn {}"
EULERS_STEP = "x = x + (s - t) * velocity(x, torch.full((len(x),), t))"


@pytest.mark.parametrize(
    ("name", "label", "body"),
    [
        ("noised", "ᾱ squared", MIXED_BY.format("a**2", "(1 - a**2)")),
        ("noised", "noise fades too", MIXED_BY.format("a.sqrt()", "a.sqrt()")),
        ("cosine_schedule", "SNR before the floor", SCHEDULE.format("held", "(bar / (1 - bar)).clamp(min=least)")),
        ("cosine_schedule", "SNR before the floor", SCHEDULE.format("held", "held / (1 - bar)")),
        ("cosine_schedule", "brackets", SCHEDULE.format("held", "held / (1 - held)").replace("(u + offset) /", "u + offset /")),
        ("cosine_schedule", "held below too", SCHEDULE.replace("min=least", "least, 0.999").format("held", "held / (1 - held)")),
        ("cosine_schedule", "held below too", SCHEDULE.replace("min=least", "least, 0.99").format("held", "held / (1 - held)")),
        ("cosine_schedule", "held below too", SCHEDULE.format("held", "held / (1 - held).clamp(min=1e-3)")),
        (
            "cosine_schedule",
            "f of the first time",
            SCHEDULE.replace("f(torch.zeros(()))", "f(t).max()").format("held", "held / (1 - held)"),
        ),
        ("posterior", "not divided", BETWEEN.format("r.sqrt() * (1 - s) / (1 - t) * x_t + s.sqrt() * (1 - r) * x", VARIANCE)),
        ("posterior", "root of the ratio", BETWEEN.format(MEAN, VARIANCE).replace("r = t / s", "r = (t / s).sqrt()")),
        ("posterior", "divided by the noise at s", BETWEEN.format(MEAN.replace("(1 - t)", "(1 - s)"), VARIANCE)),
        (
            "posterior",
            "precisions at s = 0",
            BETWEEN.format("(s.sqrt() * x / (1 - s) + r.sqrt() * x_t / (1 - r)) * v", "v").replace("return", f"v = {VARIANCE}\nreturn"),
        ),
        ("posterior", "precisions at s = 0", BETWEEN.format(MEAN, "(1 - r) * (1 - s) ** 2 / (1 - t) / (1 - s)")),
        ("estimates", "half divided", GUESSES.format("(x_t / a - b * noise).clamp(-1, 1)", "(x_t - a * x) / b")),
        ("estimates", "half divided", GUESSES.format(FROM_DATA, "x_t - a * x / b")),
        ("estimates", "ᾱ for α", GUESSES.format(FROM_DATA, "(x_t - a * x) / b").replace("(1 - alpha_bar) ** 0.5", "1 - alpha_bar**0.5")),
        ("estimates", "not clipped", GUESSES.format("(x_t - b * noise) / a", "noise.clamp(-1, 1)")),
        ("ddim_step", "factor of the variance missing", ONE_STEP.format("eta**2 * (1 - t / s) * (1 - s)", STEP_SUM)),
        ("ddim_step", "factor of the variance missing", ONE_STEP.format("eta**2 * (1 - s)", STEP_SUM.replace("- v)", "- v).clamp(min=0)"))),
        ("ddim_step", "v rooted too early", ONE_STEP.format("eta**2 * ((1 - t / s) * (1 - s) / (1 - t)).sqrt()", STEP_SUM)),
        ("ddim_step", "ᾱ for α", ONE_STEP.format(STEP_V, "s * x + (1 - s - v) * noise + v * fresh")),
        ("ddim_step", "old noise not reduced", ONE_STEP.format(STEP_V, STEP_SUM.replace("s - v", "s + v"))),
        ("loss", "draws changed", NOISE_LOSS.format("0.001 + 0.999 * rand(len(x))", NOISY, "n", SQUARES)),
        ("loss", "one factor missing", NOISE_LOSS.format("rand(len(x))", "x + n", "n", SQUARES)),
        ("loss", "one factor missing", NOISE_LOSS.format("rand(len(x))", "a.sqrt() * x + n", "n", SQUARES)),
        ("loss", "predicts the velocity", NOISE_LOSS.format("rand(len(x))", NOISY, "a.sqrt() * n + (1 - a).sqrt() * x", SQUARES)),
        ("loss", "summed over pixels", NOISE_LOSS.format("rand(len(x))", NOISY, "n", "error.square().sum(-1).mean()")),
        (
            "loss",
            "draws changed",
            "each = []\nfor u in x:\n    t, n = rand(1), randn(u.shape)\n    a = alpha_bar(t)\n"
            "    each.append((network((a.sqrt() * u + (1 - a).sqrt() * n)[None], t)[0] - n).square().mean())\nreturn sum(each) / len(x)",
        ),
        (
            "loss",
            "ᾱ of the first example",
            NOISE_LOSS.replace("alpha_bar(t).", "alpha_bar(t)[0].").format("rand(len(x))", NOISY, "n", SQUARES),
        ),
        ("guided", "a label never seen", TOLD.format("torch.full_like(y, -1)")),
        ("hide_labels", "one draw at a time", "torch.tensor([classes if rand(1) < share else int(label) for label in y])"),
        ("hide_labels", "another number", "torch.where(rand(len(y)) < share, y.max() + 1, y)"),
        ("hide_labels", "an exact number", "torch.where(rand(len(y)).argsort() < share * len(y), classes, y)"),
        ("path_and_velocity", "velocity by a quotient", ON_LINE.format("(1 - t) * x + t * noise", "(noise - p) / (1 - t).clamp(min=1e-6)")),
        ("path_and_velocity", "noise added to all of x", ON_LINE.format("x + t * noise", "noise")),
        (
            "integrate",
            "to the end in one step",
            "v = velocity(x, torch.full((len(x),), times[0]))\n" + EULERS.format("x = x + (s - t) * v", "x"),
        ),
        ("integrate", "on to 0", EULERS.format(EULERS_STEP, "x").replace("times[1:]", "times[1:] + [0]")),
        ("integrate", "clipped", EULERS.format(EULERS_STEP, "x.clamp(-1, 1)")),
        ("integrate", "steps forgotten", EULERS.format(EULERS_STEP.replace("x =", "y ="), "y")),
        ("integrate", "one time for all steps", EULERS.format(EULERS_STEP.replace("torch.full((len(x),), t)", "torch.ones(len(x))"), "x")),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_mistakes_that_a_student_made_with_diffusion_are_named(name, label, body, hidden):
    task = next(task for task in answers.TASKS["diffusion"] if task.name == name)
    error = failure(task, define(answers.cell("diffusion", name, body), name), hidden)
    assert error.kind.startswith("m") and task.mistakes[int(error.kind[1:]) - 1].label == label, str(error)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("noised", "torch.vmap(lambda u, a, n: torch.sqrt(a) * u + torch.sqrt(1 - a) * n)(x, alpha_bar, noise)"),
        ("noised", "(torch.diag(alpha_bar**0.5) @ x.flatten(1) + torch.diag((1 - alpha_bar) ** 0.5) @ noise.flatten(1)).reshape(x.shape)"),
        (
            "cosine_schedule",
            "q = math.pi / 2 / (1 + offset)\nbar = (torch.cos(q * t) - torch.sin(q * t) * math.tan(q * offset)) ** 2\n"
            "bar = F.threshold(bar, least, least)\nreturn bar, torch.logit(bar).exp()",
        ),
        ("cosine_schedule", "t = t.float()\n" + SCHEDULE.format("held", "held / (1 - held)")),
        (
            "posterior",
            BETWEEN.format("(s.sqrt() * x / (1 - s) + r.sqrt() * x_t / (1 - r)) * v", "float(v)").replace(
                "return", "if s == 1:\n    return x, 0.0\nv = 1 / (1 / (1 - s) + r / (1 - r))\nreturn"
            ),
        ),
        (
            "estimates",
            "a, b = alpha_bar**0.5, (1 - alpha_bar) ** 0.5\nnoise = noise.clip((x_t - a) / b, (x_t + a) / b)\n"
            "return (x_t - b * noise) / a, noise",
        ),
        ("estimates", GUESSES.format("(x_t - b * noise).clamp(-a, a) / a", "(x_t - a * x) / b")),
        (
            "ddim_step",
            "t, s = alpha_bar.double()[times[i : i + 2]]\nsd = eta * ((1 - s) / (1 - t) * (s - t) / s).sqrt()\n"
            "return torch.einsum('k,k...->...', torch.stack([s.sqrt(), (1 - s - sd**2).sqrt(), sd]), "
            "torch.stack([x, noise, fresh]).double())",
        ),
        (
            "loss",
            "n, t = randn(list(x.shape)), rand(len(x), *[1] * (x.ndim - 1))\na = alpha_bar(t)\n"
            "return torch.linalg.vector_norm(network(a.sqrt() * x + (1 - a).sqrt() * n, t.flatten()) - n) ** 2 / x.numel()",
        ),
        (
            "guided",
            "labels = torch.stack([y, torch.full_like(y, classes)], 1).flatten()\n"
            "out = network(x_t.repeat_interleave(2, 0), t.repeat_interleave(2), labels)\nreturn w * out[::2] + (1 - w) * out[1::2]",
        ),
        ("guided", "told = network(x_t, t, y)\nreturn told + (1 - w) * (network(x_t, t, y.new_full(y.shape, classes)) - told)"),
        ("hide_labels", "y + (classes - y) * (rand(size=y.shape) < share)"),
        ("hide_labels", "torch.from_numpy(np.where(rand(len(y), 1)[:, 0].numpy() < share, classes, y.numpy()))"),
        ("path_and_velocity", "torch.vmap(torch.lerp)(x, noise, t), noise.sub(x)"),
        (
            "path_and_velocity",
            "s = t.reshape(-1, *[1] * (x.ndim - 1)).expand(x.shape).clone().requires_grad_()\np = x + s * (noise - x)\n"
            "return p.detach(), torch.autograd.grad(p.sum(), s)[0]",
        ),
        (
            "integrate",
            "if len(times) == 1:\n    return x\nx = x + (times[1] - times[0]) * velocity(x, x.new_full((len(x),), times[0]))\n"
            "return integrate(velocity, x, times[1:])",
        ),
        (
            "integrate",
            "t = torch.as_tensor(times)\nfor i, h in enumerate(t.diff()):\n    x = x + h * velocity(x, t[i].repeat(len(x)))\nreturn x",
        ),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_other_right_answers_about_diffusion_pass(name, body, hidden, capsys):
    task = next(task for task in answers.TASKS["diffusion"] if task.name == name)
    task.check(define(answers.cell("diffusion", name, body), name), hidden)
    assert "✓" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("loss", NOISE_LOSS.format("rand(1)", NOISY, "n", SQUARES), "t should have shape (5,), one number for each example, not (1,)"),
        ("guided", TOLD.format("None"), "the labels should be a tensor of shape (5,)"),
        ("guided", TOLD.format("torch.tensor([classes])"), "the labels should have shape (5,), one number for each example, not (1,)"),
        ("guided", TOLD.format("0.0 * y + classes"), "labels should be whole numbers"),
        ("integrate", EULERS.format("x = x + (s - t) * velocity(x, t)", "x"), "t should be a tensor of shape (5,)"),
    ],
)
def test_a_network_of_diffusion_says_what_it_wants_to_be_told(name, body, said):
    task = next(task for task in answers.TASKS["diffusion"] if task.name == name)
    error = failure(task, define(answers.cell("diffusion", name, body), name))
    assert error.kind == "error" and said in str(error)


@pytest.mark.parametrize(
    ("name", "body", "kind", "said"),
    [
        (
            "cosine_schedule",
            SCHEDULE.format("held", "held / (1 - held)").replace("f(t)", "torch.tensor([f(u) for u in t])"),
            "error",
            "in case 5 (t (2, 3), offset = 0.06",
        ),
        (
            "cosine_schedule",
            SCHEDULE.format("held", "held / (1 - held)").replace("f(t)", "torch.stack([f(u) for u in t])"),
            "error",
            "in case 6 (t (), offset = 0.1",
        ),
        ("integrate", EULERS.format(EULERS_STEP, "x").replace("for", "times.append(times[-1])\nfor"), "in place", "changes the list times"),
        ("ddim_step", ONE_STEP.format(STEP_V, STEP_SUM).replace("return", "times.pop()\nreturn"), "in place", "changes the list times"),
        (
            "integrate",
            EULERS.format(EULERS_STEP, "x + 0 * velocity(x, torch.full((len(x),), s))"),
            "calls",
            "the field is asked 4 times for 3 steps, in case 1: once a step",
        ),
        (
            "integrate",
            EULERS.format("x = torch.cat([u + (s - t) * velocity(u, torch.full((1,), t)) for u in x.split(1)])", "x"),
            "calls",
            "the field is asked 15 times for 3 steps, in case 1",
        ),
    ],
)
def test_other_faults_with_diffusion_are_named(name, body, kind, said):
    task = next(task for task in answers.TASKS["diffusion"] if task.name == name)
    before = str(task.cases)
    error = failure(task, define(answers.cell("diffusion", name, body), name))
    assert error.kind == kind and said in str(error), str(error)
    assert str(task.cases) == before


KERNELS = (
    "d = real.shape[1]\nk = lambda u, v: (u @ v.T / {}) ** 3\n"
    "others = lambda x: k(x, x)[~torch.eye(len(x), dtype=torch.bool)].mean()\nreturn others(real) + others(fake) - 2 * {}"
)
NEAR = (
    "near = lambda x: torch.cdist(x.flatten(1), train.flatten(1)).amin(1)\nt = near(test)\np = torch.stack([{} for s in models])\nreturn {}"
)
FITTED = "c, limit = np.polyfit({}, values.numpy(), 1)\nreturn {}"
WITHIN = (
    "d = torch.cdist(fake, real)\nr, f = (torch.cdist(x, x).sort(1).values[:, k] for x in (real, fake))\n"
    "return (d <= r).any(1).double().mean(), {}"
)
GAUSSIANS = "d = mean1 - mean2\nreturn d @ d + torch.trace(cov1 + cov2) - 2 * {}"


@pytest.mark.parametrize(
    ("name", "label", "body"),
    [
        ("corpus_scores", "characters for both", "bits = -log_p.sum() / math.log(2) / characters.sum()\nreturn bits, 2**bits"),
        ("pixel_bits", "span as a factor", "-log_density / math.log(2) / pixels + 8 * span"),
        ("frechet", "taken for symmetric", GAUSSIANS.format("torch.linalg.eigvalsh(cov2 @ cov1).sqrt().sum()")),
        ("frechet", "root of each entry", GAUSSIANS.format("(cov1 @ cov2).abs().sqrt().trace()")),
        ("unbiased_kid", "not divided by d", KERNELS.format("len(u) + 1", "k(real, fake).mean()")),
        (
            "unbiased_kid",
            "diagonal of the cross term",
            KERNELS.format("d + 1", "k(real, fake)[~torch.eye(len(real), len(fake)).bool()].mean()"),
        ),
        ("precision_and_recall", "real balls for both", WITHIN.format("(d <= r).any(0).double().mean()")),
        ("unbiased_kid", "1 missing", KERNELS.replace(") ** 3", "d) ** 3 + 1").format("", "k(real, fake).mean()")),
        (
            "precision_and_recall",
            "farthest neighbours",
            WITHIN.replace("sort(1).values[:, k]", "topk(k + 1).values[:, 0]").format("(d <= f[:, None]).any(0).double().mean()"),
        ),
        ("precision_and_recall", "surface left out", WITHIN.replace("d <= r", "d < r").format("(d < f[:, None]).any(0).double().mean()")),
        ("precision_and_recall", "wrong axis of recall", WITHIN.format("(d <= f[:, None]).any(1).double().mean()")),
        ("at_infinity", "line in N", FITTED.format("sizes.numpy()", "limit, math.ceil(-c / below)")),
        ("at_infinity", "rounded down", FITTED.format("1 / sizes.numpy()", "limit, round(c / below)")),
        ("at_infinity", "slope for intercept", FITTED.format("1 / sizes.numpy()", "c, limit")),
        ("spot_the_copy", "one yardstick", NEAR.format("(near(s).mean() < t).double().mean()", "p, int(p.argmax())")),
        ("spot_the_copy", "no yardstick", NEAR.format("t.mean() - near(s).mean()", "p, int(p.argmax())")),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_mistakes_that_a_student_made_with_metrics_are_named(name, label, body, hidden):
    task = next(task for task in answers.TASKS["metrics"] if task.name == name)
    error = failure(task, define(answers.cell("metrics", name, body), name), hidden)
    assert error.kind.startswith("m") and task.mistakes[int(error.kind[1:]) - 1].label == label, str(error)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("corpus_scores", "bits = -(log_p / math.log(2)).sum().item()\nreturn bits / characters.sum(), 2 ** (bits / tokens.sum())"),
        ("pixel_bits", "-(log_density + pixels * math.log(span / 256)) / pixels / math.log(2)"),
        ("frechet", GAUSSIANS.format("torch.linalg.eigvals(cov1 @ cov2).sqrt().real.sum()")),
        ("frechet", GAUSSIANS.format("np.sqrt(np.linalg.eigvals((cov1 @ cov2).numpy()).real.clip(0)).sum()")),
        ("unbiased_kid", KERNELS.format("d + 1", "k(real, fake).sum() / (len(real) * len(fake))")),
        ("precision_and_recall", WITHIN.format("(d**2 <= f[:, None] ** 2).any(0).float().mean()")),
        ("at_infinity", FITTED.format("1 / sizes.numpy()", "limit, int(np.ceil(c / below))")),
        ("spot_the_copy", NEAR.format("(1 + torch.sign(t - near(s)[:, None])).mean() / 2", "p, p.argmax()")),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_other_right_answers_about_metrics_pass(name, body, hidden, capsys):
    task = next(task for task in answers.TASKS["metrics"] if task.name == name)
    task.check(define(answers.cell("metrics", name, body), name), hidden)
    assert "✓" in capsys.readouterr().out


def test_a_cholesky_of_a_covariance_without_full_rank_gets_advice():
    task = next(task for task in answers.TASKS["metrics"] if task.name == "frechet")
    body = GAUSSIANS.format("torch.linalg.svdvals(torch.linalg.cholesky(cov1).T @ torch.linalg.cholesky(cov2)).sum()")
    for hidden in (False, True):
        error = failure(task, define(answers.cell("metrics", "frechet", body), "frechet"), hidden)
        assert error.kind == "error" and "`eigh` takes zeros" in str(error) and "case 3" in str(error)


def test_a_root_of_a_rounded_zero_is_named():
    task = next(task for task in answers.TASKS["metrics"] if task.name == "frechet")
    body = GAUSSIANS.format("torch.linalg.eigvals(cov1 @ cov2).real.sqrt().sum()")
    for hidden in (False, True):
        error = failure(task, define(answers.cell("metrics", "frechet", body), "frechet"), hidden)
        assert error.kind == "nan" and "case 3" in str(error)


BERNOULLI = "torch.distributions.Bernoulli(p).log_prob(x[:, None])"
COV = "torch.stack([torch.cov(x.T, aweights=column, correction=0).diagonal() for column in r.T])"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("log_posterior", f"(log_prior + ({BERNOULLI} * seen[:, None]).sum(2)).log_softmax(1)"),
        ("m_step", f"(r.mean(0), r.T @ x / r.sum(0)[:, None], {COV})"),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_other_right_answers_about_latent_spaces_pass(name, body, hidden, capsys):
    task = next(task for task in answers.TASKS["latent_spaces"] if task.name == name)
    task.check(define(answers.cell("latent_spaces", name, body), name), hidden)
    assert "✓" in capsys.readouterr().out


UNSORTED = "values, vectors = torch.linalg.eig(torch.cov(x.T))\nreturn "


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("pca", UNSORTED + "x.mean(0), vectors.real[:, :k].T"),
        ("explained", UNSORTED + "values.real[:k].sum() / values.real.sum()"),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_eigenvalues_in_no_order_are_refused_in_latent_spaces(name, body, hidden):
    task = next(task for task in answers.TASKS["latent_spaces"] if task.name == name)
    assert failure(task, define(answers.cell("latent_spaces", name, body), name), hidden).kind == "value"


def test_a_number_of_numpy_is_a_rank_in_latent_spaces():
    goal = next(task for task in answers.TASKS["latent_spaces"] if isinstance(task, Goal))
    assert goal.chosen(lambda: {"rank": np.int64(3), "refills": np.int64(10)}) == {"rank": 3, "refills": 10}
    with pytest.raises(CheckFailed, match="whole number"):
        goal.chosen(lambda: {"rank": True})


@pytest.mark.parametrize(
    ("z", "said"),
    [
        ("F.conv2d(x, weight)", "`conv2d` wants a weight of shape (out, in, height, width)"),
        ("weight @ x", "a matrix product works on the last two axes"),
    ],
)
def test_mixing_the_wrong_axes_of_images_comes_with_advice(z, said):
    task = next(task for task in answers.TASKS["flows"] if task.name == "mix_channels")
    error = failure(task, define(answers.cell("flows", "mix_channels", MIXED.format(0).replace(EINSUM, z)), "mix_channels"))
    assert error.kind == "error" and said in str(error)


def test_printing_a_task_gives_nothing_away():
    assert [repr(KL_WEIGHT), repr(EXPERIMENT), repr(DCGAN)] == ["Task('kl_weight')", "Goal('experiment')", "Rules('dcgan_generator')"]


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
    GAUSSIAN_KL.check(define(answers.right("autoencoders", "gaussian_kl"), "gaussian_kl", grid=grid, course=distributions))
    assert "✓" in capsys.readouterr().out


def test_a_notebook_shows_the_message_and_no_stack():
    error = failure(GAUSSIAN_KL, define(answers.wrong("autoencoders", "gaussian_kl", "lost half"), "gaussian_kl"))
    assert error._render_traceback_() == [str(error)]
    assert isinstance(error, AssertionError)


def test_yours_or_ours(capsys):
    mine = define(answers.right("autoencoders", "gaussian_kl"), "gaussian_kl")
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


@pytest.mark.parametrize("case", MASKED_CONV.cases)
def test_the_quick_stand_in_of_the_masked_convolution_equals_its_reference(case):
    torch.testing.assert_close(MASKED_CONV._stand_in(*case), MASKED_CONV.reference(*case), rtol=1e-5, atol=1e-5)


def test_a_stand_in_keeps_the_precision_of_its_inputs_in_every_result():
    task = Task("parts", lambda n, x: (x.mean(), x > n, n), [(1, grid(3))], [], results=("mean", "above", "limit"))
    mean, above, limit = task.yours_or_ours({})(1, grid(3))
    assert (mean.dtype, above.dtype, limit) == (torch.float32, torch.bool, 1)


# --------------------------------------------------------------------------------------------------------------------
# Goals


@pytest.mark.parametrize(("measured", "said"), [(None, "got a NoneType"), ({"ELBO": 1.0}, "latents in use missing")])
def test_a_goal_says_what_is_missing(measured, said):
    with pytest.raises(CheckFailed, match=said):
        EXPERIMENT.check(measured)


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("raise NotImplementedError()", "blank", "not answered yet"),
        ("pass", "none", "should return a dict with beta and, if you like, warm_up or cycle; yours returns a NoneType"),
        ("return 1.0, 700", "type", "yours returns a tuple"),
        ("return {}", "type", "yours has nothing"),
        ("return {'warm_up': 700}", "type", "beta is missing: yours has warm_up"),
        ("return {'beta': 1.0, 'steps': 9000}", "type", "yours has beta, steps"),
    ],
)
def test_other_settings_are_refused_in_one_sentence(body, kind, said):
    with pytest.raises(CheckFailed) as caught:
        EXPERIMENT.chosen(define(f"def settings():\n    {body}\n", "settings"))
    assert caught.value.kind == kind and said in str(caught.value)


def test_settings_are_handed_on():
    assert EXPERIMENT.chosen(lambda: {"beta": 1.0, "cycle": 400}) == {"beta": 1.0, "cycle": 400}


def test_a_goal_names_divergence():
    with pytest.raises(CheckFailed, match="Training diverged"):
        EXPERIMENT.check({"ELBO": float("nan"), "latents in use": 8, "KL": 1.0})


def test_a_number_just_short_of_a_goal_is_close():
    goal = Goal("height", {"metres": 2.0}, [Mistake("tiny", lambda m: m["metres"] < 1, "Grow.")], slack={"metres": 0.0})
    with pytest.raises(CheckFailed, match=r"metres 1.9 \(goal: at least 2\). Close: keep tuning. \[height/value\]"):
        goal.check({"metres": 1.9})


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
