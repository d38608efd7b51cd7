"""What the networks that judge images have in common: they are shipped, and compare sets of images by their features."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .. import checkpoints
from ..datasets import Dataset, to_float
from ..nn import check_images
from .arrays import Score
from .gaussians import frechet_distance, gaussian_distance, moments
from .kernels import mmd
from .two_samples import jackknife_error


@dataclass(frozen=True)
class Judge:
    """A shipped network with `features`, and the test images that it compares with where none are given.

    Attributes:
        name, moments: the checkpoints of the network, and of the moments of all test images' features
        shape: of an image;  few: () → some test images in [0, 1]
    """

    name: str
    moments: str
    shape: tuple[int, int, int]
    few: Callable[[], Tensor]

    def network_for(self, x: Tensor, name: str = "x") -> nn.Module:
        """The network where the images x (n, *shape) are; ValueError, which calls them `name`, where they are anything else."""
        check_images(x, self.shape, name)
        return checkpoints.shipped(self.name, str(x.device))

    def enough(self, x: Tensor, name: str) -> None:
        """Raise ValueError unless x holds two images or more: one has no spread."""
        self.network_for(x, name)
        if len(x) < 2:
            raise ValueError(f"{name} must be two images or more, got {len(x)}")

    @torch.no_grad()
    def features(self, x: Tensor, batch_size: int = 500) -> Tensor:
        """(n, *shape) in [0, 1] → (n, features), in float64 on the CPU: not every device has float64."""
        network = self.network_for(x)
        return torch.cat([network.features(part).cpu().double() for part in x.split(batch_size)])

    def fid(self, x: Tensor, y: Tensor | None = None) -> Score:
        """Fréchet distance of x and y, or of x and all test images."""
        if y is not None:
            self.enough(x, "x"), self.enough(y, "y")  # here, where they have those names
            return frechet_distance(self.features(x), self.features(y))
        stored = checkpoints.tensors(self.moments)
        images = checkpoints.record(self.moments)["numbers"]["images"]
        return Score(gaussian_distance(*moments(self.features(x)), stored["mean"], stored["cov"]), len(x), images)

    def fid_error(self, x: Tensor) -> float:
        """What another draw of as many images as x would change in `fid(x)`, by leaving a tenth of them out in turn."""
        features, stored = self.features(x), checkpoints.tensors(self.moments)
        return jackknife_error(lambda a, _: gaussian_distance(*moments(a), stored["mean"], stored["cov"]), features, features)

    def kid(self, x: Tensor, y: Tensor | None = None) -> Score:
        """`mmd` of x and y, or of x and few test images."""
        if y is not None:
            self.enough(y, "y")
        self.enough(x, "x")
        return mmd(self.features(x), features_of_few(self) if y is None else self.features(y))

    def reference(self, budget, steps: int, data: Dataset, test: Dataset, seed: int) -> tuple[dict[str, Tensor], dict]:
        """A `film` of the test images' moments, and how far as many training images are from them: no sampler should do better.

        Returns:
            tensors `mean` (features,) and `cov` (features, features) in float64; numbers
        """
        mean, cov = moments(self.features(to_float(test.x)))
        floor = gaussian_distance(*moments(self.features(to_float(data.x[: len(test)]))), mean, cov)
        return {"mean": mean, "cov": cov}, {"fid_of_training_images": floor, "images": len(test)}


@functools.cache
def features_of_few(judge: Judge) -> Tensor:
    """The features of a judge's few test images, computed once."""
    return judge.features(judge.few())
