"""How the checkpoints of topic 06 are trained and measured. Run one with `python -m course_lib train NAME --preset cpu`."""

import statistics
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from .. import checkpoints, datasets, metrics, training
from ..autoencoders import codes_and_labels, standardise
from ..datasets import Dataset, faces, to_float
from ..datasets.sounds import NOTES
from ..distributions import bits_per_dim
from ..metrics.two_samples import kid_error
from ..recipes import Budget, Recipe, as_far_as_known, floats_and_labels, images_and_labels, standard_error, words_and_faces
from .guides import Autoguided
from .likelihood import ode_bound, variational_bound
from .models import Diffusion, EigenDiffusion, ImageDiffusion, LatentDiffusion, PointDiffusion, WaveDiffusion
from .samplers import sample

GUIDANCE = 2.0  # at which class accuracy is reported
AUTOGUIDED = (1.5, 2.0)  # weights of autoguidance that are reported
POINTS = {
    "diffusion": {"schedule": "cosine", "predict": "v"},
    "flow": {"schedule": "straight", "predict": "velocity"},
    "transport": {"schedule": "straight", "predict": "velocity", "transport": True},
}


# --- what is measured


@torch.no_grad()
def asked_for(model: Diffusion, y: Tensor, guidance: float = 1.0, steps: int = 20, method: str = "ddim", batch_size: int = 250) -> Tensor:
    """A sample for each label, a few at a time, on the CPU."""
    return torch.cat([model.sample(len(part), y=part, guidance=guidance, steps=steps, method=method).cpu() for part in y.split(batch_size)])


def measure_samples(model: Diffusion, data: Dataset, n: int = 2_000) -> dict:
    """FID of n samples in 20 deterministic steps, and the share of guided ones that are the digit asked for, with their errors."""
    y = data.y[:n].cpu()
    guided, drawn = asked_for(model, y, GUIDANCE), asked_for(model, y)
    share = metrics.class_accuracy(guided, y)
    numbers = {
        "fid": metrics.digit_fid(drawn),
        "fid_error": metrics.digits.JUDGE.fid_error(drawn),
        "class_accuracy": share,
        "class_accuracy_error": share_error(share, len(y)),
    }
    return as_far_as_known(numbers) | {"guidance": GUIDANCE, "samples": n}


def share_error(share: float, n: int) -> float:
    """Standard error of a share of n, by Wilson's rule with one deviation: not 0 where the share is 0 or 1."""
    return (share * (1 - share) / n + 1 / (4 * n**2)) ** 0.5 / (1 + 1 / n)


