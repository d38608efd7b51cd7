"""The grading of a class, without running a notebook: what is repaired, what is kept, what the report says, and what a kill leaves."""

import copy
import csv
import functools
import json
import os
import random
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

pytest.importorskip("nbgrader")

import classes
from classes import NAME, RIGHT, STUB, answered, at, cell, quick_gradebooks, release, text  # noqa: F401

from course_lib.grading import pipeline
from course_lib.grading.pipeline import exercise, gradebook, similarity
from course_lib.grading.pipeline.exercise import grade_id
from course_lib.grading.pipeline.notebook import read
from course_lib.grading.pipeline.report import table
from course_lib.grading.pipeline.syntax import parsed_cell


def sources(notebook):
    return [c.source for c in notebook.cells]


def source(notebook, name):
    return at(notebook, name).source


# --------------------------------------------------------------------------------------------------------------------
# Repair


def test_cells_are_read_by_several_threads_at_once(request):
    """`ast.parse` alone fails here in some one call of ten with Python 3.11: "recursion depth mismatch"."""
    request.addfinalizer(functools.partial(sys.setswitchinterval, sys.getswitchinterval()))
    sys.setswitchinterval(1e-6)
    code, faults = Path(pipeline.__file__).read_text(encoding="utf-8"), []

    class Rubbish:
        """Collected in the midst of a reading, it lets another thread begin one."""

        def __init__(self):
            self.me = self

        def __del__(self):
            for _ in range(200):
                pass

    def read_at(depth):
        return read_at(depth - 1) if depth else parsed_cell(code)

    def work(depth):
        for _ in range(60):
            try:
                assert [Rubbish() for _ in range(500)] and read_at(depth).body
            except SystemError as error:
                faults.append(str(error))

    threads = [threading.Thread(target=work, args=(7 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


def stub_below(notebook):
    """An untouched copy of the cell below the answer."""
    notebook.cells.insert(2, cell("kl", STUB, solution=True))


def stub_below_without_names(notebook):
    stub_below(notebook)
    nameless(notebook)


def tried_out_below(notebook):
    """A copy that tries the answer out, below it, with its name."""
    notebook.cells.insert(2, cell("kl", "print(kl(3))", solution=True))


def in_the_check(notebook):
    at(notebook, "kl").source = STUB
    at(notebook, "check_kl").source = f"{RIGHT}\n\nKL.check(kl)"


def in_the_hidden_test(notebook):
    at(notebook, "kl").source = STUB
    at(notebook, "grade_kl").source = RIGHT


def in_a_cell_of_ones_own(notebook):
    at(notebook, "kl").source = STUB
    notebook.cells.insert(4, new_code_cell(f"import math\n\n{RIGHT}"))


def merged_upward(notebook):
    """The answer joined the text above it, which stays a text."""
    mine = at(notebook, "kl")
    notebook.cells[0].source += f"\n\n{mine.source}"
    notebook.cells.remove(mine)


def merged_with_the_check(notebook):
    at(notebook, "kl").source += "\n\nKL.check(kl)"
    notebook.cells.remove(at(notebook, "check_kl"))


def merged_down_into_the_check(notebook):
    at(notebook, "check_kl").source = f"{RIGHT}\n\nKL.check(kl)"
    notebook.cells.remove(at(notebook, "kl"))


def merged_two_answers(notebook):
    at(notebook, "kl").source += "\n\n" + source(notebook, "elbo")
    notebook.cells.remove(at(notebook, "elbo"))


def merged_two_answers_downward(notebook):
    at(notebook, "elbo").source = "import math\n\n" + RIGHT + "\n\n\n" + source(notebook, "elbo")
    notebook.cells.remove(at(notebook, "kl"))


def everything_in_one_cell(notebook):
    code = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    notebook.cells = [new_code_cell(code), at(notebook, "answer")]


def exchanged(notebook):
    at(notebook, "kl").source, at(notebook, "elbo").source = source(notebook, "elbo"), source(notebook, "kl")


def nameless(notebook):
    for each in notebook.cells:
        each.metadata = {}


def nameless_as(name, source):
    """The answer written so, in a notebook that has lost its names."""

    def disfigure(notebook):
        at(notebook, "kl").source = source
        nameless(notebook)

    disfigure.__name__ = name
    return disfigure


spaced_and_nameless = nameless_as("spaced_and_nameless", "def kl (mean):\n    return mean")
lambda_and_nameless = nameless_as("lambda_and_nameless", "kl = lambda mean: mean")
annotated_lambda_and_nameless = nameless_as("annotated_lambda_and_nameless", "kl: object = lambda mean: mean")
bad_grammar_and_nameless = nameless_as("bad_grammar_and_nameless", "def kl(mean):\n    return mean +")


def crlf(notebook):
    for each in notebook.cells:
        each.source = each.source.replace("\n", "\r\n")


def black(notebook):
    """A formatter was at the locked cells."""
    at(notebook, "check_kl").source = "KL.check(\n    kl,\n)"
    at(notebook, "question").source = "Why is the bound\nbelow the evidence?  "


def magic(notebook):
    at(notebook, "kl").source = f"%matplotlib inline\n!ls\n{RIGHT}"


def class_instead(notebook):
    at(notebook, "kl").source = "class _KL:\n    def __call__(self, mean):\n        return mean\n\nkl = _KL()"
    nameless(notebook)


def answer_below(notebook):
    at(notebook, "answer").source = "YOUR ANSWER HERE"
    notebook.cells += [new_markdown_cell("Because.")]


def answer_in_the_question(notebook):
    at(notebook, "question").source += "\n\nBecause."
    notebook.cells.remove(at(notebook, "answer"))


def answer_as_code(notebook):
    i = notebook.cells.index(at(notebook, "answer"))
    notebook.cells[i] = cell("answer", "Because.", solution=True, grade=True, points=1)


def answer_as_raw(notebook):
    i = notebook.cells.index(at(notebook, "answer"))
    meta = notebook.cells[i].metadata
    notebook.cells[i] = new_raw_cell("Because.", metadata=meta)


# how a right hand-in was disfigured → what is said; its answers must all be found
DISFIGURED = {
    stub_below: [],
    stub_below_without_names: [],
    tried_out_below: ["kl was there 2 times: the last answered one counts"],
    in_the_check: ["kl: your answer was found in the check cell"],
    in_the_hidden_test: ["kl: your answer was found in the locked cell grade_kl"],
    in_a_cell_of_ones_own: ["kl: your answer was found in a cell of your own"],
    merged_upward: ["kl: your answer was found in a markdown cell"],
    merged_with_the_check: ["check_kl was deleted: put back"],
    merged_down_into_the_check: ["kl: your answer was found in the check cell"],
    merged_two_answers: ["elbo: your answer was found in the cell of kl"],
    merged_two_answers_downward: ["kl: your answer was found in the cell of elbo"],
    everything_in_one_cell: None,
    exchanged: ["kl: your answer was found in the cell of elbo", "elbo: your answer was found in the cell of kl"],
    nameless: [],
    spaced_and_nameless: [],
    lambda_and_nameless: [],
    annotated_lambda_and_nameless: [],
    bad_grammar_and_nameless: [],
    class_instead: [],
    crlf: [],
    black: [],
    magic: [],
    answer_below: ["answer: your answer was found in a cell of your own"],
    answer_in_the_question: ["answer: your answer was found in the cell of the question"],
    answer_as_code: ["answer had become a code cell: changed back to markdown"],
    answer_as_raw: ["answer had become a raw cell: changed back to markdown"],
}


@pytest.mark.parametrize("disfigure", DISFIGURED, ids=lambda f: f.__name__)
def test_honest_work_is_found_wherever_it_ended_up(disfigure):
    notebook = answered()
    disfigure(notebook)
    submitted = read(nbformat.writes(notebook).encode(), "x.ipynb")
    repaired, remarks = pipeline.repair(submitted, release())
    names: dict = {}
    own = []
    for each in repaired.cells:
        if name := grade_id(each):
            names[name] = each.source.strip()
        else:
            own.append(each)
    if disfigure is not bad_grammar_and_nameless:
        space = {"mean": 7.0}
        for name in ("kl", "elbo"):
            code = "\n".join(line for line in names[name].splitlines() if not line.startswith(("%", "!")))
            exec(code, space)
        assert space["kl"](4) == 4 and space["elbo"](5, 2) == 3
    assert names["answer"] == "Because."
    assert [names[name] for name in names if name.startswith(("check_", "grade_", "question"))] == [
        c.source for c in release().cells if (grade_id(c) or "").startswith(("check_", "grade_", "question"))
    ]
    assert all("NotImplementedError" not in each.source for each in own)
    assert len(remarks) <= 3 if DISFIGURED[disfigure] is None else remarks == DISFIGURED[disfigure]
    nbformat.validate(repaired)


def test_repair_leaves_a_good_submission_alone():
    repaired, remarks = pipeline.repair(answered(), release())
    assert sources(repaired) == [c.source for c in answered().cells] and remarks == []
    blank, remarks = pipeline.repair(release(), release())
    assert sources(blank) == sources(release()) and remarks == []


def test_repair_keeps_a_students_own_cells_in_place():
    submitted = answered()
    submitted.cells.insert(2, new_code_cell("print('mine')"))
    repaired, remarks = pipeline.repair(submitted, release())
    assert sources(repaired) == sources(submitted) and remarks == []


def test_repair_takes_the_last_of_several_copies_and_says_so():
    submitted = answered()
    submitted.cells.insert(2, cell("kl", "def kl(mean):\n    return 2 * mean", solution=True))
    repaired, remarks = pipeline.repair(submitted, release())
    assert remarks == ["kl was there 2 times: the last one counts"]
    assert source(repaired, "kl") == "def kl(mean):\n    return 2 * mean"
    assert sources(repaired).index(RIGHT) < sources(repaired).index("def kl(mean):\n    return 2 * mean")  # the earlier try stays above


def test_repair_puts_deleted_cells_back():
    submitted = answered()
    del submitted.cells[1:4]
    repaired, remarks = pipeline.repair(submitted, release())
    assert source(repaired, "kl") == STUB and source(repaired, "grade_kl") == source(release(), "grade_kl")
    assert remarks == ["kl was deleted: put back blank", "check_kl and grade_kl were deleted: put back"]


def test_remarks_stay_few_whatever_was_deleted():
    submitted = answered()
    submitted.cells = [at(submitted, "answer")]
    _, remarks = pipeline.repair(submitted, release())
    assert len(remarks) == 3


@pytest.mark.parametrize("end", ["\n" * 180_000 + "x0", "\n# a" + "\u0301\u0316" * 90_000], ids=["empty lines", "accents"])
def test_repair_takes_no_longer_for_a_cell_that_is_long_and_odd(end):
    notebook = release()
    notebook.cells += [new_code_cell(f"kl = elbo = {i}{end}") for i in range(3)]
    at(notebook, "answer").source += " a" + end
    started = time.process_time()
    pipeline.repair(notebook, release())
    assert time.process_time() - started < 10


def test_a_notebook_with_too_much_text_says_so():
    notebook = answered()
    notebook.cells += [new_code_cell("x = 1\n" * 30_000) for _ in range(6)]
    with pytest.raises(ValueError, match="cells of more than 1,000,000 characters together"):
        read(text(notebook).encode(), "ada.ipynb")


def test_repair_restores_changed_tests():
    submitted = answered()
    at(submitted, "grade_kl").source = "print('✓')"
    repaired, remarks = pipeline.repair(submitted, release())
    assert sources(repaired) == sources(answered())
    assert remarks == ["grade_kl was changed: put back as it was"]


def test_repair_changes_retyped_cells_back():
    submitted = answered()
    submitted.cells[1] = cell("kl", submitted.cells[1].source, "markdown", solution=True)
    repaired, remarks = pipeline.repair(submitted, release())
    assert [c.cell_type for c in repaired.cells] == [c.cell_type for c in release().cells]
    assert remarks == ["kl had become a markdown cell: changed back to code"]


def test_a_hand_in_brings_no_metadata_along():
    """A tag of nbclient's would let an error pass."""
    submitted = answered()
    submitted.cells.insert(1, new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]}))
    submitted.cells[2].metadata["tags"] = ["raises-exception"]
    repaired, _ = pipeline.repair(read(nbformat.writes(submitted).encode(), "x"), release())
    assert not any(each.metadata.get("tags") for each in repaired.cells)


