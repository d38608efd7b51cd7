"""Checks for the graded exercises.

A `Task` is a reference, inputs, and known mistakes: wrong versions that students really write. `task.check(answer)` prints one
`✓` line, or raises `CheckFailed`, whose message names what is wrong and hints at the fix without giving it. A `Goal` does the same
for an experiment that is tuned until measured numbers are met.

How a borrowed answer is noticed: while the answer runs, `sys.setprofile` sees every Python function that is entered. Any that lies
in a file of `course_lib` refuses the answer, however it was imported, renamed or wrapped, and wherever in the answer it is called.
"""

import contextlib
import copy
import inspect
import io
import linecache
import math
import sys
import textwrap
import traceback
import warnings
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn

LIBRARY = str(Path(__file__).parents[1])
# what an error message leaves unsaid
ADVICE = {
    "step must be greater than zero": "torch cannot step backwards: `.flip(0)` turns a tensor round",
    "grad can be implicitly created only for scalar outputs": "add the scores up first: each depends on its own example alone",
    "element 0 of tensors does not require grad": "the point at which you want a gradient has to say so: `.requires_grad_()`",
    "One of the differentiated Tensors does not require grad": "differentiate by the point that you put in, made to ask for a gradient "
    "with `.requires_grad_()`, not by the parameters or another tensor",
    "dim must be a 2-tuple": "a norm runs over one axis or two: `.flatten(1)` first, then one axis is left besides the batch",
    "it must be of length 1 or 2": "`.flatten(1)` first, then one axis is left besides the batch",
    "Dimension out of range": "the inputs of this case have fewer axes: `.flatten(1)`, or axes counted from the end, suit every number",
    "Sizes of tensors must match except in dimension": "is this the axis to join along? Then `expand` the smaller one first",
    "Tensors must have same number of dimensions": "`torch.cat` adds no axes: give the smaller one axes of length 1, then `expand` it",
    'can only concatenate list (not "tuple")': "a list and a tuple do not join: `[first, *others]` takes both",
    'can only concatenate tuple (not "list")': "a list and a tuple do not join: `[first, *others]` takes both",
    "input matrix is ill-conditioned": "does it hold a NaN? Rounding puts eigenvalues of 0 a little below it: `clamp(min=0)` before a root",
    "not positive-definite": "some eigenvalues are 0, and Cholesky wants all above it: `eigh` takes zeros",
    "weight should have at least three dimensions": "`conv2d` wants a weight of shape (out, in, height, width): add the missing axes",
    "Expected size for first two dimensions of batch2": "a matrix product works on the last two axes: which ones should it mix?",
    "selected index k out of range": "`topk` finds no more than there are: what if k is larger than that?",
    "Kernel size can't be greater than actual input size": "the kernel reaches over more inputs than there are: which ones are missing?",
    "Can't call numpy() on Tensor that requires grad": "no, gradients must pass through this function: stay with torch",
}


class CheckFailed(AssertionError):
    """A wrong answer. Its message ends in `[task/kind]`, which `pipeline` counts; kind m3 is the task's third known mistake."""

    def __init__(self, task: str, kind: str, message: str):
        super().__init__(f"✗ {task}: {message} [{task}/{kind}]")
        self.task, self.kind = task, kind

    def _render_traceback_(self) -> list[str]:
        return [str(self)]  # what a notebook shows: the message, none of our stack


@dataclass(frozen=True)
class Mistake:
    """A wrong version with its hint. `wrong` takes the task's inputs; for a `Goal` it tells from the numbers whether it happened.

    forms: more wrong versions that deserve the same hint
    """

    label: str
    wrong: Callable
    hint: str
    forms: Sequence[Callable] = ()


def grid(*shape: int, low: float = -2.0, high: float = 1.5) -> Tensor:
    """Evenly spaced numbers in a shape: the same on every platform, since no random generator is asked."""
    return torch.linspace(low, high, math.prod(shape)).reshape(shape)


@dataclass(frozen=True)
class Outcome:
    """What a function returned, as a tuple, and the gradients of its sum that the task compares, 0 where none arrives."""

    values: tuple[Any, ...]
    gradients: tuple[Tensor, ...] = ()


