"""Leave-one-family-out lists: train on all families but one, and test on that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.origins import SPLITS
from contrafake.data.splitting.columns import NO_SPLIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 20
"""Families with fewer images are pooled: a score on less says little."""

POOLED = "few"

TRAIN, TEST = SPLITS.index("train"), SPLITS.index("test")


def pooled_families(names: list[str], counts: list[int]) -> list[tuple[str, list[int]]]:
    """The lists to write: each large family alone, the small ones together.

    Args:
        names: Families.
        counts: Number of images of each.

    Returns:
        (name of the list, places of its families in `names`).
    """
    lists = [(name, [i]) for i, name in enumerate(names) if counts[i] >= FEWEST]
    few = [i for i, count in enumerate(counts) if count < FEWEST]
    if len(few) == 1:
        return [*lists, (names[few[0]], few)]
    return [*lists, (POOLED, few)] if few else lists


def leave_out(
    family: NDArray[np.bool_],
    generated: NDArray[np.bool_],
    unit: NDArray[np.int64],
    base: NDArray[np.int8],
    hashes: NDArray[np.uint64],
) -> NDArray[np.int8]:
    """Divides a set so that one family is in test only, and no unit on two sides.

    Units with real images keep the split of a common division, so that the lists of all families test on the same real
    images as far as can be. Units of generated images go to test when they hold the family alone, and to train instead
    of test when they do not hold it. A unit that holds the family and others stays where it is, and loses the family in
    train and val, the others in test; so does a unit of the family and real images where such units hold most of the
    real images. While test has fewer than `FEWEST` images of the family, the unit that costs the fewest others moves
    there, as long as its split keeps both classes.

    Args:
        family: (N,) images of the family.
        generated: (N,) generated images.
        unit: (N,) their unit, numbered without gaps.
        base: (U,) common split of each unit, places in `SPLITS`.
        hashes: (U,) order among equals.

    Returns:
        (N,) int8 split, `NO_SPLIT` for images left out.
    """
    units = len(base)
    held, others, real = (
        np.bincount(unit, weights=which, minlength=units) for which in (family, generated & ~family, ~generated)
    )
    split = base.copy()
    alone = (held > 0) & (others == 0)
    if real[alone].sum() > real.sum() / 2:
        alone &= real == 0
    split[alone] = TEST
    split[(held == 0) & (real == 0) & (split == TEST)] = TRAIN
    # What the other splits hold of real and of other generated images, which must not come to nothing.
    left = {s: {"real": real[split == s].sum(), "others": others[split == s].sum()} for s in set(split.tolist())}
    tested = held[split == TEST].sum()
    for u in np.lexsort((hashes, others / np.maximum(held, 1))):
        if tested >= FEWEST:
            break
        there = left[int(split[u])]
        if held[u] and split[u] != TEST and there["real"] > real[u] and there["others"] > others[u]:
            there["real"] -= real[u]
            there["others"] -= others[u]
            tested += held[u]
            split[u] = TEST
    found = split[unit]
    found[np.where(found == TEST, generated & ~family, family)] = NO_SPLIT
    return found
