"""Faces from their factors, and what can be seen of a factor in them."""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .factors import (
    ATTRIBUTES,
    CHOSEN_BY,
    COLOURED_BY,
    COLOURS,
    COLUMN,
    FACTORS,
    SIZE,
    known_factor,
    named,
    row,
    rows,
    value_index,
    word_index,
)

PARTS = Path(__file__).with_name("parts.json")


@functools.cache
def tables() -> dict[str, tuple[str, Tensor, Tensor, Tensor]]:
    """Part → its slot, and what each of its variants does to each pixel, three tensors (variants, 1, 256).

    The new colour is keep · colour below + constant + share · colour of the slot. The paints of a variant lie on top of each other,
    and together are such a map again.
    """
    stored = json.loads(PARTS.read_text(encoding="utf-8"))
    bits = 1 << np.arange(SIZE - 1, -1, -1)
    found = {}
    for part in stored["order"]:
        names = FACTORS[CHOSEN_BY[part]] if part in CHOSEN_BY else ("only",)
        slot = next(slot for paints in stored["parts"][part].values() for paint in paints for slot in paint["share"])
        maps = np.zeros((3, len(names), SIZE * SIZE))
        maps[0] = 1
        for k, name in enumerate(names):
            variant = name if name in stored["parts"][part] else re.sub(r"^\D+", "variant", name)
            for paint in stored["parts"][part][variant] if name != "none" else []:
                where = ((np.array(paint["rows"])[:, None] & bits) > 0).ravel()
                added = np.array([0, paint["constant"][0], paint["share"].get(slot, 0)])
                maps[:, k, where] = (1 - paint["alpha"]) * maps[:, k, where] + added[:, None]
        found[part] = (slot, *torch.from_numpy(maps).float()[:, :, None])
    return found


@functools.cache
def colours(name: str) -> Tensor:
    """The colours of a factor, float (values, 3, 1) in 0–255."""
    return torch.tensor(list(COLOURS[name].values()), dtype=torch.float32)[:, :, None]


def paint(parts: Mapping[str, Tensor], slots: Mapping[str, Tensor], background: Tensor) -> Tensor:
    """uint8 (n, 3, 16, 16) from the chosen variants and colours.

    Args:
        parts: part → which variant, int64 (n,); or how much of each, (n, variants), in rows that sum to 1
        slots: slot → colour (n, 3, 1) in 0–255
        background: colour (n, 3, 1)
    """
    image = background.expand(-1, -1, SIZE * SIZE).clone()
    for part, (slot, *maps) in tables().items():
        chosen = parts.get(part)
        if chosen is None:
            keep, constant, share = maps
        elif chosen.is_floating_point():
            keep, constant, share = ((chosen @ table[:, 0])[:, None] for table in maps)
        else:
            keep, constant, share = (table[chosen] for table in maps)
        image.mul_(keep).add_(constant).addcmul_(share, slots[slot])
    # a little more than half, so that no value lies where float32 could round it either way
    return image.add_(0.50005).clamp_(0, 255.5).byte().view(-1, 3, SIZE, SIZE)


def draw(factors: Tensor | np.ndarray | Mapping | Sequence[Mapping]) -> Tensor:
    """Faces from their factors: uint8 (3, 16, 16) of one, (n, 3, 16, 16) of many. The same factors give the same pixels.

    Args:
        factors: whole numbers (17,) or (n, 17), as `y` of the data set holds them; or names, one dict or a list of them. There a factor is
            a value (`long07`), a word (`long`), for colours also `#rrggbb`, or a mix such as `{"none": 0.7, "dark": 0.3}`: glasses of
            little strength, or a colour between two. What is not named is as in the plain face.

    Raises:
        ValueError: an unknown factor or value, whose valid ones are listed; a mix whose weights do not sum to 1
    """
    if isinstance(factors, Mapping):
        return draw_named([factors])[0]
    if isinstance(factors, Sequence) and all(isinstance(face, Mapping) for face in factors):
        return draw_named(factors)
    y = rows(factors, "factors")
    drawn = torch.empty(len(y), 3, SIZE, SIZE, dtype=torch.uint8)
    for part, into in zip(y.split(256), drawn.split(256)):  # what a few faces need stays in the processor's cache
        column = dict(zip(FACTORS, part.T))
        chosen = {name: column[factor] for name, factor in CHOSEN_BY.items()}
        slots = {slot: colours(factor)[column[factor]] for slot, factor in COLOURED_BY.items()}
        into.copy_(paint(chosen, slots, colours("background")[column["background"]]))
    return drawn[0] if torch.as_tensor(factors).ndim == 1 else drawn


def draw_named(faces: Sequence[Mapping]) -> Tensor:
    """Faces by name, mixes among them, uint8 (n, 3, 16, 16)."""
    if not faces:
        return torch.empty(0, 3, SIZE, SIZE, dtype=torch.uint8)
    weights = [{name: mix(name, {**named(row({})), **face}[name]) for name in {**FACTORS, **face}} for face in faces]
    parts = {part: torch.stack([w[factor] for w in weights]) for part, factor in CHOSEN_BY.items()}
    slots = {name: torch.stack([w[name] for w in weights])[:, :, None] for name in COLOURS}
    return paint(parts, {slot: slots[name] for slot, name in COLOURED_BY.items()}, slots["background"])


