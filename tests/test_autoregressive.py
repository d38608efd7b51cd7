"""Properties of the autoregressive models of topic 05, against gradients, enumeration, SciPy, mpmath and loops by hand."""

import inspect
import io
import itertools
import json
import math
from collections import Counter, defaultdict
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn
from torch.autograd.functional import jacobian

from course_lib import autoregressive as ar
from course_lib import checkpoints, metrics, training
from course_lib.autoregressive import MADE, CharLSTM, GatedPixelCNN, NGram, PixelCNN, PixelRNN, WaveNet, coding, nucleus, top_k
from course_lib.autoregressive import recipes as ar_recipes
from course_lib.autoregressive.layers import CausalConv1d, colours_of
from course_lib.datasets import ALPHABET, Dataset, Text, binarise, faces
from course_lib.distributions import (
    categorical_sample,
    inverse_mu_law,
    logistic_bin_log_prob,
    logistic_mixture_log_prob,
    logistic_mixture_sample,
    mu_law,
)
from course_lib.recipes import recipes

QUIET = {"progress": False, "device": "cpu"}
RECIPES = ar_recipes.RECIPES
COUNTS = {"bernoulli": 2, "categorical": 3, "logistic": 3}  # levels of the tiny models


@torch.no_grad()
def rough(model, scale=1.0):
    """The same model in float64 with large random weights and biases everywhere: a leak that small ones would hide shows."""
    for p in model.parameters():
        fan_in = p[0].numel() if p.ndim > 1 else 4
        p.copy_(scale * torch.randn(p.shape) / fan_in**0.5)
    return model.double().eval()


def pixel_model(kind, shape=(1, 3, 3), output="bernoulli", classes=0, scale=1.5, levels=None, **options):
    options |= {"output": output, "levels": levels or COUNTS[output]}
    if kind == "gated":
        return rough(GatedPixelCNN(shape, 6, **({"dilations": (1, 2, 1)} | options), classes=classes), scale)
    return rough({"plain": PixelCNN, "rnn": PixelRNN}[kind](shape, 6, **options), scale)


def made(order="raster", shape=(1, 3, 3)):
    return rough(MADE(shape, (32, 32), order), 2.0)


def whole_numbers(model, n=4):
    return torch.randint(getattr(model, "levels", 2), (n, *model.shape))


def labels(model, n):
    return torch.arange(n) % model.classes if getattr(model, "classes", 0) else None


def in_turn(x):
    """(batch, colours, height, width) → (batch, pixels · colours), in the order of drawing."""
    return x.permute(0, 2, 3, 1).flatten(1)


def depends(model, n=6):
    """Which outputs have a gradient at which inputs, both in the order of drawing: bool (outputs, inputs)."""
    x, y = whole_numbers(model, n).double(), labels(model, n)

    def outputs(v):
        if isinstance(model, MADE):
            return in_turn(model.logits(v)).sum(0)
        logits = model.logits(v, y)
        weights = torch.linspace(0.5, 1.5, logits.shape[2], dtype=v.dtype)  # no two numbers of a place can cancel
        return in_turn(torch.einsum("bcnhw,n->bchw", logits, weights)).sum(0)

    table = jacobian(outputs, x, vectorize=True)  # (outputs, batch, *shape)
    return torch.stack([in_turn(row) for row in table]).abs().amax(1) > 0


def before(n):
    return torch.ones(n, n).tril(-1).bool()


# --- who sees whom


def offsets(kernel, kind):
    """The neighbours that a masked convolution reads, written out: (rows down, columns right)."""
    half = kernel // 2
    above = {(-i, j) for i in range(1, half + 1) for j in range(-half, half + 1)}
    left = {(0, -j) for j in range(1, half + 1)}
    return above | left | ({(0, 0)} if kind == "B" else set())


def everywhere(shape, reads):
    """What each place sees after a layer, from what each saw before it; reads: place → the places of the layer before it."""
    _, height, width = shape
    inside = {(i, j) for i in range(height) for j in range(width)}
    return {place: set(reads(place)) & inside for place in inside}


def through(seen, reads):
    return {place: set().union(*(seen[other] for other in reads(place) if other in seen)) for place in seen}


def blind_reach(shape, layers, kernel):
    """The pixels that a plain PixelCNN sees, by walking through its layers place by place."""
    seen = everywhere(shape, lambda p: {(p[0] + i, p[1] + j) for i, j in offsets(7, "A")})
    for _ in range(layers):
        seen = through(seen, lambda p: {(p[0] + i, p[1] + j) for i, j in offsets(kernel, "B")})
    return seen


def gated_reach(shape, dilations, kernel):
    half = kernel // 2
    v = everywhere(shape, lambda p: {(p[0] - i, p[1] + j) for i in (1, 2) for j in (-1, 0, 1)})
    h = everywhere(shape, lambda p: {(p[0], p[1] - 1), (p[0], p[1] - 2)})
    for d in dilations:
        v = through(v, lambda p: {(p[0] - i * d, p[1] + j * d) for i in range(half + 1) for j in range(-half, half + 1)})  # noqa: B023
        across = through(h, lambda p: {(p[0], p[1] - j * d) for j in range(half + 1)})  # noqa: B023
        h = {p: h[p] | across[p] | v[p] for p in h}
    return h


def rnn_reach(shape):
    rows = everywhere(shape, lambda p: {(p[0] + i, p[1] + j) for i, j in offsets(7, "A")})
    into = through(rows, lambda p: {p, (p[0], p[1] - 1)})
    hidden = {}
    for i, j in sorted(into):
        hidden[i, j] = into[i, j].union(*(hidden.get((i - 1, j + k), set()) for k in (-1, 0, 1)))
    return hidden


def as_table(reach, shape):
    """The same for colours: of other pixels all are seen, of its own pixel those before."""
    order = [(i, j, c) for i in range(shape[1]) for j in range(shape[2]) for c in range(shape[0])]
    rows = [[(k, m) in reach[i, j] or ((i, j) == (k, m) and other < c) for k, m, other in order] for i, j, c in order]
    return torch.tensor(rows)


@pytest.mark.parametrize("order", ["raster", 0, 7])
@pytest.mark.parametrize("shape", [(1, 3, 4), (2, 2, 2), (5,)])
def test_made_sees_all_before_in_its_order_and_nothing_else(order, shape):
    model = rough(MADE(shape, (64, 64), order), 2.0)
    x = torch.randint(2, (6, *shape)).double()
    table = jacobian(lambda v: model.logits(v).flatten(1).sum(0), x, vectorize=True).flatten(2).abs().amax(1) > 0
    assert torch.equal(table[model.places][:, model.places], before(model.dims))
    assert torch.equal(model.places.sort().values, torch.arange(model.dims)) and torch.equal(
        model.places[model.turns], torch.arange(model.dims)
    )
    assert (order == "raster") == torch.equal(model.places, torch.arange(model.dims))


@pytest.mark.parametrize("output", COUNTS)
@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 2, 3)])
def test_gated_pixelcnn_sees_all_before_and_nothing_else(shape, output):
    for classes, coordinates in ((0, False), (3, False), (3, True)):
        model = pixel_model("gated", shape, output, classes, coordinates=coordinates)
        assert torch.equal(depends(model), before(math.prod(shape)))


@torch.no_grad()
def test_coordinates_tell_places_apart_that_look_alike():
    """On an empty image without borders in reach all places look alike: only coordinates can tell them apart."""
    x, spread = torch.zeros(1, 1, 9, 9), {}
    for coordinates in (False, True):
        model = pixel_model("gated", (1, 9, 9), dilations=(1,), coordinates=coordinates)
        inside = model.logits(x)[0, 0, 0, 4:, 3:6]
        spread[coordinates] = [inside.std(0).max().item(), inside.std(1).max().item()]
    assert max(spread[False]) < 1e-12 and min(spread[True]) > 1e-3
    # what they add is a plane: the weights times row and column, each from −1 to 1
    v, h = model.places(9, 9)
    assert v.shape == h.shape == (1, 6, 9, 9) and torch.allclose(
        torch.cat([v, h], 1)[0, :, 0, 8], model.where.weight[:, :, 0, 0] @ torch.tensor([-1.0, 1.0]).double()
    )
    assert torch.allclose(v[..., 1:] - v[..., :-1], (v[..., 1:2] - v[..., :1]).expand(1, 6, 9, 8))
    assert all(torch.equal(a, b) for a, b in zip(model.places(4, 9), (v[:, :, :4], h[:, :, :4])))


def test_a_model_without_coordinates_has_no_weights_for_them():
    without, with_them = GatedPixelCNN((1, 4, 4), 6, (1,)), GatedPixelCNN((1, 4, 4), 6, (1,), coordinates=True)
    assert set(with_them.state_dict()) - set(without.state_dict()) == {"where.weight"} and with_them.where.weight.numel() == 2 * 12
    older = {name: value for name, value in without.config.items() if name != "coordinates"}
    GatedPixelCNN(**older).load_state_dict(without.state_dict())


@pytest.mark.parametrize("shape", [(1, 9, 11), (3, 4, 5)])
def test_residual_layers_see_as_far_as_others_and_begin_as_the_identity_of_their_input(shape):
    table = depends(pixel_model("plain", shape, "categorical", layers=2, residual=True))
    assert torch.equal(table, as_table(blind_reach(shape, 2, 3), shape))
    block = ar.MaskedBlock(4 * shape[0], 3, shape[0])
    x = torch.randn(2, 4 * shape[0], 5, 5)
    assert torch.allclose(block(x), x + block.conv(x.clamp_min(0)))
    nn.init.zeros_(block.conv.weight)
    nn.init.zeros_(block.conv.bias)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("dilations, kernel", [((1,), 3), ((1, 2), 3), ((1, 3), 5), ((2, 1), 1)])
