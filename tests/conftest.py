"""For every test: the same random numbers, and no way out to the network."""

import random
import socket

import numpy as np
import pytest
import torch

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
