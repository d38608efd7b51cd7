"""The exercises as students and instructors meet them: generated from the solutions, and graded by nbgrader."""

import csv
import html
import re

import nbformat
import pytest

pytest.importorskip("nbgrader")

from test_grading import ANSWERS, SETTINGS, code

from course_lib import authoring
from course_lib.grading import pipeline

NAME = "02_autoencoders"
SOLUTION = authoring.ROOT / "solutions" / NAME / f"{NAME}.ipynb"
EXERCISE = authoring.ROOT / "exercises" / NAME / f"{NAME}.ipynb"
TASKS = pipeline.tasks_of(NAME)
ROUNDS = max(len(task.mistakes) for task in TASKS.values())


def named(notebook) -> dict:
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}


def read(path):
    return nbformat.read(path, as_version=4)


# --------------------------------------------------------------------------------------------------------------------
# What students are given


def test_exercises_equal_a_fresh_generation(tmp_path):
    release = tmp_path / "release"
    authoring.generate_exercises(into=release)
    fresh, committed = (
        {path.relative_to(folder): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}
        for folder in (release, authoring.ROOT / "exercises")
    )
    committed = {path: text for path, text in committed.items() if ".ipynb_checkpoints" not in path.parts}
    assert committed.keys() == fresh.keys()
    for path, text in fresh.items():
        assert committed[path] == text, f"exercises/{path} is out of step with its solution: make exercises"


def test_no_answer_leaks_into_the_exercises():
    assert {path.suffix for path in (authoring.ROOT / "exercises").rglob("*") if path.is_file()} == {".ipynb"}
    text = "\n".join(cell.source for cell in read(EXERCISE).cells)
    for word in ("BEGIN SOLUTION", "END SOLUTION", "HIDDEN TESTS", "hidden=True", "Marking guide"):
        assert word not in text
    for source in (cell.source for cell in read(SOLUTION).cells):
        for region in re.findall(r"### BEGIN SOLUTION\n(.*?)\s*### END SOLUTION", source, re.DOTALL):
            assert not any(line.strip() in text for line in region.splitlines())
    assert not any(cell.get("outputs") for cell in read(EXERCISE).cells)
    assert named(read(SOLUTION))["written_answer"].source not in text


def test_points_and_headings_agree():
    cells = read(SOLUTION).cells
    points = pipeline.most_points(read(SOLUTION))
    assert sum(points.values()) == 20
    headings = [cell.source for cell in cells if cell.source.startswith("## Task")]
    stated = [re.search(r"\*\*(\d+) points · (\d+) minutes · [★☆]{3}\*\*", heading).groups() for heading in headings]
    assert len(headings) == 7
    assert (
        [int(p) for p, _ in stated]
        == [2, 3, 3, 3, 4, 3, 2]
        == [
            *(points[task] for task in ("reparameterise", "gaussian_kl", "elbo", "iwae_bound")),
            *(points["kl_weight"] + points["experiment"], points["detect"] + points["auroc"], points["written_answer"]),
        ]
    )
    assert 60 <= sum(int(minutes) for _, minutes in stated) <= 90
    table = re.findall(r"^\| \d \| .* \| (\d) \| (\d+) \|", cells[0].source, re.MULTILINE)
    assert table == stated


def test_every_answer_is_followed_by_its_check_and_then_its_hidden_test():
    names = list(named(read(SOLUTION)))
    for task in TASKS:
        answer = "settings" if task == "experiment" else task
        i = names.index(answer)
        assert names[i + 1] == f"check_{task}"
        if f"grade_{task}" in names:
            assert names[i + 2] == f"grade_{task}"


# --------------------------------------------------------------------------------------------------------------------
# Grading, with nbgrader


def filled(answers: dict[str, str], only_named: bool = True):
    """The exercise with some of its answers replaced. Without the cells that only show pictures it runs faster."""
    notebook = read(EXERCISE)
    if only_named:
        notebook.cells = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    for name, source in answers.items():
        named(notebook)[name].source = source
    return notebook


def solved() -> dict[str, str]:
    return {name: cell.source for name, cell in named(read(SOLUTION)).items() if cell.metadata.nbgrader.solution}


def mistaken(number: int) -> tuple[dict[str, str], dict[str, str]]:
    """Answers with that mistake of every task that has so many, else the right one; and the labels of the mistakes in them."""
    answers, labels = solved(), {}
    for task in TASKS.values():
        if number <= len(task.mistakes):
            labels[task.name] = label = task.mistakes[number - 1].label
            if task.name == "experiment":
                answers["settings"] = f"def settings():\n    return {SETTINGS[label]}"
            else:
                answers[task.name] = code(task.name, ANSWERS[task.name][2][label])
    if "experiment" not in labels:
        answers["settings"] = named(read(EXERCISE))["settings"].source  # left blank: training is what takes long
    return answers, labels


