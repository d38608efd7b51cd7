"""From noise to data: images step by step, and the paths of points."""

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...datasets import toy2d
from ...diffusion import Diffusion, ddim_step
from ...diffusion.samplers import estimates
from ...metrics import sliced_wasserstein
from ...plotting.panels import CYCLE, GREY, INK, Chart, Line, Mark, Note, Strips
from .. import GAP, HALF, WIDE, Explorer, at_rest, choice_slider, int_slider, kept_for, menu, numbers, plural, slider, some
from ..plane import as_points, dots, seen_lines, square

ANY = "any"  # digit

# --------------------------------------------------------------------------------------------------------------------
# Images


class ReverseExplorer(Explorer):
    """The reverse process of images: x_t, what the model takes to be behind it, and the end; and how soon the guess comes near it.

    Args:
        model: an `ImageDiffusion`
        seed: of the noise
        digit: what the model is asked for at first; any when left out
        guidance: w, where a digit is asked for

    Attributes:
        step: the slider;  method: the menu of DDIM (η = 0) and DDPM (η = 1);  digit: what the model is asked for
    """

    IMAGES, STEPS = 8, 50

    def __init__(self, model: Diffusion, seed: int = 0, digit: int | None = None, guidance: float = 1.5):
        if not isinstance(model, Diffusion) or len(model.shape) != 3 or model.shape[0] not in (1, 3):
            raise ValueError("the model must be an ImageDiffusion with 1 or 3 channels, for its steps are shown as pictures")
        self.model, self.seed, self.guidance = model, seed, guidance
        self.step = int_slider("step", 0, 0, self.STEPS)
        self.method = menu("method", [("DDIM, η = 0", 0.0), ("DDPM, η = 1", 1.0)])
        self.digit = menu("digit", [ANY, *(str(k) for k in range(model.classes))], ANY if digit is None else str(digit))
        super().__init__([self.step, self.method, self.digit])

    @kept_for("method", "digit")
    def run(self) -> tuple[Tensor, Tensor]:
        """x_t and x̂₀ at each step, (steps + 1, images, *shape) as the chain has them; the last of both is the end."""
        generator, digit = torch.Generator().manual_seed(self.seed), self.digit.value
        times = self.model.schedule.times(self.STEPS).tolist()
        # drawn on the CPU: the same numbers on every device, and for both methods
        noise = torch.randn(len(times), self.IMAGES, *self.model.shape, generator=generator)
        with at_rest(self.model) as device:
            x_t, states, guesses = noise[0].to(device), [], []
            y = None if digit == ANY else torch.full((self.IMAGES,), int(digit), device=device)
            for t, s, fresh in zip(times, times[1:], noise[1:]):
                x, eps = estimates(self.model, x_t, t, y, self.guidance)
                states.append(x_t.cpu())
                guesses.append(x.cpu())
                x_t = ddim_step(self.model, x_t, x, eps, t, s, self.method.value, fresh.to(device))
        end = x_t.cpu()
        return torch.stack([*states, end]), torch.stack([*guesses, end])

    def panels(self):
        states, guesses = self.run()
        k, method = self.step.value, "DDIM" if self.method.value == 0 else "DDPM"
        t, asked = 1 - k / self.STEPS, "any digit" if self.digit.value == ANY else f"the digit {self.digit.value}, w = {self.guidance:g}"
        # root of the mean squared difference of two pixels, over all images
        far, guess_far = (difference(v, v[-1:]) for v in (states, guesses))
        where = f"step {k} of {self.STEPS}, t = {t:.2f}"
        rows = [
            ("x_t", states[k], f"{self.IMAGES} noisy images x_t at {where}; they are {far[k]:.2f} from the end"),
            ("x̂₀", guesses[k], f"what {method} takes to be behind them, {guess_far[k]:.2f} from the end"),
            ("end", guesses[-1], f"the {self.IMAGES} images of step {self.STEPS}"),
        ]
        rows = [(label, self.model.unscaled(images).clamp(0, 1), alt) for label, images, alt in rows]
        strips = Strips(f"{method}, {asked}: {where}", rows, 56)
        steps = np.arange(self.STEPS + 1)
        chart = Chart(
            "how far from the end",
            "step",
            "difference of pixels (rms)",
            f"distance from the end against the step; at {where} x_t is {far[k]:.2f} from it and the guess x̂₀ {guess_far[k]:.2f}",
            [Line(steps, far, "x_t", GREY), Line(steps, guess_far, "guess x̂₀")],
            marks=[Mark(k, far[k], color=GREY), Mark(k, guess_far[k], f"{guess_far[k]:.2f}", CYCLE[0])],
            x_range=(0, self.STEPS),
            width=max(300, WIDE - GAP - strips.size[0]),
            height=max(240, strips.size[1]),
        )
        chart.y_range = (-0.03 * far.max(), 1.15 * max(far.max(), guess_far.max(), 1e-6))
        return [[strips, chart], [Note(self.words(method, where, k, guesses, far, guess_far), WIDE)]]

    def words(self, method: str, where: str, k: int, guesses: Tensor, far: np.ndarray, guess_far: np.ndarray) -> str:
        text = f"{method} at {where}: pixels of x_t are {far[k]:.2f} from those of the end, pixels of the guess x̂₀ {guess_far[k]:.2f}, "
        text += "on a scale from -1 to 1. "
        if k:
            text += f"The last step has changed the guess by {difference(guesses[k : k + 1], guesses[k - 1 : k])[0]:.3f}. "
        half = int((guess_far > 0.5 * guess_far[0]).nonzero()[0].max(initial=-1)) + 1
        text += f"From step {half} on, the guess stays within half of its first distance. "
        if k == 0:
            return text + "From noise alone the best guess is an average of all that could come: a blur."
        if k == self.STEPS:
            return text + "The end: no noise is left."
        stays = "every step follows from the noise of step 0" if method == "DDIM" else "every step adds some fresh noise"
        return text + f"x_t is a mixture of the guess and of noise; in {method} {stays}."


