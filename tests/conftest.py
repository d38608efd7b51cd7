"""For every test: one thread, the same random numbers, and no way out to the network; and which worker runs what."""

import os

# Before torch is loaded, and for every kernel and command that a test starts: pytest-xdist gives each core a test already.
os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}

import random
import socket

import numpy as np
import pytest
import torch

# What takes longest comes first, so that no worker is left with it at the end.
LONGEST = ("test_browser.py", "test_exercises.py", "test_lectures.py", "test_command_line.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep together, on one worker, what shares work: a lecture in the browser, an exercise, the mistakes of a task, an explorer."""

    def together(item) -> str:
        name = item.path.name
        shared = getattr(item, "callspec", None) and item.callspec.params
        for kind in ("lecture", "exercise", "task", "made") if shared else ():
            if kind in shared:
                return f"{name}:{getattr(shared[kind], 'name', shared[kind])}"
        return ""

    for item in items:
        if group := together(item):
            item.add_marker(pytest.mark.xdist_group(group))

    def order(item):
        return next((i for i, name in enumerate(LONGEST) if item.path.name.endswith(name)), len(LONGEST))

    items.sort(key=order)


def pytest_collection_finish(session):
    """Say so where pytest-xdist ignores the groups, as 3.8 does under pytest 9.2: every lecture would run once on each worker."""
    grouped = [item for item in session.items if item.get_closest_marker("xdist_group")]
    if session.config.getoption("loadgroup", False) and not all("@" in item.nodeid for item in grouped):
        raise pytest.UsageError("pytest-xdist keeps no groups with this pytest: install the versions of constraints.txt")


LOOPBACK = ("127.0.0.1", "::1", "localhost", "", None)


@pytest.fixture(autouse=True)
def seeded():
    """Start every test from the same random numbers, so that none depends on which ran before it."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (hypothesis and old libraries still draw from it)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Fail a test that looks up or connects to any host but this one. `Failed` passes through `except Exception`."""
    lookup, connect = socket.getaddrinfo, socket.socket.connect

    def guarded_lookup(host, *args, **kwargs):
        if (host.decode() if isinstance(host, bytes) else host) not in LOOPBACK:
            pytest.fail(f"This test looked up {host!r}: tests never reach the network. Use a local HTTP server.")
        return lookup(host, *args, **kwargs)

    def guarded_connect(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            pytest.fail(f"This test connected to {address}: tests never reach the network. Use a local HTTP server.")
        return connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", guarded_lookup)
    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
