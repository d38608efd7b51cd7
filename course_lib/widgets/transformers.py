"""Explorers of transformers: masks, positions, where models look, translation, masked diffusion of text, and what it all costs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from torch import Tensor

from ..datasets import ALPHABET, encode
from ..datasets.pairs import NUMBERS, english, french, held_out
from ..plotting.panels import CYCLE, GREY, INK, Chart, Drawing, Line, Mark, Note, outline, png, ramp
from ..transformers import GPT, MaskedLM, Translator, ViT, attention, causal_mask, sinusoidal_positions
from . import (
    BESIDE,
    HALF,
    WIDE,
    Explorer,
    as_images,
    at_rest,
    choice_slider,
    int_slider,
    kept_for,
    menu,
    plural,
    seed_slider,
    seeded,
    some,
    wide,
)
from .words import NextCharacterExplorer  # noqa: F401

BLUE = (63, 144, 218)
LETTER, LINE = 13, 24  # pixels of a character of a text, and of a line


def visible(character: str) -> str:
    """A character that can be seen: spaces and newlines too."""
    return {" ": "·", "\n": "↵"}.get(character, character)


def heat(weights: Tensor | np.ndarray) -> np.ndarray:
    """Weights (rows, columns) as a blue picture; the largest of each row is the darkest."""
    w = np.asarray(weights, dtype=float)
    return ramp(w / np.maximum(w.max(-1, keepdims=True), 1e-9), (255, 255, 255), BLUE)


def letters_panel(title: str, text: Sequence[str], shades: Sequence[float], alt: str, framed: Sequence[int] = ()) -> Drawing:
    """A text, one box a character, as blue as its shade in [0, 1]; some boxes are framed."""
    across = (WIDE - 8) // LETTER
    lines = math.ceil(len(text) / across)

    def draw(canvas) -> None:
        canvas.text(0, 15, title, 12, bold=True)
        for i, (character, shade) in enumerate(zip(text, shades, strict=True)):
            x, y = 2 + LETTER * (i % across), 26 + LINE * (i // across)
            if shade > 0.004:
                canvas.rect(x, y, LETTER, LINE - 4, CYCLE[0], min(1.0, shade))
            canvas.text(x + LETTER / 2, y + 14, visible(character), 12, "middle", color=INK if character.strip() else GREY)
        for i in framed:
            x, y = 2 + LETTER * (i % across), 26 + LINE * (i // across)
            outline(canvas, x, y, LETTER, LINE - 4, CYCLE[1])

    return Drawing(alt, WIDE, 30 + LINE * lines, draw)


def likeliest(title: str, logits: Tensor, names: Sequence[str], right: int | None, width: int = HALF, bars: int = 6) -> Drawing:
    """The likeliest symbols as bars; the right one red."""
    p = logits.double().softmax(0)
    order = p.argsort(descending=True, stable=True)[:bars].tolist()

    def draw(canvas) -> None:
        canvas.text(0, 15, title, 12, bold=True)
        for i, k in enumerate(order):
            y = 26 + 19 * i
            canvas.text(46, y + 12, visible(names[k]) if len(names[k]) == 1 else names[k], 12, "end")
            canvas.rect(54, y + 2, max(1.0, (width - 120) * float(p[k])), 13, CYCLE[1] if k == right else CYCLE[0])
            canvas.text(60 + (width - 120) * float(p[k]), y + 12, f"{float(p[k]):.3f}", 10, color=GREY)

    told = ", ".join(f"{visible(names[k])} {float(p[k]):.3f}" for k in order)
    return Drawing(f"{title}: {told}", width, 30 + 19 * len(order), draw)


def matrix(
    title: str, weights: Any, alt: str, rows: Sequence[str], columns: Sequence[str], across: str, down: str, side: int = HALF
) -> Drawing:
    """A heat map with a character at each row and column."""
    w = np.asarray(weights)
    each = max(4.0, min(26.0, (side - 40) / max(w.shape)))
    high, wide_ = each * w.shape[0], each * w.shape[1]

    def draw(canvas) -> None:
        canvas.text(0, 15, title, 12, bold=True)
        canvas.text(34 + wide_ / 2, 30, across, 10, "middle", color=GREY)
        canvas.text(10, 50 + high / 2, down, 10, "middle", turn=-90, color=GREY)
        canvas.image(34, 48, wide_, high, png(heat(w)))
        if each >= 7:
            for j, name in enumerate(columns):
                canvas.text(34 + each * (j + 0.5), 44, visible(name), 9, "middle", color=GREY)
            for i, name in enumerate(rows):
                canvas.text(30, 48 + each * (i + 0.5) + 3, visible(name), 9, "end", color=GREY)
        outline(canvas, 34, 48, wide_, high, GREY, 1)

    return Drawing(alt, round(max(34 + wide_ + 2, 7.2 * len(title))), round(52 + high), draw)


# --------------------------------------------------------------------------------------------------------------------
# Masks


class MaskExplorer(Explorer):
    """Who may look at whom: a causal mask and none, on the attention of one head over a short text.

    Attributes:
        mask: the menu;  place: the slider over the symbol to be predicted
    """

    TEXT = "to be or not to be"

    def __init__(self):
        self.mask = menu("mask", ["causal", "none"])
        self.place = int_slider("place", 8, 1, len(self.TEXT) - 1)
        self.scores = 2 * torch.randn(2, len(self.TEXT), 8, generator=torch.Generator().manual_seed(0))
        super().__init__([self.mask, self.place])

    def panels(self):
        n, place, causal = len(self.TEXT), self.place.value, self.mask.value == "causal"
        q, k = self.scores
        _, weights = attention(q, k, torch.zeros(n, 1), causal_mask(n) if causal else None)
        inputs = "▯" + self.TEXT[:-1]  # place i holds the symbol before x_i
        row = weights[place]
        seen = place + 1 if causal else n
        top = letters_panel(
            f"to predict “{visible(self.TEXT[place])}” at place {place}, the head reads {plural(seen, 'input')}",
            inputs,
            (row / row.max()).tolist(),
            f"the weights of place {place} over the {n} inputs; {plural(seen, 'input')} may be read",
            [place],
        )
        heatmap = matrix(
            f"weights, {self.mask.value} mask" if causal else "weights, no mask",
            weights,
            f"weights of {n} × {n} places; {(weights > 0).sum()} are above 0",
            inputs,
            inputs,
            "inputs that are read",
            "places that read",
        )
        text = f"Place {place} holds the symbol before it, and must say what comes next. "
        if not causal:
            text += (
                f"Without a mask it may read place {place + 1 if place + 1 < n else place}, where the answer “{self.TEXT[place]}” stands: "
            )
            text += "a model that is trained so learns to copy, and has nothing to copy when it writes."
        else:
            text += f"It reads the {plural(place + 1, 'place')} up to its own; of the {n * n} weights {n * (n + 1) // 2} may be above 0."
        return [[top], [heatmap, Note(text, HALF)]]


# --------------------------------------------------------------------------------------------------------------------
# Positions


class PositionExplorer(Explorer):
    """Clocks that tell the position: sines and cosines, and what their product knows of a distance.

    Attributes:
        first, second: positions;  shift: moves both
    """

    WIDTH, LENGTH = 32, 128

    def __init__(self):
        self.first, self.second = int_slider("position i", 10, 0, 63), int_slider("position j", 14, 0, 63)
        self.shift = int_slider("shift both", 0, 0, 64)
        self.table = sinusoidal_positions(self.LENGTH, self.WIDTH)
        super().__init__([self.first, self.second, self.shift])

    def panels(self):
        i, j = (slider.value + self.shift.value for slider in (self.first, self.second))
        product = float(self.table[i] @ self.table[j])
        return [[self.dials(i, j)], [self.sheet(i, j), self.products(i, j, product)], [Note(self.words(i, j, product), WIDE)]]

    def dials(self, i: int, j: int) -> Drawing:
        shown, radius = range(0, 16, 2), 34

        def draw(canvas) -> None:
            canvas.text(0, 15, "every second pair of entries as the hand of a clock: blue at i, red at j", 12, bold=True)
            for place, pair in enumerate(shown):
                x, y = 50 + 98 * place, 66
                turn = np.linspace(0, 2 * math.pi, 40)
                canvas.line(x + radius * np.cos(turn), y + radius * np.sin(turn), "#ccd2d8", 1)
                for position, colour in ((j, CYCLE[1]), (i, CYCLE[0])):
                    sine, cosine = self.table[position, 2 * pair : 2 * pair + 2].tolist()
                    canvas.line((x, x + radius * sine), (y, y - radius * cosine), colour, 3)
                canvas.text(x, 118, f"once in {2 * math.pi * 10_000 ** (pair / 16):,.0f}", 10, "middle", color=GREY)

        return Drawing(f"hands of eight clocks at positions {i} and {j}", WIDE, 124, draw)

    def sheet(self, i: int, j: int) -> Drawing:
        picture = png(ramp((self.table.numpy().T + 1) / 2, (255, 255, 255), BLUE))
        across, high = HALF - 40, 160

        def draw(canvas) -> None:
            canvas.text(0, 15, "the table: one column a position", 12, bold=True)
            canvas.image(34, 24, across, high, picture)
            for position, colour in ((i, CYCLE[0]), (j, CYCLE[1])):
                x = 34 + across * (position + 0.5) / self.LENGTH
                canvas.line((x, x), (22, 26 + high), colour, 2)
            for position in (0, 32, 64, 96, 127):
                canvas.text(34 + across * (position + 0.5) / self.LENGTH, 42 + high, str(position), 10, "middle", color=GREY)
            canvas.text(34 + across / 2, 58 + high, "position", 11, "middle")
            canvas.text(14, 24 + high / 2, "entry", 11, "middle", turn=-90)

        return Drawing(f"sines and cosines of {self.LENGTH} positions, {self.WIDTH} entries each", HALF, 64 + high, draw)

    def products(self, i: int, j: int, product: float) -> Chart:
        distance = np.arange(-64, 65)
        curve = [float(self.table[0] @ self.table[abs(d)]) for d in distance]
        return Chart(
            "product of two positions' vectors",
            "distance j − i",
            "product",
            f"product against distance; at {j - i}: {product:.2f}",
            [Line(distance, np.array(curve))],
            marks=[Mark(j - i, product, f"{product:.2f}")],
            width=HALF,
            height=224,
        )

    def words(self, i: int, j: int, product: float) -> str:
        text = f"p_{i} · p_{j} = Σ cos((j − i) ω) over the {self.WIDTH // 2} speeds ω = {product:.2f}. "
        text += f"Shifting both by {self.shift.value} turned every hand, but none against its partner: the product is the same. "
        return text + "Rotary positions turn pairs of queries and keys by these same angles, so that their product knows the distance too."


# --------------------------------------------------------------------------------------------------------------------
# Where models look


def layer_and_head(layers: int, heads: int) -> tuple[widgets.IntSlider, widgets.SelectionSlider]:
    """The controls that choose one of a model's maps; "mean" is that of all heads of the layer."""
    options = [*((str(h + 1), h) for h in range(heads)), ("mean", heads)]
    return int_slider("layer", 1, 1, layers), choice_slider("head", options, 0)


