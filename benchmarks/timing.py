"""Timing two ways of doing the same work in turns, so that whatever slows the machine down slows both."""

import os
import platform
import sys
import time
from collections.abc import Callable
from statistics import median

import torch


class Report:
    """A table on the terminal, one row a comparison, and the exit status of a benchmark.

    A goal is "6×", at least so many times faster than the peer, or "15 ms", at most so long.
    """

    def __init__(self):
        self.missed = []
        print(
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
            f"Python {platform.python_version()}, torch {torch.__version__}, {torch.get_num_threads()} threads\n"
        )
        self._print("what", "ours", "peer", "ratio", "goal")

    def compare(
        self, what: str, ours: Callable, peer: Callable, at_least: float | None = None, rounds: int = 9, calls: int = 1, part: float = 1.0
    ) -> None:
        """One row: medians of `rounds` timings of `ours` and `peer`, taken in turns; each timing is the mean of `calls` calls.

        A peer that would take minutes does a `part` of its work, and its time is divided by that.

        The ratio is the median of each round's own ratio: whatever comes and goes on the machine is in both of its halves.
        """
        mine, theirs = [], []
        seconds(ours), seconds(peer)  # the first call warms caches up
        for _ in range(rounds):
            mine.append(seconds(ours, calls))
            theirs.append(seconds(peer, calls) / part)
        ratio = median(b / a for a, b in zip(mine, theirs))
        met = at_least is None or ratio >= at_least
        goal = "" if at_least is None else f"≥ {at_least:g}×"
        self._row(what, readable(median(mine)), readable(median(theirs)), f"{ratio:.2f}×", goal, met)

    def limit(self, what: str, timings: list[float], at_most: float) -> None:
        """One row without a peer: the median of `timings` in seconds, against a limit in seconds."""
        self._row(what, readable(median(timings)), "", "", f"≤ {readable(at_most)}", median(timings) <= at_most)

    def faster(self, what: str, ours: float, peer: float, at_least: float) -> None:
        """One row of work that is too long to be repeated, in seconds."""
        ratio = peer / ours
        self._row(what, readable(ours), readable(peer), f"{ratio:.2f}×", f"≥ {at_least:g}×", ratio >= at_least)

    def below(self, what: str, value: float, at_most: float, unit: str) -> None:
        """One row of what is no time."""
        self._row(what, f"{value:.0f} {unit}", "", "", f"≤ {at_most:g} {unit}", value <= at_most)

    def slowdown(self, what: str, quiet: float, busy: float, at_most: float) -> None:
        """One row of the same work on a quiet machine and beside a busy process, in seconds."""
        ratio = busy / quiet
        self._row(what, readable(quiet), readable(busy), f"{ratio:.2f}×", f"≤ {at_most:g}×", ratio <= at_most)

    def accuracy(self, what: str, ours: float, peer: float, at_least: float) -> None:
        """One row of two errors, where the peer's must be so many times as large."""
        self._row(what, f"{ours:.1e}", f"{peer:.1e}", f"{peer / ours:.0f}×", f"≥ {at_least:g}×", peer >= at_least * ours)

    def finish(self) -> None:
        """End the program, with status 1 and their names when goals were missed."""
        sys.exit(f"\nmissed: {'; '.join(self.missed)}" if self.missed else 0)

    def _row(self, what: str, ours: str, peer: str, ratio: str, goal: str, met: bool) -> None:
        if not met:
            self.missed.append(what)
        self._print(what, ours, peer, ratio, goal if met else f"{goal} missed")

    @staticmethod
    def _print(what: str, ours: str, peer: str, ratio: str, goal: str) -> None:
        print(f"{what:<80} | {ours:>8} | {peer:>8} | {ratio:>7} | {goal}", flush=True)


def seconds(work: Callable, calls: int = 1) -> float:
    """Wall-clock time of one call, the mean of `calls` calls."""
    started = time.perf_counter()
    for _ in range(calls):
        work()
    if torch.cuda.is_available():  # there, calls only queue the work
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / calls


def readable(time_s: float) -> str:
    """Three digits, in ms or s."""
    return f"{time_s:.3g} s" if time_s >= 1 else f"{1000 * time_s:.3g} ms"