def mix(name: str, given: str | Mapping[str, float]) -> Tensor:
    """How much of each drawing, (values,), or for colours the colour itself, (3,), in 0–255."""
    known_factor(name)
    shares = given if isinstance(given, Mapping) else {given: 1.0}
    total = sum(shares.values())
    if not shares or any(not share >= 0 for share in shares.values()) or abs(total - 1) > 1e-6:
        raise ValueError(f"the weights of a mix must be at least 0 and sum to 1, but {name} has {dict(shares)}.")
    table = colours(name)[:, :, 0] if name in COLOURS else torch.eye(len(FACTORS[name]))
    mixed = torch.zeros(table.shape[1])
    for value, share in shares.items():
        if name in COLOURS and re.fullmatch("#[0-9a-fA-F]{6}", str(value)):
            mixed += share * torch.tensor(list(bytes.fromhex(value[1:])))
        else:
            mixed += share * table[value_index(name, value)]
    return mixed


def between(a: Tensor, b: Tensor, t: float | Tensor | Mapping[str, float]) -> Tensor:
    """Faces on the way from a to b: colours mix, parts fade into each other; exactly a at t = 0 and b at t = 1.

    Args:
        a, b: factors of one face each, (17,)
        t: in [0, 1]: one number; many, (n,); or factor → number, where those that are not named stay as in a

    Returns:
        uint8 (3, 16, 16), or (n, 3, 16, 16) for many t

    Raises:
        ValueError: a t outside [0, 1], or factors that are none
    """
    ends = [rows(y, name) for name, y in (("a", a), ("b", b))]
    if any(len(end) != 1 for end in ends):
        raise ValueError(f"a and b are one face each, ({len(FACTORS)},), got {len(ends[0])} and {len(ends[1])} faces.")
    if isinstance(t, Mapping):
        for name in t:
            known_factor(name)
        times = {name: torch.as_tensor([t.get(name, 0.0)], dtype=torch.float32) for name in FACTORS}
    else:
        times = dict.fromkeys(FACTORS, torch.as_tensor(t, dtype=torch.float32).reshape(-1))
    if any(not ((v >= 0) & (v <= 1)).all() for v in times.values()):  # written so that NaN fails too
        raise ValueError(f"t must lie in [0, 1], got {t}.")

    def way(name: str, table: Tensor) -> Tensor:
        return torch.lerp(*(table[end[0, COLUMN[name]]].unsqueeze(0) for end in ends), times[name].view(-1, *[1] * (table.ndim - 1)))

    parts = {part: way(factor, torch.eye(len(FACTORS[factor]))) for part, factor in CHOSEN_BY.items()}
    slots = {slot: way(factor, colours(factor)) for slot, factor in COLOURED_BY.items()}
    drawn = paint(parts, slots, way("background", colours("background")))
    return drawn if isinstance(t, Tensor) and t.ndim else drawn[0]


def visible(y: Tensor, words: bool = False) -> Tensor:
    """Which factors of a face can be read from its pixels, bool (n, 17): a hat may hide the hair, hair the earrings.

    A drawing can be seen when any other in its place would change a pixel or more; a colour, where a pixel or more has it.

    Args:
        words: ask for words instead, (n, 10) as in `attributes`: another drawing of the same word need not be told apart
    """
    y = rows(y)
    names = list(ATTRIBUTES) if words else list(FACTORS)
    seen = torch.zeros(len(y), len(names), dtype=torch.bool)
    for part, into in zip(y.split(2_000), seen.split(2_000)):
        amounts = amounts_seen(part, words)
        into.copy_(torch.stack([amounts[name] > 0.99 for name in names], 1))
    return seen


def amounts_seen(y: Tensor, words: bool) -> dict[str, Tensor]:
    """Factor → for each face, in pixels: how much of a colour is seen, or how far from the nearest other drawing it looks."""
    above, amounts = torch.ones(len(y), SIZE * SIZE), {name: torch.zeros(len(y)) for name in FACTORS}
    for part, (slot, keep, _, share) in reversed(tables().items()):
        factor = CHOSEN_BY.get(part)
        index = y[:, COLUMN[factor]] if factor else torch.zeros(len(y), dtype=torch.int64)
        amounts[COLOURED_BY[slot]] += (above * share[index, 0]).sum(1)
        if factor:
            group = word_index(factor) if words else torch.arange(len(FACTORS[factor]))
            for k in index.unique():
                mine, others = index == k, group != group[k]
                if others.any():
                    amounts[factor][mine] = (above[mine] @ differences(part)[k, others].T).amin(1)
        above = above * keep[index, 0]
    amounts["background"] += above.sum(1)
    return amounts


@functools.cache
def differences(part: str) -> Tensor:
    """How unlike two variants of a part are at each pixel, in [0, 1], (variants, variants, 256)."""
    _, keep, constant, share = tables()[part]
    maps = torch.stack([keep[:, 0], constant[:, 0] / 255, share[:, 0]])
    return (maps[:, :, None] - maps[:, None]).abs().amax(0)
