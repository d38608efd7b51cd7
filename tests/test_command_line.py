"""`python -m course_lib`: train, evaluate, doctor."""

import json
import os
import subprocess
import sys

import pytest
import torch
from typer.testing import CliRunner

from course_lib import checkpoints, datasets, recipes, training
from course_lib.__main__ import app, main
from course_lib.autoencoders import Autoencoder

TINY = {"steps": 4, "device": "cpu", "progress": False}


@pytest.fixture
def small_mnist(monkeypatch):
    """The recipes on the digits that need no download."""
    load = datasets.load
    monkeypatch.setattr(
        datasets, "load", lambda name, split="train", device="cpu": load("mnist_small" if name == "mnist" else name, split, device)
    )


@pytest.mark.parametrize(
    "name", ["vae_2d", "cvae", "vqvae", "vae_gan", "ae_mnist_d2", "denoiser_mnist_s0.5", "beta_vae_sprites_b4", "kl_annealing"]
)
def test_every_kind_of_recipe_trains_and_is_saved(name, tmp_path, small_mnist):
    entry = recipes.train(name, "cpu", folder=tmp_path, **TINY)
    assert entry["steps"] == 4 and entry["command"].endswith("--steps 4") and entry["numbers"]
    assert json.loads((tmp_path / f"{name}.json").read_text()) == json.loads(json.dumps(entry))
    assert not list(tmp_path.glob("*.state"))


def test_paths_may_have_spaces_and_umlauts(tmp_path, small_mnist, monkeypatch, capsys):
    folder = tmp_path / "Mein Kürs ü"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COURSE_DATA_DIR", str(folder))
    entry = recipes.train("vae_2d", "cpu", folder=folder / "Läufe 1", **TINY)
    monkeypatch.setattr(checkpoints, "WEIGHTS", folder / "Läufe 1")
    assert checkpoints.load("vae_2d").record["sha256"] == entry["sha256"]
    model = Autoencoder(shape=(1, 4, 4), latents=2, hidden=(4,))
    for steps in (2, 4):
        run = training.fit(model, torch.rand(8, 1, 4, 4), steps=steps, checkpoint=folder / "Stand ü.state", progress=False, device="cpu")
    assert run.step == 4 and training.load_state("Stand ü.state")["step"] == 4
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0 and f"✓ COURSE_DATA_DIR is {folder}" in result.output


def test_a_recipe_is_reproducible(tmp_path, small_mnist):
    a, b = (recipes.train("vae_2d", "cpu", folder=tmp_path / f, **TINY) for f in "ab")
    assert a["sha256"] == b["sha256"] and a["numbers"] == b["numbers"]


def test_the_numbers_are_those_of_the_stored_weights(tmp_path, small_mnist, monkeypatch):
    entry = recipes.train("vae_2d", "cpu", folder=tmp_path, **TINY)
    monkeypatch.setattr(checkpoints, "WEIGHTS", tmp_path)
    assert recipes.evaluate(checkpoints.load("vae_2d"), recipes.find("vae_2d")) == entry["numbers"]


