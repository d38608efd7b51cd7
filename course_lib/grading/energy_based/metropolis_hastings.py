"""Exercise 08, task 2: a step of Metropolis and Hastings."""

from decimal import Decimal

import torch

from course_lib.grading import Task, grid
from course_lib.grading.fixtures import cliff, deep_bowl, even, flat_plain, knowing_the_cliff, leaning, steep_bowl, uniforms, wavy_bowl


def metropolis_hastings(x, y, energy, log_q, uniform):
    log_ratio = energy(x) - energy(y) + log_q(x, y) - log_q(y, x)
    moved = uniform.log() < log_ratio
    return torch.where(moved[:, None], y, x), moved


def by_probability(x, y, energy, log_q, uniform):
    log_ratio = (energy(x) - energy(y)) + (log_q(x, y) - log_q(y, x))
    accept = log_ratio.exp().clamp(max=1)
    moved = uniform < accept
    return torch.where(moved[:, None], y, x), moved


def truth(x, y, energy, log_q, uniform):
    """Chain by chain, in probabilities, with numbers that neither overflow nor vanish."""

    def p(value):
        return Decimal(float(value)).exp()

    moved = []
    for here, there, u in zip(x[:, None], y[:, None], uniform):
        coming_back = p(-energy(there)) * p(log_q(here, there))
        going = p(-energy(here)) * p(log_q(there, here))
        moved.append(Decimal(float(u)) < min(Decimal(1), coming_back / going))
    return torch.stack([there if m else here for here, there, m in zip(x, y, moved)]), torch.tensor(moved)


def walkers(chains, dims, phase):
    """Where chains are, where they may go, and a draw for each."""
    x = 2 * (grid(chains, dims) * 31 + phase).sin()
    return x, x + 1.3 * (grid(chains, dims) * 47 + 2 * phase).cos(), uniforms(chains, phase=phase)


def case(chains, dims, phase, energy, log_q):
    x, y, uniform = walkers(chains, dims, phase)
    return x, y, energy, log_q, uniform


