"""Exercise 05, task 5b: only the likeliest symbols that have the probability p together."""

import math

import torch

from course_lib.grading import Task, grid
from course_lib.grading.autoregressive.top_k import FEW

TIES = torch.tensor([[0.0, 0.0, 0.0, 0.0, -1.0, 1.5], [-0.5, 1.0, 1.0, -2.0, 1.0, 0.2]])
SHORT = torch.tensor([[-1.0, 1.0, 0.4], [1.7, -0.2, 0.1], [0.3, 1.5, -0.4], [-0.5, 0.1, 0.3]])


def nucleus(logits, p):
    ordered, order = logits.sort(dim=1, descending=True, stable=True)
    each = ordered.softmax(1)
    total = each.cumsum(1)
    inside = total - each < p
    stays = torch.zeros_like(inside).scatter(1, order, inside)
    least = logits.masked_fill(~stays, math.inf).amin(1, keepdim=True)
    goes = logits < least
    return logits.masked_fill(goes, -math.inf)


def truth(logits, p):
    """By counting: a symbol stays if all that are strictly likelier have less than p together."""
    likelier = logits[:, None, :] > logits[:, :, None]
    return torch.where((logits.softmax(1)[:, None] * likelier).sum(2) < p, logits, -math.inf)


NUCLEUS = Task(
    nucleus,
    truth,
    cases=[
        (FEW, 0.8),
        (TIES, 0.6),
        (SHORT, 0.9999),
        (FEW.flip(1), 0.05),
        (3 * grid(1, 9).double().sin(), 0.97),
        (grid(2, 15).cos() / 2, 0.15),
    ],
    mistakes="""
ties broken: right without ties. Symbols that are as likely as the last one inside stay too: which of them went was chance.
    {|logits.sort(dim=1, descending=True, stable=True) -> (s.flip(1) for s in logits.sort(dim=1, stable=True)) ; }logits < least -> ~stays
border left out: the symbol that takes the sum past p goes, so less than p is left, and nothing at all where the first symbol has more than p.
    {total - each < p -> total <= p|total - each < p -> total <= p ; logits < least -> ~stays|logits < least -> logits <= least}
one kept at least: the first symbol is saved, but elsewhere the one that takes the sum past p still goes: less than p is left.
    total - each < p -> (total <= p) | (total == each){| ; logits < least -> ~stays}
one too many: one symbol too many stays: p was reached before it.
    (1, order, inside) -> (1, order, inside.roll(1, 1).index_fill(1, torch.tensor(0), 1)){| ; logits < least -> ~stays}
nothing goes: all symbols stay, always. Does what you add up ever reach p? And which symbol do you take for the last one inside?
    logits.masked_fill(goes, -math.inf) -> logits
not sorted: probabilities are added up in the order of the alphabet. The likeliest come first.
    goes = logits < least -> each = logits.softmax(1); goes = each.cumsum(1) {- each >=|>} p
rarest first: sorted from the rarest on, so the tail stays. The likeliest come first.
    descending=True, -> ; logits < least -> ~stays{| ; total - each < p -> total <= p}
not put back: which places stay is right in sorted order, but the logits are in the order of the alphabet: put it back.
    logits < least -> ~inside
put back the wrong way: sorted values are picked by what the sort returned, which mixes them once more. Which function puts values at given places?
    {logits.masked_fill(goes, -math.inf) -> ordered.where(inside, -math.inf).gather(1, order)|logits < least -> ~inside.gather(1, order)}
probabilities not sorted: logits are sorted, but the probabilities that are added up are not: they come in the order of the alphabet.
    ordered.softmax(1) -> logits.softmax(1){| ; logits < least -> ~stays}
tail kept: the nucleus goes and the tail stays.
    goes, -> ~goes,
threshold on each: each symbol is compared with p. p is for the sum of the likeliest ones.
    logits < least -> logits.softmax(1) < {p|1 - p|p * each[:, :1]}
logits added: logits are added up. Probabilities reach p, and a logit is not one yet.
    ordered.softmax(1) -> ordered{|.exp()|.sigmoid()} ; logits < least -> {~stays|logits < least}
    total - each < p -> ordered.cumsum(1) < p ; logits < least -> ~stays
softmax over the batch: the softmax runs over axis 0, which counts the examples.
    ordered.softmax(1) -> {logits.softmax(0).gather(1, order)|ordered.softmax(0)} ; logits < least -> {~stays|logits < least}
    ordered, order = -> logits = logits.T; ordered, order = ; goes, -math.inf) -> goes, -math.inf).T
share of the alphabet: a share p of the alphabet stays. p is a share of the probability: sometimes one symbol has it, sometimes it takes many.
    total - each < p -> torch.ones_like(each).cumsum(1) <= {math.ceil(p * each.shape[1])|max(1, int(p * each.shape[1]))}
same for all rows: all rows have the same number of symbols, or the same threshold. Each row has its own.
    logits < least -> logits < {ordered[:, [(logits >= least)[0].sum() - 1]]|least.min()|least[0]}
    total - each < p -> (total - each < p)[:1].expand(each.shape)
zero for −∞: removed symbols get the logit 0, which is a probability like others. Which logit has none?
    -math.inf -> 0.0
large number for −∞: removed symbols get a large negative logit. Take −∞ itself, `-math.inf`.
    -math.inf -> {-1e9|-100.0|-1e3|-1e4|-1e5|-1e6|-1e8|-1e10|-1e20|-1e30|torch.finfo(torch.float32).min}
sorted: the right logits, but sorted. Each symbol has its place.
    goes, -math.inf) -> goes, -math.inf).sort(1, descending=True).values{| ; logits < least -> ~stays}
probabilities: these are probabilities. Logits are asked for: what stays, stays as it was.
    goes, -math.inf) -> goes, -math.inf).{softmax|log_softmax}(1)
    logits.masked_fill(goes, -math.inf) -> logits.softmax(1){ * ~goes|.masked_fill(goes, -math.inf)}
mask: this tells which symbols stay. Their logits are asked for.
    logits.masked_fill(goes, -math.inf) -> {~goes|inside}
""",
)
