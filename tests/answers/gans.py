"""Exercise 03."""

SOFTPLUS = "softplus = lambda s: s.clamp(min=0) + torch.log1p(torch.exp(-s.abs()))"
D = "\nd = torch.sigmoid(fake)\n"
JS = "m = (p + q) / 2\njs = (kl(p, m) + kl(q, m)) / 2\nreturn 2 * js - math.log(4), js"
KL = "kl = lambda a, b: torch.xlogy(a, a / b).sum()\n"
NAIVE = "kl = lambda a, b: (a * torch.log(a / b)).sum()\n"
POINT = """
    u = share.view([-1] + [1] * (real.ndim - 1))
    x = (real + u * (fake - real)).requires_grad_()
"""
SLOPE = POINT + "    g = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]\n"
STACK = """
    layers, a = [], latents
    for i, b in enumerate(channels[:-1]):
        layers += [nn.ConvTranspose2d(a, b, 4, 2 if i else 1, 1 if i else 0, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]
        a = b
    return nn.Sequential(*layers, nn.ConvTranspose2d(a, channels[-1], 4, 2, 1, bias=False), nn.Tanh())
"""
LAZY = """
    layers = [nn.LazyConvTranspose2d(channels[0], 4, bias=False)]
    for c in channels[1:]:
        layers += [nn.LazyBatchNorm2d(), nn.ReLU(), nn.LazyConvTranspose2d(c, 4, 2, 1, bias=False)]
    return nn.Sequential(*layers, nn.Tanh())
"""

