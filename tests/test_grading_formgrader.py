"""Written answers are graded by a human, in nbgrader's form grader. It is opened here as the guide for instructors says."""

import csv

import classes
import pytest
from classes import NAME, release, text
from test_browser import CHROMIUM, SWITCHES, make_lab
from test_project import ROOT

from course_lib.grading import pipeline

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


@pytest.fixture
def course(tmp_path):
    """A course with a class that was graded but for its written answers."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "nbgrader_config.py").write_bytes((ROOT / "nbgrader_config.py").read_bytes())
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "solutions" / NAME).mkdir(parents=True)  # the form grader lists what has a master copy
    (tmp_path / "solutions" / NAME / f"{NAME}.ipynb").write_text(text(release()), encoding="utf-8")
    (tmp_path / "in").mkdir()
    for student in ("ada", "bob"):
        (tmp_path / "in" / f"{student}.ipynb").write_text(text(), encoding="utf-8")
    grade(tmp_path)
    return tmp_path


def grade(course):
    report = pipeline.grade(NAME, course / "in", grading=course / "grading", engine=classes.Engine)
    return {each.student: each.points["answer"] for each in report.submissions}


def test_a_written_answer_is_graded_in_the_form_grader_and_the_table_has_it(course):
    from playwright.sync_api import sync_playwright

    with make_lab(course) as (address, token), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES.split())
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(f"{address}/lab?token={token}", wait_until="domcontentloaded")
        page.get_by_role("menuitem", name="Nbgrader", exact=True).click(timeout=90_000)
        page.get_by_role("menuitem", name="Formgrader", exact=True).click()
        form = page.frame_locator("iframe")
        form.get_by_role("link", name="Manual Grading").click(timeout=60_000)
        for place in ("assignments", "notebooks"):  # a row for the exercise, then one for its notebook
            form.locator(f"script[src*=gradebook_{place}]").wait_for(state="attached")
            form.locator("tbody a", has_text=NAME).click()
        form.get_by_role("link", name="Submission #1").click()
        score = form.locator(".score.needs_manual_grade")
        score.fill("0.5")
        with page.expect_response(lambda answer: "/api/grade/" in answer.url and answer.request.method == "PUT") as saved:
            score.press("Tab")
        assert saved.value.ok
        browser.close()
    marks = grade(course)
    assert sorted(marks.values(), key=str) == [0.5, None]
    rows = list(csv.reader((course / "grading" / f"report_{NAME}.csv").open(encoding="utf-8-sig")))
    assert {row[0]: row[3] for row in rows[2:]} == {student: "?" if points is None else "0.5" for student, points in marks.items()}