def test_gated_pixelcnn_reaches_as_far_as_its_layers_and_has_no_blind_spot(dilations, kernel):
    shape = (1, 7, 9)
    table = depends(pixel_model("gated", shape, dilations=dilations, kernel=kernel))
    reach = gated_reach(shape, dilations, kernel)
    assert torch.equal(table, as_table(reach, shape))
    # the row above is seen on both sides alike, as far as the kernels go
    wide = 1 + kernel // 2 * sum(dilations)
    assert {(2, j) for j in range(max(0, 4 - wide), min(9, 5 + wide))} == {p for p in reach[3, 4] if p[0] == 2}


@pytest.mark.parametrize("output", COUNTS)
@pytest.mark.parametrize("shape, layers, kernel", [((1, 9, 11), 2, 3), ((1, 8, 9), 1, 5), ((3, 4, 5), 2, 3), ((2, 7, 6), 1, 3)])
def test_plain_pixelcnn_has_the_blind_spot_that_its_masks_make(shape, layers, kernel, output):
    table = depends(pixel_model("plain", shape, output, layers=layers, kernel=kernel))
    reach = blind_reach(shape, layers, kernel)
    assert torch.equal(table, as_table(reach, shape))
    assert not (table & ~before(math.prod(shape))).any()
    blind = {(k, m) for k in range(shape[1]) for m in range(shape[2])} - reach[shape[1] - 1, 0]
    assert any(k < shape[1] - 1 for k, _ in blind)  # above on the right


@pytest.mark.parametrize("output", COUNTS)
def test_pixelrnn_sees_what_its_rows_hand_down(output):
    shape = (1, 6, 12)
    table = depends(pixel_model("rnn", shape, output))
    assert torch.equal(table, as_table(rnn_reach(shape), shape)) and not (table & ~before(72)).any()
    assert table[60:, 0].any() and table[71, :].sum() > 35  # it looks further up than its 7×7 kernel


