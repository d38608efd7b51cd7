"""Attention, positions, and the one block that every model of this topic is a stack of."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn import tensors, whole

POSITIONS = ("learned", "sinusoidal", "rotary", "none")


@tensors(masks="mask")
def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """softmax(QKᵀ / √d) V, and the softmax itself: for each query the weighted mean of the values.

    Args:
        q: queries (…, m, d);  k: keys (…, n, d);  v: values (…, n, e)
        mask: bool, broadcast to (…, m, n); True where a query may look

    Returns:
        (…, m, e), and the weights (…, m, n), which sum to 1 over the n keys

    Source: Vaswani et al. 2017 (arXiv:1706.03762), equation 1.
    """
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (…, m, n)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    weights = scores.softmax(-1)
    return weights @ v, weights


def causal_mask(queries: int, keys: int | None = None) -> Tensor:
    """True where a query may look: at its own place and those before. With more keys than queries, the queries are the last ones.

    Returns:
        bool (queries, keys)
    """
    keys = queries if keys is None else keys
    return torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)


def sinusoidal_positions(length: int, width: int) -> Tensor:
    """A clock with many hands for each position: (length, width), sines in the even columns and cosines in the odd ones.

    The wavelengths grow from 2π towards 20,000π.

    Raises:
        ValueError: an odd width

    Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.5.
    """
    if width % 2:
        raise ValueError(f"sines and cosines come in pairs: width must be even, got {width}")
    angle = torch.arange(length)[:, None] * 10_000.0 ** (-torch.arange(0, width, 2) / width)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


def rotary(x: Tensor, start: int = 0) -> Tensor:
    """Turn each pair of entries (x₁, x₂) by an angle that grows with the position: (…, time, d) → the same, d even.

    Then the product of a query and a key depends on how far apart they are, and not on where. start: position of the first.

    Raises:
        ValueError: an odd d, or x that are no floats

    Source: Su et al. 2021 (arXiv:2104.09864), equation 34.
    """
    if x.ndim < 2 or x.shape[-1] % 2 or not x.is_floating_point():
        raise ValueError(f"rotary turns pairs of floats: x must be (…, time, d) with an even d, got {x.dtype} of shape {tuple(x.shape)}")
    half = x.shape[-1] // 2
    position = torch.arange(start, start + x.shape[-2], device=x.device, dtype=torch.float32)[:, None]
    angle = position * 10_000.0 ** (-torch.arange(half, device=x.device) / half)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


@dataclass
class KVCache:
    """The keys and values that one attention layer has computed so far, in memory that is set aside once.

    keys, values: (batch, heads, room, d), of which the first `length` places are filled
    """

    keys: Tensor
    values: Tensor
    length: int = 0

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Keep new keys and values (batch, heads, time, d); all those kept so far are returned."""
        end = self.length + k.shape[2]
        self.keys[:, :, self.length : end], self.values[:, :, self.length : end] = k, v
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    @property
    def bytes(self) -> int:
        """Memory of the whole cache."""
        return 2 * self.keys.numel() * self.keys.element_size()


