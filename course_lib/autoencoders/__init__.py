"""Topic 02: autoencoders and variational autoencoders.

`models` holds Autoencoder and VAE with their priors, `vq` VQ-VAE, `hybrid` VAE-GAN, `applications` what they are good for,
`codes` what models of a shipped VAE's codes need, `recipes` how the shipped checkpoints were trained.
"""

from .applications import ACTIVE, active_latents, balancing_weights, beta_schedule, inpaint, resampling_weights  # noqa: F401
from .codes import (  # noqa: F401
    OfCodes,
    codes_and_labels,
    draw_codes,
    draw_codes_and_words,
    latents_of,
    posteriors,
    posteriors_and_words,
    standardise,
    standardise_draws,
)
from .hybrid import VAEGAN, vae_gan_step  # noqa: F401
from .models import VAE, Autoencoder, MixturePrior, NormalPrior, VampPrior  # noqa: F401
from .recipes import LIVE, RECIPES, add_noise  # noqa: F401
from .vq import VQVAE, VectorQuantiser  # noqa: F401
