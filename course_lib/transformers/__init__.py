"""Topic 09: transformers.

`blocks` has attention, positions, the cache and the one block; `language` GPT and image GPT, `masked` BERT's model and the diffusion of
text, `translation` encoder and decoder, `vision` the ViT, `bpe` an alphabet of pieces of words, and `recipes` how the checkpoints are made.
"""

from .blocks import (  # noqa: F401
    POSITIONS,
    Attention,
    Block,
    KVCache,
    Transformer,
    attention,
    causal_mask,
    rotary,
    sinusoidal_positions,
)
from .bpe import BPE  # noqa: F401
from .language import GPT, ImageGPT, PieceGPT, from_patches, patches  # noqa: F401
from .masked import MaskedLM, exact_bound  # noqa: F401
from .recipes import LIVE, RECIPES  # noqa: F401
from .translation import Translator, exact_matches  # noqa: F401
from .vision import ViT  # noqa: F401
