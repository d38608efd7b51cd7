"""A `Task`: one function to write, its right answer, inputs, and the mistakes that students really make with it.

How a borrowed answer is noticed: while the answer runs, `sys.setprofile` sees every Python function that is entered. Any that lies in a
file of `course_lib` refuses the answer, however it was imported, renamed or wrapped, and wherever in the answer it is called. Networks
and draws that a case hands to the answer live in `fixtures.py`, the one file that is exempt.
"""

import contextlib
import copy
import inspect
import io
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from course_lib.grading.mistakes import Mistake, compiled, function, spellings
from course_lib.grading.words import describe, first_lines, guess, kind, number, shown, where

LIBRARY = str(Path(__file__).parents[1])
EXEMPT = (__file__, str(Path(__file__).with_name("fixtures.py")))


class CheckFailed(AssertionError):
    """A wrong answer. Its message ends in `[task/kind]`, which `pipeline` counts; kind m3 is the task's third known mistake."""

    def __init__(self, task: str, kind: str, message: str):
        super().__init__(f"✗ {task}: {message} [{task}/{kind}]")
        self.task, self.kind = task, kind

    def _render_traceback_(self) -> list[str]:
        return [str(self)]  # what a notebook shows: the message, none of our stack


def grid(*shape: int, low: float = -2.0, high: float = 1.5) -> Tensor:
    """Evenly spaced numbers in a shape: the same on every platform, since no random generator is asked."""
    return torch.linspace(low, high, math.prod(shape), dtype=torch.float32, device="cpu").reshape(shape)


