"""Exercise 06."""

MIXED_BY = "a = alpha_bar.view({})\nreturn {} * x + {} * noise"
AXES = "[-1] + [1] * (x.ndim - 1)"
TWO_OR_FOUR = "[-1, 1] if x.dim() == 2 else [-1, 1, 1, 1]"
SCHEDULE = (
    "f = lambda u: torch.cos((u + offset) / (1 + offset) * math.pi / 2) ** 2\nbar = f(t) / f(torch.tensor(0.0))\n"
    "held = bar.clamp(min=least)\nreturn {}, {}"
)
BETWEEN = "s, t = alpha_bar[s], alpha_bar[t]\nr = t / s\nreturn {}, {}"
MEAN, VARIANCE = "(r.sqrt() * (1 - s) * x_t + s.sqrt() * (1 - r) * x) / (1 - t)", "(1 - r) * (1 - s) / (1 - t)"
GUESSES = "a, b = alpha_bar**0.5, (1 - alpha_bar) ** 0.5\nx = {}\nreturn x, {}"
FROM_DATA, LEFT = "((x_t - b * noise) / a).clip(-1, 1)", "(x_t - a * x) / b"
ONE_STEP = "t, s = alpha_bar[times[i]], alpha_bar[times[i + 1]]\nv = {}\nreturn {}"
STEP_V, STEP_SUM = "eta**2 * (1 - s) / (1 - t) * (1 - t / s)", "s.sqrt() * x + (1 - s - v).sqrt() * noise + v.sqrt() * fresh"
NOISE_LOSS = (
    "t, n = {}, randn(x.shape)\na = alpha_bar(t).reshape(-1, *[1] * (x.dim() - 1))\nx_t = {}\nerror = network(x_t, t) - {}\nreturn {}"
)
NOISY, SQUARES = "a**0.5 * x + (1 - a) ** 0.5 * n", "error.square().mean()"
TOLD = "told, untold = network(x_t, t, y), network(x_t, t, {})\nreturn {}"
NULL, STRETCHED = "torch.full_like(y, classes)", "(1 - w) * untold + w * told"
FILLS = "for t, s in zip(times, times[1:]):\n    x, a = step(x, t, s), alpha_bar[s]\n    x = {}\nreturn x"
PUT_IN = "torch.where(mask, a**0.5 * known + (1 - a) ** 0.5 * randn(x.shape), x)"
ON_LINE = "t = t.reshape({})\np = {}\nreturn p, {}"
EULERS = "for t, s in zip(times, times[1:]):\n    {}\nreturn {}"
EULERS_STEP = "x = x + (s - t) * velocity(x, torch.full((len(x),), t))"

