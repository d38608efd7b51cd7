"""Exercise 06."""


def noised(data: str = "a.sqrt()", spread: str = "(1 - a).sqrt()", a: str = "alpha_bar.view([-1] + [1] * (x.ndim - 1))") -> str:
    return f"""
    a = {a}
    return {data} * x + {spread} * noise
"""


def cosine(
    f: str = "torch.cos((u + offset) / (1 + offset) * math.pi / 2) ** 2",
    bar: str = "torch.clamp(f(t) / f(torch.tensor(0.0)), min=least)",
    snr: str = "bar / (1 - bar)",
    end: str = "bar, snr",
) -> str:
    return f"""
    f = lambda u: {f}
    bar = {bar}
    snr = {snr}
    return {end}
"""


def posterior(
    of_t: str = "r.sqrt() * (1 - a_s) / (1 - a_t)",
    of_x: str = "a_s.sqrt() * (1 - r) / (1 - a_t)",
    variance: str = "(1 - r) * (1 - a_s) / (1 - a_t)",
    r: str = "a_t / a_s",
    s: str = "s",
    t: str = "t",
    end: str = "of_t * x_t + of_x * x, variance",
) -> str:
    return f"""
    a_s, a_t = alpha_bar[{s}], alpha_bar[{t}]
    r = {r}
    of_t, of_x, variance = {of_t}, {of_x}, {variance}
    return {end}
"""


def estimates(
    clean: str = "(x_t - b * noise) / a", cut: str = "torch.clip(clean, -1, 1)", left: str = "(x_t - a * x) / b", end: str = "x, left"
) -> str:
    return f"""
    a, b = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    clean = {clean}
    x = {cut}
    left = {left}
    return {end}
"""


def ddim(
    s: str = "times[i + 1]",
    variance: str = "eta**2 * (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)",
    x: str = "torch.sqrt(a_s) * x",
    old: str = "torch.sqrt(1 - a_s - v) * noise",
    new: str = "torch.sqrt(v) * fresh",
    t: str = "times[i]",
) -> str:
    return f"""
    t = {t}
    s = {s}
    a_t, a_s = alpha_bar[t], alpha_bar[s]
    v = {variance}
    return {x} + {old} + {new}
"""


def loss(
    t: str = "rand(x.shape[0])",
    noise: str = "randn(x.shape)",
    mix: str = "a**0.5 * x + (1 - a) ** 0.5 * noise",
    told: str = "t",
    target: str = "noise",
    end: str = "F.mse_loss(said, target)",
    a: str = "alpha_bar(t)",
) -> str:
    return f"""
    t = {t}
    noise = {noise}
    a = ({a}).reshape([-1] + [1] * (x.dim() - 1))
    x_t = {mix}
    said = network(x_t, {told})
    target = {target}
    return {end}
"""


def guided(rule: str = "(1 - w) * untold + w * told", null: str = "torch.full_like(y, classes)") -> str:
    return f"""
    told = network(x_t, t, y)
    untold = network(x_t, t, {null})
    return {rule}
"""


def hide(mask: str = "rand(y.shape) < share", null: str = "classes", end: str = "out") -> str:
    return f"""
    mask = {mask}
    out = y.clone()
    out[mask.expand(y.shape)] = {null}
    return {end}
"""


def line(
    point: str = "x + t * (noise - x)",
    velocity: str = "noise - x",
    t: str = "t.reshape(-1, *[1] * (x.dim() - 1))",
    end: str = "point, velocity",
) -> str:
    return f"""
    t = {t}
    point = {point}
    velocity = {velocity}
    return {end}
"""


def walk(
    step: str = "x = x + h * v",
    h: str = "times[k + 1] - times[k]",
    told: str = "times[k]",
    steps: str = "range(len(times) - 1)",
    at: str = "x",
    end: str = "x",
) -> str:
    return f"""
    start = x
    for k in {steps}:
        h = {h}
        v = velocity({at}, torch.ones(len(x)) * ({told}))
        {step}
    return {end}
"""


