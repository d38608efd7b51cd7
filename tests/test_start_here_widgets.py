"""The front door's explorers and drawings against SciPy, numerical integration, and sums done by hand."""

import base64
import io
import json
import math
import re

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from PIL import Image
from scipy.integrate import quad
from scipy.special import rel_entr
from scipy.stats import entropy, norm
from sklearn.metrics import mutual_info_score
from views import number, told

from course_lib.grading import progress
from course_lib.plotting.panels import Pixels, Svg
from course_lib.widgets import start_here
from course_lib.widgets.start_here import (
    CRITERIA,
    FAMILIES,
    Card,
    FamilyChooser,
    JensenExplorer,
    KLExplorer,
    LikelihoodExplorer,
    TableExplorer,
    address,
    family_tree,
    lecture_map,
)

VALUES = torch.linspace(-1, 3, 60) ** 3 / 5 + 2


def likelihood():
    return LikelihoodExplorer(VALUES, "cubes")


# --- KL


@pytest.mark.parametrize("q, p", [((0.0, 0.5), (0.0, 2.0)), ((1.3, 0.7), (-0.4, 1.1)), ((-3.0, 2.0), (3.0, 1.9)), ((2.0, 1.0), (2.0, 1.0))])
def test_the_divergences_are_integrals(q, p):
    explorer = KLExplorer()
    for control, value in zip(explorer.controls, (*q, *p)):
        control.value = value
    for name, a, b in (("q‖p", q, p), ("p‖q", p, q)):
        first, second = norm(*a), norm(*b)
        area = quad(lambda x, f=first, g=second: f.pdf(x) * (f.logpdf(x) - g.logpdf(x)), a[0] - 12 * a[1], a[0] + 12 * a[1])[0]
        assert number(rf"KL\({name}\) = (…) nats", told(explorer)) == pytest.approx(area, abs=6e-4)


def test_the_shaded_areas_are_the_divergences():
    explorer = KLExplorer(q=(0.5, 0.6), p=(-0.5, 0.9))
    _, (left, right) = explorer.panels()
    for chart, name in ((left, "q‖p"), (right, "p‖q")):
        (area,) = chart.bars
        total = (area.height * (area.right - area.left)).sum()
        assert total == pytest.approx(number(rf"KL\({name}\) = (…) nats", chart.alt), abs=1e-3)
        assert np.allclose(area.right[:-1], area.left[1:])
    assert left.y_range == right.y_range, "areas compare only on one scale"


def test_the_densities_are_those_of_the_sliders():
    explorer = KLExplorer()
    explorer.q_mean.value, explorer.q_std.value = 1.5, 0.8
    (both,), _ = explorer.panels()
    assert np.allclose(both.lines[0].y, norm(1.5, 0.8).pdf(explorer.x))
    assert np.allclose(both.lines[1].y, norm(0, 2).pdf(explorer.x))
    assert "q = N(1.5, 0.8²) and p = N(0.0, 2.0²)" in told(explorer)


# --- the table


@pytest.mark.parametrize("a, b, dependence", [(0.5, 0.5, 0.8), (0.3, 0.85, -0.6), (0.2, 0.6, 1.0), (0.7, 0.7, -1.0), (0.0, 0.4, 1.0)])
def test_the_table_has_the_chances_asked_for_and_its_entropies_are_scipys(a, b, dependence):
    explorer = TableExplorer(a, b, dependence)
    joint = explorer.joint().numpy()
    assert joint.min() >= 0 and joint.sum() == pytest.approx(1)
    assert joint[1].sum() == pytest.approx(a) and joint[:, 1].sum() == pytest.approx(b)
    shared = rel_entr(joint, np.outer(joint.sum(1), joint.sum(0))).sum()
    truth = {"X": entropy(joint.sum(1)), "Y": entropy(joint.sum(0)), "X, Y": entropy(joint.ravel())}
    for name, nats in {**{f"H({k})": v for k, v in truth.items()}, "I(X; Y)": shared}.items():
        assert number(rf"{re.escape(name)} = (…) bits", told(explorer)) == pytest.approx(nats / math.log(2), abs=6e-4)
        assert number(rf"{re.escape(name)} = [\d.]+ bits = (…) nats", told(explorer)) == pytest.approx(nats, abs=6e-4)


def test_independent_coins_share_nothing_and_equal_ones_everything():
    explorer = TableExplorer(0.5, 0.5, 0.0)
    assert torch.allclose(explorer.joint(), torch.full((2, 2), 0.25, dtype=torch.float64))
    assert "H(X, Y) = 2.000 bits = 1.386 nats; I(X; Y) = 0.000 bits = 0.000 nats" in told(explorer)
    for end in (-1.0, 1.0):
        explorer.dependence.value = end
        assert "H(X, Y) = 1.000 bits = 0.693 nats; I(X; Y) = 1.000 bits = 0.693 nats" in told(explorer)
    assert torch.equal(explorer.joint(), 0.5 * torch.eye(2, dtype=torch.float64))


