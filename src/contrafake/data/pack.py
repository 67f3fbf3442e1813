"""Packing: any source becomes shards, an index, a table of its origins, and a summary of what was done."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake import __version__
from contrafake.data.index import INDEX_NAME, write_index
from contrafake.data.packing.conflicts import LabelWatch
from contrafake.data.packing.entries import Entries, Form
from contrafake.data.packing.folder import ORIGINS_NAME, SUMMARY_NAME, finish, keep_only, opened
from contrafake.data.packing.notes import ShardNote, read_note
from contrafake.data.packing.plan import count_checked, plan_shards, shuffled
from contrafake.data.packing.report import Packed, skipped_by, summary
from contrafake.data.packing.shard import pack_shard
from contrafake.data.parallel import default_workers, map_in_order
from contrafake.data.whole_file import write_whole
from contrafake.errors import DataError, UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator

    from contrafake.data.index import IndexRow
    from contrafake.data.packing.plan import ShardPlan
    from contrafake.data.sources.source import Source

__all__ = ["IMAGES_PER_SHARD", "Packed", "pack"]

IMAGES_PER_SHARD = 1000


def pack(
    source: Source,
    out: str | os.PathLike[str],
    *,
    form: Form = "auto",
    images_per_shard: int = IMAGES_PER_SHARD,
    shuffle: int | None = None,
    prefix: str = "",
    workers: int | None = None,
    part: tuple[int, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Packed:
    """Packs a source into a new folder; a run that was cut off goes on when it is called again.

    The same input and settings give the same bytes, whatever the number of workers and of interruptions. Finished
    shards are kept if what is listed for them, and the size and time of the files behind it, are as they were; others
    are written anew. The images' bytes are never changed.

    Args:
        source: What to pack; it is listed twice, first to count and to check the keys.
        out: A folder that is new, empty, or holds an unfinished run with the same settings.
        form: "paired" for records only, "lone" to take records apart, "auto" to leave all as it is.
        images_per_shard: At most so many images in each shard.
        shuffle: Seed of the order in which images go into shards, None for the listing's order. Holds the listing.
        prefix: Put into the names of all shards.
        workers: Processes; one a core by default.
        part: (i, n) packs every n-th shard, beginning with the i-th, i from 1. When all parts are done, a call without
            a part completes the folder.
        progress: Called with 0 and the number of all images, then with the number that each finished shard was to
            hold, and that of all.

    Returns:
        What was done.

    Raises:
        UsageError: The settings make no sense.
        DataError: The folder is in use or holds something else; a key stands in two places; nothing could be packed;
            the disk is full.
    """
    if form not in {"auto", "lone", "paired"}:
        raise UsageError("form", f"{form!r} is unknown", "one of auto, lone, paired")
    if images_per_shard < 1:
        raise UsageError("images_per_shard", f"{images_per_shard} is no size", "at least 1")
    if part and not 1 <= part[0] <= part[1]:
        raise UsageError("part", f"{part[0]}/{part[1]} makes no sense", "i/n with i from 1 to n")
    folder = Path(out)
    settings: dict[str, Any] = {
        "contrafake": __version__,
        "layout": source.layout,
        "task": source.task,
        "form": form,
        "images_per_shard": images_per_shard,
        "shuffle": shuffle,
        "prefix": prefix,
    }
    with opened(folder, settings, part):
        entries = Entries(source, form)
        items = entries if shuffle is None else shuffled(entries, shuffle)
        total = count_checked(items)
        if not total:
            raise DataError(str(source.root), f"no image to pack ({_lost(source)})", "check the layout and --form")
        origins = source.origins  # a table that cannot be read shows now rather than after hours
        plans = plan_shards(items, images_per_shard, prefix)
        total = total if part is None else -(-total // part[1])
        if progress:
            progress(0, total)
        names: list[str] = []
        work = partial(pack_shard, out=str(folder), task=source.task)
        processes = default_workers() if workers is None else workers
        for images in map_in_order(work, _chosen(plans, part, names), processes):
            if progress:
                progress(images, total)
        if part:
            return Packed(shards=dict.fromkeys(names, 0), complete=False)
        keep_only(folder, names)
        packed = _complete(folder, names, source)
        write_whole(folder / ORIGINS_NAME, origins.counted(packed.images).to_csv().encode())
        write_whole(folder / SUMMARY_NAME, summary(packed, settings).encode())
        finish(folder)
    return packed


def _chosen(plans: Iterable[ShardPlan], part: tuple[int, int] | None, names: list[str]) -> Iterator[ShardPlan]:
    first, step = part or (1, 1)
    for position, plan in enumerate(plans):
        if position % step == first - 1:
            names.append(plan.name)
            yield plan


def _complete(folder: Path, names: list[str], source: Source) -> Packed:
    """Gathers the index from the notes, one shard at a time."""
    packed = Packed(skipped=skipped_by(source), notes=list(source.census.notes))
    for name in names:
        packed.failures.extend(_note(folder / name).failures)

    def rows() -> Iterator[IndexRow]:
        for name in names:
            yield from _note(folder / name).rows

    watch = LabelWatch()
    if not write_index(folder / INDEX_NAME, watch.watch(_counted(rows(), packed))):
        (folder / INDEX_NAME).unlink()
        shown = "; ".join(f"{failure.key}: {failure.cause}" for failure in packed.failures[:3])
        raise DataError(str(source.root), f"none of {len(packed.failures)} images can be read ({shown})")
    packed.both_labels = watch.conflicts(rows)
    return packed


def _counted(rows: Iterable[IndexRow], packed: Packed) -> Iterator[IndexRow]:
    record = ""
    for row in rows:
        packed.images[row.split, row.label, row.origin] += 1
        packed.shards[row.shard] = packed.shards.get(row.shard, 0) + 1
        packed.bytes += row.bytes
        packed.records += row.record not in {"", record}
        record = row.record
        yield row


def _note(shard: Path) -> ShardNote:
    note = read_note(shard)
    if note is None:
        raise DataError(str(shard), "what was written down of it is gone", "run the same command again")
    return note


def _lost(source: Source) -> str:
    return "; ".join(source.census.describe_skipped()) or "nothing was skipped"
