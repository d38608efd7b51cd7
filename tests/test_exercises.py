"""The exercises as students and instructors meet them: generated from the solutions, and graded by nbgrader.

The cells of an exercise that grading needs have a grade_id: the classes here are graded without the others, which only show pictures.
"""

import ast
import csv
import html
import os
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("nbgrader")

import answers

from course_lib import authoring
from course_lib.grading import Goal, mistakes, pipeline
from course_lib.grading.pipeline import gradebook

NAMES = sorted(path.parent.name for path in authoring.ROOT.glob("solutions/*/*.ipynb"))
# So many notebooks with mistakes, one of every task in each: test_grading.py has every form of every mistake, here it is their way
# to the student that counts. COURSE_ROUNDS=99 sends every mistake through nbgrader.
ROUNDS = int(os.environ.get("COURSE_ROUNDS", "1"))
SLOW = pipeline.Limits(cell=240, whole=3600)  # however busy the machine is
MINUTES = r"\*\*(no|\d+) points? · (\d+) minutes? · ([★☆]{3})\*\*"


def named(notebook) -> dict:
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}


def read(path):
    return nbformat.read(path, as_version=4)


@dataclass
class Section:
    """A heading with the text below it, and the points of the graded cells before the next heading of its level or above."""

    level: int
    text: str
    points: float = 0


class Exercise:
    """One assignment as it lies in the repository."""

    def __init__(self, name: str):
        self.name = name
        self.warm_up = name.startswith("00_")
        self.topic = name.split("_", 1)[1]
        self.tasks = pipeline.tasks_of(name)
        self.rounds = min(ROUNDS, max(len(self.edits(task)) for task in self.tasks.values()))

    def solution(self):
        return read(authoring.ROOT / "solutions" / self.name / f"{self.name}.ipynb")

    def release(self):
        return read(authoring.ROOT / "exercises" / self.name / f"{self.name}.ipynb")

    @cached_property
    def most(self) -> dict[str, float]:
        return pipeline.most_points(self.solution())

    @cached_property
    def by_hand(self) -> list[str]:
        meta = {name: cell.metadata.nbgrader for name, cell in named(self.solution()).items()}
        return [name for name in meta if meta[name].solution and meta[name].grade]

    @cached_property
    def solved(self) -> dict[str, str]:
        """The right answer by the name of its cell."""
        return {name: cell.source for name, cell in named(self.solution()).items() if cell.metadata.nbgrader.solution}

    @cached_property
    def answer_of(self) -> dict[str, str]:
        """The name of each task's answer cell: the last one before its check."""
        found, last = {}, None
        for name in named(self.solution()):
            last = name if name in self.solved else last
            if name.startswith("check_"):
                found[name.removeprefix("check_")] = last
        return found

    @cached_property
    def sections(self) -> list[Section]:
        found, open_ones = [], []
        for cell in self.solution().cells:
            parts = re.split(r"^(?=#)", cell.source, flags=re.MULTILINE) if cell.cell_type == "markdown" else []
            for part in filter(re.compile("##+ ").match, parts):
                new = Section(part.index(" "), part)
                open_ones = [section for section in open_ones if section.level < new.level] + [new]
                found.append(new)
            for section in open_ones:
                section.points += cell.metadata.get("nbgrader", {}).get("points", 0)
        return found

    def filled(self, given: dict[str, str], only_named: bool = True):
        """The exercise with some of its answers replaced. Without the cells that only show pictures it runs faster."""
        notebook = self.release()
        if only_named:
            notebook.cells = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
        for name, source in given.items():
            named(notebook)[name].source = source
        return notebook

    def blank(self, task: str) -> dict[str, str]:
        return {self.answer_of[task]: named(self.release())[self.answer_of[task]].source}

    @staticmethod
    def edits(task) -> list[str]:
        """The labels of the mistakes that can be typed: all of a goal, and of a task those that are edits."""
        if isinstance(task, Goal):
            return [region.label for region in task.known]
        return [label for label, _, forms in mistakes.read(task.mistakes) if not forms[0].startswith("= ")]

    def mistaken(self, number: int) -> tuple[dict[str, str], dict[str, str]]:
        """Answers with one mistake of every task that has so many, else the right one; and what is wrong with them, by task."""
        given, labels = dict(self.solved), {}
        for name, task in self.tasks.items():
            known = self.edits(task)
            if isinstance(task, Goal) and (ROUNDS == 1 or number > len(known)):
                labels[name] = "not answered"  # training is what takes long
                given |= self.blank(name)
            elif number <= len(known):
                labels[name] = label = known[number - 1]
                if isinstance(task, Goal):
                    function = re.search(r"^def (\w+)\(", self.solved[self.answer_of[name]], re.MULTILINE)[1]
                    settings = answers.BY_TOPIC[self.topic].SETTINGS[name][label]
                    given[self.answer_of[name]] = f"def {function}():\n    return {settings}"
                else:
                    given[name] = answers.wrong(self.topic, name, label)
        return given, labels

    def submit(self, folder: Path, student: str, notebook) -> None:
        place = folder / student / self.name
        place.mkdir(parents=True)
        nbformat.write(notebook, place / f"{self.name}.ipynb")


