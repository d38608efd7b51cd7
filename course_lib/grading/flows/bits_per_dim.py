"""Exercise 04, task 5b: from log densities to bits per dimension."""

import math

import torch

from course_lib.grading import Task


def bits_per_dim(log_p, log_det, dims):
    log_p_of_v = log_p + log_det
    width = math.log(256)
    nats = -log_p_of_v / dims + width
    return nats / math.log(2)


def truth(log_p, log_det, dims):
    density = ((log_p + log_det) / dims).exp()  # of a pixel, in the geometric mean
    return -(density / 256).log2()


CASES = [
    (torch.tensor([-4100.0, -3900.5, -4210.0]), torch.tensor([6230.0, 5890.0, 6011.5]), 784),
    (torch.tensor([-3.0, 1.5, 4.0]), torch.tensor([4.0, 9.0, 9.5]), 2),  # likelier than one value alone can be: bits below 0
    (torch.tensor([-70.0, -88.0, -95.0, -61.0]), torch.tensor([140.0, 131.0, 155.0, 40.0]), 64),
    (torch.tensor([-31.5]), torch.tensor([47.25]), 16),
]
MISTAKES = """
bracket of the denominator: only the second part is divided: a division comes before a subtraction. The whole of log p(v) − D·log 256 needs
    brackets.
    nats / math.log(2) -> {-log_p_of_v - 8|8 - log_p_of_v|log_det - log_p - 8}
log2 of the log density: a logarithm is taken of log_p + log_det, which are logarithms already. From nats to bits it is a division.
    nats / math.log(2) -> {8 - log_p_of_v.log2()|8 - (log_p.log2() + log_det.log2())|width - log_p_of_v.log2()} / dims
minus before log p alone: the minus stands before log_p alone. It belongs to the whole numerator: all three terms change their sign.
    -log_p_of_v / dims + width -> (-log_p + log_det) / dims - width
784 for D: right for 784 pixels only: the images of other cases have another number, `dims`.
    -log_p_of_v / dims + width -> {width - log_p_of_v / 784|(dims * width - log_p_of_v) / 784|(784 * width - log_p_of_v) / dims}
batch for D: the number of images stands for the number of pixels, which is `dims`.
    / dims -> / len(log_p)
nats: right in nats. Bits are asked for: how many nats has a bit?
    / math.log(2) ->
multiplied by log 2: it is multiplied by log 2. A bit is log 2 ≈ 0.69 nats, so there are more bits than nats.
    / math.log(2) -> * math.log(2)
2 for log 2: it is divided by 2. A bit is log 2 nats, not 2.
    math.log(2) -> 2
multiplied by D: it is multiplied by D. In a / b * c the c stands above the line: the denominator needs brackets.
    nats / math.log(2) -> nats * {dims / math.log(2)|math.log(2)} * dims
another base: some logarithms have the base 10. log_p and log_det are natural ones, so log 256 and log 2 are too.
    math.log(2) -> math.log10(2) ; math.log(256) -> math.log{10|}(256)
    math.log(256) -> math.log10(256)
width of the bin forgotten: too small by 8 bits: this is a density of v. The probability of a value is that times the width of its bin, in
    every pixel.
    + width ->
sign of the 8 bits: 16 bits too small: the bin is narrow, so a value is less likely than the density says, and that costs bits.
    + width -> - width
255 for 256: a little too small: 255 bins are counted. Pixels take 256 values, 0 among them.
    256 -> 255
bin counted once: the width of the bin is counted for one pixel. Each of the D pixels has one.
    + width -> + width / dims
8 nats: 8 is added to nats and then turned into bits with the rest. log 256 is 8 bits, but it is not 8 nats.
    nats / math.log(2) -> {(nats - width + 8) / math.log(2)|nats - width + 8|(nats - width) / math.log(2) + width}
256 for 8: 256 stands where its logarithm belongs.
    nats / math.log(2) -> {(nats - width) / math.log(2) + 256|(nats - width + 256) / math.log(2)}
log-det left out: log_det has no effect: this takes the density of y for that of v. y is stretched.
    log_p + log_det -> log_p
log-det subtracted: log_det has the wrong sign. y is stretched, so the points of v lie closer together than those of y.
    log_p + log_det -> log_p - log_det
sign: negative where it should be positive: this is a mean log-probability. Bits are what it costs.
    -log_p_of_v / dims + width -> log_p_of_v / dims {-|+} width
whole image: these are the bits of the whole image. They are shared by its D pixels.
    nats / math.log(2) -> nats * dims / math.log(2)
dims on one part: only one of the two is divided by D. Both log_p and log_det belong to the whole image.
    -log_p_of_v / -> -({log_p + log_det * dims|log_p * dims + log_det|log_p_of_v * dims|log_p + log_det / dims|log_p / dims + log_det}) /
one number: one number for the batch. Each image has its own.
    nats / math.log(2) -> nats.{mean|sum}() / math.log(2)
"""
BITS = Task(bits_per_dim, truth, cases=CASES, mistakes=MISTAKES)
