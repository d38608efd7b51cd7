"""Exercise 07: the experiment's numbers, and the inputs that its tasks are made of."""

import inspect
import math

import pytest
import torch

from course_lib import datasets, metrics
from course_lib.datasets import faces
from course_lib.grading.metrics import BIAS, FRECHET, LIMIT, MEMORISED, OBEDIENCE, PRECISION
from course_lib.grading.metrics.experiment import ATTEMPTS, ROWS, fid_of_sets, fids_by_number, measure, numbers_of_samples, stream
from course_lib.grading.metrics.frechet import truth as frechet

FEATURES = torch.linspace(0.5, 1.5, 4, dtype=torch.float64)


def test_the_stream_looks_normal_and_starts_anywhere():
    x = stream(100_000, 7)
    assert x.dtype == torch.float64 and x.isfinite().all()
    assert abs(x.mean()) < 0.01 and abs(x.std() - 1) < 0.01 and abs((x[1:] * x[:-1]).mean()) < 0.01
    assert torch.equal(stream(50, 17), stream(60, 7)[10:])  # a later start is a later part of the same numbers


def test_the_fid_of_sets_is_the_frechet_distance_of_their_moments():
    a, b = stream(3 * 12 * 4, 0).reshape(3, 12, 4), 1 + stream(3 * 9 * 4, 10**6).reshape(3, 9, 4)
    expected = [frechet(x.mean(0), x.T.cov(), y.mean(0), y.T.cov()) for x, y in zip(a, b)]
    torch.testing.assert_close(fid_of_sets(a, b), torch.stack(expected), rtol=1e-6, atol=1e-6)


def test_numbers_of_samples_are_evenly_spaced_in_their_inverse():
    assert numbers_of_samples(300, 3.0) == [300, 360, 450, 600, 900]
    for repeats in (1, 3):
        values = fids_by_number(FEATURES, [10, 20], repeats, 0)
        assert values.shape == (2,) and (values > 0).all()


def test_the_experiment_measures_the_error_and_counts_the_rows():
    measured = measure(lambda sizes, values, below: (-0.3, 1), FEATURES, 10, 2.0, 3)
    assert measured == pytest.approx({"minus error": -0.3, "rows to spare": ROWS - 2 * 3 * sum(numbers_of_samples(10, 2.0))})
    asked = []
    measure(lambda sizes, values, below: (asked.append((sizes, values)) or 0.0, 1), FEATURES, 12, 3.0, 2)
    assert len(asked) == ATTEMPTS and len({tuple(values.tolist()) for _, values in asked}) == ATTEMPTS
    assert all(sizes.tolist() == numbers_of_samples(12, 3.0) for sizes, _ in asked)


def test_the_line_takes_the_bias_out():
    plain = measure(lambda sizes, values, below: (values[-1], 1), FEATURES, 60, 3.0, 4)["minus error"]
    assert measure(LIMIT.answer, FEATURES, 60, 3.0, 4)["minus error"] > plain / 1.5


def test_what_is_left_out_is_as_in_the_exercises_first_try():
    defaults = {name: value.default for name, value in inspect.signature(measure).parameters.items()}
    assert {key: defaults[key] for key in ("ratio", "repeats")} == {key: BIAS.settings[key] for key in ("ratio", "repeats")}
    for settings in (BIAS.settings, {"smallest": 40}):
        assert BIAS.chosen(lambda settings=settings: settings) == settings


@pytest.mark.parametrize("settings", [{"smallest": 9}, {"smallest": 40.0}, {"smallest": 40, "ratio": 1}, {"smallest": 40, "repeats": 11}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(AssertionError, match="should be a"):
        BIAS.chosen(lambda: settings)


def test_inputs_are_what_the_tasks_promise():
    for mean1, cov1, mean2, cov2 in FRECHET.cases:
        for mean, cov in ((mean1, cov1), (mean2, cov2)):
            assert torch.equal(cov, cov.T) and torch.linalg.eigvalsh(cov).min() > -1e-9 and mean.dtype == cov.dtype == torch.float64
    assert any(torch.linalg.matrix_rank(cov) < len(cov) for _, cov, _, _ in FRECHET.cases)
    for real, fake, k in PRECISION.cases:
        assert k < min(len(real), len(fake))
    for sizes, values, below in LIMIT.cases:
        limit, needed = LIMIT.truth(sizes, values, below)
        assert limit < below and isinstance(needed, int)  # a search for an N with FID(N) ≤ below must come to an end
    for models, train, test in MEMORISED.cases:
        shares, number = MEMORISED.truth(models, train, test)
        assert shares.sort().values.diff().min() > 0 and number < len(models)
        assert models.shape[2:] == train.shape[1:] == test.shape[1:] and math.isfinite(float(shares.sum()))
    for asked, read, seen in OBEDIENCE.cases:
        counts = (asked != -1) & seen
        assert counts.any(1).all() and (asked >= -1).all() and (read >= 0).all() and seen.dtype == torch.bool
    hidden = [(read == asked)[~seen & (asked != -1)] for asked, read, seen in OBEDIENCE.cases]
    assert {right for each in hidden for right in each.tolist()} == {True, False}  # what is hidden would count, either way
    assert sum(int((~((asked != -1) & seen).any(0)).sum()) for asked, _, seen in OBEDIENCE.cases) >= 2  # attributes that count nowhere


def test_obedience_of_real_faces_is_that_of_the_face_network():
    """On faces the task agrees with the library, which counts by attribute."""
    factors = faces.random_factors(200, seed=3)
    x, asked = datasets.to_float(faces.draw(factors)), faces.attributes(factors)
    shares, whole = OBEDIENCE.answer(asked, metrics.predicted_attributes(x), faces.visible(factors, words=True))
    found = metrics.factor_accuracy(x, factors, words=True)
    assert float(shares) == pytest.approx(sum(found.values()) / len(found)) and 0.95 < float(whole) <= float(shares)
