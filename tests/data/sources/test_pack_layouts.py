"""Every public layout can be packed, and means the same when it is read back from the shards."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pyarrow")

from d3_miniature import image, put_real, row, write
from layout_miniatures import MINIATURES

from contrafake.data import ShardSet
from contrafake.data.index import read_index, rows_of
from contrafake.data.location import read_bytes
from contrafake.data.pack import pack
from contrafake.data.sample import ANOMALY_LABELS, LABELS, Record
from contrafake.data.sources import open_source, samples_of

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.data import Sample
    from contrafake.data.sources import Item


def known(item: Item, sample: Sample) -> tuple[object, ...]:
    """What must survive; a record's key may get its data set and split in front."""
    group = "" if isinstance(item, Record) else sample.group
    return sample.label, sample.origin, sample.source, sample.split, group, read_bytes(sample.image)


@pytest.mark.parametrize("layout", sorted(MINIATURES))
def test_a_layout_and_its_shards_say_the_same(tmp_path: Path, layout: str) -> None:
    source = open_source(MINIATURES[layout](tmp_path / "set"), layout)
    listed = Counter(known(item, sample) for item in source for sample in samples_of(item))
    packed = pack(source, tmp_path / "out", workers=1, images_per_shard=4)
    assert packed.failures == []
    shards = ShardSet([str(tmp_path / "out" / "*.tar")], ANOMALY_LABELS if source.task == "anomaly" else LABELS)
    items: list[Item] = [*shards.samples, *shards.records]
    assert Counter(known(item, sample) for item in items for sample in samples_of(item)) == listed
    assert not shards.skipped
    assert packed.images.total() == listed.total()


def test_d3_with_some_of_its_real_images(tmp_path: Path) -> None:
    write(tmp_path / "set" / "data" / "train-00000-of-00001.parquet", map(row, range(5)))
    for number in (0, 3):
        put_real(tmp_path / "set" / "real", f"{number:09d}", image(1000 + number))
    packed = pack(open_source(tmp_path / "set"), tmp_path / "out", workers=1, images_per_shard=5)
    assert packed.shards == {
        "train-lone-00000.tar": 5, "train-lone-00001.tar": 5, "train-lone-00002.tar": 2,
        "train-paired-00000.tar": 5, "train-paired-00001.tar": 5,
    }  # fmt: skip
    first, second = ShardSet([str(tmp_path / "out" / "train-paired-*.tar")]).records
    assert (first.key, second.key) == ("elsa-d3__train__000000000", "elsa-d3__train__000000003")
    assert [read_bytes(s.image) for s in second.samples] == [image(n) for n in (1003, 30, 31, 32, 33)]
    assert (first.caption, first.url) == ("caption 0", "https://Host0.example/0.jpg")
    assert first.generated[3].metadata["model"] == "stabilityai/stable-diffusion-xl-base-1.0"
    assert {r.format for r in rows_of(read_index(tmp_path / "out" / "index.parquet"))} == {"PNG"}
    summary = json.loads((tmp_path / "out" / "pack.json").read_text())
    assert summary["skipped"]["real image not downloaded"]["count"] == 3
