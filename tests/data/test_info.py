"""What a set holds, counted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture, write_lone_shard, write_paired_shard
from PIL import Image

from contrafake.data import Member, ShardSet
from contrafake.data.index import IndexRow, write_index
from contrafake.data.info import data_info
from contrafake.data.sources import open_data
from contrafake.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.data.info import DataInfo, OriginInfo


def write_set(root: Path) -> Path:
    """Three photographs, four of sdxl (one a PNG, one larger, one broken), one of another; and what is no image."""
    rng = np.random.default_rng(5)
    for folder in ("train/real", "test/real", "train/fake/sdxl", "test/fake/sdxl", "train/fake/odd"):
        (root / folder).mkdir(parents=True)
    for name in ("train/real/a", "train/real/b", "test/real/c", "train/fake/sdxl/a", "train/fake/odd/a"):
        (root / f"{name}.jpg").write_bytes(jpeg(picture(rng, generated=False)))
    (root / "test/fake/sdxl/b.jpg").write_bytes(jpeg(picture(rng, generated=False, side=100)))
    Image.new("RGB", (80, 60)).save(root / "test/fake/sdxl/c.png")
    (root / "test/fake/sdxl/d.jpg").write_bytes(b"nothing")
    (root / "train/real/notes.txt").write_text("x")
    (root / "origins.csv").write_text(
        "label,origin,family,class,seen_in_training\nfake,sdxl,sd-family,latent diffusion,no\nreal,set,,camera,yes\n"
    )
    return root


def of(found: DataInfo, name: str) -> OriginInfo:
    return next(origin for origin in found.origins if origin.name == name)


def test_counts_sizes_and_formats_by_hand(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set")
    found = data_info(open_data([str(root)]))
    assert found.splits == {"train": {"real": 2, "generated": 2}, "test": {"real": 1, "generated": 3}}
    assert [(origin.label, origin.name) for origin in found.origins] == [(0, "set"), (1, "odd"), (1, "sdxl")]
    sdxl = of(found, "sdxl")
    assert (sdxl.family, sdxl.kind, sdxl.seen) == ("sd-family", "latent diffusion", False)
    assert sdxl.counts == {"train": 1, "test": 3}
    assert (sdxl.width, sdxl.height) == (80, 72)  # medians of 72, 100, 80 and of 72, 100, 60
    assert sdxl.formats == {"JPEG": 2, "PNG": 1}
    assert sdxl.sources == 2
    assert of(found, "odd").seen is None
    assert found.sources == {"real": 2, "generated": 3}
    readable = [path for path in root.rglob("*") if path.suffix in {".jpg", ".png"} and path.name != "d.jpg"]
    assert found.bytes == sum(path.stat().st_size for path in readable)
    assert found.unreadable == 1
    assert found.unreadable_examples[0][0] == "test/fake/sdxl/d"
    assert len(found.skipped) == 2  # notes.txt, and the origin table
    assert found.layout == "folders"


def test_without_sizes_no_file_is_opened(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set")
    found = data_info(open_data([str(root)]), sizes=False)
    assert found.unreadable == 0
    assert found.bytes is None
    assert of(found, "sdxl").width is None
    assert of(found, "sdxl").images == 4


def test_records_groups_and_images_without_a_split(tmp_path: Path) -> None:
    write_paired_shard(tmp_path / "a-0000.tar", 3, 1)
    found = data_info(open_data([str(tmp_path)]))
    assert (found.records, found.groups) == (3, 3)
    assert found.splits == {"train": {"real": 3, "generated": 6}}
    (tmp_path / "lone").mkdir()
    write_lone_shard(tmp_path / "lone/a-0000.tar", 3, 1)
    found = data_info(open_data([str(tmp_path / "lone")]))
    assert (found.records, found.groups) == (0, 0)
    assert found.splits == {"": {"real": 3, "generated": 3}}


def test_an_index_spares_the_headers(tmp_path: Path) -> None:
    shard = write_lone_shard(tmp_path / "a-0000.tar", 2, 1)
    listed = [(one, one.image) for one in ShardSet([str(shard)]).samples if isinstance(one.image, Member)]
    rows = [
        IndexRow(
            key=one.key, record="", label=one.label, origin=one.origin, source=one.source, group="", split="",
            shard=shard.name, member="", offset=image.offset, bytes=image.size, sha256="0" * 64,
            format="HEIF", width=640, height=480, quality=-1, phash=1, phash2=1,
        )
        for one, image in listed
    ]  # fmt: skip
    write_index(tmp_path / "index.parquet", rows)
    found = data_info(open_data([str(tmp_path)]))
    assert {(o.width, o.height, *o.formats) for o in found.origins} == {(640, 480, "HEIF")}
    assert found.bytes == sum(image.size for _, image in listed)


def test_it_can_be_written_as_json(tmp_path: Path) -> None:
    found = data_info(open_data([str(write_set(tmp_path / "set"))]))
    values = json.loads(json.dumps(found.to_dict()))
    assert values["schema_version"] == 1
    assert values["origins"][2]["name"] == "sdxl"
    assert str(tmp_path) not in json.dumps({**values, "skipped": []})


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    with pytest.raises(DataError):
        data_info(open_data([str(tmp_path)]))
