"""The explorers of topic 03."""

from .games import CollapseLab, GameExplorer, LiveGAN, OptimalExplorer, TrainingMovie
from .images import ArithmeticExplorer, ConditionalExplorer, StyleExplorer, TranslationExplorer

__all__ = [
    "ArithmeticExplorer",
    "CollapseLab",
    "ConditionalExplorer",
    "GameExplorer",
    "LiveGAN",
    "OptimalExplorer",
    "StyleExplorer",
    "TrainingMovie",
    "TranslationExplorer",
]
