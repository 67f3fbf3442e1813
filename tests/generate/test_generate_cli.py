"""`contrafake generate` as typed: exit codes, JSON, plans, parts, retries, refusals, hostile texts on the terminal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from audit_example import NAN, example
from small_build import painter, settings, write_photographs

from contrafake.cli import run
from contrafake.cli.generate_table import print_built
from contrafake.data.audit.result import Interval
from contrafake.generate.finish import Built

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest.importorskip("diffusers")

HOSTILE = "broken \x1b[31m\u202e<b>[bold]"
Spoken = tuple[int, str, str]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photographs, one with a caption that nobody should print as it is."""
    folder = write_photographs(tmp_path_factory.mktemp("reals") / "photos", count=3)
    (folder / "photo-2.txt").write_text(HOSTILE)
    return folder


@pytest.fixture
def call(photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Spoken]:
    """Types the command with a painter; returns the exit code and what stood on both streams."""

    def typed(*words: str, **changes: Any) -> Spoken:
        config = tmp_path / "small.yaml"
        config.write_text(  # JSON is YAML
            json.dumps(settings(photographs, painter("painter", tmp_path)).model_dump(mode="json") | changes)
        )
        capsys.readouterr()
        code = run(["generate", str(config), *words, "--workers", "1"])
        return code, *capsys.readouterr()

    return typed


def test_failures_are_named_then_tried_again_and_the_rest_stays(call: Callable[..., Spoken], tmp_path: Path) -> None:
    out = tmp_path / "set"
    code, told, named = call("--out", str(out))
    assert code == 3
    counts = {line.split()[0]: line.split()[1:5] for line in told.splitlines() if line.startswith(("real", "painter"))}
    assert counts == {"real": ["3", "0", "0", "0"], "painter": ["2", "1", "0", "0"]}
    assert "painter: 1 failed: no image" in named
    assert "audit" not in told  # none was made, and none is promised
    assert not (out / "audit.html").exists()
    reals = (out / "train-real-00000.tar").read_bytes()

    assert call("--out", str(out))[0] == 3  # what failed is not tried again by itself
    (tmp_path / "fixed").touch()
    assert call("--out", str(out))[0] == 3
    code, told, named = call("--out", str(out), "--retry", "--json")
    assert (code, named) == (0, "")
    assert json.loads(told)["counts"]["painter"] == {"made": 3, "failed": 0, "filtered": 0, "skipped": 0}
    assert json.loads(told)["audit"] is None
    assert (out / "train-real-00000.tar").read_bytes() == reals


def test_parts_make_and_a_call_without_completes(call: Callable[..., Spoken], tmp_path: Path) -> None:
    (tmp_path / "fixed").touch()
    whole, divided = tmp_path / "whole", tmp_path / "divided"
    digest = json.loads(call("--out", str(whole), "--json")[1])["digest"]
    for part in ("2/2", "1/2"):
        code, told, named = call("--out", str(divided), "--part", part)
        assert (code, told) == (0, "")
        assert "without --part" in named
        assert not (divided / "build.json").exists()
    code, told, _ = call("--out", str(divided), "--json")
    assert (code, json.loads(told)["digest"]) == (0, digest)


