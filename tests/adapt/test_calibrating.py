"""A model calibrated on one's own photographs: rules worked out from its own scores, before and after, what is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture
from test_no_torch import run_without

import contrafake
from contrafake.adapt.calibrating import calibrate
from contrafake.adapt.from_memory import memory_scores, recalibrate_from_memory
from contrafake.cli import run
from contrafake.detect.load import BUNDLES
from contrafake.errors import BundleError, ContrafakeError, DataError, UsageError
from contrafake.model.bundle import read_bundle
from contrafake.model.bundle_writing import rewrite_bundle
from contrafake.model.calibration import fit_calibration

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.adapt.calibration_result import CalibrationResult

REALS, FAKES = 26, 12


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `private-holiday` and `fakes`, from three sources each."""
    top, rng = tmp_path_factory.mktemp("own"), np.random.default_rng(77)
    for name, count in (("private-holiday", REALS), ("fakes", FAKES)):
        for i in range(count):
            file = top / name / f"camera-{i % 3}" / f"secret-{i:02d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(jpeg(picture(rng, generated=name == "fakes")))
    return top


@pytest.fixture(scope="module")
def result(tiny_bundle: Path, folders: Path, tmp_path_factory: pytest.TempPathFactory) -> CalibrationResult:
    return calibrate(tiny_bundle, folders / "private-holiday", out=tmp_path_factory.mktemp("new") / "bundle")


def scores(model: Path, folder: Path, head: str, crops: int) -> list[float]:
    verdicts = contrafake.load(model).detect(sorted(folder.rglob("*.jpg")), head=head, crops=crops)
    return sorted(verdict.score for verdict in verdicts if verdict.score is not None)


def test_the_threshold_is_the_kth_largest_score_of_the_photographs(
    result: CalibrationResult, tiny_bundle: Path, folders: Path
) -> None:
    for head, crops in (("linear", 1), ("nearest", 5)):
        own = scores(tiny_bundle, folders / "private-holiday", head, crops)
        assert len(own) == REALS
        [one] = [one for one in result.comparisons if (one.head, one.crops) == (head, crops)]
        assert one.rate == 0.05
        # floor(0.05 * 27) = 1: the largest score.
        assert one.after.threshold == pytest.approx(own[-1], abs=1e-5)
        point = contrafake.load(result.bundle.path).operating_point(head=head, crops=crops)
        assert point.threshold == one.after.threshold
        assert (point.real_images, point.name) == (REALS, "5% false alarms")
        assert one.before is not None
        assert one.alarms_before is not None
        assert one.alarms_before.count == sum(score > one.before.threshold for score in own)


def test_stored_generated_scores_stay_behind_the_probability(result: CalibrationResult, tiny_bundle: Path) -> None:
    old, new = read_bundle(tiny_bundle), result.bundle
    assert result.found_on == "stored"
    for one in result.comparisons:
        before, after = old.calibration(one.head, one.crops), new.calibration(one.head, one.crops)
        assert before is not None
        assert after is not None
        np.testing.assert_array_equal(after.generated_scores, before.generated_scores)
        expected = fit_calibration(after.real_scores, before.generated_scores, after.real_sources)
        assert (after.slope, after.intercept) == pytest.approx((expected.slope, expected.intercept), rel=1e-6)
        assert one.found_after is not None
        assert one.found_after.count == (before.generated_scores > one.after.threshold).sum()
        assert one.others_after is not None
        assert one.others_after.count == (before.real_scores > one.after.threshold).sum()


def test_it_says_what_the_photographs_cannot_support(result: CalibrationResult) -> None:
    assert [(one.rate, one.least) for one in result.unsupported] == [(0.01, 99)]
    assert any("1 % false alarms need 99 photographs; you gave 26" in note for note in result.notes)


def test_the_new_version_tells_its_history_and_no_name_of_an_image(
    result: CalibrationResult, tiny_bundle: Path
) -> None:
    old, new = read_bundle(tiny_bundle), result.bundle
    assert new.config.version == f"{old.config.version}+1"
    [step] = new.config.history
    assert (step["step"], step["photographs"], step["generated"], step["sources"]) == ("calibrate", REALS, 0, 3)
    assert step["from"] == {"version": old.config.version, "hash": old.hash}
    assert new.config.files["model.onnx"] == old.config.files["model.onnx"]
    assert new.config.attribution == old.config.attribution
    texts = (new.path / "config.json").read_text() + (new.path / "README.md").read_text()
    for name in ("private", "holiday", "secret", "camera"):
        assert name not in texts
    card = (new.path / "README.md").read_text()
    assert card.startswith(f"# {old.config.name} {new.config.version}\n\n## Calibrated anew\n")
    assert f"\n## Validation of version {old.config.version}\n" in card
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["photographs"] == REALS


