"""Recordings of small games: the course of training for each loss, and how many modes each cure brings back."""

import time
from statistics import mean

import torch
from torch import Tensor

from .. import metrics, training
from ..datasets import Dataset, to_float
from ..datasets.toy2d import GAUSSIANS, plane
from .models import GAN, PointGAN, gan_step_with_cures, modes_covered

RULES = {
    "as the rules say": {},
    "β₁ = 0.9": {"betas": (0.9, 0.999)},
    "ten times the rate": {"lr": 1e-2},
    "no batch norm in D": {"norm": "none"},
    "saturating loss": {"loss": "saturating"},
    "Wasserstein loss, nothing else": {"loss": "wasserstein"},
}
CENTRES, STD = GAUSSIANS["gaussians25"]
FILMS = {
    "non-saturating": {"loss": "nonsaturating"},
    "saturating": {"loss": "saturating"},
    "hinge": {"loss": "hinge"},
    "Wasserstein, clipped": {"loss": "wasserstein", "clip": 0.1, "critic_steps": 3},
    "Wasserstein, penalised": {"loss": "wasserstein", "penalty": 0.1, "critic_steps": 3},
}
LOSSES = {"nonsaturating": {}, "hinge": {}, "wasserstein": {"clip": 0.1, "critic_steps": 3}}
CURES = {"none": {}, "minibatch": {"minibatch": True}, "packing": {"pack": 4}, "penalty": {"r1": 0.1}}
# a Wasserstein critic has to be kept from being steep in some way: where it is not by the penalty, it is by clipping
WASSERSTEIN_PENALTY = {"penalty": 0.1, "clip": 0.0}
SAMPLES = 2_500


def train_points(
    points: Tensor, steps: int, batch_size: int, seed: int, step=gan_step_with_cures, lr: float = 1e-3, **settings
) -> PointGAN:
    """A GAN on points, trained on one CPU core's worth of work: (n, 2) → the model. settings: of `PointGAN`."""
    training.seed_everything(seed)
    model = PointGAN(**settings)
    players = model.optimisers(lr=lr, betas=(0.5, 0.9))
    training.fit(
        model, points, steps=steps, batch_size=batch_size, step=step, optimisers=players, schedule="linear", seed=seed, device="cpu",
        progress=False,
    )  # fmt: skip
    return model


def score_points(model: PointGAN, seed: int = 1) -> tuple[Tensor, int, float]:
    """2,500 samples, the modes of 25 that they cover, and the share of them near a mode."""
    with torch.random.fork_rng():  # looking must not change the training
        torch.manual_seed(seed)
        samples = model.sample(SAMPLES)
    return samples, *modes_covered(samples, CENTRES, STD)


@torch.no_grad()
def landscape(model: PointGAN, places: Tensor) -> Tensor:
    """The discriminator's opinion of each place, (n, 2) → (n,) in [0, 1]. A critic's scores have no zero: their median counts as ½."""
    scores = model.score(places)
    return torch.sigmoid(scores - scores.median() if model.kind == "wasserstein" else scores)


def film_of_games(budget, steps: int, data: Dataset, test: Dataset, seed: int) -> tuple[dict[str, Tensor], dict]:
    """One GAN on 25 Gaussians for each loss, looked at 40 times.

    Returns:
        tensors `steps` (t,), and for each loss `LOSS/samples` (t, 500, 2), `LOSS/landscape` (t, 40, 40), `LOSS/modes` (t,),
        `LOSS/good` (t,); numbers
    """
    every, places = max(1, steps // 40), plane(40, 4.0)
    tensors, numbers = {}, {}
    for name, settings in FILMS.items():
        frames = []

        def frame(model, frames=frames):
            samples, modes, good = score_points(model)
            frames.append((samples[:500], landscape(model, places).view(40, 40), torch.tensor(modes), torch.tensor(good)))

        def step(run, batch, frame=frame):
            if run.step % every == 0:
                frame(run.model)
            return gan_step_with_cures(run, batch)

        frame(train_points(data.x, steps, budget.batch_size, seed, step=step, width=128, **settings))
        for key, values in zip(("samples", "landscape", "modes", "good"), zip(*frames, strict=True), strict=True):
            tensors[f"{name}/{key}"] = torch.stack(values)
        numbers[name] = {"modes": int(frames[-1][2]), "good": frames[-1][3].item()}
    tensors["steps"] = torch.tensor([*range(0, steps, every), steps])
    return tensors, numbers


def film_of_collapse(budget, steps: int, data: Dataset, test: Dataset, seed: int) -> tuple[dict[str, Tensor], dict]:
    """Every loss with every cure, five seeds each.

    Returns:
        tensors: for each pair `LOSS, CURE/samples` (5, 2500, 2), `…/modes` (5,), `…/good` (5,); numbers
    """
    tensors, numbers = {}, {}
    for loss, rules in LOSSES.items():
        for cure, settings in CURES.items():
            if (loss, cure) == ("wasserstein", "penalty"):
                settings = WASSERSTEIN_PENALTY
            started = time.perf_counter()
            settings = {"loss": loss, "width": 64} | rules | settings
            outcomes = [score_points(train_points(data.x, steps, budget.batch_size, seed + s, **settings)) for s in range(5)]
            seconds = (time.perf_counter() - started) / 5
            samples, modes, good = zip(*outcomes, strict=True)
            part = f"{loss}, {cure}"
            tensors |= {f"{part}/samples": torch.stack(samples), f"{part}/modes": torch.tensor(modes)}
            tensors[f"{part}/good"] = torch.tensor(good)
            numbers[part] = {"modes": list(modes), "good": mean(good), "seconds": round(seconds, 1)}
    return tensors, numbers


def film_of_rules(budget, steps: int, data: Dataset, test: Dataset, seed: int) -> tuple[dict[str, Tensor], dict]:
    """A small DCGAN as it is, and with one rule broken at a time.

    Returns:
        tensors: for each variant `VARIANT/samples` uint8 (10, 1, 28, 28); numbers: FID of 2,000 samples, or None where training diverged
    """
    tensors, numbers = {}, {}
    for name, change in RULES.items():
        settings = {"lr": 1e-3, "betas": (0.5, 0.999)} | change
        training.seed_everything(seed)
        model = GAN(width=16, **{key: value for key, value in settings.items() if key not in ("lr", "betas")})
        players = model.optimisers(settings["lr"], settings["betas"])
        try:
            training.fit(
                model, data.x, steps=steps, batch_size=budget.batch_size, step=gan_step_with_cures, prepare=to_float, optimisers=players,
                schedule="linear", seed=seed, device="cpu", progress=False,
            )  # fmt: skip
        except training.TrainingDiverged:
            numbers[name] = {"fid": None}
        else:
            torch.manual_seed(1)
            samples = metrics.draw(model.eval(), 2_000)
            numbers[name] = {"fid": metrics.digit_fid(samples)}
        torch.manual_seed(1)
        tensors[f"{name}/samples"] = (model.eval().sample(10).nan_to_num() * 255).round().to(torch.uint8)
    return tensors, numbers
