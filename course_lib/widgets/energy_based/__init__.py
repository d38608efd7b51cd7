"""The explorers of topic 08."""

from .chains import ChainExplorer, CompositionExplorer
from .machines import GibbsExplorer, IsingExplorer
from .weights import ImportanceExplorer, PartitionExplorer

__all__ = [
    "ChainExplorer",
    "CompositionExplorer",
    "GibbsExplorer",
    "ImportanceExplorer",
    "IsingExplorer",
    "PartitionExplorer",
]