METROPOLIS_HASTINGS = Task(
    metropolis_hastings,
    truth,
    cases=[
        case(40, 2, 0.3, wavy_bowl, leaning),
        case(40, 1, 1.2, wavy_bowl, even),
        case(30, 3, 0.7, steep_bowl, leaning),
        case(30, 2, 1.7, deep_bowl, even),
        case(40, 2, 2.2, flat_plain, leaning),
        case(40, 2, 1.4, cliff, knowing_the_cliff),
        case(1, 3, 0.1, wavy_bowl, leaning),
        tuple(each.double() if torch.is_tensor(each) else each for each in case(20, 2, 0.9, wavy_bowl, leaning)),
    ],
    results=("the next x", "moved"),
    ways=[
        by_probability,
        "log_ratio = energy(x) - energy(y) + log_q(x, y) - log_q(y, x) -> log_ratio = (-energy(y) + log_q(x, y)) - (-energy(x) + log_q(y, x))",
    ],
    mistakes="""
ratio inverted: the whole ratio is upside down: places that are less likely are preferred. Which of x and y stands above?
    log_ratio = energy(x) - energy(y) + log_q(x, y) - log_q(y, x) -> log_ratio = energy(y) - energy(x) + log_q(y, x) - log_q(x, y)
energies exchanged: the proposals are right, but the energies are exchanged: the chain climbs. A lower energy is a higher p.
    energy(x) - energy(y) -> energy(y) - energy(x)
proposal forgotten: right where there and back are equally likely. Where the proposal leans, its ratio belongs to it.
    + log_q(x, y) - log_q(y, x) ->
    + (log_q(x, y) - log_q(y, x)) ->
proposal inverted: the ratio of the proposals is upside down: what counts for a move is that the way **back** is likely.
    + log_q(x, y) - log_q(y, x) -> + log_q(y, x) - log_q(x, y)
way back alone: only the way back counts. It is compared with the way there.
    + log_q(x, y) - log_q(y, x) -> + log_q(x, y)
way there alone: only the way there counts. The way back is compared with it.
    + log_q(x, y) - log_q(y, x) -> - log_q(y, x)
energies forgotten: the energies are missing: the chain goes wherever the proposal likes to go back from.
    log_ratio = energy(x) - energy(y) + -> log_ratio =
q for log q: log q is used as if it were q, or a ratio of logarithms is taken. Differences of logarithms are ratios.
    + log_q(x, y) - log_q(y, x) -> + log_q(x, y).exp() - log_q(y, x).exp()
    + log_q(x, y) - log_q(y, x) -> + log_q(x, y) / log_q(y, x)
ratio of energies: a ratio of energies is taken. That of the densities is exp(E(x) − E(y)).
    energy(x) - energy(y) + -> (energy(x) / energy(y)).log() +
    energy(x) - energy(y) + -> energy(x) / energy(y) +
    energy(x) - energy(y) + -> (energy(y) / energy(x)).log() +
no exp: a uniform number is compared with a **log** ratio. Take the log of the one, or exp of the other.
    uniform.log() < log_ratio -> uniform < log_ratio{|.clamp(max=0)}
log against ratio: the log of the uniform number, which is below 0, is compared with a ratio, which is above: every move is taken.
    uniform.log() < log_ratio -> uniform.log() < log_ratio.exp()
    uniform.log() < log_ratio -> torch.ones_like(uniform, dtype=torch.bool)
    .clamp(max=1) -> .clamp(min=1)
taken for refused: true and false are exchanged: a move is taken where the uniform number lies **below** the ratio.
    uniform.log() < log_ratio -> uniform.log() > log_ratio
uphill alone: a move is taken only where the ratio is above 1, as in a search for the best place. Sometimes a worse place has to be taken, too.
    uniform.log() < log_ratio -> 0 < log_ratio
a fair coin: the ratio is compared with ½. Compare it with the uniform number.
    uniform.log() < log_ratio -> -0.6931472 < log_ratio
another rule: this is Barker's rule, ratio / (1 + ratio). It has the right target too, but stays more often: Metropolis takes min(1, ratio).
    uniform.log() < log_ratio -> uniform < log_ratio.sigmoid()
1 − uniform: the uniform number is turned round. Any such draw would do, but the check hands you one: use it as it is.
    uniform.log() < log_ratio -> (1 - uniform).log() < log_ratio
one decision for all: all chains decide together. Each has its own ratio and its own uniform number.
    uniform.log() < log_ratio -> uniform.log() < log_ratio.{mean()|sum()}
    uniform.log() < log_ratio -> (uniform[:1].log() < log_ratio[:1]).expand(len(x))
one draw for all: each chain has its own ratio, but all use one uniform number. Each has its own.
    uniform.log() < log_ratio -> uniform{[0]|.mean()}.log() < log_ratio
exp overflows: right for small energies, but exp of a large number is 0 or ∞, and 0 · ∞ is no number. Add and subtract all four before exp.
    uniform.log() < log_ratio -> uniform < (-energy(y)).exp() * log_q(x, y).exp() / ((-energy(x)).exp() * log_q(y, x).exp())
    uniform.log() < log_ratio -> uniform < (-energy(y)).exp() / (-energy(x)).exp() * (log_q(x, y) - log_q(y, x)).exp()
    uniform.log() < log_ratio -> uniform < (energy(x) - energy(y)).exp() * (log_q(x, y) - log_q(y, x)).exp()
    uniform.log() < log_ratio -> uniform < (energy(x) - energy(y)).exp() * log_q(x, y).exp() / log_q(y, x).exp()
always there: `moved` is right, but all chains go. One that is refused stays where it is.
    torch.where(moved[:, None], y, x), moved -> y, moved
never there: `moved` is right, but no chain goes.
    torch.where(moved[:, None], y, x), moved -> x, moved
stay for go: `moved` is right, but the chains that should go stay, and those that should stay go.
    torch.where(moved[:, None], y, x), moved -> torch.where(moved[:, None], x, y), moved
refused ones dropped: chains that are refused are gone. A chain that stays counts again: without that the target is another one.
    torch.where(moved[:, None], y, x), moved -> y[moved], moved
refused ones at 0: chains that are refused are put to 0. They stay where they are.
    torch.where(moved[:, None], y, x), moved -> y * moved[:, None], moved
refused returned: the next x is right, but with it comes who stayed. Who moved is asked for.
    y, x), moved -> y, x), ~moved
order: the next x and who moved are exchanged.
    return torch.where(moved[:, None], y, x), moved -> return moved, torch.where(moved[:, None], y, x)
""",
)
