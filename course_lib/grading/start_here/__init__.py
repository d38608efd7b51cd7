"""The one task of the warm-up exercise, 00."""

from course_lib.grading import plain

with plain():  # cases are float32 on the CPU, whatever the notebook has set
    from course_lib.grading.start_here.kl_between import KL_BETWEEN

TASKS = (KL_BETWEEN,)
