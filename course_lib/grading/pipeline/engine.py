"""Run a hand-in where it can do no harm, and judge it outside: `Engine("02_autoencoders").run(notebook)`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nbformat import NotebookNode


@dataclass(frozen=True)
class Limits:
    """What a hand-in may use.

    cell, whole: seconds, for one cell or check, and for everything
    memory, file, output: bytes, of all its processes together, of one file, and of what one cell prints
    processes: how many at once
    """

    cell: float = 60
    whole: float = 900
    memory: int = 4 << 30
    processes: int = 64
    file: int = 64 << 20
    output: int = 1 << 20


@dataclass
class Result:
    """What became of a hand-in.

    notebook: executed, outputs bounded; check cells show the judge's lines
    points: by task, None where a human grades
    mistakes: by task, a known mistake's label or a kind of failure
    remarks: in the course's words, for teacher and student
    seen: what looked like a trick, as what was seen
    failure: why it could not be graded at all, in one sentence
    """

    notebook: NotebookNode
    points: dict[str, float | None] = field(default_factory=dict)
    mistakes: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    failure: str | None = None


class Engine:
    """Runs and judges the hand-ins of one assignment. A context manager; `run` may be called from several threads."""

    def __init__(self, assignment: str, limits: Limits = Limits(), runner: str = "auto"):
        self.release: NotebookNode

    def run(self, notebook: NotebookNode, files: Mapping[str, bytes] = {}) -> Result:
        raise NotImplementedError
