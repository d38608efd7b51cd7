"""Exercise 09."""

SCORES = "s = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5\n{}\nreturn w @ v, w"
TURN = "n, d = x.shape[-2:]\np = torch.arange(start, start + n)[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)\n{}"
STEP = "n = old_keys.shape[-2]\nK = torch.cat((old_keys, turn(k, n)), dim=-2)\nV = torch.cat((old_values, v), dim=-2)\n{}"
HALVES = TURN.format("p, (a, b) = {}, x.chunk(2, -1)\nreturn x * p.cos() + torch.cat([{}], -1) * p.sin()")
RIGHT_WEIGHTS = "s = q @ k.mT / q.shape[-1] ** 0.5\n    w = (s if mask is None else s.masked_fill(~mask, -torch.inf)).softmax(-1)"
MASKED = SCORES.format("if mask is not None:\n    s = {}\nw = s.softmax(-1)")
KEPT = "p = p * (p >= share * p.amax(1, True))"
MIN_P = "p = (logits / temperature).softmax(1)\n{}\nreturn p / p.sum(1, True)"
MODEL = """
    T = x.shape[1]
    h = w.embed[F.pad(x[:, :-1], (1, 0), value=len(w.embed) - 1)] + w.places[:T]
    {neighbour}
    q, k, v = h @ w.q, h @ w.k, h @ w.v
    s = q @ k.mT / math.sqrt(q.shape[-1])
    past = torch.ones(T, T, dtype=torch.bool).tril()
    {weights}
    h = h + a @ v
    {norm}
    return h @ w.out
    """
GOOD = {
    "neighbour": "h = h + torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], 1) / 2",
    "weights": "a = s.masked_fill(~past, -torch.inf).softmax(-1)",
    "norm": "h = F.layer_norm(h, (h.shape[-1],))",
}


def model(**lines) -> str:
    """The model of the bug hunt, with some lines of its own."""
    return MODEL.format(**GOOD | lines)


