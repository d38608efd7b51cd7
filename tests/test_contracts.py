"""What every public function does with other people's data, and what every model understands in the same way.

The generated test walks the public functions and the methods of public classes. Each is called as it should be, and then with one argument
at a time spoiled: NaN, infinities, complex numbers, bytes, no entries, another precision, another layout, another device. What is
documented gives the same value; anything else gives a ValueError that names the argument, or a value that shows what was wrong with it.
A function without an entry in CALLS fails.
"""

import copy
import importlib
import inspect
import re
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from course_lib import (
    autoencoders,
    autoregressive,
    checkpoints,
    datasets,
    diffusion,
    distributions,
    energy_based,
    flows,
    gans,
    latent_spaces,
    metrics,
    plotting,
    scores,
    transformers,
)

TOPICS = (
    distributions,
    scores,
    latent_spaces,
    gans,
    flows,
    autoregressive,
    autoencoders,
    diffusion,
    transformers,
    energy_based,
    metrics,
    datasets,
    plotting,
)

# Whole classes and single functions that are called by the course alone, with what it has looked at before
INNER = {
    "layers of a flow": "flows.ActNorm flows.AdditiveCoupling flows.Autoregressive flows.Coupling flows.InverseAutoregressive flows.Logit "
    "flows.InvertibleLinear flows.Permutation flows.SplineCoupling flows.Squeeze flows.scale_and_shift flows.Velocity flows.WithTrace "
    "flows.ContinuousFlow.solve flows.ImageFlow.check",
    "layers of pixel models": "autoregressive.CachedLayer autoregressive.gate autoregressive.shift_down autoregressive.shift_right "
    "autoregressive.MADE.in_turn autoregressive.CharLSTM.before autoregressive.PixelModel gans.adain gans.StyledConv",
    "what samplers begin with": "distributions.uniforms_for",
    "codes that the course itself has made": "autoencoders.draw_codes autoencoders.draw_codes_and_words "
    "autoencoders.standardise autoencoders.standardise_draws",
    "its VAE looks at the images": "flows.LatentFlow.iwae_bound_in_parts",
    "parts of pixel models": " ".join(
        f"autoregressive.{model}.{part}"
        for model in ("PixelCNN", "GatedPixelCNN", "PixelRNN")
        for part in ("draw", "features", "inputs", "labels_for", "scaled", "score")
    ),
    "parts of autoencoders": "autoencoders.MixturePrior autoencoders.NormalPrior autoencoders.VampPrior autoencoders.VectorQuantiser "
    "autoencoders.VAE.logits",
    "parts of diffusion models": " ".join(
        f"diffusion.{model}Diffusion.{part}"
        for model in ("", "Image", "Eigen", "Point", "Latent", "Wave")
        for part in ("labels_for", "log_snr", "noise_for", "target")
    )
    + " diffusion.Schedule.weights",
    "layers of transformers": "transformers.Attention transformers.KVCache",
    "parts of models of text": " ".join(
        f"transformers.{model}.{part}" for model in ("GPT", "PieceGPT", "Translator") for part in ("before", "head", "written")
    ),
    "steps of training, whose data `fit` has looked at": "gans.gan_step gans.gan_step_with_cures gans.progressive_step "
    "gans.pix2pix_step gans.cycle_step autoencoders.vae_gan_step gans.gradient_norm gans.unbalanced",
    "parts of energies": "energy_based.RBM.flat energy_based.RBM.free energy_based.RBM.walk energy_based.RBM.hidden_states "
    "energy_based.NeuralEnergy.f energy_based.NeuralEnergy.energy_of energy_based.NeuralEnergy.walk energy_based.BoltzmannMachine.draw "
    "energy_based.neighbours",
    "they change the weights": "diffusion.EigenNetwork.look_at energy_based.RBM.begin_at energy_based.RBM.contrastive_step",
    "records of what the course itself made": "energy_based.Chains energy_based.LogZ energy_based.Target "
    "datasets.Dataset datasets.Ratings datasets.Text plotting.Chart plotting.Line",
    "their data are no tensors, or several": "plotting.curves plotting.table plotting.show_source plotting.source_html "
    "latent_spaces.compare_classifiers",
    "it needs a package that is not here": "metrics.inception_features",
    "the model's own sample looks at what it is asked for": "metrics.draw",
}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def shades(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def whole(high: int, *shape: int) -> Tensor:
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(3))


def share(*shape: int, seed: int = 0) -> Tensor:
    return shades(*shape, seed=seed).flatten().softmax(0).view(shape)


def shaken(model: nn.Module) -> nn.Module:
    """In evaluation, and with weights that are not 0, as those of some layers are at first."""
    generator = torch.Generator().manual_seed(1)
    for p in model.parameters():
        p.data.add_(0.05 * torch.randn(p.shape, generator=generator))
    return model.eval().requires_grad_(False)


