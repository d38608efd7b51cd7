"""Topic 02 against pythae, the library of autoencoders: training and likelihood. Then how long one step of a slider takes.

Both sides run the same network with equal weights, on the same real digits, on the CPU.
"""

import logging
import math
import sys
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


# the networks of two shipped checkpoints; a standard-normal prior, since pythae's `VAE` has no other
NETWORKS = {"vae": {"latents": 40, "hidden": (512, 256)}, "beta_vae_mnist": {"latents": 10, "hidden": (128, 128)}}


def pair(name: str) -> tuple[VAE, PeerVAE]:
    """Our VAE and pythae's, with equal weights that they do not share."""

    def build() -> VAE:
        seed_everything(0)
        return VAE(**NETWORKS[name])

    ours, networks = build(), build()
    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=ours.latents, reconstruction_loss="bce")
    return ours, PeerVAE(config, Encoder(networks.encoder), Decoder(networks.decoder))


def training(report: Report, x: Tensor, threads: int, epochs: int = 2) -> None:
    """Whole runs: our `fit`, set-up included, against the epochs of pythae's `BaseTrainer` without its set-up, saving and progress bar.

    x: uint8. Each side gets what it is made for: ours keeps bytes and scales each batch, pythae keeps floats that are made beforehand.
    Cross-entropy, Adam, batches of 128, a constant learning rate, no averaged weights.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    model, peer = pair("vae")
    steps = epochs * len(x) // BATCH
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(folder, BATCH, learning_rate=LR, no_cuda=True)
        trainer = BaseTrainer(peer, BaseDataset(datasets.to_float(x), torch.zeros(len(x))), training_config=config)
        trainer.prepare_training()
    trainer.callback_handler.callbacks = []
    loss = {}

    def run_ours() -> None:
        # fit's own optimiser, AdamW without weight decay, is Adam
        options = {"batch_size": BATCH, "lr": LR, "schedule": "constant", "prepare": datasets.to_float, "device": "cpu"}
        run = fit(model, x, steps=steps, progress=False, **options)
        loss["ours"] = run.history[-1]["loss"]

    def run_peer() -> None:
        for epoch in range(epochs):
            loss["peer"] = trainer.train_step(epoch)

    at = f"{threads} thread{'s' if threads > 1 else ''} (peer: pythae)"
    report.compare(f"VAE, {steps} training steps, {at}", run_ours, run_peer, at_least=1)
    if not math.isclose(loss["ours"], loss["peer"], rel_tol=0.1):
        sys.exit(f"the two trainings are not the same work: their losses are {loss}")

    # the part that batching and the loop have no hand in
    batch = datasets.to_float(x[:BATCH])
    adam, peer_adam = torch.optim.Adam(model.parameters(), LR), torch.optim.Adam(peer.parameters(), LR)

    def step_ours() -> None:
        adam.zero_grad()
        model.loss(batch).backward()
        adam.step()

    def step_peer() -> None:
        peer_adam.zero_grad()
        peer({"data": batch}).loss.backward()
        peer_adam.step()

    model.train()
    report.compare(f"VAE, one bare step on one batch, {at}", step_ours, step_peer, rounds=15, calls=10)
    torch.set_num_threads(before)


def bound(report: Report, x: Tensor, name: str, k: int = 500) -> None:
    """log p(x) of the same binarised images with k samples each.

    pythae runs without gradients, which it leaves to the caller. The goal is set against its own batch size; with k samples a pass it is
    faster. It sends every copy of an image through the encoder, which we ask once; the decoder is the same work on both sides, and the
    row of the bare decoder shows how much of pythae's time that work is.
    """
    ours, peer = pair(name)
    x = datasets.binarise(x, torch.Generator().manual_seed(0))

    def run_ours() -> float:
        return ours.iwae_bound_in_parts(x, k).mean().item()

    @torch.no_grad()
    def run_peer(batch_size: int = 100) -> float:
        return peer.get_nll(x, k, batch_size)  # in spite of its name it returns log p, not −log p

    if not math.isclose(a := run_ours(), b := run_peer(), rel_tol=0.005):
        sys.exit(f"the two bounds are not the same number: {a} and {b} nats")
    what = f"bound, k = {k}, {len(x)} images, network of {name} (peer: get_nll"

    @torch.no_grad()
    def run_decoder() -> None:
        for _ in range(len(x) * k // 2_000):
            ours.decoder(z)

    z = torch.randn(2_000, ours.latents)
    report.compare(f"{what})", run_ours, run_peer, at_least=5, rounds=7)
    report.compare(f"{what}, k a pass)", run_ours, lambda: run_peer(k), rounds=7)
    report.compare(f"the bare decoder in place of ours, network of {name}", run_decoder, run_peer, rounds=7)


def slider(report: Report, x: Tensor, moves: int = 100) -> None:
    """From a slider's new value to the view's new HTML with its PNGs, in the kernel: the message and the browser are not in it."""
    explorer = LatentExplorer(checkpoints.load("beta_vae_mnist_b1"), x)

    def move(control, value: float) -> float:
        before = explorer.view.value
        duration = seconds(lambda: setattr(control, "value", value))
        if explorer.view.value == before:
            sys.exit(f"the view did not follow {control.description} to {value}")
        return duration

    one, n = explorer.sliders[0], len(explorer.sliders)
    report.limit("LatentExplorer, a step of one slider", [move(one, one.min + 0.05 * (i + 1)) for i in range(moves)], 0.015)
    # another slider each time: the traversal below the picture is decoded anew
    each = [move(explorer.sliders[i % n], 0.3 + i / moves) for i in range(moves)]
    report.limit("LatentExplorer, a step of another slider each time", each, 0.015)


if __name__ == "__main__":
    logging.disable(logging.INFO)  # pythae reports that it has started
    train, test = datasets.load("mnist_small", "train").x, datasets.load("mnist_small", "test").x
    shuffled = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(0))]
    report = Report()
    for threads in sorted({1, torch.get_num_threads()}):
        training(report, shuffled[: 30 * BATCH], threads)
    for name in NETWORKS:
        bound(report, test[::20], name)
    slider(report, test[::100])
    report.finish()
