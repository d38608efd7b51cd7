"""nbgrader's gradebook: scores go in, marks given by hand are kept for the text that they were given for.

nbgrader stays the format, the SQLite gradebook and the form grader. Its executor is not used: it runs a hand-in and judges it in one
process, and trusts what that process says. So what its autograder would record is recorded here.

Two tables of our own lie beside nbgrader's. `course_shown` has a hash of the answer that the form grader shows. `course_mark` has every
mark given by hand with the hash of its answer: a changed answer is asked for again, and one that comes back has its mark back.
"""

import contextlib
import hashlib
import json
import os
import re
import sys
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from nbformat import NotebookNode
from traitlets.config.loader import PyFileConfigLoader

from .exercise import ROOT, answers, grade_id, graded, is_answer, is_by_hand, task_of
from .text import whole

COURSE = "deep_generative_models"  # as in nbgrader_config.py
TABLES = (
    "CREATE TABLE IF NOT EXISTS course_shown (assignment TEXT, student TEXT, task TEXT, hash TEXT, PRIMARY KEY (assignment, student, task))",
    "CREATE TABLE IF NOT EXISTS course_mark (assignment TEXT, student TEXT, task TEXT, hash TEXT, score REAL, extra REAL, comment TEXT, "
    "PRIMARY KEY (assignment, student, task, hash))",
)


