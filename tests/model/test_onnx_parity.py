"""The exported graph gives what torch gives: 256 crops of noise and photographs, in batches of 64, 7 and 1."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import TINY_VIT

from contrafake.detect.load import BUNDLES
from contrafake.errors import BundleError
from contrafake.images import read
from contrafake.model import runtime
from contrafake.model.bundle import read_bundle
from contrafake.model.runtime import OnnxEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from contrafake.model.encoder import Encoder

EXAMPLES = Path(__file__).parents[2] / "examples"
BATCHES = [64] * 3 + [7] * 9 + [1]  # 256 crops
DEFAULT = BUNDLES / "default"


def some_crops(count: int, size: int) -> NDArray[np.uint8]:
    """Half noise of every contrast, half cut from the photographs of scikit-learn and from the examples."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    noise = rng.normal(rng.uniform(0, 255, (count // 2, 1, 1, 3)), rng.uniform(0, 120, (count // 2, 1, 1, 1)))
    noise = noise + rng.normal(size=(count // 2, size, size, 3)) * rng.uniform(0, 120, (count // 2, 1, 1, 1))
    pictures = [*load_sample_images().images, *(read(path).pixels for path in sorted(EXAMPLES.glob("*/*.jpg")))]
    cut = []
    for i in range(count - count // 2):
        pixels = pictures[i % len(pictures)]
        top, left = (rng.integers(length - size + 1) for length in pixels.shape[:2])
        cut.append(pixels[top : top + size, left : left + size])
    crops = np.concatenate([np.clip(noise, 0, 255).astype(np.uint8), np.stack(cut)])
    return np.ascontiguousarray(rng.permutation(crops))


def in_batches(
    embed: Callable[[NDArray[np.uint8]], NDArray[np.float32]], crops: NDArray[np.uint8]
) -> NDArray[np.float32]:
    ends = np.cumsum(BATCHES)
    assert ends[-1] == len(crops)
    return np.concatenate([embed(crops[end - size : end]) for size, end in zip(BATCHES, ends, strict=True)])


def torch_embeddings(encoder: Encoder, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        parts = [encoder(torch.from_numpy(crops[start : start + 32])).numpy() for start in range(0, len(crops), 32)]
    return np.concatenate(parts)


@pytest.mark.parametrize(("backbone", "dimension"), [("vit-tiny-16", 192), ("resnet-mini", 192)])
def test_graph_equals_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backbone: str, dimension: int) -> None:
    torch = pytest.importorskip("torch")
    from contrafake.model.encoder import Encoder, EncoderConfig
    from contrafake.train.export import export_onnx

    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(backbone=backbone)).eval()
    if backbone == "resnet-mini":  # statistics as after training, so that folding them into the weights is tested, too
        with torch.inference_mode():
            encoder.train()(torch.from_numpy(some_crops(16, 224)))
        encoder.eval()
    crops = some_crops(256, 224)
    expected = torch_embeddings(encoder, crops)
    assert expected.shape == (256, dimension)
    assert expected.std(axis=0).max() > 1e-2  # random weights, and still the crops are told apart

    export_onnx(encoder, tmp_path / "model.onnx", 224)
    assert not list(tmp_path.glob("*.data")), "one file: weights outside the graph would not be vouched for"
    monkeypatch.setattr(runtime, "MAX_BATCH", 64)
    found = in_batches(OnnxEncoder(tmp_path / "model.onnx").embed, crops)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= 1e-4


@pytest.mark.skipif(not DEFAULT.is_dir(), reason="no model is embedded in this checkout")
def test_embedded_graph_equals_itself_unoptimised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its torch weights are not in the package; what the runtime rewrites and how it batches can still be checked."""
    import onnxruntime

    bundle = read_bundle(DEFAULT)
    crops = some_crops(256, bundle.config.preprocessing.crop_size)
    monkeypatch.setattr(runtime, "MAX_BATCH", 64)
    found = in_batches(OnnxEncoder(bundle.graph()).embed, crops)
    assert found.shape == (256, bundle.config.architecture["dimension"])
    assert np.isfinite(found).all()

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    plain = onnxruntime.InferenceSession(str(bundle.graph()), options, providers=["CPUExecutionProvider"])
    for start in range(0, 64, 16):
        [expected] = plain.run(None, {plain.get_inputs()[0].name: crops[start : start + 16]})
        assert np.abs(found[start : start + 16] - expected).max() <= 1e-4


def test_an_export_that_changes_the_embeddings_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from contrafake.model.encoder import Encoder, EncoderConfig
    from contrafake.train import export

    encoder = Encoder(EncoderConfig(backbone="vit-tiny-16", image_size=32, options=TINY_VIT))
    embed = OnnxEncoder.embed
    monkeypatch.setattr(OnnxEncoder, "embed", lambda self, crops: embed(self, crops) + np.float32(2e-4))
    with pytest.raises(BundleError, match="differs from the encoder"):
        export.export_onnx(encoder, tmp_path / "model.onnx", 32)
