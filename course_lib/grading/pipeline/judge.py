"""The judge: a trusted process that has run the solution once, and forks for every hand-in.

python -m course_lib.grading.pipeline.judge ASSIGNMENT FOLDER    serve `engine.py` on standard input, a socket

It sends a hand-in's cells into a sandbox, one by one. At a check it runs the cell of the solution here, with the student's function
replaced by one that asks the sandbox: inputs go in, numbers come out. So nothing that a hand-in changes, prints or raises reaches the
judgement. Of an experiment only the settings are asked for; it is run again here with the right functions.

FOLDER keeps what the settings of an experiment lead to, since students choose alike.
"""

import ast
import contextlib
import hashlib
import io
import json
import os
import re
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle
import nbformat
from nbformat import NotebookNode

from course_lib.grading import CheckFailed, Goal, Task
from course_lib.grading.running import Elsewhere, Observed, limited
from course_lib.grading.words import Said

from . import wire
from .exercise import ROOT, grade_id, is_answer, is_by_hand, label, task_of, tasks_of
from .limits import Limits
from .sandbox import by_value
from .seen import tricks
from .syntax import parsed
from .text import whole

MOST_RESTARTS = 12
LABELS = {"time": "does not end", "ended": "ends the kernel", "lies": "answers with nonsense"}


class Over(Exception):
    """The sandbox is gone, or of no use any more. `kind` is one of LABELS."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


@dataclass
class Verdict:
    """What a check said: nothing against it, or a kind and a message."""

    kind: str | None = None
    message: str = ""


# --------------------------------------------------------------------------------------------------------------------
# The solution


@dataclass
class Solution:
    """The solution after its cells ran: names, and the code of each check and hidden test."""

    tasks: dict[str, Task | Goal]
    topic: str
    names: dict[str, Any]
    code: dict[str, str]
    functions: dict[str, str]  # by task, the name of the function that a student writes

    @classmethod
    def read(cls, assignment: str) -> "Solution":
        notebook = nbformat.read(ROOT / "solutions" / assignment / f"{assignment}.ipynb", as_version=4)
        tasks = tasks_of(assignment)
        code, functions, last = {}, {}, None
        for cell in notebook.cells:
            name = grade_id(cell)
            if not name or cell.cell_type != "code":
                continue
            if is_answer(cell):
                found = [node.name for node in parsed(cell.source).body if isinstance(node, ast.FunctionDef)]
                last = found[-1] if found else last
            elif name.startswith(("check_", "grade_")):
                code[name] = cell.source
                functions[task_of(name)] = task_of(name) if isinstance(tasks.get(task_of(name)), Task) else last
        made = cls(tasks, assignment.split("_", 1)[1], {"__name__": "__main__"}, code, functions)
        made._run(notebook)
        return made

    def _run(self, notebook: NotebookNode) -> None:
        """Run the cells that have a name: those that grading needs, and not those that only show pictures."""
        from IPython.display import display

        self.names["display"] = display
        with contextlib.redirect_stdout(io.StringIO()):
            for cell in notebook.cells:
                name = grade_id(cell)
                if name and cell.cell_type == "code" and not name.startswith("grade_"):
                    exec(compile(cell.source, f"<{name}>", "exec"), self.names)


# --------------------------------------------------------------------------------------------------------------------
# One hand-in


class Sandbox:
    """A running hand-in, asked over a socket."""

    def __init__(self, channel: socket.socket, files: dict[str, str], limits: dict[str, Any], over: float):
        self.channel, self.over, self.number = channel, over, 0
        first = self._exchange({"files": files, "limits": limits}, b"", min(time.monotonic() + 120, over))[0]
        if not first.get("ready"):
            raise Over("ended", f"no sandbox: {str(first.get('refused', first))[:200]}")

    def ask(self, seconds: float, blob: bytes = b"", **message: Any) -> tuple[dict[str, Any], bytes]:
        """What the hand-in says, after `seconds` at most, and a little more, in which it may still end by itself.

        Raises:
            Over
        """
        self.number += 1
        until = min(time.monotonic() + seconds + 3 + seconds / 10, self.over)
        reply, blob = self._exchange(message | {"number": self.number, "seconds": seconds}, blob, until)
        if reply.get("to") != self.number:
            raise Over("lies", "what came back from the hand-in was no answer to what was asked")
        return reply, blob

    def _exchange(self, message: dict[str, Any], blob: bytes, until: float) -> tuple[dict[str, Any], bytes]:
        try:
            wire.send(self.channel, message, blob, until)
            return wire.receive(self.channel, until)
        except wire.Late:
            raise Over("time", "it did not end in time") from None
        except wire.Nonsense as error:
            raise Over("lies", f"what came back from the hand-in was no message ({error})") from None
        except wire.Ended:
            raise Over("ended", "it ended the kernel") from None


class Remote(Elsewhere):
    """A student's function, which lives in the sandbox."""

    def __init__(self, trial: "Trial", name: str):
        self.trial, self.name = trial, name
        self.__name__ = name

    def observe(self, names: Sequence[str], case: tuple, wanted: Sequence[str], gradient: bool) -> Observed:
        with by_value(self.trial.solution.topic):
            blob = cloudpickle.dumps((list(names), case, list(wanted), gradient))
        reply, blob = self.trial.question(blob, do="observe", name=self.name)
        return self.trial.sense(wire.unpacked, reply, blob)

    def __call__(self, *arguments: Any) -> Any:
        reply, _ = self.trial.question(cloudpickle.dumps(arguments), do="call", name=self.name)
        if problem := reply.get("problem"):
            observed = self.trial.sense(wire.unpacked, {"problem": problem}, b"")
            if observed.problem[0] == "blank":
                raise NotImplementedError
            said = f"{observed.problem[1]}. Write the answer yourself, without course_lib" if observed.problem[0] == "library" else ""
            raise Said(observed.problem[0], said or observed.problem[1])
        return self.trial.sense(wire.understood, reply)


