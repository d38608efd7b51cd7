"""Faces and photographs: drawn as their parts say, known in every factor, read and written in plain English, split without overlap."""

import base64
import functools
import hashlib
import json
import os
import zlib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import datasets
from course_lib.datasets import faces, hashes, load, photos, to_float
from course_lib.datasets.faces import ATTRIBUTES, COLOURS, FACTORS, HELD_OUT, WORDS
from course_lib.datasets.faces.captions import VOCABULARY, caption
from course_lib.datasets.faces.factors import CHOSEN_BY, COLOURED_BY, COLUMN, word_of

STORED = json.loads((files("course_lib.datasets.faces") / "parts.json").read_text(encoding="utf-8"))
SHARED = Path(os.environ.get("COURSE_DATA_DIR", "/nowhere")) / "faces" / "samples.json"
# Six renderings by DiceBear's own program: parts, colours, and 768 bytes, compressed
ORIGINALS = [
    (
        "accessories=variant02 clothing=variant17 eyes=variant03 glasses=dark03 mouth=sad03 hair=short03 hat=variant09",
        "accessories=#d3d3d3 clothing=#ffeead eyes=#5b7c8b glasses=#a04b5d hair=#603a14 hat=#cc6192 "
        "mouth=#c98276 skin=#eac393 background=#c0aede",
        "eNo7sO7eARg6kzgJKzqApIagYqxasKq5PXEznETTQmv1m/PrFnjH4kFABcjq35ycBxTctGmTQ3ji0p684iRfIIJzgV"
        "JABcjqX758id98oAJk9ZcvXwaagAcBFaAFKbLsyaYyIEIWwYwvZMWY5mONYlyOwaoYGb06PBmICKr5/24tEEEUQxBc"
        "BJdiZC1oInjUYyK4egBM3xjV",
    ),
    (
        "accessories=variant01 clothing=variant19 eyes=variant04 glasses=light03 mouth=sad08 hair=long11",
        "accessories=#fafad2 clothing=#5bc0de eyes=#876658 glasses=#4b4b4b hair=#612616 hat=#614f8a "
        "mouth=#d29985 skin=#f5cfa0 background=#ffdfbf",
        "eNr7f3//f8pQopoYGiJSGX5dWNV8u7IKiDDVY1WGjDDVe+MFaOqBJgAFfz48snpK9////9fN7QQiOBcoBVQAV/zr1y"
        "Ugwm8+RA1cPVY3o7kfrh7ifrjUpZmtEITHvxAvoCFkLVijDJdjCCaJr+cXABFBNdEH7kFUIiOIIFYDgVJYEaZ1WNX3"
        "Xn4BRGjqAZdmEMs=",
    ),
    (
        "accessories=variant04 clothing=variant17 eyes=variant08 mouth=happy03 hair=long20 hat=variant07",
        "accessories=#ffd700 clothing=#03396c eyes=#588387 glasses=#323232 hair=#009bbd hat=#2e1e05 "
        "mouth=#e35d6a skin=#f5cfa0 background=#ffd5dc",
        "eNr7f/XOf3KRnhwrVkSSYqxaGGbvxa8eTRdQ/bcrq/AgoAI084GC/2EAogaZi6YeoiCiuR1ZPRoXxQvXGfC7B6gA0z"
        "2kuh+CHsdmkaoeUwumejxOgshiqoejr+cXABGaIFoUAxUwW+YAEUQxBMFFcClG1oImgkc9JoKrBwBMPQLx",
    ),
    (
        "clothing=variant12 eyes=variant03 glasses=dark05 mouth=happy12 hair=short18 hat=variant03",
        "accessories=#daa520 clothing=#428bca eyes=#647b90 glasses=#4b4b4b hair=#28150a hat=#3d8a6b "
        "mouth=#d29985 skin=#e0b687 background=#b6e3f4",
        "eNrb9vjLNhiy7crGirYhqYGjirUz8CA0xbhMxmULfsMxrdAQ5QKix3snY0UQWUz13jAAUQbnYqqHyG7atMktLHVeSz"
        "pEGTIXqABTPVAKgiDqkblo6uFasLoHUzFEPRxdmtkKRMgieNQDVf4HA2QtWKMYl/lYFSMjvcReIMKvxqn7FB5EkmJM"
        "LcSrBwCrkOyW",
    ),
    (
        "accessories=variant04 clothing=variant16 eyes=variant07 glasses=light01 mouth=sad06 hair=short13",
        "accessories=#ffd700 clothing=#ffd969 eyes=#697b94 glasses=#5f705c hair=#611c17 hat=#2663a3 "
        "mouth=#d29985 skin=#eac393 background=#d1d4f9",
        "eNq7eOXnRSSUKCOOxsDDRSbx6IWIEESYhuNXjKblzcl5eBCak+p7a4EoviAGgiBq4FyILLJ6iOx/MJi+eAtEAZwLMQ"
        "FZ/f/rDMgGopkPZAMVoAURfvejKUZWf2lmKxwRo55I8/FowaoYGb06PBmI8Kv5fzPz/5PpEJXICCgIlMKiGIJQtUAU"
        "QxB29UhakBXD1QMAjq8ezw==",
    ),
    (
        "clothing=variant09 eyes=variant11 glasses=light04 mouth=happy05 hair=long05 hat=variant06",
        "accessories=#daa520 clothing=#ffc425 eyes=#76778b glasses=#a04b5d hair=#603015 hat=#3d8a6b "
        "mouth=#de0f0d skin=#f5cfa0 background=#ffdfbf",
        "eNr7f39/goEoENl2ZeNB/+/vhyP86ivWzqBQPX6XQNSjuQpiBRB9u7IKE0Gk0Jy0wDv2PwwA2WhcNPUQcx4/fr5gwT"
        "qgAqxcTPVwA7FzUd2D1eXIXkBWD7cCgp7Y26GpR1OMpv4ePy+aFkz1aFoIKkZGX88vACKCav5fCISoREYQQewG4laP"
        "pgXEPaKKB8HVAwA4tibV",
    ),
]