RIGHT = {
    "discriminator_loss": [
        "bce = F.binary_cross_entropy_with_logits\nreturn bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))",
        f"{SOFTPLUS}\nreturn softplus(-real).mean() + softplus(fake).mean()",
        "-sum(F.logsigmoid(s) for s in real) / len(real) - sum(F.logsigmoid(-s) for s in fake) / len(fake)",
        "(torch.logaddexp(-real, torch.zeros(())).mean() + F.cross_entropy(torch.stack([torch.zeros_like(fake), fake], 1), "
        "torch.zeros(len(fake), dtype=torch.long)))",
    ],
    "generator_loss": [
        """
        if saturating:
            return torch.mean(F.logsigmoid(-fake))
        return -torch.mean(F.logsigmoid(fake))
        """,
        f"{SOFTPLUS}\nreturn -softplus(fake).mean() if saturating else softplus(-fake).mean()",
        "(1 - 2 * saturating) * F.binary_cross_entropy_with_logits(fake, torch.full_like(fake, 1 - saturating))",
    ],
    "optimal_discriminator": [
        "1 / (1 + torch.exp(log_model - log_data))",
        "torch.exp(log_data - torch.logaddexp(log_data, log_model))",
        "torch.exp(log_data - torch.logsumexp(torch.stack([log_data, log_model]), 0))",
        "torch.log_softmax(torch.stack([log_data, log_model]), 0)[0].exp()",
        "(torch.tanh((log_data - log_model) / 2) + 1) / 2",
    ],
    "game_value": [
        KL + JS,
        "d = p / (p + q)\nv = torch.xlogy(p, d).sum() + torch.xlogy(q, 1 - d).sum()\nreturn v, v / 2 + math.log(2)",
        """
        v = 0.0
        for a, b in zip(p.tolist(), q.tolist()):
            v += (a * math.log(a / (a + b)) if a else 0) + (b * math.log(b / (a + b)) if b else 0)
        return [v, (v + math.log(4)) / 2]
        """,
        "from scipy.spatial.distance import jensenshannon\njs = jensenshannon(p, q) ** 2\nreturn 2 * js - np.log(4), js",
        "m = ((p + q) / 2).log()\njs = sum(F.kl_div(m, a, reduction='sum') for a in (p, q)) / 2\nreturn 2 * js - np.log(4), js",
        "h = lambda a: torch.special.entr(a).sum()\njs = h((p + q) / 2) - (h(p) + h(q)) / 2\nreturn 2 * js - math.log(4), js.item()",
    ],
    "gradient_penalty": [
        SLOPE + "    return torch.mean((g.reshape(len(g), -1).pow(2).sum(1).sqrt() - 1) ** 2)",
        SLOPE.replace("critic(x).sum(), x", "critic(x), x, torch.ones(len(x))")
        + "    return ((g.flatten(1).square().sum(1) + 1e-12).sqrt() - 1).square().mean()",
        # backward, but into the point alone
        POINT + "    critic(x).sum().backward(create_graph=True, inputs=[x])\n    return ((x.grad.flatten(1).norm(dim=1) - 1) ** 2).mean()",
        """
        x = torch.stack([a + u * (b - a) for a, b, u in zip(real, fake, share)])
        g = torch.func.vmap(torch.func.grad(lambda each: critic(each[None])[0]))(x)
        return ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()
        """,
        """
        total = 0
        for a, b, u in zip(real, fake, share):
            x = ((1 - u) * a + u * b)[None].requires_grad_()
            (g,) = torch.autograd.grad(critic(x)[0], x, create_graph=True)
            total = total + (g.norm() - 1) ** 2
        return total / len(real)
        """,
    ],
    "dcgan_generator": [
        STACK,
        LAZY,
        STACK.replace("*layers,", "nn.Sequential(*layers),"),
        STACK.replace("4, 2, 1, bias=False), nn.Tanh", "kernel_size=(4, 4), stride=2, padding=1), nn.Tanh").replace(
            "nn.BatchNorm2d(b)", "nn.LazyBatchNorm2d()"
        ),
    ],
    "one_hot_words": [
        "torch.hstack([F.one_hot(words[:, f] + 1, n + 1)[:, 1:].float() for f, n in enumerate(kinds)])",
        """
        rows, start = torch.zeros(len(words), sum(kinds)), 0
        for f, count in enumerate(kinds):
            for i in range(len(words)):
                if words[i, f] >= 0:
                    rows[i, start + words[i, f]] = 1
            start += count
        return rows
        """,
        """
        starts = torch.tensor([0, *kinds[:-1]]).cumsum(0)
        rows, (i, f) = torch.zeros(len(words), sum(kinds)), torch.where(words >= 0)
        rows[i, starts[f] + words[i, f]] = 1.0
        return rows
        """,
        "torch.cat([torch.cat([torch.eye(n), torch.zeros(1, n)])[words[:, f]] for f, n in enumerate(kinds)], dim=1)",
        """
        rows = []
        for f, count in enumerate(kinds):
            asked = words[:, f] != -1
            rows.append(F.one_hot(words[:, f].clamp(min=0), count) * asked[:, None])
        return torch.cat(rows, -1).to(torch.get_default_dtype())
        """,
        "torch.stack([(words[:, f] == w).float() for f, n in enumerate(kinds) for w in range(n)], 1)",
        """
        starts = torch.tensor(kinds).cumsum(0) - torch.tensor(kinds)
        places = torch.where(words >= 0, words + starts, sum(kinds))
        return torch.zeros(len(words), sum(kinds) + 1).scatter(1, places, 1.0)[:, :-1]
        """,
    ],
    "projection_score": [
        "score + torch.einsum('bw,wf,bf->b', rows, vectors, h)",
        "score + (rows * (h @ vectors.T)).sum(1)",
        "torch.stack([s + torch.dot(r @ vectors, f) for s, f, r in zip(score, h, rows)])",
        "score + torch.bmm(h[:, None], (rows @ vectors)[:, :, None]).flatten()",
        "score + torch.diagonal(rows @ vectors @ h.T)",
        "score + ((rows[:, :, None] * vectors).sum(1) * h).sum(-1)",
        "score + (h @ vectors.T).masked_fill(rows == 0, 0).sum(1)",
        """
        out = torch.zeros_like(score)
        for b in range(len(score)):
            out[b] = score[b] + vectors[rows[b].bool()].sum(0) @ h[b]
        return out
        """,
    ],
    "closeness": [
        """
        distance = (m.unsqueeze(0) - m.unsqueeze(1)).abs().sum(-1)
        others = 1 - torch.eye(len(m)).unsqueeze(2)
        return (torch.exp(-distance) * others).sum(0)
        """,
        "torch.exp(-torch.cdist(m.transpose(0, 1), m.transpose(0, 1), p=1)).sum(2).T - 1",
    ],
    "receptive_field": [
        """
        size, step = 1, 1
        for kernel, stride in layers:
            size, step = size + (kernel - 1) * step, step * stride
        return size
        """,
        "1 + sum((kernel - 1) * math.prod(stride for _, stride in layers[:i]) for i, (kernel, _) in enumerate(layers))",
        # as good as whole numbers
        "1 + sum((kernel - 1) * np.prod([stride for _, stride in layers[:i]]) for i, (kernel, _) in enumerate(layers))",
        "1 + (torch.tensor([k - 1.0 for k, _ in layers]) * torch.tensor([1.0] + [s for _, s in layers[:-1]]).cumprod(0)).sum()",
    ],
}

