"""Tasks of exercise 03. Truths come from torch.distributions, torch.func and SciPy in float64, never from the course's own models."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from scipy.special import rel_entr
from torch import Tensor, nn
from torch.distributions import Bernoulli
from torch.nn.functional import logsigmoid, one_hot, pad, relu, softplus

from course_lib.grading import Goal, Mistake, Outcome, Task, _describe, grid, is_number, is_whole

# --------------------------------------------------------------------------------------------------------------------
# 1 · What the two players minimise

PROBABILITIES = "sigmoid rounds to 0 or 1 at scores of ±200. `F.softplus` or `F.logsigmoid` takes the score itself."
MARGINS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-9, 1e-10, 1e-12, 1e-15, 1e-20)


def _log_real(scores):
    """log D of each score, in float32 like the student's own: float64 would round later."""
    return scores.float().sigmoid().log()


def _log_fake(scores):
    """log(1 − D) of each score, in float32."""
    return (1 - scores.float().sigmoid()).log()


def _stopped(log):
    """PyTorch's cross-entropy of probabilities stops at −100."""
    return log.clamp(min=-100)


def _log_padded(scores, margin, fake=False):
    d = scores.float().sigmoid()
    return ((1 - d if fake else d) + margin).log()


def _log_clamped(scores, margin, fake=False):
    d = scores.float().sigmoid().clamp(margin, 1 - margin)
    return (1 - d if fake else d).log()


def _scores_clamped(scores, bound, fake=False, naive=False):
    """log D or log(1 − D) of clamped scores."""
    scores = scores.clamp(-bound, bound)
    if naive:
        return _log_fake(scores) if fake else _log_real(scores)
    return logsigmoid(-scores if fake else scores)


BOUNDS = (5, 10, 15, 16, 20, 25, 30, 40, 50, 60, 80, 88, 100)


def _discriminator_loss(real, fake):
    judged = Bernoulli(logits=real).log_prob(torch.ones_like(real)), Bernoulli(logits=fake).log_prob(torch.zeros_like(fake))
    return -sum(log.mean() for log in judged)


_SURE = torch.tensor([-200.0, 3.0, 150.0])  # sigmoid(−200) is 0 in single precision, and log 0 is −∞

DISCRIMINATOR = Task(
    "discriminator_loss",
    _discriminator_loss,
    cases=[(grid(5), grid(4).flip(0) + 0.3), (_SURE, torch.tensor([200.0, -1.0])), (grid(2), grid(6) * 2)],
    hidden_cases=[(grid(7).sin() * 3, grid(3)), (torch.tensor([-160.0, 1.0]), torch.tensor([2.0, -3.0, 180.0, 0.5]))],
    gradient=True,
    tolerance=2e-5,
    mistakes=[
        Mistake("maximised", lambda r, f: -_discriminator_loss(r, f), "negative. This is a loss: the smaller, the better it judges."),
        Mistake(
            "labels swapped",
            lambda r, f: _discriminator_loss(-r, -f),
            "real and generated have changed places: a high score for real data should cost little.",
        ),
        Mistake(
            "fakes taken for real",
            lambda r, f: softplus(-r).mean() + softplus(-f).mean(),
            "log D stands in both terms, so it is rewarded for taking fakes for real. Which probability belongs in the second?",
        ),
        Mistake(
            "signs differ",
            lambda r, f: softplus(-r).mean() - softplus(f).mean(),
            "the two terms have different signs. Both logarithms are negative, and both become a cost.",
            forms=[lambda r, f: softplus(f).mean() - softplus(-r).mean()],
        ),
        Mistake(
            "the 1 outside the log",
            lambda r, f: softplus(-r).mean() - 1 + logsigmoid(f).mean(),
            "1 − log D stands where log(1 − D) belongs. Look at the brackets.",
            forms=[
                lambda r, f: softplus(-r).mean() + 1 + softplus(-f).mean(),
                lambda r, f: softplus(-r).mean() + 1 - softplus(-f).mean(),
            ],
        ),
        Mistake(
            "1 minus the score",
            lambda r, f: softplus(-r).mean() - logsigmoid(1 - f).mean(),
            "1 is taken from the score. log(1 − D) takes it from the probability: of which score is 1 − sigmoid(s) the sigmoid?",
            forms=[lambda r, f: -(_log_real(r).mean() + _log_real(1 - f).mean())],
        ),
        Mistake(
            "log D taken away",
            lambda r, f: softplus(-r).mean() + logsigmoid(f).mean(),
            "the second term is log D with its sign turned round. −log(1 − D) is another function: it is never below 0, and it grows with "
            "the score.",
            forms=[lambda r, f: _log_real(f).mean() - _log_real(r).mean()],
        ),
        Mistake("fakes left out", lambda r, f: softplus(-r).mean(), "the generated samples do not count: it could call everything real."),
        Mistake("real left out", lambda r, f: softplus(f).mean(), "the real data do not count: it could call everything fake."),
        Mistake(
            "one mean for both",
            lambda r, f: (softplus(-r).sum() + softplus(f).sum()) / (len(r) + len(f)),
            "one mean over all scores together. Each group gets a mean of its own, and the two are added.",
        ),
        Mistake(
            "one count for both",
            lambda r, f: (softplus(-r).sum() + softplus(f).sum()) / len(r),
            "both sums are divided by the same count. There are n real scores and m generated ones: each group has a mean of its own.",
            forms=[lambda r, f: (softplus(-r).sum() + softplus(f).sum()) / len(f)],
        ),
        Mistake(
            "labels smoothed",
            lambda r, f: 0.9 * softplus(-r).mean() + 0.1 * softplus(r).mean() + softplus(f).mean(),
            "the label of real data is 0.9. Such smoothing can steady a GAN; the formula here has a label of 1.",
        ),
        Mistake("half", lambda r, f: _discriminator_loss(r, f) / 2, "exactly half of it: the two means are added, not averaged."),
        Mistake(
            "another base",
            lambda r, f: -(_log_real(r).mean() + _log_fake(f).mean()) / math.log(10),
            "the logarithms have another base, 10 or 2. Natural ones are asked for.",
            forms=[
                lambda r, f: _discriminator_loss(r, f) / math.log(10),
                lambda r, f: -(_log_real(r).mean() + _log_fake(f).mean()) / math.log(2),
                lambda r, f: _discriminator_loss(r, f) / math.log(2),
            ],
        ),
        Mistake(
            "summed",
            lambda r, f: softplus(-r).sum() + softplus(f).sum(),
            "summed over the batch: the step would grow with it. Average each group.",
        ),
        Mistake(
            "sigmoid, then log",
            lambda r, f: -(_log_real(r).mean() + _log_fake(f).mean()),
            "right for small scores, infinite for large ones: " + PROBABILITIES,
            forms=[
                lambda r, f: softplus(-r).mean() - _log_fake(f).mean(),
                lambda r, f: softplus(f).mean() - _log_real(r).mean(),
            ],
        ),
        Mistake(
            "sigmoid, then clamped log",
            lambda r, f: -(_stopped(_log_real(r)).mean() + _stopped(_log_fake(f)).mean()),
            "right for small scores, but PyTorch stops at −100 where sigmoid has rounded. There is a version that takes logits.",
        ),
        Mistake(
            "a small number in the log",
            lambda r, f: -(_log_padded(r, 1e-8).mean() + _log_padded(f, 1e-8, True).mean()),
            "the small number in the log keeps it finite, but wrong: the loss stops growing just where the discriminator errs most. "
            + PROBABILITIES,
            forms=[
                lambda r, f, margin=margin: -(_log_padded(r, margin).mean() + _log_padded(f, margin, True).mean()) for margin in MARGINS
            ],
        ),
        Mistake(
            "probabilities clamped",
            lambda r, f: -(_log_clamped(r, 1e-6).mean() + _log_clamped(f, 1e-6, True).mean()),
            "the clamp keeps the log finite, but wrong, and it cuts the gradient just where the discriminator errs most. " + PROBABILITIES,
            forms=[
                lambda r, f, margin=margin: -(_log_clamped(r, margin).mean() + _log_clamped(f, margin, True).mean())
                for margin in MARGINS[:6]
            ],
        ),
        Mistake(
            "scores clamped",
            lambda r, f: -(_scores_clamped(r, 30).mean() + _scores_clamped(f, 30, True).mean()),
            "the scores are clamped. That keeps the loss finite, but wrong, and cuts the gradient just where the discriminator errs most. "
            "`F.softplus` and `F.logsigmoid` need no clamp.",
            forms=[
                lambda r, f, bound=bound, naive=naive: (
                    -(_scores_clamped(r, bound, False, naive).mean() + _scores_clamped(f, bound, True, naive).mean())
                )
                for bound in BOUNDS
                for naive in (False, True)
            ],
        ),
        Mistake(
            "sigmoid twice",
            lambda r, f: _discriminator_loss(r.sigmoid(), f.sigmoid()),
            "the sigmoid is applied twice: your function takes scores (logits) and gets probabilities.",
        ),
        Mistake(
            "no sigmoid",
            lambda r, f: -(r.log().mean() + (1 - f).log().mean()),
            "NaN: a score may be negative, and it has no logarithm. Which function turns it into a probability?",
        ),
        Mistake(
            "no log",
            lambda r, f: f.sigmoid().mean() - r.sigmoid().mean(),
            "the probabilities are averaged as they are. The formula takes their logarithms.",
            forms=[
                lambda r, f: -r.sigmoid().mean() - (1 - f.sigmoid()).mean(),
                lambda r, f: (1 - r.sigmoid()).mean() + f.sigmoid().mean(),
            ],
        ),
        Mistake(
            "mean inside the log",
            lambda r, f: -(r.sigmoid().mean().log() + (1 - f.sigmoid()).mean().log()),
            "the log of a mean. The formula averages logarithms: first the log of each, then the mean.",
        ),
        Mistake(
            "a critic's",
            lambda r, f: f.mean() - r.mean(),
            "the gap of the scores: that is the loss of a Wasserstein critic. Here sigmoid(score) is a probability.",
        ),
        Mistake(
            "hinge",
            lambda r, f: relu(1 - r).mean() + relu(1 + f).mean(),
            "this is the hinge loss. It trains GANs too; here the cross-entropy is asked for.",
        ),
        Mistake(
            "squared error",
            lambda r, f: (r.sigmoid() - 1).square().mean() + f.sigmoid().square().mean(),
            "squared errors, as in a least-squares GAN. Here the logarithm of the probability is asked for.",
            forms=[lambda r, f: (r - 1).square().mean() + f.square().mean()],
        ),
        Mistake(
            "fake scores detached",
            lambda r, f: softplus(-r).mean() + softplus(f.detach()).mean(),
            "right value, but no gradient comes from `fake`: the scores are detached, so the discriminator would learn from real data "
            "alone. To spare the generator, detach its samples before they are judged.",
        ),
    ],
)


