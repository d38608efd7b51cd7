"""Explorers of models of text and sound."""

import math

import ipywidgets as widgets
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...autoregressive import CharLSTM
from ...datasets import RATE, Text, encode
from ...datasets.texts import ALPHABET
from ...plotting.panels import CYCLE, GREY, INK, Chart, Drawing, Line, Mark, Note
from .. import BESIDE, HALF, WIDE, Explorer, at_rest, int_slider, kept_for, menu, plural, seed_slider, wide
from .cuts import PALE, Cut, cut_sliders, kept

# --------------------------------------------------------------------------------------------------------------------
# The next character


def shown(character: str) -> str:
    """A character as it stands under a bar."""
    return {" ": "space", "\n": "newline"}.get(character, character)


def visible(text: str) -> str:
    """A text on one line whose spaces nothing merges: newlines as ↵."""
    return text.replace("\n", "↵").replace(" ", "\u00a0")


class NextCharacterExplorer(Explorer):
    """The next character after a prompt: the model's distribution, what temperature, top-k and nucleus leave of it, and how it goes on.

    Args:
        model: a `CharLSTM`
        alphabet: its symbols in order, or a `Text` that has them
        prompt: what stands in the text field at first

    Attributes:
        prompt: the text field;  temperature, top_k, nucleus, seed: the sliders
    """

    BARS, LENGTH, TEXTS, LINE = 15, 120, 3, 60

    def __init__(self, model: CharLSTM, alphabet: str | Text = ALPHABET, prompt: str = "The "):
        self.alphabet = alphabet.alphabet if isinstance(alphabet, Text) else alphabet
        if not isinstance(model, CharLSTM):
            raise ValueError(f"the model must be a CharLSTM, got {type(model).__name__}")
        if model.symbols != len(self.alphabet):
            raise ValueError(f"the model has {model.symbols} symbols and the alphabet {len(self.alphabet)}; give the one it was trained on")
        if " " not in self.alphabet:
            raise ValueError("the alphabet needs a space: characters that it does not have are read as one")
        self.model = model
        self.prompt = widgets.Text(prompt, description="prompt", placeholder="empty: the beginning", continuous_update=True, **wide())
        self.temperature, self.top_k, self.nucleus = cut_sliders(model.symbols)
        self.seed = seed_slider()
        super().__init__([self.prompt, self.temperature, self.top_k, self.nucleus, self.seed])

    @kept_for("prompt")
    def read(self) -> Tensor:
        """The logits (symbols,) after the prompt."""
        with at_rest(self.model) as device:
            symbols = encode(self.prompt.value, self.alphabet).long()[None]
            start = torch.full((1, 1), self.model.symbols)  # "nothing yet"
            out, _ = self.model.lstm(self.model.embed(torch.cat([start, symbols], 1).to(device)))
            return self.model.head(out[0, -1]).cpu()

    @kept_for("prompt", "temperature", "top_k", "nucleus", "seed")
    def continuations(self) -> list[str]:
        """Three texts that go on from the prompt, by the same random numbers at every setting but the seed."""
        # the same draws for each place after the prompt, however long that is
        u = torch.rand(self.TEXTS, self.LENGTH, generator=torch.Generator().manual_seed(self.seed.value))
        start = encode(self.prompt.value, self.alphabet).long()[None]
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
        return ["".join(self.alphabet[i] for i in row) for row in drawn[:, start.shape[1] :].tolist()]

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
            canvas.text(0, 15, f"the {len(order)} likeliest next characters", 12, bold=True)
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
        return Drawing(f"the likeliest next characters: {best}; {cut.told}", BESIDE, top + line * len(order) + 2, draw)

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
            text += "The prompt is empty, so this is the first character of a text. "
        text += cut.words("character")
        return text + f" Perplexity 2^{cut.before:.2f} = {2**cut.before:.1f}."


# --------------------------------------------------------------------------------------------------------------------
# Dilated convolutions

WIDTH = 32  # channels of the WaveNet whose cost is counted
LAYERS = 9


def dilations(kind: str, layers: int) -> list[int]:
    """Of each layer, from the input upwards."""
    return [2**k if kind == "dilated" else 1 for k in range(layers)]


def tree(steps: list[int]) -> list[list[int]]:
    """How far back each level reaches for one output: the input's places first, the output's [0] last."""
    levels = [[0]]
    for d in reversed(steps):
        levels.append(sorted({back + way for back in levels[-1] for way in (0, d)}))
    return levels[::-1]


