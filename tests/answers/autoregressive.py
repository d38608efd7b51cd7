"""Exercise 05."""

SORTED = "s, i = logits.sort(1, descending=True)\neach = {}\ninside = each.cumsum(1) - each < p\nreturn "
LEAST = "torch.where(logits >= s.where(inside, torch.inf).amin(1, keepdim=True), logits, -torch.inf)"
SLOPES = "x = x.clone().requires_grad_()\ny = {}\ng = torch.stack([torch.autograd.grad(v, x, retain_graph=True)[0] for v in y])\nreturn {}"
KNOWN = "known = torch.cat([buffer, x[:, :, None]], 2)\ny = F.conv1d(known, weight, bias, dilation=dilation)[:, :, 0]\nreturn {}"

RIGHT = {
    "log_conditionals": [
        """
        out = []
        for row in x.tolist():
            for i in range(x.shape[1]):
                up_to = joint[tuple(row[: i + 1])].sum()
                before = joint[tuple(row[:i])].sum()
                out.append(torch.log(up_to / before))
        return torch.stack(out).reshape(x.shape)
        """,
        """
        every = torch.arange(joint.numel())[:, None] >> torch.arange(joint.ndim - 1, -1, -1) & 1  # the rows in the table's order
        alike = (every == x[:, None]).cumprod(2)
        return F.pad((alike * joint.reshape(-1, 1)).sum(1).log(), (1, 0)).diff()
        """,
        """
        joint = joint.double()
        m = [joint.reshape(*[2] * i, -1).sum(-1)[x[:, :i].unbind(1)] for i in range(1, x.shape[1] + 1)]
        return F.pad(torch.stack(m, 1).log(), (1, 0)).diff()
        """,
    ],
    "log_likelihood": [
        "-F.binary_cross_entropy_with_logits(logits, x, reduction='none').sum(dim=1)",
        "(x * logits - F.softplus(logits)).sum(1)",
        "torch.distributions.Bernoulli(logits=logits.double()).log_prob(x.double()).sum(1)",
    ],
    "causal_mask": [
        "(torch.arange(kernel**2).view(kernel, kernel) < kernel**2 // 2 + (kind == 'B')).float()",
        "torch.from_numpy((np.arange(kernel**2) < kernel**2 // 2 + (kind == 'B')).astype('float32').reshape(kernel, kernel))",
        "torch.tensor([[float((i, j) < (kernel // 2, kernel // 2 + (kind != 'A'))) for j in range(kernel)] for i in range(kernel)])",
    ],
    "masked_conv": [
        """
        reach, (height, width) = weight.shape[-1] // 2, x.shape[2:]
        wide, y = F.pad(x, [reach] * 4), 0
        for i, j in mask.nonzero().tolist():
            y = y + torch.einsum("oc,bchw->bohw", weight[:, :, i, j], wide[:, :, i : i + height, j : j + width])
        return y
        """,
        "F.conv2d(x, weight * mask, padding=weight.shape[-1] // 2)",
        "w = weight.clone()\nw[:, :, mask == 0] = 0\nreturn F.conv2d(x, w, padding='same')",
    ],
    "depends_on": [
        """
        x = x.clone().requires_grad_()
        seen = False
        for value in model(x)[:, :, row, column].sum(0):
            (slope,) = torch.autograd.grad(value, x, retain_graph=True)
            seen = seen | (slope.abs().sum((0, 1)) != 0)
        return seen
        """,
        "jacobian = torch.func.jacrev(lambda x: model(x)[:, :, row, column])(x)\nreturn (jacobian != 0).flatten(0, 3).any(0)",
    ],
    "bits_and_perplexity": [
        "nats = -torch.where(real, log_p, 0.0).sum() / real.sum()\nreturn nats / math.log(2), torch.exp(nats)",
        "n = float(-log_p[real].double().mean())\nreturn n / math.log(2), math.exp(n)",
        "bits = -np.mean(log_p.numpy()[real.numpy()]) / np.log(2)\nreturn bits, 2**bits",
    ],
    "top_k": [
        "least = torch.topk(logits, min(k, logits.shape[1]), dim=1).values[:, -1:]\nreturn logits.masked_fill(logits < least, -math.inf)",
        "torch.where((logits[:, None] > logits[:, :, None]).sum(2) < k, logits, -math.inf)",
    ],
    "nucleus": [
        SORTED.format("torch.softmax(s, dim=1)") + LEAST,
        "q = logits.double().softmax(1)\nreturn torch.where((q[:, None] * (q[:, None] > q[:, :, None])).sum(2) < p, logits, -math.inf)",
    ],
    "causal_conv": [
        """
        y = bias[:, None]
        for j, tap in enumerate(weight.unbind(2)):
            late = (weight.shape[2] - 1 - j) * dilation
            y = y + torch.einsum("oc,bct->bot", tap, F.pad(x, (late, 0))[:, :, : x.shape[2]])
        return y
        """,
        "late = (weight.shape[2] - 1) * dilation\nreturn F.conv1d(x, weight, bias, padding=late, dilation=dilation)[:, :, :-late]",
    ],
    "step": [
        KNOWN.format("y, known[:, :, 1:]"),
        """
        new = buffer.roll(-1, 2)
        new[:, :, -1] = x
        y = x @ weight[:, :, -1].T + bias
        return y + torch.einsum('bck,ock->bo', buffer[:, :, ::dilation], weight[:, :, :-1]), new
        """,
    ],
}

