"""Grade a class in one command: `python -m course_lib grade 02_autoencoders --submissions INBOX`.

| file | what is in it |
|---|---|
| `inbox` | every entry of a folder or zip: a hand-in, or a line that says why not |
| `notebook` | a notebook out of whatever bytes were handed in |
| `repair` | the release with the student's answers in it |
| `engine` | hands work to sandboxes and to the judge, and watches both |
| `sandbox`, `inside` | a course without answers in a confined process, and what runs a hand-in there |
| `judge` | runs the solution once, asks hand-ins for their answers and compares |
| `wire` | the messages between the two: JSON and tensors, never unpickled |
| `limits`, `seen` | what a hand-in may use; what in it looks like a trick |
| `gradebook` | nbgrader's gradebook, and the marks that were given by hand |
| `feedback` | a page for the student, and a notebook that the form grader may show |
| `report` | the table, the CSVs and the page for the class |
| `similarity` | hand-ins with the same unusual code |
| `exercise`, `text` | names of cells, tasks, points; strangers' text made safe to show |

Hand-ins are never changed. Each is an island: whatever is wrong with it becomes a sentence in its row. What is done is kept in
`records/ASSIGNMENT/STUDENT.json`, written last and whole: a run that was stopped or killed goes on where it was.
"""

import hashlib
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import nbformat
from filelock import FileLock, Timeout
from nbformat import NotebookNode

from . import feedback as pages
from .engine import Engine, Limits, Result
from .exercise import KINDS, ROOT, answers, assignments, grade_id, graded, is_answer, is_by_hand, label, most_points, tasks_of
from .gradebook import Book, for_nbgrader, nbgrader_with, why_not
from .inbox import HandIn, collect, files_of, handed_in_at
from .notebook import read
from .repair import answered, fits, repair
from .report import Report, Submission, replace, shown
from .similarity import alike
from .text import listed, plain

__all__ = [
    "KINDS",
    "ROOT",
    "Limits",
    "Report",
    "Result",
    "Submission",
    "assignments",
    "collect",
    "for_nbgrader",
    "grade",
    "label",
    "most_points",
    "nbgrader_with",
    "repair",
    "tasks_of",
    "why_not",
]
CANDIDATES = 12  # notebooks of one hand-in that are read to find the one that counts
VERSION = 1  # of the records


@dataclass
class Prepared:
    """A hand-in as it goes to the engine, or why it does not.

    mark: a hash of all that decides its points
    """

    handin: HandIn
    notebook: NotebookNode | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    when: datetime | None = None
    mark: str = ""
    problem: str | None = None


def grade(
    assignment: str,
    submissions: str | Path | None = None,
    *,
    grading: str | Path | None = None,
    limits: Limits | None = None,
    runner: str = "auto",
    jobs: int | None = None,
    only: Sequence[str] = (),
    dry_run: bool = False,
    roster: str | Path | None = None,
    engine: Callable = Engine,
) -> Report:
    """Grade every hand-in of an assignment, print the report and write it. What was graded before and has not changed is kept.

    Args:
        assignment: a folder of solutions/, such as 02_autoencoders
        submissions: the inbox, a folder or a zip; grading/submitted by default
        grading: folder for gradebook, records, feedback and report; grading/ by default
        limits: what a hand-in may use
        runner: the sandbox: auto, bubblewrap, docker, podman, or none
        jobs: how many hand-ins at once; one for each core by default
        only: names of students: no others are graded, and these again
        dry_run: say what would be graded, and run and write nothing
        roster: a CSV of all students, to say who is missing
        engine: what makes the engine

    Raises:
        ValueError: no such assignment or student, no inbox, nothing in it, no sandbox, or another run that grades into the same folder
        KeyboardInterrupt: stopped; what was done is kept
    """
    if engine is Engine:
        if assignment not in assignments():
            raise ValueError(f"There is no assignment {assignment!r}; there are {', '.join(assignments()) or 'none'}.")
        tasks_of(assignment)  # now rather than after the first student: an exercise without tasks cannot be graded
    if jobs is not None and jobs < 1:
        raise ValueError("--jobs is at least 1.")
    grading = Path(grading or ROOT / "grading").resolve()
    limits = limits or Limits()
    inbox = collect(submissions or grading / "submitted", assignment, assignments(), roster, _known(grading / "records" / assignment))
    wanted = _chosen(inbox.handins, only)
    if dry_run:
        return _say(assignment, inbox, wanted)
    with _alone(grading), engine(assignment, limits, runner) as running:
        master = ROOT / "solutions" / assignment / f"{assignment}.ipynb"
        solution = nbformat.read(master, as_version=4) if master.exists() else None
        with Book(grading / "gradebook.db", assignment, running.release, solution) as book:
            return _Class(assignment, inbox, wanted, grading, limits, running, book, solution, forced=bool(only)).grade(jobs or _cores())


