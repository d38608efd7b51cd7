"""Exercise 05, task 3: find leaks by gradients."""

import torch
from torch import nn

from course_lib.grading import Task, grid
from course_lib.grading.fixtures import convolutions


def depends_on(model, x, row, column):
    x = x.clone().requires_grad_()
    outputs = model(x)[:, :, row, column].sum(0)
    slopes = torch.stack([torch.autograd.grad(each, x, retain_graph=True)[0] for each in outputs])
    hits = slopes != 0
    return hits.flatten(0, 2).any(0)


FLAT = torch.arange(7) < torch.tensor([2, 3, 2]).view(3, 1, 1, 1)  # where each of three examples is not 0
DEPENDS = Task(
    depends_on,
    cases=[
        (convolutions((1, 3, 4), "AB", 0.3, outputs="narrow"), grid(1, 1, 5, 6).sin(), 2, 3),
        (convolutions((2, 4, 2), "AB", 1.1, outputs="opposite", inputs="narrow"), grid(4, 2, 6, 5), 3, 1),
        (convolutions((1, 2, 3), "CR", 0.7), grid(2, 1, 7, 6).cos(), 2, 4),
        (convolutions((2, 3), "A", 0.7, inputs="opposite"), grid(2, 2, 6, 7).cos(), 2, 4),  # one layer: the slopes cancel exactly
        (convolutions((1, 2, 3), "AB", 0.5, scale=1e-8), grid(2, 1, 5, 7).cos(), 4, 2),  # small slopes count
        (convolutions((1, 1, 1), "AB", 0.5), grid(1, 1, 6, 5), 4, 2),  # some slopes are negative
        (convolutions((1, 2, 2), "AB", 0.9, between=nn.Tanhshrink), grid(3, 1, 5, 7) * FLAT, 2, 3),  # no slope at 0
    ],
    mistakes="""
outputs added: the outputs of the pixel are added up first. Where one rises as another falls, their sum hides what each depends on: take them one by one.
    slopes != 0 -> slopes.{sum|mean}(0, keepdim=True) != 0
first output alone: only the first output of the pixel is looked at. Any of them may depend on an input.
    slopes != 0 -> slopes[{:1|-1:}] != 0
slopes added: the slopes of examples and channels are added up. One may be minus another, and their sum 0: ask of each whether it is 0.
    slopes != 0 -> slopes.sum({(1, 2)|2}, keepdim=True) != 0
one input channel alone: only one channel of the input is looked at. An input pixel has them all.
    slopes != 0 -> slopes[:, :, {:1|-1:}] != 0
every pixel: the outputs of all pixels are looked at. Those at (row, column) are asked for.
    model(x)[:, :, row, column].sum(0) -> {model(x).square()|model(x)|model(x)[:, 0]}.sum()[None]
row and column exchanged: row and column are exchanged: axis 2 counts the rows.
    row, column] -> column, row]
positive slopes alone: only inputs that raise an output count. One that lowers it is seen as well.
    slopes != 0 -> {slopes|-slopes|slopes.sum((0, 1, 2), keepdim=True)} > 0
small slopes left out: a small slope counts as none. However little an input changes the output, the output depends on it: compare with 0.
    slopes != 0 -> slopes.abs() > {1e-6|1e-2|1e-3|1e-4|1e-5|1e-7|1e-8|1e-9|1e-10|1e-12}
independent: this is the map of what has no effect: true and false are exchanged.
    return hits.flatten(0, 2).any(0) -> return ~hits.flatten(0, 2).any(0)
in every example: an input counts only where all outputs, examples and channels agree. One of them is enough.
    {.any(0) -> .all(0)|slopes != 0 -> slopes.prod(0, keepdim=True) != 0}
causal by decree: this is what a causal model may see. What this model does see is asked for: the gradient knows.
    return hits.flatten(0, 2).any(0) -> return torch.arange(x[0, 0].numel()).reshape(x.shape[2:]) {<|<=} row * x.shape[3] + column
slopes: these are the sizes of the slopes. Which of them are not 0?
    return hits.flatten(0, 2).any(0) -> return slopes.{abs().sum|abs().amax|sum}((0, 1, 2))
batch and channels kept: the map has axes for the examples and channels of the input. One map (height, width) is asked for: any of them counts.
    hits.flatten(0, 2).any(0) -> {hits.any(0)|slopes.sum(0) != 0|hits.any(0).any(0)|hits.any(0).any(1)}
pixel itself added: the pixel itself is always marked. It counts only where the output depends on it.
    hits = slopes != 0 -> hits = slopes != 0; hits[..., row, column] = True
one example alone: only one example is looked at. An input counts where it has an effect in any of them.
    slopes != 0 -> slopes[:, {:1|-1:}] != 0
""",
)
