"""Exercise 03: what its checks of networks and its experiment do beyond those of other topics."""

import math
import types

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.grading import CheckFailed
from course_lib.grading.gans import CURE, DCGAN, PENALTY, measure
from course_lib.grading.gans.cure import PACKS
from course_lib.grading.gans.dcgan_generator import broken, dcgan_generator
from course_lib.grading.gans.gradient_penalty import fixed_critic


class Own(nn.Module):
    """A student's class around a generator."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers


def kind(task, answer) -> str:
    with pytest.raises(CheckFailed) as caught:
        task.check(answer)
    return caught.value.kind


def test_every_rule_of_a_generator_has_a_mistake_in_the_same_order():
    rules = broken(dcgan_generator(6, (8, 4, 1)), 6, (8, 4, 1))
    assert list(rules) == [mistake.label for mistake in DCGAN.known] and not any(rules.values())


@pytest.mark.parametrize("layers", [(), (nn.Tanh(),), (nn.Linear(2, 3),), (nn.ConvTranspose2d(6, 1, 4),)])
def test_rules_can_be_asked_of_any_network(layers):
    assert any(broken(nn.Sequential(*layers), 6, (8, 4, 1)).values())


def test_a_generator_may_be_nested_but_not_be_a_class_of_ones_own():
    DCGAN.check(lambda *given: nn.Sequential(dcgan_generator_of(*given)[:-2], *dcgan_generator_of(*given)[-2:]))
    assert kind(DCGAN, lambda *given: Own(dcgan_generator_of(*given))) == "type"
    assert kind(DCGAN, lambda *given: nn.Sequential(*dcgan_generator_of(*given), Own(nn.Sequential()))) == "m1"


def dcgan_generator_of(latents, channels):
    """Written here, for a check refuses what lies in course_lib."""
    layers, a = [], latents
    for i, b in enumerate(channels[:-1]):
        layers += [nn.ConvTranspose2d(a, b, 4, 1 + bool(i), int(bool(i)), bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        a = b
    return nn.Sequential(*layers, nn.ConvTranspose2d(a, channels[-1], 4, 2, 1), nn.Tanh())


def test_building_a_network_in_a_check_leaves_the_random_numbers_alone():
    before = torch.random.get_rng_state()
    DCGAN.check(dcgan_generator_of)
    assert kind(DCGAN, lambda latents, channels: dcgan_generator_of(latents, channels[::-1])) == "m7"
    fixed_critic(2, 3, 3)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("shape", [(2,), (3, 2), (1, 4, 4)])
def test_a_critic_scores_each_example_by_itself_and_passes_slopes_on(shape):
    critic, x = fixed_critic(*shape), torch.linspace(-1, 1, 2 * torch.Size(shape).numel()).reshape(2, *shape)
    assert critic(x).shape == (2,)
    torch.testing.assert_close(critic(x)[1:], critic(x[1:]))
    slope = torch.autograd.functional.jacobian(critic, x)
    assert slope[0, 0].abs().sum() > 0 and not slope[0, 1].any()


def test_a_case_of_the_penalty_has_points_images_and_neither():
    assert {case[1].dim() for case in PENALTY.cases} == {2, 3, 4}


# --------------------------------------------------------------------------------------------------------------------
# The experiment

CENTRES = torch.tensor([[0.0, 0.0], [10.0, 0.0]])


def gan(samples, judge=lambda x: x[:, 0], moved=0.0):
    film = [torch.zeros(5, 2)] * 5 + [torch.full((5, 2), moved / 2**0.5)]
    return types.SimpleNamespace(generator=samples, judge=judge, film=film)


def test_what_is_measured_can_be_counted_by_hand():
    x = CENTRES.repeat(240, 1)

    def all_left(z):
        return 0 * z

    def both(z):  # a quarter on the right, the others far from both modes where z is high
        return torch.where(z[:, :1] > 0.6745, CENTRES[1], torch.where(z[:, 1:] > 0, 5.0, 0.0) * torch.ones(2))

    def left_and_right(z):
        return torch.where(z[:, :1] > 0, CENTRES[1], CENTRES[0])

    assert measure([gan(left_and_right, moved=3.0)], x, CENTRES, 0.1) == pytest.approx(
        {"modes": 2, "good": 1.0, "ahead": 0.25, "moved": 3.0}, abs=2e-3
    )
    two = measure([gan(all_left, moved=1.0), gan(both)], x, CENTRES, 0.1)
    assert two["modes"] == 1 and two["good"] == pytest.approx((1 + 5 / 8) / 2, abs=2e-3) and two["moved"] == pytest.approx(0.5)
    assert math.isnan(measure([gan(lambda z: 0 / (0 * z))], x, CENTRES, 0.1)["good"])


def test_other_parts_are_other_noise_and_the_same_part_the_same():
    seen = []
    for part in (0, 1, 0):
        measure([gan(lambda z: seen.append(z) or z)], CENTRES.repeat(240, 1), CENTRES, 0.1, part=part)
    assert torch.equal(seen[0], seen[2]) and not torch.equal(seen[0], seen[1])
    assert all(z.isfinite().all() and abs(z.mean()) < 0.01 and abs(z.std() - 1) < 0.01 for z in seen)


def test_packs_divide_the_batch_and_numbers_of_numpy_are_settings():
    assert all(120 % pack == 0 for pack in PACKS) and sorted(CURE.settings) == ["critic_steps", "pack", "penalty", "rate"]
    assert CURE.chosen(lambda: {"rate": np.float32(0.25), "pack": np.int64(2)}) == {"rate": 0.25, "pack": 2}
    for refused in ({"rate": 0}, {"rate": 0.01, "pack": 7}, {"rate": 0.01, "critic_steps": 1.5}, {"rate": 0.01, "penalty": -1}):
        with pytest.raises(CheckFailed, match="should be"):
            CURE.chosen(lambda refused=refused: refused)


@pytest.mark.parametrize("near", [{"modes": 7, "good": 0.84, "ahead": 0.5}, {"modes": 8, "good": 0.84, "ahead": 0.5}])
def test_a_near_miss_is_told_to_keep_tuning(near):
    with pytest.raises(CheckFailed, match="keep tuning"):
        CURE.check(near | {"moved": 0.4}, {"rate": 0.01, "pack": 2})