def _known(records: Path) -> dict[str, str]:
    """Who was graded before → the key they have; a namesake who comes later gets another."""
    found = {}
    for path in sorted(records.glob("*.json")):
        try:
            found[str(json.loads(path.read_text(encoding="utf-8"))["who"])] = path.stem
        except (OSError, ValueError, KeyError, TypeError):  # damaged, or an older program's
            continue
    return found


def _chosen(handins: list[HandIn], only: Sequence[str]) -> list[HandIn]:
    """The hand-ins of the students named, all without a name.

    Raises:
        ValueError: a name that nobody has
    """
    if not only:
        return handins
    found = []
    for name in only:
        mine = [each for each in handins if name.casefold() in (each.student.casefold(), each.key.casefold(), each.number or None)]
        if not mine:
            raise ValueError(
                f"Nobody in the inbox is called {plain(name, 60)!r}; there are {listed([each.student for each in handins], 12)}."
            )
        found += [each for each in mine if each not in found]
    return found


@contextmanager
def _alone(grading: Path) -> Iterator[None]:
    """Hold the grading folder. The lock is the system's: it ends with its process, however that ends."""
    grading.mkdir(parents=True, exist_ok=True)
    lock = FileLock(grading / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(f"Another run is grading into {_short(grading)}: wait until it has ended, or end it, then start again.") from None
    try:
        yield
    finally:
        lock.release()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare(handin: HandIn, assignment: str, release: NotebookNode, limits: Limits, version: str = "") -> Prepared:
    """Read the notebook that counts, and repair it. Whatever is wrong is a sentence."""
    found = Prepared(handin, remarks=list(handin.remarks), problem=handin.problem)
    if found.problem:
        return found
    try:
        which, notebook = _counting(handin, assignment, release, found.remarks)
        found.notebook, repairs = repair(notebook, release)
        found.remarks += repairs
        found.files = files_of(which, found.remarks)
        found.when = handed_in_at(which, found.remarks)
        parts = [version, asdict(limits), [[c.cell_type, c.source, c.get("attachments")] for c in found.notebook.cells], str(found.when)]
        parts += [found.remarks, {name: hashlib.sha256(data).hexdigest() for name, data in sorted(found.files.items())}]
        found.mark = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
    except ValueError as problem:
        found.problem = plain(problem)
    except Exception as problem:  # one hand-in must not end the class
        found.problem = f"it could not be read ({type(problem).__name__}: {plain(problem, 120)})"
    return found


def _counting(handin: HandIn, assignment: str, release: NotebookNode, remarks: list[str]):
    """The notebook of a hand-in that counts: the latest one that can be read, belongs to this exercise and was worked on."""
    read_ones, problems, contents = [], [], set()
    for which in handin.notebooks[:CANDIDATES]:
        try:
            notebook = read(which.file.read(), which.file.name)
            content = tuple((cell.cell_type, cell.source) for cell in notebook.cells)
            if content not in contents:  # else the same work twice
                contents.add(content)
                read_ones.append((which, notebook))
        except ValueError as problem:
            problems.append(str(problem))
    if not read_ones:
        raise ValueError("; ".join(problems[:3]))
    fitting = [pair for pair in read_ones if fits(pair[1], release)]
    if not fitting:
        names = listed([plain(which.file.name, 80) for which, _ in read_ones])
        raise ValueError(f"{names} {'holds' if len(read_ones) == 1 else 'hold'} no cell of this exercise")
    worked = [pair for pair in fitting if len(fitting) == 1 or answered(pair[1], release)] or fitting
    which, notebook = worked[0]
    name = plain(which.file.path.rsplit("/", 1)[-1] if len(handin.entries) == 1 else which.file.path, 100)
    if len(worked) > 1:
        others = listed([plain(each.file.path, 80) for each, _ in worked[1:]])
        remarks.append(f"handed in {len(worked)} times: {name} counts, the later one; {others} {'does' if len(worked) == 2 else 'do'} not")
    elif problems:
        remarks += [f"{problem}: {name} counts" for problem in problems[:2]]
    elif len(read_ones) > 1 and not which.exact:
        remarks.append(f"graded {name}, the only notebook of this exercise there")
    return which, notebook


def _say(assignment: str, inbox, wanted: list[HandIn]) -> Report:
    """What a run would grade, printed; nothing is run or written."""
    path = ROOT / "exercises" / assignment / f"{assignment}.ipynb"
    release = nbformat.read(path, as_version=4) if path.exists() else None
    report = Report(assignment, most_points(release) if release else {}, [], inbox.lines, inbox.missing, inbox.strangers)
    print(f"{assignment}: {len(wanted)} hand-in{'s' * (len(wanted) != 1)}. Nothing is run or written.")
    for handin in wanted:
        found = prepare(handin, assignment, release, Limits()) if release else Prepared(handin, problem=handin.problem)
        each = _row(handin)
        each.remarks = found.remarks + ([f"not graded: {found.problem}"] if found.problem else [])
        report.submissions.append(each)
        number = f" ({handin.number})" if handin.number else ""
        print(f"  {each.student}{number}, from {listed(handin.entries)}" + "".join(f"\n      {plain(remark)}" for remark in each.remarks))
    lists = {"On the roster without a hand-in": inbox.missing, "Not on the roster": inbox.strangers}
    for title, names in (lists | {"In the inbox, and no hand-in": inbox.lines}).items():
        if names:
            print(f"{title}:", *(f"  {plain(name)}" for name in names), sep="\n")
    return report


def _row(handin: HandIn) -> Submission:
    return Submission(handin.student, key=handin.key, number=handin.number, platform=handin.platform)


@dataclass
class _Class:
    """One run over a class: threads prepare and run hand-ins, this one thread writes."""

    assignment: str
    inbox: object
    wanted: list[HandIn]
    grading: Path
    limits: Limits
    engine: object
    book: Book
    solution: NotebookNode | None
    forced: bool = False

    def grade(self, jobs: int) -> Report:
        self.release = self.engine.release
        self.most = most_points(self.release)
        self.version = _version(self.release, self.solution)
        rows = {handin.key: _row(handin) for handin in self.inbox.handins}
        self.report = Report(self.assignment, self.most, list(rows.values()), self.inbox.lines, self.inbox.missing, self.inbox.strangers)
        for row in rows.values():
            row.waiting = True
        wanted = {handin.key for handin in self.wanted}
        for handin in self.inbox.handins:
            if handin.key not in wanted:
                self._recall(rows[handin.key])
        print(f"{self.assignment}: {len(self.wanted)} hand-in{'s' * (len(self.wanted) != 1)}", flush=True)
        done: queue.Queue = queue.Queue()
        todo: queue.SimpleQueue = queue.SimpleQueue()
        stop = threading.Event()
        for handin in self.wanted:
            todo.put(handin)
        for _ in range(min(jobs, len(self.wanted))):
            threading.Thread(target=self._work, args=(todo, done, stop), daemon=True).start()
        start, ran = time.monotonic(), 0
        try:
            for i in range(1, len(self.wanted) + 1):
                prepared, result, seconds = self._next(done)
                row = rows[prepared.handin.key]
                self._finish(row, prepared, result)
                ran += result is not None
                self._write()
                said = f"{shown(row.total)} points" if row.graded else next(iter(row.remarks[-1:]), "not graded")
                spent = f", {seconds:.0f} s" if result is not None else ", as before" if row.graded else ""
                left = (time.monotonic() - start) / i * (len(self.wanted) - i)
                about = f"   ({_duration(left)} left)" if ran and left > 5 else ""
                print(f"  {i}/{len(self.wanted)} {plain(row.student, 60)}: {plain(said, 160)}{spent}{about}", flush=True)
        except KeyboardInterrupt:
            stop.set()
            self.book.db.rollback()
            for row in rows.values():
                if row.waiting:  # it may have come in the middle of somebody, recorded and not yet shown
                    self._recall(row)
            self._write()
            finished = sum(not row.waiting for row in rows.values())
            print(f"\nStopped. {finished} of {len(rows)} are done and kept; the same command goes on with the rest.", flush=True)
            raise
        finally:
            stop.set()
        self.report.alike = self._alike()
        self._write()
        folder = self.grading / "feedback"
        print(f"\n{self.report}\n\nFeedback for each student: {_short(folder)}/STUDENT/{self.assignment}/{self.assignment}.html")
        names = f"report_{self.assignment}.html, .csv, _canvas.csv, _moodle.csv"
        print(f"The report as a page and as tables: {_short(self.grading)}/{names}")
        return self.report

    def _next(self, done: queue.Queue):
        """The next hand-in that is done. Waits in short pieces, so that Ctrl-C is heard on every system."""
        while True:
            try:
                return done.get(timeout=0.5)
            except queue.Empty:
                continue

    def _work(self, todo: queue.SimpleQueue, done: queue.Queue, stop: threading.Event) -> None:
        """Prepare and run hand-ins until there are no more. Nothing that one of them does ends the thread."""
        while not stop.is_set():
            try:
                handin = todo.get_nowait()
            except queue.Empty:
                return
            start = time.monotonic()
            prepared, result = Prepared(handin), None
            try:
                prepared = prepare(handin, self.assignment, self.release, self.limits, self.version)
                if not prepared.problem and (self.forced or not self._kept(handin.key, prepared.mark)):
                    result = self.engine.run(prepared.notebook, prepared.files)
            except BaseException as problem:  # also what is no Exception: the class goes on
                prepared.problem = f"the grader failed on it ({type(problem).__name__}: {plain(problem, 160)})"
            if not stop.is_set():
                done.put((prepared, result, time.monotonic() - start))

    # ----------------------------------------------------------------------------------------------------------------
    # Records

    def _place(self, kind: str, key: str) -> Path:
        ending = {"records": ".json", "autograded": ".ipynb", "feedback": ".html"}[kind]
        if kind == "records":
            return self.grading / kind / self.assignment / f"{key}{ending}"
        return self.grading / kind / key / self.assignment / f"{self.assignment}{ending}"

    def _record(self, key: str) -> dict | None:
        """What is known of an earlier run; None where there is nothing, or nothing whole."""
        try:
            found = json.loads(self._place("records", key).read_text(encoding="utf-8"))
            whole = found["points"].keys() == self.most.keys() or found["failure"]
            return found if found["version"] == VERSION and whole else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _kept(self, key: str, mark: str) -> dict | None:
        """The record of a hand-in that has not changed, with the notebook that belongs to it still there."""
        record = self._record(key)
        if record is None or record["mark"] != mark or record["failure"]:  # what failed is tried again
            return None
        return record if _digest(self._place("autograded", key)) == record["notebook"] else None

    def _recall(self, row: Submission) -> None:
        """A student who is not graded in this run, as an earlier one left them."""
        if record := self._record(row.key):
            try:
                self._fill(row, record)
                row.waiting = False
            except ValueError:  # recorded, and not in this gradebook
                row.graded = False

    def _finish(self, row: Submission, prepared: Prepared, result: Result | None) -> None:
        """Write what became of one hand-in: notebook, gradebook, record, feedback. Whatever fails is said in its row."""
        try:
            if prepared.problem or (result and result.failure):
                failure = prepared.problem or plain(result.failure)
                remarks = prepared.remarks + [plain(each) for each in (result.remarks if result else ())]
                seen = [plain(each) for each in (result.seen if result else ())]
                record = self._empty(prepared, failure, remarks, seen)
                self.book.remove(row.key)
                self._place("autograded", row.key).unlink(missing_ok=True)
                self._save(row.key, record)
            elif result:
                record = self._take(row.key, prepared, result)
            else:
                record = self._kept(row.key, prepared.mark)
                self.book.record(row.key, prepared.notebook, record["points"], prepared.when)
            self._fill(row, record)
            self._feedback(row, record)
            row.waiting = False
        except Exception as problem:
            self.book.db.rollback()
            row.waiting = False
            row.graded, row.points = False, {}
            row.remarks.append(f"not graded: the grader failed on it ({type(problem).__name__}: {plain(problem, 160)})")

    def _empty(self, prepared: Prepared, failure: str | None, remarks: list[str], seen: list[str]) -> dict:
        handin = prepared.handin
        found = {"version": VERSION, "mark": prepared.mark, "student": handin.student, "who": handin.who, "points": {}, "mistakes": {}}
        return found | {"remarks": list(dict.fromkeys(remarks)), "seen": list(dict.fromkeys(seen)), "failure": failure, "notebook": None}

    def _take(self, key: str, prepared: Prepared, result: Result) -> dict:
        """Record a result of the engine."""
        points = self._points(prepared, result)
        place = self._place("autograded", key)
        before = None
        if place.exists():
            try:
                before = nbformat.read(place, as_version=4)
            except Exception:  # half of an older program's: it decides nothing
                before = None
        text = nbformat.writes(pages.harmless(result.notebook), version=4)
        replace(place, text)
        self.book.record(key, prepared.notebook, points, prepared.when, before)
        record = self._empty(
            prepared, None, prepared.remarks + [plain(each) for each in result.remarks], [plain(each) for each in result.seen]
        )
        record |= {"points": points, "mistakes": {plain(task, 80): plain(label, 120) for task, label in result.mistakes.items()}}
        record["notebook"] = _digest(place)
        self._save(key, record)
        return record

    def _points(self, prepared: Prepared, result: Result) -> dict[str, float | None]:
        """The engine's points for every task of the exercise. A written answer is a human's, and one left as it was has none."""
        blank, given = answers(self.release), answers(prepared.notebook)
        points: dict[str, float | None] = {}
        for task, cell in graded(self.release).items():
            if is_by_hand(cell):
                text = given.get(task, "").strip()
                points[task] = None if text and text.split() != blank[task].split() else 0.0
            else:
                value = result.points.get(task, 0.0)
                points[task] = None if value is None else min(max(float(value), 0.0), float(self.most[task]))
        return points

    def _save(self, key: str, record: dict) -> None:
        replace(self._place("records", key), json.dumps(record, ensure_ascii=True, indent=1))

    def _fill(self, row: Submission, record: dict) -> None:
        """The row of the report, from the record and the gradebook."""
        row.remarks, row.seen, row.mistakes = list(record["remarks"]), list(record["seen"]), dict(record["mistakes"])
        if record["failure"]:
            row.graded, row.points = False, {}
            row.remarks.append(f"not graded: {record['failure']}")
            return
        row.points, remarks = self.book.scores(row.key)
        row.remarks += remarks
        row.graded = True

    def _feedback(self, row: Submission, record: dict) -> None:
        """The student's page, where anything on it has changed."""
        comments = self.book.comments(row.key) if row.graded else {}
        facts = json.dumps([record["mark"], record["notebook"], row.student, row.points, row.mistakes, row.remarks, comments, self.version])
        stamp = f"<!-- {hashlib.sha256(facts.encode()).hexdigest()} -->\n"
        place = self._place("feedback", row.key)
        try:
            with place.open(encoding="utf-8", errors="replace") as file:
                if file.read(len(stamp)) == stamp:
                    return
        except OSError:
            pass
        notebook = nbformat.read(self._place("autograded", row.key), as_version=4) if row.graded else None
        try:
            text = pages.feedback(row, self.most, self.assignment, notebook, comments)
        except Exception as problem:  # the points stand, and the page says them at least
            row.remarks.append(f"the feedback shows no notebook ({type(problem).__name__})")
            text = pages.feedback(row, self.most, self.assignment, None, {})
        replace(place, stamp + text)

    def _write(self) -> None:
        self.report.write(self.grading)

    def _alike(self) -> list[tuple[str, str, str, str]]:
        """Pairs of hand-ins with the same unusual code."""
        given = {cell.source.strip() for cell in self.release.cells}
        written = {}
        for row in self.report.submissions:
            if not row.graded:
                continue
            try:
                notebook = nbformat.read(self._place("autograded", row.key), as_version=4)
            except Exception:
                continue
            own = [cell for cell in notebook.cells if cell.cell_type == "code" and (not grade_id(cell) or is_answer(cell))]
            written[row.student] = [cell.source for cell in own if cell.source.strip() not in given]
        usual = [cell.source for book in (self.release, self.solution) if book for cell in book.cells if cell.cell_type == "code"]
        return alike(written, [*usual, *_right_answers(self.assignment)])


def _right_answers(assignment: str) -> list[str]:
    """The sources of all right answers that the course knows."""
    from course_lib.grading.mistakes import spellings

    try:
        tasks = tasks_of(assignment).values()
        return [source for task in tasks if hasattr(task, "answer") for source in spellings(task.answer, task.ways)]
    except (ImportError, IndexError, OSError, ValueError):
        return []


def _version(release: NotebookNode, solution: NotebookNode | None) -> str:
    """A hash of what decides points besides the hand-in: the exercise, its hidden tests, and the checks."""
    digest = hashlib.sha256()
    for notebook in (release, solution):
        for cell in notebook.cells if notebook else ():
            digest.update(json.dumps([grade_id(cell), cell.cell_type, cell.source]).encode())
    for path in sorted((ROOT / "course_lib" / "grading").rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
