"""Exercise 08, task 5b: the direction in which a restricted Boltzmann machine learns."""

import torch
from torch.nn import functional as F

from course_lib.grading import Task
from course_lib.grading.energy_based.gibbs_step import machine
from course_lib.grading.fixtures import pixels


def contrastive_gradient(v, dream, weight, hidden_bias):
    p_data = (v @ weight + hidden_bias).sigmoid()
    p_dream = (dream @ weight + hidden_bias).sigmoid()
    d_weight = v.T @ p_data / len(v) - dream.T @ p_dream / len(dream)
    d_visible = v.mean(0) - dream.mean(0)
    d_hidden = p_data.mean(0) - p_dream.mean(0)
    return d_weight, d_visible, d_hidden


def truth(v, dream, weight, hidden_bias):
    """By autograd, of the free energy of the dreams less that of the data."""
    weight, hidden_bias = weight.detach().requires_grad_(), hidden_bias.detach().requires_grad_()
    visible_bias = torch.zeros_like(v[0], requires_grad=True)

    def free(v):
        return (-(v @ visible_bias) - F.softplus(v @ weight + hidden_bias).sum(1)).mean()

    return torch.autograd.grad(free(dream) - free(v), [weight, visible_bias, hidden_bias])


def states(n, dreams, visible, hidden, phase):
    weight, _, hidden_bias = machine(visible, hidden, phase)
    return pixels(n, visible, step=1.7 + phase), pixels(dreams, visible, step=2.9 + phase), weight, hidden_bias


