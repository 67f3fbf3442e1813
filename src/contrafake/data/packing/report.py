"""What packing did, as a value and as the `pack.json` beside the shards."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake.data.packing.entries import WORDS
from contrafake.data.sources.several import Several

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contrafake.data.packing.notes import Failure
    from contrafake.data.sources.source import Source

SCHEMA_VERSION = 1


@dataclass
class Packed:
    """What packing did.

    Attributes:
        images: Number of packed images by (split, label, origin).
        bytes: Their size in bytes.
        shards: Number of images in each shard, by its name.
        records: Number of paired records.
        failures: Images that were listed and could not be packed.
        skipped: What the listing left out, by reason: the number, and the first addresses within the set.
        both_labels: Keys of images that occur under both labels, each image a list.
        notes: What else the listing said.
        complete: False for one part of several: then the shards are there, and nothing else is known yet.
    """

    images: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    bytes: int = 0
    shards: dict[str, int] = field(default_factory=dict)
    records: int = 0
    failures: list[Failure] = field(default_factory=list)
    skipped: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    both_labels: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    complete: bool = True


def skipped_by(source: Source) -> dict[str, tuple[int, list[str]]]:
    """What a source's listing left out, with addresses that do not tell where the set lies."""
    sources = [part for _, part in source.parts] if isinstance(source, Several) else [source]
    folders = [str(s.root if s.root.is_dir() else s.root.parent) for s in sources]

    def inside(address: str) -> str:
        for folder in folders:
            if address.startswith(f"{folder}/"):
                return address.removeprefix(f"{folder}/")
        return Path(address).name

    census = source.census
    return {
        reason: (count, [inside(address) for address in census.examples[reason]])
        for reason, count in sorted(census.skipped.items())
    }


def summary(packed: Packed, settings: Mapping[str, Any]) -> str:
    """The text of `pack.json`: no times, and no paths outside the set.

    Args:
        packed: What was done.
        settings: How, as JSON-safe values; with the "task".
    """
    splits: dict[str, Counter[str]] = {}
    for (split, label, _), count in sorted(packed.images.items()):
        splits.setdefault(split, Counter())[WORDS[settings["task"]][label]] += count
    document = {
        "schema_version": SCHEMA_VERSION,
        **settings,
        "images": sum(packed.images.values()),
        "bytes": packed.bytes,
        "records": packed.records,
        "splits": splits,
        "shards": packed.shards,
        "skipped": {reason: {"count": count, "examples": some} for reason, (count, some) in packed.skipped.items()},
        "unreadable": [failure._asdict() for failure in packed.failures],
        "both_labels": packed.both_labels,
        "notes": packed.notes,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode()