EXERCISES = {name: Exercise(name) for name in NAMES}
every_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=NAMES, scope="module")
every_round = pytest.mark.parametrize(
    ("exercise", "number"),
    [pytest.param(each, number, id=f"{each.name}-{number}") for each in EXERCISES.values() for number in range(1, each.rounds + 1)],
    scope="module",
)

# --------------------------------------------------------------------------------------------------------------------
# What students are given


def test_exercises_equal_a_fresh_generation(tmp_path):
    release = tmp_path / "Mein Kürs ü" / "release"  # a path as people have it
    authoring.generate_exercises(into=release)
    fresh, committed = (
        {path.relative_to(folder): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}
        for folder in (release, authoring.ROOT / "exercises")
    )
    committed = {path: text for path, text in committed.items() if ".ipynb_checkpoints" not in path.parts}
    assert committed.keys() == fresh.keys()
    for path, text in fresh.items():
        assert committed[path] == text, f"exercises/{path} is out of step with its solution: make exercises"


def test_an_exercise_is_one_notebook():
    files = [path for path in (authoring.ROOT / "exercises").rglob("*") if path.is_file() and ".ipynb_checkpoints" not in path.parts]
    assert sorted(files) == [authoring.ROOT / "exercises" / name / f"{name}.ipynb" for name in NAMES]


@every_exercise
def test_no_answer_leaks_into_the_exercise(exercise):
    text = "\n".join(cell.source for cell in exercise.release().cells)
    for word in ("BEGIN SOLUTION", "END SOLUTION", "HIDDEN TESTS", "hidden=", "Marking guide"):
        assert word not in text

    def lines(source: str) -> set[str]:
        return {line.strip() for line in source.splitlines()} - {""}

    region = re.compile(r"### BEGIN SOLUTION\n(.*?)\s*### END SOLUTION", re.DOTALL)
    whole = "\n".join(cell.source for name, cell in named(exercise.solution()).items() if name not in exercise.by_hand)
    secret = lines("\n".join(region.findall(whole))) - lines(region.sub("", whole))  # a line may be part of a given cell too
    assert secret and not secret & lines(text)
    for name in exercise.by_hand:
        assert exercise.solved[name] not in text
    assert not any(cell.get("outputs") for cell in exercise.release().cells)


@every_exercise
def test_points_and_headings_agree(exercise):
    rows = []
    for section in exercise.sections:
        if section.level > 2:
            for points in re.findall(r"^#.*\((\d+) points?\)$", section.text, re.MULTILINE):
                assert int(points) == section.points, section.text
            continue
        stated, task = re.search(MINUTES, section.text), re.match(r"## Task (\d+) · ", section.text)
        assert stated or not (task or section.points), section.text
        if stated:
            points, minutes, stars = stated.groups()
            assert int(points.replace("no", "0")) == section.points, section.text
            rows.append((task[1] if task else "–", f"{section.points}", minutes, stars))
    tasks = [row for row in rows if row[0] != "–"]
    assert [row[0] for row in tasks] == [str(i + 1) for i in range(len(tasks))]

    table = re.findall(r"^\| (\d|–) \| .* \| (\d+) \| (\d+) \| ([★☆]{3}) \|$", exercise.solution().cells[0].source, re.MULTILINE)
    if exercise.warm_up:
        assert sum(exercise.most.values()) == 1, "the warm-up has one point"
        assert table in ([], rows)
    else:
        assert sum(exercise.most.values()) == 20, (
            "an exercise has 20 points: a new task takes its own from a neighbour, or is that one's part b"
        )
        assert 5 <= len(tasks) <= 8
        assert 60 <= sum(int(minutes) for _, _, minutes, _ in tasks) <= 90
        assert table == rows


