"""What is special about the explorers of topic 09. What holds for all is in `explorers.py`."""

import functools

import pytest
import torch
from views import number, told

from course_lib import datasets
from course_lib.datasets import ALPHABET
from course_lib.datasets.pairs import english, french
from course_lib.transformers import BPE, GPT, MaskedLM, PieceGPT, Translator, ViT, sinusoidal_positions
from course_lib.widgets.transformers import (
    CostExplorer,
    MaskedTextExplorer,
    MaskExplorer,
    PatchAttentionExplorer,
    PositionExplorer,
    TextAttentionExplorer,
    TranslationExplorer,
    heat,
)
from course_lib.widgets.words import NextCharacterExplorer

SMALL = {"width": 16, "layers": 2, "heads": 2}


@functools.cache
def model(kind, **options):
    """A model whose weights are large enough to tell places apart."""
    torch.manual_seed(0)
    made = kind(**options)
    with torch.no_grad():
        for p in made.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return made.eval()


def gpt():
    return model(GPT, symbols=96, **SMALL)


def bert():
    return model(MaskedLM, symbols=96, **SMALL)


def looking():
    return TextAttentionExplorer({"GPT": gpt(), "BERT": bert()}, "the value")


def patched():
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return PatchAttentionExplorer(model(ViT, shape=(1, 8, 8), patch=4, **SMALL), images)


def translating():
    return TranslationExplorer(model(Translator, **SMALL))


def writing():
    return MaskedTextExplorer(bert(), "")


def characters_of_a_gpt():
    return NextCharacterExplorer(gpt(), ALPHABET)


# --- masks


def test_with_the_mask_half_of_the_weights_are_there():
    explorer = MaskExplorer()
    n = len(explorer.TEXT)
    assert number(r"(\d+) are above 0", told(explorer)) == n * (n + 1) // 2
    assert "the head reads 9 inputs" in explorer.view.value
    explorer.mask.value = "none"
    assert number(r"(\d+) are above 0", told(explorer)) == n * n
    assert f"the head reads {n} inputs" in explorer.view.value
    assert "copy" in explorer.view.value


# --- positions


def test_the_product_depends_on_the_distance_alone():
    explorer, table = PositionExplorer(), sinusoidal_positions(128, 32)
    explorer.first.value, explorer.second.value = 3, 8
    first = number(r"at 5: (-?[\d.]+)", told(explorer))
    assert first == pytest.approx(float(table[3] @ table[8]), abs=0.006)
    explorer.shift.value = 40
    assert number(r"at 5: (-?[\d.]+)", told(explorer)) == first
    assert "p_43 · p_48" in explorer.view.value


# --- where models look


def test_the_weights_shown_are_those_of_the_model():
    explorer = looking()
    explorer.layer.value, explorer.head.value, explorer.place.value = 2, 1, 5
    x = datasets.encode("the value").long()[None]
    row = gpt().attention_maps(x)[1, 0, 1, 5]
    assert f"most on input {int(row.argmax())}" in told(explorer) and f"{row.max():.2f}" in told(explorer)
    p, best = gpt().logits(x)[0, 5].softmax(0).max(0)
    assert number(r"what the model expects there: \S+ ([\d.]+)", told(explorer)) == pytest.approx(float(p), abs=6e-4)
    explorer.model.value = "BERT"
    x[0, 5] = 96
    row = bert().attention_maps(x)[1, 0, 1, 5]
    assert f"most on input {int(row.argmax())}" in told(explorer)


def test_the_mean_of_the_heads_can_be_chosen():
    explorer = looking()
    explorer.head.value = 2
    assert "mean of the heads" in explorer.view.value
    row = gpt().attention_maps(datasets.encode("the value").long()[None])[0, 0].mean(0)[explorer.place.value]
    assert f"{row.max():.2f}" in told(explorer)


def test_an_empty_text_and_a_shorter_one_are_no_errors():
    explorer = looking()
    explorer.place.value = 8
    explorer.text.value = "abc"
    assert explorer.place.value == 2 and 'role="alert"' not in explorer.view.value
    explorer.text.value = ""
    assert "empty" in explorer.view.value and 'role="alert"' not in explorer.view.value
    explorer.text.value = "x" * 200
    assert 'role="alert"' not in explorer.view.value


def test_patches_show_the_summary_and_the_positions():
    explorer = patched()
    maps = model(ViT, shape=(1, 8, 8), patch=4, **SMALL).attention_maps(explorer.images[:1])
    row = maps[0, 0, 0, 0]
    assert f"{float(row[0]):.0%} of its weight on the summary" in explorer.view.value.replace("&#x27;", "'")
    explorer.query.value = 3
    assert "patch 3" in explorer.view.value


def test_rows_are_as_dark_as_their_largest_weight():
    picture = heat(torch.tensor([[0.1, 0.2], [0.0, 0.0]]))
    assert picture.shape == (2, 2, 3) and picture[0, 1].tolist() == [63, 144, 218] and picture[1].min() == 255


