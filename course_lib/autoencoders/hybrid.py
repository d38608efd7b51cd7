"""VAE-GAN: the pixel likelihood is replaced by what a discriminator sees."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..distributions import DiagonalGaussian
from ..nn import Model, as_weights, conv_decoder, conv_encoder, images, keeps_config, normal


class VAEGAN(Model):
    """An encoder, a decoder, and a discriminator whose inner features say how alike two images are.

    Args:
        shape: (channels, height, width), divisible by 4
        latents: size of z;  width: channels of the first convolution
        similarity: weight of the feature distance for the decoder (γ in the paper)

    Source: Larsen et al. 2015 (arXiv:1512.09300), algorithm 1.
    """

    @keeps_config
    def __init__(self, shape=(1, 28, 28), latents=16, width=32, similarity=0.1):
        super().__init__()
        self.shape, self.latents, self.similarity = tuple(shape), latents, similarity
        channels = (width, 2 * width)
        self.encoder = conv_encoder(shape, channels, 2 * latents)
        self.decoder = conv_decoder(latents, channels, shape)
        self.features = nn.Sequential(
            nn.Conv2d(shape[0], width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, 2 * width, 4, 2, 1), nn.LeakyReLU(0.2)
        )
        self.judge = nn.Sequential(nn.Flatten(), nn.Linear(2 * width * shape[1] * shape[2] // 16, 1))

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        """q(z | x) of images (batch, *shape)."""
        return DiagonalGaussian(*self.encoder(images(x, self)).chunk(2, 1))

    def encode(self, x: Tensor) -> Tensor:
        """The posterior mean, (batch, latents)."""
        return self.posterior(x).mean

    def decode(self, z: Tensor) -> Tensor:
        """(batch, latents) → images in [0, 1]."""
        return self.decoder(as_weights(z, self, "z", (self.latents,), finite=not self.training)).sigmoid()

    def reconstruct(self, x: Tensor) -> Tensor:
        """(batch, *shape) → the same shape."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n images from z ~ N(0, I), (n, *shape)."""
        return self.decode(normal(self, n, self.latents))

    def optimisers(self, lr: float = 1e-3) -> dict[str, torch.optim.Optimizer]:
        """One for each player; `fit(..., optimisers=model.optimisers(), step=vae_gan_step)`."""
        players = {"encoder": [self.encoder], "decoder": [self.decoder], "discriminator": [self.features, self.judge]}
        return {
            name: torch.optim.Adam([p for part in parts for p in part.parameters()], lr=lr, betas=(0.5, 0.999))
            for name, parts in players.items()
        }


def vae_gan_step(run, x: Tensor) -> dict[str, Tensor]:
    """One step of all three players; a `step` for `training.fit`."""
    model = run.model
    # discriminator: real against reconstructed and sampled. Both are detached: this step is not the decoder's
    with torch.no_grad():
        fakes = torch.cat([model.decode(model.posterior(x).sample()), model.sample(len(x))])
    real, fake = model.judge(model.features(x)), model.judge(model.features(fakes))
    d_loss = F.softplus(-real).mean() + F.softplus(fake).mean()
    run.update(d_loss, "discriminator")

    # decoder: fool the discriminator, and keep the features of each image
    posterior = model.posterior(x)
    z = posterior.sample()
    rebuilt, drawn = model.decode(z.detach()), model.decode(torch.randn_like(z))
    seen, target = model.features(rebuilt), model.features(x).detach()
    similarity = 0.5 * (seen - target).square().flatten(1).sum(1).mean()
    g_loss = F.softplus(-model.judge(seen)).mean() + F.softplus(-model.judge(model.features(drawn))).mean()
    run.update(g_loss + model.similarity * similarity, "decoder")

    # encoder: features and rent only; it never sees the game
    similarity = 0.5 * (model.features(model.decode(z)) - target).square().flatten(1).sum(1).mean()
    kl = posterior.kl().mean()
    run.update(similarity + kl, "encoder")
    return {"discriminator": d_loss, "decoder": g_loss, "similarity": similarity, "kl": kl}
