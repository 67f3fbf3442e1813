"""Variants: made from some images, measured on others, refused as default when they lose too much."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

import contrafake
from contrafake.adapt.own_images import find_own
from contrafake.adapt.variant_comparing import compare
from contrafake.adapt.variant_images import divide
from contrafake.cli import run
from contrafake.errors import BundleError, DataError, UsageError
from contrafake.measure import auc
from contrafake.model.bundle import read_bundle
from contrafake.model.calibration import OperatingPoint
from contrafake.model.runtime import OnnxEncoder

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.adapt.variants import Exported


@pytest.fixture(scope="module")
def exported(tiny_bundle: Path, tiny_shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    pytest.importorskip("onnx")
    from contrafake.adapt.variants import add_variants

    shard = tiny_shards / "val-0000.tar"
    samples = [*find_own(shard, 0), *find_own(shard, 1)]
    out = tmp_path_factory.mktemp("variants") / "bundle"
    return add_variants(read_bundle(tiny_bundle), out, samples, scaling_images=16)


def test_figures_by_hand() -> None:
    fp32 = np.array([0.0, 1, 2, 3])
    variant = np.array([0.0, 2.5, 2, 3])
    labels, sources = np.array([0, 0, 1, 1]), np.array(["a", "a", "b", "b"], object)
    point = OperatingPoint("rule", 2.2, 2.2, 0.1, (0.0, 1.0), 2)
    found = compare(fp32, variant, labels, sources, point)
    # Fakes at 2 and 3, photographs at 0 and 2.5: one of four pairs is in the wrong order.
    assert (found.images, found.auc, found.auc_lost) == ((2, 2), 0.75, 0.25)
    assert found.score_change == (0.375, 1.5)
    assert found.flips == 0.25
    with pytest.raises(DataError, match="both classes"):
        compare(fp32, variant, np.zeros(4, np.int64), sources, None)


def test_no_image_both_fixes_scales_and_measures(tiny_shards: Path) -> None:
    shard = tiny_shards / "val-0000.tar"
    samples = [*find_own(shard, 0), *find_own(shard, 1)]
    first, rest = divide(samples, 16, seed=3)
    assert {one.key for one in first} | {one.key for one in rest} == {one.key for one in samples}
    assert len(first) + len(rest) == len(samples)
    assert sorted(one.label for one in first) == [0] * 8 + [1] * 8


def test_variants_embed_nearly_the_same_and_say_what_they_cost(exported: Exported, tiny_bundle: Path) -> None:
    config = exported.bundle.config
    assert [one.name for one in config.variants] == ["int8", "bf16"]
    assert config.default_variant == "fp32"
    assert config.history[-1]["step"] == "export"
    assert exported.bundle.graph("bf16").stat().st_size < exported.bundle.graph("fp32").stat().st_size
    crops = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    exact = OnnxEncoder(read_bundle(tiny_bundle).graph()).embed(crops)
    for name, most in (("bf16", 0.02), ("int8", 0.5)):
        near = OnnxEncoder(exported.bundle.graph(name)).embed(crops)
        assert 0 < np.abs(near - exact).max() < most * np.abs(exact).max(), name
    for name, one in exported.comparisons.items():
        scores = exported.judged.scores[name]
        labels = exported.judged.labels
        assert one.auc == auc(scores[labels == 0], scores[labels == 1])
        assert one.auc + one.auc_lost == pytest.approx(exported.auc)
        assert one.images == (22, 22)


def test_static_scales_do_not_depend_on_companions(exported: Exported) -> None:
    crops = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    crops[1:] //= 16  # companions of another range
    encoder = OnnxEncoder(exported.bundle.graph("int8"))
    np.testing.assert_allclose(encoder.embed(crops)[0], encoder.embed(crops[:1])[0], atol=1e-5)


def test_a_variant_is_chosen_by_name(exported: Exported) -> None:
    image = np.random.default_rng(2).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    scores = [
        contrafake.load(exported.bundle.path, variant).detect([image])[0].score for variant in (None, "fp32", "bf16")
    ]
    assert scores[0] == scores[1] != scores[2]
    [verdict] = contrafake.load(exported.bundle.path, "bf16").detect([image])
    assert "judged by bf16: thresholds and probabilities are those of fp32" in verdict.notes
    with pytest.raises(BundleError, match="no variant 'int4'"):
        contrafake.load(exported.bundle.path, "int4")


def test_a_default_that_loses_too_much_is_refused_and_nothing_written(
    tiny_bundle: Path, tiny_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contrafake.adapt import variants

    shard = str(tiny_shards / "val-0000.tar")
    command = ["models", "export", str(tiny_bundle), "--data", shard, "--variant", "bf16", "--default", "bf16"]
    monkeypatch.setattr(variants, "MOST_LOST", -1.0)  # any variant loses more than this
    assert run([*command, "--out", str(tmp_path / "refused")]) == 2
    assert not (tmp_path / "refused").exists()
    monkeypatch.setattr(variants, "MOST_LOST", 1.0)
    assert run([*command, "--out", str(tmp_path / "taken")]) == 0
    assert read_bundle(tmp_path / "taken").config.default_variant == "bf16"


def test_the_command_prints_json_and_names_what_is_missing(
    exported: Exported, tiny_shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, shard = str(exported.bundle.path), str(tiny_shards / "val-0000.tar")
    assert run(["models", "export", model, "--out", str(tmp_path / "x")]) == 2
    assert "both classes are needed" in capsys.readouterr().err
    command = ["models", "export", model, "--data", shard, "--variant", "bf16", "--out", str(tmp_path / "again")]
    assert run([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document["variants"]) == {"bf16"}
    assert {one.name for one in read_bundle(tmp_path / "again").config.variants} == {"int8", "bf16"}


def test_unknown_variants_are_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from contrafake.adapt.variants import add_variants

    with pytest.raises(UsageError, match="no 'int4'"):
        add_variants(read_bundle(tiny_bundle), tmp_path / "x", [], ["int4"])
