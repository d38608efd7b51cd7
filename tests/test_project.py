"""The project as a whole: what it asks for, how it is laid out, and whether its notebooks are in step."""

import ast
import base64
import graphlib
import importlib.util
import io
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import numpy as np
import pytest
import yaml
from IPython.core.interactiveshell import InteractiveShell
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from PIL import Image

from course_lib import authoring

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
NOTEBOOKS = sorted([*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("solutions/*/*.ipynb"), *ROOT.glob("exercises/*/*.ipynb")])
TOP_LEVEL = {
    *("notebooks", "course_lib", "exercises", "solutions", "tests", "benchmarks", "docs", ".ci", ".github"),
    *("README.md", "LICENSE", "Makefile", "pyproject.toml", "constraints.txt", "environment.yml", "jupytext.toml", "nbgrader_config.py"),
    *(".gitignore", ".gitattributes"),
}


def bounds(lines) -> dict[str, str]:
    """{"numpy": ">=2.0"} of requirement lines."""
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): str(requirement.specifier) for requirement in requirements}


NEW_ON_COLAB = {"torchdiffeq"}  # asks for torch and scipy alone; `make test-colab` sees that it changes nothing that was there


def pins(path: Path) -> dict[str, Version]:
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return {canonicalize_name(line.split("==")[0]): Version(line.split("==")[1]) for line in lines if line}


def setup_cell(notebook) -> str:
    cells = nbformat.read(notebook, as_version=4).cells
    return next(cell.source for cell in cells if "setup" in cell.metadata.get("tags", []))


def test_conda_asks_for_what_pip_asks_for():
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = (item["pip"] for item in dependencies if isinstance(item, dict))
    conda = [item for item in dependencies if isinstance(item, str) and item != "pip"]
    asked = bounds([*conda, *(line for line in pip if line != "-e .")])
    asked["torch"] = asked.pop("pytorch")  # conda-forge's name for it

    extras = PROJECT["optional-dependencies"]
    assert asked.pop("python") == PROJECT["requires-python"]
    assert asked == bounds([*PROJECT["dependencies"], *extras["lab"], *extras["test"]])


def test_colab_satisfies_every_bound():
    colab = pins(ROOT / "tests/colab-constraints.txt") | {"torch": Version("2.6")}  # the oldest runtime that we name
    for line in PROJECT["dependencies"]:
        requirement = Requirement(line)
        if requirement.name not in NEW_ON_COLAB:
            assert requirement.specifier.contains(colab[canonicalize_name(requirement.name)]), line


def test_constraints_pin_everything_that_is_asked_for():
    pinned = pins(ROOT / "constraints.txt")
    assert pinned["torch"] == Version("2.13.0")
    for line in [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), line


def test_importing_the_course_imports_no_topic():
    heavy = ("course_lib", "torch", "numpy", "matplotlib")
    code = f"import sys, course_lib; print(*(name for name in sys.modules if name.split('.')[0] in {heavy}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["course_lib"]


def imported_by(name: str, path: Path, modules: dict[str, Path]) -> set[str]:
    """The modules of the course that a file imports, at its top or inside a function, and the packages that this runs on the way."""
    package, found = name if path.stem == "__init__" else name.rpartition(".")[0], set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            found |= {f"{source}.{alias.name}" if f"{source}.{alias.name}" in modules else source for alias in node.names}
    packages = {each[:i] for each in found for i, letter in enumerate(each) if letter == "."}
    running = {each for each in packages if f"{name}.".startswith(f"{each}.")}  # those that a file lies in: they have begun already
    return (found | packages - running) & modules.keys()


def test_no_modules_import_each_other_in_a_circle():
    # an import inside a function, or for type hints, hides a circle: it counts. Looking a topic up by its name, as `recipes` does, is none
    dotted = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("course_lib/**/*.py")}
    modules = {name.removesuffix(".__init__"): path for path, name in dotted.items()}
    graph = {name: imported_by(name, path, modules) for name, path in modules.items()}
    assert "course_lib.checkpoints" in graph["course_lib.autoencoders.codes"] and "course_lib.plotting" in graph["course_lib.widgets"]
    graphlib.TopologicalSorter(graph).prepare()  # a CycleError names the circle


