"""Topic 05 against the loops that tutorials use: sampling of pixels and sound, and the discretised logistic mixture. On the CPU."""

import math
import sys
from functools import partial

import torch
import torch.nn.functional as F
from timing import Report
from torch import Tensor

from course_lib import checkpoints
from course_lib.autoregressive import WaveNet, sample_cached, sample_naive, uva_pixelcnn
from course_lib.autoregressive.pixels import GatedPixelCNN
from course_lib.datasets import faces
from course_lib.distributions import logistic_bin_log_prob, logistic_mixture_log_prob
from course_lib.training import seed_everything
from course_lib.widgets.autoregressive import ColourExplorer, CompletionExplorer


@torch.no_grad()
def row_cropped(model: GatedPixelCNN, uniforms: Tensor, each_row: int | None = None) -> Tensor:
    """The loop of the UvA tutorial: a pass over the rows down to the one being drawn, for each pixel.

    each_row: draw only so many pixels of each row, to time a part of the work; every pixel of a row costs the same
    """
    x = torch.zeros(len(uniforms), *model.shape, dtype=torch.long)
    _, height, width = model.shape
    for i in range(height):
        for j in range(each_row or width):
            x[:, 0, i, j] = model.draw(model.logits(x[:, :, : i + 1])[:, 0, :, i, j], uniforms[:, i * width + j])
    return x


@torch.no_grad()
def some_naive_steps(model: GatedPixelCNN, uniforms: Tensor, steps: int) -> None:
    """The first pixels of `sample_naive`: all cost the same."""
    x = torch.zeros(len(uniforms), *model.shape, dtype=torch.long)
    for j in range(steps):
        x[:, 0, 0, j] = model.draw(model.logits(x)[:, 0, :, 0, j], uniforms[:, j])


def pixels(report: Report, n: int = 16) -> None:
    model = uva_pixelcnn().eval()
    parameters = sum(p.numel() for p in model.parameters())
    uniforms = torch.rand(n, 784)
    drawn = sample_cached(model, 1, uniforms=uniforms[:1])
    if not torch.equal(drawn, row_cropped(model, uniforms[:1])) or not torch.equal(drawn, sample_naive(model, 1, uniforms=uniforms[:1])):
        sys.exit("the three loops must draw the same pixels")
    what = f"{n} images 28 × 28, gated PixelCNN of {parameters:,}"
    ours = partial(sample_cached, model, n, uniforms=uniforms)
    report.compare(f"{what} (peer: row-cropped loop)", ours, partial(row_cropped, model, uniforms, 1), 60, rounds=3, part=1 / 28)
    report.compare(f"{what} (peer: naive loop)", ours, partial(some_naive_steps, model, uniforms, 8), 100, rounds=3, part=8 / 784)
    x = torch.zeros(n, 1, 28, 28, dtype=torch.long)
    one_pass = torch.no_grad()(lambda: model.logits(x))
    # the goal "within 8 passes" is the same as "8 passes take at least as long"
    report.compare(f"{what} (peer: 8 passes over whole images)", ours, one_pass, 1.0, rounds=5, part=1 / 8)


@torch.no_grad()
def shifting(model: WaveNet, uniforms: Tensor) -> Tensor:
    """WaveNet's sampling with buffers whose entries all move by one place at every step."""
    n, length = uniforms.shape
    width = model.embed.embedding_dim
    buffers = [torch.zeros(d, n, width) for d in model.dilations]
    filters = [(f.weight.permute(2, 1, 0).reshape(2 * width, -1).contiguous(), f.bias) for f in model.filters]
    mixes = [(m.weight[:, :, 0].T.contiguous(), m.bias) for m in model.mix]
    (first, first_bias), (second, second_bias) = ((m.weight[:, :, 0].T.contiguous(), m.bias) for m in (model.head[1], model.head[3]))
    x = torch.zeros(n, length, dtype=torch.long)
    h = torch.zeros(n, width)
    for t in range(length):
        skips = 0.0
        for k, ((weight, bias), (out, out_bias)) in enumerate(zip(filters, mixes)):
            a, b = torch.addmm(bias, torch.cat([buffers[k][0], h], 1), weight).chunk(2, 1)
            buffers[k] = torch.cat([buffers[k][1:], h[None]])
            onward, skip = torch.addmm(out_bias, torch.tanh(a) * torch.sigmoid(b), out).chunk(2, 1)
            h, skips = h + onward, skips + skip
        logits = torch.addmm(second_bias, F.relu(torch.addmm(first_bias, F.relu(skips), first)), second)
        below = logits.softmax(1).cumsum(1)
        x[:, t] = (uniforms[:, t, None] * below[:, -1:] >= below).sum(1).clamp(max=model.levels - 1)
        h = model.embed(x[:, t])
    return x


