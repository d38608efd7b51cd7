"""Exercise 02, task 6b: the arrow of an attribute that comes together with another."""

import numpy as np
import torch
from torch.nn import functional as F

from course_lib.grading import Task, grid

# In both, the attribute is common in one group and rare in another. The second has three groups, whose numbers leave gaps and grow large.
TWO = torch.tensor([1, 1, 1, 1, 0, 0, 0, 0, 0]), torch.tensor([True, True, False, True, False, True, False, False, False])
THREE = (
    torch.tensor([5, 2, 5, 104, 5, 2, 104, 2, 5, 104, 2]),
    torch.tensor([True, False, True, True, False, True, False, False, True, True, False]),
)


def balanced_arrow(z, has, group):
    arrows = []
    for g in group.unique():
        codes, mine = z[group == g], has[group == g]
        with_it, without = codes[mine], codes[~mine]
        arrows.append(with_it.mean(0) - without.mean(0))
    arrows = torch.stack(arrows)
    return arrows.mean(0)


def truth(z, has, group):
    """The mean of the groups' slopes: least squares with a level and a slope for each group."""
    member = (group[:, None] == group.unique()).double().numpy()
    columns = np.concatenate([member, member * has[:, None].numpy()], 1)
    return torch.from_numpy(np.linalg.lstsq(columns, z.numpy(), rcond=None)[0][member.shape[1] :].mean(0))


def group_means_taken_away(z, has, group):
    level = torch.stack([z[group == g].mean(0) for g in group])
    return (z - level)[has].mean(0) - (z - level)[~has].mean(0)


def one_slope(z, has, group):
    """Least squares with a level for each group and one slope for all."""
    columns = torch.cat([has[:, None], group[:, None] == group.unique()], 1).to(z)
    return torch.linalg.lstsq(columns, z).solution[0]


def group_as_number(z, has, group):
    """Least squares with a slope along the groups' numbers."""
    columns = torch.stack([has, torch.ones_like(has), group], 1).to(z)
    return torch.linalg.lstsq(columns, z).solution[0]


def groups_projected_out(z, has, group):
    arrow = z[has].mean(0) - z[~has].mean(0)
    for g in group.unique():
        out = F.normalize(z[group == g].mean(0) - z[group != g].mean(0), dim=0)
        arrow = arrow - (arrow @ out) * out
    return arrow


