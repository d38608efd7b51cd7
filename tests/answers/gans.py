"""Exercise 03."""

LOGS = """
    d_real, d_fake = torch.sigmoid(real), torch.sigmoid(fake)
"""
BCE = "F.binary_cross_entropy_with_logits"

HALF_WAY = """
    u = share.reshape([len(real)] + [1] * (real.ndim - 1))
    point = (1 - u) * real + u * fake
"""
SLOPE = """
    point.requires_grad_()
    slope = torch.autograd.grad(critic(point).sum(), point, create_graph=True)[0]
"""
LENGTH = """
    length = slope.reshape(len(real), -1).pow(2).sum(1).sqrt()
"""
WALK = HALF_WAY + SLOPE


def of_point(point: str) -> str:
    """The right penalty at another point."""
    return f"\n    point = {point}\n" + SLOPE + "    return torch.mean((slope.flatten(1).pow(2).sum(1).sqrt() - 1) ** 2)\n"


def of_length(result: str) -> str:
    """Another penalty at the right point."""
    return WALK + LENGTH + f"    return {result}\n"


def stack(
    conv: str = "nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False)",
    start: str = "nn.ConvTranspose2d(latents, channels[0], 4, bias=False)",
    hidden: str = "nn.BatchNorm2d(b), nn.ReLU(inplace=True)",
    last: str = "nn.ConvTranspose2d(channels[-2], channels[-1], 4, 2, 1)",
    end: str = "nn.Tanh()",
) -> str:
    """A generator, layer by layer."""
    return f"""
    layers = [{start}]
    b = channels[0]
    layers += [{hidden}]
    for a, b in zip(channels[:-2], channels[1:-1]):
        layers += [{conv}, {hidden}]
    layers += [{last}, {end}]
    return nn.Sequential(*layers)
"""


def value(v: str, js: str = "v / 2 + math.log(2)", d: str = "p / (p + q)") -> str:
    return f"\n    d = {d}\n    v = {v}\n    return v, {js}\n"


V = "torch.special.xlogy(p, d).sum() + torch.special.xlogy(q, 1 - d).sum()"
MIDDLE = "\n    m = (p + q) / 2\n    js = (torch.special.xlogy(p, p / m) + torch.special.xlogy(q, q / m)).sum() / 2\n"

