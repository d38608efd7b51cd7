"""Where hand-ins run: a view of the course without answers, and a confined process that sees nothing else."""

import ast
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import cloudpickle
import psutil
from nbformat import NotebookNode

from course_lib import checkpoints
from course_lib.grading import Task

from .exercise import ROOT
from .limits import Limits
from .syntax import parsed, parsed_cell

LIBRARY = ROOT / "course_lib"
TOPICS = {path.parent.name for path in LIBRARY.glob("grading/*/__init__.py")} - {"pipeline"}
# what an exercise's imports bring along, and would answer one of its tasks: it refuses
REFUSED = {"frechet_distance", "gaussian_distance", "mmd", "mmd_of_subsets", "kernel_sums", "kid", "kid_fast", "precision_recall"}
RUNNERS = ("auto", "bubblewrap", "docker", "podman", "none")
GROUPS = Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")
OURS = 64  # processes and threads of the sandbox itself
IMAGE = "COURSE_IMAGE"  # the variable that names the container's image, which holds Python and the course's packages

# --------------------------------------------------------------------------------------------------------------------
# The view: what an exercise imports, and no implementation that answers one of its tasks

TASKS = '''\
"""Stands for the tasks while a class is graded: it knows their names and no more."""

from course_lib.grading.running import CheckFailed, Outcome, grid, plain


class Task:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"Task({self.name!r})"

    def check(self, answer, hidden=None):
        print(f"{self.name} is checked when it is graded.")

    def yours_or_ours(self, namespace):
        """Yours: ours is not here."""
        answer = namespace.get(self.name)
        if not callable(answer):
            raise NameError(f"{self.name} is not defined")
        return answer
'''
TOPIC = '''\
"""The names of this exercise's tasks, and what else it imports."""

import pickle
from pathlib import Path

from course_lib.grading.tasks import Task

globals().update({{name: Task(task) for name, task in {tasks!r}.items()}})
globals().update(pickle.loads(Path(__file__).with_name("helpers.pickle").read_bytes()))
TASKS = tuple(value for value in globals().values() if isinstance(value, Task))
'''


def make_view(folder: Path, topic: str, release: NotebookNode) -> list[str]:
    """Write course_lib as a hand-in may see it. Returns the modules that every hand-in imports."""
    source = "\n".join(cell.source for cell in release.cells if cell.cell_type == "code")
    wanted = _imports(parsed_cell(source), "")
    copied: dict[str, set[str] | None] = {}
    queue = [(module, name) for module, names in wanted.items() for name in names or (None,) if not module.startswith("course_lib.grading")]
    queue += _models(source)
    while queue:
        module, name = queue.pop()
        if name and _file(f"{module}.{name}"):
            queue.append((f"{module}.{name}", None))
            module, name = module, "__name__"
        if not _file(module) or (module in copied and (copied[module] is None or name in copied[module])):
            continue
        for i in range(1, module.count(".") + 1):
            queue.append((module.rsplit(".", i)[0], "__name__"))
        if module.split(".")[1:2] and module.split(".")[1] not in TOPICS or module == "course_lib":  # shared: it answers nothing
            copied[module] = None
            queue += [(other, each) for other, names in _imports(parsed(_file(module).read_text("utf-8")), module).items()
                      if not _below(other, "course_lib.grading") for each in names or (None,)]  # fmt: skip
            continue
        copied.setdefault(module, set()).add(name or "__name__")
        text, needed = _shaken(module, copied[module])
        queue += _models(text)
        queue += [(other, each) for other, names in needed.items() for each in names or (None,)]
    for module, names in copied.items():
        _write(folder, module, None if names is None else _shaken(module, names)[0])
    for data in ("datasets/faces", *(("weights",) if "course_lib.checkpoints" in copied else ())):
        for path in (LIBRARY / data).iterdir():
            if path.is_file() and path.suffix != ".py":
                (folder / "course_lib" / data).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, folder / "course_lib" / data)
    _write_grading(folder, topic, wanted.get(f"course_lib.grading.{topic}") or set())
    return sorted({"torch", "numpy", "matplotlib.pyplot", "matplotlib_inline.backend_inline", "cloudpickle", "scipy.special"}
                  | {module for module in wanted if module.startswith("course_lib")} | _third_parties(source))  # fmt: skip


