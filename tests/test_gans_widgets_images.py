"""The explorers of trained generators, on models so simple that the right picture and the right number are known."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import nn
from views import picture, pictures, told

from course_lib.gans import GAN, Pix2Pix, StyleGAN
from course_lib.plotting.panels import CYCLE
from course_lib.widgets.gans.images import ArithmeticExplorer, ConditionalExplorer, StyleExplorer, TranslationExplorer

SHAPE = (1, 8, 8)
IN_COLOUR = (3, 8, 8)
LATENTS = 6
RED = [int(CYCLE[1][i : i + 2], 16) for i in (1, 3, 5)]


def draw(seed, latents=LATENTS):
    """The z of a seed, (latents,)."""
    return torch.randn(1, latents, generator=torch.Generator().manual_seed(seed))[0].double().numpy()


def shade(z):
    """The pixels 0..255 in which the models here show z."""
    return 255 * (0.5 + 0.04 * np.asarray(z)).clip(0, 1)


class Labelled(nn.Module):
    """The first pixels are z; pixel 8 + y is white. Its first layer is fixed."""

    def __init__(self, latents=LATENTS, classes=4):
        super().__init__()
        self.latents, self.classes, self.calls = latents, classes, []
        self.generator = nn.Module()
        self.generator.layers = nn.Sequential(nn.Linear(latents + classes, 9), nn.ReLU())

    def decode(self, z, y=None):
        self.calls.append((len(z), self.training, torch.is_grad_enabled()))
        images = torch.zeros(len(z), 64)
        images[:, : self.latents] = (0.5 + 0.04 * z).clamp(0, 1)
        if y is not None:
            images[torch.arange(len(z)), 8 + y] = 1
        return images.view(-1, *SHAPE)


class Plain(Labelled):
    """The same without labels."""

    def __init__(self):
        super().__init__(classes=0)


class Rows(StyleGAN):
    """w = z; row i of a picture is what layer i was told, and pixel i of its seventh row that layer's first noise."""

    def __init__(self):
        super().__init__(SHAPE, latents=4, width=2)
        self.calls = []

    def style(self, z, truncation=1.0):
        return truncation * z

    def synthesise(self, w, noise=None):
        self.calls.append((len(w), self.training, torch.is_grad_enabled()))
        w = w[:, None].expand(-1, 6, -1) if w.dim() == 2 else w
        images = torch.zeros(len(w), 8, 8)
        images[:, :6, :4] = 0.5 + 0.04 * w
        images[:, 6, :6] = 0.5 + 0.04 * torch.stack([layer[:, 0, 0, 0] for layer in noise], 1)
        return images[:, None].clamp(0, 1)


class Negative(Pix2Pix):
    """Translates to the negative."""

    def __init__(self, task):
        super().__init__(task, IN_COLOUR, 2)

    def translate(self, given):
        assert not self.training and given.shape[1:] == (1 if self.task == "outline" else 3, 8, 8)
        return 1 - given.expand(-1, 3, -1, -1)


def blobs(n=5):
    """Blobs of any colour."""
    noise = torch.rand(n, *IN_COLOUR, generator=torch.Generator().manual_seed(0)).numpy()
    smooth = ndimage.gaussian_filter(noise, (0, 0, 1, 1))
    low, high = smooth.min((2, 3), keepdims=True), smooth.max((2, 3), keepdims=True)
    return torch.from_numpy((255 * (smooth - low) / (high - low)).astype(np.uint8))


def conditional(**kwargs):
    return ConditionalExplorer(Labelled(**kwargs))


def style():
    return StyleExplorer(Rows())


def read(images):
    """A digit for each picture: its first pixel, in tenths."""
    return (10 * images.flatten(1)[:, 0]).long()


def arithmetic(predict=read):
    return ArithmeticExplorer(Plain(), predict)


def translation(*tasks):
    return TranslationExplorer({task: Negative(task) for task in tasks or ("outline", "superresolution")}, blobs())


def small():
    return translation("superresolution")


# --- several of them at once


