"""The digit network: a small classifier whose features say how alike two sets of digits are."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import checkpoints, datasets
from ..nn import as_weights, check_images, keeps_config, labels
from .arrays import Score
from .judges import Judge


class DigitNetwork(nn.Module):
    """A convolutional classifier of 28×28 digits. The layer before the last is what FID and its relatives compare.

    Args:
        width: channels of the first convolution;  features: size of the layer before the last
    """

    @keeps_config
    def __init__(self, width=32, features=64):
        super().__init__()

        def block(a: int, b: int, size: int, stride: int = 1) -> list[nn.Module]:
            return [nn.Conv2d(a, b, size, stride, size // 2, bias=False), nn.BatchNorm2d(b), nn.ReLU()]

        self.body = nn.Sequential(
            *(*block(1, width, 5, 2), *block(width, width, 3), nn.MaxPool2d(2)),
            *block(width, 2 * width, 3),
            *(nn.Flatten(), nn.Linear(2 * width * 49, features), nn.ReLU(), nn.Dropout(0.3)),
        )
        self.head = nn.Linear(features, 10)

    def features(self, x: Tensor) -> Tensor:
        """(batch, 1, 28, 28) in [0, 1] → (batch, features)."""
        check_images(x, (1, 28, 28))
        return self.body(as_weights(x, self, "x"))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the ten digits, (batch, 10)."""
        return self.head(self.features(x))

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy, nats. While it trains, images are moved by up to two pixels, each batch its own way."""
        check_images(x, (1, 28, 28))
        y = labels(y, len(x), 10, x.device)
        if self.training:
            x = torch.roll(x, (int(torch.randint(-2, 3, ())), int(torch.randint(-2, 3, ()))), (2, 3))
        return F.cross_entropy(self(x), y)


JUDGE = Judge("digit_network", "digit_moments", (1, 28, 28), lambda: datasets.load("mnist_small", "test").images())
network_for = JUDGE.network_for


def digit_network(device: str = "cpu") -> DigitNetwork:
    """The shipped digit network, loaded once."""
    return checkpoints.shipped(JUDGE.name, device)


def digit_features(x: Tensor, batch_size: int = 500) -> Tensor:
    """(n, 1, 28, 28) in [0, 1] → (n, 64) features of the digit network, in float64 on the CPU."""
    return JUDGE.features(x, batch_size)


@torch.no_grad()
def predicted_digits(x: Tensor, batch_size: int = 500) -> Tensor:
    """What the digit network takes each image for, (n,)."""
    network = network_for(x)
    return torch.cat([network(part).argmax(1) for part in x.split(batch_size)])


@torch.no_grad()
def digit_probabilities(x: Tensor, batch_size: int = 500) -> Tensor:
    """How likely the digit network finds each digit, (n, 10), in float64 on the CPU: what `inception_score` takes."""
    network = network_for(x)
    return torch.cat([network(part).cpu().double().softmax(1) for part in x.split(batch_size)])


@torch.no_grad()
def draw(model, n: int, batch_size: int = 500, y: Tensor | None = None) -> Tensor:
    """n samples, a few at a time; of a model with classes, equally many of each. One that is told several labels draws them itself.

    y: what a model with classes is asked for, a label or a row of them for each sample; others do not hear it
    """
    classes = getattr(model, "classes", 0)
    if y is None and isinstance(classes, int) and classes:
        y = torch.arange(n) % classes
    if y is None or not classes:
        return torch.cat([model.sample(len(part)) for part in torch.arange(n).split(batch_size)])
    return torch.cat([model.sample(len(part), y=part) for part in y.split(batch_size)])


def class_accuracy(x: Tensor, y: Tensor) -> float:
    """The share of images (n, 1, 28, 28) that the digit network takes for the digits asked for, y (n,)."""
    y = labels(y, len(x), 10, "cpu")
    return (predicted_digits(x).cpu() == y).float().mean().item()


def class_shares(x: Tensor) -> Tensor:
    """The share of each digit among images, (10,), by the digit network."""
    return torch.bincount(predicted_digits(x), minlength=10) / len(x)


def digit_fid(x: Tensor, y: Tensor | None = None) -> Score:
    """Fréchet distance of two sets of digits in the digit network's features. Fewer samples make it larger: compare at equal numbers.

    Args:
        x: (n, 1, 28, 28) in [0, 1]
        y: the same with any n; MNIST's 10,000 test images when left out, whose moments are shipped
    """
    return JUDGE.fid(x, y)


def digit_kid(x: Tensor, y: Tensor | None = None) -> Score:
    """Kernel distance of two sets of digits, `mmd` in the digit network's features: unlike FID, right on average for any number of samples.

    Args:
        x: (n, 1, 28, 28) in [0, 1]
        y: the same with any m; the 1,000 test images of `mnist_small` when left out
    """
    return JUDGE.kid(x, y)