def _write_grading(folder: Path, topic: str, names: Iterable[str]) -> None:
    for name in ("__init__", "running", "words", "goals", "fixtures"):
        _write(folder, f"course_lib.grading.{name}".removesuffix(".__init__"), None)
    (folder / "course_lib/grading/tasks.py").write_text(TASKS, "utf-8")
    for name in ("inside", "wire"):
        _write(folder, f"course_lib.grading.pipeline.{name}", None)
    (folder / "course_lib/grading/pipeline/__init__.py").write_text("", "utf-8")
    place = folder / "course_lib/grading" / topic
    place.mkdir()
    module = __import__(f"course_lib.grading.{topic}", fromlist=["*"])
    found = {name: getattr(module, name) for name in names}
    tasks = {name: value.name for name, value in found.items() if isinstance(value, Task)}
    helpers = {name: value for name, value in found.items() if not isinstance(value, Task)}
    (place / "__init__.py").write_text(TOPIC.format(tasks=tasks), "utf-8")
    with by_value(topic):
        (place / "helpers.pickle").write_bytes(cloudpickle.dumps(helpers))


@contextlib.contextmanager
def by_value(topic: str):
    """Functions of the topic's tasks travel as code, since their files stay here."""
    prefix = f"course_lib.grading.{topic}"
    modules = [module for name, module in list(sys.modules.items()) if _below(name, prefix)]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _models(source: str) -> list[tuple[str, str]]:
    """The classes of the trained models that a source names: they are found by their records when it runs."""
    texts = {node.value for node in ast.walk(parsed_cell(source)) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    found = [checkpoints.record(name)["model"] for name in checkpoints.names() if name in texts]
    return [tuple(name.rsplit(".", 1)) for name in found if name]


def _below(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _file(module: str) -> Path | None:
    """The file of a module of course_lib; None where there is none."""
    base = ROOT.joinpath(*module.split("."))
    return next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()), None)


def _imports(tree: ast.AST, module: str) -> dict[str, set[str] | None]:
    """Modules of course_lib that are imported → the names taken from them; None where it is the module itself."""
    found: dict[str, set[str] | None] = {}
    package = module if module and _file(module) and _file(module).name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name: None for alias in node.names if _below(alias.name, "course_lib")}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            name = ".".join([*above, *([node.module] if node.module else [])])
            if _below(name, "course_lib"):
                found[name] = (found.get(name) or set()) | {alias.name for alias in node.names}
    return found


def _third_parties(source: str) -> set[str]:
    """Other modules that the release imports at the top of its cells."""
    found = set()
    for node in parsed_cell(source).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return {name for name in found if not name.startswith("course_lib")}


def _shaken(module: str, names: set[str]) -> tuple[str, dict[str, set[str] | None]]:
    """A module's source with what these names need and nothing else, and what that needs of other modules."""
    text = _file(module).read_text("utf-8")
    tree = parsed(text)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in REFUSED:
            node.body = parsed('raise ImportError("not there while a class is graded", name="course_lib")').body
    bound: dict[str, list[ast.stmt]] = {}
    for node in tree.body:
        for name in _binds(node):
            bound.setdefault(name, []).append(node)
    keep, queue, used = set(), [name for name in names if name != "__name__"], set()
    while queue:
        name = queue.pop()
        if name in used:
            continue
        used.add(name)
        for node in bound.get(name, ()):
            keep.add(id(node))
            if not isinstance(node, ast.Import | ast.ImportFrom):
                queue += [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]
    lines, needed = [], {}
    for node in tree.body:
        if id(node) not in keep:
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [alias for alias in node.names if (alias.asname or alias.name.split(".")[0]) in used]
            for other, each in _imports(node, module).items():
                needed[other] = (needed.get(other) or set()) | (each or set()) or None
        else:
            for other, each in _imports(node, module).items():
                needed[other] = (needed.get(other) or set()) | (each or set()) or None
        lines.append(ast.unparse(node))
    return "\n\n".join(lines) + "\n", needed


