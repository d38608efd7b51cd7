"""How the checkpoints of topic 02 are trained and measured. Run one with `python -m course_lib train NAME --preset cpu`."""

from functools import partial

import torch
from torch import Tensor

from .. import metrics, training
from ..datasets import Dataset, batches, binarise, faces, to_float
from ..nn import tensors
from ..recipes import Budget, Recipe, floats_and_labels, images_and_labels
from .applications import ACTIVE, beta_schedule
from .hybrid import VAEGAN, vae_gan_step
from .models import VAE, Autoencoder
from .vq import VQVAE

BETAS = (0, 0.5, 1, 2, 4, 8, 16)
FACE_BETAS = (0.1, 0.5, 1, 2)
BOTTLENECKS = (1, 2, 4, 8, 16, 32, 64)
NOISES = (0.25, 0.5, 1.0)


# --- what goes into the models


def binarised(batch: Tensor) -> Tensor:
    """uint8 → a fresh Bernoulli sample of the grey values (dynamic binarisation)."""
    return binarise(to_float(batch))


# --- steps that differ from "minimise model.loss"


def warm_up_beta(run, x: Tensor, share: float = 0.1) -> dict[str, Tensor]:
    """Minimise the loss while β rises linearly to the model's own value over the first `share` of training."""
    beta = run.model.beta * min(1.0, run.progress / share)
    loss = run.model.loss(x, beta=beta)
    run.update(loss)
    return {"loss": loss}


def denoise(run, x: Tensor, noise: float) -> dict[str, Tensor]:
    """Show the model x plus noise, ask for x."""
    loss = run.model.loss(add_noise(x, noise), x)
    run.update(loss)
    return {"loss": loss}


@tensors
def add_noise(x: Tensor, std: float, noise: Tensor | None = None) -> Tensor:
    """x + std · ε, cut to [0, 1]: the range of an image."""
    return (x + std * (torch.randn_like(x) if noise is None else noise)).clamp(0, 1)