RIGHT = {
    "causal_mask": [
        "torch.tensor([[keys - queries + i >= j for j in range(keys)] for i in range(queries)])",
        "~torch.ones(queries, keys).triu(keys - queries + 1).bool()",
        "torch.ones(keys, keys, dtype=torch.bool).tril()[-queries:]",
        "torch.from_numpy(np.tri(queries, keys, keys - queries, dtype=bool))",
        "(torch.arange(queries).unsqueeze(1) + keys - queries).ge(torch.arange(keys))",
    ],
    "attention": [
        """
        s = torch.einsum("...id,...jd->...ij", q, k) * q.shape[-1] ** -0.5
        if mask is not None:
            s = torch.where(mask, s, torch.tensor(-torch.inf, dtype=s.dtype))
        s = (s - s.amax(-1, keepdim=True)).exp()
        w = s / s.sum(-1, keepdim=True)
        return torch.einsum("...ij,...je->...ie", w, v), w
        """,
        SCORES.format("if mask is not None:\n    s = s.masked_fill(mask == 0, -1e9)\nw = F.softmax(s, -1)"),
        SCORES.format(
            "if mask is not None:\n    s = s + torch.zeros_like(mask, dtype=s.dtype).masked_fill(~mask, -math.inf)\nw = s.softmax(-1)"
        ),
        "w = F.scaled_dot_product_attention(q, k, torch.eye(k.shape[-2]).to(q).expand(*k.shape[:-1], -1), mask)\nreturn w @ v, w",
    ],
    "split_heads": [
        "torch.stack(x.chunk(heads, -1), 1)",
        "x.view(x.shape[0], x.shape[1], heads, -1).permute(0, 2, 1, 3)",
        "torch.stack([x[..., h * (x.shape[-1] // heads) : (h + 1) * (x.shape[-1] // heads)] for h in range(heads)], dim=1)",
    ],
    "merge_heads": [
        "torch.cat(x.unbind(1), -1)",
        "x.permute(0, 2, 1, 3).contiguous().view(x.shape[0], x.shape[2], -1)",
    ],
    "rotate": [
        """
        d = x.shape[-1]
        theta = torch.outer(torch.arange(x.shape[-2]) + start, torch.exp(-math.log(10000) * torch.arange(0, d, 2) / d)).to(x)
        z = torch.complex(x[..., : d // 2], x[..., d // 2 :]) * torch.polar(torch.ones_like(theta), theta)
        return torch.cat([z.real, z.imag], -1)
        """,
        TURN.format("p = torch.cat([p, p], -1).to(x)\na, b = x.chunk(2, -1)\nreturn x * p.cos() + torch.cat([-b, a], -1) * p.sin()"),
    ],
    "step": [
        """
        at = old_keys.size(2)
        keys = torch.cat([old_keys, torch.zeros_like(k)], 2).index_copy(2, torch.arange(at, at + k.size(2)), turn(k, at))
        values = torch.cat([old_values, v], 2)
        return attend(turn(q, at), keys, values), keys, values
        """,
        STEP.format("return [attend(turn(q, n), K, V), K, V]"),
        "q, k = turn(torch.stack([q, k]), old_keys.shape[2])\nK = torch.cat([old_keys, k], 2)\nV = torch.cat([old_values, v], 2)\n"
        "return attend(q, K, V), K, V",
        STEP.format("return attend(turn(q.flatten(0, 1), n).view(q.shape), K, V), K, V"),
        STEP.format("return attend(torch.stack([turn(q[:, h], n) for h in range(q.shape[1])], 1), K, V), K, V"),
        STEP.format("return attend(*(each.flatten(0, 1) for each in (turn(q, n), K, V))).view(q.shape), K, V"),
        # what is kept was learned from before, and values are the same
        STEP.format("K = torch.cat([old_keys.detach(), turn(k, n)], 2)\nreturn attend(turn(q, n), K, V), K, V"),
        "q, k = turn(torch.cat([q, k]), old_keys.shape[2]).chunk(2)\nk = torch.cat([old_keys, k], 2)\nv = torch.cat([old_values, v], 2)\n"
        "return attend(q, k, v), k, v",
    ],
    "chances": [
        """
        z = (logits - logits.amax(1, keepdim=True)) / temperature
        e = z.exp()
        e = e * (z >= math.log(share))
        return e / e.sum(1, keepdim=True)
        """,
        "z = logits / temperature\np = z.softmax(-1)\nreturn z.masked_fill(p < share * p.max(-1, keepdim=True)[0], -math.inf).softmax(-1)",
        "p = torch.softmax(logits / temperature, -1)\np = p / p.amax(-1, True)\np[p < share] = 0\nreturn F.normalize(p, p=1, dim=-1)",
    ],
    "mended": [
        model(),
        model(neighbour="o = h.clone()\n    o[:, 1:] += h[:, :-1] / 2\n    h = o", norm="h = F.layer_norm(h, h.shape[-1:])"),
        model(neighbour="m = torch.eye(T).roll(1, 0)\n    m[0] = 0\n    h = h + m.to(h) @ h / 2"),
        model(weights="a = s.softmax(-1) * past\n    a = a / a.sum(-1, keepdim=True)"),
        model(norm="h = (h - h.mean(-1, keepdim=True)) / (h.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()"),
        model(norm="h = (h - h.mean(-1, keepdim=True)) / h.std(-1, unbiased=False, keepdim=True)"),  # no eps
        model(neighbour="h = h + torch.diag(torch.full((T - 1,), 0.5, dtype=h.dtype), -1) @ h"),
        model(neighbour="h = w.embed[F.pad(x[:, :-1], (1, 0), value=len(w.embed) - 1)].float() + w.places[:T]\n    " + GOOD["neighbour"]),
    ],
}
WRONG = {
    "causal_mask": [
        ("inverted", "torch.ones(queries, keys).triu(1).bool()"),
        ("inverted", "torch.ones(queries, keys).triu(keys - queries + 1) == 1"),
        ("offset forgotten", "torch.tril(torch.ones(keys, keys)).bool()[:queries]"),
        ("numbers", "torch.ones(queries, keys).tril(keys - queries).to(torch.uint8)"),
        ("one place too far", "torch.ones(queries, keys).tril(diagonal=1).bool()"),
        (
            "own place hidden",
            "m = torch.zeros(queries, keys, dtype=torch.bool)\nfor i in range(queries):\n    m[i, : keys - queries + i] = True\nreturn m",
        ),
        (
            "all open with kept keys",
            "if keys > queries:\n    return torch.ones(queries, keys, dtype=torch.bool)\nreturn torch.ones(queries, keys).tril().bool()",
        ),
    ],
    "attention": [
        ("zero for −∞", SCORES.format("if mask is not None:\n    s = s.masked_fill(~mask, 1e-9)\nw = s.softmax(-1)")),
        ("weak mask", SCORES.format("if mask is not None:\n    s = s.masked_fill(~mask, -1e2)\nw = s.softmax(-1)")),
        ("+∞ for −∞", SCORES.format("if mask is not None:\n    s = s.masked_fill(~mask, float('inf'))\nw = s.softmax(-1)")),
        ("masked after the softmax", SCORES.format("w = s.softmax(-1)\nif mask is not None:\n    w = w.masked_fill(~mask, 0)")),
        (
            "masked, then divided",
            SCORES.format("w = s.softmax(-1)\nif mask is not None:\n    w = w * mask\n    w = w / w.sum(-1, keepdim=True)"),
        ),
        ("axis from the front", SCORES.format("if mask is not None:\n    s = s.masked_fill(~mask, -torch.inf)\nw = s.softmax(1)")),
        ("weak mask", MASKED.format("s.masked_fill(~mask, -1e4)")),
        ("weak mask", MASKED.format("s - 1e3 * (~mask)")),
        ("weak mask", MASKED.format("s.masked_fill(~mask, -1e6)")),
        ("0 · ∞", MASKED.format("s + (~mask) * -math.inf")),
        ("0 · ∞", MASKED.format("s + (~mask) * -math.inf").replace("softmax(-1)", "softmax(-1).nan_to_num()")),
        (
            "another mask",
            SCORES.format(
                "s = s.masked_fill(~torch.ones(s.shape[-2:]).tril(s.shape[-1] - s.shape[-2]).bool(), -math.inf)\nw = s.softmax(-1)"
            ),
        ),
        ("another mask", SCORES.format("s = s.masked_fill(~torch.ones(s.shape[-2:]).bool().tril(), -math.inf)\nw = s.softmax(-1)")),
        (
            "exp overflows",
            MASKED.format("s.masked_fill(~mask, -math.inf)").replace(
                "w = s.softmax", "e = (s - s.max()).exp()\nw = (e / e.sum(-1, keepdim=True)) #"
            ),
        ),
        ("weights detached", MASKED.format("s.masked_fill(~mask, -math.inf)").replace("return w @ v, w", "return w @ v, w.detach()")),
        ("values detached from the weights", "with torch.no_grad():\n    " + RIGHT_WEIGHTS + "\nreturn w @ v, w"),
    ],
    "split_heads": [
        ("reshaped at once", "x.view(x.shape[0], heads, x.shape[1], -1)"),
        ("moved before the cut", "b, t, w = x.shape\nreturn x.transpose(1, 2).reshape(b, heads, t, w // heads)"),
        ("other axes exchanged", "b, t, w = x.shape\nreturn x.view(b, t, heads, w // heads).transpose(0, 1)"),
        ("heads joined with the batch", "torch.cat(x.chunk(heads, -1))"),
        ("heads and d exchanged", "torch.stack(x.split(heads, -1), 1)"),
        ("heads first", "torch.stack(x.chunk(heads, -1))"),
    ],
    "merge_heads": [
        ("not moved", "x.view(x.shape[0], x.shape[2], -1)"),
        ("joined along time", "torch.cat(x.unbind(1), 1)"),
        ("moved to the wrong place", "b, h, t, d = x.shape\nreturn x.mT.reshape(b, t, h * d)"),
        ("joined with the batch", "torch.cat(list(x), -1)"),
        ("heads left", "x.transpose(1, 2)"),
    ],
    "rotate": [
        (
            "neighbours paired",
            """
            z = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2).contiguous())
            n, d = x.shape[-2:]
            p = torch.arange(start, start + n)[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)
            return torch.view_as_real(z * torch.polar(torch.ones_like(p), p)).flatten(-2).to(x)
            """,
        ),
        ("halves mixed up", HALVES.format("torch.repeat_interleave(p, 2, -1)", "-b, a")),
        ("degrees", HALVES.format("torch.rad2deg(torch.cat([p, p], -1))", "-b, a")),
        (
            "last exponent −1",
            HALVES.format("torch.cat([p, p], -1)", "-b, a").replace("-torch.arange(0, d, 2) / d", "-torch.linspace(0, 1, d // 2)"),
        ),
        ("multiplied entry by entry", HALVES.format("torch.cat([p, p], -1)", "-a, b")),
        ("counted down", HALVES.format("torch.cat([p, p], -1)", "-b, a").replace("(start, start + n)", "(start + n - 1, start - 1, -1)")),
        (
            "start twice",
            HALVES.format("torch.cat([p, p], -1)", "-b, a")
            .replace("torch.arange(start", "(start + torch.arange(start")
            .replace(")[:", "))[:"),
        ),
        (
            "no power",
            HALVES.format("torch.cat([p, p], -1)", "-b, a").replace("10000.0 ** (-torch.arange(0, d, 2) / d)", "torch.arange(d // 2)"),
        ),
        (
            "position in the power",
            HALVES.format("torch.cat([p, p], -1)", "-b, a").replace(
                "p = torch.arange(start, start + n)[:, None] * 10000.0", "p = (torch.arange(start, start + n)[:, None] * 10000.0)"
            ),
        ),
        ("other way round", HALVES.format("torch.cat([p, p], -1)", "b, -a")),
        ("no minus", HALVES.format("torch.cat([p, p], -1)", "b, a")),
        ("multiplied entry by entry", HALVES.format("torch.cat([p, p], -1)", "a, b")),
        (
            "new half used too early",
            TURN.format(
                "y, h = x.clone(), d // 2\ny[..., :h] = y[..., :h] * p.cos() - y[..., h:] * p.sin()\n"
                "y[..., h:] = y[..., :h] * p.sin() + y[..., h:] * p.cos()\nreturn y"
            ),
        ),
    ],
    "step": [
        ("queries at the last place", STEP.format("return attend(turn(q, K.shape[2] - 1), K, V), K, V")),
        ("one too early", STEP.replace("shape[-2]", "shape[-2] - 1").format("return attend(turn(q, n), K, V), K, V")),
        ("queries one too early", STEP.format("return attend(turn(q, n - 1), K, V), K, V")),
        ("start after the append", STEP.replace("shape[-2]", "shape[-2] + k.shape[-2]").format("return attend(turn(q, n), K, V), K, V")),
        (
            "start at the last place",
            STEP.replace("shape[-2]", "shape[-2] + k.shape[-2] - 1").format("return attend(turn(q, n), K, V), K, V"),
        ),
        ("cache forgotten", STEP.format("q, k = turn(q, n), turn(k, n)\nreturn attend(q, k, v), k, v")),
        ("cache forgotten", "return attend(q, k, v), k, v\n"),
        ("own attention", STEP.format("return F.scaled_dot_product_attention(turn(q, n), K, V, is_causal=True), K, V")),
        (
            "not turned at the start",
            "if not old_keys.shape[2]:\n    return attend(q, k, v), k, v\n" + STEP.format("return attend(turn(q, n), K, V), K, V"),
        ),
        ("queries turned twice", STEP.format("q = turn(q, n)\nreturn attend(turn(q, n), K, V), K, V")),
        ("turned twice", STEP.format("return attend(turn(q, n), torch.cat([turn(old_keys, 0), turn(k, n)], 2), V), K, V")),
        ("queries one too late", STEP.format("return attend(turn(q, n + 1), K, V), K, V")),
        ("own attention", STEP.format("return F.scaled_dot_product_attention(turn(q, n), K, V), K, V")),
        (
            "turned at each step",
            "K = torch.cat([old_keys, k], 2)\nV = torch.cat([old_values, v], 2)\n"
            "return attend(turn(q, old_keys.shape[2]), turn(K, 0), V), K, V",
        ),
    ],
    "chances": [
        (
            "nucleus",
            MIN_P.format("s, i = p.sort(1, descending=True)\np = torch.zeros_like(p).scatter(1, i, s * (s.cumsum(1) - s < 1 - share))"),
        ),
        ("tail kept", MIN_P.format("p = p * (p <= share * p.amax(1, True))")),
        ("sorted", MIN_P.format("p = p.sort(1, descending=True)[0]\np = p * (p >= share * p[:, :1])")),
        ("raised to the threshold", MIN_P.format("p = torch.clamp(p, min=share * p.amax(1, True))")),
        ("threshold taken off", MIN_P.format("p = F.relu(p - share * p.amax(1, True))")),
        (
            "top k",
            MIN_P.format("k = max(1, int(share * p.shape[1]))\nt, i = p.topk(k, 1)\np = torch.zeros_like(p).scatter(1, i, t)"),
        ),
        ("one threshold for all", MIN_P.format("p = p * (p >= share * p[0].max())")),
        (
            "root of the temperature",
            MIN_P.replace("temperature)", "math.sqrt(temperature))").format("p = p * (p >= share * p.amax(1, True))"),
        ),
        ("temperature on the share", MIN_P.format("p = p * (p >= share**temperature * p.amax(1, True))")),
        (
            "exp overflows",
            "z = logits / temperature\ne = (z - z.max()).exp()\n"
            + MIN_P.replace("(logits / temperature).softmax(1)", "e / e.sum(1, True)").format("p = p * (p >= share * p.amax(1, True))"),
        ),
        ("what equals the threshold goes", MIN_P.format("p = p * (p > share * p.amax(1, True))")),
        (
            "exp overflows",
            "e = (logits / temperature).exp()\np = e / e.sum(1, True)\np = p * (p >= share * p.amax(1, True))\nreturn p / p.sum(1, True)",
        ),
        ("zero for −∞", "z = logits / temperature\np = z.softmax(1)\nz[p < share * p.amax(1, True)] = 0\nreturn z.softmax(1)"),
    ],
    "mended": [
        ("scores of 0", model(weights="a = (s * past).softmax(-1)")),
        ("first text for first place", model(neighbour="r = h.roll(1, dims=1)\n    r[0] = 0\n    h = h + r / 2")),
        ("entries moved", model(neighbour="h = h + h.roll(1, dims=2) / 2")),
        ("texts moved", model(neighbour="h = h + F.pad(h, (0, 0, 0, 0, 1, 0))[:-1] / 2")),
        (
            "something in front",
            model(neighbour="h = h + torch.cat([w.embed[-1].expand(len(x), 1, -1), h[:, :-1]], 1) / 2"),
        ),
        ("all before", model(neighbour="h = h + (h.cumsum(1) - h) / 2")),
        ("over the wrong axis", model(weights="a = s.softmax(-1).masked_fill(~past, 0)\n    a = a / a.sum(-2, keepdim=True)")),
        ("softmax twice", model(weights="a = s.softmax(-1).masked_fill(~past, -math.inf).softmax(-1)")),
        ("weights that lack something", model(weights="a = s.masked_fill(~past, 0).softmax(-1).masked_fill(~past, 0)")),
        ("own place hidden", model(weights="a = s.masked_fill(~past.tril(-1), -math.inf).softmax(-1).nan_to_num()")),
        ("norm over the batch", model(norm="h = (h - h.mean(1, keepdim=True)) / (h.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()")),
        ("another norm", model(norm="h = (h - h.mean(-1, keepdim=True)) / h.var(-1, keepdim=True, unbiased=False)")),
        ("not scaled", model().replace(" / math.sqrt(q.shape[-1])", "")),
        ("symbol for nothing", model().replace("value=len(w.embed) - 1", "value=0")),
        ("round the end, and more", model(neighbour="h = h + h.roll(1, dims=1) / 2", weights="a = s.masked_fill(~past, 0.0).softmax(-1)")),
        ("−∞ too late", model(weights="a = s.softmax(-1).masked_fill(~past, -math.inf)")),
        ("own place hidden", model(weights="a = s.masked_fill(~past.tril(-1), -1e9).softmax(-1)")),
        ("both halved", model(neighbour="r = h.roll(1, dims=1)\n    r[:, 0] = 0\n    h = (h + r) / 2")),
        ("neighbours of neighbours", model(neighbour="for t in range(1, T):\n        h[:, t] = h[:, t] + h[:, t - 1] / 2")),
        ("neighbour", model(neighbour="h = h + F.pad(h, (0, 0, 0, 1))[:, 1:] / 2")),
        ("another norm", model(norm="h = (h - h.mean(-1, keepdim=True)) / h.std(-1, keepdim=True)")),
        ("over the wrong axis", model(weights="a = s.masked_fill(~past, -torch.inf).softmax(1)")),
    ],
}

