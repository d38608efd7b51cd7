"""The explorers of the game, against numbers that are computed here in another way."""

import asyncio
import io
import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import integrate, stats
from views import number, told, words

from course_lib.gans import GAMES, LOSSES, METHODS, PointGAN, modes_covered
from course_lib.plotting.panels import CYCLE, INK
from course_lib.widgets import HALF
from course_lib.widgets.gans import CollapseLab, GameExplorer, LiveGAN, OptimalExplorer, TrainingMovie
from course_lib.widgets.gans.games import COVERED, CURES, LiveRun, cured, opinion_range, outcome, stretched, tinted, within

CENTRES = torch.tensor([[-2.0, -2.0], [-2.0, 2.0], [2.0, -2.0], [2.0, 2.0]])
STD = 0.1


def cloud(*counts, seed=0):
    """So many samples at each mode, well within four standard deviations of it."""
    noise = torch.rand(sum(counts), 2, generator=torch.Generator().manual_seed(seed)) - 0.5
    return CENTRES.repeat_interleave(torch.tensor(counts), 0) + STD * noise


def film(frames=5, **changes):
    t = torch.arange(frames)
    landscape = torch.linspace(0, 1, frames)[:, None, None] * torch.linspace(0, 1, 9).expand(frames, 9, 9)
    samples = torch.stack([cloud(20 + k, 5 * k, 9, 9) for k in range(frames)][-1:] * frames) * torch.linspace(0.5, 1, frames)[:, None, None]
    values = {"steps": 100 * t, "samples": samples, "landscape": landscape, "modes": t % 5, "good": t / frames}
    return values | changes


def movie(**changes):
    return TrainingMovie({"hinge": film(**changes), "wasserstein": film(3)}, cloud(30, 30, 30, 30), modes=4)


def entry(*counts):
    samples = cloud(*counts)
    covered, good = modes_covered(samples, CENTRES, STD)
    return {"samples": samples, "modes": covered, "good": good}


def lab():
    results = {
        ("hinge", "none"): [entry(300, 0, 0, 0), entry(200, 100, 3, 0), entry(300, 9, 10, 0)],
        ("hinge", "packing"): [entry(80, 80, 80, 80), entry(100, 100, 100, 0)],
        ("wasserstein", "none"): [entry(75, 75, 75, 75)],
    }
    return CollapseLab(results, CENTRES, STD)


@pytest.fixture
def quick(monkeypatch):
    """A live training that takes a moment."""
    monkeypatch.setattr(LiveRun, "BATCH", 16)
    monkeypatch.setattr(LiveRun, "SAMPLES", 200)
    monkeypatch.setattr(LiveGAN, "SLICE", 0.02)
    monkeypatch.setattr(LiveGAN, "PAUSE", 0.001)


def live():
    explorer = LiveGAN(cloud(50, 50, 50, 50), CENTRES, STD)
    explorer.steps.value = 200
    return explorer


def svgs(explorer):
    return [ET.fromstring(part) for part in re.findall(r"<svg.*?</svg>", explorer.view.value, re.S)]


def paths(explorer, color):
    """The points, in pixels, of each shape drawn in one colour by `Strokes` in the first panel, the legend's left out."""
    drawn = [p for p in svgs(explorer)[0].iter("path") if p.get("stroke") == color]
    return [
        [[tuple(map(float, pair.split())) for pair in part.split("L")] for part in re.split("M", p.get("d").replace("h0", ""))[1:]]
        for p in drawn
    ][1:]


# --- the best discriminator


def integral(f):
    return integrate.quad(f, -30, 30, limit=400, points=[-6, -3, 0, 3, 6])[0]


