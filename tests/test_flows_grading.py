"""The checks of exercise 04: what the tests of all tasks do not say."""

from types import SimpleNamespace

import pytest
import torch
from sklearn.metrics import roc_auc_score

from course_lib.grading import CheckFailed, fixtures, grid
from course_lib.grading.flows import COUPLE, OUTSIDERS, TRIANGULAR, UNCOUPLE, measure


def test_measure_agrees_with_sklearn_and_finds_the_worst_of_the_others():
    def kind(n, shift):
        return (grid(n, 64).sin() + shift).round(decimals=1)  # rounded, so that there are ties

    digits = kind(21, 0.0)
    outsiders = {"blank": kind(7, 0.3), "grey": kind(9, -0.2), "blurred": kind(8, 0.1), "noise": kind(6, 0.6)}
    detector = SimpleNamespace(score=lambda x: x[:, 0], log_p=lambda x: -x[:, 1], seen=3.0)
    scores = {}
    for name, x in outsiders.items():
        inside = torch.arange(len(digits) + len(x)) < len(digits)
        scores[name] = roc_auc_score((~inside).numpy(), torch.cat([digits, x])[:, 0].numpy())
    assert measure(detector, digits, outsiders) == pytest.approx(
        {
            "blank": scores["blank"],
            "blurred": scores["blurred"],
            "others": min(scores["grey"], scores["noise"]),
            "gap": 3.0 + float(digits[:, 1].double().median()),
        }
    )


@pytest.mark.parametrize("given", [{"noise": 0}, {"noise": 1.5}, {"layers": 11}, {"layers": True}, {"steps": 0}, {"score": "entropy"}])
def test_settings_outside_the_table_are_refused(given):
    with pytest.raises(CheckFailed, match=f"{next(iter(given))} should be"):
        OUTSIDERS.chosen(lambda: {"score": "typicality"} | given)


@pytest.mark.parametrize("name", ["minus_cube", "3_minus_2x"])
def test_slopes_are_those_of_the_maps_that_the_inverses_undo(name):
    y = grid(7, low=-2.2, high=1.9).requires_grad_()
    x = getattr(fixtures, f"inverse_of_{name}")(y)
    (stretch,) = torch.autograd.grad(x.sum(), y)
    torch.testing.assert_close(getattr(fixtures, f"slope_of_{name}")(x), 1 / stretch)


def test_triangular_cases_are_triangular_and_hold_no_zero_on_the_diagonal():
    for (jacobians,) in TRIANGULAR.cases:
        assert torch.equal(jacobians, jacobians.tril())
        assert jacobians.diagonal(dim1=-2, dim2=-1).all()
        assert (jacobians.diagonal(dim1=-2, dim2=-1) < 0).any()


def test_the_way_back_undoes_the_way_forth():
    for x, *functions in UNCOUPLE.cases:
        z, _ = UNCOUPLE._expected(COUPLE.truth, (x, *functions)).values
        [again] = UNCOUPLE._expected(UNCOUPLE.answer, (z, *functions)).values
        torch.testing.assert_close(again, x.double(), rtol=0, atol=1e-3)  # a scale of exp(−28) costs digits
