"""How far an exercise is: what its checks said when its notebook was saved, or say when it is run now.

Visible checks alone: hidden tests decide the points. A `✓` here nearly always is one there.
"""

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Task:
    """One task of an exercise.

    points: to be had, in the exercise's points
    state: right, wrong, open (not answered or not run yet), or written (a human reads it)
    hint: what its check said
    """

    name: str
    points: float
    state: str = "open"
    hint: str = ""


@dataclass
class Exercise:
    """An exercise with its tasks. `str()` gives a line a task."""

    name: str
    tasks: list[Task] = field(default_factory=list)

    @property
    def most(self) -> float:
        return sum(task.points for task in self.tasks)

    @property
    def right(self) -> float:
        """The points of the tasks whose checks pass."""
        return sum(task.points for task in self.tasks if task.state == "right")

    def __str__(self) -> str:
        width = max((len(task.name) for task in self.tasks), default=0)
        signs = {"right": "✓", "wrong": "✗", "open": "·", "written": "?"}
        lines = []
        for task in self.tasks:
            said = {"open": "not answered yet", "written": "written: your teacher reads it"}.get(task.state, "")
            lines.append(f"{signs[task.state]} {task.name.ljust(width)}  {task.points:g}  {task.hint or said}".rstrip())
        by_hand = sum(task.points for task in self.tasks if task.state == "written")
        total = f"{self.name}: {self.right:g} of {self.most:g} points so far"
        return "\n".join([*lines, "", total + (f"; {by_hand:g} more for what you wrote" if by_hand else "")])


def of_notebook(notebook: dict[str, Any], name: str) -> Exercise:
    """What the saved outputs of an exercise's notebook say. Tasks without points come last, and only those that were answered.

    notebook: as JSON holds it
    """
    found = Exercise(name)
    said: dict[str, tuple[str, str]] = {}
    last = ""
    for cell in notebook.get("cells", []) if isinstance(notebook, dict) else []:
        meta = cell.get("metadata", {}).get("nbgrader") or {}
        key, source = meta.get("grade_id", ""), "".join(cell.get("source", ""))
        if meta.get("solution"):
            last = source
        if key.startswith("check_"):
            said[key.removeprefix("check_")] = _of_outputs(cell.get("outputs", []), last)
        if meta.get("grade"):
            task = key.removeprefix("grade_")
            if meta.get("solution"):
                written = source.strip() not in ("", "YOUR ANSWER HERE")
                found.tasks.append(Task(task, meta.get("points", 0), "written" if written else "open"))
            else:
                found.tasks.append(Task(task, meta.get("points", 0), *said.get(task, ("open", ""))))
    graded = {task.name for task in found.tasks}
    found.tasks += [Task(name, 0, *says) for name, says in said.items() if name not in graded and says[0] != "open"]
    return found


def _of_outputs(outputs: list[dict], answer: str) -> tuple[str, str]:
    """What a check said: a state, and a hint."""
    for output in outputs:
        if output.get("output_type") == "error":
            hint = re.sub(r" \[[^\[\]]+/[^\[\]]+\]$", "", output.get("evalue", "").strip())
            if output.get("ename") == "NotImplementedError" or hint.endswith("not answered yet."):
                return "open", ""
            return "wrong", hint.removeprefix("✗ ") or output.get("ename", "")
    if any("✓" in "".join(output.get("text", "")) for output in outputs):
        return "right", ""
    return "open", "" if "NotImplementedError" in answer or not outputs else "not checked yet"


def read(path: str | Path) -> tuple[dict[str, Any], Path]:
    """The notebook of an exercise, from its folder or file.

    Raises:
        ValueError: there is none, or it cannot be read
    """
    path = Path(path)
    file = path / f"{path.resolve().name}.ipynb" if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"There is no exercise at {path}: give its folder, such as exercises/02_autoencoders, or a notebook.")
    try:
        return json.loads(file.read_text(encoding="utf-8-sig")), file
    except (OSError, ValueError):
        raise ValueError(f"{file} cannot be read as a notebook.") from None


def check(path: str | Path, timeout: float = 300) -> Exercise:
    """Run every cell of an exercise in its folder, on this machine and with your rights, and say what its checks say.

    timeout: seconds for one cell

    Raises:
        ValueError: there is no exercise, or nothing to run it with
    """
    notebook, file = read(path)
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellTimeoutError, DeadKernelError
    except ImportError:
        raise ValueError("nbclient is missing, which runs notebooks: pip install nbclient") from None
    try:
        node = nbformat.reads(json.dumps(notebook), as_version=4)
    except Exception as problem:  # nbformat has a different error for each way to be none
        raise ValueError(f"{file} cannot be read as a notebook ({str(problem).strip().splitlines()[0][:80]}).") from None
    for cell in node.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    cells = [cell for cell in node.cells if cell.cell_type == "code"]
    client = NotebookClient(
        node,
        timeout=timeout,
        allow_errors=True,
        interrupt_on_timeout=True,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(file.parent)}},
    )
    clear = "\r\x1b[K" if sys.stdout.isatty() else "\n"
    try:
        with client.setup_kernel():
            done = 0
            for i, cell in enumerate(node.cells):
                if cell.cell_type == "code":
                    done += 1
                    name = cell.metadata.get("nbgrader", {}).get("grade_id", "") or next(iter(cell.source.strip().splitlines()), "")
                    print(f"{clear}{done}/{len(cells)} {name[:60]}", end="", flush=True)
                    client.execute_cell(cell, i)
    except (CellTimeoutError, DeadKernelError) as error:
        print(f"{clear}Stopped at a cell: {str(error).strip().splitlines()[0][:120]}")
    print(clear, end="")
    return of_notebook(json.loads(nbformat.writes(node)), file.stem)


def everywhere(folder: str | Path) -> list[Exercise]:
    """Every exercise below a folder, as its notebook was last saved; what cannot be read is left out."""
    found = []
    for file in sorted(Path(folder).glob("[0-9][0-9]_*/*.ipynb")):
        if file.stem != file.parent.name:
            continue
        try:
            found.append(of_notebook(read(file)[0], file.stem))
        except ValueError:
            continue
    return found
