"""Exercise 04, task 5a: pixels on the whole line."""

import math

import torch
from torch.distributions.transforms import AffineTransform, ComposeTransform, SigmoidTransform

from course_lib.grading import Task
from course_lib.grading.fixtures import whole_images


def to_logits(x, u, alpha):
    v = (x + u) / 256
    r = alpha + (1 - 2 * alpha) * v
    y = r.log() - (1 - r).log()
    first = math.log(1 - 2 * alpha)
    logs = first - r.log() - (1 - r).log()
    return y, logs.sum(1)


def truth(x, u, alpha):
    transform = ComposeTransform([AffineTransform(alpha, 1 - 2 * alpha), SigmoidTransform().inv])
    v = (x + u) / 256
    y = transform(v)
    return y, transform.log_abs_det_jacobian(v, y).sum(1)


BYTES = torch.tensor([[0, 17, 128, 255], [3, 250, 64, 201], [99, 0, 255, 31]], dtype=torch.uint8)
SHARES = torch.tensor([[0.3, 0.9, 0.5, 0.7], [0.0, 0.25, 0.6, 0.1], [0.45, 0.8, 0.95, 0.15]])
DARK = torch.tensor([[0, 3, 40], [90, 0, 7]], dtype=torch.uint8), torch.tensor([[0.0, 0.5, 0.2], [0.7, 0.0, 0.4]])

