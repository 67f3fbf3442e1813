"""D3's Parquet files as the hub has them: columns, splits, missing things, and reading the images where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture
from d3_miniature import MODELS, image, put_real, row, write

from contrafake.data import Record, Sample
from contrafake.data.location import Cell, File, read_bytes
from contrafake.data.sources import open_source
from contrafake.data.sources.d3 import D3Parquet
from contrafake.errors import DataError
from contrafake.images import read

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """The hub's folders: five rows of training, one of `val` (training as well), two of validation."""
    write(tmp_path / "data" / "train-00000-of-00002-0a1b.parquet", map(row, range(3)))
    write(tmp_path / "data" / "train-00001-of-00002-0a1b.parquet", map(row, range(3, 5)))
    write(tmp_path / "data" / "val-00000-of-00001-0a1b.parquet", [row(5)])
    write(tmp_path / "data" / "validation-00000-of-00001-0a1b.parquet", map(row, range(6, 8)))
    return tmp_path


def test_without_real_images_rows_are_lone_generated_samples(hub: Path) -> None:
    source = open_source(hub)
    assert source.layout == "d3-parquet"
    samples = [item for item in source if isinstance(item, Sample)]
    assert len(samples) == 32
    assert [s.key for s in samples[:5]] == [
        *(f"elsa-d3__train__000000000.gen_{k}" for k in range(4)),
        "elsa-d3__train__000000001.gen_0",
    ]
    assert {s.label for s in samples} == {1}
    assert [s.origin for s in samples[:4]] == ["deepfloyd-if", "sd1.4", "sd2.1", "sdxl"]
    assert len({s.group for s in samples}) == 8
    assert {s.group for s in samples[:4]} == {"elsa-d3__train__000000000"}
    assert {s.source for s in samples} == {"host0.example", "host1.example"}
    assert source.census.skipped == {"real image not downloaded": 8}
    assert "000000000" in source.census.examples["real image not downloaded"][0]
    # The authors added their val-* files to training; only validation-* is the validation split.
    assert {split: n for (split, _, origin), n in source.census.images.items() if origin == "sdxl"} == {
        "train": 6,
        "val": 2,
    }
    assert samples[0].metadata == {
        "id": "000000000",
        "url": "https://Host0.example/0.jpg",
        "original_prompt": "caption 0",
        "positive_prompt": "caption 0, sharp",
        "negative_prompt": "blurry",
        "model": MODELS[0],
        "width": 640,
        "height": 360,
        "num_inference_steps": 50,
    }


def test_with_its_real_image_a_row_is_a_record(hub: Path) -> None:
    photo = jpeg(picture(np.random.default_rng(9), generated=False))
    path = put_real(hub / "real", "000000001", photo)
    flat = hub / "real" / "000000006.PNG".lower()
    flat.write_bytes(image(3))  # somebody else's download
    source = D3Parquet(hub)
    items = list(source)
    records = [item for item in items if isinstance(item, Record)]
    assert [r.key for r in records] == ["elsa-d3__train__000000001", "elsa-d3__val__000000006"]
    [first, second] = records
    assert first.real.image == File(str(path))
    assert (first.real.origin, first.real.label, first.real.split) == ("laion-400m", 0, "train")
    assert (first.caption, first.url) == ("caption 1", "https://Host1.example/1.jpg")
    assert [s.key for s in first.samples] == [f"{first.key}.{n}" for n in ("real", "gen_0", "gen_1", "gen_2", "gen_3")]
    assert {s.group for s in first.samples} == {first.key}
    assert read_bytes(first.real.image) == photo
    assert second.real.image == File(str(flat))
    assert (source.census.records, source.census.of_class(0), source.census.of_class(1)) == (2, 2, 32)
    assert source.census.skipped == {"real image not downloaded": 6}
    assert [type(item) for item in D3Parquet(hub, real=hub / "elsewhere")] == [Sample] * 32


def test_images_are_read_where_they_stand_in_any_order(hub: Path) -> None:
    samples = [item for item in D3Parquet(hub) if isinstance(item, Sample)]
    order = np.random.default_rng(1).permutation(len(samples))
    for at in [*range(len(samples)), *order]:
        number, k = divmod(int(at), 4)
        assert read_bytes(samples[at].image) == image(10 * number + k)


def test_the_bytes_may_be_of_another_format_than_the_path_says(hub: Path) -> None:
    sample = next(item for item in D3Parquet(hub) if isinstance(item, Sample))
    assert isinstance(sample.image, Cell)
    assert sample.image.file_name == "0.jpg"
    shown = read(read_bytes(sample.image), name=sample.image.file_name)
    assert (shown.format, shown.notes) == ("PNG", ("named .jpg, is PNG",))


