"""Distances between sets, and likelihoods, against closed forms, SciPy, scikit-learn, enumeration and loops by hand.

`test_metrics.py` has the Fréchet distance of features against SciPy's matrix root, and the digit network.
"""

import copy
import itertools
import math
import pickle
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from scipy.spatial import distance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import polynomial_kernel, rbf_kernel
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from course_lib import datasets, metrics
from course_lib.metrics import (
    GreyLevels,
    Moments,
    Score,
    bits_per_dim,
    c2st,
    cubic_kernel,
    density_coverage,
    digit_probabilities,
    frechet_distance,
    gaussian_distance,
    gaussian_kernel,
    importance_sampled,
    inception_features,
    inception_score,
    jackknife_error,
    kid,
    kid_error,
    kid_fast,
    levels_log_prob,
    memorisation,
    mmd,
    moments,
    nats_to_bits,
    nearest_distances,
    neighbour_scores,
    neighbour_scores_fast,
    perplexity,
    precision_recall,
    predicted_digits,
    sinkhorn,
    sliced_wasserstein,
    transport_plan_1d,
    wasserstein_1d,
)
from course_lib.metrics import coverage as coverage_module
from course_lib.metrics import inception as inception_module
from course_lib.metrics import kernels as kernels_module

BLOCKS = (coverage_module, kernels_module)
seeds = st.integers(0, 9999)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def correlated(n, dims, seed=0):
    """Features with a full covariance and a mean."""
    return normal(n, dims, seed=seed) @ normal(dims, dims, seed=seed + 1) + normal(dims, seed=seed + 2)


def turned(dims, seed=0):
    return torch.linalg.qr(normal(dims, dims, seed=seed))[0]


def covariance(dims, seed=0):
    root = normal(dims, dims, seed=seed)
    return root @ root.T


@pytest.fixture(params=[1000, 7], ids=["whole", "in_blocks"])
def blocks(request, monkeypatch):
    """Everything at once, and a few rows at a time with a rest."""
    for module in BLOCKS:
        monkeypatch.setattr(module, "BLOCK", request.param)


# --- a number and how it was measured


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (Score(1.23456, 10_000), "1.235 (n = 10,000)"),
        (Score(0.5, 200, 3000), "0.5 (n = 200 against 3,000)"),
        (Score(-0.00012, 5, 6, 0.0346), "-0.00012 ± 0.035 (n = 5 against 6)"),
        (Score(0.0, 5, error=0.0), "0 ± 0 (n = 5)"),
    ],
)
def test_a_score_prints_how_many_it_has_seen(score, text):
    assert repr(score) == str(score) == text


def test_a_score_is_a_number():
    score = Score(2.5, 7, 8, 0.1)
    assert isinstance(score, float) and score == 2.5 and score + 1 == 3.5 and f"{score:.2f}" == "2.50"
    for same in (copy.deepcopy(score), pickle.loads(pickle.dumps(score))):
        assert (float(same), same.samples, same.reference, same.error) == (2.5, 7, 8, 0.1)


@pytest.mark.parametrize(
    ("measure", "error"),
    [
        (frechet_distance, False),
        (mmd, False),
        (partial(kid, subsets=3, size=10), True),
        (partial(mmd, kernel=gaussian_kernel), False),
        (sliced_wasserstein, False),
        (lambda a, b: wasserstein_1d(a[:, 0], b[:, 0]), False),
        (lambda a, b: frechet_distance(Moments().update(a), b), False),
    ],
)
def test_every_score_knows_its_numbers(measure, error):
    score = measure(normal(20, 3), normal(30, 3))
    assert (score.samples, score.reference) == (20, 30) and "n = 20 against 30" in repr(score)
    assert (score.error is not None) == error


def test_coverage_knows_its_numbers():
    for measure in (neighbour_scores, neighbour_scores_fast, precision_recall, density_coverage):
        found = measure(normal(30, 3), normal(20, 3))
        assert (found.samples, found.reference) == (20, 30)


COMPARISONS = [
    frechet_distance,
    partial(kid, subsets=2, size=4),
    partial(kid_fast, subsets=2, size=4),
    mmd,
    sliced_wasserstein,
    partial(neighbour_scores, k=2, k_density=1),
    partial(neighbour_scores_fast, k=2, k_density=1),
    partial(precision_recall, k=2),
    partial(density_coverage, k=2),
]


@pytest.mark.parametrize("measure", COMPARISONS)
@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(6), torch.zeros(6, 2), r"\(n, d\) with n of 2 or more; got \(6,\)"),
        (torch.zeros(6, 2), torch.zeros(6, 2, 1), r"\(n, d\) with n of 2 or more; got \(6, 2, 1\)"),
        (torch.zeros(1, 2), torch.zeros(6, 2), r"n of 2 or more; got \(1, 2\)"),
        (torch.zeros(6, 0), torch.zeros(6, 0), r"got \(6, 0\)"),
        (torch.zeros(6, 2), torch.zeros(6, 3), r"the same features; got \(6, 2\) and \(6, 3\)"),
        (torch.zeros(6, 2), torch.full((6, 2), torch.nan), "must be finite"),
        (torch.full((6, 2), -torch.inf), torch.zeros(6, 2), "must be finite"),
    ],
)
def test_features_that_do_not_fit_get_one_sentence(measure, a, b, message):
    with pytest.raises(ValueError, match=message) as error:
        measure(a, b)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("measure", COMPARISONS)
def test_arrays_tensors_and_types_give_the_same(measure):
    a, b = ((8 * normal(n, 3, seed=n)).round() / 4 for n in (12, 9))
    truth = measure(a, b)
    others = [(a.numpy(), b.numpy()), (a.float(), b), (a.half(), b.bfloat16()), (a.clone().requires_grad_(), b), (a.tolist(), b.tolist())]
    assert all(measure(*other) == truth for other in others)
    whole = measure((4 * a).long(), (4 * b).int())
    assert whole == pytest.approx(measure(4 * a, 4 * b))


# --- Fréchet distance


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-5, 5)] * 2, *[st.floats(0, 5)] * 2), min_size=1, max_size=6), seeds)
def test_distance_of_gaussians_with_the_same_axes(axes, seed):
    # with common axes the distance is ‖μ₁ − μ₂‖² + Σ(σ₁ − σ₂)²; a σ may be 0
    mean_a, mean_b, std_a, std_b = torch.tensor(axes, dtype=torch.float64).T
    turn = turned(len(axes), seed)
    covs = [turn @ torch.diag(std**2) @ turn.T for std in (std_a, std_b)]
    truth = ((mean_a - mean_b) ** 2 + (std_a - std_b) ** 2).sum().item()
    assert gaussian_distance(turn @ mean_a, covs[0], turn @ mean_b, covs[1]) == pytest.approx(truth, rel=1e-6, abs=2e-5)


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_distance_of_gaussians_in_the_plane_with_different_axes(seed):
    # of a 2 × 2 matrix M with eigenvalues a², b²: (a + b)² = tr M + 2 √det M
    means, covs = normal(2, 2, seed=seed), [covariance(2, seed + i) for i in (1, 2)]
    product = covs[0] @ covs[1]
    root = (product.trace() + 2 * product.det().sqrt()).sqrt()
    truth = ((means[0] - means[1]) ** 2).sum() + covs[0].trace() + covs[1].trace() - 2 * root
    assert gaussian_distance(means[0], covs[0], means[1], covs[1]) == pytest.approx(truth.item(), rel=1e-7, abs=1e-7)


def test_fid_approaches_the_distance_of_the_gaussians_from_above():
    mean, stds = torch.tensor([1.0, 0.0, -2.0]), torch.tensor([2.0, 0.5, 1.0])
    truth = (mean**2 + (1 - stds) ** 2).sum().item()
    errors = [
        np.mean([frechet_distance(normal(n, 3, seed=2 * i), normal(n, 3, seed=2 * i + 1) * stds + mean) - truth for i in range(400)])
        for n in (10, 40, 4000)
    ]
    assert errors[0] > 2 * errors[1] > 0 and errors[2] == pytest.approx(0, abs=0.02)