ANSWERS = {
    "discriminator_loss": (
        "real, fake",
        f"{BCE}(real, torch.ones_like(real)) + {BCE}(fake, torch.zeros_like(fake))",
        {
            "maximised": "F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()",
            "labels swapped": f"{BCE}(real, torch.zeros_like(real)) + {BCE}(fake, torch.ones_like(fake))",
            "fakes taken for real": f"{BCE}(real, torch.ones_like(real)) + {BCE}(fake, torch.ones_like(fake))",
            "signs differ": "-F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()",
            "the 1 outside the log": "-F.logsigmoid(real).mean() - (1 - F.logsigmoid(fake)).mean()",
            "1 minus the score": "-F.logsigmoid(real).mean() - F.logsigmoid(1 - fake).mean()",
            "log D taken away": "-F.logsigmoid(real).mean() + F.logsigmoid(fake).mean()",
            "fakes left out": f"{BCE}(real, torch.ones_like(real))",
            "real left out": f"{BCE}(fake, torch.zeros_like(fake))",
            "one mean for both": f"{BCE}(torch.cat([real, fake]), torch.cat([torch.ones_like(real), torch.zeros_like(fake)]))",
            "one count for both": "(F.softplus(-real).sum() + F.softplus(fake).sum()) / len(real)",
            "labels smoothed": f"{BCE}(real, torch.full_like(real, 0.9)) + {BCE}(fake, torch.zeros_like(fake))",
            "half": "(F.softplus(-real).mean() + F.softplus(fake).mean()) * 0.5",
            "another base": LOGS + "    return -torch.log10(d_real).mean() - torch.log10(1 - d_fake).mean()",
            "summed": "F.softplus(-real).sum() + F.softplus(fake).sum()",
            "sigmoid, then log": "-torch.log(torch.sigmoid(real)).mean() - torch.log(1 - torch.sigmoid(fake)).mean()",
            "sigmoid, then clamped log": LOGS
            + "    return F.binary_cross_entropy(d_real, torch.ones_like(real)) + F.binary_cross_entropy(d_fake, torch.zeros_like(fake))",
            "a small number in the log": LOGS + "    return -(torch.log(d_real + 1e-8).mean() + torch.log(1 - d_fake + 1e-8).mean())",
            "probabilities clamped": LOGS
            + "    return -(d_real.clamp(1e-6, 1 - 1e-6).log().mean() + (1 - d_fake.clamp(1e-6, 1 - 1e-6)).log().mean())",
            "scores clamped": "F.softplus(-real.clamp(-30, 30)).mean() + F.softplus(fake.clamp(-30, 30)).mean()",
            "sigmoid twice": LOGS + f"    return {BCE}(d_real, torch.ones_like(real)) + {BCE}(d_fake, torch.zeros_like(fake))",
            "no sigmoid": "-torch.log(real).mean() - torch.log(1 - fake).mean()",
            "no log": LOGS + "    return d_fake.mean() - d_real.mean()",
            "mean inside the log": LOGS + "    return -torch.log(d_real.mean()) - torch.log(1 - d_fake.mean())",
            "a critic's": "torch.mean(fake) - torch.mean(real)",
            "hinge": "torch.clamp(1 - real, min=0).mean() + torch.clamp(1 + fake, min=0).mean()",
            "squared error": LOGS + "    return F.mse_loss(d_real, torch.ones_like(real)) + F.mse_loss(d_fake, torch.zeros_like(fake))",
            "fake scores detached": f"{BCE}(real, torch.ones_like(real)) + {BCE}(fake.detach(), torch.zeros_like(fake))",
        },
    ),
    "generator_loss": (
        "fake, saturating",
        """
            if saturating:
                return torch.mean(F.logsigmoid(-fake))
            return -torch.mean(F.logsigmoid(fake))
        """,
        {
            "the two switched": "-F.logsigmoid(fake).mean() if saturating else F.logsigmoid(-fake).mean()",
            "always saturating": "F.logsigmoid(-fake).mean()",
            "never saturating": f"{BCE}(fake, torch.ones_like(fake))",
            "the discriminator's": f"{BCE}(fake, torch.zeros_like(fake))",
            "sign of the saturating": "-F.logsigmoid(-fake).mean() if saturating else -F.logsigmoid(fake).mean()",
            "sign of the other": "F.logsigmoid(-fake).mean() if saturating else F.logsigmoid(fake).mean()",
            "both signs": "-F.logsigmoid(-fake).mean() if saturating else F.logsigmoid(fake).mean()",
            "the 1 outside the log": "(1 - F.logsigmoid(fake)).mean() if saturating else -F.logsigmoid(fake).mean()",
            "only the signs differ": "F.logsigmoid(fake).mean() if saturating else -F.logsigmoid(fake).mean()",
            "half": "0.5 * (F.logsigmoid(-fake).mean() if saturating else -F.logsigmoid(fake).mean())",
            "1 minus the score": "F.logsigmoid(1 - fake).mean() if saturating else -F.logsigmoid(fake).mean()",
            "another base": """
                d = torch.sigmoid(fake)
                return torch.log10(1 - d).mean() if saturating else -torch.log10(d).mean()
            """,
            "summed": "F.logsigmoid(-fake).sum() if saturating else -F.logsigmoid(fake).sum()",
            "one per sample": "F.logsigmoid(-fake) if saturating else -F.logsigmoid(fake)",
            "sigmoid, then log": """
                d = torch.sigmoid(fake)
                return torch.log(1 - d).mean() if saturating else -torch.log(d).mean()
            """,
            "sigmoid, then clamped log": """
                d = torch.sigmoid(fake)
                if saturating:
                    return -F.binary_cross_entropy(d, torch.zeros_like(d))
                return F.binary_cross_entropy(d, torch.ones_like(d))
            """,
            "a small number in the log": """
                d = torch.sigmoid(fake)
                return torch.log(1 - d + 1e-8).mean() if saturating else -torch.log(d + 1e-8).mean()
            """,
            "probabilities clamped": """
                d = torch.clamp(torch.sigmoid(fake), 1e-6, 1 - 1e-6)
                return torch.log(1 - d).mean() if saturating else -torch.log(d).mean()
            """,
            "scores clamped": """
                s = torch.clamp(fake, -30, 30)
                return F.logsigmoid(-s).mean() if saturating else -F.logsigmoid(s).mean()
            """,
            "sigmoid twice": "F.logsigmoid(-fake.sigmoid()).mean() if saturating else -F.logsigmoid(fake.sigmoid()).mean()",
            "no sigmoid": "torch.log(1 - fake).mean() if saturating else -torch.log(fake).mean()",
            "no log": "(1 - fake.sigmoid()).mean() if saturating else -fake.sigmoid().mean()",
            "mean inside the log": "torch.log(1 - fake.sigmoid().mean()) if saturating else -torch.log(fake.sigmoid().mean())",
            "a critic's": "-torch.mean(fake)",
            "detached": """
                with torch.no_grad():
                    return F.logsigmoid(-fake).mean() if saturating else -F.logsigmoid(fake).mean()
            """,
        },
    ),
    "optimal_discriminator": (
        "log_data, log_model",
        "1 / (1 + torch.exp(log_model - log_data))",
        {
            "reversed": "torch.sigmoid(log_model - log_data)",
            "the ratio": "log_data.exp() / log_model.exp()",
            "underflow": "torch.exp(log_data) / (torch.exp(log_data) + torch.exp(log_model))",
            "0 / 0 covered up": "torch.exp(log_data) / (torch.exp(log_data) + torch.exp(log_model) + 1e-8)",
            "log of the sum": "torch.exp(log_data - torch.log(log_data.exp() + log_model.exp()))",
            "overflow": "torch.exp(log_data - log_model) / (torch.exp(log_data - log_model) + 1)",
            "logs for densities": "log_data / (log_data + log_model)",
            "the score": "log_data - log_model",
            "sum of logs": "torch.sigmoid(log_data + log_model)",
            "sigmoid of a ratio": "torch.sigmoid(torch.exp(log_data - log_model))",
            "the data alone": "torch.exp(log_data)",
            "product for sum": "torch.exp(log_data - (log_data + log_model))",
            "difference of densities": "torch.sigmoid(torch.exp(log_data) - torch.exp(log_model))",
            "log D": "F.logsigmoid(log_data - log_model)",
            "yes or no": "torch.where(log_data > log_model, 1.0, 0.0)",
            "compared with the mean": "2 / (1 + torch.exp(log_model - log_data))",
            "normalised over the points": "torch.softmax((log_data - log_model).reshape(-1), 0).reshape(log_data.shape)",
            "one number": "torch.sigmoid(log_data - log_model).mean()",
        },
    ),
    "game_value": (
        "p, q",
        MIDDLE + "    return 2 * js - math.log(4), js",
        {
            "0 · log 0": value("(p * torch.log(d) + q * torch.log(1 - d)).sum()"),
            "D reversed": value(V, d="q / (q + p)"),
            "D of the probabilities": value(V, d="torch.sigmoid(p - q)"),
            "D = ½": value(V, d="torch.full_like(p, 0.5)"),
            "log D in both terms": value("torch.special.xlogy(p, d).sum() + torch.special.xlogy(q, d).sum()"),
            "the 1 outside the log": value("torch.special.xlogy(p, d).sum() + (q - torch.special.xlogy(q, d)).sum()"),
            "signs differ": value("torch.special.xlogy(p, d).sum() - torch.special.xlogy(q, 1 - d).sum()"),
            "xlogy turned round": value("torch.xlogy(d, p).sum() + torch.xlogy(1 - d, q).sum()"),
            "not weighted": value("torch.log(d).sum() + torch.log(1 - d).sum()"),
            "weighted with p twice": value("(torch.special.xlogy(p, d) + torch.special.xlogy(p, 1 - d)).sum()"),
            "mean for sum": value("torch.special.xlogy(p, d).mean() + torch.special.xlogy(q, 1 - d).mean()"),
            "the loss": MIDDLE + "    return math.log(4) - 2 * js, js",
            "averaged over both": value(f"({V}) / 2"),
            "bits": MIDDLE + "    return 2 * js / math.log(2) - 2, js / math.log(2)",
            "order": MIDDLE + "    return js, 2 * js - math.log(4)",
            "twice the divergence": value(V, "v + 2 * math.log(2)"),
            "mixture without its half": MIDDLE.replace("(p + q) / 2", "p + q") + "    return 2 * js - math.log(4), js",
            "one comparison": value(V, "torch.xlogy(p, 2 * p / (p + q)).sum()"),
            "from the mixture": value(V, "((p + q) / 4 * (torch.log((p + q) / 2 / p) + torch.log((p + q) / 2 / q))).sum()"),
            "value from the divergence": MIDDLE + "    return 2 * js - math.log(2), js",
            "negative divergence": MIDDLE.replace("p / m", "m / p").replace("q / m", "m / q") + "    return 2 * js - math.log(4), js",
            "log 2 once": value(V, "(v + math.log(2)) / 2"),
            "log 2 not divided": value(V, "v / 2 + 2 * math.log(2)"),
            "log 2 left out": value(V, "v / 2"),
            "the distance": value(V, "torch.sqrt(v / 2 + math.log(2))"),
            "a KL divergence": value(V, "torch.where(p > 0, p * torch.log(p / q), 0.0).sum()"),
        },
    ),
    "gradient_penalty": (
        "critic, real, fake, share",
        of_length("torch.mean((length - 1) ** 2)"),
        {
            "one coefficient a pixel": of_point("(1 - share) * real + share * fake"),
            "four axes always": of_point("real + share.view(-1, 1, 1, 1) * (fake - real)"),
            "real and fake swapped": HALF_WAY.replace("(1 - u) * real + u * fake", "u * real + (1 - u) * fake")
            + SLOPE
            + LENGTH
            + "    return torch.mean((length - 1) ** 2)",
            "always half-way": of_point("0.5 * real + 0.5 * fake"),
            "one coefficient for the batch": of_point("real + share.mean() * (fake - real)"),
            "at the data": of_point("real.detach().clone()"),
            "at the fakes": of_point("fake.detach().clone()"),
            "added, not between": of_point("real + share.view([-1] + [1] * (real.ndim - 1)) * fake"),
            "away from the fake": of_point("real + share.view([-1] + [1] * (real.ndim - 1)) * (real - fake)"),
            "share and length of points": """
                point = (real + share[:, None] * (fake - real)).requires_grad_()
                slope = torch.autograd.grad(critic(point).sum(), point, create_graph=True)[0]
                return ((slope.norm(dim=1) - 1) ** 2).mean()
            """,
            "norm over one axis": WALK + "    return torch.mean((torch.norm(slope, 2, dim=1) - 1) ** 2)",
            "norm over the batch": WALK + "    return (torch.norm(slope) - 1) ** 2",
            "entry by entry": WALK + "    return torch.mean((slope.abs() - 1) ** 2)",
            "largest slope": WALK + "    return torch.mean((slope.flatten(1).abs().max(dim=1).values - 1) ** 2)",
            "by real or fake": """
                real = real.clone().requires_grad_()
                point = real + share.view([-1] + [1] * (real.ndim - 1)) * (fake - real)
                slope = torch.autograd.grad(critic(point).sum(), real, create_graph=True)[0]
                return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
            """,
            "chord": """
                gap = torch.abs(critic(fake) - critic(real))
                return torch.mean((gap / torch.norm((fake - real).flatten(1), dim=1) - 1) ** 2)
            """,
            "sum of absolute slopes": WALK + "    return torch.mean((slope.flatten(1).norm(1, dim=1) - 1) ** 2)",
            "root forgotten": of_length("torch.mean((length**2 - 1) ** 2)"),
            "root of the mean square": of_length("torch.mean((length / math.sqrt(real[0].numel()) - 1) ** 2)"),
            "not squared": of_length("torch.mean(length - 1)"),
            "centred at 0": of_length("torch.mean(length**2)"),
            "one-sided": of_length("torch.mean(torch.clamp(length - 1, min=0) ** 2)"),
            "mean length": of_length("(length.mean() - 1) ** 2"),
            "mean of the scores": HALF_WAY
            + """
    point.requires_grad_()
    slope = torch.autograd.grad(critic(point).mean(), point, create_graph=True)[0]
"""
            + LENGTH
            + "    return torch.mean((length - 1) ** 2)",
            "weight included": of_length("10 * torch.mean((length - 1) ** 2)"),
            "the critic's loss": of_length("critic(fake).mean() - critic(real).mean() + 10 * torch.mean((length - 1) ** 2)"),
            "summed": of_length("torch.sum((length - 1) ** 2)"),
            "one per example": of_length("(length - 1) ** 2"),
            "graph thrown away": HALF_WAY
            + """
    point.requires_grad_()
    slope = torch.autograd.grad(critic(point).sum(), point)[0]
"""
            + LENGTH
            + "    return torch.mean((length - 1) ** 2)",
        },
    ),
    "dcgan_generator": (
        "latents, channels",
        stack(),
        {
            "a class of one's own": """
                class Block(nn.Module):
                    def __init__(self, a, b, stride, padding):
                        super().__init__()
                        self.conv, self.norm = nn.ConvTranspose2d(a, b, 4, stride, padding, bias=False), nn.BatchNorm2d(b)

                    def forward(self, x):
                        return F.relu(self.norm(self.conv(x)))

                layers = [Block(latents, channels[0], 1, 0)]
                layers += [Block(a, b, 2, 1) for a, b in zip(channels[:-2], channels[1:-1])]
                return nn.Sequential(*layers, nn.ConvTranspose2d(channels[-2], channels[-1], 4, 2, 1), nn.Tanh())
            """,
            "fully connected": stack(start="nn.Flatten(), nn.Linear(latents, 16 * channels[0]), nn.Unflatten(1, (channels[0], 4, 4))"),
            "resized": stack(
                conv="nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3, padding=1)",
                last="nn.Upsample(scale_factor=2), nn.Conv2d(b, channels[-1], 3, padding=1)",
            ),
            "ordinary convolution": stack(conv="nn.Conv2d(a, b, 4, 2, 1)", last="nn.Conv2d(channels[-2], channels[-1], 4, 2, 1)"),
            "z left out": """
                layers = []
                for a, b in zip(channels[:-1], channels[1:]):
                    layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
                return nn.Sequential(*layers[:-2], nn.Tanh())
            """,
            "wrong number": stack(end="nn.ConvTranspose2d(channels[-1], channels[-1], 4, 2, 1), nn.Tanh()"),
            "channels reversed": "\n    channels = channels[::-1]" + stack(),
            "another chain of channels": "\n    channels = [2 * c for c in channels[:-1]] + [channels[-1]]" + stack(),
            "kernel": stack(conv="nn.ConvTranspose2d(a, b, 3, 2, 1, 1)", last="nn.ConvTranspose2d(b, channels[-1], 3, 2, 1, 1)"),
            "first one strided": stack(start="nn.ConvTranspose2d(latents, channels[0], 4, 2, 1, bias=False)"),
            "first one padded": stack(start="nn.ConvTranspose2d(latents, channels[0], 4, 1, 1, bias=False)"),
            "not strided": stack(last="nn.ConvTranspose2d(channels[-2], channels[-1], 4)"),
            "not padded": stack(last="nn.ConvTranspose2d(channels[-2], channels[-1], 4, 2)"),
            "another norm": stack(hidden="nn.InstanceNorm2d(b, affine=True), nn.ReLU()"),
            "no batch norm": stack(hidden="nn.ReLU()"),
            "image normalised": stack(end="nn.BatchNorm2d(channels[-1]), nn.Tanh()"),
            "dropout": stack(hidden="nn.BatchNorm2d(b), nn.ReLU(), nn.Dropout(0.2)"),
            "another activation": stack(hidden="nn.BatchNorm2d(b), nn.LeakyReLU(0.2)"),
            "sigmoid at the end": stack(end="nn.Sigmoid()"),
            "ReLU on the image": stack(end="nn.ReLU(), nn.Tanh()"),
            "no end": stack(end=""),
            "tanh everywhere": stack(hidden="nn.BatchNorm2d(b), nn.Tanh()"),
            "ReLU missing": stack(hidden="nn.BatchNorm2d(b)"),
            "norm after the ReLU": stack(hidden="nn.ReLU(), nn.BatchNorm2d(b)"),
            "bias kept": stack(start="nn.ConvTranspose2d(latents, channels[0], 4)"),
            "features of a batch norm": """
                layers, a = [], latents
                for i, b in enumerate(channels[:-1]):
                    layers += [nn.ConvTranspose2d(a, b, 4, 2 if i else 1, 1 if i else 0, bias=False), nn.BatchNorm2d(a), nn.ReLU()]
                    a = b
                return nn.Sequential(*layers, nn.ConvTranspose2d(a, channels[-1], 4, 2, 1), nn.Tanh())
            """,
            "something else": stack(hidden="nn.BatchNorm2d(b), nn.ReLU(), nn.Identity()"),
        },
    ),
    "with_label": (
        "z, y, classes",
        "torch.hstack([z, torch.eye(classes)[y]])",
        {
            "the number itself": "torch.hstack([z, y.unsqueeze(1).float()])",
            "the number in every place": "torch.hstack([z, y.float().unsqueeze(1).repeat(1, classes)])",
            "label first": "torch.hstack([torch.eye(classes)[y], z])",
            "as many places as there are labels": "torch.cat((z, F.one_hot(y)), dim=1)",
            "counted from 1": """
                hot = torch.zeros(len(y), classes + 1)
                hot[torch.arange(len(y)), y + 1] = 1
                return torch.cat((z, hot[:, :classes]), dim=1)
            """,
            "one place too many": "torch.cat((z, torch.eye(classes + 1)[y]), dim=1)",
            "ten classes always": "torch.cat((z, F.one_hot(y, 10)), dim=1)",
            "−1 for 0": "torch.cat((z, 2 * torch.eye(classes)[y] - 1), dim=1)",
            "the number in its place": "torch.cat((z, torch.eye(classes)[y] * y.unsqueeze(1)), dim=1)",
            "turned about": "torch.cat((z, (torch.arange(classes) != y[:, None]).float()), dim=1)",
            "one label for all": "torch.cat((z, torch.eye(classes)[y[0]].repeat(len(z), 1)), dim=1)",
            "every label in every row": """
                hot = torch.zeros(len(y), classes)
                hot[:, y] = 1
                return torch.cat((z, hot), dim=1)
            """,
            "label left out": "z",
            "the label alone": "torch.eye(classes)[y]",
            "sorted by class": "torch.cat((z, torch.eye(classes)[torch.sort(y)[0]]), dim=1)",
            "z cut off": "torch.cat((z.data, torch.eye(classes)[y]), dim=1)",
        },
    ),
    "with_label_planes": (
        "x, y, classes",
        "torch.hstack([x, torch.eye(classes)[y].unsqueeze(2).unsqueeze(3).repeat(1, 1, x.shape[2], x.shape[3])])",
        {
            "the number as brightness": "torch.hstack([x, y.float().view(-1, 1, 1, 1).repeat(1, 1, x.shape[2], x.shape[3])])",
            "the number in every plane": "torch.hstack([x, y.float().view(-1, 1, 1, 1).repeat(1, classes, x.shape[2], x.shape[3])])",
            "planes first": "torch.hstack([torch.eye(classes)[y][:, :, None, None].repeat(1, 1, x.shape[2], x.shape[3]), x])",
            "one pixel": """
                planes = torch.zeros(len(x), classes, x.shape[2], x.shape[3])
                planes[torch.arange(len(x)), y, 0, 0] = 1
                return torch.cat((x, planes), dim=1)
            """,
            "one row": """
                planes = torch.zeros(len(x), classes, x.shape[2], x.shape[3])
                planes[torch.arange(len(x)), y, 0] = 1
                return torch.cat((x, planes), dim=1)
            """,
            "labels of other images": """
                n, _, h, w = x.shape
                return torch.cat((x, torch.eye(classes)[y].repeat(h * w, 1).view(n, classes, h, w)), dim=1)
            """,
            "along a row": """
                n, _, h, w = x.shape
                return torch.cat((x, torch.eye(classes)[y].repeat(1, h * w).view(n, classes, h, w)), dim=1)
            """,
            "counted from 1": """
                planes = torch.zeros(len(x), classes + 1, x.shape[2], x.shape[3])
                planes[torch.arange(len(x)), y + 1] = 1
                return torch.cat((x, planes[:, :classes]), dim=1)
            """,
            "as many planes as there are labels": """
                planes = F.one_hot(y)[:, :, None, None].expand(-1, -1, x.shape[2], x.shape[3])
                return torch.cat((x, planes), dim=1)
            """,
            "one plane too many": """
                planes = torch.zeros(len(x), classes + 1, x.shape[2], x.shape[3])
                planes[torch.arange(len(x)), y] = 1
                return torch.cat((x, planes), dim=1)
            """,
            "ten classes always": """
                planes = F.one_hot(y, 10)[:, :, None, None].expand(-1, -1, x.shape[2], x.shape[3])
                return torch.cat((x, planes), dim=1)
            """,
            "shared out": """
                n, _, h, w = x.shape
                planes = torch.zeros(n, classes, h, w)
                planes[torch.arange(n), y] = 1 / (h * w)
                return torch.cat((x, planes), dim=1)
            """,
            "one label for all": """
                planes = torch.zeros(len(x), classes, x.shape[2], x.shape[3])
                planes[:, y[0]] = 1
                return torch.cat((x, planes), dim=1)
            """,
            "every label for every image": """
                planes = torch.zeros(len(x), classes, x.shape[2], x.shape[3])
                planes[:, y] = 1
                return torch.cat((x, planes), dim=1)
            """,
            "image in the planes": """
                hot = torch.eye(classes)[y]
                return torch.cat((x, torch.einsum('nc,nhw->nchw', hot, x[:, 0])), dim=1)
            """,
            "turned about": """
                planes = torch.ones(len(x), classes, x.shape[2], x.shape[3])
                planes[torch.arange(len(x)), y] = 0
                return torch.cat((x, planes), dim=1)
            """,
            "image left out": "torch.eye(classes)[y].unsqueeze(2).unsqueeze(3).repeat(1, 1, x.shape[2], x.shape[3])",
            "image cut off": """
                planes = torch.eye(classes)[y][:, :, None, None].repeat(1, 1, x.shape[2], x.shape[3])
                return torch.cat((x.detach(), planes), dim=1)
            """,
        },
    ),
    "closeness": (
        "m",
        """
            distance = (m.unsqueeze(0) - m.unsqueeze(1)).abs().sum(-1)
            others = 1 - torch.eye(len(m)).unsqueeze(2)
            return (torch.exp(-distance) * others).sum(0)
        """,
        {
            "itself counted": "torch.exp(-(m.unsqueeze(0) - m.unsqueeze(1)).abs().sum(-1)).sum(0)",
            "no exponential": "(m.unsqueeze(0) - m.unsqueeze(1)).abs().sum(-1).sum(0)",
            "sign of the exponent": "torch.exp((m.unsqueeze(0) - m.unsqueeze(1)).abs().sum(-1)).sum(0) - 1",
            "squared distance": "torch.exp(-(m.unsqueeze(0) - m.unsqueeze(1)).pow(2).sum(-1)).sum(0) - 1",
            "signs cancel": "torch.exp(-(m.unsqueeze(0) - m.unsqueeze(1)).sum(-1).abs()).sum(0) - 1",
            "distances summed first": "torch.exp(-(m.unsqueeze(0) - m.unsqueeze(1)).abs().sum(-1).sum(0))",
            "averaged over the batch": "(torch.exp(-(m.unsqueeze(0) - m.unsqueeze(1)).abs().sum(-1)).sum(0) - 1) / len(m)",
            "averaged over the entries": "torch.exp(-(m.unsqueeze(0) - m.unsqueeze(1)).abs().mean(-1)).sum(0) - 1",
            "one distance for all kernels": """
                flat = m.flatten(1)
                close = torch.exp(-(flat.unsqueeze(0) - flat.unsqueeze(1)).abs().sum(-1)).sum(0) - 1
                return close.unsqueeze(1).repeat(1, m.shape[1])
            """,
            "exponential of each entry": "torch.exp(-(m.unsqueeze(0) - m.unsqueeze(1)).abs()).sum(-1).sum(0) - m.shape[-1]",
            "summed over the kernels": "(torch.exp(-(m.unsqueeze(0) - m.unsqueeze(1)).abs().sum(-1)).sum(0) - 1).sum(-1)",
            "kernels compared": "torch.exp(-(m.unsqueeze(1) - m.unsqueeze(2)).abs().sum(-1)).sum(2) - 1",
        },
    ),
    "receptive_field": (
        "layers",
        """
            size, step = 1, 1
            for kernel, stride in layers:
                size += (kernel - 1) * step
                step *= stride
            return size
        """,
        {
            "strides ignored": """
                size = 1
                for kernel, stride in layers:
                    size += kernel - 1
                return size
            """,
            "its own stride too": """
                size, step = 1, 1
                for kernel, stride in layers:
                    step *= stride
                    size += (kernel - 1) * step
                return size
            """,
            "strides behind it": """
                size, step = 1, 1
                for kernel, stride in layers[::-1]:
                    size += (kernel - 1) * step
                    step *= stride
                return size
            """,
            "kernel and stride exchanged": """
                size, step = 1, 1
                for stride, kernel in layers:
                    size += (kernel - 1) * step
                    step *= stride
                return size
            """,
            "strides added": """
                size, step = 1, 0
                for kernel, stride in layers:
                    size += (kernel - 1) * max(step, 1)
                    step += stride
                return size
            """,
            "the last stride alone": """
                size, step = 1, 1
                for kernel, stride in layers:
                    size += (kernel - 1) * step
                    step = stride
                return size
            """,
            "kernel for kernel − 1": """
                size, step = 1, 1
                for kernel, stride in layers:
                    size += kernel * step
                    step *= stride
                return size
            """,
            "1 forgotten": """
                size, step = 0, 1
                for kernel, stride in layers:
                    size += (kernel - 1) * step
                    step *= stride
                return size
            """,
            "kernels multiplied": """
                size = 1
                for kernel, _ in layers:
                    size *= kernel
                return size
            """,
            "an area": """
                size, step = 1, 1
                for kernel, stride in layers:
                    size, step = size + (kernel - 1) * step, step * stride
                return size * size
            """,
        },
    ),
}

