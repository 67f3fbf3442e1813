"""Who is matched with whom: images are put into cells that hold both classes and share one draw of the law."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.matching.law import SHIFT, smallest_factor
from contrafake.data.sample import GENERATED, REAL
from contrafake.errors import DataError
from contrafake.images import Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from contrafake.data.matching.settings import MatchSettings
    from contrafake.data.matching.traits import Survey

KEPT, UNREADABLE, TOO_SMALL, TOO_THIN, NO_PARTNER = range(5)
REASONS = {
    UNREADABLE: "unreadable",
    TOO_SMALL: "too small",
    TOO_THIN: "too small or thin to be enlarged",
    NO_PARTNER: "no sibling of the other class",
}

MOST_PIXELS = Limits().max_pixels
"""Pixels of an enlarged image: as many as may be read. A line of 20,000 x 1 would become gigapixels."""

_STRATUM = 8
"""Images of the smaller class in a stratum of like widths: enough for heights to find their like."""


def form_cells(
    found: Survey, settings: MatchSettings, name: str, skipped: Sequence[str] = ()
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Puts every usable image into a cell.

    Paired: a cell is a record, or all images of one group. By distribution: within each split, both classes are
    ordered by width and, among like widths, by height; the k-th of n cells takes the k-th n-th of either class. A
    hash of the key breaks ties, so the order of the set does not matter.

    Args:
        found: The survey of the set.
        settings: What was asked for.
        name: What errors call the set.
        skipped: The listing's lines on what it left out, for errors.

    Returns:
        (N,) number of each image's cell, -1 for none; (N,) why an image was left out, a key of `REASONS`, or `KEPT`.

    Raises:
        DataError: A class is empty, in the set or in one of its splits.
    """
    traits = found.traits
    reasons = np.where(traits["readable"], KEPT, UNREADABLE).astype(np.int8)
    if settings.allow_upsampling:
        reasons[(reasons == KEPT) & _too_thin(traits, settings)] = TOO_THIN
    else:
        most = settings.factor[1] if settings.resize == "factor" else 1.0
        reasons[(reasons == KEPT) & (_needed_factor(traits, settings) > most)] = TOO_SMALL
    _require_classes(traits, reasons, name, skipped)
    cells = np.full(len(traits), -1, np.int64)
    if settings.mode != "distribution":
        _pair(traits, reasons, cells)
    if settings.mode == "paired":
        reasons[(reasons == KEPT) & (cells < 0)] = NO_PARTNER
        if not (cells >= 0).any():
            raise DataError(name, "no real image has a generated sibling", "use --mode distribution")
        return cells, reasons
    for split, split_name in enumerate(found.splits):
        rows = np.flatnonzero((reasons == KEPT) & (cells < 0) & (traits["split"] == split))
        labels = traits["label"][rows]
        if not len(rows):
            continue
        if len(set(labels.tolist())) == 1:
            # Stragglers of a paired set; without any pair in this split, the split itself is one-sided.
            inside = traits["split"] == split
            if not (cells[inside] >= 0).any():
                _require_classes(traits[inside], reasons[inside], f"{name}, split {split_name!r}", skipped)
            reasons[rows] = NO_PARTNER
            continue
        cells[rows] = couple(traits[rows], settings.seed) + cells.max() + 1
    return cells, reasons


def couple(traits: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """Couples the classes by rank of size.

    Args:
        traits: (N,) of dtype `TRAITS`, both classes.
        seed: Of the order among equal sizes.

    Returns:
        (N,) number of the cell, 0 to n - 1, n being the size of the smaller class; every cell holds both classes.
    """
    classes = [np.flatnonzero(traits["label"] == label) for label in (REAL, GENERATED)]
    count = min(len(members) for members in classes)
    strata = max(1, round(count / _STRATUM))
    ties = traits["key"] ^ np.uint64((seed * 0x9E3779B97F4A7C15) % 2**64)
    cells = np.empty(len(traits), np.int64)
    for members in classes:
        by_width = members[np.lexsort((ties[members], traits["width"][members]))]
        stratum = np.arange(len(by_width)) * strata // len(by_width)
        ordered = by_width[np.lexsort((ties[by_width], traits["height"][by_width], stratum))]
        cells[ordered] = np.arange(len(ordered)) * count // len(ordered)
    return cells


def _pair(traits: NDArray[Any], reasons: NDArray[np.int8], cells: NDArray[np.int64]) -> None:
    rows = np.flatnonzero((reasons == KEPT) & (traits["group"] != 0))
    if not len(rows):
        return
    _, group = np.unique(traits["group"][rows], return_inverse=True)
    has = [np.bincount(group[traits["label"][rows] == label], minlength=group.max() + 1) > 0 for label in (0, 1)]
    both = (has[REAL] & has[GENERATED])[group]
    cells[rows[both]] = group[both]


def _needed_factor(traits: NDArray[Any], settings: MatchSettings) -> NDArray[np.float64]:
    return smallest_factor(np.minimum(traits["width"], traits["height"]), settings)


def _too_thin(traits: NDArray[Any], settings: MatchSettings) -> NDArray[np.bool_]:
    """Images of which a shifted grid leaves nothing, or that are too many pixels once their shorter side is enlarged.

    A cell's cut is no larger than the enlarged image that decided its factor, so this bounds the cuts as well.
    """
    factor = _needed_factor(traits, settings)
    enlarged = factor**2 * traits["width"] * traits["height"]
    thin = np.minimum(traits["width"], traits["height"]) < SHIFT
    found: NDArray[np.bool_] = thin | ((factor > 1) & (enlarged > MOST_PIXELS))
    return found


def _require_classes(traits: NDArray[Any], reasons: NDArray[np.int8], name: str, skipped: Sequence[str]) -> None:
    for label, word in ((REAL, "real"), (GENERATED, "generated")):
        of_class = reasons[traits["label"] == label]
        if not (of_class == KEPT).any():
            lost = [f"{count} {what}" for code, what in REASONS.items() if (count := int((of_class == code).sum()))]
            cause = f"no usable {word} image ({'; '.join([*lost, *skipped]) or 'nothing was skipped'})"
            remedy = "matching needs both classes"
            if (of_class == TOO_SMALL).any():
                remedy = "lower --min-side or --size, or --allow-upsampling"
            elif (of_class == TOO_THIN).any():
                remedy = "lower --min-side or --size"
            raise DataError(name, cause, remedy)