# the beginning of SHA-256 of x and y of train, test and held_out
GOLDEN = ["cf72410d46a9935d", "e45c728311505a2a", "f8c1765f99a76ff4"]


def variant_of(part: str, value: str) -> str:
    """How parts.json calls a value."""
    return value if value in STORED["parts"][part] else "variant" + value[-2:]


def value_of(part: str, variant: str) -> str:
    """How we call a variant of parts.json."""
    words = {"accessories": "earrings", "clothing": "shirt"}
    return variant.replace("variant", words.get(part, part))


def by_our_names(parts: dict[str, str], colours: dict[str, str]) -> dict[str, str]:
    """The factors of a stored rendering, its colours as #rrggbb."""
    named = {factor: "none" for factor in FACTORS if "none" in FACTORS[factor]}
    named |= {CHOSEN_BY[part]: value_of(part, variant) for part, variant in parts.items()}
    return named | {COLOURED_BY.get(slot, slot): colour for slot, colour in colours.items()}


def painted(name: str, value: str) -> np.ndarray:
    """Which pixels a value of a drawn factor paints, bool (16, 16), straight from parts.json."""
    part = next(part for part, factor in CHOSEN_BY.items() if factor == name)
    paints = STORED["parts"][part][variant_of(part, value)] if value != "none" else []
    return functools.reduce(np.logical_or, [mask(paint) for paint in paints], np.zeros((16, 16), bool))


def mask(paint: dict) -> np.ndarray:
    return np.array([[c == "1" for c in f"{line:016b}"] for line in paint["rows"]])


def painted_in_turn(values: dict[str, str]) -> np.ndarray:
    """One face in float64 before it is rounded, (3, 16, 16): each paint of each part onto what is below it."""
    rgb = {name: np.array(COLOURS[name][values[name]], float) for name in COLOURS}
    image = np.tile(rgb["background"], (16, 16, 1))
    for part in STORED["order"]:
        value = "only" if part == "base" else values[CHOSEN_BY[part]]
        for paint in STORED["parts"][part][variant_of(part, value)] if value != "none" else []:
            added = np.array(paint["constant"], float)
            for slot, share in paint["share"].items():
                added = added + share * rgb[COLOURED_BY[slot]]
            where = mask(paint)
            image[where] = (1 - paint["alpha"]) * image[where] + added
    return image.transpose(2, 0, 1)


