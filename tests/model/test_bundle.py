"""Bundles on disk: written whole, verified on reading, refused in words when damaged."""

from __future__ import annotations

import json
import pickletools
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from contrafake.errors import BundleError
from contrafake.model import bundle_writing
from contrafake.model.bundle import Bundle, read_bundle, sha256
from contrafake.model.bundle_config import AttributionRule, BundleConfig, CalibrationFacts, Preprocessing
from contrafake.model.bundle_writing import write_bundle
from contrafake.model.calibration import Calibration, fit_calibration
from contrafake.model.heads import Head, LinearHead, NearestHead

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = ["NOTICE", "README.md", "config.json", "heads.safetensors", "model.onnx"]


def made_heads() -> dict[str, Head]:
    rng = np.random.default_rng(0)
    references = rng.normal(size=(6, 4)).astype(np.float32)
    return {
        "linear": LinearHead(rng.normal(size=4), 0.25),
        "nearest": NearestHead(references, np.array([0, 1] * 3, np.uint8), np.array([0, 1] * 3, np.int32)),
    }


def made_calibration() -> Calibration:
    rng = np.random.default_rng(1)
    return fit_calibration(rng.normal(size=50), rng.normal(2, 1, 40), np.arange(50, dtype=np.int32) % 7)


def write(path: Path, **changes: Any) -> Bundle:
    calibration = made_calibration()
    facts = CalibrationFacts(
        head="linear",
        crops=5,
        slope=calibration.slope,
        intercept=calibration.intercept,
        bound=calibration.bound,
        auc=0.9,
        operating_points=[calibration.operating_point(rate) for rate in (0.05, 0.1)],
    )
    values: dict[str, Any] = {
        "method": "code",
        "name": "made",
        "version": "1",
        "architecture": {"backbone": "none", "dimension": 4},
        "preprocessing": Preprocessing(crop_size=32),
        "heads": ["linear", "nearest"],
        "default_head": "linear",
        "origins": ["camera", "sd"],
        "calibrations": [facts],
        "attribution": AttributionRule(neighbours=3, least_share=0.5, precision=0.9, given=0.4, images=30),
        "training": {"steps": 1},
    }
    graph = path.with_name(f"{path.name}-source.onnx")
    graph.write_bytes(b"not a graph, but nobody runs it here")
    return write_bundle(
        path,
        BundleConfig(**{**values, **changes}),
        model=graph,
        heads=made_heads(),
        calibrations={("linear", 5): calibration},
        texts={"README.md": "# card – déjà vu\n", "NOTICE": "terms\n"},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "bundle")
    return tmp_path / "bundle"


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    change(values)
    (folder / "config.json").write_text(json.dumps(values), encoding="utf-8")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = write(tmp_path / "bundle")
    found = read_bundle(tmp_path / "bundle")
    assert found.config == written.config
    assert found.hash == written.hash
    assert sorted(path.name for path in found.path.iterdir()) == FILES
    assert (found.path / "README.md").read_text(encoding="utf-8") == "# card – déjà vu\n"
    vectors = np.random.default_rng(2).normal(size=(5, 4))
    for name, head in made_heads().items():
        np.testing.assert_array_equal(found.head(name).score(vectors), head.score(vectors))
    calibration, expected = found.calibration("linear", 5), made_calibration()
    assert calibration is not None
    assert (calibration.slope, calibration.intercept, calibration.bound) == (
        expected.slope,
        expected.intercept,
        expected.bound,
    )
    for name in ("real_scores", "generated_scores", "real_sources"):
        np.testing.assert_array_equal(getattr(calibration, name), getattr(expected, name))
        assert getattr(calibration, name).dtype == getattr(expected, name).dtype


def test_calibrations_and_points_are_found_by_what_they_are_for(folder: Path) -> None:
    bundle, expected = read_bundle(folder), made_calibration()
    assert bundle.calibrated_crops("linear") == [5]
    assert bundle.calibrated_crops("nearest") == []
    assert bundle.calibration("linear", 1) is None
    assert bundle.stored_point("linear", 5, None) == expected.operating_point(0.05)
    assert bundle.stored_point("linear", 5, 0.1) == expected.operating_point(0.1)
    assert bundle.stored_point("linear", 5, 0.02) is None
    assert bundle.stored_point("nearest", 5, None) is None


def test_unknown_head_is_refused_with_the_known_ones(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"no head 'svm' .*it has linear, nearest"):
        read_bundle(folder).head("svm")


