"""Scores against independent truths: scikit-learn, tables worked out by hand, an enumerated grid, known limits."""

from itertools import product
from math import log
from statistics import NormalDist, pvariance

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import sqrtm
from scipy.stats import entropy
from sklearn import metrics as sk

from course_lib import datasets
from course_lib.metrics import (
    DigitNetwork,
    auroc,
    class_accuracy,
    class_shares,
    dci,
    digit_features,
    digit_fid,
    digit_network,
    disentanglement,
    exact_copies,
    factor_vae_score,
    frechet_distance,
    linear_probe,
    mig,
    mutual_information_matrix,
    predicted_digits,
    roc_curve,
    sap,
)
from course_lib.metrics.factors import _concentration
from course_lib.metrics.gaussians import gaussian_distance, moments

SIZES = (3, 4, 5)
GRID = np.array(list(product(*map(range, SIZES)))).repeat(25, axis=0)  # (1500, 3), in order, as a data set would hold it
JITTER, NOISE = np.random.default_rng(0).normal(size=(2, len(GRID), 3))
# one latent per factor, each value a narrow cluster on a unit scale, then three latents of noise
CLEAN = np.hstack([(GRID - GRID.mean(0)) / GRID.std(0) + 0.03 * JITTER, NOISE])
TURN = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
ROTATED = np.hstack([CLEAN[:, :2] @ TURN, CLEAN[:, 2:]])


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.fixture(scope="module")
def clean():
    return disentanglement(CLEAN, GRID)


def flipped(share):
    """A fair binary factor of 10,000 examples, and a copy with an exact share of each value flipped."""
    factor = np.arange(10_000) % 2
    copy = factor.copy()
    copy[: int(10_000 * share)] ^= 1
    return factor, copy.astype(float)


# --- disentanglement: limits that every score must reach


def test_one_latent_per_factor_scores_one(clean):
    assert list(clean) == ["mig", "dci_disentanglement", "dci_completeness", "dci_informativeness", "sap", "factor_vae"]
    for name, value in clean.items():
        assert isinstance(value, float) and value == pytest.approx(1, abs=0.05), name


def test_noise_scores_zero_and_factor_vae_its_chance_level(rng):
    scores = disentanglement(rng.normal(size=(3000, 6)), GRID.repeat(2, axis=0))
    assert scores.pop("factor_vae") == pytest.approx(1 / 3, abs=0.03)
    for name, value in scores.items():
        assert value == pytest.approx(0, abs=0.05), name


def test_order_of_latents_and_rows_changes_nothing(clean, rng):
    rows = rng.permutation(len(GRID))
    for codes, factors in ((CLEAN[:, [5, 2, 0, 4, 1, 3]], GRID), (CLEAN[rows], GRID[rows])):
        assert disentanglement(codes, factors) == pytest.approx(clean, abs=0.02)
    # exact where nothing is drawn at random
    assert mig(ROTATED[:, ::-1], GRID) == pytest.approx(mig(ROTATED, GRID), abs=1e-12)


def test_layout_in_memory_changes_nothing():
    # a (latents, n) array seen as (n, latents): .view or reshape in place of a transpose would shuffle it
    strided = torch.tensor(CLEAN.T.copy(), dtype=torch.float32).T
    assert not strided.is_contiguous()
    assert mig(strided, torch.tensor(GRID)) == pytest.approx(mig(CLEAN, GRID), abs=1e-3)
    np.testing.assert_allclose(mutual_information_matrix(strided, GRID), mutual_information_matrix(CLEAN, GRID), atol=1e-3)
    with pytest.raises(ValueError, match="same n"):
        mig(CLEAN.T, GRID)


def test_gradients_do_not_get_in_the_way():
    assert mig(torch.tensor(CLEAN, requires_grad=True), torch.tensor(GRID)) == mig(CLEAN, GRID)


def test_rescaling_each_latent_changes_nothing():
    scale, shift = np.array([-3, 0.5, 2, 1, -1, 10]), np.array([100, -7, 0, 0, 5, 1])
    before, after = disentanglement(ROTATED, GRID), disentanglement(ROTATED * scale + shift, GRID)
    assert after == pytest.approx(before, abs=0.03)
    # thresholds also ignore a monotone bend
    bent = np.sinh(2 * ROTATED)
    assert sap(bent, GRID) == pytest.approx(before["sap"], abs=0.02)
    assert dci(bent, GRID)[0] == pytest.approx(before["dci_disentanglement"], abs=0.02)


