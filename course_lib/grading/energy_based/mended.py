"""Exercise 08, task 6: a sampler whose acceptance looks fine and whose target is wrong, mended."""

import math

import torch

from course_lib.grading import Task
from course_lib.grading.fixtures import gamma_energy, normals, two_humps, uniforms


def mended(x, energy, width, noise, uniform):
    path, e = [], energy(x)
    for eps, u in zip(noise, uniform):
        y = x * torch.exp(width * eps)
        e_y = energy(y)
        log_ratio = e - e_y + y.log() - x.log()
        moved = u.log() < log_ratio
        x = torch.where(moved, y, x)
        e = torch.where(moved, e_y, e)
        path.append(x)
    return torch.cat(path)


def truth(x, energy, width, noise, uniform):
    """Chain by chain, with densities: the proposal is log-normal."""
    starts, chains = x.tolist(), []
    for c, here in enumerate(starts):
        places = []
        for eps, u in zip(noise[:, c].tolist(), uniform[:, c].tolist()):
            there = here * math.exp(width * eps)
            p_here, p_there = (-energy(torch.tensor([place]))[0].item() for place in (here, there))
            q_there, q_here = (-((math.log(to / of) / width) ** 2) / 2 - math.log(to) for to, of in ((there, here), (here, there)))
            if u < min(1.0, math.exp(min(0.0, p_there + q_here - p_here - q_there))):
                here = there
            places.append(here)
        chains.append(torch.tensor(places))
    return torch.stack(chains, 1).flatten()


def run(steps, chains, phase):
    """Starts above 0, and the draws of a run: noise and uniform, (steps, chains)."""
    return uniforms(chains, phase=phase) * 4 + 0.3, normals(steps, chains, phase=phase), uniforms(steps, chains, phase=phase + 0.41)


def case(steps, chains, phase, energy, width):
    x, noise, uniform = run(steps, chains, phase)
    return x, energy, width, noise, uniform


# what the three bugs are in the right answer
RATIO, STALE, DROPPED = (
    "e - e_y + y.log() - x.log() -> e - e_y",
    "e = torch.where(moved, e_y, e) -> e = e_y",
    "path.append(x) -> path.append(x[moved])",
)
MENDED = Task(
    mended,
    truth,
    cases=[
        case(12, 6, 0.2, gamma_energy, 0.9),
        case(15, 5, 0.7, two_humps, 1.2),
        case(9, 1, 0.5, gamma_energy, 1.5),
        tuple(each.double() if torch.is_tensor(each) else each for each in case(10, 4, 0.9, two_humps, 0.7)),
    ],
    tolerance=1e-4,
    ways=["path.append(x) -> path = path + [x]"],
    mistakes=f"""
as it was given: nothing is mended yet: three lines are not what their remarks say. Take a single one of them at a time.
    {RATIO} ; {STALE} ; {DROPPED}
ratio and stale energy: two bugs are left: in the line of the ratio, and in that which keeps the energy. What is recorded is right.
    {RATIO} ; {STALE}
ratio and record: two bugs are left: in the line of the ratio, and in what is recorded. The energy that is kept is right.
    {RATIO} ; {DROPPED}
stale energy and record: two bugs are left: in the line that keeps the energy, and in what is recorded. The ratio is right.
    {STALE} ; {DROPPED}
ratio: one bug is left: a factor leads up from small numbers in larger steps than from large ones down. So the way there and the way back are not equally likely.
    {RATIO}
stale energy: one bug is left, a small one: a chain that stays keeps its place. Which energy does it keep?
    {STALE}
refused ones not recorded: one bug is left: a place where a chain stays counts once more, each time.
    {DROPPED}
ratio inverted: the ratio of the proposals is upside down. q(y | x) of a factor has a 1 / y in it, q(x | y) a 1 / x.
    + y.log() - x.log() -> + x.log() - y.log(){{| ; {STALE}| ; {DROPPED}| ; {STALE} ; {DROPPED}}}
half of the ratio: only one of the two proposals is there. Both ways are compared.
    + y.log() - x.log() -> {{+ y.log()|- x.log()}}
no log of the ratio: y / x is added to a log ratio. Which function makes a sum of a product?
    + y.log() - x.log() -> {{+ y / x|+ y - x}}
ratio with a square: the ratio of the proposals counts twice. Each density has one 1 / y in it.
    + y.log() - x.log() -> + 2 * (y.log() - x.log())
another width: the ratio of the proposals is multiplied or divided by the width. The normal density cancels, and 1 / y has no width in it.
    + y.log() - x.log() -> + {{width * (y.log() - x.log())|(y.log() - x.log()) / width|width**2 * (y.log() - x.log())}}
proposals recorded: the proposals are recorded. Recorded is where a chain **is**, after each step.
    path.append(x) -> path.append(y)
places before the step: where the chains were **before** the step is recorded: the start once, and the last place never.
    path.append(x) -> path.append(before) ; y = x * torch.exp(width * eps) -> before = x; y = x * torch.exp(width * eps)
chains one after the other: the numbers are right, but in another order: all places of the first chain, then those of the second. After each step come all chains.
    return torch.cat(path) -> return torch.stack(path, 1).flatten()
as a table: the numbers are right, but not joined: one row after the other, (steps · chains,), is asked for.
    return torch.cat(path) -> return torch.stack(path)
energy never kept: the energy of the start is compared, in all steps. What is kept changes when a chain moves.
    e = torch.where(moved, e_y, e) -> pass
energies exchanged: the energy is kept the wrong way round: one that moves keeps the old, one that stays gets the new.
    torch.where(moved, e_y, e) -> torch.where(moved, e, e_y)
one decision for all: the chains no longer decide one by one.
    x = torch.where(moved, y, x) -> moved = moved[:1].expand(len(x)); x = torch.where(moved, y, x)
    torch.where(moved, e_y, e) -> e_y if moved.all() else e
walk of sums: the walk now adds, and leaves the numbers above 0. The line of the proposal was right.
    x * torch.exp(width * eps) -> x + width * eps
    y = x * torch.exp(width * eps) -> y = x + width * eps ; e - e_y + y.log() - x.log() -> e - e_y
    y = x * torch.exp(width * eps) -> y = (x + width * eps).abs() ; e - e_y + y.log() - x.log() -> e - e_y
sign of the energies: the energies are exchanged. That part was right.
    e - e_y + -> e_y - e +
no log of the draw: the uniform number is compared without its log. That line was right.
    u.log() < -> u <
everything taken: every proposal is taken. That line was right.
    u.log() < log_ratio -> u < 2
""",
)
