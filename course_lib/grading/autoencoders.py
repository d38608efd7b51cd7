"""Tasks of exercise 02. Truths come from torch.distributions, SciPy and scikit-learn in float64, never from the course's own models."""

from functools import partial

import numpy as np
import torch
from scipy.linalg import hadamard
from scipy.special import logsumexp, softmax
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.distributions import AffineTransform, Bernoulli, Normal, kl_divergence

from course_lib.grading import Goal, Mistake, Task, grid, is_number

# --------------------------------------------------------------------------------------------------------------------
# 1 · A bottleneck, and noise


def _bottleneck(x, latents):
    pca = PCA(latents, svd_solver="full").fit(x.numpy())
    return float(((pca.inverse_transform(pca.transform(x.numpy())) - x.numpy()) ** 2).sum(1).mean())


def _spectrum(x):
    """The eigenvalues of the covariance, the largest first, (pixels,)."""
    return torch.linalg.svdvals(x - x.mean(0)).square() / len(x)


def _between_images(x, correction):
    """The eigenvalues of the covariance between images, the smallest first, (n,)."""
    return torch.linalg.eigvalsh(torch.cov(x, correction=correction))


# Pixels that vary apart from each other: the covariance is diagonal, and `eigvals` leaves its entries unsorted.
_APART = torch.from_numpy(hadamard(8)[:, 1:5]).float() * torch.tensor([1.0, 3.0, 0.5, 2.0]) + 1

LINEAR_BOTTLENECK = Task(
    "linear_bottleneck_error",
    _bottleneck,
    cases=[(grid(7, 4).exp().sin(), 2), (torch.outer(grid(6), grid(3, low=1, high=2)).cos(), 1), (_APART, 2)],
    hidden_cases=[(grid(9, 5).square().cos() + 1, 3), (grid(8, 3).exp().cos(), 1), (_APART.flip(1)[:, 1:] * 2, 1)],
    mistakes=[
        Mistake(
            "not centred",
            lambda x, k: (torch.linalg.svdvals(x).square() / len(x))[k:].sum(),
            "the mean image was not taken away first. The covariance is measured about the mean.",
        ),
        Mistake(
            "each image centred",
            lambda x, k: (torch.linalg.svdvals(x - x.mean(1, keepdim=True)).square() / len(x))[k:].sum(),
            "each image loses its own mean brightness. The mean image is taken over the images: one number for each pixel.",
        ),
        Mistake("kept, not lost", lambda x, k: _spectrum(x)[:k].sum(), "this is what the bottleneck keeps. The error is what it loses."),
        Mistake(
            "smallest first",
            lambda x, k: _spectrum(x).flip(0)[k:].sum(),
            "the smallest eigenvalues were kept. In which order does `torch.linalg.eigvalsh` return them?",
        ),
        Mistake(
            "the r smallest",
            lambda x, k: _spectrum(x).flip(0)[:k].sum(),
            "the sum of the r smallest eigenvalues. r is how many are kept: how many are lost?",
        ),
        Mistake(
            "n − 1",
            lambda x, k: _spectrum(x)[k:].sum() * len(x) / (len(x) - 1),
            "too large by n/(n − 1). The error is a mean over n images; `torch.cov` divides by n − 1 unless told otherwise.",
        ),
        Mistake(
            "singular values not squared",
            lambda x, k: (_spectrum(x) * len(x)).sqrt()[k:].sum(),
            "singular values of the centred images are added up. How do they become eigenvalues of the covariance?",
            forms=[lambda x, k: (_spectrum(x) / len(x)).sqrt()[k:].sum(), lambda x, k: _spectrum(x).sqrt()[k:].sum()],
        ),
        Mistake(
            "not divided by n",
            lambda x, k: _spectrum(x)[k:].sum() * len(x),
            "n times too large: the sum over the images. The mean over them is asked for.",
        ),
        Mistake(
            "divided by the pixels",
            lambda x, k: _spectrum(x)[k:].sum() * len(x) / x.shape[1],
            "the covariance is divided by the number of pixels. It is a mean over the images.",
        ),
        Mistake(
            "images as variables",
            lambda x, k: _between_images(x, 1).flip(0)[k:].sum(),
            "this is a covariance between images, n × n. `torch.cov` takes each row for a variable: what are the rows of x?",
            forms=[
                lambda x, k: _between_images(x, 0).flip(0)[k:].sum(),
                lambda x, k: _between_images(x, 1)[: x.shape[1] - k].sum(),
                lambda x, k: _between_images(x, 0)[: x.shape[1] - k].sum(),
                lambda x, k: _between_images(x, 1)[:-k].sum(),
                lambda x, k: _between_images(x, 0)[:-k].sum(),
            ],
        ),
        Mistake(
            "averaged over pixels",
            lambda x, k: _spectrum(x)[k:].sum() / x.shape[1],
            "too small by the number of pixels. The squared error of an image is a sum over its pixels.",
        ),
        Mistake(
            "averaged over what is lost",
            lambda x, k: _spectrum(x)[k:].mean(),
            "the mean of the eigenvalues that are lost. Each of them is lost whole: they add up.",
        ),
        Mistake(
            "one too many kept",
            lambda x, k: _spectrum(x)[k + 1 :].sum(),
            "one component too many is kept. With r latents the first r eigenvalues are saved.",
        ),
        Mistake(
            "one too few kept",
            lambda x, k: _spectrum(x)[k - 1 :].sum(),
            "one component too few is kept. With r latents the first r eigenvalues are saved, and Python counts from 0.",
        ),
        Mistake(
            "share of the variance",
            lambda x, k: _spectrum(x)[k:].sum() / _spectrum(x).sum(),
            "this is the share of the variance that is lost. The error itself is asked for.",
        ),
    ],
)


def _denoising(x, noise, level, reconstruct):
    return nn.functional.mse_loss(reconstruct(torch.add(x, noise, alpha=level)), x, reduction="sum") / len(x)


def _network(channels):
    """A convolution with fixed weights: it needs images, and each pixel depends on its neighbours."""
    layer = nn.utils.skip_init(nn.Conv2d, channels, channels, 3, padding=1)  # draws no random numbers
    with torch.no_grad():
        layer.weight.copy_(grid(*layer.weight.shape).sin() / 2)
        layer.bias.copy_(grid(channels) / 4)
    return layer


