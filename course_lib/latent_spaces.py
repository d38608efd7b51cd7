"""Before the networks: a table of every image, linear codes, mixtures, and paths through a latent space.

What scikit-learn has, the lecture takes from there. Data are float tensors, one example a row, images (n, channels, height, width).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .distributions import LOG_2PI, entropy
from .nn import labels, tensors

# --- a table of every image


class JointTable:
    """p(x) of a tiny grid of binary pixels: one probability for each of the 2^(height · width) images.

    Args:
        p: (2^(height · width),), adds up to 1. The first pixel is the most significant bit of the index
        shape: (height, width), at most 16 pixels

    Raises:
        ValueError: p has another length, a negative entry, or does not add up to 1
    """

    @tensors(finite="p")
    def __init__(self, p: Tensor, shape: tuple[int, int] = (2, 2)):
        pixels = math.prod(shape)
        if pixels > 16:
            raise ValueError(f"a table of {pixels} pixels has {2**pixels:,} entries; at most 16 pixels are allowed")
        if p.shape != (2**pixels,):
            raise ValueError(f"a grid of shape {tuple(shape)} needs {2**pixels} probabilities p in one row, got shape {tuple(p.shape)}")
        if p.min() < 0 or not math.isclose(p.sum().item(), 1, abs_tol=1e-4):
            raise ValueError(f"probabilities p are at least 0 and add up to 1; these have minimum {p.min():.3g} and sum {p.sum():.4g}")
        self.p, self.shape = p, tuple(shape)
        index = torch.arange(2**pixels, device=p.device)
        self.bits = torch.arange(pixels - 1, -1, -1, device=p.device)
        self.states = (index[:, None] >> self.bits & 1).view(-1, *shape)

    @classmethod
    @tensors(finite="x")
    def from_images(cls, x: Tensor, smoothing: float = 0.0) -> "JointTable":
        """Count how often each image occurs: x (n, height, width) of 0 and 1; `smoothing` is added to every count."""
        if not len(x) or not ((x == 0) | (x == 1)).all():
            raise ValueError("x must be images of 0 and 1, one or more")
        pixels = math.prod(x.shape[1:])
        bits = torch.arange(pixels - 1, -1, -1, device=x.device)
        counts = torch.bincount((x.flatten(1).long() << bits).sum(1), minlength=2**pixels) + smoothing
        return cls(counts / counts.sum(), tuple(x.shape[1:]))

    @tensors(finite="x")
    def index(self, x: Tensor) -> Tensor:
        """The place of each image in the table: (batch, height, width) → (batch,)."""
        if tuple(x.shape[1:]) != self.shape or not ((x == 0) | (x == 1)).all():
            raise ValueError(f"x must be images (batch, {self.shape[0]}, {self.shape[1]}) of 0 and 1, got {tuple(x.shape)}")
        return (x.flatten(1).long() << self.bits).sum(1)

    def log_prob(self, x: Tensor) -> Tensor:
        """(batch, height, width) of 0 and 1 → (batch,), nats; −∞ for an image that never occurred."""
        return self.p.log()[self.index(x)]

    @tensors(finite="known")
    def conditional(self, known: Tensor) -> Tensor:
        """p(image | known pixels): keep the images that agree, and divide by their sum.

        Args:
            known: (height, width) of 0, 1, and −1 where a pixel is not known

        Returns:
            (2^(height · width),), 0 for an image that disagrees

        Raises:
            ValueError: the known pixels have probability 0, so nothing can be said of the rest
        """
        agrees = ((self.states == known) | (known < 0)).flatten(1).all(1)
        joint = self.p * agrees
        if joint.sum() == 0:
            raise ValueError("no image of this table has the pixels of known: their probability is 0, and a conditional would divide by it")
        return joint / joint.sum()

    def pixel_marginals(self, known: Tensor | None = None) -> Tensor:
        """p(pixel = 1 | known pixels), (height, width)."""
        p = self.p if known is None else self.conditional(known)
        return (p[:, None, None] * self.states).sum(0)

    def complete(self, known: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """In-painting: n images that agree with the known pixels, drawn from the conditional, (n, height, width)."""
        return self.states[torch.multinomial(self.conditional(known), n, replacement=True, generator=generator)]

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """(n, height, width) of 0 and 1."""
        return self.states[torch.multinomial(self.p, n, replacement=True, generator=generator)]

    def entropy(self) -> Tensor:
        """Nats."""
        return entropy(self.p)


def table_size(pixels: int, values: int = 2) -> int:
    """Free numbers of a full joint table: values^pixels − 1, since the last follows from the sum."""
    return values**pixels - 1


@tensors(whole="x")
def patches(x: Tensor, size: int) -> Tensor:
    """Every patch of size × size, side by side: (n, 1, height, width) → (m, size, size)."""
    n, _, height, width = x.shape
    x = x[:, 0, : height // size * size, : width // size * size]
    return x.unfold(1, size, size).unfold(2, size, size).reshape(-1, size, size)


# --- linear codes


class PCA:
    """Principal components: the best linear code of a given size.

    Args:
        x: (n, ...), data
        latents: components kept, at most the number of dimensions

    Source: Hotelling 1933; Bishop, Pattern Recognition and Machine Learning, section 12.1.
    """

    @tensors(finite="x")
    def __init__(self, x: Tensor, latents: int):
        self.shape, flat = tuple(x.shape[1:]), x.flatten(1)
        dims = flat.shape[1]
        if not len(x):
            raise ValueError("x must have one row or more")
        if not 1 <= latents <= dims:
            raise ValueError(f"data of {dims} dimensions have 1 to {dims} components, got latents={latents}")
        self.mean = flat.mean(0)
        centred = flat - self.mean
        # the covariance is symmetric: eigh is exact and cheap, and returns the smallest eigenvalue first
        variances, vectors = torch.linalg.eigh(centred.T @ centred / len(flat))
        variances, vectors = variances.flip(0).clamp(min=0), vectors.flip(1).T
        self.variances, self.components = variances[:latents], vectors[:latents]
        self.total_variance = variances.sum()

    @property
    def explained(self) -> Tensor:
        """Share of the variance that the first 1, 2, … components keep, (latents,)."""
        return self.variances.cumsum(0) / self.total_variance

    @tensors
    def encode(self, x: Tensor) -> Tensor:
        """(batch, ...) → (batch, latents)."""
        return (x.flatten(1).to(self.mean) - self.mean) @ self.components.T

    @tensors
    def decode(self, z: Tensor) -> Tensor:
        """(batch, k) → (batch, ...), from the first k components."""
        return (self.mean + z.to(self.mean) @ self.components[: z.shape[1]]).view(-1, *self.shape)

    def reconstruct(self, x: Tensor, keep: int | None = None) -> Tensor:
        """Through the first `keep` components and back; all of them when left out."""
        return self.decode(self.encode(x)[:, :keep])


class ProbabilisticPCA(PCA):
    """PCA with a density: z ~ N(0, I), x = W z + mean + noise of variance σ² in every direction. The fit has a closed form.

    Args:
        latents: fewer than the number of dimensions, since σ² is the mean variance of the directions left out

    Source: Tipping & Bishop 1999 (doi:10.1111/1467-9868.00196), equations 6 to 8.
    """

    def __init__(self, x: Tensor, latents: int):
        super().__init__(x, latents)
        self.dims, self.latents = len(self.mean), latents
        if latents == self.dims:
            raise ValueError(f"no direction is left for the noise: choose latents below {self.dims}")
        self.noise_variance = ((self.total_variance - self.variances.sum()) / (self.dims - latents)).clamp(min=1e-12)
        self.scale = (self.variances - self.noise_variance).clamp(min=0).sqrt()  # W = components · scale

    @tensors
    def encode(self, x: Tensor) -> Tensor:
        """Mean of p(z | x): (batch, ...) → (batch, latents). It shrinks towards 0, the more the noisier the direction."""
        return super().encode(x) * self.scale / (self.scale.square() + self.noise_variance)

    @tensors
    def decode(self, z: Tensor) -> Tensor:
        """Mean of p(x | z)."""
        return super().decode(z.to(self.scale) * self.scale[: z.shape[1]])

    @tensors
    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-likelihood: (batch, ...) → (batch,), nats.

        The covariance has variance λ_j along the components and σ² in every other direction, so it needs no inverse.
        """
        along = super().encode(x).square()
        rest = (x.flatten(1).to(self.mean) - self.mean).square().sum(1) - along.sum(1)
        log_det = self.variances.log().sum() + (self.dims - self.latents) * self.noise_variance.log()
        return -0.5 * (self.dims * LOG_2PI + log_det + (along / self.variances).sum(1) + rest / self.noise_variance)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Images with their noise, (n, ...); `decode` of a random z is the image without it."""
        z, noise = (torch.randn(n, size, generator=generator).to(self.mean) for size in (self.latents, self.dims))
        return self.decode(z) + self.noise_variance.sqrt() * noise.view(-1, *self.shape)


@tensors(finite="variances")
def reverse_water_filling(variances: Tensor, distortion: float) -> tuple[Tensor, Tensor]:
    """The fewest nats that describe a Gaussian source of these variances to a given squared error.

    Each component may err by the same amount, the water level, but by no more than its own variance; one below the level is dropped.

    Args:
        variances: (dims,)
        distortion: allowed squared error, summed over the components, between 0 and the sum of the variances

    Returns:
        the rate in nats, and the squared error of each component, (dims,)

    Source: Cover & Thomas, Elements of Information Theory, theorem 10.3.3.
    """
    total = variances.sum().item()
    if not 0 < distortion <= total * (1 + 1e-6):
        raise ValueError(f"distortion lies above 0 and at most at the sum of the variances, {total:.4g}; got {distortion:.4g}")
    low, high = 0.0, variances.max().item()
    for _ in range(60):  # the filled amount grows with the level: bisection
        level = (low + high) / 2
        low, high = (level, high) if variances.clamp(max=level).sum() < distortion else (low, level)
    errors = variances.clamp(max=high)
    kept = variances > high
    return 0.5 * (variances[kept] / high).log().sum(), errors


# --- mixtures


class GaussianMixture:
    """p(x) = Σ_k π_k N(x; μ_k, Σ_k): the discrete latent k says which cloud, and has a posterior in closed form.

    weights (k,), means (k, dims), covariances (k, dims, dims)
    """

    @tensors(finite="weights means covariances")
    def __init__(self, weights: Tensor, means: Tensor, covariances: Tensor):
        self.weights, self.means, self.covariances = weights, means, covariances

    @tensors
    def log_joint(self, x: Tensor) -> Tensor:
        """log π_k + log N(x; μ_k, Σ_k): (n, dims) → (n, k), nats."""
        x = x.to(self.means)
        root = torch.linalg.cholesky(self.covariances)  # Σ = L Lᵀ, so (x − μ)ᵀ Σ⁻¹ (x − μ) = ‖L⁻¹ (x − μ)‖²
        difference = (x - self.means[:, None]).mT  # (k, dims, n)
        squared = torch.linalg.solve_triangular(root, difference, upper=False).square().sum(1)
        log_det = 2 * root.diagonal(dim1=1, dim2=2).log().sum(1)
        return self.weights.log() - 0.5 * (x.shape[1] * LOG_2PI + log_det + squared.T)

    def log_prob(self, x: Tensor) -> Tensor:
        """(n, dims) → (n,), nats."""
        return self.log_joint(x).logsumexp(1)

    def responsibilities(self, x: Tensor) -> Tensor:
        """The E step, p(k | x): (n, dims) → (n, k), rows add up to 1. In the log domain: a far point has density 0 in floating point."""
        return self.log_joint(x).softmax(1)

    @tensors(finite="x")
    def em_step(self, x: Tensor, floor: float = 1e-6) -> "GaussianMixture":
        """One E step and one M step. With floor 0 they never lower the likelihood; a small floor hardly matters.

        Args:
            floor: added to every variance: a cloud that shrinks onto one point would have infinite density

        Source: Dempster, Laird & Rubin 1977 (doi:10.1111/j.2517-6161.1977.tb01600.x).
        """
        x = x.to(self.means)
        r = self.responsibilities(x)
        count = r.sum(0).clamp(min=1e-10)
        means = r.T @ x / count[:, None]
        difference = x - means[:, None]  # (k, n, dims)
        covariances = difference.mT @ (r.T[..., None] * difference) / count[:, None, None]
        return GaussianMixture(count / count.sum(), means, covariances + floor * torch.eye(x.shape[1]).to(x))

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Points (n, dims) and the components they came from, (n,)."""
        k = torch.multinomial(self.weights.cpu(), n, replacement=True, generator=generator).to(self.weights.device)
        noise = torch.randn(n, self.means.shape[1], generator=generator).to(self.means)
        return self.means[k] + (torch.linalg.cholesky(self.covariances)[k] @ noise[..., None])[..., 0], k


