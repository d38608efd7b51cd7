"""Exercise 04."""


def couple(z2: str = "b * torch.exp(s) + t", log_det: str = "s.sum(1)", z: str = "torch.hstack([a, z2])") -> str:
    """A coupling layer, line by line."""
    return f"""
    half = x.shape[1] // 2
    a, b = x[:, :half], x[:, half:]
    s, t = log_scale(a), shift(a)
    z2 = {z2}
    return {z}, {log_det}
"""


def uncouple(x2: str = "(b - t) / torch.exp(s)", x: str = "torch.hstack([a, x2])") -> str:
    """The way back, line by line."""
    return f"""
    half = z.shape[1] // 2
    a, b = z[:, :half], z[:, half:]
    s, t = log_scale(a), shift(a)
    x2 = {x2}
    return {x}
"""


DIAGONAL = "torch.diagonal(jacobians, dim1=2, dim2=3)"
PRIOR = "-0.5 * (z**2 + math.log(2 * math.pi)).sum(1)"


def mix(log_det: str = "h * w * log * torch.ones(b)", z: str = "torch.einsum('oc,bchw->bohw', weight, x)") -> str:
    return f"""
    b, c, h, w = x.shape
    log = torch.linalg.slogdet(weight).logabsdet
    return {z}, {log_det}
"""


def logits(
    log_det: str = "(math.log(1 - 2 * alpha) - torch.log(s * (1 - s))).sum(1)",
    y: str = "torch.log(s) - torch.log(1 - s)",
    v: str = "(x + u) / 256",
    s: str = "alpha + (1 - 2 * alpha) * v",
) -> str:
    return f"""
    v = {v}
    s = {s}
    y = {y}
    return y, {log_det}
"""


SLOPES = "((1 - 2 * alpha) / (s * (1 - s)))"
NATS = "-(log_p + log_det) / dims"

RIGHT = {
    "log_density": [
        """
            x = inverse(y)
            return log_p(x) - torch.log(torch.abs(slope(x)))
        """,
        "log_p(inverse(y)) - 0.5 * (slope(inverse(y)) ** 2).log()",
        """
            y = y.clone().requires_grad_()
            x = inverse(y)
            return log_p(x) + torch.autograd.grad(x.sum(), y)[0].abs().log()
        """,
    ],
    "couple": [
        couple(),
        couple("torch.addcmul(t, b, torch.exp(s))", "s.sum(-1)"),
        """
            half = x.shape[1] // 2
            z = x.clone()
            z[:, half:] = x[:, half:] * log_scale(x[:, :half]).exp() + shift(x[:, :half])
            return [z, log_scale(x[:, :half]).sum(1)]
        """,
    ],
    "uncouple": [uncouple(), uncouple("b * (-s).exp() - t * (-s).exp()"), f"with torch.no_grad():{uncouple()}"],
    "total_log_det": [
        f"torch.log(torch.abs({DIAGONAL})).sum(dim=2).sum(dim=0)",
        "torch.linalg.slogdet(jacobians).logabsdet.sum(0)",
        f"0.5 * ({DIAGONAL} ** 2).log().sum((0, 2))",
    ],
    "log_likelihood": [
        f"{PRIOR} + log_dets.sum(0)",
        "torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1) + log_dets.sum(0)",
        "-0.5 * torch.einsum('bd,bd->b', z, z) - z.shape[1] * np.log(2 * np.pi) / 2 + log_dets.sum(0)",
    ],
    "mix_channels": [
        mix(),
        mix("x[0, 0].numel() * torch.linalg.eigvals(weight).abs().log().sum().expand(b)"),
        mix("x[0, 0].numel() * torch.linalg.svdvals(weight).log().sum().repeat(b)", "F.conv2d(x, weight[:, :, None, None])"),
        mix("torch.stack([h * w * log] * b)", "(x.permute(0, 2, 3, 1) @ weight.T).permute(0, 3, 1, 2)"),
    ],
    "unmix_channels": [
        "torch.einsum('oc,bchw->bohw', torch.linalg.inv(weight), z)",
        "torch.linalg.solve(weight, z.flatten(2)).reshape(z.shape)",
    ],
    "to_logits": [
        logits(),
        logits("(math.log(1 - 2 * alpha) - s.log() - torch.log1p(-s)).sum(1)", "torch.logit(s)"),
        logits(f"{SLOPES}.log().sum(1)", "torch.log(s / (1 - s))"),
        logits("(np.log(1 - 2 * alpha) + F.softplus(y) + F.softplus(-y)).sum(1)", v="x / 256.0 + u / 256.0"),
    ],
    "bits_per_dim": [f"{NATS} / np.log(2) + 8", "-(log_p + log_det - dims * math.log(256)) / (dims * math.log(2))"],
}