@pytest.mark.parametrize("name", ["model.onnx", "heads.safetensors"])
@pytest.mark.parametrize("where", [0, 0.5, -1])
def test_one_flipped_bit_is_noticed(folder: Path, name: str, where: float) -> None:
    data = bytearray((folder / name).read_bytes())
    data[int(where * len(data)) if where > 0 else int(where)] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(BundleError, match=f"{name}: does not have the hash"):
        read_bundle(folder)


@pytest.mark.parametrize("name", ["model.onnx", "heads.safetensors"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: is missing"):
        read_bundle(folder)


def test_folder_without_config_is_no_bundle(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(BundleError, match=r"is no bundle.*config\.json"):
            read_bundle(path)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"3", b'"{}"', b"[" * 100_000])
def test_config_that_is_no_description_is_refused(folder: Path, text: bytes) -> None:
    (folder / "config.json").write_bytes(text)
    with pytest.raises(BundleError, match=r"config.json is damaged|schema version None"):
        read_bundle(folder)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_config_is_refused(folder: Path, share: float) -> None:
    data = (folder / "config.json").read_bytes()
    (folder / "config.json").write_bytes(data[: int(share * len(data))])
    with pytest.raises(BundleError, match=r"config.json is damaged"):
        read_bundle(folder)


@pytest.mark.parametrize("version", [2, 0, None, "1"])
def test_other_schema_is_refused_with_the_known_one(folder: Path, version: object) -> None:
    edit(folder, lambda values: values.update(schema_version=version))
    with pytest.raises(BundleError, match=r"schema version .*; this contrafake reads 1 \(upgrade contrafake\)"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("colour", lambda values: values.update(colour="red")),
        ("preprocessing.sharpen", lambda values: values["preprocessing"].update(sharpen=True)),
        ("preprocessing.crop_size", lambda values: values["preprocessing"].update(crop_size=0)),
        ("method", lambda values: values.pop("method")),
        ("calibrations.0.slope", lambda values: values["calibrations"][0].update(slope=None)),
        (
            "calibrations.0.operating_points.0.threshold",
            lambda values: values["calibrations"][0]["operating_points"][0].pop("threshold"),
        ),
        (
            "calibrations.0.operating_points.1.mood",
            lambda values: values["calibrations"][0]["operating_points"][1].update(mood="good"),
        ),
    ],
)
def test_wrong_setting_is_named(folder: Path, key: str, change: Callable[[dict[str, Any]], object]) -> None:
    edit(folder, change)
    with pytest.raises(BundleError, match=f"config.json is damaged: {key}: "):
        read_bundle(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/b", "..", "", "."])
def test_files_outside_the_folder_are_never_opened(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("secret", encoding="utf-8")
    edit(folder, lambda values: values["files"].update({name: "0" * 64}))
    with pytest.raises(BundleError, match=r"outside its folder|unreadable"):
        read_bundle(folder)


@pytest.mark.parametrize("name", ["model.onnx", "heads.safetensors"])
def test_file_without_a_hash_is_refused(folder: Path, name: str) -> None:
    edit(folder, lambda values: values["files"].pop(name))
    with pytest.raises(BundleError, match="does not vouch for"):
        read_bundle(folder)


def rehash(folder: Path) -> None:
    edit(folder, lambda values: values["files"].update({"heads.safetensors": sha256(folder / FILES[3])}))


def test_vouched_for_but_broken_tensors_are_refused(folder: Path) -> None:
    (folder / "heads.safetensors").write_bytes(b"no tensors")
    rehash(folder)
    with pytest.raises(BundleError, match=r"heads.safetensors: is damaged"):
        read_bundle(folder)


def test_missing_tensors_are_named_when_asked_for(folder: Path) -> None:
    tensors = load_file(folder / "heads.safetensors")
    del tensors["head.linear.bias"], tensors["calibration.linear.5.real_sources"]
    save_file(tensors, folder / "heads.safetensors")
    rehash(folder)
    bundle = read_bundle(folder)
    with pytest.raises(BundleError, match="'bias' is missing"):
        bundle.head("linear")
    with pytest.raises(BundleError, match="lacks real_sources of linear at 5 crops"):
        bundle.calibration("linear", 5)


def test_hash_follows_every_change(tmp_path: Path) -> None:
    hashes = [
        write(tmp_path / "a").hash,
        write(tmp_path / "b", version="2").hash,
        write(tmp_path / "c", training={"steps": 2}).hash,
    ]
    assert len(set(hashes)) == 3
    assert write(tmp_path / "d").hash == hashes[0]
    shutil.copytree(tmp_path / "a", tmp_path / "moved")
    assert read_bundle(tmp_path / "moved").hash == hashes[0]


def test_model_card_may_be_corrected(folder: Path) -> None:
    before = read_bundle(folder).hash
    (folder / "README.md").write_text("# better card", encoding="utf-8")
    assert read_bundle(folder).hash == before


def test_everybody_who_may_read_the_config_may_read_the_rest(folder: Path) -> None:
    modes = {name: stat.S_IMODE((folder / name).stat().st_mode) for name in FILES}
    assert len(set(modes.values())) == 1, modes


def test_newer_bundle_replaces_older(folder: Path) -> None:
    newer = write(folder, version="2")
    assert read_bundle(folder).hash == newer.hash
    assert read_bundle(folder).config.version == "2"
    assert not [path for path in folder.parent.iterdir() if path.name.startswith(".")]


def test_empty_folder_is_filled_and_anything_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"dear to somebody")
    (tmp_path / "file").write_bytes(b"so is this")
    for name in ("photos", "file"):
        with pytest.raises(BundleError, match="exists and is no bundle"):
            write(tmp_path / name)
    assert (tmp_path / "photos" / "holiday.jpg").read_bytes() == b"dear to somebody"
    assert (tmp_path / "file").read_bytes() == b"so is this"


def test_path_may_be_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"graph")
    config = write(tmp_path / "other").config
    write_bundle(".", config, model=graph, heads=made_heads(), calibrations={}, texts={})
    assert read_bundle(tmp_path / "here").config.name == "made"


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("moment", ["tensors", "hash", "config", "rename"])
def test_failure_in_the_middle_leaves_the_old_bundle_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str, error: BaseException
) -> None:
    before = read_bundle(folder).hash

    def fail(*args: object, **options: object) -> None:
        raise error

    rename = Path.rename

    def fail_second(path: Path, target: Path) -> Path:
        if path.name.endswith(".partial"):
            raise error
        return rename(path, target)

    with monkeypatch.context() as patched:
        if moment == "tensors":
            patched.setattr(bundle_writing, "save", fail)
        elif moment == "hash":
            patched.setattr(bundle_writing, "sha256", fail)
        elif moment == "config":
            patched.setattr(BundleConfig, "model_dump_json", fail)
        else:
            patched.setattr(Path, "rename", fail_second)
        with pytest.raises(type(error)):
            write(folder, version="2")
    assert read_bundle(folder).hash == before
    assert not [path for path in folder.parent.iterdir() if path.name.startswith(".")]
    assert write(folder, version="2").config.version == "2"


