"""The face network: it reads every factor of a face, and so judges models that are told what to draw. Its features give FID and KID."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import checkpoints, datasets
from ..datasets import faces
from ..nn import as_weights, check_images, keeps_config
from .arrays import Score
from .judges import Judge

SHAPE = (3, faces.SIZE, faces.SIZE)
COUNTS = [len(values) for values in faces.FACTORS.values()]
NOT_ASKED = -1  # in a column of factors: any value will do


class FaceNetwork(nn.Module):
    """A convolutional network that reads all 17 factors of a face at once. The layer before the last is what FID and its relatives compare.

    Args:
        width: channels of the first convolution;  features: size of the layer before the last
        noise: standard deviation, at most, of the noise that images get in training, so that what models draw can be read, too
    """

    @keeps_config
    def __init__(self, width=32, features=128, noise=0.02):
        super().__init__()
        self.noise = noise

        def block(a: int, b: int, size: int, stride: int) -> list[nn.Module]:
            return [nn.Conv2d(a, b, size, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]

        self.body = nn.Sequential(
            *(*block(3, width, 4, 2), *block(width, 2 * width, 3, 1), *block(2 * width, 4 * width, 4, 2)),
            *(nn.Flatten(), nn.Linear(4 * width * 16, features), nn.BatchNorm1d(features), nn.ReLU()),
        )
        self.head = nn.Linear(features, sum(COUNTS))

    def features(self, x: Tensor) -> Tensor:
        """(batch, 3, 16, 16) in [0, 1] → (batch, features)."""
        check_images(x, SHAPE)
        return self.body(2 * as_weights(x, self, "x") - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of every value of every factor, side by side, (batch, 200): `split` takes them apart."""
        return self.head(self.features(x))

    @staticmethod
    def split(logits: Tensor) -> dict[str, Tensor]:
        """Factor → the logits of its values, (batch, values)."""
        return dict(zip(faces.FACTORS, logits.split(COUNTS, -1)))

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy summed over the factors, nats; y int64 (batch, 17), −1 where a factor cannot be seen and is not to be learnt."""
        check_images(x, SHAPE)
        y = whole_numbers(y, "y", COUNTS, len(x)).to(x.device)
        if self.training:
            x = (x + self.noise * torch.rand(len(x), 1, 1, 1, device=x.device) * torch.randn_like(x)).clamp(0, 1)
        parts = zip(self.split(self(x)).values(), y.T)
        # a factor that is hidden in a whole batch has no mean; over all faces, hidden ones cost nothing
        return sum(F.cross_entropy(logits, column, ignore_index=NOT_ASKED, reduction="sum") for logits, column in parts) / len(x)


def whole_numbers(y: Tensor, name: str, counts: list[int], n: int) -> Tensor:
    """y as int64 (n, columns), −1 or a value of its column; ValueError, which calls it `name`, where it is anything else."""
    y = torch.as_tensor(y)
    whole = not (y.is_floating_point() or y.is_complex() or y.is_meta or y.dtype == torch.bool) and y.shape == (n, len(counts))
    if not whole or y.device.type == "cpu" and ((y < NOT_ASKED) | (y >= torch.tensor(counts))).any():
        got = f"{y.dtype} of shape {tuple(y.shape)}{' on meta' if y.is_meta else ''}"
        raise ValueError(f"{name} must hold whole numbers ({n}, {len(counts)}), −1 or below {', '.join(map(str, counts))}, got {got}")
    return y.long()


JUDGE = Judge("face_network", "face_moments", SHAPE, lambda: datasets.to_float(faces.load("test").x[:1_000]))


def face_network(device: str = "cpu") -> FaceNetwork:
    """The shipped face network, loaded once."""
    return checkpoints.shipped(JUDGE.name, device)


def face_features(x: Tensor, batch_size: int = 500) -> Tensor:
    """(n, 3, 16, 16) in [0, 1] → (n, 128) features of the face network, in float64 on the CPU."""
    return JUDGE.features(x, batch_size)


@torch.no_grad()
def face_probabilities(x: Tensor, batch_size: int = 500, network: FaceNetwork | None = None) -> dict[str, Tensor]:
    """Factor → how likely the face network finds each of its values, (n, values), in float32 on the CPU.

    Args:
        x: (n, 3, 16, 16) in [0, 1]
        network: another than the shipped one
    """
    network = network or JUDGE.network_for(x)
    logits = torch.cat([network(part).cpu().float() for part in x.split(batch_size)])
    return {name: part.softmax(1) for name, part in network.split(logits).items()}


def predicted_factors(x: Tensor, network: FaceNetwork | None = None) -> Tensor:
    """What the face network reads in each face (n, 3, 16, 16) in [0, 1]: int64 (n, 17), as `y` of the faces."""
    return torch.stack([p.argmax(1) for p in face_probabilities(x, network=network).values()], 1)


def predicted_attributes(x: Tensor, network: FaceNetwork | None = None) -> Tensor:
    """The words that the face network reads in each face (n, 3, 16, 16) in [0, 1]: int64 (n, 10), as `datasets.faces.attributes`."""
    found, read = face_probabilities(x, network=network), []
    for name, words in faces.ATTRIBUTES.items():  # how likely a word is: the sum over the values that it stands for
        read.append(torch.zeros(len(x), len(words)).index_add_(1, faces.word_index(name), found[name]).argmax(1))
    return torch.stack(read, 1)


def factor_accuracy(x: Tensor, factors: Tensor, words: bool = False, network: FaceNetwork | None = None) -> dict[str, float]:
    """For each factor the share of faces in which the face network reads what was asked for, among those where it can be seen.

    Args:
        x: (n, 3, 16, 16) in [0, 1], drawn by a model or real
        factors: what was asked for: (n, 17) as `y` of the faces, which says itself what can be seen; or words, (n, 10) as
            `datasets.faces.attributes`, where −1 is what nobody asked for. There hair counts only where no hat was asked for, behind which
            it may hide, and a hat's colour only with a hat
        words: of factors (n, 17), compare the words of the ten that captions speak of, not each drawing and shade
        network: another than the shipped one

    Returns:
        factor → accuracy; a factor that can be seen nowhere is left out

    Raises:
        ValueError: images of another size or range, or factors that are none
    """
    check_images(x, SHAPE)
    factors = torch.as_tensor(factors)
    if factors.ndim == 2 and factors.shape[1] == len(faces.ATTRIBUTES):
        asked = whole_numbers(factors, "factors", [len(words) for words in faces.ATTRIBUTES.values()], len(x)).cpu()
        seen = counted(asked)
    else:
        y = faces.rows(factors, "factors")
        asked, seen = (faces.attributes(y) if words else y), faces.visible(y, words)
    if len(x) != len(asked):
        raise ValueError(f"factors must have a row for each image of x, got {len(asked)} for {len(x)}")
    names, read = (faces.FACTORS, predicted_factors) if asked.shape[1] == len(COUNTS) else (faces.ATTRIBUTES, predicted_attributes)
    right, of = ((read(x, network) == asked) & seen).sum(0).tolist(), seen.sum(0).tolist()
    return {name: r / n for name, r, n in zip(names, right, of) if n}


def counted(attributes: Tensor) -> Tensor:
    """Which of the words that were asked for (n, 10) count, as `factor_accuracy` says."""
    asked, column = attributes != NOT_ASKED, list(faces.ATTRIBUTES).index
    hat = attributes[:, column("hat")]
    for name in ("hair", "hair_colour"):
        asked[:, column(name)] &= hat != 1
    asked[:, column("hat_colour")] &= hat == 1
    return asked


def missing_pairs(words: Tensor, among: Tensor) -> list[tuple[str, str, str, str]]:
    """The pairs of words that some face of `among` holds together and no face of `words` does: modes that a model leaves out.

    Args:
        words: (n, 10) as `datasets.faces.attributes` and `predicted_attributes` give them, −1 where a word cannot be seen
        among: (m, 10), the same of real faces

    Returns:
        (factor, word, factor, word) each, like `datasets.faces.HELD_OUT`. A hat's colour counts only with a hat

    Raises:
        ValueError: numbers that are no words
    """
    lost = held_together(among, "among") & ~held_together(words, "words")
    names = [(name, word) for name, each in faces.ATTRIBUTES.items() for word in each]
    return [(*names[i], *names[j]) for i, j in lost.nonzero().tolist()]


def held_together(words: Tensor, name: str) -> Tensor:
    """Which two words some face of (n, 10) holds, bool (words, words), each pair of factors once; ValueError, which calls them `name`."""
    counts = [len(each) for each in faces.ATTRIBUTES.values()]
    words = torch.as_tensor(words)
    words = whole_numbers(words, name, counts, len(words) if words.ndim else 0).cpu().clone()
    hat, colour = (list(faces.ATTRIBUTES).index(each) for each in ("hat", "hat_colour"))
    words[words[:, hat] != 1, colour] = NOT_ASKED
    says = torch.cat([F.one_hot(column + 1, count + 1)[:, 1:] for column, count in zip(words.T, counts)], 1).float()
    factor = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return (says.T @ says > 0) & (factor[:, None] < factor)


def obedience(draw: Callable[[Tensor], Tensor], drawn: Tensor, words: Tensor) -> dict:
    """How well a model obeys that is told words: how often they are read in what it drew for them, on average and each by itself.

    Args:
        draw: words (m, 10) → faces (m, 3, 16, 16) in [0, 1]
        drawn: faces (n, 3, 16, 16) for words (n, 10)

    Returns:
        `obeyed`, the mean of `word_accuracy`; `held_out`, the mean of `held_out_pairs`: the share of n / 10 faces in which both words of
        a pair are read that training never held together
    """
    accuracy, pairs, names = factor_accuracy(drawn, words), {}, list(faces.ATTRIBUTES)
    for pair, y in zip(faces.HELD_OUT, faces.load("held_out").y.chunk(len(faces.HELD_OUT))):
        asked, columns = faces.attributes(y[: len(words) // 10]), [names.index(pair[0]), names.index(pair[2])]
        right = (predicted_attributes(draw(asked)) == asked)[:, columns].all(1)
        pairs[f"{pair[1]} {pair[0]}, {pair[3]} {pair[2]}"] = right.float().mean().item()
    numbers = {"obeyed": sum(accuracy.values()) / len(accuracy), "held_out": sum(pairs.values()) / len(pairs)}
    return numbers | {"word_accuracy": accuracy, "held_out_pairs": pairs}


def told(draw: Callable[[Tensor], Tensor], words: Tensor) -> dict:
    """What a model is worth that is told words: `fid` with `fid_error` of the faces that it draws for them, and its `obedience`.

    Args:
        draw: words (m, 10) → faces (m, 3, 16, 16) in [0, 1], on the CPU
        words: of real faces (n, 10), so that what is asked for is as frequent as it is in the data
    """
    drawn = draw(words)
    return {"fid": face_fid(drawn), "fid_error": JUDGE.fid_error(drawn)} | obedience(draw, drawn, words)


def face_fid(x: Tensor, y: Tensor | None = None) -> Score:
    """Fréchet distance of two sets of faces in the face network's features. Fewer samples make it larger: compare at equal numbers.

    Args:
        x: (n, 3, 16, 16) in [0, 1]
        y: the same with any n; the 10,000 test faces when left out, whose moments are shipped
    """
    return JUDGE.fid(x, y)


def face_kid(x: Tensor, y: Tensor | None = None) -> Score:
    """Kernel distance of two sets of faces, `mmd` in the face network's features: unlike FID, right on average for any number of samples.

    Args:
        x: (n, 3, 16, 16) in [0, 1]
        y: the same with any m; the first 1,000 test faces when left out
    """
    return JUDGE.kid(x, y)
