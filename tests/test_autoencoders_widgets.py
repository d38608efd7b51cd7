"""The explorers of topic 02 on models so simple that the right picture and the right number are known."""

import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score
from torch import nn
from views import pictures, told, words

from course_lib.distributions import DiagonalGaussian
from course_lib.plotting.panels import tile
from course_lib.widgets.autoencoders import (
    AnnealingPlayback,
    AnomalyExplorer,
    BetaExplorer,
    BottleneckExplorer,
    DebiasingExplorer,
    LatentExplorer,
    LatentMap,
    NoiseExplorer,
)
from course_lib.widgets.autoencoders.latents import apart

SHAPE = (1, 8, 8)


class Pixels(nn.Module):
    """z is the first `latents` pixels; the rest is lost. So every decoded picture is known."""

    def __init__(self, latents=4, scale=1.0, numbers=None):
        super().__init__()
        self.config = {"latents": latents, "shape": SHAPE}
        self.scale = nn.Parameter(torch.tensor(scale))
        if numbers:
            self.record = {"numbers": numbers}

    def encode(self, x):
        return x.flatten(1)[:, : self.config["latents"]] * self.scale

    def decode(self, z):
        rest = torch.zeros(len(z), 64 - self.config["latents"])
        return torch.cat([(z / self.scale).clamp(0, 1), rest], 1).view(-1, *SHAPE)


class Posterior(Pixels):
    """The same with a posterior: latent j has mean j/2, whatever the image, and variance 1, so its KL is j²/8 nats."""

    def posterior(self, x):
        mean = 0.5 * torch.arange(self.config["latents"]).float().expand(len(x), -1)
        return DiagonalGaussian(mean, torch.zeros_like(mean))


def images(n=12):
    return torch.linspace(0, 1, n * 64).reshape(n, *SHAPE)


def latent():
    return LatentExplorer(Pixels(), images())


def beta():
    family = {
        b: Pixels(scale=1 + b, numbers={"rate": 20 / (1 + b), "distortion": 80 + b, "kl_per_latent": [3.0, 0.001, 5 / (1 + b), 0.02]})
        for b in (4.0, 0.0, 1.0)
    }
    return BetaExplorer(family, images())


def bottleneck():
    return BottleneckExplorer({float(k): Pixels(k) for k in (16, 1, 4, 64)}, images(), pca={1: 0.2, 4: 0.1, 16: 0.05, 64: 0.0})


def latent_map():
    points = torch.cat([torch.tensor([[-1.0, 0.0]]).expand(5, 2), torch.tensor([[1.0, 0.5]]).expand(5, 2)])
    return LatentMap(Pixels(2), points, torch.tensor([3] * 5 + [7] * 5), span=2.0)


def noise():
    return NoiseExplorer({"keeps all": Pixels(64), "keeps four": Pixels(4)}, images())


NORMAL, ANOMALOUS = np.arange(100.0), np.arange(50.0, 150.0, 2)


def anomaly():
    shades = torch.linspace(0, 1, 100)[:, None, None, None].expand(100, *SHAPE)
    return AnomalyExplorer({"error": (NORMAL, ANOMALOUS), "chance": (NORMAL, NORMAL[::2])}, (shades, shades[::2]))


def annealing():
    t = 6
    kl = torch.linspace(0, 1, t)[:, None] * torch.tensor([2.0, 1.0, 0.0])
    recording = {
        "steps": 100 * torch.arange(t),
        "kl": kl,
        "elbo": -200 + 20.0 * torch.arange(t),
        "beta": torch.linspace(0, 1, t),
        "samples": (40 * torch.arange(t, dtype=torch.uint8))[:, None, None, None].expand(t, 4, 8, 8),
    }
    short = {key: value[:3] for key, value in recording.items()}
    return AnnealingPlayback({"annealed": recording, "stopped early": short})


def skewed():
    """Pixel 1 is the attribute, pixel 2 the group. Of 100 images 45 have neither, 45 both, and 5 each only one; and one new one a group."""
    x = torch.zeros(102, *SHAPE)
    x[45:90, 0, 0, :2] = 1
    x[90:95, 0, 0, 0] = x[95:100, 0, 0, 1] = x[101, 0, 0, 1] = 1
    return x


def debiasing():
    x = skewed()
    has, groups = x[:, 0, 0, :2].T.long()
    seen = lambda v: torch.stack([v[:, 0, 0, 1] >= 0.5, v[:, 0, 0, 0] >= 0.5], 1)  # noqa: E731
    names = ("grey", "light"), ("without", "with")
    return DebiasingExplorer(Pixels(2), x[:100], groups[:100], has[:100], names, x[100:], groups[100:], seen)


