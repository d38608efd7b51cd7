"""The grading of a class, without running a notebook: what is repaired, what is refused, what the report says."""

import csv
import signal
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib.grading import pipeline


def cell(name: str, source: str, kind: str = "code", **meta):
    make = new_code_cell if kind == "code" else new_markdown_cell
    return make(source, metadata={"nbgrader": {"grade_id": name, "schema_version": 3, "solution": False, "grade": False, **meta}})


def release():
    return new_notebook(
        cells=[
            new_markdown_cell("Write it."),
            cell("kl", "def kl(mean):\n    raise NotImplementedError()", solution=True),
            cell("check_kl", "KL.check(kl)", locked=True),
            cell("grade_kl", "# hidden", grade=True, locked=True, points=2),
            cell("question", "Why?", "markdown", locked=True),
            cell("answer", "YOUR ANSWER HERE", "markdown", solution=True, grade=True, points=1),
        ]
    )


def answered():
    notebook = release()
    notebook.cells[1].source = "def kl(mean):\n    return mean"
    notebook.cells[5].source = "Because."
    return notebook


def sources(notebook):
    return [c.source for c in notebook.cells]


def test_repair_leaves_a_good_submission_alone():
    repaired, remarks = pipeline.repair(answered(), release())
    assert sources(repaired) == sources(answered()) and remarks == []


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
    named = [c for c in repaired.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "kl"]
    assert [c.source for c in named] == ["def kl(mean):\n    return 2 * mean"]
    assert "def kl(mean):\n    return mean" in sources(repaired)  # the earlier one stays as a cell of the student's own


def test_repair_puts_deleted_cells_back():
    submitted = answered()
    del submitted.cells[1:4]
    repaired, remarks = pipeline.repair(submitted, release())
    assert sources(repaired) == [*sources(release())[:5], "Because."]
    assert remarks == ["kl was deleted: put back blank", "check_kl was deleted: put back", "grade_kl was deleted: put back"]


def test_repair_restores_changed_tests():
    submitted = answered()
    submitted.cells[3].source = "print('✓')"
    repaired, remarks = pipeline.repair(submitted, release())
    assert sources(repaired) == sources(answered())
    assert remarks == ["grade_kl was changed: put back as it was"]


def test_repair_changes_retyped_cells_back():
    submitted = answered()
    submitted.cells[1] = cell("kl", submitted.cells[1].source, "markdown", solution=True)
    submitted.cells[2] = cell("check_kl", "KL.check(kl)", "raw", locked=True)
    repaired, remarks = pipeline.repair(submitted, release())
    assert sources(repaired) == sources(answered())
    assert [c.cell_type for c in repaired.cells] == [c.cell_type for c in release().cells]
    assert remarks == ["kl had become a markdown cell: changed back to code", "check_kl was changed: put back as it was"]
    nbformat.validate(repaired)


def test_repair_finds_answers_whose_metadata_was_lost():
    submitted = answered()
    for each in submitted.cells:
        each.metadata = {}
    repaired, remarks = pipeline.repair(submitted, release())
    assert sources(repaired) == sources(answered()) and remarks == []
    assert repaired.cells[1].metadata.nbgrader.grade_id == "kl"


def test_repaired_notebooks_have_unique_ids_and_one_cell_a_name():
    submitted = answered()
    submitted.cells += [nbformat.from_dict(c) for c in answered().cells]  # everything copied
    repaired, _ = pipeline.repair(submitted, release())
    names = [c.metadata.nbgrader.grade_id for c in repaired.cells if "nbgrader" in c.metadata]
    assert names == ["kl", "check_kl", "grade_kl", "question", "answer"]
    assert len({c.id for c in repaired.cells}) == len(repaired.cells)
    nbformat.validate(repaired)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no notebook at all"),
        ({"02_x.ipynb": "{ half a noteb"}, "02_x.ipynb cannot be read as a notebook"),
        ({"02_x.ipynb": "[1, 2]"}, "02_x.ipynb cannot be read as a notebook"),
        ({"02_x.ipynb": ""}, "02_x.ipynb cannot be read as a notebook"),
        ({"a.ipynb": "{}", "b.ipynb": "{}"}, "02_x.ipynb is not there (a.ipynb, b.ipynb)"),
    ],
)
def test_an_unreadable_submission_is_refused_in_one_sentence(tmp_path, files, said):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError) as caught:
        pipeline.read(tmp_path, "02_x", [])
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_submission_under_another_name_is_read(tmp_path):
    nbformat.write(answered(), tmp_path / "02_x (1).ipynb")
    remarks = []
    assert sources(pipeline.read(tmp_path, "02_x", remarks)) == sources(answered())
    assert remarks == ["graded 02_x (1).ipynb, the only notebook there"]


