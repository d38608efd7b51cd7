"""Topic 02 against pythae, the library of autoencoders: training and likelihood. Then how fast a slider is.

Both sides run the same network with equal weights, that of the shipped `vae` with a standard-normal prior (pythae's `VAE` has
no other), on the same real digits.
"""

import logging
import tempfile

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE as PeerVAE
from pythae.models import VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from timing import Report, seconds
from torch import Tensor, nn

from course_lib import checkpoints, datasets
from course_lib.autoencoders import VAE
from course_lib.training import fit, seed_everything
from course_lib.widgets.autoencoders import LatentExplorer

BATCH, LR = 128, 1e-3


class Encoder(BaseEncoder):
    """Our encoder network, as pythae asks for it."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> ModelOutput:
        mean, log_var = self.network(x).chunk(2, 1)
        return ModelOutput(embedding=mean, log_covariance=log_var)


class Decoder(BaseDecoder):
    """Our decoder network; pythae's cross-entropy reads probabilities."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.network(z).sigmoid())


def pair() -> tuple[VAE, PeerVAE]:
    """Our VAE and pythae's, with equal weights that they do not share."""

    def build():
        seed_everything(0)
        return VAE(latents=40, hidden=(512, 256))

    ours, networks = build(), build()
    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=40, reconstruction_loss="bce")
    return ours, PeerVAE(config, Encoder(networks.encoder), Decoder(networks.decoder))


def training(report: Report, x: Tensor, epochs: int = 3) -> None:
    """Whole runs: our `fit`, set-up included, against the epochs of pythae's `BaseTrainer`; its set-up, saving and progress bar are not counted.

    x: uint8. Each side gets what it asks for: ours keeps bytes and scales each batch; pythae keeps floats, made beforehand.
    Cross-entropy, Adam, batches of 128, a constant learning rate, no averaging.
    """
    threads = torch.get_num_threads()
    for n in sorted({1, threads}):
        torch.set_num_threads(n)
        model, peer = pair()
        steps = epochs * len(x) // BATCH
        with tempfile.TemporaryDirectory() as folder:
            config = BaseTrainerConfig(folder, BATCH, learning_rate=LR, no_cuda=True)
            trainer = BaseTrainer(peer, BaseDataset(datasets.to_float(x), torch.zeros(len(x))), training_config=config)
            trainer.prepare_training()
        trainer.callback_handler.callbacks = []
        losses = {}

        def run_ours(model=model, steps=steps, losses=losses):
            options = {"batch_size": BATCH, "schedule": "constant", "prepare": datasets.to_float, "device": "cpu", "progress": False}
            adam = {"model": torch.optim.Adam(model.parameters(), lr=LR)}
            run = fit(model, x, steps=steps, optimisers=adam, **options)
            losses["ours"] = run.history[-1]["loss"]

        def run_peer(trainer=trainer, losses=losses):
            for epoch in range(epochs):
                losses["peer"] = trainer.train_step(epoch)

        report.compare(f"VAE, {steps} training steps, {n} thread{'s'[: n - 1]} (peer: pythae)", run_ours, run_peer, at_least=1, rounds=5)
        assert abs(losses["ours"] / losses["peer"] - 1) < 0.1, losses  # the same work must lead to the same place

        batch = datasets.to_float(x[:BATCH])
        ours_adam, peer_adam = (torch.optim.Adam(m.parameters(), lr=LR) for m in (model, peer))

        def step_ours(model=model, adam=ours_adam, batch=batch):
            adam.zero_grad()
            model.loss(batch).backward()
            adam.step()

        def step_peer(model=peer, adam=peer_adam, batch=batch):
            adam.zero_grad()
            model({"data": batch}).loss.backward()
            adam.step()

        report.compare(f"VAE, one step on a given batch, {n} thread{'s'[: n - 1]} (peer: pythae)", step_ours, step_peer, rounds=15, calls=10)
    torch.set_num_threads(threads)


def bound(report: Report, x: Tensor, k: int = 500) -> None:
    """log p(x) of the same binarised test images with k samples each; pythae at the faster of its default batch size and k."""
    ours, peer = pair()
    x = datasets.binarise(x, torch.Generator().manual_seed(0))

    def run_ours():
        return ours.iwae_bound(x, k).mean().item()

    @torch.no_grad()
    def run_peer(batch_size=100):
        return peer.get_nll(x, k, batch_size)

    assert abs(run_ours() / run_peer() - 1) < 0.01
    for size in (100, k):
        report.compare(f"bound {size}", run_ours, lambda size=size: run_peer(size), at_least=5, rounds=5)


def slider(report: Report, x: Tensor, moves: int = 60) -> None:
    """From a new slider value to the new HTML with its PNGs, in the kernel; the notebook's message and the browser are not in it."""
    explorer = LatentExplorer(checkpoints.load("beta_vae_mnist_b1"), x[:12])

    def move(control, value) -> float:
        before = explorer.view.value
        duration = seconds(lambda: setattr(control, "value", value))
        assert explorer.view.value != before
        return duration

    values = [round(-2.5 + 0.1 * i, 1) for i in range(moves)]
    one = explorer.sliders[0]
    move(one, -3.0)
    report.limit("LatentExplorer, dragging one slider, a step", [move(one, 5 * (i % 2) / 5 + i / 50 - 2) for i in range(moves)], 0.015)
    del values
    n = len(explorer.sliders)
    report.limit(
        "LatentExplorer, another slider at each step", [move(explorer.sliders[i % n], 1 + i / 50) for i in range(moves)], 0.015
    )


if __name__ == "__main__":
    logging.disable(logging.INFO)  # pythae reports that it has started
    digits, test = datasets.load("mnist_small", "train").x, datasets.load("mnist_small", "test").x
    report = Report()
    training(report, digits[torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))[: 30 * BATCH]])
    bound(report, test[::20])
    slider(report, test[::80])
    report.finish()
