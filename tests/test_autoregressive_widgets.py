"""The explorers of autoregressive models, against numbers that are computed here in another way."""

import math
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy import special, stats
from views import cells, number, picture, set_to, shaken, told, words

from course_lib.autoregressive import CausalConv1d, CharLSTM, GatedPixelCNN, PixelCNN, WaveNet, sample_naive
from course_lib.datasets import Text, faces
from course_lib.widgets.autoregressive import (
    ClassExplorer,
    ColourExplorer,
    CompletionExplorer,
    DilationExplorer,
    DrawingExplorer,
    NextCharacterExplorer,
    NextPixelExplorer,
    ReceptiveFieldExplorer,
    row_lstm_figure,
)
from course_lib.widgets.autoregressive import colours as colour_explorers
from course_lib.widgets.autoregressive import images as image_explorers
from course_lib.widgets.autoregressive.colours import hidden_part, words_seen
from course_lib.widgets.autoregressive.structure import BLIND, DEEP, FUTURE, NOT_YET, OUTPUT, SEEN, SIDE, sees
from course_lib.widgets.pixels import UNDRAWN

ALPHABET = "\n abcdefghij"


def pixel_model(output="bernoulli", levels=2, classes=0, seed=0):
    torch.manual_seed(seed)
    return shaken(GatedPixelCNN((1, 8, 8), 6, (1, 2), output=output, levels=levels, classes=classes), 0.4, seed)


