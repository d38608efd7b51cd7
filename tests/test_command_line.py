"""`python -m course_lib`: train, evaluate, doctor."""

import json

import pytest
import torch
from typer.testing import CliRunner

from course_lib import checkpoints, datasets, recipes
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
