"""Grade a class with nbgrader, in one command: `python -m course_lib grade 02_autoencoders`.

Submissions lie in `grading/submitted/STUDENT/02_autoencoders/02_autoencoders.ipynb` and are never changed. Each is read, repaired
against the release, run by nbgrader, and reported on; one that hangs or cannot be read does not stop the rest.

A submission is a program that runs with your rights. Grade strangers' work inside a container.
"""

import contextlib
import csv
import importlib
import os
import re
import shutil
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell
from traitlets.config.loader import PyFileConfigLoader

from course_lib.grading import Goal, Task

ROOT = Path(__file__).resolve().parents[3]
KINDS = {
    "blank": "not answered",
    "none": "returns None",
    "type": "wrong type",
    "shape": "wrong shape",
    "dtype": "wrong dtype",
    "nan": "NaN or infinite",
    "gradient": "gradient lost",
    "value": "wrong value",
    "error": "raises an error",
    "in place": "changes its input",
    "random": "not reproducible",
    "library": "borrows from course_lib",
    "side effect": "leaves gradients behind",
    "twice": "twice the right value",
    "half": "half the right value",
    "sign": "sign",
    "bits": "bits for nats",
    "nats": "nats for bits",
    "transposed": "transposed",
    "summed": "summed over the batch",
    "averaged": "averaged over the batch",
    "sum for mean": "sum for mean",
    "mean for sum": "mean for sum",
}


@dataclass
class Submission:
    """What became of one student's work.

    points: by task, None where a human still has to grade
    mistakes: by task, what the checks said: a known mistake's label or a kind of failure
    remarks: what was repaired, or why it was not graded
    """

    student: str
    points: dict[str, float | None] = field(default_factory=dict)
    mistakes: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    graded: bool = False

    @property
    def total(self) -> float:
        return sum(points or 0 for points in self.points.values())


@dataclass
class Report:
    """The class. `str(report)` is the table, then the mistakes and how many made them, then the remarks."""

    assignment: str
    most: dict[str, float]
    submissions: list[Submission]

    def mistakes(self) -> list[tuple[str, str, int]]:
        """(task, mistake, number of students), the most frequent first within each task."""
        counts = Counter((task, label) for each in self.submissions for task, label in each.mistakes.items())
        order = list(dict.fromkeys([*self.most, *(task for task, _ in counts)]))
        return sorted(((*key, n) for key, n in counts.items()), key=lambda row: (order.index(row[0]), -row[2], row[1]))

    def rows(self) -> Iterator[list[str]]:
        """The table: a head, the points to be had, and one row a student."""
        yield ["student", *self.most, "total"]
        yield ["at most", *map(_points, self.most.values()), _points(sum(self.most.values()))]
        for each in self.submissions:
            if each.graded:
                yield [each.student, *(_points(each.points.get(task)) for task in self.most), _points(each.total)]
            else:
                yield [each.student, *("–" for _ in self.most), "–"]

    def __str__(self) -> str:
        rows = list(self.rows())
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))) for row in rows]
        if any(None in each.points.values() for each in self.submissions):
            lines += ["", "? is graded by hand: in JupyterLab, Nbgrader → Formgrader. Then run this again."]
        if counts := self.mistakes():
            lines += ["", "What went wrong, and for how many:"]
            width = max(len(task) for task, _, _ in counts)
            lines += [f"  {task.ljust(width)}  {n:3d} × {label}" for task, label, n in counts]
        if remarks := [f"  {each.student}: {remark}" for each in self.submissions for remark in each.remarks]:
            lines += ["", "Remarks:", *remarks]
        return "\n".join(lines)

    def write_csv(self, path: Path) -> None:
        """The table with each student's mistakes and remarks, for a spreadsheet."""
        with path.open("w", newline="", encoding="utf-8-sig") as file:  # the mark makes Excel read UTF-8
            out = csv.writer(file)
            for i, row in enumerate(self.rows()):
                each = self.submissions[i - 2] if i > 1 else None
                said = "; ".join(f"{task}: {label}" for task, label in each.mistakes.items()) if each else "mistakes" * (i == 0)
                out.writerow([*row, said, "; ".join(each.remarks) if each else "remarks" * (i == 0)])


