"""What autoencoders are good for, beside samples: repair, resampling, and the study of posterior collapse."""

import torch
from torch import Tensor

from ..nn import checked, images, tensors
from .models import VAE


def inpaint(vae: VAE, x: Tensor, known: Tensor, steps: int = 150, lr: float = 0.1, starts: int = 8, watch=None) -> Tensor:
    """Fill the unknown pixels by looking for the z that explains the known ones best.

    Minimises −log p(x_known | z) − log p(z) over z with Adam, from several starts for each image; the best one is kept.

    Args:
        x: (batch, *shape); what stands in unknown pixels does not matter
        known: the same shape or (*shape), bool, True where a pixel is given
        watch: `watch(step, images)`, for a film of the search

    Returns:
        (batch, *shape): known pixels as given, the others as decoded
    """
    checked(x, "x", finite=False)  # anything may stand where it is not known
    checked(known, "known")
    if known.dtype != torch.bool or tuple(known.shape) not in (tuple(x.shape), vae.shape):
        got = f"{known.dtype} of shape {tuple(known.shape)}"
        raise ValueError(f"known must be bool, True where a pixel is given, of the shape of x or of one image, got {got}")
    known = known.to(x.device).expand_as(x)
    x = torch.where(known, x, 0.0)  # whatever stands there, NaN too: the search must not see it
    x = images(x, vae)
    weight = known.to(x.dtype)
    z = vae.prior.sample(starts * len(x), vae).view(starts, len(x), -1).requires_grad_(True)
    optimiser = torch.optim.Adam([z], lr=lr)

    def energy():
        # log p(x_known | z): pixels are independent given z, so unknown ones are left out of the sum
        logits = vae.logits(z)
        each = torch.nn.functional.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")
        return (each * weight).flatten(2).sum(2) - vae.prior.log_prob(z, vae)

    with torch.enable_grad():
        for step in range(steps):
            # grad, not backward: the weights of the model must not collect gradients
            (z.grad,) = torch.autograd.grad(energy().sum(), z)
            optimiser.step()
            if watch:
                watch(step, torch.where(known, x, vae.decode(z[0].detach())))
    with torch.no_grad():
        best = z[energy().argmin(0), torch.arange(len(x))]
        return torch.where(known, x, vae.decode(best))


@tensors(finite="codes")
def resampling_weights(codes: Tensor, alpha: float = 0.01, bins: int = 10) -> Tensor:
    """Probabilities that draw rare latent codes more often: w(x) ∝ Π_j 1 / (h_j(z_j) + α).

    Args:
        codes: (n, latents), posterior means
        alpha: smoothing; the larger, the nearer to uniform
        bins: of the histogram h_j of each latent: the share of codes in each bin, over the latent's own range

    Returns:
        (n,), sums to 1

    Source: Amini et al. 2019 (doi:10.1145/3306618.3314243), equation 5.
    """
    if alpha <= 0:
        raise ValueError(f"alpha must be positive, got {alpha}")
    if codes.ndim != 2 or not len(codes):
        raise ValueError(f"codes must be (n, latents), n above 0, got {tuple(codes.shape)}")
    log_w = torch.zeros(len(codes), dtype=torch.float64)
    for z in codes.double().cpu().T:
        low, high = z.min(), z.max()
        index = ((z - low) / (high - low).clamp(min=1e-12) * bins).long().clamp(max=bins - 1)
        share = torch.bincount(index, minlength=bins) / len(z)
        # sums of logs: a product over forty latents would underflow
        log_w -= (share[index] + alpha).log()
    return log_w.softmax(0)


@tensors(whole="groups")
def balancing_weights(groups: Tensor) -> Tensor:
    """Probabilities that draw every group equally often: w(x) ∝ 1 / (how many examples its group has).

    Args:
        groups: (n,) whole numbers, or (n, factors): then each combination that occurs is a group

    Returns:
        (n,), sums to 1
    """
    if groups.ndim not in (1, 2) or not groups.numel() or groups.is_floating_point() or groups.is_complex():
        raise ValueError(f"groups must be whole numbers, (n,) or (n, factors), n above 0, got {groups.dtype} of {tuple(groups.shape)}")
    _, group, counts = groups.unique(dim=0, return_inverse=True, return_counts=True)
    return 1 / (counts.double()[group] * len(counts))


ACTIVE = 0.05  # nats of KL, averaged over images: a latent below it carries next to nothing about x


def active_latents(vae: VAE, x: Tensor, threshold: float = ACTIVE) -> int:
    """How many latents cost more than `threshold` nats of KL on average: the others carry nothing about x."""
    with torch.no_grad():
        return int((vae.kl_per_latent(vae.posterior(x)).mean(0) > threshold).sum())


def beta_schedule(step: int, steps: int, kind: str = "linear", warm_up: float = 0.5, cycles: int = 4) -> float:
    """The factor on the KL at `step` of `steps`, from 0 to 1.

    kind: "none" (always 1), "linear" (rises over the first `warm_up` share of training, then stays), "cyclical" (does so `cycles` times)

    Source: Bowman et al. 2015 (arXiv:1511.06349); cyclical: Fu et al. 2019 (arXiv:1903.10145).
    """
    if kind == "none":
        return 1.0
    if kind not in ("linear", "cyclical"):
        raise ValueError(f"unknown schedule {kind!r}; choose none, linear or cyclical")
    progress = step / steps if kind == "linear" else step * cycles / steps % 1
    return min(1.0, progress / warm_up)
