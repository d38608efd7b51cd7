"""What `make test-colab` does in .venv-colab, which has Colab's versions of everything: install the course, run it.

1. Run the set-up cell as Colab does, with the built wheel standing in for the one in /content.
2. Install the wheel once more, with its dependencies this time. Neither may change a version that was there, nor the second add one.
3. Run every lecture and solution far from the checkout, so that only what is in the wheel can help them.
"""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted([*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("solutions/*/*.ipynb")])
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def installed() -> set[str]:
    """NAME==VERSION of everything in this environment but the course."""
    lines = subprocess.run([*PIP, "freeze", "--all"], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line for line in lines if not line.startswith("deep-generative-course")}


def main() -> None:
    (wheel,) = (ROOT / "dist").glob("*.whl")
    subprocess.run([*PIP, "uninstall", "--quiet", "--yes", "deep-generative-course"], check=True)
    before = installed()

    # Colab: this variable is set, `pip` is the kernel's own, and /content may hold the wheel
    os.environ |= {"COLAB_RELEASE_TAG": "make test-colab", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    setup = next(cell.source for cell in nbformat.read(NOTEBOOKS[0], as_version=4).cells if "setup" in cell.metadata.get("tags", []))
    real_glob, glob.glob = glob.glob, lambda pattern: [str(wheel)]
    InteractiveShell.instance().run_cell(setup).raise_error()
    glob.glob = real_glob
    with_course = installed()
    subprocess.run([*PIP, "install", "--quiet", str(wheel)], check=True)
    subprocess.run([*PIP, "check"], check=True)
    if changed := before - installed():
        raise SystemExit(f"Installing the course changed what was there: {', '.join(sorted(changed))}")
    if forgotten := installed() - with_course:
        raise SystemExit(f"The set-up cell left out what the course needs: {', '.join(sorted(forgotten))}")
    new = ", ".join(sorted(with_course - before)) or "nothing"
    print(f"The course is installed; the {len(before)} packages that were there are unchanged. New: {new}.", flush=True)

    del os.environ["COLAB_RELEASE_TAG"]  # the course is there now; the cell would look for a wheel again
    os.environ["OMP_NUM_THREADS"] = "1"  # a notebook on each core
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, seconds in zip(NOTEBOOKS, pool.map(run, NOTEBOOKS)):
            print(f"{path.relative_to(ROOT)} ran in {seconds:.0f} s", flush=True)


def run(path: Path) -> float:
    """Every cell of a notebook, in a folder of its own; how long it took."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, folder)
        nb = nbformat.read(path, as_version=4)
        NotebookClient(nb, kernel_name="python3", timeout=600, resources={"metadata": {"path": folder}}).execute()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
