"""A `Goal`: an experiment that is tuned until measured numbers are met."""

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

from course_lib.grading.running import CheckFailed
from course_lib.grading.words import describe, where


@dataclass(frozen=True)
class Region:
    """Where a try can land. `holds(m)` tells from the measured numbers and the settings, both by their names, whether it did."""

    label: str
    holds: Callable[[Mapping[str, Any]], bool]
    hint: str


@dataclass(frozen=True, repr=False)
class Goal:
    """An experiment that is tuned until its measured numbers are met.

    at_least: for each measured number, its name as shown → the threshold
    slack: how much less is enough in the hidden test, which measures on other data: a goal that is met stays met
    close: how much less is still called close, for the numbers that can be far off
    known: regions, the likeliest cause first
    settings: what may be tuned → the value it has when it is left out; the first of them must be given
    rules: for a setting, which values are allowed, and that in words
    """

    name: str
    at_least: dict[str, float]
    known: Sequence[Region]
    slack: dict[str, float]
    settings: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, tuple[Callable[[Any], bool], str]] = field(default_factory=dict)
    close: dict[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Goal({self.name!r})"  # no more: the hints would show

    def chosen(self, answer: Callable) -> dict[str, Any]:
        """The settings that a student's function returns.

        Raises:
            CheckFailed: it is blank, fails, or returns no dict, or one without the needed setting, with another than those to tune, or
                with a value that is not allowed
        """
        try:
            given = answer()
        except NotImplementedError:
            raise CheckFailed(self.name, "blank", "not answered yet.") from None
        except Exception as error:
            raise CheckFailed(self.name, getattr(error, "kind", "error"), f"{where(error, answer)}.") from None
        needed, *others = self.settings
        allowed = f"a dict with {needed} and, if you like, {' or '.join(others)}"
        if not isinstance(given, dict):
            kind = "none" if given is None else "type"
            raise CheckFailed(self.name, kind, f"settings should return {allowed}; yours returns {describe(given)}.")
        if needed not in given or given.keys() - self.settings.keys():
            missing = "" if needed in given else f"{needed} is missing: "
            has = ", ".join(map(str, given)) or "nothing"
            raise CheckFailed(self.name, "type", f"settings should return {allowed}; {missing}yours has {has}.")
        for key, value in given.items():
            allowed, in_words = self.rules.get(key, (lambda _: True, ""))
            if not allowed(value):
                raise CheckFailed(self.name, "type", f"{key} should be {in_words}; yours is {value!r}.")
        return given

    def check(self, measured: Mapping[str, float], settings: Mapping[str, Any] | None = None, hidden: bool = False) -> None:
        """Print `✓` with the numbers reached, or raise with the numbers and the hint of the region that they lie in.

        settings: what was chosen; hints read it beside the numbers

        Raises:
            CheckFailed: a number is not finite, missing or below its threshold
        """
        goals = {key: least - hidden * self.slack[key] for key, least in self.at_least.items()}
        if not isinstance(measured, dict):
            raise CheckFailed(self.name, "type", f"measured numbers are asked for, got {describe(measured)}.")
        numbers = ", ".join(f"{key} {measured[key]:.4g} (goal: at least {goals[key]:.4g})" for key in goals if key in measured)
        if not all(map(math.isfinite, measured.values())):
            raise CheckFailed(self.name, "nan", f"{numbers}. Training diverged: is one of your settings negative or far too large?")
        if missing := goals.keys() - measured.keys():
            raise CheckFailed(self.name, "type", f"measured numbers are asked for, {', '.join(sorted(missing))} missing.")
        if all(measured[key] >= goal for key, goal in goals.items()):
            print(f"✓ {self.name}: {numbers}")
            return
        everything = {**self.settings, **(settings or {}), **measured}
        for i, region in enumerate(self.known, 1):
            if region.holds(everything):
                raise CheckFailed(self.name, f"m{i}", f"{numbers}. {region.hint}")
        if any(measured[key] < goals[key] - far for key, far in self.close.items()):
            said = "Not close, and no setting says why. Do the functions that it is made of pass their checks?"
            raise CheckFailed(self.name, "value", f"{numbers}. {said}")
        raise CheckFailed(self.name, "value", f"{numbers}. Close: keep tuning.")


def is_number(value: Any, least: float) -> bool:
    """Whether a setting is a finite number, `least` or more, of Python or NumPy."""
    return isinstance(value, Real) and not isinstance(value, bool) and least <= value < math.inf


def one_of(*values: int) -> tuple[Callable[[Any], bool], str]:
    """A rule of `Goal`: one of these whole numbers."""
    return (lambda value: is_whole(value, values)), ", ".join(map(str, values[:-1])) + f" or {values[-1]}"


def is_whole(value: Any, allowed: Container[int]) -> bool:
    """Whether a setting is one of the whole numbers allowed, of Python or NumPy."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value in allowed