def test_plans_in_three_formats_make_nothing(
    call: Callable[..., Spoken], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    for suffix in ("csv", "jsonl", "parquet"):
        assert call("--plan", f"plan.{suffix}") == (0, f"6 rows written to plan.{suffix}\n", "")
    rows = [json.loads(line) for line in (tmp_path / "plan.jsonl").read_text().splitlines()]
    assert {(row["generator"], row["record"]) for row in rows} == {
        (name, f"photo-{place}") for name in ("real", "painter") for place in range(3)
    }
    assert len((tmp_path / "plan.csv").read_text().splitlines()) == 7
    assert (tmp_path / "plan.parquet").read_bytes()[:4] == b"PAR1"
    made = {path.name for path in set(tmp_path.iterdir()) - before}
    assert made == {"plan.csv", "plan.jsonl", "plan.parquet", "small.yaml", "painter.py"}


def test_dry_run_counts_without_a_trial_and_times_with_one(call: Callable[..., Spoken]) -> None:
    code, told, _ = call("--dry-run", "--trial", "0")
    assert code == 0
    assert told.startswith("3 records of small\n")
    assert "in all" not in told  # nothing was timed
    code, told, _ = call("--dry-run", "--trial", "1", "--json")
    real, found = json.loads(told)["generators"]
    assert (code, real["images"], found["images"], found["tried"]) == (0, 3, 3, 1)
    assert found["seconds"] > 0
    assert found["skipped"] == {}


def test_skipped_records_are_told_with_their_reason(call: Callable[..., Spoken], photographs: Path) -> None:
    text = photographs / "photo-0.txt"
    caption = text.read_text()
    text.write_text(" \n")
    try:
        assert "painter: 1 record skipped: no caption" in call("--dry-run", "--trial", "0")[1]
    finally:
        text.write_text(caption)


@pytest.mark.parametrize(
    ("words", "changes", "named"),
    [
        (["--part", "3/2"], {}, "--part"),
        (["--part", "half"], {}, "--part"),
        (["--part", "1/2", "--dry-run"], {}, "--part"),
        (["--only", "painter", "--dry-run"], {}, "--only"),
        (["--retry", "--plan", "p.csv"], {}, "--retry"),
        (["--trial", "2"], {}, "--trial"),
        (["--plan", "plan.xlsx"], {}, "plan.xlsx"),
        (["--only", "nobody"], {}, "there is no generator nobody"),
        (["--set", "reals.limt=3"], {}, "reals.limit"),
        (["--set", "generators.0.bach=3"], {}, "generators.0.batch"),
        (["--set", "generators.0.command=[x, '{otput}']"], {}, "{otput}"),
        (["--set", "reals.data=[nowhere]"], {}, "nowhere"),
        (["--set", "reals.least_side=5000"], {}, "no usable real image"),
        (["--set", "out=x"], {}, "unknown key"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    call: Callable[..., Spoken], tmp_path: Path, words: list[str], changes: dict[str, Any], named: str
) -> None:
    code, told, complaint = call("--out", str(tmp_path / "set"), *words, **changes)
    assert (code, told) == (2, "")
    assert named in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "set" / "build.json").exists()


@pytest.mark.parametrize("name", ["../../elsewhere", "/elsewhere", "..", "a/b"])
def test_a_name_leads_out_of_no_folder(call: Callable[..., Spoken], name: str) -> None:
    code, _, complaint = call(name=name)
    assert code == 2
    assert "--out" in complaint


def test_other_settings_for_the_same_folder_are_named(call: Callable[..., Spoken], tmp_path: Path) -> None:
    (tmp_path / "fixed").touch()
    out = str(tmp_path / "set")
    assert call("--out", out)[0] == 0
    code, _, complaint = call("--out", out, "--set", "law.longest=80")
    assert code == 2
    assert "law.longest 96, now 80" in complaint
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    code, _, complaint = call("--out", str(tmp_path / "full"))
    assert (code, (tmp_path / "full" / "letter.txt").read_text()) == (2, "dear")
    assert "something else" in complaint


def test_what_programs_say_is_shown_harmlessly(call: Callable[..., Spoken], tmp_path: Path) -> None:
    shouting = f"import sys; sys.stderr.write({HOSTILE!r}); sys.exit(4)"
    command = json.dumps([sys.executable, "-S", "-E", "-c", shouting, "{output}"])
    changed = ["--set", f"generators.0.command={command}", "--set", "generators.0.batch=1"]
    code, told, named = call("--out", str(tmp_path / "set"), *changed)
    assert code == 3
    assert "status 4" in named
    assert not {"\x1b", "\u202e"} & set(told + named)
    sheet = (tmp_path / "set" / "datasheet.md").read_text()
    assert not {"\x1b", "\u202e"} & set(sheet)
    assert "<b>" not in sheet


def test_an_interval_that_is_not_known_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    summary = {"counts": {}, "seconds": {}, "causes": {}, "digest": "0" * 64}
    for low, shown in ((NAN, "at AUC 1.00; 0.5"), (0.9, "at AUC 1.00 (0.90 to 1.00); 0.5")):
        report = example()
        found = replace(report.without_content, auc=Interval(1.0, low, 1.0))
        print_built(Built("set", summary, replace(report, without_content=found)))
        told = capsys.readouterr().out
        assert shown in told
        assert "audit.html" in told


def test_after_an_interrupt_the_same_command_goes_on(call: Callable[..., Spoken], tmp_path: Path) -> None:
    waiting = "import time, pathlib, sys; pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    begun = tmp_path / "begun"
    command = [sys.executable, "-S", "-E", "-c", waiting, str(begun), "{output}"]
    call("--plan", str(tmp_path / "plan.csv"))  # writes the configuration
    typed = [sys.executable, "-m", "contrafake", "generate", str(tmp_path / "small.yaml"), "--workers", "1"]
    typed += ["--out", str(tmp_path / "set"), "--set", f"generators.0.command={json.dumps(command)}"]
    typed += ["--set", "generators.0.batch=1"]
    process = subprocess.Popen(typed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        while not begun.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        told, named = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, told) == (130, "")
    assert named == "contrafake: stopped; the same command goes on from here\n"
