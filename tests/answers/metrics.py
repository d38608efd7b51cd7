"""Exercise 07."""


def corpus(
    bits: str = "nats / math.log(2) / characters.sum()",
    perplexity: str = "math.exp(nats / tokens.sum())",
    nats: str = "-log_p.sum()",
    end: str = "bits, perplexity",
) -> str:
    return f"""
    nats = {nats}
    bits = {bits}
    perplexity = {perplexity}
    return {end}
"""


def pixel(density: str = "-log_density / math.log(2) / pixels", offset: str = "+ 8 - math.log2(span)", end: str = "per_pixel") -> str:
    return f"""
    per_pixel = {density} {offset}
    return {end}
"""


def frechet(
    roots: str = "torch.linalg.eigvals(cov1 @ cov2).real.clamp(min=0).sqrt().sum()",
    shift: str = "(mean1 - mean2) @ (mean1 - mean2)",
    end: str = "shift + torch.trace(cov1 + cov2) - 2 * roots",
) -> str:
    return f"""
    def half(cov):
        values, vectors = torch.linalg.eigh(cov)
        return vectors @ torch.diag(torch.clamp(values, min=0) ** 0.5) @ vectors.T

    shift = {shift}
    roots = {roots}
    return {end}
"""


def kid(
    kernel: str = "(u @ v.T / d + 1) ** 3",
    within: str = "(k.sum() - k.diagonal().sum()) / (n * (n - 1))",
    cross: str = "both.sum() / (len(real) * len(fake))",
    end: str = "mean(real) + mean(fake) - 2 * cross",
) -> str:
    return f"""
    d = real.shape[1]

    def kernel(u, v):
        return {kernel}

    def mean(x):
        k, n = kernel(x, x), len(x)
        return {within}

    both = kernel(real, fake)
    cross = {cross}
    return {end}
"""


def balls(
    share: str = "(distance <= radius(centres)).any(dim=1).double().mean()",
    radius: str = "distances(x, x).kthvalue(k + 1).values",
    distance: str = "torch.cdist(a, b)",
    end: str = "share(fake, real), share(real, fake)",
) -> str:
    return f"""
    def distances(a, b):
        return {distance}

    def radius(x):
        return {radius}

    def share(points, centres):
        distance = distances(points, centres)
        return {share}

    return {end}
"""


def fit(x: str = "1 / sizes", limit: str = "a", needed: str = "math.ceil(b / below)", y: str = "values", end: str = "limit, needed") -> str:
    return f"""
    x, y = {x}, {y}
    one = torch.stack([torch.ones_like(x), x], dim=1)
    a, b = torch.linalg.lstsq(one, y[:, None]).solution[:, 0].tolist()
    limit, needed = {limit}, {needed}
    return {end}
"""


def copies(
    of_samples: str = "nearest(samples, train)",
    of_test: str = "nearest(test, train)",
    share: str = "((s < t) + (s == t) * 0.5).mean()",
    which: str = "torch.argmax(shares).item()",
    end: str = "shares, which",
) -> str:
    return f"""
    def distances(a, b):
        return torch.cdist(a.reshape(len(a), -1), b.reshape(len(b), -1))

    def nearest(a, b):
        return distances(a, b).amin(dim=1)

    def others(a):
        return distances(a, a).fill_diagonal_(float("inf")).amin(dim=1)

    shares = []
    for samples in models:
        s = {of_samples}.reshape(-1, 1)
        t = {of_test}.reshape(1, -1)
        shares.append({share})
    shares = torch.stack(shares)
    which = {which}
    return {end}
"""


