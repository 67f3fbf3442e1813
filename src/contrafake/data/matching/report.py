"""What matching did, by class: how many images, what they were, what they are now, what was lost and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.matching.pairing import KEPT, REASONS
from contrafake.data.matching.traits import FORMATS, SHOWN
from contrafake.data.sample import GENERATED, REAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.data.index import IndexRow
    from contrafake.data.matching.settings import MatchSettings
    from contrafake.data.matching.traits import Survey
    from contrafake.data.sample import Sample

CLASSES = {"real": REAL, "generated": GENERATED}
SCHEMA_VERSION = 1
HEAVY_LOSS = 0.2
"""Share of a class whose loss is said aloud."""


@dataclass(frozen=True)
class Side:
    """One class, before or after.

    Attributes:
        images: Number of images.
        formats: Share of each kind of file: "JPEG" and "WEBP" are lossy, "PNG" stands for all lossless ones before.
        width: Median width in pixels.
        height: Median height.
        quality: Median JPEG quality, None without any JPEG.
    """

    images: int
    formats: dict[str, float]
    width: float
    height: float
    quality: float | None


@dataclass
class MatchReport:
    """The whole report.

    Attributes:
        name: The set, last path part only.
        settings: What was asked for.
        cells: Number of cells, in which both classes share one draw.
        before: Each class as it was, all readable images.
        after: Each class as it was written.
        lost: (class, origin, reason, number) of images that were left out.
        failed: (key, cause) of images that could not be read, at first or later; at most 200.
        failed_count: How many there were.
        skipped: The listing's lines on what it left out.
        warnings: What a user must not overlook.
    """

    name: str
    settings: dict[str, Any]
    cells: int
    before: dict[str, Side]
    after: dict[str, Side]
    lost: list[tuple[str, str, str, int]]
    failed: list[tuple[str, str]]
    failed_count: int
    skipped: list[str]
    warnings: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe values, with `schema_version`."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MatchReport:
        """The inverse of `to_dict`."""
        known = {name: values[name] for name in cls.__dataclass_fields__}
        for when in ("before", "after"):
            known[when] = {label: Side(**side) for label, side in known[when].items()}
        known["lost"] = [(label, origin, reason, count) for label, origin, reason, count in known["lost"]]
        known["failed"] = [(key, cause) for key, cause in known["failed"]]
        return cls(**known)


class Tally:
    """Counts while shards are written; a few numbers an image."""

    def __init__(
        self, found: Survey, cells: NDArray[np.int64], reasons: NDArray[np.int8], settings: MatchSettings
    ) -> None:
        self._found, self._settings = found, settings
        self._cells = len(np.unique(cells[reasons == KEPT]))
        self._lost: Counter[tuple[str, str, str]] = Counter()
        self._failed, self._failed_count = list(found.unreadable), found.unreadable_count
        self._facts: list[NDArray[np.int32]] = []
        self.written: Counter[tuple[str, int, str]] = Counter()

    def lose(self, sample: Sample, reason: int) -> None:
        """Counts a sample that has no part in the law."""
        if reason != KEPT:
            self._lost[_class_name(sample.label), sample.origin, REASONS[reason]] += 1

    def add(self, rows: list[IndexRow], failed: list[tuple[str, str]]) -> None:
        """Counts what was written and what failed while it was."""
        for row in rows:
            self.written[row.split, row.label, row.origin] += 1
        facts = [(row.label, FORMATS.index(row.format), row.width, row.height, row.quality) for row in rows]
        self._facts.append(np.array(facts, np.int32).reshape(-1, 5))
        self._failed_count += len(failed)
        self._failed += failed[: max(0, SHOWN - len(self._failed))]

    def report(self, name: str, skipped: list[str]) -> MatchReport:
        """The finished report."""
        traits = self._found.traits[self._found.traits["readable"]]
        columns = [traits[column] for column in ("label", "format", "width", "height", "quality")]
        before = np.stack(columns, axis=1).astype(np.int32)
        after = np.concatenate([np.zeros((0, 5), np.int32), *self._facts])
        report = MatchReport(
            name=name,
            settings=self._settings.to_dict(),
            cells=self._cells,
            before=_sides(before),
            after=_sides(after),
            lost=sorted((*key, count) for key, count in self._lost.items()),
            failed=self._failed,
            failed_count=self._failed_count,
            skipped=skipped,
        )
        report.warnings = [*_heavy_losses(self._found.traits["label"], after[:, 0]), *self._of_settings()]
        return report

    def _of_settings(self) -> list[str]:
        if self._settings.resize == "size":
            return ["--resize size scales by factors that follow the original sizes: the resampling may tell the class"]
        return []


def _heavy_losses(before: NDArray[Any], after: NDArray[Any]) -> list[str]:
    lines = []
    for name, label in CLASSES.items():
        had, has = int((before == label).sum()), int((after == label).sum())
        if had - has > HEAVY_LOSS * had:
            share = (had - has) / had
            lines.append(f"{share:.0%} of the {name} images ({had - has} of {had}) have no part in the matched set")
    return lines


def _sides(facts: NDArray[np.int32]) -> dict[str, Side]:
    return {name: _side(facts[facts[:, 0] == label]) for name, label in CLASSES.items()}


def _side(facts: NDArray[np.int32]) -> Side:
    if not len(facts):
        return Side(0, {}, 0.0, 0.0, None)
    formats = {form: float((facts[:, 1] == place).mean()) for place, form in enumerate(FORMATS)}
    qualities = facts[facts[:, 4] > 0, 4]
    return Side(
        images=len(facts),
        formats={form: share for form, share in formats.items() if share},
        width=float(np.median(facts[:, 2])),
        height=float(np.median(facts[:, 3])),
        quality=float(np.median(qualities)) if len(qualities) else None,
    )


def _class_name(label: int) -> str:
    return "real" if label == REAL else "generated"
