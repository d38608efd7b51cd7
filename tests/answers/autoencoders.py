"""Exercise 02."""

RIGHT = {
    "linear_bottleneck_error": [
        "torch.linalg.svdvals(x - x.mean(0))[latents:].pow(2).sum() / len(x)",
        "float(torch.linalg.eigvals(torch.cov(x.T, correction=0)).real.sort().values[:-latents].sum())",
        "np.linalg.eigvalsh(np.cov(x.numpy().T, bias=True))[: x.shape[1] - latents].sum()",
        "(x - x.mean(0) - (x - x.mean(0)) @ (V := torch.linalg.svd(x - x.mean(0)).Vh[:latents]).T @ V).pow(2).sum(1).mean()",
        "x.var(0, correction=0).sum() - torch.linalg.svdvals(x - x.mean(0))[:latents].pow(2).sum() / len(x)",
    ],
    "denoising_loss": [
        "torch.sum((x - reconstruct(x + level * noise)) ** 2, (1, 2, 3)).mean()",
        "F.mse_loss(reconstruct((x + level * noise).detach()), x.detach(), reduction='sum') / len(x)",
        "sum((reconstruct(a[None] + level * b) - a).square().sum() for a, b in zip(x, noise)) / len(x)",
        "torch.linalg.vector_norm(reconstruct(x + level * noise) - x) ** 2 / len(x)",
    ],
    "reparameterise": [
        "mean + torch.exp(log_var / 2) * noise",
        "torch.addcmul(mean, log_var.exp().sqrt(), noise)",
        "mean + torch.diag_embed((log_var / 2).exp()).bmm(noise[..., None]).squeeze(-1)",
    ],
    "gaussian_kl": [
        "-0.5 * torch.sum(1 + log_var - mean**2 - torch.exp(log_var), dim=1)",
        """
        posterior = torch.distributions.Normal(mean, (log_var / 2).exp())
        return torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0, 1)).sum(1)
        """,
        "0.5 * ((mean**2).sum(1) + log_var.exp().sum(1) - mean.shape[1] - log_var.sum(1))",
    ],
    "elbo": [
        "(x * logits - F.softplus(logits)).sum((1, 2, 3)) - kl",
        "torch.distributions.Bernoulli(logits=logits).log_prob(x).sum((1, 2, 3)) - kl",
        "torch.where(x > 0.5, F.logsigmoid(logits), F.logsigmoid(-logits)).flatten(1).sum(1) - kl",
        "-torch.logaddexp(torch.zeros(()), (1 - 2 * x) * logits).flatten(1).sum(1) - kl",
    ],
    "iwae_bound": [
        "torch.logsumexp(log_likelihood + log_prior - log_posterior, 0) - math.log(len(log_prior))",
        "(m := (w := log_likelihood + log_prior - log_posterior).amax(0)) + (w - m).exp().mean(0).log()",
        "torch.logcumsumexp(log_likelihood + log_prior - log_posterior, 0)[-1] - np.log(len(log_prior))",
    ],
    "kl_weight": [
        "beta if not warm_up else beta * min((step % cycle if cycle else step) / warm_up, 1)",
        "torch.tensor(beta if not warm_up else beta * min((step % cycle if cycle else step) / warm_up, 1))",
        "np.float32(beta if not warm_up else beta * min((step % cycle if cycle else step) / warm_up, 1))",
        """
        t = step if cycle is None else step - step // cycle * cycle
        if t == 0 and warm_up > 0:
            return 0
        return beta if t >= warm_up else beta * t / warm_up
        """,
    ],
    "attribute_arrow": [
        "torch.mean(z[has == 1], dim=0) - torch.mean(z[has == 0], dim=0)",
        "torch.stack([c for c, h in zip(z, has) if h]).mean(0) - torch.stack([c for c, h in zip(z, has) if not h]).mean(0)",
        "(m := has.to(z)) @ z / m.sum() - (1 - m) @ z / (1 - m).sum()",
        "(z.T * has).sum(1) / has.sum() - (z.T * ~has).sum(1) / (~has).sum()",
        "torch.from_numpy(z.numpy()[has.numpy()].mean(0) - z.numpy()[np.logical_not(has.numpy())].mean(0))",
        "torch.linalg.lstsq(torch.stack([torch.ones(len(z)), has.float()], 1).to(z), z).solution[1]",
        "torch.where(has[:, None], z, torch.nan).nanmean(0) - torch.where(has[:, None], torch.nan, z).nanmean(0)",
        "torch.einsum('n,nk->k', has.to(z) / has.sum() - (~has).to(z) / (~has).sum(), z)",
        "(z[has][:, None] - z[~has]).mean((0, 1))",
        """
        a, b = torch.zeros(z.shape[1], dtype=z.dtype), torch.zeros_like(z[0])
        for i in range(len(z)):
            if has[i]:
                a += z[i]
            else:
                b += z[i]
        return a / has.sum() - b / (len(z) - has.sum())
        """,
    ],
    "balanced_arrow": [
        """
        total, groups = 0, sorted(set(group.tolist()))
        for g in groups:
            codes, mine = z[group == g], has[group == g]
            total = total + codes[mine].mean(0) - codes[~mine].mean(0)
        return total / len(groups)
        """,
        """
        with_it = torch.stack([z[(group == g) & has].mean(0) for g in torch.unique(group)])
        without = torch.stack([z[(group == g) & ~has].mean(0) for g in torch.unique(group)])
        return with_it.mean(0) - without.mean(0)
        """,
        """
        arrow = torch.zeros(z.shape[1])
        for g in group.unique():
            a = z[torch.logical_and(has, group == g)].mean(dim=0)
            arrow += a - z[torch.logical_and(~has, group == g)].mean(dim=0)
        return arrow / len(group.unique())
        """,
        """
        weight = torch.zeros(len(z)).to(z)
        for g in group.unique():
            for value, sign in ((True, 1), (False, -1)):
                chosen = (group == g) & (has == value)
                weight[chosen] = sign / chosen.sum().to(z)
        return weight @ z / len(group.unique())
        """,
        """
        mine = (group[None] == group.unique()[:, None]).float()
        w, v = mine * has, mine * ~has
        return (w @ z / w.sum(1, keepdim=True) - v @ z / v.sum(1, keepdim=True)).mean(0)
        """,
        """
        arrows = [z[has & (group == g)].mean(0) - z[~has & (group == g)].mean(0) for g in range(group.max() + 1)]
        return torch.stack(arrows).nanmean(0)
        """,
    ],
    "free_bits": [
        "torch.clamp(kl.mean(0), min=floor).sum()",
        "sum(max(floor, each) for each in kl.mean(0))",
        "(floor + F.relu(kl.mean(0) - floor)).sum()",
        "F.threshold(kl.mean(0), floor, floor).sum()",
    ],
    "resampling_weights": [
        "torch.softmax(-torch.log(density + alpha).sum(1), 0)",
        "F.normalize(1 / (density + alpha).prod(1), p=1, dim=0)",
    ],
}