class Rectangles:
    """A canvas that keeps the rectangles it is asked for."""

    def __init__(self):
        self.found = []

    def rect(self, x, y, w, h, color, opacity=1.0):
        self.found.append((x, w))

    def line(self, *_args, **_more):
        pass

    text = line


def test_the_bars_add_up():
    explorer = TableExplorer(0.4, 0.7, 0.7)
    canvas = Rectangles()
    explorer.information(explorer.joint()).draw(canvas)
    (x, w_x), (y, w_y), (both, w_both), (shared, w_shared) = canvas.found
    assert x == both and x + w_both == pytest.approx(y + w_y), "the bars of X and Y together are as long as that of the pair"
    assert (shared, w_shared) == pytest.approx((y, x + w_x - y)), "what they share is their overlap"
    labels = np.repeat([(0, 0), (0, 1), (1, 0), (1, 1)], np.round(1e4 * explorer.joint().numpy().ravel()).astype(int), axis=0)
    assert w_shared / w_x == pytest.approx(mutual_info_score(*labels.T) / entropy([0.6, 0.4]), rel=1e-3)


# --- Jensen


@pytest.mark.parametrize("a, b, weight", [(0.4, 5.0, 0.5), (0.1, 6.0, 0.9), (3.0, 3.0, 0.3), (2.0, 4.0, 1.0)])
def test_the_gap_is_log_of_the_mean_less_mean_of_the_logs(a, b, weight):
    explorer = JensenExplorer(a, b, weight)
    upper, lower = np.log(np.average([a, b], weights=[weight, 1 - weight])), np.average(np.log([a, b]), weights=[weight, 1 - weight])
    assert number(r"is (…), the mean of the logs", told(explorer)) == pytest.approx(upper, abs=6e-4)
    assert number(r"mean of the logs is (…)", told(explorer)) == pytest.approx(lower, abs=6e-4)
    assert number(r"the gap is (…)", told(explorer)) == pytest.approx(upper - lower, abs=6e-4)
    assert "-0.000" not in told(explorer)
    (chart,), _ = explorer.panels()
    assert chart.lines[2].y == pytest.approx((lower, upper)), "the gap is drawn from the line to the curve"


# --- likelihood


def test_the_likelihood_is_scipys_and_nothing_beats_the_best():
    explorer = likelihood()
    for n in (5, 20, len(VALUES)):
        explorer.count.value = n
        x = explorer.values[:n]
        best = norm(*norm.fit(x)).logpdf(x).mean()
        for mean, std in ((2.0, 1.5), (x.mean(), x.std())):
            explorer.mean.value, explorer.std.value = mean, std
            yours = norm(explorer.mean.value, explorer.std.value).logpdf(x).mean()
            assert number(r"has mean log-likelihood (…) nats", told(explorer)) == pytest.approx(yours, abs=6e-4)
            assert number(r"and the best, .*, has (…)", told(explorer)) == pytest.approx(best, abs=6e-4)
            assert yours <= best + 1e-9


def test_what_is_lost_is_the_divergence_from_the_best():
    explorer = likelihood()
    lost, divergence = (number(rf"{word} (…)", explorer.view.value) for word in ("Difference", "KL\\(best‖yours\\)"))
    assert lost == divergence > 0.2


def test_the_histogram_is_a_density_of_the_data():
    explorer = LikelihoodExplorer(torch.linspace(0, 1, 501), "x")
    explorer.count.value = 501
    (left, _), _ = explorer.panels()
    (data,) = left.bars
    assert (data.height * (data.right - data.left)).sum() == pytest.approx(1)
    assert explorer.count.options[-1] == ("501", 501)
    assert sorted(explorer.values) == pytest.approx(np.linspace(0, 1, 501)), "each value once"


def test_a_mark_below_the_chart_stays_on_its_floor():
    explorer = likelihood()
    explorer.std.value = explorer.std.min
    (_, right), _ = explorer.panels()
    assert right.marks[0].y == right.y_range[0]
    assert right.marks[0].label.endswith(", below")


@pytest.mark.parametrize("values", [torch.ones(10), torch.ones(4), torch.rand(5, 2)])
def test_values_that_cannot_be_fitted_are_refused_in_one_sentence(values):
    with pytest.raises(ValueError, match=r"values must be \(n,\) with n at least 5, and not all alike"):
        LikelihoodExplorer(values)


# --- families


def chosen(**wanted) -> FamilyChooser:
    explorer = FamilyChooser()
    for name, control in zip(CRITERIA, explorer.weights):
        control.value = wanted.get(name.replace(" ", "_"), 0)
    return explorer


