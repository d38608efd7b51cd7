"""The explorers of noise, scores and ways of diffusion, against numbers that are computed here in another way."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from views import cells, number, picture, shaken, told, words

from course_lib.diffusion import Diffusion, ImageDiffusion, PointDiffusion
from course_lib.widgets.diffusion import NoiseExplorer, ReverseExplorer, ScoreExplorer, TrajectoryExplorer, paths, scores

ALPHA_BAR = {
    "linear": lambda t: math.exp(-0.1 * t - 9.95 * t**2),
    "cosine": lambda t: (math.cos((t + 0.008) / 1.008 * math.pi / 2) / math.cos(0.008 / 1.008 * math.pi / 2)) ** 2,
    "sigmoid": lambda t: (1 / (1 + math.exp(-3)) - 1 / (1 + math.exp(3 - 6 * t))) / (1 / (1 + math.exp(-3)) - 1 / (1 + math.exp(3))),
    "straight": lambda t: (1 - t) ** 2,
}


def factors(name, t):
    """α and σ from the formulas of the papers."""
    alpha = math.sqrt(max(ALPHA_BAR[name](t), 1e-6))
    return alpha, t if name == "straight" and t < 1 else math.sqrt(1 - alpha**2) if name != "straight" else 1 - alpha


def digits(n=3):
    return torch.randint(0, 256, (n, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


def image_model(classes=2):
    torch.manual_seed(1)
    return shaken(ImageDiffusion((1, 8, 8), 8, (1,), 1, (), 2, classes), 0.1)


def point_model(seed=0, **options):
    torch.manual_seed(seed)
    return shaken(PointDiffusion(width=8, **options), 0.3, seed)


class Small(TrajectoryExplorer):
    POINTS = 60


def noisy():
    return NoiseExplorer(digits())


def reversed_():
    return ReverseExplorer(image_model())


def followed():
    models = {"a": point_model(), "b": point_model(1, schedule="straight", predict="velocity"), "c": point_model(2, scale=2.0)}
    return Small(models)


@pytest.mark.parametrize("make", [noisy, ScoreExplorer, reversed_, followed])
def test_the_seed_of_a_lecture_is_left_alone(make):
    explorer = make()
    scores.walk.cache_clear()
    again = {
        NoiseExplorer: lambda: NoiseExplorer(digits()),
        ScoreExplorer: ScoreExplorer,
        ReverseExplorer: lambda: setattr(ReverseExplorer(explorer.model).method, "value", 1.0),
        Small: lambda: Small(explorer.models),
    }[type(explorer)]
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    again()
    assert torch.equal(torch.rand(3), expected)


# --- noise


@pytest.mark.parametrize("name", list(ALPHA_BAR))
@pytest.mark.parametrize("t", [0.0, 0.31, 1.0])
def test_the_noisy_image_and_its_numbers_are_those_of_the_formula(name, t):
    explorer = noisy()
    explorer.schedule.value, explorer.t.value, explorer.image.value = name, t, 2
    alpha, sigma = factors(name, t)
    x = digits().float() / 127.5 - 1
    mixed = (alpha * x + sigma * explorer.noise).numpy()
    alt, sheet = picture(explorer, "three times")
    expected = np.stack([x[2, 0], explorer.noise[2, 0], mixed[2, 0]])
    assert np.abs(cells(sheet, 3) - (127.5 * (expected + 1)).clip(0, 255)).max() <= 1
    text = words(explorer)
    assert f"x_t = {alpha:.2f} x₀ + {sigma:.2f} ε" in alt
    assert number(r"have mean (…) and", text) == pytest.approx(mixed.mean(), abs=0.006)
    assert number(r"standard deviation (…);", text) == pytest.approx(mixed.std(), abs=0.006)
    assert f"ᾱ = α² = {alpha**2:.4g}," in text
    if t == 0:
        assert "SNR = ᾱ/σ² = ∞, its log ∞ nats. x_t is the image itself." in text and "has ∞ at t = 0.00" in told(explorer)
    else:
        assert number(r"its log (…) nats", text) == pytest.approx(math.log(alpha**2 / sigma**2), abs=0.006)
        assert f"SNR = ᾱ/σ² = {alpha**2 / sigma**2:.3g}," in text


def test_the_histogram_is_a_density_of_all_pixels():
    explorer = noisy()
    explorer.t.value = 0.6
    alpha, sigma = factors("cosine", 0.6)
    values = (alpha * (digits().float() / 127.5 - 1) + sigma * explorer.noise).numpy()
    chart = explorer.histogram(values, 0.6, "cosine", 400)
    (bars,), (line,) = chart.bars, chart.lines
    assert (bars.height * (bars.right - bars.left)).sum() == pytest.approx(1)
    k = 30
    share = ((values >= bars.left[k]) & (values < bars.right[k])).mean()
    assert bars.height[k] * (bars.right[k] - bars.left[k]) == pytest.approx(share)
    assert np.allclose(line.y, stats.norm.pdf(line.x))


@pytest.mark.parametrize("name", list(ALPHA_BAR))
def test_the_curves_and_their_marks_are_those_of_the_formulas(name):
    explorer = noisy()
    explorer.schedule.value, explorer.t.value = name, 0.7
    (_, _), (above, below), _ = explorer.panels()
    alpha, sigma = factors(name, 0.7)
    line = next(line for line in above.lines if line.label == name)
    assert np.allclose(line.y, [factors(name, t)[0] for t in np.asarray(line.x)], atol=1e-9)
    assert [mark.y for mark in above.marks] == pytest.approx([sigma, alpha])
    (mark,) = below.marks
    assert mark.y == pytest.approx(2 * math.log(alpha / sigma)) and mark.x == 0.7


def test_words_follow_the_ratio_and_bars_that_are_cut_are_said():
    explorer = noisy()
    explorer.schedule.value, said = "linear", []
    for t in (0.0, 0.05, 0.25, 0.6, 1.0):
        explorer.t.value = t
        said.append(next(s for s in words(explorer).split(". ") if s.startswith("x_t is")))
    assert len(set(said)) == 5 and "noise: what is left" in said[-1]
    x = torch.zeros(2, 1, 8, 8)
    explorer = NoiseExplorer(x)
    explorer.t.value = 0.0
    assert "bars are cut at 1" in explorer.view.value
    explorer.t.value = 1.0
    assert "bars are cut" not in explorer.view.value


def test_only_images_are_taken_and_few_of_many():
    with pytest.raises(ValueError, match=r"images must be \(n, channels, height, width\) with n above 0"):
        NoiseExplorer(digits()[0])
    explorer = NoiseExplorer(digits(70))
    assert explorer.image.max == 63 and "In all 64 images" in words(explorer)


# --- scores


def log_p(x, width):
    """log of the mixture's density, written out, in float64."""
    parts = [
        float(w) * torch.exp(-(x - m).square().sum(-1) / (2 * width**2)) / (2 * math.pi * width**2)
        for m, w in zip(scores.MEANS.double(), scores.WEIGHTS)
    ]
    return sum(parts).log()