def chosen_map(maps: Tensor, layer: int, head: int) -> Tensor:
    """(layers, heads, …) → one map (…)."""
    return maps[layer - 1].mean(0) if head == maps.shape[1] else maps[layer - 1, head]


class TextAttentionExplorer(Explorer):
    """Where a model of text looks when it predicts one symbol.

    Args:
        models: name → `GPT` or `MaskedLM` of characters, all with as many layers and heads
        text: what stands in the text field at first

    Attributes:
        model: the menu;  text: the text field;  place: of the symbol to be predicted;  layer, head: the sliders
    """

    LONGEST = 60

    def __init__(self, models: Mapping[str, GPT | MaskedLM], text: str = "the value of the value of the "):
        self.models = some(models, "models", "such as {'GPT': checkpoints.load('gpt')}")
        for name, model in self.models.items():
            if not isinstance(model, GPT | MaskedLM) or model.symbols != len(ALPHABET):
                raise ValueError(f"{name} must be a GPT or a MaskedLM of the {len(ALPHABET)} characters")
        stack = next(iter(self.models.values())).stack
        self.model = menu("model", list(self.models))
        self.text = widgets.Text(text[: self.LONGEST], description="text", continuous_update=True, **wide())
        self.place = int_slider("place", min(len(text), self.LONGEST) - 1, 0, min(len(text), self.LONGEST) - 1)
        self.layer, self.head = layer_and_head(len(stack.blocks), stack.heads)
        self.text.observe(self.resize, "value")
        super().__init__([self.model, self.text, self.place, self.layer, self.head])

    def resize(self, _change: Any) -> None:
        """Keep the place within the text."""
        self.place.max = max(0, len(self.written) - 1)

    @property
    def written(self) -> str:
        return self.text.value[: self.LONGEST]

    @kept_for("model", "text", "place")
    def read(self) -> tuple[Tensor, Tensor]:
        """Maps (layers, heads, n, n) and logits (n, symbols); a model that looks both ways has the place hidden."""
        model = self.models[self.model.value]
        with at_rest(model) as device:
            x = encode(self.written).long()[None].to(device)
            if isinstance(model, MaskedLM):
                x[0, self.place.value] = model.mask
            return model.attention_maps(x)[:, 0].cpu(), model.logits(x)[0].cpu()

    def panels(self):
        if not self.written:
            return [[Note("The text is empty: type some characters, and see where the model looks.", WIDE)]]
        both_ways = isinstance(self.models[self.model.value], MaskedLM)
        maps, logits = self.read()
        place, text = self.place.value, self.written
        weights = chosen_map(maps, self.layer.value, self.head.value)
        row = weights[place]
        # a GPT's place holds the symbol before it: the weights belong to those
        inputs = text[:place] + "▢" + text[place + 1 :] if both_ways else "▯" + text[:-1]
        which = "mean of the heads" if self.head.value == maps.shape[1] else f"head {self.head.value + 1}"
        most = int(row.argmax())
        top = letters_panel(
            f"layer {self.layer.value}, {which}: inputs read to predict “{visible(text[place])}” (place {place})",
            inputs,
            (row / row.max()).tolist(),
            f"weights from place {place}: most on input {most} “{visible(inputs[most])}”, {row[most]:.2f}",
            [place],
        )
        right = ALPHABET.find(text[place])
        bars = likeliest("what the model expects there", logits[place], list(ALPHABET), right, BESIDE - 60)
        grid = matrix("all places at once", weights, f"weights of {len(text)} × {len(text)} places", inputs, inputs, "read", "readers")
        said = f"{row[most]:.0%} of the weight lies on “{visible(inputs[most])}” at {most}"
        entropy = float(-(row * row.clamp(min=1e-12).log2()).sum())
        said += f"; as spread as {2**entropy:.1f} equal places. " + ("▢ is the mask." if both_ways else "▯ stands for “nothing yet”.")
        return [[top], [bars, grid], [Note(said, WIDE)]]