def sound(report: Report, width: int = 64) -> None:
    """What a moving buffer costs depends on its size: those of 16 sounds fit in the processor's cache, those of 64 do not."""
    for what, dilations, n, goal in (
        ("one layer of dilation 512", (512,), 64, 3),
        ("one layer of dilation 512", (512,), 16, None),
        ("dilations 1 to 512", tuple(2**k for k in range(10)), 64, None),
    ):
        model = WaveNet(width=width, dilations=dilations).eval()
        uniforms = torch.rand(n, 100)
        ours, peer = partial(model.sample_fast, n, 100, uniforms=uniforms), partial(shifting, model, uniforms)
        if not torch.equal(ours(), peer()):
            sys.exit("ring and shifting buffers must give the same sounds")
        report.compare(f"WaveNet, {what}, {n} sounds, 100 steps (peer: shifting buffers)", ours, peer, goal)


def usual_bin_log_prob(x: Tensor, mean: Tensor, log_scale: Tensor, levels: int = 256) -> Tensor:
    """The form of PixelCNN++: log of a difference, and the density times the width of the bin where that is too small."""
    half, precision = 1 / (levels - 1), (-log_scale).exp()
    above, below, middle = (precision * (x - mean + shift) for shift in (half, -half, 0.0))
    difference = above.sigmoid() - below.sigmoid()
    from_density = middle - log_scale - 2 * F.softplus(middle) - math.log((levels - 1) / 2)
    inside = torch.where(difference > 1e-5, difference.clamp_min(1e-12).log(), from_density)
    return torch.where(x < -0.999, above - F.softplus(above), torch.where(x > 0.999, -F.softplus(below), inside))


def usual_mixture(x: Tensor, weights: Tensor, means: Tensor, log_scales: Tensor) -> Tensor:
    return (weights.log_softmax(-1) + usual_bin_log_prob(x[..., None], means, log_scales.clamp_min(-7.0))).logsumexp(-1)


def logistics(report: Report) -> None:
    x = torch.randint(256, (16, 784)) / 127.5 - 1
    parameters = [torch.randn(16, 784, 5, requires_grad=True) for _ in range(3)]

    def step(mixture) -> None:
        mixture(x, *parameters).sum().backward()

    usual, ours = partial(step, usual_mixture), partial(step, logistic_mixture_log_prob)
    report.compare("mixture of 5 logistics, 16 × 784 values, forward and backward (peer: `where`)", ours, usual, 1.0, calls=3)

    values, means = torch.arange(256) / 127.5 - 1, torch.linspace(-1, 1, 301)
    arguments = values[:, None], means, torch.tensor(-7.0)
    truth = logistic_bin_log_prob(*(a.double() for a in arguments))
    error, theirs = ((form(*arguments) - truth).abs().max().item() for form in (logistic_bin_log_prob, usual_bin_log_prob))
    report.accuracy("discretised logistic at log-scale −7, largest error in nats (peer: `where`)", error, theirs, 100)


def sliders(report: Report, moves: int = 24) -> None:
    """From a slider's new value to the view's new HTML, in the kernel: of the explorers that show faces."""
    model, y = checkpoints.load("pixelcnn_faces"), faces.load("test").y[:6]
    for explorer, names in ((ColourExplorer(model, y), ("face", "row", "red")), (CompletionExplorer(model, y), ("face", "share"))):
        for name in names:
            control, taken = getattr(explorer, name), []
            values = control.options if hasattr(control, "options") else range(control.min, control.max + 1)
            for i in range(moves):
                control.value = values[(i + 1) % len(values)]
                taken.append(explorer.milliseconds / 1000)
            report.limit(f"{type(explorer).__name__}, a step of {name}", taken, 0.015)


if __name__ == "__main__":
    seed_everything(0)
    report = Report()
    logistics(report)
    sound(report)
    pixels(report)
    sliders(report)
    report.finish()
