"""Exercise 03, task 2a: the best discriminator between two known densities."""

import numpy as np
import torch

from course_lib.grading import Task, grid


def optimal_discriminator(log_data, log_model):
    score = log_data - log_model
    return torch.sigmoid(score)


def truth(log_data, log_model):
    return torch.from_numpy(np.exp(log_data.numpy() - np.logaddexp(log_data.numpy(), log_model.numpy())))


OPTIMAL = Task(
    optimal_discriminator,
    truth,
    cases=[
        (grid(6), grid(6).flip(0) - 1),
        (torch.tensor([-1000.0, -1001.0, -3.0, -800.0, -996.0]), torch.tensor([-1002.0, -1000.5, -800.0, -2.0, -1003.0])),
        (grid(2, 3).cos(), grid(2, 3) / 2),
    ],
    tolerance=1e-4,  # float32 has rounded log densities near −1000 to 6e-5
    mistakes="""
reversed: 1 minus the right value: this is the probability of a fake.
    log_data - log_model -> log_model - log_data
the ratio: the ratio p / q, which may be above 1. D is a probability: what belongs in the denominator?
    torch.sigmoid(score) -> score.exp()
    torch.sigmoid(score) -> log_data.exp() / log_model.exp()
underflow: right for moderate densities, NaN at log densities near −1000: exp underflows, and 0 / 0 is NaN. Divide top and bottom by p, and only the difference of the logarithms is left.
    torch.sigmoid(score) -> log_data.exp() / (log_data.exp() + log_model.exp())
0 / 0 covered up: a small number, or something in place of NaN, hides a 0 / 0: where both densities are tiny D would be the same everywhere, whatever their ratio. Only the difference of the logarithms counts.
    torch.sigmoid(score) -> log_data.exp() / (log_data.exp() + log_model.exp() + 1e-{8|5|6|7|9|10|12|15|20|30})
    return torch.sigmoid(score) -> c = 1e-{5|6|7|8|9|10|12|15|20|30}; p = log_data.exp() + c; return p / (p + log_model.exp(){| + c})
    torch.sigmoid(score) -> (log_data.exp() / (log_data.exp() + log_model.exp())).nan_to_num({0|0.5|1})
log of the sum: right for moderate densities, infinite or NaN near −1000: exp underflows in the sum, and the logarithm of 0 is −∞. `torch.logaddexp` adds densities without leaving their logarithms.
    torch.sigmoid(score) -> (log_data - (log_data.exp() + log_model.exp()).log()).exp()
overflow: NaN where p is much larger than q: exp of the difference overflows, and ∞ / ∞ is NaN. Which function of torch has this form, and is safe on both sides?
    torch.sigmoid(score) -> score.exp() / (score.exp() + 1)
logs for densities: the logarithms stand where the densities belong. What undoes a log?
    torch.sigmoid(score) -> log_data / (log_data + log_model)
the score: this is the best score, log p − log q. Which function makes a probability of it?
    torch.sigmoid(score) -> score
sum of logs: log p + log q is the log of a product. A high q speaks against real data.
    log_data - log_model -> log_data + log_model
sigmoid of a ratio: a sigmoid is taken of a ratio. It wants a score, which is 0 where p = q, and negative where q is larger.
    log_data - log_model -> (log_data - log_model).exp()
    log_data - log_model -> log_data.exp() / log_model.exp()
    log_data - log_model -> log_data / log_model
the data alone: q has no effect. How likely a point is under the data says nothing before it is compared with the generator.
    torch.sigmoid(score) -> log_data.exp()
    log_data - log_model -> log_data
product for sum: the denominator is a product: log p + log q is the log of p · q. In D* the densities are added.
    torch.sigmoid(score) -> (log_data - (log_data + log_model)).exp()
    torch.sigmoid(score) -> log_data.exp() / (log_data + log_model).exp()
    torch.sigmoid(score) -> log_data.exp() / (log_data.exp() * log_model.exp())
difference of densities: the difference of the densities is put through a sigmoid. Two tiny densities would look the same, whatever their ratio.
    log_data - log_model -> log_data.exp() - log_model.exp()
log D: this is log D. D itself is asked for.
    torch.sigmoid(score) -> F.logsigmoid(score)
yes or no: 0 or 1: the better guess. D is a probability, and ½ where the densities are equal.
    torch.sigmoid(score) -> (score > 0).to(score)
compared with the mean: twice too large: p is divided by the mean of the two densities. It is their sum.
    return -> return 2 *
normalised over the points: the values add up to 1 over the points. Each point is judged by itself: data or model?
    torch.sigmoid(score) -> score.flatten().softmax(0).reshape(score.shape)
    torch.sigmoid(score) -> score.softmax({0|-1})
one number: one number for all points. Each point has a probability of its own.
    torch.sigmoid(score) -> torch.sigmoid(score).mean()
""",
)