@dataclass(frozen=True, repr=False)
class Task:
    """One function to write.

    reference: the truth, from a source other than course_lib; it gets the inputs in float64 and may return a tensor, a number or a tuple
    cases, hidden_cases: inputs, one tuple a case; the hidden ones are for grading
    results: a name for each entry of a returned tuple
    gradient: compare gradients too, those of every input or of the inputs named; those of a network are its parameters'
    tolerance: allowed error, absolute and relative
    """

    name: str
    reference: Callable
    cases: Sequence[tuple]
    mistakes: Sequence[Mistake]
    hidden_cases: Sequence[tuple] = ()
    results: tuple[str, ...] = ()
    gradient: bool | tuple[str, ...] = False
    tolerance: float = 1e-5

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"  # no more: the hints and the hidden inputs would show

    def check(self, answer: Callable, hidden: bool = False) -> None:
        """Print `✓ name: n of n cases`, or raise.

        Raises:
            CheckFailed: the answer is wrong; its message is the hint of the mistake that it equals in every case, if there is one
        """
        if not callable(answer):
            self._fail("type", f"a function is asked for, got {_describe(answer)}.")
        cases = self.hidden_cases if hidden else self.cases
        for gradient in [False, True] if self.gradient else [False]:  # the values first
            self._compare(answer, cases, "hidden " * hidden, gradient)
        print(f"✓ {self.name}: {len(cases)} of {len(cases)} {'hidden ' * hidden}cases")

    def _compare(self, answer: Callable, cases: Sequence[tuple], hidden: str, gradient: bool) -> None:
        truths = [self._expected(self.reference, case, gradient) for case in cases]
        answers = [self._answered(answer, case, f"{hidden}case {i}", gradient) for i, case in enumerate(cases, 1)]
        right = [self._equal(a, truth) for a, truth in zip(answers, truths)]
        if all(right):
            return
        for i, mistake in enumerate(self.mistakes, 1):
            for wrong in (mistake.wrong, *mistake.forms):
                if all(self._equal(a, self._expected(wrong, case, gradient)) for a, case in zip(answers, cases)):
                    self._fail(f"m{i}", mistake.hint)
        first = right.index(False)
        again = self._answered(answer, cases[first], "", gradient)
        if not self._equal(again, answers[first]):
            self._fail("random", "two calls with the same inputs gave two answers. Use what you are given; draw nothing yourself.")
        leaves = [name for name, value in zip(self._names(), self._copies(cases[first], gradient)) for _ in _leaves(value)]
        self._explain(answers[first], truths[first], f"{hidden}case {first + 1} ({self._inputs(cases[first])})", leaves)

    def yours_or_ours(self, namespace: dict[str, Any]) -> Callable:
        """The student's function, found by its name, if it passes; else the reference, so that one wrong task does not stop a later one."""
        answer = namespace.get(self.name)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                self.check(answer)
        except CheckFailed:
            print(f"{self.name}: yours does not pass its check yet, so ours stands in for it here.")
            return self._stand_in
        return answer

    def _stand_in(self, *inputs: Any) -> Any:
        """The reference in float64, its floats in the precision of the inputs. A network among the inputs keeps to its own."""
        if any(map(callable, inputs)):
            return self.reference(*inputs)
        kind = next((value.dtype for value in inputs if _floats(value)), torch.float32)
        result = self.reference(*(value.double() if _floats(value) else value for value in inputs))
        if isinstance(result, tuple):
            return tuple(part.to(kind) if _floats(part) else part for part in result)
        return result.to(kind) if _floats(result) else result

    def _expected(self, function: Callable, case: tuple, gradient: bool = True) -> Outcome:
        inputs = self._copies(case, gradient, double=True)
        return self._outcome(function(*inputs), inputs)

    def _answered(self, answer: Callable, case: tuple, where: str, gradient: bool) -> Outcome:
        inputs = self._copies(case, gradient)
        error, borrowed = None, []
        try:
            with _watched(borrowed), warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")  # nbgrader takes anything on stderr for a failed test
                result = answer(*inputs)
        except (Exception, SystemExit) as problem:
            error = problem
        if borrowed:
            self._fail("library", f"your function runs {borrowed[0]}. Write the answer yourself, without course_lib.")
        if isinstance(error, NotImplementedError):
            self._fail("blank", "not answered yet.")
        if error is not None:
            self._fail("error", f"{_where(error, answer)}, in {where} ({self._inputs(case)}).")
        for name, value, given in zip(self._names(), inputs, case):
            if isinstance(given, Tensor) and not (value.shape == given.shape and torch.equal(value.detach(), given)):
                self._fail("in place", f"your function changes its input {name} in place. Make a new tensor instead.")
        if result is None:
            self._fail("none", "your function returned None: is there a `return`?")
        try:
            return self._outcome(result, inputs)
        except RuntimeError as problem:  # a graph that an in-place change has broken
            self._fail("gradient", f"right values, but no gradient gets through: {_first_lines(str(problem))}, in {where}.")

    def _outcome(self, result: Any, inputs: list) -> Outcome:
        values = tuple(result) if isinstance(result, tuple | list) else (result,)
        leaves = [leaf for value in inputs for leaf in _leaves(value)]
        total = sum(v.sum() for v in values if isinstance(v, Tensor) and v.requires_grad)
        if not (leaves and isinstance(total, Tensor)):
            return Outcome(values, tuple(map(torch.zeros_like, leaves)))
        return Outcome(values, torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True))

    def _copies(self, case: tuple, gradient: bool, double: bool = False) -> list:
        """Fresh copies of the inputs; with `gradient`, those that the task names are part of a graph."""
        wanted = self._names() if self.gradient is True else self.gradient or ()
        return [_copy(value, double, gradient and name in wanted) for name, value in zip(self._names(), case)]

    def _equal(self, a: Outcome, b: Outcome) -> bool:
        parts = [*a.values, *a.gradients], [*b.values, *b.gradients]
        return len(a.values) == len(b.values) and all(self._same(x, y) for x, y in zip(*parts))

    def _same(self, x: Any, y: Any) -> bool:
        x, y = _number(x), _number(y)
        if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
            return type(x) is type(y)  # neither can be the truth, which is a tensor
        if x.shape != y.shape or _kind(x) != _kind(y):
            return False
        if x.is_complex():
            return torch.equal(x, y)  # never the truth: the same answer twice
        return torch.allclose(x.double(), y.double(), rtol=self.tolerance, atol=self.tolerance, equal_nan=True)

    def _explain(self, answer: Outcome, truth: Outcome, where: str, leaves: list[str]) -> NoReturn:
        wanted = len(truth.values)
        if len(answer.values) != wanted:
            names = f" ({', '.join(self.results)})" if self.results else ""
            self._fail("type", f"{wanted} result{'s' * (wanted > 1)}{names} asked for, yours returns {len(answer.values)}, in {where}.")
        for i, (given, asked) in enumerate(zip(answer.values, truth.values)):
            if self._same(given, asked):
                continue
            what = self.results[i] if self.results else "the result"
            x, y = _number(given), _number(asked)
            if not isinstance(x, Tensor):
                self._fail("type", f"{what} should be {_describe(asked)}, yours is {_describe(given)}, in {where}.")
            if x.shape != y.shape:
                self._fail("shape", f"{what} should have shape {tuple(y.shape)}, yours has {tuple(x.shape)}, in {where}.")
            if x.is_complex():
                self._fail("dtype", f"{what} is complex ({x.dtype}), in {where}. Real numbers are asked for: what makes them complex?")
            if _kind(x) != _kind(y):
                self._fail("dtype", f"{what} should be {_kind(y)}, yours is {_kind(x)} ({x.dtype}), in {where}.")
            if not x.double().isfinite().all():
                bad = "NaN" if x.isnan().any() else "infinite"
                hunt = "Look for a log of 0, a log or root of a negative number, a division by 0 or an exp that overflows."
                self._fail("nan", f"{what} is {bad} in {where}. {hunt}")
            error = (x.double() - y.double()).abs()
            place = f" at {[int(i) for i in torch.unravel_index(error.argmax(), error.shape)]}" if error.ndim else ""
            self._fail("value", f"{what} is off by up to {error.max():.3g}{place}, in {where}.")
        lost = dict.fromkeys(name for name, g, t in zip(leaves, answer.gradients, truth.gradients) if t.any() and not g.any())
        if lost:
            self._fail("gradient", f"right values, but no gradient reaches {' or '.join(lost)}: nothing could be learned through them.")
        if not all(g.isfinite().all() for g in answer.gradients):
            hunt = "Look for an exp that overflows or a division by 0 in a part that is not used, such as a branch of `torch.where`."
            self._fail("gradient", f"right values, but a gradient is NaN or infinite, in {where}. {hunt}")
        self._fail("gradient", f"right values, but wrong gradients, in {where}. Is part of the formula detached or rounded?")

    def _fail(self, kind: str, message: str) -> NoReturn:
        raise CheckFailed(self.name, kind, message) from None

    def _names(self) -> list[str]:
        return list(inspect.signature(self.reference).parameters)

    def _inputs(self, case: tuple) -> str:
        parts = zip(self._names(), case)
        return ", ".join(
            f"{name} {tuple(value.shape)}" if isinstance(value, Tensor) else f"{name} = {_shown(value)}" for name, value in parts
        )