def models() -> dict[str, nn.Module]:
    """A small one of every kind."""
    image = {"shape": (1, 8, 8)}
    unet, stack = {"width": 8, "attention": (), "patch": 2}, {"width": 8, "layers": 1, "heads": 2}
    return {
        "GAN": gans.GAN(**image, latents=3, width=4),
        "GAN with classes": gans.GAN(**image, latents=3, width=4, classes=3),
        "PointGAN": gans.PointGAN(width=8),
        "StyleGAN": gans.StyleGAN(**image, latents=3, width=4),
        "ProgressiveGAN": gans.ProgressiveGAN(**image, latents=3, width=4),
        "Pix2Pix": gans.Pix2Pix(**image, width=4),
        "CycleGAN": gans.CycleGAN(dims=2, width=4),
        "Flow": flows.Flow(hidden=(8,), layers=2),
        "Flow with classes": flows.Flow("spline", hidden=(8,), layers=2, classes=3),
        "LatentFlow": flows.LatentFlow("vae_2d", layers=2, hidden=(8,)),
        "ImageFlow": flows.ImageFlow(**image, steps=(2, 2), width=4),
        "ImageFlow with classes": flows.ImageFlow(**image, steps=(2, 2), width=4, classes=3, dequantisation="uniform"),
        "ContinuousFlow": flows.ContinuousFlow(hidden=(8,), rtol=1e-3, atol=1e-3),
        "MADE": autoregressive.MADE((1, 4, 4), (8,)),
        "PixelCNN": autoregressive.PixelCNN((1, 4, 4), 4, 1),
        "GatedPixelCNN": autoregressive.GatedPixelCNN((1, 4, 4), 4, (1,), levels=4),
        "GatedPixelCNN with classes": autoregressive.GatedPixelCNN((1, 4, 4), 4, (1,), levels=4, classes=3),
        "PixelRNN": autoregressive.PixelRNN((1, 4, 4), 4),
        "WaveNet": autoregressive.WaveNet(4, 4, (1, 2)),
        "CharLSTM": autoregressive.CharLSTM(4, 4),
        "VAE": autoencoders.VAE(**image, latents=3, hidden=(8,)),
        "VAE with classes": autoencoders.VAE(**image, latents=3, hidden=(8,), classes=3),
        "Autoencoder": autoencoders.Autoencoder(**image, latents=3, hidden=(8,)),
        "VAEGAN": autoencoders.VAEGAN(**image, latents=3, width=4),
        "RBM": energy_based.RBM((1, 8, 8), 5, chains=6),
        "BoltzmannMachine": energy_based.BoltzmannMachine(4, 2),
        "NeuralEnergy": energy_based.NeuralEnergy(**image, width=4, replay=9, steps=2),
        "NeuralEnergy with classes": energy_based.NeuralEnergy(**image, width=4, classes=3, replay=9, steps=2),
        "PointEnergy": energy_based.PointEnergy(hidden=(8,)),
        "VQVAE": autoencoders.VQVAE(**image, codes=4, dims=2, width=4, prior_width=8),
        "Diffusion": diffusion.Diffusion(diffusion.VectorNetwork(2, 8, 1), (2,), "linear", "noise"),
        "ImageDiffusion": diffusion.ImageDiffusion(**image, **unet, classes=0),
        "ImageDiffusion with classes": diffusion.ImageDiffusion(**image, **unet, classes=3, schedule="straight", predict="velocity"),
        "EigenDiffusion with classes": diffusion.EigenDiffusion(**image, components=9, width=8, layers=1, embedding=4, classes=3),
        "EigenDiffusion that refines": diffusion.EigenDiffusion(**image, components=9, width=8, layers=1, blocks=1, channels=8),
        "PointDiffusion": diffusion.PointDiffusion(2, 8, 1, "straight", "velocity", transport=True, scale=2.0),
        "PointDiffusion with classes": diffusion.PointDiffusion(2, 8, 1, predict="data", classes=3),
        "LatentDiffusion": diffusion.LatentDiffusion("vae_2d", 8, 1, classes=0),
        "LatentDiffusion with classes": diffusion.LatentDiffusion("vae_2d", 8, 1, classes=3),
        "WaveDiffusion": diffusion.WaveDiffusion(32, 4, 8, (1, 2), classes=0),
        "WaveDiffusion with classes": diffusion.WaveDiffusion(32, 4, 8, (1, 2), classes=3),
        "GPT": transformers.GPT(4, context=6, **stack),
        "PieceGPT": transformers.PieceGPT(98, context=6, **stack),
        "ImageGPT": transformers.ImageGPT(**image, **stack),
        "MaskedLM": transformers.MaskedLM(4, context=6, **stack),
        "Translator": transformers.Translator(5, context=6, **stack),
        "ViT": transformers.ViT(**image, classes=3, **stack),
    }


torch.manual_seed(0)
MODELS = {name: shaken(model) for name, model in models().items()}
CONDITIONAL = [name for name in MODELS if "classes" in name]
SAMPLED = [name for name, model in MODELS.items() if hasattr(model, "sample")]
OF_SYMBOLS = autoregressive.WaveNet | autoregressive.CharLSTM | transformers.GPT | transformers.MaskedLM  # `sample` is told a length


def arguments_of(model: nn.Module) -> dict[str, Tensor]:
    """What a model may be given, by the names that its methods use."""
    points, images = (random(5, 2), None), shades(5, 1, 8, 8)
    x = points[0] if isinstance(model, gans.PointGAN | gans.CycleGAN | flows.Flow | flows.ContinuousFlow) else images
    z = random(5, getattr(model, "latents", getattr(model, "dims", 2)), seed=1)
    if isinstance(model, flows.ImageFlow):
        x = whole(256, 5, 1, 8, 8).to(torch.uint8)
    elif isinstance(model, OF_SYMBOLS):
        x = whole(4, 5, 6)
    elif isinstance(model, transformers.ImageGPT):
        x = whole(2, 5, 1, 8, 8)
    elif isinstance(model, diffusion.Diffusion):
        x = images if isinstance(model, diffusion.ImageDiffusion) else random(5, *model.shape)
    elif isinstance(model, autoregressive.MADE | autoregressive.PixelModel):
        x = whole(getattr(model, "levels", 2), 5, 1, 4, 4)
    elif isinstance(model, energy_based.RBM):
        x = whole(2, 5, 1, 8, 8).float()
    elif isinstance(model, energy_based.BoltzmannMachine):
        x = whole(2, 5, 4).float()
    elif isinstance(model, energy_based.PointEnergy):
        x = points[0]
    given = {"x": x, "z": z, "v": images, "w": z, "given": images, "target": shades(5, 1, 8, 8, seed=1), "coarse": z, "fine": 1 - z}
    if isinstance(model, gans.CycleGAN):
        given["y"] = random(4, 2, seed=2)
    given |= {"h": whole(2, 5, 5).float(), "s": whole(2, 5, 6).float(), "base": random(64)}
    given |= {"symbols": whole(4, 5, 2, 2), "start": whole(4, 5, 2)}
    if isinstance(model, diffusion.Diffusion):
        given |= {"x_t": random(5, *model.shape, seed=1), "t": shades(5), "start": random(5, *model.shape, seed=2), "steps": 3, "draws": 2}
    elif isinstance(model, transformers.MaskedLM):
        given |= {"hide": shades(5, 6) > 0.5, "t": shades(5) + 0.01, "start": whole(5, 5, 4), "draws": 2}
    elif isinstance(model, transformers.ImageGPT):
        given["given"] = whole(2, 5, 1, 4, 8)
    elif isinstance(model, transformers.Translator):
        given |= {"source": whole(4, 5, 6), "target": whole(5, 5, 6)}
    return given | ({"y": whole(3, 5)} if getattr(model, "classes", 0) else {})


PLAIN = {
    "k": 2,
    "n": 5,
    "length": 4,
    "layer": 2,
    "times": [0.0, 0.5, 1.0],
    "chunk": None,
    "truncation": 0.7,
    "own": 0.0,
    "temperature": 1.0,
}
PLAIN |= {"free_bits": 0.5, "beta": 1.0}


def method_calls() -> dict[str, list]:
    """Every public method of every model that takes tensors, with valid arguments."""
    calls: dict[str, list] = {}
    for model in MODELS.values():
        topic = type(model).__module__.split(".")[1]
        for name, method in methods(type(model)):
            key = f"{topic}.{type(model).__name__}.{name}"
            if key in EXEMPT or not tensors_of(method):
                continue
            have = arguments_of(model) | PLAIN
            if name in ("sample", "sample_fast", "sample_naive"):
                have |= {"uniforms": shades(5, 4 if isinstance(model, OF_SYMBOLS) else 16)}
            if topic == "energy_based":
                have = {key: value for key, value in have.items() if key != "start"} | {"runs": 5, "steps": 4}
            wanted = [p for p in inspect.signature(method).parameters.values() if p.name != "self" and p.name in have]
            calls.setdefault(key, []).append((getattr(model, name), {p.name: have[p.name] for p in wanted}))
    return calls