@pytest.mark.parametrize("mean, std", [(3.0, 1.0), (-1.5, 0.3), (6.0, 3.0), (0.0, 2.0), (6.0, 0.5)])
def test_the_best_discriminator_and_its_divergences_are_the_integrals(mean, std):
    explorer = OptimalExplorer()
    explorer.mean.value, explorer.std.value = mean, std
    p, q = stats.norm(0, 1).pdf, stats.norm(mean, std).pdf
    js = integral(lambda x: 0.5 * sum(a * math.log(2 * a / (p(x) + q(x))) if a > 0 else 0.0 for a in (p(x), q(x))))
    spread = abs(std - 1)  # the transport is monotone, so W₁ = E|μ + (σ − 1)z|, the mean of a folded normal
    w1 = stats.foldnorm(abs(mean) / spread, scale=spread).mean() if spread else abs(mean)
    text = words(explorer)
    assert number(r"JS = (…) nats", text) == pytest.approx(js, abs=6e-4)
    assert number(r"2 log 2 = (…)\.", text) == pytest.approx(2 * js - 2 * math.log(2), abs=6e-4)
    assert number(r"W₁ = (…)", text) == pytest.approx(w1, abs=6e-3)
    assert f"it is {js:.3f} of at most 0.693 nats" in told(explorer)
    assert f"the means; at {abs(mean):.1f} it is {w1:.2f}" in told(explorer)
    middle = p(mean) / (p(mean) + q(mean))
    assert float(re.search(r"discriminator says ([\d.e-]+)\. ", text)[1]) == pytest.approx(middle, rel=0.06, abs=1e-8)


@pytest.mark.parametrize("mean, std", [(3.0, 1.0), (-2.0, 0.5), (4.0, 3.0), (0.0, 1.0)])
def test_what_the_generator_feels_is_the_gradient_at_its_samples(mean, std):
    z = torch.tensor(stats.norm.ppf((np.arange(40_000) + 0.5) / 40_000))  # equally likely places instead of random ones
    x = (mean + std * z).requires_grad_()
    p, q = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(mean, std)
    score = p.log_prob(x) - q.log_prob(x)
    felt = OptimalExplorer().measure(np.array([mean]), std)
    for kind, loss in (("saturating", torch.log1p(-torch.sigmoid(score))), ("nonsaturating", -torch.nn.functional.logsigmoid(score))):
        (gradient,) = torch.autograd.grad(loss.sum(), x, retain_graph=True)
        assert felt[kind][0] == pytest.approx(gradient.abs().mean().item(), rel=0.01, abs=1e-9), kind
    assert felt["wasserstein"][0] == pytest.approx(0.0 if (mean, std) == (0.0, 1.0) else 1.0, abs=1e-3)


def test_the_same_two_densities_are_at_the_equilibrium():
    explorer = OptimalExplorer()
    explorer.mean.value, explorer.std.value = 0.0, 1.0
    text = words(explorer)
    assert "JS = 0.000 nats, so V(D*) = 2 JS - 2 log 2 = -1.386. W₁ = 0.00." in text
    assert "discriminator says 0.5." in text and "0 for log(1 - D), 0 for -log D, 0 for the Wasserstein critic" in text


def test_only_the_saturating_gradient_vanishes_with_the_distance():
    felt = OptimalExplorer().measure(np.array([2.0, 6.0]), 0.5)
    assert felt["saturating"][1] < felt["saturating"][0] / 100
    assert felt["nonsaturating"][1] > felt["nonsaturating"][0]
    assert felt["js"][1] == pytest.approx(math.log(2), abs=2e-4), "and its divergence has nothing left to say"


def test_left_and_right_are_alike():
    explorer = OptimalExplorer()
    right, left = (explorer.measure(np.array([mean]), 0.7) for mean in (2.5, -2.5))
    assert all(right[key] == pytest.approx(left[key]) for key in right)


# --- the smallest game


def bilinear(n, rate, start=1.0):
    """Simultaneous steps on xy turn and stretch: (x + iy) is multiplied by 1 + i·rate."""
    return start * (1 + 1j * rate) ** np.arange(n + 1)


def game(**values):
    explorer = GameExplorer()
    for name, value in values.items():
        getattr(explorer, name).value = value
    return explorer


@pytest.mark.parametrize("rate, steps, start", [(0.1, 100, 1.0), (0.05, 200, 0.5), (0.2, 7, 2.0), (0.1, 0, 1.0)])
def test_the_simultaneous_path_is_the_spiral_that_the_formula_gives(rate, steps, start):
    explorer = game(rate_x=rate, rate_y=rate, steps=steps, start=start)
    z = bilinear(steps, rate, start)
    assert np.allclose(explorer.path(), np.stack([z.real, z.imag], 1))
    assert f"after {steps} steps the distance from the equilibrium is {abs(z[-1]):.3g}, at the start it was {start:.3g}." in words(explorer)
    assert f"first {start:.3g}, {abs(z[-1]):.3g} after {steps} steps" in told(explorer)
    assert ("It spirals out." if steps > 10 else "too short to tell") in words(explorer)


