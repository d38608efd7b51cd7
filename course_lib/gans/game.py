"""A game on a plane, small enough to see: one player owns x and minimises f, the other owns y and maximises it."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

METHODS = ("simultaneous", "alternating", "extragradient", "optimistic")
GAMES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bilinear": lambda x, y: x * y,
    "with a cost": lambda x, y: x * y + 0.1 * x**2 - 0.1 * y**2,
    "dirac GAN": lambda x, y: torch.nn.functional.softplus(-x * y) * -1 + math.log(2),
}

# (∂f/∂x, ∂f/∂y) by hand, of plain numbers: autograd would take a hundred times as long for two of them
SLOPES: dict[str, Callable[[float, float], tuple[float, float]]] = {
    "bilinear": lambda x, y: (y, x),
    "with a cost": lambda x, y: (y + 0.2 * x, x - 0.2 * y),
    "dirac GAN": lambda x, y: (y * 0.5 * (1 - math.tanh(x * y / 2)), x * 0.5 * (1 - math.tanh(x * y / 2))),
}


def play(game: str, method: str, steps: int, lr_x: float, lr_y: float, start: tuple[float, float] = (1.0, 0.0)) -> Tensor:
    """The path of both players, (steps + 1, 2). The equilibrium of every game is (0, 0).

    Args:
        game: "bilinear", f = xy; "with a cost", f = xy + 0.1x² − 0.1y²; "dirac GAN", a generator with one point and a linear discriminator
        method: "simultaneous", both step at once; "alternating", y answers x's new place; "extragradient", both step from where they would
            be after a trial step; "optimistic", both add the change of their gradient

    Source: Mescheder et al. 2018 (arXiv:1801.04406), section 2; extragradient: Korpelevich 1976;
        optimistic: Daskalakis et al. 2017 (arXiv:1711.00141).
    """
    if game not in GAMES:
        raise ValueError(f"unknown game {game!r}; choose one of {', '.join(GAMES)}")
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; choose one of {', '.join(METHODS)}")

    slopes, (x, y) = SLOPES[game], start  # (x, y) → ∂f/∂x, ∂f/∂y
    path, before = [(x, y)], None
    for _ in range(steps):
        dx, dy = slopes(x, y)
        if method == "extragradient":
            dx, dy = slopes(x - lr_x * dx, y + lr_y * dy)
        if method == "optimistic":
            now = dx, dy
            dx, dy = (2 * a - b for a, b in zip(now, before or now))
            before = now
        x = x - lr_x * dx
        if method == "alternating":
            dy = slopes(x, y)[1]
        y = y + lr_y * dy
        path.append((x, y))
    return torch.tensor(path, dtype=torch.float64)