# --- translation


def test_the_rule_judges_the_translation():
    explorer = translating()
    explorer.entry.value = "1105"
    assert f"right: {french(1105)}" in explorer.view.value and english(1105) in explorer.view.value
    explorer.task.value = "en"
    assert f"right: {english(1105)}" in explorer.view.value
    explorer.task.value, explorer.entry.value = "iso", "March 5, 2024"
    assert "right:" not in explorer.view.value and "March 5, 2024" in explorer.view.value


@pytest.mark.parametrize("typed", ["", "-3", "10000", "twelve", "1.5", "٣"])
def test_what_is_no_number_gets_one_sentence(typed):
    explorer = translating()
    explorer.entry.value = typed
    assert "whole number from 0 to 9,999" in explorer.view.value and 'role="alert"' not in explorer.view.value


@pytest.mark.parametrize("typed", ["x" * 80, "décembre", ""])
def test_dates_that_cannot_be_read_get_one_sentence(typed):
    explorer = translating()
    explorer.task.value, explorer.entry.value = "iso", typed
    assert 'role="alert"' not in explorer.view.value
    assert "text has 1 to 55" in explorer.view.value or "No symbol" in explorer.view.value or typed == ""


# --- masked diffusion


def test_the_film_fills_every_hole_and_keeps_what_was_given():
    explorer = MaskedTextExplorer(bert(), "a ____ of ____")
    explorer.steps.value = 4
    frames = explorer.film()
    assert explorer.frame.max == 4
    assert len(frames) == 5 and [int((f == 96).sum()) for f in frames] == [8, 6, 4, 2, 0]
    assert datasets.load("manual").decode(frames[-1][:2]) == "a "
    explorer.frame.value = 2
    assert number(r"(\d+) holes? left", told(explorer)) == 4
    again = MaskedTextExplorer(bert(), "a ____ of ____")
    again.steps.value = 4
    assert all(a.equal(b) for a, b in zip(frames, again.film()))
    explorer.seed.value = 1
    assert not frames[-1].equal(explorer.film()[-1])


def test_a_text_without_holes_and_an_empty_one():
    explorer = writing()
    explorer.text.value = "abc"
    assert "0 holes left" in told(explorer) and 'role="alert"' not in explorer.view.value
    explorer.text.value = ""
    assert len(explorer.film()[0]) == explorer.LONGEST


# --- cost


def test_products_are_those_of_the_layers():
    explorer = CostExplorer()
    explorer.length.value, explorer.width.value, explorer.layers.value = 64, 128, 3
    matrices = sum(p.numel() for n, p in GPT(5, width=128, layers=3, heads=4).stack.named_parameters() if p.ndim == 2) * 64
    assert explorer.products(64)[0] == matrices
    assert explorer.products(64)[1] == 3 * 2 * 64 * 64 * 128  # n² products of queries and keys, and as many with values
    explorer.cache.value = "without"
    assert explorer.writing(64) == pytest.approx(sum(sum(explorer.products(t)) for t in range(1, 65)))


def test_attention_costs_as_much_as_the_matrices_at_six_widths():
    explorer = CostExplorer()
    assert explorer.products(6 * 128)[0] == explorer.products(6 * 128)[1]


# --- the next symbol


def test_the_bars_are_the_models_own_probabilities():
    explorer = characters_of_a_gpt()
    x = datasets.encode("The  ").long()[None]
    p = gpt().logits(x)[0, 4].softmax(0)
    assert number(r"the likeliest next characters: \S+ ([\d.]+)", told(explorer)) == pytest.approx(float(p.max()), abs=6e-4)


def test_pieces_of_words_are_symbols_too():
    bpe = BPE.learn("the cat sat on the mat " * 5, 100)
    torch.manual_seed(0)
    made = PieceGPT(100, **SMALL).eval()
    made.merges.copy_(torch.tensor(bpe.merges))
    explorer = NextCharacterExplorer(made, made.bpe, "the cé")
    assert explorer.symbols().equal(bpe.encode("the c ")[None])
    assert "read as a space: é" in explorer.view.value
    assert all(len(text) <= explorer.LENGTH for text in explorer.continuations())


def test_prompts_longer_than_the_context_are_no_error():
    explorer = characters_of_a_gpt()
    explorer.prompt.value = "word " * 60
    assert 'role="alert"' not in explorer.view.value


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TextAttentionExplorer({}), "models is empty"),
        (lambda: TextAttentionExplorer({"a": model(GPT, symbols=7, **SMALL)}), "of the 96 characters"),
        (lambda: TranslationExplorer(gpt()), "must be a Translator"),
        (lambda: PatchAttentionExplorer(gpt(), torch.rand(1, 1, 8, 8)), "must be a ViT"),
        (lambda: MaskedTextExplorer(gpt()), "must be a MaskedLM"),
    ],
)
def test_models_of_another_kind_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