def tensors_of(function) -> list[str]:
    """The arguments that may be tensors."""
    found = inspect.signature(function).parameters.values()
    kinds = ("Tensor", "Array", "ndarray", "Any")
    return [p.name for p in found if p.kind is not p.VAR_KEYWORD and any(kind in str(p.annotation) for kind in kinds)]


def methods(cls: type) -> list[tuple[str, object]]:
    """The public methods of a class of the course, its constructor among them; a layer's `forward` is called by layers."""
    found = []
    for name in dir(cls):
        method = inspect.getattr_static(cls, name)
        method = method.__func__ if isinstance(method, classmethod | staticmethod) else method
        public = name == "__init__" or not name.startswith("_") and name != "forward"
        if public and inspect.isfunction(method) and method.__module__.startswith("course_lib"):
            found.append((name, method))
    return found


EXEMPT = {name for names in INNER.values() for name in names.split()}


def public() -> set[str]:
    """TOPIC.FUNCTION and TOPIC.CLASS.METHOD of everything that takes tensors."""
    found = set()
    for module in TOPICS:
        topic = module.__name__.split(".")[1]
        for name, thing in vars(module).items():
            if name.startswith("_") or not getattr(thing, "__module__", "").startswith(module.__name__) or f"{topic}.{name}" in EXEMPT:
                continue
            if inspect.isclass(thing):
                found |= {f"{topic}.{name}.{method}" for method, function in methods(thing) if tensors_of(function)}
            elif inspect.isfunction(thing) and tensors_of(thing):
                found.add(f"{topic}.{name}")
    return found - EXEMPT


