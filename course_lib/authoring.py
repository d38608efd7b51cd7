"""Keep the notebooks in step. The paired ``.py`` is the source; everything else about a notebook is made from it.

python -m course_lib.authoring notebooks [SLUG …]   stamp all, then format, pair, execute and clean lectures and solutions
python -m course_lib.authoring exercises            generate exercises/ from solutions/ with nbgrader
python -m course_lib.authoring checkpoint NAME …    train anew, measure anew, and run every notebook that shows the numbers
python -m course_lib.authoring check                say what is out of step, and exit 1 if anything is
"""

import base64
import hashlib
import io
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Annotated

import jupytext
import nbformat
import typer
from jupytext.config import load_jupytext_config
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
MAX_MEGABYTES = 1.5
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

SETUP = """\
# The set-up of every notebook. On Colab it adds the course and changes nothing else; elsewhere the course is there already.
import os

if "COLAB_RELEASE_TAG" in os.environ:
    import shutil
    import subprocess
    import sys
    from glob import glob

    from packaging.version import Version

    source = "git+{repository}"
    # of wheels in /content the newest; uploaded twice it is called "… (1).whl", and pip takes no such name
    found = glob("/content/deep_generative_course-*.whl")
    if wheels := [(Version(os.path.basename(path).split("-")[1]), os.path.getmtime(path), path) for path in found]:
        version, _, path = max(wheels)
        source = shutil.copy(path, f"/tmp/deep_generative_course-{{version}}-py3-none-any.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", source, "torchdiffeq"]
    if subprocess.run(install, capture_output=True, env=os.environ | {{"GIT_TERMINAL_PROMPT": "0"}}).returncode:
        raise SystemExit(
            f"The course could not be installed from {{source}}: put its wheel (`make colab-bundle` writes it to dist/) into /content, "
            "the folder that opens at the left, and run this cell again."
        )

from course_lib import plotting

plotting.use_style()

import torch  # after the course, which tells threads that wait not to spin

if "COLAB_RELEASE_TAG" in os.environ and not torch.cuda.is_available():
    print("This runtime has no GPU, so training is slow. Runtime → Change runtime type → T4 GPU gives you one.")"""

BADGES = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{name}/blob/main/{path}) "
    "[![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/{name}/main?urlpath=lab/tree/{path})"
)

# What a kernel would say of itself, less its version.
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python", "pygments_lexer": "ipython3"},
}
COLAB_GPU = {"accelerator": "GPU", "colab": {"gpuType": "T4", "provenance": []}}  # opens a lecture on a GPU

app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)


def repository() -> str:
    """The course's address, from [project.urls] in pyproject.toml: the one place that names it."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]


def on_github(address: str) -> str | None:
    """`https://github.com/OWNER/NAME` of any way to write it: with ssh, with a token, as OWNER/NAME. None for any other place."""
    found = re.fullmatch(
        r"(?:(?:https?://(?:[^@/]+@)?|ssh://git@|git@)github\.com[/:])?(\w[\w.-]*/\w[\w.-]*?)(?:\.git)?/?", address.strip()
    )
    return f"https://github.com/{found[1]}" if found else None


def fork() -> str | None:
    """Where this checkout comes from, by git; None without git, without a remote called origin, or where that is not on GitHub."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False).stdout.strip()

    try:
        # a copy that lies inside another repository is not that repository
        if not (top := git("rev-parse", "--show-toplevel")) or not Path(top).samefile(ROOT):
            return None
        address = git("remote", "get-url", "origin")
    except FileNotFoundError:
        return None
    return on_github(address) if "github.com" in address else None