@st.composite
def some_faces(draw, n: int = 1) -> torch.Tensor:
    """Factors of n faces, (n, 17)."""
    line = st.tuples(*(st.integers(0, len(values) - 1) for values in FACTORS.values()))
    return torch.tensor(draw(st.lists(line, min_size=n, max_size=n)))


@pytest.fixture(scope="module")
def train():
    return load("faces")


@pytest.fixture(scope="module")
def test():
    return load("faces", "test")


@pytest.fixture(scope="module")
def unseen():
    return load("faces", "held_out")


# --------------------------------------------------------------------------------------------------------------------
# The splits


def test_the_splits_are_what_they_say(train, test, unseen):
    for data, n in ((train, 60_000), (test, 10_000), (unseen, 5_000)):
        assert data.x.shape == (n, 3, 16, 16) and data.x.dtype == torch.uint8 and data.x.is_contiguous()
        assert data.y.shape == (n, 17) and data.y.dtype == torch.int64
        assert list(data.factors) == list(FACTORS) and list(data.factors.values()) == [len(v) for v in FACTORS.values()]
        assert (data.y >= 0).all() and (data.y < torch.tensor(list(data.factors.values()))).all()
    assert str(train) == "faces (train): 60,000 × uint8 (3, 16, 16)"
    assert [len(FACTORS[name]) for name in ("skin", "hair", "hair_colour", "eyes", "glasses", "beard", "mouth", "clothing", "hat")] == [
        *(8, 45, 9, 12, 15, 9, 23, 23, 11)
    ]
    assert len(FACTORS["clothing_colour"]) == 12 and [len(words) for words in ATTRIBUTES.values()] == [4, 2, 6, 3, 2, 2, 4, 2, 7, 5]


def test_no_image_is_in_two_splits_nor_twice_in_one(train, test, unseen):
    marks = [hashes(data.x) for data in (train, test)]
    assert len(set(marks[0])) == 60_000 and len(set(marks[1])) == 10_000 and not set(marks[0]) & set(marks[1])
    assert not set(hashes(unseen.x)) & (set(marks[0]) | set(marks[1]))


def test_held_out_pairs_are_in_their_own_split_alone(train, test, unseen):
    def with_pair(y, pair):
        (a, word_a, b, word_b), values = pair, faces.named(y)
        return torch.tensor([word_of(v[a]) == word_a and word_of(v[b]) == word_b for v in values])

    for k, pair in enumerate(HELD_OUT):
        assert not with_pair(train.y[:3_000], pair).any()
        assert with_pair(unseen.y[1_000 * k : 1_000 * (k + 1)], pair).all()
    assert not faces.held_out(train.y).any() and not faces.held_out(test.y).any()
    assert (faces.held_out(unseen.y).sum(0) >= 1_000).all()
    seen, column = faces.visible(unseen.y, words=True), list(ATTRIBUTES).index
    for k, (a, _, b, _) in enumerate(HELD_OUT):
        assert seen[1_000 * k : 1_000 * (k + 1), [column(a), column(b)]].all()


def test_each_value_and_both_halves_of_each_held_out_pair_are_common_in_training(train):
    for name, values in FACTORS.items():
        counts = train.y[:, COLUMN[name]].bincount(minlength=len(values))
        assert counts.min() >= 400, name
    words = faces.attributes(train.y)
    for i, name in enumerate(ATTRIBUTES):
        assert words[:, i].bincount(minlength=len(ATTRIBUTES[name])).min() > 0.1 * 60_000, name


def test_factors_are_independent_but_for_the_held_out_pairs(train):
    y = faces.random_factors(20_000, seed=9)
    words = faces.attributes(y)
    for i in range(words.shape[1]):
        for j in range(i):
            joint = torch.zeros(words[:, i].max() + 1, words[:, j].max() + 1).double()
            joint.index_put_((words[:, i], words[:, j]), torch.ones(()).double(), accumulate=True)
            joint /= joint.sum()
            assert (joint - joint.sum(1, keepdim=True) * joint.sum(0)).abs().max() < 0.01
    glasses = torch.bincount(words[:, list(ATTRIBUTES).index("glasses")]) / 20_000
    assert torch.allclose(glasses, torch.tensor([0.5, 0.25, 0.25]), atol=0.015)


