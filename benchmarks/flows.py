"""Topic 04 against zuko and normflows: training steps and sampling of flows with as many parameters, on the CPU.

The coupling networks have equal sizes and the same activation on all sides, and so have the optimisers. Beside each comparison stands the
floor: the networks alone, called as often on inputs of the same size. Nothing built around these networks can be faster.
"""

import math
import sys
from collections.abc import Callable
from functools import partial

import normflows as nf
import torch
import zuko
from timing import Report
from torch import Tensor, nn

from course_lib.flows import ContinuousFlow, Coupling, Flow, ImageFlow, SplineCoupling
from course_lib.flows.images import ImageConditioner
from course_lib.flows.models import Conditioner
from course_lib.nn import mlp
from course_lib.training import seed_everything

BINS = 8


def step_of(model: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """One training step with the optimiser of `training.fit`; every side has the same."""
    adam = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)

    def step() -> None:
        adam.zero_grad()
        loss().backward()
        adam.step()

    return step


def equal(*models: nn.Module) -> None:
    """Stop unless all have the same number of parameters."""
    counts = [sum(p.numel() for p in model.parameters()) for model in models]
    if len(set(counts)) > 1:
        sys.exit(f"the models must have one number of parameters, got {counts}")


def networks_step(networks: nn.ModuleList, x: Tensor) -> Callable[[], None]:
    """A training step of the networks alone, each on its half of x."""
    halves = [x[:, : network.in_features].contiguous() for network in networks]
    return step_of(networks, lambda: sum(network(half).mean() for network, half in zip(networks, halves)))


def bare_networks(layers: int, sizes: list[int]) -> nn.ModuleList:
    networks = nn.ModuleList(mlp(sizes) for _ in range(layers))
    for network in networks:
        network.in_features = sizes[0]
    return networks


def peer_of_zuko(dims: int, layers: int, hidden: tuple[int, ...]) -> nn.Module:
    return zuko.flows.RealNVP(dims, transforms=layers, hidden_features=hidden, activation=nn.SiLU)