@dataclass(frozen=True, repr=False)
class Goal:
    """An experiment that is tuned until its measured numbers are met.

    at_least: for each measured number, its name as shown → the threshold
    slack: how much less is enough in the hidden test, which measures on other data: a goal that is met stays met
    mistakes: regions of the numbers, the likeliest cause first; `wrong(measured)` says whether the numbers lie there
    settings: names of what may be tuned, the first of them needed
    rules: for a setting, which values are allowed, and that in words
    """

    name: str
    at_least: dict[str, float]
    mistakes: Sequence[Mistake]
    slack: dict[str, float]
    settings: tuple[str, ...] = ()
    rules: dict[str, tuple[Callable[[Any], bool], str]] = field(default_factory=dict)

    __repr__ = Task.__repr__

    def chosen(self, answer: Callable) -> dict[str, Any]:
        """The settings that a student's function returns.

        Raises:
            CheckFailed: it is blank, fails, or returns no dict, or one without the needed setting, with another than those to tune, or
                with a value that is not allowed
        """
        try:
            given = answer()
        except NotImplementedError:
            raise CheckFailed(self.name, "blank", "not answered yet.") from None
        except Exception as error:
            raise CheckFailed(self.name, "error", f"{_where(error, answer)}.") from None
        allowed = f"a dict with {self.settings[0]} and, if you like, {' or '.join(self.settings[1:])}"
        if not isinstance(given, dict):
            kind = "none" if given is None else "type"
            raise CheckFailed(self.name, kind, f"settings should return {allowed}; yours returns {_describe(given)}.")
        if self.settings[0] not in given or given.keys() - set(self.settings):
            missing = "" if self.settings[0] in given else f"{self.settings[0]} is missing: "
            has = ", ".join(map(str, given)) or "nothing"
            raise CheckFailed(self.name, "type", f"settings should return {allowed}; {missing}yours has {has}.")
        for key, value in given.items():
            allowed, in_words = self.rules.get(key, (lambda _: True, ""))
            if not allowed(value):
                raise CheckFailed(self.name, "type", f"{key} should be {in_words}; yours is {value!r}.")
        return given

    def check(self, measured: dict[str, float], hidden: bool = False) -> None:
        """Print `✓` with the numbers reached, or raise with the numbers and the hint of the region that they lie in.

        Raises:
            CheckFailed: a number is not finite, missing or below its threshold
        """
        goals = {key: least - hidden * self.slack[key] for key, least in self.at_least.items()}
        if not isinstance(measured, dict):
            raise CheckFailed(self.name, "type", f"measured numbers are asked for, got {_describe(measured)}.")
        numbers = ", ".join(f"{key} {measured[key]:.4g} (goal: at least {goals[key]:.4g})" for key in goals if key in measured)
        if not all(map(math.isfinite, measured.values())):
            raise CheckFailed(self.name, "nan", f"{numbers}. Training diverged: is one of your settings negative or far too large?")
        if missing := goals.keys() - measured.keys():
            raise CheckFailed(self.name, "type", f"measured numbers are asked for, {', '.join(sorted(missing))} missing.")
        if all(measured[key] >= goal for key, goal in goals.items()):
            print(f"✓ {self.name}: {numbers}")
            return
        for i, region in enumerate(self.mistakes, 1):
            if region.wrong(measured):
                raise CheckFailed(self.name, f"m{i}", f"{numbers}. {region.hint}")
        raise CheckFailed(self.name, "value", f"{numbers}. Close: keep tuning.")


