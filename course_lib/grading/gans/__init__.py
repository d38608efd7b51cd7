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
    from course_lib.grading.gans.one_hot_words import ONE_HOT_WORDS
    from course_lib.grading.gans.optimal_discriminator import OPTIMAL
    from course_lib.grading.gans.projection_score import PROJECTION
    from course_lib.grading.gans.receptive_field import RECEPTIVE

TASKS = (DISCRIMINATOR, GENERATOR, OPTIMAL, VALUE, PENALTY, DCGAN, ONE_HOT_WORDS, PROJECTION, CURE, CLOSENESS, RECEPTIVE)

__all__ = ["CLOSENESS", "CURE", "DCGAN", "DISCRIMINATOR", "GENERATOR", "ONE_HOT_WORDS", "OPTIMAL", "PENALTY", "PROJECTION", "RECEPTIVE"]
__all__ += ["TASKS", "VALUE", "measure"]