WRONG = {
    "log_conditionals": [
        ("a list as index", "torch.stack([joint[x[:, : i + 1]].flatten(1).sum(1).log() for i in range(x.shape[1])], 1)"),
    ],
    "log_likelihood": [
        ("sigmoid, then log", "((2 * x - 1) * logits).sigmoid().log().sum(1)"),
        ("exp overflows", "(logits * x - torch.log1p(torch.exp(logits))).sum(-1)"),
        ("probabilities padded", "torch.where(x > 0, logits.sigmoid(), 1 - logits.sigmoid()).log().nan_to_num().sum(1)"),
        ("sigmoid, then log", "p = logits.double().sigmoid()\nreturn torch.where(x == 1, p, 1 - p).log().sum(1)"),
    ],
    "causal_mask": [
        ("rows below", "1 - (torch.arange(kernel**2) == kernel**2 // 2).float().view(kernel, kernel) * (kind == 'A')"),
    ],
    "masked_conv": [
        ("padded on one side", "F.conv2d(F.pad(x, (0, mask.shape[0] - 1, 0, mask.shape[0] - 1)), weight * mask)"),
        ("mask transposed", "F.conv2d(x, (weight * mask).mT, padding='same')"),
    ],
    "depends_on": [
        ("every pixel", SLOPES.format("[model(x).sum()]", "(g != 0).flatten(0, 2).any(0)")),
        ("slopes added", SLOPES.format("model(x)[:, :, row, column].sum(0)", "(g.mean((1, 2)) != 0).any(0)")),
        ("outputs added", SLOPES.format("model(x)[:, :, row, column].abs().sum()[None]", "(g != 0).flatten(0, 2).any(0)")),
        ("one example alone", SLOPES.format("model(x)[0, :, row, column]", "(g != 0).flatten(0, 2).any(0)")),
        ("one example alone", "x = x[:1]\n" + SLOPES.format("model(x)[:, :, row, column].sum(0)", "(g != 0).flatten(0, 2).any(0)")),
    ],
    "bits_and_perplexity": [
        ("log of the bits", "bits = -log_p[real].log2().mean()\nreturn bits, 2**bits"),
        ("entropy", "n = -(log_p * log_p.exp())[real].sum()\nreturn n / math.log(2), n.exp()"),
        ("multiplied by zero", "n = -(log_p.clamp(min=-1e4) * real).sum() / real.sum()\nreturn n / math.log(2), n.exp()"),
        ("padding guessed", "n = -log_p[log_p != 0].mean()\nreturn n / math.log(2), n.exp()"),
    ],
    "top_k": [
        ("ties broken", "logits.masked_fill(logits.argsort(1).flip(1).argsort(1) >= k, -math.inf)"),
        ("one threshold for all", "logits.masked_fill(logits < logits.topk(min(k, logits.shape[1])).values.min(), -math.inf)"),
    ],
    "nucleus": [
        ("logits added", SORTED.format("s") + LEAST),
        ("softmax over the batch", SORTED.format("s.softmax(0)") + LEAST),
        ("probabilities not sorted", SORTED.format("logits.softmax(1)") + "logits.where(inside.gather(1, i.argsort(1)), -torch.inf)"),
        ("nothing goes", SORTED.format("s.log_softmax(1)") + LEAST),
        ("sorted", SORTED.format("s.softmax(1)") + "s.where(inside, -torch.inf)"),
        ("put back the wrong way", SORTED.format("s.softmax(1)") + "s.where(inside, -torch.inf)[torch.arange(len(s))[:, None], i]"),
    ],
    "causal_conv": [
        ("late", "F.conv1d(F.pad(x, (weight.shape[2] * dilation, 0)), weight, bias, dilation=dilation)[:, :, : x.shape[2]]"),
    ],
    "step": [
        ("buffer shrinks", KNOWN.format("y, known[:, :, dilation:]")),
        ("x not stored", KNOWN.format("y, buffer.roll(-1, 2)")),
    ],
}

