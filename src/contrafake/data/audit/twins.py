"""Counts what occurs more than once, within and across splits and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from contrafake.data.audit.duplicates import clusters_and_crowds, components, numbered
from contrafake.data.audit.result import Duplicates, Twin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

EXAMPLES: Final = 200


@dataclass(frozen=True)
class Images:
    """What must be known of N images to find duplicates.

    Attributes:
        key: N names.
        label: (N,) 0 = real, 1 = generated.
        split: N splits, "" for none.
        group: (N,) number of each image's group, -1 for none.
        sha256: N hex digests of the bytes.
        phash: (N,) first perceptual hashes.
        phash2: (N,) second ones.
    """

    key: Sequence[str]
    label: NDArray[np.int64]
    split: Sequence[str]
    group: NDArray[np.int64]
    sha256: Sequence[str]
    phash: NDArray[np.uint64]
    phash2: NDArray[np.uint64]


def count_duplicates(images: Images) -> tuple[Duplicates, int]:
    """Counts exact and near duplicates, and shows the worst.

    Every image but the first of its cluster is paired once, so that 100 copies of one image give 99 pairs, not 4,950:
    with the first image of the same bytes; else with its first sibling in the cluster (a record's real image and its
    reconstruction belong together, and so do theirs whose records share a file); else with the first of the cluster.
    Real images come first, so that an image under two labels shows. What links joined may differ in more bits than
    two linked images may.

    Returns:
        The counts, and how many images stood in crowds that were not compared in full.
    """
    cluster, crowded = clusters_and_crowds(images.sha256, images.phash, images.phash2)
    size = cluster.size
    order = np.lexsort((np.arange(size), images.label))
    same = numbered(np.asarray(images.sha256, dtype="S"))
    partner = _first(same, order)
    kept = order[partner[order] == order]
    exact = partner != np.arange(size)
    family = _families(images.group, same)
    partner[kept] = _first(np.stack([cluster, family], axis=1), kept)[kept]
    sibling = (partner != np.arange(size)) & ~exact
    kept = kept[partner[kept] == kept]
    partner[kept] = _first(cluster, kept)[kept]
    paired = np.flatnonzero(partner != np.arange(size))
    one, other = partner[paired], paired
    sibling |= exact & (images.group >= 0) & (images.group == images.group[partner])
    split = numbered(np.asarray(images.split, dtype=np.str_))
    apart = split[one] != split[other]
    torn = (images.label[one] != images.label[other]) & ~sibling[other]
    distance = np.bitwise_count(images.phash[one] ^ images.phash[other])
    worst = np.lexsort((other, distance, ~exact[other], sibling[other], ~apart, ~torn))[:EXAMPLES]
    examples = [
        _twin(
            images,
            int(one[p]),
            int(other[p]),
            distance=int(distance[p]),
            exact=bool(exact[other[p]]),
            siblings=bool(sibling[other[p]]),
        )
        for p in worst
    ]
    exact_count = int(exact.sum())
    counts = Duplicates(
        exact=exact_count,
        near=paired.size - exact_count,
        across_splits=int(apart.sum()),
        across_labels=int(torn.sum()),
        examples=examples,
        siblings=int(sibling.sum()),
    )
    return counts, crowded


def _first(ids: NDArray[Any], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each position in `order`, the earliest position there with the same id; others are their own."""
    result = np.arange(len(ids))
    _, first, inverse = np.unique(ids[order], axis=0, return_index=True, return_inverse=True)
    result[order] = order[first[inverse.ravel()]]
    return result


def _families(group: NDArray[np.int64], same: NDArray[np.int64]) -> NDArray[np.int64]:
    """Groups, joined where they share a file: one photograph in two records makes all their images siblings."""
    grouped = np.flatnonzero(group >= 0)
    files = int(same.max(initial=-1)) + 1
    groups = int(group.max(initial=-1)) + 1
    return components(same[grouped], files + group[grouped], files + groups)[same]


def _twin(images: Images, one: int, other: int, *, distance: int, exact: bool, siblings: bool) -> Twin:
    return Twin(
        first=images.key[one],
        second=images.key[other],
        kind="exact" if exact else "near",
        distance=distance,
        labels=(int(images.label[one]), int(images.label[other])),
        splits=(images.split[one], images.split[other]),
        siblings=siblings,
    )
