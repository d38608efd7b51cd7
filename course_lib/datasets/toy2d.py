"""Points of the plane, with exact densities."""

import math

import torch
from torch import Tensor

from .core import Dataset, describe

TOY2D = ("moons", "rings", "pinwheel", "checkerboard", "gaussians8", "gaussians25", "swissroll")
# Every construction is chosen so that its density has a closed form. All lie within about [-4, 4]².
GAUSSIANS = {
    "gaussians8": (3.0 * torch.tensor([[math.cos(k * math.pi / 4), math.sin(k * math.pi / 4)] for k in range(8)]), 0.25),
    "gaussians25": (1.5 * (torch.cartesian_prod(torch.arange(5), torch.arange(5)) - 2).float(), 0.12),
}
MOONS = (2.0, 0.15, 1.0, 0.5)  # radius, its standard deviation, and half the shift between the two, along x and y
RINGS = ((1.0, 2.0, 3.0), 0.1)  # radii, standard deviation of the noise
PINWHEEL = (5, 2.0, 0.6, 0.15, 0.6)  # arms, distance of their middles, deviation along and across an arm, twist in radians a unit
ROLL = (1.5 * math.pi, 4.5 * math.pi, 0.26, 0.12)  # first and last angle, radius a radian, standard deviation of the radius


def toy2d(name: str, n: int, seed: int = 0) -> Dataset:
    """n points of a density in the plane, the same for the same seed; y says which moon, ring, arm, square or mode.

    | name | construction |
    |---|---|
    | moons | two half circles, Gaussian noise on the radius |
    | rings | three circles, equally likely, Gaussian noise on the point |
    | pinwheel | five Gaussians around the centre, then turned by an angle that grows with the radius |
    | checkerboard | uniform on 8 of the 16 squares of side 2 in [-4, 4]² |
    | gaussians8 | 8 equal modes on a circle |
    | gaussians25 | 25 equal modes on a 5×5 grid |
    | swissroll | one spiral, nearly evenly filled, Gaussian noise on the radius; y is None |

    `toy2d_log_prob` is the exact density of these points, not an estimate.

    Raises:
        ValueError: an unknown name, or n below 1
    """
    _check_toy(name)
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"n, the number of points, must be a whole number of at least 1, not {n!r}.")
    g = torch.Generator().manual_seed(seed)
    noise, u = torch.randn(n, 2, generator=g), torch.rand(n, 2, generator=g)

    def pick(k: int) -> Tensor:
        return torch.randint(k, (n,), generator=g)

    if name in GAUSSIANS:
        means, std = GAUSSIANS[name]
        y = pick(len(means))
        x = means[y] + std * noise
    elif name == "checkerboard":
        y = pick(8)  # squares row by row; odd rows start one square further right
        row, column = y // 2 % 4, 2 * (y % 2) + y // 2 % 2
        x = 2 * (torch.stack([column, row], 1) + u) - 4
    elif name == "rings":
        radii, std = RINGS
        y = pick(len(radii))
        x = _polar(torch.tensor(radii)[y], 2 * math.pi * u[:, 0]) + std * noise
    elif name == "moons":
        radius, std, dx, dy = MOONS
        y = pick(2)
        sign = 1 - 2 * y[:, None]  # the second moon is the first one turned by half a circle
        x = sign * (_polar(radius + std * noise[:, 0], math.pi * u[:, 0]) - torch.tensor([dx, dy]))
    elif name == "pinwheel":
        arms, middle, along, across, twist = PINWHEEL
        y = pick(arms)
        x = noise * torch.tensor([along, across]) + torch.tensor([middle, 0.0])
        x = _turn(x, 2 * math.pi * y / arms + twist * x.norm(dim=1))
    elif name == "swissroll":
        first, last, pitch, std = ROLL
        y = None
        angle = (first**2 + (last**2 - first**2) * u[:, 0]).sqrt()  # density ∝ angle ∝ length of the spiral
        x = _polar(pitch * angle + std * noise[:, 0], angle)
    else:
        raise NotImplementedError(f"{name} stands in TOY2D: toy2d needs a branch that draws its points.")
    return Dataset(name, f"seed {seed}", x, y)