def _generator_loss(fake, saturating):
    taken_for_real = torch.zeros_like(fake) if saturating else torch.ones_like(fake)
    log = Bernoulli(logits=fake).log_prob(taken_for_real).mean()
    return log if saturating else -log


def _of_logs(log_fake, log_real):
    """The generator's loss from functions for log(1 − D) and log D."""
    return lambda f, saturating: log_fake(f).mean() if saturating else -log_real(f).mean()


def _always(saturating):
    return lambda f, _: _generator_loss(f, saturating)


_FOOLED = torch.tensor([200.0, 1.0, -2.0])
_CAUGHT = torch.tensor([-200.0, -1.0, 0.5, 2.0])

GENERATOR = Task(
    "generator_loss",
    _generator_loss,
    cases=[(grid(5), True), (grid(5), False), (_FOOLED, True), (_CAUGHT, False), (_CAUGHT, True), (_FOOLED, False)],
    hidden_cases=[
        *((grid(4).cos() * 3, False), (grid(7) * 2, True), (torch.tensor([170.0, -3.0]), True), (torch.tensor([-180.0, 2.0, 0.5]), False))
    ],
    gradient=("fake",),
    tolerance=2e-5,
    mistakes=[
        Mistake(
            "the two switched",
            lambda f, s: _generator_loss(f, not s),
            "right, but the other way round: log(1 − D) is the saturating one.",
        ),
        Mistake("always saturating", _always(True), "`saturating` has no effect: it is always log(1 − D)."),
        Mistake("never saturating", _always(False), "`saturating` has no effect: it is always −log D."),
        Mistake(
            "the discriminator's",
            lambda f, s: softplus(f).mean(),
            "this is what the discriminator pays for fakes. The generator wants the opposite.",
        ),
        Mistake(
            "sign of the saturating",
            lambda f, s: softplus(f).mean() if s else softplus(-f).mean(),
            "−log D is right. But with a minus before log(1 − D) the generator would help the discriminator: in this game one gains what "
            "the other loses.",
        ),
        Mistake(
            "sign of the other",
            lambda f, s: -softplus(f).mean() if s else -softplus(-f).mean(),
            "log(1 − D) is right. The other must fall as D rises, since it is minimised: look at its sign.",
        ),
        Mistake("both signs", lambda f, s: -_generator_loss(f, s), "both signs are wrong: the generator would learn to be caught."),
        Mistake(
            "the 1 outside the log",
            lambda f, s: (1 - logsigmoid(f)).mean() if s else softplus(-f).mean(),
            "1 − log D stands where log(1 − D) belongs. Look at the brackets.",
        ),
        Mistake(
            "only the signs differ",
            lambda f, s: logsigmoid(f).mean() if s else -logsigmoid(f).mean(),
            "the two differ in their sign alone. One is made of log(1 − D), the other of log D, and these are two functions of the score.",
            forms=[lambda f, s: -softplus(f).mean() if s else softplus(f).mean()],
        ),
        Mistake(
            "half",
            lambda f, s: _generator_loss(f, s) / 2,
            "exactly half of it. There is one group of scores here, and one mean.",
        ),
        Mistake(
            "1 minus the score",
            lambda f, s: logsigmoid(1 - f).mean() if s else softplus(-f).mean(),
            "1 is taken from the score. log(1 − D) takes it from the probability: of which score is 1 − sigmoid(s) the sigmoid?",
            forms=[_of_logs(lambda f: _log_real(1 - f), _log_real)],
        ),
        Mistake(
            "another base",
            _of_logs(lambda f: _log_fake(f) / math.log(10), lambda f: _log_real(f) / math.log(10)),
            "the logarithms have another base, 10 or 2. Natural ones are asked for.",
            forms=[
                lambda f, s: _generator_loss(f, s) / math.log(10),
                _of_logs(lambda f: _log_fake(f) / math.log(2), lambda f: _log_real(f) / math.log(2)),
                lambda f, s: _generator_loss(f, s) / math.log(2),
            ],
        ),
        Mistake(
            "summed",
            lambda f, s: _generator_loss(f, s) * len(f),
            "summed over the batch: the step would grow with it. Average.",
        ),
        Mistake(
            "one per sample",
            lambda f, s: -softplus(f) if s else softplus(-f),
            "one number for each sample. A loss is one number: their mean.",
        ),
        Mistake(
            "sigmoid, then log",
            _of_logs(_log_fake, _log_real),
            "right for small scores, infinite for large ones: " + PROBABILITIES,
            forms=[_of_logs(_log_fake, logsigmoid), _of_logs(lambda f: logsigmoid(-f), _log_real)],
        ),
        Mistake(
            "sigmoid, then clamped log",
            _of_logs(lambda f: _stopped(_log_fake(f)), lambda f: _stopped(_log_real(f))),
            "right for small scores, but PyTorch stops at −100 where sigmoid has rounded. There is a version that takes logits.",
        ),
        Mistake(
            "a small number in the log",
            _of_logs(partial(_log_padded, margin=1e-8, fake=True), partial(_log_padded, margin=1e-8)),
            "the small number in the log keeps it finite, but wrong: the gradient is lost where the sample is judged with certainty. "
            + PROBABILITIES,
            forms=[_of_logs(partial(_log_padded, margin=margin, fake=True), partial(_log_padded, margin=margin)) for margin in MARGINS],
        ),
        Mistake(
            "probabilities clamped",
            _of_logs(partial(_log_clamped, margin=1e-6, fake=True), partial(_log_clamped, margin=1e-6)),
            "the clamp keeps the log finite, but wrong, and no gradient passes it. " + PROBABILITIES,
            forms=[
                _of_logs(partial(_log_clamped, margin=margin, fake=True), partial(_log_clamped, margin=margin)) for margin in MARGINS[:6]
            ],
        ),
        Mistake(
            "scores clamped",
            _of_logs(partial(_scores_clamped, bound=30, fake=True), partial(_scores_clamped, bound=30)),
            "the scores are clamped. That keeps the loss finite, but wrong, and no gradient passes the clamp. `F.softplus` and "
            "`F.logsigmoid` need none.",
            forms=[
                _of_logs(partial(_scores_clamped, bound=bound, fake=True, naive=naive), partial(_scores_clamped, bound=bound, naive=naive))
                for bound in BOUNDS
                for naive in (False, True)
            ],
        ),
        Mistake(
            "sigmoid twice",
            lambda f, s: _generator_loss(f.sigmoid(), s),
            "the sigmoid is applied twice: your function takes scores (logits) and gets probabilities.",
        ),
        Mistake(
            "no sigmoid",
            lambda f, s: (1 - f).log().mean() if s else -f.log().mean(),
            "NaN: a score may be any number, and a negative one has no logarithm. Which function turns it into a probability?",
        ),
        Mistake(
            "no log",
            lambda f, s: (1 - f.sigmoid()).mean() if s else -f.sigmoid().mean(),
            "the probabilities are averaged as they are. The formula takes their logarithms.",
        ),
        Mistake(
            "mean inside the log",
            lambda f, s: (1 - f.sigmoid()).mean().log() if s else -f.sigmoid().mean().log(),
            "the log of a mean. The formula averages logarithms: first the log of each, then the mean.",
        ),
        Mistake(
            "a critic's",
            lambda f, s: -f.mean(),
            "minus the mean score: that plays against a Wasserstein critic. Here sigmoid(score) is a probability.",
        ),
        Mistake(
            "detached",
            lambda f, s: _generator_loss(f, s).detach(),
            "right values, but the graph is cut: nothing reaches the generator, so it would never move.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 2 · The best discriminator, and what the game is worth


def _optimal(log_data, log_model):
    log_both = np.logaddexp(log_data.numpy(), log_model.numpy())
    return torch.from_numpy(np.exp(log_data.numpy() - log_both))


def _naive_optimal(log_data, log_model, margin=0.0, above=0.0, instead=math.nan):
    """p / (p + q) with small numbers added below and above, and something else in place of NaN."""
    p, q = log_data.float().exp(), log_model.float().exp()  # float32: what the student's own naive version computes
    return ((p + above) / (p + q + margin)).nan_to_num(nan=instead)


def _log_of_the_sum(log_data, log_model):
    p, q = log_data.float(), log_model.float()
    return (p - (p.exp() + q.exp()).log()).exp()


def _overflowing(log_data, log_model):
    ratio = (log_data.float() - log_model.float()).exp()
    return ratio / (ratio + 1)


TINY = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-20, 1e-30)
_FAR = torch.tensor([-1000.0, -1001.0, -3.0, -400.0])
_FAR_TOO = torch.tensor([-1002.0, -1000.5, -350.0, -2.0])

OPTIMAL = Task(
    "optimal_discriminator",
    _optimal,
    cases=[(grid(6), grid(6).flip(0) - 1), (_FAR, _FAR_TOO), (grid(2, 3).cos(), grid(2, 3) / 2)],
    hidden_cases=[(grid(5) * 3 - 4, grid(5).sin() - 3), (_FAR.flip(0) * 2, _FAR_TOO.flip(0) * 2), (grid(3, 2), grid(3, 2).flip(1).exp())],
    tolerance=1e-4,  # float32 has rounded log densities near −1000 to 6e-5
    mistakes=[
        Mistake("reversed", lambda p, q: _optimal(q, p), "1 minus the right value: this is the probability of a fake."),
        Mistake(
            "the ratio",
            lambda p, q: (p - q).exp(),
            "the ratio p / q, which may be above 1. D is a probability: what belongs in the denominator?",
            forms=[lambda p, q: p.float().exp() / q.float().exp(), lambda p, q: (p.float() - q.float()).exp()],
        ),
        Mistake(
            "underflow",
            _naive_optimal,
            "right for moderate densities, NaN at log densities near −1000: exp underflows, and 0 / 0 is NaN. Divide top and bottom by p, "
            "and only the difference of the logarithms is left.",
        ),
        Mistake(
            "0 / 0 covered up",
            partial(_naive_optimal, margin=1e-8),
            "a small number, or something in place of NaN, hides a 0 / 0: where both densities are tiny D would be the same everywhere, "
            "whatever their ratio. Only the difference of the logarithms counts.",
            forms=[
                *(partial(_naive_optimal, margin=margin) for margin in TINY),
                *(partial(_naive_optimal, margin=n * margin, above=margin) for n in (1, 2) for margin in TINY),
                *(partial(_naive_optimal, instead=instead) for instead in (0.0, 0.5, 1.0)),
            ],
        ),
        Mistake(
            "log of the sum",
            _log_of_the_sum,
            "right for moderate densities, infinite or NaN near −1000: exp underflows in the sum, and the logarithm of 0 is −∞. "
            "`torch.logaddexp` adds densities without leaving their logarithms.",
        ),
        Mistake(
            "overflow",
            _overflowing,
            "NaN where p is much larger than q: exp of the difference overflows, and ∞ / ∞ is NaN. Which function of torch has this form, "
            "and is safe on both sides?",
        ),
        Mistake(
            "logs for densities",
            lambda p, q: p / (p + q),
            "the logarithms stand where the densities belong. What undoes a log?",
        ),
        Mistake("the score", lambda p, q: p - q, "this is the best score, log p − log q. Which function makes a probability of it?"),
        Mistake(
            "sum of logs",
            lambda p, q: (p + q).sigmoid(),
            "log p + log q is the log of a product. A high q speaks against real data.",
        ),
        Mistake(
            "sigmoid of a ratio",
            lambda p, q: (p - q).exp().sigmoid(),
            "a sigmoid is taken of a ratio. It wants a score, which is 0 where p = q, and negative where q is larger.",
            forms=[lambda p, q: (p.float().exp() / q.float().exp()).sigmoid(), lambda p, q: (p / q).sigmoid()],
        ),
        Mistake(
            "the data alone",
            lambda p, q: p.exp(),
            "q has no effect. How likely a point is under the data says nothing before it is compared with the generator.",
            forms=[lambda p, q: p.sigmoid(), lambda p, q: torch.ones_like(p) * p.exp() / (p.exp() + 1)],
        ),
        Mistake(
            "product for sum",
            lambda p, q: (p.float() - (p.float() + q.float())).exp(),  # float32: the student's own is infinite early
            "the denominator is a product: log p + log q is the log of p · q. In D* the densities are added.",
            forms=[
                lambda p, q: p.float().exp() / (p.float() + q.float()).exp(),
                lambda p, q: p.float().exp() / (p.float().exp() * q.float().exp()),
            ],
        ),
        Mistake(
            "difference of densities",
            lambda p, q: (p.exp() - q.exp()).sigmoid(),
            "the difference of the densities is put through a sigmoid. Two tiny densities would look the same, whatever their ratio.",
        ),
        Mistake("log D", lambda p, q: logsigmoid(p - q), "this is log D. D itself is asked for."),
        Mistake(
            "yes or no",
            lambda p, q: (p > q).to(p),
            "0 or 1: the better guess. D is a probability, and ½ where the densities are equal.",
        ),
        Mistake(
            "compared with the mean",
            lambda p, q: 2 * _optimal(p, q),
            "twice too large: p is divided by the mean of the two densities. It is their sum.",
        ),
        Mistake(
            "normalised over the points",
            lambda p, q: (p - q).flatten().softmax(0).reshape(p.shape),
            "the values add up to 1 over the points. Each point is judged by itself: data or model?",
            forms=[lambda p, q: (p - q).softmax(0), lambda p, q: (p - q).softmax(-1)],
        ),
        Mistake(
            "one number",
            lambda p, q: _optimal(p, q).mean(),
            "one number for all points. Each point has a probability of its own.",
        ),
    ],
)


def _js(p, q):
    middle = (p.numpy() + q.numpy()) / 2
    return float(rel_entr(p.numpy(), middle).sum() + rel_entr(q.numpy(), middle).sum()) / 2


def _game_value(p, q):
    return 2 * _js(p, q) - 2 * math.log(2), _js(p, q)


def _value(p, q, d=None, other=None):
    """V of a discriminator, 0 · log 0 counted as 0. other: what stands in place of 1 − d."""
    d = p / (p + q) if d is None else d
    return (torch.xlogy(p, d) + torch.xlogy(q, 1 - d if other is None else other)).sum()


def _table(x):
    """Numbers that are 0 or more as probabilities."""
    return x / x.sum()


def _of_value(value):
    """Both results from a wrong value, the second by the right relation."""
    return lambda p, q: (value(p, q), (value(p, q) + 2 * math.log(2)) / 2)


def _of_divergence(divergence):
    """The right value with a wrong divergence."""
    return lambda p, q: (_game_value(p, q)[0], divergence(p, q))


def _from_divergence(divergence):
    """A wrong divergence, and the value that follows from it by the right relation."""
    return lambda p, q: (2 * divergence(p, q) - 2 * math.log(2), divergence(p, q))


def _either_way(*divergences):
    """Wrong divergences, each with the right value and with the one that follows from it."""
    return [make(divergence) for divergence in divergences for make in (_of_divergence, _from_divergence)]


def _kl(p, q):
    return rel_entr(p.numpy(), q.numpy()).sum()


def _naive_kl(p, q):
    return (p * (p / q).log()).sum()


_LEFT = _table(torch.tensor([3.0, 2.0, 1.0, 0.0, 0.0]))  # a model that misses a part of the data, and makes up another
_RIGHT = _table(torch.tensor([0.0, 1.0, 1.0, 2.0, 1.0]))

VALUE = Task(
    "game_value",
    _game_value,
    cases=[(_table(grid(4, low=1, high=4)), _table(grid(4, low=1, high=3).flip(0))), (_LEFT, _RIGHT)],
    hidden_cases=[
        (_table(grid(6, low=0.2, high=3).square()), _table(grid(6, low=1, high=6).flip(0))),
        (_table(torch.tensor([1.0, 0.0, 4.0, 2.0])), _table(torch.tensor([0.0, 3.0, 2.0, 0.5]))),
    ],
    results=("the value", "the divergence"),
    mistakes=[
        Mistake(
            "0 · log 0",
            _of_value(lambda p, q: (p * (p / (p + q)).log() + q * (q / (p + q)).log()).sum()),
            "NaN: where p or q is 0, a computer takes 0 · log 0 for NaN. Such a term counts 0. `torch.xlogy` knows that.",
            forms=[_of_divergence(lambda p, q: ((p * (2 * p / (p + q)).log()).sum() + (q * (2 * q / (p + q)).log()).sum()) / 2)],
        ),
        Mistake(
            "D reversed",
            _of_value(lambda p, q: _value(p, q, q / (p + q))),
            "p and q have changed places in D*: this is what the worst discriminator gets.",
        ),
        Mistake(
            "D of the probabilities",
            _of_value(lambda p, q: _value(p, q, (p - q).sigmoid())),
            "a sigmoid of p − q is not D*. The function of 2a takes logarithms; here p and q are the probabilities themselves.",
        ),
        Mistake(
            "D = ½",
            _of_value(lambda p, q: torch.tensor(-2 * math.log(2))),
            "always −2 log 2: that is the value when D is ½ everywhere, where p = q. The best discriminator sees a difference.",
        ),
        Mistake(
            "log D in both terms",
            _of_value(lambda p, q: _value(p, q, other=p / (p + q))),
            "log D stands in both terms. The second one is about fakes: log(1 − D).",
            forms=[lambda p, q: (_value(p, q, other=p / (p + q)), _js(p, q))],
        ),
        Mistake(
            "the 1 outside the log",
            _of_value(lambda p, q: torch.xlogy(p, p / (p + q)).sum() + (q - torch.xlogy(q, p / (p + q))).sum()),
            "1 − log D stands where log(1 − D) belongs. Look at the brackets.",
        ),
        Mistake(
            "signs differ",
            _of_value(lambda p, q: torch.xlogy(p, p / (p + q)).sum() - torch.xlogy(q, q / (p + q)).sum()),
            "a minus stands before the second term. In V both expectations are added.",
            forms=[_of_value(lambda p, q: (p * (p / (p + q)).log()).sum() - (q * (q / (p + q)).log()).sum())],
        ),
        Mistake(
            "xlogy turned round",
            _of_value(lambda p, q: (torch.xlogy(p / (p + q), p) + torch.xlogy(q / (p + q), q)).sum()),
            "the two arguments have changed places: in `torch.xlogy(a, b)` a is the weight, and the logarithm is taken of b.",
            forms=_either_way(lambda p, q: (torch.xlogy(2 * p / (p + q), p) + torch.xlogy(2 * q / (p + q), q)).sum() / 2),
        ),
        Mistake(
            "not weighted",
            _of_value(lambda p, q: ((p / (p + q)).log() + (q / (p + q)).log()).sum()),
            "the logarithms are added up as they are. How often does each entry occur under p, and how often under q?",
        ),
        Mistake(
            "weighted with p twice",
            _of_value(lambda p, q: (torch.xlogy(p, p / (p + q)) + torch.xlogy(p, q / (p + q))).sum()),
            "both terms are weighted with p. The fakes come from q.",
        ),
        Mistake(
            "mean for sum",
            _of_value(lambda p, q: _value(p, q) / len(p)),
            "averaged over the entries. They are weighted by p and q already: they add up.",
            forms=_either_way(lambda p, q: _js(p, q) / len(p)),
        ),
        Mistake(
            "the loss",
            lambda p, q: (-_value(p, q), _js(p, q)),
            "the sign of the value: this is the loss of the discriminator. V is what it maximises.",
            forms=[_of_value(lambda p, q: -_value(p, q))],
        ),
        Mistake(
            "averaged over both",
            _of_value(lambda p, q: _value(p, q) / 2),
            "half of the value: the two expectations are added, not averaged.",
            forms=[lambda p, q: (_value(p, q) / 2, _js(p, q)), lambda p, q: (_value(p, q) / 2, (_value(p, q) + math.log(4)) / 4)],
        ),
        Mistake(
            "bits",
            lambda p, q: (_value(p, q) / math.log(2), _js(p, q) / math.log(2)),
            "right in bits. Nats are asked for: which logarithm gives them?",
        ),
        Mistake("order", lambda p, q: _game_value(p, q)[::-1], "the value comes first, then the divergence."),
        Mistake(
            "twice the divergence",
            _of_divergence(lambda p, q: 2 * _js(p, q)),
            "the divergence is twice too large. JS is half of the sum of two KL divergences; from the value it is found by solving "
            "V = 2 JS − 2 log 2.",
            forms=[
                _from_divergence(lambda p, q: 2 * _js(p, q)),
                *_either_way(lambda p, q: _naive_kl(p, (p + q) / 2) + _naive_kl(q, (p + q) / 2)),
            ],
        ),
        Mistake(
            "mixture without its half",
            _from_divergence(lambda p, q: _value(p, q) / 2),
            "p + q stands for the mixture, but it adds up to 2. JS compares each table with (p + q) / 2.",
            forms=_either_way(
                _value,
                lambda p, q: (_naive_kl(p, p + q) + _naive_kl(q, p + q)) / 2,
                lambda p, q: _naive_kl(p, p + q) + _naive_kl(q, p + q),
            ),
        ),
        Mistake(
            "one comparison",
            _of_divergence(lambda p, q: _kl(p, (p + q) / 2)),
            "only one table is compared with the mixture. JS is the mean of both comparisons.",
            forms=_either_way(
                lambda p, q: _kl(p, (p + q) / 2),
                lambda p, q: _kl(q, (p + q) / 2),
                lambda p, q: _kl(p, (p + q) / 2) / 2,
                lambda p, q: _kl(q, (p + q) / 2) / 2,
                lambda p, q: _naive_kl(p, (p + q) / 2),
                lambda p, q: _naive_kl(q, (p + q) / 2),
            ),
        ),
        Mistake(
            "from the mixture",
            _of_divergence(lambda p, q: (_kl((p + q) / 2, p) + _kl((p + q) / 2, q)) / 2),
            "the mixture stands first in the KL divergences, so they are infinite where a table is 0. In JS each table stands first.",
            forms=_either_way(lambda p, q: (_kl((p + q) / 2, p) + _kl((p + q) / 2, q)) / 2),
        ),
        Mistake(
            "value from the divergence",
            lambda p, q: (2 * _js(p, q) + 2 * math.log(2), _js(p, q)),
            "the divergence is right, the value is not. In V(D*) both terms have a factor, and the second a minus.",
            forms=[
                lambda p, q: (2 * _js(p, q) - math.log(2), _js(p, q)),
                lambda p, q: (_js(p, q) - 2 * math.log(2), _js(p, q)),
                lambda p, q: (_js(p, q) - math.log(2), _js(p, q)),
                lambda p, q: (2 * _js(p, q) - 2, _js(p, q)),
                lambda p, q: (2 * _js(p, q) - 2 * math.log10(2), _js(p, q)),
                lambda p, q: (2 * _js(p, q), _js(p, q)),
            ],
        ),
        Mistake(
            "negative divergence",
            _of_divergence(lambda p, q: -_js(p, q)),
            "the divergence is negative: which table stands above the other in the logarithm?",
            forms=_either_way(lambda p, q: -_js(p, q), lambda p, q: -2 * _js(p, q)),
        ),
        Mistake(
            "log 2 once",
            _of_divergence(lambda p, q: (_value(p, q) + math.log(2)) / 2),
            "the value is right, the divergence is not: log 2 counts twice. Solve V = 2 JS − 2 log 2 for JS.",
        ),
        Mistake(
            "log 2 not divided",
            _of_divergence(lambda p, q: _value(p, q) / 2 + 2 * math.log(2)),
            "the value is right, but log 2 is not halved with it. Solve V = 2 JS − 2 log 2 for JS.",
        ),
        Mistake(
            "log 2 left out",
            _of_divergence(lambda p, q: _value(p, q) / 2),
            "the value is right, the divergence negative. It must be 0 where p = q: solve V = 2 JS − 2 log 2 for it.",
            forms=[_of_divergence(lambda p, q: -_value(p, q) / 2), _of_divergence(lambda p, q: (_value(p, q) - 2 * math.log(2)) / 2)],
        ),
        Mistake(
            "the distance",
            _of_divergence(lambda p, q: math.sqrt(_js(p, q))),
            "this is the root of the divergence: SciPy's `jensenshannon` returns that, as a distance.",
            forms=_either_way(lambda p, q: math.sqrt(_js(p, q))),
        ),
        Mistake(
            "a KL divergence",
            _of_divergence(_kl),
            "the divergence compares p and q directly, by KL, which is infinite where one is 0 and the other is not. JS compares each with "
            "their mean.",
            forms=_either_way(
                _kl,
                lambda p, q: _kl(q, p),
                lambda p, q: (_kl(p, q) + _kl(q, p)) / 2,
                lambda p, q: _kl(p, q) + _kl(q, p),
                _naive_kl,
                lambda p, q: _naive_kl(q, p),
                lambda p, q: (_naive_kl(p, q) + _naive_kl(q, p)) / 2,
                lambda p, q: _naive_kl(p, q) + _naive_kl(q, p),
            ),
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 3 · The gradient penalty


def _gradient_penalty(critic, real, fake, share):
    between = torch.stack([torch.lerp(x, made, u) for x, made, u in zip(real, fake, share)])
    between = between if between.requires_grad else between.requires_grad_()
    (slopes,) = torch.autograd.grad(critic(between).unbind(), between, create_graph=True)
    return torch.stack([(torch.linalg.vector_norm(slope) - 1) ** 2 for slope in slopes]).mean()


def _each(share, x):
    """One coefficient an example, beside x."""
    return share.reshape(-1, *[1] * (x.dim() - 1))


def _slopes(critic, x, reduce=torch.sum):
    """The gradient of the scores at x, in the shape of x, part of the graph."""
    x = x if x.requires_grad else x.requires_grad_()
    return torch.autograd.grad(reduce(critic(x)), x, create_graph=True)[0]


def _penalised(of_slopes, between=None, reduce=torch.sum):
    """A penalty that makes something else of the gradients, (batch, ...), or of the points."""

    def penalty(critic, real, fake, share):
        x = real + _each(share, real) * (fake - real) if between is None else between(real, fake, share)
        return of_slopes(_slopes(critic, x, reduce))

    return penalty


def _usual(slopes):
    return (slopes.flatten(1).norm(dim=1) - 1).square().mean()


def _lengths(slopes):
    return slopes.flatten(1).norm(dim=1)


def _one_axis(slopes):
    """The usual penalty where an example has one axis."""
    return (slopes.norm(dim=1) - 1).square().mean()


def _by_an_end(real):
    """The gradient by `real` or `fake`, through the point between."""

    def penalty(critic, x, made, share):
        factor = 1 - _each(share, x) if real else _each(share, x)
        return _usual(factor * _slopes(critic, x + _each(share, x) * (made - x)))

    return penalty


def _chord(critic, real, fake, share):
    slopes = (critic(real) - critic(fake)).abs() / (real - fake).flatten(1).norm(dim=1)
    return (slopes - 1).square().mean()


def _critic_loss(weight, sign=1):
    """The gap of the scores with a weighted penalty."""
    return lambda critic, real, fake, share: (
        sign * (critic(fake).mean() - critic(real).mean()) + weight * _gradient_penalty(critic, real, fake, share)
    )


def _critic(*shape):
    """A critic with fixed weights, (batch, *shape) → (batch,). Where points have an axis too many, it does not mind."""
    if len(shape) == 1:
        layers = [nn.utils.skip_init(nn.Linear, *shape, 4), nn.Tanh(), nn.utils.skip_init(nn.Linear, 4, 1), nn.Flatten(0)]
    else:
        pixels = 3 * math.prod(shape[1:])
        layers = [nn.utils.skip_init(nn.Conv2d, shape[0], 3, 3, padding=1), nn.Tanh(), nn.Flatten()]
        layers += [nn.utils.skip_init(nn.Linear, pixels, 1), nn.Flatten(0)]
    critic = nn.Sequential(*layers)
    with torch.no_grad():
        for i, values in enumerate(critic.parameters()):
            values.copy_((3 * grid(*values.shape) + i).sin())
    return critic


# As many pixels a side as images, so that a coefficient in the wrong place goes unnoticed by PyTorch too, and the check can name it.
PENALTY = Task(
    "gradient_penalty",
    _gradient_penalty,
    cases=[
        (_critic(2), grid(2, 2), grid(2, 2).flip(0) + 1, torch.tensor([0.2, 0.7])),
        (_critic(2, 3, 3), grid(3, 2, 3, 3), grid(3, 2, 3, 3).flip(0, 3).sin(), torch.tensor([0.25, 0.9, 0.5])),
    ],
    hidden_cases=[
        (_critic(1, 4, 4), grid(4, 1, 4, 4).cos(), grid(4, 1, 4, 4).flip(2) / 2, torch.tensor([0.0, 0.3, 0.6, 1.0])),
        (_critic(3), grid(3, 3).exp() / 3, grid(3, 3).flip(1), torch.tensor([0.8, 0.4, 0.1])),
    ],
    gradient=("critic",),
    tolerance=2e-5,
    mistakes=[
        Mistake(
            "one coefficient a pixel",
            _penalised(_usual, lambda real, fake, u: real + u * (fake - real)),
            "`share` has met the wrong axis: it has one number for each example, the first axis, and PyTorch lines up the last ones. Give "
            "it as many axes of length 1 as an example has.",
            forms=[_penalised(_usual, lambda real, fake, u: real + u[:, None] * (fake - real))],
        ),
        Mistake(
            "four axes always",
            _penalised(_usual, lambda real, fake, u: real + u[:, None, None, None] * (fake - real)),
            "right for images. Points have fewer axes: give `share` as many axes as `real` has, whatever their number.",
        ),
        Mistake(
            "real and fake swapped",
            _penalised(_usual, lambda real, fake, u: fake + _each(u, real) * (real - fake)),
            "share 0 gives the fake and 1 the real one. As a draw that would be as good, but the formula walks from real to fake.",
        ),
        Mistake(
            "always half-way",
            _penalised(_usual, lambda real, fake, u: (real + fake) / 2),
            "always half-way: `share` has no effect. The penalty should look everywhere between real and fake.",
        ),
        Mistake(
            "one coefficient for the batch",
            _penalised(_usual, lambda real, fake, u: real + u.mean() * (fake - real)),
            "one coefficient for the whole batch. Each example has its own.",
            forms=[_penalised(_usual, lambda real, fake, u: real + u[0] * (fake - real))],
        ),
        Mistake(
            "at the data",
            _penalised(_usual, lambda real, fake, u: real.clone()),
            "the slope is measured at the real data. The formula asks for it between real and fake.",
        ),
        Mistake(
            "at the fakes",
            _penalised(_usual, lambda real, fake, u: fake.clone()),
            "the slope is measured at the generated samples. The formula asks for it between real and fake.",
        ),
        Mistake(
            "added, not between",
            _penalised(_usual, lambda real, fake, u: real + _each(u, real) * fake),
            "the fake is added to the real one. To walk from one to the other, add a share of their difference.",
            forms=[_penalised(_usual, lambda real, fake, u: _each(u, real) * real + _each(u, real) * fake)],
        ),
        Mistake(
            "away from the fake",
            _penalised(_usual, lambda real, fake, u: real + _each(u, real) * (real - fake)),
            "the point lies outside, not between real and fake: the difference points the wrong way.",
            forms=[_penalised(_usual, lambda real, fake, u: fake + _each(u, real) * (fake - real))],
        ),
        Mistake(
            "share and length of points",
            _penalised(_one_axis, lambda real, fake, u: real + u[:, None] * (fake - real)),
            "two things fit points at best, not images: `share` needs as many axes of length 1 as an example has, and the length of a "
            "gradient is taken over all of its axes but the batch, not over one.",
            forms=[
                _penalised(_one_axis, lambda real, fake, u: real + u * (fake - real)),
                _penalised(_one_axis, lambda real, fake, u: real + u[:, None, None, None] * (fake - real)),
            ],
        ),
        Mistake(
            "norm over one axis",
            _penalised(_one_axis),
            "right for points. An image's gradient has three axes besides the batch, and its length is taken over all of them.",
            forms=[
                _penalised(lambda g: (g.norm(dim=1) - 1).square().sum() / len(g)),
                _penalised(lambda g: (g.norm(dim=-1) - 1).square().mean()),
                _penalised(lambda g: (g.norm(dim=-1) - 1).square().sum() / len(g)),
            ],
        ),
        Mistake(
            "norm over the batch",
            _penalised(lambda g: (g.norm() - 1).square()),
            "one length for the whole batch. Each example has its own.",
        ),
        Mistake(
            "entry by entry",
            _penalised(lambda g: (g.abs() - 1).square().mean()),
            "each entry of the gradient is compared with 1. The length belongs to the whole gradient of an example.",
            forms=[_penalised(lambda g: (g - 1).square().mean()), _penalised(lambda g: (g.square() - 1).square().mean())],
        ),
        Mistake(
            "largest slope",
            _penalised(lambda g: (g.flatten(1).abs().amax(1) - 1).square().mean()),
            "the largest entry of the gradient stands for its length. The Euclidean length is the root of the sum of squares.",
        ),
        Mistake(
            "by real or fake",
            _by_an_end(real=True),
            "the gradient is taken by `real` or `fake`, and carries a factor from the walk between them. Take it by the point itself.",
            forms=[_by_an_end(real=False)],
        ),
        Mistake(
            "chord",
            _chord,
            "the gap of the scores over the distance from real to fake: a mean slope of the whole way. At one point the slope is the "
            "length of a gradient.",
        ),
        Mistake(
            "sum of absolute slopes",
            _penalised(lambda g: (g.flatten(1).abs().sum(1) - 1).square().mean()),
            "the absolute slopes are added up. The Euclidean length is the root of the sum of squares.",
        ),
        Mistake(
            "root forgotten",
            _penalised(lambda g: (g.flatten(1).square().sum(1) - 1).square().mean()),
            "the squared length is compared with 1. Take its root first.",
        ),
        Mistake(
            "root of the mean square",
            _penalised(lambda g: (g.flatten(1).square().mean(1).sqrt() - 1).square().mean()),
            "the squares are averaged over the pixels before the root. The length sums them.",
        ),
        Mistake(
            "not squared",
            _penalised(lambda g: (_lengths(g) - 1).mean()),
            "the difference from 1 is not squared, so a flat place pays for a steep one.",
            forms=[_penalised(lambda g: (_lengths(g) - 1).abs().mean())],
        ),
        Mistake(
            "centred at 0",
            _penalised(lambda g: _lengths(g).square().mean()),
            "the squared length itself: a penalty centred at 0. This one is centred at 1.",
            forms=[_penalised(lambda g: _lengths(g).square().mean() / 2)],
        ),
        Mistake(
            "one-sided",
            _penalised(lambda g: relu(_lengths(g) - 1).square().mean()),
            "only lengths above 1 are punished. In this formula one below 1 costs too.",
        ),
        Mistake(
            "mean length",
            _penalised(lambda g: (_lengths(g).mean() - 1).square()),
            "the mean length is compared with 1. Compare each length, then average.",
        ),
        Mistake(
            "mean of the scores",
            _penalised(_usual, reduce=torch.mean),
            "each slope is too small by the size of the batch: the scores were averaged before the gradient. An example's score depends on "
            "that example alone, so their sum has the slopes as they are.",
        ),
        Mistake(
            "weight included",
            lambda *given: 10 * _gradient_penalty(*given),
            "ten times too large: the weight belongs to the training loop.",
        ),
        Mistake(
            "the critic's loss",
            _critic_loss(1),
            "the gap of the scores is in it too, so this is all that the critic minimises. The penalty alone is asked for.",
            forms=[_critic_loss(10), _critic_loss(1, -1), _critic_loss(10, -1)],
        ),
        Mistake(
            "summed",
            _penalised(lambda g: (_lengths(g) - 1).square().sum()),
            "summed over the batch. Average.",
        ),
        Mistake(
            "one per example",
            _penalised(lambda g: (_lengths(g) - 1).square()),
            "one number for each example. A penalty is one number: their mean.",
        ),
        Mistake(
            "graph thrown away",
            lambda *given: _gradient_penalty(*given).detach(),
            "right value, but no gradient reaches the critic, so the penalty would change nothing. `torch.autograd.grad` throws its own "
            "graph away unless told: which argument keeps it?",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 4 · A DCGAN generator


def _dcgan(
    latents: int,
    channels: Sequence[int],
    kernel: int = 4,
    first: tuple[int, int] = (1, 0),
    later: tuple[int, int] = (2, 1),
    conv: type[nn.Module] = nn.ConvTranspose2d,
    bias: bool = False,
    hidden: Sequence[Callable[[int], nn.Module]] = (nn.BatchNorm2d, lambda _: nn.ReLU()),
    last: Sequence[Callable[[int], nn.Module]] = (lambda _: nn.Tanh(),),
    before: Sequence[nn.Module] = (),
) -> nn.Sequential:
    """A generator by the rules, or with some of them broken. first, later: stride and padding; hidden, last: what follows a convolution."""
    layers = list(before)
    for i, (inputs, outputs) in enumerate(zip((latents, *channels[:-1]), channels)):
        stride, padding = later if i else first
        end = i == len(channels) - 1
        layers.append(conv(inputs, outputs, kernel, stride, padding, bias=bias or end))
        layers += [make(outputs) for make in (last if end else hidden)]
    return nn.Sequential(*layers)


def _upsampled(latents, channels):
    layers = []
    for i, (inputs, outputs) in enumerate(zip((latents, *channels[:-1]), channels)):
        end = i == len(channels) - 1
        layers += [nn.Upsample(scale_factor=2 if i else 4), nn.Conv2d(inputs, outputs, 3, 1, 1, bias=end)]
        layers += [nn.Tanh()] if end else [nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


def _connected(latents, channels):
    start = [nn.Flatten(), nn.Linear(latents, 16 * channels[0], bias=False), nn.Unflatten(1, (channels[0], 4, 4))]
    return nn.Sequential(*start, nn.BatchNorm2d(channels[0]), nn.ReLU(), *_dcgan(channels[0], channels[1:], first=(2, 1)))


def _dcgan_generator(latents, channels):
    widths = [latents, *channels]
    first = nn.ConvTranspose2d(widths[0], widths[1], 4, bias=False)
    doubling = [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=False) for a, b in zip(widths[1:-2], widths[2:-1])]
    hidden = [layer for conv in (first, *doubling) for layer in (conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU())]
    return nn.Sequential(*hidden, nn.ConvTranspose2d(*widths[-2:], 4, stride=2, padding=1), nn.Tanh())


class _Wrapped(nn.Module):
    """A network inside a class that is none of torch's."""

    def __init__(self, layers: nn.Module):
        super().__init__()
        self.layers = layers


def _act(kind, *given):
    return lambda _: kind(*given)


def _unrolled(network: nn.Module) -> list[nn.Module]:
    """Its layers in order, those of nested Sequentials too."""
    return [layer for part in network for layer in (_unrolled(part) if isinstance(part, nn.Sequential) else [part])]


def _described(layer: nn.Module) -> tuple:
    """What the rules speak of. The last convolution may have a bias or not: no rule says."""
    if isinstance(layer, nn.ConvTranspose2d):
        sizes = layer.kernel_size, layer.stride, layer.padding, layer.output_padding, layer.dilation, layer.groups
        return nn.ConvTranspose2d, layer.in_channels, layer.out_channels, *sizes
    return (type(layer), layer.num_features) if isinstance(layer, nn.BatchNorm2d) else (type(layer),)


class _Plan:
    """A student's generator as the rules see it."""

    def __init__(self, network: nn.Sequential, latents: int, channels: Sequence[int]):
        self.layers = _unrolled(network)
        self.convs = [layer for layer in self.layers if isinstance(layer, nn.ConvTranspose2d)]
        self.sizes = [latents, *channels]
        self.given = [(conv.in_channels, conv.out_channels) for conv in self.convs]
        self.after = []  # what follows each transposed convolution, up to the next
        for layer in self.layers:
            if isinstance(layer, nn.ConvTranspose2d):
                self.after.append([])
            elif self.after:
                self.after[-1].append(layer)
        self.same = [*map(_described, self.layers)] == [*map(_described, _unrolled(_dcgan_generator(latents, channels)))]

    def has(self, *kinds: type[nn.Module]) -> bool:
        return any(isinstance(layer, kinds) for layer in self.layers)

    def ends_with(self, *kinds: type[nn.Module]) -> bool:
        return bool(self.after) and any(isinstance(layer, kinds) for layer in self.after[-1])

    def between(self, *kinds: type[nn.Module]) -> list[bool]:
        """For each convolution but the last, whether one of these follows it."""
        return [any(isinstance(layer, kinds) for layer in part) for part in self.after[:-1]]


def _chain(sizes):
    return list(zip(sizes[:-1], sizes[1:]))


NORMS = (nn.InstanceNorm2d, nn.GroupNorm, nn.LayerNorm, nn.BatchNorm1d, nn.LocalResponseNorm)
SOFT = (nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.PReLU, nn.Softplus, nn.ReLU6, nn.SELU, nn.Mish, nn.CELU)
RESIZERS = (nn.Upsample, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.PixelShuffle, nn.MaxUnpool2d)

# A rule: its name, whether a plan breaks it, a network that breaks it, and the hint. The first that is broken is named.
_RULES: list[tuple[str, Callable[[_Plan], bool], Callable[..., nn.Module], str]] = [
    (
        "a class of one's own",
        lambda p: not all(type(layer).__module__.startswith("torch.nn.") for layer in p.layers),
        lambda latents, channels: nn.Sequential(_Wrapped(_dcgan(latents, channels))),
        "a class of your own is in it, and the check cannot look inside. Build it from the layers of torch.nn alone.",
    ),
    (
        "fully connected",
        lambda p: p.has(nn.Linear, nn.Flatten, nn.Unflatten),
        _connected,
        "a fully connected or reshaping layer is in it. z comes as an image of 1×1: the first transposed convolution makes 4×4 of it.",
    ),
    (
        "resized",
        lambda p: p.has(*RESIZERS),
        _upsampled,
        "it grows or shrinks the image by a fixed layer (pooling, upsampling). In a DCGAN the strides of transposed convolutions do that, "
        "so it is learned.",
    ),
    (
        "ordinary convolution",
        lambda p: p.has(nn.Conv2d),
        partial(_dcgan, conv=nn.Conv2d),
        "an ordinary convolution is in it: with stride 2 it halves the image. Which layer doubles it?",
    ),
    (
        "z left out",
        lambda p: p.given == _chain(p.sizes[1:]),
        lambda latents, channels: _dcgan(channels[0], channels[1:]),
        "one transposed convolution is missing: the first leads from the latents to channels[0].",
    ),
    (
        "wrong number",
        lambda p: len(p.convs) != len(p.sizes) - 1,
        lambda latents, channels: _dcgan(latents, (*channels, channels[-1])),
        "it has another number of transposed convolutions than `channels` has entries. Each entry is what one of them returns.",
    ),
    (
        "channels reversed",
        lambda p: p.given in (_chain([p.sizes[0], *p.sizes[:0:-1]]), _chain(p.sizes[::-1])),
        lambda latents, channels: _dcgan(latents, channels[::-1]),
        "the channels run backwards. A generator goes from many channels at 4×4 to those of the image.",
    ),
    (
        "another chain of channels",
        lambda p: p.given != _chain(p.sizes),
        lambda latents, channels: _dcgan(latents, (*(2 * c for c in channels[:-1]), channels[-1])),
        "the channels are not those given: latents → channels[0] → channels[1] → … → channels[-1].",
    ),
    (
        "kernel",
        lambda p: any(conv.kernel_size != (4, 4) for conv in p.convs),
        partial(_dcgan, kernel=3),
        "a kernel is not 4×4. With stride 2, a kernel of 4 reaches each pixel equally often; one of 3 gives a chequered pattern.",
    ),
    (
        "first one strided",
        lambda p: p.convs[0].stride != (1, 1),
        partial(_dcgan, first=(2, 1)),
        "the first transposed convolution has a stride. From 1×1, with stride 1 and no padding, a kernel of 4 makes 4×4.",
    ),
    (
        "first one padded",
        lambda p: p.convs[0].padding != (0, 0),
        partial(_dcgan, first=(1, 1)),
        "the first transposed convolution is padded, and padding cuts the result of a transposed one: 2×2 in place of 4×4.",
    ),
    (
        "not strided",
        lambda p: any(conv.stride != (2, 2) for conv in p.convs[1:]),
        partial(_dcgan, later=(1, 1)),
        "a later transposed convolution does not double the image: look at its stride.",
    ),
    (
        "not padded",
        lambda p: any(conv.padding != (1, 1) for conv in p.convs[1:]),
        partial(_dcgan, later=(2, 0)),
        "a later transposed convolution makes more than twice the size: 4 × 4 becomes 10 × 10 without padding.",
    ),
    (
        "another norm",
        lambda p: p.has(*NORMS),
        partial(_dcgan, hidden=(lambda c: nn.InstanceNorm2d(c), _act(nn.ReLU))),
        "it normalises, but not by batch norm over images: that is `nn.BatchNorm2d`.",
    ),
    (
        "no batch norm",
        lambda p: not all(p.between(nn.BatchNorm2d)),
        partial(_dcgan, hidden=(_act(nn.ReLU),)),
        "a batch norm is missing: one follows each transposed convolution but the last. Without it a deep generator often collapses at "
        "the start.",
    ),
    (
        "image normalised",
        lambda p: p.ends_with(nn.BatchNorm2d),
        partial(_dcgan, last=(nn.BatchNorm2d, _act(nn.Tanh))),
        "batch norm follows the last convolution too. It would give every batch of images one mean and one contrast.",
    ),
    (
        "dropout",
        lambda p: p.has(nn.Dropout, nn.Dropout2d),
        partial(_dcgan, hidden=(nn.BatchNorm2d, _act(nn.ReLU), _act(nn.Dropout))),
        "dropout is in it. The rules have none: the noise of a generator is z.",
    ),
    (
        "another activation",
        lambda p: p.has(*SOFT),
        partial(_dcgan, hidden=(nn.BatchNorm2d, _act(nn.LeakyReLU, 0.2))),
        "an activation is neither ReLU nor tanh. The leaky one belongs to the discriminator.",
    ),
    (
        "sigmoid at the end",
        lambda p: p.has(nn.Sigmoid),
        partial(_dcgan, last=(_act(nn.Sigmoid),)),
        "a sigmoid is in it: images would lie in [0, 1]. The data here lie in [−1, 1]: which function ends there?",
    ),
    (
        "ReLU on the image",
        lambda p: p.ends_with(nn.ReLU),
        partial(_dcgan, last=(_act(nn.ReLU), _act(nn.Tanh))),
        "a ReLU follows the last convolution, so no pixel can be below 0, and the data reach down to −1.",
    ),
    (
        "no end",
        lambda p: not p.ends_with(nn.Tanh),
        partial(_dcgan, last=()),
        "after the last convolution its pixels may be any number. Which function brings them into [−1, 1]?",
    ),
    (
        "tanh everywhere",
        lambda p: any(p.between(nn.Tanh)),
        partial(_dcgan, hidden=(nn.BatchNorm2d, _act(nn.Tanh))),
        "tanh is used before the end too. Between the layers stands ReLU.",
    ),
    (
        "ReLU missing",
        lambda p: not all(p.between(nn.ReLU)),
        partial(_dcgan, hidden=(nn.BatchNorm2d,)),
        "a ReLU is missing. Without one between them, two convolutions are one linear map.",
    ),
    (
        "norm after the ReLU",
        lambda p: any(isinstance(part[0], nn.ReLU) for part in p.after[:-1] if part),
        partial(_dcgan, hidden=(_act(nn.ReLU), nn.BatchNorm2d)),
        "a batch norm stands after its ReLU. In a DCGAN it comes first: convolution, batch norm, ReLU.",
    ),
    (
        "bias kept",
        lambda p: any(conv.bias is not None for conv in p.convs[:-1]),
        partial(_dcgan, bias=True),
        "a convolution before a batch norm has a bias. The batch norm takes every mean away, the bias with it: switch it off.",
    ),
    (
        "features of a batch norm",
        lambda p: any(
            norm.num_features != conv.out_channels for conv, part in zip(p.convs, p.after) for norm in part if type(norm) is nn.BatchNorm2d
        ),
        partial(_dcgan, hidden=(lambda c: nn.BatchNorm2d(c + 1), _act(nn.ReLU))),
        "a batch norm has another number of features than its convolution puts out. `nn.BatchNorm2d(n)` normalises the n channels that "
        "reach it.",
    ),
    (
        "something else",
        lambda p: not p.same,
        partial(_dcgan, hidden=(nn.BatchNorm2d, _act(nn.ReLU), _act(nn.ReLU))),
        "every rule seems kept, but the layers are not convolution, batch norm, ReLU, …, convolution, tanh: print the network and compare.",
    ),
]


class Rules(Task):
    """A task whose answer is a network. What is compared is the number of the first rule that it breaks, 0 if none."""

    def check(self, answer, hidden=False):
        with torch.random.fork_rng(devices=[]):  # a new network draws its weights, and a check leaves the random numbers alone
            super().check(answer, hidden)

    def _outcome(self, result, inputs):
        if not isinstance(result, nn.Sequential):
            self._fail("type", f"an nn.Sequential is asked for, got {_describe(result)}.")
        plan = _Plan(result, *inputs)
        return Outcome((next((i for i, (_, broken, *_) in enumerate(_RULES, 1) if broken(plan)), 0),))

    def _explain(self, answer, truth, where, leaves):
        """A rule that is broken in some cases only is named with the first of them."""
        number = answer.values[0]
        self._fail(f"m{number}", f"in {where}: {self.mistakes[number - 1].hint}")


DCGAN = Rules(
    "dcgan_generator",
    _dcgan_generator,
    cases=[(6, (8, 4, 1)), (5, (4, 3)), (10, (7, 6, 2, 2))],  # two are equal: a layer cannot be told by its channels
    hidden_cases=[(3, (6, 5, 2)), (8, (9, 1)), (4, (8, 3, 4, 3))],
    mistakes=[Mistake(label, wrong, hint) for label, _, wrong, hint in _RULES],
)

# --------------------------------------------------------------------------------------------------------------------
# 5 · Ask for a class


def _with_label(z, y, classes):
    return torch.stack([torch.cat([code, (torch.arange(classes) == label).to(code)]) for code, label in zip(z, y)])


def _hot(y, classes, like):
    return one_hot(y, classes).to(like)


WITH_LABEL = Task(
    "with_label",
    _with_label,
    cases=[(grid(4, 3), torch.tensor([0, 2, 1, 2]), 4), (grid(2, 5), torch.tensor([1, 1]), 2)],
    hidden_cases=[(grid(5, 2).sin(), torch.tensor([3, 0, 0, 1, 2]), 6), (grid(1, 4), torch.tensor([0]), 3)],
    gradient=("z",),
    mistakes=[
        Mistake(
            "the number itself",
            lambda z, y, c: torch.cat([z, y[:, None].to(z)], 1),
            "the label is one number more. Then class 9 looks like nine times class 1: give each class a place of its own.",
            forms=[lambda z, y, c: torch.cat([z, y[:, None].to(z) / c], 1), lambda z, y, c: torch.cat([z, y[:, None].to(z) / (c - 1)], 1)],
        ),
        Mistake(
            "the number in every place",
            lambda z, y, c: torch.cat([z, y[:, None].to(z).expand(-1, c)], 1),
            "each of the new columns holds the label's number. There is a 1 in the place of the class, and 0 elsewhere.",
        ),
        Mistake(
            "label first",
            lambda z, y, c: torch.cat([_hot(y, c, z), z], 1),
            "the label stands before z. It is asked for behind it.",
        ),
        Mistake(
            "as many places as there are labels",
            lambda z, y, c: torch.cat([z, _hot(y, int(y.max()) + 1, z)], 1),
            "the width depends on the largest label of the batch. `F.one_hot` counts the classes that it sees unless told.",
        ),
        Mistake(
            "counted from 1",
            lambda z, y, c: torch.cat([z, _hot(y + 1, c + 1, z)[:, :c]], 1),
            "the 1 is one place too far to the right. Class 0 has the first place.",
            forms=[lambda z, y, c: torch.cat([z, _hot((y - 1) % c, c, z)], 1), lambda z, y, c: torch.cat([z, _hot((y + 1) % c, c, z)], 1)],
        ),
        Mistake(
            "one place too many",
            lambda z, y, c: torch.cat([z, _hot(y, c + 1, z)], 1),
            "one column too many. With `classes` classes the labels run from 0 to classes − 1.",
        ),
        Mistake(
            "ten classes always",
            lambda z, y, c: torch.cat([z, _hot(y, 10, z)], 1),
            "always ten places for the label. Other cases have another number of classes, `classes`.",
        ),
        Mistake(
            "−1 for 0",
            lambda z, y, c: torch.cat([z, 2 * _hot(y, c, z) - 1], 1),
            "the other places hold −1. In a one-hot row they hold 0.",
        ),
        Mistake(
            "the number in its place",
            lambda z, y, c: torch.cat([z, _hot(y, c, z) * y[:, None]], 1),
            "the place of the class holds the label's number, so class 0 leaves no trace. It holds a 1.",
        ),
        Mistake(
            "turned about",
            lambda z, y, c: torch.cat([z, 1 - _hot(y, c, z)], 1),
            "0 and 1 have changed places: the class that is asked for has the 1.",
        ),
        Mistake(
            "one label for all",
            lambda z, y, c: torch.cat([z, _hot(y[:1], c, z).expand(len(z), -1)], 1),
            "every row has the label of the first. Each has its own.",
        ),
        Mistake(
            "every label in every row",
            lambda z, y, c: torch.cat([z, _hot(y, c, z).amax(0).expand(len(z), -1)], 1),
            "each row has a 1 for every label of the batch: `[:, y]` takes all rows. Each row has one place of its own: give the row "
            "numbers too, `torch.arange(len(y))`.",
        ),
        Mistake("label left out", lambda z, y, c: z.clone(), "this is z alone: where is the label?"),
        Mistake("the label alone", lambda z, y, c: _hot(y, c, z), "this is the label alone: where is z?"),
        Mistake(
            "sorted by class",
            lambda z, y, c: torch.cat([z, _hot(y.sort().values, c, z)], 1),
            "the labels have been sorted, so they belong to other rows of z.",
        ),
        Mistake(
            "z cut off",
            lambda z, y, c: torch.cat([z.detach(), _hot(y, c, z)], 1),
            "right values, but no gradient reaches z. What cuts the graph?",
        ),
    ],
)


def _with_label_planes(x, y, classes):
    planes = x.new_zeros(len(x), classes, *x.shape[2:])
    for image, label in zip(planes, y):
        image[label] = 1.0
    return torch.cat([x, planes], 1)


def _beside(x, planes):
    return torch.cat([x, planes.to(x).expand(len(x), -1, *x.shape[2:])], 1)


def _planes(y, classes):
    return one_hot(y, classes)[:, :, None, None]


# Images as wide as there are classes, so that a row of the label in the wrong place goes unnoticed by PyTorch too.
_THREE = torch.tensor([2, 0, 1])
WITH_PLANES = Task(
    "with_label_planes",
    _with_label_planes,
    cases=[(grid(3, 2, 2, 4), _THREE, 4), (grid(3, 1, 3, 3), _THREE.flip(0), 3)],
    hidden_cases=[(grid(4, 3, 2, 5).cos(), torch.tensor([3, 1, 1, 0]), 5), (grid(2, 1, 2, 2), torch.tensor([1, 0]), 2)],
    gradient=("x",),
    mistakes=[
        Mistake(
            "the number as brightness",
            lambda x, y, c: _beside(x, y[:, None, None, None].to(x)),
            "one plane, as bright as the label's number. Then class 9 looks like nine times class 1: give each class a plane of its own.",
            forms=[
                lambda x, y, c: _beside(x, y[:, None, None, None].to(x) / c),
                lambda x, y, c: _beside(x, y[:, None, None, None].to(x) / (c - 1)),
            ],
        ),
        Mistake(
            "the number in every plane",
            lambda x, y, c: _beside(x, y[:, None, None, None].expand(-1, c, -1, -1)),
            "each new plane holds the label's number. The plane of the class is all 1, the others are all 0.",
        ),
        Mistake(
            "planes first",
            lambda x, y, c: torch.cat([_beside(x, _planes(y, c))[:, x.shape[1] :], x], 1),
            "the planes stand before the image. They are asked for behind it.",
        ),
        Mistake(
            "one pixel",
            lambda x, y, c: _beside(x, pad(_planes(y, c), (0, x.shape[3] - 1, 0, x.shape[2] - 1))),
            "only one pixel of the plane is 1. A convolution looks at small patches: each must see the label, so the whole plane is 1.",
        ),
        Mistake(
            "one row",
            lambda x, y, c: _beside(x, pad(_planes(y, c).expand(-1, -1, -1, x.shape[3]), (0, 0, 0, x.shape[2] - 1))),
            "only one row of the plane is 1: with two axes of an index given, the third picks rows. The whole plane is 1.",
        ),
        Mistake(
            "labels of other images",
            lambda x, y, c: torch.cat([x, one_hot(y, c).repeat(x[0, 0].numel(), 1).reshape(len(x), c, *x.shape[2:]).to(x)], 1),
            "labels and images are mixed: `repeat` along the batch and a reshape hand them to other images and pixels. Give the one-hot "
            "row two axes of length 1 behind it, then `expand`.",
        ),
        Mistake(
            "along a row",
            lambda x, y, c: torch.cat([x, _hot(y, c, x)[:, None, None].expand(-1, c, x.shape[2], -1)], 1),
            "pixels and planes are mixed: every plane has one column of 1s. The one-hot row is the axis of the planes: give it two axes "
            "of length 1 behind it, then `expand`. Repeating it and reshaping puts the numbers elsewhere.",
        ),
        Mistake(
            "counted from 1",
            lambda x, y, c: _beside(x, _planes(y + 1, c + 1)[:, :c]),
            "the plane of 1s is one too far back. Class 0 has the first plane behind the image.",
            forms=[lambda x, y, c: _beside(x, _planes((y + 1) % c, c)), lambda x, y, c: _beside(x, _planes((y - 1) % c, c))],
        ),
        Mistake(
            "as many planes as there are labels",
            lambda x, y, c: _beside(x, _planes(y, int(y.max()) + 1)),
            "the number of planes depends on the largest label of the batch. `F.one_hot` counts the classes that it sees unless told.",
        ),
        Mistake(
            "one plane too many",
            lambda x, y, c: _beside(x, _planes(y, c + 1)),
            "one plane too many. With `classes` classes the labels run from 0 to classes − 1.",
        ),
        Mistake(
            "ten classes always",
            lambda x, y, c: _beside(x, _planes(y, 10)),
            "always ten planes. Other cases have another number of classes, `classes`.",
        ),
        Mistake(
            "shared out",
            lambda x, y, c: _beside(x, _planes(y, c) / x[0, 0].numel()),
            "the plane adds up to 1. Each of its pixels is 1.",
        ),
        Mistake(
            "one label for all",
            lambda x, y, c: _beside(x, _planes(y[:1], c)),
            "every image has the planes of the first label. Each has its own.",
        ),
        Mistake(
            "every label for every image",
            lambda x, y, c: _beside(x, _planes(y, c).amax(0, keepdim=True)),
            "each image has a plane of 1s for every label of the batch: `[:, y]` takes all images. Each has one plane of its own: give the "
            "numbers of the images too, `torch.arange(len(y))`.",
        ),
        Mistake(
            "image in the planes",
            lambda x, y, c: torch.cat([x, _planes(y, c) * x[:, :1]], 1),
            "the plane of the class holds the image. It is all 1.",
        ),
        Mistake(
            "turned about",
            lambda x, y, c: _beside(x, 1 - _planes(y, c)),
            "0 and 1 have changed places: the plane of the class is all 1.",
        ),
        Mistake("image left out", lambda x, y, c: _beside(x, _planes(y, c))[:, x.shape[1] :], "these are the planes alone: where is x?"),
        Mistake(
            "image cut off",
            lambda x, y, c: _beside(x.detach(), _planes(y, c)),
            "right values, but no gradient reaches x, so the generator would learn nothing. What cuts the graph?",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 6 · Cure a collapse

PACKS = (1, 2, 3, 4, 5, 6, 8, 10)  # they divide the exercise's batch of 120


@torch.no_grad()
def measure(gans: Sequence, x: Tensor, centres: Tensor, std: float, part: int = 0, n: int = 2000) -> dict[str, float]:
    """What the GANs of the exercise reach: modes covered by the worst of them, the share of good samples, how far the discriminator
    is ahead (the share of pairs of a real and a made one in which it scores the real one higher; ½: it is fooled), and how far
    samples still moved in the last two fifths of training.

    gans: each has `generator`, (n, 2) → (n, 2), `judge`, points (n, 2) → scores, one for each pack, and `film`, samples (m, 2) of the
        same noise after 0, 20, … 100 % of training
    x: (n, 2), real points
    centres: (modes, 2); a sample is good within four std of one, and a mode is covered by a tenth of its fair share
    part: 0, 1, …, other noise for each

    The noise is a Sobol sequence through the normal's quantile function: the same on every platform.
    """
    sobol = torch.quasirandom.SobolEngine(2).fast_forward(1 + part * n)  # its first point is 0, which has no quantile
    noise = torch.special.ndtri(sobol.draw(n, dtype=torch.float64)).to(x.dtype)
    modes, good, ahead, moved = [], [], [], []
    for gan in gans:
        samples = gan.generator(noise)
        distance, nearest = torch.cdist(samples, centres).min(1)
        near = distance <= 4 * std
        counts = nearest[near].bincount(minlength=len(centres))
        modes.append(int((counts >= n / len(centres) / 10).sum()))
        good.append(near.double().mean() + 0 * samples.sum())  # NaN where training diverged
        whole = min(len(x), n) // 120 * 120  # every pack divides it
        real, made = gan.judge(x[:whole]), gan.judge(samples[:whole])
        ahead.append((real[:, None] > made).double().mean())
        moved.append((gan.film[-1] - gan.film[-3]).norm(dim=1).double().mean())
    means = {name: float(torch.stack(values).mean()) for name, values in (("good", good), ("ahead", ahead), ("moved", moved))}
    return {"modes": min(modes), **means}


CURE = Goal(
    "cure",
    {"modes": 8, "good": 0.85},
    slack={"modes": 0, "good": 0.03},
    settings=("rate", "critic_steps", "penalty", "pack"),
    rules={
        "rate": (lambda value: is_number(value, 0) and 0 < value <= 1, "a number above 0, at most 1"),
        "critic_steps": (lambda value: is_whole(value, range(1, 31)), "a whole number from 1 to 30"),
        "penalty": (lambda value: is_number(value, 0), "a number, 0 or more"),
        "pack": (lambda value: is_whole(value, PACKS), "1, 2, 3, 4, 5, 6, 8 or 10, so that it divides the batch of 120"),
    },
    mistakes=[
        Mistake(
            "too slow",
            lambda m: m["modes"] < 8 and m["moved"] < 1.2,
            "The generator has not come far, and it does not run about either: it learns too slowly, or too seldom.",
        ),
        Mistake(
            "lost",
            lambda m: m["good"] < 0.005 or m["moved"] > 10,
            "The generator runs about far from the data, and the discriminator cannot follow. Either its steps are far too large, or "
            "something holds the discriminator back.",
        ),
        Mistake(
            "collapsed",
            lambda m: m["modes"] < 8,
            "At least one GAN has collapsed: its samples lie in a clump or along a line and change places together, and a discriminator "
            "that judges them one by one cannot know. What would have to be put before it?",
        ),
        Mistake(
            "nearly",
            lambda m: 0.7 <= m["good"] < 0.85,
            "Every mode is there, and most samples are good: a cure works. Now help the generator to finish in the same number of steps: "
            "raise `rate`. A discriminator that judges packs bears larger steps.",
        ),
        Mistake(
            "blunt discriminator",
            lambda m: m["good"] < 0.85 and m["ahead"] < 0.62,
            "Every mode is there, but many samples lie between them, and the discriminator no longer notices. Is it held flat, or does it "
            "get too few examples, each made of too many samples?",
        ),
        Mistake(
            "generator behind",
            lambda m: m["good"] < 0.85,
            "Every mode is there, but many samples lie between them, and the discriminator sees that: the generator does not keep up. It "
            "needs larger steps. But where samples are judged one by one, larger steps alone bring the collapse back: something must let "
            "the discriminator see several samples first.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# More, without points: minibatch discrimination and the patch of a PatchGAN


def _closeness(m):
    with_itself = torch.stack([torch.cdist(each, each, p=1).neg().exp().sum(1) for each in m.unbind(1)], 1)
    return with_itself - 1


def _differences(m):
    """(batch, batch, kernels, size)."""
    return m[:, None] - m[None]


CLOSENESS = Task(
    "closeness",
    _closeness,
    cases=[(grid(4, 3, 2).sin(),), (grid(3, 1, 5),), (torch.zeros(3, 2, 2),), ((7 * grid(4, 2, 3)).cos(),)],
    hidden_cases=[(grid(5, 2, 3).cos() * 2,), (grid(1, 4, 2),), (grid(6, 3, 3).square(),)],
    gradient=True,
    mistakes=[
        Mistake(
            "itself counted",
            lambda m: _closeness(m) + 1,
            "each number is 1 too large: a sample is at distance 0 from itself, and that counts e⁰. Only the others are asked for.",
        ),
        Mistake(
            "no exponential",
            lambda m: _differences(m).abs().sum(3).sum(1),
            "these are distances, which are large for samples that lie apart. Closeness is e to the minus distance.",
            forms=[lambda m: -_differences(m).abs().sum(3).sum(1)],
        ),
        Mistake(
            "sign of the exponent",
            lambda m: _differences(m).abs().sum(3).exp().sum(1) - 1,
            "closeness grows with the distance here: look at the sign of the exponent.",
        ),
        Mistake(
            "squared distance",
            lambda m: (-_differences(m).square().sum(3)).exp().sum(1) - 1,
            "the differences are squared. The distance here adds up their absolute values.",
            forms=[lambda m: (-_differences(m).norm(dim=3)).exp().sum(1) - 1],
        ),
        Mistake(
            "signs cancel",
            lambda m: (-_differences(m).sum(3).abs()).exp().sum(1) - 1,
            "the differences are added up with their signs, so that they cancel. First the absolute value of each, then the sum.",
            forms=[lambda m: (-_differences(m).sum(3)).exp().sum(1) - 1],
        ),
        Mistake(
            "distances summed first",
            lambda m: (-_differences(m).abs().sum((1, 3))).exp(),
            "the distances to all others are added up before the exponential. Each sample has a term of its own.",
            forms=[lambda m: (-_differences(m).abs().sum((1, 3))).exp() - 1],
        ),
        Mistake(
            "averaged over the batch",
            lambda m: _closeness(m) / len(m),
            "averaged over the batch. The formula adds up.",
            forms=[lambda m: _closeness(m) / max(len(m) - 1, 1), lambda m: (_closeness(m) + 1) / len(m)],
        ),
        Mistake(
            "averaged over the entries",
            lambda m: (-_differences(m).abs().mean(3)).exp().sum(1) - 1,
            "the distance is averaged over the entries of a code. It is their sum.",
        ),
        Mistake(
            "one distance for all kernels",
            lambda m: ((-_differences(m).abs().sum((2, 3))).exp().sum(1) - 1)[:, None].expand(-1, m.shape[1]),
            "the kernels are taken together, so all have the same number. Each compares the samples by itself.",
            forms=[lambda m: (-_differences(m).abs().sum((2, 3))).exp().sum(1) - 1],
        ),
        Mistake(
            "exponential of each entry",
            lambda m: ((-_differences(m).abs()).exp().sum(3)).sum(1) - m.shape[2],
            "the exponential is taken of each entry, then summed. First the distance, a sum over the entries, then the exponential.",
            forms=[lambda m: ((-_differences(m).abs()).exp().sum(3)).sum(1) - 1, lambda m: (-_differences(m).abs()).exp().sum((1, 3))],
        ),
        Mistake(
            "summed over the kernels",
            lambda m: _closeness(m).sum(1),
            "one number for each sample. One for each sample and kernel is asked for.",
        ),
        Mistake(
            "kernels compared",
            lambda m: _closeness(m.transpose(0, 1)).T,
            "the kernels of a sample are compared with each other. The samples of a batch are, kernel by kernel.",
        ),
    ],
)


def _patch(layers):
    """By following one output pixel back: how many pixels of each layer's input it sees."""
    pixels = 1
    for kernel, stride in reversed(layers):
        pixels = (pixels - 1) * stride + kernel
    return pixels


def _products(layers, of):
    """1 + Σ (k − 1) · the product of the strides that `of(position)` names."""
    strides = [stride for _, stride in layers]
    return 1 + sum((kernel - 1) * math.prod(strides[of(i)]) for i, (kernel, _) in enumerate(layers))


RECEPTIVE = Task(
    "receptive_field",
    _patch,
    cases=[([(4, 2), (4, 2), (4, 2), (4, 1), (4, 1)],), ([(3, 1)],), ([(5, 3), (2, 2), (3, 1)],)],
    hidden_cases=[([(4, 2), (3, 1), (5, 3)],), ([(7, 4), (3, 2), (3, 2), (1, 1)],)],
    mistakes=[
        Mistake(
            "strides ignored",
            lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers),
            "the strides have no effect. After a stride of 2, neighbours lie two pixels of the image apart.",
        ),
        Mistake(
            "its own stride too",
            lambda layers: _products(layers, lambda i: slice(i + 1)),
            "the stride of a layer counts for itself already. It takes effect on the layers behind it.",
        ),
        Mistake(
            "strides behind it",
            lambda layers: _products(layers, lambda i: slice(i + 1, None)),
            "each layer is multiplied by the strides behind it. Those before it have spread its inputs.",
        ),
        Mistake(
            "kernel and stride exchanged",
            lambda layers: _products([(stride, kernel) for kernel, stride in layers], lambda i: slice(i)),
            "kernel and stride have changed places: the kernel comes first in each pair.",
            forms=[lambda layers: _patch([(stride, kernel) for kernel, stride in layers])],
        ),
        Mistake(
            "strides added",
            lambda layers: 1 + sum((kernel - 1) * max(1, sum(s for _, s in layers[:i])) for i, (kernel, _) in enumerate(layers)),
            "the strides are added up. Two strides of 2 make steps of 4, and three make 8.",
            forms=[
                lambda layers: 1 + sum((kernel - 1) * (1 + sum(s for _, s in layers[:i])) for i, (kernel, _) in enumerate(layers)),
            ],
        ),
        Mistake(
            "the last stride alone",
            lambda layers: 1 + sum((kernel - 1) * (layers[i - 1][1] if i else 1) for i, (kernel, _) in enumerate(layers)),
            "each layer is multiplied by the stride just before it. All strides before it have spread its inputs.",
        ),
        Mistake(
            "kernel for kernel − 1",
            lambda layers: 1 + sum(kernel * math.prod(s for _, s in layers[:i]) for i, (kernel, _) in enumerate(layers)),
            "each kernel adds its whole width. One of its pixels was counted before: it adds k − 1.",
            forms=[lambda layers: sum(kernel * math.prod(s for _, s in layers[:i]) for i, (kernel, _) in enumerate(layers))],
        ),
        Mistake("1 forgotten", lambda layers: _patch(layers) - 1, "one too small: without any layer a pixel sees itself."),
        Mistake(
            "kernels multiplied",
            lambda layers: math.prod(kernel for kernel, _ in layers),
            "the kernels are multiplied. Each layer widens the field by a number of pixels.",
        ),
        Mistake("an area", lambda layers: _patch(layers) ** 2, "the area. The length of a side is asked for."),
    ],
)

TASKS: tuple[Task | Goal, ...] = (
    *(DISCRIMINATOR, GENERATOR, OPTIMAL, VALUE, PENALTY, DCGAN, WITH_LABEL, WITH_PLANES, CURE),
    *(CLOSENESS, RECEPTIVE),
)