DENOISING = Task(
    "denoising_loss",
    _denoising,
    cases=[
        (grid(3, 2, 3, 4, low=0, high=1), grid(3, 2, 3, 4).flip(0), 0.5, _network(2)),
        (grid(2, 1, 2, 2, low=0, high=1), grid(2, 1, 2, 2).exp().sin(), 0.2, _network(1)),
    ],
    hidden_cases=[(grid(4, 3, 3, 2, low=0, high=1).flip(1), grid(4, 3, 3, 2).square(), 0.7, _network(3))],
    gradient=("reconstruct",),
    mistakes=[
        Mistake(
            "noisy target",
            lambda x, e, s, f: (f(x + s * e) - x - s * e).square().sum() / len(x),
            "compared with the noisy image: the best answer would be to keep the noise. What should come out?",
        ),
        Mistake("no noise", lambda x, e, s, f: (f(x) - x).square().sum() / len(x), "the network sees the clean image here."),
        Mistake(
            "noise on the target",
            lambda x, e, s, f: (f(x) - x - s * e).square().sum() / len(x),
            "the noise is on the target, and the network sees the clean image. Swap them.",
        ),
        Mistake(
            "noise after the network",
            lambda x, e, s, f: (f(x) + s * e - x).square().sum() / len(x),
            "the noise is added to what comes out. It belongs on what goes in.",
        ),
        Mistake(
            "the noise as target",
            lambda x, e, s, f: (f(x + s * e) - e).square().sum() / len(x),
            "compared with the noise. A diffusion model is trained like that; here the clean image should come out.",
            forms=[lambda x, e, s, f: (f(x + s * e) - s * e).square().sum() / len(x)],
        ),
        Mistake(
            "noise taken away",
            lambda x, e, s, f: (f(x - s * e) - x).square().sum() / len(x),
            "the noise is taken away from the image. As a draw that would be as good, but the formula adds it.",
        ),
        Mistake(
            "faded",
            lambda x, e, s, f: (f((1 - s) * x + s * e) - x).square().sum() / len(x),
            "the image fades as the noise grows: a mixture. Here the noise is added to the whole image.",
        ),
        Mistake(
            "clamped",
            lambda x, e, s, f: (f((x + s * e).clamp(0, 1)) - x).square().sum() / len(x),
            "the noisy image is cut to [0, 1] before the network sees it. Then it is no longer Gaussian noise.",
        ),
        Mistake("level ignored", lambda x, e, s, f: (f(x + e) - x).square().sum() / len(x), "as if the level were always 1."),
        Mistake(
            "variance for level",
            lambda x, e, s, f: (f(x + s**0.5 * e) - x).square().sum() / len(x),
            "the noise is scaled by the root of the level. The level is a standard deviation already.",
        ),
        Mistake(
            "level squared",
            lambda x, e, s, f: (f(x + s**2 * e) - x).square().sum() / len(x),
            "the noise is scaled by the square of the level. The level is its standard deviation.",
        ),
        Mistake(
            "averaged over pixels",
            lambda x, e, s, f: (f(x + s * e) - x).square().mean(),
            "the mean over everything. Sum over the pixels of an image, then average over the images.",
        ),
        Mistake(
            "averaged over channels",
            lambda x, e, s, f: (f(x + s * e) - x).square().sum() / len(x) / x.shape[1],
            "too small where an image has several channels: they add up like its other pixels.",
        ),
        Mistake(
            "summed over channels only",
            lambda x, e, s, f: (f(x + s * e) - x).square().sum(1).mean(),
            "only the channels are summed: axis 1 of an image batch. Height and width are to be summed too.",
        ),
        Mistake(
            "length not squared",
            lambda x, e, s, f: (f(x + s * e) - x).flatten(1).norm(dim=1).mean(),
            "the mean length. The formula squares it: no root.",
        ),
        Mistake(
            "half",
            lambda x, e, s, f: (f(x + s * e) - x).square().sum() / len(x) / 2,
            "exactly half of the right value: the formula has no factor ½.",
        ),
        Mistake(
            "summed over the batch",
            lambda x, e, s, f: (f(x + s * e) - x).square().sum(),
            "summed over the images too: the step would grow with the batch. Average over them.",
        ),
        Mistake(
            "one per image",
            lambda x, e, s, f: (f(x + s * e) - x).square().flatten(1).sum(1),
            "one number for each image. A loss is one number: their mean.",
        ),
        Mistake("not squared", lambda x, e, s, f: (f(x + s * e) - x).abs().sum() / len(x), "absolute errors are summed, not squared ones."),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 2 · The cloud and its rent


def _reparameterise(mean, log_var, noise):
    return AffineTransform(mean, (0.5 * log_var).exp())(noise)


REPARAMETERISE = Task(
    "reparameterise",
    _reparameterise,
    cases=[(grid(4, 3), grid(4, 3).flip(0), grid(4, 3).sin()), (grid(1, 5), grid(1, 5) / 2, grid(1, 5).flip(1))],
    hidden_cases=[(grid(6, 2).cos(), grid(6, 2), grid(6, 2).flip(0)), (grid(2, 7) * 3, -(grid(2, 7) ** 2), grid(2, 7))],
    gradient=True,
    mistakes=[
        Mistake("log σ² used as σ", lambda m, v, e: m + v * e, "right if the second argument were σ. It is log σ², which may be negative."),
        Mistake(
            "σ² for σ",
            lambda m, v, e: m + v.exp() * e,
            "the noise is scaled by the variance. Which power of it is the standard deviation?",
        ),
        Mistake(
            "root of log σ²",
            lambda m, v, e: m + v.sqrt() * e,
            "NaN where log σ² is negative: the root of a negative number. Which number has to be under the root?",
        ),
        Mistake(
            "half σ² for σ",
            lambda m, v, e: m + 0.5 * v.exp() * e,
            "the noise is scaled by half the variance. Where must the ½ stand to turn σ² into σ?",
        ),
        Mistake(
            "exponent doubled",
            lambda m, v, e: m + (2 * v).exp() * e,
            "the noise is scaled by σ⁴. log σ² is given: is log σ twice as large, or smaller?",
        ),
        Mistake(
            "divided by σ",
            lambda m, v, e: m + (-0.5 * v).exp() * e,
            "the noise is divided by σ, so a narrow cloud gets wide. Look at the sign of the exponent.",
        ),
        Mistake(
            "softplus",
            lambda m, v, e: m + nn.functional.softplus(v) * e,
            "softplus makes a number positive, but the number here is log σ². What undoes a log?",
        ),
        Mistake(
            "σ added",
            lambda m, v, e: m + (0.5 * v).exp() + e,
            "σ is added to the noise: it shifts the cloud and leaves its width at 1. ⊙ is a product.",
        ),
        Mistake(
            "noise taken away",
            lambda m, v, e: m - (0.5 * v).exp() * e,
            "the noise is taken away. As a draw that would be as good, but the formula adds it.",
        ),
        Mistake("noise not scaled", lambda m, v, e: m + e, "every cloud has width 1 here: the second argument has no effect."),
        Mistake("noise left out", lambda m, v, e: m, "this is the mean itself: nothing random is left in it."),
        Mistake("mean left out", lambda m, v, e: (0.5 * v).exp() * e, "every cloud sits at 0: where is the mean?"),
        Mistake("mean scaled too", lambda m, v, e: (m + e) * (0.5 * v).exp(), "σ multiplies the mean too. Only the noise is stretched."),
        Mistake(
            "gradient cut at σ",
            lambda m, v, e: m + (0.5 * v).exp().detach() * e,
            "right values, but no gradient reaches log_var, so the width could never be learned. What cuts the graph?",
        ),
    ],
)


def _kl(mean, log_var):
    return kl_divergence(Normal(mean, (0.5 * log_var).exp()), Normal(torch.zeros_like(mean), torch.ones_like(mean))).sum(-1)


GAUSSIAN_KL = Task(
    "gaussian_kl",
    _kl,
    cases=[(grid(4, 3), grid(4, 3).flip(0)), (grid(1, 5), grid(1, 5) ** 2)],
    hidden_cases=[(grid(6, 2).sin(), grid(6, 2) * 2), (torch.zeros(2, 8), grid(2, 8)), (torch.zeros(1, 3), torch.zeros(1, 3))],
    gradient=True,
    mistakes=[
        Mistake("lost half", lambda m, v: 2 * _kl(m, v), "exactly twice too large. Which factor stands in front of the closed form?"),
        Mistake(
            "mean over latents",
            lambda m, v: _kl(m, v) / m.shape[-1],
            "independent dimensions add up. Look at how you reduce over the last axis.",
        ),
        Mistake("sign", lambda m, v: -_kl(m, v), "negative. A KL divergence never is: check the sign of the whole expression."),
        Mistake("σ for log σ²", lambda m, v: _kl(m, 2 * v), "right if the second argument were log σ. It is log σ²."),
        Mistake(
            "σ for σ²",
            lambda m, v: _kl(m, v) + 0.5 * ((0.5 * v).exp() - v.exp()).sum(-1),
            "σ stands where σ² belongs. The second argument is log σ²: what undoes a log?",
        ),
        Mistake(
            "log σ² squared",
            lambda m, v: _kl(m, v) + 0.5 * (v.square() - v.exp()).sum(-1),
            "log_var is squared where σ² belongs. It holds log σ²: what undoes a log?",
        ),
        Mistake("summed over the batch", lambda m, v: _kl(m, v).sum(), "one number for the whole batch; one per example is asked for."),
        Mistake("averaged over the batch", lambda m, v: _kl(m, v).mean(), "the mean over the batch; one number per example is asked for."),
        Mistake(
            "summed over axis 0",
            lambda m, v: _kl(m.T, v.T),
            "one number for each latent: axis 0 is the batch. One per example is asked for.",
        ),
        Mistake(
            "μ not squared",
            lambda m, v: _kl(m, v) + 0.5 * (m - m.square()).sum(-1),
            "the mean is not squared: a cloud on the other side of 0 would be paid for being there.",
        ),
        Mistake(
            "μ² left out",
            lambda m, v: _kl(torch.zeros_like(m), v),
            "the mean has no effect. A cloud far from 0 is unlike the prior.",
        ),
        Mistake(
            "σ² left out",
            lambda m, v: _kl(m, v) - 0.5 * v.exp().sum(-1),
            "σ² is not there, so a wide cloud costs less and less. Four terms stand in the bracket.",
        ),
        Mistake(
            "log σ² left out",
            lambda m, v: _kl(m, v) + 0.5 * v.sum(-1),
            "the log is not there, so the narrowest cloud would be the cheapest. Four terms stand in the bracket.",
        ),
        Mistake(
            "½ before μ² alone",
            lambda m, v: 2 * _kl(m, v) - 0.5 * m.square().sum(-1),
            "the ½ reaches the first term only. Look at the brackets.",
        ),
        Mistake(
            "−1 outside the sum",
            lambda m, v: _kl(m, v) + 0.5 * (m.shape[-1] - 1),
            "the 1 is taken away once. It stands inside the sum: once for each latent.",
        ),
        Mistake(
            "+1 for −1",
            lambda m, v: _kl(m, v) + m.shape[-1],
            "too large by the number of latents. At μ = 0 and σ = 1 the KL must be 0: look at the sign of the constant.",
        ),
        Mistake(
            "lost −1",
            lambda m, v: _kl(m, v) + 0.5 * m.shape[-1],
            "too large by the same amount for every example. At μ = 0 and σ = 1 the KL must be 0: which constant is missing?",
        ),
        Mistake(
            "sign of log σ²",
            lambda m, v: _kl(m, v) + v.sum(-1),
            "as if log σ² were added. Its sign decides whether narrow clouds cost something.",
        ),
        Mistake(
            "directions swapped",
            lambda m, v: kl_divergence(Normal(torch.zeros_like(m), torch.ones_like(m)), Normal(m, (0.5 * v).exp())).sum(-1),
            "this is the KL from the prior to the posterior. The posterior comes first.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 3 · The ELBO


def _log_likelihood(x, logits):
    return Bernoulli(logits=logits, validate_args=False).log_prob(x).flatten(1).sum(1)  # NaN, where training diverged, may come out


def _elbo(x, logits, kl):
    return _log_likelihood(x, logits) - kl


def _sigmoid_then_log(x, logits, kl):
    x, p = x.float(), logits.float().sigmoid()  # float32 like the student's own: float64 would round later
    return (x * p.log() + (1 - x) * (1 - p).log()).flatten(1).sum(1) - kl


def _clamped_log(x, logits, kl):
    return -nn.functional.binary_cross_entropy(logits.float().sigmoid(), x.float(), reduction="none").flatten(1).sum(1) - kl


def _clamped(x, logits, kl, margin):
    p = logits.float().sigmoid().clamp(margin, 1 - margin)
    return (x * p.log() + (1 - x) * (1 - p).log()).flatten(1).sum(1) - kl


def _padded(x, logits, kl, margin):
    p = logits.float().sigmoid()
    return (x * (p + margin).log() + (1 - x) * (1 - p + margin).log()).flatten(1).sum(1) - kl


_STRIPES = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
_CROSS = torch.tensor([0.0, 1.0, 1.0, 0.0])
# sigmoid(200) is 1 in floating point, and log(1 − 1) is −∞
_SURE, _SURE_TOO = torch.tensor([200.0, 150.0, -3.0, 1.0]), torch.tensor([-1.0, 3.0, -150.0, 180.0])

ELBO = Task(
    "elbo",
    _elbo,
    cases=[
        (_STRIPES.repeat(6).reshape(3, 1, 4, 4), grid(3, 1, 4, 4), grid(3, low=0.5, high=4)),
        (_CROSS.reshape(1, 1, 2, 2), _SURE.reshape(1, 1, 2, 2), torch.tensor([1.5])),
    ],
    hidden_cases=[
        (_STRIPES.repeat(6).reshape(2, 3, 4, 2).flip(2), grid(2, 3, 4, 2) * 2, grid(2, low=3, high=5)),
        (_CROSS.reshape(2, 1, 1, 2), _SURE_TOO.reshape(2, 1, 1, 2), torch.tensor([0.0, 2.0])),
    ],
    gradient=("logits", "kl"),
    tolerance=2e-5,
    mistakes=[
        Mistake(
            "the loss",
            lambda x, a, kl: kl - _log_likelihood(x, a),
            "this is the loss. The ELBO, its negative, is what we maximise.",
        ),
        Mistake(
            "−log p for log p",
            lambda x, a, kl: -_log_likelihood(x, a) - kl,
            "the likelihood has the wrong sign, the KL the right one. A cross-entropy is −log p: it is small where the fit is good.",
        ),
        Mistake(
            "averaged over everything",
            lambda x, a, kl: _log_likelihood(x, a).mean() / x[0].numel() - kl,
            "the likelihood is averaged over pixels and images, PyTorch's default reduction. The pixels of each image add up.",
        ),
        Mistake(
            "summed over everything",
            lambda x, a, kl: _log_likelihood(x, a).sum() - kl,
            "the likelihood is summed over the images too: each one gets that of the whole batch. Add up its own pixels alone.",
        ),
        Mistake(
            "averaged over the images",
            lambda x, a, kl: _log_likelihood(x, a).mean() - kl,
            "every image gets the mean likelihood of the batch. `reduction='sum'` adds up the images too: keep them apart.",
        ),
        Mistake(
            "arguments swapped",
            lambda x, a, kl: Bernoulli(logits=x, validate_args=False).log_prob(a).flatten(1).sum(1) - kl,
            "the image and the logits have changed places. In which order does your cross-entropy take them?",
        ),
        Mistake(
            "sign of the logits",
            lambda x, a, kl: _log_likelihood(x, -a) - kl,
            "the logits have the wrong sign: where the decoder is sure of ink, you read paper.",
        ),
        Mistake("KL added", lambda x, a, kl: _log_likelihood(x, a) + kl, "the KL is a cost. Here a dear cloud makes the bound better."),
        Mistake(
            "KL left out",
            lambda x, a, kl: _log_likelihood(x, a),
            "the reconstruction term alone: what does the cloud cost?",
        ),
        Mistake(
            "KL in every pixel",
            lambda x, a, kl: _log_likelihood(x, a) - x[0].numel() * kl,
            "the KL is subtracted in every pixel, before the sum. Each image pays it once.",
        ),
        Mistake(
            "averaged over pixels",
            lambda x, a, kl: _log_likelihood(x, a) / x[0].numel() - kl,
            "the likelihood is averaged over pixels, the KL is summed over latents. Log-probabilities of pixels add up.",
        ),
        Mistake(
            "averaged over the batch",
            lambda x, a, kl: (_log_likelihood(x, a) - kl).mean(),
            "one number for the whole batch; the ELBO of each example is asked for.",
        ),
        Mistake(
            "sigmoid, then log",
            _sigmoid_then_log,
            "right for small logits, infinite or NaN for large ones: sigmoid rounds to 1, and log(1 − 1) is −∞. Work on logits.",
        ),
        Mistake(
            "sigmoid, then clamped log",
            _clamped_log,
            "right for small logits, but PyTorch stops at −100 where sigmoid has rounded to 0 or 1. There is a version that takes logits.",
        ),
        Mistake(
            "probabilities clamped",
            partial(_clamped, margin=1e-7),
            "the clamp keeps the log finite, but wrong: a dark pixel at logit 200 costs 200 nats, yours stops at the log of the margin. "
            "What sigmoid has rounded away does not come back: look for a function that takes the logits.",
            forms=[partial(_clamped, margin=10.0**-n) for n in (2, 3, 4, 5, 6)],
        ),
        Mistake(
            "a small number in the log",
            partial(_padded, margin=1e-8),
            "the number in the log keeps it finite, but wrong: a dark pixel at logit 200 costs 200 nats, yours stops at the log of that "
            "number. What sigmoid has rounded away does not come back: look for a function that takes the logits.",
            forms=[partial(_padded, margin=10.0**-n) for n in (3, 4, 5, 6, 7, 9, 10, 12, 15, 20)],
        ),
        Mistake(
            "sigmoid twice",
            lambda x, a, kl: _log_likelihood(x, a.sigmoid()) - kl,
            "the sigmoid is applied twice: your function takes logits and gets probabilities.",
        ),
        Mistake(
            "squared error",
            lambda x, a, kl: -(x - a.sigmoid()).square().flatten(1).sum(1) - kl,
            "this is a squared error. Which log-probability does a Bernoulli give to each pixel?",
        ),
        Mistake(
            "dark pixels forgotten",
            lambda x, a, kl: (x * nn.functional.logsigmoid(a)).flatten(1).sum(1) - kl,
            "only the bright pixels count. A dark pixel that is predicted bright must cost something too.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 4 · The importance-weighted bound


def _log_mean_exp(log_weights):
    return torch.from_numpy(np.asarray(logsumexp(log_weights.numpy(), axis=0, b=1 / len(log_weights))))


def _iwae(log_likelihood, log_prior, log_posterior):
    return _log_mean_exp(log_likelihood + log_prior - log_posterior)


def _naive_iwae(a, p, q):
    weights = (a + p - q).float().exp()  # float32: what the student's own naive version computes
    return weights.mean(0).log()


def _padded_iwae(a, p, q, margin):
    return ((a + p - q).float().exp().mean(0) + margin).log()


def _one_largest(a, p, q):
    log_weights = a + p - q
    return log_weights.max() + (log_weights - log_weights.max()).exp().mean(0).log()


_FAR = torch.tensor([[-1000.0, -5.0], [-1001.0, -6.0]])  # two images, hundreds of nats apart

IWAE_BOUND = Task(
    "iwae_bound",
    _iwae,
    cases=[
        (grid(5, 3), grid(5, 3).flip(0) - 1, grid(5, 3).sin()),
        (grid(4, 2) * 3 - 1000, grid(4, 2).cos() - 9, grid(4, 2).flip(1)),
        (_FAR, grid(2, 2), grid(2, 2).flip(0)),
    ],
    hidden_cases=[
        (grid(3, 4).sin() * 4 - 1200, grid(3, 4) - 5, grid(3, 4).flip(0)),
        (grid(7, 1).exp(), grid(7, 1), grid(7, 1).flip(0)),
        (grid(1, 3), grid(1, 3).flip(1), grid(1, 3) ** 2),
        (_FAR.flip(1) * 2 - 3, grid(2, 2).cos(), grid(2, 2)),
    ],
    mistakes=[
        Mistake(
            "mean of the logs",
            lambda a, p, q: (a + p - q).mean(0),
            "the mean of the logs is the ELBO again. Here the mean comes before the log.",
        ),
        Mistake(
            "log k forgotten",
            lambda a, p, q: torch.logsumexp(a + p - q, 0),
            "too large by log k: the log of the sum of the weights. The bound takes their mean.",
        ),
        Mistake(
            "log k added",
            lambda a, p, q: torch.logsumexp(a + p - q, 0) + np.log(len(a)),
            "too large by 2 log k: the log of k has the wrong sign. Dividing by k inside a log is what outside it?",
        ),
        Mistake(
            "log of the batch",
            lambda a, p, q: torch.logsumexp(a + p - q, 0) - np.log(a.shape[1]),
            "the sum is divided by the number of images. The mean is over the k samples: which axis is theirs?",
        ),
        Mistake(
            "divided by k after the log",
            lambda a, p, q: torch.logsumexp(a + p - q, 0) / len(a),
            "the division by k happens after the log. Inside the log it would be a mean: what is it outside?",
        ),
        Mistake(
            "underflow",
            _naive_iwae,
            "right for moderate weights, but −∞ at log weights near −1000: exp underflows to 0. Keep the largest one out of the exp.",
        ),
        Mistake(
            "a small number in the log",
            partial(_padded_iwae, margin=1e-8),
            "the number added inside the log hides the −∞, but unlikely images get its log. Keep the largest weight out of the exp.",
            forms=[partial(_padded_iwae, margin=10.0**-n) for n in (3, 4, 5, 6, 7, 9, 10, 12, 15, 20, 30)],
        ),
        Mistake(
            "one largest for the batch",
            _one_largest,
            "right for images of like likelihood, −∞ for one far below the others: its largest log weight is that of the whole batch.",
        ),
        Mistake(
            "largest not added back",
            lambda a, p, q: _iwae(a, p, q) - (a + p - q).amax(0),
            "the largest log weight is taken out of the exp, but not given back after the log.",
        ),
        Mistake("wrong axis", lambda a, p, q: _iwae(a.T, p.T, q.T), "reduced over the batch. The first axis holds the k samples."),
        Mistake(
            "posterior multiplied",
            lambda a, p, q: _iwae(a, p, -q),
            "q multiplies here. An importance weight divides by the proposal.",
        ),
        Mistake(
            "posterior left out",
            lambda a, p, q: _iwae(a, p, 0 * q),
            "the weights lack q, from which the samples came.",
        ),
        Mistake("prior left out", lambda a, p, q: _iwae(a, 0 * p, q), "the weights lack p(z): the joint is likelihood times prior."),
        Mistake(
            "prior and posterior swapped",
            lambda a, p, q: _iwae(a, q, p),
            "p(z) and q(z | x) have changed places: the proposal belongs in the denominator.",
        ),
        Mistake(
            "likelihood alone",
            lambda a, p, q: _log_mean_exp(a),
            "the likelihoods alone are averaged, as if z came from the prior. It came from q: the weights must say so.",
        ),
        Mistake(
            "three sums",
            lambda a, p, q: _log_mean_exp(a) + _log_mean_exp(p) - _log_mean_exp(q),
            "the three densities are averaged one by one. First form the weight of each sample, then average.",
        ),
        Mistake("largest weight", lambda a, p, q: (a + p - q).amax(0), "this is the largest log weight alone. The others count too."),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 5 · β and annealing


def _kl_weight(step, warm_up, beta, cycle=None):
    time = step if cycle is None else np.mod(step, cycle)
    return float(np.interp(time, [0, warm_up], [0, beta])) if warm_up else float(beta)


def _ramp(step, warm_up):
    return step / warm_up if warm_up else 1.0


def _time(step, cycle):
    return step % cycle if cycle else step


KL_WEIGHT = Task(
    "kl_weight",
    _kl_weight,
    cases=[
        *((0, 100, 1.0, None), (25, 100, 1.0, None), (50, 100, 4.0, None), (250, 100, 2.0, None), (30, 0, 1.5, None)),
        *((130, 40, 2.0, 100), (190, 40, 2.0, 100), (30, 40, 2.0, 100), (230, 40, 2.0, 100), (130, 0, 1.5, 100)),
    ],
    hidden_cases=[
        *((7, 10, 0.5, None), (10, 10, 3.0, None), (99, 10, 0.25, None), (0, 0, 4.0, None)),
        *((405, 20, 6.0, 200), (200, 20, 6.0, 200), (5, 20, 6.0, 200), (630, 20, 6.0, 200), (90, 0, 2.0, 40)),
    ],
    mistakes=[
        Mistake(
            "no cap",
            lambda s, w, b, c: b * _ramp(_time(s, c), w),
            "the weight keeps growing after the warm-up. Where does it stop?",
        ),
        Mistake(
            "max for min",
            lambda s, w, b, c: b * max(1.0, _ramp(_time(s, c), w)),
            "β from the start, and more after the warm-up: the larger of two numbers is taken where the smaller is asked for.",
        ),
        Mistake("β forgotten", lambda s, w, b, c: min(1.0, _ramp(_time(s, c), w)) if w else b, "the weight ends at 1 whatever β is."),
        Mistake(
            "capped at 1",
            lambda s, w, b, c: min(1.0, b * _ramp(_time(s, c), w)) if w else b,
            "the product is capped at 1. Cap the ramp first, then multiply.",
        ),
        Mistake(
            "capped at β",
            lambda s, w, b, c: min(b, _ramp(_time(s, c), w)) if w else b,
            "the ramp rises to 1 at the end of the warm-up and is cut at β. It should pass through β / 2 half-way.",
        ),
        Mistake(
            "0 without a warm-up",
            lambda s, w, b, c: _kl_weight(s, w, b, c) if w else 0.0,
            "right with a warm-up. Without one the weight is 0 for ever: which weight is asked for from the first step?",
        ),
        Mistake(
            "a jump",
            lambda s, w, b, c: b * float(_time(s, c) >= w),
            "0 and then suddenly β. Half-way through the warm-up the weight is β / 2: is a division rounded down?",
        ),
        Mistake(
            "falling",
            lambda s, w, b, c: b * (1 - min(1.0, _ramp(_time(s, c), w))) if w else b,
            "it falls from β to 0. The KL should start free.",
        ),
        Mistake(
            "cycle ignored",
            lambda s, w, b, c: _kl_weight(s, w, b),
            "right without a cycle. With one, the ramp begins again.",
        ),
        Mistake(
            "cycle taken away once",
            lambda s, w, b, c: b * min(1.0, _ramp(s - (c or 0), w)),
            "`cycle` is taken away from the step once. Time starts again in every cycle, and in the first one it needs no change.",
            forms=[lambda s, w, b, c: b * min(1.0, _ramp(s - c if c and s >= c else s, w))],
        ),
        Mistake(
            "cycle shifted",
            lambda s, w, b, c: b * min(1.0, _ramp((s - w) % c if c else s, w)),
            "the ramp begins again at the wrong time: with a cycle, t is 0 at step 0, `cycle`, 2 · `cycle` and so on.",
            forms=[lambda s, w, b, c: b * min(1.0, _ramp((s + w) % c if c else s, w))],
        ),
        Mistake(
            "remainder by the warm-up",
            lambda s, w, b, c: b * min(1.0, _ramp(s % w if c and w else s, w)),
            "time starts again after every warm-up, so the weight never rests at β. After how many steps should it?",
            forms=[lambda s, w, b, c: b * min(1.0, _ramp(s % w if w else s, w))],
        ),
        Mistake(
            "cycles counted",
            lambda s, w, b, c: b * min(1.0, _ramp(s // c if c else s, w)),
            "`//` counts the cycles that are over. How far into the present one is this step?",
        ),
        Mistake(
            "ramp over the whole cycle",
            lambda s, w, b, c: b * min(1.0, _ramp(_time(s, c), c or w)),
            "with a cycle, the ramp takes the whole of it. The warm-up takes `warm_up` steps in each cycle.",
        ),
        Mistake(
            "one step early",
            lambda s, w, b, c: b * min(1.0, _ramp(_time(s, c) + 1, w)),
            "one step ahead: at step 0 the weight should be 0.",
        ),
    ],
)


@torch.no_grad()
def measure(vae: nn.Module, x: Tensor, draws: int = 8) -> dict[str, float]:
    """What a VAE of the exercise reaches on x: its ELBO (true β = 1, nats) and how many latents carry more than 0.1 nats.

    vae: has `latents`, `encoder(x)` → (batch, 2 · latents), mean then log σ², and `decoder(z)` → logits shaped like x;
        its `warmed_up`, if there is one, is the share of β that the weight had at the end of training
    x: (batch, channels, height, width) in [0, 1]

    The noise is a Sobol sequence through the normal's quantile function: the same on every platform, and closer than random draws.
    """
    mean, log_var = vae.encoder(x).double().chunk(2, 1)
    sobol = torch.quasirandom.SobolEngine(vae.latents).fast_forward(1)  # its first point is 0, which has no quantile
    noise = torch.special.ndtri(sobol.draw(draws * len(x), dtype=torch.float64)).reshape(draws, len(x), vae.latents)
    z = (mean + (0.5 * log_var).exp() * noise).to(x.dtype)
    likelihood = torch.stack([_log_likelihood(x, vae.decoder(each)).double() for each in z]).mean()
    cloud = Normal(mean, (0.5 * log_var).exp(), validate_args=False)
    kl = kl_divergence(cloud, Normal(torch.zeros_like(mean), torch.ones_like(mean))).mean(0)
    return {
        "ELBO": float(likelihood - kl.sum()),
        "latents in use": int((kl > 0.1).sum()),
        "KL": float(kl.sum()),
        "final weight / β": getattr(vae, "warmed_up", 1.0),
    }


EXPERIMENT = Goal(
    "experiment",
    {"ELBO": -19.6, "latents in use": 4, "final weight / β": 0.99},
    slack={"ELBO": 0.3, "latents in use": 1, "final weight / β": 0.0},
    settings=("beta", "warm_up", "cycle"),
    rules={
        "beta": (lambda value: is_number(value, 0), "a number, 0 or more"),
        "warm_up": (lambda value: is_number(value, 0), "a number of steps, 0 or more"),
        "cycle": (lambda value: value is None or is_number(value, 1), "a number of steps, at least 1, or None"),
    },
    mistakes=[
        Mistake(
            "collapsed",
            lambda m: m["latents in use"] == 0,
            "Every cloud has become the prior and the decoder gets no message: the KL costs too much, or too much too early.",
        ),
        Mistake(
            "warm-up not over",
            lambda m: m["final weight / β"] < 0.99,
            "The training ended before the weight had risen to β. How many steps are there in all? With a cycle: how many in each?",
        ),
        Mistake(
            "KL too cheap",
            lambda m: m["ELBO"] < -19.6 and m["KL"] > 5.7,
            "Many nats pass through the latents, and the true bound pays for each of them: the KL was too cheap.",
        ),
        Mistake(
            "KL too dear",
            lambda m: m["KL"] < 2.5,
            "Hardly a nat passes through the latents: the KL is too dear at the end. Which β does the true bound have?",
        ),
        Mistake(
            "too dear too early",
            lambda m: m["latents in use"] < 4,
            "Some latents were switched off before the decoder could use them. Let the KL become dear later.",
        ),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# 6 · Anomaly detection


def _flag(scores, threshold):
    return threshold, scores > threshold


def _quantile(scores, level):
    return torch.tensor(np.quantile(scores.numpy(), level))


def _detect(normal_scores, scores, rate):
    return _flag(scores, _quantile(normal_scores, 1 - rate))


_NORMAL = grid(43, low=-1.2, high=1.7) ** 3 + 2.0
_NEW = grid(9, low=-1.0, high=6.8)
# At rate ¼ the quantile lies half-way between two scores, 49 and 64: 56.5 in every precision. One new score is just that.
_SQUARES = torch.tensor([4.0, 81, 0, 36, 100, 9, 64, 1, 25, 49, 16])
_AROUND = torch.tensor([40.0, 52, 56.5, 60, 70, 120, -3, -80])


def _no_interpolation(n, s, r):
    return _flag(s, n.sort().values[int(len(n) * (1 - r))])


def _at_least(n, s, r):
    return _quantile(n, 1 - r), s >= _quantile(n, 1 - r)


DETECT = Task(
    "detect",
    _detect,
    cases=[(_NORMAL, _NEW, 0.1), (_NORMAL.flip(0) * 10, _NEW * 10 + 1, 0.25), (_SQUARES, _AROUND, 0.25)],
    hidden_cases=[
        *((grid(30).exp(), grid(12, low=0, high=5), 0.05), (-grid(25).square(), grid(6, low=-4, high=0.3), 0.4)),
        (_SQUARES.flip(0) / 2 - 9, _AROUND.flip(0) / 2 - 9, 0.25),
    ],
    results=("threshold", "flags"),
    tolerance=2e-5,
    mistakes=[
        Mistake(
            "wrong tail",
            lambda n, s, r: _flag(s, _quantile(n, r)),
            "almost everything is flagged: this is the wrong tail.",
        ),
        Mistake(
            "threshold from the new data",
            lambda n, s, r: _flag(s, _quantile(s, 1 - r)),
            "the threshold comes from the new scores. Then a fixed share is always flagged, anomalies or none.",
        ),
        Mistake(
            "threshold from both",
            lambda n, s, r: _flag(s, _quantile(torch.cat([n, s]), 1 - r)),
            "the threshold comes from both sets of scores. The new ones may hold anomalies: they must not move it.",
        ),
        Mistake(
            "flags reversed",
            lambda n, s, r: (_quantile(n, 1 - r), s < _quantile(n, 1 - r)),
            "the threshold is right, but the normal images are flagged. High scores are those of anomalies.",
        ),
        Mistake("percent", lambda n, s, r: _flag(s, _quantile(n, 1 - r / 100)), "the rate is a fraction already: 0.1 is 10 %."),
        Mistake(
            "mean plus two σ",
            lambda n, s, r: _flag(s, n.mean() + 2 * n.std()),
            "mean plus two standard deviations: the rate that is asked for has no effect, and scores are no Gaussian.",
        ),
        Mistake("the maximum", lambda n, s, r: _flag(s, n.max()), "the largest normal score: the rate would be 0 whatever is asked for."),
        Mistake(
            "the threshold flagged",
            _at_least,
            "a score that equals the threshold is flagged. Only scores above it should be.",
        ),
        Mistake(
            "no interpolation",
            _no_interpolation,
            "your threshold is always one of the normal scores. The quantile may lie between two of them.",
        ),
        Mistake(
            "rounded down",
            lambda n, s, r: _flag(s, torch.tensor(np.quantile(n.numpy(), 1 - r, method="lower"))),
            "the quantile is rounded to the score below it. The default interpolation is asked for.",
        ),
        Mistake(
            "sign of the scores lost",
            lambda n, s, r: (_quantile(n, 1 - r), s.abs() > _quantile(n, 1 - r)),
            "the size of a score is compared, without its sign: a very normal image has a score far below 0.",
            forms=[lambda n, s, r: _flag(s.abs(), _quantile(n.abs(), 1 - r))],
        ),
        Mistake("two-sided", lambda n, s, r: _flag(s, _quantile(n, 1 - r / 2)), "half the rate: only the upper tail counts here."),
    ],
)


def _auroc(normal_scores, anomalous_scores):
    from sklearn.metrics import roc_auc_score  # half a second that only this task needs

    labels = np.r_[np.zeros(len(normal_scores)), np.ones(len(anomalous_scores))]
    return torch.tensor(roc_auc_score(labels, np.r_[normal_scores.numpy(), anomalous_scores.numpy()]))


def _wins(normal, anomalous):
    return (anomalous[:, None] > normal).double()


def _ties(normal, anomalous):
    return (anomalous[:, None] == normal).double()


def _best_accuracy(normal, anomalous):
    levels = torch.cat([normal, anomalous])
    right = (anomalous[:, None] >= levels).sum(0) + (normal[:, None] < levels).sum(0)
    return right.max().double() / len(levels)


_STEPS, _NEARLY = torch.arange(5.0), torch.tensor([0.002, 0.0, 0.004, 0.008])  # close, but no ties

AUROC = Task(
    "auroc",
    _auroc,
    cases=[(grid(8).round(), grid(6, low=-1, high=2.5).round()), (grid(5), grid(3, low=-0.6, high=4)), (_STEPS, _STEPS[1:] + _NEARLY)],
    hidden_cases=[
        *((grid(10).mul(2).round(), grid(7, high=3).mul(2).round()), (grid(4), grid(9) + 5), (torch.zeros(3), torch.zeros(4))),
        (_STEPS[1:] - 2, _STEPS - 2 - _NEARLY[:1]),
    ],
    mistakes=[
        Mistake("reversed", lambda n, a: 1 - _auroc(n, a), "1 minus the right value: which scores should be the higher?"),
        Mistake("ties lost", lambda n, a: _wins(n, a).mean(), "ties are lost. A tie is a coin toss: what is it worth?"),
        Mistake("ties won", lambda n, a: (_wins(n, a) + _ties(n, a)).mean(), "ties are won. A tie is a coin toss: what is it worth?"),
        Mistake("counted", lambda n, a: (_wins(n, a) + _ties(n, a) / 2).sum(), "the number of pairs won. What share of all pairs is that?"),
        Mistake(
            "divided by the images",
            lambda n, a: (_wins(n, a) + _ties(n, a) / 2).sum() / (len(n) + len(a)),
            "divided by the number of images. How many pairs are there?",
            forms=[
                lambda n, a: (_wins(n, a) + _ties(n, a) / 2).sum() / len(n),
                lambda n, a: (_wins(n, a) + _ties(n, a) / 2).sum() / len(a),
            ],
        ),
        Mistake(
            "signs averaged",
            lambda n, a: _wins(n, a).mean() - (1 - _wins(n, a) - _ties(n, a)).mean(),
            "a lost pair counts −1, so pure chance gives 0. What is a lost pair worth here, and what a tie?",
        ),
        Mistake(
            "paired in order",
            lambda n, a: (_wins(n, a) + _ties(n, a) / 2).diagonal().mean(),
            "the scores are paired one by one. Every anomalous score meets every normal one.",
            forms=[
                lambda n, a: (_wins(n, a) + _ties(n, a) / 2).diagonal().sum() / len(n),
                lambda n, a: (_wins(n, a) + _ties(n, a) / 2).diagonal().sum() / len(a),
                lambda n, a: (_wins(n, a) + _ties(n, a) / 2).diagonal().sum() / len(n) / len(a),
            ],
        ),
        Mistake("best accuracy", _best_accuracy, "the accuracy at the best threshold. The AUROC needs no threshold: it compares pairs."),
    ],
)

# --------------------------------------------------------------------------------------------------------------------
# More, without points: free bits and fair sampling


def _free_bits(kl, floor):
    return torch.maximum(kl.mean(0), torch.full_like(kl[0], floor)).sum()


# Latents above the floor and below it: their means are 0.1, 2.1, 0.3 and 1.4 nats, then twice 0.2 and 1.2.
_MIXED = torch.tensor([[0.0, 1.5, 0.2, 2.0], [0.25, 2.5, 0.7, 1.0], [0.05, 2.3, 0.0, 1.2]])
_HALF = torch.tensor([[0.1, 0.9], [0.3, 1.5], [0.2, 1.2]])

FREE_BITS = Task(
    "free_bits",
    _free_bits,
    cases=[(_MIXED, 0.5), (_HALF, 1.0)],
    hidden_cases=[(grid(6, 3, low=0, high=3) * torch.tensor([0.2, 2.0, 0.4]), 0.9), (_HALF.flip(0) / 2, 0.5)],
    gradient=True,
    mistakes=[
        Mistake(
            "floor before the mean",
            lambda kl, floor: kl.clamp(min=floor).mean(0).sum(),
            "the floor is applied to each image. A latent may be quiet for one image if it speaks for others: average first.",
        ),
        Mistake(
            "one floor for all latents",
            lambda kl, floor: kl.sum(1).mean().clamp(min=floor),
            "one floor for the sum. Then one busy latent pays for all, and the rest may switch off.",
        ),
        Mistake("capped", lambda kl, floor: kl.mean(0).clamp(max=floor).sum(), "the KL is cut from above. Which latents should be spared?"),
        Mistake("floor added", lambda kl, floor: (kl.mean(0) + floor).sum(), "the floor is added: a constant, which changes no gradient."),
        Mistake("mean over latents", lambda kl, floor: kl.mean(0).clamp(min=floor).mean(), "latents add up, and here they are averaged."),
        Mistake(
            "floor after the mean of all",
            lambda kl, floor: kl.mean().clamp(min=floor) * kl.shape[1],
            "the floor meets the mean over all latents. Then one busy latent pays for the rest: give each its own floor.",
        ),
        Mistake(
            "wrong axis",
            lambda kl, floor: kl.mean(1).clamp(min=floor).sum(),
            "averaged over the latents, summed over the images. Which axis is the batch?",
            forms=[lambda kl, floor: kl.mean(1).clamp(min=floor).mean()],
        ),
        Mistake(
            "batch summed",
            lambda kl, floor: kl.sum(0).clamp(min=floor).sum(),
            "the batch is summed, not averaged: in a large one every latent is above the floor.",
        ),
        Mistake(
            "only what lies above",
            lambda kl, floor: (kl.mean(0) - floor).relu().sum(),
            "only what lies above the floor is counted. The gradients are right; the formula counts the floor too.",
        ),
    ],
)


def _resampling(density, alpha):
    return torch.from_numpy(softmax(-np.log(density.numpy() + alpha).sum(1)))


RESAMPLING = Task(
    "resampling_weights",
    _resampling,
    cases=[(grid(5, 3, low=0.05, high=1.4).sin(), 0.1), (grid(4, 2, low=0.2, high=2).flip(1) ** 2, 0.5)],
    hidden_cases=[(grid(6, 2, low=0.04, high=3), 0.02)],
    mistakes=[
        Mistake("not normalised", lambda q, a: 1 / (q + a).prod(1), "these are not probabilities: they do not add up to 1."),
        Mistake("common, not rare", lambda q, a: (q + a).prod(1) / (q + a).prod(1).sum(), "the ordinary images come most often here."),
        Mistake(
            "sum over latents", lambda q, a: (1 / (q + a)).sum(1) / (1 / (q + a)).sum(), "summed over the latents; the formula multiplies."
        ),
        Mistake(
            "sum of densities",
            lambda q, a: (1 / (q.sum(1) + a)) / (1 / (q.sum(1) + a)).sum(),
            "the densities are added up; the formula multiplies over the latents, with α in each factor.",
        ),
        Mistake(
            "softmax of the weights",
            lambda q, a: (1 / (q + a).prod(1)).softmax(0),
            "a softmax takes the exp of the weights: the largest wins nearly always. In proportion means divided by the sum.",
        ),
        Mistake("α left out", lambda q, a: (1 / q.prod(1)) / (1 / q.prod(1)).sum(), "α has no effect, so one odd image can take over."),
        Mistake(
            "α after the product",
            lambda q, a: (1 / (q.prod(1) + a)) / (1 / (q.prod(1) + a)).sum(),
            "α is added to the product. Each latent's density gets its own.",
        ),
    ],
)

TASKS: tuple[Task | Goal, ...] = (
    *(LINEAR_BOTTLENECK, DENOISING),
    *(REPARAMETERISE, GAUSSIAN_KL, ELBO, IWAE_BOUND, KL_WEIGHT, EXPERIMENT, DETECT, AUROC),
    *(FREE_BITS, RESAMPLING),
)
