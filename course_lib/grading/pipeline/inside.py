"""What runs in the sandbox: a notebook's cells one by one, and answers on the inputs that the judge sends.

python inside.py          serve the judge on standard input, which is a socket
python inside.py nursery  import what every hand-in needs, once, and fork for each that is announced on standard input

A nursery forks a hand-in into namespaces of its own, so that none sees the nursery, the next hand-in or what another one left behind.
What is here knows no answer and decides nothing.
"""

import base64
import builtins
import contextlib
import ctypes
import importlib
import json
import os
import pickle
import resource
import signal
import socket
import sys
import tempfile
import time
import types
from collections.abc import Callable
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from course_lib.grading import running
from course_lib.grading.pipeline import wire

MISSING = object()


class TimeIsOver(KeyboardInterrupt):
    """A cell or an answer has used up its time."""


def time_is_over(seconds: float) -> TimeIsOver:
    return TimeIsOver(f"not done after {seconds:.3g} s")


# --------------------------------------------------------------------------------------------------------------------
# A notebook's kernel, without the machinery of messages


class Outputs:
    """What a cell shows, as a notebook keeps it, and no more than `most` bytes of it."""

    def __init__(self, most: int):
        self.most = most
        self.begin()

    def begin(self) -> None:
        self.made, self.size, self.full, self.clear = [], 0, False, False

    def add(self, output: dict[str, Any], size: int, most: int) -> None:
        if self.clear:
            self.made, self.clear = [], False
        if self.size + size > most:  # what is left out takes no room: an error that comes after it is still kept
            if not self.full:
                self.made.append({"output_type": "stream", "name": "stderr", "text": ["[… more than is kept: the rest is left out]\n"]})
            self.full = True
            return
        self.size += size
        self.made.append(output)

    def write(self, name: str, text: str) -> None:
        text = text[: self.most + 1] if len(text) > self.most else text
        last = self.made[-1] if self.made and not self.clear else {}
        if last.get("output_type") == "stream" and last["name"] == name and self.size + len(text) <= self.most:
            last["text"].append(text)
            self.size += len(text)
        else:
            self.add({"output_type": "stream", "name": name, "text": [text]}, len(text), self.most)

    def show(self, kind: str, data: dict, metadata: dict, transient: dict | None = None, update: bool = False, **more: Any) -> None:
        if update:
            name = (transient or {}).get("display_id")
            for output in self.made:
                if name and output.get("display_id") == name:
                    output |= {"data": _mime(data), "metadata": metadata}
            return
        data = _mime(data)
        output = {"output_type": kind, "data": data, "metadata": metadata, **more}
        if name := (transient or {}).get("display_id"):
            output["display_id"] = name
        self.add(output, sum(len(str(each)) for each in data.values()), 8 * self.most)  # pictures are larger than text

    def kept(self) -> list[dict[str, Any]]:
        found = []
        for output in self.made:
            output.pop("display_id", None)
            found.append(output | {"text": "".join(output["text"])} if isinstance(output.get("text"), list) else output)
        return found


def _mime(data: dict) -> dict:
    return {key: base64.b64encode(value).decode() if isinstance(value, bytes) else value for key, value in data.items()}


class Stream:
    """Standard output or error of a cell."""

    encoding, errors, closed = "utf-8", "replace", False

    def __init__(self, outputs: Outputs, name: str, number: int):
        self.outputs, self.name, self.number = outputs, name, number

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.outputs.write(self.name, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        pass

    close = flush

    def isatty(self) -> bool:
        return False

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.number


class Kernel:
    """Runs cells as a notebook does: magics, displays, figures, errors."""

    def __init__(self, output: int):
        self.outputs = outputs = Outputs(output)
        self.streams = Stream(outputs, "stdout", 1), Stream(outputs, "stderr", 2)
        sys.stdout, sys.stderr = self.streams

        class Publisher(DisplayPublisher):
            def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **_):
                outputs.show("display_data", data, metadata or {}, transient, update)

            def clear_output(self, wait=False):
                outputs.clear = True
                if not wait:
                    outputs.made, outputs.clear = [], False

        class Hook(DisplayHook):
            def write_output_prompt(self):
                pass

            def write_format_data(self, format_dict, md_dict=None):
                outputs.show("execute_result", format_dict, md_dict or {}, execution_count=self.prompt_count)

            def finish_displayhook(self):
                pass

        class Shell(InteractiveShell):
            display_pub_class = Publisher
            displayhook_class = Hook

            def enable_gui(self, gui=None):
                pass

            def ask_exit(self):
                pass

            def _tee(self, channel):  # IPython 9 keeps all that is printed a second time, without an end
                return contextlib.nullcontext()

            def _showtraceback(self, kind, value, lines):
                text = said(value)[:10_000]
                shown = [str(line)[:20_000] for line in lines][:50]
                outputs.add({"output_type": "error", "ename": str(kind.__name__), "evalue": text, "traceback": shown}, 0, 8 * outputs.most)

        config = Config()
        config.HistoryManager.enabled = False
        self.shell = Shell.instance(
            config=config, colors="NoColor", display_pub_class=Publisher, displayhook_class=Hook, user_module=_module()
        )
        with contextlib.suppress(ImportError):  # figures are shown at the end of a cell
            from matplotlib_inline import backend_inline

            backend_inline.configure_inline_support(self.shell, "module://matplotlib_inline.backend_inline")

    @property
    def names(self) -> dict[str, Any]:
        return self.shell.user_ns

    def run(self, source: str, seconds: float) -> list[dict[str, Any]]:
        """Run a cell for at most so many seconds. Returns its outputs."""
        self.outputs.begin()
        before = written()
        sys.stdout, sys.stderr = self.streams
        try:
            with running.limited(seconds, time_is_over(seconds)):
                self.shell.run_cell(source, store_history=True)
        except BaseException as error:  # the time was over between two lines of ours, or the machinery itself was changed
            self.outputs.add(
                {"output_type": "error", "ename": type(error).__name__, "evalue": said(error)[:10_000], "traceback": []},
                0,
                8 * self.outputs.most,
            )
        self._what_c_wrote(before)
        return self.outputs.kept()

    def _what_c_wrote(self, before: int) -> None:
        """Libraries in C, and programs that were started, write past Python."""
        with contextlib.suppress(OSError):
            more = written() - before
            if more > 0:
                self.outputs.write("stdout", os.pread(1, min(more, self.outputs.most + 1), before).decode("utf-8", "replace"))