def grade(
    assignment: str,
    submissions: str | Path | None = None,
    *,
    cell_timeout: int = 60,
    student_timeout: int = 900,
    grading: str | Path | None = None,
) -> Report | None:
    """Grade every submission of an assignment, print the report and write it as CSV; None where there are no submissions.

    Args:
        assignment: a folder of solutions/, such as 02_autoencoders
        submissions: folder with STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb; grading/submitted by default
        cell_timeout: seconds after which a cell is interrupted and counts as failed
        student_timeout: seconds after which a whole submission is given up
        grading: folder for gradebook, copies, feedback and report; grading/ by default

    Raises:
        ValueError: no such assignment, or one that nbgrader cannot read
    """
    known = sorted(path.parent.name for path in ROOT.glob("solutions/*/*.ipynb"))
    if assignment not in known:
        raise ValueError(f"There is no assignment {assignment!r}; there are {', '.join(known) or 'none'}.")
    grading = Path(grading or ROOT / "grading").resolve()
    folder = Path(submissions or grading / "submitted").resolve()
    tasks_of(assignment)  # now rather than after the first student: an exercise without tasks cannot be graded
    found = collect(folder, assignment, grading / "submitted")
    if not found:
        print(
            f"No submissions in {folder}. Put a notebook STUDENT.ipynb or a folder STUDENT/ with one notebook there for each student, "
            "or name another folder with --submissions."
        )
        return None

    grading.mkdir(parents=True, exist_ok=True)
    print(f"{assignment}: {len(found)} submission{'s' * (len(found) > 1)}")
    with for_nbgrader():
        folders = {"release": "release", "submitted": "checked", "autograded": "autograded", "feedback": "feedback"}
        api = nbgrader_with(grading / "gradebook.db", cell_timeout, **{role: grading / name for role, name in folders.items()})
        if failure := why_not(api.generate_assignment(assignment)):
            raise ValueError(f"nbgrader could not read the solution of {assignment}: {failure}")
        release = nbformat.read(grading / "release" / assignment / f"{assignment}.ipynb", as_version=4)
        graded = []
        for i, (student, path) in enumerate(found.items(), 1):
            start = time.monotonic()
            print(f"  {i}/{len(found)} {student} …", end=" ", flush=True)
            each = _grade_one(api, Submission(student), path, assignment, release, grading, student_timeout)
            graded.append(each)
            print(f"{_points(each.total)} points, {time.monotonic() - start:.0f} s" if each.graded else each.remarks[-1], flush=True)
    if any(each.graded for each in graded):
        print(f"  feedback for each student: {_short(grading / 'feedback')}")

    report = Report(assignment, most_points(release), graded)
    report.write_csv(grading / f"report_{assignment}.csv")
    print(f"\n{report}\n\nAs a table: {_short(grading / f'report_{assignment}.csv')}")
    return report


def _grade_one(api, each: Submission, path: Path, assignment: str, release: NotebookNode, grading: Path, timeout: float) -> Submission:
    try:
        notebook, remarks = repair(read(path, assignment, each.remarks), release)
    except ValueError as problem:
        each.remarks.append(f"not graded: {problem}")
        return each
    each.remarks += remarks
    for stale in ("checked", "autograded", "feedback"):
        shutil.rmtree(grading / stale / each.student / assignment, ignore_errors=True)
    checked = grading / "checked" / each.student / assignment
    checked.mkdir(parents=True)
    for file in path.iterdir():
        if file.is_file() and file.suffix != ".ipynb":
            shutil.copy(file, checked)  # what the student's notebook may read
    nbformat.write(notebook, checked / f"{assignment}.ipynb")
    with deadline(timeout) as late:
        failure = why_not(api.autograde(assignment, each.student))
    if failure:
        each.remarks.append(f"not graded: {f'not done after {timeout:g} s' if late.is_set() else failure}")
        return each
    each.graded = True
    each.points = _scores(each.student, assignment, grading)
    done = nbformat.read(grading / "autograded" / each.student / assignment / f"{assignment}.ipynb", as_version=4)
    each.mistakes = mistakes_in(done, tasks_of(assignment))
    if failure := why_not(api.generate_feedback(assignment, each.student)):
        each.remarks.append(f"no feedback: {failure}")
    return each


