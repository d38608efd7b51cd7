"""Deep generative models: one module per topic, loaded when asked for (``from course_lib import autoencoders``)."""

__version__ = "0.1.0"