def test_repaired_notebooks_have_unique_ids_and_one_cell_a_name():
    submitted = answered()
    submitted.cells += [nbformat.from_dict(c) for c in answered().cells]  # everything copied
    repaired, _ = pipeline.repair(submitted, release())
    names = [grade_id(c) for c in repaired.cells if grade_id(c)]
    assert names == [grade_id(c) for c in release().cells if grade_id(c)]
    assert len({c.id for c in repaired.cells}) == len(repaired.cells)
    nbformat.validate(repaired)


REAL = sorted(path.parent.name for path in exercise.ROOT.glob("exercises/*/*.ipynb"))


def jupyterlab(notebook):
    """Executed and saved: outputs, counts, times."""
    for each in notebook["cells"]:
        if each["cell_type"] == "code":
            each["execution_count"], each["outputs"] = 7, [{"output_type": "stream", "name": "stderr", "text": ["warning\n"]}]
            each["metadata"] |= {"execution": {"iopub.status.idle": "2026-01-01T00:00:00Z"}, "ExecuteTime": {}}
    notebook["metadata"]["language_info"] = {"name": "python", "version": "3.14.0"}


def vscode(notebook):
    """Ids and line ends of its own, one string a cell."""
    for i, each in enumerate(notebook["cells"]):
        each["source"] = "".join(each["source"]).replace("\n", "\r\n")
        each["metadata"] |= {"vscode": {"languageId": "python"}}
        each["id"] = f"#VSC-{i:08d}"


