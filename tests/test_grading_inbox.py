"""What lies in an inbox, and what becomes of it: every entry is a row, or a line that says why not.

Each row of the tables is an inbox, what its students should get, and what should be said.
"""

import csv
import io
import json
import os
import struct
import sys
import unicodedata
import zipfile

import nbformat
import pytest

pytest.importorskip("nbgrader")

import classes
from classes import NAME, answered, at, changed, quick_gradebooks, text  # noqa: F401

from course_lib.grading import pipeline
from course_lib.grading.pipeline import inbox
from course_lib.grading.pipeline.text import key, plain

GOOD, HALF = 5.0, 3.0  # both functions right; one
WRONG = text(answered(kl="def kl(mean):\n    return wrong"))


def zipped(files: dict, **facts) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content if isinstance(content, str | bytes) else zipped(content))
    return out.getvalue()


def entry(name: str, content: str, mode: int) -> bytes:
    """A zip whose one entry is of another kind: a link."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, content)
    return out.getvalue()


def encrypted(files: dict) -> bytes:
    """A zip that says of its entries that they are encrypted."""
    data = bytearray(zipped(files))
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = -1
        while (start := data.find(signature, start + 1)) >= 0:
            flags = struct.unpack_from("<H", data, start + offset)[0]
            struct.pack_into("<H", data, start + offset, flags | 1)
    return bytes(data)


def build(folder, files: dict, start: float = 1.7e9) -> None:
    """Write an inbox. Later files are a second younger; a dict is a zip; ("link", where), ("pipe",) and ("old", content) are what they say."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, (name, content) in enumerate(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        age = 0
        if isinstance(content, tuple) and content[0] == "old":
            age, content = 86_400, content[1]
        if isinstance(content, tuple):
            path.symlink_to(content[1]) if content[0] == "link" else os.mkfifo(path)
            continue
        if content is None:
            path.mkdir(parents=True)
            continue
        data = zipped(content) if isinstance(content, dict) else content
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        os.utime(path, (start + i - age, start + i - age))


def graded(tmp_path, files: dict, **options):
    build(tmp_path / "in", files)
    return pipeline.grade(NAME, tmp_path / "in", grading=tmp_path / "grading", engine=classes.Engine, **options)


