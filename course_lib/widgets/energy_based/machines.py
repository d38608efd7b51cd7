"""Machines of units that are on or off: a lattice of spins, and the pixels and hidden units of an RBM."""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...energy_based import (
    CRITICAL_TEMPERATURE,
    RBM,
    heat_capacity,
    ising_energy,
    ising_sweep,
    magnetisation,
    onsager_energy,
    onsager_heat_capacity,
    onsager_magnetisation,
)
from ...energy_based.samplers import coins
from ...plotting.panels import CYCLE, GREY, Chart, Line, Mark, Note, Strips, ramp
from .. import GAP, WIDE, Explorer, as_images, at_rest, choice_slider, film, int_slider, kept_for, menu, plural, seed_slider, seeded
from ..pixels import filled_in

# --------------------------------------------------------------------------------------------------------------------
# Ising

TEMPERATURES = (1.0, 1.4, 1.8, 2.0, 2.1, 2.2, 2.27, 2.35, 2.5, 2.7, 3.0, 3.5, 4.0, 5.0)


class IsingExplorer(Explorer):
    """A lattice of spins at each of 14 temperatures, all swept as often: one to look at, and the phase change in all of them.

    Attributes:
        temperature, seed: the sliders;  start, chart: the menus
        sweeps: how many are done, the slider that the film's buttons move

    The first half of the sweeps is forgotten; |mean spin|, energy and heat capacity are means over the second.
    """

    BELOW = True
    SIDE, SWEEPS, BLOCK = 32, 200, 10
    STARTS = {"hot: at random": 0.5, "cold: all up": 1.0}

    def __init__(self, temperature: float = 1.4, sweeps: int = 40):
        self.temperature = choice_slider("temperature", [(f"{t:g}", t) for t in TEMPERATURES], temperature)
        self.start = menu("start", list(self.STARTS))
        self.chart = menu("chart", ["energy", "heat capacity"])
        self.seed = seed_slider("seed")
        self.sweeps, play = film(self.SWEEPS, 200)
        self.sweeps.description = "sweeps"
        self.sweeps.value = play.value = sweeps
        super().__init__([self.temperature, self.start, self.chart, self.seed, self.sweeps, play])

    @kept_for("start", "seed")
    def block(self, i: int) -> Tensor:
        """The lattices after each of the i-th BLOCK of sweeps, (BLOCK, temperatures, side, side) of ±1; block −1 is the start alone."""
        with seeded(1000 * self.seed.value + i + 1):
            if i < 0:
                return 2 * coins(torch.full((1, len(TEMPERATURES), self.SIDE, self.SIDE), self.STARTS[self.start.value])) - 1
            spins, made = self.block(i - 1)[-1], []
            for _ in range(self.BLOCK):
                spins = ising_sweep(spins, torch.tensor(TEMPERATURES))
                made.append(spins)
        return torch.stack(made).to(torch.int8).float()

    @kept_for("start", "seed")
    def measured(self, i: int) -> tuple[Tensor, Tensor]:
        """Mean spin and energy of the lattices of a block, each (sweeps, temperatures)."""
        return magnetisation(self.block(i)), ising_energy(self.block(i))

    @kept_for("start", "seed", "sweeps")
    def later(self) -> tuple[Tensor, Tensor, Tensor]:
        """|mean spin|, energy of a spin and heat capacity at each temperature, means over the second half of the sweeps."""
        blocks = range(-1, math.ceil(self.sweeps.value / self.BLOCK))
        spin, energy = (torch.cat(part)[: self.sweeps.value + 1][self.sweeps.value // 2 :] for part in zip(*map(self.measured, blocks)))
        sites = self.SIDE**2
        capacity = heat_capacity(energy, torch.tensor(TEMPERATURES), sites) if len(energy) > 1 else torch.zeros(len(TEMPERATURES))
        return spin.abs().mean(0), energy.mean(0) / sites, capacity

    def lattice(self) -> Tensor:
        """The one that is shown, (side, side) of ±1."""
        i = math.ceil(self.sweeps.value / self.BLOCK) - 1
        place = TEMPERATURES.index(self.temperature.value)
        return self.block(i)[self.sweeps.value - 1 - i * self.BLOCK if i >= 0 else 0, place]

    def panels(self):
        t, k = self.temperature.value, self.sweeps.value
        i, lattice, values = TEMPERATURES.index(t), self.lattice(), self.later()
        spin, energy, capacity = (v.tolist() for v in values)
        picture = torch.from_numpy(ramp((lattice.numpy() + 1) / 2, (9, 58, 112), (255, 215, 140))).permute(2, 0, 1)[None]
        unlike = self.unlike(lattice)
        strips = Strips(
            f"T = {t:g} after {plural(k, 'sweep')}: mean spin {magnetisation(lattice):+.2f}",
            [
                (
                    "",
                    picture,
                    f"{self.SIDE} × {self.SIDE} spins, {(lattice > 0).float().mean():.0%} up; {unlike:.0%} of the neighbours differ",
                )
            ],
            320,
            width=340,
        )
        curve = np.linspace(1, 5, 161)
        onsager = [onsager_magnetisation(x) for x in curve]
        phase = Chart(
            "|mean spin| against the temperature",
            "temperature T",
            "|mean spin|",
            f"|mean spin| at {len(TEMPERATURES)} temperatures; at {t:g} {spin[i]:.3f}, Onsager {onsager_magnetisation(t):.3f}",
            [Line(curve, onsager, "exact, infinite lattice", GREY), Line(TEMPERATURES, spin, "lattices", markers=True)],
            marks=[Mark(t, spin[i], f"{spin[i]:.2f}")],
            x_range=(0.9, 5.1),
            y_range=(0, 1.08),
            width=WIDE - GAP - strips.size[0],
            height=strips.size[1],
        )
        return [[strips, phase], [self.second(t, i, energy, capacity), Note(self.words(t, k, i, spin, unlike), 340)]]

    @staticmethod
    def unlike(lattice: Tensor) -> float:
        """The share of neighbours that differ, of all pairs."""
        return 0.5 + float(ising_energy(lattice)) / (4 * lattice.numel())

    def second(self, t: float, i: int, energy: list[float], capacity: list[float]) -> Chart:
        of_energy = self.chart.value == "energy"
        values, exact = (energy, onsager_energy) if of_energy else (capacity, onsager_heat_capacity)
        curve = np.linspace(1, 5, 161)
        name = "energy of a spin" if of_energy else "heat capacity of a spin"
        return Chart(
            f"{name} against the temperature",
            "temperature T",
            "energy" if of_energy else "Var(E) / T² side²",
            f"{name} against the temperature; at {t:g} {values[i]:.3f}, Onsager {exact(t):.3f}",
            [
                Line(curve, [exact(x) for x in curve], "exact, infinite lattice", GREY),
                Line(TEMPERATURES, values, "lattices", markers=True),
            ],
            marks=[Mark(t, values[i], f"{values[i]:.2f}")],
            x_range=(0.9, 5.1),
            y_range=(-2.1, 0) if of_energy else (0, max(3.2, 1.1 * max(values))),
            width=WIDE - GAP - 340,
            height=210,
        )

    def words(self, t: float, k: int, i: int, spin: list[float], unlike: float) -> str:
        right = onsager_magnetisation(t)
        text = f"{self.SIDE} × {self.SIDE} spins at T = {t:g}, {plural(k, 'sweep')} from a {self.start.value.split(':')[0]} start. "
        text += f"|Mean spin| over the second half: {spin[i]:.2f}; of an infinite lattice {right:.2f}. "
        text += f"{unlike:.0%} of the neighbours differ. "
        if abs(t - CRITICAL_TEMPERATURE) < 0.2:
            return (
                text + "Near the critical temperature 2.269 patches of all sizes come and go, and a chain needs the most sweeps to forget."
            )
        if t < CRITICAL_TEMPERATURE and right - spin[i] > 0.1:
            return (
                text + "Cold spins agree with their neighbours, but domains of both sides are left: this chain has not forgotten its start."
            )
        if t < CRITICAL_TEMPERATURE:
            return text + "The lattice has taken a side. Both sides are as likely, yet a local chain does not get to the other."
        if spin[i] - right > 0.1 and t > 2.6:
            return text + "Hot spins hardly know their neighbours; what is left of a side is the start, which is not forgotten yet."
        return text + "Hot spins take no side; a finite lattice always has a small mean spin by chance."


# --------------------------------------------------------------------------------------------------------------------
# Gibbs sampling of an RBM


class GibbsExplorer(Explorer):
    """Gibbs sampling of an RBM: hidden units given pixels, pixels given hidden units, and so on; or one pixel after the other.

    Args:
        model: an `RBM`;  images: (n, *shape), uint8 or in [0, 1], to begin with and to hide parts of; on where above ½

    Attributes:
        start, keep, way: the menus;  image, seed: the sliders
        steps: how many are taken, the slider that the film's buttons move: half-sweeps, or rows of pixels
    """

    BELOW = True
    STEPS, CHAINS = 56, 4
    KEPT = ("nothing", "lower half", "upper half", "left half")

    def __init__(self, model: RBM, images: Any):
        if not isinstance(model, RBM) or len(model.shape) != 3 or model.shape[0] != 1:
            raise ValueError("the model must be an RBM of grey pictures, shape (1, height, width)")
        self.model, self.images = model, (as_images(images).cpu() > 0.5).float()
        if tuple(self.images.shape[1:]) != model.shape:
            raise ValueError(f"images must be (n, {', '.join(map(str, model.shape))}), as the model's, got {tuple(self.images.shape)}")
        with at_rest(model) as device:
            self.usual = float(model.free_energy(self.images.to(device)).mean())
        self.start = menu("start", ["noise", "digit"])
        self.keep = menu("keep", self.KEPT, "lower half")
        self.way = menu("draw", ["layer by layer", "pixel by pixel"])
        self.image, self.seed = int_slider("image", 0, 0, len(self.images) - 1), seed_slider("seed")
        self.steps, play = film(self.STEPS, 250)
        self.steps.description = "steps"
        super().__init__([self.start, self.keep, self.way, self.image, self.seed, self.steps, play])

    def kept(self) -> Tensor:
        """Which pixels are held, (height, width) bool."""
        _, high, wide = self.model.shape
        y, x = torch.arange(high)[:, None].expand(high, wide), torch.arange(wide).expand(high, wide)
        return {
            "nothing": y < 0,
            "upper half": y < high // 2,
            "lower half": y >= high // 2,
            "left half": x < wide // 2,
        }[self.keep.value]

    @kept_for("start", "keep", "way", "image", "seed")
    def film(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """After 0, 1, … STEPS steps: pixels and their probabilities when last drawn, (steps + 1, chains, pixels) each; probabilities of the
        hidden units (steps + 1, chains, hidden); free energies (steps + 1, chains)."""
        model = self.model
        with at_rest(model) as device, seeded(self.seed.value, device):
            digit, kept = self.images[self.image.value].flatten().to(device), self.kept().flatten().to(device)
            v = digit.expand(self.CHAINS, -1) if self.start.value == "digit" else torch.rand(self.CHAINS, len(digit), device=device).round()
            v = torch.where(kept, digit, v).to(model.weight.dtype)
            shade = v
            on = (v @ model.weight + model.hidden_bias).sigmoid()
            frames = [(v, shade, on)]
            for k in range(1, self.STEPS + 1):
                if self.way.value == "pixel by pixel":
                    v, shade = self.row(v, shade, (k - 1) % model.shape[1], kept)
                    on = (v @ model.weight + model.hidden_bias).sigmoid()
                elif k % 2:
                    on = (v @ model.weight + model.hidden_bias).sigmoid()
                    hidden = coins(on)
                else:
                    shade = torch.where(kept, v, (hidden @ model.weight.T + model.visible_bias).sigmoid())
                    v = torch.where(kept, v, coins(shade))
                frames.append((v, shade, on))
            v, shade, on = (torch.stack(part) for part in zip(*frames))
            free = model.free(v.flatten(0, 1)).view(v.shape[:2])
            return tuple(part.float().cpu() for part in (v, shade, on, free))

    def row(self, v: Tensor, shade: Tensor, row: int, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Draw a row pixel by pixel, each given all others: p(v_i = 1 | rest) = sigmoid(F with v_i = 0 − F with v_i = 1)."""
        model, wide = self.model, self.model.shape[2]
        v, shade, pull = v.clone(), shade.clone(), v @ model.weight + model.hidden_bias
        for i in range(row * wide, (row + 1) * wide):
            if kept[i]:
                continue
            without = pull - v[:, i, None] * model.weight[i]
            gain = (F.softplus(without + model.weight[i]) - F.softplus(without)).sum(1)
            shade[:, i] = (model.visible_bias[i] + gain).sigmoid()
            v[:, i] = coins(shade[:, i])
            pull = without + v[:, i, None] * model.weight[i]
        return v, shade

    def panels(self):
        k, (v, shade, on, free) = self.steps.value, self.film()
        kept, shape = self.kept(), (self.CHAINS, *self.model.shape[1:])
        by_pixel = self.way.value == "pixel by pixel"
        step = (
            "the start"
            if not k
            else f"step {k}: row {(k - 1) % self.model.shape[1] + 1}"
            if by_pixel
            else f"step {k}: {'hidden units' if k % 2 else 'pixels'}"
        )
        changed = float((v[k] != v[max(k - 1, 0)]).float().mean())
        held = "nothing is held" if self.keep.value == "nothing" else f"the {self.keep.value} is held"
        strips = Strips(
            f"{step}; blue is drawn, grey is held" if kept.any() else step,
            [
                (
                    "pixels",
                    self.colored(v[k].view(shape), kept),
                    f"pixels of {self.CHAINS} chains at {step}, {held}; {changed:.1%} changed in it",
                ),
                (
                    "p(x | rest)" if by_pixel else "p(x | h)",
                    self.colored(shade[k].view(shape), kept),
                    f"probability of each pixel when it was last drawn, {shade[k].mean():.3f} on average",
                ),
                (
                    "p(h | x)",
                    self.hidden(on[k]),
                    f"probability of {self.model.hidden} hidden units of each chain; {(on[k] > 0.5).float().mean():.0%} are above a half",
                ),
            ],
            84,
        )
        return [
            [strips, self.energies(free, k, max(280, WIDE - GAP - strips.size[0]), strips.size[1])],
            [Note(self.words(free, k, changed, kept), WIDE)],
        ]

    @staticmethod
    def colored(pictures: Tensor, kept: Tensor) -> Tensor:
        """Pixels that are drawn in blue, those that are held in grey, as everywhere where holes are filled."""
        return torch.from_numpy(filled_in(pictures.numpy(), ~kept.numpy()))

    def hidden(self, on: Tensor) -> Tensor:
        """The hidden units of each chain as a picture of about the pixels' shape, the rest white."""
        _, high, wide = self.model.shape
        across = math.ceil(math.sqrt(on.shape[1]))
        down = math.ceil(on.shape[1] / across)
        units = torch.ones(len(on), down * across)
        units[:, : on.shape[1]] = on
        large = F.interpolate(units.view(-1, 1, down, across), (high, wide), mode="nearest-exact")
        return large

    def energies(self, free: Tensor, k: int, width: int, height: int) -> Chart:
        paths = free[: k + 1].T.numpy()
        lines = [Line(range(k + 1), paths[i], {0: "chain 1", 1: "others"}.get(i, ""), CYCLE[0] if i else CYCLE[1]) for i in (1, 2, 3, 0)]
        everything = torch.cat([free.flatten(), torch.tensor([self.usual])])
        low, high = everything.min().item(), everything.max().item()
        return Chart(
            "free energy F(x) of each chain",
            "step",
            "nats",
            f"free energies of {self.CHAINS} chains over {plural(k, 'step')}, now {free[k].mean():.1f} nats on average; "
            f"of given digits {self.usual:.1f}",
            [Line((0, self.STEPS), (self.usual,) * 2, "given digits, mean", GREY, dashed=True), *lines],
            marks=[Mark(k, free[k, 0].item(), f"{free[k, 0]:.0f}")],
            x_range=(0, self.STEPS),
            y_range=(low - 0.08 * (high - low) - 0.1, high + 0.08 * (high - low) + 0.1),
            width=width,
            height=height,
        )

    def words(self, free: Tensor, k: int, changed: float, kept: Tensor) -> str:
        now, first, by_pixel = float(free[k].mean()), float(free[0].mean()), self.way.value == "pixel by pixel"
        text = f"F(x) was {first:.1f} nats at the start and is {now:.1f} now, means of {self.CHAINS} chains; "
        text += f"{plural(len(self.images), 'given picture')}: {self.usual:.1f}. "
        if k and (by_pixel or k % 2 == 0):
            text += f"The last step changed {changed:.1%} of the pixels. "
        if by_pixel:
            text += f"A step draws one row, each pixel given all others; a sweep of all pixels takes {self.model.shape[1]} steps. "
        else:
            text += "Odd steps draw all hidden units given the pixels, even ones all pixels given the hidden units: a sweep takes 2 steps. "
        if kept.any():
            return text + f"The {self.keep.value} is put back after each draw, so the chain ends in p(rest | {self.keep.value})."
        return text + "A chain does not go downhill only: it lingers where p(x) ∝ exp(−F(x)) is high and there is room."
