"""Exercise 08."""

ENERGY = "s = (torch.arange(2 ** len(bias))[:, None] >> torch.arange(len(bias)) & 1).to(bias)\nE = {}\nreturn {}"
PAIRS = "-torch.einsum('si,ij,sj->s', s, couplings.triu(1), s) - s @ bias"
SUM = "torch.logsumexp(-E / temperature, 0)"
RATIO = "a = (log_q(x, y) - log_q(y, x)) - (energy(y) - energy(x))\n{}"
GO = "m = uniform < torch.exp(a).clamp(max=1.0)\nreturn torch.where(m.unsqueeze(1), y, x), m"
SLOPE = "x = x.detach().requires_grad_(True)\ng = torch.autograd.grad(energy(x).sum(), x)[0]\n{}"
MISS = "s = sigma.view(-1, *[1] * (x.ndim - 1))\n{}"
W = "lw = log_p - log_q\nm = lw.max()\nw = (lw - m).exp()\n{}"
THREE = "torch.log(w.mean()) + m, w.sum() ** 2 / (w**2).sum(), w @ values / w.sum()"
UP = "h = (uniform_h < torch.sigmoid(v @ weight + hidden_bias)).to(v)\n{}"
DOWN = "return h, (uniform_v < torch.sigmoid(h @ weight.T + visible_bias)).to(v)"
BOTH = "p, q = torch.sigmoid(v @ weight + hidden_bias), torch.sigmoid(dream @ weight + hidden_bias)\n{}"
LEARN = "return v.T @ p / len(v) - dream.T @ q / len(dream), v.mean(0) - dream.mean(0), p.mean(0) - q.mean(0)"
SAMPLER = """
    path, e = [], energy(x)
    for eps, u in zip(noise, uniform):
        y = {proposal}
        e_y = energy(y)
        log_ratio = {ratio}
        moved = {moved}
        x = torch.where(moved, y, x)
        {keep}
        {record}
    return {result}
    """
GOOD = {
    "proposal": "x * torch.exp(width * eps)",
    "ratio": "e - e_y + width * eps",
    "moved": "u.log() < log_ratio",
    "keep": "e = energy(x)",
    "record": "path.append(x)",
    "result": "torch.cat(path)",
}


def sampler(**lines) -> str:
    """The sampler of the bug hunt, with some lines of its own."""
    return SAMPLER.format(**GOOD | lines)


