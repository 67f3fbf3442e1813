"""`contrafake data split` as a user calls it."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest
from conftest import write_lone_shard
from splits_example import write_folder

from contrafake.cli import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "set").mkdir()
    write_lone_shard(tmp_path / "set/a-0000.tar", 30, 1)
    return tmp_path / "set"


def split(*arguments: object) -> int:
    return run(["data", "split", *map(str, arguments), "--workers", "1"])


def test_it_writes_the_lists_and_shows_the_counts(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert split(data, tmp_path / "out", "--fractions", "0.6,0.2,0.2", "--leave-one-out") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert [line.split()[:3] for line in shown.out.splitlines() if line[:5] in {"train", "val  ", "test "}] == [
        ["train", "18", "18"],
        ["val", "6", "6"],
        ["test", "6", "6"],
    ]
    assert "Family left out" in shown.out
    assert "5 units" in shown.out
    assert max(map(len, shown.out.splitlines()[:12])) <= 80
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"splits.csv", "split.json", "origins.csv"}


def test_a_leave_out_list_becomes_shards(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert split(data, tmp_path / "out", "--fractions", "0.6,0.4", "--leave-one-out") == 0
    name = tmp_path / "out/leave-out-gan.csv"
    assert split(data, tmp_path / "shards", "--list", name, "--form", "shards", "--duplicates", "ignore") == 0
    with name.open(newline="") as file:
        listed = {row["key"]: row["split"] for row in csv.DictReader(file)}
    with (tmp_path / "shards/splits.csv").open(newline="") as file:
        assert {row["key"]: row["split"] for row in csv.DictReader(file)} == listed
    assert {path.name for path in (tmp_path / "shards").glob("*.tar")} == {"train-0000.tar", "test-0000.tar"}
    capsys.readouterr()
    assert run(["data", "info", str(tmp_path / "shards"), "--json", "-"]) == 0
    splits = json.loads(capsys.readouterr().out)["splits"]
    assert sum(sum(of.values()) for of in splits.values()) == len(listed)


def test_a_broken_image_gives_exit_code_3_and_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_folder(tmp_path / "set")
    (root / "real/real-3/0.jpg").write_bytes(b"nothing")
    assert split(root, tmp_path / "out", "--fractions", "0.5,0.5") == 3
    shown = capsys.readouterr()
    assert "1 image cannot be read" in shown.err
    assert "1 left out: unreadable" in shown.out
    assert "1 cluster of duplicates joined some" in shown.out
    with (tmp_path / "out/left-out.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["key"] == "real/real-3/0"
    assert row["reason"].startswith("unreadable: ")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--fractions", "most,rest"], "no list of numbers"),
        (["--fractions", "0.5,0.4"], "sum to 1"),
        (["--by", "image"], "'image' is not one of"),
        (["--by", "keep"], "have no split to keep"),
        (["--by", "keep", "--leave-one-out"], "divide the set anew"),
        (["--by", "source", "--list", "x.csv"], "a list gives the splits"),
        (["--by", "group"], "belong to no group"),
        (["--list", "none.csv"], "cannot be read"),
    ],
)
def test_calls_that_make_no_sense(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    assert split(data, tmp_path / "out", *arguments) == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_folder_must_be_given_and_be_new(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert split(data) == 2
    assert "give the data, and then a folder" in capsys.readouterr().err
    assert split(data, data) == 2
    assert "not empty" in capsys.readouterr().err


def test_a_light_install_is_told_what_to_add(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contrafake.cli.extras.find_spec", lambda name: None if name == "scipy" else 1)
    assert split(data, tmp_path / "out") == 2
    assert 'not installed: scipy (pip install "contrafake[data]")' in capsys.readouterr().err
