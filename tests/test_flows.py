"""Properties of the flows of topic 04, against autograd, SciPy, closed forms, quadrature and loops by hand."""

import copy
import inspect
import io
import json
import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.linalg import expm
from torch import nn
from torch.autograd.functional import jacobian
from torch.distributions import MultivariateNormal

from course_lib import checkpoints, flows, metrics, training
from course_lib.datasets import Dataset, faces, to_float, toy2d, toy2d_log_prob
from course_lib.distributions import LOG_2PI
from course_lib.flows import (
    COUPLINGS,
    KINDS,
    ActNorm,
    Autoregressive,
    ContinuousFlow,
    Coupling,
    Flow,
    ImageFlow,
    InverseAutoregressive,
    InvertibleLinear,
    LatentFlow,
    Logit,
    Permutation,
    Squeeze,
    VariationalDequantiser,
    dequantise,
    rational_quadratic,
)
from course_lib.flows import recipes as flow_recipes
from course_lib.flows.images import KINDS as IMAGE_KINDS
from course_lib.flows.layers import BOUND, ORDERS
from course_lib.metrics.recipes import measure_told
from course_lib.nn import masked_mlp
from course_lib.recipes import recipes

QUIET = {"progress": False, "device": "cpu"}
RECIPES = flow_recipes.RECIPES
TRAINED = [name for name, recipe in RECIPES.items() if recipe.build]  # the others are recordings
TINY = {"shape": (1, 8, 8), "steps": (2, 2), "width": 4, "dequantisation": "uniform"}


@torch.no_grad()
def shaken(module, scale=0.3):
    """The same module with noise on every weight: at its start a flow is nearly the identity, and would pass any test."""
    for part in module.modules():
        # far from its rotation a matrix is badly conditioned, and the way back loses digits that no code could keep
        strength = min(scale, 0.1) if isinstance(part, InvertibleLinear) else scale
        for p in part.parameters(recurse=False):
            p.add_(strength * torch.randn_like(p))
    return module.eval()


def flow(kind, dims=2, layers=4, hidden=(16,), classes=0, scale=0.3):
    return shaken(Flow(kind, dims, layers, hidden, classes), scale)


def continuous(dims=2, hidden=(16, 16), **options):
    return shaken(ContinuousFlow(dims, hidden, **options), 0.2)


def image_flow(kind, scale=0.1, **options):
    return shaken(ImageFlow(**(TINY | {"kind": kind} | options)), scale)


def pixels(n=6, size=8, channels=1):
    return torch.randint(256, (n, channels, size, size), dtype=torch.uint8)


def slogdets(function, x):
    """log |det| of each example's Jacobian by autograd; entries of different examples must not meet."""
    table = jacobian(lambda v: function(v).flatten(1).sum(0), x, vectorize=True)  # (outputs, batch, *shape)
    return torch.linalg.slogdet(table.flatten(2).movedim(1, 0))[1]


def flat(module):
    return torch.cat([p.detach().flatten().clone() for p in module.parameters()])


# --- the spline

sizes = st.floats(-12, 12)


@st.composite
def splines(draw, dtype=torch.float64):
    """Raw widths, heights, slopes and an interval: bins of every size that the formula admits."""
    bins = draw(st.integers(2, 6))
    rows = [draw(st.lists(sizes, min_size=n, max_size=n)) for n in (bins, bins, bins - 1)]
    return *(torch.tensor(row, dtype=dtype) for row in rows), draw(st.sampled_from([1.0, 3.0, 10.0]))


def spline_by_hand(x, widths, heights, slopes, bound):
    """Equation 4 of the paper, one point at a time, in NumPy."""

    def knots(raw):
        share = np.exp(raw - raw.max())
        share = 1e-3 + (1 - 1e-3 * len(raw)) * share / share.sum()
        return np.concatenate([[-bound], -bound + 2 * bound * np.cumsum(share)])

    xs, ys = knots(widths.numpy()), knots(heights.numpy())
    inner = 1e-3 + np.logaddexp(0, slopes.numpy() + np.log(np.expm1(1 - 1e-3)))
    ds = np.concatenate([[1.0], inner, [1.0]])
    if not -bound < x < bound:
        return x, xs
    k = min(int(np.searchsorted(xs, x, side="right")) - 1, len(xs) - 2)
    s = (ys[k + 1] - ys[k]) / (xs[k + 1] - xs[k])
    t = (x - xs[k]) / (xs[k + 1] - xs[k])
    above = (ys[k + 1] - ys[k]) * (s * t**2 + ds[k] * t * (1 - t))
    return ys[k] + above / (s + (ds[k + 1] + ds[k] - 2 * s) * t * (1 - t)), xs


@given(splines(), st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=6))
@settings(max_examples=80, deadline=None)
def test_the_spline_equals_the_formula_and_autograd_and_comes_back(spline, shares):
    *raw, bound = spline
    knots = spline_by_hand(0.0, *raw, bound)[1]
    x = torch.tensor([*(bound * s for s in shares), *knots, -bound, bound], dtype=torch.float64, requires_grad=True)
    given_raw = [r.expand(len(x), -1) for r in raw]
    y, log_slope = rational_quadratic(x, *given_raw, bound)
    expected = [spline_by_hand(v, *raw, bound)[0] for v in x.tolist()]
    assert y.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert torch.allclose(log_slope.exp(), slope, rtol=1e-6)
    back, minus = rational_quadratic(y.detach(), *given_raw, bound, inverse=True)
    error = (back - x).abs() * slope.clamp(max=1)  # where the map is flat, x is as uncertain as y's last digit makes it
    assert error.max() < 1e-9
    inner = x.abs() < bound * (1 - 1e-9)  # at a knot, rounding decides on which side of it the way back begins
    inner &= (torch.tensor(knots)[:, None] - x).abs().min(0).values > 1e-9
    assert torch.allclose(minus[inner], -log_slope[inner], atol=1e-4)


@given(splines())
@settings(max_examples=40, deadline=None)
def test_the_spline_is_monotone_with_fixed_ends_and_the_identity_outside(spline):
    *raw, bound = spline
    x = torch.linspace(-1.2 * bound, 1.2 * bound, 601, dtype=torch.float64)
    y, log_slope = rational_quadratic(x, *(r.expand(len(x), -1) for r in raw), bound)
    assert (y.diff() > 0).all()
    outside = x.abs() >= bound
    assert torch.equal(y[outside], x[outside]) and not log_slope[outside].any()
    ends = torch.tensor([-bound, bound], dtype=torch.float64) * (1 - 1e-13)
    assert torch.allclose(rational_quadratic(ends, *(r.expand(2, -1) for r in raw), bound)[0], ends, atol=1e-8 * bound)


@given(splines(dtype=torch.float32), st.booleans(), st.floats(1, 40))
@settings(max_examples=60, deadline=None)
def test_gradients_of_the_spline_are_finite_on_knots_at_the_ends_and_far_outside(spline, inverse, stretch):
    *raw, bound = spline
    raw = [stretch * r for r in raw]  # up to ±480: the softmax is 0 and 1 there
    knots = spline_by_hand(0.0, *(r.double() for r in raw), bound)[1]
    x = torch.tensor([*knots, -bound, bound, 0.0, 1e3, -1e3, 1e30], dtype=torch.float32, requires_grad=True)
    leaves = [r.expand(len(x), -1).clone().requires_grad_() for r in raw]
    y, log_slope = rational_quadratic(x, *leaves, bound, inverse=inverse)
    assert torch.isfinite(y).all() and torch.isfinite(log_slope).all()
    for gradient in torch.autograd.grad(y.clamp(-bound, bound).sum() + log_slope.sum(), [x, *leaves]):
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("strength", [0.3, 2.0, 12.0])
@pytest.mark.parametrize("inverse", [False, True])
def test_the_spline_in_float32_is_as_exact_as_its_slope_allows(strength, inverse):
    # steep next to flat: where the root's denominator is a difference, this asks too much of it
    raw = [strength * torch.randn(100_000, n) for n in (8, 8, 7)]
    x = 6 * torch.rand(100_000) - 3
    y, log_slope = rational_quadratic(x, *raw, inverse=inverse)
    assert y.dtype == torch.float32 and torch.isfinite(log_slope).all()
    start, end = (y, x) if inverse else (x, y)
    exact, slope = rational_quadratic(start.double(), *(r.double() for r in raw))
    assert ((exact - end).abs() / (1 + slope.exp())).max() < 2e-5
    assert (log_slope - (-slope if inverse else slope)).abs().median() < 1e-3