def collect(folder: Path, assignment: str, submitted: Path) -> dict[str, Path]:
    """Student → folder with their notebook, from STUDENT/ASSIGNMENT/*.ipynb (nbgrader's way), STUDENT/*.ipynb and STUDENT.ipynb.

    A single file gets its folder in `submitted`.
    """
    found = {}
    for path in sorted(folder.glob("*")):
        if path.is_file() and path.suffix == ".ipynb":
            found[path.stem] = submitted / path.stem / assignment
            found[path.stem].mkdir(parents=True, exist_ok=True)
            shutil.copy(path, found[path.stem] / f"{assignment}.ipynb")
        elif (path / assignment).is_dir():
            found[path.name] = path / assignment
        elif path.is_dir() and any(path.glob("*.ipynb")):
            found[path.name] = path
    return found


def read(path: Path, assignment: str, remarks: list[str]) -> NotebookNode:
    """The notebook in a student's folder.

    Raises:
        ValueError: there is none, there are several under other names, or it is no notebook
    """
    file = path / f"{assignment}.ipynb"
    if not file.exists():
        others = sorted(path.glob("*.ipynb"))
        if len(others) != 1:
            raise ValueError(f"{assignment}.ipynb is not there ({', '.join(other.name for other in others) or 'no notebook at all'})")
        file = others[0]
        remarks.append(f"graded {file.name}, the only notebook there")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # missing or double cell ids: they are given anew
            notebook = nbformat.read(file, as_version=4)
        notebook.cells = [_plain(cell) for cell in notebook.cells]
    except Exception as problem:  # not JSON, not UTF-8, not a notebook: nbformat has a different error for each
        raise ValueError(f"{file.name} cannot be read as a notebook ({str(problem).strip().splitlines()[0][:80]})") from None
    return notebook


def _plain(cell: NotebookNode) -> NotebookNode:
    """The cell without outputs and without anything that would make the notebook invalid."""
    make = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}[cell.cell_type]
    attachments = {"attachments": cell.attachments} if cell.get("attachments") else {}
    return make(cell.source, metadata=cell.get("metadata", {}), **attachments)


