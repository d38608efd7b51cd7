"""The table of every image, linear codes, mixtures, naive Bayes, low-rank tables, paths: each against an independent truth."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.decomposition import PCA as SklearnPCA
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.naive_bayes import BernoulliNB
from torch.distributions import Categorical, Normal, kl_divergence

from course_lib import datasets, distributions
from course_lib.latent_spaces import (
    PCA,
    GaussianMixture,
    JointTable,
    NaiveBayes,
    ProbabilisticPCA,
    compare_classifiers,
    complete_ratings,
    fit_mixture,
    lerp,
    manifold_distance,
    patches,
    reverse_water_filling,
    slerp,
    start_mixture,
    table_size,
    truncated_svd,
)


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits8", "train").images().double()


# --------------------------------------------------------------------------------------------------------------------
# Tables


def table(seed: int = 0, shape=(2, 2)) -> JointTable:
    p = torch.rand(2 ** math.prod(shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.01
    return JointTable(p / p.sum(), shape)


def brute_force(joint: JointTable, known) -> dict:
    """p(image | known pixels) by a loop over every image."""
    images = list(itertools.product((0, 1), repeat=math.prod(joint.shape)))
    flat = [int(v) for v in known.flatten()]
    agree = {image: joint.p[i].item() for i, image in enumerate(images) if all(k < 0 or k == v for k, v in zip(flat, image))}
    return {image: p / sum(agree.values()) for image, p in agree.items()}


@given(st.integers(0, 99), st.lists(st.sampled_from([-1, 0, 1]), min_size=6, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_conditional_agrees_with_brute_force_and_adds_up_to_one(seed, pixels):
    joint, known = table(seed, (2, 3)), torch.tensor(pixels).view(2, 3)
    conditional = joint.conditional(known)
    assert conditional.sum().item() == pytest.approx(1)
    truth = brute_force(joint, known)
    for state, p in zip(joint.states, conditional):
        assert p.item() == pytest.approx(truth.get(tuple(state.flatten().tolist()), 0))
    expected = sum(p * np.array(image) for image, p in truth.items()).reshape(2, 3)
    np.testing.assert_allclose(joint.pixel_marginals(known), expected)


def test_conditionals_chain_to_the_joint():
    joint = table(3)
    for i, state in enumerate(joint.states):
        known, product = torch.full((2, 2), -1), 1.0
        for pixel in range(4):
            marginal = joint.pixel_marginals(known).flatten()[pixel].item()
            product *= marginal if state.flatten()[pixel] else 1 - marginal
            known.view(-1)[pixel] = state.flatten()[pixel]
        assert product == pytest.approx(joint.p[i].item())


def test_a_table_is_counted_from_images():
    x = torch.tensor([[[0, 1], [0, 0]], [[0, 1], [0, 0]], [[1, 1], [1, 1]], [[0, 0], [0, 0]]])
    joint = JointTable.from_images(x)
    assert joint.p[4] == 0.5 and joint.p[15] == 0.25 and joint.p[0] == 0.25  # 0100 is 4 when the first pixel is the highest bit
    torch.testing.assert_close(joint.log_prob(x), torch.tensor([0.5, 0.5, 0.25, 0.25]).log())
    assert joint.log_prob(torch.tensor([[[1, 0], [0, 0]]])).item() == -math.inf
    smooth = JointTable.from_images(x, smoothing=1)
    assert smooth.p[4].item() == pytest.approx(3 / 20) and smooth.p[1].item() == pytest.approx(1 / 20)


def test_completions_keep_what_is_known_and_follow_the_conditional():
    joint, known = table(5), torch.tensor([[1, -1], [-1, 0]])
    drawn = joint.complete(known, 20_000, torch.Generator().manual_seed(0))
    assert (drawn[:, 0, 0] == 1).all() and (drawn[:, 1, 1] == 0).all()
    counts = torch.bincount(joint.index(drawn), minlength=16)
    expected = joint.conditional(known) * 20_000
    assert stats.chisquare(counts[expected > 0], expected[expected > 0]).pvalue > 1e-3
    assert counts[expected == 0].sum() == 0
    counts = torch.bincount(joint.index(joint.sample(20_000, torch.Generator().manual_seed(1))), minlength=16)
    assert stats.chisquare(counts, joint.p * 20_000).pvalue > 1e-3


def test_impossible_evidence_and_bad_tables_are_refused():
    joint = JointTable(torch.tensor([0.5, 0.5, *[0.0] * 14]))
    with pytest.raises(ValueError, match="their probability is 0"):
        joint.conditional(torch.tensor([[1, -1], [-1, -1]]))
    with pytest.raises(ValueError, match="add up to 1"):
        JointTable(torch.ones(16))
    with pytest.raises(ValueError, match="needs 16 probabilities"):
        JointTable(torch.ones(8) / 8)
    with pytest.raises(ValueError, match="at most 16 pixels"):
        JointTable(torch.ones(4) / 4, (5, 5))


def test_the_size_of_a_table_is_exact():
    assert [table_size(n) for n in (1, 4, 9)] == [1, 15, 511]
    assert table_size(2, 256) == 65_535
    assert len(str(table_size(784))) == 237  # 2^784 has 237 decimal digits


def test_patches_cut_images_side_by_side():
    x = torch.arange(2 * 5 * 4).view(2, 1, 5, 4)
    cut = patches(x, 2)
    assert cut.shape == (2 * 2 * 2, 2, 2)
    torch.testing.assert_close(cut[1], x[0, 0, :2, 2:])
    torch.testing.assert_close(cut[2], x[0, 0, 2:4, :2])
    torch.testing.assert_close(cut[4], x[1, 0, :2, :2])


# --------------------------------------------------------------------------------------------------------------------
# Information


def test_entropy_and_mutual_information_of_tables():
    p = table(1).p
    assert distributions.entropy(p).item() == pytest.approx(stats.entropy(p.numpy()))
    assert table(1).entropy().item() == pytest.approx(Categorical(p).entropy().item())
    joint = p.view(4, 4)
    x, y = joint.sum(1), joint.sum(0)
    chain = stats.entropy(x.numpy()) + stats.entropy(y.numpy()) - stats.entropy(p.numpy())
    assert distributions.mutual_information(joint).item() == pytest.approx(chain)
    assert distributions.mutual_information(x[:, None] * y).item() == pytest.approx(0, abs=1e-12)
    assert distributions.mutual_information(torch.eye(2) / 2).item() == pytest.approx(math.log(2))


def test_kl_of_tables_and_of_gaussians():
    p, q = table(1).p, table(2).p
    assert distributions.kl_divergence(p, q).item() == pytest.approx(stats.entropy(p.numpy(), q.numpy()))
    half = torch.tensor([0.5, 0.5, 0.0])
    assert distributions.kl_divergence(half, torch.ones(3) / 3).item() == pytest.approx(math.log(1.5))
    assert distributions.kl_divergence(torch.ones(3) / 3, half).item() == math.inf
    with pytest.raises(ValueError, match="one shape"):
        distributions.kl_divergence(p, half)
    mean_q, log_var_q, mean_p, log_var_p = torch.randn(4, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    truth = kl_divergence(Normal(mean_q, (log_var_q / 2).exp()), Normal(mean_p, (log_var_p / 2).exp())).sum(-1)
    torch.testing.assert_close(distributions.gaussian_kl_between(mean_q, log_var_q, mean_p, log_var_p), truth)
    zero = torch.zeros_like(mean_p)
    torch.testing.assert_close(
        distributions.gaussian_kl_between(mean_q, log_var_q, zero, zero), distributions.gaussian_kl(mean_q, log_var_q)
    )


@given(st.integers(0, 10_000), st.floats(0.02, 0.98))
@settings(max_examples=30, deadline=None)
def test_water_filling_meets_its_distortion_at_equal_slopes(seed, share):
    variances = torch.rand(6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.05
    rate, errors = reverse_water_filling(variances, share * variances.sum().item())
    assert errors.sum().item() == pytest.approx(share * variances.sum().item(), rel=1e-6)
    assert rate.item() == pytest.approx((0.5 * (variances / errors).log()).sum().item(), rel=1e-6, abs=1e-9)
    # no other way to spread the same distortion needs fewer nats
    generator = torch.Generator().manual_seed(seed + 1)
    for _ in range(20):
        other = torch.rand(6, generator=generator, dtype=torch.float64)
        other = (other / other.sum() * errors.sum()).clamp(min=1e-9)
        if (other <= variances).all():
            assert (0.5 * (variances / other).log()).sum() >= rate - 1e-9


def test_one_gaussian_needs_half_the_log_of_its_variance_over_the_error():
    rate, _ = reverse_water_filling(torch.tensor([4.0]), 1.0)
    assert rate.item() == pytest.approx(0.5 * math.log(4), rel=1e-5)
    assert reverse_water_filling(torch.tensor([4.0, 1.0]), 5.0)[0].item() == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="at most at the sum"):
        reverse_water_filling(torch.tensor([4.0]), 5.0)


# --------------------------------------------------------------------------------------------------------------------
# Linear codes


def test_pca_equals_scikit_learn_and_torch_up_to_sign(digits):
    ours, theirs = PCA(digits, 10), SklearnPCA(10, svd_solver="full").fit(digits.flatten(1).numpy())
    np.testing.assert_allclose(ours.mean, theirs.mean_, atol=1e-12)
    np.testing.assert_allclose(np.abs(ours.components.numpy() @ theirs.components_.T), np.eye(10), atol=1e-6)
    n = len(digits)
    np.testing.assert_allclose(ours.variances * n / (n - 1), theirs.explained_variance_, rtol=1e-9)
    np.testing.assert_allclose(ours.explained, theirs.explained_variance_ratio_.cumsum(), rtol=1e-9)
    torch.manual_seed(0)
    _, singular, vectors = torch.pca_lowrank(digits.flatten(1), q=20, niter=10)
    torch.testing.assert_close(ours.variances, singular[:10].square() / n, rtol=1e-5, atol=0)
    torch.testing.assert_close((ours.components @ vectors[:, :10]).abs(), torch.eye(10, dtype=torch.float64), rtol=0, atol=1e-3)


def test_pca_rebuilds_with_the_error_it_promises(digits):
    pca = PCA(digits, 64)
    for keep in (1, 5, 64):
        error = (pca.reconstruct(digits, keep) - digits).square().flatten(1).sum(1).mean()
        assert error.item() == pytest.approx((pca.total_variance - pca.variances[:keep].sum()).item(), abs=1e-9)
    assert pca.reconstruct(digits).shape == digits.shape
    with pytest.raises(ValueError, match="1 to 64 components"):
        PCA(digits, 65)


def test_probabilistic_pca_has_the_density_of_its_covariance(digits):
    model, flat = ProbabilisticPCA(digits, 6), digits.flatten(1)
    weights = model.components.T * model.scale
    covariance = weights @ weights.T + model.noise_variance * torch.eye(64, dtype=torch.float64)
    truth = stats.multivariate_normal(model.mean.numpy(), covariance.numpy()).logpdf(flat[:20].numpy())
    np.testing.assert_allclose(model.log_prob(digits[:20]), truth, rtol=1e-8)
    # scikit-learn's estimate divides by n − 1, which moves the variances by less than a thousandth
    assert model.log_prob(digits).mean().item() == pytest.approx(SklearnPCA(6, svd_solver="full").fit(flat.numpy()).score(flat), abs=0.01)
    # the posterior mean by the formula with the matrix M
    m = weights.T @ weights + model.noise_variance * torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(model.encode(digits[:5]), (flat[:5] - model.mean) @ weights @ torch.linalg.inv(m))
    drawn = model.sample(40_000, torch.Generator().manual_seed(0)).flatten(1)
    assert (drawn.T.cov(correction=0) - covariance).abs().max() < 0.02 * covariance.max()


def test_probabilistic_pca_is_the_best_of_its_kind(digits):
    model = ProbabilisticPCA(digits, 6)
    best = model.log_prob(digits).mean()
    for factor in (0.8, 0.95, 1.05, 1.25):
        other = ProbabilisticPCA(digits, 6)
        other.noise_variance = model.noise_variance * factor
        other.variances = other.scale.square() + other.noise_variance
        assert other.log_prob(digits).mean() < best
    with pytest.raises(ValueError, match="below 64"):
        ProbabilisticPCA(digits, 64)


# --------------------------------------------------------------------------------------------------------------------
# Mixtures


def cloud(seed: int = 0, n: int = 300) -> torch.Tensor:
    return datasets.toy2d("gaussians8", n, seed).x.double()


@given(st.integers(0, 1000), st.integers(1, 6))
@settings(max_examples=15, deadline=None)
def test_em_never_lowers_the_likelihood(seed, components):
    x = cloud(seed)
    mixture = start_mixture(x, components, seed)
    before = mixture.log_prob(x).mean()
    for _ in range(15):
        mixture = mixture.em_step(x, floor=0)
        after = mixture.log_prob(x).mean()
        assert after >= before - 1e-10
        before = after


def test_a_mixture_agrees_with_scikit_learn():
    x = cloud()
    mixture = start_mixture(x, 3, seed=1).em_step(x).em_step(x)
    peer = SklearnMixture(3)
    peer.weights_, peer.means_, peer.covariances_ = (t.numpy() for t in (mixture.weights, mixture.means, mixture.covariances))
    peer.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(mixture.covariances.numpy()))
    np.testing.assert_allclose(mixture.log_prob(x), peer.score_samples(x.numpy()), rtol=1e-8)
    np.testing.assert_allclose(mixture.responsibilities(x), peer.predict_proba(x.numpy()), atol=1e-8)
    started = SklearnMixture(
        3,
        weights_init=peer.weights_,
        means_init=peer.means_,
        precisions_init=np.linalg.inv(peer.covariances_),
        max_iter=1,
        reg_covar=1e-6,
    )
    with pytest.warns(UserWarning, match="did not converge"):
        started.fit(x.numpy())
    np.testing.assert_allclose(mixture.em_step(x).means, started.means_, rtol=1e-6)
    np.testing.assert_allclose(mixture.em_step(x).covariances, started.covariances_, rtol=1e-5, atol=1e-8)


def test_a_fitted_mixture_finds_the_clouds_and_samples_from_them():
    x = torch.cat([torch.randn(400, 2) * 0.3 + 2, torch.randn(800, 2) * 0.5 - 2])
    mixture, history = fit_mixture(x, 2, seed=3)
    assert history == sorted(history)
    order = mixture.means[:, 0].argsort()
    torch.testing.assert_close(mixture.weights[order], torch.tensor([2 / 3, 1 / 3]), atol=0.02, rtol=0)
    torch.testing.assert_close(mixture.means[order], torch.tensor([[-2.0, -2.0], [2.0, 2.0]]), atol=0.1, rtol=0)
    drawn, k = mixture.sample(20_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(torch.bincount(k) / 20_000, mixture.weights, atol=0.015, rtol=0)
    torch.testing.assert_close(drawn[k == order[0]].T.cov(), mixture.covariances[order[0]], atol=0.02, rtol=0)


def test_a_far_point_keeps_its_responsibilities():
    mixture = GaussianMixture(torch.tensor([0.5, 0.5]), torch.tensor([[0.0], [1.0]]), torch.full((2, 1, 1), 0.01))
    torch.testing.assert_close(mixture.responsibilities(torch.tensor([[1000.0]])), torch.tensor([[0.0, 1.0]]))


# --------------------------------------------------------------------------------------------------------------------
# Naive Bayes


@pytest.fixture(scope="module")
def binary():
    parts = (datasets.load("digits8", split) for split in ("train", "test"))
    return [((part.x >= 128).flatten(1).float(), part.y) for part in parts]


def test_naive_bayes_equals_scikit_learn_when_nothing_is_missing(binary):
    (x, y), (x_test, _) = binary
    ours, theirs = NaiveBayes(x.double(), y, 10), BernoulliNB(alpha=1).fit(x.numpy(), y.numpy())
    np.testing.assert_allclose(ours.p.log(), theirs.feature_log_prob_, rtol=1e-9)
    ours.log_prior = torch.from_numpy(theirs.class_log_prior_)  # theirs is not smoothed
    np.testing.assert_allclose(ours.log_joint(x_test.double()).log_softmax(1), theirs.predict_log_proba(x_test.numpy()), atol=1e-8)


def test_a_missing_feature_is_summed_out():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randint(2, (50, 4), generator=generator).double(), torch.randint(3, (50,), generator=generator)
    model = NaiveBayes(x, y, 3)
    seen = torch.tensor([[True, False, True, False]])
    total = sum(model.log_joint(torch.tensor([[1.0, a, 0.0, b]]).double()).exp() for a, b in itertools.product((0, 1), repeat=2))
    torch.testing.assert_close(model.log_joint(torch.tensor([[1.0, 7.0, 0.0, 7.0]]).double(), seen).exp(), total)


def test_naive_bayes_samples_what_it_has_learned():
    model = NaiveBayes(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0, 1]), 2)
    torch.manual_seed(0)
    torch.testing.assert_close(model.sample(torch.zeros(10_000, dtype=torch.long)).mean(0), model.p[0], atol=0.02, rtol=0)


def test_generative_wins_with_few_images_and_with_holes(binary):
    results = compare_classifiers(*binary, sizes=(20, 1000), shares=(0.0, 0.7))
    bayes, logistic = results["naive Bayes"], results["logistic regression"]
    assert bayes.shape == logistic.shape == (2, 2)
    assert bayes[1, 1] > logistic[1, 1] + 0.05 and logistic[1, 0] > bayes[1, 0]


# --------------------------------------------------------------------------------------------------------------------
# Low rank


def test_truncated_svd_leaves_the_discarded_singular_values(digits):
    a = digits[:40].flatten(1)
    singular = np.linalg.svd(a.numpy(), compute_uv=False)
    for rank in (1, 5, 20):
        near = truncated_svd(a, rank)
        assert torch.linalg.matrix_rank(near, atol=1e-8) == rank
        assert (a - near).square().sum().item() == pytest.approx((singular[rank:] ** 2).sum(), rel=1e-9)


def test_missing_ratings_of_a_low_rank_table_are_found():
    generator = torch.Generator().manual_seed(0)
    table = 3 + torch.randn(80, 2, generator=generator) @ torch.randn(2, 30, generator=generator)
    seen = torch.rand(table.shape, generator=generator) < 0.6
    filled = complete_ratings(torch.where(seen, table, torch.nan).nan_to_num(99.0), seen, rank=2, steps=300)
    mean = (table * seen).sum(0) / seen.sum(0)
    assert (filled - table)[~seen].square().mean() < 0.02 * (mean - table)[~seen].square().mean()


def test_the_made_up_ratings_are_what_they_claim():
    data = datasets.ratings()
    assert data.values.shape == data.seen.shape == (300, len(data.films)) and len(set(data.films)) == 24
    assert not (data.seen & data.held_out).any()
    assert 0.23 < data.seen.float().mean() < 0.27 and 0.08 < data.held_out.float().mean() < 0.12
    assert data.values.min() == 1 and data.values.max() == 5 and (2 * data.values % 1 == 0).all()
    assert torch.equal(datasets.ratings().values, data.values) and not torch.equal(datasets.ratings(seed=1).values, data.values)
    error = {rank: (complete_ratings(data.values, data.seen, rank) - data.values)[data.held_out].square().mean() for rank in (1, 3, 15)}
    assert error[3] < error[1] and error[3] < error[15]


def test_documents_come_with_python():
    texts = datasets.documents(longest=500)
    assert len(texts) > 50 and "lambda" in texts and max(map(len, texts.values())) <= 500


# --------------------------------------------------------------------------------------------------------------------
# Paths


@given(st.integers(0, 1000), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_slerp_keeps_the_norm_and_turns_evenly(seed, t):
    a, b = torch.randn(2, 16, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    b = b * a.norm() / b.norm()
    middle = slerp(a, b, t)
    assert middle.norm().item() == pytest.approx(a.norm().item())
    angle = math.acos(float(a @ b / a.norm() ** 2))
    assert math.acos(max(-1, min(1, float(a @ middle / a.norm() ** 2)))) == pytest.approx(t * angle, abs=1e-6)


def test_paths_start_and_end_where_they_should_and_take_many_steps():
    a, b = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    for path in (lerp, slerp):
        steps = path(a, b, torch.linspace(0, 1, 7))
        assert steps.shape == (7, 3, 5)
        torch.testing.assert_close(steps[0], a)
        torch.testing.assert_close(steps[-1], b)
        torch.testing.assert_close(steps[3], path(a, b, 0.5))
    torch.testing.assert_close(slerp(a, a, 0.3), a)
    assert slerp(a, -a, 0.5).isfinite().all()
    assert slerp(torch.zeros(3), torch.ones(3), 0.5).isfinite().all()


def test_distance_to_the_manifold_is_the_nearest_neighbours(digits):
    x = digits[:5] + 0.1
    every = np.linalg.norm(x.flatten(1).numpy()[:, None] - digits.flatten(1).numpy()[None], axis=2)
    np.testing.assert_allclose(manifold_distance(x, digits), every.min(1), rtol=1e-6)
    np.testing.assert_allclose(manifold_distance(x, digits, 3), np.sort(every, 1)[:, :3].mean(1), rtol=1e-6)
    assert manifold_distance(digits[:4], digits).max() < 1e-5


# --- what may hold anything does


@pytest.mark.parametrize("anything", [math.nan, math.inf, -1.0, 1e30])
def test_hidden_ratings_may_hold_anything(anything):
    generator = torch.Generator().manual_seed(0)
    ratings = torch.randn(12, 2, generator=generator) @ torch.randn(2, 8, generator=generator)
    seen = torch.rand(12, 8, generator=generator) > 0.2
    asked = complete_ratings(torch.where(seen, ratings, 0.0), seen, rank=2)
    assert torch.equal(complete_ratings(torch.where(seen, ratings, anything), seen, rank=2), asked) and asked.isfinite().all()


@pytest.mark.parametrize("anything", [math.nan, -1.0, 7.0])
def test_hidden_features_may_hold_anything(anything):
    x, y = (torch.arange(60).view(20, 3) % 7 > 2).float(), torch.arange(20) % 2
    bayes, seen = NaiveBayes(x, y, 2), torch.tensor([[True, False, True]]).expand(20, 3)
    assert torch.equal(bayes.log_joint(torch.where(seen, x, anything), seen), bayes.log_joint(x, seen))
    assert torch.equal(bayes.predict(torch.where(seen, x, anything), seen), bayes.predict(x, seen))


def test_without_smoothing_what_was_never_counted_is_impossible():
    x, y = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]), torch.tensor([0, 0, 1])
    found = NaiveBayes(x, y, 3, smoothing=0.0).log_joint(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])).exp()
    by_hand = torch.tensor([[2 / 3 * 1 * 1 / 2, 0, 0], [0, 0, 0], [0, 1 / 3, 0]])  # the third class has no example
    assert torch.allclose(found, by_hand)


@pytest.mark.parametrize(("change", "message"), [({"smoothing": -1.0}, "at least 0"), ({"x": torch.full((3, 2), 0.4)}, "must be 0 or 1")])
def test_naive_bayes_refuses_what_it_does_not_document(change, message):
    with pytest.raises(ValueError, match=message):
        NaiveBayes(**{"x": torch.ones(3, 2), "y": torch.zeros(3, dtype=torch.long), "classes": 2} | change)


def test_a_column_that_never_varies_can_be_fitted():
    x = torch.cat([torch.randn(200, 2, generator=torch.Generator().manual_seed(0)), torch.full((200, 1), 3.0)], 1)
    mixture, history = fit_mixture(x.double(), 1)
    theirs = SklearnMixture(1).fit(x.double().numpy())
    assert history[-1] == pytest.approx(theirs.score(x.double().numpy()), abs=1e-6)
    assert torch.allclose(mixture.means, torch.from_numpy(theirs.means_))


@pytest.mark.parametrize("b", [[3.0, 4.0], [-3.0, -4.0], [0.0, 5.0]])
def test_slerp_has_a_gradient_everywhere(b):
    a, b = torch.tensor([3.0, 4.0], requires_grad=True), torch.tensor(b, requires_grad=True)
    slerp(a, b, 0.3).sum().backward()
    assert a.grad.isfinite().all() and b.grad.isfinite().all()
    if torch.equal(a, b):  # then the arc is the line
        assert torch.allclose(a.grad, torch.full((2,), 0.7)) and torch.allclose(b.grad, torch.full((2,), 0.3))