def _module() -> types.ModuleType:
    module = types.ModuleType("__main__", "A hand-in")
    sys.modules["__main__"] = module
    return module


def written() -> int:
    """Bytes that C has written so far."""
    with contextlib.suppress(OSError):
        return os.fstat(1).st_size
    return 0


def said(error: BaseException) -> str:
    """What an error says, if it can be said."""
    try:
        return str(error)
    except BaseException:
        return "an error that cannot be shown"


def no_input(prompt: str = "", *_) -> str:
    raise EOFError("nobody is there to type while a notebook is graded")


# --------------------------------------------------------------------------------------------------------------------
# Serving the judge


def serve(channel: socket.socket) -> None:
    """Do what the judge asks, until it goes away."""
    begin, _ = wire.receive(channel, most=wire.TRUSTED)
    os.chdir(_home())
    for name, data in begin["files"].items():
        os.makedirs(os.path.dirname(os.path.abspath(name)), exist_ok=True)
        with contextlib.suppress(OSError), open(name, "wb") as file:
            file.write(base64.b64decode(data))
    log = os.open(tempfile.mkdtemp() + "/output", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1), os.dup2(log, 2)
    os.close(log)
    _limit(begin["limits"])
    kernel = Kernel(begin["limits"]["output"])
    builtins.input = no_input
    kept: dict[str, Any] = {}
    wire.send(channel, {"ready": True})
    while True:
        try:
            message, blob = wire.receive(channel, most=wire.TRUSTED)
        except wire.Ended:
            os._exit(0)
        answer, blob = reply(kernel, kept, message, blob)
        wire.send(channel, {**answer, "to": message["number"]}, blob)


