"""The end of a build: duplicates go, then index, origins, summary, audit and datasheet are written."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from contrafake import __version__
from contrafake.data.index import INDEX_NAME, write_index
from contrafake.data.origins import Origin, OriginTable, known_origins
from contrafake.data.sample import GENERATED
from contrafake.data.shard_writer import cannot_write
from contrafake.data.sources.built import LAYOUT_MARK
from contrafake.errors import DataError
from contrafake.generate.chunk import CHUNKS, FAILED, FILTERED, MADE, SKIPPED
from contrafake.generate.datasheet import DATASHEET_NAME, audit_built, write_datasheet
from contrafake.generate.generators.settings import RESERVED as REAL_NAME
from contrafake.generate.prepare import CENSUS_NAME
from contrafake.generate.project import RECORDS_NAME, SUMMARY_NAME, parsed
from contrafake.generate.shard import drop, duplicates, read_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from contrafake.data.audit.result import AuditReport
    from contrafake.data.index import IndexRow
    from contrafake.generate.project import Project
    from contrafake.generate.shard import ShardNote

ORIGINS_NAME, LEFT_OUT_NAME = "origins.csv", "left-out.jsonl"
REPORTS = (DATASHEET_NAME, "audit.json", "audit.html")
SCHEMA_VERSION = 1
_NAMED = 200
"""Failures named in the summary; all stand in `left-out.jsonl`."""


@dataclass(frozen=True)
class Built:
    """A finished set.

    Attributes:
        address: Where it lies.
        summary: Content of its `build.json`.
        audit: What the audit found; None where there was too little to audit, or nothing was to be audited.
    """

    address: str
    summary: dict[str, Any]
    audit: AuditReport | None


def finish(project: Project, workers: int, advance: Callable[[str, int, int | None], None]) -> Built:
    """Writes what makes shards a set.

    Args:
        project: A build whose shards are all assembled.
        workers: Processes of the audit.
        advance: Called with what is being done, the steps since the last call and their number.

    Raises:
        DataError: A note is missing or damaged, or something cannot be written.
    """
    store = project.store
    _drop_duplicates(project)
    _clear(project)
    with store.room() as room:
        tally = _Tally()
        index, left_out = room / INDEX_NAME, room / LEFT_OUT_NAME
        write_index(index, _counted(project, tally, left_out))
        summary = _summary(project, tally)
        store.put(index, INDEX_NAME)
        store.write(ORIGINS_NAME, _origins(project, tally).encode())
        store.put(left_out, LEFT_OUT_NAME)
        store.write(SUMMARY_NAME, json.dumps(summary, indent=1, default=str).encode())
        folder = store.folder or _partial_copy(project, room)
        most = project.config.output.audit_records
        report = audit_built(folder, most, workers, advance) if most else None
        write_datasheet(folder, summary, report)
        for name in REPORTS:
            if report is None and name != DATASHEET_NAME:
                store.remove(name)  # of the set as it was before
            elif store.folder is None:
                store.put(folder / name, name)
    return Built(store.address, summary, report)


def _drop_duplicates(project: Project) -> None:
    if not project.config.filters.duplicates:
        return
    for generator, plans in project.shards.items():
        if generator == REAL_NAME:  # two of them may show the same, each with siblings of its own
            continue
        found = duplicates(_notes(project, generator))
        for plan in plans:
            if plan.name in found and (note := read_note(project.store, plan.name)):
                drop(project.store, plan, note, found[plan.name])


def _clear(project: Project) -> None:
    """Removes chunks that a kill left beside their shard; those of generators that are not in this build stay."""
    plans = {plan.name for plan in project.plans}
    for name in project.store.folders(CHUNKS) & plans:
        project.store.remove_all(f"{CHUNKS}/{name}")


def _notes(project: Project, generator: str | None = None) -> Iterator[ShardNote]:
    for plan in project.plans if generator is None else project.shards[generator]:
        note = read_note(project.store, plan.name)
        if note is None:
            raise DataError(project.store.place(plan.name), "is not finished", "give the same command again")
        yield note


@dataclass
class _Tally:
    """What the notes say, counted while they are read once: those of a large set are many gigabytes."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    causes: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    shards: dict[str, dict[str, Any]] = field(default_factory=dict)
    named: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {FAILED: [], FILTERED: []})
    images: Counter[tuple[str, int, str]] = field(default_factory=Counter)

    def add(self, note: ShardNote) -> None:
        generator = note.generator
        self.counts.setdefault(generator, Counter()).update(note.counts())
        self.seconds[generator] = self.seconds.get(generator, 0.0) + note.seconds
        if not self.facts.get(generator):  # a shard that nothing was made for knows none
            self.facts[generator] = note.facts
        if note.sha256:
            self.shards[note.shard] = {"sha256": note.sha256, "images": len(note.rows), "bytes": note.bytes}
        self.images.update((row.split, row.label, row.origin) for row in note.rows)
        why = self.causes.setdefault(generator, {FAILED: Counter(), FILTERED: Counter(), SKIPPED: Counter()})
        for outcome in note.outcomes:
            if outcome.status in why:
                why[outcome.status][outcome.cause] += 1
            if outcome.status in self.named and len(self.named[outcome.status]) < _NAMED:
                entry = {"record": outcome.record, "generator": generator, "cause": outcome.cause}
                self.named[outcome.status].append({**entry, "attempts": outcome.attempts})


