"""Exercise 09, task 6: a model that looks ahead, mended."""

import math

import torch
from torch.nn import functional as F

from course_lib.grading import Task
from course_lib.grading.fixtures import Weights


def mended(x, w):
    time = x.shape[1]
    nothing = len(w.embed) - 1
    before = F.pad(x[:, :-1], (1, 0), value=nothing)
    h = w.embed[before] + w.places[:time]
    h = h + F.pad(h, (0, 0, 1, 0))[:, :-1] / 2
    q, k, v = h @ w.q, h @ w.k, h @ w.v
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    past = torch.ones(time, time, dtype=torch.bool).tril()
    weights = scores.masked_fill(~past, -math.inf).softmax(-1)
    h = h + weights @ v
    h = F.layer_norm(h, h.shape[2:])
    return h @ w.out


def truth(x, w):
    """Place by place, from what came before alone: nothing else is ever read."""
    d, rows = w.embed.shape[1], []
    for text in x.tolist():
        read, states, logits = [len(w.embed) - 1, *text[:-1]], [], []
        for i, symbol in enumerate(read):
            alone = w.embed[symbol] + w.places[i]
            states.append(alone + (w.embed[read[i - 1]] + w.places[i - 1]) / 2 if i else alone)
            so_far = torch.stack(states)
            h = states[i] + F.scaled_dot_product_attention((states[i] @ w.q)[None], so_far @ w.k, so_far @ w.v)[0]
            h = h - h.mean()
            logits.append(h / (h.square().sum() / d + 1e-5).sqrt() @ w.out)
        rows.append(torch.stack(logits))
    return torch.stack(rows)


def texts(batch, time, symbols, stride):
    return torch.arange(batch * time).square().mul(stride).reshape(batch, time) % symbols