SETTINGS = {
    "cure": {
        "too slow": '{"rate": 1e-5}',
        "lost": '{"rate": 0.003, "penalty": 1000}',
        "collapsed": '{"rate": 0.003}',
        "nearly": '{"rate": 0.0025, "pack": 2}',
        "blunt discriminator": '{"rate": 0.003, "pack": 8}',
        "generator behind": '{"rate": 3e-4}',
    },
}

REGIONS = {
    "cure": [
        ({"modes": 0, "good": 0.0, "ahead": 1.0, "moved": 0.15}, "too slow"),
        ({"modes": 3, "good": 0.3, "ahead": 0.93, "moved": 0.77}, "too slow"),
        ({"modes": 0, "good": 0.0, "ahead": 0.27, "moved": 4.5}, "lost"),
        ({"modes": 0, "good": 0.18, "ahead": 0.34, "moved": 35.0}, "lost"),
        ({"modes": 0, "good": 0.03, "ahead": 0.56, "moved": 5.9}, "collapsed"),
        ({"modes": 1, "good": 0.49, "ahead": 0.87, "moved": 6.8}, "collapsed"),
        ({"modes": 7, "good": 0.9, "ahead": 0.6, "moved": 2.9}, "collapsed"),
        ({"modes": 8, "good": 0.82, "ahead": 0.48, "moved": 0.3}, "nearly"),
        ({"modes": 8, "good": 0.75, "ahead": 0.71, "moved": 1.6}, "nearly"),
        ({"modes": 8, "good": 0.21, "ahead": 0.39, "moved": 0.85}, "blunt discriminator"),
        ({"modes": 8, "good": 0.66, "ahead": 0.44, "moved": 0.5}, "blunt discriminator"),
        ({"modes": 8, "good": 0.57, "ahead": 0.86, "moved": 0.32}, "generator behind"),
        ({"modes": 8, "good": 0.65, "ahead": 0.64, "moved": 0.26}, "generator behind"),
    ],
}