RIGHT = {
    "noised": [
        MIXED_BY.format(AXES, "a.sqrt()", "(1 - a).sqrt()"),
        "torch.vmap(lambda u, a, n: torch.sqrt(a) * u + torch.sqrt(1 - a) * n)(x, alpha_bar, noise)",
        "(torch.diag(alpha_bar**0.5) @ x.flatten(1) + torch.diag((1 - alpha_bar) ** 0.5) @ noise.flatten(1)).reshape(x.shape)",
        "a = alpha_bar[(..., *[None] * (x.ndim - 1))]\nreturn np.sqrt(a) * x + np.sqrt(1 - a) * noise",
    ],
    "cosine_schedule": [
        SCHEDULE.format("held", "held / (1 - held)"),
        "q = math.pi / 2 / (1 + offset)\nbar = (torch.cos(q * t) - torch.sin(q * t) * math.tan(q * offset)) ** 2\n"
        "bar = F.threshold(bar, least, least)\nreturn bar, torch.logit(bar).exp()",
        "t = t.float()\n" + SCHEDULE.format("held", "held / (1 - held)"),
        SCHEDULE.format("held", "1 / (1 / held - 1)").replace("torch.cos", "np.cos").replace("torch.tensor(0.0)", "0"),
    ],
    "posterior": [
        BETWEEN.format(MEAN, VARIANCE),
        "if s == 0:\n    return x, 0\n" + BETWEEN.format(MEAN, VARIANCE),
        BETWEEN.format("(s.sqrt() * x / (1 - s) + r.sqrt() * x_t / (1 - r)) * v", "float(v)").replace(
            "return", "if s == 1:\n    return x, 0.0\nv = 1 / (1 / (1 - s) + r / (1 - r))\nreturn"
        ),
    ],
    "estimates": [
        GUESSES.format(FROM_DATA, LEFT),
        "a, b = alpha_bar**0.5, (1 - alpha_bar) ** 0.5\nnoise = noise.clip((x_t - a) / b, (x_t + a) / b)\n"
        "return (x_t - b * noise) / a, noise",
        GUESSES.format("(x_t - b * noise).clamp(-a, a) / a", LEFT),
        GUESSES.format(FROM_DATA, LEFT).replace("alpha_bar**", "torch.tensor(alpha_bar) **"),
    ],
    "ddim_step": [
        ONE_STEP.format(STEP_V, STEP_SUM),
        "t, s = alpha_bar.double()[times[i : i + 2]]\nsd = eta * ((1 - s) / (1 - t) * (s - t) / s).sqrt()\n"
        "return torch.einsum('k,k...->...', torch.stack([s.sqrt(), (1 - s - sd**2).sqrt(), sd]), "
        "torch.stack([x, noise, fresh]).double())",
        ONE_STEP.format(STEP_V, STEP_SUM).replace("return", "if s == 1:\n    return x\nreturn"),
        ONE_STEP.format(STEP_V, "math.sqrt(s) * x + math.sqrt(max(1 - float(s) - float(v), 0)) * noise + float(v) ** 0.5 * fresh"),
    ],
    "loss": [
        NOISE_LOSS.format("rand(x.shape[0])", NOISY, "n", SQUARES),
        "n, t = randn(list(x.shape)), rand(len(x), *[1] * (x.ndim - 1))\na = alpha_bar(t)\n"
        "return torch.linalg.vector_norm(network(a.sqrt() * x + (1 - a).sqrt() * n, t.flatten()) - n) ** 2 / x.numel()",
        NOISE_LOSS.format("rand(len(x))", NOISY, "n", "nn.MSELoss()(error, 0 * error)"),
    ],
    "guided": [
        TOLD.format(NULL, STRETCHED),
        "labels = torch.stack([y, torch.full_like(y, classes)], 1).flatten()\n"
        "out = network(x_t.repeat_interleave(2, 0), t.repeat_interleave(2), labels)\nreturn w * out[::2] + (1 - w) * out[1::2]",
        "told = network(x_t, t, y)\nreturn told + (1 - w) * (network(x_t, t, y.new_full(y.shape, classes)) - told)",
        TOLD.format("torch.tensor([classes] * len(y))", "untold if w == 0 else told if w == 1 else untold.lerp(told, w)"),
    ],
    "fill_in": [
        FILLS.format(PUT_IN),
        "m = mask.to(x.dtype)\nfor i in range(1, len(times)):\n    t, s = times[i - 1], times[i]\n"
        "    n = randn(*x.shape)\n    x = (1 - m) * step(x, t, s) + m * (alpha_bar[s].sqrt() * known + (1 - alpha_bar[s]).sqrt() * n)\n"
        "return x",
        "for i, s in enumerate(times[1:]):\n    x = step(x, times[i], s).clone()\n    a = float(alpha_bar[s])\n"
        "    x[..., mask] = (math.sqrt(a) * known + math.sqrt(1 - a) * randn(known.shape))[..., mask]\nreturn x",
        "if len(times) == 1:\n    return x\nx, a = step(x, times[0], times[1]), alpha_bar[times[1]]\n"
        "x = torch.where(mask, torch.lerp(0 * x, known, a.sqrt()) + (1 - a).sqrt() * randn(known.shape), x)\n"
        "return fill_in(step, x, known, mask, alpha_bar, times[1:], randn)",
        FILLS.format("torch.where(mask, a**0.5 * known + ((1 - a) ** 0.5 * randn(x.shape) if s else 0), x)"),
    ],
    "path_and_velocity": [
        ON_LINE.format(AXES, "x + t * (noise - x)", "noise - x"),
        "torch.vmap(torch.lerp)(x, noise, t), noise.sub(x)",
        "s = t.reshape(-1, *[1] * (x.ndim - 1)).expand(x.shape).clone().requires_grad_()\np = x + s * (noise - x)\n"
        "return p.detach(), torch.autograd.grad(p.sum(), s)[0]",
    ],
    "integrate": [
        "for k in range(len(times) - 1):\n    v = velocity(x, torch.ones(len(x)) * times[k])\n"
        "    x = x + (times[k + 1] - times[k]) * v\nreturn x",
        "if len(times) == 1:\n    return x\nx = x + (times[1] - times[0]) * velocity(x, x.new_full((len(x),), times[0]))\n"
        "return integrate(velocity, x, times[1:])",
        "t = torch.as_tensor(times)\nfor i, h in enumerate(t.diff()):\n    x = x + h * velocity(x, t[i].repeat(len(x)))\nreturn x",
        "for h, t in zip(np.diff(times), times):\n    x = x + h * velocity(x, torch.full((len(x),), t))\nreturn x",
    ],
}

