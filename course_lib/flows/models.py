"""Flows for vectors: NICE, RealNVP, Glow, neural spline, MAF and IAF in one class."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..autoencoders import OfCodes, latents_of
from ..distributions import standard_normal_log_prob
from ..nn import Model, keeps_config, labels_or_drawn, mlp, one_hot, values_of
from .layers import COUPLINGS, ActNorm, Autoregressive, InverseAutoregressive, InvertibleLinear, Permutation, draw_latents, points

KINDS = ("nice", "realnvp", "glow", "spline", "maf", "iaf")


class Conditioner(nn.Module):
    """The network of a coupling on vectors: an MLP of the kept half and what is given. It starts at 0, and the layer as the identity."""

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: int):
        super().__init__()
        self.net = mlp([inputs, *hidden, outputs])
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, kept: Tensor, given: Tensor | None = None) -> Tensor:
        return self.net(kept if given is None else torch.cat([kept, given], 1))


class Flow(Model):
    """An invertible map f from data to z ~ N(0, I): log p(x) = log N(f(x); 0, I) + log |det ∂f/∂x|, exactly.

    Args:
        kind: "nice" (additive couplings, one scale for each dimension at the end), "realnvp" (affine couplings), "glow" (ActNorm, a learned
            mixing, affine coupling), "spline" (the same with splines), "maf", "iaf" (autoregressive; the order turns round at each layer)
        dims: size of x;  layers: how many of the kind;  hidden: widths of each network
        classes: with c > 0 every layer also sees a label; with (c₁, c₂, …) several, (batch, labels)

    Raises:
        ValueError: an unknown kind, or sizes that make no flow

    Source: the papers named in `layers`.
    """

    @keeps_config
    def __init__(self, kind="realnvp", dims=2, layers=8, hidden=(64, 64), classes=0):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"unknown kind of flow {kind!r}; choose one of {', '.join(KINDS)}")
        if dims < 2 or layers < 1:
            raise ValueError(f"a flow needs at least 2 dimensions and 1 layer, got {dims} and {layers}")
        self.kind, self.dims, self.classes = kind, dims, classes
        given = values_of(classes)
        self.layers = nn.ModuleList()
        for i in range(layers):
            if kind in ("maf", "iaf"):
                self.layers.append((Autoregressive if kind == "maf" else InverseAutoregressive)(dims, hidden, given))
                self.layers.append(Permutation(range(dims - 1, -1, -1)))
                continue
            if kind in ("glow", "spline"):
                self.layers += [ActNorm(dims), InvertibleLinear(dims)]
            coupling = COUPLINGS[{"nice": "additive", "spline": "spline"}.get(kind, "affine")]
            order = "second" if i % 2 and kind in ("nice", "realnvp") else "first"
            kept = (dims + 1) // 2 if order == "first" else dims // 2
            network = Conditioner(kept + given, hidden, coupling.numbers * (dims - kept))
            self.layers.append(coupling(network, order))
        if kind == "nice":
            self.layers.append(ActNorm(dims))  # additive couplings keep every volume: the scales must come from somewhere

    def transform(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (batch, dims) → z (batch, dims), log |det ∂z/∂x| (batch,) in nats."""
        x = points(x, self)
        given, log_det = one_hot(y, len(x), self.classes, x), x.new_zeros(len(x))
        for layer in self.layers:
            x, more = layer(x, given)
            log_det = log_det + more
        return x, log_det

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Exact log density of x (batch, dims): (batch,), nats."""
        z, log_det = self.transform(x, y)
        return standard_normal_log_prob(z) + log_det

    def loss(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Mean of −log p(x), nats."""
        return -self.log_prob(x, y).mean()

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """x → z, both (batch, dims)."""
        return self.transform(x, y)[0]

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """z → x, both (batch, dims)."""
        z = points(z, self, "z")
        given = one_hot(y, len(z), self.classes, z)
        for layer in reversed(self.layers):
            z = layer.inverse(z, given)
        return z

    def stages(self, z: Tensor, y: Tensor | None = None) -> list[Tensor]:
        """[z, …, x]: what the inverse of each layer makes of it, from latent to data."""
        z = points(z, self, "z")
        given, stages = one_hot(y, len(z), self.classes, z), [z]
        for layer in reversed(self.layers):
            stages.append(layer.inverse(stages[-1], given))
        return stages

    @torch.no_grad()
    def sample(self, n: int, *, y: Tensor | int | None = None, temperature: float = 1.0) -> Tensor:
        """n points (n, dims); z is drawn from N(0, temperature² I), and labels of a model with classes where none are given."""
        z = draw_latents(self, n, temperature)
        return self.decode(z, labels_or_drawn(y, n, self.classes, z.device))


class LatentFlow(Flow, OfCodes):
    """A flow of the codes of a shipped VAE, and so a learned prior for it: `log_prob` and `loss` take codes, `sample` gives images.

    Args:
        autoencoder: the checkpoint whose codes these are;  the others: as for `Flow`

    Source: Chen et al. 2016 (arXiv:1611.02731), a flow as the prior of a VAE.
    """

    @keeps_config
    def __init__(self, autoencoder="vae", kind="spline", layers=8, hidden=(128, 128), classes=0):
        super().__init__(kind, latents_of(autoencoder), layers, hidden, classes)
        self.keep_moments(autoencoder)

    def transform(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Codes (batch, dims) → z (batch, dims), log |det ∂z/∂x| (batch,) in nats."""
        z, log_det = super().transform((points(x, self) - self.mean) / self.std, y)
        return z, log_det - self.std.log().sum()

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """z → codes, both (batch, dims)."""
        return super().decode(z, y) * self.std + self.mean

    @torch.no_grad()
    def sample(self, n: int, *, y: Tensor | int | None = None, temperature: float = 1.0) -> Tensor:
        """n images in [0, 1]: codes from the flow, decoded by the VAE."""
        codes = super().sample(n, y=y, temperature=temperature)
        return self.autoencoder.decode(codes).to(codes.dtype)

    def iwae_bound_in_parts(self, x: Tensor, k: int = 500, y: Tensor | None = None) -> Tensor:
        """The VAE's importance-weighted bound of log p(x), or of log p(x | y), with this flow as its prior: (batch,), nats."""

        def log_prior(z: Tensor) -> Tensor:
            told = None if y is None else y.expand(*z.shape[:-2], *y.shape).flatten(0, z.ndim - 2)
            return self.log_prob(z.flatten(0, -2), told).view(z.shape[:-1])

        return self.autoencoder.iwae_bound_in_parts(x, k, log_prior=log_prior)
