"""The invertible layers that flows are made of.

Every layer has `forward(x, given) → (z, log_det)`, from data to latent, with log_det = log |det ∂z/∂x| of shape (batch,) in nats, and
`inverse(z, given) → x`. `given` is what the layer may know besides: a one-hot class (batch, classes), an image of the same size, or None.
"""

import math
from collections.abc import Sequence

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn import as_weights, masked_mlp, normal
from .spline import rational_quadratic

BOUND = 3.0  # of log scales: one coupling stretches by at most e³, whatever comes in
BINS = 8
ORDERS = ("first", "second", "checkerboard", "other checkerboard")


def mean_over_processes(values: Tensor) -> Tensor:
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(values)
        values /= dist.get_world_size()
    return values


class ActNorm(nn.Module):
    """Shift and scale each channel, so that the first batch in training has mean 0 and deviation 1; from then on both are learned.

    Source: Kingma & Dhariwal 2018 (arXiv:1807.03039), section 3.1.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.shift, self.log_scale = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("ready", torch.tensor(False))  # stored with the weights: a loaded layer must not begin again
        self.seen = False  # the same in Python: asking a GPU for `ready` at every step would make it wait

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.training and not self.seen:
            if not self.ready:
                self.initialise(x)
            self.seen = True
        shape = (1, -1) + (1,) * (x.ndim - 2)
        z = (x + self.shift.view(shape)) * self.log_scale.exp().view(shape)
        places = math.prod(x.shape[2:])
        return z, (places * self.log_scale.sum()).expand(len(x))

    def inverse(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        shape = (1, -1) + (1,) * (z.ndim - 2)
        return z * (-self.log_scale).exp().view(shape) - self.shift.view(shape)

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Set mean and deviation by this batch; several processes share theirs."""
        axes, shape = [i for i in range(x.ndim) if i != 1], (1, -1) + (1,) * (x.ndim - 2)
        mean = mean_over_processes(x.mean(axes))
        std = mean_over_processes((x - mean.view(shape)).square().mean(axes)).sqrt()
        self.shift.copy_(-mean)
        self.log_scale.copy_(-(std + 1e-6).log())
        self.ready.fill_(True)


class InvertibleLinear(nn.Module):
    """z = W x on the channels: a learned mixing of them. On images this is the invertible 1×1 convolution.

    W = P L (U + diag(s)) with a fixed permutation P and triangular L, U: its log-det is the sum of log |s|, and no matrix is ever
    turned into a determinant.

    Source: Kingma & Dhariwal 2018 (arXiv:1807.03039), section 3.2.
    """

    def __init__(self, channels: int):
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels))[0]
        p, lower, upper = torch.linalg.lu(rotation)
        s = upper.diagonal()
        self.register_buffer("p", p)
        self.register_buffer("sign", s.sign())
        self.log_s = nn.Parameter(s.abs().log())
        self.lower, self.upper = nn.Parameter(lower.tril(-1)), nn.Parameter(upper.triu(1))

    def factors(self) -> tuple[Tensor, Tensor]:
        """L and U + diag(s)."""
        eye = torch.eye(len(self.p), dtype=self.p.dtype, device=self.p.device)
        return self.lower.tril(-1) + eye, self.upper.triu(1) + torch.diag(self.sign * self.log_s.exp())

    def weight(self) -> Tensor:
        """W, (channels, channels)."""
        lower, upper = self.factors()
        return self.p @ (lower @ upper)

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, enabled=False):  # in 16 bits the inverse would be another map
            z = torch.einsum("oi,bi...->bo...", self.weight(), x)  # on a CPU twice as fast as a convolution with a 1×1 kernel
        return z, (math.prod(x.shape[2:]) * self.log_s.sum()).expand(len(x))

    def inverse(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):
            lower, upper = self.factors()
            step = torch.linalg.solve_triangular(lower, self.p.T, upper=False, unitriangular=True)
            return torch.einsum("oi,bi...->bo...", torch.linalg.solve_triangular(upper, step, upper=True), z)