WRONG = {
    "discriminator_loss": [
        ("1 minus the score", "-real.sigmoid().log().mean() - (1 - fake).sigmoid().log().mean()"),
        ("another base", "(F.softplus(-real).mean() + F.softplus(fake).mean()) / math.log(2)"),
        ("one count for both", "(F.softplus(-real).sum() + F.softplus(fake).sum()) / len(fake)"),
        ("sigmoid, then log", "-F.logsigmoid(real).mean() - (1 - fake.sigmoid()).log().mean()"),
        ("sigmoid, then log", "torch.log(1 + torch.exp(-real)).mean() + torch.log(1 + torch.exp(fake)).mean()"),
        ("infinity covered up", "-torch.nan_to_num(real.sigmoid().log()).mean() - torch.nan_to_num((1 - fake.sigmoid()).log()).mean()"),
        ("infinity covered up", "torch.nan_to_num(-real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean())"),
        ("infinity covered up", "torch.nan_to_num(-real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean(), 0, 0, 0)"),
        ("infinity covered up", "sum(s.sigmoid().log().nan_to_num(0.0, 0.0, 0.0).mean() for s in (real, -fake)) * -1"),
        ("probabilities clamped", "-real.sigmoid().clamp(1e-4).log().mean() - (1 - fake.sigmoid()).clamp(1e-4).log().mean()"),
        ("scores clamped", "-real.clamp(-10, 10).sigmoid().log().mean() - (1 - fake.clamp(-10, 10).sigmoid()).log().mean()"),
        ("scores clamped", "F.softplus(-real.clamp(-200, 200)).mean() + F.softplus(fake.clamp(-200, 200)).mean()"),
    ],
    "generator_loss": [
        ("only the signs differ", "F.logsigmoid(-fake).mean() if saturating else -F.logsigmoid(-fake).mean()"),
        ("sigmoid, then log", "(1 - fake.sigmoid()).log().mean() if saturating else -F.logsigmoid(fake).mean()"),
        ("sigmoid, then log", "F.logsigmoid(-fake).mean() if saturating else -fake.sigmoid().log().mean()"),
        ("infinity covered up", f"{D}return torch.nan_to_num((1 - d).log()).mean() if saturating else -torch.nan_to_num(d.log()).mean()"),
        ("infinity covered up", f"{D}return torch.nan_to_num((1 - d).log().mean() if saturating else -d.log().mean())"),
        ("infinity covered up", f"{D}return torch.nan_to_num((1 - d).log().mean() if saturating else -d.log().mean(), 0, 0, 0)"),
        ("scores clamped", "s = fake.clamp(-200, 200)\nreturn F.logsigmoid(-s).mean() if saturating else -F.logsigmoid(s).mean()"),
    ],
    "optimal_discriminator": [
        ("0 / 0 covered up", "torch.nan_to_num(log_data.exp() / (log_data.exp() + log_model.exp()), nan=0.5)"),
        ("0 / 0 covered up", "(log_data.exp() + 1e-12) / (log_data.exp() + log_model.exp() + 1e-12)"),
        ("0 / 0 covered up", "(log_data.exp() + 1e-12) / (log_data.exp() + log_model.exp() + 2e-12)"),
        ("sigmoid of a ratio", "torch.sigmoid(log_data / log_model)"),
        ("underflow", "1 / (1 + log_model.exp() / log_data.exp())"),
    ],
    "game_value": [
        ("a KL divergence", f"{KL}js = (kl(p, q) + kl(q, p)) / 2\nreturn 2 * js - math.log(4), js"),
        ("a KL divergence", "js = (p * (p / q).log()).sum()\nreturn 2 * js - math.log(4), js"),
        ("mixture without its half", f"{KL}js = kl(p, p + q) / 2 + kl(q, p + q) / 2\nreturn 2 * js - math.log(4), js"),
        ("twice the divergence", f"{KL}m = (p + q) / 2\njs = kl(p, m) + kl(q, m)\nreturn 2 * js - math.log(4), js"),
        ("twice the divergence", f"{NAIVE}js = kl(p, (p + q) / 2) + kl(q, (p + q) / 2)\nreturn 2 * js - math.log(4), js"),
        ("one comparison", f"{NAIVE}js = kl(p, (p + q) / 2)\nreturn 2 * js - math.log(4), js"),
        ("one comparison", f"{KL}js = kl(p, (p + q) / 2)\nreturn 2 * js - math.log(4), js"),
        ("from the mixture", f"{NAIVE}m = (p + q) / 2\njs = (kl(m, p) + kl(m, q)) / 2\nreturn 2 * js - math.log(4), js"),
        ("signs differ", "d = p / (p + q)\nv = (p * d.log()).sum() - (q * (1 - d).log()).sum()\nreturn v, v / 2 + math.log(2)"),
        ("value from the divergence", KL + JS.replace("2 * js - math.log(4)", "2 * js")),
        ("0 · log 0", NAIVE + JS),
        (
            "no logarithm of the mixture",
            "m = (p + q) / 2\njs = sum(F.kl_div(m, a, reduction='sum') for a in (p, q)) / 2\nreturn 2 * js - math.log(4), js",
        ),
        ("no logarithm of the mixture", "m = (p + q) / 2\njs = (F.kl_div(m, p) + F.kl_div(m, q)) / 2\nreturn 2 * js - math.log(4), js"),
        (
            "no logarithm of the mixture",
            "m = (p + q) / 2\njs = (F.kl_div(p, m, reduction='batchmean') + F.kl_div(q, m, reduction='batchmean')) / 2\n"
            "d = p / (p + q)\nreturn torch.xlogy(p, d).sum() + torch.xlogy(q, 1 - d).sum(), js",
        ),
        ("mean for sum", "m = (p + q) / 2\njs = (F.kl_div(m.log(), p) + F.kl_div(m.log(), q)) / 2\nreturn 2 * js - math.log(4), js"),
    ],
    "gradient_penalty": [
        (
            "share and length of points",
            "x = (real + share * (fake - real)).requires_grad_()\ng = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]\n"
            "return ((g.norm(dim=1) - 1) ** 2).mean()",
        ),
        (
            "points and images alone",
            SLOPE.replace("[-1] + [1] * (real.ndim - 1)", "(-1, 1) if real.ndim == 2 else (-1, 1, 1, 1)")
            + "    return ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()",
        ),
        (
            "by the parameters",
            POINT
            + "    g = torch.autograd.grad(critic(x).sum(), critic.parameters(), create_graph=True)\n"
            + "    return sum((s.norm() - 1) ** 2 for s in g)",
        ),
        ("graph thrown away", SLOPE + "    return ((g.detach().flatten(1).norm(dim=1) - 1) ** 2).mean()"),
        ("graph thrown away", SLOPE + "    return ((g.flatten(1).norm(dim=1) - 1) ** 2).mean().item()"),
    ],
    "dcgan_generator": [
        ("kernel", LAZY.replace("c, 4, 2, 1", "c, 2, 2, 0")),
        ("no batch norm", LAZY.replace("nn.LazyBatchNorm2d(), ", "")),
        ("another norm", LAZY.replace("nn.LazyBatchNorm2d()", "nn.LazyInstanceNorm2d()")),
        ("ordinary convolution", LAZY.replace("nn.LazyConvTranspose2d(c", "nn.LazyConv2d(c")),
        (
            "kernel",  # the first of several rules that are broken
            "layers = [nn.ConvTranspose2d(a, b, 3, 2) for a, b in zip([latents, *channels], channels)]\n"
            "return nn.Sequential(nn.LeakyReLU(), *layers, nn.Sigmoid())",
        ),
    ],
    "one_hot_words": [
        ("−1 for the last word", "torch.cat([torch.eye(n)[words[:, f]] for f, n in enumerate(kinds)], 1)"),
        (
            "the place before",
            """
            rows, start = torch.zeros(len(words), sum(kinds)), 0
            for f, count in enumerate(kinds):
                rows.scatter_(1, (start + words[:, f, None]) % sum(kinds), 1.0)
                start += count
            return rows
            """,
        ),
        ("the place before", "F.one_hot((words + torch.tensor([0, *kinds[:-1]]).cumsum(0)) % sum(kinds), sum(kinds)).sum(1).float()"),
        (
            "block starts wrong",
            """
            rows = torch.zeros(len(words), sum(kinds))
            for f in range(len(kinds)):
                asked = words[:, f] >= 0
                rows[asked, f + words[asked, f]] = 1
            return rows
            """,
        ),
        (
            "on top of each other",
            """
            rows, start = torch.zeros(len(words), sum(kinds)), 0
            for f, count in enumerate(kinds):
                rows[:, start : start + count] = (words[:, f, None] == torch.arange(count)).float()
            return rows
            """,
        ),
        (
            "blocks move up",
            """
            rows = torch.zeros(len(words), sum(kinds))
            for i in range(len(words)):
                start = 0
                for f, count in enumerate(kinds):
                    if words[i, f] == -1:
                        continue
                    rows[i, start + words[i, f]] = 1
                    start += count
            return rows
            """,
        ),
        (
            "one −1 empties the row",
            """
            rows = torch.cat([F.one_hot(words[:, f].clamp(min=0), n).float() for f, n in enumerate(kinds)], 1)
            rows[(words == -1).any(1)] = 0
            return rows
            """,
        ),
        ("the last word cut off", "torch.cat([F.one_hot(words[:, f] + 1, n + 1)[:, :n].float() for f, n in enumerate(kinds)], 1)"),
        ("a place for not asked", "torch.cat([F.one_hot(words[:, f] + 1, n + 1).float() for f, n in enumerate(kinds)], 1)"),
        (
            "−1 for the first word",
            "torch.cat([F.one_hot(words[:, f].clamp(0), num_classes=n).float() for f, n in enumerate(kinds)], 1)",
        ),
        (
            "equally wide",
            "torch.cat([F.one_hot(column + 1, max(kinds) + 1)[:, 1:].float() for column in words.T], 1)",
        ),
        (
            "on top of each other",
            """
            rows = torch.zeros(len(words), max(kinds))
            for i, row in enumerate(words):
                for word in row:
                    if word >= 0:
                        rows[i, word] += 1
            return rows
            """,
        ),
        (
            "every word in every row",
            """
            blocks = []
            for f, n in enumerate(kinds):
                block = torch.zeros(len(words), n)
                block[:, words[words[:, f] >= 0, f]] = 1
                blocks.append(block)
            return torch.cat(blocks, 1)
            """,
        ),
    ],
    "projection_score": [
        ("each with everyone", "score + (rows @ vectors @ h.T).sum(1)"),
        ("a table", "score + rows @ vectors @ h.T"),
        ("a table", "score + torch.inner(h, rows @ vectors)"),
        ("divided by all words", "score + (h @ vectors.T * rows).mean(1)"),
        ("divided by all words", "score + ((rows[:, :, None] * vectors).mean(1) * h).sum(1)"),
        ("turned about", "score + ((1 - rows) @ vectors * h).sum(1)"),
        ("score inside the sum", "(score[:, None] + rows @ vectors * h).sum(1)"),
        ("length 1", "score + (rows * (h @ F.normalize(vectors).T)).sum(1)"),
        (
            "one word alone",
            """
            out = []
            for s, f, row in zip(score, h, rows):
                e = torch.zeros_like(f)
                for w in range(len(vectors)):
                    if row[w]:
                        e = vectors[w]
                out.append(s + e @ f)
            return torch.stack(out)
            """,
        ),
        (
            "words of others, too",
            """
            out, e = [], torch.zeros_like(h[0])
            for b in range(len(h)):
                for w in range(len(vectors)):
                    if rows[b, w]:
                        e = e + vectors[w]
                out.append(score[b] + e @ h[b])
            return torch.stack(out)
            """,
        ),
        ("averaged over the words", "score + (torch.stack([vectors[row.bool()].mean(0) for row in rows]) * h).sum(1)"),
        ("averaged over the words", "score + ((rows @ vectors / rows.sum(1, keepdim=True).clamp(min=1)) * h).sum(1)"),
        ("features left out", "score + (rows @ vectors).sum(1)"),
        ("averaged over the features", "score + (rows @ vectors * h).mean(-1)"),
        ("one word alone", "score + (vectors[rows.argmax(1)] * h).sum(1)"),
        ("cosine", "score + (F.normalize(rows @ vectors, dim=1) * F.normalize(h, dim=1)).sum(1)"),
    ],
    "closeness": [("signs cancel", "torch.exp(-(m[:, None] - m).sum(3)).sum(1) - 1")],
    "receptive_field": [
        (
            "strides added",
            "side, step = 1, 1\nfor kernel, stride in layers:\n    side += (kernel - 1) * step\n    step += stride\nreturn side",
        ),
        ("1 forgotten", "sum((kernel - 1.0) * np.prod([stride for _, stride in layers[:i]]) for i, (kernel, _) in enumerate(layers))"),
    ],
}

