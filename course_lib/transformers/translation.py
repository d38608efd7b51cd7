"""An encoder reads a text, a decoder writes another, and looks back at the first one through cross-attention."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..datasets.pairs import END, LENGTH, LETTERS, letters
from ..nn import Model, keeps_config, whole
from .blocks import Transformer, small_weights, within_context


class Translator(Model):
    """p(target | source) of two texts of characters, each ended and filled up by the symbol `END`.

    Args:
        width, layers, heads, dropout: of the encoder, and of the decoder;  context: longest text

    Raises:
        ValueError: wherever texts are given, floats, numbers outside 0 to END, or more symbols than the context; more or fewer targets
            than sources

    Source: Vaswani et al. 2017 (arXiv:1706.03762), with the norm first.
    """

    @keeps_config
    def __init__(self, symbols=END + 1, width=128, layers=2, heads=4, context=LENGTH, positions="sinusoidal", dropout=0.0):
        super().__init__()
        self.symbols, self.end, self.context = symbols, symbols - 1, context
        self.embed = nn.Embedding(symbols + 1, width)  # the last one stands for "nothing yet"
        self.embed.apply(small_weights)
        self.encoder = Transformer(width, layers, heads, context, positions, dropout=dropout)
        self.decoder = Transformer(width, layers, heads, context, positions, cross=True, dropout=dropout)

    def read(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """The memory (batch, m, width) that the decoder looks at, and bool (batch, m): False behind the end of the text."""
        source = within_context(source, self.symbols, self.context, "source")
        told = source != self.end
        told[:, 0] = True  # an empty text is one end
        return self.encoder(self.embed(source), mask=told), told

    def head(self, h: Tensor) -> Tensor:
        """(batch, time, width) → logits (batch, time, symbols)."""
        return h @ self.embed.weight[: self.symbols].T

    def logits(self, source: Tensor, target: Tensor, seen: list | None = None) -> Tensor:
        """Texts (batch, m) and (batch, n) → logits (batch, n, symbols): each symbol of the target given those before it and the source."""
        source, target = self.pairs(source, target)
        memory, told = self.read(source)
        before = F.pad(target[:, :-1], (1, 0), value=self.symbols)
        return self.head(self.decoder(self.embed(before), causal=True, memory=memory, memory_mask=told, seen_memory=seen))

    def pairs(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Both as int64; ValueError where they are no texts, or not equally many."""
        source, target = (within_context(x, self.symbols, self.context, name) for x, name in ((source, "source"), (target, "target")))
        if len(source) != len(target) or not len(source):
            raise ValueError(f"source and target must be equally many texts, 1 or more, got {len(source)} and {len(target)}")
        return source, target

    def log_prob(self, source: Tensor, target: Tensor) -> Tensor:
        """log p(target | source) up to its first END: (batch,), nats."""
        nats = F.cross_entropy(self.logits(source, target).transpose(1, 2), target.long(), reduction="none")
        return -(nats * self.written(target)).sum(1)

    def loss(self, source: Tensor, target: Tensor) -> Tensor:
        """Mean of −log p(y_t | y_{<t}, source), nats a symbol of the target; what fills it up does not count."""
        source, target = self.pairs(source, target)
        used = int(self.written(target).sum(1).max())  # nobody need compute what lies behind every end
        source = source[:, : int((source != self.end).sum(1).max()) + 1]
        return -self.log_prob(source, target[:, :used]).sum() / self.written(target).sum()

    def written(self, target: Tensor) -> Tensor:
        """bool (batch, n): the text and the END that ends it, not those that fill up."""
        return F.pad(target[:, :-1] != self.end, (1, 0), value=True)

    @torch.no_grad()
    def greedy(self, source: Tensor, length: int | None = None) -> Tensor:
        """The likeliest symbol each time, up to END: (batch, m) → int64 (batch, n), filled up with END."""
        length = min(length or self.context, self.context)
        memory, told = self.read(source)
        cache = self.decoder.new_cache(len(source), length)
        new = torch.full_like(source[:, :1].long(), self.symbols)
        written = []
        for _ in range(length):
            h = self.decoder(self.embed(new), causal=True, memory=memory, memory_mask=told, cache=cache)
            new = self.head(h).argmax(-1)
            if written:
                new = torch.where(written[-1] == self.end, self.end, new)
            written.append(new)
            if (new == self.end).all():
                break
        return torch.cat(written, 1)

    def translate(self, texts: Sequence[str]) -> list[str]:
        """Texts that begin with what is asked for, such as "fr:ninety-two" → their translations.

        Raises:
            ValueError: an empty text, one that is too long, or a character that is not in `LETTERS`
        """
        source = torch.tensor([letters(text, self.context) for text in texts], device=self.embed.weight.device)
        return ["".join(LETTERS[i] for i in row if i != self.end) for row in self.greedy(source).tolist()]

    @torch.no_grad()
    def cross_attention(self, source: str, target: str) -> Tensor:
        """Where the decoder looks for each symbol of the target, its END too: (layers, heads, len(target) + 1, len(source))."""
        x, y = (torch.tensor([letters(t, len(t) + 1)], device=self.embed.weight.device) for t in (source, target))
        seen: list[Tensor] = []
        self.logits(x, y, seen)
        return torch.cat(seen)[..., : len(source)]


def exact_matches(model: Translator, source: Tensor, target: Tensor, batch: int = 500) -> Tensor:
    """bool (n,): whether the greedy translation is the target, character by character."""
    target = whole(target, model.symbols, "texts", "target")  # what fills it up may reach beyond the context
    if len(source) != len(target) or not len(source):
        raise ValueError(f"source and target must be equally many texts, 1 or more, got {len(source)} and {len(target)}")
    right = []
    for x, y in zip(source.split(batch), target.split(batch)):
        made = model.greedy(x)
        length = max(made.shape[1], y.shape[1])
        made, y = (F.pad(text, (0, length - text.shape[1]), value=model.end) for text in (made, y))
        right.append((made == y).all(1))
    return torch.cat(right)
