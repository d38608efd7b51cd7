"""Faces: 16×16 pixels in colour, drawn from 25 kB of parts, so that every factor is known and every counterfactual exact.

    data = load("faces")                            # 60,000 faces, and y (n, 17): which value each factor has
    smiling = draw({"hair": "long", "hair_colour": "red", "mouth": "happy", "glasses": "dark"})
    with_hat = draw(change(data.y[:8], hat="hat"))  # the same eight faces, each with a hat
    texts = captions(data.y[:8])                    # "a smiling face with long red hair, dark glasses and a green shirt", …
    parse(texts[0])                                 # {"mouth": "happy", "hair": "long", "hair_colour": "red", …}

A value such as `long07` is one drawing; `long` is the word for all of its kind, and what captions say. The parts (`parts.json`, with
licence and origin in `LICENCE.txt`) are those of the "Pixel Art" avatars by DiceBear, version 9.4.3, CC0 1.0; the beards are ours.
"""

from .captions import VOCABULARY, captions, parse  # noqa: F401
from .drawing import between, draw, visible  # noqa: F401
from .factors import (  # noqa: F401
    ATTRIBUTES,
    COLOURS,
    FACTORS,
    HELD_OUT,
    KINDS,
    SIZE,
    WORDS,
    attributes,
    change,
    named,
    row,
    rows,
    told,
    word_index,
)
from .splits import SPLITS, held_out, load, random_factors  # noqa: F401
