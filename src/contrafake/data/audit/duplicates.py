"""Which images occur more than once: byte for byte, or nearly so to the eye."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

NEAR: Final = 6
"""Most bits by which the DCT hashes of near duplicates differ."""

NEAR2: Final = 6
"""Most bits by which their gradient hashes differ: from 7 on, different faces cropped alike would be linked."""

WINDOW: Final = 256
"""How many followers each hash is compared with in one bucket; bounds the work where thousands look alike."""


def duplicate_clusters(
    sha256: Sequence[str], phash: NDArray[np.uint64], phash2: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """Numbers the clusters of images that are the same or nearly so.

    Two images are linked when their bytes are the same, or when their first perceptual hashes differ in at most `NEAR`
    bits and their second ones in at most `NEAR2`; a cluster is whatever links join, so that its ends may differ in
    more. A picture without a hash (`fingerprint.NO_HASH`) is linked by its bytes only.

    Time is O(N log N) for each of 7 to 210 sorts, more for larger sets; memory is a few dozen bytes an image.

    Args:
        sha256: N hex digests of the bytes.
        phash: (N,) first hashes, as `fingerprint.perceptual_hashes` gives them.
        phash2: (N,) second hashes.

    Returns:
        (N,) int64 cluster of each image, numbered from 0 by first occurrence.
    """
    return clusters_and_crowds(sha256, phash, phash2)[0]


def clusters_and_crowds(
    sha256: Sequence[str], phash: NDArray[np.uint64], phash2: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], int]:
    """`duplicate_clusters`, and how many images stood in crowds too large to compare everyone with everyone."""
    first, second = np.asarray(phash, np.uint64), np.asarray(phash2, np.uint64)
    cluster = numbered(np.asarray(sha256, dtype="S"))
    hashed = np.flatnonzero(first)
    if hashed.size < 2:
        return cluster, 0
    # Same hashes are linked at once: however many there are, they cost no comparison.
    hashes, inverse = np.unique(np.stack([first[hashed], second[hashed]], axis=1), axis=0, return_inverse=True)
    inverse = inverse.ravel()
    looks, crowded = _near_clusters(hashes[:, 0], hashes[:, 1])
    images, shas = len(cluster), int(cluster.max()) + 1
    # Bipartite: every image is joined to its bytes and to its looks.
    joined = components(
        np.concatenate([np.arange(images), hashed]),
        np.concatenate([images + cluster, images + shas + looks[inverse]]),
        images + shas + int(looks.max()) + 1,
    )[:images]
    return numbered(joined), int(np.bincount(inverse)[crowded].sum())


def numbered(values: NDArray[np.generic]) -> NDArray[np.int64]:
    """(N,) int64: equal values get equal numbers, from 0 by first occurrence."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return np.asarray(rank[inverse.ravel()], np.int64)


def _near_clusters(
    first: NDArray[np.uint64], second: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Clusters of different hashes, and which of them stood in a crowd.

    Multi-index hashing (Norouzi, Punjani, Fleet, Fast Search in Hamming Space with Multi-Index Hashing, 2012): of
    NEAR + k bands of bits, k are equal wherever at most NEAR bits differ.
    """
    cluster = np.arange(first.size)
    crowded = np.zeros(first.size, np.bool_)
    for mask in _masks(first.size):
        key = first & mask
        order = np.argsort(key, kind="stable")  # within a bucket, similar hashes stay side by side
        key = key[order]
        size = _bucket_sizes(key)
        crowded[order[size > WINDOW]] = True
        left, right = [np.arange(first.size)], [np.unique(cluster, return_index=True)[1][cluster]]
        here = np.flatnonzero(size > 1)
        for step in range(1, min(int(size.max()), WINDOW + 1)):
            here = here[here < first.size - step]
            here = here[key[here] == key[here + step]]
            one, other = order[here], order[here + step]
            near = (np.bitwise_count(first[one] ^ first[other]) <= NEAR) & (
                np.bitwise_count(second[one] ^ second[other]) <= NEAR2
            )
            left.append(one[near])
            right.append(other[near])
        cluster = components(np.concatenate(left), np.concatenate(right), first.size)
    return cluster, crowded


def _masks(count: int) -> Iterator[np.uint64]:
    """Masks of the bits that must be equal, at least one for each way in which up to NEAR bits can differ."""
    equal = next((k for k in (1, 2, 3) if count <= 8 << (64 * k // (NEAR + k))), 4)
    bands = NEAR + equal
    edges = [64 * band // bands for band in range(bands + 1)]
    parts = [((1 << high) - 1) ^ ((1 << low) - 1) for low, high in pairwise(edges)]
    for chosen in combinations(parts, equal):
        yield np.uint64(sum(chosen))


def _bucket_sizes(ordered: NDArray[np.uint64]) -> NDArray[np.int64]:
    """(N,) how many values equal to each there are, in a sorted vector."""
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    sizes = np.diff(np.append(starts, ordered.size))
    return np.repeat(sizes, sizes)


def components(left: NDArray[np.int64], right: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(count,) connected component of each node of a graph."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - comes with scikit-learn
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    graph = coo_array((np.ones(left.size, np.bool_), (left, right)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)
