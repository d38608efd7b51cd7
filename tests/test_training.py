"""The training loop: resume, interruption, divergence, averages, schedules, several processes."""

import math
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from course_lib import datasets, training
from course_lib.flows import ContinuousFlow


class Line(nn.Module):
    """y = w·x, trained on pairs; small enough to know every number."""

    def __init__(self, dims=3):
        super().__init__()
        self.config = {"dims": dims}
        self.w = nn.Parameter(torch.zeros(dims))

    def loss(self, x, y):
        return 0.5 * (x @ self.w - y).square().mean()


def pairs(n=64, dims=3):
    x = torch.linspace(-1, 1, n * dims).view(n, dims).sin() + torch.eye(dims).repeat(n // dims + 1, 1)[:n]
    return x, x @ torch.arange(1.0, dims + 1)


QUIET = {"progress": False, "device": "cpu", "log_every": 10}


def test_finds_the_least_squares_solution():
    run = training.fit(Line(), pairs(), steps=600, batch_size=16, lr=0.1, **QUIET)
    assert torch.allclose(run.model.w, torch.tensor([1.0, 2.0, 3.0]), atol=1e-3)
    assert [h["step"] for h in run.history] == list(range(10, 601, 10))
    assert run.history[-1]["loss"] < 1e-4 < run.history[0]["loss"]


def test_one_seed_one_result():
    a, b, c = (training.fit(Line(), pairs(), steps=20, batch_size=8, seed=s, **QUIET).model.w.detach() for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_resuming_gives_what_an_unbroken_run_gives(tmp_path):
    class Stop(Exception):
        pass

    def stop_at_40(run):
        if run.step == 40:
            raise Stop

    options = {"steps": 80, "batch_size": 8, "ema": 0.9, **QUIET}
    whole = training.fit(Line(), pairs(), **options)
    with pytest.raises(Stop):
        training.fit(Line(), pairs(), checkpoint=tmp_path / "a.state", checkpoint_every=15, watch=stop_at_40, **options)
    assert training.load_state(tmp_path / "a.state")["step"] == 30  # at most the steps since the last checkpoint are lost
    broken = training.fit(Line(), pairs(), checkpoint=tmp_path / "a.state", checkpoint_every=15, **options)
    assert torch.equal(whole.model.w, broken.model.w)
    assert torch.equal(whole.ema.w, broken.ema.w)
    assert [h["step"] for h in broken.history] == [h["step"] for h in whole.history]
    assert [p.name for p in tmp_path.iterdir()] == ["a.state"]


def test_ctrl_c_keeps_what_was_learned(tmp_path):
    def press_stop(run):
        if run.step == 30:
            signal.raise_signal(signal.SIGINT)

    run = training.fit(Line(), pairs(), steps=1000, batch_size=8, watch=press_stop, checkpoint=tmp_path / "a.state", **QUIET)
    assert run.interrupted and 30 <= run.step < 1000
    assert run.model.w.abs().sum() > 0 and not run.model.training
    assert training.load_state(tmp_path / "a.state")["step"] == run.step


def test_kill_9_leaves_a_whole_checkpoint(tmp_path):
    state = tmp_path / "a.state"
    program = textwrap.dedent(f"""
        import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
        from test_training import *
        training.fit(Line(200), pairs(400, 200), steps=10**7, batch_size=8, checkpoint={str(state)!r}, checkpoint_every=2, **QUIET)
    """)
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        deadline = time.monotonic() + 60
        while not state.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)  # now it is writing every few milliseconds
    finally:
        process.kill()
        process.wait()
    assert training.load_state(state)["step"] % 2 == 0


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "a.state"
    training.fit(Line(), pairs(), steps=4, batch_size=8, checkpoint=path, **QUIET)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="a.state is not a whole training checkpoint.*delete it"):
        training.fit(Line(), pairs(), steps=8, batch_size=8, checkpoint=path, **QUIET)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    training.fit(Line(3), pairs(), steps=4, batch_size=8, checkpoint=tmp_path / "a.state", **QUIET)
    with pytest.raises(ValueError, match=r"config \{'dims': 3\}"):
        training.fit(Line(4), pairs(64, 4), steps=8, batch_size=8, checkpoint=tmp_path / "a.state", **QUIET)


