"""A finished shard of a build: assembled from its chunks, noted down, reopened to try again, cleared of duplicates."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from contrafake.data.index import IndexRow
from contrafake.data.sample import LABELS
from contrafake.data.shard_writer import ShardWriter
from contrafake.errors import DataError
from contrafake.generate.chunk import CHUNKS, FAILED, FILTERED, MADE, ChunkResult, Outcome
from contrafake.generate.store import WORK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from contrafake.generate.chunk import ShardPlan
    from contrafake.generate.store import Store

NOTES = f"{WORK}/notes"
_READ_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class ShardNote:
    """What is known of a finished shard without reading it.

    Attributes:
        shard: Its file name.
        generator: Whose images it holds.
        split: Their split.
        sha256: Hex digest of the file; "" where no image was made, so that there is none.
        bytes: Its length.
        seconds: Wall time that making its images took.
        facts: What the generator said of itself.
        outcomes: One for each record, without members.
        rows: Index rows of the images that were made.
    """

    shard: str
    generator: str
    split: str
    sha256: str
    bytes: int
    seconds: float
    facts: dict[str, Any]
    outcomes: list[Outcome]
    rows: list[IndexRow]

    def counts(self) -> Counter[str]:
        """Number of records by status."""
        return Counter(outcome.status for outcome in self.outcomes)


def note_name(shard: str) -> str:
    """File of the store that holds the note on a shard; it stands there once the shard does."""
    return f"{NOTES}/{shard}.json"


def read_note(store: Store, shard: str) -> ShardNote | None:
    """The note on a shard, None where it is not finished.

    Raises:
        DataError: It is damaged.
    """
    data = store.find(note_name(shard))
    if data is None:
        return None
    try:
        found = json.loads(data)
        found["outcomes"] = [Outcome(**{**outcome, "members": {}}) for outcome in found["outcomes"]]
        found["rows"] = [IndexRow(**row) for row in found["rows"]]
        return ShardNote(**found)
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            store.place(note_name(shard)), f"is damaged ({error})", "remove it and start again; its shard is made anew"
        ) from error


def assemble(store: Store, plan: ShardPlan) -> ShardNote:
    """Writes a shard from the outcomes of its chunks, then the note on it, and removes the chunks.

    Args:
        store: Holds the outcomes of all its chunks.
        plan: The shard.

    Raises:
        DataError: A chunk is missing or damaged, or the store cannot be written.
    """
    results = [ChunkResult.from_bytes(store.read(chunk.name), store.place(chunk.name)) for chunk in plan.chunks]
    outcomes = [outcome for result in results for outcome in result.outcomes]
    facts = next((result.facts for result in results if result.facts), {})
    seconds = sum(result.seconds for result in results)
    note = _write(store, ShardNote(plan.name, plan.generator, plan.split, "", 0, seconds, facts, outcomes, []))
    store.remove_all(f"{CHUNKS}/{plan.name}")
    return note


def reopen(store: Store, plan: ShardPlan, note: ShardNote) -> bool:
    """Takes a finished shard apart into chunks, without the outcomes that failed, so that those are tried again.

    The shard stays where it is until it is assembled anew.

    Args:
        store: Holds it.
        plan: The shard.
        note: The note on it.

    Returns:
        Whether anything in it had failed; if not, nothing was done.
    """
    if not note.counts()[FAILED]:
        return False
    _take_apart(store, plan, note, [o for o in _with_members(store, note) if o.status != FAILED])
    return True


def drop(store: Store, plan: ShardPlan, note: ShardNote, causes: Mapping[str, str]) -> ShardNote:
    """Takes images out of a finished shard.

    Args:
        store: Holds it.
        plan: The shard.
        note: The note on it.
        causes: Why, by the key of the image.
    """
    outcomes = [
        replace(o, status=FILTERED, cause=causes[o.key], members={}) if o.key in causes else o
        for o in _with_members(store, note)
    ]
    _take_apart(store, plan, note, outcomes)  # a kill between now and the end finds all chunks there
    return assemble(store, plan)


def duplicates(notes: Iterable[ShardNote]) -> dict[str, dict[str, str]]:
    """Images of one generator with the same pixels as an earlier one of it.

    Args:
        notes: On all its shards, in order.

    Returns:
        For each shard, why an image is to be dropped, by its key.
    """
    seen: set[bytes] = set()
    found: dict[str, dict[str, str]] = {}
    for note in notes:
        for outcome in note.outcomes:
            if outcome.status == MADE and outcome.content:
                content = bytes.fromhex(outcome.content)
                if content in seen:
                    found.setdefault(note.shard, {})[outcome.key] = "the same pixels as an earlier image"
                seen.add(content)
    return found


def _take_apart(store: Store, plan: ShardPlan, note: ShardNote, outcomes: list[Outcome]) -> None:
    """Writes the chunks of a shard again; one whose outcomes are not all there becomes what a new one keeps."""
    wanted = {outcome.record: outcome for outcome in outcomes}
    order = iter(note.outcomes)
    for chunk in plan.chunks:
        records = [next(order).record for _ in chunk.positions]
        inside = [wanted[record] for record in records if record in wanted]
        result = ChunkResult(inside, note.seconds if chunk.number == 0 else 0.0, note.facts)
        name = chunk.name if len(inside) == len(records) else chunk.kept_name
        store.write(name, result.to_bytes())
    store.remove(note_name(plan.name))


def _write(store: Store, note: ShardNote) -> ShardNote:
    """Writes the shard of the outcomes that hold members, and the note; without any, there is no shard."""
    rows: list[IndexRow] = []
    with store.room() as room:
        file = room / note.shard
        with ShardWriter(file) as writer:
            rows += [_row(outcome, writer, note.shard) for outcome in note.outcomes if outcome.status == MADE]
        digest, size = (_digest(file), file.stat().st_size) if rows else ("", 0)
        if rows:
            store.put(file, note.shard)
        else:
            store.remove(note.shard)
    bare = [replace(outcome, members={}) for outcome in note.outcomes]
    note = replace(note, sha256=digest, bytes=size, outcomes=bare, rows=rows)
    store.write(note_name(note.shard), json.dumps(asdict(note)).encode())
    return note


def _row(outcome: Outcome, writer: ShardWriter, shard: str) -> IndexRow:
    members = writer.write(outcome.key, outcome.members)
    suffix = next(iter(outcome.members))
    said = json.loads(outcome.members["json"])
    return IndexRow(
        key=outcome.key,
        record="",
        label=LABELS[said["label"]],
        origin=said["origin"],
        source=said["source"],
        group=said["group"],
        split=said["split"],
        shard=shard,
        member=members[suffix].name,
        offset=members[suffix].offset,
        bytes=members[suffix].size,
        **outcome.image,
    )


def _with_members(store: Store, note: ShardNote) -> Iterator[Outcome]:
    """The outcomes of a finished shard with their members, as its chunks had them."""
    with store.room() as room:
        held: dict[str, dict[str, bytes]] = {}
        if note.sha256:
            file = store.fetch(note.shard, room / note.shard)
            try:
                with tarfile.open(file, "r:") as tar:
                    for member in tar:
                        key, _, suffix = member.name.partition(".")
                        content = tar.extractfile(member)
                        held.setdefault(key, {})[suffix] = content.read() if content else b""
            except (OSError, tarfile.TarError) as error:
                raise DataError(store.place(note.shard), f"cannot be read: {error}") from error
        for outcome in note.outcomes:
            if outcome.status == MADE and outcome.key not in held:
                raise DataError(store.place(note.shard), f"holds no {outcome.key}", "remove its note and start again")
            yield replace(outcome, members=held[outcome.key]) if outcome.status == MADE else outcome


def _digest(file: Path) -> str:
    digest = sha256()
    with file.open("rb") as content:
        while block := content.read(_READ_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()