def settle_repository(repo: str | None = None) -> None:
    """Write into pyproject.toml, README and notebooks where this course lives: at `repo`, else where git's origin is, else where it was.

    Links in outputs follow, too; ids of cells follow when they are stamped.

    Raises:
        SystemExit: `repo` is no repository on GitHub, which the badges need
    """
    new = on_github(repo) if repo else fork()
    if repo and not new:
        raise SystemExit(f"REPO={repo} is no repository on GitHub: give it as https://github.com/OWNER/NAME")
    old = repository()
    if not new or new == old:
        return
    print(f"this course lives at {new}, not at {old} any more (REPO=… for another address)")
    pages = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("solutions/*/*.ipynb"), *sources(), ROOT / "README.md", ROOT / "pyproject.toml"]
    for path in pages:
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace(old, new).replace(*(f"/{a.removeprefix('https://github.com/')}/" for a in (old, new))), encoding="utf-8"
        )


def restamp(source: Path) -> bool:
    """Put set-up cell, badges and ids of today into both halves of a pair, and leave everything else; whether anything changed."""
    text = source.read_text(encoding="utf-8")
    new = source_text(read_source(source), source)
    halves = {source: (text, new)}
    target = source.with_suffix(".ipynb")
    if target.exists():
        old = target.read_text(encoding="utf-8")
        halves[target] = old, nbformat.writes(stamp(nbformat.reads(old, as_version=4), source)) + "\n"
    changed = [path for path, (before, after) in halves.items() if before != after]
    for path in changed:
        path.write_text(halves[path][1], encoding="utf-8")
    return bool(changed)


def sources(slugs: list[str] | None = None) -> list[Path]:
    """The ``.py`` of every lecture and solution that one of `slugs` begins, as `02` or as `notebooks/02`; of all where there are none.

    Raises:
        SystemExit: a slug that begins no notebook's name
    """

    def begins(path: Path, slug: str) -> bool:
        return path.stem.startswith(slug) or path.relative_to(ROOT).as_posix().startswith(slug)

    found = sorted([*ROOT.glob("notebooks/*.py"), *ROOT.glob("solutions/*/*.py")])
    for slug in slugs or []:
        if not any(begins(path, slug) for path in found):
            raise SystemExit(f"No notebook begins with {slug!r}; there are {', '.join(sorted({path.stem for path in found}))}.")
    return [path for path in found if not slugs or any(begins(path, slug) for slug in slugs)]


def badge_target(source: Path) -> str:
    """Where a notebook's badges lead: a lecture to itself, a solution to its exercise (nbgrader copies the line there)."""
    path = source.relative_to(ROOT).with_suffix(".ipynb").as_posix()
    return path.replace("solutions/", "exercises/", 1)


def badges_for(path: str) -> str:
    """The Colab and Binder badges that open the notebook at `path`."""
    return BADGES.format(name=repository().removeprefix("https://github.com/"), path=path)


def stamped_readme(text: str) -> str:
    """The README with the current badges in the last column of every row that links to a lecture, and the measured leaderboard."""
    row = re.compile(r"^(\|.*\]\((notebooks/\w+\.ipynb)\).*\|)[^|]*\|$", re.MULTILINE)
    text = row.sub(lambda match: f"{match[1]} {badges_for(match[2])} |", text)
    begin, end = "<!-- leaderboard -->\n", "\n<!-- /leaderboard -->"
    if begin in text:
        from course_lib.metrics import leaderboard

        table = leaderboard.markdown(leaderboard.read(), columns=leaderboard.IN_SHORT)
        text = re.sub(f"{begin}.*{end}", lambda match: f"{begin}{table}{end}", text, flags=re.DOTALL)
    return text


def stamp(nb: NotebookNode, source: Path) -> NotebookNode:
    """Put the current set-up cell, badges and metadata into a notebook; give its cells ids that depend on their text alone."""
    badges = badges_for(badge_target(source))
    title, *rest = nb.cells[0].source.split("\n")
    body = "\n".join(line for line in rest if not line.startswith("[![Open in Colab]")).strip("\n")
    nb.cells[0].source = "\n\n".join(part for part in (title, badges, body) if part)

    setup = next((cell for cell in nb.cells if "setup" in cell.metadata.get("tags", [])), None)
    if setup is None:
        setup = new_code_cell(metadata={"tags": ["setup"]})
        nb.cells.insert(1, setup)
    setup.source = SETUP.format(repository=repository())

    seen: dict[str, int] = {}
    for cell in nb.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:10]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        cell.metadata = NotebookNode({key: value for key, value in cell.metadata.items() if key in ("tags", "slideshow", "nbgrader")})
        if "claim" in cell.metadata.get("tags", []):  # runs with the notebook; folded in the page, and on no slide
            cell.metadata |= {"jupyter": {"source_hidden": True}, "slideshow": {"slide_type": "skip"}}
    nb.metadata = nbformat.from_dict(KERNEL | (COLAB_GPU if source.parent.name == "notebooks" else {}))
    nb.nbformat, nb.nbformat_minor = 4, 5
    return nb