def test_nan_stops_training_with_the_weights_still_finite():
    class Explodes(Line):
        def loss(self, x, y):
            return super().loss(x, y) * (math.nan if self.calls() > 12 else 1.0)

        def calls(self):
            self.n = getattr(self, "n", 0) + 1
            return self.n

    model = Explodes()
    with pytest.raises(training.TrainingDiverged, match="step 12: model = nan.*learning rate"):
        training.fit(model, pairs(), steps=50, batch_size=8, **QUIET)
    assert torch.isfinite(model.w).all()


def test_clipping_bounds_the_step():
    # plain gradient descent with lr 1 moves by the gradient: after clipping, by at most 0.01 a step
    model = Line()
    sgd = {"model": torch.optim.SGD(model.parameters(), lr=1.0)}
    training.fit(model, pairs(), steps=5, batch_size=64, optimisers=sgd, clip=0.01, schedule="constant", **QUIET)
    assert model.w.norm().item() == pytest.approx(0.05, rel=1e-3)


def test_accumulation_equals_the_larger_batch():
    x, y = pairs(64)
    results = []
    for accumulate, size in ((1, 64), (4, 16)):
        model = Line()
        sgd = {"model": torch.optim.SGD(model.parameters(), lr=0.1)}
        training.fit(model, (x, y), steps=5, batch_size=size, accumulate=accumulate, optimisers=sgd, schedule="constant", **QUIET)
        results.append(model.w.detach())
    assert torch.allclose(*results, atol=1e-6)


def test_two_optimisers_touch_their_own_parameters_only():
    class Game(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(1.0))

    model = Game()

    def step(run, x):
        run.update(model.a * model.b, "a")  # ∂/∂b is not zero, yet b must not move, now or in its own step
        before = model.b.item()
        run.update(model.b**2 * 0, "b")
        assert model.b.item() == before
        return {"a": model.a}

    optimisers = {"a": torch.optim.SGD([model.a], lr=0.1), "b": torch.optim.SGD([model.b], lr=0.1)}
    training.fit(model, torch.zeros(4, 1), steps=3, batch_size=4, step=step, optimisers=optimisers, schedule="constant", **QUIET)
    assert model.a.item() == pytest.approx(0.7) and model.b.item() == 1.0


def test_ema_follows_its_formula_and_its_buffers():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    ema = training.EMA(model, 0.9)
    expected = model[0].weight.detach().clone()
    for n in range(1, 30):
        with torch.no_grad():
            model[0].weight.add_(0.1)
        model(torch.randn(8, 2))
        ema.update()
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * model[0].weight.detach()
    assert torch.allclose(ema.model[0].weight, expected, atol=1e-6)
    assert torch.equal(ema.model[1].running_mean, model[1].running_mean) and model[1].running_mean.abs().sum() > 0
    assert ema.model[1].num_batches_tracked == 29
    assert not any(p.requires_grad for p in ema.model.parameters())


@pytest.mark.parametrize(
    ("schedule", "at"),
    [
        ("constant", {0: 0.1, 9: 1.0, 10: 1.0, 109: 1.0}),
        ("linear", {9: 1.0, 10: 1.0, 60: 0.5}),
        ("cosine", {10: 1.0, 60: 0.5, 110: 0.0}),
        ("exponential", {10: 1.0, 60: 0.1, 110: 0.01}),
    ],
)
def test_schedules_at_known_points(schedule, at):
    for step, factor in at.items():
        assert training.learning_rate(step, 110, schedule, warmup=10) == pytest.approx(factor, abs=1e-9)


