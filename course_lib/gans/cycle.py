"""CycleGAN: from one kind to another without pairs. It translates colours, so it is small enough to train while you watch."""

import torch
from torch import Tensor, nn

from ..nn import Model, as_weights, keeps_config, mlp
from .losses import discriminator_loss, generator_loss, zero_centred_penalty
from .models import adam_for_both

# red, green and blue of sky, hill, and sun or moon
PALETTES = {
    "day": ((0.55, 0.80, 0.95), (0.30, 0.60, 0.25), (1.00, 0.85, 0.25)),
    "night": ((0.08, 0.08, 0.25), (0.25, 0.12, 0.30), (0.95, 0.93, 0.80)),
    "dusk": ((0.30, 0.50, 0.80), (0.15, 0.35, 0.15), (0.85, 0.55, 0.30)),
}
GRAIN = 0.03  # standard deviation of a colour around its entry in the palette


def palette(name: str) -> Tensor:
    """Its colours, (3, 3): sky, hill, and sun or moon; red, green and blue in [0, 1].

    Raises:
        ValueError: no such palette
    """
    if name not in PALETTES:
        raise ValueError(f"unknown palette {name!r}; choose one of {', '.join(PALETTES)}")
    return torch.tensor(PALETTES[name])


def colours(name: str, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """n colours of a palette, each entry equally likely, with grain (so some lie just outside [0, 1]): (n, 3), and their entries, (n,)."""
    generator = torch.Generator().manual_seed(seed)
    kind = torch.randint(3, (n,), generator=generator)
    return palette(name)[kind] + GRAIN * torch.randn(n, 3, generator=generator), kind


def landscapes(name: str, n: int, size: int = 24, seed: int = 0) -> Tensor:
    """n pictures of a hill under a sky with a sun or moon, in the colours of a palette: (n, 3, size, size)."""
    generator = torch.Generator().manual_seed(seed)
    height, slope, bend, x, y = torch.rand(5, n, 1, 1, generator=generator)
    down, across = torch.meshgrid(*2 * [torch.linspace(0, 1, size)], indexing="ij")
    kind = ((across - 0.2 - 0.6 * x) ** 2 + (down - 0.2 - 0.1 * y) ** 2 < 0.15**2).long() * 2
    kind[down > 0.5 + 0.2 * height + 0.3 * (slope - 0.5) * across + 0.08 * torch.sin(6 * across + 6 * bend)] = 1
    grain = GRAIN * torch.randn(n, 3, size, size, generator=generator)
    return palette(name)[kind].movedim(-1, 1) + grain


class CycleGAN(Model):
    """Two translators, x → y and y → x, and a judge for each kind. Nobody knows which x belongs to which y.

    Args:
        dims: of a point, 3 for a colour;  width: of the two hidden layers of each network
        cycle: weight of what a round trip changes, in both directions;  r1: weight of the zero-centred penalty of both judges

    Source: Zhu et al. 2017 (arXiv:1703.10593), with the non-saturating loss and R1 in place of least squares.
    """

    @keeps_config
    def __init__(self, dims=3, width=32, cycle=1.0, r1=0.05):
        super().__init__()
        self.dims, self.cycle, self.r1 = dims, cycle, r1
        ways = ("there", "back")
        self.generator = nn.ModuleDict({way: mlp([dims, width, width, dims], nn.ReLU) for way in ways})
        self.discriminator = nn.ModuleDict({way: nn.Sequential(mlp([dims, width, width, 1], nn.ReLU), nn.Flatten(0)) for way in ways})

    def translate(self, x: Tensor, way: str = "there") -> Tensor:
        """(..., dims) → the same shape: x and what a network adds to it. way: "there", x → y, or "back", y → x."""
        x = as_weights(x, self, "x", (self.dims,), finite=not self.training)
        return x + self.generator[way](2 * x - 1) / 2

    def score(self, x: Tensor, way: str = "there") -> Tensor:
        """How real points (batch, dims) look to the judge of what `translate` makes that way, (batch,)."""
        return self.discriminator[way](2 * as_weights(x, self, "x", (self.dims,), finite=not self.training) - 1)

    def round_trips(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean absolute change of x (n, dims) there and back, plus that of y (m, dims) back and there: one number."""
        x, y = (as_weights(v, self, name, (self.dims,), finite=not self.training) for v, name in ((x, "x"), (y, "y")))
        there, back = self.translate(self.translate(x), "back"), self.translate(self.translate(y, "back"))
        return (there - x).abs().mean() + (back - y).abs().mean()

    def optimisers(self, lr: float = 3e-3) -> dict[str, torch.optim.Optimizer]:
        """Adam for both translators, and for both judges."""
        return adam_for_both(self, lr, betas=(0.5, 0.9))


def cycle_step(run, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """One step of all four networks on a batch (x, y) whose rows are no pairs; a `step` for `training.fit`."""
    model, (x, y) = run.model, batch
    with torch.no_grad():
        made = {"there": model.translate(x), "back": model.translate(y, "back")}
    judged = 0.0
    for way, real in (("there", y), ("back", x)):
        judged = judged + discriminator_loss(model.score(real, way), model.score(made[way], way))
        judged = judged + model.r1 * zero_centred_penalty(lambda v, way=way: model.score(v, way), real)
    run.update(judged, "discriminator")

    fooled = generator_loss(model.score(model.translate(x), "there")) + generator_loss(model.score(model.translate(y, "back"), "back"))
    cycle = model.round_trips(x, y)
    run.update(fooled + model.cycle * cycle, "generator")
    return {"discriminator": judged, "cycle": cycle}
