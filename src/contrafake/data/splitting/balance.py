"""Units are given to splits so that each split gets its fraction of both classes, as nearly as units allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def balanced(
    counts: NDArray[np.int64], hashes: NDArray[np.uint64], fractions: Sequence[float]
) -> tuple[NDArray[np.int8], list[tuple[int, int]]]:
    """Gives each unit to the split that lacks it most.

    Large units come first, since only small ones fill what is left; among units of about one size (a factor of two) the
    hash decides, so that another seed gives another division. Each goes where it lowers most the sum over splits s and
    classes c of (n_sc - f_s N_c)^2 / (f_s N_c^2). A split left without a class then gets the smallest unit that has it
    and that its own split can spare.

    Args:
        counts: (U, C) images of each unit and class.
        hashes: (U,) their order among units of one size.
        fractions: S fractions that sum to 1; a split of 0 gets nothing.

    Returns:
        (U,) int8 split of each unit, and the (split, class) pairs that stayed empty.
    """
    totals = counts.sum(axis=0)
    shares = counts / np.maximum(totals, 1)
    size = np.floor(np.log2(np.maximum(shares.max(axis=1), 1e-300)))
    order = np.lexsort((hashes, -size))
    used = [s for s, fraction in enumerate(fractions) if fraction > 0]
    # Plain floats: numpy costs more than it saves on two classes and three splits.
    over = {s: [-fractions[s]] * counts.shape[1] for s in used}
    split = np.zeros(len(counts), np.int8)
    for u, share in zip(order.tolist(), shares[order].tolist(), strict=True):
        best = min(used, key=lambda s: sum(x * (2 * o + x) for x, o in zip(share, over[s], strict=True)) / fractions[s])
        split[u] = best
        over[best] = [o + x for o, x in zip(over[best], share, strict=True)]
    return split, _fill(counts, hashes, split, used)


def _fill(
    counts: NDArray[np.int64], hashes: NDArray[np.uint64], split: NDArray[np.int8], used: list[int]
) -> list[tuple[int, int]]:
    """Gives every split at least one unit of every class where that can be; what cannot is returned."""
    has = counts > 0
    missing = []
    for c in np.flatnonzero(has.any(axis=0)):
        for s in used:
            if (has[:, c] & (split == s)).any():
                continue
            held = np.zeros((max(used) + 1, counts.shape[1]), np.int64)
            np.add.at(held, split, has)
            # A unit can be spared where its split keeps another one of each of its classes.
            spare = has[:, c] & (~has | (held[split] > 1)).all(axis=1)
            if not spare.any():
                missing.append((s, int(c)))
                continue
            candidates = np.flatnonzero(spare)
            split[candidates[np.lexsort((hashes[candidates], counts[candidates].sum(axis=1)))[0]]] = s
    return missing
