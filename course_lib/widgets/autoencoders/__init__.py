"""The explorers of topic 02."""

from .latents import BetaExplorer, BottleneckExplorer, LatentExplorer, LatentMap
from .uses import AnnealingPlayback, AnomalyExplorer, DebiasingExplorer, NoiseExplorer

__all__ = [
    "AnnealingPlayback",
    "AnomalyExplorer",
    "BetaExplorer",
    "BottleneckExplorer",
    "DebiasingExplorer",
    "LatentExplorer",
    "LatentMap",
    "NoiseExplorer",
]
