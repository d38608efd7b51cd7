"""The explorers of the metrics lecture: every number they show is computed a second time, by other packages or by hand."""

import math
import re
from functools import cache

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import linprog
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist, jensenshannon
from scipy.stats import mannwhitneyu, wasserstein_distance
from sklearn.neighbors import KernelDensity, NearestNeighbors
from views import number, picture, set_to, told, words

from course_lib import datasets, metrics
from course_lib.datasets import faces
from course_lib.metrics import digit_features, digit_probabilities, leaderboard
from course_lib.metrics.leaderboard import COLUMNS
from course_lib.widgets import WIDE
from course_lib.widgets.metrics import (
    CorruptionExplorer,
    CoverageExplorer,
    FeatureExplorer,
    LeaderboardExplorer,
    LikelihoodExplorer,
    SampleSizeExplorer,
    TransportExplorer,
    WithheldExplorer,
    distances,
    points,
)
from course_lib.widgets.metrics import images as image_explorers
from course_lib.widgets.metrics.board import NUMBERS

torch.set_num_threads(1)


def some_digits(split, n):
    """n real digits in random order, uint8."""
    x = datasets.load("mnist_small", split).x
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:n]]


def gaussian_rows(n, seed, shift=0.0, d=6):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def corruption():
    return CorruptionExplorer(some_digits("test", 400), some_digits("train", 500))


shared = cache(corruption)  # one for the tests below: what it measures is kept


def sizes():
    return SampleSizeExplorer(gaussian_rows(600, 0), gaussian_rows(500, 1))


@cache
def withheld():
    data = datasets.load("faces", "test")
    return WithheldExplorer(data.x[:900], data.y[:900], data.x[900:1_200], data.y[900:1_200])


def features():
    real, other = some_digits("test", 120).split(60)
    flat = {"pixels": lambda x: x.flatten(1), "rows": lambda x: x.sum(3)[:, 0], "ink": lambda x: x.flatten(1)[:, 300:500]}
    samples = {
        "good": other,
        "dim": other // 3,
        "noisy": (other / 255 + 0.3 * torch.rand(60, 1, 28, 28)).clamp(0, 1),
        "one": real[:1].repeat(60, 1, 1, 1),
    }
    torch.manual_seed(0)
    return FeatureExplorer(samples, real, flat)


def fid_by_numpy(a, b):
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s + t) - 2 * np.sqrt(np.linalg.eigvals(s @ t).astype(complex)).real.sum()


def kid_by_hand(a, b):
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    k = lambda u, v: (u @ v.T / u.shape[1] + 1) ** 3  # noqa: E731
    n, m = len(a), len(b)
    within = [(k(v, v).sum() - np.trace(k(v, v))) / (len(v) * (len(v) - 1)) for v in (a, b)]
    return sum(within) - 2 * k(a, b).sum() / (n * m)


def reach_by_sklearn(x, k):
    return NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x)[0][:, -1]


def four_scores(real, fake, k, k_density):
    """Precision, recall, density and coverage."""
    between = cdist(real, fake)
    near = between <= reach_by_sklearn(real, k_density)[:, None]
    precision = (between <= reach_by_sklearn(real, k)[:, None]).any(0).mean()
    recall = (between <= reach_by_sklearn(fake, k)).any(1).mean()
    return precision, recall, near.sum() / (k_density * len(fake)), near.any(1).mean()


def test_an_error_is_told_and_goes_away(monkeypatch):
    explorer = TransportExplorer()
    monkeypatch.setattr(distances, "sinkhorn", lambda *_: 1 / 0)
    explorer.epsilon.value = 0.3
    assert "TransportExplorer could not draw this: division by zero" in explorer.view.value
    set_to(explorer, epsilon=distances.EXACT)


# --- corruptions