@pytest.mark.parametrize("make, control", [(latent, "sliders"), (latent_map, "z1"), (noise, "level")])
def test_a_broken_model_is_one_sentence(make, control):
    explorer = make()
    for model in [explorer.model] if hasattr(explorer, "model") else explorer.denoisers.values():
        model.decode = lambda z: torch.zeros(len(z), 5)
    control = getattr(explorer, control)
    control = control[0] if isinstance(control, list) else control
    control.value = control.max
    assert re.search(r'role="alert".*could not draw this: decode must turn z .* into images .*\(ValueError\)\.', explorer.view.value)


# --- latents


def test_the_decoded_picture_is_what_the_sliders_say():
    explorer = LatentExplorer(Pixels())
    explorer.sliders[2].value = 0.6
    decoded = pictures(explorer)["decoded from z1 = 0.0, z2 = 0.0, z3 = 0.6, z4 = 0.0"]
    assert decoded[0, 2] == round(0.6 * 255)
    assert decoded.sum() == decoded[0, 2]


def test_the_strip_traverses_the_slider_that_moved():
    explorer = LatentExplorer(Pixels())
    explorer.sliders[1].value = 0.5
    strip = next(p for alt, p in pictures(explorer).items() if "z2 goes from -3.0 to 3.0" in alt)
    assert strip.shape == (8, 7 * 9 - 1)
    assert [int(v) for v in strip[0, 1::9]] == [0, 0, 0, 0, 255, 255, 255]  # z2 = −3 … 3 in steps of 1, cut to [0, 1]


def test_an_image_as_start_is_reconstructed_exactly_and_reset_returns_to_it():
    explorer = latent()
    assert explorer.start.value == 1
    explorer.start.value = 3
    code = images()[2].flatten()[:4]
    assert torch.equal(explorer.z[0], code), "not the rounded values of the sliders"
    explorer.sliders[0].value = 3.0
    assert explorer.z[0, 0] == 3.0
    explorer.reset.click()
    assert torch.equal(explorer.z[0], code)
    explorer.start.value = 0
    assert not explorer.z.any()
    assert [s.value for s in explorer.sliders] == [0, 0, 0, 0]


def test_reset_keeps_the_traversal():
    explorer = latent()
    explorer.sliders[2].value = 1.0
    explorer.reset.click()
    assert explorer.moved == 2


def test_the_browser_rounding_a_value_moves_no_slider():
    explorer = latent()
    explorer.sliders[3].value += 1e-9
    assert explorer.moved == 0


def test_latents_come_in_the_order_of_what_they_carry():
    explorer = LatentExplorer(Pixels(4, numbers={"kl_per_latent": [0.1, 3.0, 0.0, 2.0]}))
    assert explorer.latents == [1, 3, 0, 2]
    assert [s.description for s in explorer.sliders] == ["z2", "z4", "z1", "z3"]
    assert LatentExplorer(Posterior(4), images()).latents == [3, 2, 1, 0]
    assert LatentExplorer(Pixels(64)).latents == list(range(10)), "at most ten sliders"
    assert LatentExplorer(Pixels(), latents=2).latents == [0, 1]
    assert LatentExplorer(Pixels(), latents=[3, 1]).latents == [3, 1]


def test_sliders_reach_the_codes_of_the_images():
    explorer = LatentExplorer(Pixels(scale=10.0), images())
    assert max(s.max for s in explorer.sliders) >= 10 * float(images()[11].flatten()[3]) - 0.1
    for start in range(1, 13):
        explorer.start.value = start
        assert torch.equal(explorer.z, 10 * images()[start - 1 : start].flatten(1)[:, :4])


def test_a_latent_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"latents 0 to 3; choose some of them, not \[4\]"):
        LatentExplorer(Pixels(), latents=[0, 4])


# --- β


def test_beta_moves_the_point_and_the_pictures():
    explorer = beta()
    assert explorer.beta.value == 1.0
    for b in (0.0, 4.0):
        explorer.beta.value = b
        assert f"β = {b:g}: rate {20 / (1 + b):.1f} nats, distortion {80 + b:.1f} nats" in told(explorer)
        rebuilt = pictures(explorer)[f"their reconstructions at β = {b:g}"]
        assert np.array_equal(rebuilt, tile(explorer.family[b].decode(explorer.family[b].encode(images()[:7])).detach(), 7))