@contextlib.contextmanager
def plain(dtype: torch.dtype = torch.float32) -> Iterator[None]:
    """Torch as it is when it starts, whatever a notebook has set: on the CPU, with gradients, in full precision, on one thread.

    dtype: what floating-point numbers are by default
    """
    before = torch.get_default_dtype(), torch.get_num_threads()
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.autocast("cpu", enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        torch.set_default_dtype(dtype)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_default_dtype(before[0])
            torch.set_num_threads(before[1])


@dataclass(frozen=True)
class Outcome:
    """What a function returned, as a tuple, and the gradients that the task compares, 0 where none arrives.

    They are those of a sum in which each number counts differently: weights that sum to 1 would have none, were all counted alike.
    """

    values: tuple[Any, ...]
    gradients: tuple[Tensor, ...] = ()


@dataclass(frozen=True, repr=False)
class Task:
    """One function to write.

    answer: the right answer, as a student would write it; the task has its name
    truth: the same from another source, where the answer is not the truth itself: a closed form, enumeration, a library. It gets the
        inputs in float64 and may return a tensor, a number or a tuple
    cases: the inputs of the visible check, one tuple a case. Those of grading stand in the solution's hidden test alone
    mistakes: the known mistakes, as `mistakes.py` says
    ways: other right spellings, as edits of the answer or as functions; each mistake is tried on all of them
    results: a name for each entry of a returned tuple
    gradient: compare gradients too, those of every input or of the inputs named; those of a network are its parameters'
    tolerance: allowed error, absolute and relative
    any_float: whether a result with axes may have another floating-point type than the right answer's
    strict: whether a tensor without axes may not; else it may, and so may a number
    """

    answer: Callable
    truth: Callable | None = None
    _: KW_ONLY
    cases: Sequence[tuple]
    mistakes: str
    ways: Sequence[str | Callable] = ()
    results: tuple[str, ...] = ()
    gradient: bool | tuple[str, ...] = False
    tolerance: float = 1e-5
    any_float: bool = False
    strict: bool = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"  # no more: the hints would show

    @property
    def name(self) -> str:
        return self.answer.__name__

    @cached_property
    def known(self) -> list[Mistake]:
        """The known mistakes, made when first asked for."""
        return compiled(self.answer, self.ways, self.mistakes)

    @cached_property
    def rights(self) -> list[Callable]:
        """The right answer and its other spellings."""
        names = sys.modules[self.answer.__module__].__dict__
        return [self.answer, *(function(source, names) for source in spellings(self.answer, self.ways)[1:])]

    def check(self, answer: Callable, hidden: Callable[[], Sequence[tuple]] | None = None) -> None:
        """Print `✓ name: n of n cases`, or raise.

        hidden: makes the cases of grading, which then take the place of the visible ones

        Raises:
            CheckFailed: the answer is wrong; its message is the hint of the mistake that it equals in every case, if there is one
        """
        if not callable(answer):
            self._fail("type", f"a function is asked for, got {describe(answer)}.")
        with plain():
            cases = hidden() if hidden else self.cases
            for gradient in [False, True] if self.gradient else [False]:  # the values first
                self._compare(answer, cases, "hidden " * bool(hidden), gradient)
        print(f"✓ {self.name}: {len(cases)} of {len(cases)} {'hidden ' * bool(hidden)}cases")

    def _compare(self, answer: Callable, cases: Sequence[tuple], hidden: str, gradient: bool) -> None:
        truths = [self._expected(self.truth or self.answer, case, gradient) for case in cases]
        answers = [self._answered(answer, case, f"{hidden}case {i}", gradient) for i, case in enumerate(cases, 1)]
        right = [self._equal(a, truth) for a, truth in zip(answers, truths)]
        if all(right):
            for i, (given, case) in enumerate(zip(answers, cases), 1):
                self._look_at_dtypes(given, case, f"{hidden}case {i}")
            return
        if found := self.named(answers, cases, gradient):
            self._fail(f"m{found}", self.known[found - 1].hint)
        first = right.index(False)
        again = self._answered(answer, cases[first], "", gradient)
        if not self._equal(again, answers[first]):
            self._fail("random", "two calls with the same inputs gave two answers. Use what you are given; draw nothing yourself.")
        self._explain(answers, truths, cases, first, f"{hidden}case {first + 1} ({self._inputs(cases[first])})", gradient)

    def named(self, answers: Sequence[Outcome], cases: Sequence[tuple], gradient: bool = True) -> int | None:
        """The number of the known mistake that the answers equal in every case, from 1; None if there is none."""
        for i, mistake in enumerate(self.known, 1):
            for _, wrong in mistake.forms:
                if all(self._equal(a, self._mistaken(wrong, case, gradient)) for a, case in zip(answers, cases)):
                    return i
        return None

    def yours_or_ours(self, namespace: dict[str, Any]) -> Callable:
        """The student's function, found by its name, if it passes; else the right one, so that one wrong task does not stop a later one."""
        answer = namespace.get(self.name)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                self.check(answer)
        except CheckFailed:
            print(f"{self.name}: yours does not pass its check yet, so ours stands in for it here.")
            return self.answer
        return answer

    def _expected(self, function: Callable, case: tuple, gradient: bool = True) -> Outcome:
        """What a right or a wrong version says, in float64; in float32 where it holds on to that."""
        with plain(torch.float64):
            inputs = self._copies(case, gradient, double=True)
            try:
                return self._outcome(function(*inputs), inputs)
            except RuntimeError:
                pass  # float32 and float64 do not mix in a matrix product
        with plain():
            inputs = self._copies(case, gradient)
            return self._outcome(function(*inputs), inputs)

    def _mistaken(self, wrong: Callable, case: tuple, gradient: bool = True) -> Outcome:
        """What a wrong version says; one that cannot be run equals nothing."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._expected(wrong, case, gradient)
        except Exception as error:
            return Outcome((error,))

    def _answered(self, answer: Callable, case: tuple, where_: str, gradient: bool) -> Outcome:
        inputs = self._copies(case, gradient)
        wanted = self._names() if self.gradient is True else self.gradient or ()
        networks = [value for name, value in zip(self._names(), inputs) if isinstance(value, nn.Module) and name in wanted]
        for network in networks:
            network.requires_grad_()  # as a student's own: what `backward` leaves in it is then seen, whatever is compared
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
            self._fail("error", f"{where(error, answer)}, in {where_} ({self._inputs(case)}).")
        for name, value, given in zip(self._names(), inputs, case):
            self._look_at_input(name, value, given)
            if isinstance(value, Tensor) and value.requires_grad and not (gradient and name in wanted):
                said = f"switches gradients on in its input {name}, and its owner finds them on"
                self._fail("side effect", f"your function {said}. Give them to a tensor of your own: `{name}.detach().requires_grad_()`.")
        for network in networks:
            network.requires_grad_(gradient)
        if result is None:
            self._fail("none", "your function returned None: is there a `return`?")
        try:
            return self._outcome(result, inputs)
        except RuntimeError as problem:  # a graph that an in-place change has broken
            self._fail("gradient", f"right values, but no gradient gets through: {first_lines(str(problem))}, in {where_}.")

    def _look_at_input(self, name: str, value: Any, given: Any) -> None:
        """Whether an input is as it was given."""
        if isinstance(value, nn.Module):
            if any(parameter.grad is not None for parameter in value.parameters()):
                said = (
                    f"leaves gradients behind in {name}: `backward` adds to the `.grad` of every parameter, and its owner steps along them"
                )
                cure = (
                    "A loss is only returned; and where a gradient is asked for, `torch.autograd.grad` gives it and touches nothing else."
                )
                self._fail("side effect", f"your function {said}. {cure}")
            before, after = given.state_dict(), value.state_dict()
            if value.training != given.training or not all(torch.equal(before[key].to(after[key]), after[key]) for key in before):
                self._fail("in place", f"your function changes the network {name}. Leave it as it is.")
        elif isinstance(given, Tensor):
            now = value.detach()
            same = now.shape == given.shape and torch.allclose(now.double(), given.double(), rtol=0, atol=0, equal_nan=True)
            if not same:
                self._fail("in place", f"your function changes its input {name} in place. Make a new tensor instead.")
        elif isinstance(given, list | dict) and value != given:
            what = f"the {type(given).__name__} {name}"
            self._fail("in place", f"your function changes {what}. Make a new one instead: its owner may need it again.")

    def _look_at_dtypes(self, outcome: Outcome, case: tuple, where_: str) -> None:
        """Whether results with axes have the floating-point type of the right answer's: the next matrix product refuses to mix them."""
        if self.any_float:
            return
        right = self._outcome(self.answer(*(inputs := self._copies(case, False))), inputs)
        for i, (given, asked) in enumerate(zip(outcome.values, right.values)):
            looked_at = isinstance(given, Tensor) and isinstance(asked, Tensor) and (given.ndim or self.strict)
            if looked_at and given.is_floating_point() and given.dtype != asked.dtype:
                what = self.results[i] if self.results else "the result"
                said = f"{what} should be {asked.dtype}, yours is {given.dtype}, in {where_}"
                why = "A matrix product refuses to mix the two." if given.ndim else "Results have the type of the inputs."
                self._fail("dtype", f"right values, but {said}. {why}")

    def _outcome(self, result: Any, inputs: list) -> Outcome:
        values = tuple(result) if isinstance(result, tuple | list) else (result,)
        leaves = [leaf for value in inputs for leaf in _leaves(value)]
        total = sum((v * _counts(v)).sum() for v in values if isinstance(v, Tensor) and v.requires_grad)
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
        x, y = number(x), number(y)
        if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
            return type(x) is type(y) and not isinstance(x, Exception)  # neither can be the truth, which is a tensor
        if not x.ndim and {kind(x), kind(y)} == {"whole numbers", "floating point"}:
            x, y = x.double(), y.double()  # 70.0 is 70, and 0 is 0.0
        if x.shape != y.shape or kind(x) != kind(y):
            return False
        if x.is_complex():
            return torch.equal(x, y)  # never the truth: the same answer twice
        return torch.allclose(x.double(), y.double(), rtol=self.tolerance, atol=self.tolerance, equal_nan=True)

    def _explain(
        self, answers: Sequence[Outcome], truths: Sequence[Outcome], cases: Sequence[tuple], first: int, where_: str, gradient: bool
    ) -> NoReturn:
        """Say what is wrong in the first case that is, where no known mistake explains it."""
        answer, truth = answers[first], truths[first]
        wanted = len(truth.values)
        if len(answer.values) != wanted:
            names = f" ({', '.join(self.results)})" if self.results else ""
            how = (
                " Write them behind the `return`, with commas."
                if wanted > 1
                else " A list or tuple counts as several: `torch.stack` joins them."
            )
            said = f"{wanted} result{'s' * (wanted > 1)}{names} asked for, yours returns {len(answer.values)}, in {where_}.{how}"
            self._fail("type", said)
        for i, (given, asked) in enumerate(zip(answer.values, truth.values)):
            if self._same(given, asked):
                continue
            what = self.results[i] if self.results else "the result"
            x, y = number(given), number(asked)
            if not isinstance(x, Tensor):
                self._fail("type", f"{what} should be {describe(asked)}, yours is {describe(given)}, in {where_}.")
            if all(len(each.values) == wanted for each in answers):
                pairs = [(number(a.values[i]), number(t.values[i])) for a, t in zip(answers, truths)]
                if found := guess(pairs, [dict(zip(self._names(), case)) for case in cases], self._same):
                    self._fail(found[0], f"{what} is wrong, {found[1]}")
            if not x.ndim and kind(y) == "floating point":
                x = x.double() if kind(x) == "whole numbers" else x  # 0 where 3.0 is asked for: not the kind is wrong
            if x.shape != y.shape:
                self._fail("shape", f"{what} should have shape {tuple(y.shape)}, yours has {tuple(x.shape)}, in {where_}.")
            if x.is_complex():
                self._fail("dtype", f"{what} is complex ({x.dtype}), in {where_}. Real numbers are asked for: what makes them complex?")
            if kind(x) != kind(y):
                self._fail("dtype", f"{what} should be {kind(y)}, yours is {kind(x)} ({x.dtype}), in {where_}.")
            odd = x.isfinite() != y.isfinite()
            if odd.any() and not y.isfinite().all():  # infinite on purpose, as logits of what may not be drawn
                place = odd.nonzero()[0].tolist()
                should = "finite" if y[tuple(place)].isfinite() else "infinite"
                self._fail("value", f"{what} should be {should} at {place}, yours is not, in {where_}.")
            if not x.double().isfinite().all():
                bad = "NaN" if x.isnan().any() else "infinite"
                hunt = "Look for a log of 0, a log or root of a negative number, a division by 0 or an exp that overflows."
                self._fail("nan", f"{what} is {bad} in {where_}. {hunt}")
            error = (x.double() - y.double()).abs().nan_to_num(0.0)
            place = f" at {[int(i) for i in torch.unravel_index(error.argmax(), error.shape)]}" if error.ndim else ""
            self._fail("value", f"{what} is off by up to {error.max():.3g}{place}, in {where_}.")
        leaves = [name for name, value in zip(self._names(), self._copies(cases[first], gradient)) for _ in _leaves(value)]
        lost = dict.fromkeys(name for name, g, t in zip(leaves, answer.gradients, truth.gradients) if t.any() and not g.any())
        if lost:
            self._fail("gradient", f"right values, but no gradient reaches {' or '.join(lost)}: nothing could be learned through them.")
        if not all(g.isfinite().all() for g in answer.gradients):
            hunt = "Look for an exp that overflows or a division by 0 in a part that is not used, such as a branch of `torch.where`."
            self._fail("gradient", f"right values, but a gradient is NaN or infinite, in {where_}. {hunt}")
        hunt = "Is part of the formula detached or rounded, or a number changed a little?"
        self._fail("gradient", f"right values, but wrong gradients, in {where_}. {hunt}")

    def _fail(self, kind: str, message: str) -> NoReturn:
        raise CheckFailed(self.name, kind, message) from None

    def _names(self) -> list[str]:
        return list(inspect.signature(self.answer).parameters)

    def _inputs(self, case: tuple) -> str:
        return ", ".join(f"{name} {shown(value)}" for name, value in zip(self._names(), case))


@contextlib.contextmanager
def _watched(borrowed: list[str]) -> Iterator[None]:
    """Collect in `borrowed` the course_lib functions that are entered meanwhile."""

    def note(frame, event, _argument):
        if event == "call" and frame.f_code.co_filename.startswith(LIBRARY) and frame.f_code.co_filename not in EXEMPT:
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
    if isinstance(value, list | dict):
        return copy.deepcopy(value)
    if not isinstance(value, Tensor):
        return value
    fresh = value.detach().clone()
    if not fresh.is_floating_point():
        return fresh
    fresh = fresh.double() if double else fresh
    return fresh.requires_grad_().clone() if gradient else fresh


def _counts(value: Tensor) -> Tensor:
    """How much each number counts, from 0.2 to 1, the first one 1."""  # no more than 1: rounding stays as small as it was
    return 0.6 + 0.4 * torch.arange(value.numel(), dtype=torch.float64, device=value.device).cos().reshape(value.shape).to(value)


def _leaves(value: Any) -> list[Tensor]:
    """What gradients are compared for: a tensor, or the parameters of a network."""
    tensors = value.parameters() if isinstance(value, nn.Module) else [value] if isinstance(value, Tensor) else []
    return [tensor for tensor in tensors if tensor.requires_grad]
