"""Made-up classes: a small exercise, hand-ins of every kind, and an engine that judges by the text of an answer, at once."""

import copy
import json
import time
from collections.abc import Mapping

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib.grading.pipeline import Limits, Result, for_nbgrader
from course_lib.grading.pipeline.exercise import answers, grade_id

NAME = "02_x"
STUB = "def kl(mean):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
RIGHT = "def kl(mean):\n    return mean"


def cell(name: str, source: str, kind: str = "code", **meta) -> NotebookNode:
    make = new_code_cell if kind == "code" else new_markdown_cell
    return make(source, metadata={"nbgrader": {"grade_id": name, "schema_version": 3, "solution": False, "grade": False, **meta}})


def release() -> NotebookNode:
    """Two functions to write, and a question."""
    return new_notebook(
        cells=[
            new_markdown_cell("Write the Kullback–Leibler divergence."),
            cell("kl", STUB, solution=True),
            cell("check_kl", "KL.check(kl)", locked=True),
            cell("grade_kl", "# Grading runs your function on other inputs here.", grade=True, locked=True, points=2),
            new_markdown_cell("Now the evidence lower bound."),
            cell("elbo", STUB.replace("kl(mean)", "elbo(x, y)"), solution=True),
            cell("check_elbo", "ELBO.check(elbo)", locked=True),
            cell("grade_elbo", "# Grading runs your other function on other inputs here.", grade=True, locked=True, points=3),
            cell("question", "Why is the bound below the evidence?", "markdown", locked=True),
            cell("answer", "YOUR ANSWER HERE", "markdown", solution=True, grade=True, points=1),
        ]
    )


def at(notebook: NotebookNode, name: str) -> NotebookNode:
    """The cell of this name."""
    return next(each for each in notebook.cells if grade_id(each) == name)


def answered(**given: str) -> NotebookNode:
    """The exercise with right answers, or with those given."""
    notebook = release()
    for name, source in ({"kl": RIGHT, "elbo": "def elbo(x, y):\n    return x - y", "answer": "Because."} | given).items():
        at(notebook, name).source = source
    return notebook


def text(notebook: NotebookNode | None = None) -> str:
    return nbformat.writes(answered() if notebook is None else notebook)


def changed(**fields) -> str:
    """An answered notebook as JSON with other fields at its top."""
    return json.dumps(json.loads(text()) | fields)


@pytest.fixture(scope="module", autouse=True)
def quick_gradebooks():
    """Ask alembic once for the version that nbgrader writes into every new gradebook: it is a process of seconds."""
    from nbgrader import api

    with for_nbgrader():
        version = api.get_alembic_version()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "get_alembic_version", lambda: version)
        yield


class Engine:
    """An engine that runs nothing: an answer is right that returns something, and wrong where it says `wrong`."""

    delay = 0.0
    ran: list[NotebookNode] = []

    def __init__(self, assignment: str, limits: Limits | None = None, runner: str = "auto"):
        self.release = release()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def run(self, notebook: NotebookNode, files: Mapping[str, bytes] | None = None) -> Result:
        time.sleep(self.delay)
        type(self).ran.append(notebook)
        done, result = copy.deepcopy(notebook), Result(notebook)
        given = answers(notebook)
        for task, most in (("kl", 2.0), ("elbo", 3.0)):
            good = "return" in given[task] and "wrong" not in given[task] or "lambda" in given[task]
            result.points[task] = most if good else 0.0
            if good:
                out = new_output("stream", name="stdout", text=f"✓ {task}: 2 of 2 cases\n")
            else:
                result.mistakes[task] = "lost half" if "wrong" in given[task] else "not answered"
                said = f"✗ {task}: exactly twice too large. [{task}/m1]"
                out = new_output("error", ename="CheckFailed", evalue=said, traceback=[said])
            at(done, f"check_{task}").outputs = [out]
        if "raise BaseException" in given["kl"]:
            raise SystemExit("the engine itself fell over")
        if "cannot be run" in given["kl"]:
            result.failure = "it did not end within 900 s"
        result.points["answer"] = None
        result.notebook = done
        return result
