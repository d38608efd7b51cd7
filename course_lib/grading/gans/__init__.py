"""The tasks of exercise 03."""

from course_lib.grading import plain

with plain():  # cases are float32 on the CPU, whatever the notebook has set
    from course_lib.grading.gans.closeness import CLOSENESS
    from course_lib.grading.gans.cure import CURE, measure
    from course_lib.grading.gans.dcgan_generator import DCGAN
    from course_lib.grading.gans.discriminator_loss import DISCRIMINATOR
    from course_lib.grading.gans.game_value import VALUE
    from course_lib.grading.gans.generator_loss import GENERATOR
    from course_lib.grading.gans.gradient_penalty import PENALTY
    from course_lib.grading.gans.optimal_discriminator import OPTIMAL
    from course_lib.grading.gans.receptive_field import RECEPTIVE
    from course_lib.grading.gans.with_label import WITH_LABEL
    from course_lib.grading.gans.with_label_planes import WITH_PLANES

TASKS = (DISCRIMINATOR, GENERATOR, OPTIMAL, VALUE, PENALTY, DCGAN, WITH_LABEL, WITH_PLANES, CURE, CLOSENESS, RECEPTIVE)

__all__ = ["CLOSENESS", "CURE", "DCGAN", "DISCRIMINATOR", "GENERATOR", "OPTIMAL", "PENALTY", "RECEPTIVE", "TASKS", "VALUE", "WITH_LABEL"]
__all__ += ["WITH_PLANES", "measure"]
