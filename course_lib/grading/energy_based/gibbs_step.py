"""Exercise 08, task 5a: a Gibbs step of a restricted Boltzmann machine."""

import math

import torch

from course_lib.grading import Task, grid
from course_lib.grading.fixtures import pixels, uniforms


def gibbs_step(v, weight, visible_bias, hidden_bias, uniform_h, uniform_v):
    p_h = (v @ weight + hidden_bias).sigmoid()
    h = (uniform_h < p_h).to(v.dtype)
    p_v = (h @ weight.T + visible_bias).sigmoid()
    return h, (uniform_v < p_v).to(v.dtype)


def truth(v, weight, visible_bias, hidden_bias, uniform_h, uniform_v):
    """Unit by unit, from the energies of the two states that it can be in."""

    def energy(v, h):
        return -(v @ weight @ h + v @ visible_bias + h @ hidden_bias).item()

    def drawn(n, draws, energy_of):
        rest, out = torch.zeros(n), torch.zeros(n)
        for i, u in enumerate(draws.tolist()):
            on = rest.clone()
            on[i] = 1
            out[i] = float(u < 1 / (1 + math.exp(energy_of(on) - energy_of(rest))))
        return out

    hs = torch.stack([drawn(len(hidden_bias), u, lambda h, one=one: energy(one, h)) for one, u in zip(v, uniform_h)])
    vs = torch.stack([drawn(len(visible_bias), u, lambda v, one=one: energy(v, one)) for one, u in zip(hs, uniform_v)])
    return hs, vs


def machine(visible, hidden, phase, size=1.2):
    """A weight matrix and the two biases."""
    return size * (grid(visible, hidden) * 5 + phase).sin(), (grid(visible) * 4 + phase).cos() - 0.4, 0.8 * (grid(hidden) * 3 - phase).sin()


def walkers(chains, visible, hidden, phase):
    weights = machine(visible, hidden, phase)
    return (
        pixels(chains, visible, step=1.7 + phase),
        *weights,
        uniforms(chains, hidden, phase=phase),
        uniforms(chains, visible, phase=0.37 + phase),
    )


