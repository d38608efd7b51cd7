"""The tasks of exercise 06. Truths come from loops over examples and from conditioning joint Gaussians, never from course_lib.diffusion."""

from course_lib.grading import Goal, Task, plain

with plain():  # cases are float32 on the CPU, whatever the notebook has set
    from course_lib.grading.diffusion.cosine_schedule import COSINE
    from course_lib.grading.diffusion.ddim_step import DDIM
    from course_lib.grading.diffusion.estimates import ESTIMATES
    from course_lib.grading.diffusion.few_steps import FEW, measure, sliced_distance, spread
    from course_lib.grading.diffusion.fill_in import FILL
    from course_lib.grading.diffusion.guided import GUIDED
    from course_lib.grading.diffusion.integrate import EULER
    from course_lib.grading.diffusion.loss import LOSS
    from course_lib.grading.diffusion.noised import NOISED
    from course_lib.grading.diffusion.path_and_velocity import PATH
    from course_lib.grading.diffusion.posterior import POSTERIOR

TASKS: tuple[Task | Goal, ...] = (NOISED, COSINE, POSTERIOR, ESTIMATES, DDIM, LOSS, GUIDED, FILL, PATH, EULER, FEW)

__all__ = ["measure", "sliced_distance", "spread"]
