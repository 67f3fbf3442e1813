"""Lists many shards: former listings first, then indexes, then tar headers, several at a time."""

from __future__ import annotations

import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from contrafake.data.index import INDEX_NAME
from contrafake.data.listing.cache import load, save
from contrafake.data.listing.index import list_indexed
from contrafake.data.listing.shard import list_tar
from contrafake.data.parallel import default_workers, map_in_order
from contrafake.data.remote import beside, is_remote, shard_status
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from contrafake.data.listing.shard import ShardListing
    from contrafake.data.remote import ShardStatus

REQUESTS: Final = 16
"""Remote shards that are asked for at the same time."""

_ALONE: Final = 2.0
"""Seconds of work in this process before others are started, which takes about one."""


def list_shards(
    shards: Sequence[str], *, strict: bool, cache: bool, report: Callable[[int, int], None]
) -> list[ShardListing]:
    """Lists shards.

    Args:
        shards: Paths and addresses, each once.
        strict: Stop at the first shard with damage that comes up.
        cache: Use former listings, and keep the new ones.
        report: Called with the number of shards done and of all shards, from this thread.

    Returns:
        The listing of each shard, in the order of `shards`.

    Raises:
        DataError: A shard is not there or cannot be reached, or `strict` and something is damaged.
    """
    found: dict[str, ShardListing] = {}
    statuses = _statuses(shards)
    for shard, listing, former in _found(statuses, cache=cache):
        if strict and listing.damage:
            raise DataError(*listing.damage[0], "repair it, or list what is left: not strict")
        if cache and not former:
            save(shard, statuses[shard], listing)
        found[shard] = listing
        report(len(found), len(shards))
    return [found[shard] for shard in shards]


def _statuses(shards: Sequence[str]) -> dict[str, ShardStatus]:
    remote = [shard for shard in shards if is_remote(shard)]
    with ThreadPoolExecutor(REQUESTS) as threads:
        there = dict(zip(remote, threads.map(shard_status, remote), strict=True))
    return {shard: there[shard] if shard in there else shard_status(shard) for shard in shards}


def _found(statuses: dict[str, ShardStatus], *, cache: bool) -> Iterator[tuple[str, ShardListing, bool]]:
    """Shard, its listing, and whether that is a former one."""
    left: dict[str, None] = {}
    folders: dict[str, dict[str, ShardStatus]] = defaultdict(dict)
    for shard, status in statuses.items():
        if cache and (former := load(shard, status)) is not None:
            yield shard, former, True
        else:
            left[shard] = None
            if index := beside(shard, INDEX_NAME):
                folders[index][shard] = status
    for index, folder in folders.items():
        for shard, listing in list_indexed(index, folder):
            del left[shard]
            yield shard, listing, False
    for shard, listing in _scanned(list(left)):
        yield shard, listing, False


def _scanned(shards: list[str]) -> Iterator[tuple[str, ShardListing]]:
    remote = [shard for shard in shards if is_remote(shard)]
    local = [shard for shard in shards if not is_remote(shard)]
    with ThreadPoolExecutor(REQUESTS) as threads:
        yield from zip(remote, threads.map(list_tar, remote), strict=True)
    started = time.monotonic()
    while local and time.monotonic() - started < _ALONE:
        yield local[0], list_tar(local.pop(0))
    yield from zip(local, map_in_order(list_tar, local, default_workers() if len(local) > 1 else 1), strict=True)
