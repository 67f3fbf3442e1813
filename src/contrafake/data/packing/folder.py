"""The folder that a set is packed into: it is new, or belongs to an unfinished run of the same plan."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from contrafake.data.index import INDEX_NAME
from contrafake.data.lock import locked
from contrafake.data.packing.notes import NOTES, note_path
from contrafake.data.shard_writer import cannot_write
from contrafake.data.whole_file import write_whole
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

SUMMARY_NAME = "pack.json"
ORIGINS_NAME = "origins.csv"
_PLAN = "plan.json"


@contextmanager
def opened(out: Path, settings: Mapping[str, Any], part: tuple[int, int] | None) -> Iterator[None]:
    """Holds the folder for one run, or for one part among others.

    Args:
        out: The folder; made if it is missing.
        settings: What an unfinished run must have in common with this one.
        part: Which of how many parts this run packs, None for all.

    Raises:
        DataError: It holds something else, a finished set, an unfinished one with other settings, or is in use.
    """
    notes = out / NOTES
    try:
        if not notes.is_dir():
            _check_empty(out)
        stood = out.exists()
        notes.mkdir(parents=True, exist_ok=True)
        with locked(notes, part, "another run is packing into it"):
            _check_settings(notes / _PLAN, dict(settings))
            if part is None:
                _check_known(out)
                for partial in [*out.glob(".*.partial"), *notes.glob(".*.partial")]:
                    partial.unlink(missing_ok=True)
            try:
                yield
            except BaseException:
                if part is None and not any(out.glob("*.tar")):
                    # Nothing was packed: a corrected call must not be refused for the settings of this one.
                    with suppress(OSError):
                        finish(out)
                        if not stood:
                            out.rmdir()
                raise
    except OSError as error:
        if not str(error.filename or "").startswith(str(out)):  # it is about something else
            raise
        raise cannot_write(error.filename, error) from error


def keep_only(out: Path, names: Iterable[str]) -> None:
    """Removes the shards of an earlier listing that the finished one does not have, and their notes."""
    wanted = {*names, _PLAN.removesuffix(".json")}
    for note in (out / NOTES).glob("*.json"):
        if note.stem not in wanted:
            (out / note.stem).unlink(missing_ok=True)
            note.unlink(missing_ok=True)


def finish(out: Path) -> None:
    """Removes the notes: the set is complete."""
    shutil.rmtree(out / NOTES)


def _check_empty(out: Path) -> None:
    if (out / SUMMARY_NAME).is_file():
        raise DataError(str(out), "a finished set lies there", "name another folder, or remove this one first")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(str(out), "there is something else already", "name a new or empty folder")


def _check_settings(plan: Path, settings: dict[str, Any]) -> None:
    try:
        found = json.loads(plan.read_bytes())
    except FileNotFoundError:
        write_whole(plan, json.dumps(settings, indent=1).encode())
        return
    except ValueError:
        found = {}
    changed = [
        f"{name} {found.get(name)!r}, now {settings[name]!r}" for name in settings if found.get(name) != settings[name]
    ]
    if changed:
        cause = f"an unfinished set with other settings lies there ({'; '.join(changed)})"
        raise DataError(str(plan.parent.parent), cause, "use the same settings, or remove the folder")


def _check_known(out: Path) -> None:
    """A file that this command did not write would end up among the set's."""
    for path in sorted(out.iterdir()):
        ours = path.name in {NOTES, INDEX_NAME, ORIGINS_NAME, SUMMARY_NAME} or path.name.endswith(".partial")
        if not ours and not note_path(path).exists():
            raise DataError(str(path), "no file of the unfinished set that lies beside it", "move it away")
