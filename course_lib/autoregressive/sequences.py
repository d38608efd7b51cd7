"""Models of sequences: WaveNet for sound, an LSTM and counts for text. (The transformer has a lecture of its own.)"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import distributions
from ..distributions import uniforms_for
from ..nn import Model, as_is, check_start, checked, keeps_config, whole
from .layers import CausalConv1d, gate

categorical_sample = as_is(distributions.categorical_sample)


class WaveNet(Model):
    """p(x_t | x_{<t}) of sound in whole numbers, by dilated causal convolutions with gates and shortcuts.

    Args:
        levels: values of a sample, after μ-law;  width: channels;  dilations: one gated layer for each

    The receptive field is 1 + Σ dilations samples of the past.

    Raises:
        ValueError: wherever sounds are given, floats or numbers outside 0 to levels − 1

    Source: van den Oord et al. 2016 (arXiv:1609.03499).
    """

    @keeps_config
    def __init__(self, levels=256, width=32, dilations=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512)):
        super().__init__()
        self.levels, self.dilations = levels, tuple(dilations)
        self.embed = nn.Embedding(levels, width)
        self.filters = nn.ModuleList(CausalConv1d(width, 2 * width, 2, d) for d in dilations)
        self.mix = nn.ModuleList(nn.Conv1d(width, 2 * width, 1) for _ in dilations)  # one half goes on, the other to the output
        self.head = nn.Sequential(nn.ReLU(), nn.Conv1d(width, width, 1), nn.ReLU(), nn.Conv1d(width, levels, 1))

    @property
    def receptive_field(self) -> int:
        """How many past samples a prediction can depend on."""
        return 1 + sum(self.dilations)

    def logits(self, x: Tensor) -> Tensor:
        """Whole numbers (batch, time) → logits of each given those before it, (batch, levels, time)."""
        x = whole(x, self.levels, "sounds")
        h = F.pad(self.embed(x[:, :-1]).transpose(1, 2), (1, 0))  # the first is predicted from nothing
        skips = 0.0
        for filter, mix in zip(self.filters, self.mix):
            onward, skip = mix(gate(filter(h))).chunk(2, 1)
            h, skips = h + onward, skips + skip
        return self.head(skips)

    def log_prob(self, x: Tensor) -> Tensor:
        """(batch, time) → (batch,), nats."""
        return -F.cross_entropy(self.logits(x), x.long(), reduction="none").sum(1)

    def loss(self, x: Tensor) -> Tensor:
        """Mean of −log p(x_t | x_{<t}), nats a sample of sound."""
        return F.cross_entropy(self.logits(x), x.long())

    @torch.no_grad()
    def sample(self, n: int, length: int, *, temperature: float = 1.0, uniforms: Tensor | None = None) -> Tensor:
        """n sounds (n, length), one step at a time, each layer with a ring of its last inputs. uniforms: (n, length), one for each draw.

        A ring holds `dilation` entries. At step t the entry at t mod dilation is the one that is `dilation` steps old: it is read, then
        overwritten. Nothing is ever moved.

        Source: Le Paine et al. 2016 (arXiv:1611.09482).
        """
        uniforms = uniforms_for(self, n, length, temperature, uniforms)
        x = torch.zeros(n, length, dtype=torch.long, device=uniforms.device)
        h = self.embed.weight.new_zeros(n, self.embed.embedding_dim, 1)
        rings = [h.new_zeros(d, *h.shape) for d in self.dilations]
        for t in range(length):
            skips = 0.0
            for ring, filter, mix in zip(rings, self.filters, self.mix):
                old = ring[t % len(ring)]  # what this layer was given `dilation` steps ago
                both = F.conv1d(torch.cat([old, h], 2), filter.weight, filter.bias)
                old.copy_(h)
                onward, skip = mix(gate(both)).chunk(2, 1)
                h, skips = h + onward, skips + skip
            x[:, t] = categorical_sample(uniforms[:, t], self.head(skips)[:, :, 0] / temperature)
            h = self.embed(x[:, t])[:, :, None]
        return x

    @torch.no_grad()
    def sample_fast(self, n: int, length: int, *, temperature: float = 1.0, uniforms: Tensor | None = None) -> Tensor:
        """The same sounds as `sample`, in less than half of the time: every convolution as one product of matrices."""
        uniforms = uniforms_for(self, n, length, temperature, uniforms)
        width = self.embed.embedding_dim
        rings = [self.embed.weight.new_zeros(d, n, width) for d in self.dilations]
        # both taps of a filter: (2 · width, 2 · width), the older first
        filters = [(f.weight.permute(2, 1, 0).reshape(2 * width, -1).contiguous(), f.bias) for f in self.filters]
        mixes = [(m.weight[:, :, 0].T.contiguous(), m.bias) for m in self.mix]
        first, second = ((m.weight[:, :, 0].T.contiguous(), m.bias) for m in (self.head[1], self.head[3]))
        x = torch.zeros(n, length, dtype=torch.long, device=uniforms.device)
        h = rings[0].new_zeros(n, width)
        for t in range(length):
            skips = 0.0
            for ring, (weight, bias), (out, out_bias) in zip(rings, filters, mixes):
                slot = t % len(ring)
                both = torch.addmm(bias, torch.cat([ring[slot], h], 1), weight)
                ring[slot] = h
                onward, skip = torch.addmm(out_bias, gate(both), out).chunk(2, 1)
                h, skips = h + onward, skips + skip
            logits = torch.addmm(second[1], F.relu(torch.addmm(first[1], F.relu(skips), first[0])), second[0])
            x[:, t] = categorical_sample(uniforms[:, t], logits / temperature)
            h = self.embed(x[:, t])
        return x


class LSTM(nn.LSTM):
    """torch's, in full precision on a CPU: not every processor has it in bfloat16."""

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        if x.device.type != "cpu":
            return super().forward(x, state)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.to(self.weight_ih_l0), state)


