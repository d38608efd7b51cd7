"""The explorers of topic 05."""

from ..words import NextCharacterExplorer
from .colours import ColourExplorer, CompletionExplorer
from .images import ClassExplorer, DrawingExplorer, NextPixelExplorer
from .sequences import DilationExplorer
from .structure import ReceptiveFieldExplorer, row_lstm_figure

__all__ = [
    "ClassExplorer",
    "ColourExplorer",
    "CompletionExplorer",
    "DilationExplorer",
    "DrawingExplorer",
    "NextCharacterExplorer",
    "NextPixelExplorer",
    "ReceptiveFieldExplorer",
    "row_lstm_figure",
]