def test_batches_cover_every_epoch_once():
    seen = training.epochs((torch.arange(12),), 4, seed=3)
    first, second = (torch.cat([next(seen)[0] for _ in range(3)]) for _ in range(2))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(12))
    assert not torch.equal(first, second)
    resumed = training.epochs((torch.arange(12),), 4, seed=3, skip=4)
    assert torch.equal(next(resumed)[0], second[4:8])


def test_bf16_trains_too():
    run = training.fit(Line(), pairs(), steps=300, batch_size=16, lr=0.1, precision="bf16", **QUIET)
    assert run.model.w.dtype == torch.float32
    assert torch.allclose(run.model.w, torch.tensor([1.0, 2.0, 3.0]), atol=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be a whole number, at least 1, got 0"),
        ({"steps": 2.5}, "steps must be a whole number, at least 1, got 2.5"),
        ({"batch_size": 0}, "batch_size must be a whole number, at least 1, got 0"),
        ({"accumulate": 0}, "accumulate must be a whole number, at least 1, got 0"),
        ({"log_every": 0}, "log_every must be a whole number, at least 1, got 0"),
        ({"checkpoint_every": -1}, "checkpoint_every must be a whole number, at least 1, got -1"),
        ({"warmup": -1}, "warmup must be a whole number, at least 0, got -1"),
        ({"seed": 0.5}, "seed must be a whole number, at least 0, got 0.5"),
        ({"clip": -1.0}, "clip must be above 0, or None, got -1.0"),
        ({"clip": 0.0}, "clip must be above 0, or None, got 0.0"),
        ({"clip": math.nan}, "clip must be above 0, or None, got nan"),
        ({"lr": -1e-3}, "lr must be at least 0, got -0.001"),
        ({"lr": math.nan}, "lr must be at least 0, got nan"),
        ({"weight_decay": -1.0}, "weight_decay must be at least 0, got -1.0"),
        ({"device": "tpu"}, "unknown device 'tpu'; choose cpu, cuda or mps"),
        ({"data": [torch.zeros(3, 3), torch.zeros(3)]}, r"tuple of tensors, one entry for each example, not list; of a data set give its"),
        ({"data": torch.tensor(1.0)}, "one entry for each example"),
        ({"data": DataLoader([1, 2, 3])}, "not DataLoader; .* from a loader, join its batches with torch.cat"),
        ({"data": TensorDataset(torch.zeros(3, 3))}, "not TensorDataset"),
        ({"data": datasets.load("digits8", "test")}, r"not Dataset; of a data set give its tensors, such as `data.images\(\)`"),
        (
            {"data": (torch.tensor([[0.0], [math.nan], [math.inf]]), torch.zeros(3))},
            "NaN or infinity in 2 of 3 examples, the first is number 1",
        ),
        ({"data": (torch.zeros(3, 3), torch.zeros(4))}, r"one length, got lengths \[3, 4\]"),
        ({"data": torch.zeros(0, 3)}, "non-empty"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin'; choose one of constant, linear, cosine, exponential"),
        ({"step": lambda run, batch: run.update(run.model.w * 1)}, "a loss must be one number, got shape"),
        ({"ema": 1.5}, r"decay must lie in \[0, 1\), got 1.5"),
    ],
)
def test_bad_input_gets_one_sentence(change, message):
    options = {"data": pairs(), "steps": 3, "batch_size": 2, **QUIET} | change
    with pytest.raises(ValueError, match=message):
        training.fit(Line(), options.pop("data"), **options)