@pytest.mark.parametrize(
    "make, control, method",
    [(conditional, "digit", "decode"), (style, "fine", "synthesise"), (arithmetic, "c", "decode"), (translation, "face", "translate")],
)
def test_a_broken_model_is_one_sentence_and_passes(make, control, method):
    explorer = make()
    models = [explorer.model] if hasattr(explorer, "model") else explorer.models.values()
    whole = {}
    for model in models:
        whole[model] = getattr(model, method)
        setattr(model, method, lambda z, *args: torch.zeros(len(z), 5))
    control = getattr(explorer, control)
    control.value = control.max if control.value < control.max else control.min
    assert re.search(r'role="alert".*Explorer could not draw this: .*\(\w+Error\)\.', explorer.view.value)
    for model in models:
        setattr(model, method, whole[model])
    control.value = control.min + 1
    assert 'role="alert"' not in explorer.view.value


@pytest.mark.parametrize("make", [conditional, style, arithmetic])
def test_the_model_runs_in_evaluation_mode_and_stays_in_training(make):
    explorer = make()
    explorer.model.train()
    explorer.model.calls.clear()
    for control in explorer.controls[:3]:
        control.value = control.max
    assert explorer.model.calls
    assert not any(training or grad for _, training, grad in explorer.model.calls)
    assert explorer.model.training