def colab(notebook):
    """Other ids and metadata; what it does not know is gone."""
    notebook["nbformat_minor"] = 0
    for i, each in enumerate(notebook["cells"]):
        each.pop("id", None)
        each["metadata"] = {"id": f"abc{i}", "colab": {"base_uri": "https://localhost:8080/"}}
    notebook["metadata"] = {"colab": {"provenance": []}, "kernelspec": {"name": "python3", "display_name": "Python 3"}}


@pytest.mark.parametrize("saved", [jupyterlab, vscode, colab], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", REAL)
def test_every_exercise_survives_every_editor(name, saved):
    """A solved exercise as each editor saves it is repaired to what it was, without a remark."""
    wanted = nbformat.read(exercise.ROOT / "exercises" / name / f"{name}.ipynb", as_version=4)
    solution = nbformat.read(exercise.ROOT / "solutions" / name / f"{name}.ipynb", as_version=4)
    solved = {grade_id(c): c.source for c in solution.cells if grade_id(c) and exercise.is_answer(c)}
    release_ = copy.deepcopy(wanted)
    for each in wanted.cells:
        if grade_id(each) in solved:
            each.source = solved[grade_id(each)]
    as_saved = json.loads(nbformat.writes(wanted))
    saved(as_saved)
    repaired, remarks = pipeline.repair(read(json.dumps(as_saved).encode(), "x.ipynb"), release_)
    assert remarks == []
    assert sources(repaired) == sources(wanted)


# --------------------------------------------------------------------------------------------------------------------
# What checks said


@pytest.mark.parametrize(
    "task, kind, words",
    [
        ("gaussian_kl", "m1", "lost half"),
        ("elbo", "blank", "not answered"),
        ("kl_weight", "m99", "m99"),  # names no mistake of ours
        ("free_bits", f"m{'9' * 5000}", f"m{'9' * 5000}"),
        ("reparameterise", "m0", "m0"),
    ],
)
def test_what_a_check_found_has_words(task, kind, words):
    assert pipeline.label(pipeline.tasks_of("02_autoencoders")[task], kind) == words


# --------------------------------------------------------------------------------------------------------------------
# The report


def report():
    return pipeline.Report(
        NAME,
        {"kl": 2.0, "answer": 1.0},
        [
            pipeline.Submission("ada", {"kl": 2.0, "answer": None}, graded=True),
            pipeline.Submission("bob", {"kl": 0.0, "answer": 0.0}, {"kl": "lost half"}, ["kl was deleted: put back blank"], graded=True),
            pipeline.Submission("cyd", {"kl": 0.0, "answer": 0.5}, {"kl": "lost half"}, graded=True, number="17", platform="moodle"),
            pipeline.Submission("dee", remarks=["not graded: no notebook"]),
        ],
    )


def test_the_report_counts_mistakes_and_shows_what_is_open(tmp_path):
    text_ = str(report())
    assert "ada       2       ?      2" in text_ and "dee       –       –      –" in text_ and "at most   2       1      3" in text_
    assert "  kl    2 × lost half" in text_ and "bob: kl was deleted: put back blank" in text_ and "? is graded by hand" in text_
    report().write_csv(tmp_path / "report.csv")
    rows = list(csv.reader((tmp_path / "report.csv").open(encoding="utf-8-sig")))
    assert rows[0] == ["student", "kl", "answer", "total", "mistakes", "remarks", "seen", "id"]
    assert rows[3] == ["bob", "0", "0", "0", "kl: lost half", "kl was deleted: put back blank", "", ""]
    assert len(rows) == 6


def test_platforms_get_complete_totals_alone():
    canvas, moodle = report().for_canvas(), report().for_moodle()
    assert canvas[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", NAME]
    assert [row[-1] for row in canvas[1:]] == ["3", "", "0", "0.5", ""]  # at most; ada waits; bob; cyd; dee was not graded
    assert moodle[3][:4] == ["Participant 17", "cyd", "0.5", "3"]


def test_the_page_says_where_the_next_lecture_can_start():
    page = report().page()
    assert "lost half" in page and "67 %" in page and "3 graded" in page and "Content-Security-Policy" in page


def test_the_report_cannot_be_forged_from_inside_a_hand_in(tmp_path):
    forged = report()
    evil = "=HYPERLINK(1)\nbob  2  1  3\x1b[2J<script>x</script>"
    forged.submissions.append(pipeline.Submission(evil, {"kl": 0.0, "answer": 0.0}, {"kl": evil}, [evil], True, [evil]))
    forged.lines, forged.missing, forged.strangers, forged.alike = [evil], [evil], [evil], [(evil, evil, "3 lines", evil)]
    assert len(str(forged).splitlines()) == len(str(report()).splitlines()) + 16 and "\x1b" not in str(forged)
    page = forged.page()
    assert "<script" not in page and "\x1b" not in page
    forged.write(tmp_path)
    for path in tmp_path.glob("*.csv"):
        for row in csv.reader(path.open(encoding="utf-8-sig")):
            assert not any(value.lstrip().startswith(("=", "+", "-", "@")) for value in row), row
        assert "\x1b" not in path.read_text(encoding="utf-8-sig")


@pytest.mark.parametrize("name", ["a;=1+1;", "a\t=1", "\uff1d1+1", " \uff0b1"])
def test_no_cell_of_a_table_is_a_formula_wherever_a_spreadsheet_splits(name):
    line = table([[name, "b"]]).strip()
    assert line.startswith('"') and line.endswith('","b"') and line[1:].lstrip()[0] in "a'"


# --------------------------------------------------------------------------------------------------------------------
# Similar hand-ins


UNUSUAL = """
def kl(mean):
    # the trick with two passes that nobody else would use
    total, seen = 0, []
    for index, value in enumerate(mean.tolist()):
        if index % 2 == 0 and value not in seen:
            seen.append(value * 3 - index)
        total += (value - index) ** 2 / (1 + len(seen))
    return total / max(1, len(seen))
"""


def test_shared_unusual_code_is_shown_and_the_usual_is_not():
    renamed = (
        UNUSUAL.replace("total", "t").replace("seen", "s").replace("index", "i").replace("value", "v").replace("# the trick", "# a trick")
    )
    handins = {name: [RIGHT] for name in ("eva", "fay", "gus", "hal")} | {
        "ada": [UNUSUAL],
        "bob": [renamed],
        "cyd": [source(answered(), "elbo")],
    }
    pairs = similarity.alike(handins, [STUB])
    assert [(a, b) for a, b, _, _ in pairs] == [("ada", "bob")]
    assert "enumerate" in pairs[0][3]
    assert similarity.alike(handins, [STUB, UNUSUAL]) == []  # a right answer of ours
    assert similarity.alike({name: [UNUSUAL] for name in "abcdefgh"}, []) == []  # what everybody writes


def test_right_answers_of_ours_are_no_likeness_whatever_follows_them():
    ours = [
        "def f(a, b):\n    return a * b + 1",
        "def g(c):\n    return [c, c, c]",
        "SETTINGS = {'k': 3, 'lr': 0.1}",
        "def h(x):\n    return -x",
    ]
    own = "def more(t, much):\n    while t > 3 and much:\n        t = t // 2 - 1\n        much = not (t % 7)\n    return t + much"
    assert similarity.alike({"ada": ours, "bob": ours}, ours) == []
    pairs = similarity.alike({"ada": ours, "bob": ours, "cyd": [ours[0], own, *ours[1:]], "dan": [*ours, own]}, ours)
    assert [(a, b) for a, b, _, _ in pairs] == [("cyd", "dan")] and "while" in pairs[0][3]


def test_similarity_compares_so_much_of_a_student_and_no_more(monkeypatch):
    monkeypatch.setattr(similarity, "MOST", 1_000)
    long = "# nothing\n" * 100
    assert similarity.alike({"ada": [UNUSUAL, long], "bob": [UNUSUAL, long]}, [])
    assert similarity.alike({"ada": [long, UNUSUAL], "bob": [long, UNUSUAL]}, ["# nothing"]) == []


def test_similarity_reads_what_is_no_python():
    assert similarity.alike({"a": ["def ((( '''"], "b": ["def ((( '''"]}, []) == []


# --------------------------------------------------------------------------------------------------------------------
# A class


def submit(folder: Path, **texts: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for student, content in texts.items():
        (folder / f"{student}.ipynb").write_text(content, encoding="utf-8")


def grade(tmp_path, **options):
    return pipeline.grade(NAME, tmp_path / "in", grading=tmp_path / "g", engine=options.pop("engine", classes.Engine), **options)


def by_hand(tmp_path, student: str, task: str, points: float | None, comment: str | None = None) -> None:
    """Grade as the form grader does."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{tmp_path / 'g' / 'gradebook.db'}", gradebook.COURSE) as book:
        grade_ = book.find_grade(task, NAME, NAME, student)
        grade_.manual_score = points
        grade_.needs_manual_grade = points is None and grade_.auto_score is None
        if comment:
            book.find_comment(task, NAME, NAME, student).manual_comment = comment
        book.db.commit()


def in_the_gradebook(tmp_path) -> dict:
    """Student → (score, whether a human has to look), as nbgrader itself reads it."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{tmp_path / 'g' / 'gradebook.db'}", gradebook.COURSE) as book:
        return {s.student.id: (s.score, s.needs_manual_grade) for s in book.assignment_submissions(NAME)}


def in_the_table(tmp_path) -> dict:
    rows = list(csv.reader((tmp_path / "g" / f"report_{NAME}.csv").open(encoding="utf-8-sig")))
    return {row[0]: row[1:5] for row in rows[2:]}


def feedback_of(tmp_path, student):
    return (tmp_path / "g" / "feedback" / student / NAME / f"{NAME}.html").read_text(encoding="utf-8")


def whole(tmp_path) -> None:
    with sqlite3.connect(tmp_path / "g" / "gradebook.db") as book:
        assert book.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert book.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_mark_given_by_hand_stays_while_its_text_does(tmp_path):
    submit(tmp_path / "in", ada=text(), bob=text())
    assert grade(tmp_path).submissions[0].points["answer"] is None
    by_hand(tmp_path, "ada", "answer", 0.5, "Half of it.")
    classes.Engine.ran.clear()
    ada, bob = grade(tmp_path).submissions
    assert ada.points["answer"] == 0.5 and ada.total == 5.5 and bob.points["answer"] is None
    assert classes.Engine.ran == []  # nobody was run again
    assert in_the_gradebook(tmp_path) == {"ada": (5.5, False), "bob": (5.0, True)}
    assert in_the_table(tmp_path)["ada"] == ["2", "3", "0.5", "5.5"]
    assert "5.5 of 6 points" in feedback_of(tmp_path, "ada") and "Half of it." in feedback_of(tmp_path, "ada")

    # another answer elsewhere: the mark stays
    submit(tmp_path / "in", ada=text(answered(kl="def kl(mean):\n    return wrong", answer="Because.  \n")))
    ada, _ = grade(tmp_path).submissions
    assert len(classes.Engine.ran) == 1 and ada.points == {"kl": 0.0, "elbo": 3.0, "answer": 0.5} and ada.remarks == []

    # another text: asked again, and said
    submit(tmp_path / "in", ada=text(answered(answer="Because of Jensen.")))
    ada, _ = grade(tmp_path).submissions
    assert ada.points["answer"] is None and ada.total == 5.0
    assert ada.remarks == ["answer was given 0.5 by hand for another text: it waits for a new one"]
    assert in_the_gradebook(tmp_path)["ada"] == (5.0, True) and in_the_table(tmp_path)["ada"] == ["2", "3", "?", "5"]
    assert "will be read by a human" in feedback_of(tmp_path, "ada") and "Half of it." not in feedback_of(tmp_path, "ada")

    # marked again, then the old text comes back: so does its mark
    by_hand(tmp_path, "ada", "answer", 1.0)
    assert grade(tmp_path).submissions[0].total == 6.0
    submit(tmp_path / "in", ada=text())
    ada, _ = grade(tmp_path).submissions
    assert ada.points["answer"] == 0.5 and ada.remarks == []
    whole(tmp_path)


def test_a_mark_given_by_hand_stays_when_a_namesake_comes(tmp_path):
    kim = "Kim_{}_assignsubmission_file_x"
    submit(tmp_path / "in", **{kim.format(1): text()})
    grade(tmp_path)
    by_hand(tmp_path, "Kim", "answer", 0.5)
    submit(tmp_path / "in", **{kim.format(2): text(answered(answer="Another."))})
    first, second = grade(tmp_path).submissions
    assert (first.student, first.key, first.total) == ("Kim (1)", "Kim", 5.5) and (second.key, second.total) == ("Kim (2)", 5.0)
    (tmp_path / "in" / f"{kim.format(1)}.ipynb").unlink()  # alone now, the other one does not inherit
    assert [(each.key, each.total) for each in grade(tmp_path).submissions] == [("Kim (2)", 5.0)]
    submit(tmp_path / "in", **{kim.format(0): text()})
    (tmp_path / "in" / f"{kim.format(2)}.ipynb").unlink()
    (third,) = grade(tmp_path).submissions
    assert third.key not in ("Kim", "Kim (2)") and third.total == 5.0
    whole(tmp_path)


def test_a_mark_given_by_hand_stays_when_names_get_numbers(tmp_path):
    submit(tmp_path / "in", Kim=text())
    grade(tmp_path)
    by_hand(tmp_path, "Kim", "answer", 0.5)
    (tmp_path / "in" / "Kim.ipynb").rename(tmp_path / "in" / "Kim_1_assignsubmission_file_x.ipynb")
    assert [(each.student, each.key, each.total) for each in grade(tmp_path).submissions] == [("Kim", "Kim", 5.5)]


def test_a_mark_given_by_hand_for_code_counts_for_that_code_alone(tmp_path):
    submit(tmp_path / "in", ada=text(answered(kl="def kl(mean):\n    return wrong")))
    grade(tmp_path)
    by_hand(tmp_path, "ada", "grade_kl", 1.5)
    assert grade(tmp_path).submissions[0].points["kl"] == 1.5
    submit(tmp_path / "in", ada=text(answered(kl="def kl(mean):\n    return wrong * 2")))
    (ada,) = grade(tmp_path).submissions
    assert ada.points["kl"] == 0.0 and ada.remarks == ["kl was given 1.5 by hand for another text: it counts no longer"]
    assert in_the_gradebook(tmp_path)["ada"][0] == 3.0


def test_a_text_left_as_it_was_has_no_points_and_needs_no_reader(tmp_path):
    submit(tmp_path / "in", ada=text(answered(answer="YOUR ANSWER HERE ")), bob=text(answered(answer=" \n")))
    report = grade(tmp_path)
    assert [each.points["answer"] for each in report.submissions] == [0.0, 0.0]
    assert in_the_gradebook(tmp_path) == {"ada": (5.0, False), "bob": (5.0, False)}


def test_a_hand_in_that_is_none_any_more_leaves_no_points_behind(tmp_path):
    submit(tmp_path / "in", ada=text())
    grade(tmp_path)
    by_hand(tmp_path, "ada", "answer", 1.0)
    grade(tmp_path)
    submit(tmp_path / "in", ada="{")
    (ada,) = grade(tmp_path).submissions
    assert not ada.graded and in_the_gradebook(tmp_path) == {} and "cannot be read" in feedback_of(tmp_path, "ada")
    submit(tmp_path / "in", ada=text())
    assert grade(tmp_path).submissions[0].total == 6.0  # her mark was remembered


def test_marks_of_an_older_gradebook_are_kept(tmp_path):
    """One that nbgrader's own autograder wrote has no hashes: what it showed decides."""
    submit(tmp_path / "in", ada=text(), bob=text())
    grade(tmp_path)
    for student in ("ada", "bob"):
        by_hand(tmp_path, student, "answer", 0.5)
    with sqlite3.connect(tmp_path / "g" / "gradebook.db") as book:
        book.execute("DELETE FROM course_shown")
    submit(tmp_path / "in", ada=text(answered(kl="kl = lambda mean: mean")), bob=text(answered(answer="Another text.")))
    assert [each.points["answer"] for each in grade(tmp_path).submissions] == [0.5, None]


def test_an_exercise_that_changes_keeps_its_gradebook(tmp_path):
    class Newer(classes.Engine):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.release.cells[4:8] = []
            self.release.cells.append(cell("why", "YOUR ANSWER HERE", "markdown", solution=True, grade=True, points=2))

        def run(self, notebook, files=()):
            return pipeline.Result(notebook, {"kl": 1.0})

    submit(tmp_path / "in", ada=text())
    grade(tmp_path)
    report = grade(tmp_path, engine=Newer)
    assert report.most == {"kl": 2.0, "answer": 1.0, "why": 2.0} and report.submissions[0].points == {"kl": 1.0, "answer": None, "why": 0.0}
    whole(tmp_path)
    assert in_the_gradebook(tmp_path)["ada"] == (1.0, True)


def test_only_those_named_are_graded_and_again(tmp_path):
    submit(tmp_path / "in", ada=text(), bob=text(), cyd=text())
    classes.Engine.ran.clear()
    report = grade(tmp_path, only=["bob"])
    assert [each.graded for each in report.submissions] == [False, True, False] and len(classes.Engine.ran) == 1
    grade(tmp_path)
    assert len(classes.Engine.ran) == 3
    report = grade(tmp_path, only=["Bob"])
    assert len(classes.Engine.ran) == 4 and [each.total for each in report.submissions] == [5.0] * 3
    with pytest.raises(ValueError, match="Nobody in the inbox is called 'eve'; there are ada, bob and cyd"):
        grade(tmp_path, only=["eve"])


def test_another_limit_grades_again(tmp_path):
    submit(tmp_path / "in", ada=text())
    grade(tmp_path)
    classes.Engine.ran.clear()
    grade(tmp_path, limits=pipeline.Limits(cell=7))
    assert len(classes.Engine.ran) == 1


@pytest.mark.parametrize("damage", ["not json", "{}", "[]", '{"version": 1}', ""])
def test_a_damaged_record_only_means_to_grade_again(tmp_path, damage):
    submit(tmp_path / "in", ada=text())
    grade(tmp_path)
    (tmp_path / "g" / "records" / NAME / "ada.json").write_text(damage)
    assert grade(tmp_path).submissions[0].total == 5.0


def test_what_is_no_gradebook_is_said_in_one_sentence(tmp_path):
    submit(tmp_path / "in", ada=text())
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "gradebook.db").write_text("not a database, but a long text about one" * 100)
    with pytest.raises(ValueError, match="no gradebook that can be read"):
        grade(tmp_path)


def test_lost_pieces_are_made_again(tmp_path):
    submit(tmp_path / "in", ada=text(), bob=text())
    grade(tmp_path)
    (tmp_path / "g" / "gradebook.db").unlink()
    (tmp_path / "g" / "autograded" / "ada" / NAME / f"{NAME}.ipynb").unlink()
    (tmp_path / "g" / "feedback" / "bob" / NAME / f"{NAME}.html").unlink()
    assert [each.total for each in grade(tmp_path).submissions] == [5.0, 5.0]
    assert in_the_gradebook(tmp_path) == {"ada": (5.0, True), "bob": (5.0, True)} and "5 of 6" in feedback_of(tmp_path, "bob")


def test_an_unknown_assignment_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"no assignment '2'; there are .*02_autoencoders"):
        pipeline.grade("2")


