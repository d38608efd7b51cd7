"""Grading a class: `nbgrader autograde` as it comes, against the engine of the course with its sandbox.

Both grade the same hand-ins, right and wrong ones by turns. Goal: at least 1.6 times as fast on two cores, and the grader's own process
below 1 GiB. `--hand-ins 6` is a quick look; `--assignment` takes another exercise. Start it on a machine with nothing else to do.
"""

import argparse
import contextlib
import copy
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from timing import Report

from course_lib.grading.pipeline.engine import Engine, Limits, released
from course_lib.grading.pipeline.exercise import ROOT, grade_id, is_answer


def hand_ins(assignment: str, number: int) -> dict[str, nbformat.NotebookNode]:
    """Student → notebook: every answer right, or one of them left blank, a different one for each student."""
    release = released(assignment)
    solution = nbformat.read(ROOT / "solutions" / assignment / f"{assignment}.ipynb", as_version=4)
    right = {grade_id(cell): cell.source for cell in solution.cells if grade_id(cell) and is_answer(cell)}
    made = {}
    for i in range(number):
        notebook, names = copy.deepcopy(release), list(right)
        blank = names[i // 2 % len(names)] if i % 2 else None
        for cell in notebook.cells:
            if grade_id(cell) in right and grade_id(cell) != blank:
                cell.source = right[grade_id(cell)]
        made[f"student_{i:02d}"] = notebook
    return made


def nbgrader(assignment: str, notebooks: dict[str, nbformat.NotebookNode], folder: Path) -> None:
    """`nbgrader autograde`, one process for all, as its manual has it."""
    for student, notebook in notebooks.items():
        place = folder / "submitted" / student / assignment
        place.mkdir(parents=True)
        nbformat.write(notebook, place / f"{assignment}.ipynb")
    shutil.copytree(ROOT / "solutions" / assignment, folder / "source" / assignment, ignore=shutil.ignore_patterns("*.py"))
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"  # alembic, which nbgrader starts by its bare name
    for command in ("generate_assignment", "autograde"):
        words = [sys.executable, "-m", "nbgrader", command, assignment, "--course-dir", str(folder), "--log-level=ERROR"]
        subprocess.run(words, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ours(assignment: str, notebooks: dict[str, nbformat.NotebookNode], jobs: int) -> dict[str, float]:
    """The engine with all that belongs to it: starting the judge and the sandboxes, too."""
    with Engine(assignment, Limits()) as engine, ThreadPoolExecutor(jobs) as pool:
        results = dict(zip(notebooks, pool.map(engine.run, notebooks.values())))
    assert not any(result.failure for result in results.values())
    return {student: sum(points or 0 for points in result.points.values()) for student, result in results.items()}


def taken(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--hand-ins", type=int, default=60)
    words.add_argument("--assignment", default="00_start_here")
    words.add_argument("--jobs", type=int, default=2)
    given = words.parse_args()
    notebooks = hand_ins(given.assignment, given.hand_ins)
    report = Report()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        mine = taken(lambda: ours(given.assignment, notebooks, given.jobs))
        theirs = taken(lambda: nbgrader(given.assignment, notebooks, Path(folder)))
    report.faster(f"{given.hand_ins} hand-ins of {given.assignment}, sandbox on, {given.jobs} at a time", mine, theirs, at_least=1.6)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    report.below("memory of the grader, at most", peak / 2**20, 1024, "MiB")
    report.finish()


if __name__ == "__main__":
    main()
