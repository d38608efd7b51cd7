"""GPT: p(x_t | x_{<t}) of symbols by a causal transformer; and the same for pictures."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import distributions
from ..datasets import ALPHABET
from ..distributions import uniforms_for
from ..nn import Model, as_is, check_shape, check_start, check_whole, checked, keeps_config, tensors
from .blocks import Transformer, small_weights, within_context
from .bpe import BPE

categorical_sample = as_is(distributions.categorical_sample)


class GPT(Model):
    """A decoder-only transformer: it reads what was written so far, and says what comes next.

    Args:
        symbols: size of the alphabet;  width, layers, heads, dropout: of the stack
        context: symbols that a prediction can depend on;  positions: see `Transformer`

    The vectors that symbols are read by are those that they are recognised by (weight tying).

    Raises:
        ValueError: wherever texts are given, floats, numbers outside 0 to symbols − 1, or more symbols than the context

    Source: Radford et al. 2018 and 2019 (GPT, GPT-2); weight tying: Press & Wolf 2016 (arXiv:1608.05859).
    """

    @keeps_config
    def __init__(self, symbols: int, width=128, layers=4, heads=4, context=128, positions="rotary", dropout=0.0):
        super().__init__()
        self.symbols, self.context = symbols, context
        self.embed = nn.Embedding(symbols + 1, width)  # the last one stands for "nothing yet"
        self.embed.apply(small_weights)
        self.stack = Transformer(width, layers, heads, context, positions, dropout=dropout)

    def head(self, h: Tensor) -> Tensor:
        """(batch, time, width) → logits (batch, time, symbols): how well each symbol's vector fits."""
        return h @ self.embed.weight[: self.symbols].T

    def before(self, x: Tensor) -> Tensor:
        """Each place holds the symbol before it; the first "nothing yet"."""
        return F.pad(x[:, :-1], (1, 0), value=self.symbols)

    def logits(self, x: Tensor) -> Tensor:
        """(batch, time) → logits of each symbol given those before it, (batch, time, symbols)."""
        return self.head(self.stack(self.embed(self.before(within_context(x, self.symbols, self.context))), causal=True))

    def log_prob(self, x: Tensor) -> Tensor:
        """(batch, time) → (batch,), nats."""
        return -F.cross_entropy(self.logits(x).transpose(1, 2), x.long(), reduction="none").sum(1)

    def loss(self, x: Tensor) -> Tensor:
        """Mean of −log p(x_t | x_{<t}), nats a symbol."""
        return F.cross_entropy(self.logits(x).flatten(0, 1), x.long().flatten())

    @torch.no_grad()
    def attention_maps(self, x: Tensor) -> Tensor:
        """Where each place looks, (layers, batch, heads, time, time): the weights of query i sum to 1 over the keys j ≤ i.

        Place i holds the symbol before x_i, and place 0 "nothing yet": row i is what x_i is predicted from.
        """
        seen: list[Tensor] = []
        self.stack(self.embed(self.before(within_context(x, self.symbols, self.context))), causal=True, seen=seen)
        return torch.stack(seen)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        length: int,
        *,
        temperature: float = 1.0,
        keep: Callable[[Tensor], Tensor] = lambda logits: logits,
        start: Tensor | None = None,
        uniforms: Tensor | None = None,
    ) -> Tensor:
        """n texts (n, length), int64, each symbol in one pass over itself alone: keys and values of those before it are kept.

        A text longer than the context goes on from its second half, read anew.

        Args:
            keep: logits → logits, such as `top_k` or `nucleus`; they are divided by the temperature before
            start: symbols (n, k) or (1, k) to go on from; they are the first of the length
            uniforms: (n, length), one for each draw; drawn when left out
        """
        uniforms = uniforms_for(self, n, length, temperature, uniforms)
        x = torch.full((n, 1), self.symbols, device=uniforms.device)  # with "nothing yet" in front
        start = check_start(start, n, self.symbols, "texts", uniforms.device)
        if start is not None:
            x = torch.cat([x, start[:, :length]], 1)
        cache, new = None, x
        while x.shape[1] <= length:
            if cache is None or cache[0].length + new.shape[1] > self.context:
                fits = cache is None and x.shape[1] <= self.context
                cache = self.stack.new_cache(n, min(self.context, length))
                new = x if fits else torch.cat([x[:, :1], x[:, -(self.context // 2) :]], 1)  # "nothing yet" first, as in training
            logits = self.head(self.stack(self.embed(new), causal=True, cache=cache)[:, -1])
            new = categorical_sample(uniforms[:, x.shape[1] - 1], keep(logits / temperature))[:, None]
            x = torch.cat([x, new], 1)
        return x[:, 1:]

    @torch.no_grad()
    def sample_naive(self, n: int, length: int, *, temperature: float = 1.0, uniforms: Tensor | None = None) -> Tensor:
        """The same texts as `sample` up to the context, all that came before read again for every symbol."""
        uniforms = uniforms_for(self, n, length, temperature, uniforms)
        x = torch.zeros(n, length, dtype=torch.long, device=uniforms.device)
        for t in range(length):
            logits = self.logits(x[:, : t + 1])[:, -1]  # of symbol t, whatever stands there now
            x[:, t] = categorical_sample(uniforms[:, t], logits / temperature)
        return x


class PieceGPT(GPT):
    """A GPT over pieces of words; it carries the BPE that it was trained with.

    Args:
        symbols: the characters of `ALPHABET` and the pieces learned;  the others: as for `GPT`
    """

    @keeps_config
    def __init__(self, symbols: int = 512, width=128, layers=4, heads=4, context=128, positions="rotary", dropout=0.0):
        super().__init__(symbols, width, layers, heads, context, positions, dropout)
        self.register_buffer("merges", torch.zeros(symbols - len(ALPHABET), 2, dtype=torch.long))

    @property
    def bpe(self) -> BPE:
        """What cuts a text into symbols."""
        return BPE(self.merges.tolist())


@tensors(whole="x")
def patches(x: Tensor, size: Sequence[int], levels: int) -> Tensor:
    """Pictures as words: each patch of whole numbers is one symbol. No information is lost, so log p stays that of the pixels.

    Args:
        x: (batch, 1, height, width), whole numbers from 0 to levels − 1;  size: (rows, columns) of a patch

    Returns:
        int64 (batch, patches), from 0 to levels^(rows · columns) − 1, row by row
    """
    check_whole(x, levels, (1, *x.shape[2:]))
    cut = x.long().unflatten(3, (-1, size[1])).unflatten(2, (-1, size[0]))[:, 0]  # (batch, down, rows, across, columns)
    digits = cut.transpose(2, 3).flatten(3)
    weights = levels ** torch.arange(digits.shape[-1], device=x.device)
    return (digits * weights).sum(-1).flatten(1)


@tensors(whole="symbols")
def from_patches(symbols: Tensor, shape: Sequence[int], size: Sequence[int], levels: int) -> Tensor:
    """The inverse of `patches`: (batch, patches) → (batch, *shape), int64."""
    check_whole(symbols, levels ** (size[0] * size[1]), symbols.shape[1:], "symbols", "symbols")
    digits = symbols.long()[..., None] // levels ** torch.arange(size[0] * size[1], device=symbols.device) % levels
    down, across = shape[1] // size[0], shape[2] // size[1]
    return digits.view(-1, down, across, *size).transpose(2, 3).reshape(-1, *shape)


class ImageGPT(Model):
    """p(x) of a picture of whole numbers, patch after patch by a GPT.

    Args:
        shape: (1, height, width);  levels: values of a pixel;  patch: (rows, columns) that are one symbol: (1, 1) is the paper's

    Raises:
        ValueError: sides that are no multiples of the patch, or more than 4,096 symbols

    Source: Chen et al. 2020 (iGPT), section 2; theirs has single pixels of 512 colours.
    """

    @keeps_config
    def __init__(self, shape=(1, 28, 28), levels=2, patch=(2, 2), width=128, layers=4, heads=4):
        super().__init__()
        self.shape, self.levels, self.patch = tuple(shape), levels, tuple(patch)
        if shape[0] != 1 or shape[1] % patch[0] or shape[2] % patch[1] or levels ** (patch[0] * patch[1]) > 4096:
            raise ValueError(f"patches of {tuple(patch)} must tile a grey picture and have at most 4,096 values, got {tuple(shape)}")
        places = shape[1] * shape[2] // (patch[0] * patch[1])
        self.gpt = GPT(levels ** (patch[0] * patch[1]), width, layers, heads, places, "learned")

    def words(self, x: Tensor) -> Tensor:
        """(batch, *shape) → symbols (batch, patches)."""
        check_whole(x, self.levels, self.shape)
        return patches(x, self.patch, self.levels)

    def log_prob(self, x: Tensor) -> Tensor:
        """(batch, *shape) → (batch,), nats."""
        return self.gpt.log_prob(self.words(x))

    def loss(self, x: Tensor) -> Tensor:
        """−log p(x), nats a picture, averaged over the batch."""
        return -self.log_prob(x).mean()

    @torch.no_grad()
    def sample(self, n: int, *, temperature: float = 1.0, given: Tensor | None = None, uniforms: Tensor | None = None) -> Tensor:
        """n pictures (n, *shape), int64. given: the first rows of a picture, (1 or n, 1, rows, width), to go on from.

        Raises:
            ValueError: rows that end within a patch, or that are no rows of pictures of this model
        """
        start = None
        if given is not None:
            rows = checked(given, "given", finite=False).shape[2] if given.ndim == 4 else 0
            check_shape(given, (1, rows, self.shape[2]), "rows of pictures", "given")
            if len(given) not in (1, n) or rows > self.shape[1]:
                raise ValueError(f"given: expected up to {self.shape[1]} rows of {n} pictures or of one, got {tuple(given.shape)}")
            if given.shape[2] % self.patch[0]:
                raise ValueError(f"rows are given in bands of {self.patch[0]}, got {given.shape[2]}")
            check_whole(given, self.levels, given.shape[1:], name="given")
            start = patches(given, self.patch, self.levels)
        symbols = self.gpt.sample(n, self.gpt.context, temperature=temperature, start=start, uniforms=uniforms)
        return from_patches(symbols, self.shape, self.patch, self.levels)
