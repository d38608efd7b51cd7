"""Exercise 07, task 4b: does a model draw what it is told?"""

import torch
from torch import Tensor

from course_lib.grading import Task


def obedience(asked, read, seen):
    counts = (asked != -1) & seen
    right = (read == asked) & counts
    of = counts.sum(0)
    shares = right.sum(0) / of
    obeyed = shares[of > 0].mean()
    fine = torch.where(counts, right, True)
    whole = fine.all(1).double().mean()
    return obeyed, whole


def truth(asked, read, seen):
    """Entry by entry."""
    rows = [
        [(i, a == r) for i, (a, r, s) in enumerate(zip(*row)) if s and a >= 0] for row in zip(asked.tolist(), read.tolist(), seen.tolist())
    ]
    columns = [[right for row in rows for i, right in row if i == j] for j in range(asked.shape[1])]
    shares = [sum(column) / len(column) for column in columns if column]
    return sum(shares) / len(shares), sum(all(right for _, right in row) for row in rows) / len(rows)


def case(n: int, attributes: int, start: int, never: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """What was asked, read and seen, (n, attributes): most of it is right; attribute 0 always counts, attribute `never` nowhere.

    start: other whole numbers for another one, the same on every platform
    """
    mixed = torch.stack([torch.arange(start, start + n * attributes) * step % 1009 % 97 for step in (211, 463, 677, 839)])
    asked, wrong, seen, other = mixed.reshape(4, n, attributes)
    asked, seen, other = asked % 4 - 1, seen % 4 > 0, other % 3
    asked[:, 0], seen[:, 0] = other[:, 0], True
    if never is not None:
        seen[: n // 2, never], asked[n // 2 :, never] = False, -1
    return asked, torch.where((asked < 0) | (wrong % 6 == 0), (asked + 1 + other) % 4, asked), seen


OBEDIENCE = Task(
    obedience,
    truth,
    results=("the share of the attributes", "the share of the faces"),
    cases=[case(9, 4, 10), case(14, 5, 400, never=2), case(8, 3, 60), case(11, 6, 300, never=5), case(4, 5, 44), case(1, 4, 500)],
    mistakes="""
divided by all faces: you divide by all faces, so that what does not count is taken for wrong. In how many does the attribute count?
    right.sum(0) / of -> right.sum(0) / len(asked) {|; torch.where(counts, right, True) -> right}
    right.sum(0) / of -> right.sum(0) / len(asked) ; shares[of > 0] -> shares {|; torch.where(counts, right, True) -> right}
what does not count taken for right: what does not count is taken for right. It should be in neither of the two numbers that are divided.
    right.sum(0) / of -> (right + ~counts).double().mean(0) {|; shares[of > 0] -> shares}
    right.sum(0) / of -> (right + ~counts).double().mean(0) ; torch.where(counts, right, True) -> right {|; shares[of > 0] -> shares}
what is not seen counts: entries count that cannot be seen: with a hat on there is no hair to read, however good the picture is.
    (asked != -1) & seen -> asked != -1
what nobody asked for counts: entries count that nobody asked for: −1 is no value that could be read, so all of them are wrong.
    (asked != -1) & seen -> seen
all entries count: all entries count. What nobody asked for, or what cannot be seen, says nothing about the model.
    (asked != -1) & seen -> torch.ones_like(seen)
one of two is enough: an entry counts where it was asked for, or can be seen. It takes both.
    (asked != -1) & seen -> (asked != -1) | seen
0 not counted: the value 0 is left out. It is a value like any other: what nobody asked for is −1.
    asked != -1 -> asked > 0
all entries together: the entries of all attributes are thrown together, and those that count often weigh more. Each attribute should weigh the same.
    obeyed = shares[of > 0].mean() -> obeyed = right.sum() / counts.sum()
by face: the first number averages over the faces, each with its own share. A share for each attribute is asked for, then their mean.
    obeyed = shares[of > 0].mean() -> obeyed = (right.sum(1) / counts.sum(1)).mean()
0 / 0: an attribute that counts nowhere has no share: 0 / 0 is NaN, and so is any mean with it.
    shares[of > 0].mean() -> shares.mean()
never right left out: an attribute that is never right is left out of the mean. It has a share, 0: only those that count nowhere have none.
    shares[of > 0] -> shares[shares > 0]
nowhere taken for 0: an attribute that counts nowhere is taken for never right. It has no share, so it should not be in the mean.
    shares[of > 0].mean() -> shares.nan_to_num(0.0).mean()
    shares[of > 0].mean() -> shares[of > 0].sum() / len(of)
nowhere taken for 1: an attribute that counts nowhere is taken for always right. It has no share, so it should not be in the mean.
    shares[of > 0].mean() -> shares.nan_to_num(1.0).mean()
a face must have all: the first number is right. In the second a face fails for what does not count, too.
    torch.where(counts, right, True) -> {right|read == asked}
half of the rule: the first number is right. In the second one, what nobody asked for still counts, or what cannot be seen.
    counts, right, True -> {asked != -1|seen}, read == asked, True
complete faces alone: the first number is right. The second looks only at faces in which every attribute counts. All faces are asked for.
    fine.all(1).double() -> fine.all(1)[counts.all(1)].double()
product of the shares: the first number is right. The second is a product, as if mistakes came independently. Count the faces.
    whole = fine.all(1).double().mean() -> whole = shares[of > 0].prod()
one is enough: the first number is right. In the second a face passes with a single thing that is right.
    whole = fine.all(1) -> whole = right.any(1)
in part: the first number is right. The second is the mean share of what is right in a face; a face with a single mistake fails.
    whole = fine.all(1).double().mean() -> whole = (right.sum(1) / counts.sum(1)).mean()
wrong axis: the first number is right. The second is the share of attributes that are right in all faces.
    fine.all(1) -> fine.all(0)
one for each: you return a number for each attribute, or for each face. Two numbers sum them up.
    {obeyed = shares[of > 0].mean() -> obeyed = shares[of > 0]|fine.all(1).double().mean() -> fine.all(1).double()}
    obeyed = shares[of > 0].mean() -> obeyed = shares[of > 0] ; fine.all(1).double().mean() -> fine.all(1).double()
numbers for shares: the second result counts faces. A share is asked for.
    fine.all(1).double().mean() -> fine.all(1).double().sum()
percent: these are percent. A share is asked for.
    return obeyed, whole -> return 100 * obeyed, 100 * whole
disobeyed: these are the shares of what is wrong.
    (read == asked) & counts -> (read != asked) & counts
    return obeyed, whole -> return 1 - obeyed, {1 - |}whole
order: the two numbers are exchanged.
    return obeyed, whole -> return whole, obeyed
""",
)