def test_every_score_of_spoilt_digits_is_right():
    explorer = set_to(shared(), corruption="blur", strength=0.5)
    x = some_digits("test", 400).numpy() / 255
    real, fake = x[:200], x[200:]
    fake = gaussian_filter1d(gaussian_filter1d(fake, 1.25, axis=2), 1.25, axis=3)
    of_real, of_fake, of_train = (
        digit_features(torch.as_tensor(v).float()).numpy() for v in (real, fake, some_digits("train", 500).numpy() / 255)
    )
    p = digit_probabilities(torch.as_tensor(fake).float()).numpy()
    near, fresh = (cKDTree(of_train).query(v)[0] for v in (of_fake, of_real))
    precision, recall, density, coverage = four_scores(of_real, of_fake, 3, 5)
    expected = {
        "FID": fid_by_numpy(of_real, of_fake),
        "KID": kid_by_hand(of_fake, of_real),
        "IS": np.exp((p * (np.log(p + 1e-300) - np.log(p.mean(0)))).sum(1).mean()),
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
        "closer": mannwhitneyu(-near, -fresh).statistic / len(near) / len(fresh),
    }
    shown = explorer.measured(0.5)
    assert set(shown) == {*expected, "sliced W"}
    for name, value in expected.items():
        assert shown[name] == pytest.approx(value, rel=2e-3), name
        alt = next(t for t in told(explorer).split(" | ") if t.startswith(f"{name} against"))
        assert float(re.search(r"now (\S+)$", alt)[1]) == pytest.approx(value, rel=6e-3), name
    alt, sheet = picture(explorer, "digits blurred")
    assert "12 of 200 digits blurred with σ = 1.25 pixels" in alt
    assert np.abs(sheet[:, :28] / 255 - fake[0, 0]).max() < 0.01


def test_copies_are_seen_by_the_distance_to_training_images_alone():
    explorer = set_to(shared(), corruption="training copies", strength=1.0)
    now, clean = explorer.measured(1.0), explorer.measured(0.0)
    assert now["closer"] == 1.0 and 0.4 < clean["closer"] < 0.6, "every copy lies on a training image"
    assert set(explorer.noticed(now)) - {"IS"} == {"closer"}, "the network knows training images a little better, and IS has a narrow range"
    assert "A copy is a perfect digit" in words(explorer) and "the distance to the training images" in words(explorer)
    shown = explorer.found(1.0)[1]
    train = some_digits("train", 500) / 255
    assert all((train == image).flatten(1).all(1).any() for image in shown)


def test_dropped_digits_cost_recall_and_not_precision():
    explorer = set_to(shared(), corruption="dropped digits", strength=1.0)
    now, clean = explorer.measured(1.0), explorer.measured(0.0)
    assert clean["precision"] - now["precision"] < 0.05 and clean["recall"] - now["recall"] > 0.3
    assert now["IS"] < 2.1, "two classes at most"
    assert {"precision", "density"}.isdisjoint(explorer.noticed(now))
    assert "variety suffers more" in words(explorer)
    assert "digits from 0 to 1 only" in words(explorer)


def test_duplicates_repeat_and_noise_is_noise():
    explorer = set_to(shared(), corruption="duplicates", strength=1.0)
    assert "that repeat 5 different images" in words(explorer)
    x, _ = explorer.corrupted(1.0)
    assert len(torch.unique(x.flatten(1), dim=0)) == 5 and len(x) == 200
    set_to(explorer, corruption="noise")
    x, _ = explorer.corrupted(1.0)
    inside = (explorer.clean == 0) & (x > 0)  # half of the noise on black is clipped
    assert inside.float().sum() / (explorer.clean == 0).sum() == pytest.approx(0.5, abs=0.01)
    set_to(explorer, corruption="salt and pepper")
    changed = (explorer.corrupted(1.0)[0] != explorer.clean).float()
    assert changed[explorer.clean == 0].mean() == pytest.approx(0.15, abs=0.01), "the other half becomes black, as it was"


def test_at_strength_0_nothing_is_noticed_whatever_the_corruption(monkeypatch):
    explorer = set_to(shared(), strength=0.0)
    assert "Every score takes these for real digits." in words(explorer)
    low, high = explorer.ranges["FID"]
    assert low <= explorer.measured(0.0)["FID"] <= high
    monkeypatch.setattr(image_explorers, "digit_features", None)
    set_to(explorer, strength=0.75)  # measured with all the others


def test_without_training_images_there_are_no_copies():
    explorer = CorruptionExplorer(some_digits("test", 200))
    assert "training copies" not in explorer.corruption.options
    assert "closer" not in explorer.measured(0.5) and "closer" not in told(explorer)


@pytest.mark.parametrize("shape", [(100, 1, 28, 28), (300, 1, 8, 8)])
def test_other_images_are_refused(shape):
    with pytest.raises(ValueError, match=r"images must be digits \(n, 1, 28, 28\) with n of 200 or more, got shape"):
        CorruptionExplorer(torch.zeros(shape))


