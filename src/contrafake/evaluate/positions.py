"""Where images lie in the embedding space of a detector: t-SNE in two dimensions, kept beside the scores.

Embeddings are not kept with an evaluation, and a t-SNE is another on another machine; its positions in a file let the
plot be drawn again from the folder alone.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.whole_file import write_whole
from contrafake.errors import DataError, MissingExtraError
from contrafake.evaluate.images import csv_rows, csv_text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from numpy.typing import NDArray

POSITIONS = "positions.csv"
MOST = 2000
"""Images that are placed at most; the time of t-SNE grows faster than their number."""
_COLUMNS = ["key", "x", "y"]


def project(vectors: NDArray[np.float32], seed: int = 0) -> NDArray[np.float64]:
    """Embeddings -> positions in a plane, by t-SNE (van der Maaten and Hinton, 2008) of their directions.

    Args:
        vectors: (N, D) embeddings; rows with NaN are images that have none.
        seed: Of the t-SNE, and of the choice where there are more than `MOST` images.

    Returns:
        (N, 2) positions with three decimals; NaN for images without an embedding and for those not chosen.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from contrafake.train.scatter import project as tsne  # noqa: PLC0415 - Pillow, only here
    except ImportError as error:
        raise _missing(error) from error
    rows = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    if len(rows) > MOST:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST, replace=False))
    found = np.full((len(vectors), 2), np.nan)
    try:
        found[rows] = np.round(tsne(vectors[rows], seed), 3)
    except ImportError as error:
        raise _missing(error) from error
    return found


def write_positions(folder: str | os.PathLike[str], keys: Iterable[str], xy: NDArray[np.float64]) -> None:
    """Writes `positions.csv`: key, x, y, one line for each image that has a position.

    Args:
        folder: The evaluation's folder.
        keys: (N,) keys of the images.
        xy: (N, 2) positions, NaN where there is none.

    Raises:
        DataError: It cannot be written.
    """
    rows = [[key, x, y] for key, (x, y) in zip(keys, xy.tolist(), strict=True) if not (math.isnan(x) or math.isnan(y))]
    write_whole(Path(folder) / POSITIONS, csv_text([_COLUMNS, *rows]).encode("utf-8", "surrogateescape"))


def read_positions(folder: str | os.PathLike[str], keys: Iterable[str]) -> NDArray[np.float64] | None:
    """Reads what `write_positions` wrote.

    Args:
        folder: The evaluation's folder.
        keys: (N,) keys of the images, in the order of the result.

    Returns:
        (N, 2) positions, NaN where the file has none; None where there is no file.

    Raises:
        DataError: It is damaged, or names images that are not among the keys.
    """
    path = Path(folder) / POSITIONS
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from error
    row_of = {key: row for row, key in enumerate(keys)}
    found = np.full((len(row_of), 2), np.nan)
    rows = csv_rows(text, str(path))
    if next(rows, (None, None))[1] != _COLUMNS:
        raise DataError(str(path), f"its columns are not {', '.join(_COLUMNS)}")
    for where, cells in rows:
        if len(cells) != len(_COLUMNS) or cells[0] not in row_of:
            raise DataError(where, "is no position of an image of this evaluation")
        if not np.isnan(found[row_of[cells[0]], 0]):
            raise DataError(where, f"the key {cells[0]!r} stands there before")
        try:
            place = [float(cell) for cell in cells[1:]]
        except ValueError as error:
            raise DataError(where, f"a position is no number: {error}") from error
        if not all(math.isfinite(value) for value in place):
            raise DataError(where, "a position is not finite")
        found[row_of[cells[0]]] = place
    return found


def _missing(error: ImportError) -> MissingExtraError:
    return MissingExtraError("the embedding plot", f"not installed: {error.name}", 'pip install "contrafake[evaluate]"')
