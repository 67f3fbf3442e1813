"""`contrafake data info` as a user calls it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from conftest import write_lone_shard
from PIL import Image
from rich.console import Console
from splits_example import write_folder

from contrafake.cli import run
from contrafake.cli.data_info import _render
from contrafake.data.info import DataInfo, OriginInfo

if TYPE_CHECKING:
    from pathlib import Path


def test_a_set_at_a_glance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lone_shard(tmp_path / "train-0000.tar", 8, 1)
    write_lone_shard(tmp_path / "test-0000.tar", 4, 2)
    assert run(["data", "info", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    lines = [line.split() for line in shown.out.splitlines()]
    assert lines[0][1:3] == ["24", "images,"]
    assert ["train", "8", "8"] in lines
    assert ["test", "4", "4"] in lines
    assert ["film", "3", "2", "72x72", "JPEG"] in lines  # 0, 3 and 6 are multiples of three
    assert ["phone", "5", "2", "72x72", "JPEG"] in lines
    assert ["sd", "2", "1", "72x72", "JPEG"] in lines
    assert shown.err == ""


def test_json_instead_of_tables_or_beside_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lone_shard(tmp_path / "a-0000.tar", 4, 1)
    assert run(["data", "info", str(tmp_path), "--json", "-"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert run(["data", "info", str(tmp_path), "--json", str(tmp_path / "info.json")]) == 0
    assert "Real origin" in capsys.readouterr().out
    assert json.loads((tmp_path / "info.json").read_text()) == printed
    assert printed["splits"] == {"": {"real": 4, "generated": 4}}


def test_broken_and_skipped_files_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_folder(tmp_path / "set")
    (root / "real/real-3/0.jpg").write_bytes(b"nothing")
    (root / "real/real-3/\x1b[31m.txt").write_text("x")
    assert run(["data", "info", str(root)]) == 3
    shown = capsys.readouterr().err
    assert "1 image cannot be read (real/real-3/0: " in shown
    assert "1 skipped: no image by its suffix" in shown
    assert "\x1b" not in shown
    assert run(["data", "info", str(root), "--no-sizes"]) == 0


def test_a_contact_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lone_shard(tmp_path / "a-0000.tar", 4, 1)
    sheet = tmp_path / "sheet.png"
    assert run(["data", "info", str(tmp_path), "--contact-sheet", str(sheet), "--per-origin", "3"]) == 0
    assert f"drawn: {sheet}" in capsys.readouterr().err
    with Image.open(sheet) as drawn:
        assert drawn.format == "PNG"
    assert run(["data", "info", str(tmp_path), "--contact-sheet", str(tmp_path / "sheet.jpg")]) == 2
    assert "PNG" in capsys.readouterr().err


def test_a_terminal_of_80_columns_is_wide_enough() -> None:
    long = OriginInfo(
        "a-generator-with-a-very-long-name-v10", 1, "service-2025", "latent rectified flow", False,
        {"train": 12345, "val": 1234, "test": 1234}, 3, 1024, 1024, {"JPEG": 99, "PNG": 1}, 10**6,
    )  # fmt: skip
    photos = OriginInfo("[red]photos[/red]", 0, "", "camera", None, {"train": 3}, 2, 300, 200, {"JPEG": 3}, 1)
    found = DataInfo(
        "set", "shards", ("real", "generated"), {s: {"real": 1, "generated": 1} for s in ("train", "val", "test")},
        [photos, long], {"real": 2, "generated": 3}, 4, 5, 10**6, 0, [], [], [],
    )  # fmt: skip
    for width, whole in ((80, False), (140, True)):
        console = Console(width=width, force_terminal=True, color_system=None)
        with console.capture() as capture:
            _render(found, console)
        lines = capture.get().splitlines()
        assert max(map(len, map(str.rstrip, lines))) <= width
        rows = [line for line in lines if "1024x1024" in line]
        assert len(rows) == 1  # nothing wraps
        assert ("a-generator-with-a-very-long-name-v10" in rows[0]) is whole
        assert ("JPEG 99 %, PNG" in rows[0]) is whole
        assert any("[red]photos[/red]" in line for line in lines)


def test_no_such_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "info", str(tmp_path / "none")]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    assert run(["data", "info"]) == 2


@pytest.mark.parametrize("name", ["real/0.jpg", "manifest.csv"])
def test_a_report_never_takes_the_place_of_data(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    target = tmp_path / name
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(b"mine")
    assert run(["data", "info", str(tmp_path), "--json", str(target)]) == 2
    assert "does not end in .json" in capsys.readouterr().err
    assert target.read_bytes() == b"mine"
