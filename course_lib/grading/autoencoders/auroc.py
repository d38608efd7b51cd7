"""Exercise 02, task 6b: the area under the ROC curve, by comparing pairs."""

import numpy as np
import torch

from course_lib.grading import Task, grid

STEPS, NEARLY = torch.arange(5.0), torch.tensor([0.002, 0.0, 0.004, 0.008])  # close, but no ties


def auroc(normal_scores, anomalous_scores):
    u, v = normal_scores, anomalous_scores[:, None]
    wins = (v > u).float() + 0.5 * (v == u)
    return wins.mean()


def truth(normal_scores, anomalous_scores):
    from sklearn.metrics import roc_auc_score  # half a second that only this task needs

    labels = np.r_[np.zeros(len(normal_scores)), np.ones(len(anomalous_scores))]
    return float(roc_auc_score(labels, np.r_[normal_scores, anomalous_scores]))


AUROC = Task(
    auroc,
    truth,
    cases=[
        *((grid(8).round(), grid(6, low=-1, high=2.5).round()), (grid(5), grid(3, low=-0.6, high=4))),
        *((STEPS, STEPS[1:] + NEARLY), (grid(5).flip(0), grid(7, low=-3, high=0).sin())),
    ],
    mistakes="""
reversed: 1 minus the right value: which scores should be the higher?
    v > u -> v < u
ties lost: ties are lost. A tie is a coin toss: what is it worth?
    + 0.5 * (v == u) ->
ties won: ties are won. A tie is a coin toss: what is it worth?
    0.5 * ->
counted: the number of pairs won. What share of all pairs is that?
    .mean() -> .sum()
divided by the images: divided by the number of images. How many pairs are there?
    .mean() -> .sum() / {sum(wins.shape)|len(u)|len(v)}
signs averaged: a lost pair counts −1, so pure chance gives 0. What is a lost pair worth here, and what a tie?
    wins.mean() -> (v - u).sign().mean()
paired in order: the scores are paired one by one. Every anomalous score meets every normal one.
    .mean() -> .diagonal().{mean()|sum() / len(u)|sum() / len(v)|sum() / len(u) / len(v)}
best accuracy: the accuracy at the best threshold. The AUROC needs no threshold: it compares pairs.
    wins.mean() -> max((v >= t).sum() + (u < t).sum() for t in torch.cat([u, v[:, 0]])) / sum(wins.shape)
""",
)
