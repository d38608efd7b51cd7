"""Markov chains in the plane: which of them arrive, and what energies make together."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from ...datasets.toy2d import plane
from ...energy_based import (
    Chains,
    Target,
    effective_sample_size,
    gaussian,
    hmc,
    mala,
    metropolis,
    mixture,
    product,
    targets,
    tempered,
    ula,
)
from ...energy_based.energies import Energy
from ...plotting.panels import CYCLE, GREY, INK, Chart, Line, Note, Strips, Strokes, Table, ramp
from .. import GAP, HALF, WIDE, Explorer, choice_slider, film, kept_for, menu, plural, seed_slider, seeded, slider, some
from ..plane import DEEP, dots, seen_segments, shaded, square

LEAPS = 8  # of a step of HMC
METHODS: dict[str, Callable[[Energy, Tensor, float, int], Chains]] = {
    "random walk": metropolis,
    "Langevin (ULA)": ula,
    "MALA": mala,
    f"HMC, {LEAPS} leaps": lambda energy, x, step, steps: hmc(energy, x, step, LEAPS, steps),
}
# name → how far the plane reaches, and where chains begin that begin together
VIEWS = {"8 modes": (4.5, (3.0, 0.0)), "banana": (6.5, (-3.5, 5.0)), "Gaussian": (5.0, (-4.0, 3.5))}
NAMES = ("mean x₁", "mean x₂", "var x₁", "var x₂")


def tempered_moments(target: Target, temperature: float) -> tuple[Tensor, Tensor]:
    """Mean and variance along each axis of p^(1/T), (2,) each: exact for the Gaussian and the banana, else by a sum over a fine grid."""
    variance = target.cov.diagonal()
    if target.name == "Gaussian":
        return target.mean, temperature * variance
    if target.name == "banana":  # both noises grow by √T; at T = 1 the variance of x₂ is 1 + 2 · bent², bent = bend · width²
        bent = math.sqrt((variance[1] - 1) / 2)
        mean = torch.tensor([0.0, bent * (temperature - 1)])
        return mean, torch.tensor([temperature * variance[0], temperature + 2 * (bent * temperature) ** 2])
    places = plane(500, 8.0).double()
    p = (-target.energy(places) / temperature).softmax(0)[:, None]
    mean = (p * places).sum(0)
    return mean, (p * (places - mean).square()).sum(0)


class ChainExplorer(Explorer):
    """Chains that walk through a landscape: four methods, their step, and whether what they leave behind are samples.

    Attributes:
        shape, method, start: the menus;  step, temperature, chains, seed: the sliders
        steps: how many are taken, the slider that the film's buttons move

    The step is the scale of a random walk, η of Langevin and MALA, or ε of a leap of HMC. Chains that diverged, that never moved or that
    disagree are said to have, and not drawn as samples.
    """

    BELOW = FEW_COLORS = True
    STEPS, BLOCK, LATELY, TRAILS = 300, 25, 25, 4
    SIZES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

    def __init__(self, shape: str = "8 modes", method: str = "random walk", step: float = 0.5, steps: int = STEPS):
        self.targets = targets()
        self.shape, self.method = menu("shape", list(self.targets), shape), menu("method", list(METHODS), method)
        self.start = menu("start", ["all at one place", "spread out"])
        self.step = choice_slider("step", [(f"{v:g}", v) for v in self.SIZES], step)
        self.temperature = choice_slider("temperature", [(f"{v:g}", v) for v in (0.25, 0.5, 1.0, 2.0, 4.0)], 1.0)
        self.chains = choice_slider("chains", [1, 4, 16, 64], 16)
        self.seed = seed_slider("seed")
        self.steps, play = film(self.STEPS, 150)
        self.steps.description, self.steps.value, play.value = "steps", steps, steps
        super().__init__([self.shape, self.method, self.start, self.step, self.temperature, self.chains, self.seed, self.steps, play])

    # --- what the chains do

    def first(self) -> Tensor:
        """Where the chains begin, (chains, 2)."""
        reach, place = VIEWS[self.shape.value]
        if self.start.value == "spread out":
            return 0.9 * reach * (2 * torch.rand(self.chains.value, 2) - 1)
        return torch.tensor([place]).repeat(self.chains.value, 1)

    @kept_for("shape", "method", "start", "step", "temperature", "chains", "seed")
    def block(self, i: int) -> Chains:
        """The i-th BLOCK of steps: a slider that goes on takes only those that are new."""
        energy = tempered(self.targets[self.shape.value].energy, self.temperature.value)
        with seeded(1000 * self.seed.value + i):
            x = self.block(i - 1).path[-1] if i else self.first()
            alive = x.isfinite().all(1, keepdim=True)  # a chain that is lost stays lost, and the others go on
            made = METHODS[self.method.value](energy, torch.where(alive, x, 0.0), self.step.value, self.BLOCK)
        return Chains(torch.where(alive, made.path, torch.nan), made.accepted & alive[:, 0])

    @kept_for("shape", "method", "start", "step", "temperature", "chains", "seed", "steps")
    def walked(self) -> Chains:
        """What the chains did in the steps that are taken."""
        k = self.steps.value
        blocks = [self.block(i) for i in range(max(1, math.ceil(k / self.BLOCK)))]
        path = torch.cat([blocks[0].path[:1], *(block.path[1:] for block in blocks)])
        return Chains(path[: k + 1], torch.cat([block.accepted for block in blocks])[:k])

    def trouble(self, chains: Chains) -> str | None:
        """Why these are no samples; None where nothing shows."""
        k = self.steps.value
        if not k:
            return "nobody has moved yet"
        if k < 20 and chains.path.isfinite().all():
            return f"{plural(k, 'step')} {'is' if k == 1 else 'are'} too few to tell whether the chains have forgotten where they began"
        return chains.trouble

    @kept_for("shape", "temperature")
    def right(self) -> list[float]:
        """The exact mean and variance along both axes."""
        return torch.cat(tempered_moments(self.targets[self.shape.value], self.temperature.value)).tolist()

    @staticmethod
    def found(chains: Chains) -> list[tuple[float, float]]:
        """The same four of the second half of the path, each with its standard error: that of as many draws as the chains are worth."""
        x = chains.later.double()
        values = torch.cat([x, (x - x.mean((0, 1))).square()], 2)
        errors = values.flatten(0, 1).std(0) / effective_sample_size(values).sqrt()
        return [*zip(values.mean((0, 1)).tolist(), errors.tolist())]

    # --- what is shown

    def panels(self):
        try:
            chains = self.walked()
        except ValueError as error:  # a step of 0
            return [[Note(f"{str(error)[0].upper()}{str(error)[1:]}: such a step is always taken, and leads nowhere.", WIDE)]]
        trouble, views = self.trouble(chains), []
        found = self.found(chains) if self.steps.value >= 20 and math.isfinite(chains.r_hat) else []
        if found:
            views.append(self.table(chains, trouble, found))
        note = Note(self.words(chains, trouble, found), WIDE - GAP - 400 if found else WIDE)
        return [[self.plane(chains, trouble), self.trace(chains)], [*views, note]]

    @kept_for("shape", "temperature")
    def density(self) -> bytes:
        reach = VIEWS[self.shape.value][0]
        energy = self.targets[self.shape.value].energy(plane(120, reach)) / self.temperature.value
        return shaded((energy.min() - energy).exp().view(120, 120).numpy())

    def plane(self, chains: Chains, trouble: str | None) -> Chart:
        k, reach = self.steps.value, VIEWS[self.shape.value][0]
        now, lately = chains.path[-1].numpy(), chains.path[max(0, k - self.LATELY) :, : self.TRAILS].numpy().swapaxes(0, 1)
        seen = int((np.abs(now) <= reach).all(1).sum())
        strokes = []
        if not trouble:
            strokes.append(dots(self.thinned(chains), reach, "samples: the second half", CYCLE[2], 2.5, 0.6))
        if k:
            name = f"{plural(min(self.TRAILS, self.chains.value), 'path')}, last {plural(min(k, self.LATELY), 'step')}"
            strokes.append(seen_segments(lately, reach, label=name, color=CYCLE[1], width=1.3, opacity=0.75))
        strokes.append(dots(now, reach, "where chains are", INK, 5.0))
        judged = "no samples" if trouble else "samples"
        return square(
            f"{self.shape.value}, T = {self.temperature.value:g}: {plural(self.chains.value, 'chain')}, {judged}",
            f"density of {self.shape.value} at temperature {self.temperature.value:g} and {plural(len(now), 'chain')} after "
            f"{plural(k, 'step')}, {seen} of them in sight; {trouble or 'nothing speaks against these samples'}",
            reach,
            rows=2,
            background=self.density(),
            strokes=strokes,
        )

    @staticmethod
    def thinned(chains: Chains) -> np.ndarray:
        """The second half of the path, at most about 1,000 points of it."""
        points = chains.later.flatten(0, 1).numpy()
        return points[:: max(1, len(points) // 1000)]

    def trace(self, chains: Chains) -> Chart:
        k, reach = self.steps.value, VIEWS[self.shape.value][0]
        strokes, lost = [], 0
        for i in range(min(self.TRAILS, self.chains.value)):
            y = chains.path[:, i, 0].numpy()
            end = int(np.isfinite(y).cumprod().sum())
            lost += end <= k
            strokes.append(Strokes(np.arange(end)[None], y[None, :end].clip(-reach, reach), color=CYCLE[i], width=1.4, opacity=0.9))
        right, last = self.right()[0], chains.path[-1, 0, 0].item()
        where = "lost" if math.isnan(last) else f"at {last:.2f}"
        return Chart(
            f"x₁ of {plural(len(strokes), 'chain')} against the step",
            "step",
            "x₁",
            f"x₁ of {plural(len(strokes), 'chain')} over {plural(k, 'step')}; the first is {where} now, {lost} are lost",
            [Line((0, max(k, 1)), (right, right), "right mean", GREY, dashed=True)],
            strokes=strokes,
            x_range=(0, max(k, 1)),
            y_range=(-reach, reach),
            width=HALF,
            height=HALF + 43,
        )

    def table(self, chains: Chains, trouble: str | None, found: list[tuple[float, float]]) -> Table:
        heading = "chains" if trouble is None else "no samples"
        rows = [
            {"second half of the path": name, heading: signed(value), "± standard error": f"{error:.2g}", "right": signed(right)}
            for name, (value, error), right in zip(NAMES, found, self.right())
        ]
        told = ", ".join(f"{name} {value:.3f} (right {right:.3f})" for name, (value, _), right in zip(NAMES, found, self.right()))
        return Table(f"acceptance {chains.acceptance:.0%}, R-hat {chains.r_hat:.3f}, ESS {chains.ess:,.0f}", rows, told, bold="right")

    def words(self, chains: Chains, trouble: str | None, found: list[tuple[float, float]]) -> str:
        method, k, n = self.method.value, self.steps.value, self.chains.value
        text = f"{method[0].upper()}{method[1:]}, step {self.step.value:g}, {plural(n, 'chain')}, {plural(k, 'step')}: "
        if not k:
            return text + "nobody has moved yet."
        if trouble:
            if self.steps.value < 20 or not chains.path.isfinite().all():
                return f"{text}no samples, for {trouble}."
            rate = "" if "acceptance" in trouble else f" Acceptance {chains.acceptance:.0%}."
            r_hat = "undefined" if math.isnan(chains.r_hat) else "∞" if math.isinf(chains.r_hat) else f"{chains.r_hat:.2f}"
            return f"{text}no samples, for {trouble}.{rate}" + ("" if "R-hat" in trouble else f" R-hat {r_hat}.")
        off = [(abs(value - right) / error, name, value, right) for name, (value, error), right in zip(NAMES, found, self.right())]
        size, name, value, right = max(off)
        text += (
            f"{chains.acceptance:.0%} of the steps are taken, R-hat is {chains.r_hat:.2f}, and {len(chains.later) * n:,} points are worth "
        )
        text += f"{chains.ess:,.0f} independent ones. "
        if size <= 4:
            return text + f"Farthest off is {name}, by {size:.1f} standard errors."
        text += f"R-hat and ESS find nothing wrong, yet {name} is {value:.2f}, where {right:.2f} is right: {size:.0f} standard errors off. "
        if method == "Langevin (ULA)":
            return text + "No step is refused, and a long one makes the density another."
        return text + "They see only where the chains have been: a region that nobody entered goes unnoticed."


def signed(value: float) -> str:
    """With a true minus, and no −0.00."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