def test_equal_distributions_bias_fid_but_not_kid():
    fid, unbiased, biased = {}, {}, {}
    for n in (6, 24, 96):
        pairs = [(normal(n, 4, seed=2 * i), normal(n, 4, seed=2 * i + 1)) for i in range(300)]
        fid[n] = np.mean([frechet_distance(*pair) for pair in pairs])
        unbiased[n] = np.array([mmd(*pair) for pair in pairs])
        biased[n] = np.mean([mmd(*pair, biased=True) for pair in pairs])
        assert abs(unbiased[n].mean()) < 3.5 * unbiased[n].std() / math.sqrt(300)
        assert (unbiased[n] < 0).mean() > 0.3
    for found in (fid, biased):
        assert found[6] > 2 * found[24] > 4 * found[96] > 0


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_singular_covariances_agree_with_the_sum_of_singular_values(rank):
    # more rows than features, but on a subspace: neither has a Cholesky factor. tr (Σ₁Σ₂)^½ is the nuclear norm of A·Bᵀ
    a, b = normal(40, rank, seed=1) @ normal(rank, 8, seed=2), normal(30, rank, seed=3) @ normal(rank, 8, seed=4) + 1
    centred = [((x - x.mean(0)) / math.sqrt(len(x) - 1)).numpy() for x in (a, b)]
    truth = ((a.mean(0) - b.mean(0)) ** 2).sum().item() + sum((x**2).sum() for x in centred)
    truth -= 2 * np.linalg.norm(centred[0] @ centred[1].T, "nuc")
    for first, second in ((a, b), (b, a)):
        assert frechet_distance(first, second) == pytest.approx(truth, rel=1e-6)


def test_a_constant_feature_takes_the_other_path_to_the_same_distance():
    a, b = correlated(50, 4), correlated(60, 4, seed=9)
    dead = [torch.cat([x, torch.full((len(x), 1), 3.0)], 1) for x in (a, b)]
    assert torch.linalg.cholesky_ex(moments(dead[0])[1]).info > 0 and torch.linalg.cholesky_ex(moments(a)[1]).info == 0
    assert frechet_distance(*dead) == pytest.approx(frechet_distance(a, b), rel=1e-9)


@pytest.mark.parametrize("sizes", [(5, 5), (3, 11), (4, 200), (12, 12)])
def test_few_rows_give_what_their_covariances_give(sizes):
    a, b = correlated(sizes[0], 12), correlated(sizes[1], 12, seed=5)
    truth = gaussian_distance(*moments(a), *moments(b))
    found = frechet_distance(a, b)
    assert found == pytest.approx(truth, rel=1e-6) and (found.samples, found.reference) == sizes
    assert frechet_distance(Moments().update(a), b) == pytest.approx(truth, rel=1e-12)


def test_many_features_have_the_same_moments_and_distance():
    # Inception has 2,048: large matrices may be multiplied by parts
    a, b = normal(340, 301), 1.5 * normal(330, 301, seed=1) @ turned(301) + 0.1
    np.testing.assert_allclose(moments(a)[1], np.cov(a.numpy(), rowvar=False), atol=1e-12)
    roots = np.sqrt(np.linalg.eigvals(np.cov(a.numpy(), rowvar=False) @ np.cov(b.numpy(), rowvar=False)).real)
    truth = ((a.mean(0) - b.mean(0)) ** 2).sum().item() + np.var(a.numpy(), 0, ddof=1).sum() + np.var(b.numpy(), 0, ddof=1).sum()
    assert frechet_distance(a, b) == pytest.approx(truth - 2 * roots.sum(), rel=1e-8)


# --- moments in parts


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(0, 40), max_size=8), seed=seeds, offset=st.sampled_from([0.0, 1e3, 1e6]))
def test_moments_in_any_parts_are_those_of_all_at_once(cuts, seed, offset):
    x = correlated(40, 3, seed) + offset
    ends = sorted({0, 40, *cuts})
    seen = Moments()
    for start, end in itertools.pairwise(ends):
        assert seen.update(x[start:end]) is seen
    assert seen.n == 40 and seen.mean.dtype == seen.cov.dtype == torch.float64
    np.testing.assert_allclose(seen.mean, x.numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(seen.cov, np.cov(x.numpy(), rowvar=False), rtol=1e-7, atol=1e-9)
    assert frechet_distance(seen, seen) == pytest.approx(0, abs=1e-7)


def test_a_large_mean_costs_no_digits():
    a, b = correlated(60, 4), correlated(50, 4, seed=7)
    for n in (60, 3):  # with covariances, and without
        truth = frechet_distance(a[:n], b[:n])
        assert frechet_distance(a[:n] + 1e6, b[:n] + 1e6) == pytest.approx(truth, rel=1e-6)
        # the sum of squares less the square of the sum, kept in float32, would have lost every digit
        assert frechet_distance((a[:n] + 1000).float(), (b[:n] + 1000).float()) == pytest.approx(truth, rel=1e-3)


def test_moments_and_features_mix():
    a, b = correlated(30, 4), correlated(25, 4, seed=3)
    truth = frechet_distance(a, b)
    streamed = [Moments().update(x[:10]).update(x[10:]) for x in (a, b)]
    for pair in (streamed, (streamed[0], b), (a, streamed[1]), (streamed[0], b.numpy())):
        found = frechet_distance(*pair)
        assert found == pytest.approx(truth, rel=1e-9) and (found.samples, found.reference) == (30, 25)


def test_moments_name_what_is_missing():
    seen = Moments()
    with pytest.raises(ValueError, match="2 rows or more; seen so far: 0"):
        _ = seen.cov
    with pytest.raises(ValueError, match="seen so far: 1"):
        _ = seen.update(normal(1, 3)).cov
    with pytest.raises(ValueError, match="3 columns as before; got 2"):
        seen.update(normal(5, 2))
    with pytest.raises(ValueError, match="finite"):
        seen.update(torch.full((2, 3), torch.inf))
    assert seen.n == 1  # what was refused has left no trace
    with pytest.raises(ValueError, match=r"got \(1, 3\)"):
        moments(normal(1, 3))


# --- kernels


def test_kernels_equal_scikit_learn():
    u, v = normal(9, 5), normal(7, 5, seed=1)
    np.testing.assert_allclose(cubic_kernel(u, v), polynomial_kernel(u, v, degree=3, gamma=1 / 5, coef0=1), rtol=1e-12)
    for h in (0.5, 3.0):
        np.testing.assert_allclose(gaussian_kernel(u, v, h), rbf_kernel(u, v, gamma=1 / (2 * h**2)), rtol=1e-10)
    assert torch.equal(u, normal(9, 5))  # in place only on their own


def by_hand(a, b, kernel, biased=False):
    """Every pair, one at a time."""
    total = 0.0
    for x in (a, b):
        pairs = [kernel(p, q) for i, p in enumerate(x) for j, q in enumerate(x) if biased or i != j]
        total += sum(pairs) / len(pairs)
    return total - 2 * np.mean([kernel(p, q) for p in a for q in b])


@pytest.mark.parametrize("biased", [False, True])
def test_kernel_distances_equal_a_loop_over_pairs(biased, blocks):
    a, b = correlated(17, 3).numpy(), correlated(23, 3, seed=5).numpy()
    found = mmd(a, b, biased=biased)
    assert found == pytest.approx(by_hand(a, b, lambda p, q: (p @ q / 3 + 1) ** 3, biased), rel=1e-9)
    gaussian = mmd(a, b, partial(gaussian_kernel, bandwidth=2.0), biased)
    assert gaussian == pytest.approx(by_hand(a, b, lambda p, q: math.exp(-((p - q) ** 2).sum() / 8), biased), rel=1e-9)
    assert mmd(b, a, biased=biased) == pytest.approx(found, rel=1e-9)


def test_a_biased_distance_of_equal_sets_is_zero_and_never_below():
    x = correlated(12, 3)
    assert mmd(x, x.flip(0), biased=True) == pytest.approx(0, abs=1e-9) and mmd(x, x) < 0
    assert all(mmd(normal(5, 2, seed=i), normal(5, 2, seed=i + 50), gaussian_kernel, biased=True) >= 0 for i in range(50))


@pytest.mark.parametrize("n", [2, 5, 40])
def test_kernel_distance_is_right_on_average_for_any_number(n):
    # E (xy + 1)³ of independent x and y is 1 + 3 m m' + 3 q q' + c c', with their first three moments
    a, b = stats.norm(0.5, 1), stats.norm(-0.2, 1.4)
    (m, q, c), (m2, q2, c2) = ([dist.moment(i) for i in (1, 2, 3)] for dist in (a, b))
    truth = 3 * (m - m2) ** 2 + 3 * (q - q2) ** 2 + (c - c2) ** 2
    found = np.array([mmd(normal(n, 1, seed=2 * i) + 0.5, 1.4 * normal(n, 1, seed=2 * i + 1) - 0.2) for i in range(1000)])
    assert found.mean() == pytest.approx(truth, abs=3.5 * found.std() / math.sqrt(len(found)))
    if n == 40:
        assert found.std() / math.sqrt(len(found)) < 0.1 * truth


def test_gaussian_kernel_distance_of_two_gaussians():
    # E k = (h²/(h² + σ₁² + σ₂²))^(d/2) exp(−‖μ₁ − μ₂‖² / 2(h² + σ₁² + σ₂²))
    h, s, shift, d, n = 1.5, 0.7, torch.tensor([1.0, 0.0, 0.5]), 3, 300

    def expected(variance, gap=0.0):
        total = h**2 + variance
        return (h**2 / total) ** (d / 2) * math.exp(-gap / (2 * total))

    truth = expected(2) + expected(2 * s**2) - 2 * expected(1 + s**2, shift.square().sum().item())
    kernel = partial(gaussian_kernel, bandwidth=h)
    pairs = [(normal(n, d, seed=2 * i), s * normal(n, d, seed=2 * i + 1) + shift) for i in range(30)]
    found = np.array([mmd(*pair, kernel) for pair in pairs])
    error = found.std() / math.sqrt(30)
    assert error < 0.03 * truth and found.mean() == pytest.approx(truth, abs=3.5 * error)
    # every point's likeness to itself is 1: what that adds on average is known too
    extra = (2 - expected(2) - expected(2 * s**2)) / n
    assert np.mean([mmd(*pair, kernel, biased=True) for pair in pairs]) - found.mean() == pytest.approx(extra, rel=0.02)


@pytest.mark.parametrize("kid", [kid, kid_fast])
@pytest.mark.parametrize("seed", [0, 5])
def test_kid_equals_a_loop_over_its_subsets(kid, seed, blocks):
    a, b, subsets, size = correlated(23, 4), correlated(17, 4, seed=5), 6, 9
    generator, values = torch.Generator().manual_seed(seed), []
    for _ in range(subsets):
        x, y = (v[torch.randperm(len(v), generator=generator)[:size]].numpy() for v in (a, b))
        own = [polynomial_kernel(v, degree=3, gamma=1 / 4, coef0=1) for v in (x, y)]
        between = polynomial_kernel(x, y, degree=3, gamma=1 / 4, coef0=1)
        values.append(sum((k.sum() - np.trace(k)) / (size * (size - 1)) for k in own) - 2 * between.mean())
    found = kid(a, b, subsets, size, seed)
    assert found == pytest.approx(np.mean(values), rel=1e-9)
    assert found.error == pytest.approx(np.std(values, ddof=1), rel=1e-9)


def test_kid_of_all_rows_is_the_distance_of_all_pairs():
    a, b = correlated(20, 3), correlated(20, 3, seed=4)
    found = kid(a, b, subsets=5, size=20)
    assert found == pytest.approx(mmd(a, b), rel=1e-9) and found.error == pytest.approx(0, abs=1e-9)
    assert kid(a, b, subsets=1, size=8).error is None


def test_kid_of_equal_distributions_is_within_its_error_which_falls_with_size():
    a, b = normal(600, 8), normal(600, 8, seed=1)
    small, large = kid(a, b, 60, 20), kid(a, b, 60, 200)
    for found in (small, large):
        assert abs(found) < found.error
    assert small.error > 5 * large.error > 0
    assert abs(kid(a, b + 1, 60, 200)) > 5 * large.error


@pytest.mark.parametrize(("subsets", "size"), [(10, 1), (10, 13), (0, 5), (10, 0)])
def test_subsets_that_cannot_be_are_named(subsets, size):
    for measure in (kid, kid_fast):
        with pytest.raises(ValueError, match=rf"2 to 12 rows, and there must be one or more; got {subsets} of {size}"):
            measure(normal(20, 3), normal(12, 3), subsets, size)


# --- invariances


def moved(name, x, seed=3):
    """Rows in another order, features turned, or moved and scaled as well."""
    if name == "order":
        return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + len(x)))]
    turn = turned(x.shape[1], seed)
    return x @ turn if name == "turned" else x + 3 * turn[0] if name == "moved" else 2.5 * x


