"""A convolutional network as the energy of images, trained by chains that go on where they were; with classes, a classifier read as one."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import scores
from ..datasets import to_float
from ..nn import Model, as_is, conv_encoder, images, keeps_config, labels, labels_or_drawn, normal
from .energies import slope
from .samplers import positive

langevin_step = as_is(scores.langevin_step)

FRESH = 0.05  # the share of chains that begin anew at noise in a step of training
CLIP = 0.03  # the largest entry of a gradient that chains follow: a network that is still rough would throw them out of the images


class NeuralEnergy(Model):
    """p(x) ∝ exp(−E(x)) for images x in [0, 1], with E(x) = −log Σ_y exp(f(x)_y): without classes it is −f.

    The classifier's own p(y | x) = softmax f(x) says nothing of how large all f are: that freedom is made a density of x (JEM).

    Args:
        shape: (channels, height, width), sides that can be halved twice;  width: channels of the first convolution
        classes: 0 for a plain energy
        steps: of each chain in a step of training
        step, noise: x ← x − step · ∇E + noise · ε. Langevin's walk at temperature noise² / (2 · step), far below 1, so it is short
        replay: images that chains go on from; with classes number i is of class i mod classes
        decay: of the energies' size, for only differences of energies are learned, and both would drift away

    Source: Du & Mordatch 2019 (arXiv:1903.08689); Nijkamp et al. 2019 (arXiv:1904.09770); JEM: Grathwohl et al. 2019 (arXiv:1912.03263).
    """

    @keeps_config
    def __init__(self, shape=(1, 28, 28), width=16, classes=0, steps=20, step=10.0, noise=0.005, replay=1000, decay=0.1):
        super().__init__()
        positive(steps, "steps"), positive(step, "step"), positive(noise, "noise"), positive(replay, "replay")
        self.shape, self.classes, self.steps, self.step, self.noise, self.decay = tuple(shape), classes, steps, step, noise, decay
        self.features = nn.Sequential(conv_encoder(shape, (width, 2 * width), 8 * width), nn.SiLU())
        self.head = nn.Linear(8 * width, max(1, classes))
        # bytes: eight times smaller than float64, and training that was interrupted goes on from the same images
        self.register_buffer("replay", torch.randint(256, (replay, *shape), dtype=torch.uint8))

    def f(self, x: Tensor) -> Tensor:
        return self.head(self.features(2 * x - 1))

    def logits(self, x: Tensor) -> Tensor:
        """f(x), log p(y | x) up to a constant: images (batch, *shape) in [0, 1] → (batch, classes); without classes −E(x), (batch, 1)."""
        return self.f(images(x, self))

    def energy(self, x: Tensor, y: Tensor | int | None = None) -> Tensor:
        """−log p(x) + const, or −log p(x, y) + const for labels y (batch,): images (batch, *shape) in [0, 1] → (batch,).

        Large for images unlike those of training: the score of a detector, as `metrics.auroc` takes it.
        """
        x = images(x, self)
        return self.energy_of(x, None if y is None else labels(y, len(x), self.classes, x.device))

    def energy_of(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        f = self.f(x)
        return -(f.logsumexp(1) if y is None else f.gather(1, y[:, None])[:, 0])

    @torch.no_grad()
    def walk(self, x: Tensor, steps: int, y: Tensor | None = None) -> Tensor:
        """`steps` of Langevin's walk at a low temperature, kept inside [0, 1]: x (batch, *shape)."""
        eta, temperature = self.noise**2 / 2, self.noise**2 / (2 * self.step)

        def score(x: Tensor) -> Tensor:
            return -slope(lambda x: self.energy_of(x, y), x).clamp(-CLIP, CLIP) / temperature

        for _ in range(steps):
            x = langevin_step(x, score, eta).clamp(0, 1)
        return x

    def dream(self, n: int) -> Tensor:
        """n images that chains have come to from the replay buffer; in training they take the places of those they began at."""
        rows = torch.randint(len(self.replay), (n,), device=self.replay.device)
        start = to_float(self.replay[rows]).to(self.head.weight.dtype)
        fresh = torch.rand(n, device=start.device) < FRESH
        start[fresh] = torch.rand_like(start[fresh])
        x = self.walk(start, self.steps, rows % self.classes if self.classes else None)
        if self.training:
            self.replay[rows] = (255 * x).round().to(torch.uint8)
        return x

    def loss(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """E(x) of data less E of dreams, averaged, plus decay · their squares; with classes plus −log p(y | x).

        Only its gradient has a meaning. y: labels (batch,), where there are classes.
        """
        x, y = images(x, self), labels(y, len(x), self.classes, x.device)
        if not len(x):
            raise ValueError("x must be one image or more")
        dreams = self.dream(len(x))
        noisy = (x + self.noise * normal(self, *x.shape)).clamp(0, 1)  # else the noise of the chains would give them away
        f = self.f(torch.cat([noisy, dreams]))
        real, dreamt = (-f.logsumexp(1)).split(len(x))
        loss = (real - dreamt).mean() + self.decay * (real.square() + dreamt.square()).mean()
        return loss if y is None else loss + F.cross_entropy(f[: len(x)], y)

    def sample(self, n: int, *, y: Tensor | int | None = None, steps: int = 200, start: Tensor | None = None) -> Tensor:
        """n images (n, *shape) in [0, 1] by chains from noise.

        Args:
            y: labels (n,) or one for all; drawn when left out and there are classes
            steps: of each chain
            start: images (n, *shape) in [0, 1] rather than noise
        """
        positive(steps, "steps")
        y = labels_or_drawn(y, n, self.classes, self.head.weight.device)
        x = (
            torch.rand(n, *self.shape, device=self.head.weight.device).to(self.head.weight)
            if start is None
            else images(start, self, "start")
        )
        return self.walk(x, steps, y)
