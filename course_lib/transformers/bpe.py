"""Byte-pair encoding: an alphabet of pieces of words, learned from a text."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from ..datasets import ALPHABET
from ..nn import check_whole

WORDS = re.compile(r" ?\w+| ?[^\w\s]+|\s+")  # a word takes the space before it along, and no piece crosses a word


def merge(symbols: Sequence[int], pair: tuple[int, int], new: int) -> list[int]:
    """Write `new` wherever `pair` stands, from the left."""
    merged, i = [], 0
    while i < len(symbols):
        found = tuple(symbols[i : i + 2]) == pair
        merged.append(new if found else symbols[i])
        i += 2 if found else 1
    return merged


class BPE:
    """Texts as whole numbers, one for each frequent piece of a word.

    Args:
        merges: the pairs of symbols that became one, in the order in which they were learned: (merges, 2) whole numbers

    Raises:
        ValueError: merges that are no pairs of symbols learned before; where symbols are given, others than those of the pieces

    Attributes:
        pieces: what each symbol stands for; the single characters come first

    Source: Sennrich et al. 2015 (arXiv:1508.07909), algorithm 1; words kept apart as in Radford et al. 2019 (GPT-2).
    """

    def __init__(self, merges: Sequence[Sequence[int]] | Tensor, alphabet: str = ALPHABET):
        self.alphabet, self.pieces = alphabet, list(alphabet)
        if isinstance(merges, Tensor) and len(merges):
            check_whole(merges, len(alphabet) + len(merges), (2,), "pairs", "merges")
        self.merges = [(int(a), int(b)) for a, b in (merges.tolist() if isinstance(merges, Tensor) else merges)]
        for a, b in self.merges:
            if not (0 <= a < len(self.pieces) and 0 <= b < len(self.pieces)):
                raise ValueError(f"merges: {(a, b)} would join pieces of which one comes later: there are {len(self.pieces)} so far")
            self.pieces.append(self.pieces[a] + self.pieces[b])
        self.places = {character: i for i, character in enumerate(alphabet)}
        self.known: dict[str, list[int]] = {}  # words that were encoded before

    @classmethod
    def learn(cls, text: str, symbols: int, alphabet: str = ALPHABET) -> "BPE":
        """The most frequent pair of neighbours becomes one symbol, again and again, until there are so many symbols.

        Raises:
            ValueError: fewer symbols than characters, or a character outside the alphabet
        """
        if symbols < len(alphabet):
            raise ValueError(f"the alphabet has {len(alphabet)} characters: ask for at least as many symbols, got {symbols}")
        bpe = cls([], alphabet)
        bpe.check(text)
        times = Counter(WORDS.findall(text))
        cut = {word: [bpe.places[c] for c in word] for word in times}
        count: Counter = Counter()  # of each pair of neighbours
        where = defaultdict(set)  # the words that it was seen in
        for word, parts in cut.items():
            for pair in zip(parts, parts[1:]):
                count[pair] += times[word]
                where[pair].add(word)
        while len(bpe.pieces) < symbols:
            best = max(count, key=lambda pair: (count[pair], pair), default=None)
            if best is None or count[best] < 2:
                break  # nothing stands twice any more
            new = len(bpe.pieces)
            for word in where.pop(best):
                old, cut[word] = cut[word], merge(cut[word], best, new)
                for pair in zip(old, old[1:]):
                    count[pair] -= times[word]
                for pair in zip(cut[word], cut[word][1:]):
                    count[pair] += times[word]
                    where[pair].add(word)
            del count[best]
            bpe.merges.append(best)
            bpe.pieces.append(bpe.pieces[best[0]] + bpe.pieces[best[1]])
        return bpe

    def check(self, text: str) -> None:
        """Raise ValueError, which names them, if characters of the text are not in the alphabet."""
        if unknown := sorted(set(text) - self.places.keys()):
            raise ValueError(f"no symbol stands for {', '.join(map(repr, unknown))}: take it out, or learn with an alphabet that has it")

    def encode(self, text: str) -> Tensor:
        """Text → int64 (symbols,): in each word the merges are made again, in the order in which they were learned.

        Raises:
            ValueError: a character outside the alphabet
        """
        self.check(text)
        symbols: list[int] = []
        for word in WORDS.findall(text):
            if word not in self.known:
                parts = [self.places[c] for c in word]
                for new, pair in enumerate(self.merges, len(self.alphabet)):
                    if pair[0] in parts:
                        parts = merge(parts, pair, new)
                self.known[word] = parts
            symbols += self.known[word]
        return torch.tensor(symbols, dtype=torch.long)

    def decode(self, symbols: Tensor) -> str:
        """int64 (symbols,) → text."""
        check_whole(symbols, len(self.pieces), (), "symbols", "symbols")
        return "".join(self.pieces[i] for i in symbols.tolist())
