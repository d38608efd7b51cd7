"""Every lecture runs from top to bottom in a fresh kernel, offline, on what ships with the course."""

import nbformat
import pytest

from course_lib import authoring

LECTURES = sorted((authoring.ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", LECTURES, ids=lambda path: path.stem)
def test_the_lecture_runs(path, monkeypatch, capsys):
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    nb = nbformat.read(path, as_version=4)
    seconds = authoring.execute(nb, path.parent)
    with capsys.disabled():
        print(f"\n{path.stem}: {sum(seconds.values()):.0f} s")


@pytest.mark.parametrize("path", LECTURES, ids=lambda path: path.stem)
def test_the_lecture_keeps_to_its_form(path):
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells)
    assert len(cells) <= 90
    assert any("widgets." in cell.source for cell in cells[:10] if cell.cell_type == "code"), "something to move within the first ten cells"
    for part in ("What to notice", "Predict first", "Break it", "Check yourself", "Summary", "exercises/", "arXiv:", "Care."):
        assert part in text, f"{part!r} is missing"
