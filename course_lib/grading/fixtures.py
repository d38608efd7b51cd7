"""Networks, draws and fields that checks hand to answers. The one file of course_lib whose code an answer may run."""

import math

import torch
from torch import Tensor, nn

from course_lib.grading.tasks import grid

# --------------------------------------------------------------------------------------------------------------------
# 04 · flows: inverses of maps of the line as functions of y, their slopes as functions of x; networks, Jacobians, latents and images


def inverse_of_minus_cube(y):
    return -y.sign() * y.abs() ** (1 / 3)


def slope_of_minus_cube(x):
    return -3 * x**2


def inverse_of_3_minus_2x(y):
    return (3 - y) / 2


def slope_of_3_minus_2x(x):
    return torch.full_like(x, -2.0)


def tanh_network(width: int, phase: float, gain: float = 1.0, offset: float = 0.0) -> nn.Sequential:
    """(batch, width) → (batch, width), with fixed weights: no random generator is asked. `gain` and `offset` change its outputs."""
    layers = nn.utils.skip_init(nn.Linear, width, 3), nn.Tanh(), nn.utils.skip_init(nn.Linear, 3, width)
    network = nn.Sequential(*layers)
    with torch.no_grad():
        for i, parameter in enumerate(network.parameters()):
            parameter.copy_((grid(*parameter.shape, low=-4.0, high=5.0) * (1 + i) + phase).sin())
        network[-1].weight.mul_(gain)
        network[-1].bias.mul_(gain).add_(offset)
    return network


def triangles(*shape: int, low: float, high: float, phase: float = 0.0) -> Tensor:
    """Lower triangular matrices. Their diagonals have sizes from low to high, every third entry negative; below it lie small numbers."""
    size = shape[-1]
    diagonal = grid(*shape, low=low, high=high)
    diagonal = torch.where(torch.arange(diagonal.numel()).reshape(shape) % 3 == 1, -diagonal, diagonal)
    below = 0.3 / size * (grid(*shape, size, low=1.0, high=50.0) + phase).sin()
    return below.tril(-1) + torch.diag_embed(diagonal)


def far_out(batch: int, dims: int) -> Tensor:
    """Points so far out in the first of their many dimensions that even the density of that entry is 0, in float64 too."""
    return torch.cat([grid(batch, 1, low=40.0, high=42.0), grid(batch, dims - 1).sin()], 1)


def whole_images(batch: int, stride: int) -> tuple[Tensor, Tensor]:
    """Images of 784 pixels with their noise."""
    places = torch.arange(batch * 784).reshape(batch, 784)
    return (places * stride % 256).to(torch.uint8), 0.45 + 0.4 * places.sin()


# --------------------------------------------------------------------------------------------------------------------
# 05, autoregressive models


def joint_table(entries: int, phase: float) -> Tensor:
    """The joint probabilities of binary variables, an axis for each, with no symmetry."""
    return (4 * (5 * grid(*[2] * entries) + phase).sin()).flatten().softmax(0).reshape([2] * entries)


def binary_rows(batch: int, entries: int, step: int) -> Tensor:
    """Rows of 0 and 1, (batch, entries)."""
    numbers = torch.arange(batch) * step + 1
    return (numbers[:, None] >> torch.arange(entries)) % 2


def pixels(*shape: int, step: float = 1.7) -> Tensor:
    """Zeros and ones, as floats."""
    return ((torch.arange(math.prod(shape)) * step).sin() > 0.2).float().reshape(shape)


def padded_costs(length: int, *lengths: int, padding: float, low: float = -4.0) -> tuple[Tensor, Tensor]:
    """Log-probabilities of rows with these lengths, in nats, with something else in the padding; and where they are real."""
    real = torch.arange(length) < torch.tensor(lengths)[:, None]
    return torch.where(real, grid(*real.shape, low=low, high=-0.1), padding), real