SMALL = "a small number in the log"
WRONG = {
    "linear_bottleneck_error": [
        ("singular values not squared", "torch.linalg.svdvals(x - x.mean(0))[latents:].sum() / len(x)"),
        ("images as variables", "torch.linalg.eigvalsh(torch.cov(x))[:-latents].sum()"),
        ("not centred", "torch.linalg.svdvals(x - x.mean())[latents:].pow(2).sum() / len(x)"),
        ("smallest first", "torch.linalg.eigvalsh((x - x.mean(0)).T @ (x - x.mean(0)) / len(x))[latents:].sum()"),
    ],
    "denoising_loss": [
        ("averaged over channels", "F.mse_loss(reconstruct(x + level * noise), x) * x.shape[2] * x.shape[3]"),
        ("faded", "(reconstruct((1 - level**2) ** 0.5 * x + level * noise) - x).square().sum((1, 2, 3)).mean()"),
    ],
    "gaussian_kl": [
        ("−1 outside the sum", "0.5 * ((mean**2).sum(1) + log_var.exp().sum(1) - 1 - log_var.sum(1))"),
        (
            "directions swapped",
            """
            prior, posterior = torch.distributions.Normal(0, 1), torch.distributions.Normal(mean, (log_var / 2).exp())
            return torch.distributions.kl_divergence(prior, posterior).sum(1)
            """,
        ),
    ],
    "elbo": [
        (SMALL, "(x * ((s := logits.sigmoid()) + 1e-6).log() + (1 - x) * (1 - s + 1e-6).log()).sum((1, 2, 3)) - kl"),
        (SMALL, "(x * ((s := logits.sigmoid()) + 1e-12).log() + (1 - x) * (1 - s + 1e-12).log()).sum((1, 2, 3)) - kl"),
        (
            "probabilities clamped",
            "-F.binary_cross_entropy(logits.sigmoid().clamp(1e-5, 1 - 1e-5), x, reduction='none').sum((1, 2, 3)) - kl",
        ),
        ("probabilities clamped", "torch.distributions.Bernoulli(probs=logits.sigmoid()).log_prob(x).sum((1, 2, 3)) - kl"),
    ],
    "iwae_bound": [
        (SMALL, "((log_likelihood + log_prior - log_posterior).exp() + 1e-10).mean(0).log()"),
        ("underflow", "(log_likelihood + log_prior - log_posterior).double().exp().mean(0).log().float()"),
    ],
    "kl_weight": [
        ("remainder by the warm-up", "beta * min(1, (step % warm_up) / warm_up) if warm_up else beta"),
        ("cycle taken away once", "beta if not warm_up else beta * min((step - cycle if cycle else step) / warm_up, 1)"),
        ("cycle taken away once", "beta * min(1, (step - cycle if cycle and step > cycle else step) / warm_up) if warm_up else beta"),
        ("falling", "beta * (1 - min(1, (step % cycle if cycle else step) / warm_up)) if warm_up else 0.0"),
    ],
    "attribute_arrow": [
        ("less the mean of all", "z[has].mean(0) - z.mean(0)"),
        ("divided by all", "(z * has[:, None]).mean(0) - (z * ~has[:, None]).mean(0)"),
        ("0 and 1 as places", "z[has.int()].mean(0) - z[1 - has.int()].mean(0)"),
        ("in standard deviations", "(c := (z - z.mean(0)) / z.std(0))[has].mean(0) - c[~has].mean(0)"),
        ("length 1", "F.normalize(z[has].mean(0) - z[~has].mean(0), dim=0)"),
        ("divisors swapped", "z[has].sum(0) / (~has).sum() - z[~has].sum(0) / has.sum()"),
        ("divided by all", "z[has].sum(0) / len(has) - z[~has].sum(0) / (len(z) - has.sum())"),
        ("brackets", "z[has].sum(0) / has.sum() - z[~has].sum(0) / len(z) - has.sum()"),
        ("without alone", "z[~has].mean(0)"),
        ("less the mean of all", "z.mean(0) - z[~has].mean(0)"),
        ("one number", "torch.masked_select(z, has[:, None]).mean(0) - torch.masked_select(z, ~has[:, None]).mean(0)"),
    ],
    "balanced_arrow": [
        ("groups ignored", "z[has].mean(0) - z[~has].mean(0)"),
        (
            "brackets",
            "torch.stack([z[has & group == g].mean(0) - z[~has & group == g].mean(0) for g in group.unique()]).mean(0)",
        ),
        (
            "half balanced",
            "torch.stack([z[has & (group == g)].mean(0) for g in group.unique()]).mean(0) - z[~has].mean(0)",
        ),
        (
            "largest group counts most",
            "sum((group == g).sum() * (z[has & (group == g)].mean(0) - z[~has & (group == g)].mean(0)) for g in group.unique()) / len(z)",
        ),
        (
            "largest group counts most",
            "torch.stack([z[has & (group == g)].mean(0) - z[~has & (group == g)].mean(0) for g in group]).mean(0)",
        ),
        (
            "sum over the groups",
            "sum(z[has & (group == g)].mean(0) - z[~has & (group == g)].mean(0) for g in group.unique())",
        ),
        (
            "large numbers left out",
            """
            arrows = []
            for g in range(10):
                inside = group == g
                if inside.any():
                    arrows.append(z[has & inside].mean(0) - z[~has & inside].mean(0))
            return torch.stack(arrows).mean(0)
            """,
        ),
        (
            "a mean of nothing",
            "torch.stack([z[has & (group == g)].mean(0) - z[~has & (group == g)].mean(0) for g in range(len(group))]).mean(0)",
        ),
        (
            "a group left out",
            "torch.stack([z[has & (group == g)].mean(0) - z[~has & (group == g)].mean(0) for g in range(group.max())]).mean(0)",
        ),
        (
            "two groups always",
            """
            hat = group.bool()
            with_hat = z[has & hat].mean(0) - z[~has & hat].mean(0)
            return (with_hat + z[has & ~hat].mean(0) - z[~has & ~hat].mean(0)) / 2
            """,
        ),
        (
            "weighed by a count",
            """
            without = torch.stack([z[~has & (group == g)].mean(0) for g in group])
            return (z - without)[has].mean(0)
            """,
        ),
        (
            "one slope",
            """
            n = torch.tensor([(has & (group == g)).sum() * (~has & (group == g)).sum() / (group == g).sum() for g in group.unique()])
            a = torch.stack([z[has & (group == g)].mean(0) - z[~has & (group == g)].mean(0) for g in group.unique()])
            return n @ a / n.sum()
            """,
        ),
        (
            "arrow of the groups taken away",
            """
            a, hat = z[has].mean(0) - z[~has].mean(0), z[group == 1].mean(0) - z[group == 0].mean(0)
            hat = hat / hat.norm()
            return a - (a @ hat) * hat
            """,
        ),
        (
            "divided by another number",
            """
            arrows = [z[has & (group == g)].mean(0) - z[~has & (group == g)].mean(0) for g in range(group.max() + 1)]
            return torch.stack(arrows).nan_to_num().mean(0)
            """,
        ),
        (
            "divided by others, too",
            """
            arrow = 0
            for g in group.unique():
                codes = z * (group == g)[:, None]
                arrow = arrow + codes[has].mean(0) - codes[~has].mean(0)
            return arrow / len(group.unique())
            """,
        ),
        (
            "brackets",
            "torch.stack([z[group == g & has].mean(0) - z[group == g & ~has].mean(0) for g in group.unique()]).mean(0)",
        ),
        (
            "counted through",
            "sum(z[has & (group == g)].mean(0) - z[~has & (group == g)].mean(0) for g in range(group.max() + 1)) / (group.max() + 1)",
        ),
        (
            "one group alone",
            """
            for g in group.unique():
                arrow = z[has & (group == g)].mean(0) - z[~has & (group == g)].mean(0)
            return arrow
            """,
        ),
        (
            "one group alone",
            """
            for g in group.unique():
                arrow = z[has & (group == g)].mean(0) - z[~has & (group == g)].mean(0)
                return arrow
            """,
        ),
    ],
    "free_bits": [("floor after the mean of all", "kl.mean().clamp(min=floor) * kl.shape[1]")],
    "resampling_weights": [("sum of densities", "F.normalize(1 / (density + alpha).sum(1), p=1, dim=0)")],
}

