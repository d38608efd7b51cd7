"""What every explorer shares: drawing, errors, and the static figure. No browser, no kernel."""

import base64
import io
import json
import re

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image
from torch import nn

from course_lib.plotting.panels import Note, Strips
from course_lib.widgets import Explorer, as_images, call, choice_slider, decode, int_slider, menu, slider

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


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


@pytest.mark.parametrize(
    "control",
    [
        slider("noise σ", 0.4, 0, 1, 0.05),
        int_slider("image", 1, 1, 9),
        choice_slider("β", [("0", 0.0), ("4", 4.0)], 4.0),
        menu("score", ["a", "b"]),
    ],
)
def test_every_control_has_room_for_its_name_and_a_readout(control):
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