def convolutions(
    channels: tuple[int, ...],
    kinds: str,
    phase: float,
    kernel: int = 3,
    scale: float = 1.0,
    between: type[nn.Module] = nn.Tanh,
    inputs: str = "",
    outputs: str = "",
) -> nn.Sequential:
    """Convolutions with fixed weights, a layer for each kind: masks A and B, "C" for no mask, "R" for the centre and later pixels.

    between: what stands between two of them; at `nn.Tanhshrink` the first has no bias, so that slopes are 0 where the input is
    inputs: "opposite", the second input counts as minus the first; "narrow", the first is seen in its own row alone, the last not there
    outputs: "opposite", the second falls as the first rises, both above 0; "narrow", the first sees no row above, the last no column to the
        left
    """
    number, centre = torch.arange(kernel * kernel).reshape(kernel, kernel), kernel * kernel // 2
    masks = {"A": number < centre, "B": number <= centre, "C": number >= 0, "R": number >= centre}
    layers: list[nn.Module] = []
    for i, kind in enumerate(kinds):
        conv = nn.utils.skip_init(nn.Conv2d, channels[i], channels[i + 1], kernel, padding=kernel // 2)
        conv.weight.data = (7 * grid(*conv.weight.shape) + phase + i).sin() * masks[kind] * scale
        conv.bias.data = grid(channels[i + 1]) / 4
        layers += [conv, between()]
    first, last, middle = layers[0], layers[-2], kernel // 2
    with torch.no_grad():
        if between is nn.Tanhshrink:
            first.bias.zero_()
        if inputs == "opposite":
            first.weight[:, 1] = -first.weight[:, 0]
        if inputs == "narrow":
            first.weight[:, 0, :middle] = first.weight[:, 0, middle + 1 :] = 0
            first.weight[:, -1, middle] = 0
        if outputs == "opposite":
            last.weight[1] = -last.weight[0]
            last.bias[:2] = 30.0
        if outputs == "narrow":
            last.weight[0, :, :middle] = 0
            last.weight[-1, :, :, 0] = 0
    return nn.Sequential(*layers[:-1])


# --------------------------------------------------------------------------------------------------------------------
# 06 · diffusion: schedules, a network, draws, a step and a velocity


def cosine_bar(t: Tensor) -> Tensor:
    return torch.cos(1.5 * t) ** 2


def linear_bar(t: Tensor) -> Tensor:
    return torch.exp(-0.1 * t - 4 * t**2)


def one_each(value: Tensor, x: Tensor, name: str) -> None:
    """Raise TypeError where a network is told something else than one number for each example."""
    if not torch.is_tensor(value):
        raise TypeError(f"{name} should be a tensor of shape ({len(x)},), one number for each example")
    if value.shape != (len(x),):
        raise TypeError(f"{name} should have shape ({len(x)},), one number for each example, not {tuple(value.shape)}")


class Denoiser(nn.Module):
    """(x_t, t) → as x_t, (batch, *shape), or (x_t, t, y) with labels from 0 to `labels` − 1; weights are fixed."""

    def __init__(self, *shape: int, phase: float, labels: int = 0):
        super().__init__()
        self.shape, dims = shape, math.prod(shape)
        self.mix = nn.Parameter((grid(dims, dims) * 3 + phase).sin() * 0.7)
        self.time = nn.Parameter((grid(dims) * 2 + phase).cos())
        self.labels = nn.Parameter((grid(labels, dims) * 5 + phase).sin()) if labels else None

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        if x_t.shape[1:] != self.shape:
            raise TypeError(f"x_t should have shape (batch, {', '.join(map(str, self.shape))}), not {tuple(x_t.shape)}")
        one_each(t, x_t, "t")
        h = x_t.flatten(1).to(self.mix) @ self.mix + t.reshape(-1, 1).to(self.mix) * self.time
        if self.labels is not None:
            one_each(y, x_t, "the labels")
            if y.is_floating_point():
                raise TypeError("labels should be whole numbers")
            h = h + (y.reshape(-1, 1) == torch.arange(len(self.labels))).to(self.mix) @ self.labels
        return torch.tanh(h).reshape(x_t.shape)


class Draws(nn.Module):
    """Stands for torch.rand, or with `normal` for torch.randn: other numbers at each call, the same in each check.

    ends: some of the numbers are as small and as large as such a draw can be; the first and the last are not
    """

    def __init__(self, phase: float, normal: bool = False, ends: bool = False):
        super().__init__()
        self.phase, self.normal, self.ends, self.calls = phase, normal, ends, 0

    def forward(self, *shape, **options) -> Tensor:
        shape = tuple(options["size"] if "size" in options else shape[0] if shape and not isinstance(shape[0], int) else shape)
        self.calls += 1
        u = (self.phase * self.calls + 0.6180339887 * torch.arange(1, math.prod(shape) + 1, dtype=torch.float64)) % 1
        u = 0.001 + 0.998 * u
        if self.ends and len(u) > 3:
            u[1:3] = torch.tensor([4e-6, 1 - 4e-6] if self.normal else [0, 1 - 2**-24], dtype=torch.float64)
        return (torch.special.ndtri(u) if self.normal else u).to(torch.get_default_dtype()).reshape(shape)


class Mixer(nn.Module):
    """Stands for a step of a sampler, (x_t, t, s) → x_s: what a pixel becomes depends on its neighbours, and on both times."""

    def __init__(self, turn: float):
        super().__init__()
        self.turn = turn

    def forward(self, x_t: Tensor, t: int, s: int) -> Tensor:
        if torch.is_tensor(x_t) and x_t.ndim != 4:
            raise TypeError(f"x_t should have shape (batch, channels, height, width), not {tuple(x_t.shape)}")
        if any(torch.is_tensor(time) and time.ndim for time in (t, s)):
            raise TypeError("t and s should be numbers: all pictures are at one time")
        if any(time.is_floating_point() if torch.is_tensor(time) else isinstance(time, float) for time in (t, s)):
            raise TypeError(f"t and s should be whole numbers, as they stand in the list, not {t} and {s}: they are places in a table")
        if not s < t:
            raise TypeError(f"a step leads from t to an earlier time s, not from {t} to {s}")
        return torch.sin(self.turn * x_t + 0.7 * t) + 0.6 * x_t.roll(1, -1) - (0.1 + 0.2 * s) * x_t.flip(-2)


class Field(nn.Module):
    """(x, t) → a velocity that turns and bends. It counts how often any such field is asked: a check gives away copies."""

    calls = 0

    def __init__(self, turn: float):
        super().__init__()
        self.turn = turn

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        one_each(t, x, "t")
        Field.calls += 1
        t = t.reshape(-1, *[1] * (x.ndim - 1)).to(x)
        return torch.sin(self.turn * x + 3 * t) - t * x.flip(-1)


# --------------------------------------------------------------------------------------------------------------------
# 08 · energy-based models: draws that are always the same, energies, and a proposal that leans


def uniforms(*shape: int, phase: float) -> Tensor:
    """Stand for torch.rand: evenly spread between 0 and 1, the same on every platform."""
    places = torch.arange(1, math.prod(shape) + 1, dtype=torch.float64)
    return (0.001 + 0.998 * ((phase + 0.6180339887 * places) % 1)).float().reshape(shape)


def normals(*shape: int, phase: float) -> Tensor:
    """Stand for torch.randn."""
    return torch.special.ndtri(uniforms(*shape, phase=phase).double()).float()


def of_rows(x: Tensor) -> Tensor:
    """x as (batch, numbers of an example); TypeError where it is no batch."""
    if x.ndim < 2:
        raise TypeError(f"an energy takes a batch, (batch, ...), not a tensor of shape {tuple(x.shape)}")
    return x.flatten(1)


def wavy_bowl(x: Tensor) -> Tensor:
    """(batch, ...) → (batch,): a bowl with waves, in which the first numbers count most."""
    x = of_rows(x)
    return (0.5 * x.square() / torch.arange(1, x.shape[1] + 1) + 0.4 * torch.sin(3 * x)).sum(1) + 0.2 * x[:, 0] * x[:, -1]


def steep_bowl(x: Tensor) -> Tensor:
    """The same, far up: exp of minus such an energy is 0."""
    return 900 + 2 * wavy_bowl(x)


def deep_bowl(x: Tensor) -> Tensor:
    """The same, far down: exp of minus such an energy is infinite."""
    return wavy_bowl(x) / 2 - 900


def cliff(x: Tensor) -> Tensor:
    """The bowl, with a cliff where the first number is 0: exp of a difference of energies across it is 0 or infinite."""
    return wavy_bowl(x) + _side(x)


def flat_plain(x: Tensor) -> Tensor:
    """No place is better than another."""
    return 0 * of_rows(x).sum(1)


def leaning(to: Tensor, given: Tensor) -> Tensor:
    """log q(to | given), (batch,), of a proposal that leans to one side and is drawn back to the middle."""
    return -((of_rows(to) - 0.7 * of_rows(given) - 0.4).square() / 1.3).sum(1)


def knowing_the_cliff(to: Tensor, given: Tensor) -> Tensor:
    """The same of a proposal that goes down the cliff and not up: whole, the ratio of Metropolis and Hastings is an ordinary number."""
    return leaning(to, given) - _side(to)


def _side(x: Tensor) -> Tensor:
    return torch.where(of_rows(x)[:, 0] > 0, 900.0, -900.0).to(x.dtype)


def even(to: Tensor, given: Tensor) -> Tensor:
    """The same of a random walk: there and back are equally likely."""
    return -((of_rows(to) - of_rows(given)).square() / 0.5).sum(1)


def gamma_energy(x: Tensor) -> Tensor:
    """(chains,) → (chains,) of numbers above 0: the energy of a gamma density of shape 3 and scale 1."""
    return x - 2 * x.log()


def two_humps(x: Tensor) -> Tensor:
    """(chains,) → (chains,) of numbers above 0: the energy of two log-normal humps."""
    far, near = (x.log() - 1.5).square() / 0.1, (x.log() + 0.5).square() / 0.3
    return x.log() - torch.logaddexp(-far, -near + 0.5)


# --------------------------------------------------------------------------------------------------------------------
# 09 · transformers: positions and a look that are not those of the tasks, and the weights of a small model


def turned(x: Tensor, start: int) -> Tensor:
    """(..., time, d) → the same, each number moved and scaled by what depends on its position, and on nothing else."""
    places = torch.arange(start, start + x.shape[-2], dtype=x.dtype)[:, None]
    return x * (0.8 * places + 0.3).cos() + x.roll(1, -1) * (0.5 * places + 0.2).sin()


def looked(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """What the queries, the last places, find among keys (..., places, d) and as many values; the future is hidden."""
    m, n = q.shape[-2], k.shape[-2]
    if n != v.shape[-2]:
        raise TypeError(f"there should be as many keys as values, not {n} and {v.shape[-2]}")
    fit = torch.exp(-(q[..., None, :] - k[..., None, :, :]).square().sum(-1)) * torch.ones(m, n, dtype=q.dtype).tril(n - m)
    return fit @ v / (0.1 + fit.sum(-1, keepdim=True))


class Weights(nn.Module):
    """The weights of a small model of texts, fixed; `embed` has one row more than there are symbols, for "nothing yet"."""

    def __init__(self, symbols: int, width: int, places: int, phase: float = 0.0):
        super().__init__()
        sizes = {"embed": (symbols + 1, width), "places": (places, width), "out": (width, symbols)}
        for i, (name, size) in enumerate((sizes | dict.fromkeys("qkv", (width, width))).items()):
            setattr(self, name, nn.Parameter((grid(*size, low=-5.0, high=7.0) * (3 + i) + phase).sin()))
