"""Properties of the models of topic 02, against closed forms, Monte Carlo and enumeration."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from course_lib import distributions as D
from course_lib import training
from course_lib.autoencoders import VAE, VAEGAN, VQVAE, Autoencoder, VectorQuantiser, add_noise, vae_gan_step
from course_lib.autoencoders.applications import active_latents, balancing_weights, beta_schedule, inpaint, resampling_weights
from course_lib.autoencoders.recipes import averages, denoise
from course_lib.datasets import Dataset

SMALL = {"shape": (1, 8, 8), "latents": 3, "hidden": (16,)}


def images(n=6, size=8):
    return torch.linspace(0, 1, n * size * size).view(n, 1, size, size)


# --- Gaussians


@given(st.lists(st.tuples(st.floats(-4, 4), st.floats(-8, 4)), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_kl_equals_the_closed_form_of_pytorch_in_float64(pairs):
    mean, log_var = torch.tensor(pairs, dtype=torch.float64).T[:, None]
    truth = kl_divergence(Normal(mean, (log_var / 2).exp()), Normal(torch.zeros_like(mean), 1.0)).sum(-1)
    assert torch.allclose(D.gaussian_kl(mean, log_var), truth, rtol=1e-9, atol=1e-12)
    assert torch.allclose(D.gaussian_kl(mean.float(), log_var.float()).double(), truth, rtol=1e-5, atol=1e-6)


def test_kl_equals_monte_carlo_within_three_standard_errors():
    torch.manual_seed(0)
    mean, log_var = torch.tensor([[0.5, -1.0, 0.0]]), torch.tensor([[0.3, -2.0, 0.0]])
    q = D.DiagonalGaussian(mean, log_var)
    z = q.sample(200_000)
    values = q.log_prob(z) - D.standard_normal_log_prob(z)
    assert abs(values.mean() - q.kl()).item() < 3 * values.std().item() / math.sqrt(len(values))


def test_kl_keeps_its_digits_near_the_prior():
    # exp(v) − 1 − v in float32 is pure rounding at v = 1e-4; the truth is v²/4 + …
    kl = D.gaussian_kl(torch.zeros(1, 1), torch.full((1, 1), 1e-4))
    assert kl.item() == pytest.approx(1e-8 / 4, rel=1e-2)


def test_reparameterised_samples_have_the_right_moments_and_gradients():
    torch.manual_seed(0)
    mean = torch.tensor([[1.0, -2.0]]).expand(200_000, 2).clone().requires_grad_()
    log_var = torch.full((200_000, 2), math.log(0.25), requires_grad=True)
    z = D.reparameterise(mean, log_var)
    assert torch.allclose(z.mean(0), torch.tensor([1.0, -2.0]), atol=0.01)
    assert torch.allclose(z.std(0), torch.tensor([0.5, 0.5]), atol=0.01)
    z.sum().backward()
    assert (mean.grad == 1).all()
    noise = (z - mean).detach() / 0.5
    assert torch.allclose(log_var.grad, 0.25 * noise, atol=1e-5)  # ∂z/∂log σ² = σ·ε/2


def test_bernoulli_log_prob_sums_to_one_over_all_images_and_survives_large_logits():
    logits = torch.tensor([[0.3, -1.0, 2.0]])
    everything = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
    assert D.bernoulli_log_prob(logits.expand(8, 3), everything).exp().sum().item() == pytest.approx(1, abs=1e-6)
    assert D.bernoulli_log_prob(torch.tensor([[90.0]]), torch.tensor([[0.0]])).item() == pytest.approx(-90)


def test_uniform_pixels_cost_eight_bits():
    assert D.bits_per_dim(torch.tensor(-784 * math.log(256)), 784).item() == pytest.approx(8.0, rel=1e-6)


def test_log_mean_exp_far_from_zero():
    assert D.log_mean_exp(torch.tensor([-1000.0, -1000.0 + math.log(3)])).item() == pytest.approx(-1000 + math.log(2), abs=1e-4)


# --- the bound


def linear_gaussian():
    """x = W z + b + noise with a linear encoder set to any q: log p(x) and the ELBO have closed forms."""
    torch.manual_seed(0)
    vae = VAE(shape=(1, 2, 2), latents=2, hidden=(), likelihood="gaussian").double()
    with torch.no_grad():
        vae.log_var.fill_(math.log(0.3))
        for p in vae.encoder.parameters():
            p.copy_(0.3 * torch.randn_like(p))
        for p in vae.decoder.parameters():
            p.copy_(0.5 * torch.randn_like(p))
    return vae, torch.linspace(0.1, 0.9, 12, dtype=torch.float64).view(3, 1, 2, 2)


def analytic_elbo(vae, x):
    """E_q[log N(x; W z + b, s)] − KL(q ‖ N(0, I)), by moments of the Gaussian q rather than by samples."""
    layer = vae.decoder[0][0]
    q = vae.posterior(x)
    var, s = q.log_var.exp(), vae.log_var.exp()
    residual = x.flatten(1) - layer(q.mean)
    spread = var @ layer.weight.square().T  # variance of each pixel of W z
    reconstruction = -0.5 * ((residual.square() + spread) / s + math.log(2 * math.pi) + vae.log_var).sum(1)
    prior = Independent(Normal(torch.zeros_like(q.mean), 1.0), 1)
    return reconstruction - kl_divergence(Independent(Normal(q.mean, q.std), 1), prior)


def exact_log_prob(vae, x):
    layer = vae.decoder[0][0]
    covariance = layer.weight @ layer.weight.T + vae.log_var.exp() * torch.eye(4, dtype=x.dtype)
    return MultivariateNormal(layer.bias, covariance).log_prob(x.flatten(1))


@torch.no_grad()
def test_elbo_of_a_linear_gaussian_vae_equals_its_closed_form():
    vae, x = linear_gaussian()
    many = vae.elbo(x.repeat_interleave(40_000, 0)).view(3, -1)
    error = many.std(1) / math.sqrt(many.shape[1])
    assert ((many.mean(1) - analytic_elbo(vae, x)).abs() < 4 * error).all()


@torch.no_grad()
def test_the_importance_weighted_bound_closes_the_gap_to_the_exact_likelihood():
    vae, x = linear_gaussian()
    truth, elbo = exact_log_prob(vae, x), analytic_elbo(vae, x)
    bounds = [torch.stack([vae.iwae_bound(x, k) for _ in range(300)]).mean(0) for k in (1, 10, 100)]
    assert (elbo < truth - 0.1).all()  # there is a gap to close
    for lower, upper in zip([*bounds, vae.iwae_bound(x, 100_000)], [*bounds[1:], truth, truth + 0.05], strict=False):
        assert (lower < upper + 0.02).all()
    assert torch.allclose(vae.iwae_bound(x, 100_000), truth, atol=0.05)
    assert torch.allclose(bounds[0], elbo, atol=0.4)


@torch.no_grad()
def test_the_bound_in_parts_is_the_bound():
    vae, x = VAE(**SMALL), images()
    weights = vae.log_weights(x, 7)
    for chunk in (1, 12, 10_000, None):
        left = iter(weights)
        vae.log_weights = lambda x, k, y, log_prior, left=left: torch.stack([next(left) for _ in range(k)])
        parts = vae.iwae_bound_in_parts(x, 7, chunk=chunk)
        vae.log_weights = lambda *_: weights
        assert torch.allclose(parts, vae.iwae_bound(x, 7), atol=1e-6) and next(left, None) is None


def test_the_gradient_does_not_depend_on_the_batch_size():
    # the same image once and four times: a loss that averages here and sums there would change
    vae, gradients = VAE(**SMALL), []
    for n in (1, 4):
        vae.zero_grad()
        noise_free = vae.posterior(images(1).expand(n, -1, -1, -1))
        (-vae.log_likelihood(images(1).expand(n, -1, -1, -1), noise_free.mean).mean() + noise_free.kl().mean()).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in vae.parameters()]))
    assert torch.allclose(*gradients, atol=1e-5)


def test_reconstruction_is_summed_over_pixels_like_the_kl_over_latents():
    vae, x = VAE(**SMALL), images()
    z = vae.encode(x)
    truth = torch.distributions.Bernoulli(logits=vae.logits(z), validate_args=False).log_prob(x).sum((1, 2, 3))
    assert torch.allclose(vae.log_likelihood(x, z), truth, atol=1e-4)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_loss_is_the_negative_elbo_at_beta_one(likelihood):
    vae, x = VAE(**SMALL, likelihood=likelihood), images()
    torch.manual_seed(3)
    loss = vae.loss(x)
    torch.manual_seed(3)
    assert loss.item() == pytest.approx(-vae.elbo(x).mean().item(), rel=1e-6)


def test_beta_weighs_the_rate_only():
    vae, x = VAE(**SMALL), images()
    torch.manual_seed(3)
    distortion, rate = vae.terms(x)
    for beta in (0.0, 4.0):
        torch.manual_seed(3)
        assert vae.loss(x, beta=beta).item() == pytest.approx((distortion + beta * rate).mean().item(), rel=1e-6)


def test_free_bits_take_the_gradient_from_cheap_latents():
    vae, x = VAE(**SMALL), images()
    with torch.no_grad():  # a fresh encoder pays almost nothing
        vae.encoder[1][-1].weight.mul_(0.01)
        vae.encoder[1][-1].bias.zero_()
    kl = vae.kl_per_latent(vae.posterior(x)).mean(0)
    assert (kl < 0.5).all()
    torch.manual_seed(0)
    free = vae.loss_with_free_bits(x, free_bits=0.5)
    torch.manual_seed(0)
    distortion, _ = vae.terms(x)
    assert free.item() == pytest.approx(distortion.mean().item() + 3 * 0.5, rel=1e-5)


# --- priors


@pytest.mark.parametrize("prior", ["normal", "mixture", "vamp"])
def test_priors_integrate_to_one_and_sample_what_they_score(prior):
    torch.manual_seed(1)
    vae = VAE(shape=(1, 4, 4), latents=2, hidden=(8,), prior=prior, components=3)
    with torch.no_grad():
        for p in vae.prior.parameters():
            p.copy_(p + torch.randn_like(p))
        vae.encoder[1][-1].weight.mul_(3)
    axis = torch.linspace(-10, 10, 401)
    grid = torch.cartesian_prod(axis, axis)
    mass = vae.prior.log_prob(grid, vae).exp().detach().view(401, 401) * 0.05**2
    assert mass.sum().item() == pytest.approx(1, abs=5e-3)
    # quadrants of the plane, counted and integrated: components mixed dimension by dimension would differ here
    z = vae.prior.sample(200_000, vae)
    assert z.shape == (200_000, 2)
    for right in (True, False):
        for up in (True, False):
            counted = (((z[:, 0] > 0) == right) & ((z[:, 1] > 0) == up)).float().mean().item()
            cells = ((grid[:, 0] > 0) == right) & ((grid[:, 1] > 0) == up)
            assert counted == pytest.approx(mass.flatten()[cells].sum().item(), abs=0.02)


def test_mixture_log_prob_equals_pytorchs_mixture():
    torch.manual_seed(0)
    vae = VAE(shape=(1, 4, 4), latents=3, hidden=(8,), prior="mixture", components=4)
    prior = vae.prior
    with torch.no_grad():
        prior.logits.copy_(torch.randn(4))
        prior.log_var.copy_(torch.randn(4, 3))
    parts = Independent(Normal(prior.mean, (prior.log_var / 2).exp()), 1)
    truth = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=prior.logits), parts)
    z = torch.randn(5, 7, 3)
    assert torch.allclose(prior.log_prob(z, vae), truth.log_prob(z), atol=1e-4)


# --- shapes, conditions, input


@pytest.mark.parametrize("channels", [(), (4, 8)])
@pytest.mark.parametrize("hidden", [(16,), (16, 12)])
def test_shapes_of_every_public_method(channels, hidden):
    vae = VAE(shape=(3, 8, 12), latents=5, hidden=hidden, channels=channels)
    x = torch.rand(4, 3, 8, 12)
    assert vae.encode(x).shape == (4, 5)
    assert vae.decode(torch.zeros(2, 5)).shape == (2, 3, 8, 12)
    assert vae.sample(7).shape == (7, 3, 8, 12) and vae.sample(7).min() >= 0 and vae.sample(7).max() <= 1
    assert vae.elbo(x).shape == vae.iwae_bound(x, 3).shape == (4,)
    assert vae.loss(x).ndim == 0
    assert VAE(**vae.config).config == vae.config


def test_a_conditional_vae_listens_to_its_label():
    vae = VAE(**SMALL, classes=4)
    torch.nn.init.normal_(vae.label_image.weight)
    x, z = images(2), torch.zeros(2, 3)
    a, b = torch.tensor([0, 1]), torch.tensor([0, 3])
    assert torch.equal(vae.decode(z, a)[0], vae.decode(z, b)[0]) and not torch.equal(vae.decode(z, a)[1], vae.decode(z, b)[1])
    assert torch.equal(vae.encode(x, a)[0], vae.encode(x, b)[0]) and not torch.equal(vae.encode(x, a)[1], vae.encode(x, b)[1])
    assert vae.iwae_bound(x, 5, y=a).shape == (2,)
    assert vae.sample(5, y=torch.full((5,), 2)).shape == (5, 1, 8, 8)
    with pytest.raises(ValueError, match="needs a label from 0 to 3 for each example; y is missing"):
        vae.elbo(x)


@pytest.mark.parametrize("model", [VAE(**SMALL), Autoencoder(**SMALL), VQVAE(shape=(1, 8, 8), codes=4, dims=2, width=4)])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(2, 8, 8), r"expected images of shape \(batch, 1, 8, 8\), got \(2, 8, 8\)"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), r"expected floats in \[0, 1\], got torch.uint8; datasets.to_float"),
        (torch.full((2, 1, 8, 8), 255.0), r"expected values in \[0, 1\], got 255 to 255"),
    ],
)
def test_wrong_images_are_named(model, x, message):
    with pytest.raises(ValueError, match=message):
        model.loss(x)


def test_wrong_words_are_named():
    with pytest.raises(ValueError, match="choose bernoulli or gaussian"):
        VAE(likelihood="normal")
    with pytest.raises(ValueError, match="choose one of normal, mixture, vamp"):
        VAE(prior="gauss")
    with pytest.raises(ValueError, match="divisible by 8, got 28"):
        VAE(channels=(4, 8, 8))


# --- autoencoder, denoiser


def test_a_linear_autoencoder_finds_what_pca_finds():
    # a linear bottleneck with squared error spans the principal subspace (Baldi & Hornik 1989): the errors agree
    torch.manual_seed(0)
    basis = torch.linalg.qr(torch.randn(16, 16))[0] * torch.linspace(0.2, 0.01, 16)
    x = (0.5 + torch.randn(500, 16) @ basis.T).clamp(0, 1).view(-1, 1, 4, 4)
    model = Autoencoder(shape=(1, 4, 4), latents=3, hidden=(), likelihood="gaussian")
    training.fit(model, x, steps=1500, batch_size=500, lr=0.02, progress=False, device="cpu")
    singular = torch.linalg.svdvals(x.flatten(1) - x.flatten(1).mean(0))
    assert model.loss(x).item() == pytest.approx(0.5 * singular[3:].square().sum().item() / 500, rel=0.02)


def test_noise_stays_in_range_and_the_denoiser_is_asked_for_the_clean_image():
    x = images()
    assert torch.equal(add_noise(x, 0.0), x)
    noisy = add_noise(x, 2.0)
    assert noisy.min() >= 0 and noisy.max() <= 1 and not torch.equal(noisy, x)
    model = Autoencoder(**SMALL)
    seen = {}
    model.loss = lambda given, target: seen.update(given=given, target=target) or model.encoder(given).sum()
    training.fit(model, x, steps=1, batch_size=6, step=lambda run, b: denoise(run, b, 0.5), progress=False, device="cpu")
    assert seen["target"].shape == x.shape and torch.equal(seen["target"].sum(), x.sum()) and not torch.equal(seen["given"], seen["target"])


# --- evaluation


def test_uneven_batches_give_the_full_batch_value():
    x = torch.randint(0, 256, (37, 1, 8, 8), dtype=torch.uint8)
    data = Dataset("fake", "test", x, torch.zeros(37, dtype=torch.int64))
    model = Autoencoder(**SMALL)
    whole = model.error(x.float() / 255).mean().item()
    for size in (5, 10, 37, 100):
        (value,) = averages(data, lambda x, y: [model.error(x)], lambda x: x.float() / 255, size)
        assert value == pytest.approx(whole, rel=1e-5)


# --- applications


def test_inpainting_keeps_what_is_known_and_explains_it():
    torch.manual_seed(0)
    vae = VAE(**SMALL)
    with torch.no_grad():
        vae.decoder[0][-1].weight.mul_(8)  # a decoder with an opinion
        truth = vae.decode(torch.tensor([[1.0, -1.0, 0.5]]))
    known = torch.zeros(1, 8, 8, dtype=torch.bool)
    known[:, :5] = True
    repaired = inpaint(vae, truth, known)
    assert torch.equal(repaired[:, known], truth[:, known])
    before = (vae.decode(torch.zeros(1, 3)) - truth)[:, ~known].square().mean()
    assert (repaired - truth)[:, ~known].square().mean() < 0.5 * before
    assert all(p.grad is None for p in vae.parameters())
    with pytest.raises(ValueError, match="known must be bool"):
        inpaint(vae, truth, known.float())


def test_resampling_weights_lift_what_is_rare():
    codes = torch.cat([torch.zeros(90, 1), torch.ones(10, 1)])
    w = resampling_weights(codes, alpha=1e-6)
    assert w.sum().item() == pytest.approx(1)
    assert w[:90].sum().item() == pytest.approx(0.5, abs=1e-3)  # each of the two values now has half of the mass
    assert resampling_weights(codes, alpha=1e6).std() < 1e-6
    many = resampling_weights(torch.randn(1000, 60))
    assert torch.isfinite(many).all() and (many > 0).all()
    with pytest.raises(ValueError, match="alpha must be positive"):
        resampling_weights(codes, alpha=0)


def test_resampling_weights_follow_the_formula():
    z = torch.tensor([[0.0], [0.1], [0.2], [0.9]])  # two bins of [0, 0.9]: three examples and one
    common, rare = 1 / (0.75 + 0.25), 1 / (0.25 + 0.25)
    truth = torch.tensor([common] * 3 + [rare], dtype=torch.float64) / (3 * common + rare)
    assert torch.allclose(resampling_weights(z, alpha=0.25, bins=2), truth)


def test_balancing_weights_draw_every_group_equally_often():
    two = torch.tensor([[0, 0]] * 6 + [[0, 1]] * 3 + [[1, 0]] * 1)  # three of four combinations occur
    w = balancing_weights(two)
    assert [w[:6].sum().item(), w[6:9].sum().item(), w[9].item()] == pytest.approx([1 / 3] * 3)
    assert torch.equal(balancing_weights(two[:, 1]), torch.tensor([1 / 14] * 6 + [1 / 6] * 3 + [1 / 14], dtype=torch.float64))
    for wrong in (torch.zeros(3), torch.zeros(0, dtype=torch.int64), torch.zeros(2, 2, 2, dtype=torch.int64)):
        with pytest.raises(ValueError, match="groups must be whole numbers"):
            balancing_weights(wrong)


def test_resampling_weights_of_latents_multiply():
    torch.manual_seed(1)
    z = torch.randn(200, 3)
    product = torch.stack([resampling_weights(z[:, j : j + 1], 0.1) for j in range(3)]).prod(0)
    assert torch.allclose(resampling_weights(z, 0.1), product / product.sum())


def test_beta_schedules():
    assert [beta_schedule(s, 10, "linear", 0.5) for s in (0, 2, 5, 9)] == [0, 0.4, 1, 1]
    assert [beta_schedule(s, 40, "cyclical", 0.5, cycles=4) for s in (0, 5, 9, 10, 15)] == [0, 1, 1, 0, 1]
    assert beta_schedule(0, 10, "none") == 1
    with pytest.raises(ValueError, match="choose none, linear or cyclical"):
        beta_schedule(0, 10, "cosine")


def test_active_latents_counts_those_that_pay():
    vae = VAE(**SMALL)
    with torch.no_grad():
        last = vae.encoder[1][-1]
        last.weight.zero_()
        last.bias.copy_(torch.tensor([2.0, 0.0, 0.0, 0.0, 0.0, -1.0]))  # means 2, 0, 0; log σ² 0, 0, −1
    assert active_latents(vae, images()) == 2


# --- VQ-VAE


def test_the_quantiser_takes_the_nearest_code():
    torch.manual_seed(0)
    vq, z = VectorQuantiser(10, 3), torch.randn(50, 3)
    assert torch.equal(vq.indices(z), torch.cdist(z, vq.codebook).argmin(1))


def test_the_gradient_passes_straight_through_the_quantiser():
    vq = VectorQuantiser(10, 3).eval()
    z = torch.randn(2, 3, 4, 4, requires_grad=True)
    out, index, _ = vq(z)
    weight = torch.randn_like(out)
    (out * weight).sum().backward()
    assert torch.allclose(z.grad, weight)
    assert torch.allclose(out, vq.codebook[index].permute(0, 3, 1, 2), atol=1e-6)


def test_the_codebook_moves_to_its_vectors_in_training_only():
    vq = VectorQuantiser(2, 1, decay=0.5)
    vq.codebook.copy_(torch.tensor([[-1.0], [1.0]]))
    vq.total.copy_(vq.codebook)
    z = torch.tensor([-2.0, -2.0, 3.0, 3.0]).view(4, 1, 1, 1)
    for _ in range(60):
        vq(z)
    assert torch.allclose(vq.codebook.flatten(), torch.tensor([-2.0, 3.0]), atol=1e-3)
    before = vq.codebook.clone()
    vq.eval()(z + 5)
    assert torch.equal(vq.codebook, before)


def test_dead_codes_are_revived():
    torch.manual_seed(0)
    vq = VectorQuantiser(8, 2)
    with torch.no_grad():
        vq.codebook[1:] += 100
        vq.total.copy_(vq.codebook)
    z = torch.randn(64, 2, 1, 1)
    for _ in range(600):
        vq(z)
    assert len(vq.indices(z.flatten(1)).unique()) > 4


def test_the_code_prior_sums_to_one_over_every_grid():
    torch.manual_seed(0)
    prior = VQVAE(shape=(1, 8, 4), codes=3, dims=2, width=4, prior_width=8).prior
    everything = torch.cartesian_prod(*[torch.arange(3)] * prior.context).view(-1, prior.context)
    p = prior.log_prob(everything).exp()
    assert p.sum().item() == pytest.approx(1, abs=1e-5)
    drawn = prior.sample(20_000, prior.context)
    counts = torch.bincount(drawn @ 3 ** torch.arange(prior.context - 1, -1, -1), minlength=len(p)) / 20_000
    assert torch.allclose(counts, p, atol=0.02)


def test_vq_vae_round_trip():
    model = VQVAE(shape=(1, 8, 8), codes=5, dims=2, width=4)
    symbols = model.encode(images())
    assert symbols.shape == (6, 2, 2) and symbols.dtype == torch.int64
    assert model.decode(symbols).shape == images().shape
    model.eval()  # in training the codebook would move between the two
    assert torch.allclose(model.reconstruct(images()), model.decoder(model.quantiser(model.encoder(images()))[0]).sigmoid(), atol=1e-6)


# --- VAE-GAN


def test_every_player_of_the_vae_gan_moves_only_in_its_own_turn():
    torch.manual_seed(0)
    model = VAEGAN(shape=(1, 8, 8), latents=2, width=4)
    players = {"discriminator": (model.features, model.judge), "decoder": (model.decoder,), "encoder": (model.encoder,)}
    order = []

    def snapshot():
        return {name: torch.cat([p.detach().flatten() for part in parts for p in part.parameters()]) for name, parts in players.items()}

    def step(run, x):
        update = run.update

        def watched(loss, name):
            before = snapshot()
            update(loss, name)
            moved = [k for k, v in snapshot().items() if not torch.equal(v, before[k])]
            assert moved == [name]
            assert all(p.grad is None or not p.grad.any() for p in model.parameters())
            order.append(name)

        run.update = watched
        out = vae_gan_step(run, x)
        run.update = update
        return out

    training.fit(model, images(), steps=2, batch_size=6, step=step, optimisers=model.optimisers(), progress=False, device="cpu")
    assert order == ["discriminator", "decoder", "encoder"] * 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("prior", ["normal", "mixture", "vamp"])
def test_everything_runs_on_a_gpu(prior):
    vae = VAE(**SMALL, prior=prior).cuda()
    x = images().cuda()
    assert vae.iwae_bound(x, 5).is_cuda and vae.sample(3).is_cuda and torch.isfinite(vae.loss(x))
