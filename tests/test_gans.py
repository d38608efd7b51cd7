"""Properties of the models and games of topic 03, against closed forms, loops by hand, SciPy, and gradients."""

import cmath
import json
import math
from collections import Counter
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage, stats
from scipy.spatial.distance import jensenshannon
from torch import nn

from course_lib import datasets, gans, metrics, training
from course_lib.datasets import Dataset
from course_lib.datasets.toy2d import plane
from course_lib.gans import GAN, PointGAN, ProgressiveGAN, StyleGAN, films, gan_step, gan_step_with_cures, recipes

TINY = {"shape": (1, 8, 8), "width": 4}
QUIET = {"progress": False, "device": "cpu"}
# Adam moves each weight by about its rate, so that three steps show
FAST = {"lr": 0.01}

GAMES = {  # every kind of model that `gan_step_with_cures` trains
    "dcgan": lambda: GAN(**TINY, latents=3),
    "wgan_gp": lambda: GAN(**TINY, latents=3, loss="wasserstein", norm="none", penalty=10.0),
    "clipped": lambda: GAN(**TINY, latents=3, loss="wasserstein", clip=0.01),
    "cgan": lambda: GAN(**TINY, latents=3, classes=4),
    "projection": lambda: GAN(**TINY, latents=3, classes=4, projection=True, norm="spectral", loss="hinge"),
    "minibatch": lambda: GAN(**TINY, latents=3, minibatch=True, r1=1.0, norm="none"),
    "stylegan": lambda: StyleGAN(**TINY, latents=3),
    "progressive": lambda: ProgressiveGAN(**TINY, latents=3),
    "points": lambda: PointGAN(width=8, minibatch=True, pack=2, penalty=1.0),
}

TRAINED = [name for name, recipe in gans.RECIPES.items() if recipe.build]  # the others are recordings


def images(n=16, shape=(1, 8, 8)):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(5))


def batch_for(model, n=16):
    """What `gan_step_with_cures` is given for this model."""
    if isinstance(model, PointGAN):
        return torch.randn(n, 2)
    return (images(n), torch.arange(n) % model.classes) if model.classes else images(n)


def players(model):
    """The parameters of both; a StyleGAN's generator has no name of its own."""
    discriminator = list(model.discriminator.parameters())
    taken = set(map(id, discriminator))
    return {"discriminator": discriminator, "generator": [p for p in model.parameters() if id(p) not in taken]}


def flat(parameters):
    return torch.cat([p.detach().flatten().clone() for p in parameters])


def full_size(model):
    if isinstance(model, ProgressiveGAN):
        model.grown.fill_(float(model.STAGES))
    return model


# --- losses

scores = st.lists(st.floats(-30, 30), min_size=1, max_size=8).map(lambda v: torch.tensor(v, dtype=torch.float64))


@given(scores, scores)
@settings(max_examples=60, deadline=None)
def test_losses_equal_the_cross_entropy_of_pytorch_and_hinges_by_hand(real, fake):
    bce = F.binary_cross_entropy_with_logits
    truth = bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))
    hinge = sum(max(0, 1 - s) for s in real.tolist()) / len(real) + sum(max(0, 1 + s) for s in fake.tolist()) / len(fake)
    expected = {
        "saturating": truth.item(),
        "nonsaturating": truth.item(),
        "hinge": hinge,
        "wasserstein": np.mean(fake.tolist()) - np.mean(real.tolist()),
    }
    for kind in gans.LOSSES:
        assert gans.discriminator_loss(real, fake, kind).item() == pytest.approx(expected[kind], rel=1e-9, abs=1e-12)
    mean = np.mean(fake.tolist())
    expected = {
        "saturating": -bce(fake, torch.zeros_like(fake)).item(),  # what the discriminator's share was, turned round
        "nonsaturating": bce(fake, torch.ones_like(fake)).item(),
        "hinge": -mean,
        "wasserstein": -mean,
    }
    for kind in gans.LOSSES:
        assert gans.generator_loss(fake, kind).item() == pytest.approx(expected[kind], rel=1e-9, abs=1e-12)


def test_a_discriminator_that_cannot_tell_pays_two_logs_of_two():
    undecided = torch.zeros(5)
    assert gans.discriminator_loss(undecided, undecided).item() == pytest.approx(2 * math.log(2))
    assert gans.generator_loss(undecided).item() == pytest.approx(math.log(2))
    assert gans.generator_loss(undecided, "saturating").item() == pytest.approx(-math.log(2))


@pytest.mark.parametrize("kind", gans.LOSSES)
def test_losses_and_gradients_stay_finite_at_large_scores(kind):
    real = torch.tensor([200.0, -200.0], requires_grad=True)
    fake = torch.tensor([200.0, -200.0], requires_grad=True)
    loss = gans.discriminator_loss(real, fake, kind) + gans.generator_loss(fake, kind)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(real.grad).all() and torch.isfinite(fake.grad).all()
    if kind in ("saturating", "nonsaturating"):  # log(sigmoid(s)) would be −inf here
        assert gans.discriminator_loss(real[1:], fake[:1], kind).item() == pytest.approx(400)


@given(st.floats(-25, 25))
@settings(max_examples=50, deadline=None)
def test_the_saturating_gradient_vanishes_where_the_other_is_strongest(score):
    d = 1 / (1 + math.exp(-score))
    for kind, slope in {"saturating": -d, "nonsaturating": d - 1}.items():
        fake = torch.tensor([score] * 2, dtype=torch.float64, requires_grad=True)
        gans.generator_loss(fake, kind).backward()
        assert fake.grad.tolist() == pytest.approx([slope / 2] * 2, rel=1e-6)


def test_far_from_the_data_only_the_saturating_generator_feels_nothing():
    # data N(0, 1), model N(8, 1): log p − log q is a line, so the gradient towards the data is known
    distance, noise = 8.0, torch.randn(10_000, dtype=torch.float64)
    gradients = {}
    for kind in ("saturating", "nonsaturating"):
        mean = torch.tensor(distance, dtype=torch.float64, requires_grad=True)
        gans.generator_loss(distance**2 / 2 - distance * (mean + noise), kind).backward()
        gradients[kind] = mean.grad.item()
    assert gradients["nonsaturating"] == pytest.approx(distance, rel=1e-3)  # downhill is towards 0
    assert 0 < gradients["saturating"] < 1e-3 * gradients["nonsaturating"]


def test_unknown_losses_are_named():
    for call in (
        lambda: gans.discriminator_loss(torch.zeros(1), torch.zeros(1), "minimax"),
        lambda: gans.generator_loss(torch.zeros(1), "minimax"),
        lambda: GAN(loss="minimax"),
        lambda: PointGAN(loss="minimax"),
    ):
        with pytest.raises(ValueError, match="unknown loss 'minimax'; choose one of saturating, nonsaturating, hinge, wasserstein"):
            call()


# --- the optimal discriminator

counts = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=2, max_size=6)


def as_probabilities(pairs):
    p, q = torch.tensor(pairs, dtype=torch.float64).T
    return p / p.sum(), q / q.sum()


def exact_game(table, pairs, kind="nonsaturating"):
    """The discriminator's loss under the exact expectation: every point of the grid as often as its probability says."""
    p, q = torch.tensor(pairs).T
    return gans.discriminator_loss(table.repeat_interleave(p), table.repeat_interleave(q), kind)


@given(counts)
@settings(max_examples=60, deadline=None)
def test_the_optimal_discriminator_is_stationary_and_its_value_is_the_divergence(pairs):
    p, q = as_probabilities(pairs)
    table = torch.logit(gans.optimal_discriminator(p.log(), q.log())).requires_grad_()
    loss = exact_game(table, pairs)
    (gradient,) = torch.autograd.grad(loss, table)
    assert gradient.abs().max() < 1e-12  # the loss is convex in the scores: this is its minimum
    assert -loss.item() == pytest.approx(2 * gans.js_divergence(p, q).item() - 2 * math.log(2), abs=1e-12)
    assert gans.js_divergence(p, q).item() == pytest.approx(jensenshannon(p, q) ** 2, abs=1e-12)
    assert 0 <= gans.js_divergence(p, q).item() <= math.log(2)
    assert gans.js_divergence(p, q).item() == pytest.approx(gans.js_divergence(q, p).item(), abs=1e-12)


