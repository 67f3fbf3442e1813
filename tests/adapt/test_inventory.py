"""Which models there are, and whether they are whole."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from contrafake.adapt.inventory import DEFAULT, installed, locate, verify
from contrafake.detect.load import BUNDLES, load
from contrafake.errors import BundleError, UsageError
from contrafake.model.bundle import read_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from contrafake.adapt.verifying import Report

    Tensors = dict[str, NDArray[np.generic]]


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bundle, tmp_path / "mine")


def edit_config(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads((bundle / "config.json").read_text())
    change(values)
    (bundle / "config.json").write_text(json.dumps(values))


def edit_tensors(bundle: Path, change: Callable[[Tensors], object]) -> None:
    """Changes tensors and states the new hash, as whoever writes a faulty bundle would."""
    file = bundle / "heads.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    edit_config(bundle, lambda values: values["files"].update({file.name: digest}))


def failed(report: Report) -> dict[str, str]:
    return {check.what: check.cause for check in report.checks if check.cause is not None}


def states(report: Report) -> dict[str, str]:
    return {file.name: file.state for file in report.files}


def test_finds_bundles_and_tells_damaged_ones_from_other_folders(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("default", "newer", "cut", "garbled", "runs/a/bundle", ".mine.partial"):
        shutil.copytree(bundle, tmp_path / name)
    edit_config(tmp_path / "newer", lambda values: values.update(schema_version=99))
    (tmp_path / "cut" / "model.onnx").unlink()
    (tmp_path / "garbled" / "config.json").write_text("{")
    (tmp_path / "other").mkdir()  # a model of another program
    (tmp_path / "other" / "config.json").write_text('{"architectures": ["ViTModel"]}')

    found = {entry.name: entry for entry in installed()}
    assert found.keys() == {DEFAULT, "./default", "mine", "newer", "cut", "garbled", "runs/a/bundle"}
    damage = {name: entry.damage for name, entry in found.items() if entry.damage}
    assert damage.keys() == {"newer", "cut", "garbled"}
    assert "99" in str(damage["newer"])
    assert damage["cut"] == "model.onnx is missing"
    mine = found["mine"].to_dict()
    assert mine["hash"] == read_bundle(bundle).hash
    listed = json.loads((bundle / "config.json").read_text())["files"]
    assert mine["bytes"] == sum((bundle / name).stat().st_size for name in ["config.json", *listed])
    assert (mine["model"], mine["default_head"], mine["place"]) == ("contrafake-tiny", "linear", "folder")
    assert mine["calibrated"] is True
    assert json.dumps([entry.to_dict() for entry in found.values()])
    for name in set(found) - damage.keys():
        assert load(name).model.hash == found[name].hash  # the name is what load takes


def test_named_folders_only(bundle: Path, tmp_path: Path) -> None:
    assert [entry.name for entry in installed([bundle])] == [DEFAULT, str(bundle)]
    assert [entry.name for entry in installed([bundle, tmp_path])] == [DEFAULT, str(bundle)]  # once
    edit_config(bundle, lambda values: values.update(calibrations=[]))
    assert not installed([bundle])[-1].calibrated
    with pytest.raises(UsageError, match="no such folder"):
        installed([tmp_path / "none"])


def test_a_model_is_located_without_being_sound(tmp_path: Path) -> None:
    assert locate(DEFAULT) == BUNDLES / DEFAULT
    assert locate(tmp_path) == tmp_path
    with pytest.raises(BundleError, match="no such model"):
        locate(str(tmp_path / "none"))


def test_a_whole_bundle(bundle: Path) -> None:
    report = verify(bundle)
    assert report.ok
    assert states(report) == {
        "model.onnx": "ok", "heads.safetensors": "ok", "README.md": "text", "NOTICE": "text",
        **({"model.safetensors": "ok"} if (bundle / "model.safetensors").exists() else {}),
    }  # fmt: skip
    tried = {check.what for check in report.checks}
    assert {"fp32 graph embeds a crop", "linear head scores", "nearest head scores", "svm head scores"} <= tried
    assert "validation images can be read" in tried
    told = json.loads(json.dumps(report.to_dict()))
    assert told["ok"] is True
    assert told["name"].startswith("contrafake-tiny ")


def test_all_faults_are_told_and_a_changed_file_is_not_used(bundle: Path) -> None:
    with (bundle / "heads.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)[0]
        file.seek(-1, 2)
        file.write(bytes([last ^ 1]))
    (bundle / "model.onnx").unlink()
    (bundle / "model.pkl").write_bytes(b"cos\nsystem\n.")
    (bundle / "deep").mkdir()
    report = verify(bundle)
    found = states(report)
    assert (found["heads.safetensors"], found["model.onnx"]) == ("changed", "missing")
    assert (found["model.pkl"], found["deep/"]) == ("not vouched for", "not vouched for")
    causes = failed(report)
    assert causes["fp32 graph embeds a crop"] == "not tried, since model.onnx is not as config.json states"
    assert "heads.safetensors" in causes["linear head scores"]
    assert report.problems == 2 + len(causes)


def test_what_nothing_reads_is_named_and_no_fault(bundle: Path) -> None:
    (bundle / "model.pkl").write_bytes(b"cos\nsystem\n.")
    report = verify(bundle)
    assert report.ok
    assert states(report)["model.pkl"] == "not vouched for"


def drop(part: str) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.pop(next(name for name in tensors if part in name))


def spoil(tensors: Tensors) -> None:
    tensors["head.linear.weight"] = np.full_like(tensors["head.linear.weight"], np.nan)


def shorten(tensors: Tensors) -> None:
    tensors["head.linear.weight"] = np.ascontiguousarray(tensors["head.linear.weight"][1:])


def unname(tensors: Tensors) -> None:
    for name in ("head.nearest.origins", "validation.sources"):
        tensors[name] = np.full_like(tensors[name], 1000)


@pytest.mark.parametrize(
    ("change", "check", "cause"),
    [
        (drop(".real_sources"), "calibration of", "real_sources"),
        (drop("head.nearest.labels"), "nearest head scores", "labels"),
        (drop("validation.owner"), "validation images can be read", "owner"),
        (spoil, "linear head scores", "not finite"),
        (shorten, "linear head scores", ""),
        (unname, "validation images can be read", "no name"),
    ],
)
def test_right_hashes_do_not_excuse_wrong_tensors(
    bundle: Path, change: Callable[[Tensors], object], check: str, cause: str
) -> None:
    edit_tensors(bundle, change)
    report = verify(bundle)
    assert set(states(report).values()) <= {"ok", "text"}
    assert any(what.startswith(check) and cause in why for what, why in failed(report).items())


def test_a_configuration_that_does_not_fit_its_files(bundle: Path) -> None:
    def change(values: dict[str, Any]) -> None:
        values["architecture"]["dimension"] += 1
        values["default_variant"] = "int8"
        values["default_head"] = "guess"

    edit_config(bundle, change)
    causes = failed(verify(bundle))
    assert "shape" in causes["fp32 graph embeds a crop"]
    assert "'int8'" in causes["the default variant is there"]
    assert "guess" in causes["guess head scores"]


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a\0b", ".."])
def test_no_listed_name_leads_out_of_the_folder(bundle: Path, name: str) -> None:
    edit_config(bundle, lambda values: values["files"].update({name: "0" * 64}))
    (bundle.parent / "outside").write_bytes(b"")
    report = verify(bundle)
    assert states(report)[name] in {"outside", "missing", "unreadable"}
    assert states(report)["model.onnx"] == "ok"


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "[" * 100_000, '{"schema_version": 1}', '{"files": {"x": 1}}'])
def test_files_are_told_also_without_a_description(bundle: Path, text: str) -> None:
    (bundle / "config.json").write_text(text)
    report = verify(bundle)
    assert not report.ok
    assert states(report)["model.onnx"] == "not vouched for"


def test_no_bundle_at_all(tmp_path: Path) -> None:
    report = verify(tmp_path)
    assert (report.ok, report.files) == (False, ())
    assert failed(report) == {"config.json can be read": "has no config.json"}
