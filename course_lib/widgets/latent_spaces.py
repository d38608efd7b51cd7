"""The explorers of topic 01."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from torch import Generator, Tensor

from ..latent_spaces import PCA, JointTable, lerp, manifold_distance, slerp
from ..plotting.panels import CYCLE, GREY, Bars, Cells, Chart, Line, Mark, Note, Strips
from . import BESIDE, WIDE, Explorer, as_images, choice_slider, int_slider, kept_for, menu, seed_slider, slider
from .pixels import framed, mark_one


def grids(states: Tensor) -> np.ndarray:
    """Tiny binary images (n, h, w), enlarged and with a grey rim, so that a white one is seen on white paper."""
    large = states.to(torch.uint8).repeat_interleave(8, 1).repeat_interleave(8, 2)
    return framed(255 * large[:, None], [GREY] * len(large))


def spelled(image: Tensor) -> str:
    """A tiny image in words: "0 1 / 1 0"."""
    return " / ".join(" ".join(str(int(v)) for v in row) for row in image)


class JointTableExplorer(Explorer):
    """Say what is known of a tiny image; the table answers with the conditional of all images, of each pixel, and with completions.

    Args:
        table: a joint table of a small grid of binary pixels
        samples: completions drawn

    Attributes:
        pixels: one button a pixel, in reading order, from ? to 0 to 1 and back;  clear: the button that forgets them all
        seed: the slider that draws other completions;  known: (h, w) of 0, 1 and −1 for unknown
    """

    def __init__(self, table: JointTable, samples: int = 24):
        self.table, self.samples = table, samples
        self.known = torch.full(table.shape, -1)
        height, width = table.shape
        self.pixels = [widgets.Button(layout=widgets.Layout(width="92px", height="36px")) for _ in range(height * width)]
        for i, button in enumerate(self.pixels):
            button.on_click(partial(self.turn, i))
        rows = [widgets.HBox(self.pixels[i : i + width]) for i in range(0, height * width, width)]
        self.clear = widgets.Button(description="clear", layout=widgets.Layout(width="92px", height="36px"))
        self.clear.on_click(self.forget)
        self.seed = seed_slider()
        self.label()
        super().__init__([widgets.VBox(rows), self.clear, self.seed])

    def turn(self, i: int, _button=None) -> None:
        """Pixel i goes on from ? to 0 to 1 to ?."""
        flat = self.known.view(-1)
        flat[i] = (flat[i] + 2) % 3 - 1
        self.label()
        self.draw()

    def forget(self, _button=None) -> None:
        """No pixel is known."""
        self.known.fill_(-1)
        self.label()
        self.draw()

    def label(self) -> None:
        """Write on each button what is known of its pixel."""
        for i, (button, value) in enumerate(zip(self.pixels, self.known.flatten().tolist(), strict=True)):
            button.description = f"pixel {i + 1}: {'?' if value < 0 else value}"
            button.style.font_weight = "" if value < 0 else "bold"

    @property
    def evidence(self) -> str:
        """What is known, in words: "pixel 1 = 0, pixel 4 = 1", or "nothing"."""
        known = [f"pixel {i + 1} = {v}" for i, v in enumerate(self.known.flatten().tolist()) if v >= 0]
        return ", ".join(known) or "nothing"

    def settings(self) -> str:
        return f"known: {self.evidence}, {super().settings()}"

    def panels(self):
        table, known = self.table, self.known
        agrees = ((table.states == known) | (known < 0)).flatten(1).all(1)
        evidence = float(table.p[agrees].sum())
        possible = evidence > 0
        p = table.conditional(known) if possible else torch.zeros_like(table.p)
        shown = range(len(p)) if len(p) <= 16 else (p if possible else table.p).argsort(descending=True, stable=True)[:16].tolist()
        top = [self.bars(p, list(shown), possible)]
        if not possible:
            text = (
                f"No image of this table has {self.evidence}: this has probability 0, so there is nothing to divide by, and nothing "
                "follows. Turn a pixel back to ?, or press clear."
            )
            return [top, [Note(text, WIDE)]]
        marginals = table.pixel_marginals(known)
        told = ", ".join(f"pixel {i + 1}: {v:.2f}" for i, v in enumerate(marginals.flatten().tolist()))
        top.append(
            Cells(
                "p(pixel = 1 | known)",
                marginals,
                f"probability that each pixel is 1, given {self.evidence}: {told}",
                each=min(88, 198 // table.shape[1]),
            )
        )
        drawn = table.complete(known, self.samples, generator=torch.Generator().manual_seed(self.seed.value))
        shares = ", ".join(f"pixel {i + 1}: {v:.2f}" for i, v in enumerate(drawn.float().mean(0).flatten().tolist()))
        alt = f"{self.samples} images drawn from the conditional, draw {self.seed.value}; share of ones in {shares}"
        strips = Strips(f"{self.samples} completions drawn from it", [("", grids(drawn), alt)], 48, wrap=12)
        count, best = int((p > 0).sum()), int(p.argmax())
        text = f"Known: {self.evidence}. p(known) = {evidence:.3f}. {count} of {len(p)} images are left"
        text += f"; the likeliest is {spelled(table.states[best])} with {p[best]:.3f}. 1 is white."
        return [top, [strips], [Note(text, WIDE)]]

    def bars(self, p: Tensor, shown: list[int], possible: bool) -> Chart:
        states, p, prior = self.table.states[shown], p[shown].numpy(), self.table.p[shown].numpy()
        where = np.arange(len(shown))
        told = [f"{spelled(s)}: {v:.3f}" for s, v in zip(states, p.tolist(), strict=True) if v > 0]
        rest = ", ".join(told) + ", 0 for the rest" if possible else "not defined, since these pixels have probability 0"
        alt = f"probability of each image given {self.evidence}: {rest}"
        known = bool((self.known >= 0).any())
        bars = [
            Bars(where - 0.42, where + 0.42, prior, "p(image)", CYCLE[9], 0.5),
            Bars(where - 0.25, where + 0.25, p, f"p(image | {self.evidence if known else 'nothing known'})"),
        ]
        title = "probability of each image" if len(shown) == len(self.table.p) else f"the {len(shown)} likeliest images"
        return Chart(
            title,
            "image",
            "probability",
            alt,
            bars=bars,
            x_range=(-0.6, len(shown) - 0.4),
            y_range=(0, 1.08 * max(float(p.max()), float(prior.max()))),
            x_pictures=dict(enumerate(grids(states))),
            width=570,
            height=280,
        )


class ComponentExplorer(Explorer):
    """Keep the first k principal components of an image, and move the first four by hand.

    Args:
        pca: fitted principal components
        x: (n, channels, h, w), uint8 or floats in [0, 1]

    Attributes:
        components: the slider for k;  image: which one;  offsets: up to four sliders, in standard deviations;  reset: the button
    """

    def __init__(self, pca: PCA, x: Any):
        self.pca, self.images = pca, as_images(x)
        latents = len(pca.components)
        self.deviations = pca.variances.clamp(min=0).sqrt()
        self.components = int_slider("components", min(16, latents), 0, latents)
        self.image = int_slider("image", 1, 1, len(self.images))
        self.offsets = [slider(f"move {j + 1}", 0.0, -3.0, 3.0, 0.1) for j in range(min(4, latents))]
        self.reset = widgets.Button(description="moves back to 0")
        self.shares = np.concatenate([[0.0], pca.explained.numpy()])  # of the first 0, 1, 2, … components
        self.gallery = self.pictures_of_components()
        super().__init__([self.components, self.image, *self.offsets, self.reset])
        self.reset.on_click(self.restart)

    def restart(self, _button=None) -> None:
        """The code as the digit has it, drawn once."""
        with self.held():
            for control in self.offsets:
                control.value = 0.0

    def pictures_of_components(self, across: int = 7) -> Strips:
        """The first components, each as strong as its own largest entry; grey is 0."""
        first = self.pca.components[: 2 * across]
        images = (0.5 + 0.5 * first / first.abs().amax(1, keepdim=True)).view(-1, *self.images.shape[1:])
        own = self.pca.variances / self.pca.total_variance
        rows = []
        for start in range(0, len(first), across):
            end = min(start + across, len(first))
            told = ", ".join(f"{own[j]:.1%}" for j in range(start, end))
            rows.append((f"{start + 1}–{end}", images[start:end], f"components {start + 1} to {end}, with {told} of the variance"))
        what = "bright adds, dark takes away" if self.images.shape[1] == 3 else "white adds, black takes away"
        return Strips(f"the components: {what}, grey is 0", rows, 56)

    @property
    def moved(self) -> Tensor:
        """What the sliders add to the picture, (1, 1, h, w)."""
        first = len(self.offsets)
        offset = torch.tensor([[control.value for control in self.offsets]]) * self.deviations[:first]
        return (offset @ self.pca.components[:first]).view(1, *self.images.shape[1:])

    def panels(self):
        keep, which = self.components.value, self.image.value
        original = self.images[which - 1 : which]
        rebuilt = self.pca.reconstruct(original, keep) + self.moved
        error = float((rebuilt - original).square().mean())
        moves = ", ".join(f"{c.value:+.1f} σ along component {j + 1}" for j, c in enumerate(self.offsets) if abs(c.value) > 1e-6)
        told = f"image {which} from {keep} components" + (f", moved {moves}" if moves else "")
        pictures = [
            Strips("original", [("", original, f"image {which}, the original")], 140),
            Strips("rebuilt", [("", rebuilt.clamp(0, 1), f"{told}; mean squared error {error:.4f} a pixel")], 140),
            Strips(
                "rebuilt − original",
                [("", (0.5 + 0.5 * (rebuilt - original)).clamp(0, 1), f"difference of {told}; grey where there is none")],
                140,
            ),
        ]
        share = float(self.shares[keep])
        alt = f"share of the variance that the first components keep: {share:.1%} with {keep} of {len(self.shares) - 1}"
        chart = Chart(
            f"{keep} components keep {share:.1%} of the variance",
            "components kept",
            "share of the variance",
            alt,
            [Line(range(len(self.shares)), self.shares)],
            marks=[Mark(keep, share)],
            y_range=(0, 1.02),
            width=BESIDE,
            height=210,
        )
        text = f"Mean squared error {error:.4f} a pixel" + (f", with {moves}." if moves else ".")
        return [pictures, [Note(text, BESIDE)], [chart], [self.gallery]]


class RandomExplorer(Explorer):
    """Random points of different spaces, decoded: how far is each from the nearest real image?

    Args:
        sources: name → function (n, generator) → n images (n, c, h, w)
        data: (m, c, h, w), the real images; a few thousand, for each step measures against all of them
        across: images in a row

    Attributes:
        seed: the slider that draws others
    """

    def __init__(self, sources: Mapping[str, Callable[[int, Generator], Tensor]], data: Any, across: int = 9):
        self.sources, self.data, self.across = dict(sources), as_images(data, "data"), across
        self.seed = seed_slider()
        super().__init__([self.seed])

    @kept_for("seed")
    def scene(self) -> dict[str, tuple[Tensor, float]]:
        """name → images and the median of their distances."""
        with torch.inference_mode():
            images = {
                name: as_images(source(self.across, torch.Generator().manual_seed(self.seed.value)), name).clamp(0, 1)
                for name, source in self.sources.items()
            }
            distances = manifold_distance(torch.cat(list(images.values())), self.data).split([len(v) for v in images.values()])
        return {name: (v, float(d.median())) for (name, v), d in zip(images.items(), distances, strict=True)}

    def panels(self):
        seed, scene = self.seed.value, self.scene()
        rows = [
            (f"{name}: {d:.1f}", images, f"{len(images)} images of “{name}”, draw {seed}, median distance {d:.2f} to the nearest real one")
            for name, (images, d) in scene.items()
        ]
        told = ", ".join(f"{name} {d:.2f}" for name, (_, d) in scene.items())
        bars = [Bars([i - 0.35], [i + 0.35], [d], name, CYCLE[i % len(CYCLE)]) for i, (name, (_, d)) in enumerate(scene.items())]
        chart = Chart(
            "median distance to the nearest real image",
            f"median of {self.across} images",
            "Euclidean distance",
            f"median distance to the nearest real image: {told}",
            bars=bars,
            x_ticks={i: f"{d:.1f}" for i, (_, d) in enumerate(scene.values())},
            x_range=(-0.6, len(scene) - 0.4),
            width=460,
            height=230,
        )
        return [[Strips("random images, and their median distance to the nearest real one", rows, 56)], [chart]]


class InterpolationExplorer(Explorer):
    """From one image to another, on the straight line or along the arc, in several spaces at once.

    Args:
        spaces: name → (encode, decode); encode (n, c, h, w) → codes, decode codes → (n, c, h, w)
        x: (n, c, h, w), the images to choose from
        data: real images, a few thousand; the distance of each picture to the nearest of them is then shown

    Attributes:
        first, second: which images;  t: how far;  way: "lerp" or "slerp"
    """

    STEPS = 11  # pictures on a path

    def __init__(self, spaces: Mapping[str, tuple[Callable, Callable]], x: Any, data: Any = None):
        self.spaces, self.images = dict(spaces), as_images(x, "x")
        self.data = None if data is None else as_images(data, "data")
        self.first = int_slider("first", 1, 1, len(self.images))
        self.second = int_slider("second", min(2, len(self.images)), 1, len(self.images))
        self.t = slider("t", 0.5, 0.0, 1.0, 0.02, 2)
        self.way = menu("path", [("straight line (lerp)", "lerp"), ("arc (slerp)", "slerp")])
        super().__init__([self.first, self.second, self.t, self.way])

    def between(self, space: str, ends: Tensor, t: float | Tensor) -> Tensor:
        """The pictures at t between two codes, in [0, 1]."""
        a, b = ends.flatten(1)
        path = (lerp if self.way.value == "lerp" else slerp)(a, b, torch.as_tensor(t).view(-1))
        return self.spaces[space][1](path.view(-1, *ends.shape[1:])).clamp(0, 1)

    @kept_for("first", "second", "way")
    def paths(self) -> tuple[dict, dict]:
        """name → codes of both ends, and name → (pictures, distances) on the path."""
        pair = self.images[[self.first.value - 1, self.second.value - 1]]
        ends = {name: encode(pair) for name, (encode, _) in self.spaces.items()}
        pictures = {name: self.between(name, codes, torch.linspace(0, 1, self.STEPS)) for name, codes in ends.items()}
        return ends, {name: (p, self.distances(p)) for name, p in pictures.items()}

    def distances(self, pictures: Tensor) -> Tensor | None:
        return None if self.data is None else manifold_distance(pictures, self.data)

    def panels(self):
        with torch.inference_mode():
            ends, paths = self.paths()
            t = self.t.value
            at = torch.cat([self.between(name, codes, t) for name, codes in ends.items()])
            far = self.distances(at)
        axis = np.linspace(0, 1, self.STEPS)
        marked = round(t * (self.STEPS - 1))
        pair = f"digit {self.first.value} to digit {self.second.value} by {self.way.value}"
        told = f"{self.STEPS} pictures from {pair}, the one at t = {axis[marked]:.1f} marked"
        rows = [(name, mark_one(pictures, marked), f"{name}: {told}") for name, (pictures, _) in paths.items()]
        path = Strips(f"from {pair}", rows, 56, columns=[f"{v:.1f}" for v in axis])
        here = f"at t = {t:.2f}"
        if far is None:
            large = Strips(here, [("", at, f"the pictures {here}, from {pair}: {', '.join(paths)}")], 112, columns=list(paths))
            return [[path], [large]]
        measured = dict(zip(paths, far.tolist(), strict=True))
        told = f"{here}: " + ", ".join(f"{name} {d:.2f}" for name, d in measured.items())
        large = Strips(
            f"{here}, with the distance to the nearest real image",
            [("", at, f"the pictures from {pair}, and their distance to the nearest real image, {told}")],
            112,
            columns=[f"{name}: {d:.1f}" for name, d in measured.items()],
        )
        lines = [Line(axis, d, name, CYCLE[i % len(CYCLE)]) for i, (name, (_, d)) in enumerate(paths.items())]
        alt = f"distance to the nearest real image along the path; {told}"
        chart = Chart("how far from the data", "t", "distance", alt, lines, x_rules={f"t = {t:.2f}": t}, width=310, height=230)
        chart.y_range = 0, 1.15 * max(float(d.max()) for _, d in paths.values()) or 1.0  # from 0, so that heights can be compared
        return [[path], [large, chart]]


class TopicExplorer(Explorer):
    """Mix topics; the likeliest words of the mixture follow, and a text drawn from it.

    Args:
        topic_words: (topics, words), p(word | topic), rows add up to 1
        words: the vocabulary
        mean_weights: (topics,), where the sliders start
        length: words in the text

    Attributes:
        weights: one slider a topic;  seed: the slider that draws another text

    The text is drawn with the same random numbers at every weight, so that a small move changes few words.
    """

    def __init__(self, topic_words: Any, words: Sequence[str], mean_weights: Any, length: int = 40):
        self.topic_words, self.words, self.length = np.asarray(topic_words, dtype=float), list(words), length
        start = np.asarray(mean_weights, dtype=float)
        if self.topic_words.shape != (len(start), len(self.words)) or not np.allclose(self.topic_words.sum(1), 1, atol=1e-3):
            given = f"{self.topic_words.shape}, {len(self.words)} words and {len(start)} weights"
            raise ValueError(f"topic_words must be (topics, words) with rows that add up to 1, one weight a topic; got {given}")
        self.cumulative = self.topic_words.cumsum(1)
        best = self.topic_words.argsort(1)[:, ::-1][:, :3]
        self.names = [f"{k + 1} {' '.join(self.words[i] for i in row)}" for k, row in enumerate(best)]
        self.weights = [slider(f"topic {k + 1}", round(float(w / start.sum()), 2), 0.0, 1.0, 0.01, 2) for k, w in enumerate(start)]
        self.seed = seed_slider()
        super().__init__([*self.weights, self.seed])

    def text(self, shares: np.ndarray) -> str:
        """A text from the mixture: for each word first a topic, then a word of it."""
        which, where = np.random.default_rng(self.seed.value).random((2, self.length))
        topics = np.searchsorted(shares.cumsum(), which * shares.sum(), side="right").clip(max=len(shares) - 1)
        # scaled by the row's own sum: rounding must not lead past the last word
        drawn = [np.searchsorted(self.cumulative[k], u * self.cumulative[k, -1], side="right") for k, u in zip(topics, where, strict=True)]
        return " ".join(self.words[i] for i in drawn)

    def panels(self):
        weights = np.array([control.value for control in self.weights])
        if weights.sum() <= 0:
            return [[Note("Every weight is 0, so no topic is left to draw from. Raise at least one slider.", BESIDE)]]
        shares = weights / weights.sum()
        parts = shares[:, None] * self.topic_words  # p(topic, word)
        mixture = parts.sum(0)
        top = mixture.argsort(kind="stable")[::-1][:12]
        owner = parts[:, top].argmax(0)
        told = ", ".join(f"{self.words[i]} {mixture[i]:.2%} (topic {k + 1})" for i, k in zip(top, owner, strict=True))
        where = np.arange(len(top))
        bars = [
            Bars(where[owner == k] - 0.4, where[owner == k] + 0.4, 100 * mixture[top[owner == k]], name, CYCLE[k % len(CYCLE)])
            for k, name in enumerate(self.names)
        ]
        chart = Chart(
            "the likeliest words, in the colour of the topic that gives most",
            "word",
            "probability (%)",
            f"the {len(top)} likeliest words: {told}",
            bars=bars,
            x_ticks={i: self.words[j] for i, j in enumerate(top)},
            x_range=(-0.6, len(top) - 0.4),
            width=BESIDE,
            height=300 + 16 * len(self.names) // 3,
        )
        mix = ", ".join(f"{s:.0%} topic {k + 1}" for k, s in enumerate(shares) if s > 0)
        return [
            [chart],
            [Note(f"The mixture: {mix}. {self.length} words drawn from it, in no order, for the model has none:", BESIDE)],
            [Note(self.text(shares), BESIDE)],
        ]


class MissingExplorer(Explorer):
    """Naive Bayes against logistic regression, as training images get fewer and features go missing.

    Args:
        results: what `latent_spaces.compare_classifiers` returns: "sizes", "shares", and the accuracies (sizes, shares) of each classifier

    Attributes:
        size: the slider over the numbers of training images;  missing: the slider over the shares of features missing
    """

    def __init__(self, results: Mapping[str, Any]):
        self.sizes, self.shares = [int(v) for v in results["sizes"]], [float(v) for v in results["shares"]]
        self.accuracy = {name: np.asarray(v, dtype=float) for name, v in results.items() if name not in ("sizes", "shares")}
        for name, values in self.accuracy.items():
            if values.shape != (len(self.sizes), len(self.shares)):
                expected = (len(self.sizes), len(self.shares))
                raise ValueError(f"“{name}” has accuracies of shape {values.shape}, but there are {expected} sizes and shares")
        self.size = choice_slider("training images", [(f"{n:,}", n) for n in self.sizes], self.sizes[len(self.sizes) // 2])
        self.missing = choice_slider("missing", [(f"{s:.0%}", s) for s in self.shares], self.shares[len(self.shares) // 2])
        self.size.style.description_width, self.size.layout.width = "120px", "350px"  # a longer name than the other controls have
        super().__init__([self.size, self.missing])

    def panels(self):
        i, j = self.size.index, self.missing.index
        here = {name: float(values[i, j]) for name, values in self.accuracy.items()}
        size, share = f"{self.sizes[i]:,} training images", f"{self.shares[j]:.0%} of the features missing"
        told = ", ".join(f"{name} {v:.1%}" for name, v in here.items())
        low = min(float(values.min()) for values in self.accuracy.values())
        charts = []
        for title, x_label, axis, rows, at, log in (
            (f"with {share}", "training images", self.sizes, {n: v[:, j] for n, v in self.accuracy.items()}, i, True),
            (f"with {size}", "share of the features missing", self.shares, {n: v[i] for n, v in self.accuracy.items()}, j, False),
        ):
            lines = [Line(axis, v, f"{name} {here[name]:.1%}", CYCLE[k], markers=True) for k, (name, v) in enumerate(rows.items())]
            marks = [Mark(axis[at], here[name], color=CYCLE[k]) for k, name in enumerate(rows)]
            alt = f"accuracy against the {x_label}, {title}; at {size if log else share}: {told}"
            chart = Chart(title, x_label, "accuracy", alt, lines, marks=marks, log_x=log, y_range=(max(0.0, low - 0.05), 1.0))
            chart.x_ticks = {v: f"{v:,}" if log else f"{v:.0%}" for v in axis}
            chart.x_rules, chart.width, chart.height = {"": axis[at]}, 390, 290
            charts.append(chart)
        best = max(here, key=here.get)
        rest = max((v for name, v in here.items() if name != best), default=here[best])
        text = f"{size}, {share}: {told}. {best[0].upper() + best[1:]} leads by {100 * (here[best] - rest):.1f} points."
        return [charts, [Note(text, WIDE)]]