@tensors(finite="x")
def start_mixture(x: Tensor, components: int, seed: int = 0) -> GaussianMixture:
    """Where EM begins: equal weights, randomly chosen points as means, the covariance of all the data for each."""
    if x.ndim != 2 or not 1 <= components <= len(x):
        raise ValueError(f"x must be (n, dims), with n at least the {components} components, got {tuple(x.shape)}")
    chosen = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:components].to(x.device)
    covariance = x.T.cov() if x.shape[1] > 1 else x.var().view(1, 1)
    covariance = covariance + 1e-6 * torch.eye(x.shape[1]).to(x)  # as in each M step: a column that never varies has variance 0
    return GaussianMixture(x.new_full((components,), 1 / components), x[chosen], covariance.expand(components, -1, -1).clone())


@tensors(finite="x")
def fit_mixture(
    x: Tensor, components: int, steps: int = 100, seed: int = 0, tolerance: float = 1e-4
) -> tuple[GaussianMixture, list[float]]:
    """EM from `start_mixture` until a step gains less than `tolerance`.

    Returns:
        the mixture, and the mean log-likelihood before the first step and after each, nats
    """
    mixture = start_mixture(x, components, seed)
    history = [mixture.log_prob(x).mean().item()]
    for _ in range(steps):
        mixture = mixture.em_step(x)
        history.append(mixture.log_prob(x).mean().item())
        if history[-1] - history[-2] < tolerance:
            break
    return mixture, history