def test_a_trained_table_finds_the_optimal_discriminator():
    pairs = [(8, 1), (4, 1), (2, 2), (1, 4), (1, 8)]
    p, q = as_probabilities(pairs)
    table = torch.zeros(len(pairs), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([table], max_iter=200, tolerance_grad=1e-10, tolerance_change=1e-14, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = exact_game(table, pairs)
        loss.backward()
        return loss

    optimiser.step(closure)
    assert table.detach().sigmoid().tolist() == pytest.approx((p / (p + q)).tolist(), abs=1e-5)


def test_the_divergence_at_its_two_ends():
    p = torch.tensor([0.25, 0.75, 0.0, 0.0])
    assert gans.js_divergence(p, p).item() == pytest.approx(0, abs=1e-7)
    assert gans.js_divergence(p, p.flip(0)).item() == pytest.approx(math.log(2))
    assert gans.js_divergence(p.view(2, 2), p.flip(0).view(2, 2)).item() == pytest.approx(math.log(2))
    with pytest.raises(ValueError, match=r"p \(4,\) and q \(2, 2\) must have one shape"):
        gans.js_divergence(p, p.view(2, 2))


def test_the_optimal_discriminator_far_in_the_tails():
    d = gans.optimal_discriminator(torch.tensor([-900.0, -1000.0, -5000.0]), torch.tensor([-1000.0, -1000.0, -1.0]))
    assert d.tolist() == [1.0, 0.5, 0.0]  # densities themselves would be 0 / 0


# --- penalties


@given(st.sampled_from([(3,), (2, 3, 4)]), st.floats(0.1, 5), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_the_penalties_of_a_linear_critic_know_its_slope(shape, length, seed):
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(shape, generator=generator, dtype=torch.float64)
    w *= length / w.norm()
    real, fake = torch.randn(2, 5, *shape, generator=generator, dtype=torch.float64)

    def critic(v):
        return (w * v).flatten(1).sum(1)

    assert gans.gradient_penalty(critic, real, fake).item() == pytest.approx((length - 1) ** 2, rel=1e-6, abs=1e-9)
    assert gans.zero_centred_penalty(critic, real).item() == pytest.approx(length**2 / 2, rel=1e-6)


def test_the_penalties_of_a_quadratic_critic_and_their_gradients():
    # critic a‖x‖²/2 has the gradient a·x, so both penalties and their derivative in a have a closed form
    a = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    length = x.flatten(1).norm(dim=1)

    def critic(v):
        return a * v.square().flatten(1).sum(1) / 2

    penalty = gans.gradient_penalty(critic, x, x)
    assert penalty.item() == pytest.approx((a * length - 1).square().mean().item())
    assert torch.autograd.grad(penalty, a)[0].item() == pytest.approx((2 * (a * length - 1) * length).mean().item())
    penalty = gans.zero_centred_penalty(critic, x)
    assert penalty.item() == pytest.approx((a * length).square().mean().item() / 2)
    assert torch.autograd.grad(penalty, a)[0].item() == pytest.approx((a * length**2).mean().item())


@pytest.mark.parametrize("shape", [(3,), (2, 4, 4)])
def test_the_critic_is_asked_on_one_straight_line_an_example(shape):
    asked = []

    def critic(v):
        asked.append(v.detach())
        return v.flatten(1).sum(1)

    gans.gradient_penalty(critic, torch.zeros(4000, *shape), torch.ones(4000, *shape))
    share = asked[0].flatten(1)
    assert torch.equal(share, share[:, :1].expand_as(share))  # the same for each coordinate of an example
    assert stats.kstest(share[:, 0], "uniform").pvalue > 1e-3  # and drawn for each example
    real, fake = torch.randn(2, 3, *shape)
    gans.gradient_penalty(critic, real, fake, share=torch.tensor([0.0, 1.0, 0.25]))
    assert torch.allclose(asked[1], torch.stack([real[0], fake[1], 0.75 * real[2] + 0.25 * fake[2]]), atol=1e-6)


def test_penalties_reach_the_critic_and_nothing_else():
    critic = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0))
    real, fake = (torch.randn(5, 3, requires_grad=True) for _ in range(2))
    (gans.gradient_penalty(critic, real, fake) + gans.zero_centred_penalty(critic, real)).backward()
    assert critic[0].weight.grad.any() and critic[2].weight.grad.any()
    assert real.grad is None and fake.grad is None


def test_penalties_survive_a_flat_critic():
    # the length of a vector has no derivative at 0; a dead ReLU layer sits exactly there
    critic = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1), nn.Flatten(0))
    nn.init.constant_(critic[0].bias, -100.0)
    x = torch.randn(5, 3)
    penalty = gans.gradient_penalty(critic, x, x)
    (penalty + gans.zero_centred_penalty(critic, x)).backward()
    assert penalty.item() == 1 and all(torch.isfinite(p.grad).all() for p in critic.parameters() if p.grad is not None)


def test_penalties_name_what_does_not_fit():
    with pytest.raises(ValueError, match=r"real \(4, 2\) and fake \(3, 2\) must have one shape"):
        gans.gradient_penalty(lambda v: v.sum(1), torch.zeros(4, 2), torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"share .*\(4, 2\).*\(4,\)"):  # one coefficient a coordinate
        gans.gradient_penalty(lambda v: v.sum(1), torch.zeros(4, 2), torch.zeros(4, 2), share=torch.rand(4, 2))


# --- one step of the game


class Turns:
    """What `gan_step_with_cures` needs of a run, which notes what each update would do, and does it."""

    def __init__(self, model, step=0):
        self.model, self.step, self.losses, self.optimisers = model, step, [], model.optimisers(**FAST)

    def update(self, loss, name):
        own, other = (players(self.model)[k] for k in (name, "generator" if name == "discriminator" else "discriminator"))
        before, others_before = flat(own), flat(other)
        reached = torch.autograd.grad(loss, other, retain_graph=True, allow_unused=True)
        if name == "discriminator":
            assert all(g is None for g in reached)  # the fakes are detached
        loss.backward()
        self.optimisers[name].step()
        self.model.zero_grad()
        assert not torch.equal(flat(own), before) and torch.equal(flat(other), others_before)
        self.losses.append((name, loss.item()))


@pytest.mark.parametrize("name", GAMES)
def test_each_player_moves_only_in_its_own_turn(name):
    model = GAMES[name]()
    run = Turns(model)
    logged = gan_step_with_cures(run, batch_for(model))
    assert [n for n, _ in run.losses] == ["discriminator", "generator"]
    assert set(logged) == {"discriminator", "generator"} and all(torch.isfinite(v) for v in logged.values())
    if not model.penalty and not model.r1:
        assert logged["discriminator"].item() == run.losses[0][1]


@pytest.mark.parametrize("build", [lambda: PointGAN(width=8), GAMES["dcgan"]], ids=["points", "images"])
def test_the_plain_step_is_the_one_with_cures_where_there_are_none(build):
    models = []
    for step in (gan_step, gan_step_with_cures):
        training.seed_everything(0)
        models.append(build())
        run = Turns(models[-1])
        for _ in range(3):
            step(run, batch_for(models[-1]))
        assert [n for n, _ in run.losses] == ["discriminator", "generator"] * 3
    assert torch.equal(flat(models[0].parameters()), flat(models[1].parameters()))


def test_the_generator_waits_for_its_critic():
    model = PointGAN(width=8, critic_steps=3)
    run = Turns(model)
    for step in range(7):
        run.step = step
        gan_step_with_cures(run, batch_for(model))
    turns = [n for n, _ in run.losses]
    assert Counter(turns) == {"discriminator": 7, "generator": 3}
    assert turns[:3] == ["discriminator", "generator", "discriminator"]  # at steps 0, 3 and 6
    before = flat(model.generator.parameters())
    run.step = 7
    gan_step_with_cures(run, batch_for(model))
    assert torch.equal(flat(model.generator.parameters()), before) and all(p.grad is None for p in model.generator.parameters())


def test_the_penalties_enter_the_discriminators_loss_with_their_weights():
    for options, extra in (({"penalty": 3.0}, "gradient_penalty"), ({"r1": 5.0}, "zero_centred_penalty")):
        model = PointGAN(width=8, loss="wasserstein", **options)
        x, asked, score = torch.randn(16, 2), [], model.score
        model.score = lambda v, y=None, score=score, asked=asked: asked.append(v) or score(v, y)
        run = Turns(model)
        state = torch.get_rng_state()
        weights = {k: v.clone() for k, v in model.state_dict().items()}
        logged = gan_step_with_cures(run, x)
        points = [v for v in asked if v.requires_grad and v.is_leaf]
        assert len(points) == 1
        model.score = score
        model.load_state_dict(weights)
        torch.set_rng_state(state)
        fake = model.sample(16)
        if extra == "zero_centred_penalty":
            assert torch.equal(points[0].detach(), x)  # R1: at the data
            term = model.r1 * 0.5 * gans.gradient_norm(score, x.clone().requires_grad_()).square().mean()
        else:
            share = ((points[0].detach() - x) / (fake - x))[:, :1]
            term = model.penalty * gans.gradient_penalty(score, x, fake, share=share[:, 0])
        assert logged["discriminator"].item() == pytest.approx((score(fake).mean() - score(x).mean()).item(), rel=1e-5)
        assert run.losses[0][1] == pytest.approx(logged["discriminator"].item() + term.item(), rel=1e-4)


