"""`contrafake evaluate images`: what it writes, prints and leaves with, and the way back through a table of scores."""

from __future__ import annotations

import csv
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from conftest import jpeg, picture, write_lone_shard

import contrafake
from contrafake.cli import run
from contrafake.data.sources import open_source
from contrafake.evaluate.contestants import BundleContestant
from contrafake.evaluate.run import run_evaluation
from contrafake.evaluate.score_files import ScoreFile
from contrafake.evaluate.suites import parse_variants

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parent.parent.parent


def folder(root: Path) -> Path:
    rng = np.random.default_rng(3)
    for label in ("real", "fake"):
        for number in range(3):
            path = root / label / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(picture(rng, generated=label == "fake")))
    return root


def manifest(out: Path) -> list[dict[str, str]]:
    with (out / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = folder(tmp_path / "my set"), tmp_path / "out"
    call = ["evaluate", "images", str(root), "--out", str(out), "--workers", "1"]
    assert run(call) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    first, second, third, command = shown.out.splitlines()
    assert first == "3 real and 3 generated images, 2 variants"
    assert second.startswith("12 files, 0.")
    assert second.endswith(f"in {out}")
    assert third.startswith("next: score the files that manifest.csv lists")
    assert shlex.split(command) == ["contrafake", "evaluate", "NAME=scores.csv", "--data", str(root)]
    assert run(call) == 0
    assert "12 of them from before" in capsys.readouterr().out


def test_every_option_arrives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard = write_lone_shard(tmp_path / "a.tar", 5, 0)
    options = ["--variants", "webp-50,blur-1", "--variants", "jpeg-30", "--layout", "shards", "--split", "test"]
    options += ["--limit", "2", "--format", "png", "--workers", "2"]
    out = tmp_path / "out"
    assert run(["evaluate", "images", f"test={shard}", f"val={shard}", "--out", str(out), *options]) == 0
    found = manifest(out)
    assert [row["variant"] for row in found[:4]] == ["untouched", "webp-50", "blur-1", "jpeg-30"]
    assert len(found) == 16
    assert {row["path"].rpartition(".")[2] for row in found} == {"png"}
    assert {row["split"] for row in found} == {"test"}
    shown = capsys.readouterr()
    assert "at most 2 images of each class" in shown.err
    words = shlex.split(shown.out.splitlines()[-1])
    assert words[3:7] == ["--data", f"test={shard}", "--data", f"val={shard}"]
    assert words[7:] == [
        "--variants",
        "webp-50,blur-1,jpeg-30",
        "--split",
        "test",
        "--limit",
        "2",
        "--layout",
        "shards",
    ]


def test_broken_images_are_named_and_end_as_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder(tmp_path / "set")
    (root / "real" / "evil\x1b[2J.jpg").write_bytes(b"broken")
    assert run(["evaluate", "images", str(root), "--out", str(tmp_path / "out"), "--workers", "1"]) == 3
    shown = capsys.readouterr()
    assert "contrafake: not written: real/evil\\x1b[2J: not an image that can be read here" in shown.err
    assert "\x1b" not in shown.err + shown.out


def test_wrong_calls_end_as_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = folder(tmp_path / "set"), tmp_path / "out"
    for words, said in (
        ([str(root)], "Missing option '--out'"),
        (["--out", str(out)], "Missing argument"),
        ([str(root), "--out", str(root)], "something else stands there"),
        ([str(tmp_path / "none"), "--out", str(out)], "no such file or folder"),
        ([str(root), "--out", str(out), "--variants", "jpg-75"], "no such variant or suite"),
        ([str(root), "--out", str(out), "--split", "test"], "no image of the split 'test'"),
    ):
        assert run(["evaluate", "images", *words]) == 2, words
        assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_program_that_scores_the_files_scores_what_is_judged_here(tmp_path: Path) -> None:
    """The detector itself, as somebody else's program would run it: not a digit differs under any variant."""
    root, out, names = folder(tmp_path / "set"), tmp_path / "out", "standard,webp-50,transformed,noise-5"
    assert run(["evaluate", "images", str(root), "--out", str(out), "--variants", names, "--workers", "1"]) == 0
    detector = contrafake.load()
    files = [row["path"] for row in manifest(out)]
    table = tmp_path / "theirs.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "score"])
        rows.writerows(
            (path, verdict.score)
            for path, verdict in zip(files, detector.detect([out / p for p in files]), strict=True)
        )
    evaluation = run_evaluation(
        [BundleContestant(detector)],
        open_source(root),
        variants=parse_variants([names]),
        score_files=[ScoreFile.read(table)],
    ).evaluation
    assert evaluation.scores.shape == (5, 6, 2)
    np.testing.assert_array_equal(evaluation.scores[..., 0], evaluation.scores[..., 1])


def test_the_documented_example_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "evaluation" / "other-programs.md").read_text(encoding="utf-8")
    [script] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    [shown] = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples", target_is_directory=True)
    calls = re.findall(r"^    contrafake (evaluate images examples .*|evaluate default .*)$", text, re.MULTILINE)
    assert len(calls) == 2
    assert run(shlex.split(calls[0])) == 0
    printed = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert all(f"    {line}" in text for line in printed)
    subprocess.run([sys.executable, "-c", script], check=True)
    rows = (tmp_path / "roughness.csv").read_text().splitlines()
    documented = re.findall(r"^    ((?:path|untouched|jpeg-90)\S*,\S*),\S*$", text, re.MULTILINE)
    assert [row.rpartition(",")[0] for row in rows[: len(documented)]] == documented
    assert run(shlex.split(calls[1])) == 0
    lines = [set(line.split()) for line in capsys.readouterr().out.splitlines()]
    figures = [set(line.split()) for line in shown.splitlines() if line.startswith("contrafake")]
    assert len(figures) == 2
    assert all(any(figure <= line for line in lines) for figure in figures)