def cells(sheet, n, columns, pad=1):
    """The n pictures that `tile` laid out, 8 × 8 each inside a rim if they have one."""
    side = (sheet.shape[1] + pad) // columns
    found = [sheet[i // columns * side :, i % columns * side :][: side - pad, : side - pad] for i in range(n)]
    return [c[..., 0] if c.ndim == 3 and c.shape[0] == 8 else c for c in found]


def inside(cell):
    """A framed picture without its rim, and whether that rim is red."""
    rim = np.concatenate([cell[0], cell[-1], cell[:, 0], cell[:, -1]])
    red = (rim == RED).all()
    assert red or (rim == 255).all()
    return cell[1:-1, 1:-1, 0], red


# --- labels and directions


def directions(model):
    """By the eigenvectors of WᵀW, in numpy."""
    w = model.generator.layers[0].weight.detach().double().numpy()[:, : model.latents]
    values, vectors = np.linalg.eigh(w.T @ w)
    vectors = vectors[:, np.argsort(values)[::-1]].T
    return vectors * np.sign(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(1)])[:, None]


@pytest.mark.parametrize("seed", [0, 50])
@pytest.mark.parametrize("digit", [0, 3])
@pytest.mark.parametrize("moves", [(0, 0, 0, 0), (3, -1.5, 0, 0.2)])
def test_the_picture_is_the_draw_moved_along_the_directions(seed, digit, moves):
    explorer = conditional()
    explorer.seed.value, explorer.digit.value = seed, digit
    for control, value in zip(explorer.moves, moves):
        control.value = value
    z = draw(seed) + np.array(moves) @ directions(explorer.model)[:4]
    said = ", ".join(f"{v:+.1f} along direction {i + 1}" for i, v in enumerate(moves) if v)
    shown = picture(explorer, f"label {digit} from draw {seed}, {'moved ' + said if said else 'not moved'}")[1]
    assert np.abs(shown.ravel()[:LATENTS] - shade(z)).max() <= 0.51
    assert (np.flatnonzero(shown.ravel()[8:12]) == digit).all()
    before = picture(explorer, f"label {digit} from draw {seed}, before any move")[1]
    assert np.abs(before.ravel()[:LATENTS] - shade(draw(seed))).max() <= 0.51


def test_the_first_layer_of_a_real_model_is_read():
    model = GAN((1, 8, 8), latents=5, width=2, classes=3)
    explorer = ConditionalExplorer(model)
    assert explorer.directions.numpy() == pytest.approx(directions(model)[:4], abs=1e-4)
    model.eval()
    explorer.moves[0].value = 2.0
    z = torch.from_numpy(draw(0, 5) + 2 * directions(model)[0]).float()[None]
    with torch.no_grad():
        expected = 255 * model.decode(z, torch.tensor([2])).numpy().squeeze()
    assert np.abs(picture(explorer, "label 2 from draw 0, moved")[1] - expected).max() <= 0.6


def test_every_label_is_shown_for_the_same_z_and_the_chosen_one_marked():
    explorer = conditional()
    explorer.digit.value, explorer.seed.value, explorer.moves[2].value = 2, 7, 1.0
    z = draw(7) + directions(explorer.model)[2]
    for label, cell in enumerate(cells(picture(explorer, "labels 0 to 3 from the same z")[1], 4, 2)):
        image, red = inside(cell)
        assert red == (label == 2)
        assert np.abs(image.ravel()[:LATENTS] - shade(z)).max() <= 0.51
        assert np.flatnonzero(image.ravel()[8:12]).tolist() == [label]


def test_the_traversal_follows_the_slider_that_moved():
    explorer = conditional()
    assert "direction 1 from −3 to 3" in explorer.view.value
    explorer.moves[0].value, explorer.moves[2].value = 1.0, -2.0
    z = draw(0) + directions(explorer.model)[0]
    sheet = picture(explorer, "label 3, 7 pictures as direction 3 goes from −3 to 3, draw 0")[1]
    for step, image in zip(range(-3, 4), cells(sheet, 7, 7)):
        assert np.abs(image.ravel()[:LATENTS] - shade(z + step * directions(explorer.model)[2])).max() <= 0.51
    explorer.moves[1].value = 1e-3  # the browser rounding a value
    assert "direction 3 from −3 to 3" in explorer.view.value


def test_the_moves_go_back_and_draw_once(monkeypatch):
    explorer = conditional()
    explorer.moves[3].value = 1.0
    drawn = []
    monkeypatch.setattr(explorer, "_show", lambda: drawn.append(1))
    explorer.moves[1].value = 2.0
    explorer.reset.click()
    assert drawn == [1, 1]
    assert [c.value for c in explorer.moves] == [0, 0, 0, 0]
    assert explorer.moved == 1


def test_a_picture_is_not_decoded_twice():
    explorer = conditional()
    explorer.model.calls.clear()
    explorer.digit.value = 0
    assert sorted(n for n, *_ in explorer.model.calls) == [1, 7], "the labels stay as they are"
    explorer.model.calls.clear()
    explorer.moves[0].value = 1.0
    assert sorted(n for n, *_ in explorer.model.calls) == [4, 7]


def test_few_latents_have_few_directions():
    assert len(conditional(latents=2).moves) == 2


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: ConditionalExplorer(Plain()), "needs a GAN with labels, such as the checkpoint “cgan”; Plain has none"),
        (lambda: StyleExplorer(Plain()), "mixes styles and needs a gans.StyleGAN; Plain has none"),
        (lambda: ArithmeticExplorer(Labelled()), "a model without labels, and this one has 4; try ConditionalExplorer"),
        (lambda: TranslationExplorer({}, blobs()), "one or more of outline, superresolution, not nothing"),
        (lambda: TranslationExplorer({"colour": None}, blobs()), "one or more of outline, superresolution, not colour"),
        (lambda: TranslationExplorer({"outline": Negative("outline")}, blobs()[..., :4]), r"\(3, 8, 8\), but x has \(3, 8, 4\)"),
        (lambda: TranslationExplorer({"outline": Negative("outline")}, blobs()[0]), "x must be .* with n above 0, got shape"),
        (lambda: TranslationExplorer({"outline": Negative("outline")}, blobs()[:, :1]), "x must have three channels, not 1"),
    ],
)
def test_what_does_not_fit_is_named(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


# --- styles


def first_noise(seed):
    """The first number of each layer's noise."""
    generator = torch.Generator().manual_seed(seed)
    return [float(torch.randn(1, 1, side, side, generator=generator).flatten()[0]) for side in (2, 2, 4, 4, 8, 8)]


def styled(styles, seed):
    """The picture of Rows: a z for each layer, and the seed of its noise."""
    image = np.zeros((8, 8))
    image[:6, :4] = shade(np.stack(styles))
    image[6, :6] = shade(first_noise(seed))
    return image


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("psi", [0.0, 0.7, 1.5])
def test_the_fine_style_takes_over_at_the_layer(same, psi):
    explorer = style()
    explorer.coarse.value, explorer.fine.value, explorer.truncation.value, explorer.same.value = 3, 9, psi, same
    coarse, fine = psi * draw(3, 4), psi * draw(9, 4)
    for layer in range(7):
        explorer.layer.value = layer
        at = f"truncation {psi:.2f}"
        shown = picture(explorer, f"draw 3 before layer {layer}, draw 9 from there on, {at}")[1]
        expected = styled([coarse if i < layer else fine for i in range(6)], 0 if same else layer)
        assert np.abs(shown - expected).max() <= 0.51
        sheet = picture(explorer, f"the mixture at layers 0 to 6, {at}; layer {layer} marked")[1]
        for i, cell in enumerate(cells(sheet, 7, 7)):
            image, red = inside(cell)
            assert red == (i == layer)
            assert np.abs(image - styled([coarse if j < i else fine for j in range(6)], 0 if same else i)).max() <= 0.51
    assert np.abs(picture(explorer, "the style of draw 3 in every layer")[1] - styled([coarse] * 6, 0 if same else 6)).max() <= 0.51
    assert np.abs(picture(explorer, "the style of draw 9 in every layer")[1] - styled([fine] * 6, 0)).max() <= 0.51
    assert ("Every picture has the same noise." in explorer.view.value) == same


@pytest.mark.parametrize("psi, marked", [(0.0, 0), (0.35, 1), (1.0, 4), (1.5, 6)])
def test_truncation_scales_the_coarse_style(psi, marked):
    explorer = style()
    explorer.coarse.value, explorer.truncation.value = 4, psi
    sheet = picture(explorer, f"draw 4 at truncation 0 to 1.5; {marked / 4:g}, the nearest, marked")[1]
    for i, cell in enumerate(cells(sheet, 7, 7)):
        image, red = inside(cell)
        assert red == (i == marked)
        assert np.abs(image - styled([i / 4 * draw(4, 4)] * 6, 0)).max() <= 0.51


def test_the_layer_needs_no_network_and_the_fine_style_half_of_one():
    explorer = style()
    explorer.model.calls.clear()
    explorer.layer.value = 5
    assert explorer.model.calls == []
    explorer.fine.value = 5
    assert [n for n, *_ in explorer.model.calls] == [7]


def test_the_pixels_of_the_layers_are_named():
    assert "Layers by their pixels: 0 and 1 at 2 × 2, 2 and 3 at 4 × 4, 4 and 5 at 8 × 8." in style().view.value


def test_a_real_stylegan_is_mixed():
    model = StyleGAN(SHAPE, latents=4, width=2)
    with torch.no_grad():
        for conv in model.convs:
            conv.noise.fill_(0.3)
            conv.style.weight.mul_(10)  # so that styles are seen
    explorer = StyleExplorer(model)
    explorer.layer.value = 3
    with torch.no_grad():
        w = [model.style(torch.from_numpy(draw(seed, 4)).float()[None]) for seed in (0, 1)]
        expected = 255 * model.synthesise(torch.stack([w[0][0]] * 3 + [w[1][0]] * 3)[None], model.fixed_noise(1)).numpy().squeeze()
    assert expected.std() > 1
    assert np.abs(picture(explorer, "draw 0 before layer 3, draw 1 from there on")[1] - expected).max() <= 0.6


# --- arithmetic


def arc(a, b, t):
    angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


def line(a, b, t):
    return (1 - t) * a + t * b


@pytest.mark.parametrize("way, between", [("lerp", line), ("slerp", arc)])
@pytest.mark.parametrize("t, marked", [(0.0, 0), (0.28, 3), (1.0, 10)])
def test_the_path_goes_from_a_to_b(way, between, t, marked):
    explorer = arithmetic()
    explorer.a.value, explorer.b.value, explorer.t.value, explorer.way.value = 5, 8, t, way
    a, b = draw(5), draw(8)
    alt, sheet = picture(explorer, f"11 pictures from a (draw 5) to b (draw 8) by {way}, the one at t = {marked / 10:.1f} marked")
    path = [between(a, b, s) for s in np.linspace(0, 1, 11)]
    for i, cell in enumerate(cells(sheet, 11, 11)):
        image, red = inside(cell)
        assert red == (i == marked)
        assert np.abs(image.ravel()[:LATENTS] - shade(path[i])).max() <= 0.51
    assert [int(v) for v in re.findall(r"“(\d)”", alt)] == [int(10 * shade(z)[0] / 255) for z in path]
    here = between(a, b, t)
    alt, large = picture(explorer, f"the picture at t = {t:.2f} from a (draw 5) to b (draw 8)")
    assert alt.endswith(f"read as “{int(10 * shade(here)[0] / 255)}”")
    assert np.abs(large.ravel()[:LATENTS] - shade(here)).max() <= 0.51
    lengths = [np.linalg.norm(v) for v in (a, b, here)]
    assert f"{lengths[0]:.2f} at a, {lengths[1]:.2f} at b, {lengths[2]:.2f} at t = {t:.2f}, about {np.sqrt(LATENTS):.2f}" in told(explorer)


def test_the_chart_draws_the_lengths_on_both_ways():
    explorer = arithmetic()
    explorer.a.value, explorer.b.value, explorer.t.value = 5, 8, 0.3
    chart = explorer.panels()[1][1]
    axis = np.linspace(0, 1, 41)
    for drawn, between in zip(chart.lines, (line, arc)):
        assert list(drawn.y) == pytest.approx([np.linalg.norm(between(draw(5), draw(8), s)) for s in axis], rel=1e-4)
    (mark,) = chart.marks
    assert (mark.x, mark.y) == (0.3, pytest.approx(np.linalg.norm(line(draw(5), draw(8), 0.3)), rel=1e-4))


def test_a_minus_b_plus_c():
    explorer = arithmetic()
    explorer.a.value, explorer.b.value, explorer.c.value = 4, 9, 2
    far = draw(4) - draw(9) + draw(2)
    near = far / np.linalg.norm(far) * np.sqrt(LATENTS)
    alt, sheet = picture(explorer, "draws a = 4, b = 9, c = 2")
    for z, image in zip((draw(4), draw(9), draw(2), far, near), cells(sheet, 5, 5)):
        assert np.abs(image.ravel()[:LATENTS] - shade(z)).max() <= 0.51
    assert f"a − b + c of length {np.linalg.norm(far):.1f}, read as “{int(10 * shade(far)[0] / 255)}”" in alt
    assert f"rescaled of length {np.sqrt(LATENTS):.1f}, read as “{int(10 * shade(near)[0] / 255)}”" in alt
    assert f"Length of z: {np.linalg.norm(far):.1f} for a − b + c" in explorer.view.value
    assert "a draw has about √6 = 2.4" in explorer.view.value


def test_without_a_reader_nothing_is_read():
    explorer = arithmetic(None)
    assert "read" not in explorer.view.value and "“0”" not in explorer.view.value


def test_moving_c_leaves_the_path():
    explorer = arithmetic()
    explorer.model.calls.clear()
    explorer.c.value = 9
    assert [n for n, *_ in explorer.model.calls] == [5]
    explorer.model.calls.clear()
    explorer.t.value = 0.9
    assert [n for n, *_ in explorer.model.calls] == [1]


# --- translation


def blob(face):
    """The original, (8, 8, 3) of 255."""
    return blobs()[face - 1].permute(1, 2, 0).numpy()


def outlined(image):
    """Where one of the four neighbours is lighter by more than 0.05, pixel by pixel, (8, 8)."""
    grey = image.mean(2) / 255
    found = np.zeros(grey.shape, bool)
    for y, x in np.ndindex(grey.shape):
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            found[y, x] |= 0 <= v < 8 and 0 <= u < 8 and grey[v, u] - grey[y, x] > 0.05
    return found


def shrunk(image):
    return image.astype(float).reshape(4, 2, 4, 2, 3).mean((1, 3)) / 255


def cubic(image, factor=2, a=-0.75):
    """Bicubic enlargement with the border repeated, one pixel at a time."""

    def weight(d):
        d = abs(d)
        return (a + 2) * d**3 - (a + 3) * d**2 + 1 if d <= 1 else a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0

    h, w, channels = image.shape
    large = np.zeros((h * factor, w * factor, channels))
    for y, x in np.ndindex(large.shape[:2]):
        v, u = (y + 0.5) / factor - 0.5, (x + 0.5) / factor - 0.5
        for j in range(int(np.floor(v)) - 1, int(np.floor(v)) + 3):
            for i in range(int(np.floor(u)) - 1, int(np.floor(u)) + 3):
                large[y, x] += weight(v - j) * weight(u - i) * image[np.clip(j, 0, h - 1), np.clip(i, 0, w - 1)]
    return large.clip(0, 1)


def test_the_contour_of_the_blobs_is_part_of_them():
    assert all(0 < outlined(blob(face)).sum() < 64 for face in (1, 4))


@pytest.mark.parametrize("face", [1, 4])
def test_the_outline_its_translation_and_the_original(face):
    explorer = translation("outline")
    explorer.face.value = face
    given = outlined(blob(face))
    assert np.array_equal(picture(explorer, f"the outline of face {face}, no pixel edited")[1], 255 * given)
    error = np.abs(1 - given[..., None] - blob(face) / 255).mean()
    made = picture(explorer, f"what pix2pix makes of it; error {error:.3f}")[1]
    assert made.shape == (8, 8, 3) and (made == 255 - 255 * given[..., None]).all()
    assert np.array_equal(picture(explorer, f"face {face}, the original")[1], blob(face))
    under = "white" if given[3, 3] else "black"
    assert f"Mean absolute error a pixel: translation {error:.3f}. Cursor at row 4, column 4, {under}." in explorer.view.value
    assert "bicubic" not in explorer.view.value


@pytest.mark.parametrize("face", [1, 4])
def test_the_small_picture_is_enlarged_in_three_ways(face):
    explorer = small()
    explorer.face.value = face
    original = blob(face) / 255
    given = shrunk(blob(face))
    nearest, smooth = np.kron(given, np.ones((2, 2, 1))), cubic(given)
    expected = {"nearest": nearest, "bicubic": smooth, "translation": 1 - nearest}
    error = {name: np.abs(image - original).mean() for name, image in expected.items()}
    assert np.abs(picture(explorer, f"the small picture of face {face}")[1] - 255 * nearest).max() <= 0.51
    assert np.abs(picture(explorer, "enlarged smoothly")[1] - 255 * smooth).max() <= 0.51
    assert np.abs(picture(explorer, "what pix2pix makes of it")[1] - 255 * (1 - nearest)).max() <= 0.51
    assert "mean absolute error a pixel: " + ", ".join(f"{name} {v:.3f}" for name, v in error.items()) in told(explorer)
    chart = explorer.panels()[1][1]
    assert [float(bar.height[0]) for bar in chart.bars] == pytest.approx(list(error.values()), abs=1e-6)
    assert list(chart.x_ticks.values()) == list(error)


def test_a_click_turns_a_pixel_and_the_translation_follows():
    explorer = translation("outline")
    given = outlined(blob(1))
    i = 2 * 8 + 5
    explorer.pixels["outline"][i].click()
    given[2, 5] = ~given[2, 5]
    assert np.array_equal(picture(explorer, "the outline of face 1, 1 pixel edited")[1], 255 * given)
    assert (picture(explorer, "what pix2pix makes of it")[1] == 255 - 255 * given[..., None]).all()
    under = "white" if given[2, 5] else "black"
    assert f"Cursor at row 3, column 6, {under}. 1 pixel edited, so the original is not" in explorer.view.value
    assert explorer.settings().endswith("row = 3, column = 6, pixels edited = 1")
    explorer.pixels["outline"][i].click()
    assert "No pixel edited." in explorer.view.value, "a second click turns it back"


PAINTS = ["28150a", "bd1700", "009bbd", "91cb15", "ffdbac"]  # black, red, blue, green hair, and skin


@pytest.mark.parametrize(("colour", "seen"), [("ffffff", PAINTS + PAINTS[:1]), ("bd1700", PAINTS[2:]), ("ffdbac", PAINTS[:2])])
def test_a_click_goes_to_the_next_colour(colour, seen):
    explorer = small()
    explorer.given[0, :, 1, 0] = torch.tensor(list(bytes.fromhex(colour))) / 255
    for expected in seen:
        explorer.pixels["superresolution"][4].click()
        assert f"Cursor at row 2, column 1, colour #{expected}." in explorer.view.value
        shown = picture(explorer, "the small picture of face 1")[1]
        assert (shown[2:4, :2] == list(bytes.fromhex(expected))).all()


def test_the_keyboard_does_what_a_click_does():
    clicked, typed = translation("outline"), translation("outline")
    clicked.pixels["outline"][5 * 8 + 1].click()
    typed.row.value, typed.column.value = 6, 2
    typed.turn.click()
    assert typed.view.value == clicked.view.value
    assert typed.paper.value == clicked.paper.value


def test_undo_takes_back_one_click_after_the_other():
    explorer = small()
    start, seen = explorer.view.value, []
    for i in (3, 0, 0):
        explorer.pixels["superresolution"][i].click()
        seen.append(explorer.given.clone())
    for before in (seen[1], seen[0]):
        explorer.undo.click()
        assert torch.equal(explorer.given, before)
    assert (explorer.row.value, explorer.column.value) == (1, 1), "the cursor goes where something changed"
    explorer.undo.click()
    assert explorer.edited == 0
    explorer.undo.click()  # nothing is left to take back
    explorer.row.value, explorer.column.value = 2, 2
    assert explorer.view.value == start


@pytest.mark.parametrize("away", [lambda e: e.reset.click(), lambda e: setattr(e.face, "value", 2)])
def test_reset_and_another_face_forget_the_edits(away):
    explorer = translation("outline")
    for i in (3, 9, 60):
        explorer.pixels["outline"][i].click()
    assert explorer.edited == 3
    away(explorer)
    assert explorer.edited == 0
    expected = 255 * outlined(blob(explorer.face.value))
    assert np.array_equal(picture(explorer, "no pixel edited")[1], expected)
    explorer.undo.click()
    assert explorer.edited == 0, "what is forgotten cannot be undone"


def test_another_task_has_its_own_pixels():
    explorer = translation()
    shown = {task: grid.layout.display for task, grid in explorer.grids.items()}
    assert shown == {"outline": None, "superresolution": "none"}
    assert (explorer.row.max, explorer.column.max) == (8, 8)
    explorer.row.value = 8
    explorer.task.value = "superresolution"
    shown = {task: grid.layout.display for task, grid in explorer.grids.items()}
    assert shown == {"outline": "none", "superresolution": None}
    assert (explorer.row.value, explorer.row.max, explorer.column.max) == (2, 4, 4)
    assert [len(explorer.pixels[task]) for task in ("outline", "superresolution")] == [64, 16]
    explorer.task.value = "outline"
    assert (explorer.row.value, explorer.row.max) == (4, 8)


def test_the_buttons_are_light_and_lie_on_the_picture():
    explorer = translation("outline")
    buttons = explorer.pixels["outline"]
    assert len({id(b.layout) for b in buttons}) == len({id(b.style) for b in buttons}) == 1
    assert [b.description for b in (buttons[0], buttons[9], buttons[63])] == ["row 1, column 1", "row 2, column 2", "row 8, column 8"]
    assert buttons[0].style.button_color == "transparent"
    side = int(buttons[0].layout.width.removesuffix("px"))
    assert explorer.grids["outline"].layout.grid_area == explorer.paper.layout.grid_area
    width, alt = re.search(r'alt="([^"]*)" width="(\d+)"', explorer.paper.value).group(2, 1)
    assert int(width) == 8 * side
    assert (
        alt == f"the given picture, 8 × 8 pixels to click on, cursor at row 4, column 4, {'white' if outlined(blob(1))[3, 3] else 'black'}"
    )


def test_the_page_shows_the_given_pixels_and_the_cursor():
    explorer = translation("outline")
    explorer.row.value, explorer.column.value = 2, 7
    page = np.asarray(Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", explorer.paper.value)[1]))))
    given, side = outlined(blob(1)), 280 // 8
    for y, x in np.ndindex(8, 8):
        cell = page[side * y : side * (y + 1), side * x : side * (x + 1)]
        assert (cell[side // 2, side // 2] == 255 * given[y, x]).all()
        assert (cell[1, side // 2] == RED).all() == ((y, x) == (1, 6))


def test_a_face_that_cannot_be_given_is_one_sentence(monkeypatch):
    explorer = translation("outline")

    def fail(x):
        raise RuntimeError("no outline today")

    monkeypatch.setattr(explorer.models["outline"], "given", fail)
    explorer.face.value = 3
    assert "TranslationExplorer could not draw this: no outline today (RuntimeError)." in explorer.view.value


def test_every_picture_of_the_translation_is_there():
    assert len(pictures(translation("outline"))) == 3
    assert len(pictures(small())) == 4


def test_a_move_draws_once(monkeypatch):
    explorer = translation()
    drawn = []
    monkeypatch.setattr(explorer, "_show", lambda: drawn.append(explorer.given.shape[2]))
    explorer.face.value = 3
    explorer.pixels["outline"][50].click()
    explorer.task.value = "superresolution"
    explorer.undo.click()
    assert drawn == [8, 8, 4], "and never a task with the pixels of the other"