ANSWERS = {
    "noised": (
        "x, alpha_bar, noise",
        noised(),
        {
            "ᾱ for α": noised("a", "(1 - a)"),
            "ᾱ squared": noised("a.sqrt()", "(1 - a**2).sqrt()"),
            "data without its root": noised("a"),
            "noise without its root": noised(spread="(1 - a)"),
            "factors that add up to 1": noised(spread="(1 - a.sqrt())"),
            "data and noise exchanged": noised("(1 - a).sqrt()", "a.sqrt()"),
            "along the wrong axis": noised(a="alpha_bar"),
            "always four axes": noised(a="alpha_bar.reshape(-1, 1, 1, 1)"),
            "one ᾱ for the batch": noised(a="alpha_bar[0].item() * torch.ones(1)"),
            "sign": noised(spread="-(1 - a).sqrt()"),
            "noise not scaled": noised(spread="1"),
            "data not scaled": noised("1"),
            "noise forgotten": noised(spread="0"),
            "noise scaled by the data": noised(spread="x * (1 - a).sqrt()"),
            "noise fades too": noised(spread="(a - a**2).sqrt()"),
            "multiplied up again": noised(a="torch.cumprod(alpha_bar, 0).view([-1] + [1] * (x.ndim - 1))"),
        },
    ),
    "cosine_schedule": (
        "t, offset, least",
        cosine(),
        {
            "not divided by f(0)": cosine(bar="f(t).clamp(min=least)"),
            "not squared": cosine(f="torch.cos((u + offset) / (1 + offset) * math.pi / 2)"),
            "f(0) not squared": cosine(bar="(f(t) / f(torch.tensor(0.0)).sqrt()).clamp(min=least)"),
            "a whole turn too far": cosine(f="torch.cos((u + offset) / (1 + offset) * math.pi) ** 2"),
            "1 + offset left out": cosine(f="torch.cos((u + offset) * math.pi / 2) ** 2"),
            "offset left out": cosine(f="torch.cos(u * math.pi / 2) ** 2"),
            "sine": cosine(bar="torch.clamp(1 - f(t) / f(torch.tensor(0.0)), min=least)"),
            "not held above least": cosine(bar="f(t) / f(torch.tensor(0.0))"),
            "SNR before the floor": cosine(snr="f(t) / (f(torch.tensor(0.0)) - f(t))"),
            "held below too": cosine(bar="(f(t) / f(torch.tensor(0.0))).clamp(least, 1 - least)"),
            "least added": cosine(bar="f(t) / f(torch.tensor(0.0)) + least"),
            "least as the most": cosine(bar="torch.clamp(f(t) / f(torch.tensor(0.0)), max=least)"),
            "floor before dividing": cosine(bar="f(t).clamp(min=least) / f(torch.tensor(0.0))"),
            "offset fixed": cosine().replace("f = ", "offset = 0.008\n    f = "),
            "brackets": cosine(f="torch.cos((u + offset / 1 + offset) * math.pi / 2) ** 2"),
            "f of the first time": cosine(bar="(f(t) / f(t.reshape(-1)[0])).clamp(min=least)"),
            "multiplied up": cosine(bar="(f(t) / f(torch.tensor(0.0))).clamp(min=least).cumprod(0)"),
            "SNR without brackets": cosine(snr="bar / 1 - bar"),
            "SNR of amplitudes": cosine(snr="bar**0.5 / (1 - bar) ** 0.5"),
            "SNR squared": cosine(snr="bar**2 / (1 - bar) ** 2"),
            "SNR upside down": cosine(snr="1 / bar - 1"),
            "logarithm": cosine(snr="bar.log() - torch.log1p(-bar)"),
            "root in the SNR": cosine(snr="bar**0.5 / (1 - bar)"),
            "order": cosine(end="snr, bar"),
        },
    ),
    "posterior": (
        "x, x_t, alpha_bar, s, t",
        posterior(),
        {
            "β of a single step": posterior(r="a_t / alpha_bar[t - 1]"),
            "s taken as t − 1": posterior(s="t - 1"),
            "off by one": posterior(t="t - 1"),
            "s and t exchanged": posterior(s="t", t="s"),
            "weights exchanged": posterior(end="of_t * x + of_x * x_t, variance"),
            "variance of the step": posterior(variance="1 - r"),
            "variance of x_s": posterior(variance="1 - a_s"),
            "standard deviation": posterior(variance="((1 - r) * (1 - a_s) / (1 - a_t)) ** 0.5"),
            "log-variance": posterior(variance="torch.log((1 - r) * (1 - a_s) / (1 - a_t))"),
            "roots left out": posterior("r * (1 - a_s) / (1 - a_t)", "a_s * (1 - r) / (1 - a_t)"),
            "roots of the noise": posterior("(r * (1 - a_s) / (1 - a_t)) ** 0.5", "(a_s * (1 - r) / (1 - a_t)) ** 0.5"),
            "not divided": posterior("r.sqrt() * (1 - a_s)", "a_s.sqrt() * (1 - r)", "(1 - r) * (1 - a_s)"),
            "ratio upside down": posterior(r="a_s / a_t"),
            "quotient upside down": posterior(variance="(1 - r) * (1 - a_t) / (1 - a_s)"),
            "divided by the noise at s": posterior("r.sqrt() * (1 - a_s) / (1 - a_s)", "a_s.sqrt() * (1 - r) / (1 - a_s)"),
            "precisions at s = 0": """
                a_s, r = alpha_bar[s], alpha_bar[t] / alpha_bar[s]
                from_x, from_t = 1 / (1 - a_s), r / (1 - r)
                variance = 1 / (from_x + from_t)
                return variance * (from_x * a_s.sqrt() * x + from_t * x_t / r.sqrt()), variance
            """,
            "root of the ratio": posterior("r * (1 - a_s) / (1 - a_t)", r="(a_t / a_s) ** 0.5"),
            "product of the table": posterior(r="torch.prod(alpha_bar[s + 1 : t + 1])"),
            "variance padded": posterior(variance="((1 - r) * (1 - a_s) / (1 - a_t)).clip(1e-4)"),
            "table changed": posterior().replace("a_s, a_t", "alpha_bar = alpha_bar**0.5\n    a_s, a_t", 1),
            "ratio forgotten": posterior(r="a_t"),
            "difference for ratio": posterior(r="1 + a_t - a_s"),
            "ᾱ for the earlier data": posterior(of_x="a_t.sqrt() * (1 - r) / (1 - a_t)"),
            "noise kept": posterior(of_t="((1 - a_s) / (1 - a_t)).sqrt()", of_x="a_s.sqrt() - (a_t * (1 - a_s) / (1 - a_t)).sqrt()"),
            "x_t left out": posterior("0.0", "a_s.sqrt()"),
            "order": posterior(end="variance, of_t * x_t + of_x * x"),
        },
    ),
    "estimates": (
        "x_t, noise, alpha_bar",
        estimates(),
        {
            "noise as it came": estimates(left="noise"),
            "not clipped": estimates(cut="clean", left="noise"),
            "clipped at 0": estimates(cut="clean.clip(0, 1)"),
            "squashed": estimates(cut="torch.tanh(clean)"),
            "clipped before dividing": estimates("(x_t - b * noise).clamp(-1, 1) / a", "clean"),
            "ᾱ for α": estimates("(x_t - b * noise) / alpha_bar"),
            "x_t clipped": estimates("(x_t.clip(-1, 1) - b * noise) / a"),
            "noise added": estimates("(x_t + b * noise) / a"),
            "half divided": estimates("x_t - b * noise / a"),
            "not scaled up": estimates("x_t - b * noise"),
            "all noise taken away": estimates("(x_t - noise) / a"),
            "data and noise exchanged": estimates("(x_t - a * noise) / b"),
            "noise not divided": estimates(left="x_t - a * x"),
            "noise from all of x": estimates(left="(x_t - x) / b"),
            "mixed again": estimates(left="a * x + b * noise"),
            "noise negative": estimates(left="(a * x - x_t) / b"),
            "noise clipped": estimates(left="noise.clip(-1, 1)"),
            "order": estimates(end="left, x"),
        },
    ),
    "ddim_step": (
        "x, noise, alpha_bar, times, i, eta, fresh",
        ddim(),
        {
            "constant stride": ddim("t - (times[0] - times[1])"),
            "all the way": ddim("times[-1]"),
            "i is no time": ddim("i + 1"),
            "backwards": ddim("times[i]", t="times[i + 1]"),
            "stays at t": ddim(x="a_t.sqrt() * x", old="torch.sqrt(1 - a_t - v) * noise"),
            "β of a single step": ddim(variance="eta**2 * (1 - a_s) / (1 - a_t) * (1 - a_t / alpha_bar[t - 1])"),
            "η not squared": ddim(variance="eta * (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)"),
            "variance for standard deviation": ddim(new="v * fresh"),
            "standard deviation taken off": ddim(old="(1 - a_s - v**0.5) ** 0.5 * noise"),
            "old noise not reduced": ddim(old="(1 - a_s) ** 0.5 * noise"),
            "root of the noise missing": ddim(old="(1 - a_s - v) * noise"),
            "ᾱ for α": ddim(x="a_s * x"),
            "variance of the step": ddim(variance="eta**2 * (1 - a_t / a_s)"),
            "variance upside down": ddim(variance="eta**2 * (1 - a_t) / (1 - a_s) * (1 - a_t / a_s)"),
            "factor of the variance missing": ddim(variance="eta**2 * (1 - a_t / a_s) / (1 - a_t)"),
            "another ratio": ddim(variance="eta**2 * (1 - a_s) / (1 - a_t) * (1 - torch.sqrt(a_t / a_s))"),
            "v rooted too early": ddim(variance="eta * torch.sqrt((1 - a_s) / (1 - a_t) * (1 - a_t / a_s))"),
            "no fresh noise": ddim(new="0"),
            "η twice": ddim(new="eta * v**0.5 * fresh"),
            "x not scaled": ddim(x="x"),
            "x scaled like x_t": ddim(x="(a_s / a_t) ** 0.5 * x"),
            "always deterministic": ddim(variance="torch.tensor(0.0)"),
            "always η = 1": ddim(variance="(1 - a_s) / (1 - a_t) * (1 - a_t / a_s)"),
            "posterior of task 2": """
                a_t, a_s = alpha_bar[times[i]], alpha_bar[times[i + 1]]
                r = a_t / a_s
                x_t = a_t.sqrt() * x + (1 - a_t).sqrt() * noise
                mean = (r.sqrt() * (1 - a_s) * x_t + a_s.sqrt() * (1 - r) * x) / (1 - a_t)
                return mean + eta * ((1 - r) * (1 - a_s) / (1 - a_t)).sqrt() * fresh
            """,
            "fresh noise scaled by η alone": ddim(new="fresh"),
            "x and noise exchanged": ddim(x="a_s.sqrt() * noise", old="(1 - a_s - v).sqrt() * x"),
            "noises exchanged": ddim(old="(1 - a_s - v).sqrt() * fresh", new="v.sqrt() * noise"),
            "sign": ddim(old="-(1 - a_s - v).sqrt() * noise"),
        },
    ),
    "loss": (
        "network, x, alpha_bar, rand, randn",
        loss(),
        {
            "one t for the batch": loss("rand(1) * torch.ones(len(x))"),
            "ᾱ of the first example": loss(a="alpha_bar(t)[0]"),
            "one noise for the batch": loss(noise="randn(*x.shape[1:]) * torch.ones(x.shape)"),
            "noise drawn twice": loss(target="randn(x.shape)"),
            "t drawn twice": loss(told="rand(len(x))"),
            "draws changed": loss("1 - rand(x.shape[0])"),
            "uniform noise": loss(noise="rand(x.shape)"),
            "normal times": "\nt, noise = randn(len(x)), randn(x.shape)\na = alpha_bar(t).reshape([-1] + [1] * (x.dim() - 1))\n"
            "return F.mse_loss(network(a.sqrt() * x + (1 - a).sqrt() * noise, t), noise)",
            "clean input": loss(mix="x"),
            "predicts the data": loss(target="x"),
            "predicts the velocity": loss(target="noise - x"),
            "ᾱ for α": loss(mix="a * x + (1 - a) * noise"),
            "t for ᾱ": loss(a="t"),
            "network told ᾱ": loss(told="alpha_bar(t)"),
            "data and noise exchanged": loss(mix="(1 - a) ** 0.5 * x + a**0.5 * noise"),
            "one factor missing": loss(mix="x + (1 - a) ** 0.5 * noise"),
            "along the wrong axis": loss().replace(".reshape([-1] + [1] * (x.dim() - 1))", "[:, None]"),
            "noise with its factor": loss(target="(1 - a) ** 0.5 * noise"),
            "weighted": loss(end="(a / (1 - a) * (said - noise) ** 2).mean()"),
            "sum": loss(end="((said - target) ** 2).sum()"),
            "summed over pixels": loss(end="((said - target) ** 2).sum() / len(x)"),
            "one loss for each example": loss(end="((said - target) ** 2).flatten(1).mean(1)"),
            "root of the mean": loss(end="torch.sqrt(F.mse_loss(said, target))"),
            "absolute error": loss(end="F.l1_loss(said, target)"),
            "half": loss(end="0.5 * ((said - target) ** 2).mean()"),
            "square of the mean": loss(end="(said - target).mean() ** 2"),
            "sign of the noise": loss(end="((said + target) ** 2).mean()"),
            "negative": loss(end="-F.mse_loss(said, target)"),
        },
    ),
    "guided": (
        "network, x_t, t, y, classes, w",
        guided(),
        {
            "starts at the told one": guided("(1 + w) * told - w * untold"),
            "w one too large": guided("untold + (w - 1) * (told - untold)"),
            "told and untold exchanged": guided("(1 - w) * told + w * untold"),
            "sign": guided("untold + w * (untold - told)"),
            "w times the told one": guided("untold + w * told"),
            "not what was told": guided("w * (told - untold)"),
            "w not used": guided("told"),
            "w kept below 1": guided("untold + min(w, 1.0) * (told - untold)"),
            "divided by the weights": guided("(untold + w * told) / (1 + w)"),
            "label 0 for nothing told": guided(null="torch.zeros_like(y)"),
            "last class for nothing told": guided(null="0 * y + classes - 1"),
            "largest label of the batch": guided(null="torch.full_like(y, int(y.max()) + 1)"),
            "a label never seen": guided(null="0 * y - 1"),
            "another label": guided(null="(y + 1) % classes"),
        },
    ),
    "hide_labels": (
        "y, classes, share, rand",
        hide(),
        {
            "one mask for the batch": hide("rand(1) < share"),
            "one draw at a time": "torch.stack([torch.tensor(classes) if rand(()) < share else label for label in y])",
            "the others hidden": hide("rand(len(y)) > share"),
            "the other end": hide("1 - rand(len(y)) < share"),
            "label 0": hide(null="0"),
            "last class": hide(null="classes - 1"),
            "minus one": hide(null="-1"),
            "one too many": hide(null="classes + 1"),
            "another number": hide(null="10"),
            "nothing hidden": "y.clone()",
            "everything hidden": "0 * y + classes",
            "the first ones": hide("torch.arange(len(y)) < int(share * len(y))"),
            "an exact number": """
                out = y.clone()
                out[torch.argsort(rand(len(y)))[: int(share * len(y))]] = classes
                return out
            """,
            "half of them": hide("rand(len(y)) < 0.5"),
            "thrown away": hide(end="y[~mask]"),
            "the mask": hide(end="mask"),
            "added": hide(end="y + mask * classes"),
        },
    ),
    "path_and_velocity": (
        "x, noise, t",
        line(),
        {
            "data and noise exchanged": line("noise + t * (x - noise)", "x - noise"),
            "points exchanged": line("noise + t * (x - noise)"),
            "velocity backwards": line(velocity="x - noise"),
            "variance kept": line("(1 - t) ** 0.5 * x + t**0.5 * noise"),
            "velocity scaled by t": line(velocity="t * (noise - x)"),
            "velocity by a quotient": line(velocity="(point - x) / t"),
            "velocity from x_t": line(velocity="noise - point"),
            "noise as the target": line(velocity="noise"),
            "sum for difference": line(velocity="noise + x"),
            "v of diffusion": line(velocity="(1 - t) * noise - t * x"),
            "along the wrong axis": line(t="t"),
            "always four axes": line(t="t.view(-1, 1, 1, 1)"),
            "one t for the batch": line(t="t[0]"),
            "noise added to all of x": line("x + t * noise"),
            "order": line(end="velocity, point"),
        },
    ),
    "integrate": (
        "velocity, x, times",
        walk(),
        {
            "sign": walk(h="times[k] - times[k + 1]"),
            "equal steps": walk(h="(times[-1] - times[0]) / (len(times) - 1)"),
            "all the way at each step": walk(h="-times[k]"),
            "velocity not scaled": walk("x = x + v"),
            "time of the end": walk(told="times[k + 1]"),
            "time in the middle": walk(told="0.5 * (times[k] + times[k + 1])"),
            "one time for all steps": walk(told="times[0]"),
            "time counted the other way": walk(told="1 - times[k]"),
            "number of the step": walk(told="k"),
            "last step missing": walk(steps="range(len(times) - 2)"),
            "field at the start": walk(at="start"),
            "steps forgotten": walk("x = start + h * v"),
            "nothing moves": walk("x + h * v"),
            "clipped": walk("x = torch.clip(x + h * v, -1, 1)"),
            "on to 0": walk().replace("start = x", "times = times + [0]"),
            "velocity alone": walk("x = h * v"),
            "to the end in one step": "x + (times[-1] - times[0]) * velocity(x, torch.full((len(x),), times[0]))",
            "times reversed": walk().replace("start = x", "times = list(reversed(times))"),
            "one step alone": "x + (times[1] - times[0]) * velocity(x, torch.full((len(x),), times[0]))",
            "a better method": walk("x = x + h * (v + velocity(x + h * v, torch.ones(len(x)) * times[k + 1])) / 2"),
            "every place returned": """
                out = [x]
                for a, b in zip(times[:-1], times[1:]):
                    out.append(out[-1] + (b - a) * velocity(out[-1], torch.full((len(x),), a)))
                return torch.stack(out)
            """,
        },
    ),
}


