"""The hashes by which duplicates are found: from the index of a packed set, else by reading the images."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, cast

import numpy as np

from contrafake.data.fingerprint import perceptual_hashes
from contrafake.data.location import read_bytes
from contrafake.data.parallel import in_chunks, map_in_order
from contrafake.data.sources import samples_of
from contrafake.data.splitting.columns import from_index
from contrafake.errors import ContrafakeError
from contrafake.images import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from contrafake.data.location import Location
    from contrafake.data.sources import Source
    from contrafake.data.splitting.columns import Columns

AT_ONCE = 32
"""Images that a worker reads between two reports."""

_Measured = tuple[bytes, int, int] | str


@dataclass
class Hashes:
    """Hashes of N images, in the order of the listing.

    Attributes:
        sha256: (N,) S16, the first half of each digest of the bytes.
        phash: (N,) uint64 first perceptual hashes.
        phash2: (N,) uint64 second ones.
        unreadable: Cause by row, for images that cannot be decoded.
        read: How many images had to be read, since no index knew them.
    """

    sha256: NDArray[np.bytes_]
    phash: NDArray[np.uint64]
    phash2: NDArray[np.uint64]
    unreadable: dict[int, str] = field(default_factory=dict)
    read: int = 0

    def clusters(self) -> NDArray[np.int64]:
        """(N,) cluster of exact and near duplicates of each image; unreadable ones stand alone."""
        from contrafake.data.audit.duplicates import duplicate_clusters  # noqa: PLC0415 - brings scipy

        clusters = duplicate_clusters(cast("Sequence[str]", self.sha256), self.phash, self.phash2)
        broken = np.fromiter(self.unreadable, np.int64, len(self.unreadable))
        clusters[broken] = clusters.max() + 1 + np.arange(len(broken))
        return clusters

    def under_both_labels(self, generated: NDArray[np.bool_]) -> list[tuple[int, int]]:
        """Rows of a real and a generated image with the same bytes, one pair for each such content.

        Args:
            generated: (N,) which images are generated.
        """
        readable = np.ones(len(generated), np.bool_)
        readable[list(self.unreadable)] = False
        real, fake = (np.flatnonzero(readable & (generated == label)) for label in (False, True))
        _, ours, theirs = np.intersect1d(self.sha256[real], self.sha256[fake], return_indices=True)
        return list(zip(real[ours].tolist(), fake[theirs].tolist(), strict=True))


def hashes_of(source: Source, columns: Columns, workers: int, step: Callable[[int], None] = lambda _: None) -> Hashes:
    """The hashes of all images; a broken image is named and stops nothing.

    Args:
        source: The set.
        columns: Its columns.
        workers: Processes that read images.
        step: Called with the number of images done since the last call.

    Raises:
        DataError: An index is damaged, or a worker was killed.
    """
    count = len(columns)
    hashes = Hashes(np.zeros(count, "S16"), np.zeros(count, np.uint64), np.zeros(count, np.uint64))
    known = np.zeros(count, np.bool_)
    for here, table in from_index(columns, ["sha256", "phash", "phash2"]):
        hashes.sha256[here] = [bytes.fromhex(sha)[:16] for sha in table.column("sha256").to_pylist()]
        hashes.phash[here] = table.column("phash").to_numpy()
        hashes.phash2[here] = table.column("phash2").to_numpy()
        known[here] = True
    step(int(known.sum()))
    rows = np.flatnonzero(~known)
    hashes.read = len(rows)
    if not len(rows):
        return hashes
    locations = in_chunks(_locations(source, known), AT_ONCE)
    measured = chain.from_iterable(map_in_order(measure_chunk, locations, min(workers, 1 + len(rows) // AT_ONCE)))
    for row, found in zip(rows, measured, strict=True):
        if isinstance(found, str):
            hashes.unreadable[int(row)] = found
        else:
            hashes.sha256[row], hashes.phash[row], hashes.phash2[row] = found
        step(1)
    return hashes


def measure_chunk(locations: list[Location]) -> list[_Measured]:
    """Half the sha256 and both perceptual hashes of each image, or why it cannot be read."""
    return [_measure(location) for location in locations]


def _measure(location: Location) -> _Measured:
    try:
        data = read_bytes(location)
        first, second = perceptual_hashes(read(data, name=location.address).pixels)
    except ContrafakeError as error:
        return error.cause
    return hashlib.sha256(data).digest()[:16], first, second


def _locations(source: Source, known: NDArray[np.bool_]) -> Iterator[Location]:
    row = 0
    for item in source:
        for sample in samples_of(item):
            if not known[row]:
                yield sample.image
            row += 1
