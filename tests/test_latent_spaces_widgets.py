"""The explorers of topic 01, each against numbers that are computed here in another way."""

import html
import re
from itertools import product

import numpy as np
import pytest
import torch
from views import picture, pictures, told

from course_lib.latent_spaces import PCA, JointTable, ProbabilisticPCA
from course_lib.plotting.panels import CYCLE, tile
from course_lib.widgets.latent_spaces import (
    ComponentExplorer,
    InterpolationExplorer,
    JointTableExplorer,
    MissingExplorer,
    RandomExplorer,
    TopicExplorer,
)

STATES = [np.array(bits).reshape(2, 2) for bits in product((0, 1), repeat=4)]
# each image has its own probability; the checkerboards never occur
P = np.array([0 if i in (6, 9) else 1 + i for i in range(16)], dtype=float)
P /= P.sum()


def images(n=12, seed=0):
    return torch.randint(0, 256, (n, 1, 8, 8), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def joint():
    return JointTableExplorer(JointTable(torch.tensor(P, dtype=torch.float32)))


def component(latents=20, n=40):
    x = images(n)
    return ComponentExplorer(PCA(x.float() / 255, latents), x[:10])


def random_images():
    sources = {
        "noise": lambda n, generator: torch.rand(n, 1, 8, 8, generator=generator),
        "too bright": lambda n, generator: 1 + torch.rand(n, 1, 8, 8, generator=generator),
        "real": lambda n, generator: images(n).float() / 255,
    }
    return RandomExplorer(sources, images(30))


def identity(x):
    return x


def interpolation(data=True):
    spaces = {
        "pixels": (identity, identity),
        "flat": (lambda x: 2 * x.flatten(1), lambda z: (z / 2).view(-1, 1, 8, 8)),
    }
    return InterpolationExplorer(spaces, images(), images(30, seed=1) if data else None)


WORDS = ["cat", "dog", "cow", "red", "blue", "one", "two", "three"]
TOPICS = np.array([[0.5, 0.3, 0.2, 0, 0, 0, 0, 0], [0, 0, 0, 0.6, 0.4, 0, 0, 0], [0.1, 0, 0, 0, 0, 0.4, 0.3, 0.2]])


def topic(**kwargs):
    return TopicExplorer(TOPICS, WORDS, [0.5, 0.3, 0.2], **kwargs)


RESULTS = {
    "sizes": [10, 100, 1000],
    "shares": [0.0, 0.5],
    "naive Bayes": torch.tensor([[0.50, 0.45], [0.70, 0.65], [0.80, 0.78]]),
    "logistic regression": torch.tensor([[0.40, 0.20], [0.75, 0.40], [0.90, 0.55]]),
}


def missing():
    return MissingExplorer(RESULTS)


# --- the joint table


def press(explorer, known):
    """Turn the buttons until the pixels (four of None, 0, 1) are known."""
    explorer.clear.click()
    for button, value in zip(explorer.pixels, known, strict=True):
        for _ in range({None: 0, 0: 1, 1: 2}[value]):
            button.click()


def brute_force(known):
    """p(image | known) by going through the sixteen images."""
    joint = [p if all(v is None or v == s for v, s in zip(known, state.ravel(), strict=True)) else 0 for state, p in zip(STATES, P)]
    return np.array(joint) / sum(joint) if sum(joint) > 0 else None


@pytest.mark.parametrize("known", list(product((None, 0, 1), repeat=4)))
def test_the_bars_are_the_conditional(known):
    explorer = joint()
    press(explorer, known)
    truth = brute_force(known)
    if truth is None:
        assert "not defined, since these pixels have probability 0" in told(explorer)
        assert "nothing follows" in explorer.view.value
        assert 'role="alert"' not in explorer.view.value
        assert not pictures(explorer)
        return
    said = {name: float(p) for name, p in re.findall(r"([01] [01] / [01] [01]): ([\d.]+)", told(explorer).split("|")[0])}
    expected = {" / ".join(" ".join(map(str, row)) for row in s): p for s, p in zip(STATES, truth) if p > 0}
    assert said == pytest.approx(expected, abs=6e-4)
    marginals = [float(v) for v in re.findall(r"pixel \d: ([\d.]+)", told(explorer).split("|")[1])]
    assert marginals == pytest.approx(sum(p * s for p, s in zip(truth, STATES)).ravel(), abs=6e-3)


def test_the_chart_draws_the_bars_it_tells():
    explorer = joint()
    press(explorer, (None, 1, None, None))
    chart = explorer.panels()[0][0]
    assert np.asarray(chart.bars[1].height) == pytest.approx(brute_force((None, 1, None, None)), abs=1e-6)
    assert np.asarray(chart.bars[0].height) == pytest.approx(P, abs=1e-6)
    for i, state in enumerate(STATES):
        assert np.array_equal(np.asarray(chart.x_pictures[i])[0, 1:-1:8, 1:-1:8], 255 * state), "the pictures lie under their bars"
        assert (np.asarray(chart.x_pictures[i])[:, 0] < 200).all(), "a white image needs a rim to be seen"


def test_a_button_turns_and_says_so():
    explorer = joint()
    button = explorer.pixels[2]
    seen = []
    for _ in range(4):
        seen.append(button.description)
        button.click()
    assert seen == ["pixel 3: ?", "pixel 3: 0", "pixel 3: 1", "pixel 3: ?"]
    assert "known: pixel 3 = 0, draw = 0" in explorer._repr_mimebundle_()[0]["text/plain"]
    explorer.clear.click()
    assert button.description == "pixel 3: ?"
    assert (explorer.known == -1).all()
    assert "known: nothing" in explorer.settings()


def test_completions_agree_with_what_is_known_and_follow_the_conditional():
    explorer = JointTableExplorer(JointTable(torch.tensor(P, dtype=torch.float32)), samples=600)
    known = (None, 1, None, 0)
    press(explorer, known)
    alt, sheet = picture(explorer, "600 images drawn from the conditional, draw 0")
    cells = np.pad(sheet[:, :, 0], ((0, 1), (0, 1)), constant_values=255).reshape(50, 19, 12, 19).swapaxes(1, 2).reshape(600, 19, 19)
    drawn = cells[:, 1:17:8, 1:17:8] // 255
    assert (drawn[:, 0, 1] == 1).all() and (drawn[:, 1, 1] == 0).all()
    marginals = sum(p * s for p, s in zip(brute_force(known), STATES))
    assert drawn.mean(0) == pytest.approx(marginals, abs=0.08)  # four standard errors
    assert [float(v) for v in re.findall(r"pixel \d: ([\d.]+)", alt)] == pytest.approx(drawn.mean(0).ravel(), abs=6e-3)
    explorer.seed.value = 1
    assert not np.array_equal(picture(explorer, "draw 1")[1], sheet)
    explorer.seed.value = 0
    assert np.array_equal(picture(explorer, "draw 0")[1], sheet)


def test_the_evidence_and_the_likeliest_are_named():
    explorer = joint()
    press(explorer, (1, None, None, None))
    assert f"p(known) = {P[8:].sum():.3f}. 7 of 16 images are left; the likeliest is 1 1 / 1 1 with {P[15] / P[8:].sum():.3f}" in (
        html.unescape(explorer.view.value)
    )


def test_a_larger_grid_shows_its_likeliest_images():
    table = JointTable(torch.arange(1.0, 65) / torch.arange(1.0, 65).sum(), (2, 3))
    explorer = JointTableExplorer(table)
    assert len(explorer.pixels) == 6
    explorer.pixels[0].click()
    chart = explorer.panels()[0][0]
    assert chart.title == "the 16 likeliest images"
    assert np.asarray(chart.bars[1].height) == pytest.approx(np.arange(32, 16, -1) / np.arange(1, 33).sum(), abs=1e-6)


# --- components


def numpy_pca(x, k):
    """Rebuilt from k components by numpy's SVD, and the variance each keeps."""
    flat = x.reshape(len(x), -1).astype(float) / 255
    mean = flat.mean(0)
    _, s, v = np.linalg.svd(flat - mean, full_matrices=False)
    return (flat - mean) @ v[:k].T @ v[:k] + mean, s**2 / (s**2).sum(), v, s / np.sqrt(len(flat))


@pytest.mark.parametrize("k", [0, 1, 7, 20])
@pytest.mark.parametrize("which", [1, 10])
def test_the_error_and_the_share_are_numpys(k, which):
    explorer = component()
    explorer.components.value, explorer.image.value = k, which
    rebuilt, shares, _, _ = numpy_pca(images(40).numpy(), k)
    original = images(40).numpy()[which - 1].ravel() / 255
    error = ((rebuilt[which - 1] - original) ** 2).mean()
    alt, shown = picture(explorer, "mean squared error")
    assert f"image {which} from {k} components; mean squared error {error:.4f} a pixel" == alt
    assert f"Mean squared error {error:.4f} a pixel." in explorer.view.value
    assert np.abs(shown.ravel() - 255 * rebuilt[which - 1].clip(0, 1)).max() <= 1
    assert f"{shares[:k].sum():.1%} with {k} of 20" in told(explorer)
    difference = picture(explorer, "difference of")[1]
    assert np.abs(difference.ravel() - 127.5 * (1 + rebuilt[which - 1] - original)).max() <= 1


@pytest.mark.parametrize("model", [PCA, ProbabilisticPCA])
def test_a_move_adds_its_component_in_standard_deviations(model):
    x = images(40)
    explorer = ComponentExplorer(model(x.float() / 255, 20), x[:10])
    explorer.components.value = 0  # so that the mean is moved
    explorer.offsets[1].value = 2.0
    _, _, v, deviations = numpy_pca(x.numpy(), 0)
    step = 2 * deviations[1] * v[1]
    mean = (x.numpy() / 255).mean(0).ravel()
    shown = picture(explorer, "from 0 components, moved +2.0 σ along component 2; mean")[1].ravel()
    assert min(np.abs(shown - 255 * (mean + sign * step).clip(0, 1)).max() for sign in (1, -1)) <= 1, "a component has no sign of its own"


def test_the_moves_go_back_and_draw_once():
    explorer = component()
    before = explorer.view.value
    for control in explorer.offsets:
        control.value = 3.0
    assert explorer.view.value != before
    explorer.reset.click()
    assert [c.value for c in explorer.offsets] == [0, 0, 0, 0]
    assert explorer.view.value == before


def test_the_components_are_shown_with_their_share():
    explorer = component()
    _, shares, v, _ = numpy_pca(images(40).numpy(), 0)
    alt, sheet = picture(explorer, "components 1 to 7")
    assert alt.endswith(", ".join(f"{s:.1%}" for s in shares[:7]) + " of the variance")
    first = sheet[:, :8].ravel() / 127.5 - 1
    assert abs(np.corrcoef(first, v[0])[0, 1]) > 0.999
    assert np.abs(first).max() == pytest.approx(1, abs=0.01)


def test_few_components_have_few_sliders():
    explorer = component(latents=2)
    assert len(explorer.offsets) == 2
    assert explorer.components.max == 2


# --- random points


def numpy_distance(x, data):
    """Distance of each image to its nearest one."""
    x, data = (np.asarray(v, dtype=float).reshape(len(v), -1) for v in (x, data))
    return np.sqrt(((x[:, None] - data[None]) ** 2).sum(2)).min(1)


@pytest.mark.parametrize("seed", [0, 7])
def test_the_median_distance_is_numpys(seed):
    explorer = random_images()
    explorer.seed.value = seed
    noise = torch.rand(9, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    data = images(30).numpy() / 255
    expected = np.median(numpy_distance(noise.numpy(), data))
    bright = np.median(numpy_distance(np.ones((9, 64)), data))
    alt, shown = picture(explorer, "“noise”")
    assert f"draw {seed}, median distance {expected:.2f} " in alt
    assert np.array_equal(shown, tile(noise, 9))
    assert (picture(explorer, "“too bright”")[1][:, :8] == 255).all(), "what is shown is what is measured"
    assert f"noise {expected:.2f}, too bright {bright:.2f}, real 0.00" in told(explorer)


def test_a_draw_that_was_seen_is_not_drawn_again():
    calls = []
    explorer = RandomExplorer({"a": lambda n, g: calls.append(n) or torch.rand(n, 1, 8, 8, generator=g)}, images(5))
    first = explorer.view.value
    explorer.seed.value = 1
    assert explorer.view.value != first
    explorer.seed.value = 0
    assert explorer.view.value == first
    assert len(calls) == 2


def test_a_source_of_another_shape_is_named():
    with pytest.raises(ValueError, match=r"my source must be \(n, channels, height, width\).* got shape \(9, 64\)"):
        RandomExplorer({"my source": lambda n, g: torch.rand(n, 64)}, images(5))


# --- interpolation


def numpy_path(a, b, t, way):
    """Lerp or slerp by the formula with arccos."""
    a, b = a.ravel().astype(float), b.ravel().astype(float)
    if way == "lerp":
        return (1 - t) * a + t * b
    angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


@pytest.mark.parametrize("way", ["lerp", "slerp"])
@pytest.mark.parametrize("t", [0.0, 0.26, 1.0])
def test_the_pictures_lie_on_the_path(way, t):
    explorer = interpolation()
    explorer.first.value, explorer.second.value, explorer.t.value, explorer.way.value = 3, 5, t, way
    a, b = images().numpy()[[2, 4]] / 255
    data = images(30, seed=1).numpy() / 255
    truth = numpy_path(a, b, t, way).clip(0, 1)
    alt, large = picture(explorer, "the pictures from digit 3 to digit 5")
    assert np.abs(large[:, :8].ravel() - 255 * truth).max() <= 1
    assert np.abs(large[:, 9:].ravel() - 255 * truth).max() <= 1, "lerp and slerp do not mind the scale of a code"
    distance = numpy_distance(truth[None], data)[0]
    assert f"by {way}" in alt and f"at t = {t:.2f}: pixels {distance:.2f}, flat {distance:.2f}" in alt
    assert f"at t = {t:.2f}: pixels {distance:.2f}" in told(explorer)
    path = picture(explorer, f"pixels: 11 pictures from digit 3 to digit 5 by {way}")[1]
    for i in range(11):
        shown = path[1:9, 11 * i + 1 : 11 * i + 9, 0]
        assert np.abs(shown.ravel() - 255 * numpy_path(a, b, i / 10, way).clip(0, 1)).max() <= 1


def test_the_curve_is_the_distance_along_the_path():
    explorer = interpolation()
    chart = explorer.panels()[1][1]
    a, b = images().numpy()[:2] / 255
    expected = numpy_distance([numpy_path(a, b, i / 10, "lerp") for i in range(11)], images(30, seed=1).numpy() / 255)
    assert np.asarray(chart.lines[0].y) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("t, marked", [(0.0, 0), (0.44, 4), (1.0, 10)])
def test_the_picture_at_t_has_a_rim(t, marked):
    explorer = interpolation()
    explorer.t.value = t
    alt, path = picture(explorer, "pixels: 11 pictures")
    assert f"the one at t = {marked / 10:.1f} marked" in alt
    rims = [tuple(path[0, 11 * i]) for i in range(11)]
    color = tuple(int(CYCLE[1][i : i + 2], 16) for i in (1, 3, 5))
    assert [i for i, rim in enumerate(rims) if rim == color] == [marked]


def test_dragging_t_decodes_one_picture_a_space():
    encoded, decoded = [], []
    spaces = {"pixels": (lambda x: encoded.append(len(x)) or x, lambda z: decoded.append(len(z)) or z)}
    explorer = InterpolationExplorer(spaces, images())
    for t in (0.1, 0.2, 0.3):
        explorer.t.value = t
    assert encoded == [2]
    assert decoded == [11, 1, 1, 1, 1]
    explorer.way.value = "slerp"
    assert decoded[-2:] == [11, 1]


@pytest.mark.parametrize("way", ["lerp", "slerp"])
def test_one_image_twice_and_an_empty_image_are_paths_too(way):
    x = images()
    x[1] = 0
    explorer = InterpolationExplorer({"pixels": (identity, identity)}, x, images(30))
    explorer.way.value = way
    for first, second in ((1, 1), (1, 2), (2, 2)):
        explorer.first.value, explorer.second.value = first, second
        assert 'role="alert"' not in explorer.view.value
    assert (picture(explorer, "the pictures from digit 2 to digit 2")[1] == 0).all()


def test_a_path_that_never_leaves_the_data_is_drawn():
    black = torch.zeros(2, 1, 8, 8)
    explorer = InterpolationExplorer({"pixels": (identity, identity)}, black, black)
    assert "at t = 0.50: pixels 0.00" in told(explorer)


def test_without_data_nothing_is_measured():
    explorer = interpolation(data=False)
    assert not told(explorer)
    assert "distance" not in explorer.view.value
    assert picture(explorer, "the pictures at t = 0.50, from digit 1 to digit 2 by lerp: pixels, flat")


# --- topics


def set_weights(explorer, weights):
    for control, w in zip(explorer.weights, weights, strict=True):
        control.value = w


@pytest.mark.parametrize("weights", [(0.5, 0.3, 0.2), (0, 1, 0), (1, 1, 1), (0.02, 0, 0.9)])
def test_the_words_are_those_of_the_mixture(weights):
    explorer = topic()
    set_weights(explorer, weights)
    shares = np.array(weights) / sum(weights)
    mixture = {word: sum(s * TOPICS[k][i] for k, s in enumerate(shares)) for i, word in enumerate(WORDS)}
    owner = {word: max(range(3), key=lambda k: shares[k] * TOPICS[k][i]) + 1 for i, word in enumerate(WORDS)}
    said = re.findall(r"(\w+) ([\d.]+)% \(topic (\d)\)", told(explorer))
    assert {w: float(p) for w, p, _ in said} == pytest.approx({w: 100 * p for w, p in mixture.items()}, abs=6e-3)
    assert [float(p) for _, p, _ in said] == sorted((float(p) for _, p, _ in said), reverse=True)
    assert {w: int(k) for w, _, k in said if mixture[w] > 0} == {w: owner[w] for w in WORDS if mixture[w] > 0}
    chart = explorer.panels()[0][0]
    for k, bars in enumerate(chart.bars):
        mine = [w for w, p, o in said if int(o) == k + 1]
        assert list(bars.height) == pytest.approx([100 * mixture[w] for w in mine])
        assert bars.color == CYCLE[k]


def test_the_text_comes_from_the_mixture():
    explorer = topic(length=5000)
    set_weights(explorer, (0.4, 0.4, 0.2))
    text = explorer.text(np.array([0.4, 0.4, 0.2])).split()
    assert " ".join(text[:5]) in explorer.view.value
    expected = 0.4 * TOPICS[0] + 0.4 * TOPICS[1] + 0.2 * TOPICS[2]
    counts = np.array([text.count(w) for w in WORDS]) / 5000
    assert np.abs(counts - expected).max() < 0.028  # four standard errors of the likeliest word
    explorer.seed.value = 1
    assert explorer.text(np.array([0.4, 0.4, 0.2])).split() != text
    explorer.seed.value = 0
    assert explorer.text(np.array([0.4, 0.4, 0.2])).split() == text
    set_weights(explorer, (0, 1, 0))
    assert set(explorer.text(np.array([0.0, 1.0, 0.0])).split()) == {"red", "blue"}


def test_a_small_move_changes_few_words():
    explorer = topic(length=400)
    one, other = explorer.text(np.array([0.50, 0.30, 0.20])).split(), explorer.text(np.array([0.52, 0.28, 0.20])).split()
    assert 0 < sum(a != b for a, b in zip(one, other, strict=True)) < 40


def test_no_weight_at_all_is_a_sentence_and_passes():
    explorer = topic()
    set_weights(explorer, (0, 0, 0))
    assert "Every weight is 0, so no topic is left to draw from." in explorer.view.value
    assert 'role="alert"' not in explorer.view.value
    explorer.weights[2].value = 0.1
    assert "The mixture: 100% topic 3." in explorer.view.value


def test_the_sliders_start_at_the_mean_weights():
    assert [w.value for w in TopicExplorer(TOPICS, WORDS, [2.5, 1.5, 1.0]).weights] == [0.5, 0.3, 0.2]


def test_a_table_that_is_no_topic_model_is_named():
    with pytest.raises(ValueError, match=r"rows that add up to 1, one weight a topic; got \(3, 8\), 7 words and 3 weights"):
        TopicExplorer(TOPICS, WORDS[:7], [1, 1, 1])
    with pytest.raises(ValueError, match="rows that add up to 1"):
        TopicExplorer(2 * TOPICS, WORDS, [1, 1, 1])


# --- missing features


@pytest.mark.parametrize("i, size", list(enumerate(RESULTS["sizes"])))
@pytest.mark.parametrize("j, share", list(enumerate(RESULTS["shares"])))
def test_both_panels_mark_the_point(i, size, j, share):
    explorer = missing()
    explorer.size.value, explorer.missing.value = size, share
    bayes, logistic = (float(RESULTS[name][i, j]) for name in ("naive Bayes", "logistic regression"))
    for said in told(explorer).split("|"):
        assert f"naive Bayes {bayes:.1%}, logistic regression {logistic:.1%}" in said
    best = "Naive Bayes" if bayes > logistic else "Logistic regression"
    assert f"{best} leads by {100 * abs(bayes - logistic):.1f} points." in explorer.view.value
    left, right = explorer.panels()[0]
    assert [(m.x, m.y) for m in left.marks] == [(size, pytest.approx(bayes)), (size, pytest.approx(logistic))]
    assert [(m.x, m.y) for m in right.marks] == [(share, pytest.approx(bayes)), (share, pytest.approx(logistic))]
    assert list(left.lines[1].y) == pytest.approx(RESULTS["logistic regression"][:, j].tolist())
    assert list(right.lines[0].y) == pytest.approx(RESULTS["naive Bayes"][i].tolist())
    assert left.y_range == right.y_range, "heights can be compared"


def test_accuracies_of_another_shape_are_named():
    with pytest.raises(ValueError, match=r"“naive Bayes” has accuracies of shape \(2, 2\), but there are \(3, 2\) sizes and shares"):
        MissingExplorer({**RESULTS, "naive Bayes": RESULTS["naive Bayes"][:2]})
