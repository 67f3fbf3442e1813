"""`contrafake data pack`: what it prints, where, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture, write_lone_shard, write_paired_shard

from contrafake.cli import run

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("pyarrow")


def images(root: Path, count: int = 3) -> Path:
    rng = np.random.default_rng(5)
    for number in range(count):
        for label in ("real", "fake"):
            path = root / label / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(picture(rng, generated=label == "fake")))
    return root


def test_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = images(tmp_path / "set"), tmp_path / "out"
    assert run(["data", "pack", str(root), str(out), "--images-per-shard", "4", "--workers", "1"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    lines = [line.split() for line in shown.out.splitlines()]
    assert lines[:3] == [["split", "label", "images", "origins"], ["-", "real", "3", "1"], ["-", "generated", "3", "1"]]
    assert f"6 images, 0.0 MB, 2 shards in {out}" in shown.out
    assert sorted(path.name for path in out.glob("*.tar")) == ["lone-00000.tar", "lone-00001.tar"]


def test_every_option_arrives(tmp_path: Path) -> None:
    shard = write_paired_shard(tmp_path / "x.tar", 2, 1)
    options = ["--layout", "shards", "--form", "lone", "--images-per-shard", "2", "--shuffle", "3", "--prefix", "p"]
    assert run(["data", "pack", f"val={shard}", str(tmp_path / "out"), *options, "--workers", "2"]) == 0
    summary = json.loads((tmp_path / "out" / "pack.json").read_text())
    named = {name: summary[name] for name in ("layout", "form", "images_per_shard", "shuffle", "prefix")}
    assert named == {"layout": "several", "form": "lone", "images_per_shard": 2, "shuffle": 3, "prefix": "p"}
    assert list(summary["shards"]) == [f"val-p-lone-0000{k}.tar" for k in range(3)]


def test_what_could_not_be_packed_is_named_and_ends_as_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = images(tmp_path / "set")
    (root / "real" / "evil\x1b[2J.jpg").write_bytes(b"broken")
    (root / "real" / "notes.txt").write_text("x")
    (root / "fake" / "same.jpg").write_bytes((root / "real" / "1.jpg").read_bytes())
    assert run(["data", "pack", str(root), str(tmp_path / "out"), "--workers", "1"]) == 3
    error = capsys.readouterr().err
    assert "1 skipped: no image by its suffix (.txt) (real/notes.txt)" in error
    assert "not packed: real/evil\\x1b[2J: not an image" in error
    assert "1 image under both labels" in error
    assert "both labels: real/1 = fake/same" in error
    assert "\x1b" not in error


def test_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["data", "pack", str(images(tmp_path / "set")), str(tmp_path / "out"), "--images-per-shard", "2"]
    assert run([*command, "--workers", "1", "--part", "1/2"]) == 0
    assert "2 shards of this part are done" in capsys.readouterr().out
    assert run([*command, "--workers", "1"]) == 0
    assert "6 images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["SET"], "one path is not enough"),
        (["SET", "OUT", "--part", "half"], "'half' makes no sense"),
        (["SET", "OUT", "--part", "0/2"], "'0/2' makes no sense"),
        (["SET", "OUT", "--layout", "none"], "'none' is unknown"),
        (["SET", "OUT", "--form", "both"], "both"),
        (["SET", "OUT", "--images-per-shard", "0"], "greater than or equal to 1"),
        (["SET/gone", "OUT"], "no such file or folder"),
        (["SET", "SET"], "there is something else already"),
    ],
)
def test_what_makes_no_sense_is_said_and_ends_as_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    images(tmp_path / "SET", 1)
    named = [str(tmp_path / word) if word.startswith(("SET", "OUT")) else word for word in arguments]
    assert run(["data", "pack", *named]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "OUT").exists()


def test_a_light_install_is_told_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contrafake.cli.extras.find_spec", lambda name: None if name == "pyarrow" else 1)
    assert run(["data", "pack", str(images(tmp_path / "set")), str(tmp_path / "out")]) == 2
    assert 'pip install "contrafake[data]"' in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_training_reads_what_was_packed(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from contrafake.data import Listing
    from contrafake.train.config import DataConfig
    from contrafake.train.order import make_order

    for name, source in (
        ("a", write_paired_shard(tmp_path / "a.tar", 3, 1)),
        ("b", write_lone_shard(tmp_path / "b.tar", 3, 1)),
    ):
        assert run(["data", "pack", str(source), str(tmp_path / name), "--workers", "1"]) == 0
        listing = Listing.of([str(tmp_path / name / "*.tar")])
        real, generated = make_order(listing, DataConfig(train=["a"], validation=["b"]), 0).draw(0)
        assert [listing.label[row] for row in (real, *generated)] == [0, 1]
