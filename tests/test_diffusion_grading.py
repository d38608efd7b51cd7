"""The checks of exercise 06: what is measured in its experiment, and what its answers draw from."""

import math
from types import SimpleNamespace

import pytest
import torch

from course_lib.grading import CheckFailed, plain
from course_lib.grading.diffusion import FEW, FILL, measure, sliced_distance, spread
from course_lib.grading.fixtures import Denoiser, Draws, Field, Mixer


def test_spread_points_fill_the_cube_evenly():
    points = spread(1000, 3)
    assert points.dtype == torch.float64 and points.shape == (1000, 3)
    assert points.min() >= 0 and points.max() < 1
    for axis in points.T:
        assert (torch.histc(axis, 10, 0, 1) - 100).abs().max() <= 4


def test_the_sliced_distance_is_that_of_a_shift():
    points = spread(200, 2)
    assert sliced_distance(points, points.flip(0)) == pytest.approx(0, abs=1e-12)
    moved = sliced_distance(points, points + torch.tensor([0.3, 0.0]))
    angles = [math.pi * i / 32 for i in range(32)]
    assert moved == pytest.approx(0.3 * sum(abs(math.cos(angle)) for angle in angles) / 32)


def test_evaluations_are_counted():
    places = torch.special.ndtri(spread(1000, 3)[:, :2])
    mixture = SimpleNamespace(denoise=lambda x_t, alpha_bar: 0 * x_t, draw=lambda u: places)

    def sampler(denoise, start):
        for _ in range(3):
            denoise(start, 0.5)
        return start + denoise(start, 0.5)

    measured = measure(sampler, mixture)
    assert measured.keys() == FEW.at_least.keys()
    assert measured["minus evaluations"] == -4
    assert measured["minus distance"] == -sliced_distance(torch.special.ndtri(spread(1000, 2)), places)


def test_the_schedule_must_be_named_and_all_settings_be_in_range():
    for given, said in [
        ({}, "schedule is missing"),
        ({"schedule": "sine"}, "schedule should be 'linear', 'cosine' or 'straight'"),
        ({"schedule": "cosine", "bend": 5}, "bend should be a number from 0.25 to 4"),
        ({"schedule": "cosine", "eta": -0.1}, "eta should be a number from 0 to 1"),
        ({"schedule": "cosine", "steps": 6.5}, "steps should be a whole number from 1 to 100"),
    ]:
        with pytest.raises(CheckFailed) as caught:
            FEW.chosen(lambda given=given: given)
        assert said in str(caught.value)


def test_draws_are_the_same_in_each_check_and_reach_both_ends():
    with plain():
        draws, normal = Draws(0.37, ends=True), Draws(0.71, normal=True, ends=True)
        first, second = draws(6), draws(size=(6,))
        assert first.dtype == torch.float32 and not torch.equal(first, second)
        assert torch.equal(Draws(0.37, ends=True)(torch.Size([6])), first)
        assert first.min() == 0 and 1 - 1e-6 < first.max() < 1
        assert normal(5, 2).shape == (5, 2) and Draws(0.71, normal=True, ends=True)(10).abs().max() > 4
        assert draws(()).ndim == 0 and draws(1).shape == (1,)
    with plain(torch.float64):
        torch.testing.assert_close(Draws(0.37, ends=True)(6), first.double(), atol=1e-7, rtol=0)


def test_networks_and_fields_say_what_they_want_to_be_told():
    x, t = torch.zeros(3, 2), torch.zeros(3)
    told = Denoiser(2, phase=0.1, labels=4)
    for call, said in [
        (lambda: told(x, t), "the labels should be a tensor of shape (3,)"),
        (lambda: told(x, t, t), "labels should be whole numbers"),
        (lambda: told(x[None], t, t.long()), "x_t should have shape (batch, 2), not (1, 3, 2)"),
        (lambda: Field(1.0)(x, 0.5), "t should be a tensor of shape (3,), one number for each example"),
        (lambda: Mixer(1.0)(x, 3, 2), "x_t should have shape (batch, channels, height, width), not (3, 2)"),
        (lambda: Mixer(1.0)(x[None, None], t, t), "t and s should be numbers: all pictures are at one time"),
        (lambda: Mixer(1.0)(x[None, None], 0.5, 0.25), "t and s should be whole numbers, as they stand in the list, not 0.5 and 0.25"),
        (lambda: Mixer(1.0)(x[None, None], torch.tensor(3.0), 2), "t and s should be whole numbers"),
        (lambda: Mixer(1.0)(x[None, None], 2, 3), "a step leads from t to an earlier time s, not from 2 to 3"),
        (lambda: Field(1.0)(x, t[:1]), "t should have shape (3,), one number for each example, not (1,)"),
    ]:
        with pytest.raises(TypeError) as caught:
            call()
        assert said in str(caught.value)


def test_a_step_mixes_the_pixels_of_a_picture_and_of_no_other():
    """So what is known must enter after each step: it changes what the next step makes of the pixels beside it."""
    x = torch.zeros(2, 3, 3, 3)
    changed = x.clone()
    changed[0, 1, 0, 0] = 1
    moved = Mixer(0.8)(changed, 3, 1) != Mixer(0.8)(x, 3, 1)
    assert moved[0, 1, 0, 0] and moved[0, 1].sum() > 1 and not moved[0, [0, 2]].any() and not moved[1].any()


def test_pictures_of_the_cases_have_known_and_hidden_pixels_and_end_as_known_at_time_0():
    for step, x, known, mask, alpha_bar, times, randn in FILL.cases:
        assert mask.dtype == torch.bool and 0 < mask.float().mean() < 1 and x.shape == known.shape and x.shape[-2:] == mask.shape
        assert times == sorted(set(times), reverse=True) and times[0] < len(alpha_bar)
        randn.calls = 0
        with plain():
            filled = FILL.answer(step, x, known, mask, alpha_bar, times, randn)
        randn.calls = 0
        assert (times[-1] > 0) or torch.equal(filled[..., mask], known[..., mask])
        assert not torch.isclose(filled[..., ~mask], known[..., ~mask]).all()