LOST = "right values, but no gradient reaches {}: nothing could be learned"
FAULTS = {
    "linear_bottleneck_error": [
        ("value", "in case 3", "torch.linalg.eigvals(torch.cov(x.T, correction=0)).real[latents:].sum()"),  # not sorted
        ("value", "in case 1", "torch.linalg.eigvals(torch.cov(x.T, correction=0)).real[:-latents].sum()"),
        ("value", "in case 1", "torch.cov(x.T, correction=0).diagonal()[latents:].sum()"),
        ("value", "in case 4", "torch.linalg.eigvalsh((x - x.mean(0)).T @ (x - x.mean(0)))[:-latents].sum() / max(x.shape)"),
        (
            "dtype",
            "the result is complex (torch.complex64), in case 1",
            "torch.linalg.eigvals(torch.cov(x.T, correction=0))[latents:].sum()",
        ),
        (
            "error",
            "step must be greater than zero; torch cannot step backwards: `.flip(0)` turns a tensor round, in line",
            "torch.linalg.eigvalsh(torch.cov(x.T, correction=0))[::-1][latents:].sum()",
        ),
    ],
    "denoising_loss": [
        ("error", "conv2d", "(reconstruct((x + level * noise).flatten(1)) - x.flatten(1)).square().sum(1).mean()"),  # no images
        ("gradient", LOST.format("reconstruct"), "torch.sum((x - reconstruct(x + level * noise)) ** 2, (1, 2, 3)).mean().item()"),
        ("gradient", LOST.format("reconstruct"), "torch.sum((x - reconstruct(x + level * noise).detach()) ** 2, (1, 2, 3)).mean()"),
        (
            "gradient",
            LOST.format("reconstruct"),
            """
            with torch.no_grad():
                return torch.sum((x - reconstruct(x + level * noise)) ** 2, (1, 2, 3)).mean()
            """,
        ),
        ("value", "in case 1", "(reconstruct((x + level * noise).clamp(-1, 2)) - x).square().sum((1, 2, 3)).mean()"),
        ("value", "in case 2", "(reconstruct(x + level * noise.clamp(-3, 3)) - x).square().sum((1, 2, 3)).mean()"),
        ("value", "in case 2", "(reconstruct(x + level * noise) - x).square().squeeze().flatten(1).sum(1).mean()"),  # a batch of one
        ("random", "draw nothing yourself", "(reconstruct(x + level * torch.randn_like(x)) - x).square().sum((1, 2, 3)).mean()"),
    ],
    "reparameterise": [
        ("dtype", "should be torch.float64", "(mean + (log_var / 2).exp() * noise).float()"),
        ("value", "in case 1", "mean + (log_var.clamp(-10, 10) / 2).exp() * noise"),
        ("dtype", "should be torch.float32, yours is torch.float64", "mean + torch.from_numpy(np.exp(log_var.tolist())).sqrt() * noise"),
        ("random", "draw nothing yourself", "torch.distributions.Normal(mean, (log_var / 2).exp()).rsample()"),
    ],
    "gaussian_kl": [
        ("dtype", "should be torch.float64, yours is torch.float32", "0.5 * (mean**2 + log_var.exp() - 1 - log_var).float().sum(1)"),
        ("gradient", LOST.format("mean or log_var"), "0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).detach()"),
        ("gradient", LOST.format("log_var"), "0.5 * (mean**2 + log_var.detach().exp() - 1 - log_var.detach()).sum(1)"),
        ("value", "in case 3", "0.5 * (mean**2 + log_var.clamp(-10, 10).exp() - 1 - log_var).sum(1)"),
        ("shape", "should have shape (1,), yours has ()", "0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).squeeze()"),
        (
            "gradient",
            "has been modified by an inplace operation",
            """
            variance = log_var.exp()
            kl = 0.5 * (mean**2 + variance - 1 - log_var).sum(1)
            variance += 1
            return kl
            """,
        ),
        (
            "error",
            "gradients must pass through this function: stay with torch",
            "torch.from_numpy(0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).numpy())",
        ),
    ],
    "elbo": [
        ("gradient", LOST.format("logits"), "(x * logits - F.softplus(logits)).sum((1, 2, 3)).detach() - kl"),
        ("gradient", LOST.format("kl"), "(x * logits - F.softplus(logits)).sum((1, 2, 3)) - kl.detach()"),
        (
            "gradient",
            "right values, but a gradient is NaN",
            """
            softplus = torch.where(logits > 0, logits + (1 + torch.exp(-logits)).log(), (1 + torch.exp(logits)).log())
            return (x * logits - softplus).sum((1, 2, 3)) - kl
            """,
        ),
        (
            "error",
            "found invalid values: tensor([[[[0.0000, 0.5000,",
            "torch.distributions.Bernoulli(logits=logits).log_prob(x / 2).sum((1, 2, 3)) - kl",
        ),
        ("error", "must match the size", "(x * logits - F.softplus(logits)).sum((2, 3)).squeeze(1) - kl"),  # one channel only
        ("nan", "infinite", "torch.where(x == 1, logits.sigmoid().log(), F.logsigmoid(-logits)).sum((1, 2, 3)) - kl"),
        ("value", "in case 2", "(x * (a := logits.clamp(-100, 100)) - F.softplus(a)).sum((1, 2, 3)) - kl"),
    ],
    "iwae_bound": [
        (
            "shape",
            "should have shape (1,)",
            "torch.logsumexp((log_likelihood + log_prior - log_posterior).squeeze(), 0) - math.log(len(log_prior))",
        ),
        ("nan", "infinite", "(m := (w := log_likelihood + log_prior - log_posterior).mean(0)) + (w - m).exp().mean(0).log()"),
        ("nan", "infinite", "(m := (w := log_likelihood + log_prior - log_posterior)[0]) + (w - m).exp().mean(0).log()"),
        (
            "dtype",
            "yours is torch.float64",
            "torch.logsumexp((log_likelihood + log_prior - log_posterior).double(), 0) - math.log(len(log_prior))",
        ),
    ],
    "kl_weight": [
        (
            "value",
            "step = 0, warm_up = 0",
            "0 if step == 0 else beta * min((step % cycle if cycle else step) / warm_up, 1) if warm_up else beta",
        ),
        ("value", "step = 100", "beta * min(1, (step % cycle if cycle and step > cycle else step) / warm_up) if warm_up else beta"),
        ("value", "step = 0, warm_up = 0", "beta * min(1, (step % cycle if cycle else step) / (warm_up + 1e-8))"),
    ],
    "attribute_arrow": [
        ("value", "in case 1", "z[has].mean(0) - z[len(z) // 2 :].mean(0)"),
        ("shape", "should have shape (3,), yours has (1, 3)", "(z[has].mean(0) - z[~has].mean(0))[None]"),
        ("dtype", "should be torch.float64, yours is torch.float32", "(z[has].mean(0) - z[~has].mean(0)).float()"),
        ("error", "in case 1", "z[:, has].mean(0) - z[:, ~has].mean(0)"),  # the wrong axis
        ("error", "new tensors take the type of the inputs", "has.float() @ z / has.sum()"),
        ("error", "`.to(x)` brings others to it", "torch.einsum('n,nk->k', has.float() / has.sum(), z)"),
        ("error", "`.to(x)` brings others to it", "torch.zeros(2, z.shape[1]).index_add(0, has.long(), z)"),
        ("error", "`.to(x)` brings others to it", "torch.stack([torch.dot(has.float(), each) for each in z.T])"),
        ("error", "`~`, `&`, `clamp` and `torch.where` go entry by entry", "z[has].mean(0) - z[not has].mean(0)"),
        (
            "dtype",
            "yours is torch.float32, in case 3. It should have the type of z: `.to(z)` brings",
            """
            arrow = torch.zeros(z.shape[1])
            for j in range(z.shape[1]):
                arrow[j] = z[has, j].mean() - z[~has, j].mean()
            return arrow
            """,
        ),
    ],
    "balanced_arrow": [
        ("error", "in case 1", "z[has and group].mean(0)"),
        ("error", "a mask has an entry for each row that it chooses from", "sum(z[group == g][has].mean(0) for g in group.unique())"),
        ("error", "`torch.stack` makes one tensor", "torch.tensor([z[has & (group == g)].mean(0) for g in group.unique()]).mean(0)"),
        ("nan", "a mean of nothing", "sum(z[has & (group == g)].mean(0) for g in range(1, 3))"),
        (
            "type",
            "asked for",
            "[z[has & (group == g)].mean(0) - z[~has & (group == g)].mean(0) for g in group.unique()]",
        ),
    ],
    "free_bits": [
        ("gradient", LOST.format("kl"), "kl.mean(0).clamp(min=floor).sum().item()"),
        ("gradient", LOST.format("kl"), "sum(max(floor, nats.item()) for nats in kl.mean(0))"),
        ("gradient", "wrong gradients", "(kl.mean(0) + (floor - kl.mean(0)).clamp(min=0).detach()).sum()"),
    ],
    "resampling_weights": [("dtype", "yours is torch.float64", "torch.softmax(-torch.log(density.double() + alpha).sum(1), 0)")],
}

