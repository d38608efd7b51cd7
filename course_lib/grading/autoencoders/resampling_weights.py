"""Exercise 02, for those who want more: fair sampling."""

from course_lib.grading import Task, grid


def resampling_weights(density, alpha):
    weights = 1 / (density + alpha).prod(1)
    return weights / weights.sum()


RESAMPLING = Task(
    resampling_weights,
    cases=[(grid(5, 3, low=0.05, high=1.4).sin(), 0.1), (grid(4, 2, low=0.2, high=2).flip(1) ** 2, 0.5)],
    mistakes="""
not normalised: these are not probabilities: they do not add up to 1.
    / weights.sum() ->
common, not rare: the ordinary images come most often here.
    1 / (density -> (density
sum over latents: summed over the latents; the formula multiplies.
    1 / (density + alpha).prod(1) -> (1 / (density + alpha)).sum(1)
sum of densities: the densities are added up; the formula multiplies over the latents, with α in each factor.
    (density + alpha).prod(1) -> {(density.sum(1) + alpha)|(density + alpha).sum(1)}
softmax of the weights: a softmax takes the exp of the weights: the largest wins nearly always. In proportion means divided by the sum.
    weights / weights.sum() -> weights.softmax(0)
α left out: α has no effect, so one odd image can take over.
    + alpha ->
α after the product: α is added to the product. Each latent's density gets its own.
    (density + alpha).prod(1) -> (density.prod(1) + alpha)
""",
)
