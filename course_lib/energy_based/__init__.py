"""Topic 08: energy-based models and sampling.

`energies` composes energies and has densities to try samplers on, `samplers` the Markov chains and `diagnostics` whether to believe them;
`ising`, `boltzmann` and `rbm` machines of units that are on or off, `neural` a network as the energy of images and a classifier read as
one, `matching` learning without chains, and `recipes` how the checkpoints are made.
"""

from ..scores import denoising_score_matching, langevin, langevin_step  # noqa: F401
from .boltzmann import BoltzmannMachine, states  # noqa: F401
from .diagnostics import (  # noqa: F401
    LogZ,
    autocorrelation,
    autocorrelation_time,
    effective_sample_size,
    log_z,
    normalised,
    self_normalised,
    split_r_hat,
    weight_ess,
)
from .energies import Target, banana, eight_modes, gaussian, mixture, product, slope, targets, tempered  # noqa: F401
from .ising import (  # noqa: F401
    CRITICAL_TEMPERATURE,
    heat_capacity,
    ising_energy,
    ising_log_partition,
    ising_sweep,
    magnetisation,
    neighbours,
    onsager_energy,
    onsager_heat_capacity,
    onsager_magnetisation,
)
from .matching import OBJECTIVES, PointEnergy, noise_contrastive, score_matching, sliced_score_matching  # noqa: F401
from .neural import NeuralEnergy  # noqa: F401
from .rbm import RBM, annealing, base_rates  # noqa: F401
from .recipes import LIVE, RECIPES  # noqa: F401
from .samplers import (  # noqa: F401
    Chains,
    annealed_importance_sampling,
    gaussian_conditional,
    gibbs,
    gibbs_sweep,
    hmc,
    hmc_step,
    leapfrog,
    mala,
    mala_step,
    metropolis,
    metropolis_step,
    random_walk,
    run,
    ula,
)