def toy2d_log_prob(name: str, x: Tensor) -> Tensor:
    """The exact log density of `toy2d(name, …)`, in nats.

    Args:
        x: (n, 2), floats

    Returns:
        (n,), -inf where the density is zero (outside the checkerboard's squares and beyond the ends of a moon)

    Raises:
        ValueError: an unknown name, or x of another shape or type

    Source: change of variables by hand. In polar coordinates the area element is r dr dφ, so a density of (r, φ) is divided
    by r; turning by an angle that depends on r alone keeps areas; noise on a circle's points gives Rice's distribution.
    """
    _check_toy(name)
    if not isinstance(x, Tensor) or x.dim() != 2 or x.shape[1] != 2 or not x.is_floating_point():
        raise ValueError(f"toy2d_log_prob expects a float tensor x of shape (n, 2) and got {describe(x)}.")
    if x.is_meta or x.isnan().any():
        raise ValueError("toy2d_log_prob expects numbers and got an x with NaN, or on the device meta, where there are no values.")
    if name in GAUSSIANS:
        means, std = GAUSSIANS[name]
        squares = (x[:, None] - means.to(x)).square().sum(2)
        return (-0.5 * squares / std**2).logsumexp(1) - math.log(len(means) * 2 * math.pi * std**2)
    if name == "checkerboard":
        column, row = ((x + 4) / 2).floor().unbind(1)
        filled = (x >= -4).all(1) & (x < 4).all(1) & ((column + row) % 2 == 0)
        return torch.where(filled, -math.log(32), -math.inf).to(x.dtype)
    if name == "rings":
        radii, std = RINGS
        r, centre = x.norm(dim=1, keepdim=True), torch.tensor(radii).to(x)
        # i0e is the Bessel function times exp(-argument), which turns r² + R² into (r - R)²
        terms = -0.5 * ((r - centre) / std).square() + torch.special.i0e(r * centre / std**2).log()
        return terms.logsumexp(1) - math.log(len(radii) * 2 * math.pi * std**2)
    if name == "moons":
        radius, std, dx, dy = MOONS
        shift = torch.tensor([dx, dy]).to(x)
        terms = []
        for sign in (1, -1):
            moon = sign * x + shift
            r = moon.norm(dim=1)
            terms.append(torch.where(moon[:, 1] >= 0, _log_normal(r, radius, std) - r.log() - math.log(2 * math.pi), -math.inf))
        return torch.stack(terms, 1).logsumexp(1)
    if name == "pinwheel":
        arms, middle, along, across, twist = PINWHEEL
        turned_back = (_turn(x, -2 * math.pi * k / arms - twist * x.norm(dim=1)) for k in range(arms))
        terms = [_log_normal(p[:, 0], middle, along) + _log_normal(p[:, 1], 0.0, across) for p in turned_back]
        return torch.stack(terms, 1).logsumexp(1) - math.log(arms)
    if name == "swissroll":
        first, last, pitch, std = ROLL
        r, phi = x.norm(dim=1, keepdim=True), torch.atan2(x[:, 1], x[:, 0])[:, None] % (2 * math.pi)
        angle = phi + 2 * math.pi * torch.arange(3).to(x)  # every winding that passes in this direction
        winding = (2 * angle / (last**2 - first**2)).log() + _log_normal(r, pitch * angle, std) - r.log()
        return torch.where((angle >= first) & (angle <= last), winding, -math.inf).logsumexp(1)
    raise NotImplementedError(f"{name} stands in TOY2D: toy2d_log_prob needs a branch with its density.")


def plane(cells: int, reach: float) -> Tensor:
    """The middles of cells × cells squares that fill [−reach, reach]², (cells², 2), row by row from the upper left as in a picture."""
    axis = (torch.arange(cells) + 0.5) / cells * 2 * reach - reach
    y, x = torch.meshgrid(-axis, axis, indexing="ij")
    return torch.stack([x, y], -1).view(-1, 2)


def _check_toy(name: str) -> None:
    if name not in TOY2D:
        raise ValueError(f"There is no toy density {name!r}: choose one of {', '.join(TOY2D)}.")


def _polar(radius: Tensor, angle: Tensor) -> Tensor:
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1)


def _turn(x: Tensor, angle: Tensor) -> Tensor:
    c, s = angle.cos(), angle.sin()
    return torch.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], 1)


def _log_normal(x: Tensor, mean: Tensor | float, std: float) -> Tensor:
    return -0.5 * ((x - mean) / std).square() - math.log(std * math.sqrt(2 * math.pi))
