"""The tasks of exercise 04, normalizing flows."""

from course_lib.grading import plain

with plain():  # cases are float32 on the CPU, whatever the notebook has set
    from course_lib.grading.flows.bits_per_dim import BITS
    from course_lib.grading.flows.couple import COUPLE
    from course_lib.grading.flows.log_density import LOG_DENSITY
    from course_lib.grading.flows.log_likelihood import LIKELIHOOD
    from course_lib.grading.flows.mix_channels import MIX
    from course_lib.grading.flows.outsiders import OUTSIDERS
    from course_lib.grading.flows.outsiders import measure as measure
    from course_lib.grading.flows.to_logits import LOGITS
    from course_lib.grading.flows.total_log_det import TRIANGULAR
    from course_lib.grading.flows.uncouple import UNCOUPLE
    from course_lib.grading.flows.unmix_channels import UNMIX

TASKS = (LOG_DENSITY, COUPLE, UNCOUPLE, TRIANGULAR, LIKELIHOOD, MIX, UNMIX, LOGITS, BITS, OUTSIDERS)