def test_rotating_two_latents_keeps_the_information_but_lowers_the_rest(clean):
    rotated = disentanglement(ROTATED, GRID)
    for name in ("mig", "dci_disentanglement", "dci_completeness", "sap"):
        assert rotated[name] < clean[name] - 0.2, name
    assert rotated["dci_informativeness"] > 0.9


def test_blurred_latents_stay_mostly_disentangled(rng):
    # each latent knows one factor, imprecisely; trees grown to the end would credit every latent with its noise
    scores = dci(CLEAN[:, :3] + 0.4 * rng.normal(size=GRID.shape), GRID)
    assert scores.disentanglement > 0.8
    assert scores.completeness > 0.8


def test_duplicated_latents_are_disentangled_but_not_complete():
    codes = np.hstack([CLEAN[:, :3], CLEAN[:, :3]])
    assert mig(codes, GRID) == 0
    assert sap(codes, GRID) == 0
    scores = dci(codes, GRID)
    assert scores.disentanglement > 0.95
    assert scores.completeness == pytest.approx(1 - log(2) / log(6), abs=0.1)  # two equal shares among six latents
    assert factor_vae_score(codes, GRID) > 0.95


def test_one_latent_for_two_factors_is_complete_but_not_disentangled():
    pair = GRID[:, 0] * 4 + GRID[:, 1]
    scores = dci(np.stack([pair, 12 * GRID[:, 2]], 1), GRID)
    assert scores.informativeness > 0.99
    assert scores.completeness > 0.95
    assert scores.disentanglement == pytest.approx((2 * (1 - log(2) / log(3)) + 1) / 3, abs=0.05)


def test_dead_latents_are_harmless():
    dead = np.hstack([CLEAN[:, :3], np.full((len(GRID), 2), 0.7), 1e-4 * NOISE])
    for name, value in disentanglement(dead, GRID).items():
        assert value == pytest.approx(1, abs=0.05), name
    nothing = disentanglement(np.zeros((len(GRID), 4)), GRID)
    assert nothing.pop("factor_vae") == pytest.approx(1 / 3)
    assert set(nothing.values()) == {0.0}


def test_a_single_latent_or_factor_is_allowed():
    one = disentanglement(GRID[:, :1].astype(float), GRID[:, :1])
    assert list(one.values()) == pytest.approx([1] * 6)


def test_same_seed_same_scores():
    assert dci(ROTATED, GRID, seed=3) == dci(ROTATED, GRID, seed=3)
    assert sap(ROTATED, GRID, seed=3) == sap(ROTATED, GRID, seed=3)
    assert factor_vae_score(ROTATED, GRID, seed=3) == factor_vae_score(ROTATED, GRID, seed=3)


# --- disentanglement: values


@settings(max_examples=50, deadline=None)
@given(table=arrays(int, st.tuples(st.integers(1, 6), st.integers(2, 5)), elements=st.integers(0, 9)))
def test_mutual_information_of_a_table(table):
    table[0, :2] += 1  # two values of the factor occur
    rows, columns = np.indices(table.shape).reshape(2, -1).repeat(table.reshape(-1), axis=1)
    found = mutual_information_matrix(rows[:, None].astype(float), columns[:, None])
    assert found.shape == (1, 1)
    assert found[0, 0] == pytest.approx(sk.mutual_info_score(rows, columns), abs=1e-12)


def test_mutual_information_of_continuous_codes():
    found = mutual_information_matrix(ROTATED, GRID, bins=7)
    for i, latent in enumerate(ROTATED.T):
        cells = np.digitize(latent, np.histogram_bin_edges(latent, 7)[1:-1])
        for j, factor in enumerate(GRID.T):
            assert found[i, j] == pytest.approx(sk.mutual_info_score(cells, factor), abs=1e-12)


