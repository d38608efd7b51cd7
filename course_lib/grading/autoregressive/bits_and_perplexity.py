"""Exercise 05, task 4: what a symbol costs."""

import math

from course_lib.grading import Task
from course_lib.grading.fixtures import padded_costs


def bits_and_perplexity(log_p, real):
    kept = log_p[real]
    nats = -kept.mean()
    return nats / math.log(2), nats.exp()


PER_SYMBOL = Task(
    bits_and_perplexity,
    results=("bits", "perplexity"),
    cases=[
        padded_costs(5, 5, 2, 3, padding=0.0),
        padded_costs(784, 784, 500, padding=-1.3),
        padded_costs(6, 1, 6, 4, 2, padding=-math.inf),
        padded_costs(4, 3, 4, 1, padding=math.inf),
    ],
    mistakes="""
multiplied by zero: NaN where the padding holds −∞: 0 · ∞ is no number. Choose the real symbols instead of multiplying the others by 0.
    -kept.mean() -> -({log_p|log_p.clamp(-1e4)} * real).sum() / real.sum()
    -kept.mean() -> -((log_p * real).sum(1) / real.sum(1)).mean()
padding counted: the padding is counted too. It is no symbol: leave it out of the sum and of the number.
    -kept.mean() -> -{log_p.mean()|log_p.sum() / real.sum()|(log_p.sum(1) / real.sum(1)).mean()}
padding counted below: the sum is right, but it is shared by all places, the padding among them. How many symbols are there?
    -kept.mean() -> -{kept.sum() / log_p.numel()|(log_p * real).mean()}
each text: the sum is right, but it is divided by the number of rows: this is what a whole text costs. How many symbols are there?
    -kept.mean() -> -kept.sum() / log_p.shape[{0|1}]
padding guessed: the padding is guessed from its values, which may be any. `real` says where it is.
    log_p[real] -> log_p[{log_p.isfinite() & (log_p != 0)|log_p.isfinite()|log_p != 0}]
padding alone: this is what the padding costs: true stands for a real symbol.
    log_p[real] -> log_p[~real]
entropy: each logarithm is weighted with its probability, as in an entropy. Here a plain mean is asked for.
    -kept.mean() -> -(kept.exp() * kept).{mean|float().sum}()
rows first: each row is averaged first, then the rows: then a symbol of a short row counts for more. All symbols count the same.
    -kept.mean() -> torch.stack([-l[r].mean() for l, r in zip(log_p, real)]){.mean()| ; nats / -> nats.mean() / ; .exp() -> .exp().mean()}
perplexities averaged: bits are right, but the perplexity is a mean of perplexities, which a few hard symbols rule. Average the nats, then take exp.
    nats.exp() -> {(-kept)|torch.stack([-l[r].mean() for l, r in zip(log_p, real)])}.exp().mean()
probabilities averaged: bits are right, but the perplexity comes from a mean of probabilities. Average the logarithms.
    {nats.exp() -> 1 / kept.exp().mean()|-kept.mean() -> -kept.exp().mean().log()}
product, then root: right for a few symbols. The product of hundreds of probabilities is 0 on a computer: stay with logarithms up to the end.
    nats.exp() -> {kept.float().exp().prod() ** (-1|(-kept.sum()).float().exp() ** (1} / real.sum())
    -kept.mean() -> -kept.float().exp().prod().log() / real.sum()
exp of bits: bits are right, but the perplexity is exp of bits. exp belongs to nats; what belongs to bits?
    nats.exp() -> (nats / math.log(2)).exp()
2 to the nats: bits are right, but the perplexity is 2 to the power of nats. 2 belongs to bits; what belongs to nats?
    nats.exp() -> 2**nats
nats: the perplexity is right, but the first result is in nats. How many nats has a bit?
    nats / math.log(2) -> nats
multiplied by log 2: the perplexity is right, but for bits the nats are multiplied by log 2. A bit is log 2 ≈ 0.69 nats: there are more bits than nats.
    nats / math.log(2) -> nats * math.log(2){| ; nats.exp() -> 2 ** (nats * math.log(2))}
sign of the bits: the perplexity is right, but the bits are negative. They are what a symbol costs.
    nats / -> -nats /
inverse: bits are right, but the perplexity is below 1: this is the mean probability of a symbol. Among how many would one guess?
    nats.exp() -> (-nats).exp(){| ; nats / -> -nats /}
log of the bits: the first result takes a logarithm of the nats, which are logarithms already. From nats to bits it is a division.
    nats / math.log(2) -> {nats.log2()|-kept.log2().mean()|-kept.log2().mean() ; nats.exp() -> -kept.log2().mean()}
all together: these are the bits of all symbols together. Those of one symbol are asked for.
    -kept.mean() -> -kept.sum(){| ; nats.exp() -> (nats / kept.numel()).exp()}
one for each row: one number for each row. All symbols of the batch together give one.
    -kept.mean() -> torch.stack([-l[r].mean() for l, r in zip(log_p, real)])
order: bits and perplexity are exchanged.
    nats / math.log(2), nats.exp() -> nats.exp(), nats / math.log(2)
""",
)