def test_clipping_keeps_the_critic_in_its_box():
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[-3.0, 0.2]]))
        layer.bias.fill_(0.7)
    gans.clip_weights(layer, 0.5)
    assert torch.equal(layer.weight, torch.tensor([[-0.5, 0.2]])) and layer.bias.item() == 0.5 and layer.weight.requires_grad
    model = PointGAN(width=8, loss="wasserstein", clip=0.05)
    training.fit(model, torch.randn(64, 2), steps=5, batch_size=16, step=gan_step_with_cures, optimisers=model.optimisers(**FAST), **QUIET)
    weights = flat(model.discriminator.parameters()).abs()
    assert weights.max().item() == pytest.approx(0.05) and (weights == weights.max()).sum() > 1
    assert flat(model.generator.parameters()).abs().max() > 0.06


def test_under_accumulation_a_turn_leaves_no_gradient_with_the_other_player():
    model, left = PointGAN(width=8), []

    def step(run, batch):
        update = run.update

        def watched(loss, name):
            other = players(model)["generator" if name == "discriminator" else "discriminator"]
            before = [None if p.grad is None else p.grad.clone() for p in other]
            update(loss, name)
            if not run.accelerator.sync_gradients:
                for p, g in zip(other, before):
                    left.append(p.grad is g if g is None or p.grad is None else torch.equal(p.grad, g))

        run.update = watched
        out = gan_step_with_cures(run, batch)
        run.update = update
        return out

    training.fit(model, torch.randn(64, 2), steps=1, batch_size=16, accumulate=2, step=step, optimisers=model.optimisers(), **QUIET)
    assert left and all(left)


def test_in_sixteen_bits_the_generator_meets_the_discriminator_of_now():
    model, x, seen = PointGAN(width=8), torch.randn(64, 2), []

    def step(run, batch):
        run.update(sum(p.square().sum() for p in model.discriminator.parameters()) + 0 * model.score(batch).sum(), "discriminator")
        seen.append(model.score(x))  # autocast keeps 16-bit copies of the weights, and would use the old ones here
        return {}

    training.fit(model, x, steps=1, batch_size=64, step=step, optimisers=model.optimisers(lr=0.1), precision="bf16", **QUIET)
    assert torch.allclose(seen[0].float(), model.score(x), atol=0.03)


# --- learning


@pytest.mark.parametrize("loss", gans.LOSSES)
def test_every_loss_leads_to_the_data(loss):
    # one Gaussian, far from where the samples start: a wrong sign anywhere leads away from it
    x = torch.randn(512, 2) * torch.tensor([0.5, 1.0]) + torch.tensor([3.0, -3.0])
    cure = {"penalty": 0.3, "critic_steps": 3} if loss == "wasserstein" else {"r1": 1.0}
    model = PointGAN(width=32, scale=1.0, loss=loss, **cure)
    optimisers = model.optimisers(lr=2e-3, betas=(0.0, 0.9))
    run = training.fit(
        model, x, steps=500, batch_size=64, step=gan_step_with_cures, optimisers=optimisers, schedule="linear", ema=0.98, **QUIET
    )
    made = run.ema.sample(4000)
    assert torch.allclose(made.mean(0), x.mean(0), atol=0.8)
    assert ((made.std(0) > 0.1) & (made.std(0) < 2.2)).all()


def small(name, n):
    """A recipe, its model made smaller, and n images for it."""
    recipe = gans.RECIPES[name]
    if recipe.data == "faces":
        y = datasets.faces.random_factors(n)
        return recipe, partial(recipe.build, width=4), Dataset("fake", "train", datasets.faces.draw(y), y)
    data = Dataset("fake", "train", torch.randint(0, 256, (n, 1, 8, 8), dtype=torch.uint8), torch.arange(n) % 10)
    return recipe, partial(recipe.build, shape=(1, 8, 8), width=4), data


@pytest.mark.parametrize("name", TRAINED)
def test_every_recipe_trains_repeats_resumes_and_is_rebuilt(name, tmp_path):
    recipe, build, data = small(name, 24)

    class Stop(Exception):
        pass

    def stop_at_4(run):
        if run.step == 4:
            raise Stop

    def train(seed=0, **options):
        torch.manual_seed(seed)
        model = build()
        rules = recipe.fit | {"optimisers": recipe.fit["optimisers"](model)}
        return training.fit(
            model, recipe.tensors(data), steps=5, batch_size=8, seed=seed, ema=0.9, log_every=1, **(QUIET | rules | options)
        )

    whole, again, other = train(), train(), train(seed=1)
    assert torch.equal(flat(whole.model.parameters()), flat(again.model.parameters()))
    assert not torch.equal(flat(whole.model.parameters()), flat(other.model.parameters()))

    # broken off at step 4, the run goes on from its checkpoint at 2 and ends where the unbroken run did
    state = {"checkpoint": tmp_path / "a.state", "checkpoint_every": 2}
    with pytest.raises(Stop):
        train(watch=stop_at_4, **state)
    assert training.load_state(tmp_path / "a.state")["step"] == 2
    broken = train(**state)
    for a, b in ((whole.model, broken.model), (whole.ema, broken.ema)):
        assert all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())
    assert [{k: v for k, v in h.items() if k != "seconds"} for h in broken.history] == [
        {k: v for k, v in h.items() if k != "seconds"} for h in whole.history
    ]

    # every parameter has one owner, and both players have moved
    owned = [id(p) for o in whole.optimisers.values() for g in o.param_groups for p in g["params"]]
    assert sorted(owned) == sorted(id(p) for p in whole.model.parameters())

    rebuilt = type(whole.model)(**json.loads(json.dumps(whole.model.config)))
    rebuilt.load_state_dict(whole.model.state_dict())
    for a, b in zip(outputs(whole.model.eval()), outputs(rebuilt.eval())):
        assert torch.equal(a, b)


@torch.no_grad()
def outputs(model):
    """Images and scores for fixed input."""
    torch.manual_seed(7)
    x = images(shape=model.shape)
    if isinstance(model, gans.Pix2Pix):
        made = model.translate(model.given(x))
        return made, model.discriminator(model.given(x), made)
    if not isinstance(model.classes, int):
        y = datasets.faces.attributes(datasets.faces.random_factors(16))
        made = model.decode(torch.randn(16, model.latents), y)
        return made, model.score(made, y)
    y = torch.arange(16) % model.classes if model.classes else None
    made = model.decode(torch.randn(16, model.latents), y)
    return made, model.score(x, y)


@pytest.mark.parametrize("name", TRAINED)
def test_every_recipe_trains_in_sixteen_bits(name):
    recipe, build, data = small(name, 16)
    model = build()
    before = {k: flat(p) for k, p in players(model).items()}
    rules = recipe.fit | {"optimisers": recipe.fit["optimisers"](model)}
    run = training.fit(model, recipe.tensors(data), steps=3, batch_size=8, precision="bf16", log_every=1, **(QUIET | rules))
    for k, p in players(model).items():
        assert torch.isfinite(flat(p)).all() and not torch.equal(flat(p), before[k])
    assert len(run.history) == 3 and all(p.dtype == torch.float32 for p in model.parameters())


# --- images


@pytest.mark.parametrize("name", [n for n in GAMES if n != "points"])
def test_shapes_of_every_public_method(name):
    model = full_size(GAMES[name]())
    y = torch.tensor([0, 1, 2, 3, 0]) if model.classes else None
    made = model.decode(torch.randn(5, 3), y)
    assert made.shape == (5, 1, 8, 8) and made.min() >= 0 and made.max() <= 1 and made.requires_grad
    sample = model.sample(7)
    assert sample.shape == (7, 1, 8, 8) and not sample.requires_grad
    assert model.score(images(5), y).shape == (5,)


def test_other_shapes_of_images():
    for model in (GAN((3, 8, 12), 5, 4), StyleGAN((3, 8, 12), 5, 4), full_size(ProgressiveGAN((3, 8, 12), 5, 4))):
        assert model.sample(2).shape == (2, 3, 8, 12) and model.score(images(2, (3, 8, 12))).shape == (2,)
    for task, shape in (("outline", (1, 8, 12)), ("superresolution", (3, 8, 12))):
        model = gans.Pix2Pix(task, (3, 8, 12), 4)
        assert model.given(images(2, (3, 8, 12))).shape[1:] == shape == model.given_shape
        assert model.translate(images(2, shape)).shape == (2, 3, 8, 12)


@pytest.mark.parametrize("build", [GAN, StyleGAN, ProgressiveGAN, gans.Pix2Pix])
def test_sizes_that_cannot_be_halved_twice_are_refused(build):
    with pytest.raises(ValueError, match="divisible by 4.*30 × 28"):
        build(shape=(1, 30, 28))


