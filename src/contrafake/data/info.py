"""What is in a set: counts, sizes, formats, by split, class and origin."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.header import image_header, size_in_bytes
from contrafake.data.origins import SPLITS
from contrafake.data.parallel import in_chunks, map_in_order
from contrafake.data.sources import samples_of
from contrafake.data.sources.source import CLASS_NAMES
from contrafake.data.splitting.columns import NO_SPLIT, from_index, list_columns
from contrafake.errors import ContrafakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from contrafake.data.location import Location
    from contrafake.data.sources import Source
    from contrafake.data.splitting.columns import Columns

SCHEMA_VERSION = 1
SHOWN = 20
AT_ONCE = 256

_Header = tuple[str, int, int, int] | tuple[str, str]


@dataclass(frozen=True)
class OriginInfo:
    """One origin of one class.

    Attributes:
        name: The origin.
        label: 0 or 1.
        family: Its family, "" for real ones or where nobody said.
        kind: "latent diffusion", "GAN" ...
        seen: Whether training sees it; None where nobody said.
        counts: Images by split, "" for none.
        sources: Number of sources.
        width: Median width in pixels, None where no size is known.
        height: Median height.
        formats: Images by format.
        bytes: Bytes of all its images, None where unknown.
    """

    name: str
    label: int
    family: str
    kind: str
    seen: bool | None
    counts: dict[str, int]
    sources: int
    width: int | None
    height: int | None
    formats: dict[str, int]
    bytes: int | None

    @property
    def images(self) -> int:
        """Number of images in all splits."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class DataInfo:
    """A set in numbers.

    Attributes:
        name: Last part of its path.
        layout: The layout's name.
        classes: What label 0 and label 1 are called.
        splits: Images by split ("" for none), then by class.
        origins: Label 0 first, by name.
        sources: Number of sources by class.
        groups: Number of groups.
        records: Number of paired records.
        bytes: Bytes of all images, None where unknown.
        unreadable: How many headers could not be read.
        unreadable_examples: (key, cause) of the first of them.
        skipped: Lines on what the listing left out.
        notes: What else the listing says.
    """

    name: str
    layout: str
    classes: tuple[str, str]
    splits: dict[str, dict[str, int]]
    origins: list[OriginInfo]
    sources: dict[str, int]
    groups: int
    records: int
    bytes: int | None
    unreadable: int
    unreadable_examples: list[tuple[str, str]]
    skipped: list[str]
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe values, with `schema_version`."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


@dataclass
class _Sizes:
    """Width, height (0 for unknown), bytes (-1 for unknown) and format of each image."""

    width: NDArray[np.int32]
    height: NDArray[np.int32]
    bytes: NDArray[np.int64]
    format: NDArray[np.int16]
    formats: list[str] = field(default_factory=lambda: [""])
    broken: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)

    def code(self, name: str) -> int:
        if name not in self.formats:
            self.formats.append(name)
        return self.formats.index(name)


def data_info(
    source: Source, *, sizes: bool = True, workers: int = 1, step: Callable[[int], None] = lambda _: None
) -> DataInfo:
    """Counts what is in a set; no pixels are decoded.

    Args:
        source: The set.
        sizes: Whether to look at sizes, formats and bytes, from an index or the headers of the files.
        workers: Processes that read headers.
        step: Called with the number of images whose header is known since the last call.

    Raises:
        DataError: The set is unreadable or empty.
    """
    columns = list_columns(source)
    census = source.census
    found = _sizes(source, columns, workers, step) if sizes else None
    names = CLASS_NAMES[source.task]
    classes = names[0], names[1]
    return DataInfo(
        name=source.root.resolve().name,
        layout=source.layout,
        classes=classes,
        splits=_splits(columns, classes),
        origins=_origins(source, columns, found),
        sources={name: len(np.unique(columns.source[columns.label == c])) for c, name in enumerate(classes)},
        groups=len(np.unique(columns.group[columns.group != 0])),
        records=census.records,
        bytes=_total(found.bytes) if found else None,
        unreadable=found.broken if found else 0,
        unreadable_examples=found.examples if found else [],
        skipped=census.describe_skipped(),
        notes=list(census.notes),
    )


