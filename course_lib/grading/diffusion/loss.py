"""Exercise 06, task 4: the loss."""

from course_lib.grading import Task, grid
from course_lib.grading.fixtures import Denoiser, Draws, cosine_bar, linear_bar


def loss(network, x, alpha_bar, rand, randn):
    t, noise = rand(len(x)), randn(x.shape)
    share = alpha_bar(t).view(-1, *[1] * (x.ndim - 1))
    data, spread = share.sqrt(), (1 - share).sqrt()
    x_t = data * x + spread * noise
    error = network(x_t, t) - noise
    return error.square().mean()


def one_by_one(network, x, alpha_bar, rand, randn):
    total = 0.0
    for one in x:
        t, noise = rand(1), randn(one.shape)
        a = alpha_bar(t)
        total = total + (network((a.sqrt() * one + (1 - a).sqrt() * noise)[None], t)[0] - noise).square().mean()
    return total / len(x)


def truth(network, x, alpha_bar, rand, randn):
    """Example by example, with the draws of the whole batch."""
    t, noise, total = rand(len(x)), randn(x.shape), 0.0
    for i, a in enumerate(alpha_bar(t).tolist()):
        x_t = a**0.5 * x[i] + (1 - a) ** 0.5 * noise[i]
        total = total + (network(x_t[None], t[i : i + 1])[0] - noise[i]).square().sum()
    return total / x.numel()