def test_samples_at_every_beta_decode_the_same_z():
    explorer = beta()
    for b, model in explorer.family.items():
        explorer.beta.value = b
        assert np.array_equal(pictures(explorer)[f"14 samples at β = {b:g}"], tile(model.decode(explorer.noise).detach(), 7))


def test_latents_in_use_are_counted():
    explorer = beta()
    explorer.beta.value = 4.0
    assert "KL of each latent at β = 4: 2 of 4 above 0.05 nats, the largest 3.00" in told(explorer)


def test_the_traversal_follows_the_image_slider_and_the_busiest_latent_leads():
    explorer = beta()
    explorer.beta.value = 4.0
    assert [j for j in re.findall(r">(z\d), ", explorer.view.value)] == ["z1", "z3", "z4", "z2"]
    explorer.around.value = 5
    strip = pictures(explorer)["z1 from −3 to 3 at β = 4"]
    code = images()[4].flatten()[:4]
    assert strip[0, 1] == round(float(code[1]) * 255), "the other latents keep the image's code"
    assert strip[0, 6 * 9] == round(3 / 5 * 255), "z1 = 3, and this model scales by 5"


def test_a_curve_can_be_given_and_no_network_runs_twice():
    calls = []
    model = Posterior()
    plain = model.decode
    model.decode = lambda z: calls.append(len(z)) or plain(z)
    explorer = BetaExplorer({1.0: model, 2.0: Posterior()}, images(), curve={1.0: (10.0, 90.0), 2.0: (5.0, 95.0)})
    assert len(calls) == 1
    explorer.beta.value = 2.0
    assert "rate 5.0 nats, distortion 95.0 nats" in told(explorer)
    explorer.beta.value = 1.0
    assert len(calls) == 1
    assert "rate 10.0 nats, distortion 90.0 nats" in told(explorer)


def test_without_any_numbers_pictures_are_left():
    explorer = BetaExplorer({1.0: Pixels(), 2.0: Pixels()}, images())
    assert not told(explorer)
    assert len(pictures(explorer)) == 3 + 4


# --- bottleneck


def test_the_bottleneck_error_is_the_error():
    explorer = bottleneck()
    for k in (1, 4, 16, 64):
        explorer.latents.value = k
        lost = images().flatten(1)[:, k:].square().sum() / images().numel()
        assert f"at {k} latents {lost:.4f} a pixel" in told(explorer)
        assert f"PCA {explorer.pca[k]:.4f}" in told(explorer)
        rebuilt = next(p for alt, p in pictures(explorer).items() if f"through {k} latents" in alt)
        assert np.array_equal(rebuilt, tile(Pixels(k).decode(Pixels(k).encode(images()[:10])).detach(), 10))


def test_measured_errors_can_be_given():
    explorer = BottleneckExplorer({1: Pixels(1), 2: Pixels(2)}, images(), errors={1: 0.5, 2: 0.25})
    explorer.latents.value = 2
    assert "at 2 latents 0.2500 a pixel" in told(explorer)


# --- the map


def test_the_map_decodes_the_crosshair():
    explorer = latent_map()
    explorer.z1.value, explorer.z2.value = 0.4, 1.0
    decoded = pictures(explorer)["decoded from z = (0.40, 1.00)"]
    assert (decoded[0, 0], decoded[0, 1]) == (102, 255)
    assert "crosshair at z = (0.40, 1.00)" in told(explorer)
    assert "belongs to class 7" in explorer.view.value
    explorer.z1.value = -1.0
    assert "belongs to class 3" in explorer.view.value


def test_the_grid_of_pictures_lies_like_the_plane():
    explorer = latent_map()
    grid = np.asarray(Image.open(io.BytesIO(explorer.backdrops["pictures"])))
    first, second = grid[0::8, 0::8], grid[0::8, 1::8]  # the two pixels that z1 and z2 set, over the plane
    centres = (-2 + 4 / 15 * (np.arange(15) + 0.5)).clip(0, 1) * 255
    assert np.abs(first - centres[None, :]).max() <= 0.5, "z1 grows to the right"
    assert np.abs(second - centres[::-1, None]).max() <= 0.5, "z2 grows upwards"
    explorer.backdrop.value = "pictures"
    assert "pictures decoded over the latent plane" in told(explorer)