def repair(submitted: NotebookNode, release: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """The release with the student's answers in it, and what had to be put right, each as a sentence.

    Locked cells come from the release. An answer is found by its grade_id; where that was lost, by the name of its function, or by
    the text of the cell before it. Of several copies the last one counts. The student's other cells stay after the cell they followed.
    """
    cells = {_grade_id(cell): cell for cell in release.cells if _grade_id(cell)}
    remarks, answers, extras = [], {}, {None: []}
    after = None
    names = _identify(submitted, release)
    last = {name: i for i, name in enumerate(names) if name}
    for i, (cell, name) in enumerate(zip(submitted.cells, names)):
        if name is None or last[name] != i:
            if name is None or _is_answer(cells[name]):
                cell.metadata.pop("nbgrader", None)
                extras.setdefault(after, []).append(cell)
            continue
        after = name
        answers[name] = cell

    whole = list(extras[None])
    for name, master in cells.items():
        cell = NotebookNode({**master, "metadata": master.metadata})
        given = answers.get(name)
        if names.count(name) > 1 and _is_answer(master):
            remarks.append(f"{name} was there {names.count(name)} times: the last one counts")
        if given is None:
            remarks.append(f"{name} was deleted: put back{' blank' * _is_answer(master)}")
        elif _is_answer(master):
            cell.source = given.source
            if given.cell_type != master.cell_type:
                remarks.append(f"{name} had become a {given.cell_type} cell: changed back to {master.cell_type}")
        elif given.source.strip() != master.source.strip() or given.cell_type != master.cell_type:
            remarks.append(f"{name} was changed: put back as it was")
        whole += [cell, *extras.get(name, [])]
    repaired = NotebookNode({**release, "cells": whole})
    for i, cell in enumerate(repaired.cells):
        cell["id"] = f"cell-{i}"
    repaired.nbformat, repaired.nbformat_minor = 4, 5
    return repaired, remarks


def _identify(submitted: NotebookNode, release: NotebookNode) -> list[str | None]:
    """For each submitted cell the name of the release's cell that it is, or None for one of the student's own."""
    cells = {_grade_id(cell): cell for cell in release.cells if _grade_id(cell)}
    names = [name if (name := _grade_id(cell)) in cells else None for cell in submitted.cells]
    previous = dict(zip([_grade_id(cell) for cell in release.cells[1:]], release.cells[:-1]))
    for name, master in cells.items():
        if name in names:
            continue
        function = re.search(r"^def (\w+)\(", master.source, re.MULTILINE)
        for i, cell in enumerate(submitted.cells):
            if names[i] is not None:
                continue
            same_text = cell.source.strip() == master.source.strip()
            same_function = _is_answer(master) and function and re.search(rf"^def {function[1]}\(", cell.source, re.MULTILINE)
            before = previous.get(name)
            same_place = _is_answer(master) and i and before and submitted.cells[i - 1].source.strip() == before.source.strip()
            if same_text or same_function or (same_place and not function):
                names[i] = name
    return names


def most_points(notebook: NotebookNode) -> dict[str, float]:
    """The points to be had, by task."""
    return {
        _task(_grade_id(cell)): cell.metadata.nbgrader.points for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")
    }


def tasks_of(assignment: str) -> dict[str, Task | Goal]:
    """The tasks of an assignment by name: 02_autoencoders has them in course_lib.grading.autoencoders."""
    return {task.name: task for task in importlib.import_module(f"course_lib.grading.{assignment.split('_', 1)[1]}").TASKS}


def mistakes_in(notebook: NotebookNode, tasks: dict[str, Task | Goal]) -> dict[str, str]:
    """By task, what its first failing check or test in an executed notebook said: a known mistake's label or a kind of failure."""
    found: dict[str, str] = {}
    for cell in notebook.cells:
        name = _grade_id(cell)
        if cell.cell_type != "code" or not name or not name.startswith(("check_", "grade_")):
            continue
        for output in cell.outputs:
            if output.output_type != "error":
                continue
            code = re.search(r"\[([^\[\]/]+)/([^\[\]/]+)\]$", output.evalue.strip())
            if output.ename == "CheckFailed" and code and code[1] in tasks:
                number = re.fullmatch(r"m(\d+)", code[2])
                label = tasks[code[1]].known[int(number[1]) - 1].label if number else KINDS.get(code[2], code[2])
                found.setdefault(code[1], label)
            else:
                known = {"NotImplementedError": "not answered", "CellTimeoutError": "does not end", "KeyboardInterrupt": "does not end"}
                found.setdefault(_task(name), known.get(output.ename, output.ename))
    return found


def _scores(student: str, assignment: str, grading: Path) -> dict[str, float | None]:
    """Points by task from the gradebook; None where a human has to look."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{grading / 'gradebook.db'}") as gradebook:
        grades = gradebook.find_submission_notebook(assignment, assignment, student).grades
        return {_task(grade.name): None if grade.needs_manual_grade and grade.manual_score is None else grade.score for grade in grades}


def nbgrader_with(gradebook: Path, cell_timeout: int = 60, **folders: Path):
    """nbgrader with the course's own configuration, but for the gradebook and folders such as `release=`."""
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    config.CourseDirectory.root = str(ROOT)
    config.CourseDirectory.db_url = f"sqlite:///{gradebook}"
    for role, folder in folders.items():
        config.CourseDirectory[f"{role}_directory"] = str(folder)
    config.Execute.timeout = cell_timeout
    config.Execute.extra_arguments = ["--HistoryManager.hist_file=:memory:", "--log-level=ERROR"]
    return NbGraderAPI(CourseDirectory(config=config), config=config)


def why_not(result: dict) -> str | None:
    """Why a call of nbgrader failed, in one line; None where it did not."""
    if result["success"]:
        return None
    lines = [
        line.strip() for line in (result.get("log", "") + result["error"]).splitlines() if re.match(r"\s*[\w.]*(Error|Exception)\b", line)
    ]
    return lines[0][:200] if lines else "nbgrader gave no reason"


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[threading.Event]:
    """End what was started inside once the time is over, since a kernel may ignore interrupts. The event says whether that happened."""
    before, late = set(psutil.Process().children(recursive=True)), threading.Event()

    def end():
        late.set()
        for process in set(psutil.Process().children(recursive=True)) - before:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


@contextlib.contextmanager
def for_nbgrader() -> Iterator[None]:
    """What nbgrader needs: for its children this course, and alembic, which it starts by its bare name; and some quiet."""
    before = dict(os.environ)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["PYTHONPATH"] = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Object of type", module="nbgrader")  # SQLAlchemy 2 on each new submission
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _grade_id(cell: NotebookNode) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _is_answer(cell: NotebookNode) -> bool:
    return bool(cell.metadata.nbgrader.get("solution"))


def _task(grade_id: str) -> str:
    return grade_id.removeprefix("check_").removeprefix("grade_")


def _points(points: float | None) -> str:
    return "?" if points is None else f"{points:g}"


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