RIGHT = {
    "log_partition": [
        ENERGY.format(PAIRS, SUM),
        # unit after unit: what the other states weigh when it is on
        """
        n = len(bias)
        E = torch.zeros(1, dtype=bias.dtype)
        s = torch.zeros(1, n, dtype=bias.dtype)
        for i in range(n):
            on = s.clone()
            on[:, i] = 1
            E = torch.cat([E, E - s @ couplings[i] - bias[i]])
            s = torch.cat([s, on])
        x = -E / temperature
        return x.max() + (x - x.max()).exp().sum().log()
        """,
        "s = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * len(bias)).reshape(-1, len(bias)).to(bias)\n"
        "E = -0.5 * torch.einsum('bi,ij,bj->b', s, couplings, s) - s @ bias\nreturn (-E / temperature).logsumexp(0)",
        """
        terms = []
        for s in itertools.product((0, 1), repeat=len(bias)):
            e = 0.0
            for i in range(len(bias)):
                e = e - bias[i] * s[i]
                for j in range(i + 1, len(bias)):
                    e = e - couplings[i, j] * s[i] * s[j]
            terms.append(torch.as_tensor(-e / temperature))
        return torch.logsumexp(torch.stack(terms), 0)
        """,
        "s = torch.from_numpy(np.array(list(itertools.product([0, 1], repeat=len(bias))))).to(bias)\n"
        "return torch.logsumexp((s @ bias + torch.diagonal(s @ couplings @ s.T) / 2) / temperature, dim=0)",
        # an in-place sum on a new tensor
        "s = torch.tensor(list(itertools.product([0.0, 1.0], repeat=len(bias))), dtype=bias.dtype)\nx = s @ bias\n"
        "x += ((s @ couplings) * s).sum(-1).div_(2)\nx /= temperature\nreturn x.logsumexp(-1)",
    ],
    "metropolis_hastings": [
        RATIO.format(GO),
        RATIO.format("m = torch.log(uniform) <= torch.minimum(a, torch.zeros_like(a))\nreturn m[:, None] * y + ~m[:, None] * x, m"),
        RATIO.format("m = torch.log(uniform) < a\nz = x.clone()\nz[m] = y[m]\nreturn z, m"),
        RATIO.format(
            "m = torch.tensor([u < math.exp(min(0.0, r)) for u, r in zip(uniform.tolist(), a.tolist())])\n"
            "return torch.stack([t if go else h for h, t, go in zip(x, y, m)]), m"
        ),
        "E0, E1 = energy(torch.cat([x, y])).chunk(2)\na = E0 - E1 + log_q(x, y) - log_q(y, x)\nm = torch.exp(a) > uniform\n"
        "return x + m.to(x)[:, None] * (y - x), m",
        RATIO.format("m = torch.from_numpy(np.log(uniform.numpy()) < a.numpy())\nreturn torch.where(m[:, None], y, x), m"),
        RATIO.format("m = ~(uniform >= a.exp())\nreturn x.lerp(y, m[:, None].to(x)), m"),
    ],
    "langevin_step": [
        SLOPE.format("return (x - step * g + torch.sqrt(torch.tensor(2.0 * step)) * noise).detach()"),
        "y = x.detach().clone().requires_grad_()\nenergy(y).backward(torch.ones(len(x), dtype=x.dtype))\n"
        "return x - step * y.grad + noise * (2 * step) ** 0.5",
        "g = torch.func.grad(lambda z: energy(z).sum())(x)\nreturn torch.add(x, g, alpha=-step).add_(noise, alpha=math.sqrt(2 * step))",
        SLOPE.format("with torch.no_grad():\n    z = x.clone()\n    z -= step * g\n    z += np.sqrt(2 * step) * noise\nreturn z"),
        "x = x.detach().clone()\nx.requires_grad = True\n(-energy(x)).sum().backward()\n"
        "return (x + step * x.grad + math.sqrt(2 * step) * noise).detach()",
        "g = torch.autograd.functional.jacobian(lambda z: energy(z).sum(), x)\nreturn x - step * g + math.sqrt(2 * step) * noise",
    ],
    "denoising_loss": [
        MISS.format("r = score(x + s * noise) + noise / s\nreturn (sigma**2 * r.pow(2).flatten(1).sum(1)).mean()"),
        MISS.format("t = x + noise * s\nr = s * (score(t) + (t - x) / s**2)\nreturn r.square().flatten(1).sum(1).mean()"),
        MISS.format("return F.mse_loss(s * score(x + s * noise), -noise, reduction='sum') / x.shape[0]"),
        MISS.format("r = s * score(x + s * noise) + noise\nreturn torch.linalg.vector_norm(r.flatten(1), dim=1).pow(2).mean()"),
        MISS.format("r = (s * score(x + s * noise) + noise).flatten(1)\nreturn torch.einsum('nd,nd->', r, r) / len(r)"),
        MISS.format("r = s * score(x + s * noise)\nr += noise\nreturn r.square().flatten(1).sum(-1).mean()"),
    ],
    "weighed": [
        W.format("return " + THREE),
        W.format("a = w / w.sum()\nreturn m + w.sum().log() - math.log(len(w)), 1 / torch.dot(a, a), (a.unsqueeze(-1) * values).sum(0)"),
        "lw = log_p - log_q\nlz = lw.logsumexp(0)\ness = (2 * lz - (2 * lw).logsumexp(0)).exp()\n"
        "return lz - math.log(lw.numel()), ess, torch.einsum('n,nd->d', (lw - lz).exp(), values)",
        "lw = (log_p - log_q).double()\nw = (lw - lw.max()).exp()\n"
        "return (w.mean().log() + lw.max()).item(), (w.sum() ** 2 / w.square().sum()).item(), ((w / w.sum()).to(values) @ values)",
        "lw = log_p - log_q\nw = F.softmax(lw, 0)\nreturn [lw.logsumexp(-1) - np.log(len(lw)), w.square().sum() ** -1, values.T @ w]",
        "lw = log_p - log_q\nw = lw.log_softmax(0).exp()\nreturn (lw.logsumexp(0) - math.log(len(lw)), w.norm() ** -2, "
        "torch.stack([(w * column).sum() for column in values.T]))",
    ],
    "gibbs_step": [
        UP.format(DOWN),
        "p = 1 / (1 + torch.exp(-(torch.einsum('nv,vh->nh', v, weight) + hidden_bias)))\nh = torch.where(uniform_h < p, 1.0, 0.0).to(v)\n"
        "q = 1 / (1 + torch.exp(-(torch.einsum('vh,nh->nv', weight, h) + visible_bias)))\n"
        "return h, torch.where(uniform_v < q, 1.0, 0.0).to(v.dtype)",
        "h = torch.ceil(torch.sigmoid(F.linear(v, weight.T, hidden_bias)) - uniform_h)\n"
        "return h, torch.ceil(torch.sigmoid(F.linear(h, weight, visible_bias)) - uniform_v)",
        "h = (torch.logit(uniform_h) < v @ weight + hidden_bias).type_as(v)\n"
        "new = (uniform_v.logit() < h @ weight.mT + visible_bias).to(h)\n"
        "return h, new",
        "h = torch.empty_like(uniform_h).to(v)\nh[:] = uniform_h < (v @ weight).add_(hidden_bias).sigmoid_()\n"
        "return h, torch.zeros_like(v).masked_fill_(uniform_v < torch.addmm(visible_bias, h, weight.T).sigmoid(), 1)",
        "h = 1 - torch.heaviside(uniform_h - (v @ weight + hidden_bias).sigmoid(), torch.ones(1).to(v))\n"
        "return [h, (uniform_v <= (h @ weight.T + visible_bias).sigmoid()).to(v)]",
    ],
    "contrastive_gradient": [
        BOTH.format(LEARN),
        BOTH.format(
            "g = torch.einsum('ni,nj->ij', v, p) / v.size(0) - torch.einsum('ni,nj->ij', dream, q) / dream.size(0)\n"
            "return g, v.mean(0) - dream.mean(0), p.mean(0) - q.mean(0)"
        ),
        """
        W, c, b = weight.clone().requires_grad_(), hidden_bias.clone().requires_grad_(), torch.zeros_like(v[0]).requires_grad_()
        free = lambda x: (-(x @ b) - F.softplus(x @ W + c).sum(1)).mean()
        (free(dream) - free(v)).backward()
        return W.grad, b.grad, c.grad
        """,
        BOTH.format(
            "return (v[:, :, None] * p[:, None]).mean(0) - (dream[:, :, None] * q[:, None]).mean(0), "
            "v.mean(0) - dream.mean(0), p.mean(0) - q.mean(0)"
        ),
        BOTH.format(
            "g = v.T @ p\ng /= len(v)\ng -= dream.T @ q / len(dream)\nb = v.sum(0) / len(v) - dream.sum(0) / len(dream)\n"
            "return [g, b, torch.mean(p, 0) - torch.mean(q, 0)]"
        ),
        """
        x = torch.cat([v, dream])
        signs = torch.cat([torch.full((len(v), 1), 1 / len(v)), torch.full((len(dream), 1), -1 / len(dream))]).to(v)
        p = torch.sigmoid(x @ weight + hidden_bias) * signs
        return x.T @ p, (x * signs).sum(0), p.sum(0)
        """,
    ],
    "mended": [
        sampler(),
        sampler(ratio="e - e_y + y.log() - x.log()", keep="e = torch.where(moved, e_y, e)"),
        sampler(ratio="e - e_y + torch.log(y / x)", keep="e[moved] = e_y[moved]"),
        sampler(ratio="(e + torch.log(y)) - (e_y + torch.log(x))", record="path += [x]", keep="e = e + moved * (e_y - e)"),
        sampler(moved="u < torch.exp(log_ratio)", record="path.append(x.clone())", result="torch.stack(path).flatten()"),
        sampler(
            ratio="e - e_y + torch.distributions.LogNormal(y.log(), width).log_prob(x) "
            "- torch.distributions.LogNormal(x.log(), width).log_prob(y)"
        ),
    ],
}
WRONG = {
    "log_partition": [
        ("temperature forgotten", ENERGY.format(PAIRS, "torch.logsumexp(-E, 0)")),
        ("temperature multiplied", ENERGY.format(PAIRS, "torch.logsumexp(-E * temperature, 0)")),
        ("temperature outside", ENERGY.format(PAIRS, "torch.logsumexp(-E, 0) / temperature")),
        ("pairs counted twice", ENERGY.format("-torch.einsum('si,ij,sj->s', s, couplings, s) - s @ bias", SUM)),
        ("all halved", ENERGY.format("-0.5 * (torch.einsum('si,ij,sj->s', s, couplings, s) + s @ bias)", SUM)),
        ("sign", ENERGY.format(PAIRS, "torch.logsumexp(E / temperature, 0)")),
        ("sign of the biases", ENERGY.format(PAIRS.replace("- s @ bias", "+ s @ bias"), SUM)),
        ("exp overflows", ENERGY.format(PAIRS, "torch.log(torch.sum(torch.exp(-E / temperature)))")),
        ("mean for sum", ENERGY.format(PAIRS, SUM + " - len(bias) * math.log(2)")),
        ("−1 and 1", ENERGY.format(PAIRS, SUM).replace("\nE", "\ns = 2 * s - 1\nE")),
        ("free energy", ENERGY.format(PAIRS, "-temperature * " + SUM)),
        ("all off is missing", ENERGY.format(PAIRS, SUM).replace("torch.arange(2 ** len(bias))", "torch.arange(1, 2 ** len(bias))")),
        ("all on is missing", ENERGY.format(PAIRS, SUM).replace("torch.arange(2 ** len(bias))", "torch.arange(2 ** len(bias) - 1)")),
        ("the likeliest alone", ENERGY.format(PAIRS, "(-E / temperature).max()")),
        ("no log", ENERGY.format(PAIRS, "torch.exp(-E / temperature).sum()")),
        ("couplings forgotten", "F.softplus(bias / temperature).sum()"),
        (
            "neighbours alone",
            ENERGY.format("-sum(couplings[i, i + 1] * s[:, i] * s[:, i + 1] for i in range(len(bias) - 1)) - s @ bias", SUM),
        ),
    ],
    "metropolis_hastings": [
        ("ratio inverted", RATIO.format("m = uniform < torch.exp(-a)\nreturn torch.where(m[:, None], y, x), m")),
        ("proposal forgotten", "a = torch.exp(energy(x) - energy(y))\nm = uniform < a\nreturn torch.where(m[:, None], y, x), m"),
        ("proposal inverted", RATIO.replace("(log_q(x, y) - log_q(y, x))", "(log_q(y, x) - log_q(x, y))").format(GO)),
        ("energies exchanged", RATIO.replace("- (energy(y) - energy(x))", "+ (energy(y) - energy(x))").format(GO)),
        ("no exp", RATIO.format("m = uniform < a.clamp(max=0)\nreturn torch.where(m[:, None], y, x), m")),
        (
            "log against ratio",
            RATIO.format("m = uniform < torch.maximum(torch.ones_like(a), a.exp())\nreturn torch.where(m[:, None], y, x), m"),
        ),
        ("taken for refused", RATIO.format("m = uniform > a.exp()\nreturn torch.where(m[:, None], y, x), m")),
        ("uphill alone", RATIO.format("m = a > 0\nreturn torch.where(m[:, None], y, x), m")),
        ("always there", RATIO.format("m = uniform < a.exp()\nreturn y, m")),
        ("stay for go", RATIO.format("m = uniform < a.exp()\nreturn torch.where(m[:, None], x, y), m")),
        ("refused ones dropped", RATIO.format("m = uniform < a.exp()\nreturn y[m], m")),
        ("refused ones at 0", RATIO.format("m = uniform < a.exp()\nz = torch.zeros_like(x)\nz[m] = y[m]\nreturn z, m")),
        ("way back alone", "a = energy(x) - energy(y) + log_q(x, y)\n" + GO),
        ("way there alone", "a = energy(x) - energy(y) - log_q(y, x)\n" + GO),
        (
            "exp overflows",
            "p = lambda z: torch.exp(-energy(z))\na = p(y) * log_q(x, y).exp() / (p(x) * log_q(y, x).exp())\n"
            "m = uniform < a\nreturn torch.where(m[:, None], y, x), m",
        ),
        (
            "exp overflows",
            "a = torch.exp(energy(x) - energy(y)) * torch.exp(log_q(x, y) - log_q(y, x))\n" + GO.replace("torch.exp(a)", "a"),
        ),
        (
            "exp overflows",
            "a = torch.exp(energy(x) - energy(y)) * torch.exp(log_q(x, y)) / torch.exp(log_q(y, x))\n" + GO.replace("torch.exp(a)", "a"),
        ),
        ("one draw for all", RATIO.format("m = uniform[0] < a.exp()\nreturn torch.where(m[:, None], y, x), m")),
        ("order", RATIO.format("m = uniform < a.exp()\nreturn m, torch.where(m[:, None], y, x)")),
        ("another rule", RATIO.format("m = uniform < 1 / (1 + torch.exp(-a))\nreturn torch.where(m[:, None], y, x), m")),
    ],
    "langevin_step": [
        ("uphill", SLOPE.format("return x.detach() + step * g + (2 * step) ** 0.5 * noise")),
        ("√η for √(2η)", SLOPE.format("return x.detach() - step * g + step**0.5 * noise")),
        ("noise scaled by η", SLOPE.format("return x.detach() - step * g + step * noise")),
        ("no root", SLOPE.format("return x.detach() - step * g + 2 * step * noise")),
        ("2 outside the root", SLOPE.format("return x.detach() - step * g + 2 * math.sqrt(step) * noise")),
        ("another convention", SLOPE.format("return x.detach() - 0.5 * step * g + math.sqrt(step) * noise")),
        ("half a step downhill", SLOPE.format("return x.detach() - step / 2 * g + math.sqrt(2 * step) * noise")),
        ("noise forgotten", SLOPE.format("return x.detach() - step * g")),
        ("mean over the batch", SLOPE.replace(".sum()", ".mean()").format("return x.detach() - step * g + math.sqrt(2 * step) * noise")),
        ("energy for slope", "x - step * energy(x).reshape(-1, *[1] * (x.ndim - 1)) + math.sqrt(2 * step) * noise"),
        ("x forgotten", SLOPE.format("return -step * g + math.sqrt(2 * step) * noise")),
        (
            "slope of exp",
            SLOPE.replace("energy(x).sum()", "-torch.exp(-energy(x)).sum()").format(
                "return x.detach() - step * g + math.sqrt(2 * step) * noise"
            ),
        ),
    ],
    "denoising_loss": [
        ("sign of the target", MISS.format("r = score(x + s * noise) - noise / s\nreturn (s * r).square().flatten(1).sum(1).mean()")),
        ("target not divided", MISS.format("r = score(x + s * noise) + noise\nreturn (s * r).square().flatten(1).sum(1).mean()")),
        ("divided by σ²", MISS.format("r = score(x + s * noise) + noise / s**2\nreturn (s * r).square().flatten(1).sum(1).mean()")),
        ("no weight", MISS.format("r = score(x + s * noise) + noise / s\nreturn r.square().flatten(1).sum(1).mean()")),
        ("σ for σ²", MISS.format("r = score(x + s * noise) + noise / s\nreturn (s * r.square()).flatten(1).sum(1).mean()")),
        ("variance for width", MISS.format("r = score(x + s**2 * noise) + noise / s\nreturn (s * r).square().flatten(1).sum(1).mean()")),
        ("noise unscaled", MISS.format("r = score(x + noise) + noise / s\nreturn (s * r).square().flatten(1).sum(1).mean()")),
        ("data as they are", MISS.format("r = score(x) + noise / s\nreturn (s * r).square().flatten(1).sum(1).mean()")),
        ("mean over entries", MISS.format("r = score(x + s * noise) + noise / s\nreturn (s * r).square().mean()")),
        ("sum over the batch", MISS.format("r = score(x + s * noise) + noise / s\nreturn (s * r).square().sum()")),
        ("a half", MISS.format("r = score(x + s * noise) + noise / s\nreturn (s * r).square().flatten(1).sum(1).mean() / 2")),
        (
            "variance for width",
            MISS.format("v = s**2\nr = score(x + v * noise) + noise / v\nreturn (v * r).square().flatten(1).sum(1).mean()"),
        ),
        (
            "variance for width",
            MISS.format("v = s**2\nr = score(x + v * noise) + noise / v\nreturn (s * r).square().flatten(1).sum(1).mean()"),
        ),
        (
            "root of the width",
            MISS.format("d = s.sqrt()\nr = d * score(x + d * noise) + noise\nreturn r.square().flatten(1).sum(1).mean()"),
        ),
        (
            "factor lost in the square",
            MISS.format("r = s**2 * score(x + s * noise) + noise\nreturn r.square().flatten(1).sum(1).mean()"),
        ),
        ("factor lost in the square", MISS.format("r = score(x + s * noise) + noise\nreturn r.square().flatten(1).sum(1).mean()")),
        (
            "one width for all",
            MISS.format("s = sigma.mean()\nr = s * score(x + s * noise) + noise\nreturn r.square().flatten(1).sum(1).mean()"),
        ),
        ("target not divided", MISS.format("t = x + s * noise\nreturn (s * (score(t) + (t - x) / s)).square().flatten(1).sum(1).mean()")),
        ("ε for the score", MISS.format("return (s * (score(x + s * noise) - noise)).square().flatten(1).sum(1).mean()")),
        (
            "target detached from the network",
            MISS.format("with torch.no_grad():\n    r = s * score(x + s * noise) + noise\nreturn r.square().flatten(1).sum(1).mean()"),
        ),
    ],
    "weighed": [
        ("ratio inverted", W.replace("log_p - log_q", "log_q - log_p").format("return " + THREE)),
        ("q forgotten", W.replace("log_p - log_q", "log_p").format("return " + THREE)),
        ("sum for mean", W.format("return " + THREE.replace("w.mean()", "w.sum()"))),
        ("largest not put back", W.format("return " + THREE.replace(" + m,", ","))),
        ("mean of logarithms", W.format("return " + THREE.replace("torch.log(w.mean()) + m", "lw.mean()"))),
        ("sample size upside down", W.format("return " + THREE.replace("w.sum() ** 2 / (w**2).sum()", "(w**2).sum() / w.sum() ** 2"))),
        ("not normalised", W.format("return " + THREE.replace("w.sum() ** 2 / (w**2).sum()", "1 / (w**2).sum()"))),
        ("unweighted mean", W.format("return " + THREE.replace("w @ values / w.sum()", "values.mean(0)"))),
        (
            "mean for sum",
            W.format("w = w / w.sum()\nreturn m + lw.sub(m).exp().mean().log(), 1 / (w**2).sum(), (w[:, None] * values).mean(0)"),
        ),
        ("exp overflows", "w = torch.exp(log_p - log_q)\nreturn torch.log(w.mean()), w.sum() ** 2 / (w**2).sum(), w @ values / w.sum()"),
        (
            "exp overflows",
            "w = torch.exp(log_p) / torch.exp(log_q)\nreturn torch.log(w.mean()), w.sum() ** 2 / (w**2).sum(), w @ values / w.sum()",
        ),
        (
            "exp overflows",
            "m = log_p.max()\nw = torch.exp(log_p - m) / torch.exp(log_q)\nreturn " + THREE,
        ),
        ("exp overflows", W.replace("lw.max()", "lw.mean()").format("return " + THREE)),
        ("share for number", W.format("return " + THREE.replace("(w**2).sum()", "(w**2).sum() / len(w)"))),
        ("Z for log Z", W.format("return " + THREE.replace("torch.log(w.mean()) + m", "w.mean() * m.exp()"))),
        ("order", W.format("z, n, mean = " + THREE + "\nreturn z, mean, n")),
        ("largest weight alone", W.format("return " + THREE.replace("w.sum() ** 2 / (w**2).sum()", "w.sum() / w.max()"))),
    ],
    "gibbs_step": [
        (
            "probabilities of the hidden",
            "p = torch.sigmoid(v @ weight + hidden_bias)\nreturn p, (uniform_v < torch.sigmoid(p @ weight.T + visible_bias)).to(v)",
        ),
        (
            "probabilities of the hidden",
            "p = torch.sigmoid(v @ weight + hidden_bias)\nh = (uniform_h < p).to(v)\n"
            "return h, (uniform_v < torch.sigmoid(p @ weight.T + visible_bias)).to(v)",
        ),
        ("probabilities of the pixels", UP.format("return h, torch.sigmoid(h @ weight.T + visible_bias)")),
        ("on for off", UP.replace("uniform_h <", "uniform_h >").format(DOWN.replace("uniform_v <", "uniform_v >"))),
        ("on for off among the pixels", UP.format(DOWN.replace("uniform_v <", "uniform_v >"))),
        ("rounded", "h = torch.sigmoid(v @ weight + hidden_bias).round()\nreturn h, torch.sigmoid(h @ weight.T + visible_bias).round()"),
        ("visible biases forgotten", UP.format("return h, (uniform_v < torch.sigmoid(h @ weight.T)).to(v)")),
        ("hidden biases forgotten", UP.replace(" + hidden_bias", "").format(DOWN)),
        (
            "sign",
            UP.replace("sigmoid(v", "sigmoid(-v")
            .replace("+ hidden", "- hidden")
            .format(DOWN.replace("sigmoid(h", "sigmoid(-h").replace("+ visible", "- visible")),
        ),
        ("no sigmoid", "h = (uniform_h < v @ weight + hidden_bias).to(v)\nreturn h, (uniform_v < h @ weight.T + visible_bias).to(v)"),
        ("order", UP.format("return (uniform_v < torch.sigmoid(h @ weight.T + visible_bias)).to(v), h")),
        ("old pixels returned", UP.format("return h, v")),
        (
            "twice the pull",
            UP.replace("sigmoid(v @ weight + hidden_bias)", "sigmoid(2 * (v @ weight + hidden_bias))").format(
                DOWN.replace("sigmoid(h @ weight.T + visible_bias)", "sigmoid(2 * (h @ weight.T + visible_bias))")
            ),
        ),
    ],
    "contrastive_gradient": [
        ("sign", BOTH.format("return dream.T @ q / len(dream) - v.T @ p / len(v), dream.mean(0) - v.mean(0), q.mean(0) - p.mean(0)")),
        ("sum for mean", BOTH.format("return v.T @ p - dream.T @ q, v.sum(0) - dream.sum(0), p.sum(0) - q.sum(0)")),
        ("weights summed", BOTH.format(LEARN.replace(" / len(v)", "").replace(" / len(dream)", ""))),
        ("one number for both", BOTH.format(LEARN.replace("len(dream)", "len(v)"))),
        ("weights transposed", BOTH.format(LEARN.replace("v.T @ p", "p.T @ v").replace("dream.T @ q", "q.T @ dream"))),
        (
            "biases exchanged",
            BOTH.format("return v.T @ p / len(v) - dream.T @ q / len(dream), p.mean(0) - q.mean(0), v.mean(0) - dream.mean(0)"),
        ),
        ("states for probabilities", BOTH.format("p, q = (p > 0.5).to(v), (q > 0.5).to(v)\n" + LEARN)),
        (
            "products of means",
            BOTH.format(
                "return torch.outer(v.mean(0), p.mean(0)) - torch.outer(dream.mean(0), q.mean(0)), "
                "v.mean(0) - dream.mean(0), p.mean(0) - q.mean(0)"
            ),
        ),
        ("no sigmoid", "p, q = v @ weight + hidden_bias, dream @ weight + hidden_bias\n" + LEARN),
        ("bias forgotten", "p, q = torch.sigmoid(v @ weight), torch.sigmoid(dream @ weight)\n" + LEARN),
        ("added", BOTH.format("return v.T @ p / len(v) + dream.T @ q / len(dream), v.mean(0) - dream.mean(0), p.mean(0) - q.mean(0)")),
        ("dreams forgotten", BOTH.format("return v.T @ p / len(v), v.mean(0), p.mean(0)")),
        (
            "visible biases forgotten",
            BOTH.format("return v.T @ p / len(v) - dream.T @ q / len(dream), torch.zeros_like(v[0]), p.mean(0) - q.mean(0)"),
        ),
    ],
    "mended": [
        ("ratio", sampler(ratio="e - e_y")),
        ("stale energy", sampler(keep="e = e_y")),
        ("refused ones not recorded", sampler(record="path.append(x[moved])")),
        ("ratio inverted", sampler(ratio="e - e_y + x.log() - y.log()")),
        ("ratio inverted", sampler(ratio="e - e_y - width * eps", keep="e = e_y")),
        ("no log of the ratio", sampler(ratio="e - e_y + y / x")),
        ("half of the ratio", sampler(ratio="e - e_y - torch.log(x)")),
        ("another width", sampler(ratio="e - e_y + (y.log() - x.log()) / width")),
        ("another width", sampler(ratio="e - e_y + eps")),
        ("proposals recorded", sampler(record="path.append(y)")),
        ("as a table", sampler(result="torch.stack(path)")),
        ("chains one after the other", sampler(result="torch.stack(path).T.flatten()")),
        ("energy never kept", sampler(keep="pass")),
        ("energies exchanged", sampler(keep="e = torch.where(moved, e, e_y)")),
        ("ratio and stale energy", sampler(ratio="e - e_y", keep="e = e_y")),
        ("ratio and record", sampler(ratio="e - e_y", record="path.append(x[moved])")),
        ("stale energy and record", sampler(keep="e = e_y", record="path.append(x[moved])")),
        ("walk of sums", sampler(proposal="torch.abs(x + width * eps)", ratio="e - e_y")),
    ],
}

