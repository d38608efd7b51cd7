"""Exercise 09, task 5: the chances of the next symbol, by temperature and min-p."""

import math

import torch

from course_lib.grading import Task, grid


def chances(logits, temperature, share):
    scaled = logits / temperature
    p = scaled.softmax(1)
    least = share * p.amax(1, keepdim=True)
    kept = p.masked_fill(p < least, 0.0)
    return kept / kept.sum(1, keepdim=True)


def truth(logits, temperature, share):
    """Row by row: how likely each symbol is beside the likeliest."""
    rows = []
    for row in logits.tolist():
        beside = [math.exp((one - max(row)) / temperature) for one in row]
        stay = [one if one >= share else 0.0 for one in beside]
        rows.append([one / sum(stay) for one in stay])
    return torch.tensor(rows)


TWO = torch.tensor([[2.1, -1.0, 0.5, 1.6, -0.3], [0.4, 0.2, -3.0, -0.4, 0.3], [-5.0, -1.0, -2.2, -0.5, -2.5]])
CHANCES = Task(
    chances,
    truth,
    cases=[
        (TWO, 1.0, 0.3),
        (TWO, 0.5, 0.13),
        (TWO.flip(1), 2.0, 0.45),
        (torch.tensor([[1.0, 2.5, 2.5, -1.0], [0.5, 0.5, -2.0, 0.5]]), 0.7, 1.0),
        (torch.tensor([[400.0, 399.75, 200.0], [0.25, -400.0, 0.125]]), 0.25, 0.2),
        ((3 * grid(2, 9)).sin(), 1.6, 0.62),
        (torch.tensor([[0.3, 2.2, 1.4, -0.7, 1.9]]).double(), 1.3, 0.4),
    ],
    mistakes="""
temperature multiplied: the logits are multiplied by the temperature. A high one should make the chances more alike.
    logits / temperature -> logits * temperature
temperature without effect: right for a temperature of 1. To divide the chances by it changes nothing once they sum to 1: what comes before the softmax?
    {logits / temperature -> logits|logits / temperature -> logits ; scaled.softmax(1) -> scaled.softmax(1) / temperature}
root of the temperature: the logits are divided by the root of the temperature. Its formula has none.
    logits / temperature -> logits / temperature**0.5
temperature on the share: the share is raised to the power of the temperature. It is the share as it was given.
    share * p.amax -> share**temperature * p.amax
temperature after the choice: the choice is made without the temperature, which comes too late. Here it comes first.
    p.masked_fill(p < least, -> p.masked_fill((q := logits.softmax(1)) < share * q.amax(1, keepdim=True),
temperature on the threshold: the choice is made with the temperature, but the chances that stay are those without it.
    kept = p.masked_fill(p < least, 0.0) -> kept = logits.softmax(1).masked_fill(p < least, 0.0)
threshold not relative: each symbol is compared with `share` itself. It is a share of the largest chance.
    share * p.amax(1, keepdim=True) -> share
share of a logit: logits are compared. A share of a logit means nothing: it may be negative. Chances are compared.
    p < least -> {scaled < share * scaled.amax(1, keepdim=True)|logits < share * logits.amax(1, keepdim=True)}
share reversed: the threshold is 1 − share of the largest chance. A large share cuts off much.
    share * p.amax(1, keepdim=True) -> (1 - share) * p.amax(1, keepdim=True)
one threshold for all: all rows share one largest chance, that of the whole batch or of a single row. Each has its own.
    p.amax(1, keepdim=True) -> p{|[0]|[-1]}.amax()
columns for rows: the largest chance is sought along axis 0, which counts the rows.
    p.amax(1, keepdim=True) -> p.amax(0, keepdim=True)
share of the mean: the threshold is a share of the mean chance. It is one of the largest.
    p.amax(1, keepdim=True) -> p.mean(1, keepdim=True)
nucleus: this is a nucleus: chances are added up until they reach a sum. Here each is compared with the largest one.
    p < least -> (p[:, None] * (p[:, None] > p[:, :, None])).sum(2) >= {share|1 - share}
top k: a share of the number of symbols stays, whatever their chances are. Here each is compared with the largest chance.
    p < least -> p < p.topk(max(1, {int|round|math.ceil}(share * p.shape[1])), 1).values[:, -1:]
threshold taken off: the threshold is subtracted from what stays. Chances that stay keep their ratios.
    p.masked_fill(p < least, 0.0) -> (p - least).clamp(min=0)
raised to the threshold: what lies below the threshold is raised to it. It should get the chance 0.
    p.masked_fill(p < least, 0.0) -> p.maximum(least)
sorted: the right chances, but sorted: each belongs to its own symbol. Sorting is not needed here.
    p = scaled.softmax(1) -> p = scaled.softmax(1).sort(1{|, descending=True}).values
what equals the threshold goes: a chance that equals the threshold goes. With a share of 1 nothing is left: it should stay.
    p < least -> p <= least
nothing goes: all symbols stay.
    p.masked_fill(p < least, 0.0) -> p
tail kept: what should go stays, and what should stay goes.
    p < least -> p {>=|>} least
likeliest alone: only the likeliest symbols stay, in every case.
    p < least -> p < p.amax(1, keepdim=True)
not renormalised: what stays is right, but it no longer sums to 1.
    kept / kept.sum(1, keepdim=True) -> kept
divided by the wrong sum: what stays is divided by a sum of the whole batch, or of a column. Each row sums to 1.
    kept.sum(1, keepdim=True) -> kept.sum({|0|0, keepdim=True})
divided by the largest: what stays is divided by the largest chance. It should sum to 1.
    kept.sum(1, keepdim=True) -> kept.amax(1, keepdim=True)
softmax of chances: what stays goes through a softmax once more. Chances are no logits: and a 0 gets e⁰ = 1.
    kept / kept.sum(1, keepdim=True) -> {kept|p.masked_fill(p < least, -math.inf)}.softmax(1)
zero for −∞: symbols that should go get the logit 0, and softmax gives them a chance.
    kept / kept.sum(1, keepdim=True) -> scaled.masked_fill(p < least, 0.0).softmax(1)
softmax over the batch: the softmax runs over axis 0, which counts the rows.
    scaled.softmax(1) -> scaled.softmax(0)
exp overflows: right for small logits, but exp of a large one is ∞, or 0 for a whole row: then nothing can be divided. softmax takes care of that.
    scaled.softmax(1) -> scaled.exp() / scaled.exp().sum(1, keepdim=True)
    scaled.softmax(1) -> (scaled - scaled.max()).exp(); p = p / p.sum(1, keepdim=True)
logits returned: these are logits of what stays. Chances are asked for.
    kept / kept.sum(1, keepdim=True) -> {scaled|logits}.masked_fill(p < least, -math.inf)
logarithms: these are logarithms of the chances.
    kept / kept.sum(1, keepdim=True) -> (kept / kept.sum(1, keepdim=True)).log()
mask: this tells which symbols stay. Their chances are asked for.
    kept / kept.sum(1, keepdim=True) -> {p >= least|(p >= least).to(p)}
""",
)