def test_wrong_words_and_numbers_are_named():
    with pytest.raises(ValueError, match="unknown norm 'layer'; choose one of batch, none, spectral"):
        GAN(norm="layer")
    with pytest.raises(ValueError, match="projection discriminator needs labels: give classes"):
        GAN(projection=True)
    with pytest.raises(ValueError, match="unknown task 'colour'; choose one of outline, superresolution"):
        gans.Pix2Pix("colour")
    for build in (GAN, PointGAN):
        with pytest.raises(ValueError, match="critic_steps must be at least 1, got 0"):
            build(critic_steps=0)
    with pytest.raises(ValueError, match="5 points .*packs of 2"):
        PointGAN(pack=2).score(torch.zeros(5, 2))


@pytest.mark.parametrize("name", ["dcgan", "stylegan", "progressive", "pix2pix"])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(4, 8, 8), r"expected images of shape \(batch, 1, 8, 8\), got \(4, 8, 8\)"),
        (torch.zeros(4, 1, 8, 8, dtype=torch.uint8), r"expected floats in \[0, 1\], got torch.uint8; datasets.to_float"),
        (torch.full((4, 1, 8, 8), 255.0), r"expected values in \[0, 1\], got 255 to 255"),
    ],
)
def test_wrong_images_are_named_before_training_starts(name, x, message):
    model = gans.Pix2Pix(**TINY) if name == "pix2pix" else GAMES[name]()
    step = gans.pix2pix_step if name == "pix2pix" else gan_step_with_cures
    with pytest.raises(ValueError, match=message):
        training.fit(model, x, steps=1, batch_size=4, step=step, optimisers=model.optimisers(), **QUIET)


def test_convolutions_start_as_the_dcgan_paper_says():
    model = GAN(width=32)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.weight.numel() > 1000:
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1) and abs(module.weight.mean()).item() < 0.003
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.mean().item() == pytest.approx(1, abs=0.02) and not module.bias.any()
    kinds = [type(m) for m in model.discriminator.modules()]
    assert nn.MaxPool2d not in kinds and nn.AvgPool2d not in kinds


@pytest.mark.parametrize("name", ["sngan", "projection"])
def test_spectral_norm_makes_every_largest_singular_value_one(name):
    model = GAMES["projection"]() if name == "projection" else GAN(**TINY, latents=3, norm="spectral", minibatch=True)
    data = batch_for(model)
    training.fit(model, data, steps=40, batch_size=16, step=gan_step_with_cures, optimisers=model.optimisers(lr=1e-3), **QUIET)
    normed = [m for m in model.discriminator.modules() if hasattr(m, "parametrizations")]
    assert len(normed) == 4  # two convolutions, the judge, and the labels or the comparison of samples
    for module in normed:
        assert torch.linalg.svdvals(module.weight.flatten(1)).max().item() == pytest.approx(1, abs=0.03)
        assert torch.linalg.svdvals(module.parametrizations.weight.original.flatten(1)).max().item() != pytest.approx(1, abs=0.03)
    state = {k: v.clone() for k, v in model.discriminator.state_dict().items()}
    x, y = data if isinstance(data, tuple) else (data, None)
    model.eval().score(x, y)
    assert all(torch.equal(v, state[k]) for k, v in model.discriminator.state_dict().items())
    model.train().score(x, y)  # or the comparison above would show nothing
    assert not all(torch.equal(v, state[k]) for k, v in model.discriminator.state_dict().items())


# --- conditions


@pytest.mark.parametrize("projection", [False, True])
def test_a_conditional_gan_listens_to_its_label(projection):
    model = GAN(**TINY, latents=3, classes=4, projection=projection).eval()
    z, a, b = torch.randn(2, 3), torch.tensor([0, 1]), torch.tensor([0, 3])
    for f, x in ((model.decode, z), (model.score, images(2))):
        assert torch.equal(f(x, a)[0], f(x, b)[0]) and not torch.allclose(f(x, a)[1], f(x, b)[1])
        assert torch.equal(f(x, 3), f(x, [3, 3]))
        assert torch.equal(f(x, 3), f(x, torch.tensor([3, 3], dtype=torch.uint8)))  # as labels are often stored
    with pytest.raises(ValueError, match="needs a label from 0 to 3 for each example; y is missing"):
        model.decode(z)
    for wrong in (torch.tensor([0, 4]), torch.tensor([-1, 0]), torch.tensor([0.0, 1.0]), torch.tensor([0, 1, 2]), torch.tensor([[0], [1]])):
        for f, x in ((model.decode, z), (model.score, images(2))):
            with pytest.raises(ValueError, match="from 0 to 3"):
                f(x, wrong)


@pytest.mark.parametrize("projection", [False, True])
def test_several_labels_enter_as_the_sum_of_their_codes(projection):
    several, one = (GAN(**TINY, latents=3, classes=c, projection=projection).eval() for c in ((2, 3), 6))
    name = "label_code" if projection else "label_image"
    pairs = torch.tensor([[i, j] for i in range(2) for j in range(3)])
    with torch.no_grad():  # one label for each pair, whose code is the sum of the two codes
        weights = several.state_dict()
        code = weights[f"discriminator.{name}.weight"]
        weights[f"discriminator.{name}.weight"] = code[pairs[:, 0]] + code[2 + pairs[:, 1]]
        first = weights["generator.layers.0.weight"]
        weights["generator.layers.0.weight"] = torch.cat([first[:, :3], first[:, 3 + pairs[:, 0]] + first[:, 5 + pairs[:, 1]]], 1)
    one.load_state_dict(weights)
    z, x = torch.randn(6, 3), images(6)
    assert torch.allclose(several.decode(z, pairs), one.decode(z, torch.arange(6)), atol=1e-6)
    assert torch.allclose(several.score(x, pairs), one.score(x, torch.arange(6)), atol=1e-5)
    assert several.sample(4).shape == several.sample(4, y=[1, 2]).shape
    with pytest.raises(ValueError, match=r"integers of shape \(4, 2\) from 0 to 1, 2, got"):
        several.sample(4, y=torch.tensor([[2, 0]] * 4))
    with pytest.raises(ValueError, match="needs a label from 0 to 1, 2 for each example; y is missing"):
        several.decode(z)


def test_labels_are_drawn_from_every_class():
    model = GAN(**TINY, latents=3, classes=4)
    model.decode = lambda z, y: y
    assert stats.chisquare(torch.bincount(model.sample(4000), minlength=4)).pvalue > 1e-3
    assert model.sample(3, y=2).tolist() == [2, 2, 2]


def test_the_label_is_joined_to_z_as_one_hot():
    model = GAN(**TINY, latents=3, classes=4).eval()
    first = model.generator.layers[0]
    seen = []
    first.register_forward_hook(lambda module, args, out: seen.append(out))
    z, y = torch.randn(5, 3), torch.tensor([3, 0, 1, 2, 2])
    model.decode(z, y)
    truth = torch.stack([first.weight[:, :3] @ z[i] + first.weight[:, 3 + y[i]] + first.bias for i in range(5)])
    assert torch.allclose(seen[0], truth, atol=1e-6)


def test_the_projection_score_is_an_inner_product():
    model = GAN(**TINY, latents=3, classes=4, projection=True).eval()
    x, y = images(5), torch.tensor([3, 0, 1, 2, 2])
    features = model.discriminator.features(2 * x - 1)
    judge, codes = model.discriminator.judge, model.discriminator.label_code.weight
    truth = torch.stack([judge.weight[0] @ features[i] + judge.bias[0] + codes[y[i]] @ features[i] for i in range(5)])
    assert torch.allclose(model.score(x, y), truth, atol=1e-5)


# --- cures, points


def test_minibatch_discrimination_equals_a_loop():
    layer, x = gans.MinibatchDiscrimination(5, kernels=3, size=2), torch.randn(4, 5)
    m = (x @ layer.project.weight.T).view(4, 3, 2).detach().numpy()
    truth = np.zeros((4, 3))
    for i in range(4):
        for j in range(4):
            for k in range(3):
                if i != j:
                    truth[i, k] += math.exp(-abs(m[i, k] - m[j, k]).sum())
    out = layer(x).detach()
    assert out.shape == (4, 8) and torch.equal(out[:, :5], x)
    np.testing.assert_allclose(out[:, 5:], truth, atol=1e-6)


def test_minibatch_discrimination_sees_a_collapse():
    layer = gans.MinibatchDiscrimination(5)
    same = layer(torch.randn(1, 5).expand(6, 5))[:, 5:]
    assert torch.allclose(same, torch.full_like(same, 5.0))  # all five others are as close as can be
    assert layer(torch.randn(1, 5))[:, 5:].abs().max() < 1e-6