def test_train_and_evaluate_from_the_shell(tmp_path, small_mnist, monkeypatch):
    monkeypatch.setattr(checkpoints, "WEIGHTS", tmp_path)
    shell = CliRunner()
    result = shell.invoke(app, ["train", "ae_mnist_d2", "--preset", "cpu", "--steps", "4", "--out", str(tmp_path), "--device", "cpu"])
    assert result.exit_code == 0 and "ae_mnist_d2: " in result.output and "mse" in result.output
    result = shell.invoke(app, ["evaluate", "ae_mnist_d2"])
    assert result.exit_code == 0 and "as recorded" in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "vea"], "no recipe 'vea'; there are: vae, "),
        (["train", "vae", "--preset", "tpu"], "unknown preset 'tpu'; choose one of cpu, gpu"),
        (["evaluate", "vaee"], "did you mean vae"),
        (["train", "vae", "--device", "gpu"], "unknown device 'gpu'; choose cpu, cuda or mps"),
    ],
)
def test_mistakes_end_in_one_sentence(words, message, monkeypatch):
    monkeypatch.setattr("sys.argv", ["course_lib", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    assert message in str(stop.value) and "\n" not in str(stop.value)


def test_ctrl_c_says_how_to_go_on(tmp_path, small_mnist, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Autoencoder, "loss", stop)
    words = ["train", "ae_mnist_d2", "--preset", "cpu", "--steps", "2", "--out", str(tmp_path), "--device", "cpu"]
    monkeypatch.setattr("sys.argv", ["course_lib", *words])
    with pytest.raises(SystemExit, match="stopped at step 0; the same command goes on from there"):
        main()


@pytest.mark.parametrize("other", [{"seed": 7}, {"steps": 5}])
def test_the_state_of_another_run_is_not_continued(other, tmp_path, small_mnist):
    training.fit(
        recipes.find("ae_mnist_d2").build(),
        datasets.load("mnist_small", "train").images()[:64],
        **{"steps": 4, "batch_size": 8, "checkpoint": tmp_path / "ae_mnist_d2.state", "progress": False},
    )
    with pytest.raises(ValueError, match="is of a run with seed 0 and 4 steps, not seed .* and .*choose another folder with --out"):
        recipes.train("ae_mnist_d2", "cpu", folder=tmp_path, **TINY | other)
    assert (tmp_path / "ae_mnist_d2.state").exists()


def command(*words, code="", **environment):
    """`python -m course_lib WORDS` in a process of its own, after a line of code."""
    program = f"import sys; sys.argv = ['course_lib', *{words!r}]; {code}\nfrom course_lib.__main__ import main\nmain()"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, env=os.environ | environment, timeout=120)


@pytest.mark.parametrize("package", ["accelerate", "torch", "mlxtend", "safetensors"])
def test_doctor_works_where_a_package_is_missing(package):
    done = command("doctor", code=f"sys.modules[{package!r}] = None")
    text = done.stdout.decode()
    assert done.returncode == 0 and not done.stderr, done.stderr.decode()
    assert "✗ " in text or package == "accelerate"  # which nothing here needs
    assert "Next:" in text and "Traceback" not in text


def test_without_typer_the_command_line_says_so():
    done = command("doctor", code="sys.modules['typer'] = None")
    assert done.returncode == 1 and done.stderr.decode().strip().endswith("pip install typer") and b"Traceback" not in done.stderr


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "cp1252"}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_every_terminal_can_show_it(environment):
    done = command("doctor", **environment)
    assert done.returncode == 0 and b"Traceback" not in done.stderr and b"Next:" in done.stdout


def test_the_reader_of_a_pipe_may_leave_early():
    shell = f"{sys.executable} -u -m course_lib doctor | head -n 1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, timeout=120)
    assert done.stdout.count(b"\n") == 1 and not done.stderr, done.stderr.decode()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "runs/vae.state"), "course_lib: runs/vae.state: Permission denied"),
        (OSError(28, "No space left on device"), "course_lib: No space left on device"),
        (FileNotFoundError(2, "No such file or directory", "x.json"), "course_lib: x.json: No such file or directory"),
        (KeyError("no recipe 'x'"), "course_lib: no recipe 'x'"),
    ],
)
def test_what_the_machine_refuses_ends_in_one_sentence(error, said, monkeypatch):
    def refuse(*arguments, **options):
        raise error

    monkeypatch.setattr(recipes, "train", refuse)
    monkeypatch.setattr("sys.argv", ["course_lib", "train", "vae"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert str(stop.value) == said


def test_doctor_says_what_the_machine_has(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "nowhere"))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert f"torch {torch.__version__}" in result.output
    assert "COURSE_DATA_DIR" in result.output and "does not exist" in result.output
    assert "Next:" in result.output


def test_doctor_is_content_with_a_complete_machine(monkeypatch):
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    result = CliRunner().invoke(app, ["doctor"])
    assert "weights" in result.output and "mnist_small" in result.output