def test_leftovers_of_a_killed_writer_do_no_harm(folder: Path) -> None:
    for name in (".bundle.partial", ".bundle.replaced"):
        (folder.parent / name).mkdir()
        (folder.parent / name / "model.onnx").write_bytes(b"half")
    assert read_bundle(folder).config.version == "1"
    assert write(folder, version="2").config.version == "2"
    assert not [path for path in folder.parent.iterdir() if path.name.startswith(".")]


def test_trained_bundle_holds_no_pickle(tiny_bundle: Path) -> None:
    paths = sorted(tiny_bundle.rglob("*"))
    assert sorted(path.name for path in paths) == sorted([*FILES, "model.safetensors"])
    for path in paths:
        data = path.read_bytes()
        if path.suffix != ".safetensors":  # begins with the length of its header, which may be any byte
            # A pickle of protocol 2 and later; a zip of pickles, as torch saves.
            assert not data.startswith((b"\x80", b"PK"))
        with pytest.raises(ValueError):
            list(pickletools.genops(data))


def test_trained_bundle_describes_itself(tiny_bundle: Path) -> None:
    config = read_bundle(tiny_bundle).config
    assert (config.method, config.schema_version) == ("code", 1)
    assert config.files.keys() == {"model.onnx", "heads.safetensors", "model.safetensors"}
    assert "0 = real, 1 = generated" in config.label_convention
    crops = {(facts.head, facts.crops) for facts in config.calibrations}
    assert {(head, config.preprocessing.default_crops) for head in config.heads} <= crops
    for facts in config.calibrations:
        for point in facts.operating_points:
            assert point.real_images > 0
            assert point.interval[0] <= point.false_alarm_rate <= point.interval[1]
            assert point.uncertain_from <= point.threshold
