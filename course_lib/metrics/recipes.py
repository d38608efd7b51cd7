"""How the networks that judge are trained: `python -m course_lib train digit_network --preset cpu`, and `face_network`."""

import torch
from torch import Tensor, nn

from ..datasets import Dataset, hashes, to_float
from ..datasets import faces as every_face
from ..recipes import Budget, Recipe, as_far_as_known, floats_and_labels, images_and_labels
from . import digits, faces
from .digits import DigitNetwork
from .faces import NOT_ASKED, FaceNetwork


@torch.no_grad()
def measure(model: DigitNetwork, data: Dataset) -> dict:
    """Accuracy on the test images."""
    right = sum((model(to_float(x)).argmax(1) == y).sum().item() for x, y in zip(data.x.split(500), data.y.split(500)))
    return {"accuracy": right / len(data), "test_images": len(data)}


def faces_and_what_is_seen(data: Dataset) -> tuple[Tensor, Tensor]:
    """The images and their factors, −1 where a factor cannot be seen; and, as often as chance brings them, faces with held-out pairs.

    A judge must know every pair. One that had met no green beard took most for none, since a beard had never come with green hair.
    """
    y = every_face.random_factors(4 * len(data) // 3, seed=20)
    y = y[every_face.held_out(y).any(1)]
    x = every_face.draw(y)
    known = set(hashes(every_face.load("held_out").x))
    new = [mark not in known for mark in hashes(x)]
    x, y = torch.cat([data.x, x[new]]), torch.cat([data.y, y[new]])
    seen, words = every_face.visible(y), every_face.visible(y, words=True)
    for name, column in zip(every_face.ATTRIBUTES, words.T):  # two hats that look alike are a hat: their word is to be learnt
        seen[:, list(every_face.FACTORS).index(name)] |= column
    return x, y.masked_fill(~seen, NOT_ASKED)


@torch.no_grad()
def measure_faces(model: FaceNetwork, data: Dataset) -> dict:
    """Accuracy where a factor can be seen: on the test faces of each drawing and colour and of each word, on held-out pairs of words."""
    x = to_float(data.x)
    accuracy, words = (faces.factor_accuracy(x, data.y, words, model) for words in (False, True))
    unseen = every_face.load("held_out")
    held_out = faces.factor_accuracy(to_float(unseen.x).to(x.device), unseen.y, True, model)
    return {"accuracy": accuracy, "word_accuracy": words, "held_out_word_accuracy": held_out, "test_images": len(data)}


@torch.no_grad()
def measure_told(model: nn.Module, data: Dataset, n: int = 10_000) -> dict:
    """The `measure` of a model of faces that is told words: `faces.told` of n faces, for the words of test faces."""
    words = every_face.attributes(data.y[:n].cpu())

    def draw(y: Tensor) -> Tensor:
        x = digits.draw(model, len(y), 500, y).cpu()
        return x if x.is_floating_point() else to_float(x.to(torch.uint8))

    return as_far_as_known(faces.told(draw, words)) | {"samples": len(words)}


RECIPES = {
    "digit_network": Recipe(
        DigitNetwork,
        "mnist",
        {"cpu": Budget(4_000, 128, 2e-3, weight_decay=0.01), "gpu": Budget(8_000, 128, 2e-3, weight_decay=0.01)},
        measure,
        {"prepare": floats_and_labels},
        tensors=images_and_labels,
    ),
    "digit_moments": Recipe(None, "mnist", {"cpu": Budget(1), "gpu": Budget(1)}, None, film=digits.JUDGE.reference),
    "face_network": Recipe(
        FaceNetwork,
        "faces",
        {"cpu": Budget(8_000, 128, 2e-3, weight_decay=0.01), "gpu": Budget(15_000, 128, 2e-3, weight_decay=0.01)},
        measure_faces,
        {"prepare": floats_and_labels},
        tensors=faces_and_what_is_seen,
    ),
    "face_moments": Recipe(None, "faces", {"cpu": Budget(1), "gpu": Budget(1)}, None, film=faces.JUDGE.reference),
}
