"""Models that look both ways: BERT's masked language model, and the masked diffusion that turns it into a generator."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..distributions import categorical_sample, uniforms_for
from ..nn import Model, check_range, keeps_config, tensors, whole
from .blocks import Transformer, small_weights, within_context


class MaskedLM(Model):
    """p(x_i | what is not hidden) for every hidden place, all at once; trained as a diffusion that hides symbols one after the other.

    Args:
        symbols: size of the alphabet; the number `symbols` itself is the mask;  width, layers, heads, dropout: of the stack
        context: longest text;  positions: see `Transformer`

    Raises:
        ValueError: wherever texts are given, floats, numbers outside the alphabet, or more symbols than the context

    Source: masked language model: Devlin et al. 2018 (BERT, arXiv:1810.04805); as a diffusion: Sahoo et al. 2024 (arXiv:2406.07524) and
    Shi et al. 2024 (arXiv:2406.04329).
    """

    @keeps_config
    def __init__(self, symbols: int, width=128, layers=4, heads=4, context=128, positions="rotary", dropout=0.0):
        super().__init__()
        self.symbols, self.mask, self.context = symbols, symbols, context
        self.embed = nn.Embedding(symbols + 1, width)
        self.embed.apply(small_weights)
        self.stack = Transformer(width, layers, heads, context, positions, dropout=dropout)

    def logits(self, x: Tensor, seen: list | None = None) -> Tensor:
        """Texts with holes (batch, time), the number `symbols` in each hole → logits of what stands there, (batch, time, symbols)."""
        x = within_context(x, self.symbols + 1, self.context)
        return self.stack(self.embed(x), seen=seen) @ self.embed.weight[: self.symbols].T

    @torch.no_grad()
    def attention_maps(self, x: Tensor) -> Tensor:
        """Where each place looks, (layers, batch, heads, time, time)."""
        seen: list[Tensor] = []
        self.logits(x, seen)
        return torch.stack(seen)

    @tensors(whole="x", masks="hide")
    def hidden_nats(self, x: Tensor, hide: Tensor) -> Tensor:
        """Σ −log p(x_i | what is not hidden) over the hidden places: texts and bool (batch, time) → (batch,), nats."""
        x = whole(x, self.symbols, "texts")
        nats = F.cross_entropy(self.logits(x.masked_fill(hide, self.mask)).transpose(1, 2), x, reduction="none")
        return (nats * hide).sum(1)

    def masked_cross_entropy(self, x: Tensor, share: float = 0.15) -> Tensor:
        """BERT's loss: nats a hidden symbol when this share is hidden. A score for filling in gaps; it bounds no likelihood.

        Raises:
            ValueError: a share outside (0, 1]
        """
        if not 0 < share <= 1:
            raise ValueError(f"share must lie in (0, 1], got {share}")
        hide = torch.rand(x.shape, device=x.device) < share
        return self.hidden_nats(x, hide).sum() / hide.sum().clamp(min=1)

    @tensors(whole="x")
    def nats(self, x: Tensor, t: Tensor) -> Tensor:
        """One draw of an upper bound of −log p(x): hide each symbol with probability t, and divide the nats by t.

        Averaged over t from 0 to 1 it is −ELBO, because a place's chance to be hidden, t, is what its nats are divided by.

        Args:
            x: (batch, time);  t: (batch,), in (0, 1]

        Returns:
            (batch,), nats a text
        """
        check_range(t, "t", 1e-9, 1, "probabilities above 0,")
        hide = torch.rand(x.shape, device=x.device) < t[:, None]
        return self.hidden_nats(x, hide) / t

    def elbo(self, x: Tensor, draws: int = 16) -> Tensor:
        """A lower bound of log p(x) by `draws` times spread evenly over 0 to 1: (batch, time) → (batch,), nats."""
        total = 0.0
        for i in range(draws):
            total = total - self.nats(x, ((i + torch.rand(len(x), device=x.device)) / draws).clamp(min=1e-6))
        return total / draws

    def loss(self, x: Tensor) -> Tensor:
        """−ELBO, nats a symbol, averaged over the batch, whose times are spread evenly."""
        t = (torch.randperm(len(x), device=x.device) + torch.rand(len(x), device=x.device)) / len(x)
        return self.nats(x, t.clamp(min=1e-3)).mean() / x.shape[1]

    @torch.no_grad()
    def sample(
        self,
        n: int,
        length: int,
        *,
        steps: int | None = None,
        temperature: float = 1.0,
        keep: Callable[[Tensor], Tensor] = lambda logits: logits,
        start: Tensor | None = None,
        order: str = "random",
        film: list | None = None,
    ) -> Tensor:
        """n texts (n, length), int64: all is hidden at first, and in each step some places are filled, in any order.

        Args:
            steps: passes of the network; one for each hidden symbol when left out. Symbols that are filled in one step do not know of
                each other
            start: texts with holes, (n, length) or (1, length), `mask` in each hole; all holes when left out
            order: "random", as the bound assumes; "confident" fills first where the likeliest symbol is likeliest
            film: a list to which the text after each step is appended

        Raises:
            ValueError: an unknown order, steps below 1, or a start of another shape
        """
        if order not in ("random", "confident"):
            raise ValueError(f"unknown order {order!r}; choose random or confident")
        if steps is not None and steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        uniforms = uniforms_for(self, n, length, temperature, None)
        x = torch.full((1, length), self.mask) if start is None else whole(start, self.symbols + 1, "texts", "start")
        if tuple(x.shape) not in ((1, length), (n, length)):
            raise ValueError(f"expected a start of shape {(n, length)} or {(1, length)}, got {tuple(x.shape)}")
        x = x.to(uniforms.device).expand(n, length).clone()
        most = int((x == self.mask).sum(1).max())
        steps = min(steps or most, most)
        for step in range(steps):
            hidden = x == self.mask
            logits = keep(self.logits(x) / temperature)
            drawn = categorical_sample(uniforms.flatten(), logits.flatten(0, 1)).view_as(x)
            rank = torch.rand_like(uniforms) if order == "random" else logits.softmax(-1).amax(-1)
            left = hidden.sum(1) * (steps - step - 1) // (steps - step)  # how many stay hidden after this step
            places = rank.masked_fill(~hidden, -1).argsort(1, descending=True).argsort(1)  # 0 for the first to be filled
            x = torch.where(hidden & (places < (hidden.sum(1) - left)[:, None]), drawn, x)
            uniforms = torch.rand_like(uniforms)
            if film is not None:
                film.append(x.clone())
        return x


def exact_bound(model: MaskedLM, x: Tensor) -> Tensor:
    """The −ELBO of `nats`, by all 2^time ways to hide symbols: (batch, time) → (batch,), nats. For short texts.

    Hiding the m places of a set has the weight ∫ t^(m−1) (1 − t)^(n−m) dt = (m − 1)! (n − m)! / n!.
    """
    n, total = x.shape[1], 0.0
    for code in range(1, 2**n):
        hide = torch.tensor([code >> i & 1 for i in range(n)], dtype=torch.bool)
        m = int(hide.sum())
        hide = hide.to(x.device)
        weight = torch.lgamma(torch.tensor([m, n - m + 1.0, n + 1.0]))
        total = total + (weight[0] + weight[1] - weight[2]).exp() * model.hidden_nats(x, hide.expand_as(x))
    return total