class PatchAttentionExplorer(Explorer):
    """Where a ViT looks: from the summary or from a patch, over the picture; and what its learned positions know.

    Args:
        model: a `ViT`;  images: (n, *shape), uint8 or floats in [0, 1];  names: of the classes

    Attributes:
        image, query, layer, head: the sliders; query 0 is the summary, the patches count from 1
    """

    def __init__(self, model: ViT, images: Any, names: Sequence[str] = ()):
        if not isinstance(model, ViT):
            raise ValueError(f"the model must be a ViT, got {type(model).__name__}")
        self.model, self.images = model, as_images(images).cpu()
        self.names = list(names) or [str(i) for i in range(model.classes)]
        self.image = int_slider("image", 0, 0, len(self.images) - 1)
        self.query = int_slider("query", 0, 0, model.grid[0] * model.grid[1])
        self.layer, self.head = layer_and_head(len(model.stack.blocks), model.stack.heads)
        super().__init__([self.image, self.query, self.layer, self.head])

    @kept_for("image")
    def read(self) -> tuple[Tensor, Tensor]:
        """Maps (layers, heads, 1 + patches, 1 + patches) and logits (classes,)."""
        with at_rest(self.model) as device:
            x = self.images[self.image.value : self.image.value + 1].to(device)
            return self.model.attention_maps(x)[:, 0].cpu(), self.model.logits(x)[0].cpu()

    def panels(self):
        maps, logits = self.read()
        row = chosen_map(maps, self.layer.value, self.head.value)[self.query.value]
        down, across = self.model.grid
        shades = row[1:].view(down, across)
        reader = "the summary" if self.query.value == 0 else f"patch {self.query.value}"
        most = int(row[1:].argmax())
        picture = self.patched(
            shades, f"what {reader} reads", f"weights of {reader} over {down} × {across} patches, most {row[1 + most]:.2f}"
        )
        bars = likeliest("class", logits, self.names, None, 200, 3)
        known = self.model.stack.learned[1:].detach().cpu()
        near = torch.cosine_similarity(known, known[max(self.query.value - 1, 0)][None], dim=1).view(down, across)
        place = f"position {max(self.query.value, 1)} against all"
        positions = self.sheet(near.clamp(min=0), place, f"cosine of {place}: the learned vectors of near patches are alike")
        text = f"{reader[0].upper() + reader[1:]} puts {row[0]:.0%} of its weight on the summary, {row[1 + most]:.0%} on patch {most + 1} "
        text += f"(row {most // across + 1}, column {most % across + 1}). No layer was told where a patch lies: the positions were learned."
        return [[picture, positions, bars], [Note(text, WIDE)]]

    def patched(self, shades: Tensor, title: str, alt: str, side: int = 224) -> Drawing:
        """The picture, dimmed where little weight lies, with its patches."""
        image = self.images[self.image.value].mean(0).numpy()
        size = self.model.patch
        light = np.kron((shades / shades.max().clamp(min=1e-9)).numpy(), np.ones((size, size)))
        blue = ramp(light, (20, 24, 32), (40, 90, 150)).astype(float)
        content = png((blue + (255 - blue) * image[..., None]).clip(0, 255).astype(np.uint8))
        down, across = self.model.grid

        def draw(canvas) -> None:
            canvas.text(0, 15, title, 12, bold=True)
            canvas.image(0, 24, side, side * down / across, content)
            for i in range(1, down):
                canvas.line((0, side), (24 + side * i / across,) * 2, "#8b95a1", 0.5)
            for j in range(1, across):
                canvas.line((side * j / across,) * 2, (24, 24 + side * down / across), "#8b95a1", 0.5)
            if self.query.value:
                i, j = divmod(self.query.value - 1, across)
                x, y, each = side * j / across, 24 + side * i / across, side / across
                outline(canvas, x, y, each, each, CYCLE[1])

        return Drawing(alt, side + 4, round(30 + side * down / across), draw)

    def sheet(self, values: Tensor, title: str, alt: str, side: int = 160) -> Drawing:
        content = png(ramp(values.numpy(), (255, 255, 255), BLUE))

        def draw(canvas) -> None:
            canvas.text(0, 15, title, 12, bold=True)
            canvas.image(0, 24, side, side * values.shape[0] / values.shape[1], content)

        return Drawing(alt, max(side + 4, round(7.2 * len(title))), 30 + side, draw)


