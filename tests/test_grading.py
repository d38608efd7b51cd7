"""The checks of the exercises: right answers pass, every form of every known mistake is named, borrowed answers are refused.

What is special to one topic's tasks is in test_TOPIC_grading.py.
"""

import contextlib
import gc
import io
import linecache
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import answers
import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from course_lib import distributions
from course_lib.grading import CheckFailed, Goal, Region, Task, grid, mistakes, plain, words

EVERY = [(topic, task) for topic, tasks in answers.TASKS.items() for task in tasks]
WRITTEN = [pytest.param(topic, task, id=f"{topic}-{task.name}") for topic, task in EVERY if isinstance(task, Task)]
GOALS = [pytest.param(topic, task, id=f"{topic}-{task.name}") for topic, task in EVERY if isinstance(task, Goal)]
every_task = pytest.mark.parametrize(("topic", "task"), WRITTEN)
every_goal = pytest.mark.parametrize(("topic", "goal"), GOALS)
GRADED = [param for param in WRITTEN if answers.hidden(*param.values)]  # a task without points has visible cases alone
BOTH = [pytest.param(*param.values, None, id=f"{param.id}-visible") for param in WRITTEN]
BOTH += [pytest.param(*param.values, answers.hidden(*param.values), id=f"{param.id}-hidden") for param in GRADED]
on_both = pytest.mark.parametrize(("topic", "task", "hidden"), BOTH)


def define(source: str, name: str, **names):
    """Run a student's cell as a notebook does, with its lines known to tracebacks."""
    file = f"<cell {len(linecache.cache)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace = {"torch": torch, "F": F, **names}
    exec(compile(source, file, "exec"), namespace)
    return namespace[name]


def failure(task: Task, answer, hidden=None) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        task.check(answer, hidden)
    return caught.value


def typed(topic: str, table: str, task: Task) -> list:
    """What students typed for a task, from one of its topic's tables."""
    return getattr(answers.BY_TOPIC[topic], table, {}).get(task.name, [])


@pytest.fixture(scope="module")
def remember():
    """`Task._expected` that computes once what a version says of a case: each wrong answer is compared with every known mistake."""
    compute, said = Task._expected, {}

    def expected(task, version, case, gradient=True):
        key = id(task), version, id(case), gradient
        if key not in said:
            said[key] = compute(task, version, case, gradient), case  # kept, so that no other gets its id
        return said[key][0]

    return expected


@pytest.fixture
def remembered(remember, monkeypatch):
    monkeypatch.setattr(Task, "_expected", remember)


# --------------------------------------------------------------------------------------------------------------------
# Every task, goal and mistake of every topic


def test_every_topic_with_tasks_has_answers_and_no_other():
    names = {path.stem for path in (answers.ROOT / "tests/answers").glob("[a-z]*.py")}
    assert names == set(answers.TOPICS)
    for topic, tasks in answers.TASKS.items():
        tables = [getattr(answers.BY_TOPIC[topic], table, {}) for table in ("RIGHT", "WRONG", "FAULTS", "SETTINGS", "REGIONS")]
        strangers = {name for table in tables for name in table} - {task.name for task in tasks}
        assert not strangers, f"TASKS in course_lib/grading/{topic}/__init__.py lacks {strangers}, which tests/answers/{topic}.py has"
        assert len({task.name for task in tasks}) == len(tasks)


@pytest.mark.parametrize(("topic", "task"), WRITTEN + GOALS)
def test_there_are_at_least_four_mistakes_with_their_own_labels_and_hints(topic, task):
    assert len(task.known) >= 4
    assert len({m.label for m in task.known}) == len({m.hint for m in task.known}) == len(task.known)
    assert all(m.hint.endswith((".", "?", ")")) for m in task.known)


@on_both
def test_right_answers_pass_and_draw_no_random_numbers(topic, task, hidden, capsys):
    n = len(hidden() if hidden else task.cases)
    before = torch.random.get_rng_state()
    for answer in typed(topic, "RIGHT", task):
        task.check(define(answers.cell(topic, task.name, answer), task.name), hidden)
        assert capsys.readouterr().out == f"✓ {task.name}: {n} of {n} {'hidden ' * bool(hidden)}cases\n"
    assert torch.equal(before, torch.random.get_rng_state())
    assert typed(topic, "RIGHT", task), f"a right answer written independently is missing: {task.name} in RIGHT of tests/answers/{topic}.py"