@every_exercise
def test_every_answer_is_followed_by_its_check_and_then_its_hidden_test(exercise):
    names = list(named(exercise.solution()))
    checked = {name.removeprefix("check_") for name in names if name.startswith("check_")}
    package = f"course_lib/grading/{exercise.topic}"
    assert not (extra := checked - set(exercise.tasks)), f"TASKS in {package}/__init__.py lacks {extra}, whose check the solution has"
    assert not (without := set(exercise.tasks) - checked), f"the solution has no cell check_… for {without}, which TASKS in {package} has"
    for name, task in exercise.tasks.items():
        i = names.index(f"check_{name}")
        assert names[i - 1] == exercise.answer_of[name]
        assert names[i - 1] == name or isinstance(task, Goal)
        if name in exercise.most:
            assert names[i + 1] == f"grade_{name}"
    assert set(exercise.most) <= {*exercise.tasks, *exercise.by_hand}


@every_exercise
def test_a_hidden_test_changes_no_name_of_the_notebook(exercise):
    """It runs among the student's cells: what it imports or defines must not hide what they use."""

    def bound(source: str) -> dict[str, str]:
        """Names that a cell binds at its top level, and how."""
        found = {}
        for node in ast.parse("\n".join(line for line in source.splitlines() if not line.lstrip().startswith("!"))).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                found |= {
                    alias.asname or alias.name.split(".")[0]: ast.unparse(alias) + getattr(node, "module", "") for alias in node.names
                }
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                found[node.name] = "def"
            elif isinstance(node, ast.Assign):
                found |= {name.id: "=" for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        return found

    code = [
        (cell.metadata.get("nbgrader", {}).get("grade_id", ""), bound(cell.source))
        for cell in exercise.solution().cells
        if cell.cell_type == "code"
    ]
    elsewhere = {}
    for name, names in code:
        if not name.startswith("grade_"):
            elsewhere |= names
    for name, names in code:
        if name.startswith("grade_"):
            assert not {key for key in names if key in elsewhere and elsewhere[key] != names[key]}, name


# --------------------------------------------------------------------------------------------------------------------
# Grading


@pytest.fixture(scope="module")
def graded(exercise, tmp_path_factory):
    """One class, graded once: a blank exercise with all of its cells, the solution, and rounds of known mistakes."""
    grading = tmp_path_factory.mktemp(f"Mein Kürs ü {exercise.name}")
    folder = grading / "submitted"
    exercise.submit(folder, "blank", exercise.release())
    exercise.submit(folder, "full", exercise.filled(exercise.solved))
    for number in range(1, exercise.rounds + 1):
        exercise.submit(folder, f"mistake_{number}", exercise.filled(exercise.mistaken(number)[0]))
    before = {path: path.read_bytes() for path in folder.rglob("*.ipynb")}
    report = pipeline.grade(exercise.name, folder, grading=grading, limits=SLOW)
    assert {path: path.read_bytes() for path in folder.rglob("*.ipynb")} == before  # a submission is never touched
    return grading, report, {each.student: each for each in report.submissions}


@pytest.mark.slow
def test_torn_and_damaged_submissions_and_an_endless_loop_do_not_stop_a_class(tmp_path):
    exercise, folder = EXERCISES["02_autoencoders"], tmp_path / "submitted"
    torn = folder / "a_torn_file" / exercise.name / f"{exercise.name}.ipynb"
    torn.parent.mkdir(parents=True)
    torn.write_text(nbformat.writes(exercise.solution())[:5000], encoding="utf-8")

    endless = {"free_bits": "import time\n\n\ndef free_bits(kl, floor):\n    time.sleep(10_000)"}
    notebook = exercise.filled(exercise.solved | exercise.blank("experiment") | endless)
    cells = named(notebook)
    copy = nbformat.from_dict(cells["gaussian_kl"])
    copy.id = "copy"
    copy.source = answers.wrong(exercise.topic, "gaussian_kl", "sign")  # an earlier try, left above
    notebook.cells.insert(notebook.cells.index(cells["gaussian_kl"]), copy)
    notebook.cells.remove(cells["grade_balanced_arrow"])
    cells["grade_attribute_arrow"].source = "print('✓')"
    cells["kl_weight"].cell_type = "markdown"
    exercise.submit(folder, "odd", notebook)

    torn, odd = pipeline.grade(exercise.name, folder, grading=tmp_path, limits=pipeline.Limits(cell=15)).submissions
    assert not torn.graded and "cannot be read as a notebook" in torn.remarks[0]
    assert sorted(odd.remarks) == [
        "gaussian_kl was there 2 times: the last one counts",
        "grade_attribute_arrow was changed: put back as it was",
        "grade_balanced_arrow was deleted: put back",
        "kl_weight had become a markdown cell: changed back to code",
    ]
    assert odd.mistakes == {"free_bits": "does not end", "experiment": "not answered"}
    assert odd.points == exercise.most | dict.fromkeys(exercise.by_hand) | {"experiment": 0.0}


@pytest.mark.slow
@every_exercise
def test_a_blank_exercise_gets_nothing_and_only_its_checks_fail(graded, exercise):
    grading, _, students = graded
    blank = students["blank"]
    assert blank.total == 0 and set(blank.points.values()) == {0.0}
    assert blank.mistakes == dict.fromkeys(exercise.tasks, "not answered")
    for cell in read(grading / "autograded" / "blank" / exercise.name / f"{exercise.name}.ipynb").cells:
        if not cell.metadata.get("nbgrader", {}).get("grade_id", "").startswith(("check_", "grade_")):
            assert not [output for output in cell.get("outputs", []) if output.output_type == "error"], cell.source


@pytest.mark.slow
@every_exercise
def test_the_solution_gets_every_point_but_those_given_by_hand(graded, exercise):
    full = graded[2]["full"]
    assert full.points == exercise.most | dict.fromkeys(exercise.by_hand)
    assert full.mistakes == {} and full.remarks == []


@pytest.mark.slow
@every_round
def test_a_known_mistake_costs_its_points_and_no_others_and_its_hint_is_in_the_feedback(graded, exercise, number):
    grading, report, students = graded
    student = students[f"mistake_{number}"]
    _, labels = exercise.mistaken(number)
    assert student.mistakes == labels
    lost = {task: 0.0 for task in labels if task in report.most}
    assert student.points == report.most | dict.fromkeys(exercise.by_hand) | lost
    page = (grading / "feedback" / student.student / exercise.name / f"{exercise.name}.html").read_text(encoding="utf-8")
    outputs = "".join(
        output.get("evalue", "")
        for cell in read(grading / "autograded" / student.student / exercise.name / f"{exercise.name}.ipynb").cells
        for output in cell.get("outputs", [])
    )
    for task, label in labels.items():
        hint = {mistake.label: mistake.hint for mistake in exercise.tasks[task].known}.get(label, label)
        assert hint in outputs and hint in html.unescape(page)


@pytest.mark.slow
@every_exercise
def test_hidden_tests_are_what_is_graded(graded, exercise):
    notebook = read(graded[0] / "autograded" / "full" / exercise.name / f"{exercise.name}.ipynb")
    for name in exercise.most.keys() - exercise.by_hand:
        cell = named(notebook)[f"grade_{name}"]
        assert "hidden=" not in cell.source  # they stay outside
        assert [output.text for output in cell.outputs if "✓" in output.text]


@pytest.mark.slow
@every_exercise
def test_the_report_says_who_has_what_and_which_mistakes_were_made(graded, exercise):
    grading, report, students = graded
    expected = Counter((task, "not answered") for task in exercise.tasks)
    for number in range(1, exercise.rounds + 1):
        expected.update(exercise.mistaken(number)[1].items())
    assert {(task, label): n for task, label, n in report.mistakes()} == expected
    for (_, label), n in expected.items():
        assert f"{n} × {label}" in str(report)
    rows = list(csv.DictReader((grading / f"report_{exercise.name}.csv").open(encoding="utf-8-sig")))
    assert [row["student"] for row in rows] == ["at most", *students]
    points = sum(most for name, most in exercise.most.items() if name not in exercise.by_hand)
    assert {row["student"]: row["total"] for row in rows}["full"] == f"{points:g}"


@pytest.mark.slow
@every_exercise
def test_points_given_by_hand_count(graded, exercise):
    from nbgrader.api import Gradebook

    if not exercise.by_hand:
        return
    grading = graded[0]
    for name in exercise.by_hand:
        with Gradebook(f"sqlite:///{grading / 'gradebook.db'}", gradebook.COURSE) as book:
            book.find_grade(name, exercise.name, exercise.name, "full").manual_score = 0.5
            book.db.commit()
    report = pipeline.grade(exercise.name, grading / "submitted", grading=grading, limits=SLOW)  # runs nobody again
    points = {each.student: each.points for each in report.submissions}
    for name in exercise.by_hand:
        assert points["full"][name] == 0.5 and points["blank"][name] == 0
