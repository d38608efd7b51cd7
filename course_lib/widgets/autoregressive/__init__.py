"""The explorers of topic 05."""

from ..words import NextCharacterExplorer
from .images import ClassExplorer, CompletionExplorer, DrawingExplorer, NextPixelExplorer
from .sequences import DilationExplorer
from .structure import ReceptiveFieldExplorer, row_lstm_figure

__all__ = [
    "ClassExplorer",
    "CompletionExplorer",
    "DilationExplorer",
    "DrawingExplorer",
    "NextCharacterExplorer",
    "NextPixelExplorer",
    "ReceptiveFieldExplorer",
    "row_lstm_figure",
]
