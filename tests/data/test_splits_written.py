"""The lists and shards of a division."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest
from conftest import write_lone_shard, write_paired_shard
from splits_example import FAMILIES, Listed, by_key, ignoring, many, sample, write_folder

from contrafake.data import ShardSet
from contrafake.data.origins import SPLITS
from contrafake.data.sources import open_data, samples_of
from contrafake.data.splits import SplitSettings, plan_splits
from contrafake.data.splitting.lists import write_split
from contrafake.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_lists_tell_of_every_image_and_can_be_used_again(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write_lone_shard(tmp_path / "set/a-0000.tar", 30, 1)
    source = open_data([str(tmp_path / "set")])
    chosen = SplitSettings(fractions=(0.6, 0.4), leave_one_out=True)
    plan = plan_splits(source, chosen)
    facts = write_split(plan, source, chosen, tmp_path / "out")
    rows = rows_of(tmp_path / "out/splits.csv")
    assert {row["key"]: row["split"] for row in rows} == by_key(plan, source)
    assert list(rows[0]) == ["key", "label", "origin", "source", "group", "split", "family"]
    assert {row["family"] for row in rows if row["label"] == "fake"} == {"gan", "sd"}
    assert facts == json.loads((tmp_path / "out/split.json").read_text())
    assert facts["splits"]["train"]["families"]["gan"] == sum(
        row["split"] == "train" and row["origin"] == "gan" for row in rows
    )
    assert str(tmp_path) not in (tmp_path / "out/split.json").read_text()
    name = facts["leave_one_out"]["gan"]["file"]
    listed = {row["key"]: row["split"] for row in rows_of(tmp_path / "out" / name)}
    again = plan_splits(source, ignoring(by="keep", list_file=str(tmp_path / "out" / name)))
    assert by_key(again, source) == listed
    assert len(listed) < 60


def test_a_list_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    source, path = Listed(many()), tmp_path / "list.csv"
    for text, why in (
        ("name,split\n", "no column key"),
        ("key,split\nr0-0,tset\n", "line 2: unknown split 'tset'"),
        ("key,split\nr0-0,train\nr0-0,test\n", "a key twice"),
        ("key,split\nr0-0,train\nnobody,test\n", "1 of its 2 keys are not in the data"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=why):
            plan_splits(source, ignoring(by="keep", list_file=str(path)))
    with pytest.raises(DataError, match="cannot be read"):
        plan_splits(source, ignoring(by="keep", list_file=str(tmp_path / "none.csv")))


def test_lists_of_files_are_manifests(tmp_path: Path) -> None:
    source = open_data([str(write_folder(tmp_path / "set"))])
    chosen = SplitSettings(fractions=(0.5, 0.25, 0.25))
    write_split(plan_splits(source, chosen), source, chosen, tmp_path / "lists/out")
    rows = rows_of(tmp_path / "lists/out/splits.csv")
    assert all((tmp_path / "lists/out" / row["path"]).is_file() for row in rows)
    again = open_data([str(tmp_path / "lists/out/splits.csv")])
    assert {s.key: (s.label, s.split, s.source) for item in again for s in samples_of(item)} == {
        row["key"]: (int(row["label"] == "fake"), row["split"], row["source"]) for row in rows
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_shards_hold_the_same_bytes_under_the_same_keys(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write_lone_shard(tmp_path / "set/a-0000.tar", 30, 1)
    source = open_data([str(tmp_path / "set")])
    chosen = ignoring(fractions=(0.6, 0.2, 0.2))
    plan = plan_splits(source, chosen)
    write_split(plan, source, chosen, tmp_path / "out", shards=True)
    assert {path.name for path in (tmp_path / "out").glob("*.tar")} == {f"{split}-0000.tar" for split in SPLITS}
    before = {s.key: (s, ShardSet.read(s.image)) for item in source for s in samples_of(item)}
    for split in SPLITS:
        for one in ShardSet([str(tmp_path / f"out/{split}-0000.tar")]).samples:
            was, data = before.pop(one.key)
            assert (one.label, one.origin, one.source, one.split) == (was.label, was.origin, was.source, split)
            assert ShardSet.read(one.image) == data
    assert before == {}
    write_split(plan, source, chosen, tmp_path / "twice", shards=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "twice")


def test_records_stay_records_and_what_is_left_of_them_becomes_lone(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write_paired_shard(tmp_path / "set/a-0000.tar", 6, 1)
    path = tmp_path / "list.csv"
    lines = ["key,split"]
    lines += [f"tiny__train__000{i}.{name},train" for i in range(3) for name in ("real", "gen_0", "gen_1")]
    lines += ["tiny__train__0003.real,test", "tiny__train__0003.gen_1,test"]  # gen_0 is missing
    lines += ["tiny__train__0004.gen_0,test", "tiny__train__0005.real,val"]
    path.write_text("\n".join(lines) + "\n")
    source = open_data([str(tmp_path / "set")])
    chosen = ignoring(by="keep", list_file=str(path))
    write_split(plan_splits(source, chosen), source, chosen, tmp_path / "out", shards=True)
    found = {p.name: ShardSet([str(p)]) for p in (tmp_path / "out").glob("*.tar")}
    assert set(found) == {"train-paired-0000.tar", "test-paired-0000.tar", "test-lone-0000.tar", "val-lone-0000.tar"}
    assert [record.key for record in found["train-paired-0000.tar"].records] == [
        f"tiny__train__000{i}" for i in range(3)
    ]
    assert found["train-paired-0000.tar"].records[1].caption == "scene 1"
    (record,) = found["test-paired-0000.tar"].records
    assert [s.key for s in record.samples] == ["tiny__train__0003.real", "tiny__train__0003.gen_1"]
    assert {s.split for s in record.samples} == {"test"}
    (lone,) = found["test-lone-0000.tar"].samples
    assert (lone.key, lone.group, lone.label) == ("tiny__train__0004.gen_0", "tiny__train__0004", 1)
    was = {s.key: s for item in source for s in samples_of(item)}
    assert ShardSet.read(lone.image) == ShardSet.read(was[lone.key].image)


def test_shards_are_closed_at_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contrafake.data.splitting.shards_out.SHARD_BYTES", 20_000)
    (tmp_path / "set").mkdir()
    write_lone_shard(tmp_path / "set/a-0000.tar", 30, 1)
    source = open_data([str(tmp_path / "set")])
    chosen = ignoring(fractions=(0.6, 0.4))
    write_split(plan_splits(source, chosen), source, chosen, tmp_path / "out", shards=True)
    found = open_data([str(tmp_path / "out")])
    assert len(sorted((tmp_path / "out").glob("train-*.tar"))) > 1
    assert sum(1 for _ in found) == 60


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    source, chosen = Listed(many()), ignoring()
    plan = plan_splits(source, chosen)
    (tmp_path / "out").mkdir()
    write_split(plan, source, chosen, tmp_path / "out")  # an empty one will do
    before = contents(tmp_path / "out")
    with pytest.raises(DataError, match="stands there and is not empty"):
        write_split(plan, source, chosen, tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "set").mkdir()
    write_lone_shard(tmp_path / "set/a-0000.tar", 10, 1)
    source = open_data([str(tmp_path / "set")])
    chosen = ignoring(fractions=(0.6, 0.4))
    plan = plan_splits(source, chosen)
    monkeypatch.setattr("tarfile.TarFile.addfile", full)
    with pytest.raises(DataError, match="No space left"):
        write_split(plan, source, chosen, tmp_path / "out", shards=True)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_name_that_is_no_text_is_spelled_out(tmp_path: Path) -> None:
    samples = [*many(), sample("r\udcff", 0, "photos", "real-0"), sample('r"\n', 0, "o\udcff", "=1+1")]
    source, chosen = Listed(samples, FAMILIES | {"gen-3": "../flow/é"}), ignoring(leave_one_out=True)
    facts = write_split(plan_splits(source, chosen), source, chosen, tmp_path / "out")
    keys = [row["key"] for row in rows_of(tmp_path / "out/splits.csv")]
    assert keys[-2:] == ["r\\udcff", 'r"\n']
    assert facts["leave_one_out"]["../flow/é"]["file"] == "leave-out-..-flow-.csv"


def test_a_set_that_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    source, chosen = Listed(many()), ignoring()
    plan = plan_splits(source, chosen)
    source.samples[3] = sample("other", 1, "o", "s")
    with pytest.raises(DataError, match="changed while"):
        write_split(plan, source, chosen, tmp_path / "out")
    assert not list(tmp_path.iterdir())