@dataclass
class Trial:
    """One hand-in before the judge."""

    solution: Solution
    notebook: NotebookNode
    release: NotebookNode
    limits: Limits
    open: Callable[[float], Sandbox]
    memory: Path
    verdicts: dict[str, Verdict] = field(default_factory=dict)  # by cell
    remarks: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Run every cell, and judge at every check.

        Raises:
            Over: the hand-in cannot be run at all
        """
        self.over = time.monotonic() + self.limits.whole
        self.skipped: set[int] = set()
        self.doubted: set[int] = set()
        self.sandbox, restarts = self.open(self.over), 0
        i = 0
        while i < len(self.notebook.cells):
            cell = self.notebook.cells[i]
            if cell.cell_type == "code" and i not in self.skipped:
                try:
                    self._cell(cell)
                except Over as problem:
                    # at a check it may have been what a cell above left running: once more, and each of them has a moment to show it
                    doubtful = problem.kind == "ended" and grade_id(cell) in self.solution.code and i not in self.doubted
                    if doubtful:
                        self.doubted.add(i)
                    else:
                        self._blame(i, problem)
                    restarts += 1
                    if restarts > MOST_RESTARTS or time.monotonic() >= self.over or not self._again(i, patient=doubtful):
                        if doubtful:
                            self._blame(i, problem)
                        self._give_up(i + 1)
                        return
                    if doubtful:
                        continue
            i += 1

    def _cell(self, cell: NotebookNode) -> None:
        name = grade_id(cell) or ""
        if name in self.solution.code:
            self._check(cell, name)
            return
        reply, _ = self.sandbox.ask(self._seconds(), do="run", source=cell.source)
        cell.outputs = kept_outputs(reply.get("outputs"), min(10 * self.limits.output, self.room))
        self.room -= sum(len(str(output)) for output in cell.outputs)
        if any(output.get("ename") == "TimeIsOver" for output in cell.outputs):
            self.remarks.append(f"{self._called(cell)} did not end after {self.limits.cell:g} s")

    def _seconds(self) -> float:
        return max(0.1, min(self.limits.cell, self.over - time.monotonic()))

    def _called(self, cell: NotebookNode) -> str:
        return grade_id(cell) or f"cell {self.notebook.cells.index(cell) + 1}"

    def _blame(self, i: int, problem: Over) -> None:
        """Note that a cell took the kernel along."""
        cell = self.notebook.cells[i]
        self.skipped.add(i)
        said = {
            "time": f"did not end after {self.limits.cell:g} s",
            "ended": "ended the kernel (or took more memory or processes than it may)",
            "lies": "spoke to the judge in its own words",
        }[problem.kind]
        name = grade_id(cell) or ""
        if name in self.solution.code and name not in self.verdicts:  # an experiment was measured before its cell ran inside
            said = f"{self.solution.functions[task_of(name)]} {said} when it was checked"
            self.verdicts[name] = Verdict(problem.kind, f"✗ {task_of(name)}: {said}. [{task_of(name)}/{problem.kind}]")
            cell.outputs = [error_output("CheckFailed", self.verdicts[name].message)]
        else:
            if name not in self.verdicts:
                cell.outputs = [error_output("DeadKernelError", f"this cell {said}")]
            said = f"{self._called(cell)} {said}"
        if problem.kind == "lies":
            self.seen.append(f"{self._called(cell)}: messages to the judge that it did not ask for")
        self.remarks.append(f"{said}; the others were run without it")

    def _again(self, i: int, patient: bool = False) -> bool:
        """A new sandbox, in which the cells above have run without the guilty ones. False where that fails.

        patient: wait after each cell, so that what it left running can end the kernel before the next is blamed for it
        """
        while time.monotonic() < self.over:
            try:
                self.sandbox = self.open(self.over)
            except Over:
                return False
            for j, cell in enumerate(self.notebook.cells[:i]):
                if cell.cell_type != "code" or j in self.skipped or isinstance(self.solution.tasks.get(task_of(grade_id(cell) or "")), Task) and (
                    grade_id(cell) in self.solution.code
                ):  # fmt: skip
                    continue
                try:
                    self.sandbox.ask(self._seconds(), do="run", source=cell.source)
                    if patient:
                        time.sleep(1)
                        self.sandbox.ask(self._seconds(), do="run", source="")
                except Over as problem:
                    self._blame(j, problem)
                    if len(self.skipped) > MOST_RESTARTS:
                        return False
                    break
            else:
                return True
        return False

    def _give_up(self, start: int) -> None:
        late = time.monotonic() >= self.over
        why = f"the notebook was not done after {self.limits.whole:g} s" if late else "the notebook ended its kernel too often"
        self.remarks.append(f"{why}: what stands below {self._called(self.notebook.cells[start - 1])} was not run")
        for cell in self.notebook.cells[start:]:
            name = grade_id(cell) or ""
            if name in self.solution.code:
                self.verdicts[name] = Verdict("time" if late else "ended", f"✗ {task_of(name)}: not run, since {why}.")
                cell.outputs = [error_output("CheckFailed", self.verdicts[name].message)]

    # ----------------------------------------------------------------------------------------------------------------

    def _check(self, cell: NotebookNode, name: str) -> None:
        """Judge at a check or a hidden test."""
        task = self.solution.tasks.get(task_of(name))
        before = self.verdicts.get(f"check_{task_of(name)}")
        if name.startswith("grade_") and before and before.kind in LABELS:
            verdict, printed = before, ""  # it would take as long again
        elif isinstance(task, Goal):
            verdict, printed = self._experiment(task, name)
        else:
            verdict, printed = self._answer(name)
        self.verdicts[name] = verdict
        outputs = [stream_output(printed)] if printed else []
        cell.outputs = outputs + ([error_output("CheckFailed", verdict.message)] if verdict.kind else [])
        if isinstance(task, Goal) and name.startswith("check_"):  # for what the cells below it show
            with contextlib.suppress(KeyError):
                self.sandbox.ask(self._seconds(), do="run", source=cell.source)

    def _found(self, task: str) -> Remote | Verdict:
        """The student's function for a task, or why there is none."""
        name = self.solution.functions[task]
        reply, _ = self.sandbox.ask(self._seconds(), do="keep", name=name)
        if reply.get("there") and reply.get("callable"):
            return Remote(self, name)
        if reply.get("there"):
            value = self.sense(wire.understood, reply)
            kind, said = "type", f"a function is asked for, got {value!r:.80}."
        else:
            error = self._why_missing(name)
            borrowed = bool(re.match(r"(ModuleNotFound|Import)Error: .*course_lib", error))
            kinds = {
                "library": borrowed,
                "ended": error.startswith("DeadKernelError"),
                "time": error.startswith("TimeIsOver"),
                "error": error,
            }
            kind = next((kind for kind, holds in kinds.items() if holds), "blank")
            said = f"there is no {name}" + (f": its cell raises {error}." if error else ". Its cell does not define it.")
            said += " Write the answer yourself, without course_lib." * borrowed
        return Verdict(kind, f"✗ {task}: {said} [{task}/{kind}]")

    def _why_missing(self, name: str) -> str:
        """The error of the cell that should define a function, in a line."""
        for cell in reversed(self.notebook.cells):
            if cell.cell_type == "code" and re.search(rf"\b{name}\b", cell.source) and is_an_answer(cell):
                for output in cell.get("outputs", ()):
                    if output.output_type == "error":
                        return f"{output.ename}: {(output.evalue.splitlines() or [''])[0][:200]}"
        return ""

    def _answer(self, name: str) -> tuple[Verdict, str]:
        remote = self._found(task_of(name))
        if isinstance(remote, Verdict):
            return remote, ""
        self.until = time.monotonic() + self._seconds()
        seconds = max(1.0, min(2 * self.limits.cell + 30, self.over + 30 - time.monotonic()))  # with our own part of it
        try:
            with limited(seconds, Late()):
                return self._said(name, self.solution.names | {remote.name: remote})
        except Late:  # an answer that takes us too long to look at
            raise Over("time", "it took too long to be judged") from None

    def _said(self, name: str, names: dict[str, Any]) -> tuple[Verdict, str]:
        """Run the solution's cell with these names."""
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
                exec(compile(self.solution.code[name], f"<{name}>", "exec"), names)
            return Verdict(), out.getvalue()
        except CheckFailed as failed:
            return Verdict(failed.kind, str(failed)), out.getvalue()
        except Over:
            raise
        except Exception as error:  # an answer that no check foresaw
            traceback.print_exc()
            return Verdict("error", f"✗ {task_of(name)}: its check ended with {type(error).__name__}: {str(error)[:300]}"), out.getvalue()

    def question(self, blob: bytes, **message: Any) -> tuple[dict[str, Any], bytes]:
        """Ask the sandbox about an answer; all questions of a check share the time of a cell."""
        left = max(0.1, min(self.until, self.over) - time.monotonic())
        return self.sandbox.ask(left, blob, **message)

    def sense(self, read: Callable, *arguments: Any) -> Any:
        try:
            return read(*arguments)
        except wire.Nonsense as error:
            raise Over("lies", f"what came back from the hand-in was no answer ({error})") from None

    def _experiment(self, goal: Goal, name: str) -> tuple[Verdict, str]:
        """Settings are asked for once, at the check, and measured here; settings that were measured before are looked up."""
        if name.startswith("grade_") and goal.name in self.measured:
            verdict, printed = self.measured[goal.name][name]
            return verdict, printed
        remote = self._found(goal.name)
        if isinstance(remote, Verdict):
            self.measured[goal.name] = {cell: (remote, "") for cell in (f"check_{goal.name}", f"grade_{goal.name}")}
            return remote, ""
        self.until = time.monotonic() + self._seconds()
        try:
            given, problem = remote(), None
        except (NotImplementedError, Said) as error:
            given, problem = None, error

        def answer():
            if problem:
                raise problem
            return dict(given) if isinstance(given, dict) else given

        key = json.dumps([goal.name, wire.told(given), repr(problem)], sort_keys=True)
        place = self.memory / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
        if not problem and place.exists():
            found = {cell: (Verdict(kind, message), printed) for cell, (kind, message, printed) in json.loads(place.read_text()).items()}
        else:
            names, found = self.solution.names | {remote.name: answer}, {}
            for cell in (f"check_{goal.name}", f"grade_{goal.name}"):
                if cell in self.solution.code:
                    found[cell] = self._measured(goal, cell, names)
            if not problem and all(verdict.kind != "time" for verdict, _ in found.values()):
                fresh = place.with_suffix(f".{os.getpid()}")
                fresh.write_text(json.dumps({cell: (verdict.kind, verdict.message, said) for cell, (verdict, said) in found.items()}))
                fresh.replace(place)
        self.measured[goal.name] = found
        return found[name]

    def _measured(self, goal: Goal, cell: str, names: dict[str, Any]) -> tuple[Verdict, str]:
        seconds = max(1.0, min(2 * self.limits.cell, self.over - time.monotonic()))
        with contextlib.suppress(Late), limited(seconds, Late()):
            return self._said(cell, names)
        said = f"it did not end after {seconds:.0f} s with these settings"
        return Verdict("time", f"✗ {goal.name}: {said}. [{goal.name}/time]"), ""

    def __post_init__(self):
        self.measured: dict[str, dict[str, tuple[Verdict, str]]] = {}
        self.room = 20 * self.limits.output  # for everything that the notebook shows

    # ----------------------------------------------------------------------------------------------------------------

    def points(self) -> dict[str, float | None]:
        """By task; None where a human has to look."""
        found, blank = {}, {grade_id(cell): cell.source.strip() for cell in self.release.cells if grade_id(cell)}
        for cell in self.notebook.cells:
            name = grade_id(cell)
            if not name or not cell.metadata.nbgrader.get("grade"):
                continue
            if is_by_hand(cell):
                found[task_of(name)] = 0.0 if cell.source.strip() == blank.get(name) else None
            else:
                verdict = self.verdicts.get(name)
                found[task_of(name)] = float(cell.metadata.nbgrader.points) if verdict and not verdict.kind else 0.0
        return found

    def mistakes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for cell in self.notebook.cells:
            name = grade_id(cell) or ""
            if (verdict := self.verdicts.get(name)) and verdict.kind:
                task = self.solution.tasks[task_of(name)]
                found.setdefault(task.name, LABELS.get(verdict.kind) or label(task, verdict.kind))
        return found

    def look(self) -> None:
        """Note what looked like a trick, and calm what failed only because an answer of ours was not there."""
        self.seen += tricks(self.notebook, self.release)
        wrong = set(self.mistakes())
        given = {cell.source.strip() for cell in self.release.cells if cell.cell_type == "code" and not grade_id(cell)}
        for cell in self.notebook.cells:
            if cell.cell_type != "code":
                continue
            text = "".join(output.get("text", "") for output in cell.outputs if output.output_type == "stream")
            if grade_id(cell) not in self.solution.code:
                for task in re.findall(r"✓ (\w+): \d+ of \d+ ", text):
                    if task in wrong:
                        self.seen.append(f"{self._called(cell)}: prints that {task} passes, which it does not")
                if any(output.get("ename") == "CheckFailed" for output in cell.outputs) and cell.source.strip() not in given:
                    self.seen.append(f"{self._called(cell)}: raises CheckFailed itself")
            failed = [output for output in cell.outputs if output.output_type == "error" and output.ename != "DeadKernelError"]
            absent = failed and "No module named 'course_lib" in failed[-1].evalue
            if failed and (wrong or absent) and cell.source.strip() in given:
                why = "a part of the course that is not there while grading" if absent else "answers that do not pass their checks yet"
                cell.outputs = [output for output in cell.outputs if output.output_type != "error"]
                cell.outputs.append(stream_output(f"Not all of this could run: it needs {why}.\n"))
        self.seen = list(dict.fromkeys(self.seen))
        self.remarks = list(dict.fromkeys(self.remarks))