@pytest.mark.parametrize("kind", ["A", "B"])
def test_masks_hold_what_the_paper_says(kind):
    expected = [[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, int(kind == "B"), 0, 0], [0] * 5, [0] * 5]
    assert ar.causal_mask(5, kind)[0, 0].tolist() == expected
    assert ar.causal_mask(1, kind).tolist() == [[[[float(kind == "B")]]]]
    colours = torch.arange(3)
    mask = ar.causal_mask(3, kind, colours, colours)
    centre = [[0, 0, 0], [1, 0, 0], [1, 1, 0]] if kind == "A" else [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert mask[:, :, 1, 1].tolist() == centre  # rows are outputs, red first
    assert (mask[:, :, 0] == 1).all() and (mask[:, :, 1, 0] == 1).all() and not mask[:, :, 1, 2].any() and not mask[:, :, 2].any()
    assert colours_of(7, 3).tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_a_wrong_mask_would_be_caught():
    model = pixel_model("plain", (1, 3, 3))
    model.net[0].mask.copy_(ar.causal_mask(7, "B"))
    assert depends(model).diagonal().all()


def embedded(model, x):
    """Logits (batch, time, symbols), and the vectors that the symbols became, as a leaf."""
    leaves = []
    hook = model.embed.register_forward_hook(lambda module, args, out: leaves.append(out.detach().requires_grad_()) or leaves[0])
    logits = model.logits(x)
    hook.remove()
    return (logits.transpose(1, 2) if isinstance(model, WaveNet) else logits), leaves[0]


@pytest.mark.parametrize("dilations", [(1,), (1, 2, 4), (2, 3), (1, 2, 1, 2)])
def test_wavenet_sees_exactly_its_receptive_field(dilations):
    model, length = rough(WaveNet(5, 8, dilations)), 14
    logits, vectors = embedded(model, torch.randint(5, (3, length)))
    for t in range(length):
        (gradient,) = torch.autograd.grad(logits[:, t].sum(), vectors, retain_graph=True, allow_unused=True)
        seen = [] if gradient is None else gradient.abs().amax((0, 2)).nonzero().flatten().tolist()  # vector k is that of x_k
        back = {0}
        for d in dilations:
            back |= {b + d for b in back}
        assert seen == sorted(t - 1 - b for b in back if t - 1 - b >= 0)
    assert model.receptive_field == 1 + max(back)


def test_char_lstm_sees_all_before_and_nothing_else():
    model = rough(CharLSTM(5, 8, layers=2))
    logits, vectors = embedded(model, torch.randint(5, (3, 7)))
    for t in range(7):
        (gradient,) = torch.autograd.grad(logits[:, t].sum(), vectors, retain_graph=True)
        # vector k is that of x_{k − 1}; vector 0 stands for "nothing yet"
        assert gradient.abs().amax((0, 2)).nonzero().flatten().tolist() == list(range(t + 1))
    assert model.before(torch.tensor([[3, 1, 4]])).tolist() == [[5, 3, 1]]


@pytest.mark.parametrize("build", [lambda: rough(WaveNet(5, 8, (1, 2, 4))), lambda: rough(CharLSTM(5, 8))], ids=["wavenet", "lstm"])
@torch.no_grad()
def test_another_symbol_changes_later_predictions_alone(build):
    model, x = build(), torch.randint(5, (2, 8))
    truth = model.logits(x) if isinstance(model, CharLSTM) else model.logits(x).transpose(1, 2)
    for k in range(8):
        other = x.clone()
        other[:, k] = (x[:, k] + 1) % 5
        logits = model.logits(other) if isinstance(model, CharLSTM) else model.logits(other).transpose(1, 2)
        changed = (logits - truth).abs().amax((0, 2))
        assert changed[: k + 1].max() == 0 and (changed[k + 1 :] > 0).all()


def test_a_causal_convolution_equals_a_loop():
    layer, x = rough(CausalConv1d(3, 2, kernel=3, dilation=2)), torch.randn(2, 3, 9, dtype=torch.float64)
    expected = torch.stack(
        [layer.bias + sum(x[:, :, t - 2 * back] @ layer.weight[:, :, 2 - back].T for back in range(3) if t >= 2 * back) for t in range(9)],
        2,
    )
    assert torch.allclose(layer(x), expected)


def test_shifts_and_gates():
    x = torch.arange(6.0).view(1, 1, 2, 3)
    assert ar.shift_down(x)[0, 0].tolist() == [[0, 0, 0], [0, 1, 2]] and ar.shift_right(x)[0, 0].tolist() == [[0, 0, 1], [0, 3, 4]]
    z = torch.tensor([[0.3, -2.0, 1.5, 0.2]])
    assert ar.gate(z)[0].tolist() == pytest.approx([math.tanh(0.3) / (1 + math.exp(-1.5)), math.tanh(-2) / (1 + math.exp(-0.2))], rel=1e-6)


@pytest.mark.parametrize("kind", ["plain", "gated", "rnn"])
@torch.no_grad()
def test_the_first_rows_alone_give_the_logits_that_they_have_in_the_whole_image(kind):
    model = pixel_model(kind, (1, 6, 5), "categorical")
    x = whole_numbers(model)
    assert torch.allclose(model.logits(x[:, :, :4]), model.logits(x)[..., :4, :])


# --- probabilities


def every(levels, shape):
    """All arrays of a shape."""
    return torch.tensor(list(itertools.product(range(levels), repeat=math.prod(shape)))).view(-1, *shape)


IMAGE_MODELS = {
    "made": lambda: made(),
    "made in random order": lambda: made(3),
    **{
        f"{kind} {output}": (lambda k=kind, o=output: pixel_model(k, output=o, levels=2))
        for kind in ("plain", "gated", "rnn")
        for output in COUNTS
    },
    "gated with classes": lambda: pixel_model("gated", classes=3),
}


@pytest.mark.parametrize("name", IMAGE_MODELS)
@torch.no_grad()
def test_the_probabilities_of_all_512_images_sum_to_one(name):
    model, images = IMAGE_MODELS[name](), every(2, (1, 3, 3))
    for label in range(getattr(model, "classes", 0)) or [None]:
        log_p = model.log_prob(images) if label is None else model.log_prob(images, torch.full((512,), label))
        assert log_p.shape == (512,) and log_p.exp().sum().item() == pytest.approx(1, abs=1e-10)
        assert log_p.std() > 0.05  # not a uniform distribution, whose sum proves little


@pytest.mark.parametrize("output", COUNTS)
@pytest.mark.parametrize("kind", ["plain", "gated"])
@torch.no_grad()
def test_the_probabilities_of_all_tiny_colour_images_sum_to_one(kind, output):
    model = pixel_model(kind, (3, 1, 2), output)
    images = every(model.levels, (3, 1, 2))
    log_p = model.log_prob(images)
    assert len(images) == model.levels**6 and log_p.exp().sum().item() == pytest.approx(1, abs=1e-10) and log_p.std() > 0.05
    assert torch.allclose(model.log_prob_map(images).flatten(1).sum(1), log_p) and model.log_prob_map(images).shape == images.shape


@torch.no_grad()
def test_the_probabilities_of_all_short_sequences_sum_to_one():
    texts = every(4, (3,))
    grams = NGram(torch.randint(4, (30,)), 4, n=3)
    for log_p in (
        rough(CharLSTM(4, 8)).log_prob(texts),
        rough(WaveNet(4, 8, (1, 2))).log_prob(texts),
        torch.stack([grams.log_prob(text) for text in texts]).double(),
    ):
        assert log_p.shape == (64,) and log_p.exp().sum().item() == pytest.approx(1, abs=1e-6) and log_p.std() > 0.1


@pytest.mark.parametrize("name", IMAGE_MODELS)
@torch.no_grad()
def test_the_likelihood_is_the_chain_rule_and_does_not_depend_on_the_batch(name):
    model = IMAGE_MODELS[name]()
    x, y = whole_numbers(model, 5), labels(model, 5)
    given = () if y is None else (y,)
    together = model.log_prob(x, *given)
    alone = torch.cat([model.log_prob(x[i : i + 1], *(v[i : i + 1] for v in given)) for i in range(5)])
    assert together.dtype == torch.float64 and torch.allclose(together, alone, atol=1e-12)
    assert model.loss(x, *given).item() == pytest.approx(-together.mean().item())
    assert torch.allclose(together, model.log_prob(x.to(torch.uint8), *given)) and torch.allclose(
        together, model.log_prob(x.float(), *given)
    )
    if not isinstance(model, MADE):
        assert torch.allclose(model.bits_per_dim(x, *given), -together / math.log(2) / 9)


@pytest.mark.parametrize(
    "build", [lambda: PixelCNN((1, 5, 4), 3, 1, output="categorical", levels=256), lambda: GatedPixelCNN((3, 5, 4), 3, (1,))]
)
def test_zero_logits_cost_exactly_eight_bits(build):
    model = build()
    for part in [model.net[-1]] if isinstance(model, PixelCNN) else [head[2] for head in model.heads]:
        nn.init.zeros_(part.weight)
        nn.init.zeros_(part.bias)
    x = torch.randint(256, (6, *model.shape), dtype=torch.uint8)
    assert model.bits_per_dim(x).tolist() == pytest.approx([8.0] * 6, abs=1e-5)


def test_the_perplexity_of_uniform_models_is_the_size_of_the_alphabet():
    model = CharLSTM(96, 8)
    nn.init.zeros_(model.head.weight)
    nn.init.zeros_(model.head.bias)
    text = torch.randint(96, (3, 20))
    assert model.loss(text).exp().item() == pytest.approx(96, rel=1e-5)
    assert torch.allclose(model.log_prob(text), torch.full((3,), -20 * math.log(96)))
    grams = NGram(torch.zeros(5).long(), 96, n=1, strength=1e9)
    assert (-grams.log_prob(text[0]) / 20).exp().item() == pytest.approx(96, rel=1e-4)


@pytest.mark.parametrize("kind", ["plain", "gated", "rnn"])
@torch.no_grad()
def test_sixteen_bits_cost_no_digits_of_the_sum(kind):
    model = pixel_model(kind, (1, 12, 12)).float()
    x = whole_numbers(model, 3)
    logits = model.logits(x).bfloat16()
    exact = model.score(logits.double(), x).sum((1, 2, 3))
    assert torch.allclose(model.score(logits, x).sum((1, 2, 3)).double(), exact, rtol=1e-5)


# --- samplers


def inverse_cdf(u, logits):
    """The value at which the cumulative probability passes u, one row at a time, in NumPy."""
    values = []
    for point, row in zip(u.double().numpy(), logits.double().numpy()):
        p = np.exp(row - row.max())
        total, k = 0.0, 0
        for share in p / p.sum():
            if total + share > point:
                break
            total, k = total + share, k + 1
        values.append(k)
    return torch.tensor(values)


def test_values_are_drawn_where_the_cumulative_probability_passes_u():
    logits, u = 3 * torch.randn(4000, 7, dtype=torch.float64), torch.rand(4000, dtype=torch.float64)
    assert torch.equal(categorical_sample(u, logits), inverse_cdf(u, logits))
    even = torch.tensor([0.5, 0.25, 0.25]).log().expand(8, 3)
    assert categorical_sample((torch.arange(8) + 0.5) / 8, even).tolist() == [0, 0, 0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_impossible_is_never_drawn_at_either_end(dtype):
    logits = torch.randn(3000, 9, dtype=dtype)
    allowed = torch.rand(3000, 9) < 0.5
    allowed[:, 4] = True
    logits[~allowed] = -torch.inf
    for u in (0.0, 1 - torch.finfo(dtype).eps / 2, 1.0):
        drawn = categorical_sample(torch.full((3000,), u, dtype=dtype), logits)
        assert allowed.gather(1, drawn[:, None]).all()
        end = allowed.long().argmax(1) if u == 0 else 8 - allowed.flip(1).long().argmax(1)
        assert torch.equal(drawn, end)


SAMPLED = [
    ("gated", (1, 4, 5), "bernoulli", 0, {}),
    ("gated", (1, 5, 4), "categorical", 3, {"dilations": (2, 1)}),
    ("gated", (3, 3, 4), "categorical", 0, {"kernel": 5, "dilations": (1,)}),
    ("gated", (3, 3, 4), "logistic", 2, {"dilations": (1, 3, 1), "levels": 7}),
    ("gated", (2, 4, 3), "logistic", 0, {"kernel": 1, "dilations": (1, 1)}),
    ("gated", (1, 6, 6), "categorical", 0, {"kernel": 5, "dilations": (1, 2), "levels": 20}),
    ("plain", (1, 4, 5), "bernoulli", 0, {}),
    ("plain", (3, 3, 2), "categorical", 0, {}),
    ("rnn", (1, 4, 5), "logistic", 0, {}),
    ("gated", (1, 5, 4), "bernoulli", 3, {"dilations": (1, 2), "coordinates": True}),
]
CACHED = [case for case in SAMPLED if case[0] == "gated"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind, shape, output, classes, options", SAMPLED)
@torch.no_grad()
def test_all_samplers_draw_the_same_pixels_under_the_same_uniforms(kind, shape, output, classes, options, dtype):
    model = pixel_model(kind, shape, output, classes, **options).to(dtype)
    u, y = torch.rand(5, math.prod(shape), dtype=dtype), labels(model, 5)
    slow = ar.sample_naive(model, 5, y=y, temperature=2.0, uniforms=u)
    assert slow.shape == (5, *shape) and slow.dtype == torch.int64 and slow.min() >= 0 and slow.max() < model.levels
    assert torch.equal(model.sample(5, y=y, temperature=2.0, uniforms=u), slow)
    parallel, passes = ar.sample_parallel(model, 5, y=y, temperature=2.0, uniforms=u)
    assert torch.equal(parallel, slow) and 1 < passes <= math.prod(shape) + 1
    if kind == "gated":
        assert torch.equal(ar.sample_cached(model, 5, y=y, temperature=2.0, uniforms=u), slow)
    assert len({tuple(row) for row in slow.flatten(1).tolist()}) > 1 and slow.unique().numel() > 1


@pytest.mark.parametrize("kind, shape, output, classes, options", CACHED)
@torch.no_grad()
def test_cached_logits_equal_those_of_the_full_pass_at_every_step(kind, shape, output, classes, options, monkeypatch):
    model, met = pixel_model(kind, shape, output, classes, **options), []
    y, draw = labels(model, 4), model.draw
    monkeypatch.setattr(model, "draw", lambda logits, *rest: met.append(logits) or draw(logits, *rest))
    x = ar.sample_cached(model, 4, y=y)
    full = model.logits(x, y).permute(0, 3, 4, 1, 2).flatten(1, 3)
    assert torch.allclose(torch.stack(met, 1), full, atol=1e-12) and full.std() > 0.1


@pytest.mark.parametrize(
    "part", ["rows above", "right half", "scattered", "one of each colour", "everything", "nothing", "one mask for all"]
)
@pytest.mark.parametrize("kind, shape, output, classes, options", [SAMPLED[1], SAMPLED[2], SAMPLED[3], SAMPLED[6]])
@torch.no_grad()
def test_completion_keeps_what_is_known_and_draws_the_rest_alike(kind, shape, output, classes, options, part):
    model = pixel_model(kind, shape, output, classes, **options)
    known = torch.zeros(4, *shape, dtype=torch.bool)
    if part == "rows above":
        known[:, :, :2] = True
    elif part == "right half":
        known[..., shape[2] // 2 :] = True
    elif part in ("scattered", "one mask for all"):
        known = torch.rand(known.shape) < 0.5
    elif part == "one of each colour":
        known[:, 0] = True
    elif part == "everything":
        known[:] = True
    known = known[:1] if part == "one mask for all" else known
    given = whole_numbers(model, 4).to(torch.uint8)
    u, y = torch.rand(4, math.prod(shape), dtype=torch.float64), labels(model, 4)
    slow = ar.sample_naive(model, 4, y=y, uniforms=u, given=given, known=known)
    fast = model.sample(4, y=y, uniforms=u, given=given, known=known)
    assert torch.equal(slow, fast) and (slow == given)[known.expand_as(slow)].all()
    # what lies under the hidden part plays no role, whatever it is
    rubbish = torch.where(known, given.long(), 99)
    assert torch.equal(model.sample(4, y=y, uniforms=u, given=rubbish, known=known), slow)
    if part == "nothing":
        assert torch.equal(slow, model.sample(4, y=y, uniforms=u))


@torch.no_grad()
def test_completion_computes_nothing_for_rows_that_are_known(monkeypatch):
    model, drawn = pixel_model("gated", (1, 6, 4)), []
    draw = model.draw
    monkeypatch.setattr(model, "draw", lambda logits, *rest: drawn.append(1) or draw(logits, *rest))
    known = torch.ones(1, 1, 6, 4, dtype=torch.bool)
    known[0, 0, 2, 1:3] = False
    model.sample(2, given=torch.ones(1, 1, 6, 4), known=known)
    assert len(drawn) == 2


def frequencies(samples, possible):
    rows = defaultdict(int)
    for row in samples.flatten(1).tolist():
        rows[tuple(row)] += 1
    return torch.tensor([rows[tuple(row)] for row in possible.flatten(1).tolist()]) / len(samples)


@pytest.mark.parametrize(
    "build",
    [
        lambda: made(3, (1, 2, 2)),
        lambda: pixel_model("gated", (1, 2, 2)),
        lambda: pixel_model("plain", (3, 1, 1), "categorical"),
        lambda: pixel_model("gated", (2, 1, 1), "logistic", levels=5),
        lambda: pixel_model("rnn", (1, 2, 2)),
    ],
    ids=["made", "gated", "plain, three colours", "logistic", "rnn"],
)
@torch.no_grad()
def test_samples_come_as_often_as_their_probability_says(build):
    model, n = build(), 20_000
    possible = every(getattr(model, "levels", 2), model.shape)
    p = model.log_prob(possible).exp()
    found = frequencies(model.sample(n).long(), possible)
    assert ((found - p).abs() < 5 * (p * (1 - p) / n).sqrt() + 1e-9).all() and p.max() < 0.99


@torch.no_grad()
def test_sequences_come_as_often_as_their_probability_says():
    n, possible = 20_000, every(3, (3,))
    for model in (rough(WaveNet(3, 8, (1, 2))), rough(CharLSTM(3, 8))):
        p = model.log_prob(possible).exp()
        found = frequencies(model.sample(n, 3), possible)
        assert ((found - p).abs() < 5 * (p * (1 - p) / n).sqrt() + 1e-9).all() and p.max() < 0.99


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dilations", [(1,), (1, 2, 4, 8), (3, 1, 5), (40,)])
@pytest.mark.parametrize("sampler", ["sample", "sample_fast"])
@torch.no_grad()
def test_the_ring_buffer_equals_the_naive_way(sampler, dilations, dtype, monkeypatch):
    model, met = rough(WaveNet(6, 8, dilations), 1.5).to(dtype), []
    u = torch.rand(3, 25, dtype=dtype)
    monkeypatch.setattr(ar.sequences, "categorical_sample", lambda v, logits: met.append(logits) or categorical_sample(v, logits))
    x = getattr(model, sampler)(3, 25, temperature=0.7, uniforms=u)
    slow = torch.zeros(3, 25, dtype=torch.long)
    for t in range(25):
        slow[:, t] = inverse_cdf(u[:, t], model.logits(slow)[:, :, t] / 0.7)
    assert torch.equal(x, slow) and x.unique().numel() > 1
    assert torch.allclose(torch.stack(met, 2), model.logits(x) / 0.7, atol=1e-5 if dtype == torch.float32 else 1e-12)
    assert x.dtype == torch.int64 and x.min() >= 0 and x.max() < 6 and model.sample(2, 1).shape == (2, 1)


@torch.no_grad()
def test_texts_are_drawn_from_the_logits_of_the_full_pass_and_go_on_from_a_start():
    model, u = rough(CharLSTM(7, 8, 2), 1.5), torch.rand(3, 12, dtype=torch.float64)
    x = model.sample(3, 12, temperature=0.7, uniforms=u)
    assert torch.equal(x, torch.stack([inverse_cdf(u[:, t], model.logits(x)[:, t] / 0.7) for t in range(12)], 1))
    start = torch.tensor([[1, 5, 2]], dtype=torch.uint8)
    y = model.sample(3, 12, temperature=0.7, start=start, uniforms=u)
    assert (y[:, :3] == start).all()
    assert torch.equal(y[:, 3:], torch.stack([inverse_cdf(u[:, t], model.logits(y)[:, t] / 0.7) for t in range(3, 12)], 1))
    assert torch.equal(model.sample(3, 2, start=start), start[:, :2].expand(3, 2).long())  # a start that is longer than the text
    best = model.sample(3, 12, keep=lambda logits: top_k(logits, 1))
    assert torch.equal(best, model.logits(best).argmax(2))


# --- arithmetic coding


def the_interval(rows, symbols):
    """Where the code must lie: [low, high) by exact fractions."""
    low, width = Fraction(0), Fraction(1)
    for shares, symbol in zip(rows, symbols):
        whole = sum(shares)
        low, width = low + width * Fraction(sum(shares[:symbol]), whole), width * Fraction(shares[symbol], whole)
    return low, low + width


def read_back(code, rows):
    interval, symbols = coding.Interval(), []
    for shares in rows:
        symbols.append(interval.symbol_at(code, shares))
        interval.narrow(shares, symbols[-1])
    return symbols


@st.composite
def coded(draw):
    """Distributions over 1 to 6 values, some of them of probability 0 or nearly 1, and a symbol of each."""
    weights = draw(st.lists(st.lists(st.just(0.0) | st.floats(1e-9, 1e6), min_size=1, max_size=6), min_size=0, max_size=60))
    rows = [coding.whole_shares(torch.tensor([w]).double() / sum(w) if sum(w) else torch.full((1, len(w)), 1 / len(w)))[0] for w in weights]
    return rows, [draw(st.integers(0, len(row) - 1)) for row in rows]


@settings(max_examples=150, deadline=None)
@given(coded())
def test_what_is_coded_comes_back_and_is_as_long_as_its_probability_says(case):
    rows, symbols = case
    interval = coding.Interval()
    for shares, symbol in zip(rows, symbols):
        assert sum(shares) == 2**coding.PRECISION and min(shares) >= 1
        interval.narrow(shares, symbol)
    code, (low, high) = interval.code(), the_interval(rows, symbols)
    point, step = Fraction(int.from_bytes(code, "big"), 256 ** len(code)), Fraction(1, 256 ** len(code))
    assert low <= point and point + step <= high  # every file that begins with it lies inside
    bits = -math.log2(high - low) if rows else 0.0
    assert bits - 1e-6 <= 8 * len(code) < bits + 9 + 1e-6  # a byte more, and a bit for the end: less than two bytes
    assert read_back(code, rows) == symbols


@pytest.mark.parametrize("n, p", [(10, 0.5), (8, 0.03), (6, 0.3)])
def test_codes_keep_the_entropy_bound_and_none_begins_another(n, p):
    """All 2^n messages: Σ 2^−length ≤ 1 (Kraft), so the mean length cannot be below the entropy."""
    shares = coding.whole_shares(torch.tensor([[1 - p, p]]).double())[0]
    codes, lengths, chances = [], [], []
    for message in itertools.product([0, 1], repeat=n):
        interval = coding.Interval()
        for symbol in message:
            interval.narrow(shares, symbol)
        codes.append(interval.code())
        lengths.append(8 * len(codes[-1]))
        chances.append(math.prod(shares[s] / 2**coding.PRECISION for s in message))
    assert len(set(codes)) == 2**n and sum(2.0**-length for length in lengths) <= 1
    assert not any(a != b and b.startswith(a) for a, b in itertools.permutations(codes, 2))
    entropy = stats.entropy(chances, base=2)
    mean = sum(a * b for a, b in zip(lengths, chances))
    assert entropy <= mean < entropy + 9 and sum(chances) == pytest.approx(1)


def test_shares_are_the_probabilities_and_nothing_is_impossible():
    p = torch.tensor([[0.25, 0.5, 0.25], [1.0, 0.0, 0.0], [1e-12, 1 - 2e-12, 1e-12]])
    whole = torch.tensor(coding.whole_shares(p))
    assert (whole.sum(1) == 2**20).all() and whole.min() == 1 and ((whole / 2**20 - p).abs() < 4 / 2**20).all()
    many = coding.whole_shares(torch.full((1, 256), 1 / 256))[0]
    assert max(many) - min(many) <= 256 and sum(many) == 2**20


@pytest.mark.parametrize("kind, shape, output, classes, options", [case for case in CACHED if case[2] != "logistic"])
@torch.no_grad()
def test_images_come_back_from_their_bytes(kind, shape, output, classes, options):
    model = pixel_model(kind, shape, output, classes, **options)
    x, y = whole_numbers(model, 6), labels(model, 6)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    codes = coding.encode_images(model, x, y)
    assert torch.equal(coding.decode_images(model, codes, y), x) and torch.equal(torch.get_rng_state(), state)
    bits = -model.log_prob(x, y) / math.log(2)
    slack = math.prod(shape) * 1e-3  # of rounded probabilities
    for code, length in zip(codes, bits.tolist()):
        assert length - slack <= 8 * len(code) <= length + 16 + slack
    assert torch.equal(coding.decode_images(model.float(), coding.encode_images(model.float(), x, y), y), x)


@torch.no_grad()
def test_a_code_is_sampling_with_the_file_as_the_coin():
    """Random bytes, long enough, decode to samples: each image as often as its probability says."""
    model, possible, n = pixel_model("gated", (1, 2, 2)), every(2, (1, 2, 2)), 4_000
    generator = np.random.default_rng(0)
    drawn = coding.decode_images(model, [generator.bytes(12) for _ in range(n)])
    p = model.log_prob(possible).exp()
    assert ((frequencies(drawn, possible) - p).abs() < 5 * (p * (1 - p) / n).sqrt() + 1e-9).all()


# --- temperature, top-k, nucleus


@pytest.mark.parametrize("kind, shape, output, classes, options", [SAMPLED[0], SAMPLED[2], SAMPLED[6], SAMPLED[7]])
@torch.no_grad()
def test_temperature_towards_zero_takes_the_likeliest_value(kind, shape, output, classes, options):
    model = pixel_model(kind, shape, output, classes, **options)
    x = model.sample(3, temperature=1e-4)
    logits = model.logits(x)
    assert torch.equal(x, (logits[:, :, 0] > 0).long() if output == "bernoulli" else logits.argmax(2))


@torch.no_grad()
def test_temperature_of_made_wavenet_and_the_lstm():
    model = made()
    x = model.sample(3, temperature=1e-5)
    assert torch.equal(x, (model.logits(x) > 0).double())
    sound, text = rough(WaveNet(9, 8, (1, 2))), rough(CharLSTM(9, 8))
    x = sound.sample(2, 15, temperature=1e-4)
    assert torch.equal(x, sound.logits(x).argmax(1))
    x = text.sample(2, 15, temperature=1e-4)
    assert torch.equal(x, text.logits(x).argmax(2))


@torch.no_grad()
def test_temperature_is_a_power_of_the_probabilities_and_one_is_none():
    u = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    for output, logits in (("categorical", [0.3, -1.0, 2.0]), ("bernoulli", [0.7])):
        model = pixel_model("plain", (1, 1, 1), output)
        row = torch.tensor(logits, dtype=torch.float64)
        p = row.softmax(0) if output == "categorical" else torch.stack([(-row[0]).sigmoid(), row[0].sigmoid()])
        for temperature in (1.0, 0.5, 3.0):
            expected = p ** (1 / temperature) / (p ** (1 / temperature)).sum()
            found = model.draw(row.expand(len(u), -1), u, temperature).bincount(minlength=len(p)) / len(u)
            assert torch.allclose(found.double(), expected, atol=2e-5)
        assert torch.equal(model.draw(row.expand(len(u), -1), u), model.draw(row.expand(len(u), -1), u, 1.0))


def test_a_cold_logistic_mixture_gives_the_mean_of_its_heaviest_part():
    weights, means = torch.tensor([[0.0, 1.0, 0.5]]).expand(200, 3), torch.tensor([[-0.9, 10 / 127.5 - 1, 0.6]]).expand(200, 3)
    drawn = logistic_mixture_sample(torch.rand(200), weights, means, torch.full((200, 3), -2.0), temperature=1e-3)
    assert (drawn == 10).all()


def slow_top_k(row, k):
    ordered = sorted(row, reverse=True)
    return [v if v >= ordered[min(k, len(row)) - 1] else -math.inf for v in row]


def slow_nucleus(row, p):
    """Values one after the other, likeliest first, until they reach p; then those as likely as the last."""
    shares = np.exp(np.array(row) - max(row))
    shares = shares / shares.sum()
    total, last = 0.0, math.inf
    for k in sorted(range(len(row)), key=lambda k: -row[k]):
        if total >= p and row[k] != last:
            break
        total, last = total + shares[k], row[k]
    return [v if v >= last else -math.inf for v in row]


@pytest.mark.parametrize("shape", [(6,), (5, 6), (2, 3, 6)])
def test_top_k_and_nucleus_equal_slow_loops(shape):
    for logits in (torch.randn(shape, dtype=torch.float64), torch.randint(3, shape).double()):  # the second is full of ties
        for k in (1, 2, 5, 6, 50):
            expected = [slow_top_k(row, k) for row in logits.view(-1, 6).tolist()]
            assert top_k(logits, k).view(-1, 6).tolist() == expected
        for p in (1e-6, 0.2345, 0.71, 0.9555, 1.0):
            expected = [slow_nucleus(row, p) for row in logits.view(-1, 6).tolist()]
            assert nucleus(logits, p).view(-1, 6).tolist() == expected


def test_filters_by_hand():
    logits = torch.tensor([0.1, 0.4, 0.3, 0.2]).log()

    def kept(z):
        return z.isfinite().nonzero().flatten().tolist()

    assert kept(top_k(logits, 2)) == [1, 2] and kept(top_k(logits, 9)) == [0, 1, 2, 3]
    assert [kept(nucleus(logits, p)) for p in (0.1, 0.3999, 0.4001, 0.6999, 0.7001, 0.95, 1)] == [
        [1],
        [1],
        [1, 2],
        [1, 2],
        [1, 2, 3],
        [0, 1, 2, 3],
        [0, 1, 2, 3],
    ]
    ties = torch.tensor([1.0, 2.0, 1.0, 0.0])
    assert kept(top_k(ties, 2)) == [0, 1, 2] and kept(top_k(torch.zeros(4), 1)) == [0, 1, 2, 3] and kept(nucleus(ties, 0.6)) == [0, 1, 2]
    out = torch.tensor([-torch.inf, 0.0, -torch.inf, 1.0])
    assert kept(top_k(out, 3)) == kept(nucleus(out, 1.0)) == kept(nucleus(out, 0.99)) == [1, 3]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_nucleus_of_one_keeps_the_unlikeliest_too(dtype):
    logits = -torch.arange(0, 30, 0.01, dtype=dtype)
    assert torch.equal(nucleus(logits, 1.0), logits) and torch.equal(nucleus(logits, 1), logits)


# --- the discretised logistic


def exact_bins(mean, log_scale, levels):
    """log probability of every level, with 60 digits."""
    with mpmath.workdps(60):
        scale, half, out = mpmath.exp(mpmath.mpf(log_scale)), mpmath.mpf(1) / (levels - 1), []

        def log_cdf(z):
            return -mpmath.log1p(mpmath.exp(-z))

        for k in range(levels):
            x = -1 + 2 * k * half
            a, b = (x + half - mpmath.mpf(mean)) / scale, (x - half - mpmath.mpf(mean)) / scale
            if k == 0:
                out.append(log_cdf(a))
            elif k == levels - 1:
                out.append(log_cdf(-b))
            else:  # log(σ(a) − σ(b)), on the side where neither is near 1
                high, low = (log_cdf(a), log_cdf(b)) if a + b < 0 else (log_cdf(-b), log_cdf(-a))
                out.append(high + mpmath.log1p(-mpmath.exp(low - high)))
        return torch.tensor([float(v) for v in out], dtype=torch.float64)


@pytest.mark.parametrize("mean", [-1.3, -1.0, 0.0, 0.013, 0.5, 1.0])
@pytest.mark.parametrize("log_scale", [-7.0, -5.0, -2.0, 0.0, 3.0])
def test_the_discretised_logistic_is_exact_in_bulk_and_tails(log_scale, mean):
    mean = float(np.float32(mean))
    truth = exact_bins(mean, log_scale, 256)
    for dtype, tolerance in ((torch.float32, 1e-3), (torch.float64, 1e-9)):
        x = torch.arange(256, dtype=dtype) * (2 / 255) - 1
        found = logistic_bin_log_prob(x, torch.tensor(mean, dtype=dtype), torch.tensor(log_scale, dtype=dtype))
        assert (found.double() - truth).abs().max() < tolerance
    assert truth.exp().sum().item() == pytest.approx(1)


@pytest.mark.parametrize("levels", [2, 3, 16, 256])
def test_bins_sum_to_one_in_float32(levels):
    x = torch.arange(levels) * (2 / (levels - 1)) - 1
    means, log_scales = torch.meshgrid(torch.linspace(-1.5, 1.5, 31), torch.linspace(-7, 5, 25), indexing="ij")
    p = logistic_bin_log_prob(x, means[..., None], log_scales[..., None], levels).exp()
    assert torch.allclose(p.sum(-1), torch.ones(31, 25), atol=2e-4) and torch.isfinite(p).all()


@pytest.mark.parametrize("levels", [4, 256])
def test_the_mixture_equals_differences_of_scipys_cdf(levels):
    weights, means, log_scales = torch.randn(5, 3).double(), torch.randn(5, 3).double() / 2, -3 * torch.rand(5, 3).double()
    x = torch.arange(levels, dtype=torch.float64) * (2 / (levels - 1)) - 1
    found = logistic_mixture_log_prob(x[:, None], weights, means, log_scales, levels)
    edges = np.concatenate([[-np.inf], (x[1:] + x[:-1]).numpy() / 2, [np.inf]])
    bins = np.diff(stats.logistic.cdf(edges[:, None, None], means.numpy(), log_scales.exp().numpy()), axis=0)
    expected = (bins * weights.softmax(1).numpy()).sum(-1)
    assert found.shape == (levels, 5) and np.allclose(found.exp().numpy(), expected, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("levels", [2, 5, 256])
def test_the_mixture_is_drawn_as_often_as_its_probability_says(levels):
    n = 40_000
    weights, means, log_scales = (torch.tensor([v], dtype=torch.float64) for v in ([0.2, 1.0], [-0.8, 0.3], [-3.0, -1.5]))
    u = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    drawn = logistic_mixture_sample(u, *(v.expand(n, 2) for v in (weights, means, log_scales)), levels)
    x = torch.arange(levels, dtype=torch.float64) * (2 / (levels - 1)) - 1
    p = logistic_mixture_log_prob(x, weights, means, log_scales, levels).exp()
    assert ((drawn.bincount(minlength=levels) / n - p).abs() < 1.01 / n).all() and (drawn.diff() >= 0).all()
    ends = logistic_mixture_sample(torch.tensor([0.0, 1.0]), *(v.float().expand(2, 2) for v in (weights, means, log_scales)), levels)
    assert ends.tolist() == [0, levels - 1]


@pytest.mark.parametrize("levels", [2, 256])
def test_gradients_of_the_mixture_are_finite_everywhere(levels):
    x = torch.arange(levels) * (2 / (levels - 1)) - 1
    grid = torch.cartesian_prod(
        torch.tensor([-1e3, -2.0, -1.0, 0.0, 0.3, 1.0, 50.0]), torch.tensor([-1e3, -60.0, -7.0, -6.9, 0.0, 7.0, 60.0])
    )
    means, log_scales = (column.clone().requires_grad_() for column in grid[:, :, None].expand(-1, -1, 2).unbind(1))
    weights = torch.tensor([-200.0, 3.0]).expand(len(grid), 2).clone().requires_grad_()
    log_p = logistic_mixture_log_prob(x[:, None], weights, means, log_scales, levels)
    assert torch.isfinite(log_p).all() and (log_p <= 1e-6).all()
    for gradient in torch.autograd.grad(log_p.sum(), [weights, means, log_scales]):
        assert torch.isfinite(gradient).all()


# --- μ-law


@pytest.mark.parametrize("levels", [2, 4, 17, 256])
def test_mu_law_is_the_formula_and_its_inverse_comes_back(levels):
    x = torch.linspace(-1, 1, 5001, dtype=torch.float64)
    mu = levels - 1
    squeezed = np.sign(x.numpy()) * np.log(1 + mu * np.abs(x.numpy())) / np.log(1 + mu)
    exact = (squeezed + 1) / 2 * mu
    k = mu_law(x, levels)
    assert k.dtype == torch.int64 and np.abs(k.numpy() - exact).max() <= 0.5 + 1e-9
    assert (k.diff() >= 0).all() and k[0] == 0 and k[-1] == mu
    numbers = torch.arange(levels)
    middles = inverse_mu_law(numbers, levels)
    assert (
        torch.equal(mu_law(middles, levels), numbers) and (middles.diff() > 0).all() and middles[[0, -1]].tolist() == pytest.approx([-1, 1])
    )
    assert torch.allclose(middles, -middles.flip(0), atol=1e-6)
    assert mu_law(torch.tensor([-7.0, 7.0]), levels).tolist() == [0, mu]
    if levels == 256:
        assert middles.diff()[128] < middles.diff()[0] / 40  # finer where it is quiet


# --- scheduled sampling and counting


def inputs_met(model, call):
    """The symbols that the LSTM was shown, (batch, time)."""
    met = []
    hook = model.embed.register_forward_hook(lambda module, args, out: met.append(args[0]))
    value = call()
    hook.remove()
    return torch.cat(met, 1), value


def test_without_own_guesses_scheduled_sampling_is_teacher_forcing():
    model, x = rough(CharLSTM(6, 8, 2)), torch.randint(6, (4, 9))
    expected = F.cross_entropy(model.logits(x).transpose(1, 2), x)
    assert torch.allclose(model.loss(x), expected) and torch.allclose(model.loss(x, own=0.0), expected)
    seen, loss = inputs_met(model, lambda: model.loss(x, own=1e-12))  # the way step by step, with no guess in it
    assert torch.equal(seen, model.before(x)) and torch.allclose(loss, expected)
    first, second = (torch.autograd.grad(v, list(model.parameters())) for v in (loss, expected))
    assert all(torch.allclose(a, b) for a, b in zip(first, second))


def test_with_own_guesses_only_no_true_symbol_is_shown():
    model = rough(CharLSTM(6, 8))
    shown = []
    for text in (torch.zeros(4, 9).long(), torch.randint(6, (4, 9))):
        torch.manual_seed(1)
        shown.append(inputs_met(model, lambda text=text: model.loss(text, own=1.0))[0])
    assert torch.equal(*shown) and (shown[0][:, 0] == 6).all() and shown[0][:, 1:].unique().numel() > 2
    # the guesses are draws from the model itself
    with torch.no_grad():
        p = model.sample(5000, 2)[:, 0].bincount(minlength=6) / 5000
        met = inputs_met(model, lambda: model.loss(torch.zeros(5000, 2).long(), own=1.0))[0][:, 1].bincount(minlength=6) / 5000
    assert (p - met).abs().max() < 0.05


@torch.no_grad()
def test_the_share_of_own_guesses_is_what_was_asked_for():
    model = rough(CharLSTM(4, 8))
    model.head.bias[0] = -1e3  # it never guesses the symbol that the text is made of
    seen, _ = inputs_met(model, lambda: model.loss(torch.zeros(400, 20).long(), own=0.3))
    assert (seen[:, 1:] != 0).double().mean().item() == pytest.approx(0.3, abs=0.03)


def test_ngram_equals_a_text_counted_by_hand():
    a, b, c = 0, 1, 2
    grams = NGram(torch.tensor([a, b, a, b, c, a, b]), 3, n=3, strength=2.0)
    p0 = np.full(3, 1 / 3)
    p1 = (np.array([3, 3, 1]) + 2 * p0) / (7 + 2)
    after_b = (np.array([1, 0, 1]) + 2 * p1) / (2 + 2)
    after_ab = (np.array([1, 0, 1]) + 2 * after_b) / (2 + 2)
    after_c = (np.array([1, 0, 0]) + 2 * p1) / (1 + 2)
    for context, expected in (
        ((), p1),
        ((b,), after_b),
        ((a, b), after_ab),
        ((c, c, a, b), after_ab),
        ((b, b), after_b),
        ((a, c), after_c),
    ):
        assert grams.probabilities(context).tolist() == pytest.approx(expected.tolist(), rel=1e-6)
    assert grams.log_prob(torch.tensor([b, a, c])).item() == pytest.approx(
        math.log(p1[b] * after_b[a] * grams.probabilities([b, a])[c]), rel=1e-5
    )
    assert [len(counts) for counts in grams.counts] == [1, 3, 4]


def test_ngrams_sum_to_one_and_a_longer_context_fits_better():
    text = torch.randint(5, (40,)).repeat(8)
    nats = []
    for n in (1, 2, 4):
        grams = NGram(text[:240], 5, n)
        for _ in range(20):
            p = grams.probabilities(torch.randint(5, (5,)).tolist())
            assert p.sum().item() == pytest.approx(1, abs=1e-5) and (p > 0).all()
        nats.append(-grams.log_prob(text[240:]).item() / 80)
    assert nats[0] > nats[1] > nats[2]


# --- labels


@torch.no_grad()
def test_labels_change_the_distribution_everywhere():
    model = pixel_model("gated", (1, 3, 3), classes=3)
    x = whole_numbers(model, 5)
    maps = torch.stack([model.log_prob_map(x, torch.full((5,), label)) for label in range(3)])
    assert all((maps[a] - maps[b]).abs().amax(0).min() > 1e-3 for a, b in ((0, 1), (0, 2), (1, 2)))
    u, images = torch.rand(200, 9), []
    for label in range(3):
        images.append(model.sample(200, y=torch.full((200,), label), uniforms=u))
    assert not torch.equal(images[0], images[1])
    mixed = model.sample(200, y=torch.arange(200) % 3, uniforms=u)  # each example follows its own label
    assert all(torch.equal(mixed[i], images[i % 3][i]) for i in range(200))


@torch.no_grad()
def test_each_of_several_labels_changes_the_distribution():
    model = pixel_model("gated", (3, 3, 3), classes=(2, 3))
    x = whole_numbers(model, 4)
    maps = {y: model.log_prob_map(x, torch.tensor([y] * 4)) for y in ((0, 0), (1, 0), (0, 2))}
    assert not torch.allclose(maps[0, 0], maps[1, 0], atol=1e-3) and not torch.allclose(maps[0, 0], maps[0, 2], atol=1e-3)
    u = torch.rand(3, 27)
    y = torch.tensor([[0, 1], [1, 1], [1, 2]])
    assert torch.equal(model.sample(3, y=y, uniforms=u), ar.sample_naive(model, 3, y=y, uniforms=u))


# --- masks are buffers


MASKED = {
    "made": lambda: made(),
    "plain": lambda: pixel_model("plain", (3, 3, 3), "categorical"),
    "gated": lambda: pixel_model("gated", (3, 3, 3), "logistic", classes=2),
    "rnn": lambda: pixel_model("rnn"),
}


def arguments(model, n=4):
    y = labels(model, n)
    return (whole_numbers(model, n),) if y is None else (whole_numbers(model, n), y)


@pytest.fixture
def compiler():
    """A fresh compiler. It turns the checks of torch.distributions off for the whole process: they are turned on again."""
    torch.compiler.reset()
    yield
    torch.distributions.Distribution.set_default_validate_args(__debug__)


@pytest.mark.parametrize("name", MASKED)
def test_models_work_compiled(name, compiler):
    model = MASKED[name]()
    x = arguments(model)
    compiled = torch.compile(model.logits, backend="eager", fullgraph=True)
    assert torch.allclose(compiled(*x), model.logits(*x), atol=1e-12)


@pytest.mark.parametrize("build", [lambda: rough(WaveNet(5, 8, (1, 2))), lambda: rough(CharLSTM(5, 8))], ids=["wavenet", "lstm"])
def test_sequences_work_compiled(build, compiler):
    model, x = build(), torch.randint(5, (2, 6))
    assert torch.allclose(torch.compile(model.loss, backend="eager")(x), model.loss(x), atol=1e-12)


@pytest.mark.parametrize("name", MASKED)
def test_training_leaves_hidden_weights_alone_and_averages_and_files_follow(name):
    model = MASKED[name]()
    x = arguments(model)
    hidden = [(layer, layer.mask == 0) for layer in model.modules() if hasattr(layer, "mask")]
    at_first = [layer.weight[gone].clone() for layer, gone in hidden]
    assert all((weights != 0).all() for weights in at_first) and (bool(hidden) or name == "gated")
    average = training.EMA(model, 0.5)
    optimiser = torch.optim.SGD(model.parameters(), 1e-2)
    model.train()
    for _ in range(2):
        optimiser.zero_grad()
        model.loss(*x).backward()
        optimiser.step()
        average.update()
    for (layer, gone), weights in zip(hidden, at_first):
        assert torch.equal(layer.weight[gone], weights) and not layer.weight.grad[gone].any() and layer.weight.grad.any()
    file = io.BytesIO()
    torch.save(average.model.state_dict(), file)
    file.seek(0)
    loaded = type(model)(**json.loads(json.dumps(model.config))).double().eval()
    loaded.load_state_dict(torch.load(file))
    assert torch.equal(loaded.log_prob(*x), average.model.log_prob(*x)) and not torch.equal(loaded.log_prob(*x), model.log_prob(*x))
    assert not any("mask" in key for key, _ in model.named_parameters())
    assert not (depends(loaded) & ~before(math.prod(model.shape))).any()


@pytest.mark.parametrize(
    "model",
    [
        MADE((1, 2, 3), (8,), 5),
        PixelCNN((1, 2, 3), 4, 2, 5),
        PixelCNN((3, 2, 3), 4, 2, residual=True),
        GatedPixelCNN((1, 4, 4), 4, (1,), coordinates=True),
        GatedPixelCNN((3, 4, 4), 4, (1, 3), 5, "logistic", 16, 2),
        PixelRNN((1, 4, 3), 4, "categorical", 5),
        WaveNet(5, 4, (1, 3)),
        CharLSTM(5, 4, 2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_every_model_is_rebuilt_from_its_config(model):
    rebuilt = type(model)(**json.loads(json.dumps(model.config)))
    rebuilt.load_state_dict(model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), rebuilt.state_dict().values(), strict=True))
    assert all(name in model.config for name in inspect.signature(type(model)).parameters) and rebuilt.config == model.config


# --- errors

BITS = {"output": "bernoulli", "levels": 2}


def grey(**options):
    return GatedPixelCNN(**({"shape": (1, 4, 4), "width": 4, "dilations": (1,)} | options))


def eight(n=2, size=4):
    return torch.randint(256, (n, 1, size, size), dtype=torch.uint8)


def binary(n=2, size=4):
    return torch.randint(2, (n, 1, size, size))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ar.causal_mask(4, "A"), "a kernel needs a centre, so its size must be odd, got 4"),
        (lambda: PixelCNN(kernel=2), "its size must be odd, got 2"),
        (lambda: grey(kernel=4), "its size must be odd, got 4"),
        (lambda: grey(kernel=0), "its size must be odd, got 0"),
        (lambda: ar.causal_mask(3, "C"), "unknown mask 'C'; choose A for the first layer or B for those behind it"),
        (lambda: ar.MaskedConv2d(1, 1, 3, "a"), "unknown mask 'a'"),
        (lambda: grey(output="gauss"), "unknown output 'gauss'; choose one of bernoulli, categorical, logistic"),
        (lambda: grey(output="bernoulli"), "bernoulli outputs are for 2 levels, got 256"),
        (lambda: PixelRNN(output="categorical", levels=1), "categorical outputs are for 2 or more levels, got 1"),
        (lambda: PixelRNN((3, 4, 4)), "this PixelRNN is for one colour, got 3; use PixelCNN or GatedPixelCNN"),
        (
            lambda: grey().log_prob(eight().float() / 255),
            "expected images of whole numbers from 0 to 255, got torch.float32; give the stored",
        ),
        (lambda: grey().loss(binary().float()), "expected images of whole numbers from 0 to 255, got torch.float32"),
        (lambda: grey(levels=16).log_prob(eight() | 16), "expected images of whole numbers from 0 to 15, got values from"),
        (lambda: grey().bits_per_dim(eight().long() - 300), "from 0 to 255, got values from -"),
        (lambda: grey().log_prob(eight(size=5)), r"expected images of shape \(batch, 1, 4, 4\), got \(2, 1, 5, 5\)"),
        (lambda: grey().log_prob(eight()[0]), r"expected images of shape \(batch, 1, 4, 4\), got \(1, 4, 4\)"),
        (lambda: grey().logits(eight()[:, 0]), r"expected images of shape \(batch, 1, 4, 4\), got \(2, 4, 4\)"),
        (lambda: grey(shape=(3, 4, 4)).logits(eight()), r"expected images of shape \(batch, 3, 4, 4\), got \(2, 1, 4, 4\)"),
        (lambda: grey(**BITS).loss(torch.full((2, 1, 4, 4), 0.5)), "from 0 to 1, got values in between; datasets.binarise turns"),
        (lambda: grey(**BITS).loss(eight() | 2), "expected images of whole numbers from 0 to 1, got values from"),
        (lambda: grey(**BITS).loss(torch.full((2, 1, 4, 4), math.nan)), "got values from nan"),
        (lambda: grey().log_prob(eight(), torch.zeros(2).long()), "was built without classes; y is given"),
        (lambda: grey(classes=3).log_prob(eight()), "needs a label from 0 to 2 for each example; y is missing"),
        (lambda: grey().sample(2, y=torch.zeros(2).long()), "was built without classes; y is given"),
        (lambda: PixelCNN((1, 4, 4), 4, 1).loss(binary(), torch.zeros(2).long()), "was built without classes; y is given"),
        (lambda: PixelCNN((1, 4, 4), 4, 1).sample(2, y=torch.zeros(2).long()), "was built without classes; y is given"),
        (lambda: PixelRNN((1, 4, 4), 4).log_prob(binary(), torch.zeros(2).long()), "was built without classes; y is given"),
        (lambda: grey().sample(2, temperature=0), "temperature must be above 0, got 0"),
        (lambda: PixelCNN((1, 4, 4), 4, 1).sample(2, temperature=-1.0), "temperature must be above 0, got -1.0"),
        (lambda: MADE((1, 2, 2), (4,)).sample(2, temperature=0.0), "temperature must be above 0"),
        (lambda: WaveNet(4, 4, (1,)).sample(2, 3, temperature=0.0), "temperature must be above 0"),
        (lambda: CharLSTM(4, 4).sample(2, 3, temperature=0.0), "temperature must be above 0"),
        (lambda: grey().sample(0), "at least 1 sample of at least 1 value can be drawn, got 0 of 16"),
        (lambda: WaveNet(4, 4, (1,)).sample(2, 0), "at least 1 sample of at least 1 value can be drawn, got 2 of 0"),
        (lambda: grey().sample(2, uniforms=torch.rand(2, 15)), r"expected a uniform for each draw, of shape \(2, 16\), got \(2, 15\)"),
        (lambda: ar.sample_parallel(grey(), 2, uniforms=torch.rand(1, 16)), r"of shape \(2, 16\), got \(1, 16\)"),
        (lambda: grey().sample(2, given=eight()), r"completion needs given and known, each of shape \(2, 1, 4, 4\) .* got none for known"),
        (lambda: grey().sample(2, given=eight(), known=torch.ones(4, 4)), r"got \(4, 4\) for known"),
        (lambda: grey().sample(2, given=eight() / 255, known=torch.ones(1, 1, 4, 4)), "whole numbers from 0 to 255, got torch.float32"),
        (lambda: grey(levels=8).sample(2, given=eight() | 8, known=torch.ones(1, 1, 4, 4)), "whole numbers from 0 to 7, got values from"),
        (lambda: MADE((1, 2, 2), (4,)).log_prob(binary()), r"expected images of shape \(batch, 1, 2, 2\), got \(2, 1, 4, 4\)"),
        (lambda: MADE((1, 4, 4), (4,)).loss(torch.rand(2, 1, 4, 4)), "from 0 to 1, got values in between"),
        (lambda: MADE((1, 4, 4), (4,)).loss(eight() | 2), "expected images of whole numbers from 0 to 1, got values from"),
        (
            lambda: WaveNet(4, 4, (1,)).loss(torch.rand(2, 5)),
            r"expected sounds of whole numbers, of shape \(batch, time\), got torch.float32",
        ),
        (
            lambda: WaveNet(4, 4, (1,)).log_prob(torch.tensor([[1, 4]])),
            "expected sounds of whole numbers from 0 to 3, got values from 1 to 4",
        ),
        (
            lambda: CharLSTM(4, 4).loss(torch.tensor([1, 2])),
            r"expected texts of whole numbers, of shape \(batch, time\), got torch.int64 of shape",
        ),
        (lambda: CharLSTM(4, 4).log_prob(torch.tensor([[1, -1]])), "expected texts of whole numbers from 0 to 3, got values from -1 to 1"),
        (lambda: CharLSTM(4, 4).loss(torch.tensor([[1, 5]]), own=0.5), "from 0 to 3, got values from 1 to 5"),
        (lambda: CharLSTM(4, 4).loss(torch.tensor([[1, 2]]), own=1.5), "own is a share from 0 to 1, got 1.5"),
        (lambda: CharLSTM(4, 4).sample(3, 5, start=torch.zeros(2, 2).long()), "a start for each of the 3 texts, or one for all, got 2"),
        (lambda: CharLSTM(4, 4).sample(3, 5, start=torch.full((1, 2), 9)), "expected texts of whole numbers from 0 to 3"),
        (lambda: NGram(torch.zeros(2).long(), 4, 3), "n must be at least 1 and the text at least n long, got n = 3 and 2 symbols"),
        (lambda: NGram(torch.zeros(9).long(), 4, 0), "got n = 0"),
        (lambda: NGram(torch.full((9,), 4), 4, 2), "expected texts of whole numbers from 0 to 3"),
        (lambda: NGram(torch.zeros(9).long(), 4, 2, strength=0.0), "strength must be above 0"),
        (lambda: NGram(torch.zeros(9).long(), 4, 2).log_prob(torch.tensor([5])), "expected texts of whole numbers from 0 to 3"),
        (lambda: coding.whole_shares(torch.ones(3)), r"expected probabilities \(n, values\) of 1 to 65,536 values, got shape \(3,\)"),
        (lambda: coding.whole_shares(torch.ones(1, 2)), "expected rows of probabilities: at least 0, with the sum 1"),
        (lambda: coding.whole_shares(torch.tensor([[-0.5, 1.5]])), "expected rows of probabilities"),
        (lambda: coding.whole_shares(torch.tensor([[math.nan, 1.0]])), "expected rows of probabilities"),
        (lambda: coding.encode_images(grey(**BITS), eight()), "from 0 to 1, got values from"),
        (lambda: coding.encode_images(grey(output="logistic"), eight()), "a mixture of logistics has no logit for each value; take"),
        (lambda: coding.decode_images(MADE((1, 4, 4), (4,)), [b""]), "coded with a GatedPixelCNN, which draws with a cache, got MADE"),
        (lambda: top_k(torch.zeros(3), 0), "k must be at least 1, got 0"),
        (lambda: nucleus(torch.zeros(3), 0.0), r"p must lie in \(0, 1\], got 0.0"),
        (lambda: nucleus(torch.zeros(3), 1.1), r"p must lie in \(0, 1\], got 1.1"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


# --- recipes


def test_the_recipes_are_found_and_keep_their_size():
    assert all(recipes()[name] is recipe for name, recipe in RECIPES.items())
    sizes = {name: sum(p.numel() for p in recipe.build().parameters()) for name, recipe in RECIPES.items()}
    assert sizes["pixelcnn_8bit_large"] <= 852_160  # that of the tutorial whose number it is held against
    assert 300_000 < sizes["pixelcnn_8bit"] < 400_000 and min(sizes.values()) > 10_000
    assert RECIPES["char_lstm"].build().symbols == len(ALPHABET)


def small(name):
    """A recipe's model, made smaller, and data for it."""
    recipe = RECIPES[name]
    torch.manual_seed(0)
    if recipe.data == "mnist":
        x = torch.randint(256, (12, 1, 28, 28), dtype=torch.uint8)
        options = {"hidden": (16,)} if name == "made" else {"width": 4} | ({"dilations": (1,)} if "gated" in name or "8bit" in name else {})
        model = GatedPixelCNN(**options) if name == "pixelcnn_8bit_large" else recipe.build(**options)
        data = Dataset("fake", "train", x, torch.arange(12) % 10)
    elif recipe.data == "faces":
        y = faces.random_factors(12)
        model, data = recipe.build(width=4, dilations=(1,)), Dataset("fake", "train", faces.draw(y), y)
    elif recipe.data == "sounds":
        data = Dataset("fake", "train", 2 * torch.rand(12, 60) - 1, torch.zeros(12).long())
        model = recipe.build(width=8, dilations=(1, 2))
    else:
        data = Text("fake", "train", torch.randint(96, (1200,), dtype=torch.uint8))
        model = recipe.build(width=8)
    return recipe, model, data


@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_and_is_measured(name, precision, monkeypatch):
    recipe, model, data = small(name)
    at_first = [p.detach().clone() for p in model.parameters()]
    options = QUIET | recipe.fit
    run = training.fit(model, recipe.tensors(data), steps=2, batch_size=4, ema=0.9, log_every=1, precision=precision, **options)
    assert len(run.history) == 2 and all(math.isfinite(row["loss"]) for row in run.history)
    assert any(not torch.equal(a, b) for a, b in zip(at_first, model.parameters())) and all(p.isfinite().all() for p in model.parameters())
    assert all(p.dtype == torch.float32 for p in model.parameters())
    if precision == "no":
        draw = metrics.draw
        monkeypatch.setattr(metrics, "draw", lambda model, n, *words: draw(model, *((n, *words) if words else (4,))))
        numbers = recipe.measure(run.ema, data)
        may_be_zero = ("first_guess", "obeyed", "held_out", "word_accuracy", "held_out_pairs")
        assert all(math.isfinite(v) and v > 0 for k, v in numbers.items() if k not in may_be_zero)


@torch.no_grad()
def test_measures_are_averages_over_everything():
    sounds = Dataset("fake", "test", 2 * torch.rand(12, 50) - 1, torch.zeros(12).long())
    wavenet = WaveNet(256, 8, (1, 2))
    nats = wavenet.loss(mu_law(sounds.x)).item()
    assert ar_recipes.measure_sound(wavenet, sounds)["bits_per_sample"] == pytest.approx(nats / math.log(2), rel=1e-4)
    model = GatedPixelCNN(width=4, dilations=(1,), **BITS)
    data = Dataset("fake", "test", torch.randint(256, (260, 1, 28, 28), dtype=torch.uint8), torch.zeros(260).long())
    x = binarise(data.x, generator=torch.Generator().manual_seed(0))
    assert ar_recipes.measure_nats(model, data)["nll"] == pytest.approx(-model.log_prob(x).mean().item(), rel=1e-4)
    text = Text("fake", "test", torch.randint(96, (1500,), dtype=torch.uint8))
    lstm = CharLSTM(96, 8)
    numbers = ar_recipes.measure_text(lstm, text)
    nats = -lstm.log_prob(text.x[:1024].view(2, 512)).sum().item() / 1024
    assert numbers["bits_per_character"] == pytest.approx(nats / math.log(2), rel=1e-4) and numbers["characters"] == 1024
    assert ar_recipes.pieces(text).shape == (86, ar_recipes.PIECE) and torch.equal(ar_recipes.pieces(text)[3], text.x[48:176].long())


@torch.no_grad()
def test_bits_of_faces_are_those_of_the_face_given_its_words():
    y = faces.random_factors(20)
    torch.manual_seed(0)
    model = rough(GatedPixelCNN((3, 16, 16), 4, (1,), classes=faces.KINDS, coordinates=True)).float()
    numbers = ar_recipes.measure_faces(model, Dataset("fake", "test", faces.draw(y), y))
    one_by_one = [-model.log_prob(faces.draw(v[None]), faces.attributes(v)).item() / 768 / math.log(2) for v in y]
    assert numbers["bits_per_dim"] == pytest.approx(np.mean(one_by_one), rel=1e-4) and numbers["samples"] == 20
    deaf = [-model.log_prob(faces.draw(v[None]), torch.zeros(1, 10, dtype=torch.long)).item() / 768 / math.log(2) for v in y]
    assert numbers["bits_per_dim"] != pytest.approx(np.mean(deaf), rel=1e-4)


def test_the_shipped_model_of_faces_is_good_and_no_better_than_the_truth():
    """Faces are drawn from factors, so their entropy is known: that of each factor that can be seen, given its word."""
    numbers, y = checkpoints.record("pixelcnn_faces")["numbers"], faces.load("test").y
    seen, truth = faces.visible(y), 0.0
    for j, (name, values) in enumerate(faces.FACTORS.items()):
        words = [v.rstrip("0123456789") if name in faces.ATTRIBUTES else "" for v in values]
        of_value, chosen = Counter(y[:, j].tolist()), y[seen[:, j], j].tolist()
        of_word = Counter(words[i] for i in y[:, j].tolist())
        truth += sum(math.log2(of_word[words[i]] / of_value[i]) for i in chosen) / len(y)
    assert 20 < truth < 30
    assert truth / 768 < numbers["bits_per_dim"] < 1.2
    assert numbers["obeyed"] > 0.95 and numbers["fid"] < 20


@torch.no_grad()
def test_any_model_of_images_can_be_drawn_from_for_a_score():
    for model in (made(), pixel_model("plain"), pixel_model("gated"), pixel_model("rnn")):
        samples = metrics.draw(model, 7, batch_size=3)
        assert samples.shape == (7, 1, 3, 3) and set(samples.unique().tolist()) <= {0, 1}


# --- GPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("name", RECIPES)
def test_everything_runs_on_a_gpu(name, precision):
    recipe, model, data = small(name)
    options = {"batch_size": 4, "precision": precision, "ema": 0.9, "log_every": 1, "progress": False, "device": "cuda"}
    run = training.fit(model, recipe.tensors(data), steps=2, **options, **recipe.fit)
    assert len(run.history) == 2 and all(p.is_cuda and p.isfinite().all() for p in model.parameters())
    if recipe.data == "mnist" and name != "made":
        y = torch.arange(2).cuda() if run.ema.classes else None
        given, known = torch.zeros(1, 1, 28, 28).long(), torch.ones(1, 1, 28, 28).bool()
        known[..., 14:, 20:] = False
        assert run.ema.sample(2, y=y, given=given, known=known).is_cuda
    else:
        assert (run.ema.sample(2) if name == "made" else run.ema.sample(2, 30)).is_cuda


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("kind, shape, output, classes, options", CACHED)
@torch.no_grad()
def test_cached_sampling_equals_naive_sampling_on_a_gpu(kind, shape, output, classes, options):
    model = pixel_model(kind, shape, output, classes, **options).cuda()
    u, y = torch.rand(4, math.prod(shape), dtype=torch.float64).cuda(), labels(model, 4)
    y = None if y is None else y.cuda()
    assert torch.equal(ar.sample_cached(model, 4, y=y, uniforms=u), ar.sample_naive(model, 4, y=y, uniforms=u))
