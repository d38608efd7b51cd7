"""Continuous flows: instead of layers, a velocity that carries points from latent (t = 0) to data (t = 1)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..distributions import standard_normal_log_prob
from ..nn import Model, keeps_config
from .layers import draw_latents, points


class Velocity(nn.Module):
    """dx/dt = v(x, t), a tanh network that sees the time in every layer, and carries tangents along for the divergence."""

    def __init__(self, dims: int, hidden: Sequence[int]):
        super().__init__()
        sizes = [dims, *hidden, dims]
        self.layers = nn.ModuleList(nn.Linear(a + 1, b) for a, b in zip(sizes[:-1], sizes[1:]))

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """x (batch, dims) → (batch, dims)."""
        for i, layer in enumerate(self.layers):
            x = torch.tanh(x) if i else x
            x = nn.functional.linear(x, layer.weight[:, :-1], layer.bias + t * layer.weight[:, -1])
        return x

    def with_tangents(self, t: Tensor, x: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
        """v(x, t) and its derivative along each tangent: (k, batch, dims) → (k, batch, dims). One forward pass, no graph inside a graph."""
        for i, layer in enumerate(self.layers):
            if i:
                x = torch.tanh(x)
                tangents = tangents * (1 - x.square())
            x = nn.functional.linear(x, layer.weight[:, :-1], layer.bias + t * layer.weight[:, -1])
            tangents = nn.functional.linear(tangents, layer.weight[:, :-1])
        return x, tangents


class ContinuousFlow(Model):
    """FFJORD: x(1) is where x(0) = z ~ N(0, I) is carried by dx/dt = v(x, t), and log p changes by −∫ tr(∂v/∂x) dt on the way.

    Args:
        dims: size of x;  hidden: widths of the velocity network
        trace: "exact" takes one tangent for each dimension; "hutchinson" one random tangent ε with E[εᵀ (∂v/∂x) ε] = tr(∂v/∂x), any `dims`
        rtol, atol: how exactly the path is followed
        adjoint: go back along the path for gradients, in constant memory, instead of through the solver's steps

    Source: Chen et al. 2018 (arXiv:1806.07366); Grathwohl et al. 2018 (arXiv:1810.01367).
    """

    @keeps_config
    def __init__(self, dims=2, hidden=(64, 64, 64), trace="exact", rtol=1e-5, atol=1e-5, adjoint=False):
        super().__init__()
        if trace not in ("exact", "hutchinson"):
            raise ValueError(f"unknown trace {trace!r}; choose exact or hutchinson")
        self.in_float64 = True  # the times of the solver
        self.dims, self.trace, self.rtol, self.atol, self.adjoint = dims, trace, rtol, atol, adjoint
        self.velocity = Velocity(dims, hidden)

    def solve(self, start: tuple[Tensor, ...], times: Tensor, dynamics: nn.Module) -> tuple[Tensor, ...]:
        """The state at each of the times; the first time is the start's."""
        first = start if isinstance(start, Tensor) else start[0]
        if not len(first):
            raise ValueError("x and z must be one point or more: the solver chooses its steps by them")
        if first.device.type == "mps":
            raise ValueError("the solver computes in float64, which device 'mps' has not: move the flow and its data to the CPU")
        # Imported here, since it takes a second and only this class needs it. Its constants are made then: in inference mode, as explorers
        # decode, they would be of a kind that nothing can be trained through afterwards
        with torch.inference_mode(False):
            from torchdiffeq import odeint, odeint_adjoint

        return (odeint_adjoint if self.adjoint else odeint)(dynamics, start, times, rtol=self.rtol, atol=self.atol, method="dopri5")

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (batch, dims) → z (batch, dims), log |det ∂z/∂x| (batch,) in nats; with "hutchinson" the latter is an unbiased estimate."""
        x = points(x, self)
        if self.trace == "exact":
            tangents = torch.eye(self.dims, dtype=x.dtype, device=x.device)[:, None].expand(-1, len(x), -1)
        else:  # the same tangent along the whole path: else the solver would meet a noise that it cannot follow
            tangents = torch.randint(2, (1, *x.shape), device=x.device).to(x.dtype) * 2 - 1
        times = torch.tensor([1.0, 0.0], dtype=x.dtype, device=x.device)
        z, change = self.solve((x, x.new_zeros(len(x))), times, WithTrace(self.velocity, tangents))
        return z[-1], change[-1]

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density of x (batch, dims): (batch,), nats; exact up to the solver's tolerance, or an unbiased estimate with "hutchinson"."""
        z, log_det = self.transform(x)
        return standard_normal_log_prob(z) + log_det

    def loss(self, x: Tensor) -> Tensor:
        """Mean of −log p(x), nats."""
        return -self.log_prob(x).mean()

    def path(self, z: Tensor, times: Sequence[float]) -> Tensor:
        """Where z (n, dims) is at each of the rising times, the first of which is 0: (times, n, dims)."""
        z = points(z, self, "z")
        if times[0] != 0 or any(b <= a for a, b in zip(times[:-1], times[1:])):
            raise ValueError(f"times must begin with 0 and rise, got {list(times)}")
        return self.solve(z, torch.tensor(list(times), dtype=z.dtype, device=z.device), self.velocity)

    def encode(self, x: Tensor) -> Tensor:
        """x → z, both (batch, dims)."""
        x = points(x, self)
        return self.solve(x, torch.tensor([1.0, 0.0], dtype=x.dtype, device=x.device), self.velocity)[-1]

    def decode(self, z: Tensor) -> Tensor:
        """z → x, both (batch, dims)."""
        return self.path(z, [0.0, 1.0])[-1]

    @torch.no_grad()
    def sample(self, n: int, *, temperature: float = 1.0) -> Tensor:
        """n points (n, dims); z is drawn from N(0, temperature² I)."""
        return self.decode(draw_latents(self, n, temperature))


class WithTrace(nn.Module):
    """The velocity of (x, log det): the second moves by the divergence, taken along the tangents."""

    def __init__(self, velocity: Velocity, tangents: Tensor):
        super().__init__()
        self.velocity, self.tangents = velocity, tangents

    def forward(self, t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        v, along = self.velocity.with_tangents(t, state[0], self.tangents)
        return v, (self.tangents * along).sum((0, 2))