ANSWERS = {
    "corpus_scores": (
        "log_p, tokens, characters",
        corpus(),
        {
            "every text counts the same": corpus("(-log_p / characters).mean() / math.log(2)", "(-log_p / tokens).mean().exp()"),
            "mean of perplexities": corpus(perplexity="torch.exp(-log_p / tokens).mean()"),
            "one for each text": corpus(nats="-log_p", bits="nats / characters / math.log(2)", perplexity="torch.exp(nats / tokens)"),
            "nats": corpus("nats / characters.sum()"),
            "times log 2": corpus("nats * math.log(2) / characters.sum()"),
            "two to the nats": corpus(perplexity="2 ** (nats / tokens.sum())"),
            "e to the bits": corpus(perplexity="math.exp(nats / math.log(2) / tokens.sum())"),
            "tokens and characters exchanged": corpus("nats / math.log(2) / tokens.sum()", "math.exp(nats / characters.sum())"),
            "tokens for both": corpus("nats / math.log(2) / tokens.sum()"),
            "characters for both": corpus(perplexity="math.exp(nats / characters.sum())"),
            "a mean over texts": corpus(nats="-log_p.mean()"),
            "each text as a whole": corpus("nats / math.log(2)", "torch.exp(nats)", "-log_p.mean()"),
            "sign": corpus(nats="log_p.sum()"),
            "order": corpus(end="perplexity, bits"),
        },
    ),
    "pixel_bits": (
        "log_density, pixels, span",
        pixel(),
        {
            "offset forgotten": pixel(offset=""),
            "offset subtracted": pixel(offset="- 8 + math.log2(span)"),
            "offset once": pixel(offset="+ (8 - math.log2(span)) / pixels"),
            "255 levels": pixel(offset="+ math.log2(255) - math.log2(span)"),
            "span ignored": pixel(offset="+ 8"),
            "span the wrong way": pixel(offset="+ 8 + math.log2(span)"),
            "span as a factor": pixel(offset="+ 8 / span"),
            "offset in nats": pixel(offset="+ math.log(256) - math.log(span)"),
            "nats": pixel("-log_density / pixels", "+ math.log(256) - math.log(span)"),
            "density in nats": pixel("-log_density / pixels"),
            "times log 2": pixel("-log_density * math.log(2) / pixels"),
            "whole image": pixel(end="pixels * per_pixel"),
            "sign": pixel("log_density / math.log(2) / pixels"),
            "mean of the batch": pixel(end="per_pixel.mean()"),
        },
    ),
    "frechet": (
        "mean1, cov1, mean2, cov2",
        frechet(),
        {
            "factor 2 missing": frechet(end="shift + torch.trace(cov1 + cov2) - roots"),
            "root of each entry": frechet("torch.trace(torch.sqrt(cov1 @ cov2))"),
            "variances alone": frechet("torch.trace(torch.sqrt(cov1 * cov2))"),
            "product of the roots": frechet("torch.trace(half(cov1) @ half(cov2))"),
            "eigenvalues of each alone": frechet(
                "(torch.linalg.eigvalsh(cov1).clip(0) ** 0.5 * torch.linalg.eigvalsh(cov2).clip(0) ** 0.5).sum()"
            ),
            "taken for symmetric": frechet("torch.linalg.eigh(cov1 @ cov2)[0].clip(0).sqrt().sum()"),
            "singular values": frechet("(torch.linalg.svd(cov1 @ cov2)[1] ** 0.5).sum()"),
            "no root": frechet("torch.linalg.eigvals(cov1 @ cov2).real.sum()"),
            "root of the trace": frechet("torch.sqrt(torch.trace(cov1 @ cov2))"),
            "sum for product": frechet("torch.trace(half(cov1 + cov2))"),
            "norm not squared": frechet(shift="torch.linalg.norm(mean1 - mean2)"),
            "means averaged": frechet(shift="F.mse_loss(mean1, mean2)"),
            "means left out": frechet(shift="0"),
            "means alone": frechet(end="shift"),
            "sign": frechet(end="shift + torch.trace(cov1 + cov2) + 2 * roots"),
            "root of the whole": frechet(end="(shift + torch.trace(cov1 + cov2) - 2 * roots) ** 0.5"),
        },
    ),
    "unbiased_kid": (
        "real, fake",
        kid(),
        {
            "diagonal kept": kid(within="k.mean()"),
            "diagonal in the sum": kid(within="k.sum() / (n * (n - 1))"),
            "divided by n²": kid(within="(k - torch.diag(torch.diag(k))).mean()"),
            "half the pairs": kid(within="torch.tril(k, -1).sum() / (n * (n - 1))"),
            "diagonal of the cross term": kid(cross="(both.sum() - torch.diagonal(both).sum()) / (both.numel() - min(both.shape))"),
            "cross term over n²": kid(cross="both.sum() / len(real) ** 2"),
            "one number of rows for both": kid(within="(k.sum() - torch.diag(k).sum()) / (len(real) * (len(real) - 1))"),
            "cross term over too few pairs": kid(cross="both.sum() / (len(real) * (len(fake) - 1))"),
            "not divided by d": kid("(u @ v.T + 1) ** 3"),
            "divided by √d": kid("(u @ v.T / math.sqrt(d) + 1) ** 3"),
            "all divided by d": kid("((u @ v.T + 1) / d) ** 3"),
            "squared": kid("(u @ v.T / d + 1) ** 2"),
            "1 missing": kid("(u @ v.T / d) ** 3"),
            "cross term once": kid(end="mean(real) + mean(fake) - cross"),
            "sign": kid(end="mean(real) + mean(fake) + 2 * cross"),
            "root": kid(end="torch.sqrt(mean(real) + mean(fake) - 2 * cross)"),
            "held above 0": kid(end="max(mean(real) + mean(fake) - 2 * cross, torch.tensor(0.0).double())"),
            "sum": kid(within="k.sum() - torch.diag(k).sum()", cross="both.sum()"),
        },
    ),
    "precision_and_recall": (
        "real, fake, k",
        balls(),
        {
            "exchanged": balls(end="share(real, fake), share(fake, real)"),
            "its own neighbour": balls(radius="distances(x, x).kthvalue(k).values"),
            "one neighbour too far": balls(radius="distances(x, x).topk(k + 2, largest=False).values[:, -1]"),
            "one k for all": balls(radius="distances(x, x).kthvalue(4).values"),
            "neighbours in the other set": balls("(distance <= distance.T.kthvalue(k).values).any(dim=1).double().mean()"),
            "balls of the wrong set": balls("(distance <= radius(points)[:, None]).any(dim=1).double().mean()"),
            "real balls for both": balls(end="share(fake, real), (distances(fake, real) <= radius(real)).any(0).double().mean()"),
            "wrong axis of recall": balls(
                end="share(fake, real), (distances(fake, real) <= radius(fake).reshape(-1, 1)).any(dim=1).double().mean()"
            ),
            "surface left out": balls("(distance < radius(centres)).any(dim=1).double().mean()"),
            "mean of the k distances": balls(radius="distances(x, x).topk(k + 1, largest=False).values[:, 1:].mean(dim=1)"),
            "farthest neighbours": balls(radius="distances(x, x).topk(k + 1).values[:, -1]"),
            "wrong axis": balls("(distance <= radius(centres)).any(dim=0).double().mean()"),
            "all for any": balls("(distance <= radius(centres)).all(dim=1).double().mean()"),
            "share of pairs": balls("(distance <= radius(centres)).double().mean()"),
            "nearest ball alone": balls("(distance.amin(1) <= radius(centres)[distance.argmin(1)]).double().mean()"),
            "one radius": balls(radius="distances(x, x).kthvalue(k + 1).values.mean()"),
            "squared and plain": balls("(distance**2 <= radius(centres)).any(dim=1).double().mean()"),
            "sum of the sides": balls(distance="torch.cdist(a, b, p=1)"),
            "outside": balls("(distance > radius(centres)).all(dim=1).double().mean()"),
            "numbers for shares": balls("(distance <= radius(centres)).any(dim=1).sum()"),
        },
    ),
    "at_infinity": (
        "sizes, values, below",
        fit(),
        {
            "line in N": fit("sizes"),
            "line in log N": fit("torch.log(sizes)"),
            "line in 1/√N": fit("sizes**-0.5"),
            "line in 1/N²": fit("sizes**-2"),
            "largest N": fit(limit="values[torch.argmax(sizes)]"),
            "last value": fit(limit="values[-1].item()"),
            "mean of the values": fit(limit="values.mean()"),
            "slope for intercept": """
                b, a = np.polyfit(1 / sizes.numpy(), values.numpy(), 1)
                return b, math.ceil(b / below)
            """,
            "through the origin": """
                x = 1 / sizes
                b = (x @ values / (x @ x)).item()
                return 0.0, math.ceil(b / below)
            """,
            "two points": """
                low, high = sizes.min(), sizes.max()
                f, g = values[sizes == low][0], values[sizes == high][0]
                b = (f - g) / (1 / low - 1 / high)
                return g - b / high, math.ceil(b / below)
            """,
            "axes exchanged": fit("values", limit="-a / b", needed="math.ceil(1 / b / below)", y="1 / sizes"),
            "rounded down": fit(needed="int(b // below)"),
            "not rounded": fit(needed="b / below"),
            "c for N": fit(needed="b"),
            "upside down": fit(needed="math.ceil(below / b)"),
            "FID at most `below`": fit(needed="next(n for n in range(1, 10**6) if a + b / n <= below)"),
            "FID for its bias": fit(needed="math.ceil(b / (below + a))"),
            "relative bias": fit(needed="math.ceil(b / (below * a))"),
            "order": fit(end="needed, limit"),
        },
    ),
    "spot_the_copy": (
        "models, train, test",
        copies(),
        {
            "ties lost": copies(share="(s < t).double().mean()"),
            "ties count whole": copies(share="(s <= t).double().mean()"),
            "farther": copies(share="((s > t) + (s == t) * 0.5).mean()"),
            "near the test set": copies("nearest(samples, test)"),
            "train and test exchanged": copies(of_test="nearest(samples, test)"),
            "among themselves": copies("others(samples)"),
            "training set with itself": copies(of_test="others(train)"),
            "test set with itself": copies(of_test="others(test)"),
            "test set against samples": copies(of_test="nearest(test, samples)"),
            "sample i with test image i": copies(
                share="torch.stack([(a < b) + 0.5 * (a == b) for a, b in zip(s[:, 0], t[0])]).double().mean()"
            ),
            "all distances": copies("distances(samples, train)", "distances(test, train)"),
            "sum over pairs": copies(share="((s < t) + (s == t) * 0.5).sum()"),
            "wrong axis": copies("distances(samples, train).amin(dim=0)", "distances(test, train).amin(dim=0)"),
            "mean for minimum": copies("distances(samples, train).mean(dim=1)", "distances(test, train).mean(dim=1)"),
            "one yardstick": copies(share="(s < t.mean()).double().mean()"),
            "no yardstick": copies(share="s.mean()", which="torch.argmin(shares).item()"),
            "exact copies alone": copies(share="(s == 0).double().mean()"),
            "decided by distance": copies(which="min(range(len(models)), key=lambda i: nearest(models[i], train).mean().item())"),
            "smallest chosen": copies(which="shares.argmin().item()"),
            "nearest to one half": copies(which="torch.argmin(torch.abs(shares - 0.5)).item()"),
            "counted from 1": copies(which="shares.argmax().item() + 1"),
            "largest probability": copies(which="shares.max().item()"),
            "order": copies(end="which, shares"),
        },
    ),
}