def functions() -> dict[str, list]:
    """Valid calls of everything that is no method of a model."""
    a, b, images = random(12, 3), random(12, 3, seed=1) + 0.5, shades(6, 1, 8, 8)
    digits, more = shades(12, 1, 28, 28), shades(12, 1, 28, 28, seed=1)
    colour = shades(12, 3, 16, 16)
    mean, log_var, x = random(4, 3), random(4, 3, seed=1), random(4, 3, seed=2)
    binary = (shades(20, 6) > 0.5).float()
    covariance = torch.eye(3).expand(2, 3, 3).clone()
    pca, ppca = latent_spaces.PCA(a, 2), latent_spaces.ProbabilisticPCA(a, 2)
    mixture = latent_spaces.GaussianMixture(torch.tensor([0.4, 0.6]), random(2, 3), covariance)
    table = latent_spaces.JointTable(share(16))
    bayes = latent_spaces.NaiveBayes(binary, whole(2, 20), 2)
    grey = metrics.GreyLevels(whole(256, 9, 1, 2, 2).to(torch.uint8))
    critic = lambda v: v.flatten(1).square().sum(1)  # noqa: E731
    gated = MODELS["GatedPixelCNN"]
    pixels = {"uniforms": shades(5, 16), "given": whole(4, 5, 1, 4, 4), "known": shades(1, 1, 4, 4) > 0.5}
    codes, factors = random(40, 3), torch.stack([whole(2, 40), whole(3, 40).flip(0)], 1)
    pair, mixed = {"a": a, "b": b}, {"logits": random(4, 5)}
    logistic = {"weights": random(4, 2), "means": random(4, 2, seed=1), "log_scales": random(4, 2, seed=2)}
    flat = {"known": (shades(6, 1, 8, 8) > 0.5)}
    bowl = lambda v: 0.5 * v.square().flatten(1).sum(1)  # noqa: E731
    wave = lambda v: v.sin()  # noqa: E731
    walk, path, spins = {"energy": bowl, "x": a, "steps": 3}, random(12, 2, 3), 2 * whole(2, 3, 4, 4).float() - 1
    schedule, told, pictures = diffusion.Schedule("cosine"), MODELS["PointDiffusion with classes"], MODELS["ImageDiffusion"]
    worse = diffusion.Autoguided(told, shaken(diffusion.PointDiffusion(2, 8, 1, classes=3)), 2.0)
    score, two = shaken(diffusion.ScoreNetwork(2, (1.0, 0.3), (8,))), random(5, 2)
    chain = {"start": random(5, 2, seed=1), "times": schedule.times(2), "y": whole(3, 5), "guidance": 2.0}
    noisy = {"x_t": random(5, 2, seed=1), "t": 0.5, "y": whole(3, 5)}
    peaks = {"x": two, "means": random(3, 2, seed=1), "sigma": 0.5, "weights": share(3)}
    bpe = transformers.BPE([(0, 1), (96, 2)])
    texts, other = {"source": whole(4, 5, 6), "target": whole(5, 5, 6)}, MODELS["Translator"]
    few = {"subsets": 3, "size": 6}
    named = {
        "distributions.gaussian_kl": {"mean": mean, "log_var": log_var},
        "distributions.gaussian_kl_per_latent": {"mean": mean, "log_var": log_var},
        "distributions.gaussian_log_prob": {"x": x, "mean": mean, "log_var": log_var},
        "distributions.standard_normal_log_prob": {"x": x},
        "distributions.bernoulli_log_prob": {"logits": mean, "x": x.sigmoid()},
        "distributions.reparameterise": {"mean": mean, "log_var": log_var, "noise": x},
        "distributions.log_mean_exp": {"log_w": x},
        "distributions.bits_per_dim": {"log_prob": x, "dims": 3},
        "distributions.gaussian_kl_between": {"mean_q": mean, "log_var_q": log_var, "mean_p": x, "log_var_p": -log_var},
        "distributions.entropy": {"p": share(4, 3)},
        "distributions.kl_divergence": {"p": share(4, 3), "q": share(4, 3, seed=1)},
        "distributions.mutual_information": {"joint": share(4, 3)},
        "distributions.categorical_sample": {"u": shades(4), "logits": random(4, 5)},
        "distributions.logistic_bin_log_prob": {"x": whole(256, 4).float() / 127.5 - 1, "mean": random(4), "log_scale": random(4, seed=1)},
        "distributions.logistic_mixture_log_prob": {"x": whole(256, 4).float() / 127.5 - 1, **logistic},
        "distributions.logistic_mixture_sample": {"u": shades(4), **logistic},
        "distributions.mu_law": {"x": random(4, 5).tanh()},
        "distributions.inverse_mu_law": {"k": whole(256, 4, 5)},
        "latent_spaces.patches": {"x": images, "size": 4},
        "latent_spaces.reverse_water_filling": {"variances": shades(4) + 0.1, "distortion": 0.4},
        "latent_spaces.start_mixture": {"x": a, "components": 2},
        "latent_spaces.fit_mixture": {"x": a, "components": 2, "steps": 2},
        "latent_spaces.truncated_svd": {"a": a, "rank": 2},
        "latent_spaces.complete_ratings": {"ratings": 5 * shades(6, 5), "seen": shades(6, 5, seed=1) > 0.3, "rank": 1, "steps": 3},
        "latent_spaces.lerp": {**pair, "t": torch.linspace(0, 1, 4)},
        "latent_spaces.slerp": {**pair, "t": torch.linspace(0, 1, 4)},
        "latent_spaces.manifold_distance": {"x": a, "data": b},
        "gans.discriminator_loss": {"real": random(5), "fake": random(5, seed=1)},
        "gans.generator_loss": {"fake": random(5)},
        "gans.gradient_penalty": {"critic": critic, "real": a, "fake": b, "share": shades(12)},
        "gans.js_divergence": {"p": share(4, 3), "q": share(4, 3, seed=1)},
        "gans.optimal_discriminator": {"log_data": random(5), "log_model": random(5, seed=1)},
        "gans.zero_centred_penalty": {"critic": critic, "x": a},
        "gans.modes_covered": {"samples": a, "centres": random(4, 3), "std": 0.5, "least": 1},
        "gans.mode_overlap": {"samples": a, "centres": random(4, 3), "std": 0.5},
        "gans.outline": {"x": images},
        "gans.shrink": {"x": images},
        "flows.dequantise": {"x": whole(256, 6, 1, 8, 8).to(torch.uint8), "u": images},
        "flows.knots": {"sizes": random(4, 5), "bound": 3.0},
        "flows.rational_quadratic": {"x": random(4), "widths": random(4, 5), "heights": random(4, 5, seed=1), "slopes": random(4, 4)},
        "autoregressive.causal_mask": {"kernel": 3, "kind": "B", "groups_out": whole(3, 6), "groups_in": whole(3, 4)},
        "distributions.nucleus": {**mixed, "p": 0.7},
        "distributions.top_k": {**mixed, "k": 2},
        "autoregressive.sample_naive": {"model": gated, "n": 5, **pixels},
        "autoregressive.sample_cached": {"model": gated, "n": 5, **pixels},
        "autoregressive.sample_parallel": {"model": gated, "n": 5, **pixels},
        "autoencoders.active_latents": {"vae": MODELS["VAE"], "x": images},
        "autoencoders.inpaint": {"vae": MODELS["VAE"], "x": images, **flat, "steps": 2, "starts": 2},
        "autoencoders.resampling_weights": {"codes": a},
        "autoencoders.balancing_weights": {"groups": whole(3, 6)},
        "autoencoders.add_noise": {"x": images, "std": 0.1, "noise": random(6, 1, 8, 8)},
        **{f"diffusion.{name}": {"model": told, **chain} for name in ("sample", "sample_fast", "sample_heun", "euler_maruyama")},
        **{f"diffusion.{name}": {"model": told, **noisy, "guidance": 2.0} for name in ("estimates", "velocity")},
        "diffusion.velocity_and_trace": {"model": told, **noisy, "probes": random(2, 5, 2).sign()},
        "diffusion.ddim_step": {
            "model": told,
            **{name: random(5, 2, seed=i) for i, name in enumerate(("x_t", "x", "noise", "fresh"))},
            **{"t": 0.5, "s": 0.3, "eta": 1.0},
        },
        "diffusion.encode": {"model": told, "x": two, "times": schedule.times(2), "y": whole(3, 5)},
        "diffusion.edit": {"model": told, "x": two, "strength": 0.5, "steps": 2, "y": whole(3, 5), "noise": random(5, 2, seed=1)},
        "diffusion.inpaint": {"model": told, "x": two, "known": shades(5, 2) > 0.5, **chain, "repeats": 2},
        "diffusion.variational_bound": {"model": pictures, "x": 2 * images - 1, "steps": 4, "draws": 2},
        "diffusion.ode_log_prob": {"model": told, "x": two, "y": whole(3, 5), "steps": 2, "exact": True},
        "diffusion.paired_by_transport": {"x": two, "noise": random(5, 2, seed=1)},
        "diffusion.edm_weights": {"sigma": shades(5) + 0.1},
        **{f"diffusion.mixture_{name}": peaks for name in ("log_prob", "score")},
        "scores.langevin": {"score": lambda x: -x, "x": two, "step": 0.1, "steps": 2},
        "scores.langevin_step": {"score": lambda x: -x, "x": two, "step": 0.1},
        "scores.denoising_score_matching": {"score": lambda x: -x, "x": two, "sigma": 0.5},
        "diffusion.annealed_langevin": {"model": score, "x": two, "steps": 2},
        "transformers.attention": {"q": random(2, 4, 3), "k": random(2, 5, 3), "v": random(2, 5, 2), "mask": shades(4, 5) > 0.1},
        "transformers.rotary": {"x": random(2, 5, 4), "start": 3},
        "transformers.patches": {"x": whole(4, 5, 1, 4, 6), "size": (2, 3), "levels": 4},
        "transformers.from_patches": {"symbols": whole(16, 5, 4), "shape": (1, 4, 4), "size": (1, 4), "levels": 2},
        "transformers.exact_bound": {"model": MODELS["MaskedLM"], "x": whole(4, 5, 3)},
        "transformers.exact_matches": {"model": other, **texts, "batch": 2},
        **{f"metrics.{name}": {"real": a, "fake": b} for name in ("neighbour_scores", "neighbour_scores_fast")},
        **{f"metrics.{name}": {"real": a, "fake": b, "k": 2} for name in ("precision_recall", "density_coverage")},
        "metrics.memorisation": {"samples": a, "train": b, "test": random(12, 3, seed=5)},
        "metrics.nearest_distances": pair,
        "metrics.exact_copies": {"samples": digits, "train": digits.flip(0)},
        **{f"metrics.{name}": {"normal_scores": random(9), "anomalous_scores": random(9, seed=1)} for name in ("auroc", "roc_curve")},
        "metrics.linear_probe": {
            "codes": codes,
            "labels": factors[:, 1],
            "test_codes": random(40, 3, seed=1),
            "test_labels": factors[:, 1],
        },
        "metrics.class_accuracy": {"x": digits, "y": whole(10, 12)},
        **{f"metrics.{name}": {"x": digits} for name in ("class_shares", "digit_features", "digit_probabilities", "predicted_digits")},
        **{f"metrics.{name}": {"x": digits, "y": more} for name in ("digit_fid", "digit_kid")},
        **{
            f"metrics.{name}": {"x": colour}
            for name in ("face_features", "face_probabilities", "predicted_attributes", "predicted_factors")
        },
        **{f"metrics.{name}": {"x": colour, "y": colour.flip(0)} for name in ("face_fid", "face_kid")},
        "metrics.missing_pairs": {
            f"{n}": datasets.faces.attributes(datasets.faces.random_factors(9, seed)) for seed, n in enumerate(("words", "among"))
        },
        "metrics.factor_accuracy": {"x": colour, "factors": datasets.faces.random_factors(12)},
        **{f"metrics.{name}": {"codes": codes, "factors": factors} for name in ("dci", "disentanglement", "mig", "sap")},
        "metrics.mutual_information_matrix": {"codes": codes, "factors": factors},
        "metrics.factor_vae_score": {"codes": codes, "factors": factors, "active": torch.tensor([True, True, False]), "votes": 20},
        "metrics.frechet_distance": pair,
        "metrics.gaussian_distance": {"mean_a": random(3), "cov_a": torch.eye(3), "mean_b": random(3, seed=1), "cov_b": 2 * torch.eye(3)},
        "metrics.moments": {"features": a},
        "metrics.cubic_kernel": {"u": a, "v": b},
        "metrics.gaussian_kernel": {"u": a, "v": b},
        **{f"metrics.{name}": {**pair, **few} for name in ("kid", "kid_fast")},
        "metrics.mmd": pair,
        "metrics.importance_sampled": {"log_weights": random(5, 4)},
        "metrics.levels_log_prob": {"log_density": random(5), "dims": 3},
        "metrics.nats_to_bits": {"nats": random(5)},
        "metrics.perplexity": {"log_prob": -shades(5), "symbols": whole(5, 5) + 1},
        "metrics.inception_score": {"probabilities": random(12, 4).softmax(1), "splits": 2},
        "metrics.sinkhorn": {"p": share(4), "q": share(5), "cost": shades(4, 5), "epsilon": 0.5},
        "metrics.sliced_wasserstein": {**pair, "projections": 5},
        "metrics.transport_plan_1d": {"p": share(4), "q": share(5)},
        "metrics.wasserstein_1d": {"a": random(6), "b": random(6, seed=1)},
        "metrics.c2st": {**pair, "folds": 2},
        "metrics.jackknife_error": {"score": metrics.mmd, **pair, "parts": 3},
        "metrics.kid_error": {**pair, "parts": 3},
        "datasets.batches": {"x": a, "batch_size": 5, "shuffle": False},
        "datasets.binarise": {"x": images},
        "datasets.hashes": {"x": a},
        "datasets.to_float": {"x": whole(256, 5, 1, 4, 4).to(torch.uint8)},
        "datasets.toy2d_log_prob": {"name": "moons", "x": random(6, 2)},
        "energy_based.annealed_importance_sampling": {
            "energy_at": lambda v, beta: (1 + beta) * bowl(v),
            "step_at": lambda v, beta: v * (1 - beta / 9),
            "x": a,
            "betas": torch.linspace(0, 1, 4),
        },
        **{f"energy_based.{name}": {"path": path} for name in ("autocorrelation", "autocorrelation_time", "effective_sample_size")},
        "energy_based.split_r_hat": {"path": path},
        "energy_based.base_rates": {"x": images},
        "energy_based.gaussian": {"mean": random(3), "cov": torch.eye(3)},
        "energy_based.gaussian_conditional": {"mean": random(3), "cov": torch.eye(3)},
        "energy_based.gibbs": {"draw": lambda v, i: v.sum(1) - v[:, i], "x": a, "sweeps": 3},
        "energy_based.gibbs_sweep": {"draw": lambda v, i: v.sum(1) - v[:, i], "x": a},
        "energy_based.heat_capacity": {"energies": random(9, 2), "temperature": shades(2) + 1, "sites": 16},
        "energy_based.hmc": {**walk, "step": 0.1, "leaps": 2},
        "energy_based.hmc_step": {"x": a, "energy": bowl, "step": 0.1, "leaps": 2},
        "energy_based.leapfrog": {"x": a, "v": b, "energy": bowl, "step": 0.1, "leaps": 2},
        **{f"energy_based.{name}": {**walk, "step": 0.1} for name in ("mala", "ula")},
        "energy_based.mala_step": {"x": a, "energy": bowl, "step": 0.1},
        "energy_based.metropolis": {**walk, "propose": 0.5},
        "energy_based.metropolis_step": {"x": a, "energy": bowl, "propose": energy_based.random_walk(0.5)},
        "energy_based.run": {"step": lambda v: (v, v[:, 0] > 0), "x": a, "steps": 3},
        **{f"energy_based.{name}": {"energies": [bowl, bowl]} for name in ("product", "mixture")},
        "energy_based.tempered": {"energy": bowl, "temperature": 2.0},
        "energy_based.slope": {"energy": bowl, "x": a},
        "energy_based.ising_energy": {"spins": spins},
        "energy_based.ising_sweep": {"spins": spins, "temperature": shades(3) + 1},
        "energy_based.magnetisation": {"spins": spins},
        **{f"energy_based.{name}": {"log_weights": random(9)} for name in ("log_z", "normalised", "weight_ess")},
        "energy_based.self_normalised": {"values": a, "log_weights": random(12)},
        "energy_based.noise_contrastive": {"log_model": lambda v: -bowl(v), "log_noise": lambda v: -bowl(v / 2), "x": a, "noise": b},
        "energy_based.score_matching": {"score": wave, "x": a},
        "energy_based.sliced_score_matching": {"score": wave, "x": a},
        "plotting.one_picture": {"image": images[0, 0]},
        "plotting.picture": {"image": images[0, 0], "alt": "noise"},
        "plotting.to_uint8": {"image": images},
        "plotting.tile": {"images": images},
        "plotting.enlarge": {"images": images, "times": 3},
        "plotting.show_pixels": {"images": images, "alt": "noise"},
        "plotting.show_images": {"images": images},
    }
    calls = {
        name: [(getattr(importlib.import_module(f"course_lib.{name.split('.')[0]}"), name.split(".")[1]), given)]
        for name, given in named.items()
    }
    bound = {
        "distributions.DiagonalGaussian.__init__": (distributions.DiagonalGaussian, {"mean": mean, "log_var": log_var}),
        "distributions.DiagonalGaussian.log_prob": (distributions.DiagonalGaussian(mean, log_var).log_prob, {"z": x}),
        "latent_spaces.JointTable.__init__": (latent_spaces.JointTable, {"p": share(16)}),
        "latent_spaces.JointTable.from_images": (latent_spaces.JointTable.from_images, {"x": whole(2, 9, 2, 2)}),
        **{f"latent_spaces.JointTable.{name}": (getattr(table, name), {"x": whole(2, 9, 2, 2)}) for name in ("index", "log_prob")},
        **{
            f"latent_spaces.JointTable.{name}": (getattr(table, name), {"known": torch.tensor([[0, -1], [1, -1]])})
            for name in ("conditional", "pixel_marginals")
        },
        "latent_spaces.JointTable.complete": (table.complete, {"known": torch.tensor([[0, -1], [1, -1]]), "n": 4}),
        "latent_spaces.PCA.__init__": (latent_spaces.PCA, {"x": a, "latents": 2}),
        "latent_spaces.ProbabilisticPCA.__init__": (latent_spaces.ProbabilisticPCA, {"x": a, "latents": 2}),
        **{f"latent_spaces.PCA.{name}": (getattr(pca, name), {"x": b}) for name in ("encode", "reconstruct")},
        **{f"latent_spaces.ProbabilisticPCA.{name}": (getattr(ppca, name), {"x": b}) for name in ("encode", "reconstruct", "log_prob")},
        "latent_spaces.PCA.decode": (pca.decode, {"z": random(5, 2)}),
        "latent_spaces.ProbabilisticPCA.decode": (ppca.decode, {"z": random(5, 2)}),
        "latent_spaces.GaussianMixture.__init__": (
            latent_spaces.GaussianMixture,
            {"weights": torch.tensor([0.4, 0.6]), "means": random(2, 3), "covariances": covariance},
        ),
        **{
            f"latent_spaces.GaussianMixture.{name}": (getattr(mixture, name), {"x": a})
            for name in ("em_step", "log_joint", "log_prob", "responsibilities")
        },
        "latent_spaces.NaiveBayes.__init__": (latent_spaces.NaiveBayes, {"x": binary, "y": whole(2, 20), "classes": 2}),
        **{
            f"latent_spaces.NaiveBayes.{name}": (getattr(bayes, name), {"x": binary, "seen": shades(20, 6, seed=1) > 0.3})
            for name in ("log_joint", "predict")
        },
        "latent_spaces.NaiveBayes.sample": (bayes.sample, {"y": whole(2, 5)}),
        "autoregressive.NGram.__init__": (autoregressive.NGram, {"text": whole(4, 30), "symbols": 4, "n": 2}),
        "autoregressive.NGram.log_prob": (autoregressive.NGram(whole(4, 30), 4, 2).log_prob, {"text": whole(4, 9)}),
        **{f"diffusion.Schedule.{name}": (getattr(schedule, name), {"t": shades(5)}) for name in ("alpha_bar", "alpha_sigma", "log_snr")},
        "diffusion.Schedule.time_at": (schedule.time_at, {"log_snr": random(5)}),
        "diffusion.Schedule.noised": (schedule.noised, {"x": two, "t": shades(5), "noise": random(5, 2, seed=1)}),
        "diffusion.Schedule.steps": (schedule.steps, {"times": schedule.times(3)}),
        "diffusion.Schedule.posterior": (
            schedule.posterior,
            {"x": two, "x_t": random(5, 2, seed=1), "s": 0.4 * shades(5), "t": 0.5 + 0.4 * shades(5, seed=1)},
        ),
        "diffusion.Autoguided.denoise": (worse.denoise, noisy | {"guidance": 2.0}),
        "diffusion.ScoreNetwork.loss": (score.loss, {"x": two}),
        "transformers.BPE.__init__": (transformers.BPE, {"merges": torch.tensor([[0, 1], [96, 2]])}),
        "transformers.BPE.decode": (bpe.decode, {"symbols": whole(98, 7)}),
        "metrics.DigitNetwork.features": (metrics.digit_network().features, {"x": digits}),
        "metrics.DigitNetwork.loss": (metrics.digit_network().loss, {"x": digits, "y": whole(10, 12)}),
        "metrics.FaceNetwork.features": (metrics.face_network().features, {"x": colour}),
        "metrics.FaceNetwork.split": (metrics.FaceNetwork.split, {"logits": random(4, 200)}),
        "metrics.FaceNetwork.loss": (metrics.face_network().loss, {"x": colour, "y": datasets.faces.random_factors(12)}),
        "metrics.Moments.update": (lambda features: metrics.Moments().update(features), {"features": a}),
        "metrics.GreyLevels.__init__": (metrics.GreyLevels, {"x": whole(256, 9, 1, 2, 2).to(torch.uint8)}),
        "metrics.GreyLevels.bound": (
            grey.bound,
            {"x": whole(256, 5, 1, 2, 2).to(torch.uint8), "on": (shades(5, 1, 2, 2) > 0.5).float(), "log_prob": -shades(5)},
        ),
    }
    return calls | {name: [call] for name, call in bound.items()}


