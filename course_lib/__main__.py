"""The command line: `python -m course_lib --help`."""

import importlib.metadata
import os
import platform
import shutil
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Train, evaluate, grade, and check this machine."
)


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="a checkpoint, such as vae or beta_vae_sprites_b4")],
    preset: Annotated[str, typer.Option(help="cpu, gpu, or auto for what the machine has")] = "auto",
    seed: int = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="other than the preset's number")] = None,
    out: Annotated[Path, typer.Option(help="folder for the weights, their record and the state to go on from")] = Path("runs"),
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps; the best there is by default")] = None,
):
    """Train a checkpoint by its recipe. Interrupted, the same command goes on from its last state."""
    from course_lib import recipes

    entry = recipes.train(name, preset, seed=seed, steps=steps, folder=out, device=device)
    if not entry:  # one of several processes, but not the first
        return
    print(f"{name}: {entry['parameters']:,} parameters, {entry['data']}, {entry['minutes']} min on {entry['device']}, in {out}/")
    for key, value in entry["numbers"].items():
        print(f"  {key:22} {value}")


@app.command()
def evaluate(name: Annotated[str, typer.Argument(help="a shipped checkpoint, such as vae")]):
    """Measure a shipped checkpoint again and compare with its record."""
    from course_lib import checkpoints, recipes

    entry = checkpoints.record(name)
    if entry["model"] is None:
        raise ValueError(f"{name} is a recording of training; `python -m course_lib train {name}` makes it again")
    print(f"{name}: {entry['parameters']:,} parameters, trained on {entry['data']}")
    for key, value in recipes.evaluate(checkpoints.load(name), recipes.find(name)).items():
        recorded = entry["numbers"].get(key)
        print(f"  {key:22} {value}" + ("   as recorded" if value == recorded else f"   recorded: {recorded}"))


@app.command()
def leaderboard(
    names: Annotated[list[str] | None, typer.Argument(help="models to measure; all that can draw digits when left out")] = None,
    data: Annotated[str, typer.Option(help="mnist, or mnist_small, which needs no download")] = "mnist",
    samples: Annotated[int, typer.Option(min=100, help="of each model, against as many test images")] = 10_000,
    out: Annotated[
        Path | None, typer.Option(help="the JSON file; the course's own for the full measurement, else runs/leaderboard.json")
    ] = None,
    again: Annotated[bool, typer.Option(help="measure rows that are there, too")] = False,
    sort: Annotated[str, typer.Option(help="column of the printed table")] = "fid",
):
    """Judge every shipped model of digits on the same images, and write the table. Interrupted, the same command goes on."""
    from course_lib.metrics import leaderboard as board

    if sort not in board.COLUMNS:
        raise KeyError(f"no column {sort!r}; there are: {', '.join(board.COLUMNS)}")
    shipped = data == "mnist" and samples == 10_000
    out = out or (board.SHIPPED if shipped else Path("runs/leaderboard.json"))
    for name, state in board.measure(names, data, samples, out, again=again, progress=lambda name, n: print(f"  {name}: {n:,} samples")):
        print(f"{name}: {state}", flush=True)
    print(f"\n{board.markdown(board.read(out), sort)}\n\nin {out}")
    if out == board.SHIPPED:
        print("`make notebooks ARGS=07_metrics` puts it into the lecture and the README")


@app.command()
def grade(
    assignment: Annotated[str, typer.Argument(help="such as 02_autoencoders")],
    submissions: Annotated[
        Path | None, typer.Option(help="a folder with STUDENT.ipynb, or STUDENT/ with a notebook, for each; grading/submitted by default")
    ] = None,
):
    """Grade a class: points for each student and task, feedback pages, and what the class misunderstood."""
    from course_lib.grading import pipeline

    pipeline.grade(assignment, submissions)


@app.command()
def doctor():
    """Say what this machine has, what is missing, and the one thing to do about it."""
    import torch

    from course_lib import checkpoints, datasets

    problems = []

    def line(good: bool, what: str, cure: str = "") -> None:
        print(f"{'✓' if good else '✗'} {what}")
        if not good:
            problems.append(cure)

    line(True, f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} processor cores")
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        line(True, f"GPU: {torch.cuda.get_device_name()}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free")
    elif torch.backends.mps.is_available():
        line(True, "GPU: Apple MPS")
    else:
        print("· no GPU: every lecture runs on the CPU; `gpu` presets need Colab (Runtime > Change runtime type > T4 GPU)")
    for package in ("ipywidgets", "matplotlib", "accelerate", "safetensors", "mlxtend"):
        try:
            line(True, f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            line(False, f"{package} is missing", f"pip install {package}")
    damaged = []
    for name in checkpoints.names():
        try:
            checkpoints.tensors(name)
        except ValueError:
            damaged.append(name)
    state = f"damaged: {', '.join(damaged)}" if damaged else "all whole"
    line(not damaged, f"weights: {len(checkpoints.names())} shipped checkpoints, {state}",
         "git checkout -- course_lib/weights")  # fmt: skip
    line(True, f"mnist_small: {len(datasets.load('mnist_small', 'all')):,} digits, no download needed")
    folder = os.environ.get("COURSE_DATA_DIR")
    if folder:
        line(Path(folder).is_dir(), f"COURSE_DATA_DIR is {folder}" + ("" if Path(folder).is_dir() else ", which does not exist"),
             "make that folder, or unset COURSE_DATA_DIR")  # fmt: skip
    else:
        print("· COURSE_DATA_DIR is not set: full data sets are downloaded once, when first asked for")
    free = shutil.disk_usage(".").free / 2**30
    line(free > 2, f"{free:.0f} GiB of disk free here", "free some disk space: training states and data sets need about 2 GiB")
    print("Next: " + (problems[0] if problems else "nothing is missing. Open notebooks/ and begin."))


def main() -> None:
    """Run the command line; a known mistake ends in one sentence instead of a traceback."""
    try:
        app()
    except (KeyError, ValueError, ConnectionError, FileNotFoundError, FloatingPointError, InterruptedError) as error:
        raise SystemExit(f"course_lib: {error.args[0] if error.args else error}") from None


if __name__ == "__main__":
    main()
