"""The images of a new generator: read, divided into those to fit on and those held back, and embedded."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from contrafake.adapt.refit_division import Look, choose_held, distinct, units
from contrafake.data.fingerprint import perceptual_hashes
from contrafake.data.location import read_bytes
from contrafake.errors import DataError, ImageError
from contrafake.images import read
from contrafake.train.embedded import Embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from contrafake.data.sample import Sample
    from contrafake.detect.detector import Detector
    from contrafake.images import Picture

    Report = Callable[[str, int, int | None], None]

LEAST = 4
"""Fewest images of a name: two to fit on, two held back."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Copies:
    """What is fitted on beside the untouched images: copies that went through random transformations.

    Attributes:
        count: Copies of each image.
        pool: Name in `images.transforms.POOLS` of the operations to draw from.
        most: Largest number of operations of a copy.
    """

    count: int = 1
    pool: str = "official"
    most: int = 2


@dataclass(frozen=True)
class Found:
    """What was found under one name.

    Attributes:
        fitted: Images to fit on.
        held_back: Images held back.
        broken: Cause by name, of images that could not be read.
        repeated: Images left out because their pixels stood there before.
        alike: What all files share, such as "PNG, 512 x 512", "" where they differ.
    """

    fitted: int
    held_back: int
    broken: dict[str, str] = field(default_factory=dict)
    repeated: int = 0
    alike: str = ""


@dataclass(frozen=True, eq=False)
class NewImages:
    """Embeddings of the new images.

    Attributes:
        fitting: Centre crops of the images to fit on: each untouched, then its copies.
        held: The images held back, as many crops as asked for, the first the centre.
        found: What was found, by name.
        to_fit: The images of `fitting`, with a digest of the pixels of each.
        to_hold: The images of `held`, likewise.
    """

    fitting: Embedded
    held: Embedded
    found: dict[str, Found]
    to_fit: list[tuple[Sample, str]]
    to_hold: list[tuple[Sample, str]]


def read_new(
    detector: Detector,
    named: Mapping[str, Sequence[Sample]],
    crops: int,
    *,
    held_back: float = 0.3,
    copies: Copies | None = None,
    seed: int = 0,
    workers: int | None = None,
    report: Report = lambda doing, done, total: None,
) -> NewImages:
    """Reads, divides and embeds images.

    An image is held back by a hash of its pixels (or of its group's name) and the seed, and of nothing else: it stays
    where it is when the folder grows. Near duplicates and groups stay together. The same pixels count once.

    Args:
        detector: Whose encoder embeds.
        named: Images by the name of their origin; the labels are those of the samples.
        crops: Crops of each image held back.
        held_back: Share that is held back, within (0, 1); at least two images of each name.
        copies: Transformed copies of the images to fit on; None takes the defaults of `Copies`.
        seed: Of the division and of the copies.
        workers: Images at a time; None takes one for each core. The result does not depend on it.
        report: Called with what is being done, the steps done since the last call, and the number of all steps.

    Raises:
        DataError: A name has fewer than `LEAST` images that can be read, they are all alike to the eye, or the same
            image stands under two names.
    """
    flat = [(name, sample) for name, samples in named.items() for sample in samples]
    looks: list[Look | str] = []
    for look in each(_look, [sample for _, sample in flat], workers):
        looks.append(look)
        report("reading", 1, len(flat))
    kept, repeated = distinct(flat, looks)
    unit = units(flat, looks, kept)
    held: list[int] = []
    found: dict[str, Found] = {}
    for name in named:
        own = [at for at in kept if flat[at][0] == name]
        broken = {
            sample.key: look
            for (owner, sample), look in zip(flat, looks, strict=True)
            if owner == name and isinstance(look, str)
        }
        if len(own) < LEAST:
            cause = f"has {len(own)} image{'' if len(own) == 1 else 's'} that can be used"
            first = next(iter(broken.items()), None)
            if first is not None:
                cause += f"; {len(broken)} cannot be read, the first: {first[0]}: {first[1]}"
            raise DataError(name, cause, f"give {LEAST} or more, better 30")
        chosen = choose_held(name, own, unit, held_back, seed)
        held += chosen
        shapes = {look.shape for at in own if isinstance(look := looks[at], Look)}
        found[name] = Found(
            len(own) - len(chosen), len(chosen), broken, repeated[name], shapes.pop() if len(shapes) == 1 else ""
        )
    outside = set(held)
    fitting = [at for at in kept if at not in outside]
    to_fit = [(flat[at][1], look.pixels) for at in fitting if isinstance(look := looks[at], Look)]
    to_hold = [(flat[at][1], look.pixels) for at in sorted(held) if isinstance(look := looks[at], Look)]
    fitted = embed_versions(
        detector, to_fit, copies or Copies(), seed, workers, lambda: report("embedding", 1, len(kept))
    )
    vectors_held = embed_several(
        detector, [sample for sample, _ in to_hold], crops, workers, lambda: report("embedding", 1, len(kept))
    )
    return NewImages(
        joined(fitted, [sample for sample, _ in to_fit], [flat[at][0] for at in fitting]),
        joined(vectors_held, [sample for sample, _ in to_hold], [flat[at][0] for at in sorted(held)]),
        found,
        to_fit,
        to_hold,
    )