def test_mig_of_two_noisy_copies():
    # a binary symmetric channel carries ln 2 − H(share flipped)
    (factor, good), (_, poor) = flipped(0.1), flipped(0.3)
    information = [log(2) - entropy([share, 1 - share]) for share in (0.1, 0.3)]
    codes = np.stack([poor, good], 1)
    np.testing.assert_allclose(mutual_information_matrix(codes, factor[:, None])[:, 0], information[::-1], atol=1e-12)
    assert mig(codes, factor[:, None]) == pytest.approx((information[0] - information[1]) / log(2))


def test_sap_of_two_noisy_copies():
    # accuracies 0.9 and 0.7 are 0.8 and 0.4 above chance
    (factor, good), (_, poor) = flipped(0.1), flipped(0.3)
    assert sap(np.stack([poor, good], 1), factor[:, None]) == pytest.approx(0.4, abs=0.04)


def test_unequal_classes_do_not_help(rng):
    # 95 % of the examples share one value, so a blind guess is right 95 % of the time
    factor = (np.arange(2000) % 20 == 0).astype(int)[:, None]
    codes = rng.normal(size=(2000, 3))
    assert sap(codes, factor) < 0.2
    assert dci(codes, factor).informativeness < 0.1
    # MIG divides by the entropy of the factor as it is, not by the logarithm of its number of values
    assert mig(np.hstack([factor, np.zeros_like(factor)]), factor) == pytest.approx(1)


def test_a_rare_value_counts_as_much_as_a_common_one(rng):
    # unit Gaussians 2 apart: the best threshold is right with probability Φ(1) on both sides, 2Φ(1) − 1 above chance
    factor = (np.arange(8000) % 20 == 0).astype(int)
    codes = rng.normal(size=(8000, 2))
    codes[:, 0] += 2 * factor
    best = 2 * NormalDist().cdf(1) - 1
    assert sap(codes, factor[:, None]) == pytest.approx(best, abs=0.08)
    assert best - 0.2 < dci(codes, factor[:, None]).informativeness < best + 0.05


def test_concentration_of_a_known_importance():
    importance = np.array([[0.6, 0.2, 0.0], [0.0, 0.0, 0.0], [0.1, 0.1, 0.1], [0.0, 0.0, 0.4]])
    weight = importance.sum(1) / importance.sum()
    rows = [1 - entropy([3, 1, 0], base=3), 0, 0, 1]
    assert _concentration(importance) == pytest.approx(weight @ rows)


@pytest.mark.parametrize("batch", [2, 3])
def test_factor_vae_against_every_possible_vote(batch, rng):
    # a grid so small that each vote's probability can be counted: every draw of every fixed value of every factor
    factors = np.array(list(product(range(2), range(3), range(2))))
    codes = factors @ rng.normal(size=(3, 4)) + 0.5 * rng.normal(size=(12, 4))
    scale = codes.var(0)
    chance = np.zeros((4, 3))  # of each latent winning, given the fixed factor
    for j in range(3):
        for value in set(factors[:, j]):
            draws = list(product(codes[factors[:, j] == value], repeat=batch))
            for draw in draws:
                spread = [pvariance(column) / total for column, total in zip(zip(*draw, strict=True), scale, strict=True)]
                chance[spread.index(min(spread)), j] += 1 / len(draws) / len(set(factors[:, j]))
    exact = chance.max(1).sum() / 3
    assert 0.4 < exact < 0.95
    votes = 60_000
    found = factor_vae_score(codes, factors, votes=votes, batch=batch)
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / votes))


def test_factor_vae_is_scored_on_fresh_votes(rng):
    # 20 votes a factor among 20 latents of noise: on the votes it was fitted to, the majority would be right half the time
    codes = rng.normal(size=(len(GRID), 20))
    assert np.mean([factor_vae_score(codes, GRID, votes=60, seed=seed) for seed in range(30)]) == pytest.approx(1 / 3, abs=0.05)


def test_factor_vae_prunes_what_the_prior_has_swallowed():
    tiny = np.hstack([1e-3 * GRID[:, :1], CLEAN[:, 1:3]])  # factor 0 survives only in a latent of variance 1e-6
    assert factor_vae_score(tiny, GRID) < 0.75
    assert factor_vae_score(tiny, GRID, active=torch.tensor([True, True, True])) > 0.95
    assert factor_vae_score(CLEAN, GRID, active=[False] * 6) == pytest.approx(1 / 3)
    constant_first = np.hstack([np.ones((len(GRID), 1)), CLEAN])
    assert factor_vae_score(constant_first, GRID, active=[True] * 7) == factor_vae_score(CLEAN, GRID)


