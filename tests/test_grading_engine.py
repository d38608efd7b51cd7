"""Hand-ins as strangers write them, run in the sandbox and judged outside: what honest work keeps, and that tricks earn nothing."""

import ast
import contextlib
import copy
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import nbformat
import psutil
import pytest
import torch
from nbformat.v4 import new_code_cell
from torch import nn

pytest.importorskip("nbgrader")
pytest.importorskip("cloudpickle")

from course_lib.grading import Task, running
from course_lib.grading.pipeline import judge, sandbox, seen, wire
from course_lib.grading.pipeline.engine import Engine, Limits
from course_lib.grading.pipeline.exercise import ROOT, assignments, grade_id, is_answer, is_by_hand, most_points, task_of, tasks_of
from course_lib.grading.words import Unseen, type_name


def counts_processes() -> bool:
    """Whether the system gives us a control group that does."""
    if group := sandbox.fenced(100):
        group.rmdir()
    return group is not None


CONFINED = sys.platform == "linux" and shutil.which("bwrap") is not None and sandbox.bubblewrap_works()
RUNNER = "auto" if CONFINED else "none"
counted = pytest.mark.skipif(
    getattr(os, "geteuid", lambda: 1)() == 0 and not (CONFINED and counts_processes()), reason="nothing counts the processes of root here"
)
confined = pytest.mark.skipif(not CONFINED, reason="bubblewrap makes no sandbox here")
LIMITS = Limits(cell=40, whole=300, memory=3 << 29, processes=24, file=8 << 20, output=1 << 18)

RIGHT = """\
def kl_between(q, p):
    happens = q > 0
    return (q[happens] * (q[happens] / p[happens]).log()).sum()
"""
WRONG = "def kl_between(q, p):\n    return torch.tensor(0.5)\n"


def named(notebook) -> dict:
    return {grade_id(cell): cell for cell in notebook.cells if grade_id(cell)}


def shown(notebook) -> str:
    """Everything that a notebook shows."""
    return json.dumps([cell.get("outputs", []) for cell in notebook.cells], ensure_ascii=False)


@dataclass
class HandIn:
    """One hand-in of exercise 00, and what should become of it.

    answer: the answer's cell;  before, after: cells of one's own above the answer, and below the check
    points: of one;  label: what the report says of the mistake;  seen: part of what is listed;  says: part of what the notebook shows
    """

    answer: str = RIGHT
    before: str = ""
    after: str = ""
    points: float = 1.0
    label: str | None = None
    seen: str = ""
    says: str = ""
    remark: str = ""
    files: dict = field(default_factory=dict)
    seconds: float = LIMITS.cell

    def notebook(self, release):
        notebook = copy.deepcopy(release)
        notebook.cells = [cell for cell in notebook.cells if grade_id(cell)]  # the others show pictures
        cells = named(notebook)
        cells["kl_between"].source = self.answer
        place = notebook.cells.index(cells["kl_between"])
        if self.after:
            notebook.cells.insert(notebook.cells.index(cells["check_kl_between"]) + 1, new_code_cell(self.after))
        if self.before:
            notebook.cells.insert(place, new_code_cell(self.before))
        return notebook

    def agree(self, result) -> None:
        assert result.failure is None, result.failure
        assert result.points == {"kl_between": self.points}, (result.mistakes, result.remarks, shown(result.notebook)[-3000:])
        assert bool(result.mistakes) == (self.points == 0)
        if self.label:
            assert result.mistakes == {"kl_between": self.label}
        assert any(self.seen in line for line in result.seen) or not self.seen, result.seen
        assert self.says in shown(result.notebook)
        assert any(self.remark in line for line in result.remarks) or not self.remark, result.remarks
        nbformat.validate(result.notebook)


def trick(before: str = "", answer: str = WRONG, label: str | None = None, **more) -> HandIn:
    return HandIn(answer, before, points=0.0, label=label, **more)


