"""The workplace of one generator: takes chunks of the plan, makes and treats their images, stores the outcomes."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from contrafake.data.fingerprint import perceptual_hashes
from contrafake.data.location import read_bytes
from contrafake.errors import ContrafakeError, DataError, ImageError
from contrafake.generate.chunk import FAILED, FILTERED, MADE, SKIPPED, ChunkResult, Outcome
from contrafake.generate.filters import content_hash, fault
from contrafake.generate.generators.generator import GenerationError, Made, Request, open_generator
from contrafake.generate.generators.settings import RESERVED as REAL_NAME
from contrafake.generate.job import Job, Skip
from contrafake.generate.plan import Planner, seed_of_attempt
from contrafake.generate.project import note_begun
from contrafake.generate.treatment import frame_pixels, request_image, treat_made, treat_real
from contrafake.images import jpeg_facts, read

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from contrafake.generate.chunk import Chunk
    from contrafake.generate.config import GenerateConfig
    from contrafake.generate.generators.generator import Generator
    from contrafake.generate.generators.settings import AnyGenerator
    from contrafake.generate.plan import Donors
    from contrafake.generate.reals.records_file import Records
    from contrafake.generate.record import BuildRecord
    from contrafake.generate.store import Store
    from contrafake.generate.treatment import Finished

_ASKED = (
    "generator", "kind", "model", "revision", "prompt", "negative_prompt", "width", "height", "steps", "guidance",
    "strength", "scheduler",
)  # fmt: skip


@dataclass
class _Order:
    """One image on its way: how often it was tried, and what came of it."""

    job: Job
    record: BuildRecord
    image: NDArray[np.uint8] | None
    seeds: int = 0  # attempts that ended in a fault, so that the next has another seed
    tries: int = 0
    outcome: Outcome | None = None


class Bench:
    """Makes the images of one generator; the model is loaded when the first chunk needs it, and once."""

    def __init__(self, config: GenerateConfig, records: Records, donors: Donors, generator: str, store: Store) -> None:
        """Takes what all chunks share.

        Args:
            config: Of the build.
            records: All records.
            donors: Encodings that the d3 law draws from.
            generator: Name of a generator of the configuration, or "real".
            store: Where outcomes go.
        """
        self.config, self.records, self.store = config, records, store
        self.planner = Planner(config, donors)
        self.settings: AnyGenerator | None = None
        if generator != REAL_NAME:
            self.settings = next(entry for entry in config.generators if entry.name == generator)
        self._generator: Generator | None = None
        self._name, self._noted = generator, False

    def make(self, chunk: Chunk, step: Callable[[int], None] = lambda _records: None) -> ChunkResult:
        """Makes a chunk and stores its outcomes; those that it keeps from earlier stay as they are.

        Args:
            chunk: One of this generator.
            step: Called with the number of records that have got their outcome since the last call.

        Raises:
            ContrafakeError: The generator is gone, or the store cannot be written; the chunk stays undone.
        """
        kept = self.store.find(chunk.kept_name)
        before = ChunkResult.from_bytes(kept, self.store.place(chunk.kept_name)) if kept else ChunkResult([])
        outcomes = {outcome.record: outcome for outcome in before.outcomes}
        waiting: list[_Order] = []
        keys = []
        for position in chunk.positions:
            record = self.records[position]
            keys.append(record.key)
            if record.key not in outcomes:
                begun = self._begin(record)
                if isinstance(begun, Outcome):
                    outcomes[record.key] = begun
                else:
                    waiting.append(begun)
        step(len(outcomes))
        seconds = self._work(waiting, outcomes, step)
        facts = self._generator.facts if self._generator else before.facts
        result = ChunkResult([outcomes[key] for key in keys], before.seconds + seconds, dict(facts))
        if not self._noted:
            note_begun(self.settings, self._name, self.store)
            self._noted = True
        self.store.write(chunk.name, result.to_bytes())
        self.store.remove(chunk.kept_name)
        return result

    def close(self) -> None:
        """Gives the model's memory back."""
        if self._generator is not None:
            self._generator.close()
            self._generator = None

    def _begin(self, record: BuildRecord) -> _Order | Outcome:
        """Plans a record and reads its real image where that is needed; real images are finished at once."""
        planned = self.planner.real(record) if self.settings is None else self.planner.job(record, self.settings)
        if isinstance(planned, Skip):
            return Outcome("", record.key, SKIPPED, planned.reason)
        if self.settings is not None and not self.settings.reads_real:
            return _Order(planned, record, None)
        try:
            data = read_bytes(record.real.image)
            if sha256(data).hexdigest() != record.facts.sha256:
                raise DataError(record.real.image.address, "the real image is no longer the one that was listed")
            pixels = read(data, name=record.real.image.address).pixels
            if self.settings is None:
                shown = pixels if planned.treatment.final is None else frame_pixels(pixels, planned)
                if found := fault(shown, None, self.config.filters, None):  # else blanks would be real alone
                    return Outcome(planned.key, record.key, FILTERED, found, 1)
                finished = treat_real(data, pixels, planned)
                members = _members(planned, record, finished, {})
                return Outcome(planned.key, record.key, MADE, "", 1, "", _image_facts(finished.data), members)
            return _Order(planned, record, request_image(frame_pixels(pixels, planned), planned))
        except (ImageError, DataError) as error:
            return Outcome(planned.key, record.key, FAILED, error.cause, 1)

    def _work(self, waiting: list[_Order], outcomes: dict[str, Outcome], step: Callable[[int], None]) -> float:
        """Makes what waits, again where that is allowed; returns the seconds that it took without loading."""
        seconds = 0.0
        while waiting:
            assert self.settings is not None  # noqa: S101 - only generators leave anything waiting
            if self._generator is None:
                self._generator = open_generator(self.settings)
            begun = time.perf_counter()
            sizes: dict[tuple[int, int], list[_Order]] = defaultdict(list)
            for order in waiting:
                sizes[order.job.width, order.job.height].append(order)
            for alike in sizes.values():
                for start in range(0, len(alike), self.settings.batch):
                    batch = alike[start : start + self.settings.batch]
                    self._make_batch(batch)
                    done = [order.outcome for order in batch if order.outcome is not None]
                    outcomes.update((outcome.record, outcome) for outcome in done)
                    step(len(done))
            seconds += time.perf_counter() - begun
            waiting = [order for order in waiting if order.outcome is None]
        return seconds

    def _make_batch(self, batch: list[_Order]) -> None:
        assert self._generator is not None  # noqa: S101
        requests = [Request(order.job, seed_of_attempt(order.job.seed, order.seeds), order.image) for order in batch]
        for order, request, made in zip(batch, requests, self._generator.make(requests), strict=True):
            order.tries += 1
            order.outcome = self._judge(order, request, made)

    def _judge(self, order: _Order, request: Request, made: Made | GenerationError) -> Outcome | None:
        """The outcome, or None where it is to be tried again."""
        filters = self.config.filters
        last = order.tries >= filters.attempts
        failed = replace(Outcome(order.job.key, order.record.key, FAILED), attempts=order.tries)
        if isinstance(made, GenerationError):
            return replace(failed, cause=made.cause) if last else None
        if found := fault(made.pixels, made.flagged, filters, request.image):
            order.seeds += 1
            return replace(failed, status=FILTERED, cause=found) if last else None
        try:
            finished = treat_made(made.pixels, made.mask, order.job)
        except ContrafakeError as error:
            return replace(failed, cause=error.cause)  # it would end like this again
        generation = {**made.facts, "flagged": made.flagged, "seed": request.seed, "attempt": order.tries}
        return replace(
            failed,
            status=MADE,
            content=content_hash(made.pixels),
            image=_image_facts(finished.data),
            members=_members(order.job, order.record, finished, generation),
        )


