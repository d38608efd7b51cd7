"""Exercise 01."""

# The parts that several answers share, as a student would type them.
LOG_JOINT = """
    distance = ((x[:, None] - means) ** 2 / variances).sum(-1)
    width = torch.log(variances).sum(-1)
    joint = torch.log(weights) - 0.5 * distance - 0.5 * width
"""
DENSITIES = """
    distance = ((x[:, None] - means) ** 2 / variances).sum(2)
    p = weights * torch.exp(-distance / 2) / variances.prod(1).sqrt()
    p = p / p.sum(1, keepdim=True)
"""
MEANS = """
    total = r.sum(0)
    means = r.T @ x / total.unsqueeze(1)
"""
EVIDENCE = """
    known = seen.float()
    joint = log_prior + (known * x) @ torch.log(p).T + (known * (1 - x)) @ torch.log1p(-p).T
"""
EIGEN = """
    values, vectors = torch.linalg.eigh(torch.cov(x.T))
"""
UNSORTED = """
    values, vectors = torch.linalg.eig(torch.cov(x.T))
"""
BERNOULLI = "torch.distributions.Bernoulli(p).log_prob(x[:, None])"
COV = "torch.stack([torch.cov(x.T, aweights=column, correction=0).diagonal() for column in r.T])"

RIGHT = {
    "conditional": [
        """
            agree = torch.ones_like(table)
            for i, value in enumerate(known):
                if value is not None:
                    shape = [1] * table.ndim
                    shape[i] = 2
                    agree = agree * F.one_hot(torch.tensor(value), 2).reshape(shape)
            return table * agree / torch.sum(table * agree)
        """,
        """
            joint = table.clone()
            for i, value in enumerate(known):
                if value is not None:
                    joint.select(i, 1 - value).zero_()
            return joint / joint.sum()
        """,
        """
            result = torch.zeros(2, 2, 2, 2)
            index = tuple(slice(None) if value is None else value for value in known)
            result[index] = table[index] / table[index].sum()
            return result
        """,
    ],
    "pca": [
        """
            mean = x.mean(0)
            u, s, vt = torch.linalg.svd(x - mean, full_matrices=False)
            return mean, vt[:k]
        """,
        EIGEN + "    return x.mean(0), vectors[:, -k:].flip(1).T",
        UNSORTED + "    return [x.mean(0), vectors.real[:, values.real.argsort(descending=True)[:k]].T]",
    ],
    "rebuild": [
        """
            result = mean.expand_as(x)
            for component in components:
                result = result + torch.outer((x - mean) @ component, component)
            return result
        """,
        "torch.stack([mean + sum((c @ (image - mean)) * c for c in components) for image in x])",
    ],
    "explained": [
        "torch.linalg.eigvalsh(torch.cov(x.T)).flip(0)[:k].sum() / torch.trace(torch.cov(x.T))",
        "float(np.linalg.eigvalsh(np.cov(x.T.numpy()))[::-1][:k].sum() / np.trace(np.cov(x.T.numpy())))",
    ],
    "responsibilities": [
        LOG_JOINT + "    return torch.exp(joint - torch.logsumexp(joint, 1, keepdim=True))",
        """
            joint = torch.zeros(len(x), len(weights))
            for j in range(len(weights)):
                cloud = torch.distributions.MultivariateNormal(means[j], torch.diag(variances[j]))
                joint[:, j] = cloud.log_prob(x) + torch.log(weights[j])
            joint = torch.exp(joint - joint.max(1, keepdim=True).values)
            return joint / joint.sum(1, keepdim=True)
        """,
    ],
    "m_step": [
        MEANS + "    return total / total.sum(), means, torch.einsum('nk,nkd->kd', r, (x[:, None] - means) ** 2) / total[:, None]",
        MEANS + "    return total / len(x), means, r.T @ x**2 / total[:, None] - means**2",
        f"(r.mean(0), r.T @ x / r.sum(0)[:, None], {COV})",
    ],
    "low_rank": [
        """
            u, s, v = torch.svd(a)
            return u[:, :rank] @ torch.diag(s[:rank]) @ v[:, :rank].T
        """,
        """
            u, s, vt = torch.linalg.svd(a)
            return sum(s[i] * torch.outer(u[:, i], vt[i]) for i in range(rank))
        """,
        """
            u, s, vt = torch.linalg.svd(a, full_matrices=False)
            s[rank:] = 0
            return u @ torch.diag(s) @ vt
        """,
    ],
    "log_posterior": [
        EVIDENCE + "    return joint - torch.logsumexp(joint, dim=1, keepdim=True)",
        f"(log_prior + ({BERNOULLI} * seen[:, None]).sum(2)).log_softmax(1)",
        "F.log_softmax(log_prior + (x * seen) @ p.logit().T + seen.float() @ (1 - p).log().T, 1)",
        "(log_prior + torch.where(seen[:, None], torch.where(x[:, None] == 1, p, 1 - p), 1.0).log().sum(-1)).log_softmax(-1)",
    ],
    "slerp": [
        """
            angle = torch.acos(torch.dot(a, b) / torch.sqrt(torch.dot(a, a) * torch.dot(b, b)))
            return torch.sin((1 - t) * angle) / torch.sin(angle) * a + torch.sin(t * angle) / torch.sin(angle) * b
        """,
        """
            angle = math.acos(float(F.normalize(a, dim=0) @ F.normalize(b, dim=0)))
            return (math.sin((1 - t) * angle) * a + math.sin(t * angle) * b) / math.sin(angle)
        """,
    ],
}