def test_the_recipes_touch_no_gpu_until_one_is_trained():
    # what starts several processes in a notebook must find the GPUs untouched
    code = "import torch\ndef touched(): raise SystemExit('a GPU was touched')\n"
    code += "torch.cuda.is_available, torch.cuda._lazy_init, torch.cuda.current_device = lambda: True, touched, touched\n"
    code += "from course_lib import recipes; print(len(recipes.recipes()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and int(done.stdout) > 50, done.stderr


def test_top_level_holds_nothing_else():
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {path.split("/")[0] for path in tracked} <= TOP_LEVEL


def test_notebooks_are_in_step():
    # a student may have run and saved them
    assert [problem for source in authoring.sources() for problem in authoring.problems_in(source, run=True)] == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_committed_notebooks_hold_no_widget_state_and_stay_small():
    for source in authoring.sources():
        text = authoring.committed(source.with_suffix(".ipynb"))
        if text:  # not a new one
            assert authoring.WIDGET_VIEW not in text and '"widgets": {' not in text, source
            assert len(text.encode()) / 1e6 <= authoring.MAX_MEGABYTES, source


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_no_ignore_rule_hides_a_source():
    command = ["git", "ls-files", "--others", "--ignored", "--exclude-standard", "course_lib", "tests", "solutions", ":(glob)docs/*.png"]
    hidden = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [path for path in hidden if "__pycache__" not in path and ".ipynb_checkpoints" not in path] == []


