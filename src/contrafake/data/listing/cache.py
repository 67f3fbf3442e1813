"""Former listings, kept in the user's cache folder: one file for each shard, used while the shard is the same."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from contrafake.data.listing.names import Names
from contrafake.data.listing.shard import ROW, ShardListing
from contrafake.data.remote import is_remote

if TYPE_CHECKING:
    from contrafake.data.remote import ShardStatus

FORM: Final = 1
"""Counts up whenever a listing of the same shard could come out differently."""

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)
_ARRAYS = ("rows", "units", "group_hashes")


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/contrafake/listings``, else the same in ``~/.cache``."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(home) if home.startswith("/") else Path("~/.cache").expanduser()
    return base / "contrafake" / "listings"


def load(shard: str, status: ShardStatus) -> ShardListing | None:
    """The former listing of a shard; None where there is none, it is of another state, or the file is damaged."""
    try:
        with _place(shard).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            facts = json.loads(file["facts"].tobytes())
            if facts["of"] != _of(shard, status):
                return None
            arrays = {name: file[name] for name in _ARRAYS}
            members, groups = (Names(file[f"{name}_blob"], file[f"{name}_ends"]) for name in ("members", "groups"))
    except _UNREADABLE:
        return None
    if arrays["rows"].dtype != ROW or len(arrays["rows"]) != len(members):
        return None
    damage = [(address, cause) for address, cause in facts["damage"]]
    names = {name: facts[name] for name in ("origins", "sources", "splits")}
    return ShardListing(**arrays, **names, members=members, groups=groups, damage=damage)


def save(shard: str, status: ShardStatus, listing: ShardListing) -> None:
    """Keeps a listing. A folder that cannot be written is no error: the shard is listed again next time."""
    facts: dict[str, Any] = {"of": _of(shard, status), "damage": listing.damage}
    facts |= {name: getattr(listing, name) for name in ("origins", "sources", "splits")}
    arrays = {name: getattr(listing, name) for name in _ARRAYS}
    for name, texts in (("members", listing.members), ("groups", listing.groups)):
        arrays[f"{name}_blob"], arrays[f"{name}_ends"] = texts.arrays
    buffer = io.BytesIO()
    np.savez(buffer, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **arrays)
    place = _place(shard)
    partial = None
    with contextlib.suppress(OSError):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            # A name of its own: the processes of one run may list the same shards at the same time.
            descriptor, partial = tempfile.mkstemp(prefix=".", dir=place.parent)
            with os.fdopen(descriptor, "wb") as file:
                file.write(buffer.getbuffer())
            Path(partial).replace(place)
        finally:
            if partial is not None:
                Path(partial).unlink(missing_ok=True)


def _of(shard: str, status: ShardStatus) -> dict[str, Any]:
    return {"form": FORM, "shard": _absolute(shard), "size": status.size, "version": status.version}


def _place(shard: str) -> Path:
    return cache_folder() / f"{sha256(os.fsencode(_absolute(shard))).hexdigest()[:40]}.npz"


def _absolute(shard: str) -> str:
    return shard if is_remote(shard) else os.path.abspath(shard)  # noqa: PTH100 - plain strings, no links followed
