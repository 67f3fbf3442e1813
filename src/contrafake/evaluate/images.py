"""What is known of the images that detectors are measured on, in columns and without a pixel."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.sample import GENERATED, REAL, parse_label
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from contrafake.data.origins import OriginTable
    from contrafake.data.sample import Sample

LABELS = {REAL: "real", GENERATED: "generated"}
APART = "apart"
SEEN = ("yes", "no", "", APART)
"""Whether training saw an origin; "" where nobody knows, "apart" where it counts for no such part."""


@dataclass(frozen=True, eq=False)
class Images:
    """N labelled images.

    Attributes:
        key: (N,) strings, each once.
        label: (N,) uint8, 0 = real, 1 = generated.
        origin: (N,) strings, data set or generator.
        family: (N,) strings; generators that share a base model, "real" for real images.
        source: (N,) strings, where an image was collected: what intervals resample.
        group: (N,) strings, "" where none is known; images of one group belong together.
        content: (N,) strings, what an image shows as far as the set notes it, else "".
        seen: (N,) "yes", "no" or "": whether training saw the image's origin; "apart": its generator is reported apart.
        sha256: (N,) hex digests of the bytes as they were delivered, "" where they could not be read.
    """

    key: NDArray[np.object_]
    label: NDArray[np.uint8]
    origin: NDArray[np.object_]
    family: NDArray[np.object_]
    source: NDArray[np.object_]
    group: NDArray[np.object_]
    content: NDArray[np.object_]
    seen: NDArray[np.object_]
    sha256: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.key)

    @classmethod
    def of(
        cls,
        samples: Sequence[Sample],
        origins: OriginTable,
        trained: Mapping[tuple[int, str], bool] | None = None,
        digests: Mapping[str, str] | None = None,
    ) -> Images:
        """Gathers the columns.

        An origin is seen or unseen as its table says; where that is silent, seen if a model's own list of training
        origins has it, and else unknown. A generator that its table reports apart is neither, whoever saw it.

        Args:
            samples: The images, keys unique.
            origins: What is known of their origins.
            trained: Origins by (label, name) that a model under evaluation was trained on.
            digests: SHA-256 of the bytes by key.
        """

        def seen(sample: Sample) -> str:
            known = origins.get(sample.label, sample.origin)
            if known.apart and sample.label == GENERATED:
                return APART
            if known.seen is not None:
                return "yes" if known.seen else "no"
            return "yes" if (trained or {}).get((sample.label, sample.origin)) else ""

        def family(sample: Sample) -> str:
            return origins.get(sample.label, sample.origin).family if sample.label == GENERATED else "real"

        return cls(
            key=_column(sample.key for sample in samples),
            label=np.array([sample.label for sample in samples], np.uint8),
            origin=_column(sample.origin for sample in samples),
            family=_column(family(sample) for sample in samples),
            source=_column(sample.source for sample in samples),
            group=_column(sample.group for sample in samples),
            content=_column(str(sample.metadata.get("content") or "") for sample in samples),
            seen=_column(seen(sample) for sample in samples),
            sha256=_column((digests or {}).get(sample.key, "") for sample in samples),
        )

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Images:
        """Some of the images."""
        return Images(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def to_csv(self) -> str:
        """One line an image; `from_csv` is the inverse."""
        names = [field.name for field in fields(self)]
        columns = [
            [LABELS[label] for label in self.label] if name == "label" else getattr(self, name) for name in names
        ]
        return csv_text([names, *zip(*columns, strict=True)])

    @classmethod
    def from_csv(cls, text: str, subject: str) -> Images:
        """Reads what `to_csv` wrote.

        Args:
            text: The file's text.
            subject: Its name, for errors.

        Raises:
            DataError: A column is missing, a key is there twice, or a row makes no sense; the error names the line.
        """
        names = [field.name for field in fields(cls)]
        rows = csv_rows(text, subject)
        _, header = next(rows, ("", []))
        if missing := set(names) - set(header):
            raise DataError(subject, f"the columns {', '.join(sorted(missing))} are missing")
        columns: dict[str, list[object]] = {name: [] for name in names}
        keys: set[str] = set()
        for where, cells in rows:
            if len(cells) != len(header):
                raise DataError(where, "has another number of cells than the header")
            row = dict(zip(header, cells, strict=True))
            if row["key"] in keys:
                raise DataError(where, f"the key {row['key']!r} stands there before")
            if row["seen"] not in SEEN:
                raise DataError(where, f"seen is {row['seen']!r}", "write yes, no, apart or nothing")
            keys.add(row["key"])
            for name in names:
                columns[name].append(parse_label(row[name], where) if name == "label" else row[name])
        return cls(
            label=np.array(columns.pop("label"), np.uint8),
            **{name: _column(values) for name, values in columns.items()},
        )


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV with lines that end in a line feed; `csv_rows` is the inverse."""
    text = io.StringIO()
    plain = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        cells = list(row)
        # Before Python 3.13 a carriage return alone is not quoted, and then no reader gets past it.
        (quoted if any("\r" in str(cell) for cell in cells) else plain).writerow(cells)
    return text.getvalue()


def csv_rows(text: str, subject: str) -> Iterator[tuple[str, list[str]]]:
    """Rows of CSV, each with the words that name it in an error: the subject and the line it ends on.

    Raises:
        DataError: The text is no CSV.
    """
    rows = csv.reader(io.StringIO(text), strict=True)
    try:
        for cells in rows:
            if cells:
                yield f"{subject}: line {rows.line_num}", cells
    except csv.Error as error:
        raise DataError(f"{subject}: line {rows.line_num}", f"is no CSV: {error}") from error


def _column(values: Iterable[object]) -> NDArray[np.object_]:
    listed = list(values)
    column = np.empty(len(listed), object)
    column[:] = listed
    return column