class Late(BaseException):
    """What is measured here takes too long."""


def is_an_answer(cell: NotebookNode) -> bool:
    return bool(grade_id(cell)) and is_answer(cell)


# --------------------------------------------------------------------------------------------------------------------
# Outputs


def stream_output(text: str) -> NotebookNode:
    return NotebookNode(output_type="stream", name="stdout", text=text)


def error_output(name: str, text: str) -> NotebookNode:
    return NotebookNode(output_type="error", ename=name, evalue=text, traceback=[text])


def kept_outputs(found: Any, most: int) -> list[NotebookNode]:
    """A cell's outputs as a notebook may hold them, whatever came: known kinds, texts that are texts, and not too much."""
    kept, left = [], most
    for output in found[:1000] if isinstance(found, list) else ():
        made = _output(output if isinstance(output, dict) else {})
        if made is None or (left := left - len(str(made))) < 0:
            continue
        kept.append(made)
    return kept


def _output(output: dict[str, Any]) -> NotebookNode | None:
    kind = output.get("output_type")
    if kind == "stream" and output.get("name") in ("stdout", "stderr") and isinstance(output.get("text"), str):
        return NotebookNode(output_type=kind, name=output["name"], text=whole(output["text"]))
    if kind == "error":
        name, text = whole(str(output.get("ename")))[:100], whole(str(output.get("evalue")))[:10_000]
        lines = output.get("traceback") if isinstance(output.get("traceback"), list) else []
        return NotebookNode(output_type=kind, ename=name, evalue=text, traceback=[whole(str(line))[:20_000] for line in lines[:50]])
    if kind in ("display_data", "execute_result") and isinstance(output.get("data"), dict):
        data = {str(key)[:100]: whole(value) for key, value in output["data"].items() if isinstance(value, str)}
        more = {"execution_count": None} if kind == "execute_result" else {}
        return NotebookNode(output_type=kind, data=NotebookNode(data), metadata=NotebookNode(), **more)
    return None