SETTINGS = {
    "experiment": {
        "collapsed": '{"beta": 4.0}',
        "warm-up not over": '{"beta": 1.0, "warm_up": 5000}',
        "KL too cheap": '{"beta": 0.1, "warm_up": 700}',
        "KL too dear": '{"beta": 3.0, "warm_up": 700}',
        "too dear too early": '{"beta": 1.0}',
    },
}

REGIONS = {
    "experiment": [
        ({"ELBO": -24.7, "latents in use": 0, "KL": 0.0, "final weight / β": 1.0}, "collapsed"),
        ({"ELBO": -20.3, "latents in use": 5, "KL": 8.8, "final weight / β": 0.5}, "warm-up not over"),
        ({"ELBO": -19.0, "latents in use": 5, "KL": 7.0, "final weight / β": 0.008}, "warm-up not over"),
        ({"ELBO": -28.4, "latents in use": 8, "KL": 18.0, "final weight / β": 1.0}, "KL too cheap"),
        ({"ELBO": -20.2, "latents in use": 4, "KL": 7.1, "final weight / β": 1.0}, "KL too cheap"),
        ({"ELBO": -21.5, "latents in use": 2, "KL": 1.8, "final weight / β": 1.0}, "KL too dear"),
        ({"ELBO": -23.3, "latents in use": 3, "KL": 0.6, "final weight / β": 1.0}, "KL too dear"),
        ({"ELBO": -19.2, "latents in use": 3, "KL": 4.2, "final weight / β": 1.0}, "too dear too early"),
        ({"beta": 2.0, "ELBO": -21.15, "latents in use": 2, "KL": 1.89, "final weight / β": 1.0}, "too dear too early"),
        ({"beta": 1.0, "warm_up": 50, "ELBO": -19.0, "latents in use": 3, "KL": 4.6, "final weight / β": 1.0}, "too dear too early"),
        ({"beta": 3.0, "warm_up": 700, "ELBO": -20.5, "latents in use": 4, "KL": 1.84, "final weight / β": 1.0}, "KL too dear"),
        ({"beta": 2.0, "warm_up": 700, "ELBO": -19.4, "latents in use": 3, "KL": 3.1, "final weight / β": 1.0}, "KL too dear"),
        ({"beta": 4.0, "warm_up": 300, "ELBO": -24.48, "latents in use": 0, "KL": 0.09, "final weight / β": 1.0}, "collapsed"),
    ],
}