WRONG = {
    "noised": [
        ("ᾱ squared", MIXED_BY.format(AXES, "a**2", "(1 - a**2)")),
        ("noise fades too", MIXED_BY.format(AXES, "a.sqrt()", "a.sqrt()")),
        ("always four axes", MIXED_BY.format(TWO_OR_FOUR, "a.sqrt()", "(1 - a).sqrt()")),
    ],
    "cosine_schedule": [
        ("SNR before the floor", SCHEDULE.format("held", "(bar / (1 - bar)).clamp(min=least)")),
        ("SNR before the floor", SCHEDULE.format("held", "held / (1 - bar)")),
        ("brackets", SCHEDULE.format("held", "held / (1 - held)").replace("(u + offset) /", "u + offset /")),
        ("held below too", SCHEDULE.replace("min=least", "least, 0.999").format("held", "held / (1 - held)")),
        ("held below too", SCHEDULE.replace("min=least", "least, 0.99").format("held", "held / (1 - held)")),
        ("held below too", SCHEDULE.format("held", "held / (1 - held).clamp(min=1e-3)")),
        ("f of the first time", SCHEDULE.replace("f(torch.tensor(0.0))", "f(t).max()").format("held", "held / (1 - held)")),
        ("α beside the SNR of ᾱ", SCHEDULE.format("held.sqrt()", "held / (1 - held)")),
        ("α beside the SNR of ᾱ", SCHEDULE.replace(" ** 2", "").format("held", "held**2 / (1 - held**2)")),
    ],
    "posterior": [
        ("not divided", BETWEEN.format("r.sqrt() * (1 - s) / (1 - t) * x_t + s.sqrt() * (1 - r) * x", VARIANCE)),
        ("root of the ratio", BETWEEN.format(MEAN, VARIANCE).replace("r = t / s", "r = (t / s).sqrt()")),
        ("divided by the noise at s", BETWEEN.format(MEAN.replace("(1 - t)", "(1 - s)"), VARIANCE)),
        (
            "precisions at s = 0",
            BETWEEN.format("(s.sqrt() * x / (1 - s) + r.sqrt() * x_t / (1 - r)) * v", "v").replace("return", f"v = {VARIANCE}\nreturn"),
        ),
        ("precisions at s = 0", BETWEEN.format(MEAN, "(1 - r) * (1 - s) ** 2 / (1 - t) / (1 - s)")),
    ],
    "estimates": [
        ("half divided", GUESSES.format("(x_t / a - b * noise).clamp(-1, 1)", LEFT)),
        ("half divided", GUESSES.format(FROM_DATA, "x_t - a * x / b")),
        ("ᾱ for α", GUESSES.format(FROM_DATA, LEFT).replace("(1 - alpha_bar) ** 0.5", "1 - alpha_bar**0.5")),
        ("not clipped", GUESSES.format("(x_t - b * noise) / a", "noise.clamp(-1, 1)")),
        ("clipped at one end", GUESSES.format(FROM_DATA.replace("-1, 1", "max=1"), LEFT)),
        ("clipped at one end", GUESSES.format(FROM_DATA.replace("-1, 1", "min=-1"), "noise")),
        ("x_t clipped", "x_t = x_t.clamp(-1, 1)\n" + GUESSES.format(FROM_DATA, LEFT)),
        ("noise clipped first", "noise = noise.clamp(-1, 1)\n" + GUESSES.format(FROM_DATA, LEFT)),
        ("noise clipped first", "noise = noise.clamp(-1, 1)\n" + GUESSES.format(FROM_DATA, "noise")),
    ],
    "ddim_step": [
        ("factor of the variance missing", ONE_STEP.format("eta**2 * (1 - t / s) * (1 - s)", STEP_SUM)),
        ("factor of the variance missing", ONE_STEP.format("eta**2 * (1 - s)", STEP_SUM.replace("- v)", "- v).clamp(min=0)"))),
        ("v rooted too early", ONE_STEP.format("eta**2 * ((1 - t / s) * (1 - s) / (1 - t)).sqrt()", STEP_SUM)),
        ("ᾱ for α", ONE_STEP.format(STEP_V, "s * x + (1 - s - v) * noise + v * fresh")),
        ("old noise not reduced", ONE_STEP.format(STEP_V, STEP_SUM.replace("s - v", "s + v"))),
        ("a step too early", ONE_STEP.format(STEP_V, STEP_SUM).replace("[i]", "[i - 1]").replace("[i + 1]", "[i]")),
        ("table off by one", ONE_STEP.format(STEP_V, STEP_SUM).replace("[i]", "[i] - 1").replace("[i + 1]", "[i + 1] - 1")),
        ("table off by one", ONE_STEP.format(STEP_V, STEP_SUM).replace("alpha_bar[", "alpha_bar[1:][")),
        ("r upside down", ONE_STEP.format(STEP_V.replace("t / s", "s / t"), STEP_SUM)),
        ("r upside down", ONE_STEP.format(STEP_V.replace("1 - t / s", "s / t - 1"), STEP_SUM)),
        ("any η taken for 1", ONE_STEP.format(STEP_V.replace("eta**2", "(1.0 if eta > 0 else 0.0)"), STEP_SUM)),
    ],
    "loss": [
        ("draws changed", NOISE_LOSS.format("0.001 + 0.999 * rand(len(x))", NOISY, "n", SQUARES)),
        ("draws changed", NOISE_LOSS.format("rand(len(x)).clamp(0.01, 0.99)", NOISY, "n", SQUARES)),
        ("draws changed", NOISE_LOSS.format("rand(len(x)).clamp(min=1e-5)", NOISY, "n", SQUARES)),
        ("draws changed", NOISE_LOSS.format("rand(len(x)) + 1e-5", NOISY, "n", SQUARES)),
        ("draws changed", NOISE_LOSS.format("rand(len(x))", NOISY, "n", SQUARES).replace("randn(x.shape)", "randn(x.shape).clamp(-3, 3)")),
        ("one factor missing", NOISE_LOSS.format("rand(len(x))", "x + n", "n", SQUARES)),
        ("one factor missing", NOISE_LOSS.format("rand(len(x))", "a.sqrt() * x + n", "n", SQUARES)),
        ("predicts the velocity", NOISE_LOSS.format("rand(len(x))", NOISY, "a.sqrt() * n + (1 - a).sqrt() * x", SQUARES)),
        ("summed over pixels", NOISE_LOSS.format("rand(len(x))", NOISY, "n", "error.square().sum(-1).mean()")),
        (
            "draws changed",
            "each = []\nfor u in x:\n    t, n = rand(1), randn(u.shape)\n    a = alpha_bar(t)\n"
            "    each.append((network((a.sqrt() * u + (1 - a).sqrt() * n)[None], t)[0] - n).square().mean())\nreturn sum(each) / len(x)",
        ),
        (
            "ᾱ of the first example",
            NOISE_LOSS.replace("alpha_bar(t).", "alpha_bar(t)[0].").format("rand(len(x))", NOISY, "n", SQUARES),
        ),
    ],
    "guided": [
        ("a label never seen", TOLD.format("torch.full_like(y, -1)", STRETCHED)),
        ("some w alone", TOLD.format(NULL, "untold + int(w) * (told - untold)")),
        ("some w alone", TOLD.format(NULL, f"untold if w < 1 else {STRETCHED}")),
        ("some w alone", TOLD.format(NULL, f"untold if w == 0 else told if w <= 1 else {STRETCHED}")),
        ("some w alone", TOLD.format(NULL, f"{STRETCHED} if w else told")),
        ("starts at x_t", TOLD.format(NULL, "x_t + w * (told - untold)")),
        ("clipped", TOLD.format(NULL, f"({STRETCHED}).clip(-1, 1)")),
        (
            "mean of the classes",
            "others = torch.stack([network(x_t, t, y * 0 + k) for k in range(classes)]).mean(0)\n"
            "return others + w * (network(x_t, t, y) - others)",
        ),
    ],
    "fill_in": [
        ("mask inverted", FILLS.format(PUT_IN).replace("(mask", "(mask == 0")),
        ("clean pixels", "for t, s in zip(times, times[1:]):\n    x = step(torch.where(mask, known, x), t, s)\nreturn x"),
        ("noise not fresh", "noise = randn(known.shape)\n" + FILLS.format(PUT_IN).replace("randn(x.shape)", "noise")),
        (
            "other draws",
            FILLS.format("x.masked_scatter(mask, (a**0.5 * known)[..., mask] + (1 - a) ** 0.5 * randn(known[..., mask].shape))"),
        ),
        ("x for the noise", FILLS.format(PUT_IN.replace("randn(x.shape)", "x"))),
        ("noise on all pixels", FILLS.format("x * ~mask + mask * known * a**0.5 + (1 - a) ** 0.5 * randn(x.shape)")),
        ("at the end alone", "for t, s in zip(times, times[1:]):\n    x = step(x, t, s)\nreturn torch.where(mask, known, x)"),
        (
            "before the step",
            f"for t, s in zip(times, times[1:]):\n    a = alpha_bar[t]\n    x = step({PUT_IN}, t, s)\nreturn torch.where(mask, known, x)",
        ),
        ("before the first step, too", f"a = alpha_bar[times[0]]\nx = {PUT_IN}\n" + FILLS.format(PUT_IN)),
        ("one step", FILLS.format(PUT_IN).replace("\nreturn", "\n    return")),
        ("clipped", FILLS.format(PUT_IN + ".clamp(-1, 1)")),
        ("clipped", FILLS.format(PUT_IN).replace("step(x, t, s)", "step(x, t, s).clamp(-1, 1)")),
        ("clean pixels", "x = torch.where(mask, known, x)\n" + FILLS.format(PUT_IN)),
        ("clean at the end", FILLS.format(PUT_IN).replace("return x", "return torch.where(mask, known, x)")),
        ("before the first step, too", f"a = alpha_bar[times[0]]\nx = {PUT_IN.replace('randn(x.shape)', 'x')}\n" + FILLS.format(PUT_IN)),
        (
            "before the first step, too",
            "def put(known, a, noise, x):\n    return torch.where(mask, a.sqrt() * known + (1 - a).sqrt() * noise, x)\n\n"
            "for t, s in zip(times, times[1:]):\n    noise = randn(x.shape)\n    x = step(put(known, alpha_bar[t], noise, x), t, s)\n"
            "    x = put(known, alpha_bar[s], noise, x)\nreturn x",
        ),
        ("not after the last step", FILLS.format(PUT_IN + " if s else x")),
        ("begins with the pictures", "x = torch.where(mask, x, known)\n" + FILLS.format(PUT_IN)),
        (
            "at the end alone",
            "for t, s in zip(times, times[1:]):\n    x = step(x, t, s)\na = alpha_bar[s]\nreturn " + PUT_IN,
        ),
        ("mask inverted", "m = mask.float()\n" + FILLS.format("m * x + (1 - m) * known")),
        ("noise on all pixels", FILLS.format("a**0.5 * torch.where(mask, known, x) + (1 - a) ** 0.5 * randn(x.shape)")),
        ("other draws", "randn(x.shape)\n" + FILLS.format(PUT_IN)),
        ("step thrown away", FILLS.format(PUT_IN).replace("x, a = step", "y, a = step")),
        ("noise of one step", FILLS.format(PUT_IN).replace("alpha_bar[s]", "alpha_bar[t] / alpha_bar[s]")),
        ("table changed", "alpha_bar = alpha_bar.cumprod(0)\n" + FILLS.format(PUT_IN)),
        ("½ outside the power", FILLS.format(PUT_IN.replace("0.5", "1 / 2"))),
        ("factors exchanged", FILLS.format("torch.where(mask, (1 - a) ** 0.5 * known + a**0.5 * randn(x.shape), x)")),
        ("noise subtracted", FILLS.format(PUT_IN.replace("+", "-"))),
        ("one of them", FILLS.format(PUT_IN).replace("x = torch", "new = torch").replace("\nreturn", "\n    x[0] = new[0]\nreturn")),
        ("other times", FILLS.format(PUT_IN).replace("for t, s in zip(times, times[1:]):", "for t in times:\n    s = t - 1")),
    ],
    "path_and_velocity": [
        ("velocity by a quotient", ON_LINE.format(AXES, "(1 - t) * x + t * noise", "(noise - p) / (1 - t).clamp(min=1e-6)")),
        ("noise added to all of x", ON_LINE.format(AXES, "x + t * noise", "noise")),
        ("always four axes", ON_LINE.format(TWO_OR_FOUR, "(1 - t) * x + t * noise", "noise - x")),
    ],
    "integrate": [
        ("to the end in one step", "v = velocity(x, torch.full((len(x),), times[0]))\n" + EULERS.format("x = x + (s - t) * v", "x")),
        ("on to 0", EULERS.format(EULERS_STEP, "x").replace("times[1:]", "times[1:] + [0]")),
        ("clipped", EULERS.format(EULERS_STEP, "x.clamp(-1, 1)")),
        ("steps forgotten", EULERS.format(EULERS_STEP.replace("x =", "y ="), "y")),
        ("one time for all steps", EULERS.format(EULERS_STEP.replace("torch.full((len(x),), t)", "torch.ones(len(x))"), "x")),
    ],
}

