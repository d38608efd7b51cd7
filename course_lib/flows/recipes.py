"""How the checkpoints of topic 04 are trained and measured. Run one with `python -m course_lib train NAME --preset cpu`."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from .. import metrics, training
from ..autoencoders import VAE, draw_codes, draw_codes_and_words, posteriors, posteriors_and_words, standardise_draws
from ..datasets import Dataset, binarise, faces, toy2d, toy2d_log_prob
from ..datasets.toy2d import plane
from ..gans import PointGAN, gan_step_with_cures
from ..metrics.recipes import measure_told
from ..recipes import Budget, Recipe
from .continuous import ContinuousFlow
from .images import ImageFlow
from .models import KINDS, Flow, LatentFlow

TOYS = ("moons", "pinwheel", "checkerboard", "gaussians8", "swissroll")
SHOWN = ("nice", "realnvp", "spline")  # kinds whose 2-D model is shipped, to be looked at layer by layer
SIDE, SPAN = 48, 4.5  # of the density pictures: cells, and how far they reach


def point_flow(kind: str) -> Flow | ContinuousFlow:
    """The flow on points of the plane that every comparison uses; "ffjord" makes a continuous one."""
    return ContinuousFlow(hidden=(64, 64, 64)) if kind == "ffjord" else Flow(kind, dims=2, layers=8, hidden=(64, 64))


@torch.no_grad()
def mean_nll(model: nn.Module, x: Tensor) -> float:
    """Mean −log p of points (n, 2), nats a point."""
    return -torch.cat([model.log_prob(part) for part in x.split(1000)]).mean().item()


def measure_points(model: nn.Module, data: Dataset) -> dict:
    """Mean −log p of test points, and what it would be for the true density, nats a point."""
    return {"nll": mean_nll(model, data.x), "entropy": -toy2d_log_prob(data.name, data.x).mean().item(), "test_points": len(data)}


@torch.no_grad()
def measure_images(model: ImageFlow, data: Dataset, n: int = 10_000) -> dict:
    """Bits per dimension on the test images, from one draw of the noise and from ten, and the FID of n samples, digits or faces."""
    fid = metrics.faces.face_fid if data.x.shape[1] == 3 else metrics.digit_fid
    bits, tighter = (torch.cat([model.bits_per_dim(part, k=k) for part in data.x.split(250)]).mean() for k in (1, 10))
    return {
        "bits_per_dim": bits.item(),
        "bits_per_dim_k10": tighter.item(),
        "fid": fid(metrics.draw(model, n)),
        "samples": n,
        "test_images": len(data),
    }


@torch.no_grad()
def measure_codes(model: LatentFlow, data: Dataset, n: int = 10_000) -> dict:
    """ELBO of the test images, binarised once, with the flow and with the VAE's own prior, nats; and the digit-network FID of n samples."""
    x, vae = binarise(data.x, generator=torch.Generator(data.x.device).manual_seed(0)), model.autoencoder
    both = {"elbo": model.iwae_bound_in_parts, "elbo_own_prior": vae.iwae_bound_in_parts}
    numbers = {name: torch.cat([bound(part, 1) for part in x.split(500)]).mean().item() for name, bound in both.items()}
    return numbers | {"fid": metrics.digit_fid(metrics.draw(model, n)), "samples": n, "test_images": len(data)}


# --- recordings of small models on points


