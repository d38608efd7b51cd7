"""The codes of a shipped VAE, for models that are trained on them: latent diffusion, a latent flow."""

import functools

import torch
from torch import Tensor, nn

from .. import checkpoints, training
from ..datasets import Dataset, binarise
from .models import VAE


@functools.cache
def shipped(name: str, device: str) -> nn.Module:
    """A checkpoint, loaded once; building it must not move the random numbers of a sampler that asks for it in between."""
    with torch.random.fork_rng():
        return checkpoints.load(name, device)


class OfCodes(nn.Module):
    """What models of a shipped VAE's codes have in common.

    Attributes:
        mean, std: of the codes (latents,): the model sees them with mean 0 and standard deviation 1
    """

    def keep_moments(self, autoencoder: str) -> None:
        """Make room for the moments: `standardise` fills them in."""
        self.register_buffer("mean", torch.zeros(latents_of(autoencoder)))
        self.register_buffer("std", torch.ones(latents_of(autoencoder)))

    @property
    def autoencoder(self) -> VAE:
        """The VAE, frozen. It is no part of this model's weights."""
        return shipped(self.config["autoencoder"], str(next(self.parameters()).device))


def latents_of(autoencoder: str) -> int:
    """The size of a shipped VAE's codes."""
    return checkpoints.record(autoencoder)["config"]["latents"]


def codes_and_labels(data: Dataset, name: str = "vae") -> tuple[Tensor, Tensor]:
    """A sample of q(z | x) for each image, (n, latents), and its label."""
    vae, x = checkpoints.load(name), binarise(data.x, generator=torch.Generator().manual_seed(0))
    training.seed_everything(0)
    return torch.cat([vae.posterior(part).sample() for part in x.split(1000)]), data.y


def posteriors(data: Dataset, name: str = "vae") -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of q(z | x) for each image, (n, latents) each: every step may draw new codes from them."""
    vae, x = checkpoints.load(name), binarise(data.x, generator=torch.Generator().manual_seed(0))
    parts = [vae.posterior(part) for part in x.split(1000)]
    return torch.cat([q.mean for q in parts]), torch.cat([(0.5 * q.log_var).exp() for q in parts])


def draw_codes(batch: tuple[Tensor, Tensor]) -> Tensor:
    """A `prepare` for `posteriors`: one code of each."""
    mean, std = batch
    return mean + std * torch.randn_like(std)


def standardise(model: OfCodes, tensors: tuple[Tensor, Tensor], spread: bool = False) -> None:
    """Tell the model the mean and spread of the codes, or, with `spread`, of codes that are drawn from posteriors."""
    codes, more = tensors
    model.mean.copy_(codes.mean(0))
    model.std.copy_((codes.var(0) + more.square().mean(0)).sqrt() if spread else codes.std(0))