IN_PART = ONE_STEP.format(STEP_V, STEP_SUM).replace("return", "{}\nreturn")

FAULTS = {
    "noised": [
        (
            "shape",
            "should have shape (1, 5)",
            "a = alpha_bar.view(-1, *[1] * (x.ndim - 1))\nreturn ((a.sqrt() * x) + (1 - a).sqrt() * noise).squeeze()",
        ),
        ("dtype", "should be torch.float32", MIXED_BY.format(AXES, "a.double().sqrt()", "(1 - a).sqrt()")),
    ],
    "cosine_schedule": [
        (
            "error",
            "in case 5 (t (2, 3), offset = 0.06",
            SCHEDULE.format("held", "held / (1 - held)").replace("f(t)", "torch.tensor([f(u) for u in t])"),
        ),
        (
            "error",
            "in case 6 (t (), offset = 0.1",
            SCHEDULE.format("held", "held / (1 - held)").replace("f(t)", "torch.stack([f(u) for u in t])"),
        ),
    ],
    "posterior": [("value", "in case 4", "if s <= 1:\n    return x, 0\n" + BETWEEN.format(MEAN, VARIANCE))],
    "ddim_step": [
        ("in place", "changes the list times", IN_PART.format("times.pop()")),
        ("value", "in case 5", IN_PART.format("if times[i + 1] <= 1:\n    return x")),
        ("value", "in case 5", IN_PART.format("if times[i] <= 2:\n    v = 0 * v")),
    ],
    "loss": [
        ("error", "t should have shape (5,), one number for each example, not (1,)", NOISE_LOSS.format("rand(1)", NOISY, "n", SQUARES)),
        (
            "error",
            "x_t should have shape (batch, 4, 2), not (4, 4, 4, 2)",
            NOISE_LOSS.replace("(-1, *[1] * (x.dim() - 1))", f"({TWO_OR_FOUR})").format("rand(len(x))", NOISY, "n", SQUARES),
        ),
        ("gradient", "or a number changed a little", NOISE_LOSS.format("rand(len(x)) + 1e-6", NOISY, "n", SQUARES)),
        ("gradient", "no gradient reaches network", NOISE_LOSS.format("rand(len(x))", NOISY, "n", "error.detach().square().mean()")),
    ],
    "guided": [
        ("error", "the labels should be a tensor of shape (5,)", TOLD.format("None", STRETCHED)),
        ("error", "the labels should have shape (5,), one number for each", TOLD.format("torch.tensor([classes])", STRETCHED)),
        ("error", "labels should be whole numbers", TOLD.format("0.0 * y + classes", STRETCHED)),
    ],
    "fill_in": [
        ("error", "use the `~` or `logical_not()` operator", FILLS.format("mask * known + (1 - mask) * x")),
        ("error", "a step leads from t to an earlier time s, not from 5 to 6", FILLS.format(PUT_IN).replace("x, t, s", "x, s, t")),
        (
            "error",
            "t and s should be numbers: all pictures are at one time",
            FILLS.format(PUT_IN).replace("x, t, s", "x, torch.full((len(x),), t), s"),
        ),
        ("error", "t and s should be whole numbers", FILLS.format(PUT_IN).replace("x, t, s", "x, t / times[0], s / times[0]")),
        (
            "error",
            "t and s should be whole numbers",
            "times = torch.tensor(times).float()\n" + FILLS.format(PUT_IN).replace("[s]", "[int(s)]"),
        ),
        ("error", "`x[..., mask]` picks", FILLS.format("x").replace("\nreturn", "\n    x[:, mask] = known[:, mask]\nreturn")),
        ("random", "draw nothing yourself", FILLS.format(PUT_IN).replace("randn(x.shape)", "torch.randn_like(x)")),
        ("in place", "changes its input x in place", "x[..., mask] = known[..., mask]\n" + FILLS.format(PUT_IN)),
    ],
    "path_and_velocity": [
        ("shape", "should have shape (1, 5)", "t = t.view(-1, *[1] * (x.ndim - 1))\nreturn ((1 - t) * x + t * noise).squeeze(), noise - x"),
        ("dtype", "x_t should be torch.float32", ON_LINE.format(AXES, "(x + t * (noise - x)).double()", "noise - x")),
    ],
    "integrate": [
        ("error", "t should be a tensor of shape (5,)", EULERS.format("x = x + (s - t) * velocity(x, t)", "x")),
        ("in place", "changes the list times", EULERS.format(EULERS_STEP, "x").replace("for", "times.append(times[-1])\nfor")),
        (
            "calls",
            "the field is asked 5 times for 4 steps, in case 1: once a step",
            EULERS.format(EULERS_STEP, "x + 0 * velocity(x, torch.full((len(x),), s))"),
        ),
        (
            "calls",
            "the field is asked 20 times for 4 steps, in case 1",
            EULERS.format("x = torch.cat([u + (s - t) * velocity(u, torch.full((1,), t)) for u in x.split(1)])", "x"),
        ),
    ],
}


