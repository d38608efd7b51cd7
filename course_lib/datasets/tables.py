"""Data that are no images: a table of ratings with holes, and a small collection of texts."""

from dataclasses import dataclass

import torch
from torch import Tensor

FILMS = (
    *("Star Harbour", "The Long Orbit", "Robots at Dawn", "Signal Lost", "Second Moon", "Iron Nebula"),
    *("Laugh Track", "Two Left Shoes", "The Bad Waiter", "Wedding Twice", "My Cousin's Goat", "Office Party"),
    *("Dark Cellar", "It Knocks Again", "The Ninth Doll", "Do Not Sleep", "Fog Street", "Bone Lake"),
    *("Laser Clowns", "Ghost Bride, Happy Bride", "Alien Attic", "Haunted Satellite", "Cannibal Caterers", "Moon Divorce"),
)


@dataclass(frozen=True)
class Ratings:
    """Films rated by people, with most entries missing.

    values: (people, films), 1 to 5 stars in steps of a half, known in full since we made them
    seen: boolean, what a recommender gets to see
    held_out: boolean, disjoint from `seen`: what it is judged by
    films: their names. Six are science fiction, six comedies, six horror, and six are two of these at once
    """

    values: Tensor
    seen: Tensor
    held_out: Tensor
    films: tuple[str, ...] = FILMS


def ratings(people: int = 300, seed: int = 0) -> Ratings:
    """A made-up rating table: each person has three tastes, each film has three ingredients, and a rating is their product and noise.

    A quarter of the entries is seen, and a tenth held out.
    """
    generator = torch.Generator().manual_seed(seed)
    genre = torch.eye(3).repeat_interleave(6, 0)
    both = torch.tensor([[1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 0]]) * 0.7
    film = torch.cat([genre, both]) + 0.1 * torch.randn(len(FILMS), 3, generator=generator)
    taste = torch.randn(people, 3, generator=generator)
    quality = 0.4 * torch.randn(len(FILMS), generator=generator)
    noise = 0.5 * torch.randn(people, len(FILMS), generator=generator)
    values = (3 + quality + taste @ film.T + noise).mul(2).round().div(2).clamp(1, 5)
    draw = torch.rand(values.shape, generator=generator)
    return Ratings(values, seen=draw < 0.25, held_out=draw > 0.9)


def documents(longest: int = 4000) -> dict[str, str]:
    """The reference texts that Python's `help()` prints, title → text, each cut after `longest` characters. They come with Python itself.

    The texts differ a little from one Python version to the next.
    """
    from pydoc_data.topics import topics

    return {title: text[:longest] for title, text in sorted(topics.items())}
