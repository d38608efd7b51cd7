"""What tests of explorers share: reading back what one shows, setting its controls, and models that say something."""

import base64
import html
import io
import re

import ipywidgets as widgets
import numpy as np
import torch
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


def cells(sheet: np.ndarray, across: int, side: int = 8) -> np.ndarray:
    """The pictures of a sheet, one pixel apart, (n, side, side, ...)."""
    rows = (sheet.shape[0] + 1) // (side + 1)
    return np.stack([sheet[r * (side + 1) :][:side, c * (side + 1) :][:, :side] for r in range(rows) for c in range(across)])


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


def values_of(control) -> list:
    """Every option of a menu; the ends of a slider."""
    if isinstance(control, widgets.Checkbox):
        return [True, False]
    return [value for _, value in control._options_full] if hasattr(control, "options") else [control.min, control.max]


def set_to(explorer, **values):
    """Set controls by name, and see that all is drawn."""
    for name, value in values.items():
        getattr(explorer, name).value = value
    assert 'role="alert"' not in explorer.view.value, explorer.view.value
    return explorer


def shaken(model, size: float, seed: int = 0):
    """The model with random weights, far enough from 0 that it says something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p += size * torch.randn(p.shape, generator=generator)
    return model.eval()
