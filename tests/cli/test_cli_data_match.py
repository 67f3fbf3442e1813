from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
from conftest import picture, write_lone_shard
from PIL import Image

from contrafake.cli import run
from contrafake.cli.data_match import FormatName, ModeName, ResizeName
from contrafake.data.matching.settings import FinalFormat, Mode, Resize

if TYPE_CHECKING:
    from enum import StrEnum
    from pathlib import Path


def folders(root: Path, count: int = 3, broken: bool = False) -> Path:
    rng = np.random.default_rng(0)
    for name, suffix in (("real", "jpg"), ("fake", "png")):
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(picture(rng, generated=False, side=120)).save(root / name / f"{i}.{suffix}")
    if broken:
        (root / "real" / "no\x1b[31m.jpg").write_bytes(b"no image")
    return root


OPTIONS = ["--layout", "folders", "--min-side", "32", "--workers", "1"]


def test_the_table_shows_both_classes_before_and_after(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = folders(tmp_path / "set")
    assert run(["data", "match", str(data), str(tmp_path / "out"), *OPTIONS]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[1].split() == ["before", "real", "3", "120", "x", "120", "75", "JPEG", "100%"]
    assert lines[2].split() == ["before", "generated", "3", "120", "x", "120", "-", "PNG", "100%"]
    assert lines[3].split()[1:] == ["real", *lines[4].split()[2:]]
    assert lines[4].endswith("JPEG 100%")
    assert lines[5] == f"3 cells share one draw each; written to {tmp_path / 'out'}"
    assert shown.err == ""


def test_broken_images_are_named_and_the_rest_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = folders(tmp_path / "set", broken=True)
    assert run(["data", "match", str(data), str(tmp_path / "out"), *OPTIONS]) == 3
    shown = capsys.readouterr()
    assert "contrafake: real/no\\x1b[31m: not an image" in shown.err
    assert "warning: 25% of the real images (1 of 4)" in shown.err
    assert "left out: 1 real, set: unreadable" in shown.out
    assert "\x1b" not in shown.out + shown.err


def test_options_reach_the_law(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = folders(tmp_path / "set")
    asked = ["--format", "webp", "--quality", "70-80", "--size", "48", "--resize", "size", "--seed", "3"]
    assert run(["data", "match", str(data), str(tmp_path / "out"), *OPTIONS, *asked]) == 0
    shown = capsys.readouterr()
    assert "48 x 48" in shown.out
    assert "WEBP 100%" in shown.out
    assert "the resampling may tell the class" in shown.err


def test_several_sets_as_splits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (write_lone_shard(tmp_path / f"{name}.tar", 3, seed) for seed, name in enumerate("ab"))
    data = [f"train={first}", f"val={second}"]
    asked = ["--layout", "shards", "--min-side", "16", "--factor", "0.9", "--workers", "1"]
    assert run(["data", "match", *data, str(tmp_path / "out"), *asked]) == 0
    assert "6 cells" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["set"], "DATA and OUT are needed"),
        (["set", "out", "--quality", "high"], "--quality: 'high' is no number"),
        (["set", "out", "--size", "tiny"], "--size: 'tiny' is no number"),
        (["set", "out", "--size", "inf"], "--size: 'inf' is no number"),
        (["set", "out", "--quality", "nan"], "--quality: 'nan' is no number"),
        (["set", "out", "--quality", "80-1e999"], "--quality: '1e999' is no number"),
        (["set", "out", "--factor", "0.5-nan"], "--factor: 'nan' is no number"),
        (["set", "out", "--mode", "both"], "'both' is not one of"),
        (["set", "out", "--format", "tiff"], "'tiff' is not one of"),
        (["set", "out", "--resize", "always"], "'always' is not one of"),
        (["set", "out", "--workers", "0"], "Invalid value for '--workers'"),
        (["set", "out", "--images-per-shard", "0"], "Invalid value for '--images-per-shard'"),
        (["set", "out", "--min-side", "400"], "set: no usable real image (3 too small)"),
        (["set/real", "out"], "no real image"),
    ],
)
def test_calls_that_make_no_sense_end_as_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    folders(tmp_path / "set")
    assert run(["data", "match", *arguments, "--layout", "folders"]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_help_names_choices_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "match", "--help"]) == 0
    shown = capsys.readouterr().out
    for words in ("paired", "keep-law", "Seed of all draws.", "Exit codes: 0 done, 3 some images could not be read"):
        assert words in " ".join(shown.replace("\u2502", " ").split())


@pytest.mark.parametrize(
    ("names", "choices"), [(ModeName, Mode), (FormatName, FinalFormat), (ResizeName, Resize)], ids=str
)
def test_the_choices_are_those_of_the_settings(names: type[StrEnum], choices: Any) -> None:
    assert {name.value for name in names} == set(get_args(choices))
