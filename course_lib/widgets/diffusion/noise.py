"""How data drown in noise."""

import math
from typing import Any

import numpy as np
import torch

from ...diffusion import SCHEDULES, Schedule
from ...plotting.panels import CYCLE, GREY, INK, Bars, Chart, Line, Mark, Note, Strips
from .. import GAP, HALF, WIDE, Explorer, as_images, int_slider, menu, slider
from ..plane import log_normal

COLOURS = dict(zip(SCHEDULES, CYCLE))


class NoiseExplorer(Explorer):
    """An image on its way into noise under each schedule: pictures, the two factors, the signal-to-noise ratio, and all pixel values.

    Args:
        images: (n, c, h, w), uint8 or floats in [0, 1]; the first 64 are used

    Attributes:
        t: the slider, 0 is the data and 1 the noise;  schedule: the menu;  image: which one is shown, counted from 0
    """

    IMAGES = 64  # whose pixels are counted
    BINS = np.linspace(-4, 4, 65)
    FLOOR, CEILING = -15.0, 10.0  # of log SNR in the picture; what lies beyond is drawn on the edge
    TALL = 1.0  # of the histogram; at t = 0 the bars of black and white would be several times as high

    def __init__(self, images: Any):
        self.x = 2 * as_images(images)[: self.IMAGES].cpu() - 1
        self.noise = torch.randn(self.x.shape, generator=torch.Generator().manual_seed(0))
        self.grid = torch.linspace(0, 1, 101, dtype=torch.float64)
        self.curves = {name: tuple(v.numpy() for v in Schedule(name).alpha_sigma(self.grid)) for name in SCHEDULES}
        self.t = slider("t", 0.4, 0.0, 1.0, 0.01, 2)
        self.schedule = menu("schedule", list(SCHEDULES), "cosine")
        self.image = int_slider("image", 0, 0, len(self.x) - 1)
        super().__init__([self.t, self.schedule, self.image])

    def panels(self):
        t, name, i = round(self.t.value, 4), self.schedule.value, self.image.value
        alpha, sigma = Schedule(name).at(t)
        noisy = alpha * self.x + sigma * self.noise
        log_snr = 2 * math.log(alpha / sigma) if sigma > 0 else math.inf
        made = f"x_t = {alpha:.2f} x₀ + {sigma:.2f} ε"
        trio = torch.stack([self.x[i], self.noise[i], noisy[i]]).add(1).div(2).clamp(0, 1)
        alt = f"image {i} three times: x₀, the noise ε, and {made}"
        strips = Strips(f"{name}, t = {t:.2f}: {made}", [("", trio, alt)], 140, columns=("x₀", "ε", "x_t"))
        told = "∞" if math.isinf(log_snr) else f"{log_snr:.2f}"
        return [
            [strips, self.histogram(noisy.numpy(), t, name, WIDE - GAP - strips.size[0])],
            [self.factors(t, name, alpha, sigma), self.ratio(t, name, log_snr, told)],
            [Note(self.words(t, name, alpha, sigma, log_snr, told, noisy), WIDE)],
        ]

    def histogram(self, values: np.ndarray, t: float, name: str, width: int) -> Chart:
        """All pixel values of x_t as a density, under that of the noise."""
        counts, _ = np.histogram(values, self.BINS)
        heights = counts / (values.size * np.diff(self.BINS))
        at = np.linspace(-4, 4, 161)
        alt = f"pixel values of x_t in {len(values)} images at t = {t:.2f} under {name}: mean {values.mean():.2f}, "
        return Chart(
            f"pixel values of x_t in {len(values)} images" + ("; bars are cut at 1" if heights.max() > self.TALL else ""),
            "value",
            "density",
            alt + f"standard deviation {values.std():.2f}; over them the density of N(0, 1)",
            [Line(at, np.exp(log_normal(at, 0.0, 1.0)), "N(0, 1)", CYCLE[1])],
            bars=[Bars(self.BINS[:-1], self.BINS[1:], heights, "x_t", "#9cc6ec")],
            x_range=(-4, 4),
            y_range=(0, self.TALL),
            width=max(300, width),
            height=215,
        )

    def factors(self, t: float, name: str, alpha: float, sigma: float) -> Chart:
        lines = [Line(self.grid, self.curves[other][0], other, COLOURS[other]) for other in SCHEDULES]
        lines.append(Line(self.grid, self.curves[name][1], f"σ, {name}", INK, dashed=True))
        return Chart(
            "what is left of the image: α(t)",
            "t",
            "α, σ",
            f"α(t) of four schedules; {name} has α = {alpha:.3f} and σ = {sigma:.3f} at t = {t:.2f}",
            lines,
            marks=[Mark(t, sigma, color=INK), Mark(t, alpha, f"α = {alpha:.2f}", COLOURS[name])],
            x_range=(0, 1),
            y_range=(-0.03, 1.08),
            width=HALF,
            height=250,
        )

    def ratio(self, t: float, name: str, log_snr: float, told: str) -> Chart:
        lines = [Line(self.grid[1:], self.log_snr(other)[1:].clip(self.FLOOR, self.CEILING), other, COLOURS[other]) for other in SCHEDULES]
        return Chart(
            "signal to noise: log α²/σ²",
            "t",
            "log SNR (nats)",
            f"log signal-to-noise ratio of four schedules in nats; {name} has {told} at t = {t:.2f}",
            [*lines, Line((0, 1), (0, 0), "equal", GREY, dashed=True)],
            marks=[Mark(t, float(np.clip(log_snr, self.FLOOR, self.CEILING)), told, COLOURS[name])],
            x_range=(0, 1),
            y_range=(self.FLOOR, self.CEILING),
            width=HALF,
            height=250,
        )

    def log_snr(self, name: str) -> np.ndarray:
        """log α²/σ² on the grid of times, nats: ∞ at t = 0."""
        alpha, sigma = self.curves[name]
        with np.errstate(divide="ignore"):
            return 2 * (np.log(alpha) - np.log(sigma))

    def words(self, t: float, name: str, alpha: float, sigma: float, log_snr: float, told: str, noisy: torch.Tensor) -> str:
        snr = "∞" if math.isinf(log_snr) else f"{math.exp(log_snr):.3g}"
        text = f"{name.capitalize()} at t = {t:.2f}: ᾱ = α² = {alpha**2:.4g}, SNR = ᾱ/σ² = {snr}, its log {told} nats. "
        text += what_it_is(log_snr) + " "
        text += f"In all {len(noisy)} images the pixels of x_t have mean {noisy.mean():.2f} "
        return (
            text + f"and standard deviation {noisy.std(correction=0):.2f}; ε has 0 and 1. Pictures cut values at -1 (black) and 1 (white)."
        )


def what_it_is(log_snr: float) -> str:
    """What x_t is at this log signal-to-noise ratio, in a sentence."""
    if log_snr == math.inf:
        return "x_t is the image itself."
    if log_snr > 2.5:
        return "x_t is the image with a little noise."
    if log_snr > -1.5:
        return "x_t is image and noise in like parts, and the eye still finds the image."
    if log_snr > -6:
        return "x_t is mostly noise, and its large shapes alone can be guessed."
    return "x_t is noise: what is left of the image nobody finds."
