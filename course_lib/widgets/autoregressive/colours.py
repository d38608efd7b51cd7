"""Explorers of models that draw faces: the colours of one pixel in turn, and parts of a face that are drawn again."""

import math
from collections import Counter
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...autoregressive import GatedPixelCNN, sample_cached
from ...datasets import faces
from ...plotting.panels import CYCLE, Bars, Chart, Mark, Note, Strips, ramp
from .. import GAP, WIDE, Explorer, at_rest, choice_slider, int_slider, kept_for, menu, slider
from ..cuts import PALE
from ..pixels import UNDRAWN, across_the_edge, rgb
from .images import framed

NAMES = ("red", "green", "blue")
PAINT = ("#bd1f01", "#2c7f3c", "#1f5fbf")  # of their bars


def checked(model: Any, y: Tensor) -> tuple[GatedPixelCNN, Tensor]:
    """The model and the factors (n, 17), if these explorers can show them.

    Raises:
        ValueError: it is no GatedPixelCNN of faces that is told words, or y are no factors of faces
    """
    fits = isinstance(model, GatedPixelCNN) and not isinstance(model.classes, int) and tuple(model.classes) == faces.KINDS
    if not fits or (model.shape, model.output) != ((3, faces.SIZE, faces.SIZE), "categorical"):
        raise ValueError("the model must be a GatedPixelCNN of faces that is told their words: load pixelcnn_faces")
    return model, faces.rows(y)


def bits(p: np.ndarray) -> float:
    """−log₂ of a probability."""
    return -math.log2(max(float(p), 1e-30))


# --------------------------------------------------------------------------------------------------------------------
# The colours of one pixel


class ColourExplorer(Explorer):
    """Red, then green given red, then blue given both, at one pixel of a face: choose the red, and see what it says of the others.

    Args:
        model: a `GatedPixelCNN` of faces that is told their words
        y: (n, 17) factors of faces, as `y` of the data set
        face, row, column: where it begins

    Attributes:
        face, row, column: which pixel;  red: how likely the red is that stands there, 1 for the likeliest of all
        cost: bits of each colour of each pixel, (n, 3, 16, 16)
    """

    BELOW = True
    REDS = 8

    def __init__(self, model: GatedPixelCNN, y: Tensor, face: int = 0, row: int = 8, column: int = 8):
        self.model, self.y = checked(model, y)
        self.x, self.words = faces.draw(self.y).long(), faces.attributes(self.y)
        last = faces.SIZE - 1
        self.face = int_slider("face", face, 0, len(self.x) - 1)
        self.row, self.column = int_slider("row", row, 0, last), int_slider("column", column, 0, last)
        self.red = int_slider("red", 1, 1, self.REDS)
        with at_rest(model) as device:  # one pass serves every pixel of every face
            x, words = self.x.to(device), self.words.to(device)
            self.features = F.silu(model.features(*model.inputs(x, words)))
            self.cost = (-model.log_prob_map(x, words) / math.log(2)).cpu().numpy()
        super().__init__([self.face, self.row, self.column, self.red])

    def chances(self, features: Tensor, before: Tensor) -> Tensor:
        """p of the 256 values of the next colour, for values of those before it: (n, colours before) → (n, 256)."""
        n, i = before.shape
        with at_rest(self.model) as device:
            seen = torch.cat([features.expand(n, -1), self.model.scaled(before.to(device))], 1)
            return self.model.heads[i](seen[:, :, None, None])[:, :, 0, 0].softmax(1).cpu()

    def in_turn(self) -> tuple[list[int], list[Tensor], list[Tensor]]:
        """The colour that is shown: the chosen red, and the likeliest green and blue after it.

        Returns:
            its three values; p of all values of each given those before; and the same as long as the colour just before is unknown
        """
        here = self.features[self.face.value, :, self.row.value, self.column.value]
        values, given, unknown = [], [], []
        every = torch.arange(self.model.levels)[:, None]
        for i in range(3):
            before = torch.tensor([values], dtype=torch.long).view(1, i)
            given.append(self.chances(here, before)[0])
            if i:  # p(green) = Σ p(red) p(green | red)
                unknown.append(given[i - 1] @ self.chances(here, torch.cat([before[:, :-1].expand(len(every), -1), every], 1)))
            values.append(int(given[i].argsort(descending=True, stable=True)[0 if i else self.red.value - 1]))
        return values, given, unknown

    def panels(self):
        i, place = self.face.value, (self.row.value, self.column.value)
        true, cost = self.x[i][:, place[0], place[1]].tolist(), self.cost[i]
        values, given, unknown = self.in_turn()
        face = self.x[i].permute(1, 2, 0).numpy()
        before = np.arange(faces.SIZE**2).reshape(faces.SIZE, -1) < place[0] * faces.SIZE + place[1]
        so_far = np.where(before[..., None], face, 0.3 * face + 0.7 * UNDRAWN)
        so_far[place] = values
        most = max(float(cost.max()), 1e-9)
        maps = [ramp(c / most, (255, 255, 255), rgb(paint)) for c, paint in zip(cost, PAINT)]
        sheet = np.stack([framed(picture.astype(np.uint8), place, 10) for picture in (so_far, *maps)])
        where = f"row {place[0]}, column {place[1]}"
        alt = f"face {i} with the pixel at {where} framed, painted {values}; beside it the bits of each colour of each pixel, "
        alt += f"on average {', '.join(f'{name} {c.mean():.2f}' for name, c in zip(NAMES, cost))}"
        names = ["pale: not known yet", *(f"bits of {name}, {c.mean():.2f} each" for name, c in zip(NAMES, cost))]
        strips = Strips(f"{where}: red {values[0]}, then green {values[1]}, then blue {values[2]}", [("", sheet, alt)], 164, columns=names)
        charts = [self.bars(k, given[k], unknown[k - 1] if k else None, values, true) for k in range(3)]
        return [[strips], charts, [Note(self.words_of(true, cost[:, place[0], place[1]], unknown), WIDE)]]

    def bars(self, k: int, p: Tensor, unknown: Tensor | None, values: list[int], true: list[int]) -> Chart:
        p, edges = p.numpy(), np.arange(self.model.levels) - 0.5
        title = "red" if k == 0 else f"{NAMES[k]}, given {' and '.join(f'{n} {v}' for n, v in zip(NAMES[:k], values))}"
        alt = f"{title}: the likeliest is {p.argmax()} with {p.max():.3f}, the true one is {true[k]} with {p[true[k]]:.4f}"
        shown = [] if unknown is None else [(unknown.numpy(), f"{NAMES[k - 1]} unknown", PALE, 1.0)]
        shown.append((p, "" if unknown is None else "given", PAINT[k], 0.85))
        tall = [(q > 1e-4 * q.max(), q, *rest) for q, *rest in shown]
        return Chart(
            title,
            "value",
            "probability",
            alt,
            # of a bar as narrow as a value little would be seen
            bars=[Bars(edges[t] - 1, edges[t] + 2, q[t], *rest) for t, q, *rest in tall],
            marks=[Mark(values[k], float(p[values[k]]), f"{values[k]}", color=CYCLE[1])],
            x_range=(-5, 260),
            y_range=(0, 1.1),
            width=(WIDE - 2 * GAP) // 3,
            height=210,
        )

    def words_of(self, true: list[int], cost: np.ndarray, unknown: list[Tensor]) -> str:
        text = f"The face has {', '.join(f'{name} {v}' for name, v in zip(NAMES, true))} here: "
        text += ", ".join(f"{name} costs {c:.2f} bits" for name, c in zip(NAMES, cost)) + ", each given those before. "
        return text + f"As long as red is unknown, green {true[1]} has p = {unknown[0][true[1]]:.4f}: {bits(unknown[0][true[1]]):.2f} bits."