def test_the_data_are_the_same_everywhere(train, test, unseen):
    # what the shipped checkpoints were trained on
    found = [hashlib.sha256(data.x.numpy().tobytes() + data.y.numpy().tobytes()).hexdigest()[:16] for data in (train, test, unseen)]
    assert found == GOLDEN
    assert torch.equal(load("faces", "test").x, test.x)


def test_random_faces_keep_what_is_fixed():
    y = faces.random_factors(400, seed=3, hair="long", glasses="none", mouth="sad04", hat_colour="red")
    values = faces.named(y)
    assert {v["hair"] for v in values} == {v for v in FACTORS["hair"] if word_of(v) == "long"}  # each style comes
    assert {v["glasses"] for v in values} == {"none"} and {v["mouth"] for v in values} == {"sad04"}
    free = faces.random_factors(400, seed=3)
    assert torch.equal(y[:, COLUMN["skin"]], free[:, COLUMN["skin"]])


# --------------------------------------------------------------------------------------------------------------------
# Drawing


def test_faces_equal_the_original_renderings():
    for parts, colours, pixels in ORIGINALS:
        parts, colours = (dict(pair.split("=") for pair in text.split()) for text in (parts, colours))
        original = np.frombuffer(zlib.decompress(base64.b64decode(pixels)), np.uint8).reshape(16, 16, 3).transpose(2, 0, 1)
        drawn = faces.draw(by_our_names(parts, colours))
        assert np.abs(drawn.numpy().astype(int) - original).max() <= 1


@pytest.mark.skipif(not SHARED.exists(), reason="the 150 stored renderings are not here; six of them stand in this file")
def test_faces_equal_all_stored_renderings():
    stored = json.loads(SHARED.read_text(encoding="utf-8"))
    parts = [{k: v for k, v in s["factors"].items() if not v.startswith("#")} for s in stored]
    colours = [{k.removesuffix("Color"): v for k, v in s["factors"].items() if v.startswith("#")} for s in stored]
    drawn = faces.draw([by_our_names(p, c) for p, c in zip(parts, colours)]).permute(0, 2, 3, 1).numpy().astype(int)
    assert np.abs(drawn - np.array([s["pixels"] for s in stored]).reshape(-1, 16, 16, 3)).max() <= 1


def test_faces_equal_paints_laid_on_one_after_the_other():
    y = faces.random_factors(400, seed=5)
    exact = np.stack([painted_in_turn(values) for values in faces.named(y)]).clip(0, 255)
    assert np.array_equal(faces.draw(y).numpy(), np.floor(exact + 0.50005).clip(0, 255))
    # no machine rounds otherwise: no value lies within what float32 leaves open
    edge = (exact + 0.50005) % 1
    assert np.minimum(edge, 1 - edge).min() > 3e-5


@settings(max_examples=25, deadline=None)
@given(some_faces(3))
def test_same_factors_same_face_alone_or_among_others(y):
    drawn = faces.draw(y)
    assert torch.equal(drawn, faces.draw(y)) and torch.equal(drawn.flip(0), faces.draw(y.flip(0)))
    assert torch.equal(faces.draw(y[1]), drawn[1]) and torch.equal(faces.draw(faces.named(y)), drawn)
    assert torch.equal(faces.draw(y.numpy().astype(np.uint8)), drawn)
    assert torch.equal(torch.stack([faces.row(values) for values in faces.named(y)]), y)


