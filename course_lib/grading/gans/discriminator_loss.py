"""Exercise 03, task 1a: what the discriminator minimises."""

import torch
from torch.distributions import Bernoulli
from torch.nn import functional as F

from course_lib.grading import Task, grid


def discriminator_loss(real, fake):
    log_d = F.logsigmoid
    r, f = log_d(real), log_d(-fake)  # log D, log(1 − D)
    return -r.mean() - f.mean()


def truth(real, fake):
    judged = Bernoulli(logits=real).log_prob(torch.ones_like(real)), Bernoulli(logits=fake).log_prob(torch.zeros_like(fake))
    return -sum(log.mean() for log in judged)


DISCRIMINATOR = Task(
    discriminator_loss,
    truth,
    cases=[
        (grid(5), grid(4).flip(0) + 0.3),
        (torch.tensor([-1000.0, 3.0, 150.0]), torch.tensor([900.0, -1.0])),  # sigmoid(−1000) is 0 on a computer, and log 0 is −∞
        (grid(2), grid(6) * 2),
    ],
    gradient=True,
    tolerance=2e-5,
    mistakes="""
maximised: negative. This is a loss: the smaller, the better it judges.
    -r.mean() - f.mean() -> r.mean() + f.mean()
labels swapped: real and generated have changed places: a high score for real data should cost little.
    (real) -> (-real) ; (-fake) -> (fake)
fakes taken for real: log D stands in both terms, so it is rewarded for taking fakes for real. Which probability belongs in the second?
    (-fake) -> (fake)
signs differ: the two terms have different signs. Both logarithms are negative, and both become a cost.
    - f.mean() -> + f.mean()
    -r.mean() -> r.mean()
the 1 outside the log: 1 − log D stands where log(1 − D) belongs. Look at the brackets.
    log_d(-fake) -> {1|-1} - log_d(fake)
    log_d(-fake) -> 1 - log_d(fake) ; - f.mean() -> + f.mean()
1 minus the score: 1 is taken from the score. log(1 − D) takes it from the probability: of which score is 1 − sigmoid(s) the sigmoid?
    (-fake) -> (1 - fake)
    log_d(real), log_d(-fake) -> real.sigmoid().log(), (1 - fake).sigmoid().log()
log D taken away: the second term is log D with its sign turned round. −log(1 − D) is another function: it is never below 0, and it grows with the score.
    (-fake) -> (fake) ; - f.mean() -> + f.mean()
    log_d(real), log_d(-fake) -> real.sigmoid().log(), -fake.sigmoid().log()
fakes left out: the generated samples do not count: it could call everything real.
    - f.mean() ->
real left out: the real data do not count: it could call everything fake.
    -r.mean() ->
one mean for both: one mean over all scores together. Each group gets a mean of its own, and the two are added.
    -r.mean() - f.mean() -> -torch.cat([r, f]).mean()
one count for both: both sums are divided by the same count. There are n real scores and m generated ones: each group has a mean of its own.
    f.mean() -> f.sum() / len(real)
    r.mean() -> r.sum() / len(fake)
labels smoothed: the label of real data is 0.9. Such smoothing can steady a GAN; the formula here has a label of 1.
    log_d(real) -> 0.9 * log_d(real) + 0.1 * log_d(-real)
half: exactly half of it: the two means are added, not averaged.
    -r.mean() - f.mean() -> -(r.mean() + f.mean()) / 2
another base: the logarithms have another base, 10 or 2. Natural ones are asked for.
    log_d(real), log_d(-fake) -> [x.{log10|log2}() for x in (real.sigmoid(), 1 - fake.sigmoid())]
    -r.mean() - f.mean() -> -(r.mean() + f.mean()) / math.log({10|2})
summed: summed over the batch: the step would grow with it. Average each group.
    -r.mean() - f.mean() -> -r.sum() - f.sum()
sigmoid, then log: right for small scores, infinite for large ones: sigmoid rounds to 0 or 1 at scores of ±200, and exp overflows. `F.softplus` or `F.logsigmoid` takes the score itself.
    log_d(real), log_d(-fake) -> [x.log() for x in (real.sigmoid(), 1 - fake.sigmoid())]
    log_d(-fake) -> (1 - fake.sigmoid()).log()
    log_d(real) -> real.sigmoid().log()
    log_d(real), log_d(-fake) -> [-(1 + s.exp()).log() for s in (-real, fake)]
sigmoid, then clamped log: right for small scores, but PyTorch stops at −100 where sigmoid has rounded. There is a version that takes logits.
    log_d(real), log_d(-fake) -> [x.log().clamp(min=-100) for x in (real.sigmoid(), 1 - fake.sigmoid())]
infinity covered up: `nan_to_num` puts another number in the place of an infinite one, and the right one is lost: the loss is finite there. sigmoid rounds to 0 or 1 at scores of ±200. `F.softplus` or `F.logsigmoid` takes the score itself.
    log_d(real), log_d(-fake) -> [x.log().float().nan_to_num(neginf={None|0.0}) for x in (real.sigmoid(), 1 - fake.sigmoid())]
    -r.mean() - f.mean() -> sum(-x.log().float().mean() for x in (real.sigmoid(), 1 - fake.sigmoid())).nan_to_num(posinf={None|0.0|100.0})
    -r.mean() - f.mean() -> -sum(x.log().mean().float().nan_to_num() for x in (real.sigmoid(), 1 - fake.sigmoid()))
a small number in the log: the small number in the log keeps it finite, but wrong: the loss stops growing just where the discriminator errs most. sigmoid rounds to 0 or 1 at scores of ±200. `F.softplus` or `F.logsigmoid` takes the score itself.
    log_d(real), log_d(-fake) -> [(x + 1e-{8|2|3|4|5|6|7|9|10|12|15|20}).log() for x in (real.sigmoid(), 1 - fake.sigmoid())]
probabilities clamped: the clamp keeps the log finite, but wrong, and it cuts the gradient just where the discriminator errs most. sigmoid rounds to 0 or 1 at scores of ±200. `F.softplus` or `F.logsigmoid` takes the score itself.
    return -> m = 1e-{6|2|3|4|5|7}; r, f = [s.float().sigmoid().clamp(m, 1-m) for s in (real, fake)]; r, f = r.log(), (1 - f).log(); return
    log_d(real), log_d(-fake) -> [x.clamp(1e-{2|3|4}).log() for x in (real.sigmoid(), 1 - fake.sigmoid())]
scores clamped: the scores are clamped. That keeps the loss finite, but wrong, and cuts the gradient just where the discriminator errs most. `F.softplus` and `F.logsigmoid` need no clamp.
    r, f = -> c = {30|5|10|15|16|20|25|40|50|60|80|88|100|200|500}; real, fake = real.clamp(-c, c), fake.clamp(-c, c); r, f =
    return -> c = {5|10|15|16|25|88}; r, f = [s.float().clamp(-c, c).sigmoid() for s in (real, fake)]; r, f = r.log(), (1 - f).log(); return
    return -> c = {2|3|4|5|6|8|10}0; r, f = [s.float().clamp(-c, c).sigmoid() for s in (real, fake)]; r, f = r.log(), (1 - f).log(); return
sigmoid twice: the sigmoid is applied twice: your function takes scores (logits) and gets probabilities.
    (real) -> (real.sigmoid()) ; (-fake) -> (-fake.sigmoid())
no sigmoid: NaN: a score may be negative, and it has no logarithm. Which function turns it into a probability?
    log_d(real), log_d(-fake) -> real.log(), (1 - fake).log()
no log: the probabilities are averaged as they are. The formula takes their logarithms.
    log_d(real), log_d(-fake) -> real.sigmoid(){| - 1}, -fake.sigmoid()
    log_d(real), log_d(-fake) -> real.sigmoid(), 1 - fake.sigmoid()
mean inside the log: the log of a mean. The formula averages logarithms: first the log of each, then the mean.
    log_d(real), log_d(-fake) -> real.sigmoid().mean().log(), (1 - fake.sigmoid()).mean().log()
a critic's: the gap of the scores: that is the loss of a Wasserstein critic. Here sigmoid(score) is a probability.
    log_d(real), log_d(-fake) -> real, -fake
hinge: this is the hinge loss. It trains GANs too; here the cross-entropy is asked for.
    log_d(real), log_d(-fake) -> -(1 - real).relu(), -(1 + fake).relu()
squared error: squared errors, as in a least-squares GAN. Here the logarithm of the probability is asked for.
    log_d(real), log_d(-fake) -> -((real.sigmoid() - 1) ** 2), -(fake.sigmoid() ** 2)
    log_d(real), log_d(-fake) -> -((real - 1) ** 2), -(fake**2)
fake scores detached: right value, but no gradient comes from `fake`: the scores are detached, so the discriminator would learn from real data alone. To spare the generator, detach its samples before they are judged.
    (-fake) -> (-fake.detach())
""",
)
