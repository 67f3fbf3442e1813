"""One image through all variants and detectors: read once, decoded once if at all, changed once for each variant."""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from contrafake import __version__
from contrafake.data.location import read_bytes
from contrafake.errors import ContrafakeError
from contrafake.evaluate.data_facts import versions
from contrafake.evaluate.evaluation import Failure
from contrafake.images import Picture, read
from contrafake.images.transforms import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from contrafake.data.sample import Sample
    from contrafake.evaluate.cache import Cache, Measured
    from contrafake.evaluate.contestant import Contestant
    from contrafake.evaluate.image_list import ListedImage
    from contrafake.evaluate.variant import Variant

FORM: Final = 1
"""Counts up whenever decoding or a variant could give other pixels from the same bytes and description."""


@dataclass
class Judged:
    """What came of one image.

    Attributes:
        scores: (V, K) float64, K columns of all contestants in order; NaN where there is none.
        vector: (D,) float32 mean embedding by the first contestant that embeds, on the first variant.
        sha256: Hex digest of the bytes as delivered, "" where they could not be read.
        failures: Why scores are missing.
        hits: Measurements taken from the cache.
        fresh: Measurements made now.
        cost: Processor seconds of this thread for decoding and measuring the untouched image, by contestant, where both
            were done now.
    """

    scores: NDArray[np.float64]
    vector: NDArray[np.float32] | None = None
    sha256: str = ""
    failures: list[Failure] = field(default_factory=list)
    hits: int = 0
    fresh: int = 0
    cost: dict[int, float] = field(default_factory=dict)


class Judge:
    """Judges images one by one; safe to call from several threads at once."""

    def __init__(
        self,
        contestants: Sequence[Contestant],
        names: Sequence[Sequence[str]],
        variants: Sequence[Variant],
        cache: Cache | None,
    ) -> None:
        """Takes who judges what changes, and where measurements are kept.

        Args:
            contestants: The detectors.
            names: What the columns of each are called in failures.
            variants: The changes.
            cache: None keeps nothing.
        """
        self.contestants = tuple(contestants)
        self.names = tuple(tuple(of_one) for of_one in names)
        self.identities = tuple(contestant.identity for contestant in contestants)
        self.variants = tuple(variants)
        self.cache = cache
        self.starts = np.cumsum([0, *(len(contestant.columns) for contestant in contestants)])
        self.embeds = next((at for at, one in enumerate(contestants) if one.columns[0].kind == "bundle"), None)
        self.pixels = json.dumps([FORM, __version__, versions("numpy", "pillow", "simplejpeg")], sort_keys=True)
        self.stop = threading.Event()
        """Set from outside: images that are being judged are left as they are."""

    def __call__(self, image: ListedImage) -> Judged:
        """Judges an image; whatever is wrong with it or a detector becomes a failure."""
        judged = Judged(np.full((len(self.variants), int(self.starts[-1])), np.nan))
        parts = (
            (image.untouched, [at for at, variant in enumerate(self.variants) if not variant.delivered]),
            (image.delivered, [at for at, variant in enumerate(self.variants) if variant.delivered]),
        )
        for sample, places in parts:
            if not places:
                continue
            if sample is None:
                self.fail(judged, image, places, "the set has no such copy of it")
            else:
                _Pass(self, judged, image, sample, places).run()
        return judged

    def fail(self, judged: Judged, image: ListedImage, places: Sequence[int], cause: str, detector: str = "") -> None:
        """Writes down why an image has no score under some variants."""
        for at in places:
            judged.failures.append(Failure(image.sample.key, self.variants[at].name, detector, cause))


@dataclass(frozen=True)
class _Missing:
    """What is not in the cache: a change, the variants that come to it for this image, who has not measured it."""

    change: str
    places: tuple[int, ...]
    lacking: tuple[int, ...]