def reply(kernel: Kernel, kept: dict[str, Any], message: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
    """The answer to one message."""
    what, seconds = message["do"], message.get("seconds", 60)
    if what == "run":
        return {"outputs": kernel.run(message["source"], seconds)}, b""
    if what == "keep":  # as a test would find it now, whatever becomes of the name later
        found = kept[message["name"]] = kernel.names.get(message["name"], MISSING)
        there = found is not MISSING
        return {"there": there, "callable": callable(found), **(wire.told(found) if there and not callable(found) else {})}, b""
    kernel.outputs.begin()
    answer = kept[message["name"]]
    try:
        with running.limited(seconds, time_is_over(seconds)):
            if what == "observe":
                names, case, wanted, gradient = pickle.loads(blob)
                with running.plain():
                    return wire.packed(running.observe(answer, names, case, wanted, gradient))
            try:
                return wire.told(answer(*pickle.loads(blob))), b""
            except NotImplementedError:
                return {"problem": ["blank", ""]}, b""
            except Exception as error:
                kind = "library" if isinstance(error, ImportError) and (error.name or "").startswith("course_lib") else "error"
                return {"problem": [kind, running.where(error, answer)[:2000]]}, b""
    except TimeIsOver:
        return {"problem": ["time", f"your function did not end after {seconds:.3g} s"]}, b""
    except BaseException as error:  # SystemExit, or what an answer returned cannot even be looked at
        return {"problem": ["error", f"{type(error).__name__}: {said(error)[:300]}"]}, b""


def _home() -> str:
    home = os.environ.get("HOME") or tempfile.gettempdir()
    os.makedirs(home, exist_ok=True)
    return home


def _limit(limits: dict[str, int]) -> None:
    """What the system holds every process to, whoever starts it."""
    for name, most in {
        "RLIMIT_DATA": limits["memory"],
        "RLIMIT_FSIZE": limits["file"],
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 1024,
    }.items():
        with contextlib.suppress(ValueError, OSError, AttributeError):
            resource.setrlimit(getattr(resource, name), (most, most))
    with contextlib.suppress(ValueError, OSError):  # counts the user's processes, wherever they are
        if limits.get("alone"):
            resource.setrlimit(resource.RLIMIT_NPROC, (limits["processes"], limits["processes"]))


# --------------------------------------------------------------------------------------------------------------------
# The nursery

NEWNS, NEWIPC, NEWUSER, NEWPID = 0x20000, 0x8000000, 0x10000000, 0x20000000
READABLE = ("cpuinfo", "meminfo", "stat", "uptime", "version", "loadavg")  # of /proc


class System:
    """Calls of Linux that Python has no name for. OSError where one fails."""

    def __init__(self):
        self.library = ctypes.CDLL(None, use_errno=True)

    def __getattr__(self, name: str) -> Callable:
        function = getattr(self.library, name)

        def call(*arguments):
            if function(*arguments):
                raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")

        return call


def own_namespaces(system: System) -> None:
    """From here on the children of this process see neither other processes nor other's files."""
    uid, gid = os.getuid(), os.getgid()
    system.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: to be allowed to write the three files
    system.unshare(NEWNS | NEWIPC | NEWUSER | NEWPID)
    for name, text in {"setgroups": "deny", "uid_map": f"{uid} {uid} 1", "gid_map": f"{gid} {gid} 1"}.items():
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def own_files(system: System, size: int) -> None:
    """Fresh /tmp and home, and of /proc what tells about the machine alone."""
    rec, private, bind, nosuid, nodev, readonly, remount = 0x4000, 0x40000, 0x1000, 2, 4, 1, 0x20
    system.mount(None, b"/", None, rec | private, None)
    for place in ("/tmp", "/dev/shm", os.environ["HOME"]):
        system.mount(b"tmpfs", place.encode(), b"tmpfs", nosuid | nodev, f"size={size},mode=0700".encode())
    os.mkdir("/tmp/proc")
    for name in READABLE:
        if os.path.exists(f"/proc/{name}"):
            open(f"/tmp/proc/{name}", "w").close()
            system.mount(f"/proc/{name}".encode(), f"/tmp/proc/{name}".encode(), None, bind, None)
    system.mount(b"/tmp/proc", b"/proc", None, bind | rec, None)
    system.mount(None, b"/proc", None, bind | remount | readonly | nosuid | nodev, None)


def no_rights(system: System) -> None:
    """Give up what a namespace's owner may do."""
    for right in range(64):
        with contextlib.suppress(OSError):
            system.prctl(24, right, 0, 0, 0)  # PR_CAPBSET_DROP
    system.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    system.capset(header, nothing)


def nursery(control: socket.socket, modules: list[str], own: bool, size: int) -> None:
    """Import, then fork for each channel that comes. One hand-in lives at a time.

    own: whether each gets namespaces of its own
    """
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    system = System() if sys.platform == "linux" else None
    if system:
        system.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: what a hand-in leaves running comes back here
        if own:
            system.prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: nobody looks into this process
    control.sendall(b'{"ready": true}\n')
    child = None
    while True:
        data, handles, *_ = socket.recv_fds(control, 4096, 1)
        end(child)
        child = None
        if not data:
            os._exit(0)
        if handles:
            child = os.fork()
            if not child:
                control.close()
                with contextlib.suppress(BaseException):
                    hand_in(handles[0], system, own, size)
                os._exit(1)
            os.close(handles[0])
        control.sendall(json.dumps({"done": True, "child": child}).encode() + b"\n")


def hand_in(handle: int, system: System | None, own: bool, size: int) -> None:
    """The life of one hand-in."""
    channel = socket.socket(fileno=handle)
    os.setsid()
    try:
        if own:
            own_namespaces(system)
            inner = os.fork()
            if inner:
                channel.close()
                _, status = os.waitpid(inner, 0)
                os._exit(os.waitstatus_to_exitcode(status) & 0x7F)
            system.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
            own_files(system, size)
            no_rights(system)
    except OSError as error:
        wire.send(channel, {"refused": str(error)})
        os._exit(1)
    serve(channel)


def end(child: int | None) -> None:
    """End a hand-in and everything that it has started."""
    if child is None:
        return
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.kill(child, signal.SIGKILL)
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)  # whoever lost its parent is a child of this process now
        except ChildProcessError:
            return
        if not pid:
            for orphan in children():
                with contextlib.suppress(OSError):
                    os.kill(orphan, signal.SIGKILL)
            time.sleep(0.002)


def children() -> list[int]:
    with contextlib.suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]
    return []


def main() -> None:
    channel = socket.socket(fileno=os.dup(0))
    words, sys.argv, sys.path[0] = sys.argv[1:], [""], ""  # as in a notebook: what lies beside it can be imported
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    if words[:1] == ["nursery"]:
        nursery(channel, words[3:], words[1] == "own", int(words[2]))
    else:
        serve(channel)


if __name__ == "__main__":
    main()
