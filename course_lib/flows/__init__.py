"""Topic 04: normalizing flows.

`layers` has the invertible pieces and `spline` the monotone spline, `models` flows for vectors, `images` flows for images,
`continuous` FFJORD, and `recipes` how the checkpoints are made.
"""

from .continuous import ContinuousFlow, Velocity, WithTrace  # noqa: F401
from .images import ImageFlow, Level, UniformDequantiser, VariationalDequantiser, dequantise  # noqa: F401
from .layers import (  # noqa: F401
    COUPLINGS,
    ActNorm,
    AdditiveCoupling,
    Autoregressive,
    Coupling,
    InverseAutoregressive,
    InvertibleLinear,
    Logit,
    Permutation,
    SplineCoupling,
    Squeeze,
    scale_and_shift,
)
from .models import KINDS, Flow, LatentFlow  # noqa: F401
from .recipes import LIVE, RECIPES, RIVALS, SHOWN, TOYS, point_flow  # noqa: F401
from .spline import knots, rational_quadratic  # noqa: F401