@settings(max_examples=25, deadline=None)
@given(some_faces(), st.data())
def test_a_face_changes_only_where_its_factor_is_drawn(y, data):
    name = data.draw(st.sampled_from(list(FACTORS)))
    value = data.draw(st.sampled_from(FACTORS[name]))
    other = faces.change(y, **{name: value})
    assert (other != y).sum() <= 1 and faces.named(other)[0][name] == value
    moved = (faces.draw(y) != faces.draw(other))[0].any(0).numpy()
    before, after = faces.named(y)[0], faces.named(other)[0]
    if name in CHOSEN_BY.values():
        allowed = painted(name, before[name]) | painted(name, after[name])
    elif name == "background":
        allowed = ~np.logical_or.reduce([mask(paint) for paint in STORED["parts"]["base"]["only"]])
    else:  # where a paint holds a share of this colour
        slot = next(slot for slot, factor in COLOURED_BY.items() if factor == name)
        parts = {part: before[factor] for part, factor in CHOSEN_BY.items() if before[factor] != "none"} | {"base": "only"}
        paints = [paint for part, v in parts.items() for paint in STORED["parts"][part][variant_of(part, v)] if slot in paint["share"]]
        allowed = np.logical_or.reduce([mask(paint) for paint in paints] or [np.zeros((16, 16), bool)])
    assert not (moved & ~allowed).any()
    # nor where a hat lies over it
    if name != "hat" and name != "hat_colour":
        assert not (moved & painted("hat", before["hat"])).any()


def test_change_by_a_word_keeps_what_fits(test):
    y = test.y[:200]
    changed = faces.change(y, hair="long", hat="none")
    before, after = faces.named(y), faces.named(changed)
    assert {word_of(v["hair"]) for v in after} == {"long"} and {v["hat"] for v in after} == {"none"}
    assert all(a["hair"] == b["hair"] for a, b in zip(after, before) if word_of(b["hair"]) == "long")
    others = [i for name, i in COLUMN.items() if name not in ("hair", "hat")]
    assert torch.equal(changed[:, others], y[:, others])
    assert faces.change(y[0], beard="beard").shape == (17,)
    assert torch.equal(faces.draw(faces.change(changed, hat="hat03"))[:, :, 8:, 4:12], faces.draw(changed)[:, :, 8:, 4:12])


@settings(max_examples=20, deadline=None)
@given(some_faces(2), st.floats(0, 1))
def test_between_two_faces(y, t):
    a, b = y
    assert torch.equal(faces.between(a, b, 0.0), faces.draw(a)) and torch.equal(faces.between(a, b, 1.0), faces.draw(b))
    assert torch.equal(faces.between(a, a, t), faces.draw(a))
    many = faces.between(a, b, torch.tensor([0.0, t, 1.0]))
    assert torch.equal(many[1], faces.between(a, b, t)) and torch.equal(many[2], faces.draw(b))
    assert torch.equal(faces.between(a, b, {"hat": 1.0}), faces.draw(faces.change(a, hat=faces.named(b)["hat"])))


def test_half_way_is_half_of_each_where_one_factor_moves(test):
    y = test.y[:60]
    for name in ("skin", "hat", "glasses", "background", "beard"):
        other = faces.change(y, **{name: FACTORS[name][-1]})
        for a, b, x, z in zip(y, other, faces.draw(y).int(), faces.draw(other).int()):
            assert (2 * faces.between(a, b, 0.5).int() - x - z).abs().max() <= 2
    plain = {"hair": "long", "hair_colour": "red"}
    weak = faces.draw(plain | {"glasses": {"none": 0.75, "dark": 0.25}}).int()
    full, none = faces.draw(plain | {"glasses": "dark"}).int(), faces.draw(plain | {"glasses": "none"}).int()
    assert (4 * weak - full - 3 * none).abs().max() <= 4
    assert torch.equal(faces.draw(plain | {"glasses": {"dark": 1.0}}).int(), full)
    colour = faces.draw({"background": {"#000000": 0.5, "#ffffff": 0.5}})[:, 0, 0]
    assert colour.tolist() == [128] * 3


# --------------------------------------------------------------------------------------------------------------------
# What can be seen


