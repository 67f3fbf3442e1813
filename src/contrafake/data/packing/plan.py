"""Which items go into which shard: decided by the listing alone, before any image is read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from contrafake.data.packing.entries import keys_of, kind_of, split_of
from contrafake.data.seen import Seen
from contrafake.data.shards import escape_key
from contrafake.data.sources.source import samples_of
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from contrafake.data.sources.source import Item


@dataclass(frozen=True)
class ShardPlan:
    """One shard to be written.

    Attributes:
        name: Its file name.
        items: What goes into it, in this order.
        images: Number of images in all items.
    """

    name: str
    items: tuple[Item, ...]
    images: int


def plan_shards(items: Iterable[Item], images_per_shard: int, prefix: str = "") -> Iterator[ShardPlan]:
    """Cuts a listing into shards `<split>-<prefix>-<lone or paired>-<number>.tar`; holds one of each kind at most.

    Splits and kinds get shards of their own: training names its splits by pattern and takes one kind at a time. A
    record is never cut; one with more images than fit is a shard by itself.

    Args:
        items: The listing.
        images_per_shard: At most so many images in each.
        prefix: Put into every name.
    """
    held: dict[tuple[str, str], list[Item]] = {}
    images: Counter[tuple[str, str]] = Counter()
    numbers: Counter[tuple[str, str]] = Counter()

    def close(stream: tuple[str, str]) -> ShardPlan:
        split, kind = stream
        words = [escape_key(word) for word in (split, prefix, kind) if word]
        plan = ShardPlan("-".join([*words, f"{numbers[stream]:05d}.tar"]), tuple(held.pop(stream)), images.pop(stream))
        numbers[stream] += 1
        return plan

    for item in items:
        stream, more = (split_of(item), kind_of(item)), len(samples_of(item))
        if stream in held and images[stream] + more > images_per_shard:
            yield close(stream)
        held.setdefault(stream, []).append(item)
        images[stream] += more
    yield from map(close, sorted(held))


def shuffled(items: Iterable[Item], seed: int) -> list[Item]:
    """The items in an order that depends on their keys and the seed only; holds the whole listing in memory."""
    return sorted(items, key=lambda item: blake2b(f"{seed}:{item.key}".encode(), digest_size=16).digest())


def count_checked(items: Iterable[Item]) -> int:
    """The number of images in a listing, once it is sure that no key stands there twice.

    Takes 8 bytes a key, and a second pass over the listing only where two keys seem to agree.

    Args:
        items: The listing; can be iterated several times.

    Raises:
        DataError: A key stands there twice; both places are named.
    """
    seen, suspects, images = Seen(), set[str](), 0
    for item in items:
        images += len(samples_of(item))
        suspects.update(key for key in keys_of(item) if not seen.add(key))
    if suspects:
        _name_twins(items, suspects)
    return images


def _name_twins(items: Iterable[Item], suspects: set[str]) -> None:
    places: dict[str, str] = {}
    for item in items:
        address = samples_of(item)[0].image.address
        for key in suspects.intersection(keys_of(item)):
            if key in places:
                raise DataError(address, f"its key {key!r} stands at {places[key]} as well", "rename one of them")
            places[key] = address
