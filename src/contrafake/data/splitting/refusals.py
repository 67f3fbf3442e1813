"""Why a set cannot be divided as asked, with names that a user can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.sources.source import CLASS_NAMES
from contrafake.data.splitting.columns import keys_at
from contrafake.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.data.sources import Source
    from contrafake.data.splitting.columns import Columns

EXAMPLES = 3
"""How many are named."""


def refuse_pairs(source: Source, pairs: list[tuple[int, int]], count: int, what: str) -> None:
    """Refuses images on two sides that belong together.

    Args:
        source: The set.
        pairs: Rows of two such images each; with none nothing happens.
        count: How many there are.
        what: What they are called.

    Raises:
        DataError: There are some; it names a few.
    """
    if not pairs:
        return
    cause = f"{count} {what} would stand on two sides: {_named(source, pairs)}"
    raise DataError(source.root.name, cause, "use --duplicates repair, or remove them")


def both_labels(source: Source, pairs: list[tuple[int, int]]) -> str:
    """A line on images that stand under both labels; they are not refused, since which label is right is not known.

    Args:
        source: The set.
        pairs: Rows of a real and a generated image with the same bytes, at least one pair.
    """
    verb = "image stands" if len(pairs) == 1 else "images stand"
    return f"{len(pairs)} {verb} under both labels: {_named(source, pairs)}"


def refuse_units(
    source: Source, columns: Columns, unit: NDArray[np.int64], of_class: NDArray[np.bool_], split: str, *, parts: int
) -> None:
    """Refuses a division that leaves a split without a class.

    Args:
        source: The set.
        columns: Its columns.
        unit: (N,) unit of each image.
        of_class: (N,) images of the class that is lacking, at least one.
        split: The split that lacks it.
        parts: How many splits were asked for.

    Raises:
        DataError: Always; it names the largest units.
    """
    sizes = np.bincount(unit[of_class])
    name = CLASS_NAMES["detection"][int(columns.label[of_class][0])]

    def described(u: int) -> str:
        rows = np.flatnonzero(of_class & (unit == u))
        inside = sorted({columns.sources[i] or "an unknown source" for i in columns.source[rows].tolist()})
        more = f" and {len(inside) - 2} more" if len(inside) > 2 else ""
        return f"{sizes[u]} images of {', '.join(inside[:2])}{more}"

    count = int((sizes > 0).sum())
    largest = [u for u in np.argsort(-sizes, kind="stable")[:EXAMPLES].tolist() if sizes[u]]
    inseparable = f"{count} inseparable {'unit' if count == 1 else 'units'}"
    cause = (
        f"{split} would hold no {name} image, since these come in {inseparable}: {'; '.join(map(described, largest))}"
    )
    ways = [
        "ask for fewer splits (--fractions 0.8,0.2)" if parts > 2 and count > 1 else "",
        "add sources, or name them in a manifest",
        "divide by something smaller (--by group)" if (columns.group != 0).all() else "",
    ]
    raise DataError(source.root.name, cause, "; ".join(filter(None, ways)))


def _named(source: Source, pairs: list[tuple[int, int]]) -> str:
    shown = pairs[:EXAMPLES]
    keys = keys_at(source, [row for pair in shown for row in pair])
    return "; ".join(f"{keys[one]} and {keys[other]}" for one, other in shown)