# --------------------------------------------------------------------------------------------------------------------
# Completion

HIDE = ("lower", "right", "left", "upper")
SEEN, ALL, OTHERS = "what is seen", "all ten words", "another's words"


def hidden_part(where: str, share: float) -> Tensor:
    """Which pixels of a face are hidden: bool (16, 16)."""
    place = torch.arange(faces.SIZE)
    first = place < round(share * faces.SIZE)
    line = first if where in ("upper", "left") else first.flip(0)
    return (line[:, None] if where in ("upper", "lower") else line[None]).expand(faces.SIZE, faces.SIZE)


def words_seen(y: Tensor, seen: Tensor) -> Tensor:
    """Which words of a face its seen pixels decide, bool (10,): any other word in its place, however drawn, would change some of them.

    Args:
        y: (17,) factors;  seen: bool (16, 16)
    """
    variants = [(column, value) for column, values in enumerate(faces.FACTORS.values()) for value in range(len(values))]
    every = y.repeat(len(variants), 1)
    for row, (column, value) in enumerate(variants):
        every[row, column] = value
    same = (faces.draw(every) == faces.draw(y))[:, :, seen].flatten(1).all(1)
    another = faces.attributes(every) != faces.attributes(y[None])
    return ~(same[:, None] & another).any(0)


