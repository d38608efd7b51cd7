"""Exercise 07, task 3: the kernel distance without bias."""

from course_lib.grading import Task
from course_lib.grading.metrics.shared import cloud


def unbiased_kid(real, fake):
    n, m, d = len(real), len(fake), real.shape[1]

    def kernel(u, v):
        dots = u @ v.T
        return (dots / d + 1) ** 3

    def others(x, rows):
        k = kernel(x, x)
        total = k.sum() - k.trace()
        return total / (rows * (rows - 1))

    both = kernel(real, fake)
    cross = both.sum() / (n * m)
    value = others(real, n) + others(fake, m) - 2 * cross
    return value


def truth(real, fake):
    """Pair by pair."""

    def kernel(u, v):
        return (sum(a * b for a, b in zip(u, v)) / len(u) + 1) ** 3

    def others(x):
        return sum(kernel(u, v) for i, u in enumerate(x) for j, v in enumerate(x) if i != j) / (len(x) * (len(x) - 1))

    a, b = real.tolist(), fake.tolist()
    return others(a) + others(b) - 2 * sum(kernel(u, v) for u in a for v in b) / (len(a) * len(b))


KERNEL = Task(
    unbiased_kid,
    truth,
    cases=[
        (cloud(5, 3, 0.2), cloud(7, 3, 1.1, 1.4)),
        (cloud(8, 2, 0.5, 1.3), cloud(4, 2, 2.0, 1.3)),
        (cloud(6, 4, 0.9), cloud(9, 4, 1.6)),
    ],
    mistakes="""
diagonal kept: each point is compared with itself too. It is always most like itself, so this is too large on average.
    total = k.sum() - k.trace() -> total = k.sum() ; (rows * (rows - 1)) -> rows**2
diagonal in the sum: you divide by the number of pairs of two different points, but the sum holds the points with themselves, too.
    total = k.sum() - k.trace() -> total = k.sum()
divided by n²: the diagonal is out of the sum, but still in the number that you divide by.
    (rows * (rows - 1)) -> rows**2
half the pairs: every pair is summed once, but the number that you divide by counts each twice.
    k.sum() - k.trace() -> k.triu(1).sum()
diagonal of the cross term: pairs are left out of the cross term, too. No point of one set is in the other, so all count.
    both.sum() / (n * m) -> (both.sum() - both.diagonal().sum()) / ({n * m - min(n, m)|n * m|n * (m - 1)|(n - 1) * (m - 1)})
cross term over n²: the cross term is divided as if both sets were of one size. How many pairs are there?
    (n * m) -> {n**2|m**2|(n * (n - 1))}
one number of rows for both: all is divided as if both sets had the same number of rows. Each has its own: n and m.
    others(fake, m) -> others(fake, n) ; (n * m) -> (n * {m|n})
    others(real, n) -> others(real, m) ; (n * m) -> ({n|m} * m)
cross term over too few pairs: the cross term is divided by too few pairs. It leaves none out: no row of one set is in the other.
    (n * m) -> ({n * (m - 1)|(n - 1) * m|(n - 1) * (m - 1)})
not divided by d: the inner product is not divided by the number of features.
    dots / d -> dots{| / n| / len(dots)}
divided by √d: the inner product is divided by √d. That is attention's scale; this kernel has another.
    dots / d -> dots / d**0.5
all divided by d: the 1 is divided by d, too. Mind the brackets.
    (dots / d + 1) ** 3 -> {((dots + 1) / d) ** 3|(dots + 1) ** 3 / d}
squared: the kernel has another power: yours compares means and variances, but no skewness.
    ** 3 -> ** 2
1 missing: the 1 is missing in the kernel, or stands outside the power, where the three terms cancel it.
    (dots / d + 1) ** 3 -> (dots / d) ** 3{| + 1}
cross term once: the cross term counts once: two sets from one distribution would not give 0 on average.
    2 * cross -> cross
sign: the cross term is added. Sets that are alike should be near 0.
    {- 2 * cross -> + 2 * cross|return value -> return -value}
root: KID takes no root at the end. What would it do with a value below 0?
    return value -> return value{|.abs()|.clamp(min=0)}.sqrt()
held above 0: values below 0 are cut off. An unbiased estimate of 0 must fall on both sides of it.
    return value -> return value.{clamp(min=0)|abs()}
sum: the pairs are summed, not averaged.
    total / (rows * (rows - 1)) -> total ; both.sum() / (n * m) -> both.sum()
""",
)
