"""ViT: a picture as a sentence of patches, read by a transformer that looks both ways."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn import Model, images, keeps_config, labels
from .blocks import Transformer


class ViT(Model):
    """p(class | picture): patches become vectors, a learned vector in front collects what the classifier needs.

    Args:
        shape: (channels, height, width);  classes: how many
        patch: side of the patches;  width, layers, heads, dropout: of the stack

    Raises:
        ValueError: sides that are no multiples of the patch

    Source: Dosovitskiy et al. 2020 (arXiv:2010.11929).
    """

    @keeps_config
    def __init__(self, shape=(1, 28, 28), classes=10, patch=4, width=64, layers=4, heads=4, dropout=0.0):
        super().__init__()
        if shape[1] % patch or shape[2] % patch:
            raise ValueError(f"the sides must be multiples of the patch, got {shape[1]} × {shape[2]} and {patch}")
        self.shape, self.patch, self.classes = tuple(shape), patch, classes
        self.grid = shape[1] // patch, shape[2] // patch
        self.stack = Transformer(width, layers, heads, 1 + self.grid[0] * self.grid[1], "learned", dropout=dropout)
        self.embed = nn.Linear(shape[0] * patch**2, width)
        self.summary = nn.Parameter(0.02 * torch.randn(width))
        self.head = nn.Linear(width, classes)

    def logits(self, x: Tensor, seen: list | None = None) -> Tensor:
        """(batch, *shape) in [0, 1] → (batch, classes)."""
        x = images(x, self)
        words = self.embed(F.unfold(2 * x - 1, self.patch, stride=self.patch).transpose(1, 2))  # (batch, patches, width)
        words = torch.cat([self.summary.expand(len(x), 1, -1), words], 1)
        return self.head(self.stack(words, seen=seen)[:, 0])

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean of −log p(y | x), nats. y: (batch,), whole numbers from 0 to classes − 1."""
        return F.cross_entropy(self.logits(x), labels(y, len(x), self.classes, x.device))

    @torch.no_grad()
    def attention_maps(self, x: Tensor) -> Tensor:
        """Where each place looks, (layers, batch, heads, 1 + patches, 1 + patches); place 0 is the summary."""
        seen: list[Tensor] = []
        self.logits(x, seen)
        return torch.stack(seen)