SAME_UNDER = [
    (frechet_distance, "order turned moved"),
    (mmd, "order turned"),
    (partial(mmd, kernel=gaussian_kernel), "order turned moved"),
    (precision_recall, "order turned moved scaled"),
    (density_coverage, "order turned moved scaled"),
    (lambda a, b: sliced_wasserstein(a, b), "order moved"),
    (lambda a, b: memorisation(a, b, b[:20] + 0.1).closer, "order"),
]


@pytest.mark.parametrize(("measure", "motion"), [(m, name) for m, names in SAME_UNDER for name in names.split()])
def test_motions_of_all_features_change_nothing(measure, motion):
    a, b = correlated(40, 5), correlated(50, 5, seed=1)
    assert measure(moved(motion, a), moved(motion, b)) == pytest.approx(measure(a, b), rel=1e-7)


def test_what_motions_do_change():
    a, b = correlated(40, 5), correlated(50, 5, seed=1)
    assert frechet_distance(2.5 * a, 2.5 * b) == pytest.approx(2.5**2 * frechet_distance(a, b))
    assert sliced_wasserstein(2.5 * a, 2.5 * b) == pytest.approx(2.5 * sliced_wasserstein(a, b))
    # the cubic kernel has an origin: KID compares moments about it
    assert mmd(a + 3, b + 3) != pytest.approx(mmd(a, b), rel=0.1)
    # lines are drawn, so turning the features is like another seed
    turn = turned(5)
    assert sliced_wasserstein(a @ turn, b @ turn, projections=5000) == pytest.approx(sliced_wasserstein(a, b, projections=5000), rel=0.03)


@pytest.mark.parametrize("measure", [frechet_distance, mmd, sliced_wasserstein])
def test_distances_are_symmetric(measure):
    for n, m in ((30, 20), (4, 20), (4, 3)):
        a, b = correlated(n, 6), correlated(m, 6, seed=2)
        assert measure(a, b) == pytest.approx(measure(b, a), rel=1e-9)


# --- precision and recall


def neighbours(x, k):
    return NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(x).kneighbors(x)[0][:, k]


@pytest.mark.parametrize("k", [1, 3, 8])
@pytest.mark.parametrize("sizes", [(30, 40), (40, 30), (9, 9)])
def test_precision_and_recall_equal_loops(k, sizes, blocks):
    real, fake = (x.numpy() for x in (correlated(sizes[0], 3), correlated(sizes[1], 3) + 0.7))
    between, of_real, of_fake = distance.cdist(real, fake), neighbours(real, k), neighbours(fake, k)
    found = precision_recall(real, fake, k)
    assert found.precision == pytest.approx(np.mean([any(row[j] <= r for row, r in zip(between, of_real)) for j in range(len(fake))]))
    assert found.recall == pytest.approx(np.mean([any(d <= r for d, r in zip(row, of_fake)) for row in between]))
    dense = density_coverage(real, fake, k)
    count = sum(between[i, j] <= of_real[i] for i in range(len(real)) for j in range(len(fake)))
    assert dense.density == pytest.approx(count / (k * len(fake)))
    assert dense.coverage == pytest.approx(np.mean([row.min() <= r for row, r in zip(between, of_real)]))


@pytest.mark.parametrize("ks", [(1, 6), (6, 1), (3, 5)])
def test_all_four_at_once_keep_their_own_neighbour(ks, blocks):
    real, fake = correlated(30, 3), correlated(40, 3, seed=1) + 0.7
    apart = (*precision_recall(real, fake, ks[0])[:2], *density_coverage(real, fake, ks[1]))
    assert neighbour_scores(real, fake, *ks) == pytest.approx(apart)
    assert neighbour_scores_fast(real, fake, *ks) == pytest.approx(apart)