CASES = [
    (BYTES, SHARES, 0.05),
    (BYTES.T.float(), SHARES.T.flip(0), 0.01),
    (BYTES[:2], SHARES[1:], 0.44),  # squeezed so much that the whole map squeezes
    (*whole_images(2, 7), 0.03),  # the determinant is infinite
    (*DARK, 1e-12),
    (BYTES[:1], SHARES[2:], 0.2),
]
MISTAKES = """
255 for 256: divided by 255. There are 256 values, 0 among them, and each gets a bin of its own: how wide is it?
    (x + u) / 256 -> {(x + u) / 255|x / 255 + u / 256|x / 255}
u left out: u has no effect: v stays on 256 points, and a density can grow there without end.
    (x + u) -> {x|(x + 0.5)}
u centred: u is centred, so half of a bin lies in the bin below, and v may be negative. The bin of x runs from x to x + 1.
    (x + u) -> (x + u - 0.5)
u not scaled: u is added after the division: noise as large as the whole range of grey. It is to fill one bin.
    (x + u) / 256 -> x / {256|255} + u
not divided: NaN: the pixels still run to 256. A logit needs a number between 0 and 1.
    (x + u) / 256 -> {(x + u)|x + u / 256}
alpha left out: alpha has no effect: at v = 0 the logit is infinite.
    alpha + (1 - 2 * alpha) * v -> v ; first - r.log() -> {|first }- r.log()
alpha on one side: v is moved away from 0, but not from 1. The margin alpha is needed on both sides.
    (1 - 2 * alpha) * v -> (1 - alpha) * v ; math.log(1 - 2 * alpha) -> math.log(1 - {|2 * }alpha)
    (1 - 2 * alpha) * v -> v ; first - r.log() -> -r.log()
alpha on the other side: v is moved away from 1, but not from 0. The margin alpha is needed on both sides.
    alpha + ->
    alpha + (1 - 2 * alpha) -> (1 - alpha) ; math.log(1 - 2 * alpha) -> math.log(1 - alpha)
clamped: v is clamped, so many dark values become one, and no map leads back. The formula squeezes.
    alpha + (1 - 2 * alpha) * v -> v.clamp(alpha, 1 - alpha) ; first - r.log() -> {|first }- r.log()
logit clipped: the logit cuts off what lies nearer than `eps` to 0 or 1, so many dark values become one. alpha keeps r inside: take no eps.
    y = r.log() - (1 - r).log() -> y = torch.logit(r, 1e-{6|2|3|4|5|7|8|9|10|11})
    y = r.log() -> e = 1e-{6|2|3|4|5|7|8|9|10|11}; r = r.clamp(e, 1 - e); y = r.log()
bracket of the logit: y is minus infinity everywhere: `r / 1 - r` divides by 1 and takes r away. 1 − r needs brackets.
    y = r.log() - (1 - r).log() -> y = (r / 1 - r).log() ; - r.log() - (1 - r) -> - {r.log() - (1 - r)|(r * 1 - r)}
logit of v: the logit is taken of v, which may be 0. It is applied to r, and r keeps a margin from both ends.
    y = r.log() - (1 - r).log() -> y = torch.logit(v)
r for y: y is r: it still lies between 0 and 1. Which function leads from there to the whole line?
    return y -> return r
logit turned round: y has the wrong sign: bright pixels come out negative. Which of r and 1 − r stands above the other?
    return y -> return -y
sigmoid for logit: y is a sigmoid. The logit is what undoes a sigmoid: it leads from (0, 1) to the whole line.
    y = r.log() - (1 - r).log() -> y = r.sigmoid() ; - r.log() - (1 - r) -> {- r.log() - (1 - r)|+ y.log() + (1 - y)}
odds: y is r / (1 − r), which is never negative. The logit is the logarithm of that.
    return y -> return y.exp()
log for logit: y is log r. The logit is log r − log(1 − r).
    y = r.log() - (1 - r).log() -> y = r.log() ; first - r.log() - (1 - r).log() -> first - r.log(){| - (1 - r).log()}
factor of alpha forgotten: y is right, but the log-det lacks the first step: from v to r everything shrinks by 1 − 2·alpha.
    first - r.log() -> -r.log()
factor of alpha once: y is right, but the factor 1 − 2·alpha is counted once. Every pixel is multiplied by it.
    first - r.log() -> -r.log() ; logs.sum(1) -> first + logs.sum(1)
sign of the alpha factor: y is right, but in the log-det the factor 1 − 2·alpha has the wrong sign: this step squeezes.
    first - r.log() -> -first - r.log()
logit forgotten: y is right, but the log-det knows the first step alone. The logit stretches too, most near 0 and 1.
    first - r.log() - (1 - r).log() -> first + 0 * r
sign of the logit: y is right, but the log-det has the slope of the sigmoid for that of the logit. Each is one over the other.
    first - r.log() - (1 - r).log() -> first + r.log() + (1 - r).log()
one side of the logit: y is right, but half of the logit's slope is missing: it is 1 / (r · (1 − r)).
    first - r.log() - (1 - r).log() -> first - {r.log()|(1 - r).log()|r.log() + (1 - r).log()}
slope at v: y is right, but the slope of the logit is taken at v. The logit is applied to r.
    first - r.log() - (1 - r).log() -> {first |}- v.log() - (1 - v).log()
slope without log: y is right, but the slopes are added up for the log-det. The determinant is their product: what is the logarithm of that?
    logs.sum(1) -> logs.exp().{sum|prod}(1)
log of the summed slopes: y is right, but for the log-det the slopes are added up before the logarithm. The determinant is their product.
    logs.sum(1) -> logs.logsumexp(1)
product, then log: y is right, and the log-det too for a few pixels. The product of the slopes of a whole image is infinite or 0 on a
    computer: add up logarithms.
    logs.sum(1) -> logs.exp().float().prod(1).log()
sizes of the logs: y is right, but an absolute value is taken of the logarithms. With a large alpha the map squeezes, and that counts as
    negative.
    logs.sum(1) -> logs.{abs().sum(1)|sum(1).abs()}
sign of the log-det: y is right, but the log-det is that of the way back, from y to v.
    logs.sum(1) -> -logs.sum(1)
256 in the log-det: y is right, but the log-det counts the division by 256 too. It is that of v → y; the 256 comes in 5b.
    logs.sum(1) -> (logs {-|+} math.log(256)).sum(1)
bits: y is right, but the log-det is in bits. Nats are asked for; bits come in 5b.
    logs.sum(1) -> logs.sum(1) / math.log(2)
log-det averaged: y is right, but the log-det is a mean over the pixels. A log-determinant is a sum.
    logs.sum(1) -> logs.mean(1)
log-det for each pixel: y is right, but the log-det has a number for each pixel. Add up those of an image.
    logs.sum(1) -> logs
summed over the batch: y is right, but the log-det is summed over the images: axis 0 counts them. Each image has a log-det of its own.
    logs.sum(1) -> logs.sum(0)
log-det for the whole batch: y is right, but the log-det is one number. Each image has its own.
    logs.sum(1) -> logs.{sum|mean}()
"""
LOGITS = Task(to_logits, truth, cases=CASES, mistakes=MISTAKES, results=("y", "log_det"), tolerance=3e-5)