def formatted(nb: NotebookNode) -> NotebookNode:
    """The notebook with its code cells formatted by ruff."""
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--stdin-filename", "notebook.ipynb", "-"]
    done = subprocess.run(command, input=nbformat.writes(nb), capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"A code cell is not valid Python: {done.stderr.strip()}")
    return nbformat.reads(done.stdout, as_version=4)


def read_source(source: Path) -> NotebookNode:
    """The notebook that `source` should be: stamped, without outputs."""
    return stamp(jupytext.read(source, config=load_jupytext_config(str(source))), source)


def take_over(source: Path) -> None:
    """Write into the ``.py`` what was edited in its notebook since the last commit, as in JupyterLab.

    Raises:
        SystemExit: both were edited, each in its own way
    """
    target = source.with_suffix(".ipynb")
    if not target.exists():
        return
    of_py, of_nb = read_source(source), stamp(nbformat.read(target, as_version=4), source)
    if code_of(of_py) == code_of(of_nb):
        return
    old_py, old_nb = committed(source), committed(target)
    if old_py is None or old_nb is None:  # never committed: the later one
        edited_nb = target.stat().st_mtime > source.stat().st_mtime
        edited_py = not edited_nb
    else:
        edited_py = code_of(of_py) != code_of(stamp(jupytext.reads(old_py, fmt="py:percent"), source))
        edited_nb = code_of(of_nb) != code_of(stamp(nbformat.reads(old_nb, as_version=4), source))
    name = source.relative_to(ROOT)
    if edited_py and edited_nb:
        raise SystemExit(
            f"{name} and its .ipynb were both edited since the last commit, and differ. Keep one of them: `git checkout` the other first."
        )
    if edited_nb:
        source.write_text(source_text(of_nb, source), encoding="utf-8")
        print(f"{name}: taken over from the edited notebook")


def code_of(nb: NotebookNode) -> list[tuple]:
    """What two halves of a pair must agree in: kind, text and tags of every cell."""
    return [(cell.cell_type, cell.source.rstrip(), cell.metadata.get("tags", [])) for cell in nb.cells]


def committed(path: Path) -> str | None:
    """The text of a file as it was last committed; None where it never was, or there is no git."""
    command = ["git", "show", f"HEAD:./{path.name}"]
    try:
        done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, encoding="utf-8", check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def source_text(nb: NotebookNode, source: Path) -> str:
    """The text of the ``.py`` for a notebook."""
    return jupytext.writes(nb, fmt="py:percent", config=load_jupytext_config(str(source)))


def execute(nb: NotebookNode, folder: Path, threads: int | None = 1) -> dict[int, float]:
    """Run every cell in `folder`, in place; return seconds by cell index.

    threads: of the kernel; last digits depend on how many there are. None leaves the choice to torch, as JupyterLab does
    """
    seconds: dict[int, float] = {}

    def started(cell, cell_index):
        seconds[cell_index] = -time.perf_counter()

    def ended(cell, cell_index, execute_reply):
        seconds[cell_index] += time.perf_counter()

    client = NotebookClient(
        nb,
        kernel_name="python3",
        timeout=900,
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        on_cell_execute=started,
        on_cell_executed=ended,
    )
    client.execute(env=os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {}))
    return seconds


def smaller_png(encoded: str) -> str:
    """The picture with a palette of 256 colours where that is shorter: figures have few colours, and git keeps every version."""
    picture = Image.open(io.BytesIO(base64.b64decode(encoded)))
    out = io.BytesIO()
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, format="PNG", optimize=True)
    return min(encoded, base64.b64encode(out.getvalue()).decode(), key=len)


