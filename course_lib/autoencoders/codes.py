"""The codes of a shipped VAE, for models that are trained on them: latent diffusion, a latent flow."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .. import checkpoints, training
from ..checkpoints import shipped
from ..datasets import Dataset, binarise, faces, to_float
from ..distributions import DiagonalGaussian
from .models import VAE


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


def posteriors_of(data: Dataset, name: str) -> Iterator[DiagonalGaussian]:
    """q(z | x) of a shipped VAE for the images, a thousand at a time; binarised once where its pixels are black or white."""
    vae = checkpoints.load(name)
    x = to_float(data.x) if vae.likelihood == "gaussian" else binarise(data.x, generator=torch.Generator().manual_seed(0))
    training.seed_everything(0)
    return (vae.posterior(part) for part in x.split(1000))


def codes_and_labels(data: Dataset, name: str = "vae") -> tuple[Tensor, Tensor]:
    """A sample of q(z | x) for each image, (n, latents), and its label."""
    return torch.cat([q.sample() for q in posteriors_of(data, name)]), data.y


def posteriors(data: Dataset, name: str = "vae") -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of q(z | x) for each image, (n, latents) each: every step may draw new codes from them."""
    mean, std = zip(*((q.mean, q.std) for q in posteriors_of(data, name)))
    return torch.cat(mean), torch.cat(std)


def posteriors_and_words(data: Dataset, name: str = "vae_faces") -> tuple[Tensor, Tensor, Tensor]:
    """The same of faces, and the ten words of each, (n, 10)."""
    return *posteriors(data, name), faces.attributes(data.y)


def draw_codes(batch: tuple[Tensor, Tensor]) -> Tensor:
    """A `prepare` for `posteriors`: one code of each."""
    mean, std = batch
    return mean + std * torch.randn_like(std)


def draw_codes_and_words(batch: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """A `prepare` for `posteriors_and_words`: one code of each, and its words."""
    return draw_codes(batch[:2]), batch[2]


def standardise(model: OfCodes, tensors: tuple[Tensor, Tensor]) -> None:
    """Tell the model the mean and spread of the codes, the first of the tensors."""
    codes, _ = tensors
    model.mean.copy_(codes.mean(0))
    model.std.copy_(codes.std(0))


def standardise_draws(model: OfCodes, tensors: tuple[Tensor, ...]) -> None:
    """The same of codes that `draw_codes` draws from posteriors: Var z = Var E[z | x] + E Var[z | x]. Words may follow."""
    mean, std = tensors[:2]
    model.mean.copy_(mean.mean(0))
    model.std.copy_((mean.var(0) + std.square().mean(0)).sqrt())
