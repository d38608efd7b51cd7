"""Exercise 02, for those who want more: free bits."""

import torch

from course_lib.grading import Task, grid

# latents above the floor and below it: their means are 0.1, 2.1, 0.3 and 1.4 nats, then twice 0.2 and 1.2
MIXED = torch.tensor([[0.0, 1.5, 0.2, 2.0], [0.25, 2.5, 0.7, 1.0], [0.05, 2.3, 0.0, 1.2]])
HALF = torch.tensor([[0.1, 0.9], [0.3, 1.5], [0.2, 1.2]])


def free_bits(kl, floor):
    each = kl.mean(0)
    return each.clamp(min=floor).sum()


FREE_BITS = Task(
    free_bits,
    cases=[(MIXED, 0.5), (HALF, 1.0), (grid(6, 3, low=0, high=3) * torch.tensor([0.2, 2.0, 0.4]), 0.9)],
    gradient=True,
    mistakes="""
floor before the mean: the floor is applied to each image. A latent may be quiet for one image if it speaks for others: average first.
    kl.mean(0) -> kl ; .sum() -> .mean(0).sum()
one floor for all latents: one floor for the sum. Then one busy latent pays for all, and the rest may switch off.
    each.clamp(min=floor).sum() -> each.sum().clamp(min=floor)
capped: the KL is cut from above. Which latents should be spared?
    min -> max
floor added: the floor is added: a constant, which changes no gradient.
    each.clamp(min=floor) -> (each + floor)
mean over latents: latents add up, and here they are averaged.
    .sum() -> .mean()
floor after the mean of all: the floor meets the mean over all latents. Then one busy latent pays for the rest: give each its own floor.
    each.clamp(min=floor).sum() -> each.mean().clamp(min=floor) * kl.shape[1]
wrong axis: averaged over the latents, summed over the images. Which axis is the batch?
    kl.mean(0) -> kl.mean(1) ; .sum() -> .{sum|mean}()
batch summed: the batch is summed, not averaged: in a large one every latent is above the floor.
    kl.mean(0) -> kl.sum(0)
only what lies above: only what lies above the floor is counted. The gradients are right; the formula counts the floor too.
    each.clamp(min=floor) -> (each - floor).relu()
""",
)
