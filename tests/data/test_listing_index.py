"""The index beside packed shards: it gives what the headers give, or is not believed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import write_lone_shard, write_paired_shard

from contrafake.data import Listing, ShardWriter
from contrafake.data.index import IndexRow, read_index, rows_of, write_index
from contrafake.data.listing import lister
from contrafake.data.listing.shard import list_tar
from contrafake.data.pack import pack
from contrafake.data.sources import open_data
from contrafake.errors import DataError

pytest.importorskip("pyarrow")


@pytest.fixture(autouse=True)
def scans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the shards whose headers were read whole."""
    scanned: list[str] = []
    scan = list_tar

    def watched(shard: str) -> object:
        scanned.append(Path(shard).name)
        return scan(shard)

    monkeypatch.setattr(lister, "list_tar", watched)
    return scanned


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four shards, lone and paired, with their index."""
    folder = tmp_path_factory.mktemp("packed")
    write_lone_shard(folder / "lone.tar", 5, 1)
    write_paired_shard(folder / "paired.tar", 4, 2)
    with ShardWriter(folder / "odd.tar") as shard:  # names that need a longer header
        data = (folder / "lone.tar").read_bytes()
        start = data.index(b"\xff\xd8\xff")
        picture = data[start : data.index(b"\xff\xd9", start) + 2]
        for key in ("kürzer.x/y", "long " * 40):
            shard.write(key, {"jpg": picture, "json": b'{"label": "fake", "origin": "\xc3\xbc", "group": "k"}'})
    pack(open_data([str(folder / "*.tar")]), folder / "out", images_per_shard=6)
    return folder / "out"


@pytest.fixture
def copy(packed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(packed, tmp_path / "copy"))


def listed(folder: Path, **options: Any) -> Listing:
    return Listing.of([str(folder / "*.tar")], cache=False, **options)


def by_headers(folder: Path) -> Listing:
    index = (folder / "index.parquet").rename(folder / "away")
    try:
        return listed(folder)
    finally:
        index.rename(folder / "index.parquet")


def change(folder: Path, **values: Any) -> None:
    """Says something else in the first row of the index."""
    rows = [dict(vars(row)) for row in rows_of(read_index(folder / "index.parquet"))]
    rows[0] |= values
    write_index(folder / "index.parquet", [IndexRow(**row) for row in rows])


def test_it_gives_what_the_headers_give(packed: Path, scans: list[str]) -> None:
    expected = by_headers(packed)
    shards = len(scans)
    assert shards == 4
    assert len(expected) == 24
    listing = listed(packed)
    assert list(listing) == list(expected)
    assert listing.record.tolist() == expected.record.tolist()
    assert max(listing.record) == 3
    assert len(scans) == shards  # none of them was read again


def test_a_few_of_its_shards(packed: Path, scans: list[str]) -> None:
    one = sorted(packed.glob("*.tar"))[1]
    listing = Listing.of([str(one)], cache=False)
    assert not scans
    assert {sample.image.address.partition(": ")[0] for sample in listing} == {str(one)}


def test_beside_a_younger_shard_it_is_not_believed(copy: Path, scans: list[str]) -> None:
    [first, *_] = sorted(copy.glob("*.tar"))
    content = first.read_bytes()
    relabelled = content.replace(b'"label": "fake"', b'"label": "real"', 1)  # the last item is as it was
    assert relabelled != content
    first.write_bytes(relabelled)
    status = (copy / "index.parquet").stat()
    for later in (0, 1):
        os.utime(first, ns=(status.st_atime_ns, status.st_mtime_ns + later))
        generated = int(listed(copy).label[listed(copy).shard == 0].sum())
        assert generated == content.count(b'"label": "fake"') - later
    assert scans == [first.name] * 2


@pytest.mark.parametrize("what", ["cut", "no end", "longer", "other labels at the end", "no such shard"])
def test_a_shard_that_ends_otherwise_is_listed_by_headers(copy: Path, scans: list[str], what: str) -> None:
    shard = sorted(copy.glob("*.tar"))[0]
    content = shard.read_bytes()
    if what == "cut":
        content = content[: len(content) // 2]
    elif what == "no end":
        content = content.rstrip(b"\0")
        content += bytes(-len(content) % 512)
    elif what == "longer":
        with ShardWriter(copy / "more.tar") as more:
            more.write("more", {"jpg": b"x", "json": b'{"label": "real"}'})
        content = content.rstrip(b"\0")
        content += bytes(-len(content) % 512) + (copy / "more.tar").read_bytes()
        (copy / "more.tar").unlink()
    elif what == "other labels at the end":
        at = content.rindex(b'"label": "')
        other = content[at:].replace(b'"fake"', b'"real"')
        content = content[:at] + (content[at:].replace(b'"real"', b'"fake"') if other == content[at:] else other)
    else:
        (copy / "new.tar").write_bytes(content)
        shard.unlink()
        shard = copy / "new.tar"
    shard.write_bytes(content)
    os.utime(shard, ns=(0, 0))  # the index is younger
    listing = listed(copy)
    assert scans == [shard.name]
    assert list(listing) == list(by_headers(copy))
    assert bool(listing.damage) == (what in {"cut", "no end"})


@pytest.mark.parametrize(
    "values",
    [
        {"bytes": 0},
        {"label": 7},
        {"member": "elsewhere.jpg"},
        {"member": "phone.xyz"},
        {"record": "a record"},
        {"offset": 1 << 40},
    ],
)
def test_rows_that_no_header_could_give_are_not_believed(copy: Path, scans: list[str], values: dict[str, Any]) -> None:
    change(copy, **values)
    listing = listed(copy)
    assert list(listing) == list(by_headers(copy))
    assert "lone-00000.tar" in scans


def test_an_index_that_cannot_be_read_is_none(copy: Path, scans: list[str]) -> None:
    for content in (b"", b"PAR1 nonsense PAR1", (copy / "index.parquet").read_bytes()[:-40]):
        (copy / "index.parquet").write_bytes(content)
        assert len(listed(copy)) == 24
    assert len(scans) == 12


def test_a_table_of_another_kind_is_none(copy: Path, scans: list[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = read_index(copy / "index.parquet")
    nothing = pa.nulls(len(table), pa.string())
    a_gap = pa.array([None, *table["origin"].to_pylist()[1:]], pa.string())
    place = table.column_names.index
    others = [
        table.drop_columns(["offset"]),
        table.set_column(place("offset"), "offset", table["offset"].cast(pa.string())),
        table.set_column(place("origin"), "origin", nothing),
        table.set_column(place("shard"), "shard", nothing),
        table.slice(0, 0),
        table.set_column(place("origin"), "origin", a_gap),
    ]
    for other in others:
        pq.write_table(other, copy / "index.parquet")
        scans.clear()
        assert len(listed(copy)) == 24
        assert len(scans) == (1 if other is others[-1] else 4)  # a gap is a matter of one shard


def test_sets_of_anomalies_are_not_taken_for_training_data(tmp_path: Path) -> None:
    root = tmp_path / "in"
    write_lone_shard(tmp_path / "x.tar", 2, 1)
    pack(open_data([str(tmp_path / "x.tar")]), root)
    [shard] = root.glob("*.tar")
    content = (
        shard.read_bytes()
        .replace(b'"label": "fake"', b'"label": "odd!"')
        .replace(b'"label": "real"', b'"label": "none"')
    )
    assert content != shard.read_bytes()
    shard.write_bytes(content)
    os.utime(shard, ns=(0, 0))
    listing = listed(root)
    assert len(listing) == 0
    assert set(listing.damage.values()) == {"unknown label 'odd!'", "unknown label 'none'"}
    with pytest.raises(DataError, match="unknown label"):
        listed(root, strict=True)