CALLS = method_calls() | functions()


def numbers(result) -> list[Tensor]:
    """Everything numeric in a result, flat."""
    if isinstance(result, Tensor):
        return [result.flatten()]
    if isinstance(result, np.ndarray | float | int):
        return [torch.as_tensor(np.array(result)).flatten()]
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, list | tuple) or inspect.isgenerator(result):
        return [part for each in result for part in numbers(each)]
    if hasattr(result, "__dict__"):
        return [part for each in vars(result).values() for part in numbers(each)]
    return []


def outcome(function, arguments: dict, name: str):
    """The numbers of a call, or the ValueError that names the argument; anything else fails the test."""
    torch.manual_seed(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of NumPy, about NaN
            return numbers(function(**arguments))
    except ValueError as error:
        named = [
            name,
            *(
                key
                for key, value in arguments.items()
                if isinstance(value, Tensor) and isinstance(arguments[name], Tensor) and not arguments[name].numel()
            ),
        ]
        if not any(re.search(rf"\b{each}\b", str(error)) for each in named):  # of two that do not fit either may be named
            raise AssertionError(f"a ValueError that does not name {name}: {error}") from None
        return error


def same(found: list[Tensor], wanted: list[Tensor]) -> bool:
    return len(found) == len(wanted) and all(
        f.shape == w.shape and torch.allclose(f.double(), w.double(), rtol=1e-3, atol=1e-4, equal_nan=True) for f, w in zip(found, wanted)
    )


def strided(x: Tensor) -> Tensor:
    """The same numbers, not one after the other in memory."""
    return torch.stack([x, x], -1)[..., 0] if x.ndim else x


def spoiled(x: Tensor) -> dict[str, Tensor]:
    """The argument, wrong in every way that comes up."""
    made = {"meta": x.to("meta"), "complex": x.to(torch.complex64), "empty": x[:0]}
    if x.is_floating_point():
        made |= {"NaN": x.clone(), "infinite": x.clone(), "all NaN": torch.full_like(x, torch.nan), "bytes": (x.abs() * 9).to(torch.uint8)}
        made["NaN"].view(-1)[x.numel() // 2] = torch.nan
        made["infinite"].view(-1)[0] = torch.inf
    else:
        made |= {"floats": x.float() + 0.5, "NaN": torch.full(x.shape, torch.nan), "negative": x.long() - 300}
    return made


def kept(x: Tensor) -> dict[str, Tensor]:
    """The argument in other forms that are as good."""
    made = {"strided": strided(x)}
    if x.is_floating_point():
        made["float64"] = x.double()
    elif x.dtype == torch.int64:
        made["int32"] = x.int()
    return made


def judge(function, arguments: dict) -> list[str]:
    """What is wrong with how a function takes its arguments."""
    complaints = []
    reference = outcome(function, arguments, next(iter(arguments)))
    for name, x in arguments.items():
        if not isinstance(x, Tensor):
            continue
        for kind, other in kept(x).items():
            try:
                found = outcome(function, arguments | {name: other}, name)
                if isinstance(found, ValueError):
                    complaints.append(f"{name} {kind}: refused: {found}")
                elif not same(found, reference):
                    complaints.append(f"{name} {kind}: another value")
            except Exception as error:
                complaints.append(f"{name} {kind}: {type(error).__name__}: {str(error).splitlines()[0][:110]}")
        for kind, other in spoiled(x).items():
            try:
                found = outcome(function, arguments | {name: other}, name)
            except Exception as error:
                complaints.append(f"{name} {kind}: {type(error).__name__}: {str(error).splitlines()[0][:110]}")
                continue
            if isinstance(found, ValueError):
                continue
            shows = {
                "NaN": lambda part: part.is_floating_point() and part.isnan().any(),
                "all NaN": lambda part: part.is_floating_point() and part.isnan().any(),
                "meta": lambda part: part.is_meta,
                "complex": lambda part: part.is_complex(),
            }
            if kind in shows and not any(shows[kind](part) for part in found):
                complaints.append(f"{name} {kind}: passes in silence")
    return complaints


# What stands where it is hidden may be anything; a draw in another precision is another draw; every byte has a hash
HIDDEN = {"autoencoders.inpaint", "latent_spaces.NaiveBayes.log_joint", "latent_spaces.NaiveBayes.predict"}
EXPECTED = {(name, "x NaN: passes in silence") for name in HIDDEN} | {("datasets.binarise", "x float64: another value")}
EXPECTED |= {("diffusion.ddim_step", f"x_t {kind}: passes in silence") for kind in ("NaN", "all NaN")}  # of x_t the shape alone counts
EXPECTED |= {("datasets.hashes", f"x {kind}: passes in silence") for kind in ("NaN", "all NaN", "complex")}


DRAWN = ("hmc", "hmc_step", "mala", "mala_step", "metropolis", "metropolis_step", "sliced_score_matching", "ula")
EXPECTED |= {(f"energy_based.{name}", "x float64: another value") for name in DRAWN}
EXPECTED |= {("energy_based.ising_sweep", f"{x} float64: another value") for x in ("spins", "temperature")}


def test_everything_public_has_a_valid_call():
    missing = sorted(public() - CALLS.keys())
    assert missing == [], f"give each a valid call in CALLS, or a reason in INNER: {missing}"
    gone = sorted(CALLS.keys() - public())
    assert gone == [], f"these are public no more: {gone}"


@pytest.mark.parametrize("name", sorted(CALLS))
def test_other_peoples_data(name, monkeypatch):
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: plotting.plt.close("all"))
    complaints = [complaint for function, arguments in CALLS[name] for complaint in judge(function, arguments)]
    assert [complaint for complaint in complaints if (name, complaint) not in EXPECTED] == []


# --- masks


@pytest.mark.parametrize("rubbish", [torch.nan, torch.inf, -1.0, 255.0])
def test_what_a_mask_hides_may_be_anything(rubbish):
    x, known = shades(3, 1, 8, 8), shades(3, 1, 8, 8, seed=1) > 0.5
    drawn = []
    for hidden in (0.0, rubbish):
        torch.manual_seed(0)
        drawn.append(autoencoders.inpaint(MODELS["VAE"], torch.where(known, x, hidden), known, steps=3, starts=2))
    assert torch.equal(*drawn) and torch.equal(drawn[0][known], x[known]) and drawn[0].isfinite().all()
    with pytest.raises(ValueError, match="^x: expected values in"):  # but not where it is known
        autoencoders.inpaint(MODELS["VAE"], torch.where(known, rubbish, x), known, steps=1)

    model, x, known = MODELS["MADE"], whole(2, 5, 1, 4, 4).float(), shades(5, 1, 4, 4) > 0.5
    pixel = MODELS["PixelCNN"]
    u = shades(5, 16)
    assert torch.equal(*(pixel.sample(5, uniforms=u, given=torch.where(known, x, hidden), known=known) for hidden in (0.0, rubbish)))
    assert model.log_prob(x).isfinite().all()

    schedule, start = diffusion.ImageDiffusion((1, 8, 8), 8, (1,), 1, (), 2, classes=0).eval(), random(3, 1, 8, 8)
    x, known, drawn = 2 * shades(3, 1, 8, 8) - 1, shades(3, 1, 8, 8, seed=1) > 0.5, []
    for hidden in (0.0, rubbish):
        torch.manual_seed(0)
        drawn.append(diffusion.inpaint(schedule, torch.where(known, x, hidden), known, start, schedule.schedule.times(2), repeats=2))
    assert torch.equal(*drawn) and drawn[0].isfinite().all()


# --- what every model understands in the same way


@pytest.mark.parametrize("name", SAMPLED)
def test_labels_are_given_by_keyword_alone(name):
    model = MODELS[name]
    lengths = (3,) if isinstance(model, OF_SYMBOLS) else ()
    with pytest.raises(TypeError, match="positional argument"):
        model.sample(2, *lengths, torch.zeros(2).long())
    keywords = [p for p in inspect.signature(model.sample).parameters.values() if p.name not in ("n", "length")]
    assert all(p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD) for p in keywords)
    if "y" in {p.name for p in keywords} and name not in CONDITIONAL:
        with pytest.raises(ValueError, match="was built without classes; y is given"):
            model.sample(2, y=torch.zeros(2).long())


