"""The explorers of a diffusion of digits, on models so small or so simple that the right picture and the right number are known."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from views import cells as cells_of
from views import number, picture, pictures, set_to, told, words

from course_lib import datasets
from course_lib.diffusion import ImageDiffusion, PointDiffusion
from course_lib.metrics import digit_network
from course_lib.plotting.panels import to_uint8
from course_lib.widgets.diffusion import images as image_explorers
from course_lib.widgets.diffusion.images import (
    DRAWINGS,
    DDIMExplorer,
    EditExplorer,
    GuidanceExplorer,
    InpaintExplorer,
    alike,
    rasterised,
)
from course_lib.widgets.pixels import UNDRAWN

RECORD = {
    "samples": 2000,
    "ddim": {"5": {"fid": 9.4}, "20": {"fid": 1.625}, "1000": {"fid": 0.98}},
    "ddpm": {"5": {"fid": 61.0}, "20": {"fid": 8.25}, "1000": {"fid": 0.9}},
    "heun": {"5": {"fid": 2.3}, "20": {"fid": 1.0}},
    "guidance": {
        "0": {"fid": 3.0, "class_accuracy": 0.1},
        "1": {"fid": 1.625, "class_accuracy": 0.953},
        "1.5": {"fid": 2.0, "class_accuracy": 0.981},
        "3": {"fid": 7.0, "class_accuracy": 0.995},
    },
}


def small(schedule="cosine", predict="v", seed=0):
    """A tiny network with random weights, far enough from 0 that it says something."""
    torch.manual_seed(seed)
    model = ImageDiffusion(width=8, multiples=(1,), attention=(), patch=4, schedule=schedule, predict=predict)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.2 * torch.randn(p.shape, generator=generator)
    return model.eval()


def digits():
    """One real image of each digit, (10, 1, 28, 28) uint8."""
    data = datasets.load("mnist_small", "test")
    return torch.stack([data.x[data.y == y][0] for y in range(10)])


class Quick(ImageDiffusion):
    """Answers at once, and differently for each label, guidance, time and noise: a pattern of the label, and some of what it is given."""

    def __init__(self):
        super().__init__(width=8, multiples=(1,), attention=(), patch=4)
        self.patterns = torch.randn(11, 1, 28, 28, generator=torch.Generator().manual_seed(1))

    def denoise(self, x_t, t, y=None, guidance=1.0):
        pattern = self.patterns[10] if y is None else torch.lerp(self.patterns[10], self.patterns[y], guidance)
        alpha, sigma = self.schedule.at(float(t))
        x = 0.5 * pattern + 0.6 * x_t
        return x, (x_t - alpha * x) / sigma


class Oracle(ImageDiffusion):
    """Knows what the data are: of each label one image, and without a label the image of 0. Counts what it was asked."""

    def __init__(self):
        super().__init__(width=8, multiples=(1,), attention=(), patch=4)
        self.known, self.asked = self.scaled(digits().float() / 255), []

    def denoise(self, x_t, t, y=None, guidance=1.0):
        self.asked.append((len(x_t), float(t), None if y is None else y.tolist(), guidance, self.training, torch.is_grad_enabled()))
        x = self.known[torch.zeros(len(x_t), dtype=torch.long) if y is None or guidance == 0 else y]
        alpha, sigma = self.schedule.at(float(t))
        return x, (x_t - alpha * x) / sigma


def ddim(model=None, record=RECORD):
    return DDIMExplorer(Quick() if model is None else model, record)


def guidance(model=None, record=RECORD):
    return GuidanceExplorer(Quick() if model is None else model, record)


def painting(model=None):
    return InpaintExplorer(Quick() if model is None else model, digits())


def editing(model=None):
    return EditExplorer(Quick() if model is None else model, digits())


cells = partial(cells_of, side=28)


def fill_when_moved(explorer):
    """Painting fills in when it is told to: tell it whenever a slider moves."""
    for control in (explorer.image, explorer.repeats, explorer.noise):
        control.observe(lambda _change: explorer.fill.click(), "value")


def clean(model, x_t, t, y, w=1.0):
    """x̂₀ in [−1, 1] by the model, guided by hand."""
    with torch.no_grad():
        said = model.denoise(x_t, t, y)[0] if w == 1 else None
        if said is None:
            net = lambda labels: model.net(x_t, model.schedule.log_snr(torch.full((len(x_t),), t)).to(x_t), labels)  # noqa: E731
            words = net(None) + w * (net(y) - net(None))
            alpha, sigma = model.schedule.at(t)
            said = alpha * x_t - sigma * words  # of a network that says v, where α² + σ² = 1
    return said.clamp(-1, 1)


# --- several of them at once


def test_no_explorer_uses_up_the_random_numbers_of_a_lecture():
    model, images = Quick(), digits()
    digit_network("cpu")  # loaded once, with random weights before it has its own
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    set_to(DDIMExplorer(model, RECORD), eta=0.5).static()
    GuidanceExplorer(model, RECORD).static()
    InpaintExplorer(model, images).fill.click()
    EditExplorer(model, images).static()
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("make", [ddim, guidance, painting, editing])
def test_a_model_in_training_stays_so_and_is_asked_at_rest(make):
    model = Oracle().train()
    explorer = make(model)
    if make is painting:
        explorer.parts["middle"].click()
        explorer.fill.click()
    else:
        set_to(explorer, noise=1)
    assert model.training
    assert model.asked and not any(training or grad for *_, training, grad in model.asked)


@pytest.mark.parametrize(
    "model",
    [
        PointDiffusion(),
        ImageDiffusion((1, 8, 8), width=8, multiples=(1,), patch=4, attention=()),
        ImageDiffusion(width=8, classes=0),
        torch.nn.Linear(1, 1),
    ],
)
@pytest.mark.parametrize("explorer", [DDIMExplorer, GuidanceExplorer, lambda m: InpaintExplorer(m, digits()), EditExplorer])
def test_a_model_that_does_not_draw_digits_is_refused(explorer, model):
    with pytest.raises(ValueError, match="ImageDiffusion of shape .* with 10 classes"):
        explorer(model)


@pytest.mark.parametrize("explorer", [InpaintExplorer, EditExplorer])
def test_images_of_another_size_are_refused(explorer):
    with pytest.raises(ValueError, match=r"images must be digits \(n, 1, 28, 28\) .* got shape \(2, 1, 8, 8\)"):
        explorer(small(), torch.zeros(2, 1, 8, 8))


def test_an_error_is_told_and_goes_away(monkeypatch):
    explorer = ddim()
    monkeypatch.setattr(Quick, "denoise", lambda *_: 1 / 0)
    explorer.noise.value = 7
    assert "DDIMExplorer could not draw this: division by zero" in explorer.view.value
    set_to(explorer, noise=0)


# --- steps


@pytest.mark.parametrize("schedule, predict", [("cosine", "v"), ("straight", "velocity")])
def test_without_fresh_noise_the_digits_are_those_of_ddim(schedule, predict):
    model = small(schedule, predict)
    explorer = set_to(ddim(model), steps=5, noise=3)
    torch.manual_seed(3)
    x_t, y = torch.randn(1, 1, 28, 28).expand(10, -1, -1, -1), torch.arange(10)
    for i in range(5, 0, -1):
        (a, s), (a2, s2) = model.schedule.at(i / 5), model.schedule.at((i - 1) / 5)
        x = clean(model, x_t, i / 5, y)
        x_t = a2 * x + s2 * (x_t - a * x) / s
    expected = to_uint8((x_t + 1) / 2)[:, 0]
    _, sheet = picture(explorer, "labels 0 to 9 from noise 3 in 5 steps with η = 0.00")
    assert np.abs(cells(sheet, 10).astype(int) - expected).max() <= 1
    assert expected.std() > 20 and len(np.unique(expected, axis=0)) == 10, "something to compare"


def test_with_fresh_noise_they_are_those_of_ddpm():
    model = small()
    explorer = set_to(ddim(model), steps=5, eta=1.0, noise=2)
    torch.manual_seed(2)
    x_t, y = torch.randn(1, 1, 28, 28).expand(10, -1, -1, -1), torch.arange(10)
    for i in range(5, 0, -1):
        bar, bar2 = (model.schedule.at(k / 5)[0] ** 2 for k in (i, i - 1))
        step = bar / bar2  # DDPM's α_t; the posterior is equations 6 and 7 of Ho et al.
        x = clean(model, x_t, i / 5, y)
        mean = bar2**0.5 * (1 - step) / (1 - bar) * x + step**0.5 * (1 - bar2) / (1 - bar) * x_t
        x_t = mean + ((1 - bar2) / (1 - bar) * (1 - step)) ** 0.5 * torch.randn(10, 1, 28, 28)
    _, sheet = picture(explorer, "in 5 steps with η = 1.00")
    assert np.abs(cells(sheet, 10).astype(int) - to_uint8((x_t + 1) / 2)[:, 0]).max() <= 1


def test_an_oracle_lands_on_its_digits_at_every_setting():
    explorer, known = ddim(Oracle()), digits()[:, 0].numpy()
    for steps, eta in ((2, 0.0), (5, 0.5), (20, 1.0)):
        set_to(explorer, steps=steps, eta=eta)
        for sheet in pictures(explorer).values():
            assert np.abs(cells(sheet, 10).astype(int) - known).max() <= 1
        assert number("average a pixel is (…) from the end", words(explorer)) == 0
    with torch.no_grad():
        right = (digit_network()(digits().float() / 255).argmax(1) == torch.arange(10)).sum().item()
    assert f"{right} of 10 are read as the digit asked for." in words(explorer)


def test_the_distance_from_the_end_of_the_ode_shrinks_with_the_steps():
    explorer, shown = ddim(small()), {}
    for steps in (5, 20, 100):
        set_to(explorer, steps=steps)
        here = number("average a pixel is (…) from the end", words(explorer))
        upper, lower = (cells(sheet, 10) / 255 for sheet in pictures(explorer).values())
        assert here == pytest.approx(np.abs(upper - lower).mean(), abs=0.002)
        shown[steps] = here
    assert shown[5] > shown[20] > shown[100]


def test_the_time_is_measured_once_and_remembered(monkeypatch):
    explorer = ddim()
    real = image_explorers.sample

    def slow(*args, **kwargs):
        image_explorers.time.sleep(0.2)
        return real(*args, **kwargs)

    monkeypatch.setattr(image_explorers, "sample", slow)
    set_to(explorer, steps=10)
    before = words(explorer)
    assert number(r"10 steps took (…) s for all ten", before) >= 0.2
    assert number(r"first asked for, (…) ms a step", before) >= 20
    monkeypatch.setattr(image_explorers, "sample", None)
    set_to(explorer, steps=20)
    assert words(set_to(explorer, steps=10)) == before, "nothing is computed twice"


def test_the_chart_marks_what_was_recorded():
    explorer = ddim()
    assert "DDIM, η = 0: 9.4 in 5, 1.62 in 20, 0.98 in 1000" in told(explorer) and "DDPM, η = 1: 61 in 5" in told(explorer)
    assert "FID of 2,000 samples" in explorer.view.value
    for eta, steps, fid in ((0.0, 20, "1.62"), (1.0, 20, "8.25"), (1.0, 5, "61")):
        set_to(explorer, eta=eta, steps=steps)
        assert told(explorer).endswith(f"At {steps} steps and η = {eta:g}: {fid}")
        assert f"Recorded FID of this setting: {fid}." in words(explorer)
    for eta, steps in ((0.5, 20), (0.0, 2)):
        set_to(explorer, eta=eta, steps=steps)
        assert told(explorer).endswith(": not recorded") and f">{steps} steps</text>" in explorer.view.value


@pytest.mark.parametrize("make", [ddim, guidance])
def test_without_a_record_there_is_no_chart(make):
    explorer = make(record=None)
    assert "<svg" not in explorer.view.value and "ecorded" not in words(explorer)
    explorer.static()


# --- guidance


@pytest.mark.parametrize("w", [0.0, 1.0, 0.5, 3.0])
def test_samples_are_guided_as_the_formula_says(w):
    model = small()
    explorer = set_to(guidance(model), weight=w, digit=4, noise=6)
    torch.manual_seed(6)
    x_t, y = torch.randn(16, 1, 28, 28), torch.full((16,), 4)
    for i in range(20, 0, -1):
        (a, s), (a2, s2) = model.schedule.at(i / 20), model.schedule.at((i - 1) / 20)
        x = clean(model, x_t, i / 20, y, w)
        x_t = a2 * x + s2 * (x_t - a * x) / s
    expected = to_uint8(((x_t + 1) / 2).clamp(0, 1))[:, 0]
    sheets = list(pictures(explorer).items())
    alt, sheet = sheets[-1]
    assert f"with label 4 at w = {w:g}, noise 6" in alt
    assert np.abs(cells(sheet, 4).astype(int) - expected).max() <= 3
    flat = expected.reshape(16, -1) / 255
    assert number("two of them (…) apart", alt) == pytest.approx(pdist(flat).mean(), abs=0.05)
    correlation = np.corrcoef(flat)[np.triu_indices(16, 1)].mean()
    assert number(r"with a correlation of (…) on average", words(explorer)) == pytest.approx(correlation, abs=0.006)
    with torch.no_grad():
        taken = (digit_network()(torch.from_numpy(expected)[:, None] / 255).argmax(1) == 4).sum().item()
    assert f"At w = {w:g}, {taken} of 16 are taken for a 4." in words(explorer) and f"; {taken} read as a 4" in alt


def test_the_plain_samples_stay_beside_the_guided_ones():
    explorer = set_to(guidance(), weight=5.0)
    plain, guided = (sheet for alt, sheet in pictures(explorer).items())
    assert not np.array_equal(plain, guided)
    (same,) = {sheet.tobytes() for sheet in pictures(set_to(explorer, weight=1.0)).values()}
    assert same == plain.tobytes()
    assert "nothing is guided" in words(explorer)


def test_words_say_what_guidance_did():
    model = Oracle()
    explorer = set_to(guidance(model), digit=8, weight=2.0)
    assert "16 of 16 are taken for an 8" in words(explorer), "one image for all"
    assert "with a correlation of 1.00" in words(explorer) and "are no more alike" in words(explorer)
    assert {guide for *_, y, guide, _, _ in model.asked if y == [8] * 16} == {1.0, 2.0, 6.0}
    assert "0 of 16 are taken for an 8" in words(set_to(explorer, weight=0.0)) and "ignores the label" in words(explorer)
    assert "counts, but less" in words(set_to(explorer, weight=0.5))


def test_alike_pictures_correlate():
    x = torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    matrix = np.corrcoef(x.flatten(1).numpy())
    assert alike(x) == pytest.approx((matrix.sum() - 5) / 20, abs=1e-6)
    assert alike(torch.cat([x[:1], 0.5 * x[:1] + 0.2])) == pytest.approx(1)
    assert alike(torch.zeros(3, 1, 6, 6)) == 0


def test_charts_of_guidance_mark_what_was_recorded():
    explorer = set_to(guidance(), weight=1.5)
    assert "10% at 0, 95.3% at 1, 98.1% at 1.5, 99.5% at 3" in told(explorer) and "3 at 0, 1.625 at 1, 2 at 1.5, 7 at 3" in told(explorer)
    assert ">98.1%</text>" in explorer.view.value and ">w = 1.5</text>" not in explorer.view.value
    assert explorer.view.value.count("FID of 2,000 samples</text>") == 1
    assert set_to(explorer, weight=2.5).view.value.count(">w = 2.5</text>") == 2, "a line in both where nothing was recorded"


# --- in-painting


def fill(explorer):
    explorer.fill.click()
    assert 'role="alert"' not in explorer.view.value, explorer.view.value
    return explorer


def completions(explorer):
    """The eight pictures shown (8, 28, 28, 3)."""
    return np.concatenate([cells(picture(explorer, f"completions {part}")[1], 4) for part in ("1 to 4", "5 to 8")])


def test_parts_hide_what_they_name():
    explorer = painting()
    expected = {
        "upper half": (slice(0, 14), slice(0, 28)),
        "left half": (slice(0, 28), slice(0, 14)),
        "middle": (slice(8, 20), slice(8, 20)),
    }
    for name, part in expected.items():
        explorer.parts[name].click()
        mask = np.zeros((28, 28), bool)
        mask[part] = True
        assert np.array_equal(explorer.hidden, mask), name
        _, sheet = picture(explorer, "original, the model sees")
        original, seen = cells(sheet, 2)[:2]
        assert (seen[mask] == UNDRAWN).all() and np.array_equal(seen[~mask], original[~mask])
        assert np.array_equal(original[..., 0], digits()[0, 0])
        assert f"image 0, {mask.sum()} of 784 pixels hidden" in words(explorer)
    explorer.parts["clear"].click()
    assert not explorer.hidden.any()


def test_a_click_hides_a_cell_and_another_shows_it():
    explorer = painting()
    explorer.parts["clear"].click()
    for i, (row, column) in ((10, (1, 3)), (48, (6, 6)), (7, (1, 0))):
        before = explorer.hidden.copy()
        explorer.cells[i].click()
        changed = explorer.hidden != before
        assert changed.sum() == 16 and changed[4 * row : 4 * row + 4, 4 * column : 4 * column + 4].all()
        assert (explorer.row.value, explorer.column.value) == (row + 1, column + 1)
        assert explorer.cells[i].description == f"row {row + 1}, column {column + 1}"
        assert f"Cursor at row {row + 1}, column {column + 1}, hidden." in words(explorer)
    assert "48 of 784 pixels hidden" in words(explorer) and "48 of 784" in explorer.settings()
    explorer.cells[10].click()
    assert explorer.hidden.sum() == 32 and "row 2, column 4, shown" in words(explorer)


def test_a_cell_that_is_half_hidden_is_hidden_first():
    explorer = painting()
    explorer.parts["upper half"].click()  # its edge cuts through the fourth row of cells
    set_to(explorer, row=4, column=2)
    assert "Cursor at row 4, column 2, half hidden." in words(explorer)
    explorer.turn.click()
    assert explorer.hidden[12:16, 4:8].all() and explorer.hidden.sum() == 392 + 8
    explorer.turn.click()
    assert not explorer.hidden[12:16, 4:8].any() and explorer.hidden.sum() == 392 - 8


def test_the_paper_shows_the_image_and_what_is_hidden():
    explorer = painting()
    explorer.parts["clear"].click()
    set_to(explorer, row=1, column=1, image=3)
    explorer.view.value, before = explorer.paper.value, explorer.view.value  # to read it with the same eyes
    alt, paper = picture(explorer, "in cells to click on")
    explorer.view.value = before
    assert alt == "image 3, 0 of 784 pixels hidden, in cells to click on; cursor at row 1, column 1, shown"
    middle = paper[5::10, 5::10]
    assert paper.shape == (280, 280, 3) and np.array_equal(middle[..., 0], digits()[3, 0]) and (middle[..., 0] == middle[..., 2]).all()
    explorer.cells[0].click()
    explorer.view.value = explorer.paper.value
    _, paper = picture(explorer, "16 of 784 pixels hidden")
    middle = paper[5::10, 5::10]
    assert (middle[:4, :4, 2] > middle[:4, :4, 0]).all(), "bluish"
    assert np.array_equal(middle[4:, :, 0], digits()[3, 0, 4:])


def test_nothing_is_filled_in_before_the_button_is_pressed():
    model = Oracle()
    explorer = painting(model)
    asked = len(model.asked)
    assert asked == 19 * 5 + 1, "the first one, so that there is something to see"
    explorer.parts["middle"].click()
    set_to(explorer, image=4, repeats=3)
    explorer.cells[0].click()
    assert len(model.asked) == asked
    assert "press “fill in”" in explorer.view.value and "Not filled in yet. It takes 20 steps with 3 repeats: 58 evaluations" in words(
        explorer
    )
    assert all(np.array_equal(one, completions(explorer)[0]) for one in completions(explorer))
    fill(explorer)
    assert len(model.asked) == asked + 19 * 3 + 1 and "20 steps with 3 repeats: 58 evaluations of the network." in words(explorer)
    shown = explorer.view.value
    set_to(explorer, image=5)
    assert set_to(explorer, image=4).view.value == shown, "what was filled in is kept"
    assert len(model.asked) == asked + 58


def test_the_button_always_changes_the_picture():
    explorer = painting()
    seen = [completions(explorer)]
    for noise in (1, 2):  # the first one was filled in before it was pressed
        fill(explorer)
        assert explorer.noise.value == noise and "not filled in yet" not in explorer.view.value
        seen.append(completions(explorer))
    assert len(np.unique(np.concatenate(seen), axis=0)) == 24
    assert np.array_equal(completions(set_to(explorer, noise=1)), seen[1]), "what was drawn is kept"
    explorer.parts["middle"].click()
    fill(explorer)
    assert explorer.noise.value == 1, "nothing was there: nothing is skipped"
    explorer = set_to(painting(), noise=50)
    fill(explorer)
    fill(explorer)
    assert explorer.noise.value == 0, "after the last comes the first"
    assert InpaintExplorer(Quick(), digits(), image=7).image.value == 7


def test_known_pixels_stay_and_hidden_ones_are_the_models():
    model, images = Oracle(), digits()[:, 0].numpy().astype(int)
    explorer = painting(model)  # without a label its answer is always the 0
    explorer.parts["left half"].click()
    fill(set_to(explorer, image=3, repeats=2))
    assert all(y is None for _, _, y, *_ in model.asked)
    shown = completions(explorer).astype(int)
    assert (np.abs(shown[:, :, 14:] - images[3][:, 14:, None]) == 0).all(), "grey, and exactly the image's"
    made = shown[:, :, :14]
    assert (made[..., 2] > made[..., 0]).all(), "blue"
    share = (made[..., 0] - 9) / (140 - 9)
    assert np.abs(share - images[0][:, :14] / 255).max() < 0.02
    assert "agree exactly" in words(explorer) and "standard deviation of 0.00" in words(explorer)


def test_words_about_completions_are_right():
    explorer = painting()
    explorer.parts["middle"].click()
    fill(set_to(explorer, image=2, repeats=4, noise=9))
    x, read = explorer._filled[explorer.key]
    x, image = x[:, 0].numpy(), digits()[2, 0].numpy() / 255
    assert "agree exactly" in words(explorer) and np.abs(x - image)[:, ~explorer.hidden].max() < 1e-6
    assert number("standard deviation of (…) a pixel", words(explorer)) == pytest.approx(x[:, explorer.hidden].std(0).mean(), abs=0.006)
    with torch.no_grad():
        expected = digit_network()(torch.from_numpy(x)[:, None]).argmax(1).tolist()
    assert read == expected
    assert f"completions 1 to 4, read as {', '.join(map(str, expected[:4]))}" in explorer.view.value
    assert f"{expected[0]} ({expected.count(expected[0])} of 8)" in words(explorer) and "the original as 2" in words(explorer)

    def edge(images):  # neighbours on both sides of the square's four edges
        pairs = [(images[:, 7, 8:20], images[:, 8, 8:20]), (images[:, 19, 8:20], images[:, 20, 8:20])]
        pairs += [(images[:, 8:20, 7], images[:, 8:20, 8]), (images[:, 8:20, 19], images[:, 8:20, 20])]
        return np.mean([np.abs(a - b) for a, b in pairs])

    assert number("across the edge differ by (…) on", words(explorer)) == pytest.approx(edge(x), abs=6e-4)
    assert number("in the original by (…)\\.", words(explorer)) == pytest.approx(edge(image[None]), abs=6e-4)


def test_eight_completions_differ_and_the_noise_decides():
    explorer = painting()
    first = completions(explorer)
    assert len(np.unique(first, axis=0)) == 8
    assert not np.array_equal(completions(fill(set_to(explorer, noise=1))), first)
    assert not np.array_equal(completions(fill(set_to(explorer, noise=0, repeats=1))), first)
    assert np.array_equal(completions(set_to(explorer, repeats=5)), first)


def test_all_and_nothing_can_be_hidden():
    explorer = painting()
    explorer.parts["clear"].click()
    fill(explorer)
    assert (completions(explorer)[..., 0] == digits()[0, 0].numpy()).all() and "Nothing is hidden" in words(explorer)
    for i in range(49):
        explorer.cells[i].click()
    assert explorer.hidden.all()
    assert "across the edge" not in words(fill(explorer)) and "agree exactly" in words(explorer)


def test_the_button_says_that_it_is_at_work_and_recovers(monkeypatch):
    explorer, seen = painting(), []

    def inpaint(*args, **kwargs):
        seen.append((explorer.fill.description, explorer.fill.disabled))
        raise RuntimeError("out of paint")

    monkeypatch.setattr(image_explorers, "inpaint", inpaint)
    explorer.parts["middle"].click()
    explorer.fill.click()
    assert seen == [("filling in …", True)]
    assert (explorer.fill.description, explorer.fill.disabled) == ("fill in", False)
    assert "could not draw this: out of paint (RuntimeError)" in explorer.view.value
    explorer.parts["upper half"].click()
    assert 'role="alert"' not in explorer.view.value


# --- editing


def test_drawings_are_lines_of_one_width():
    assert {"rough 0", "rough 3", "rough 4", "rough 7", "rough 8", "house", "scribble"} == set(DRAWINGS)
    for name, (digit, strokes) in DRAWINGS.items():
        image = rasterised(strokes).numpy()
        assert image.shape == (28, 28) and image.min() == 0 and image.max() == 1
        assert digit is None or name == f"rough {digit}"
        points = np.concatenate(  # many on each line
            [a + (b - a) * np.linspace(0, 1, 200)[:, None] for line in strokes for a, b in zip(np.array(line[:-1]), np.array(line[1:]))]
        )
        grid = np.stack(np.meshgrid(np.arange(28), np.arange(28)), -1)
        away = np.sqrt(((grid[:, :, None] - points) ** 2).sum(-1)).min(-1)
        assert (image[away < 0.69] == 1).all() and (image[away > 1.71] == 0).all()
        assert np.abs(image - (1.7 - away).clip(0, 1)).max() < 0.01
        assert not image[[0, -1]].any() and not image[:, [0, -1]].any(), "off the edge"


def test_strength_0_gives_the_drawing_back_and_1_forgets_it():
    explorer = editing()
    results = {}
    for name in ("house", "rough 7"):
        set_to(explorer, drawing=name, strength=0.0)
        drawing = to_uint8(rasterised(DRAWINGS[name][1]))
        assert (np.abs(cells(picture(explorer, "8 results from")[1], 8).astype(int) - drawing) <= 1).all()
        above = cells(picture(explorer, "the drawing “")[1], 3).astype(int)
        assert (np.abs(above - drawing) <= 1).all(), "the drawing, not noised, and the mean"
        assert "The results are 0.000 a pixel away" in words(explorer) and "the crude strokes stay" in words(explorer)
        set_to(explorer, strength=1.0)
        results[name] = cells(picture(explorer, "8 results from")[1], 8).astype(int)
        assert "all but forgotten" in words(explorer)
    assert np.abs(results["house"] - results["rough 7"]).mean() < 2, "α is a thousandth"
    assert len(np.unique(results["house"], axis=0)) == 8


@pytest.mark.parametrize("schedule, predict", [("cosine", "v"), ("straight", "velocity")])
def test_an_edit_is_a_chain_from_the_noised_drawing(schedule, predict):
    model = small(schedule, predict)
    explorer = set_to(editing(model), drawing="rough 4", strength=0.5, label="none", noise=5)
    torch.manual_seed(5)
    noise, guide = torch.randn(8, 1, 28, 28), 2 * rasterised(DRAWINGS["rough 4"][1]) - 1
    alpha, sigma = model.schedule.at(0.5)
    x_t = start = alpha * guide + sigma * noise
    for i in range(5, 0, -1):  # half of ten steps
        (a, s), (a2, s2) = model.schedule.at(i / 10), model.schedule.at((i - 1) / 10)
        x = clean(model, x_t, i / 10, None)
        x_t = a2 * x + s2 * (x_t - a * x) / s
    expected = to_uint8(((x_t + 1) / 2).clamp(0, 1))[:, 0].astype(int)
    shown = cells(picture(explorer, "8 results from")[1], 8).astype(int)
    assert np.abs(shown - expected).max() <= 1
    drawn, noised, mean = cells(picture(explorer, "the same noised up to time 0.50")[1], 3).astype(int)
    assert np.abs(noised - to_uint8(((start[0, 0] + 1) / 2).clamp(0, 1))).max() <= 1
    assert np.abs(mean - expected.mean(0)).max() <= 1.5
    distance = np.abs(expected - drawn).mean() / 255
    assert number("The results are (…) a pixel", words(explorer)) == pytest.approx(distance, abs=0.0015)
    assert number(r"with α = (…) of", words(explorer)) == pytest.approx(alpha, abs=0.006)
    assert number(r"σ = (…) of noise", words(explorer)) == pytest.approx(sigma, abs=0.006)


def test_a_label_is_asked_for_with_guidance_and_none_is_not():
    model = Oracle()
    explorer = editing(model)
    assert {(n, *map(str, (y, w))) for n, _, y, w, *_ in model.asked} == {(8, str([8] * 8), "2.0")}
    assert "label 8 with guidance 2." in words(explorer)
    model.asked.clear()
    set_to(explorer, label="none")
    assert model.asked and all(y is None for _, _, y, *_ in model.asked) and "no label. " in words(explorer)


def test_charts_show_the_usual_strengths_and_those_visited():
    explorer = set_to(editing(Oracle()), strength=0.25, drawing="rough 7", label="3")
    assert re.findall(r"[\d.]+ at ([\d.]+)", told(explorer).split(" | ")[0]) == ["0", "0.25", "0.5", "0.75", "1"]
    set_to(explorer, strength=0.6)
    distances, shares = told(explorer).split(" | ")
    assert re.findall(r"[\d.]+ at ([\d.]+)", distances) == ["0", "0.25", "0.5", "0.6", "0.75", "1"]
    away = np.abs(digits()[3, 0].numpy() / 255 - rasterised(DRAWINGS["rough 7"][1]).numpy()).mean()
    assert [float(v) for v in re.findall(r"([\d.]+) at", distances)] == pytest.approx([0, *[away] * 5], abs=6e-4), "an oracle keeps nothing"
    with torch.no_grad():
        first = digit_network()(rasterised(DRAWINGS["rough 7"][1])[None, None]).argmax().item()
    assert [float(v) for v in re.findall(r"([\d.]+) at", shares)] == [float(first == 3), 1, 1, 1, 1, 1]
    assert "taken for a 3 against" in shares and "8 of 8 are taken for a 3 (8 at strength 1)" in words(explorer)
    set_to(explorer, strength=0.5, noise=1)
    assert "0.6" not in told(explorer).split(" | ")[0], "another noise, other results"


def test_without_a_label_the_drawings_own_digit_counts_or_the_commonest():
    explorer = set_to(editing(), label="none", drawing="rough 4", strength=0.8)
    digits_read = explorer.results(0.8)["digits"]
    assert f"{digits_read.count(4)} of 8 are taken for a 4" in words(explorer)
    set_to(explorer, drawing="scribble")
    digits_read = explorer.results(0.8)["digits"]
    most = max(digits_read.count(d) for d in range(10))
    assert f"{most} of 8 are taken for the commonest digit" in words(explorer)
    with torch.no_grad():
        assert digits_read == digit_network()(explorer.results(0.8)["x"]).argmax(1).tolist()


def test_images_join_the_drawings():
    explorer = set_to(editing(), drawing="image 3", strength=0.0)
    shown = cells(picture(explorer, "the drawing “image 3”")[1], 3)[0]
    assert np.array_equal(shown, digits()[3, 0])
    assert [name for name in explorer.guides if name.startswith("image")] == [f"image {i}" for i in range(5)]
    assert list(EditExplorer(Quick()).guides) == list(DRAWINGS), "they may be left out"


def test_no_edit_is_made_twice(monkeypatch):
    explorer = set_to(editing(), strength=0.3)
    set_to(explorer, strength=0.7)
    monkeypatch.setattr(image_explorers, "edit", None)
    set_to(explorer, strength=0.3)