def choice(schedule: str, bend: float, steps: int, method: str = "ddim", eta: float = 0.0) -> str:
    return str({"schedule": schedule, "bend": bend, "method": method, "eta": eta, "steps": steps})


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


def numbers(distance: float, evaluations: int, bend: float, eta: float = 0.0, heun: float = 0.0) -> dict[str, float]:
    return {"minus distance": -distance, "minus evaluations": -float(evaluations), "eta": eta, "bend": bend, "heun": heun}


REGIONS = {
    "few_steps": [
        (numbers(0.026, 40, 1.0, eta=1.0), "good but dear"),
        (numbers(0.02, 10, 1.5), "good but dear"),
        (numbers(0.184, 6, 1.0, eta=1.0), "noise put back"),
        (numbers(0.042, 6, 1.5, eta=0.3), "noise put back"),
        (numbers(0.119, 5, 1.5, heun=1.0), "two for one"),
        (numbers(0.053, 7, 1.0, heun=1.0), "two for one"),
        (numbers(0.124, 4, 1.0), "too few steps"),
        (numbers(0.079, 4, 3.0), "too few steps"),
        (numbers(0.068, 6, 1.0), "last steps too long"),
        (numbers(0.088, 10, 1.0), "last steps too long"),
        (numbers(0.057, 6, 3.0), "first steps too long"),
        (numbers(0.062, 4, 1.5), "too few steps"),
        (numbers(0.043, 6, 2.0), "schedule and bend"),
        (numbers(0.041, 8, 1.9), "schedule and bend"),
    ]
}