def gradient(x, width):
    x = torch.as_tensor(x).double().requires_grad_()
    (g,) = torch.autograd.grad(log_p(x, width).sum(), x)
    return g.numpy()


@pytest.mark.parametrize("kind", [scores.PLAIN, scores.ANNEALED, scores.CLIMB])
def test_each_step_follows_the_gradient_and_adds_the_noise_of_langevin(kind):
    path = scores.walk(kind, 0.5, 0.05, 50)
    torch.manual_seed(0)
    torch.randn(50, 2)
    noise = [torch.randn(50, 2).numpy() * (kind != scores.CLIMB) for _ in range(200)]
    last = math.hypot(scores.WIDTH, 0.5)
    for k in (0, 19, 20, 90, 199):
        width = scores.WIDEST * (last / scores.WIDEST) ** (k // 20 / 9) if kind == scores.ANNEALED else last
        step = 0.05 * (width / last) ** 2
        expected = path[k] + step * gradient(path[k], width) + math.sqrt(2 * step) * noise[k]
        assert np.allclose(path[k + 1], expected, atol=2e-4), k


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_the_right_shares_and_spread_are_those_of_samples(sigma):
    width, generator = math.hypot(scores.WIDTH, sigma), np.random.default_rng(0)
    means = scores.MEANS.numpy()
    x = means[generator.choice(3, 200_000, p=(0.2, 0.5, 0.3))] + width * generator.normal(size=(200_000, 2))
    squares = ((x[:, None] - means) ** 2).sum(-1)
    shares, spread = scores.right(width)
    assert shares == pytest.approx(np.bincount(squares.argmin(1)) / len(x), abs=0.005)
    assert spread == pytest.approx(math.sqrt(squares.min(1).mean() / 2), rel=0.01)


def walked(kind, sigma=0.0, step=0.02, steps=200):
    explorer = ScoreExplorer()
    with explorer.held():
        explorer.walk.value, explorer.sigma.value, explorer.step.value, explorer.steps.value = kind, sigma, step, steps
    return explorer


def test_langevin_stays_at_one_mode_and_annealed_finds_all_in_their_shares():
    stuck, free = walked(scores.PLAIN), walked(scores.ANNEALED)
    assert number(r"(…)% of the particles are at the wrong mode", words(stuck)) == 80
    assert "A 100% of the particles, right 20%" in told(stuck) and "who has come to one stays long" in words(stuck)
    assert number(r"(…)% of the particles are at the wrong mode", words(free)) <= 5
    means, end = scores.MEANS.numpy(), scores.walk(scores.ANNEALED, 0.0, 0.02, ScoreExplorer.PARTICLES)[-1]
    counted = np.bincount(((end[:, None] - means) ** 2).sum(-1).argmin(1)) / len(end)
    for name, share, weight in zip("ABC", counted, (0.2, 0.5, 0.3)):
        assert f"{name} {share:.0%} of the particles, right {weight:.0%}" in told(free)
        assert share == pytest.approx(weight, abs=0.06)


@pytest.mark.parametrize("step", [0.01, 0.05])
def test_the_spread_is_that_of_the_walk_on_one_gaussian(step):
    """x ← (1 − η/v) x + √(2η) noise has the variance v / (1 − η/2v)."""
    v = scores.WIDTH**2
    spread = number(r"nearest mode is (…);", words(walked(scores.PLAIN, step=step)))
    assert spread == pytest.approx(math.sqrt(v / (1 - step / (2 * v))), rel=0.06)


def test_without_noise_all_end_on_a_peak():
    explorer = walked(scores.CLIMB)
    assert number(r"nearest mode is (…); right is 0.35", words(explorer)) == 0
    assert "that is no sample" in words(explorer)
    end = scores.walk(scores.CLIMB, 0.0, 0.02, ScoreExplorer.PARTICLES)[-1]
    assert np.abs(gradient(end, scores.WIDTH)).max() < 1e-3


def test_words_say_what_is_wrong_with_steps():
    assert "steps were too short" in words(walked(scores.ANNEALED, step=0.001))
    assert "so long that the walk blurs" in words(walked(scores.ANNEALED, step=0.1))
    assert "do not get far" in words(walked(scores.PLAIN, sigma=2.0, step=0.002))
    assert "all begin in the corner" in words(walked(scores.PLAIN, steps=0))


def test_the_noise_of_the_annealed_walk_falls_to_that_of_the_slider():
    explorer = walked(scores.ANNEALED, sigma=0.5)
    seen = []
    for k in range(0, 201, 5):
        explorer.steps.value = k
        seen.append(number(r"noise σ = (…) at this level", words(explorer)))
    assert len(set(seen)) == 10 and seen == sorted(seen, reverse=True) and seen[-1] == 0.5
    assert seen[0] == pytest.approx(math.sqrt(scores.WIDEST**2 - scores.WIDTH**2), abs=0.006)


@pytest.mark.parametrize("width", [0.35, 1.2])
def test_arrows_point_along_the_gradient(width):
    _, arrows = scores.scenery(width)
    way = np.stack([arrows.x[:, 1] - arrows.x[:, 0], arrows.y[:, 1] - arrows.y[:, 0]], 1)
    middle = np.stack([arrows.x[:, :2].mean(1), arrows.y[:, :2].mean(1)], 1)
    expected = gradient(middle, width)
    cosine = (way * expected).sum(1) / np.linalg.norm(way, axis=1) / np.linalg.norm(expected, axis=1)
    assert len(way) == 256 and cosine.min() > 0.999


def test_moving_along_the_walk_takes_no_step_again(monkeypatch):
    explorer = walked(scores.PLAIN)
    monkeypatch.setattr(scores, "langevin", None)
    explorer.steps.value = 17
    assert 'role="alert"' not in explorer.view.value and "after 17 steps" in words(explorer)


# --- images, step by step


class Knowing(ImageDiffusion):
    """Its guess is right from the first step on: images of one grey, brighter for the second label, brightest without one."""

    asked: list

    def denoise(self, x_t, t, y=None, guidance=1.0):
        self.asked = [*getattr(self, "asked", []), None if y is None else y.tolist()]
        t = float(torch.as_tensor(t).flatten()[0])
        alpha, sigma = factors(self.schedule.name, t)
        x = torch.full_like(x_t, 0.8) if y is None else (0.4 * y.float() - 0.5).view(-1, 1, 1, 1).expand_as(x_t)
        return x, (x_t - alpha * x) / sigma


def knowing(**options):
    return ReverseExplorer(Knowing((1, 8, 8), 8, (1,), 1, (), 2, 2), **options)


@pytest.mark.parametrize("method", [0.0, 1.0])
def test_a_model_that_knows_ends_where_it_should(method):
    explorer = knowing()
    explorer.method.value = method
    for label, value in (("any", 0.8), ("0", -0.5), ("1", -0.1)):
        explorer.digit.value = label
        _, guess = picture(explorer, "takes to be behind them")
        _, end = picture(explorer, "images of step 50")
        for sheet in (guess, end):
            assert np.abs(cells(sheet, 8).astype(float) - 127.5 * (value + 1)).max() <= 1
        assert "0.00 from the end" in picture(explorer, "takes to be behind them")[0]
    assert explorer.model.asked[0] is None and explorer.model.asked[-1] == [1] * 8


def test_ddim_keeps_the_noise_it_began_with():
    explorer = knowing(seed=4)
    noise = torch.randn(51, 8, 1, 8, 8, generator=torch.Generator().manual_seed(4))[0]
    for k in (0, 20, 37):
        explorer.step.value = k
        alpha, sigma = factors("cosine", 1 - k / 50)
        first, wide = factors("cosine", 1.0)
        expected = alpha * 0.8 + sigma * (noise - first * 0.8) / wide  # at k = 0 that is the noise
        alt, sheet = picture(explorer, "noisy images x_t")
        shown = (127.5 * (expected[:, 0].numpy() + 1)).clip(0, 255)
        assert np.abs(cells(sheet, 8) - shown).max() <= 1
        far = (expected - 0.8).square().mean().sqrt().item()
        assert number(r"they are (…) from the end", alt) == pytest.approx(far, abs=0.006)
        assert number(r"x_t is (…) from it", told(explorer)) == pytest.approx(far, abs=0.006)
        assert f"pixels of x_t are {far:.2f} from" in words(explorer)


def test_ddpm_adds_the_noise_of_the_posterior():
    explorer = knowing()
    explorer.method.value = 1.0
    states, _ = explorer.run()
    alpha, sigma = factors("cosine", 0.5)
    around = (states[25] - alpha * 0.8) / sigma
    assert around.std().item() == pytest.approx(1, abs=0.06), "the noise in x_t keeps its width"
    explorer.method.value = 0.0
    other = (explorer.run()[0][25] - alpha * 0.8) / sigma
    correlation = np.corrcoef(around.flatten(), other.flatten())[0, 1]
    assert abs(correlation) < 0.5, "most of it is fresh, while DDIM keeps its own"


def test_the_last_change_and_the_half_way_are_those_of_the_run():
    explorer = reversed_()
    explorer.step.value = 30
    states, guesses = explorer.run()
    change = (guesses[30] - guesses[29]).square().mean().sqrt().item()
    assert number(r"changed the guess by (…)\.", words(explorer)) == pytest.approx(change, abs=6e-4)
    left = [(g - states[-1]).square().mean().sqrt().item() for g in guesses]
    first = next(k for k in range(51) if all(v <= 0.5 * left[0] for v in left[k:]))
    assert number(r"From step (…) on", words(explorer)) == first
    assert number(r"and the guess x̂₀ (…)", told(explorer)) == pytest.approx(left[30], abs=0.006)


def test_a_run_is_that_of_the_library_and_is_kept(monkeypatch):
    explorer = reversed_()
    model = explorer.model
    noise = torch.randn(51, 8, 1, 8, 8, generator=torch.Generator().manual_seed(0))[0]
    explorer.digit.value = "1"
    expected = model.sample(8, y=1, guidance=1.5, steps=50, start=noise)
    _, sheet = picture(explorer, "images of step 50")
    assert np.abs(cells(sheet, 8) - 255 * expected[:, 0].numpy()).max() <= 1
    asked = ReverseExplorer(model, digit=1, guidance=1.5)
    assert torch.equal(asked.run()[0], explorer.run()[0]) and asked.digit.value == "1" and "w = 1.5" in asked.view.value
    monkeypatch.setattr(paths, "estimates", None)
    explorer.step.value, explorer.digit.value = 3, "any"
    assert 'role="alert"' not in explorer.view.value


def test_a_model_without_labels_offers_any_only():
    assert ReverseExplorer(image_model(classes=0)).digit.options == ("any",)
    assert ReverseExplorer(image_model()).digit.options == ("any", "0", "1")


def test_what_makes_no_pictures_is_refused():
    for model in (PointDiffusion(), nn.Linear(2, 2)):
        with pytest.raises(ValueError, match="the model must be an ImageDiffusion with 1 or 3 channels"):
            ReverseExplorer(model)


# --- ways of points


class Best(nn.Module):
    """The mean of x₀ given x_t if the data are N(μ, v I); counts how often it is asked."""

    classes = 0

    def __init__(self, mean, v, straight):
        super().__init__()
        self.mean, self.v, self.straight, self.calls = torch.tensor(mean), v, straight, 0

    def forward(self, x, log_snr, y=None):
        self.calls += 1
        ratio = (log_snr[:1] / 2).exp()  # α/σ
        alpha = ratio / (1 + ratio) if self.straight else ratio / (1 + ratio**2).sqrt()
        sigma = alpha / ratio
        return self.mean + alpha * self.v / (alpha**2 * self.v + sigma**2) * (x - alpha * self.mean)


def oracle(mean=(1.0, -0.5), v=0.0, schedule="straight"):
    return Diffusion(Best(mean, v, schedule == "straight"), (2,), schedule, "data")


def cloud(n=200, seed=7):
    return 0.1 * torch.randn(n, 2, generator=torch.Generator().manual_seed(seed)) + torch.tensor([1.0, -0.5])


START = torch.randn(100, 2, generator=torch.Generator().manual_seed(0)).numpy()


@pytest.mark.parametrize("schedule", ["straight", "cosine"])
@pytest.mark.parametrize("steps", [1, 5, 100])
def test_if_all_data_are_one_point_every_number_of_steps_gets_there_on_the_same_curve(schedule, steps):
    explorer = TrajectoryExplorer({"one": oracle(schedule=schedule)}, cloud())
    way = explorer.ways("one", steps)
    mean, (alpha_1, sigma_1) = np.array([1.0, -0.5]), factors(schedule, 1.0)
    noise = (START - alpha_1 * mean) / sigma_1
    expected = [factors(schedule, 1 - k / 100)[0] * mean + factors(schedule, 1 - k / 100)[1] * noise for k in range(101)]
    assert np.allclose(way, expected, atol=2e-5)
    length = sum(np.linalg.norm(b - a, axis=1) for a, b in zip(expected, expected[1:]))
    ratio = length.sum() / np.linalg.norm(mean - START, axis=1).sum()
    explorer.steps.value = steps
    assert number(r"the paths are (…) times as long", words(explorer)) == pytest.approx(ratio, abs=6e-4)
    assert ratio == pytest.approx(1, abs=1e-5) if schedule == "straight" else ratio > 1.05


def test_many_steps_follow_the_exact_solution_for_gaussian_data():
    """Straight and N(0, v): x at t is x at 1 times √((1 − t)² v + t²)."""
    explorer = TrajectoryExplorer({"gauss": oracle((0.0, 0.0), 4.0)}, 2 * cloud())
    t = 1 - np.arange(101) / 100
    factor = np.sqrt((1 - t) ** 2 * 4 + t**2)
    fine, rough = explorer.ways("gauss", 100), explorer.ways("gauss", 2)
    assert np.abs(fine - factor[:, None, None] * START).max() < 0.1
    assert np.abs(rough[-1] - 2 * START).max() > 0.3
    ratio = np.abs(np.diff(factor)).sum() / abs(factor[-1] - factor[0])
    assert ratio > 1.1, "the ways go in first, and then out"
    assert explorer.measured("gauss", 100)[0] == pytest.approx(ratio, rel=0.02)


def test_the_distance_is_that_of_shadows_on_many_lines():
    data = cloud()
    explorer = TrajectoryExplorer({"gauss": oracle((0.5, 0.0), 0.3)}, data)
    explorer.steps.value = 5
    ends = explorer.ways("gauss", 5)[-1]
    lines = [np.array([math.cos(a), math.sin(a)]) for a in np.arange(0, math.pi, math.pi / 90)]

    fresh = {tuple(row) for row in explorer.fresh.tolist()}
    assert len(fresh) == 100 and fresh <= {tuple(row) for row in data.tolist()}

    def apart(a, b):
        return np.mean([stats.wasserstein_distance(a @ line, b @ line) for line in lines])

    assert number(r"in 5: gauss (…);", told(explorer)) == pytest.approx(apart(ends, explorer.fresh.numpy()), abs=2e-3)
    others = [0.1 * np.random.default_rng(k).normal(size=(2, 100, 2)) for k in range(10)]
    by_chance = np.mean([apart(*pair) for pair in others])
    assert number(r"by chance (…)", told(explorer)) == pytest.approx(by_chance, rel=0.35)
    assert number(r"samples are (…) from the data", words(explorer)) == number(r"in 5: gauss (…);", told(explorer))


def test_recorded_distances_are_means_over_draws_and_stand_beside_those_of_data():
    def recorded(seed):
        model = point_model(seed)
        spans = {f"distance_{n}_steps": 0.3 / n + seed for n in TrajectoryExplorer.COUNTS} | {"distance_of_data": 0.01}
        model.record = {"numbers": spans | {f"{key}_sd": 0.25 for key in spans} | {"samples": 5000, "draws": 10}}
        return model

    explorer = Small({"a": recorded(0), "b": recorded(1)})
    explorer.steps.value = 5
    assert "a 0.060, b 1.060; by chance 0.010 ± 0.250" in told(explorer) and "mean of 10 draws of 5,000" in told(explorer)
    assert "samples are 0.060 ± 0.250 from the data" in words(explorer) and "Two sets of 5,000 data are 0.010 ± 0.250 apart" in words(
        explorer
    )
    assert not Small({"a": recorded(0), "b": point_model(1)}).records, "one has none: both are measured"
    assert not Small({"a": recorded(0)}, cloud()).records, "other data"


def test_points_are_shown_where_they_are_at_that_time():
    explorer = TrajectoryExplorer({"one": oracle()}, cloud())
    explorer.t.value, explorer.steps.value = 0.4, 2
    chart = explorer.plane("one")
    at = 0.6 * np.array([1.0, -0.5]) + 0.4 * START
    shown = np.stack([chart.strokes[-1].x[:, 0], chart.strokes[-1].y[:, 0]], 1)
    assert np.allclose(shown, at[(np.abs(at) <= explorer.reach).all(1)], atol=2e-3)
    trails = chart.strokes[1]
    seen = (np.abs(START[: explorer.TRAILS]) <= explorer.reach).all(1)
    assert np.allclose(np.stack([trails.x[:, -1], trails.y[:, -1]], 1), at[: explorer.TRAILS][seen], atol=2e-3)
    assert "points at t = 0.40" in explorer.view.value
    explorer.t.value = 0.0
    assert "samples" in explorer.view.value


def test_each_step_asks_the_network_once_and_what_was_walked_is_kept(monkeypatch):
    explorer = followed()
    asked = TrajectoryExplorer({"one": oracle()}, cloud()).models["one"].net.calls
    assert asked == sum(TrajectoryExplorer.COUNTS)
    monkeypatch.setattr(paths, "estimates", None)
    explorer.t.value, explorer.steps.value = 0.5, 5
    assert 'role="alert"' not in explorer.view.value
    explorer.compare.value = ("a", "c")
    assert 'role="alert"' in explorer.view.value


def test_all_models_begin_with_the_same_noise_in_units_of_the_data():
    explorer = followed()
    assert np.allclose(explorer.ways("a", 1)[0], explorer.ways("b", 1)[0])
    assert np.allclose(explorer.ways("c", 1)[0], 2 * explorer.ways("a", 1)[0])
    expected = explorer.models["c"].sample(60, steps=10, start=explorer.start)
    assert np.allclose(explorer.ways("c", 10)[-1], expected, atol=1e-4)
    assert [label for label, _ in explorer.compare.options] == ["a | b", "a | c", "b | c"]
    assert len(explorer.data) == 2 * explorer.POINTS


def test_points_that_stay_where_they_are_have_no_ways_that_bend():
    untrained = PointDiffusion(width=8, schedule="straight", predict="velocity")  # its last layer is 0
    explorer = TrajectoryExplorer({"a": untrained}, cloud())
    assert np.allclose(explorer.ways("a", 5)[-1], START, atol=1e-5)
    assert "the paths are 1.000 times as long" in words(explorer)


@pytest.mark.parametrize(
    "models, data, sentence",
    [
        ({}, None, "models is empty; give at least one"),
        ({"deep": PointDiffusion(3)}, None, "the model “deep” must be a PointDiffusion with dims = 2"),
        ({"linear": nn.Linear(2, 2)}, None, "the model “linear” must be"),
        ({"a": PointDiffusion()}, torch.zeros(5, 3), r"data must be \(n, 2\) with n above 0"),
        ({"a": PointDiffusion()}, torch.zeros(3, 2), "data must hold at least 4 points"),
    ],
)
def test_what_has_no_ways_in_the_plane_is_refused(models, data, sentence):
    with pytest.raises(ValueError, match=sentence):
        TrajectoryExplorer(models, data)
