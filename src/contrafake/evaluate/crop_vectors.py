"""Embeddings of a data set's images, crop by crop, for protocols that fit heads of their own."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from contrafake.data.location import read_bytes
from contrafake.detect.plan import CalibrationWarning
from contrafake.errors import DataError, ImageError, UsageError
from contrafake.evaluate.contestants import BundleContestant
from contrafake.evaluate.judge import Judge
from contrafake.evaluate.run import silent
from contrafake.images import read
from contrafake.images.transforms import describe
from contrafake.train.head_fitting import score_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from contrafake.data.sample import Sample
    from contrafake.detect.detector import Detector
    from contrafake.evaluate.cache import Cache
    from contrafake.evaluate.variant import Variant
    from contrafake.images import Picture
    from contrafake.model.heads import Head


@dataclass(frozen=True, eq=False)
class CropVectors:
    """Embeddings of N images under one variant, all crops in one array.

    Attributes:
        vectors: (M, D) float32 raw embeddings, one row a crop; the centre crop is an image's first.
        owner: (M,) int64, ascending: position among the N images that a row belongs to.
        count: N, with those that could not be read; they have no row.
    """

    vectors: NDArray[np.float32]
    owner: NDArray[np.int64]
    count: int

    def centre(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n,) positions of images that could be read -> (n, D) embeddings of their centre crops.

        Raises:
            KeyError: One of them has no embedding.
        """
        first = np.searchsorted(self.owner, rows)
        found = first < len(self.owner)
        if not found.all() or (self.owner[first] != rows).any():
            raise KeyError("an image without an embedding")
        return self.vectors[first]

    def scores(self, head: Head, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The mean score of each image's crops, as `detect` has it.

        Args:
            head: Scores the crops.
            rows: (n,) positions of images.

        Returns:
            (n,) scores; NaN for images without an embedding.
        """
        chosen = np.flatnonzero(np.isin(self.owner, rows))
        crop_scores = score_all(head, self.vectors[chosen])
        owner = self.owner[chosen]
        number = np.bincount(owner, minlength=self.count)
        total = np.bincount(owner, crop_scores, minlength=self.count)
        with np.errstate(invalid="ignore"):
            return np.asarray((total / number)[rows])

    def spread(self, rows: NDArray[np.int64], count: int) -> CropVectors:
        """The same embeddings, their images being those at (N,) ascending positions `rows` among `count`."""
        return CropVectors(self.vectors, rows[self.owner], count)

    @property
    def readable(self) -> NDArray[np.bool_]:
        """(N,) whether an image has embeddings."""
        return np.isin(np.arange(self.count), self.owner)


def embed_samples(
    detector: Detector,
    samples: Sequence[Sample],
    variants: Sequence[tuple[Variant, int]],
    *,
    cache: Cache | None = None,
    workers: int | None = None,
    report: Callable[[str, int, int | None], None] = silent,
) -> tuple[dict[str, CropVectors], dict[str, str]]:
    """Embeds images under several variants, reading each image once and decoding it at most once.

    Args:
        detector: Whose encoder embeds.
        samples: N images.
        variants: With the number of crops for each, names unique.
        cache: Embeddings of earlier runs, evaluations of the same images among them; None keeps none.
        workers: Images at a time; None takes one for each core. The result does not depend on it.
        report: Called with what is being done, the steps done since the last call, and the number of all steps.

    Returns:
        Embeddings by the variant's name, and the cause by key for images that could not be read.

    Raises:
        UsageError: `workers` is below 1.
        DataError: A shard cannot be read, or no image at all could be.
    """
    if workers is not None and workers < 1:
        raise UsageError("workers", f"{workers} is below 1")
    measure = _Measure(detector, variants, cache)
    broken: dict[str, str] = {}
    owners: list[list[int]] = [[] for _ in variants]
    vectors: list[list[NDArray[np.float32]]] = [[] for _ in variants]
    for position, found in enumerate(_ahead(measure, samples, workers or _cores())):
        if isinstance(found, str):
            broken[samples[position].key] = found
        else:
            for place, of_variant in enumerate(found):
                vectors[place].append(of_variant)
                owners[place] += [position] * len(of_variant)
        report("embedding", 1, len(samples))
    if len(broken) == len(samples):
        cause = next(iter(broken.values()), "there is none")
        raise DataError("images", f"none of {len(samples)} could be read, the first: {cause}")
    return {
        variant.name: CropVectors(np.concatenate(vectors[place]), np.array(owners[place], np.int64), len(samples))
        for place, (variant, _) in enumerate(variants)
    }, broken


class _Measure:
    """An image to its embeddings, one array for each variant, or to the cause why there are none."""

    def __init__(self, detector: Detector, variants: Sequence[tuple[Variant, int]], cache: Cache | None) -> None:
        self._detector, self._variants, self._cache = detector, variants, cache
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CalibrationWarning)  # nothing is judged by the bundle's calibration here
            self._identities = {
                crops: BundleContestant(detector, detector.heads[:1], crops).identity for _, crops in variants
            }
        # The same words as an evaluation's, so that neither measures what the other has.
        self._pixels = Judge((), (), (), None).pixels

    def __call__(self, sample: Sample) -> list[NDArray[np.float32]] | str:
        cache, places = self._cache, []
        try:
            data = read_bytes(sample.image)
            digest = hashlib.sha256(data).hexdigest() if cache is not None else ""
            picture: Picture | None = None
            for variant, crops in self._variants:
                chain = json.dumps(describe(variant.chain_for(sample.key)), sort_keys=True)
                address = self._identities[crops], f"{self._pixels} {chain}", digest
                found = None if cache is None else cache.get(*address)
                if found is None:
                    picture = picture or read(data, name=sample.image.address)
                    found = self._detector.embed_crops(_changed(picture, variant, sample.key), crops, threads=1)
                    if cache is not None:
                        cache.put(*address, found)
                places.append(np.asarray(found, np.float32))
        except ImageError as error:
            return error.cause
        return places


def _changed(picture: Picture, variant: Variant, key: str) -> Picture:
    if not variant.chain_for(key):
        return picture
    return replace(picture, pixels=np.asarray(variant(Image.fromarray(picture.pixels), key)))


def _ahead(
    measure: Callable[[Sample], list[NDArray[np.float32]] | str], samples: Sequence[Sample], workers: int
) -> Iterator[list[NDArray[np.float32]] | str]:
    """Results in order, a few of them computed ahead."""
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[list[NDArray[np.float32]] | str]] = deque()
        try:
            for sample in samples:
                pending.append(pool.submit(measure, sample))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _cores() -> int:
    """Cores this process may run on, which a container or taskset can make fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
