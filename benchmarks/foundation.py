"""The shared library against what a user would otherwise pick: batching, drawing, weight averaging, and how long an import takes."""

import subprocess
import sys
from collections.abc import Callable

import torch
from ema_pytorch import EMA as PeerEMA
from timing import Report, seconds
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, TensorDataset

from course_lib import recipes
from course_lib.datasets import batches, faces
from course_lib.datasets.faces import splits
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
    """One update of the averaged weights of lecture 06's U-Net. Both peers walk the module tree at each call."""
    model = recipes.find("diffusion").build()
    # ema-pytorch averages at every tenth call, after a hundred, unless told otherwise: here all average at every call
    ours, package = EMA(model, 0.999), PeerEMA(model, beta=0.999, update_every=1, update_after_step=0)
    torchs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    parameters = list(model.parameters())
    what = f"EMA update, {sum(p.numel() for p in parameters) / 1e6:.1f} M parameters in {len(parameters)} tensors"
    for name, update in (("ema-pytorch", package.update), ("AveragedModel", lambda: torchs.update_parameters(model))):
        for _ in range(3):  # the first calls of both only copy
            update()
        report.compare(f"{what} (peer: {name})", ours.update, update, at_least=3, rounds=25, calls=10)


def importing(report: Report) -> None:
    """A new interpreter each time: what an import costs once torch is there."""

    def after_torch(statement: str) -> float:
        program = f"import time, torch; started = time.perf_counter(); {statement}; print(time.perf_counter() - started)"
        return float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)

    report.limit("import course_lib, after import torch", [after_torch("import course_lib") for _ in range(5)], at_most=0.3)


def drawing(report: Report) -> None:
    """Faces are drawn when they are asked for, on one thread; a slider of the editor draws one or a mix of two."""

    def seconds_of(work: Callable, calls: int = 1) -> list[float]:
        work()
        return [seconds(work, calls) for _ in range(3)]

    def both_splits():
        splits.unseen.cache_clear()
        assert len(faces.load("train")) + len(faces.load("test")) == 70_000

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    report.limit("60,000 faces to train and 10,000 to test, one thread", seconds_of(both_splits), at_most=3)
    y = faces.random_factors(10_000)
    report.limit("what can be seen in 10,000 faces", seconds_of(lambda: faces.visible(y)), at_most=1)
    report.limit("10,000 captions", seconds_of(lambda: faces.captions(y)), at_most=1)
    report.limit("one face by name", seconds_of(lambda: faces.draw({"hair": "long", "glasses": "dark"}), 20), at_most=0.015)
    report.limit("one face between two", seconds_of(lambda: faces.between(y[0], y[1], 0.5), 20), at_most=0.015)
    torch.set_num_threads(threads)


if __name__ == "__main__":
    report = Report()
    batching(report)
    drawing(report)
    averaging(report)
    importing(report)
    report.finish()
