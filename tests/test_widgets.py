"""What explorers share: drawing, errors, the static figure; and what holds for each of the registry. No browser, no kernel."""

import ast
import base64
import importlib
import io
import json
import pkgutil
import re
from importlib.util import resolve_name
from pathlib import Path

import explorers
import ipywidgets as widgets
import numpy as np
import pytest
import torch
from explorers import EVERY, TOPICS
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image
from torch import nn

import course_lib.widgets
from course_lib.plotting.panels import Note, Strips
from course_lib.widgets import Explorer, as_images, call, choice_slider, decode, film, int_slider, kept_for, menu, plural, slider, some

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


# --- each of the registry


@pytest.fixture(params=EVERY)
def made(request):
    return EVERY[request.param]


def test_every_control_has_a_name_that_fits_and_a_readout(made):
    explorers.check_the_names_of_controls(made.explorer, made.longest)


def test_every_picture_has_words_and_a_static_figure(made):
    explorers.check_the_words_of_pictures(made.explorer, made.numbers)
    explorers.check_the_static_figure(made.explorer, made.figure)


def test_nothing_is_wider_than_a_lecture(made):
    explorers.check_the_width(made.explorer, made.wide)


def test_every_value_of_every_control_redraws(made):
    if made.prepare:
        made.prepare(made.explorer)
    explorers.check_that_every_control_redraws(made.explorer, made.without)


@pytest.mark.parametrize("name", [name for name, made in EVERY.items() if made.corners])
def test_any_corner_of_the_controls_can_be_drawn(name):
    explorers.check_every_corner(EVERY[name].explorer)


def kinds(cls: type) -> set[str]:
    """topic-Explorer of a class and of those it is made from, of the course."""
    return {f"{c.__module__.split('.')[2]}-{c.__name__}" for c in cls.__mro__ if c.__module__.startswith("course_lib.widgets.")}


def test_every_explorer_of_the_course_is_in_the_registry_under_its_name():
    for module in pkgutil.walk_packages(course_lib.widgets.__path__, "course_lib.widgets."):
        importlib.import_module(module.name)
    found, new = set(), {Explorer}
    while new:
        new = {below for cls in new for below in cls.__subclasses__()}
        found |= {kind for cls in new for kind in kinds(cls)}
    assert found == {"-".join(name.split("-")[:2]) for name in EVERY}


@pytest.mark.parametrize("name", EVERY)
def test_the_registry_makes_what_it_names(name):
    assert "-".join(name.split("-")[:2]) in kinds(type(EVERY[name].explorer))


# --- no topic's explorers import another's


def foreign(source: str, package: str, own: str) -> set[str]:
    """The other topics whose explorers a module of this package imports, at its top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = resolve_name("." * node.level + (node.module or ""), package)
            names |= {f"{start}.{alias.name}" for alias in node.names}
    topics = {name.split(".")[2] for name in names if re.match(r"course_lib\.widgets\.\w", name)}
    return topics & set(TOPICS) - {own}


@pytest.mark.parametrize(
    "source, found",
    [
        ("from .. import plural\nfrom ..plane import dots\nfrom .cuts import Cut\nfrom ...flows import Flow", set()),
        ("from ..flows import shaded", {"flows"}),
        ("from .. import BESIDE, gans", {"gans"}),
        ("def draw():\n    from ..metrics.images import blur", {"metrics"}),
        ("import course_lib.widgets.start_here as front", {"start_here"}),
        ("from course_lib.widgets import latent_spaces", {"latent_spaces"}),
        ("from course_lib.widgets.autoregressive.images import drawn", set()),
    ],
)
def test_an_import_from_another_topic_is_found(source, found):
    assert foreign(source, "course_lib.widgets.autoregressive", "autoregressive") == found


@pytest.mark.parametrize("topic", [*TOPICS, "what they share"])
def test_no_topics_explorers_import_anothers(topic):
    folder, seen = Path(course_lib.widgets.__file__).parent, 0
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        if topic == (parts[0] if parts[0] in TOPICS else "what they share"):
            others = foreign(path.read_text(encoding="utf-8"), ".".join(("course_lib.widgets", *parts[:-1])), topic)
            assert not others, f"{path} imports the explorers of {others}: what two topics need lies in __init__.py, plane.py or pixels.py"
            seen += 1
    assert seen


# --- what they share


class Shade(Explorer):
    """One grey picture."""

    def __init__(self, start=0.5):
        self.drawn = 0
        self.grey, self.count = slider("grey", start, 0.0, 2.0, 0.1), int_slider("count", 1, 1, 3)
        super().__init__([self.grey, self.count])

    def panels(self):
        self.drawn += 1
        shape = (self.count.value, 1, 4, 4)
        return [[Strips("shade", [("", torch.full(shape, self.grey.value), f"grey {self.grey.value:.1f}")])], [Note("a <note>")]]


def shown(explorer) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", explorer.view.value)[1]))))


def test_the_view_follows_the_control():
    explorer = Shade()
    assert (shown(explorer) == 128).all()
    explorer.grey.value = 1.0
    assert (shown(explorer) == 255).all()
    assert 'alt="grey 1.0"' in explorer.view.value
    assert explorer.milliseconds > 0


def test_the_last_of_many_moves_is_what_stands_there():
    explorer = Shade()
    for value in np.linspace(0, 1, 11):
        explorer.grey.value = float(value)
    assert 'alt="grey 1.0"' in explorer.view.value


def test_held_draws_once():
    explorer = Shade()
    before = explorer.drawn
    with explorer.held():
        explorer.grey.value, explorer.count.value = 0.2, 3
    assert explorer.drawn == before + 1
    assert 'alt="grey 0.2"' in explorer.view.value


class Film(Explorer):
    """A film's slider and buttons, beside so many sliders that they stand in a column."""

    def __init__(self):
        self.frame, self.play = film(3, 100)
        super().__init__([self.frame, self.play, slider("a", 0, 0, 1, 0.1), menu("b", ["x", "y"]), choice_slider("c", [1, 2], 1)])

    def panels(self):
        return [[Note("a film")]]


