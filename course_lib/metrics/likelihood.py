"""Likelihoods on one scale: nats and bits, perplexity, importance sampling, and binarised models on the 256 grey levels."""

import math

import torch
from torch import Tensor

from ..distributions import bits_per_dim, log_mean_exp  # noqa: F401
from ..nn import checked


def nats_to_bits(nats: Tensor | float) -> Tensor | float:
    """Nats → bits: a nat is 1.44 bits."""
    return nats / math.log(2)


def perplexity(log_prob: Tensor, symbols: Tensor | int) -> Tensor:
    """The number of equally likely symbols that would be as hard to guess: exp(−Σ log p / symbols).

    Args:
        log_prob: of whole sequences (batch,), nats
        symbols: in each sequence, (batch,) or one number for all

    Returns:
        one number for the whole batch: every symbol counts the same, not every sequence
    """
    checked(log_prob, "log_prob", finite=False)  # −∞ is the answer to what is impossible
    symbols = torch.as_tensor(symbols)
    checked(symbols, "symbols")
    if symbols.ndim and symbols.shape != log_prob.shape or not log_prob.numel() or not (symbols > 0).all():
        raise ValueError(
            f"symbols must be above 0, one number or one for each log_prob, got {tuple(symbols.shape)} for {tuple(log_prob.shape)}"
        )
    symbols = symbols.double().expand(log_prob.shape)
    return (-log_prob.double().sum() / symbols.sum()).exp()


def levels_log_prob(log_density: Tensor, dims: int, levels: int = 256) -> Tensor:
    """log density of pixels in [0, 1] → log probability of their grey levels, nats: a level is an interval of width 1/levels.

    A density of 1 everywhere gives 8 bits a pixel for 256 levels.
    """
    return log_density - dims * math.log(levels)


def importance_sampled(log_weights: Tensor) -> tuple[Tensor, Tensor]:
    """log of the mean weight, an estimate of log p(x) that is too low on average, and how many of the k draws really count.

    Args:
        log_weights: log p(x, z) − log q(z | x) of k draws, (k, batch) nats

    Returns:
        estimate (batch,) nats; effective sample size (batch,), from 1 (one weight rules) to k

    Source: Burda et al. 2015 (arXiv:1509.00519), equation 8; Kong 1992 for the effective size.
    """
    checked(log_weights, "log_weights", finite=False)
    if log_weights.ndim < 1 or not len(log_weights) or not log_weights.is_floating_point():
        raise ValueError(f"log_weights must be floats (k, batch) of one draw or more, got {log_weights.dtype} {tuple(log_weights.shape)}")
    share = log_weights.softmax(0)
    return log_mean_exp(log_weights, 0), 1 / share.square().sum(0)


class GreyLevels:
    """A model of black and white becomes a model of 256 grey levels: first its picture, then each pixel's grey level given its colour.

    Binarisation turns a pixel of level v on with probability v/255. Given that it is on or off, its level has the distribution that
    training images have at that place. What this costs does not depend on the model: all binarised models pay the same.

    Attributes:
        log_h: log of the share of each level at each pixel, (pixels, 256);  log_on, log_off: log of how often a pixel is on or off

    Args:
        x: training images (n, 1, h, w), uint8
        smoothing: of how many images, with all levels equally often, the counts begin; above 0, or an unseen level is impossible
    """

    def __init__(self, x: Tensor, smoothing: float = 1.0):
        checked(x, "x")
        if x.dtype != torch.uint8 or x.ndim != 4 or not smoothing > 0:
            raise ValueError(
                f"images x must be (n, 1, h, w) of uint8, and smoothing above 0; got {tuple(x.shape)} of {x.dtype}, and {smoothing}"
            )
        pixels = x.flatten(1).long()
        counts = torch.zeros(pixels.shape[1], 256, dtype=torch.float64)
        for part in pixels.split(5000):
            counts += torch.zeros_like(counts).scatter_add_(1, part.T, torch.ones(part.shape[::-1], dtype=torch.float64))
        shares = (counts + smoothing / 256) / (len(x) + smoothing)
        self.log_h = shares.log()
        on = shares @ (torch.arange(256, dtype=torch.float64) / 255)
        self.log_on, self.log_off = on.log(), (1 - on).log()

    def bound(self, x: Tensor, on: Tensor, log_prob: Tensor) -> Tensor:
        """On average over binarisations a lower bound of log P of grey images, (batch,) nats.

        Args:
            x: (batch, 1, h, w) uint8;  on: the same, binarised at random
            log_prob: what the model says of `on`, (batch,) nats: exact, or a lower bound
        """
        checked(x, "x"), checked(on, "on"), checked(log_prob, "log_prob", finite=False)
        if x.dtype != torch.uint8 or x.shape != on.shape or log_prob.shape != x.shape[:1]:
            got = f"{x.dtype} {tuple(x.shape)}, {tuple(on.shape)} and {tuple(log_prob.shape)}"
            raise ValueError(f"x must be uint8 images, on of the same shape, and log_prob (batch,); got {got}")
        # log p(b) + Σ log p(v | b) − Σ log q(b | v), and p(v | b) = h(v) q(b | v) / h(b): what binarisation did cancels
        levels = self.log_h.expand(len(x), -1, -1).gather(2, x.flatten(1).long().cpu()[..., None])[..., 0]
        colours = torch.where(on.flatten(1).cpu() > 0.5, self.log_on, self.log_off)
        return log_prob.cpu().double() + (levels - colours).sum(1)