@pytest.mark.parametrize("name", CONDITIONAL)
def test_labels_are_drawn_where_none_are_given_and_looked_at_where_they_are(name, monkeypatch):
    model, seen = MODELS[name], []
    topic = importlib.import_module(type(model).__module__)
    real = topic.labels_or_drawn
    monkeypatch.setattr(topic, "labels_or_drawn", lambda *args: seen.append(real(*args)) or seen[-1])
    assert len(model.sample(200)) == 200
    counts = seen[0].bincount(minlength=3)
    assert counts.sum() == 200 and counts.min() > 40 and len(counts) == 3  # of each about 67

    def drawn(y, n=4):
        torch.manual_seed(0)
        return model.sample(n, y=y)

    twos = drawn(torch.full((4,), 2))
    assert all(torch.equal(twos, drawn(y)) for y in (2, [2] * 4, np.full(4, 2), torch.full((4,), 2, dtype=torch.uint8)))
    assert not torch.equal(drawn(2, 100), drawn(1, 100))
    for wrong in (
        torch.full((4,), 3),
        -1,
        torch.zeros(3).long(),
        torch.zeros(4),
        torch.zeros(4, dtype=torch.bool),
        torch.zeros(4, 1).long(),
    ):
        with pytest.raises(ValueError, match=r"labels y must be integers of shape \(4,\) from 0 to 2"):
            model.sample(4, y=wrong)
    assert len(metrics.draw(model, 7, batch_size=3)) == 7
    assert torch.cat(seen[-3:]).tolist() == [0, 1, 2, 0, 1, 2, 0]  # equally many of each


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_is_called_says_what_to_call(name):
    model = MODELS[name]
    with pytest.raises(
        NotImplementedError, match=rf"^{type(model).__name__} cannot be called as model\(x\): say what you want of it, \."
    ) as said:
        model(arguments_of(model)["x"])
    named = re.findall(r"\.(\w+)\(", str(said.value).split("say what", 1)[1])
    assert named and all(callable(getattr(model, method)) for method in named)
    assert ("sample" in named) == hasattr(model, "sample")


