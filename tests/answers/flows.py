"""Exercise 04."""


def couple(z2: str = "b * torch.exp(s) + t", log_det: str = "s.sum(dim=1)", z: str = "torch.hstack([a, z2])", given: str = "a") -> str:
    """A coupling layer, line by line."""
    return f"""
    half = x.shape[1] // 2
    a, b = x[:, :half], x[:, half:]
    s, t = log_scale({given}), shift({given})
    z2 = {z2}
    return {z}, {log_det}
"""


def uncouple(x2: str = "(b - t) / torch.exp(s)", x: str = "torch.hstack([a, x2])", given: str = "a") -> str:
    """The way back, line by line."""
    return f"""
    half = z.shape[1] // 2
    a, b = z[:, :half], z[:, half:]
    s, t = log_scale({given}), shift({given})
    x2 = {x2}
    return {x}
"""


DIAGONAL = "torch.diagonal(jacobians, dim1=2, dim2=3)"
PRIOR = "-0.5 * (z**2 + math.log(2 * math.pi)).sum(1)"


def likelihood(prior: str = PRIOR, volume: str = "log_dets.sum(0)") -> str:
    return f"\n    return {prior} + {volume}\n"


def mix(z: str = "torch.einsum('oc,bchw->bohw', weight, x)", log_det: str = "h * w * log * torch.ones(b)") -> str:
    return f"""
    b, c, h, w = x.shape
    log = torch.linalg.slogdet(weight).logabsdet
    return {z}, {log_det}
"""


def rows(x: str, matrix: str) -> str:
    return f"({x}.reshape(-1, {x}.shape[1]) @ {matrix}.T).reshape({x}.shape)"


def logits(
    v: str = "(x + u) / 256",
    s: str = "alpha + (1 - 2 * alpha) * v",
    y: str = "torch.log(s) - torch.log(1 - s)",
    log_det: str = "(math.log(1 - 2 * alpha) - torch.log(s * (1 - s))).sum(1)",
) -> str:
    return f"""
    v = {v}
    s = {s}
    y = {y}
    return y, {log_det}
"""


NATS = "-(log_p + log_det) / dims"

