"""The face network: what it reads in faces, and what its distances say of sets of them."""

import pytest
import torch

from course_lib import checkpoints, datasets
from course_lib.datasets import faces, to_float
from course_lib.datasets.faces import ATTRIBUTES, FACTORS
from course_lib.metrics import (
    FaceNetwork,
    face_features,
    face_fid,
    face_kid,
    face_network,
    face_probabilities,
    factor_accuracy,
    missing_pairs,
    predicted_attributes,
    predicted_factors,
)
from course_lib.metrics.faces import COUNTS, NOT_ASKED, obedience
from course_lib.metrics.recipes import faces_and_what_is_seen


@pytest.fixture(scope="module")
def data():
    return datasets.load("faces", "test")


@pytest.fixture(scope="module")
def x(data):
    return to_float(data.x[:2_000])


class Oracle(FaceNetwork):
    """Reads faces that it knows, so that what is counted can be told from how well a network reads."""

    def __init__(self, x, y):
        super().__init__(width=4, features=8)
        self.known = {image.numpy().tobytes(): line for image, line in zip(x, y)}

    def forward(self, x):
        y = torch.stack([self.known[image.numpy().tobytes()] for image in x])
        return torch.cat([torch.nn.functional.one_hot(column, n) for column, n in zip(y.T, COUNTS)], 1) * 20.0


def test_the_face_network_reads_every_factor_where_it_can_be_seen(data):
    everything = to_float(data.x)
    for words in (False, True):
        accuracy = factor_accuracy(everything, data.y, words=words)
        assert list(accuracy) == list(ATTRIBUTES if words else FACTORS)
        recorded = checkpoints.record("face_network")["numbers"]["word_accuracy" if words else "accuracy"]
        assert accuracy == pytest.approx(recorded, abs=5e-4)
        # an earring is one or two pixels, and shades of hair lie close together
        least = {} if words else {"earring_colour": 0.95, "hair_colour": 0.985}
        assert all(accuracy[name] >= least.get(name, 0.99) for name in accuracy), accuracy


def test_held_out_faces_are_read_as_well():
    unseen = datasets.load("faces", "held_out")
    accuracy = factor_accuracy(to_float(unseen.x), unseen.y, words=True)
    assert min(accuracy.values()) >= 0.99, accuracy


def test_readings_of_values_and_words_agree(data, x):
    factors, attributes = predicted_factors(x), predicted_attributes(x)
    assert factors.shape == (2_000, 17) and attributes.shape == (2_000, 10)
    assert (faces.attributes(factors) == attributes).double().mean() > 0.99
    found = face_probabilities(x[:50], batch_size=7)
    assert list(found) == list(FACTORS) and all(torch.allclose(p.sum(1), torch.ones(50)) for p in found.values())
    assert torch.equal(torch.stack([p.argmax(1) for p in found.values()], 1), factors[:50])
    features = face_features(x[:50])
    assert features.shape == (50, 128) and features.dtype == torch.float64
    assert torch.allclose(face_features(x[:50], batch_size=7), features, atol=1e-4)
    assert face_network() is face_network() and not face_network().training


def test_accuracy_counts_what_was_asked_for_and_can_be_seen(data):
    x, y = to_float(data.x[:200]), data.y[:200].clone()
    oracle, seen = Oracle(x, y), faces.visible(y)
    assert set(factor_accuracy(x, y, network=oracle).values()) == {1.0}
    column, wrong = list(FACTORS).index("hair"), y.clone()
    wrong[:, column] = torch.where(y[:, column] > 34, y[:, column] - 1, y[:, column])  # another drawing of the same word
    right = (wrong == y)[:, column][faces.visible(wrong)[:, column]].double().mean().item()
    assert factor_accuracy(x, wrong, network=oracle)["hair"] == pytest.approx(right) and 0.6 < right < 0.9
    assert factor_accuracy(x, wrong, words=True, network=oracle)["hair"] == 1
    # a hidden factor does not count
    hidden = ~seen[:, list(FACTORS).index("hat_colour")]
    other = y.clone()
    other[hidden, list(FACTORS).index("hat_colour")] += 1
    other[:, list(FACTORS).index("hat_colour")] %= 7
    assert factor_accuracy(x, other, network=oracle)["hat_colour"] == 1
    bare = faces.change(y[:5], hat="none", glasses="none", earrings="none")
    drawn = to_float(faces.draw(bare))
    found = factor_accuracy(drawn, bare, network=Oracle(drawn, bare))
    assert "hat_colour" not in found and "glasses_colour" not in found and found["hat"] == 1


