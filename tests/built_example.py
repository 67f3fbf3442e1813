"""A built set made by hand: records, shards of lone images, an index and a build.json, as `generate` leaves them."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contrafake.data import ShardWriter
from contrafake.data.fingerprint import perceptual_hashes
from contrafake.data.index import INDEX_NAME, IndexRow, write_index
from contrafake.data.origins import Origin, OriginTable
from contrafake.data.sources.built import image_key
from contrafake.images import encode, read

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

GENERATORS = ("blur", "edges")


def record_name(number: int) -> str:
    """Keys with what other places must survive: slashes, dots, two underscores."""
    return f"album.{number % 3}/photo__{number:03d}"


def write_built(
    folder: Path,
    records: int = 6,
    *,
    generators: Sequence[str] = GENERATORS,
    lost: Collection[tuple[int, str]] = (),
    splits: Sequence[str] = ("train", "val"),
    side: int = 64,
    **more: Any,
) -> Path:
    """Writes a set.

    Args:
        folder: A new folder.
        records: Number of records; each third one is of `splits[1]`.
        generators: Their names.
        lost: (record, generator or "real") of images that were not made.
        splits: Of most records, and of each third.
        side: Of the images, in pixels.
        more: Put into build.json.
    """
    folder.mkdir(parents=True)
    split = [splits[number % 3 == 2] for number in range(records)]
    rows: list[IndexRow] = []
    for generator in ("real", *generators):
        for name in dict.fromkeys(split):
            inside = [n for n in range(records) if split[n] == name and (n, generator) not in lost]
            if inside:
                rows += _shard(folder, name, generator, inside, side)
    write_index(folder / INDEX_NAME, rows)
    write_records(folder, [record_name(number) for number in range(records)], split)
    origins = [Origin("camera", 0, kind="photograph"), *(Origin(name, 1, family="own") for name in generators)]
    (folder / "origins.csv").write_text(OriginTable(origins).to_csv(), encoding="utf-8")
    write_build(folder, generators=list(generators), **more)
    return folder


def write_records(folder: Path, keys: list[str], splits: list[str]) -> None:
    table = {
        "key": keys,
        "caption": [f"a picture of {key}" for key in keys],
        "url": [f"https://example.org/{number}" for number in range(len(keys))],
        "split": splits,
        "width": [64] * len(keys),
    }
    pq.write_table(pa.table(table), folder / "records.parquet")


def write_build(folder: Path, **more: Any) -> None:
    build = {"layout": "contrafake-built", "schema_version": 1, "name": "tiny", "generators": list(GENERATORS)}
    (folder / "build.json").write_text(json.dumps({**build, **more}), encoding="utf-8")


def picture(number: int, generator: str, side: int) -> NDArray[np.uint8]:
    """A scene of its own for each record; what a generator makes of it is nearly the same."""
    rng = np.random.default_rng(number)
    scene = np.kron(rng.integers(30, 226, (side // 8, side // 8, 3)), np.ones((8, 8, 1)))
    grain = np.random.default_rng([number, len(generator)]).normal(0, 6 if generator == "real" else 2, scene.shape)
    return np.clip(scene + grain, 0, 255).astype(np.uint8)


def _shard(folder: Path, split: str, generator: str, numbers: list[int], side: int) -> list[IndexRow]:
    rows, label = [], int(generator != "real")
    shard = f"{split}-{generator}-00000.tar".removeprefix("-")
    with ShardWriter(folder / shard) as writer:
        for number in numbers:
            record = record_name(number)
            key, data = image_key(record, generator), encode(picture(number, generator, side), "JPEG", 90)
            row = IndexRow(
                key=key,
                record="",
                label=label,
                origin=generator if label else "camera",
                source=f"album-{number % 7}",
                group="" if number % 2 else record,
                split=split,
                shard=shard,
                member="",
                offset=0,
                bytes=len(data),
                sha256=sha256(data).hexdigest(),
                format="JPEG",
                width=side,
                height=side,
                quality=90,
                **dict(zip(("phash", "phash2"), perceptual_hashes(read(data).pixels), strict=True)),
            )
            said = {name: getattr(row, name) for name in ("origin", "source", "group", "split")}
            facts = {"label": "fake" if label else "real", "record": record, **said}
            member = writer.write(key, {"jpg": data, "json": json.dumps(facts).encode()})["jpg"]
            rows.append(replace(row, member=member.name, offset=member.offset))
    return rows