# --------------------------------------------------------------------------------------------------------------------
# Translation


class TranslationExplorer(Explorer):
    """Type a number and see it in the other language, and where the decoder looked for each letter.

    Args:
        model: a `Translator`;  entry: what is typed at first

    Attributes:
        entry: the text field: a number, or a date as "March 5, 2024";  task: the menu;  layer, head: the sliders
    """

    TASKS = (("English → French", "fr"), ("French → English", "en"), ("date → ISO", "iso"))

    def __init__(self, model: Translator, entry: str = "92"):
        if not isinstance(model, Translator):
            raise ValueError(f"the model must be a Translator, got {type(model).__name__}")
        self.model = model
        self.entry = widgets.Text(entry, description="type", placeholder="0 to 9,999, or a date", continuous_update=True, **wide())
        self.task = menu("task", self.TASKS)
        self.layer, self.head = layer_and_head(len(model.decoder.blocks), model.decoder.heads)
        self.layer.value, self.head.value = self.layer.max, model.decoder.heads
        super().__init__([self.entry, self.task, self.layer, self.head])

    def question(self) -> tuple[str, str | None, str]:
        """The source text, the right answer where a rule knows it, and a word about the split.

        Raises:
            ValueError: no number where one is needed
        """
        typed = self.entry.value.strip()
        if self.task.value == "iso":
            return f"iso:{typed}", None, ""
        number = typed.replace(",", "").replace(" ", "")
        if not number.isascii() or not number.isdigit() or int(number) >= NUMBERS:
            raise ValueError(f"type a whole number from 0 to {NUMBERS - 1:,}, not {typed!r}; or choose the task for dates")
        n = int(number)
        split = f"{n:,} was {'held out: the model never saw it' if held_out(n) else 'seen in training'}."
        return (f"fr:{english(n)}", french(n), split) if self.task.value == "fr" else (f"en:{french(n)}", english(n), split)

    @kept_for("entry", "task")
    def answer(self) -> tuple[str, str, str | None, str, Tensor]:
        source, right, split = self.question()
        with at_rest(self.model):
            made = self.model.translate([source])[0]
            return source, made, right, split, self.model.cross_attention(source, made[: self.model.context - 2]).cpu()

    def panels(self):
        try:
            source, made, right, split, maps = self.answer()
        except ValueError as error:
            return [[Note(str(error)[0].upper() + str(error)[1:] + ".", WIDE)]]
        weights = chosen_map(maps, self.layer.value, self.head.value)
        verdict = "" if right is None else " ✓" if made == right else f" ✗ (right: {right})"
        grid = matrix(
            f"{source.split(':', 1)[1]} → {made}{verdict}",
            weights,
            f"cross-attention of {len(made) + 1} letters over {len(source)}; translation: {made}{verdict}",
            [*made, "■"],
            list(source),
            "source letters that are read",
            "letters that are written",
            WIDE - 20,
        )
        busiest = int(weights[: len(made)].max(1).values.argmax()) if made else 0
        at = int(weights[busiest].argmax())
        text = f"{split} " if split else ""
        letter = visible((made + "■")[busiest])
        text += f"The surest look: for letter {busiest + 1}, “{letter}”, {weights[busiest, at]:.0%} of the weight lies on "
        text += f"“{visible(source[at])}” at place {at + 1} of the source. ■ ends the text."
        return [[grid], [Note(text, WIDE)]]


