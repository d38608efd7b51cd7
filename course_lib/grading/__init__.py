"""Checks for the graded exercises.

| file | what is in it |
|---|---|
| `tasks` | `Task`, one function to write: `task.check(answer)` prints one `✓` line, or raises `CheckFailed`, which names the mistake |
| `mistakes` | known mistakes, which are edits of a right answer |
| `goals` | `Goal`, an experiment that is tuned until measured numbers are met |
| `words` | what a check says: where an error came from, guesses |
| `fixtures` | networks and draws that checks hand to answers |
| `TOPIC/TASK` | one task; `TOPIC/__init__` lists them in the order of the exercise |
| `progress` | how far a student is, for `check` and the board of lecture 00 |
| `pipeline/` | the grading of a class |
"""

from course_lib.grading.goals import Goal, Region, is_number, is_whole, one_of
from course_lib.grading.tasks import CheckFailed, Outcome, Task, grid, plain

__all__ = ["CheckFailed", "Goal", "Outcome", "Region", "Task", "grid", "is_number", "is_whole", "one_of", "plain"]
