"""Exercise 05."""


def conditionals(
    value: str = "torch.log(up_to / before)",
    up_to: str = "row[: i + 1]",
    before: str = "row[:i]",
    end: str = "torch.stack(out).reshape(x.shape)",
) -> str:
    """Prefix sums of a table, row by row."""
    return f"""
    out = []
    for row in x.tolist():
        for i in range(x.shape[1]):
            up_to = joint[tuple({up_to})].sum()
            before = joint[tuple({before})].sum()
            out.append({value})
    return {end}
"""


def given(others: str, flip: str = "row") -> str:
    """p(x_i | the variables in `others`), by slices of the table."""
    return f"""
    D = x.shape[1]
    out = torch.zeros(x.shape)
    for b, row in enumerate(x.tolist()):
        for i in range(D):
            others = {others}
            below = joint[tuple(row[j] if j in others else slice(None) for j in range(D))].sum()
            above = joint[tuple(row[j] if j in others or j == i else slice(None) for j in range(D))].sum()
            out[b, i] = torch.log(above / below)
    return out
"""


LOG_P = "-F.binary_cross_entropy_with_logits(logits, x, reduction='none')"


def mask(*lines: str, end: str = "m") -> str:
    """Zeros, and places that are opened."""
    body = "\n    ".join(lines)
    return f"""
    m = torch.zeros(kernel, kernel)
    c = kernel // 2
    {body}
    return {end}
"""


ABOVE, LEFT, CENTRE = "m[:c] = 1", "m[c, :c] = 1", "m[c, c] = float(kind == 'B')"


def conv(weight: str = "weight * mask", options: str = "padding=weight.shape[-1] // 2", x: str = "x") -> str:
    return f"F.conv2d({x}, {weight}, {options})"


def depends(
    hit: str = "slope.abs().sum((0, 1)) != 0", outputs: str = "model(x)[:, :, row, column].sum(0)", end: str = "seen", start: str = "False"
) -> str:
    """One backward pass for each output of the pixel."""
    return f"""
    x = x.clone().requires_grad_()
    seen = {start}
    for value in {outputs}:
        (slope,) = torch.autograd.grad(value, x, retain_graph=True)
        seen = seen | ({hit})
    return {end}
"""


def symbols(nats: str = "-log_p[real].sum() / real.sum()", bits: str = "nats / math.log(2)", perplexity: str = "torch.exp(nats)") -> str:
    return f"""
    nats = {nats}
    return {bits}, {perplexity}
"""


ROWS = "-torch.where(real, log_p, torch.zeros_like(log_p)).sum(1) / real.sum(1)"


def top_k(
    keep: str = "logits >= least", least: str = "torch.topk(logits, min(k, logits.shape[1]), dim=1).values[:, -1:]", end: str = ""
) -> str:
    return f"""
    least = {least}
    keep = {keep}
    return {end or "logits.masked_fill(~keep, -math.inf)"}
"""


def nucleus(
    inside: str = "total - probs < p",
    probs: str = "torch.softmax(ordered, dim=1)",
    order: str = "torch.sort(logits, dim=1, descending=True)",
    ties: bool = True,
    end: str = "logits.masked_fill(~keep, -math.inf)",
) -> str:
    """Sort, add up, put back; with ties, whatever is as large as the least that stays."""
    least = "keep = logits >= torch.where(keep, logits, torch.inf).amin(dim=1, keepdim=True)" if ties else ""
    return f"""
    ordered, index = {order}
    probs = {probs}
    total = torch.cumsum(probs, dim=1)
    inside = {inside}
    keep = torch.zeros_like(inside).scatter(1, index, inside)
    {least}
    return {end}
"""


def causal(
    left: str = "span", right: str = "0", x: str = "x", weight: str = "weight", options: str = "dilation=dilation", end: str = "y"
) -> str:
    return f"""
    span = dilation * (weight.shape[2] - 1)
    y = F.conv1d(F.pad({x}, ({left}, {right})), {weight}, bias, {options})
    return {end}
"""