# --------------------------------------------------------------------------------------------------------------------
# Serving the engine


def judge(solution: Solution, talk: socket.socket, memory: Path) -> None:
    """Judge one hand-in that comes over `talk`, and say what became of it."""
    order, _ = wire.receive(talk, most=wire.TRUSTED)
    limits = Limits(**order["limits"])
    more = {"alone": order["alone"]}

    def open_sandbox(over: float) -> Sandbox:
        wire.send(talk, {"need": "sandbox", "pid": os.getpid()})
        _, handles, *_ = socket.recv_fds(talk, 1, 1)
        if not handles:
            raise Over("ended", "there is no sandbox")
        return Sandbox(socket.socket(fileno=handles[0]), order["files"], asdict(limits) | more, over)

    notebook, release = (nbformat.from_dict(order[name]) for name in ("notebook", "release"))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    trial = Trial(solution, notebook, release, limits, open_sandbox, memory)
    failure = None
    try:
        trial.run()
    except Over as problem:
        failure = f"it could not be run: {problem}"
    trial.look()
    wire.send(
        talk,
        {
            "notebook": notebook,
            "points": {} if failure else trial.points(),
            "mistakes": {} if failure else trial.mistakes(),
            "remarks": trial.remarks[:50],
            "seen": trial.seen[:50],
            "failure": failure,
        },
    )


def main() -> None:
    control = socket.socket(fileno=os.dup(0))
    os.environ["MPLBACKEND"] = "Agg"
    try:
        solution = Solution.read(sys.argv[1])
    except Exception as error:
        wire.send(control, {"failure": f"{type(error).__name__}: {str(error)[:300]}"})
        raise
    for task in solution.tasks.values():
        _ = task.known  # made once, for all
    memory = Path(sys.argv[2])
    wire.send(control, {"ready": True})
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a child: its result is what it sends
    while True:
        data, handles, *_ = socket.recv_fds(control, 1, 1)
        if not data:
            return
        for handle in handles:
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                control.close()
                try:
                    judge(solution, socket.socket(fileno=handle), memory)
                    os._exit(0)
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
            os.close(handle)


if __name__ == "__main__":
    main()