def embed_versions(  # noqa: PLR0917 - as of one call
    detector: Detector,
    samples: Sequence[tuple[Sample, str]],
    copies: Copies,
    seed: int,
    workers: int | None,
    step: Callable[[], None],
) -> list[NDArray[np.float32]]:
    """(1 + copies, D) embeddings of the centre crops of each image and its copies; `step` is called after each."""

    def centres(item: tuple[Sample, str]) -> NDArray[np.float32]:
        pictures = with_copies(picture_of(item[0]), item[1], copies, seed)
        return np.concatenate([detector.embed_crops(picture, 1, threads=1)[:1] for picture in pictures])

    found = []
    for vectors in each(centres, samples, workers):
        found.append(vectors)
        step()
    return found


def embed_several(
    detector: Detector, samples: Sequence[Sample], crops: int, workers: int | None, step: Callable[[], None]
) -> list[NDArray[np.float32]]:
    """(n, D) embeddings of the crops of each image, in order; `step` is called after each."""
    found = []
    for vectors in each(lambda sample: detector.embed_crops(picture_of(sample), crops, threads=1), samples, workers):
        found.append(vectors)
        step()
    return found


def digest_of(picture: Picture) -> str:
    """Hex digest of a picture's pixels."""
    return hashlib.sha256(
        repr(picture.pixels.shape).encode() + np.ascontiguousarray(picture.pixels).tobytes()
    ).hexdigest()


def picture_of(sample: Sample) -> Picture:
    """Reads an image."""
    return read(read_bytes(sample.image), name=sample.image.address)


def _look(sample: Sample) -> Look | str:
    try:
        picture = picture_of(sample)
    except (ImageError, DataError) as error:
        return error.cause
    shape = f"{picture.format or 'pixels'}, {picture.width} x {picture.height}"
    return Look(digest_of(picture), perceptual_hashes(picture.pixels), shape)


def with_copies(picture: Picture, digest: str, copies: Copies, seed: int) -> Iterator[Picture]:
    """A picture, then its transformed copies.

    Args:
        picture: The picture.
        digest: Of its pixels; decides the transformations, together with the seed.
        copies: How many, and of which operations.
        seed: Of the transformations.
    """
    from PIL import Image  # noqa: PLC0415 - only where copies are made

    from contrafake.images.transforms import POOLS, apply_chain, sample_chain  # noqa: PLC0415

    yield picture
    for copy in range(copies.count):
        rng = np.random.default_rng([seed + 1 + copy, zlib.crc32(digest.encode())])
        chain = sample_chain(rng, copies.most, POOLS[copies.pool])
        yield replace(picture, pixels=np.asarray(apply_chain(Image.fromarray(picture.pixels), chain)))


def joined(parts: list[NDArray[np.float32]], samples: Sequence[Sample], names: Sequence[str]) -> Embedded:
    """The rows of each image in one array, under the names given."""
    origins, sources = np.empty(len(samples), object), np.empty(len(samples), object)
    origins[:] = names
    sources[:] = [sample.source for sample in samples]
    return Embedded(
        vectors=np.concatenate(parts),
        owner=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        labels=np.array([sample.label for sample in samples], np.int64),
        origins=origins,
        sources=sources,
        broken={},
    )


def each(measure: Callable[[Item], Result], items: Sequence[Item], workers: int | None) -> Iterator[Result]:
    """Results in order, a few of them computed ahead; what waits is dropped when one fails or nobody asks for more."""
    count = workers or os.cpu_count() or 1
    pool, pending = ThreadPoolExecutor(count), deque[Future[Result]]()
    try:
        for item in items:
            pending.append(pool.submit(measure, item))
            if len(pending) > 2 * count:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
