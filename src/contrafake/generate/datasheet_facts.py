"""What the index and the records of a built set say of it, counted for the datasheet."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.cells import arrow, parquet_file
from contrafake.data.index import INDEX_NAME, read_index
from contrafake.data.origins import SPLITS
from contrafake.data.sample import GENERATED, REAL
from contrafake.data.sources.built import RECORDS_NAME

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

QUANTILES = (5, 50, 95)
MOST_SOURCES = 20
_LICENCES = ("license", "licence", "License", "Licence", "LICENSE", "rights")
_ROWS = 4096


@dataclass(frozen=True)
class Side:
    """The stored images of one class, or of one generator.

    Attributes:
        images: How many there are.
        formats: Share of each format, the most frequent first.
        quality: 5th, 50th and 95th percentile of the JPEG quality, empty without any.
        width: The same of the width in pixels.
        height: The same of the height in pixels.
        bytes: The same of the size of a file.
    """

    images: int
    formats: list[tuple[str, float]]
    quality: list[float]
    width: list[float]
    height: list[float]
    bytes: list[float]


@dataclass(frozen=True)
class Composition:
    """What a set consists of.

    Attributes:
        images: Number of images by (split, label, origin).
        sides: Both classes, by label.
        by_origin: Generated images by origin.
        sources: (origin, source, number) of the real images, the largest first, `MOST_SOURCES` at most.
        more_sources: Number of sources beyond these.
        licences: Number of records by the licence that the real image's metadata names, "" for none.
    """

    images: Counter[tuple[str, int, str]]
    sides: dict[int, Side]
    by_origin: dict[str, Side]
    sources: list[tuple[str, str, int]]
    more_sources: int
    licences: Counter[str]

    @property
    def splits(self) -> list[str]:
        """Splits that hold images: train, val and test first."""
        order = {name: place for place, name in enumerate(SPLITS)}
        return sorted({split for split, _, _ in self.images}, key=lambda name: (order.get(name, len(order)), name))

    def count(self, split: str | None = None, label: int | None = None, origin: str | None = None) -> int:
        """Number of images of a split, class and origin; None stands for all."""
        wanted = (split, label, origin)
        return sum(n for key, n in self.images.items() if all(w in {None, k} for w, k in zip(wanted, key, strict=True)))


def composition(folder: Path) -> Composition:
    """Counts what is in a built set; no image is read.

    Args:
        folder: Holds `index.parquet` and, for licences, `records.parquet`.

    Raises:
        DataError: The index cannot be read.
    """
    import pyarrow.compute as pc  # noqa: PLC0415 - an extra

    names = ["split", "label", "origin", "source", "format", "width", "height", "quality", "bytes"]
    table = read_index(folder / INDEX_NAME, names)
    real, generated = (table.filter(pc.equal(table["label"], label)) for label in (REAL, GENERATED))
    sources = sorted(_counted(real, "origin", "source"), key=lambda row: (-row[-1], *row))
    return Composition(
        images=Counter({tuple(key): n for *key, n in _counted(table, "split", "label", "origin")}),
        sides={REAL: _side(real), GENERATED: _side(generated)},
        by_origin={
            origin: _side(generated.filter(pc.equal(generated["origin"], origin)))
            for origin in generated["origin"].unique().to_pylist()
        },
        sources=sources[:MOST_SOURCES],
        more_sources=max(0, len(sources) - MOST_SOURCES),
        licences=_licences(folder / RECORDS_NAME),
    )


def _counted(table: pa.Table, *names: str) -> list[tuple[Any, ...]]:
    found = table.group_by(list(names)).aggregate([([], "count_all")]).to_pylist()
    return sorted((*(row[name] for name in names), row["count_all"]) for row in found)


def _side(table: pa.Table) -> Side:
    formats = Counter(dict(_counted(table, "format")))
    quality = table["quality"].to_numpy()
    numbers = {name: _quantiles(table[name].to_numpy()) for name in ("width", "height", "bytes")}
    shares = [(name, count / len(table)) for name, count in formats.most_common()]
    return Side(len(table), shares, _quantiles(quality[quality > 0]), **numbers)


def _quantiles(values: Any) -> list[float]:
    return [float(value) for value in np.percentile(values, QUANTILES)] if len(values) else []


def _licences(path: Path) -> Counter[str]:
    """Licences by the records' metadata; nothing where there is no such column."""
    found: Counter[str] = Counter()
    library = arrow()
    try:
        with parquet_file(path) as file:
            if "metadata" not in file.schema_arrow.names:
                return found
            for batch in file.iter_batches(_ROWS, columns=["metadata"]):
                found.update(_licence(text) for text in batch.column(0).to_pylist())
    except (OSError, library.ArrowException):
        return Counter()  # the datasheet then says that none are known, and reading the set says what is damaged
    return found


def _licence(text: str | None) -> str:
    try:
        metadata = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return ""
    if not isinstance(metadata, dict):
        return ""
    return next((str(metadata[name]).strip() for name in _LICENCES if metadata.get(name)), "")
