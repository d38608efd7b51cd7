"""Running an answer on a case: what comes out is plain numbers and words, which may be judged elsewhere.

Nothing here knows a right answer. In the student's notebook a check runs and judges in one process; where a class is graded, this file
alone lies in the sandbox, and the judge sits outside.

How a borrowed answer is noticed: while the answer runs, `sys.setprofile` sees every Python function that is entered. Any that lies in a
file of `course_lib` refuses the answer, however it was imported, renamed or wrapped, and wherever in the answer it is called. Networks
and draws that a case hands to the answer live in `fixtures.py`, which is exempt.
"""

import contextlib
import copy
import functools
import gc
import io
import math
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.grading.words import first_lines, where

EXEMPT = {f"grading/{name}.py" for name in ("running", "tasks", "fixtures", "pipeline/inside")}  # the last is where prints go


class CheckFailed(AssertionError):
    """A wrong answer. Its message ends in `[task/kind]`; kind m3 is the task's third known mistake."""

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


@contextlib.contextmanager
def limited(seconds: float, late: BaseException) -> Iterator[None]:
    """`late` is raised inside when the time is over. What does not listen must be ended from outside."""

    def over(*_):
        raise late

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Outcome:
    """What a function returned, as a tuple, and the gradients that the task compares, 0 where none arrives.

    They are those of a sum in which each number counts differently: weights that sum to 1 would have none, were all counted alike.
    """

    values: tuple[Any, ...]
    gradients: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Observed:
    """What became of an answer in one case: an outcome, or what kept it from one.

    problem: its kind, and what belongs to it: the library's function that ran, an error in words, the name of an input
    calls: how often inputs that count it were asked
    """

    outcome: Outcome | None = None
    problem: tuple[str, str] | None = None
    calls: int = 0


class Elsewhere:
    """An answer that lives in another process and is asked there."""

    def observe(self, names: Sequence[str], case: tuple, wanted: Sequence[str], gradient: bool) -> Observed:
        """As the function `observe`."""
        raise NotImplementedError

    def __call__(self, *arguments: Any) -> Any:
        raise NotImplementedError


def observe(answer: Callable, names: Sequence[str], case: tuple, wanted: Sequence[str], gradient: bool) -> Observed:
    """Run an answer on copies of a case's inputs.

    names: of the inputs;  wanted: those whose gradients count;  gradient: whether they are asked for in this run
    """
    if isinstance(answer, Elsewhere):
        return answer.observe(names, case, wanted, gradient)
    inputs = copies(names, case, wanted if gradient else ())
    networks = [value for name, value in zip(names, inputs) if isinstance(value, nn.Module) and name in wanted]
    for network in networks:
        network.requires_grad_()  # as a student's own: what `backward` leaves in it is then seen, whatever is compared
    error, borrowed = None, []
    counting = [type(value) for value in inputs if isinstance(vars(type(value)).get("calls"), int)]
    before = [each.calls for each in counting]
    try:
        with _watched(borrowed), warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            result = answer(*inputs)
    except (Exception, SystemExit) as problem:
        error = problem
    if isinstance(error, RecursionError) and borrowed == ["sys.setprofile"]:
        borrowed = []  # what watches had no room left to run, and Python takes it away
    if borrowed:
        return Observed(problem=("library", f"your function runs {borrowed[0]}"))
    if isinstance(error, ImportError) and (error.name or "").startswith("course_lib"):  # not there, where a class is graded
        return Observed(problem=("library", f"your function asks for {error.name}"))
    if isinstance(error, NotImplementedError):
        return Observed(problem=("blank", ""))
    if error is not None:
        return Observed(problem=("error", where(error, answer)))
    for name, value, given in zip(names, inputs, case):
        if kind := changed(value, given):
            return Observed(problem=(kind, name))
        if isinstance(value, Tensor) and value.requires_grad and not (gradient and name in wanted):
            return Observed(problem=("switched on", name))
    for network in networks:
        network.requires_grad_(gradient)
    if result is None:
        return Observed(problem=("none", ""))
    try:
        return Observed(outcome_of(result, inputs), calls=sum(each.calls - was for each, was in zip(counting, before)))
    except RuntimeError as problem:  # a graph that an in-place change has broken
        return Observed(problem=("gradient", first_lines(str(problem))))


def changed(value: Any, given: Any) -> str | None:
    """What was done to an input: "side effect" where gradients were left in a network, "in place"; None where nothing was."""
    if isinstance(value, nn.Module):
        if any(parameter.grad is not None for parameter in value.parameters()):
            return "side effect"
        before, after = given.state_dict(), value.state_dict()
        same = value.training == given.training and all(torch.equal(before[key].to(after[key]), after[key]) for key in before)
    elif isinstance(given, Tensor):
        now = value.detach()
        same = now.shape == given.shape and torch.allclose(now.double(), given.double(), rtol=0, atol=0, equal_nan=True)
    else:
        same = not isinstance(given, list | dict) or value == given
    return None if same else "in place"


def outcome_of(result: Any, inputs: Sequence) -> Outcome:
    """What was returned, and its gradients with respect to the inputs that ask for them."""
    values = tuple(result) if isinstance(result, tuple | list) else (result,)
    leaves = [leaf for value in inputs for leaf in leaves_of(value)]
    total = sum((v * _counts(v)).sum() for v in values if isinstance(v, Tensor) and v.requires_grad)
    if not (leaves and isinstance(total, Tensor)):
        return Outcome(values, tuple(map(torch.zeros_like, leaves)))
    return Outcome(values, torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True))


def copies(names: Sequence[str], case: tuple, wanted: Sequence[str] = (), double: bool = False) -> list:
    """Fresh copies of the inputs; those that are wanted are part of a graph."""
    return [_copy(value, double, name in wanted) for name, value in zip(names, case)]


def leaves_of(value: Any) -> list[Tensor]:
    """What gradients are compared for: a tensor, or the parameters of a network."""
    tensors = value.parameters() if isinstance(value, nn.Module) else [value] if isinstance(value, Tensor) else []
    return [tensor for tensor in tensors if tensor.requires_grad]


@functools.cache
def is_ours(file: str) -> bool:
    """Whether a file is course_lib's, wherever a copy of the course lies, and none that answers may run."""
    above, found, name = file.replace("\\", "/").rpartition("/course_lib/")
    return bool(found) and name not in EXEMPT and Path(above, "course_lib/grading/running.py").is_file()


@contextlib.contextmanager
def _watched(borrowed: list[str]) -> Iterator[None]:
    """Collect in `borrowed` the course_lib functions that are entered meanwhile.

    Nothing is swept away meanwhile: an explorer of the notebook that nobody needs any more would be closed by a function of ours.
    """

    def note(frame, event, _argument):
        if event == "call" and "course_lib" in frame.f_code.co_filename and is_ours(frame.f_code.co_filename):
            name = frame.f_code.co_name
            borrowed.append(frame.f_globals.get("__name__", "course_lib") + ("" if name == "<module>" else f".{name}"))

    before, sweeps = sys.getprofile(), gc.isenabled()
    gc.disable()
    sys.setprofile(note)
    try:
        yield
    finally:
        if sweeps:
            gc.enable()
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
