"""Where nbgrader finds things. Everything that grading produces lives under grading/, which git ignores."""

from pathlib import Path

grading = Path(__file__).parent / "grading"
grading.mkdir(exist_ok=True)  # SQLite makes a file, not its folder

c = get_config()  # noqa: F821  (nbgrader puts it there)

c.CourseDirectory.course_id = "deep_generative_models"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.submitted_directory = "grading/submitted"
c.CourseDirectory.autograded_directory = "grading/autograded"
c.CourseDirectory.feedback_directory = "grading/feedback"
c.CourseDirectory.solution_directory = "grading/solution"
c.CourseDirectory.db_url = f"sqlite:///{grading / 'gradebook.db'}"

# the .py pair of a solution holds the answers: it must not reach the release
c.CourseDirectory.ignore = [".ipynb_checkpoints", "__pycache__", "*.py", "*.pyc", ".DS_Store"]
