"""The explorers of normalizing flows, against numbers that are computed here in another way."""

import math
import re

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from views import cells, number, picture, shaken, told, words

from course_lib.datasets import faces, to_float
from course_lib.datasets.toy2d import plane
from course_lib.flows import ActNorm, ContinuousFlow, Flow, ImageFlow, InvertibleLinear, LatentFlow, Permutation
from course_lib.widgets import flows as explorers
from course_lib.widgets.flows import (
    ChangeOfVariablesExplorer,
    CounterfactualExplorer,
    InversionExplorer,
    LayerExplorer,
    TemperatureExplorer,
    TrajectoryExplorer,
    described,
    partly,
)


def flow(kind="realnvp", layers=3, **kwargs):
    torch.manual_seed(1)
    return shaken(Flow(kind, 2, layers, (8,), **kwargs), 0.3)


def points(n=60, seed=0):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def layered():
    return LayerExplorer({"real": flow(), "glow": flow("glow", 2)}, points())


def digits(n=3):
    return torch.randint(0, 256, (n, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


def small(seed=0, **kwargs):
    torch.manual_seed(seed)
    return shaken(ImageFlow((1, 8, 8), steps=(2,), width=8, **kwargs), 0.02, seed)


def warm():
    return TemperatureExplorer({"a": small(), "b": small(1, kind="realnvp")}, digits())


def of_codes():
    torch.manual_seed(2)
    return shaken(LatentFlow("vae_faces", "glow", layers=2, hidden=(8,), classes=faces.KINDS), 0.05)


def counterfactual(model=None):
    return CounterfactualExplorer(model or of_codes(), faces.random_factors(24, seed=3))


def drift(matrix=((0.0, 0.0), (0.0, 0.0)), bias=(0.0, 0.0), tall=(0.0, 0.0)):
    """dx/dt = A x + b + c t."""
    model = ContinuousFlow(2, hidden=())
    with torch.no_grad():
        model.velocity.layers[0].weight.copy_(torch.cat([torch.tensor(matrix), torch.tensor(tall)[:, None]], 1))
        model.velocity.layers[0].bias.copy_(torch.tensor(bias))
    return model


def carried():
    return TrajectoryExplorer(drift(((0.3, 0.8), (-0.8, -0.4)), (0.5, 0.2)), points())


# --- one dimension


def line(**values):
    explorer = ChangeOfVariablesExplorer()
    for name, value in values.items():
        group, _, k = name.partition("_")
        control = getattr(explorer, group)
        (control[int(k) - 1] if k else control).value = value
    return explorer


SETTINGS = [
    {},
    {"preset": "identity"},
    {"preset": "squeeze", "x": -0.4},
    {"preset": "stretch", "x": 2.2, "scale": 0.5, "shift": 1.3},
    {"heights_1": 4.0, "heights_3": 0.1, "slopes_1": 4.0, "slopes_2": 0.1, "x": -1.7},
    {"scale": 0.3, "shift": -2.0, "x": -2.4},
    {"scale": 2.0, "shift": 2.0, "x": 5.0},
]


@pytest.mark.parametrize("values", SETTINGS)
def test_both_sides_hold_the_same_probability_and_the_whole_is_one(values):
    explorer = line(**values)
    text, x = words(explorer), explorer.x.value
    here, there = number(r"of x holds (…)", text), number(r"under N\(0, 1\) (…)", text)
    (z, z_end), _ = explorer.transform(np.array([x, x + 0.5]))
    assert here == pytest.approx(there, abs=2e-4)
    assert there == pytest.approx(stats.norm.cdf(z_end) - stats.norm.cdf(z), abs=6e-5)
    assert number(r"All of the density of x: (…)", text) == pytest.approx(1, abs=1e-3)
    knots = sorted(explorer.shift.value + explorer.scale.value * np.array([-9, -3, -1.5, 0, 1.5, 3, 9]))
    whole = sum(integrate.quad(lambda v: explorer.density(np.array([v]))[0], a, b, limit=200)[0] for a, b in zip(knots, knots[1:]))
    assert whole == pytest.approx(1, abs=1e-5)
    assert f"is {there:.4f}" in told(explorer) and f"is {here:.4f}" in told(explorer)


@pytest.mark.parametrize("values", SETTINGS)
def test_the_slope_and_the_density_are_those_of_the_map(values):
    explorer = line(**values)
    x, h = explorer.x.value + 0.013, 1e-5  # beside a knot: there the second derivative jumps
    (below, z, above), _ = explorer.transform(np.array([x - h, x, x + h]))
    slope = (above - below) / (2 * h)
    assert explorer.transform(np.array([x]))[1][0] == pytest.approx(math.log(slope), abs=1e-4)
    assert explorer.density(np.array([x]))[0] == pytest.approx(stats.norm.pdf(z) * slope, rel=1e-4)


def test_the_identity_leaves_a_standard_normal():
    explorer = line(preset="identity", x=1.0)
    assert np.allclose(explorer.density(np.linspace(-4, 4, 9)), stats.norm.pdf(np.linspace(-4, 4, 9)))
    text = words(explorer)
    assert "At x = 1.0: z = 1.00, slope dz/dx = 1.00, log of it 0.00 nats." in text
    assert number(r"of x holds (…)", text) == pytest.approx(stats.norm.cdf(1.5) - stats.norm.cdf(1), abs=6e-5)


def test_sliders_are_the_heights_and_the_slopes_of_the_spline():
    explorer = line(preset="identity", heights_1=3.0, heights_2=1.0, heights_3=0.5, heights_4=0.5, slopes_1=0.4, slopes_3=3.0)
    z, log_slope = explorer.transform(np.array([-3.0, -1.5, 0.0, 1.5, 3.0]))
    assert z == pytest.approx([-3, 0.6, 1.8, 2.4, 3], abs=0.02), "shares 0.6, 0.2, 0.1, 0.1 of 6"
    assert np.exp(log_slope[1:4]) == pytest.approx([0.4, 1, 3])
    explorer.scale.value, explorer.shift.value = 0.5, 1.0
    moved, log_moved = explorer.transform(np.array([0.25, 1.0, 1.75]))
    assert moved == pytest.approx(z[1:4]) and np.exp(log_moved) == pytest.approx([0.8, 2, 6])


def test_the_marked_point_is_said():
    explorer = line(preset="squeeze", x=0.3)
    (z,), (log_slope,) = explorer.transform(np.array([0.3]))
    assert f"z = {z:.2f}, slope dz/dx = {math.exp(log_slope):.2f}" in words(explorer)
    assert f"at x = 0.3 it is z = {z:.2f} with slope {math.exp(log_slope):.2f}" in told(explorer)
    assert f"= {stats.norm.pdf(z) * math.exp(log_slope):.3f}." in words(explorer)


def test_a_preset_sets_every_slider_and_draws_once(monkeypatch):
    explorer = line(shift=1.0, scale=2.0)
    drawn = []
    monkeypatch.setattr(explorer, "_show", lambda: drawn.append(explorer.shift.value))
    explorer.preset.value = "stretch"
    assert drawn == [0.0]
    assert [c.value for c in explorer.heights] == [2, 0.5, 0.5, 2] and [c.value for c in explorer.slopes] == [0.8, 0.3, 0.8]
    assert explorer.scale.value == 1


def test_two_bumps_are_two():
    p = line(preset="two bumps").density(np.linspace(-3, 3, 601))
    assert ((p[1:-1] > p[:-2]) & (p[1:-1] > p[2:])).sum() == 2


# --- layer by layer


@pytest.mark.parametrize("kind", ["nice", "realnvp", "glow", "spline", "maf", "iaf"])
def test_the_density_so_far_is_that_of_the_map_so_far(kind):
    model = flow(kind, 2).double()
    z = points(5).double()
    for k in range(len(model.layers) + 1):
        jacobian = torch.stack([torch.autograd.functional.jacobian(lambda v, k=k: model.stages(v[None])[k][0], each) for each in z])
        with torch.no_grad():
            expected = -0.5 * z.square().sum(1) - math.log(2 * math.pi) - torch.linalg.slogdet(jacobian)[1]
            assert torch.allclose(partly(model, model.stages(z)[k], k), expected, atol=1e-8), k


def test_the_last_density_is_that_of_the_model_and_the_first_is_normal():
    model, x = flow(), points(20)
    with torch.no_grad():
        assert torch.allclose(partly(model, x, len(model.layers)), model.log_prob(x))
        assert torch.allclose(partly(model, x, 0), -0.5 * x.square().sum(1) - math.log(2 * math.pi))


def test_what_lies_in_the_picture_is_the_share_of_samples_there():
    explorer, model = layered(), flow()
    scene = explorer.scene()
    z = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        stages = model.stages(z)
    assert len(scene["masses"]) == len(scene["pictures"]) == len(stages) == 4
    for k, stage in enumerate(stages):
        explorer.layer.value = k
        share = (stage.abs() <= scene["reach"]).all(1).float().mean().item()
        assert number(r"; (…)% of it lies in the picture", told(explorer)) / 100 == pytest.approx(share, abs=0.01)


def test_the_samples_and_the_grid_are_where_the_layers_bring_them():
    explorer, model = layered(), flow()
    scene = explorer.scene()
    assert np.allclose(scene["lines"][0, 0, :, 0], -3) and np.allclose(scene["lines"][0, 13, :, 1], -3), (
        "upright lines first, then level ones"
    )
    for k in range(4):
        with torch.no_grad():
            stages = model.stages(torch.from_numpy(scene["lines"][0]).flatten(0, 1))
            assert np.allclose(stages[k].numpy().reshape(26, explorer.ALONG, 2), scene["lines"][k], atol=1e-4)
            assert np.allclose(model.stages(torch.from_numpy(scene["points"][0]))[k], scene["points"][k], atol=1e-4)
        explorer.layer.value = k
        x, y = scene["points"][k].std(0)
        assert f"standard deviations {x:.2f} and {y:.2f}" in told(explorer)


def test_colours_are_directions_of_the_latent():
    scene = layered().scene()
    angle = np.arctan2(scene["points"][0][:, 1], scene["points"][0][:, 0]) % (2 * np.pi)
    assert np.array_equal(scene["sector"], np.floor(angle / (np.pi / 4)).astype(int) % 8)


def test_areas_grow_as_the_corners_of_small_triangles_say():
    explorer, model = layered(), flow().double()
    scene = explorer.scene()
    layers, h = list(reversed(model.layers)), 1e-4
    for k in (1, 2, 3):
        at = torch.from_numpy(scene["points"][k - 1]).double()
        with torch.no_grad():
            o, a, b = (layers[k - 1].inverse(at + torch.tensor(v)) for v in ((0.0, 0.0), (h, 0.0), (0.0, h)))
        u, v = a - o, b - o
        area = (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]).abs() / h**2
        low, high = (area.quantile(q).item() for q in (0.05, 0.95))
        explorer.layer.value = k
        found = re.search(r"multiplies areas by ([\d.]+) to ([\d.]+)", words(explorer))
        assert float(found[1]) == pytest.approx(low, rel=0.02, abs=0.01) and float(found[2]) == pytest.approx(high, rel=0.02, abs=0.01)


def test_words_name_each_kind_of_layer():
    explorer = layered()
    explorer.layer.value = 1
    assert "Layer 1 of 3 on the way to the data is an affine coupling: x₁ stays, and x₂ is shifted and scaled as x₁ says." in words(
        explorer
    )
    assert "from the log-det of this layer alone" in words(explorer)
    explorer.layer.value = 2
    assert "x₂ stays, and x₁ is shifted" in words(explorer) and "from the log-dets of these 2 layers alone" in words(explorer)
    explorer.layer.value = 3
    assert "The density is the model's p(x)." in words(explorer)
    explorer.layer.value = 0
    assert "Nothing has happened yet" in words(explorer) and "has 3 layers" in words(explorer)
    assert described(flow("nice").layers[0]).startswith("an additive coupling: x₁ stays, and x₂ is shifted as")
    assert described(flow("spline").layers[2]).startswith("a spline coupling: x₁ stays, and x₂ is bent")
    assert "autoregressive" in described(flow("maf").layers[0])
    assert "shift and a scale" in described(ActNorm(2)) and "mixing" in described(InvertibleLinear(2))
    assert "change places" in described(Permutation([1, 0]))


def test_a_layer_that_keeps_every_ratio_of_areas_says_one_factor():
    explorer = layered()
    explorer.model.value = "glow"
    explorer.layer.value = 2  # ActNorm lies below the coupling and the mixing; the mixing is linear
    model = explorer.models["glow"]
    factor = 1 / abs(torch.linalg.det(model.layers[-2].weight()).item())
    assert number(r"multiplies every area by (…)\.", words(explorer) + ".") == pytest.approx(factor, abs=0.006)


def test_the_slider_has_as_many_steps_as_the_model_has_layers():
    explorer = layered()
    assert explorer.layer.max == 3
    explorer.layer.value = 1
    explorer.model.value = "glow"
    assert explorer.layer.max == 6 and explorer.layer.value == 6
    assert "glow, the data x" in told(explorer)
    explorer.model.value = "real"
    assert explorer.layer.max == 3 and explorer.layer.value == 3 and 'role="alert"' not in explorer.view.value


def test_moving_along_the_layers_runs_no_layer_again(monkeypatch):
    explorer = layered()
    monkeypatch.setattr(explorers, "partly", None)
    monkeypatch.setattr(Flow, "stages", None)
    explorer.layer.value = 1
    assert 'role="alert"' not in explorer.view.value


def test_a_flow_in_training_stays_so():
    model = flow().train()
    LayerExplorer({"a": model})
    assert model.training


@pytest.mark.parametrize(
    "models, sentence",
    [
        ({}, "models is empty; give at least one"),
        ({"deep": Flow("realnvp", 3, 2, (4,))}, "the model “deep” must be a flows.Flow with dims = 2 and no classes"),
        ({"labels": Flow("realnvp", 2, 2, (4,), classes=3)}, "the model “labels” must be"),
        ({"linear": torch.nn.Linear(2, 2)}, "the model “linear” must be"),
    ],
)
def test_what_has_no_layers_in_the_plane_is_refused(models, sentence):
    with pytest.raises(ValueError, match=sentence):
        LayerExplorer(models)


# --- images


@pytest.mark.parametrize("temperature, seed", [(0.7, 0), (1.2, 4)])
def test_samples_are_the_decoded_latents_of_that_length(temperature, seed):
    explorer, model = warm(), small()
    explorer.temperature.value, explorer.seed.value = temperature, seed
    z = torch.randn(16, 64, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        expected = (255 * model.decode(temperature * z)).round().numpy()[:, 0]
    alt, sheet = picture(explorer, "samples at temperature")
    assert np.abs(cells(sheet, 8).astype(float) - expected).max() <= 1
    flat = torch.from_numpy(expected).flatten(1) / 255
    apart = torch.cdist(flat, flat)[~torch.eye(16, dtype=torch.bool)].mean().item()
    assert f"temperature {temperature:.1f} from a, draw {seed}" in alt
    assert number(r"mean distance of two of them (…)", alt) == pytest.approx(apart, abs=0.02)


def test_at_temperature_nothing_all_samples_are_one():
    explorer = warm()
    explorer.temperature.value = 0.0
    _, sheet = picture(explorer, "samples at temperature")
    assert (cells(sheet, 8) == cells(sheet, 8)[0]).all()
    assert "All sixteen are one picture, the decoded z = 0." in words(explorer)


def test_both_ways_begin_and_end_at_the_digits_and_are_straight():
    explorer, model, x = warm(), small(), digits()
    explorer.first.value, explorer.second.value = 2, 0
    _, latent = picture(explorer, "from image 2 to image 0 on the straight line in z of a")
    _, pixels = picture(explorer, "from image 2 to image 0 on the straight line in pixels")
    for row in (cells(latent, 8), cells(pixels, 8)):
        assert np.array_equal(row[0], x[2, 0]) and np.array_equal(row[-1], x[0, 0])
    t = torch.arange(8)[:, None] / 7
    with torch.no_grad():
        a, b = model.encode(x[[2, 0]])
        middle = (255 * model.decode((1 - t) * a + t * b)).round()[:, 0].numpy()
    assert np.abs(cells(latent, 8).astype(float) - middle).max() <= 1
    mixed = (1 - t)[:, :, None] * x[2, 0] + t[:, :, None] * x[0, 0]
    assert np.abs(cells(pixels, 8) - mixed.numpy()).max() <= 1
    assert "On the way in z both ends are met exactly" in words(explorer)


def test_a_flow_that_does_not_come_back_is_said(monkeypatch):
    honest = ImageFlow.decode
    monkeypatch.setattr(ImageFlow, "decode", lambda self, z, y=None: (honest(self, z, y) - 2 / 255).clamp_min(0))
    assert "both ends are missed by up to 2 grey levels of 255" in words(warm())


def test_what_was_decoded_once_is_kept(monkeypatch):
    explorer = warm()
    explorer.temperature.value = 1.0
    explorer.second.value = 2
    monkeypatch.setattr(ImageFlow, "decode", None)
    explorer.temperature.value = 0.7
    explorer.second.value = 1
    assert 'role="alert"' not in explorer.view.value


def test_models_differ():
    explorer = warm()
    _, before = picture(explorer, "samples at temperature")
    explorer.model.value = "b"
    alt, after = picture(explorer, "samples at temperature")
    assert "from b" in alt and not np.array_equal(before, after)


@pytest.mark.parametrize(
    "models, x, sentence",
    [
        ({}, digits(), "models is empty"),
        ({"a": small()}, digits().float() / 255, "expected uint8 images of shape"),
        ({"a": small()}, digits()[:, :, :4], "expected uint8 images of shape"),
        ({"a": small()}, digits()[:0], r"x must be \(n, channels, height, width\) with n above 0"),
        ({"a": small(classes=10)}, digits(), "the model “a” needs labels"),
    ],
)
def test_what_cannot_be_sampled_is_refused(models, x, sentence):
    with pytest.raises(ValueError, match=sentence):
        TemperatureExplorer(models, x)


# --- faces, with one word changed


def row_of(explorer, words_):
    """A row of the explorer's pictures, (8, 3, 16, 16) of whole numbers."""
    return np.moveaxis(cells(picture(explorer, words_)[1], 8, 16), -1, 1).astype(float)


def test_a_word_is_changed_under_the_z_of_the_face():
    explorer, model = counterfactual(), of_codes()
    explorer.eight.value, explorer.change.value, explorer.length.value = 1, ("hair_colour", "green"), 0.8
    y = faces.random_factors(24, seed=3)[8:16]
    green = y.clone()
    green[:, list(faces.FACTORS).index("hair_colour")] = faces.FACTORS["hair_colour"].index("green")
    with torch.no_grad():
        codes = model.autoencoder.encode(to_float(faces.draw(y)))
        z = model.encode(codes, faces.attributes(y))
        made = 255 * model.autoencoder.decode(model.decode(0.8 * z, faces.attributes(green))).clamp(0, 1).numpy()
        decoded = 255 * model.autoencoder.decode(codes).clamp(0, 1).numpy()
    assert np.abs(row_of(explorer, "decoded for green hair") - made).max() <= 1
    assert np.abs(row_of(explorer, "encoded and decoded by the VAE") - decoded).max() <= 1
    assert np.array_equal(row_of(explorer, "8 faces of the data"), faces.draw(y))
    assert np.array_equal(row_of(explorer, "drawn from the same factors with green hair"), faces.draw(green))
    error = np.square((made - faces.draw(green).numpy()) / 255).mean()
    assert number(r"as it is drawn (…) a pixel", words(explorer)) == pytest.approx(error, abs=2e-4)


def test_their_own_words_give_back_what_the_vae_makes_of_them():
    explorer = counterfactual()
    explorer.change.value = None
    assert np.abs(row_of(explorer, "for their own words") - row_of(explorer, "encoded and decoded by the VAE")).max() <= 1
    assert "read in" not in words(explorer).split("other words")[0]


@pytest.mark.parametrize("word, read, seen", [(("glasses", "dark"), 8, 8), (("beard", "beard"), 0, 8)])
def test_words_are_counted_where_they_are_read(monkeypatch, word, read, seen):
    """A face network that reads dark glasses and no beard everywhere, and every other word as it was told."""
    explorer = counterfactual()

    def as_told(x):
        return faces.attributes(faces.change(explorer.own()[0], glasses="dark", beard="none"))

    monkeypatch.setattr(explorers, "predicted_attributes", as_told)
    explorer.change.value = ("skin", "tan")
    explorer.change.value = word
    assert f"{explorer.said(*word).capitalize()}: read in {read} of {seen} faces." in words(explorer)


def test_faces_that_were_decoded_are_kept(monkeypatch):
    explorer = counterfactual()
    explorer.length.value = 0.5
    monkeypatch.setattr(LatentFlow, "decode", None)
    explorer.length.value = 1.0
    assert 'role="alert"' not in explorer.view.value


@pytest.mark.parametrize(
    "model, n, sentence",
    [
        (lambda: LatentFlow("vae_faces", "glow", 1, (4,)), 8, "told the ten words of faces"),
        (lambda: small(), 8, "must be a flows.LatentFlow"),
        (of_codes, 7, "8 faces or more, got 7"),
    ],
)
def test_what_has_no_words_to_change_is_refused(model, n, sentence):
    with pytest.raises(ValueError, match=sentence):
        CounterfactualExplorer(model(), faces.random_factors(n))


# --- continuous time


def density_of(explorer, t):
    return explorer.densities[round(t * (explorer.TIMES - 1))]


@pytest.mark.parametrize("t", [0.0, 0.5, 1.0])
def test_the_density_of_a_linear_flow_is_the_gaussian_that_the_formula_gives(t):
    explorer = TrajectoryExplorer(drift(((0.3, 0.0), (0.0, -0.4)), (0.5, 0.0)), points())
    centre = 0.5 * math.expm1(0.3 * t) / 0.3
    places = plane(explorer.CELLS, explorer.reach).numpy()
    expected = stats.norm.pdf(places[:, 0], centre, math.exp(0.3 * t)) * stats.norm.pdf(places[:, 1], 0, math.exp(-0.4 * t))
    found = density_of(explorer, t)
    assert np.abs(found.ravel() - expected).max() < 0.03 * expected.max()


def test_the_last_density_is_that_of_the_model():
    torch.manual_seed(0)
    model = shaken(ContinuousFlow(2, hidden=(8,)), 0.4)
    explorer = TrajectoryExplorer(model, points())
    with torch.no_grad():
        expected = model.log_prob(plane(explorer.CELLS, explorer.reach)).exp().numpy()
    assert np.abs(density_of(explorer, 1.0).ravel() - expected).max() < 0.05 * expected.max()
    assert number(r"has -log p\(x\) = (…) nats", words(explorer)) == pytest.approx(-model.log_prob(points()).mean().item(), abs=2e-3)


def test_points_move_as_the_velocity_says():
    explorer = TrajectoryExplorer(drift(bias=(3.0, -1.0), tall=(0.0, 2.0)), points())
    for t in (0.25, 1.0):
        explorer.time.value = t
        k = round(40 * t)
        moved = np.array([3 * t, -t + t**2])
        assert np.allclose(explorer.points[k] - explorer.points[0], moved, atol=1e-4)
        length, speed = np.hypot(*moved), np.hypot(3, -1 + 2 * t)
        assert f"{length:.2f} from where they began on average, the farthest {length:.2f}" in words(explorer)
        assert f"The velocity in the picture is {speed:.2f} on average" in words(explorer)
        assert f"{length:.2f} from their start on average; mean speed {speed:.2f}" in told(explorer)


def test_arrows_point_along_the_velocity_and_their_length_is_to_scale():
    explorer = TrajectoryExplorer(drift(bias=(2.0, -1.0), tall=(0.0, 1.0)), points())
    fast, slow = (explorer.arrows(k) for k in (0, 40))
    first, last = (np.stack([a.x[:, 1] - a.x[:, 0], a.y[:, 1] - a.y[:, 0]], 1) for a in (fast, slow))
    assert np.allclose(first / np.hypot(*first.T)[:, None], np.array([2, -1]) / math.sqrt(5))
    assert np.allclose(last / np.hypot(*last.T)[:, None], [1, 0], atol=1e-5)
    assert np.allclose(np.hypot(*last.T)[0] / np.hypot(*first.T)[0], 2 / math.sqrt(5))


def test_what_leaves_the_picture_is_said():
    explorer = TrajectoryExplorer(drift(bias=(9.0, 0.0)), points())
    explorer.time.value = 0.0
    inside = 2 * stats.norm.cdf(explorer.reach) - 1
    assert number(r"; (…)% of it lies", told(explorer)) / 100 == pytest.approx(inside**2, abs=2e-3)
    explorer.time.value = 1.0
    inside *= stats.norm.cdf(explorer.reach, 9) - stats.norm.cdf(-explorer.reach, 9)
    assert number(r"; (…)% of it lies", told(explorer)) / 100 == pytest.approx(inside, abs=5e-3)


def test_moving_the_time_solves_nothing_again(monkeypatch):
    explorer = carried()
    monkeypatch.setattr(ContinuousFlow, "solve", None)
    explorer.time.value = 0.3
    assert 'role="alert"' not in explorer.view.value and "Time 0.300: " in words(explorer)
    explorer.time.value = 0.0
    assert "Time 0.000 (the latent): the points are 0.00 from where they began" in words(explorer)


def test_a_random_trace_leaves_the_seed_of_a_lecture_alone():
    torch.manual_seed(3)
    model = ContinuousFlow(2, (4,), trace="hutchinson")
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    TrajectoryExplorer(model, points())
    assert torch.equal(torch.rand(3), expected)


def test_what_cannot_be_followed_is_refused():
    with pytest.raises(ValueError, match="the model must be a flows.ContinuousFlow with dims = 2"):
        TrajectoryExplorer(flow(), points())
    with pytest.raises(ValueError, match="with dims = 2"):
        TrajectoryExplorer(ContinuousFlow(3), points())
    with pytest.raises(ValueError, match=r"data must be \(n, 2\) with n above 0, got shape \(5, 3\)"):
        TrajectoryExplorer(drift(), torch.zeros(5, 3))


# --- there and back


def there_and_back(explorer, kind, weights, precision, depth):
    """The largest error of one stack, on its own."""
    layers = explorer.layers(kind, weights, precision)[:depth]
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(64, 8, generator=generator, dtype=torch.float64).to(layers[0].network.net[0].weight.dtype)
    with torch.no_grad():
        h = x
        for layer in layers:
            h, _ = layer(h)
        for layer in reversed(layers):
            h = layer.inverse(h)
    return (h - x).abs().max().item()


@pytest.mark.parametrize("kind, weights, precision", [("additive", 3.0, "float32"), ("affine", 0.5, "float64"), ("spline", 0.7, "float32")])
def test_errors_are_those_of_each_stack_on_its_own(kind, weights, precision):
    explorer = InversionExplorer()
    errors = explorer.measure(kind, weights, precision)
    for depth in (1, 8, 16, 24):
        alone = there_and_back(explorer, kind, weights, precision, depth)
        # a batch of another size is rounded in another order, and the stack enlarges the difference
        assert abs(math.log10(errors[explorers.DEPTHS.index(depth)] / alone)) < 1, depth


@pytest.mark.parametrize("kind", ["additive", "affine", "spline"])
def test_better_numbers_come_back_better(kind):
    explorer = InversionExplorer()
    rough, single, double = (explorer.measure(kind, 0.3, precision) for precision in ("bfloat16", "float32", "float64"))
    assert (double[:9] < single[:9] / 1e6).all() and (single[:9] < rough[:9] / 1e3).all()
    assert double[0] < 1e-14 and single[0] < 1e-5


def test_every_precision_has_the_same_weights():
    explorer = InversionExplorer()
    single, double = (explorer.layers("affine", 1.0, precision)[5].network.net[-1].weight for precision in ("float32", "float64"))
    assert double.dtype == torch.float64 and torch.equal(single.double(), double)
    assert double.std().item() * math.sqrt(32) == pytest.approx(1, rel=0.15), "the scale on the slider"


def test_depth_and_weights_cost():
    explorer = InversionExplorer()
    for kind in ("additive", "affine", "spline"):
        calm, wild = (explorer.measure(kind, weights, "float32") for weights in (0.1, 3.0))
        assert calm[-1] < 1e-4 and wild[-1] > 1 and wild[-1] > 100 * wild[0]


@pytest.mark.parametrize(
    "error, sentence",
    [
        (3e-6, "an error of at most 3.0e-06, 25 times the rounding of a number near 1. Samples can be trusted"),
        (2e-3, "Samples look right, but the density of a sample is that of a point beside it."),
        (5.0, "an error of at most 5.0e+00. Samples cannot be trusted"),
        (math.inf, "numbers overflow on the way, and nothing comes back. Samples and densities are worthless."),
    ],
)
def test_words_say_whether_to_trust(monkeypatch, error, sentence):
    monkeypatch.setattr(InversionExplorer, "measure", lambda self, *key: np.full(len(explorers.DEPTHS), error))
    explorer = InversionExplorer()
    assert "16 affine layers with weights 0.5 in float32: " in words(explorer) and sentence in words(explorer)
    assert ("at 16 layers overflow" if math.isinf(error) else f"at 16 layers {error:.1e}") in told(explorer)
    assert explorer.static()


def test_overflow_is_found_in_earnest():
    explorer = InversionExplorer()
    explorer.weights.value, explorer.depth.value = 3.0, 64
    assert "numbers overflow" in words(explorer)


def test_what_was_measured_is_kept_and_the_random_numbers_are_its_own(monkeypatch):
    torch.manual_seed(2)
    expected = torch.rand(3)
    torch.manual_seed(2)
    explorer = InversionExplorer()
    assert torch.equal(torch.rand(3), expected)
    explorer.kind.value = "additive"
    monkeypatch.setattr(InversionExplorer, "measure", None)
    explorer.depth.value, explorer.kind.value = 32, "affine"
    assert 'role="alert"' not in explorer.view.value
