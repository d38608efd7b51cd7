"""Texts as whole numbers, one a character."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

# The printable characters that English text and Python's manual need; all others become a space.
ALPHABET = "\n " + "".join(map(chr, range(33, 127)))


@dataclass(frozen=True, eq=False)
class Text:
    """One split of a text.

    x: uint8 (time,), the place of each character in the alphabet
    """

    name: str
    split: str
    x: Tensor
    alphabet: str = ALPHABET

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"{self.name} ({self.split}): {len(self):,} characters of an alphabet of {len(self.alphabet)}"

    def to(self, device: str | torch.device) -> "Text":
        return replace(self, x=self.x.to(device))

    def pieces(self, length: int, stride: int | None = None) -> Tensor:
        """Pieces for training or measuring, int64 (n, length): one begins every `stride` characters, at the end of the last if left out."""
        return self.x.long().unfold(0, length, stride or length).contiguous()

    def decode(self, x: Tensor) -> str:
        """Whole numbers (time,) → characters."""
        return "".join(self.alphabet[i] for i in x.tolist())


def encode(text: str, alphabet: str = ALPHABET) -> Tensor:
    """Characters → uint8 (time,), the place of each in the alphabet; those outside it become a space."""
    places = {character: i for i, character in enumerate(alphabet)}
    return torch.tensor([places.get(character, places[" "]) for character in text], dtype=torch.uint8)


def manual(split: str) -> Text:
    """Python's own manual, which comes with every Python and differs a little between versions: the last tenth of each topic is test.

    Many topics hold paragraphs of others. Each paragraph stays where it is met first, or the test would be full of what was trained on.
    """
    from pydoc_data.topics import topics

    seen, parts = set(), []
    for name in sorted(topics):
        new = []
        for paragraph in topics[name].split("\n\n"):
            words = " ".join(paragraph.split())  # one paragraph is indented in one topic and not in another
            if words not in seen:
                new.append(paragraph)
            seen.add(words)
        text = "\n\n".join(new)
        cut = len(text) * 9 // 10
        parts.append(text[:cut] if split == "train" else text[cut:])
    return Text("manual", split, encode("\n".join(parts)))
