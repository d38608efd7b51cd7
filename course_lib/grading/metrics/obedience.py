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
    cases=[case(9, 4, 10), case(14, 5, 400, never=2), case(8, 3, 60), case(11, 6, 300, never=5), case(3, 4, 17), case(1, 4, 500)],
    mistakes="""
divided by too many: you divide by all faces, or by all in which the attribute was asked for, or can be seen. So what does not count is taken for wrong. In how many
    does it count?
    right.sum(0) / of -> right.sum(0) / len(asked) {|; torch.where(counts, right, True) -> right}
    right.sum(0) / of -> right.sum(0) / len(asked) ; shares[of > 0] -> shares {|; torch.where(counts, right, True) -> right}
    right.sum(0) / of -> right.sum(0) / {seen|(asked != -1)}.sum(0) {|; shares[of > 0].mean() -> shares.nanmean()}
right ones that do not count: right ones are added up whether they count or not, but divided by those that count. What counts comes first, in both.
    shares = right.sum(0) -> shares = (read == asked).sum(0) {|; torch.where(counts, right, True) -> read == asked}
what does not count taken for right: what does not count is taken for right. It should be in neither of the two numbers that are divided.
    right.sum(0) / of -> (right + ~counts).double().mean(0) {|; shares[of > 0] -> shares}
    right.sum(0) / of -> (right + ~counts).double().mean(0) ; torch.where(counts, right, True) -> right {|; shares[of > 0] -> shares}
    (asked != -1) & seen -> asked != -1 ; (read == asked) & counts -> ((read == asked) + ~seen) & counts
    (asked != -1) & seen -> seen ; (read == asked) & counts -> ((read == asked) + (asked == -1)) & counts
what is not seen counts: entries count that cannot be seen: with a hat on there is no hair to read, however good the picture is. (If `& seen` is
    there, look at the brackets: `&` comes before `>=`.)
    (asked != -1) & seen -> asked != -1
what nobody asked for counts: entries count that nobody asked for: −1 is no value that could be read, so all of them are wrong.
    (asked != -1) & seen -> seen
brackets: `&` comes before `==`, `!=` and `>`: without brackets, something else is compared. Write `(asked … ) & seen`.
    counts = (asked != -1) & seen -> counts = asked != -1 & seen
    (read == asked) & counts -> {asked == read & counts|read == asked & counts} {|; counts, right, True -> counts, read == asked, True}
inverted: you take the entries that do not count, or some of them. Which −1 is meant, and where is `seen` True?
    (asked != -1) & seen -> {(asked == -1) & seen|(asked != -1) & ~seen|(asked == -1) & ~seen|~((asked != -1) & seen)}
all entries count: all entries count. What nobody asked for, or what cannot be seen, says nothing about the model.
    (asked != -1) & seen -> torch.ones_like(seen)
one of two is enough: an entry counts where it was asked for, or can be seen. It takes both.
    (asked != -1) & seen -> (asked != -1) | seen
0 not counted: the value 0 is left out. It is a value like any other: what nobody asked for is −1.
    asked != -1 -> asked {> 0|!= 0}
all entries together: the entries of all attributes are thrown together, and those that count often weigh more. Each attribute should weigh the same.
    obeyed = shares[of > 0].mean() -> obeyed = right.sum() / counts.sum()
by face: the first number averages over the faces, each with its own share. A share for each attribute is asked for, then their mean.
    obeyed = shares[of > 0].mean() -> obeyed = (right.sum(1) / counts.sum(1)).mean()
both axes exchanged: both numbers run over the wrong axis. Axis 0 counts the faces, axis 1 the attributes: which one is gone after `sum(0)`?
    obeyed = shares[of > 0].mean() -> obeyed = (right.sum(1) / counts.sum(1)).mean() ; fine.all(1) -> fine.all(0)
by value: the first number is a mean over the values 0, 1, 2 …, each with its own share. A share for each attribute is asked for, whatever its values.
    obeyed = shares[of > 0].mean() -> obeyed = torch.stack([right[counts & (asked == k)].double().mean() for k in asked[counts].unique()]).mean()
first attribute alone: the first number is the share of one attribute alone. Does the `return` stand inside the loop?
    shares[of > 0].mean() -> shares[of > 0][{0|-1}]
attributes that always count: the first number looks only at attributes that count in every face. Leave out no more than those that count in none.
    shares[of > 0] -> shares[counts.all(0)]
median: the first number is a median. The mean is asked for.
    shares[of > 0].mean() -> shares[of > 0].median()
0 / 0: an attribute that counts nowhere has no share: 0 / 0 is NaN, and so is any mean with it.
    shares[of > 0] -> shares{|[(asked != -1).any(0)]|[seen.any(0)]}
never right left out: an attribute that is never right is left out of the mean. It has a share, 0: only those that count nowhere have none.
    shares[of > 0] -> shares[shares > 0]
nowhere taken for 0: an attribute that counts nowhere is taken for never right. It has no share, so it should not be in the mean.
    shares[of > 0].mean() -> shares.nan_to_num(0.0).mean()
    shares[of > 0].mean() -> shares[of > 0].sum() / len(of)
nowhere taken for 1: an attribute that counts nowhere is taken for always right. It has no share, so it should not be in the mean.
    shares[of > 0].mean() -> shares.nan_to_num(1.0).mean()
half of the rule in the first: the second number is right. In the first, entries count that nobody asked for, or that cannot be seen.
    shares = right.sum(0) / of -> shares = ((read == asked) & (asked != -1)).sum(0) / (asked != -1).sum(0) {|; shares[of > 0].mean() -> shares.nanmean()}
    shares = right.sum(0) / of -> shares = (read == asked).double().mean(0) {|; shares[of > 0].mean() -> shares.mean()}
a face must have all: the first number is right. In the second a face fails for what does not count, too.
    torch.where(counts, right, True) -> {right|read == asked}
half of the rule: the first number is right. In the second one, what nobody asked for still counts, or what cannot be seen.
    counts, right, True -> {asked != -1, read == asked|seen, read == asked|asked != -1, right}, True
complete faces alone: the first number is right. The second looks only at faces in which every attribute counts. All faces are asked for.
    fine.all(1).double() -> fine.all(1)[{counts|seen|(asked != -1)}.all(1)].double()
complete faces for both: only faces in which every attribute counts are looked at. An entry counts or not by itself, whatever else its face has.
    right.sum(0) / of -> right[counts.all(1)].double().mean(0) ; fine.all(1).double() -> fine.all(1)[counts.all(1)].double()
product of the shares: the first number is right. The second is a product, as if mistakes came independently. Count the faces.
    whole = fine.all(1).double().mean() -> whole = shares[of > 0].prod()
one is enough: the first number is right. In the second a face passes with a single thing that is right.
    whole = fine.all(1) -> whole = right.any(1)
in part: the first number is right. The second is the mean share of what is right in a face; a face with a single mistake fails.
    whole = fine.all(1).double().mean() -> whole = {(right.sum(1) / counts.sum(1))|fine.double()}.mean()
wrong axis: the first number is right. The second is the share of attributes that are right in all faces.
    fine.all(1) -> fine.all(0)
all faces at once: the first number is right. The second says whether every face is right: 0 or 1. Ask for each face, then take their mean.
    fine.all(1) -> fine.all()
faces that fail: the first number is right. The second is the share of faces in which something is wrong.
    whole = fine.all(1) -> whole = (~fine).any(1)
divided by the entries: the first number is right. In the second, faces are divided by entries. A share of the faces is asked for.
    fine.all(1).double().mean() -> fine.all(1).sum() / {counts.sum()|fine.numel()|right.sum()}
one for each: you return a number for each attribute, or for each face. Two numbers sum them up.
    {obeyed = shares[of > 0].mean() -> obeyed = shares[of > 0]|fine.all(1).double().mean() -> fine.all(1).double()}
    obeyed = shares[of > 0].mean() -> obeyed = shares[of > 0] ; fine.all(1).double().mean() -> fine.all(1).double()
numbers for shares: the second result counts faces. A share is asked for.
    fine.all(1).double().mean() -> fine.all(1).double().sum()
sum of the shares: in the first number the shares are added up. Their mean is asked for.
    shares[of > 0].mean() -> shares[of > 0].sum()
counts of the attributes: the first number counts. Each attribute's right ones want to be divided by its entries that count.
    shares = right.sum(0) / of -> shares = right.sum(0).double() {|; shares[of > 0] -> shares}
    shares = right.sum(0) / of -> shares = right.sum(0).double() ; shares[of > 0].mean() -> shares.sum() {|; fine.all(1).double().mean() -> fine.all(1).double().sum()}
    shares = right.sum(0) / of -> shares = right.sum(0).double() {|; shares[of > 0] -> shares} ; fine.all(1).double().mean() -> fine.all(1).double().sum()
percent: this is percent. A share is asked for.
    return obeyed, whole -> return {100 * obeyed, 100 * whole|100 * obeyed, whole|obeyed, 100 * whole}
rounded: right but for rounding. Return the numbers as they are.
    return obeyed, whole -> return {round(float(obeyed), 2), round(float(whole), 2)|round(float(obeyed), 3), round(float(whole), 3)}
disobeyed: the first number is the share of what is wrong, or both are.
    (read == asked) & counts -> (read != asked) & counts
    return obeyed, whole -> return 1 - obeyed, {1 - |}whole
order: the two numbers are exchanged.
    return obeyed, whole -> return whole, obeyed
""",
)