def test_packed_points_are_judged_side_by_side():
    model, x = PointGAN(width=8, pack=3, scale=4.0), torch.randn(6, 2)
    truth = model.discriminator(torch.cat([x[0::3], x[1::3], x[2::3]], 1) / 4)
    assert model.score(x).shape == (2,) and torch.allclose(model.score(x), truth)
    assert torch.allclose(model.decode(torch.ones(1, 2)), 4 * model.generator(torch.ones(1, 2)))


def test_modes_are_counted_by_hand():
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    samples = torch.cat([centres[0].expand(12, 2) + 0.1, centres[1].expand(9, 2), torch.full((4, 2), 5.0)])
    assert gans.modes_covered(samples, centres, 0.5) == (1, pytest.approx(21 / 25))
    assert gans.modes_covered(samples, centres, 0.5, least=9)[0] == 2
    assert gans.modes_covered(samples, centres, 0.5, least=13)[0] == 0
    assert gans.modes_covered(samples, centres, 2.0) == (1, 1.0)  # (5, 5) is within 8 of the first, which was covered


@pytest.mark.parametrize(("shift", "share"), [(0.1999, 1.0), (0.2001, 0.0)])
def test_modes_at_the_border(shift, share):
    # 25 centres, so that a distance computed as |a|² − 2ab + |b|² would lose digits
    centres = torch.cartesian_prod(torch.arange(-4.0, 5, 2), torch.arange(-4.0, 5, 2))
    covered, good = gans.modes_covered(centres.repeat(10, 1) + torch.tensor([shift, 0.0]), centres, 0.05)
    assert good == share and covered == 25 * share


# --- the game on a plane

rates, places = st.floats(0.02, 1), st.floats(-2, 2)


VALUES = {
    "bilinear": lambda x, y: x * y,
    "with a cost": lambda x, y: x * y + 0.1 * x**2 - 0.1 * y**2,
    "dirac GAN": lambda x, y: -cmath.log(1 + cmath.exp(-x * y)),  # Mescheder et al., equation 4, less a constant
}


def slopes(game, x, y, h=1e-30):
    """(∂f/∂x, ∂f/∂y) from a step along the imaginary axis, exact to rounding."""
    f = VALUES[game]
    return f(complex(x, h), y).imag / h, f(x, complex(y, h)).imag / h


def play_by_hand(game, method, steps, a, b, x, y):
    path, old = [(x, y)], None

    def f(x, y):
        return slopes(game, x, y)

    for _ in range(steps):
        dx, dy = f(x, y)
        if method == "alternating":
            new = x - a * dx
            x, y = new, y + b * f(new, y)[1]
        elif method == "extragradient":
            dx, dy = f(x - a * dx, y + b * dy)
            x, y = x - a * dx, y + b * dy
        elif method == "optimistic":
            px, py = old or (dx, dy)
            x, y, old = x - a * (2 * dx - px), y + b * (2 * dy - py), (dx, dy)
        else:
            x, y = x - a * dx, y + b * dy
        path.append((x, y))
    return np.array(path)


@pytest.mark.parametrize("game", gans.GAMES)
@pytest.mark.parametrize("method", gans.METHODS)
@given(rates, rates, places, places)
@settings(max_examples=5, deadline=None)
def test_every_game_is_played_by_its_gradients(game, method, a, b, x, y):
    path = gans.play(game, method, 6, a, b, (x, y))
    assert path.shape == (7, 2)
    np.testing.assert_allclose(path, play_by_hand(game, method, 6, a, b, x, y), rtol=1e-9, atol=1e-12)


def distances(*args, **kwargs):
    return gans.play(*args, **kwargs).norm(dim=1)


@given(rates)
@settings(max_examples=10, deadline=None)
def test_simultaneous_steps_spiral_out_by_a_known_factor(rate):
    r = distances("bilinear", "simultaneous", 10, rate, rate)
    assert (r[1:] / r[:-1]).tolist() == pytest.approx([math.sqrt(1 + rate**2)] * 10)


def test_alternating_steps_circle_for_ever():
    a, b = 0.3, 0.5
    x, y = gans.play("bilinear", "alternating", 200, a, b, (1.0, 0.5)).T
    energy = x**2 / a + y**2 / b - x * y  # what these steps keep
    assert energy.tolist() == pytest.approx([energy[0].item()] * 201)
    assert x.abs().max() < 2 and y.abs().max() < 2 and (x[-100:].min() < -0.5 < 0.5 < x[-100:].max())


def test_who_settles_and_who_does_not():
    for method in ("extragradient", "optimistic"):
        r = distances("bilinear", method, 200, 0.3, 0.3)
        assert r[-1] < 0.01 * r[0]
    r = distances("bilinear", "extragradient", 5, 0.3, 0.3)
    assert (r[1:] / r[:-1]).tolist() == pytest.approx([math.sqrt((1 - 0.3**2) ** 2 + 0.3**2)] * 5)
    assert distances("with a cost", "simultaneous", 200, 0.1, 0.1)[-1] < 0.3
    r = distances("dirac GAN", "simultaneous", 200, 0.3, 0.3)
    assert (r[1:] > r[:-1]).all()  # Mescheder et al.: no step size makes the unregularised GAN converge


def test_games_are_level_at_their_equilibrium_and_unknown_words_are_named():
    for game in gans.GAMES:
        for method in gans.METHODS:
            assert not gans.play(game, method, 3, 0.5, 0.5, (0.0, 0.0)).any()
    assert gans.play("bilinear", "alternating", 0, 0.1, 0.1).tolist() == [[1, 0]]
    with pytest.raises(ValueError, match="unknown game 'chess'; choose one of bilinear, with a cost, dirac GAN"):
        gans.play("chess", "alternating", 1, 0.1, 0.1)
    with pytest.raises(ValueError, match="unknown method 'together'; choose one of simultaneous, alternating, extragradient, optimistic"):
        gans.play("bilinear", "together", 1, 0.1, 0.1)


# --- StyleGAN


def test_adain_sets_mean_and_deviation():
    x = 5 + 3 * torch.randn(4, 6, 7, 9)
    mean, std = torch.randn(4, 6), torch.rand(4, 6) + 0.5
    out = gans.adain(x, mean, std)
    assert torch.allclose(out.mean((2, 3)), mean, atol=1e-5)
    assert torch.allclose(out.std((2, 3), unbiased=False), std, atol=1e-4)
    assert torch.allclose(out, F.instance_norm(x) * std[..., None, None] + mean[..., None, None], atol=1e-5)
    flat_channel = torch.ones(1, 1, 4, 4, requires_grad=True)
    out = gans.adain(flat_channel, mean[:1, :1], std[:1, :1])
    out.square().sum().backward()
    assert torch.allclose(out, mean[0, 0].expand_as(out)) and torch.isfinite(flat_channel.grad).all()


@pytest.fixture
def style():
    model = StyleGAN(**TINY, latents=3).eval()
    with torch.no_grad():
        model.mean_w.copy_(torch.tensor([0.3, -0.2, 0.5]))
        for conv in model.convs:
            conv.noise.fill_(0.5)  # noise that shows: it starts at 0
            conv.style.weight.mul_(10)
    return model.requires_grad_(False)


def test_truncation_pulls_towards_the_mean_style(style):
    z = torch.randn(5, 3)
    whole = style.style(z)
    assert torch.allclose(style.style(z, 0.0), style.mean_w.expand(5, 3))
    for truncation in (0.25, 0.5, 1.5):
        assert torch.allclose(style.style(z, truncation), torch.lerp(style.mean_w.expand(5, 3), whole, truncation), atol=1e-6)
    assert torch.allclose(style.style(7 * z), whole, atol=1e-5)  # only the direction of z counts
    noise = style.fixed_noise(1)
    truth = style.synthesise(style.mean_w[None], noise)
    style.fixed_noise, synthesise = None, style.synthesise
    style.synthesise = lambda w: synthesise(w, [n.expand(len(w), -1, -1, -1) for n in noise])
    assert torch.allclose(style.sample(4, truncation=0.0), truth.expand(4, -1, -1, -1), atol=1e-6)


def test_mixing_takes_the_first_layers_from_one_and_the_rest_from_the_other(style):
    coarse, fine, noise = style.style(torch.randn(2, 3)), style.style(torch.randn(2, 3)), style.fixed_noise(2)
    for layer in range(style.LAYERS + 1):
        w = style.mix(coarse, fine, layer)
        assert w.shape == (2, 6, 3)
        assert torch.equal(w[:, :layer], coarse[:, None].expand(-1, layer, -1))
        assert torch.equal(w[:, layer:], fine[:, None].expand(-1, 6 - layer, -1))
    pictures = [style.synthesise(style.mix(coarse, fine, layer), noise) for layer in range(7)]
    assert torch.equal(pictures[0], style.synthesise(fine, noise)) and torch.equal(pictures[6], style.synthesise(coarse, noise))
    for a, b in zip(pictures, pictures[1:]):
        assert not torch.allclose(a, b)  # every layer listens to its style