def _binds(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


def _write(folder: Path, module: str, source: str | None) -> None:
    path = folder / _file(module).relative_to(ROOT)
    path.parent.mkdir(parents=True, exist_ok=True)
    if source is None:
        shutil.copy(_file(module), path)
    else:
        path.write_text(source, "utf-8")


# --------------------------------------------------------------------------------------------------------------------
# Runners


def find_runner(runner: str) -> str:
    """The runner to take.

    Raises:
        ValueError: there is none, or not this one
    """
    if runner not in RUNNERS:
        raise ValueError(f"There is no runner {runner!r}; there are {', '.join(RUNNERS)}.")
    if os.name == "nt":
        raise ValueError("Hand-ins cannot be graded on Windows itself: use WSL, where `apt install bubblewrap` gives a sandbox.")
    if runner == "auto":
        if sys.platform == "linux" and bubblewrap_works():
            return "bubblewrap"
        raise ValueError(
            "Hand-ins are programs, and there is no sandbox to run them in: install bubblewrap (Linux), name a container engine with "
            "--runner docker or podman, or run them with your own rights with --no-sandbox."
        )
    program = {"bubblewrap": "bwrap"}.get(runner, runner)
    if runner != "none" and not shutil.which(program):
        raise ValueError(f"The runner {runner} needs the program {program}, which is not there: install it, or choose another runner.")
    if runner == "bubblewrap" and not bubblewrap_works():
        raise ValueError(
            "bubblewrap is there, but the system does not let it make a sandbox: allow user namespaces, or choose another runner."
        )
    return runner


def bubblewrap_works() -> bool:
    command = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    return False


def environment(home: str, library: str, data: str | None) -> dict[str, str]:
    """The whole environment of a hand-in: nothing of the instructor's."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "USER": "student",
        "LANG": "C.UTF-8",
        "PYTHONPATH": library,
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        **({"COURSE_DATA_DIR": data} if data else {}),
    }


def command(runner: str, view: Path, home: Path, limits: Limits, words: list[str]) -> tuple[list[str], dict[str, str]]:
    """How to start inside.py with these words, and with which environment."""
    data = os.environ.get("COURSE_DATA_DIR")
    data = data if data and Path(data).is_dir() else None
    script = "course_lib/grading/pipeline/inside.py"
    if runner == "none":
        return [sys.executable, str(view / script), *words], environment(str(home), str(view), data)
    inner = environment("/home/student", "/course/lib", data and "/course/data")
    if runner in ("docker", "podman"):
        most = {"--memory": limits.memory, "--memory-swap": limits.memory, "--pids-limit": limits.processes}
        rooms = [f"{place}:rw,exec,nosuid,nodev,size={limits.memory // 4}" for place in ("/tmp", "/home/student")]
        return [
            *(runner, "run", "--rm", "--interactive", "--network", "none", "--read-only", "--init"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "65534:65534", "--workdir", "/home/student"),
            *(f"{key}={value}" for key, value in most.items()),
            *("--ulimit", f"fsize={limits.file}", "--ulimit", "core=0"),
            *(word for room in rooms for word in ("--tmpfs", room)),
            *("--volume", f"{view}:/course/lib:ro", *(("--volume", f"{data}:/course/data:ro") if data else ())),
            *(word for key, value in inner.items() if key != "PATH" for word in ("--env", f"{key}={value}")),
            *(os.environ.get(IMAGE, "deep-generative-course"), "python", f"/course/lib/{script}", *words),
        ], dict(os.environ)  # fmt: skip
    prefix, base = Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()
    place = "/course/env" if prefix != base else str(prefix)
    python = f"{place}/{Path(sys.executable).parent.name}/{Path(sys.executable).name}"
    installed = Path(sysconfig.get_path("purelib")).resolve() / "course_lib"
    size = str(limits.memory // 4)
    return [
        *("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--hostname", "course"),
        *("--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"),
        *_system(),
        *("--proc", "/proc", "--dev", "/dev", "--size", size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"),
        *("--size", size, "--tmpfs", "/tmp", "--size", size, "--tmpfs", "/home/student"),
        *("--ro-bind", str(base), str(base), *(("--ro-bind", str(prefix), place) if prefix != base else ())),
        *(("--tmpfs", f"{place}/{installed.relative_to(prefix)}") if installed.is_dir() and installed.is_relative_to(prefix) else ()),
        *("--ro-bind", str(view), "/course/lib", *(("--ro-bind", str(Path(data).resolve()), "/course/data") if data else ())),
        *("--remount-ro", "/", "--chdir", "/home/student"),
        *(word for key, value in inner.items() for word in ("--setenv", key, value)),
        *(python, f"/course/lib/{script}", *words),
    ], dict(os.environ)  # fmt: skip


def _system() -> list[str]:
    """The system's programs and libraries, and what of /etc they read."""
    words = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        path = Path("/") / name
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    for name in ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "fonts", "localtime", "alternatives"):
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return words


