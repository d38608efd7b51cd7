"""What a hand-in may use."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a hand-in may use.

    cell, whole: seconds, for one cell or check, and for everything
    memory, file, output: bytes, of all its processes together, of one file, and of what one cell prints
    processes: how many at once
    """

    cell: float = 60
    whole: float = 900
    memory: int = 4 << 30
    processes: int = 64
    file: int = 64 << 20
    output: int = 1 << 20
