"""Machines of 0s and 1s that pull at each other, small enough to be added up state by state."""

import torch
from torch import Tensor, nn

from ..nn import Model, as_weights, check_whole, keeps_config
from .samplers import coins, gibbs_sweep

MOST = 25  # units whose states can be enumerated: 33 million


def states(units: int) -> Tensor:
    """Every row of 0s and 1s, (2^units, units), counting in binary.

    Raises:
        ValueError: more than 25 units
    """
    if not 0 <= units <= MOST:
        raise ValueError(f"{units} units have 2^{units} states: at most {MOST} units can be enumerated")
    return (torch.arange(2**units)[:, None] >> torch.arange(units - 1, -1, -1) & 1).float()


class BoltzmannMachine(Model):
    """p(v) = Σ_h exp(−E(v, h)) / Z, where every unit may pull at every other: E(s) = −Σ_{i<j} w_ij s_i s_j − Σ b_i s_i.

    Everything but its samples is exact, by enumeration: at most 20 units.

    Args:
        visible, hidden: units that are seen, and that are not

    Source: Ackley, Hinton & Sejnowski 1985.
    """

    @keeps_config
    def __init__(self, visible=6, hidden=0):
        super().__init__()
        if visible < 1 or hidden < 0 or visible + hidden > 20:
            raise ValueError(f"a Boltzmann machine here has 1 to 20 units, got {visible} visible and {hidden} hidden ones")
        self.visible, self.hidden = visible, hidden
        self.weight = nn.Parameter(0.1 * torch.randn(visible + hidden, visible + hidden))
        self.bias = nn.Parameter(torch.zeros(visible + hidden))

    @property
    def couplings(self) -> Tensor:
        """Symmetric, with zeros on the diagonal: each pair of units counts once."""
        upper = self.weight.triu(1)
        return upper + upper.T

    def energy(self, s: Tensor) -> Tensor:
        """(batch, visible + hidden) of 0 and 1 → (batch,)."""
        check_whole(s, 2, (len(self.bias),), "states", "s")
        s = as_weights(s, self, "s")
        return -0.5 * ((s @ self.couplings) * s).sum(1) - s @ self.bias

    def free_energy(self, x: Tensor) -> Tensor:
        """−log Σ_h exp(−E(x, h)), the energy of what is seen: (batch, visible) of 0 and 1 → (batch,)."""
        check_whole(x, 2, (self.visible,), "states")
        x, hidden = as_weights(x, self, "x"), as_weights(states(self.hidden).to(x.device), self, "x")
        both = torch.cat([x.repeat_interleave(len(hidden), 0), hidden.repeat(len(x), 1)], 1)
        return -(-self.energy(both)).view(-1, len(hidden)).logsumexp(1)

    def log_partition(self) -> Tensor:
        """log Z, nats, differentiable."""
        return (-self.energy(states(len(self.bias)).to(self.bias))).logsumexp(0)

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-likelihood of x (batch, visible) of 0 and 1: (batch,), nats."""
        return -self.free_energy(x) - self.log_partition()

    def loss(self, x: Tensor) -> Tensor:
        """Mean of −log p(x), nats: its gradient for w_ij is ⟨s_i s_j⟩ of the model less that of the data."""
        return -self.log_prob(x).mean()

    @torch.no_grad()
    def draw(self, s: Tensor, i: int) -> Tensor:
        """What `gibbs` draws: unit i given all others, p(s_i = 1) = sigmoid(Σ_j w_ij s_j + b_i). (batch, units) → (batch,)."""
        return coins((s @ self.couplings[i] + self.bias[i]).sigmoid())

    @torch.no_grad()
    def sample(self, n: int, *, sweeps: int = 200) -> Tensor:
        """n chains of Gibbs sampling from a random start, what is seen of them (n, visible)."""
        s = coins(torch.full((n, len(self.bias)), 0.5).to(self.bias))
        for _ in range(sweeps):
            s = gibbs_sweep(s, self.draw)
        return s[:, : self.visible]
