"""`contrafake train` and `contrafake fit` as typed: help, refusals in one line, overrides, fitting on its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml
from conftest import tiny_settings

from contrafake.cli import run
from contrafake.model.bundle import read_bundle

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tiny_shards: Path, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_settings(tiny_shards)), encoding="utf-8")
    return path


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error."""
    [line] = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("verb", ["train", "fit"])
def test_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    text = capsys.readouterr().out
    for word in ("CONFIG", "--set", "--run", "--out"):
        assert word in text
    assert ("--no-fit" in text) is (verb == "train")


@pytest.mark.parametrize("verb", ["train", "fit"])
def test_a_missing_configuration(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, str(tmp_path / "none.yaml")]) == 2
    assert complaint(capsys) == f"contrafake: {tmp_path / 'none.yaml'}: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optimizer.step=3", "optimizer.step: unknown key (the nearest known one is optimizer.steps)"),
        ("optimizer.steps=-3", "optimizer.steps: Input should be greater than 0"),
        ("optimizer.steps", "not of the form key=value"),
        ("runtime.device=cuda:7", "runtime.device: Input should be 'auto', 'cpu' or 'cuda'"),
        ("data.train=[/none/*.tar]", "/none/*.tar: no shard matches"),
    ],
)
def test_settings_that_make_no_sense(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], override: str, words: str
) -> None:
    assert run(["train", str(config), "--set", override, "--run", str(tmp_path / "run")]) == 2
    assert words in complaint(capsys)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_an_unset_variable(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "train",
        str(config),
        "--set",
        "data.train=['${NOT_SET_ANYWHERE}/a.tar']",
        "--run",
        str(tmp_path / "r"),
    ]
    assert run(arguments) == 2
    assert "${NOT_SET_ANYWHERE}: the environment variable is not set" in complaint(capsys)


def test_a_missing_dependency_is_named(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from contrafake.cli import train

    monkeypatch.setattr(train, "NEEDED", ("yaml", "not_installed_anywhere"))
    assert run(["train", str(config)]) == 2
    assert complaint(capsys) == (
        'contrafake: training: not installed: not_installed_anywhere (pip install "contrafake[train]")'
    )


def test_overrides_reach_the_run_and_no_bundle_is_made(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    changes = ["optimizer.steps=2", "optimizer.records=2", "loss.generated_term=false", "name=other"]
    flags = [word for change in changes for word in ("--set", change)]
    assert run(["train", str(config), *flags, "--run", str(folder), "--no-fit"]) == 0
    saved = json.loads((folder / "config.json").read_text())
    assert (saved["optimizer"]["steps"], saved["loss"]["generated_term"], saved["name"]) == (2, False, "other")
    assert json.loads((folder / "state.json").read_text())["step"] == 2
    assert not (folder / "bundle").exists()


def test_the_run_s_folder_is_named_after_the_configuration(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["train", str(config), "--set", "optimizer.steps=1", "--set", "optimizer.records=2", "--no-fit"]) == 0
    assert (tmp_path / "runs" / "tiny" / "best.safetensors").exists()


def test_fit_alone_on_a_finished_run(
    tiny_run: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundle"
    flags = ["--run", str(tiny_run), "--out", str(out), "--set", "fit.default_head=svm", "--set", "fit.crops=[2]"]
    assert run(["fit", str(config), *flags]) == 0
    found = read_bundle(out)
    assert found.config.default_head == "svm"
    assert found.calibrated_crops("svm") == [2, 5]
    printed = capsys.readouterr()
    assert "default head: svm" in printed.out
    assert "svm       5 crops  validation AUC" in printed.out
    assert "fitting the heads" in printed.err


def test_a_dry_run_says_what_training_would_need_and_writes_nothing(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    before = sorted(tmp_path.iterdir())
    assert run(["train", str(config), "--run", str(folder), "--dry-run", "--set", "optimizer.records=4"]) == 0
    shown = capsys.readouterr()
    for words in ("30 of 4 records, 32 views", "24 real images gone through 5 times", "a checkpoint", "time in all"):
        assert words in shown.out
    assert "trying steps of the model" in shown.err
    assert run(["train", str(config), "--run", str(folder), "--dry-run", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["steps"], facts["views"], facts["images"]) == (30, 64, {"real": 24, "generated": 24})
    assert facts["total_parameters"] == sum(facts["parameters"].values())
    assert sorted(tmp_path.iterdir()) == before


def test_json_is_for_dry_runs(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(config), "--json"]) == 2
    assert "add --dry-run" in complaint(capsys)


def test_strict_stops_at_the_first_damage(
    tiny_shards: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.tar"
    cut.write_bytes((tiny_shards / "train-0000.tar").read_bytes()[:-20_000])
    call = ["train", str(config), "--set", f"data.train=['{cut}']", "--set", "optimizer.steps=1", "--no-fit"]
    assert run([*call, "--run", str(tmp_path / "strict"), "--strict"]) == 2
    assert "cut.tar" in complaint(capsys)
    assert run([*call, "--run", str(tmp_path / "lenient")]) == 0
    assert "left out" in capsys.readouterr().err


def test_fit_without_a_run(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", str(config), "--run", str(tmp_path / "none")]) == 2
    assert "has no best.safetensors (train until the first validation)" in complaint(capsys)


def test_the_same_command_again_fits_a_finished_run_without_training(
    tiny_run: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (tiny_run / "best.safetensors").read_bytes()
    flags = ["--run", str(tiny_run), "--out", str(tmp_path / "bundle"), "--set", "fit.crops=[5]"]
    assert run(["train", str(config), *flags]) == 0
    assert "going on at step 30" in capsys.readouterr().err
    assert (tiny_run / "best.safetensors").read_bytes() == before
    assert read_bundle(tmp_path / "bundle").config.training["steps"] == 30


def test_operating_points_that_fitting_would_refuse_are_refused_before_training(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = ["train", str(config), "--run", str(tmp_path / "run"), "--set", "fit.false_alarm_rates=[0.01]"]
    assert run(refused) == 2
    assert "0.01 cannot be supported by 30 real images" in complaint(capsys)
    assert not (tmp_path / "run").exists()
