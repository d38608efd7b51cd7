"""Exercise 05, task 1b: the log-likelihood of binary images."""

import torch
from torch.nn import functional as F

from course_lib.grading import Task, grid
from course_lib.grading.fixtures import pixels


def log_likelihood(logits, x):
    one, zero = F.logsigmoid(logits), F.logsigmoid(-logits)
    each = torch.where(x > 0, one, zero)
    return each.sum(1)


LIKELIHOOD = Task(
    log_likelihood,
    ways=["torch.where(x > 0, one, zero) -> x * one + (1 - x) * zero"],
    cases=[
        (grid(4, 6), pixels(4, 6)),
        (grid(3, 784, low=-1.5, high=1.0), pixels(3, 784)),
        (grid(5, 2, low=-13.0, high=12.0) ** 3, pixels(5, 2, step=2.9)),
        (grid(1, 3, low=-1.0, high=2.0), pixels(1, 3, step=2.0)),
    ],
    gradient=("logits",),
    any_float=True,
    mistakes="""
product, then log: right for a few pixels. The product of hundreds of probabilities is 0 on a computer, and its logarithm −∞: add up logarithms.
    {|each = -> p = logits.float().sigmoid(); one, zero = p.log(), (1 - p).log(); each = ; }each.sum(1) -> each.float().exp().prod(1).log()
sigmoid, then log: right for small logits. At large ones the sigmoid is exactly 0 or 1 in a float, and the logarithm is lost: torch has a function that takes logits as they are.
    each = -> p = logits.{float|double}().sigmoid(); one, zero = p.log(), {(1 - p)|(-logits.float()).sigmoid()}.log(); each =
    each = -> p = logits.float().sigmoid(); one, zero = (log.clamp(min=-100) for log in (p.log(), (1 - p).log())); each =
exp overflows: right for small logits. exp of a large one is infinite in a float: torch has log(1 + eˣ) as one function, which is not.
    torch.where(x > 0, one, zero) -> x * logits.float() - {(1 + logits.float().exp()).log()|logits.float().exp().log1p()}
probabilities padded: a tiny number is added to the probabilities, or they are kept from 0: then an impossible pixel costs far too little. Work with the logits, which need no such help.
    each = -> e = 1e-{8|4|5|6|7|9|10|11|12}; p = logits.float().sigmoid(); one, zero = (p + e).log(), (1 - p + e).log(); each =
    each = -> e = 1e-{4|5|6|7|8|9|10|11|12}; p = logits.float().sigmoid().clamp(e, 1 - e); one, zero = p.log(), (1 - p).log(); each =
    each = -> e = 2**-23; p = logits.float().sigmoid().clamp(e, 1 - e); one, zero = p.log(), (1 - p).log(); each =
    each = -> p = logits.float().sigmoid(); one, zero = p.log(), (1 - p).log(); each = ; each.sum(1) -> each.float().nan_to_num().sum(1)
    each = -> p = logits.float().sigmoid(); one, zero = p.log(), (1 - p).log(); each = ; each.sum(1) -> each.float().sum(1).nan_to_num()
    each.sum(1) -> each.clamp(min=-100).sum(1)
logits kept small: right for small logits. Large ones are cut off, so an impossible pixel costs far too little. They need no such help.
    one, zero = -> m = {10|5|15|20|30|50|80|88}; logits = logits.clamp(-m, m); one, zero =
sigmoid twice: the sigmoid is taken twice: a function with `logits` in its name takes it by itself.
    one, zero = -> logits = logits.sigmoid(); one, zero =
arguments exchanged: logits and x are exchanged: the logits come first.
    one, zero = -> logits, x = x, logits; one, zero =
1 minus the logarithm: the zeros go wrong: log(1 − p) is neither 1 − log p nor −log p.
    F.logsigmoid(-logits) -> {1|} - F.logsigmoid(logits)
sign: minus the right value: that is the loss. log p(x) itself is asked for.
    each.sum(1) -> -each.sum(1)
ones alone: only the pixels that are 1 count. A 0 has a probability too.
    each = -> {zero = 0 * zero|one = 0 * one}; each =
always a one: x has no effect: this is the probability of an image of ones.
    torch.where(x > 0, one, zero) -> one
0 and 1 exchanged: 0 and 1 are exchanged: the sigmoid of a logit is the probability of a 1.
    one, zero = -> zero, one =
logits for logs: logits are added up as if they were log-probabilities. They still have to become that.
    each = -> one, zero = logits, {0 * |-|}logits; each =
    each = -> one = logits.log_softmax(1); zero = {0 * |}one; each =
probabilities added: probabilities are added up. Independent factors multiply: which sum belongs to a product?
    each.sum(1) -> each.float().exp().sum(1){|.log()}
averaged: a mean over the pixels. The chain rule adds them up.
    each.sum(1) -> each.mean(1)
summed over the batch: added up over the images: axis 0 counts them. Each image has a log p of its own.
    each.sum(1) -> each.{sum|mean}(0)
one number: one number for the batch. Each image has a log p of its own.
    each.sum(1) -> {each.sum()|each.mean()|each.sum(1).mean()|-each.mean()|-each.sum()}
each pixel: one number for each pixel. Add up those of an image.
    each.sum(1) -> each
probability: this is the probability, which is 0 for a large image on a computer. Its logarithm is asked for.
    each.sum(1) -> each.sum(1).exp()
bits: right in bits. Nats are asked for.
    each.sum(1) -> each.sum(1) / math.log(2)
""",
)
