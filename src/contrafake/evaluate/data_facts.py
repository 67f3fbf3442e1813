"""What a reader needs to know of an evaluation besides its scores: which data, which machine, which software."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from contrafake.data.location import Member
from contrafake.data.parallel import default_workers
from contrafake.data.remote import file_name, is_remote, shard_status
from contrafake.data.sample import GENERATED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from contrafake.data.location import Location
    from contrafake.data.sources import Source

LIBRARIES: Final = ("numpy", "onnxruntime", "pillow", "pillow-heif", "simplejpeg", "scikit-learn", "torch")


def versions(*names: str) -> dict[str, str]:
    """Versions of those of these libraries that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """The processor's name as the system tells it, for example "AMD EPYC 7B13"; at least its kind."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine() or "unknown"


def machine_facts() -> dict[str, Any]:
    """Processor, cores that this process may use, cores that there are, kind of system; nobody's name or address."""
    return {
        "processor": processor(),
        "cores": default_workers(),
        "cores_there": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
    }


def software_facts() -> dict[str, Any]:
    """Versions of Python and of the libraries that scores depend on."""
    return {"python": platform.python_version(), "libraries": versions(*LIBRARIES)}


def data_facts(source: Source, locations: Iterable[Location], digests: Mapping[str, str]) -> dict[str, Any]:
    """What tells which images these were.

    Args:
        source: The set.
        locations: Where the images lie that were used.
        digests: SHA-256 of each image that could be read, by key.

    Returns:
        `name` and `layout` of the set; `shards`, for each its `name` and `bytes`, with `sha256` where it is on this
        machine; `images`, how many could be read, and `sha256`, the digest of lines of key, tab, digest, sorted by key,
        left out where none was read.

    Raises:
        DataError: A shard is gone or out of reach.
    """
    shards = sorted({location.shard for location in locations if isinstance(location, Member)})
    facts: dict[str, Any] = {"name": source.root.name, "layout": source.layout, "images": len(digests)}
    if digests:
        whole = hashlib.sha256()
        for key in sorted(digests):
            whole.update(f"{key}\t{digests[key]}\n".encode("utf-8", "surrogatepass"))
        facts["sha256"] = whole.hexdigest()
    if shards:
        facts["shards"] = [_shard_facts(shard) for shard in shards]
    return facts


def census_facts(source: Source) -> dict[str, Any]:
    """What the listing of the set found, as plain data; addresses begin at the set's own folder.

    Returns:
        `images`: number by label, origin and split; `records`; `skipped`: number and first addresses by reason;
        `notes`.
    """
    census, root = source.census, str(source.root)

    def short(text: str) -> str:
        return (
            text.replace(f"{root}{os.sep}", "").replace(root, source.root.name) if source.root.is_absolute() else text
        )

    return {
        "images": [
            {"label": "generated" if label == GENERATED else "real", "origin": origin, "split": split, "images": count}
            for (split, label, origin), count in sorted(census.images.items())
        ],
        "records": census.records,
        "skipped": [
            {
                "reason": reason,
                "count": count,
                "examples": [short(where) for where in census.examples.get(reason, [])[:3]],
            }
            for reason, count in census.skipped.most_common()
        ],
        "notes": [short(note) for note in census.notes],
    }


def _shard_facts(shard: str) -> dict[str, Any]:
    status = shard_status(shard)
    facts: dict[str, Any] = {"name": file_name(shard), "bytes": status.size}
    if is_remote(shard):
        return {**facts, "version": status.version} if status.version else facts
    with Path(shard).open("rb") as file:
        return {**facts, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
