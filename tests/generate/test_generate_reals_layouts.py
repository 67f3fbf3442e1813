"""Each layout of images with captions, recognised and read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contrafake.data import ShardWriter
from contrafake.data.location import Cell, File, Member, read_bytes
from contrafake.errors import DataError
from contrafake.generate.config import RealsSettings
from contrafake.generate.reals.listing import RealListing, list_reals
from contrafake.images import encode

if TYPE_CHECKING:
    from pathlib import Path


def picture(value: int) -> bytes:
    return encode(np.full((24, 32, 3), value, np.uint8), "JPEG", 80)


def put(path: Path, data: bytes | str = picture(9)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def listed(path: Path, **settings: Any) -> RealListing:
    return list_reals(RealsSettings(data=[str(path)], **settings))


def captions(path: Path, **settings: Any) -> dict[str, str]:
    return {real.key: real.caption for real in listed(path, **settings)}


def test_captions_lie_beside_images(tmp_path: Path) -> None:
    for name in ("a.jpg", "deep/b.PNG", "deep/er/c.webp", "d.jpg", "two.jpg", "two.png"):
        put(tmp_path / name)
    put(tmp_path / "a.txt", "\ufeff\n  a  red \n another line")
    put(tmp_path / "deep/b.caption", "blue")
    put(tmp_path / "two.txt", "both")
    put(tmp_path / "notes.md", "x")
    listing = listed(tmp_path)
    assert {real.key: real.caption for real in listing} == {
        "a": "a red",
        "d": "",
        "two.jpg": "both",
        "two.png": "both",
        "deep/b": "blue",
        "deep/er/c": "",
    }
    assert listing.skipped == {"no image by its suffix (.md)": 1}
    real = next(iter(listing))
    assert (real.origin, real.source, real.image) == (tmp_path.name, tmp_path.name, File(str(tmp_path / "a.jpg")))


def test_folders_of_img2dataset(tmp_path: Path) -> None:
    facts = {
        "url": "https://Pics.example/1.jpg",
        "caption": "of the json",
        "key": "000000000",
        "NSFW": "UNLIKELY",
        "similarity": 0.31,
        "exif": "{}",
    }
    put(tmp_path / "00000/000000000.jpg")
    put(tmp_path / "00000/000000000.json", json.dumps(facts))
    put(tmp_path / "00000.parquet", b"no images in here")
    [real] = listed(tmp_path)
    assert (real.key, real.caption, real.url) == ("00000/000000000", "of the json", facts["url"])
    assert real.source == "pics.example"
    assert real.metadata == {"key": "000000000", "NSFW": "UNLIKELY", "similarity": 0.31}


def test_tables_above_the_images(tmp_path: Path) -> None:
    put(tmp_path / "train/metadata.jsonl", '{"file_name": "in/1.jpg", "text": ["one", "uno"], "n": 1}\n\n')
    put(tmp_path / "test/metadata.csv", 'file_name,caption\n2.jpg,"two, and more"\n')
    for name in ("train/in/1.jpg", "test/2.jpg", "test/3.jpg"):
        put(tmp_path / name)
    reals = {real.key: real for real in listed(tmp_path)}
    assert {key: real.caption for key, real in reals.items()} == {
        "test/2": "two, and more",
        "test/3": "",
        "train/in/1": "one",
    }
    assert reals["train/in/1"].metadata == {"n": 1}
    assert (reals["train/in/1"].split, reals["test/2"].split) == ("train", "test")
    put(tmp_path / "test/captions.csv", "what,else\n1,2\n")
    assert listed_skips(tmp_path) == {"a table without a column that names the images": 1}


def listed_skips(path: Path) -> dict[str, int]:
    listing = listed(path)
    list(listing)
    return dict(listing.skipped)


def test_a_table_can_be_the_address(tmp_path: Path) -> None:
    put(tmp_path / "images/1.jpg")
    put(tmp_path / "images/not-listed.jpg")
    put(tmp_path / "flickr.tsv", "image\tsays\nimages/2.jpg\tgone\nimages/1.jpg\there\n")
    listing = listed(tmp_path / "flickr.tsv", columns={"caption": "says"})
    assert [(real.key, real.caption) for real in listing] == [("images/1", "here")]
    assert listing.examples == {"no such image file": ["line 2: images/2.jpg"]}
    put(tmp_path / "keyed.csv", "file,number,text\nimages/1.jpg,17,x\nimages/1.jpg,,y\n")
    keyed = listed(tmp_path / "keyed.csv", columns={"key": "number"})
    assert [(real.key, real.caption) for real in keyed] == [("17", "x")]
    assert keyed.skipped == {"the row has no key": 1}
    put(tmp_path / "cc3m.tsv", "caption\turl\nx\thttps://a.example/1.jpg\n")
    with pytest.raises(DataError, match=r"holds addresses of images, but no images .*img2dataset"):
        captions(tmp_path / "cc3m.tsv")
    put(tmp_path / "bad.jsonl", '{"file_name": "images/1.jpg"}\n[]\n')
    with pytest.raises(DataError, match="line 2: not a JSON object"):
        captions(tmp_path / "bad.jsonl")


def test_coco(tmp_path: Path) -> None:
    said = {
        "images": [
            {"id": 9, "file_name": "000000000009.jpg", "coco_url": "http://images.example/9.jpg", "license": 3},
            {"id": 5, "file_name": "000000000005.jpg"},
            {"id": 7, "file_name": "000000000007.jpg"},
        ],
        "annotations": [
            {"image_id": 9, "id": 20, "caption": "the second"},
            {"image_id": 9, "id": 3, "caption": " The first. \n"},
            {"image_id": 7, "id": 1, "caption": "no file"},
        ],
        "licenses": [{"id": 3, "name": "x"}],
    }
    put(tmp_path / "annotations/captions_val2017.json", json.dumps(said))
    for name in ("000000000009.jpg", "000000000005.jpg", "000000000001.jpg"):
        put(tmp_path / "val2017" / name)
    for address in (tmp_path, tmp_path / "annotations/captions_val2017.json"):
        listing = listed(address, layout="auto" if address is tmp_path else "coco")
        five, nine = listing
        assert (nine.key, nine.caption, nine.group) == ("val2017/000000000009", "The first.", "coco/000000000009")
        assert (nine.split, nine.url, nine.origin) == ("val", "http://images.example/9.jpg", "coco")
        assert (five.caption, five.metadata["coco_id"]) == ("", 5)
        assert listing.skipped == {"no such image file": 1, "not in captions_val2017.json": 1}
    for damaged in ('{"images": [', '{"images": [{"id": 1e999, "file_name": "a.jpg"}], "annotations": []}'):
        (tmp_path / "annotations/captions_val2017.json").write_text(damaged)
        with pytest.raises(DataError, match="the captions cannot be read"):
            captions(tmp_path)


def table(path: Path, columns: dict[str, Any], rows_per_group: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=rows_per_group)
    return path


def test_parquet_with_images_inside(tmp_path: Path) -> None:
    images = [{"bytes": picture(value), "path": f"{value}.jpg"} for value in (1, 2, 3)]
    columns = {
        "image": images,
        "TEXT": ["one", None, "three"],
        "URL": ["https://a.example/1", None, ""],
        "punsafe": [0.1, 0.2, 0.3],
    }
    table(tmp_path / "data/train-00000-of-00001.parquet", columns)
    reals = list(listed(tmp_path))
    name = "data/train-00000-of-00001"
    assert [(real.key, real.caption, real.url) for real in reals] == [
        (f"{name}/0", "one", "https://a.example/1"),
        (f"{name}/1", "", ""),
        (f"{name}/2", "three", ""),
    ]
    assert [real.source for real in reals] == ["a.example", tmp_path.name, tmp_path.name]
    assert {real.split for real in reals} == {"train"}
    assert reals[2].metadata == {"punsafe": 0.3}
    assert [read_bytes(real.image) for real in reals] == [image["bytes"] for image in images]
    assert isinstance(reals[2].image, Cell)
    assert reals[2].image.row_group == 1


def test_parquet_with_keys_lists_and_paths(tmp_path: Path) -> None:
    put(tmp_path / "files/1.jpg")
    columns = {
        "file_name": ["files/1.jpg", "files/2.jpg", "files/1.jpg"],
        "captions": [["", "first"], ["x"], ["y"]],
        "uid": ["k1", "k2", ""],
    }
    path = table(tmp_path / "set.parquet", columns)
    listing = listed(path)
    [real] = listing
    assert (real.key, real.caption, real.image) == ("k1", "first", File(str(tmp_path / "files/1.jpg")))
    assert listing.skipped == {"no such image file": 1, "the row has no key": 1}
    assert [real.key for real in listed(path, columns={"key": ""})] == ["set/0", "set/2"]
    with pytest.raises(DataError, match=r"no column says .*columns\.caption is one of file_name, captions, uid"):
        captions(path, columns={"caption": "says"})


def test_parquet_of_img2dataset_is_binary(tmp_path: Path) -> None:
    table(tmp_path / "00000.parquet", {"jpg": [picture(1)], "caption": ["x"], "key": ["000000000"]})
    [real] = listed(tmp_path)
    assert real.image == Cell(str(tmp_path / "00000.parquet"), "jpg", 0, 0)
    assert (real.key, real.caption, real.metadata) == ("000000000", "x", {"key": "000000000"})
    assert read_bytes(real.image) == picture(1)


def test_parquet_columns_that_hold_no_keys_and_no_paths(tmp_path: Path) -> None:
    columns = {"image": [{"bytes": picture(1)}], "id": [{"page": 1}], "several": [[{"bytes": b"x"}]]}
    path = table(tmp_path / "set.parquet", columns)
    assert [real.key for real in listed(path)] == ["set/0"]
    with pytest.raises(DataError, match="its column id holds no keys"):
        captions(path, columns={"key": "id"})
    with pytest.raises(DataError, match="no column of images among"):
        captions(path, columns={"image": "several"})


def test_parquet_without_images_says_what_to_do(tmp_path: Path) -> None:
    path = table(tmp_path / "laion.parquet", {"URL": ["https://a.example/1"], "TEXT": ["x"]})
    with pytest.raises(DataError, match=r"holds addresses of images, but no images .*img2dataset"):
        captions(path)
    path = table(tmp_path / "numbers.parquet", {"a": [1]})
    with pytest.raises(DataError, match="no column of images among a"):
        captions(path)
    good = table(tmp_path / "both/1.parquet", {"image": [{"bytes": picture(1)}], "text": ["x"]})
    put(good.with_name("2.parquet"), b"PAR1 torn")
    listing = listed(good.parent)
    assert len(list(listing)) == 1
    assert listing.skipped == {"truncated, or no Parquet file": 1}


def test_shards_with_captions(tmp_path: Path) -> None:
    folder = tmp_path / "cc3m"
    folder.mkdir()
    with ShardWriter(folder / "00000.tar") as shard:
        shard.write("1", {"jpg": picture(1), "txt": b"of the text", "json": b'{"caption": "of the json", "n": 3}'})
        shard.write("2", {"webp": picture(2), "json": b'{"text": "of the json", "url": "https://a.example/2"}'})
        shard.write("3", {"txt": b"no image"})
        shard.write("4", {"jpg": picture(1), "png": picture(2)})
        shard.write("5", {"png": picture(5), "cls": b"7", "json": b"[]"})
    with ShardWriter(folder / "val-00001.tar") as shard:
        facts = {"label": "real", "origin": "camera", "source": "s", "group": "g", "caption": "ours", "split": "test"}
        shard.write("real", {"jpg": picture(6), "json": json.dumps(facts).encode()})
        shard.write("made", {"jpg": picture(7), "json": b'{"label": "fake", "origin": "sd"}'})
        members = {
            "gen_0.jpg": picture(8),
            "real.jpg": picture(9),
            "caption.txt": b"pair\nagain",
            "url.txt": b"http://u.example",
        }
        shard.write("set__train__1", members)
        shard.write("6", {"jpg": picture(1), "caption.txt": b"plain"})
    put(folder / "00000.parquet", b"what img2dataset writes beside")
    listing = listed(folder)
    reals = {real.key: real for real in listing}
    assert {key: real.caption for key, real in reals.items()} == {
        "1": "of the text",
        "2": "of the json",
        "5": "",
        "real": "ours",
        "set__train__1": "pair",
        "6": "plain",
    }
    assert listing.skipped == {
        "no image under the key": 1,
        "several images under one key": 1,
        "a generated image": 1,
    }
    assert reals["1"].metadata == {"n": 3}
    assert (reals["1"].origin, reals["2"].source, reals["2"].split) == ("cc3m", "a.example", "")
    one = reals["real"]
    assert (one.origin, one.source, one.group, one.split) == ("camera", "s", "g", "test")
    assert (reals["set__train__1"].url, reals["set__train__1"].split) == ("http://u.example", "train")
    assert read_bytes(reals["set__train__1"].image) == picture(9)
    assert (reals["6"].split, isinstance(reals["6"].image, Member)) == ("val", True)


def test_a_cut_shard_loses_only_its_end(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "a.tar") as shard:
        for key in "123":
            shard.write(key, {"txt": b"x", "jpg": picture(1)})
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[: whole.index(b"3.jpg") + 600])
    listing = listed(tmp_path)
    assert [real.key for real in listing] == ["1", "2"]
    assert any("the shard ends inside this member" in reason for reason in listing.skipped)


def test_sets_of_both_classes_give_their_real_images(tmp_path: Path) -> None:
    for name in ("real/1.jpg", "real/2.jpg", "fake/sdxl/1.jpg"):
        put(tmp_path / "a" / name)
    put(tmp_path / "a/real/1.txt", "beside")
    put(tmp_path / "a/fake/sdxl/1.txt", "the same")
    listing = listed(tmp_path / "a")
    assert {real.key: real.caption for real in listing} == {"real/1": "beside", "real/2": ""}
    assert listing.skipped["a generated image"] == 1
    put(tmp_path / "list.csv", "path,label,prompt\na/real/2.jpg,real,told\na/fake/sdxl/1.jpg,fake,told\n")
    assert captions(tmp_path / "list.csv") == {"a/real/2.jpg": "told"}
    assert captions(tmp_path / "a/real") == {"1": "beside", "2": ""}


def test_folders_named_after_what_they_show_are_no_classes(tmp_path: Path) -> None:
    for name in ("nature/1.jpg", "streets/1.jpg"):
        put(tmp_path / name)
    assert set(captions(tmp_path)) == {"nature/1", "streets/1"}