WRONG = {
    "log_density": [
        ("density, then log", "x = inverse(y)\nreturn (log_p(x).exp() / slope(x).abs()).log()"),
        ("density, then log", "x = inverse(y)\nreturn (log_p(x).double().exp() / slope(x).abs()).log().float()"),
        ("absolute value after the log", "x = inverse(y)\nreturn log_p(x) - slope(x).log().abs()"),
        ("slope padded", "x = inverse(y)\nreturn log_p(x) - (slope(x).abs() + 1e-12).log()"),
        ("slope padded", "x = inverse(y)\nreturn log_p(x) - (slope(x) + 1e-8).abs().log()"),
        ("slope padded", "x = inverse(y)\nreturn log_p(x) - slope(x).abs().clamp(min=1e-12).log()"),
        ("never inverted", "log_p(y)"),
    ],
    "couple": [
        ("product, then log", couple(log_det="torch.det(torch.diag_embed(s.exp())).log()")),
        ("product, then log", couple(log_det="s.double().exp().prod(1).log().float()")),
        ("s bounded", couple("b * s.clamp(-5, 5).exp() + t", "s.clamp(-5, 5).sum(1)")),
        ("s bounded", couple("b * s.clamp(-15, 15).exp() + t", "s.clamp(-15, 15).sum(1)")),
        ("s bounded", couple("b * s.clamp(min=-8).exp() + t", "s.clamp(min=-8).sum(1)")),
        ("sign of s", couple("b * (-s).exp() + t", "-s.sum(1)")),
        ("another scale", couple("b * (1 + s) + t", "(1 + s).abs().log().sum(1)")),
        ("log-det for the whole batch", couple(log_det="s.sum().expand(len(x))")),
        ("s and t detached", f"with torch.no_grad():{couple()}"),
    ],
    "uncouple": [
        ("scale padded", uncouple("(b - t) / (torch.exp(s) + 1e-8)")),
        ("scale padded", uncouple("(b - t) / (torch.exp(s) + 1e-12)")),
        ("scale padded", uncouple("(b - t) / torch.exp(s).clamp(min=1e-10)")),
        ("minus in front", uncouple("(b - t) * -s")),
    ],
    "total_log_det": [
        ("entries padded", f"({DIAGONAL}.abs() + 1e-12).log().sum((0, 2))"),
        ("entries padded", f"({DIAGONAL} + 1e-8).abs().log().sum((0, 2))"),
        ("entries padded", f"{DIAGONAL}.abs().clamp(min=1e-10).log().sum((0, 2))"),
        ("other axes summed", f"{DIAGONAL}.abs().log().sum((1, 2))"),
        ("another diagonal", "jacobians.diagonal().abs().log().sum(0).sum(0)"),
        ("absolute value of the log", f"{DIAGONAL}.abs().log().abs().sum((0, 2))"),
        ("sign times logarithm", "sign, log = torch.linalg.slogdet(jacobians)\nreturn (sign * log).sum(0)"),
        ("product, then log", "torch.linalg.det(jacobians).abs().log().sum(0)"),
        ("product, then log", f"{DIAGONAL}.double().prod(-1).abs().log().sum(0).float()"),
        ("product, then log", f"{DIAGONAL}.double().prod(0).prod(-1).abs().log().float()"),
    ],
    "log_likelihood": [
        ("product, then log", "torch.distributions.Normal(0.0, 1.0).log_prob(z).exp().prod(1).log() + log_dets.sum(0)"),
        ("product, then log", "(-(z.double() ** 2) / 2).exp().div(math.sqrt(2 * math.pi)).log().sum(1).float() + log_dets.sum(0)"),
        ("half of the log-dets", "-0.5 * ((z**2).sum(1) + z.shape[1] * math.log(2 * math.pi) + log_dets.sum(0))"),
        ("divided by D", "torch.distributions.Normal(0.0, 1.0).log_prob(z).mean(1) + log_dets.mean(0)"),
    ],
    "mix_channels": [
        ("one side counted", mix("h**2 * log * torch.ones(b)")),
        ("batch counted too", mix("x.numel() * log * torch.ones(b)")),
        ("det, then log", mix("h * w * (weight.det().abs() + 1e-12).log() * torch.ones(b)")),
        ("inverse", mix("-h * w * log * torch.ones(b)", "torch.einsum('oc,bchw->bohw', weight.inverse(), x)")),
        ("log-det detached", mix("torch.full((b,), h * w * log.item())")),
    ],
    "to_logits": [
        ("product, then log", logits(f"{SLOPES}.prod(1).log()")),
        ("product, then log", logits(f"{SLOPES}.double().prod(1).log().float()")),
        ("sizes of the logs", logits(f"{SLOPES}.log().abs().sum(1)")),
        ("logit clipped", logits(y="torch.logit(s, eps=1e-3)")),
        ("logit clipped", logits(y="torch.logit(s, eps=1e-9)")),
        ("alpha on the other side", logits(s="(1 - 2 * alpha) * v")),
        ("not divided", logits(v="x + u / 256")),
    ],
    "bits_per_dim": [("dims on one part", "-(log_p + log_det / dims - dims * math.log(256)) / (dims * math.log(2))")],
}