def test_own_generated_images_calibrate_the_probability(tiny_bundle: Path, folders: Path, tmp_path: Path) -> None:
    chosen = {"crops": [1], "heads": ["linear"], "false_alarm_rates": [0.2, 0.05]}
    result = calibrate(
        tiny_bundle, folders / "private-holiday", folders / "fakes", out=tmp_path / "b", **chosen  # type: ignore[arg-type]
    )  # fmt: skip
    real, generated = (
        np.array(scores(tiny_bundle, folders / name, "linear", 1)) for name in ("private-holiday", "fakes")
    )
    expected = fit_calibration(real, generated, np.zeros(REALS, np.int32))
    found = result.bundle.calibration("linear", 1)
    assert found is not None
    assert (found.slope, found.intercept) == pytest.approx((expected.slope, expected.intercept), rel=1e-3)
    assert [one.rate for one in result.comparisons] == [0.2, 0.05]
    assert result.comparisons[0].alarms_after is not None
    assert result.comparisons[0].alarms_after.images == REALS
    [quality] = result.quality
    assert quality.before is not None
    assert quality.after is not None
    assert any("12 generated images cannot tell more" in note for note in result.notes)
    assert any("not touched" in note and "svm at 5 crops" in note for note in result.notes)
    old = read_bundle(tiny_bundle)
    assert {(one.head, one.crops) for one in result.bundle.config.calibrations} == {
        (one.head, one.crops) for one in old.config.calibrations
    }
    kept, before = result.bundle.calibration("svm", 5), old.calibration("svm", 5)
    assert kept is not None
    assert before is not None
    np.testing.assert_array_equal(kept.real_scores, before.real_scores)


def test_without_any_generated_image_there_are_thresholds_and_no_probability(
    tiny_bundle: Path, folders: Path, tmp_path: Path
) -> None:
    bundle = read_bundle(tiny_bundle)
    for native, probable in ((None, False), (0.0, True)):
        update: dict[str, object] = {"calibrations": [], "native_threshold": native}
        bare = rewrite_bundle(bundle, tmp_path / "bare", bundle.config.model_copy(update=update))
        result = calibrate(bare.path, folders / "private-holiday", out=tmp_path / "new", heads=["linear"])
        assert result.found_on == "none"
        [one] = result.comparisons
        assert (None if one.before is None else one.before.name) == (None if native is None else "published decision")
        facts = json.loads((result.bundle.path / "config.json").read_text())["calibrations"][0]
        assert (facts["auc"], facts["operating_points"][0]["missed_rate"]) == (None, None)
        detector = contrafake.load(result.bundle.path)
        for verdict in detector.detect(sorted((folders / "fakes").rglob("*.jpg"))[:4], head="linear"):
            assert verdict.score is not None
            assert verdict.llr is None
            assert (verdict.probability is not None, verdict.calibrated) == (probable, False if probable else None)
            lower = one.after.threshold if native is None else min(native, one.after.threshold)
            expected = "real" if verdict.score <= lower else "uncertain"
            assert verdict.label == ("generated" if verdict.score > one.after.threshold else expected)
            assert any("26 photographs and no generated image" in note for note in verdict.notes)
        custom = detector.detect([next((folders / "fakes").rglob("*.jpg"))], threshold=-1e9, head="linear")
        assert custom[0].label == "generated"
        # A rate that was not stored is found from the stored scores.
        assert detector.operating_point(0.3, head="linear").real_images == REALS