class CharLSTM(Model):
    """p(x_t | x_{<t}) of symbols by an LSTM, trained by teacher forcing or, for a share of the steps, on its own guesses.

    Args:
        symbols: size of the alphabet;  width, layers: of the LSTM

    Raises:
        ValueError: wherever texts are given, floats or numbers outside 0 to symbols − 1

    Source: Graves 2013 (arXiv:1308.0850); scheduled sampling: Bengio et al. 2015 (arXiv:1506.03099).
    """

    @keeps_config
    def __init__(self, symbols: int, width: int = 128, layers: int = 1):
        super().__init__()
        self.symbols = symbols
        self.embed = nn.Embedding(symbols + 1, width)  # the last one stands for "nothing yet"
        self.lstm = LSTM(width, width, layers, batch_first=True)
        self.head = nn.Linear(width, symbols)

    def before(self, x: Tensor) -> Tensor:
        """Each place holds the symbol before it; the first "nothing yet"."""
        return F.pad(x[:, :-1], (1, 0), value=self.symbols)

    def logits(self, x: Tensor) -> Tensor:
        """(batch, time) → logits of each symbol given those before it, (batch, time, symbols)."""
        x = whole(x, self.symbols, "texts")
        return self.head(self.lstm(self.embed(self.before(x)))[0])

    def log_prob(self, x: Tensor) -> Tensor:
        """(batch, time) → (batch,), nats."""
        return -F.cross_entropy(self.logits(x).transpose(1, 2), x.long(), reduction="none").sum(1)

    def loss(self, x: Tensor, own: float = 0.0) -> Tensor:
        """Mean of −log p(x_t | what came before), nats a symbol. own: the share of the inputs that are the model's own guesses."""
        if not 0 <= own <= 1:
            raise ValueError(f"own is a share from 0 to 1, got {own}")
        x = whole(x, self.symbols, "texts")
        if not own:
            return F.cross_entropy(self.logits(x).transpose(1, 2), x)
        seen, state, total = torch.full_like(x[:, :1], self.symbols), None, 0.0
        for t in range(x.shape[1]):
            out, state = self.lstm(self.embed(seen), state)
            logits = self.head(out[:, 0])
            total = total + F.cross_entropy(logits, x[:, t])
            guess = torch.multinomial(logits.detach().softmax(1), 1)
            seen = torch.where(torch.rand(len(x), 1, device=x.device) < own, guess, x[:, t : t + 1])
        return total / x.shape[1]

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
        """n texts (n, length), int64.

        Args:
            keep: logits → logits, such as `top_k` or `nucleus`; they are divided by the temperature before
            start: symbols (n, k) or (1, k) to go on from; they are the first of the length
            uniforms: (n, length), one for each draw; drawn when left out
        """
        uniforms = uniforms_for(self, n, length, temperature, uniforms)
        start = check_start(start, n, self.symbols, "texts", uniforms.device)
        seen, state = torch.full((n, 1), self.symbols, device=uniforms.device), None
        drawn = []
        for t in range(length):
            out, state = self.lstm(self.embed(seen), state)
            if start is not None and t < start.shape[1]:
                seen = start[:, t : t + 1].expand(n, 1)
            else:
                seen = categorical_sample(uniforms[:, t], keep(self.head(out[:, 0]) / temperature))[:, None]
            drawn.append(seen)
        return torch.cat(drawn, 1)