def clean(nb: NotebookNode) -> None:
    """Drop what must not be committed, in place: widget views and state, progress bars, the kernel's own metadata."""
    for cell in nb.cells:
        if cell.cell_type != "code":
            continue
        kept = []
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr" and "%|" in output.text:
                continue
            data = output.get("data", {})
            if data.pop(WIDGET_VIEW, None) and not data.keys() - {"text/plain"}:
                continue  # a live widget with no static picture: its text is only a Python repr
            if "image/png" in data:
                data["image/png"] = smaller_png(data["image/png"])
            kept.append(output)
        cell.outputs = kept
    nb.metadata.pop("widgets", None)
    nb.metadata.language_info = nbformat.from_dict(KERNEL["language_info"])  # execution put this Python's version there


def problems_in(source: Path, run: bool = False) -> list[str]:
    """What is out of step in one pair, each as a sentence; empty when all is well.

    run: allow what running and saving it in JupyterLab leaves behind
    """
    name, target = source.relative_to(ROOT), source.with_suffix(".ipynb")
    if not target.exists():
        return [f"{name} has no .ipynb."]
    found = []
    wanted, nb = read_source(source), nbformat.read(target, as_version=4)
    if run:
        clean(nb)
        for cell in nb.cells:
            cell.metadata = NotebookNode({key: value for key, value in cell.metadata.items() if key != "execution"})
    if source_text(wanted, source) != source.read_text(encoding="utf-8"):
        found.append(f"{name} has an old set-up cell, old badges or another layout than jupytext's.")
    if [(c.id, c.cell_type, c.source, c.metadata) for c in wanted.cells] != [(c.id, c.cell_type, c.source, c.metadata) for c in nb.cells]:
        found.append(f"{name} and its .ipynb differ: make notebooks ARGS={name.with_suffix('')}")
    code = [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]
    if unrun := sum(cell.execution_count is None for cell in code):
        found.append(f"{name}: {unrun} of {len(code)} code cells have never run.")
    outputs = [output for cell in code if "raises-exception" not in cell.metadata.get("tags", []) for output in cell.outputs]
    if any(output.output_type == "error" for output in outputs):
        found.append(f"{name}: a cell ends in an error.")
    if "widgets" in nb.metadata or any(WIDGET_VIEW in output.get("data", {}) for output in outputs):
        found.append(f"{name}: the .ipynb holds widget state.")
    if not run and target.stat().st_size / 1e6 > MAX_MEGABYTES:
        found.append(f"{name}: the .ipynb has {target.stat().st_size / 1e6:.2f} MB, and {MAX_MEGABYTES} is the most.")
    if not (ROOT / badge_target(source)).exists():
        found.append(f"{name}: its badges lead to {badge_target(source)}, which does not exist (make exercises).")
    return found


def generate_exercises(into: Path | None = None) -> None:
    """Make every exercise from its solution with nbgrader, into exercises/ or another folder.

    Another folder gets a gradebook of its own, so that trying a generation leaves the instructor's alone.
    """
    from course_lib.grading import pipeline

    gradebook, release = (into.parent, into) if into else (ROOT / "grading", ROOT / "exercises")
    gradebook.mkdir(parents=True, exist_ok=True)
    with pipeline.for_nbgrader():
        api = pipeline.nbgrader_with(gradebook / "gradebook.db", release=release)
        for folder in sorted(path for path in ROOT.glob("solutions/*/") if any(path.glob("*.ipynb"))):
            if why := pipeline.why_not(api.generate_assignment(folder.name)):
                raise SystemExit(f"nbgrader could not make the exercise of {folder.name}: {why}")


