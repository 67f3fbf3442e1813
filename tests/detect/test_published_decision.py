"""A model whose authors published a decision and no calibration."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture

import contrafake
from contrafake.model.bundle import read_bundle
from contrafake.model.bundle_writing import rewrite_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.detect.detector import Detector


@pytest.fixture(scope="module")
def published(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    bundle = read_bundle(tiny_bundle)
    black = bundle.config.preprocessing.model_copy(update={"small_images": "black"})
    update = {"calibrations": [], "native_threshold": 0.0, "preprocessing": black}
    folder = tmp_path_factory.mktemp("published") / "bundle"
    return contrafake.load(rewrite_bundle(bundle, folder, bundle.config.model_copy(update=update)).path)


@pytest.fixture(scope="module")
def images() -> list[bytes]:
    rng = np.random.default_rng(5)
    return [jpeg(picture(rng, generated=bool(i % 2))) for i in range(6)]


def test_the_sign_of_the_score_decides_and_false_alarms_are_unknown(published: Detector, images: list[bytes]) -> None:
    for head in published.heads:
        for verdict in published.detect(images, head=head):
            assert verdict.score is not None
            assert verdict.label == ("generated" if verdict.score > 0 else "real")
            assert verdict.llr is None
            assert verdict.operating_point is not None
            assert verdict.operating_point.name == "published decision"
            assert math.isnan(verdict.operating_point.false_alarm_rate)
            assert any("uncalibrated" in note for note in verdict.notes)


def test_a_logit_stands_for_a_probability_marked_uncalibrated(published: Detector, images: list[bytes]) -> None:
    for verdict in published.detect(images, head="linear"):
        assert verdict.score is not None
        assert verdict.probability == pytest.approx(1 / (1 + math.exp(-verdict.score)), abs=1e-9)
        assert verdict.calibrated is False
        assert verdict.to_dict()["calibrated"] is False
    for verdict in published.detect(images, head="nearest"):
        assert (verdict.probability, verdict.calibrated) == (None, None)


def test_calibrated_models_say_so(tiny_bundle: Path, images: list[bytes]) -> None:
    assert [verdict.calibrated for verdict in contrafake.load(tiny_bundle).detect(images)] == [True] * len(images)
    [broken] = contrafake.load(tiny_bundle).detect([b"no image"])
    assert broken.calibrated is None


def test_small_images_are_padded_with_black_and_that_is_noted(published: Detector) -> None:
    small = picture(np.random.default_rng(0), generated=False, side=21)
    [verdict] = published.detect([small])
    assert any("padded with black" in note for note in verdict.notes)
    padded = np.zeros((32, 32, 3), np.uint8)
    padded[5:26, 5:26] = small
    [whole] = published.detect([padded])
    assert verdict.score == pytest.approx(whole.score, abs=1e-6)


def test_a_terminal_marks_what_is_uncalibrated(
    published: Detector, images: list[bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from contrafake.cli import run

    for i, image in enumerate(images[:2]):
        (tmp_path / f"{i}.jpg").write_bytes(image)
    assert run(["detect", str(tmp_path), "--model", str(published.bundle.path), "--head", "linear"]) == 0
    shown = capsys.readouterr().out
    assert "~" in shown
    assert "uncalibrated model" in shown
    assert "false alarms unknown" in shown