def test_what_makes_no_sense_is_refused_before_any_work(tiny_bundle: Path, folders: Path, tmp_path: Path) -> None:
    reals = folders / "private-holiday"
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    few = tmp_path / "few"
    few.mkdir()
    for file in sorted((reals / "camera-0").iterdir())[:4]:
        (few / file.name).write_bytes(file.read_bytes())
    cases: list[tuple[type[ContrafakeError], str, Path, dict[str, object]]] = [
        (UsageError, "inside the package", reals, {"out": BUNDLES / "default"}),
        (BundleError, "exists and is no bundle", reals, {"out": tmp_path / "taken"}),
        (UsageError, "4 photographs are too few .*at least 19, or ask for a false-alarm rate of 0.2", few, {}),
        (UsageError, "0.7 is outside", reals, {"false_alarm_rates": [0.7]}),
        (UsageError, "folds: 1", reals, {"folds": 1}),
        (UsageError, "crops: 0", reals, {"crops": [0]}),
        (BundleError, "no head 'oracle'", reals, {"heads": ["oracle"]}),
        (DataError, "4 of its images stand among the photographs", reals, {"generated": few, "crops": [1]}),
        (DataError, "no such file", tmp_path / "missing", {}),
    ]
    for kind, words, photographs, options in cases:
        with pytest.raises(kind, match=words):
            calibrate(tiny_bundle, photographs, **{"out": tmp_path / "new", **options})  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "taken" / "thesis.txt").read_text() == "mine"
    result = calibrate(tiny_bundle, few, out=tmp_path / "new", crops=[1], heads=["linear"], false_alarm_rates=[0.2])
    assert result.comparisons[0].alarms_after is None  # 3 of 4 cannot make a rule for 20 %
    assert any("no rule could be tried" in note for note in result.notes)


def test_the_command_names_what_it_left_out(
    tiny_bundle: Path, folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reals = tmp_path / "reals"
    reals.mkdir()
    for place, file in enumerate(sorted((folders / "private-holiday").rglob("*.jpg"))):
        (reals / f"{place}.jpg").write_bytes(file.read_bytes())
    (reals / "again.jpg").write_bytes((reals / "0.jpg").read_bytes())
    (reals / "torn\x1b[31m.jpg").write_bytes(b"no image")
    call = ["calibrate", str(tiny_bundle), str(reals), "--out", str(tmp_path / "b"), "--crops", "1", "--head", "linear"]
    assert run(call) == 3
    told = capsys.readouterr()
    assert "5 %" in told.out
    assert "26 photographs of 1 source" in told.out
    assert "torn\\x1b[31m.jpg" in told.err
    assert "1 image stands there twice" in told.err
    (reals / "torn\x1b[31m.jpg").unlink()
    # The model's own folder may be the target; the version goes on counting.
    again = ["models", "calibrate", str(tmp_path / "b"), *call[2:4], str(tmp_path / "b"), *call[5:], "--json"]
    assert run(again) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"]["version"].endswith("+2")
    [one] = found["comparisons"]
    assert one["before"]["threshold"] == one["after"]["threshold"]
    assert found["repeated"] == ["again.jpg"]
    assert run([*call[:-3], "x,1"]) == 2


def test_a_light_installation_calibrates(tiny_bundle: Path, folders: Path, tmp_path: Path) -> None:
    code = """
import json, sys
from contrafake.adapt.calibrating import calibrate
found = calibrate(sys.argv[1], sys.argv[2], out=sys.argv[3], crops=[1], workers=1)
print(json.dumps(found.to_dict()))"""
    found = run_without(code, str(tiny_bundle), str(folders / "private-holiday"), str(tmp_path / "b"))
    assert (found["photographs"], len(found["comparisons"])) == (REALS, 3)


def test_a_bundle_is_calibrated_on_what_it_remembers(tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    memory = bundle.validation_memory()
    assert memory is not None
    for crops in (1, 5):
        found, stored = recalibrate_from_memory(bundle, crops=crops), bundle.calibration("linear", crops)
        again = recalibrate_from_memory(bundle, head="linear", crops=crops)
        assert stored is not None
        np.testing.assert_allclose(again.real_scores, stored.real_scores, rtol=0.02, atol=0.02)
        assert len(found.generated_scores) == len(stored.generated_scores)
    keep = memory.sources != 0
    fewer = recalibrate_from_memory(bundle, keep, crops=1)
    expected = memory_scores(bundle, crops=1)[keep & (memory.labels == 0)]
    np.testing.assert_array_equal(fewer.real_scores, np.sort(expected))
    with pytest.raises(UsageError, match="not at 3"):
        memory_scores(bundle, crops=3)