LEADS = {"simultaneous": "It spirals out.", "alternating": "It circles.", "extragradient": "It settles.", "optimistic": "It settles."}


@pytest.mark.parametrize("players", METHODS)
@pytest.mark.parametrize("rate_x, rate_y", [(0.1, 0.1), (0.2, 0.05), (0.5, 0.1), (0.2, 0.2)])
def test_where_each_method_leads(players, rate_x, rate_y):
    explorer = game(players=players, rate_x=rate_x, rate_y=rate_y, steps=200)
    assert LEADS[players] in words(explorer)
    assert LEADS[players] in told(explorer)


@pytest.mark.parametrize(
    "players, rate_x, rate_y, steps, leads",
    [
        ("simultaneous", 0.02, 0.02, 200, "It spirals out."),  # by 4 % in all
        ("alternating", 0.02, 0.1, 60, "It circles."),  # on an ellipse, of which this is less than half
    ],
)
def test_slow_and_lopsided_paths_are_not_mistaken(players, rate_x, rate_y, steps, leads):
    assert leads in words(game(players=players, rate_x=rate_x, rate_y=rate_y, steps=steps))


@pytest.mark.parametrize("players", METHODS)
def test_a_cost_lets_everybody_settle(players):
    assert "It settles." in words(game(game="with a cost", players=players, steps=200, rate_x=0.05, rate_y=0.05))


def test_a_gan_with_a_point_and_a_line_circles():
    assert "It circles." in words(game(game="dirac GAN", players="alternating", steps=200))


def test_a_path_that_leaves_is_cut_at_the_border_and_said():
    explorer = game(rate_x=0.5, rate_y=0.5, steps=200)
    z = bilinear(200, 0.5)
    left = int(np.argmax(np.maximum(abs(z.real), abs(z.imag)) > 3))
    assert f"It leaves the picture at step {left}; what follows is not drawn." in words(explorer)
    assert f"leaves at step {left}" in explorer.view.value
    root = svgs(explorer)[0]
    line = next(p for p in root.iter("polyline") if p.get("stroke") == CYCLE[0])
    points = np.array([tuple(map(float, p.split(","))) for p in line.get("points").split()])
    assert len(points) == left + 1
    ticked = [tuple(map(float, p.get("points").split()[0].split(","))) for p in root.iter("polyline")]
    frame = min(x for x, _ in ticked), max(float(p.get("points").split()[1].split(",")[0]) for p in root.iter("polyline"))
    assert points[:, 0].min() >= frame[0] - 0.2 and points[:, 0].max() <= frame[1] + 0.2


def test_cutting_a_path():
    path = np.array([[0.0, 0.0], [2.0, 1.0], [6.0, 3.0], [9.0, 9.0]])
    shown, left = within(path, 3.0)
    assert left == 2
    assert np.allclose(shown, [[0, 0], [2, 1], [3, 1.5]])
    assert within(path, 10.0)[1] is None
    assert np.allclose(within(np.array([[2.5, 2.0], [1.5, -8.0]]), 3.0)[0], [[2.5, 2.0], [2.0, -3.0]]), (
        "one coordinate leaves, one turns back"
    )
    path[2] = np.nan, np.inf
    shown, left = within(path, 3.0)
    assert left == 2 and np.array_equal(shown, path[:2])
    assert outcome(np.repeat(path, 5, 0), (0.1, 0.1)) == "It spirals out, past the largest number there is."


