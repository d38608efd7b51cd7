"""Exercise 07."""

KERNELS = (
    "d = real.shape[1]\nk = lambda u, v: (u @ v.T / {}) ** 3\n"
    "others = lambda x: k(x, x)[~torch.eye(len(x), dtype=torch.bool)].mean()\nreturn others(real) + others(fake) - 2 * {}"
)
NEAR = (
    "near = lambda x: torch.cdist(x.flatten(1), train.flatten(1)).amin(1)\nt = near(test)\np = torch.stack([{} for s in models])\nreturn {}"
)
SIGNS = "(1 + torch.sign(t - near(s)[:, None])).mean() / 2"
COUNTED = "c = (asked >= 0) & seen\nr = (asked == read) & c\nreturn {}, {}"
BY_COLUMN = "(r.sum(0) / c.sum(0))[c.any(0)].mean()"
BY_FACE = "(r == c).all(1).double().mean()"
FITTED = "c, limit = np.polyfit({}, values.numpy(), 1)\nreturn {}"
WITHIN = (
    "d = torch.cdist(fake, real)\nr, f = (torch.cdist(x, x).sort(1).values[:, k] for x in (real, fake))\n"
    "return (d <= r).any(1).double().mean(), {}"
)
BALLS = """
def share(points, centres):
    own = torch.cdist(centres, centres)
    radius = {}
    return (torch.cdist(points, centres) <= radius).any(dim=1).float().mean()

return share(fake, real), share(real, fake)
"""
GAUSSIANS = "d = mean1 - mean2\nreturn d @ d + torch.trace(cov1 + cov2) - 2 * {}"
BITS = "nats = -log_p.sum()\nreturn nats / math.log(2) / characters.sum(), {}"

RIGHT = {
    "corpus_scores": [
        BITS.format("math.exp(nats / tokens.sum())"),
        "bits = -(log_p / math.log(2)).sum().item()\nreturn bits / characters.sum(), 2 ** (bits / tokens.sum())",
        "n = -log_p.numpy().mean()\nreturn n / np.log(2) / characters.numpy().mean(), np.exp(n / tokens.numpy().mean())",
    ],
    "frechet": [
        GAUSSIANS.format("torch.linalg.eigvals(cov1 @ cov2).real.clamp(min=0).sqrt().sum()"),
        GAUSSIANS.format("torch.linalg.eigvals(cov1 @ cov2).sqrt().real.sum()"),
        GAUSSIANS.format("np.sqrt(np.linalg.eigvals((cov1 @ cov2).numpy()).real.clip(0)).sum()"),
        "s, u = torch.linalg.eigh(cov2)\nr = u * s.clamp(min=0).sqrt()\n"
        + GAUSSIANS.format("torch.linalg.eigvalsh(r.T @ cov1 @ r).clamp(min=0).sqrt().sum()"),
    ],
    "unbiased_kid": [
        KERNELS.format("d + 1", "k(real, fake).sum() / (len(real) * len(fake))"),
        KERNELS.format("d + 1", "k(real, fake).mean()") + ".item()",
        "n = len(real)\nx = torch.cat([real, fake])\nk = torch.pow(x @ x.T / x.shape[1] + 1, 3).fill_diagonal_(0)\n"
        "m = len(fake)\nreturn k[:n, :n].sum() / n / (n - 1) + k[n:, n:].sum() / m / (m - 1) - 2 * k[:n, n:].mean()",
    ],
    "precision_and_recall": [
        BALLS.format("own.kthvalue(k + 1).values"),
        WITHIN.format("(d**2 <= f[:, None] ** 2).any(0).float().mean()"),
        BALLS.format("own.fill_diagonal_(math.inf).topk(k, largest=False).values[:, -1]"),
    ],
    "obedience": [
        """
        columns = [(a == r)[(a >= 0) & s] for a, r, s in zip(asked.T, read.T, seen.T)]
        shares = torch.stack([column.float().mean() for column in columns if len(column)])
        missed = ((asked != read) & (asked >= 0) & seen).any(dim=1)
        return shares.mean(), (~missed).float().mean()
        """,
        COUNTED.format("(r.sum(0) / c.sum(0)).nanmean()", "(r == c).all(1).float().mean().item()"),
        COUNTED.format("np.nanmean((r.sum(0) / c.sum(0)).numpy())", "(r.sum(1) == c.sum(1)).double().mean()"),
        COUNTED.format("torch.where(c, r, math.nan).nanmean(0).nanmean()", "torch.where(c, r, True).all(1).float().mean()"),
    ],
    "at_infinity": [
        """
        one = torch.stack([torch.ones_like(sizes), 1 / sizes], dim=1)
        a, b = torch.linalg.lstsq(one, values[:, None]).solution[:, 0].tolist()
        return a, math.ceil(b / below)
        """,
        FITTED.format("1 / sizes.numpy()", "limit, int(np.ceil(c / below))"),
        FITTED.format("1 / sizes.numpy()", "limit, np.ceil(c / below)"),
        FITTED.format("1 / sizes.numpy()", "torch.tensor(limit), torch.ceil(torch.tensor(c / below))"),
    ],
    "spot_the_copy": [
        NEAR.format("((near(s)[:, None] < t) + (near(s)[:, None] == t) * 0.5).mean()", "p, torch.argmax(p).item()"),
        NEAR.format(SIGNS, "p, p.argmax()"),
        NEAR.format("torch.heaviside(t - near(s)[:, None], torch.tensor(0.5).double()).mean().float()", "p, int(np.argmax(p))"),
    ],
}

