"""The images behind a variant: some fix its scales, all others measure it."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.location import read_bytes
from contrafake.errors import BundleError, DataError, ImageError
from contrafake.images import cut, read, resize_crop
from contrafake.model.runtime import OnnxEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from contrafake.data.sample import Sample
    from contrafake.images import Picture
    from contrafake.model.bundle_config import Preprocessing
    from contrafake.model.heads import Head

_SCALING_CROPS = 2
"""Crops of one image that help to fix the scales: more of the same image say little new."""
_TOGETHER = 64
"""Images handed to the workers at once: errors come early, and results in order."""


def crops_of(picture: Picture, facts: Preprocessing, crops: int) -> NDArray[np.uint8]:
    """The crops of a picture as a bundle cuts them, (n, S, S, 3) uint8 with n up to `crops`."""
    if facts.geometry == "resize-crop":
        return resize_crop(picture.pixels, facts.crop_size, facts.crop_pct)[None]
    return cut(picture.pixels, crops, facts.crop_size, facts.small_images)


def divide(samples: Sequence[Sample], scaling: int, seed: int = 0) -> tuple[list[Sample], list[Sample]]:
    """Draws images that fix the scales, as many real as generated; the others measure.

    Args:
        samples: Images of both classes.
        scaling: How many fix the scales; at most a third of each class does.
        seed: Another one draws others.

    Returns:
        Those that fix the scales and those that measure, each in the given order.

    Raises:
        DataError: One class has fewer than three images, or `scaling` is above 0 and below 2.
    """
    if scaling == 0:
        return [], list(samples)
    chosen: set[int] = set()
    generator = np.random.default_rng(seed)
    for label, name in ((0, "real"), (1, "generated")):
        own = [position for position, sample in enumerate(samples) if sample.label == label]
        count = min(scaling // 2, len(own) // 3)
        if count < 1:
            raise DataError("images", f"{len(own)} {name} ones are too few to fix scales and to measure")
        chosen.update(generator.permutation(own)[:count].tolist())
    first = [sample for position, sample in enumerate(samples) if position in chosen]
    return first, [sample for position, sample in enumerate(samples) if position not in chosen]


@dataclass(frozen=True, eq=False)
class Scaling:
    """What fixed the scales.

    Attributes:
        crops: (N, S, S, 3) uint8.
        hashes: SHA-256 of the files, which may not measure as well.
        images: How many, (real, generated).
    """

    crops: NDArray[np.uint8]
    hashes: frozenset[str]
    images: tuple[int, int]


def read_scaling(samples: Sequence[Sample], facts: Preprocessing, crops: int, seed: int = 0) -> Scaling:
    """Reads the images that fix the scales, up to two crops of each, in an order drawn by the seed.

    Raises:
        DataError: None of them could be read.
    """
    parts: list[NDArray[np.uint8]] = []
    hashes, counts = set(), [0, 0]
    for sample in samples:
        try:
            data = read_bytes(sample.image)
            parts.append(crops_of(read(data, name=sample.image.address), facts, min(crops, _SCALING_CROPS)))
        except (ImageError, DataError):
            continue
        hashes.add(hashlib.sha256(data).hexdigest())
        counts[sample.label] += 1
    if not parts:
        raise DataError("images", f"none of the {len(samples)} that should fix the scales could be read")
    found = np.concatenate(parts)
    order = np.random.default_rng(seed).permutation(len(found))  # neighbours would share a batch, and its extremes
    return Scaling(found[order], frozenset(hashes), (counts[0], counts[1]))


@dataclass(frozen=True, eq=False)
class Judged:
    """Scores of the same images by several graphs.

    Attributes:
        scores: (N,) float64 by the graph's name.
        labels: (N,) 0 = real, 1 = generated.
        sources: (N,) where each was collected.
        broken: Cause by name, of images that could not be read.
        repeated: Images left out, since the same bytes stood there before or fixed the scales.
    """

    scores: dict[str, NDArray[np.float64]]
    labels: NDArray[np.int64]
    sources: NDArray[np.object_]
    broken: dict[str, str]
    repeated: int


def judge(
    samples: Sequence[Sample],
    graphs: Mapping[str, Path],
    head: Head,
    facts: Preprocessing,
    crops: int,
    *,
    apart_from: frozenset[str] = frozenset(),
    workers: int | None = None,
    report: Callable[[str, int, int | None], None] = lambda doing, done, total: None,
) -> Judged:
    """Scores every image by every graph; each image is read once, and its crops are the same for all.

    Args:
        samples: The images.
        graphs: Graphs by name.
        head: What scores the embeddings.
        facts: How crops are cut.
        crops: Crops of an image whose scores are averaged.
        apart_from: SHA-256 of files to leave out.
        workers: Images at a time; None takes one for each core.
        report: As in `embed_own`.

    Raises:
        DataError: None could be read.
        BundleError: A graph cannot be loaded or run, or a score of its is not finite; the error names the variant.
    """
    encoders = {name: _encoder(name, path) for name, path in graphs.items()}

    def measure(sample: Sample) -> tuple[str, list[float]] | str:
        try:
            data = read_bytes(sample.image)
            cut_out = crops_of(read(data, name=sample.image.address), facts, crops)
        except (ImageError, DataError) as error:
            return error.cause
        scores = []
        for name, encoder in encoders.items():
            score = float(head.score(encoder.embed(cut_out)).mean())
            if not np.isfinite(score):
                raise BundleError(f"variant {name}", f"its score of {sample.key} is no finite number")
            scores.append(score)
        return hashlib.sha256(data).hexdigest(), scores

    seen = set(apart_from)
    kept: list[Sample] = []
    rows: list[list[float]] = []
    broken: dict[str, str] = {}
    repeated = 0
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        for start in range(0, len(samples), _TOGETHER):
            part = samples[start : start + _TOGETHER]
            for sample, found in zip(part, pool.map(measure, part), strict=True):
                report("measuring", 1, len(samples))
                if isinstance(found, str):
                    broken[sample.key] = found
                elif found[0] in seen:
                    repeated += 1
                else:
                    seen.add(found[0])
                    kept.append(sample)
                    rows.append(found[1])
    if not kept:
        raise DataError("images", "none is left to measure with")
    columns = np.array(rows, np.float64).T
    sources = np.empty(len(kept), object)
    sources[:] = [sample.source for sample in kept]
    labels = np.array([sample.label for sample in kept], np.int64)
    return Judged(dict(zip(encoders, columns, strict=True)), labels, sources, broken, repeated)


def _encoder(name: str, path: Path) -> OnnxEncoder:
    try:
        return OnnxEncoder(path, threads=1)
    except BundleError as error:
        raise BundleError(f"variant {name}", error.cause) from error
