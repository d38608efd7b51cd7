"""Topic 09: attention, positions, the block, GPT and its cache, masked diffusion, translation, ViT, BPE."""

import itertools
import math
from datetime import date

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from num2words import num2words
from torch import nn

from course_lib import datasets
from course_lib.datasets import pairs as translations
from course_lib.distributions import top_k
from course_lib.transformers import (
    BPE,
    GPT,
    POSITIONS,
    Attention,
    Block,
    ImageGPT,
    MaskedLM,
    Transformer,
    Translator,
    ViT,
    attention,
    causal_mask,
    exact_bound,
    exact_matches,
    from_patches,
    patches,
    rotary,
    sinusoidal_positions,
)
from course_lib.transformers.bpe import WORDS, merge

SMALL = {"width": 16, "layers": 2, "heads": 2}


def awake(model):
    """The same model with weights so large that every connection matters."""
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return model


# --- attention


def test_attention_is_a_weighted_mean_whose_weights_sum_to_one():
    q, k, v = torch.randn(2, 3, 5, 8), torch.randn(2, 3, 7, 8), torch.randn(2, 3, 7, 4)
    out, weights = attention(q, k, v)
    assert out.shape == (2, 3, 5, 4) and weights.shape == (2, 3, 5, 7)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 5))
    torch.testing.assert_close(attention(q, k, torch.ones(2, 3, 7, 1))[0], torch.ones(2, 3, 5, 1))
    for mask in (None, torch.rand(5, 7) < 0.5, causal_mask(5, 7)):
        if mask is not None:
            mask[:, 0] = True
        torch.testing.assert_close(attention(q, k, v, mask)[0], F.scaled_dot_product_attention(q, k, v, mask))


def test_attention_by_loops():
    q, k, v = torch.randn(4, 3).double(), torch.randn(5, 3).double(), torch.randn(5, 2).double()
    for i in range(4):
        scores = [math.exp(sum(q[i, c].item() * k[j, c].item() for c in range(3)) / math.sqrt(3)) for j in range(5)]
        mean = sum(s * v[j] for j, s in enumerate(scores)) / sum(scores)
        torch.testing.assert_close(attention(q, k, v)[0][i], mean)


def test_the_scale_keeps_the_scores_at_one():
    q, k = torch.randn(500, 256), torch.randn(500, 256)
    assert (q @ k.T).std() == pytest.approx(16, rel=0.05)  # √256
    assert (q @ k.T / 16).std() == pytest.approx(1, rel=0.05)


def test_a_causal_mask_with_more_keys_than_queries_is_the_end_of_the_whole_one():
    torch.testing.assert_close(causal_mask(2, 5), causal_mask(5)[3:])
    assert causal_mask(3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]


def test_attention_equals_torchs_own():
    ours, theirs = Attention(12, 3), nn.MultiheadAttention(12, 3, batch_first=True)
    theirs.in_proj_weight.data, theirs.in_proj_bias.data = ours.into.weight.data, ours.into.bias.data
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    x, seen = torch.randn(2, 6, 12), []
    expected, weights = theirs(x, x, x, average_attn_weights=False)
    torch.testing.assert_close(ours(x), expected)
    torch.testing.assert_close(ours(x, seen=seen), expected)
    torch.testing.assert_close(seen[0], weights)
    expected, _ = theirs(x, x, x, attn_mask=~causal_mask(6), need_weights=False)
    torch.testing.assert_close(ours(x, causal=True), expected)
    hidden = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    expected, _ = theirs(x, x, x, key_padding_mask=~hidden)
    torch.testing.assert_close(ours(x, mask=hidden), expected)


