"""What the two players of a GAN minimise, and the penalties that keep the discriminator tame."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..distributions import kl_divergence
from ..nn import tensors

LOSSES = ("saturating", "nonsaturating", "hinge", "wasserstein")


@tensors
def discriminator_loss(real: Tensor, fake: Tensor, kind: str = "nonsaturating") -> Tensor:
    """What the discriminator minimises, one number.

    Args:
        real, fake: (batch,) its scores before any sigmoid, for data and for generated samples
        kind: "saturating" and "nonsaturating" share the cross-entropy; "hinge"; "wasserstein", the score gap of a critic

    Source: Goodfellow et al. 2014 (arXiv:1406.2661), equation 1; hinge: Lim & Ye 2017 (arXiv:1705.02894); Arjovsky et al. 2017.
    """
    check_kind(kind)
    if kind == "wasserstein":
        return fake.mean() - real.mean()
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    # −log sigmoid(s) = softplus(−s), which stays finite for any score
    return F.softplus(-real).mean() + F.softplus(fake).mean()


@tensors
def generator_loss(fake: Tensor, kind: str = "nonsaturating") -> Tensor:
    """What the generator minimises, one number: fake (batch,) are the discriminator's scores of its samples.

    "saturating" is log(1 − D), the minimax game, whose gradient vanishes where the discriminator wins; "nonsaturating" is −log D.
    """
    check_kind(kind)
    if kind == "saturating":
        return -F.softplus(fake).mean()
    if kind == "nonsaturating":
        return F.softplus(-fake).mean()
    return -fake.mean()


def check_kind(kind: str) -> None:
    if kind not in LOSSES:
        raise ValueError(f"unknown loss {kind!r}; choose one of {', '.join(LOSSES)}")


@tensors
def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, share: Tensor | None = None) -> Tensor:
    """Mean of (‖∇ critic‖ − 1)² at points between real and fake, one number.

    Args:
        critic: (batch, ...) → (batch,)
        real, fake: of one shape
        share: where between the two, one number in [0, 1] for each example, (batch,); drawn when left out

    Source: Gulrajani et al. 2017 (arXiv:1704.00028), algorithm 1.
    """
    if real.shape != fake.shape:
        raise ValueError(f"real {tuple(real.shape)} and fake {tuple(fake.shape)} must have one shape")
    share = torch.rand(len(real), device=real.device) if share is None else share
    if share.shape != real.shape[:1]:
        raise ValueError(f"share must be one number for each example, but has shape {tuple(share.shape)} instead of ({len(real)},)")
    share = share.view(-1, *[1] * (real.dim() - 1))  # the paper's ε: one an example, not one a pixel
    between = (real.detach() + share * (fake.detach() - real.detach())).requires_grad_()
    return (gradient_norm(critic, between) - 1).square().mean()


@tensors
def zero_centred_penalty(critic: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Mean of ‖∇ critic‖² / 2 at the points x, one number: R1 when x is real. It makes the game converge near its equilibrium.

    Source: Mescheder, Geiger & Nowozin 2018 (arXiv:1801.04406), equation 9.
    """
    return 0.5 * gradient_norm(critic, x.detach().requires_grad_()).square().mean()


@torch.no_grad()
def clip_weights(critic: nn.Module, limit: float) -> None:
    """WGAN's first cure: cut every weight to [−limit, limit], in place. Source: Arjovsky et al. 2017 (arXiv:1701.07875), algorithm 1."""
    for p in critic.parameters():
        p.clamp_(-limit, limit)


def gradient_norm(critic: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Length of the gradient over all axes of each example, (batch,), differentiable once more."""
    (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return gradient.flatten(1).norm(dim=1)


@tensors
def optimal_discriminator(log_data: Tensor, log_model: Tensor) -> Tensor:
    """The best answer to a fixed generator, D*(x) = p(x) / (p(x) + q(x)), from log-densities of any shape.

    Source: Goodfellow et al. 2014, proposition 1.
    """
    return torch.sigmoid(log_data - log_model)


@tensors
def js_divergence(p: Tensor, q: Tensor) -> Tensor:
    """Jensen–Shannon divergence of two probability tables of one shape, nats: between 0 and log 2.

    At the optimal discriminator the minimax value is 2·JS − 2·log 2.
    """
    if p.shape != q.shape:
        raise ValueError(f"p {tuple(p.shape)} and q {tuple(q.shape)} must have one shape")
    middle = (p + q) / 2
    return 0.5 * (kl_divergence(p, middle) + kl_divergence(q, middle))
