"""The explorers of topic 06."""

from .images import DDIMExplorer, EditExplorer, GuidanceExplorer, InpaintExplorer
from .noise import NoiseExplorer
from .paths import ReverseExplorer, TrajectoryExplorer
from .scores import ScoreExplorer

__all__ = [
    "DDIMExplorer",
    "EditExplorer",
    "GuidanceExplorer",
    "InpaintExplorer",
    "NoiseExplorer",
    "ReverseExplorer",
    "ScoreExplorer",
    "TrajectoryExplorer",
]