@app.command()
def notebooks(
    slugs: Annotated[list[str] | None, typer.Argument(help="such as 02 or 02_autoencoders; all without one")] = None,
    repo: Annotated[str | None, typer.Option(help="stamp this address on GitHub; run nothing else where no notebook is named")] = None,
) -> None:
    """Stamp set-up cells and badges of all notebooks and the README's; format, pair, execute and clean lectures and solutions."""
    settle_repository(repo)
    wanted = [] if repo and not slugs else sources(slugs)
    stamped = [source for source in sources() if source not in wanted and restamp(source)]
    if any(source.is_relative_to(ROOT / "solutions") for source in stamped):
        generate_exercises()
    readme = ROOT / "README.md"
    readme.write_text(stamped_readme(readme.read_text(encoding="utf-8")), encoding="utf-8")
    for source in wanted:
        take_over(source)
        nb = stamp(formatted(read_source(source)), source)
        text = source_text(nb, source)
        if text != source.read_text(encoding="utf-8"):
            source.write_text(text, encoding="utf-8")
        name = source.relative_to(ROOT).with_suffix("")
        print(f"{name}: running {len(nb.cells)} cells …", flush=True)
        try:
            seconds = execute(nb, source.parent)
        except CellExecutionError as error:
            raise SystemExit(f"{name}: {error}") from None
        clean(nb)
        written = nbformat.writes(nb) + "\n"
        megabytes = len(written.encode()) / 1e6
        if megabytes > MAX_MEGABYTES:
            raise SystemExit(f"{name}: {megabytes:.2f} MB with its outputs, and {MAX_MEGABYTES} is the most. Make its figures smaller.")
        source.with_suffix(".ipynb").write_text(written, encoding="utf-8")
        print(f"  {sum(seconds.values()):.1f} s, {megabytes:.2f} MB. Slowest cells:")
        for index in sorted(seconds, key=seconds.get, reverse=True)[:5]:
            print(f"  {seconds[index]:6.1f} s  cell {index:2d}  {nb.cells[index].source.splitlines()[0][:80]}")


@app.command()
def checkpoint(names: Annotated[list[str], typer.Argument(help="such as vae; several at once run each notebook once")]) -> None:
    """Train shipped checkpoints anew, or those of a new recipe; measure their rows of the leaderboard; run every notebook that shows them.

    Interrupted, the same command goes on from its last training state.
    """
    from course_lib import checkpoints, recipes
    from course_lib.metrics import leaderboard

    for name in names:
        numbers = recipes.train(name, "cpu", folder=checkpoints.WEIGHTS)["numbers"]
        print(f"{name}: {', '.join(f'{key} {value}' for key, value in numbers.items())}", flush=True)
    ranked = False
    for data, board in leaderboard.BOARDS.items():
        if entered := [name for name in names if name in leaderboard.entrants(data)]:
            ranked = True
            for name, state in leaderboard.measure(entered, data, path=board):
                print(f"leaderboard, {name}: {state}", flush=True)
    shown = [source.relative_to(ROOT).as_posix() for source in sources() if any(shows(source, name) for name in names)]
    notebooks([*shown, *(["notebooks/07_metrics"] if ranked and "notebooks/07_metrics.py" not in shown else [])])


def shows(source: Path, name: str) -> bool:
    """Whether a notebook loads the checkpoint called `name`: by its name, by its family's, or by one that is put together there."""
    for quoted in set(re.findall(r'"(\w[\w.{}\[\]]*)"', source.read_text(encoding="utf-8"))):
        pattern = re.sub(r"\\{.*?\\}", r"[\\w.]+", re.escape(quoted))  # f"pix2pix_{task}"
        if re.fullmatch(rf"{pattern}(_[a-z]+[\d.]+)?", name):
            return True
    return False


@app.command()
def exercises() -> None:
    """Generate exercises/ from solutions/ with nbgrader."""
    generate_exercises()


@app.command()
def check() -> None:
    """Say what is out of step, and exit 1 if anything is."""
    problems = [problem for source in sources() for problem in problems_in(source)]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    if stamped_readme(readme) != readme:
        problems.append("README.md has old badges: make notebooks.")
    print("\n".join(problems) or f"{len(sources())} notebooks are in step.")
    if problems:
        raise SystemExit(1)


if __name__ == "__main__":
    app()