@pytest.mark.parametrize("cross", [False, True])
def test_a_block_equals_torchs_own_layer(cross):
    kind = nn.TransformerDecoderLayer if cross else nn.TransformerEncoderLayer
    theirs = kind(12, 3, 48, dropout=0.0, activation=nn.GELU(approximate="tanh"), batch_first=True, norm_first=True)
    ours = Block(12, 3, cross=cross)
    pairs = [(ours.attention, theirs.self_attn)]
    ours.norm.load_state_dict(theirs.norm1.state_dict())
    ours.mlp[1].load_state_dict(theirs.linear1.state_dict())
    ours.mlp[3].load_state_dict(theirs.linear2.state_dict())
    ours.mlp[0].load_state_dict((theirs.norm3 if cross else theirs.norm2).state_dict())
    if cross:
        ours.cross_norm.load_state_dict(theirs.norm2.state_dict())
        weight, bias = theirs.multihead_attn.in_proj_weight.data, theirs.multihead_attn.in_proj_bias.data
        ours.cross.into.weight.data, ours.cross.into.bias.data = weight[:12], bias[:12]
        ours.cross.memory.weight.data, ours.cross.memory.bias.data = weight[12:], bias[12:]
        ours.cross.out.load_state_dict(theirs.multihead_attn.out_proj.state_dict())
    for mine, other in pairs:
        mine.into.weight.data, mine.into.bias.data = other.in_proj_weight.data, other.in_proj_bias.data
        mine.out.load_state_dict(other.out_proj.state_dict())
    x, memory = torch.randn(2, 6, 12), torch.randn(2, 9, 12)
    told = torch.rand(2, 9) < 0.7
    told[:, 0] = True
    blind = nn.Transformer.generate_square_subsequent_mask(6)
    if cross:
        torch.testing.assert_close(
            ours(x, causal=True, memory=memory, memory_mask=told),
            theirs(x, memory, tgt_mask=blind, tgt_is_causal=True, memory_key_padding_mask=~told),
            atol=1e-5,
            rtol=1e-4,
        )
    else:
        torch.testing.assert_close(ours(x, causal=True), theirs(x, src_mask=blind, is_causal=True), atol=1e-5, rtol=1e-4)


# --- positions


def test_without_positions_a_transformer_is_equivariant_to_permutations():
    x, order = torch.randn(2, 9, 16), torch.randperm(9)
    for positions in POSITIONS:
        model = awake(Transformer(positions=positions, context=9, **SMALL))
        same = torch.allclose(model(x)[:, order], model(x[:, order]), atol=1e-4)
        assert same == (positions == "none"), positions


def test_sinusoidal_positions_are_those_of_the_paper():
    table = sinusoidal_positions(50, 12)
    for position, i in itertools.product((0, 1, 17, 49), range(6)):
        angle = position / 10_000 ** (2 * i / 12)
        assert table[position, 2 * i : 2 * i + 2].tolist() == pytest.approx([math.sin(angle), math.cos(angle)], abs=1e-5)
    shift = table @ table.T  # depends on the distance alone
    torch.testing.assert_close(shift.diagonal(7), shift[0, 7].expand(43), atol=1e-4, rtol=0)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 1_000))