def submit(folder, student: str, notebook) -> None:
    place = folder / student / NAME
    place.mkdir(parents=True)
    nbformat.write(notebook, place / f"{NAME}.ipynb")


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """One class, graded once: a blank exercise, the solution, each known mistake, a damaged notebook, a torn file."""
    grading = tmp_path_factory.mktemp("grading")
    folder = grading / "submitted"
    submit(folder, "blank", read(EXERCISE))
    submit(folder, "full", filled(solved(), only_named=False))
    for number in range(1, ROUNDS + 1):
        submit(folder, f"mistake_{number}", filled(mistaken(number)[0]))

    endless = "import time\n\n\ndef free_bits(kl, floor):\n    time.sleep(10_000)"
    damaged = filled(solved() | {"settings": named(read(EXERCISE))["settings"].source, "free_bits": endless})
    cells = named(damaged)
    copy = nbformat.from_dict(cells["gaussian_kl"])
    copy.id = "copy"
    copy.source = code("gaussian_kl", "mean.sum(1)")  # an earlier try, left above
    damaged.cells.insert(damaged.cells.index(cells["gaussian_kl"]), copy)
    damaged.cells.remove(cells["grade_auroc"])
    cells["grade_detect"].source = "print('✓')"
    cells["kl_weight"].cell_type = "markdown"
    submit(folder, "odd", damaged)

    (folder / "torn" / NAME).mkdir(parents=True)
    (folder / "torn" / NAME / f"{NAME}.ipynb").write_text(SOLUTION.read_text(encoding="utf-8")[:5000], encoding="utf-8")

    before = {path: path.read_bytes() for path in folder.rglob("*.ipynb")}
    report = pipeline.grade(NAME, folder, grading=grading, cell_timeout=30)
    assert {path: path.read_bytes() for path in folder.rglob("*.ipynb")} == before  # a submission is never touched
    return grading, report, {each.student: each for each in report.submissions}


def test_a_blank_exercise_gets_nothing(graded):
    blank = graded[2]["blank"]
    assert blank.total == 0 and set(blank.points.values()) == {0.0}
    assert blank.mistakes == dict.fromkeys(TASKS, "not answered")


def test_the_solution_gets_every_point_but_the_written_answers(graded):
    full = graded[2]["full"]
    most = pipeline.most_points(read(SOLUTION))
    assert full.points == most | {"written_answer": None}
    assert full.total == 18
    assert full.mistakes == {} and full.remarks == []


@pytest.mark.parametrize("number", range(1, ROUNDS + 1))
def test_a_known_mistake_costs_its_points_and_no_others_and_its_hint_is_in_the_feedback(graded, number):
    grading, report, students = graded
    student = students[f"mistake_{number}"]
    _, labels = mistaken(number)
    expected = labels if "experiment" in labels else labels | {"experiment": "not answered"}
    assert student.mistakes == expected
    lost = {task: 0.0 for task in expected if task in report.most}
    assert student.points == report.most | {"written_answer": None} | lost
    page = html.unescape((grading / "feedback" / student.student / NAME / f"{NAME}.html").read_text(encoding="utf-8"))
    outputs = "".join(
        output.get("evalue", "")
        for cell in read(grading / "autograded" / student.student / NAME / f"{NAME}.ipynb").cells
        for output in cell.get("outputs", [])
    )
    for task in labels:
        hint = TASKS[task].mistakes[number - 1].hint
        assert hint in outputs and hint in page


def test_hidden_tests_are_what_is_graded(graded):
    notebook = read(graded[0] / "autograded" / "full" / NAME / f"{NAME}.ipynb")
    for name in graded[1].most:
        if name != "written_answer":
            cell = named(notebook)[f"grade_{name}"]
            assert "hidden=True" in cell.source
            assert [output.text for output in cell.outputs if "✓" in output.text]


def test_a_damaged_submission_is_repaired_and_an_endless_loop_ends(graded):
    odd = graded[2]["odd"]
    assert sorted(odd.remarks) == [
        "gaussian_kl was there 2 times: the last one counts",
        "grade_auroc was deleted: put back",
        "grade_detect was changed: put back as it was",
        "kl_weight had become a markdown cell: changed back to code",
    ]
    assert odd.mistakes == {"free_bits": "does not end", "experiment": "not answered"}
    assert odd.points == graded[1].most | {"written_answer": None, "experiment": 0.0}


def test_a_torn_file_does_not_stop_the_class(graded):
    torn = graded[2]["torn"]
    assert not torn.graded and "cannot be read as a notebook" in torn.remarks[0]


def test_the_report_says_who_has_what_and_which_mistakes_were_made(graded):
    grading, report, students = graded
    counts = {(task, label): n for task, label, n in report.mistakes()}
    for task in TASKS.values():
        for mistake in task.mistakes:
            assert counts[task.name, mistake.label] == 1
            assert f"1 × {mistake.label}" in str(report)
    assert counts["gaussian_kl", "not answered"] == 1
    rows = list(csv.DictReader((grading / f"report_{NAME}.csv").open(encoding="utf-8-sig")))
    assert [row["student"] for row in rows] == ["at most", *students]
    assert {row["student"]: row["total"] for row in rows}["full"] == "18"


def test_points_given_by_hand_count(graded):
    from nbgrader.api import Gradebook

    grading = graded[0]
    with Gradebook(f"sqlite:///{grading / 'gradebook.db'}") as gradebook:
        gradebook.find_grade("written_answer", NAME, NAME, "full").manual_score = 1.5
        gradebook.db.commit()
    assert pipeline._scores("full", NAME, grading)["written_answer"] == 1.5
    assert pipeline._scores("blank", NAME, grading)["written_answer"] == 0
