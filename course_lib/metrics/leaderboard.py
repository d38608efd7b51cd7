"""Tables of every family: each shipped model of digits, or of faces, judged on the same test images with as many samples.

`python -m course_lib leaderboard` measures what is missing or was trained anew, and writes one JSON file for each kind of images. The
lecture, the README and the site show them.
"""

import importlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from .. import checkpoints, datasets, recipes, training
from ..datasets import binarise, to_float
from ..datasets.faces import attributes
from . import digits, faces
from .coverage import memorisation, neighbour_scores_fast
from .gaussians import frechet_distance
from .kernels import mmd
from .likelihood import GreyLevels, bits_per_dim
from .two_samples import jackknife_error, kid_error

SHIPPED = Path(__file__).with_name("leaderboard.json")
SHIPPED_FACES = Path(__file__).with_name("leaderboard_faces.json")
BOARDS = {"mnist": SHIPPED, "faces": SHIPPED_FACES}  # data → where its table stands
PART = 1000  # samples that are drawn, and kept in case of an interruption, at a time
DRAWS = 50  # of a latent, for the importance-weighted bound of a VAE

# models that show one effect in a lecture, and were never meant to draw well: shown apart from those that compete
STUDIES = {
    "beta_vae_mnist_*": "one small VAE at seven β",
    "beta_vae_faces_*": "one small VAE at four β",
    "vae_2d": "two latents, for a map",
    "cgan_unbalanced": "an unbalanced part of 4,000 images",
    "pixelcnn_blind": "a mask with a blind spot",
    "diffusion_faces_worse": "small and hardly trained, for autoguidance to lead away from",
    "rbm_*": "few hidden units, or few steps, to compare ways of training",
}
SHORT = 10  # minutes of training: up to here a budget is short, else long

# key → heading, and how a number is written; the order of the table
COLUMNS = {
    "name": ("model", "{}"),
    "topic": ("family", "{}"),
    "parameters": ("parameters", "{:,}"),
    "minutes": ("minutes to train", "{:.3g}"),
    "budget": ("budget", "{}"),
    "pictures": ("pictures", "{}"),
    "bits_per_dim": ("bits/dim", "{:.3f}"),
    "likelihood": ("which are", "{}"),
    "fid": ("FID ↓", "{:,.1f}"),
    "kid": ("KID ↓", "{:,.1f}"),
    "precision": ("precision ↑", "{:.2f}"),
    "recall": ("recall ↑", "{:.2f}"),
    "density": ("density ↑", "{:.2f}"),
    "coverage": ("coverage ↑", "{:.2f}"),
    "nearest": ("distance to training images", "{:.2f}"),
    "copies": ("copies", "{:.1%}"),
    "obeyed": ("words obeyed ↑", "{:.1%}"),
    "held_out": ("pairs never seen, obeyed ↑", "{:.1%}"),
    "seconds": ("s per 1,000", "{:.2g}"),
}
# of them, in the README and the lecture
IN_SHORT = (
    "name", "topic", "pictures", "parameters", "minutes", "bits_per_dim", "likelihood", "fid", "kid", "precision", "recall", "coverage",
    "seconds",
)  # fmt: skip
FACES_IN_SHORT = (
    "name", "topic", "parameters", "minutes", "bits_per_dim", "fid", "kid", "precision", "recall", "coverage", "obeyed", "held_out",
    "seconds",
)  # fmt: skip
FLOORS = ("floor", "floor_black_and_white")  # of grey and of black-and-white pictures


def is_study(name: str) -> bool:
    """Whether a model shows one effect and does not compete."""
    return any(fnmatch(name, pattern) for pattern in STUDIES)


def competing(board: Mapping) -> list[dict]:
    """The rows of models that compete: without the studies."""
    return [row for row in board["rows"] if not is_study(row["name"])]


def studies(board: Mapping) -> list[dict]:
    """The rows of models that show one effect."""
    return [row for row in board["rows"] if is_study(row["name"])]


def floors(board: Mapping) -> list[dict]:
    """The rows of real images, as far as they were measured: grey, and black and white."""
    return [board[key] for key in FLOORS if key in board]


def entrants(data: str = "mnist") -> list[str]:
    """Every shipped checkpoint that was trained on MNIST and can draw digits; or the same of faces."""
    return [name for name in checkpoints.names() if enters(checkpoints.record(name), "faces" if data == "faces" else "mnist")]