# --------------------------------------------------------------------------------------------------------------------
# Masked diffusion


class MaskedTextExplorer(Explorer):
    """Watch a masked diffusion write: all places, or those marked “_”, are filled in any order.

    Args:
        model: a `MaskedLM` of characters;  text: what is given at first, “_” for each hole

    Attributes:
        text: the text field;  order: the menu;  steps, frame, seed: the sliders
    """

    LONGEST = 96
    STEPS = (1, 2, 4, 8, 16, 32, 96)

    def __init__(self, model: MaskedLM, text: str = "The ____________________ is a list of ____________________."):
        if not isinstance(model, MaskedLM) or model.symbols != len(ALPHABET):
            raise ValueError(f"the model must be a MaskedLM of the {len(ALPHABET)} characters")
        self.model = model
        self.text = widgets.Text(text, description="text", placeholder="empty: all is hidden", continuous_update=True, **wide())
        self.order = menu("order", ["random", "confident"])
        self.steps = choice_slider("steps", [(str(s) if s < self.LONGEST else "each", s) for s in self.STEPS], 32)
        self.frame, self.seed = int_slider("frame", 8, 0, 32), seed_slider()
        self.frame.max = len(self.film()) - 1
        length = dict.fromkeys((self.text, self.steps), self.retake)
        super().__init__([self.text, self.order, self.steps, self.frame, self.seed], length)

    def retake(self, _change: Any) -> None:
        """The slider is as long as the film."""
        with self.held():
            self.frame.max = len(self.film()) - 1

    @kept_for("text", "order", "steps", "seed")
    def film(self) -> list[Tensor]:
        """The text before the first step and after each, (length,) each."""
        text = self.text.value[: self.LONGEST] or "_" * self.LONGEST
        start = encode(text).long()
        start[[c == "_" for c in text]] = self.model.mask
        frames: list[Tensor] = [start[None]]
        with at_rest(self.model) as device, seeded(self.seed.value):
            if (start == self.model.mask).any():
                self.model.sample(1, len(start), steps=self.steps.value, start=start[None].to(device), order=self.order.value, film=frames)
        return [frame[0].cpu() for frame in frames]

    def panels(self):
        frames = self.film()
        i = min(self.frame.value, len(frames) - 1)
        now, before = frames[i], frames[max(i - 1, 0)]
        text = ["▢" if s == self.model.mask else ALPHABET[s] for s in now.tolist()]
        given, new = frames[0] != self.model.mask, (now != before).nonzero().flatten().tolist()
        left = int((now == self.model.mask).sum())
        top = letters_panel(
            f"after {plural(i, 'step')} of {len(frames) - 1}: {plural(left, 'hole')} left",
            text,
            [0.0 if g else 0.12 if t == "▢" else 0.4 for g, t in zip(given.tolist(), text)],
            f"{plural(left, 'hole')} left after {plural(i, 'step')}: {''.join(text)}",
            new,
        )
        last = "".join("▢" if s == self.model.mask else visible(ALPHABET[s]) for s in frames[-1].tolist())
        each = math.ceil(int((~given).sum()) / max(1, len(frames) - 1))
        said = f"Framed: filled in this step, at most {plural(each, 'place')} at once, none of which knew of the others. At the end: {last}"
        return [[top], [Note(said, WIDE)]]


