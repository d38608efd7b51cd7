"""The explorers of topic 07."""

from .board import LeaderboardExplorer
from .distances import SampleSizeExplorer, TransportExplorer
from .images import CorruptionExplorer, FeatureExplorer
from .modes import WithheldExplorer
from .points import CoverageExplorer, LikelihoodExplorer

__all__ = [
    "CorruptionExplorer",
    "CoverageExplorer",
    "FeatureExplorer",
    "LeaderboardExplorer",
    "LikelihoodExplorer",
    "SampleSizeExplorer",
    "TransportExplorer",
    "WithheldExplorer",
]