def test_raw_numbers_of_zero_make_the_identity_and_any_leading_shape_will_do():
    x = torch.linspace(-4, 4, 24).view(2, 3, 4)
    y, log_slope = rational_quadratic(x, torch.zeros(2, 3, 4, 5), torch.zeros(2, 3, 4, 5), torch.zeros(2, 3, 4, 4))
    assert torch.allclose(y, x, atol=1e-5) and log_slope.abs().max() < 1e-5


@pytest.mark.parametrize("bins", [(4, 3, 3), (4, 4, 4)])
def test_splines_that_do_not_fit_are_refused(bins):
    with pytest.raises(ValueError, match=f"k widths, k heights and k − 1 slopes, got {bins[0]}, {bins[1]} and {bins[2]}"):
        rational_quadratic(torch.zeros(2), *(torch.zeros(2, n) for n in bins))


# --- layers: every one alone


class Network(nn.Module):
    """What a coupling asks, with nothing at 0."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, kept, given=None):
        return self.net(kept).tanh()


def vector_layer(name):
    if name in ("additive", "affine", "spline"):
        return COUPLINGS[name](Network(nn.Linear(3, COUPLINGS[name].numbers * 2)))
    if name.endswith("second"):
        kind = name.split()[0]
        return COUPLINGS[kind](Network(nn.Linear(2, COUPLINGS[kind].numbers * 3)), "second")
    return {
        "actnorm": lambda: ActNorm(5),
        "linear": lambda: InvertibleLinear(5),
        "permutation": lambda: Permutation([3, 0, 4, 1, 2]),
        "maf": lambda: Autoregressive(5, (8,)),
        "iaf": lambda: InverseAutoregressive(5, (8,)),
    }[name]()


VECTOR_LAYERS = ["actnorm", "linear", "permutation", "maf", "iaf", *COUPLINGS, *(f"{kind} second" for kind in COUPLINGS)]
IMAGE_LAYERS = ["actnorm", "linear", "squeeze", "logit", "wide logit", *(f"{kind}, {order}" for kind in COUPLINGS for order in ORDERS)]


def image_layer(name):
    if "," in name:
        kind, order = name.split(", ")
        return COUPLINGS[kind](Network(nn.Conv2d(2, 2 * COUPLINGS[kind].numbers, 3, padding=1)), order)
    return {
        "actnorm": lambda: ActNorm(4),
        "linear": lambda: InvertibleLinear(4),
        "squeeze": Squeeze,
        "logit": Logit,
        "wide logit": lambda: Logit(0.1),
    }[name]()


LAYERS = [("vectors", name) for name in VECTOR_LAYERS] + [("images", name) for name in IMAGE_LAYERS]


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-4), (torch.float64, 1e-9)])
@pytest.mark.parametrize("of, name", LAYERS)
def test_every_layer_comes_back_and_its_log_det_is_that_of_autograd(of, name, dtype, tolerance):
    layer = shaken(vector_layer(name) if of == "vectors" else image_layer(name)).to(dtype)
    x = torch.randn((7, 5) if of == "vectors" else (7, 4, 4, 2), dtype=dtype)
    x = torch.sigmoid(x) if "logit" in name else x
    z, log_det = layer(x)
    assert z.dtype == log_det.dtype == dtype and log_det.shape == (7,)
    assert (layer.inverse(z) - x).abs().max() < tolerance
    assert torch.allclose(log_det, slogdets(lambda v: layer(v)[0], x), atol=tolerance)
    assert not torch.allclose(z.flatten(), x.flatten(), atol=0.01)  # there was something to undo


@pytest.mark.parametrize("shape", [(64, 3), (16, 3, 4, 4)])
def test_actnorm_sets_mean_and_deviation_by_its_first_batch_in_training_only(shape):
    offsets = torch.tensor([5.0, -1000.0, 0.0]).view(1, 3, *[1] * (len(shape) - 2))
    x = torch.randn(shape) * torch.tensor([3.0, 1.0, 0.01]).view(offsets.shape) + offsets
    axes = [i for i in range(len(shape)) if i != 1]
    layer = ActNorm(3).eval()
    assert torch.equal(layer(x)[0], x) and not layer.ready
    z = layer.train()(x)[0]
    assert layer.ready and z.mean(axes).abs().max() < 1e-3
    assert torch.allclose(z.std(axes, correction=0), torch.ones(3), atol=1e-2)
    weights = flat(layer)
    layer(5 * x + 1)
    assert torch.equal(flat(layer), weights)


@pytest.mark.parametrize("kind", ["nice", "glow", "spline", *(f"image {kind}" for kind in IMAGE_KINDS)])
def test_a_loaded_flow_does_not_begin_again(kind):
    def build():
        torch.manual_seed(3)
        return ImageFlow(**(TINY | {"kind": kind.split()[1]})) if "image" in kind else Flow(kind, 2, 3, (8,))

    first, other = (pixels(32), pixels(32) // 4) if "image" in kind else (torch.randn(32, 2), 9 + 3 * torch.randn(32, 2))
    trained = build().train()
    start = flat(trained)
    trained.loss(first)
    assert not torch.equal(flat(trained), start)  # the first batch did set something
    file = io.BytesIO()
    torch.save(trained.state_dict(), file)
    file.seek(0)
    loaded = build().train()
    loaded.load_state_dict(torch.load(file))
    for model in (loaded, copy.deepcopy(trained).train()):
        weights = flat(model)
        model.loss(other)
        assert torch.equal(flat(model), weights)


def test_a_constant_channel_leaves_actnorm_finite():
    layer, x = ActNorm(2).train(), torch.stack([torch.zeros(8), torch.arange(8.0)], 1)
    z, log_det = layer(x)
    assert torch.isfinite(z).all() and torch.isfinite(log_det).all() and torch.isfinite(layer.inverse(z)).all()


@pytest.mark.parametrize("places", [None, (3, 5)])
def test_the_mixing_of_channels_has_the_determinant_of_its_matrix(places):
    layer = InvertibleLinear(6).double()
    assert torch.allclose(layer.weight() @ layer.weight().T, torch.eye(6, dtype=torch.float64), atol=1e-5)  # a rotation at the start
    shaken(layer)
    x = torch.randn(4, 6, *(places or ()), dtype=torch.float64)
    z, log_det = layer(x)
    expected = torch.linalg.slogdet(layer.weight())[1] * math.prod(places or (1,))
    assert expected.abs() > 0.01 and torch.allclose(log_det, expected.expand(4), rtol=1e-9)
    assert torch.allclose(z, torch.einsum("ij,bj...->bi...", layer.weight(), x))


def test_squeezing_puts_the_pixels_of_a_patch_in_a_row():
    x = torch.arange(32.0).view(1, 2, 4, 4)
    z, log_det = Squeeze()(x)
    assert z.shape == (1, 8, 2, 2) and not log_det.any()
    for channel in range(2):
        for i in range(2):
            for j in range(2):
                patch = x[0, channel, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                assert torch.equal(z[0, 4 * channel : 4 * channel + 4, i, j], patch.flatten())
    assert torch.equal(Squeeze().inverse(z), x)


@pytest.mark.parametrize("order", ORDERS)
def test_split_and_join_are_opposites_and_keep_every_entry(order):
    layer = Coupling(nn.Identity(), order)
    x = torch.arange(2 * 8 * 3 * 2.0).view(2, 8, 3, 2)
    kept, moved = layer.split(x)
    assert kept.shape == moved.shape == (2, 4, 3, 2) and torch.equal(layer.join(kept, moved), x)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("order, colour", [("checkerboard", 0), ("other checkerboard", 1)])
def test_the_checkerboard_is_one(order, colour, channels):
    board = (torch.arange(6)[:, None] + torch.arange(8)) % 2
    kept, moved = Coupling(nn.Identity(), order).split(Squeeze()(board.expand(1, channels, 6, 8).float())[0])
    assert (kept == colour).all() and (moved == 1 - colour).all()
    # and a coupling changes the squares of the other colour alone
    squeeze, layer = Squeeze(), shaken(Coupling(Network(nn.Conv2d(2 * channels, 4 * channels, 3, padding=1)), order))
    x = torch.randn(2, channels, 6, 8)
    z = squeeze.inverse(layer(squeeze(x)[0])[0])
    assert torch.equal((z != x).all(0).all(0), board != colour)


@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("kind", COUPLINGS)
def test_a_coupling_keeps_one_half_and_moves_every_entry_of_the_other_by_itself(kind, order):
    layer = shaken(vector_layer(kind if order == "first" else f"{kind} second")).double()
    x = torch.randn(1, 5, dtype=torch.float64)
    table = jacobian(lambda v: layer(v)[0][0], x)[:, 0]
    kept = [0, 1, 2] if order == "first" else [3, 4]
    moved = [i for i in range(5) if i not in kept]
    assert torch.equal(table[kept][:, kept], torch.eye(len(kept), dtype=torch.float64)) and not table[kept][:, moved].any()
    own = table[moved][:, moved]
    assert (own.diagonal() > 0).all() and not (own - torch.diag(own.diagonal())).any()
    assert table[moved][:, kept].all()


def test_scales_are_bounded_and_equal_s_where_s_is_small():
    s, t = flows.scale_and_shift(torch.tensor([[0.01, 1e6, -1e6, 5.0, 6.0, -7.0]]))
    assert s[0].tolist() == pytest.approx([0.01, BOUND, -BOUND], rel=1e-4) and t[0].tolist() == [5, 6, -7]


# --- squash and dequantisation


@pytest.mark.parametrize("alpha", [0.0, 1e-5, 0.05])
def test_the_squash_comes_back_and_has_the_slope_of_autograd(alpha):
    x = torch.linspace(0.001, 0.999, 200, dtype=torch.float64)[:, None]
    layer = Logit(alpha)
    z, log_det = layer(x)
    assert torch.allclose(layer.inverse(z), x, atol=1e-12)
    assert torch.allclose(log_det, slogdets(lambda v: layer(v)[0], x), atol=1e-9)
    assert torch.allclose(z, torch.special.logit(alpha / 2 + (1 - alpha) * x))
    assert torch.allclose(layer.inverse(torch.tensor([[-80.0, 80.0]])), torch.tensor([[0.0, 1.0]]), atol=1e-12)


def test_the_squash_is_finite_at_both_ends():
    x = torch.tensor([[0.0, 1.0]], requires_grad=True)
    z, log_det = Logit()(x)
    (gradient,) = torch.autograd.grad(z.sum() + log_det.sum(), x)
    assert torch.isfinite(z).all() and torch.isfinite(log_det).all() and torch.isfinite(gradient).all()
    assert torch.allclose(Logit().inverse(z), x, atol=1e-6)


def test_every_level_fills_its_own_bin():
    x = torch.arange(256, dtype=torch.uint8)
    for u in (0.0, 0.25, 0.999):
        v = dequantise(x, u)
        assert torch.equal((256 * v).floor(), x.float()) and v.min() >= 0 and v.max() < 1
    assert dequantise(x, 0.0)[128] == 0.5


def logistic_log_prob(z):
    return (F.logsigmoid(z) + F.logsigmoid(-z)).sum(-1)


def test_uniform_pixels_cost_exactly_eight_bits(monkeypatch):
    # the logit of a uniform variable is logistic: with that latent, and networks at 0, the density of pixels is 1 everywhere
    monkeypatch.setattr(flows.images, "standard_normal_log_prob", logistic_log_prob)
    model = ImageFlow(**(TINY | {"kind": "realnvp"})).eval()
    model.logit = Logit(alpha=0.0)
    v = 0.001 + 0.998 * torch.rand(5, 1, 8, 8)
    assert torch.allclose(model.log_density(v), torch.zeros(5), atol=1e-3)
    bits = model.bits_per_dim(pixels(50).clamp(1, 254))
    assert bits.tolist() == pytest.approx([8.0] * 50, abs=1e-5)


def one_patch(dequantisation):
    """A flow of four independent pixels, whose exact probabilities SciPy knows: ActNorm alone stands between logit and latent."""
    model = ImageFlow(shape=(1, 2, 2), kind="realnvp", steps=(1,), width=4, dequantisation=dequantisation).eval()
    norm = next(layer for layer in model.levels[0].layers if isinstance(layer, ActNorm))
    with torch.no_grad():
        norm.shift.copy_(torch.tensor([0.3, -0.5, 1.0, 0.0]))
        norm.log_scale.copy_(torch.tensor([-0.7, 0.2, -0.3, 0.5]))
    return model


def exact_log_probability(x):
    """Σ log (Φ(z at the bin's upper end) − Φ(z at its lower end)) for the flow above."""
    shift, scale = np.array([0.3, -0.5, 1.0, 0.0]), np.exp([-0.7, 0.2, -0.3, 0.5])
    lower = x.flatten(1).double().numpy() / 256
    ends = [(np.log(p) - np.log1p(-p) + shift) * scale for p in (5e-6 + (1 - 1e-5) * (lower + k / 256) for k in (0, 1))]
    return np.log(stats.norm.cdf(ends[1]) - stats.norm.cdf(ends[0])).sum(1)


# the weights of the variational draws have heavy tails: it takes many, and they stay below the truth
@pytest.mark.parametrize("dequantisation, k, tolerance", [("uniform", 300, 0.02), ("variational", 500, 0.15)])
def test_the_likelihood_of_pixels_is_the_probability_of_their_bins(dequantisation, k, tolerance):
    model = one_patch(dequantisation)
    x = torch.tensor([[128, 90, 200, 30], [5, 250, 127, 60], [1, 64, 64, 180]], dtype=torch.uint8).view(3, 1, 2, 2)
    exact = -torch.tensor(exact_log_probability(x)) / (4 * math.log(2))
    assert (model.bits_per_dim(x, k=k) - exact).abs().max() < tolerance
    draws = torch.stack([model.bits_per_dim(x) for _ in range(300)])
    assert (draws.mean(0) - exact > -4 * draws.std(0) / math.sqrt(300)).all()  # one draw is a bound


@pytest.mark.parametrize("dequantisation", ["uniform", "variational"])
def test_more_draws_tighten_the_bound(dequantisation):
    model = image_flow("realnvp", dequantisation=dequantisation, shape=(1, 4, 4), steps=(2,))
    x = pixels(200, 4)
    once, often = model.bits_per_dim(x), model.bits_per_dim(x, k=30)
    assert often.shape == (200,) and often.mean() < once.mean() - 0.001
    torch.manual_seed(1)
    by_hand = torch.stack([model.log_prob(x).detach().double() for _ in range(3)]).exp().mean(0).log()
    torch.manual_seed(1)
    assert torch.allclose(model.bits_per_dim(x, k=3).double(), -by_hand / (16 * math.log(2)), atol=1e-4)


def with_noise(dequantiser, x, noise):
    """The dequantiser's u and log q for a noise that is given."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn", lambda *size, **_: noise.view(size))
        return dequantiser(x)


def test_log_q_of_the_variational_dequantiser_is_that_of_autograd():
    dequantiser = shaken(VariationalDequantiser(1, width=4), 0.2)
    x = pixels(3, 4)
    noise = torch.randn(3, 4, 2, 2)
    u, log_q = with_noise(dequantiser, x, noise)
    assert u.shape == x.shape and (u > 0).all() and (u < 1).all()
    log_det = slogdets(lambda v: with_noise(dequantiser, x, v)[0], noise)
    base = -0.5 * (noise.square() + LOG_2PI).flatten(1).sum(1)
    assert torch.allclose(log_q, base - log_det, atol=1e-3)
    assert not torch.allclose(u, with_noise(dequantiser, 255 - x, noise)[0], atol=1e-3)  # it sees the image


def test_the_variational_dequantisers_density_integrates_to_one():
    dequantiser = shaken(VariationalDequantiser(1, width=4), 0.15)
    with torch.no_grad():
        u, log_q = dequantiser(pixels(1, 2).expand(100_000, -1, -1, -1))
    # the mean of 1/q over the draws in a box is the box's volume; over the whole cube its variance would be infinite
    inside = ((u - 0.5).abs() < 0.4).flatten(1).all(1)
    weights = inside * (-log_q).exp().double() / 0.8**4
    error = weights.std() / math.sqrt(len(weights))
    assert error < 0.02 and abs(weights.mean() - 1) < 4 * error
    assert inside.float().mean() > 0.1


# --- whole flows


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-4), (torch.float64, 1e-9)])
@pytest.mark.parametrize("dims", [2, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_every_flow_comes_back_both_ways(kind, dims, dtype, tolerance):
    model = flow(kind, dims, scale=0.15).to(dtype)
    x, z = torch.randn(2, 100, dims, dtype=dtype)
    assert (model.decode(model.encode(x)) - x).abs().max() < tolerance
    assert (model.encode(model.decode(z)) - z).abs().max() < tolerance
    assert (model.encode(x) - x).abs().mean() > 0.05


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-4), (torch.float64, 1e-9)])
@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_every_image_flow_comes_back_both_ways(kind, dtype, tolerance):
    model = image_flow(kind).to(dtype)
    v = 0.02 + 0.96 * torch.rand(8, 1, 8, 8, dtype=dtype)
    z = 0.7 * torch.randn(8, 64, dtype=dtype)
    with torch.no_grad():
        assert (model.untransform(model.transform(v)[0]) - v).abs().max() < tolerance
        x = model.untransform(z)
        again = (model.transform(x)[0] - z).abs()
        # near white and black the pixel keeps fewer digits than its logit has
        assert again.flatten().median() < tolerance and (again.max() < 1e-6 if dtype == torch.float64 else again.max() < 1e-1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_log_det_of_every_flow_is_that_of_autograd(kind):
    model = flow(kind, 6).double()
    x = torch.randn(10, 6, dtype=torch.float64)
    log_det = slogdets(model.encode, x)
    assert torch.allclose(model.transform(x)[1], log_det, atol=1e-9)
    expected = -0.5 * (model.encode(x).square() + LOG_2PI).sum(1) + log_det
    assert torch.allclose(model.log_prob(x), expected, atol=1e-9)
    assert model.loss(x).item() == pytest.approx(-expected.mean().item())
    assert torch.allclose(model.float().log_prob(x.float()).double(), expected, atol=1e-3)


@pytest.mark.parametrize("kind", IMAGE_KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_log_det_of_every_image_flow_is_that_of_autograd(kind, channels):
    model = image_flow(kind, shape=(channels, 8, 4)).double()
    v = 0.02 + 0.96 * torch.rand(2, channels, 8, 4, dtype=torch.float64)
    log_det = slogdets(lambda x: model.transform(x)[0], v)
    assert torch.allclose(model.transform(v)[1], log_det, atol=1e-8)
    expected = -0.5 * (model.transform(v)[0].square() + LOG_2PI).sum(1) + log_det
    assert torch.allclose(model.log_density(v), expected, atol=1e-8)


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_the_log_det_of_784_dimensions_is_that_of_autograd(kind):
    model = image_flow(kind, shape=(1, 28, 28), steps=(1, 1)).double()
    v = 0.02 + 0.96 * torch.rand(1, 1, 28, 28, dtype=torch.float64)
    log_det = slogdets(lambda x: model.transform(x)[0], v)
    assert log_det.abs() > 1000  # e to this is neither a float32 nor a float64
    assert torch.allclose(model.transform(v)[1], log_det, rtol=1e-9)
    assert torch.allclose(model.float().transform(v.float())[1].double(), log_det, rtol=1e-5)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_product_of_784_scales_stays_finite(sign):
    model = Flow("realnvp", 784, 4, (4,))
    x = torch.randn(3, 784)
    with torch.no_grad():
        for layer in model.layers:  # s is the same constant everywhere
            layer.network.net[-1].bias[:392] = sign * 2.0
    s = BOUND * math.tanh(2 / BOUND)
    expected = sign * 4 * 392 * s
    assert torch.allclose(model.transform(x)[1], torch.full((3,), expected), rtol=1e-5)
    assert torch.allclose(model.encode(x), x * math.exp(sign * 2 * s), rtol=1e-4)
    assert torch.isfinite(model.log_prob(x)).all()


def grid(span=12.0, n=481):
    axis = torch.linspace(-span, span, n)
    return torch.cartesian_prod(axis, axis), (2 * span / (n - 1)) ** 2


@torch.no_grad()
@pytest.mark.parametrize("kind", [*KINDS, "continuous"])
def test_the_density_of_every_flow_integrates_to_one_and_is_that_of_its_samples(kind):
    model = continuous(rtol=1e-4, atol=1e-4) if kind == "continuous" else flow(kind, scale=0.1)
    points, cell = grid(n=241 if kind == "continuous" else 481)
    density = model.log_prob(points).exp()
    assert density.sum().item() * cell == pytest.approx(1, abs=1e-2)
    samples = model.sample(20_000)
    assert samples.shape == (20_000, 2)
    mean = (density[:, None] * points).sum(0) * cell
    spread = (density[:, None] * (points - mean).square()).sum(0) * cell
    assert ((samples.mean(0) - mean).abs() < 4 * samples.std(0) / math.sqrt(20_000) + 1e-3).all()
    assert torch.allclose(samples.std(0).square(), spread, rtol=0.1)
    assert (spread - 1).abs().max() > 0.02 or mean.abs().max() > 0.05  # no standard normal


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("flow_moons_nice", [-1.2158, -3.2694, -7.3293]),
        ("flow_moons_realnvp", [-12.0209, -2.7917, -2.4181]),
        ("flow_moons_spline", [-6.5343, -2.8546, -6.4748]),
        ("glow", [-414.60, -418.33]),
        ("realnvp", [-431.31, -423.59]),
        ("spline", [-294.00, -294.59]),
    ],
)
def test_shipped_flows_give_the_densities_they_gave_when_they_were_made(name, values):
    model = checkpoints.load(name)
    if name.startswith("flow"):
        found = model.log_prob(torch.tensor([[0.0, 0.0], [1.0, 0.5], [-1.5, 0.8]]))
    else:
        v = torch.linspace(0.01, 0.99, 784).view(1, 1, 28, 28)
        found = model.log_density(torch.cat([v, v.flip(3)]))
    assert found.tolist() == pytest.approx(values, rel=1e-4, abs=1e-3)


def test_a_glow_without_couplings_is_a_normal_distribution():
    model = Flow("glow", 3, 2, (4,)).double()  # the couplings start at the identity
    with torch.no_grad():
        for layer in model.layers:
            if not isinstance(layer, Coupling):
                shaken(layer)
    x = torch.randn(6, 3, dtype=torch.float64)
    zero = torch.zeros(1, 3, dtype=torch.float64)
    back = jacobian(lambda z: model.decode(z)[0], zero)[:, 0]
    truth = MultivariateNormal(model.decode(zero)[0], back @ back.T)
    assert torch.allclose(model.log_prob(x), truth.log_prob(x), atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_large_inputs_stay_finite_and_come_back(kind):
    model = flow(kind, 6)
    x = (1e3 * torch.randn(50, 6)).requires_grad_()
    loss = model.loss(x)
    assert torch.isfinite(model.log_prob(x)).all()
    loss.backward()
    assert torch.isfinite(x.grad).all() and all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    with torch.no_grad():
        assert torch.isfinite(model.decode(1e3 * torch.randn(50, 6))).all()
        # the way back loses digits in proportion to the slopes of the networks, so that a comparison at 1e3 takes float64
        model, x = flow(kind, 6, scale=0.1).double(), x.double()
        assert (model.decode(model.encode(x)) - x).abs().max() < 1e-4 * x.abs().max()


@pytest.mark.parametrize("kind", IMAGE_KINDS)
@pytest.mark.parametrize("dequantisation", ["uniform", "variational"])
def test_black_white_and_noise_have_finite_likelihoods_and_gradients(kind, dequantisation):
    model = image_flow(kind, dequantisation=dequantisation)
    x = torch.cat([torch.zeros(2, 1, 8, 8), torch.full((2, 1, 8, 8), 255), pixels(2)]).byte()
    log_prob = model.log_prob(x)
    assert log_prob.shape == (6,) and torch.isfinite(log_prob).all()
    log_prob.mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    ends = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 8, 8)
    assert torch.isfinite(model.log_density(ends)).all()


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_every_level_of_grey_comes_back(kind):
    model = image_flow(kind)
    x = torch.arange(256, dtype=torch.uint8).view(4, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(model.decode(model.encode(x)), x.float() / 255)


@torch.no_grad()
@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_samples_of_image_flows_are_images(kind):
    model = image_flow(kind)
    x = model.sample(5, temperature=0.8)
    assert x.shape == (5, 1, 8, 8) and x.min() >= 0 and x.max() <= 1
    assert torch.allclose(255 * x, (255 * x).round(), atol=1e-4)
    assert torch.equal(model.sample(2, temperature=0.0), model.decode(torch.zeros(2, 64)))


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_the_temperature_is_the_latent_deviation(kind):
    model = flow(kind)
    for temperature in (0.5, 1.0, 1.3):
        z = model.encode(model.sample(4000, temperature=temperature))
        assert torch.allclose(z.std(0), torch.full((2,), temperature), rtol=0.06)
    assert torch.allclose(model.sample(3, temperature=0.0), model.decode(torch.zeros(3, 2)))


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_the_stages_are_the_inverses_one_after_the_other(kind):
    model, z = flow(kind, 3), torch.randn(4, 3)
    stages = model.stages(z)
    assert len(stages) == len(model.layers) + 1
    assert torch.equal(stages[0], z) and torch.equal(stages[-1], model.decode(z))
    for layer, before, after in zip(reversed(model.layers), stages, stages[1:]):
        assert torch.allclose(layer(after)[0], before, atol=1e-4)


def test_nice_keeps_volumes_but_for_one_scale_of_each_dimension():
    model = flow("nice", 4)
    log_det = model.transform(torch.randn(5, 4))[1]
    assert torch.allclose(log_det, model.layers[-1].log_scale.sum().expand(5))
    assert isinstance(model.layers[-1], ActNorm) and sum(isinstance(layer, ActNorm) for layer in model.layers) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_reaches_every_latent_in_the_end(kind):
    model = flow(kind, 5)
    table = jacobian(lambda v: model.encode(v)[0], torch.randn(1, 5))
    assert (table[:, 0].abs() > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns_a_gaussian(kind):
    truth = MultivariateNormal(torch.tensor([1.0, -2.0]), torch.tensor([[1.0, 0.8], [0.8, 1.0]]))
    x = truth.sample((2048,))
    model = Flow(kind, 2, 3, (16,))
    training.fit(model, x, steps=150, batch_size=128, lr=1e-2, **QUIET)
    with torch.no_grad():
        assert (model.decode(model.encode(x)) - x).abs().max() < 1e-4
        assert model.loss(truth.sample((4000,))).item() == pytest.approx(truth.entropy().item(), abs=0.1)


# --- masked networks, MAF and IAF


@given(st.integers(1, 6), st.lists(st.integers(1, 9), max_size=3), st.integers(1, 3), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_masked_networks_look_back_only(dims, hidden, outputs, classes):
    network = shaken(masked_mlp(dims, hidden, outputs, classes), 1.0).double()
    x = torch.randn(1, dims + classes, dtype=torch.float64)
    table = jacobian(lambda v: network(v)[0], x)[:, 0].view(outputs, dims, dims + classes)
    assert not torch.triu(table[:, :, :dims]).any()
    if all(width >= 2 * dims for width in hidden):  # and where the layers are wide enough, at everything behind
        assert table[:, :, :dims][:, *torch.tril_indices(dims, dims, -1)].all()
        assert table[:, :, dims:].all()


@pytest.mark.parametrize("flipped", [False, True])
def test_autoregressive_flows_are_triangular_and_fast_in_one_direction(flipped):
    layer = shaken((InverseAutoregressive if flipped else Autoregressive)(5, (20,))).double()
    x = torch.randn(1, 5, dtype=torch.float64)
    for table in (jacobian(lambda v: layer(v)[0][0], x)[:, 0], jacobian(lambda v: layer.inverse(v)[0], x)[:, 0]):
        assert not torch.triu(table, 1).any() and torch.tril(table)[*torch.tril_indices(5, 5)].all()
    passes = []
    layer.network.register_forward_hook(lambda *_: passes.append(1))
    fast, slow = (layer.inverse, layer) if flipped else (layer, layer.inverse)
    fast(x)
    assert len(passes) == 1
    slow(x)
    assert 5 <= len(passes) - 1 <= 6


@torch.no_grad()
def test_autoregressive_flows_equal_loops_by_hand():
    maf = shaken(Autoregressive(3, (16,))).double()
    iaf = InverseAutoregressive(3, (16,)).double()
    iaf.load_state_dict(maf.state_dict())
    u = torch.randn(4, 3, dtype=torch.float64)

    def numbers(v):
        s, t = maf.network(v).chunk(2, 1)
        return BOUND * (s / BOUND).tanh(), t

    s, t = numbers(u)
    assert torch.allclose(maf(u)[0], (u - t) / s.exp()) and torch.allclose(maf(u)[1], -s.sum(1))
    assert torch.allclose(iaf.inverse(u), u * s.exp() + t)
    x, z = torch.zeros_like(u), torch.zeros_like(u)
    for i in range(3):
        s, t = numbers(x)
        x[:, i] = u[:, i] * s[:, i].exp() + t[:, i]
        s, t = numbers(z)
        z[:, i] = (u[:, i] - t[:, i]) / s[:, i].exp()
    assert torch.allclose(maf.inverse(u), x)
    assert torch.allclose(iaf(u)[0], z) and torch.allclose(iaf(u)[1], -numbers(z)[0].sum(1))


# --- continuous flows


@pytest.mark.parametrize("dims", [2, 5])
def test_the_exact_trace_is_that_of_autograd(dims):
    model = continuous(dims).double()
    x, t = torch.randn(4, dims, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64)
    tables = jacobian(lambda v: model.velocity(t, v).sum(0), x).movedim(1, 0)
    tangents = torch.eye(dims, dtype=torch.float64)[:, None].expand(-1, 4, -1)
    v, along = model.velocity.with_tangents(t, x, tangents)
    assert torch.allclose(v, model.velocity(t, x))
    assert torch.allclose(along.movedim(0, 2), tables, atol=1e-12)
    speed, change = flows.continuous.WithTrace(model.velocity, tangents)(t, (x, torch.zeros(4)))
    assert torch.allclose(change, tables.diagonal(dim1=1, dim2=2).sum(1)) and torch.equal(speed, v)
    assert not torch.allclose(v, model.velocity(t + 0.5, x), atol=1e-3)  # the field moves with time


def test_a_linear_field_has_the_exponential_of_its_matrix():
    model = ContinuousFlow(3, (), rtol=1e-10, atol=1e-10).double()
    layer = model.velocity.layers[0]
    with torch.no_grad():
        layer.bias.zero_()
        layer.weight[:, -1] = 0  # no time in it
    matrix = layer.weight[:, :-1].detach()
    z = torch.randn(5, 3, dtype=torch.float64)
    x = model.decode(z)
    assert torch.allclose(x, z @ torch.tensor(expm(matrix.numpy())).T, atol=1e-8)
    assert torch.allclose(model.encode(x), z, atol=1e-8)
    expected = -0.5 * (z.square() + LOG_2PI).sum(1) - matrix.trace()
    assert torch.allclose(model.log_prob(x), expected, atol=1e-8)


def test_the_continuous_flow_comes_back_and_its_log_det_is_that_of_autograd():
    model = continuous(3, rtol=1e-11, atol=1e-11).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    assert (model.decode(model.encode(x)) - x).abs().max() < 1e-9
    z, log_det = model.transform(x)
    assert torch.allclose(z, model.encode(x), atol=1e-8) and (z - x).abs().mean() > 0.05
    assert torch.allclose(log_det, slogdets(model.encode, x), atol=1e-7)
    single = continuous(3, rtol=1e-6, atol=1e-6)
    single.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert (single.decode(single.encode(x.float())) - x).abs().max() < 1e-4
        assert torch.isfinite(single.log_prob(1e3 * x.float())).all()


def test_hutchinsons_estimate_is_unbiased():
    exact = continuous(4)
    estimate = continuous(4, trace="hutchinson")
    estimate.load_state_dict(exact.state_dict())
    x = torch.randn(2, 4)
    with torch.no_grad():
        draws = estimate.log_prob(x.repeat(4000, 1)).view(4000, 2)
        error = (draws.mean(0) - exact.log_prob(x)).abs()
    assert (draws.std(0) > 0.01).all() and (error < 4 * draws.std(0) / math.sqrt(4000)).all()


def test_a_flow_first_used_in_inference_mode_can_be_trained_afterwards():
    code = """
import torch
from course_lib.flows import ContinuousFlow
flow = ContinuousFlow(hidden=(8,)).double()
with torch.inference_mode():
    flow.decode(torch.zeros(2, 2, dtype=torch.float64))
flow.loss(torch.ones(2, 2, dtype=torch.float64)).backward()
"""
    subprocess.run([sys.executable, "-c", code], check=True)  # a process of its own: the solver is imported once


def test_the_adjoint_has_the_gradients_of_the_direct_way():
    direct = continuous(2, rtol=1e-9, atol=1e-9).double()
    adjoint = ContinuousFlow(**(direct.config | {"adjoint": True})).double()
    adjoint.load_state_dict(direct.state_dict())
    x = torch.randn(8, 2, dtype=torch.float64)
    gradients = []
    for model in (direct, adjoint):
        leaf = x.clone().requires_grad_()
        model.loss(leaf).backward()
        gradients.append(torch.cat([leaf.grad.flatten(), *(p.grad.flatten() for p in model.parameters())]))
    assert gradients[0].abs().max() > 1e-3 and torch.allclose(*gradients, atol=1e-6)


@torch.no_grad()
def test_the_path_begins_at_z_and_ends_at_decode():
    model, z = continuous(), torch.randn(5, 2)
    path = model.path(z, [0.0, 0.3, 0.6, 1.0])
    assert path.shape == (4, 5, 2) and torch.equal(path[0], z)
    assert torch.allclose(path[-1], model.decode(z), atol=1e-4)
    assert torch.allclose(path[1], model.path(z, [0.0, 0.3])[-1], atol=1e-4)
    # Euler's rule in many small steps goes the same way
    at = z.clone()
    for i in range(1000):
        at += 1e-3 * model.velocity(torch.tensor(i / 1000), at)
    assert torch.allclose(at, path[-1], atol=5e-3) and not torch.allclose(at, z, atol=0.1)


@torch.no_grad()
def test_continuous_samples_follow_the_temperature():
    model = continuous()
    z = model.encode(model.sample(3000, temperature=0.5))
    assert torch.allclose(z.std(0), torch.full((2,), 0.5), rtol=0.06)


# --- labels


@pytest.mark.parametrize("kind", KINDS)
def test_conditional_flows_see_the_label_everywhere(kind):
    model = flow(kind, 3, classes=4).double()
    x, y = torch.randn(5, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0])
    z = model.encode(x, y)
    assert torch.allclose(model.decode(z, y), x, atol=1e-9)
    assert (model.encode(x, (y + 1) % 4) - z).abs().max(1).values.min() > 1e-3
    assert torch.allclose(model.transform(x, y)[1], slogdets(lambda v: model.encode(v, y), x), atol=1e-9)
    torch.manual_seed(1)
    sample = model.sample(5, y=y)
    torch.manual_seed(1)
    assert not torch.allclose(sample, model.sample(5, y=(y + 1) % 4), atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_conditional_image_flows_see_the_label(kind):
    model = image_flow(kind, classes=3)
    x, y = pixels(3), torch.tensor([0, 1, 2])
    assert torch.equal(model.decode(model.encode(x, y), y), x.float() / 255)
    assert not torch.allclose(model.encode(x, y), model.encode(x, (y + 1) % 3), atol=1e-2)
    torch.manual_seed(1)
    scores = model.bits_per_dim(x, y)
    torch.manual_seed(1)
    assert scores.shape == (3,) and not torch.allclose(scores, model.bits_per_dim(x, (y + 1) % 3), atol=1e-4)
    assert model.sample(3, y=y).shape == x.shape and torch.isfinite(model.loss(x, y))


# --- errors


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: Flow("real"), "unknown kind of flow 'real'; choose one of nice, realnvp, glow, spline, maf, iaf"),
        (lambda: Flow(dims=1), "at least 2 dimensions and 1 layer, got 1 and 8"),
        (lambda: Flow(layers=0), "at least 2 dimensions and 1 layer, got 2 and 0"),
        (lambda: Flow().log_prob(torch.zeros(3, 4)), r"expected points of shape \(batch, 2\), got \(3, 4\)"),
        (lambda: Flow().log_prob(torch.zeros(2)), r"expected points of shape \(batch, 2\), got \(2,\)"),
        (lambda: Flow().loss(torch.zeros(3, 2), torch.zeros(3).long()), "was built without classes; y is given"),
        (lambda: ImageFlow(kind="nice"), "unknown kind of image flow 'nice'; choose one of realnvp, glow, spline"),
        (lambda: ImageFlow(dequantisation="none"), "unknown dequantisation 'none'; choose uniform or variational"),
        (lambda: ImageFlow(shape=(1, 6, 8)), "2 halvings need height and width divisible by 4, got 6 × 8"),
        (
            lambda: ImageFlow(**TINY).log_prob(torch.rand(2, 1, 8, 8)),
            r"expected uint8 images of shape \(batch, 1, 8, 8\), got torch.float32",
        ),
        (lambda: ImageFlow(**TINY).encode(pixels(2, 4)), r"got torch.uint8 of shape \(2, 1, 4, 4\)"),
        (lambda: ImageFlow(**TINY).loss(pixels(2), torch.zeros(2).long()), "was built without classes; y is given"),
        (lambda: ImageFlow(**TINY).encode(pixels(2), torch.zeros(2).long()), "was built without classes; y is given"),
        (lambda: ImageFlow(**TINY).decode(torch.zeros(2, 64), torch.zeros(2).long()), "was built without classes; y is given"),
        (lambda: ImageFlow(**TINY).sample(2, y=torch.zeros(2).long()), "was built without classes; y is given"),
        (lambda: ImageFlow(**TINY, classes=2).loss(pixels(2)), "needs a label from 0 to 1 for each example; y is missing"),
        (lambda: ImageFlow(**TINY, classes=2).encode(pixels(2)), "needs a label from 0 to 1 for each example; y is missing"),
        (lambda: ImageFlow(**TINY, classes=2).decode(torch.zeros(2, 64)), "needs a label from 0 to 1 for each example; y is missing"),
        (lambda: ContinuousFlow(trace="trace"), "unknown trace 'trace'; choose exact or hutchinson"),
        (lambda: ContinuousFlow().log_prob(torch.zeros(3, 4)), r"expected points of shape \(batch, 2\), got \(3, 4\)"),
        (lambda: ContinuousFlow().path(torch.zeros(3, 2), [0.5, 1.0]), r"times must begin with 0 and rise, got \[0.5, 1.0\]"),
        (lambda: ContinuousFlow().path(torch.zeros(3, 2), [0.0, 0.0]), "times must begin with 0 and rise"),
        (lambda: Permutation([0, 2]), r"name each of 0 to 1 once, got \[0, 2\]"),
        (lambda: Logit(1.0), r"alpha must lie in \[0, 1\), got 1.0"),
        (lambda: Coupling(nn.Identity(), order="third"), "unknown order 'third'; choose one of first, second, checkerboard"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "model",
    [
        *(Flow(kind, 3, 2, (4,), classes=2) for kind in KINDS),
        *(ImageFlow(**(TINY | {"kind": k})) for k in IMAGE_KINDS),
        ContinuousFlow(3, (4,)),
    ],
    ids=lambda model: f"{type(model).__name__} {getattr(model, 'kind', model.config.get('kind', ''))}",
)
def test_every_flow_is_rebuilt_from_its_config(model):
    rebuilt = type(model)(**json.loads(json.dumps(model.config)))
    rebuilt.load_state_dict(shaken(model).state_dict())
    torch.manual_seed(0)
    y = (torch.tensor([0, 1]),) if model.config.get("classes") else ()
    x = pixels(2) if isinstance(model, ImageFlow) else torch.randn(2, 3)
    assert torch.equal(model.encode(x, *y), rebuilt.eval().encode(x, *y))
    assert all(name in model.config for name in inspect.signature(type(model)).parameters)


# --- a flow of the codes of the VAE


def latent_flow():
    """Its codes have a mean and spreads of their own."""
    torch.manual_seed(0)
    model = shaken(LatentFlow(layers=2, hidden=(16,)), 0.02)
    model.mean.copy_(torch.linspace(-1, 1, 40))
    model.std.copy_(torch.linspace(0.5, 2, 40))
    return model


def test_the_latent_flow_counts_the_scale_of_its_codes():
    model = latent_flow()
    codes = torch.randn(3, 40)
    z, log_det = model.transform(codes)
    assert torch.allclose(model.decode(z), codes, atol=1e-4)
    slopes = torch.stack([jacobian(lambda v: model.encode(v[None])[0], one) for one in codes])
    assert torch.allclose(log_det, torch.linalg.slogdet(slopes)[1], atol=1e-4)


def test_a_latent_flow_that_is_the_standard_normal_gives_the_vaes_own_bound_under_that_prior():
    model, x = LatentFlow(layers=1, hidden=(8,)), (torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0)) > 0.7).float()
    model.layers = model.layers[:1]  # an ActNorm that has seen nothing: the identity
    vae = model.eval().autoencoder
    torch.manual_seed(1)
    q = vae.posterior(x)
    z = q.sample(3)
    by_hand = vae.log_likelihood(x, z) - 0.5 * (z.square() + LOG_2PI).sum(-1) - q.log_prob(z)
    torch.manual_seed(1)
    assert torch.allclose(model.iwae_bound_in_parts(x, 3), by_hand.logsumexp(0) - math.log(3), atol=1e-3)


def test_codes_are_drawn_anew_from_the_posteriors():
    x = pixels(1200, 28)
    mean, std = recipe_tensors = RECIPES["latent_spline"].tensors(Dataset("fake", "train", x, torch.zeros(1200).long()))
    prepare = RECIPES["latent_spline"].fit["prepare"]
    first, second = prepare(recipe_tensors), prepare(recipe_tensors)
    assert mean.shape == std.shape == (1200, 40) and not torch.equal(first, second)
    z = (first - mean) / std
    assert z.mean().abs() < 0.02 and z.std().item() == pytest.approx(1, abs=0.02)
    model = LatentFlow(layers=1, hidden=(8,))
    RECIPES["latent_spline"].before(model, recipe_tensors)
    many = torch.cat([prepare(recipe_tensors) for _ in range(20)])
    error = std.square().mean(0).sqrt() / len(many) ** 0.5  # the images are the same in all draws, only the noise is not
    assert ((model.mean - many.mean(0)).abs() < 5 * error).all() and torch.allclose(model.std, many.std(0), rtol=0.05)


def test_images_of_a_latent_flow_are_decoded_codes():
    model, vae = latent_flow(), checkpoints.load("vae")
    torch.manual_seed(3)
    images = model.sample(5, temperature=0.5)
    torch.manual_seed(3)
    assert torch.equal(images, vae.decode(model.decode(0.5 * torch.randn(5, 40))))


# --- a flow of the codes of faces, told words


def face_flow():
    torch.manual_seed(0)
    model = shaken(LatentFlow("vae_faces", "glow", 2, (16,), faces.KINDS), 0.05)
    model.std.copy_(torch.linspace(0.5, 2, 64))
    return model


def test_each_of_the_ten_words_moves_the_codes_and_none_is_lost_on_the_way_back():
    model, codes = face_flow(), torch.randn(4, 64)
    words = faces.attributes(faces.random_factors(4))
    z, log_det = model.transform(codes, words)
    assert torch.allclose(model.decode(z, words), codes, atol=1e-4)
    slopes = torch.stack([jacobian(lambda v, y=y: model.encode(v[None], y[None])[0], one) for one, y in zip(codes, words)])
    assert torch.allclose(log_det, torch.linalg.slogdet(slopes)[1], atol=1e-4)
    for column, kinds in enumerate(faces.KINDS):
        other = words.clone()
        other[:, column] = (other[:, column] + 1) % kinds
        assert ((model.decode(z, other) - codes).abs().amax(1) > 1e-4).all(), column


def test_samples_are_decoded_for_the_words_that_were_asked_for():
    model, words = face_flow(), faces.attributes(faces.random_factors(5))
    torch.manual_seed(3)
    images = model.sample(5, y=words, temperature=0.5)
    torch.manual_seed(3)
    assert torch.equal(images, model.autoencoder.decode(model.decode(0.5 * torch.randn(5, 64), words)))
    with pytest.raises(ValueError, match="y"):
        model.sample(5, y=words[:, :9])


def test_the_bound_of_a_face_uses_the_density_of_its_own_words():
    model, y = face_flow(), faces.random_factors(3)
    x, words, vae = to_float(faces.draw(y)), faces.attributes(y), model.autoencoder
    torch.manual_seed(1)
    q = vae.posterior(x)
    z = q.sample(4)  # (4, faces, codes)
    prior = torch.stack([torch.cat([model.log_prob(z[k, i : i + 1], words[i : i + 1]) for i in range(3)]) for k in range(4)])
    by_hand = (vae.log_likelihood(x, z) + prior - q.log_prob(z)).logsumexp(0) - math.log(4)
    torch.manual_seed(1)
    assert torch.allclose(model.iwae_bound_in_parts(x, 4, words), by_hand, rtol=1e-4)


def test_codes_of_faces_are_those_of_their_colours_and_come_with_their_words():
    y = faces.random_factors(1200)
    recipe, x = RECIPES["latent_glow_faces"], faces.draw(y)
    mean, std, words = recipe.tensors(Dataset("fake", "train", x, y))
    q = checkpoints.load("vae_faces").posterior(to_float(x))
    assert torch.allclose(mean, q.mean, atol=1e-4) and torch.allclose(std, q.std, atol=1e-4)
    assert torch.equal(words, faces.attributes(y))
    codes, told = recipe.fit["prepare"]((mean, std, words))
    assert torch.equal(told, words) and ((codes - mean) / std).std().item() == pytest.approx(1, abs=0.02)


def test_a_flow_of_faces_is_measured_by_the_faces_it_draws(monkeypatch):
    """A model that draws the very faces that it is told obeys always, and one that draws any obeys by chance."""
    y = faces.random_factors(400, seed=5)
    data = Dataset("fake", "test", faces.draw(y), y)

    def model(listens):
        def sample(n, y):
            names = [{name: kinds[i] for (name, kinds), i in zip(faces.ATTRIBUTES.items(), line)} for line in y.tolist()]
            return to_float(torch.stack([faces.draw(each) for each in names]) if listens else faces.draw(faces.random_factors(n)))

        return SimpleNamespace(classes=faces.KINDS, sample=sample)

    obeys, does_not = (measure_told(model(listens), data) for listens in (True, False))
    assert obeys["samples"] == 400 and obeys["obeyed"] > 0.97 and does_not["obeyed"] < 0.6


# --- recipes


def test_the_recipes_are_found():
    assert {"realnvp", "glow", "spline", "flow_toys"} <= set(RECIPES)
    assert all(recipes()[name] is recipe for name, recipe in RECIPES.items())


def small(name):
    """A recipe's model, its images made smaller, and data for it."""
    recipe = RECIPES[name]
    torch.manual_seed(0)
    if name == "latent_spline":
        x, model = pixels(24, 28), recipe.build(layers=2, hidden=(8,))
    elif name == "latent_glow_faces":
        y = faces.random_factors(24)
        model = recipe.build(layers=2, hidden=(8,))
        return recipe, model, recipe.tensors(Dataset("fake", "train", faces.draw(y), y))
    elif recipe.data == "faces":
        x, model = pixels(24, channels=3), recipe.build(shape=(3, 8, 8), steps=(2, 2), width=4)
    elif recipe.data.startswith("mnist"):
        x = pixels(24)
        model = recipe.build(shape=(1, 8, 8), steps=(2, 2), width=4)
    else:
        x, model = torch.randn(24, 2), recipe.build()
    return recipe, model, recipe.tensors(Dataset("fake", "train", x, torch.arange(24) % 10))


@pytest.mark.parametrize("name", TRAINED)
def test_every_recipe_trains_repeats_and_resumes(name, tmp_path):
    class Stop(Exception):
        pass

    def stop_at_2(run):
        if run.step == 2:
            raise Stop

    def train(seed=0, **options):
        recipe, model, tensors = small(name)
        return training.fit(model, tensors, steps=3, batch_size=8, seed=seed, ema=0.9, log_every=1, **(QUIET | recipe.fit | options))

    whole, again, other = train(), train(), train(seed=1)
    assert torch.equal(flat(whole.model), flat(again.model)) and not torch.equal(flat(whole.model), flat(other.model))
    assert len(whole.history) == 3

    # broken off at step 2, the run goes on from its checkpoint at 1 and ends where the unbroken run did; ActNorm does not begin again
    state = {"checkpoint": tmp_path / "a.state", "checkpoint_every": 1}
    with pytest.raises(Stop):
        train(watch=stop_at_2, **state)
    assert training.load_state(tmp_path / "a.state")["step"] == 1
    broken = train(**state)
    for a, b in ((whole.model, broken.model), (whole.ema, broken.ema)):
        assert all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())


@pytest.mark.parametrize("name", TRAINED)
def test_every_recipe_trains_in_sixteen_bits(name):
    recipe, model, tensors = small(name)
    before = flat(model)
    training.fit(model, tensors, steps=3, batch_size=8, precision="bf16", log_every=1, **(QUIET | recipe.fit))
    assert torch.isfinite(flat(model)).all() and not torch.equal(flat(model), before)
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_the_true_density_scores_its_own_entropy():
    data = toy2d("moons", 1500)
    truth = SimpleNamespace(log_prob=lambda x: toy2d_log_prob("moons", x) - 0.25)
    numbers = flow_recipes.measure_points(truth, data)
    assert numbers["nll"] == pytest.approx(numbers["entropy"] + 0.25, rel=1e-5) and numbers["test_points"] == 1500


def test_bits_are_averaged_over_all_images(monkeypatch):
    monkeypatch.setattr(metrics, "digit_fid", lambda samples: float(len(samples)))
    shades = torch.arange(1100).view(-1, 1, 1, 1) % 256
    data = Dataset("fake", "test", shades.expand(-1, 1, 28, 28).byte(), torch.zeros(1100).long())
    model = SimpleNamespace(bits_per_dim=lambda x, k=1: x[:, 0, 0, 0] / k, sample=lambda n: torch.rand(n, 1, 28, 28))
    numbers = flow_recipes.measure_images(model, data, n=20)
    assert numbers["bits_per_dim"] == pytest.approx(shades.float().mean().item(), rel=1e-5)
    assert numbers["bits_per_dim_k10"] == pytest.approx(shades.float().mean().item() / 10, rel=1e-5)
    assert numbers["samples"] == 20 and numbers["test_images"] == 1100


def test_faces_are_judged_by_the_network_of_faces(monkeypatch):
    monkeypatch.setattr(metrics.faces, "face_fid", lambda samples: -float(len(samples)))
    data = Dataset("fake", "test", pixels(30, 16, 3), torch.zeros(30).long())
    model = SimpleNamespace(bits_per_dim=lambda x, k=1: torch.ones(len(x)), sample=lambda n: torch.rand(n, 3, 16, 16))
    assert flow_recipes.measure_images(model, data, n=20)["fid"] == -20


def test_every_film_has_its_frames(monkeypatch):
    monkeypatch.setattr(flow_recipes, "TOYS", ("moons", "rings"))
    monkeypatch.setattr(flow_recipes, "toy2d", lambda name, n, seed: toy2d(name, 200, seed))
    budget = SimpleNamespace(batch_size=16, lr=1e-3, clip=10.0)
    tensors, numbers = flow_recipes.film_of_toys(budget, 2, None, None, 0)
    kinds = [*KINDS, "ffjord"]
    for toy in ("moons", "rings"):
        assert tensors[f"{toy}/density"].shape == (len(kinds), 48, 48) and tensors[f"{toy}/samples"].shape == (len(kinds), 1000, 2)
        assert list(numbers[toy]["nll"]) == kinds and all(nll > numbers[toy]["entropy"] for nll in numbers[toy]["nll"].values())
        area = (2 * flow_recipes.SPAN / flow_recipes.SIDE) ** 2
        assert all(0.9 < total < 1.01 for total in (tensors[f"{toy}/density"].sum((1, 2)) * area).tolist())


# --- GPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("name", TRAINED)
def test_everything_runs_on_a_gpu(name, precision):
    recipe, model, tensors = small(name)
    options = {"batch_size": 8, "precision": precision, "ema": 0.9, "log_every": 1, "progress": False, "device": "cuda"}
    run = training.fit(model, tensors, steps=3, **options, **recipe.fit)
    assert len(run.history) == 3 and torch.isfinite(flat(model)).all()
    sample = run.ema.sample(3)
    assert sample.is_cuda and torch.isfinite(sample).all()
    batch = recipe.fit.get("prepare", lambda batch: batch)(tensors)
    x, *y = [part[:4].cuda() for part in (batch if isinstance(batch, tuple) else (batch,))]
    z = model.encode(x, *y)
    assert z.is_cuda and torch.isfinite(model.decode(z, *y)).all() and torch.isfinite(model.loss(x, *y))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("kind", KINDS)
def test_flows_with_labels_run_on_a_gpu(kind):
    model = flow(kind, 3, classes=4).cuda()
    x, y = torch.randn(5, 3).cuda(), torch.tensor([0, 1, 2, 3, 0]).cuda()
    with torch.no_grad():
        assert torch.allclose(model.decode(model.encode(x, y), y), x, atol=1e-3) and model.sample(5, y=y).is_cuda
