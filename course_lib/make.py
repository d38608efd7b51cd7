"""The course's two commands for machines without make, such as Windows: `py course_lib/make.py lab`, and `test`.

It needs Python alone, and sets up `.venv` first where it is missing or stale. The Makefile's own set-up is the one below.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
PYTEST = ["-m", "pytest", "-n", "auto", "--maxprocesses", "4"]


def run(*command, allowed=(0,), **environment):
    """Run a command in the course's folder; where it fails, end with its exit status and without a traceback."""
    command = [str(part) for part in command]
    print("+", subprocess.list2cmdline(command), flush=True)
    # as in the Makefile: else every test, kernel and worker compiles everything once more
    status = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment}).returncode
    if status not in allowed:
        sys.exit(status)


def set_up():
    """Make `.venv`, with what constraints.txt names; nothing where it is newer than pyproject.toml and constraints.txt."""
    if sys.version_info < (3, 11):  # noqa: UP036 (whoever has an older one meets this line first)
        sys.exit(
            f"The course needs Python 3.11 or newer, and this is {sys.version.split()[0]}: install a newer one, and begin again with it"
        )
    ready = VENV / "ready"
    if ready.exists() and all(ready.stat().st_mtime >= (ROOT / name).stat().st_mtime for name in ("pyproject.toml", "constraints.txt")):
        return
    run(sys.executable, "-m", "venv", VENV)
    # by -m, not by the scripts beside python: those hold the path of .venv, which not every system reads when it has spaces or umlauts
    pip = [PYTHON, "-m", "pip", "install", "-c", "constraints.txt"]
    run(*pip, "torch")
    run(*pip, "-e", ".[lab,test]")
    configure()
    ready.touch()


def configure():
    """JupyterLab as the course wants it."""
    disable = [PYTHON, "-m", "jupyterlab.labextensions", "disable", "--level=sys_prefix"]
    run(*disable, "@jupyterlab/apputils-extension:announcements")  # no pop-up that asks for news
    run(*disable, "jupyterlab-jupytext")  # who reads a lecture must not meet its pair
    files = {
        "etc/jupyter/jupyter_server_config.json": {"ServerApp": {"jpserver_extensions": {"jupyterlab_jupytext": False}}},
        # a lecture that is saved and opened again shows its explorers' last pictures
        "share/jupyter/lab/settings/overrides.json": {"@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True}},
    }
    for name, content in files.items():
        (VENV / name).parent.mkdir(parents=True, exist_ok=True)
        (VENV / name).write_text(json.dumps(content) + "\n", encoding="utf-8")


def lab(*options):
    """Open the lectures in JupyterLab."""
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # a container: JupyterLab refuses unless told
    run(PYTHON, "-m", "jupyterlab", "--ip=127.0.0.1", "--LabApp.default_url=/lab/tree/notebooks", *root, *options)


def test(*options):
    """The tests, every lecture and every solution."""
    run(PYTHON, "-m", "ruff", "check", ".")
    run(PYTHON, "-m", "ruff", "format", "--check", ".")
    run(PYTHON, *PYTEST, "--dist", "loadgroup", "--no-loadscope-reorder", "-m", "not slow", "tests", *options)
    # 5: the options chose no cell
    run(PYTHON, *PYTEST, "--dist", "loadfile", "--nbval", "solutions", *options, allowed=(0, 5) if options else (0,), OMP_NUM_THREADS="1")


def main(command=None, *options):
    """Set up what is missing, then do what is asked for."""
    asked = {"setup": None, "lab": lab, "test": test}
    if command not in asked:
        sys.exit(f"{__doc__}\nUsage: python course_lib/make.py {{{','.join(asked)}}} [OPTIONS]")
    set_up()
    if asked[command]:
        asked[command](*options)


if __name__ == "__main__":
    main(*sys.argv[1:])