def difference(a: Tensor, b: Tensor) -> np.ndarray:
    """Root of the mean squared difference over all but the first axis, (n,)."""
    return (a - b).square().flatten(1).mean(1).sqrt().numpy()


# --------------------------------------------------------------------------------------------------------------------
# Points


class TrajectoryExplorer(Explorer):
    """The paths of points from the same noise to data, of two models side by side, in many steps or few.

    Args:
        models: name → `PointDiffusion` with dims = 2
        data: (n, 2), at least 4 points; when left out 2,000 of gaussians8, and the distances are those of the models' records, if all have
            them: means over draws of many points, where one draw of these is as far from the next as from the data

    Attributes:
        compare: the menu of pairs;  t: the slider of the time, 1 is the noise and 0 the end;  steps: how many are taken

    Within a step a point follows the curve α x̂₀ + σ ε̂ of the two estimates at its beginning, on which DDIM puts the next one.
    """

    FEW_COLORS = True
    COUNTS = (1, 2, 5, 10, 20, 100)
    FINE = 100  # times at which the paths are known; a multiple of all counts
    POINTS, TRAILS, SHOWN = 1000, 60, 400
    HALVES = 6  # ways to cut the data in two, whose mean distance is what chance alone makes
    MEASURED = "distance_of_data"  # in a record that has them all

    def __init__(self, models: Mapping[str, Diffusion], data: Any = None):
        self.models = some(models, "models", "name → PointDiffusion")
        for name, model in self.models.items():
            if not isinstance(model, Diffusion) or model.shape != (2,):
                raise ValueError(f"the model “{name}” must be a PointDiffusion with dims = 2, to be drawn in the plane")
        self.data = as_points(toy2d("gaussians8", 2 * self.POINTS, seed=99).x if data is None else data, "data")
        if len(self.data) < 4:
            raise ValueError(f"data must hold at least 4 points, to be compared with each other, got {len(self.data)}")
        n = min(self.POINTS, len(self.data) // 2)
        generator = torch.Generator().manual_seed(0)
        halves = [
            torch.as_tensor(self.data)[torch.randperm(len(self.data), generator=generator)[: 2 * n]].split(n) for _ in range(self.HALVES)
        ]
        self.fresh = halves[0][0]  # what samples are compared with
        records = {name: numbers(model) for name, model in self.models.items()}
        self.records = records if data is None and all(self.MEASURED in record for record in records.values()) else {}
        apart = [float(sliced_wasserstein(*pair, p=1)) for pair in halves]
        self.chance, self.spread = float(np.mean(apart)), float(np.std(apart, ddof=1))
        if self.records:
            self.chance, self.spread = (
                float(np.mean([r[key] for r in records.values()])) for key in (self.MEASURED, f"{self.MEASURED}_sd")
            )
        self.start = torch.randn(n, 2, generator=torch.Generator().manual_seed(0))
        names = list(self.models)
        pairs = [((a,), a) for a in names] if len(names) == 1 else [((a, b), f"{a} | {b}") for a, b in combinations(names, 2)]
        self.compare = menu("compare", [(label, pair) for pair, label in pairs])
        self.t = slider("t", 0.0, 0.0, 1.0, 1 / self.FINE, 2)
        self.steps = choice_slider("steps", self.COUNTS, self.FINE)
        first = np.concatenate([self.data, *(model.unscaled(self.start).numpy() for model in self.models.values())])
        self.reach = float(np.ceil(np.quantile(np.abs(first).max(1), 0.995)))
        super().__init__([self.compare, self.t, self.steps])

    @kept_for()
    def ways(self, name: str, steps: int) -> np.ndarray:
        """Where the points are at each of the fine times from 1 down to 0, (FINE + 1, n, 2), in units of the data."""
        model, fine = self.models[name], self.models[name].schedule.times(self.FINE).tolist()
        stride = self.FINE // steps
        with at_rest(model) as device:
            x_t = self.start.to(device)
            path = [x_t]
            for k in range(0, self.FINE, stride):
                x, noise = estimates(model, x_t, fine[k])
                path += [ddim_step(model, x_t, x, noise, fine[k], s) for s in fine[k + 1 : k + stride + 1]]
                x_t = path[-1]
            return model.unscaled(torch.stack(path)).cpu().numpy()

    @kept_for()
    def measured(self, name: str, steps: int) -> tuple[float, float, float]:
        """The length of all paths over the straight distances of their ends; the sliced distance of the ends to the data, and its standard
        deviation from draw to draw, NaN where there was one."""
        path = self.ways(name, steps)
        straight = np.linalg.norm(path[-1] - path[0], axis=-1).sum()
        length = np.linalg.norm(np.diff(path, axis=0), axis=-1).sum()
        # an untrained model may leave every point where it is
        ratio = float(length / straight) if straight > 1e-4 * len(self.start) else 1.0
        if self.records:
            return ratio, *(self.records[name][f"distance_{steps}_steps{kind}"] for kind in ("", "_sd"))
        return ratio, float(sliced_wasserstein(path[-1], self.fresh, p=1)), math.nan

    def panels(self):
        planes = [self.plane(name) for name in self.compare.value]
        return [planes, [self.distances(), Note(self.words(), 400)]]

    def plane(self, name: str) -> Chart:
        t, steps, reach = self.t.value, self.steps.value, self.reach
        k = round((1 - t) * self.FINE)
        path = self.ways(name, steps)
        trails = path[: k + 1, : self.TRAILS]
        if k:  # every second point, and the last
            trails = trails[[*range(0, k, 2), k]]
        straight, distance, _ = self.measured(name, steps)
        alt = f"{name} in {plural(steps, 'step')}, at t = {t:.2f}: the paths of {self.TRAILS} points from noise; "
        alt += f"a whole path is {straight:.2f} times as long as the straight line; at t = 0 the distance to the data is {distance:.3f}"
        strokes = [
            dots(self.data, reach, "data", CYCLE[2], 2.5, 0.5),
            seen_lines(trails.swapaxes(0, 1), reach, label="paths" if k else "", color=CYCLE[0], width=1.1, opacity=0.6),
            dots(path[k, : self.SHOWN], reach, "samples" if k == self.FINE else f"points at t = {t:.2f}", INK, 3.0),
        ]
        return square(f"{name}: path {straight:.2f} × the straight line", alt, reach, strokes=strokes)

    def distances(self) -> Chart:
        """Sliced distance to the data against the number of steps."""
        steps, lines, marks, told = self.steps.value, [], [], []
        for i, (name, color) in enumerate(zip(self.compare.value, (CYCLE[0], CYCLE[1]))):
            values = [self.measured(name, count)[1] for count in self.COUNTS]
            here = values[self.COUNTS.index(steps)]
            lines.append(Line(self.COUNTS, values, name, color, markers=True))
            marks.append(Mark(steps, here, "" if i else plural(steps, "step"), color))
            told.append(f"{name} {here:.3f}")
        for k, label in ((0, "two sets of data, ± sd"), (-1, ""), (1, "")):
            value = max(self.chance + k * self.spread, 1e-3)
            lines.append(Line((1, 100), (value, value), label, GREY, dashed=bool(k)))
        source = next(iter(self.records.values()), None)
        of = f", mean of {source['draws']} draws of {source['samples']:,}" if source else ""
        return Chart(
            f"distance to the data{of}",
            "steps",
            "sliced distance",
            f"sliced distance of samples to the data against the steps{of}; in {steps}: {', '.join(told)}; "
            f"by chance {self.chance:.3f} ± {self.spread:.3f}",
            lines,
            marks=marks,
            log_x=True,
            log_y=True,
            x_range=(0.9, 140),
            x_ticks={n: str(n) for n in self.COUNTS},
            width=HALF,
            height=250,
        )

    def words(self) -> str:
        steps, t = self.steps.value, self.t.value
        text = f"All models start from the same {len(self.start):,} points of noise. t = {t:.2f}, {plural(steps, 'step')}. "
        for name in self.compare.value:
            (here, distance, spread), (fine, *_) = self.measured(name, steps), self.measured(name, self.FINE)
            text += f"{name}: the paths are {here:.3f} times as long as the straight lines between their ends"
            text += "" if steps == self.FINE else f" ({fine:.3f} in {self.FINE} steps)"
            text += f"; samples are {distance:.3f}{'' if math.isnan(spread) else f' ± {spread:.3f}'} from the data. "
        n = next(iter(self.records.values()), {"samples": len(self.start)})["samples"]
        text += f"Two sets of {n:,} data are {self.chance:.3f} ± {self.spread:.3f} apart, by chance alone. "
        if steps == 1:
            return text + "One step trusts the guess at t = 1: the mean of all data that this noise may become."
        return text + "A straight path at a steady speed needs no corrections, so few steps are enough for it."
