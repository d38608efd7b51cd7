"""What temperature, top-k and nucleus leave of a distribution: shared by the explorers of pixels and of text."""

import math

import ipywidgets as widgets
from torch import Tensor

from ..distributions import entropy, nucleus, top_k
from . import choice_slider, slider

PALE = "#c3c8cf"  # of bars that are only there to compare


def cut_sliders(values: int) -> tuple[widgets.FloatSlider, widgets.SelectionSlider, widgets.FloatSlider]:
    """Temperature, top-k and nucleus p of a choice among `values`; at first nothing is cut."""
    counts = [k for k in (1, 2, 3, 5, 10, 20, 40, 80, 160) if k < values]
    return (
        slider("temperature", 1.0, 0.3, 2.0, 0.1),
        choice_slider("top k", [*((str(k), k) for k in counts), ("all", values)], values),
        slider("nucleus p", 1.0, 0.1, 1.0, 0.05, 2),
    )


def kept(logits: Tensor, k: int, p: float) -> Tensor:
    """Logits (..., values), what top-k and then nucleus cut off at −∞."""
    return nucleus(top_k(logits, k), p)


class Cut:
    """A distribution over values, before and after.

    Args:
        logits: (values,)

    Attributes:
        model: the model's probabilities (values,), numpy
        drawn: those that a draw uses
        mass: how much of the probability at this temperature is kept
        count: how many values are kept
        before, after: entropies in bits
    """

    def __init__(self, logits: Tensor, temperature: float, k: int, p: float):
        logits = logits.double()
        left = kept(logits / temperature, k, p)
        tempered, model, after = (v.softmax(0) for v in (logits / temperature, logits, left))
        stays = left.isfinite()
        self.model, self.drawn = model.numpy(), after.numpy()
        self.mass, self.count = float(tempered[stays].sum()), int(stays.sum())
        self.before, self.after = (entropy(v).item() / math.log(2) + 0.0 for v in (model, after))

    @property
    def told(self) -> str:
        """For a reader who cannot see the bars."""
        return f"{self.count} kept with {self.mass:.1%} of the mass; entropy {self.before:.2f} bits, after the cut {self.after:.2f}"

    def words(self, noun: str) -> str:
        text = f"Entropy of the model's own distribution: {self.before:.2f} bits, as wide as {2**self.before:.1f} equally likely {noun}s. "
        text += f"Kept: {self.count} of {len(self.drawn)} {noun}s with {self.mass:.1%} of the mass at this temperature"
        return text + f"; what is drawn from has {self.after:.2f} bits."