class _Pass:
    """One file of an image through the variants that are made from it."""

    def __init__(self, judge: Judge, judged: Judged, image: ListedImage, sample: Sample, places: Sequence[int]) -> None:
        self._judge, self._judged, self._image, self._sample, self._places = judge, judged, image, sample, places

    def run(self) -> None:
        """Reads the bytes, and fills in scores from the cache or from the image."""
        judge, judged, key = self._judge, self._judged, self._image.sample.key
        try:
            data = read_bytes(self._sample.image)
        except ContrafakeError as error:
            judge.fail(judged, self._image, self._places, cause_of(error))
            return
        digest = hashlib.sha256(data).hexdigest()
        judged.sha256 = judged.sha256 or digest
        # Variants that do the same to this image, for example a draw of no operation, are measured once.
        alike: dict[str, list[int]] = {}
        for at in self._places:
            chain = json.dumps(describe(judge.variants[at].chain_for(key)), sort_keys=True)
            alike.setdefault(f"{judge.pixels} {chain}", []).append(at)
        missing: list[_Missing] = []
        for change, places in alike.items():
            lacking = tuple(
                number
                for number in range(len(judge.contestants))
                if not self._from_cache(number, change, digest, places)
            )
            if lacking:
                missing.append(_Missing(change, tuple(places), lacking))
        if not missing:
            return
        began = time.thread_time()
        try:
            picture = read(data, name=self._sample.image.address)
        except Exception as error:  # noqa: BLE001 - whatever a decoder does with damaged bytes
            judge.fail(judged, self._image, [at for one in missing for at in one.places], cause_of(error))
            return
        decoding = time.thread_time() - began
        for one in missing:
            self._measure(picture, one, digest, decoding)

    def _from_cache(self, number: int, change: str, digest: str, places: Sequence[int]) -> bool:
        cache, identity = self._judge.cache, self._judge.identities[number]
        measured = cache.get(identity, change, digest) if cache is not None and identity else None
        if measured is None:
            return False
        self._judged.hits += 1
        self._fill(number, measured, places)
        return True

    def _measure(self, picture: Picture, missing: _Missing, digest: str, decoding: float) -> None:
        judge, judged = self._judge, self._judged
        variant, places = judge.variants[missing.places[0]], missing.places
        if judge.stop.is_set():
            return
        try:
            changed = _changed(picture, variant, self._image.sample.key)
        except Exception as error:  # noqa: BLE001 - as above: one image must not end the run
            judge.fail(judged, self._image, places, cause_of(error))
            return
        for number in missing.lacking:
            contestant = judge.contestants[number]
            began = time.thread_time()
            try:
                measured = contestant.measure(changed)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - somebody else's program, which may call exit
                for name in judge.names[number]:
                    judge.fail(judged, self._image, places, cause_of(error), name)
                continue
            judged.fresh += 1
            if variant.changes_nothing and not variant.delivered:
                judged.cost[number] = decoding + time.thread_time() - began
            identity = judge.identities[number]
            if self._fill(number, measured, places) and judge.cache is not None and identity:
                judge.cache.put(identity, missing.change, digest, measured)

    def _fill(self, number: int, measured: Measured, places: Sequence[int]) -> bool:
        """Writes the scores down; whether they all are numbers."""
        judge, judged = self._judge, self._judged
        contestant = judge.contestants[number]
        start = int(judge.starts[number])
        try:
            found = contestant.scores(measured)
        except Exception as error:  # noqa: BLE001 - as above
            for name in judge.names[number]:
                judge.fail(judged, self._image, places, cause_of(error), name)
            return False
        for at, (name, score) in enumerate(zip(judge.names[number], found, strict=True)):
            if math.isfinite(score):
                judged.scores[places, start + at] = score
            else:
                judge.fail(judged, self._image, places, f"the score is {score}", name)
        if number == judge.embeds and 0 in places:
            judged.vector = np.asarray(measured, np.float32).mean(axis=0)
        return all(map(math.isfinite, found))


def cause_of(error: BaseException) -> str:
    """What went wrong, in one line and without the name of the file."""
    if isinstance(error, ContrafakeError):
        return " ".join(f"{error.cause}{f' ({error.remedy})' if error.remedy else ''}".split())
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _changed(picture: Picture, variant: Variant, key: str) -> Picture:
    if not variant.chain_for(key):
        return picture
    from PIL import Image  # noqa: PLC0415 - untouched images do not need it

    pixels = np.ascontiguousarray(variant(Image.fromarray(picture.pixels), key), np.uint8)
    pixels.setflags(write=False)
    height, width = pixels.shape[:2]
    return Picture(pixels, picture.name, "", width, height)
