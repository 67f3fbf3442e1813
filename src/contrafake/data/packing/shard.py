"""The work on one shard: every image is read once, verified, fingerprinted and written as it is."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake import __version__
from contrafake.data.fingerprint import perceptual_hashes
from contrafake.data.index import IndexRow
from contrafake.data.location import Cell, Member, read_bytes
from contrafake.data.packing.entries import SUFFIXES, lone_json, mask_of, record_json, slot
from contrafake.data.packing.notes import Failure, ShardNote, read_note, write_note
from contrafake.data.sample import Record
from contrafake.data.shard_writer import ShardWriter
from contrafake.data.shards import MASK
from contrafake.data.sources.source import samples_of
from contrafake.errors import ContrafakeError, ImageTooLargeError
from contrafake.images import DEFAULT_LIMITS, jpeg_facts, read

if TYPE_CHECKING:
    from contrafake.data.location import Location
    from contrafake.data.packing.plan import ShardPlan
    from contrafake.data.sample import Sample


@dataclass(frozen=True)
class _Image:
    data: bytes
    facts: dict[str, Any]


def pack_shard(plan: ShardPlan, out: str, task: str) -> int:
    """Writes a shard and the note on it, unless both are there and belong to the same input.

    Args:
        plan: What goes into it.
        out: The folder.
        task: The source's task.

    Returns:
        Number of images in the plan, whether or not they could be read.

    Raises:
        DataError: The shard cannot be written.
    """
    target, digest = Path(out, plan.name), _digest(plan)
    note = read_note(target)
    if note is None or note.digest != digest or target.exists() != bool(note.rows):
        # The note comes before the shard gets its name: a shard that stands there is always the one it tells of.
        target.unlink(missing_ok=True)
        _write(plan, target, digest, task)
    return plan.images


def _write(plan: ShardPlan, target: Path, digest: str, task: str) -> None:
    rows: list[IndexRow] = []
    failures: list[Failure] = []
    with ShardWriter(target) as shard:
        for item in plan.items:
            if isinstance(item, Record):
                rows += _add_record(shard, item, failures)
            else:
                rows += _add_sample(shard, item, failures, task)
        write_note(target, ShardNote(digest, rows, failures))
    if not rows:
        target.unlink()


def _add_sample(shard: ShardWriter, sample: Sample, failures: list[Failure], task: str) -> list[IndexRow]:
    image = _read(sample, failures)
    if image is None:
        return []
    suffix = SUFFIXES[image.facts["format"]]
    members = {suffix: image.data, "json": lone_json(sample, task)}
    if mask := mask_of(sample, task):
        try:
            members[f"{MASK}.png"] = _image(mask, sample.key).data
        except ContrafakeError as error:
            failures.append(Failure(sample.key, f"its mask: {error.cause}"))
            return []
    member = shard.write(sample.key, members)[suffix]
    return [_row(sample, "", member, image)]


def _add_record(shard: ShardWriter, record: Record, failures: list[Failure]) -> list[IndexRow]:
    images = {sample.key: image for sample in record.samples if (image := _read(sample, failures))}
    kept = [sample for sample in record.samples if sample.key in images]
    if record.real not in kept or len(kept) == 1:
        lost = "its generated siblings" if record.real in kept else "the real image of its record"
        failures.extend(Failure(sample.key, f"{lost} cannot be read") for sample in kept)
        return []
    # The official code's readers look for .jpg whatever the bytes are; the true format is in the index.
    order = [*kept[1:], kept[0]]
    members = {f"{slot(record, sample)}.jpg": images[sample.key].data for sample in order}
    members["caption.txt"] = record.caption.encode()
    members["url.txt"] = record.url.encode()
    members["json"] = record_json(record, kept)
    written = shard.write(record.key, members)
    return [_row(s, record.key, written[f"{slot(record, s)}.jpg"], images[s.key]) for s in kept]


def _read(sample: Sample, failures: list[Failure]) -> _Image | None:
    try:
        return _image(sample.image, sample.key)
    except ContrafakeError as error:
        failures.append(Failure(sample.key, error.cause))
        return None


def _image(location: Location, name: str) -> _Image:
    if isinstance(location, Member) and location.size > DEFAULT_LIMITS.max_bytes:
        raise ImageTooLargeError(name, f"more bytes than the limit of {DEFAULT_LIMITS.max_bytes:,}")
    data = read_bytes(location)
    picture = read(data, name=name)
    quality = jpeg_facts(data, name).quality if picture.format in {"JPEG", "MPO"} else None
    phash, phash2 = perceptual_hashes(picture.pixels)
    facts = {
        "sha256": picture.sha256,
        "format": picture.format,
        "width": picture.width,
        "height": picture.height,
        "quality": -1 if quality is None else quality,
        "phash": phash,
        "phash2": phash2,
    }
    return _Image(data, facts)


def _row(sample: Sample, record: str, member: Member, image: _Image) -> IndexRow:
    return IndexRow(
        key=sample.key,
        record=record,
        label=sample.label,
        origin=sample.origin,
        source=sample.source,
        group=sample.group,
        split=sample.split,
        shard=Path(member.shard).name,
        member=member.name,
        offset=member.offset,
        bytes=member.size,
        **image.facts,
    )


def _digest(plan: ShardPlan) -> str:
    """Tells whether a shard would come out the same, without reading an image: by what is listed and by file times."""
    digest, times = sha256(__version__.encode()), dict[str, list[int]]()
    for item in plan.items:
        facts: list[Any] = [item.key, item.caption, item.url] if isinstance(item, Record) else []
        for sample in samples_of(item):
            file, place = _place(sample.image)
            if file not in times:
                times[file] = _times(file)
            facts += [sample.key, sample.label, sample.origin, sample.source, sample.group, sample.split]
            facts += [sample.metadata, place, times[file]]
        digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _place(location: Location) -> tuple[str, list[Any]]:
    if isinstance(location, Member):
        return location.shard, [location.name, location.offset, location.size]
    if isinstance(location, Cell):
        return location.file, [location.column, location.row_group, location.row]
    return location.path, []


def _times(file: str) -> list[int]:
    try:
        status = os.stat(file)  # noqa: PTH116 - plain strings keep undecodable names
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