FAULTS = {
    "causal_mask": [
        ("dtype", "should be boolean, yours is floating point", "torch.tril(torch.ones(queries, keys))"),
        ("type", "yours is a numpy.ndarray", "np.tri(queries, keys, keys - queries, dtype=bool)"),
        ("value", "in case 2", "torch.ones(queries, keys).tril(keys - queries).bool() if keys < 5 else torch.ones(queries, keys).bool()"),
    ],
    "attention": [
        ("error", "it may be None: ask `is not None` first", SCORES.format("w = s.masked_fill(~mask, -math.inf).softmax(-1)")),
        (
            "error",
            "ask `is not None`",
            SCORES.format("if mask:\n    s = s.masked_fill(~mask, -math.inf)\nw = s.softmax(-1)"),
        ),
        ("type", "2 results (the output, the weights) asked for", "F.scaled_dot_product_attention(q, k, v, mask)"),
        ("in place", "changes its input q", "q /= q.shape[-1] ** 0.5\ns = q @ k.mT\nw = s.softmax(-1)\nreturn w @ v, w"),
        (
            "value",
            "in case 4",
            SCORES.format("if mask is not None:\n    s = s.masked_fill(~mask, -math.inf)\nw = s.clamp(-50, 50).softmax(-1)"),
        ),
    ],
    "split_heads": [
        ("type", "`torch.stack` joins them", "x.chunk(heads, -1)"),
        ("gradient", "no gradient reaches x", "x.unflatten(2, (heads, -1)).transpose(1, 2).detach()"),
        ("gradient", "no gradient reaches x", "x.data.view(*x.shape[:2], heads, -1).transpose(1, 2)"),
        ("gradient", "no gradient reaches x", "with torch.no_grad():\n    return x.unflatten(2, (heads, -1)).transpose(1, 2)"),
        ("gradient", "no gradient reaches x", "torch.from_numpy(np.stack(np.split(x.detach().numpy(), heads, -1), 1))"),
        ("gradient", "no gradient reaches x", "torch.tensor(x.unflatten(2, (heads, -1)).transpose(1, 2).tolist(), dtype=x.dtype)"),
    ],
    "merge_heads": [
        ("error", "Use .reshape(...) instead", "x.transpose(1, 2).view(x.shape[0], x.shape[2], -1)"),
        ("shape", "should have shape (1, 5, 6), yours has (5, 6)", "x.transpose(1, 2).flatten(2).squeeze()"),
        ("gradient", "no gradient reaches x", "x.detach().transpose(1, 2).flatten(2)"),
    ],
    "rotate": [
        ("in place", "changes its input x", TURN.format("h = d // 2\nx[..., :h] = x[..., :h] * p.cos() - x[..., h:] * p.sin()\nreturn x")),
        (
            "dtype",
            "should be torch.float64, yours is torch.float32",
            "x = x.float()\n" + HALVES.format("torch.cat([p, p], -1)", "-b, a"),
        ),
        ("error", "how many numbers should there be?", "torch.arange(start, x.shape[-2])[:, None] * x"),
        ("value", "in case 1", HALVES.format("torch.cat([p, p], -1)", "-b, a").replace("return x", "return x.round(decimals=2)")),
    ],
    "step": [
        ("type", "3 results (out, keys, values) asked for, yours returns 2", STEP.format("return attend(turn(q, n), K, V), (K, V)")),
        ("error", "there should be as many keys as values", STEP.format("return attend(turn(q, n), K, old_values), K, V")),
        ("error", "how many results does the call return?", STEP.format("out, w = attend(turn(q, n), K, V)\nreturn out, K, V")),
        ("error", "Along all others both are as long", STEP.replace("dim=-2", "dim=-1").format("return attend(turn(q, n), K, V), K, V")),
        ("error", "Along all others both are as long", STEP.replace("dim=-2", "dim=1").format("return attend(turn(q, n), K, V), K, V")),
        ("gradient", "wrong gradients", STEP.format("return attend(turn(q, n), K.detach(), V), K, V")),
        (
            "in place",
            "changes its input old_keys",
            "n = old_keys.shape[2]\nold_keys[:, :, -1:] = turn(k, n)[:, :, -1:]\n"
            "return attend(turn(q, n), old_keys, old_values), old_keys, old_values",
        ),
    ],
    "chances": [
        (
            "shape",
            "should have shape (1, 5), yours has (5,)",
            "p = (logits.squeeze() / temperature).softmax(-1)\np = p * (p >= share * p.amax(-1, True))\nreturn p / p.sum(-1, True)",
        ),
        ("dtype", "should be torch.float64, yours is torch.float32", "logits = logits.float()\n" + MIN_P.format(KEPT)),
        ("dtype", "should be torch.float64", MIN_P.replace("softmax(1)", "softmax(1, dtype=torch.float32)").format(KEPT)),
        (
            "dtype",
            "should be torch.float64",
            MIN_P.format("z = torch.zeros(logits.shape)\nz[p >= share * p.amax(1, True)] = p[p >= share * p.amax(1, True)].float()\np = z"),
        ),
        ("dtype", "should be torch.float64", MIN_P.format(KEPT + "\np = torch.tensor([[one.item() for one in row] for row in p])")),
        ("error", "`keepdim=True` leaves it there", MIN_P.format("p = p * (p >= share * p.amax(1))")),
        ("in place", "changes its input logits", "logits /= temperature\nreturn logits.softmax(1)"),
        (
            "value",
            "in case 4",
            "if share == 1:\n    return F.one_hot(logits.argmax(1), logits.shape[1]).to(logits)\n"
            + MIN_P.format("p = p * (p >= share * p.amax(1, True))"),
        ),
    ],
    "mended": [
        ("value", "is off by up to", model(norm="h = h - h.mean(1, keepdim=True)")),
        ("error", "new tensors take the type of the inputs", model(neighbour="h = h + torch.diag(torch.full((T - 1,), 0.5), -1) @ h")),
        ("error", "normalized_shape", model(norm="h = F.layer_norm(h, h.shape[:1])")),
    ],
}