def test_every_family_has_a_score_and_a_reason_for_each_property():
    for scores in FAMILIES.values():
        assert len(scores) == len(CRITERIA)
        assert all(0 <= score <= 3 and reason for score, reason in scores)


def test_one_property_ranks_by_its_score_alone():
    for i, name in enumerate(CRITERIA):
        shares = dict(chosen(**{name.replace(" ", "_"): 2}).ranking())
        assert shares == {family: pytest.approx(scores[i][0] / 3) for family, scores in FAMILIES.items()}


def test_the_ranking_is_a_weighted_mean():
    explorer = chosen(likelihood=1, quality=3, stability=2)
    expected = {family: np.average([s for s, _ in scores], weights=[1, 0, 3, 0, 2]) / 3 for family, scores in FAMILIES.items()}
    ranking = explorer.ranking()
    assert dict(ranking) == pytest.approx(expected)
    assert [share for _, share in ranking] == pytest.approx(sorted(expected.values(), reverse=True))
    assert re.findall(r"(?:^the families in order: |; )([\w -]+) (\d+)%", told(explorer)) == [
        (family, f"{share:.0%}"[:-1]) for family, share in ranking
    ]


def test_relatives_share_quality_and_training_and_differ_in_speed():
    before, after = dict(chosen(quality=3, stability=3).ranking()), dict(chosen(quality=3, stability=3, speed=3).ranking())
    assert before["diffusion"] == before["score model"] == before["flow matching"] == 1
    assert after["VAE"] == after["diffusion"] == after["flow matching"] == max(after.values()) > after["score model"]
    assert max(before, key=lambda family: before[family] - after[family]) == "score model"


def test_the_reason_names_what_matters():
    explorer = chosen(likelihood=3, speed=1)
    assert explorer.reason("autoregressive") == "+ likelihood: exact, by the chain rule · − speed: one value after the other"
    assert explorer.reason("GAN") == "+ speed: one pass · − likelihood: none"
    assert explorer.reason("flow") == "+ likelihood: exact, by change of variables", "nothing that matters speaks against it"
    assert chosen(quality=3, stability=3).reason("energy-based") == "− quality: hard to scale", "no reason is told twice"
    assert "latent" not in told(explorer)


def test_without_a_wish_no_family_is_better():
    explorer = chosen()
    assert "move a slider above 0" in explorer.view.value and not told(explorer)
    assert {share for _, share in explorer.ranking()} == {0}


# --- drawings


class Extent(Svg):
    """An SVG canvas that remembers how far things reach, texts in the wide font of the static figure."""

    def __init__(self):
        super().__init__()
        self.boxes, self.texts = [], []

    def rect(self, x, y, w, h, *more):
        self.boxes.append((x, y, x + w, y + h))
        super().rect(x, y, w, h, *more)

    def text(self, x, y, text, size=11, anchor="start", turn=0, color="", bold=False):
        font = FontProperties(weight="bold" if bold else "normal")
        wide = TextPath((0, 0), text, size=0.66 * size * 100 / 72, prop=font).get_extents().width  # as `Pixels` sets it
        left = x - {"start": 0, "middle": wide / 2, "end": wide}[anchor]
        self.texts.append((left, y - size, left + wide, y, text))


def cards(n):
    return [
        Card(f"0{i} A title of this length", None if i else 45, "a line that says what it is about and must be wrapped", torch.rand(8, 8))
        for i in range(n)
    ]


@pytest.mark.parametrize("drawing", [family_tree(), lecture_map(cards(7))], ids=["tree", "map"])
def test_nothing_is_cut_off_and_every_text_lies_in_a_box(drawing):
    canvas = Extent()
    drawing.draw(canvas)
    width, height = drawing.size
    assert all(min(left, top) >= 0 and right <= width and bottom <= height for left, top, right, bottom in canvas.boxes)
    for left, top, right, bottom, text in canvas.texts:
        assert any(left >= a and top >= b and right <= c and bottom <= d for a, b, c, d in canvas.boxes), f"{text!r} leaves its box"


def test_the_tree_names_every_family_of_the_chooser():
    canvas = Extent()
    family_tree().draw(canvas)
    assert set(FAMILIES) <= {text for *_, text in canvas.texts}


def test_the_map_says_what_is_still_to_come():
    drawing = lecture_map(cards(2))
    assert drawing.alt.startswith("The lectures. 00 A title of this length (45 minutes): a line")
    assert "01 A title of this length (to come)" in drawing.alt