BALANCED_ARROW = Task(
    balanced_arrow,
    truth,
    cases=[
        ((5 * grid(9, 3)).sin() + TWO[0][:, None], TWO[1], TWO[0]),
        ((7 * grid(11, 2)).cos() - THREE[0].sqrt()[:, None] / 2, THREE[1], THREE[0]),
        ((3 * grid(7, 4)).exp(), torch.tensor([True, False, True, True, False, False, True]), torch.tensor([2, 2, 0, 0, 0, 1, 1])),
    ],
    mistakes="""
groups ignored: this is the arrow of 6a: the groups have no effect, so it leads into the group in which the attribute is common.
    codes[mine], codes[~mine] -> z[has], z[~has]
brackets: Python reads `has & group == g` as `(has & group) == g`, and `group == g & has` as `group == (g & has)`. Put brackets round the comparison.
    codes[mine], codes[~mine] -> z[has & group == g], z[~has & group == g]
    codes[mine], codes[~mine] -> z[group == g & has], z[group == g & ~has]
largest group counts most: each group counts by its size: does a loop come to it once for each of its faces? Here each counts the same.
    (with_it.mean(0) - without.mean(0)) -> ((with_it.mean(0) - without.mean(0)) * len(codes))
    (with_it.mean(0) - without.mean(0)) -> ((with_it.mean(0) - without.mean(0)) * len(codes) / len(z)) ; arrows.mean(0) -> arrows.sum(0)
weighed by a count: each group counts by how many it has with the attribute, or without. Here each counts the same.
    (with_it.mean(0) - without.mean(0)) -> ((with_it.mean(0) - without.mean(0)) * len(with_it) / has.sum()) ; arrows.mean(0) -> arrows.sum(0)
    (with_it.mean(0) - without.mean(0)) -> ((with_it.mean(0) - without.mean(0)) * len(without) / (~has).sum()) ; arrows.mean(0) -> arrows.sum(0)
one slope: a straight line with one slope for all groups: those with about as many with as without count most. Here each counts the same.
    = one_slope
    = group_as_number
divided by another number: the arrows are added up, but not divided by how many groups there are.
    arrows.mean(0) -> arrows.sum(0) / {2|(group.max() + 1)|group.max()|len(z)}
sum over the groups: the arrows are added up over the groups. What happens to the length when a third group comes in?
    arrows.mean(0) -> arrows.sum(0)
one group alone: one group alone. The arrow is the mean over all of them.
    arrows.mean(0) -> arrows[{0|-1}]
    in group.unique() -> in [{0|1}]
half balanced: only one of the two means is taken inside the group. Both must be: the other one brings the groups back.
    codes[~mine] -> z[~has]
    codes[mine] -> z[has]
groups compared: a group is compared with the others: then what the groups differ in is in the arrow. Compare with and without inside each group.
    codes[~mine] -> z[has & (group != g)]
    codes[~mine] -> z[~has & (group != g)]
    codes[mine], codes[~mine] -> codes, z[group != g]
less the mean of all: a mean of those with and without is taken away. Those with the attribute are among them, so the arrow is too short.
    codes[~mine] -> {codes|z}
the other way: right, but it points the other way: it takes the attribute off.
    arrows.mean(0) -> -arrows.mean(0)
not subtracted: the mean codes of those with the attribute, averaged over the groups. What has to be taken away?
    - without.mean(0) ->
sums: the codes are added up inside the groups. They are of different size: compare means.
    with_it.mean(0) - without.mean(0) -> with_it.sum(0) - without.sum(0)
divided by others, too: a sum is divided by the count of others, too. Each mean has that of its own faces: those in this group with the attribute, or without.
    with_it.mean(0) - without.mean(0) -> with_it.sum(0) / len({codes|z}) - without.sum(0) / len({codes|z})
    with_it.mean(0) - without.mean(0) -> with_it.sum(0) / has.sum() - without.sum(0) / (~has).sum()
has and group exchanged: this is the arrow of the groups, inside those with the attribute and inside those without. `has` and `group` have changed places.
    in group.unique() -> in (True, False) ; codes[mine], codes[~mine] -> z[(has == g) & (group {== 1|> 0})], z[(has == g) & (group == 0)]
group means taken away first: each group's mean is taken away, and then the groups are thrown together. But where most have the attribute, the group's mean holds most of the arrow, and it is lost. Compare with and without inside each group.
    = group_means_taken_away
arrow of the groups taken away: the arrow from group to group is taken out of that of 6a. The attribute may share a direction with it, and loses it. Compare with and without inside each group.
    return arrows.mean(0) -> a, b = z[has].mean(0) - z[~has].mean(0), z[group {== 1|> 0}].mean(0) - z[group == 0].mean(0); return a - (a @ b) / (b @ b) * b
    return arrows.mean(0) -> a, b = z[has].mean(0) - z[~has].mean(0), z[group {== 1|> 0}].mean(0) - z[group == 0].mean(0); return a - b
    = groups_projected_out
    return arrows.mean(0) -> a = z[group {== 1|> 0}].mean(0) - z[group == 0].mean(0); z = z - group[:, None] * a; return z[has].mean(0) - z[~has].mean(0)
two groups always: always two groups: 0 and 1, or one and all the others. The groups' numbers can be any, and there can be more: `group.unique()` lists them.
    in group.unique() -> in {torch.arange(2)|(group.min(), group.max())}
    arrows = [] -> arrows, group = [], group == {0|1|group.min()|group.max()} ; in group.unique() -> in (True, False)
large numbers left out: groups with a large number are left out. The groups' numbers can be any: `group.unique()` lists them.
    in group.unique() -> in [g for g in range({10|3}) if (group == g).any()]
    in group.unique() -> in [g for g in range(3) if (group == g).any()] ; arrows.mean(0) -> arrows.sum(0) / len(group.unique())
a group left out: the group with the smallest or the largest number is left out, the one with 0 perhaps. `range(n)` ends at n − 1, and `group.unique()` lists all.
    in group.unique() -> in group.unique()[{1:|:-1}]
    in group.unique() -> in torch.arange({1, int(group.max()) + 1|int(group.max())})
    in group.unique() -> in group.unique()[group.unique() > 0]
counted through: the groups' numbers need not be 0, 1, 2, …: an empty group has no mean, which is NaN. `group.unique()` lists those that are there.
    in group.unique() -> in torch.arange({int(group.max()) + 1|len(group.unique())|3})
a mean of nothing: NaN: somewhere a mean over no face is taken, 0 / 0. Which groups does your loop run through, and which faces does it select? `group.unique()` lists the groups that are there.
    in group.unique() -> in torch.arange({10|1, int(group.max()) + 2})
length 1: the length has been made 1. How far to go is part of the arrow.
    return arrows.mean(0) -> return arrows.mean(0) / arrows.mean(0).norm()
    arrows = torch.stack(arrows) -> arrows = F.normalize(torch.stack(arrows), dim=1)
an arrow for each group: an arrow for each group. One is asked for, their mean.
    arrows.mean(0) -> arrows
one number: the latents are averaged, too, to one number.
    arrows.mean(0) -> arrows.mean()
""",
)