@settings(deadline=None, max_examples=30)
def test_rotary_products_depend_on_the_distance_alone(i, j, shift):
    torch.manual_seed(i)
    q, k = torch.randn(1, 8).double(), torch.randn(1, 8).double()
    near = rotary(q, i) @ rotary(k, j).T
    torch.testing.assert_close(near, rotary(q, i + shift) @ rotary(k, j + shift).T, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(rotary(q, i).norm(), q.norm(), atol=1e-6, rtol=1e-6)


def test_rotary_turns_complex_numbers():
    x = torch.randn(5, 6)
    turned = torch.complex(x[:, :3], x[:, 3:]) * torch.exp(1j * torch.arange(5)[:, None] * 10_000 ** (-torch.arange(3) / 3))
    torch.testing.assert_close(rotary(x), torch.cat([turned.real, turned.imag], 1))


# --- causality by gradient


def influence(model, embed, x, logits) -> torch.Tensor:
    """bool (time, time): whether logits at i depend on the symbol at j, by the gradient with respect to the vectors that are looked up."""
    kept = []
    hook = embed.register_forward_hook(lambda _m, _i, out: kept.append(out.requires_grad_()) or out)
    out = logits(x)
    hook.remove()
    rows = []
    for i in range(out.shape[1]):
        (slope,) = torch.autograd.grad(out[:, i].square().sum(), kept[-1], retain_graph=True)
        rows.append(slope.abs().sum((0, 2)) > 0)
    return torch.stack(rows)


@pytest.mark.parametrize("positions", POSITIONS)
def test_gpt_depends_on_what_came_before_and_on_nothing_else(positions):
    model, x = awake(GPT(7, context=9, positions=positions, **SMALL)), torch.randint(7, (2, 9))
    seen = influence(model, model.embed, x, model.logits)  # of the symbols before: place j holds x_{j−1}
    assert seen.equal(causal_mask(9))
    changed = x.clone()
    changed[:, 5] = (x[:, 5] + 1) % 7
    same = (model.logits(x) == model.logits(changed)).all(2).all(0)
    assert same.tolist() == [True] * 6 + [False] * 3


def test_image_gpt_is_causal_in_patches_and_its_pictures_sum_to_one():
    model = awake(ImageGPT((1, 2, 4), patch=(1, 2), **SMALL))
    every = torch.tensor(list(itertools.product((0, 1), repeat=8))).view(-1, 1, 2, 4)
    assert model.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-4)
    seen = influence(model, model.gpt.embed, model.words(every[:3]), model.gpt.logits)
    assert seen.equal(causal_mask(4))


def test_gpt_sums_to_one_over_all_texts():
    model = awake(GPT(3, context=4, **SMALL))
    every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    assert model.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_a_masked_model_looks_both_ways_and_not_at_what_is_hidden():
    model, x = awake(MaskedLM(7, context=6, **SMALL)), torch.randint(7, (2, 6))
    assert influence(model, model.embed, x, model.logits).all()
    hide = torch.zeros(2, 6, dtype=torch.bool)
    hide[:, 3] = True
    other = x.clone()
    other[:, 3] = (x[:, 3] + 1) % 7
    torch.testing.assert_close(model.logits(x.masked_fill(hide, 7)), model.logits(other.masked_fill(hide, 7)))


def test_the_decoder_sees_its_past_and_all_of_the_source_but_not_what_fills_it_up():
    model = awake(Translator(**SMALL)).eval()
    source = torch.tensor([translations.letters("fr:two", 10), translations.letters("fr:seven", 10)])
    target = torch.tensor([translations.letters("deux", 7), translations.letters("sept", 7)])
    base, changed = model.logits(source, target), target.clone()
    changed[:, 2] = 5
    assert (base == model.logits(source, changed)).all(2).all(0).tolist() == [True] * 3 + [False] * 4
    longer = F.pad(source, (0, 9), value=translations.END)
    torch.testing.assert_close(base, model.logits(longer, target), atol=1e-5, rtol=1e-4)
    for place in range(6):
        other = source.clone()
        other[0, place] = (source[0, place] + 1) % 60
        assert (model.logits(other, target)[0] != base[0]).any(), place


# --- the cache


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("positions", POSITIONS)
def test_cached_logits_are_the_full_ones_at_every_step(positions, dtype):
    model = awake(GPT(7, context=12, positions=positions, **SMALL)).to(dtype)
    x = torch.randint(7, (3, 12))
    full, cache, before = model.logits(x), model.stack.new_cache(3), model.before(x)
    parts = [before[:, :4], *before[:, 4:].split(1, 1)]  # a first part at once, then one by one
    cached = torch.cat([model.head(model.stack(model.embed(part), causal=True, cache=cache)) for part in parts], 1)
    torch.testing.assert_close(cached, full, atol=1e-5 if dtype == torch.float32 else 1e-12, rtol=0)
    assert cache[0].length == 12 and cache[0].bytes == 2 * 3 * 12 * 16 * (4 if dtype == torch.float32 else 8)


