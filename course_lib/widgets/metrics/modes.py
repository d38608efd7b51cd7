"""Known modes: faces of which some are withheld, and which scores miss them."""

from typing import Any

import torch
from torch import Tensor

from ...datasets import faces
from ...datasets.faces.captions import phrase
from ...metrics import face_features, missing_pairs, neighbour_scores
from ...plotting.panels import CYCLE, GREY, Chart, Line, Mark, Note, Strips
from .. import HALF, WIDE, Explorer, as_images, choice_slider, kept_for, menu, seed_slider

WORDS = (
    ("hat", "hat"), ("beard", "beard"), ("glasses", "dark"), ("hair_colour", "red"), ("hair", "long"), ("mouth", "sad"), ("skin", "dark"),
    ("background", "blue"),
)  # fmt: skip
SHARES = (0.0, 0.5, 0.8, 0.9, 0.95, 1.0)
SCORES = ("precision", "recall", "density", "coverage")


class WithheldExplorer(Explorer):
    """A sampler of real faces that leaves out some of those with a certain word: what do four scores say, and what an exact count?

    Args:
        images: (n, 3, 16, 16), faces that the sampler draws from, 800 or more
        y: (n, 17), their factors
        real: (m, 3, 16, 16), others, which it is compared with
        real_y: (m, 17)

    Attributes:
        word: the menu, what is withheld;  share: how much of it, the slider;  seed: which faces are drawn
    """

    SIZE, SHOWN = 500, 14

    def __init__(self, images: Any, y: Any, real: Any, real_y: Any):
        self.images, real = as_images(images), as_images(real, "real")
        self.y = faces.rows(y)
        if len(self.y) != len(self.images) or len(self.images) < 800:
            raise ValueError(f"give 800 images or more with a row of y for each, got {len(self.images)} images and {len(self.y)} rows")
        self.features, self.real = face_features(self.images), face_features(real)
        self.words, self.reference = (seen_words(rows) for rows in (self.y, faces.rows(real_y, "real_y")))
        self.size = min(self.SIZE, 2 * len(self.images) // 5)  # so many are left without any one of these words
        self.pairs = len(missing_pairs(self.words[:0], self.reference))  # those that real faces hold
        attributes = faces.attributes(self.y)
        self.has = {
            (name, word): attributes[:, list(faces.ATTRIBUTES).index(name)] == faces.ATTRIBUTES[name].index(word) for name, word in WORDS
        }
        self.word = menu("withhold", [(phrase(*word), word) for word in WORDS])
        self.share = choice_slider("share", [(f"{share:.0%}", share) for share in SHARES], 1.0)
        self.seed = seed_slider("draw")
        super().__init__([self.word, self.share, self.seed])

    def drawn(self, share: float) -> Tensor:
        """Which images the sampler draws when this share of those with the word is withheld, (size,). The others stay as they are."""
        generator = torch.Generator().manual_seed(self.seed.value)
        order, luck = torch.randperm(len(self.images), generator=generator), torch.rand(len(self.images), generator=generator)
        return order[~(self.has[self.word.value] & (luck < share))[order]][: self.size]

    @kept_for("word", "seed")
    def measured(self) -> list[dict[str, float]]:
        """At each share the four scores and how many `pairs` are missing."""
        found = []
        for share in SHARES:
            rows = self.drawn(share)
            scores = neighbour_scores(self.real, self.features[rows])
            found.append({name: getattr(scores, name) for name in SCORES} | {"pairs": len(missing_pairs(self.words[rows], self.reference))})
        return found

    def panels(self):
        share, word, found = self.share.value, phrase(*self.word.value), self.measured()
        now, before = found[SHARES.index(share)], found[0]
        rows, has = self.drawn(share), self.has[self.word.value]
        still = has[rows].double().mean().item()
        pictures = Strips(
            f"{len(rows)} faces, {still:.0%} of them with {word}",
            [
                ("drawn", self.images[rows[: self.SHOWN]], f"{self.SHOWN} of the faces that are drawn, {share:.0%} of {word} withheld"),
                ("withheld", self.images[has][: self.SHOWN] if share else [], f"faces with {word}, of which {share:.0%} are withheld"),
            ],
            42,
        )
        lines = [
            Line(SHARES, [each[name] for each in found], name, CYCLE[i], markers=True, dashed=i % 2 == 0) for i, name in enumerate(SCORES)
        ]
        marks = [Mark(share, now[name], "", CYCLE[i]) for i, name in enumerate(SCORES)]
        said = "; ".join(f"{name} {before[name]:.2f} → {now[name]:.2f}" for name in SCORES)
        axis = {"x_range": (-0.03, 1.05), "x_ticks": {s: f"{s:.0%}" for s in (0.0, 0.5, 0.8, 1.0)}, "width": HALF, "height": 250}
        scores = Chart(
            "four scores", "share withheld", "", f"four scores as {word} is withheld: {said}", lines, marks=marks, y_range=(0, 1.25), **axis
        )
        missing = [each["pairs"] for each in found]
        told = ", ".join(f"{n} at {s:.0%}" for s, n in zip(SHARES, missing, strict=True))
        counted = Chart(
            f"pairs of words that never come, of {self.pairs}", "share withheld", "", f"pairs of words that are missing: {told}",
            [Line(SHARES, missing, color=GREY, markers=True)], marks=[Mark(share, now["pairs"], f"{now['pairs']}")],
            y_range=(0, 1.2 * max(*missing, 10)), **axis,
        )  # fmt: skip
        text = f"{share:.0%} of the faces with {word} are withheld: {said}. "
        text += (
            f"Of {self.pairs} pairs of words that real faces hold, {now['pairs']} never come; without withholding {before['pairs']} do not."
        )
        return [[pictures], [scores, counted], [Note(text, WIDE)]]


def seen_words(y: Tensor) -> Tensor:
    """The words of faces (n, 17) → (n, 10), −1 for what cannot be seen."""
    return torch.where(faces.visible(y, words=True), faces.attributes(y), -1)