WRONG = {
    "conditional": [
        (
            "unknown taken for 0",
            """
                result = torch.zeros_like(table)
                place = tuple(1 if value == 1 else 0 for value in known)
                result[place] = table[place]
                return result / result.sum()
            """,
        ),
        (
            "one known pixel only",
            """
                for i, value in enumerate(known):
                    if value is not None:
                        result = table.clone()
                        result.select(i, 1 - value).zero_()
                return result / result.sum()
            """,
        ),
    ],
    "pca": [  # in single precision: each entry of a vector that is read the wrong way has a sign of its own
        (
            "rows for columns",
            """
                u, s, v = torch.linalg.svd(x - x.mean(0), full_matrices=False)
                return x.mean(0), v[:, :k].T
            """,
        ),
        ("rows for columns", EIGEN + "    return x.mean(0), vectors[-k:]"),
        ("rows for columns", EIGEN + "    return x.mean(0), vectors[:, -k:]"),
    ],
    "responsibilities": [
        ("a small number in the sum", DENSITIES + "    return p.nan_to_num(1 / len(weights))"),
        ("a small number in the sum", LOG_JOINT + "    return joint.clamp(-500).softmax(1)"),
    ],
    "low_rank": [
        (
            "Vᵀ taken for V",
            """
                u, s, v = torch.linalg.svd(a)
                return u[:, :rank] @ torch.diag(s[:rank]) @ v[:, :rank].T
            """,
        ),
    ],
    "log_posterior": [
        (
            "a small number in the log",
            "F.log_softmax(log_prior + (x * seen) @ p.log().T + ((1 - x) * seen) @ (1 - p + 1e-9).log().T, 1)",
        ),
        ("a small number in the log", "    p = p.clamp(1e-6, 1 - 1e-6)" + EVIDENCE + "    return joint.log_softmax(1)"),
        ("products before logs", EVIDENCE + "    p = joint.double().exp()\n    return (p / p.sum(1, keepdim=True)).log().float()"),
        ("missing taken for paper", "F.log_softmax(log_prior + (x * seen) @ p.log().T + (1 - x * seen) @ (1 - p).log().T, 1)"),
    ],
}

FAULTS = {
    "conditional": [
        ("in place", "changes its input table", "    table[0] = 0\n    return table / table.sum()"),
        (
            "dtype",
            "should be torch.float32",
            """
                result = torch.zeros(2, 2, 2, 2, dtype=torch.double)
                index = tuple(slice(None) if value is None else value for value in known)
                result[index] = table[index].double() / table[index].sum()
                return result
            """,
        ),
    ],
    "pca": [
        ("value", "case 2", UNSORTED + "    return x.mean(0), vectors.real[:, :k].T"),
        ("value", "components is off", EIGEN + "    return x.mean(0), vectors.T.flip(0)[:k].abs()"),
        ("dtype", "mean should be torch.float32", EIGEN + "    return x.double().mean(0), vectors.T.flip(0)[:k]"),
        ("shape", "mean should have shape (4,)", EIGEN + "    return x.mean(0, keepdim=True), vectors.T.flip(0)[:k]"),
    ],
    "explained": [("value", "case 2", UNSORTED + "    return values.real[:k].sum() / values.real.sum()")],
    "responsibilities": [("dtype", "should be torch.float32", LOG_JOINT + "    return joint.double().softmax(1)")],
    "m_step": [
        ("value", "case 2", MEANS + "    means = r.T @ x / total.clamp(min=1)[:, None]\n    return r.mean(0), means, " + COV),
        ("value", "variances is off", f"(r.mean(0), r.T @ x / r.sum(0)[:, None], {COV}.clamp(min=1e-3))"),
    ],
    "rebuild": [
        ("shape", "should have shape (1, 3)", "(mean + (x - mean) @ components.T @ components).squeeze()"),
        ("value", "case 1", "mean + (x - mean) @ components[:2].T @ components[:2]"),
    ],
    "log_posterior": [("nan", "infinite in case 2", EVIDENCE + "    return joint.softmax(1).log()")],
    "slerp": [
        (
            "value",
            "case 1",
            """
                angle = (a @ b / (a.norm() * b.norm())).clamp(0, 1).acos()
                return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()
            """,
        ),
    ],
}

SETTINGS = {
    "experiment": {
        "film means alone": '{"rank": 3, "refills": 0}',
        "the table copied": '{"rank": 24}',
        "rank too small": '{"rank": 1, "refills": 10}',
        "too few refills": '{"rank": 3, "refills": 1}',
        "rank too large": '{"rank": 8, "refills": 10}',
        "too many refills": '{"rank": 3}',
    },
}


def tried(rank: int, refills: int, gain: float, on_seen: float) -> dict[str, float]:
    return {"rank": rank, "refills": refills, "gain": gain, "gain on seen": on_seen}


REGIONS = {
    "experiment": [
        (tried(0, 100, 0.0, 0.0), "film means alone"),
        (tried(10, 0, 0.0, 0.0), "film means alone"),
        (tried(24, 100, 0.0, 100.0), "the table copied"),
        (tried(12, 200, 4.0, 99.8), "the table copied"),
        (tried(1, 3, 22.0, 34.0), "rank too small"),
        (tried(2, 100, 22.0, 71.0), "rank too small"),
        (tried(3, 1, 27.0, 47.0), "too few refills"),
        (tried(3, 4, 52.0, 79.0), "too few refills"),
        (tried(4, 2, 36.0, 70.0), "too few refills"),
        (tried(8, 1, 18.0, 68.0), "rank too large"),
        (tried(7, 200, -13.0, 99.1), "rank too large"),
        (tried(16, 1, 6.0, 89.0), "rank too large"),
        (tried(4, 10, 50.0, 89.0), "rank too large"),
        (tried(3, 80, 52.0, 88.0), "too many refills"),
    ],
}