FAULTS = {
    "log_partition": [
        ("error", "new tensors take the type of the inputs", ENERGY.format(PAIRS, SUM).replace(".to(bias)", ".float()")),
        ("gradient", "no gradient reaches bias", ENERGY.format(PAIRS, SUM + ".item()")),
        ("gradient", "no gradient reaches bias", ENERGY.format(PAIRS.replace("bias", "bias.detach()"), SUM)),
        ("dtype", "should be torch.float32, yours is torch.float64", ENERGY.format(PAIRS, SUM + ".double()")),
        ("shape", "should have shape ()", ENERGY.format(PAIRS, "(-E / temperature).logsumexp(0, keepdim=True)")),
        (
            "in place",
            "changes its input couplings",
            ENERGY.format(PAIRS, SUM).replace("\nE", "\nbias /= temperature\ncouplings /= temperature\ntemperature = 1\nE"),
        ),
        ("value", "in case 3", ENERGY.format(PAIRS, SUM).replace("\nE", "\ntemperature = max(temperature, 1)\nE")),
    ],
    "metropolis_hastings": [
        ("random", "draw nothing yourself", RATIO.format("m = torch.rand(len(x)) < a.exp()\nreturn torch.where(m[:, None], y, x), m")),
        ("in place", "changes its input x", RATIO.format("m = uniform < a.exp()\nx[m] = y[m]\nreturn x, m")),
        ("error", "", RATIO.format("m = uniform < a.exp()\nreturn torch.where(m, y, x), m")),
        ("type", "2 results (the next x, moved) asked for", RATIO.format("m = uniform < a.exp()\nreturn torch.where(m[:, None], y, x)")),
        ("dtype", "moved should be boolean", RATIO.format("a = a.exp().clamp(max=1)\nreturn torch.where((uniform < a)[:, None], y, x), a")),
        ("dtype", "moved should be boolean", RATIO.format("m = uniform < a.exp()\nreturn torch.where(m[:, None], y, x), m.float()")),
        (
            "dtype",
            "should be torch.float64, yours is torch.float32",
            RATIO.format("m = uniform < a.exp()\nreturn torch.where(m[:, None], y.float(), x.float()), m"),
        ),
    ],
    "langevin_step": [
        ("random", "draw nothing yourself", SLOPE.format("return x.detach() - step * g + math.sqrt(2 * step) * torch.randn_like(x)")),
        (
            "error",
            "add the numbers up first",
            "x = x.detach().requires_grad_()\ng = torch.autograd.grad(energy(x), x)[0]\nreturn x - step * g + math.sqrt(2 * step) * noise",
        ),
        (
            "error",
            "takes its one entry",
            "x = x.detach().requires_grad_()\ng = torch.autograd.grad(energy(x).sum(), x)\n"
            "return x - step * g + math.sqrt(2 * step) * noise",
        ),
        (
            "in place",
            "changes its input x",
            SLOPE.replace("x = x.detach().requires_grad_(True)", "z = x.detach().clone().requires_grad_()")
            .replace("energy(x).sum(), x", "energy(z).sum(), z")
            .format("x -= step * g\nx += math.sqrt(2 * step) * noise\nreturn x"),
        ),
        (
            "side effect",
            "switches gradients on in its input x",
            "x.requires_grad_()\ng = torch.autograd.grad(energy(x).sum(), x)[0]\n"
            "return (x - step * g + math.sqrt(2 * step) * noise).detach()",
        ),
        ("error", "has to say so", "g = torch.autograd.grad(energy(x).sum(), x)[0]\nreturn x - step * g + math.sqrt(2 * step) * noise"),
    ],
    "denoising_loss": [
        ("error", "", "r = sigma[:, None] * score(x + sigma[:, None] * noise) + noise\nreturn r.square().flatten(1).sum(1).mean()"),
        (
            "random",
            "draw nothing yourself",
            MISS.format("noise = torch.randn_like(x)\nr = s * score(x + s * noise) + noise\nreturn r.square().flatten(1).sum(1).mean()"),
        ),
        (
            "dtype",
            "should be torch.float32, yours is torch.float64",
            MISS.format("r = s * score(x + s * noise) + noise\nreturn r.double().square().flatten(1).sum(1).mean()"),
        ),
        (
            "side effect",
            "leaves gradients behind in score",
            MISS.format(
                "r = s * score(x + s * noise) + noise\nloss = r.square().flatten(1).sum(1).mean()\n"
                "loss.backward(retain_graph=True)\nreturn loss"
            ),
        ),
        (
            "in place",
            "changes its input noise",
            MISS.format("x = x + s * noise\nnoise /= s\nreturn (s * (score(x) + noise)).square().flatten(1).sum(1).mean()"),
        ),
    ],
    "weighed": [
        (
            "type",
            "3 results (log Z, the effective sample size, the mean) asked for",
            W.format("return torch.log(w.mean()) + m, w @ values / w.sum()"),
        ),
        (
            "value",
            "the effective sample size is off",
            W.format("return " + THREE.replace("w.sum() ** 2 / (w**2).sum()", "(w.sum() ** 2 / (w**2).sum()).round()")),
        ),
        (
            "dtype",
            "should be torch.float64, yours is torch.float32",
            W.format("w = w.float()\nreturn " + THREE.replace("w @ values", "w @ values.float()")),
        ),
        (
            "value",
            "the mean is off",
            W.format(
                "w = w.clamp(min=0.1)\nreturn lw.logsumexp(0) - math.log(len(w)), lw.softmax(0).square().sum() ** -1, w @ values / w.sum()"
            ),
        ),
    ],
    "gibbs_step": [
        ("error", "A transpose `.T` may be missing", "h = (uniform_h < torch.sigmoid(v @ weight.T + hidden_bias)).to(v)\n" + DOWN),
        ("error", "A transpose `.T` may be missing", UP.format(DOWN.replace("weight.T", "weight"))),
        ("error", "", UP.replace("hidden_bias", "visible_bias").format(DOWN.replace("visible_bias", "hidden_bias"))),
        ("random", "draw nothing yourself", "h = torch.bernoulli(torch.sigmoid(v @ weight + hidden_bias))\n" + DOWN),
        (
            "dtype",
            "should be floating point, yours is boolean",
            UP.format("return h.bool(), uniform_v < torch.sigmoid(h @ weight.T + visible_bias)"),
        ),
        (
            "dtype",
            "should be torch.float64, yours is torch.float32",
            UP.format("return h.float(), (uniform_v < torch.sigmoid(h @ weight.T + visible_bias)).float()"),
        ),
        (
            "in place",
            "changes its input v",
            UP.format("v[:] = (uniform_v < torch.sigmoid(h @ weight.T + visible_bias)).to(v)\nreturn h, v"),
        ),
    ],
    "contrastive_gradient": [
        ("error", "A transpose `.T` may be missing", BOTH.format("return v @ p / len(v), v.mean(0), p.mean(0)")),
        ("type", "3 results", BOTH.format("return v.T @ p / len(v) - dream.T @ q / len(dream), p.mean(0) - q.mean(0)")),
        ("random", "draw nothing yourself", BOTH.format("p = torch.bernoulli(p)\n" + LEARN)),
        ("in place", "changes its input v", BOTH.format("v -= dream.mean(0)\nreturn v.T @ p / len(v), v.mean(0), p.mean(0) - q.mean(0)")),
        (
            "error",
            "may be missing",
            BOTH.format("return v.T @ q / len(v) - dream.T @ q / len(dream), v.mean(0) - dream.mean(0), p.mean(0) - q.mean(0)"),
        ),
    ],
    "mended": [
        (
            "in place",
            "changes its input x",
            sampler(record="path.append(x.clone())").replace("x = torch.where(moved, y, x)", "x[moved] = y[moved]"),
        ),
        ("random", "draw nothing yourself", sampler(moved="torch.rand(len(x)).log() < log_ratio")),
        ("type", "A list or tuple counts as several", sampler(result="path")),
        ("value", "off by up to", sampler(ratio="e - e_y + 1.1 * (y.log() - x.log())")),
    ],
}


