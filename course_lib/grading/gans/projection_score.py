"""Exercise 03, task 5b: the score of an image for the words that were asked for."""

import torch

from course_lib.grading import Task, grid

ASKED = torch.tensor([[1.0, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 1, 1, 0]])  # two words, one, none, two


def projection_score(score, h, rows, vectors):
    told = rows @ vectors
    match = (told * h).sum(1)
    return score + match


def truth(score, h, rows, vectors):
    """By adding up one word after the other."""
    found = []
    for own, features, row in zip(score, h, rows):
        found.append(own + sum(torch.dot(vector, features) for vector, asked in zip(vectors, row) if asked))
    return torch.stack(found)


PROJECTION = Task(
    projection_score,
    truth,
    cases=[
        (grid(4).cos(), (5 * grid(4, 3)).sin(), ASKED, (7 * grid(5, 3)).cos()),
        (grid(2) * 2, (3 * grid(2, 4)).exp().cos() + 0.5, ASKED[[0, 3], :4].flip(0), grid(4, 4).sin() - 0.3),
        (*(each.double() for each in (grid(1) + 1, grid(1, 2), torch.tensor([[1.0, 1.0, 1.0]]), (4 * grid(3, 2)).sin())),),
    ],
    gradient=("score", "h", "vectors"),
    mistakes="""
words left out: this is the score of the image alone: whether it obeys makes no difference. Where do its words come in?
    score + match -> score
own score left out: only the match with the words is left. A face that obeys must still look real: where is its own score?
    score + match -> match
taken away: the match is taken away: a face that disobeys would score higher.
    score + -> score -
multiplied: the score is multiplied by the match. The formula adds it, and a face without words keeps its own score.
    score + -> score *
    score + -> score + score *
each with everyone: each image meets the words of the whole batch. It meets its own alone.
    (told * h).sum(1) -> (told @ h.T).sum({1|0})
a table: one score for each pair in the batch. Each picture meets its own words alone: what is (batch,) here, and what is not?
    .sum(1) -> .sum(1, keepdim=True)
    (told * h).sum(1) -> {told @ h.T|h @ told.T}
    score + match -> score[:, None] + match
averaged over the features: the products are averaged over the features. An inner product adds them up.
    .sum(1) -> .mean(1)
divided by the root: divided by the root of the number of features, as attention does. The formula does not.
    .sum(1) -> .sum(1) / h.shape[1] ** 0.5
averaged over the words: the vectors of the words are averaged. e is their sum: two words weigh more than one.
    rows @ vectors -> rows @ vectors / rows.sum(1, keepdim=True){.clamp(min=1)|}
    rows @ vectors -> rows.softmax(1) @ vectors
divided by all words: e or its match is divided by the number of all words, also of those that nobody asked for. e is a sum: nothing is divided.
    (told * h).sum(1) -> (told * h).sum(1) / rows.shape[1]
one word alone: one word of each face alone. e is the sum of the vectors of all that are asked for.
    rows @ vectors -> vectors[rows.argmax(1)]{| * rows.amax(1, keepdim=True)}
    rows @ vectors -> vectors[rows.shape[1] - 1 - rows.flip(1).argmax(1)]{| * rows.amax(1, keepdim=True)}
0 and 1 as numbers of words: 0 and 1 have been taken for the numbers of words, so the first two vectors alone are used. The entries say which vectors count.
    rows @ vectors -> vectors[rows.long()].sum(1)
words that nobody asked for: the vectors of all words are added up, asked for or not. The row says which count.
    rows @ vectors -> vectors.sum(0)
turned about: the words that were not asked for count, and those that were do not. Where does a row hold a 1?
    rows @ vectors -> (1 - rows) @ vectors
features left out: the entries of e are added up, and the features have no part. Each entry is multiplied by its feature first.
    (told * h) -> told
    (told * h).sum(1) -> told.mean(1)
added up too early: e and h are added up first, then multiplied. An inner product multiplies entry by entry, then adds.
    (told * h).sum(1) -> told.sum(1) * h.sum(1)
score inside the sum: the score counts more than once: it is added to each product, or with each word. Add it once, at the end.
    (told * h).sum(1) -> (score[:, None] + told * h).sum(1) ; score + match -> match
    score + match -> score * rows.sum(1) + match
words of others, too: each image has the words of those before it as well. Where does e begin at 0?
    rows @ vectors -> (rows @ vectors).cumsum(0)
added, not multiplied: e and h are added, entry by entry. An inner product multiplies them.
    (told * h) -> (told + h)
length 1: the length of the vectors, of e or of h is made 1. An inner product takes them as they are.
    rows @ vectors -> rows @ F.normalize(vectors, dim=1)
    (told * h) -> (F.normalize(told, dim=1) * h)
    (told * h) -> (told * F.normalize(h, dim=1))
cosine: a cosine: the lengths are divided out. An inner product keeps them.
    (told * h).sum(1) -> F.cosine_similarity(told, h)
    (told * h).sum(1) -> (rows * F.cosine_similarity(h[:, None], vectors, dim=2)).sum(1)
distance: a distance between e and h. An inner product is asked for.
    (told * h).sum(1) -> {-|}(told - h).square().sum(1)
    (told * h).sum(1) -> {-|}(told - h).norm(dim=1)
one number: the match of the whole batch is one number. Each image has its own: over which axis do the features run?
    .sum(1) -> .sum()
a probability: a sigmoid is at the end. A score is any real number; the loss of task 1 has the sigmoid in it.
    score + match -> torch.sigmoid(score + match)
a sigmoid inside: a sigmoid, tanh or ReLU is taken of one part. Both are added as they are.
    score + match -> score + torch.{sigmoid|tanh|relu}(match)
    score + match -> torch.sigmoid(score) + match
features cut off: right values, but no gradient reaches h, so no generator learns to obey. What cuts the graph?
    told * h -> told * h.detach()
vectors cut off: right values, but no gradient reaches the vectors, so no word ever gets a meaning. What cuts the graph?
    rows @ vectors -> rows @ vectors.detach()
""",
)