def test_samples_are_those_of_the_naive_way_and_go_on_from_a_start():
    model, u = awake(GPT(7, context=20, **SMALL)), torch.rand(3, 20)
    drawn = model.sample(3, 20, uniforms=u)
    torch.testing.assert_close(drawn, model.sample_naive(3, 20, uniforms=u))
    again = model.sample(3, 20, start=drawn[:, :8], uniforms=u)
    torch.testing.assert_close(again, drawn)
    longer = model.sample(2, 70, start=drawn[:1, :3])
    assert longer.shape == (2, 70) and longer[:, :3].equal(drawn[:1, :3].expand(2, 3)) and longer.max() < 7


def test_samples_follow_the_model():
    model = awake(GPT(3, context=2, **SMALL))
    drawn = model.sample(20_000, 2)
    every = torch.tensor(list(itertools.product(range(3), repeat=2)))
    shares = torch.bincount(drawn[:, 0] * 3 + drawn[:, 1], minlength=9) / 20_000
    torch.testing.assert_close(shares, model.log_prob(every).exp(), atol=0.015, rtol=0)


def test_temperature_and_cuts_reach_the_sampler():
    model = awake(GPT(5, context=8, **SMALL))
    cold = model.sample(4, 8, temperature=1e-4)
    assert (cold == cold[:1]).all()
    first = model.logits(torch.zeros(1, 1, dtype=torch.long))[0, 0].argmax()
    assert (model.sample(4, 8, keep=lambda logits: top_k(logits, 1))[:, 0] == first).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.logits(torch.randint(7, (1, 13))), "cut longer ones"),
        (lambda m: m.logits(torch.zeros(1, 0, dtype=torch.long)), "have 1 to 12"),
        (lambda m: m.logits(torch.tensor([[7]])), "from 0 to 6"),
        (lambda m: m.logits(torch.rand(1, 3)), "whole numbers"),
        (lambda m: m.sample(2, 0), "at least 1"),
        (lambda m: m.sample(2, 5, temperature=0), "temperature"),
        (lambda m: m.sample(2, 5, start=torch.zeros(3, 2, dtype=torch.long)), "a start for each of the 2"),
    ],
)
def test_bad_texts_get_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call(GPT(7, context=12, **SMALL))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GPT(7, width=10, heads=3), "multiple of heads"),
        (lambda: GPT(7, positions="nowhere"), "unknown positions"),
        (lambda: ImageGPT((1, 28, 28), patch=(3, 2)), "tile"),
        (lambda: ImageGPT((1, 28, 28), levels=256, patch=(2, 2)), "4,096"),
        (lambda: ViT(patch=5), "multiples of the patch"),
        (lambda: sinusoidal_positions(4, 3), "even"),
        (lambda: rotary(torch.rand(4, 3)), "even"),
    ],
)
def test_sizes_that_do_not_fit_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_the_first_loss_is_that_of_a_uniform_guess_and_the_residuals_stay_small():
    for layers in (2, 12):
        model = GPT(96, width=64, layers=layers, heads=4)
        assert model.loss(torch.randint(96, (4, 128))).item() == pytest.approx(math.log(96), abs=0.15)
        added = [p.std().item() for n, p in model.named_parameters() if n.endswith("out.weight")]
        assert added == pytest.approx([0.02 / math.sqrt(2 * layers)] * layers, rel=0.1)


def test_symbols_are_read_and_recognised_by_one_table():
    model = GPT(7, **SMALL)
    assert sum(p.numel() for p in model.embed.parameters()) == 8 * 16
    assert not any(p.shape == (7, 16) for p in model.parameters())


# --- masked diffusion


def test_the_masked_bound_equals_the_enumeration():
    model, x = awake(MaskedLM(3, context=4, **SMALL)), torch.randint(3, (2, 4))
    draws = -model.elbo(x.repeat(4_000, 1), 4).detach().view(4_000, 2)
    error = draws.std(0) / math.sqrt(4_000)
    assert ((draws.mean(0) - exact_bound(model, x)).abs() < 4 * error).all()
    assert (error < 0.1).all()