def peer_of_normflows(dims: int, layers: int, hidden: tuple[int, ...]) -> nn.Module:
    """Its own couplings and swaps around networks like ours."""
    flows = []
    for _ in range(layers):
        flows += [nf.flows.AffineCouplingBlock(mlp([dims // 2, *hidden, dims])), nf.flows.Permute(dims, mode="swap")]
    return nf.NormalizingFlow(nf.distributions.DiagGaussian(dims, trainable=False), flows)


def realnvp(report: Report) -> None:
    """Affine couplings on vectors: D = 64 as in tables of data, and D = 2 as in the lecture, where the bookkeeping is most of the work."""
    for dims, layers, hidden, batch, goals in ((64, 8, (128, 128), 512, (1.35, 1.1)), (2, 8, (64, 64), 256, (1.5, None))):
        ours, theirs, others = (
            Flow("realnvp", dims, layers, hidden),
            peer_of_zuko(dims, layers, hidden),
            peer_of_normflows(dims, layers, hidden),
        )
        networks = bare_networks(layers, [dims // 2, *hidden, dims])
        equal(ours, theirs, others, networks)
        x = torch.randn(batch, dims)
        what = f"RealNVP, D = {dims}, {layers} × {hidden}, batch {batch}"
        step, floor = step_of(ours, lambda m=ours, x=x: m.loss(x)), networks_step(networks, x)
        of_zuko = step_of(theirs, lambda m=theirs, x=x: -m().log_prob(x).mean())
        of_normflows = step_of(others, lambda m=others, x=x: m.forward_kld(x))
        report.compare(f"{what}, training step (peer: zuko)", step, of_zuko, goals[0], calls=5)
        report.compare(f"{what}, training step (peer: normflows)", step, of_normflows, goals[1], calls=5)
        report.compare(f"{what}, floor: the networks alone (peer: zuko)", floor, of_zuko, calls=5)
        if dims == 2:
            continue
        draw = torch.no_grad()
        sample, of_zuko = partial(ours.sample, batch), draw(lambda m=theirs, n=batch: m().sample((n,)))
        of_normflows = draw(partial(others.sample, batch))
        half = x[:, : dims // 2].contiguous()
        floor = draw(lambda networks=networks, half=half: [network(half) for network in networks])
        report.compare(f"{what}, sampling (peer: zuko)", sample, of_zuko, 1.2, calls=10)
        report.compare(f"{what}, sampling (peer: normflows)", sample, of_normflows, 1.2, calls=10)
        report.compare(f"{what}, sampling, floor: the networks alone (peer: zuko)", floor, of_zuko, calls=10)


class Couplings(nn.Module):
    """Our spline couplings alone, the halves taking turns."""

    def __init__(self, dims: int, layers: int, hidden: tuple[int, ...]):
        super().__init__()
        outputs = (3 * BINS - 1) * dims // 2
        self.layers = nn.ModuleList(
            SplineCoupling(Conditioner(dims // 2, hidden, outputs), ("first", "second")[i % 2]) for i in range(layers)
        )

    def loss(self, x: Tensor) -> Tensor:
        total = 0.0
        for layer in self.layers:
            x, log_det = layer(x)
            total = total + log_det
        return (x.square().sum(1) / 2 - total).mean()


def splines(report: Report, dims: int = 16, layers: int = 4, hidden: tuple[int, ...] = (64, 64), batch: int = 512) -> None:
    """Monotone rational-quadratic splines of 8 bins in couplings, on [−3, 3] here and [−5, 5] at zuko."""
    ours = Couplings(dims, layers, hidden)
    spline = zuko.transforms.MonotonicRQSTransform
    transforms = [
        zuko.flows.coupling.GeneralCouplingTransform(
            dims,
            mask=torch.arange(dims) % 2 == i % 2,
            univariate=spline,
            shapes=[(BINS,), (BINS,), (BINS - 1,)],
            hidden_features=hidden,
            activation=nn.SiLU,
        )
        for i in range(layers)
    ]
    base = zuko.lazy.UnconditionalDistribution(zuko.distributions.DiagNormal, torch.zeros(dims), torch.ones(dims), buffer=True)
    theirs = zuko.lazy.Flow(transforms, base)
    networks = bare_networks(layers, [dims // 2, *hidden, (3 * BINS - 1) * dims // 2])
    equal(ours, theirs, networks)
    x = torch.randn(batch, dims)
    peer = step_of(theirs, lambda: -theirs().log_prob(x).mean())
    what = f"spline couplings, D = {dims}, {layers} × {hidden}, batch {batch}, training step"
    report.compare(f"{what} (peer: zuko)", step_of(ours, lambda: ours.loss(x)), peer, 1.2, calls=3)
    report.compare(f"{what}, floor: the networks alone (peer: zuko)", networks_step(networks, x), peer, calls=3)


def own_width(channels: int, width: int) -> int:
    """How wide normflows' own network of a coupling must be to have as many parameters as ours, to within 1 %."""
    wanted = sum(p.numel() for p in ImageConditioner(channels // 2, channels, width, 1).parameters())

    def size(hidden: int) -> int:
        return sum(p.numel() for p in nf.flows.GlowBlock(channels, hidden).flows[0].parameters())

    return min(range(8, 200), key=lambda hidden: abs(size(hidden) - wanted))


def peer_glow(steps: tuple[int, int], width: int, own: bool = False) -> nn.Module:
    """normflows' multi-scale Glow for 28 × 28, with our networks in its couplings, or as it comes with its `own` of the same size."""
    levels, bases = [], []
    for channels, count, shape in ((8, steps[1], (8, 7, 7)), (4, steps[0], (2, 14, 14))):
        hidden = own_width(channels, width) if own else width
        blocks = [nf.flows.GlowBlock(channels, hidden) for _ in range(count)]
        for block in [] if own else blocks:
            block.flows[0] = nf.flows.AffineCouplingBlock(ImageConditioner(channels // 2, channels, width, 1))
        levels.append([*blocks, nf.flows.Squeeze()])
        bases.append(nf.distributions.DiagGaussian(shape, trainable=False))
    return nf.MultiscaleFlow(bases, levels, [nf.flows.Merge()], nf.transforms.Logit(1e-5), class_cond=False)


def glow(report: Report, steps: tuple[int, int] = (4, 4), width: int = 32, batch: int = 32) -> None:
    """A training step on continuous images: dequantisation is left out on both sides."""
    ours = ImageFlow(kind="glow", steps=steps, width=width, dequantisation="uniform").train()
    theirs, own = peer_glow(steps, width).train(), peer_glow(steps, width, own=True).train()
    equal(ours, theirs)
    plain = peer_glow(steps, width).train().to(memory_format=torch.contiguous_format)
    v = torch.rand(batch, 1, 28, 28) * 0.98 + 0.01
    networks = nn.ModuleList(layer.network for level in ours.levels for layer in level.layers if isinstance(layer, Coupling))
    inputs = [torch.randn(batch, n, size, size) for n, size, count in ((2, 14, steps[0]), (4, 7, steps[1])) for _ in range(count)]
    floor = step_of(networks, lambda: sum(network(h).mean() for network, h in zip(networks, inputs)))
    step, peer = step_of(ours, lambda: -ours.log_density(v).mean()), step_of(theirs, lambda: -theirs.log_prob(v, None).mean())
    what = f"Glow, 1 × 28 × 28, {steps} steps of width {width}, batch {batch}, training step"
    report.compare(f"{what} (peer: normflows, its own networks)", step, step_of(own, lambda: -own.log_prob(v, None).mean()), 1.1)
    report.compare(f"{what} (peer: normflows, our networks in it)", step, peer)
    report.compare(f"{what} (peer: normflows, our networks in plain layout)", step, step_of(plain, lambda: -plain.log_prob(v, None).mean()))
    report.compare(f"{what}, floor: the networks alone (peer: normflows, our networks in it)", floor, peer)


def evaluations(model: ContinuousFlow, work: Callable) -> int:
    """How often `work` asks for the field and its divergence."""
    asked, original = [], model.velocity.with_tangents

    def counted(*arguments):
        asked.append(1)
        return original(*arguments)

    model.velocity.with_tangents = counted
    work()
    del model.velocity.with_tangents
    return len(asked)


def doubled(field: nn.Module) -> nn.Module:
    """The same field with weights twice as large: at its start it hardly moves anything."""
    with torch.no_grad():
        for p in field.parameters():
            p.mul_(2)
    return field


def continuous(report: Report, batch: int = 256) -> None:
    """FFJORD on points, the same tolerance: zuko's flow as it comes, with as many parameters to within 3 %, and zuko's solver on our field.

    The fields are untrained.
    """
    tolerance, draw = 1e-5, torch.no_grad()
    for trace in ("exact", "hutchinson"):
        what = f"continuous flow, D = 2, (64, 64, 64), {trace} trace, batch {batch}"
        ours = doubled(ContinuousFlow(2, (64, 64, 64), trace=trace, rtol=tolerance, atol=tolerance))
        theirs = doubled(zuko.flows.CNF(2, hidden_features=(64, 64, 64), rtol=tolerance, atol=tolerance, exact=trace == "exact"))
        x = torch.randn(batch, 2)
        step, peer = step_of(ours, lambda m=ours, x=x: m.loss(x)), step_of(theirs, lambda m=theirs, x=x: -m().log_prob(x).mean())
        report.compare(f"{what}, training step (peer: zuko's CNF)", step, peer, 1.0, rounds=7)
        theirs.eval()
        ours_now, peer = draw(lambda m=ours, x=x: m.log_prob(x)), draw(lambda m=theirs, x=x: m().log_prob(x))
        report.compare(f"{what}, density (peer: zuko's CNF)", ours_now, peer, 1.0)
        if trace == "exact":
            peer = draw(lambda m=theirs: m().sample((batch,)))
            report.compare(f"{what}, sampling (peer: zuko's CNF)", partial(ours.sample, batch), peer, 1.0)

        # another field: the steps above have trained the first
        ours = doubled(ContinuousFlow(2, (64, 64, 64), trace=trace, rtol=tolerance, atol=tolerance))
        x = torch.randn(batch, 2)
        options = {"phi": tuple(ours.parameters()), "atol": tolerance, "rtol": tolerance, "exact": trace == "exact"}
        back = zuko.transforms.FreeFormJacobianTransform(ours.velocity, torch.tensor(1.0), torch.tensor(0.0), **options)

        def log_prob(x: Tensor = x, back=back) -> Tensor:
            z, change = back.call_and_ladj(x)
            return change - 0.5 * (z.square() + math.log(2 * math.pi)).sum(1)

        ours_now, peer_now = draw(lambda m=ours, x=x: m.log_prob(x)), draw(log_prob)
        if trace == "exact" and not torch.allclose(ours_now(), peer_now(), atol=1e-2):
            sys.exit("the two densities are not the same numbers")
        report.compare(f"{what}, density (peer: zuko's solver on our field)", ours_now, peer_now)
        step, peer = step_of(ours, lambda m=ours, x=x: m.loss(x)), step_of(ours, lambda f=log_prob: -f().mean())
        report.compare(f"{what}, training step (peer: zuko's solver on our field)", step, peer, rounds=7)
        if trace == "exact":
            sample = partial(ours.sample, batch)
            peer = draw(lambda back=back: back.inv(torch.randn(batch, 2)))
            report.compare(f"{what}, sampling (peer: zuko's solver on our field)", sample, peer)
            passes = evaluations(ours, ours_now)
            tangents = torch.eye(2)[:, None].expand(-1, batch, -1)
            call = partial(ours.velocity.with_tangents, torch.tensor(0.5), x, tangents)
            floor = draw(lambda n=passes, call=call: [call() for _ in range(n)])
            report.compare(f"{what}, density, floor: the network alone, {passes} calls (peer: zuko)", floor, peer_now)


if __name__ == "__main__":
    seed_everything(0)
    report = Report()
    realnvp(report)
    splines(report)
    glow(report)
    continuous(report)
    report.finish()