@pytest.fixture
def apple(monkeypatch):
    """A machine that says it has Apple's graphics, and no other."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_mps_is_found_and_used_where_the_result_is_the_same(apple):
    assert training.pick_device().type == training.pick_device(Line()).type == training.device_called("mps").type == "mps"
    assert training.pick_device(Line().double()).type == "cpu"
    assert training.pick_device(ContinuousFlow()).type == training.pick_device(nn.Sequential(Line(), ContinuousFlow())).type == "cpu"
    assert training.pick_device(Line(), "bf16").type == "cpu"


@pytest.mark.parametrize(
    "model, precision, message",
    [
        (lambda: Line().double(), "no", r"float64; call model.float\(\) first, or train on the CPU with device='cpu'"),
        (ContinuousFlow, "no", "ContinuousFlow computes in float64; train on the CPU"),
        (Line, "fp16", "on mps train with precision='no'"),
        (Line, "bf16", "on mps train with precision='no'"),
    ],
)
def test_mps_is_refused_with_a_sentence_where_it_is_not(apple, model, precision, message):
    with pytest.raises(ValueError, match=message):
        training.fit(model(), pairs(), steps=2, device="mps", precision=precision, progress=False)


def test_a_model_that_has_no_business_on_mps_trains_on_the_cpu_by_itself(apple, monkeypatch):
    monkeypatch.setattr(torch.mps, "get_rng_state", torch.get_rng_state)
    run = training.fit(Line().double(), tuple(t.double() for t in pairs()), steps=2, progress=False)
    assert run.model.w.device.type == "cpu" and run.history
    assert "mps" in run.state_dict()["rng"]  # its noise goes on from here, too


def test_what_mps_has_not_learned_is_one_sentence():
    with (
        pytest.raises(ValueError, match=r"^device 'mps' cannot do .*linalg_lu.*; use device='cpu'$"),
        training.limits_of(torch.device("mps")),
    ):
        raise NotImplementedError("The operator 'aten::linalg_lu' is not currently implemented for the MPS device.\nIf you want, set …")
    with pytest.raises(NotImplementedError), training.limits_of(torch.device("cpu")):
        raise NotImplementedError("forward")


def test_whole_numbers_and_arrays_of_numpy_are_as_good_as_python_s():
    x, y = (t.numpy() for t in pairs())
    ours = training.fit(Line(), pairs(), steps=20, batch_size=8, seed=3, **QUIET)
    numpys = training.fit(Line(), (x, y), steps=np.int64(20), batch_size=np.int32(8), seed=np.int64(3), lr=np.float32(1e-3), **QUIET)
    assert torch.allclose(ours.model.w, numpys.model.w)
    assert training.fit(Layer(), np.ones((40, 30), np.float32), steps=2, batch_size=8, **QUIET).step == 2


def test_a_step_need_not_return_anything():
    run = training.fit(Line(), pairs(), steps=10, batch_size=8, step=lambda run, xy: run.update(run.model.loss(*xy)), **QUIET)
    assert [row.keys() for row in run.history] == [{"step", "seconds"}] and run.model.w.any()


def test_a_frozen_model_says_how_it_can_be_trained():
    model = Line().requires_grad_(False)
    for optimisers in (None, {"model": torch.optim.SGD(model.parameters(), lr=0.1)}):
        with pytest.raises(ValueError, match=r"shipped models are frozen; call model.requires_grad_\(True\) first"):
            training.fit(model, pairs(), steps=2, optimisers=optimisers, **QUIET)
    assert training.fit(model.requires_grad_(True), pairs(), steps=2, **QUIET).model.w.any()


# --------------------------------------------------------------------------------------------------------------------
# Interrupted, resumed, refused


class Noisy(Line):
    """Draws noise in its loss: a run that goes on must draw what the unbroken one draws. May be stopped inside its n-th call."""

    def __init__(self, stop_at: int | None = None):
        super().__init__()
        self.calls, self.stop_at = 0, stop_at

    def loss(self, x, y):
        noise = torch.randn(len(y))
        self.calls += 1
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        return 0.5 * (x @ self.w - y - 0.1 * noise).square().mean()


@pytest.mark.parametrize("accumulate", [1, 3])
def test_ctrl_c_inside_a_forward_pass_loses_and_doubles_nothing(accumulate, tmp_path):
    options = {"steps": 30, "batch_size": 8, "ema": 0.9, "accumulate": accumulate, **QUIET}
    whole = training.fit(Noisy(), pairs(), **options)
    broken = training.fit(Noisy(17), pairs(), checkpoint=tmp_path / "a.state", **options)
    assert broken.interrupted
    assert training.load_state(tmp_path / "a.state")["step"] == broken.step == 16 // accumulate
    resumed = training.fit(Noisy(), pairs(), checkpoint=tmp_path / "a.state", **options)
    assert torch.equal(whole.model.w, resumed.model.w) and torch.equal(whole.ema.w, resumed.ema.w)


class Duel(nn.Module):
    def __init__(self, stop_at: int | None = None):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(-1.0))
        self.calls, self.stop_at = 0, stop_at

    def players(self):
        return {name: torch.optim.Adam([getattr(self, name)], lr=0.1) for name in "ab"}


def duel(run, x):
    model = run.model
    run.update((model.a * model.b + torch.randn(())) ** 2, "a")
    model.calls += 1
    if model.calls == model.stop_at:
        raise KeyboardInterrupt
    run.update((model.b - model.a + torch.randn(())) ** 2, "b")


@pytest.mark.parametrize("every", [4, 500])
def test_ctrl_c_between_two_players_moves_neither_twice(every, tmp_path):
    options = {"steps": 20, "batch_size": 4, "step": duel, "checkpoint_every": every, **QUIET}
    first, second, third = Duel(), Duel(11), Duel()
    training.fit(first, torch.zeros(8, 1), optimisers=first.players(), **options)
    stopped = training.fit(second, torch.zeros(8, 1), optimisers=second.players(), checkpoint=tmp_path / "a.state", **options)
    assert stopped.interrupted and stopped.step == 10
    assert (tmp_path / "a.state").exists() == (every == 4), "the last whole state stays"
    training.fit(third, torch.zeros(8, 1), optimisers=third.players(), checkpoint=tmp_path / "a.state", **options)
    assert torch.equal(first.a, third.a) and torch.equal(first.b, third.b)


def test_the_stop_button_waits_for_the_end_of_a_step(tmp_path):
    def step(run, batch):
        if run.step == 5:
            signal.raise_signal(signal.SIGINT)
        return training.minimise_loss(run, batch)

    options = {"steps": 12, "batch_size": 8, **QUIET}
    before = signal.getsignal(signal.SIGINT)
    whole = training.fit(Noisy(), pairs(), **options)
    broken = training.fit(Noisy(), pairs(), step=step, checkpoint=tmp_path / "a.state", **options)
    assert broken.interrupted and broken.step == 6
    assert signal.getsignal(signal.SIGINT) is before
    assert torch.equal(whole.model.w, training.fit(Noisy(), pairs(), checkpoint=tmp_path / "a.state", **options).model.w)


def test_an_average_that_begins_late_begins_with_the_weights_as_they_are(tmp_path):
    path = tmp_path / "a.state"
    start = training.fit(Line(), pairs(), steps=10, batch_size=8, lr=0.1, checkpoint=path, **QUIET).model.w.detach().clone()
    run = training.fit(Line(), pairs(), steps=11, batch_size=8, lr=0.1, checkpoint=path, ema=0.999, **QUIET)
    assert torch.allclose(run.ema.w, start + (1 - 2 / 11) * (run.model.w.detach() - start), atol=1e-6)


def test_a_state_of_another_seed_is_refused(tmp_path):
    training.fit(Line(), pairs(), steps=4, batch_size=8, seed=1, checkpoint=tmp_path / "a.state", **QUIET)
    with pytest.raises(ValueError, match="of a run with seed=1, not 2: give that seed, or another file"):
        training.fit(Line(), pairs(), steps=8, batch_size=8, seed=2, checkpoint=tmp_path / "a.state", **QUIET)


def test_numpy_in_a_config_does_not_spoil_the_state(tmp_path):
    model = Line()
    model.config = {"dims": np.int64(3), "scale": np.float32(0.5), "shape": (np.int64(1), 2)}
    training.fit(model, pairs(), steps=4, batch_size=8, checkpoint=tmp_path / "a.state", **QUIET)
    assert training.load_state(tmp_path / "a.state")["config"] == {"dims": 3, "scale": 0.5, "shape": (1, 2)}
    assert training.fit(model, pairs(), steps=6, batch_size=8, checkpoint=tmp_path / "a.state", **QUIET).step == 6


def test_an_intact_file_is_not_called_damaged(tmp_path):
    torch.save({"model": Line(), "step": 3}, tmp_path / "a.state")
    with pytest.raises(ValueError, match="a.state is an intact file, but no training state") as caught:
        training.load_state(tmp_path / "a.state")
    assert "delete" not in str(caught.value)


@pytest.mark.parametrize("place", ["file/a.state", "folder"])
def test_a_place_that_cannot_be_written_is_found_before_the_first_step(place, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="cannot be written .*; choose another place"):
        training.fit(Line(), pairs(), steps=4, step=lambda run, batch: pytest.fail("trained"), checkpoint=tmp_path / place, **QUIET)


def two_processes(path):
    x, y = pairs(64)
    model = Line()
    sgd = {"model": torch.optim.SGD(model.parameters(), lr=0.1)}
    run = training.fit(model, (x, y), steps=6, batch_size=16, optimisers=sgd, progress=False, log_every=2, schedule="constant")
    torch.save(run.model.w.detach(), f"{path}/{run.accelerator.process_index}.pt")


def test_two_processes_give_what_one_gives(tmp_path):
    # each takes half of every batch; the mean of the two gradients is the gradient of the batch
    program = (
        "import sys; from accelerate import debug_launcher; from test_training import two_processes; "
        "debug_launcher(two_processes, (sys.argv[1],), 2)"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], check=True, cwd=os.path.dirname(__file__), timeout=120, capture_output=True
    )
    a, b = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    (tmp_path / "one").mkdir()
    two_processes(tmp_path / "one")
    assert torch.equal(a, b)
    assert torch.allclose(a, torch.load(tmp_path / "one" / "0.pt", weights_only=True), atol=1e-6)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_trains_on_a_gpu(precision):
    run = training.fit(Line(), pairs(), steps=300, batch_size=16, lr=0.1, precision=precision, progress=False)
    assert run.model.w.is_cuda
    assert torch.allclose(run.model.w.cpu(), torch.tensor([1.0, 2.0, 3.0]), atol=0.1)


# --------------------------------------------------------------------------------------------------------------------
# Threads


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.map = nn.Linear(30, 7)

    def loss(self, x):
        return self.map(x).square().mean()


@pytest.mark.parametrize(("small", "threads"), [(0, [1, 2, 2]), (math.inf, [1, 1, 1])])
def test_small_models_train_on_one_thread_and_large_ones_on_all(small, threads, monkeypatch, tmp_path):
    monkeypatch.setattr(training, "SMALL", small)
    before, seen = torch.get_num_threads(), []

    def step(run, batch):
        seen.append(torch.get_num_threads())
        return training.minimise_loss(run, batch)

    try:
        torch.set_num_threads(2)
        options = {"batch_size": 16, "step": step, "device": "cpu", "progress": False, "checkpoint": tmp_path / "layer.state"}
        run = training.fit(Layer(), torch.randn(64, 30), steps=3, **options)
        assert seen == threads
        assert torch.get_num_threads() == 2
        # forwards and the gradient of the weights; nothing asks for a gradient of the input
        assert run.flops == 2 * (2 * 16 * 30 * 7)
        seen.clear()
        training.fit(Layer(), torch.randn(64, 30), steps=5, **options)  # goes on from the state
        assert seen == threads[1:], "a run that goes on knows from its first step"
    finally:
        torch.set_num_threads(before)


def test_threads_that_wait_are_told_not_to_spin():
    code = "import os; os.environ.pop('OMP_WAIT_POLICY', None); import course_lib; print(os.environ['OMP_WAIT_POLICY'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["PASSIVE"]
    code = "import os; os.environ['OMP_WAIT_POLICY'] = 'ACTIVE'; import course_lib; print(os.environ['OMP_WAIT_POLICY'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ACTIVE"], "who chose it keeps it"