def text_hash(source: str) -> str:
    """What two answers have in common that a reader cannot tell apart: line ends and spaces around do not count."""
    lines = [line.rstrip() for line in whole(source).strip().splitlines()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


class Book:
    """The gradebook of one assignment. A context manager; used by one thread.

    Args:
        path: the SQLite file
        assignment: such as 02_autoencoders
        release: what students get
        master: the same with the hidden tests, where there is one: nbgrader's own autograder would need them
    """

    def __init__(self, path: Path, assignment: str, release: NotebookNode, master: NotebookNode | None = None):
        self.path, self.assignment, self.release, self.master = path, assignment, release, master

    def __enter__(self) -> "Book":
        from nbgrader.api import Gradebook
        from sqlalchemy import text
        from sqlalchemy.exc import DatabaseError

        self.text = text
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():  # made whole before it has its name: a kill leaves no half of one
            draft = self.path.with_name(f"{self.path.name}.new")
            draft.unlink(missing_ok=True)
            with for_nbgrader():
                Gradebook(f"sqlite:///{draft}", COURSE).close()
            os.replace(draft, self.path)
        try:
            self.book = Gradebook(f"sqlite:///{self.path}", COURSE)
        except DatabaseError as problem:
            raise ValueError(f"{self.path} is no gradebook that can be read ({problem.orig}): move it away.") from None
        try:
            self.db.execute(text("PRAGMA busy_timeout = 30000"))  # milliseconds: the form grader may be writing
            for table in TABLES:
                self.db.execute(text(table))
            self.db.commit()
            self._prepare()
        except BaseException:
            self.book.close()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.book.close()

    @property
    def db(self):
        return self.book.db

    def _prepare(self) -> None:
        """Bring the cells of the assignment up to date. What an older version of the exercise had goes, with its grades."""
        from nbgrader.utils import compute_checksum

        book, name = self.book, self.assignment
        book.update_or_create_assignment(name)
        notebook = book.update_or_create_notebook(name, name)
        notebook.kernelspec = json.dumps(self.release.metadata.get("kernelspec", {}))
        secret = {grade_id(cell): cell.source for cell in self.master.cells} if self.master else {}
        wanted: dict[str, set[str]] = {"grade": set(), "solution": set(), "source": set()}
        for cell in self.release.cells:
            if not (key := grade_id(cell)):
                continue
            meta = cell.metadata.nbgrader
            if meta.get("grade"):
                book.update_or_create_grade_cell(key, name, name, max_score=float(meta.points), cell_type=cell.cell_type)
                wanted["grade"].add(key)
            if meta.get("solution"):
                book.update_or_create_solution_cell(key, name, name)
                wanted["solution"].add(key)
            source = cell.source if is_answer(cell) else secret.get(key, cell.source)
            kept = NotebookNode({**cell, "source": source})
            locked = not is_answer(cell) and bool(meta.get("grade") or meta.get("locked"))
            facts = {"cell_type": cell.cell_type, "locked": locked, "source": source, "checksum": compute_checksum(kept)}
            book.update_or_create_source_cell(key, name, name, **facts)
            wanted["source"].add(key)
        for kind, cells in (("grade", notebook.grade_cells), ("solution", notebook.solution_cells), ("source", notebook.source_cells)):
            for cell in list(cells):
                if cell.name not in wanted[kind]:
                    for row in [*getattr(cell, "grades", ()), *getattr(cell, "comments", ())]:
                        self.db.delete(row)
                    self.db.delete(cell)
        self.db.commit()

    def record(
        self,
        student: str,
        handed_in: NotebookNode,
        points: dict[str, float | None],
        when: datetime | None = None,
        before: NotebookNode | None = None,
    ) -> None:
        """Write one student's points. A mark given by hand stays where its answer is still the same.

        Args:
            student: the key
            handed_in: the repaired hand-in, whose answers a mark belongs to
            points: by task, None where a human grades
            when: it was handed in, UTC
            before: what the form grader showed until now, for a gradebook that is older than the hashes
        """
        from nbgrader.api import Comment, Grade

        self.book.update_or_create_student(student)
        stamp = {"timestamp": when} if when else {}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Object of type", module="nbgrader")  # SQLAlchemy 2 on each new submission
            self.book.update_or_create_submission(self.assignment, student, **stamp)
            notebook = self.book.find_submission_notebook(self.assignment, self.assignment, student)
            master = notebook.notebook
            has = {grade.cell_id for grade in notebook.grades}
            for cell in master.grade_cells:
                if cell.id not in has:
                    self.db.add(Grade(cell_id=cell.id, notebook=notebook))
            has = {comment.cell_id for comment in notebook.comments}
            for cell in master.solution_cells:
                if cell.id not in has:
                    self.db.add(Comment(cell_id=cell.id, notebook=notebook))
            self.db.flush()
        now = {task: text_hash(source) for task, source in answers(handed_in).items()}
        old = {task: text_hash(source) for task, source in answers(before).items()} if before else {}
        shown = self._shown(student) or old
        comments = {comment.name: comment for comment in notebook.comments}
        blank = {grade_id(cell): text_hash(cell.source) for cell in self.release.cells if grade_id(cell) and is_answer(cell)}
        sources = {grade_id(cell): cell.source for cell in handed_in.cells if grade_id(cell)}
        for grade in notebook.grades:
            task = task_of(grade.name)
            comment = comments.get(grade.name)
            if task in shown:
                self._keep(student, task, shown[task], grade, comment)
            if shown[task] != now.get(task) if task in shown else grade.manual_score is None:
                self._restore(student, task, now.get(task), grade, comment)
            grade.auto_score = points.get(task)
            grade.needs_manual_grade = grade.auto_score is None and grade.manual_score is None
            self.db.execute(
                self.text("INSERT OR REPLACE INTO course_shown VALUES (:a, :s, :t, :h)"),
                {"a": self.assignment, "s": student, "t": task, "h": now.get(task, "")},
            )
        for name, comment in comments.items():
            comment.auto_comment = "No response." if text_hash(sources.get(name, "")) == blank.get(name) else None
        self.db.commit()

    def _shown(self, student: str) -> dict[str, str]:
        rows = self.db.execute(
            self.text("SELECT task, hash FROM course_shown WHERE assignment = :a AND student = :s"), {"a": self.assignment, "s": student}
        )
        return {task: found for task, found in rows}

    def _keep(self, student: str, task: str, answer: str, grade, comment) -> None:
        """Remember the mark of an answer."""
        said = comment.manual_comment if comment is not None else None
        if grade.manual_score is None and not grade.extra_credit and not said:
            return
        facts = {"a": self.assignment, "s": student, "t": task, "h": answer, "m": grade.manual_score, "e": grade.extra_credit, "c": said}
        self.db.execute(self.text("INSERT OR REPLACE INTO course_mark VALUES (:a, :s, :t, :h, :m, :e, :c)"), facts)

    def _restore(self, student: str, task: str, answer: str | None, grade, comment) -> None:
        """Take the mark that this answer had once, or none."""
        query = "SELECT score, extra, comment FROM course_mark WHERE assignment = :a AND student = :s AND task = :t AND hash = :h"
        row = self.db.execute(self.text(query), {"a": self.assignment, "s": student, "t": task, "h": answer}).first()
        grade.manual_score, grade.extra_credit, said = row or (None, None, None)
        if comment is not None:
            comment.manual_comment = said

    def scores(self, student: str) -> tuple[dict[str, float | None], list[str]]:
        """Points by task, None where a human still has to look, and what to remark on marks given by hand."""
        notebook = self.book.find_submission_notebook(self.assignment, self.assignment, student)
        points, shown, remarks = {}, self._shown(student), []
        query = "SELECT task, hash, score FROM course_mark WHERE assignment = :a AND student = :s AND score IS NOT NULL"
        marks = list(self.db.execute(self.text(query), {"a": self.assignment, "s": student}))
        by_hand = {task for task, cell in graded(self.release).items() if is_by_hand(cell)}
        for grade in notebook.grades:
            task = task_of(grade.name)
            points[task] = None if grade.needs_manual_grade and grade.manual_score is None else grade.score
            if grade.manual_score is not None or not (old := [score for t, h, score in marks if t == task and h != shown.get(task)]):
                continue
            what = "it waits for a new one" if task in by_hand and points[task] is None else "it counts no longer"
            remarks.append(f"{task} was given {old[-1]:g} by hand for another text: {what}")
        return {task: points[task] for task in graded(self.release) if task in points}, remarks

    def comments(self, student: str) -> dict[str, str]:
        """What a human wrote to the student, by the name of the answer's cell."""
        notebook = self.book.find_submission_notebook(self.assignment, self.assignment, student)
        return {comment.name: comment.manual_comment for comment in notebook.comments if comment.manual_comment}

    def has(self, student: str) -> bool:
        """Whether there is a submission of this student."""
        from nbgrader.api import MissingEntry

        try:
            self.book.find_submission(self.assignment, student)
        except MissingEntry:
            return False
        return True

    def remove(self, student: str) -> None:
        """Take back what was recorded for a hand-in that is none any more; marks given by hand are remembered."""
        if not self.has(student):
            return
        notebook = self.book.find_submission_notebook(self.assignment, self.assignment, student)
        comments = {comment.name: comment for comment in notebook.comments}
        shown = self._shown(student)
        for grade in notebook.grades:
            if (task := task_of(grade.name)) in shown:
                self._keep(student, task, shown[task], grade, comments.get(grade.name))
        facts = {"a": self.assignment, "s": student}
        self.db.execute(self.text("DELETE FROM course_shown WHERE assignment = :a AND student = :s"), facts)
        self.db.commit()
        self.book.remove_submission(self.assignment, student)


# --------------------------------------------------------------------------------------------------------------------
# nbgrader itself, which makes exercises of solutions


def nbgrader_with(gradebook: Path, **folders: Path):
    """nbgrader with the course's own configuration, but for the gradebook and folders such as `release=`."""
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    config.CourseDirectory.root = str(ROOT)
    config.CourseDirectory.db_url = f"sqlite:///{gradebook}"
    for role, folder in folders.items():
        config.CourseDirectory[f"{role}_directory"] = str(folder)
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