FAULTS = {
    "log_density": [
        ("dtype", "should be torch.float32", "log_p(inverse(y)).double() - slope(inverse(y)).abs().log()"),
        ("value", "off by up to", "log_p(inverse(y)).clamp(min=-700) - slope(inverse(y)).abs().log()"),
    ],
    "couple": [
        (
            "dtype",
            "should be torch.float64",
            "a, b = x.chunk(2, 1)\ns = log_scale(a)\nreturn torch.cat([a, b * s.exp() + shift(a)], 1), s.float().sum(1)",
        ),
        ("shape", "should have shape (1,)", couple(log_det="s.sum(1).squeeze()")),
        ("error", "has no attribute 'forward'", couple(log_det="log_scale.forward(a).sum(1)")),
        ("gradient", "no gradient reaches shift", couple("b * torch.exp(s) + t.detach()")),
    ],
    "uncouple": [("shape", "should have shape (1, 4)", uncouple(x="torch.hstack([a, x2]).squeeze()"))],
    "total_log_det": [("dtype", "should be torch.float32", f"{DIAGONAL}.double().abs().log().sum((0, 2))")],
    "log_likelihood": [
        ("shape", "should have shape (1,)", f"({PRIOR} + log_dets.sum(0)).squeeze()"),
        ("gradient", "no gradient reaches log_dets", f"{PRIOR} + log_dets.detach().sum(0)"),
    ],
    "mix_channels": [
        ("error", "`conv2d` wants a weight of shape (out, in, height, width)", mix(z="F.conv2d(x, weight)")),
        ("error", "a matrix product works on the last two axes", mix(z="weight @ x")),
        ("dtype", "log_det should be torch.float32", mix("h * w * log * torch.ones(b).double()")),
    ],
    "unmix_channels": [
        ("shape", "should have shape (1, 2, 2, 1)", "torch.einsum('oc,bchw->bohw', weight.inverse(), z).squeeze()"),
        ("value", "off by up to", "F.conv2d(z, weight.add(torch.eye(len(weight)), alpha=1e-3).inverse()[:, :, None, None])"),
    ],
    "to_logits": [
        ("shape", "log_det should have shape (1,)", logits(f"{SLOPES}.log().sum(1).squeeze()")),
        ("random", "draw nothing yourself", logits(v="(x + torch.rand(x.shape)) / 256")),
    ],
    "bits_per_dim": [
        ("value", "off by up to", f"({NATS} / math.log(2) + 8).abs()"),
        ("value", "off by up to", "8 - (log_p + log_det).abs() / dims / math.log(2)"),
        ("value", "off by up to", f"({NATS} / math.log(2) + 8).clamp(min=0)"),
        ("shape", "should have shape (1,)", f"({NATS} / math.log(2) + 8).squeeze()"),
    ],
}


def choice(score: str, layers: int, steps: int, noise: float = 0.1) -> dict:
    return {"score": score, "layers": layers, "steps": steps, "noise": noise}


SETTINGS = {
    "outsiders": {
        "likelihood": choice("likelihood", 2, 100),
        "ratio": choice("ratio", 2, 100),
        "complexity": choice("complexity", 2, 100),
        "overfitted": choice("typicality", 10, 700),
        "too few layers": choice("typicality", 2, 100),
        "trained too short": choice("typicality", 6, 30),
    }
}


def numbers(blank: float, blurred: float, others: float, gap: float) -> dict[str, float]:
    return {"blank": blank, "blurred": blurred, "others": others, "gap": gap}


REGIONS = {
    "outsiders": [
        (numbers(0.08, 0.954, 0.968, 9.2) | choice("likelihood", 10, 700), "likelihood"),
        (numbers(0.0, 0.911, 0.965, 8.0) | choice("likelihood", 6, 300), "likelihood"),
        (numbers(0.024, 0.71, 0.92, 0.9) | choice("ratio", 2, 100, 1.0), "ratio"),
        (numbers(0.536, 0.772, 0.0, 9.2) | choice("ratio", 10, 700, 0.02), "ratio"),
        (numbers(1.0, 0.387, 0.999, 4.9) | choice("complexity", 4, 300), "complexity"),
        (numbers(0.996, 0.807, 1.0, 9.2) | choice("complexity", 10, 700), "complexity"),
        (numbers(0.8, 0.936, 0.966, 9.2) | choice("typicality", 10, 700), "overfitted"),
        (numbers(0.832, 0.898, 0.977, 9.0) | choice("typicality", 6, 700), "overfitted"),
        (numbers(0.904, 0.371, 0.593, 0.9) | choice("typicality", 2, 100), "too few layers"),
        (numbers(0.968, 0.843, 0.967, 4.9) | choice("typicality", 4, 300), "too few layers"),
        (numbers(0.96, 0.782, 0.948, 1.9) | choice("typicality", 4, 100), "trained too short"),
        (numbers(0.948, 0.812, 0.946, 3.7) | choice("typicality", 10, 100), "trained too short"),
        (numbers(1.0, 0.84, 0.599, 0.5) | choice("typicality", 6, 30), "trained too short"),
    ]
}
