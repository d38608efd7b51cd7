"""Exercise 02, task 6a: an alarm with a given rate of false alarms."""

import numpy as np
import torch

from course_lib.grading import Task, grid

NORMAL, NEW = grid(43, low=-1.2, high=1.7) ** 3 + 2, grid(9, low=-1.0, high=6.8)
# At rate ¼ the quantile lies half-way between two scores, 49 and 64: 56.5 in every precision. One new score is just that.
SQUARES = torch.tensor([4.0, 81, 0, 36, 100, 9, 64, 1, 25, 49, 16])
AROUND = torch.tensor([40.0, 52, 56.5, 60, 70, 120, -3, -80])


def detect(normal_scores, scores, rate):
    threshold = torch.quantile(normal_scores, 1 - rate)
    return threshold, scores > threshold


def truth(normal_scores, scores, rate):
    threshold = np.quantile(normal_scores, 1 - rate)
    return float(threshold), scores > threshold


DETECT = Task(
    detect,
    truth,
    cases=[(NORMAL, NEW, 0.1), (NORMAL.flip(0) * 10 - 41, NEW.flip(0) * 10 - 40, 0.25), (SQUARES, AROUND, 0.25)],
    results=("threshold", "flags"),
    tolerance=2e-5,
    mistakes="""
wrong tail: almost everything is flagged: this is the wrong tail.
    1 - rate -> rate
threshold from the new data: the threshold comes from the new scores. Then a fixed share is always flagged, anomalies or none.
    (normal_scores, 1 -> (scores, 1
threshold from both: the threshold comes from both sets of scores. The new ones may hold anomalies: they must not move it.
    (normal_scores, 1 -> (torch.cat([normal_scores, scores]), 1
flags reversed: the threshold is right, but the normal images are flagged. High scores are those of anomalies.
    scores > -> scores <
percent: the rate is a fraction already: 0.1 is 10 %.
    1 - rate -> 1 - rate / 100
mean plus two σ: mean plus two standard deviations: the rate that is asked for has no effect, and scores are no Gaussian.
    torch.quantile(normal_scores, 1 - rate) -> normal_scores.mean() + 2 * normal_scores.std({|correction=0})
the maximum: the largest normal score: the rate would be 0 whatever is asked for.
    torch.quantile(normal_scores, 1 - rate) -> normal_scores.max()
the threshold flagged: a score that equals the threshold is flagged. Only scores above it should be.
    scores > -> scores >=
no interpolation: your threshold is always one of the normal scores. The quantile may lie between two of them.
    torch.quantile(normal_scores, 1 - rate) -> normal_scores.sort().values[int(len(normal_scores) * (1 - rate))]
    1 - rate) -> 1 - rate, interpolation="{higher|nearest}")
rounded down: the quantile is rounded to the score below it. The default interpolation is asked for.
    1 - rate) -> 1 - rate, interpolation="lower")
sign of the scores lost: the size of a score is compared, without its sign: a very normal image has a score far below 0.
    scores > -> scores.abs() >
    (normal_scores, 1 -> (normal_scores.abs(), 1 ; scores > -> {scores.abs()|scores} >
two-sided: half the rate: only the upper tail counts here.
    1 - rate -> 1 - rate / 2
""",
)