FAULTS = {
    "log_conditionals": [
        (
            "shape",
            "should have shape (1, 3), yours has (3,)",
            """
            f = lambda r, i: math.log(joint[tuple(r[: i + 1])].sum() / joint[tuple(r[:i])].sum())
            return torch.tensor([[f(r, i) for i in range(len(r))] for r in x.tolist()]).squeeze()
            """,
        ),
        (
            "value",
            "is off by up to",
            "h = [[joint[tuple(r[:i])].sum() for i in range(joint.ndim + 1)] for r in x.tolist()]\n"
            "return torch.tensor(h).log().diff().clamp(min=-3)",
        ),
    ],
    "log_likelihood": [
        ("value", "in case 3", "-F.binary_cross_entropy_with_logits(logits.clamp(-200, 200), x, reduction='none').sum(1)"),
        ("shape", "should have shape (1,)", "-F.binary_cross_entropy_with_logits(logits, x, reduction='none').sum(1).squeeze()"),
        (
            "gradient",
            "no gradient reaches logits",
            "torch.tensor([float(-F.binary_cross_entropy_with_logits(l, v, reduction='sum')) for l, v in zip(logits, x)])",
        ),
    ],
    "causal_mask": [
        (
            "dtype",
            "should be torch.float32, yours is torch.float64",
            "torch.from_numpy((np.arange(kernel**2) < kernel**2 // 2 + (kind == 'B')).astype('float64').reshape(kernel, kernel))",
        ),
    ],
    "masked_conv": [
        ("shape", "weight (2, 2, 1, 1)", "F.conv2d(x, weight * mask, padding=1 if weight.shape[-1] == 3 else 2)"),
        ("shape", "should have shape (1, 2, 4, 5)", "F.conv2d(x, weight * mask, padding='same').squeeze()"),
        ("in place", "changes its input weight", "weight.data *= mask\nreturn F.conv2d(x, weight, padding='same')"),
    ],
    "depends_on": [
        (
            "value",
            "in case 7",
            "x = torch.ones_like(x)\n" + SLOPES.format("model(x)[:, :, row, column].sum(0)", "(g != 0).flatten(0, 2).any(0)"),
        ),
    ],
    "top_k": [
        (
            "dtype",
            "should be torch.float64, yours is torch.float32",
            "stays = logits >= logits.topk(min(k, len(logits[0])))[0][:, -1:]\n"
            "z = torch.full(logits.shape, -math.inf)\nz[stays] = logits[stays].float()\nreturn z",
        ),
        ("error", "what if k is larger than that?", "logits.where(logits >= logits.topk(k).values[:, -1:], -math.inf)"),
        (
            "value",
            "should be infinite at [0, 1]",
            "q = logits.softmax(1)\nreturn logits.masked_fill(q < q.topk(min(k, q.shape[1])).values[:, -1:], -math.inf)",
        ),
    ],
    "nucleus": [
        ("value", "should be infinite", "if p > 0.95:\n    return logits\n" + SORTED.format("s.softmax(1)") + LEAST),
        (
            "value",
            "should be finite",
            "if p < 0.2:\n    return logits.where(logits == logits.amax(1, True), -torch.inf)\n" + SORTED.format("s.softmax(1)") + LEAST,
        ),
    ],
    "causal_conv": [
        (
            "dtype",
            "should be torch.float64, yours is torch.float32",
            """
            past = torch.zeros(*x.shape[:2], (weight.shape[2] - 1) * dilation)
            return F.conv1d(torch.cat([past, x.float()], 2), weight.float(), bias.float(), dilation=dilation)
            """,
        ),
    ],
    "step": [
        ("error", "which ones are missing?", "F.conv1d(buffer, weight, bias, dilation=dilation)[:, :, 0], buffer"),
        ("shape", "y should have shape (1, 3), yours has (3,)", KNOWN.format("y.squeeze(), known[:, :, 1:]")),
        ("in place", "changes its input buffer", KNOWN.format("y, buffer.copy_(known[:, :, 1:])")),
    ],
}


def choice(kernel: int, layers: int, width: int, steps: int, **others) -> dict:
    return {"kernel": kernel, "layers": layers, "width": width, "steps": steps} | others


SETTINGS = {
    "digits": {
        "peeking": choice(3, 1, 16, 100, first="B"),
        "overfitted": choice(7, 4, 32, 500),
        "short-sighted": choice(3, 1, 16, 100),
        "dropped too much": choice(5, 2, 4, 200, dropout=0.8),
        "learned too little": choice(5, 3, 32, 20),
    }
}


def numbers(bits: float, causal: float, gap: float, reach: float, **settings) -> dict:
    return {"log2 P per pixel": -bits, "causal": causal, "gap": gap, "reach": reach} | settings


REGIONS = {
    "digits": [
        (numbers(0.009, 0.0, 0.0, 9, first="B"), "peeking"),
        (numbers(0.433, 1.0, 0.141, 63), "overfitted"),
        (numbers(0.592, 1.0, -0.021, 8), "short-sighted"),
        (numbers(0.421, 1.0, 0.006, 35), "short-sighted"),
        (numbers(0.407, 1.0, 0.017, 48, kernel=5, layers=2, width=32, steps=500), "short-sighted"),
        (numbers(0.545, 1.0, -0.016, 48, kernel=5, layers=2, width=4, dropout=0.8, steps=200), "dropped too much"),
        (numbers(0.408, 1.0, 0.005, 63, kernel=5, layers=3, width=32, dropout=0.6, steps=500), "dropped too much"),
        (numbers(0.500, 1.0, -0.012, 48, kernel=7, layers=1, width=4, steps=500), "learned too little"),
        (numbers(0.579, 1.0, -0.019, 63), "learned too little"),
        (numbers(0.417, 1.0, 0.001, 63), "learned too little"),
    ]
}