# --- precision


@pytest.mark.parametrize("name", MODELS)
def test_a_model_in_float64_takes_what_people_have(name):
    """Each method of the same model in float64, with the same data in float32: the same answer, in float64."""
    single = MODELS[name]
    double = copy.deepcopy(single).double()
    looked_at = 0
    for method, _ in methods(type(single)):
        key = f"{type(single).__module__.split('.')[1]}.{type(single).__name__}.{method}"
        given = next((arguments for function, arguments in CALLS.get(key, []) if function.__self__ is single), None)
        if given is None or method in ("mix", "given"):  # these look at no weights
            continue
        answers = []
        for model, seed in ((single, 0), (single, 1), (double, 0)):
            torch.manual_seed(seed)
            answers.append(numbers(getattr(model, method)(**given)))
        assert all(part.dtype == torch.float64 for part in answers[2] if part.is_floating_point()), method
        if same(answers[0], answers[1]):  # else it draws, and draws in float64 are others
            assert same(answers[0], answers[2]), method
            looked_at += 1
    assert looked_at
    if hasattr(single, "sample"):
        lengths = (3,) if isinstance(single, OF_SYMBOLS) else ()
        drawn = double.sample(3, *lengths)
        assert drawn.dtype in (torch.float64, torch.int64) and len(drawn) == 3


