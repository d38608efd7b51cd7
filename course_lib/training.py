"""The one training loop of the course.

`fit` runs any model with a `loss`, on a CPU, a GPU or several, and any game with its own step and optimisers.
"""

import copy
import io
import math
import operator
import random
import signal
import threading
import time
import zipfile
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from tqdm.auto import tqdm

from .checkpoints import plain, writable, write_atomically

SMALL = 2e9  # floating-point operations of a step: below it, threads wait for each other longer than they save


class TrainingDiverged(FloatingPointError):
    """The loss became NaN or infinite; the message says what to look at."""


def pick_device(model: nn.Module | None = None, precision: str = "no") -> torch.device:
    """The best device here: CUDA, then Apple's MPS where this model trains there as it does elsewhere, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() and not why_not_mps(model, precision) else "cpu")


def why_not_mps(model: nn.Module | None = None, precision: str = "no") -> str:
    """Why Apple's MPS, which has no float64, would not give the result of a CPU; empty where it would."""
    if precision != "no":
        return f"precision={precision!r} is for CUDA and the CPU; on mps train with precision='no'"
    if model is None:
        return ""
    if torch.float64 in {t.dtype for t in (*model.parameters(), *model.buffers())}:
        return "the model has weights in float64; call model.float() first, or train on the CPU with device='cpu'"
    if any(getattr(part, "in_float64", False) for part in model.modules()):
        return f"{type(model).__name__} computes in float64; train on the CPU with device='cpu'"
    return ""


def fast_precision(precision: str, device: torch.device | None = None) -> str:
    """The precision to train in where "bf16" was meant to save time: processors without it compute it all the same, many times slower.

    Graphics cards before Ampere (Colab's T4) take "fp16" in its place, other CPUs "no".
    """
    device = device or pick_device()
    if precision != "bf16":
        return precision
    if device.type == "cuda":
        return precision if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return precision if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported() else "no"


@contextmanager
def limits_of(device: torch.device):
    """What Apple's MPS has not learned yet becomes one sentence: torch's own advice is a switch of the environment."""
    try:
        yield
    except NotImplementedError as error:
        if device.type != "mps":
            raise
        raise ValueError(f"device 'mps' cannot do a step of this model ({str(error).split(chr(10))[0][:90]} …); use device='cpu'") from None


def device_called(name: str) -> torch.device:
    """The device of that name; ValueError when there is no such device, or not here."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    kind = name.split(":")[0]
    if kind not in available:
        raise ValueError(f"unknown device {name!r}; choose cpu, cuda or mps")
    if not available[kind]:
        raise ValueError(f"this machine has no {kind} device; there is: {', '.join(k for k, here in available.items() if here)}")
    return torch.device(name)


def clock(device: torch.device) -> Callable[[], float]:
    """What training is timed by, in seconds: on a CPU the time of its cores, which other programs do not lengthen; else the wall clock."""
    return time.process_time if device.type == "cpu" else time.perf_counter


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch (every device)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (libraries below us use the global generator)
    torch.manual_seed(seed)


class EMA:
    """An exponential moving average of a model's weights: ema ← decay·ema + (1 − decay)·weights.

    `ema.model` is a copy to evaluate and sample with. Buffers (batch-norm statistics) are copied, not averaged: they are averages already.
    The decay is warmed up as (1 + n)/(10 + n), so that a short run does not remember its random start.
    Make it where the model lives: moving either to another device afterwards cuts the tie between them.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999):
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        self.decay, self.updates = decay, 0
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        # lists made once: walking the module tree at every step costs more than the arithmetic
        self.averaged, self.weights = list(self.model.parameters()), [p.detach() for p in model.parameters()]
        self.buffers = list(zip(self.model.buffers(), model.buffers(), strict=True))

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self.averaged, self.weights, 1 - decay)  # one fused call instead of one a tensor
        for ours, theirs in self.buffers:
            ours.copy_(theirs)


class Work(TorchDispatchMode):
    """Counts the floating-point operations of matrix products, convolutions and attention, forwards and backwards: `work.flops`."""

    flops = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.flops += count(*args, **(kwargs or {}), out_val=result)
        return result