class CompletionExplorer(Explorer):
    """Each half of a face is hidden in turn, and the model draws it again, eight times.

    Args:
        model: a `GatedPixelCNN` of faces that is told their words
        y: (n, 17) factors of faces, as `y` of the data set
        face: which is shown first

    Attributes:
        face, share, temperature: the sliders;  told: the menu
        press: the button that draws; where that was done before, it draws others
    """

    BELOW = True
    N = 8

    def __init__(self, model: GatedPixelCNN, y: Tensor, face: int = 0):
        self.model, self.y = checked(model, y)
        self.x = faces.draw(self.y)
        self.usual = faces.attributes(faces.load("test").y[: self.N])  # words that nothing seen decides: as in some test faces
        self.face = int_slider("face", face, 0, len(self.x) - 1)
        self.share = choice_slider("share", [0.25, 0.5, 0.75], 0.5)
        self.temperature = slider("temperature", 1.0, 0.4, 1.6, 0.2)
        self.told = menu("told", [SEEN, ALL, OTHERS])
        self.press = widgets.Button(description="draw", button_style="primary", layout=widgets.Layout(width="156px"))
        self._answers, self._presses = {}, Counter()
        for i in range(len(self.x)):
            self.complete(i)
        super().__init__([self.face, self.share, self.temperature, self.told, self.press])
        self.press.on_click(self.run)

    def key(self, i: int) -> tuple:
        return i, self.share.value, round(self.temperature.value, 4), self.told.value

    @kept_for("share", "told")
    def words(self, i: int) -> Tensor:
        """What the model is told for each answer for face i, int64 (4, 8, 10)."""
        own = faces.attributes(self.y[i][None])
        if self.told.value == OTHERS:
            own = faces.attributes(self.y[(i + 1) % len(self.y)][None])
        if self.told.value != SEEN:
            return own.expand(len(HIDE), self.N, -1)
        return torch.stack([torch.where(words_seen(self.y[i], ~self.hidden(where)), own, self.usual) for where in HIDE])

    def hidden(self, where: str) -> Tensor:
        return hidden_part(where, self.share.value)

    def complete(self, i: int) -> None:
        """Draw for face i, for each of `HIDE`, eight answers for the present settings, uint8 (4, 8, 3, 16, 16), and keep them."""
        n, key = len(HIDE) * self.N, self.key(i)
        u = torch.rand(n, 3 * faces.SIZE**2, generator=torch.Generator().manual_seed(self._presses[key]))
        known = torch.stack([~self.hidden(where) for where in HIDE]).repeat_interleave(self.N, 0)[:, None].expand(-1, 3, -1, -1)
        given = self.x[i].expand(n, -1, -1, -1)
        with at_rest(self.model) as device:
            u, given, known, y = (v.to(device) for v in (u, given, known, self.words(i).flatten(0, 1)))
            x = sample_cached(self.model, n, y=y, uniforms=u, given=given, known=known, temperature=self.temperature.value)
        self._answers[key] = x.cpu().to(torch.uint8).unflatten(0, (len(HIDE), self.N))
        self._presses[key] += 1

    def run(self, _button=None) -> None:
        """What the button does; it says so meanwhile."""
        self.press.description, self.press.disabled = "drawing …", True
        try:
            self.complete(self.face.value)
        except Exception as error:
            self.fail(error)
        else:
            self.draw()
        finally:
            self.press.description, self.press.disabled = "draw", False

    def panels(self):
        i, answers = self.face.value, self._answers.get(self.key(self.face.value))
        rows, face = [], self.x[i].numpy()
        for k, where in enumerate(HIDE):
            hidden = self.hidden(where).numpy()
            seen = np.where(hidden, UNDRAWN.astype(np.uint8)[:, None, None], face)
            drawn = np.broadcast_to(seen, (self.N, *seen.shape)) if answers is None else answers[k].numpy()
            what = "not drawn yet" if answers is None else f"at temperature {self.temperature.value:.1f}"
            alt = f"face {i}, {where} part hidden, {hidden.sum()} of {hidden.size} pixels; {self.N} answers, {what}"
            rows.append((where, np.concatenate([[face, seen], drawn]), alt))
        title = f"face {i}: {self.share.value:.0%} hidden, temperature {self.temperature.value:.1f}, told {self.told.value}"
        strips = Strips(title, rows, 64, columns=["the face", "seen", *(str(k + 1) for k in range(self.N))])
        return [[strips], [Note(self.text(answers), strips.size[0])]]

    def text(self, answers: Tensor | None) -> str:
        if answers is None:
            return "Not drawn yet for these settings: press “draw”."
        own, parts = self.x[self.face.value].numpy(), []
        for where, x in zip(HIDE, answers.numpy()):
            hidden = self.hidden(where).numpy()
            edge, usual = (across_the_edge(v.reshape(-1, *hidden.shape).astype(float), hidden) for v in (x, own[None]))
            parts.append(f"{where} {edge:.0f} ({usual:.0f})")
        text = "How far colours of neighbours differ across the edge, of 255, and in the face itself: " + ", ".join(parts) + ". "
        text += "A pixel knows only what comes before it in reading order: all that is seen where the lower part is hidden, "
        return text + "nothing of it where the upper one is."