MOODLE = "{}_{}_assignsubmission_file_"
BOBS = f"bob+{NAME}+2027-06-30 12:00:00 UTC"
TWO = {f"{MOODLE.format('bob', 1)}/x.ipynb": text(), f"{MOODLE.format('cyd', 2)}/x.ipynb": text()}
# name of the case: (inbox, {student: points or what is said}, what stands among remarks and lines)
INBOXES = {
    "a notebook a student": ({"ada.ipynb": text(), "bob.ipynb": WRONG}, {"ada": GOOD, "bob": HALF}, []),
    "a folder a student": ({"ada/anything.ipynb": text()}, {"ada": GOOD}, []),
    "nbgrader's folders": ({f"ada/{NAME}/{NAME}.ipynb": text(), "ada/01_y/01_y.ipynb": text()}, {"ada": GOOD}, []),
    "nested once more": ({"ada/work/mine/x.ipynb": text()}, {"ada": GOOD}, []),
    "nested in a folder of the same name": ({f"ada/{NAME}/{NAME}/{NAME}.ipynb": text()}, {"ada": GOOD}, []),
    "a class in a folder": ({"export/ada/x.ipynb": text(), "export/bob/x.ipynb": WRONG}, {"ada": GOOD, "bob": HALF}, []),
    "a class in a folder, flat": ({"export/ada.ipynb": text(), "export/bob.ipynb": WRONG}, {"ada": GOOD, "bob": HALF}, []),
    "groups": ({"A/ada/x.ipynb": text(), "A/bob/x.ipynb": text(), "B/cyd/x.ipynb": text(), "B/dee/x.ipynb": WRONG},
               {"ada": GOOD, "bob": GOOD, "cyd": GOOD, "dee": HALF}, []),
    "attempts are no groups": ({"ada/one/x.ipynb": ("old", WRONG), "ada/two/x.ipynb": text(), "bob/one/x.ipynb": text(), "bob/two/y.ipynb": text()},
                               {"ada": GOOD, "bob": GOOD}, ["handed in 2 times"]),
    "Moodle, folders": ({f"{MOODLE.format('Ada Lovelace', 12345)}/x.ipynb": text()}, {"Ada Lovelace": GOOD}, []),
    "Moodle, flat": ({f"{MOODLE.format('Ada Lovelace', 12345)}x.ipynb": text(), f"{MOODLE.format('Bob', 1)}b.ipynb": WRONG},
                     {"Ada Lovelace": GOOD, "Bob": HALF}, []),
    "Moodle, a zip of the class": ({"class.zip": {f"{MOODLE.format('Ada', 1)}/x.ipynb": text(), f"{MOODLE.format('Bob', 2)}/y.ipynb": WRONG}},
                                   {"Ada": GOOD, "Bob": HALF}, []),
    "Moodle, a zip in a zip": ({"class.zip": {f"{MOODLE.format('Ada', 1)}/work.zip": {"deep/x.ipynb": text()}}}, {"Ada": GOOD}, []),
    "Moodle, two of one name": ({f"{MOODLE.format('Kim', 1)}x.ipynb": text(), f"{MOODLE.format('Kim', 2)}x.ipynb": WRONG},
                                {"Kim (1)": GOOD, "Kim (2)": HALF}, []),
    "Moodle, text typed online beside the file": ({f"{MOODLE.format('Ada', 1)}/x.ipynb": text(), "Ada_1_assignsubmission_onlinetext_/onlinetext.html": "hi"},
                                                  {"Ada": GOOD}, []),
    "Moodle, a name with umlauts and underscore": ({f"{MOODLE.format('Jörg_Müller', 77)}/x.ipynb": text()}, {"Jörg_Müller": GOOD}, []),
    "Canvas": ({f"lovelaceada_12345_678910_{NAME}.ipynb": text()}, {"lovelaceada": GOOD}, []),
    "Canvas, late": ({f"lovelaceada_LATE_12345_678910_{NAME}.ipynb": text()}, {"lovelaceada": GOOD}, ["handed in late"]),
    "Canvas, handed in again": ({f"hopper_11_21_{NAME}.ipynb": WRONG, f"hopper_11_22_{NAME}-1.ipynb": text()}, {"hopper": GOOD}, ["handed in 2 times"]),
    "Canvas, in a zip": ({"submissions.zip": {"ada_10_20_x.ipynb": text(), "bob_11_21_y.ipynb": WRONG}}, {"ada": GOOD, "bob": HALF}, []),
    "Canvas, a data file beside": ({"ada_10_20_x.ipynb": text(), "ada_10_21_notes.txt": "n"}, {"ada": GOOD}, []),
    "the exchange": ({f"ada+{NAME}+2026-01-05 12:00:00 UTC+abc/{NAME}.ipynb": text()}, {"ada": GOOD}, []),
    "the exchange, twice": ({f"ada+{NAME}+2026-01-05 12:00:00 UTC/{NAME}.ipynb": text(), f"ada+{NAME}+2026-01-04 12:00:00 UTC/{NAME}.ipynb": WRONG},
                            {"ada": GOOD}, ["handed in 2 times"]),
    "the exchange, another exercise": ({f"ada+{NAME}+2026-01-05 12:00:00 UTC/{NAME}.ipynb": text(), "bob+01_y+2026-01-05 12:00:00 UTC/01_y.ipynb": text()},
                                       {"ada": GOOD}, ["is for 01_y"]),
    "capital ending": ({"ada.IPYNB": text()}, {"ada": GOOD}, []),
    "a mail program's ending": ({"ada.ipynb.json": text(), "bob.ipynb.txt": WRONG}, {"ada": GOOD, "bob": HALF}, []),
    "a student's zip": ({"ada.zip": {"x.ipynb": text()}}, {"ada": GOOD}, []),
    "a zip in a student's folder": ({"ada/homework.zip": {"sub/x.ipynb": text()}}, {"ada": GOOD}, []),
    "a zip with a Mac's clutter": ({"ada.zip": {"x.ipynb": text(), "__MACOSX/._x.ipynb": "junk", ".DS_Store": "j"}}, {"ada": GOOD}, []),
    "a Windows zip": ({"ada.zip": {"work\\x.ipynb": text()}}, {"ada": GOOD}, []),
    "clutter": ({"ada.ipynb": text(), ".DS_Store": "x", "._ada.ipynb": "x", "__MACOSX/x.ipynb": "x", ".ipynb_checkpoints/ada-checkpoint.ipynb": WRONG,
                 "bob/.ipynb_checkpoints/x-checkpoint.ipynb": WRONG, "bob/x.ipynb": text()}, {"ada": GOOD, "bob": GOOD}, []),
    "empty file": ({"ada.ipynb": "", "bob.ipynb": text()}, {"ada": "is empty", "bob": GOOD}, []),
    "empty folder": ({"ada": None, "bob.ipynb": text()}, {"ada": "the folder is empty", "bob": GOOD}, []),
    "empty zip": ({"ada.zip": {}, "cyd.zip": b"", "bob.ipynb": text()}, {"ada": "the archive is empty", "cyd": "is empty", "bob": GOOD}, []),
    "only a PDF": ({"ada.pdf": "%PDF", "bob/report.pdf": "%PDF", "cyd.ipynb": text()}, {"ada": "only ada.pdf", "bob": "only report.pdf", "cyd": GOOD}, []),
    "another archive": ({"ada/x.rar": "Rar!", "bob.7z": "7z", "cyd.ipynb": text()}, {"ada": "cannot be opened here, a zip can", "bob": "a zip can", "cyd": GOOD}, []),
    "no zip": ({"ada.zip": "not a zip", "bob.ipynb": text()}, {"ada": "no zip that can be opened", "bob": GOOD}, []),
    "encrypted zip": ({"ada.zip": encrypted({"x.ipynb": text()}), "bob.ipynb": text()}, {"ada": "is encrypted", "bob": GOOD}, []),
    "a zip that leads out": ({"ada.zip": {"../../evil.ipynb": text()}, "bob.zip": {"/etc/x.ipynb": text()}, "cyd.zip": {"C:\\x.ipynb": text()}, "dee.ipynb": text()},
                             {"ada": "leads out", "bob": "leads out", "cyd": "leads out", "dee": GOOD}, []),
    "a zip with a good one beside": ({"ada.zip": {"../evil.ipynb": WRONG, "x.ipynb": text()}}, {"ada": GOOD}, ["leads out"]),
    "a link in a zip": ({"ada.zip": entry("x.ipynb", "/etc/passwd", 0o120777), "bob.ipynb": text()}, {"ada": "is a link", "bob": GOOD}, []),
    "a bomb by ratio": ({"ada.zip": {"x.ipynb": b"0" * (8 << 20)}, "bob.ipynb": text()}, {"ada": "times its size", "bob": GOOD}, []),
    "zips in zips in zips": ({"ada.zip": {"b.zip": {"c.zip": {"d.zip": {"x.ipynb": text()}}}}, "bob.ipynb": text()}, {"ada": "in more than", "bob": GOOD}, []),
    "folders without end": ({"ada/" + "a/" * 20 + "x.ipynb": text(), "bob.ipynb": text()}, {"ada": "folders deep", "bob": GOOD}, []),
    "a link to a file": ({"ada.ipynb": ("link", "/etc/passwd"), "bob.ipynb": text()}, {"ada": "is a link", "bob": GOOD}, []),
    "a link to a folder": ({"ada": ("link", "/"), "bob.ipynb": text()}, {"ada": "is a link", "bob": GOOD}, []),
    "a link in a folder": ({"ada/x.ipynb": ("link", "../bob.ipynb"), "bob.ipynb": text()}, {"ada": "is a link", "bob": GOOD}, []),
    "a pipe": ({"ada.ipynb": ("pipe",), "bob/x.ipynb": ("pipe",), "cyd.ipynb": text()}, {"ada": "pipe", "bob": "pipe", "cyd": GOOD}, []),
    "a second download": ({"ada.ipynb": WRONG, "ada (1).ipynb": text()}, {"ada": GOOD}, ["handed in 2 times: ada (1).ipynb counts", "ada.ipynb does not"]),
    "a second download alone": ({"ada (1).ipynb": text(), "bob (2)/x.ipynb": text()}, {"ada": GOOD, "bob": GOOD}, []),
    "the same download twice": ({"ada.ipynb": text(), "ada (1).ipynb": text()}, {"ada": GOOD}, []),
    "a file and a folder": ({"ada.ipynb": ("old", WRONG), "ada/x.ipynb": text()}, {"ada": GOOD}, ["handed in 2 times"]),
    "a second download in a folder": ({f"ada/{NAME}.ipynb": WRONG, f"ada/{NAME} (1).ipynb": text()}, {"ada": GOOD}, ["handed in 2 times"]),
    "an untouched copy is no hand-in": ({f"ada/{NAME}.ipynb": text(classes.release()), "ada/mine.ipynb": ("old", text())}, {"ada": GOOD}, ["graded mine.ipynb"]),
    "a damaged copy is no hand-in": ({f"ada/{NAME}.ipynb": "{", "ada/mine.ipynb": ("old", text())}, {"ada": GOOD}, ["cannot be read", "mine.ipynb counts"]),
    "scratch beside it": ({f"ada/{NAME}.ipynb": text(), "ada/scratch.ipynb": nbformat.writes(nbformat.v4.new_notebook())}, {"ada": GOOD}, []),
    "another exercise": ({"ada.ipynb": nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])), "bob.ipynb": text()},
                         {"ada": "no cell of this exercise", "bob": GOOD}, []),
    "brackets and globs": ({"x[12].ipynb": text(), "x1.ipynb": WRONG, "x*.ipynb": text(), "{a,b}.ipynb": text()},
                           {"x[12]": GOOD, "x1": HALF, "x*": GOOD, "{a,b}": GOOD}, []),
    "tags, newlines, escapes": ({"<b>ada.ipynb": text(), "b\nob.ipynb": text(), "\x1b[31mcyd.ipynb": text(), "d‮ee.ipynb": text()},
                                {"<b>ada": GOOD, "b⏎ob": GOOD, "cyd": GOOD, "d\ufffdee": GOOD}, []),
    "dots, spaces, devices": ({"ada..ipynb": text(), "con.ipynb": text(), " bob .ipynb": text(), "..cyd/x.ipynb": text()},
                              {"ada.": GOOD, "con": GOOD, " bob ": GOOD}, []),
    "capitals": ({"Ada.ipynb": text(), "ada.ipynb": WRONG}, {"Ada": GOOD, "ada": HALF}, []),
    "formulas for a spreadsheet": ({"=1+1.ipynb": text(), "@x.ipynb": text(), "+y.ipynb": text(), "-z.ipynb": text()},
                                   {"=1+1": GOOD, "@x": GOOD, "+y": GOOD, "-z": GOOD}, []),
    "a long name": ({"a" * 240 + ".ipynb": text()}, {"a" * 119 + "…": GOOD}, []),
    "accents in two ways": ({unicodedata.normalize("NFC", "Zoë.ipynb"): ("old", WRONG), unicodedata.normalize("NFD", "Zoë") + "/x.ipynb": text()},
                            {"Zoë": GOOD}, ["handed in 2 times"]),
    "a garbage timestamp": ({f"ada/{NAME}/{NAME}.ipynb": text(), f"ada/{NAME}/timestamp.txt": b"\xff\xfe garbage"}, {"ada": GOOD}, ["timestamp.txt"]),
    "other files": ({"ada.ipynb": text(), "notes.txt": "n", "grades.csv": "a"}, {"ada": GOOD}, ["notes.txt is no notebook", "grades.csv is no notebook"]),
    # all in a student's folder or zip is theirs
    "a neighbour's name in a zip": ({"bob.ipynb": WRONG, "ada.zip": {f"{BOBS}/x.ipynb": text()}}, {"ada": GOOD, "bob": HALF}, []),
    "a neighbour's name in a folder": ({"bob.ipynb": WRONG, f"ada/{BOBS}/x.ipynb": text()}, {"ada": GOOD, "bob": HALF}, []),
    "a neighbour's name below an export": ({"export/bob.ipynb": WRONG, f"export/ada/{BOBS}/x.ipynb": text()}, {"ada": GOOD, "bob": HALF}, []),
    "a neighbour's name among others": ({"bob.pdf": "%PDF", f"ada/bob/{NAME}/x.ipynb": text(), f"ada/cyd/{NAME}/x.ipynb": text()},
                                        {"ada": GOOD, "bob": "only bob.pdf"}, []),
    "an export beside a late hand-in, which counts": ({"bob.ipynb": WRONG, "ada.zip": TWO}, {"bob": HALF, "cyd": GOOD},
                                                      ["ada.zip is taken as the export of a class", "is left out: bob has handed in"]),
    "an export in a student's folder, attempts in another's": ({"ada/1.zip": TWO, "bob/one/x.ipynb": text(), "bob/two/x.ipynb": text()},
                                                               {"ada": GOOD, "bob": GOOD}, []),
    "an export beside a folder of attempts": ({"ada.zip": TWO, "bob/one/x.ipynb": text(), "bob/two/x.ipynb": text()},
                                              {"bob": GOOD, "cyd": GOOD}, ["ada.zip is taken as the export of a class"]),
    "groups, as a platform zips them": ({"A.zip": TWO, "B.zip": {f"{MOODLE.format('dee', 3)}/x.ipynb": WRONG, f"{MOODLE.format('bob', 4)}/x.ipynb": WRONG}},
                                        {"bob (1)": GOOD, "cyd": GOOD, "dee": HALF, "bob (4)": HALF}, []),
    "a screenshot in a folder": ({f"ada/{NAME}.ipynb": text(), "ada/Screenshot_20261201_101500_Chrome.jpg": "j"}, {"ada": GOOD}, []),
    "a screenshot in a zip": ({"ada.zip": {f"{NAME}.ipynb": text(), "Screenshot_20261201_101500_Chrome.jpg": "j"}}, {"ada": GOOD}, []),
    "a table of a run": ({f"ada/{NAME}.ipynb": text(), "ada/run_2026_12_01.csv": "1"}, {"ada": GOOD}, []),
    "folders of runs": ({f"ada/{NAME}.ipynb": text(), "ada/run_2026_12_01/log.txt": "1", "ada/run_2026_12_02/log.txt": "1"}, {"ada": GOOD}, []),
    # names
    "names of dots": ({"ada.ipynb": text(), "..ipynb": text(), "....ipynb": text(), ".bob.ipynb": text(), "~$x.ipynb": "lock"}, {"ada": GOOD},
                      ["....ipynb is hidden", "..ipynb is hidden", ".bob.ipynb is hidden", "~$x.ipynb is what Office leaves"]),
    "names of dots in a zip": ({"ada.zip": {"x.ipynb": text(), ".y.ipynb": text()}, "bob/.x.ipynb": text()}, {"ada": GOOD, "bob": ".x.ipynb is hidden"}, [".y.ipynb is hidden"]),
    "no width": ({"b\u200bo\ufeffb.ipynb": text(), "ada\u2060.ipynb": WRONG}, {"bob": GOOD, "ada": HALF}, []),
    # what is in the file
    "a mark before it": ({"ada.ipynb": text().encode("utf-8-sig")}, {"ada": GOOD}, []),
    "UTF-16": ({"ada.ipynb": text().encode("utf-16"), "bob.ipynb": text().encode("utf-16-le")}, {"ada": GOOD, "bob": GOOD}, []),
    "an old editor": ({"ada.ipynb": json.dumps(json.loads(text(answered(answer="Weil es kürzer ist."))), ensure_ascii=False).encode("cp1252", "replace")}, {"ada": GOOD}, []),
    "half a surrogate pair": ({"ada.ipynb": text().replace("Because.", "Because \\ud83d.")}, {"ada": GOOD}, []),
    "a list at its top": ({"ada.ipynb": "[1, 2]", "bob.ipynb": "null", "cyd.ipynb": '"x"', "dee.ipynb": text()},
                          {"ada": "cannot be read", "bob": "cannot be read", "cyd": "cannot be read", "dee": GOOD}, []),
    "cells of the wrong shape": ({"ada.ipynb": changed(cells={"a": 1}), "bob.ipynb": changed(cells=[1, None, "x", {"cell_type": 5}, {"cell_type": "code", "source": {"a": 1}}]),
                                  "cyd.ipynb": text()}, {"ada": "cannot be read", "bob": "no cell of this exercise", "cyd": GOOD}, []),
    "nested without end": ({"ada.ipynb": "[" * 200_000, "bob.ipynb": '{"cells": ' + "[" * 100_000 + "]" * 100_000 + "}", "cyd.ipynb": text()},
                           {"ada": "cannot be read", "bob": "nested too deep", "cyd": GOOD}, []),
    "a number without end": ({"ada.ipynb": '{"cells": [' + "9" * 100_000 + "]}", "bob.ipynb": text()}, {"ada": "cannot be read", "bob": GOOD}, []),
    "millions of entries": ({"ada.ipynb": '{"cells": [' + "[]," * 3_000_000 + "[]]}", "bob.ipynb": text()}, {"ada": "million entries", "bob": GOOD}, []),
    "NaN in it": ({"ada.ipynb": changed(nbformat_minor=float("nan"), metadata={"x": float("inf")})}, {"ada": GOOD}, []),
    "metadata of the wrong shape": ({"ada.ipynb": changed(metadata=None), "bob.ipynb": changed(metadata=[1]), "cyd.ipynb": changed(nbformat="four")},
                                    {"ada": GOOD, "bob": GOOD, "cyd": GOOD}, []),
    "too many cells": ({"ada.ipynb": changed(cells=[{"cell_type": "code", "source": "1"}] * 3_000), "bob.ipynb": text()}, {"ada": "3,000 cells", "bob": GOOD}, []),
    "a cell without end": ({"ada.ipynb": text(answered(kl="x" * 300_000)), "bob.ipynb": text()}, {"ada": "characters", "bob": GOOD}, []),
    "format 3": ({"ada.ipynb": json.dumps({"nbformat": 3, "metadata": {}, "worksheets": [{"cells": [
        {"cell_type": c.cell_type, "metadata": c.metadata, ("input" if c.cell_type == "code" else "source"): c.source.splitlines(True)} for c in answered().cells]}]})},
        {"ada": GOOD}, []),
    # what ends a run
    "a torn file among whole ones": ({"ada.ipynb": text()[:300], "bob.ipynb": text()}, {"ada": "cannot be read", "bob": GOOD}, []),
    "the engine falls over": ({"ada.ipynb": text(answered(kl="def kl(mean):\n    raise BaseException")), "bob.ipynb": text()},
                              {"ada": "the grader failed on it (SystemExit", "bob": GOOD}, []),
    "the engine gives up": ({"ada.ipynb": text(answered(kl="def kl(mean): cannot be run")), "bob.ipynb": text()}, {"ada": "did not end within", "bob": GOOD}, []),
}  # fmt: skip


