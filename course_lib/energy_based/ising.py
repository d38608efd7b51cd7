"""The Ising model: spins ±1 on a square lattice without edges, p(s) ∝ exp(−E(s) / T), in units of the coupling."""

import math

import torch
from torch import Tensor

from ..nn import tensors
from .boltzmann import states
from .samplers import coins

CRITICAL_TEMPERATURE = 2 / math.log(1 + math.sqrt(2))  # 2.269: below it a large lattice takes a side. Onsager 1944


def neighbours(spins: Tensor) -> Tensor:
    """The sum of the four neighbours of each spin, (..., side, side); what leaves on one side comes back on the other."""
    return sum(spins.roll(shift, axis) for shift in (1, -1) for axis in (-1, -2))


@tensors(finite="spins")
def ising_energy(spins: Tensor, field: float = 0.0) -> Tensor:
    """−Σ s_i s_j over all pairs of neighbours − field · Σ s_i: spins (..., side, side) of ±1 → (...)."""
    return -(spins * (0.5 * neighbours(spins) + field)).sum((-1, -2))


@tensors(finite="spins temperature")
def ising_sweep(spins: Tensor, temperature: Tensor | float, field: float = 0.0) -> Tensor:
    """Draw every spin anew given its neighbours: all black squares of the chessboard at once, then all white ones.

    Args:
        spins: (batch, side, side) of ±1, an even number a side, so that neighbours have different colours
        temperature: T above 0, one or one for each lattice (batch,)

    Raises:
        ValueError: an odd side, or a temperature that is not above 0
    """
    side = spins.shape[-1]
    if spins.ndim != 3 or spins.shape[1] != side or side % 2:
        raise ValueError(f"spins must be (batch, side, side) with an even side, got {tuple(spins.shape)}")
    temperature = torch.as_tensor(temperature).to(spins).view(-1, 1, 1)
    if not (temperature > 0).all():
        raise ValueError(f"temperature must be above 0, got {temperature.min().item()}")
    place = torch.arange(side, device=spins.device)
    colour = (place[:, None] + place) % 2
    for now in (0, 1):
        up = (2 * (neighbours(spins) + field) / temperature).sigmoid()
        spins = torch.where(colour == now, 2 * coins(up) - 1, spins)
    return spins


@tensors(finite="spins")
def magnetisation(spins: Tensor) -> Tensor:
    """The mean spin of each lattice, from −1 to 1: (..., side, side) → (...)."""
    return spins.mean((-1, -2))


@tensors(finite="energies")
def heat_capacity(energies: Tensor, temperature: Tensor | float, sites: int) -> Tensor:
    """Var(E) / (T² · sites), what the mean energy of a spin rises by with the temperature: energies (steps, ...) of one lattice → (...)."""
    return energies.var(0) / (torch.as_tensor(temperature).to(energies) ** 2 * sites)


def onsager_magnetisation(temperature: float) -> float:
    """|Mean spin| of an infinite lattice: (1 − sinh(2/T)⁻⁴)^(1/8) below the critical temperature, 0 above.

    Source: Onsager 1949; Yang 1952.
    """
    return (1 - math.sinh(2 / temperature) ** -4) ** 0.125 if temperature < CRITICAL_TEMPERATURE else 0.0


def onsager_energy(temperature: float) -> float:
    """Mean energy of a spin of an infinite lattice, in units of the coupling.

    Source: Onsager 1944; K by the arithmetic-geometric mean.
    """
    both = 2 / temperature
    k = 2 * math.sinh(both) / math.cosh(both) ** 2
    a, b = 1.0, math.sqrt(max(0.0, 1 - k * k))
    for _ in range(40):
        a, b = (a + b) / 2, math.sqrt(a * b)
    # at the critical temperature K is infinite, and its factor 0
    return -1 / math.tanh(both) * (1 + (2 * math.tanh(both) ** 2 - 1) / max(a, 1e-12))


def onsager_heat_capacity(temperature: float, width: float = 1e-3) -> float:
    """The slope of `onsager_energy`: what the energy of a spin rises by with the temperature, over a difference of 2 · width."""
    return (onsager_energy(temperature + width) - onsager_energy(temperature - width)) / (2 * width)


def ising_log_partition(side: int, temperature: float, field: float = 0.0) -> float:
    """Exact log Z = log Σ exp(−E(s) / T), nats, over all 2^(side²) lattices.

    Raises:
        ValueError: a side above 4, which has 2²⁵ lattices or more, or a temperature that is not above 0
    """
    if not 1 <= side <= 4 or not temperature > 0:
        raise ValueError(f"a side from 1 to 4 and a temperature above 0 can be enumerated, got {side} and {temperature}")
    energy = ising_energy(2 * states(side**2).double().view(-1, side, side) - 1, field)
    return (-energy / temperature).logsumexp(0).item()
