"""What students would type, a module for each topic: `answers.autoencoders` for the tasks in `course_lib.grading.autoencoders`.

A module is data alone:

ANSWERS: task → its parameters, the right answer, and each known mistake under its label, in the task's order. An answer is an
    expression or, where it has several lines, the body of the function; `math`, `np`, `torch`, `nn` and `F` are there. Written apart
    from the task's own reference and mistakes, in float32, with other operations.
SETTINGS: goal → for each of its regions an expression for settings that land there (only where there are goals)
REGIONS: goal → measured numbers, all that its regions ask for, and the label of the region that they lie in
"""

import importlib
import pkgutil
from textwrap import dedent, indent

import course_lib.grading

IMPORTS = "import math\n\nimport numpy as np\nimport torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"


def modules(name: str, path: list[str]) -> dict:
    """The modules of a package, by their own names."""
    return {found.name: importlib.import_module(f"{name}.{found.name}") for found in pkgutil.iter_modules(path)}


GRADING = modules(course_lib.grading.__name__, course_lib.grading.__path__)
TASKS = {topic: module.TASKS for topic, module in GRADING.items() if hasattr(module, "TASKS")}
BY_TOPIC = modules(__name__, __path__)


def cell(topic: str, task: str, answer: str) -> str:
    """The student's cell with this answer in it."""
    body = dedent(answer).strip("\n") if "\n" in answer else f"return {answer}"
    return f"{IMPORTS}\n\ndef {task}({BY_TOPIC[topic].ANSWERS[task][0]}):\n{indent(body, '    ')}\n"


def right(topic: str, task: str) -> str:
    """The student's cell with the right answer."""
    return cell(topic, task, BY_TOPIC[topic].ANSWERS[task][1])


def wrong(topic: str, task: str, label: str) -> str:
    """The student's cell with a known mistake."""
    return cell(topic, task, BY_TOPIC[topic].ANSWERS[task][2][label])
