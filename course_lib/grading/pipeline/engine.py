"""Run a hand-in where it can do no harm, and judge it outside: `Engine("02_autoencoders").run(notebook)`.

Three kinds of processes work together. This one hands out work and watches. The judge (`judge.py`) has run the solution and forks for
each hand-in. A nursery (`inside.py`) sits in a sandbox, has imported what every hand-in imports, and forks for each; there is one for each
hand-in that runs at the same time.
"""

import base64
import contextlib
import copy
import json
import os
import queue
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbformat import NotebookNode

from . import sandbox, wire
from .exercise import ROOT, assignments
from .limits import Limits

__all__ = ["Engine", "Limits", "Result"]


@dataclass
class Result:
    """What became of a hand-in.

    notebook: executed, outputs bounded; check cells show the judge's lines
    points: by task, None where a human grades
    mistakes: by task, a known mistake's label or a kind of failure
    remarks: in the course's words, for teacher and student
    seen: what looked like a trick, as what was seen
    failure: why it could not be graded at all, in one sentence
    """

    notebook: NotebookNode
    points: dict[str, float | None] = field(default_factory=dict)
    mistakes: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    failure: str | None = None


class Engine:
    """Runs and judges the hand-ins of one assignment. A context manager; `run` may be called from several threads.

    runner: "auto" (bubblewrap where it works), "bubblewrap", "docker", "podman", or "none": with the rights of whoever grades

    Raises:
        ValueError: no such assignment, or no sandbox, in one sentence
    """

    def __init__(self, assignment: str, limits: Limits | None = None, runner: str = "auto"):
        if assignment not in assignments():
            raise ValueError(f"There is no assignment {assignment!r}; there are {', '.join(assignments()) or 'none'}.")
        self.assignment, self.limits = assignment, limits or Limits()
        self.runner = sandbox.find_runner(runner)
        self.release = released(assignment)
        sandbox.sweep()
        self._place = tempfile.TemporaryDirectory(prefix=f"course-grading-{os.getpid()}-", ignore_cleanup_errors=True)
        folder = Path(self._place.name).resolve()
        self._view, self._memory = folder / "view", folder / "measured"
        self._view.mkdir(), self._memory.mkdir()
        self._modules = sandbox.make_view(self._view, assignment.split("_", 1)[1], self.release)
        self._own = self.runner == "bubblewrap"  # whether a nursery gives each hand-in namespaces of its own
        self._starter = ThreadPoolExecutor(1)  # bubblewrap dies with the thread that started it: this one lives as long as we do
        self._idle: queue.SimpleQueue[Nursery] = queue.SimpleQueue()
        self._all: list[Nursery] = []
        self._closing = False
        self._lock, self._judge = threading.Lock(), Judge(assignment, self._memory)  # it gets ready while a nursery does

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """End every process. Threads that still run hand-ins are refused whatever they ask for from now on."""
        with self._lock:
            self._closing = True
        self._starter.shutdown(cancel_futures=True)  # what was being started is known after it
        for nursery in list(self._all):
            nursery.close()
        self._judge.close()
        self._place.cleanup()
        shutil.rmtree(self._place.name, ignore_errors=True)  # a process that was dying may have written meanwhile

    def run(self, notebook: NotebookNode, files: Mapping[str, bytes] = {}, limits: Limits | None = None) -> Result:
        """Run and judge one hand-in.

        notebook: repaired against the release
        files: what lies beside it, by name
        limits: others than those of the class
        """
        limits = limits or self.limits
        notebook = copy.deepcopy(notebook)
        for attempt in (1, 2):  # a machine may fail once
            nursery = None
            try:
                nursery = self._get_nursery()
                judge = self._get_judge()
                found = self._try(judge, nursery, notebook, files, limits)
            except (wire.Ended, wire.Late, wire.Nonsense, OSError) as problem:
                found = {"failure": f"grading it broke off ({type(problem).__name__})"}
                if isinstance(problem, wire.Late):  # it would take as long again
                    break
            finally:
                self._put_back(nursery)
            if found.get("notebook") or attempt == 2:
                break
        done = nbformat.from_dict(found.pop("notebook")) if found.get("notebook") else notebook
        return Result(done, **{key: found[key] for key in ("points", "mistakes", "remarks", "seen", "failure") if key in found})

    def _try(
        self, judge: "Judge", nursery: "Nursery", notebook: NotebookNode, files: Mapping[str, bytes], limits: Limits
    ) -> dict[str, Any]:
        talk, pid = judge.open(), None
        over = time.monotonic() + limits.whole + 3 * limits.cell + 150
        with talk:
            order = {
                "notebook": notebook,
                "release": self.release,
                "limits": asdict(limits),
                "files": {name: base64.b64encode(data).decode() for name, data in files.items()},
                "alone": self._own,
            }
            wire.send(talk, order, until=over)
            while True:
                while not select.select([talk], [], [], 0.2)[0]:
                    nursery.watch(limits)
                    if time.monotonic() > over:
                        if pid:
                            with contextlib.suppress(OSError):
                                os.kill(pid, signal.SIGKILL)
                        raise wire.Late
                message, _ = wire.receive(talk, over, wire.TRUSTED)
                if "need" not in message:
                    return message
                pid = message["pid"]
                ours = nursery.channel()
                try:
                    socket.send_fds(talk, [b"s"], [ours.fileno()])
                finally:
                    ours.close()

    def _get_judge(self) -> "Judge":
        with self._lock:
            if self._closing:
                raise wire.Ended
            if not self._judge.alive:
                self._judge.close()
                self._judge = Judge(self.assignment, self._memory)
            return self._judge

    def _get_nursery(self) -> "Nursery":
        with contextlib.suppress(queue.Empty):
            while True:
                found = self._idle.get_nowait()
                if found.alive:
                    return found

        def start(words: list[str]) -> None:
            with self._lock:
                if self._closing:
                    raise wire.Ended
                started = self._starter.submit(begin, words)
            try:
                started.result()
            except CancelledError:
                raise wire.Ended from None

        def begin(words: list[str]) -> None:
            made.process, made.control = sandbox.start(self.runner, self._view, home, self.limits, words)

        with self._lock:
            if self._closing:
                raise wire.Ended
            home = Path(tempfile.mkdtemp(prefix="home-", dir=self._place.name))
            made = Nursery(start, self.runner in ("docker", "podman"), self.limits, self._modules, self._own)
            self._all.append(made)
        try:
            made.begin()
        except BaseException:
            made.close()
            self._all.remove(made)
            raise
        return made

    def _put_back(self, nursery: "Nursery | None") -> None:
        if nursery is None:
            return
        try:
            nursery.stop()
            self._idle.put(nursery)
        except (OSError, wire.Ended, wire.Late):
            nursery.close()
            self._all.remove(nursery)


