"""`contrafake data download` as typed; the network is never touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture, write_lone_shard

from contrafake.cli import run
from contrafake.data.download.place import place_of

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

if TYPE_CHECKING:
    from pathlib import Path

CONTACT = ["--contact", "https://lab.example/download"]


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """Three rows: one image is there already, one address is a private one, one is none."""
    urls = ["http://photos.example/1.jpg", "http://192.168.0.1/2.jpg", "ftp://photos.example/3.jpg"]
    image = pa.array([None] * 3, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    columns = {"id": ["1", "2", "\x1b[31m3"], "url": urls}
    columns |= {f"model_gen{k}": ["m"] * 3 for k in range(4)}
    pq.write_table(pa.table({**columns, **{f"image_gen{k}": image for k in range(4)}}), tmp_path / "train-0.parquet")
    path = place_of(tmp_path / "real", "1").with_suffix(".jpg")
    path.parent.mkdir(parents=True)
    path.write_bytes(jpeg(picture(np.random.default_rng(0), generated=False)))
    return tmp_path


def test_a_download(hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "download", str(hub), *CONTACT]) == 3
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "        1  stored",
        "        1  refused   neither http nor https",
        "        1  refused   not a public network address",
        "1 were known from earlier runs",
        f"Not stored: {hub / 'real' / 'dead-links.csv'}",
    ]
    assert shown.err == ""
    assert len((hub / "real" / "dead-links.csv").read_text(encoding="utf-8").splitlines()) == 3


def test_all_are_there(hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "download", str(hub / "train-0.parquet"), str(hub / "real"), "--limit", "1", *CONTACT]) == 0
    assert capsys.readouterr().out.splitlines() == ["        1  stored", "1 were known from earlier runs"]


def test_calls_that_make_no_sense(hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards = write_lone_shard(tmp_path / "a.tar", 1, 0)
    for arguments, words in (
        ([str(hub)], "--contact"),
        ([str(hub), "--contact", "me"], "'me' is no address"),
        ([str(hub), *CONTACT, "--delay", "0"], "--delay"),
        ([str(shards), *CONTACT], "no Parquet file of D3"),
        ([str(tmp_path / "none"), *CONTACT], "no such file or folder"),
    ):
        assert run(["data", "download", *arguments]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert words in line
    assert not (hub / "real" / "ledger.sqlite").exists()


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "download", "--help"]) == 0
    text = capsys.readouterr().out
    for word in ("--contact", "--delay", "--hosts", "--timeout", "--max-megabytes", "--limit", "--retry"):
        assert word in text
