"""Pixel models: PixelCNN with its blind spot, gated PixelCNN without, PixelRNN."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import distributions
from ..distributions import bits_per_dim, logistic_mixture_log_prob
from ..nn import Model, as_is, check_shape, check_whole, checked, keeps_config, labels_or_drawn, one_hot, values_of
from .layers import GatedLayer, MaskedConv2d, shift_down, shift_right
from .sampling import sample_cached, sample_parallel

categorical_sample, logistic_mixture_sample = map(as_is, (distributions.categorical_sample, distributions.logistic_mixture_sample))

OUTPUTS = ("bernoulli", "categorical", "logistic")
MIXTURES = 5


class PixelModel(Model):
    """What the pixel models share: the meaning of their outputs, the likelihood, and sampling pixel by pixel.

    Images are whole numbers of `levels` values, 0 to levels − 1. Where there are two, floats of 0 and 1 will do too.

    Raises, wherever images and labels are given:
        ValueError: another shape, other values, a label that is missing or that no layer would see
    """

    def outputs_for(self, output: str, levels: int) -> int:
        """Numbers for each colour of each pixel."""
        if output not in OUTPUTS:
            raise ValueError(f"unknown output {output!r}; choose one of {', '.join(OUTPUTS)}")
        if levels < 2 or (output == "bernoulli" and levels != 2):
            raise ValueError(f"{output} outputs are for {'2' if output == 'bernoulli' else '2 or more'} levels, got {levels}")
        return {"bernoulli": 1, "categorical": levels, "logistic": 3 * MIXTURES}[output]

    def scaled(self, x: Tensor) -> Tensor:
        """Whole numbers → floats in [−1, 1], of the type of the weights."""
        return x.to(next(self.parameters()).dtype) * (2 / (self.levels - 1)) - 1

    def inputs(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """What the layers are given: x scaled, and the label as a vector. x may have fewer rows and columns than `shape`."""
        checked(x, "x")
        if x.ndim != 4 or x.shape[1] != self.shape[0]:
            check_shape(x, self.shape)
        x = self.scaled(x)
        return x, one_hot(y, len(x), self.classes, x)

    def log_prob_map(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x_i | x_{<i}) of each colour of each pixel, nats: (batch, *shape)."""
        check_whole(x, self.levels, self.shape)
        return self.score(self.logits(x, y), x)

    def score(self, logits: Tensor, x: Tensor) -> Tensor:
        """log p of values x (batch, colours, ...) under outputs (batch, colours, numbers, ...): the shape of x."""
        if logits.dtype != torch.float64:
            logits = logits.float()  # in 16 bits a sum over all pixels would have two digits
        if self.output == "bernoulli":
            return -F.binary_cross_entropy_with_logits(logits[:, :, 0], x.to(logits.dtype), reduction="none")
        if self.output == "categorical":
            return -F.cross_entropy(logits.transpose(1, 2), x.long(), reduction="none")
        weights, means, log_scales = logits.unflatten(2, (3, MIXTURES)).movedim(3, -1).unbind(2)
        return logistic_mixture_log_prob(self.scaled(x), weights, means, log_scales, self.levels)

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Exact log-likelihood of whole numbers x (batch, *shape): (batch,), nats."""
        return self.log_prob_map(x, y).flatten(1).sum(1)

    def loss(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Mean of −log p(x), nats."""
        return -self.log_prob(x, y).mean()

    def bits_per_dim(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(batch,), bits."""
        return bits_per_dim(self.log_prob(x, y), math.prod(self.shape))

    def draw(self, logits: Tensor, u: Tensor, temperature: float = 1.0) -> Tensor:
        """One value for each row of outputs (batch, numbers), by uniforms u (batch,): whole numbers (batch,).

        The same uniforms give the same values, however the outputs were computed.
        """
        if self.output == "bernoulli":
            return (u < torch.sigmoid(logits[:, 0] / temperature)).long()
        if self.output == "categorical":
            return categorical_sample(u, logits / temperature)
        weights, means, log_scales = logits.unflatten(1, (3, MIXTURES)).unbind(1)
        return logistic_mixture_sample(u, weights, means, log_scales, self.levels, temperature)

    def sample(
        self, n: int, *, y: Tensor | int | None = None, temperature: float = 1.0, uniforms: Tensor | None = None, **completion
    ) -> Tensor:
        """n images as whole numbers (n, *shape), by `sample_parallel`; arguments and errors as for `sample_naive`.

        A model with classes draws labels where none are given.
        """
        return sample_parallel(self, n, y=self.labels_for(y, n), temperature=temperature, uniforms=uniforms, **completion)[0]

    def labels_for(self, y: Tensor | int | None, n: int) -> Tensor | None:
        """The labels of n samples, drawn where a model with classes is given none."""
        return labels_or_drawn(y, n, self.classes, next(self.parameters()).device)


class MaskedBlock(nn.Module):
    """A masked convolution of kind B that adds to what is there: x + conv(relu(x))."""

    def __init__(self, width: int, kernel: int, colours: int = 1):
        super().__init__()
        self.conv = MaskedConv2d(width, width, kernel, "B", colours)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(F.relu(x))


class PixelCNN(PixelModel):
    """Masked convolutions, one after the other. Simple, and blind to some pixels above and to the right.

    Args:
        shape: (colours, height, width)
        width, layers, kernel: of the masked convolutions; the first has mask A and a 7×7 kernel
        residual: each layer adds to what is there (`MaskedBlock`), so that many of them can be trained
        output: "bernoulli", "categorical" (one logit a value) or "logistic" (a mixture of discretised logistics)
        levels: values of a pixel

    Raises:
        ValueError: an even kernel, an unknown output, or levels that do not go with it

    Source: van den Oord et al. 2016 (arXiv:1601.06759).
    """

    @keeps_config
    def __init__(self, shape=(1, 28, 28), width=32, layers=5, kernel=3, output="bernoulli", levels=2, residual=False):
        super().__init__()
        self.shape, self.output, self.levels, self.classes = tuple(shape), output, levels, 0
        colours = shape[0]
        numbers = self.outputs_for(output, levels)
        width = width * colours  # so that each colour has `width` channels of its own
        stack = [MaskedConv2d(colours, width, 7, "A", colours)]
        for _ in range(layers):
            stack += [MaskedBlock(width, kernel, colours)] if residual else [nn.ReLU(), MaskedConv2d(width, width, kernel, "B", colours)]
        self.net = nn.Sequential(*stack, nn.ReLU(), MaskedConv2d(width, numbers * colours, 1, "B", colours))

    def logits(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Whole numbers (batch, colours, height, width) → outputs (batch, colours, numbers, height, width)."""
        x, _ = self.inputs(x, y)
        return self.net(x).unflatten(1, (-1, self.shape[0])).transpose(1, 2)


class GatedPixelCNN(PixelModel):
    """PixelCNN with two stacks and gates: it sees every pixel before the one it predicts, as far as its layers reach.

    Args:
        dilations: one gated layer for each
        classes: with c > 0 every layer also sees a label, with a sequence several
        coordinates: both stacks are also given the row and the column, −1 to 1, of the pixel to be predicted (Liu et al. 2018,
            arXiv:1807.03247); they are known beforehand, so this is no leak
        the others as in `PixelCNN`

    The colours of a pixel are predicted in the order red, green, blue, by a head that sees those before.

    Source: van den Oord et al. 2016 (arXiv:1606.05328).
    """

    @keeps_config
    def __init__(
        self,
        shape=(1, 28, 28),
        width=64,
        dilations=(1, 2, 1, 4, 1, 2, 1),
        kernel=3,
        output="categorical",
        levels=256,
        classes=0,
        coordinates=False,
    ):
        super().__init__()
        self.shape, self.output, self.levels, self.classes = tuple(shape), output, levels, classes
        colours, numbers = shape[0], self.outputs_for(output, levels)
        self.first_v = nn.Conv2d(colours, width, (2, 3))
        self.first_h = nn.Conv2d(colours, width, (1, 2))
        self.where = nn.Conv2d(2, 2 * width, 1, bias=False) if coordinates else None
        self.layers = nn.ModuleList(GatedLayer(width, kernel, dilation, values_of(classes)) for dilation in dilations)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width + i, width, 1), nn.SiLU(), nn.Conv2d(width, numbers, 1)) for i in range(colours)
        )
        self.to(memory_format=torch.channels_last)  # faster on a CPU, where the channels of one pixel lie side by side

    def features(self, x: Tensor, given: Tensor | None = None) -> Tensor:
        """What is known of each place from the pixels before it: floats (batch, colours, height, width) → (batch, width, height, width)."""
        place_v, place_h = self.places(*x.shape[2:])
        v = self.first_v(F.pad(shift_down(x), (1, 1, 1, 0))) + place_v
        h = self.first_h(F.pad(shift_right(x), (1, 0))) + place_h
        for layer in self.layers:
            v, h = layer(v, h, given)
        return h

    def places(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """What coordinates add to both stacks in the first rows and columns of an image: (1, width, rows, columns) each; 0 without them."""
        weight = self.first_h.weight
        if self.where is None:
            return (weight.new_zeros(1, 1, rows, columns),) * 2
        axes = [torch.linspace(-1, 1, size, dtype=weight.dtype, device=weight.device) for size in self.shape[1:]]
        return self.where(torch.stack(torch.meshgrid(axes[0][:rows], axes[1][:columns], indexing="ij"))[None]).chunk(2, 1)

    def logits(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Whole numbers (batch, colours, height, width) → outputs (batch, colours, numbers, height, width)."""
        x, given = self.inputs(x, y)
        h = F.silu(self.features(x, given))
        return torch.stack([head(torch.cat([h, x[:, :i]], 1)) for i, head in enumerate(self.heads)], 1)

    def sample(
        self, n: int, *, y: Tensor | int | None = None, temperature: float = 1.0, uniforms: Tensor | None = None, **completion
    ) -> Tensor:
        """The same as in `PixelModel`, with what was computed for earlier pixels kept: `sample_cached`."""
        return sample_cached(self, n, y=self.labels_for(y, n), temperature=temperature, uniforms=uniforms, **completion)


class PixelRNN(PixelModel):
    """Row LSTM: an LSTM that goes down the image, a whole row at a time, with convolutions along the row.

    Args:
        shape: (1, height, width);  width: channels of its memory
        output, levels: as in `PixelCNN`

    Raises:
        ValueError: more than one colour, an unknown output, or levels that do not go with it

    Source: van den Oord et al. 2016 (arXiv:1601.06759), section 3.1.
    """

    @keeps_config
    def __init__(self, shape=(1, 28, 28), width=32, output="bernoulli", levels=2):
        super().__init__()
        self.shape, self.output, self.levels, self.classes = tuple(shape), output, levels, 0
        if shape[0] != 1:
            raise ValueError(f"this PixelRNN is for one colour, got {shape[0]}; use PixelCNN or GatedPixelCNN")
        self.first = MaskedConv2d(1, width, 7, "A")
        self.into = nn.Conv1d(width, 4 * width, 2)  # this place of the row and the one to its left
        self.across = nn.Conv1d(width, 4 * width, 3, padding=1, bias=False)
        self.head = nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, self.outputs_for(output, levels), 1))

    def logits(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Whole numbers (batch, 1, height, width) → outputs (batch, 1, numbers, height, width)."""
        x, _ = self.inputs(x, y)
        rows = self.first(x)
        hidden = cell = torch.zeros_like(rows[:, :, 0])
        states = []
        for row in rows.unbind(2):
            i, f, o, g = (self.into(F.pad(row, (1, 0))) + self.across(hidden)).chunk(4, 1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            states.append(hidden)
        return self.head(torch.stack(states, 2))[:, None]
