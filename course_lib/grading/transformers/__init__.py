"""The tasks of exercise 09, transformers."""

from course_lib.grading import plain

with plain():  # cases are float32 on the CPU, whatever the notebook has set
    from course_lib.grading.transformers.attention import ATTENTION
    from course_lib.grading.transformers.causal_mask import MASK
    from course_lib.grading.transformers.chances import CHANCES
    from course_lib.grading.transformers.mended import MENDED
    from course_lib.grading.transformers.merge_heads import MERGE
    from course_lib.grading.transformers.rotate import ROTATE
    from course_lib.grading.transformers.split_heads import SPLIT
    from course_lib.grading.transformers.step import STEP
    from course_lib.grading.transformers.talk import TALK
    from course_lib.grading.transformers.talk import measure as measure

TASKS = (MASK, ATTENTION, SPLIT, MERGE, ROTATE, STEP, CHANCES, MENDED, TALK)
