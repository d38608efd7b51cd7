# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,slideshow,nbgrader,-all
#     notebook_metadata_filter: kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Exercise 0 · A warm-up: the KL divergence of two tables
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/exercises/00_start_here/00_start_here.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/exercises/00_start_here/00_start_here.ipynb)
#
# One task, one point, ten minutes. You write one to three lines of PyTorch and see how every exercise of this course works. The lecture is `notebooks/00_start_here.ipynb`,
# section 7.5.
#
# | task | what you do | points | minutes | difficulty |
# |---|---|---|---|---|
# | 1 | the KL divergence of two tables | 1 | 10 | ★☆☆ |
#
# **How every exercise works**
#
# 1. **Answer.** Replace `raise NotImplementedError()` with your code. The text above it gives the formula, the docstring gives the shapes.
# 2. **Check.** Run the cell below your answer. It prints `✓`, or `✗` and one line that says what is wrong. It knows the usual mistakes and names the one you made. Try as often as you like: a check costs nothing.
# 3. **Points.** The cell after the check is for grading: there a **hidden test** runs your function on other inputs. A function that is right passes; one that was bent to fit the visible check does not.
# 4. **Hand in.** Run all cells from the top once more (*Run → Restart Kernel and Run All Cells*), save, and hand in this one file. You get points and feedback for each task.
#
# Write the answer with PyTorch: a check notices when it runs code from `course_lib`. Add cells as you like, but do not copy, delete or change the type of the cells that are here.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["setup"]
# The set-up of every notebook. On Colab it adds the course and changes nothing else; elsewhere the course is there already.
import os

if "COLAB_RELEASE_TAG" in os.environ:
    import shutil
    import subprocess
    import sys
    from glob import glob

    from packaging.version import Version

    source = "git+https://github.com/deep-generative-course/deep-generative-models"
    # of wheels in /content the newest; uploaded twice it is called "… (1).whl", and pip takes no such name
    found = glob("/content/deep_generative_course-*.whl")
    if wheels := [(Version(os.path.basename(path).split("-")[1]), os.path.getmtime(path), path) for path in found]:
        version, _, path = max(wheels)
        source = shutil.copy(path, f"/tmp/deep_generative_course-{version}-py3-none-any.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", source, "torchdiffeq"]
    if subprocess.run(install, capture_output=True, env=os.environ | {"GIT_TERMINAL_PROMPT": "0"}).returncode:
        raise SystemExit(
            f"The course could not be installed from {source}: put its wheel (`make colab-bundle` writes it to dist/) into /content, "
            "the folder that opens at the left, and run this cell again."
        )

from course_lib import plotting

plotting.use_style()

import torch  # after the course, which tells threads that wait not to spin

if "COLAB_RELEASE_TAG" in os.environ and not torch.cuda.is_available():
    print("This runtime has no GPU, so training is slow. Runtime → Change runtime type → T4 GPU gives you one.")

# %% nbgrader={"grade": false, "grade_id": "imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
import matplotlib.pyplot as plt

from course_lib import datasets
from course_lib.grading.start_here import KL_BETWEEN
from course_lib.plotting import show_images

digits = datasets.load("digits8", "train")  # for the last cell


# %% [markdown]
# ## Task 1 · The KL divergence of two tables
#
# **1 point · 10 minutes · ★☆☆**
#
# Two tables give a probability to each outcome: q what happens, p what somebody expects. What does it cost on average to expect p?
#
# $$\mathrm{KL}(q\,\|\,p)=\sum_x q(x)\,\log\frac{q(x)}{p(x)}$$
#
# The logarithm is natural, so the unit is the nat. What never happens costs nothing: where q(x) = 0 the entry counts 0, since $u\log u\to0$ as $u\to0$. The computer does not know that: look at what `0 * torch.log(...)` makes of it.
# The tables may have rows and columns, as a joint table has. Every entry counts the same way.
#
# Before you write it: what should come out when q and p are equal? Try that on your function too.

# %% nbgrader={"grade": false, "grade_id": "kl_between", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kl_between(q, p):
    """KL(q ‖ p) of two tables of probabilities, in nats.

    q: any shape, adds up to 1, may hold zeros
    p: the same shape, adds up to 1, above 0 everywhere
    Returns: a tensor without axes
    """
    ### BEGIN SOLUTION
    happens = q > 0
    return (q[happens] * (q[happens] / p[happens]).log()).sum()
    ### END SOLUTION


# %% nbgrader={"grade": false, "grade_id": "check_kl_between", "locked": true, "schema_version": 3, "solution": false, "task": false}
KL_BETWEEN.check(kl_between)

# %% nbgrader={"grade": true, "grade_id": "grade_kl_between", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Grading runs your function on other inputs here.
### BEGIN HIDDEN TESTS
from course_lib.grading import grid
from course_lib.grading.start_here import KL_BETWEEN
from course_lib.grading.start_here.kl_between import table

KL_BETWEEN.check(
    kl_between,
    hidden=lambda: [
        (table(grid(5, low=0, high=1).square()), table(grid(5, low=1, high=6).flip(0))),
        (table(grid(3, 2).exp()), table(grid(3, 2, low=2, high=5).flip(1))),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# Want to see a hint? Make a mistake on purpose, such as p for q and q for p, and run the check again. Then mend it.
#
# ## Your function at work
#
# Where is the ink in an 8×8 digit? For each class, the average picture, scaled to add up to 1, is a table of 64 probabilities. Your function compares every class with every other: the row is q, the column p. Brighter is larger.
# Predict first: which two digits are closest, which furthest apart? Is the picture the same when rows and columns change places? Where your function does not pass its check yet, ours stands in for it.

# %% tags=["nbval-ignore-output"]
kl = KL_BETWEEN.yours_or_ours(globals())
tables = [digits.images()[digits.y == k].mean(0) + 1e-3 for k in range(10)]  # a little ink everywhere: p must be above 0
tables = [table / table.sum() for table in tables]
show_images(torch.stack([table / table.max() for table in tables]), columns=10, titles=[f"{k}" for k in range(10)])

nats = torch.tensor([[float(kl(q, p)) for p in tables] for q in tables])
figure, axes = plt.subplots(figsize=(4.2, 3.6))
shown = axes.imshow(nats)
axes.set(title="KL(row‖column), nats", xticks=range(10), yticks=range(10), xlabel="p", ylabel="q")
axes.grid(False)
figure.colorbar(shown)
plt.show()
for name, place in {"furthest": nats.argmax(), "closest": (nats + 10 * torch.eye(10)).argmin()}.items():
    q, p = divmod(int(place), 10)
    print(f"{name}: KL({q}‖{p}) = {nats[q, p]:.2f} nats; the other way round {nats[p, q]:.2f}")