def test_swapping_real_and_fake_swaps_precision_and_recall():
    a, b = correlated(40, 4), correlated(60, 4) * 0.6
    there, back = precision_recall(a, b), precision_recall(b, a)
    assert there[:2] == back[1::-1] and there.precision != there.recall
    assert there[2:] == (60, 40) and back[2:] == (40, 60)


def test_a_collapsed_generator_is_precise_and_one_that_is_too_wide_recalls():
    real = normal(400, 4)
    collapsed, wide = real.mean(0) + 0.05 * normal(300, 4, seed=1), 4 * normal(300, 4, seed=1)
    found = precision_recall(real, collapsed)
    assert found.precision > 0.95 and found.recall < 0.05
    assert density_coverage(real, collapsed).coverage < 0.3
    found = precision_recall(real, wide)
    assert found.precision < 0.3 and found.recall > 0.95
    assert density_coverage(real, wide).density < 0.1
    # one mode of two: all real, half of the data
    two = torch.cat([real - 20, real + 20])
    found, dense = precision_recall(two, normal(400, 4, seed=2) - 20), density_coverage(two, normal(400, 4, seed=2) - 20)
    assert found.precision > 0.85 and found.recall == pytest.approx(0.5, abs=0.08)
    assert dense.coverage == pytest.approx(0.5, abs=0.06) and dense.density == pytest.approx(1, abs=0.15)


def test_more_of_the_same_is_as_dense_as_the_data():
    # with the same distribution a real point's k-th neighbour is the (k + 1)-th of k + 1 numbers among n: density is 1 on average
    found = [density_coverage(normal(80, 3, seed=2 * i), normal(80, 3, seed=2 * i + 1)) for i in range(60)]
    density, covered = np.mean([[x.density, x.coverage] for x in found], 0)
    assert density == pytest.approx(1, abs=0.05)
    # none of m new ones is nearer than the k-th of n − 1 old ones: the chance that the k least of all are old
    missed = math.prod((79 - i) / (159 - i) for i in range(5))
    assert covered == pytest.approx(1 - missed, abs=0.01)


def test_one_stray_sample_cannot_claim_coverage():
    # k + 1 samples far off in all directions reach over all of the data: recall believes them, coverage does not
    real, stray = normal(200, 2), 100 * torch.tensor([[1.0, 0], [-1, 0.1], [0, 1], [0.2, -1]], dtype=torch.float64)
    assert precision_recall(real, stray).recall == 1 and density_coverage(real, stray, k=3).coverage == 0


@pytest.mark.parametrize("measure", [precision_recall, density_coverage, neighbour_scores])
@pytest.mark.parametrize("k", [0, 9, 20, -1])
def test_neighbours_that_are_not_there_are_named(measure, k):
    with pytest.raises(ValueError, match=f"k must be 1 to 8 with 20 real and 9 fake rows; got {k}"):
        measure(normal(20, 2), normal(9, 2), k)


# --- memorisation


@pytest.mark.parametrize("shape", [(6,), (1, 4, 4)])
def test_nearest_distances_equal_a_loop(shape, blocks):
    a, b = normal(31, *shape, dtype=torch.float32), normal(27, *shape, seed=1, dtype=torch.float32)
    truth = [min(((p - q) ** 2).sum().sqrt().item() for q in b) for p in a]
    np.testing.assert_allclose(nearest_distances(a, b), truth, rtol=1e-5)
    assert nearest_distances(a, a).max() < 3e-3  # in float32
    assert nearest_distances((20 * a).byte(), (20 * b).byte()).shape == (31,)


def test_copies_new_images_and_bad_ones_are_told_apart():
    train, test, new = (normal(500, 8, seed=s) for s in (0, 1, 2))
    copies = memorisation(train[:200] + 0.01 * normal(200, 8, seed=3), train, test)
    assert copies.closer > 0.99 and copies.copies == 1 and copies.distance < 0.1 * copies.fresh
    fresh = memorisation(new, train, test)
    assert fresh.closer == pytest.approx(0.5, abs=0.06) and fresh.copies == pytest.approx(0.01, abs=0.015)
    assert fresh.distance == pytest.approx(fresh.fresh, rel=0.05)
    half = memorisation(torch.cat([train[:250], new[:250]]), train, test)
    assert half.closer == pytest.approx(0.75, abs=0.04) and half.copies == pytest.approx(0.505, abs=0.02)
    assert memorisation(5 * new, train, test).closer < 0.05


def test_memorisation_equals_counting_by_hand():
    samples, train, test = normal(31, 1, 3, 3), normal(40, 1, 3, 3, seed=1), normal(51, 1, 3, 3, seed=2)
    near = [distance.cdist(x.flatten(1), train.flatten(1)).min(1) for x in (samples, test)]
    found = memorisation(samples, train, test)
    assert found.closer == pytest.approx(np.mean([s < t for s in near[0] for t in near[1]]))
    assert found.copies == pytest.approx(np.mean(near[0] < np.quantile(near[1], 0.01)))
    assert [found.distance, found.fresh] == pytest.approx([np.median(d) for d in near], rel=1e-5)


def test_real_digits_are_no_copies_of_other_digits():
    train, test = (datasets.load("mnist_small", split) for split in ("train", "test"))
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))
    x = test.images()[order]
    found = memorisation(x[:400], train.images(), x[400:800])
    assert found.closer == pytest.approx(0.5, abs=0.06) and found.copies < 0.05
    assert memorisation(train.images()[order], train.images(), x).copies == 1


@pytest.mark.parametrize(("a", "b"), [((5, 3), (5, 4)), ((5, 3), (0, 3)), ((5, 1, 2, 2), (5, 5))])
def test_rows_of_different_size_are_named(a, b):
    with pytest.raises(ValueError, match="the same size a row, and b one row or more; got "):
        nearest_distances(torch.zeros(a), torch.zeros(b))


# --- Wasserstein

numbers = st.lists(st.floats(-100, 100), min_size=1, max_size=25)


@settings(max_examples=150, deadline=None)
@given(numbers, numbers)
def test_wasserstein_1_equals_scipy(a, b):
    found = wasserstein_1d(torch.tensor(a), np.array(b))
    assert found == pytest.approx(stats.wasserstein_distance(np.float32(a), b), rel=1e-9, abs=1e-9)
    assert (found.samples, found.reference) == (len(a), len(b))