def is_number(value: Any, least: float) -> bool:
    """Whether a setting is a finite number, `least` or more, of Python or NumPy."""
    return isinstance(value, Real) and not isinstance(value, bool) and least <= value < math.inf


def is_whole(value: Any, allowed: Container[int]) -> bool:
    """Whether a setting is one of the whole numbers allowed, of Python or NumPy."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value in allowed


@contextlib.contextmanager
def _watched(borrowed: list[str]) -> Iterator[None]:
    """Collect in `borrowed` the course_lib functions that are entered meanwhile."""

    def note(frame, event, _argument):
        if event == "call" and frame.f_code.co_filename.startswith(LIBRARY) and frame.f_code.co_filename != __file__:
            name = frame.f_code.co_name
            borrowed.append(frame.f_globals.get("__name__", "course_lib") + ("" if name == "<module>" else f".{name}"))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        if sys.getprofile() is not note:
            borrowed.append("sys.setprofile")
        sys.setprofile(before)


def _copy(value: Any, double: bool, gradient: bool) -> Any:
    """A fresh copy of one input. It is no leaf of the graph, so that an in-place change reaches us instead of raising inside torch."""
    if isinstance(value, nn.Module):
        network = copy.deepcopy(value).requires_grad_(gradient)
        return network.double() if double else network
    if not isinstance(value, Tensor):
        return value
    fresh = value.detach().clone()
    if not fresh.is_floating_point():
        return fresh
    fresh = fresh.double() if double else fresh
    return fresh.requires_grad_().clone() if gradient else fresh


def _leaves(value: Any) -> list[Tensor]:
    """What gradients are compared for: a tensor, or the parameters of a network."""
    tensors = value.parameters() if isinstance(value, nn.Module) else [value] if isinstance(value, Tensor) else []
    return [tensor for tensor in tensors if tensor.requires_grad]


def _floats(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _number(value: Any) -> Any:
    """A number of Python or NumPy as a tensor without axes, so that 0.5 and tensor(0.5) are one answer."""
    if isinstance(value, np.bool_ | np.number):
        value = value.item()
    return torch.tensor(value) if isinstance(value, bool | int | float) else value


def _kind(x: Tensor) -> str:
    kinds = {"boolean": x.dtype == torch.bool, "floating point": x.is_floating_point(), "complex": x.is_complex()}
    return next((kind for kind, fits in kinds.items() if fits), "whole numbers")


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    module = type(value).__module__
    return f"a {type(value).__name__}" if module == "builtins" else f"a {module}.{type(value).__name__}"


def _shown(value: Any) -> str:
    """A network by its kind: its layers would fill the message."""
    return f"a {type(value).__name__}" if isinstance(value, nn.Module) else str(getattr(value, "__name__", value))


def _where(error: Exception, answer: Callable) -> str:
    """The error with the line of the student's own code that it came from."""
    code = getattr(inspect.unwrap(answer), "__code__", None)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if code and frame.filename == code.co_filename]
    advice = "".join(f"; {advice}" for said, advice in ADVICE.items() if said in str(error))
    message = f"{type(error).__name__}: {_first_lines(str(error))}{advice}"
    if not own:
        return message
    line = linecache.getline(own[-1].filename, own[-1].lineno).strip()
    return f"{message}, in line {own[-1].lineno} of your cell{f': `{line}`' if line else ''}"


def _first_lines(message: str) -> str:
    """The first line that says something; where it leads on to the next, that one too."""
    lines = [line.strip() for line in message.splitlines() if line.strip()] or ["no message"]
    end = next((i for i, line in enumerate(lines) if not line.endswith((":", ","))), len(lines))
    return textwrap.shorten(" ".join(lines[: end + 1]).rstrip(":,"), 300, placeholder=" …")