@pytest.fixture
def double_by_default():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "name", ["vae_2d", "cvae", "cgan", "stylegan", "realnvp", "pixelcnn_gated", "made", "vqvae", "digit_network", "latent_diffusion"]
)
def test_checkpoints_are_in_float32_whatever_the_default(name, double_by_default):
    model = checkpoints.load(name)
    assert {t.dtype for t in model.state_dict().values() if t.is_floating_point()} == {torch.float32}
    assert torch.get_default_dtype() == torch.float64


@pytest.mark.parametrize("name", SAMPLED)
def test_samples_come_in_the_precision_of_the_weights_whatever_the_default(name, double_by_default):
    model = MODELS[name]
    lengths = (3,) if isinstance(model, OF_SYMBOLS) else ()
    assert model.sample(2, *lengths).dtype in (torch.float32, torch.int64)


def test_pictures_and_scores_take_any_precision():
    images = shades(6, 1, 28, 28)
    shown = plotting.tile(images)
    for kind, atol in ((torch.float64, 0), (torch.float16, 1), (torch.bfloat16, 1)):
        assert np.abs(plotting.tile(images.to(kind)).astype(int) - shown).max() <= atol
        assert torch.allclose(metrics.digit_features(images.to(kind)), metrics.digit_features(images), atol=0.2 if atol else 1e-6)


# --- two sets


def pairs_of_sets() -> dict[str, list[str]]:
    """Every metric of two sets or more, and the names of them."""
    sets = {}
    for name, calls in CALLS.items():
        function, arguments = calls[0]
        given = [key for key, x in arguments.items() if isinstance(x, Tensor) and x.is_floating_point()]
        if name.startswith("metrics.") and len(given) > 1 and name.split(".")[1] not in ALONE:
            sets[name] = given
    return sets


# what they take is no set beside another: moments, probabilities, costs; the digit network refuses bytes by itself
ALONE = (
    "gaussian_distance",
    "sinkhorn",
    "transport_plan_1d",
    "GreyLevels",
    "cubic_kernel",
    "gaussian_kernel",
    "digit_fid",
    "digit_kid",
    "face_fid",
    "face_kid",
)


@pytest.mark.parametrize("name", pairs_of_sets())
@pytest.mark.parametrize("kind", [torch.uint8, torch.int64, "array"])
def test_bytes_beside_floats_are_named(name, kind):
    function, arguments = CALLS[name][0]
    sets = {key: arguments[key].sigmoid() for key in pairs_of_sets()[name]}
    grey = {key: (255 * x).round().to(torch.uint8) for key, x in sets.items()}
    for spoilt in sets:
        other = grey[spoilt].numpy() if kind == "array" else grey[spoilt].to(kind)
        with pytest.raises(ValueError, match=rf"\b{spoilt}\b.*bytes|whole numbers.*\b{spoilt}\b"):
            function(**arguments | sets | {spoilt: other})
    function(**arguments | grey)  # bytes beside bytes are as good as floats beside floats


def test_copies_are_found_whatever_they_are_stored_as():
    train, test = (whole(256, 40, 1, 8, 8).roll(shift, 0).to(torch.uint8) for shift in (0, 1))
    test = test.flip(2)
    for stored in (lambda x: x, datasets.to_float, lambda x: datasets.to_float(x).double(), lambda x: x.numpy(), lambda x: x.long()):
        found = metrics.memorisation(stored(train[:20]), stored(train), stored(test))
        assert found.copies == 1 and found.distance == 0
    for samples, rest in ((train, datasets.to_float), (datasets.to_float(train), lambda x: x)):
        with pytest.raises(ValueError, match="samples .*(bytes|floats): give both alike|samples holds whole numbers"):
            metrics.memorisation(samples, rest(train), rest(test))


def test_moments_of_parts_are_of_one_kind():
    parts = metrics.Moments().update(random(5, 3))
    with pytest.raises(ValueError, match="features are bytes in one part and floats in another"):
        parts.update(whole(9, 5, 3).to(torch.uint8))
    with pytest.raises(ValueError, match="a and b are bytes and floats"):
        metrics.frechet_distance(parts, metrics.Moments().update(whole(9, 5, 3).to(torch.uint8)))
