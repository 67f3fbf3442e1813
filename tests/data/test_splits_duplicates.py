"""Near duplicates on two sides, splits that are kept, and images that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture, write_lone_shard
from splits_example import Listed, by_key, ignoring, many, sample, write_folder

from contrafake.data import ShardSet
from contrafake.data.index import IndexRow, write_index
from contrafake.data.origins import SPLITS
from contrafake.data.sources import open_data
from contrafake.data.splits import SplitSettings, plan_splits
from contrafake.data.splitting.columns import list_columns
from contrafake.data.splitting.hashes import hashes_of
from contrafake.data.splitting.own import less_protected
from contrafake.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def test_near_duplicates_unite_their_sources(tmp_path: Path) -> None:
    source = open_data([str(write_folder(tmp_path / "set"))])
    plan = plan_splits(source, SplitSettings(fractions=(0.5, 0.25, 0.25)))
    found = by_key(plan, source)
    assert plan.joined == 1
    assert plan.units == 15
    assert len({found[key] for key in found if "real-0" in key or "real-1" in key}) == 1
    apart = [by_key(plan_splits(source, ignoring(fractions=(0.5, 0.25, 0.25), seed=seed)), source) for seed in range(8)]
    assert any(one["real/real-0/twin"] != one["real/real-1/twin"] for one in apart)


def test_near_duplicates_across_units_are_refused_by_name(tmp_path: Path) -> None:
    source = open_data([str(write_folder(tmp_path / "set"))])
    with pytest.raises(DataError, match="1 near duplicates would stand on two sides") as caught:
        plan_splits(source, SplitSettings(duplicates="refuse"))
    assert "real/real-0/twin and real/real-1/twin" in caught.value.cause


def test_an_image_under_both_labels_is_named_and_kept_on_one_side(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set")
    (folder / "fake/fake-2/copy.jpg").write_bytes((folder / "real/real-5/0.jpg").read_bytes())
    source = open_data([str(folder)])
    plan = plan_splits(source, SplitSettings(fractions=(0.5, 0.25, 0.25)))
    assert plan.notes == ["1 image stands under both labels: real/real-5/0 and fake/fake-2/copy"]
    found = by_key(plan, source)
    assert found["real/real-5/0"] == found["fake/fake-2/copy"]


def write_split_folder(root: Path) -> Path:
    rng = np.random.default_rng(4)
    twin = jpeg(picture(rng, generated=False))
    for split in SPLITS:
        for kind in ("real", "fake"):
            folder = root / split / kind
            folder.mkdir(parents=True)
            for i in range(2):
                (folder / f"{i}.jpg").write_bytes(jpeg(picture(rng, generated=kind == "fake")))
        (root / split / "real/twin.jpg").write_bytes(twin)
    return root


def test_kept_splits_lose_the_twin_in_the_less_protected_one(tmp_path: Path) -> None:
    source = open_data([str(write_split_folder(tmp_path / "set"))])
    plan = plan_splits(source, SplitSettings(by="keep"))
    found = by_key(plan, source)
    assert [key for key in found if "twin" in key] == ["test/real/twin"]
    assert len(found) == 13
    assert sorted(plan.left_out.values()) == ["a near duplicate is in a more protected split"] * 2
    assert all(key.startswith(where) for key, where in found.items())
    with pytest.raises(DataError, match=r"2 near duplicates .*(train|val)/real/twin and test/real/twin"):
        plan_splits(source, SplitSettings(by="keep", duplicates="refuse"))
    assert len(by_key(plan_splits(source, ignoring(by="keep")), source)) == 15


def test_an_image_gives_way_to_its_group_in_a_more_protected_split() -> None:
    #        train     val  test  out  of no group
    split = np.array([0, 0, 1, 2, 2, -1, 0], np.int8)
    group = np.array([5, 6, 5, 5, 7, 6, -1])
    assert less_protected(split, group).tolist() == [True, False, True, False, False, False, False]


def test_groups_in_two_splits_are_told_where_duplicates_are_ignored() -> None:
    samples = [
        sample("a", 0, "o", "s", "g", "train"),
        sample("b", 0, "o", "s", "g", "val"),
        sample("c", 0, "o", "s", "", "train"),
        sample("d", 1, "o", "t", "h", "test"),
        sample("e", 1, "o", "t", "h", "test"),
    ]
    plan = plan_splits(Listed(samples), ignoring(by="keep"))
    assert "1 images have a group in a more protected split as well" in plan.notes
    assert "1 of 2 sources have images in more than one split" in plan.notes


def test_images_without_a_split_have_none_to_keep() -> None:
    with pytest.raises(DataError, match="400 of 400 images have no split to keep"):
        plan_splits(Listed(many()), ignoring(by="keep"))


def test_a_broken_image_is_named_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contrafake.data.splitting.leave_out.FEWEST", 2)
    root = write_folder(tmp_path / "set")
    (root / "real/real-3/0.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    (root / "real/real-4/0.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    source = open_data([str(root)])
    plan = plan_splits(source, SplitSettings(fractions=(0.5, 0.5), leave_one_out=True))
    assert plan.unreadable == 2
    broken = {"real/real-3/0", "real/real-4/0"}
    assert plan.leave_out
    assert not any(broken & set(by_key(plan, source, split)) for _, split in plan.leave_out.values())
    assert all(reason.startswith("unreadable: ") for reason in plan.left_out.values())
    assert not broken & set(by_key(plan, source))
    assert plan.joined == 1  # two broken files are no duplicates of each other


def test_an_index_spares_the_reading_unless_it_is_of_other_shards(tmp_path: Path) -> None:
    shard = write_lone_shard(tmp_path / "set-0000.tar", 4, 1)
    rows = []
    for place, one in enumerate(ShardSet([str(shard)]).samples):
        member = one.image
        rows.append(
            IndexRow(
                one.key, "", one.label, one.origin, one.source, "", "", shard.name, member.name,  # type: ignore[union-attr]
                member.offset + (512 if place == 7 else 0), member.size, f"{place + 1:064x}"[::-1], "JPEG", 72, 72, 92,  # type: ignore[union-attr]
                place + 1, place + 2,
            )
        )  # fmt: skip
    write_index(tmp_path / "index.parquet", rows)
    source = open_data([str(tmp_path)])
    hashes = hashes_of(source, list_columns(source), 1)
    assert hashes.read == 1
    assert hashes.phash[:7].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert hashes.phash2[:7].tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert hashes.phash[7] > 8  # read from the image, since the index tells of another place


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    write_lone_shard(tmp_path / "set-0000.tar", 40, 1)
    source = open_data([str(tmp_path)])
    columns = list_columns(source)
    one, two = (hashes_of(source, columns, workers) for workers in (1, 2))
    assert (one.sha256 == two.sha256).all()
    assert (one.phash == two.phash).all()
    assert one.read == 80
