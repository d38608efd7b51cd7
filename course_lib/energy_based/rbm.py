"""The restricted Boltzmann machine: pixels pull at hidden units and hidden units at pixels, and no unit at one of its own kind."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn import Model, as_weights, check_whole, checked, keeps_config
from .boltzmann import MOST, states
from .diagnostics import LogZ, log_z
from .samplers import annealed_importance_sampling, coins, positive

CHUNK = 4096  # states that are enumerated at a time


class RBM(Model):
    """p(v) = Σ_h exp(−E(v, h)) / Z with E(v, h) = −vᵀ W h − bᵀ v − cᵀ h, for pixels v and hidden units h of 0 and 1.

    Args:
        shape: of v;  hidden: units
        k: Gibbs steps for each step of training
        persistent: chains that go on where they were (PCD), rather than begin at the data each time (CD-k)
        chains: how many of them

    Source: Smolensky 1986; CD: Hinton 2002, "Training products of experts by minimizing contrastive divergence"; PCD: Tieleman 2008.
    """

    @keeps_config
    def __init__(self, shape=(1, 28, 28), hidden=500, k=1, persistent=True, chains=100):
        super().__init__()
        positive(hidden, "hidden"), positive(k, "k"), positive(chains, "chains")
        self.shape, self.hidden, self.k, self.persistent = tuple(shape), hidden, k, persistent
        visible = math.prod(shape)
        self.weight = nn.Parameter(0.01 * torch.randn(visible, hidden))
        self.visible_bias = nn.Parameter(torch.zeros(visible))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        # where the chains are: kept with the weights, so that training and sampling go on from there
        self.register_buffer("particles", coins(torch.full((chains, visible), 0.5)))

    # --- energies and conditionals

    def flat(self, x: Tensor) -> Tensor:
        """Images (batch, *shape) of 0 and 1 as the layers take them, (batch, pixels)."""
        check_whole(x, 2, self.shape)
        return as_weights(x, self, "x", finite=False).flatten(1)

    def hidden_states(self, h: Tensor) -> Tensor:
        check_whole(h, 2, (self.hidden,), "hidden states", "h")
        return as_weights(h, self, "h")

    def energy(self, x: Tensor, h: Tensor) -> Tensor:
        """E(x, h): x (batch, *shape) and h (batch, hidden) of 0 and 1 → (batch,)."""
        v, h = self.flat(x), self.hidden_states(h)
        if len(v) != len(h):
            raise ValueError(f"x and h must be as many, got {len(v)} and {len(h)}")
        return -((v @ self.weight) * h).sum(1) - v @ self.visible_bias - h @ self.hidden_bias

    def free_energy(self, x: Tensor) -> Tensor:
        """F(x) = −log Σ_h exp(−E(x, h)) = −bᵀ v − Σ_j log(1 + exp(vᵀ W_j + c_j)), the energy of x: (batch, *shape) → (batch,)."""
        return self.free(self.flat(x))

    def free(self, v: Tensor) -> Tensor:
        return -(v @ self.visible_bias) - F.softplus(v @ self.weight + self.hidden_bias).sum(1)

    def hidden_given(self, x: Tensor) -> Tensor:
        """p(h_j = 1 | x) = sigmoid(vᵀ W_j + c_j), all units at once: (batch, *shape) → (batch, hidden)."""
        return (self.flat(x) @ self.weight + self.hidden_bias).sigmoid()

    def visible_given(self, h: Tensor) -> Tensor:
        """p(v_i = 1 | h) = sigmoid(W_i h + b_i), all pixels at once: (batch, hidden) → (batch, *shape)."""
        return (self.hidden_states(h) @ self.weight.T + self.visible_bias).sigmoid().view(-1, *self.shape)

    @torch.no_grad()
    def gibbs(self, x: Tensor, k: int = 1) -> Tensor:
        """k steps of a chain: draw the hidden units given the pixels, then the pixels given those. (batch, *shape), 0 and 1."""
        return self.walk(self.flat(x), k).view(-1, *self.shape)

    def walk(self, v: Tensor, k: int) -> Tensor:
        for _ in range(k):
            h = coins(torch.addmm(self.hidden_bias, v, self.weight).sigmoid_())
            v = coins(torch.addmm(self.visible_bias, h, self.weight.T).sigmoid_())
        return v

    # --- learning

    def loss(self, x: Tensor) -> Tensor:
        """F(x) of the data less F of what chains dream, averaged: only its gradient has a meaning, minus an estimate of that of log p(x).

        ∇ log p(x) = −∇F(x) + ⟨∇F⟩ of the model. The chains stand for the model; in training the persistent ones move on.
        """
        v = self.flat(x)
        with torch.no_grad():
            dream = self.walk(self.particles if self.persistent else v, self.k)
        if self.persistent and self.training:
            self.particles.copy_(dream)
        free = self.free(torch.cat([v, dream]))  # at once: half as many calls
        return free[: len(v)].mean() - free[len(v) :].mean()

    @torch.no_grad()
    def contrastive_step(self, x: Tensor, rate: float) -> None:
        """A step of gradient descent on `loss`, by the formula: W += rate · (⟨v hᵀ⟩ of the data − ⟨v hᵀ⟩ of the chains). Twice as fast.

        x: (batch, *shape) of 0 and 1;  rate: above 0
        """
        v, rate = self.flat(x), positive(rate, "rate")
        dream = self.walk(self.particles if self.persistent else v, self.k)
        if self.persistent:
            self.particles.copy_(dream)
        both = torch.cat([v, dream])  # one large product is faster than two
        hidden = torch.addmm(self.hidden_bias, both, self.weight).sigmoid_()
        hidden[len(v) :] *= -len(v) / len(dream)  # so that one sum holds the data less the chains
        self.weight.addmm_(both.T, hidden, alpha=rate / len(v))
        self.hidden_bias.add_(hidden.sum(0), alpha=rate / len(v))
        self.visible_bias.add_(v.mean(0) - dream.mean(0), alpha=rate)

    @torch.no_grad()
    def begin_at(self, x: Tensor) -> None:
        """Biases for which each pixel is on as often as in images (n, *shape) in [0, 1], black and white or grey; before training.

        Source: Hinton 2010, "A practical guide to training restricted Boltzmann machines", section 8.
        """
        self.visible_bias.copy_(base_rates(x).to(self.visible_bias))
        self.particles.copy_(coins(self.visible_bias.sigmoid().expand_as(self.particles)))

    # --- likelihood

    def pseudo_log_likelihood(self, x: Tensor) -> Tensor:
        """Σ_i log p(v_i | all other pixels), exact and without Z: (batch, *shape) → (batch,), nats.

        Source: Besag 1975. scikit-learn's `score_samples` takes one pixel at random for the sum.
        """
        v = self.flat(x)
        pull = v @ self.weight + self.hidden_bias
        total, free = torch.zeros_like(pull[:, 0]), F.softplus(pull).sum(1)
        for i, row in enumerate(self.weight):
            flip = 1 - 2 * v[:, i]
            # F(v) − F(v with pixel i flipped)
            change = flip * self.visible_bias[i] + F.softplus(pull + flip[:, None] * row).sum(1) - free
            total = total + F.logsigmoid(-change)
        return total

    @torch.no_grad()
    def log_partition(self) -> float:
        """Exact log Z, nats, by adding up all states of the smaller layer.

        Raises:
            ValueError: it has more than 25 units
        """
        few = min(self.hidden, len(self.visible_bias))
        if few > MOST:
            raise ValueError(f"the smaller layer has {few} units, at most {MOST} can be enumerated: estimate with log_partition_ais")
        weight, ours, others = self.weight.T, self.hidden_bias, self.visible_bias
        if self.hidden > few:
            weight, ours, others = self.weight, self.visible_bias, self.hidden_bias
        parts = [s @ ours + F.softplus(s @ weight + others).sum(1) for s in states(few).to(ours).split(CHUNK)]
        return torch.cat(parts).double().logsumexp(0).item()

    @torch.no_grad()
    def log_partition_ais(self, runs: int = 100, steps: int = 1000, base: Tensor | None = None) -> LogZ:
        """log Z by annealed importance sampling from a machine without weights to this one, nats, with an interval.

        Args:
            runs, steps: chains, and temperatures that each goes through
            base: biases of the machine without weights, (pixels,): `base_rates` of the data is best; this machine's own when left out

        Source: Salakhutdinov & Murray 2008, "On the quantitative analysis of deep belief networks", section 4.1 and its temperatures.
        """
        start = self.visible_bias if base is None else as_weights(base, self, "base", self.visible_bias.shape)

        def energy_at(v: Tensor, beta: float) -> Tensor:
            biases = (1 - beta) * start + beta * self.visible_bias
            return -(v @ biases) - F.softplus(beta * (v @ self.weight + self.hidden_bias)).sum(1)

        def step_at(v: Tensor, beta: float) -> Tensor:
            biases = (1 - beta) * start + beta * self.visible_bias
            h = coins((beta * (v @ self.weight + self.hidden_bias)).sigmoid())
            return coins((beta * (h @ self.weight.T) + biases).sigmoid())

        v = coins(start.sigmoid().expand(runs, -1))
        log_weights, _ = annealed_importance_sampling(energy_at, step_at, v, annealing(steps))
        return log_z(log_weights + F.softplus(start).sum().double() + self.hidden * math.log(2))

    def log_prob(self, x: Tensor, log_z: float | None = None) -> Tensor:
        """−F(x) − log Z: (batch, *shape) of 0 and 1 → (batch,), nats.

        log_z: when left out, exact if it can be enumerated, else what AIS found when this checkpoint was measured

        Raises:
            ValueError: neither is to be had
        """
        if log_z is None:
            shipped = getattr(self, "record", {}).get("numbers", {})
            log_z = shipped["log_z"] if "log_z" in shipped and self.hidden > MOST else self.log_partition()
        return -self.free_energy(x) - log_z

    # --- samples

    @torch.no_grad()
    def sample(self, n: int, *, steps: int = 500, start: Tensor | None = None, shades: bool = False) -> Tensor:
        """n chains after `steps` steps, (n, *shape): of 0 and 1, or with `shades` the probability of each pixel in the last one.

        start: images (n, *shape) of 0 and 1; the chains of training, each many times, when left out
        """
        positive(steps, "steps")
        rows = torch.randint(len(self.particles), (n,), device=self.particles.device)
        v = self.walk(self.particles[rows] if start is None else self.flat(start), steps - 1)
        h = coins((v @ self.weight + self.hidden_bias).sigmoid())
        on = (h @ self.weight.T + self.visible_bias).sigmoid().view(-1, *self.shape)
        return on if shades else coins(on)


def base_rates(x: Tensor, smoothing: float = 0.01) -> Tensor:
    """log odds of each pixel over images (n, ...) in [0, 1]: (pixels,). Smoothed, for a pixel that is never on would have −∞."""
    if not len(checked(x, "x")) or not 0 <= x.amin() <= x.amax() <= 1:
        raise ValueError(f"x must be one image or more with values in [0, 1], got {tuple(x.shape)}")
    mean = x.float().flatten(1).mean(0)
    return ((mean + smoothing) / (1 + 2 * smoothing)).logit()


def annealing(steps: int) -> Tensor:
    """β from 0 to 1, (steps + 1,): a thirtieth of the steps up to 0.5, a quarter up to 0.9, the rest to 1, where most happens.

    Source: Salakhutdinov & Murray 2008, section 6.
    """
    few, more = max(1, round(steps / 29)), max(1, round(steps * 8 / 29))
    if steps < few + more + 1:
        raise ValueError(f"annealing needs 3 steps or more, got {steps}")
    parts = [torch.linspace(0, 0.5, few + 1), torch.linspace(0.5, 0.9, more + 1), torch.linspace(0.9, 1, steps - few - more + 1)]
    return torch.cat([parts[0], parts[1][1:], parts[2][1:]]).double()