def digits(levels=2, n=3):
    return torch.randint(0, levels, (n, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


def drawing():
    return DrawingExplorer(pixel_model(), 3)


def people(n=3):
    return faces.random_factors(n, seed=4)


def face_model():
    torch.manual_seed(1)
    return shaken(GatedPixelCNN((3, 16, 16), 4, (1, 2), classes=faces.KINDS), 0.3, 1)


def colours():
    return ColourExplorer(face_model(), people())


def completion():
    return CompletionExplorer(face_model(), people())


def draw_when_moved(explorer):
    """Parts of faces are drawn when it is told to: tell it whenever a control moves."""
    for control in (explorer.face, explorer.share, explorer.temperature, explorer.told):
        control.observe(lambda _change: explorer.press.click(), "value")


def grey():
    return NextPixelExplorer(pixel_model("categorical", 16), digits(16))


def lstm():
    torch.manual_seed(2)
    return shaken(CharLSTM(len(ALPHABET), 8), 0.5)


def characters(prompt="a bad"):
    return NextCharacterExplorer(lstm(), ALPHABET, prompt)


def classes():
    return ClassExplorer(pixel_model(classes=10))


def pixels_of(sheet, k, side=8):
    """The colours (side, side, 3) in the middle of each large pixel of the k-th picture of a sheet."""
    size = sheet.shape[0]
    scale = (size - 4) // side
    one = sheet[:, k * (size + 1) :][:, :size]
    return one[2:-2, 2:-2][scale // 2 :: scale, scale // 2 :: scale]


def random_numbers(n, seed, size=64):
    return torch.rand(n, size, generator=torch.Generator().manual_seed(seed))


# --- several of them at once


def test_no_explorer_uses_up_the_random_numbers_of_a_lecture():
    plain, levels, labels, text = pixel_model(), pixel_model("categorical", 16), pixel_model(classes=10), lstm()
    told, y = face_model(), people()
    sees.cache_clear()
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    for explorer in (
        DrawingExplorer(plain),
        ReceptiveFieldExplorer(),
        CompletionExplorer(told, y),
        ColourExplorer(told, y),
        NextPixelExplorer(levels, digits(16)),
        NextCharacterExplorer(text, ALPHABET),
        DilationExplorer(),
        ClassExplorer(labels),
    ):
        explorer.static()
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    "make, moved",
    [
        (drawing, {"pixels": 8}),
        (completion, {"face": 1}),
        (colours, {"row": 2}),
        (grey, {"image": 1}),
        (characters, {"prompt": "abba"}),
        (classes, {"digit": 1}),
    ],
)
def test_a_model_in_training_stays_so(make, moved):
    explorer = make()
    explorer.model.train()
    set_to(explorer, **moved)
    assert explorer.model.training


# --- one pixel after the other


def test_the_digits_are_those_that_the_naive_way_draws():
    explorer = drawing()
    assert torch.equal(explorer.images, sample_naive(pixel_model(), 6, uniforms=random_numbers(6, 3)))
    assert not torch.equal(DrawingExplorer(pixel_model(), 4).images, explorer.images)


@pytest.mark.parametrize("t", [0, 20, 37, 64])
def test_the_drawing_shows_what_is_drawn_and_no_more(t):
    explorer = set_to(drawing(), pixels=t, digit=2)
    alt, sheet = picture(explorer, f"digit 2 with {t} of 64 pixels drawn")
    colours = pixels_of(sheet, 0).reshape(64, 3)
    expected = explorer.images[2].flatten()
    assert (colours[:t] == 255 * expected[:t, None].numpy()).all()
    assert (colours[t:] == UNDRAWN).all()


@pytest.mark.parametrize("t", [0, 20, 37])
def test_the_map_is_that_of_one_pass_and_right_up_to_the_next_pixel(t):
    explorer = set_to(drawing(), pixels=t, digit=1)
    model, whole = pixel_model(), explorer.images[1:2]
    blank = torch.where(torch.arange(64).view(1, 1, 8, 8) < t, whole, 0)
    with torch.no_grad():
        expected, exact = (model.logits(x)[0, 0, 0].sigmoid().numpy().ravel() for x in (blank, whole))
    found = explorer.map().ravel()
    assert np.allclose(found, expected, atol=1e-5)
    assert np.allclose(found[: t + 1], exact[: t + 1], atol=1e-5), "what is not drawn yet is not used"
    assert not np.allclose(found[t + 1 :], exact[t + 1 :], atol=1e-2)
    _, sheet = picture(explorer, "p(white); orange")
    shown = pixels_of(sheet, 1).reshape(64, 3).astype(float)
    assert np.abs(shown[:t] - 255 * exact[:t, None]).max(initial=0) <= 1
    assert (shown[t:, 0] >= shown[t:, 2]).all() and (shown[t:, 0] > shown[t:, 2]).any(), "orange"


def test_the_next_pixel_is_framed():
    explorer = set_to(drawing(), pixels=20)
    _, sheet = picture(explorer, "20 of 64 pixels drawn")
    orange = (sheet == image_explorers.NEXT).all(2)
    row, column, scale = 2, 4, 28
    assert orange[row * scale + 1, column * scale + 10] and orange[(row + 1) * scale + 3, column * scale + 10]
    assert orange[row * scale + 10, column * scale + 1] and orange[row * scale + 10, (column + 1) * scale + 3]
    assert orange.sum() == 2 * (32**2 - 28**2), "once in each picture"
    explorer.pixels.value = 64
    _, sheet = picture(explorer, "64 of 64 pixels drawn")
    assert not (sheet == image_explorers.NEXT).all(2).any()


@pytest.mark.parametrize("output, levels", [("bernoulli", 2), ("categorical", 16)])
def test_costs_are_counted(output, levels):
    model = pixel_model(output, levels)
    explorer = set_to(DrawingExplorer(model, 0), pixels=20)
    counted = []

    def count(module, inputs, out):
        counted.append(out[0, 0].numel() * module.out_channels * module.in_channels * math.prod(module.kernel_size))

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    with torch.no_grad():
        model.logits(digits(levels)[:1])
    for hook in hooks:
        hook.remove()
    each = sum(counted) // 64
    text = words(explorer)
    assert "Naive: 20 passes over 64 pixels = 1,280 pixel evaluations; cached: 20." in text
    assert f"One evaluation is {each:,} multiply-adds, so {1280 * each / 1e6:.3g} million against {20 * each:,}." in text
    assert "after 20 pixels naive 1,280, cached 20" in told(explorer)
    set_to(explorer, pixels=64)
    assert "Naive: 64 passes over 64 pixels = 4,096 pixel evaluations; cached: 64." in words(explorer)


def test_words_say_how_the_next_pixel_comes_about():
    explorer, model = drawing(), pixel_model()
    u = random_numbers(6, 3)
    for digit, t in ((0, 0), (3, 20), (3, 22), (5, 62)):
        set_to(explorer, digit=digit, pixels=t)
        with torch.no_grad():
            p = model.logits(explorer.images[digit : digit + 1])[0, 0, 0].sigmoid().flatten()[t].item()
        colour, sign = ("white", "<") if u[digit, t] < p else ("black", "≥")
        text = words(explorer)
        assert (
            f"Next: row {t // 8}, column {t % 8}. p(white) = {p:.3f}, the uniform u = {u[digit, t]:.3f} {sign} p, so it becomes {colour}."
            in text
        )
        assert explorer.images[digit].flatten()[t] == (colour == "white")


def test_words_sum_up_the_log_likelihood():
    explorer, model = set_to(drawing(), digit=4, pixels=64), pixel_model()
    with torch.no_grad():
        nats = -model.log_prob_map(explorer.images[4:5]).flatten()
        whole = -model.log_prob(explorer.images[4:5]).item()
    assert number(r"So far -log p = (…) nats", words(explorer)) == pytest.approx(whole, abs=0.06)
    assert "The digit is finished: the sum over all pixels is -log p(x)." in words(explorer)
    set_to(explorer, pixels=30)
    assert number(r"So far -log p = (…) nats", words(explorer)) == pytest.approx(nats[:30].sum().item(), abs=0.06)
    set_to(explorer, beside="surprise")
    _, sheet = picture(explorer, f"surprise, up to {nats.max():.1f} nats")
    shown = pixels_of(sheet, 1).reshape(64, 3)
    assert (shown[30:] == UNDRAWN).all()
    reddest = np.argmin(shown[:30, 2])
    assert reddest == nats[:30].argmax()


def test_the_finished_digit_may_stand_beside_it():
    explorer = set_to(drawing(), pixels=10, beside="finished digit", digit=1)
    _, sheet = picture(explorer, "the finished digit")
    assert (pixels_of(sheet, 1)[..., 0] == 255 * explorer.images[1, 0].numpy()).all()


def test_nothing_is_computed_twice(monkeypatch):
    explorer = set_to(drawing(), pixels=10)
    set_to(explorer, pixels=12)
    monkeypatch.setattr(GatedPixelCNN, "logits", None)
    monkeypatch.setattr(image_explorers, "sample_cached", None)
    set_to(explorer, pixels=10)


@pytest.mark.parametrize(
    "model, sentence",
    [
        (PixelCNN((1, 8, 8), 4, 1), "must be a GatedPixelCNN of one colour"),
        (GatedPixelCNN((3, 4, 4), 4, (1,)), "of one colour"),
        (GatedPixelCNN((1, 4, 4), 4, (1,), output="logistic"), "bernoulli or categorical"),
        (GatedPixelCNN((1, 4, 4), 4, (1,), classes=10), "was built with 10 classes and needs labels"),
    ],
)
def test_what_cannot_be_drawn_is_refused(model, sentence):
    with pytest.raises(ValueError, match=sentence):
        DrawingExplorer(model)


# --- what a network sees


def reach(model, layers, first, kernel, row, column):
    """The pixels that (row, column) depends on, by following the taps of each layer back from the output."""
    half = kernel // 2
    inside = lambda places: {(i, j) for i, j in places if 0 <= i < SIDE and 0 <= j < SIDE}  # noqa: E731
    up = [(a, b) for a in range(-half, 0) for b in range(-half, half + 1)]
    left = [(0, b) for b in range(-half, 0)]

    def back(places, taps):
        return inside((i + a, j + b) for i, j in places for a, b in taps)

    if model == "PixelCNN":
        places = {(row, column)}
        for kind in [*"B" * (layers - 1), first]:
            places = back(places, up + left + ([(0, 0)] if kind == "B" else []))
        return places
    if model == "gated PixelCNN":
        h, v = {(row, column)}, set()
        above = [(-a, b) for a in range(half + 1) for b in range(-half, half + 1)]
        for _ in range(layers):
            v = back(v | h, above)  # the vertical stack speaks to the horizontal one of the same layer
            h = back(h, [(0, -b) for b in range(half + 1)])
        ends = [(0, -2), (0, -1)] if first == "A" else [(0, -1), (0, 0)]
        # a shift puts nothing on the first row and column, and what is shifted out of the picture is lost: no tap leads there
        return back(h, ends) | back(v, [(-a, b) for a in (1, 2) for b in (-1, 0, 1)])
    places = {(row, column)}
    for _ in range(layers):
        states = set(places)
        for i in range(row, 0, -1):
            states |= inside((i - 1, j + b) for r, j in states if r == i for b in (-1, 0, 1))
        places = back(states, [(0, 0), (0, -1)])
    return back(places, up + left + ([(0, 0)] if first == "B" else []))


def as_grid(places):
    grid = np.zeros((SIDE, SIDE), dtype=bool)
    for place in places:
        grid[place] = True
    return grid


MODELS = ["PixelCNN", "gated PixelCNN", "row LSTM"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("layers, first, kernel", [(1, "A", 3), (1, "B", 5), (3, "A", 3), (2, "B", 3), (8, "A", 3), (4, "A", 5)])
def test_gradients_see_what_the_taps_reach(model, layers, first, kernel):
    found = sees(model, layers, first, kernel)
    for place in ((8, 6), (0, 0), (0, 9), (14, 14), (5, 0), (9, 13)):
        assert np.array_equal(found[place], as_grid(reach(model, layers, first, kernel, *place))), place


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "layers, first, kernel, row, column", [(3, "A", 3, 8, 6), (1, "A", 5, 11, 2), (8, "A", 3, 4, 12), (2, "B", 3, 0, 0)]
)
def test_words_and_picture_count_what_the_output_sees(model, layers, first, kernel, row, column):
    explorer = set_to(ReceptiveFieldExplorer(), model=model, layers=layers, first_mask=first, kernel=kernel, row=row, column=column)
    earlier = 15 * row + column
    now = reach(model, layers, first, kernel, row, column) - {(row, column)}
    ever = reach(model, 40, first, kernel, row, column) - {(row, column)}
    text = words(explorer)
    assert number("sees (…) of", text) == len(now) and number("of (…) earlier pixels", text) == earlier
    blind = earlier - len(ever)
    assert "There is no blind spot." in text if not blind else number(r"\. (…) lies? in the blind spot whatever the depth", text) == blind
    later = len(ever) - len(now)
    assert number(r"\. (…) more comes? into sight", text) == later if later else "into sight" not in text
    assert ("Mask B in the first layer is the mistake" in text) == (first == "B") == ("it sees itself" in told(explorer))
    alt = f"sees {len(now)} earlier pixels, {later} more with more layers, never {blind}; {224 - earlier} come later"
    assert alt in told(explorer)
    kinds, itself = explorer.kinds()
    assert itself == (first == "B") and kinds[row, column] == OUTPUT
    assert [(kinds == kind).sum() for kind in (SEEN, NOT_YET, BLIND, FUTURE)] == [len(now), later, blind, 224 - earlier]
    assert (kinds.ravel()[earlier + 1 :] == FUTURE).all() and not (kinds.ravel()[:earlier] == FUTURE).any()


def test_depth_cures_no_blind_spot_but_the_gated_stacks_have_none():
    explorer = ReceptiveFieldExplorer()
    blind = {}
    for model in MODELS:
        for layers in (1, 4, 8):
            set_to(explorer, model=model, layers=layers)
            blind.setdefault(model, set()).add(int((explorer.kinds()[0] == BLIND).sum()))
    assert blind["gated PixelCNN"] == {0}
    assert len(blind["PixelCNN"]) == len(blind["row LSTM"]) == 1 and min(*blind["PixelCNN"], *blind["row LSTM"]) > 20


def test_the_gated_stacks_see_all_before_every_output_and_nothing_behind():
    flat = sees("gated PixelCNN", DEEP, "A", 3).reshape(225, 225)
    assert np.array_equal(flat, np.tri(225, k=-1, dtype=bool))


def test_the_kernels_are_shown():
    explorer = set_to(ReceptiveFieldExplorer(), model="PixelCNN", kernel=3, first_mask="A")
    assert "first layer: mask A: rows 111, 100, 000; layers behind: mask B: rows 111, 110, 000" in told(explorer)
    set_to(explorer, first_mask="B", kernel=5)
    assert "first layer: mask B: rows 11111, 11111, 11100, 00000, 00000; layers behind: mask B" in told(explorer)
    set_to(explorer, model="gated PixelCNN", kernel=3)
    assert "vertical; input shifted down: rows 111, 111, 000; horizontal; not shifted right: rows 000, 110, 000" in told(explorer)
    set_to(explorer, model="row LSTM", first_mask="A")
    assert "LSTM: state above, left: rows 111, 110, 000" in told(explorer)


def test_the_drawing_of_the_row_lstm_names_every_part_of_its_formula():
    row_lstm_figure()
    texts = " ".join(text.get_text() for axes in plt.gcf().axes for text in axes.texts)
    for part in ("c_{old}", "h_{old}", "f$", r"i\odot g", r"o\odot\tanh", "$c$", "$h$", "$x$"):
        assert part in texts
    plt.close("all")


def test_moving_the_output_computes_nothing(monkeypatch):
    explorer = ReceptiveFieldExplorer()
    monkeypatch.setattr("course_lib.widgets.autoregressive.structure.forward", None)
    set_to(explorer, row=3, column=11)


# --- the colours of one pixel


def reference(explorer, before):
    """p of the next colour's values at the explorer's pixel, by whole passes over the face, `before` (n, colours) at that place."""
    i, row, column = (c.value for c in (explorer.face, explorer.row, explorer.column))
    before = np.asarray(before)
    x = faces.draw(explorer.y[i : i + 1]).long().repeat(len(before), 1, 1, 1)
    x[:, : before.shape[1], row, column] = torch.as_tensor(before, dtype=torch.long)
    x, y = x[:, :, : row + 1], faces.attributes(explorer.y[i : i + 1]).expand(len(x), -1)  # rows further down are no part of it
    with torch.no_grad():
        logits = explorer.model.logits(x, y)
    return logits[:, before.shape[1], :, row, column].softmax(1).double().numpy()


@pytest.mark.parametrize("face, row, column, red", [(0, 4, 8, 1), (1, 0, 15, 3), (2, 6, 0, 8)])
def test_each_colour_is_given_those_before(face, row, column, red):
    explorer = set_to(colours(), face=face, row=row, column=column, red=red)
    expected, chosen = [], []
    for k in range(3):
        expected.append(reference(explorer, np.array([chosen], dtype=int).reshape(1, k))[0])
        chosen.append(int(np.argsort(-expected[k], kind="stable")[0 if k else red - 1]))
    values, given, unknown = explorer.in_turn()
    assert values == chosen
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(given, expected))
    # as long as the colour just before is unknown: the sum over all its values
    every = np.arange(256)[:, None]
    assert np.allclose(unknown[0], expected[0] @ reference(explorer, every), atol=1e-5)
    assert np.allclose(unknown[1], expected[1] @ reference(explorer, np.insert(every, 0, chosen[0], 1)), atol=1e-5)
    assert f"row {row}, column {column}: red {chosen[0]}, then green {chosen[1]}, then blue {chosen[2]}" in words(explorer)


def test_words_say_what_each_colour_costs():
    explorer = set_to(colours(), face=1, row=5, column=3)
    x = faces.draw(explorer.y[1:2]).long()
    with torch.no_grad():
        cost = -explorer.model.log_prob_map(x, faces.attributes(explorer.y[1:2]))[0] / math.log(2)
    text, true = words(explorer), x[0, :, 5, 3].tolist()
    for name, value, c in zip(("red", "green", "blue"), true, cost[:, 5, 3].tolist()):
        assert f"{name} {value}" in text and number(rf"{name} costs (…) bits", text) == pytest.approx(c, abs=0.006)
    assert f"bits of green, {cost[1].mean():.2f} each" in text
    _, sheet = picture(explorer, "face 1 with the pixel at row 5, column 3 framed")
    shown = pixels_of(sheet, 0, 16)
    first = 16 * 5 + 3
    assert np.array_equal(shown.reshape(256, 3)[:first], x[0].permute(1, 2, 0).reshape(256, 3)[:first].numpy()), "what comes before"
    assert shown[5, 3].tolist() == explorer.in_turn()[0]
    for k in range(3):  # the dearest pixel is the one with the strongest colour
        strength = 765 - pixels_of(sheet, 1 + k, 16).astype(int).sum(2)
        assert strength.argmax() == cost[k].argmax() or cost[k].max() < cost.max()


def test_moving_through_a_face_needs_no_pass(monkeypatch):
    explorer = colours()
    monkeypatch.setattr(GatedPixelCNN, "features", None)
    set_to(explorer, face=2, row=3, column=4, red=2)


@pytest.mark.parametrize("make", [ColourExplorer, CompletionExplorer])
def test_only_a_model_of_faces_that_hears_words_can_be_shown(make):
    for model in (
        pixel_model(),
        PixelCNN((3, 16, 16), 2, 1),
        GatedPixelCNN((3, 16, 16), 4, (1,)),
        GatedPixelCNN((3, 8, 8), 4, (1,), classes=3),
    ):
        with pytest.raises(ValueError, match="must be a GatedPixelCNN of faces that is told their words: load pixelcnn_faces"):
            make(model, people())
    with pytest.raises(ValueError, match="y must hold whole numbers"):
        make(face_model(), people().float())


# --- completion


@pytest.mark.parametrize("where, there", [("lower", (15, 0)), ("upper", (0, 15)), ("right", (0, 15)), ("left", (15, 0))])
@pytest.mark.parametrize("share, size", [(0.25, 4), (0.5, 8), (0.75, 12)])
def test_the_hidden_part(where, there, share, size):
    hidden = hidden_part(where, share).numpy()
    assert hidden.shape == (16, 16) and hidden.sum() == 16 * size and hidden[there]
    lines = hidden.all(1) if where in ("lower", "upper") else hidden.all(0)
    assert lines.sum() == size and (np.diff(lines.astype(int)) != 0).sum() == 1


def test_which_words_can_be_seen():
    """Against pairs of faces that are drawn here and compared by eye for eye."""
    plain = {"hair": "long01", "hair_colour": "red", "glasses": "dark01", "beard": "beard01", "mouth": "happy01", "hat": "none"}
    y = faces.row(plain)
    upper, lower = ~hidden_part("lower", 0.5), ~hidden_part("upper", 0.5)
    names = list(faces.ATTRIBUTES)
    for seen, decides, leaves_open in (
        (upper, {"skin", "hair_colour", "glasses", "hat", "background"}, {"mouth", "clothing_colour", "hat_colour"}),
        (lower, {"skin", "mouth", "beard", "clothing_colour", "background"}, {"glasses", "hat", "hat_colour"}),
        (torch.ones(16, 16, dtype=torch.bool), set(names) - {"hat_colour"}, {"hat_colour"}),
        (torch.zeros(16, 16, dtype=torch.bool), set(), set(names)),
    ):
        found = {name for name, s in zip(names, words_seen(y, seen)) if s}
        assert decides <= found and not found & leaves_open, found
    # the mouth is hidden exactly where another mood draws the same
    other = faces.draw(faces.change(y[None], mouth="sad"))[0]
    assert torch.equal(other[:, upper], faces.draw(y)[:, upper]) and not torch.equal(other[:, lower], faces.draw(y)[:, lower])


@pytest.mark.parametrize("told, temperature", [("what is seen", 1.0), ("all ten words", 0.6), ("another's words", 1.4)])
def test_each_hidden_pixel_is_drawn_from_what_comes_before_it(told, temperature):
    """Under the same uniforms the answers are right exactly if each value is the one that the model draws when it is given the others."""
    explorer = set_to(completion(), face=1, share=0.25, temperature=temperature, told=told)
    assert "Not drawn yet for these settings" in words(explorer)
    explorer.press.click()
    assert "Not drawn yet" not in words(explorer) and explorer.press.description == "draw" and not explorer.press.disabled
    y, u, model = people(), random_numbers(32, 0, 768).view(4, 8, 16, 16, 3), face_model()
    own, next_ones, usual = (faces.attributes(v) for v in (y[1:2], y[2:3], faces.load("test").y[:8]))
    for k, where in enumerate(("lower", "right", "left", "upper")):
        shown = cells(picture(explorer, f"face 1, {where} part hidden")[1], 10, 16)
        hidden, original = hidden_part(where, 0.25).numpy(), faces.draw(y[1]).permute(1, 2, 0).numpy()
        assert np.array_equal(shown[0], original) and (shown[1][hidden] == UNDRAWN).all()
        assert all(np.array_equal(v[~hidden], original[~hidden]) for v in shown[1:])
        heard = {"all ten words": own, "another's words": next_ones}.get(told)
        heard = torch.where(words_seen(y[1], torch.from_numpy(~hidden)), own, usual) if heard is None else heard.expand(8, -1)
        answers = torch.from_numpy(shown[2:].copy()).permute(0, 3, 1, 2)
        with torch.no_grad():
            logits = model.logits(answers.long(), heard).permute(0, 3, 4, 1, 2)
        drawn = model.draw(logits.flatten(0, 3), u[k].flatten(), temperature).view(8, 16, 16, 3)
        assert (drawn.numpy()[:, hidden] == shown[2:][:, hidden]).mean() > 0.999  # a uniform may fall on the edge of two values


def test_pressing_again_draws_others_and_coming_back_draws_nothing(monkeypatch):
    explorer = completion()
    first = explorer.view.value
    explorer.press.click()
    again = explorer.view.value
    assert again != first
    monkeypatch.setattr(colour_explorers, "sample_cached", None)
    set_to(explorer, face=1)
    assert "Not drawn yet" not in words(explorer), "every face has answers at the start"
    assert set_to(explorer, face=0).view.value == again
    explorer.press.click()  # an error is said, and the button works again
    assert "CompletionExplorer could not draw this" in explorer.view.value and not explorer.press.disabled


def test_words_say_how_far_neighbours_differ():
    explorer = completion()
    _, sheet = picture(explorer, "upper part hidden")
    shown = cells(sheet, 10, 16).astype(float)
    for place, images in (("", shown[2:]), (r" -?[\d.]+ \(", shown[:1])):
        expected = np.abs(images[:, 7] - images[:, 8]).mean()
        pattern = rf"upper{place}(…)\)" if place else "upper (…) "
        assert number(pattern, words(explorer)) == pytest.approx(expected, abs=0.51)


# --- the distribution of one value


def cut(logits, temperature, k, p):
    """The model's probabilities, those at the temperature, and those that are left, in plain numpy."""
    logits = np.asarray(logits, dtype=float)
    tempered = special.softmax(logits / temperature)
    order = np.argsort(-tempered)[:k]
    share = tempered[order] / tempered[order].sum()
    count = len(order) if p >= 1 else int(np.searchsorted(np.cumsum(share), p - 1e-12) + 1)
    left = np.zeros_like(tempered)
    left[order[:count]] = tempered[order[:count]]
    return special.softmax(logits), tempered, left / left.sum(), left.sum(), count


CUTS = [(1.0, 16, 1.0), (0.5, 16, 1.0), (2.0, 5, 1.0), (1.0, 16, 0.6), (1.4, 10, 0.5), (0.3, 1, 0.1)]


@pytest.mark.parametrize("temperature, k, p", CUTS)
def test_the_bars_of_a_pixel(temperature, k, p):
    explorer = set_to(grey(), image=1, row=3, column=5, temperature=temperature, top_k=k, nucleus=p)
    with torch.no_grad():
        logits = pixel_model("categorical", 16).logits(digits(16)[1:2])[0, 0, :, 3, 5]
    model, _, left, mass, count = cut(logits, temperature, k, p)
    text, true = words(explorer), int(digits(16)[1, 0, 3, 5])
    assert number(rf"The true value {true} has p = (…),", text) == pytest.approx(model[true], abs=6e-5)
    assert number(r", (…) nats of surprise", text) == pytest.approx(-math.log(model[true]), abs=0.006)
    entropy = stats.entropy(model, base=2)
    assert number(r"own distribution: (…) bits", text) == pytest.approx(entropy, abs=0.006)
    assert number(r"as wide as (…) equally", text) == pytest.approx(2**entropy, abs=0.06)
    assert number(r"Kept: (…) of 16 values", text) == count
    assert number(r"values with (…)% of the mass", text) / 100 == pytest.approx(mass, abs=6e-4)
    assert number(r"drawn from has (…) bits", text) == pytest.approx(stats.entropy(left, base=2), abs=0.006)
    assert ("The true value is cut off" in text) == (left[true] == 0)
    assert f"the likeliest is {model.argmax()} with {model.max():.3f}, the true one {true} has {model[true]:.4f}; {count} kept" in told(
        explorer
    )
    chart = explorer.panels()[1][0]
    grey_bars, blue = chart.bars
    assert np.allclose(grey_bars.height, model, atol=1e-6)
    drawn = np.zeros(16)
    drawn[(np.asarray(blue.left) + 0.5).astype(int)] = blue.height
    assert np.allclose(drawn, left, atol=1e-4)
    assert chart.marks[0].x == true


def test_the_picture_of_what_is_known():
    explorer = set_to(grey(), image=2, row=4, column=3)
    _, sheet = picture(explorer, "image 2 with the pixel at row 4, column 3 framed")
    shown = pixels_of(sheet, 0).reshape(64, 3).astype(int)
    x = digits(16)[2].flatten().int().numpy()
    assert np.abs(shown[:35] - np.round(255 * x[:35, None] / 15)).max() <= 1
    assert (shown[35:, 2] >= shown[35:, 0]).all() and (shown[35:].min(1) > 150).all(), "pale"
    with torch.no_grad():
        p = pixel_model("categorical", 16).logits(digits(16)[2:3])[0, 0].softmax(0).numpy()
    entropies = stats.entropy(p, axis=0, base=2)
    alt, _ = picture(explorer, "image 2")
    assert f"from {entropies.min():.2f} to {entropies.max():.2f} bits" in alt
    dark = pixels_of(sheet, 1).astype(int).sum(2)
    assert np.unravel_index(dark.argmin(), (8, 8)) == np.unravel_index(entropies.argmax(), (8, 8))


def test_it_begins_where_the_model_is_least_sure():
    explorer = grey()
    with torch.no_grad():
        p = pixel_model("categorical", 16).logits(digits(16)[:1])[0, 0].softmax(0).numpy()
    assert (explorer.row.value, explorer.column.value) == np.unravel_index(stats.entropy(p, axis=0).argmax(), (8, 8))


def test_a_model_without_a_bar_for_each_value_is_refused():
    with pytest.raises(ValueError, match="must have a categorical output, to have a bar for each value, got bernoulli"):
        NextPixelExplorer(pixel_model(), digits())


def test_one_pass_serves_all_of_an_image(monkeypatch):
    explorer = grey()
    monkeypatch.setattr(GatedPixelCNN, "logits", None)
    set_to(explorer, row=1, column=1, temperature=0.5)


# --- the next character


def next_logits(prompt):
    x = torch.tensor([[ALPHABET.index(c) for c in prompt] + [0]])
    with torch.no_grad():
        return lstm().logits(x)[0, -1]


@pytest.mark.parametrize("prompt", ["", "a", "bad cab"])
@pytest.mark.parametrize("temperature, k, p", [(1.0, 12, 1.0), (0.6, 3, 1.0), (1.5, 12, 0.4), (2.0, 5, 0.7)])
def test_the_bars_of_a_character(prompt, temperature, k, p):
    explorer = set_to(characters(prompt), temperature=temperature, top_k=k, nucleus=p)
    model, _, left, mass, count = cut(next_logits(prompt), temperature, k, p)
    text, entropy = words(explorer), stats.entropy(model, base=2)
    assert number(r"own distribution: (…) bits", text) == pytest.approx(entropy, abs=0.006)
    assert number(r"Perplexity 2\^[\d.]+ = (…)", text.rstrip()) == pytest.approx(2**entropy, abs=0.06)
    assert number(r"Kept: (…) of 12 characters", text) == count
    assert number(r"characters with (…)% of the mass", text) / 100 == pytest.approx(mass, abs=6e-4)
    assert number(r"drawn from has (…) bits", text) == pytest.approx(stats.entropy(left, base=2), abs=0.006)
    assert ("The prompt is empty" in text) == (prompt == "")
    named = [{" ": "space", "\n": "newline"}.get(c, c) for c in ALPHABET]
    best = np.argsort(-model)[:3]
    assert "characters: " + ", ".join(f"{named[i]} {model[i]:.3f}" for i in best) in told(explorer)


def test_those_cut_off_are_grey():
    explorer = set_to(characters(), top_k=3)
    chart = explorer.panels()[0][0].html()
    assert chart.count('fill="#a3abb3"') == len(ALPHABET) - 3, "their names"
    assert chart.count(f'fill="{image_explorers.CYCLE[0]}"') == 3 + 1, "three bars, and the legend"


@pytest.mark.parametrize("temperature, k, p, seed", [(1.0, 12, 1.0, 0), (0.7, 5, 1.0, 3), (1.3, 12, 0.6, 1)])
def test_continuations_are_drawn_from_what_is_left(temperature, k, p, seed):
    explorer = set_to(characters("abc"), temperature=temperature, top_k=k, nucleus=p, seed=seed)
    u = torch.rand(3, 120, generator=torch.Generator().manual_seed(seed))
    for way, text in enumerate(explorer.continuations()):
        assert len(text) == 120
        so_far = "abc"
        for t in range(12):
            _, _, left, _, _ = cut(next_logits(so_far), temperature, k, p)
            so_far += ALPHABET[int(np.searchsorted(np.cumsum(left), float(u[way, t]), side="right"))]
        assert text.startswith(so_far[3:])
    shown = [text.replace("\n", "↵").replace(" ", "\u00a0") for text in explorer.continuations()]
    assert "120 characters after “abc”, three times: " + " / ".join(shown) in told(explorer)


def test_odd_characters_are_read_as_a_space():
    explorer = characters("aéb")
    before = explorer.continuations()
    assert "What is not in the alphabet is read as a space: é." in words(explorer)
    set_to(explorer, prompt="a b")
    assert "not in the alphabet" not in words(explorer) and explorer.continuations() == before
    set_to(explorer, prompt="a\tb€")
    assert "is read as a space: \\t €." in words(explorer)


def test_typing_a_prompt_changes_the_view():
    explorer = characters("a")
    before = explorer.view.value
    set_to(explorer, prompt="ab")
    assert explorer.view.value != before and "after “ab”" in explorer.view.value
    set_to(explorer, prompt="")
    assert "The prompt is empty, so this is the first character of a text." in words(explorer)
    set_to(explorer, prompt="abc" * 200)
    assert "after “…" + ("abc" * 5) + "”" in explorer.view.value


def test_what_was_read_and_drawn_is_kept(monkeypatch):
    explorer = set_to(characters("a"), temperature=0.5)
    set_to(explorer, temperature=1.0, prompt="b")
    monkeypatch.setattr(torch.nn.LSTM, "forward", None)
    set_to(explorer, prompt="a", temperature=1.0)
    set_to(explorer, temperature=0.5)


def test_a_text_brings_its_alphabet():
    text = Text("small", "train", torch.zeros(3, dtype=torch.uint8), ALPHABET)
    assert NextCharacterExplorer(lstm(), text, "ab").alphabet == ALPHABET


@pytest.mark.parametrize(
    "model, alphabet, sentence",
    [
        (lstm(), "ab ", "the model has 12 symbols and the alphabet 3; give the one it was trained on"),
        (torch.nn.Linear(2, 2), ALPHABET, "must say what comes next in a text, as a CharLSTM or a GPT does, got Linear"),
        (lstm(), "abcdefghijkl", "needs a space"),
    ],
)
def test_models_that_do_not_fit_the_alphabet_are_refused(model, alphabet, sentence):
    with pytest.raises(ValueError, match=sentence):
        NextCharacterExplorer(model, alphabet)


# --- dilated convolutions


def heard(steps):
    """How many samples one output depends on, by the gradient of the course's own layers."""
    net = torch.nn.Sequential(*(CausalConv1d(1, 1, 2, d) for d in steps))
    for p in net.parameters():
        torch.nn.init.constant_(p, 0.5)
    x = torch.ones(1, 1, 600, requires_grad=True)
    net(x)[0, 0, -1].backward()
    return int((x.grad != 0).sum())


@pytest.mark.parametrize("kind, layers", [("dilated", 1), ("dilated", 4), ("dilated", 9), ("plain", 1), ("plain", 6), ("plain", 9)])
def test_the_receptive_field_and_what_a_sample_costs(kind, layers):
    explorer = set_to(DilationExplorer(), kind=kind, layers=layers)
    steps = [2**k for k in range(layers)] if kind == "dilated" else [1] * layers
    field = heard(steps)
    assert WaveNet(4, 2, steps).receptive_field == field
    needed, level = set(), {0}
    for depth, d in enumerate(reversed(steps)):  # all values above the sound that the output is made of
        needed |= {(depth, back) for back in level}
        level = level | {back + d for back in level}
    assert len(level) == field
    wavenet = WaveNet()
    each = wavenet.filters[0].weight.numel() + wavenet.mix[0].weight.numel()
    text = words(explorer)
    assert f"The output hears {field} samples, {field / 8:g} ms at 8,000 Hz." in text
    noun = "node" if len(needed) == 1 else "nodes"
    assert f"needs {len(needed)} {noun} of the tree, {len(needed) * each:,} multiplications" in text
    assert re.search(rf"the newest of each, {layers} nodes?, {layers * each:,}", text)
    assert f"One node of a WaveNet with 32 channels takes {each:,}" in text
    assert f"{kind} with {layers}: {field}" in told(explorer)
    assert f"with {layers} layers {len(needed) * each:,} without a ring buffer, {layers * each:,} with one" in told(explorer)
    if len(needed) > layers:
        assert number(r": (…) times fewer", text) == pytest.approx(len(needed) / layers, abs=0.06)


def test_the_tree_has_the_nodes_that_are_used():
    explorer = set_to(DilationExplorer(), layers=3)
    assert "used in each layer from the sound up: 8, 4, 2, 1" in told(explorer)
    set_to(explorer, kind="plain")
    assert "used in each layer from the sound up: 4, 3, 2, 1" in told(explorer)


# --- labels


def test_drawings_under_a_label_are_those_of_the_naive_way():
    explorer = set_to(classes(), digit=7, temperature=0.8, seed=2)
    model, u = pixel_model(classes=10), random_numbers(10, 2)
    expected = sample_naive(model, 10, y=torch.full((10,), 7), temperature=0.8, uniforms=u)[:, 0].numpy()
    _, sheet = picture(explorer, "10 samples under the label 7 at temperature 0.8, draw 2")
    assert np.array_equal(cells(sheet, 5), 255 * expected)
    every = sample_naive(model, 10, y=torch.arange(10), temperature=0.8, uniforms=u[:1].expand(10, -1))[:, 0].numpy()
    _, row = picture(explorer, "one drawing under each label 0 to 9")
    assert np.array_equal(cells(row, 10), 255 * every)
    assert np.array_equal(every[7], expected[0]), "the same random numbers"
    alt, pair = picture(explorer, "the mean of the 10 samples")
    mean, empty = cells(pair, 2)
    assert np.abs(mean - 255 * expected.mean(0)).max() <= 1
    with torch.no_grad():
        p = model.logits(torch.zeros(1, 1, 8, 8), torch.tensor([7]))[0, 0, 0].sigmoid().numpy()
    assert np.abs(empty - 255 * p / p.max()).max() <= 1
    assert f"at most {p.max():.3f}" in alt
    row, column = np.unravel_index(p.argmax(), p.shape)
    assert f"label 7 expects a first stroke most at row {row}, column {column} ({p.max():.3f})" in words(explorer)
    assert number(r"have (…)% bright pixels", words(explorer)) == pytest.approx(100 * expected.mean(), abs=0.06)
    begin = np.mean([np.nonzero(image.any(1))[0][0] for image in expected])
    assert f"begin at row {round(begin)} on average" in words(explorer)


def test_labels_are_drawn_once(monkeypatch):
    explorer = set_to(classes(), digit=1)
    set_to(explorer, digit=2)
    monkeypatch.setattr(image_explorers, "sample_cached", None)
    monkeypatch.setattr(GatedPixelCNN, "logits", None)
    set_to(explorer, digit=1)


def test_a_model_without_labels_is_refused():
    with pytest.raises(ValueError, match="the model has no classes; build it with"):
        ClassExplorer(pixel_model())