def test_why_nbgrader_failed_is_one_line():
    log = "[ERROR] There was an error\n[ERROR] Traceback:\n  File 'x'\nnbclient.exceptions.DeadKernelError: Kernel died\n"
    error = "Traceback\nnbgrader.converters.base.NbGraderException: Please see the above\n"
    assert pipeline.why_not({"success": False, "log": log, "error": error}) == "nbclient.exceptions.DeadKernelError: Kernel died"
    assert pipeline.why_not({"success": True}) is None


# --------------------------------------------------------------------------------------------------------------------
# Stopped, killed, started twice


class Run:
    """A run in a process of its own, forked so that it starts at once; its output is in `said()`."""

    def __init__(self, tmp_path: Path, delay: float = 0.02, grading: str = "g"):
        self.log = tmp_path / f"log{len(list(tmp_path.glob('log*')))}"
        self.pid = os.fork()
        if self.pid:
            return
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            with self.log.open("w", buffering=1) as log:
                sys.stdout = log
                classes.Engine.delay = delay
                pipeline.grade(NAME, tmp_path / "in", grading=tmp_path / grading, engine=classes.Engine, jobs=2)
                code = 0
        except KeyboardInterrupt:
            code = 130
        finally:
            os._exit(code)

    def ended(self) -> int | None:
        """Its exit status once it is over, −9 after a kill; None before."""
        if not hasattr(self, "status"):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if not pid:
                return None
            self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def wait(self, until=lambda: False, seconds: float = 120) -> int | None:
        """Wait until it has ended, or something has happened."""
        deadline = time.monotonic() + seconds
        while self.ended() is None and not until():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.005)
        return self.ended()

    def said(self) -> str:
        return self.log.read_text()

    def kill(self, how: int = signal.SIGKILL) -> None:
        if self.ended() is None:
            os.kill(self.pid, how)


