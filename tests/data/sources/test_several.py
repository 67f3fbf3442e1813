"""Several sets as one: keys, groups and splits kept apart, and what each part left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import write_lone_shard, write_paired_shard

from contrafake.data import Record, Sample
from contrafake.data.sources import Source, open_data
from contrafake.data.sources.several import Several, split_address
from contrafake.data.sources.tars import Shards
from contrafake.errors import DataError, UsageError


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Two folders with the same keys inside."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_lone_shard(tmp_path / name / "train-0.tar", 2, 1)
        write_paired_shard(tmp_path / name / "b.tar", 1, 2)
    return tmp_path


def test_one_address_stays_as_it_is(sets: Path) -> None:
    source = open_data([str(sets / "one")])
    assert isinstance(source, Shards)
    assert {item.key for item in source} >= {"tiny__train__0000"}


def test_keys_and_groups_do_not_collide(sets: Path) -> None:
    source = open_data([str(sets / "one"), f"test={sets / 'two'}"])
    items = list(source)
    keys = [item.key for item in items]
    assert len(set(keys)) == len(keys) == 10
    samples = [s for item in items for s in (item.samples if isinstance(item, Record) else (item,))]
    assert len({s.key for s in samples}) == len(samples) == 14
    assert {s.split for s in samples if s.key.startswith("0/")} == {"train"}
    assert {s.split for s in samples if s.key.startswith("1/")} == {"test"}
    first, second = (item for item in items if isinstance(item, Record))
    assert (first.key, second.key) == ("0/tiny__train__0000", "1/tiny__train__0000")
    assert {s.group for s in first.samples} == {first.key}
    assert {s.group for s in second.samples} == {second.key}
    assert (first.caption, first.url) == ("scene 0", "")
    assert {s.group for s in samples if s.key.count("tiny") == 0} == {""}  # no group stays no group
    assert (source.census.records, source.census.of_class(0), source.census.of_class(1)) == (2, 6, 8)


def test_records_without_a_group_do_not_all_become_one(sets: Path) -> None:
    class Loose(Shards):
        def _list(self):  # type: ignore[no-untyped-def]
            for item in super()._list():
                if isinstance(item, Record):
                    yield replace(item, real=replace(item.real, group=""))

    source = Several([("", Loose(sets / "one")), ("", Loose(sets / "two"))])
    assert [item.real.group for item in source if isinstance(item, Record)] == ["", ""]


def test_one_address_with_a_split(sets: Path) -> None:
    items = list(open_data([f"validation={sets / 'one'}"]))
    assert {(item.real if isinstance(item, Record) else item).split for item in items} == {"val"}
    assert "tiny__train__0000" in {item.key for item in items}  # nothing to keep apart


def test_what_each_part_left_out_is_added_up(sets: Path) -> None:
    class Lossy(Shards):
        def _list(self):  # type: ignore[no-untyped-def]
            yield from super()._list()
            for number in range(30):
                self.census.skip(f"{self.root.name} {number}", "lost")
            self.census.notes.append(f"{self.root.name} is lossy")

    source = Several([("", Lossy(sets / "one")), ("", Lossy(sets / "two"))])
    list(source)
    assert source.census.skipped == {"lost": 60}
    assert source.census.notes == ["one is lossy", "two is lossy"]
    assert source.census.examples["lost"][:1] == ["one 0"]
    assert len(source.census.examples["lost"]) == 20  # as everywhere
    list(source)
    assert source.census.skipped == {"lost": 60}


def test_each_part_must_hold_what_its_layout_holds(sets: Path) -> None:
    class Half(Shards):
        classes = (0, 1)  # type: ignore[assignment]

        def _list(self):  # type: ignore[no-untyped-def]
            wanted = 0 if self.root.name == "one" else 1
            for item in super()._list():
                if isinstance(item, Sample) and item.label == wanted:
                    yield item

    # An incomplete copy must not go unnoticed because another set fills the gap.
    with pytest.raises(DataError, match="one: layout shards: no generated image"):
        list(Several([("", Half(sets / "one")), ("", Half(sets / "two"))]))


def test_sets_that_do_not_go_together(sets: Path) -> None:
    class Defects(Shards):
        task = "anomaly"

    with pytest.raises(UsageError, match="none given"):
        Several([])
    with pytest.raises(UsageError, match="anomalies"):
        Several([("", Shards(sets / "one")), ("", Defects(sets / "two"))])
    assert Several([("", Defects(sets / "one"))]).task == "anomaly"


def test_all_origin_tables_count(sets: Path) -> None:
    for name in ("one", "two"):
        (sets / name / "origins.csv").write_text(f"label,origin,family\nfake,{name},f-{name}\n", encoding="utf-8")
    parts: list[tuple[str, Source]] = [("", Shards(sets / name)) for name in ("one", "two")]
    table = Several(parts).origins
    assert {name: table.get(1, name).family for name in ("one", "two")} == {"one": "f-one", "two": "f-two"}


def test_nothing_given() -> None:
    with pytest.raises(UsageError):
        open_data([])


def test_a_missing_part(sets: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        open_data([str(sets / "one"), str(sets / "none")])
    with pytest.raises(UsageError, match="layout"):
        open_data([str(sets / "one")], layout="unknown")


def test_a_link_that_goes_round_in_circles(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(DataError, match="/a: "):
        open_data([str(tmp_path / "a")])


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("train=a/b", ("train", "a/b")),
        ("Val=a", ("val", "a")),
        ("validation=a=b", ("val", "a=b")),
        ("a/b", ("", "a/b")),
        ("other=a", ("", "other=a")),
        ("a/train=b", ("", "a/train=b")),
        ("test=", ("test", "")),
    ],
)
def test_addresses(address: str, parts: tuple[str, str]) -> None:
    assert split_address(address) == parts


def test_a_path_that_exists_is_never_taken_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train=x").mkdir()
    assert split_address("train=x") == ("", "train=x")