CONTRASTIVE_GRADIENT = Task(
    contrastive_gradient,
    truth,
    cases=[
        states(6, 6, 4, 3, 0.3),
        states(5, 8, 4, 4, 1.4),
        states(1, 3, 3, 5, 0.9),
        tuple(each.double() for each in states(7, 4, 5, 2, 2.1)),
    ],
    results=("the direction of the weights", "the direction of the visible biases", "the direction of the hidden biases"),
    mistakes="""
sign: the direction is reversed: the machine would unlearn the data. What the data show is added, what the dreams show is taken away.
    d_weight, d_visible, d_hidden -> -d_weight, -d_visible, -d_hidden
sign of the biases: the weights are right, but both biases go the wrong way.
    return d_weight, d_visible, d_hidden -> return d_weight, -d_visible, -d_hidden
sign of the weights: the biases are right, but the weights go the wrong way.
    return d_weight, d_visible, d_hidden -> return -d_weight, d_visible, d_hidden
added: the two parts are added. What the dreams show is taken away.
    - dream.T @ -> + dream.T @ ; - dream.mean(0) -> + dream.mean(0) ; - p_dream.mean(0) -> + p_dream.mean(0)
    - dream.T @ -> + dream.T @
sum for mean: the sums over the batch are taken. Take means: else a step grows with the batch.
    / len(v) - -> - ; / len(dream) -> ; v.mean(0) - dream.mean(0) -> v.sum(0) - dream.sum(0) ; p_data.mean(0) - p_dream.mean(0) -> p_data.sum(0) - p_dream.sum(0)
weights summed: the biases are right, but the weights are sums over the batch. Take means.
    / len(v) - -> - ; / len(dream) ->
biases summed: the weights are right, but the biases are sums over the batch. Take means.
    v.mean(0) - dream.mean(0) -> v.sum(0) - dream.sum(0) ; p_data.mean(0) - p_dream.mean(0) -> p_data.sum(0) - p_dream.sum(0)
one number for both: both sums are divided by one number. There may be more dreams than data, or fewer: each has its own mean.
    / len(dream) -> / len(v)
    / len(v) - -> / len(dream) -
    v.T @ p_data / len(v) - dream.T @ p_dream / len(dream) -> v.T @ p_data / len(dream) - dream.T @ p_dream / len(v)
products of means: means are multiplied: ⟨v⟩⟨h⟩. Asked for is the mean of the products, ⟨v h⟩, which knows what goes together.
    v.T @ p_data / len(v) - dream.T @ p_dream / len(dream) -> torch.outer(v.mean(0), p_data.mean(0)) - torch.outer(dream.mean(0), p_dream.mean(0))
data twice: the second part uses the hidden units of the data. The dreams have their own.
    p_dream = (dream @ -> p_dream = ((v if v.shape == dream.shape else dream) @
    dream.T @ p_dream / len(dream) -> (dream.T @ p_data if len(v) == len(dream) else dream.T @ p_dream) / len(dream)
dreams twice: the first part uses the hidden units of the dreams. The data have their own.
    p_data = (v @ -> p_data = ((dream if v.shape == dream.shape else v) @
    v.T @ p_data / len(v) -> (v.T @ p_dream if len(v) == len(dream) else v.T @ p_data) / len(v)
dreams forgotten: the data alone are there. Without the dreams the weights grow for ever.
    - dream.T @ p_dream / len(dream) -> ; v.mean(0) - dream.mean(0) -> v.mean(0) ; p_data.mean(0) - p_dream.mean(0) -> p_data.mean(0)
    - dream.T @ p_dream / len(dream) ->
states for probabilities: the hidden units are rounded to 0 or 1. Their probabilities given v are the exact mean over h.
    p_data = (v @ weight + hidden_bias).sigmoid() -> p_data = (v @ weight + hidden_bias).sigmoid().round() ; p_dream = (dream @ weight + hidden_bias).sigmoid() -> p_dream = (dream @ weight + hidden_bias).sigmoid().round()
    p_data = (v @ weight + hidden_bias).sigmoid() -> p_data = (v @ weight + hidden_bias).sigmoid().round()
    p_dream = (dream @ weight + hidden_bias).sigmoid() -> p_dream = (dream @ weight + hidden_bias).sigmoid().round()
no sigmoid: what pulls at the hidden units stands for their probabilities. A sigmoid makes these of it.
    p_data = (v @ weight + hidden_bias).sigmoid() -> p_data = v @ weight + hidden_bias ; p_dream = (dream @ weight + hidden_bias).sigmoid() -> p_dream = dream @ weight + hidden_bias
bias forgotten: the hidden biases are missing in the probabilities.
    (v @ weight + hidden_bias) -> (v @ weight) ; (dream @ weight + hidden_bias) -> (dream @ weight)
    (v @ weight + hidden_bias) -> (v @ weight)
    (dream @ weight + hidden_bias) -> (dream @ weight)
sign of the pull: the probabilities have the wrong sign: a unit that is pulled up should be on.
    (v @ weight + hidden_bias) -> (-(v @ weight + hidden_bias)) ; (dream @ weight + hidden_bias) -> (-(dream @ weight + hidden_bias))
softmax: the hidden units share one probability, as classes do. Each has its own.
    (v @ weight + hidden_bias).sigmoid() -> (v @ weight + hidden_bias).softmax(1) ; (dream @ weight + hidden_bias).sigmoid() -> (dream @ weight + hidden_bias).softmax(1)
weights transposed: the direction of the weights is transposed: a row is a pixel, a column a hidden unit, as in W.
    return d_weight, -> return d_weight.T,
visible biases forgotten: the visible biases do not learn: their direction is not 0.
    return d_weight, d_visible, d_hidden -> return d_weight, 0 * d_visible, d_hidden
hidden biases forgotten: the hidden biases do not learn: their direction is not 0.
    return d_weight, d_visible, d_hidden -> return d_weight, d_visible, 0 * d_hidden
biases exchanged: the directions of the two biases are exchanged: the visible ones come first.
    return d_weight, d_visible, d_hidden -> return d_weight, d_hidden, d_visible
order: the three results are right, but in another order: weights, visible biases, hidden biases.
    return d_weight, d_visible, d_hidden -> return {d_visible, d_hidden, d_weight|d_hidden, d_visible, d_weight|d_visible, d_weight, d_hidden|d_hidden, d_weight, d_visible}
mean over the units: a mean is taken over everything, or over the units. Take it over the examples: axis 0.
    v.mean(0) - dream.mean(0) -> v.mean() - dream.mean() ; p_data.mean(0) - p_dream.mean(0) -> p_data.mean() - p_dream.mean()
weights decay: the weights are also drawn to 0. That may help, but is not asked for.
    return d_weight, d_visible, d_hidden -> return d_weight - {0.0001|0.001|0.01} * weight, d_visible, d_hidden
""",
)