@settings(max_examples=80, deadline=None)
@given(seeds, st.integers(1, 8), st.integers(1, 8), st.sampled_from([1, 1.5, 2, 3]))
def test_wasserstein_p_equals_the_best_assignment(seed, n, m, p):
    # each point is repeated until both sets have n·m: then the best plan is an assignment
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.normal(1, 2, size=m)
    cost = np.abs(a.repeat(m)[:, None] - b.repeat(n)) ** p
    rows, columns = optimize.linear_sum_assignment(cost)
    assert wasserstein_1d(a, b, p) == pytest.approx(cost[rows, columns].mean() ** (1 / p), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(numbers, st.floats(-50, 50), st.sampled_from([1, 2, 4]))
def test_wasserstein_of_shifted_and_repeated_sets(a, shift, p):
    a = torch.tensor(a, dtype=torch.float64)
    assert wasserstein_1d(a, a + shift, p) == pytest.approx(abs(shift), rel=1e-9, abs=1e-9)
    assert wasserstein_1d(a, (a + shift).repeat(3).flip(0), p) == pytest.approx(abs(shift), rel=1e-9, abs=1e-9)


def test_wasserstein_2_of_gaussians():
    # between the quantiles of N(0, 1) and N(3, 2²): √(3² + 1²)
    levels = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    z = math.sqrt(2) * torch.erfinv(2 * levels - 1)
    assert wasserstein_1d(z, 3 + 2 * z, p=2) == pytest.approx(math.sqrt(10), rel=1e-3)
    assert wasserstein_1d(z, 3 + 2 * z[::3], p=2) == pytest.approx(math.sqrt(10), rel=1e-3)


@pytest.mark.parametrize(
    ("a", "b", "p"), [([], [1.0], 1), ([1.0], [[1.0]], 1), ([np.nan], [1.0], 1), ([1.0], [np.inf], 2), ([1.0], [2.0], 0.5)]
)
def test_numbers_that_cannot_be_compared_are_named(a, b, p):
    with pytest.raises(ValueError, match="not empty, finite, and p 1 or more; got "):
        wasserstein_1d(np.array(a), np.array(b), p)


@pytest.mark.parametrize("sizes", [(20, 20), (21, 8)])
@pytest.mark.parametrize("p", [1, 2])
def test_sliced_distance_is_the_mean_over_its_lines(sizes, p):
    a, b = correlated(sizes[0], 3), correlated(sizes[1], 3, seed=5)
    lines = torch.randn(3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    lines = lines / lines.square().sum(0).sqrt()
    truth = np.mean([wasserstein_1d(a @ line, b @ line, p) ** p for line in lines.T]) ** (1 / p)
    assert sliced_wasserstein(a, b, p, projections=6, seed=4) == pytest.approx(truth, rel=1e-9)


def test_sliced_distance_in_the_plane_is_the_mean_over_evenly_spread_lines():
    a, b = normal(60, 2), 2 * normal(60, 2, seed=1) + 1
    angles = np.arange(180) * np.pi / 180
    lines = np.stack([np.cos(angles), np.sin(angles)], 1)
    expected = np.mean([stats.wasserstein_distance(a.numpy() @ line, b.numpy() @ line) for line in lines])
    assert sliced_wasserstein(a, b, p=1, projections=180) == pytest.approx(expected, rel=1e-9)
    # a move by one in any direction has the mean of |cos|
    moved = sliced_wasserstein(a, a + torch.tensor([0.6, 0.8], dtype=torch.float64), p=1, projections=180)
    assert moved == pytest.approx(2 / math.pi, rel=1e-3)
    assert sliced_wasserstein(a, a.flip(0), p=1) == 0


def test_sliced_distance_of_one_feature_is_exact():
    a, b = normal(30, 1), 2 * normal(20, 1, seed=1) + 1
    assert sliced_wasserstein(a, b, p=1) == pytest.approx(stats.wasserstein_distance(a[:, 0], b[:, 0]), rel=1e-9)
    assert sliced_wasserstein(a, b, p=1, projections=1, seed=8) == pytest.approx(sliced_wasserstein(a, b, p=1), rel=1e-9)


@pytest.mark.parametrize("dims", [2, 10])
def test_sliced_distance_of_shifted_sets(dims):
    # the shadow of a shift on a random line has the mean square ‖shift‖²/d
    x, shift = correlated(15, dims), normal(dims, seed=8)
    found = sliced_wasserstein(x, x + shift, projections=20_000)
    assert found == pytest.approx((shift.norm() / math.sqrt(dims)).item(), rel=0.03)
    assert sliced_wasserstein(x, x.flip(0)) == pytest.approx(0, abs=1e-9)


# --- plans


def weights(n, seed, total=1.0, zeros=False):
    rng = np.random.default_rng(seed)
    w = rng.dirichlet(np.ones(n))
    if zeros and n > 1:
        w[rng.integers(n)] = 0
    return w * total / w.sum()


def exact_cost(p, q, cost):
    """The transport problem as a linear programme."""
    n, m = cost.shape
    sums = np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    return optimize.linprog(cost.reshape(-1), A_eq=sums[:-1], b_eq=np.concatenate([p, q])[:-1], method="highs").fun


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), seeds, st.sampled_from([1.0, 4.0]), st.sampled_from([1, 2, 3]))
def test_the_plan_on_a_line_is_the_best_for_every_convex_cost(n, m, seed, total, power):
    p, q = weights(n, seed, total, zeros=True), weights(m, seed + 1, total, zeros=True)
    plan = transport_plan_1d(p, torch.tensor(q))
    assert plan.shape == (n, m) and plan.min() >= 0
    np.testing.assert_allclose(plan.sum(1), p, atol=1e-12)
    np.testing.assert_allclose(plan.sum(0), q, atol=1e-12)
    cost = np.abs(np.arange(n)[:, None] - np.arange(m)) ** float(power)
    assert (plan.numpy() * cost).sum() == pytest.approx(exact_cost(p, q, cost), abs=1e-8)


def test_the_plan_of_equal_weights_is_the_best_assignment():
    x, y = np.sort(np.random.default_rng(0).normal(size=(2, 12)))
    cost = (x[:, None] - y) ** 2
    rows, columns = optimize.linear_sum_assignment(cost)
    plan = transport_plan_1d(np.ones(12), np.ones(12))
    np.testing.assert_allclose(plan, np.eye(12), atol=1e-12)
    assert (plan.numpy() * cost).sum() == pytest.approx(cost[rows, columns].sum())
    assert wasserstein_1d(x, y, 2) ** 2 == pytest.approx(cost[rows, columns].mean())


def test_histograms_give_the_distance_of_their_samples():
    p, q = np.array([1, 0, 3, 2]), np.array([0, 4, 1, 1])
    cost = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    together = (transport_plan_1d(p, q).numpy() * cost).sum() / 6
    assert together == pytest.approx(wasserstein_1d(np.arange(4.0).repeat(p), np.arange(4.0).repeat(q)))
    assert together == pytest.approx(stats.wasserstein_distance(np.arange(4), np.arange(4), p, q))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), seeds, st.sampled_from([0.05, 0.5, 5.0]), st.booleans())
def test_sinkhorn_is_a_plan_that_scales_rows_and_columns(n, m, seed, epsilon, zeros):
    p, q, cost = weights(n, seed, 3.0, zeros), weights(m, seed + 1, 3.0, zeros), np.random.default_rng(seed).uniform(size=(n, m))
    found = sinkhorn(p, q, cost, epsilon)
    plan = found.plan.numpy()
    assert plan.min() >= 0 and plan.dtype == np.float64 and found.rounds >= 1
    np.testing.assert_allclose(plan.sum(0), q, atol=1e-9)
    assert np.abs(plan.sum(1) - p).sum() < 4e-6
    assert found.cost == pytest.approx((plan * cost).sum()) and found.cost > exact_cost(p, q, cost) - 1e-5
    # the best is the only plan of the form u_i exp(−C_ij/ε) v_j with these sums: its logarithm less −C/ε is a row plus a column
    scaled = np.log(plan[np.ix_(p > 0, q > 0)]) + cost[np.ix_(p > 0, q > 0)] / epsilon
    np.testing.assert_allclose(scaled, scaled[:, :1] + scaled[:1] - scaled[0, 0], atol=1e-8)


def test_sinkhorn_between_the_best_plan_and_no_plan():
    p, q = weights(6, 1), weights(5, 2)
    cost = np.random.default_rng(3).uniform(size=(6, 5))
    best = exact_cost(p, q, cost)
    costs = [sinkhorn(p, q, cost, epsilon, rounds=100_000).cost for epsilon in (1e4, 1.0, 0.1, 0.01, 0.002)]
    assert costs == sorted(costs, reverse=True) and costs[-1] == pytest.approx(best, abs=1e-3) and costs[1] > best + 0.02
    np.testing.assert_allclose(sinkhorn(p, q, cost, 1e6).plan, np.outer(p, q), atol=1e-6)
    # far below what exp can hold outside of logarithms
    assert sinkhorn(p, q, 1000 * cost, 2.0, rounds=100_000).cost == pytest.approx(1000 * best, abs=1)


def test_sinkhorn_of_two_points_by_hand():
    # cost 0 or 1, weights ½: what stays is to what moves as 1 is to exp(−1/ε)
    for epsilon in (0.3, 1.0, 4.0):
        found = sinkhorn([0.5, 0.5], [0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]], epsilon)
        assert found.cost == pytest.approx(1 / (1 + math.exp(1 / epsilon)), abs=1e-6)


def test_zero_weights_receive_nothing():
    found = sinkhorn([0.5, 0.0, 0.5], [0.0, 1.0], torch.rand(3, 2))
    np.testing.assert_allclose(found.plan, [[0, 0.5], [0, 0], [0, 0.5]], atol=1e-9)
    np.testing.assert_allclose(transport_plan_1d([0.5, 0.0, 0.5], [0.0, 1.0]), [[0, 0.5], [0, 0], [0, 0.5]], atol=1e-12)


def test_too_few_rounds_are_named():
    with pytest.raises(ValueError, match="3 rounds were not enough for ε = 0.001: raise ε or rounds; columns are still off by"):
        sinkhorn(weights(6, 1), weights(6, 2), torch.rand(6, 6), 0.001, rounds=3)


