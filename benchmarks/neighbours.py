"""A busy neighbour: how much longer do a lecture, the tests and a training take while another process keeps every core busy?

The neighbour is started here, on as many threads as there are cores. Goal: at most 1.5 times the time of a quiet machine. `--quick` takes
a shorter lecture. Start it on a machine with nothing else to do.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager

import nbformat
from timing import Report

from course_lib import authoring

ROOT = authoring.ROOT
BUSY = """
import torch
torch.set_num_threads({cores})
a = torch.randn(1024, 1024)
while True:
    a = (a @ a).tanh()
"""


@contextmanager
def neighbour():
    """A process that multiplies matrices on every core."""
    process = subprocess.Popen([sys.executable, "-c", BUSY.format(cores=os.cpu_count())], start_new_session=True)
    try:
        time.sleep(5)  # until it has loaded torch
        yield
    finally:
        process.kill()
        process.wait()


def lecture(name: str) -> Callable[[], None]:
    """Every cell of a lecture in a kernel as JupyterLab starts it."""

    def run() -> None:
        path = ROOT / f"notebooks/{name}.ipynb"
        authoring.execute(nbformat.read(path, as_version=4), path.parent, threads=None)

    return run


def command(*words: str) -> Callable[[], None]:
    def run() -> None:
        subprocess.run([sys.executable, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    return run


def training(name: str, steps: int) -> Callable[[], None]:
    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            command("-m", "course_lib", "train", name, "--preset", "cpu", "--steps", str(steps), "--out", folder, "--device", "cpu")()

    return run


def taken(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--quick", action="store_true", help="lecture 04 in place of 02, fewer steps")
    quick = words.parse_args().quick
    name = "04_flows" if quick else "02_autoencoders"
    works = {
        f"lecture {name}": lecture(name),
        "tests: pytest tests/test_autoencoders.py": command("-m", "pytest", "-q", "tests/test_autoencoders.py"),
        # on images that we draw: no download
        "train beta_vae_sprites_b1, a small model": training("beta_vae_sprites_b1", 300 if quick else 1500),
        "train diffusion_sound, a larger one": training("diffusion_sound", 10 if quick else 100),
    }
    report = Report()
    for what, work in works.items():
        command("-c", "import course_lib.autoencoders")()  # what is on disk is in memory, for both
        quiet = taken(work)
        with neighbour():
            busy = taken(work)
        report.slowdown(f"{what} (quiet, then beside a busy process)", quiet, busy, at_most=1.5)
    report.finish()


if __name__ == "__main__":
    main()
