"""What a step sees: every process and worker takes its slice of the step's records, decodes each image once, cuts it.

The records of a step, and everything that is drawn for them, follow from seed and step alone. So the feed's position
is the number of the step: a run that goes on there sees what it would have seen.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from contrafake.data.sample import GENERATED, REAL
from contrafake.errors import ConfigError, ContrafakeError, DataError, ImageError, ImageTooLargeError
from contrafake.images import read
from contrafake.train.batch import Batch, Layout, Packed
from contrafake.train.order import make_order
from contrafake.train.views import VIEWS, cut_views, draw_views

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from contrafake.data.listing import Listing
    from contrafake.train.config import DataConfig, ViewConfig
    from contrafake.train.views import ViewPlan

ATTEMPTS = 20  # draws for one slot before a set counts as broken
VIEW_STREAM = 4  # of chance; `order` has the others
LONGEST = 100  # sides: a longer strip shows nothing, and mirrored or resized to a view's side it would fill the memory
AHEAD = 4 * 2**30  # bytes of batches that the workers of a process hold ready; more only where one each is more


@dataclass(frozen=True)
class _Image:
    """A decoded image, with its views or with what they will be cut from.

    Attributes:
        row: Its row in the listing.
        origin: "class/origin".
        pixels: (H, W, 3) uint8, empty where the views are cut.
        plans: How its views are cut.
        views: (S, S, 3) uint8 each, in the order of the plans; none where the device cuts.
    """

    row: int
    origin: str
    pixels: NDArray[np.uint8]
    plans: tuple[ViewPlan, ...]
    views: list[NDArray[np.uint8]]


class Steps(Dataset[Batch | ContrafakeError]):
    """Maps the number of a part to its batch: part m of step s has the number s * accumulate + m.

    Step s takes the positions s * records, ..., (s + 1) * records - 1 of the order. Part m of process r takes a slice
    of them, the (m * world + r)-th: which process and which worker cuts a record changes nothing of it.

    Indexing gives the error instead of raising it: torch cannot carry our errors out of a worker process (it builds
    them anew from one text). `batches` raises it.
    """

    def __init__(
        self,
        listing: Listing,
        data: DataConfig,
        views: ViewConfig,
        *,
        size: int,
        records: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        accumulate: int = 1,
        on_device: bool = False,
    ) -> None:
        """Prepares the order.

        Args:
            listing: The images.
            data: The order of records, the number of generated images, and whether a broken image stops the run.
            views: Which views are drawn, and how they are cut.
            size: Side of the views in pixels.
            records: Records per step, over all processes and parts.
            seed: Decides the order and all views.
            rank: Number of this process.
            world: Number of processes.
            accumulate: Parts of a step that a process computes one after another.
            on_device: Whether batches hold whole images, to be cut by `Batch.cut`.

        Raises:
            ConfigError: If the records cannot be shared out evenly, two or more for each part.
            DataError: If a class is empty, or paired records and lone samples are mixed.
        """
        self.share = share_out(records, world, accumulate)
        self._listing = listing
        self._order = make_order(listing, data, seed)
        self._generated = data.generated_per_record
        self._strict = data.strict
        self._config = views
        self._size = size
        self._records = records
        self._seed = seed
        self._rank = rank
        self._world = world
        self._accumulate = accumulate
        self._on_device = on_device

    def __getitem__(self, number: int) -> Batch | ContrafakeError:
        """The batch of a part, or why there is none."""
        try:
            return self.batch(number)
        except ContrafakeError as error:
            return error

    def batch(self, number: int) -> Batch:
        """Builds the batch of a part; depends on nothing but seed, number and the images' bytes.

        Raises:
            DataError: If one draw after another cannot be read, or, under `strict`, the first.
        """
        started = time.thread_time()
        step, part = divmod(number, self._accumulate)
        first = step * self._records + (part * self._world + self._rank) * self.share
        layout = Layout(0 if self._on_device else self.share, self._generated, self._size, self._config)
        images: tuple[list[_Image], list[_Image]] = ([], [])
        origins: list[str] = []
        broken: list[str] = []
        for position in range(first, first + self.share):
            for place, image in enumerate(self._record(position, broken)):
                label = GENERATED if place else REAL
                layout.put(label, len(images[label]), image.views)
                image.views.clear()  # they lie in the layout now
                images[label].append(image)
                origins.append(image.origin)
        packed = _pack([*images[REAL], *images[GENERATED]]) if self._on_device else None
        codes = [self._listing.origin[[image.row for image in kind]].astype(np.int64) for kind in images]
        return Batch(
            *layout.tensors(),
            packed=packed,
            origin_codes=(torch.from_numpy(codes[REAL]), torch.from_numpy(codes[GENERATED])),
            origins=origins,
            broken=broken,
            cpu_seconds=time.thread_time() - started,
        )

    def batch_bytes(self) -> int:
        """Roughly the memory that a batch takes."""
        images = self.share * (1 + self._generated)
        if self._on_device:
            return images * 2**20  # 600 x 600 pixels
        config = self._config
        return 3 * images * (len(VIEWS) * self._size**2 + config.native_locals * config.native_size**2)

    def _record(self, position: int, broken: list[str]) -> list[_Image]:
        """A real image and its generated ones; drawn anew where one of them cannot be used.

        Of lone images only those that are broken are replaced, so that no other drops out of its epoch.
        """
        found: dict[int, _Image] = {}
        for attempt in range(ATTEMPTS):
            real, generated = self._order.draw(position, attempt)
            if self._order.paired:
                found.clear()
            for place, row in enumerate((real, *generated)):
                if place in found:
                    continue
                rng = np.random.default_rng([self._seed, VIEW_STREAM, attempt, place, position])
                try:
                    found[place] = self._image(row, rng)
                except ImageError as error:
                    if self._strict:
                        raise DataError(error.subject, error.cause, "without data.strict it is replaced") from error
                    broken.append(str(error))
                    if self._order.paired:
                        break
            if len(found) == 1 + len(generated):
                return [found[place] for place in range(len(found))]
        cause = f"{ATTEMPTS} draws in a row could not be read; the last: {broken[-1]}"
        raise DataError("training data", cause)

    def _image(self, row: int, rng: np.random.Generator) -> _Image:
        """Decodes an image, the only time, and draws its views.

        Raises:
            ImageError: If it cannot be used.
        """
        sample = self._listing[row]
        name = sample.image.address  # a key alone says nothing of the shard
        pixels = read(self._listing.read(row), name=name).pixels
        height, width = pixels.shape[:2]
        if max(height, width) > LONGEST * min(height, width):
            raise ImageTooLargeError(name, f"{height} x {width} pixels are too elongated")
        plans = draw_views(self._config, height, width, self._size, rng)
        origin = f"{'generated' if sample.label else 'real'}/{sample.origin}"
        if self._on_device:
            return _Image(row, origin, pixels, plans, [])
        return _Image(row, origin, _NOTHING, plans, cut_views(pixels, plans, self._config))


def share_out(records: int, world: int, accumulate: int) -> int:
    """Records of one part of a step in one process.

    Raises:
        ConfigError: If they cannot be shared out evenly, two or more for each part.
    """
    share, rest = divmod(records, world * accumulate)
    if rest or share < 2:
        cause = f"{records} records cannot be shared out to {world} processes x {accumulate} parts"
        raise ConfigError("optimizer.records", cause, "each part needs the same number, at least 2")
    return share


def batches(steps: Steps, numbers: Iterable[int], workers: int, *, pin: bool = False) -> Iterator[Batch]:
    """Yields the batches of the given numbers in order.

    Args:
        steps: Makes them.
        numbers: Which; see `Steps`.
        workers: Processes that make them ahead of time; 0 makes them here, each when it is asked for.
        pin: Whether to hold them in page-locked memory, from where a GPU fetches them faster.

    Raises:
        DataError: If a batch cannot be made, or a worker dies.
    """
    options: dict[str, Any] = {}
    if workers:
        options["prefetch_factor"] = min(max(AHEAD // (workers * steps.batch_bytes()), 1), 4)
    loader = DataLoader(
        steps,
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        collate_fn=_unchanged,
        pin_memory=pin,
        **options,
    )
    with naming_dead_workers():
        for found in loader:
            if isinstance(found, ContrafakeError):
                raise found
            yield found


@contextmanager
def naming_dead_workers() -> Iterator[None]:
    """Makes an error of ours of a worker's death, which torch reports wherever the program happens to be.

    Raises:
        DataError: If a worker died.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker (pid"):
            raise
        remedy = "often for want of memory: choose fewer runtime.workers, or give /dev/shm more room"
        raise DataError("training data", f"a process that reads it died: {error}", remedy) from error


_NOTHING = np.empty((0, 0, 3), np.uint8)


def _pack(images: list[_Image]) -> Packed:
    """Whole images, for the device to cut."""
    pixels = np.concatenate([image.pixels.reshape(-1) for image in images])
    sizes = [(image.pixels.shape[0], image.pixels.shape[1]) for image in images]
    return Packed(torch.from_numpy(pixels), sizes, [image.plans for image in images])


def _unchanged(found: Any) -> Any:
    return found
