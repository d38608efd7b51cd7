"""Topic 06: diffusion and flow matching.

`schedules` says how fast data drown in noise, `networks` look at noisy data, `models` are trained to clean them, `samplers` go from noise
to data, `likelihood` says how likely data are, `scores` has Langevin's walk, and `recipes` how the checkpoints are made.
"""

from ..scores import denoising_score_matching, langevin, langevin_step  # noqa: F401
from .guides import Autoguided, within  # noqa: F401
from .likelihood import ode_log_prob, variational_bound, velocity, velocity_and_trace  # noqa: F401
from .models import (  # noqa: F401
    PREDICTIONS,
    Diffusion,
    EigenDiffusion,
    ImageDiffusion,
    LatentDiffusion,
    PointDiffusion,
    WaveDiffusion,
    paired_by_transport,
)
from .networks import Attention, EigenNetwork, NoiseEmbedding, Refinement, ResidualBlock, UNet, VectorNetwork, WaveNetwork  # noqa: F401
from .recipes import LIVE, RECIPES  # noqa: F401
from .samplers import METHODS, ddim_step, edit, encode, estimates, euler_maruyama, inpaint, sample, sample_fast, sample_heun  # noqa: F401
from .schedules import SCHEDULES, Schedule, edm_weights, log_normal_times  # noqa: F401
from .scores import ScoreNetwork, annealed_langevin, mixture_log_prob, mixture_score  # noqa: F401
