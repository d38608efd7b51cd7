"""The command line: `python -m course_lib --help`."""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from pathlib import Path
from typing import Annotated

try:
    import typer
except ImportError:  # `doctor` cannot say it: it is a command of typer's
    raise SystemExit("course_lib: typer is missing, on which the command line stands: pip install typer") from None

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
        recorded, spread = (entry["numbers"].get(name) for name in (key, f"{key}_error"))
        spread = entry["numbers"].get(f"{key}_sd") if spread is None else spread
        agrees = spread is not None and abs(value - recorded) <= 3 * spread
        give = "" if spread is None else f" ± {spread}, which {'agrees' if agrees else 'does not agree'}"
        print(f"  {key:22} {value}" + ("   as recorded" if value == recorded else f"   recorded: {recorded}{give}"))


@app.command()
def leaderboard(
    names: Annotated[list[str] | None, typer.Argument(help="models to measure; all that can draw digits when left out")] = None,
    data: Annotated[str, typer.Option(help="mnist; mnist_small, which needs no download; or faces")] = "mnist",
    samples: Annotated[int, typer.Option(min=100, help="of each model, against as many test images")] = 10_000,
    out: Annotated[
        Path | None, typer.Option(help="the JSON file; the course's own for the full measurement, else runs/leaderboard.json")
    ] = None,
    again: Annotated[bool, typer.Option(help="measure rows that are there, too")] = False,
    sort: Annotated[str, typer.Option(help="column of the printed table")] = "fid",
):
    """Judge every shipped model of digits, or of faces, on the same images, and write the table. Interrupted, the same command goes on."""
    from course_lib.metrics import leaderboard as board

    if sort not in board.COLUMNS:
        raise KeyError(f"no column {sort!r}; there are: {', '.join(board.COLUMNS)}")
    out = out or (board.BOARDS[data] if data in board.BOARDS and samples == 10_000 else Path("runs/leaderboard.json"))
    for name, state in board.measure(names, data, samples, out, again=again, progress=lambda name, n: print(f"  {name}: {n:,} samples")):
        print(f"{name}: {state}", flush=True)
    print(f"\n{board.markdown(board.read(out), sort)}\n\nin {out}")
    if out in board.BOARDS.values():
        print("`make notebooks ARGS=07_metrics` puts it into the lecture and the README")


@app.command()
def grade(
    assignment: Annotated[str, typer.Argument(help="such as 02_autoencoders")],
    submissions: Annotated[
        Path | None, typer.Option(help="the inbox, a folder or zip as Moodle, Canvas or nbgrader write it; else grading/submitted")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="a student: nobody else is graded, and this one again; several times for several")
    ] = None,
    roster: Annotated[Path | None, typer.Option(help="a CSV of all students, to say who is missing")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="how many hand-ins at once; one for each core by default")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be graded; run and write nothing")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="seconds for a whole hand-in")] = 900,
    cell_timeout: Annotated[float, typer.Option(min=1, help="seconds for one cell")] = 60,
    runner: Annotated[str, typer.Option(help="the sandbox: auto, bubblewrap, docker or podman")] = "auto",
    no_sandbox: Annotated[bool, typer.Option("--no-sandbox", help="run hand-ins as yourself, within the system's limits alone")] = False,
):
    """Grade a class: points for each student and task, feedback pages, and what the class misunderstood.

    A hand-in is a program that a stranger wrote. Each runs in a sandbox of its own: no network, no files of yours, limits on time and
    memory. Where there is no sandbox the command stops, unless --no-sandbox says that these programs may do what you may.

    Ctrl-C stops at once and keeps what is done; the same command goes on. What has not changed since it was graded is not run again.
    """
    from course_lib.grading import pipeline

    if no_sandbox and runner not in ("auto", "none"):
        raise ValueError(f"--no-sandbox and --runner {runner} contradict each other: give one of them.")
    limits = pipeline.Limits(cell=cell_timeout, whole=timeout)
    runner = "none" if no_sandbox else runner
    try:
        pipeline.grade(assignment, submissions, limits=limits, runner=runner, jobs=jobs, only=only or (), dry_run=dry_run, roster=roster)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