@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (CLEAN[:-1], GRID, r"codes \(1499, 6\) and factors \(1500, 3\)"),
        (CLEAN, GRID[:, 0], r"factors \(1500,\)"),
        (CLEAN[:0], GRID[:0], "n above 0"),
        (CLEAN, GRID / 1.0, "float64.*integers"),
        (np.where(CLEAN > 0, CLEAN, np.nan), GRID, "NaN or infinite"),
        (CLEAN, GRID * [1, 0, 1], "column 1 has a single value"),
    ],
)
def test_bad_input_gets_one_sentence(codes, factors, message):
    for score in (mig, dci, sap, factor_vae_score, mutual_information_matrix):
        with pytest.raises(ValueError, match=message):
            score(codes, factors)


def test_bad_options_get_one_sentence():
    with pytest.raises(ValueError, match="bins is 1"):
        mig(CLEAN, GRID, bins=1)
    with pytest.raises(ValueError, match="batch is 1"):
        factor_vae_score(CLEAN, GRID, batch=1)
    with pytest.raises(ValueError, match="6 latents"):
        factor_vae_score(CLEAN, GRID, active=[True])
    with pytest.raises(ValueError, match="3 examples"):
        sap(CLEAN[:3], np.array([[0], [1], [0]]))


# --- detection and features

few_values = arrays(float, st.integers(1, 30), elements=st.integers(-3, 3).map(float))  # few, so that many are tied


@settings(max_examples=100, deadline=None)
@given(normal=few_values, anomalous=few_values)
def test_roc_equals_scikit_learn(normal, anomalous):
    truth, scores = np.repeat([0, 1], [len(normal), len(anomalous)]), np.concatenate([normal, anomalous])
    for found, expected in zip(roc_curve(normal, anomalous), sk.roc_curve(truth, scores, drop_intermediate=False), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)
    assert auroc(normal, anomalous) == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-12)
    assert auroc(normal, anomalous) + auroc(anomalous, normal) == pytest.approx(1)


def test_auroc_is_the_area_and_knows_its_direction():
    normal, anomalous = torch.linspace(0, 2, 50), torch.linspace(1, 4, 40)
    x, y, _ = roc_curve(normal, anomalous)
    assert auroc(normal, anomalous) == pytest.approx(np.trapezoid(y, x))
    assert auroc([0.0, 1.0], [2.0, np.inf]) == 1
    assert auroc([2.0, 3.0], [-np.inf, 1.0]) == 0
    assert roc_curve([0.0, np.inf], [np.inf])[1].tolist() == [0, 1, 1]


@pytest.mark.parametrize("bad", [[], [[1.0]], [0.0, float("nan")]])
def test_bad_scores_are_named(bad):
    for score in (auroc, roc_curve):
        with pytest.raises(ValueError, match="normal_scores"):
            score(np.array(bad), [1.0])
        with pytest.raises(ValueError, match="anomalous_scores"):
            score([1.0], np.array(bad))


def test_linear_probe_reaches_the_bayes_rate(rng):
    # two unit Gaussians 2 apart along one of three features of very different scales: no classifier beats Φ(1)
    labels = np.arange(8000) % 2
    features = rng.normal(size=(8000, 3))
    features[:, 1] += 2 * labels
    features *= [1e3, 1e-3, 1]
    found = linear_probe(torch.tensor(features[:4000]), torch.tensor(labels[:4000]), features[4000:], labels[4000:])
    assert found == pytest.approx(NormalDist().cdf(1), abs=0.025)


def test_linear_probe_names_the_odd_set():
    with pytest.raises(ValueError, match=r"^test_codes \(4, 2\)"):
        linear_probe(np.eye(3), np.arange(3), np.ones((4, 2)), np.zeros(4, int))
    with pytest.raises(ValueError, match=r"^codes \(3, 3\) with labels \(2,\)"):
        linear_probe(np.eye(3), np.arange(2), np.eye(3), np.arange(3))


# --- Fréchet distance


