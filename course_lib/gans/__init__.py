"""Topic 03: generative adversarial networks, their failures, and their cures.

`losses` has what the players minimise and the penalties, `models` DCGAN and its relatives and the GAN on points, `game` a game small
enough to see, `style` a StyleGAN, `progressive` growing, `translation` pix2pix, and `recipes` how the checkpoints are made.
"""

from .cycle import PALETTES, CycleGAN, colours, cycle_step, landscapes, palette  # noqa: F401
from .game import GAMES, METHODS, play  # noqa: F401
from .losses import (  # noqa: F401
    LOSSES,
    clip_weights,
    discriminator_loss,
    generator_loss,
    gradient_norm,
    gradient_penalty,
    js_divergence,
    optimal_discriminator,
    zero_centred_penalty,
)
from .models import (  # noqa: F401
    GAN,
    Discriminator,
    Generator,
    MinibatchDiscrimination,
    PointGAN,
    gan_step,
    gan_step_with_cures,
    mode_overlap,
    modes_covered,
    operator_norm,
    strided_layers,
)
from .progressive import ProgressiveGAN, growth  # noqa: F401
from .recipes import LIVE, RARE, RECIPES, progressive_step, unbalanced  # noqa: F401
from .style import StyledConv, StyleGAN, adain  # noqa: F401
from .translation import TASKS, PatchDiscriminator, Pix2Pix, UNet, outline, pix2pix_step, shrink  # noqa: F401
