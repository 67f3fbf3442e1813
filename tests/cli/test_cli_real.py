"""The command with the model inside the package, from the shell to the exit code: no stand-ins."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

import contrafake

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CHINA = EXAMPLES / "real" / "china.jpg"


def command(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, "-m", "contrafake", "detect", *map(str, arguments)]
    return subprocess.run(words, input=stdin, capture_output=True, check=False, cwd=ROOT)


def test_json_is_what_the_api_says() -> None:
    done = command("--json", EXAMPLES)
    assert (done.returncode, done.stderr) == (0, b"")
    document = json.loads(done.stdout)
    detector = contrafake.load()
    expected = detector.detect([verdict["name"] for verdict in document["verdicts"]])
    assert len(expected) == document["summary"]["images"] == 7
    assert document["model"]["hash"] == detector.model.hash
    for shown, verdict in zip(document["verdicts"], expected, strict=True):
        assert shown["label"] == verdict.label
        assert shown["score"] == pytest.approx(verdict.score, abs=1e-5)


def test_standard_input_and_file_get_one_verdict() -> None:
    [piped] = map(json.loads, command("--jsonl", "-", stdin=CHINA.read_bytes()).stdout.splitlines())
    [named] = map(json.loads, command("--jsonl", CHINA).stdout.splitlines())
    assert (piped["name"], named["name"]) == ("<stdin>", str(CHINA))
    assert piped["score"] == pytest.approx(named["score"], abs=1e-5)
    assert piped["sha256"] == named["sha256"]


def test_exit_codes_follow_the_verdicts(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(CHINA.read_bytes()[:30_000])
    everything, nothing = ("--threshold", "-1000"), ("--threshold", "1000")
    assert command(CHINA, "--fail-on", "generated", *everything).returncode == 1
    assert command(CHINA, "--fail-on", "generated", *nothing).returncode == 0
    assert command(CHINA, broken, "--fail-on", "generated", *everything).returncode == 3
    assert command(CHINA, "--false-alarm-rate", "0.0001").returncode == 2
    assert command(CHINA, "--model", tmp_path / "none").returncode == 2


def test_csv_has_a_row_for_every_image_and_leaves_the_table(tmp_path: Path) -> None:
    done = command(EXAMPLES / "real", "--csv", tmp_path / "out.csv")
    assert done.returncode == 0
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["name"]).name for row in rows] == ["china.jpg", "flower.jpg", "grace_hopper.jpg"]
    table = done.stdout.decode()
    assert all(row["name"] in table and row["label"] in table for row in rows)
    assert "5% false alarms, about 1 in 20 real photos flagged" in table


def test_uncalibrated_crops_are_said_on_standard_error() -> None:
    done = command("--jsonl", "--crops", "3", CHINA)
    assert done.returncode == 0
    assert b"calibrated at 1 or 2 or 5 crops, not at 3" in done.stderr
    assert json.loads(done.stdout)["crops"] == 3
