"""The next symbol of a text, by any model that predicts one: shared by the explorers of lectures 05 and 09."""

import math

import ipywidgets as widgets
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..datasets import ALPHABET, Text, encode
from ..plotting.panels import CYCLE, GREY, INK, Drawing, Note
from ..transformers import BPE
from . import BESIDE, Explorer, at_rest, kept_for, seed_slider, wide
from .cuts import PALE, Cut, cut_sliders, kept


def shown(character: str) -> str:
    """A character as it stands under a bar."""
    return {" ": "space", "\n": "newline"}.get(character, visible(character))


def visible(text: str) -> str:
    """A text on one line whose spaces nothing merges: newlines as ↵."""
    return text.replace("\n", "↵").replace(" ", "\u00a0")


class NextCharacterExplorer(Explorer):
    """The next character after a prompt: the model's distribution, what temperature, top-k and nucleus leave of it, and how it goes on.

    Args:
        model: one of symbols that has `logits` and `sample`, such as a `CharLSTM` or a `GPT`
        alphabet: its symbols in order, a `Text` that has them, or a `BPE`, whose symbols are pieces of words
        prompt: what stands in the text field at first

    Attributes:
        prompt: the text field;  temperature, top_k, nucleus, seed: the sliders
    """

    BARS, LENGTH, TEXTS, LINE = 15, 120, 3, 60

    def __init__(self, model: nn.Module, alphabet: str | Text | BPE = ALPHABET, prompt: str = "The "):
        self.pieces = None if isinstance(alphabet, str | Text) else alphabet
        self.alphabet = self.pieces.pieces if self.pieces else alphabet.alphabet if isinstance(alphabet, Text) else alphabet
        if not all(hasattr(model, name) for name in ("symbols", "logits", "sample")):
            raise ValueError(f"the model must say what comes next in a text, as a CharLSTM or a GPT does, got {type(model).__name__}")
        if model.symbols != len(self.alphabet):
            raise ValueError(f"the model has {model.symbols} symbols and the alphabet {len(self.alphabet)}; give the one it was trained on")
        if " " not in self.alphabet:
            raise ValueError("the alphabet needs a space: characters that it does not have are read as one")
        self.model = model
        self.noun = "character" if self.pieces is None else "piece"
        self.prompt = widgets.Text(prompt, description="prompt", placeholder="empty: the beginning", continuous_update=True, **wide())
        self.temperature, self.top_k, self.nucleus = cut_sliders(model.symbols)
        self.seed = seed_slider()
        super().__init__([self.prompt, self.temperature, self.top_k, self.nucleus, self.seed])

    @kept_for("prompt")
    def read(self) -> Tensor:
        """The logits (symbols,) after the prompt."""
        with at_rest(self.model) as device:
            x = F.pad(self.symbols(), (0, 1))  # whatever stands there, its logits come from what is before it
            return self.model.logits(x[:, -getattr(self.model, "context", x.shape[1]) :].to(device))[0, -1].cpu()

    def symbols(self) -> Tensor:
        """The prompt, (1, symbols)."""
        if self.pieces is None:
            return encode(self.prompt.value, self.alphabet).long()[None]
        return self.pieces.encode("".join(c if c in self.alphabet else " " for c in self.prompt.value))[None]

    @kept_for("prompt", "temperature", "top_k", "nucleus", "seed")
    def continuations(self) -> list[str]:
        """Three texts that go on from the prompt, by the same random numbers at every setting but the seed."""
        # the same draws for each place after the prompt, however long that is
        u = torch.rand(self.TEXTS, self.LENGTH, generator=torch.Generator().manual_seed(self.seed.value))
        start = self.symbols()
        k, p = self.top_k.value, round(self.nucleus.value, 4)
        with at_rest(self.model) as device:
            drawn = self.model.sample(
                self.TEXTS,
                start.shape[1] + self.LENGTH,
                temperature=round(self.temperature.value, 4),
                keep=lambda logits: kept(logits, k, p),
                start=start.to(device),
                uniforms=F.pad(u, (start.shape[1], 0)).to(device),
            )
        return ["".join(self.alphabet[i] for i in row)[: self.LENGTH] for row in drawn[:, start.shape[1] :].tolist()]

    def panels(self):
        cut = Cut(self.read(), self.temperature.value, self.top_k.value, self.nucleus.value)
        return [[self.bars(cut)], [self.texts()], [Note(self.words(cut), BESIDE)]]

    def bars(self, cut: Cut) -> Drawing:
        """The likeliest characters, one line each: grey is the model's probability, blue what is drawn from."""
        order = np.argsort(-cut.model, kind="stable")[: self.BARS]
        p, q = cut.model[order], cut.drawn[order]
        names = [shown(self.alphabet[i]) for i in order]
        left, line, top = 62, 17, 44
        scale = (BESIDE - left - 86) / max(p.max(), q.max())

        def draw(canvas) -> None:
            canvas.text(0, 15, f"the {len(order)} likeliest next {self.noun}s", 12, bold=True)
            for x, colour, label in ((0, PALE, "model"), (72, CYCLE[0], "drawn from; cut off: grey only")):
                canvas.rect(x, 24, 14, 8, colour)
                canvas.text(x + 18, 32, label)
            for i, (name, model, after) in enumerate(zip(names, p, q, strict=True)):
                y = top + line * i
                canvas.text(left - 7, y + 11, name, 12, "end", color=INK if after > 0 else "#a3abb3")
                canvas.rect(left, y + 1, max(0.5, scale * model), line - 4, PALE)
                if after > 0:
                    canvas.rect(left, y + 4, max(0.5, scale * after), line - 10, CYCLE[0])
                before, now = ("<0.001" if v < 0.0005 else f"{v:.3f}" for v in (model, after))
                told = before if after == 0 or before == now else f"{before} → {now}"
                canvas.text(left + scale * max(model, after) + 6, y + 11, told, 10, color=GREY)
            canvas.line((left, left), (top - 2, top + line * len(order)), GREY, 1)

        best = ", ".join(f"{name} {model:.3f}" for name, model in list(zip(names, p))[:3])
        return Drawing(f"the likeliest next {self.noun}s: {best}; {cut.told}", BESIDE, top + line * len(order) + 2, draw)

    def texts(self) -> Drawing:
        """The continuations, with the end of the prompt before them in grey."""
        prompt = self.prompt.value
        start = visible(f"…{prompt[-15:]}" if len(prompt) > 15 else prompt)
        texts = [visible(text) for text in self.continuations()]
        lines = math.ceil(self.LENGTH / self.LINE)
        tall = 18 * lines + 8

        def draw(canvas) -> None:
            canvas.text(0, 15, f"three ways to go on after “{start}”; ↵ is a newline", 12, bold=True)
            for i, text in enumerate(texts):
                y = 38 + tall * i
                canvas.rect(0, y - 13, 3, 18 * lines, CYCLE[i])
                for j in range(lines):
                    canvas.text(10, y + 18 * j, text[j * self.LINE : (j + 1) * self.LINE], 12)

        alt = f"{self.LENGTH} characters after “{start}”, three times: " + " / ".join(texts)
        return Drawing(alt, BESIDE, 28 + tall * len(texts), draw)

    def words(self, cut: Cut) -> str:
        odd = [repr(c)[1:-1] for c in sorted({c for c in self.prompt.value if c not in self.alphabet})]
        text = f"What is not in the alphabet is read as a space: {' '.join(odd)}. " if odd else ""
        if not self.prompt.value:
            text += f"The prompt is empty, so this is the first {self.noun} of a text. "
        text += cut.words(self.noun)
        return text + f" Perplexity 2^{cut.before:.2f} = {2**cut.before:.1f}."
