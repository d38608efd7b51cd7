"""The tasks of exercise 01, from one big table to a latent space. Truths come from NumPy, SciPy, scikit-learn or enumeration."""

from course_lib.grading import plain

with plain():  # cases are float32 on the CPU, whatever the notebook has set
    from course_lib.grading.latent_spaces.conditional import CONDITIONAL
    from course_lib.grading.latent_spaces.experiment import EXPERIMENT
    from course_lib.grading.latent_spaces.experiment import measure as measure
    from course_lib.grading.latent_spaces.explained import EXPLAINED
    from course_lib.grading.latent_spaces.log_posterior import LOG_POSTERIOR
    from course_lib.grading.latent_spaces.low_rank import LOW_RANK
    from course_lib.grading.latent_spaces.m_step import M_STEP
    from course_lib.grading.latent_spaces.pca import PRINCIPAL
    from course_lib.grading.latent_spaces.rebuild import REBUILD
    from course_lib.grading.latent_spaces.responsibilities import RESPONSIBILITIES
    from course_lib.grading.latent_spaces.slerp import SLERP

TASKS = (CONDITIONAL, PRINCIPAL, REBUILD, EXPLAINED, RESPONSIBILITIES, M_STEP, LOW_RANK, EXPERIMENT, LOG_POSTERIOR, SLERP)
