"""How each shipped checkpoint is made: `python -m course_lib train NAME --preset cpu`.

A topic writes its recipes beside its models, in `course_lib/<topic>`, as a dict called `RECIPES`.
"""

import importlib
import math
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from . import checkpoints, datasets, training

TOPICS = ["autoencoders", "autoregressive", "diffusion", "flows", "gans", "metrics", "transformers", "energy_based"]


@dataclass(frozen=True)
class Budget:
    """What `training.fit` is told; one for a 2-core laptop (`cpu`) and one for a Colab T4 (`gpu`)."""

    steps: int
    batch_size: int = 128
    lr: float = 1e-3
    warmup: int = 200
    clip: float | None = None
    weight_decay: float = 0.0
    ema: float | None = 0.999
    precision: str = "no"

    def options(self, device: torch.device | None = None) -> dict:
        """Keyword arguments for `training.fit`; "bf16" only where the device (by default the best one here) is fast at it."""
        return asdict(self) | {"precision": training.fast_precision(self.precision, device)}


@dataclass(frozen=True)
class Recipe:
    """A model, its data, its budgets, and what to measure.

    Attributes:
        build: () → untrained model
        data: a name of `datasets.load`
        budgets: preset → Budget; a model that only a GPU can train in time has no "cpu", and is not shipped
        fit: keyword arguments for `training.fit`: step, prepare, optimisers (a function of the model)
        tensors: Dataset → what `fit` iterates over; the images when left out
        measure: (model, test split) → dict of numbers
        before: (model, tensors) → None, sets what the model must know of its data before training
        after: (model, train split, steps, progress) → None, a second stage of training
        bits: in which each weight is stored; 8 for families of small models, which show an effect and win no prize
        film: instead of a model, (budget, steps, train split, test split, seed) → (tensors, numbers): the course of training itself
    """

    build: Callable[[], nn.Module] | None
    data: str
    budgets: dict[str, Budget]
    measure: Callable | None
    fit: dict = field(default_factory=dict)
    tensors: Callable = lambda ds: ds.x
    before: Callable | None = None
    after: Callable | None = None
    film: Callable | None = None
    bits: int = 16