class DilationExplorer(Explorer):
    """Causal convolutions with two taps, dilated as in WaveNet or plain: what one output can hear, and what a new sample costs.

    Attributes:
        layers: the slider;  kind: the menu
    """

    def __init__(self):
        self.layers = int_slider("layers", 4, 1, LAYERS)
        self.kind = menu("kind", ["dilated", "plain"])
        super().__init__([self.layers, self.kind])

    def panels(self):
        kind, layers = self.kind.value, self.layers.value
        levels = tree(dilations(kind, layers))
        # with a ring each layer computes one new value; without, all that the output needs, and neither counts the input
        nodes = sum(map(len, levels[1:]))
        each = 6 * WIDTH**2  # two taps to 2 · width channels, then a mix to 2 · width
        return [[self.drawing(levels)], [self.field(), self.cost()], [Note(self.words(len(levels[0]), nodes, each), WIDE)]]

    def drawing(self, levels: list[list[int]]) -> Drawing:
        layers, field = self.layers.value, len(levels[0])
        window = max(16, min(2**layers, 4 * 2 ** math.ceil(math.log2(field))))  # samples in sight
        left, right, top, step = 70, WIDE - 12, 40, max(16, min(46, 220 // layers))
        bottom = top + step * layers
        pitch = (right - left) / (window - 1)

        def x(back):
            return right - pitch * np.asarray(back, dtype=float)

        def draw(canvas) -> None:
            title = f"{plural(layers, 'layer')}, {self.kind.value}: one output hears {plural(field, 'sample')}"
            canvas.text(0, 15, title, 12, bold=True)
            faint = np.arange(window)
            if window <= 128:
                for level in range(layers + 1):
                    canvas.strokes(x(faint)[:, None], np.full((window, 1), bottom - step * level), "#ccd2d8", min(7.0, 0.6 * pitch))
            for level, d in enumerate(dilations(self.kind.value, layers), 1):
                above = np.repeat(levels[level], 2)
                below = above + np.tile([0, d], len(levels[level]))
                y = bottom - step * level
                canvas.strokes(np.stack([x(below), x(above)], 1), np.tile([y + step, y], (len(above), 1)), CYCLE[0], 1.4, 0.8)
                canvas.text(left - 10, y + 4, f"step {d}", 10, "end", color=GREY)
            for level, places in enumerate(levels):
                size = max(6.0 if level == layers else 2.5, min(8.0, 0.7 * pitch))
                colour = CYCLE[1] if level == layers else CYCLE[2] if level == 0 else CYCLE[0]
                canvas.strokes(x(places)[:, None], np.full((len(places), 1), bottom - step * level), colour, size)
            canvas.text(left - 10, bottom + 4, "sound", 10, "end", color=GREY)
            canvas.text(right, top - 9, "output", 10, "end", color=CYCLE[1])
            for back in sorted({0, window // 4, window // 2, 3 * window // 4, window - 1}):
                canvas.text(float(x(back)), bottom + 20, "now" if back == 0 else f"−{back}", 10, "middle", color=GREY)
            canvas.text((left + right) / 2, bottom + 36, "samples of the past", 11, "middle")

        alt = f"tree of {plural(layers, 'layer')} of {self.kind.value} causal convolutions; the output hears {plural(field, 'sample')}; "
        alt += "used in each layer from the sound up: " + ", ".join(str(len(places)) for places in levels)
        return Drawing(alt, WIDE, bottom + 42, draw)

    def field(self) -> Chart:
        depths = np.arange(1, LAYERS + 1)
        fields = {kind: np.array([1 + sum(dilations(kind, n)) for n in depths]) for kind in ("dilated", "plain")}
        here = int(fields[self.kind.value][self.layers.value - 1])
        return Chart(
            "receptive field",
            "layers",
            "samples",
            f"receptive field against layers, logarithmic; {self.kind.value} with {self.layers.value}: {here}",
            [Line(depths, fields["dilated"], "dilated: 2ⁿ"), Line(depths, fields["plain"], "plain: n + 1", CYCLE[2])],
            marks=[Mark(self.layers.value, here, str(here), CYCLE[1])],
            log_y=True,
            x_range=(0.7, LAYERS + 0.3),
            y_range=(1.5, 800),
            x_ticks={int(n): str(n) for n in depths},
            width=HALF,
            height=230,
        )

    def cost(self) -> Chart:
        depths, each = np.arange(1, LAYERS + 1), 6 * WIDTH**2
        without = np.array([each * sum(map(len, tree(dilations(self.kind.value, n))[1:])) for n in depths])
        k = self.layers.value - 1
        return Chart(
            f"multiplications for each new sample, {self.kind.value}",
            "layers",
            "thousand multiplications",
            f"multiplications per new sample; with {k + 1} layers {without[k]:,} without a ring buffer, {each * (k + 1):,} with one",
            [
                Line(depths, without / 1000, f"without: {without[k]:,}"),
                Line(depths, each * depths / 1000, f"ring buffer: {each * (k + 1):,}", CYCLE[2]),
            ],
            marks=[Mark(k + 1, without[k] / 1000, color=CYCLE[0]), Mark(k + 1, each * (k + 1) / 1000, color=CYCLE[2])],
            log_y=True,
            x_range=(0.7, LAYERS + 0.3),
            y_range=(3, 8e3),
            x_ticks={int(n): str(n) for n in depths},
            width=HALF,
            height=230,
        )

    def words(self, field: int, nodes: int, each: int) -> str:
        layers = self.layers.value
        text = f"The output hears {plural(field, 'sample')}, {1000 * field / RATE:g} ms at {RATE:,} Hz. "
        text += f"Without memory a new sample needs {plural(nodes, 'node')} of the tree, {nodes * each:,} multiplications; with a ring "
        text += f"buffer in each layer only the newest of each, {plural(layers, 'node')}, {layers * each:,}"
        text += f": {nodes / layers:.1f} times fewer. " if nodes > layers else ", for there is nothing to keep yet. "
        return text + f"One node of a WaveNet with {WIDTH} channels takes {each:,}; the output layers come on top either way."