def forty(tmp_path) -> None:
    kinds = [answered(), answered(kl="def kl(mean):\n    return wrong"), release(), answered(answer="YOUR ANSWER HERE")]
    submit(tmp_path / "in", **{f"s{i:02d}": "{" if i % 10 == 9 else text(kinds[i % 4]) for i in range(40)})


def records(tmp_path) -> int:
    return len(list((tmp_path / "g" / "records" / NAME).glob("*.json")))


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@forks
def test_ten_kills_leave_the_gradebook_of_an_undisturbed_run(tmp_path):
    forty(tmp_path)
    calm = Run(tmp_path, 0.0)
    assert calm.wait() == 0, calm.said()
    wanted, table = in_the_gradebook(tmp_path), in_the_table(tmp_path)
    assert len(wanted) == 36 and len(table) == 40
    (tmp_path / "g").rename(tmp_path / "calm")
    dice, killed, kept = random.Random(22), 0, [0]
    for i in range(10):
        process, goal = Run(tmp_path), kept[-1] + dice.randint(0, 3)
        process.wait(lambda goal=goal: records(tmp_path) >= goal)
        time.sleep(dice.random() * (0.3 if i == 0 else 0.08))
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        kept.append(records(tmp_path))
        if (tmp_path / "g" / "gradebook.db").exists():
            whole(tmp_path)
    assert killed >= 8 and kept == sorted(kept) and kept[-1] > 0
    last = Run(tmp_path, 0.0)
    assert last.wait() == 0, last.said()
    assert last.said().count("as before") >= kept[-1] - 4  # those that could not be graded are tried again
    whole(tmp_path)
    assert in_the_gradebook(tmp_path) == wanted and in_the_table(tmp_path) == table
    assert not list((tmp_path / "g").rglob("*.new"))


