"""Exercise 01."""

# The parts that several answers share, as a student would type them.
AGREE = """
    agree = torch.ones_like(table)
    for i, value in enumerate(known):
        if value is not None:
            shape = [1] * table.ndim
            shape[i] = 2
            agree = agree * F.one_hot(torch.tensor(value), 2).reshape(shape)
"""
COMPONENTS = """
    mean = x.mean(0)
    u, s, v = torch.linalg.svd(x - mean, full_matrices=False)
"""
LOG_JOINT = """
    distance = ((x[:, None] - means) ** 2 / variances).sum(-1)
    width = torch.log(variances).sum(-1)
    joint = torch.log(weights) - 0.5 * distance - 0.5 * width - means.shape[1] / 2 * math.log(2 * math.pi)
"""
MOMENTS = """
    total = r.sum(0)
    means = (r.T @ x) / total.unsqueeze(1)
    deviation = x.unsqueeze(0) - means.unsqueeze(1)
    variances = (r.T.unsqueeze(2) * deviation**2).sum(1) / total.unsqueeze(1)
"""
EVIDENCE = """
    known = seen.float()
    evidence = (known * x) @ torch.log(p).T + (known * (1 - x)) @ torch.log1p(-p).T
    joint = log_prior + evidence
"""
ARC = """
    angle = torch.acos(torch.dot(a, b) / torch.sqrt(torch.dot(a, a) * torch.dot(b, b)))
    arc = torch.sin((1 - t) * angle) / torch.sin(angle) * a + torch.sin(t * angle) / torch.sin(angle) * b
"""