@pytest.mark.parametrize(
    ("p", "q", "message"),
    [
        ([0.5, 0.5], [0.5, 0.6], "one sum: what is taken must be put down; got 1 and 1.1"),
        ([1.5, -0.5], [0.5, 0.5], "0 or more, with a sum above 0"),
        ([0.0, 0.0], [0.0, 0.0], "a sum above 0"),
        ([0.5, np.nan], [0.5, 0.5], "0 or more"),
        ([np.inf, 1], [0.5, 0.5], "0 or more, with a sum above 0"),
        ([[0.5, 0.5]], [0.5, 0.5], r"got \(1, 2\) and \(2,\)"),
        ([], [], r"got \(0,\) and \(0,\)"),
    ],
)
def test_weights_that_cannot_be_moved_are_named(p, q, message):
    for move in (transport_plan_1d, lambda p, q: sinkhorn(p, q, torch.zeros(2, 2))):
        with pytest.raises(ValueError, match=message):
            move(np.array(p), np.array(q))


def test_costs_that_do_not_fit_are_named():
    for cost, epsilon in ((torch.zeros(2, 3), 0.1), (torch.zeros(2, 2), 0.0), (torch.zeros(2, 2), -1.0)):
        with pytest.raises(ValueError, match=r"cost must be \(2, 2\) .*ε above 0.*; got "):
            sinkhorn([0.5, 0.5], [0.5, 0.5], cost, epsilon)


# --- the inception score