# --- the number of samples


def test_scores_of_all_samples_are_right():
    explorer = set_to(sizes(), samples=600)
    a, b = gaussian_rows(600, 0), gaussian_rows(500, 1)
    found = explorer.measured()
    assert found["FID"][-1] == pytest.approx(np.full(8, fid_by_numpy(a, b)), rel=1e-6)
    assert found["KID"][-1] == pytest.approx(np.full(8, kid_by_hand(a, b)), abs=1e-9)
    assert number("FID (…)", words(explorer)) == pytest.approx(fid_by_numpy(a, b), rel=1e-3)
    assert "have no spread left to show" in words(explorer)


def test_scores_of_a_random_set_are_those_of_its_rows():
    explorer = sizes()
    rows = torch.randperm(600, generator=torch.Generator().manual_seed(0))[:50]  # the first set of the first size
    a, b = gaussian_rows(600, 0)[rows], gaussian_rows(500, 1)
    found = explorer.measured()
    assert found["FID"][0, 0] == pytest.approx(fid_by_numpy(a, b), rel=1e-6)
    assert found["KID"][0, 0] == pytest.approx(kid_by_hand(a, b), abs=1e-9)
    parts = [10, 18, 26, 34, 42, 50]
    fids = [fid_by_numpy(a[:n], b) for n in parts]
    assert found["parts"][0, 0] == pytest.approx(fids, rel=1e-6)
    at_zero = np.linalg.lstsq(np.stack([np.ones(6), 1 / np.array(parts)], 1), np.array(fids), rcond=None)[0][0]
    assert found["FID∞"][0, 0] == pytest.approx(at_zero, rel=1e-6)


def test_fid_falls_with_the_samples_and_kid_does_not():
    explorer = SampleSizeExplorer(gaussian_rows(2000, 0, d=12), gaussian_rows(4000, 1, d=12))
    found = explorer.measured()
    means = found["FID"].mean(1)
    assert (np.diff(means) < 0).all() and means[0] > 10 * means[-1]
    error = found["KID"].std(1, ddof=1) / math.sqrt(8)
    assert (np.abs(found["KID"].mean(1))[:4] < 4 * error[:4]).all(), "one distribution: KID is 0 on average"
    assert abs(found["FID∞"][3].mean()) < 0.35 * means[3], "the straight line takes most of the bias away"
    assert "compare FIDs at one N only" in words(explorer)
    assert found["KID"][0].std() > 3 * found["KID"][3].std()


def test_another_seed_draws_other_sets_and_none_is_measured_twice(monkeypatch):
    explorer = set_to(sizes(), seed=1)
    first = explorer.measured()["FID"][0].copy()
    set_to(explorer, seed=0)
    assert not np.isclose(explorer.measured()["FID"][0], first).any()
    monkeypatch.setattr(SampleSizeExplorer, "fid", None)
    set_to(explorer, seed=1, samples=100)


def test_fid_infinity_is_not_trusted_with_too_few_rows():
    assert "Do not trust FID∞ here: its smallest parts have 10 rows for 6 features" in words(set_to(sizes(), samples=50))
    assert "Do not trust" not in words(set_to(sizes(), samples=500))
    with pytest.raises(ValueError, match="features must have 200 rows or more"):
        SampleSizeExplorer(gaussian_rows(50, 0), gaussian_rows(500, 1))


# --- precision and recall


@pytest.mark.parametrize("model", list(points.MODELS))
def test_the_four_scores_are_those_of_the_points(model):
    explorer = set_to(CoverageExplorer(), model=model, k=4)
    real, samples = (v.numpy() for v in explorer.points())
    expected = four_scores(real, samples, 4, 4)
    shown = [number(f"{name} (…)", told(explorer)) for name in ("precision", "recall", "density", "coverage")]
    assert shown == pytest.approx(expected, abs=6e-4)
    inside = round(expected[0] * 96)
    assert f": {inside} inside, {96 - inside} outside" in told(explorer)
    set_to(explorer, balls="around samples")
    assert f": {round(expected[1] * 96)} inside" in told(explorer)


