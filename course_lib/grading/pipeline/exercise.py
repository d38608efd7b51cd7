"""What an exercise is: the names of its cells, its tasks, its points, and what its checks say."""

import importlib
import re
from pathlib import Path

from nbformat import NotebookNode

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
    "side effect": "changes gradients of its inputs",
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


def assignments() -> list[str]:
    """The assignments that can be graded here: the folders of solutions/."""
    return sorted(path.parent.name for path in ROOT.glob("solutions/*/*.ipynb"))


def grade_id(cell: NotebookNode) -> str | None:
    """The name of a cell that grading knows; None for every other, whatever its metadata holds."""
    meta = cell.get("metadata")
    meta = meta.get("nbgrader") if isinstance(meta, dict) else None
    name = meta.get("grade_id") if isinstance(meta, dict) else None
    return name if isinstance(name, str) and name else None


def is_answer(cell: NotebookNode) -> bool:
    return bool(cell.metadata.nbgrader.get("solution"))


def is_by_hand(cell: NotebookNode) -> bool:
    """Whether a human gives the points of this cell."""
    return bool(cell.metadata.nbgrader.get("solution") and cell.metadata.nbgrader.get("grade"))


def task_of(name: str) -> str:
    """The task that a cell's name belongs to: check_kl and grade_kl are kl's."""
    return name.removeprefix("check_").removeprefix("grade_")


def graded(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """The cells that carry points, by task, in the order of the exercise."""
    return {task_of(name): cell for cell in notebook.cells if (name := grade_id(cell)) and cell.metadata.nbgrader.get("grade")}


def most_points(notebook: NotebookNode) -> dict[str, float]:
    """The points to be had, by task."""
    return {task: cell.metadata.nbgrader.points for task, cell in graded(notebook).items()}


def answers(notebook: NotebookNode) -> dict[str, str]:
    """What was handed in for each task: a written answer itself, else the last answer cell above the cell that carries the points."""
    found, last = {}, ""
    for cell in notebook.cells:
        if not (name := grade_id(cell)):
            continue
        if is_answer(cell):
            last = cell.source
        if cell.metadata.nbgrader.get("grade"):
            found[task_of(name)] = last
    return found


def tasks_of(assignment: str) -> dict[str, Task | Goal]:
    """The tasks of an assignment by name: 02_autoencoders has them in course_lib.grading.autoencoders."""
    return {task.name: task for task in importlib.import_module(f"course_lib.grading.{assignment.split('_', 1)[1]}").TASKS}


def label(task: Task | Goal, kind: str) -> str:
    """The words for what a check found: `m3` is the task's third known mistake. What is no kind of ours stays what it is."""
    number = re.fullmatch(r"m(\d{1,3})", kind)
    if number and 1 <= int(number[1]) <= len(task.known):
        return task.known[int(number[1]) - 1].label
    return KINDS.get(kind, kind)