def test_the_readme_links_to_files_that_exist():
    links = re.findall(r"\]\(((?!https?:)[^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links and [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_has_the_current_badges():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert authoring.stamped_readme(text) == text
    assert authoring.badges_for("notebooks/02_autoencoders.ipynb") in authoring.stamped_readme(text.replace("Open in Colab", "old"))


def dead_badges(pages, root: Path, repository: str) -> list[str]:
    """Every badge that leads to another repository, or to a file that does not exist; every page without badges."""
    name = repository.removeprefix("https://github.com/")
    places = (f"https://colab.research.google.com/github/{name}/blob/main/", f"https://mybinder.org/v2/gh/{name}/main?urlpath=lab/tree/")
    dead = []
    for page in pages:
        links = re.findall(r"https://(?:colab\.research\.google\.com/github|mybinder\.org/v2)/[^)\s\"]+", page.read_text(encoding="utf-8"))
        dead += [] if len(links) >= 2 else [f"{page} has no badges"]
        for link in links:
            if not link.startswith(places) or not (root / link.removeprefix(places[0]).removeprefix(places[1])).is_file():
                dead.append(f"{page}: {link}")
    return dead


def test_every_badge_opens_a_file_that_exists():
    assert dead_badges([*NOTEBOOKS, ROOT / "README.md"], ROOT, REPOSITORY) == []


@pytest.mark.parametrize(
    "address",
    [
        *(
            "me/my.course-2",
            "https://github.com/me/my.course-2",
            "https://github.com/me/my.course-2.git",
            "https://github.com/me/my.course-2/",
        ),
        *("git@github.com:me/my.course-2.git", "ssh://git@github.com/me/my.course-2", "https://me:secret@github.com/me/my.course-2.git"),
    ],
)
def test_every_way_to_write_a_repository_is_one_address(address):
    assert authoring.on_github(address) == "https://github.com/me/my.course-2"


@pytest.mark.parametrize("address", ["/srv/course.git", "../course", "https://gitlab.com/me/course", "course", "https://github.com/me", ""])
def test_what_is_no_repository_on_github_is_none(address):
    assert authoring.on_github(address) is None


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The course's notebooks and what they are stamped from, in another place; exercises are generated elsewhere."""
    root = tmp_path / "Mein Kürs ü"
    for path in [*NOTEBOOKS, *authoring.sources(), *(ROOT / name for name in ("README.md", "pyproject.toml", "jupytext.toml"))]:
        (root / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path.relative_to(ROOT))
    monkeypatch.setattr(authoring, "ROOT", root)
    made = []
    monkeypatch.setattr(authoring, "generate_exercises", lambda: made.append("exercises"))
    return root, made


def stamped_pages(root: Path) -> list[Path]:
    return [*root.glob("notebooks/*.ipynb"), *root.glob("solutions/*/*.ipynb"), root / "README.md"]


def test_a_fork_is_stamped_by_its_address_and_nothing_else_changes(copied, monkeypatch):
    root, made = copied
    outputs = {path: [cell.get("outputs") for cell in nbformat.read(path, 4).cells] for path in root.glob("notebooks/*.ipynb")}
    monkeypatch.setattr(authoring, "execute", lambda *args: pytest.fail("nothing need run"))
    authoring.notebooks(repo="git@github.com:me/course-of-mine.git")
    assert authoring.repository() == "https://github.com/me/course-of-mine" and made == ["exercises"]
    assert dead_badges(stamped_pages(root), root, "https://github.com/me/course-of-mine") == []
    texts = {path: path.read_text(encoding="utf-8") for path in [*stamped_pages(root), *authoring.sources(), root / "pyproject.toml"]}
    assert [path for path, text in texts.items() if REPOSITORY.removeprefix("https://github.com/") in text] == []
    assert [problem for source in authoring.sources() for problem in authoring.problems_in(source, run=True)] == []
    for path, before in outputs.items():  # but for links to the sources
        now = str([cell.get("outputs") for cell in nbformat.read(path, 4).cells])
        assert now.replace("https://github.com/me/course-of-mine", REPOSITORY) == str(before)
    authoring.notebooks(repo=REPOSITORY)  # and back
    assert [path for path in texts if path.read_bytes() != (ROOT / path.relative_to(root)).read_bytes()] == []


@pytest.mark.parametrize(
    "remote, found",
    [("git@github.com:me/fork.git", "https://github.com/me/fork"), ("/srv/git/course.git", REPOSITORY), (None, REPOSITORY)],
)
def test_a_fork_is_known_by_its_remote(copied, remote, found):
    root, _ = copied
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    if remote:
        subprocess.run(["git", "remote", "add", "origin", remote], cwd=root, check=True)
    authoring.settle_repository()
    assert authoring.repository() == found
    authoring.settle_repository("else/where")  # what is named wins
    assert authoring.repository() == "https://github.com/else/where"
    inside = root / "notebooks"
    assert authoring.fork() == (found if found != REPOSITORY else None)
    authoring.ROOT = inside  # a copy of the course inside somebody's repository is not that repository; `copied` puts this back
    assert authoring.fork() is None


def test_a_fork_that_is_nowhere_is_refused(copied):
    with pytest.raises(
        SystemExit, match="REPO=https://gitlab.com/a/b is no repository on GitHub: give it as https://github.com/OWNER/NAME"
    ):
        authoring.notebooks(repo="https://gitlab.com/a/b")


def test_every_notebook_has_the_same_setup():
    assert {setup_cell(notebook) for notebook in NOTEBOOKS} <= {authoring.SETUP.format(repository=REPOSITORY)}


@pytest.fixture
def on_colab(monkeypatch, tmp_path):
    """The set-up cell as Colab runs it: with these files in /content, and a pip that answers so. Gives the commands that were run."""

    def run(*files: str, code: int = 0) -> tuple[list[list[str]], object]:
        for age, name in enumerate(files):  # the first is the newest
            (tmp_path / name).write_text(name)
            os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
        commands = []
        monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
        monkeypatch.setattr("glob.glob", lambda pattern: [str(path) for path in sorted(tmp_path.glob(Path(pattern).name))])
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        monkeypatch.setattr("subprocess.run", lambda command, **how: commands.append(command) or subprocess.CompletedProcess(command, code))
        return commands, InteractiveShell.instance().run_cell(authoring.SETUP.format(repository=REPOSITORY))

    return run


OLD, NEW = "deep_generative_course-0.9.0-py3-none-any.whl", "deep_generative_course-0.10.0-py3-none-any.whl"


@pytest.mark.parametrize(
    "files, version, chosen",
    [
        ([OLD, NEW], "0.10.0", NEW),  # by number, not by letter, and whichever came last
        ([NEW, OLD], "0.10.0", NEW),
        ([NEW.replace("-any", "-any (1)"), NEW], "0.10.0", NEW.replace("-any", "-any (1)")),  # uploaded again: the newer of the two
        ([NEW, NEW.replace("-any", "-any (1)")], "0.10.0", NEW),
        ([NEW.replace("-any", "-any (12)")], "0.10.0", NEW.replace("-any", "-any (12)")),
        ([NEW.replace("0.10.0", "0.10.0rc1"), NEW], "0.10.0", NEW),
        ([NEW.replace("0.10.0", "1.0.0"), NEW], "1.0.0", NEW.replace("0.10.0", "1.0.0")),
    ],
)
def test_setup_on_colab_installs_the_newest_wheel_whatever_it_is_called(on_colab, capsys, files, version, chosen):
    ((*pip, source, lacking),), result = on_colab(*files)
    result.raise_error()
    assert pip == [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"] and lacking == "torchdiffeq"
    assert Path(source).name == f"deep_generative_course-{version}-py3-none-any.whl"  # a name that pip takes
    assert Path(source).read_text() == chosen
    assert capsys.readouterr().out.count("\n") == 1  # the line about the missing GPU


def test_setup_on_colab_takes_the_repository_where_there_is_no_wheel(on_colab):
    commands, result = on_colab()
    result.raise_error()
    assert [command[-2:] for command in commands] == [[f"git+{REPOSITORY}", "torchdiffeq"]]


@pytest.mark.parametrize("files, source", [([], f"git+{REPOSITORY}"), ([NEW], f"/tmp/{NEW}")])
def test_setup_on_colab_says_in_a_sentence_what_to_do_where_nothing_can_be_reached(on_colab, files, source):
    _, result = on_colab(*files, code=1)
    with pytest.raises(
        SystemExit, match=re.escape(f"could not be installed from {source}: put its wheel") + ".* into /content.*run this cell again"
    ):
        result.raise_error()


def test_setup_elsewhere_does_nothing(monkeypatch, capsys):
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    shell = InteractiveShell.instance()
    monkeypatch.setattr("subprocess.run", lambda command, **how: pytest.fail(str(command)))
    shell.run_cell(authoring.SETUP.format(repository=REPOSITORY)).raise_error()
    assert capsys.readouterr().out == ""


@pytest.fixture
def pair(tmp_path, monkeypatch):
    """A small course in a folder of its own, with one lecture."""
    tmp_path = tmp_path / "Mein Kürs ü"  # a path as people have it
    (tmp_path / "notebooks").mkdir(parents=True)
    (tmp_path / "README.md").write_text("| 01 | [Small](notebooks/01_small.ipynb) | old badges |\n")
    for name in ("pyproject.toml", "jupytext.toml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.setattr(authoring, "ROOT", tmp_path)
    monkeypatch.setattr(authoring, "SETUP", "import os  # {repository}")
    source = tmp_path / "notebooks/01_small.py"
    source.write_text(
        '# %% [markdown] slideshow={"slide_type": "slide"}\n# # Small\n# A lecture.\n\n# %%\nimport ipywidgets as w\nx=1\nx+1\n'
    )
    return source


def test_notebooks_makes_a_pair_that_check_accepts(pair, capsys):
    assert authoring.problems_in(pair) == ["notebooks/01_small.py has no .ipynb."]
    authoring.notebooks()
    assert authoring.problems_in(pair) == []
    assert authoring.badges_for("notebooks/01_small.ipynb") in (authoring.ROOT / "README.md").read_text()
    assert "x = 1\nx + 1" in pair.read_text()  # formatted
    nb = nbformat.read(pair.with_suffix(".ipynb"), as_version=4)
    assert nb.cells[0].metadata.slideshow.slide_type == "slide"
    assert nb.cells[0].source.startswith("# Small\n\n[![Open in Colab](") and nb.cells[0].source.endswith("\n\nA lecture.")
    assert nb.cells[-1].outputs[0].data["text/plain"] == "2"
    assert "Slowest cells" in capsys.readouterr().out

    first = pair.with_suffix(".ipynb").read_text()
    authoring.notebooks()
    assert pair.with_suffix(".ipynb").read_text() == first  # the same source gives the same file


def test_check_names_what_is_out_of_step(pair):
    authoring.notebooks()
    pair.write_text(pair.read_text().replace("x + 1", "x + 2").replace("Open in Binder", "Open"))
    found = "\n".join(authoring.problems_in(pair))
    assert "old badges" in found and "differ" in found

    authoring.notebooks()
    target = pair.with_suffix(".ipynb")
    nb = nbformat.read(target, as_version=4)
    nb.metadata.widgets = {}
    nb.cells[-1].execution_count = None
    nbformat.write(nb, target)
    found = "\n".join(authoring.problems_in(pair))
    assert "widget state" in found and "never run" in found


# --- without make


@pytest.fixture
def elsewhere(tmp_path):
    """`course_lib/make.py` of a course in another folder, and what it runs there."""
    root = tmp_path / "Mein Kürs ü"
    for name in ("course_lib/make.py", "pyproject.toml", "constraints.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    spec = importlib.util.spec_from_file_location("made", root / "course_lib/make.py")
    module, commands = importlib.util.module_from_spec(spec), []
    spec.loader.exec_module(module)
    really = module.run

    def run(*command, **how):
        command = [str(part) for part in command]
        commands.append(command)
        if "venv" in command:  # pip would take seconds, and the network
            really(*command, "--without-pip", **how)

    module.run = run
    return module, commands


def test_the_script_sets_up_the_course_in_a_folder_with_spaces_and_umlauts(elsewhere):
    module, commands = elsewhere
    module.main("setup")
    assert module.VENV.parent.name == "Mein Kürs ü" and module.PYTHON.exists()
    found = subprocess.run([module.PYTHON, "-c", "import sys; print(ascii(sys.prefix))"], capture_output=True, text=True, check=True)
    assert ast.literal_eval(found.stdout.strip()) == str(module.VENV)
    pip = [str(module.PYTHON), "-m", "pip", "install", "-c", "constraints.txt"]
    assert commands[1:3] == [[*pip, "torch"], [*pip, "-e", ".[lab,test]"]]
    assert [command[-1] for command in commands[3:]] == ["@jupyterlab/apputils-extension:announcements", "jupyterlab-jupytext"]
    assert {path.name for path in module.VENV.rglob("*.json")} == {"jupyter_server_config.json", "overrides.json"}

    commands.clear()
    module.main("setup")
    assert commands == []  # nothing is missing
    os.utime(module.ROOT / "constraints.txt", (2e9, 2e9))
    module.main("setup")
    assert len(commands) == 5


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
@pytest.mark.parametrize("target, options", [("lab", "--no-browser --port 8899"), ("test", ""), ("test", "-k flows")])
def test_the_script_does_what_make_does(elsewhere, target, options):
    module, commands = elsewhere
    module.set_up = lambda: None
    module.main(target, *options.split())
    printed = subprocess.run(["make", "-n", target, f"ARGS={options}"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    wanted = []
    for line in printed.splitlines():
        for part in line.split("||")[0].split("&&"):  # what follows || allows that no cell is chosen
            words = shlex.split(part, comments=True)
            words = words[1:] if words[0].startswith("OMP_NUM_THREADS") else words
            if words[0].startswith(".venv/bin/"):
                wanted.append([{"jupyter": "jupyterlab"}.get(name := Path(words[0]).name, name), *words[2 if name == "jupyter" else 1 :]])
    assert [command[2:] for command in commands] == wanted and {tuple(command[:2]) for command in commands} == {(str(module.PYTHON), "-m")}


def test_the_script_ends_in_a_sentence(elsewhere, monkeypatch):
    module, _ = elsewhere
    with pytest.raises(SystemExit, match="Usage: python course_lib/make.py {setup,lab,test}"):
        module.main("labb")
    monkeypatch.setattr(module.sys, "version_info", (3, 10, 2))
    with pytest.raises(SystemExit, match="needs Python 3.11 or newer, and this is .*: install a newer one"):
        module.main("lab")
    ast.parse(Path(module.__file__).read_text(encoding="utf-8"), feature_version=(3, 8))  # an old Python can read as far as that sentence


def test_the_readme_names_both_ways():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in ("lab", "test"):
        assert f"\nmake {target} " in readme and f"\npy course_lib\\make.py {target}\n" in readme


def run_and_saved(path):
    """Leave in a notebook what JupyterLab leaves there when it is run and saved."""
    nb = nbformat.read(path, as_version=4)
    nb.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    nb.metadata.kernelspec.display_name = ".venv (3.11.7)"
    nb.metadata.language_info.version = "3.11.7"
    nb.cells[-1].outputs[0].data[authoring.WIDGET_VIEW] = {"model_id": "1"}
    nb.cells[-1].metadata["execution"] = {"iopub.status.busy": "2026-11-29T12:00:00.000000Z"}
    nbformat.write(nb, path)


def test_a_notebook_that_was_run_is_no_problem_of_the_tests_but_must_not_be_committed(pair):
    authoring.notebooks()
    run_and_saved(pair.with_suffix(".ipynb"))
    assert authoring.problems_in(pair, run=True) == []
    assert any("widget state" in problem for problem in authoring.problems_in(pair))


def commit(folder):
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"]):
        subprocess.run(["git", *command], cwd=folder, check=True)


def edit_notebook(path, old, new):
    nb = nbformat.read(path, as_version=4)
    nb.cells[-1].source = nb.cells[-1].source.replace(old, new)
    nbformat.write(nb, path)


@pytest.mark.parametrize("tracked", [True, False])
def test_what_is_edited_in_either_half_of_a_pair_reaches_the_other(pair, tracked):
    authoring.notebooks()
    target = pair.with_suffix(".ipynb")
    if tracked:
        commit(authoring.ROOT)
    os.utime(pair, (1, 1))
    edit_notebook(target, "x + 1", "x + 5")
    authoring.notebooks()
    assert "x + 5" in pair.read_text() and nbformat.read(target, as_version=4).cells[-1].outputs[0].data["text/plain"] == "6"
    if tracked:
        subprocess.run(["git", "checkout", "-q", "."], cwd=authoring.ROOT, check=True)
    os.utime(target, (1, 1))
    pair.write_text(re.sub(r"x \+ \d", "x + 7", pair.read_text()))
    authoring.notebooks()
    assert nbformat.read(target, as_version=4).cells[-1].source.endswith("x + 7")


def test_two_edits_are_never_overwritten(pair):
    authoring.notebooks()
    commit(authoring.ROOT)
    target = pair.with_suffix(".ipynb")
    edit_notebook(target, "x + 1", "x + 5")
    pair.write_text(pair.read_text().replace("x + 1", "x + 7"))
    with pytest.raises(SystemExit, match="01_small.py and its .ipynb were both edited since the last commit"):
        authoring.notebooks()
    assert "x + 7" in pair.read_text() and nbformat.read(target, as_version=4).cells[-1].source.endswith("x + 5")


def test_clean_keeps_pictures_and_drops_widgets_and_progress():
    view = {authoring.WIDGET_VIEW: {"model_id": "1"}, "text/plain": "Explorer()"}
    noise = np.random.RandomState(0).randint(0, 8, (40, 40, 3)) * 32
    png = io.BytesIO()
    Image.fromarray(noise.astype("uint8")).save(png, format="PNG", compress_level=0)
    outputs = [
        nbformat.v4.new_output("display_data", data=view | {"image/png": base64.b64encode(png.getvalue()).decode()}),
        nbformat.v4.new_output("display_data", data=view),
        nbformat.v4.new_output("stream", name="stderr", text="\r 50%|#####     | 5/10"),
        nbformat.v4.new_output("stream", name="stdout", text="loss 1.0"),
    ]
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=outputs)], metadata={"widgets": {}})
    authoring.clean(nb)
    assert [output.get("text") or set(output.data) for output in nb.cells[0].outputs] == [{"image/png", "text/plain"}, "loss 1.0"]
    assert "widgets" not in nb.metadata
    smaller = base64.b64decode(nb.cells[0].outputs[0].data["image/png"])
    assert len(smaller) < len(png.getvalue())
    kept = np.asarray(Image.open(io.BytesIO(smaller)).convert("RGB")).astype(int)
    assert abs(kept - noise).mean() < 32  # colours are rounded, the picture stays


def test_a_notebook_that_is_too_big_is_refused(pair):
    pair.write_text(pair.read_text() + '\n# %%\nprint(("0123456789" * 10 + "\\n") * 15_000)\n')
    with pytest.raises(SystemExit, match=r"1\.\d\d MB .* 1\.5 is the most"):
        authoring.notebooks()
    assert not pair.with_suffix(".ipynb").exists()


def test_tests_cannot_reach_the_network():
    with pytest.raises(pytest.fail.Exception, match="looked up"):
        socket.create_connection(("example.org", 80))
    with pytest.raises(pytest.fail.Exception, match="connected to"):
        socket.socket().connect(("192.0.2.1", 80))
