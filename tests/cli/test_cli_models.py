"""`contrafake models list`, `info` and `verify` as a user calls them."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from rich.console import Console

from contrafake.cli import run
from contrafake.cli.model_facts import facts_of, print_variants
from contrafake.cli.model_history import history_lines
from contrafake.cli.models_info import _lay_out
from contrafake.model.bundle import read_bundle
from contrafake.model.bundle_config import Preprocessing, Variant

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = (
    "# \x1b[31mtitle\n\n&#27;[1m [safe.example](https://evil.example) \x9b31m \u202e [red]x[/red]\n\n"
    "```\n\x1b]0;x\x07\n```\n\n| \x1b[2J | b |\n|---|---|\n| 1 | \x08 |\n"
)


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(tiny_bundle, tmp_path / "mine")


def test_list(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(bundle, bundle.parent / "broken")
    (bundle.parent / "broken" / "model.onnx").unlink()
    assert run(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line}
    assert rows["default"][-1] == "-" or "package" in rows["default"]
    opened = read_bundle(bundle)
    config = opened.config
    assert rows["mine"][1:6] == [config.version, "code", "linear", str(config.preprocessing.default_crops), "yes"]
    assert opened.hash[:12] in rows["mine"]
    assert rows["broken"][-1] == "damaged"
    assert "damaged: broken: model.onnx is missing" in lines
    assert "    contrafake models import aimagelab/CoDE --out code" in lines
    assert run(["models", "list", str(bundle), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in told["installed"]] == ["default", str(bundle)]
    assert told["known"][0]["licence"] == "MIT"
    assert run(["models", "list", "nowhere"]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_info(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "info", "mine"]) == 0
    shown = capsys.readouterr().out
    opened = read_bundle(bundle)
    memory = opened.validation_memory()
    assert memory is not None
    real, generated = (int((memory.labels == label).sum()) for label in (0, 1))
    assert f"embeddings of {real} real and {generated} generated images" in shown
    assert opened.hash in shown
    [point, *_] = opened.config.calibrations[0].operating_points
    low, high = (100 * bound for bound in point.interval)
    assert f"{100 * point.false_alarm_rate:.1f} % ({low:.1f} to {high:.1f})" in shown
    assert "The weights in this folder carry their own terms" in shown
    assert run(["models", "info", "mine", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.items() >= json.loads((bundle / "config.json").read_text()).items()
    assert told["hash"] == opened.hash
    assert told["sizes"]["model.onnx"] == (bundle / "model.onnx").stat().st_size
    (bundle / "config.json").write_text("{")
    assert run(["models", "info", "mine"]) == 2
    assert "no JSON" in capsys.readouterr().err
    assert run(["models", "info", "nothing-like-it"]) == 2
    assert "no such model" in capsys.readouterr().err


def test_uncalibrated_is_said_plainly(bundle: Path) -> None:
    config = read_bundle(bundle).config
    official = Preprocessing(geometry="resize-crop", crop_pct=0.5, crop_size=32, small_images="black")
    published = config.model_copy(
        update={
            "calibrations": [],
            "native_threshold": 0.0,
            "attribution": None,
            "preprocessing": official,
            "validation": None,
            "history": [
                {"step": "refit", "from": {"version": "1", "hash": "0"}, "before": {"auc": 0.5}, "after": 0.75}
            ],
        }
    )
    facts = dict(facts_of(published, bundle, "0", {"model.onnx": None}))
    assert facts["calibrated"][0].startswith("NO: ")
    assert '"generated" above 0' in facts["calibrated"][0]
    assert "scaled to 64 pixels" in facts["images"][0]
    assert facts["history"] == ["refit of 1: before auc 0.5, after 0.75"]
    assert facts["missing"] == ["model.onnx"]
    partly = config.model_copy(update={"preprocessing": config.preprocessing.model_copy(update={"default_crops": 9})})
    assert dict(facts_of(partly, bundle, "0", {}))["calibrated"][0].startswith("not at the default 9")


def test_a_history_says_what_each_step_brought_whatever_it_holds() -> None:
    origin = {"version": "0.1.0", "hash": "0" * 64}
    calibrated = {
        "step": "calibrate", "from": origin, "contrafake": "0.1.0", "photographs": 52, "generated": 0,
        "comparisons": [
            {"head": "linear", "crops": 5, "rate": 0.05, "alarms_before": {"share": 0.25},
             "alarms_after": {"share": 0.0625}, "found_before": {"share": 0.75}, "found_after": {"share": 0.5}}
        ],
    }  # fmt: skip
    auc = {"auc": {"before": 0.5, "after": 0.75}, "head": "linear"}
    refitted = {
        "step": "refit", "from": origin, "added": {"new": {"fitted": 97, "held_back": 46}}, "default_head": "linear",
        "figures": [
            {**auc, "origin": "new", "new": True}, {**auc, "origin": "all old origins", "new": False},
            {**auc, "origin": "gan", "new": False}, {**auc, "origin": "new", "new": True, "head": "svm"},
        ],
    }  # fmt: skip
    deep: Any = 0
    for _ in range(5000):
        deep = [deep]
    strange: list[dict[str, Any]] = [
        {}, {"step": "refit", "added": 3}, {"step": "calibrate", "from": deep, "comparisons": deep},
    ]  # fmt: skip
    lines = history_lines([calibrated, refitted, *strange])
    assert lines[0] == (
        "calibrate of 0.1.0: by 52 photographs and 0 generated images; linear at 5 crops, rate 0.05: "
        "false alarms 25.0 -> 6.2 %, generated images found 75.0 -> 50.0 %"
    )
    assert lines[1] == (
        "refit of 0.1.0: added new (97 images); AUC on images held back: new 0.500 -> 0.750, "
        "all old origins 0.500 -> 0.750"
    )
    assert lines[3] == "refit of an unknown version: added 3"
    assert len(lines) == 5
    assert len(history_lines([{"step": "x" * 1000}])[0]) < 300


def test_variants_with_what_they_cost(bundle: Path) -> None:
    losing = Variant(
        name="int8", file="model.int8.onnx", head="linear", crops=5, images=(30, 31), auc=0.9, auc_lost=0.0011,
        auc_lost_interval=(-0.0005, 0.0027), score_change=(0.02, 0.3), flips=0.0125,
    )  # fmt: skip
    config = read_bundle(bundle).config.model_copy(update={"variants": [losing], "default_variant": "int8"})
    assert dict(facts_of(config, bundle, "0", {}))["variants"] == ["fp32, int8 (default)"]
    console = Console(width=100, file=io.StringIO())
    with console.capture() as capture:
        print_variants(console, config)
    assert "+0.0011 (-0.0005 to +0.0027)" in capture.get()
    assert "1.25 %" in capture.get()


def test_a_card_can_do_nothing_to_a_terminal(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle / "README.md").write_text(HOSTILE, encoding="utf-8")
    assert run(["models", "info", "mine", "--card"]) == 0
    piped = capsys.readouterr().out
    assert "\\x1b[31mtitle" in piped
    console = Console(width=60, force_terminal=True, color_system=None, file=io.StringIO())
    with console.capture() as capture:
        _lay_out(HOSTILE, console)
    for shown in (piped, capture.get()):
        assert not {"\x07", "\x08", "\x9b", "\u202e"} & set(shown)
        assert "[red]x[/red]" in shown
        assert "https://evil.example" in shown  # where a link leads is read, not hidden behind its words
    assert "\x1b" not in piped
    assert "\x1b[31m" not in capture.get()
    assert "\x1b]" not in capture.get()


def test_verify(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(bundle, bundle.parent / "broken")
    (bundle.parent / "broken" / "model.onnx").write_bytes(b"\x1b[31m")
    (bundle.parent / "broken" / "\x1b[31m.bin").write_bytes(b"")
    assert run(["models", "verify", "mine"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "all good"
    assert run(["models", "verify", "mine", "broken"]) == 1
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "model.onnx" in shown
    assert "changed: not the hash that config.json states" in shown
    assert "2 things are wrong" in shown
    assert run(["models", "verify", "broken", "--json"]) == 1
    [told] = json.loads(capsys.readouterr().out)
    assert {file["name"]: file["state"] for file in told["files"]}["model.onnx"] == "changed"
    assert run(["models", "verify", "mine", "nothing-like-it"]) == 2


def test_a_variant_is_asked_for_by_name(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = bundle.parent / "photo.png"
    Image.new("RGB", (64, 64), (90, 120, 30)).save(photo)
    assert run(["detect", str(photo), "--model", "mine", "--variant", "fp32"]) == 0
    capsys.readouterr()
    assert run(["detect", str(photo), "--model", "mine", "--variant", "int4"]) == 2
    assert "it has fp32" in capsys.readouterr().err


def test_pulled_models_are_listed_and_verified_offline_and_lightly(bundle: Path, tmp_path: Path) -> None:
    main, pinned = "a" * 40, "b" * 40
    repository = tmp_path / "hub" / "models--me--judge"
    for commit in (main, pinned):
        snapshot = repository / "snapshots" / commit
        snapshot.mkdir(parents=True)
        (repository / "blobs").mkdir(exist_ok=True)
        for file in bundle.iterdir():
            blob = repository / "blobs" / f"{commit[0]}-{file.name}"
            shutil.copyfile(file, blob)
            (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(main)
    program = (
        "import sys; from contrafake.cli import run\n"
        "for verb in ('list', 'info', 'verify'): run(['models', verb, '--help'])\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'onnxruntime', 'huggingface_hub', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "print('BEGIN')\n"
        "assert run(['models', 'list', '--json']) == 0\n"
        "print('BEGIN')\n"
        f"codes = [run(['models', 'verify', name, '--json']) for name in ('me/judge@{pinned}', 'me/judge')]\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'pyarrow'} & set(sys.modules)\n"
        "assert codes == [0, 0] and not heavy, (codes, heavy)\n"
        "assert run(['models', 'info', 'me/other']) == 2\n"
    )
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    _, listed, _ = done.stdout.split("BEGIN")
    entries: list[dict[str, Any]] = json.loads(listed)["installed"]
    found = {entry["name"]: entry["place"] for entry in entries}
    assert found == {"default": "package", "me/judge": "Hub cache", f"me/judge@{pinned}": "Hub cache", "mine": "folder"}
    assert "contrafake models pull me/other" in done.stderr
