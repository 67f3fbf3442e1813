"""Packing: what stands in the shards, in the index and in the summary; and that the WebDataset library agrees."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
from conftest import jpeg, picture, write_lone_shard, write_paired_shard
from PIL import Image

from contrafake.data import Record, Sample, ShardSet, ShardWriter
from contrafake.data.fingerprint import perceptual_hashes
from contrafake.data.index import IndexRow, read_index, rows_of
from contrafake.data.location import File, read_bytes
from contrafake.data.origins import OriginTable, read_origins
from contrafake.data.pack import pack
from contrafake.data.sample import ANOMALY_LABELS
from contrafake.data.sources import Source, open_data, open_source
from contrafake.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contrafake.data.sources import Item

pytest.importorskip("pyarrow")
RNG = np.random.default_rng(7)


class Listed(Source):
    """Items given by hand."""

    layout = "listed"
    classes = ()

    def __init__(self, items: list[Item]) -> None:
        super().__init__(Path("listed"))
        self.items = items

    @property
    def origins(self) -> OriginTable:
        return OriginTable()

    def _list(self) -> Iterator[Item]:
        yield from self.items


class Defects(Listed):
    task: ClassVar[Any] = "anomaly"


def image_file(path: Path, kind: str = "JPEG", *, generated: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(RNG, generated=generated)).save(path, kind)
    return path


def folders(root: Path, count: int = 4) -> Path:
    for number in range(count):
        image_file(root / "train" / "real" / "phone" / f"{number}.JPG")
        image_file(root / "train" / "fake" / "sdxl" / f"{number}.png", "PNG", generated=True)
    image_file(root / "test" / "real" / "phone" / "x.webp", "WEBP")
    image_file(root / "test" / "fake" / "sdxl" / "y.jpg", "PNG", generated=True)  # its name lies
    return root


def sample(path: Path, key: str, label: Any = 1, **more: Any) -> Sample:
    return Sample(key, label, more.pop("origin", "o"), "s", more.pop("group", ""), File(str(path)), **more)


def record(folder: Path, key: str, siblings: int = 2, split: str = "") -> Record:
    real = sample(image_file(folder / f"{key}-real.png", "PNG"), f"{key}.real", 0, origin="coco", split=split)
    made = [
        sample(image_file(folder / f"{key}-{k}.jpg", generated=True), f"{key}.gen_{k}", origin=f"g{k}", split=split)
        for k in range(siblings)
    ]
    return Record(key, real, tuple(made), "a cat", "http://x/1")


def index_of(out: Path) -> list[IndexRow]:
    return list(rows_of(read_index(out / "index.parquet")))


def summary_of(out: Path) -> Any:
    return json.loads((out / "pack.json").read_text(encoding="utf-8"))


def members(shard: Path) -> dict[str, bytes]:
    with tarfile.open(shard) as tar:
        return {info.name: file.read() for info in tar if (file := tar.extractfile(info))}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# --- lone samples ---------------------------------------------------------------------------------------------------


def test_folders_become_lone_shards_by_split(tmp_path: Path) -> None:
    source = open_source(folders(tmp_path / "set"))
    packed = pack(source, tmp_path / "out", images_per_shard=3, workers=1)
    names = [f"train-lone-0000{k}.tar" for k in range(3)]
    assert sorted(contents(tmp_path / "out")) == [
        "index.parquet",
        "origins.csv",
        "pack.json",
        "test-lone-00000.tar",
        *names,
    ]
    assert packed.shards == {"test-lone-00000.tar": 2, **dict(zip(names, (3, 3, 2), strict=True))}
    assert packed.images == {
        ("train", 0, "phone"): 4,
        ("train", 1, "sdxl"): 4,
        ("test", 0, "phone"): 1,
        ("test", 1, "sdxl"): 1,
    }
    assert packed.complete
    assert not packed.failures
    assert not packed.both_labels


def test_bytes_are_unchanged_and_suffixes_tell_the_true_format(tmp_path: Path) -> None:
    root, out = folders(tmp_path / "set"), tmp_path / "out"
    pack(open_source(root), out, workers=1)
    found = members(out / "test-lone-00000.tar")
    assert list(found) == [
        "test%2Ffake%2Fsdxl%2Fy.png", "test%2Ffake%2Fsdxl%2Fy.json",
        "test%2Freal%2Fphone%2Fx.webp", "test%2Freal%2Fphone%2Fx.json",
    ]  # fmt: skip
    assert found["test%2Ffake%2Fsdxl%2Fy.png"] == (root / "test/fake/sdxl/y.jpg").read_bytes()
    assert json.loads(found["test%2Ffake%2Fsdxl%2Fy.json"]) == {
        "label": "fake",
        "origin": "sdxl",
        "source": "test/fake/sdxl",
        "group": "",
        "split": "test",
    }


def test_what_the_index_says_is_what_the_files_are(tmp_path: Path) -> None:
    root, out = folders(tmp_path / "set"), tmp_path / "out"
    listed = {s.key: s for s in open_source(root) if isinstance(s, Sample)}
    pack(open_source(root), out, workers=1)
    rows = index_of(out)
    assert {row.key for row in rows} == set(listed)
    for row in rows:
        data = read_bytes(row.sample(out).image)
        assert data == read_bytes(listed[row.key].image)
        with Image.open(io.BytesIO(data)) as image:
            assert (row.format, row.width, row.height) == (image.format, *image.size)
            assert (row.phash, row.phash2) == perceptual_hashes(np.asarray(image.convert("RGB")))
        assert row.sha256 == hashlib.sha256(data).hexdigest()
        assert row.quality == (75 if row.format == "JPEG" else -1)  # Pillow's default
        assert replace(row.sample(out), image=listed[row.key].image) == listed[row.key]


def test_the_shards_read_back_are_the_source(tmp_path: Path) -> None:
    root, out = folders(tmp_path / "set"), tmp_path / "out"
    pack(open_source(root), out, workers=1)
    listed = sorted(
        (replace(s, image=File("")) for s in open_source(root) if isinstance(s, Sample)), key=lambda s: s.key
    )
    found = sorted((replace(s, image=File("")) for s in open_source(out) if isinstance(s, Sample)), key=lambda s: s.key)
    assert found == listed


def test_metadata_stays_but_never_speaks_over_the_sample(tmp_path: Path) -> None:
    path = image_file(tmp_path / "a.jpg")
    facts = {"prompt": "ein Käfer", "label": "real", "origin": "other", "steps": 20, "odd": Path("x")}
    pack(Listed([sample(path, "a", origin="sd", metadata=facts)]), tmp_path / "out", workers=1)
    [found] = ShardSet([str(tmp_path / "out" / "*.tar")]).samples
    assert (found.label, found.origin) == (1, "sd")
    assert (found.metadata["prompt"], found.metadata["steps"], found.metadata["odd"]) == ("ein Käfer", 20, "x")


def test_packing_what_was_packed_changes_nothing(tmp_path: Path) -> None:
    write_lone_shard(tmp_path / "a.tar", 3, 1)
    write_paired_shard(tmp_path / "b.tar", 2, 1)
    once, twice = tmp_path / "once", tmp_path / "twice"
    pack(open_source(tmp_path), once, workers=1)
    pack(open_source(once), twice, workers=1)
    assert contents(once) == contents(twice)
    assert sorted(summary_of(once)["shards"]) == ["lone-00000.tar", "train-paired-00000.tar"]


# --- paired records -------------------------------------------------------------------------------------------------


def test_a_record_in_the_official_form(tmp_path: Path) -> None:
    one, out = record(tmp_path, "7"), tmp_path / "out"
    packed = pack(Listed([one]), out, workers=1)
    found = members(out / "paired-00000.tar")
    key = "coco____7"
    assert list(found) == [
        f"{key}.{name}" for name in ("gen_0.jpg", "gen_1.jpg", "real.jpg", "caption.txt", "url.txt", "json")
    ]
    assert found[f"{key}.real.jpg"] == Path(tmp_path / "7-real.png").read_bytes()  # a PNG all the same
    assert (found[f"{key}.caption.txt"], found[f"{key}.url.txt"]) == (b"a cat", b"http://x/1")
    assert packed.records == 1
    rows = index_of(out)
    assert [(row.key, row.record, row.group, row.format, row.label, row.origin) for row in rows] == [
        (f"{key}.real", key, key, "PNG", 0, "coco"),
        (f"{key}.gen_0", key, key, "JPEG", 1, "g0"),
        (f"{key}.gen_1", key, key, "JPEG", 1, "g1"),
    ]


def test_a_record_reads_back_with_everything_that_is_known_of_it(tmp_path: Path) -> None:
    first, second = record(tmp_path, "d3__train__1", split="train"), record(tmp_path, "d3__train__2", split="train")
    second = replace(
        second,
        real=replace(second.real, group="prompt-9"),
        generated=(replace(second.generated[0], source="elsewhere", metadata={"steps": 3}), second.generated[1]),
    )
    pack(Listed([first, second]), tmp_path / "out", workers=1)
    one, two = ShardSet([str(tmp_path / "out" / "train-paired-00000.tar")]).records
    assert [one.key, two.key] == ["d3__train__1", "d3__train__2"]
    assert (one.caption, one.url) == ("a cat", "http://x/1")
    assert [(s.origin, s.source, s.split, s.group) for s in one.samples] == [
        (name, "s", "train", "d3__train__1") for name in ("coco", "g0", "g1")
    ]
    assert {s.group for s in two.samples} == {"prompt-9"}
    assert [(s.source, s.metadata) for s in two.generated] == [("elsewhere", {"steps": 3}), ("s", {})]


@pytest.mark.parametrize(
    ("key", "split", "written"),
    [
        ("coco__val__3", "val", "coco__val__3"),
        ("coco__2014__3", "", "coco____coco__2014__3"),  # else the year would be read as the split
        ("coco__train__3", "val", "coco__val__coco__train__3"),
        ("a/b.c", "test", "coco__test__a/b.c"),
    ],
)
def test_keys_have_data_set_split_and_name(tmp_path: Path, key: str, split: str, written: str) -> None:
    made = replace(record(tmp_path, "x", split=split), key=key)
    pack(Listed([made]), tmp_path / "out", workers=1)
    [found] = ShardSet([str(tmp_path / "out" / "*.tar")]).records
    assert (found.key, found.real.split) == (written, split)


def test_a_broken_sibling_goes_and_the_others_keep_their_places(tmp_path: Path) -> None:
    items: list[Item] = [record(tmp_path, key, siblings=3) for key in "abcd"]
    (tmp_path / "a-1.jpg").write_bytes(b"broken")
    (tmp_path / "b-real.png").write_bytes(b"broken")
    for k in range(3):
        (tmp_path / f"c-{k}.jpg").unlink()
    packed = pack(Listed(items), tmp_path / "out", workers=1)
    first, last = ShardSet([str(tmp_path / "out" / "*.tar")]).records
    assert [s.key for s in first.samples] == [f"coco____a.{name}" for name in ("real", "gen_0", "gen_2")]
    assert [s.origin for s in first.generated] == ["g0", "g2"]
    assert last.key == "coco____d"
    named = {failure.key: failure.cause for failure in packed.failures}
    assert len(named) == len(packed.failures) == 1 + 4 + 4
    assert "not an image" in named["coco____a.gen_1"]
    assert named["coco____b.gen_0"] == "the real image of its record cannot be read"
    assert named["coco____c.real"] == "its generated siblings cannot be read"
    assert named["coco____c.gen_0"] == "no such file"
    pack(open_source(tmp_path / "out"), tmp_path / "again", workers=1)
    assert (tmp_path / "again/paired-00000.tar").read_bytes() == (tmp_path / "out/paired-00000.tar").read_bytes()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library leaves the file open
def test_the_official_reader_reads_our_records(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    made = [replace(record(tmp_path, f"d3__train__{k}.x", split="train"), caption=f"scene {k}") for k in range(3)]
    pack(Listed(list(made)), tmp_path / "out", workers=1)
    names = ("real.jpg", "gen_0.jpg", "gen_1.jpg", "caption.txt", "url.txt")
    shard = str(tmp_path / "out" / "train-paired-00000.tar")
    found = list(webdataset.WebDataset(shard, shardshuffle=False).decode("pil").to_tuple("__key__", *names))
    assert [row[0] for row in found] == [f"d3__train__{k}%2Ex" for k in range(3)]
    for k, (_, real, first, second, caption, url) in enumerate(found):
        assert (caption, url) == (f"scene {k}", "http://x/1")
        for image, one in zip((real, first, second), made[k].samples, strict=True):
            with Image.open(io.BytesIO(read_bytes(one.image))) as original:
                assert np.array_equal(np.asarray(image), np.asarray(original.convert("RGB")))


def test_shards_of_the_official_code_can_be_packed(tmp_path: Path) -> None:
    source = write_paired_shard(tmp_path / "laion-000.tar", 3, 4)
    packed = pack(open_source(source), tmp_path / "out", workers=1)
    before, after = members(source), members(tmp_path / "out" / "train-paired-00000.tar")
    assert {name: after[name] for name in before} == before
    extra = set(after) - set(before)
    assert {name.partition(".")[2] for name in extra} == {"json", "url.txt"}
    assert packed.records == 3


# --- forms ----------------------------------------------------------------------------------------------------------


def test_both_kinds_get_shards_of_their_own(tmp_path: Path) -> None:
    items: list[Item] = [record(tmp_path, "r"), sample(image_file(tmp_path / "l.png", "PNG"), "l")]
    packed = pack(Listed(items), tmp_path / "out", workers=1, prefix="set.1")
    assert packed.shards == {"set%2E1-lone-00000.tar": 1, "set%2E1-paired-00000.tar": 3}


def test_records_can_be_taken_apart(tmp_path: Path) -> None:
    pack(Listed([record(tmp_path, "r")]), tmp_path / "out", form="lone", workers=1)
    shards = ShardSet([str(tmp_path / "out" / "*.tar")])
    assert [(s.key, s.group, s.label) for s in shards.samples] == [
        ("r.real", "r", 0),
        ("r.gen_0", "r", 1),
        ("r.gen_1", "r", 1),
    ]
    assert not shards.records


def test_lone_images_are_skipped_and_counted_where_records_are_wanted(tmp_path: Path) -> None:
    items: list[Item] = [sample(image_file(tmp_path / "l.png", "PNG"), "l"), record(tmp_path, "r")]
    packed = pack(Listed(items), tmp_path / "out", form="paired", workers=1)
    [(reason, (count, _))] = packed.skipped.items()
    assert "only paired records" in reason
    assert count == 1
    with pytest.raises(DataError, match=r"no image to pack \(1 skipped: no record"):
        pack(Listed(items[:1]), tmp_path / "none", form="paired", workers=1)


def test_anomalies_keep_their_words_and_masks_and_are_no_training_data(tmp_path: Path) -> None:
    good, bad = image_file(tmp_path / "good.png", "PNG"), image_file(tmp_path / "bad.png", "PNG")
    mask = image_file(tmp_path / "mask.png", "PNG")
    items: list[Item] = [sample(good, "a", 0), sample(bad, "b", 1, metadata={"mask": str(mask), "defect": "crack"})]
    pack(Defects(items), tmp_path / "out", workers=1)
    shard = str(tmp_path / "out" / "lone-00000.tar")
    with pytest.raises(DataError, match="unknown label 'normal'"):
        ShardSet([shard])
    first, second = ShardSet([shard], ANOMALY_LABELS).samples
    assert (first.label, second.label, second.metadata["defect"]) == (0, 1, "crack")
    assert "mask" not in first.metadata
    assert read_bytes(second.metadata["mask"]) == mask.read_bytes()
    assert str(tmp_path).encode() not in b"".join(contents(tmp_path / "out").values())
    with tarfile.open(shard) as tar:
        assert [info.name for info in tar][-1] == "b.mask.png"
    assert "mask" not in json.loads(members(Path(shard))["b.json"])
    with pytest.raises(DataError, match="use normal or anomalous"):
        ShardSet([str(write_lone_shard(tmp_path / "x.tar", 1, 1))], ANOMALY_LABELS)


def test_a_mask_that_cannot_be_read_takes_its_image_with_it(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(b"broken")
    items: list[Item] = [
        sample(image_file(tmp_path / f"{key}.png", "PNG"), key, 1, metadata={"mask": str(tmp_path / mask)})
        for key, mask in (("a", "mask.png"), ("b", "gone.png"), ("c", "c.png"))
    ]
    packed = pack(Defects(items), tmp_path / "out", workers=1)
    assert [failure.key for failure in packed.failures] == ["a", "b"]
    assert packed.failures[1].cause == "its mask: no such file"


def test_a_path_in_the_metadata_of_a_detection_set_is_only_text(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"nobody's business")
    path = image_file(tmp_path / "a.jpg")
    pack(Listed([sample(path, "a", metadata={"mask": str(secret)})]), tmp_path / "out", workers=1)
    assert list(members(tmp_path / "out" / "lone-00000.tar")) == ["a.jpg", "a.json"]


# --- what goes wrong ------------------------------------------------------------------------------------------------


def test_unreadable_images_are_named_and_shift_nothing(tmp_path: Path) -> None:
    root = folders(tmp_path / "set", 5)
    whole = pack(open_source(root), tmp_path / "whole", images_per_shard=2, workers=1)
    (root / "train/fake/sdxl/1.png").write_bytes(b"<html>404</html>")
    (root / "train/real/phone/2.JPG").write_bytes((root / "train/real/phone/2.JPG").read_bytes()[:300])
    packed = pack(open_source(root), tmp_path / "out", images_per_shard=2, workers=1)
    assert [failure.key for failure in packed.failures] == ["train/fake/sdxl/1", "train/real/phone/2"]
    assert "HTML page" in packed.failures[0].cause
    assert summary_of(tmp_path / "out")["unreadable"][0]["key"] == "train/fake/sdxl/1"
    changed = {name for name, count in whole.shards.items() if packed.shards.get(name) != count}
    assert len(changed) == 2
    for name in set(whole.shards) - changed:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_shard_without_any_readable_image_is_left_out(tmp_path: Path) -> None:
    paths = [image_file(tmp_path / f"{k}.jpg") for k in range(3)]
    paths[1].write_bytes(b"broken")
    packed = pack(Listed([sample(p, p.stem) for p in paths]), tmp_path / "out", images_per_shard=1, workers=1)
    assert list(packed.shards) == ["lone-00000.tar", "lone-00002.tar"]
    assert sorted(path.name for path in (tmp_path / "out").glob("*.tar")) == list(packed.shards)


def test_nothing_readable_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"none of 1 images can be read \(a: not an image"):
        pack(Listed([sample(tmp_path / "a.jpg", "a")]), tmp_path / "out", workers=1)
    assert not (tmp_path / "out" / "index.parquet").exists()


def test_a_key_in_two_places_is_refused_and_both_are_named(tmp_path: Path) -> None:
    first, second = image_file(tmp_path / "a.jpg"), image_file(tmp_path / "b.jpg")
    with pytest.raises(DataError, match=r"b\.jpg: its key 'k' stands at .*a\.jpg as well"):
        pack(Listed([sample(first, "k"), sample(second, "k")]), tmp_path / "out", workers=1)
    assert not list((tmp_path / "out").glob("*.tar"))


def test_one_image_under_both_labels_is_named(tmp_path: Path) -> None:
    path, other = image_file(tmp_path / "a.jpg"), image_file(tmp_path / "b.jpg")
    items: list[Item] = [sample(path, "x", 1), sample(other, "y", 1), sample(path, "z", 0), sample(other, "y2", 1)]
    packed = pack(Listed(items), tmp_path / "out", images_per_shard=2, workers=1)
    assert packed.both_labels == [["z", "x"]]
    assert summary_of(tmp_path / "out")["both_labels"] == [["z", "x"]]


def test_undecodable_file_names_are_spelled_out(tmp_path: Path) -> None:
    path = tmp_path / "set" / "real" / "b\udcff.jpg"
    image_file(tmp_path / "plain.jpg").parent.joinpath("set", "real").mkdir(parents=True)
    try:
        (tmp_path / "plain.jpg").rename(path)
    except OSError:
        pytest.skip("this file system takes no such name")
    pack(Listed([sample(path, "real/b\udcff", 0)]), tmp_path / "out", workers=1)
    [row] = index_of(tmp_path / "out")
    assert row.key == "real/b\\udcff"
    assert [s.key for s in ShardSet([str(tmp_path / "out" / "*.tar")]).samples] == [row.key]


@pytest.mark.parametrize(
    "settings", [{"form": "both"}, {"images_per_shard": 0}, {"part": (0, 2)}, {"part": (3, 2)}], ids=str
)
def test_settings_that_make_no_sense(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        pack(Listed([]), tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


# --- the same bytes -------------------------------------------------------------------------------------------------


def test_workers_and_places_change_no_byte(tmp_path: Path) -> None:
    one, other = folders(tmp_path / "one" / "set", 6), tmp_path / "other" / "set"
    other.parent.mkdir()
    one.joinpath("train/real/phone/notes.md").write_text("x")
    shutil.copytree(one, other)
    pack(open_source(one), tmp_path / "a", images_per_shard=2, workers=1)
    pack(open_source(other), tmp_path / "b", images_per_shard=2, workers=3)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert str(tmp_path).encode() not in b"".join(contents(tmp_path / "a").values())
    skipped = summary_of(tmp_path / "a")["skipped"]
    assert skipped == {"no image by its suffix (.md)": {"count": 1, "examples": ["train/real/phone/notes.md"]}}


def test_shuffling_mixes_by_the_seed(tmp_path: Path) -> None:
    source = write_lone_shard(tmp_path / "x.tar", 12, 1)
    orders = {}
    for name, seed in (("plain", None), ("a", 1), ("again", 1), ("b", 2)):
        pack(open_source(source), tmp_path / name, shuffle=seed, images_per_shard=6, workers=1)
        orders[name] = [row.key for row in index_of(tmp_path / name)]
    assert orders["a"] == orders["again"]
    assert len({tuple(order) for order in orders.values()}) == 3
    assert len({tuple(sorted(order)) for order in orders.values()}) == 1
    assert contents(tmp_path / "a") == contents(tmp_path / "again")


def test_several_sources_and_their_splits(tmp_path: Path) -> None:
    addresses = [f"{split}={write_lone_shard(tmp_path / f'{split}.tar', 2, 1)}" for split in ("train", "val")]
    packed = pack(open_data(addresses), tmp_path / "out", workers=1)
    assert packed.shards == {"train-lone-00000.tar": 4, "val-lone-00000.tar": 4}
    assert summary_of(tmp_path / "out")["splits"] == {s: {"real": 2, "fake": 2} for s in ("train", "val")}


def test_the_table_of_origins_and_the_summary_count_what_was_packed(tmp_path: Path) -> None:
    root, out = folders(tmp_path / "set"), tmp_path / "out"
    (root / "train/fake/sdxl/0.png").write_bytes(b"broken")
    pack(open_source(root), out, workers=1)
    table = {origin.name: origin for origin in read_origins(out / "origins.csv")}
    assert dict(table["phone"].counts) == {"train": 4, "val": 0, "test": 1}
    assert dict(table["sdxl"].counts) == {"train": 3, "val": 0, "test": 1}
    summary = summary_of(out)
    assert (summary["images"], summary["layout"], summary["form"], summary["shuffle"]) == (9, "folders", "auto", None)
    assert summary["bytes"] == sum(row.bytes for row in index_of(out))
    assert Counter(summary["shards"]) == Counter(row.shard for row in index_of(out))


def test_a_format_that_has_no_common_suffix_is_read_back(tmp_path: Path) -> None:
    path = image_file(tmp_path / "a.png", "PPM")
    pack(Listed([sample(path, "a")]), tmp_path / "out", workers=1)
    [found] = ShardSet([str(tmp_path / "out" / "*.tar")]).samples
    assert read_bytes(found.image) == path.read_bytes()


def test_the_writer_says_where_every_member_lies(tmp_path: Path) -> None:
    data = {"jpg": jpeg(picture(RNG, generated=False)), "json": b"", "txt": bytes(512), "x": bytes(513)}
    with ShardWriter(tmp_path / "x.tar") as shard:
        written = {key: shard.write(key, data) for key in ("a", "ü" * 200, "b")}
    for key, places in written.items():
        assert {suffix: read_bytes(member) for suffix, member in places.items()} == data, key


@pytest.mark.corpus
def test_the_corpus_keeps_its_hashes(tmp_path: Path) -> None:
    corpus = Path(os.environ.get("CONTRAFAKE_DATA", ""), "corpus")
    if "CONTRAFAKE_DATA" not in os.environ or not corpus.is_dir():
        pytest.skip("${CONTRAFAKE_DATA}/corpus is not here")
    packed = pack(open_source(corpus / "test-0001.tar"), tmp_path / "out", workers=1)
    before = {s.key: s for s in ShardSet([str(corpus / "test-0001.tar")]).samples}
    after = {s.key: s for s in ShardSet([str(tmp_path / "out" / "test-lone-00000.tar")]).samples}
    assert packed.images.total() == len(before) == len(after)
    hashes = {row.key: row.sha256 for row in index_of(tmp_path / "out")}
    assert hashes == {key: s.metadata["sha256"] for key, s in before.items()}
    for key, found in after.items():
        assert (found.label, found.origin, found.source) == (before[key].label, before[key].origin, before[key].source)
        assert found.metadata["license"] == before[key].metadata["license"]