ANSWERS = {
    "log_density": (
        "y, log_p, inverse, slope",
        """
            x = inverse(y)
            return log_p(x) - torch.log(torch.abs(slope(x)))
        """,
        {
            "sign": "log_p(inverse(y)) + torch.log(torch.abs(slope(inverse(y))))",
            "slope left out": "log_p(inverse(y))",
            "slope at y": "log_p(inverse(y)) - torch.log(torch.abs(slope(y)))",
            "base density at y": "log_p(y) - torch.log(torch.abs(slope(inverse(y))))",
            "never inverted": "log_p(y) - torch.log(torch.abs(slope(y)))",
            "absolute value forgotten": "log_p(inverse(y)) - torch.log(slope(inverse(y)))",
            "negative slopes clamped": "log_p(inverse(y)) - torch.log(torch.clamp(slope(inverse(y)), min=1e-6))",
            "absolute value after the log": "log_p(inverse(y)) - torch.abs(torch.log(slope(inverse(y))))",
            "absolute value of the log": "log_p(inverse(y)) - torch.abs(torch.log(torch.abs(slope(inverse(y)))))",
            "slope padded": "log_p(inverse(y)) - torch.log(torch.abs(slope(inverse(y))) + 1e-8)",
            "slope without log": "log_p(inverse(y)) - slope(inverse(y))",
            "slope squared": "log_p(inverse(y)) - torch.log(slope(inverse(y)) ** 2)",
            "log density divided": "log_p(inverse(y)) / torch.abs(slope(inverse(y)))",
            "log of log p": "torch.log(log_p(inverse(y))) - torch.log(torch.abs(slope(inverse(y))))",
            "density, then log": "torch.log(torch.exp(log_p(inverse(y))) / torch.abs(slope(inverse(y))))",
            "density": "torch.exp(log_p(inverse(y))) / torch.abs(slope(inverse(y)))",
            "negative": "torch.log(torch.abs(slope(inverse(y)))) - log_p(inverse(y))",
            "bits": "log_p(inverse(y)) - torch.log2(torch.abs(slope(inverse(y))))",
            "one number": "(log_p(inverse(y)) - torch.log(torch.abs(slope(inverse(y))))).mean()",
        },
    ),
    "couple": (
        "x, log_scale, shift",
        couple(),
        {
            "s not exponentiated": couple("b * s + t"),
            "another scale": couple("b * F.softplus(s) + t", "F.softplus(s).log().sum(1)"),
            "inverse": couple("(b - t) / torch.exp(s)", "-s.sum(1)"),
            "sign of s": couple("b * torch.exp(-s) + t"),
            "sign of t": couple("b * torch.exp(s) - t"),
            "s and t exchanged": couple("b * torch.exp(t) + s", "t.sum(1)"),
            "shifted first": couple("(b + t) * torch.exp(s)"),
            "shift from the changed half": """
                half = x.shape[1] // 2
                a, b = x[:, :half], x[:, half:]
                s = log_scale(a)
                return torch.hstack([a, b * torch.exp(s) + shift(b)]), s.sum(1)
            """,
            "scale from the changed half": """
                a, b = x[:, : x.shape[1] // 2], x[:, x.shape[1] // 2 :]
                s = log_scale(b)
                return torch.hstack([a, b * torch.exp(s) + shift(a)]), s.sum(1)
            """,
            "t exponentiated": couple("b * torch.exp(s) + torch.exp(t)"),
            "multiplied by t": couple("b * torch.exp(s) * t"),
            "no shift": couple("b * torch.exp(s)"),
            "s bounded": couple("b * torch.exp(torch.tanh(s)) + t", "torch.tanh(s).sum(1)"),
            "conditioned on itself": couple(given="b"),
            "halves exchanged": couple("a * torch.exp(s) + t", z="torch.hstack([z2, b])", given="b"),
            "both halves changed": couple(z="torch.hstack([a * torch.exp(s) + t, z2])"),
            "order of the halves": couple(z="torch.hstack([z2, a])"),
            "every second entry": """
                s, t = log_scale(x[:, 0::2]), shift(x[:, 0::2])
                return torch.cat([x[:, 0::2], x[:, 1::2] * s.exp() + t], dim=1), s.sum(1)
            """,
            "only the changed half": couple(z="z2"),
            "joined below each other": couple(z="torch.vstack([a, z2])"),
            "sign of the log-det": couple(log_det="-s.sum(1)"),
            "scales summed": couple(log_det="torch.exp(s).sum(1)"),
            "log of the summed scales": couple(log_det="torch.log(torch.exp(s).sum(dim=1))"),
            "s multiplied": couple(log_det="torch.prod(s, dim=1)"),
            "product, then log": couple(log_det="torch.log(torch.prod(torch.exp(s), dim=1))"),
            "determinant": couple(log_det="torch.exp(s.sum(1))"),
            "log of s": couple(log_det="torch.log(torch.abs(s)).sum(1)"),
            "log-det averaged": couple(log_det="s.mean(dim=1)"),
            "counted twice": couple(log_det="s.mean(1) * x.shape[1]"),
            "summed over the batch": couple(log_det="s.sum(dim=0)"),
            "log-det for the whole batch": couple(log_det="torch.sum(s)"),
            "log-det for each entry": couple(log_det="s"),
            "no log-det": couple(log_det="torch.zeros(len(x))"),
            "sizes of s added": couple(log_det="torch.abs(s).sum(1)"),
            "ones of the diagonal added": couple(log_det="s.sum(1) + half"),
            "shift in the log-det": couple(log_det="s.sum(1) + t.sum(1)"),
            "bits": couple(log_det="torch.log2(torch.exp(s)).sum(1)"),
            "log-det detached": couple(log_det="s.sum(1).detach()"),
            "s and t detached": """
                a, b = torch.chunk(x, 2, dim=1)
                with torch.no_grad():
                    s, t = log_scale(a), shift(a)
                return torch.cat([a, b * s.exp() + t], dim=1), s.sum(1)
            """,
        },
    ),
    "uncouple": (
        "z, log_scale, shift",
        uncouple(),
        {
            "forward again": uncouple("b * torch.exp(s) + t"),
            "only the shift divided": uncouple("b - t / torch.exp(s)"),
            "scaled back first": uncouple("b / torch.exp(s) - t"),
            "sign of s": uncouple("(b - t) * torch.exp(s)"),
            "sign of t": uncouple("(b + t) / torch.exp(s)"),
            "scale padded": uncouple("(b - t) / (torch.exp(s) + 1e-6)"),
            "divided by s": uncouple("(b - t) / s"),
            "minus in front": uncouple("(b - t) * -torch.exp(s)"),
            "s and t exchanged": uncouple("(b - s) / torch.exp(t)"),
            "shift not undone": uncouple("b / torch.exp(s)"),
            "scale not undone": uncouple("b - t"),
            "from the changed half": uncouple(given="b"),
            "scale from the changed half": """
                a, b = z.chunk(2, 1)
                return torch.hstack([a, (b - shift(a)) / torch.exp(log_scale(b))])
            """,
            "shift from the changed half": """
                a, b = z.chunk(2, 1)
                return torch.hstack([a, (b - shift(b)) / torch.exp(log_scale(a))])
            """,
            "every second entry": """
                a, b = z[:, 0::2], z[:, 1::2]
                return torch.hstack([a, (b - shift(a)) / torch.exp(log_scale(a))])
            """,
            "halves exchanged": uncouple("(a - t) / torch.exp(s)", "torch.hstack([x2, b])", "b"),
            "both halves changed": uncouple(x="torch.hstack([(a - t) / torch.exp(s), x2])"),
            "s bounded": uncouple("(b - t) / torch.exp(torch.tanh(s))"),
            "joined below each other": uncouple(x="torch.vstack([a, x2])"),
            "order of the halves": uncouple(x="torch.hstack([x2, a])"),
            "only the changed half": uncouple(x="x2"),
            "log-det too": uncouple(x="torch.hstack([a, x2]), -s.sum(1)"),
        },
    ),
    "total_log_det": (
        "jacobians",
        f"torch.log(torch.abs({DIAGONAL})).sum(dim=2).sum(dim=0)",
        {
            "product, then log": f"torch.log(torch.abs(torch.prod({DIAGONAL}, dim=2))).sum(0)",
            "absolute value forgotten": f"torch.log({DIAGONAL}).sum((0, 2))",
            "negative entries clamped": f"torch.log(torch.clamp({DIAGONAL}, min=1e-6)).sum((0, 2))",
            "entries padded": f"torch.log(torch.abs({DIAGONAL}) + 1e-8).sum((0, 2))",
            "another diagonal": "torch.log(torch.abs(torch.diagonal(jacobians))).sum((0, 1))",
            "every entry": "torch.log(torch.abs(jacobians)).sum((0, 2, 3))",
            "absolute value of the log": f"torch.abs(torch.log(torch.abs({DIAGONAL}))).sum((0, 2))",
            "determinant": f"torch.prod(torch.prod({DIAGONAL}, dim=2), dim=0)",
            "determinants of the layers added": f"torch.prod({DIAGONAL}, dim=2).sum(0)",
            "trace": f"{DIAGONAL}.sum((0, 2))",
            "log of the sum": f"torch.log(torch.abs({DIAGONAL}).sum(2)).sum(0)",
            "last layer alone": f"torch.log(torch.abs({DIAGONAL}))[-1].sum(1)",
            "one for each layer": f"torch.log(torch.abs({DIAGONAL})).sum(2)",
            "layers multiplied": f"torch.prod(torch.log(torch.abs({DIAGONAL})).sum(2), dim=0)",
            "determinants added": f"torch.logsumexp(torch.log(torch.abs({DIAGONAL})).sum(2), dim=0)",
            "matrices added": "torch.linalg.slogdet(torch.sum(jacobians, dim=0)).logabsdet",
            "averaged over the layers": f"torch.log(torch.abs({DIAGONAL})).sum(2).mean(0)",
            "averaged over the entries": f"torch.log(torch.abs({DIAGONAL})).mean(2).sum(0)",
            "summed over the batch": f"torch.log(torch.abs({DIAGONAL})).sum()",
            "other axes summed": f"torch.log(torch.abs({DIAGONAL})).sum((1, 2))",
            "sign": f"-torch.log(torch.abs({DIAGONAL})).sum((0, 2))",
            "bits": f"torch.log2(torch.abs({DIAGONAL})).sum((0, 2))",
            "sign times logarithm": "sum(sign * log for sign, log in map(torch.linalg.slogdet, jacobians))",
            "signs come first": "torch.linalg.slogdet(jacobians).sign.sum(0)",
        },
    ),
    "log_likelihood": (
        "z, log_dets",
        likelihood(),
        {
            "product, then log": likelihood("(torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)).prod(1).log()"),
            "log-dets subtracted": f"{PRIOR} - log_dets.sum(dim=0)",
            "base left out": "log_dets.sum(dim=0)",
            "log-dets left out": PRIOR,
            "one log-det alone": likelihood(volume="log_dets[-1]"),
            "half of the log-dets": likelihood(volume="0.5 * log_dets.sum(0)"),
            "log-dets averaged": likelihood(volume="torch.mean(log_dets, dim=0)"),
            "log-dets multiplied": likelihood(volume="torch.prod(log_dets, dim=0)"),
            "log of the log-dets": likelihood(volume="torch.log(torch.abs(log_dets)).sum(0)"),
            "exp of the log-dets": likelihood(volume="torch.exp(log_dets).sum(0)"),
            "log-dets of the whole batch": likelihood(volume="log_dets.sum()"),
            "constant left out": likelihood("-0.5 * (z**2).sum(1)"),
            "constant once": likelihood("-0.5 * (z**2).sum(1) - 0.5 * math.log(2 * math.pi)"),
            "batch for D": likelihood("-0.5 * (z**2).sum(1) - 0.5 * len(z) * math.log(2 * math.pi)"),
            "layers for D": likelihood("-0.5 * (z**2).sum(1) - 0.5 * len(log_dets) * math.log(2 * math.pi)"),
            "constant without log": likelihood("(-0.5 * z**2 - math.sqrt(2 * math.pi)).sum(1)"),
            "constant in another base": likelihood("(-0.5 * z**2 - 0.5 * math.log10(2 * math.pi)).sum(1)"),
            "bracket of the constant": likelihood("(-0.5 * z**2 - 0.5 * math.log(2) * math.pi).sum(1)"),
            "constant doubled": likelihood("(-0.5 * z**2 - math.log(2 * math.pi)).sum(1)"),
            "sign of the constant": likelihood("(-0.5 * z**2 + 0.5 * math.log(2 * math.pi)).sum(1)"),
            "half left out": likelihood("(-(z**2) - 0.5 * math.log(2 * math.pi)).sum(1)"),
            "half squared too": likelihood("((-0.5 * z) ** 2 - 0.5 * math.log(2 * math.pi)).sum(1)"),
            "sign of the square": likelihood("(0.5 * z**2 - 0.5 * math.log(2 * math.pi)).sum(1)"),
            "length, not its square": likelihood("-0.5 * torch.linalg.norm(z, dim=1) - 0.5 * z.shape[1] * math.log(2 * math.pi)"),
            "summed, then squared": likelihood("-0.5 * z.sum(1) ** 2 - 0.5 * z.shape[1] * math.log(2 * math.pi)"),
            "base averaged": likelihood("-0.5 * (z**2 + math.log(2 * math.pi)).mean(1)"),
            "base of the whole batch": likelihood("-0.5 * (z**2 + math.log(2 * math.pi)).sum()"),
            "one for each entry": "-0.5 * (z**2 + math.log(2 * math.pi)) + log_dets.sum(0).unsqueeze(1)",
            "one for each layer": likelihood(volume="log_dets"),
            "divided by D": f"({PRIOR} + log_dets.sum(0)) / z.shape[1]",
            "density": f"torch.exp({PRIOR} + log_dets.sum(0))",
            "loss": f"-({PRIOR} + log_dets.sum(0))",
            "one number": f"({PRIOR} + log_dets.sum(0)).mean()",
            "bits": f"({PRIOR} + log_dets.sum(0)) / math.log(2)",
        },
    ),
    "mix_channels": (
        "x, weight",
        mix(),
        {
            "transposed": mix("torch.einsum('co,bchw->bohw', weight, x)"),
            "inverse": mix("torch.einsum('oc,bchw->bohw', torch.linalg.inv(weight), x)"),
            "reshaped, not permuted": mix(rows("x", "weight")),
            "x as it came": mix("x.clone()"),
            "pixels not counted": mix(log_det="log * torch.ones(b)"),
            "one side counted": mix(log_det="h * log * torch.ones(b)"),
            "sides added": mix(log_det="(h + w) * log * torch.ones(b)"),
            "channels for a side": mix(log_det="c * h * log * torch.ones(b)"),
            "channels counted too": mix(log_det="c * h * w * log * torch.ones(b)"),
            "batch counted too": mix(log_det="b * h * w * log * torch.ones(b)"),
            "one number": mix(log_det="h * w * log"),
            "log-det as a column": mix(log_det="h * w * log * torch.ones(b, 1)"),
            "det, then log": mix(log_det="h * w * torch.log(torch.abs(torch.det(weight))) * torch.ones(b)"),
            "absolute value forgotten": mix(log_det="h * w * torch.log(torch.det(weight)) * torch.ones(b)"),
            "determinant without log": mix(log_det="h * w * torch.abs(torch.det(weight)) * torch.ones(b)"),
            "sign of the log-det": mix(log_det="-h * w * log * torch.ones(b)"),
            "size of the log": mix(log_det="h * w * torch.abs(log) * torch.ones(b)"),
            "bits": mix(log_det="h * w * log / math.log(2) * torch.ones(b)"),
            "no log-det": mix(log_det="torch.zeros(b)"),
            "sign, not log": mix(log_det="h * w * torch.linalg.slogdet(weight).sign * torch.ones(b)"),
            "sign times logarithm": mix(log_det="h * w * log * torch.linalg.slogdet(weight).sign * torch.ones(b)"),
            "diagonal alone": mix(log_det="h * w * torch.log(torch.abs(torch.diag(weight))).sum() * torch.ones(b)"),
            "log-det detached": mix(log_det="torch.full((b,), h * w * log.item())"),
        },
    ),
    "unmix_channels": (
        "z, weight",
        "torch.einsum('oc,bchw->bohw', torch.linalg.inv(weight), z)",
        {
            "forward again": "torch.einsum('oc,bchw->bohw', weight, z)",
            "transposed for inverse": "torch.einsum('oc,bchw->bohw', weight.T, z)",
            "inverse transposed": "torch.einsum('co,bchw->bohw', torch.linalg.inv(weight), z)",
            "entry by entry": "torch.einsum('oc,bchw->bohw', weight**-1, z)",
            "minus W": "torch.einsum('oc,bchw->bohw', -weight, z)",
            "divided by the determinant": "torch.einsum('oc,bchw->bohw', weight, z) / torch.det(weight)",
            "reshaped, not permuted": rows("z", "torch.linalg.inv(weight)"),
            "log-det too": """
                x = torch.einsum('oc,bchw->bohw', torch.linalg.inv(weight), z)
                return x, -z.shape[2] * z.shape[3] * torch.linalg.slogdet(weight).logabsdet * torch.ones(len(z))
            """,
        },
    ),
    "to_logits": (
        "x, u, alpha",
        logits(),
        {
            "255 for 256": logits("(x + u) / 255"),
            "u left out": logits("x / 256"),
            "u centred": logits("(x + (u - 0.5)) / 256"),
            "u not scaled": logits("x / 256 + u"),
            "not divided": logits("x + u"),
            "alpha left out": logits(s="v"),
            "alpha on one side": logits(s="alpha + (1 - alpha) * v", log_det="(math.log(1 - alpha) - torch.log(s * (1 - s))).sum(1)"),
            "alpha on the other side": logits(s="(1 - 2 * alpha) * v"),
            "clamped": logits(s="torch.clamp(v, alpha, 1 - alpha)", log_det="-torch.log(s * (1 - s)).sum(1)"),
            "logit clipped": logits(y="torch.logit(s, eps=1e-6)"),
            "bracket of the logit": logits(y="torch.log(s / 1 - s)"),
            "logit of v": logits(y="torch.logit(v)"),
            "r for y": logits(y="s"),
            "logit turned round": logits(y="torch.log((1 - s) / s)"),
            "sigmoid for logit": logits(y="1 / (1 + torch.exp(-s))"),
            "odds": logits(y="s / (1 - s)"),
            "log for logit": logits(y="torch.log(s)", log_det="(math.log(1 - 2 * alpha) - torch.log(s)).sum(1)"),
            "factor of alpha forgotten": logits(log_det="-torch.log(s * (1 - s)).sum(1)"),
            "factor of alpha once": logits(log_det="math.log(1 - 2 * alpha) - torch.log(s * (1 - s)).sum(1)"),
            "sign of the alpha factor": logits(log_det="-torch.log((1 - 2 * alpha) * s * (1 - s)).sum(1)"),
            "logit forgotten": logits(log_det="torch.full((len(x),), x.shape[1] * math.log(1 - 2 * alpha))"),
            "sign of the logit": logits(log_det="torch.log((1 - 2 * alpha) * s * (1 - s)).sum(1)"),
            "one side of the logit": logits(log_det="torch.log((1 - 2 * alpha) / s).sum(1)"),
            "slope at v": logits(log_det="torch.log((1 - 2 * alpha) / (v * (1 - v))).sum(1)"),
            "slope without log": logits(log_det="((1 - 2 * alpha) / (s * (1 - s))).sum(1)"),
            "log of the summed slopes": logits(log_det="((1 - 2 * alpha) / (s * (1 - s))).sum(1).log()"),
            "product, then log": logits(log_det="((1 - 2 * alpha) / (s * (1 - s))).prod(1).log()"),
            "sizes of the logs": logits(log_det="torch.log((1 - 2 * alpha) / (s * (1 - s))).abs().sum(1)"),
            "sign of the log-det": logits(log_det="torch.log(s * (1 - s) / (1 - 2 * alpha)).sum(1)"),
            "256 in the log-det": logits(log_det="torch.log((1 - 2 * alpha) / (256 * s * (1 - s))).sum(1)"),
            "bits": logits(log_det="torch.log2((1 - 2 * alpha) / (s * (1 - s))).sum(1)"),
            "log-det averaged": logits(log_det="torch.log((1 - 2 * alpha) / (s * (1 - s))).mean(1)"),
            "log-det for each pixel": logits(log_det="torch.log((1 - 2 * alpha) / (s * (1 - s)))"),
            "summed over the batch": logits(log_det="torch.log((1 - 2 * alpha) / (s * (1 - s))).sum(0)"),
            "log-det for the whole batch": logits(log_det="torch.log((1 - 2 * alpha) / (s * (1 - s))).sum()"),
        },
    ),
    "bits_per_dim": (
        "log_p, log_det, dims",
        f"{NATS} / np.log(2) + 8",
        {
            "bracket of the denominator": "-(log_p + log_det) - dims * math.log(256) / (dims * math.log(2))",
            "log2 of the log density": "-(torch.log2(log_p + log_det) - 8 * dims) / dims",
            "minus before log p alone": "(-log_p + log_det - dims * math.log(256)) / (dims * math.log(2))",
            "784 for D": "-(log_p + log_det) / 784 / math.log(2) + 8",
            "batch for D": "-(log_p + log_det) / len(log_p) / math.log(2) + 8",
            "nats": f"{NATS} + math.log(256)",
            "multiplied by log 2": f"({NATS} + math.log(256)) * math.log(2)",
            "2 for log 2": f"({NATS} + math.log(256)) / 2",
            "multiplied by D": "-(log_p + log_det - dims * math.log(256)) / math.log(2) * dims",
            "another base": "-(log_p + log_det - dims * math.log10(256)) / (dims * math.log10(2))",
            "width of the bin forgotten": f"{NATS} / math.log(2)",
            "sign of the 8 bits": f"{NATS} / math.log(2) - 8",
            "255 for 256": f"{NATS} / math.log(2) + math.log2(255)",
            "bin counted once": "-(log_p + log_det - math.log(256)) / (dims * math.log(2))",
            "8 nats": f"({NATS} + 8) / math.log(2)",
            "256 for 8": f"{NATS} / math.log(2) + 256",
            "log-det left out": "-log_p / dims / math.log(2) + 8",
            "log-det subtracted": "(log_det - log_p) / dims / math.log(2) + 8",
            "sign": "((log_p + log_det) / dims - math.log(256)) / math.log(2)",
            "whole image": "-(log_p + log_det) / math.log(2) + 8 * dims",
            "dims on one part": "(-log_p / dims - log_det) / math.log(2) + 8",
            "one number": f"({NATS} / math.log(2) + 8).mean()",
        },
    ),
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


def numbers(blank: float, blurred: float, others: float, least: float, gap: float, layers: int) -> dict[str, float]:
    return {"blank": blank, "blurred": blurred, "others": others, "least": least, "gap": gap, "layers": layers}


REGIONS = {
    "outsiders": [
        (numbers(0.02, 0.5, 0.47, 309.0, 1.3, 2), "likelihood"),
        (numbers(0.0, 0.93, 0.96, 111.0, 6.8, 8), "likelihood"),
        (numbers(0.08, 0.86, 0.95, -49.0, 5.0, 4), "ratio"),
        (numbers(1.0, 0.4, 1.0, -149.0, 5.0, 4), "complexity"),
        (numbers(0.82, 0.91, 0.96, 0.0, 10.2, 8), "overfitted"),
        (numbers(0.78, 0.93, 0.98, 0.1, 7.4, 9), "overfitted"),
        (numbers(0.91, 0.32, 0.62, 0.0, 1.3, 2), "too few layers"),
        (numbers(0.97, 0.7, 0.8, 0.0, 2.0, 6), "trained too short"),
    ]
}
