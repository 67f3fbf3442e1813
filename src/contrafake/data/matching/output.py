"""The folder that matching writes: shards that appear when they are complete, and an index made of their parts."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from contrafake.data.index import INDEX_NAME, IndexRow, write_index
from contrafake.data.shard_writer import ShardWriter
from contrafake.data.whole_file import write_whole
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from contrafake.data.location import Member
    from contrafake.data.matching.made import Made, Result

REPORT_NAME = "match.json"
_WORK = ".match"


class Output:
    """One folder of matched shards; work on it can be interrupted and taken up again by the same call.

    A shard counts as done when the file that lists its images stands in the hidden folder beside it, which is written
    after the shard. That folder goes when all is done.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """Takes a new, empty or interrupted folder.

        Raises:
            DataError: Something else stands there, or it cannot be made.
        """
        self.folder, self.fingerprint = folder, fingerprint
        self._work = folder / _WORK
        plan = self._work / "plan.json"
        with naming(folder):
            taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
        if taken and fingerprint not in {_fingerprint(plan), _fingerprint(folder / REPORT_NAME)}:
            cause = "something else stands there, or another set, seed or setting was matched into it"
            raise DataError(str(folder), cause, "name an empty or new folder")
        if not self.finished:
            with naming(self._work):
                self._work.mkdir(parents=True, exist_ok=True)
            write_whole(plan, json.dumps({"fingerprint": fingerprint}).encode())

    @property
    def finished(self) -> bool:
        """Whether the folder is complete."""
        return _fingerprint(self.folder / REPORT_NAME) == self.fingerprint

    def report(self) -> dict[str, Any]:
        """The report of a complete folder."""
        report: dict[str, Any] = json.loads((self.folder / REPORT_NAME).read_text("utf-8"))
        return report

    def has(self, shard: str) -> bool:
        """Whether a shard is done."""
        return self._part(shard).exists()

    def write(self, shard: str, results: Iterable[Result]) -> None:
        """Writes a shard and then its part of the index.

        Args:
            shard: Its file name.
            results: What it holds and what failed, taken one after the other; without anything to hold, no shard is
                written, only its part.

        Raises:
            DataError: It cannot be written; nothing half-written is left.
        """
        path = self.folder / shard
        rows: list[IndexRow] = []
        failed: list[tuple[str, str]] = []
        with ExitStack() as stack:
            writer: ShardWriter | None = None
            for made, lost in results:
                failed += lost
                for entry in made:
                    writer = writer or stack.enter_context(ShardWriter(path))
                    rows += _rows(entry, writer.write(entry.key, entry.members), path.name)
        part = {"rows": [asdict(row) for row in rows], "failed": failed}
        write_whole(self._part(shard), json.dumps(part).encode())

    def parts(self, shards: Iterable[str]) -> Iterator[tuple[list[IndexRow], list[tuple[str, str]]]]:
        """The images and failures of each shard, in order."""
        for shard in shards:
            part = json.loads(self._part(shard).read_text("utf-8"))
            yield [IndexRow(**row) for row in part["rows"]], [(key, cause) for key, cause in part["failed"]]

    def finish(self, shards: Iterable[str], origins: str, report: dict[str, Any]) -> None:
        """Writes index, origin table and report, the report last."""
        with naming(self.folder / INDEX_NAME):
            write_index(self.folder / INDEX_NAME, (row for rows, _ in self.parts(shards) for row in rows))
        write_whole(self.folder / "origins.csv", origins.encode())
        text = json.dumps({**report, "fingerprint": self.fingerprint}, indent=1, default=str)
        write_whole(self.folder / REPORT_NAME, text.encode())
        shutil.rmtree(self._work, ignore_errors=True)

    def _part(self, shard: str) -> Path:
        return self._work / f"{shard}.json"


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turns an error of the file system into one that names the file."""
    try:
        yield
    except OSError as error:
        cause = f"cannot be written: {error.strerror or error}"
        raise DataError(str(path), cause, "finished shards are kept; start again when it can be written") from error


def _fingerprint(path: Path) -> str | None:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found.get("fingerprint") if isinstance(found, dict) else None


def _rows(entry: Made, members: Mapping[str, Member], shard: str) -> list[IndexRow]:
    return [
        IndexRow(
            key=f"{entry.key}.{image.name}" if image.name else entry.key,
            record=entry.key if image.name else "",
            label=image.label,
            origin=image.origin,
            source=image.source,
            group=image.group,
            split=image.split,
            shard=shard,
            member=members[image.suffix].name,
            offset=members[image.suffix].offset,
            bytes=members[image.suffix].size,
            sha256=image.sha256,
            format=image.format,
            width=image.width,
            height=image.height,
            quality=image.quality,
            phash=image.hashes[0],
            phash2=image.hashes[1],
        )
        for image in entry.images
    ]
