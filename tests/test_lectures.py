"""The form of every lecture, and a run from top to bottom in a fresh kernel, on what ships with the course."""

import ast
import re
import shutil

import nbformat
import pytest

from course_lib import authoring

NOTEBOOKS = sorted((authoring.ROOT / "notebooks").glob("*.ipynb"))
DOOR = authoring.ROOT / "notebooks/00_start_here.ipynb"  # the front door: no lecture of the usual form
LECTURES = [path for path in NOTEBOOKS if path != DOOR]


def cells_of(path) -> list:
    return nbformat.read(path, as_version=4).cells


def is_claim(cell) -> bool:
    """Whether a cell holds the assertions behind the sentences above it."""
    return "claim" in cell.metadata.get("tags", [])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_lecture_runs(path, request, monkeypatch, capsys):
    browser = any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    if browser and not request.config.option.markexpr:
        pytest.skip("test_browser.py runs it in JupyterLab")
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    nb = nbformat.read(path, as_version=4)
    seconds = authoring.execute(nb, path.parent)
    with capsys.disabled():
        print(f"\n{path.stem}: {sum(seconds.values()):.0f} s")


@pytest.mark.parametrize("path", LECTURES, ids=lambda path: path.stem)
def test_the_lecture_keeps_to_its_form(path):
    cells = cells_of(path)
    text = "\n".join(cell.source for cell in cells)
    assert sum(not is_claim(cell) for cell in cells) <= 90
    assert any("widgets." in cell.source for cell in cells[:10] if cell.cell_type == "code"), "something to move within the first ten cells"
    for part in ("What to notice", "Predict first", "Break it", "Check yourself", "Summary", "exercises/", "arXiv:", "Care."):
        assert part in text, f"{part!r} is missing"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_warning_stands_in_a_lecture(path):
    shown = [output for cell in cells_of(path) for output in cell.get("outputs", [])]
    assert [output.text[:200] for output in shown if output.output_type == "stream" and output.name == "stderr"] == []


def test_the_front_door_keeps_to_its_form():
    cells = cells_of(DOOR)
    text = "\n".join(cell.source for cell in cells)
    assert sum(not is_claim(cell) for cell in cells) <= 60
    assert any("autoencoders.Latent" in cell.source for cell in cells[:10]), "something to move within the first ten cells"
    for part in ("family tree", "notation", "data sets", "Check yourself", "Summary", "exercises/00_start_here", "arXiv:", "Care."):
        assert part in text, f"{part!r} is missing"
    for explorer in ("KL", "Table", "Jensen", "Likelihood"):
        (place,) = (i for i, cell in enumerate(cells) if f"start_here.{explorer}Explorer(" in cell.source)
        before, after = cells[place - 1].source, cells[place + 1]
        assert "Predict first" in before, f"nothing to predict before {explorer}Explorer"
        assert "# test it" in after.source and after.cell_type == "code", f"no test after {explorer}Explorer"
        assert "What to notice" in cells[place + 2].source


def test_the_map_leads_to_every_lecture_and_tells_its_minutes():
    (card_cell,) = (cell for cell in cells_of(DOOR) if "start_here.lecture_map(" in cell.source)
    cards = {slug: minutes for slug, minutes in re.findall(r'^ +"(\d\d_\w+)": \("[^"]+", (\d+|None),', card_cell.source, re.MULTILINE)}
    assert list(cards) == sorted(cards) and {slug[:2] for slug in cards} == {f"{i:02}" for i in range(1, 11)}
    for path in LECTURES:
        told = re.search(r"\*\*Time\*\* about (\d+) minutes", cells_of(path)[0].source)[1]
        assert cards[path.stem] == told, f"the map says {cards[path.stem]} minutes for {path.stem}, the lecture {told}"
    links = next(output.data["text/markdown"] for output in card_cell.outputs if "text/markdown" in output.get("data", {}))
    assert re.findall(r"\((\d\d_\w+)\.ipynb\)", links) == [slug for slug, minutes in cards.items() if minutes != "None"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_table_is_seen(path):
    """A table that is made before the last line of its cell, and not displayed, is shown to nobody."""
    for cell in cells_of(path):
        lines = ast.parse(cell.source).body if cell.cell_type == "code" else []
        lost = [ast.unparse(line)[:80] for line in lines[:-1] if isinstance(line, ast.Expr) and ast.unparse(line).startswith("table(")]
        assert not lost, lost