def choice(units: int, rate: float, k: int = 1, persistent: bool = True, seed: int = 0) -> dict:
    return {"seed": seed, "units": units, "rate": rate, "k": k, "persistent": persistent}


SETTINGS = {
    "dreams": {
        "rate far too large": choice(128, 2.0),
        "rate far too small": choice(32, 0.01, 1, False),
        "too large for the work": choice(256, 0.4),
        "work spent on Gibbs steps": choice(128, 0.4, 10, False),
        "rate too small": choice(128, 0.05),
        "too few units": choice(32, 0.4),
        "chains begin at the data": choice(128, 0.25, 1, False, 7),
    }
}


def numbers(pixels: float, fid: float, steps: int, *settings) -> dict:
    return {"pixels": pixels, "minus FID": -fid, "steps": float(steps)} | choice(*settings)


REGIONS = {
    "dreams": [
        (numbers(-196.6, 864.9, 1000, 32, 0.01, 1, False), "rate far too small"),
        (numbers(-212.1, 889.4, 996, 128, 2.0), "rate far too large"),
        (numbers(-212.3, 889.4, 996, 128, 1.0), "rate far too large"),
        (numbers(-166.6, 692.9, 498, 256, 0.4), "too large for the work"),
        (numbers(-130.4, 537.5, 996, 128, 0.05), "rate too small"),
        (numbers(-128.3, 470.1, 1000, 32, 0.4), "too few units"),
        (numbers(-112.3, 426.2, 1000, 64, 0.4), "too few units"),
        (numbers(-209.9, 880.9, 249, 128, 0.4, 10, False), "work spent on Gibbs steps"),
        (numbers(-97.9, 509.7, 996, 128, 0.25, 1, False, 7), "chains begin at the data"),
        (numbers(-99.7, 494.8, 996, 128, 0.3, 1, False, 1), "chains begin at the data"),
    ]
}