class Confined(subprocess.Popen):
    """A process with all that it starts. fence: the control group that counts them, where the system gives us one."""

    fence: Path | None = None

    def end(self) -> None:
        """Kill it with its process group, and with whatever else is behind its fence."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            self.kill()
        self.wait()
        for _ in range(100 if self.fence else 0):  # a group is empty once its last process is gone
            with contextlib.suppress(OSError):
                for pid in (self.fence / "cgroup.procs").read_text().split():
                    with contextlib.suppress(OSError):
                        os.kill(int(pid), signal.SIGKILL)
            try:
                self.fence.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.02)


def fenced(most: int) -> Path | None:
    """A new control group in which at most so many processes and threads can live; None where the system gives us none.

    A limit of the user's processes (`RLIMIT_NPROC`) does not hold for root, and a watch that looks now and then comes too late for a
    process that doubles.
    """
    for base in GROUPS:
        group = base / f"course-grading-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            if not (base / "cgroup.procs").exists():
                continue
            group.mkdir()
            (group / "pids.max").write_text(str(most))
            return group
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
    return None


def sweep() -> None:
    """Remove what grading processes left behind that were killed: folders of ours, and empty control groups."""
    for base in (Path(tempfile.gettempdir()), *GROUPS):
        for place in base.glob("course-grading-*"):
            number = place.name.split("-")[2]
            with contextlib.suppress(OSError, OverflowError):
                if number.isdecimal() and not psutil.pid_exists(int(number)) and place.lstat().st_uid == os.getuid():
                    place.rmdir() if base in GROUPS else shutil.rmtree(place, ignore_errors=True)


def start(
    runner: str, view: Path, home: Path, limits: Limits, words: list[str], log: int = subprocess.DEVNULL
) -> tuple[Confined, socket.socket]:
    """A process and our end of its standard input, a socket."""
    ours, theirs = socket.socketpair()
    line, env = command(runner, view, home, limits, words)
    fence = fenced(limits.processes + OURS) if runner in ("bubblewrap", "none") and sys.platform == "linux" else None
    if fence:  # it goes behind the fence before it is anything
        line = ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', str(fence / "cgroup.procs"), *line]
    with theirs:
        process = Confined(line, stdin=theirs, stdout=theirs, stderr=log, env=env, cwd=home, start_new_session=True)
    process.fence = fence
    return process, ours