@pytest.mark.parametrize("splits", [1, 10])
def test_inception_score_of_known_answers(splits):
    n, classes = 2000, 10
    same = torch.full((n, classes), 0.1)
    assert inception_score(same, splits) == pytest.approx(1)
    assert inception_score(torch.eye(classes)[[3] * n], splits) == pytest.approx(1)
    sure = torch.eye(classes).repeat(n // classes, 1)
    assert inception_score(sure, 1) == pytest.approx(classes)
    # two answers, right with probability 0.9: exp(log 2 − H(0.9))
    unsure = torch.tensor([[0.9, 0.1], [0.1, 0.9]]).repeat(n // 2, 1)
    assert inception_score(unsure, 1) == pytest.approx(2 * math.exp(-stats.entropy([0.9, 0.1])), rel=1e-6)


def test_inception_score_equals_scipy_and_grows_with_the_part():
    p = torch.softmax(2 * normal(600, 5), 1)
    truth = math.exp(np.mean([stats.entropy(row, p.mean(0)) for row in p.numpy()]))
    assert inception_score(p, 1) == pytest.approx(truth, rel=1e-9) and inception_score(p, 1).error is None
    in_parts = inception_score(p, 60)
    assert in_parts < truth and in_parts.error > 0 and in_parts.samples == 600


def test_parts_are_scored_apart():
    # 7 rows in 3 parts of 3, 2, 2, whatever the shuffle: each part's score is by its own mean
    p = torch.softmax(2 * normal(7, 3), 1)
    found = inception_score(p, 3)
    possible = {}
    for first in itertools.combinations(range(7), 3):
        rest = [i for i in range(7) if i not in first]
        for second in itertools.combinations(rest, 2):
            parts = [first, second, tuple(i for i in rest if i not in second)]
            scores = [math.exp(np.mean([stats.entropy(p[i], p[list(part)].mean(0)) for i in part])) for part in parts]
            possible[round(np.mean(scores), 9)] = np.std(scores, ddof=1)
    assert round(float(found), 9) in possible and found.error == pytest.approx(possible[round(float(found), 9)], rel=1e-6)


def test_inception_score_does_not_depend_on_the_order_of_its_rows():
    p = torch.softmax(3 * normal(500, 10), 1)
    truth, by_class = inception_score(p), p[p.argmax(1).argsort()]
    for rows in (by_class, p.flip(0), p[torch.randperm(500)]):
        assert inception_score(rows) == truth and inception_score(rows).error == truth.error
    assert inception_score(p, seed=1) != truth
    # class by class and unshuffled, every part would have a single class, and a score of 1
    sure = torch.eye(10).repeat_interleave(200, 0)
    assert inception_score(sure) > 9 and inception_score(sure).error < 0.5


@pytest.mark.parametrize(
    ("p", "splits", "message"),
    [
        (torch.rand(20, 10), 5, "sum 1: apply softmax to logits first"),
        (torch.tensor([[1.5, -0.5]] * 20), 5, "0 or more with sum 1"),
        (torch.full((20, 2), torch.nan), 5, "must be a distribution"),
        (torch.full((4, 2), 0.5), 5, r"n of 5 or more, one part or more; got \(4, 2\)"),
        (torch.full((4, 2), 0.5), 0, r"n of 1 or more, one part or more; got \(4, 2\)"),
        (torch.full((4,), 0.25), 1, r"got \(4,\)"),
    ],
)
def test_answers_that_are_no_distributions_are_named(p, splits, message):
    with pytest.raises(ValueError, match=message):
        inception_score(p, splits)


def test_real_digits_have_nearly_the_best_inception_score():
    x = datasets.load("mnist_small", "test").images()
    p = digit_probabilities(x, batch_size=300)
    assert p.shape == (1000, 10) and p.dtype == torch.float64
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-9)
    assert torch.equal(p.argmax(1), predicted_digits(x))
    assert 9 < inception_score(p) < 10 and inception_score(digit_probabilities(x[:100])) < 2.5  # the first hundred are one digit


# --- likelihood


def test_a_density_of_one_is_eight_bits():
    log_prob = levels_log_prob(torch.zeros(3, dtype=torch.float64), dims=784)
    assert bits_per_dim(log_prob, 784).tolist() == pytest.approx([8.0] * 3, rel=1e-14)
    assert bits_per_dim(levels_log_prob(torch.zeros(1, dtype=torch.float64), 12, levels=32), 12).item() == pytest.approx(5, rel=1e-14)
    assert nats_to_bits(math.log(256)) == pytest.approx(8) and nats_to_bits(torch.tensor([1.0]))[0].item() == pytest.approx(1.442695)


def test_a_level_has_the_density_over_its_interval():
    # a density of 2x on [0, 1] is almost constant on an interval of width 1/256
    level = 200
    exact = ((level + 1) / 256) ** 2 - (level / 256) ** 2
    density = torch.tensor(2 * (level + 0.5) / 256, dtype=torch.float64)
    assert levels_log_prob(density.log(), 1).exp().item() == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("symbols", [27, 2, 1])
def test_perplexity_of_a_uniform_model_is_the_number_of_symbols(symbols):
    lengths = torch.tensor([3, 10, 1])
    assert perplexity(-lengths * math.log(symbols), lengths).item() == pytest.approx(symbols, rel=1e-6)
    assert perplexity(torch.full((4,), -6 * math.log(symbols)), 6).item() == pytest.approx(symbols, rel=1e-6)


def test_every_symbol_counts_the_same_in_perplexity():
    # one sequence of 1 symbol with probability 1/2, one of 3 with 1/8 each: the geometric mean of four numbers
    found = perplexity(torch.tensor([0.5, 8.0**-3]).log(), torch.tensor([1, 3]))
    assert found.item() == pytest.approx((2 * 8 * 8 * 8) ** (1 / 4), rel=1e-6)
    assert found.dtype == torch.float64


def linear_gaussian(k, batch, width, seed=0):
    """log weights of z ~ q = N(posterior mean, (width · posterior σ)²) for x = 1.5 z + 0.8 ε, and log p(x) in closed form."""
    slope, noise = 1.5, 0.8
    x = torch.linspace(-2, 2, batch, dtype=torch.float64)
    variance = 1 / (1 + slope**2 / noise**2)
    q = torch.distributions.Normal(variance * slope * x / noise**2, width * math.sqrt(variance))
    z = q.mean + q.stddev * normal(k, batch, seed=seed)
    n = torch.distributions.Normal
    return n(0.0, 1.0).log_prob(z) + n(slope * z, noise).log_prob(x) - q.log_prob(z), n(0.0, math.hypot(slope, noise)).log_prob(x)


def test_importance_sampling_with_the_posterior_is_exact():
    log_weights, truth = linear_gaussian(7, 5, width=1.0)
    estimate, size = importance_sampled(log_weights)
    assert torch.allclose(estimate, truth, atol=1e-9) and torch.allclose(size, torch.full_like(size, 7), atol=1e-9)


def test_importance_sampling_is_too_low_on_average_and_less_so_with_more_draws():
    gaps, sizes = [], []
    for k in (1, 4, 64):
        log_weights, truth = linear_gaussian(k * 2000, 5, width=1.6, seed=k)
        estimate, size = importance_sampled(log_weights.reshape(k, -1))
        gaps.append((estimate.reshape(-1, 5) - truth).mean().item())
        sizes.append(size.mean().item() / k)
        assert ((size > 1 - 1e-9) & (size < k + 1e-9)).all()
        # the mean weight itself is right on average
        ratio = (estimate.reshape(-1, 5) - truth).exp()
        assert ratio.mean().item() == pytest.approx(1, abs=4 * ratio.std().item() / math.sqrt(2000))
    assert gaps[0] < gaps[1] < gaps[2] < 0.002 and gaps[0] < -0.2
    # one draw: minus KL(q ‖ posterior) of two Gaussians with one mean
    assert gaps[0] == pytest.approx(-(1.6**2 / 2 - 0.5 - math.log(1.6)), abs=0.05)
    # many: (E w)² / E w² = √(2s² − 1) / s² for a q that is s times too wide
    assert sizes[2] == pytest.approx(math.sqrt(2 * 1.6**2 - 1) / 1.6**2, abs=0.03)


def test_effective_size_from_one_to_all():
    log_weights = torch.tensor([[0.0, 0.0, 0.0], [-100.0, 0.0, 0.0], [-100.0, -100.0, 0.0]]) - 5000.0  # far outside of exp's range
    estimate, size = importance_sampled(log_weights)
    assert size.tolist() == pytest.approx([1, 2, 3])
    assert estimate.tolist() == pytest.approx([-5000 + math.log(k / 3) for k in (1, 2, 3)], abs=1e-3)


# --- black and white models on 256 levels

PAIRS = torch.cartesian_prod(torch.arange(256), torch.arange(256))  # every image of two pixels
COLOURS = torch.cartesian_prod(torch.arange(2), torch.arange(2)).double()  # every black and white one


def two_pixels(kind, n=40, seed=0):
    """Training images (n, 1, 1, 2)."""
    generator = torch.Generator().manual_seed(seed)
    if kind == "dark and grey":
        first = torch.where(torch.rand(n, generator=generator) < 0.6, 0, torch.randint(256, (n,), generator=generator))
        return torch.stack([first, torch.randint(40, 180, (n,), generator=generator)], 1).byte().reshape(n, 1, 1, 2)
    if kind == "every level":
        return torch.arange(256, dtype=torch.uint8)[:, None].expand(-1, 2).reshape(256, 1, 1, 2)
    return (255 * torch.randint(2, (n, 2), generator=generator)).byte().reshape(n, 1, 1, 2)


def enumerated(train, table, smoothing=1.0):
    """log P of every image of two pixels, and for each the probability and the bound of each binarisation, all by hand.

    table: probability of each black and white image, in the order of COLOURS
    """
    shares = [(np.bincount(column, minlength=256) + smoothing / 256) / (len(train) + smoothing) for column in train.reshape(-1, 2).T]
    given = np.arange(256) / 255  # of being on
    total, chance = 0.0, []
    for (first, second), p in zip(COLOURS.int().tolist(), table.tolist()):
        parts = []
        for share, colour in zip(shares, (first, second)):
            kernel = given if colour else 1 - given
            parts.append((kernel, share * kernel / (share * kernel).sum()))  # q(b | v), p(v | b)
        chance.append(np.multiply.outer(parts[0][0], parts[1][0]).reshape(-1))
        total = total + p * np.multiply.outer(parts[0][1], parts[1][1]).reshape(-1)
    return total, np.stack(chance)


def bounds(train, table, **options):
    x = PAIRS.byte().reshape(-1, 1, 1, 2)
    grey = GreyLevels(train, **options)
    return np.stack(
        [grey.bound(x, on.reshape(1, 1, 1, 2).expand(len(x), -1, -1, -1), p.log().expand(len(x))) for on, p in zip(COLOURS, table)]
    )


@pytest.mark.parametrize("kind", ["dark and grey", "every level", "black and white"])
@pytest.mark.parametrize("smoothing", [1.0, 20.0])
def test_grey_levels_give_a_bound_of_a_model_that_sums_to_one(kind, smoothing):
    train, table = two_pixels(kind), torch.tensor([0.1, 0.2, 0.05, 0.65], dtype=torch.float64)
    probability, chance = enumerated(train, table, smoothing)
    assert probability.sum() == pytest.approx(1, rel=1e-9) and chance.sum(0) == pytest.approx(1)
    one_draw = bounds(train, table, smoothing=smoothing)
    average = (chance * one_draw).sum(0)
    assert (average <= np.log(probability) + 1e-9).all() and np.exp(average).sum() <= 1 + 1e-9
    assert np.exp(average).sum() > 0.3  # and no loose one
    # summed over colours as probabilities, weighted by how likely each colour is, the bound becomes the model itself
    np.testing.assert_allclose((chance * np.exp(one_draw)).sum(0), probability, rtol=1e-9)
    # where a pixel's colour is certain, nothing is lost
    certain = ((PAIRS == 0) | (PAIRS == 255)).all(1).numpy()
    np.testing.assert_allclose(average[certain], np.log(probability[certain]), rtol=1e-9)


def test_the_bound_is_exact_for_the_best_model_of_independent_pixels():
    # p(b) = Π h(b): every colour gives the same, the log of the shares of the levels
    train = two_pixels("dark and grey")
    shares = [(np.bincount(c, minlength=256) + 1 / 256) / 41 for c in train.reshape(-1, 2).T]
    on = [share @ np.arange(256) / 255 for share in shares]
    table = torch.tensor([math.prod(o if b else 1 - o for o, b in zip(on, colour)) for colour in COLOURS.int().tolist()])
    truth = np.add.outer(*map(np.log, shares)).reshape(-1)
    for one in bounds(train, table):
        np.testing.assert_allclose(one, truth, rtol=1e-9)


def test_fair_coins_on_even_levels_are_eight_bits():
    # 1 pixel × 256 levels, each as frequent: a fair coin tells one bit, and the level given the colour the other seven on average
    train = torch.arange(256, dtype=torch.uint8).reshape(256, 1, 1, 1)
    grey = GreyLevels(train)
    assert grey.log_on.exp().item() == pytest.approx(0.5) and grey.log_off.exp().item() == pytest.approx(0.5)
    for on in (torch.zeros(256, 1, 1, 1), torch.ones(256, 1, 1, 1)):
        found = grey.bound(train, on, torch.full((256,), math.log(0.5)))
        assert bits_per_dim(found, 1).tolist() == pytest.approx([8.0] * 256, rel=1e-6)
    # a better or worse model is as much better or worse as it says
    assert torch.allclose(grey.bound(train, on, torch.full((256,), -3.0)) - found, torch.tensor(-3 + math.log(2), dtype=torch.float64))


def test_grey_levels_of_many_images_are_counted_in_parts():
    x = torch.randint(256, (10_003, 1, 2, 1), dtype=torch.uint8)
    grey = GreyLevels(x, smoothing=256.0)
    for place in range(2):
        counts = np.bincount(x[:, 0, place, 0], minlength=256)
        np.testing.assert_allclose(grey.log_h[place].exp(), (counts + 1) / (10_003 + 256), rtol=1e-9)
    assert grey.log_h.exp().sum(1).tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("x", "message"),
    [(torch.zeros(4, 1, 2, 2), "of torch.float32"), (torch.zeros(4, 4, dtype=torch.uint8), r"got \(4, 4\) of torch.uint8")],
)
def test_grey_levels_name_other_images(x, message):
    with pytest.raises(ValueError, match=r"\(n, 1, h, w\) of uint8, and smoothing above 0; got .*" + message.split("got ")[-1]):
        GreyLevels(x)


# --- Inception


