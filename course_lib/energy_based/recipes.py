"""How the checkpoints of topic 08 are trained and measured. Run one with `python -m course_lib train NAME --preset cpu`."""

from functools import partial

import torch
from torch import Tensor

from .. import metrics
from ..datasets import Dataset, binarise, load, to_float
from ..recipes import Budget, Recipe, as_far_as_known, floats_and_labels, images_and_labels, standard_error
from .boltzmann import MOST
from .neural import NeuralEnergy
from .rbm import RBM, base_rates


def begin_at_base_rates(model: RBM, tensors: Tensor) -> None:
    """Let the untrained machine know how often each pixel is on."""
    model.begin_at(to_float(tensors))


def measure_rbm(model: RBM, data: Dataset, runs: int = 200, steps: int = 10_000, n: int = 2_000) -> dict:
    """log Z by AIS, −log p of the test images, binarised once at random, nats an image; and the digit-network FID of n samples.

    The error of −log p is that of log Z and that of a mean over the images together. Where all states can be added up, so they are.
    """
    x = binarise(data.x, generator=torch.Generator(data.x.device).manual_seed(0))
    found = model.log_partition_ais(runs, steps, base_rates(to_float(data.x)))
    numbers = {"log_z": found.value, "log_z_error": found.error}
    log_z, error = found.value, found.error
    if model.hidden <= MOST:
        log_z, error = model.log_partition(), 0.0
    with torch.no_grad():
        nats = -torch.cat([model.log_prob(part, log_z) for part in x.split(1000)])
        pseudo = torch.cat([model.pseudo_log_likelihood(part) for part in x[:: max(1, len(x) // 1000)].split(250)])
    numbers |= {"nll": nats.mean().item(), "nll_error": (standard_error(nats) ** 2 + error**2) ** 0.5}
    numbers |= {"pseudo_nll": -pseudo.mean().item(), "pseudo_nll_error": standard_error(pseudo)}
    numbers = as_far_as_known(numbers) | {"log_z_low": round(found.low, 2), "log_z_high": round(found.high, 2), "ais_ess": found.ess}
    if model.hidden <= MOST:
        numbers["log_z_exact"] = round(log_z, 3)
    drawn = metrics.draw(model, n).float()
    return numbers | {"fid": metrics.digit_fid(drawn), "samples": n, "ais_runs": runs, "ais_steps": steps, "test_images": len(data)}


def strangers(x: Tensor) -> dict[str, Tensor]:
    """As many images that are no digits: of noise, digits in negative, digits whose pixels are shuffled, and sprites."""
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(x[0].numel(), generator=generator).to(x.device)
    shapes = load("sprites", "test").x  # in order of their shape and size: take them from everywhere
    sprites = to_float(shapes[torch.linspace(0, len(shapes) - 1, len(x)).long()]).to(x)
    return {
        "noise": torch.rand(x.shape, generator=generator).to(x),
        "negatives": 1 - x,
        "shuffled": x.flatten(1)[:, order].view(x.shape),
        "sprites": torch.nn.functional.interpolate(sprites, x.shape[2:], mode="bilinear"),
    }


@torch.no_grad()
def measure_energy(model: NeuralEnergy, data: Dataset, n: int = 2_000) -> dict:
    """FID of n samples from noise, and how well the energy tells digits from what is none (AUROC, 0.5 is chance); of a classifier more."""
    x = to_float(data.x[:: max(1, len(data) // n)][:n])
    of = {"digits": x} | strangers(x)
    scores = {name: torch.cat([model.energy(part) for part in images.split(500)]).cpu() for name, images in of.items()}
    numbers = {f"auroc_{name}": metrics.auroc(scores["digits"], score) for name, score in scores.items() if name != "digits"}
    if model.classes:
        unsure = {
            name: torch.cat([-model.logits(part).softmax(1).amax(1) for part in images.split(500)]).cpu() for name, images in of.items()
        }
        numbers |= {f"auroc_softmax_{name}": metrics.auroc(unsure["digits"], score) for name, score in unsure.items() if name != "digits"}
        guess = torch.cat([model.logits(to_float(part)).argmax(1) for part in data.x.split(500)])
        numbers |= {"accuracy": (guess == data.y).float().mean().item()}
    return numbers | {"fid": metrics.digit_fid(metrics.draw(model, n)), "samples": n, "test_images": len(data)}


# what a lecture trains while you watch: an RBM of 64 hidden units on `mnist_small`, of about 10 ms a step on one core
LIVE = {"cpu": Budget(1_500, 50, 3e-3, warmup=0, ema=None), "gpu": Budget(5_000, 100, 2e-3, warmup=0, ema=None)}


def rbm_budgets(steps: int) -> dict[str, Budget]:
    """The two budgets of an RBM. No averaged weights: the chains belong to the weights as they are."""
    return {"cpu": Budget(steps, 100, warmup=0, ema=None), "gpu": Budget(4 * steps, 100, warmup=0, ema=None)}


def plain_descent(model: RBM) -> dict[str, torch.optim.Optimizer]:
    """What the literature trains an RBM with. After 10,000 steps its pseudo-log-likelihood was 4.5 ± 1.1 nats above AdamW's (rate 0.001).

    Weights that decay a little keep the machine one whose log Z can be estimated.
    """
    weights = [{"params": [model.weight], "weight_decay": 1e-4}, {"params": [model.visible_bias, model.hidden_bias]}]
    return {"model": torch.optim.SGD(weights, lr=0.05)}


def energy_budgets(steps: int) -> dict[str, Budget]:
    """The two budgets of a network as an energy."""
    return {"cpu": Budget(steps, 32, 5e-4, clip=0.1, ema=0.99), "gpu": Budget(3 * steps, 128, 5e-4, clip=0.1, ema=0.999)}


BLACK_AND_WHITE = {"before": begin_at_base_rates, "fit": {"prepare": binarise, "schedule": "linear", "optimisers": plain_descent}}
LABELLED = {"fit": {"prepare": floats_and_labels}, "tensors": images_and_labels}

RECIPES = {
    "rbm": Recipe(RBM, "mnist", rbm_budgets(60_000), measure_rbm, **BLACK_AND_WHITE),
    "rbm_20": Recipe(partial(RBM, hidden=20), "mnist", rbm_budgets(40_000), measure_rbm, **BLACK_AND_WHITE),
    "rbm_cd1": Recipe(partial(RBM, persistent=False), "mnist", rbm_budgets(18_000), measure_rbm, **BLACK_AND_WHITE),
    "rbm_pcd1": Recipe(RBM, "mnist", rbm_budgets(18_000), measure_rbm, **BLACK_AND_WHITE),
    "ebm_digits": Recipe(NeuralEnergy, "mnist", energy_budgets(5_000), measure_energy, fit={"prepare": to_float}),
    "jem": Recipe(partial(NeuralEnergy, classes=10), "mnist", energy_budgets(3_500), measure_energy, **LABELLED),
}