def two_sets(seed, n, m, dims):
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(2, dims, dims, generator=generator, dtype=torch.float64)
    sets = [torch.randn(k, dims, generator=generator, dtype=torch.float64) @ mix[i] + i for i, k in enumerate((n, m))]
    return sets


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(12, 40), m=st.integers(12, 40), dims=st.integers(2, 6))
def test_frechet_distance_equals_the_matrix_root_of_scipy(seed, n, m, dims):
    a, b = two_sets(seed, n, m, dims)
    cov_a, cov_b = np.cov(a.numpy(), rowvar=False), np.cov(b.numpy(), rowvar=False)
    truth = ((a.mean(0) - b.mean(0)) ** 2).sum().item() + np.trace(cov_a + cov_b - 2 * np.real(sqrtm(cov_a @ cov_b)))
    assert frechet_distance(a, b) == pytest.approx(truth, rel=1e-6)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(2, 9), m=st.integers(2, 30))
def test_frechet_distance_of_fewer_examples_than_features(seed, n, m):
    # tr (Σ₁Σ₂)^½ is the sum of the singular values of A·Bᵀ, the centred sets: no root of a singular matrix is needed
    a, b = two_sets(seed, n, m, 12)
    centred = [(x - x.mean(0)).numpy() / np.sqrt(len(x) - 1) for x in (a, b)]
    truth = ((a.mean(0) - b.mean(0)) ** 2).sum().item() + sum((x**2).sum() for x in centred)
    truth -= 2 * np.linalg.norm(centred[0] @ centred[1].T, "nuc")
    assert frechet_distance(a, b) == pytest.approx(truth, rel=1e-5)


def test_frechet_distance_of_known_changes():
    (x, _) = two_sets(0, 200, 2, 5)
    shift = torch.arange(5.0)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x.flip(0)) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + shift) == pytest.approx(shift.square().sum().item())
    # scaled about its mean by 3, a Gaussian is (3 − 1)² times its variance away
    assert frechet_distance(x, x.mean(0) + 3 * (x - x.mean(0))) == pytest.approx(4 * x.var(0).sum().item())
    turn = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64))[0]
    y = x * torch.tensor([2.0, 1, 1, 1, 0.1]) + shift
    assert frechet_distance(x @ turn, y @ turn) == pytest.approx(frechet_distance(x, y))
    assert frechet_distance(x.float(), y.float()) == pytest.approx(frechet_distance(x, y), rel=1e-4)
    assert frechet_distance(x[:, :1], x[:, :1] + 2) == pytest.approx(4)  # a single feature has a covariance too


