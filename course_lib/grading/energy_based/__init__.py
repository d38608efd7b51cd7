"""The tasks of exercise 08, energy-based models and sampling."""

from course_lib.grading import plain

with plain():  # cases are float32 on the CPU, whatever the notebook has set
    from course_lib.grading.energy_based.contrastive_gradient import CONTRASTIVE_GRADIENT
    from course_lib.grading.energy_based.denoising_loss import DENOISING_LOSS
    from course_lib.grading.energy_based.dreams import DREAMS
    from course_lib.grading.energy_based.dreams import measure as measure
    from course_lib.grading.energy_based.gibbs_step import GIBBS_STEP
    from course_lib.grading.energy_based.langevin_step import LANGEVIN_STEP
    from course_lib.grading.energy_based.log_partition import LOG_PARTITION
    from course_lib.grading.energy_based.mended import MENDED
    from course_lib.grading.energy_based.metropolis_hastings import METROPOLIS_HASTINGS
    from course_lib.grading.energy_based.weighed import WEIGHED

TASKS = (
    LOG_PARTITION,
    METROPOLIS_HASTINGS,
    LANGEVIN_STEP,
    DENOISING_LOSS,
    WEIGHED,
    GIBBS_STEP,
    CONTRASTIVE_GRADIENT,
    MENDED,
    DREAMS,
)