def test_one_stray_point_fools_precision_or_recall_but_not_density_and_coverage():
    explorer = set_to(CoverageExplorer(), model="in the hole, one real stray")
    assert number("Precision (…)", words(explorer)) > 0.9 and number("density (…)", words(explorer)) < 0.5
    real, samples = (v.numpy() for v in explorer.points())
    assert number("middle precision would be (…)", words(explorer)) == pytest.approx(four_scores(real[:-1], samples, 3, 3)[0], abs=6e-3)
    set_to(explorer, model="collapsed, one stray sample")
    assert number("recall (…)", words(explorer)) > 0.6 and number("coverage (…)", words(explorer)) < 0.5
    real, samples = (v.numpy() for v in explorer.points())
    assert number("left recall would be (…)", words(explorer)) == pytest.approx(four_scores(real, samples[:-1], 3, 3)[1], abs=6e-3)


def test_a_model_sets_the_sliders_and_they_move_the_samples():
    explorer = set_to(CoverageExplorer(), model="too wide")
    assert explorer.spread.value == 3.0
    before = explorer.points()[1]
    set_to(explorer, shift=1.5)
    assert (explorer.points()[1] - before).numpy() == pytest.approx(np.tile([1.5, 0.0], (96, 1)))
    set_to(explorer, model="collapsed")
    assert explorer.shift.value == 0
    nearest = torch.cdist(explorer.points()[1], explorer.centres).argmin(1)
    assert set(nearest.tolist()) == {0, 1, 2}


# --- withheld words


def test_withheld_faces_are_those_with_the_word_and_no_others():
    explorer = withheld()
    column = list(faces.FACTORS).index("beard")
    set_to(explorer, word=("beard", "beard"), share=0.0, seed=3)
    bearded, all_rows = explorer.y[:, column] > 0, explorer.drawn(0.0)
    assert len(all_rows) == 360 and 0.2 < bearded[all_rows].double().mean() < 0.4
    for share in (0.5, 0.9, 1.0):
        rows = explorer.drawn(share)
        assert len(rows.unique()) == 360
        shaven, before = rows[~bearded[rows]], all_rows[~bearded[all_rows]]
        assert torch.equal(shaven[: len(before)], before), "the others are drawn as before"
        assert bearded[rows].double().mean().item() == pytest.approx(0.3 * (1 - share) / (1 - 0.3 * share), abs=0.06)
    assert "360 faces, 0% of them with a beard" in words(set_to(explorer, share=1.0))


def test_scores_and_missing_pairs_of_withheld_faces():
    explorer = set_to(withheld(), word=("beard", "beard"), share=1.0, seed=0)
    rows = explorer.drawn(1.0)
    expected = four_scores(explorer.real.numpy(), explorer.features[rows].numpy(), 3, 5)
    shown = [number(f"{name} [\\d.]+ → (…)", told(explorer)) for name in ("precision", "recall", "density", "coverage")]
    assert shown == pytest.approx(expected, abs=6e-3)
    lost = metrics.missing_pairs(explorer.words[rows], explorer.reference)
    with_beard = [pair for pair in lost if ("beard", "beard") in (pair[:2], pair[2:])]
    assert number("real faces hold, (…) never come", words(explorer)) == len(lost) >= len(with_beard) > 25
    held = [pair for pair in metrics.missing_pairs(explorer.words[:0], explorer.reference) if ("beard", "beard") in (pair[:2], pair[2:])]
    assert set(held) == set(with_beard), "all that a beard goes with is missing"
    assert number("without withholding (…) do not", words(explorer)) < len(lost) / 2


def test_withholding_needs_enough_faces():
    data = datasets.load("faces", "test")
    with pytest.raises(ValueError, match="800 images or more"):
        WithheldExplorer(data.x[:100], data.y[:100], data.x[:300], data.y[:300])


# --- transport