def test_words_that_nobody_asked_for_do_not_count(data):
    x, y = to_float(data.x[:300]), data.y[:300]
    oracle, words = Oracle(x, y), faces.attributes(y)
    assert factor_accuracy(x, words, network=oracle) == dict.fromkeys(ATTRIBUTES, 1.0)
    hat, colour, hair = (list(ATTRIBUTES).index(name) for name in ("hat", "hat_colour", "hair"))
    asked = torch.full_like(words, NOT_ASKED)
    asked[:, hair] = (words[:, hair] + 1) % 2
    assert factor_accuracy(x, asked, network=oracle) == {"hair": 0.0}
    asked[:, hat] = words[:, hat]  # with a hat, hair may hide and its colour shows
    asked[:, hair] = torch.where(words[:, hat] == 1, asked[:, hair], words[:, hair])
    asked[:, colour] = torch.where(words[:, hat] == 1, words[:, colour], (words[:, colour] + 1) % 7)
    assert factor_accuracy(x, asked, network=oracle) == {"hair": 1.0, "hat": 1.0, "hat_colour": 1.0}


def test_pairs_that_nobody_holds_are_counted(data):
    words = faces.attributes(data.y[:4_000])

    def told(rows):  # the same by sets of names
        found = set()
        for line in rows.tolist():
            said = [(name, each[i]) for (name, each), i in zip(ATTRIBUTES.items(), line) if i >= 0]
            said = [pair for pair in said if pair[0] != "hat_colour" or ("hat", "hat") in said]
            found |= {(*a, *b) for i, a in enumerate(said) for b in said[i + 1 :]}
        return found

    for few in (words[:0], words[:1], words[:60]):
        lost = missing_pairs(few, words)
        assert set(lost) == told(words) - told(few) and len(lost) == len(set(lost))
    assert missing_pairs(words, words[:60]) == []
    everything = faces.attributes(faces.random_factors(4_000))
    lost = {frozenset([pair[:2], pair[2:]]) for pair in missing_pairs(words, everything)}
    of_hats = {frozenset([("glasses", "light"), ("hat_colour", colour)]) for colour in ATTRIBUTES["hat_colour"]}  # no hat, no colour
    assert lost == {frozenset([pair[:2], pair[2:]]) for pair in faces.HELD_OUT} | of_hats
    unseen = torch.where(torch.arange(10) == 0, NOT_ASKED, words)  # nobody's skin can be seen
    assert len(missing_pairs(unseen, words)) == sum("skin" in pair for pair in missing_pairs(words[:0], words))
    for wrong in (words.float(), words[:, :9], words + 4):
        with pytest.raises(ValueError, match="among must hold whole numbers"):
            missing_pairs(words, wrong)


def test_distances_order_what_the_eye_orders(x):
    halves = face_fid(x[0::2], x[1::2])
    grey = x[1::2].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    blurred = torch.nn.functional.avg_pool2d(x[1::2], 3, 1, 1, count_include_pad=False)
    noise = torch.rand(1_000, 3, 16, 16)
    hatless = x[1::2][predicted_attributes(x[1::2])[:, list(ATTRIBUTES).index("hat")] == 0]
    worse = [face_fid(x[0::2], other) for other in (hatless, grey, blurred, noise)]
    assert 0 < halves < min(worse) and worse[-1] > worse[0]
    assert face_fid(x, x) == pytest.approx(0, abs=1e-3)
    assert abs(face_kid(x[0::2], x[1::2])) < face_kid(x[0::2], hatless)
    assert (halves.samples, halves.reference) == (1_000, 1_000)


def test_the_shipped_moments_are_those_of_the_test_faces(data):
    x = to_float(data.x)
    assert face_fid(x) == pytest.approx(0, abs=0.05) and face_fid(x).reference == 10_000
    numbers = checkpoints.record("face_moments")["numbers"]
    train = to_float(datasets.load("faces").x[:10_000])
    assert face_fid(train) == pytest.approx(numbers["fid_of_training_images"], rel=0.02)
    kids = torch.tensor([float(face_kid(part)) for part in train.split(2_000)])
    assert abs(kids.mean()) < 3 * kids.std() / len(kids) ** 0.5  # unbiased: 0 on average, for each set alone it is not


@pytest.mark.parametrize(
    "bad, message",
    [
        (torch.zeros(3, 1, 28, 28), r"x: expected images of shape \(batch, 3, 16, 16\), got \(3, 1, 28, 28\)"),
        (torch.zeros(3, 3, 16, 16, dtype=torch.uint8), r"x: expected floats in \[0, 1\], got torch.uint8; datasets.to_float"),
        (torch.full((3, 3, 16, 16), -1.0), r"x: expected values in \[0, 1\], got -1 to -1"),
        (torch.full((3, 3, 16, 16), 255.0), r"x: expected values in \[0, 1\], got 255 to 255"),
    ],
)
def test_images_of_another_size_or_range_say_what_was_expected(bad, message):
    network = FaceNetwork(width=4, features=8).eval()
    calls = (face_features, predicted_factors, predicted_attributes, face_fid, face_kid, network, network.features)
    for call in (*calls, lambda x: factor_accuracy(x, faces.random_factors(3))):
        with pytest.raises(ValueError, match=message):
            call(bad)