def choice(smallest: int, ratio: float, repeats: int) -> str:
    return str({"smallest": smallest, "ratio": ratio, "repeats": repeats})


SETTINGS = {
    "experiment": {
        "good but dear": choice(200, 4.0, 3),
        "short lever": choice(400, 2.0, 2),
        "too small": choice(80, 5.0, 6),
        "too few": choice(200, 4.0, 1),
        "too dear": choice(130, 2.5, 7),
        "close": choice(150, 5.0, 3),
    }
}


def numbers(error: float, rows: int, smallest: int, ratio: float) -> dict[str, float]:
    return {"minus error": -error, "rows to spare": 12_000.0 - rows, "smallest": float(smallest), "ratio": ratio}


REGIONS = {
    "experiment": [
        (numbers(0.055, 12138, 200, 4.0), "good but dear"),
        (numbers(0.034, 20550, 300, 5.0), "good but dear"),
        (numbers(0.143, 11320, 400, 2.0), "short lever"),
        (numbers(0.225, 10954, 1000, 1.2), "short lever"),
        (numbers(0.432, 5660, 40, 2.0), "short lever"),
        (numbers(0.095, 10956, 80, 5.0), "too small"),
        (numbers(0.158, 3438, 100, 10.0), "too small"),
        (numbers(0.104, 12372, 60, 10.0), "too small"),
        (numbers(0.092, 4046, 200, 4.0), "too few"),
        (numbers(0.085, 14000, 130, 2.5), "too dear"),
        (numbers(0.078, 10278, 150, 5.0), "close"),
        (numbers(0.071, 10120, 100, 4.0), "close"),
    ]
}