@pytest.mark.parametrize("name", INBOXES)
def test_every_entry_of_an_inbox_has_a_row_or_a_line(tmp_path, name):
    files, expected, said = INBOXES[name]
    report = graded(tmp_path, files)
    rows = {each.student: each for each in report.submissions}
    assert rows.keys() == expected.keys()
    for student, wanted in expected.items():
        if isinstance(wanted, float):
            assert rows[student].graded and rows[student].total == wanted, rows[student]
        else:
            assert not rows[student].graded and wanted in rows[student].remarks[-1], rows[student].remarks
    text_of = [remark for each in report.submissions if each.graded for remark in each.remarks] + report.lines
    for part in said:
        assert any(part in each for each in text_of), text_of
    if not said:
        assert text_of == []
    assert all("\n" not in each and "\x1b" not in each for each in text_of)
    outside = [path for path in tmp_path.iterdir() if path.name not in ("in", "grading")]
    assert not outside and not list(tmp_path.parent.glob("evil*"))


META = {
    "null": None,
    "a string": "kl",
    "a list": [1],
    "a list as its id": {"grade_id": [1]},
    "a number as its id": {"grade_id": 7},
    "no id": {},
}


@pytest.mark.parametrize("meta", META.values(), ids=META)
def test_metadata_of_any_shape_costs_nothing(tmp_path, meta):
    notebook = json.loads(text())
    for each in notebook["cells"]:
        each["metadata"] = {"nbgrader": meta}
    report = graded(
        tmp_path,
        {
            "ada.ipynb": json.dumps(notebook),
            "bob.ipynb": json.dumps(notebook | {"cells": [c | {"metadata": meta} for c in notebook["cells"]]}),
        },
    )
    assert [each.total for each in report.submissions] == [GOOD, GOOD]
    assert [each.remarks for each in report.submissions] == [[], []]


