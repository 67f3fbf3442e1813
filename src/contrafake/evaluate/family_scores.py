"""What leave-one-family-out found, score by score: all that its table is made from, on disk without any image."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from contrafake.data.sample import GENERATED, parse_label
from contrafake.data.whole_file import write_whole
from contrafake.errors import DataError
from contrafake.evaluate.evaluation import DIGITS
from contrafake.evaluate.family_folds import Fold
from contrafake.evaluate.images import csv_rows, csv_text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from numpy.typing import NDArray

SCHEMA_VERSION: Final = 1
SCORES: Final = "families.csv"
FACTS: Final = "families.json"
TEXTS: Final = ("fold", "head", "variant", "key", "origin", "family", "source", "content")
COLUMNS: Final = ("fold", "head", "variant", "key", "label", "origin", "family", "source", "content", "score", "llr")


@dataclass(frozen=True)
class FoldFacts:
    """What stands behind the scores of a fold.

    Attributes:
        fold: What was absent.
        fitting: Real and generated images that the heads, and in mode "train" the encoder, were fitted on.
        calibration: Real and generated images behind the calibration and the thresholds.
        thresholds: By head, the score above which an image is called generated.
        encoder_saw: Generators of the fold that the encoder was trained on all the same; None where nobody knows.
    """

    fold: Fold
    fitting: tuple[int, int]
    calibration: tuple[int, int]
    thresholds: dict[str, float]
    encoder_saw: tuple[str, ...] | None = None

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> FoldFacts:
        """Restores what `dataclasses.asdict` made of it, lists and all."""
        saw = facts["encoder_saw"]
        return cls(
            fold=Fold.from_dict(facts["fold"]),
            fitting=(int(facts["fitting"][0]), int(facts["fitting"][1])),
            calibration=(int(facts["calibration"][0]), int(facts["calibration"][1])),
            thresholds={str(head): float(threshold) for head, threshold in facts["thresholds"].items()},
            encoder_saw=None if saw is None else tuple(saw),
        )


@dataclass(frozen=True)
class FamilyScore:
    """One score of one image.

    Attributes:
        fold: Name of the fold that the image was absent from.
        head: Which head scored.
        variant: What was done to the image before.
        key: The image.
        label: 0 = real, 1 = generated.
        origin: Data set or generator.
        family: The generator's family, "real" for real images.
        source: Where it was collected.
        content: What it shows, as far as the set notes it.
        score: Higher = more likely generated.
        llr: The natural-log likelihood ratio that the fold's calibration makes of it.
    """

    fold: str
    head: str
    variant: str
    key: str
    label: int
    origin: str
    family: str
    source: str
    content: str
    score: float
    llr: float


@dataclass(frozen=True, eq=False)
class FamilyScores:
    """M scores in columns named like the fields of `FamilyScore`, and the folds they come from.

    Attributes:
        folds: The folds, in order.
        columns: `TEXTS` as (M,) strings, `label` (M,) uint8, `score` and `llr` (M,) float64.
        facts: What else a reader needs: "mode" ("refit" or "train"), "rate" (of false alarms, behind the thresholds),
            model, crops, software, unreadable images.
    """

    folds: tuple[FoldFacts, ...]
    columns: dict[str, NDArray[Any]]
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, folds: Iterable[FoldFacts], rows: Iterable[FamilyScore], facts: dict[str, Any]) -> FamilyScores:
        """Gathers scores, with the digits that they have on disk."""
        listed = [tuple(vars(row).values()) for row in rows]
        return cls(tuple(folds), _columns(listed), facts)

    def __len__(self) -> int:
        return len(self.columns["score"])

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Writes the two files, each whole or not at all; the folder is made.

        Raises:
            DataError: They cannot be written.
        """
        target = Path(folder)
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(str(folder), f"cannot be made: {error.strerror or error}") from error
        lines: list[Iterable[object]] = [COLUMNS]
        for row in zip(*(self.columns[name].tolist() for name in COLUMNS), strict=True):
            cells = dict(zip(COLUMNS, row, strict=True))
            cells["label"] = "generated" if cells["label"] == GENERATED else "real"
            lines.append([f"{cell:.{DIGITS}g}" if isinstance(cell, float) else cell for cell in cells.values()])
        facts = {"schema_version": SCHEMA_VERSION, "folds": [asdict(fold) for fold in self.folds], "facts": self.facts}
        write_whole(target / SCORES, csv_text(lines).encode("utf-8", "surrogateescape"))
        write_whole(target / FACTS, (json.dumps(facts, indent=1, allow_nan=False) + "\n").encode())

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> FamilyScores:
        """Reads what `write` wrote.

        Raises:
            DataError: A file is missing or damaged, or they do not fit each other; the error names the line.
        """
        path = Path(folder) / FACTS
        try:
            facts = json.loads(_text(path))
            if facts["schema_version"] != SCHEMA_VERSION:
                cause = f"has schema version {facts['schema_version']}, not {SCHEMA_VERSION}"
                raise DataError(str(path), cause, "use the contrafake that wrote it, or evaluate again")
            folds = tuple(FoldFacts.from_dict(fold) for fold in facts["folds"])
            rest = dict(facts["facts"])
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise DataError(str(path), f"is no leave-one-family-out: {error}") from error
        return cls(folds, _read_columns(Path(folder) / SCORES, folds), rest)


def _columns(rows: list[tuple[Any, ...]]) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for place, name in enumerate(COLUMNS):
        values = [row[place] for row in rows]
        if name in TEXTS:
            found[name] = np.empty(len(values), object)
            found[name][:] = values
        elif name == "label":
            found[name] = np.array(values, np.uint8)
        else:
            found[name] = np.array([float(f"{value:.{DIGITS}g}") for value in values], np.float64)
    return found


def _read_columns(path: Path, folds: tuple[FoldFacts, ...]) -> dict[str, NDArray[Any]]:
    rows = csv_rows(_text(path), str(path))
    if tuple(next(rows, ("", []))[1]) != COLUMNS:
        raise DataError(str(path), f"its columns are not {', '.join(COLUMNS)}")
    heads = {fold.fold.name: fold.thresholds.keys() for fold in folds}
    found: list[tuple[Any, ...]] = []
    done: set[tuple[str, ...]] = set()
    for where, cells in rows:
        if len(cells) != len(COLUMNS) or cells[0] not in heads or cells[1] not in heads[cells[0]]:
            raise DataError(where, f"does not fit {FACTS}")
        if (address := tuple(cells[:4])) in done:
            raise DataError(where, f"{cells[2]} of {cells[3]!r} stands there before")
        done.add(address)
        try:
            numbers = [float(cell) for cell in cells[9:]]
        except ValueError as error:
            raise DataError(where, f"a score is no number: {error}") from error
        if not np.isfinite(numbers).all():
            raise DataError(where, "a score is not finite")
        found.append((*cells[:4], parse_label(cells[4], where), *cells[5:9], *numbers))
    return _columns(found)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        cause = f"cannot be read: {error.strerror or error}"
        raise DataError(str(path), cause, "name the folder of a leave-one-family-out") from error
