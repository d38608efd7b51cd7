"""The tasks of exercise 05, autoregressive models."""

from course_lib.grading import plain

with plain():  # cases are float32 on the CPU, whatever the notebook has set
    from course_lib.grading.autoregressive.bits_and_perplexity import PER_SYMBOL
    from course_lib.grading.autoregressive.causal_conv import CAUSAL
    from course_lib.grading.autoregressive.causal_mask import MASK
    from course_lib.grading.autoregressive.depends_on import DEPENDS
    from course_lib.grading.autoregressive.digits import DIGITS
    from course_lib.grading.autoregressive.digits import measure as measure
    from course_lib.grading.autoregressive.log_conditionals import CONDITIONALS
    from course_lib.grading.autoregressive.log_likelihood import LIKELIHOOD
    from course_lib.grading.autoregressive.masked_conv import CONV
    from course_lib.grading.autoregressive.nucleus import NUCLEUS
    from course_lib.grading.autoregressive.step import STEP
    from course_lib.grading.autoregressive.top_k import TOP_K

TASKS = (CONDITIONALS, LIKELIHOOD, MASK, CONV, DEPENDS, PER_SYMBOL, TOP_K, NUCLEUS, CAUSAL, STEP, DIGITS)