def headers_of(samples: list[tuple[str, Location]]) -> list[_Header]:
    """Format, width, height and bytes of each image, or its key and why its header cannot be read."""
    found: list[_Header] = []
    for key, location in samples:
        try:
            size = size_in_bytes(location)
            found.append((*image_header(location), -1 if size is None else size))
        except ContrafakeError as error:
            found.append((key, error.cause))
    return found


def _sizes(source: Source, columns: Columns, workers: int, step: Callable[[int], None]) -> _Sizes:
    count = len(columns)
    sizes = _Sizes(
        np.zeros(count, np.int32), np.zeros(count, np.int32), np.full(count, -1, np.int64), np.zeros(count, np.int16)
    )
    known = np.zeros(count, np.bool_)
    for rows, table in from_index(columns, ["format", "width", "height"]):
        for name in ("width", "height", "bytes"):
            getattr(sizes, name)[rows] = table.column(name).to_numpy()
        sizes.format[rows] = [sizes.code(name) for name in table.column("format").to_pylist()]
        known[rows] = True
    step(int(known.sum()))
    rest = np.flatnonzero(~known)
    # Starting processes costs more than reading some thousand headers.
    workers = min(workers, len(rest) // (8 * AT_ONCE))
    chunks = in_chunks(_unknown(source, known), AT_ONCE)
    for row, found in zip(rest, chain.from_iterable(map_in_order(headers_of, chunks, workers)), strict=True):
        if len(found) == 2:
            sizes.broken += 1
            if len(sizes.examples) < SHOWN:
                sizes.examples.append(found)
        else:
            sizes.format[row] = sizes.code(found[0])
            sizes.width[row], sizes.height[row], sizes.bytes[row] = found[1:]
        step(1)
    return sizes


def _unknown(source: Source, known: NDArray[np.bool_]) -> Iterator[tuple[str, Location]]:
    row = 0
    for item in source:
        for sample in samples_of(item):
            if not known[row]:
                yield sample.key, sample.image
            row += 1


def _splits(columns: Columns, classes: tuple[str, str]) -> dict[str, dict[str, int]]:
    return {
        name: {named: int(((columns.split == s) & (columns.label == c)).sum()) for c, named in enumerate(classes)}
        for name, s in [*zip(SPLITS, range(len(SPLITS)), strict=True), ("", NO_SPLIT)]
        if (columns.split == s).any()
    }


def _origins(source: Source, columns: Columns, sizes: _Sizes | None) -> list[OriginInfo]:
    table = source.origins
    order = np.argsort(columns.origin, kind="stable")
    ends = np.cumsum(np.bincount(columns.origin, minlength=len(columns.origins)))
    found = []
    for place, (label, name) in enumerate(columns.origins):
        rows = order[ends[place - 1] if place else 0 : ends[place]]
        splits = Counter(columns.split[rows].tolist())
        known = table.get(label, name)
        sized = rows[sizes.width[rows] > 0] if sizes else rows[:0]
        found.append(
            OriginInfo(
                name=name,
                label=label,
                family=known.family,
                kind=known.kind,
                seen=known.seen,
                counts={SPLITS[s] if s != NO_SPLIT else "": splits[s] for s in (0, 1, 2, NO_SPLIT) if splits[s]},
                sources=len(np.unique(columns.source[rows])),
                width=int(np.median(sizes.width[sized])) if sizes and len(sized) else None,
                height=int(np.median(sizes.height[sized])) if sizes and len(sized) else None,
                formats=_formats(sizes, sized) if sizes else {},
                bytes=_total(sizes.bytes[rows]) if sizes else None,
            )
        )
    return sorted(found, key=lambda origin: (origin.label, origin.name))


def _formats(sizes: _Sizes, rows: NDArray[np.int64]) -> dict[str, int]:
    counts = Counter({sizes.formats[code]: n for code, n in Counter(sizes.format[rows].tolist()).items()})
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def _total(sizes: NDArray[np.int64]) -> int | None:
    known = sizes[sizes >= 0]
    return int(known.sum()) if len(known) else None