def alive() -> set[str]:
    """The ids of the widgets that the kernel holds."""
    module = importlib.import_module("ipywidgets.widgets.widget")
    return set(module._instances if hasattr(module, "_instances") else widgets.Widget.widgets)  # ipywidgets 8, 7


@pytest.mark.parametrize("kind", [Shade, Film])
def test_a_closed_explorer_leaves_nothing_alive(kind):
    before = alive()
    explorer = kind()
    assert len(alive() - before) > 8
    explorer.close()
    assert alive() == before


class Kernel:
    """Stands for IPython's shell in a kernel, in whose cells explorers are made."""

    kernel = True

    def __init__(self):
        self.execution_count, self.parent_header, self.user_ns = 0, {}, {"In": [""]}

    def run(self, cell: str | None, source: str, kinds) -> list[Explorer]:
        self.execution_count += 1
        self.parent_header = {"metadata": {"cellId": cell} if cell else {}}
        self.user_ns["In"].append(source)
        return [kind() for kind in kinds]


@pytest.mark.parametrize("cell", ["7f3a", None])
def test_a_cell_that_runs_again_keeps_the_explorers_of_its_last_run_alone(cell, monkeypatch):
    kernel = Kernel()
    monkeypatch.setattr(course_lib.widgets, "get_ipython", lambda: kernel)
    monkeypatch.setattr(course_lib.widgets, "SHOWN", {})
    before = alive()
    [other] = kernel.run(cell and "other", "another cell", [Shade])
    for _ in range(10):
        kept = kernel.run(cell, "Shade(); Film()", [Shade, Film])
    assert all(each.comm is not None for each in [other, *kept])
    mine = {w.model_id for each in [other, *kept] for w in [each, *course_lib.widgets.belongings(each)]}
    assert alive() - before == mine


def test_text_is_escaped():
    assert "a &lt;note&gt;" in Shade().view.value


def test_an_error_in_a_callback_is_one_sentence_and_passes():
    explorer = Shade()
    explorer.grey.value = 1.8
    said = explorer.view.value
    assert 'role="alert"' in said
    assert re.search(r"Shade could not draw this: a picture needs floats in \[0, 1\].*\(ValueError\)\.", said)
    assert "Traceback" not in said
    explorer.grey.value = 0.3
    assert 'alt="grey 0.3"' in explorer.view.value


def test_an_error_at_the_start_is_the_cells():
    with pytest.raises(ValueError, match=r"floats in \[0, 1\]"):
        Shade(start=1.9)


def test_an_explorer_must_say_what_it_shows():
    with pytest.raises(NotImplementedError, match="define panels"):
        Explorer([])