def choice(schedule: str, bend: float, steps: int, method: str = "ddim", eta: float = 0.0) -> dict:
    return {"schedule": schedule, "bend": bend, "method": method, "eta": eta, "steps": steps}


SETTINGS = {
    "few_steps": {
        "good but dear": choice("cosine", 1.5, 10),
        "noise put back": choice("cosine", 1.5, 6, eta=1.0),
        "two for one": choice("cosine", 1.5, 3, "heun"),
        "too few steps": choice("cosine", 1.5, 4),
        "last steps too long": choice("cosine", 1.0, 6),
        "first steps too long": choice("straight", 3.0, 6),
        "schedule and bend": choice("linear", 2.0, 6),
    }
}


def numbers(distance: float, evaluations: int, *settings, **others) -> dict:
    return {"minus distance": -distance, "minus evaluations": -float(evaluations)} | choice(*settings, **others)


REGIONS = {
    "few_steps": [
        (numbers(0.026, 40, "linear", 1.0, 40, eta=1.0), "good but dear"),
        (numbers(0.02, 10, "cosine", 1.5, 10), "good but dear"),
        (numbers(0.082, 6, "cosine", 1.5, 6, eta=1.0), "noise put back"),
        (numbers(0.042, 6, "cosine", 1.5, 6, eta=0.3), "noise put back"),
        (numbers(0.09, 6, "linear", 2.0, 6, eta=1.0), "noise put back"),
        (numbers(0.084, 6, "straight", 1.0, 6, eta=1.0), "noise put back"),  # without the noise 0.047
        (numbers(0.079, 6, "cosine", 2.5, 6, eta=1.0), "noise put back"),  # 0.042
        (numbers(0.09, 6, "straight", 2.0, 6, eta=1.0), "noise put back"),  # 0.043
        (numbers(0.0435, 6, "linear", 2.0, 6, eta=0.1), "schedule and bend"),  # 0.0434
        (numbers(0.184, 6, "linear", 1.0, 6, eta=1.0), "last steps too long"),  # without the noise it is no better: 0.175
        (numbers(0.078, 6, "cosine", 3.0, 6, eta=1.0), "first steps too long"),
        (numbers(0.1, 4, "cosine", 1.5, 4, eta=1.0), "too few steps"),
        (numbers(0.119, 5, "cosine", 1.5, 3, "heun"), "two for one"),
        (numbers(0.08, 7, "cosine", 1.0, 4, "heun", eta=1.0), "two for one"),
        (numbers(0.124, 4, "cosine", 1.0, 4), "too few steps"),
        (numbers(0.079, 4, "cosine", 3.0, 4), "too few steps"),
        (numbers(0.062, 4, "cosine", 1.5, 4), "too few steps"),
        (numbers(0.068, 6, "cosine", 1.0, 6), "last steps too long"),
        (numbers(0.088, 10, "linear", 1.0, 10), "last steps too long"),
        (numbers(0.054, 6, "linear", 1.6, 6), "last steps too long"),
        (numbers(0.057, 6, "straight", 3.0, 6), "first steps too long"),
        (numbers(0.043, 6, "straight", 2.0, 6), "first steps too long"),
        (numbers(0.043, 6, "linear", 2.0, 6), "schedule and bend"),
        (numbers(0.041, 6, "straight", 1.75, 6), "schedule and bend"),
    ]
}
