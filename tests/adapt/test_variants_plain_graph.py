"""One graph for other programs gives the scores that the detector gives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import tiny_settings

import contrafake
from contrafake.adapt.plain_graph import export_graph
from contrafake.cli import run
from contrafake.errors import BundleError
from contrafake.model.bundle import read_bundle
from contrafake.model.bundle_writing import rewrite_bundle
from contrafake.train.config_file import parse_config
from contrafake.train.fit import fit_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytest.importorskip("onnx")


def run_graph(path: Path, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    embeddings, score = session.run(["embeddings", "score"], {"crops": crops})
    return embeddings, score


@pytest.mark.parametrize("head", ["linear", "nearest", "svm"])
def test_crop_scores_are_those_of_the_detector(tiny_bundle: Path, tmp_path: Path, head: str) -> None:
    file = tmp_path / f"{head}.onnx"
    export_graph(read_bundle(tiny_bundle), file, head)
    detector = contrafake.load(tiny_bundle)
    crops = np.random.default_rng(3).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    embeddings, score = run_graph(file, crops)
    vectors = np.concatenate([detector.embed([crop]) for crop in crops])
    wanted = np.array([detector.score_crops(row[None], head) for row in vectors])
    np.testing.assert_allclose(embeddings, vectors, atol=1e-5)
    assert score.shape == (5,)
    np.testing.assert_allclose(score, wanted, atol=1e-5, rtol=1e-5)
    assert list(tmp_path.iterdir()) == [file]


def test_the_kernel_head_is_written_as_a_graph_too(
    tiny_run: Path, tiny_shards: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    folder = tmp_path_factory.mktemp("kernel") / "bundle"
    fit_bundle(parse_config(tiny_settings(tiny_shards, fit={"heads": ["linear", "kernel"]})), tiny_run, folder)
    test_crop_scores_are_those_of_the_detector(folder, tmp_path, "kernel")


def test_references_and_embeddings_without_direction_are_one_away_from_everything(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    bundle = read_bundle(tiny_bundle)
    head = bundle.head("nearest")
    references = head.references.copy()  # type: ignore[attr-defined]
    references[head.labels == 1] = 0  # type: ignore[attr-defined]
    heads = {name: bundle.head(name) for name in bundle.config.heads}
    heads["nearest"] = replace(head, references=references)  # type: ignore[type-var]
    changed = rewrite_bundle(bundle, tmp_path / "changed", bundle.config, heads=heads)
    export_graph(changed, tmp_path / "graph.onnx", "nearest")
    crops = np.random.default_rng(3).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    embeddings, score = run_graph(tmp_path / "graph.onnx", crops)
    np.testing.assert_allclose(score, changed.head("nearest").score(embeddings), atol=1e-5)


def test_the_file_says_how_to_feed_it_and_how_to_read_it(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import onnxruntime

    file = tmp_path / "graph.onnx"
    assert run(["models", "export", str(tiny_bundle), "--onnx", str(file), "--head", "linear"]) == 0
    assert "native pixels" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    detector = contrafake.load(tiny_bundle)
    point = detector.operating_point(head="linear")
    assert facts["contrafake.hash"] == detector.model.hash
    assert facts["contrafake.name"] == detector.model.name
    assert float(facts["contrafake.threshold"]) == point.threshold
    assert float(facts["contrafake.uncertain_from"]) == point.uncertain_from
    calibration = detector.bundle.calibration("linear", int(facts["contrafake.crops"]))
    assert calibration is not None
    assert float(facts["contrafake.slope"]) == calibration.slope
    assert float(facts["contrafake.intercept"]) == calibration.intercept


def test_what_cannot_be_exported_is_refused_and_leaves_no_file(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = read_bundle(tiny_bundle)
    with pytest.raises(BundleError, match="has no variant 'int8'"):
        export_graph(bundle, tmp_path / "a.onnx", variant="int8")
    with pytest.raises(BundleError, match="has no head 'forest'"):
        export_graph(bundle, tmp_path / "a.onnx", "forest")
    assert run(["models", "export", str(tiny_bundle), "--onnx", str(tmp_path / "photo.jpg")]) == 2
    assert "does not end in .onnx" in capsys.readouterr().err
    assert run(["models", "export", str(tiny_bundle), "--onnx", str(tmp_path / "a.onnx"), "--out", "b"]) == 2
    assert "alone" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