ANSWERS = {
    "conditional": (
        "table, known",
        AGREE + "    return table * agree / torch.sum(table * agree)",
        {
            "not divided": AGREE + "    return table * agree",
            "known pixels ignored": "table.clone()",
            "0 taken for unknown": """
                result = table.clone()
                for i, value in enumerate(known):
                    if value:
                        result.select(i, 0).zero_()
                return result / result.sum()
            """,
            "unknown taken for 0": """
                result = torch.zeros_like(table)
                place = tuple(1 if value == 1 else 0 for value in known)
                result[place] = table[place]
                return result / result.sum()
            """,
            "contradictions kept": AGREE + "    return torch.where(agree > 0, 0, table) / table[agree == 0].sum()",
            "one known pixel only": """
                for i, value in enumerate(known):
                    if value is not None:
                        result = table.clone()
                        result.select(i, 1 - value).zero_()
                return result / result.sum()
            """,
            "pixels in reverse order": """
                result = table.flatten().clone()
                for i in range(16):
                    for d in range(4):
                        if known[d] is not None and i // 2**d % 2 != known[d]:
                            result[i] = 0
                return (result / result.sum()).reshape(2, 2, 2, 2)
            """,
            "all that fit are equal": AGREE + "    return agree / agree.sum()",
            "a mask": AGREE + "    return agree",
            "known pixels as if independent": AGREE
            + """
    result = table * agree
    for i, value in enumerate(known):
        if value is not None:
            result = result / table.select(i, value).sum()
    return result
            """,
            "softmax": AGREE + "    return torch.softmax((table * agree).reshape(-1), 0).reshape(2, 2, 2, 2)",
            "0 and 1 exchanged": """
                result = table.clone()
                for i, value in enumerate(known):
                    if value is not None:
                        result.select(i, value).zero_()
                return result / result.sum()
            """,
            "columns before rows": """
                result = table.clone()
                for i, axis in enumerate((0, 2, 1, 3)):
                    if known[i] is not None:
                        result.select(axis, 1 - known[i]).zero_()
                return result / result.sum()
            """,
            "divided by another number": AGREE + "    return table * agree / (agree > 0).sum()",
            "divided along one axis": AGREE + "    return table * agree / (table * agree).sum(dim=3, keepdim=True)",
            "one match is enough": """
                result = torch.zeros_like(table)
                for image in torch.cartesian_prod(*[torch.arange(2)] * 4).tolist():
                    if any(a == b for a, b in zip(image, known)):
                        result[tuple(image)] = table[tuple(image)]
                return result / result.sum()
            """,
            "nothing fits": """
                result = torch.zeros_like(table)
                for image in torch.cartesian_prod(*[torch.arange(2)] * 4).tolist():
                    if tuple(image) == known:
                        result[tuple(image)] = table[tuple(image)]
                return result / result.sum()
            """,
            "known axes gone": """
                left = table[tuple(slice(None) if value is None else value for value in known)]
                return left / left.sum()
            """,
        },
    ),
    "pca": (
        "x, k",
        COMPONENTS + "    return mean, v[:k]",
        {
            "smallest first": """
                values, vectors = torch.linalg.eigh(torch.cov(x.T))
                return x.mean(0), vectors[:, :k].T
            """,
            "in ascending order": """
                values, vectors = torch.linalg.eigh(torch.cov(x.T))
                return x.mean(0), vectors[:, -k:].T
            """,
            "not centred": "x.mean(0), torch.linalg.svd(x, full_matrices=False)[2][:k]",
            "one mean for all pixels": "x.mean(), torch.linalg.svd(x - x.mean(), full_matrices=False)[2][:k]",
            "components in columns": COMPONENTS + "    return mean, v[:k].T",
            # in double precision, as in the task: the signs of a decomposition are anybody's, and here they matter
            "rows for columns": """
                u, s, v = torch.linalg.svd(x.double() - x.double().mean(0), full_matrices=False)
                return x.mean(0), v.T[:k]
            """,
            "all of them": COMPONENTS + "    return mean, v",
            "pixels standardised": "x.mean(0), torch.linalg.svd((x - x.mean(0)) / x.std(0), full_matrices=False)[2][:k]",
            "scaled by the spread": COMPONENTS + "    return mean, v[:k] * s[:k, None] / math.sqrt(len(x))",
            "covariance of the images": COMPONENTS + "    return mean, u[:, :k].T",
            "codes, not components": COMPONENTS + "    return mean, u[:, :k] * s[:k]",
            "components before the mean": COMPONENTS + "    return v[:k], mean",
            "the first left out": COMPONENTS + "    return mean, v[1 : k + 1]",
        },
    ),
    "rebuild": (
        "x, mean, components",
        """
            result = mean.expand_as(x)
            for component in components:
                result = result + torch.outer((x - mean) @ component, component)
            return result
        """,
        {
            "the codes": "torch.einsum('nd,kd->nk', x - mean, components)",
            "mean not added": "torch.einsum('nd,kd,ke->ne', x - mean, components, components)",
            "mean not taken away": "mean + torch.einsum('nd,kd,ke->ne', x, components, components)",
            "no mean": "torch.einsum('nd,kd,ke->ne', x, components, components)",
            "mean of these images": "x.mean(0) + torch.einsum('nd,kd,ke->ne', x - x.mean(0), components, components)",
            "what is lost": "(x - mean) - torch.einsum('nd,kd,ke->ne', x - mean, components, components)",
            "mean subtracted twice": "torch.einsum('nd,kd,ke->ne', x - mean, components, components) - mean",
            "everything kept": "mean + (x - mean)",
            "averaged over components": "mean + ((x - mean) @ components.T)[:, :, None].mul(components).mean(1)",
            "one component alone": """
                for component in components:
                    result = mean + torch.outer((x - mean) @ component, component)
                return result
            """,
            "cut off": "(mean + (x - mean) @ components.T @ components).clip(0, 1)",
        },
    ),
    "explained": (
        "x, k",
        "torch.linalg.eigvalsh(torch.cov(x.T)).flip(0)[:k].sum() / torch.trace(torch.cov(x.T))",
        {
            "not centred": "(values := torch.linalg.eigvalsh(x.T @ x).flip(0))[:k].sum() / values.sum()",
            "the first pixels": "x.var(0)[:k].sum() / x.var(0).sum()",
            "singular values not squared": COMPONENTS + "    return s[:k].sum() / s.sum()",
            "squared once too often": "(values := torch.linalg.eigvalsh(torch.cov(x.T)).flip(0) ** 2)[:k].sum() / values.sum()",
            "smallest first": "(values := torch.linalg.eigvalsh(torch.cov(x.T)))[:k].sum() / values.sum()",
            "lost, not kept": "(values := torch.linalg.eigvalsh(torch.cov(x.T)).flip(0))[k:].sum() / values.sum()",
            "the k-th alone": "(values := torch.linalg.eigvalsh(torch.cov(x.T)))[-k] / values.sum()",
            "one too many": "(values := torch.linalg.eigvalsh(torch.cov(x.T)).flip(0))[: k + 1].sum() / values.sum()",
            "variance, not share": "torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)[:k].sum()",
            "always 1": "(values := torch.linalg.eigvalsh(torch.cov(x.T)).flip(0)[:k]).sum() / values.sum()",
            "one for each k": "(values := torch.linalg.eigvalsh(torch.cov(x.T)).flip(0)).cumsum(0)[:k] / values.sum()",
            "not added up": "(values := torch.linalg.eigvalsh(torch.cov(x.T)).flip(0))[:k] / values.sum()",
            "one too few": "(values := torch.linalg.eigvalsh(torch.cov(x.T)).flip(0))[: k - 1].sum() / values.sum()",
            "per cent": "100 * (values := torch.linalg.eigvalsh(torch.cov(x.T)).flip(0))[:k].sum() / values.sum()",
            # in double precision: a small number below the line
            "kept against lost": "(values := torch.linalg.eigvalsh(torch.cov(x.double().T)).flip(0))[:k].sum() / values[k:].sum()",
            "means for sums": "(values := torch.linalg.eigvalsh(torch.cov(x.T)).flip(0))[:k].mean() / values.mean()",
            "n and n − 1": "torch.linalg.eigvalsh(torch.cov(x.T))[-k:].sum() / x.var(0, unbiased=False).sum()",
            "centred along the wrong axis": "(s := torch.linalg.svdvals((x.T - x.mean(1)).T) ** 2)[:k].sum() / s.sum()",
            "root": COMPONENTS + "    return s[:k].norm() / s.norm()",
            "pixels standardised": "torch.linalg.eigvalsh(torch.corrcoef(x.T))[-k:].sum() / x.shape[1]",
        },
    ),
    "responsibilities": (
        "x, weights, means, variances",
        LOG_JOINT + "    return torch.exp(joint - torch.logsumexp(joint, 1, keepdim=True))",
        {
            "wrong axis": LOG_JOINT + "    return torch.softmax(joint, 0)",
            "densities before logs": LOG_JOINT + "    return torch.exp(joint) / torch.exp(joint).sum(1, keepdim=True)",
            "a small number in the sum": LOG_JOINT + "    return torch.exp(joint) / (torch.exp(joint).sum(1, keepdim=True) + 1e-9)",
            "one largest for all points": LOG_JOINT
            + """
    joint = torch.exp(joint - torch.max(joint))
    return joint / joint.sum(1)[:, None]
            """,
            "weights forgotten": LOG_JOINT + "    return torch.softmax(joint - torch.log(weights), 1)",
            "weights not in logs": LOG_JOINT + "    return torch.softmax(joint - torch.log(weights) + weights, 1)",
            "variance as standard deviation": """
                normal = torch.distributions.Normal(means, variances)
                return torch.softmax(weights.log() + normal.log_prob(x.unsqueeze(1)).sum(2), 1)
            """,
            "variances ignored": "torch.softmax(torch.log(weights) - 0.5 * torch.cdist(x, means) ** 2, 1)",
            "width of the cloud forgotten": LOG_JOINT + "    return torch.softmax(torch.log(weights) - distance / 2, 1)",
            "sign of the log variance": LOG_JOINT + "    return torch.softmax(torch.log(weights) - (distance - width) / 2, 1)",
            "half forgotten": LOG_JOINT + "    return torch.softmax(torch.log(weights) - distance - width / 2, 1)",
            "averaged over dimensions": LOG_JOINT
            + "    return torch.softmax(torch.log(weights) - (distance + width) / 2 / means.shape[1], 1)",
            "not normalised": LOG_JOINT + "    return torch.exp(joint)",
            "logs returned": LOG_JOINT + "    return joint - torch.logsumexp(joint, 1, keepdim=True)",
            "the nearest takes all": LOG_JOINT + "    return (joint == joint.amax(1, keepdim=True)).float()",
            "weights times logs": LOG_JOINT + "    return torch.softmax(weights * (joint - torch.log(weights)), 1)",
            "weights at the end": LOG_JOINT + "    return weights * torch.softmax(joint - torch.log(weights), 1)",
            "weights in each dimension": """
                normal = torch.distributions.Normal(means, variances.sqrt())
                return torch.softmax((weights.log().unsqueeze(1) + normal.log_prob(x.unsqueeze(1))).sum(2), 1)
            """,
            "sign of the distance": LOG_JOINT + "    return torch.softmax(torch.log(weights) + (distance - width) / 2, 1)",
            "divided by σ": LOG_JOINT
            + """
    distance = ((x[:, None] - means) ** 2 / variances.sqrt()).sum(-1)
    return torch.softmax(torch.log(weights) - (distance + width) / 2, 1)
            """,
            "log-joint": LOG_JOINT + "    return joint",
            "logs divided by their sum": LOG_JOINT + "    return joint / joint.sum(1)[:, None]",
        },
    ),
    "m_step": (
        "x, r",
        MOMENTS + "    return total / total.sum(), means, variances",
        {
            "divided by n": """
                means = (r[:, :, None] * x[:, None]).mean(0)
                return r.mean(0), means, (r[:, :, None] * (x[:, None] - means) ** 2).mean(0)
            """,
            "weights not divided": MOMENTS + "    return total, means, variances",
            "standard deviations": MOMENTS + "    return total / len(x), means, torch.sqrt(variances)",
            "not centred": MOMENTS + "    return total / len(x), means, (r.T @ x**2) / total[:, None]",
            "about the mean of all": MOMENTS + "    return total / len(x), means, (r.T @ (x - x.mean(0)) ** 2) / total[:, None]",
            "absolute deviations": MOMENTS
            + "    return total / len(x), means, (r.T.unsqueeze(2) * deviation.abs()).sum(1) / total.unsqueeze(1)",
            "responsibilities squared": MOMENTS
            + "    return total / len(x), means, ((r.T.unsqueeze(2) * deviation) ** 2).sum(1) / total.unsqueeze(1)",
            "the nearest takes all": """
                r = (r == r.max(1, keepdim=True).values).float()
                means = torch.stack([x[column > 0].mean(0) for column in r.T])
                return r.mean(0), means, torch.stack([x[column > 0].var(0, correction=0) for column in r.T])
            """,
            "responsibilities ignored": """
                k = r.shape[1]
                return r.mean(0), x.mean(0).repeat(k, 1), x.var(0, unbiased=False).repeat(k, 1)
            """,
            "N_k − 1": MOMENTS + "    return total / len(x), means, (r.T[..., None] * deviation**2).sum(1) / (total - 1)[:, None]",
            "one variance for all dimensions": MOMENTS
            + "    return total / len(x), means, variances.mean(1)[:, None].repeat(1, x.shape[1])",
            "equal weights": MOMENTS + "    return torch.ones_like(total) / len(total), means, variances",
            "sums, not means": """
                means = r.T @ x
                return r.mean(0), means, torch.einsum('nk,nkd->kd', r, (x[:, None] - means) ** 2)
            """,
            "in another order": MOMENTS + "    return means, variances, total / len(x)",
            "squares not weighed": MOMENTS + "    return total / len(x), means, (deviation**2).mean(1)",
            "a little added": MOMENTS + "    return total / len(x), means, variances + 0.001",
        },
    ),
    "low_rank": (
        "a, rank",
        """
            u, s, v = torch.svd(a)
            return u[:, :rank] @ torch.diag(s[:rank]) @ v[:, :rank].T
        """,
        {
            "rank ignored": """
                u, s, v = torch.svd(a)
                return u @ torch.diag(s) @ v.T
            """,
            "what is left out": """
                u, s, v = torch.svd(a)
                return u[:, rank:] @ torch.diag(s[rank:]) @ v[:, rank:].T
            """,
            "one too many": """
                u, s, v = torch.svd(a)
                return u[:, : rank + 1] @ torch.diag(s[: rank + 1]) @ v[:, : rank + 1].T
            """,
            "the last term alone": """
                u, s, v = torch.svd(a)
                return s[rank - 1] * torch.outer(u[:, rank - 1], v[:, rank - 1])
            """,
            "singular values left out": """
                u, s, v = torch.svd(a)
                return u[:, :rank] @ v[:, :rank].T
            """,
            "singular values squared": """
                u, s, v = torch.svd(a)
                return u[:, :rank] @ torch.diag(s[:rank] ** 2) @ v[:, :rank].T
            """,
            "root of the singular values": """
                u, s, v = torch.svd(a)
                return u[:, :rank] @ torch.diag(torch.sqrt(s[:rank])) @ v[:, :rank].T
            """,
            "Vᵀ taken for V": """
                u, s, v = torch.linalg.svd(a.double(), full_matrices=False)
                return u[:, :rank] @ torch.diag(s[:rank]) @ v[:, :rank].T
            """,
            "smallest kept": """
                u, s, v = torch.svd(a)
                return u[:, -rank:] @ torch.diag(s[-rank:]) @ v[:, -rank:].T
            """,
            "column means apart": """
                mean = a.mean(0, keepdim=True)
                u, s, v = torch.svd(a - mean)
                return mean + u[:, :rank] @ torch.diag(s[:rank]) @ v[:, :rank].T
            """,
            "column means lost": """
                u, s, v = torch.svd(a - a.mean(0))
                return u[:, :rank] @ torch.diag(s[:rank]) @ v[:, :rank].T
            """,
            "one too few": """
                u, s, v = torch.svd(a)
                return u[:, : rank - 1] @ torch.diag(s[: rank - 1]) @ v[:, : rank - 1].T
            """,
            "the first left out": """
                u, s, v = torch.svd(a)
                return u[:, 1 : rank + 1] @ torch.diag(s[1 : rank + 1]) @ v[:, 1 : rank + 1].T
            """,
        },
    ),
    "log_posterior": (
        "x, seen, log_prior, p",
        EVIDENCE + "    return joint - torch.logsumexp(joint, dim=1, keepdim=True)",
        {
            "seen ignored": "F.log_softmax(log_prior + x @ p.log().T + (1 - x) @ (1 - p).log().T, dim=1)",
            "missing taken for paper": """
                x = torch.where(seen, x, 0.0)
                return F.log_softmax(log_prior + x @ p.log().T + (1 - x) @ (1 - p).log().T, dim=1)
            """,
            "missing taken for half": """
                x = x * seen + 0.5 * ~seen
                return F.log_softmax(log_prior + x @ p.log().T + (1 - x) @ (1 - p).log().T, dim=1)
            """,
            "the unseen counted": """
                hidden = 1 - seen.float()
                return F.log_softmax(log_prior + (hidden * x) @ p.log().T + (hidden * (1 - x)) @ (1 - p).log().T, dim=1)
            """,
            "paper ignored": EVIDENCE + "    return F.log_softmax(log_prior + (known * x) @ torch.log(p).T, dim=1)",
            "prior forgotten": EVIDENCE + "    return F.log_softmax(evidence, dim=1)",
            "prior not in logs": EVIDENCE + "    return F.log_softmax(evidence + torch.exp(log_prior), dim=1)",
            "not normalised": EVIDENCE + "    return joint",
            "normalised over the images": EVIDENCE + "    return F.log_softmax(joint, dim=0)",
            "probabilities, not logs": EVIDENCE + "    return F.softmax(joint, dim=1)",
            "products before logs": EVIDENCE + "    return torch.log(torch.exp(joint) / torch.exp(joint).sum(1, keepdim=True))",
            "a small number in the log": """
                known, eps = seen.float(), 1e-9
                evidence = (known * x) @ torch.log(p + eps).T + (known * (1 - x)) @ torch.log(1 - p + eps).T
                return F.log_softmax(log_prior + evidence, dim=1)
            """,
            "averaged over pixels": EVIDENCE + "    return F.log_softmax(log_prior + evidence / known.sum(1, keepdim=True), dim=1)",
            "a small number in the product": EVIDENCE
            + """
    joint = torch.exp(joint) + 1e-10
    return torch.log(joint / joint.sum(1, keepdim=True))
            """,
            "prior for each pixel": """
                terms = x[:, None] * p.log() + (1 - x[:, None]) * (1 - p).log() + log_prior[:, None]
                return F.log_softmax((terms * seen[:, None]).sum(2), dim=1)
            """,
            "log of the log prior": EVIDENCE + "    return F.log_softmax(torch.log(log_prior) + evidence, dim=1)",
            "the likelihood alone": EVIDENCE + "    return evidence",
            "ink taken for paper": "F.log_softmax(log_prior + (x * seen) @ (1 - p).log().T + ((1 - x) * seen) @ p.log().T, dim=1)",
            "minus between the terms": "F.log_softmax(log_prior + (x * seen) @ p.log().T - ((1 - x) * seen) @ (1 - p).log().T, dim=1)",
            "ink ignored": EVIDENCE + "    return F.log_softmax(log_prior + (known * (1 - x)) @ torch.log(1 - p).T, dim=1)",
            "seen in one term": "F.log_softmax(log_prior + (x * seen) @ p.log().T + (1 - x) @ (1 - p).log().T, dim=1)",
            "another Z": EVIDENCE + "    return joint - joint.sum(1, keepdim=True)",
            "sign": EVIDENCE + "    return torch.logsumexp(joint, dim=1, keepdim=True) - joint",
            "bits": EVIDENCE + "    return F.log_softmax(joint, dim=1) / math.log(2)",
        },
    ),
    "slerp": (
        "a, b, t",
        ARC + "    return arc",
        {
            "a straight line": "a + t * (b - a)",
            "a straight line, stretched": """
                line = a + t * (b - a)
                return F.normalize(line, dim=0) * ((1 - t) * a.norm() + t * b.norm())
            """,
            "from b to a": ARC + "    return (torch.sin(t * angle) * a + torch.sin((1 - t) * angle) * b) / torch.sin(angle)",
            "sin Ω left out": ARC + "    return torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b",
            "lengths left in the cosine": """
                angle = torch.acos(torch.dot(a, b))
                return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
            """,
            "cosine for angle": """
                angle = torch.dot(a, b) / (a.norm() * b.norm())
                return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
            """,
            "unit length": """
                a, b = a / a.norm(), b / b.norm()
                angle = torch.acos(torch.dot(a, b))
                return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
            """,
            "length put back": """
                length = (1 - t) * a.norm() + t * b.norm()
                a, b = a / a.norm(), b / b.norm()
                angle = torch.acos(torch.dot(a, b))
                return length * (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
            """,
        },
    ),
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

REGIONS = {
    "experiment": [
        ({"gain": 0.0, "gain on seen": 0.0, "rank": 0}, "film means alone"),
        ({"gain": 0.0, "gain on seen": 100.0, "rank": 24}, "the table copied"),
        ({"gain": 4.0, "gain on seen": 99.8, "rank": 12}, "the table copied"),
        ({"gain": 23.0, "gain on seen": 40.0, "rank": 1}, "rank too small"),
        ({"gain": 19.0, "gain on seen": 35.0, "rank": 2}, "rank too small"),
        ({"gain": 27.0, "gain on seen": 47.0, "rank": 3}, "too few refills"),
        ({"gain": 24.0, "gain on seen": 52.0, "rank": 4}, "too few refills"),
        ({"gain": 25.0, "gain on seen": 96.0, "rank": 8}, "rank too large"),
        ({"gain": 50.0, "gain on seen": 89.0, "rank": 4}, "rank too large"),
        ({"gain": 51.0, "gain on seen": 88.0, "rank": 3}, "too many refills"),
    ],
}
