"""`contrafake evaluate families` as typed, from a small set to the table and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from conftest import write_lone_shard

from contrafake.cli import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("data")
    train = write_lone_shard(folder / "train-0000.tar", 16, 1)
    val = write_lone_shard(folder / "val-0000.tar", 16, 2)
    return ["--data", f"train={train}", "--data", f"val={val}"]


def test_each_family_is_absent_once_and_the_table_is_rebuilt(
    data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "families"
    words = ["--least", "1", "--crops", "1", "--rate", "0.4", "--repeats", "20", "--out", str(out)]
    assert run(["evaluate", "families", *data, *words]) == 0
    shown = capsys.readouterr().out
    table = json.loads((out / "families-table.json").read_text())
    assert {fold["fold"]["name"] for fold in table["folds"]} == {"gan", "sd"}
    assert [(row["fold"], row["generated"]) for row in table["rows"] if row["variant"] == "untouched"][:2] == [
        ("gan", 24),
        ("sd", 8),
    ]
    for row in table["rows"]:
        assert f"{row['auc']['value']:.3f}" in shown
    assert run(["evaluate", "report", str(out), "--check"]) == 0
    (out / "families-table.json").write_text(json.dumps({**table, "rate": 0.3}))
    assert run(["evaluate", "report", str(out), "--check"]) == 1
    assert run(["evaluate", "report", str(out), "--repeats", "20", "--json", str(tmp_path / "again.json")]) == 0
    assert json.loads((tmp_path / "again.json").read_text()) == table


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--rate", "1"], "--rate"),
        (["--set", "seed=1"], "--train"),
        (["--least", "1000"], "two are needed"),
        (["--least", "1", "--together", "gan,vq"], "vq"),
        (["--least", "1", "--heads", "lienar", "--rate", "0.4"], "lienar"),
        (["--json", "table.txt"], ".json"),
        (["nowhere", "--least", "1"], "no such model"),
    ],
)
def test_refusals(words: list[str], complaint: str, data: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "families", *data, *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert complaint in shown.err


def test_data_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "families"]) == 2
    assert "--data train=SET --data val=SET" in capsys.readouterr().err