# --------------------------------------------------------------------------------------------------------------------
# Composition


def ring(x: Tensor) -> Tensor:
    """The energy of a ring of radius 3: x (n, 2) → (n,)."""
    return 0.5 * ((x.norm(dim=1) - 3) / 0.4).square()


def shapes() -> dict[str, Energy]:
    """Energies in the plane to be composed, by name."""
    stripe = gaussian(torch.zeros(2), torch.diag(torch.tensor([6.0, 0.5])))
    spot = gaussian(torch.tensor([1.5, 1.5]), torch.eye(2))
    found = targets()
    energies = {"ring": ring, "stripe": stripe.energy, "spot": spot.energy}
    return energies | {"8 modes": found["8 modes"].energy, "banana": found["banana"].energy}


# name → what is made of two energies and two weights
WAYS: dict[str, tuple[str, Callable[[list[Energy], list[float]], Energy]]] = {
    "first AND second": ("w₁ E₁ + w₂ E₂", product),
    "first OR second": ("−log(w₁ exp(−E₁) + w₂ exp(−E₂))", mixture),
    "first AND NOT second": ("w₁ E₁ − w₂ E₂", lambda energies, weights: product(energies, [weights[0], -weights[1]])),
}


class CompositionExplorer(Explorer):
    """Two energies and what is made of them: their sum (and), their soft minimum (or), their difference (not); with samples of a chain.

    Args:
        energies: name → energy of points (n, 2), at least two; a ring, a stripe, a spot, eight modes and a banana when left out

    Attributes:
        first, second, way, show: the menus;  weight1, weight2: the sliders

    `composed` and the menus know nothing of the plane: for other energies override `drawn` and `panels`.
    """

    BELOW = FEW_COLORS = True
    REACH, CELLS, CHAINS, HEAT = 6.0, 120, 300, 8.0
    COOLING, LAST, SCALE = 60, 60, 0.7  # steps at falling temperatures, and at 1; of a random walk so wide at 1
    LIKELY = 3.0  # nats
    FAR = 1000  # planes: what still falls there falls without end

    def __init__(self, energies: Mapping[str, Energy] | None = None):
        self.energies = some(shapes() if energies is None else energies, "energies", "name → energy of points (n, 2)")
        if len(self.energies) < 2:
            raise ValueError(f"composing needs two energies or more, got {len(self.energies)}")
        names = list(self.energies)
        self.first, self.second = menu("first", names), menu("second", names, names[1])
        self.way, self.show = menu("together", list(WAYS)), menu("show", ["density", "energy"])
        self.weight1, self.weight2 = slider("weight w₁", 1.0, 0.1, 3.0, 0.1), slider("weight w₂", 1.0, 0.1, 3.0, 0.1)
        super().__init__([self.first, self.second, self.way, self.show, self.weight1, self.weight2])

    @property
    def weights(self) -> list[float]:
        return [round(self.weight1.value, 4), round(self.weight2.value, 4)]

    def composed(self) -> Energy:
        """The energy of both together."""
        return WAYS[self.way.value][1]([self.energies[self.first.value], self.energies[self.second.value]], self.weights)

    @kept_for("first", "second", "way", "weight1", "weight2")
    def places(self) -> tuple[Tensor, bool]:
        """The energy at each place of the plane (CELLS, CELLS), and whether its density can be shown: it is `bounded` by ten planes."""
        return self.composed()(plane(self.CELLS, self.REACH)).view(self.CELLS, -1), self.bounded(10)

    def bounded(self, times: int) -> bool:
        """Whether the energy is lower somewhere inside a plane so many times as wide than anywhere at its edge."""
        wide = self.composed()(plane(201, times * self.REACH)).view(201, 201)
        edge = min(wide[0].min(), wide[-1].min(), wide[:, 0].min(), wide[:, -1].min())
        return bool(edge > wide.min() + 3)

    @kept_for("first", "second", "way", "weight1", "weight2")
    def drawn(self) -> Chains:
        """Random walks from all over the plane that cool from HEAT to 1, and go on there."""
        energy, scale = self.composed(), self.SCALE
        with seeded(0):
            x = self.REACH * (2 * torch.rand(self.CHAINS, 2) - 1)
            for t in np.geomspace(self.HEAT, 1, 6)[:-1].tolist():
                x = metropolis(tempered(energy, t), x, scale * math.sqrt(t), self.COOLING // 5).path[-1]
            return metropolis(energy, x, scale, self.LAST)

    def picture(self, energy: Tensor) -> np.ndarray:
        """An energy (g, g) as what `show` asks for, from 0 to 1, dark where it is likely."""
        low = energy - energy.min()
        return ((-low).exp() if self.show.value == "density" else 1 - low.clamp(max=12) / 12).numpy()

    def panels(self):
        energy, finite = self.places()
        names, small = (self.first.value, self.second.value), plane(64, self.REACH)
        parts = []
        for name in names:
            share = self.picture(self.energies[name](small).view(64, 64))
            blue = torch.from_numpy(ramp(np.sqrt(share), (255, 255, 255), DEEP)).permute(2, 0, 1)[None]
            parts.append((name, blue, f"{self.show.value} of {name} from −{self.REACH:g} to {self.REACH:g} along both axes"))
        strips = Strips(f"{self.show.value} of each", parts, 192)
        if not finite:
            return [[self.plane(energy, None, False), strips], [Note(self.runaway(), WIDE)]]
        chains = self.drawn().path[-1]
        here = self.liked(chains, torch.ones(len(chains)))
        wide = plane(301, 3 * self.REACH)
        right = self.liked(wide, (-self.composed()(wide)).softmax(0))
        off = any(abs(a - b) > 4 * math.sqrt(max(b * (1 - b), 0.01) / len(chains)) for a, b in zip(here, right))
        return [[self.plane(energy, chains, off), strips], [Note(self.words(here, right, off), WIDE)]]

    def plane(self, energy: Tensor, chains: Tensor | None, off: bool) -> Chart:
        title, strokes = f"E = {WAYS[self.way.value][0]}", []
        told = f"{self.show.value} of {self.first.value} and {self.second.value} composed as “{self.way.value}”, weights "
        told += f"{self.weights[0]:g} and {self.weights[1]:g}"
        if chains is None:
            lost = "no density in sight" if self.bounded(self.FAR) else "no density"
            title, told = f"{title}: {lost}", f"{told}; {lost}"
        else:
            label, color = ("where chains are: not the right shares", INK) if off else ("samples of chains", CYCLE[1])
            strokes, told = [dots(chains.numpy(), self.REACH, label, color, 3.5, 0.8)], f"{told}, and {len(chains)} {label}"
        return square(title, told, self.REACH, background=shaded(self.picture(energy)), strokes=strokes)

    def runaway(self) -> str:
        if self.bounded(self.FAR):
            return (
                f"This density lies far outside the picture: {self.second.value} to the power {self.weights[1]:g} drives it away, and "
                f"{self.first.value} holds it only farther out. Make w₂ smaller, or w₁ larger."
            )
        return (
            f"There is no such density: far away {self.second.value} is so unlikely that dividing by its density to the power "
            f"{self.weights[1]:g} beats {self.first.value}: its mass is infinite, and a chain runs away. Make w₂ smaller, or w₁ larger."
        )

    def liked(self, x: Tensor, mass: Tensor) -> list[float]:
        """The share of points (n, 2), if each counts `mass`, where each of the two energies is within LIKELY nats of its least."""
        energies = [self.energies[name] for name in (self.first.value, self.second.value)]
        inside = [e(x) < e(plane(self.CELLS, self.REACH)).min() + self.LIKELY for e in energies]
        return [float((mass * each).sum() / mass.sum()) for each in inside]

    def words(self, here: list[float], right: list[float], off: bool) -> str:
        names = self.first.value, self.second.value
        text = f"{self.way.value.replace('first', names[0]).replace('second', names[1])}: of {self.CHAINS} chains "
        text += " and ".join(f"{a:.0%} end where {name} is likely (right: {b:.0%})" for name, a, b in zip(names, here, right))
        text += f", which is where its energy is within {self.LIKELY:g} nats of the least. "
        if off:
            text += "These are not the right shares: the chains cooled faster than they find their way from one region to another. "
        if "OR" in self.way.value:
            return text + "The constants of both energies are part of the weights: w₁ = w₂ does not mean equal shares."
        if "NOT" in self.way.value:
            return text + "Likely is what the first likes and the second does not; the larger w₂, the farther they flee."
        return text + "Likely is only what both like; a weight is how much one of them has to say."
