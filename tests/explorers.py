"""What an explorer shows, read back from its view, and what holds for every explorer."""

import base64
import html
import io
import re

import ipywidgets as widgets
import numpy as np
from PIL import Image


def pictures(explorer) -> dict[str, np.ndarray]:
    """alt → pixels of every `<img>` shown."""
    found = {}
    for img in re.findall(r"<img[^>]*>", explorer.view.value):
        alt = html.unescape(re.search(r'alt="([^"]*)"', img)[1])
        found[alt] = np.asarray(Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", img)[1]))))
    return found


def picture(explorer, words: str) -> tuple[str, np.ndarray]:
    """The one picture whose alt has these words."""
    (found,) = [(alt, pixels) for alt, pixels in pictures(explorer).items() if words in alt]
    return found


def told(explorer) -> str:
    """What the charts and drawings say to a reader who cannot see them."""
    return " | ".join(map(html.unescape, re.findall(r'aria-label="([^"]*)"', explorer.view.value)))


def number(pattern: str, text: str) -> float:
    """The first number where `pattern` has its (…)."""
    found = re.search(pattern.replace("(…)", r"(-?\d+(?:\.\d+)?)"), text)
    assert found, f"{pattern!r} is not in {text!r}"
    return float(found[1])


def words(explorer) -> str:
    """The text of the notes under the panels."""
    return html.unescape(re.sub(r"<svg.*?</svg>", "", explorer.view.value, flags=re.S)).replace("−", "-")


# --- what holds for every explorer


def values_of(control) -> list:
    """Every option of a menu; the ends of a slider."""
    if isinstance(control, widgets.Checkbox):
        return [True, False]
    return [value for _, value in control._options_full] if hasattr(control, "options") else [control.min, control.max]


def check_that_every_control_redraws(explorer) -> None:
    """Each of its values, and the way back to the first, gives another picture: other words about the same one do not count."""
    moved = [c for c in explorer.controls if c.has_trait("value") and not isinstance(c, widgets.Play) and len(values_of(c)) > 1]
    assert moved
    for control in moved:
        values, views = values_of(control), []
        for value in [*values, control.value]:
            before, still = explorer.view.value, value == control.value
            control.value = value
            assert still or explorer.view.value != before, f"{control.description} = {value} changes nothing"
            assert 'role="alert"' not in explorer.view.value, (control.description, value, explorer.view.value)
            assert explorer.milliseconds > 0
            views.append(re.sub(r'(alt|aria-label)="[^"]*"', "", explorer.view.value))
        assert len(set(views[:-1])) == len(values), f"{control.description} shows the same at two values"


def check_the_names_of_controls(explorer, longest: int = 12) -> None:
    """Each has one that fits into the 90 pixels beside it; sliders say their value, and move the picture while they are dragged."""

    def within(widget):
        return [c for child in widget.children for c in within(child)] if isinstance(widget, widgets.Box) else [widget]

    for control in (c for outer in explorer.controls for c in within(outer) if not isinstance(c, widgets.HTML | widgets.Play)):
        assert control.description
        assert isinstance(control, widgets.Button) or len(control.description) <= longest, control.description
        assert getattr(control, "readout", True)
        assert getattr(control, "continuous_update", True)


def check_the_words_of_pictures(explorer, numbers: bool = True) -> None:
    """A reader who cannot see a picture is told what it shows, with at least one number unless `numbers` is False."""
    tags = re.findall(r"<(?:img|svg)[^>]*>", explorer.view.value)
    assert tags
    for tag in tags:
        alt = re.search(r'(?:alt|aria-label)="([^"]*)"', tag)
        assert alt and len(alt[1]) > 10, tag[:80]
        assert re.search(r"\d", alt[1]) or not numbers, alt[1]


def check_the_static_figure(explorer, at_most: int) -> None:
    """Without a kernel there is a picture, of at most so many characters: notebooks hold several of them in 1.5 MB."""
    data, metadata = explorer._repr_mimebundle_()
    page = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert 400 < page.width <= 1.25 * 990 and page.height > 200
    assert np.asarray(page.convert("L")).std() > 5, "an empty page"
    assert len(data["image/png"]) < at_most
    assert metadata["image/png"]["alt"] == data["text/plain"]
    assert data["text/plain"].startswith(type(explorer).__name__)