def test_the_static_figure_shows_the_present_state():
    explorer = Shade()
    dark = Image.open(io.BytesIO(explorer.static())).convert("L")
    explorer.grey.value = 0.1
    darker = Image.open(io.BytesIO(explorer.static())).convert("L")
    assert dark.size == darker.size
    assert (np.asarray(dark) == 128).sum() > 2000
    assert (np.asarray(darker) == 26).sum() > 2000
    assert np.asarray(dark)[0, 0] == 255, "on white"


def test_long_rows_wrap_in_the_static_figure():
    class Wide(Shade):
        def panels(self):
            return [[Strips("wide", [("", torch.zeros(8, 1, 28, 28), "wide")]) for _ in range(4)]]

    assert Image.open(io.BytesIO(Wide().static())).width <= 1.25 * 1000


def test_what_is_displayed_holds_the_widget_and_a_picture():
    explorer = Shade()
    data, metadata = InteractiveShell.instance().display_formatter.format(explorer)
    assert data[WIDGET_VIEW]["model_id"] == explorer.model_id
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).format == "PNG"
    assert data["text/plain"] == "Shade: grey = 0.5, count = 1"
    assert metadata["image/png"]["alt"] == data["text/plain"]
    json.dumps(data)


def test_a_closed_explorer_still_has_its_picture():
    explorer = Shade()
    bundle = explorer._repr_mimebundle_
    explorer.close()
    assert set(bundle()[0]) == {"text/plain", "image/png"}


def test_a_page_without_widget_state_shows_the_picture():
    nbformat, nbconvert = pytest.importorskip("nbformat"), pytest.importorskip("nbconvert")
    data, metadata = Shade()._repr_mimebundle_()
    output = nbformat.v4.new_output("execute_result", data, metadata=metadata, execution_count=1)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("Shade()", outputs=[output])])
    page, _ = nbconvert.HTMLExporter(template_name="classic").from_notebook_node(notebook)
    tags = re.findall(r"<img[^>]*>", page)
    assert len(tags) == 1
    assert "data:image/png;base64," in tags[0]
    assert 'alt="Shade: grey = 0.5, count = 1"' in tags[0]


class Counted(Explorer):
    """A menu that sets a slider; what is computed for both is counted, and kept."""

    def __init__(self):
        self.preset, self.grey, self.again = menu("preset", ["dark", "light"]), slider("grey", 0.2, 0.0, 1.0, 0.1), widgets.Button()
        self.drawn, self.computed = 0, []
        self.follow([self.grey])
        super().__init__([self.preset, self.grey, self.again], {self.preset: self.take})

    def take(self, _change):
        with self.held():
            self.grey.value = {"dark": 0.2, "light": 0.8}[self.preset.value]

    @kept_for("preset", "grey")
    def shades(self, count):
        """Of these two."""
        self.computed.append(count)
        return [self.grey.value] * count

    def panels(self):
        self.drawn += 1
        return [[Note(f"{self.shades(2)} {self.moved}")]]


def test_a_control_that_moves_others_draws_once():
    explorer = Counted()
    explorer.preset.value = "light"
    assert explorer.drawn == 2 and "[0.8, 0.8]" in explorer.view.value


def test_what_was_computed_is_kept_for_its_controls_and_arguments():
    explorer, other = Counted(), Counted()
    assert explorer.computed == other.computed == [2], "each explorer has its own"
    first = explorer.shades(2)
    explorer.grey.value = 0.5
    explorer.grey.value = 0.1 + 0.1 + 1e-12  # a browser's 0.2
    assert explorer.shades(2) is first and explorer.computed == [2, 2]
    explorer.preset.value = "light"
    explorer.grey.value = 0.2
    assert explorer.shades(2) is not first
    assert explorer.shades(3) == [0.2] * 3 and explorer.computed == [2, 2, 2, 2, 3]
    assert Counted.shades.__doc__ == "Of these two."


def test_an_error_is_not_kept():
    explorer = Counted()
    with pytest.raises(TypeError):
        explorer.shades("three")
    assert explorer.shades(3) == [0.2] * 3


def test_the_slider_that_a_reader_moved_is_remembered():
    class Two(Shade):
        def __init__(self):
            self.other = slider("other", 0.0, 0.0, 1.0, 0.1)
            self.follow([self.other])
            super().__init__()
            self.follow([self.grey, self.other, self.count])

    explorer = Two()
    assert explorer.moved == 0
    explorer.count.value = 2
    assert explorer.moved == 2
    explorer.grey.value += 1e-9
    assert explorer.moved == 2, "the browser rounding a value"
    with explorer.held():
        explorer.other.value = 0.5
    assert explorer.moved == 2, "not moved by a reader"


