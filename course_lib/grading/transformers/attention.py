"""Exercise 09, task 1b: scaled dot-product attention."""

import math

import torch
from torch.nn import functional as F

from course_lib.grading import Task, grid


def attention(q, k, v, mask=None):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(-1)
    return weights @ v, weights


def truth(q, k, v, mask=None):
    """PyTorch's own. Its weights are what it makes of values that are one 1 each."""
    marks = torch.eye(k.shape[-2], dtype=v.dtype).expand(*v.shape[:-1], -1)
    return tuple(F.scaled_dot_product_attention(q, k, values, mask) for values in (v, marks))


PAST = torch.ones(3, 5, dtype=torch.bool).tril(2)
TOLD = torch.tensor([[True, True, False, True], [False, True, True, False]])[:, None, None]  # where each of two texts has symbols
LARGE = torch.tensor([[-40.0, 9.0], [-30.0, 7.0], [36.0, 5.0], [-35.0, 2.0]])  # the third key fits best, and is hidden
HUGE = torch.tensor([[-2000.0, 1.0], [-2000.0, 1.001], [2000.0, 3.0], [-2000.0, 1.002]])  # what a mask of −1e6 does not hide
FIRST = torch.tensor([[True, True, False, True], [True, False, False, True], [True, True, True, True]])
ATTENTION = Task(
    attention,
    truth,
    cases=[
        (grid(2, 3, 4).sin(), (2 * grid(2, 5, 4)).cos(), grid(2, 5, 3)),
        (2 * grid(2, 2, 3, 6).cos(), grid(2, 2, 5, 6).sin(), (3 * grid(2, 2, 5, 4)).sin(), PAST),
        ((5 * grid(2, 3, 3, 2)).sin(), (4 * grid(2, 3, 4, 2)).cos(), grid(2, 3, 4, 2), TOLD),
        (torch.tensor([[[60.0, 1.0], [55.0, -2.0], [33.0, 0.3]]]), LARGE[None], grid(1, 4, 3), FIRST),
        ((3 * grid(1, 2, 5).double()).sin(), (4 * grid(1, 3, 5).double()).cos(), grid(1, 3, 2).double()),
        (1500 * grid(1, 2, 2, low=1.0, high=1.001).double(), HUGE[None].double(), grid(1, 4, 3).double(), FIRST[:2]),
    ],
    results=("the output", "the weights"),
    gradient=("q", "k", "v"),
    mistakes="""
not scaled: the scores are not scaled. Products of long vectors are large, and softmax then picks a single key.
    / math.sqrt(q.shape[-1]) ->
scaled by d: the scores are divided by d. Look at the formula again: which power of d is it?
    / math.sqrt(q.shape[-1]) -> / q.shape[-1]
multiplied by √d: the scores are multiplied by √d instead of divided.
    / math.sqrt(q.shape[-1]) -> * math.sqrt(q.shape[-1])
scaled by another size: the scores are divided by the root of another size. d is the length of one query.
    / math.sqrt(q.shape[-1]) -> / math.sqrt({k.shape[-2]|q.shape[-2]|v.shape[-1]|q.shape[1]|q.shape[0]|q.numel()})
inverted: true and false of the mask are exchanged: true is where a query may look.
    masked_fill(~mask, -> masked_fill(mask,
+∞ for −∞: hidden scores become +∞, of which softmax makes NaN. Which score has the weight 0?
    -math.inf) -> math.inf)
mask ignored: the mask is not used.
    if mask is not None: -> if False:
zero for −∞: hidden scores become 0, and e⁰ = 1 is a weight like others. Which score has none?
    scores = scores.masked_fill(~mask, -math.inf) -> scores = {scores.masked_fill(~mask, 0.0)|scores * mask|scores.masked_fill(~mask, 1e-9)}
mask added: the mask is added to the scores as 0 and 1, which hides nothing. A hidden key needs a score that softmax turns into 0.
    scores.masked_fill(~mask, -math.inf) -> scores + {mask|(~mask)}
weak mask: hidden scores get a large negative number, but others can be lower still. `-math.inf` is below them all.
    -math.inf) -> -{1.0|10.0|50.0|100.0|1000.0|1e4|1e5|1e6})
    scores.masked_fill(~mask, -math.inf) -> scores - {100|1000|1e4|1e5|1e6} * ~mask
0 · ∞: ∞ is multiplied by the mask, and 0 · ∞ is NaN. `masked_fill` and `torch.where` choose and multiply nothing.
    scores.masked_fill(~mask, -math.inf) -> scores {+ ~mask * -math.inf|- ~mask * math.inf|* mask - ~mask * math.inf}
    scores.masked_fill(~mask, -math.inf) -> scores + ~mask * -math.inf ; scores.softmax(-1) -> scores.softmax(-1).nan_to_num()
another mask: the future is hidden, whatever the mask says. Here the mask alone tells what may be seen.
    scores.masked_fill(~mask, -math.inf) -> scores.masked_fill(torch.ones_like(scores).tril(k.shape[-2] - q.shape[-2]) == 0, -math.inf)
    if mask is not None: -> if True: ; (~mask, -> (torch.ones_like(scores).tril({k.shape[-2] - q.shape[-2]|0}) == 0,
masked after the softmax: what is hidden still counts in the sum that softmax divides by, so the weights do not sum to 1. Hide before the softmax.
    scores = scores.masked_fill(~mask, -math.inf) -> pass ; = scores.softmax(-1) -> = scores.softmax(-1) if mask is None else scores.softmax(-1) * mask
−∞ after the softmax: −∞ comes after the softmax, where 0 would be a weight of nothing, and it is too late anyway. Scores are what −∞ hides.
    scores = scores.masked_fill(~mask, -math.inf) -> pass ; = scores.softmax(-1) -> = scores.softmax(-1) if mask is None else scores.softmax(-1).masked_fill(~mask, -math.inf)
masked, then divided: right for small scores. Where a hidden one is large, hardly anything is left of the others to divide by. Hide before the softmax.
    scores = scores.masked_fill(~mask, -math.inf) -> pass ; return weights @ v, weights -> weights = weights if mask is None else weights * mask; weights = weights / weights.sum(-1, keepdim=True); return weights @ v, weights
over the queries: the softmax runs over the queries. For each query the weights of the keys sum to 1: which axis counts the keys?
    scores.softmax(-1) -> scores.softmax(-2)
axis from the front: the softmax runs over axis 0, 1 or 2, counted from the front. There may be axes for batch and heads: count from the end.
    scores.softmax(-1) -> scores.softmax({0|1|min(2, scores.ndim - 1)})
over everything: the weights of all queries together sum to 1. Each query has its own softmax.
    scores.softmax(-1) -> scores.flatten(-2).softmax(-1).view(scores.shape)
exp overflows: right for small scores, but exp of a large one is ∞, or 0 for all of them: then nothing can be divided. softmax takes care of that.
    weights = scores.softmax(-1) -> weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
    weights = scores.softmax(-1) -> weights = (scores - scores.max()).exp(); weights = weights / weights.sum(-1, keepdim=True)
no softmax: the scores themselves are the weights. What makes numbers positive that sum to 1?
    weights = scores.softmax(-1) -> weights = {scores|scores.nan_to_num(neginf=0.0)|scores / scores.sum(-1, keepdim=True)|scores.exp()}
sigmoid: each weight lies between 0 and 1, but those of one query do not sum to 1.
    scores.softmax(-1) -> scores.sigmoid()
logarithms: these are logarithms of weights.
    scores.softmax(-1) -> scores.log_softmax(-1)
scaled after the softmax: the root divides the weights, so they do not sum to 1. It belongs to the scores.
    / math.sqrt(q.shape[-1]) -> ; weights = scores.softmax(-1) -> weights = scores.softmax(-1) / math.sqrt(q.shape[-1])
keys for values: the keys are averaged. They say where to look; what is found there are the values.
    weights @ v -> weights @ k
scores returned: the output is right, but with it come the scores. The weights are what softmax makes of them.
    weights @ v, weights -> weights @ v, scores
values detached from the weights: right values, but no gradient reaches queries and keys: nobody would learn where to look.
    weights @ v -> weights.detach() @ v
    weights = scores.softmax(-1) -> weights = scores.softmax(-1).detach()
weights detached: right values, but no gradient passes through the weights that are returned. Return them as they are.
    weights @ v, weights -> weights @ v, weights.detach()
order: output and weights are exchanged.
    return weights @ v, weights -> return weights, weights @ v
""",
)
