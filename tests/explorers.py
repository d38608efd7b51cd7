"""What an explorer shows, read back from its view."""

import base64
import html
import io
import re

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