LOSS = Task(
    loss,
    truth,
    cases=[
        (Denoiser(2, phase=0.3), grid(5, 2), cosine_bar, Draws(0.37, ends=True), Draws(0.71, normal=True, ends=True)),
        (Denoiser(1, 3, 3, phase=1.1), grid(3, 1, 3, 3), linear_bar, Draws(0.13), Draws(0.29, normal=True)),
        (Denoiser(4, 2, phase=0.7), grid(4, 4, 2).cos(), linear_bar, Draws(0.55, ends=True), Draws(0.47, normal=True, ends=True)),
    ],
    gradient=("network",),
    mistakes="""
one t for the batch: the whole batch gets one t. Draw one for each example: the loss varies far less from batch to batch.
    rand(len(x)) -> {rand(1)|rand(len(x))[0]}.expand(len(x))
ᾱ of the first example: all examples get the ᾱ of one of them. Here `alpha_bar(t)` is no pair, but one ᾱ for each example: is there a `[0]` too many?
    .view(-1, *[1] * (x.ndim - 1)) -> [{0|-1}]
one noise for the batch: all examples get the same noise. Each needs its own, fresh for every pixel.
    randn(x.shape) -> randn({x.shape[1:]|1}).expand(x.shape)
    randn(x.shape) -> randn(len(x)).reshape(-1, *[1] * (x.ndim - 1)).expand(x.shape)
noise drawn twice: the noise is drawn twice: the network is asked for noise that is not in its input.
    {) - noise -> ) - randn(x.shape)|spread * noise -> spread * randn(x.shape)}
t drawn twice: t is drawn twice: the network is told another t than the one that x was noised with.
    {(x_t, t) -> (x_t, rand(len(x)))|alpha_bar(t) -> alpha_bar(rand(len(x)))}
draws changed: the draws are changed, or made one by one. Take them as they come, once for the whole batch: the check compares numbers.
    rand(len(x)) -> {1 - rand(len(x))|rand(len(x)).sort().values|0.001 + 0.999 * rand(len(x))|1e-5 + (1 - 1e-5) * rand(len(x))}
    rand(len(x)) -> rand(len(x)){.clamp(0.01, 0.99)|.clamp(1e-3, 1 - 1e-3)|.clamp(1e-4, 1 - 1e-4)|.clamp(min=1e-5)| + 1e-5| * 0.999}
    randn(x.shape) -> {-randn(x.shape)|randn(x.shape).clamp(-3, 3)|randn(x.shape).clamp(-2, 2)|randn(x.shape).clamp(-1, 1)}
    = one_by_one
uniform noise: the noise is uniform in (0, 1). It should be normal.
    {randn(x.shape) -> rand(x.shape)|t, noise = rand(len(x)), randn(x.shape) -> noise, t = rand(x.shape), rand(len(x))}
normal times: the times are normal, and leave [0, 1]. They should be uniform.
    {rand(len(x)) -> randn(len(x))|t, noise = rand(len(x)), randn(x.shape) -> noise, t = randn(x.shape), randn(len(x))}
clean input: the network sees x without noise. How could it know what the noise was?
    network(x_t, t) -> network(x, t)
predicts the data: the network is asked for x. Here it predicts the noise.
    ) - noise -> ) - x
predicts what it sees: the network is asked for x_t, which it was given: it would learn to copy. Here it predicts the noise.
    ) - noise -> ) - x_t
predicts the velocity: the network is asked for a difference of noise and data. Other models learn such; here it predicts the noise alone.
    ) - noise -> ) - ({noise - x|data * noise - spread * x|x - noise|x_t - noise})
ᾱ for α: x is noised with ᾱ where its root belongs. You solved that in task 1.
    share.sqrt(), (1 - share).sqrt() -> {share, 1 - share|share, (1 - share).sqrt()|share.sqrt(), 1 - share}
t for ᾱ: t itself is taken for ᾱ, or 1 − t. The function alpha_bar gives it.
    alpha_bar(t) -> {t|(1 - t)|(1 - t).square()}
    share.sqrt(), (1 - share).sqrt() -> 1 - t.view(share.shape), t.view(share.shape)
network told ᾱ: the network is told ᾱ, or something else made of t. In sampling it will be told t itself.
    (x_t, t) -> (x_t, {alpha_bar(t)|1 - t|1000 * t|alpha_bar(t).sqrt()})
data and noise exchanged: x_t is mixed the wrong way round: at small t it should be nearly all data.
    data * x + spread * noise -> spread * x + data * noise
one factor missing: x_t lacks a factor or a part. As in task 1, the data fade and the noise grows.
    data * x + spread * noise -> {x + spread * noise|data * x + noise|x + noise|data * x|noise.expand(x.shape)}
along the wrong axis: right for points, but in images ᾱ runs along the rows of pixels. As in task 1, let the number of added axes follow x.
    .view(-1, *[1] * (x.ndim - 1)) -> [:, None]
noise with its factor: one side of the difference has a factor. The network says ε itself, of variance 1 at every t.
    {) - noise -> ) - spread * noise|error = -> error = spread *}
weighted: the errors are weighted by t. In this loss all times count the same.
    error.square() -> ({share / (1 - share)|(1 - share) / share|(1 - share)|share|spread} * error.square())
sum: a sum over the batch, so the loss grows with its size. The mean is asked for.
    .mean() -> {.sum()|.sum(0).mean()|.sum() / 2}
summed over pixels: a sum over the pixels of each example, or some of them. The mean over everything is asked for.
    .mean() -> {.flatten(1).sum(1).mean()|.sum(-1).mean()}
one loss for each example: one number for each example. To train, their mean is needed.
    .mean() -> {.flatten(1).mean(1)|.flatten(1).sum(1)}
nothing averaged: one number for each pixel or coordinate. To train, the mean of all is needed.
    .mean() ->
root of the mean: the root of the mean square. The mean square itself is asked for.
    error.square().mean() -> {error.square().mean().sqrt()|error.flatten(1).norm(dim=1).mean()|error.norm()}
absolute error: the mean of absolute errors. Squared ones make the network learn a mean; absolute ones a median.
    error.square() -> error.abs()
large errors not squared: large errors count by their size, not by their square, and small ones half. Squares of all are asked for.
    error.square() -> {F.smooth_l1_loss(error, 0 * error)|F.huber_loss(error, 0 * error)}
half: exactly half of the loss that is asked for.
    .mean() -> .mean() / 2
square of the mean: errors cancel before they are squared: first the square, then the mean.
    error.square().mean() -> error.mean(){.square()|}
sign of the noise: the noise is added to what the network says. An error is a difference.
    network(x_t, t) - noise -> network(x_t, t) + noise
negative: minus the loss. Its minimum would be reached with the largest errors.
    return error -> return -error
""",
)