def test_the_codes_are_drawn_where_they_lie():
    explorer = latent_map()
    sheet = np.asarray(Image.open(io.BytesIO(explorer.backdrops["codes"])).convert("RGB")).astype(int)
    coloured = np.argwhere(sheet.max(2) - sheet.min(2) > 60)
    side = len(sheet)
    left, right = coloured[coloured[:, 1] < side / 2], coloured[coloured[:, 1] > side / 2]
    assert left.mean(0) == pytest.approx([side / 2, side / 4], abs=8)
    assert right.mean(0) == pytest.approx([side * 3 / 8, side * 3 / 4], abs=8)


def test_names_are_pushed_apart():
    moved = apart(np.array([[0.0, 0.0], [0.01, 0.0], [3.0, 3.0]]), 0.5)
    assert np.linalg.norm(moved[0] - moved[1]) > 0.45
    assert np.array_equal(moved[2], [3.0, 3.0])


@pytest.mark.parametrize(
    "model, points, sentence",
    [
        (Pixels(3), torch.zeros(4, 2), "needs a model with 2 latents, this one has 3"),
        (Pixels(2), torch.zeros(4, 3), r"points must be \(n, 2\)"),
    ],
)
def test_a_map_needs_two_latents(model, points, sentence):
    with pytest.raises(ValueError, match=sentence):
        LatentMap(model, points, torch.zeros(4))


# --- noise


def test_noise_and_its_removal_are_measured():
    explorer = noise()
    explorer.level.value = 0.0
    assert "noisy, MSE 0.0000" in explorer.view.value
    assert "denoised, MSE 0.0000" in explorer.view.value, "this model keeps all pixels"
    explorer.denoiser.value = "keeps four"
    lost = images().flatten(1)[:, 4:].square().sum() / images().numel()
    assert f"denoised, MSE {lost:.4f}" in explorer.view.value
    explorer.level.value = 0.5
    noisy = (images() + 0.5 * explorer.epsilon).clamp(0, 1)
    error = (noisy - images()).square().mean()
    assert f"noisy, MSE {error:.4f}" in explorer.view.value
    shown = next(p for alt, p in pictures(explorer).items() if "with noise σ = 0.50" in alt)
    assert np.array_equal(shown, tile(noisy[:10], 10))


def test_the_corruption_can_be_given():
    explorer = NoiseExplorer({0.5: Pixels(64)}, images(), corrupt=lambda x, level, noise: torch.where(noise > level, x, 0 * x))
    explorer.level.value = 1.0
    shown = next(p for alt, p in pictures(explorer).items() if "with noise σ = 1.00" in alt)
    assert np.array_equal(shown, tile(torch.where(explorer.epsilon > 1.0, images(), 0 * images())[:10], 10))
    assert explorer.denoiser.value == "0.5"


# --- anomalies


def test_the_threshold_counts_what_it_flags():
    explorer = anomaly()
    for q in (0.5, 0.9, 1.0):
        explorer.quantile.value = q
        threshold = 99 * q
        caught, alarms = sum(s >= threshold for s in ANOMALOUS), sum(s >= threshold for s in NORMAL)
        assert explorer.counts() == {"caught": caught, "missed": 50 - caught, "false alarms": alarms, "passed": 100 - alarms}
        assert f"Caught {caught} of 50 anomalies, missed {50 - caught}. {alarms} false alarms among 100" in explorer.view.value
        assert f"{caught / 50:.1%} of anomalies are caught at {alarms / 100:.1%} false alarms" in told(explorer)


def test_the_area_is_scikit_learns():
    explorer = anomaly()
    area = roc_auc_score([0] * 100 + [1] * 50, [*NORMAL, *ANOMALOUS])
    assert f"ROC curve with area {area:.3f}" in told(explorer)
    explorer.score.value = "chance"
    assert explorer.areas["chance"] == pytest.approx(roc_auc_score([0] * 100 + [1] * 50, [*NORMAL, *NORMAL[::2]]))
    assert f"ROC curve with area {explorer.areas['chance']:.3f}" in told(explorer)


def test_the_pictures_are_the_extreme_ones():
    explorer = anomaly()
    explorer.quantile.value = 0.9  # threshold 89.1: anomalies 90, 92, … are caught, 50 … 88 are missed
    shades = np.round(np.linspace(0, 1, 100) * 255)
    found = pictures(explorer)
    caught = found["anomalies caught, the highest scores first"][0, ::9]
    missed = found["anomalies missed, the lowest scores first"][0, ::9]
    alarms = found["normal images flagged, the highest scores first"][0, ::9]
    assert np.abs(caught - shades[::2][::-1][:10]).max() <= 1
    assert np.abs(missed - shades[::2][:10]).max() <= 1
    assert np.abs(alarms - shades[::-1][:10]).max() <= 1