@pytest.mark.parametrize("name", GAMES)
def test_the_arrows_show_the_way_of_a_joint_step(name):
    explorer = game(game=name, rate_x=0.2, rate_y=0.05, players="simultaneous")
    field = explorer.field()
    tails, tips = (np.stack([field.x[:, k], field.y[:, k]], 1) for k in (0, 1))
    assert len(tails) in (120, 121)
    way = tips - tails
    assert np.allclose(np.linalg.norm(way, axis=1), 0.34), "of one length"
    places = torch.tensor((tails + tips) / 2)
    h = 1e-5  # differences instead of derivatives
    f = GAMES[name]
    dx = (f(places[:, 0] + h, places[:, 1]) - f(places[:, 0] - h, places[:, 1])) / (2 * h)
    dy = (f(places[:, 0], places[:, 1] + h) - f(places[:, 0], places[:, 1] - h)) / (2 * h)
    expected = torch.stack([-0.2 * dx, 0.05 * dy], 1).numpy()
    assert np.allclose(way / 0.34, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-4)


def test_moving_the_steps_plays_nothing_again(monkeypatch):
    explorer = GameExplorer()
    monkeypatch.setattr("course_lib.widgets.gans.games.play", None)
    explorer.steps.value = 37
    assert len(explorer.path()) == 38
    assert "after 37 steps" in words(explorer)


# --- the film


def test_a_frame_shows_its_step_its_modes_and_its_samples():
    explorer = movie()
    for t in (0, 2, 4):
        explorer.frame.value = t
        assert f"hinge at step {100 * t}: {t % 5} of 4 modes covered, {t / 5:.0%} of the samples near a mode" in told(explorer)
        assert f"at step {100 * t}: modes covered {t % 5} of 4, samples near a mode {t / 5:.0%}" in told(explorer)
        (samples,) = paths(explorer, INK)
        expected = film()["samples"][t].numpy()
        assert len(samples) == len(expected)
        assert all(len(dot) == 1 for dot in samples)
        x = np.array([dot[0][0] for dot in samples])
        y = np.array([dot[0][1] for dot in samples])
        if t:  # a picture is a map of the plane: one scale for x, the same for y upside down
            assert np.polyfit(expected[:, 0], x, 1)[0] == pytest.approx((HALF - 53) / 8, abs=0.1)
            assert np.polyfit(expected[:, 1], y, 1)[0] == pytest.approx(-(HALF - 53) / 8, abs=0.3)


def test_samples_outside_the_plane_are_not_drawn():
    explorer = movie(samples=torch.full((5, 7, 2), 9.0))
    assert paths(explorer, INK) == [[]]


def test_a_shorter_film_stays_at_its_last_frame():
    explorer = movie()
    explorer.loss.value = "wasserstein"
    assert explorer.frame.max == explorer.play.max == 4
    assert "wasserstein at step 200" in told(explorer)


def test_the_landscape_lies_like_the_plane_blue_to_orange():
    landscape = np.full((9, 9), 0.5, np.float32)
    landscape[0, 8], landscape[8, 0] = 1.0, 0.0  # judged real at the upper right, fake at the lower left
    pixels = np.asarray(Image.open(io.BytesIO(tinted(landscape, 128)))).astype(int)
    assert pixels.shape == (128, 128, 3)
    red, _, blue = pixels[1, -2]
    assert red > blue + 80, "orange"
    red, _, blue = pixels[-2, 1]
    assert blue > red + 80, "blue"
    assert (pixels[64, 64] == 255).all(), "white where it is undecided"
    assert abs(np.diff(pixels.sum(2), axis=1)).max() < 60, "soft: no hard edges"


def test_a_discriminator_that_is_hardly_sure_still_has_colours():
    faint = np.full((20, 20), 0.5, np.float32)
    faint[:10], faint[10:] = 0.51, 0.47
    faint[0, 0] = 0.9  # one odd corner
    assert opinion_range(faint) == pytest.approx(0.06, abs=1e-6)
    shown = stretched(faint)
    assert shown[-1, -1] == pytest.approx(0, abs=1e-5) and shown[1, 1] == pytest.approx(0.5 + 0.01 / 0.06, abs=1e-5) and shown[0, 0] == 1
    assert np.all(stretched(np.full((4, 4), 0.5)) == 0.5)  # undecided stays white
    pale, deep = (np.asarray(Image.open(io.BytesIO(tinted(each)))).astype(int) for each in (faint, shown))
    assert (255 - deep).sum() > 4 * (255 - pale).sum()
    note = movie(landscape=torch.from_numpy(faint).expand(5, 20, 20)).panels()[-1][0].text  # the note
    assert "White: undecided" in note and "D = 0.53" in note and "D = 0.47" in note


