"""What heads that know one generator say, score by score: all that their tables are made from, on disk without images.

`generator-scores.csv` has one line for each condition of each test image and one column for each head;
`generator-scores.json` has everything else. Labels, origins and what training saw stand in the `images.csv` beside.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from contrafake.data.whole_file import write_whole
from contrafake.errors import DataError
from contrafake.evaluate.evaluation import IMAGES
from contrafake.evaluate.images import csv_rows, csv_text
from contrafake.train.cross_table import HEADS

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from contrafake.evaluate.images import Images

SCHEMA_VERSION: Final = 1
SCORES: Final = "generator-scores.csv"
FACTS: Final = "generator-scores.json"
EVERY: Final = "all generators"
"""In a column's name: the head was fitted on all generators together."""
DIGITS: Final = 6
"""Significant digits of a score: the tables need its sign alone."""


@dataclass(frozen=True, eq=False)
class GeneratorScores:
    """Scores of C conditions by H heads, H being two for each generator and two for all together.

    Attributes:
        model: Whose encoder embeds, as "name version".
        seed: Of the choice of fitting images and references.
        fitted: Fitting images by generator, in alphabetical order.
        fitted_real: Real fitting images, the same for every head.
        left_out: Images of generators that had too few for a head.
        unreadable: Cause by key.
        keys: By condition, the (N,) keys of the images that have scores; conditions may have different images.
        scores: By condition, (N, H) float64, columns as in `heads`; generated above 0. Rounded to `DIGITS`.
    """

    model: str
    seed: int
    fitted: dict[str, int]
    fitted_real: int
    left_out: dict[str, int]
    unreadable: dict[str, str]
    keys: dict[str, NDArray[np.object_]]
    scores: dict[str, NDArray[np.float64]]

    def __post_init__(self) -> None:
        for name, found in self.scores.items():
            rounded = [float(f"{score:.{DIGITS}g}") for score in found.ravel().tolist()]
            self.scores[name] = np.array(rounded, np.float64).reshape(len(found), len(self.heads))

    @property
    def heads(self) -> tuple[tuple[str, str | None], ...]:
        """What each column's head is, and the generator that it was fitted on, None for all together."""
        return tuple((head, generator) for generator in (*self.fitted, None) for head in HEADS)

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Writes the two files to an evaluation's folder, each whole or not at all.

        Raises:
            DataError: They cannot be written.
        """
        target = Path(folder)
        lines: list[list[str]] = [_header(self.fitted)]
        for condition, found in self.scores.items():
            for key, row in zip(self.keys[condition], found.tolist(), strict=True):
                lines.append([condition, key, *(f"{score:.{DIGITS}g}" for score in row)])
        facts = {
            "schema_version": SCHEMA_VERSION,
            "model": self.model,
            "seed": self.seed,
            "conditions": list(self.scores),
            "fitted": self.fitted,
            "fitted_real": self.fitted_real,
            "left_out": self.left_out,
            "unreadable": self.unreadable,
        }
        text = csv_text(lines)
        try:
            data = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            odd = text[error.start : error.end]
            raise DataError(str(target / SCORES), f"cannot hold {odd!a}, which is no character") from error
        write_whole(target / SCORES, data)
        write_whole(target / FACTS, (json.dumps(facts, indent=1, allow_nan=False) + "\n").encode())

    @classmethod
    def read(cls, folder: str | os.PathLike[str], images: Images) -> GeneratorScores:
        """Reads what `write` wrote.

        Args:
            folder: The folder.
            images: Those of the evaluation in it.

        Raises:
            DataError: A file is missing or damaged, or they do not fit each other; the error names the line.
        """
        path = Path(folder) / FACTS
        try:
            facts = json.loads(_text(path))
            if facts["schema_version"] != SCHEMA_VERSION:
                cause = f"has schema version {facts['schema_version']}, not {SCHEMA_VERSION}"
                raise DataError(str(path), cause, "use the contrafake that wrote it, or evaluate again")
            conditions = [str(name) for name in facts["conditions"]]
            model, seed, fitted_real = str(facts["model"]), int(facts["seed"]), int(facts["fitted_real"])
            fitted, left_out = (
                {str(name): int(count) for name, count in facts[which].items()} for which in ("fitted", "left_out")
            )
            unreadable = {str(key): str(cause) for key, cause in facts["unreadable"].items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(str(path), f"holds no heads of one generator: {error}", "evaluate again") from error
        keys, scores = _read_scores(Path(folder) / SCORES, conditions, fitted, images)
        return cls(model, seed, fitted, fitted_real, left_out, unreadable, keys, scores)


def holds_scores(folder: str | os.PathLike[str]) -> bool:
    """Whether one of the two files is in a folder: without the other one it is damaged."""
    return any((Path(folder) / name).exists() for name in (SCORES, FACTS))


def _header(fitted: Mapping[str, int]) -> list[str]:
    return ["condition", "key", *(f"{head}/{name}" for name in (*fitted, EVERY) for head in HEADS)]


def _read_scores(
    path: Path, conditions: list[str], fitted: Mapping[str, int], images: Images
) -> tuple[dict[str, NDArray[np.object_]], dict[str, NDArray[np.float64]]]:
    rows = csv_rows(_text(path), str(path))
    header = _header(fitted)
    if next(rows, ("", []))[1] != header:
        raise DataError(str(path), f"its columns are not the heads of {FACTS}")
    known = set(images.key)
    found: dict[str, dict[str, list[float]]] = {condition: {} for condition in conditions}
    for where, cells in rows:
        if len(cells) != len(header) or cells[0] not in found or cells[1] not in known:
            raise DataError(where, f"fits neither {FACTS} nor {IMAGES}")
        if cells[1] in found[cells[0]]:
            raise DataError(where, f"{cells[0]} of {cells[1]!r} stands there before")
        try:
            numbers = [float(cell) for cell in cells[2:]]
        except ValueError as error:
            raise DataError(where, f"a score is no number: {error}") from error
        if not np.isfinite(numbers).all():
            raise DataError(where, "a score is not finite")
        found[cells[0]][cells[1]] = numbers
    if empty := [condition for condition, scored in found.items() if not scored]:
        raise DataError(str(path), f"has no score of the condition {empty[0]}", "evaluate again")
    keys = {condition: np.array(list(scored), object) for condition, scored in found.items()}
    return keys, {condition: np.array(list(scored.values()), np.float64) for condition, scored in found.items()}


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}", "evaluate again") from error
