"""The origin table: what is known of each generator and each set of photographs."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from contrafake.data.sample import GENERATED, REAL, parse_label
from contrafake.errors import DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping

SPLITS = ("train", "val", "test")
_COLUMNS = ("label", "origin", "family", "class", "base", "content", *SPLITS, "seen_in_training")
_APART = "apart"
"""Column that only tables with such an origin have."""


@dataclass(frozen=True)
class Origin:
    """One generator, or one set of photographs.

    Attributes:
        name: As samples name it.
        label: 0 = real, 1 = generated.
        family: Generators that share a base model or a way of making images; "" for real images.
        kind: "latent diffusion", "GAN" ...; column `class`.
        base: Base model.
        content: What the images show, where it is known.
        counts: Number of images by split, where they were counted.
        seen: Whether training sees it; None where nobody said.
        apart: Its images are reported apart: a generator of the set's own makers, for tests of generalisation. Real
            images never are.
    """

    name: str
    label: int
    family: str = ""
    kind: str = ""
    base: str = ""
    content: str = ""
    counts: Mapping[str, int] = field(default_factory=dict, compare=False)
    seen: bool | None = None
    apart: bool = False


class OriginTable:
    """Origins by label and name."""

    def __init__(self, origins: Iterable[Origin] = ()) -> None:
        self._origins = {(origin.label, origin.name): origin for origin in origins}

    def __iter__(self) -> Iterator[Origin]:
        """The origins, real ones first, by name."""
        return iter(self._origins[key] for key in sorted(self._origins))

    def __len__(self) -> int:
        return len(self._origins)

    def get(self, label: int, name: str) -> Origin:
        """What is known of an origin; at least its name, which then counts as its family too."""
        return self._origins.get((label, name)) or Origin(name, label, family=name if label == GENERATED else "")

    def counted(self, images: Mapping[tuple[str, int, str], int], *, divided: bool = False) -> OriginTable:
        """The table of the origins that occur in a census, with their counts by split.

        Args:
            images: Number of images by (split, label, origin).
            divided: The splits are new: training sees what has images in train, whatever the table said before.
        """
        found: dict[tuple[int, str], dict[str, int]] = {}
        for (split, label, name), count in images.items():
            counts = found.setdefault((label, name), {})
            counts[split] = counts.get(split, 0) + count
        known = {key: self.get(*key) for key in found}
        return OriginTable(
            replace(o, counts=found[key], seen="train" in found[key] if divided else o.seen) for key, o in known.items()
        )

    def to_csv(self) -> str:
        """The table in the form that `read_origins` reads."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        apart = any(o.apart for o in self)
        writer.writerow([*_COLUMNS, _APART] if apart else _COLUMNS)
        for o in self:
            seen = "" if o.seen is None else ("yes" if o.seen else "no")
            label = "fake" if o.label == GENERATED else "real"
            counts = [str(o.counts.get(split, 0)) for split in SPLITS] if o.counts else [""] * len(SPLITS)
            row = [label, o.name, o.family, o.kind, o.base, o.content, *counts, seen]
            writer.writerow([*row, "yes" if o.apart else ""] if apart else row)
        return text.getvalue()


def read_origins(path: str | os.PathLike[str]) -> OriginTable:
    """Reads an origin table: a CSV file with at least the columns `label` and `origin`.

    Raises:
        DataError: The file is missing, is no such table, or a row makes no sense.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(str(path), f"the origin table cannot be read: {error}") from error
    return _parse(text, str(path))


@cache
def known_origins() -> OriginTable:
    """The origins of the public data sets that have a reader here."""
    text = files("contrafake.data").joinpath("sources/origins.csv").read_text(encoding="utf-8")
    return _parse(text, "origins.csv")


def _parse(text: str, subject: str) -> OriginTable:
    rows = csv.DictReader(io.StringIO(text))
    found: dict[tuple[int, str], Origin] = {}
    try:
        missing = {"label", "origin"} - set(rows.fieldnames or ())
        if missing:
            raise DataError(subject, f"an origin table needs the columns {', '.join(sorted(missing))}")
        for row in rows:
            line = f"{subject}: line {rows.line_num}"
            origin = _origin(row, line)
            if found.setdefault((origin.label, origin.name), origin) is not origin:
                raise DataError(line, f"the origin {origin.name!r} stands there twice under one label")
    except csv.Error as error:
        raise DataError(subject, f"not readable as CSV: {error}") from error
    return OriginTable(found.values())


def _origin(row: dict[str, str | None], subject: str) -> Origin:
    def cell(name: str) -> str:
        return (row.get(name) or "").strip()

    label = parse_label(cell("label"), subject)
    if not cell("origin"):
        raise DataError(subject, "no origin")
    try:
        counts = {split: int(cell(split)) for split in SPLITS if cell(split)}
    except ValueError as error:
        raise DataError(subject, f"a count is no number: {error}") from error
    seen = {"yes": True, "no": False}.get(cell("seen_in_training").lower())
    apart = cell(_APART).lower()
    if apart not in {"yes", "no", ""}:
        raise DataError(subject, f"apart is {cell(_APART)!r}", "write yes, no or nothing")
    if apart == "yes" and label == REAL:
        raise DataError(subject, "real images cannot be reported apart", "leave the cell empty")
    family = cell("family") or (cell("origin") if label != REAL else "")
    about = cell("class"), cell("base"), cell("content")
    return Origin(cell("origin"), label, family, *about, counts, seen, apart == "yes")
