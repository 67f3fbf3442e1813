"""The audit that a build ends with."""

from __future__ import annotations

import json
import shlex
from array import array
from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.sample import Record
from contrafake.data.sources.built import Built
from contrafake.data.splitting.columns import digest
from contrafake.data.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from contrafake.data.audit.result import AuditReport
    from contrafake.data.sources.source import Item

FEWEST = 10
"""Records, in groups of their own, below which an audit says nothing."""

JSON_NAME, PAGE_NAME = "audit.json", "audit.html"


def audit_built(
    folder: Path,
    records: int,
    workers: int | None = None,
    advance: Callable[[str, int, int | None], None] = lambda _doing, _steps, _total: None,
) -> AuditReport | None:
    """Audits a built set and writes `audit.json` and, without a pixel of the data, `audit.html`.

    Args:
        folder: The set, with its `build.json`.
        records: Records that are looked at, at most: those whose keys have the least hashes.
        workers: Processes that measure; as many as cores by default. The result does not depend on it.
        advance: Called with what is being done, the number of steps since the last call, and of all.

    Returns:
        The report; None, and no files, where fewer than `FEWEST` records hold both classes.

    Raises:
        DataError: The set cannot be read, or its folder cannot be written.
        MissingExtraError: A library of the extra "data" is not installed.
    """
    from contrafake.data.audit.audit import audit  # noqa: PLC0415 - slow to import
    from contrafake.data.audit.page import write_page  # noqa: PLC0415 - likewise

    for name in (JSON_NAME, PAGE_NAME):
        (folder / name).unlink(missing_ok=True)  # of the set as it was before
    digests, groups = array("Q"), set[str]()
    for item in _Some(folder):
        digests.append(digest(item.key))
        if len(groups) < FEWEST and isinstance(item, Record):
            groups.add(item.real.group)
    if len(groups) < FEWEST:
        return None
    least = (
        int(np.partition(np.array(digests, np.uint64), records - 1)[records - 1]) if len(digests) > records else None
    )
    source = _Some(folder, least)
    name = str(source.build.get("name") or folder.name)
    report = audit(
        source,
        name=name,
        workers=workers,
        on_progress=lambda doing, steps, total: advance(f"auditing: {doing}", steps, total),
    )
    write_whole(folder / JSON_NAME, (json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n").encode())
    # Of a part, no command gives the same figures.
    write_page(
        report, folder / PAGE_NAME, None, shlex.join(["contrafake", "data", "audit", name]) if least is None else ""
    )
    return report


class _Some(Built):
    """The records of a built set whose keys have a hash up to a bound; none at all is no error."""

    classes = ()

    def __init__(self, root: Path, most: int | None = None) -> None:
        """Takes the set and the largest hash, None for all records."""
        super().__init__(root)
        self._most = most

    def _list(self) -> Iterator[Item]:
        chosen = count = 0
        for item in super()._list():
            count += 1
            if self._most is None or digest(item.key) <= self._most:
                chosen += 1
                yield item
        if chosen < count:
            self.census.notes.append(f"{chosen:,} of {count:,} records were looked at, chosen by a hash of their keys")