@on_both
def test_every_form_of_every_mistake_is_named_and_no_two_mistakes_are_alike(topic, task, hidden, remembered):
    with plain():
        cases = hidden() if hidden else task.cases
        truths = [task._expected(task.truth or task.answer, case) for case in cases]
        for right in task.rights:
            assert all(task._equal(task._expected(right, case), truth) for case, truth in zip(cases, truths)), "the right answer is wrong"
        seen, where = [], "hidden" if hidden else "visible"
        for mistake in task.known:  # an edit that fits nowhere raises here
            for line, wrong in mistake.forms:
                outcomes = [task._mistaken(wrong, case) for case in cases]
                broken = [o.values[0] for o in outcomes if o.values and isinstance(o.values[0], Exception)]
                assert not broken, f"{mistake.label}: `{line}` raises {broken[0]!r}, which the student reads anyway: drop it"
                same = [all(task._equal(a, truth) for a, truth in zip(outcomes, truths))]
                assert not any(same), f"{mistake.label}: `{line}` is right in every {where} case: drop it, or add one where it is not"
                seen.append((mistake.label, outcomes))
                first = next(label for label, others in seen if all(map(task._equal, outcomes, others)))
                assert first == mistake.label, (
                    f"{mistake.label}: `{line}` looks like {first} in every {where} case: the same formula? Drop it, or give it to that "
                    "mistake. Else add a case that tells them apart"
                )


@on_both
def test_a_known_mistake_is_rejected_with_its_hint(topic, task, hidden, remembered):
    for i, mistake in enumerate(task.known, 1):
        if mistake.forms[0][0].startswith("= "):
            continue  # a function of the task's file: the check would take it for a borrowed answer
        error = failure(task, mistake.forms[0][1], hidden)
        assert error.kind == f"m{i}" and mistake.hint in str(error), str(error)
        assert str(error).endswith(f" [{task.name}/m{i}]")


@on_both
def test_what_students_typed_is_named(topic, task, hidden, remembered):
    labels = [mistake.label for mistake in task.known]
    for label, answer in typed(topic, "WRONG", task):
        error = failure(task, define(answers.cell(topic, task.name, answer), task.name), hidden)
        assert error.kind == f"m{labels.index(label) + 1}", f"{label}: {error}\n{answer}"


@every_task
def test_other_faults_that_students_typed_are_named(topic, task):
    before = str(task.cases)
    for kind, said, answer in typed(topic, "FAULTS", task):
        error = failure(task, define(answers.cell(topic, task.name, answer), task.name))
        assert error.kind == kind and said in str(error), f"{error}\n{answer}"
    assert str(task.cases) == before


@pytest.mark.parametrize(("topic", "task"), GRADED)
def test_hidden_inputs_differ_from_the_visible_ones(topic, task):
    seen, hidden = [str(case) for case in task.cases], answers.hidden(topic, task)()
    assert hidden and not any(str(case) in seen for case in hidden), f"a case in grade_{task.name} of the solution is a visible one"


