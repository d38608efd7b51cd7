"""Deep generative models: one module per topic, loaded when asked for (``from course_lib import autoencoders``)."""

import os

# Threads of torch that wait leave the processor to others, in place of spinning: read once, when torch is loaded after this.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
