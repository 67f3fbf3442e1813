"""The whole of matching: look at all images, draw the law, take each through its chain, write and count."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from contrafake.data.matching.law import draw_plan
from contrafake.data.matching.made import Job, clean, make
from contrafake.data.matching.output import Output
from contrafake.data.matching.pairing import KEPT, form_cells
from contrafake.data.matching.report import MatchReport, Tally
from contrafake.data.matching.traits import number, survey
from contrafake.data.parallel import map_in_order
from contrafake.data.sample import Record
from contrafake.data.shards import escape_key
from contrafake.data.sources.source import samples_of
from contrafake.errors import DataError, UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from contrafake.data.matching.made import Result
    from contrafake.data.matching.settings import MatchSettings
    from contrafake.data.matching.traits import Survey
    from contrafake.data.sources.source import Source

VERSION = 2  # part of a run's fingerprint: raise it when the chain changes


def match(
    source: Source,
    out: str | os.PathLike[str],
    settings: MatchSettings,
    *,
    workers: int = 1,
    images_per_shard: int = 1000,
    advance: Callable[[str, int], None] = lambda _doing, _steps: None,
) -> MatchReport:
    """Writes a copy of a set in which both classes went through one chain with parameters of one law.

    The originals are only read. Interrupted work is taken up again by the same call; a complete folder is left as it
    is, and its report is returned.

    Args:
        source: The set; it is listed once and once more for each split, and every image is decoded twice.
        out: Folder for shards, `index.parquet`, `origins.csv` and `match.json`.
        settings: How the law is drawn.
        workers: Processes; their number changes no byte.
        images_per_shard: Lone images or records that are put in one shard, before losses; each split has its own.
        advance: Called with what is being done ("looking" or "matching") and the number of images just done.

    Returns:
        What was matched and what was lost.

    Raises:
        UsageError: The set is one of anomalies, or a number is out of range.
        DataError: A class is empty, the table of origins is broken, the folder holds something else, or it cannot be
            written.
    """
    if source.task != "detection":
        raise UsageError(source.root.name, "matching is for sets of real and generated images, not of anomalies")
    if images_per_shard < 1:
        raise UsageError("--images-per-shard", "is less than 1")
    origins = source.origins  # needed only at the end, but a broken table must show before any work
    found = survey(source, workers, partial(advance, "looking"))
    name = source.root.resolve().name
    cells, reasons = form_cells(found, settings, name, source.census.describe_skipped())
    plan = draw_plan(found.traits, cells, settings)
    output = Output(Path(out), _fingerprint(found, settings, images_per_shard))
    if output.finished:
        return MatchReport.from_dict(output.report())
    tally = Tally(found, cells, reasons, settings)
    shards: list[str] = []
    waiting: deque[str] = deque()  # the shard of each job that is under way

    def unfinished() -> Iterator[Job]:
        for stream in _streams(found, settings):
            jobs = _jobs(source, found, plan, stream, reasons=reasons, settings=settings, tally=tally)
            for place, job in enumerate(jobs):
                if place % images_per_shard == 0:
                    shards.append(stream.shard(place // images_per_shard))
                if not output.has(shards[-1]):
                    waiting.append(shards[-1])
                    yield job

    def counted(results: Iterator[Result]) -> Iterator[Result]:
        for result in results:
            yield result
            advance("matching", sum(len(entry.images) for entry in result[0]))

    # One pool for all shards: starting one costs seconds.
    results = map_in_order(make, unfinished(), workers)
    for shard, of_shard in groupby(results, key=lambda _result: waiting.popleft()):
        output.write(shard, counted(of_shard))
    for rows, failed in output.parts(shards):
        tally.add(rows, failed)
    report = tally.report(name, source.census.describe_skipped())
    output.finish(shards, origins.counted(tally.written).to_csv(), report.to_dict())
    return report


class _Stream(NamedTuple):
    """What goes into shards of its own: one split, lone images or records."""

    split: str
    paired: bool

    def shard(self, place: int) -> str:
        words = [escape_key(clean(self.split)), "matched", "paired" if self.paired else "lone", f"{place:05d}.tar"]
        return "-".join(word for word in words if word)


def _streams(found: Survey, settings: MatchSettings) -> list[_Stream]:
    rows = np.unique(found.traits[["split", "paired"]])
    keep_records = settings.mode != "distribution"
    return sorted({_Stream(found.splits[row["split"]], bool(row["paired"]) and keep_records) for row in rows})


def _jobs(
    source: Source,
    found: Survey,
    plan: NDArray[Any],
    stream: _Stream,
    *,
    reasons: NDArray[np.int8],
    settings: MatchSettings,
    tally: Tally,
) -> Iterator[Job]:
    start = 0
    for item in source:
        samples = samples_of(item)
        rows = slice(start, start + len(samples))
        start = rows.stop
        if found.traits["key"][rows].tolist() != [number(sample.key) for sample in samples]:
            raise DataError(source.root.name, "the set changed while it was matched", "start again")
        as_record = isinstance(item, Record) and settings.mode != "distribution"
        if (samples[0].split, as_record) != stream:
            continue
        for sample, reason in zip(samples, reasons[rows], strict=True):
            tally.lose(sample, int(reason))
        kept = reasons[rows] == KEPT
        if kept.any():
            yield Job(item, plan[rows], kept, as_record, settings)


def _fingerprint(found: Survey, settings: MatchSettings, images_per_shard: int) -> str:
    asked = json.dumps([VERSION, settings.to_dict(), images_per_shard, found.splits], sort_keys=True)
    return hashlib.sha256(asked.encode() + found.traits.tobytes()).hexdigest()