# --------------------------------------------------------------------------------------------------------------------
# Cost


class CostExplorer(Explorer):
    """What a text costs against its length: the pass of a whole text, writing with and without a cache, and the memory.

    Attributes:
        length, width, layers: the sliders;  cache: the menu
    """

    LENGTHS = tuple(2**k for k in range(4, 15))

    def __init__(self):
        self.length = choice_slider("length", [(f"{n:,}", n) for n in self.LENGTHS], 1024)
        self.width = choice_slider("width", [(f"{n:,}", n) for n in (64, 128, 256, 512, 1024, 4096)], 128)
        self.layers = int_slider("layers", 4, 1, 48)
        self.cache = menu("writing", ["with a cache", "without"])
        super().__init__([self.length, self.width, self.layers, self.cache])

    def products(self, n: float) -> tuple[float, float]:
        """Multiplications of one pass over n symbols: of the layers' matrices, and of the attention between places."""
        return 12 * self.layers.value * n * self.width.value**2, 2 * self.layers.value * n * n * self.width.value

    def writing(self, n: int) -> float:
        """Multiplications to write n symbols one after the other."""
        if self.cache.value == "with a cache":  # each symbol passes once, and looks at those before it
            return sum(self.products(n)) - self.products(n)[1] / 2
        return self.products(1)[0] * n * (n + 1) / 2 + self.products(1)[1] * n * (n + 1) * (2 * n + 1) / 6

    def panels(self):
        n = self.length.value
        matrices, looking = self.products(n)
        grown = np.array(self.LENGTHS, dtype=float)
        parts = np.array([self.products(v) for v in grown])
        written = np.array([self.writing(v) for v in self.LENGTHS])
        table = self.layers.value * n * n * 4  # float32, one head
        kept = 2 * self.layers.value * n * self.width.value * 4
        one = Chart(
            "multiplications of one pass over the text",
            "length",
            "multiplications",
            f"at {n:,} symbols {matrices:.2e} in the matrices and {looking:.2e} in the attention",
            [Line(grown, parts[:, 0], "matrices, ∝ n"), Line(grown, parts[:, 1], "attention, ∝ n²", CYCLE[1])],
            marks=[Mark(n, matrices, color=CYCLE[0]), Mark(n, looking, color=CYCLE[1])],
            log_x=True,
            log_y=True,
            width=HALF,
            height=240,
        )
        two = Chart(
            "multiplications to write the text",
            "length",
            "multiplications",
            f"{self.writing(n):.2e} to write {n:,} symbols {self.cache.value}",
            [Line(grown, written, self.cache.value, CYCLE[2])],
            marks=[Mark(n, self.writing(n), f"{self.writing(n):.1e}", CYCLE[2])],
            log_x=True,
            log_y=True,
            width=HALF,
            height=240,
        )
        equal = 6 * self.width.value
        text = (
            f"Attention costs as much as the matrices at 6 × width = {equal:,} symbols; here it is {looking / matrices:.2g} times as much. "
        )
        text += (
            f"The weights of all layers, one head each, would take {size(table)}; the keys and values that a cache keeps take {size(kept)}."
        )
        return [[one, two], [Note(text, WIDE)]]


def size(count: float) -> str:
    """Bytes in words."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} GB" if count < 1000 else f"{count:,.0f} GB"