def test_a_zip_is_an_inbox_too(tmp_path):
    (tmp_path / "class.zip").write_bytes(zipped({"ada/x.ipynb": text(), "bob/x.ipynb": WRONG}))
    report = pipeline.grade(NAME, tmp_path / "class.zip", grading=tmp_path / "grading", engine=classes.Engine)
    assert {each.student: each.total for each in report.submissions} == {"ada": GOOD, "bob": HALF}


def test_a_bomb_whose_sizes_lie_is_refused(tmp_path):
    data = bytearray(zipped({"x.ipynb": b"0" * (80 << 20)}))
    for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", data, data.find(signature) + offset, 1000)  # it would be 80 MB
    report = graded(tmp_path, {"ada.zip": bytes(data), "bob.ipynb": text()})
    ada, bob = report.submissions
    assert not ada.graded and "cannot be unpacked" in ada.remarks[-1] and bob.total == GOOD


def test_a_file_that_is_too_large_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(inbox, "LARGEST", 10_000)
    report = graded(tmp_path, {"ada.ipynb": text() + " " * 20_000, "bob.ipynb": text()})
    assert "larger than" in report.submissions[0].remarks[-1] and report.submissions[1].total == GOOD


def test_files_beside_a_notebook_come_along_and_neighbours_do_not(tmp_path):
    seen = {}

    class Engine(classes.Engine):
        def run(self, notebook, files=()):
            seen[len(seen)] = dict(files)
            return super().run(notebook, files)

    build(
        tmp_path / "in", {"ada/x.ipynb": text(), "ada/data/numbers.csv": "1,2", "ada/.secret": "s", "bob.ipynb": text(), "notes.txt": "n"}
    )
    pipeline.grade(NAME, tmp_path / "in", grading=tmp_path / "g", engine=Engine, jobs=1)
    assert seen == {0: {"data/numbers.csv": b"1,2"}, 1: {}}


