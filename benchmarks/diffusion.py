"""Topic 06 against diffusers: a sampler's step, sampling as a whole, and a training step. On the CPU, or on a GPU where there is one."""

import sys
from functools import partial

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DModel
from timing import Report
from torch import Tensor, nn

from course_lib.diffusion import ImageDiffusion, PointDiffusion, sample_fast
from course_lib.diffusion.samplers import jump
from course_lib.training import pick_device, seed_everything

SHAPE, STEPS = (3, 32, 32), 50


class Cosine(DDIMScheduler):
    """diffusers' DDIM with ᾱ of our cosine schedule at its 1000 times, so that both walk the same path."""

    def __init__(self, model: ImageDiffusion, **options):
        super().__init__(num_train_timesteps=1000, prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=True, **options)
        self.alphas_cumprod = model.schedule.alpha_bar((torch.arange(1000) + 1) / 1000).float()


def step(report: Report, device: torch.device) -> None:
    """One deterministic step from what a network said, 16 × 3 × 32²."""
    model = PointDiffusion(3 * 32 * 32, width=8, predict="v")
    scheduler = Cosine(model, timestep_spacing="trailing")
    scheduler.set_timesteps(STEPS)
    x, said = torch.randn(16, *SHAPE, device=device), torch.randn(16, *SHAPE, device=device)
    t = scheduler.timesteps[20].item()
    times = (t + 1) / 1000, (t + 1) / 1000 - 1 / STEPS
    peer = lambda: scheduler.step(said, t, x).prev_sample  # noqa: E731
    if (jump(model, x, said, *times) - peer()).abs().max() > 1e-4:
        sys.exit("both must take the same step")
    ours = partial(jump, model, x, said, *times)
    report.compare("DDIM step, 16 × 3 × 32² (peer: diffusers' scheduler)", ours, peer, 10, rounds=100, calls=20)


@torch.no_grad()
def chain(model: ImageDiffusion, scheduler: DDIMScheduler, start: Tensor) -> Tensor:
    """The loop of diffusers' pipelines around our network."""
    x = start
    for t in scheduler.timesteps:
        log_snr = model.schedule.log_snr((t.item() + 1) / 1000).to(x).expand(len(x))
        x = scheduler.step(model.net(x, log_snr), t, x).prev_sample
    return x


def sampling(report: Report, device: torch.device) -> None:
    """50 steps with the same small network."""
    model = ImageDiffusion(SHAPE, width=8, patch=4, classes=0).to(device).eval()
    model.clip = False
    scheduler = Cosine(model, timestep_spacing="trailing")
    scheduler.set_timesteps(STEPS)
    start = torch.randn(16, *SHAPE, device=device)
    ours, peer = partial(sample_fast, model, start, model.schedule.times(STEPS)), partial(chain, model, scheduler, start)
    if (ours() - peer()).abs().max() > 1e-3:
        sys.exit("both must draw the same images")
    report.compare("50 steps, 16 × 3 × 32², same network of 0.1 M (peer: diffusers' scheduler)", ours, peer, 1.05, rounds=15)


class Pair(nn.Module):
    """diffusers' U-Net with the channels of ours: two sizes, attention at the smaller one, the same patches."""

    def __init__(self, width: int):
        super().__init__()
        self.net = UNet2DModel(
            sample_size=16, in_channels=12, out_channels=12, layers_per_block=2, block_out_channels=(width, 2 * width), norm_num_groups=8,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"), attention_head_dim=16,
            resnet_time_scale_shift="scale_shift",
        )  # fmt: skip

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return F.pixel_shuffle(self.net(F.pixel_unshuffle(x, 2), t).sample, 2)


def training(report: Report, device: torch.device) -> None:
    """Forward, backward and AdamW for the same loss."""
    ours = ImageDiffusion(SHAPE, width=64, blocks=2, classes=0).to(device)
    theirs = Pair(64).to(device)
    sizes = [sum(p.numel() for p in m.parameters()) for m in (ours, theirs)]
    print(f"weights: ours {sizes[0]:,}, diffusers {sizes[1]:,}")
    if abs(sizes[0] / sizes[1] - 1) > 0.02:
        sys.exit("the two networks must be of one size, within 2 %")
    x = torch.rand(16, *SHAPE, device=device)
    optimisers = [torch.optim.AdamW(m.parameters(), lr=1e-4, fused=True) for m in (ours, theirs)]

    def learn(loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    def peer_loss() -> Tensor:
        t, noise = torch.randint(1000, (len(x),), device=device), torch.randn_like(x)
        x_t = ours.schedule.noised(2 * x - 1, (t + 1) / 1000, noise)
        return (theirs(x_t, t) - ours.target(2 * x - 1, noise, (t + 1) / 1000)).square().flatten(1).sum(1).mean()

    report.compare(
        f"training step, 16 × 3 × 32², {sizes[0] / 1e6:.1f} M weights (peer: diffusers' UNet2DModel)",
        lambda: learn(ours.loss(x), optimisers[0]), lambda: learn(peer_loss(), optimisers[1]), 1.1, rounds=9,
    )  # fmt: skip


if __name__ == "__main__":
    report = Report()
    for device in {torch.device("cpu"), pick_device()}:
        seed_everything(0)
        step(report, device)
        sampling(report, device)
        training(report, device)
    report.finish()
