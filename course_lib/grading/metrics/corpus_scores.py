"""Exercise 07, task 1: bits per character and perplexity of a corpus."""

import math

import torch

from course_lib.grading import Task
from course_lib.grading.metrics.shared import numbers


def corpus_scores(log_p, tokens, characters):
    nats = -log_p.sum()
    per_character, per_token = nats / characters.sum(), nats / tokens.sum()
    bits = per_character / math.log(2)
    perplexity = per_token.exp()
    return bits, perplexity


CORPUS = Task(
    corpus_scores,
    results=("bits per character", "perplexity per token"),
    cases=[
        (numbers(-31.4, -12.5, -64.0), torch.tensor([12, 4, 31]), torch.tensor([40, 19, 120])),
        (numbers(-8.2, -150.7), torch.tensor([2, 70]), torch.tensor([14, 290])),
        (numbers(-40.1, -22.0, -9.0, -71.5, -15.0), torch.tensor([20, 30, 7, 25, 3]), torch.tensor([61, 80, 30, 99, 12])),
        (numbers(-27.3), torch.tensor([11]), torch.tensor([52])),
    ],
    mistakes="""
every text counts the same: the texts' own rates are averaged: a short text counts as much as a long one. What should count the same?
    nats / characters.sum() -> (-log_p / characters).mean() ; nats / tokens.sum() -> {(-log_p / tokens).mean()|nats / tokens.sum()}
    nats / tokens.sum() -> (-log_p / tokens).mean()
mean of perplexities: the bits are right, but the perplexity is a mean of perplexities, which one bad text rules. Average before the exp.
    per_token.exp() -> (-log_p / tokens).exp().mean() ; nats / characters.sum() -> {nats / characters.sum()|(-log_p / characters).mean()}
one for each text: you return a number for each text. The corpus is to have one.
    -log_p.sum() -> -log_p ; characters.sum() -> characters ; tokens.sum() -> tokens
nats: the perplexity is right, but the other number is in nats.
    per_character / math.log(2) -> per_character
times log 2: the step from nats to bits goes the wrong way: a bit is the smaller unit, so there are more of them.
    / math.log(2) -> * math.log(2)
two to the nats: the bits are right, but the perplexity raises 2 to a number of nats. Base and unit must fit.
    per_token.exp() -> 2**per_token
e to the bits: the bits are right, but the perplexity is e to a number of bits. Base and unit must fit.
    per_token.exp() -> {(per_token / math.log(2))|bits}.exp()
tokens and characters exchanged: tokens and characters are exchanged: which of the two numbers is for which?
    per_character, per_token -> per_token, per_character
tokens for both: the perplexity is right, but the bits are per token. Models with other tokens could not be compared by them.
    characters.sum() -> tokens.sum()
characters for both: the bits are right, but the perplexity is per character. It should say how hard a token is to guess.
    tokens.sum() -> characters.sum()
a mean over texts: the cost of one text, on average, is divided by the length of all. Numerator and denominator must speak of the same texts.
    -log_p.sum() -> -log_p.mean()
each text as a whole: the lengths play no part: this is what a whole text costs.
    -log_p.sum() -> -log_p.{mean()|sum()} ; nats / characters.sum() -> nats ; nats / tokens.sum() -> nats
sign: the sign is wrong: a perplexity below 1 would mean fewer than one symbol to choose from.
    {-log_p.sum() -> log_p.sum()|bits = -> bits = -|per_token.exp() -> (-per_token).exp()}
order: the two numbers are exchanged.
    return bits, perplexity -> return perplexity, bits
""",
)