def test_mistakes_are_read_from_outputs():
    def said(name, value):
        return new_output("error", ename=name, evalue=value, traceback=[])

    notebook = new_notebook(cells=[cell(f"check_{t}", "") for t in ("gaussian_kl", "elbo", "auroc", "detect")])
    notebook.cells[0].outputs = [said("CheckFailed", "✗ gaussian_kl: exactly twice [too] large. [gaussian_kl/m1]")]
    notebook.cells[1].outputs = [said("CheckFailed", "✗ elbo: not answered yet. [elbo/blank]")]
    notebook.cells[2].outputs = [said("NameError", "name 'auroc' is not defined")]
    notebook.cells[3].outputs = [said("CellTimeoutError", "")]
    assert pipeline.mistakes_in(notebook, pipeline.tasks_of("02_autoencoders")) == {
        "gaussian_kl": "lost half",
        "elbo": "not answered",
        "auroc": "NameError",
        "detect": "does not end",
    }


def test_the_report_counts_mistakes_and_shows_what_is_open(tmp_path):
    report = pipeline.Report(
        "02_x",
        {"kl": 2.0, "answer": 1.0},
        [
            pipeline.Submission("ada", {"kl": 2.0, "answer": None}, graded=True),
            pipeline.Submission("bob", {"kl": 0.0, "answer": 0.0}, {"kl": "lost half"}, ["kl was deleted: put back blank"], graded=True),
            pipeline.Submission("cyd", {"kl": 0.0, "answer": 0.5}, {"kl": "lost half"}, graded=True),
            pipeline.Submission("dee", remarks=["not graded: no notebook"]),
        ],
    )
    text = str(report)
    assert "ada       2       ?      2" in text and "dee       –       –      –" in text and "at most   2       1      3" in text
    assert "  kl    2 × lost half" in text and "bob: kl was deleted: put back blank" in text and "? is graded by hand" in text
    report.write_csv(tmp_path / "report.csv")
    rows = list(csv.reader((tmp_path / "report.csv").open(encoding="utf-8-sig")))
    assert rows[0] == ["student", "kl", "answer", "total", "mistakes", "remarks"]
    assert rows[3] == ["bob", "0", "0", "0", "kl: lost half", "kl was deleted: put back blank"]
    assert len(rows) == 6


def test_no_submissions_is_said_in_one_sentence(tmp_path, capsys):
    assert pipeline.grade("02_autoencoders", tmp_path / "none", grading=tmp_path) is None
    said = capsys.readouterr().out
    assert said.startswith("No submissions in ") and "a notebook STUDENT.ipynb or a folder STUDENT/" in said and said.count("\n") == 1


def test_submissions_are_found_as_files_and_in_folders(tmp_path):
    folder, submitted = tmp_path / "in", tmp_path / "submitted"
    for file in ("ada.ipynb", "bob/anything.ipynb", "cyd/02_x/02_x.ipynb", "notes.txt", "empty/readme.md"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(file)
    assert pipeline.collect(folder, "02_x", submitted) == {
        "ada": submitted / "ada" / "02_x",
        "bob": folder / "bob",
        "cyd": folder / "cyd" / "02_x",
    }
    assert (submitted / "ada" / "02_x" / "02_x.ipynb").read_text() == "ada.ipynb"


def test_an_unknown_assignment_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"no assignment '2'; there are .*02_autoencoders"):
        pipeline.grade("2")


def test_a_deadline_ends_what_was_started_and_only_that():
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(sleep) as other:
        with pipeline.deadline(0.2) as late, subprocess.Popen(sleep, start_new_session=True) as process:
            assert process.wait(timeout=30) == -signal.SIGKILL
        assert late.is_set() and other.poll() is None
        with pipeline.deadline(30) as late, subprocess.Popen([sys.executable, "-c", ""]) as process:
            assert process.wait(timeout=30) == 0
        assert not late.is_set()
        other.kill()


def test_why_nbgrader_failed_is_one_line():
    log = "[ERROR] There was an error\n[ERROR] Traceback:\n  File 'x'\nnbclient.exceptions.DeadKernelError: Kernel died\n"
    error = "Traceback\nnbgrader.converters.base.NbGraderException: Please see the above\n"
    assert pipeline.why_not({"success": False, "log": log, "error": error}) == "nbclient.exceptions.DeadKernelError: Kernel died"
    assert pipeline.why_not({"success": True}) is None
