"""Splits that a set already has, or that a list gives: checked, and repaired by leaving images out."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.origins import SPLITS
from contrafake.data.sources.folders import SPLIT_NAMES
from contrafake.data.splitting.columns import NO_SPLIT, digest
from contrafake.data.splitting.units import FREE
from contrafake.errors import DataError

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from contrafake.data.splitting.columns import Columns


def listed_splits(columns: Columns, path: str | os.PathLike[str]) -> NDArray[np.int8]:
    """The splits that a list gives; images that it does not name are left out.

    Args:
        columns: The set.
        path: A CSV file with the columns `key` and `split`, as this package writes it.

    Returns:
        (N,) int8 places in `SPLITS`, `NO_SPLIT` for images that are not on the list.

    Raises:
        DataError: The list is unreadable, has no such columns, gives a key twice or names no image of the set.
    """
    keys, splits = [], []
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:  # noqa: PTH123 - takes any path
            rows = csv.DictReader(file)
            if missing := {"key", "split"} - set(rows.fieldnames or ()):
                raise DataError(str(path), f"the list has no column {', '.join(sorted(missing))}")
            for row in rows:
                split = SPLIT_NAMES.get((row["split"] or "").lower())
                if split is None:
                    raise DataError(f"{path}: line {rows.line_num}", f"unknown split {row['split']!r}")
                keys.append(digest(row["key"]))
                splits.append(SPLITS.index(split))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(str(path), f"the list cannot be read: {error}") from error
    named, first = np.unique(np.array(keys, np.uint64), return_index=True)
    if len(named) < len(keys):
        raise DataError(str(path), "the list gives a key twice")
    at = np.minimum(np.searchsorted(named, columns.key), max(len(named) - 1, 0))
    here = named[at] == columns.key if len(named) else np.zeros(len(columns), np.bool_)
    if here.sum() < len(named):
        cause = f"{len(named) - int(here.sum())} of its {len(named)} keys are not in the data"
        raise DataError(str(path), cause, "give the data, in the same order, for which the list was written")
    found = np.full(len(columns), NO_SPLIT, np.int8)
    found[here] = np.array(splits, np.int8)[first][at[here]]
    return found


def less_protected(split: NDArray[np.int8], link: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,) images that are linked to one in a more protected split: test before val before train.

    Args:
        split: (N,) places in `SPLITS`, `NO_SPLIT` for images that are left out anyway.
        link: (N,) equal numbers belong together, `FREE` to nothing.
    """
    rows = np.flatnonzero((link != FREE) & (split != NO_SPLIT))
    numbers = np.unique(link[rows], return_inverse=True)[1].ravel()
    highest = np.full(int(numbers.max(initial=-1)) + 1, NO_SPLIT, np.int8)
    np.maximum.at(highest, numbers, split[rows])
    found = np.zeros(len(split), np.bool_)
    found[rows] = split[rows] < highest[numbers]
    return found


def shared_sources(columns: Columns, split: NDArray[np.int8]) -> int:
    """How many sources have images in more than one split."""
    used = split != NO_SPLIT
    pairs = np.unique(np.stack([columns.source[used], split[used]]), axis=1)
    return int((np.bincount(pairs[0], minlength=1) > 1).sum()) if used.any() else 0