MENDED = Task(
    mended,
    truth,
    cases=[
        (texts(2, 6, 7, 3), Weights(7, 4, 6, 0.4)),
        (texts(1, 5, 5, 2), Weights(5, 6, 8, 1.3)),
        (texts(3, 4, 6, 5), Weights(6, 3, 4, 0.9).double()),
    ],
    gradient=("w",),
    tolerance=1e-3,  # a norm without an eps is as right
    mistakes="""
as it was given: nothing is mended yet: three lines let a place see what comes after it. Take a single one of them at a time.
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> h.roll(-1, dims=1) / 2 ; scores.masked_fill(~past, -math.inf).softmax(-1) -> scores.softmax(-1).masked_fill(~past, 0.0) ; h.shape[2:] -> h.shape[1:]
neighbour and mask: two leaks are left: one in the line that mixes neighbours, one where the mask is used. The norm is mended.
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> h.roll(-1, dims=1) / 2 ; scores.masked_fill(~past, -math.inf).softmax(-1) -> scores.softmax(-1).masked_fill(~past, 0.0)
neighbour and norm: two leaks are left: one in the line that mixes neighbours, one in the last line but one. The attention is mended.
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> h.roll(-1, dims=1) / 2 ; h.shape[2:] -> h.shape[1:]
mask and norm: two leaks are left, small ones: where the mask is used, and in the last line but one. The neighbour is mended.
    scores.masked_fill(~past, -math.inf).softmax(-1) -> scores.softmax(-1).masked_fill(~past, 0.0) ; h.shape[2:] -> h.shape[1:]
neighbour: one leak is left, a large one: each place is mixed with the one after it, which holds the very symbol to be predicted.
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> {h.roll(-1, dims=1)|F.pad(h, (0, 0, 0, 1))[:, 1:]} / 2
mask too late: one leak is left: hidden scores still count in a sum before they are hidden.
    scores.masked_fill(~past, -math.inf).softmax(-1) -> scores.softmax(-1).masked_fill(~past, 0.0)
−∞ too late: −∞ comes after the softmax, where 0 would be a weight of nothing. Scores are what −∞ hides.
    scores.masked_fill(~past, -math.inf).softmax(-1) -> scores.softmax(-1).masked_fill(~past, -math.inf)
norm over time: one leak is left: a mean and a spread are taken over all places of a text, later ones too. Over which axis may they be taken?
    h.shape[2:] -> h.shape[1:]
round the end: the neighbour is now the one before, but `roll` goes round: the first place is mixed with the last one. What stands before the first?
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> h.roll(1, dims=1) / 2
round the end, and more: `roll` goes round: the first place is mixed with the last one. And another leak is left.
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> h.roll(1, dims=1) / 2 ; {h.shape[2:] -> h.shape[1:]|scores.masked_fill(~past, -math.inf).softmax(-1) -> scores.softmax(-1).masked_fill(~past, 0.0)}
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> h.roll(1, dims=1) / 2 ; scores.masked_fill(~past, -math.inf) -> scores.masked_fill(~past, 0.0){| ; h.shape[2:] -> h.shape[1:]}
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> h.roll(1, dims=1) / 2 ; h.shape[2:] -> h.shape[1:] ; scores.masked_fill(~past, -math.inf).softmax(-1) -> scores.softmax(-1).masked_fill(~past, 0.0)
first text for first place: `roll` goes round, and `[0] = 0` empties the whole first text: axis 0 is the batch. The first place of each text is `[:, 0]`.
    h = h + F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> r = h.roll(1, dims=1); r = r * (torch.arange(len(r)) > 0)[:, None, None]; h = h + r / 2
texts moved: each text is mixed with the one before it in the batch. Places are counted by axis 1.
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> {F.pad(h, (0, 0, 0, 0, 1, 0))[:-1]|h.roll(1, dims=0)|h.roll(-1, dims=0)} / 2
neighbour left out: nothing looks ahead any more, but the line that mixes neighbours is gone or mixes a place with itself. Each takes half of the place before it.
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> {0|h / 2}
first place repeated: nothing looks ahead any more, but the first place is mixed with itself. Before it there is nothing: zeros.
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> torch.cat([h[:, :1], h[:, :-1]], 1) / 2
something in front: nothing looks ahead any more, but the first place is mixed with the vector of "nothing yet". Before it there are zeros.
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> torch.cat([w.embed[nothing].expand(len(h), 1, -1), h[:, :-1]], 1) / 2
whole neighbour: nothing looks ahead any more, but the place before counts in full. Half of it is taken.
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> F.pad(h, (0, 0, 1, 0))[:, :-1]
both halved: nothing looks ahead any more, but the place itself is halved, too. Half of the place before is added to it.
    h = h + F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> h = (h + F.pad(h, (0, 0, 1, 0))[:, :-1]) / 2
neighbours of neighbours: nothing looks ahead any more, but a place gets something from all before it: the place before was mixed itself when it was added.
    h = h + F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> h = torch.tensor([[0.5 ** (i - j) if j <= i else 0.0 for j in range(time)] for i in range(time)]).to(h) @ h
all before: nothing looks ahead any more, but a place is mixed with the sum of all before it. Half of the last one is added.
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> {(h.cumsum(1) - h)|h.cumsum(1)} / 2
entries moved: the entries are moved within each vector. Places are counted by axis 1.
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> {F.pad(h, (1, 0))[:, :, :-1]|h.roll(1, dims=2)|h.roll(-1, dims=2)} / 2
two places back: nothing looks ahead any more, but each place is mixed with the one two before it.
    F.pad(h, (0, 0, 1, 0))[:, :-1] / 2 -> F.pad(h, (0, 0, 2, 0))[:, :-2] / 2
own place hidden: a place no longer sees itself, and the first one has nothing left to look at. It holds the symbol before the one to be predicted, so it may.
    .tril() -> .tril(-1){| ; -math.inf -> -1e9| ; .softmax(-1) -> .softmax(-1).nan_to_num()}
own place hidden, but for the first: nothing looks ahead any more, but only the first place sees itself. Each holds the symbol before the one to be predicted, so it may.
    .tril() -> .tril(-1).logical_or(torch.arange(time) + torch.arange(time)[:, None] == 0)
triangle turned: the triangle is turned round: a place now sees what comes after it, and not what came before.
    {.tril() -> .triu()|.masked_fill(~past, -> .masked_fill(~past.T,|.masked_fill(~past, -> .masked_fill(past.tril(-1),}
mask inverted: true and false of the mask are exchanged: now the past is hidden.
    masked_fill(~past, -> masked_fill(past,
scores of 0: hidden scores become 0, and e⁰ = 1 still counts. Before a softmax, what is hidden is −∞.
    scores.masked_fill(~past, -math.inf) -> scores.masked_fill(~past, 0.0)
weights that lack something: nothing looks ahead any more, but hidden scores of 0 still count in the sum of the softmax, so the weights do not sum to 1.
    scores.masked_fill(~past, -math.inf).softmax(-1) -> scores.masked_fill(~past, 0.0).softmax(-1).masked_fill(~past, 0.0)
softmax twice: weights go through a softmax once more. They are no scores: between 0 and 1 hardly any differ.
    scores.masked_fill(~past, -math.inf).softmax(-1) -> scores{|.masked_fill(~past, -math.inf)}.softmax(-1).masked_fill(~past, -math.inf).softmax(-1)
not scaled: nothing looks ahead any more, but the scores are no longer divided by the root of d. That line was right.
    / math.sqrt(q.shape[-1]) ->
over the wrong axis: weights are made to sum to 1 over the places that look. For each of them the weights of what it looks at sum to 1.
    .softmax(-1) -> .softmax({-2|0})
    scores.masked_fill(~past, -math.inf).softmax(-1) -> scores.softmax(-1).masked_fill(~past, 0.0); weights = weights / weights.sum(-2, keepdim=True)
nothing hidden: the mask is no longer used: every place sees all others.
    scores.masked_fill(~past, -math.inf) -> scores
norm gone: nothing looks ahead any more, but the norm is gone. It may stay, as long as each place has its own.
    h = F.layer_norm(h, h.shape[2:]) -> pass
another norm: nothing looks ahead any more, but the norm is another one now: its variance is a mean over all d entries, as `F.layer_norm` has it.
    h = F.layer_norm(h, h.shape[2:]) -> h = {(h - h.mean(-1, keepdim=True)) / h.std(-1, keepdim=True)|h - h.mean(-1, keepdim=True)|F.normalize(h, dim=-1)}
    h = F.layer_norm(h, h.shape[2:]) -> h = (h - h.mean(-1, keepdim=True)) / h.var(-1, keepdim=True{|, unbiased=False})
norm over the batch: the norm takes its mean over places or over texts. Each place of each text has its own, over its entries.
    h = F.layer_norm(h, h.shape[2:]) -> h = F.layer_norm({h.mT, h.shape[1:2]).mT|h.transpose(0, 2), h.shape[:1]).transpose(0, 2)|h, h.shape)}
    h = F.layer_norm(h, h.shape[2:]) -> h = (h - h.mean(1, keepdim=True)) / h.std(1, keepdim=True{|, unbiased=False})
symbols moved on: the symbols are moved on by one place more. The line that reads what came before was right.
    F.pad(x[:, :-1], (1, 0), value=nothing) -> F.pad(x[:, :-2], (2, 0), value=nothing)
symbols not moved: each place reads its own symbol, the very one to be predicted. The line that moved them was right.
    F.pad(x[:, :-1], (1, 0), value=nothing) -> x
symbol for nothing: the first place reads the symbol 0. The line that put "nothing yet" there was right.
    value=nothing -> value=0
symbols rolled: the first place reads the last symbol of the text. The line that put "nothing yet" there was right.
    F.pad(x[:, :-1], (1, 0), value=nothing) -> x.roll(1, dims=1)
""",
)
