from __future__ import annotations

import hashlib
import json
import tarfile
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from conftest import write_paired_shard

from contrafake.data import ShardSet
from contrafake.data.index import read_index
from contrafake.data.location import read_bytes
from contrafake.data.matching.match import match
from contrafake.data.matching.settings import MatchSettings
from contrafake.data.sources.tars import Shards
from contrafake.images import jpeg_facts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("records") / "train-0000.tar"
    return write_paired_shard(path, 6, 3)


TINY = MatchSettings(min_side=16, factor=(0.7, 0.95))


def test_siblings_take_everything_from_their_real_image(records: Path, tmp_path: Path) -> None:
    match(Shards(records), tmp_path / "out", TINY)
    listed = ShardSet([str(tmp_path / "out" / "*.tar")])
    assert not listed.samples
    assert len(listed.records) == 6
    before = {record.key: record for record in ShardSet([str(records)]).records}
    for record in listed.records:
        assert record.key.startswith("matched__train__")
        facts = [jpeg_facts(read_bytes(sample.image)) for sample in record.samples]
        assert len(facts) == 3
        assert len({(f.width, f.height, f.quality, f.subsampling) for f in facts}) == 1
        assert facts[0].quality == 92
        sidecar = json.loads(_sibling((tmp_path / "out" / "train-matched-paired-00000.tar"), record.key))
        old = before[sidecar["original"]["record"]]
        assert record.caption == old.caption
        assert [sample.origin for sample in record.samples] == [sample.origin for sample in old.samples]
        assert record.real.source == old.real.source
        digest = hashlib.sha256(read_bytes(old.real.image)).hexdigest()
        assert sidecar["original"]["real"]["sha256"] == digest
        assert set(sidecar["processing"]) == {"real", "gen_0", "gen_1"}
    assert len(read_index(tmp_path / "out" / "index.parquet")) == 18


def _sibling(shard: Path, key: str) -> bytes:
    with tarfile.open(shard) as tar:
        file = tar.extractfile(f"{key}.json")
        assert file is not None
        return file.read()


def test_records_can_be_broken_up(records: Path, tmp_path: Path) -> None:
    settings = MatchSettings(mode="distribution", min_side=16, factor=(0.7, 0.95))
    report = match(Shards(records), tmp_path / "out", settings)
    listed = ShardSet([str(tmp_path / "out" / "*.tar")])
    assert (len(listed.samples), len(listed.records), report.cells) == (18, 0, 6)
    assert Counter(sample.group for sample in listed.samples) == {f"tiny__train__{i:04d}": 3 for i in range(6)}


def test_a_record_that_loses_its_real_image_is_left_out(records: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "train-0000.tar"
    data = bytearray(records.read_bytes())
    real = ShardSet([str(records)]).records[2].real.image
    sibling = ShardSet([str(records)]).records[4].generated[0].image
    for place in (real, sibling):
        data[place.offset : place.offset + place.size] = bytes(place.size)  # type: ignore[union-attr]
    damaged.write_bytes(bytes(data))
    report = match(Shards(damaged), tmp_path / "out", TINY)
    listed = ShardSet([str(tmp_path / "out" / "*.tar")])
    names = Counter(tuple(s.key.rpartition(".")[2] for s in record.samples) for record in listed.records)
    assert names == {("real", "gen_0", "gen_1"): 4, ("real", "gen_1"): 1}
    assert report.failed_count == 2
    assert sum(count for *_, reason, count in report.lost if reason.startswith("no sibling")) == 2
