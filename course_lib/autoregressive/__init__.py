"""Topic 05: autoregressive models.

`layers` has the masked and causal convolutions, `made` and `pixels` the models of images, `sequences` those of sound and text,
`sampling` draws one value after the other, naively and with a cache, `coding` turns images into bytes and back, and `recipes` says how
the checkpoints are made.
"""

from ..distributions import nucleus, top_k  # noqa: F401
from .layers import CausalConv1d, GatedLayer, MaskedConv2d, causal_mask, gate, shift_down, shift_right  # noqa: F401
from .made import MADE  # noqa: F401
from .pixels import GatedPixelCNN, MaskedBlock, PixelCNN, PixelModel, PixelRNN  # noqa: F401
from .recipes import LIVE, RECIPES, uva_pixelcnn  # noqa: F401
from .sampling import CachedLayer, raster, sample_cached, sample_naive, sample_parallel  # noqa: F401
from .sequences import CharLSTM, NGram, WaveNet  # noqa: F401
