"""Exercise 02, task 5b: β and a warm-up that save a VAE from collapse."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.grading import Goal, Region, is_number


@torch.no_grad()
def measure(vae: nn.Module, x: Tensor, draws: int = 8) -> dict[str, float]:
    """What a VAE of the exercise reaches on x: its ELBO (true β = 1, nats) and how many latents carry more than 0.1 nats.

    vae: has `latents`, `encoder(x)` → (batch, 2 · latents), mean then log σ², and `decoder(z)` → logits shaped like x;
        its `warmed_up`, if there is one, is the share of β that the weight had at the end of training
    x: (batch, channels, height, width) in [0, 1]

    The noise is a Sobol sequence through the normal's quantile function: the same on every platform, and closer than random draws.
    """
    mean, log_var = vae.encoder(x).double().chunk(2, 1)
    sobol = torch.quasirandom.SobolEngine(vae.latents).fast_forward(1)  # its first point is 0, which has no quantile
    noise = torch.special.ndtri(sobol.draw(draws * len(x), dtype=torch.float64)).reshape(draws, len(x), vae.latents)
    z = (mean + (0.5 * log_var).exp() * noise).to(x.dtype)
    costs = torch.stack([F.binary_cross_entropy_with_logits(vae.decoder(each), x, reduction="sum").double() for each in z])
    kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).mean(0)
    return {
        "ELBO": float(-costs.mean() / len(x) - kl.sum()),
        "latents in use": int((kl > 0.1).sum()),
        "KL": float(kl.sum()),
        "final weight / β": getattr(vae, "warmed_up", 1.0),
    }


EXPERIMENT = Goal(
    "experiment",
    {"ELBO": -19.6, "latents in use": 4, "final weight / β": 0.99},
    slack={"ELBO": 0.3, "latents in use": 1, "final weight / β": 0.0},
    close={"ELBO": 1.0},
    settings={"beta": None, "warm_up": 0, "cycle": None},
    rules={
        "beta": (lambda value: is_number(value, 0), "a number, 0 or more"),
        "warm_up": (lambda value: is_number(value, 0), "a number of steps, 0 or more"),
        "cycle": (lambda value: value is None or is_number(value, 1), "a number of steps, at least 1, or None"),
    },
    known=[
        Region(
            "collapsed",
            lambda m: m["latents in use"] == 0,
            "Every cloud has become the prior and the decoder gets no message: the KL costs too much, or too much too early.",
        ),
        Region(
            "warm-up not over",
            lambda m: m["final weight / β"] < 0.99,
            "The training ended before the weight had risen to β. How many steps are there in all? With a cycle: how many in each?",
        ),
        Region(
            "KL too cheap",
            lambda m: m["ELBO"] < -19.6 and m["KL"] > 5.7,
            "Many nats pass through the latents, and the true bound pays for each of them: the KL was too cheap.",
        ),
        Region(
            "KL too dear",
            # β up to 2 will do with a warm-up; where that was long already, β is to blame
            lambda m: m["KL"] < 2.5 if m["beta"] is None else m["beta"] > (1 if m["warm_up"] >= 400 else 2),
            "Hardly a nat passes through the latents: the KL is too dear at the end. Which β does the true bound have?",
        ),
        Region(
            "too dear too early",
            lambda m: m["latents in use"] < 4,
            "Some latents were switched off before the decoder could use them. Let the KL become dear later.",
        ),
    ],
)