@pytest.mark.parametrize("statistics", [True, False])
def test_what_is_missing_in_a_row_is_named(tmp_path: Path, statistics: bool) -> None:
    rows = [
        row(0, image_gen1=None),
        row(1, image_gen2={"bytes": None, "path": "x"}),
        row(2, image_gen3={"bytes": b"", "path": "x"}, image_gen1=None),
        row(3, model_gen0="someone/new-model", model_gen1=None, url=None, original_prompt=None),
        row(1),
        row(4, id=None),
    ]
    path = write(tmp_path / "train-00000-of-00001.parquet", rows, write_statistics=statistics)
    put_real(tmp_path / "real", "000000000", image(0), ".png")
    source = D3Parquet(path)
    items = list(source)
    census = source.census
    # An empty cell that is not null is seen only where statistics leave it open; else it fails when it is read.
    empty = census.skipped["no generated image in the cell"]
    assert empty == (4 if not statistics else 3)
    assert census.skipped["the id stands there before"] == 1
    assert census.skipped["the row has no id"] == 1
    assert census.skipped["real image not downloaded"] == 3
    assert any("row 0 of row group 0, image_gen1" in e for e in census.examples["no generated image in the cell"])
    assert isinstance(items[0], Record)
    assert [s.key.rpartition(".")[2] for s in items[0].samples] == ["real", "gen_0", "gen_2", "gen_3"]
    last = [s for s in items[1:] if isinstance(s, Sample) and "000000003" in s.key]
    assert [s.origin for s in last] == ["someone/new-model", "gen_1", "sd2.1", "sdxl"]
    assert {s.source for s in last} == {"elsa-d3"}
    for s in items[1:]:
        assert isinstance(s, Sample)
        if "000000002.gen_3" in s.key:
            with pytest.raises(DataError, match="the cell holds no image"):
                read_bytes(s.image)
        else:
            assert read_bytes(s.image)


def test_broken_files_are_named_and_the_others_are_read(hub: Path) -> None:
    whole = (hub / "data" / "train-00001-of-00002-0a1b.parquet").read_bytes()
    (hub / "data" / "train-00001-of-00002-0a1b.parquet").write_bytes(whole[:-20])
    (hub / "data" / "train-00002-of-00002-0a1b.parquet").write_bytes(b"")
    (hub / "data" / ".train-00003-of-00004.parquet").write_bytes(b"still being downloaded")
    pq.write_table(pa.table({"id": ["1"], "image": ["x"]}), hub / "data" / "other.parquet")
    source = D3Parquet(hub)
    assert len(list(source)) == 24
    assert source.census.skipped["truncated, or no Parquet file"] == 2
    [reason] = [reason for reason in source.census.skipped if reason.startswith("not a table of D3")]
    assert "url" in reason


def test_a_damaged_row_group_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "train-0.parquet", map(row, range(6)), compression="zstd")
    with pq.ParquetFile(path) as file:
        chunk = file.metadata.row_group(1).column(1)
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        size = chunk.total_compressed_size
    data = bytearray(path.read_bytes())
    data[start : start + size] = b"\xff" * size
    path.write_bytes(data)
    source = D3Parquet(path)
    keys = {s.key for s in source if isinstance(s, Sample)}
    assert {key.partition(".")[0][-1] for key in keys} == set("0145")
    assert source.census.skipped["damaged row group"] == 1
    assert source.census.examples["damaged row group"] == [f"{path}: row group 1"]


def test_sets_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no Parquet file"):
        list(D3Parquet(tmp_path))
    (tmp_path / "train-0.parquet").write_bytes(b"PAR1 cut")
    assert not D3Parquet.recognises(tmp_path)
    with pytest.raises(DataError, match=r"no generated image \(1 skipped: truncated, or no Parquet file"):
        list(D3Parquet(tmp_path))


def test_recognition(hub: Path, tmp_path: Path) -> None:
    assert D3Parquet.recognises(hub)
    assert D3Parquet.recognises(hub / "data" / "val-00000-of-00001-0a1b.parquet")
    other = tmp_path / "other"
    other.mkdir()
    pq.write_table(pa.table({"id": ["1"]}), other / "a.parquet")
    assert not D3Parquet.recognises(other)
    assert not D3Parquet.recognises(other / "none.parquet")


def test_links_name_every_real_image_once(hub: Path) -> None:
    write(hub / "data" / "train-00009-of-00002.parquet", [row(9, url=None), row(0), row(10)])
    source = D3Parquet(hub)
    links = list(source.links())
    assert links[:2] == [("000000000", "https://Host0.example/0.jpg"), ("000000001", "https://Host1.example/1.jpg")]
    assert [name for name, _ in links[-4:]] == ["000000010", "000000005", "000000006", "000000007"]
    assert len(links) == 9
    assert source.census.skipped["the row has no address of a real image"] == 1
    assert source.census.skipped["the id stands there before"] == 1
    assert list(source.links()) == links
    assert source.census.skipped["the id stands there before"] == 1


def test_every_origin_has_a_family(hub: Path) -> None:
    table = D3Parquet(hub).origins
    families = {name: table.get(1, name).family for name in ("deepfloyd-if", "sd1.4", "sd2.1", "sdxl")}
    assert families == {"deepfloyd-if": "pixel", "sd1.4": "sd", "sd2.1": "sd", "sdxl": "sdxl"}
    assert table.get(0, "laion-400m").kind


def test_listing_twice_gives_the_same(hub: Path) -> None:
    source = D3Parquet(hub)
    assert list(source) == list(source)
    assert source.census.of_class(1) == 32