def test_fixed_noise_repeats_and_drawn_noise_does_not(style):
    w = style.style(torch.randn(2, 3))
    assert [n.shape for n in style.fixed_noise(2)] == [(2, 1, s, s) for s in (2, 2, 4, 4, 8, 8)]
    first = style.synthesise(w, style.fixed_noise(2))
    assert torch.equal(first, style.synthesise(w, style.fixed_noise(2)))
    assert not torch.allclose(first, style.synthesise(w, style.fixed_noise(2, seed=1)))
    assert not torch.allclose(style.synthesise(w), style.synthesise(w))
    for layer in range(6):  # the noise of each layer reaches the picture
        noise = style.fixed_noise(2)
        noise[layer] = noise[layer] + torch.randn(1, 1, *noise[layer].shape[2:])
        assert not torch.allclose(first, style.synthesise(w, noise))


def test_the_mean_style_follows_training_and_rests_in_evaluation(style):
    z, before = torch.randn(50, 3), style.mean_w.clone()
    w = style.style(z)
    style.decode(z)
    style.sample(9)
    assert torch.equal(style.mean_w, before)
    style.train().decode(z)
    assert torch.allclose(style.mean_w, 0.99 * before + 0.01 * w.mean(0), atol=1e-6)
    for _ in range(600):
        style.decode(torch.randn(64, 3))
    assert torch.allclose(style.mean_w, style.style(torch.randn(20_000, 3)).mean(0), atol=0.03)


def test_training_mixes_styles_as_often_as_asked(style):
    seen = []
    style.synthesise = lambda w: seen.append(w)
    z = torch.randn(4, 3)
    for mixing, share in ((0.0, 0.0), (1.0, 1.0), (0.3, 0.3)):
        seen.clear()
        style.train().mixing = mixing
        for _ in range(400):
            style.decode(z)
        mixed = [w for w in seen if w.ndim == 3]
        assert len(mixed) / 400 == pytest.approx(share, abs=0.08)
    w = style.style(z)
    places = Counter()
    for m in mixed:
        own = [bool(torch.allclose(m[:, i], w, atol=1e-5)) for i in range(6)]
        assert own[0] and not own[5] and own == sorted(own, reverse=True)
        places[sum(own)] += 1
    assert set(places) == {1, 2, 3, 4, 5}
    style.eval().decode(z)
    assert seen[-1].ndim == 2


def test_the_mapping_network_learns_a_hundred_times_more_slowly():
    model = StyleGAN(**TINY, latents=3)
    rates = {id(p): g["lr"] for o in model.optimisers(lr=0.5).values() for g in o.param_groups for p in g["params"]}
    for name, p in model.named_parameters():
        assert rates[id(p)] == pytest.approx(0.005 if name.startswith("mapping") else 0.5)


# --- progressive growing


def test_growth_at_its_corners():
    corners = {0: 1, 0.2: 1, 1 / 3: 1, 5 / 12: 1.5, 1 / 2: 2, 0.6: 2, 2 / 3: 2, 3 / 4: 2.5, 5 / 6: 3, 0.9: 3, 1: 3, 1.5: 3}
    assert [gans.growth(t) for t in corners] == pytest.approx(list(corners.values()))
    assert gans.growth(0.75, stages=2) == pytest.approx(2) and gans.growth(0.625, stages=2) == pytest.approx(1.5)


@given(st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_growth_is_continuous_and_never_shrinks(a, b):
    a, b = min(a, b), max(a, b)
    assert 0 <= gans.growth(b) - gans.growth(a) <= 6 * (b - a) + 1e-9
    assert 1 <= gans.growth(a) <= 3


@pytest.fixture
def progressive():
    model = ProgressiveGAN(**TINY, latents=3)

    def grow(to):
        model.grown.fill_(to)
        return model

    return grow


def test_each_stage_has_its_own_size_of_pixel(progressive):
    z = torch.randn(2, 3)
    for stage, pixel in ((1, 4), (2, 2), (3, 1)):
        x = progressive(stage).decode(z)
        assert x.shape == (2, 1, 8, 8)
        blocks = F.avg_pool2d(x, pixel)
        assert torch.allclose(F.interpolate(blocks, scale_factor=pixel), x, atol=1e-6)
        assert blocks.std() > 0 and not torch.allclose(blocks[0], blocks[1])


@pytest.mark.parametrize("stage", [2, 3])
def test_a_new_layer_fades_in(progressive, stage):
    z = torch.randn(2, 3)
    old, new = (torch.logit(progressive(s).decode(z)) for s in (stage - 1, stage))
    assert not torch.allclose(old, new, atol=1e-3)
    for fade in (0.001, 0.25, 0.75):
        assert torch.allclose(torch.logit(progressive(stage - 1 + fade).decode(z)), torch.lerp(old, new, fade), atol=1e-4)


def judged(model, x):
    """What goes into the last part of the discriminator, and the score."""
    seen = []
    hook = model.discriminator["judge"].register_forward_hook(lambda module, args, out: seen.append(args[0]))
    score = model.score(x)
    hook.remove()
    return seen[0][:, :-1], seen[0][:, -1], score


@pytest.mark.parametrize("stage", [2, 3])
def test_the_discriminator_fades_too(progressive, stage):
    old, new = (judged(progressive(s), images(4))[0] for s in (stage - 1, stage))
    if stage == 3:  # both ways pass through the block of stage 2, which is no straight line
        for fade, like in ((1e-4, old), (1 - 1e-4, new)):
            assert torch.allclose(judged(progressive(stage - 1 + fade), images(4))[0], like, atol=1e-3)
    else:
        for fade in (0.25, 0.75):
            assert torch.allclose(judged(progressive(1 + fade), images(4))[0], torch.lerp(old, new, fade), atol=1e-5)
    assert not torch.allclose(old, new, atol=1e-2)


def test_a_coarse_stage_sees_only_the_shrunken_image(progressive):
    noise = torch.rand(3, 1, 8, 8)
    details = {pixel: 0.4 * (noise - F.interpolate(F.avg_pool2d(noise, pixel), scale_factor=pixel)) for pixel in (4, 2)}
    x = 0.5 + 0.1 * torch.rand(3, 1, 8, 8)
    for grown, pixel in ((1.0, 4), (1.5, 2), (2.0, 2)):
        model = progressive(grown)
        assert torch.allclose(model.score(x), model.score(x + details[pixel]), atol=1e-5)
    for grown, pixel in ((1.5, 4), (2.0, 4), (2.5, 2), (3.0, 2)):
        model = progressive(grown)
        assert not torch.allclose(model.score(x), model.score(x + details[pixel]), atol=1e-5)


def test_the_discriminator_sees_the_spread_of_its_batch(progressive):
    for grown in (1.0, 2.3, 3.0):
        features, spread, _ = judged(progressive(grown), images(5))
        assert spread.unique().numel() == 1
        assert spread.unique().item() == pytest.approx(features.detach().numpy().std(0).mean(), rel=1e-3)
        assert judged(progressive(grown), images(1).expand(5, -1, -1, -1))[1].max() < 2e-4


def test_training_grows_the_model_and_its_average():
    model, path = ProgressiveGAN(**TINY, latents=3), []

    def step(run, x):
        logged = gans.progressive_step(run, x)
        path.append(model.grown.item())
        return logged

    run = training.fit(model, images(16), steps=12, batch_size=8, step=step, optimisers=model.optimisers(), ema=0.9, **QUIET)
    assert path == pytest.approx([1, 1, 1, 1, 1, 1.5, 2, 2, 2, 2.5, 3, 3])
    assert run.ema.grown.item() == 3 and run.ema.stage() == (3, 1.0)


# --- translation


def support(output, x):
    """Height and width of the part of x that the one number `output` depends on."""
    rows, columns = torch.autograd.grad(output, x, retain_graph=True)[0].abs().sum((0, 1)).nonzero().T
    return (rows.max() - rows.min() + 1).item(), (columns.max() - columns.min() + 1).item()


def test_the_patch_discriminator_sees_what_it_says():
    model = gans.PatchDiscriminator(1, 3, 4).eval()
    given, x = images(2, (1, 64, 64)).requires_grad_(), images(2, (3, 64, 64)).requires_grad_()
    score = model(given, x)
    assert score.shape == (2, 64 // 4, 64 // 4) and model(given[:, :, :28, :12], x[:, :, :28, :12]).shape == (2, 7, 3)
    for v in (given, x):
        assert support(score[0, 7, 7], v) == (model.receptive_field, model.receptive_field) == (10, 10)


def test_the_u_net_keeps_the_shape_and_its_shortcuts_matter():
    net, x = gans.UNet(1, 3, 4).eval(), images(1, (1, 24, 32)).requires_grad_()
    assert net(x).shape == (1, 3, 24, 32) and net(x).min() >= 0 and net(x).max() <= 1
    whole = support(net(x)[0, 0, 12, 12], x)
    # with a path cut, a pixel still hears from its neighbours by the shortcut that is left
    cut = net.up1.register_forward_hook(lambda module, args, out: 0 * out)
    assert support(net(x)[0, 0, 12, 12], x) == (5, 5)  # two 3×3 convolutions at full size
    cut.remove()
    cut = net.down2.register_forward_hook(lambda module, args, out: 0 * out)
    half = support(net(x)[0, 0, 12, 12], x)
    assert 5 < half[0] < whole[0] and 5 < half[1] < whole[1]


def test_dropout_is_the_u_nets_only_noise():
    net, x = gans.UNet(1, 1, 8), images()
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))