def enters(record: dict, trained_on: str) -> bool:
    if record["model"] is None or not record["data"].startswith(trained_on):
        return False
    module, cls = record["model"].rsplit(".", 1)
    return hasattr(getattr(importlib.import_module(module), cls), "sample")


def samples_of(
    model: nn.Module, n: int, folder: Path, key: str, progress: Callable[[int], None] | None = None, y: Tensor | None = None
) -> Tensor:
    """n samples as uint8 (n, *shape). Parts that were drawn before are read from the folder: an interruption costs one part.

    y: what a model of faces is told, (n, 10)
    """
    parts = []
    for start in range(0, n, PART):
        size, path = min(PART, n - start), folder / f"{key}-{start}-{n}.pt"
        if path.exists():
            part = torch.load(path, weights_only=True)
        else:
            training.seed_everything(start)
            part = grey(digits.draw(model, size, 250, None if y is None else y[start : start + size]))
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".partial")
            torch.save(part, unfinished)
            unfinished.replace(path)
        parts.append(part)
        if progress:
            progress(start + size)
    return torch.cat(parts)


def grey(x: Tensor) -> Tensor:
    """What a model draws, whatever its type: whole numbers up to 1 are black and white → uint8, on the CPU."""
    if x.is_floating_point():
        return (x.clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    return (x * 255 if x.max() <= 1 else x).to(torch.uint8).cpu()


@torch.no_grad()
def log_prob_of_levels(model: nn.Module, x: Tensor, y: Tensor, levels: GreyLevels | None) -> tuple[Tensor | None, str]:
    """log P of uint8 images (batch, *shape) on 256 levels, nats, or None; and what it is: "exact", "bound", "estimate" or "none".

    An estimate has a log Z that annealed importance sampling found, which is too low on average. Models that must know the label are
    judged on P(x | y), and it says so.
    """
    y = y if getattr(model, "classes", 0) else None
    if getattr(model, "levels", 0) == 256:
        return (model.log_prob(x.long()), "exact") if y is None else (model.log_prob(x.long(), y), "exact, label known")
    if model.config.get("dequantisation"):
        return model.log_prob(x), "bound"
    if model.config.get("schedule") and hasattr(model, "elbo"):
        return model.elbo(to_float(x)), "bound"
    if levels is None:  # pictures in colour have no black and white
        return None, "none"
    # what is left are models of black and white
    on = binarise(x, generator=torch.Generator(x.device).manual_seed(0))
    kind = "bound, binarised" if y is None else "bound, binarised, label known"
    if hasattr(model, "log_partition_ais"):
        kind = "estimate, binarised"
    if hasattr(model, "iwae_bound_in_parts"):
        return levels.bound(x, on, model.iwae_bound_in_parts(on, DRAWS, y)), kind
    if hasattr(model, "log_prob"):
        return levels.bound(x, on, model.log_prob(on) if y is None else model.log_prob(on, y)), kind
    return None, "none"


def likelihood(model: nn.Module, test: tuple[Tensor, Tensor], levels: GreyLevels | None) -> dict:
    """bits_per_dim on the test images, or None, and what they are. `bits_per_dim_error`: what other test images and draws would change."""
    training.seed_everything(0)
    place, values = next(model.parameters()).device, []
    for x, y in zip(*(part.split(250) for part in test)):
        value, kind = log_prob_of_levels(model, x.to(place), y.to(place), levels)
        if value is None:
            return {"bits_per_dim": None, "likelihood": kind}
        values.append(value.cpu().double())
    bits = bits_per_dim(torch.cat(values), test[0][0].numel())
    return {"bits_per_dim": bits.mean().item(), "bits_per_dim_error": recipes.standard_error(bits), "likelihood": kind}


def obedience(model: nn.Module, fake: Tensor, words: Tensor) -> dict:
    """How often the words of faces are read in what was drawn for them; and both of a pair that training never held together."""
    if not getattr(model, "classes", 0):
        return {"obeyed": None, "held_out": None}
    training.seed_everything(0)
    found = faces.obedience(lambda y: to_float(grey(digits.draw(model, len(y), 250, y))), to_float(fake), words)
    return {key: found[key] for key in ("obeyed", "held_out")}


def pictures(x: Tensor) -> str:
    """What uint8 pictures are: "colour", "grey", or "black and white" where no other level occurs."""
    if x.shape[1] == 3:
        return "colour"
    return "black and white" if ((x == 0) | (x == 255)).all() else "grey"


def quality(fake: Tensor, real: Tensor, train: Tensor) -> dict:
    """Every score of samples against as many real images, uint8 (n, *shape) each; `train` is what they might be copies of.

    `fid_error`, `kid_error`: what other draws of samples and of test images would change, by leaving a tenth of both out in turn.
    """
    of_fake, of_real = features(fake), features(real)
    near = neighbour_scores_fast(of_real, of_fake)
    copied = memorisation(to_float(fake), to_float(train), to_float(real))
    return {
        "pictures": pictures(fake),
        "fid": float(frechet_distance(of_real, of_fake)),
        "fid_error": jackknife_error(frechet_distance, of_real, of_fake),
        "kid": float(mmd(of_real, of_fake)),
        "kid_error": kid_error(of_real, of_fake),
        "precision": near.precision,
        "recall": near.recall,
        "density": near.density,
        "coverage": near.coverage,
        "nearest": copied.distance,
        "closer": copied.closer,
        "copies": copied.copies,
    }


def features(x: Tensor) -> Tensor:
    """What the network that judges such pictures sees in uint8 (n, *shape): digits are grey, faces in colour."""
    return (faces.face_features if x.shape[1] == 3 else digits.digit_features)(to_float(x))


def seconds_per_thousand(model: nn.Module, at_least: float = 2.0) -> float:
    """Seconds for 1,000 samples in batches of 100, timed for `at_least` seconds after a first small batch that warms up."""
    digits.draw(model, 4)
    started, drawn = time.perf_counter(), 0
    while not drawn or time.perf_counter() - started < at_least:
        digits.draw(model, 100, 100)
        drawn += 100
    return 1000 * (time.perf_counter() - started) / drawn


def row_of(name: str, test: tuple[Tensor, Tensor], train: Tensor, folder: Path, progress: Callable[[int], None] | None = None) -> dict:
    """One row, measured with as many samples as there are test images.

    Args:
        test: images and labels;  train: images;  folder: for the samples
    """
    record = checkpoints.record(name)
    model = checkpoints.load(name, training.pick_device())
    words = attributes(test[1]) if record["data"].startswith("faces") else None
    fake = samples_of(model, len(test[0]), folder, f"{name}-{record['sha256'][:8]}", progress, words)
    return {
        "name": name,
        "topic": record["model"].split(".")[1],
        "sha256": record["sha256"],
        "parameters": record["parameters"],
        "minutes": record["minutes"],
        "trained_on": record["device"],
        **likelihood(model, (test[0], test[1] if words is None else words), GreyLevels(train) if words is None else None),
        **quality(fake, test[0], train),
        **({} if words is None else obedience(model, fake, words)),
        "seconds": seconds_per_thousand(model),
    }


def read(path: Path = SHIPPED) -> dict:
    """What was measured: data, samples, device, the floor, and rows; no rows where nothing was measured yet."""
    return json.loads(Path(path).read_text(encoding="utf-8")) if Path(path).exists() else {"rows": []}


def measure(
    names: Sequence[str] | None = None,
    data: str = "mnist",
    samples: int = 10_000,
    path: Path = SHIPPED,
    folder: Path = Path("runs/leaderboard"),
    again: bool = False,
    progress: Callable[[str, int], None] | None = None,
) -> Iterator[tuple[str, str]]:
    """Measure what is missing or was trained anew, and write the file after every row. Yields the name and what is being done with it.

    Args:
        names: models to measure; all that can draw digits when left out
        samples: of each model, and as many test images
        folder: where samples are kept until their row is written
        again: measure rows that are there, too
        progress: called with the name and how many samples there are

    Raises:
        KeyError: a name that cannot enter
        ValueError: fewer test images than samples
    """
    everyone = entrants(data)
    for name in names or []:
        if name not in everyone:
            raise KeyError(f"{name!r} cannot enter; those who can: {', '.join(everyone)}")
    train, test = (shuffled(datasets.load(data, split)) for split in ("train", "test"))
    path.parent.mkdir(parents=True, exist_ok=True)
    most = min(len(test[0]), len(train[0]) // 2)
    if not 100 <= samples <= most:
        raise ValueError(f"samples must be 100 to {most:,}, as many as there are test images of {data}; got {samples:,}")
    test = test[0][:samples], test[1][:samples]
    head = {"data": data, "samples": samples, "device": recipes.describe(training.pick_device())}
    board = read(path)
    if any(board.get(key) != head[key] for key in ("data", "samples")):
        board = {**head, "rows": []}
    if "floor" not in board:
        yield "real images", "measuring"
        board["floor"] = floor(test[0], train[0])
        if pictures(test[0]) == "grey":
            board["floor_black_and_white"] = floor(test[0], train[0], on_off=True)
    kept = {row["name"]: row for row in board["rows"] if row["name"] in everyone}
    for name in names or everyone:
        if not again and kept.get(name, {}).get("sha256") == checkpoints.record(name)["sha256"]:
            yield name, "there"
            continue
        yield name, "measuring"
        kept[name] = recipes.tidy(row_of(name, test, train[0], folder, partial(progress, name) if progress else None))
        board |= {"device": head["device"], "rows": sorted(kept.values(), key=lambda row: row["fid"])}
        checkpoints.write_atomically(path, (json.dumps(board, indent=1, ensure_ascii=False) + "\n").encode())
        for part in folder.glob(f"{name}-*.pt"):
            part.unlink()


def shuffled(data: datasets.Dataset) -> tuple[Tensor, Tensor]:
    """Images and labels on the CPU in a fixed random order: some data sets come digit by digit."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    return data.x.cpu()[order], data.y.cpu()[order]


def floor(test: Tensor, train: Tensor, on_off: bool = False) -> dict:
    """The scores of training images, as if a model had drawn them: no sampler should do better.

    FID and KID are means over as many disjoint sets of training images as there are, five at most; their errors are the standard
    deviation over these sets. The other scores are those of the first.

    Args:
        on_off: binarise the training images first, as a model of black and white would draw them. The test images stay grey
    """
    n = len(test)
    drawn = (binarise(train, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8) if on_off else train
    scores, sets = quality(drawn[:n], test, train[n:]), min(5, len(train) // n)
    of_test = features(test)
    of_sets = [features(drawn[i * n : (i + 1) * n]) for i in range(sets)]
    for key, score in (("fid", frechet_distance), ("kid", mmd)):
        values = torch.tensor([float(score(of_test, of_set)) for of_set in of_sets], dtype=torch.float64)
        scores |= {key: values.mean().item(), f"{key}_error": values.std().item()}
    return recipes.tidy({"name": "training images, binarised" if on_off else "training images", "topic": "data", **scores})


def table(board: Mapping, sort: str = "fid", columns: Sequence[str] = tuple(COLUMNS), rows: Sequence[Mapping] | None = None) -> list[dict]:
    """Rows for `plotting.table`: heading → text, best first by `sort`; real images come first. FID and KID have their errors, if measured.

    Args:
        rows: those that compete when left out; `studies(board)` are the others

    Raises:
        KeyError: an unknown column
    """
    if unknown := [c for c in (sort, *columns) if c not in COLUMNS]:
        raise KeyError(f"no column {', '.join(unknown)}; there are: {', '.join(COLUMNS)}")
    if not board["rows"]:
        raise ValueError("nothing has been measured yet: run `python -m course_lib leaderboard`")
    rows = [complete(row) for row in (competing(board) if rows is None else rows)]
    sign = -1 if "↑" in COLUMNS[sort][0] else 1
    missing = [row for row in rows if row.get(sort) is None]
    there = [row for row in rows if row.get(sort) is not None]
    there.sort(key=lambda row: row[sort] if isinstance(row[sort], str) else sign * row[sort])
    return [{COLUMNS[c][0]: cell(row, c) for c in columns} for row in [*floors(board), *there, *missing]]


def complete(row: Mapping) -> dict:
    """A row with its derived columns."""
    minutes = row.get("minutes")
    return {**row, "budget": None if minutes is None else f"≤ {SHORT} min" if minutes <= SHORT else f"> {SHORT} min"}


def cell(row: Mapping, column: str) -> str:
    """A number as it is written, with its error if there is one; – where there is none."""
    value, error, form = row.get(column), row.get(f"{column}_error"), COLUMNS[column][1]
    if value is None:
        return "–"
    return form.format(value) + ("" if error is None else f" ± {error:,.2g}" if error < 100 else f" ± {error:,.0f}")


def markdown(board: dict, sort: str = "fid", columns: Sequence[str] = tuple(COLUMNS)) -> str:
    """The table of those that compete in Markdown, with a line on how it was measured."""
    rows = table(board, sort, columns)
    lines = [list(rows[0]), ["---"] * len(columns), *[list(row.values()) for row in rows]]
    how = f"{board['samples']:,} samples of each model against the {board['samples']:,} test images of {board['data']}; {board['device']}."
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ["", how])
