"""Scores of a program that is not run from here: one table, checked and fitted to the images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contrafake.errors import DataError, UsageError
from contrafake.evaluate.evaluation import OWN_THRESHOLD, DetectorFacts, Failure, Point
from contrafake.evaluate.images import LABELS
from contrafake.evaluate.score_names import Names
from contrafake.evaluate.score_rows import ScoreRow, read_rows
from contrafake.evaluate.variant import UNTOUCHED

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from contrafake.evaluate.images import Images
    from contrafake.evaluate.variant import Variant

EVEN = 0.5
"""Where a probability is cut unless somebody says otherwise."""
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Fitted:
    """A file's scores in the places of the images.

    Attributes:
        scores: (V, N) float64, higher = more likely generated; NaN where the file has none.
        failures: Images that a variant lacks although the file covers it, and those with an error instead of a score.
        notes: What a reader should know, in words.
    """

    scores: NDArray[np.float64]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ScoreFile:
    """A table of scores.

    Attributes:
        path: Where it was read from.
        facts: The column it makes.
        rows: What it says, in order.
    """

    path: str
    facts: DetectorFacts
    rows: tuple[ScoreRow, ...]

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        name: str | None = None,
        threshold: float | None = None,
        uncertain_from: float | None = None,
    ) -> ScoreFile:
        """Reads a table: CSV, tab-separated or semicolon-separated, UTF-8, with a header.

        Its columns, in any order: `path` or `key`; `score` (any numbers, higher = more likely generated) or
        `probability` (of being generated, 0 to 1); perhaps `variant`, `label`, `seconds` (processor seconds for the
        image) and `error` (why there is no score).

        Args:
            path: The file.
            name: The detector's name; None takes the file's without its suffix.
            threshold: Generated above it; None is 0.5 for probabilities, and no decision rule for scores.
            uncertain_from: Real at or below it, uncertain up to the threshold; None is the threshold.

        Raises:
            UsageError: The threshold makes no sense.
            DataError: The file is no such table, or a row makes no sense; the error names its line.
        """
        subject = str(path)
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise DataError(subject, f"cannot be read: {error.strerror or error}") from error
        kind, rows = read_rows(data, subject)
        probability = kind == "probability"
        facts = DetectorFacts(
            name=name or Path(path).stem,
            kind="file",
            model=Path(path).name,
            hash=sha256(data).hexdigest(),
            points=_points(subject, threshold, uncertain_from, probability=probability),
            probability=probability,
            seconds=_seconds(rows),
        )
        return cls(subject, facts, tuple(rows))

    def scores(self, images: Images, variants: Sequence[Variant]) -> NDArray[np.float64]:
        """(V, N) float64 scores, NaN where the file has none; see `fit`."""
        return self.fit(images, variants).scores

    def fit(self, images: Images, variants: Sequence[Variant], *, others: Sequence[str] = ()) -> Fitted:
        """Puts every score in its place.

        A row that says nothing of its variant is about the first one; rows of variants and of images that are not
        evaluated are counted in notes. `score_names.Names` says what is compared with what.

        Args:
            images: N images.
            variants: V variants.
            others: Keys of images that belong to the set, and that are not evaluated.

        Raises:
            DataError: A row fits no image or several, two rows are about the same one, a label contradicts the set's,
                no variant is covered, or more than half of the images of one are missing.
        """
        names = [variant.name for variant in variants]
        at = {name: place for place, name in enumerate(names)}
        known = Names([*images.key, *others], names)
        lines = np.zeros((len(names), len(images)), np.int64)
        scores = np.full(lines.shape, np.nan)
        strangers: list[ScoreRow] = []
        causes: dict[tuple[int, int], str] = {}
        unasked: dict[str, int] = {}
        passed = 0
        for row in self.rows:
            where = f"{self.path}: line {row.line}"
            found = known.find(row, where)
            if found is None:
                strangers.append(row)
                continue
            if found.image >= len(images):
                passed += 1
                continue
            if row.label not in {None, int(images.label[found.image])}:
                written, right = LABELS[int(row.label or 0)], LABELS[int(images.label[found.image])]
                cause = f"{row.name!r} is called {written}, and is {right} in the set"
                raise DataError(where, cause, "correct the one that is wrong, or leave the label out")
            variant = found.variant or names[0]
            if variant not in at:
                unasked[variant] = unasked.get(variant, 0) + 1
                continue
            place = at[variant], found.image
            if lines[place]:
                cause = f"{row.name!r} has a score in line {lines[place]} already, for the same image and variant"
                raise DataError(where, cause, "keep one of the two, or tell variants apart by a column variant")
            lines[place], scores[place] = row.line, row.score
            if row.error:
                causes[place] = row.error
        self._refuse_strangers(strangers, images)
        if passed == len(self.rows):
            cause = f"all of its {passed:,} rows are about images that are not evaluated"
            raise DataError(self.path, cause, "see whether split and limit are those that the file was made with")
        self._refuse_gaps(lines > 0, images, names, unasked)
        failures = tuple(
            Failure(images.key[image], name, self.facts.name, causes.get((place, image), "the file has no row for it"))
            for place, name in enumerate(names)
            if lines[place].any()
            for image in np.flatnonzero(np.isnan(scores[place])).tolist()
        )
        return Fitted(scores, failures, self._notes(scores, lines > 0, names, unasked, passed))

    def _refuse_strangers(self, rows: Sequence[ScoreRow], images: Images) -> None:
        if not rows:
            return
        some = ", ".join(f"{row.name!r} (line {row.line})" for row in rows[:_SHOWN])
        cause = f"{len(rows):,} of {len(self.rows):,} rows fit no image of the set: {some}"
        cause += ", ..." if len(rows) > _SHOWN else ""
        key = images.key[0] if len(images) else ""
        raise DataError(self.path, cause, f"write keys as the set has them, for example {key!r}, or drop these rows")

    def _refuse_gaps(
        self, covered: NDArray[np.bool_], images: Images, names: Sequence[str], unasked: dict[str, int]
    ) -> None:
        if not covered.any():
            cause = f"none of its rows is about {', '.join(names)}; they are about {', '.join(unasked)}"
            raise DataError(self.path, cause, "name these variants, or say in a column variant which they are")
        for name, found in zip(names, covered, strict=True):
            missing = int((~found).sum())
            if found.any() and 2 * missing > len(found):
                written, wanted = self.rows[0].name, images.key[np.flatnonzero(~found)[0]]
                cause = f"{missing:,} of {len(found):,} images have no row for {name}"
                remedy = f"see whether the names fit: the file has {written!r}, the set {wanted!r}"
                raise DataError(self.path, cause, remedy)

    def _notes(
        self,
        scores: NDArray[np.float64],
        covered: NDArray[np.bool_],
        names: Sequence[str],
        unasked: dict[str, int],
        passed: int,
    ) -> tuple[str, ...]:
        notes: list[str] = []
        for name, of_variant, found in zip(names, scores, covered, strict=True):
            there = of_variant[~np.isnan(of_variant)]
            if found.any() and (missing := int((~found).sum())):
                notes.append(f"{self.facts.name}: {missing:,} of {len(found):,} images have no row for {name}")
            if errors := int((found & np.isnan(of_variant)).sum()):
                counted = f"{errors:,} of {len(found):,} images"
                notes.append(f"{self.facts.name}: {counted} have an error instead of a score for {name}")
            if len(there) > 1 and there.min() == there.max():
                notes.append(f"{self.facts.name}: all {len(there):,} scores of {name} are {there[0]:g}")
            if self.facts.probability and (extreme := int(((there == 0) | (there == 1)).sum())):
                cause = f"{extreme:,} probabilities of {name} are 0 or 1, which makes likelihood ratios infinite"
                notes.append(f"{self.facts.name}: {cause}")
        if absent := [name for name, found in zip(names, covered, strict=True) if not found.any()]:
            some = ", ".join([*absent[:_SHOWN], *(["..."] if len(absent) > _SHOWN else [])])
            notes.append(f"{self.facts.name}: no scores of {len(absent):,} of {len(names):,} variants ({some})")
        if unasked:
            said = ", ".join(f"{name} ({count:,})" for name, count in unasked.items())
            notes.append(f"{self.facts.name}: rows of variants that are not evaluated: {said}")
        if passed:
            notes.append(f"{self.facts.name}: {passed:,} rows are about images of the set that are not evaluated")
        return tuple(notes)


def _points(
    subject: str, threshold: float | None, uncertain_from: float | None, *, probability: bool
) -> tuple[Point, ...]:
    if threshold is None and not probability:
        if uncertain_from is not None:
            raise UsageError(subject, "a bound of uncertain needs a threshold", "give both")
        return ()
    upper = EVEN if threshold is None else threshold
    lower = upper if uncertain_from is None else uncertain_from
    for bound in (upper, lower):
        if not math.isfinite(bound) or (probability and not 0 <= bound <= 1):
            raise UsageError(subject, f"a threshold of {bound:g} makes no sense for a {_WORDS[probability]}")
    if lower > upper:
        cause = f"uncertain from {lower:g} lies above the threshold of {upper:g}"
        raise UsageError(subject, cause, "give the threshold, then a lower bound")
    return (Point(OWN_THRESHOLD, upper, lower),)


_WORDS = {True: "probability", False: "score"}


def _seconds(rows: Sequence[ScoreRow]) -> float | None:
    """1,000 times the mean, of untouched images where the file says which these are."""
    timed = [row for row in rows if row.seconds is not None]
    untouched = [row for row in timed if UNTOUCHED.name in {row.variant, *row.path.replace("\\", "/").split("/")}]
    seconds = [row.seconds for row in untouched or timed if row.seconds is not None]
    return 1000 * math.fsum(seconds) / len(seconds) if seconds else None
