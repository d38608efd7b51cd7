"""The tasks of exercise 07, on metrics."""

from course_lib.grading import plain

with plain():  # cases are float32 on the CPU, whatever the notebook has set
    from course_lib.grading.metrics.at_infinity import LIMIT
    from course_lib.grading.metrics.corpus_scores import CORPUS
    from course_lib.grading.metrics.experiment import BIAS, fid_of_sets, fids_by_number, measure, numbers_of_samples, stream
    from course_lib.grading.metrics.frechet import FRECHET
    from course_lib.grading.metrics.obedience import OBEDIENCE
    from course_lib.grading.metrics.precision_and_recall import PRECISION
    from course_lib.grading.metrics.spot_the_copy import MEMORISED
    from course_lib.grading.metrics.unbiased_kid import KERNEL

TASKS = (CORPUS, FRECHET, KERNEL, PRECISION, OBEDIENCE, LIMIT, BIAS, MEMORISED)

__all__ = ["BIAS", "CORPUS", "FRECHET", "KERNEL", "LIMIT", "MEMORISED", "OBEDIENCE", "PRECISION", "TASKS"]
__all__ += ["fid_of_sets", "fids_by_number", "measure", "numbers_of_samples", "stream"]