@pytest.mark.parametrize(("files", "said"), [(None, "There is no "), ({}, "No hand-ins in "), ({"notes.txt": "x"}, "notes.txt is no notebook"), ({".ada.ipynb": text()}, "No hand-ins")])  # fmt: skip
def test_an_inbox_that_is_missing_or_holds_nothing_is_an_error(tmp_path, files, said):
    if files is not None:
        build(tmp_path / "in", files)
    with pytest.raises(ValueError) as caught:
        pipeline.grade(NAME, tmp_path / "in", grading=tmp_path / "g", engine=classes.Engine)
    assert said in str(caught.value) and "\n" not in str(caught.value)


ROSTERS = {
    "names": "name\nAda Lovelace\nBob Ross\nCyd Doe\n",
    "with a mark and semicolons": "\ufeffFirst name;Surname;ID number\nAda;Lovelace;1\nBob;Ross;2\nCyd;Doe;3\n",
    "Canvas": 'Student,ID,SIS Login ID,Section\n    Points Possible,,,\n"Lovelace, Ada",101,ada,1\n"Ross, Bob",102,bob,1\n"Doe, Cyd",103,cyd,1\n',
    "no heading": "Ada Lovelace\nBob Ross\nCyd Doe\n",
    "mail": "full name,email\nAda Lovelace,ada@x.org\nBob Ross,bob@x.org\nCyd Doe,cyd@x.org\n",
}