@given(arrays(np.uint8, (2, 3, 8, 12)))
@settings(max_examples=30, deadline=None)
def test_outlines_and_small_images_by_hand(levels):
    grey = levels.astype(int).sum(1)  # exact: the rule is of the mean, so the bound is 3 · 255 · 0.05 = 38.25
    cross = ndimage.generate_binary_structure(2, 1)
    lightest = np.stack([ndimage.maximum_filter(g, footprint=cross, mode="nearest") for g in grey])
    x = torch.from_numpy(levels).float() / 255
    np.testing.assert_array_equal(gans.outline(x)[:, 0].numpy(), lightest - grey > 38.25)
    means = (levels / 255).reshape(2, 3, 4, 2, 6, 2).mean((3, 5))
    np.testing.assert_allclose(gans.shrink(x), np.kron(means, np.ones((2, 2))), atol=1e-6)


def test_the_outline_lies_on_the_darker_side_and_on_no_even_face():
    x = torch.full((1, 3, 4, 6), 0.8)
    assert not gans.outline(x).any()
    x[:, 0, :, 3:] = 0.2  # the right half loses its red
    assert gans.outline(x)[0, 0].tolist() == [[0, 0, 0, 1, 0, 0]] * 4


@pytest.mark.parametrize("task", ["outline", "superresolution"])
def test_pix2pix_is_given_the_right_image(task):
    model, x = gans.Pix2Pix(task, **TINY), images()
    assert torch.equal(model.given(x), gans.outline(x) if task == "outline" else gans.shrink(x))


def test_each_player_of_pix2pix_minimises_its_own_loss():
    model, x = gans.Pix2Pix(**TINY, l1=7.0), images()
    model.generator.up1[1].p = 0.0  # no noise: the same step can be computed twice
    bce = F.binary_cross_entropy_with_logits
    made, given = model.translate(model.given(x)), model.given(x)
    real, fake = model.discriminator(given, x), model.discriminator(given, made)
    truth = bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))
    run = Turns(model)
    logged = gans.pix2pix_step(run, x)
    assert [n for n, _ in run.losses] == ["discriminator", "generator"]
    assert run.losses[0][1] == pytest.approx(truth.item(), rel=1e-5) == logged["discriminator"].item()
    l1 = np.abs(made.detach().numpy() - x.numpy()).mean()
    assert logged["l1"].item() == pytest.approx(l1, rel=1e-5)
    # the generator met the new discriminator: only the distance is known beforehand
    assert run.losses[1][1] > 7 * l1


# --- measuring


@pytest.fixture(scope="module")
def digits():
    return datasets.load("mnist_small", "test")


class Copyist:
    """A "model" that draws from the data: the best that can be done."""

    classes = 10

    def __init__(self, data, shift=0):
        self.x, self.y, self.shift, self.used = data.images(), data.y, shift, Counter()

    def sample(self, n, y=None):
        if y is None:
            return self.x[torch.randint(len(self.x), (n,))]
        index = []
        for label in ((y + self.shift) % self.classes).tolist():  # each image of a class once, in order
            index.append((self.y == label).nonzero()[self.used[label], 0])
            self.used[label] += 1
        return self.x[torch.stack(index)]


def test_samples_are_drawn_in_parts():
    seen = []
    model = SimpleNamespace(sample=lambda n: seen.append(n) or torch.full((n, 1), float(len(seen))))
    assert metrics.draw(model, 23, batch_size=10).flatten().tolist() == [1.0] * 10 + [2.0] * 10 + [3.0] * 3
    assert seen == [10, 10, 3]


def test_a_copyist_gets_the_best_numbers(digits):
    fair = recipes.measure_samples(Copyist(digits), digits, n=1000)
    assert fair["samples"] == 1000 and fair["rarest_class"] > 0.06
    right = recipes.measure_conditional(Copyist(digits), digits, n=1000)
    wrong = recipes.measure_conditional(Copyist(digits, shift=1), digits, n=1000)
    assert right["class_accuracy"] > 0.98 and wrong["class_accuracy"] < 0.02
    assert right["fid"] == pytest.approx(wrong["fid"], rel=1e-3) == pytest.approx(metrics.digit_fid(digits.images()), rel=1e-3)
    collapsed = SimpleNamespace(sample=lambda n: digits.images()[:1].expand(n, -1, -1, -1))
    alone = recipes.measure_samples(collapsed, digits, n=500)
    assert alone["rarest_class"] == 0 and alone["fid"] > 20 * fair["fid"]


@pytest.fixture(scope="module")
def some_faces():
    test = datasets.load("faces", "test")
    return Dataset("fake", "test", test.x[:1000], test.y[:1000])


def test_a_perfect_translator_makes_no_error(some_faces):
    x = iter(some_faces.images().split(500))
    perfect = SimpleNamespace(given=lambda part: part, translate=lambda part: next(x))
    numbers = recipes.measure_translation(perfect, some_faces)
    assert numbers["l1"] == 0 and min(numbers["word_accuracy"].values()) > 0.98 and numbers["test_images"] == 1000
    assert numbers["fid"] == pytest.approx(metrics.face_fid(some_faces.images()), abs=numbers["fid_error"])
    blank = SimpleNamespace(given=lambda part: part, translate=torch.zeros_like)
    numbers = recipes.measure_translation(blank, some_faces)
    assert numbers["l1"] == pytest.approx(some_faces.images().mean().item(), rel=1e-5) and max(numbers["word_accuracy"].values()) < 0.9


def test_what_faces_are_drawn_of_is_compared_with_what_there_is(some_faces):
    x, hats = some_faces.images(), some_faces.y[:, list(datasets.faces.FACTORS).index("hat")] > 0
    without = recipes.measure_styled_faces(SimpleNamespace(sample=lambda n: x[~hats][:n]), some_faces, n=500)
    ((word, off),) = without["share_off_most"].items()
    assert without["samples"] == 500
    assert word in ("hat: none", "hat: hat") and abs(off) == pytest.approx(hats.double().mean().item(), abs=0.02)
    collapsed = recipes.measure_styled_faces(SimpleNamespace(sample=lambda n: x[:1].expand(n, -1, -1, -1)), some_faces, n=500)
    assert collapsed["fid"] > 10 * without["fid"]


def test_an_unbalanced_set_keeps_the_first_of_the_rare_and_all_others(digits):
    x, y = recipes.unbalanced(digits, keep=7)
    expected = torch.full((10,), 100)
    expected[list(recipes.RARE)] = 7
    assert torch.equal(torch.bincount(y), expected) and len(x) == len(y)
    for digit in recipes.RARE:
        assert torch.equal(x[y == digit], digits.x[digits.y == digit][:7])


# --- operator norm, overlap, CycleGAN


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(2, 3, 4, stride=2, padding=1), (2, 6, 8)),
        (nn.Conv2d(1, 4, 3, bias=False), (1, 5, 5)),
        (nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1), (3, 3, 3)),
        (nn.Linear(7, 4), (7,)),
    ],
)
def test_the_norm_of_a_layer_is_that_of_its_whole_matrix(layer, shape):
    layer = layer.double()
    basis = torch.eye(math.prod(shape), dtype=torch.float64).view(-1, *shape)
    with torch.no_grad():
        columns = (layer(basis) - layer(torch.zeros(1, *shape, dtype=torch.float64))).flatten(1)
    assert gans.operator_norm(layer, shape, steps=2000) == pytest.approx(np.linalg.svd(columns.numpy(), compute_uv=False)[0], rel=1e-3)
    assert all(p.grad is None for p in layer.parameters())  # looking at a layer must not train it


def test_a_strided_convolution_stretches_by_at_most_twice_its_reshaped_kernel():
    layer = nn.Conv2d(3, 8, 4, stride=2, padding=1)
    reshaped = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0].item()
    assert reshaped < gans.operator_norm(layer, (3, 16, 16)) <= 2 * reshaped
    with torch.no_grad():
        layer.weight.fill_(0.1)  # every patch alike: the bound is reached but for the border
    reshaped = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0].item()
    assert gans.operator_norm(layer, (3, 64, 64)) == pytest.approx(2 * reshaped, rel=0.01)
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        gans.operator_norm(layer, (3, 16, 16), steps=0)