def _members(job: Job, record: BuildRecord, finished: Finished, generation: dict[str, Any]) -> dict[str, bytes]:
    """What a shard holds of an image: its bytes, what is known of it, and its mask."""
    real = record.real
    described: dict[str, Any] = {
        "label": "real" if job.kind == "real" else "fake",
        "origin": real.origin if job.kind == "real" else job.generator,
        "source": real.source,
        "group": real.group or record.key,
        "split": real.split,
        "record": record.key,
        "caption": real.caption,
        "processing": finished.steps,
    }
    if job.kind == "real":
        described["url"] = real.url
        described["original"] = {**asdict(record.facts), "frame": job.frame, "metadata": real.metadata}
    else:
        described["generation"] = {**{name: getattr(job, name) for name in _ASKED}, **generation}
    members = {finished.suffix: finished.data, "json": json.dumps(described, default=str, sort_keys=True).encode()}
    return members if finished.mask is None else {**members, "mask.png": finished.mask}


def _image_facts(data: bytes) -> dict[str, Any]:
    """What the index says of a finished image's bytes."""
    picture = read(data)
    quality = jpeg_facts(data).quality if picture.format in {"JPEG", "MPO"} else None
    phash, phash2 = perceptual_hashes(picture.pixels)
    return {
        "sha256": picture.sha256,
        "format": picture.format,
        "width": picture.width,
        "height": picture.height,
        "quality": -1 if quality is None else quality,
        "phash": phash,
        "phash2": phash2,
    }