FAULTS = {
    "discriminator_loss": [
        (
            "gradient",
            "gradient is NaN",
            "sp = lambda s: torch.where(s > 20, s, torch.log(1 + s.exp()))\nreturn sp(-real).mean() + sp(fake).mean()",
        ),
    ],
    "gradient_penalty": [
        (
            "side effect",
            "leaves gradients behind in critic",
            POINT + "    critic(x).sum().backward(create_graph=True)\n    return ((x.grad.flatten(1).norm(dim=1) - 1) ** 2).mean()",
        ),
        ("error", "add the numbers up first", SLOPE.replace(".sum(), x", ", x") + "    return g.sum()"),
        ("error", "with `.requires_grad_()`", SLOPE.replace(".requires_grad_()", "") + "    return g.sum()"),
        ("error", "`.flatten(1)` first", SLOPE + "    return ((g.norm(dim=(1, 2, 3)) - 1) ** 2).mean()"),
        ("error", "`.flatten(1)`", SLOPE + "    return ((torch.linalg.norm(g, dim=(1, 2, 3)) - 1) ** 2).mean()"),
        ("error", "`.flatten(1)`", SLOPE + "    return ((torch.linalg.vector_norm(g, dim=(1, 2, 3)) - 1) ** 2).mean()"),
    ],
    "dcgan_generator": [
        ("error", "`[first, *others]` takes both", "nn.Sequential(*[latents] + channels)"),
        (
            "type",
            "an nn.Sequential is asked for, got a list",
            STACK.replace("nn.Sequential", "list").replace("(*layers", "([*layers").replace("Tanh())", "Tanh()])"),
        ),
        (
            "library",
            "course_lib.gans",
            "\n    from course_lib.gans import Generator\n    return Generator((1, 16, 16), latents, 8).layers\n",
        ),
        (
            "m15",  # a rule that is broken in some cases only is named with the first of them
            "in case 3 (latents = 10, channels = (7, 6, 2, 2)): a batch norm is missing",
            """
            layers, a = [], latents
            for i, b in enumerate(channels):
                last = b == channels[-1]
                layers.append(nn.ConvTranspose2d(a, b, 4, 2 if i else 1, 1 if i else 0, bias=last))
                layers += [] if last else [nn.BatchNorm2d(b), nn.ReLU()]
                a = b
            return nn.Sequential(*layers, nn.Tanh())
            """,
        ),
    ],
    "one_hot_words": [
        ("error", "`F.one_hot` knows no −1", "torch.cat([F.one_hot(words[:, f], n) for f, n in enumerate(kinds)], 1)"),
        ("type", "`torch.cat(…, 1)` joins them", "[(words[:, f, None] == torch.arange(n)).float() for f, n in enumerate(kinds)]"),
        ("type", "`torch.stack` joins them", "[torch.cat([torch.arange(n) == w for w, n in zip(row, kinds)]).float() for row in words]"),
        ("error", "`torch.cat(…, 1)` joins blocks", "torch.stack([words[:, f, None] == torch.arange(n) for f, n in enumerate(kinds)])"),
        (
            "error",
            "was a start added too early? `cumsum` tells where things end",
            """
            rows, starts = torch.zeros(len(words), sum(kinds)), torch.tensor(kinds).cumsum(0)
            for f in range(len(kinds)):
                asked = words[:, f] >= 0
                rows[asked, starts[f] + words[asked, f]] = 1
            return rows
            """,
        ),
        (
            "error",
            "where does a slice begin and end",
            """
            rows, starts = torch.zeros(len(words), sum(kinds)), torch.tensor(kinds).cumsum(0)
            for f, n in enumerate(kinds):
                rows[:, starts[f] : starts[f] + n] = (words[:, f, None] == torch.arange(n)).float()
            return rows
            """,
        ),
        ("dtype", "whole numbers", "torch.cat([F.one_hot(words[:, f] + 1, n + 1)[:, 1:] for f, n in enumerate(kinds)], 1)"),
        ("dtype", "boolean", "torch.cat([words[:, f : f + 1] == torch.arange(n) for f, n in enumerate(kinds)], 1)"),
        (
            "dtype",
            "should be torch.float32, yours is torch.float64",
            "torch.cat([F.one_hot(words[:, f] + 1, n + 1)[:, 1:].double() for f, n in enumerate(kinds)], 1)",
        ),
    ],
    "projection_score": [
        ("shape", "should have shape (4,), yours has (4, 1)", "score[:, None] + (rows @ vectors * h).sum(1, keepdim=True)"),
        ("gradient", "no gradient reaches", "(score + (rows @ vectors * h).sum(1)).detach()"),
        ("error", "in case 1", "score + (vectors @ rows * h).sum(1)"),
        ("error", "numbers of two types meet", "score + (rows.float() @ vectors * h).sum(1)"),
        (
            "dtype",
            "in case 3. It should have the type of score",
            """
            out = torch.zeros(len(score))
            for b in range(len(score)):
                out[b] = score[b] + rows[b] @ vectors @ h[b]
            return out
            """,
        ),
        ("error", "in case 1", "score + (vectors[rows] * h).sum(1)"),
    ],
    "receptive_field": [
        ("dtype", "should be whole numbers", "sum(kernel for kernel, _ in layers) + 0.5"),
    ],
}

