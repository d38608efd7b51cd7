"""MADE: one masked network that gives every conditional of a vector in one pass."""

import math

import torch
from torch import Tensor

from ..distributions import bernoulli_log_prob, uniforms_for
from ..nn import Model, check_shape, check_whole, checked, keeps_config, masked_mlp


class MADE(Model):
    """p(x) = Π p(x_i | x_{<i}) of binary pixels, all conditionals by one masked MLP.

    A logistic regression of each pixel on those before it stands beside the hidden layers, so they only learn what it cannot say.

    Args:
        shape: of x;  hidden: widths of the layers between; with none of them the regressions are all
        order: "raster", or the seed of a random order of the pixels

    Source: Germain et al. 2015 (arXiv:1502.03509), with the direct connections of its section 4.2.
    """

    @keeps_config
    def __init__(self, shape=(1, 28, 28), hidden=(300,), order="raster"):
        super().__init__()
        self.shape, self.dims = tuple(shape), math.prod(shape)
        self.net = masked_mlp(self.dims, hidden)
        self.direct = masked_mlp(self.dims, ()) if hidden else None
        places = torch.arange(self.dims) if order == "raster" else torch.randperm(self.dims, generator=torch.Generator().manual_seed(order))
        self.register_buffer("places", places)  # the i-th pixel to be drawn lies at places[i]
        self.register_buffer("turns", places.argsort())

    def logits(self, x: Tensor) -> Tensor:
        """x (batch, *shape) of 0 and 1 → logits of each pixel given those before it, (batch, *shape)."""
        check_shape(checked(x, "x"), self.shape)
        in_turn = x.flatten(1)[:, self.places].to(self.net[0].weight.dtype)
        return self.in_turn(in_turn)[:, self.turns].view(x.shape)

    def in_turn(self, x: Tensor) -> Tensor:
        """Pixels in the order of drawing → their logits, (batch, dims) both."""
        return self.net(x) if self.direct is None else self.net(x) + self.direct(x)

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-likelihood of x (batch, *shape) of 0 and 1: (batch,), nats."""
        check_whole(x, 2, self.shape)
        logits = self.logits(x)
        return bernoulli_log_prob(logits, x.to(logits.dtype))

    def loss(self, x: Tensor) -> Tensor:
        """Mean of −log p(x), nats."""
        return -self.log_prob(x).mean()

    @torch.no_grad()
    def sample(self, n: int, *, temperature: float = 1.0, uniforms: Tensor | None = None) -> Tensor:
        """n images (n, *shape) of 0 and 1, one pixel a pass.

        uniforms: (n, pixels), one for each draw in this model's order; drawn when left out
        """
        uniforms = uniforms_for(self, n, self.dims, temperature, uniforms)
        x = torch.zeros(n, self.dims, device=self.places.device, dtype=self.net[0].weight.dtype)
        for i, place in enumerate(self.places.tolist()):
            logit = self.in_turn(x[:, self.places])[:, i] / temperature
            x[:, place] = (uniforms[:, i] < logit.sigmoid()).to(x.dtype)
        return x.view(n, *self.shape)