@app.command()
def check(
    exercise: Annotated[Path, typer.Argument(help="an exercise's folder or notebook, such as exercises/02_autoencoders")],
    timeout: Annotated[float, typer.Option(min=1, help="seconds for one cell")] = 300,
):
    """Run an exercise of yours here, and print the points so far and the hints. Nothing is saved."""
    from course_lib.grading import progress

    print(progress.check(exercise, timeout))


@app.command()
def doctor():
    """Say what this machine has, what is missing, and the one thing to do about it."""
    problems = []

    def line(good: bool, what: str, cure: str = "") -> None:
        print(f"{'✓' if good else '✗'} {what}")
        if not good:
            problems.append(cure)

    def working(what: str, look) -> None:
        """Whether a part of the course works; where it does not, why, in one line."""
        try:
            look()
        except Exception as error:  # whatever is missing or broken: this command names it and goes on
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            missing = isinstance(error, ModuleNotFoundError) and error.name
            line(False, f"{what}: {reason}", f"pip install {missing}" if missing else "install the course again: pip install -e .")

    line(True, f"Python {platform.python_version()}, {os.cpu_count()} processor cores")
    for package in needed():
        try:
            line(True, f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            line(False, f"{package} is missing", f"pip install {package}")

    def graphics() -> None:
        import torch

        if torch.cuda.is_available():
            free, total = torch.cuda.mem_get_info()
            line(True, f"GPU: {torch.cuda.get_device_name()}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free")
        elif torch.backends.mps.is_available():
            line(True, "GPU: Apple MPS")
        else:
            print("· no GPU: every lecture runs on the CPU; `gpu` presets need Colab (Runtime > Change runtime type > T4 GPU)")

    def weights() -> None:
        from course_lib import checkpoints

        damaged = []
        for name in checkpoints.names():
            try:
                checkpoints.tensors(name)
            except ValueError:
                damaged.append(name)
        state = f"damaged: {', '.join(damaged)}" if damaged else "all whole"
        line(not damaged, f"weights: {len(checkpoints.names())} shipped checkpoints, {state}", "git checkout -- course_lib/weights")

    def digits() -> None:
        from course_lib import datasets

        line(True, f"mnist_small: {len(datasets.load('mnist_small', 'all')):,} digits, no download needed")

    working("graphics card", graphics)
    working("weights", weights)
    working("mnist_small", digits)
    folder = os.environ.get("COURSE_DATA_DIR")
    if folder:
        line(Path(folder).is_dir(), f"COURSE_DATA_DIR is {folder}" + ("" if Path(folder).is_dir() else ", which does not exist"),
             "make that folder, or unset COURSE_DATA_DIR")  # fmt: skip
    else:
        print("· COURSE_DATA_DIR is not set: full data sets are downloaded once, when first asked for")
    free = shutil.disk_usage(".").free / 2**30
    line(free > 2, f"{free:.0f} GiB of disk free here", "free some disk space: training states and data sets need about 2 GiB")
    print("Next: " + (problems[0] if problems else "nothing is missing. Open notebooks/ and begin."))


def needed() -> list[str]:
    """The packages that the course depends on, without its extras."""
    try:
        found = importlib.metadata.requires("deep-generative-course") or []
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that was never installed
        found = ["torch", "numpy", "matplotlib", "ipywidgets", "accelerate", "safetensors", "mlxtend"]
    return [re.match(r"[\w.-]+", requirement)[0] for requirement in found if "extra ==" not in requirement]


def main() -> None:
    """Run the command line; a known mistake, or what the machine refuses, ends in one sentence instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that has no ✓ shows a question mark
    try:
        app()
    except BrokenPipeError:  # `… | head` has read enough; what is left must not be written when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except (KeyError, ValueError, ConnectionError, FloatingPointError, InterruptedError, OSError) as error:
        raise SystemExit(f"course_lib: {sentence(error)}") from None


def sentence(error: Exception) -> str:
    """What went wrong, as one sentence."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error.args[0] if error.args else error)


if __name__ == "__main__":
    main()
