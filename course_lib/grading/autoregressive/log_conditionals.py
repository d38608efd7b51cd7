"""Exercise 05, task 1a: the factors of the chain rule, from a table."""

import torch

from course_lib.grading import Task
from course_lib.grading.fixtures import binary_rows, joint_table


def log_conditionals(joint, x):
    D = joint.ndim
    out = torch.zeros(x.shape)
    for b, row in enumerate(x.tolist()):
        for i in range(D):
            others = range(i)
            below = joint[tuple(row[j] if j in others else slice(None) for j in range(D))].sum()
            above = joint[tuple(row[j] if j in others or j == i else slice(None) for j in range(D))].sum()
            out[b, i] = (above / below).log()
    return out


CONDITIONALS = Task(
    log_conditionals,
    cases=[
        (joint_table(n, phase), binary_rows(b, n, step))
        for n, phase, b, step in ((3, 0.4, 5, 3), (4, 1.3, 6, 5), (2, 0.1, 3, 1), (3, -0.5, 1, 1))
    ],
    any_float=True,
    mistakes="""
marginals: each variable is taken by itself: this is log p(xᵢ). What came before it is known, and changes its probability.
    range(i) -> []
not divided: this is the probability of the first i variables together. By what is it divided to become that of xᵢ, given the others?
    above / below -> {above|joint[tuple(row)]}
divided by the wrong one: this is p(x₍<i₎ | xᵢ), the other way round: the joint probability is divided by that of what is known.
    above / below -> above / joint.movedim(i, 0)[row[i]].sum()
given all others: xᵢ is conditioned on all the others. The chain rule lets it see those before it; those after it are not drawn yet.
    range(i) -> [j for j in range(D) if j != i]
given those after: xᵢ is conditioned on the variables after it. That is a chain rule too, from the last to the first: start with x₁.
    range(i) -> range(i + 1, D)
given the last one alone: right for two variables: only the one just before is known. All those before count; sum out none of them.
    range(i) -> [i - 1]
divided by the one before: right for two variables: the joint probability is divided by that of xᵢ₋₁ alone. Divide by that of all before xᵢ together.
    above / below -> above / (joint.movedim(i - 1, 0)[row[i - 1]].sum() if i else 1)
divided too early: the denominator lacks xᵢ₋₁: this is the probability of xᵢ₋₁ and xᵢ together, given those before.
    j in others else -> j < i - 1 else
a list as index: rows of the table are picked where one entry is meant: a list or a tensor as index picks along the first axis. A tuple has one index for each axis.
    above / below -> joint[row[: i + 1]].sum(){ / joint[row[:i]].sum()|}
logarithms divided: logarithms are divided. The logarithm of a quotient is a difference.
    (above / below).log() -> above.log() / {(below.log() if i else 1)|below.log()}
axes reversed: the table is read the wrong way round: x₁ is its first axis.
    D = joint.ndim -> D = joint.ndim; joint = joint.permute(*range(D)[::-1])
probability of a one: this is the probability of xᵢ = 1 whatever the row holds. Where it holds a 0, that of the 0 is asked for.
    j in others or j == i else -> j in others else 1 if j == i else
probability of a zero: this is the probability of xᵢ = 0 whatever the row holds. Look up the value that it holds.
    j in others or j == i else -> j in others else 0 if j == i else
other value: this is the probability of the other value: 0 and 1 are exchanged.
    above / below -> 1 - above / below
logs summed out: logarithms are added where a variable is summed out. Probabilities add up; take the logarithm after that.
    (above / below).log() -> joint.log()[tuple(row[: i + 1])].sum() - joint.log()[tuple(row[:i])].sum()
averaged out: every factor is twice too large: a variable is averaged out. It is summed out.
    above / below -> 2 * above / below
probabilities: these are the probabilities. Their logarithms are asked for.
    (above / below).log() -> above / below
negative: minus the right values: those are costs. Logarithms of probabilities are below 0.
    above / below -> below / above
bits: right in bits. Nats are asked for: the natural logarithm.
    .log() -> .{log2|log10}()
first factor left out: a column is missing: x₁ has a factor too, with nothing before it.
    {return out -> return out[:, 1:]|i in range(D) -> i in range(1, D)}
added up: this is log p(x), one number for a row. Here each factor is asked for by itself.
    return out -> return out.sum({1|1, keepdim=True})
""",
)
