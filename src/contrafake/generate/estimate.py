"""What a build would take: counts from the plan, disk and time from a short trial."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from contrafake.generate.bench import Bench
from contrafake.generate.chunk import FAILED, FILTERED, MADE, Chunk
from contrafake.generate.generators.settings import RESERVED as REAL_NAME
from contrafake.generate.job import Job
from contrafake.generate.plan import Planner
from contrafake.generate.prepare import CENSUS_NAME, open_records
from contrafake.generate.project import Project
from contrafake.generate.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from contrafake.generate.config import GenerateConfig

_TAR_OVERHEAD = 3072
"""Bytes that a shard spends on an image beside its members' own: two headers and two half-empty blocks, about."""


@dataclass(frozen=True)
class GeneratorEstimate:
    """What one generator would take.

    Attributes:
        name: Its name, "real" for the real images.
        images: Images that it is asked for.
        skipped: Records that it makes nothing for, by reason.
        sizes: How many images of each size it is asked for, the most frequent first, as "512 x 384".
        tried: Images made in the trial.
        lost: Of these, how many failed or were filtered.
        seconds: Wall time an image, without loading the model; None where there was no trial.
        bytes: Mean size of an image in its shard; None where there was no trial.
        facts: What the generator says of itself, with the device that the time belongs to.
    """

    name: str
    images: int
    skipped: dict[str, int]
    sizes: dict[str, int]
    tried: int = 0
    lost: int = 0
    seconds: float | None = None
    bytes: float | None = None
    facts: dict[str, Any] | None = None

    @property
    def hours(self) -> float | None:
        """Time for all its images on one device like this one."""
        return None if self.seconds is None else self.seconds * self.images / 3600

    @property
    def disk(self) -> float | None:
        """Bytes of all its images in shards."""
        return None if self.bytes is None else self.bytes * self.images


@dataclass(frozen=True)
class BuildEstimate:
    """What a build would take.

    Attributes:
        name: Its name.
        records: Real images in it.
        left_out: Real images that are not, by reason.
        generators: The real images, then each generator.
    """

    name: str
    records: int
    left_out: dict[str, int]
    generators: list[GeneratorEstimate]

    @property
    def hours(self) -> float | None:
        """Device hours of all generators; None where one was not tried."""
        return _sum([entry.hours for entry in self.generators])

    @property
    def disk(self) -> float | None:
        """Bytes of all shards; None where one was not tried."""
        return _sum([entry.disk for entry in self.generators])

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        entries = [{**asdict(entry), "hours": entry.hours, "disk": entry.disk} for entry in self.generators]
        told = {"name": self.name, "records": self.records, "left_out": self.left_out}
        return {**told, "hours": self.hours, "disk": self.disk, "generators": entries}


def estimate(
    config: GenerateConfig,
    *,
    trial: int = 4,
    workers: int = 1,
    advance: Callable[[str, int, int | None], None] = lambda _doing, _steps, _total: None,
) -> BuildEstimate:
    """Plans a build and makes a few of its images in a temporary folder, to time them.

    Args:
        config: What would be built.
        trial: Images of each generator that are timed, after one that is not; 0 makes none.
        workers: Processes that look at the real images.
        advance: Called with what is being done, the steps since the last call and their number.

    Raises:
        ContrafakeError: As `build`.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        project = Project(config, store, open_records(config.reals, store, workers, advance))
        left_out = json.loads(store.read(CENSUS_NAME))["skipped"]
        found = [_estimate(project, name, trial, advance) for name in project.shards]
    return BuildEstimate(config.name, len(project.records), left_out, found)


def _estimate(
    project: Project, name: str, trial: int, advance: Callable[[str, int, int | None], None]
) -> GeneratorEstimate:
    planner, generators = Planner(project.config, project.donors), {g.name: g for g in project.config.generators}
    skipped: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    usable: list[int] = []
    for position in range(len(project.records)):
        record = project.records[position]
        planned = planner.real(record) if name == REAL_NAME else planner.job(record, generators[name])
        if isinstance(planned, Job):
            sizes[f"{planned.width} x {planned.height}"] += 1
            if len(usable) <= trial:
                usable.append(position)
        else:
            skipped[planned.reason] += 1
    found = GeneratorEstimate(name, sizes.total(), dict(skipped), dict(sizes.most_common()))
    if not trial or not usable:
        return found
    advance(f"trying {name}", 0, len(usable))
    bench = Bench(project.config, project.records, project.donors, name, project.store)
    try:
        # The first image pays for what is only done once; it is timed only where there is no other.
        first = bench.make(Chunk(name, "trial", 0, tuple(usable[:1])))
        advance(f"trying {name}", 1, len(usable))
        timed = bench.make(Chunk(name, "trial", 1, tuple(usable[1:]))) if usable[1:] else first
        advance(f"trying {name}", len(usable) - 1, len(usable))
    finally:
        bench.close()
    outcomes = timed.outcomes
    made = [outcome for outcome in outcomes if outcome.status == MADE]
    size = sum(len(data) for outcome in made for data in outcome.members.values()) / len(made) if made else None
    return GeneratorEstimate(
        found.name,
        found.images,
        found.skipped,
        found.sizes,
        tried=len(outcomes),
        lost=sum(outcome.status in {FAILED, FILTERED} for outcome in outcomes),
        seconds=timed.seconds / len(outcomes),
        bytes=None if size is None else size + _TAR_OVERHEAD,
        facts=timed.facts,
    )


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