def test_what_can_be_seen_makes_a_difference_and_what_cannot_makes_little(test):
    y = faces.random_factors(60, seed=8, hat="hat")
    y = torch.cat([y, test.y[:60]])
    x, seen, words = faces.draw(y).int(), faces.visible(y), faces.visible(y, words=True)
    for i, (name, values) in enumerate(FACTORS.items()):
        all_values = y[:, None].repeat(1, len(values), 1)
        all_values[:, :, i] = torch.arange(len(values))
        moved = (faces.draw(all_values.flatten(0, 1)).int().unflatten(0, (len(y), len(values))) - x[:, None]).abs().amax(2)
        moved = moved.flatten(2).double().sum(2) / 255  # in pixels from black to white
        others = torch.arange(len(values)) != y[:, i, None]
        nearest = torch.where(others, moved, torch.inf).amin(1)
        assert (nearest[seen[:, i]] > 0).all(), name
        farthest = torch.where(others, moved, 0).amax(1)
        hidden = nearest if name in CHOSEN_BY.values() else farthest
        assert (hidden[~seen[:, i]] <= 1.01).all(), name
        if name in ATTRIBUTES:
            mine = faces.word_index(name)
            others = mine != mine[y[:, i], None]
            nearest = torch.where(others, moved, torch.inf).amin(1)
            visible = words[:, list(ATTRIBUTES).index(name)]
            assert (nearest[visible] > 0).all() and (hidden if name not in CHOSEN_BY.values() else nearest)[~visible].le(1.01).all(), name


def test_a_hat_hides_hair_and_what_is_not_there_cannot_be_seen(test):
    seen = dict(zip(FACTORS, faces.visible(test.y).T))
    values = faces.named(test.y)
    for thing, colour in (("hat", "hat_colour"), ("glasses", "glasses_colour"), ("earrings", "earring_colour")):
        without = torch.tensor([v[thing] == "none" for v in values])
        assert not seen[colour][without].any() and seen[colour][~without].double().mean() > 0.8
    hat = torch.tensor([v["hat"] != "none" for v in values])
    assert seen["hair"][hat].double().mean() < 0.8 and seen["hair"][~hat].double().mean() > 0.95
    words = dict(zip(ATTRIBUTES, faces.visible(test.y, words=True).T))
    assert all(words[name].all() for name in ("skin", "background", "mouth", "clothing_colour", "hat", "glasses", "beard"))


# --------------------------------------------------------------------------------------------------------------------
# Captions


def test_captions_say_what_is_there_and_parse_back(test):
    y = test.y[:3_000]
    texts, seen = faces.captions(y), faces.visible(y, words=True)
    words, mentioned = faces.attributes(y), dict.fromkeys(ATTRIBUTES, 0)
    for text, line, shown in zip(texts, words.tolist(), seen.tolist()):
        said = faces.parse(text)
        truth = {name: ATTRIBUTES[name][i] for name, i in zip(ATTRIBUTES, line)}
        visible = {name for name, s in zip(ATTRIBUTES, shown) if s}
        assert all(truth[name] == word and name in visible for name, word in said.items()), text
        present = {name for name in ("glasses", "beard", "hat") if truth[name] != "none"} & visible
        assert said.keys() >= present | {"mouth", "clothing_colour"} | ({"hair", "hair_colour"} & visible), text
        assert set(text.replace(",", "").split()) <= set(VOCABULARY)
        for name in said:
            mentioned[name] += 1
    assert all(count > 500 for count in mentioned.values())  # skin and background, too
    assert len({text.split()[0] for text in texts}) > 2 and len(set(texts)) > 2_500
    assert any("no glasses" in text for text in texts) and any("without a hat" in text for text in texts)


def test_captions_depend_on_the_face_alone(test):
    texts = faces.captions(test.y[:50])
    assert [faces.captions(y[None])[0] for y in test.y[:50]] == texts and faces.captions(test.y[:50].flip(0)) == texts[::-1]
    one = {"skin": "tan", "hair": "long", "hair_colour": "red", "glasses": "dark", "beard": "none", "mouth": "happy"}
    one |= {"clothing_colour": "green", "hat": "none", "hat_colour": "", "background": "blue"}
    wordings = {caption(one, bits) for bits in range(4_096)}
    assert "a smiling face with long red hair, dark glasses and a green shirt" in wordings and len(wordings) > 60
    for text in wordings | {caption(one | {"hair": "", "hair_colour": "", "glasses": "none"}, bits) for bits in range(4_096)}:
        assert "  " not in text and text == text.strip() and not text.endswith(("with", "and", ",")) and " with and " not in text