@pytest.mark.parametrize("source, target, shift", [("one bump", "two bumps", 3.0), ("flat", "ramp", 0.5), ("spike", "one bump", 6.0)])
def test_distances_of_histograms_are_right(source, target, shift):
    explorer = set_to(TransportExplorer(), source=source, target=target, shift=shift)
    p, q = distances.histogram(source), distances.histogram(target, shift)
    at = 0.25 * (np.arange(48) + 0.5)
    squares = (at[:, None] - at) ** 2
    rows, columns = np.kron(np.eye(48), np.ones(48)), np.kron(np.ones(48), np.eye(48))
    best = linprog(squares.ravel(), A_eq=np.concatenate([rows, columns])[:-1], b_eq=np.concatenate([p, q])[:-1]).fun
    assert number("W₁ = (…) ", words(explorer)) == pytest.approx(wasserstein_distance(at, at, p, q), abs=6e-4)
    assert number("W₂ = (…) ", words(explorer)) == pytest.approx(math.sqrt(best), abs=6e-4)
    assert number("total variation (…),", words(explorer)) == pytest.approx(np.abs(p - q).sum() / 2, abs=6e-4)
    assert number("Jensen-Shannon (…) bits", words(explorer)) == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=6e-4)
    assert f"mean place {p @ at:.2f}" in told(explorer) and f"mean place {q @ at:.2f}" in told(explorer)


def test_sinkhorn_keeps_both_heaps_and_its_form():
    explorer = set_to(TransportExplorer(), target="ramp", epsilon=1.0)
    plan, _ = explorer.plan(1.0, 3.0)
    p, q = distances.histogram("one bump"), distances.histogram("ramp", 3.0)
    assert plan.sum(1) == pytest.approx(p, abs=1e-5) and plan.sum(0) == pytest.approx(q, abs=1e-5)
    used = np.ix_(p > 0, q > 0)  # there the plan is u(x) exp(−cost/ε) v(y)
    left = np.log(plan[used]) + explorer.cost[used] / 1.0
    assert np.abs(left - left.mean(0) - left.mean(1, keepdims=True) + left.mean()).max() < 1e-6
    costs = [explorer.distance(explorer.plan(e, 3.0)[0]) for e in explorer.EPSILONS]
    assert costs == sorted(costs), "the larger ε, the farther from the best plan"
    assert number("rounds: (…),", words(explorer)) == pytest.approx(costs[3], abs=6e-4)


def test_equal_shapes_are_as_far_apart_as_they_were_moved():
    explorer = set_to(TransportExplorer(), source="flat", target="flat", shift=4.25)
    assert number("W₁ = (…) ", words(explorer)) == 4.25 and number("W₂ = (…) ", words(explorer)) == 4.25
    assert "a farther shift changes neither TV nor JS" in words(explorer)
    assert "only one plan" in words(set_to(TransportExplorer(), source="spike", epsilon=1.0))
    set_to(explorer, shift=0.0)
    assert "The two are equal" in words(explorer)
    set_to(explorer, epsilon=1.0)
    assert number("rounds: (…),", words(explorer)) > 0.3, "of two equal heaps Sinkhorn's plan still moves sand"


# --- likelihood and quality


@pytest.mark.parametrize("data", ["rings", "moons"])
def test_likelihoods_of_both_models_are_right(data):
    explorer = set_to(LikelihoodExplorer(), data=data, share=0.9, bandwidth=0.1)
    train, test = datasets.toy2d(data, 100, 1).x.double(), datasets.toy2d(data, 2000, 2).x.double()
    good = datasets.toy2d_log_prob(data, test).numpy()
    mixture = np.log(0.1 * np.exp(good) + 0.9 / 100).mean()
    table = KernelDensity(bandwidth=0.1).fit(train.numpy())
    of_train, of_test = (table.score_samples(v.numpy()).mean() for v in (train, test))
    assert number("gives test points (…) nats", words(explorer)) == pytest.approx(good.mean(), abs=6e-3)
    assert number("it loses (…) nats", words(explorer)) == pytest.approx(good.mean() - mixture, abs=6e-3)
    assert number("with (…) nats on test", words(explorer)) == pytest.approx(of_test, rel=1e-3)
    assert number("and (…) on its own", words(explorer)) == pytest.approx(of_train, abs=6e-3)
    assert number(r"at most −log\(1 − 0.9\) = (…);".replace("−", "-"), words(explorer)) == 2.30
    assert number("that is (…) bits", words(explorer)) == pytest.approx(math.log2(10) / 784, rel=0.02)
    scores = [KernelDensity(bandwidth=h).fit(train.numpy()).score_samples(test.numpy()).mean() for h in points.BANDWIDTHS]
    assert number("bandwidth (…) is best", words(explorer)) == points.BANDWIDTHS[int(np.argmax(scores))]


