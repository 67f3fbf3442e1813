"""The run: every image of a set, under every variant, through every detector."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from contrafake import __version__
from contrafake.data.parallel import default_workers
from contrafake.data.sample import GENERATED, REAL
from contrafake.errors import DataError, UsageError
from contrafake.evaluate.column_names import unique_columns
from contrafake.evaluate.cost import processor_seconds
from contrafake.evaluate.data_facts import census_facts, data_facts, machine_facts, software_facts
from contrafake.evaluate.evaluation import Evaluation, as_stored
from contrafake.evaluate.image_list import list_images
from contrafake.evaluate.images import LABELS, Images
from contrafake.evaluate.judge import Judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from contrafake.data.origins import OriginTable
    from contrafake.data.sample import Sample
    from contrafake.data.sources import Source
    from contrafake.evaluate.cache import Cache
    from contrafake.evaluate.contestant import Contestant
    from contrafake.evaluate.image_list import ListedImage
    from contrafake.evaluate.judge import Judged
    from contrafake.evaluate.score_files import ScoreFile
    from contrafake.evaluate.variant import Variant

_AHEAD: Final = 2
"""Images in flight for each worker."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run gives.

    Attributes:
        evaluation: Images, scores, failures and facts.
        vectors: (N, D) float32, each image's embedding by the first detector that embeds, averaged over its crops,
            under the first variant; NaN rows where it is missing. None where no detector embeds.
    """

    evaluation: Evaluation
    vectors: NDArray[np.float32] | None


def silent(doing: str, steps: int, total: int | None) -> None:
    """Reports nothing."""


def run_evaluation(
    contestants: Sequence[Contestant],
    source: Source,
    *,
    variants: Sequence[Variant],
    origins: OriginTable | None = None,
    score_files: Sequence[ScoreFile] = (),
    split: str | None = None,
    limit: int | None = None,
    cache: Cache | None = None,
    workers: int | None = None,
    report: Callable[[str, int, int | None], None] = silent,
    command: str = "",
) -> Outcome:
    """Measures detectors on a set.

    Images are judged in parallel by threads, in bounded memory; results come in the order of the set and do not depend
    on the number of threads. A file is read once, decoded once and only if something of it is not cached; each
    variant's pixels are made once for all detectors, and each detector measures them once for all of its columns. What
    cannot be read, or makes a detector fail, becomes a `Failure`, and the run goes on. After Ctrl-C, or a kill, what
    was measured is in the cache.

    Args:
        contestants: Detectors that judge pictures here. Where two columns share a name, the later model becomes
            "name-2".
        source: The set.
        variants: Changes; `image_list.list_images` says what becomes of sets that bring changed copies.
        origins: What is known of origins; None takes the set's own table.
        score_files: Columns put beside; no image is opened for them.
        split: Only the images of this split.
        limit: At most this many images of each class, evenly spaced.
        cache: Where measurements are kept; None keeps nothing. It is left open.
        workers: Threads; None takes one per core.
        report: Called with what is being done, the steps done since the last call, and the number of all steps.
        command: The command line, for the facts.

    Raises:
        UsageError: Nobody is to be measured, or a setting makes no sense.
        DataError: The set is unusable, two images share a key, or not one score came out.
    """
    if not contestants and not score_files:
        raise UsageError("models", "none given", "name at least one")
    if workers is not None and workers < 1:
        raise UsageError("workers", f"{workers} is below 1")
    began, began_processor = time.perf_counter(), time.process_time()
    report("listing", 0, None)
    listed = list_images(source, variants, split=split, limit=limit)
    for label, name in LABELS.items():
        if not any(image.sample.label == label for image in listed.images):
            raise DataError(str(source.root), f"there is no {name} image", "two-class figures need both classes")
    given = [*(one.columns for one in contestants), *((file.facts,) for file in score_files)]
    columns = unique_columns(given)
    ours, beside = columns[: len(contestants)], columns[len(contestants) :]
    samples = [image.sample for image in listed.images]
    table = source.origins if origins is None else origins
    trained = {origin: True for one in contestants for origin in one.trained_on}
    # Before the long work: a file that does not fit is refused here.
    known = Images.of(samples, table, trained)
    fitted = [file.fit(known, listed.variants, others=listed.left_out) for file in score_files]
    judge = Judge(contestants, [[facts.name for facts in of_one] for of_one in ours], listed.variants, cache)
    judged = list(_judged(judge, listed.images, workers or default_workers(), report)) if contestants else []
    digests = {sample.key: one.sha256 for sample, one in zip(samples, judged, strict=False) if one.sha256}
    images = Images.of(samples, table, trained, digests)
    tables = [np.stack([one.scores for one in judged], axis=1)] if judged else []
    tables += [of_file.scores[:, :, None] for of_file in fitted]
    scores = as_stored(np.concatenate(tables, axis=2))
    failures = [failure for one in judged for failure in one.failures]
    for [facts], of_file in zip(beside, fitted, strict=True):
        failures += [replace(failure, detector=facts.name) for failure in of_file.failures]
    if not np.isfinite(scores).any():
        cause = f": {failures[0].cause}" if failures else ""
        raise DataError(str(source.root), f"none of {len(images):,} images has a score{cause}")
    report("timing", 0, None)
    warm = workers or default_workers()  # as many images loaded the model
    seconds = [
        processor_seconds(one, [of.cost[at] for of in judged if at in of.cost][warm:], listed.images, cache)
        for at, one in enumerate(contestants)
    ]
    detectors = [replace(facts, seconds=cost) for of_one, cost in zip(ours, seconds, strict=True) for facts in of_one]
    detectors += [facts for of_one in beside for facts in of_one]
    about: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "contrafake": __version__,
        **software_facts(),
        "machine": machine_facts(),
        "data": data_facts(source, (copy.image for image in listed.images for copy in _copies(image)), digests),
        "census": census_facts(source),
        "split": split or "",
        "limit": limit,
        "counts": _counts(images, scores),
        "draws": {item.name: item.to_dict()["draw"] for item in listed.variants if item.draw is not None},
        "cache": {
            "used": cache is not None,
            "hits": sum(one.hits for one in judged),
            "fresh": sum(one.fresh for one in judged),
        },
        "seconds": {
            "wall": round(time.perf_counter() - began, 2),
            "processor": round(time.process_time() - began_processor, 2),
        },
        "notes": [
            *listed.notes,
            *(note for of_file in fitted for note in of_file.notes),
            *(cache.notes if cache is not None else []),
        ],
    }
    evaluation = Evaluation(images, listed.variants, tuple(detectors), scores, tuple(failures), about)
    return Outcome(evaluation, _vectors(judged))


def _judged(
    judge: Judge, images: Sequence[ListedImage], workers: int, report: Callable[[str, int, int | None], None]
) -> Iterator[Judged]:
    """The results in the order of the images; at most a few images for each worker are in memory."""
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque(pool.submit(judge, image) for image in images[: _AHEAD * workers])
        rest = islice(images, len(waiting), None)
        try:
            while waiting:
                yield waiting.popleft().result()
                report("judging", 1, len(images))
                waiting.extend(pool.submit(judge, image) for image in islice(rest, 1))
        finally:
            judge.stop.set()
            for future in waiting:
                future.cancel()


def _copies(image: ListedImage) -> list[Sample]:
    return [sample for sample in (image.untouched, image.delivered) if sample is not None]


def _counts(images: Images, scores: NDArray[np.float64]) -> dict[str, int]:
    return {
        "images": len(images),
        "real": int((images.label == REAL).sum()),
        "generated": int((images.label == GENERATED).sum()),
        "sources": len(set(images.source)),
        "groups": len({group for group in images.group if group}),
        "without_any_score": int((~np.isfinite(scores).any(axis=(0, 2))).sum()),
    }


def _vectors(judged: Sequence[Judged]) -> NDArray[np.float32] | None:
    known = [one.vector for one in judged if one.vector is not None]
    if not known:
        return None
    missing = np.full_like(known[0], np.nan)
    return np.stack([missing if one.vector is None else one.vector for one in judged])