class Judge:
    """The process of `judge.py`."""

    def __init__(self, assignment: str, memory: Path):
        self.assignment = assignment
        self.control, theirs = socket.socketpair()
        words = [sys.executable, "-m", "course_lib.grading.pipeline.judge", assignment, str(memory)]
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), "OMP_NUM_THREADS": "1"}
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        self.lock, self.ready = threading.Lock(), False
        with theirs:
            self.process = sandbox.Confined(
                words, stdin=theirs, stdout=subprocess.DEVNULL, stderr=self.log, env=env, start_new_session=True
            )

    def _wait(self) -> None:
        """Until the solution has run."""
        with self.lock:
            if self.ready:
                return
            first = {}
            with contextlib.suppress(wire.Ended, wire.Late, wire.Nonsense):
                first, _ = wire.receive(self.control, time.monotonic() + 1800)
            if not first.get("ready"):
                raise ValueError(f"The solution of {self.assignment} does not run: {first.get('failure', 'it ended')}.")
            self.ready = True

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def open(self) -> socket.socket:
        """A line to a fresh judge of one hand-in."""
        self._wait()
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self.control, [b"j"], [theirs.fileno()])
        return ours

    def close(self) -> None:
        self.control.close()
        self.process.end()
        self.log.close()


class Nursery:
    """A sandbox in which hand-ins are run, one after the other.

    fresh: whether each hand-in gets a sandbox of its own, as it does of a container engine
    """

    def __init__(self, start: Callable, fresh: bool, limits: Limits, modules: list[str], own: bool):
        self.start, self.fresh, self.process, self.control = start, fresh, None, None
        self.words = ["nursery", "own" if own else "shared", str(limits.memory // 4), *modules]

    def begin(self) -> None:
        if not self.fresh:
            self.start(self.words)
            self._hear(1200)

    @property
    def alive(self) -> bool:
        return self.fresh or self.process.poll() is None

    def _hear(self, seconds: float) -> dict[str, Any]:
        """A line from the nursery, which is ours."""
        line, until = b"", time.monotonic() + seconds
        while not line.endswith(b"\n"):
            if not select.select([self.control], [], [], max(0, until - time.monotonic()))[0]:
                raise wire.Late
            more = self.control.recv(4096)
            if not more:
                raise wire.Ended
            line += more
        return json.loads(line)

    def channel(self) -> socket.socket:
        """A line to a fresh hand-in; the one before is ended."""
        if self.fresh:
            self.stop()
            self.start([])
            return self.control
        try:
            return self._fork()
        except (OSError, wire.Ended, wire.Late):  # without walls a hand-in can end what it was forked from
            self.close()
            self.begin()
            return self._fork()

    def _fork(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self.control, [b"s"], [theirs.fileno()])
        self._hear(120)
        return ours

    def stop(self) -> None:
        """End the hand-in and whatever it has started."""
        if self.fresh:
            if self.process:
                self.process.end()
                self.process = None
            return
        self.control.send(b"e")
        self._hear(120)

    def watch(self, limits: Limits) -> None:
        """End a hand-in that takes more memory or processes than it may."""
        if self.process is None or self.fresh:  # the engine of containers watches itself
            return
        below = []
        with contextlib.suppress(psutil.Error):
            below = psutil.Process(self.process.pid).children(recursive=True)
        too_much = (
            sum(_memory(each, "rss") for each in below) > limits.memory and sum(_memory(each, "pss") for each in below) > limits.memory
        )
        if too_much or len(below) > limits.processes + 4:
            with contextlib.suppress(OSError, wire.Ended, wire.Late):
                self.stop()

    def close(self) -> None:
        if self.control:
            self.control.close()
        if self.process:
            self.process.end()


def _memory(process: psutil.Process, kind: str) -> int:
    """Bytes of a process: `rss` is read at once, in `pss` each page that several share counts once."""
    with contextlib.suppress(psutil.Error, OSError):
        return process.memory_info().rss if kind == "rss" else getattr(process.memory_full_info(), "pss", process.memory_info().rss)
    return 0


def released(assignment: str) -> NotebookNode:
    """The exercise as nbgrader makes it of the solution: without answers and hidden tests."""
    from nbgrader.preprocessors import ClearHiddenTests, ClearOutput, ClearSolutions

    notebook = nbformat.read(ROOT / "solutions" / assignment / f"{assignment}.ipynb", as_version=4)
    resources = {"language": "python", "metadata": {}}
    for step in (ClearOutput, ClearSolutions, ClearHiddenTests):
        notebook, resources = step().preprocess(notebook, resources)
    return notebook