def train_prior(model: VQVAE, data: Dataset, steps: int, progress: bool) -> None:
    """Stage two of VQ-VAE: the symbols of the training images are the data of the prior."""
    with torch.no_grad():
        symbols = torch.cat([model.eval().encode(to_float(x)) for x in data.x.split(1000)])
    for p in model.prior.parameters():
        p.requires_grad_(True)  # the averaged copy came frozen
    options = {"batch_size": 32, "lr": 2e-3, "warmup": min(100, steps // 2), "clip": 1.0}  # as the shipped one was trained
    training.fit(model.prior, symbols.flatten(1), steps=steps, progress=progress, **options)


# --- what is measured, on the test split


@torch.no_grad()
def averages(data: Dataset, values, prepare, batch_size: int = 500) -> list[float]:
    """Mean over the whole split of each tensor (batch,) or (batch, m) that `values(x, y)` returns. A smaller batch counts by its size."""
    sums, seen = None, 0
    for x, y in batches((data.x, data.y), batch_size, shuffle=False):
        each = [v.cpu().double().sum(0) for v in values(prepare(x), y)]
        sums = each if sums is None else [a + b for a, b in zip(sums, each, strict=True)]
        seen += len(x)
    return [(s / seen).tolist() for s in sums]


def measure_vae(model: VAE, data: Dataset, k: int = 500) -> dict:
    """ELBO and importance-weighted bound on dynamically binarised images, nats."""

    def values(x, y):
        distortion, rate = model.terms(x)
        return distortion, rate, model.iwae_bound_in_parts(x, k)

    distortion, rate, bound = averages(data, values, binarised)
    return {"elbo": -distortion - rate, "iwae_bound": bound, "k": k, "distortion": distortion, "rate": rate, "test_images": len(data)}


def measure_face_vae(model: VAE, data: Dataset, n: int = 2_000) -> dict:
    """How often each word of a face can still be read in its reconstruction, and FID of n samples; ELBO in nats, of faces as floats."""
    distortion, rate = averages(data, lambda x, y: model.terms(x), to_float)
    x = to_float(data.x)
    with torch.no_grad():
        back = torch.cat([model.reconstruct(part) for part in x.split(500)])
        drawn = model.sample(n)
    numbers = {"word_accuracy": metrics.faces.factor_accuracy(back, data.y, words=True), "squared_error": (back - x).square().mean().item()}
    numbers |= {"elbo": -distortion - rate, "rate": rate}
    return numbers | {"fid": metrics.faces.face_fid(drawn), "samples": n, "test_images": len(data)}


def face_words(data: Dataset) -> Tensor:
    """The words of faces that any face shows: a hat's colour is left out, (n, 9)."""
    return faces.attributes(data.y)[:, [name != "hat_colour" for name in faces.ATTRIBUTES]]


def measure_beta_vae(model: VAE, data: Dataset, factors=lambda data: data.y) -> dict:
    """Rate and distortion in nats; the disentanglement scores where the factors are known."""

    def values(x, y):
        distortion, rate = model.terms(x)
        return distortion, rate, model.kl_per_latent(model.posterior(x))

    distortion, rate, kl = averages(data, values, to_float)
    numbers = {"beta": model.beta, "distortion": distortion, "rate": rate, "elbo": -distortion - rate, "kl_per_latent": kl}
    numbers |= {"active_latents": sum(k > ACTIVE for k in kl), "test_images": len(data)}
    if data.factors:
        with torch.no_grad():
            codes = torch.cat([model.encode(to_float(x)) for x in data.x.split(500)])
        numbers |= metrics.disentanglement(codes, factors(data))
    return numbers


def measure_autoencoder(model: Autoencoder, data: Dataset) -> dict:
    """Squared error for one pixel and cross-entropy for one image (nats)."""

    def values(x, y):
        return (model.reconstruct(x) - x).square().flatten(1).mean(1), model.error(x)

    mse, error = averages(data, values, to_float)
    return {"mse": mse, "cross_entropy": error, "test_images": len(data)}


def measure_denoiser(model: Autoencoder, data: Dataset) -> dict:
    """Squared error for one pixel of the cleaned image, at several noise levels."""
    levels = (0.0, 0.25, 0.5, 0.75, 1.0)

    def values(x, y):
        return [(model.reconstruct(add_noise(x, s)) - x).square().flatten(1).mean(1) for s in levels]

    return {"mse_at": dict(zip(map(str, levels), averages(data, values, to_float), strict=True)), "test_images": len(data)}


def measure_conditional(model: VAE, data: Dataset) -> dict:
    """Rate and distortion in nats, given the labels."""
    distortion, rate = averages(data, lambda x, y: model.terms(x, y), to_float)
    return {"distortion": distortion, "rate": rate, "elbo": -distortion - rate, "test_images": len(data)}


def measure_vq(model: VQVAE, data: Dataset) -> dict:
    """Squared error for one pixel, the cost of the symbols under the prior (nats an image), and how many codes occur."""

    def values(x, y):
        symbols = model.encode(x)
        return (model.decode(symbols) - x).square().flatten(1).mean(1), -model.prior.log_prob(symbols.flatten(1))

    mse, nll = averages(data, values, to_float)
    used = torch.cat([model.encode(to_float(x)).flatten() for x in data.x.split(500)]).unique()
    return {"mse": mse, "prior_nats": nll, "codes_used": len(used), "test_images": len(data)}


def measure_mse(model, data: Dataset) -> dict:
    """Squared error for one pixel of the reconstruction."""
    (mse,) = averages(data, lambda x, y: [(model.reconstruct(x) - x).square().flatten(1).mean(1)], to_float)
    return {"mse": mse, "test_images": len(data)}


# --- a film of training: posterior collapse and two cures

CURES = ("none", "annealing", "free bits")


def film_of_collapse(budget: Budget, steps: int, data: Dataset, test: Dataset, seed: int) -> tuple[dict[str, Tensor], dict]:
    """The same deep VAE trained three times: as it is, with a rising β, with free bits. Everything is measured at β = 1.

    Returns:
        tensors `steps` (t,), and for each cure `CURE/kl` (t, latents), `CURE/elbo` (t,), `CURE/beta` (t,) and
        `CURE/samples` uint8 (t, 10, 28, 28); numbers
    """
    every = max(1, steps // 30)
    x = to_float(test.x[:500])
    z = torch.randn(10, 16, generator=torch.Generator().manual_seed(1))
    tensors, numbers = {}, {}
    for cure in CURES:
        training.seed_everything(seed)
        model = VAE(latents=16, hidden=(128,) * 4)  # four layers deep on each side: easier to ignore z than to use it
        frames = []

        @torch.no_grad()
        def frame(model, beta, frames=frames):
            with torch.random.fork_rng():  # looking must not change the training
                torch.manual_seed(0)
                kl = model.kl_per_latent(model.posterior(x)).mean(0)
                frames.append((kl, model.elbo(x).mean(), beta, (model.decode(z)[:, 0] * 255).round().to(torch.uint8)))

        def step(run, batch, cure=cure, frame=frame):
            beta = beta_schedule(run.step, steps, "linear" if cure == "annealing" else "none", warm_up=0.8)
            if run.step % every == 0:
                frame(run.model, beta)
            loss = run.model.loss_with_free_bits(batch) if cure == "free bits" else run.model.loss(batch, beta=beta)
            run.update(loss)
            return {"loss": loss}

        training.fit(
            model, data.x, steps=steps, batch_size=budget.batch_size, lr=budget.lr, step=step, prepare=to_float,
            schedule="constant", seed=seed, device="cpu", progress=False,
        )  # fmt: skip
        frame(model, 1.0)
        kl, elbo, beta, samples = zip(*frames, strict=True)
        tensors |= {f"{cure}/kl": torch.stack(kl), f"{cure}/elbo": torch.stack(elbo), f"{cure}/beta": torch.tensor(beta)}
        tensors[f"{cure}/samples"] = torch.stack(samples)
        numbers[cure] = {"elbo": elbo[-1].item(), "active_latents": int((kl[-1] > ACTIVE).sum())}
    tensors["steps"] = torch.tensor([*range(0, steps, every), steps])
    return tensors, numbers


# --- the recipes. The `gpu` budgets run the same models for longer, on larger batches


def budgets(steps: int, batch_size: int = 128, lr: float = 1e-3, **more) -> dict[str, Budget]:
    """The two budgets of a small model."""
    return {
        "cpu": Budget(steps, batch_size, lr, **more),
        "gpu": Budget(2 * steps, 2 * batch_size, 1.4 * lr, **more),  # lr ∝ √batch, as usual for Adam
    }


# what a lecture trains while you watch
LIVE = {
    "cpu": Budget(800, 100, 4e-3, warmup=50, ema=0.99),
    "gpu": Budget(6_000, 200, 2e-3, warmup=50, ema=0.99),
}

RECIPES = {
    "vae": Recipe(
        partial(VAE, latents=40, hidden=(512, 256), prior="vamp", components=256),
        "mnist",
        {"cpu": Budget(40_000, 256, 1e-3, warmup=500), "gpu": Budget(120_000, 256, 1e-3, warmup=500)},
        measure_vae,
        {"step": warm_up_beta, "prepare": binarised},
    ),
    "vae_faces": Recipe(
        partial(VAE, shape=(3, 16, 16), latents=64, hidden=(512, 256), likelihood="gaussian"),
        "faces",
        {"cpu": Budget(60_000, 128, 1e-3, warmup=500), "gpu": Budget(120_000, 128, 1e-3, warmup=500)},
        measure_face_vae,
        {"step": warm_up_beta, "prepare": to_float},
    ),
    "vae_2d": Recipe(
        partial(VAE, latents=2, hidden=(128, 128)), "mnist", budgets(12_000), measure_beta_vae, {"step": warm_up_beta, "prepare": to_float}
    ),
    "cvae": Recipe(
        partial(VAE, latents=8, hidden=(128, 128), classes=10),
        "mnist",
        budgets(10_000),
        measure_conditional,
        {"prepare": floats_and_labels},
        tensors=images_and_labels,
    ),
    "vqvae": Recipe(partial(VQVAE, width=16), "mnist", budgets(4_000), measure_vq, {"prepare": to_float}, after=train_prior),
    "vae_gan": Recipe(
        partial(VAEGAN, width=16),
        "mnist",
        budgets(6_000, 64, ema=0.995),
        measure_mse,
        {"prepare": to_float, "step": vae_gan_step, "optimisers": VAEGAN.optimisers, "schedule": "linear"},
    ),
}
RECIPES["kl_annealing"] = Recipe(None, "mnist", budgets(3_000, 100), None, film=film_of_collapse)
for b in BETAS:
    RECIPES[f"beta_vae_mnist_b{b:g}"] = Recipe(
        partial(VAE, latents=10, hidden=(128, 128), beta=b), "mnist", budgets(10_000), measure_beta_vae, {"prepare": to_float}, bits=8
    )
    RECIPES[f"beta_vae_sprites_b{b:g}"] = Recipe(
        partial(VAE, shape=(1, 32, 32), latents=10, hidden=(128, 128), beta=b),
        "sprites",
        budgets(20_000),
        measure_beta_vae,
        {"prepare": to_float},
        bits=8,
    )
for b in FACE_BETAS:
    RECIPES[f"beta_vae_faces_b{b:g}"] = Recipe(
        partial(VAE, shape=(3, 16, 16), latents=10, hidden=(128, 128), beta=b),
        "faces",
        budgets(10_000, lr=2e-3),
        partial(measure_beta_vae, factors=face_words),
        {"prepare": to_float},
        bits=8,
    )
for d in BOTTLENECKS:
    RECIPES[f"ae_mnist_d{d}"] = Recipe(
        partial(Autoencoder, latents=d, hidden=(128, 128)), "mnist", budgets(8_000), measure_autoencoder, {"prepare": to_float}
    )
for s in NOISES:
    RECIPES[f"denoiser_mnist_s{s:g}"] = Recipe(
        partial(Autoencoder, latents=64, hidden=(256,)),
        "mnist",
        budgets(8_000),
        measure_denoiser,
        {"prepare": to_float, "step": partial(denoise, noise=s)},
        bits=8,
    )