HONEST = {
    "right": HandIn(),
    "def with a space": HandIn(RIGHT.replace("kl_between(", "kl_between (")),
    "a lambda": HandIn("kl_between = lambda q, p: torch.xlogy(q, q / p).sum()"),
    "a partial": HandIn(
        "from functools import partial\n\ndef any_base(base, q, p):\n"
        "    return torch.xlogy(q, q / p).sum() / base\n\nkl_between = partial(any_base, 1.0)"
    ),
    "an object that is called": HandIn(
        "class KL:\n    def __call__(self, q, p):\n        return torch.xlogy(q, q / p).sum()\n\nkl_between = KL()"
    ),
    "a decorator": HandIn("@torch.no_grad()\n" + RIGHT),
    "numpy inside": HandIn(
        "import numpy as np\n\ndef kl_between(q, p):\n    q, p = q.numpy().ravel(), p.numpy().ravel()\n"
        "    return float(sum(a * np.log(a / b) for a, b in zip(q, p) if a))"
    ),
    "helpers in another cell": HandIn(
        "def kl_between(q, p):\n    return both(q, p).sum()", "def both(q, p):\n    return torch.xlogy(q, q / p)"
    ),
    "stderr": HandIn(RIGHT.replace("    happens", "    import sys\n    print('hm', file=sys.stderr)\n    happens", 1)),
    "logging": HandIn(RIGHT.replace("    happens", "    import logging\n    logging.warning('hm')\n    happens", 1)),
    "warnings": HandIn(RIGHT.replace("    happens", "    import warnings\n    warnings.warn('hm')\n    happens", 1)),
    "warnings as errors": HandIn(before="import warnings\nwarnings.simplefilter('error')"),
    "a library in C that writes": HandIn(
        RIGHT.replace("    happens", "    import os\n    os.write(1, b'c')\n    os.write(2, b'c')\n    happens", 1),
        after="import os\nos.write(2, b'from afar')",
        says="from afar",
    ),
    "a program that writes": HandIn(before="!echo from a program", says="from a program"),
    "magic": HandIn("%%time\n" + RIGHT),
    "matplotlib by magic": HandIn(before="%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);", says="image/png"),
    "a value shown": HandIn(before="torch.arange(3)", says="tensor([0, 1, 2])"),
    "markdown shown": HandIn(before="from IPython.display import Markdown\nMarkdown('*so*')", says="*so*"),
    "await": HandIn(before="import asyncio\nawait asyncio.sleep(0.01)\nprint('waited')", says="waited"),
    "input": HandIn(before="name = input('who? ')", says="EOFError"),
    "gradients off": HandIn(before="torch.set_grad_enabled(False)"),
    "float64": HandIn(before="torch.set_default_dtype(torch.float64)"),
    "another device": HandIn(before="torch.set_default_device('meta')"),
    "a failing test of one's own": HandIn(after="assert kl_between(torch.ones(2) / 2, torch.ones(2) / 2) > 1", says="AssertionError"),
    "the check once more": HandIn(after="KL_BETWEEN.check(kl_between)"),
    "the library looked at": HandIn(after="from course_lib import autoencoders\nautoencoders.gaussian_kl", says="autoencoders"),
    "the name taken for something else below": HandIn(after="kl = 3\nhappens = None"),
    "many prints": HandIn(RIGHT.replace("    happens", "    print('so ' * 1000)\n    happens", 1), "for i in range(20_000):\n    print(i)"),
    "no end of a line": HandIn(before="print('x' * 10**7)", says="more than is kept"),
    "prints of more than its memory": HandIn(before="for _ in range(20_000):\n    print('x' * 100_000)", says="more than is kept"),
    "a word to stderr after too many prints": HandIn(
        before="import sys\nfor _ in range(10):\n    print('x' * 100_000, end='')\nprint('so far', file=sys.stderr)", says="so far"
    ),
    "a bar of tqdm": HandIn(before="from tqdm.auto import tqdm\nfor _ in tqdm(range(100)):\n    pass"),
    "a file written": HandIn(before="open('a.txt', 'w').write('mine')\nprint(open('a.txt').read())", says="mine"),
    "a file handed in": HandIn(before="print(open('notes/a.txt').read())", files={"notes/a.txt": b"my notes"}, says="my notes"),
    "a thread left behind": HandIn(before="import threading, time\nthreading.Thread(target=lambda: time.sleep(1000)).start()"),
    "a program left behind": HandIn(before="import subprocess\nsubprocess.Popen(['sleep', '1000'])"),
    "a process left behind": HandIn(before="import os, time\nif os.fork() == 0:\n    time.sleep(1000)"),
    "sys.exit in a cell of one's own": HandIn(before="import sys\nsys.exit(3)"),
    "exit()": HandIn(before="exit()"),
    "os._exit in a cell of one's own": HandIn(before="import os\nos._exit(0)", remark="ended the kernel"),
    "a crash in a cell of one's own": HandIn(before="import ctypes\nctypes.string_at(0)", remark="ended the kernel"),
    "an endless cell of one's own": HandIn(before="while True:\n    pass", remark="did not end after 3 s", seconds=3),
    "home removed": HandIn(before="import shutil, os\nshutil.rmtree(os.path.expanduser('~'), ignore_errors=True)"),
    "output closed": HandIn(before="import sys\nsys.stdout.close()\nsys.stdout = None"),
    "half a character": HandIn(before="print('\\ud800')", after="raise ValueError('\\ud800')"),
}
FAULTY = {
    "blank": HandIn("def kl_between(q, p):\n    raise NotImplementedError()", points=0.0, label="not answered"),
    "nothing": HandIn("", points=0.0, label="not answered"),
    "no function": HandIn("kl_between = 3", points=0.0, label="wrong type", says="a function is asked for"),
    "a known mistake": HandIn(
        "def kl_between(q, p):\n    return (p * (p / q).log()).sum()", points=0.0, label="directions swapped", says="the other direction"
    ),
    "no Python": HandIn("def kl_between(q, p)\n    return 1", points=0.0, label="raises an error", says="SyntaxError"),
    "an error": HandIn("def kl_between(q, p):\n    return q @ 'p'", points=0.0, label="raises an error", says="in line 2 of your cell"),
    "returns nothing": HandIn("def kl_between(q, p):\n    q * p", points=0.0, label="returns None"),
    "in place": HandIn(RIGHT.replace("    happens", "    q += 0.1\n    happens", 1), points=0.0, label="changes its input"),
    "random": HandIn("def kl_between(q, p):\n    return torch.rand(())", points=0.0, label="not reproducible"),
    "a tensor too many": HandIn("def kl_between(q, p):\n    return torch.zeros(3)", points=0.0, label="wrong shape"),
    "a list": HandIn("def kl_between(q, p):\n    return [[1.0], 2]", points=0.0, label="wrong type"),
    "complex": HandIn("def kl_between(q, p):\n    return torch.tensor(1j)", points=0.0, label="wrong dtype"),
    "NaN": HandIn("def kl_between(q, p):\n    return torch.tensor(float('nan'))", points=0.0, label="NaN or infinite"),
    "no bound of whole numbers": HandIn("def kl_between(q, p):\n    return 10**40", points=0.0, label="wrong type"),
    "sys.exit": HandIn("import sys\n\ndef kl_between(q, p):\n    sys.exit()", points=0.0, label="raises an error"),
    "KeyboardInterrupt": HandIn("def kl_between(q, p):\n    raise KeyboardInterrupt", points=0.0, label="raises an error"),
    "endless": HandIn(
        "def kl_between(q, p):\n    while True:\n        pass", points=0.0, label="does not end", says="did not end", seconds=3
    ),
    "asleep": HandIn("import time\n\ndef kl_between(q, p):\n    time.sleep(10_000)", points=0.0, label="does not end", seconds=3),
    "os._exit in the answer": HandIn("import os\n\ndef kl_between(q, p):\n    os._exit(0)", points=0.0, label="ends the kernel"),
    "os._exit beside the answer": HandIn(RIGHT + "\nimport os\nos._exit(0)", points=0.0, label="ends the kernel"),
    "a text without end": HandIn("def kl_between(q, p):\n    raise ValueError('x' * 10**8)", points=0.0, label="raises an error"),
    "an error that cannot be said": HandIn(
        "class Mute(Exception):\n    def __str__(self):\n        raise self\n\ndef kl_between(q, p):\n    raise Mute", points=0.0
    ),
    "a result that cannot be looked at": HandIn(
        "class Shy(type):\n    def __getattribute__(self, name):\n        raise ValueError\n\nclass A(metaclass=Shy):\n    pass\n\n"
        "def kl_between(q, p):\n    return A()",
        points=0.0,
    ),
    "a result without end": HandIn("def kl_between(q, p):\n    return torch.zeros(1 << 26)", points=0.0),
    "no bottom": HandIn("def kl_between(q, p):\n    return kl_between(q, p)", points=0.0, label="raises an error"),
}
WALK = """\
import os
found = []
for place, folders, files in os.walk('/'):
    folders[:] = [folder for folder in folders if folder not in ('usr', 'proc', 'dev', 'env', '.pyenv', 'site-packages', 'sys')]
    found += [f for f in files if {}]
print('found', found)
"""
PASSES = "print('✓ kl_between: 2 of 2 cases')"
TRICKS = {
    "Task.check": trick(f"type(KL_BETWEEN).check = lambda *a, **k: {PASSES}", seen="changes a check"),
    "the check of this task": trick(f"KL_BETWEEN.check = lambda *a, **k: {PASSES}", seen="changes a check"),
    "object.__setattr__": trick("object.__setattr__(KL_BETWEEN, 'cases', [])", seen="object.__setattr__"),
    "no cases": trick("KL_BETWEEN.cases = []", seen="changes a check"),
    "cases cleared": trick("KL_BETWEEN.cases.clear()"),
    "tolerance": trick("KL_BETWEEN.__dict__['tolerance'] = 1e9", seen="reaches past"),
    "torch.allclose": trick("torch.allclose = lambda *a, **k: True", seen="replaces a function of a library (torch.allclose"),
    "torch.equal": trick("torch.equal = torch.Tensor.equal = torch.isclose = lambda *a, **k: True", seen="replaces"),
    "builtins": trick(
        "import builtins\nbuiltins.all = builtins.any = lambda *a: True", seen="replaces a function of a library (builtins.all"
    ),
    "builtins.__import__": trick("import builtins\nbuiltins.__import__ = None"),
    "sys.modules": trick("import sys, types\nsys.modules['course_lib.grading.tasks'] = types.ModuleType('x')", seen="sys.modules"),
    "all of sys.modules": trick("import sys\nsys.modules.clear()", seen="sys.modules"),
    "sys.meta_path": trick(
        "import sys\nsys.meta_path.clear()",
        answer="def kl_between(q, p):\n    import course_lib.grading.start_here.kl_between as k\n    return k.kl_between(q, p)",
    ),
    "input transformers": trick(
        "get_ipython().input_transformers_post.append(lambda lines: ['pass\\n'] if 'check' in ''.join(lines) else lines)",
        seen="changes how cells run",
    ),
    "ast transformers": trick(
        "import ast\nclass Nothing(ast.NodeTransformer):\n    def visit_Raise(self, node):\n        return ast.Pass()\n"
        "get_ipython().ast_transformers.append(Nothing())",
        seen="changes how cells run",
    ),
    "run_cell": trick("get_ipython().run_cell = lambda *a, **k: None", seen="runs or writes cells"),
    "run_cell of the class": trick("type(get_ipython()).run_cell = lambda *a, **k: None", seen="run_cell"),
    "a thread": trick(
        "import threading, torch\ndef patch():\n    while True:\n        torch.allclose = lambda *a, **k: True\n"
        "threading.Thread(target=patch, daemon=True).start()",
        seen="replaces",
    ),
    "settrace": trick("import sys\nsys.settrace(lambda frame, *a: frame.f_locals.clear())", seen="sys.settrace"),
    "setprofile off and on": trick(
        answer="import sys\n\ndef kl_between(q, p):\n    now = sys.getprofile()\n    sys.setprofile(None)\n"
        "    from course_lib.grading.start_here.kl_between import kl_between as ours\n    result = ours(q, p)\n    sys.setprofile(now)\n"
        "    return result",
        seen="sys.setprofile",
        label="borrows from course_lib",
    ),
    "truths of the frame": trick(
        answer="import sys\n\ndef kl_between(q, p):\n    frame = sys._getframe()\n    while frame:\n"
        "        if 'truths' in frame.f_locals:\n"
        "            return frame.f_locals['truths'][0].values[0]\n        frame = frame.f_back\n    return q.sum()",
        seen="sys._getframe",
    ),
    "gc": trick(
        answer="import gc\n\ndef kl_between(q, p):\n    for thing in gc.get_objects():\n"
        "        if getattr(thing, '__name__', '') == 'truth':\n"
        "            return thing(q, p)\n    return q.sum()",
        seen="gc.get_objects",
    ),
    "a tensor that lies": trick(
        answer="class Liar(torch.Tensor):\n    @classmethod\n    def __torch_function__(cls, function, types, args=(), kwargs=None):\n"
        "        if function in (torch.allclose, torch.equal):\n            return True\n"
        "        return super().__torch_function__(function, types, args, kwargs or {})\n"
        "    def __eq__(self, other):\n        return True\n\ndef kl_between(q, p):\n    return torch.tensor(0.5).as_subclass(Liar)",
        seen="how values compare",
    ),
    "a number that lies": trick(
        answer="class Liar(float):\n    def __eq__(self, other):\n        return True\n    def __float__(self):\n        return 0.1\n\n"
        "def kl_between(q, p):\n    return Liar(0.5)",
        seen="how values compare",
    ),
    "an object that lies": trick(
        answer="class Liar:\n    def __eq__(self, other):\n        return True\n    def __getattr__(self, name):\n        return self\n"
        "    def __call__(self, *a, **k):\n        return self\n\ndef kl_between(q, p):\n    return Liar()",
        label="wrong type",
    ),
    "getsource": trick(
        answer="import inspect\nimport course_lib.grading.start_here as room\nexec(inspect.getsource(room.kl_between))", seen="getsource"
    ),
    "our answer, imported": trick(
        answer="from course_lib.grading.start_here.kl_between import kl_between", label="borrows from course_lib", seen="course_lib"
    ),
    "our answer, imported inside": trick(
        answer="def kl_between(q, p):\n    from course_lib.grading.start_here.kl_between import truth\n    return truth(q, p)",
        label="borrows from course_lib",
    ),
    "our answer, of the task": trick(answer="def kl_between(q, p):\n    return KL_BETWEEN.answer(q, p)", label="raises an error"),
    "our answer, in place of mine": trick(answer="ours = KL_BETWEEN.yours_or_ours({})\n\ndef kl_between(q, p):\n    return ours(q, p)"),
    "the solution's file": trick(WALK.format("f.endswith('.ipynb')"), says="found []", seen="other files"),
    "the gradebook": trick(WALK.format("'gradebook' in f or f.endswith('.db')"), says="found []"),
    "visible cases learned by heart": trick(
        answer="def kl_between(q, p):\n    return torch.tensor(0.4226 if q.ndim == 1 else 0.5)",
    ),
    "CheckFailed of a task that is none": trick(
        "from course_lib.grading import CheckFailed\nraise CheckFailed('task', 'm99', 'so')", seen="raises a check's own error"
    ),
    "CheckFailed in the answer": trick(
        answer="from course_lib.grading import CheckFailed\n\ndef kl_between(q, p):\n"
        "    raise CheckFailed('kl_between', 'm99', '[kl_between/m99]')",
        label="raises an error",
    ),
    "passes printed": trick(PASSES, seen="which it does not"),
    "passes printed while it is checked": trick(answer=WRONG.replace("    return", f"    {PASSES}\n    return")),
    "nonsense on every line": trick(
        "import os\nfor fd in range(3, 200):\n    try:\n        os.write(fd, b'x' * 1000)\n    except OSError:\n        pass",
        remark="its own words",
        seen="messages to the judge",
    ),
    "a promise without end": trick(
        "import os, struct\nfor fd in range(3, 200):\n    try:\n"
        "        os.write(fd, struct.pack('!II', 2**31, 2**31))\n    except OSError:\n        pass",
        seen="messages to the judge",
    ),
    "answers of its own": trick(
        answer="import gc, json, socket, struct\n\ndef kl_between(q, p):\n    for each in gc.get_objects():\n"
        "        if isinstance(each, socket.socket):\n"
        "            for n in range(1, 60):\n"
        "                text = json.dumps({'to': n, 'values': [{'value': {'float': '0x1p-1'}}], 'gradients': []}).encode()\n"
        "                each.sendall(struct.pack('!II', len(text), 0) + text)\n    return 0.5",
    ),
    "every line closed": trick("import os\nos.closerange(3, 1000)", remark="ended the kernel"),
    "the recorder replaced": trick(
        "import course_lib.grading.running as r\nr.observe = lambda *a: r.Observed(r.Outcome((torch.tensor(0.4),)))", seen="course_lib"
    ),
    "the kernel's own process ended": trick("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
    "the parent ended": trick("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"),
    "everybody ended": trick("import os, signal\nos.kill(-1, signal.SIGKILL)"),
    "a shell that ends its parent": trick("%%bash\nkill -9 $PPID"),
    "deaf to the clock": trick(
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True:\n    pass",
        remark="did not end after 3 s",
        seconds=3,
    ),
    "catches the clock": trick(
        "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
        remark="did not end",
        seconds=3,
    ),
    "all memory": trick("kept = []\nwhile True:\n    kept.append(bytearray(b'x') * (1 << 26))"),
    "all memory in many": trick(
        "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n"
        "        kept = bytearray(b'x') * (5 << 26)\n        time.sleep(100)\ntime.sleep(3)"
    ),
    "a bomb of processes": trick("import os\nwhile True:\n    os.fork()"),
    "no end of prints": trick("while True:\n    print('x' * 100_000)", remark="did not end", seconds=3),
    "no end of a file": trick("with open('big', 'wb') as file:\n    while True:\n        file.write(bytes(1 << 20))", says="OSError"),
    "no end of files": trick(
        "for i in range(10_000):\n    with open(f'/tmp/{i}', 'wb') as file:\n        file.write(bytes(4 << 20))", says="OSError"
    ),
    "the network": trick("import socket\nsocket.create_connection(('1.1.1.1', 53), 2)", says="OSError", seen="network"),
    "the library changed": trick("import course_lib\nopen(course_lib.__file__, 'a').write('x = 1')", says="Read-only file system", seen=""),
    "another's files": trick(
        "import os\nfor place in ('/root', '/home', '/work', '/tmp', '/var', '/etc/shadow'):\n"
        "    print(place, os.listdir(place) if os.path.isdir(place) else os.path.exists(place))",
        says="/etc/shadow False",
    ),
}
QUICK = [
    "right",
    "a lambda",
    "stderr",
    "a known mistake",
    "os._exit in the answer",
    "Task.check",
    "a tensor that lies",
    "our answer, imported",
]
ALL = HONEST | FAULTY | TRICKS
NEED_WALLS = {
    *("the network", "the library changed", "another's files", "the solution's file", "the gradebook"),
    *("everybody ended", "home removed", "no end of files", "a bomb of processes", "the parent ended", "a shell that ends its parent"),
}


@pytest.fixture(scope="module")
def engine():
    with Engine("00_start_here", LIMITS, RUNNER) as made:
        yield made


def each(names):
    return [
        pytest.param(
            name,
            marks=[
                *([] if name in QUICK else [pytest.mark.slow]),
                *([confined] if name in NEED_WALLS else []),
                *([counted] if name == "a bomb of processes" else []),
            ],
        )
        for name in names
    ]


def grade(engine, hand_in: HandIn):
    limits = replace(LIMITS, cell=hand_in.seconds)
    return engine.run(hand_in.notebook(engine.release), hand_in.files, limits)


@pytest.mark.parametrize("name", each(HONEST))
def test_honest_work_keeps_its_points(engine, name):
    hand_in = HONEST[name]
    result = grade(engine, hand_in)
    hand_in.agree(result)
    check, test = (named(result.notebook)[f"{kind}_kl_between"].outputs for kind in ("check", "grade"))
    assert [check[0].text, test[0].text] == ["✓ kl_between: 2 of 2 cases\n", "✓ kl_between: 2 of 2 hidden cases\n"]


@pytest.mark.parametrize("name", each(FAULTY))
def test_what_is_wrong_is_named(engine, name):
    FAULTY[name].agree(grade(engine, FAULTY[name]))


@pytest.mark.parametrize("name", each(TRICKS))
def test_a_trick_earns_nothing(engine, name):
    TRICKS[name].agree(grade(engine, TRICKS[name]))


@pytest.mark.slow
@pytest.mark.parametrize("name", each([name for name, hand_in in TRICKS.items() if hand_in.answer == WRONG and hand_in.before]))
def test_who_answers_right_keeps_the_point_whatever_else_was_tried(engine, name):
    """Nothing is taken off for what looks like a trick, unless it breaks the kernel for the cells below."""
    hand_in = copy.copy(TRICKS[name])
    hand_in.answer = RIGHT
    result = grade(engine, hand_in)
    breaks = {
        *("builtins.__import__", "all of sys.modules", "torch.equal", "builtins", "torch.allclose"),
        *("a thread", "settrace", "sys.modules", "run_cell", "run_cell of the class", "input transformers", "a bomb of processes"),
        *("the recorder replaced", "the parent ended"),
    }
    assert result.failure is None
    assert result.points["kl_between"] == 1.0 or name in breaks, (result.mistakes, result.remarks)


@pytest.mark.slow
def test_honest_work_among_hostile_gets_what_it_gets_alone(engine):
    alone = [grade(engine, each) for each in HONEST.values()]
    mixed, hostile = [], [each for each in TRICKS.values()]
    order = [each for pair in zip(HONEST.values(), hostile, strict=False) for each in pair]
    order += [each for each in HONEST.values() if not any(each is other for other in order)]
    with ThreadPoolExecutor(2) as pool:
        mixed = list(pool.map(lambda each: grade(engine, each), order))
    again = {id(each): result for each, result in zip(order, mixed)}
    for hand_in, before in zip(HONEST.values(), alone):
        now = again[id(hand_in)]
        assert (now.points, now.mistakes, now.remarks, now.seen) == (before.points, before.mistakes, before.remarks, before.seen)


@confined
def test_one_hand_in_leaves_nothing_for_the_next(engine):
    leave = HandIn(
        before="import os, subprocess, time\nfor place in ('/tmp', '/dev/shm', os.path.expanduser('~')):\n"
        "    open(f'{place}/left', 'w').write('x')\n"
        "subprocess.Popen(['sleep', '1234'])\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1234)\nimport torch\ntorch.mine = 1"
    )
    look = HandIn(
        before="import os, torch\nprint('left', [p for p in ('/tmp', '/dev/shm', os.path.expanduser('~')) if os.path.exists(f'{p}/left')], "
        "hasattr(torch, 'mine'), [n for n in os.listdir('/proc') if n.isdigit()])",
        says="left [] False []",
    )
    leave.agree(grade(engine, leave))
    look.agree(grade(engine, look))
    assert not [each for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == ["sleep", "1234"]]


def test_nothing_of_the_instructor_is_in_sight(engine, monkeypatch):
    look = HandIn(
        before="import os, sys\nprint(dict(os.environ), sys.path, os.getcwd(), sys.argv)\n"
        f"print('there', os.path.exists({str(ROOT / 'solutions')!r}))"
    )
    result = grade(engine, look)
    look.agree(result)
    text = shown(result.notebook)
    for word in ("SECRET_OF_THE_TEST", *(["there True", str(ROOT)] if CONFINED else [])):
        assert word not in text


os.environ["SECRET_OF_THE_TEST"] = "SECRET_OF_THE_TEST"  # before the engine starts


# --------------------------------------------------------------------------------------------------------------------
# Exercise 01: several tasks and an experiment


@pytest.fixture(scope="module")
def spaces():
    with Engine("01_latent_spaces", Limits(cell=30, whole=200), RUNNER) as made:
        yield made


def solved(engine, changes: dict[str, str], before: dict[str, str] | None = None, only_named: bool = True):
    """The solution's answers with some replaced, and cells of one's own above cells."""
    solution = named(nbformat.read(ROOT / "solutions" / engine.assignment / f"{engine.assignment}.ipynb", as_version=4))
    notebook = copy.deepcopy(engine.release)
    if only_named:
        notebook.cells = [cell for cell in notebook.cells if grade_id(cell)]
    for name, cell in named(notebook).items():
        if is_answer(cell):
            cell.source = changes.get(name, solution[name].source)
    for name, source in (before or {}).items():
        notebook.cells.insert(notebook.cells.index(named(notebook)[name]), new_code_cell(source))
    return notebook


def full(engine) -> dict:
    by_hand = {task_of(name) for name, cell in named(engine.release).items() if is_by_hand(cell)}
    return most_points(engine.release) | dict.fromkeys(by_hand)


@pytest.mark.slow
def test_an_answer_that_ends_the_kernel_takes_no_other_along(spaces):
    exits = "import os\n\n\ndef pca(*given):\n    os._exit(1)"
    result = spaces.run(solved(spaces, {"pca": exits}, {"m_step": "import os\nos._exit(2)"}))
    assert result.points == full(spaces) | {"pca": 0.0}
    assert result.mistakes == {"pca": "ends the kernel"}
    assert len(result.remarks) == 2 and all("the others were run without it" in remark for remark in result.remarks)


BAD = "def settings():\n    return {'rank': 24, 'refills': 1}"
GOAL_TRICKS = {
    "measure": "measure = lambda *a, **k: {'gain': 99.0, 'gain on seen': 99.0}",
    "measure where it comes from": "import course_lib.grading.latent_spaces as room\n"
    "room.measure = measure = lambda *a: {'gain': 99.0, 'gain on seen': 99.0}",
    "the work itself": "complete = lambda *a, **k: ratings",
    "the goal": "object.__setattr__(EXPERIMENT, 'at_least', {'gain': -1e9})\nEXPERIMENT.at_least['gain'] = -1e9",
    "the check": "type(EXPERIMENT).check = lambda *a, **k: print('✓ experiment: gain 99')",
    "chosen": "type(EXPERIMENT).chosen = lambda *a: {'rank': 3, 'refills': 12}",
    "data": "ratings = ratings * 0",
    "torch": "torch.Tensor.square = lambda self: self * 0",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", GOAL_TRICKS)
def test_an_experiment_is_measured_outside(spaces, name):
    cell = next(cell for cell, source in _answers(spaces).items() if "def settings" in source)
    result = spaces.run(solved(spaces, {cell: BAD}, {"check_experiment": GOAL_TRICKS[name]}))
    assert result.points["experiment"] == 0.0 and result.mistakes["experiment"] != "raises an error"
    right = spaces.run(solved(spaces, {}, {"check_experiment": GOAL_TRICKS[name]}))
    assert right.points["experiment"] == full(spaces)["experiment"], right.mistakes


def _answers(engine) -> dict[str, str]:
    return {name: cell.source for name, cell in named(engine.release).items() if is_answer(cell)}


SETTINGS = {
    "blank": ("raise NotImplementedError", "not answered"),
    "none": ("pass", "returns None"),
    "an error": ("return 1 / 0", "raises an error"),
    "no dict": ("return [3, 12]", "wrong type"),
    "a name too many": ("return {'rank': 3, 'color': 1}", "wrong type"),
    "not allowed": ("return {'rank': 10**9}", "wrong type"),
    "a list inside": ("return {'rank': [3]}", "wrong type"),
    "a dict that lies": (
        "class D(dict):\n        def __getitem__(self, key):\n            return 3\n    return D(rank=24, refills=1)",
        None,
    ),
    "endless": ("while True:\n        pass", "does not end"),
    "exit": ("import os\n    os._exit(0)", "ends the kernel"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_read_as_plain_values(spaces, name):
    body, label = SETTINGS[name]
    cell = next(cell for cell, source in _answers(spaces).items() if "def settings" in source)
    engine = spaces
    result = engine.run(solved(engine, {cell: f"def settings():\n    {body}"}))
    assert result.points == full(engine) | {"experiment": 0.0}
    assert label is None or result.mistakes == {"experiment": label}


# --------------------------------------------------------------------------------------------------------------------
# Every exercise


@pytest.mark.slow
@pytest.mark.parametrize("assignment", assignments())
def test_solutions_get_everything_and_blank_exercises_nothing(assignment):
    with Engine(assignment, Limits(cell=240), RUNNER) as engine:
        result = engine.run(solved(engine, {}))
        assert (result.points, result.mistakes, result.remarks, result.seen) == (full(engine), {}, [], [])
        blank = engine.run(copy.deepcopy(engine.release))
        assert set(blank.points.values()) == {0.0} and set(blank.mistakes.values()) == {"not answered"}
        for cell in blank.notebook.cells:
            if not (grade_id(cell) or "").startswith(("check_", "grade_")):
                assert not [output for output in cell.get("outputs", []) if output.output_type == "error"], cell.source


@pytest.mark.parametrize("assignment", assignments())
def test_what_is_in_sight_holds_no_answer(assignment, tmp_path):
    """Neither the source of an answer, a truth or a hidden case, nor their compiled code."""
    import inspect

    from course_lib.grading.pipeline.engine import released

    sandbox.make_view(tmp_path, assignment.split("_", 1)[1], released(assignment))
    whole = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.suffix in (".py", ".pickle"))
    lines = {line.strip() for line in whole.decode("utf-8", "replace").splitlines()}
    for task in tasks_of(assignment).values():
        for secret in (getattr(task, "answer", None), getattr(task, "truth", None)):
            if secret is None:
                continue
            source = [line.strip() for line in inspect.getsource(secret).splitlines()[1:] if len(line.strip()) > 25]
            assert not source or not set(source) <= lines, f"{task.name} can be read"
            assert not source or secret.__code__.co_code not in whole, f"{task.name} can be run"
    assert not list(tmp_path.rglob("*.ipynb")) and not (tmp_path / "course_lib/grading/mistakes.py").exists()
    assert "HIDDEN TESTS" not in whole.decode("utf-8", "replace")


def test_library_functions_that_answer_an_exercise_are_not_in_sight(tmp_path):
    from course_lib.grading.pipeline.engine import released

    sandbox.make_view(tmp_path, "metrics", released("07_metrics"))
    text = "".join(path.read_text("utf-8") for path in (tmp_path / "course_lib/metrics").rglob("*.py"))
    assert "def digit_features" in text
    assert "linalg.eig" not in text
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name in sandbox.REFUSED:
            assert len(node.body) == 1 and isinstance(node.body[0], ast.Raise), node.name


# --------------------------------------------------------------------------------------------------------------------
# Parts


def pair():
    return socket.socketpair()


@pytest.mark.parametrize(
    "value", [1.5, True, None, 3, "so", torch.arange(3), torch.tensor(2.5, dtype=torch.bfloat16), torch.zeros(0, 2), torch.tensor([1 + 2j])]
)
def test_values_arrive_as_they_were(value):
    message, blob = wire.packed(running.Observed(running.Outcome((value,), (torch.ones(2),))))
    back = wire.unpacked(json.loads(json.dumps(message)), blob).outcome
    assert torch.equal(back.gradients[0], torch.ones(2))
    same = torch.equal(back.values[0], value) and back.values[0].dtype == value.dtype if torch.is_tensor(value) else back.values[0] == value
    assert same and type(back.values[0]) is type(value)


def test_networks_arrive_as_their_layers():
    network = nn.Sequential(
        nn.ConvTranspose2d(3, 4, 4, 2, 1, bias=False), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()), type("Mine", (nn.Module,), {})()
    )
    message, blob = wire.packed(running.Observed(running.Outcome((network,)), calls=3))
    observed = wire.unpacked(json.loads(json.dumps(message)), blob)
    conv, inner, mine = observed.outcome.values[0]
    assert (conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.bias) == (
        3,
        4,
        (4, 4),
        (2, 2),
        (1, 1),
        None,
    )
    assert [type(layer) for layer in inner] == [nn.BatchNorm2d, nn.ReLU] and inner[0].num_features == 4
    assert not type(mine).__module__.startswith("torch") and observed.calls == 3
    for layer in (
        {"class": "ConvTranspose2d", "settings": {"in_channels": 10**9}},
        {"class": "Module"},
        {"class": "Linear", "settings": []},
    ):
        with pytest.raises(wire.Nonsense):
            wire.unpacked({"values": [{"layers": [layer]}], "gradients": []}, b"")


FORGED = {"d_model": 8, "nhead": 1, "num_encoder_layers": 120, "num_decoder_layers": 120}
HUGE = {"layers": [{"class": "Transformer", "settings": FORGED}] * 30}
WIDE = {"layers": [{"class": "ReLU", "settings": {}}] * 150}


@pytest.mark.parametrize("message", [[HUGE], [{"complex": HUGE}], [WIDE] * 2, [{"layers": [WIDE] * 2}], [{"value": 1}] * 101])
@pytest.mark.parametrize("where", ["values", "gradients"])
def test_claimed_layers_cost_the_judge_nothing(message, where):
    """Not even where they are nonsense; a network of a class that no exercise asks for is not built."""
    started = time.process_time()
    with contextlib.suppress(wire.Nonsense):
        (network,) = wire.unpacked({"values": [], "gradients": []} | {where: message}, b"").outcome.values
        assert message == [HUGE] and {type(layer) for layer in network} == {wire.Own}
    assert time.process_time() - started < 3


def test_an_answer_that_takes_long_to_look_at_is_late(monkeypatch, tmp_path):
    """The time that our own comparison takes ends, too."""
    remote = type("Remote", (judge.Remote,), {"__init__": lambda self: None, "name": "f"})()
    solution = judge.Solution({}, "x", {}, {"check_f": "import time\ntime.sleep(60)"}, {"f": "f"})
    trial = judge.Trial(solution, None, None, Limits(cell=1, whole=5), None, tmp_path)
    trial.over = time.monotonic() - 29
    monkeypatch.setattr(trial, "_found", lambda task: remote)
    with pytest.raises(judge.Over, match="too long to be judged"):
        trial._answer("check_f")


@pytest.mark.parametrize("number", [float("inf"), -float("inf"), float("nan"), 1e-300])
def test_numbers_that_json_does_not_know_arrive(number):
    message, blob = wire.packed(running.Observed(running.Outcome((number,))))
    assert repr(wire.unpacked(json.loads(json.dumps(message, allow_nan=False)), blob).outcome.values[0]) == repr(number)


def test_what_is_no_number_stays_behind():
    message, blob = wire.packed(running.Observed(running.Outcome(([1, 2], object()))))
    values = wire.unpacked(message, blob).outcome.values
    assert [type(value) for value in values] == [Unseen, Unseen] and values[0].type == "list"


def test_what_stayed_behind_is_never_right():
    """Not even if it calls itself a tensor."""
    for assignment in assignments():
        for task in tasks_of(assignment).values():
            if isinstance(task, Task):
                with running.plain():
                    truth = task._expected(task.truth or task.answer, task.cases[0], False)
                for kind in {"torch.Tensor", "float", "list", *(type_name(value) for value in truth.values)}:
                    forged = running.Outcome(tuple(Unseen(kind, "so") for _ in truth.values))
                    assert not task._equal(forged, truth) and not task._equal(truth, forged), (task.name, kind)


NONSENSE = [
    b"\xff" * 100,
    wire.HEAD.pack(2**31, 0),
    wire.HEAD.pack(3, 0) + b"{{{",
    wire.HEAD.pack(2, 0) + b"[]",
    wire.HEAD.pack(100_000, 0) + b"[" * 100_000,
    wire.HEAD.pack(1, 0) + b"\xff",
]


@pytest.mark.parametrize("data", NONSENSE)
def test_nonsense_is_noticed(data):
    ours, theirs = pair()
    theirs.sendall(data)
    with pytest.raises(wire.Nonsense):
        wire.receive(ours, time.monotonic() + 5)


@pytest.mark.parametrize(
    ("message", "blob"),
    [
        ({}, b""),
        ({"values": 3, "gradients": []}, b""),
        ({"values": [{"tensor": "0"}], "gradients": []}, b""),
        ({"values": [{"tensor": "0"}], "gradients": []}, b"\xff" * 50),
        ({"values": [{"value": [1]}], "gradients": []}, b""),
        ({"values": [{"value": {"float": "x"}}], "gradients": []}, b""),
        ({"values": [{"value": 10**30}], "gradients": []}, b""),
        ({"values": [], "gradients": [{"value": 1}]}, b""),
        ({"problem": ["m99", "so"]}, b""),
        ({"problem": "so"}, b""),
    ],
)
def test_answers_that_are_none_are_noticed(message, blob):
    with pytest.raises(wire.Nonsense):
        wire.unpacked(message, blob)


@pytest.mark.parametrize("sent", ["none", "too few", "others"])
def test_gradients_that_a_stranger_makes_up_are_not_right(sent):
    """What the sandbox says of gradients is compared, and does not shorten the comparison."""
    task = tasks_of("02_autoencoders")["reparameterise"]

    def answer(mean, log_var, noise):
        return mean + (0.5 * log_var).exp() * noise

    task.check(answer)

    class Stranger(running.Elsewhere):
        def observe(self, *asked):
            seen = running.observe(answer, *asked)
            made_up = {"none": (), "too few": seen.outcome.gradients[1:], "others": tuple(map(torch.zeros_like, seen.outcome.gradients))}
            return replace(seen, outcome=replace(seen.outcome, gradients=made_up[sent])) if asked[-1] else seen

        def __call__(self, *inputs):
            return answer(*inputs)

    with pytest.raises(running.CheckFailed):
        task.check(Stranger())


def test_silence_and_an_end_are_noticed():
    ours, theirs = pair()
    started = time.monotonic()
    with pytest.raises(wire.Late):
        wire.receive(ours, started + 0.2)
    theirs.sendall(wire.HEAD.pack(10, 0) + b"{")
    with pytest.raises(wire.Late):
        wire.receive(ours, time.monotonic() + 0.2)
    theirs.close()
    with pytest.raises(wire.Ended):
        wire.receive(ours, time.monotonic() + 5)


def test_outputs_of_a_stranger_make_a_valid_notebook():
    found = [
        3,
        {},
        {"output_type": "stream", "name": "nowhere", "text": "x"},
        {"output_type": "stream", "name": "stdout", "text": "\ud800"},
        {"output_type": "display_data", "data": {"text/html": ["<script>"], "text/plain": "x", "image/png": 3}},
        {"output_type": "error", "ename": 3, "evalue": None, "traceback": 3},
        {"output_type": "execute_result", "data": {"text/plain": "x"}, "execution_count": "many", "metadata": "so"},
    ]
    cell = new_code_cell("1", outputs=judge.kept_outputs(found, 1000))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbformat.validate(notebook)
    nbformat.writes(notebook).encode()
    assert len(cell.outputs) == 4


def test_too_many_outputs_are_cut():
    many = [{"output_type": "stream", "name": "stdout", "text": "x" * 1000}] * 1000
    assert sum(len(output.text) for output in judge.kept_outputs(many, 10_000)) <= 10_000
    assert judge.kept_outputs("no list", 1000) == []


def test_what_honest_work_looks_like_is_not_listed():
    release = nbformat.v4.new_notebook(cells=[new_code_cell("import torch\nx.check = 3")])
    sources = [each.answer for each in HONEST.values()] + ["import torch\nx.check = 3", "# sys.settrace", "a == b\nmath.pi == 3\nTRUE == 4"]
    for source in sources:
        assert seen.tricks(nbformat.v4.new_notebook(cells=[new_code_cell(source)]), release) == [] or "os." in source, source


# --------------------------------------------------------------------------------------------------------------------
# Runners


def test_without_a_sandbox_it_says_so_and_stops(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match="install bubblewrap .* --no-sandbox"):
        Engine("00_start_here")
    with pytest.raises(ValueError, match="no assignment"):
        Engine("99_nothing")
    with pytest.raises(ValueError, match="no runner 'chroot'"):
        Engine("00_start_here", runner="chroot")
    with pytest.raises(ValueError, match="needs the program docker"):
        Engine("00_start_here", runner="docker")


@pytest.mark.slow
def test_without_walls_the_limits_still_hold():
    with Engine("00_start_here", LIMITS, "none") as engine:
        for name in (
            "right",
            "a lambda",
            "os._exit in the answer",
            "endless",
            "Task.check",
            "all memory",
            "our answer, imported",
            "deaf to the clock",
        ):
            ALL[name].agree(grade(engine, ALL[name]))


FAKE = """#!/bin/sh
printf '%s\\n' "$@" > {folder}/words
while [ "$1" != python ]; do shift; done
shift 2
view=$(cat {folder}/view)
export HOME={folder}/home PYTHONPATH=$view MPLBACKEND=agg
exec {python} $view/course_lib/grading/pipeline/inside.py "$@"
"""


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["docker", "podman"])
def test_a_container_for_each_hand_in(runner, tmp_path, monkeypatch):
    """With a program in place of the engine, which runs what it is told to run."""
    program = tmp_path / "bin" / runner
    program.parent.mkdir()
    program.write_text(FAKE.format(folder=tmp_path, python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("COURSE_IMAGE", "my/image:1")
    with Engine("00_start_here", LIMITS, runner) as engine:
        (tmp_path / "view").write_text(str(engine._view))
        for name in ("right", "os._exit in the answer"):
            ALL[name].agree(grade(engine, ALL[name]))
    words = (tmp_path / "words").read_text().splitlines()
    for word in (
        "--rm",
        "--read-only",
        "none",
        f"--memory={LIMITS.memory}",
        f"--pids-limit={LIMITS.processes}",
        "my/image:1",
        "no-new-privileges",
    ):
        assert word in words
    assert not [word for word in words if "solutions" in word or "SECRET" in word]


def test_a_second_engine_leaves_no_process_behind():
    before = {each.pid for each in psutil.Process().children(recursive=True)}
    with Engine("00_start_here", LIMITS, RUNNER) as engine:
        HONEST["right"].agree(grade(engine, HONEST["right"]))
        place = engine._place.name
    after = {each.pid for each in psutil.Process().children(recursive=True) if each.status() != psutil.STATUS_ZOMBIE}
    assert after <= before and not os.path.exists(place)


def test_an_engine_that_is_closed_makes_nothing_any_more():
    """A thread that still runs a hand-in, as after Ctrl-C in the first second, puts nothing where close cleans up."""
    engine = Engine("00_start_here", LIMITS, RUNNER)
    place, thread = engine._place.name, threading.Thread(target=engine.run, args=(HONEST["right"].notebook(engine.release),), daemon=True)
    thread.start()
    while not [name for name in os.listdir(place) if name.startswith("home-")]:
        time.sleep(0.001)
    engine.close()
    with pytest.raises(wire.Ended):
        engine._get_nursery()
    with pytest.raises(wire.Ended):
        engine._get_judge()
    thread.join(60)
    assert not thread.is_alive() and not os.path.exists(place)


def test_what_killed_runs_left_behind_is_swept(tmp_path, monkeypatch):
    ended = subprocess.Popen(["true"])
    ended.wait()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in (f"{ended.pid}-abc", f"{os.getpid()}-abc", "abc"):
        (tmp_path / f"course-grading-{name}" / "view").mkdir(parents=True)
    sandbox.sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"course-grading-{os.getpid()}-abc", "course-grading-abc"]