class Attention(nn.Module):
    """Several attentions side by side, each in its own d = width / heads dimensions: (batch, time, width) → the same.

    Args:
        heads: how many;  rotary: positions enter by turning queries and keys
        cross: keys and values come from another sequence, the memory

    Raises:
        ValueError: a width that is no multiple of heads
    """

    def __init__(self, width: int, heads: int, rotary: bool = False, cross: bool = False):
        super().__init__()
        if width % heads:
            raise ValueError(f"width must be a multiple of heads, got {width} and {heads}")
        self.heads, self.rotary, self.cross = heads, rotary, cross
        self.into = nn.Linear(width, width if cross else 3 * width)  # one product of matrices for queries, keys and values
        self.memory = nn.Linear(width, 2 * width) if cross else None
        self.out = nn.Linear(width, width)

    def split(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        """(batch, time, parts · width) → parts times (batch, heads, time, d)."""
        return x.unflatten(2, (parts, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)

    def forward(self, x, causal=False, memory=None, mask=None, cache=None, seen: list | None = None) -> Tensor:
        """Let every place of x look around, and add up what it finds.

        Args:
            causal: each place looks at itself and at what came before
            memory: (batch, n, width), for cross-attention;  mask: bool (batch, n), False at places of the keys that hold nothing
            cache: a `KVCache` of the places before x, to which x is added
            seen: a list to which the weights (batch, heads, m, n) are appended
        """
        if self.cross:
            (q,), (k, v) = self.split(self.into(x), 1), self.split(self.memory(memory), 2)
        else:
            q, k, v = self.split(self.into(x), 3)
        if self.rotary:
            start = cache.length if cache else 0
            q, k = rotary(q, start), rotary(k, start)
        if cache:
            k, v = cache.append(k, v)
        m, n = q.shape[2], k.shape[2]
        look = None if mask is None else mask[:, None, None, :]
        if causal and m > 1 and (m < n or look is not None or seen is not None):
            past = causal_mask(m, n).to(x.device)
            look, causal = past if look is None else look & past, False
        if seen is None:  # the same, without ever keeping the m × n weights
            h = F.scaled_dot_product_attention(q, k, v, look, is_causal=causal and m > 1)
        else:
            h, weights = attention(q, k, v, look)
            seen.append(weights.detach())
        return self.out(h.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Look around, then think: x ← x + Attention(Norm(x)), x ← x + MLP(Norm(x)), with a look at a memory in between if `cross`.

    Source: the order "norm first" is that of Radford et al. 2019 (GPT-2), section 2.3; Xiong et al. 2020 (arXiv:2002.04745) say why.
    """

    def __init__(self, width: int, heads: int, rotary: bool = False, cross: bool = False, dropout: float = 0.0):
        super().__init__()
        self.attention, self.norm = Attention(width, heads, rotary), nn.LayerNorm(width)
        self.cross, self.cross_norm = (Attention(width, heads, cross=True), nn.LayerNorm(width)) if cross else (None, None)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, causal=False, mask=None, memory=None, memory_mask=None, cache=None, seen=None, seen_memory=None) -> Tensor:
        x = x + self.dropout(self.attention(self.norm(x), causal, mask=mask, cache=cache, seen=seen))
        if self.cross:
            x = x + self.dropout(self.cross(self.cross_norm(x), memory=memory, mask=memory_mask, seen=seen_memory))
        return x + self.dropout(self.mlp(x))


class Transformer(nn.Module):
    """A stack of blocks over vectors: (batch, time, width) → the same, after a last norm.

    Args:
        width: of the vectors;  layers: blocks;  heads: of each attention;  context: longest sequence
        positions: "learned" and "sinusoidal" are added to the input, "rotary" turns queries and keys; "none" makes order invisible
        cross: the blocks look at a memory too

    Raises:
        ValueError: unknown positions, or a sequence longer than the context
    """

    def __init__(self, width=128, layers=4, heads=4, context=128, positions="learned", cross=False, dropout=0.0):
        super().__init__()
        if positions not in POSITIONS:
            raise ValueError(f"unknown positions {positions!r}; choose one of {', '.join(POSITIONS)}")
        self.width, self.heads, self.context = width, heads, context
        fixed = sinusoidal_positions(context, width) if positions == "sinusoidal" else None
        self.register_buffer("fixed", fixed, persistent=False)
        self.learned = nn.Parameter(0.02 * torch.randn(context, width)) if positions == "learned" else None
        self.blocks = nn.ModuleList(Block(width, heads, positions == "rotary", cross, dropout) for _ in range(layers))
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
        self.apply(small_weights)
        for name, weight in self.named_parameters():
            if name.endswith(("out.weight", "mlp.3.weight")):  # what is added up: 2 · layers such terms keep the size of one
                nn.init.normal_(weight, std=0.02 / math.sqrt((3 if cross else 2) * layers))

    def forward(self, x, causal=False, mask=None, memory=None, memory_mask=None, cache=None, seen=None, seen_memory=None) -> Tensor:
        """See `Attention.forward`; cache: one `KVCache` a layer, as `new_cache` makes them."""
        start = cache[0].length if cache else 0
        if start + x.shape[1] > self.context:
            raise ValueError(f"{start + x.shape[1]} places do not fit into a context of {self.context}: cut the sequence")
        added = self.fixed if self.learned is None else self.learned
        if added is not None:
            x = x + added[start : start + x.shape[1]]
        x = self.dropout(x)
        for i, block in enumerate(self.blocks):
            x = block(x, causal, mask, memory, memory_mask, cache[i] if cache else None, seen, seen_memory)
        return self.norm(x)

    def new_cache(self, n: int, room: int | None = None) -> list[KVCache]:
        """Empty caches for n sequences of up to `room` places; the whole context when left out."""
        weight = self.norm.weight
        size = (n, self.heads, room or self.context, self.width // self.heads)
        return [KVCache(weight.new_zeros(size), weight.new_zeros(size)) for _ in self.blocks]


def within_context(x: Tensor, symbols: int, context: int, name: str = "x") -> Tensor:
    """Texts (batch, time) as int64; ValueError where they are empty, longer than the context, or not of 0 to symbols − 1."""
    x = whole(x, symbols, "texts", name)
    if not 0 < x.shape[1] <= context:
        raise ValueError(f"{name}: texts have 1 to {context} symbols, the context, and this {x.shape[1]}: cut longer ones to pieces")
    return x


def small_weights(module: nn.Module) -> None:
    """The initial values of GPT-2: N(0, 0.02²) for products and embeddings, 0 for biases."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