def step(
    taps: str = "known[:, :, ::dilation]",
    weight: str = "weight",
    buffer: str = "known[:, :, 1:]",
    y: str = "(taps.flatten(1) @ w.flatten(1).T) + bias",
    end: str = "y, new",
) -> str:
    return f"""
    known = torch.cat([buffer, x.unsqueeze(2)], dim=2)
    taps, w = {taps}, {weight}
    y = {y}
    new = {buffer}
    return {end}
"""


ANSWERS = {
    "log_conditionals": (
        "joint, x",
        conditionals(),
        {
            "marginals": given("[]"),
            "not divided": conditionals("torch.log(up_to)"),
            "divided by the wrong one": """
                D = x.shape[1]
                out = torch.zeros(x.shape)
                for b, row in enumerate(x.tolist()):
                    for i in range(D):
                        out[b, i] = joint[tuple(row[: i + 1])].sum().log() - joint.movedim(i, 0)[row[i]].sum().log()
                return out
            """,
            "given all others": given("[j for j in range(D) if j != i]"),
            "given those after": given("range(i + 1, D)"),
            "given the last one alone": given("[i - 1]"),
            "divided by the one before": given("[i - 1]").replace(
                "above = joint[tuple(row[j] if j in others or j == i", "above = joint[tuple(row[j] if j <= i"
            ),
            "divided too early": conditionals(before="row[: max(i - 1, 0)]"),
            "a list as index": conditionals().replace("tuple(row[: i + 1])", "row[: i + 1]").replace("tuple(row[:i])", "row[:i]"),
            "logarithms divided": conditionals("torch.log(up_to) / torch.log(before) if i else torch.log(up_to)"),
            "axes reversed": conditionals(up_to="[Ellipsis] + row[: i + 1][::-1]", before="[Ellipsis] + row[:i][::-1]"),
            "probability of a one": conditionals(up_to="row[:i] + [1]"),
            "probability of a zero": conditionals(up_to="row[:i] + [0]"),
            "other value": conditionals(up_to="row[:i] + [1 - row[i]]"),
            "logs summed out": """
                out = torch.zeros(x.shape)
                for b, row in enumerate(x.tolist()):
                    for i in range(x.shape[1]):
                        out[b, i] = joint.log()[tuple(row[: i + 1])].sum() - joint.log()[tuple(row[:i])].sum()
                return out
            """,
            "averaged out": conditionals("torch.log(2 * up_to / before)"),
            "probabilities": conditionals("up_to / before"),
            "negative": conditionals("-torch.log(up_to / before)"),
            "bits": conditionals("torch.log2(up_to / before)"),
            "first factor left out": conditionals(end="torch.stack(out).reshape(x.shape)[:, 1:]"),
            "added up": conditionals(end="torch.stack(out).reshape(x.shape).sum(dim=1)"),
        },
    ),
    "log_likelihood": (
        "logits, x",
        f"({LOG_P}).sum(dim=1)",
        {
            "product, then log": "torch.log(torch.prod(torch.where(x == 1, torch.sigmoid(logits), 1 - torch.sigmoid(logits)), dim=1))",
            "sigmoid, then log": "torch.log(torch.where(x == 1, torch.sigmoid(logits), 1 - torch.sigmoid(logits))).sum(1)",
            "exp overflows": "(x * logits - torch.log(1 + torch.exp(logits))).sum(1)",
            "probabilities padded": """
                p = torch.sigmoid(logits)
                return (x * torch.log(p + 1e-6) + (1 - x) * torch.log(1 - p + 1e-6)).sum(1)
            """,
            "logits kept small": f"({LOG_P.replace('(logits', '(logits.clamp(-20, 20)')}).sum(dim=1)",
            "sigmoid twice": f"({LOG_P.replace('(logits', '(torch.sigmoid(logits)')}).sum(dim=1)",
            "arguments exchanged": f"({LOG_P.replace('logits, x', 'x, logits')}).sum(dim=1)",
            "1 minus the logarithm": "torch.where(x == 1, F.logsigmoid(logits), 1 - F.logsigmoid(logits)).sum(1)",
            "sign": f"-({LOG_P}).sum(dim=1)",
            "ones alone": "(x * F.logsigmoid(logits)).sum(1)",
            "always a one": "F.logsigmoid(logits).sum(1)",
            "0 and 1 exchanged": f"({LOG_P.replace('logits, x', 'logits, 1 - x')}).sum(dim=1)",
            "logits for logs": "(x * logits).sum(dim=1)",
            "probabilities added": "torch.where(x == 1, torch.sigmoid(logits), 1 - torch.sigmoid(logits)).sum(1)",
            "averaged": f"({LOG_P}).mean(dim=1)",
            "summed over the batch": f"({LOG_P}).sum(dim=0)",
            "one number": "-F.binary_cross_entropy_with_logits(logits, x, reduction='sum')",
            "each pixel": LOG_P,
            "probability": f"torch.exp(({LOG_P}).sum(dim=1))",
            "bits": f"({LOG_P}).sum(dim=1) / math.log(2)",
        },
    ),
    "causal_mask": (
        "kernel, kind",
        mask(ABOVE, LEFT, CENTRE),
        {
            "A and B exchanged": mask(ABOVE, LEFT, CENTRE.replace("B", "A")),
            "centre always open": mask(ABOVE, "m[c, : c + 1] = 1"),
            "centre always closed": mask(ABOVE, LEFT),
            "open and closed exchanged": mask(ABOVE, LEFT, CENTRE, end="(m == 0).float()"),
            "future": mask("m[c + 1 :] = 1", "m[c, c + 1 :] = 1", CENTRE),
            "columns for rows": mask("m[:, :c] = 1", "m[:c, c] = 1", CENTRE),
            "right for left": mask(ABOVE, "m[c, c + 1 :] = 1", CENTRE),
            "rows alone": mask(ABOVE, CENTRE),
            "whole row of the centre": mask("m[: c + 1] = 1", CENTRE),
            "rows below": mask("m += 1", "m[c, c:] = 0", CENTRE),
            "one place too far": mask(ABOVE, "m[c, : c + 1 + (kind == 'B')] = 1"),
            "one place too few": mask(ABOVE, "m[c, : max(c - 1 + (kind == 'B'), 0)] = 1"),
            "left upper corner": mask("m[: c + 1, : c + 1] = 1", CENTRE),
            "row alone": mask(LEFT, CENTRE),
            "triangle": "torch.tril(torch.ones(kernel, kernel), diagonal=0 if kind == 'B' else -1)",
            "axes of a weight": mask(ABOVE, LEFT, CENTRE, end="m[None, None]"),
            "boolean": mask(ABOVE, LEFT, CENTRE, end="m == 1"),
        },
    ),
    "masked_conv": (
        "x, weight, mask",
        conv(),
        {
            "mask left out": conv("weight"),
            "no padding": conv(options="padding=0"),
            "padded for another kernel": conv(options="padding=1"),
            "padded by the kernel": conv(options="padding=weight.shape[-1]"),
            "padded on one side": """
                pad = mask.shape[0] - 1
                return F.conv2d(F.pad(x, (pad, 0, pad, 0)), weight * mask)
            """,
            "not padded with zeros": conv(x="F.pad(x, [weight.shape[-1] // 2] * 4, mode='replicate')", options="padding=0"),
            "mask the wrong way": conv("weight.masked_fill(mask.bool(), 0)"),
            "mask transposed": conv("weight * mask.t()"),
            "kernel turned": conv("torch.flip(weight * mask, [2, 3])"),
            "mask added": conv("weight + mask"),
            "renormalised": f"{conv()} / torch.sum(mask)",
            "inputs apart": "sum(F.conv2d(c[:, None], weight[:, :1] * mask, padding=mask.shape[0] // 2) for c in x.unbind(1))",
            "weight detached": conv("weight.data * mask"),
        },
    ),
    "depends_on": (
        "model, x, row, column",
        depends(),
        {
            "outputs added": depends(outputs="[model(x)[:, :, row, column].sum()]"),
            "first output alone": depends(outputs="[model(x)[:, 0, row, column].sum()]"),
            "slopes added": depends("slope.sum((0, 1)) != 0"),
            "one input channel alone": depends("(slope[:, 0] != 0).any(0)"),
            "every pixel": depends(outputs="model(x).sum((0, 2, 3))"),
            "row and column exchanged": depends(outputs="model(x)[:, :, column, row].sum(0)"),
            "positive slopes alone": depends("(slope > 0).any(0).any(0)"),
            "small slopes left out": depends("slope.abs().amax((0, 1)) > 1e-6"),
            "independent": depends(end="~seen"),
            "in every example": """
                x = x.clone().requires_grad_()
                seen = True
                for value in model(x)[:, :, row, column].sum(0):
                    (slope,) = torch.autograd.grad(value, x, retain_graph=True)
                    seen = seen & (slope != 0).all(0).all(0)
                return seen
            """,
            "causal by decree": """
                h, w = x.shape[2:]
                r, c = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
                return (r < row) | ((r == row) & (c < column))
            """,
            "slopes": depends("slope.abs().sum((0, 1))", start="0").replace("seen | ", "seen + "),
            "batch and channels kept": depends("slope != 0"),
            "pixel itself added": """
                x = x.clone().requires_grad_()
                seen = torch.zeros(x.shape[2:], dtype=torch.bool)
                seen[row, column] = True
                for value in model(x)[:, :, row, column].sum(0):
                    seen |= torch.autograd.grad(value, x, retain_graph=True)[0].abs().amax((0, 1)) > 0
                return seen
            """,
        },
    ),
    "bits_and_perplexity": (
        "log_p, real",
        symbols(),
        {
            "multiplied by zero": symbols("-(log_p * real).sum() / real.sum()"),
            "padding counted": symbols("-torch.mean(log_p)"),
            "padding counted below": symbols("-log_p[real].sum() / log_p.numel()"),
            "each text": symbols("-log_p[real].sum() / len(log_p)"),
            "padding guessed": symbols("-log_p[torch.isfinite(log_p)].mean()"),
            "padding alone": symbols("-log_p[real == 0].mean()"),
            "entropy": symbols("-(torch.exp(log_p[real]) * log_p[real]).mean()"),
            "rows first": symbols(f"({ROWS}).mean()"),
            "perplexities averaged": symbols(perplexity="torch.exp(-log_p[real]).mean()"),
            "probabilities averaged": symbols(perplexity="1 / torch.exp(log_p[real]).mean()"),
            "product, then root": symbols(perplexity="torch.prod(torch.exp(log_p[real])) ** (-1 / real.sum())"),
            "exp of bits": symbols(perplexity="torch.exp(nats / math.log(2))"),
            "2 to the nats": symbols(perplexity="2**nats"),
            "nats": symbols(bits="nats"),
            "multiplied by log 2": symbols(bits="nats * math.log(2)"),
            "sign of the bits": symbols(bits="-nats / math.log(2)"),
            "inverse": symbols(perplexity="torch.exp(-nats)"),
            "log of the bits": symbols(bits="torch.log2(nats)"),
            "all together": symbols("-log_p[real].sum()", perplexity="torch.exp(nats.double())"),
            "one for each row": symbols(ROWS),
            "order": symbols(bits="torch.exp(nats)", perplexity="nats / math.log(2)"),
        },
    ),
    "top_k": (
        "logits, k",
        top_k(),
        {
            "ties broken": """
                k = min(k, logits.shape[1])
                values, index = torch.topk(logits, k, dim=1)
                return torch.full_like(logits, -math.inf).scatter(1, index, values)
            """,
            "k-th left out": top_k("logits > least"),
            "one too many": top_k(least="torch.sort(logits, dim=1, descending=True).values[:, : k + 1][:, -1:]"),
            "nothing goes": "logits",
            "largest alone": top_k(least="torch.topk(logits, min(k, logits.shape[1]), dim=1).values[:, :1]"),
            "k-th smallest": top_k(least="torch.kthvalue(logits, min(k, logits.shape[1]), dim=1, keepdim=True).values"),
            "equal ones counted once": """
                rows = []
                for row in logits:
                    values = torch.unique(row, sorted=True).flip(0)
                    rows.append(torch.where(row >= values[min(k, len(values)) - 1], row, -torch.inf))
                return torch.stack(rows)
            """,
            "places for ranks": top_k("torch.sort(logits, dim=1, descending=True, stable=True).indices < k"),
            "smallest kept": top_k("logits <= least", "torch.topk(logits, min(k, logits.shape[1]), dim=1, largest=False).values[:, -1:]"),
            "largest removed": top_k(end="logits.masked_fill(keep, -math.inf)"),
            "zero for −∞": top_k(end="logits.masked_fill(~keep, 0.0)"),
            "large number for −∞": top_k(end="logits.masked_fill(~keep, -1e10)"),
            "over the batch": top_k(least="torch.topk(logits, min(k, logits.shape[0]), dim=0).values[-1:]"),
            "over all rows": top_k(least="torch.sort(logits.flatten(), descending=True).values[k - 1]"),
            "by size": top_k("logits.abs() >= least", "torch.topk(logits.abs(), min(k, logits.shape[1])).values[:, -1:]"),
            "one threshold for all": top_k(least="torch.topk(logits, min(k, logits.shape[1]), dim=1).values[0, -1]"),
            "k values": top_k(end="torch.topk(logits, min(k, logits.shape[1]), dim=1).values"),
            "probabilities": top_k(end="torch.softmax(logits.masked_fill(~keep, -math.inf), dim=1)"),
            "mask": top_k(end="keep"),
        },
    ),
    "nucleus": (
        "logits, p",
        nucleus(),
        {
            "ties broken": nucleus(ties=False),
            "border left out": nucleus("total <= p", ties=False),
            "one kept at least": nucleus(
                "torch.cat([torch.ones_like(total[:, :1], dtype=torch.bool), (total <= p)[:, 1:]], 1)", ties=False
            ),
            "one too many": nucleus("F.pad(total - probs < p, (1, 0), value=True)[:, :-1]"),
            "nothing goes": nucleus("torch.cumsum(torch.log(probs), dim=1) < p"),
            "not sorted": nucleus(order="logits, torch.arange(logits.shape[1]).expand(logits.shape)", ties=False),
            "rarest first": nucleus(order="torch.sort(logits, dim=1, stable=True)", ties=False),
            "not put back": nucleus(ties=False, end="logits.masked_fill(~inside, -math.inf)"),
            "put back the wrong way": nucleus(ties=False, end="ordered.masked_fill(~inside, -math.inf).gather(1, index)"),
            "probabilities not sorted": nucleus(probs="torch.softmax(logits, dim=1)"),
            "tail kept": nucleus(end="logits.masked_fill(keep, -math.inf)"),
            "threshold on each": nucleus("probs >= p", ties=False),
            "logits added": nucleus(probs="ordered", ties=False),
            "softmax over the batch": nucleus(probs="torch.softmax(logits, dim=0).gather(1, index)", ties=False),
            "share of the alphabet": """
                k = math.ceil(p * logits.shape[1])
                least = torch.topk(logits, k, dim=1).values[:, -1:]
                return torch.where(logits >= least, logits, -torch.inf)
            """,
            "same for all rows": """
                probs = torch.softmax(logits[0], dim=0).sort(descending=True).values
                k = int((torch.cumsum(probs, 0) - probs < p).sum())
                while k < len(probs) and probs[k] == probs[k - 1]:
                    k += 1
                least = torch.topk(logits, k, dim=1).values[:, -1:]
                return torch.where(logits >= least, logits, -torch.inf)
            """,
            "zero for −∞": nucleus(end="logits * keep"),
            "large number for −∞": nucleus(end="torch.where(keep, logits, -1e9)"),
            "sorted": nucleus(end="torch.sort(logits.masked_fill(~keep, -math.inf), dim=1, descending=True)[0]"),
            "probabilities": nucleus(end="torch.softmax(logits.masked_fill(~keep, -math.inf), dim=1)"),
            "mask": nucleus(end="keep"),
        },
    ),
    "causal_conv": (
        "x, weight, bias, dilation",
        causal(),
        {
            "both sides padded": causal("span // 2", "span - span // 2"),
            "padded on the right": causal("0", "span"),
            "not padded": causal("0"),
            "padded twice": causal(options="dilation=dilation, padding=span", left="0"),
            "dilation left out": causal("weight.shape[2] - 1", options="dilation=1"),
            "late": causal("span + 1", end="y[:, :, :-1]"),
            "kernel turned": causal(weight="torch.flip(weight, [2])"),
            "bias left out": causal(end="y - bias[:, None]"),
            "circular": """
                span = dilation * (weight.shape[2] - 1)
                return F.conv1d(F.pad(x, (span, 0), mode="circular"), weight, bias, dilation=dilation)
            """,
            "first value repeated": causal("0", x="torch.cat([x[:, :, :1].repeat(1, 1, span), x], 2)"),
            "dilation left out of the padding": causal("weight.shape[2] - 1"),
            "padded by the dilation": causal("dilation"),
            "stride": causal(options="stride=dilation"),
            "padded by the whole kernel": causal("dilation * weight.shape[2]"),
        },
    ),
    "step": (
        "x, buffer, weight, bias, dilation",
        step(),
        {
            "kernel turned": step(weight="weight.flip(2)"),
            "x in front": """
                known = torch.cat([x.unsqueeze(-1), buffer], dim=-1)
                y = F.conv1d(known, weight, bias, dilation=dilation)
                return y.squeeze(-1), known[..., :-1]
            """,
            "dilation left out": step("known[:, :, -weight.shape[2] :]"),
            "x left out": step("torch.cat([buffer, torch.zeros_like(x)[:, :, None]], 2)[:, :, ::dilation]"),
            "x alone": step(y="x @ weight[:, :, -1].T + bias"),
            "bias left out": step(y="taps.flatten(1) @ w.flatten(1).T"),
            "time kept": step(y="F.conv1d(known, weight, bias, dilation=dilation)"),
            "buffer as it was": step(buffer="buffer"),
            "buffer shrinks": step(buffer="known[:, :, -dilation:]"),
            "x not stored": step(buffer="torch.cat([buffer[:, :, 1:], torch.zeros_like(x)[:, :, None]], dim=2)"),
            "moved the wrong way": step(buffer="torch.cat([buffer[:, :, -1:], buffer[:, :, :-2], x[:, :, None]], dim=2)"),
            "buffer grows": step(buffer="known"),
            "newest dropped": step(buffer="torch.cat([x[:, :, None], buffer[:, :, :-1]], dim=2)"),
            "oldest overwritten": step(buffer="torch.cat([x[:, :, None], buffer[:, :, 1:]], dim=2)"),
            "newest overwritten": step(buffer="torch.cat([buffer[:, :, :-1], x[:, :, None]], dim=2)"),
            "y in the buffer": step(buffer="torch.cat([buffer[:, :, 1:], y[:, :1, None].repeat(1, x.shape[1], 1)], dim=2)"),
            "old buffer read": step("torch.cat([known[:, :, 1:], known[:, :, -1:]], 2)[:, :, ::dilation]"),
            "order": step(end="new, y"),
        },
    ),
}


def choice(kernel: int, layers: int, width: int, steps: int, **others) -> dict:
    return {"kernel": kernel, "layers": layers, "width": width, "steps": steps} | others


SETTINGS = {
    "digits": {
        "peeking": choice(3, 1, 16, 100, first="B"),
        "overfitted": choice(7, 4, 32, 500),
        "short-sighted": choice(3, 1, 16, 100),
        "learned too little": choice(5, 3, 32, 20),
    }
}


def numbers(bits: float, causal: float, gap: float, reach: float) -> dict[str, float]:
    return {"log2 P per pixel": -bits, "causal": causal, "gap": gap, "reach": reach}


REGIONS = {
    "digits": [
        (numbers(0.009, 0.0, 0.0, 9), "peeking"),
        (numbers(0.433, 1.0, 0.141, 63), "overfitted"),
        (numbers(0.592, 1.0, -0.021, 8), "short-sighted"),
        (numbers(0.421, 1.0, 0.006, 35), "short-sighted"),
        (numbers(0.579, 1.0, -0.019, 63), "learned too little"),
        (numbers(0.417, 1.0, 0.001, 63), "learned too little"),
    ]
}
