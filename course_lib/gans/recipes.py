"""How the checkpoints of topic 03 are trained and measured. Run one with `python -m course_lib train NAME --preset cpu`."""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from .. import metrics
from ..datasets import Dataset, faces, to_float
from ..metrics.recipes import measure_told
from ..recipes import Budget, Recipe, as_far_as_known, floats_and_labels, images_and_labels, words_and_faces
from .films import film_of_collapse, film_of_games, film_of_rules
from .models import GAN, gan_step_with_cures
from .progressive import ProgressiveGAN, growth
from .style import StyleGAN
from .translation import Pix2Pix, pix2pix_step


def progressive_step(run, x: Tensor) -> dict[str, Tensor]:
    """One step of the game at the size that training has reached."""
    run.model.grown.fill_(growth(run.progress))
    return gan_step_with_cures(run, x)


def measure_samples(model, data: Dataset, n: int = 10_000) -> dict:
    """FID on the digit network's features, and how the ten classes are served, over n samples."""
    samples = metrics.draw(model, n)
    shares = metrics.class_shares(samples)
    return {"fid": metrics.digit_fid(samples), "samples": n, "rarest_class": shares.min().item()}


@torch.no_grad()
def measure_conditional(model, data: Dataset, n: int = 10_000) -> dict:
    """The same, and the share of samples that the digit network takes for the class that was asked for."""
    samples = metrics.draw(model, n)
    right = metrics.class_accuracy(samples, torch.arange(n) % model.classes)
    return {"fid": metrics.digit_fid(samples), "class_accuracy": right, "samples": n}


def measure_styled_faces(model: StyleGAN, data: Dataset, n: int = 10_000) -> dict:
    """FID of n faces that nobody asked for, and the word whose share differs most from that among test faces."""
    samples = metrics.draw(model, n)
    found = {"fid": metrics.face_fid(samples), "fid_error": metrics.faces.JUDGE.fid_error(samples)}
    drawn, real = metrics.predicted_attributes(samples), metrics.predicted_attributes(to_float(data.x))
    apart = {
        word: (drawn[:, i] == k).double().mean().item() - (real[:, i] == k).double().mean().item()
        for i, (name, words) in enumerate(faces.ATTRIBUTES.items())
        for k, word in enumerate(f"{name}: {word}" for word in words)
    }
    least_served = max(apart, key=lambda word: abs(apart[word]))
    return as_far_as_known(found) | {"samples": n, "share_off_most": {least_served: apart[least_served]}}


@torch.no_grad()
def measure_translation(model: Pix2Pix, data: Dataset) -> dict:
    """Absolute error a pixel and value, face-network FID, and which words of a face can still be read, over the test images."""
    x = to_float(data.x)
    made = torch.cat([model.translate(model.given(part)) for part in x.split(500)])
    numbers = {"l1": (made - x).abs().mean().item()}
    numbers |= as_far_as_known({"fid": metrics.face_fid(made), "fid_error": metrics.faces.JUDGE.fid_error(made)})
    return numbers | {"word_accuracy": metrics.factor_accuracy(made, data.y, words=True), "test_images": len(data)}


def budgets(steps: int, batch_size: int = 64, ema: float = 0.999) -> dict[str, Budget]:
    """A GAN's batch stays small on a GPU too: larger ones make the game less stable, more steps do not."""
    return {"cpu": Budget(steps, batch_size, ema=ema), "gpu": Budget(3 * steps, batch_size, ema=ema)}


RARE = (4, 9)  # two digits that are easily confused


def unbalanced(data: Dataset, keep: int = 20) -> tuple[Tensor, Tensor]:
    """Images and labels of which two classes are rare: only the first `keep` of each are left."""
    wanted = torch.ones(len(data), dtype=torch.bool)
    for digit in RARE:
        wanted[(data.y == digit).nonzero().flatten()[keep:]] = False
    return data.x[wanted], data.y[wanted]


# what a lecture trains while you watch
LIVE = {"cpu": Budget(500, 32, ema=0.99), "gpu": Budget(4_000, 64, ema=0.999)}

GAME = {"prepare": to_float, "step": gan_step_with_cures, "schedule": "linear"}
CONDITIONAL = GAME | {"prepare": floats_and_labels, "optimisers": GAN.optimisers}
WGAN = {"optimisers": partial(GAN.optimisers, lr=2e-3, betas=(0.0, 0.9))}

RECIPES = {
    "dcgan": Recipe(GAN, "mnist", budgets(8_000), measure_samples, GAME | {"optimisers": partial(GAN.optimisers, lr=5e-3)}),
    "wgan_gp": Recipe(
        partial(GAN, loss="wasserstein", norm="none", penalty=10.0, critic_steps=3), "mnist", budgets(8_000), measure_samples, GAME | WGAN
    ),
    "sngan": Recipe(
        partial(GAN, loss="hinge", norm="spectral"),
        "mnist",
        budgets(7_000),
        measure_samples,
        GAME | {"optimisers": partial(GAN.optimisers, lr=2e-3)},
    ),
    "cgan": Recipe(
        partial(GAN, latents=32, width=48, classes=10, projection=True, norm="none", r1=0.5),
        "mnist",
        budgets(11_000),
        measure_conditional,
        CONDITIONAL | {"optimisers": partial(GAN.optimisers, lr=1e-3, betas=(0.0, 0.99))},
        tensors=images_and_labels,
    ),
    "cgan_faces": Recipe(
        partial(GAN, shape=(3, 16, 16), latents=32, width=80, classes=faces.KINDS, projection=True, norm="none", r1=0.5),
        "faces",
        budgets(14_000),
        measure_told,
        CONDITIONAL | {"optimisers": partial(GAN.optimisers, lr=1e-3, betas=(0.0, 0.99))},
        tensors=words_and_faces,
    ),
    "stylegan": Recipe(
        partial(StyleGAN, shape=(3, 16, 16), width=32, r1=0.5),
        "faces",
        budgets(9_000, 32),
        measure_styled_faces,
        GAME | {"optimisers": StyleGAN.optimisers},
    ),
    "progressive": Recipe(
        ProgressiveGAN,
        "mnist",
        budgets(4_500, 32),
        measure_samples,
        GAME | {"step": progressive_step, "optimisers": ProgressiveGAN.optimisers},
    ),
}
for task in ("outline", "superresolution"):
    RECIPES[f"pix2pix_{task}"] = Recipe(
        partial(Pix2Pix, task=task),
        "faces",
        budgets(4_000, 64, ema=0.995),
        measure_translation,
        GAME | {"step": pix2pix_step, "optimisers": Pix2Pix.optimisers},
    )
RECIPES["gan_films"] = Recipe(None, "gaussians25", budgets(12_000, 128), None, film=film_of_games)
RECIPES["gan_collapse"] = Recipe(None, "gaussians25", budgets(2_000, 128), None, film=film_of_collapse)
RECIPES["gan_rules"] = Recipe(None, "mnist_small", budgets(1_000), None, film=film_of_rules)
RECIPES["cgan_unbalanced"] = replace(RECIPES["cgan"], data="mnist_small", tensors=unbalanced, budgets=budgets(2_500))