@pytest.mark.parametrize("roster", ROSTERS.values(), ids=ROSTERS)
def test_a_roster_says_who_is_missing(tmp_path, roster):
    (tmp_path / "roster.csv").write_text(roster, encoding="utf-8")
    files = {f"{MOODLE.format('Ada Lovelace', 5)}/x.ipynb": text(), "rossbob_102_678_x.ipynb": text(), "stranger.ipynb": text()}
    report = graded(tmp_path, files, roster=tmp_path / "roster.csv")
    assert len(report.missing) == 1 and "Cyd" in report.missing[0] and "Doe" in report.missing[0]
    assert report.strangers == ["stranger"] and report.lines == []
    rows = list(csv.reader((tmp_path / "grading" / f"report_{NAME}.csv").open(encoding="utf-8-sig")))
    assert rows[-1][0] == report.missing[0] and "not handed in" in rows[-1]


# name of the case: (roster, who handed in as Moodle names them, who is missing, who is not on it)
ROWS = {
    "two of one name": ("name,id\nKim,1\nKim,2\n", [("Kim", 1), ("Kim", 2)], [], []),
    "two of one name, one id": ("name,id\nKim,1\nKim,2\n", [("Kim", 9), ("Kim", 1)], [], []),
    "one of two of one name": ("name,id\nKim,1\nKim Doe,2\nKim,3\n", [("Kim", 3)], ["Kim", "Kim Doe"], []),
    "more of one name than there are": ("name\nKim\n", [("Kim", 1), ("Kim", 2)], [], ["Kim (2)"]),
    "a group is no id": ("name,id,group\nAda,5,7\nBob,7,7\n", [("Bob", 7)], ["Ada"], []),
    "a group of a stranger's number": ("name,id,group\nAda,5,7\nBob,6,8\n", [("Cyd", 7)], ["Ada", "Bob"], ["Cyd"]),
    "the name before the id": ("name,id\nAda,7\nBob,8\n", [("Bob", 7)], ["Ada"], []),
    "ids under any heading": ("name,code\nAda,5\nBob,7\n", [("B. R.", 7)], ["Ada"], []),
    "ids without a heading": ("Ada,5,1\nBob,7,1\n", [("B. R.", 7), ("Cyd", 1)], ["Ada"], ["Cyd"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_the_roster_is_one_students(tmp_path, name):
    roster, students, missing, strangers = ROWS[name]
    (tmp_path / "roster.csv").write_text(roster, encoding="utf-8")
    report = graded(tmp_path, {f"{MOODLE.format(*each)}/x.ipynb": text() for each in students}, roster=tmp_path / "roster.csv")
    assert (report.missing, report.strangers) == (missing, strangers)


MANY = {f"{i}.txt": "" for i in range(60)}
CROWDS = {
    "a zip": ({"aaa.zip": MANY, "bob.ipynb": text(), "cyd/x.ipynb": text()}, "aaa"),
    "a folder": ({**{f"aaa/{name}": "" for name in MANY}, "bob.ipynb": text(), "cyd/x.ipynb": text()}, "aaa"),
    "a zip of a class": ({"class.zip": {**{f"aaa_1_assignsubmission_file_/{name}": "" for name in MANY}, **TWO}}, "aaa"),
    "a zip in a zip of a class": ({"class.zip": {"class/aaa.zip": MANY, "class/bob.ipynb": text(), "class/cyd/x.ipynb": text()}}, "aaa"),
    "a folder of a class": ({**{f"class/aaa/deep/{name}": "" for name in MANY}, "class/bob.ipynb": text(), "class/cyd/x.ipynb": text()}, "aaa"),
}  # fmt: skip


@pytest.mark.parametrize("name", CROWDS)
def test_a_student_with_too_many_files_costs_nobody_else_theirs(tmp_path, monkeypatch, name):
    monkeypatch.setattr(inbox, "MOST", 20)
    files, student = CROWDS[name]
    rows = {each.student: each for each in graded(tmp_path, files).submissions}
    assert rows.keys() == {student, "bob", "cyd"} and rows["bob"].total == rows["cyd"].total == GOOD
    assert "more than 20 entries" in rows[student].remarks[-1] and len(rows[student].remarks) == 1


def test_every_entry_beyond_what_can_be_looked_at_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(inbox, "MOST", 1)
    build(tmp_path / "in", {f"s{i:03}.ipynb": text() for i in range(53)})
    found = inbox.collect(tmp_path / "in", NAME)
    assert len(found.handins) == 53 and [each.student for each in found.handins if each.problem] == ["s050", "s051", "s052"]


@pytest.mark.parametrize("content", ["", "name\n", None])
def test_a_roster_of_nobody_is_an_error(tmp_path, content):
    if content is not None:
        (tmp_path / "roster.csv").write_text(content)
    with pytest.raises(ValueError, match="[Tt]he roster"):
        graded(tmp_path, {"ada.ipynb": text()}, roster=tmp_path / "roster.csv")


def test_keys_are_safe_for_every_system():
    names = [
        "ada",
        "x[12]",
        "<b>",
        "a/b",
        "a\\b",
        "..",
        ".",
        "",
        "con",
        "COM1",
        "a.",
        " a",
        "a\nb",
        "a:b",
        "a" * 300,
        "Zoë",
        "李",
        "a*",
        "aux.txt",
        "\ud800",
    ]
    keys = [key(name) for name in names]
    assert len(set(keys)) == len(names)
    for made in keys:
        assert made and len(made.encode()) < 250 and not set(made) & set('<>:"/\\|?*[]\n\0') and made == made.strip(" .")
        assert made.split(".")[0].casefold() not in ("con", "com1", "aux")
    assert key("bob\u200b").startswith("bob-") and key("bob\u200b").isascii()
    assert key("ada") == "ada" and key("Zoë") == "Zoë" and key("李") == "李"


def test_text_of_strangers_is_one_harmless_line():
    assert plain("a\x1b[2J\x1b]0;title\x07b\nc\rd\te\u202ef\ud800g") == "ab⏎cd e\ufffdf?g"
    assert len(plain("x" * 10_000)) == 300


@pytest.mark.skipif(sys.platform == "win32", reason="no permissions of this kind there")
@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_said(tmp_path):
    build(tmp_path / "in", {"ada.ipynb": text(), "bob.ipynb": text()})
    (tmp_path / "in" / "ada.ipynb").chmod(0)
    report = pipeline.grade(NAME, tmp_path / "in", grading=tmp_path / "g", engine=classes.Engine)
    assert "cannot be opened" in report.submissions[0].remarks[-1] and report.submissions[1].graded


def test_a_dry_run_says_what_would_be_graded_and_writes_nothing(tmp_path, capsys):
    build(tmp_path / "in", {"ada.ipynb": text(), "bob.pdf": "x"})
    classes.Engine.ran.clear()
    report = pipeline.grade(NAME, tmp_path / "in", grading=tmp_path / "g", engine=classes.Engine, dry_run=True)
    said = capsys.readouterr().out
    assert "ada, from ada.ipynb" in said and "bob, from bob.pdf" in said and not classes.Engine.ran
    assert not (tmp_path / "g").exists() and len(report.submissions) == 2


def test_the_answer_of_the_right_notebook_is_what_is_run(tmp_path):
    classes.Engine.ran.clear()
    graded(tmp_path, {"ada.ipynb": text(answered(kl="def kl(mean):\n    return 7"))})
    assert at(classes.Engine.ran[-1], "kl").source.endswith("return 7")