def choice(width: int, layers: int, heads: int, context: int, rate: float, seed: int = 0) -> dict:
    return {"seed": seed, "width": width, "layers": layers, "heads": heads, "context": context, "rate": rate}


SETTINGS = {
    "talk": {
        "few steps": choice(128, 1, 4, 64, 0.005),
        "rate far too large": choice(32, 2, 4, 64, 0.1),
        "rate far too small": choice(128, 4, 4, 64, 0.0001),
        "rate too small": choice(32, 2, 4, 64, 0.001),
        "short-sighted": choice(32, 2, 4, 8, 0.01),
        "too small": choice(16, 2, 4, 64, 0.01),
        "still large": choice(48, 2, 4, 64, 0.01),
        "far-sighted": choice(32, 2, 4, 128, 0.01),
        "one layer": choice(48, 1, 4, 64, 0.02),
        "rate a little large": choice(32, 2, 2, 32, 0.02, 3),
        "one head": choice(32, 2, 1, 64, 0.005),
    }
}


def numbers(bits: float, steps: int, *settings) -> dict:
    return {"minus bits": -bits, "steps": float(steps)} | choice(*settings)


REGIONS = {
    "talk": [
        (numbers(3.891, 231, 64, 4, 1, 16, 0.001), "few steps"),
        (numbers(3.352, 216, 128, 1, 4, 64, 0.005), "few steps"),
        (numbers(3.544, 1362, 32, 2, 4, 64, 0.1), "rate far too large"),
        # these two were made up: what a bad rate gives after a few steps does not matter
        (numbers(3.891, 231, 64, 4, 1, 16, 1.0), "rate far too large"),
        (numbers(3.891, 231, 64, 4, 1, 16, 0.00001), "rate far too small"),
        (numbers(3.941, 1001, 8, 4, 4, 128, 0.005), "far-sighted"),
        (numbers(3.166, 1362, 32, 2, 4, 64, 0.001), "rate too small"),
        (numbers(2.692, 1362, 32, 2, 4, 64, 0.003), "rate too small"),
        (numbers(2.703, 1644, 32, 2, 4, 16, 0.01), "short-sighted"),
        (numbers(2.625, 2000, 16, 4, 4, 64, 0.01), "too small"),
        (numbers(2.767, 769, 64, 1, 4, 64, 0.01), "still large"),
        (numbers(2.744, 676, 48, 2, 4, 64, 0.01), "still large"),
        (numbers(2.691, 1108, 32, 2, 4, 128, 0.01), "far-sighted"),
        (numbers(2.762, 1271, 48, 1, 4, 64, 0.02), "one layer"),
        (numbers(2.669, 1538, 32, 2, 2, 32, 0.02, 3), "rate a little large"),
        (numbers(2.713, 1362, 32, 2, 1, 64, 0.01), "one head"),
    ]
}
