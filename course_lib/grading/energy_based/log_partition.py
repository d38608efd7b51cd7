"""Exercise 08, task 1: the log partition function of a small Boltzmann machine."""

import itertools

import torch

from course_lib.grading import Task, grid


def log_partition(couplings, bias, temperature):
    units = len(bias)
    s = torch.tensor(list(itertools.product([0.0, 1.0], repeat=units))).to(bias)
    pairs = 0.5 * ((s @ couplings) * s).sum(1)
    energy = -pairs - s @ bias
    return (-energy / temperature).logsumexp(0)


def truth(couplings, bias, temperature):
    """Unit by unit: the first one is off, or it is on and pulls at the others."""
    if not len(bias):
        return torch.zeros(())
    off = truth(couplings[1:, 1:], bias[1:], temperature)
    on = bias[0] / temperature + truth(couplings[1:, 1:], bias[1:] + couplings[0, 1:], temperature)
    return torch.logaddexp(off, on)


def coupled(units, phase, size=1.0):
    """Couplings, symmetric with zeros on the diagonal, and biases."""
    above = size * (grid(units, units) * 5 + phase).sin().triu(1)
    return above + above.T, (grid(units) * 2 + phase).cos()


LOG_PARTITION = Task(
    log_partition,
    truth,
    cases=[
        (*coupled(4, 0.3), 1.0),
        (*coupled(6, 1.9), 2.5),
        (*coupled(3, 0.8, 2.0), 0.4),
        (*coupled(1, 0.4), 0.7),
        (coupled(3, 1.1)[0] + 300 * (1 - torch.eye(3)), torch.tensor([400.0, -20.0, 30.0]), 0.5),
        (*(each.double() for each in coupled(5, 2.7)), 1.6),
    ],
    gradient=("bias",),
    strict=True,
    mistakes="""
temperature forgotten: right for a temperature of 1. Where does it stand in the formula?
    -energy / temperature -> -energy
temperature multiplied: the energies are multiplied by the temperature. A high one should make all states more alike.
    -energy / temperature -> -energy * temperature
temperature outside: the temperature divides log Z. It divides each energy, before exp.
    (-energy / temperature).logsumexp(0) -> (-energy).logsumexp(0) / temperature
temperature for the couplings alone: only the couplings are divided by the temperature. It divides the whole energy.
    -energy / temperature -> pairs / temperature + s @ bias
temperature for the biases alone: only the biases are divided by the temperature. It divides the whole energy.
    -energy / temperature -> pairs + s @ bias / temperature
root of the temperature: the energies are divided by the root of the temperature. Which power is it?
    -energy / temperature -> -energy / temperature**0.5
pairs counted twice: each pair counts twice: sᵀWs meets it as (i, j) and as (j, i).
    0.5 * ((s @ couplings) * s).sum(1) -> ((s @ couplings) * s).sum(1)
pairs halved twice: each pair counts half. Are there two halves?
    0.5 * ((s -> 0.25 * ((s
    0.5 * ((s @ couplings) * s).sum(1) -> 0.5 * ((s @ couplings.triu()) * s).sum(1)
all halved: the biases are halved, too. Only pairs are met twice.
    - s @ bias -> - 0.5 * s @ bias
sign: the sign of the energy is lost: a state with a high energy should be rare.
    (-energy / -> (energy /
sign of the couplings: the biases are right, but the couplings pull the wrong way. Both have a minus in the energy.
    energy = -pairs -> energy = pairs
sign of the biases: the couplings are right, but the biases push the wrong way. Both have a minus in the energy.
    - s @ bias -> + s @ bias
biases forgotten: the biases are missing.
    -pairs - s @ bias -> -pairs + 0 * s @ bias
    -pairs - s @ bias -> -pairs
couplings forgotten: the couplings are missing: each unit is on its own.
    -pairs - s @ bias -> -(s @ bias)
neighbours alone: only units that follow each other are coupled. Each pair i < j counts.
    0.5 * ((s @ couplings) * s).sum(1) -> (s[:, :-1] * s[:, 1:]) @ couplings.diagonal(1)
mean for sum: this is the log of a mean over all states. Z is their sum.
    .logsumexp(0) -> .logsumexp(0) - units * torch.tensor(2.0).log()
    .logsumexp(0) -> .exp().mean().log()
mean of the energies: the exponents are averaged or added, without exp. Z adds up exp(−E / T), and then comes the log.
    .logsumexp(0) -> .{mean|sum}(0)
exp overflows: right for small energies, but exp of a large number is ∞. What does `torch.logsumexp` do about it?
    .logsumexp(0) -> .exp().sum().log()
no log: this is Z. Its logarithm is asked for.
    .logsumexp(0) -> .exp().sum()
minus log Z: this is −log Z. It has no minus in front.
    (-energy / temperature).logsumexp(0) -> -(-energy / temperature).logsumexp(0)
free energy: this is the free energy −T log Z. log Z alone is asked for.
    (-energy / temperature).logsumexp(0) -> -temperature * (-energy / temperature).logsumexp(0)
times the temperature: log Z is multiplied by the temperature.
    (-energy / temperature).logsumexp(0) -> temperature * (-energy / temperature).logsumexp(0)
−1 and 1: the units are −1 or 1 here. They are 0 or 1.
    [0.0, 1.0] -> [-1.0, 1.0]
the likeliest alone: this is the largest of the exponents. All states count.
    .logsumexp(0) -> .amax(0)
all off is missing: the state in which all units are off is missing. Its energy is 0, and e⁰ = 1 counts.
    (-energy / temperature).logsumexp(0) -> (-energy / temperature)[1:].logsumexp(0)
all on is missing: the state in which all units are on is missing. There are 2ⁿ states.
    (-energy / temperature).logsumexp(0) -> (-energy / temperature)[:-1].logsumexp(0)
one unit alone: only states with a single unit on are added up. There are 2ⁿ states.
    s = torch.tensor(list(itertools.product([0.0, 1.0], repeat=units))).to(bias) -> s = torch.eye(units).to(bias)
one unit or none: only states with a single unit on, or none, are added up. There are 2ⁿ states.
    s = torch.tensor(list(itertools.product([0.0, 1.0], repeat=units))).to(bias) -> s = torch.eye(units + 1)[:, 1:].to(bias)
""",
)