@pytest.mark.parametrize(
    "factors, message",
    [
        (torch.zeros(4, 17).long(), "factors must have a row for each image of x, got 4 for 3"),
        (torch.zeros(3, 9).long(), r"factors must hold whole numbers, \(n, 17\)"),
        (torch.zeros(3, 10), r"factors must hold whole numbers \(3, 10\), −1 or below 4, 2, 6"),
        (torch.full((3, 10), 5), r"factors must hold whole numbers \(3, 10\)"),
        (torch.full((3, 17), -1), "factors: skin goes from 0"),
    ],
)
def test_wrong_factors_are_named(factors, message):
    with pytest.raises(ValueError, match=message):
        factor_accuracy(torch.zeros(3, 3, 16, 16), factors)


def test_a_face_network_learns_only_from_what_can_be_seen(data):
    x, y = faces_and_what_is_seen(data)
    assert torch.equal(x[:10_000], data.x) and 0.2 < len(x) / 10_000 - 1 < 0.4  # and faces with held-out pairs
    x, y = to_float(x[:64]), y[:64]
    seen, told = faces.visible(data.y[:64]), y != NOT_ASKED
    assert torch.equal(y[told], data.y[:64][told]) and told[seen].all()
    words = dict(zip(ATTRIBUTES, faces.visible(data.y[:64], words=True).T))
    for name, s, t in zip(FACTORS, seen.T, told.T):
        assert torch.equal(t, s | words[name] if name in words else s)
    network = FaceNetwork(width=4, features=8)
    images = []
    network.body.register_forward_hook(lambda module, args, out: images.append(args[0]))
    network.loss(x, y)
    assert 0 < (images[0] - (2 * x - 1)).abs().max() < 0.4  # a little noise, in training alone
    network.eval()
    truth = sum(
        -torch.log_softmax(part, 1)[torch.arange(64), column.clamp(0)][column >= 0].sum()
        for part, column in zip(network(x).split(COUNTS, 1), y.T)
    )
    assert torch.equal(images[-1], 2 * x - 1) and network.loss(x, y).item() == pytest.approx(truth.item() / 64, rel=1e-5)
    assert FaceNetwork(**network.config).config == network.config
    with pytest.raises(ValueError, match=r"y must hold whole numbers \(64, 17\), −1 or below 8, 45"):
        network.loss(x, y[:, :5])


# --- models that are told words


def obedient(words):
    """Real faces that have the words."""
    y = faces.random_factors(len(words), seed=5)
    for name, column in zip(ATTRIBUTES, words.T):
        for word in column.unique():
            y[column == word] = faces.change(y[column == word], **{name: ATTRIBUTES[name][word]})
    return to_float(faces.draw(y))


def scores(draw, n=1_000):
    words = faces.attributes(datasets.load("faces", "test").y[:n])
    drawn = draw(words)
    return obedience(draw, drawn, words) | {"fid": face_fid(drawn)}


def test_what_obeys_its_words_and_what_does_not():
    good = scores(obedient)
    assert good["obeyed"] > 0.98 and min(good["word_accuracy"].values()) > 0.95
    assert list(good["held_out_pairs"]) == [
        "red hair_colour, green clothing_colour",
        "blue hair_colour, dark glasses",
        "green hair_colour, beard beard",
        "hat hat, light glasses",
        "tan skin, lavender background",
    ]
    assert min(good["held_out_pairs"].values()) > 0.9
    deaf = scores(lambda words: obedient(words[torch.randperm(len(words))]))
    assert deaf["obeyed"] < 0.6 and max(deaf["held_out_pairs"].values()) == 1.0  # all of a pair have both its words: any order will do
    assert deaf["fid"] == pytest.approx(good["fid"], rel=0.2)  # FID does not ask who drew which
    plain = scores(lambda words: obedient(torch.zeros_like(words)))
    assert plain["obeyed"] < 0.5 and max(plain["held_out_pairs"].values()) < 0.1 and plain["fid"] > 3 * good["fid"]


def test_words_that_are_told():
    said = faces.parse("a sad person in a green shirt with long hair")
    y = faces.told(said)
    assert y.shape == (10,) and {name: ATTRIBUTES[name][i] for name, i in zip(ATTRIBUTES, y) if i >= 0} == said
    assert (faces.told({}) == -1).all()
    for words, message in (
        ({"nose": "long"}, "captions do not speak of 'nose': choose among skin, hair"),
        ({"hair": "red"}, "hair has no word 'red': choose one of short, long"),
    ):
        with pytest.raises(ValueError, match=message):
            faces.told(words)
