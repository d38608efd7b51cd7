"""Short synthetic sounds: tones with overtones that die away, and chirps."""

import math

import torch

from .core import Dataset

RATE = 8_000  # samples a second
NOTES = (262, 294, 330, 349, 392, 440, 494, 523)  # Hz, C4 to C5


def sounds(n: int, seed: int = 0, length: int = 4_000) -> Dataset:
    """n sounds, float32 (n, length) in [−1, 1]; y is the note, 0 to 7, or 8 for a chirp that slides from one note to another.

    A note is a sum of five overtones, each weaker and shorter than the one before, with a random strength and start of its phase.

    Args:
        length: samples, RATE a second

    Raises:
        ValueError: fewer than one sound, or fewer than two samples
    """
    if n < 1 or length < 2:
        raise ValueError(f"n must be at least 1 and length at least 2, got {n} and {length}")
    g = torch.Generator().manual_seed(seed)
    t = torch.arange(length) / RATE
    y = torch.randint(9, (n,), generator=g)
    first = torch.tensor(NOTES)[torch.where(y < 8, y, torch.randint(8, (n,), generator=g))].float()
    last = torch.where(y < 8, first, torch.tensor(NOTES)[torch.randint(8, (n,), generator=g)].float())
    duration = length / RATE
    turns = first[:, None] * t + (last - first)[:, None] * t.square() / (2 * duration)  # the integral of the frequency
    decay = 2 + 4 * torch.rand(n, 1, generator=g)
    x, strength = torch.zeros(n, length), torch.ones(n, 1)
    for k in range(1, 6):
        phase = torch.rand(n, 1, generator=g)
        x += strength * torch.sin(2 * math.pi * (k * turns + phase)) * torch.exp(-decay * k**0.5 * t)
        strength *= 0.2 + 0.6 * torch.rand(n, 1, generator=g)
    x = x / x.abs().amax(1, keepdim=True) * 0.9
    return Dataset("sounds", f"seed {seed}", x, y, classes=(*map(str, NOTES), "chirp"))