# --- a generative classifier


class NaiveBayes:
    """p(y) Π_d p(x_d | y) for binary features. A feature that is missing is summed out, which means: left out of the product.

    Args:
        x: (n, features) of 0 and 1
        y: (n,), classes 0 … classes − 1
        smoothing: added to the count of each value of each feature (Laplace), so that nothing has probability 0; with 0 what was never
            counted is impossible, and its log-probability −∞

    Raises:
        ValueError: a negative smoothing, or features that are not 0 and 1
    """

    @tensors(finite="x", whole="y")
    def __init__(self, x: Tensor, y: Tensor, classes: int, smoothing: float = 1.0):
        if not smoothing >= 0:
            raise ValueError(f"smoothing must be at least 0, got {smoothing}")
        if not ((x == 0) | (x == 1)).all():
            raise ValueError("features must be 0 or 1: compare grey pixels with a threshold first, such as x >= 0.5")
        y = labels(y, len(x), classes, x.device)
        member = torch.nn.functional.one_hot(y, classes).to(x.dtype)
        count = member.sum(0)
        self.log_prior = ((count + smoothing) / (count + smoothing).sum()).log()
        total = count[:, None] + 2 * smoothing
        self.p = torch.where(total > 0, (member.T @ x + smoothing) / total, 0.5)  # p(x_d = 1 | y), (classes, features)

    @tensors(whole="seen")
    def log_joint(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """log p(y, seen features): (batch, features) → (batch, classes), nats.

        seen: of x's shape, true where a feature is there; the others may hold anything
        """
        x = x.to(self.p)
        seen = torch.ones_like(x, dtype=torch.bool) if seen is None else seen
        if not ((seen == 0) | (seen == 1)).all():
            raise ValueError("seen must be true or false")
        seen = seen == 1
        if x.shape != seen.shape or (x[seen] != x[seen].clamp(0, 1)).any():
            raise ValueError(
                f"what is seen of x must lie in [0, 1], and seen be of x's shape; got {tuple(x.shape)} and {tuple(seen.shape)}"
            )
        on, off = (torch.where(seen, v, 0) for v in (x, 1 - x))
        least = torch.finfo(self.p.dtype).tiny
        possible = self.log_prior + on @ self.p.clamp(min=least).log().T + off @ (1 - self.p).clamp(min=least).log().T
        never = on @ (self.p == 0).to(on).T + off @ (self.p == 1).to(on).T  # in the products above 0 · (−∞) would be NaN
        return torch.where(never > 0, -torch.inf, possible)

    def predict(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """The likeliest class, (batch,)."""
        return self.log_joint(x, seen).argmax(1)

    def sample(self, y: Tensor) -> Tensor:
        """Features drawn for given classes: (n,) → (n, features). What a discriminative classifier cannot do."""
        return torch.bernoulli(self.p[labels(y, len(y), len(self.p), self.p.device)])


def compare_classifiers(
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    sizes: Sequence[int],
    shares: Sequence[float],
    seed: int = 0,
    classes: int = 10,
    smoothing: float = 0.1,
) -> dict:
    """Accuracy of naive Bayes and of logistic regression as training images get fewer and test features go missing.

    Naive Bayes leaves a missing feature out; logistic regression, which has no model of the features, gets the training mean instead.

    Args:
        train, test: (x, y), x (n, features) of 0 and 1
        sizes: numbers of training examples
        shares: shares of the features of each test example that are hidden
        seed: draws the training examples and the features to hide
        smoothing: that of naive Bayes. With 1, the usual value, a class of few examples takes what it never saw for likely

    Returns:
        "sizes", "shares", and for "naive Bayes" and "logistic regression" the accuracy, (sizes, shares)
    """
    from sklearn.linear_model import LogisticRegression

    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(train[0]), generator=generator)
    x, y = test
    hidden = torch.rand(x.shape, generator=generator)  # the same order of hiding for every share
    results = {"sizes": list(sizes), "shares": list(shares)}
    results |= {name: torch.zeros(len(sizes), len(shares)) for name in ("naive Bayes", "logistic regression")}
    for i, size in enumerate(sizes):
        few_x, few_y = (part[order[:size]] for part in train)
        bayes = NaiveBayes(few_x, few_y, classes, smoothing)
        logistic = LogisticRegression(max_iter=300).fit(few_x.numpy(), few_y.numpy())
        for j, share in enumerate(shares):
            seen = hidden >= share
            filled = torch.where(seen, x, few_x.mean(0))
            results["naive Bayes"][i, j] = (bayes.predict(x, seen) == y).float().mean()
            results["logistic regression"][i, j] = torch.from_numpy(logistic.predict(filled.numpy()) == y.numpy()).float().mean()
    return results


# --- a table with holes


@tensors(finite="a")
def truncated_svd(a: Tensor, rank: int) -> Tensor:
    """The matrix of that rank nearest to `a` in squared error: (rows, columns) → (rows, columns).

    Source: Eckart & Young 1936 (doi:10.1007/BF02288367).
    """
    u, s, v = torch.linalg.svd(a, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ v[:rank]


@tensors(whole="seen")
def complete_ratings(ratings: Tensor, seen: Tensor, rank: int, steps: int = 100) -> Tensor:
    """Fill the unseen entries: start from the column means, then put in what a low rank says of them, again and again.

    Args:
        ratings: (people, films); unseen entries may hold anything
        seen: the same shape, boolean

    Returns:
        (people, films), of rank `rank` about the column means

    Source: Mazumder, Hastie & Tibshirani 2010 (jmlr.org/papers/v11/mazumder10a.html), with a hard threshold.
    """
    if seen.dtype != torch.bool or seen.shape != ratings.shape or not ratings[seen].isfinite().all():
        raise ValueError(f"seen must be bool of the shape of ratings, and ratings finite there; got {seen.dtype} {tuple(seen.shape)}")
    mean = torch.where(seen, ratings, 0).sum(0) / seen.sum(0).clamp(min=1)  # no product: 0 · NaN is NaN
    filled = torch.zeros_like(ratings)
    for _ in range(steps):
        filled = truncated_svd(torch.where(seen, ratings - mean, filled), rank)
    return filled + mean


# --- paths and distances


@tensors
def lerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """The straight line (1 − t) a + t b. t is a number, or (steps,) for a path (steps, ...)."""
    t = torch.as_tensor(t, dtype=a.dtype, device=a.device)
    t = t.view(-1, *[1] * a.dim()) if t.dim() else t
    return (1 - t) * a + t * b


@tensors
def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """The arc from a to b, at constant angular speed: vectors of one length keep that length on the way.

    Samples of N(0, I) in many dimensions all have length about √dims; the middle of a straight line between two of them is shorter,
    which the decoder has hardly seen.

    Args:
        a, b: (..., dims)
        t: a number, or (steps,) for a path (steps, ..., dims)

    Source: Shoemake 1985 (doi:10.1145/325165.325242); for latents White 2016 (arXiv:1609.04468).
    """
    t = torch.as_tensor(t, dtype=a.dtype, device=a.device)
    t = t.view(-1, *[1] * a.dim()) if t.dim() else t
    # atan2 is accurate where arccos of a rounded cosine is not, near 0 and π
    unit_a, unit_b = (v / v.norm(dim=-1, keepdim=True).clamp(min=1e-12) for v in (a, b))
    angle = 2 * torch.atan2((unit_a - unit_b).norm(dim=-1, keepdim=True), (unit_a + unit_b).norm(dim=-1, keepdim=True))
    # on one line there is no arc: nearly equal vectors get the straight line, opposite ones too, since every arc is as good
    line = angle.sin() < 1e-5
    below = torch.where(line, 1.0, angle.sin())  # what `where` leaves out must not divide by 0 either, or its gradient is NaN
    arc = (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / below
    return torch.where(line, lerp(a, b, t), arc)


@tensors(finite="x data")
def manifold_distance(x: Tensor, data: Tensor, neighbours: int = 1) -> Tensor:
    """Euclidean distance to the nearest data points, their mean if `neighbours` is more than 1: (batch, ...) → (batch,)."""
    return torch.cdist(x.flatten(1), data.flatten(1)).topk(neighbours, largest=False).values.mean(1)
