"""Exercise 05, task 5a: only the k likeliest symbols."""

import math

import torch

from course_lib.grading import Task

FEW = torch.tensor([[2.0, -1.0, 0.5, 3.0, -4.0], [0.1, 0.2, -3.0, -0.4, 0.3], [-5.0, -1.0, -2.0, -0.5, -2.5]])
TIES = torch.tensor([[1.0, 1.0, -2.0, 1.0, 0.5, -1.0], [0.0, 3.0, 2.0, 2.0, -6.0, 2.0]])
SHORT = torch.tensor([[-3.0, 0.4, 2.5], [0.7, -0.2, -1.1], [1.0, 1.5, -2.0], [-0.5, 0.1, 0.3]])
WIDE = torch.tensor([[150.32, -40.27, -30.61, 2.13]])  # probabilities of 0 on a computer


def top_k(logits, k):
    k = min(k, logits.shape[1])
    ordered = logits.sort(1, descending=True).values
    least = ordered[:, k - 1 : k]
    stays = logits >= least
    return logits.masked_fill(~stays, -math.inf)


TOP_K = Task(
    top_k,
    cases=[(FEW, 2), (TIES, 2), (SHORT, 5), (FEW.flip(1), 1), (WIDE, 3), (FEW[:1].double(), 3)],
    mistakes="""
ties broken: right without ties. Symbols that are as likely as the k-th stay too: which of them went was chance.
    logits >= least -> torch.zeros_like(logits).scatter(1, logits.topk(k).indices, 1.0) > 0
    logits >= least -> logits.{argsort(dim=1, descending=True, stable=True)|argsort(dim=1, stable=True).flip(1)}.argsort(1) < k
k-th left out: the k-th symbol itself goes: it is not larger than itself.
    >= least -> > least
one too many: one symbol too many stays: counting starts at 0.
    ordered[:, k - 1 : k] -> ordered[:, : k + 1][:, -1:]
nothing goes: all symbols stay, in every case.
    logits.masked_fill(~stays, -math.inf) -> logits
largest alone: right for k = 1: only the likeliest stays. The threshold is the k-th largest.
    ordered[:, k - 1 : k] -> ordered[:, :1]
k-th smallest: the threshold is the k-th smallest logit: which way does your sort go?
    , descending=True ->
equal ones counted once: right without ties. Equal logits are counted once, as one of k values: each symbol counts.
    logits >= least -> torch.stack([row >= row.unique().flip(0)[:k][-1] for row in logits])
places for ranks: `argsort` tells which symbol has each rank, not which rank each symbol has.
    logits >= least -> {logits.argsort(dim=1, descending=True, stable=True)|torch.arange(logits.shape[1]).expand(logits.shape)} < k
smallest kept: the k least likely symbols stay.
    , descending=True -> ; >= least -> <= least{ ; -math.inf -> math.inf|}
largest removed: the k most likely symbols go, and the others stay.
    ~stays -> stays
zero for −∞: removed symbols get the logit 0. A logit of 0 is a probability like others, often a large one: which logit has none?
    -math.inf -> 0.0
large number for −∞: removed symbols get a large negative logit. Take −∞ itself, `-math.inf`: a fixed number may be too small one day.
    -math.inf -> {-1e9|-100.0|-1e3|-1e4|-1e5|-1e6|-1e8|-1e10|-1e20|-1e30|torch.finfo(torch.float32).min|math.inf}
over the batch: the k largest are sought along axis 0, which counts the examples. Each row has its own.
    logits.shape[1] -> len(logits) ; logits.sort(1 -> logits.sort(0 ; ordered[:, k - 1 : k] -> ordered[k - 1 : k]
over all rows: the k largest of the whole batch stay. Each row has its own.
    k = min(k, logits.shape[1]) -> pass ; logits.sort(1, descending=True).values -> logits.reshape(1, -1).sort(1, descending=True).values
by size: the sizes of the logits decide. A logit far below 0 is unlikely.
    logits.sort -> logits.abs().sort ; logits >= least -> logits.abs() >= least
one threshold for all: one threshold is used for all rows. Each row has its own: keep its axis.
    >= least -> >= least{[:1]|[-1:]|.min()|.max()}
k values: only the k largest come back, sorted. The others stay in their places, with a logit that can never be drawn.
    logits.masked_fill(~stays, -math.inf) -> {ordered[:, :k]|logits.topk(k).indices|ordered|ordered.masked_fill(ordered < least, -math.inf)}
probabilities: these are probabilities. Logits are asked for: what stays, stays as it was.
    {, -math.inf) -> , -math.inf)|return logits -> return logits}.{softmax|log_softmax}(1)
    logits.masked_fill(~stays, -math.inf) -> logits.softmax(1) * stays
mask: this tells which symbols stay. Their logits are asked for.
    logits.masked_fill(~stays, -math.inf) -> stays
""",
)