def fit_points(model: nn.Module, points: Tensor, steps: int, budget: Budget, seed: int, **options) -> nn.Module:
    """Train on points; the weights are drawn before the call."""
    settings = {"lr": budget.lr, "clip": budget.clip, "warmup": min(100, steps // 2)} | options
    training.fit(model, points, steps=steps, batch_size=budget.batch_size, seed=seed, device="cpu", progress=False, **settings)
    return model


def film_of_toys(budget: Budget, steps: int, data: Dataset, test: Dataset, seed: int) -> tuple[dict[str, Tensor], dict]:
    """Every kind of flow on every toy density.

    Returns:
        tensors, for each toy, `TOY/density` (kinds, 48, 48), each flow's on `plane(48, 4.5)`, and `TOY/samples` (kinds, 1000, 2);
        numbers, for each toy, the true entropy and each flow's −log p on 10,000 new points, nats
    """
    tensors, numbers = {}, {}
    for toy in TOYS:
        points, fresh = toy2d(toy, 50_000, seed).x, toy2d(toy, 10_000, seed + 1).x
        densities, samples, nll = [], [], {}
        for kind in (*KINDS, "ffjord"):
            training.seed_everything(seed)
            # the solver evaluates its network dozens of times for one step of training: half as many of these
            model = fit_points(point_flow(kind), points, steps if kind != "ffjord" else max(2, steps // 2), budget, seed)
            nll[kind] = mean_nll(model, fresh)
            with torch.no_grad():
                densities.append(model.log_prob(plane(SIDE, SPAN)).exp().view(SIDE, SIDE))
                samples.append(model.sample(1000))
        tensors |= {f"{toy}/density": torch.stack(densities), f"{toy}/samples": torch.stack(samples)}
        numbers[toy] = {"entropy": -toy2d_log_prob(toy, fresh).mean().item(), "nll": nll}
    return tensors, numbers


RIVALS = ("flow", "VAE", "GAN")


VAE_STARTS = (-8.0, -4.0)  # of log σ² of the decoder: which is better depends on the points, so a VAE has both tries


class PointVAE(nn.Module):
    """A VAE on points of the square [−4, 4]², which it sees as two pixels."""

    def __init__(self, hidden=(128, 128), log_var: float = VAE_STARTS[0]):
        super().__init__()
        self.vae = VAE(shape=(1, 1, 2), latents=2, hidden=hidden, likelihood="gaussian")
        self.vae.log_var.data.fill_(log_var)  # at σ = 1 the points would drown in the noise, and the codes collapse before it shrinks

    @staticmethod
    def pixels(x: Tensor) -> Tensor:
        return ((x + 4) / 8).clamp(0, 1).view(-1, 1, 1, 2)

    def loss(self, x: Tensor) -> Tensor:
        return self.vae.loss(self.pixels(x))

    def resample(self, x: Tensor) -> Tensor:
        """Points decoded from codes z ~ q(z | x) of the data x (n, 2), in place of codes from the prior: (n, 2)."""
        return self.vae.decode(self.vae.posterior(self.pixels(x)).sample()).view(len(x), 2) * 8 - 4

    def sample(self, n: int) -> Tensor:
        return self.vae.sample(n).view(n, 2) * 8 - 4


def film_of_rivals(budget: Budget, steps: int, data: Dataset, test: Dataset, seed: int) -> tuple[dict[str, Tensor], dict]:
    """A flow, a VAE and a GAN on the same points: `TOY/samples` (3, 2000, 2), and how many samples lie where there are no data.

    "Nowhere" is where the true density is below that of all but one in a thousand of the data. Of two VAEs, which start with different
    noise, the one with the higher ELBO is shown: `vae_starts` tells the share of both, and that of decoded codes of data.
    """
    tensors, numbers = {}, {}
    for toy in ("moons", "pinwheel", "gaussians8"):
        points = toy2d(toy, 50_000, seed).x
        rare = toy2d_log_prob(toy, points).quantile(0.001)
        drawn, outside = [], {}

        def nowhere(x: Tensor, rare=rare, toy=toy) -> float:
            return (toy2d_log_prob(toy, x) < rare).float().mean().item()

        for rival in RIVALS:
            training.seed_everything(seed)
            if rival == "VAE":
                tries = vae_tries(points, steps, budget, seed, nowhere)
                best = min(tries.values(), key=lambda each: each["loss"])
                outside[rival] = best["nowhere"]
                drawn.append(best["samples"])
                continue
            if rival == "GAN":
                model, options = PointGAN(minibatch=True), {"step": gan_step_with_cures, "schedule": "linear"}
                options["optimisers"] = model.optimisers(lr=1e-3, betas=(0.5, 0.9))
            else:
                model, options = point_flow("spline"), {}
            fit_points(model, points, steps, budget, seed, **options)
            with torch.no_grad():
                drawn.append(model.sample(2000))
            outside[rival] = nowhere(drawn[-1])
        tensors[f"{toy}/samples"] = torch.stack(drawn)
        starts = {f"{start:g}": {key: each[key] for key in ("nowhere", "codes")} for start, each in tries.items()}
        numbers[toy] = {"nowhere": outside, "vae_starts": starts}
    return tensors, numbers


def vae_tries(points: Tensor, steps: int, budget: Budget, seed: int, nowhere: Callable[[Tensor], float]) -> dict[float, dict]:
    """A VAE from each of VAE_STARTS: its loss, 2,000 samples, how many lie nowhere, and how many that were decoded from codes of data."""
    tries = {}
    for start in VAE_STARTS:
        training.seed_everything(seed)
        model = fit_points(PointVAE(log_var=start), points, steps, budget, seed)
        with torch.no_grad():
            samples = model.sample(2000)
            shares = {"nowhere": nowhere(samples), "codes": nowhere(model.resample(points[:2000]))}
            tries[start] = {"loss": model.loss(points[:10_000]).item(), "samples": samples} | shares
    return tries


# --- the recipes

# what a lecture trains while you watch
LIVE = {
    "cpu": Budget(500, 256, 2e-3, warmup=50, clip=10.0, ema=None),
    "gpu": Budget(4_000, 512, 2e-3, warmup=50, clip=10.0, ema=None),
}


def point_budgets(steps: int) -> dict[str, Budget]:
    """The two budgets of a flow on points; a GPU gains nothing on networks this small but a larger batch."""
    return {
        "cpu": Budget(steps, 256, 2e-3, clip=10.0, ema=None),
        "gpu": Budget(2 * steps, 1024, 2e-3, clip=10.0, ema=None),
    }


def image_budgets(steps: int) -> dict[str, Budget]:
    """The two budgets of an image flow; the GPU's is about 100 epochs."""
    return {
        "cpu": Budget(steps, 32, 1e-3, warmup=200, clip=100.0, precision="bf16"),
        "gpu": Budget(50_000, 128, 1e-3, warmup=1000, clip=100.0),
    }


IMAGES = {"steps": (8, 8), "width": 32, "blocks": 1}

RECIPES = {
    "realnvp": Recipe(
        partial(ImageFlow, kind="realnvp", dequantisation="uniform", **IMAGES), "mnist", image_budgets(16_000), measure_images
    ),
    "glow": Recipe(partial(ImageFlow, kind="glow", **IMAGES), "mnist", image_budgets(14_000), measure_images),
    "spline": Recipe(partial(ImageFlow, kind="spline", **IMAGES), "mnist", image_budgets(8_000), measure_images),
    "glow_faces": Recipe(
        partial(ImageFlow, shape=(3, 16, 16), kind="glow", steps=(6, 6), width=32), "faces", image_budgets(6_000), measure_images
    ),
    "latent_spline": Recipe(
        LatentFlow,
        "mnist",
        {"cpu": Budget(12_000, 256, 1e-3, clip=1.0), "gpu": Budget(40_000, 256, 1e-3, clip=1.0)},
        measure_codes,
        fit={"prepare": draw_codes},
        tensors=posteriors,
        before=standardise_draws,
    ),
    "latent_glow_faces": Recipe(
        partial(LatentFlow, "vae_faces", "glow", hidden=(160, 160), classes=faces.KINDS),
        "faces",
        {"cpu": Budget(20_000, 256, 2e-3, clip=1.0), "gpu": Budget(60_000, 256, 2e-3, clip=1.0)},
        measure_told,
        fit={"prepare": draw_codes_and_words},
        tensors=posteriors_and_words,
        before=standardise_draws,
    ),
    "flow_toys": Recipe(None, "moons", point_budgets(1_500), None, film=film_of_toys),
    "flow_rivals": Recipe(None, "moons", point_budgets(2_000), None, film=film_of_rivals),
    "flow_moons_ffjord": Recipe(partial(point_flow, "ffjord"), "moons", point_budgets(1_000), measure_points),
}
for kind in SHOWN:
    RECIPES[f"flow_moons_{kind}"] = Recipe(partial(point_flow, kind), "moons", point_budgets(3_000), measure_points)
