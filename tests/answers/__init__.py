"""What students typed, a module for each topic: `answers.autoencoders` for the tasks in `course_lib.grading.autoencoders`.

A module is data alone. An answer is an expression or, where it has several lines, the body of the function; `math`, `np`, `torch`, `nn`
and `F` are there.

RIGHT: task → right answers: first one written apart from the task's file, with other operations, then what was typed when the exercise
    was tried: right answers that were refused once, or that go another way
WRONG: task → (label, answer): wrong answers that were typed when the exercise was tried, and passed or were misnamed once, under the
    label of the known mistake that they are
FAULTS: task → (kind, what the message says, answer): other wrong answers that were typed, which no known mistake explains
SETTINGS: goal → for each of its regions an expression for settings that land there (only where there are goals)
REGIONS: goal → measured numbers, with settings where its regions ask for them, and the label of the region that they lie in
"""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent
from unittest.mock import patch

import jupytext

import course_lib.grading
from course_lib.grading import Task
from course_lib.grading.mistakes import USUAL, edited, spellings

ROOT = Path(__file__).resolve().parents[2]
IMPORTS = "import itertools\nimport math\n\nimport numpy as np\nimport torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"


TOPICS = [found.name for found in pkgutil.iter_modules(course_lib.grading.__path__) if found.ispkg and found.name != "pipeline"]
TASKS = {topic: importlib.import_module(f"course_lib.grading.{topic}").TASKS for topic in TOPICS}
BY_TOPIC = {topic: importlib.import_module(f"{__name__}.{topic}") for topic in TOPICS}


def task(topic: str, name: str):
    """The task or goal of that name."""
    return next(task for task in TASKS[topic] if task.name == name)


def cell(topic: str, name: str, answer: str) -> str:
    """The student's cell with this answer in it."""
    body = dedent(answer).strip("\n") if "\n" in answer else f"return {answer}"
    return f"{IMPORTS}\n\ndef {name}{inspect.signature(task(topic, name).answer)}:\n{indent(body, '    ')}\n"


def right(topic: str, name: str) -> str:
    """The student's cell with the right answer that was written independently."""
    typed = BY_TOPIC[topic].RIGHT.get(name)
    assert typed, f"tests/answers/{topic}.py needs a right answer of {name}, under RIGHT"
    return cell(topic, name, typed[0])


def wrong(topic: str, name: str, label: str) -> str:
    """The student's cell with a known mistake in its likeliest form."""
    found = task(topic, name)
    line = next(mistake for mistake in found.known if mistake.label == label).forms[0][0]
    assert not line.startswith("= "), f"{name}: {label} is no edit"
    made = (edited(source, line) for source in spellings(found.answer, found.ways))
    return f"{IMPORTS}\n\n{next(source for source in made if source)}"


@functools.cache
def grade_cells(topic: str) -> dict[str, str]:
    """The hidden tests of a topic's solution, by task."""
    [path] = ROOT.glob(f"solutions/*_{topic}/*.py")
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id", ""): cell.source for cell in jupytext.read(path).cells}
    return {name.removeprefix("grade_"): source for name, source in cells.items() if name.startswith("grade_")}


def hidden(topic: str, task: Task) -> Callable | None:
    """What makes the hidden cases of a task, from the solution's hidden test; None for a task without points, which has none."""
    if task.name not in grade_cells(topic):
        return None
    caught = []
    with patch.object(type(task), "check", lambda self, answer, hidden=None: caught.append(hidden)):
        exec(grade_cells(topic)[task.name], {**USUAL, task.name: task.answer})
    [cases] = caught
    return functools.cache(cases)