class NGram:
    """p(x_t | the n − 1 symbols before it) by counting, shorter contexts mixed in where the long one was seldom seen.

    p_k = (count + strength · p_{k−1}) / (total + strength), from the uniform p_0 up.

    Args:
        text: (time,) whole numbers;  symbols: size of the alphabet;  n: longest context plus one
        strength: how many times a context must be seen before its own counts weigh more than the shorter model

    Raises:
        ValueError: a text shorter than n, symbols outside the alphabet, or a strength that is not above 0

    Source: Jelinek & Mercer 1980; the form is that of a Dirichlet prior centred on the shorter model (MacKay & Peto 1995).
    """

    def __init__(self, text: Tensor, symbols: int, n: int = 4, strength: float = 5.0):
        checked(text, "text")
        if n < 1 or len(text) < n:
            raise ValueError(f"n must be at least 1 and the text at least n long, got n = {n} and {len(text)} symbols")
        if not strength > 0:
            raise ValueError(f"strength must be above 0, or what was never seen would be impossible, got {strength}")
        text = whole(text[None], symbols, "texts", "text")[0].tolist()
        self.symbols, self.n, self.strength = symbols, n, strength
        self.counts: list[dict[tuple, Tensor]] = []  # for each length of context: context → how often each symbol followed it
        for k in range(n):
            counts: dict[tuple, Tensor] = {}
            for (*context, symbol), times in Counter(zip(*(text[i:] for i in range(k + 1)))).items():
                counts.setdefault(tuple(context), torch.zeros(symbols))[symbol] = times
            self.counts.append(counts)

    def probabilities(self, context: Sequence[int]) -> Tensor:
        """p(next symbol | context), (symbols,). Of a context longer than n − 1 the end counts."""
        p = torch.full((self.symbols,), 1 / self.symbols)
        for counts in self.seen(context):
            p = (counts + self.strength * p) / (counts.sum() + self.strength)
        return p

    def seen(self, context: Sequence[int]) -> Iterator[Tensor]:
        """What followed the end of the context: of length 0, 1, … up to n − 1, as long as it was seen."""
        for k in range(min(self.n - 1, len(context)) + 1):
            counts = self.counts[k].get(tuple(context[len(context) - k :]))
            if counts is None:
                return
            yield counts

    def log_prob(self, text: Tensor) -> Tensor:
        """log p of a text (time,): one number, nats."""
        symbols = whole(checked(text, "text")[None], self.symbols, "texts", "text")[0].tolist()
        total = 0.0
        for t, x in enumerate(symbols):
            p = 1 / self.symbols
            for counts in self.seen(symbols[max(0, t - self.n + 1) : t]):  # as `probabilities`, for one symbol: ten times as fast
                p = (counts[x].item() + self.strength * p) / (counts.sum().item() + self.strength)
            total += math.log(p)
        return torch.tensor(total)
