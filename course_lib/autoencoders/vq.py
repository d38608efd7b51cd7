"""VQ-VAE: a latent space of symbols, and the autoregressive prior that makes it a generator."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..distributions import bernoulli_log_prob
from ..nn import Model, checked, images, keeps_config
from ..transformers import GPT


class VectorQuantiser(nn.Module):
    """Replaces each vector by the nearest of `codes` learned vectors; gradients pass straight through.

    The codebook follows the encoder by running averages; a code that nobody uses is moved to a vector of the batch.

    Source: van den Oord et al. 2017 (arXiv:1711.00937), section 3.2 and appendix A.1.
    """

    def __init__(self, codes: int, dims: int, decay: float = 0.99):
        super().__init__()
        self.decay = decay
        self.register_buffer("codebook", torch.randn(codes, dims))
        self.register_buffer("count", torch.ones(codes))
        self.register_buffer("total", self.codebook.clone())

    def indices(self, z: Tensor) -> Tensor:
        """Nearest code of each vector: (n, dims) → (n,) int64."""
        # ‖z − e‖² = ‖z‖² − 2 z·e + ‖e‖²; the first term does not change which code is nearest
        return (self.codebook.square().sum(1) - 2 * z @ self.codebook.T).argmin(1)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(batch, dims, h, w) → quantised of the same shape, indices (batch, h, w), commitment loss (batch,)."""
        flat = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
        index = self.indices(flat)
        if self.training:
            self.follow(flat.detach(), index)
        chosen = self.codebook[index].view(len(z), *z.shape[2:], z.shape[1]).permute(0, 3, 1, 2)
        commitment = (z - chosen).square().flatten(1).sum(1)
        # the value is `chosen`, the gradient goes to z as if nothing had happened between
        return z + (chosen - z).detach(), index.view(len(z), *z.shape[2:]), commitment

    @torch.no_grad()
    def follow(self, flat: Tensor, index: Tensor) -> None:
        """Move each code towards the mean of the vectors that chose it."""
        one_hot = F.one_hot(index, len(self.codebook)).to(flat.dtype)
        self.count.lerp_(one_hot.sum(0), 1 - self.decay)
        self.total.lerp_(one_hot.T @ flat, 1 - self.decay)
        dead = self.count < 0.02
        if dead.any():
            self.total[dead] = flat[torch.randint(len(flat), (int(dead.sum()),), device=flat.device)]
            self.count[dead] = 1.0
        self.codebook.copy_(self.total / self.count[:, None])


class VQVAE(Model):
    """Images → a small grid of symbols → images.

    Args:
        shape: (channels, height, width), divisible by 4
        codes, dims: size of the codebook and of its vectors
        width: channels of the convolutions
        commitment: weight that keeps the encoder near its codes (β in the paper)
        prior_width, prior_layers: of the transformer that says which grids of symbols are likely

    `sample` draws symbol grids from `self.prior`, which is trained afterwards. Without training it draws garbage:
    nothing in the first loss says which grids are likely.
    """

    @keeps_config
    def __init__(self, shape=(1, 28, 28), codes=64, dims=16, width=32, commitment=0.25, prior_width=128, prior_layers=3):
        super().__init__()
        if shape[1] % 4 or shape[2] % 4:
            raise ValueError(f"height and width must be divisible by 4, got {shape[1]} × {shape[2]}")
        self.shape, self.codes, self.commitment = tuple(shape), codes, commitment
        self.grid = (shape[1] // 4, shape[2] // 4)
        self.encoder = nn.Sequential(
            nn.Conv2d(shape[0], width, 4, 2, 1),
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.SiLU(),
            nn.Conv2d(2 * width, dims, 1),
        )
        self.quantiser = VectorQuantiser(codes, dims)
        self.decoder = nn.Sequential(
            nn.Conv2d(dims, 2 * width, 3, 1, 1),
            nn.SiLU(),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1),
            nn.SiLU(),
            nn.ConvTranspose2d(width, shape[0], 4, 2, 1),
        )
        self.prior = GPT(codes, prior_width, prior_layers, 4, self.grid[0] * self.grid[1], "learned")

    def encode(self, x: Tensor) -> Tensor:
        """(batch, *shape) → symbols (batch, rows, columns), int64."""
        return self.quantiser(self.encoder(images(x, self)))[1]

    def decode(self, symbols: Tensor) -> Tensor:
        """(batch, rows, columns) → images in [0, 1]."""
        checked(symbols, "symbols")
        whole = not symbols.is_floating_point() and tuple(symbols.shape[1:]) == self.grid
        if not whole or symbols.device.type == "cpu" and not ((symbols >= 0) & (symbols < self.codes)).all():
            wanted = f"whole numbers from 0 to {self.codes - 1} of shape (batch, {self.grid[0]}, {self.grid[1]})"
            raise ValueError(f"symbols must be {wanted}, got {symbols.dtype} of shape {tuple(symbols.shape)}")
        return self.decoder(self.quantiser.codebook[symbols.long()].permute(0, 3, 1, 2)).sigmoid()

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def loss(self, x: Tensor) -> Tensor:
        """Reconstruction (cross-entropy, nats) + commitment, summed over dimensions, averaged over the batch."""
        x = images(x, self)
        quantised, _, commitment = self.quantiser(self.encoder(x))
        return (-bernoulli_log_prob(self.decoder(quantised), x) + self.commitment * commitment).mean()

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n images from the learned prior over symbol grids."""
        return self.decode(self.prior.sample(n, self.prior.context).view(n, *self.grid))
