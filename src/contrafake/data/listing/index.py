"""Listings from the index beside packed shards, once it is sure that it still tells of them."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from contrafake.data.cells import arrow, parquet
from contrafake.data.index import schema
from contrafake.data.interpret import FACTS, IMAGE_SUFFIXES
from contrafake.data.listing.shard import ShardColumns, list_contents
from contrafake.data.location import Member
from contrafake.data.remote import file_name, is_remote, open_shard, shard_status
from contrafake.data.sample import GENERATED, REAL, Sample
from contrafake.data.tar_scan import key_and_suffix, scan_tar
from contrafake.errors import ContrafakeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from contrafake.data.listing.shard import ShardListing
    from contrafake.data.remote import ShardStatus

Unit: TypeAlias = tuple[str, list[Sample], bool]
"""A key, its samples, and whether they are a paired record."""

_COLUMNS = ["key", "record", "label", "origin", "source", "group", "split", "shard", "member", "offset", "bytes"]
_ROWS_AT_ONCE = 1 << 14
_BLOCK = 512


def list_indexed(index: str, shards: Mapping[str, ShardStatus]) -> Iterator[tuple[str, ShardListing]]:
    """Lists those shards of one folder that its index covers; the others are left to be listed from their headers.

    The index must agree with the last item and the end of the shard, and be of the form that a listing from headers
    would give; beside local shards it must not be older than they are. (Elsewhere times tell of uploads.)

    Args:
        index: Path or address of the index; it need not be there.
        shards: Shards beside it, with their status.
    """
    try:
        version = shard_status(index).version
        wanted = {
            file_name(shard): shard
            for shard, status in shards.items()
            if is_remote(shard) or int(status.version) <= int(version)
        }
        done = set()
        for name, rows in _by_shard(index) if wanted else ():
            units = _units(wanted[name], rows) if name in wanted and name not in done else None
            if units and _agrees(wanted[name], units):
                yield wanted[name], _columns(units)
            done.add(name)
    except ContrafakeError:
        return  # no index, or none that can be read


def _by_shard(index: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The rows of one shard after the other, a few thousand read at a time."""
    pa, pq = arrow(), parquet()
    with open_shard(index) as (file, _):

        def rows() -> Iterator[dict[str, Any]]:
            parquet_file = pq.ParquetFile(file)
            columns = {column.name: column.type for column in parquet_file.schema_arrow}
            if any(columns.get(name) != schema().field(name).type for name in _COLUMNS):
                return  # somebody else's file
            for batch in parquet_file.iter_batches(_ROWS_AT_ONCE, columns=_COLUMNS):
                yield from batch.to_pylist()

        try:
            for name, group in groupby(rows(), key=lambda row: row["shard"]):
                yield str(name), list(group)
        except pa.ArrowException:
            return


def _units(shard: str, rows: list[dict[str, Any]]) -> list[Unit] | None:
    """The items of a shard in its order; None if they are not what its headers would give."""
    units: dict[str, list[Sample]] = {}
    kinds: dict[str, bool] = {}
    if any(value is None for row in rows for value in row.values()):
        return None
    for row in sorted(rows, key=lambda row: row["offset"]):
        paired = bool(row["record"])
        unit = row["record"] or row["key"]
        key, suffix = key_and_suffix(row["member"])
        slot, _, kind = suffix.rpartition(".")
        sample = Sample(
            key=row["key"],
            label=GENERATED if row["label"] else REAL,
            origin=row["origin"],
            source=row["source"],
            group=row["group"],
            image=Member(shard, row["member"], row["offset"], row["bytes"]),
            split=row["split"],
        )
        if key != unit or kind not in IMAGE_SUFFIXES or not row["bytes"] or row["label"] not in (REAL, GENERATED):
            return None
        if paired != bool(slot) or kinds.setdefault(unit, paired) != paired or (not paired and unit in units):
            return None
        # What a record's JSON leaves open is taken from elsewhere; lone samples have all of it in theirs.
        named = sample.origin and sample.source and sample.group and sample.split
        if paired and not (named and sample.key == f"{unit}.{slot}" and (slot == "real") == (sample.label == REAL)):
            return None
        units.setdefault(unit, []).append(sample)
    for samples in units.values():
        samples.sort(key=lambda sample: (sample.label, len(sample.key), sample.key))
    return [(key, samples, kinds[key]) for key, samples in units.items()]


def _columns(units: list[Unit]) -> ShardListing:
    columns = ShardColumns()
    for key, samples, paired in units:
        columns.add(key, samples, paired=paired)
    return columns.listing()


def _agrees(shard: str, units: list[Unit]) -> bool:
    """Whether the shard ends as the index says: with the last item, described alike, and nothing after it."""
    before = [sample.image for sample in units[-2][1]] if len(units) > 1 else []
    ends = [image.offset + -(-image.size // _BLOCK) * _BLOCK for image in before if isinstance(image, Member)]
    with open_shard(shard) as (file, size):
        contents = scan_tar(file, size, shard, {FACTS}, start=max(ends, default=0))
    if before:
        contents.keys.pop(units[-2][0], None)  # its JSON, which stands behind its images
    found, said = list_contents(shard, contents), _columns(units[-1:])
    texts = ("members", "origins", "sources", "groups", "splits")
    return (
        not found.damage
        and np.array_equal(found.rows, said.rows)
        and all(list(getattr(found, name)) == list(getattr(said, name)) for name in texts)
    )
