"""Topic 08 against scikit-learn's BernoulliRBM, an epoch of PCD, and Pyro's HMC, as many effective samples. On the CPU."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from pyro.infer import HMC, MCMC
from sklearn.neural_network import BernoulliRBM
from timing import Report
from torch import Tensor

from course_lib import datasets
from course_lib.energy_based import RBM, effective_sample_size, hmc
from course_lib.training import seed_everything

HIDDEN, BATCH, RATE, EPOCHS = 256, 100, 0.05, 3
STD = torch.linspace(0.5, 2.0, 20)  # of the target of HMC
STEP, LEAPS, SAMPLES, CHAINS = 0.35, 8, 400, 100


def ours_epochs(x: Tensor, epochs: int) -> RBM:
    model = RBM(hidden=HIDDEN, chains=BATCH)
    model.begin_at(x)
    for _ in range(epochs):
        for batch in datasets.batches(x, BATCH):
            model.contrastive_step(batch, RATE)
    return model


def peers_epochs(x: np.ndarray, epochs: int) -> BernoulliRBM:
    return BernoulliRBM(HIDDEN, learning_rate=RATE, batch_size=BATCH, n_iter=epochs, random_state=0).fit(x)


def copied(peer: BernoulliRBM) -> RBM:
    """The peer's weights in a model of ours, to be judged alike."""
    model = RBM(hidden=HIDDEN)
    with torch.no_grad():
        model.weight.copy_(torch.as_tensor(peer.components_.T))
        model.hidden_bias.copy_(torch.as_tensor(peer.intercept_hidden_))
        model.visible_bias.copy_(torch.as_tensor(peer.intercept_visible_))
    return model


def energy(x: Tensor) -> Tensor:
    return 0.5 * (x / STD).square().sum(-1)


def ours_chains(chains: int, samples: int) -> Tensor:
    return hmc(energy, STD * torch.randn(chains, len(STD)), STEP, LEAPS, samples).path[1:]


def peers_chain(samples: int) -> Tensor:
    """One chain of Pyro, with the same target, step and number of leaps; its jitter is ours, too."""
    kernel = HMC(
        potential_fn=lambda z: energy(z["x"]),
        step_size=STEP,
        num_steps=LEAPS,
        adapt_step_size=False,
        adapt_mass_matrix=False,
    )
    mcmc = MCMC(kernel, samples, warmup_steps=0, initial_params={"x": STD * torch.randn(len(STD))}, disable_progbar=True)
    mcmc.run()
    return mcmc.get_samples()["x"][:, None]


def worst_ess(run: Callable[[], Tensor], times: int = 3) -> float:
    """The mean over some runs of the smallest effective sample size of any coordinate."""
    return sum(effective_sample_size(run()).min().item() for _ in range(times)) / times


def main() -> None:
    seed_everything(0)
    report = Report()
    images = datasets.load("mnist_small", "train").x
    x = torch.cat([datasets.binarise(images) for _ in range(5)])  # 20,000: every image five times, no two alike
    flat = x.flatten(1).numpy()
    report.compare(
        f"an epoch of PCD, 20,000 × 784 → {HIDDEN}, batches of {BATCH} (peer: BernoulliRBM)",
        partial(ours_epochs, x, 1),
        partial(peers_epochs, flat, 1),
        1.4,
        rounds=5,
    )
    test = datasets.binarise(datasets.load("mnist_small", "test").x[::2])
    with torch.no_grad():
        ours, peer = (-m.pseudo_log_likelihood(test).mean().item() for m in (ours_epochs(x, EPOCHS), copied(peers_epochs(flat, EPOCHS))))
    report.accuracy(f"−log pseudo-likelihood of test images after {EPOCHS} such epochs, nats", ours, peer, 1.0)
    alone = worst_ess(lambda: peers_chain(SAMPLES))
    for chains, goal in ((1, 1.0), (CHAINS, 20.0)):
        mine = worst_ess(lambda chains=chains: ours_chains(chains, SAMPLES))
        report.compare(
            f"HMC in {len(STD)} dimensions, {chains} chain{'s' * (chains > 1)}: {mine:,.0f} effective samples (peer: one chain of Pyro)",
            partial(ours_chains, chains, SAMPLES),
            partial(peers_chain, SAMPLES),
            goal,
            rounds=5,
            part=alone / mine,
        )
    report.finish()


if __name__ == "__main__":
    main()
