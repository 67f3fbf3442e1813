"""How images are divided for cross-validation, so that what belongs together is never both taught and asked."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from contrafake.data.audit.duplicates import components, numbered
from contrafake.data.sample import GENERATED, REAL
from contrafake.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASS: Final = {REAL: "real", GENERATED: "generated"}
_TRIES: Final = 8


@dataclass(frozen=True)
class Folds:
    """A division into folds, each with both classes.

    Attributes:
        fold: (N,) int64 fold in which each image is asked; it is taught in all others.
        count: Number of folds, 2 or more.
        grouped_by: "source" or "image".
        note: What a reader must know: fewer folds than asked for, or why not by source.
    """

    fold: NDArray[np.int64]
    count: int
    grouped_by: Literal["source", "image"]
    note: str = ""


def by_source(
    label: NDArray[np.int64], source: NDArray[np.int64], group: NDArray[np.int64], folds: int, seed: int = 0
) -> Folds:
    """Folds that divide neither a source nor a group, as alike in their classes as the sources allow.

    Sources that share a group count as one. Where a fold would hold one class only, there are fewer folds; where a
    class has fewer than two sources, or no two folds can be made of them, folds go by image, and the note says so.

    Args:
        label: (N,) 0 = real, 1 = generated.
        source: (N,) number of each image's source.
        group: (N,) number of each image's group, -1 for none.
        folds: Folds wanted, 2 or more.
        seed: Seed of the order in which sources of equal size are dealt out.

    Raises:
        DataError: Not even folds by image can be made: a class has fewer than two images (or groups).
    """
    unit = together(source, group)
    few = [CLASS[c] for c in (REAL, GENERATED) if np.unique(unit[label == c]).size < 2]
    found = None if few else _dealt(label, unit, folds, seed)
    if found is not None:
        fewer = f"{found[1]} folds instead of {folds}: the sources allow no more" if found[1] < folds else ""
        return Folds(*found, "source", fewer)
    if few:
        each = "each come" if len(few) > 1 else "come"
        cause = f"the {' and the '.join(few)} images {each} from one source (or from sources tied together by groups)"
    else:
        cause = "one source holds so much that no two folds could have both classes"
    images = by_image(label, group, folds, seed)
    note = f"NOT by source: {cause}, so the folds go by image and the AUC may only say that sources differ"
    return Folds(images.fold, images.count, "image", "; ".join(filter(None, [note, images.note])))


def by_image(label: NDArray[np.int64], group: NDArray[np.int64], folds: int, seed: int = 0) -> Folds:
    """Folds that divide no group and take no heed of sources: what a split by image would let a model learn.

    Args:
        label: (N,) 0 = real, 1 = generated.
        group: (N,) number of each image's group, -1 for none.
        folds: Folds wanted, 2 or more.
        seed: Seed of the order in which images are dealt out.

    Raises:
        DataError: A class has fewer than two images, or all of them in one group.
    """
    found = _dealt(label, together(np.arange(label.size), group), folds, seed)
    if found is None:
        few = " and ".join(CLASS[c] for c in (REAL, GENERATED) if np.sum(label == c) < 2) or "any"
        raise DataError("folds", f"too few {few} images to divide", "each class needs two images in different groups")
    fewer = f"{found[1]} folds instead of {folds}: there are too few images for more" if found[1] < folds else ""
    return Folds(*found, "image", fewer)


def together(unit: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) int64: the connected components of images that share a unit or a group (-1 is none)."""
    units = numbered(unit)
    grouped = np.flatnonzero(group >= 0)
    if not grouped.size:
        return units
    groups = numbered(group[grouped]) + int(units.max()) + 1
    return components(units[grouped], groups, int(groups.max()) + 1)[units]


def _dealt(
    label: NDArray[np.int64], unit: NDArray[np.int64], folds: int, seed: int
) -> tuple[NDArray[np.int64], int] | None:
    """The largest number of folds up to `folds` that all have both classes, or None."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # noqa: PLC0415 - an extra

    units = [np.unique(unit[label == c]).size for c in (REAL, GENERATED)]
    alone = np.unique(unit).size == unit.size
    for count in range(min(folds, *units), 1, -1):
        for again in range(1 if alone else _TRIES):
            kind = StratifiedKFold if alone else StratifiedGroupKFold
            fold = np.empty(label.size, np.int64)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # that a class is small: judged below
                drawn = (seed + again) % 2**32  # scikit-learn takes no more
                parts = kind(count, shuffle=True, random_state=drawn).split(label[:, None], label, unit)
                for number, (_, asked) in enumerate(parts):
                    fold[asked] = number
            if all(np.unique(fold[label == c]).size == count for c in (REAL, GENERATED)):
                return fold, count
    return None