def learning_rate(step: int, steps: int, schedule: str = "cosine", warmup: int = 0) -> float:
    """The factor on the base learning rate at `step` of `steps`.

    schedule: "constant", "linear" (polynomial of degree 1), "cosine" or "exponential" (to 1 %). `warmup` steps rise linearly from 0 first.
    """
    if step < warmup:
        return (step + 1) / warmup
    t = (step - warmup) / max(1, steps - warmup)
    factors = {"constant": 1.0, "linear": 1 - t, "cosine": 0.5 * (1 + math.cos(math.pi * t)), "exponential": 0.01**t}
    if schedule not in factors:
        raise ValueError(f"unknown schedule {schedule!r}; choose one of {', '.join(factors)}")
    return factors[schedule]


class Run:
    """What `fit` gives back, and what a step function works with.

    Attributes:
        model: the trained model;  ema: the averaged copy, or None
        history: one dict of floats every `log_every` steps, with "step" and "seconds"
        step, steps: where training is, and where it ends;  progress: step / steps in [0, 1)
        seconds: time spent in the loop, by `clock`;  interrupted: stopped by Ctrl-C or the stop button
        flops: of a step, counted in the first one on a CPU
    """

    def __init__(
        self, model: nn.Module, optimisers: dict, accelerator: Accelerator, steps: int, clip: float | None, ema: float | None, seed: int = 0
    ):
        self.model, self.optimisers, self.accelerator, self.steps, self.clip, self.seed = model, optimisers, accelerator, steps, clip, seed
        self.base_lr = {name: [g["lr"] for g in o.param_groups] for name, o in optimisers.items()}
        self.average = EMA(model, ema) if ema is not None else None
        self.at_step_boundary()
        self.step, self.seconds, self.interrupted, self.history, self.flops = 0, 0.0, False, [], None

    @property
    def ema(self) -> nn.Module | None:
        return self.average.model if self.average else None

    @property
    def progress(self) -> float:
        return self.step / self.steps

    def at_step_boundary(self) -> None:
        """Remember the random state between two steps. A state kept later in the step must hold this one: its noise will be drawn again."""
        self.moved = False  # no optimiser has in this step
        self.rng = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}
        if torch.backends.mps.is_available():
            self.rng["mps"] = torch.mps.get_rng_state()

    def update(self, loss: Tensor, name: str = "model") -> None:
        """Backward, clip and step the optimiser called `name`. Gradients of its own parameters only are used and cleared."""
        if loss.ndim:
            raise ValueError(f"a loss must be one number, got shape {tuple(loss.shape)}; average it over the batch")
        if not loss.is_cuda and not torch.isfinite(loss):  # on a GPU this look would stall every step: `fit` looks at each log instead
            raise TrainingDiverged(self._diagnosis({name: loss.item()}))
        optimiser = self.optimisers[name]
        own = [p for group in optimiser.param_groups for p in group["params"] if p.requires_grad]
        self.accelerator.backward(loss, inputs=own)  # the gradients of the others are neither computed nor kept for their next step
        if self.accelerator.sync_gradients:
            parameters = [p for p in own if p.grad is not None]
            average_gradients(parameters, self.accelerator.num_processes)
            if self.clip:
                self.accelerator.clip_grad_norm_(parameters, self.clip)
        self.moved |= self.accelerator.sync_gradients
        optimiser.step()
        optimiser.zero_grad()
        torch.clear_autocast_cache()  # 16-bit copies of the weights as they were: the other player would still meet them in this step

    def _diagnosis(self, values: dict[str, float]) -> str:
        shown = ", ".join(f"{k} = {v}" for k, v in values.items())
        last = f" The last finite record: {self.history[-1]}." if self.history else ""
        return (
            f"training stopped at step {self.step}: {shown}.{last} Look at, in this order: the range of the input, the learning rate "
            f"(now {max(g['lr'] for o in self.optimisers.values() for g in o.param_groups):.1e}), a log or division of zero in the loss, "
            f"and clip= (now {self.clip})."
        )

    def state_dict(self) -> dict:
        return {
            "model": self.model.state_dict(),
            "ema": {"weights": self.ema.state_dict(), "updates": self.average.updates} if self.average else None,
            "optimisers": {name: o.state_dict() for name, o in self.optimisers.items()},
            "step": self.step,
            "steps": self.steps,
            "seconds": self.seconds,
            "history": self.history,
            "flops": self.flops,
            "config": plain(dict(getattr(self.model, "config", {}))),
            "seed": self.seed,
            "rng": self.rng,
        }

    def load_state_dict(self, state: dict) -> None:
        config = plain(dict(getattr(self.model, "config", {})))
        if state["config"] != config:
            raise ValueError(f"the checkpoint holds a model with config {state['config']}, this one has {config}")
        if state.get("seed", self.seed) != self.seed:
            raise ValueError(f"the checkpoint is of a run with seed={state['seed']}, not {self.seed}: give that seed, or another file")
        self.model.load_state_dict(state["model"])
        if self.average and state["ema"]:
            self.ema.load_state_dict(state["ema"]["weights"])
            self.average.updates = state["ema"]["updates"]
        elif self.average:  # until now nothing was averaged: begin with the weights as they are
            self.average = EMA(self.model, self.average.decay)
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.step, self.seconds, self.history, self.flops = state["step"], state["seconds"], state["history"], state.get("flops")
        torch.set_rng_state(state["rng"]["cpu"])
        if torch.cuda.is_available() and len(state["rng"]["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["rng"]["cuda"])
        if torch.backends.mps.is_available() and "mps" in state["rng"]:
            torch.mps.set_rng_state(state["rng"]["mps"])


def average_gradients(parameters: list[nn.Parameter], processes: int) -> None:
    """Mean of the gradients over all processes, in one message."""
    # by hand rather than by DistributedDataParallel: that hooks `forward`, and our models are trained through `loss`
    if processes == 1 or not parameters:
        return
    flat = torch.cat([p.grad.flatten() for p in parameters])
    dist.all_reduce(flat)
    for p, mean in zip(parameters, flat.div_(processes).split([p.numel() for p in parameters]), strict=True):
        p.grad.copy_(mean.view_as(p.grad))


def examples(data) -> tuple[Tensor, ...]:
    """The tensors to train on, of one length and without NaN; ValueError with what to give instead."""
    tensors = tuple(
        torch.as_tensor(part) if isinstance(part, np.ndarray) else part for part in (data if isinstance(data, tuple) else (data,))
    )
    if odd := [part for part in tensors if not isinstance(part, Tensor) or part.ndim == 0]:
        raise ValueError(
            f"data must be a tensor or a tuple of tensors, one entry for each example, not {type(odd[0]).__name__}; of a data set give its "
            f"tensors, such as `data.images()` or `(data.images(), data.y)`; from a loader, join its batches with torch.cat"
        )
    if len({len(t) for t in tensors}) != 1 or len(tensors[0]) == 0:
        raise ValueError(f"data must be non-empty tensors of one length, got lengths {[len(t) for t in tensors]}")
    for t in tensors:
        if t.is_floating_point() and not (good := t.flatten(1).isfinite().all(1) if t.ndim > 1 else t.isfinite()).all():
            raise ValueError(
                f"data hold NaN or infinity in {(~good).sum()} of {len(t)} examples, the first is number {int((~good).nonzero()[0])}"
            )
    return tensors


def whole_number(name: str, value, least: int) -> int:
    """`value` as an int; ValueError where it is none, or too small."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise ValueError(f"{name} must be a whole number, at least {least}, got {value!r}")
    return number


@contextmanager
def stop_between_steps():
    """Ctrl-C waits for the end of the step, so that what is kept is whole; the second one does not wait. Yields `pressed() -> bool`."""
    before, count = signal.getsignal(signal.SIGINT), []

    def note(number, frame):
        signal.signal(signal.SIGINT, before)
        count.append(number)

    listens = threading.current_thread() is threading.main_thread() and callable(before)  # Python allows no other thread to
    if listens:
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(count)
    finally:
        if listens:
            signal.signal(signal.SIGINT, before)


def minimise_loss(run: Run, batch) -> dict[str, Tensor]:
    """The default step: minimise `model.loss(batch)`."""
    loss = run.model.loss(*batch) if isinstance(batch, tuple) else run.model.loss(batch)
    run.update(loss)
    return {"loss": loss}


def fit(
    model: nn.Module,
    data: Tensor | tuple[Tensor, ...],
    *,
    steps: int,
    batch_size: int = 128,
    lr: float = 1e-3,
    step: Callable[[Run, Tensor], dict] = minimise_loss,
    prepare: Callable | None = None,
    optimisers: dict[str, torch.optim.Optimizer] | None = None,
    schedule: str = "cosine",
    warmup: int = 0,
    weight_decay: float = 0.0,
    clip: float | None = None,
    accumulate: int = 1,
    ema: float | None = None,
    precision: str = "no",
    seed: int = 0,
    device: torch.device | str | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 500,
    log_every: int = 25,
    watch: Callable[[Run], None] | None = None,
    progress: bool = True,
) -> Run:
    """Train `model` on `data` for `steps` optimiser steps.

    Args:
        data: one tensor or array, or a tuple of them of equal length, without NaN; kept whole on the device and indexed there
        step: `step(run, batch)` calls `run.update(loss)` and may return a dict of scalars to log; by default `model.loss` is minimised
        prepare: `prepare(batch)`, run on the device before the step: scaling, binarisation, noise
        optimisers: name → optimiser; AdamW on all parameters, called "model", when left out. A GAN gives two, and calls
            `run.update(loss, name)`
        schedule, warmup: see `learning_rate`
        clip: the largest gradient norm, above 0;  accumulate: batches for one step
        ema: decay of the averaged weights, `run.ema`
        precision: "no", "bf16" or "fp16"
        checkpoint: a file written atomically every `checkpoint_every` steps and at the end; when it exists, training goes on from it,
            with the same seed; `steps` may have grown, and averaged weights that it lacks begin with its weights
        watch: called with the run at every log, for example `plotting.LossPlot()`

    Ctrl-C or the stop button ends training after the step that runs, and keeps what was learned.
    Several processes (`accelerate launch`, `notebook_launcher`)
    each take their own share of every batch; `batch_size` is the size of the whole batch. On a CPU the first step counts its work, and a
    small model trains on one thread: it is hardly slower, and a busy neighbour costs it less.

    Raises:
        TrainingDiverged: a loss became NaN or infinite
        ValueError: an argument is out of range, nothing of the model can be trained, the checkpoint is of another model or run, or its
            file cannot be written
    """
    tensors = examples(data)
    steps, batch_size, accumulate, log_every, checkpoint_every = (
        whole_number(name, value, least=1)
        for name, value in {
            "steps": steps,
            "batch_size": batch_size,
            "accumulate": accumulate,
            "log_every": log_every,
            "checkpoint_every": checkpoint_every,
        }.items()
    )
    warmup, seed = whole_number("warmup", warmup, least=0), whole_number("seed", seed, least=0)
    for name, value in {"lr": lr, "weight_decay": weight_decay, "clip": math.inf if clip is None else clip}.items():
        if not value >= 0 or name == "clip" and value == 0:
            raise ValueError(f"{name} must be {'above 0, or None' if name == 'clip' else 'at least 0'}, got {value}")
    learning_rate(0, steps, schedule)  # refuses a schedule that it does not know
    if checkpoint:
        writable(Path(checkpoint))
    wanted = None if device is None else device_called(str(device))
    if wanted and wanted.type == "mps" and (reason := why_not_mps(model, precision)):
        raise ValueError(f"device 'mps' has no float64 and would not give the result of a CPU: {reason}")
    # accelerate takes mps where nobody names a device, also for a model that has no business there
    on_cpu = wanted.type == "cpu" if wanted else torch.backends.mps.is_available() and pick_device(model, precision).type == "cpu"
    # accelerate keeps the precision of the first run for the whole process: without this a notebook could not try two
    AcceleratorState._reset_state(reset_partial_state=PartialState().num_processes == 1)
    accelerator = Accelerator(mixed_precision=precision, gradient_accumulation_steps=accumulate, cpu=on_cpu)
    # a device that was asked for by name wins over accelerate's choice, except that each of several processes has its own
    place = accelerator.device if wanted is None or accelerator.num_processes > 1 else wanted
    workers, rank = accelerator.num_processes, accelerator.process_index
    if batch_size % workers:
        raise ValueError(f"batch_size {batch_size} must be a multiple of the {workers} processes")
    if batch_size > len(tensors[0]):
        batch_size = len(tensors[0]) // workers * workers
    seed_everything(seed)
    model.to(place).train()
    if place.type == "mps":
        tensors = tuple(t.float() if t.dtype == torch.float64 else t for t in tensors)
    tensors = tuple(t.to(place) for t in tensors)
    if workers > 1:  # the same start everywhere, then different noise in each process
        for p in model.state_dict().values():
            dist.broadcast(p, 0)
        torch.manual_seed(seed + 1000 * rank)
    if optimisers is None:
        optimisers = {"model": torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, fused=place.type in ("cpu", "cuda"))}
    optimisers = {name: accelerator.prepare(o) for name, o in optimisers.items()}
    if not all(any(p.requires_grad for group in o.param_groups for p in group["params"]) for o in optimisers.values()):
        raise ValueError("nothing here can be trained: shipped models are frozen; call model.requires_grad_(True) first")
    run = Run(model, optimisers, accelerator, steps, clip, ema, seed)
    if checkpoint and Path(checkpoint).exists():
        run.load_state_dict(load_state(checkpoint))
    for optimiser in optimisers.values():
        optimiser.zero_grad()  # what an interrupted run or a cell before has left there
    batches = epochs(tensors, batch_size, seed, skip=run.step * accumulate)
    bar = tqdm(total=steps, initial=run.step, unit="step", disable=not progress or not accelerator.is_main_process, mininterval=0.5)
    now = clock(place)
    started = now() - run.seconds
    threads, counting = torch.get_num_threads(), place.type == "cpu"
    listening = ExitStack()
    pressed = listening.enter_context(stop_between_steps())
    try:
        while run.step < steps:
            run.at_step_boundary()
            if counting:
                torch.set_num_threads(threads if run.flops and run.flops >= SMALL else 1)
                counting = run.flops is None
            for name, optimiser in optimisers.items():
                for group, base in zip(optimiser.param_groups, run.base_lr[name], strict=True):
                    group["lr"] = base * learning_rate(run.step, steps, schedule, warmup)
            for _ in range(accumulate):
                batch = tuple(t[rank::workers] for t in next(batches))
                batch = batch if isinstance(data, tuple) else batch[0]
                with accelerator.accumulate(model), accelerator.autocast(), limits_of(place), Work() if counting else nullcontext() as work:
                    logged = step(run, prepare(batch) if prepare else batch) or {}
                run.flops = work.flops if counting else run.flops
            if run.average:
                run.average.update()
            run.step += 1
            run.at_step_boundary()
            run.seconds = now() - started
            if run.step % log_every == 0 or run.step == steps:
                values = {k: v.item() if isinstance(v, Tensor) else float(v) for k, v in logged.items()}
                if not all(map(math.isfinite, values.values())):
                    raise TrainingDiverged(run._diagnosis(values))
                run.history.append({"step": run.step, "seconds": round(run.seconds, 3), **values})
                bar.set_postfix({k: f"{v:.4g}" for k, v in values.items()}, refresh=False)
                if watch and accelerator.is_main_process:
                    watch(run)
            bar.update()
            if checkpoint and accelerator.is_main_process and (run.step % checkpoint_every == 0 or run.step == steps):
                save_state(checkpoint, run.state_dict())
            if pressed():
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        run.interrupted = True
        # of two players one may have moved already: then the last whole state stays as it is, and the steps since then are taken again
        if checkpoint and accelerator.is_main_process and not run.moved:
            save_state(checkpoint, run.state_dict())
        bar.write(f"stopped at step {run.step} of {steps}; the model keeps what it has learned")
    finally:
        torch.set_num_threads(threads)
        listening.close()
        bar.close()
    model.eval()
    return run


def epochs(tensors: tuple[Tensor, ...], batch_size: int, seed: int, skip: int = 0):
    """Endless full batches. The order of an epoch depends on the seed and its number only: a resumed run sees what it would have seen."""
    n = len(tensors[0])
    each = n // batch_size
    epoch, first = divmod(skip, each)
    while True:
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed + 7919 * epoch)).to(tensors[0].device)
        for i in range(first, each):
            index = order[i * batch_size : (i + 1) * batch_size]
            yield tuple(t.index_select(0, index) for t in tensors)
        epoch, first = epoch + 1, 0


def save_state(path: str | Path, state: dict) -> None:
    """Write a training state so that the file is always whole: the old one, or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    torch.save(state, content)
    write_atomically(path, content.getbuffer())


def is_whole_archive(path: str | Path) -> bool:
    """Whether what `torch.save` wrote is all there, whatever is in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError):
        return False


def load_state(path: str | Path) -> dict:
    """Read what `save_state` wrote.

    Raises:
        ValueError: the file is damaged, or not a training state
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state["model"], state["step"]
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error})") from None
    except Exception as error:
        if is_whole_archive(path):
            raise ValueError(
                f"{path} is an intact file, but no training state that can be read safely: other objects than tensors and plain numbers "
                f"are in it. Give another file for this run"
            ) from None
        raise ValueError(
            f"{path} is not a whole training checkpoint ({type(error).__name__}); delete it to start again from step 0"
        ) from None
    return state
