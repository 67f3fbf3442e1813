"""Which images a figure is about: parts that are never averaged together, and in them families, generators, sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.sample import GENERATED, REAL
from contrafake.evaluate.figures import PARTS
from contrafake.evaluate.images import APART

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from contrafake.evaluate.figures import Level, Part
    from contrafake.evaluate.images import Images

SEEN_IN: dict[Part, str] = {"seen": "yes", "unseen": "no", "unknown": "", "apart": APART}
"""What `Images.seen` says of a part's images."""


@dataclass(frozen=True, eq=False)
class Group:
    """Images of one row of figures.

    Attributes:
        part: Whether training saw the origins.
        level: As in `Row`.
        name: As in `Row`.
        real: (N,) int64, places of the real images among all, scored or not.
        generated: (M,) int64, places of the generated ones.
        borrowed: The real images are those of other parts.
        members: Generators of a pooled group.
    """

    part: Part
    level: Level
    name: str
    real: NDArray[np.int64]
    generated: NDArray[np.int64]
    borrowed: bool = False
    members: tuple[str, ...] = ()


def find_groups(images: Images, scored: NDArray[np.bool_], least: int, *, deep: bool = True) -> Iterator[Group]:
    """The groups of an evaluation, in the order of its rows.

    Args:
        images: N images.
        scored: (N,) whether an image has a score; it decides which generators have enough images.
        least: Scored images that a generator needs for a group of its own; those with fewer are pooled.
        deep: Whether to divide parts into families, generators and sets of real images.
    """
    real, generated = images.label == REAL, images.label == GENERATED
    for part in PARTS:
        inside = images.seen == SEEN_IN[part]
        own, made = np.flatnonzero(inside & real), np.flatnonzero(inside & generated)
        if not len(own) and not len(made):
            continue
        borrowed = not len(own)
        reals = np.flatnonzero(real) if borrowed else own
        yield Group(part, "overall", "", reals, made, borrowed)
        if not deep:
            continue
        for name, rows in _by(images.family, made):
            yield Group(part, "family", name, reals, rows, borrowed)
        few: list[tuple[str, NDArray[np.int64]]] = []
        for name, rows in _by(images.origin, made):
            if scored[rows].sum() >= least:
                yield Group(part, "origin", name, reals, rows, borrowed)
            else:
                few.append((name, rows))
        if few:
            members = tuple(name for name, _ in few)
            rows = np.sort(np.concatenate([rows for _, rows in few]))
            yield Group(part, "pooled", ", ".join(members), reals, rows, borrowed, members)
        for name, rows in _by(images.origin, own):
            yield Group(part, "real", name, rows, rows[:0])


def _by(column: NDArray[np.object_], rows: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """The rows by their name in a column, names sorted."""
    names = column[rows]
    for name in sorted(set(names.tolist())):
        yield name, rows[names == name]