def _counted(project: Project, tally: _Tally, left_out: Path) -> Iterator[IndexRow]:
    """The rows of the index; what is told of them, and of images that are not there, is kept on the way.

    Args:
        project: The build.
        tally: Counts them.
        left_out: A file that gets one line for each image that is not in the set, though its record is.
    """
    try:
        with left_out.open("w", encoding="ascii") as file:
            for note in _notes(project):
                tally.add(note)
                for outcome in note.outcomes:
                    if outcome.status != MADE:
                        told = {"record": outcome.record, "generator": note.generator, "status": outcome.status}
                        file.write(json.dumps({**told, "cause": outcome.cause, "attempts": outcome.attempts}) + "\n")
                yield from note.rows
    except OSError as error:
        raise cannot_write(left_out.name, error) from error


def _summary(project: Project, tally: _Tally) -> dict[str, Any]:
    """What `build.json` says."""
    counts: dict[str, dict[str, int]] = {}
    seconds: dict[str, float | None] = {}
    for generator in project.shards:
        count = tally.counts.get(generator, Counter())
        counts[generator] = {status: count[status] for status in (MADE, FAILED, FILTERED, SKIPPED)}
        tried = count[MADE] + count[FAILED] + count[FILTERED]
        seconds[generator] = tally.seconds[generator] / tried if tried and generator != REAL_NAME else None
    listed = "".join(f"{name} {shard['sha256']}\n" for name, shard in sorted(tally.shards.items()))
    return {
        "layout": LAYOUT_MARK,
        "schema_version": SCHEMA_VERSION,
        "name": project.config.name,
        "contrafake": __version__,
        "digest": sha256(listed.encode()).hexdigest(),
        "generators": [name for name in project.shards if name != REAL_NAME],
        "counts": counts,
        "failures": tally.named[FAILED],
        "filtered": tally.named[FILTERED],
        "causes": tally.causes,
        "skipped": {generator: why[SKIPPED] for generator, why in tally.causes.items()},
        "reals": parsed(project.store.find(CENSUS_NAME) or b"{}", project.store, CENSUS_NAME),
        "facts": tally.facts,
        "seconds": seconds,
        "shards": tally.shards,
        "config": project.config.model_dump(mode="json"),
    }


def _origins(project: Project, tally: _Tally) -> str:
    table = [*known_origins()]
    for settings in project.config.generators:
        kind = str(tally.facts.get(settings.name, {}).get("class", ""))
        family = settings.family or settings.name
        base = settings.base_model or kind
        table.append(Origin(settings.name, GENERATED, family, settings.kind, base, apart=settings.apart))
    return OriginTable(table).counted(tally.images).to_csv()


def _partial_copy(project: Project, folder: Path) -> Path:
    """A local folder with as many whole shards as the audit looks at, of every generator the same records."""
    store, most = project.store, project.config.output.audit_records
    kept: set[str] = set()
    for plans in project.shards.values():
        records = 0
        for plan in plans:
            if records < most:
                kept.add(plan.name)
            records += plan.records
    notes = (read_note(store, plan.name) for plan in project.plans if plan.name in kept)
    rows = [row for note in notes if note for row in note.rows]
    write_index(folder / INDEX_NAME, rows)
    for name in {row.shard for row in rows} | {RECORDS_NAME, ORIGINS_NAME, SUMMARY_NAME}:
        store.fetch(name, folder / name)
    return folder
