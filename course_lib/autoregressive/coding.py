"""Arithmetic coding: a model's probabilities become bytes, and the bytes the image again. In whole numbers, so it is exact."""

from bisect import bisect_right
from itertools import accumulate, count

import torch
from torch import Tensor, nn

from ..nn import check_whole
from .pixels import GatedPixelCNN
from .sampling import sample_cached

PRECISION = 20  # bits: a probability becomes a whole number of 1 / 2^PRECISION


def whole_shares(p: Tensor) -> list[list[int]]:
    """Probabilities (n, values) as whole numbers, each at least 1, that sum to 2^PRECISION in every row.

    What is left over by rounding down goes to the likeliest value. A value of probability 0 keeps a share too, so anything can be coded.

    Raises:
        ValueError: another number of axes, too many values, or rows that are no probabilities
    """
    if p.ndim != 2 or not 0 < p.shape[1] <= 2 ** (PRECISION - 4):
        raise ValueError(f"expected probabilities (n, values) of 1 to {2 ** (PRECISION - 4):,} values, got shape {tuple(p.shape)}")
    if not ((p >= 0).all() and ((p.sum(1) - 1).abs() < 1e-3).all()):
        raise ValueError("expected rows of probabilities: at least 0, with the sum 1")
    p = p.double()
    shares = 1 + (p / p.sum(1, keepdim=True) * (2**PRECISION - p.shape[1])).long()
    shares.scatter_add_(1, p.argmax(1, keepdim=True), 2**PRECISION - shares.sum(1, keepdim=True))
    return shares.tolist()


class Interval:
    """A piece of [0, 1): from low / 2^bits, of length width / 2^bits. Each symbol narrows it to that symbol's share."""

    def __init__(self):
        self.low, self.width, self.bits = 0, 1, 0

    def narrow(self, shares: list[int], symbol: int) -> None:
        """shares: whole numbers of 1 / 2^PRECISION, one for each symbol in order."""
        self.low = (self.low << PRECISION) + self.width * sum(shares[:symbol])
        self.width *= shares[symbol]
        self.bits += PRECISION

    def code(self) -> bytes:
        """The shortest bytes for which every number that begins with them lies inside: −log₂(length) bits and at most 9 more.

        No such code is the beginning of another one, so codes may follow each other in a file.
        """
        for n in count():
            spare = max(0, self.bits - 8 * n)
            first = -(-self.low >> spare)  # the lowest number of 8 n bits that is not below low
            if (first + 1) << spare <= self.low + self.width:
                return (first << max(0, 8 * n - self.bits)).to_bytes(n, "big")

    def symbol_at(self, code: bytes, shares: list[int]) -> int:
        """The symbol in whose share the number 0.code lies."""
        bits = self.bits + PRECISION
        place = ((int.from_bytes(code, "big") << bits) >> 8 * len(code)) - (self.low << PRECISION)
        return bisect_right(list(accumulate(shares)), place // self.width)


def in_order(x: Tensor) -> Tensor:
    """Images (n, colours, height, width) → their values in the order of drawing, (n, pixels)."""
    return x.permute(0, 2, 3, 1).flatten(1)


def check_coder(model: nn.Module) -> None:
    """Raise ValueError unless images can be coded with this model: it draws with a cache, and has a logit for each value."""
    if not isinstance(model, GatedPixelCNN):
        raise ValueError(f"images are coded with a GatedPixelCNN, which draws with a cache, got {type(model).__name__}")
    if model.output == "logistic":
        raise ValueError("a mixture of logistics has no logit for each value; take a bernoulli or categorical output")


def probabilities(model: nn.Module, logits: Tensor) -> Tensor:
    """Outputs (n, numbers) of a model of pixels → the probability of each value, float64 (n, values)."""
    if model.output == "bernoulli":
        on = logits.double()
        return torch.cat([(-on).sigmoid(), on.sigmoid()], 1)
    return logits.double().softmax(1)


def encode_images(model: nn.Module, x: Tensor, y: Tensor | None = None) -> list[bytes]:
    """A code for each image: −log₂ p(x) bits and at most two bytes.

    Args:
        model: a `GatedPixelCNN` with a bernoulli or categorical output
        x: whole numbers (n, *shape);  y: (n,) labels, for a model with classes: the receiver must know them too

    Raises:
        ValueError: images of another shape or other values; another kind of model, or a mixture of logistics

    Source: Witten, Neal & Cleary 1987. Theirs keeps 32 bits of the interval at a time, so that long files cost no more a symbol than
    short ones; here the interval is kept whole, so that nothing is rounded.
    """
    check_coder(model)
    check_whole(x, model.levels, model.shape)
    values, intervals = in_order(x).long(), [Interval() for _ in x]
    turns = iter(values.unbind(1))

    def known(logits, *_):
        symbols = next(turns)
        for interval, shares, symbol in zip(intervals, whole_shares(probabilities(model, logits)), symbols.tolist()):
            interval.narrow(shares, symbol)
        return symbols

    sample_cached(model, len(x), y=y, uniforms=torch.zeros(values.shape), draw=known)
    return [interval.code() for interval in intervals]


def decode_images(model: nn.Module, codes: list[bytes], y: Tensor | None = None) -> Tensor:
    """The images (n, *shape) of what `encode_images` gave: sampling, with a code where the coin was.

    Give the codes together that were made together, on the same machine: probabilities that differ in their last digit would be other
    shares, and from there on other pixels.
    """
    check_coder(model)
    intervals = [Interval() for _ in codes]

    def read(logits, *_):
        symbols = []
        for interval, shares, code in zip(intervals, whole_shares(probabilities(model, logits)), codes):
            symbols.append(interval.symbol_at(code, shares))
            interval.narrow(shares, symbols[-1])
        return torch.tensor(symbols)

    blank = torch.zeros(len(codes), in_order(torch.empty(1, *model.shape)).shape[1])
    return sample_cached(model, len(codes), y=y, uniforms=blank, draw=read)
