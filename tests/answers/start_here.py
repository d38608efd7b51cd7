"""The warm-up exercise, 00."""

ANSWERS = {
    "kl_between": (
        "p, q",
        "F.kl_div(q.log(), p, reduction='sum')",
        {
            "directions swapped": "torch.where(p > 0, q * (q / p).log(), math.inf).sum()",
            "sign": "torch.where(p > 0, p * (q / p).log(), 0.0).sum()",
            "bits": "F.kl_div(q.log2(), p, reduction='sum') - p[p > 0].mul(p[p > 0].log() - p[p > 0].log2()).sum()",
            "base 10": "torch.where(p > 0, p * (p / q).log10(), 0.0).sum()",
            "mean for sum": "F.kl_div(q.log(), p)",
            "0 · log 0": "torch.sum(p * (torch.log(p) - torch.log(q)))",
            "one for each row": "torch.where(p > 0, p * (p.clamp(min=1e-30) / q).log(), 0.0).sum(dim=p.ndim - 1)",
            "not added up": "F.kl_div(q.log(), p, reduction='none')",
            "entropy": "torch.distributions.Categorical(probs=p.flatten()).entropy()",
            "cross-entropy": "-(p * q.log()).sum()",
            "not weighted": """
                ratio = p / q
                return torch.log(ratio[ratio > 0]).sum()
            """,
            "weighted with q": "torch.sum(q * torch.log(p / q))",
            "no log of q": "F.kl_div(q, p, reduction='sum')",
            "logs divided": """
                seen = p > 0
                return (p[seen] * p[seen].log() / q[seen].log()).sum()
            """,
            "logs added": """
                seen = p > 0
                return (p[seen] * (p[seen].log() + q[seen].log())).sum()
            """,
            "both directions": """
                seen = p > 0
                there = (p[seen] * (p[seen] / q[seen]).log()).sum()
                return there + (q * (q / p).log()).sum()
            """,
            "a small number in the log": "(p * ((p + 0.001) / q).log()).sum()",
        },
    ),
}
