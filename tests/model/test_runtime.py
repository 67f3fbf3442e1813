"""The ONNX runtime: broken graphs are refused in words, batches and threads change nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from contrafake.errors import BundleError
from contrafake.model import runtime
from contrafake.model.runtime import OnnxEncoder

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def crops(count: int, size: int = 32, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def graph(tiny_bundle: Path) -> Path:
    return tiny_bundle / "model.onnx"


@pytest.mark.parametrize("content", [b"", b"no graph at all", None])
def test_broken_graph_is_refused(graph: Path, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(graph.read_bytes()[:5000] if content is None else content)
    with pytest.raises(BundleError, match=r"broken.onnx: cannot be loaded: ."):
        OnnxEncoder(path)


def test_absent_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"absent.onnx: cannot be loaded"):
        OnnxEncoder(tmp_path / "absent.onnx")


def test_crops_of_another_size_are_refused(graph: Path) -> None:
    with pytest.raises(BundleError, match=r"model.onnx: cannot be run: ."):
        OnnxEncoder(graph).embed(crops(2, size=48))


def test_batching_changes_nothing(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, batch = OnnxEncoder(graph), crops(37)
    found = encoder.embed(batch)
    assert found.shape == (37, 32)
    assert found.dtype == np.float32
    for size in (1, 7, 64):
        monkeypatch.setattr(runtime, "MAX_BATCH", size)
        np.testing.assert_allclose(encoder.embed(batch), found, atol=1e-5)


def test_threads_inside_change_nothing(graph: Path) -> None:
    batch = crops(20)
    np.testing.assert_allclose(OnnxEncoder(graph, 1).embed(batch), OnnxEncoder(graph, 4).embed(batch), atol=1e-5)


def test_one_encoder_serves_many_threads(graph: Path) -> None:
    encoder = OnnxEncoder(graph, 1)
    batches = [crops(1 + seed % 20, seed=seed) for seed in range(64)]
    expected = [encoder.embed(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(encoder.embed, batches))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