STATES = {
    "gradients off": torch.no_grad,
    "inference mode": torch.inference_mode,
    "float64": lambda: torch_as(torch.set_default_dtype, torch.float64, torch.get_default_dtype()),
    "another device": lambda: torch_as(torch.set_default_device, "meta", None),
    "two threads": lambda: torch_as(torch.set_num_threads, 2, torch.get_num_threads()),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


@contextlib.contextmanager
def torch_as(change, value, back):
    change(value)
    try:
        yield
    finally:
        change(back)


@pytest.mark.parametrize("state", STATES)
@every_task
def test_a_check_says_the_same_whatever_torch_is_set_to(topic, task, state, capsys):
    right = define(answers.right(topic, task.name), task.name)
    wrong = next((m.forms[0][1] for m in task.known if not m.forms[0][0].startswith("= ")), None)
    hidden = answers.hidden(topic, task)
    kind = wrong and failure(task, wrong).kind
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    with STATES[state]():
        task.check(right)
        task.check(right, hidden)  # the visible cases once more where there are no hidden ones
        assert not wrong or failure(task, wrong).kind == kind
    assert capsys.readouterr().out.count("✓") == 2
    assert (torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()) == (dtype, threads, True)


@every_goal
def test_a_goal_hints_by_region(topic, goal):
    regions = answers.BY_TOPIC[topic].REGIONS[goal.name]
    labels = [region.label for region in goal.known]
    assert {label for _, label in regions} == set(labels) == set(answers.BY_TOPIC[topic].SETTINGS[goal.name])
    for measured, label in regions:
        with pytest.raises(CheckFailed) as caught:
            goal.check(numbers(goal, measured), measured)
        number = labels.index(label)
        assert caught.value.kind == f"m{number + 1}", measured
        assert goal.known[number].hint in str(caught.value)
        for key, least in goal.at_least.items():
            assert f"{key} {measured[key]:.4g} (goal: at least {least:.4g})" in str(caught.value)


@every_goal
def test_a_goal_is_met_at_its_thresholds_and_a_met_one_stays_met_in_the_hidden_test(topic, goal, capsys):
    enough = {key: least - goal.slack[key] for key, least in goal.at_least.items()}
    goal.check(goal.at_least)
    goal.check(enough, hidden=True)
    assert capsys.readouterr().out.count(f"✓ {goal.name}: ") == 2
    measured = numbers(goal, answers.BY_TOPIC[topic].REGIONS[goal.name][0][0])
    for key, least in enough.items():
        with pytest.raises(CheckFailed):
            goal.check(measured | enough | {key: least - 1e-3}, hidden=True)


def numbers(goal: Goal, measured: dict) -> dict[str, float]:
    """What was measured, without the settings that a region may read beside it."""
    return {key: value for key, value in measured.items() if key not in goal.settings}


def squeezed(text: str) -> str:
    """Without white space, so that a line broken elsewhere is the same line."""
    return "".join(text.split())


def hidden_lines() -> list[str]:
    """Every line of a hidden test that holds a case, squeezed."""
    cells = [answers.grade_cells(topic)[task.name] for topic, task in (param.values for param in GRADED)]
    lines = [squeezed(line) for cell in cells for line in cell[cell.index("hidden=lambda") :].splitlines()]
    return [line for line in lines if line.startswith("(") and len(line) > 30]


def test_hidden_cases_stand_in_the_solutions_alone():
    files = [*(answers.ROOT / "course_lib/grading").rglob("*.py"), *(answers.ROOT / "exercises").glob("*/*.ipynb")]
    public = squeezed("".join(path.read_text(encoding="utf-8") for path in files))
    assert len(hidden_lines()) > 50
    assert [line for line in hidden_lines() if line in public] == []


def test_the_wheel_holds_no_hidden_cases_and_all_that_the_library_reads(tmp_path):
    """Built as `make colab-bundle` builds it, but for the weights, and opened."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(answers.ROOT / name, tmp_path)
    shutil.copytree(answers.ROOT / "course_lib", tmp_path / "course_lib", ignore=shutil.ignore_patterns("*.safetensors", "__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", "."]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    [wheel] = tmp_path.glob("dist/*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        text = squeezed("".join(archive.read(name).decode() for name in names if name.endswith(".py")))
    kept = {path.relative_to(answers.ROOT).as_posix() for path in (answers.ROOT / "course_lib").rglob("*.json")}
    assert "course_lib/grading/tasks.py" in names and {name for name in kept if "/." not in name} <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"course_lib"}
    assert [line for line in hidden_lines() if line in text] == []


# --------------------------------------------------------------------------------------------------------------------
# The engine, on a task of its own


def gaussian_kl(mean, log_var):
    each = 0.5 * (mean**2 + log_var.exp() - 1 - log_var)
    return each.sum(1)


def truth(mean, log_var):
    return kl_divergence(Normal(mean, (0.5 * log_var).exp()), Normal(torch.zeros_like(mean), torch.ones_like(mean))).sum(-1)


def halves(mean, log_var):
    return gaussian_kl(mean, log_var) / 4


TEXT = """
lost half: exactly twice too large. Which factor stands in
    front of the closed form?
    0.5 * ->
mean over latents: independent dimensions add up.
    each.sum(1) -> each.mean(1)
    each.sum(1) -> each.mean(-1) ; 0.5 * -> 0.25 *
σ: look at σ.
    log_var.exp() -> (0.5 * log_var).exp()
quarters: too many halves.
    = halves
"""
KL = Task(
    gaussian_kl,
    truth,
    cases=[(grid(4, 3), grid(4, 3).flip(0)), (grid(1, 5), grid(1, 5) ** 2)],
    gradient=True,
    mistakes=TEXT,
    ways=("each.sum(1) -> each.sum(-1)",),
)


def student(body: str):
    return define(f"def gaussian_kl(mean, log_var):\n    {body}\n", "gaussian_kl")


def test_mistakes_are_read_from_text():
    assert mistakes.read(TEXT)[0] == (
        "lost half",
        "exactly twice too large. Which factor stands in front of the closed form?",
        ["0.5 * ->"],
    )
    assert [m.label for m in KL.known] == ["lost half", "mean over latents", "σ", "quarters"]
    assert [len(m.forms) for m in KL.known] == [2, 2, 2, 1], "each edit on the answer and on its other spelling, where it fits"
    assert KL.known[3].forms == [("= halves", halves)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no hint\n    0.5 * ->", "a line `label: hint`"),
        ("label: a hint without a form.", "one indented line for each form"),
        ("label: hint.\n    0.7 * ->", "label: `0.7 * ->` fits nowhere: in the right answer `0.7 *` stands nowhere"),
        ("label: hint.\n    log_var -> x", "fits nowhere: in the right answer `log_var` stands 3 times, and should once"),
        ("label: hint.\n    return -> return (", "label: with `return -> return (` the answer is no Python any more: "),
        ("label: hint.\n    0.5 * -> ; mean", "fits nowhere: `mean` is no edit: write `old -> new` on each side of every ` ; `"),
        ("label: hint.\n    = nothing", "`= nothing` fits nowhere"),
    ],
)
def test_a_mistake_that_cannot_be_made_is_said(text, said):
    with pytest.raises(ValueError, match=None) as caught:
        _ = Task(gaussian_kl, cases=[], mistakes=text).known
    assert said in str(caught.value)


def test_a_way_that_fits_nowhere_is_said():
    with pytest.raises(ValueError, match="the way `0.7 -> 7` fits nowhere"):
        _ = Task(gaussian_kl, cases=[], mistakes=TEXT, ways=("0.7 -> 7",)).known


def test_choices_in_a_form_stand_for_several():
    (_, _, forms), *_ = mistakes.read("small: a little is added.\n    a -> {a|b} + 1e-{3|6}\n    c ->")
    assert forms == ["a -> a + 1e-3", "a -> a + 1e-6", "a -> b + 1e-3", "a -> b + 1e-6", "c ->"]


def test_several_edits_are_done_one_after_the_other():
    assert mistakes.edited("a + b", "a -> c ; c + -> d -") == "d - b"
    assert mistakes.edited("a + a", "a -> c") is None
    assert mistakes.edited("a + b", "+ b ->") == "a "


KL_RIGHT = "0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1)"


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("raise NotImplementedError()", "blank", "not answered yet"),
        (f"value = {KL_RIGHT}", "none", "returned None: is there a `return`?"),
        (f"return ({KL_RIGHT})[:, None]", "shape", "should have shape (4,), yours has (4, 1)"),
        (f"return ({KL_RIGHT}).round().long()", "dtype", "should be floating point, yours is whole numbers (torch.int64)"),
        (f"return ({KL_RIGHT}).numpy()", "type", "should be a tensor of shape (4,), yours is a numpy.ndarray"),
        (f"return {KL_RIGHT}, 1", "type", "1 result asked for, yours returns 2"),
        (f"return ({KL_RIGHT}) * float('nan')", "nan", "is NaN in case 1 (mean (4, 3), log_var (4, 3))"),
        (f"return ({KL_RIGHT}) / 0", "nan", "is infinite in case 1"),
        (f"return {KL_RIGHT} + 0.25 * (mean[:, 0] > 0.5)", "value", "off by up to 0.25 at [3], in case 1"),
        ("return mean @ log_var", "error", "RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
        ("return 0.5 * (mean ** 2 + log_var.exp() - 1 - log_var).sum(dimension=1)", "error", "in line 2 of your cell: `return 0.5"),
        ("raise SystemExit", "error", "SystemExit: no message"),
        ("return 0.5 * helper(mean)", "error", "NameError: name 'helper' is not defined"),
        ("mean.pow_(2)\n    return 0.5 * (mean + log_var.exp() - 1 - log_var).sum(1)", "in place", "changes its input mean in place"),
        (f"return {KL_RIGHT} + torch.randn(len(mean))", "random", "two calls with the same inputs gave two answers"),
        (
            f"return ({KL_RIGHT}).double()",
            "dtype",
            "should be torch.float32, yours is torch.float64, in case 1. It should have the type of mean: `.to(mean)` brings",
        ),
        (f"return ({KL_RIGHT}).detach()", "gradient", "no gradient reaches mean or log_var:"),
    ],
)
def test_other_faults_are_named(body, kind, said):
    error = failure(KL, student(body))
    assert error.kind == kind
    assert said in str(error)


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (f"return 2 * {KL_RIGHT} * (2 - 1)", "m1", "exactly twice too large"),
        (f"return 0.5 * {KL_RIGHT}", "half", "is wrong, a guess: every number is half the right one"),
        (f"return -{KL_RIGHT}", "sign", "a guess: right but for the sign"),
        (f"return {KL_RIGHT} / 0.6931471805599453", "bits", "bits where nats are asked for?"),
        (f"return {KL_RIGHT} * 0.6931471805599453", "nats", "nats where bits are asked for?"),
        (f"return ({KL_RIGHT}).sum()", "summed", "a guess: the sum of the right numbers"),
        (f"return ({KL_RIGHT}).mean()", "averaged", "a guess: the mean of the right numbers"),
        (f"return {KL_RIGHT} / len(mean)", "mean for sum", "too small by the number of places along axis 0 of mean"),
        (f"return {KL_RIGHT} * mean[0].numel()", "sum for mean", "too large by the number of entries of each example of mean"),
        (f"return {KL_RIGHT} / mean.numel()", "mean for sum", "too small by the number of entries of mean"),
    ],
)
def test_what_no_mistake_explains_is_guessed(body, kind, said):
    error = failure(KL, student(body))
    assert error.kind == kind and said in str(error)


def test_a_transposed_answer_is_guessed():
    def outer(a, b):
        return a[:, None] * b

    task = Task(outer, cases=[(grid(3), grid(3).exp()), (grid(2), grid(2).cos())], mistakes="sum: added.\n    * b -> + b")
    assert failure(task, lambda a, b: (a[:, None] * b).T).kind == "transposed"


def test_every_kind_of_guess_has_a_name_in_the_report():
    from course_lib.grading import pipeline

    assert {*words.GUESSES, "sum for mean", "mean for sum", "side effect"} <= pipeline.KINDS.keys()


def norm(network, x):
    return network(x).square().sum()


NORM = Task(
    norm,
    cases=[(nn.Linear(2, 2), grid(3, 2))],
    mistakes="mean: averaged.\n    sum() -> mean()",
)


def test_gradients_left_in_a_network_are_named():
    def polluting(network, x):
        result = network.requires_grad_()(x).square().sum()
        result.backward()
        return result.detach()

    assert failure(NORM, polluting).kind == "side effect"

    def switched(network, x):
        return network.eval()(x).square().sum()

    def changed(network, x):
        network.weight.data += 1
        return ((network(x) - x.sum(1, keepdim=True)) ** 2).sum()

    for answer in (switched, changed):
        assert "changes the network network" in str(failure(NORM, answer))


def last(times):
    return torch.tensor(times[-1])


def test_a_list_that_is_changed_is_named():
    task = Task(last, cases=[([3.0, 1.0],)], mistakes="first: the first.\n    times[-1] -> times[0]")
    assert "changes the list times" in str(failure(task, lambda times: torch.tensor(times.pop())))
    assert task.cases == [([3.0, 1.0],)]


def test_an_input_with_nan_counts_as_unchanged(capsys):
    def filled(x):
        return x.nan_to_num()

    Task(filled, cases=[(torch.tensor([1.0, torch.nan]),)], mistakes="half: halved.\n    x.nan -> (x / 2).nan").check(
        lambda x: x.nan_to_num(0.0)
    )
    assert "✓" in capsys.readouterr().out


def test_a_number_may_have_any_float_type(capsys):
    NORM.check(lambda network, x: float(network(x).square().sum()))
    NORM.check(lambda network, x: network(x).square().sum().double())
    assert capsys.readouterr().out.count("✓") == 2


def test_wrong_number_of_arguments_and_no_function_are_named():
    assert "takes 1 positional argument but 2 were given" in str(failure(KL, define("def f(mean):\n    return mean", "f")))
    assert "a function is asked for, got a tensor of shape (2,)" in str(failure(KL, torch.zeros(2)))


def test_an_in_place_change_is_named_where_gradients_are_asked_for():
    assert "changes its input mean in place" in str(failure(KL, student("return mean.add_(log_var).sum(1)")))


def test_a_gradient_that_is_lost_in_part_is_named():
    part = "0.5 * (mean.detach()**2 + log_var.exp() - 1 - log_var).sum(1)"
    assert "no gradient reaches mean:" in str(failure(KL, student(f"return {part}")))


def test_warnings_and_stderr_of_an_answer_do_not_fail_it(capfd):
    KL.check(student("import sys, warnings\n    warnings.warn('mind')\n    print('x', file=sys.stderr)\n    return " + KL_RIGHT))
    assert capfd.readouterr().err == ""  # nbgrader takes anything on stderr for a failure


def test_printing_a_task_gives_nothing_away():
    assert [repr(KL), repr(HEIGHT)] == ["Task('gaussian_kl')", "Goal('height')"]


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
        "from course_lib.grading.autoencoders import GAUSSIAN_KL\nanswer = GAUSSIAN_KL.answer",
        "from course_lib.grading.autoencoders import GAUSSIAN_KL\nanswer = GAUSSIAN_KL.truth",
        "from course_lib.grading.autoencoders import GAUSSIAN_KL\nanswer = GAUSSIAN_KL.yours_or_ours({})",
        "from course_lib.distributions import gaussian_kl as k\n\ndef answer(m, v):\n    try:\n        return k(m, v)\n"
        "    except BaseException:\n        return m",
    ],
)
def test_a_borrowed_answer_is_refused_however_it_is_imported(source):
    error = failure(KL, define(source, "answer"))
    assert error.kind == "library"
    assert "your function runs course_lib." in str(error)


def test_switching_the_watch_off_is_noticed():
    source = "import sys\nfrom course_lib.distributions import gaussian_kl as k\n\ndef answer(m, v):\n    sys.setprofile(None)\n"
    source += "    return k(m, v)\n"
    assert failure(KL, define(source, "answer")).kind == "library"
    assert sys.getprofile() is None


def test_what_is_swept_away_meanwhile_is_not_the_answers_doing():
    """An explorer that nobody needs any more is closed by a function of the library, whenever Python finds it."""

    class Explorer:
        def __del__(self):
            distributions.gaussian_kl(torch.zeros(1, 1), torch.zeros(1, 1))
            closed.append(self)

    closed = []

    def answer(mean, log_var):
        explorer = Explorer()
        explorer.itself = explorer  # as an explorer holds its controls, and these the explorer
        del explorer
        kept = [[] for _ in range(5_000)]  # enough for Python to look for what nobody needs
        assert len(kept) == 5_000
        return -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum(1)

    KL.check(answer)
    gc.collect()
    assert closed and gc.isenabled()


def test_the_library_works_again_after_a_check():
    failure(KL, distributions.gaussian_kl)
    assert distributions.gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 3)).tolist() == [0.0, 0.0]


def test_using_the_library_for_the_inputs_is_no_borrowing(capsys):
    KL.check(define(f"def f(mean, log_var):\n    return {KL_RIGHT}", "f", grid=grid, course=distributions))
    assert "✓" in capsys.readouterr().out


def test_a_notebook_shows_the_message_and_no_stack():
    error = failure(KL, student(f"return 2 * {KL_RIGHT}"))
    assert error._render_traceback_() == [str(error)]
    assert isinstance(error, AssertionError)


def test_yours_or_ours(capsys):
    mine = student(f"return {KL_RIGHT}")
    assert KL.yours_or_ours({"gaussian_kl": mine}) is mine
    assert capsys.readouterr().out == ""
    for namespace in ({}, {"gaussian_kl": lambda mean, log_var: 2 * mine(mean, log_var)}):
        ours = KL.yours_or_ours(namespace)
        assert "gaussian_kl: yours does not pass its check yet" in capsys.readouterr().out
        mean = grid(4, 3).requires_grad_()
        result = ours(mean, grid(4, 3))
        assert result.dtype == torch.float32
        torch.testing.assert_close(result, mine(mean, grid(4, 3)))
        result.sum().backward()
        torch.testing.assert_close(mean.grad, mean.detach())  # d/dμ of ½ μ²


# --------------------------------------------------------------------------------------------------------------------
# Goals

HEIGHT = Goal(
    "height",
    {"metres": 2.0, "grams": 1.0},
    [
        Region("tiny", lambda m: m["metres"] < 1, "Grow."),
        Region("unwatered", lambda m: m["water"] == 0, "Water it."),
    ],
    slack={"metres": 0.0, "grams": 0.1},
    settings={"water": None, "light": 1.0, "soil": "sand"},
)


@pytest.mark.parametrize(("measured", "said"), [(None, "got a NoneType"), ({"metres": 1.0}, "grams missing")])
def test_a_goal_says_what_is_missing(measured, said):
    with pytest.raises(CheckFailed, match=said):
        HEIGHT.check(measured)


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("raise NotImplementedError()", "blank", "not answered yet"),
        ("pass", "none", "should return a dict with water and, if you like, light or soil; yours returns a NoneType"),
        ("return 1.0, 700", "type", "yours returns a tuple"),
        ("return {}", "type", "yours has nothing"),
        ("return {'light': 700}", "type", "water is missing: yours has light"),
        ("return {'water': 1.0, 'steps': 9000}", "type", "yours has water, steps"),
        ("return {'water': dose}", "error", "name 'dose' is not defined"),
    ],
)
def test_other_settings_are_refused_in_one_sentence(body, kind, said):
    with pytest.raises(CheckFailed) as caught:
        HEIGHT.chosen(define(f"def settings():\n    {body}\n", "settings"))
    assert caught.value.kind == kind and said in str(caught.value)


def test_settings_are_handed_on():
    assert HEIGHT.chosen(lambda: {"water": 1.0, "light": 400}) == {"water": 1.0, "light": 400}


def test_a_hint_reads_the_settings():
    with pytest.raises(CheckFailed, match="Water it"):
        HEIGHT.check({"metres": 1.5, "grams": 1.0}, {"water": 0})
    with pytest.raises(CheckFailed, match="Close: keep tuning"):
        HEIGHT.check({"metres": 1.5, "grams": 1.0}, {"water": 1})


def test_a_goal_names_divergence():
    with pytest.raises(CheckFailed, match="Training diverged"):
        HEIGHT.check({"metres": float("nan"), "grams": 8.0})


def test_a_number_just_short_of_a_goal_is_close():
    with pytest.raises(CheckFailed, match=r"metres 1.9 \(goal: at least 2\).* Close: keep tuning. \[height/value\]"):
        HEIGHT.check({"metres": 1.9, "grams": 1.0}, {"water": 1.0})


def test_a_number_far_from_a_goal_is_not_called_close():
    with pytest.raises(CheckFailed, match=r"Not close, and no setting says why\."):
        replace(HEIGHT, close={"metres": 0.3}).check({"metres": 1.5, "grams": 1.0}, {"water": 1.0})
    with pytest.raises(CheckFailed, match="Close: keep tuning"):
        replace(HEIGHT, close={"metres": 0.6}).check({"metres": 1.5, "grams": 1.0}, {"water": 1.0})


def test_weights_that_sum_to_1_have_a_gradient():
    def weights(x):
        return x.softmax(1)

    task = Task(weights, cases=[(grid(2, 3),)], gradient=True, mistakes="sigmoid: no.\n    softmax(1) -> sigmoid()")
    error = failure(task, lambda x: x.softmax(1).detach())
    assert error.kind == "gradient" and "no gradient reaches x" in str(error)


def test_a_check_is_quiet_where_ours_may_stand_in():
    with contextlib.redirect_stdout(io.StringIO()) as said:
        KL.yours_or_ours({"gaussian_kl": gaussian_kl})
    assert said.getvalue() == ""
