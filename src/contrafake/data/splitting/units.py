"""Units: what must stay on one side of every split, as connected components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from contrafake.data.splitting.columns import Columns

FREE = -1
"""In a link: an image that this link joins to nothing."""

_MIX = tuple(np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def links(columns: Columns, by: str) -> list[NDArray[np.int64]]:
    """What holds images together, apart from their looks.

    Args:
        columns: The set.
        by: "source", "origin" or "family": generated images of one source, origin or family stay together, real ones
            of one source. "group": only what belongs to one record or group. "real-source": real images of one source,
            as "origin" and "family" have it, and nothing more of generated ones.

    Returns:
        One (N,) vector for each link: equal numbers belong together, `FREE` to nothing.
    """
    # An image without a group keeps a negative number of its own.
    found = [_numbers(columns.group, columns.group != 0)]
    if by == "source":
        found.append(columns.source.astype(np.int64))
    elif by != "group":
        found.append(np.where(columns.generated, FREE, columns.source).astype(np.int64))
    if by in {"origin", "family"}:
        kind = columns.origin if by == "origin" else columns.family
        found.append(np.where(columns.generated, kind, FREE).astype(np.int64))
    return found


def unite(count: int, joined: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Connected components over some links.

    Args:
        count: Number of images N.
        joined: (N,) vectors as `links` gives them.

    Returns:
        (N,) int64 unit of each image, numbered from 0 without gaps.
    """
    from scipy.sparse import coo_array  # noqa: PLC0415 - comes with scikit-learn
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    # Images are joined to nodes that stand for each source, group or cluster, so that edges stay as many as images.
    left, right, nodes = [], [], count
    for link in joined:
        rows = np.flatnonzero(link != FREE)
        _, numbers = np.unique(link[rows], return_inverse=True)
        left.append(rows)
        right.append(nodes + numbers.ravel())
        nodes += int(numbers.max(initial=-1)) + 1
    edges = np.concatenate(left or [np.arange(0)]), np.concatenate(right or [np.arange(0)])
    graph = coo_array((np.ones(len(edges[0]), np.bool_), edges), shape=(nodes, nodes))
    component = connected_components(graph, directed=False)[1][:count]
    return np.asarray(np.unique(component, return_inverse=True)[1], np.int64).ravel()


def unit_hashes(unit: NDArray[np.int64], key: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """(U,) uint64: a number for each unit that depends on the seed and its keys, and not on their order."""
    # SplitMix64 (Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, 2014, figure 16).
    with np.errstate(over="ignore"):
        value = key ^ (np.uint64(seed & (2**64 - 1)) * _MIX[0] + _MIX[2])
        value = (value ^ (value >> np.uint64(30))) * _MIX[1]
        value = (value ^ (value >> np.uint64(27))) * _MIX[2]
        value ^= value >> np.uint64(31)
    least = np.full(int(unit.max()) + 1, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(least, unit, value)
    return least


def spanning(link: NDArray[np.int64], unit: NDArray[np.int64]) -> list[tuple[int, int]]:
    """For each number of a link that joins several units, the rows of two images of different units."""
    rows = np.flatnonzero(link != FREE)
    order = rows[np.argsort(link[rows], kind="stable")]
    here, following = order[:-1], order[1:]
    crossing = (link[here] == link[following]) & (unit[here] != unit[following])
    _, first = np.unique(link[here[crossing]], return_index=True)
    return [(int(here[crossing][i]), int(following[crossing][i])) for i in first]


def _numbers(values: NDArray[np.uint64], linked: NDArray[np.bool_]) -> NDArray[np.int64]:
    numbers = np.unique(values, return_inverse=True)[1].ravel().astype(np.int64)
    return np.where(linked, numbers, FREE)
