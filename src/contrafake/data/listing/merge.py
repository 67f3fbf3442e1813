"""The listings of many shards as one: codes that mean the same everywhere, and no key twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.listing.names import Names
from contrafake.data.listing.shard import ROW
from contrafake.data.tar_scan import key_and_suffix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from contrafake.data.listing.shard import ShardListing


@dataclass(frozen=True)
class Columns:
    """The columns of a `Listing`, which describes them; `split`, `offset` and `size` (int32, int64, int64) are its own.

    Attributes:
        members: Name of each row's member.
        splits: What the codes in `split` mean.
    """

    label: NDArray[np.uint8]
    origin: NDArray[np.int32]
    source: NDArray[np.int32]
    group: NDArray[np.int32]
    split: NDArray[np.int32]
    shard: NDArray[np.int32]
    record: NDArray[np.int64]
    offset: NDArray[np.int64]
    size: NDArray[np.int64]
    members: Names
    origins: list[str]
    sources: list[str]
    groups: Names
    splits: list[str]
    damage: dict[str, str]


def merge(shards: Sequence[str], parts: Sequence[ShardListing]) -> Columns:
    """Joins the listings of shards, in this order; of a key in two shards the second is left out and named."""
    damage = {address: cause for part in parts for address, cause in part.damage}
    counts = [len(part.rows) for part in parts]
    rows = np.concatenate([np.empty(0, ROW), *(part.rows for part in parts)])
    shard = np.repeat(np.arange(len(parts), dtype=np.int32), counts)
    first_units = np.cumsum([0, *(len(part.units) for part in parts)])
    unit = rows["unit"].astype(np.int64) + np.repeat(first_units[:-1], counts)
    members = Names.join([part.members for part in parts])
    groups, group_codes = _joined_groups(parts)
    columns = {
        name: _recoded(rows[name], counts, [getattr(part, f"{name}s") for part in parts])
        for name in ("origin", "source", "split")
    }
    group = group_codes[rows["group"] + np.repeat(np.cumsum([0, *(len(part.groups) for part in parts)])[:-1], counts)]
    twice = _key_twins(np.concatenate([np.empty(0, np.uint64), *(part.units for part in parts)]), unit, members)
    keep = np.ones(len(rows), bool)
    for second, first in twice.items():
        [at, *_] = these = np.flatnonzero(unit == second)
        key = key_and_suffix(members[int(at)])[0]
        other = shards[shard[np.flatnonzero(unit == first)[0]]]
        damage[f"{shards[shard[at]]}: {key}"] = f"the key stands in {other} as well"
        keep[these] = False
    if twice:
        left = np.flatnonzero(keep)
        rows, shard, unit, members, group = rows[keep], shard[keep], unit[keep], members.take(left), group[keep]
        columns = {name: (codes[keep], names) for name, (codes, names) in columns.items()}
    paired = rows["paired"].astype(bool)
    begins = np.diff(unit, prepend=-1) != 0
    return Columns(
        label=rows["label"].copy(),
        origin=columns["origin"][0],
        source=columns["source"][0],
        group=group,
        split=columns["split"][0],
        shard=shard,
        record=np.where(paired, np.cumsum(begins & paired) - 1, -1),
        offset=rows["offset"].copy(),
        size=rows["size"].copy(),
        members=members,
        origins=columns["origin"][1],
        sources=columns["source"][1],
        groups=groups,
        splits=columns["split"][1],
        damage=damage,
    )


def _recoded(
    codes: NDArray[np.int32], counts: Sequence[int], names: Sequence[list[str]]
) -> tuple[NDArray[np.int32], list[str]]:
    """Codes into one sorted list instead of one list for each part."""
    joined = sorted({name for part in names for name in part})
    places = {name: place for place, name in enumerate(joined)}
    table = np.array([places[name] for part in names for name in part], np.int32)
    starts = np.cumsum([0, *(len(part) for part in names)])[:-1]
    return table[codes + np.repeat(starts, counts)], joined


def _joined_groups(parts: Sequence[ShardListing]) -> tuple[Names, NDArray[np.int32]]:
    """Every group once, and its code for each group of each part; told apart by their 64-bit hashes."""
    names = Names.join([part.groups for part in parts])
    hashes = np.concatenate([np.empty(0, np.uint64), *(part.group_hashes for part in parts)])
    _, first, codes = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.argsort(first)  # as they come, so that the codes of neighbours are neighbours
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return names.take(first[order]), place[codes]


def _key_twins(hashes: NDArray[np.uint64], unit: NDArray[np.int64], members: Names) -> dict[int, int]:
    """Units whose key stands in an earlier unit as well: number of the second, number of the first."""
    order = np.argsort(hashes, kind="stable")
    same = hashes[order][1:] == hashes[order][:-1]
    if not same.any():
        return {}
    row = np.searchsorted(unit, np.arange(len(hashes)))  # the first of each unit

    def key(number: int) -> str:
        return key_and_suffix(members[int(row[number])])[0]

    twins: dict[int, int] = {}
    for place in np.flatnonzero(same):
        first, second = int(order[place]), int(order[place + 1])
        if key(first) == key(second):  # not the hashes alone
            twins[second] = twins.get(first, first)
    return twins
