"""Exercise 07, task 1b: from a log density to bits per dimension."""

import math

from course_lib.grading import Task
from course_lib.grading.metrics.shared import numbers


def pixel_bits(log_density, pixels, span):
    density = log_density / math.log(2)
    width = span / 256
    bits = density + pixels * math.log2(width)
    return -bits / pixels


PIXELS = Task(
    pixel_bits,
    cases=[
        (numbers(0.0, 0.0), 784, 1.0),
        (numbers(0.0, 900.0, -120.0), 784, 2.0),
        (numbers(2100.0, 40.0, 24000.0), 3072, 0.5),
        (numbers(-31.7), 60, 1.7),
    ],
    mistakes="""
offset forgotten: a density is turned into bits as if it were a probability. How wide is a grey level?
    + pixels * math.log2(width) ->
offset subtracted: the width of a grey level enters with the wrong sign: uniform pixels would cost less than nothing.
    density + pixels -> density - pixels
offset once: the width of a grey level counts once for the whole image. How many pixels have one?
    pixels * math.log2(width) -> math.log2(width)
255 levels: the largest grey level is 255, but how many are there?
    span / 256 -> span / 255
span ignored: right for pixels in [0, 1]. Over a longer range the same 256 levels are wider.
    span / 256 -> 1 / 256
span the wrong way: right for pixels in [0, 1]. Does a longer range make a grey level wider, or narrower?
    span / 256 -> 1 / span / 256
span as a factor: right for pixels in [0, 1]. Over twice the range a level is twice as wide: what does that do to a logarithm of its width?
    math.log2(width) -> -8 {/|*} span
offset in nats: the density is in bits, but the offset is in nats.
    math.log2(width) -> math.log(width)
nats: this is in nats. Uniform pixels should cost 8 bits.
    -bits / pixels -> -bits / pixels * math.log(2)
density in nats: the offset is in bits, but the density is in nats.
    log_density / math.log(2) -> log_density
times log 2: uniform pixels come out right, others do not: the density goes from nats to bits the wrong way.
    / math.log(2) -> * math.log(2)
whole image: these are the bits of a whole image.
    -bits / pixels -> -bits ; pixels * math.log2(width) -> {pixels * |}math.log2(width)
sign: uniform pixels come out right, but the likelier an image is, the more it costs.
    {density = -> density = -|return -bits -> return bits}
mean of the batch: the images are averaged. Each should have its own number.
    -bits / pixels -> (-bits / pixels).mean()
""",
)
