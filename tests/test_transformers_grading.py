"""Exercise 09: what its goal measures, the model of its bug hunt, and truths that come from elsewhere than the right answers."""

import math

import answers
import jupytext
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib.grading import grid, plain
from course_lib.grading.transformers import ATTENTION, CHANCES, MASK, MENDED, MERGE, ROTATE, SPLIT, STEP, measure

both = pytest.mark.parametrize("grading", [False, True], ids=["visible", "hidden"])


def cases(task, grading: bool):
    return answers.hidden("transformers", task)() if grading else task.cases


@both
def test_positions_count_by_their_distance_alone_and_lengths_stay(grading):
    for x, start in cases(ROTATE, grading):
        x = x.double()
        turned = ROTATE.answer(x, start)
        torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
        later = ROTATE.answer(x, start + 9)
        torch.testing.assert_close(turned @ turned.mT, later @ later.mT)


def test_the_parts_together_are_torchs_own_attention():
    with plain(torch.float64):
        layer = nn.MultiheadAttention(12, 3, batch_first=True)
        x = (5 * grid(2, 7, 12).double()).sin()
        q, k, v = (SPLIT.answer(part, 3) for part in F.linear(x, layer.in_proj_weight, layer.in_proj_bias).chunk(3, -1))
        output, weights = ATTENTION.answer(q, k, v, MASK.answer(7, 7))
        expected = layer(x, x, x, attn_mask=~MASK.answer(7, 7), average_attn_weights=False)
        torch.testing.assert_close((layer.out_proj(MERGE.answer(output)), weights), expected)


@pytest.mark.parametrize("cuts", [(1,) * 7, (3, 4), (2, 1, 4)])
def test_steps_with_a_cache_are_one_step_without(cuts):
    q, k, v = ((grid(2, 3, 7, 4).double() * n).sin() for n in (3, 4, 5))

    def attend(q, k, v):
        return ATTENTION.answer(q, k, v, MASK.answer(q.shape[2], k.shape[2]))[0]

    cache = whole = k[:, :, :0], v[:, :, :0]
    found = []
    for part in zip(*(each.split(cuts, 2) for each in (q, k, v))):
        out, *cache = STEP.answer(*part, *cache, ROTATE.answer, attend)
        found.append(out)
    torch.testing.assert_close((torch.cat(found, 2), *cache), STEP.answer(q, k, v, *whole, ROTATE.answer, attend))


@both
def test_what_stays_is_as_likely_beside_the_likeliest_as_before(grading):
    for logits, temperature, share in cases(CHANCES, grading):
        p, before = CHANCES.answer(logits.double(), temperature, share), (logits.double() / temperature).softmax(1)
        torch.testing.assert_close(p.sum(1), torch.ones(len(p), dtype=p.dtype))
        beside, wanted = (each / each.amax(1, keepdim=True) for each in (p, before))
        assert torch.equal(beside > 0, wanted >= share)
        torch.testing.assert_close(beside, wanted * (wanted >= share))


def leaks(model, x, w) -> bool:
    """Whether any logit moves with its own symbol or a later one."""
    moved = False
    for j in range(x.shape[1]):
        other = x.clone()
        other[:, j] = (x[:, j] + 1) % w.out.shape[1]
        moved |= not torch.equal(model(other, w)[:, : j + 1], model(x, w)[:, : j + 1])
    return moved


@both
def test_the_mended_model_does_not_look_ahead_and_every_mistake_that_says_so_does(grading):
    ahead = {"as it was given", "neighbour and mask", "neighbour and norm", "mask and norm", "neighbour", "mask too late", "norm over time"}
    ahead |= {"round the end", "round the end, and more", "scores of 0", "nothing hidden", "symbols rolled", "symbols not moved"}
    assert ahead <= {mistake.label for mistake in MENDED.known}
    for x, w in cases(MENDED, grading):
        w = w.double()
        assert not leaks(MENDED.answer, x, w)
        for mistake in MENDED.known:
            for line, wrong in mistake.forms:
                if mistake.label in ahead:
                    assert leaks(wrong, x, w), f"{mistake.label}: {line}"
                if "nothing looks ahead" in mistake.hint:
                    assert not leaks(wrong, x, w), f"{mistake.label}: {line}"


def test_the_model_that_students_are_given_has_the_three_leaks():
    cells = jupytext.read(answers.ROOT / "solutions/09_transformers/09_transformers.py").cells
    [source] = [cell.source for cell in cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "cheater"]
    names = {"torch": torch, "F": F, "math": math}
    exec(source, names)
    assert MENDED.known[0].label == "as it was given"
    for x, w in MENDED.cases:
        torch.testing.assert_close(names["cheater"](x, w), MENDED.known[0].forms[0][1](x, w))


class Coin:
    """Every symbol has the same chance, but for one that is twice as likely."""

    context, steps = 4, 3

    def logits(self, x):
        return torch.log(torch.tensor([2.0] + [1.0] * 6)).expand(*x.shape, 7)


def test_a_character_costs_what_its_chance_says():
    pages = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 0]] * 150)
    expected = (6 * math.log2(8) + 2 * math.log2(4)) / 8
    assert measure(Coin(), pages) == pytest.approx({"minus bits": -expected, "steps": 3.0})