@pytest.fixture
def fidelity(monkeypatch):
    """A stand-in for torch-fidelity: its network gives the mean colours of what it is shown, and remembers it."""
    seen = []

    class Network(torch.nn.Module):
        def __init__(self, name, features_list):
            super().__init__()
            seen.append((name, features_list))

        def forward(self, x):
            seen.append(x)
            return (x.float().mean((2, 3)),)

    module = SimpleNamespace(FeatureExtractorInceptionV3=Network)
    monkeypatch.setitem(sys.modules, "torch_fidelity", SimpleNamespace(feature_extractor_inceptionv3=module))
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", module)
    inception_module.extractor.cache_clear()
    yield SimpleNamespace(seen=seen, module=module)
    inception_module.extractor.cache_clear()


@pytest.mark.parametrize("channels", [1, 3])
def test_inception_sees_whole_numbers_in_colour(fidelity, channels):
    images = torch.rand(7, channels, 5, 4)
    whole = (images * 255).round()
    for given_images in (images, images.double(), whole.byte()):
        found = inception_features(given_images, batch_size=3)
        assert found.dtype == torch.float64 and found.device.type == "cpu" and not found.requires_grad
        np.testing.assert_allclose(found, whole.mean((2, 3)).expand(-1, 3), rtol=1e-5)
    options, *batches = fidelity.seen
    assert options[1] == ["2048"] and "inception" in options[0]  # loaded once
    assert {tuple(b.shape[1:]) for b in batches} == {(3, 5, 4)} and {b.dtype for b in batches} == {torch.uint8}
    assert [len(b) for b in batches[:3]] == [3, 3, 1]


def test_without_torch_fidelity_it_says_what_to_do(monkeypatch):
    inception_module.extractor.cache_clear()
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(ImportError, match="run `pip install torch-fidelity`, or use digit_features for digits") as error:
        inception_features(torch.rand(2, 3, 8, 8))
    assert "\n" not in str(error.value) and error.value.__suppress_context__


def test_without_a_network_it_says_what_to_do(fidelity, monkeypatch):
    def no_network(*args):
        raise OSError("<urlopen error no route>")

    monkeypatch.setattr(fidelity.module, "FeatureExtractorInceptionV3", no_network)
    with pytest.raises(ConnectionError, match="could not be fetched .*no route.*: connect to the network once, or use digit_features"):
        inception_features(torch.rand(2, 3, 8, 8))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(2, 8, 8), r"\(n, 1 or 3, h, w\); got \(2, 8, 8\)"),
        (torch.rand(2, 4, 8, 8), r"got \(2, 4, 8, 8\)"),
        (torch.rand(2, 3, 8, 8) * 255, r"uint8, or floats in \[0, 1\]"),
        (torch.rand(2, 3, 8, 8) - 0.5, r"floats in \[0, 1\]"),
        (torch.full((2, 3, 8, 8), torch.nan), r"floats in \[0, 1\]"),
        (torch.ones(2, 3, 8, 8, dtype=torch.int64), "must be uint8"),
    ],
)
def test_inception_names_other_images(fidelity, images, message):
    with pytest.raises(ValueError, match=message):
        inception_features(images)
    assert not fidelity.seen


def test_everything_is_offered_in_one_place():
    assert metrics.GreyLevels is GreyLevels and callable(metrics.inception_features)
    with pytest.raises(AttributeError, match="course_lib.metrics' has no attribute 'fid_score'"):
        _ = metrics.fid_score


def test_moments_of_other_features_are_named():
    with pytest.raises(ValueError, match="the same features; got moments of 3 and 2"):
        frechet_distance(Moments().update(normal(9, 3)), normal(9, 2))


def test_lines_that_are_no_lines_are_named():
    for options in ({"p": 0.5}, {"projections": 0}):
        with pytest.raises(ValueError, match="p must be 1 or more and projections, too; got "):
            sliced_wasserstein(normal(9, 3), normal(9, 3), **options)


@pytest.mark.parametrize("options", [{"cost": torch.full((2, 2), torch.nan)}, {"cost": torch.full((2, 2), torch.inf)}, {"rounds": 0}])
def test_costs_and_rounds_that_lead_nowhere_are_named(options):
    with pytest.raises(ValueError, match="finite, ε above 0, rounds 1 or more; got "):
        sinkhorn(**{"p": [0.5, 0.5], "q": [0.5, 0.5], "cost": torch.zeros(2, 2)} | options)


@pytest.mark.parametrize("name", ["samples", "train", "test"])
@pytest.mark.parametrize("bad", [torch.zeros(0, 3), torch.full((5, 3), torch.nan)])
def test_images_that_cannot_be_compared_are_named(name, bad):
    with pytest.raises(ValueError, match=f"^{name} must have one row or more, without NaN"):
        memorisation(**{k: normal(5, 3) for k in ("samples", "train", "test")} | {name: bad})


# --- a classifier's answer, and error bars


def shifted(shift: float, n: int, dims: int, seed: int) -> torch.Tensor:
    x = torch.randn(n, dims, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x[:, 0] += shift
    return x


def test_c2st_of_equal_distributions_is_chance():
    found = torch.tensor([float(c2st(shifted(0, 200, 3, 2 * i), shifted(0, 200, 3, 2 * i + 1))) for i in range(12)])
    assert found.mean().item() == pytest.approx(0.5, abs=0.02)  # 4 standard errors of 4,800 held-out answers are 0.03
    assert found.min() < 0.5, "held-out accuracy falls below chance, too"


@pytest.mark.parametrize("shift", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("linear", [False, True])
def test_c2st_of_shifted_gaussians_is_bayes_accuracy(shift, linear):
    # N(0, I) against N(δ e₁, I): the best classifier cuts in the middle and is right with probability Φ(δ / 2)
    truth = float(stats.norm.cdf(shift / 2))
    found = c2st(shifted(0, 1000, 2, 1), shifted(shift, 1000, 2, 2), LogisticRegression() if linear else None)
    assert float(found) == pytest.approx(truth, abs=0.03)
    assert (found.samples, found.reference) == (1000, 1000) and 0 < found.error < 0.05


def test_c2st_sees_spreads_unless_its_classifier_is_linear():
    a, b = shifted(0, 800, 2, 1), 3 * shifted(0, 800, 2, 2)
    assert c2st(a, b) > 0.75 and abs(c2st(a, b, LogisticRegression()) - 0.5) < 0.06


def test_c2st_of_unequal_numbers_is_still_half_by_chance():
    assert float(c2st(shifted(0, 200, 2, 1), shifted(0, 1000, 2, 2))) == pytest.approx(0.5, abs=0.08)


def test_c2st_judges_held_out_rows_only():
    # a table of the training rows knows each of them, and nothing about the others
    a, b = shifted(0, 300, 2, 1), shifted(0, 300, 2, 2)
    nearest = KNeighborsClassifier(1)
    x, y = torch.cat([a, b]).numpy(), [0] * 300 + [1] * 300
    assert nearest.fit(x, y).score(x, y) == 1 and float(c2st(a, b, nearest)) == pytest.approx(0.5, abs=0.08)


def test_c2st_names_what_does_not_fit():
    x = torch.zeros(10, 2)
    with pytest.raises(ValueError, match="folds must be 2 to 3"):
        c2st(x, x[:3], folds=4)
    with pytest.raises(ValueError, match="same features"):
        c2st(x, x[:, :1])


@pytest.mark.parametrize("score", [lambda a, b: float((a.mean(0) - b.mean(0)).sum()), lambda a, b: float(frechet_distance(a, b))])
def test_the_jackknife_tells_what_other_draws_would_change(score):
    pairs = [(shifted(1, 300, 3, 2 * i), shifted(0, 200, 3, 2 * i + 1)) for i in range(100)]
    truth = np.std([score(a, b) for a, b in pairs])
    told = np.mean([jackknife_error(score, a, b) ** 2 for a, b in pairs[:40]]) ** 0.5
    assert told == pytest.approx(truth, rel=0.25)


def test_the_fast_error_of_kid_is_that_of_the_jackknife():
    a, b = shifted(1, 103, 3, 1), shifted(0, 87, 3, 2)
    assert kid_error(a, b) == pytest.approx(jackknife_error(lambda u, v: float(mmd(u, v)), a, b), rel=1e-9)


def test_the_jackknife_names_what_does_not_fit():
    x = torch.zeros(10, 2)
    with pytest.raises(ValueError, match="parts must be 2 to 3"):
        jackknife_error(frechet_distance, x, x[:3])