@pytest.mark.parametrize(
    "text, said",
    [
        (
            "a smiling face with long red hair, dark glasses and a green shirt",
            "mouth happy hair long hair_colour red glasses dark clothing_colour green",
        ),
        ("Dark skin; no hat. without glasses", "skin dark hat none glasses none"),
        ("a frowning person wearing a purple hat and a beard", "mouth sad hat hat hat_colour purple beard beard"),
        ("blond hair on a blue background", "hair_colour blond background blue"),
        ("a face", ""),
    ],
)
def test_captions_of_ones_own_are_read_and_drawn(text, said):
    said = dict(zip(said.split()[::2], said.split()[1::2]))
    assert faces.parse(text) == said
    drawn = faces.attributes(faces.row(said)[None])[0]
    assert all(ATTRIBUTES[name][drawn[list(ATTRIBUTES).index(name)]] == word for name, word in said.items())
    assert faces.draw(faces.parse(text)).shape == (3, 16, 16)


@pytest.mark.parametrize(
    "text, message",
    [
        ("a face with long red hiar", "cannot read 'hiar' .*words of captions are a, an, and, background"),
        ("purple hair", "'purple' does not go with 'hair'; choose one of short, long, blond, brown, black, red, blue, green"),
        ("a red beard", "'red' does not go with 'beard'; it has no kinds"),
        ("no hair", "'no' does not go with 'hair'"),
        ("no red hat", "'no red' before 'hat': what is not there has no colour or kind"),
        ("a smiling, frowning face", "'frowning' contradicts .*mouth is happy"),
        ("red hair and green hair", "'green hair' contradicts .*hair_colour is red"),
        ("a hat, without a hat", "'without hat' contradicts .*hat is hat"),
        ("a face that is", "cannot read 'that'"),
        ("long red", "what is 'red' in 'long red'\\? After it one of skin, hair, glasses"),
        ("", "a caption is a text such as .*got ''"),
        (None, "a caption is a text such as .*got None"),
    ],
)
def test_a_caption_that_cannot_be_read_names_the_word(text, message):
    with pytest.raises(ValueError, match=message):
        faces.parse(text)


