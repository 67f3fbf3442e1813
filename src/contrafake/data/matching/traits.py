"""What matching must know of each image before it can draw a law: a few numbers an image."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from contrafake.data.location import read_bytes
from contrafake.data.parallel import in_chunks, map_in_order
from contrafake.data.sample import Record, Sample
from contrafake.data.sources.source import samples_of
from contrafake.errors import ContrafakeError
from contrafake.images import encode, jpeg_facts, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from contrafake.data.sources.source import Item
    from contrafake.images import JpegFacts

FORMATS = ("JPEG", "WEBP", "PNG")
SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")

TRAITS = np.dtype(
    [
        ("key", "u8"),  # hash of the key
        ("group", "u8"),  # hash of the record's or group's name, 0 for none
        ("split", "i4"),  # place in `Survey.splits`
        ("label", "i1"),
        ("paired", "?"),  # of a record
        ("readable", "?"),
        ("width", "i4"),  # upright, as all sizes here
        ("height", "i4"),
        ("format", "i1"),  # place in FORMATS of what it would be written as
        ("lossy", "?"),
        ("quality", "i1"),  # of a JPEG: libjpeg's nearest, else -1
        ("subsampling", "i1"),  # place in SUBSAMPLINGS of the nearest
        ("content", "u8"),  # start of the SHA-256 of its bytes
        ("described", "u8"),  # hash of origin, source, group and split
    ]
)

SHOWN = 200
"""How many unreadable images are named; all are counted."""

_LOSSY = {"JPEG", "MPO", "AVIF", "HEIF", "HEIC"}
_NEAREST = {"4:4:4": 0, "4:2:2": 1, "4:4:0": 1}


class Traits(NamedTuple):
    """The measured columns of one readable image, as in `TRAITS`."""

    width: int
    height: int
    format: int
    lossy: bool
    quality: int
    subsampling: int
    content: int


@dataclass
class Survey:
    """What a first look at a whole set found.

    Attributes:
        traits: (N,) of dtype `TRAITS`, in the order of the listing, one row an image.
        splits: Names of the splits.
        unreadable: (key, cause) of images that could not be read, at most `SHOWN`.
        unreadable_count: How many there were.
    """

    traits: NDArray[Any] = field(default_factory=lambda: np.zeros(0, TRAITS))
    splits: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    unreadable_count: int = 0


def survey(items: Iterable[Item], workers: int, advance: Callable[[int], None] = lambda _steps: None) -> Survey:
    """Decodes every image once and keeps a few numbers of each.

    Decoding now, and not only headers, means that the law is drawn from images that can truly be used.

    Args:
        items: The set.
        workers: Processes.
        advance: Called with the number of images done since the last call.
    """
    found, chunks = Survey(), [np.zeros(0, TRAITS)]
    places: dict[str, int] = {}
    images = ((item, sample) for item in items for sample in samples_of(item))
    for chunk in in_chunks(_measured(images, workers, advance), 4096):
        rows = np.zeros(len(chunk), TRAITS)
        for row, (item, sample, traits) in zip(rows, chunk, strict=True):
            row["key"], row["group"] = number(sample.key), _group(item, sample)
            row["split"] = places.setdefault(sample.split, len(places))
            row["label"], row["paired"] = sample.label, isinstance(item, Record)
            row["described"] = number("\0".join((sample.origin, sample.source, sample.group, sample.split)))
            if isinstance(traits, str):
                found.unreadable_count += 1
                if len(found.unreadable) < SHOWN:
                    found.unreadable.append((sample.key, traits))
            else:
                row["readable"] = True
                for name, value in zip(Traits._fields, traits, strict=True):
                    row[name] = value
        chunks.append(rows)
    found.traits, found.splits = np.concatenate(chunks), list(places)
    return found


def number(text: str) -> int:
    """A stable 64-bit number of a name."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def traits_of(data: bytes, name: str = "<bytes>") -> Traits:
    """The measured facts of one image.

    Raises:
        ImageError: It cannot be read.
    """
    picture = read(data, name=name)
    height, width = picture.pixels.shape[:2]
    content = int((picture.sha256 or "0")[:16], 16)
    if picture.format in {"JPEG", "MPO"}:
        facts = jpeg_facts(data, name)
        return Traits(width, height, 0, True, nearest_quality(facts), _NEAREST.get(facts.subsampling, 2), content)
    if picture.format == "WEBP":
        lossy = b"VP8L" not in _webp_chunks(data)
        return Traits(width, height, 1 if lossy else 2, lossy, -1, 2, content)
    lossy = picture.format in _LOSSY
    return Traits(width, height, 0 if lossy else 2, lossy, -1, 2, content)


def nearest_quality(facts: JpegFacts) -> int:
    """The quality of libjpeg, or for foreign tables the one whose brightness table is nearest in the mean."""
    if facts.quality is not None:
        return facts.quality
    if not facts.tables or not facts.tables[0]:
        return -1
    apart = np.abs(_tables() - np.array(facts.tables[0], np.float64)).mean(axis=1)
    return int(apart.argmin()) + 1


@cache
def _tables() -> NDArray[np.float64]:
    grey = np.zeros((8, 8, 3), np.uint8)
    return np.array([jpeg_facts(encode(grey, "JPEG", quality)).tables[0] for quality in range(1, 101)], np.float64)


def _webp_chunks(data: bytes) -> set[bytes]:
    names, at = set(), 12
    while at + 8 <= len(data):
        names.add(data[at : at + 4])
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    return names


def _group(item: Item, sample: Sample) -> int:
    if isinstance(item, Record):
        return number(f"record {item.key}")
    return number(f"group {sample.split} {sample.group}") if sample.group else 0


def _measured(
    images: Iterable[tuple[Item, Sample]], workers: int, advance: Callable[[int], None]
) -> Iterator[tuple[Item, Sample, Traits | str]]:
    waiting: deque[tuple[Item, Sample]] = deque()

    def samples() -> Iterator[Sample]:
        for item, sample in images:
            waiting.append((item, sample))
            yield sample

    for traits in map_in_order(_measure, samples(), workers, ahead=8):
        advance(1)
        yield *waiting.popleft(), traits


def _measure(sample: Sample) -> Traits | str:
    try:
        return traits_of(read_bytes(sample.image), sample.image.address)
    except ContrafakeError as error:
        return error.cause
