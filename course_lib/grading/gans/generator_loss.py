"""Exercise 03, task 1b: what the generator minimises, in two versions."""

import torch
from torch.distributions import Bernoulli
from torch.nn import functional as F

from course_lib.grading import Task, grid


def generator_loss(fake, saturating):
    log_d = F.logsigmoid
    r, f = log_d(fake), log_d(-fake)  # log D, log(1 − D)
    return f.mean() if saturating else -r.mean()


def truth(fake, saturating):
    log = Bernoulli(logits=fake).log_prob(torch.full_like(fake, not saturating)).mean()
    return log if saturating else -log


FOOLED = torch.tensor([900.0, 1.0, -2.0])
CAUGHT = torch.tensor([-1000.0, -1.0, 0.5, 2.0])

GENERATOR = Task(
    generator_loss,
    truth,
    cases=[(grid(5), True), (grid(5), False), (FOOLED, True), (CAUGHT, False), (CAUGHT, True), (FOOLED, False)],
    gradient=("fake",),
    tolerance=2e-5,
    mistakes="""
the two switched: right, but the other way round: log(1 − D) is the saturating one.
    if saturating -> if not saturating
always saturating: `saturating` has no effect: it is always log(1 − D).
    if saturating else -r.mean() ->
never saturating: `saturating` has no effect: it is always −log D.
    f.mean() if saturating else ->
the discriminator's: this is what the discriminator pays for fakes. The generator wants the opposite.
    f.mean() if saturating else -r.mean() -> -f.mean()
sign of the saturating: −log D is right. But with a minus before log(1 − D) the generator would help the discriminator: in this game one gains what the other loses.
    f.mean() -> -f.mean()
sign of the other: log(1 − D) is right. The other must fall as D rises, since it is minimised: look at its sign.
    -r.mean() -> r.mean()
both signs: both signs are wrong: the generator would learn to be caught.
    f.mean() -> -f.mean() ; else -r -> else r
the 1 outside the log: 1 − log D stands where log(1 − D) belongs. Look at the brackets.
    log_d(-fake) -> 1 - log_d(fake)
only the signs differ: the two differ in their sign alone. One is made of log(1 − D), the other of log D, and these are two functions of the score.
    (-fake) -> (fake)
    (fake) -> (-fake)
half: exactly half of it. There is one group of scores here, and one mean.
    f.mean() -> f.mean() / 2 ; -r.mean() -> -r.mean() / 2
1 minus the score: 1 is taken from the score. log(1 − D) takes it from the probability: of which score is 1 − sigmoid(s) the sigmoid?
    (-fake) -> (1 - fake)
    log_d(fake), log_d(-fake) -> fake.sigmoid().log(), (1 - fake).sigmoid().log()
another base: the logarithms have another base, 10 or 2. Natural ones are asked for.
    log_d(fake), log_d(-fake) -> [x.{log10|log2}() for x in (fake.sigmoid(), 1 - fake.sigmoid())]
    log_d(fake), log_d(-fake) -> [x / math.log({10|2}) for x in (log_d(fake), log_d(-fake))]
summed: summed over the batch: the step would grow with it. Average.
    f.mean() -> f.sum() ; -r.mean() -> -r.sum()
one per sample: one number for each sample. A loss is one number: their mean.
    f.mean() -> f ; -r.mean() -> -r
sigmoid, then log: right for small scores, infinite for large ones: sigmoid rounds to 0 or 1 at scores of ±200, and exp overflows. `F.softplus` or `F.logsigmoid` takes the score itself.
    log_d(fake), log_d(-fake) -> [x.log() for x in (fake.sigmoid(), 1 - fake.sigmoid())]
    log_d(-fake) -> (1 - fake.sigmoid()).log()
    log_d(fake) -> fake.sigmoid().log()
    log_d(fake), log_d(-fake) -> [-(1 + s.exp()).log() for s in (-fake, fake)]
sigmoid, then clamped log: right for small scores, but PyTorch stops at −100 where sigmoid has rounded. There is a version that takes logits.
    log_d(fake), log_d(-fake) -> [x.log().clamp(min=-100) for x in (fake.sigmoid(), 1 - fake.sigmoid())]
infinity covered up: `nan_to_num` puts another number in the place of an infinite one, and the right one is lost: the loss is finite there. sigmoid rounds to 0 or 1 at scores of ±200. `F.softplus` or `F.logsigmoid` takes the score itself.
    log_d(fake), log_d(-fake) -> [x.log().float().nan_to_num(neginf={None|0.0}) for x in (fake.sigmoid(), 1 - fake.sigmoid())]
    return -> d = fake.sigmoid(); r, f = [x.log().mean().float().nan_to_num(neginf={None|0.0|-1.0|-100.0}) for x in (d, 1 - d)]; return
a small number in the log: the small number in the log keeps it finite, but wrong: the gradient is lost where the sample is judged with certainty. sigmoid rounds to 0 or 1 at scores of ±200. `F.softplus` or `F.logsigmoid` takes the score itself.
    log_d(fake), log_d(-fake) -> [(x + 1e-{8|2|3|4|5|6|7|9|10|12|15|20}).log() for x in (fake.sigmoid(), 1 - fake.sigmoid())]
probabilities clamped: the clamp keeps the log finite, but wrong, and no gradient passes it. sigmoid rounds to 0 or 1 at scores of ±200. `F.softplus` or `F.logsigmoid` takes the score itself.
    return -> m = 1e-{6|2|3|4|5|7}; d = fake.float().sigmoid().clamp(m, 1 - m); r, f = d.log(), (1 - d).log(); return
    log_d(fake), log_d(-fake) -> [x.clamp(1e-{2|3|4}).log() for x in (fake.sigmoid(), 1 - fake.sigmoid())]
scores clamped: the scores are clamped. That keeps the loss finite, but wrong, and no gradient passes the clamp. `F.softplus` and `F.logsigmoid` need none.
    r, f = -> c = {30|5|10|15|16|20|25|40|50|60|80|88|100|200|500}; fake = fake.clamp(-c, c); r, f =
    return -> c = {30|5|10|15|16|20|25|40|50|60|80|88|100}; d = fake.float().clamp(-c, c).sigmoid(); r, f = d.log(), (1 - d).log(); return
sigmoid twice: the sigmoid is applied twice: your function takes scores (logits) and gets probabilities.
    (fake) -> (fake.sigmoid()) ; (-fake) -> (-fake.sigmoid())
no sigmoid: NaN: a score may be any number, and a negative one has no logarithm. Which function turns it into a probability?
    log_d(fake), log_d(-fake) -> fake.log(), (1 - fake).log()
no log: the probabilities are averaged as they are. The formula takes their logarithms.
    log_d(fake), log_d(-fake) -> fake.sigmoid(), 1 - fake.sigmoid()
mean inside the log: the log of a mean. The formula averages logarithms: first the log of each, then the mean.
    log_d(fake), log_d(-fake) -> fake.sigmoid().mean().log(), (1 - fake.sigmoid()).mean().log()
a critic's: minus the mean score: that plays against a Wasserstein critic. Here sigmoid(score) is a probability.
    f.mean() if saturating else -r.mean() -> -fake.mean()
detached: right values, but the graph is cut: nothing reaches the generator, so it would never move.
    (fake) -> (fake.detach()) ; (-fake) -> (-fake.detach())
""",
)
