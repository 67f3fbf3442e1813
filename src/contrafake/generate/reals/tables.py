"""Tables that lie beside images and say what is on them: CSV, tab-separated values, JSON Lines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from contrafake.data.text_table import DELIMITERS, read_rows
from contrafake.generate.reals.reader import find_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from contrafake.data.sources.source import Census
    from contrafake.data.text_table import Row

TABLE_NAMES = tuple(f"{stem}{suffix}" for stem in ("metadata", "captions") for suffix in DELIMITERS)


class TablesBeside:
    """Looks up what the tables in an image's folder, and in those above it, say of it.

    A table is called ``metadata`` or ``captions`` (.csv, .tsv, .jsonl) and names images by their path from its own
    folder, as the image folders of model hubs do. Each is read once and kept.
    """

    def __init__(self, root: str, columns: Mapping[str, str], census: Census) -> None:
        """Begins at a folder.

        Args:
            root: Folder above which nothing is looked up.
            columns: Names that the configuration tells.
            census: Counts tables that name no images.
        """
        self._root = os.path.abspath(root)  # noqa: PTH100 - plain strings keep undecodable names
        self._columns = columns
        self._census = census
        self._tables: dict[str, dict[str, Row]] = {}

    def row(self, path: str) -> Row:
        """What is said of the image at a path; the nearest table counts; empty where none knows it.

        Raises:
            DataError: A table cannot be read.
        """
        path = os.path.abspath(path)  # noqa: PTH100 - as above
        folder = os.path.dirname(path)  # noqa: PTH120 - as above
        while True:
            if (row := self._table(folder).get(path)) is not None:
                return row
            if folder == self._root or len(folder) <= len(self._root):
                return {}
            folder = os.path.dirname(folder)  # noqa: PTH120 - as above

    def _table(self, folder: str) -> dict[str, Row]:
        if folder not in self._tables:
            from pathlib import Path  # noqa: PLC0415 - only tables need it

            rows: dict[str, Row] = {}
            for name in TABLE_NAMES:
                if (path := Path(folder, name)).is_file():
                    rows.update(self._by_path(path))
            self._tables[folder] = rows
        return self._tables[folder]

    def _by_path(self, table: Path) -> Iterator[tuple[str, Row]]:
        for _, row in read_rows(table):
            name = find_name(row, "image", self._columns)
            if name is None:
                self._census.skip(str(table), "a table without a column that names the images")
                return
            rest = {column: value for column, value in row.items() if column != name}
            yield os.path.normpath(os.path.join(table.parent, str(row[name]))), rest  # noqa: PTH118 - as above