def test_without_images_the_charts_are_left_and_a_wrong_number_is_named():
    assert not pictures(AnomalyExplorer({"error": (NORMAL, ANOMALOUS)}))
    with pytest.raises(ValueError, match="100 and 50 scores for 3 and 50 images"):
        AnomalyExplorer({"error": (NORMAL, ANOMALOUS)}, (images(3), images(50)))


# --- annealing


def test_the_playback_shows_the_frame():
    explorer = annealing()
    for frame in (0, 2, 5):
        explorer.frame.value = frame
        active = 0 if frame == 0 else 2
        assert f"annealed at step {100 * frame}: {active} of 3 latents above 0.05 nats, {3 * frame / 5:.1f} nats in all" in told(explorer)
        assert f"ELBO of annealed over training; at step {100 * frame} it is {-200 + 20 * frame:.1f} nats" in told(explorer)
        assert (pictures(explorer)[f"samples of annealed at step {100 * frame}"][0, 0]) == 40 * frame


def test_a_shorter_recording_stays_at_its_end():
    explorer = annealing()
    explorer.frame.value = 5
    assert "stopped early at step 200" in told(explorer)


def test_play_covers_every_frame():
    explorer = annealing()
    assert (explorer.play.min, explorer.play.max) == (explorer.frame.min, explorer.frame.max) == (0, 5)


def test_an_incomplete_recording_is_named():
    with pytest.raises(ValueError, match="“mine” lacks kl, samples"):
        AnnealingPlayback({"mine": {"steps": [0], "elbo": [0.0], "beta": [1.0]}})


# --- debiasing


def test_an_arrow_of_data_in_which_two_things_go_together_holds_both():
    explorer = debiasing()
    # of 50 with the attribute 45 are light, of 50 without it 5: pixel 2 of the arrow is 45/50 − 5/50
    assert explorer.arrow.tolist() == pytest.approx([1, 0.8], abs=1e-6)
    assert "share of a batch: grey, without 45.0% → 45.0%, grey, with 5.0% → 5.0%, light, without 5.0%" in told(explorer)
    assert "still read as of its group: grey 0%, light 100%" in told(explorer)
    assert "worth 100 of 100 images" in words(explorer) and "the attribute is read in 100%" in words(explorer)
    edited = next(p for alt, p in pictures(explorer).items() if "after a step of 1.0" in alt)
    assert edited[0, :2].tolist() == pytest.approx([255, 0.8 * 255], abs=1)


def test_weights_of_known_groups_take_the_second_thing_out():
    explorer = debiasing()
    explorer.remedy.value = "known groups"
    assert explorer.arrow.tolist() == pytest.approx([1, 0], abs=1e-6)
    assert "grey, with 5.0% → 25.0%" in told(explorer) and "still read as of its group: grey 100%, light 100%" in told(explorer)
    assert explorer.weights[:45].sum().item() == pytest.approx(0.25)
    assert "worth 36 of 100 images" in words(explorer)  # 16 / (1/45 + 1/45 + 1/5 + 1/5)
    explorer.step.value = 0.0
    assert "the attribute is read in 0%" in words(explorer)


def test_rare_latents_cannot_see_that_two_things_go_together():
    explorer = debiasing()
    assert explorer.alpha.disabled, "without weights by latents it does nothing"
    explorer.remedy.value, explorer.alpha.value = "rare latents", 0.1
    assert not explorer.alpha.disabled
    assert explorer.weights.tolist() == pytest.approx([0.01] * 100), "each latent by itself is half 0 and half 1"
    assert "smoothing α = 0.1" in explorer.settings()


def test_debiasing_takes_data_of_one_size_with_and_without_the_attribute():
    x = skewed()
    given = {"names": (("a", "b"), ("without", "with")), "others": x[100:], "others_groups": [0, 1], "read": lambda v: v[:, 0, 0, :2]}
    with pytest.raises(ValueError, match="groups must hold one number for each image, 102"):
        DebiasingExplorer(Pixels(2), x, [0, 1], x[:, 0, 0, 0], **given)
    with pytest.raises(ValueError, match="give some of both"):
        DebiasingExplorer(Pixels(2), x, x[:, 0, 0, 1], torch.ones(102), **given)