def test_overlap_counts_good_samples_up_to_a_fair_share():
    centres, std = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0], [5.0, 5.0]]), 0.1

    def at(*counts):
        """So many samples at each centre, and the last number of them far from all."""
        places = torch.cat([centres, torch.tensor([[2.5, 2.5]])])
        return places.repeat_interleave(torch.tensor(counts), 0)

    assert gans.mode_overlap(at(10, 10, 10, 10, 0), centres, std) == pytest.approx(1)
    assert gans.mode_overlap(at(40, 0, 0, 0, 0), centres, std) == pytest.approx(1 / 4)  # one mode, perfectly
    assert gans.mode_overlap(at(0, 0, 0, 0, 40), centres, std) == 0
    for counts in ((30, 5, 5, 0, 0), (3, 9, 2, 1, 25), (12, 0, 12, 0, 16)):
        model, data = np.array(counts) / sum(counts), np.array([0.25, 0.25, 0.25, 0.25, 0])
        assert gans.mode_overlap(at(*counts), centres, std) == pytest.approx(1 - 0.5 * np.abs(model - data).sum(), abs=1e-6)
    shifted = centres + torch.tensor([0.39, 0.0]), centres + torch.tensor([0.41, 0.0])  # within four standard deviations, and outside
    assert [gans.mode_overlap(v, centres, std) for v in shifted] == [1, 0]


def test_colours_and_landscapes_are_those_of_the_palette():
    for name in gans.PALETTES:
        drawn, kind = gans.colours(name, 3_000)
        assert drawn.shape == (3_000, 3) and torch.equal(drawn, gans.colours(name, 3_000)[0])
        assert (torch.cdist(drawn, gans.palette(name)).argmin(1) == kind).float().mean() > 0.995  # the grain hides next to nothing
        assert stats.chisquare(torch.bincount(kind).numpy()).pvalue > 0.01  # each as often
        pictures = gans.landscapes(name, 20, size=24, seed=3)
        assert pictures.shape == (20, 3, 24, 24)
        entries = torch.cdist(pictures.movedim(1, -1).reshape(-1, 3), gans.palette(name)).argmin(1).view(20, 24, 24)
        assert (entries[:, 0, 0] == 0).all() and (entries[:, -1] == 1).all() and (entries == 2).flatten(1).sum(1).min() > 10
    with pytest.raises(ValueError, match="unknown palette 'noon'; choose one of day, night, dusk"):
        gans.palette("noon")


def shifting(there, back):
    """A CycleGAN whose translators add a fixed amount to every coordinate."""
    model = gans.CycleGAN(dims=2, width=4)
    for way, amount in (("there", there), ("back", back)):
        last = [m for m in model.generator[way].modules() if isinstance(m, nn.Linear)][-1]
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, 2 * amount)
    return model


def test_a_round_trip_costs_what_it_changes():
    x, y = torch.rand(5, 2), torch.rand(9, 2)
    assert torch.allclose(shifting(0.3, 0.0).translate(x), x + 0.3)
    assert shifting(0.3, -0.3).round_trips(x, y).item() == pytest.approx(0, abs=1e-6)
    assert shifting(0.3, -0.1).round_trips(x, y).item() == pytest.approx(2 * 0.2, abs=1e-6)  # once for x, once for y


class Watched:
    """What `cycle_step` needs of a run; remembers the gradients of each update."""

    def __init__(self, model):
        self.model, self.gradients = model, {}

    def update(self, loss, name):
        self.model.zero_grad()
        loss.backward()
        self.gradients[name] = {key: None if p.grad is None else p.grad.clone() for key, p in self.model.named_parameters()}
        self.model.zero_grad()


def test_unpaired_rows_have_no_order_and_each_loss_moves_its_own_players():
    torch.manual_seed(0)
    model, x, y = gans.CycleGAN(dims=2, width=8), torch.rand(16, 2), torch.rand(16, 2)
    first, again = Watched(model), Watched(model)
    gans.cycle_step(first, (x, y))
    gans.cycle_step(again, (x, y[torch.randperm(16)]))
    for player, gradients in first.gradients.items():
        for key, gradient in gradients.items():
            other = again.gradients[player][key]
            assert (gradient is None) == (other is None) and (gradient is None or torch.allclose(gradient, other, atol=1e-6)), key
    moved = {key for key, gradient in first.gradients["discriminator"].items() if gradient is not None and gradient.abs().max() > 0}
    assert moved and all(key.startswith("discriminator") for key in moved)  # nothing flows back into the translators
    translators = [gradient for key, gradient in first.gradients["generator"].items() if key.startswith("generator")]
    assert all(gradient.abs().max() > 0 for gradient in translators)


def test_the_cycle_makes_translators_undo_each_other():
    day, kind = gans.colours("day", 2_000, seed=1)
    dusk, _ = gans.colours("dusk", 2_000, seed=2)
    training.seed_everything(0)
    model = gans.CycleGAN()
    rules = {"step": gans.cycle_step, "optimisers": model.optimisers(), "schedule": "cosine"} | QUIET
    training.fit(model, (day, dusk), steps=300, batch_size=64, **rules)
    with torch.no_grad():
        home = torch.cdist(model.translate(model.translate(day), "back"), gans.palette("day")).argmin(1)
        assert model.round_trips(day, dusk) < 0.05 and (home == kind).float().mean() > 0.98


# --- recordings


def test_looking_at_points_leaves_training_as_it_was():
    points = torch.randn(64, 2)

    def look(run, batch):
        films.score_points(run.model)
        films.landscape(run.model, plane(4, 4.0))
        return gan_step_with_cures(run, batch)

    plain, watched = (films.train_points(points, 4, 16, 0, step=step, width=8) for step in (gan_step_with_cures, look))
    assert torch.equal(flat(plain.parameters()), flat(watched.parameters()))
    samples, modes, good = films.score_points(plain)
    assert samples.shape == (2500, 2) and (modes, good) == gans.modes_covered(samples, films.CENTRES, films.STD)


def test_the_landscape_lies_on_the_plane_as_a_picture_does():
    places = plane(4, 4.0)
    assert places.view(4, 4, 2)[0, 0].tolist() == [-3, 3] and places.view(4, 4, 2)[3, 1].tolist() == [-1, -3]
    model = PointGAN(width=8)
    assert torch.allclose(films.landscape(model, places), model.score(places).sigmoid())
    critic = PointGAN(width=8, loss="wasserstein", clip=0.1)
    opinion = films.landscape(critic, places)
    assert opinion.min() < 0.5 < opinion.max() and (opinion <= 0.5).sum() >= 8  # one half is the median


def test_every_film_has_its_frames():
    points = Dataset("fake", "train", torch.randn(64, 2), torch.zeros(64, dtype=torch.int64))
    budget = SimpleNamespace(batch_size=16)
    tensors, numbers = films.film_of_games(budget, 6, points, points, 0)
    assert tensors["steps"].tolist() == list(range(7))
    for name in films.FILMS:
        shapes = {key: tuple(tensors[f"{name}/{key}"].shape) for key in ("samples", "landscape", "modes", "good")}
        assert shapes == {"samples": (7, 500, 2), "landscape": (7, 40, 40), "modes": (7,), "good": (7,)}
        assert numbers[name]["modes"] == tensors[f"{name}/modes"][-1]
        assert not torch.equal(tensors[f"{name}/samples"][0], tensors[f"{name}/samples"][-1])
    tensors, numbers = films.film_of_collapse(budget, 2, points, points, 0)
    assert len(numbers) == len(films.LOSSES) * len(films.CURES)
    for name, found in numbers.items():
        assert tensors[f"{name}/samples"].shape == (5, 2500, 2) and tensors[f"{name}/modes"].tolist() == found["modes"]
        assert len(tensors[f"{name}/samples"][:, 0, 0].unique()) == 5  # five seeds


# --- GPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("name", TRAINED)
def test_everything_runs_on_a_gpu(name, precision):
    recipe, build, data = small(name, 16)
    model = build().cuda()
    rules = recipe.fit | {"optimisers": recipe.fit["optimisers"](model)}
    run = training.fit(
        model,
        recipe.tensors(data),
        steps=3,
        batch_size=8,
        precision=precision,
        ema=0.9,
        log_every=1,
        progress=False,
        device="cuda",
        **rules,
    )
    assert len(run.history) == 3 and torch.isfinite(flat(model.parameters())).all()
    if name.startswith("pix2pix"):
        assert model.translate(model.given(images(shape=model.shape).cuda())).is_cuda
    else:
        assert run.ema.sample(3).is_cuda and model.sample(3).shape == (3, *model.shape)
