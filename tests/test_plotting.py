"""Pictures, charts and shown source: right pixels, nothing cut off, nothing lost on the way to HTML."""

import base64
import html
import inspect
import io
import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from course_lib import distributions, plotting
from course_lib.plotting import LossPlot, curves, picture, show_images, source_html, tile, use_style
from course_lib.plotting.panels import (
    CYCLE,
    Bars,
    Cells,
    Chart,
    Label,
    Line,
    Mark,
    Note,
    Strips,
    Strokes,
    Table,
    fewer_colors,
    figure_png,
    png,
    ticks,
)


def pixels(img: str) -> np.ndarray:
    """The picture inside an `<img>`."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", img)[1]))))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


# --- pictures


@pytest.mark.parametrize(
    "image, expected",
    [
        (np.array([[0.0, 1.0], [0.5, 0.25]]), [[0, 255], [128, 64]]),
        (torch.tensor([[[0.0, 1.0], [0.5, 0.25]]]), [[0, 255], [128, 64]]),
        (np.array([[0, 255], [3, 4]], dtype=np.uint8), [[0, 255], [3, 4]]),
        (np.array([[True, False]]), [[255, 0]]),
        (torch.tensor([255, 7, 0], dtype=torch.uint8)[:, None, None].expand(3, 2, 2), [[[255, 7, 0]] * 2] * 2),
        (np.zeros((2, 5, 3), np.uint8), np.zeros((2, 5, 3))),
    ],
)
def test_picture_holds_exactly_the_pixels(image, expected):
    assert np.array_equal(pixels(picture(image, "x")), expected)


def test_picture_escapes_its_alt_and_keeps_its_proportions():
    img = picture(np.zeros((10, 20)), 'a "digit" <b>', width=100)
    assert html.unescape(re.search(r'alt="([^"]*)"', img)[1]) == 'a "digit" <b>'
    assert "<b>" not in img
    assert 'width="100" height="50"' in img
    assert "pixelated" in img
    assert "pixelated" not in picture(np.zeros((10, 20)), "shrunk", width=10)


@pytest.mark.parametrize("image", [np.full((2, 2), 255.0), np.full((2, 2), -1.0), np.array([[0.0, np.nan]])])
def test_picture_refuses_values_outside_0_to_1(image):
    with pytest.raises(ValueError, match=r"floats in \[0, 1\] or uint8"):
        picture(image, "x")


def test_picture_refuses_a_batch():
    with pytest.raises(ValueError, match=r"one picture must be .* got shape \(2, 1, 4, 4\)"):
        picture(np.zeros((2, 1, 4, 4)), "x")


def test_fewer_colours_change_little_and_take_less():
    soft = np.linspace(0, 255, 90 * 90 * 3).reshape(90, 90, 3).round().astype(np.uint8)
    content = png(soft)
    few = fewer_colors(content, 64)
    image = Image.open(io.BytesIO(few)).convert("RGB")
    assert len(image.getcolors()) <= 64 and len(few) < len(content)
    assert np.abs(np.asarray(image).astype(int) - soft).max() <= 6


def test_tile_places_each_image_and_leaves_white_between():
    images = torch.arange(3, dtype=torch.uint8)[:, None, None, None].expand(3, 1, 2, 3)
    expected = np.full((5, 7), 255)
    expected[:2, :3], expected[:2, 4:], expected[3:, :3] = 0, 1, 2
    assert np.array_equal(tile(images, columns=2), expected)
    assert tile(torch.rand(5, 3, 4, 4), columns=5, pad=0).shape == (4, 20, 3)
    assert np.array_equal(tile(images[:, 0], columns=2), expected), "(n, h, w) is the same"


def test_tile_refuses_what_is_not_a_batch():
    with pytest.raises(ValueError, match="n above 0, got shape"):
        tile(torch.zeros(0, 1, 4, 4))


# --- figures


def text_boxes():
    figure = plt.gcf()
    renderer = figure.canvas.get_renderer()
    return figure.bbox, [t.get_window_extent(renderer) for axes in figure.axes for t in axes.texts]


def test_titles_and_row_labels_never_overlap_or_leave_the_figure():
    titles = ["reconstruction at β = 16", "1", "a rather long title that needs lines", "", "two words", "x"]
    show_images(
        torch.rand(6, 1, 28, 28), columns=3, titles=titles, row_labels=["noisy, σ = 0.4", "denoised by the model"], heading="heading"
    )
    page, boxes = text_boxes()
    boxes = [b for b in boxes if b.width > 0]
    assert len(boxes) == 5 + 2 + 1
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    assert all(page.x0 <= b.x0 and b.x1 <= page.x1 and page.y0 <= b.y0 and b.y1 <= page.y1 for b in boxes)
    pictures = [image.get_window_extent() for image in plt.gca().images]
    assert len(pictures) == 6
    assert not [1 for b in boxes for p in pictures if b.overlaps(p.padded(-2))]


@pytest.mark.parametrize("name", ["titles", "row_labels"])
def test_show_images_counts_its_labels(name):
    with pytest.raises(ValueError, match=f"{name} has 1 entries"):
        show_images(torch.rand(4, 1, 4, 4), columns=2, **{name: ["one"]})


def test_curves_draws_labelled_lines_with_the_legend_beside_them():
    curves({"train": ([1, 10, 100], [3, 2, 1]), "test": ([1, 10, 100], [3.0, 2.5, 2.0])}, "steps", "nats", log_x=True)
    figure, axes = plt.gcf(), plt.gca()
    figure.canvas.draw()
    assert [line.get_label() for line in axes.lines] == ["train", "test"]
    assert list(axes.lines[1].get_ydata()) == [3.0, 2.5, 2.0]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == ("steps", "nats", "log")
    assert not figure.legends[0].get_window_extent().overlaps(axes.get_window_extent())


def test_the_style_gives_ten_different_colours_and_an_opaque_page():
    with plt.rc_context():
        use_style()
        assert len(set(plt.rcParams["axes.prop_cycle"].by_key()["color"])) == 10
        assert plt.rcParams["figure.facecolor"] == "white"


# --- charts


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4))
def test_ticks_are_few_round_and_inside(low, width):
    found = ticks(low, low + width)
    slack = 1e-5 * (abs(low) + width)
    assert 2 <= len(found) <= 8
    assert all(low - slack <= v <= low + width + slack for v in found)
    steps = [b - a for a, b in pairwise(found)]
    assert max(steps) - min(steps) <= slack


@given(st.floats(-6, 3), st.floats(0.01, 8))  # from 246 to 252 there is no round number of a decade
def test_logarithmic_ticks_are_inside(low, decades):
    found = ticks(10**low, 10 ** (low + decades), log=True)
    assert found
    assert all(0.999 * 10**low <= v <= 1.001 * 10 ** (low + decades) for v in found)


def chart(**changes) -> Chart:
    return Chart(**{"title": "t", "x_label": "rate (nats)", "y_label": "distortion (nats)", "alt": "alt & more", **changes})


def svg(c: Chart) -> ET.Element:
    return ET.fromstring(c.html())


def test_a_chart_says_its_alt_and_its_labels():
    root = svg(chart(lines=[Line([0, 1], [2, 3], "a < b")]))
    assert root.get("aria-label") == "alt & more"
    assert root.get("role") == "img"
    assert {"t", "rate (nats)", "distortion (nats)", "a < b"} <= {t.text for t in root.iter("text")}


@pytest.mark.parametrize("x, y", [(0, 0), (5, 25), (10, 100)])
def test_the_mark_lies_where_the_axes_say(x, y):
    root = svg(chart(marks=[Mark(x, y)], x_range=(0, 10), y_range=(0, 100)))
    ends = [[tuple(map(float, p.split(","))) for p in line.get("points").split()] for line in root.iter("polyline")]
    across = [a[1] for a, b in ends if a[1] == b[1]]  # grid lines at y = 0 … 100
    ticked = [a[0] for a, b in ends if a[0] == b[0]]  # ticks at x = 0 … 10
    circle = root.find("circle")
    assert float(circle.get("cx")) == pytest.approx(min(ticked) + (max(ticked) - min(ticked)) * x / 10, abs=0.2)
    assert float(circle.get("cy")) == pytest.approx(max(across) + (min(across) - max(across)) * y / 100, abs=0.2)


def test_bars_are_as_high_as_their_numbers():
    root = svg(chart(bars=[Bars([0, 1, 2], [1, 2, 3], [1.0, 0.5, 0.0])]))
    heights = [float(r.get("height")) for r in root.iter("rect")]
    assert heights[1] / heights[0] == pytest.approx(0.5, abs=0.01)
    assert heights[2] == 0


def test_logarithmic_bars_stand_on_the_floor():
    root = svg(chart(bars=[Bars([0, 1, 2], [1, 2, 3], [1.0, 0.1, 0.001])], log_y=True, y_range=(0.01, 1)))
    heights = [float(r.get("height")) for r in root.iter("rect")]
    assert heights[1] / heights[0] == pytest.approx(0.5, abs=0.01)
    assert heights[2] == 0


SQUARE = {"x_range": (0, 10), "y_range": (0, 10), "width": 410, "height": 410}


def places(root: ET.Element) -> tuple:
    """Functions that turn numbers on the axes of SQUARE into pixels, read off its ticks and its grid."""
    ends = [[tuple(map(float, p.split(","))) for p in line.get("points").split()] for line in root.iter("polyline")]
    x = [a[0] for a, b in ends if a[0] == b[0]]
    y = [a[1] for a, b in ends if a[1] == b[1]]
    return lambda v: min(x) + (max(x) - min(x)) * v / 10, lambda v: max(y) + (min(y) - max(y)) * v / 10


@pytest.mark.parametrize(
    "many", [Strokes([1, 9, 5], [2, 8, 5], "dots", CYCLE[3], 4), Strokes([[1, 2, 9], [3, 3, 4]], [[1, 5, 9], [0, 10, 4]], "bends")]
)
def test_strokes_are_one_shape_and_lie_where_the_axes_say(many):
    root = svg(chart(strokes=[many], **SQUARE))
    legend, shape = root.iter("path")
    assert shape.get("stroke") == legend.get("stroke") == many.color
    assert many.label in {t.text for t in root.iter("text")}
    px, py = places(root)
    drawn = [part.removesuffix("h0").split("L") for part in shape.get("d").split("M")[1:]]
    assert [len(line) for line in drawn] == [many.x.shape[1]] * len(many.x)
    found = np.array([[tuple(map(float, pair.split())) for pair in line] for line in drawn])
    assert found[..., 0] == pytest.approx(px(many.x), abs=0.2)
    assert found[..., 1] == pytest.approx(py(many.y), abs=0.2)
    assert ("h0" in shape.get("d")) == (many.x.shape[1] == 1) and shape.get("stroke-linecap") == "round", "a dot is a line of no length"


def test_strokes_look_the_same_in_the_static_figure():
    ring = np.linspace(0, 2 * np.pi, 60)
    many = [Strokes([2.0], [8.0], color="#000000", width=12), Strokes([7 + np.cos(ring)], [3 + np.sin(ring)], color="#ff0000", width=3)]
    c = chart(strokes=many, **SQUARE)
    px, py = places(svg(c))
    page = np.asarray(Image.open(io.BytesIO(figure_png(c.size, c.draw, scale=1))).convert("RGB")).astype(int)
    assert page[round(py(8)), round(px(2))].max() < 40
    reds = np.argwhere((page[..., 0] > 200) & (page[..., 1:].max(2) < 100))
    assert reds.mean(0) == pytest.approx([py(3), px(7)], abs=1.5)
    assert np.ptp(reds, axis=0) == pytest.approx([2 * abs(py(1) - py(0)) + 2, 2 * (px(1) - px(0)) + 2], abs=2.5)


def test_a_chart_makes_room_for_its_strokes_and_may_have_none():
    root = svg(chart(strokes=[Strokes([-40, 40], [1, 900]), Strokes([], [], "nothing")]))
    words = {t.text for t in root.iter("text")}
    assert {"-40", "0", "40", "nothing"} <= words
    with pytest.raises(ValueError, match=r"x and y of one shape, \(n, k\) or \(n,\), got \(2, 3\) and \(2, 2\)"):
        Strokes(np.zeros((2, 3)), np.zeros((2, 2)))


def test_a_label_is_centred_on_its_place():
    root = svg(chart(labels=[Label(2.5, 7.5, "103", CYCLE[1])], **SQUARE))
    px, py = places(root)
    (word,) = [t for t in root.iter("text") if t.text == "103"]
    assert word.get("text-anchor") == "middle" and word.get("fill") == CYCLE[1]
    assert float(word.get("x")) == pytest.approx(px(2.5), abs=0.2)
    assert float(word.get("y")) == pytest.approx(py(7.5) + 4, abs=0.3), "the middle of the letters, not their foot"


def test_pictures_stand_under_their_bars_instead_of_labels():
    images = {i: np.full((4, 2), 80 * i, np.uint8) for i in range(3)}
    root = svg(chart(bars=[Bars([-0.4, 0.6, 1.6], [0.4, 1.4, 2.4], [1.0, 2.0, 3.0])], x_pictures=images, width=200))
    below = list(root.iter("image"))
    bars = [r for r in root.iter("rect") if r.get("fill") == CYCLE[0]]
    for i, (image, bar) in enumerate(zip(below, bars, strict=True)):
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(image.get("href").split(",")[1]))))
        assert np.array_equal(shown, images[i])
        x, y, w, h = (float(image.get(name)) for name in ("x", "y", "width", "height"))
        assert x + w / 2 == pytest.approx(float(bar.get("x")) + float(bar.get("width")) / 2, abs=0.2)
        assert h == pytest.approx(2 * w, abs=0.2)
        assert float(bar.get("y")) + float(bar.get("height")) < y < y + h < 260 - 18, "between the axis and its name"
    assert float(below[1].get("x")) > float(below[0].get("x")) + float(below[0].get("width"))
    words = {t.text for t in root.iter("text")}
    assert "1" in words and "2.5" not in words, "the y axis keeps its numbers"


def test_cells_are_as_bright_as_their_numbers():
    root = ET.fromstring(Cells("p(x, y)", torch.tensor([[0.0, 0.25], [1.0, 0.5]]), "alt & more", ["a", "b"], ["c", "d"], each=50).html())
    assert root.get("aria-label") == "alt & more"
    cells = {(float(r.get("x")), float(r.get("y"))): r.get("fill") for r in root.iter("rect")}
    assert [cells[k] for k in sorted(cells, key=lambda k: (k[1], k[0]))] == ["#000000", "#404040", "#ffffff", "#808080"]
    numbers = {t.text: t for t in root.iter("text")}
    assert {"p(x, y)", "a", "b", "c", "d", "0.00", "0.25", "1.00", "0.50"} == set(numbers)
    assert numbers["0.00"].get("fill") == "#ffffff"
    assert numbers["1.00"].get("fill") != "#ffffff"
    x, y = (float(numbers["1.00"].get(name)) for name in ("x", "y"))
    left, top = next(k for k, color in cells.items() if color == "#ffffff")
    assert left < x < left + 50 and top < y < top + 50


@pytest.mark.parametrize("values", [[[0.5, float("nan")]], [[1.5]], [[-0.1]], [0.5, 0.5]])
def test_cells_refuse_what_is_no_share(values):
    with pytest.raises(ValueError, match=r"the cells “t” need \(rows, columns\) of numbers in \[0, 1\]"):
        Cells("t", values, "alt")


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"lines": [Line([0, 1], [1, float("nan")])]}, "NaN or infinity on its y axis"),
        ({"lines": [Line([0, 1], [1, 2])], "log_x": True}, "logarithmic x axis, but its smallest value is 0"),
    ],
)
def test_a_chart_refuses_what_it_cannot_draw(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        chart(**changes).html()


NAMES = ["upright threes", "thin eights", "ones with a flag", "everything else"]


@pytest.mark.parametrize(
    "c",
    [
        chart(lines=[Line(range(30), np.linspace(-123456, 3, 30), f"denoiser trained at σ = {i}") for i in range(5)]),
        chart(bars=[Bars(np.arange(4) - 0.4, np.arange(4) + 0.4, [1, 2, 3, 4])], x_ticks=dict(enumerate(NAMES)), x_range=(-0.6, 3.6)),
        chart(strokes=[Strokes([1, 2], [3, 4], name) for name in ("data", *NAMES)], labels=[Label(1.5, 3.5, "12")]),
        chart(lines=[Line([0.5, 500], [80, 200])], marks=[Mark(500, 200, "β = 0.25")], log_x=True),
        Cells("p(x, y)", [[0.4, 0.1], [0.2, 0.3]], "four cells", ["x = 0, a long name", "x = 1"], ["y = 0", "y = 1"]),
        Cells("a title that is longer than its one cell", [[1.0]], "one cell"),
        Table("a title", [{"a long heading": "1", "b": "a long word, and more"}] * 3, "words", bold="b"),
    ],
)
def test_nothing_in_a_chart_is_cut_off(c):
    width, height = c.size
    page = figure_png(c.size, c.draw)
    assert Image.open(io.BytesIO(page)).size == (round(1.25 * width), round(1.25 * height))
    # drawn with matplotlib, where text has a size that can be measured
    figure = plt.figure(figsize=(width / 100, height / 100), dpi=100, layout="none")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    c.draw(plotting.panels.Pixels(axes))
    renderer = figure.canvas.get_renderer()
    boxes = [t.get_window_extent(renderer) for t in axes.texts]
    assert all(b.x0 >= -1 and b.x1 <= width + 1 and b.y0 >= -1 and b.y1 <= height + 1 for b in boxes)


def test_strips_hold_their_rows_and_say_when_one_is_empty():
    images = torch.rand(4, 1, 28, 28)
    strips = Strips("rows", [("clean", images, "clean digits"), ("missed", images[:0], "missed digits")], columns=["1", "2", "3", "4"])
    assert np.array_equal(pixels(strips.html()), tile(images, 4))
    assert 'alt="clean digits"' in strips.html()
    assert ">none<" in strips.html()
    width, height = strips.size
    assert width >= 4 * 57
    assert height >= 2 * 56


def test_a_long_note_wraps():
    note = Note("word " * 100, width=300)
    assert len(note.lines) > 5
    assert note.size[1] > 17 * 5
    assert Image.open(io.BytesIO(figure_png(note.size, note.draw))).size[1] == pytest.approx(1.25 * note.size[1], abs=1)


# --- the library's own source


def shown_code(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", re.search(r"<pre.*</pre>", page, re.S)[0]))


@pytest.mark.parametrize(
    "obj", [distributions.gaussian_kl, distributions.DiagonalGaussian, distributions.DiagonalGaussian.sample, distributions]
)
def test_shown_source_is_the_source_that_runs(obj):
    assert inspect.cleandoc(shown_code(source_html(obj))) == inspect.cleandoc(inspect.getsource(obj))


def test_source_is_folded_on_request_and_names_its_lines():
    lines, first = inspect.getsourcelines(distributions.gaussian_kl)
    page = source_html(distributions.gaussian_kl, open=False)
    assert page.startswith("<details><summary>")
    assert source_html(distributions.gaussian_kl).startswith("<details open>")
    assert "course_lib.distributions.gaussian_kl" in page
    assert f"course_lib/distributions.py, lines {first}–{first + len(lines) - 1}" in page
    assert "class=" not in page, "colours must be inline: style sheets are dropped by GitHub"


def test_source_links_to_the_repository(monkeypatch):
    monkeypatch.setattr(plotting, "repository_url", lambda: "https://example.org/course")
    first = inspect.getsourcelines(distributions.gaussian_kl)[1]
    assert f'href="https://example.org/course/blob/main/course_lib/distributions.py#L{first}-L' in source_html(distributions.gaussian_kl)
    assert "blob/main/course_lib/plotting/__init__.py#" in source_html(plotting.show_images)


def test_show_source_has_a_plain_form(monkeypatch):
    shown = []
    monkeypatch.setattr(plotting, "display", lambda data, **kwargs: shown.append((data, kwargs)))
    plotting.show_source(distributions.gaussian_kl)
    data, kwargs = shown[0]
    assert kwargs == {"raw": True}
    assert data["text/plain"] == inspect.getsource(distributions.gaussian_kl)
    assert data["text/html"] == source_html(distributions.gaussian_kl)


# --- the loss plot


class FakeHandle:
    def __init__(self, shown):
        self.shown = shown

    def update(self, data, **kwargs):
        self.shown.append(data)


@pytest.fixture
def notebook(monkeypatch):
    """A notebook and a clock: the list of what was shown, and how to move the time on."""
    shown, clock = [], SimpleNamespace(now=0.0)

    def display(data, **kwargs):
        assert kwargs["display_id"] is True
        shown.append(data)
        return FakeHandle(shown)

    monkeypatch.setattr(plotting, "display", display)
    monkeypatch.setattr(plotting, "get_ipython", lambda: object())
    monkeypatch.setattr(plotting.time, "monotonic", lambda: clock.now)
    return shown, clock


def fake_run(step, steps=100):
    return SimpleNamespace(step=step, steps=steps, history=[{"step": s, "seconds": 0.1 * s, "loss": 200 - s} for s in range(1, step + 1)])


def test_the_loss_plot_draws_once_a_second_and_at_the_end(notebook):
    shown, clock = notebook
    watch = LossPlot()
    for step in range(1, 101):
        clock.now = 0.05 * step
        watch(fake_run(step))
    assert len(shown) == 1 + 4 + 1  # at once, after each of the four whole seconds that followed, and the last step
    assert "step 100, loss 100" in shown[-1]["text/plain"]
    assert Image.open(io.BytesIO(shown[-1]["image/png"])).format == "PNG"


def test_the_loss_plot_is_silent_outside_a_notebook(monkeypatch):
    monkeypatch.setattr(plotting, "get_ipython", lambda: None)
    monkeypatch.setattr(plotting, "display", lambda *a, **k: pytest.fail("displayed"))
    LossPlot()(fake_run(5))


def test_the_loss_plot_thins_a_long_history_but_keeps_its_end():
    line = LossPlot().chart(fake_run(5000).history).lines[0]
    assert len(line.x) < 500
    assert (line.x[0], line.x[-1]) == (1, 5000)
    assert line.color == CYCLE[0]


def test_the_loss_plot_names_a_missing_entry():
    with pytest.raises(ValueError, match="logs step, seconds, loss, but LossPlot was asked for kl"):
        LossPlot(keys=["kl"]).chart(fake_run(3).history)


# --------------------------------------------------------------------------------------------------------------------
# Tables


def test_a_table_is_markdown_with_short_numbers():
    text = plotting.table([{"model": "a", "nats": -84.3912, "n": 10}, {"model": "b", "nats": 0.5, "n": 7}]).data
    assert text.splitlines() == ["| model | nats | n |", "| --- | --- | --- |", "| a | -84.4 | 10 |", "| b | 0.5 | 7 |"]


def test_a_table_says_its_words_in_the_page_and_in_the_picture():
    rows = [{"model": "a < b", "FID": "10.7"}, {"model": "a much longer name", "FID": "5"}]
    table = Table("sorted by FID", rows, "two models", bold="FID", marked=[1])
    page = table.html()
    assert "a &lt; b" in page and page.count("<td") == 4 and 'aria-label="two models"' in page
    assert page.count("font-weight:600") == 1 + 3  # the title, and the column that stands out with its heading
    assert page.index("a much longer name") > page.index("color:#1a66c2") > page.index("10.7")  # the second row is the marked one
    drawn = []
    table.draw(SimpleNamespace(text=lambda x, y, text, *a, **k: drawn.append((x, y, text)), line=lambda *a: None))
    assert [text for *_, text in drawn] == ["sorted by FID", "model", "FID", "a < b", "10.7", "a much longer name", "5"]
    width, height = table.size
    assert max(x for x, *_ in drawn) <= width and max(y for _, y, _ in drawn) < height
    assert table.widths[0] > Table("", rows[:1], "").widths[0]  # long words make room