def test_frechet_distance_of_wide_sets_that_are_equal():
    x = torch.randn(5, 64)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(4, 3), torch.zeros(4, 2), r"got \(4, 3\) and \(4, 2\)"),
        (torch.zeros(4), torch.zeros(4), r"\(n, d\).*\(4,\)"),
        (torch.zeros(1, 3), torch.zeros(4, 3), r"got \(1, 3\)"),
        (torch.full((4, 3), torch.nan), torch.zeros(4, 3), "finite"),
    ],
)
def test_bad_features_are_named(a, b, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(a, b)


# --- the digit network


@pytest.fixture(scope="module")
def digits():
    return datasets.load("mnist_small", "test")


def test_the_digit_network_reads_digits(digits):
    x = digits.images()
    assert (predicted_digits(x) == digits.y).float().mean() > 0.985
    assert torch.equal(predicted_digits(x, batch_size=333), predicted_digits(x))
    features = digit_features(x[:50])
    assert features.shape == (50, 64) and features.dtype == torch.float64
    assert torch.allclose(digit_features(x[:50], batch_size=7), features, atol=1e-4)
    network = digit_network()
    assert digit_network() is network and not network.training  # loaded once, without dropout
    assert torch.equal(network(x[:50]).argmax(1), network.head(features.float()).argmax(1))


def test_shares_of_a_known_mixture(digits):
    x = torch.cat([digits.images()[digits.y == 3][:60], digits.images()[digits.y == 8][:20]])
    shares = class_shares(x)
    assert shares.shape == (10,) and shares.sum().item() == pytest.approx(1)
    assert shares[3].item() == pytest.approx(0.75, abs=0.04) and shares[8].item() == pytest.approx(0.25, abs=0.04)


def test_accuracy_is_the_share_of_digits_that_were_asked_for(digits):
    x, y = digits.images()[:200], digits.y[:200]
    right = [digit_network()(image[None]).argmax().item() == label for image, label in zip(x, y.tolist())]
    assert class_accuracy(x, y) == pytest.approx(np.mean(right)) and class_accuracy(x, y) > 0.95
    assert class_accuracy(x, (y + 1) % 10) < 0.05
    half = torch.cat([y[:100], (y[100:] + 1) % 10])
    assert class_accuracy(x, half) == pytest.approx(0.5, abs=0.05)


def test_digit_fid_orders_what_the_eye_orders(digits):
    x = digits.images()
    halves = digit_fid(x[0::2], x[1::2])
    blurred = torch.nn.functional.avg_pool2d(x[1::2], 3, 1, 1)
    missing = x[1::2][digits.y[1::2] != 1]
    noise = torch.rand(500, 1, 28, 28)
    missing, blurred, noise = (digit_fid(x[0::2], y) for y in (missing, blurred, noise))
    assert 0 < halves < missing < noise and halves < blurred < noise
    assert digit_fid(x, x) == pytest.approx(0, abs=1e-3)


def test_the_shipped_moments_are_those_of_real_digits(digits):
    # of no sample here, so that a thousand real digits are far nearer than the same digits blurred, and no nearer than chance allows
    x = digits.images()
    assert 0.1 < digit_fid(x) < 0.2 * digit_fid(torch.nn.functional.avg_pool2d(x, 3, 1, 1))
    mean, cov = moments(digit_features(x))
    assert mean.shape == (64,) and cov.shape == (64, 64)
    np.testing.assert_allclose(cov, np.cov(digit_features(x).numpy(), rowvar=False), atol=1e-9)
    assert gaussian_distance(mean, cov, mean, cov) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="n of 2 or more"):
        digit_fid(x[:1])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(3, 28, 28), r"expected images of shape \(batch, 1, 28, 28\), got \(3, 28, 28\)"),
        (torch.zeros(3, 1, 28, 28, dtype=torch.uint8), "expected floats"),
        (torch.full((3, 1, 28, 28), -1.0), r"expected values in \[0, 1\], got -1 to -1"),
    ],
)
def test_the_digit_network_names_wrong_images(x, message):
    for look in (digit_features, predicted_digits, class_shares):
        with pytest.raises(ValueError, match=message):
            look(x)


def test_a_digit_network_learns_and_moves_its_images_only_in_training(digits):
    x, y = digits.images()[:64], digits.y[:64]
    network = DigitNetwork(width=4, features=8)
    seen = []
    network.body.register_forward_hook(lambda module, args, out: seen.append(args[0]))
    for _ in range(12):
        network.loss(x, y)
    places = {
        tuple(shift) for moved in seen for shift in np.ndindex(5, 5) if torch.equal(moved, x.roll((shift[0] - 2, shift[1] - 2), (2, 3)))
    }
    assert len(places) > 3
    network.eval()
    truth = -torch.log_softmax(network(x), 1)[torch.arange(64), y].mean()
    assert network.loss(x, y).item() == pytest.approx(truth.item(), rel=1e-5)
    assert torch.equal(seen[-1], x)
    assert DigitNetwork(**network.config).config == network.config


def test_exact_copies_are_found_and_near_ones_are_not():
    train = torch.randint(256, (40, 3, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    samples = torch.cat([train[30:], train[:5] ^ 1])  # ten copies; five that differ by a level in every pixel
    expected = [True] * 10 + [False] * 5
    assert exact_copies(samples, train).tolist() == expected
    assert exact_copies(samples / 255, train / 255).tolist() == expected
    assert exact_copies(samples / 255 + 0.4 / 255 * (samples < 255), train.float() / 255).tolist() == expected, "rounded"
    with pytest.raises(ValueError, match="of one size"):
        exact_copies(samples[:, :2], train)
    with pytest.raises(ValueError, match="samples must be images"):
        exact_copies(samples / 100, train / 255)
    with pytest.raises(ValueError, match="bytes"):
        exact_copies(samples / 255, train)
