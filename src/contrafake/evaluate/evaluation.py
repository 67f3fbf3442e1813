"""What an evaluation found, score by score: the one thing that figures, plots and reports are made from.

On disk it is a folder of three files without any image: `images.csv`, one line an image; `scores.csv`, one line for
each variant of each image and one column for each detector; `evaluation.json`, everything else.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from contrafake.data.whole_file import write_whole
from contrafake.errors import ConfigError, DataError
from contrafake.evaluate.images import Images, csv_rows, csv_text
from contrafake.evaluate.variant import Variant

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

SCHEMA_VERSION = 1
IMAGES, SCORES, FACTS = "images.csv", "scores.csv", "evaluation.json"
OWN_THRESHOLD = "own threshold"
"""Name of the decision rule of a detector that states no rate of false alarms."""
DIGITS = 9
"""Significant digits of a score on disk: what float32 embeddings are good for."""


@dataclass(frozen=True)
class Point:
    """A decision rule of a detector: generated above `threshold`, real at or below `uncertain_from`.

    Attributes:
        name: "5% false alarms", "own threshold".
        threshold: Lower bound of "generated".
        uncertain_from: Upper bound of "real", at most `threshold`.
        false_alarm_rate: Share of real images that the detector says it flags there, None where it says nothing.
    """

    name: str
    threshold: float
    uncertain_from: float
    false_alarm_rate: float | None = None


@dataclass(frozen=True)
class Calibration:
    """The log-likelihood ratio of a score s: `slope * s + intercept`, kept within plus and minus `bound`."""

    slope: float
    intercept: float
    bound: float


@dataclass(frozen=True)
class DetectorFacts:
    """One column of scores.

    Attributes:
        name: Unique in the evaluation, for example "contrafake-embedded" or "contrafake-embedded/svm".
        kind: "bundle", "scorer" (any object with the method) or "file" (scores of a program we do not control).
        model: Name of the model, of the scorer, or of the file.
        version: Its version, "" where unknown.
        hash: What tells this model's scores from another's: a bundle's hash, a file's SHA-256, else "".
        head: Classifier on the embedding, "" for none.
        crops: Crops asked for, 0 where that means nothing.
        points: Decision rules, the default first; empty where there is none: then nothing that needs one is measured.
        calibration: From scores to log-likelihood ratios, None where there is none.
        probability: Scores are probabilities of being generated; then they give the ratios themselves.
        seconds: Processor seconds for 1,000 untouched images, decoding included, None where not measured.
    """

    name: str
    kind: Literal["bundle", "scorer", "file"]
    model: str
    version: str = ""
    hash: str = ""
    head: str = ""
    crops: int = 0
    points: tuple[Point, ...] = ()
    calibration: Calibration | None = None
    probability: bool = False
    seconds: float | None = None

    def llr(self, scores: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """(N,) scores -> (N,) natural-log likelihood ratios; None where the detector gives none."""
        if self.calibration is not None:
            found = self.calibration.slope * scores + self.calibration.intercept
            return np.asarray(np.clip(found, -self.calibration.bound, self.calibration.bound))
        if self.probability:
            with np.errstate(divide="ignore"):
                return np.asarray(np.log(scores) - np.log1p(-scores))
        return None

    def verdicts(self, scores: NDArray[np.float64], point: Point | None = None) -> NDArray[np.object_] | None:
        """(N,) scores -> (N,) "real", "generated" or "uncertain", "" for NaN; None without a decision rule.

        Args:
            scores: Scores of this detector.
            point: The rule; None takes the default one.
        """
        rule = point or (self.points[0] if self.points else None)
        if rule is None:
            return None
        found = np.full(len(scores), "uncertain", object)
        found[scores <= rule.uncertain_from] = "real"
        found[scores > rule.threshold] = "generated"
        found[np.isnan(scores)] = ""
        return found

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> DetectorFacts:
        """Restores what `dataclasses.asdict` made of it.

        Raises:
            KeyError, TypeError: The facts are those of something else.
        """
        calibration = facts["calibration"]
        found = cls(
            **{
                **facts,
                "points": tuple(Point(**point) for point in facts["points"]),
                "calibration": None if calibration is None else Calibration(**calibration),
            }
        )
        numbers = [(point.threshold, point.uncertain_from) for point in found.points]
        numbers += [(calibration["slope"], calibration["intercept"])] if calibration else []
        if not all(isinstance(number, int | float) for pair in numbers for number in pair):
            raise TypeError(f"a threshold or calibration of {found.name!r} is no number")
        return found


@dataclass(frozen=True)
class Failure:
    """An image that has no score.

    Attributes:
        key: The image.
        variant: Name of the variant.
        detector: Name of the detector; "" where the image failed for all, for example because it cannot be read.
        cause: In one line.
    """

    key: str
    variant: str
    detector: str
    cause: str


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of V variants of N images by D detectors.

    Attributes:
        images: N images, all of which were listed, judged or not.
        variants: V changes; the first is what the others are compared with.
        detectors: D columns.
        scores: (V, N, D) float64, higher = more likely generated; NaN where there is no score. Made by `as_stored`.
        failures: Why scores are missing; a variant that a detector's file does not cover at all is no failure.
        facts: What else a reader needs: command line, date, machine, software, data fingerprints, seconds.
    """

    images: Images
    variants: tuple[Variant, ...]
    detectors: tuple[DetectorFacts, ...]
    scores: NDArray[np.float64]
    failures: tuple[Failure, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def of(self, variant: str, detector: str) -> NDArray[np.float64]:
        """(N,) scores of a detector on a variant, NaN where missing.

        Raises:
            KeyError: There is no such variant or detector.
        """
        return np.asarray(self.scores[self.place(self.variants, variant), :, self.place(self.detectors, detector)])

    @staticmethod
    def place(named: Sequence[Variant | DetectorFacts], name: str) -> int:
        """Where a variant or detector of that name stands.

        Raises:
            KeyError: Nowhere.
        """
        for at, item in enumerate(named):
            if item.name == name:
                return at
        raise KeyError(name)

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Writes the three files, each whole or not at all; the folder is made.

        Raises:
            DataError: They cannot be written.
        """
        target = Path(folder)
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(str(folder), f"cannot be made: {error.strerror or error}") from error
        facts = {
            "schema_version": SCHEMA_VERSION,
            "variants": [variant.to_dict() for variant in self.variants],
            "detectors": [asdict(detector) for detector in self.detectors],
            "failures": [asdict(failure) for failure in self.failures],
            "facts": self.facts,
        }
        write_whole(target / IMAGES, _bytes(target / IMAGES, self.images.to_csv()))
        write_whole(target / SCORES, _bytes(target / SCORES, self._scores_csv()))
        # Comes last: a folder with this file is complete.
        write_whole(target / FACTS, (json.dumps(facts, indent=1, allow_nan=False) + "\n").encode())

    def _scores_csv(self) -> str:
        rows: list[list[str]] = [["variant", "key", *(detector.name for detector in self.detectors)]]
        for variant, of_variant in zip(self.variants, self.scores, strict=True):
            for key, scores in zip(self.images.key, of_variant, strict=True):
                cells = ["" if np.isnan(score) else f"{score:.{DIGITS}g}" for score in scores]
                if any(cells):
                    rows.append([variant.name, key, *cells])
        return csv_text(rows)

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Evaluation:
        """Reads what `write` wrote.

        Raises:
            DataError: Files are missing, damaged, or do not fit each other; the error names the line.
        """
        target = Path(folder)
        subject = str(target / FACTS)
        try:
            facts = json.loads(_text(target / FACTS))
            if facts["schema_version"] != SCHEMA_VERSION:
                cause = f"has schema version {facts['schema_version']}, not {SCHEMA_VERSION}"
                raise DataError(subject, cause, "use the contrafake that wrote it, or evaluate again")
            variants = tuple(Variant.from_dict(variant) for variant in facts["variants"])
            detectors = tuple(DetectorFacts.from_dict(detector) for detector in facts["detectors"])
            failures = tuple(Failure(**failure) for failure in facts["failures"])
            rest = dict(facts["facts"])
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise DataError(subject, f"is no evaluation: {error}") from error
        for kind, names in (("variant", [v.name for v in variants]), ("detector", [d.name for d in detectors])):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise DataError(subject, f"the {kind} {twice[0]!r} stands there twice")
        images = Images.from_csv(_text(target / IMAGES), str(target / IMAGES))
        scores = _read_scores(target / SCORES, images, variants, detectors)
        return cls(images, variants, detectors, scores, failures, rest)


def as_stored(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores with the digits that they have on disk, so that figures are the same before and after.

    Args:
        scores: Of any shape; NaN stays NaN.
    """
    flat = [float(f"{score:.{DIGITS}g}") for score in scores.ravel().tolist()]
    return np.array(flat, np.float64).reshape(scores.shape)


def _bytes(path: Path, text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        odd = text[error.start : error.end]
        raise DataError(str(path), f"cannot hold {odd!a}, which is no character", "rename the image") from error


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        cause = f"cannot be read: {error.strerror or error}"
        raise DataError(str(path), cause, "name an evaluation's folder") from error


def _read_scores(
    path: Path, images: Images, variants: Sequence[Variant], detectors: Sequence[DetectorFacts]
) -> NDArray[np.float64]:
    scores = np.full((len(variants), len(images), len(detectors)), np.nan)
    place = {variant.name: at for at, variant in enumerate(variants)}
    row_of = {key: at for at, key in enumerate(images.key)}
    rows = csv_rows(_text(path), str(path))
    _, header = next(rows, ("", []))
    if header != ["variant", "key", *(detector.name for detector in detectors)]:
        raise DataError(str(path), f"its columns are not the detectors of {FACTS}")
    done: set[tuple[str, str]] = set()
    for where, cells in rows:
        if len(cells) != 2 + len(detectors) or cells[0] not in place or cells[1] not in row_of:
            raise DataError(where, f"fits neither {FACTS} nor {IMAGES}")
        if (cells[0], cells[1]) in done:
            raise DataError(where, f"{cells[0]} of {cells[1]!r} stands there before")
        done.add((cells[0], cells[1]))
        try:
            found = [float(cell) if cell else np.nan for cell in cells[2:]]
        except ValueError as error:
            raise DataError(where, f"a score is no number: {error}") from error
        scores[place[cells[0]], row_of[cells[1]]] = found
    return scores
