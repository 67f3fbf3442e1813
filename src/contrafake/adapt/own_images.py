"""The images that a user names to adapt a model: found, read once, embedded at several numbers of crops."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from contrafake.data.location import File, read_bytes
from contrafake.data.sample import LABELS, Sample
from contrafake.data.sources import open_source, samples_of
from contrafake.data.sources.listing import list_folder
from contrafake.data.sources.source import Census
from contrafake.errors import DataError, ImageError
from contrafake.images import read
from contrafake.train.embedded import Embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from contrafake.detect.detector import Detector

_NAMES = {code: name for name, code in LABELS.items() if name in {"real", "generated"}}


@dataclass(frozen=True, eq=False)
class OwnImages:
    """Embeddings of one's own images, all made from the same files.

    Attributes:
        by_crops: Embeddings by number of crops; labels, origins, sources and the order of images are the same in all.
        keys: (N,) names of the images that could be read, in their order.
        broken: Cause by name, of images that could not be read.
        repeated: Names of images whose bytes stood there before; they are left out.
        hashes: (N,) SHA-256 of the images' bytes.
        groups: (N,) what belongs together, "" where that is not known.
    """

    by_crops: dict[int, Embedded]
    keys: tuple[str, ...]
    broken: dict[str, str]
    repeated: tuple[str, ...]
    hashes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) 0 = real, 1 = generated."""
        return next(iter(self.by_crops.values())).labels


def find_own(path: str | os.PathLike[str], label: Literal[0, 1], origin: str = "") -> list[Sample]:
    """The images of one class under a path.

    Args:
        path: A folder of images, at any depth, of which each first folder is a source of its own; an image; or a set
            with labels (shards, a manifest, a Parquet file, what `contrafake data info` knows), of which the images of
            the class are taken.
        label: 0 = real, 1 = generated.
        origin: What they are called; "" takes the folder's or the set's name for it.

    Raises:
        DataError: There is none.
    """
    root = Path(path)
    if not root.exists() and "*" not in str(path):
        raise DataError(str(path), "no such file or folder", "check the path")
    samples = _plain(root, label, origin) or _labelled(str(path), label, origin)
    if not samples:
        raise DataError(str(path), f"holds no {_NAMES[label]} image", "name a folder of images, or a labelled set")
    return samples


def embed_own(
    detector: Detector,
    samples: Sequence[Sample],
    crops: Sequence[int],
    *,
    workers: int | None = None,
    report: Callable[[str, int, int | None], None] = lambda doing, done, total: None,
) -> OwnImages:
    """Embeds images at several numbers of crops; each is read once, and the same bytes count once.

    Args:
        detector: Whose encoder embeds.
        samples: The images.
        crops: Numbers of crops, each at least 1.
        workers: Images at a time; None takes one for each core. The result does not depend on it.
        report: Called with what is being done, the steps done since the last call, and the number of all steps.

    Raises:
        DataError: None of them could be read.
    """
    counts = sorted(set(crops))

    def measure(sample: Sample) -> tuple[str, dict[int, NDArray[np.float32]]] | str:
        try:
            data = read_bytes(sample.image)
            picture = read(data, name=sample.image.address)
            return hashlib.sha256(data).hexdigest(), {
                count: detector.embed_crops(picture, count, threads=1) for count in counts
            }
        except (ImageError, DataError) as error:
            return error.cause

    kept: list[Sample] = []
    vectors: dict[int, list[NDArray[np.float32]]] = {count: [] for count in counts}
    broken: dict[str, str] = {}
    repeated: list[str] = []
    seen: dict[str, None] = {}
    for sample, found in zip(samples, _ahead(measure, samples, workers or os.cpu_count() or 1), strict=True):
        report("embedding", 1, len(samples))
        if isinstance(found, str):
            broken[sample.key] = found
        elif found[0] in seen:
            repeated.append(sample.key)
        else:
            seen[found[0]] = None
            kept.append(sample)
            for count in counts:
                vectors[count].append(found[1][count])
    if not kept:
        raise DataError("images", f"none of {len(samples)} could be read, the first: {next(iter(broken.values()), '')}")
    labels = np.array([sample.label for sample in kept], np.int64)
    origins, sources = np.empty(len(kept), object), np.empty(len(kept), object)
    origins[:] = [sample.origin for sample in kept]
    sources[:] = [sample.source for sample in kept]
    by_crops = {
        count: Embedded(
            np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts]), labels, origins,
            sources, broken,
        )
        for count, parts in vectors.items()
    }  # fmt: skip
    keys, groups = tuple(sample.key for sample in kept), tuple(sample.group for sample in kept)
    return OwnImages(by_crops, keys, broken, tuple(repeated), tuple(seen), groups)


def _plain(root: Path, label: Literal[0, 1], origin: str) -> list[Sample]:
    """Images in files; none where the path is a set with labels of its own."""
    if root.is_file():
        data = root.suffix.lower() in {".tar", ".csv", ".tsv", ".jsonl", ".parquet"}
        name = origin or root.parent.resolve().name
        return [] if data else [Sample(root.name, label, name, name, "", File(str(root)))]
    if not root.is_dir() or any(root.glob("*.tar")) or any(root.glob("*.parquet")):
        return []
    top, name, census = str(root), origin or root.resolve().name, Census()
    samples: list[Sample] = []
    waiting, seen = [("", "")], set[tuple[int, int]]()
    while waiting:
        folder, source = waiting.pop()
        status = os.stat(os.path.join(top, folder))  # noqa: PTH116, PTH118 - plain strings keep odd names
        if (status.st_dev, status.st_ino) in seen:  # links may go round in circles
            continue
        seen.add((status.st_dev, status.st_ino))
        images, folders = list_folder(os.path.join(top, folder), census)  # noqa: PTH118
        for image in images:
            key = os.path.join(folder, image)  # noqa: PTH118
            samples.append(Sample(key, label, name, source or name, "", File(os.path.join(top, key))))  # noqa: PTH118
        waiting += [(os.path.join(folder, inner), source or inner) for inner in reversed(folders)]  # noqa: PTH118
    return samples


def _labelled(path: str, label: Literal[0, 1], origin: str) -> list[Sample]:
    found = [sample for item in open_source(path) for sample in samples_of(item) if sample.label == label]
    if not origin:
        return found
    return [Sample(one.key, label, origin, one.source, one.group, one.image, one.split, one.metadata) for one in found]


def _ahead(
    measure: Callable[[Sample], tuple[str, dict[int, NDArray[np.float32]]] | str],
    samples: Sequence[Sample],
    workers: int,
) -> Iterator[tuple[str, dict[int, NDArray[np.float32]]] | str]:
    """Results in order, a few of them computed ahead."""
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[tuple[str, dict[int, NDArray[np.float32]]] | str]] = deque()
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
