"""What is special to the tasks of exercise 01: the measure of its experiment and its settings."""

import numpy as np
import pytest
import torch

from course_lib.grading import CheckFailed
from course_lib.grading.latent_spaces import EXPERIMENT, measure


def test_film_means_gain_nothing_and_the_truth_gains_everything():
    ratings = torch.tensor([[1.0, 5], [3, 4], [2, 1], [4, 2]])
    seen = torch.tensor([[1, 1], [1, 0], [0, 1], [1, 0]]).bool()
    means = torch.tensor([8 / 3, 3.0]).expand(4, 2)
    assert measure(means, ratings, seen, ~seen) == pytest.approx({"gain": 0, "gain on seen": 0}, abs=1e-4)
    assert measure(ratings, ratings, seen, ~seen) == {"gain": 100, "gain on seen": 100}
    half = means + 0.5 * (ratings - means)
    assert measure(half, ratings, seen, ~seen) == pytest.approx({"gain": 75, "gain on seen": 75})


def test_a_number_of_numpy_is_a_rank():
    assert EXPERIMENT.chosen(lambda: {"rank": np.int64(3), "refills": np.int64(10)}) == {"rank": 3, "refills": 10}
    for other in (True, 25, 2.5):
        with pytest.raises(CheckFailed, match="whole number"):
            EXPERIMENT.chosen(lambda other=other: {"rank": other})


def test_a_near_miss_of_the_right_rank_is_close():
    with pytest.raises(CheckFailed, match="Close"):
        EXPERIMENT.check({"gain": 53.9, "gain on seen": 81.0}, {"rank": 3, "refills": 5})
