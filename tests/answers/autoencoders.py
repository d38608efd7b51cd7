"""Exercise 02."""

ANSWERS = {
    "linear_bottleneck_error": (
        "x, latents",
        "torch.linalg.svdvals(x - x.mean(0))[latents:].pow(2).sum() / len(x)",
        {
            "not centred": "torch.linalg.svdvals(x)[latents:].pow(2).sum() / len(x)",
            "each image centred": "torch.linalg.svdvals(x - x.mean(1, keepdim=True))[latents:].pow(2).sum() / len(x)",
            "kept, not lost": "torch.linalg.svdvals(x - x.mean(0))[:latents].pow(2).sum() / len(x)",
            "smallest first": "torch.linalg.eigvalsh(torch.cov(x.T, correction=0))[latents:].sum()",
            "the r smallest": "torch.linalg.eigvalsh(torch.cov(x.T, correction=0))[:latents].sum()",
            "n − 1": "torch.linalg.eigvalsh(torch.cov(x.T))[: x.shape[1] - latents].sum()",
            "singular values not squared": "torch.linalg.svdvals(x - x.mean(0))[latents:].sum()",
            "not divided by n": "torch.linalg.svdvals(x - x.mean(0))[latents:].pow(2).sum()",
            "divided by the pixels": "torch.linalg.eigvalsh((x - x.mean(0)).T @ (x - x.mean(0)) / x.shape[1]).flip(0)[latents:].sum()",
            "images as variables": "torch.linalg.eigvalsh(torch.cov(x)).flip(0)[latents:].sum()",
            "averaged over pixels": "torch.linalg.svdvals(x - x.mean(0))[latents:].pow(2).sum() / x.numel()",
            "averaged over what is lost": "torch.linalg.eigvalsh(torch.cov(x.T, correction=0))[:-latents].mean()",
            "one too many kept": "torch.linalg.svdvals(x - x.mean(0))[latents + 1 :].pow(2).sum() / len(x)",
            "one too few kept": "torch.linalg.svdvals(x - x.mean(0))[latents - 1 :].pow(2).sum() / len(x)",
            "share of the variance": "(s := torch.linalg.svdvals(x - x.mean(0)).pow(2))[latents:].sum() / s.sum()",
        },
    ),
    "denoising_loss": (
        "x, noise, level, reconstruct",
        "torch.sum((x - reconstruct(x + level * noise)) ** 2, (1, 2, 3)).mean()",
        {
            "noisy target": "torch.sum((x + level * noise - reconstruct(x + level * noise)) ** 2, (1, 2, 3)).mean()",
            "no noise": "torch.sum((x - reconstruct(x)) ** 2, (1, 2, 3)).mean()",
            "noise on the target": "torch.sum((x + level * noise - reconstruct(x)) ** 2, (1, 2, 3)).mean()",
            "noise after the network": "torch.sum((x - reconstruct(x) - level * noise) ** 2, (1, 2, 3)).mean()",
            "the noise as target": "torch.sum((noise - reconstruct(x + level * noise)) ** 2, (1, 2, 3)).mean()",
            "noise taken away": "torch.sum((x - reconstruct(x - level * noise)) ** 2, (1, 2, 3)).mean()",
            "faded": "torch.sum((x - reconstruct(torch.lerp(x, noise, level))) ** 2, (1, 2, 3)).mean()",
            "clamped": "torch.sum((x - reconstruct(torch.clamp(x + level * noise, 0, 1))) ** 2, (1, 2, 3)).mean()",
            "level ignored": "torch.sum((x - reconstruct(x + noise)) ** 2, (1, 2, 3)).mean()",
            "variance for level": "torch.sum((x - reconstruct(x + math.sqrt(level) * noise)) ** 2, (1, 2, 3)).mean()",
            "level squared": "torch.sum((x - reconstruct(x + level**2 * noise)) ** 2, (1, 2, 3)).mean()",
            "averaged over pixels": "F.mse_loss(reconstruct(x + level * noise), x)",
            "averaged over channels": "torch.sum((x - reconstruct(x + level * noise)) ** 2, (2, 3)).mean()",
            "summed over channels only": "torch.sum((x - reconstruct(x + level * noise)) ** 2, 1).mean()",
            "length not squared": "torch.sqrt(torch.sum((x - reconstruct(x + level * noise)) ** 2, (1, 2, 3))).mean()",
            "half": "0.5 * torch.sum((x - reconstruct(x + level * noise)) ** 2, (1, 2, 3)).mean()",
            "summed over the batch": "F.mse_loss(reconstruct(x + level * noise), x, reduction='sum')",
            "one per image": "torch.sum((x - reconstruct(x + level * noise)) ** 2, (1, 2, 3))",
            "not squared": "torch.sum(abs(x - reconstruct(x + level * noise)), (1, 2, 3)).mean()",
        },
    ),
    "reparameterise": (
        "mean, log_var, noise",
        "mean + torch.exp(log_var / 2) * noise",
        {
            "log σ² used as σ": "mean + log_var * noise",
            "σ² for σ": "mean + torch.exp(log_var) * noise",
            "root of log σ²": "mean + log_var.sqrt() * noise",
            "half σ² for σ": "mean + 0.5 * log_var.exp() * noise",
            "exponent doubled": "mean + torch.exp(2 * log_var) * noise",
            "divided by σ": "mean + noise / torch.exp(log_var / 2)",
            "softplus": "mean + F.softplus(log_var) * noise",
            "σ added": "mean + torch.exp(log_var / 2) + noise",
            "noise taken away": "mean - torch.exp(log_var / 2) * noise",
            "noise not scaled": "mean + noise",
            "noise left out": "mean",
            "mean left out": "torch.exp(log_var / 2) * noise",
            "mean scaled too": "torch.exp(log_var / 2) * (mean + noise)",
            "gradient cut at σ": "mean + torch.exp(log_var.data / 2) * noise",
        },
    ),
    "gaussian_kl": (
        "mean, log_var",
        "-0.5 * torch.sum(1 + log_var - mean**2 - torch.exp(log_var), dim=1)",
        {
            "lost half": "(mean**2 + log_var.exp() - 1 - log_var).sum(1)",
            "mean over latents": "-0.5 * torch.mean(1 + log_var - mean**2 - torch.exp(log_var), dim=1)",
            "sign": "0.5 * torch.sum(1 + log_var - mean**2 - torch.exp(log_var), dim=1)",
            "σ for log σ²": "0.5 * (mean**2 + log_var.exp() ** 2 - 1 - 2 * log_var).sum(1)",
            "σ for σ²": "0.5 * (mean**2 + (0.5 * log_var).exp() - 1 - log_var).sum(1)",
            "log σ² squared": "0.5 * (mean**2 + log_var**2 - 1 - log_var).sum(1)",
            "summed over the batch": "-0.5 * torch.sum(1 + log_var - mean**2 - torch.exp(log_var))",
            "averaged over the batch": "-0.5 * torch.sum(1 + log_var - mean**2 - torch.exp(log_var), dim=1).mean()",
            "summed over axis 0": "-0.5 * torch.sum(1 + log_var - mean**2 - torch.exp(log_var), dim=0)",
            "μ not squared": "-0.5 * torch.sum(1 + log_var - mean - torch.exp(log_var), dim=1)",
            "μ² left out": "-0.5 * torch.sum(1 + log_var - torch.exp(log_var), dim=1)",
            "σ² left out": "-0.5 * torch.sum(1 + log_var - mean**2, dim=1)",
            "log σ² left out": "-0.5 * torch.sum(1 - mean**2 - torch.exp(log_var), dim=1)",
            "½ before μ² alone": "(0.5 * mean**2 + torch.exp(log_var) - 1 - log_var).sum(1)",
            "−1 outside the sum": "0.5 * ((mean**2 + torch.exp(log_var) - log_var).sum(1) - 1)",
            "+1 for −1": "0.5 * (mean**2 + torch.exp(log_var) + 1 - log_var).sum(1)",
            "lost −1": "0.5 * (mean**2 + log_var.exp() - log_var).sum(1)",
            "sign of log σ²": "0.5 * (mean**2 + log_var.exp() - 1 + log_var).sum(1)",
            "directions swapped": "0.5 * (log_var + (1 + mean**2) / log_var.exp() - 1).sum(1)",
        },
    ),
    "elbo": (
        "x, logits, kl",
        "(x * logits - F.softplus(logits)).sum((1, 2, 3)) - kl",
        {
            "the loss": "kl + F.binary_cross_entropy_with_logits(logits, x, reduction='none').sum((1, 2, 3))",
            "−log p for log p": "F.binary_cross_entropy_with_logits(logits, x, reduction='none').sum((1, 2, 3)) - kl",
            "averaged over everything": "-F.binary_cross_entropy_with_logits(logits, x) - kl",
            "summed over everything": "-F.binary_cross_entropy_with_logits(logits, x, reduction='sum') - kl",
            "averaged over the images": "-F.binary_cross_entropy_with_logits(logits, x, reduction='sum') / len(x) - kl",
            "arguments swapped": "-F.binary_cross_entropy_with_logits(x, logits, reduction='none').sum((1, 2, 3)) - kl",
            "sign of the logits": "(-x * logits - F.softplus(-logits)).sum((1, 2, 3)) - kl",
            "KL added": "(x * logits - F.softplus(logits)).sum((1, 2, 3)) + kl",
            "KL left out": "(x * logits - F.softplus(logits)).sum((1, 2, 3))",
            "KL in every pixel": "(x * logits - F.softplus(logits) - kl[:, None, None, None]).sum((1, 2, 3))",
            "averaged over pixels": "(x * logits - F.softplus(logits)).mean((1, 2, 3)) - kl",
            "averaged over the batch": "((x * logits - F.softplus(logits)).sum((1, 2, 3)) - kl).mean()",
            "sigmoid, then log": (
                "(x * torch.log(torch.sigmoid(logits)) + (1 - x) * torch.log(1 - torch.sigmoid(logits))).sum((1, 2, 3)) - kl"
            ),
            "sigmoid, then clamped log": "-F.binary_cross_entropy(torch.sigmoid(logits), x, reduction='none').sum((1, 2, 3)) - kl",
            "probabilities clamped": """
                s = torch.sigmoid(logits).clamp(1e-7, 1 - 1e-7)
                return -F.binary_cross_entropy(s, x, reduction="none").sum((1, 2, 3)) - kl
            """,
            "a small number in the log": """
                s = torch.sigmoid(logits)
                return (x * torch.log(s + 1e-8) + (1 - x) * torch.log(1 - s + 1e-8)).sum((1, 2, 3)) - kl
            """,
            "sigmoid twice": "-F.binary_cross_entropy_with_logits(logits.sigmoid(), x, reduction='none').sum((1, 2, 3)) - kl",
            "squared error": "-((x - torch.sigmoid(logits)) ** 2).sum((1, 2, 3)) - kl",
            "dark pixels forgotten": "-(x * F.softplus(-logits)).sum((1, 2, 3)) - kl",
        },
    ),
    "iwae_bound": (
        "log_likelihood, log_prior, log_posterior",
        "torch.logsumexp(log_likelihood + log_prior - log_posterior, 0) - math.log(len(log_prior))",
        {
            "mean of the logs": "(log_likelihood + log_prior - log_posterior).mean(0)",
            "log k forgotten": "torch.logsumexp(log_likelihood + log_prior - log_posterior, 0)",
            "log k added": "torch.logsumexp(log_likelihood + log_prior - log_posterior, 0) + math.log(len(log_prior))",
            "log of the batch": "torch.logsumexp(log_likelihood + log_prior - log_posterior, 0) - math.log(log_prior.shape[1])",
            "divided by k after the log": "torch.logsumexp(log_likelihood + log_prior - log_posterior, 0) / log_prior.shape[0]",
            "underflow": "torch.log(torch.mean(torch.exp(log_likelihood + log_prior - log_posterior), 0))",
            "a small number in the log": "torch.log(torch.mean(torch.exp(log_likelihood + log_prior - log_posterior), 0) + 1e-8)",
            "one largest for the batch": (
                "(m := (w := log_likelihood + log_prior - log_posterior).max()) + torch.log(torch.exp(w - m).mean(0))"
            ),
            "largest not added back": ("torch.log(torch.exp((w := log_likelihood + log_prior - log_posterior) - w.max(0).values).mean(0))"),
            "wrong axis": "torch.logsumexp(log_likelihood + log_prior - log_posterior, 1) - math.log(log_prior.shape[1])",
            "posterior multiplied": "torch.logsumexp(log_likelihood + log_prior + log_posterior, 0) - math.log(len(log_prior))",
            "posterior left out": "torch.logsumexp(log_likelihood + log_prior, 0) - math.log(len(log_prior))",
            "prior left out": "torch.logsumexp(log_likelihood - log_posterior, 0) - math.log(len(log_prior))",
            "prior and posterior swapped": "torch.logsumexp(log_likelihood + log_posterior - log_prior, 0) - math.log(len(log_prior))",
            "likelihood alone": "torch.logsumexp(log_likelihood, 0) - math.log(len(log_prior))",
            "three sums": """
                k = len(log_prior)
                return log_likelihood.logsumexp(0) + log_prior.logsumexp(0) - log_posterior.logsumexp(0) - math.log(k)
            """,
            "largest weight": "(log_likelihood + log_prior - log_posterior).max(0).values",
        },
    ),
    "kl_weight": (
        "step, warm_up, beta, cycle=None",
        "beta if not warm_up else beta * min((step % cycle if cycle else step) / warm_up, 1)",
        {
            "no cap": "beta if not warm_up else beta * (step % cycle if cycle else step) / warm_up",
            "max for min": "beta if not warm_up else beta * max((step % cycle if cycle else step) / warm_up, 1)",
            "β forgotten": "beta if not warm_up else min((step % cycle if cycle else step) / warm_up, 1.0)",
            "capped at 1": "beta if not warm_up else min(1.0, beta * (step % cycle if cycle else step) / warm_up)",
            "capped at β": "beta if not warm_up else min(beta, (step % cycle if cycle else step) / warm_up)",
            "0 without a warm-up": "0.0 if not warm_up else beta * min((step % cycle if cycle else step) / warm_up, 1)",
            "a jump": "beta if not warm_up else beta * min((step % cycle if cycle else step) // warm_up, 1)",
            "falling": "beta if not warm_up else beta * max(0.0, 1 - (step % cycle if cycle else step) / warm_up)",
            "cycle ignored": "beta if not warm_up else beta * min(step / warm_up, 1)",
            "cycle taken away once": "beta if not warm_up else beta * min((step - cycle if cycle else step) / warm_up, 1)",
            "cycle shifted": "beta if not warm_up else beta * min(((step - warm_up) % cycle if cycle else step) / warm_up, 1)",
            "remainder by the warm-up": "beta if not warm_up else beta * min((step % warm_up if cycle else step) / warm_up, 1)",
            "cycles counted": "beta if not warm_up else beta * min((step // cycle if cycle else step) / warm_up, 1)",
            "ramp over the whole cycle": (
                "beta * (step % cycle) / cycle if cycle else (beta if not warm_up else beta * min(step / warm_up, 1))"
            ),
            "one step early": "beta if not warm_up else beta * min(((step % cycle if cycle else step) + 1) / warm_up, 1)",
        },
    ),
    "detect": (
        "normal_scores, scores, rate",
        "(torch.quantile(normal_scores, 1 - rate), scores > torch.quantile(normal_scores, 1 - rate))",
        {
            "wrong tail": "(torch.quantile(normal_scores, rate), scores > torch.quantile(normal_scores, rate))",
            "threshold from the new data": "(torch.quantile(scores, 1 - rate), scores > torch.quantile(scores, 1 - rate))",
            "threshold from both": "(t := torch.quantile(torch.hstack([scores, normal_scores]), 1 - rate), scores > t)",
            "flags reversed": "(torch.quantile(normal_scores, 1 - rate), scores < torch.quantile(normal_scores, 1 - rate))",
            "percent": "(torch.quantile(normal_scores, 1 - rate / 100), scores > torch.quantile(normal_scores, 1 - rate / 100))",
            "mean plus two σ": (
                "(normal_scores.mean() + 2 * normal_scores.std(), scores > normal_scores.mean() + 2 * normal_scores.std())"
            ),
            "the maximum": "(max(normal_scores), scores > max(normal_scores))",
            "the threshold flagged": "(torch.quantile(normal_scores, 1 - rate), scores >= torch.quantile(normal_scores, 1 - rate))",
            "no interpolation": "(t := normal_scores.sort()[0][int(len(normal_scores) * (1 - rate))], scores > t)",
            "rounded down": "(t := torch.quantile(normal_scores, 1 - rate, interpolation='lower'), scores > t)",
            "sign of the scores lost": "(torch.quantile(normal_scores, 1 - rate), abs(scores) > torch.quantile(normal_scores, 1 - rate))",
            "two-sided": "(torch.quantile(normal_scores, 1 - rate / 2), scores > torch.quantile(normal_scores, 1 - rate / 2))",
        },
    ),
    "auroc": (
        "normal_scores, anomalous_scores",
        "(0.5 + 0.5 * torch.sign(anomalous_scores[:, None] - normal_scores[None])).mean()",
        {
            "reversed": "(0.5 + 0.5 * torch.sign(normal_scores[:, None] - anomalous_scores[None])).mean()",
            "ties lost": "(anomalous_scores[:, None] > normal_scores[None]).float().mean()",
            "ties won": "(anomalous_scores[:, None] >= normal_scores[None]).float().mean()",
            "counted": "(0.5 + 0.5 * torch.sign(anomalous_scores[:, None] - normal_scores[None])).sum()",
            "divided by the images": (
                "(0.5 + 0.5 * torch.sign(anomalous_scores[:, None] - normal_scores)).sum() / (len(normal_scores) + len(anomalous_scores))"
            ),
            "signs averaged": "torch.sign(anomalous_scores[:, None] - normal_scores).mean()",
            "paired in order": "sum(0.5 + 0.5 * torch.sign(a - n) for n, a in zip(normal_scores, anomalous_scores)) / "
            "min(len(normal_scores), len(anomalous_scores))",
            "best accuracy": (
                "max(((anomalous_scores >= t).sum() + (normal_scores < t).sum()) / (len(normal_scores) + len(anomalous_scores)) "
                "for t in torch.cat([normal_scores, anomalous_scores]))"
            ),
        },
    ),
    "free_bits": (
        "kl, floor",
        "torch.clamp(kl.mean(0), min=floor).sum()",
        {
            "floor before the mean": "torch.clamp(kl, min=floor).sum(1).mean()",
            "one floor for all latents": "torch.clamp(kl.mean(0).sum(), min=floor)",
            "capped": "torch.clamp(kl.mean(0), max=floor).sum()",
            "floor added": "(kl.mean(0) + floor).sum()",
            "mean over latents": "torch.clamp(kl.mean(0), min=floor).mean()",
            "floor after the mean of all": "kl.mean().clamp(min=floor) * kl.shape[1]",
            "wrong axis": "torch.clamp(kl.mean(1), min=floor).sum()",
            "batch summed": "torch.clamp(kl.sum(0), min=floor).sum()",
            "only what lies above": "F.relu(kl.mean(0) - floor).sum()",
        },
    ),
    "resampling_weights": (
        "density, alpha",
        "torch.softmax(-torch.log(density + alpha).sum(1), 0)",
        {
            "not normalised": "torch.exp(-torch.log(density + alpha).sum(1))",
            "common, not rare": "torch.softmax(torch.log(density + alpha).sum(1), 0)",
            "sum over latents": "F.normalize((1 / (density + alpha)).sum(1), p=1, dim=0)",
            "sum of densities": "F.normalize(1 / (density.sum(1) + alpha), p=1, dim=0)",
            "softmax of the weights": "torch.softmax(1 / torch.prod(density + alpha, 1), 0)",
            "α left out": "torch.softmax(-torch.log(density).sum(1), 0)",
            "α after the product": "F.normalize(1 / (torch.prod(density, 1) + alpha), p=1, dim=0)",
        },
    ),
}

SETTINGS = {
    "experiment": {
        "collapsed": '{"beta": 4.0}',
        "warm-up not over": '{"beta": 1.0, "warm_up": 5000}',
        "KL too cheap": '{"beta": 0.1, "warm_up": 700}',
        "KL too dear": '{"beta": 2.0}',
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
    ],
}