def test_a_drawing_is_shown_as_a_picture_with_words():
    drawing = family_tree()
    data, metadata = drawing._repr_mimebundle_()
    page = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert page.size == (round(1.25 * drawing.width), round(1.25 * drawing.height))
    assert metadata["image/png"]["alt"] == data["text/plain"] == drawing.alt
    assert 'role="img" aria-label="The family tree.' in drawing.html()


def test_both_canvases_take_every_call_of_the_drawings():
    figure = Figure()
    for drawing in (family_tree(), lecture_map(cards(1)), TableExplorer().panels()[0][1], FamilyChooser().panels()[0][0]):
        drawing.draw(Pixels(figure.add_axes((0, 0, 1, 1))))
        assert drawing.html().count("<text") > 3


def test_links_lead_to_the_file_and_on_colab_to_its_page(monkeypatch):
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    assert address("02_autoencoders") == "02_autoencoders.ipynb"
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    monkeypatch.setattr(start_here, "repository_url", lambda: "https://github.com/someone/course")
    assert address("02_autoencoders") == "https://colab.research.google.com/github/someone/course/blob/main/notebooks/02_autoencoders.ipynb"


# --- the board


def saved(folder, name, outputs, answer="def f(x):\n    return x", written="YOUR ANSWER HERE"):
    """An exercise of one function and one question, as a notebook is saved."""

    def cell(name, kind, source, **meta):
        return {"cell_type": kind, "source": source.splitlines(True), "metadata": {"nbgrader": {"grade_id": name} | meta}}

    cells = [
        {"cell_type": "markdown", "source": "text", "metadata": {}},
        cell("f", "code", answer, solution=True, grade=False),
        cell("check_f", "code", "F.check(f)", locked=True) | {"outputs": outputs},
        cell("grade_f", "code", "", grade=True, points=2),
        cell("why", "markdown", written, solution=True, grade=True, points=3),
    ]
    (folder / name).mkdir(parents=True)
    (folder / name / f"{name}.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}), encoding="utf-8")


RIGHT = [{"output_type": "stream", "name": "stdout", "text": ["✓ f: 2 of 2 cases\n"]}]
WRONG = [{"output_type": "error", "ename": "CheckFailed", "evalue": "✗ f: exactly twice too large. [f/m1]", "traceback": []}]
BLANK = [{"output_type": "error", "ename": "CheckFailed", "evalue": "✗ f: not answered yet. [f/blank]", "traceback": []}]


@pytest.mark.parametrize(
    ("outputs", "state", "points", "hint"),
    [(RIGHT, "right", 2, ""), (WRONG, "wrong", 0, "f: exactly twice too large."), (BLANK, "open", 0, ""), ([], "open", 0, "")],
)
def test_a_saved_exercise_says_how_far_it_is(tmp_path, outputs, state, points, hint):
    saved(tmp_path, "02_x", outputs)
    (exercise,) = progress.everywhere(tmp_path)
    f, why = exercise.tasks
    assert (f.state, f.hint, f.points) == (state, hint, 2) and (why.state, why.points) == ("open", 3)
    assert exercise.right == points and exercise.most == 5
    assert f"02_x: {points} of 5 points so far" in str(exercise) and hint in str(exercise)


@pytest.mark.parametrize(("outputs", "line"), [(WRONG, "✗ g    0  f: exactly twice too large."), (RIGHT, "✓ g    0"), (BLANK, None)])
def test_a_task_without_points_is_told_once_it_is_answered(tmp_path, outputs, line):
    saved(tmp_path, "02_x", RIGHT)
    file = tmp_path / "02_x" / "02_x.ipynb"
    notebook = json.loads(file.read_text(encoding="utf-8"))
    check = {"cell_type": "code", "source": "G.check(g)", "metadata": {"nbgrader": {"grade_id": "check_g"}}, "outputs": outputs}
    notebook["cells"].insert(2, check)
    file.write_text(json.dumps(notebook), encoding="utf-8")
    (exercise,) = progress.everywhere(tmp_path)
    assert (exercise.right, exercise.most) == (2, 5)
    assert [text for text in str(exercise).splitlines() if " g " in text] == ([line] if line else [])


def test_the_board_shows_every_exercise_and_leaves_out_what_is_none(tmp_path):
    saved(tmp_path, "01_y", RIGHT, written="Because.")
    saved(tmp_path, "02_x", WRONG)
    (tmp_path / "03_z").mkdir()
    (tmp_path / "03_z" / "03_z.ipynb").write_text("{")
    alt = start_here.progress_board(tmp_path).alt
    assert alt == "Points so far. 01_y 2 of 5: f right, why written; 02_x 0 of 5: f not right yet, why open."
    assert "no exercises" in start_here.progress_board(tmp_path / "nowhere").html()


def test_an_exercise_that_is_not_there_is_said_in_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="There is no exercise at"):
        progress.check(tmp_path / "02_x")