def test_the_masked_bound_is_a_bound_and_tight_for_a_model_without_order():
    # every symbol drawn on its own: all conditionals are one table, and the bound is log p itself
    model = MaskedLM(3, context=4, **SMALL)
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    x = torch.randint(3, (2, 4))
    torch.testing.assert_close(exact_bound(model, x), torch.full((2,), 4 * math.log(3)))
    # any model: Σ_x exp(−bound) ≤ Σ_x p(x) = 1, p the mixture over orders
    every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    assert (-exact_bound(awake(model), every)).exp().sum() < 1


def test_the_bound_is_the_mean_over_orders():
    """Filling in one by one in a random order has the likelihood whose mean of logs is the bound."""
    model, x = awake(MaskedLM(3, context=3, **SMALL)), torch.randint(3, (1, 3))
    total = 0.0
    for order in itertools.permutations(range(3)):
        hidden = torch.ones(1, 3, dtype=torch.bool)
        for place in order:
            total = total - model.logits(x.masked_fill(hidden, 3)).log_softmax(-1)[0, place, x[0, place]]
            hidden[0, place] = False
    torch.testing.assert_close(exact_bound(model, x)[0], total / 6)


def test_the_loss_is_the_bound_a_symbol():
    model, x = awake(MaskedLM(3, context=4, **SMALL)), torch.randint(3, (1, 4)).expand(64, 4)
    losses = torch.stack([model.loss(x) for _ in range(100)]).detach()
    assert abs(losses.mean() - exact_bound(model, x[:1])[0] / 4) < 4 * losses.std() / 10


@pytest.mark.parametrize("order", ["random", "confident"])
@pytest.mark.parametrize("steps", [None, 1, 3, 50])
def test_masked_samples_keep_what_is_given_and_fill_every_hole(order, steps):
    model = awake(MaskedLM(5, context=8, **SMALL))
    start = torch.tensor([[0, 5, 5, 2, 5, 5, 5, 1]])
    film: list = []
    drawn = model.sample(3, 8, steps=steps, start=start, order=order, film=film)
    assert drawn.max() < 5 and drawn[:, [0, 3, 7]].equal(start[:, [0, 3, 7]].expand(3, 3))
    assert len(film) == min(steps or 5, 5)
    left = [(x == 5).sum(1).tolist() for x in film]
    assert left[-1] == [0] * 3 and all(a[0] > b[0] for a, b in zip(left, left[1:]))
    assert model.sample(2, 4, start=torch.tensor([[1, 2, 3, 4]])).tolist() == [[1, 2, 3, 4]] * 2  # nothing is hidden


def test_masked_samples_in_random_order_follow_the_mean_over_orders():
    model = awake(MaskedLM(2, context=2, **SMALL))
    drawn = model.sample(20_000, 2)
    expected = torch.zeros(2, 2)
    empty = model.logits(torch.tensor([[2, 2]])).softmax(-1)[0]
    for a, b in itertools.product(range(2), repeat=2):
        given_a = model.logits(torch.tensor([[a, 2]])).softmax(-1)[0, 1, b]
        given_b = model.logits(torch.tensor([[2, b]])).softmax(-1)[0, 0, a]
        expected[a, b] = 0.5 * empty[0, a] * given_a + 0.5 * empty[1, b] * given_b
    shares = torch.bincount(drawn[:, 0] * 2 + drawn[:, 1], minlength=4).view(2, 2) / 20_000
    torch.testing.assert_close(shares, expected, atol=0.015, rtol=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.sample(2, 4, steps=0), "steps"),
        (lambda m: m.sample(2, 4, order="alphabetical"), "unknown order"),
        (lambda m: m.sample(2, 4, start=torch.zeros(2, 3, dtype=torch.long)), "start of shape"),
        (lambda m: m.masked_cross_entropy(torch.zeros(1, 3, dtype=torch.long), 0), "share"),
        (lambda m: m.elbo(torch.full((1, 3), 5)), "from 0 to 4"),
        (lambda m: m.logits(torch.zeros(1, 9, dtype=torch.long)), "cut longer"),
    ],
)
def test_bad_input_of_a_masked_model_gets_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call(MaskedLM(5, context=8, **SMALL))


# --- numbers, dates, translation