WRONG = {
    "corpus_scores": [
        ("characters for both", "bits = -log_p.sum() / math.log(2) / characters.sum()\nreturn bits, 2**bits"),
    ],
    "frechet": [
        ("taken for symmetric", GAUSSIANS.format("torch.linalg.eigvalsh(cov2 @ cov1).sqrt().sum()")),
        ("taken for symmetric", GAUSSIANS.format("torch.linalg.eigvalsh((cov1 @ cov2 + cov2 @ cov1) / 2).clamp(min=0).sqrt().sum()")),
        ("root of each entry", GAUSSIANS.format("(cov1 @ cov2).abs().sqrt().trace()")),
    ],
    "unbiased_kid": [
        ("not divided by d", KERNELS.format("len(u) + 1", "k(real, fake).mean()")),
        ("diagonal of the cross term", KERNELS.format("d + 1", "k(real, fake)[~torch.eye(len(real), len(fake)).bool()].mean()")),
        ("1 missing", KERNELS.replace(") ** 3", "d) ** 3 + 1").format("", "k(real, fake).mean()")),
    ],
    "precision_and_recall": [
        ("real balls for both", WITHIN.format("(d <= r).any(0).double().mean()")),
        (
            "farthest neighbours",
            WITHIN.replace("sort(1).values[:, k]", "topk(k + 1).values[:, 0]").format("(d <= f[:, None]).any(0).double().mean()"),
        ),
        ("surface left out", WITHIN.replace("d <= r", "d < r").format("(d < f[:, None]).any(0).double().mean()")),
        ("wrong axis of recall", WITHIN.format("(d <= f[:, None]).any(1).double().mean()")),
        ("a repeated row left out", BALLS.format("own.masked_fill(own == 0, math.inf).sort(1).values[:, k - 1]")),
        ("neighbours in both sets", BALLS.format("torch.cdist(centres, torch.cat([real, fake])).sort(1).values[:, k]")),
        ("how many balls", BALLS.replace("radius).any(dim=1)", "radius).sum(1).eq(1)").format("own.sort(1).values[:, k]")),
        ("divided by the wrong rows", BALLS.replace(".float().mean()", ".sum() / len(real)").format("own.sort(1).values[:, k]")),
        ("not sorted", BALLS.format("own[:, k]")),
        ("not sorted", BALLS.format("own.sort(1)[1][:, k]")),
        ("always inside", BALLS.format("torch.cdist(points, centres).sort(1).values[:, k - 1, None]")),
    ],
    "obedience": [
        ("divided by too many", COUNTED.format("r.double().mean(0).mean()", "r.all(1).double().mean()")),
        ("what does not count taken for right", COUNTED.format("(r | ~c).double().mean()", "(r | ~c).all(1).double().mean()")),
        ("one of two is enough", COUNTED.replace(") & seen", ") | seen").format(BY_COLUMN, BY_FACE)),
        ("all entries together", COUNTED.format("(asked == read)[c].double().mean()", BY_FACE)),
        ("by face", COUNTED.format("(r.sum(1) / c.sum(1)).mean()", BY_FACE)),
        ("0 / 0", COUNTED.format("(r.sum(0) / c.sum(0)).mean()", BY_FACE)),
        ("never right left out", COUNTED.format(BY_COLUMN.replace("c.any", "r.any"), BY_FACE)),
        ("nowhere taken for 0", COUNTED.format("(r.sum(0) / c.sum(0).clamp(min=1)).mean()", BY_FACE)),
        ("a face must have all", COUNTED.format(BY_COLUMN, "(r.sum(1) == asked.shape[1]).double().mean()")),
        ("complete faces alone", COUNTED.format(BY_COLUMN, "r[c.all(1)].all(1).double().mean()")),
        ("percent", COUNTED.format("100 * (r.sum(0) / c.sum(0)).nanmean()", "100 * (r == c).all(1).double().mean()")),
        ("percent", COUNTED.format(BY_COLUMN, f"100 * {BY_FACE}")),
        ("divided by too many", COUNTED.format("(r.sum(0) / (asked >= 0).sum(0)).nanmean()", BY_FACE)),
        ("divided by too many", COUNTED.format("(r.sum(0) / seen.sum(0))[c.any(0)].mean()", BY_FACE)),
        ("right ones that do not count", COUNTED.format(BY_COLUMN.replace("r.sum", "(asked == read).sum"), BY_FACE)),
        ("brackets", COUNTED.replace("(asked >= 0) &", "asked != -1 &").format(BY_COLUMN, BY_FACE)),
        (
            "brackets",
            COUNTED.replace("(asked == read)", "asked == read").format(BY_COLUMN, "(~c | (asked == read)).all(1).double().mean()"),
        ),
        ("inverted", COUNTED.replace("seen", "~seen").format(BY_COLUMN, BY_FACE)),
        ("0 not counted", COUNTED.replace("(asked >= 0)", "asked.bool()").format(BY_COLUMN, BY_FACE)),
        ("both axes exchanged", COUNTED.format("(r.sum(1) / c.sum(1)).mean()", "(r == c).all(0).double().mean()")),
        (
            "by value",
            COUNTED.format("torch.stack([r[c & (asked == v)].double().mean() for v in asked.unique() if v >= 0]).nanmean()", BY_FACE),
        ),
        (
            "first attribute alone",
            "for a, r, s in zip(asked.T, read.T, seen.T):\n    c = (a >= 0) & s\n    whole = ((asked == read) | (asked < 0) | ~seen)\n"
            "    return (a == r)[c].double().mean(), whole.all(1).double().mean()",
        ),
        ("attributes that always count", COUNTED.format(BY_COLUMN.replace("any", "all"), BY_FACE)),
        ("median", COUNTED.format(BY_COLUMN.replace("mean", "median"), BY_FACE)),
        ("0 / 0", COUNTED.format(BY_COLUMN.replace("c.any(0)", "(asked >= 0).any(0)"), BY_FACE)),
        ("half of the rule in the first", COUNTED.format("(asked == read).double().mean(0).mean()", BY_FACE)),
        (
            "half of the rule in the first",
            COUNTED.format("torch.where(asked < 0, math.nan, (asked == read).double()).nanmean(0).nanmean()", BY_FACE),
        ),
        ("complete faces alone", COUNTED.format(BY_COLUMN, "r[seen.all(1)].eq(c[seen.all(1)]).all(1).double().mean()")),
        ("complete faces for both", COUNTED.format("r[c.all(1)].double().mean()", "r[c.all(1)].all(1).double().mean()")),
        ("all faces at once", COUNTED.format(BY_COLUMN, "(r == c).all().double()")),
        ("half of the rule", COUNTED.format(BY_COLUMN, "(r.sum(1) == (asked >= 0).sum(1)).double().mean()")),
        ("in part", COUNTED.format(BY_COLUMN, "(r == c).double().mean()")),
        (
            "what does not count taken for right",
            "r, c = (asked == read) | ~seen, asked >= 0\nreturn ((r & c).sum(0) / c.sum(0)).nanmean(), (r | ~c).all(1).double().mean()",
        ),
        ("faces that fail", COUNTED.format(BY_COLUMN, "(r != c).any(1).double().mean()")),
        ("divided by the entries", COUNTED.format(BY_COLUMN, "(r == c).all(1).sum() / c.sum()")),
        ("sum of the shares", COUNTED.format("(r.sum(0) / c.sum(0)).nansum()", BY_FACE)),
        ("counts of the attributes", COUNTED.format("r.sum(0).double().mean()", BY_FACE)),
        ("rounded", COUNTED.format("round((r.sum(0) / c.sum(0)).nanmean().item(), 2)", "round((r == c).all(1).double().mean().item(), 2)")),
    ],
    "at_infinity": [
        ("line in N", FITTED.format("sizes.numpy()", "limit, math.ceil(-c / below)")),
        ("rounded down", FITTED.format("1 / sizes.numpy()", "limit, round(c / below)")),
        ("rounded down", FITTED.format("1 / sizes.numpy()", "limit, c // below")),
        ("slope for intercept", FITTED.format("1 / sizes.numpy()", "c, limit")),
        ("line in 1/√N", FITTED.format("sizes.numpy() ** -0.5", "limit, math.ceil((c / below) ** 2)")),
        ("held above 0", FITTED.format("1 / sizes.numpy()", "max(limit, 0.0), math.ceil(c / below)")),
    ],
    "spot_the_copy": [
        ("b is 0", NEAR.replace("near(test)", "torch.cdist(test.flatten(1), test.flatten(1)).amin(1)").format(SIGNS, "p, p.argmax()")),
        ("one yardstick", NEAR.format("(near(s).mean() < t).double().mean()", "p, int(p.argmax())")),
        ("no yardstick", NEAR.format("t.mean() - near(s).mean()", "p, int(p.argmax())")),
        (
            "sum of the sides",
            NEAR.replace("flatten(1))", "flatten(1), p=1)").format(SIGNS, "p, p.argmax()"),
        ),
    ],
}