def test_a_film_has_a_slider_that_its_buttons_move_and_draws_once():
    class Film(Shade):
        def __init__(self):
            self.drawn = 0
            self.count, self.play = film(3, 200)
            self.grey = slider("grey", 0.5, 0.0, 1.0, 0.1)
            Explorer.__init__(self, [self.count, self.play])

    explorer = Film()
    assert (explorer.play.min, explorer.play.max, explorer.play.value, explorer.play.interval) == (0, 3, 3, 200)
    assert (explorer.count.min, explorer.count.max, explorer.count.value) == (0, 3, 3)
    assert explorer.play.link.source == (explorer.play, "value") and explorer.play.link.target == (explorer.count, "value")
    explorer.play.value = 2
    assert explorer.drawn == 1, "the slider follows in the browser"
    explorer.count.value = 2
    assert explorer.drawn == 2


def test_few_colours_are_enough_for_soft_pictures():
    class Soft(Shade):
        FEW_COLORS = True

        def panels(self):
            return [[Strips("soft", [("", torch.linspace(0, 1, 64 * 64).view(1, 1, 64, 64), "soft")], 256)]]

    few = Soft().static()
    Soft.FEW_COLORS = False
    many = Soft().static()
    colors = [len(Image.open(io.BytesIO(content)).convert("RGB").getcolors(10_000)) for content in (few, many)]
    assert colors[0] <= 128 < colors[1] and len(few) < len(many)


def test_numbers_have_their_nouns():
    assert [plural(n, noun) for n, noun in ((0, "step"), (1, "step"), (1000, "step"), (2, "pass"))] == [
        "0 steps",
        "1 step",
        "1,000 steps",
        "2 passes",
    ]


def test_nothing_to_choose_from_is_refused():
    assert some({"a": 1}, "models", "name → flow") == {"a": 1}
    with pytest.raises(ValueError, match="models is empty; give at least one, name → flow"):
        some({}, "models", "name → flow")


@pytest.mark.parametrize(
    "control",
    [
        slider("noise σ", 0.4, 0, 1, 0.05),
        int_slider("image", 1, 1, 9),
        choice_slider("β", [("0", 0.0), ("4", 4.0)], 4.0),
        menu("score", ["a", "b"]),
    ],
)
def test_a_control_has_room_for_its_name_and_a_readout(control):
    assert control.description
    assert control.style.description_width == "90px"
    assert getattr(control, "readout", True)
    assert getattr(control, "continuous_update", True)


def test_a_menu_starts_at_its_first_option_or_at_a_value():
    assert menu("m", [("first", 1), ("second", 2)]).value == 1
    assert menu("m", [("first", 1), ("second", 2)], 2).value == 2
    assert isinstance(menu("m", ["a"]), widgets.Dropdown)


class Dropped(nn.Module):
    """In training mode its dropout makes every answer different."""

    def __init__(self):
        super().__init__()
        self.linear, self.dropout = nn.Linear(2, 16), nn.Dropout(0.5)

    def decode(self, z):
        return self.dropout(self.linear(z).sigmoid()).view(-1, 1, 4, 4)


def test_models_are_called_in_evaluation_mode_and_left_as_they_were():
    model, z = Dropped().train(), torch.ones(3, 2)
    assert torch.equal(call(model, "decode", z), model.linear(z).sigmoid().view(-1, 1, 4, 4))
    assert model.training
    assert not call(model, "decode", z).requires_grad
    model.eval()
    call(model, "decode", z)
    assert not model.training


def test_a_failing_model_is_left_in_its_mode():
    model = Dropped().train()
    with pytest.raises(RuntimeError):
        call(model, "decode", torch.ones(3, 5))
    assert model.training


def test_decode_names_a_wrong_shape():
    model = Dropped()
    model.decode = lambda z: torch.zeros(len(z), 16)
    with pytest.raises(ValueError, match=r"z \(3, 2\) into images \(3, channels, height, width\), but gave \(3, 16\)"):
        decode(model, torch.ones(3, 2))


def test_images_may_be_bytes_or_floats():
    assert as_images(np.full((1, 1, 2, 2), 255, np.uint8)).max() == 1.0
    assert torch.equal(as_images(torch.full((1, 1, 2, 2), 0.5)), torch.full((1, 1, 2, 2), 0.5))
    with pytest.raises(ValueError, match=r"denoised must be \(n, channels, height, width\)"):
        as_images(torch.zeros(4, 4), "denoised")