def test_garbage_keeps_its_likelihood_and_perfect_samples_lose_theirs():
    explorer = set_to(LikelihoodExplorer(), share=0.99, bandwidth=0.003)
    mixed, looked_up = (explorer.real_looking(x).double().mean().item() for x in explorer.samples())
    assert mixed < 0.35 and looked_up > 0.97
    assert number("it loses (…) nats", words(explorer)) < math.log(100)
    assert number("with (…) nats on test", words(explorer)) < -500 < 4 < number("and (…) on its own", words(explorer))
    for share, value in zip(points.SHARES, explorer.world()["mixture"]):
        assert value >= explorer.world()["data"] + math.log1p(-share) - 1e-9


def test_what_looks_real_are_the_densest_99_in_100():
    explorer = LikelihoodExplorer()
    fresh = datasets.toy2d("rings", 20_000, 9).x.double()
    assert explorer.real_looking(fresh).double().mean().item() == pytest.approx(0.99, abs=0.004)
    set_to(explorer, share=0.0)
    mixed, _ = explorer.samples()
    count = int(explorer.real_looking(mixed).sum())
    assert f"{count} look real, {400 - count} do not" in told(explorer) and count > 385


def test_samples_of_the_lookup_table_are_training_points_with_noise():
    explorer = set_to(LikelihoodExplorer(), bandwidth=0.01)
    away, _ = cKDTree(datasets.toy2d("rings", 100, 1).x.double().numpy()).query(explorer.samples()[1].numpy())
    assert away.max() < 0.05 and away.mean() == pytest.approx(0.01 * math.sqrt(math.pi / 2), rel=0.15)


# --- features


def test_scores_and_ranks_are_those_of_the_features():
    explorer = set_to(features(), network="rows", score="FID")
    flat = {name: x.sum(3)[:, 0] for name, x in explorer.samples.items()}
    real = explorer.real.sum(3)[:, 0]
    expected = {name: fid_by_numpy(x.double(), real.double()) for name, x in flat.items()}
    assert explorer.values("rows") == pytest.approx(expected, rel=1e-3)
    order = sorted(expected, key=expected.get)
    assert [name for name, _ in re.findall(r"(\w+) (-?[\d.e+]+)(?:,|$)", told(explorer).split(" | ")[0].split("best first: ")[1])] == order
    assert explorer.ranks("rows") == {name: i + 1 for i, name in enumerate(order)}
    set_to(explorer, score="KID")
    assert explorer.values("rows")["dim"] == pytest.approx(kid_by_hand(flat["dim"], real), rel=1e-6)
    set_to(explorer, score="recall")
    assert explorer.values("rows")["noisy"] == pytest.approx(four_scores(real.numpy(), flat["noisy"].numpy(), 3, 5)[1], abs=1e-9)
    set_to(explorer, score="precision")
    assert explorer.ranks("rows")["one"] == 1, "one real digit again and again is as precise as can be"


def test_who_moves_is_told():
    explorer = set_to(features(), network="ink", score="FID")
    before, now = explorer.ranks("pixels"), explorer.ranks("ink")
    moved = [name for name in now if now[name] != before[name]]
    if moved:
        assert f"{len(moved)} of 4 models change their rank from “pixels”" in words(explorer)
    else:
        assert "No model changes its rank from “pixels”." in words(explorer)
    assert ", ".join(f"{name} {before[name]} → {now[name]}" for name in sorted(now, key=now.get)) in told(explorer)
    set_to(explorer, network="pixels")
    assert "the others are compared with" in words(explorer)


def test_a_network_sees_each_set_once():
    calls = []

    def network(x):
        calls.append(len(x))
        return x.flatten(1)[:, ::7]

    x = some_digits("test", 90)
    explorer = FeatureExplorer({"a": x[:30], "b": x[30:60]}, x[60:], {"first": network, "second": lambda x: x.flatten(1)})
    set_to(explorer, network="second", score="recall")
    set_to(explorer, network="first", score="FID")
    assert calls == [30, 30, 30]


