"""Faces by their factors, and faces asked for in words. Several topics show them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..datasets import faces, to_float
from ..datasets.faces.captions import phrase
from ..metrics import factor_accuracy, predicted_attributes
from ..plotting.panels import Note, Strips, Table
from . import Explorer, as_images, at_rest, choice_slider, kept_for, menu, reconstruct, seed_slider, seeded

NOT_SAID = "any"
EDITED = ("skin", "hair", "hair_colour", "glasses", "beard", "mouth", "clothing_colour", "hat", "background")  # what `FaceEditor` moves
SPOKEN = ("mouth", "hair", "hair_colour", "glasses", "beard", "hat", "clothing_colour")  # what `WordsExplorer` asks for


def in_words(name: str) -> str:
    """ "hair_colour" → "hair colour", "clothing_colour" → "top": what stands beside a control."""
    return {"clothing_colour": "top"}.get(name, name.replace("_", " "))


class FaceEditor(Explorer):
    """Every factor of a drawn face has a slider; beside it what a model keeps of the face: encoded to numbers, and decoded again.

    Args:
        model: has `encode` and `decode`, for faces
        start: factor → value of the first face; what is not named is as in the plain one

    Attributes:
        sliders: factor → its slider
    """

    def __init__(self, model: nn.Module, start: Mapping[str, str] | None = None):
        if tuple(getattr(model, "shape", ())) != (3, faces.SIZE, faces.SIZE):
            raise ValueError(f"the model must draw faces, {(3, faces.SIZE, faces.SIZE)}, not {getattr(model, 'shape', None)}")
        self.model = model
        first = faces.named(faces.row(start or {"hair": "long", "hair_colour": "red", "glasses": "dark", "hat_colour": "blue"}))
        self.sliders = {name: choice_slider(in_words(name), faces.FACTORS[name], first[name]) for name in EDITED}
        self.fixed = {name: value for name, value in first.items() if name not in EDITED}
        super().__init__([*self.sliders.values()])

    @property
    def y(self) -> Tensor:
        """The factors of the face that is drawn, (17,)."""
        return faces.row(self.fixed | {name: control.value for name, control in self.sliders.items()})

    def panels(self):
        y = self.y
        drawn = to_float(faces.draw(y))[None]
        kept = reconstruct(self.model, drawn).clamp(0, 1)
        error = float((kept - drawn).square().mean())
        said = faces.captions(y[None])[0]
        asked, read = faces.attributes(y[None])[0], predicted_attributes(kept)[0]
        seen = faces.visible(y[None], words=True)[0]
        rows, lost = [], []
        for j, (name, words) in enumerate(faces.ATTRIBUTES.items()):
            if not seen[j]:
                continue
            rows.append({"factor": in_words(name), "drawn": words[int(asked[j])], "read after decoding": words[int(read[j])]})
            lost += [len(rows) - 1] if read[j] != asked[j] else []
        pictures = Strips(
            f"drawn, and decoded from {self.model.config['latents']} numbers: squared error {error:.4f} a pixel",
            [("", torch.cat([drawn, kept]), f"{said}; beside it as decoded, mean squared error {error:.4f}")],
            208,
        )
        table = Table(
            "what the face network reads", rows, f"{len(rows)} words of the face, as drawn and as read after decoding", marked=lost
        )
        note = f"Lost on the way: {', '.join(rows[i]['factor'] for i in lost)}." if lost else "Every word that can be seen is still read."
        return [[pictures], [table], [Note(f"“{said}”. {note}", 440)]]


class WordsExplorer(Explorer):
    """Ask a model for faces in words, and see how often it obeys.

    Args:
        model: has `sample(n, y=words)` for words (n, 10); one that is guided may be told less, and hears −1 for what is not said
        guided: whether `sample` takes `guidance`, which then has a slider
        n: how many faces are drawn

    Attributes:
        menus: factor → its menu, whose first entry says nothing;  guidance, seed: the sliders
    """

    BELOW = True

    def __init__(self, model: nn.Module, guided: bool = False, n: int = 16, **options: Any):
        if isinstance(getattr(model, "classes", 0), int):
            raise ValueError(f"{type(model).__name__} is told no words: give a model that was trained with those of faces")
        self.model, self.guided, self.n, self.options = model, guided, n, options
        self.menus = {name: menu(in_words(name), [NOT_SAID, *faces.ATTRIBUTES[name]]) for name in SPOKEN}
        self.menus["mouth"].value, self.menus["hair"].value, self.menus["hair_colour"].value = "happy", "long", "red"
        self.guidance = choice_slider("guidance", [0.0, 1.0, 1.5, 2.0, 3.0, 5.0], 2.0)
        self.seed = seed_slider("draw")
        # what is not said: as in some test faces, for models that must be told everything
        self.usual = faces.attributes(faces.load("test").y[:n])
        super().__init__([*self.menus.values(), *([self.guidance] if guided else []), self.seed])

    def said(self) -> dict[str, str]:
        """Factor → word, of what is said."""
        return {name: control.value for name, control in self.menus.items() if control.value != NOT_SAID}

    @kept_for("guidance", "seed")
    def drawn(self, said: tuple[tuple[str, str], ...]) -> Tensor:
        """(n, 3, 16, 16) in [0, 1]."""
        told = faces.told(dict(said)).expand(self.n, -1)
        with at_rest(self.model) as device, seeded(self.seed.value, device):
            y = told if self.guided else torch.where(told < 0, self.usual, told)
            options = self.options | ({"guidance": self.guidance.value} if self.guided else {})
            x = self.model.sample(self.n, y=y.to(device), **options).cpu()
        return as_images(x if x.is_floating_point() else x.to(torch.uint8))

    def panels(self):
        said = self.said()
        x = self.drawn(tuple(said.items()))
        told = faces.told(said).expand(self.n, -1)
        obeyed = factor_accuracy(x, told) if said else {}
        text = ", ".join(f"{in_words(name)} {word}" for name, word in said.items()) or "nothing"
        pair = next((p for p in faces.HELD_OUT if said.get(p[0]) == p[1] and said.get(p[2]) == p[3]), None)
        pictures = Strips(f"asked for: {text}", [("", x, f"{self.n} faces drawn for: {text}")], 80, wrap=8)
        words = " ".join(f"{in_words(name)}: {share:.0%}." for name, share in obeyed.items())
        note = f"Read in how many of {self.n}: {words}" if obeyed else f"Nothing is asked for: {self.n} faces of any kind."
        if pair:
            note += f" No training face has both {phrase(*pair[:2])} and {phrase(*pair[2:])}."
        return [[pictures], [Note(note, 780)]]
