"""The invertible layers that flows are made of.

Every layer has `forward(x, given) → (z, log_det)`, from data to latent, with log_det = log |det ∂z/∂x| of shape (batch,) in nats, and
`inverse(z, given) → x`. `given` is what the layer may know besides: a one-hot class (batch, classes), an image of the same size, or None.
"""

from collections.abc import Sequence

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn import masked_mlp
from .spline import rational_quadratic

BOUND = 3.0  # of log scales: one coupling stretches by at most e³, whatever comes in
BINS = 8
ORDERS = ("first", "second", "checkerboard", "other checkerboard")
KINDS = {"additive": 1, "affine": 2, "spline": 3 * BINS - 1}  # of couplings, and the numbers each needs for an entry of x

Halves = tuple[Tensor, Tensor]


def _flat_sum(values: Tensor) -> Tensor:
    return values.flatten(1).sum(1)


def _mean_over_processes(values: Tensor) -> Tensor:
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
        places = x[0, 0].numel()
        return z, (places * self.log_scale.sum()).expand(len(x))

    def inverse(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        shape = (1, -1) + (1,) * (z.ndim - 2)
        return z * (-self.log_scale).exp().view(shape) - self.shift.view(shape)

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Set mean and deviation by this batch; several processes share theirs."""
        axes, shape = [i for i in range(x.ndim) if i != 1], (1, -1) + (1,) * (x.ndim - 2)
        mean = _mean_over_processes(x.mean(axes))
        std = _mean_over_processes((x - mean.view(shape)).square().mean(axes)).sqrt()
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
        """P L and U + diag(s)."""
        eye = torch.eye(len(self.p), dtype=self.p.dtype, device=self.p.device)
        return self.lower.tril(-1) + eye, self.upper.triu(1) + torch.diag(self.sign * self.log_s.exp())

    def weight(self) -> Tensor:
        """W, (channels, channels)."""
        lower, upper = self.factors()
        return self.p @ (lower @ upper)

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, enabled=False):  # in 16 bits the inverse would be another map
            z = _mix(x, self.weight())
        return z, (x[0, 0].numel() * self.log_s.sum()).expand(len(x))

    def inverse(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):
            lower, upper = self.factors()
            step = torch.linalg.solve_triangular(lower, self.p.T, upper=False, unitriangular=True)
            return _mix(z, torch.linalg.solve_triangular(upper, step, upper=True))


def _mix(x: Tensor, weight: Tensor) -> Tensor:
    return torch.einsum("oi,bi...->bo...", weight, x)  # on a CPU twice as fast as the convolution with a 1×1 kernel, which this is


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
        return z, _flat_sum(F.softplus(z) + F.softplus(-z) + torch.tensor(1 - self.alpha, dtype=z.dtype).log())

    def inverse(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        return ((z.sigmoid() - self.alpha / 2) / (1 - self.alpha)).clamp(0, 1)


class Coupling(nn.Module):
    """One half of x stays as it is and decides what happens to the other half.

    Args:
        network: (kept half, given) → the numbers that the other half needs, `KINDS[kind]` for each of its entries
        kind: "additive" z = x + t; "affine" z = x · exp(s) + t with s in (−3, 3); "spline", a monotone spline of 8 bins
        order: which channels stay: the "first" half or the "second". On squeezed images "checkerboard" keeps upper left and lower right
            of each 2×2 patch, which are the black squares of the image before squeezing, and "other checkerboard" the white ones

    Where couplings follow each other, x may be given as its two halves, and comes back so: joining and cutting at each layer takes time.

    Source: NICE, Dinh et al. 2014 (arXiv:1410.8516); RealNVP, Dinh et al. 2016 (arXiv:1605.08803); splines, Durkan et al. 2019
    (arXiv:1906.04032).
    """

    def __init__(self, network: nn.Module, kind: str = "affine", order: str = "first"):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}; choose one of {', '.join(KINDS)}")
        if order not in ORDERS:
            raise ValueError(f"unknown order {order!r}; choose one of {', '.join(ORDERS)}")
        self.network, self.kind, self.order = network, kind, order

    def split(self, x: Tensor | Halves) -> Halves:
        """The half that stays, and the half that moves."""
        if "checkerboard" in self.order:
            patches = x.unflatten(1, (-1, 4))
            black, white = patches[:, :, [0, 3]].flatten(1, 2), patches[:, :, [1, 2]].flatten(1, 2)
            return (black, white) if self.order == "checkerboard" else (white, black)
        first, second = x if isinstance(x, tuple) else x.chunk(2, 1)
        return (first, second) if self.order == "first" else (second, first)

    def join(self, kept: Tensor, moved: Tensor, apart: bool = False) -> Tensor | Halves:
        """The opposite of `split`. apart: leave the two halves as they are."""
        first, second = (kept, moved) if self.order in ("first", "checkerboard") else (moved, kept)
        if "checkerboard" not in self.order:
            return (first, second) if apart else torch.cat([first, second], 1)
        black, white = first.unflatten(1, (-1, 2)), second.unflatten(1, (-1, 2))
        return torch.stack([black[:, :, 0], white[:, :, 0], white[:, :, 1], black[:, :, 1]], 2).flatten(1, 2)

    def forward(self, x: Tensor | Halves, given: Tensor | None = None) -> tuple[Tensor | Halves, Tensor]:
        kept, moved = self.split(x)
        numbers = self.network(kept, given).to(moved.dtype)
        if self.kind == "additive":
            moved, log_det = moved + numbers, moved.new_zeros(len(moved))
        elif self.kind == "affine":
            s, t = scale_and_shift(numbers)
            moved, log_det = torch.addcmul(t, moved, s.exp()), _flat_sum(s)
        else:
            moved, log_slope = self.spline(moved, numbers)
            log_det = _flat_sum(log_slope)
        return self.join(kept, moved, isinstance(x, tuple)), log_det

    def inverse(self, z: Tensor | Halves, given: Tensor | None = None) -> Tensor | Halves:
        kept, moved = self.split(z)
        numbers = self.network(kept, given).to(moved.dtype)
        if self.kind == "additive":
            moved = moved - numbers
        elif self.kind == "affine":
            s, t = scale_and_shift(numbers)
            moved = (moved - t) / s.exp()
        else:
            moved, _ = self.spline(moved, numbers, inverse=True)
        return self.join(kept, moved, isinstance(z, tuple))

    def spline(self, moved: Tensor, numbers: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
        numbers = numbers.unflatten(1, (moved.shape[1], -1)).movedim(2, -1)
        widths, heights, slopes = numbers.split([BINS, BINS, BINS - 1], -1)
        return rational_quadratic(moved, widths, heights, slopes, inverse=inverse)


def scale_and_shift(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """s in (−3, 3) and t from what a network says, (batch, 2c, ...) → twice (batch, c, ...)."""
    s, t = numbers.chunk(2, 1)
    return 2 * BOUND * torch.sigmoid(s * (2 / BOUND)) - BOUND, t  # BOUND · tanh(s / BOUND), in half of the time


class Autoregressive(nn.Module):
    """Every entry is shifted and scaled by what the entries before it say: z_i = (x_i − t_i) · exp(−s_i), s and t functions of x_{<i}.

    Args:
        inverse: False makes a masked autoregressive flow (MAF): densities in one pass, samples one entry after the other. True makes an
            inverse autoregressive flow (IAF), x_i = z_i · exp(s_i) + t_i with functions of z_{<i}: samples in one pass, densities slowly
        hidden: widths of the masked network

    Source: MAF, Papamakarios et al. 2017 (arXiv:1705.07057); IAF, Kingma et al. 2016 (arXiv:1606.04934).
    """

    def __init__(self, dims: int, hidden: Sequence[int], inverse: bool = False, classes: int = 0):
        super().__init__()
        self.flipped = inverse
        self.network = masked_mlp(dims, hidden, outputs=2, given=classes)
        nn.init.zeros_(self.network[-1].weight)
        nn.init.zeros_(self.network[-1].bias)

    def numbers(self, u: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor]:
        """s and t, (batch, dims) each."""
        return scale_and_shift(self.network(u if given is None else torch.cat([u, given], 1)).to(u.dtype))

    def one_by_one(self, u: Tensor, given: Tensor | None, solve) -> Tensor:
        """Entry i after the entries before it: `dims` passes of the network."""
        out = torch.zeros_like(u)
        for i in range(u.shape[1]):
            s, t = self.numbers(out, given)
            out = torch.cat([out[:, :i], solve(u[:, i], s[:, i], t[:, i])[:, None], out[:, i + 1 :]], 1)
        return out

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z = self.one_by_one(x, given, lambda u, s, t: (u - t) * (-s).exp()) if self.flipped else None
        s, t = self.numbers(z if self.flipped else x, given)
        return z if self.flipped else (x - t) * (-s).exp(), -s.sum(1)

    def inverse(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        if self.flipped:
            s, t = self.numbers(z, given)
            return z * s.exp() + t
        return self.one_by_one(z, given, lambda u, s, t: u * s.exp() + t)


def draw_latents(model: nn.Module, n: int, temperature: float = 1.0) -> Tensor:
    """n draws of z ~ N(0, temperature² I) where the model's weights are, and in their precision: (n, model.dims)."""
    weight = next(model.parameters())
    return temperature * torch.randn(n, model.dims, device=weight.device, dtype=weight.dtype)