def test_numbers_in_words_are_those_of_another_library():
    for n in [*range(1_200), *range(1_200, translations.NUMBERS, 17)]:
        assert translations.english(n) == num2words(n).replace(",", "")
        assert translations.french(n) == num2words(n, lang="fr").replace("é", "e")


def test_dates_are_written_in_three_ways():
    assert translations.written_dates(date(2024, 3, 5)) == ("March 5, 2024", "5 March 2024", "05/03/2024")


@pytest.mark.parametrize("n", [-1, 10_000, 2.0, True, "two"])
def test_numbers_out_of_range_are_refused(n):
    for words in (translations.english, translations.french):
        with pytest.raises(ValueError, match="from 0 to 9,999"):
            words(n)


def test_train_and_test_share_no_number_and_no_day():
    train, test = (set(translations.pairs(split)) for split in ("train", "test"))
    assert not train & test
    for task in translations.TASKS:
        both = [{source for source, _ in part if source.startswith(task)} for part in (train, test)]
        assert not both[0] & both[1] and 0.08 < len(both[1]) / (len(both[0]) + len(both[1])) < 0.12, task
    numbers = {target for source, target in test if source.startswith("fr")}
    assert not numbers & {target for source, target in train if source.startswith("fr")}


def test_translations_are_a_data_set_that_reads_back():
    data = datasets.load("translations", "test")
    assert data.x.dtype == torch.uint8 and data.x.shape == data.y.shape == (len(data), translations.LENGTH)
    texts = [["".join(translations.LETTERS[i] for i in row if i < translations.END) for row in part.tolist()] for part in (data.x, data.y)]
    assert list(zip(*texts)) == translations.pairs("test")


@pytest.mark.parametrize(("text", "message"), [("", "1 to 55"), ("a" * 56, "1 to 55"), ("fr:zéro", "'é'")])
def test_texts_that_cannot_be_read_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        Translator(**SMALL).translate([text])


def test_greedy_translation_is_the_likeliest_symbol_each_time():
    model = awake(Translator(**SMALL))
    source = torch.tensor([translations.letters(t, 12) for t in ("fr:two", "en:sept", "iso:1")])
    made = model.greedy(source)
    written = torch.zeros(3, 0, dtype=torch.long)
    for _ in range(made.shape[1]):
        nxt = model.logits(source, F.pad(written, (0, 1)))[:, -1].argmax(1)
        done = (written == translations.END).any(1)
        written = torch.cat([written, torch.where(done, translations.END, nxt)[:, None]], 1)
    assert made.equal(written)


def test_what_fills_a_target_up_does_not_count():
    model = awake(Translator(**SMALL))
    source = torch.tensor([translations.letters("fr:two", 12)])
    short, long = (torch.tensor([translations.letters("deux", n)]) for n in (5, 20))
    torch.testing.assert_close(model.log_prob(source, short), model.log_prob(source, long), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model.loss(source, long), -model.log_prob(source, short)[0] / 5)
    maps = model.cross_attention("fr:two", "deux")
    assert maps.shape == (2, 2, 5, 6)
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 2, 5))


def test_exact_matches_counts_whole_texts():
    model = awake(Translator(**SMALL))
    source = torch.tensor([translations.letters("fr:two", 12), translations.letters("fr:six", 12)])
    made = F.pad(model.greedy(source), (0, 3), value=translations.END)
    assert exact_matches(model, source, made).tolist() == [True, True]
    made[0, 0] = (made[0, 0] + 1) % 60
    assert exact_matches(model, source, made).tolist() == [False, True]


# --- pictures