SETTINGS = {
    "cure": {
        "too slow": '{"rate": 1e-5}',
        "lost": '{"rate": 0.003, "penalty": 1000}',
        "collapsed": '{"rate": 0.003}',
        "outrun": '{"rate": 0.05, "pack": 2}',
        "held up": '{"rate": 0.01, "penalty": 1, "pack": 2}',
        "nearly": '{"rate": 0.0025, "pack": 2}',
        "blunt discriminator": '{"rate": 0.003, "pack": 8}',
        "generator behind": '{"rate": 3e-4}',
    },
}

FIRST = {"rate": 0.003, "critic_steps": 1, "penalty": 0, "pack": 1}
REGIONS = {
    "cure": [
        (FIRST | {"pack": 8, "modes": 8, "good": 0.21, "ahead": 0.39, "moved": 0.85}, "blunt discriminator"),
        (FIRST | {"pack": 8, "modes": 5, "good": 0.2, "ahead": 0.45, "moved": 0.9}, "blunt discriminator"),  # not too slow
        (FIRST | {"rate": 0.001, "pack": 8, "modes": 7, "good": 0.15, "ahead": 0.68, "moved": 0.59}, "blunt discriminator"),
        (FIRST | {"rate": 0.01, "pack": 4, "modes": 8, "good": 0.51, "ahead": 0.3, "moved": 0.82}, "blunt discriminator"),
        (FIRST | {"modes": 0, "good": 0.0, "ahead": 1.0, "moved": 0.15}, "too slow"),
        (FIRST | {"modes": 3, "good": 0.3, "ahead": 0.93, "moved": 0.77}, "too slow"),
        (FIRST | {"rate": 3e-4, "pack": 2, "modes": 3, "good": 0.39, "ahead": 0.8, "moved": 2.0}, "too slow"),  # not outrun
        (FIRST | {"modes": 0, "good": 0.0, "ahead": 0.27, "moved": 4.5}, "lost"),
        (FIRST | {"modes": 0, "good": 0.18, "ahead": 0.34, "moved": 35.0}, "lost"),
        (FIRST | {"modes": 0, "good": 0.03, "ahead": 0.56, "moved": 5.9}, "collapsed"),
        (FIRST | {"modes": 1, "good": 0.49, "ahead": 0.87, "moved": 6.8}, "collapsed"),
        (FIRST | {"modes": 7, "good": 0.9, "ahead": 0.6, "moved": 2.9}, "collapsed"),
        (FIRST | {"rate": 0.2, "pack": 2, "modes": 4, "good": 0.74, "ahead": 0.6, "moved": 3.7}, "outrun"),
        (FIRST | {"rate": 0.05, "pack": 2, "modes": 0, "good": 0.49, "ahead": 0.72, "moved": 1.95}, "outrun"),
        (FIRST | {"rate": 0.01, "pack": 2, "penalty": 1, "modes": 8, "good": 0.75, "ahead": 0.61, "moved": 0.67}, "held up"),
        (FIRST | {"rate": 0.01, "pack": 2, "critic_steps": 5, "modes": 8, "good": 0.81, "ahead": 0.62, "moved": 0.44}, "held up"),
        (FIRST | {"pack": 2, "modes": 8, "good": 0.82, "ahead": 0.46, "moved": 0.33}, "nearly"),
        (FIRST | {"rate": 0.001, "pack": 2, "modes": 8, "good": 0.64, "ahead": 0.65, "moved": 0.25}, "nearly"),
        (FIRST | {"rate": 0.01, "pack": 3, "modes": 8, "good": 0.66, "ahead": 0.44, "moved": 0.5}, "blunt discriminator"),
        (FIRST | {"modes": 8, "good": 0.66, "ahead": 0.44, "moved": 0.5}, "blunt discriminator"),
        (FIRST | {"rate": 3e-4, "modes": 8, "good": 0.57, "ahead": 0.86, "moved": 0.32}, "generator behind"),
        (FIRST | {"rate": 0.01, "critic_steps": 5, "modes": 8, "good": 0.79, "ahead": 0.69, "moved": 0.56}, "generator behind"),
        (FIRST | {"rate": 3e-4, "modes": 8, "good": 0.82, "ahead": 0.64, "moved": 0.26}, "generator behind"),  # not nearly: no packs
    ],
}