def measure_images(model: ImageDiffusion, data: Dataset, n: int = 2_000, bounds: int = 1_000, odes: int = 200) -> dict:
    """The same, and bits a dimension: of the variational bound with 1,000 steps, and of the bound by the ODE.

    Their errors are standard errors of the mean over the images, each with draws of its own: other images and draws are both in them.
    The images lie evenly in the split, for MNIST's first test images are easier than its last.
    """
    x = model.scaled(to_float(data.x))
    dims = x[0].numel()
    few, fewer = (x[:: max(1, len(x) // count)][:count] for count in (bounds, odes))
    by_chain = torch.cat([bits_per_dim(variational_bound(model, part)["bound"], dims) for part in few.split(250)])
    by_ode = torch.cat([bits_per_dim(ode_bound(model, part), dims) for part in fewer.split(100)])
    numbers = {"bits_per_dim": by_chain.mean().item(), "bits_per_dim_error": standard_error(by_chain)}
    numbers |= {"bits_per_dim_ode": by_ode.mean().item(), "bits_per_dim_ode_error": standard_error(by_ode)}
    return measure_samples(model, data, n) | as_far_as_known(numbers) | {"bound_images": bounds, "ode_images": odes}


def measure_faces(model: EigenDiffusion, data: Dataset, n: int = 10_000) -> dict:
    """FID of n faces for the words of test faces, in deterministic steps, and how often words are obeyed, with guidance and without."""
    words = faces.attributes(data.y[:n].cpu())
    numbers = {}
    for label, guidance in (("", 1.0), ("guided_", GUIDANCE)):
        draw = partial(asked_for, model, guidance=guidance, steps=model.steps)
        training.seed_everything(0)
        numbers |= {f"{label}{key}": value for key, value in as_far_as_known(metrics.faces.told(draw, words)).items()}
    return numbers | {"guidance": GUIDANCE, "chain": model.steps, "samples": len(words)}


def measure_autoguided(model: EigenDiffusion, data: Dataset, n: int = 10_000) -> dict:
    """What this model is worth alone, and, in numbers["autoguided"][WEIGHT], `diffusion_faces` when it is pushed away from it."""
    words = faces.attributes(data.y[:n].cpu())
    device = next(model.parameters()).device
    better, times = checkpoints.load("diffusion_faces", device), model.schedule.times(model.steps)

    @torch.no_grad()
    def away(y: Tensor, weight: float) -> Tensor:
        guided = Autoguided(better, model, weight)
        starts = (torch.randn(len(part), *model.shape, device=device) for part in y.split(250))
        return torch.cat([model.unscaled(sample(guided, x, times, part)).cpu() for x, part in zip(starts, y.to(device).split(250))])

    def numbers(draw: Callable[[Tensor], Tensor]) -> dict:
        training.seed_everything(0)
        return as_far_as_known(metrics.faces.told(draw, words))

    guided = {f"{w:g}": numbers(partial(away, weight=w)) for w in AUTOGUIDED}
    return numbers(partial(asked_for, model, steps=model.steps)) | {"autoguided": guided, "chain": model.steps, "samples": len(words)}


def principal(model: EigenDiffusion, tensors: tuple[Tensor, Tensor]) -> None:
    """Let the network see the principal components of what it will be trained on."""
    model.net.look_at(2 * to_float(tensors[0]) - 1)


POINT_STEPS = (1, 2, 5, 10, 20, 100)


def measure_points(model: PointDiffusion, data: Dataset, n: int = 5_000, draws: int = 10, steps: Sequence[int] = POINT_STEPS) -> dict:
    """The sliced distance of n samples to n new points, in 1 to 100 steps, and of two sets of new points to each other.

    Each is a mean over `draws` of samples and of points, and `_sd` the standard deviation of a single draw.
    """

    def distance(a: Tensor, b: Tensor) -> float:
        return float(metrics.sliced_wasserstein(a, b, p=1))

    fresh = [datasets.toy2d(data.name, n, seed=99 + k).x for k in range(2 * draws)]
    found = {f"distance_{k}_steps": [distance(model.sample(n, steps=k).cpu(), points) for points in fresh[:draws]] for k in steps}
    found["distance_of_data"] = [distance(a, b) for a, b in zip(fresh[:draws], fresh[draws:])]
    numbers = {}
    for name, values in found.items():
        numbers |= {name: statistics.mean(values), f"{name}_sd": statistics.stdev(values)}
    return as_far_as_known(numbers) | {"samples": n, "draws": draws}


def heard_note(x: Tensor) -> Tensor:
    """Which note waves (n, time) sound, 0 to 7: the one whose first five overtones are strongest together."""
    frequencies = torch.fft.rfftfreq(x.shape[1], 1 / datasets.RATE)
    strength = torch.fft.rfft(x * torch.hann_window(x.shape[1]), dim=1).abs()
    teeth = [sum(strength[:, (frequencies - k * note).abs().argmin()] for k in range(1, 6)) for note in NOTES]
    return torch.stack(teeth, 1).argmax(1)


def measure_sound(model: WaveDiffusion, data: Dataset, n: int = 400) -> dict:
    """The share of guided sounds in which the note that was asked for is heard; the same for real ones."""
    y = torch.arange(n) % 8
    made = asked_for(model, y, GUIDANCE, steps=30)
    is_note = data.y < 8
    real, told = data.x[is_note, : made.shape[1]].cpu(), data.y[is_note].cpu()
    share, of_data = ((heard_note(x) == note).float().mean().item() for x, note in ((made, y), (real, told)))
    numbers = {"note_accuracy": share, "note_accuracy_error": share_error(share, n)}
    return as_far_as_known(numbers) | {"note_accuracy_of_data": of_data, "guidance": GUIDANCE, "samples": n}


# --- samplers compared

STEPS = (5, 10, 20, 50, 100, 1000)
WEAK = 1.5  # guidance that mends a model's errors and hardly narrows what it draws
# what is compared: the checkpoint, options of the sampler, and one more with the values that it takes
IN_PIXELS = {
    "ddpm": ("diffusion", {"method": "ddpm"}, "steps", STEPS),
    "ddim": ("diffusion", {"method": "ddim"}, "steps", STEPS),
    "heun": ("diffusion", {"method": "heun"}, "steps", STEPS[:-2]),  # two passes a step
    "guidance": ("diffusion", {"steps": 20}, "guidance", (0.0, 1.0, WEAK, 2.0, 3.0, 5.0)),
    "guided_ddpm": ("diffusion", {"method": "ddpm", "guidance": WEAK}, "steps", STEPS[-1:]),
}
# codes are cheap: 10,000 samples
IN_CODES = {
    "ddpm": ("latent_diffusion", {"method": "ddpm"}, "steps", STEPS),
    "ddim": ("latent_diffusion", {"method": "ddim"}, "steps", STEPS),
    "heun": ("latent_diffusion", {"method": "heun"}, "steps", STEPS),
    "flow": ("latent_flow", {"method": "ddim"}, "steps", STEPS),  # which is Euler's method there
}


def measure_sampler(name: str, options: dict, y: Tensor, seed: int = 0) -> dict:
    """FID and KID with errors, and class accuracy of a checkpoint's samples for the labels y, drawn with these options of `asked_for`."""
    training.seed_everything(seed)  # the same noise for all, as far as chains draw none of their own
    drawn = asked_for(checkpoints.load(name, training.pick_device()), y, **options)
    features, real = metrics.digit_features(drawn), metrics.digit_features(datasets.load("mnist_small", "test").images())
    numbers = {
        "fid": metrics.digit_fid(drawn),
        "fid_error": metrics.digits.JUDGE.fid_error(drawn),
        "kid": metrics.digit_kid(drawn),
        "kid_error": kid_error(features, real),
    }
    return as_far_as_known(numbers) | {"class_accuracy": metrics.class_accuracy(drawn, y)}


def film_of_samplers(budget: Budget, n: int, data: Dataset, test: Dataset, seed: int, chains: dict) -> tuple[dict[str, Tensor], dict]:
    """n samples by each of the chains, asked for the labels of test images.

    Returns:
        no tensors; numbers["samples"], and numbers[LABEL][VALUE] with FID, KID and class accuracy
    """
    numbers = {"samples": n}
    for label, (name, options, varied, values) in chains.items():
        numbers[label] = {f"{v:g}": measure_sampler(name, options | {varied: v}, test.y[:n], seed) for v in values}
    return {}, numbers


# --- the recipes


def image_budgets(steps: int) -> dict[str, Budget]:
    """The two budgets of a U-Net; the GPU's is about 90 epochs."""
    return {
        "cpu": Budget(steps, 64, 1e-3, warmup=200, precision="bf16"),
        "gpu": Budget(40_000, 128, 1e-3, warmup=500, ema=0.9995),
    }


def small_budgets(steps: int, batch_size: int = 256) -> dict[str, Budget]:
    """The two budgets of a network on points, codes or short waves."""
    return {"cpu": Budget(steps, batch_size, 1e-3), "gpu": Budget(4 * steps, batch_size, 1e-3)}


# what a lecture trains while you watch
LIVE = {"cpu": Budget(300, 64, 4e-3, warmup=50, ema=0.99), "gpu": Budget(3_000, 256, 3e-3, warmup=50, ema=0.99)}

CODES = {"tensors": codes_and_labels, "before": standardise}
LABELLED = {"fit": {"prepare": floats_and_labels}, "tensors": images_and_labels}
TOLD = {"fit": {"prepare": floats_and_labels}, "tensors": words_and_faces, "before": principal}  # faces and their words

RECIPES = {
    "diffusion": Recipe(ImageDiffusion, "mnist", image_budgets(6_000), measure_images, **LABELLED),
    "diffusion_faces": Recipe(
        partial(EigenDiffusion, classes=faces.KINDS, width=320, blocks=2),
        "faces",
        {"cpu": Budget(20_000, 128, 2e-3, warmup=500, clip=50.0, ema=0.9995), "gpu": Budget(200_000, 512, 2e-3, 500, 50.0, ema=0.9998)},
        measure_faces,
        **TOLD,
    ),
    # what autoguidance pushes `diffusion_faces` away from: the MLP alone, smaller, and for two minutes
    "diffusion_faces_worse": Recipe(
        partial(EigenDiffusion, classes=faces.KINDS, width=160, layers=3),
        "faces",
        dict.fromkeys(("cpu", "gpu"), Budget(10_000, 128, 2e-3, warmup=300, clip=50.0, ema=0.999)),
        measure_autoguided,
        **TOLD,
    ),
    "latent_diffusion": Recipe(LatentDiffusion, "mnist", small_budgets(20_000), measure_samples, **CODES),
    "latent_flow": Recipe(
        partial(LatentDiffusion, schedule="straight", predict="velocity"), "mnist", small_budgets(20_000), measure_samples, **CODES
    ),
    "diffusion_sound": Recipe(
        WaveDiffusion, "sounds", small_budgets(6_000, 32), measure_sound, tensors=lambda data: (data.x[:, :2048], data.y)
    ),
    # steps: samples of each setting
    "diffusion_samplers": Recipe(
        None, "mnist", {"cpu": Budget(500), "gpu": Budget(10_000)}, None, film=partial(film_of_samplers, chains=IN_PIXELS)
    ),
    "latent_samplers": Recipe(None, "mnist", {"cpu": Budget(10_000)}, None, film=partial(film_of_samplers, chains=IN_CODES)),
}
for kind, options in POINTS.items():
    RECIPES[f"points_{kind}"] = Recipe(partial(PointDiffusion, scale=2.0, **options), "gaussians8", small_budgets(6_000), measure_points)
