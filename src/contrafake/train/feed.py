"""Which images a step sees, and their views: a pure function of seed and step, so that a resumed run sees the same."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from contrafake.data.sample import GENERATED, REAL
from contrafake.errors import ContrafakeError, DataError, ImageError
from contrafake.images import read
from contrafake.train.views import make_views

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from contrafake.data import Sample, ShardSet
    from contrafake.train.config import ViewConfig

ATTEMPTS = 20  # draws for one slot before a set counts as broken


class Sampler:
    """Draws pairs of one real and one generated image, 1:1.

    Paired records are drawn uniformly, then one of their generated images uniformly (as the official code does). Lone
    samples are drawn per class: an origin with probability proportional to the square root of its size, so that small
    generators are seen and large ones still weigh more, then one of its images uniformly.
    """

    def __init__(self, shards: ShardSet) -> None:
        """Groups the samples.

        Raises:
            DataError: If a class is empty, or paired records and lone samples are mixed.
        """
        if shards.records and shards.samples:
            raise DataError("training data", "paired records and lone samples are mixed", "train on one kind")
        self._records = shards.records
        self._origins: dict[int, list[list[Sample]]] = {}
        self._weights: dict[int, NDArray[np.float64]] = {}
        if self._records:
            return
        for label, name in ((REAL, "real"), (GENERATED, "generated")):
            origins: dict[str, list[Sample]] = defaultdict(list)
            for sample in shards.samples:
                if sample.label == label:
                    origins[sample.origin].append(sample)
            if not origins:
                raise DataError("training data", f"there is no {name} image", "both classes are needed")
            self._origins[label] = [origins[name] for name in sorted(origins)]
            roots = np.sqrt([len(group) for group in self._origins[label]])
            self._weights[label] = roots / roots.sum()

    def draw(self, rng: np.random.Generator) -> tuple[Sample, Sample]:
        """One real and one generated sample; siblings where the data is paired."""
        if self._records:
            record = self._records[rng.integers(len(self._records))]
            return record.real, record.generated[rng.integers(len(record.generated))]
        return self._draw_lone(REAL, rng), self._draw_lone(GENERATED, rng)

    def _draw_lone(self, label: int, rng: np.random.Generator) -> Sample:
        group = self._origins[label][rng.choice(len(self._weights[label]), p=self._weights[label])]
        return group[rng.integers(len(group))]


@dataclass(frozen=True)
class Batch:
    """The views of one step.

    Attributes:
        views: (8 * B, S, S, 3) uint8: the four views of the B real images, view by view, then the generated ones'.
        origins: "class/origin" of every image drawn, for the record of realised draws.
        broken: Images that could not be read and were replaced by another draw, with the cause.
        cpu_seconds: Processor time that reading and cutting took.
    """

    views: Tensor
    origins: list[str]
    broken: list[str]
    cpu_seconds: float


class Steps(Dataset[Batch | ContrafakeError]):
    """Maps a step number to its batch.

    Indexing gives the error instead of raising it: torch cannot carry our errors out of a worker process (it builds
    them anew from one text). `batches` raises it.
    """

    def __init__(self, shards: ShardSet, config: ViewConfig, *, size: int, records: int, seed: int) -> None:
        """Prepares the sampler; see `Batch` for what comes out."""
        self._shards = shards
        self._sampler = Sampler(shards)
        self._config = config
        self._size = size
        self._records = records
        self._seed = seed

    def __getitem__(self, step: int) -> Batch | ContrafakeError:
        """The batch of a step, or why there is none."""
        try:
            return self.batch(step)
        except ContrafakeError as error:
            return error

    def batch(self, step: int) -> Batch:
        """Builds the batch of a step; depends on nothing but seed, step and the images' bytes.

        Raises:
            DataError: If one draw after another cannot be read.
        """
        started = time.thread_time()
        views = np.empty((2, 4, self._records, self._size, self._size, 3), np.uint8)
        origins: list[str] = []
        broken: list[str] = []
        for slot in range(self._records):
            rng = np.random.default_rng([self._seed, step, slot])
            for side, (sample, cut) in enumerate(self._pair(rng, broken)):
                views[side, :, slot] = cut
                origins.append(f"{'generated' if sample.label else 'real'}/{sample.origin}")
        flat = torch.from_numpy(views.reshape(-1, self._size, self._size, 3))
        return Batch(flat, origins, broken, time.thread_time() - started)

    def _pair(self, rng: np.random.Generator, broken: list[str]) -> list[tuple[Sample, NDArray[np.uint8]]]:
        """A real and a generated sample with their four views; drawn anew while one of them cannot be used."""
        for _ in range(ATTEMPTS):
            pair = self._sampler.draw(rng)
            try:
                pictures = [read(self._shards.read(sample.image), name=sample.key) for sample in pair]
                views = [make_views(picture.pixels, self._config, self._size, rng) for picture in pictures]
                return list(zip(pair, views, strict=True))
            except ImageError as error:
                broken.append(str(error))
        raise DataError("training data", f"{ATTEMPTS} draws in a row could not be read; the last: {broken[-1]}")


def batches(steps: Steps, numbers: Iterable[int], workers: int) -> Iterator[Batch]:
    """Yields the batches of the given steps in order, cut by `workers` processes ahead of time (0: here and now).

    Raises:
        DataError: If a batch cannot be made.
    """
    options: dict[str, Any] = {"prefetch_factor": 4} if workers else {}
    loader = DataLoader(
        steps, batch_size=None, sampler=list(numbers), num_workers=workers, collate_fn=_unchanged, **options
    )
    for found in loader:
        if isinstance(found, ContrafakeError):
            raise found
        yield found


def _unchanged(found: Any) -> Any:
    return found