def test_a_landscape_may_be_bytes():
    bytes_ = (255 * film()["landscape"]).round().to(torch.uint8)
    assert "mean opinion D is 0.50 over the plane" in told(movie())
    assert "mean opinion D is 0.50 over the plane" in told(movie(landscape=bytes_))


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"landscape": 3 * film()["landscape"]}, r"the landscape of “hinge” must be D in \[0, 1\], but spans \[0, 3\]"),
        ({"landscape": film()["landscape"] * float("nan")}, r"must be D in \[0, 1\]"),
        ({"modes": torch.arange(4)}, r"needs one entry a frame: .* modes \(4,\)"),
        ({"samples": torch.zeros(5, 2)}, r"needs one entry a frame: .* samples \(5, 2\)"),
    ],
)
def test_a_film_that_cannot_be_shown_is_one_sentence(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        movie(**changes)


def test_what_a_film_lacks_is_named():
    with pytest.raises(ValueError, match="the film “hinge” lacks landscape, good; it needs steps"):
        TrainingMovie({"hinge": {k: v for k, v in film().items() if k not in ("landscape", "good")}}, cloud(9, 9, 9, 9))
    with pytest.raises(ValueError, match=r"data must be \(n, 2\) with n above 0, got shape \(5, 3\)"):
        TrainingMovie({"hinge": film()}, torch.zeros(5, 3))
    with pytest.raises(ValueError, match="films is empty"):
        TrainingMovie({}, torch.zeros(5, 2))


# --- mode collapse


def test_rings_are_green_where_a_mode_is_covered():
    explorer = lab()
    for seed, covered in ((1, [300]), (2, [200, 100]), (3, [300, 10])):
        explorer.seed.value = seed
        green = [shape for shape in paths(explorer, COVERED) if shape]
        red = [ring for shape in paths(explorer, CYCLE[1]) for ring in shape]
        assert sum(len(shape) for shape in green) == len(covered)
        assert len(red) == 4 - len(covered)
        counted = [t.text for t in svgs(explorer)[0].iter("text") if t.get("fill") == COVERED]
        assert sorted(map(int, counted)) == sorted(covered), "nine samples do not cover a mode"
        assert f"hinge, cure “none”, seed {seed}: {len(covered)} of 4 modes covered" in told(explorer)


def test_a_ring_is_a_circle_of_four_standard_deviations_around_its_mode():
    explorer = CollapseLab({("hinge", "none"): [entry(20, 0, 0, 0)]}, CENTRES, STD)
    ((ring,),) = paths(explorer, COVERED)
    x, y = np.array(ring).T
    unit = (HALF - 53) / 6  # pixels: the plane reaches from −3 to 3
    assert np.ptp(x) == pytest.approx(8 * STD * unit, abs=0.3)
    assert np.ptp(y) == pytest.approx(8 * STD * unit, abs=0.3)


def test_bars_compare_the_cure_with_none():
    explorer = lab()
    assert "modes covered by each seed with the loss hinge; none: 1, 2, 2" in told(explorer)
    assert "Over 3 seeds: 1.7 modes on average." in words(explorer)
    explorer.cure.value = "packing"
    assert "with the loss hinge; none: 1, 2, 2; packing: 4, 3" in told(explorer)
    assert "Hinge, cure “packing”, seed 1: 4 of 4 modes covered, 100% of the samples near a mode." in words(explorer)
    assert "Over 2 seeds: 3.5 modes on average, without a cure 1.7." in words(explorer)


def test_what_was_never_trained_is_said():
    explorer = lab()
    explorer.cure.value, explorer.seed.value = "packing", 3
    assert "seed 2: 3 of 4" in told(explorer) and "There are only 2 seeds of this one." in words(explorer)
    explorer.loss.value = "wasserstein"
    assert (
        words(explorer).count("There is no training with the loss “wasserstein” and the cure “packing”. With this loss there are: none.")
        == 1
    )
    assert explorer.static()


@pytest.mark.parametrize(
    "results, sentence",
    [
        ({}, "results is empty"),
        ({("hinge", "none"): []}, "the result “hinge, none” has no seeds"),
        ({("hinge", "none"): [{"samples": torch.zeros(3, 2), "modes": 1}]}, "the result “hinge, none” lacks good"),
        ({("hinge", "none"): [{"samples": torch.zeros(3), "modes": 1, "good": 0.5}]}, r"samples must be \(n, 2\)"),
    ],
)
def test_results_that_cannot_be_shown_are_one_sentence(results, sentence):
    with pytest.raises(ValueError, match=sentence):
        CollapseLab(results, CENTRES, STD)


# --- training live


def train(explorer):
    async def wait():
        explorer.train.click()
        await explorer.finished()

    asyncio.run(wait())


def test_it_trains_to_the_end_and_counts_what_it_draws(quick):
    explorer = live()
    assert "Nothing is trained yet" in words(explorer) and "no samples yet" in told(explorer)
    train(explorer)
    run = explorer.run
    assert not explorer.training and run.done
    assert [step for step, *_ in run.history] == list(range(0, 201, 25))
    near = torch.cdist(run.samples, CENTRES) <= 4 * STD
    modes, good = int((near.sum(0) >= 10).sum()), near.any(1).float().mean().item()
    assert f"at step 200: {modes} of 4 modes covered, {good:.0%} of the samples near a mode" in told(explorer)
    assert re.search(r"Nonsaturating, cure “none”, rate 0\.001: trained 200 steps in [\d.]+ s\.", words(explorer))
    assert explorer.static()


def test_its_steps_are_those_of_the_game_written_out(quick):
    data, steps, rate = cloud(20, 20, 20, 20), 6, 1e-3
    run = LiveRun(("nonsaturating", "none", rate, steps), data, CENTRES, STD, seed=4)
    run.go_on(60.0)
    torch.manual_seed(4)
    model = PointGAN()
    z = torch.randn(200, 2)
    players = {name: getattr(model, name) for name in ("generator", "discriminator")}
    climb = {name: torch.optim.Adam(player.parameters(), lr=rate, betas=(0.5, 0.9)) for name, player in players.items()}
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    for step in range(steps):
        for optimiser in climb.values():
            optimiser.param_groups[0]["lr"] = rate * (1 - step / steps)
        x = data[torch.randint(80, (16,))]
        fake = 2 * model.generator(torch.randn(16, 2)).detach()
        loss = entropy(model.discriminator(x / 2), torch.ones(16)) + entropy(model.discriminator(fake / 2), torch.zeros(16))
        climb["discriminator"].zero_grad()
        loss.backward()
        climb["discriminator"].step()
        loss = entropy(model.discriminator(model.generator(torch.randn(16, 2))), torch.ones(16))
        climb["generator"].zero_grad()
        loss.backward()
        climb["generator"].step()
    with torch.no_grad():
        assert torch.allclose(run.samples, 2 * model.generator(z), atol=1e-4)


def test_other_tasks_run_between_the_slices(quick):
    explorer, seen = live(), []

    async def elsewhere():
        explorer.train.click()
        while explorer.training:
            seen.append((explorer.run.step, explorer.view.value))
            await asyncio.sleep(0)

    asyncio.run(elsewhere())
    assert len({step for step, _ in seen}) >= 3, "the kernel answers while it trains"
    assert len({view for _, view in seen}) >= 3, "and the picture moves"
    assert any("training, step" in view for _, view in seen)


def stopped(explorer, at=1):
    """Train until so many steps are done, press stop, wait."""

    async def wait():
        explorer.train.click()
        while explorer.run.step < at:
            await asyncio.sleep(0)
        explorer.stop.click()
        await explorer.finished()

    asyncio.run(wait())


def test_stop_keeps_what_is_there_and_train_goes_on_from_it(quick):
    explorer, whole = live(), live()
    train(whole)
    stopped(explorer)
    step, run = explorer.run.step, explorer.run
    assert 0 < step < 200 and not explorer.training
    assert f"stopped at step {step} of 200. It keeps what it has; train goes on from here." in words(explorer)
    assert f"at step {step}: " in told(explorer), "the picture is that of the last step"
    torch.rand(100)  # what others draw changes nothing
    train(explorer)
    assert explorer.run is run and run.step == 200
    assert torch.equal(run.samples, whole.run.samples), "as if it had never been stopped"


def test_a_moved_control_begins_anew(quick):
    explorer = live()
    stopped(explorer)
    first = explorer.run
    explorer.loss.value = "hinge"
    assert "The controls have moved since, so train begins anew." in words(explorer)
    assert "Nonsaturating" in words(explorer), "what is shown is still the old training"
    train(explorer)
    assert explorer.run is not first and explorer.run.chosen == ("hinge", "none", 1e-3, 200) and explorer.run.seed == 0
    assert "Hinge" in words(explorer) and "have moved" not in words(explorer)


def test_a_control_that_moves_while_it_trains_takes_effect_at_the_next_click(quick):
    explorer = live()

    async def wait():
        explorer.train.click()
        await asyncio.sleep(0.005)
        explorer.cure.value = "packing"
        assert explorer.run.model.pack == 1
        explorer.train.click()
        assert explorer.run.model.pack == 4
        await explorer.finished()

    asyncio.run(wait())
    assert explorer.run.done and explorer.run.chosen[1] == "packing"


def test_train_after_the_end_takes_another_random_start(quick):
    explorer = live()
    train(explorer)
    first = explorer.run.samples
    train(explorer)
    assert explorer.run.seed == 1 and not torch.equal(explorer.run.samples, first)
    assert "random start 2" in words(explorer)


def test_it_draws_its_own_random_numbers(quick):
    explorer = live()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    train(explorer)
    assert torch.equal(torch.rand(4), expected), "a lecture's seed holds while a reader plays"


def test_without_a_loop_it_trains_to_the_end(quick):
    explorer = live()
    explorer.train.click()
    assert explorer.run.done and not explorer.training


def test_a_training_that_breaks_down_is_one_sentence(quick):
    explorer = LiveGAN(float("nan") * torch.ones(20, 2), CENTRES, STD)
    train(explorer)
    assert re.search(
        r"training broke down at step 0, for the loss of the discriminator became nan; a smaller rate may help\.", words(explorer)
    )
    assert not explorer.training
    explorer.data = cloud(9, 9, 9, 9)
    explorer.steps.value = 200
    train(explorer)
    assert explorer.run.done and "broke down" not in words(explorer)


def test_closing_ends_the_training(quick):
    explorer = live()

    async def wait():
        explorer.train.click()
        await asyncio.sleep(0.005)
        explorer.close()
        await explorer.finished()

    asyncio.run(wait())
    assert not explorer.run.done


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("cure", CURES)
def test_every_loss_takes_every_cure(quick, loss, cure):
    run = LiveRun((loss, cure, 1e-3, 2), cloud(20, 20, 20, 20), CENTRES, STD)
    before = {name: [p.clone() for p in getattr(run.model, name).parameters()] for name in ("generator", "discriminator")}
    run.go_on(60.0)
    assert run.done and run.model.kind == loss
    for name, old in before.items():
        assert any(not torch.equal(a, b) for a, b in zip(old, getattr(run.model, name).parameters(), strict=True)), f"{name} has not moved"
    switches = {key: run.model.config[key] for key in ("minibatch", "pack", "penalty", "r1")}
    off = {"minibatch": False, "pack": 1, "penalty": 0.0, "r1": 0.0}
    on = {key for key in off if switches[key] != off[key]}
    assert on == {"none": set(), "minibatch": {"minibatch"}, "packing": {"pack"}}.get(cure, {"penalty" if loss == "wasserstein" else "r1"})
    assert cured(loss, cure)["loss"] == loss


@pytest.mark.parametrize(
    "data, centres, sentence", [((5, 3), (4, 2), r"data must be \(n, 2\)"), ((5, 2), (0, 2), r"centres must be \(n, 2\)")]
)
def test_points_of_another_shape_are_refused(data, centres, sentence):
    with pytest.raises(ValueError, match=sentence):
        LiveGAN(torch.zeros(data), torch.zeros(centres), STD)