@forks
def test_ctrl_c_stops_at_once_and_keeps_what_is_done(tmp_path):
    forty(tmp_path)
    run = Run(tmp_path, delay=0.3)
    run.wait(lambda: records(tmp_path) >= 3)
    sent = time.monotonic()
    run.kill(signal.SIGINT)
    assert run.wait() == 130 and time.monotonic() - sent < 20
    assert "Stopped." in run.said() and "kept; the same command goes on" in run.said()
    rows = in_the_table(tmp_path)
    assert len(rows) == 40 and 3 <= sum(row[-1] not in ("–", "…") for row in rows.values()) < 36
    whole(tmp_path)


@forks
def test_a_second_run_refuses_and_a_dead_one_is_no_hindrance(tmp_path):
    forty(tmp_path)
    run = Run(tmp_path, delay=0.5)
    run.wait(lambda: records(tmp_path) >= 1)
    with pytest.raises(ValueError, match="Another run is grading into"):
        grade(tmp_path)
    run.kill()
    run.wait()
    report = grade(tmp_path)
    assert sum(each.graded for each in report.submissions) == 36


def test_progress_says_who_is_done_and_how_long_it_takes(tmp_path, capsys):
    class Slow(classes.Engine):
        delay = 0.05

    forty(tmp_path)
    grade(tmp_path, engine=Slow, jobs=4)
    said = capsys.readouterr().out
    assert "40/40 " in said and said.count(" points") >= 36
    rows = list(in_the_table(tmp_path))
    assert rows == sorted(rows)
