"""The shared library against what a user would otherwise pick: batching, weight averaging, and how long an import takes."""

import subprocess
import sys

import torch
from ema_pytorch import EMA as PeerEMA
from timing import Report
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from course_lib.datasets import batches
from course_lib.training import EMA


def batching(report: Report) -> None:
    """One shuffled epoch of (images, labels) as stored, uint8; nothing is converted and no model runs."""
    x, y = torch.randint(256, (60_000, 1, 28, 28), dtype=torch.uint8), torch.randint(10, (60_000,))
    loader = DataLoader(TensorDataset(x, y), batch_size=128, shuffle=True)

    def ours():
        return sum(len(image) for image, _ in batches((x, y), 128))

    def peer():
        return sum(len(image) for image, _ in loader)

    assert ours() == peer() == len(x)
    report.compare("one epoch of 60,000 images in batches of 128 (peer: DataLoader)", ours, peer, at_least=6, rounds=7)


def averaging(report: Report) -> None:
    """One update of the averaged weights of a U-Net. ema-pytorch pays for each tensor: with 120 in place of 282 the ratio is about 2."""
    model = unet_weights()
    # ema-pytorch averages at every tenth call, after a hundred, unless told otherwise: here both average at every call
    options = {"beta": 0.999, "update_every": 1, "update_after_step": 0}
    ours, peer, foreach = EMA(model, 0.999), PeerEMA(model, **options), PeerEMA(model, **options, use_foreach=True)
    for average in (ours, peer, foreach):
        for _ in range(3):  # ema-pytorch's first calls only copy
            average.update()
    parameters = list(model.parameters())
    what = f"EMA update, {sum(p.numel() for p in parameters) / 1e6:.1f} M parameters in {len(parameters)} tensors (peer: ema-pytorch"
    report.compare(f"{what})", ours.update, peer.update, at_least=3, rounds=25, calls=10)
    report.compare(f"{what}, foreach)", ours.update, foreach.update, rounds=25, calls=10)


def unet_weights(widths: tuple[int, ...] = (32, 64, 128), embedding: int = 256) -> nn.Module:
    """The layers of DDPM's U-Net for 28 × 28 images, two blocks a level, attention below the first; nothing runs them."""

    def block(inputs: int, outputs: int) -> nn.Module:
        layers = [nn.GroupNorm(8, inputs), nn.Conv2d(inputs, outputs, 3), nn.Linear(embedding, outputs), nn.GroupNorm(8, outputs)]
        layers += [nn.Conv2d(outputs, outputs, 3)] + ([nn.Conv2d(inputs, outputs, 1)] if inputs != outputs else [])
        attention = [nn.GroupNorm(8, outputs), nn.Conv2d(outputs, 3 * outputs, 1), nn.Conv2d(outputs, outputs, 1)]
        return nn.ModuleList(layers + (attention if outputs > widths[0] else []))

    channels, skips = widths[0], [widths[0]]
    model = nn.ModuleList([nn.Linear(channels, embedding), nn.Linear(embedding, embedding), nn.Conv2d(1, channels, 3)])
    for level, width in enumerate(widths):
        for _ in range(2):
            model.append(block(channels, width))
            skips.append(channels := width)
        if level < len(widths) - 1:
            model.append(nn.Conv2d(width, width, 3))
            skips.append(width)
    model.extend([block(channels, channels), block(channels, channels)])
    for level, width in reversed(list(enumerate(widths))):
        for _ in range(3):
            model.append(block(channels + skips.pop(), width))
            channels = width
        if level:
            model.append(nn.Conv2d(width, width, 3))
    return model.extend([nn.GroupNorm(8, channels), nn.Conv2d(channels, 1, 3)])


def importing(report: Report) -> None:
    """A new interpreter each time: what an import costs once torch is there."""

    def after_torch(statement: str) -> float:
        program = f"import time, torch; started = time.perf_counter(); {statement}; print(time.perf_counter() - started)"
        return float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)

    report.limit("import course_lib, after import torch", [after_torch("import course_lib") for _ in range(5)], at_most=0.3)


if __name__ == "__main__":
    report = Report()
    batching(report)
    averaging(report)
    importing(report)
    report.finish()