def floats_and_labels(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """A `prepare` for labelled images: uint8 → [0, 1]."""
    return datasets.to_float(batch[0]), batch[1]


def images_and_labels(data: datasets.Dataset) -> tuple[Tensor, Tensor]:
    """The `tensors` of labelled images."""
    return data.x, data.y


def words_and_faces(data: datasets.Dataset) -> tuple[Tensor, Tensor]:
    """The `tensors` of a recipe whose model is told words: faces, and the ten words of each, (n, 10)."""
    return data.x, datasets.faces.attributes(data.y)


def recipes() -> dict[str, Recipe]:
    """Every recipe of every topic, by name."""
    found = {}
    for topic in TOPICS:
        new = importlib.import_module(f"course_lib.{topic}").RECIPES
        if twice := found.keys() & new.keys():
            raise ValueError(f"two topics have recipes of one name: {', '.join(sorted(twice))}")
        found |= new
    return found


def preset_for(device: torch.device | None = None) -> str:
    """ "cpu" or "gpu", by the device that training would use."""
    return "cpu" if (device or training.pick_device()).type == "cpu" else "gpu"


def find(name: str) -> Recipe:
    """The recipe called `name`; KeyError with the valid names otherwise."""
    known = recipes()
    if name not in known:
        raise KeyError(f"no recipe {name!r}; there are: {', '.join(known)}")
    return known[name]


def train(
    name: str,
    preset: str = "auto",
    *,
    seed: int = 0,
    steps: int | None = None,
    folder: Path = Path("runs"),
    device: str | None = None,
    progress: bool = True,
) -> dict:
    """Train the checkpoint `name`, measure it, and write it to `folder`; goes on from `folder/NAME.state` when that is there.

    preset: "cpu", "gpu", or "auto" for what the machine has. Returns the record (empty in all processes but the first).

    Raises:
        KeyError: there is no such recipe
        ValueError: there is no such preset or device; the folder cannot be written, or holds the state of a run with another seed or length
        InterruptedError: Ctrl-C ended training; the state is kept
    """
    recipe = find(name)
    place = training.pick_device() if device is None else training.device_called(device)
    preset = preset_for(place) if preset == "auto" else preset
    if preset not in recipe.budgets:
        raise ValueError(f"unknown preset {preset!r}; choose one of {', '.join(recipe.budgets)}")
    budget = recipe.budgets[preset]
    steps = steps or budget.steps
    state = folder / f"{name}.state"
    checkpoints.writable(folder / f"{name}.json")
    if state.exists():
        old = training.load_state(state)
        theirs, ours = (old.get("seed", seed), old.get("steps", steps)), (seed, steps)
        if theirs != ours:
            raise ValueError(
                f"{state} is of a run with seed {theirs[0]} and {theirs[1]} steps, not seed {ours[0]} and {ours[1]}: "
                f"finish that one, choose another folder with --out, or delete the file"
            )
    entry = {
        "data": "",
        "seed": seed,
        "preset": preset,
        "steps": steps,
        "minutes": 0.0,
        "device": describe(place),
        "torch": torch.__version__.split("+")[0],
        "python": platform.python_version(),
        "command": f"python -m course_lib train {name} --preset {preset}"
        + (f" --seed {seed}" if seed else "")
        + (f" --steps {steps}" if steps != budget.steps else ""),
    }
    data = datasets.load(recipe.data, "train")
    entry["data"] = f"{recipe.data}, {len(data):,} {'characters' if isinstance(data, datasets.Text) else 'items'}"
    now = training.clock(place)
    started = now()
    if recipe.film:
        tensors, numbers = recipe.film(budget, steps, data, datasets.load(recipe.data, "test"), seed)
        entry["minutes"] = round((now() - started) / 60, 2)
        return checkpoints.save(name, tensors, entry | {"numbers": tidy(numbers)}, folder=folder)
    training.seed_everything(seed)
    model = recipe.build()
    tensors = recipe.tensors(data)
    if recipe.before:
        recipe.before(model, tensors)
    if device is None:  # the best device here need not be the best for this model
        place = training.pick_device(model)
        entry["device"] = describe(place)
    options = dict(recipe.fit)
    if "optimisers" in options:
        options["optimisers"] = options["optimisers"](model.to(place))
    run = training.fit(
        model,
        tensors,
        **replace(budget, steps=steps, warmup=min(budget.warmup, steps // 2)).options(place),
        seed=seed,
        device=place,
        checkpoint=state,
        progress=progress,
        **options,
    )
    if run.interrupted:
        raise InterruptedError(f"stopped at step {run.step}; the same command goes on from there")
    if not run.accelerator.is_main_process:
        return {}  # one of several processes measures and writes
    model = run.ema or run.model
    started = now()
    if recipe.after:
        recipe.after(model, data, steps, progress)
    entry["minutes"] = round((run.seconds + now() - started) / 60, 2)
    # measured on what is shipped: weights that went through its bits
    model.load_state_dict(checkpoints.unpacked(checkpoints.packed(model.state_dict(), recipe.bits)))
    entry["numbers"] = evaluate(model, recipe)
    saved = checkpoints.save(name, model, entry, bits=recipe.bits, folder=folder)
    state.unlink(missing_ok=True)
    return saved


def describe(device: torch.device) -> str:
    """The device in words, for a record."""
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    return f"cpu, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type


def evaluate(model: nn.Module, recipe: Recipe, seed: int = 0) -> dict:
    """The recipe's numbers on its test split, rounded to what is stable."""
    training.seed_everything(seed)
    device = next(model.parameters()).device
    numbers = recipe.measure(model.eval(), datasets.load(recipe.data, "test").to(device))
    return tidy(numbers)


def standard_error(values: Tensor) -> float:
    """Of the mean of independent values (n,)."""
    return (values.std() / len(values) ** 0.5).item()


def as_far_as_known(numbers: dict) -> dict:
    """Numbers that have a spread beside them, NAME_error or NAME_sd, rounded to the second digit of that spread."""
    known = {}
    for name, value in numbers.items():
        spread = next((numbers[f"{name}_{kind}"] for kind in ("error", "sd") if f"{name}_{kind}" in numbers), None)
        own = value if name.endswith(("_error", "_sd")) else spread
        known[name] = round(float(value), 1 - math.floor(math.log10(own))) if own else value
    return known


def tidy(value):
    """Floats with four significant digits, inside lists and dicts too, so that records read well."""
    if isinstance(value, list):
        return [tidy(v) for v in value]
    if isinstance(value, dict):
        return {k: tidy(v) for k, v in value.items()}
    if isinstance(value, float) and value and math.isfinite(value):
        return round(value, max(0, 3 - math.floor(math.log10(abs(value)))))
    return value