# --------------------------------------------------------------------------------------------------------------------
# Errors that help


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: load("faces", "valid"), "faces has no split 'valid': choose one of train, test, held_out"),
        (lambda: faces.load("all"), "faces has no split 'all'"),
        (lambda: faces.draw({"hare": "red"}), "no factor 'hare': choose among skin, hair, hair_colour"),
        (lambda: faces.draw({"hair": "purple"}), "hair has no value 'purple': choose one of short, long, or one drawing .*short01"),
        (lambda: faces.row({"background": "#ffffff"}), "background has no value '#ffffff': choose one of pink, blue, peach"),
        (lambda: faces.change(torch.zeros(2, 17).long(), hat="cap"), "hat has no value 'cap': choose one of none, hat, or"),
        (lambda: faces.change(torch.zeros(2, 17).long(), hats="hat"), "no factor 'hats'"),
        (lambda: faces.random_factors(3, skin="blue"), "skin has no value 'blue': choose one of light, tan, brown, dark"),
        (lambda: faces.draw({"glasses": {"none": 0.5, "dark": 0.6}}), "weights of a mix must be at least 0 and sum to 1, but glasses"),
        (lambda: faces.draw({"glasses": {"none": -0.5, "dark": 1.5}}), "weights of a mix must be at least 0"),
        (lambda: faces.draw({"glasses": {}}), "weights of a mix"),
        (lambda: faces.draw({"skin": {"nan": float("nan")}}), "weights of a mix"),
        (
            lambda: faces.draw(torch.zeros(4, 16).long()),
            r"factors must hold whole numbers, \(n, 17\).*got a int64 tensor of shape \(4, 16\)",
        ),
        (lambda: faces.draw(torch.zeros(4, 17)), r"factors must hold whole numbers.*float32"),
        (lambda: faces.captions(torch.zeros(2, 17, dtype=torch.bool)), "y must hold whole numbers"),
        (lambda: faces.visible(torch.zeros(2, 17, device="meta").long()), "y must hold whole numbers"),
        (lambda: faces.named(torch.full((1, 17), 8)), "y: skin goes from 0 .light1. to 7 .dark2., got 8"),
        (lambda: faces.attributes(torch.full((1, 17), -1)), "y: skin goes from 0 .* got -1"),
        (lambda: faces.between(faces.row({}), faces.row({}), 1.5), r"t must lie in \[0, 1\], got 1.5"),
        (lambda: faces.between(faces.row({}), faces.row({}), {"hut": 0.5}), "no factor 'hut'"),
        (lambda: faces.between(faces.row({})[None].repeat(2, 1), faces.row({}), 0.5), "a and b are one face each"),
        (lambda: load("photos", "all"), "photos has no split 'all': choose one of train, test"),
        (lambda: photos("val"), "photos has no split 'val'"),
        (lambda: photos(size=24), "must be 16 or 32, not 24"),
        (lambda: photos(size=True), "must be 16 or 32, not True"),
    ],
)
def test_errors_list_what_is_valid(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_none_and_empty_are_drawn():
    assert faces.draw(torch.zeros(0, 17, dtype=torch.int64)).shape == (0, 3, 16, 16) and faces.draw([]).shape == (0, 3, 16, 16)
    assert faces.captions(torch.zeros(0, 17, dtype=torch.int64)) == [] and faces.random_factors(0).shape == (0, 17)
    assert faces.visible(torch.zeros(0, 17, dtype=torch.int64)).shape == (0, 17)


def test_words_stand_for_values():
    assert all(word in WORDS[name] for name in FACTORS for word in map(word_of, FACTORS[name]))
    for name, words in WORDS.items():
        for word in words:
            value = faces.named(faces.row({name: word}))[name]
            assert word_of(value) == word
    assert FACTORS["hair"][24:] == tuple(f"long{i:02}" for i in range(1, 22)) and WORDS["hair_colour"][0] == "blond"


def test_parts_and_their_licence_are_in_the_package():
    import tomllib

    folder = files("course_lib.datasets.faces")
    licence = (folder / "LICENCE.txt").read_text(encoding="utf-8")
    assert "CC0 1.0" in licence and "DiceBear" in licence and "CC0 1.0" in faces.__doc__ and "DiceBear" in faces.__doc__
    project = Path(datasets.__file__).parents[2] / "pyproject.toml"
    if project.exists():
        shipped = tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]["course_lib"]
        root = Path(datasets.__file__).parents[1]
        found = {path.name for pattern in shipped for path in root.glob(pattern)}
        assert {"parts.json", "LICENCE.txt"} <= found
    assert len((folder / "parts.json").read_bytes()) < 26_000


# --------------------------------------------------------------------------------------------------------------------
# Photographs


@pytest.mark.parametrize("name, size, train, test", [("photos", 16, 25_750, 5_974), ("photos32", 32, 23_958, 4_950)])
def test_photos_are_patches_of_two_photographs_without_overlap(name, size, train, test):
    from sklearn.datasets import load_sample_image

    pictures = [load_sample_image(f"{name}.jpg") for name in ("china", "flower")]
    for split, n, columns in (("train", train, range(0, 512 - size + 1)), ("test", test, range(512, 640 - size + 1))):
        data = load(name, split)
        assert data.x.shape == (n, 3, size, size) and data.x.dtype == torch.uint8 and data.x.is_contiguous()
        assert data.classes == ("china", "flower") and data.y.bincount().tolist() == [n // 2, n // 2]
        assert data.name == name and data.split == split
        across = len(range(0, len(columns), 4))
        for i in (0, 7, across, n // 2 - 1, n // 2, n - 1):
            picture = pictures[data.y[i]]
            row, column = divmod(i % (n // 2), across)
            top, left = 4 * row, columns[0] + 4 * column
            assert np.array_equal(data.x[i].permute(1, 2, 0).numpy(), picture[top : top + size, left : left + size])
            assert left + size <= columns[-1] + size


def test_photos_are_smooth_and_colourful_as_nature_is():
    x = to_float(load("photos", "test").x)
    neighbours = torch.corrcoef(torch.stack([x[..., :-1].flatten(), x[..., 1:].flatten()]))[0, 1]
    assert neighbours > 0.9 and (x.amax(1) - x.amin(1)).mean() > 0.1
