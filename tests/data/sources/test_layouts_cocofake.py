"""COCOFake: parents and children are paired by a merge of sorted names, and what does not fit is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layout_miniatures import COCO, MINIATURES, write

from contrafake.data.sample import Record
from contrafake.data.sources import open_source
from contrafake.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.data.sources import Source


def records(root: Path) -> tuple[Source, dict[str, Record]]:
    source = open_source(root, "cocofake")
    found = [item for item in source if isinstance(item, Record)]
    assert source.census.records == len(found)
    return source, {record.key: record for record in found}


def parent(coco: str, split: str = "train") -> str:
    return f"coco2014/{split}2014/COCO_{split}2014_{coco}.jpg"


def children(coco: str, count: int = 5, top: str = "fake_coco", split: str = "train") -> list[str]:
    stem = f"COCO_{split}2014_{coco}"
    return [f"{top}/{split}2014/{stem}/{stem}_{number}.jpg" for number in range(count)]


def test_a_record_is_a_photograph_and_its_five_images(tmp_path: Path) -> None:
    source, found = records(MINIATURES["cocofake"](tmp_path))
    assert list(found) == [f"cocofake__{split}__{coco}" for split in ("train", "val") for coco in COCO[:2]]
    record = found[f"cocofake__train__{COCO[0]}"]
    stem = f"COCO_train2014_{COCO[0]}"
    assert record.real.image.file_name == f"{stem}.jpg"
    assert [child.image.file_name for child in record.generated] == [f"{stem}_{number}.jpg" for number in range(5)]
    assert [child.key.rpartition(".")[2] for child in record.generated] == [f"gen_{number}" for number in range(5)]
    assert {sample.group for sample in record.samples} == {f"coco/{COCO[0]}"}
    assert {sample.split for sample in record.samples} == {"train"}
    assert record.caption == "a first\na second"  # in the order of COCO's numbers
    assert not source.census.skipped
    assert not source.census.notes


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    whole, short, childless, orphan = "000000000001", "000000000002", "000000000003", "000000000004"
    write(tmp_path, parent(whole), parent(short), parent(childless), *children(whole), *children(short, 3))
    write(tmp_path, *children(orphan, 2), "coco2014/train2014/other.jpg", parent(whole, "val"), "more/1.jpg")
    write(tmp_path, f"coco2014/train2014/COCO_val2014_{whole}.jpg")
    write(tmp_path, f"fake_coco/train2014/COCO_train2014_{whole}_copy/1.jpg")
    (tmp_path / "coco2014/train2014/readme.txt").write_text("no image")
    source, found = records(tmp_path)
    assert list(found) == [f"cocofake__train__{whole}", f"cocofake__train__{short}"]
    assert len(found[f"cocofake__train__{short}"].generated) == 3
    assert source.census.notes == [f"parents without 5 children of each generator: 1 (cocofake__train__{short})"]
    assert source.census.skipped == {
        "it has no generated image": 2,  # the childless one, and the one of val
        "its parent, the photograph, is missing": 2,
        "its name is no COCO id of train2014": 3,
        "no image by its suffix (.txt)": 1,
        "no part of layout cocofake": 1,
    }
    assert source.census.examples["no part of layout cocofake"] == [str(tmp_path / "more")]
    assert str(tmp_path / parent(childless)) in source.census.examples["it has no generated image"]


def test_a_note_names_the_first_of_many(tmp_path: Path) -> None:
    for number in range(7):
        write(tmp_path, parent(f"{number:012d}"), *children(f"{number:012d}", 4))
    (note,) = records(tmp_path)[0].census.notes
    assert note.startswith("parents without 5 children of each generator: 7 (cocofake__train__000000000000, ")
    assert note.endswith("cocofake__train__000000000004, ...)")


def test_both_versions_of_stable_diffusion_join_one_record(tmp_path: Path) -> None:
    coco = COCO[0]
    write(tmp_path, parent(coco, "val"), *children(coco, top="A_fake_sd_2.0", split="val"))
    write(tmp_path, *children(coco, top="COCOFake", split="val"))
    source, found = records(tmp_path)
    (record,) = found.values()
    assert [child.origin for child in record.generated] == ["sd1.4"] * 5 + ["sd2.0"] * 5
    assert record.real.split == "val"
    assert not source.census.notes


def test_other_trees_that_hold_the_same(tmp_path: Path) -> None:
    stem = f"COCO_val2014_{COCO[0]}"
    write(
        tmp_path / "fiftyone", f"coco-2014/validation/data/{stem}.jpg", *children(COCO[0], top="cocofake", split="val")
    )
    write(tmp_path / "flat", f"coco/val2014/{stem}.jpg", *[f"fake/val2014/{stem}_{i}.jpg" for i in range(5)])
    write(tmp_path / "one", f"val2014/{stem}.jpg", *[f"val2014/{stem}-{i}.png" for i in range(5)])
    for name in ("fiftyone", "flat", "one"):
        assert open_source(tmp_path / name).layout == "cocofake"
        source, found = records(tmp_path / name)
        (record,) = found.values()
        assert len(record.generated) == 5
        assert not source.census.skipped
        assert not source.census.notes


def test_coco_alone_is_not_taken_for_it(tmp_path: Path) -> None:
    write(tmp_path, parent(COCO[0]), parent(COCO[1]))
    with pytest.raises(DataError, match="no known layout"):
        open_source(tmp_path)
    with pytest.raises(DataError, match=r"no real image \(2 skipped: it has no generated image"):
        records(tmp_path)


@pytest.mark.parametrize(
    "text", ["{", "[1, 2]", '{"annotations": [{"image_id": "x", "caption": "y"}]}', "\xff", "[" * 99_999]
)
def test_captions_that_cannot_be_read_are_noted_and_nothing_else_is_lost(tmp_path: Path, text: str) -> None:
    root = MINIATURES["cocofake"](tmp_path)
    (root / "coco2014/annotations/captions_train2014.json").write_text(text, encoding="latin-1")
    source, found = records(root)
    assert len(found) == 4
    assert found[f"cocofake__train__{COCO[0]}"].caption == ""
    (note,) = source.census.notes
    assert "captions_train2014.json: the captions cannot be read" in note


def test_captions_of_other_photographs_do_not_matter(tmp_path: Path) -> None:
    root = MINIATURES["cocofake"](tmp_path)
    captions = [{"image_id": 25, "id": 7, "caption": "kept"}, {"image_id": 99, "id": 8, "caption": "of no file"}]
    path = root / "coco2014/annotations/captions_val2014.json"
    path.write_text(json.dumps({"annotations": captions}))
    assert [record.caption for record in records(root)[1].values()] == ["a first\na second", "", "", "kept"]


ids = st.sets(st.integers(0, 30), max_size=12)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reals=ids, fakes=ids, more=ids)
def test_the_merge_pairs_what_sets_pair(
    reals: set[int], fakes: set[int], more: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("merge")
    write(root, *[parent(f"{i:012d}") for i in reals])
    write(root, *[name for i in fakes for name in children(f"{i:012d}", 1)])
    write(root, *[name for i in more for name in children(f"{i:012d}", 1, top="sd2")])
    if not reals & (fakes | more):
        with pytest.raises(DataError):
            records(root)
        return
    source, found = records(root)
    assert [int(key[-12:]) for key in found] == sorted(reals & (fakes | more))
    for key, record in found.items():
        made = {1.4: fakes, 2.0: more}
        assert [c.origin for c in record.generated] == [f"sd{v}" for v, has in made.items() if int(key[-12:]) in has]
    skipped = source.census.skipped
    assert skipped["it has no generated image"] == len(reals - fakes - more)
    assert skipped["its parent, the photograph, is missing"] == len(fakes - reals) + len(more - reals)
