"""A `Task`: one function to write, its right answer, inputs, and the mistakes that students really make with it.

`running.py` runs an answer on a case; here what comes out is judged.
"""

import contextlib
import inspect
import io
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from course_lib.grading.mistakes import Mistake, compiled, function, spellings
from course_lib.grading.running import CheckFailed, Outcome, copies, grid, leaves_of, observe, outcome_of, plain
from course_lib.grading.words import describe, guess, kind, number, shown, type_name

__all__ = ["CheckFailed", "Outcome", "Task", "grid", "plain"]


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
        for dtype in (torch.float64, torch.float32):
            with plain(dtype):
                inputs = self._copies(case, gradient, double=dtype == torch.float64)
                try:
                    found = self._read(outcome_of(function(*inputs), inputs), inputs)
                except RuntimeError:  # float32 and float64 do not mix in a matrix product
                    if dtype == torch.float32:
                        raise
                    continue
            return found if gradient else replace(found, gradients=())  # a wrong version may have switched some on by itself

    def _mistaken(self, wrong: Callable, case: tuple, gradient: bool = True) -> Outcome:
        """What a wrong version says; one that cannot be run equals nothing."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._expected(wrong, case, gradient)
        except Exception as error:
            return Outcome((error,))

    def _answered(self, answer: Callable, case: tuple, where_: str, gradient: bool) -> Outcome:
        observed = observe(answer, self._names(), case, self._wanted(), gradient)
        if observed.problem:
            self._refuse(*observed.problem, case, where_)
        return self._read(observed.outcome, case)

    def _read(self, outcome: Outcome, inputs: Sequence) -> Outcome:
        """What counts of an outcome; a task whose results are no numbers makes numbers of them here."""
        return outcome

    def _refuse(self, kind: str, what: str, case: tuple, where_: str) -> NoReturn:
        """Say what kept an answer from an outcome."""
        given = dict(zip(self._names(), case)).get(what)
        if kind == "in place" and isinstance(given, nn.Module):
            said = f"your function changes the network {what}. Leave it as it is."
        elif kind == "in place" and isinstance(given, Tensor):
            said = f"your function changes its input {what} in place. Make a new tensor instead."
        elif kind == "in place":
            said = f"your function changes the {type(given).__name__} {what}. Make a new one instead: its owner may need it again."
        elif kind == "switched on":
            said = f"your function switches gradients on in its input {what}, and its owner finds them on. "
            said += f"Give them to a tensor of your own: `{what}.detach().requires_grad_()`."
            kind = "side effect"
        elif kind == "side effect":
            said = (
                f"your function leaves gradients behind in {what}: `backward` adds to the `.grad` of every parameter, and its owner steps "
                "along them. A loss is only returned; and where a gradient is asked for, `torch.autograd.grad` gives it and touches "
                "nothing else."
            )
        else:
            said = {
                "library": f"{what}. Write the answer yourself, without course_lib.",
                "blank": "not answered yet.",
                "error": f"{what}, in {where_} ({self._inputs(case)}).",
                "none": "your function returned None: is there a `return`?",
                "gradient": f"right values, but no gradient gets through: {what}, in {where_}.",
                "time": f"{what}, in {where_} ({self._inputs(case)}).",
            }[kind]
        self._fail(kind, said)

    def _look_at_dtypes(self, outcome: Outcome, case: tuple, where_: str) -> None:
        """Whether results with axes have the floating-point type of the right answer's: the next matrix product refuses to mix them."""
        if self.any_float:
            return
        right = self._read(outcome_of(self.answer(*(inputs := self._copies(case, False))), inputs), case)
        for i, (given, asked) in enumerate(zip(outcome.values, right.values)):
            looked_at = isinstance(given, Tensor) and isinstance(asked, Tensor) and (given.ndim or self.strict)
            if looked_at and given.is_floating_point() and given.dtype != asked.dtype:
                what = self.results[i] if self.results else "the result"
                said = f"{what} should be {asked.dtype}, yours is {given.dtype}, in {where_}"
                like = next((name for name, x in zip(self._names(), case) if isinstance(x, Tensor) and x.dtype == asked.dtype), None)
                how = f": `.to({like})` brings a tensor to it, `dtype={like}.dtype` makes a new one of it" if like else ""
                self._fail("dtype", f"right values, but {said}. It should have the type of {like or 'what it meets next'}{how}.")

    def _wanted(self) -> Sequence[str]:
        """The inputs whose gradients count."""
        return self._names() if self.gradient is True else self.gradient or ()

    def _copies(self, case: tuple, gradient: bool, double: bool = False) -> list:
        """Fresh copies of the inputs; with `gradient`, those that the task names are part of a graph."""
        return copies(self._names(), case, self._wanted() if gradient else (), double)

    def _equal(self, a: Outcome, b: Outcome) -> bool:
        sizes = (len(a.values), len(a.gradients)), (len(b.values), len(b.gradients))  # gradients may come from a stranger, who sends none
        pairs = zip((*a.values, *a.gradients), (*b.values, *b.gradients))
        return sizes[0] == sizes[1] and all(self._same(x, y) for x, y in pairs)

    def _same(self, x: Any, y: Any) -> bool:
        x, y = number(x), number(y)
        if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
            if isinstance(x, Tensor | Exception) or isinstance(y, Tensor | Exception):
                return False  # a truth is a tensor: what is none, or says of itself that it is one, is not right
            return type_name(x) == type_name(y)
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
                else f" A list or tuple counts as several: {_joins(answer.values, truth.values[0])} joins them."
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
                hunt = "Look for a log of 0, a log or root of a negative number, a division by 0, a mean of nothing or an exp that "
                hunt += "overflows."
                self._fail("nan", f"{what} is {bad} in {where_}. {hunt}")
            error = (x.double() - y.double()).abs().nan_to_num(0.0)
            place = f" at {[int(i) for i in torch.unravel_index(error.argmax(), error.shape)]}" if error.ndim else ""
            self._fail("value", f"{what} is off by up to {error.max():.3g}{place}, in {where_}.")
        leaves = [name for name, value in zip(self._names(), self._copies(cases[first], gradient)) for _ in leaves_of(value)]
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


def _joins(parts: Sequence, whole: Any) -> str:
    """What makes one tensor of several: `torch.cat` where they are blocks of the whole along one of its axes."""
    if all(isinstance(each, Tensor) and each.ndim == whole.ndim for each in (whole, *parts)):
        for axis in range(whole.ndim):
            rest = {each.shape[:axis] + each.shape[axis + 1 :] for each in (whole, *parts)}
            if len(rest) == 1 and sum(each.shape[axis] for each in parts) == whole.shape[axis]:
                return f"`torch.cat(…, {axis})`"
    return "`torch.stack`"