class Permutation(nn.Module):
    """The entries of x in another order: z = x[:, order]. It changes no volume."""

    def __init__(self, order: Sequence[int]):
        super().__init__()
        if sorted(order) != list(range(len(order))):
            raise ValueError(f"an order must name each of 0 to {len(order) - 1} once, got {list(order)}")
        self.register_buffer("order", torch.tensor(order))
        self.register_buffer("back", torch.tensor(order).argsort())

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return x[:, self.order], x.new_zeros(len(x))

    def inverse(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        return z[:, self.back]


class Squeeze(nn.Module):
    """Every 2×2 patch of an image becomes four channels: (c, h, w) ↔ (4c, h/2, w/2). It changes no volume.

    The four pixels of a patch follow each other in the channels: upper left, upper right, lower left, lower right.
    """

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return F.pixel_unshuffle(x, 2), x.new_zeros(len(x))

    def inverse(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        return F.pixel_shuffle(z, 2)


class Logit(nn.Module):
    """From (0, 1) to the line: z = logit(α/2 + (1 − α) x). α keeps the ends away from ±∞.

    Source: Dinh et al. 2016 (arXiv:1605.08803), section 4.1.
    """

    def __init__(self, alpha: float = 1e-5):
        super().__init__()
        if not 0 <= alpha < 1:
            raise ValueError(f"alpha must lie in [0, 1), got {alpha}")
        self.alpha = alpha

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z = torch.logit(self.alpha / 2 + (1 - self.alpha) * x)
        # dz/dx = (1 − α) / (σ(z) σ(−z))
        return z, (F.softplus(z) + F.softplus(-z) + math.log(1 - self.alpha)).flatten(1).sum(1)

    def inverse(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        return ((z.sigmoid() - self.alpha / 2) / (1 - self.alpha)).clamp(0, 1)


class Coupling(nn.Module):
    """One half of x stays as it is, and decides how the other half is moved and scaled: z = x · exp(s) + t with s in (−3, 3).

    Args:
        network: (kept half, given) → the numbers that the other half needs, `numbers` for each of its entries
        order: which channels stay: the "first" half or the "second". On squeezed images "checkerboard" keeps upper left and lower right
            of each 2×2 patch, which are the black squares of the image before squeezing, and "other checkerboard" the white ones

    Source: RealNVP, Dinh et al. 2016 (arXiv:1605.08803).
    """

    kind, numbers = "affine", 2

    def __init__(self, network: nn.Module, order: str = "first"):
        super().__init__()
        if order not in ORDERS:
            raise ValueError(f"unknown order {order!r}; choose one of {', '.join(ORDERS)}")
        self.network, self.order = network, order

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The half that stays, and the half that moves."""
        first, second = x.chunk(2, 1)
        if "checkerboard" in self.order:  # the four channels of a patch: upper left, upper right, lower left, lower right
            patches = x.unflatten(1, (-1, 4))
            first, second = patches[:, :, [0, 3]].flatten(1, 2), patches[:, :, [1, 2]].flatten(1, 2)
        return (first, second) if self.order in ("first", "checkerboard") else (second, first)

    def join(self, kept: Tensor, moved: Tensor) -> Tensor:
        """The opposite of `split`."""
        first, second = (kept, moved) if self.order in ("first", "checkerboard") else (moved, kept)
        if "checkerboard" not in self.order:
            return torch.cat([first, second], 1)
        black, white = first.unflatten(1, (-1, 2)), second.unflatten(1, (-1, 2))
        return torch.stack([black[:, :, 0], white[:, :, 0], white[:, :, 1], black[:, :, 1]], 2).flatten(1, 2)

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        kept, moved = self.split(x)
        s, t = scale_and_shift(self.network(kept, given).to(x.dtype))
        return self.join(kept, moved * s.exp() + t), s.flatten(1).sum(1)

    def inverse(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        kept, moved = self.split(z)
        s, t = scale_and_shift(self.network(kept, given).to(z.dtype))
        return self.join(kept, (moved - t) / s.exp())


class AdditiveCoupling(Coupling):
    """The other half is only moved: z = x + t. It changes no volume.

    Source: NICE, Dinh et al. 2014 (arXiv:1410.8516).
    """

    kind, numbers = "additive", 1

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        kept, moved = self.split(x)
        return self.join(kept, moved + self.network(kept, given).to(x.dtype)), x.new_zeros(len(x))

    def inverse(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        kept, moved = self.split(z)
        return self.join(kept, moved - self.network(kept, given).to(z.dtype))


class SplineCoupling(Coupling):
    """The other half is bent, each entry by a monotone spline of 8 bins.

    Source: Durkan et al. 2019 (arXiv:1906.04032).
    """

    kind, numbers = "spline", 3 * BINS - 1

    def bend(self, x: Tensor, given: Tensor | None, inverse: bool) -> tuple[Tensor, Tensor]:
        kept, moved = self.split(x)
        numbers = self.network(kept, given).to(x.dtype).unflatten(1, (moved.shape[1], -1)).movedim(2, -1)
        widths, heights, slopes = numbers.split([BINS, BINS, BINS - 1], -1)
        moved, log_slope = rational_quadratic(moved, widths, heights, slopes, inverse=inverse)
        return self.join(kept, moved), log_slope.flatten(1).sum(1)

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.bend(x, given, inverse=False)

    def inverse(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        return self.bend(z, given, inverse=True)[0]


COUPLINGS = {"additive": AdditiveCoupling, "affine": Coupling, "spline": SplineCoupling}


def scale_and_shift(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """s in (−3, 3) and t from what a network says, (batch, 2c, ...) → twice (batch, c, ...)."""
    s, t = numbers.chunk(2, 1)
    return BOUND * torch.tanh(s / BOUND), t


class Autoregressive(nn.Module):
    """MAF: every entry is shifted and scaled by what the entries before it say, z_i = (x_i − t_i) · exp(−s_i), s and t functions of x_{<i}.

    Densities take one pass of the network, samples one for each entry.

    Args:
        hidden: widths of the masked network

    Source: Papamakarios et al. 2017 (arXiv:1705.07057).
    """

    def __init__(self, dims: int, hidden: Sequence[int], classes: int = 0):
        super().__init__()
        self.network = masked_mlp(dims, hidden, outputs=2, given=classes)
        nn.init.zeros_(self.network[-1].weight)
        nn.init.zeros_(self.network[-1].bias)

    def numbers(self, u: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor]:
        """s and t, (batch, dims) each: entry i depends on u_{<i}."""
        return scale_and_shift(self.network(u if given is None else torch.cat([u, given], 1)).to(u.dtype))

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        s, t = self.numbers(x, given)
        return (x - t) * (-s).exp(), -s.sum(1)

    def inverse(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        x = torch.zeros_like(z)
        for i in range(z.shape[1]):  # entry i needs those before it
            s, t = self.numbers(x, given)
            x = torch.cat([x[:, :i], (z * s.exp() + t)[:, i : i + 1], x[:, i + 1 :]], 1)
        return x


class InverseAutoregressive(Autoregressive):
    """IAF, the same the other way round: x_i = z_i · exp(s_i) + t_i, s and t functions of z_{<i}. Samples in one pass, densities slowly.

    Source: Kingma et al. 2016 (arXiv:1606.04934).
    """

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z = torch.zeros_like(x)
        for i in range(x.shape[1]):
            s, t = self.numbers(z, given)
            z = torch.cat([z[:, :i], ((x - t) * (-s).exp())[:, i : i + 1], z[:, i + 1 :]], 1)
        s, t = self.numbers(z, given)
        return z, -s.sum(1)

    def inverse(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        s, t = self.numbers(z, given)
        return z * s.exp() + t


def draw_latents(model: nn.Module, n: int, temperature: float = 1.0) -> Tensor:
    """n draws of z ~ N(0, temperature² I) where the model's weights are, and in their precision: (n, model.dims)."""
    if isinstance(temperature, Tensor) and temperature.ndim or not 0 <= temperature < math.inf:
        raise ValueError(f"temperature must be one number, at least 0, got {temperature}")
    return temperature * normal(model, n, model.dims)


def points(x: Tensor, model: nn.Module, name: str = "x") -> Tensor:
    """x (batch, model.dims) in the precision of the model's weights; ValueError where it is anything else."""
    x = as_weights(x, model, name)
    if x.ndim != 2 or x.shape[1] != model.dims:
        raise ValueError(f"{name}: expected points of shape (batch, {model.dims}), got {tuple(x.shape)}")
    return x