def test_equal_values_share_a_rank_and_bad_input_is_refused():
    x = some_digits("test", 60)
    explorer = FeatureExplorer({"a": x[:30], "b": x[:30], "c": x[:30] // 4}, x[30:], {"pixels": lambda x: x.flatten(1)})
    assert explorer.ranks("pixels") == {"a": 1, "b": 1, "c": 3}
    assert "best a and b" in words(explorer)
    with pytest.raises(ValueError, match="equally many samples, for FID falls with their number; got a 30, b 20"):
        FeatureExplorer({"a": x[:30], "b": x[:20]}, x, {"pixels": lambda x: x.flatten(1)})
    with pytest.raises(ValueError, match="two models or more"):
        FeatureExplorer({"a": x}, x, {"pixels": lambda x: x.flatten(1)})
    with pytest.raises(ValueError, match=r"network images must turn \(30, 1, 28, 28\) into \(30, d\), but gave \(30, 1, 28, 28\)"):
        FeatureExplorer({"a": x[:30], "b": x[30:]}, x[:30], {"images": lambda x: x})


# --- the leaderboard


def board():
    names = [("a", "gans", None, 9.0, 0.5), ("b", "flows", 1.1, 90.0, 0.7), ("c", "flows", 1.2, 30.0, 0.6)]
    row = dict.fromkeys(leaderboard.COLUMNS, 1.0) | {"closer": 0.5, "likelihood": "bound"}
    rows = [row | dict(zip(("name", "topic", "bits_per_dim", "fid", "precision"), values)) for values in names]
    floor = row | {"name": "training images", "topic": "data", "fid": 1.5, "bits_per_dim": None, "parameters": None}
    return {"data": "mnist", "samples": 300, "device": "cpu", "floor": floor, "rows": [r | {"parameters": 10} for r in rows]}


def ranked():
    return LeaderboardExplorer(board())


def names_shown(explorer) -> list[str]:
    return re.findall(r"<tr[^>]*><td[^>]*>([^<]*)</td>", explorer.view.value)


def test_the_leaderboard_sorts_and_filters():
    explorer = ranked()
    assert names_shown(explorer) == ["training images", "a", "c", "b"]
    explorer.sort.value = "precision"
    assert names_shown(explorer) == ["training images", "b", "c", "a"]
    explorer.family.value = "flows"
    assert names_shown(explorer) == ["training images", "b", "c"]
    explorer.sort.value = "bits_per_dim"
    explorer.family.value = "all that compete"
    assert names_shown(explorer) == ["training images", "b", "c", "a"]  # none comes last


def test_the_leaderboard_draws_two_columns_and_says_their_numbers():
    explorer = ranked()
    assert "FID ↓ against bits/dim: b 1.1, 90; c 1.2, 30" in told(explorer)  # a has no bits
    explorer.across.value = "precision"
    assert "a 0.5, 9; b 0.7, 90; c 0.6, 30" in told(explorer)
    explorer.model.value = "c"
    assert "Bits of c: bound" in words(explorer) and "nearer to a training image than a new digit is in 50% of pairs" in words(explorer)
    explorer.model.value = "a"
    assert "a has no likelihood" in words(explorer)


def test_a_family_without_one_of_the_columns_is_said():
    explorer = set_to(ranked(), family="gans")
    assert "No model of gans has both bits/dim and FID ↓" in words(explorer) and names_shown(explorer) == ["training images", "a"]
    set_to(explorer, across="precision")
    assert "a 0.5, 9" in told(explorer)


def test_the_shipped_leaderboard_sticks_out_for_no_choice():
    explorer = LeaderboardExplorer(leaderboard.read())
    choices = [key for _, key in explorer.sort.options]
    assert set(NUMBERS) - set(choices) == {"obeyed", "held_out"}  # which are measured of faces alone
    for sort in choices:
        for family in ("all that compete", "studies"):
            set_to(explorer, sort=sort, family=family)
            shown = explorer.panels()[1][0]
            assert shown.size[0] <= WIDE and {"model", "family", COLUMNS[sort][0]} <= set(shown.rows[0]), sort
            assert len(shown.rows[0]) > 5, sort


def test_studies_are_shown_apart():
    with_study = board()
    with_study["rows"].append(with_study["rows"][0] | {"name": "vae_2d", "topic": "autoencoders", "fid": 50.0})
    explorer = LeaderboardExplorer(with_study)
    assert "vae_2d" not in names_shown(explorer) and "vae_2d 0.5" not in told(explorer)
    assert names_shown(set_to(explorer, family="studies")) == ["training images", "vae_2d"]
    assert "studies" not in ranked().family.options


def test_an_empty_leaderboard_is_named():
    with pytest.raises(ValueError, match="no rows: run `python -m course_lib leaderboard`"):
        LeaderboardExplorer({"rows": []})