@given(st.sampled_from([(1, 1), (1, 2), (2, 2), (2, 4), (4, 1)]), st.sampled_from([2, 4]), st.integers(0, 100))
@settings(deadline=None, max_examples=25)
def test_patches_lose_nothing(size, levels, seed):
    x = torch.randint(levels, (3, 1, 8, 8), generator=torch.Generator().manual_seed(seed))
    symbols = patches(x, size, levels)
    assert symbols.shape == (3, 64 // (size[0] * size[1])) and symbols.max() < levels ** (size[0] * size[1])
    assert from_patches(symbols, (1, 8, 8), size, levels).equal(x)


def test_patches_are_in_reading_order():
    x = torch.zeros(1, 1, 4, 4, dtype=torch.long)
    x[0, 0, 2, 3] = 1  # lower right patch, its first row, second column
    assert patches(x, (2, 2), 2).tolist() == [[0, 0, 0, 2]]


def test_image_gpt_goes_on_from_given_rows():
    model = awake(ImageGPT((1, 8, 8), **SMALL))
    x = model.sample(2)
    assert x.shape == (2, 1, 8, 8) and set(x.unique().tolist()) <= {0, 1}
    assert model.sample(2, given=x[:, :, :4])[:, :, :4].equal(x[:, :, :4])
    with pytest.raises(ValueError, match="bands of 2"):
        model.sample(2, given=x[:, :, :3])


def test_a_vit_reads_patches_in_their_places():
    model, x = awake(ViT((1, 8, 8), patch=4, **SMALL)), torch.rand(2, 1, 8, 8)
    assert model.logits(x).shape == (2, 10)
    swapped = torch.cat([x[..., 4:], x[..., :4]], -1)
    assert not torch.allclose(model.logits(x), model.logits(swapped), atol=1e-4)
    with torch.no_grad():
        model.stack.learned[1:] = model.stack.learned[1]  # without places the order of the patches is invisible
    torch.testing.assert_close(model.logits(x), model.logits(swapped), atol=1e-4, rtol=1e-4)
    maps = model.attention_maps(x)
    assert maps.shape == (2, 2, 2, 5, 5)
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 2, 2, 5))


def test_attention_maps_are_those_of_the_model():
    model, x = awake(GPT(7, context=9, **SMALL)), torch.randint(7, (2, 9))
    maps = model.attention_maps(x)
    assert maps.shape == (2, 2, 2, 9, 9) and (maps.triu(1) == 0).all()
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 2, 2, 9))
    assert MaskedLM(7, **SMALL).attention_maps(x).shape == (2, 2, 2, 9, 9)


# --- BPE

TEXT = "the cat sat on the mat, the rat sat on the cat; " * 3


def test_bpe_learns_the_most_frequent_pair_each_time():
    bpe = BPE.learn(TEXT, len(datasets.ALPHABET) + 20)
    words, merges = WORDS.findall(TEXT), []
    cut = [[bpe.places[c] for c in word] for word in words]
    while len(merges) < 20:
        pairs = [pair for word in cut for pair in zip(word, word[1:])]
        if not pairs or max(map(pairs.count, pairs)) < 2:
            break
        best = max(set(pairs), key=lambda pair: (pairs.count(pair), pair))
        merges.append(best)
        cut = [merge(word, best, len(datasets.ALPHABET) + len(merges) - 1) for word in cut]
    assert bpe.merges == merges
    assert " the" in bpe.pieces
    assert bpe.encode(TEXT).tolist() == sum(cut, [])


@given(st.text(alphabet=datasets.ALPHABET, max_size=60))
@settings(deadline=None, max_examples=60)
def test_bpe_reads_back_every_text(text):
    bpe = BPE.learn(TEXT, len(datasets.ALPHABET) + 10)
    assert bpe.decode(bpe.encode(text)) == text
    assert BPE(torch.tensor(bpe.merges)).encode(text).equal(bpe.encode(text))


def test_bpe_names_what_it_cannot_read():
    bpe = BPE.learn(TEXT, 100)
    with pytest.raises(ValueError, match="'é'"):
        bpe.encode("café")
    with pytest.raises(ValueError, match="96 characters"):
        BPE.learn(TEXT, 50)
    assert len(bpe.encode("")) == 0


# --- on a GPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("model", [GPT(7, **SMALL), MaskedLM(7, **SMALL)], ids=["gpt", "masked"])
def test_models_of_text_run_on_a_gpu(model):
    model, x = model.cuda(), torch.randint(7, (2, 9)).cuda()
    model.loss(x).backward()
    assert model.sample(2, 9).device.type == "cuda"