GIBBS_STEP = Task(
    gibbs_step,
    truth,
    cases=[
        walkers(30, 5, 3, 0.3),
        walkers(20, 4, 4, 1.2),
        walkers(12, 3, 6, 0.8),
        walkers(1, 9, 7, 1.9),
        tuple(each.double() for each in walkers(10, 4, 5, 0.1)),
    ],
    results=("h", "the new v"),
    mistakes="""
hidden biases forgotten: the biases of the hidden units are missing.
    v @ weight + hidden_bias -> v @ weight
visible biases forgotten: the biases of the pixels are missing.
    h @ weight.T + visible_bias -> h @ weight.T
biases forgotten: both biases are missing.
    v @ weight + hidden_bias -> v @ weight ; h @ weight.T + visible_bias -> h @ weight.T
sign: the sign of the energy is lost, in both layers: a unit that is pulled up should be on.
    (v @ weight + hidden_bias).sigmoid() -> (-(v @ weight + hidden_bias)).sigmoid() ; (h @ weight.T + visible_bias).sigmoid() -> (-(h @ weight.T + visible_bias)).sigmoid()
sign of the hidden units: the hidden units have the wrong sign: one that is pulled up should be on.
    (v @ weight + hidden_bias).sigmoid() -> (-(v @ weight + hidden_bias)).sigmoid()
sign of the pixels: h is right, but the pixels have the wrong sign: one that is pulled up should be on.
    (h @ weight.T + visible_bias).sigmoid() -> (-(h @ weight.T + visible_bias)).sigmoid()
sign of the biases: the biases have the wrong sign.
    v @ weight + hidden_bias -> v @ weight - hidden_bias ; h @ weight.T + visible_bias -> h @ weight.T - visible_bias
on for off: on and off are exchanged in both layers: with probability p a uniform number lies **below** p.
    uniform_h < p_h -> uniform_h > p_h ; uniform_v < p_v -> uniform_v > p_v
on for off among the hidden: on and off are exchanged among the hidden units: with probability p a uniform number lies **below** p.
    uniform_h < p_h -> uniform_h > p_h
on for off among the pixels: h is right, but on and off are exchanged among the pixels: with probability p a uniform number lies **below** p.
    uniform_v < p_v -> uniform_v > p_v
probabilities for states: these are probabilities. A Gibbs step draws: each unit is 0 or 1.
    (uniform_h < p_h).to(v.dtype) -> p_h ; (uniform_v < p_v).to(v.dtype) -> p_v
probabilities of the hidden: the hidden units are passed on as probabilities. The pixels are drawn given **states**.
    (uniform_h < p_h).to(v.dtype) -> p_h
    p_v = (h @ -> p_v = (p_h @
    p_v = (h @ weight.T + visible_bias).sigmoid() -> p_v = (p_h @ weight.T + visible_bias).sigmoid() ; return h, -> return p_h,
probabilities of h returned: the pixels are right, but with them come probabilities of the hidden units. Their states are asked for.
    return h, -> return p_h,
probabilities of the pixels: h is right, but the pixels are probabilities. Each is 0 or 1.
    (uniform_v < p_v).to(v.dtype) -> p_v
rounded: units are on where the probability is above ½. They are on **with** that probability: compare it with the uniform number.
    uniform_h < p_h -> 0.5 < p_h ; uniform_v < p_v -> 0.5 < p_v
hidden ones rounded: hidden units are on where the probability is above ½. They are on **with** that probability: compare it with the uniform number.
    uniform_h < p_h -> 0.5 < p_h
pixels rounded: h is right, but pixels are on where the probability is above ½. They are on **with** that probability: compare it with the uniform number.
    uniform_v < p_v -> 0.5 < p_v
no sigmoid: what pulls at a unit is compared with the uniform number. A sigmoid makes a probability of it.
    (v @ weight + hidden_bias).sigmoid() -> (v @ weight + hidden_bias) ; (h @ weight.T + visible_bias).sigmoid() -> (h @ weight.T + visible_bias)
no sigmoid for the hidden: what pulls at a hidden unit is compared with the uniform number. A sigmoid makes a probability of it.
    (v @ weight + hidden_bias).sigmoid() -> (v @ weight + hidden_bias)
no sigmoid for the pixels: h is right, but what pulls at a pixel is compared with the uniform number. A sigmoid makes a probability of it.
    (h @ weight.T + visible_bias).sigmoid() -> (h @ weight.T + visible_bias)
softmax: the units of a layer share one probability, as classes do. Each has its own.
    (v @ weight + hidden_bias).sigmoid() -> (v @ weight + hidden_bias).softmax(1) ; (h @ weight.T + visible_bias).sigmoid() -> (h @ weight.T + visible_bias).softmax(1)
    (v @ weight + hidden_bias).sigmoid() -> (v @ weight + hidden_bias).softmax(1)
    (h @ weight.T + visible_bias).sigmoid() -> (h @ weight.T + visible_bias).softmax(1)
twice the pull: the pull is doubled. That is right for units of −1 and 1; these are 0 and 1.
    (v @ weight + hidden_bias).sigmoid() -> (2 * (v @ weight + hidden_bias)).sigmoid() ; (h @ weight.T + visible_bias).sigmoid() -> (2 * (h @ weight.T + visible_bias)).sigmoid()
−1 and 1: the units are −1 and 1. They are 0 and 1.
    (uniform_h < p_h).to(v.dtype) -> 2 * (uniform_h < p_h).to(v.dtype) - 1 ; (uniform_v < p_v).to(v.dtype) -> 2 * (uniform_v < p_v).to(v.dtype) - 1
one draw for all chains: all chains use the draws of the first one. Each has its own row.
    uniform_h < -> uniform_h[:1] < ; uniform_v < -> uniform_v[:1] <
old pixels returned: h is right, but the pixels come back as they were.
    return h, (uniform_v < p_v).to(v.dtype) -> return h, v
order: h and the new v are exchanged.
    return h, (uniform_v < p_v).to(v.dtype) -> return (uniform_v < p_v).to(v.dtype), h
""",
)
