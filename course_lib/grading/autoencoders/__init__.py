"""The tasks of exercise 02."""

from course_lib.grading import plain

with plain():  # cases are float32 on the CPU, whatever the notebook has set
    from course_lib.grading.autoencoders.attribute_arrow import ATTRIBUTE_ARROW
    from course_lib.grading.autoencoders.balanced_arrow import BALANCED_ARROW
    from course_lib.grading.autoencoders.denoising_loss import DENOISING
    from course_lib.grading.autoencoders.elbo import ELBO
    from course_lib.grading.autoencoders.experiment import EXPERIMENT
    from course_lib.grading.autoencoders.experiment import measure as measure
    from course_lib.grading.autoencoders.free_bits import FREE_BITS
    from course_lib.grading.autoencoders.gaussian_kl import GAUSSIAN_KL
    from course_lib.grading.autoencoders.iwae_bound import IWAE_BOUND
    from course_lib.grading.autoencoders.kl_weight import KL_WEIGHT
    from course_lib.grading.autoencoders.linear_bottleneck_error import LINEAR_BOTTLENECK
    from course_lib.grading.autoencoders.reparameterise import REPARAMETERISE
    from course_lib.grading.autoencoders.resampling_weights import RESAMPLING

TASKS = (
    *(LINEAR_BOTTLENECK, DENOISING, REPARAMETERISE, GAUSSIAN_KL, ELBO, IWAE_BOUND, KL_WEIGHT, EXPERIMENT),
    *(ATTRIBUTE_ARROW, BALANCED_ARROW, FREE_BITS, RESAMPLING),
)