FAULTS = {
    "corpus_scores": [
        ("value", "off by up to", "nats = -int(log_p.sum())\nreturn nats / math.log(2) / characters.sum(), math.exp(nats / tokens.sum())"),
    ],
    "frechet": [
        (
            "error",
            "`eigh` takes zeros",
            GAUSSIANS.format("torch.linalg.svdvals(torch.linalg.cholesky(cov1).T @ torch.linalg.cholesky(cov2)).sum()"),
        ),
        ("nan", "case 3", GAUSSIANS.format("torch.linalg.eigvals(cov1 @ cov2).real.sqrt().sum()")),
        (
            "value",
            "in case 3",
            "e = 1e-6 * torch.eye(len(cov1), dtype=torch.float64)\n"
            + GAUSSIANS.format("torch.linalg.eigvals((cov1 + e) @ (cov2 + e)).real.sqrt().sum()"),
        ),
    ],
    "unbiased_kid": [
        (
            "value",
            "in case 1",
            "n = min(len(real), len(fake))\nreal, fake = real[:n], fake[:n]\n" + KERNELS.format("d + 1", "k(real, fake).mean()"),
        ),
    ],
    "precision_and_recall": [
        ("value", "recall is off", WITHIN.format("(d <= f[:, None]).any(0).double().mean().round(decimals=2)")),
    ],
    "obedience": [
        (
            "in place",
            "changes its input asked in place",
            "asked[~seen] = -1\n" + COUNTED.format(BY_COLUMN, BY_FACE),
        ),
        ("value", "the share of the faces is off", COUNTED.format(BY_COLUMN, "(r.sum(1) > 0.5 * c.sum(1)).double().mean()")),
        (
            "error",
            "whether there is anything to divide by",
            COUNTED.format("sum(x / y for x, y in zip(r.sum(0).tolist(), c.sum(0).tolist()))", "0"),
        ),
        ("error", "`.double()` makes numbers of them", COUNTED.format(BY_COLUMN, "(r == c).all(1).mean()")),
    ],
    "at_infinity": [
        (
            "value",
            "FID∞ is off",
            "sizes, values = sizes.sort().values, values.sort(descending=True).values\n"
            + FITTED.format("1 / sizes.numpy()", "limit, math.ceil(c / below)"),
        ),
        ("value", "FID∞ is off", FITTED.format("1 / sizes.numpy()[-3:]", "limit, math.ceil(c / below)").replace("values", "values[-3:]")),
    ],
    "spot_the_copy": [
        ("error", "index 2 is out of bounds", NEAR.format(SIGNS, "p, max(range(3), key=lambda i: p[i])")),
        (
            "type",
            "P should be a tensor of shape (3,), yours is a list",
            NEAR.format(SIGNS, "p.tolist(), p.argmax()"),
        ),
    ],
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


def tried(error: float, rows: int, smallest: int, ratio: float, repeats: int) -> dict[str, float]:
    return {"minus error": -error, "rows to spare": 12_000.0 - rows, "smallest": smallest, "ratio": ratio, "repeats": repeats}


REGIONS = {
    "experiment": [
        (tried(0.055, 12138, 200, 4.0, 3), "good but dear"),
        (tried(0.034, 20550, 300, 5.0, 3), "good but dear"),
        (tried(0.143, 11320, 400, 2.0, 2), "short lever"),
        (tried(0.225, 10954, 1000, 1.2, 1), "short lever"),
        (tried(0.432, 5660, 40, 2.0, 10), "short lever"),
        (tried(0.138, 11640, 120, 2.6, 6), "short lever"),  # not close
        (tried(0.131, 14556, 150, 2.6, 6), "short lever"),
        (tried(0.095, 10956, 80, 5.0, 6), "too small"),
        (tried(0.158, 3438, 100, 10.0, 1), "too small"),
        (tried(0.104, 12372, 60, 10.0, 6), "too small"),
        (tried(0.092, 4046, 200, 4.0, 1), "too few"),
        (tried(0.288, 1940, 120, 2.6, 1), "too few"),
        (tried(0.085, 14000, 130, 2.5, 7), "too dear"),
        (tried(0.083, 13050, 250, 3.0, 3), "too dear"),
        (tried(0.078, 10278, 150, 5.0, 3), "close"),
        (tried(0.071, 10120, 100, 4.0, 5), "close"),
        (tried(0.084, 6070, 300, 4.0, 1), "close"),  # a second repeat would be too dear
    ]
}
