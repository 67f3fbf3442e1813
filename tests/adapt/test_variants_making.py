"""What is inside a variant, and which are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from contrafake.adapt import half_weights
from contrafake.adapt.own_images import find_own
from contrafake.adapt.variant_images import divide, judge, read_scaling
from contrafake.adapt.variants import add_variants
from contrafake.cli import run
from contrafake.errors import BundleError, DataError
from contrafake.model.bundle import read_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.data.sample import Sample

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def images(tiny_shards: Path) -> list[Sample]:
    shard = tiny_shards / "val-0000.tar"
    return [*find_own(shard, 0), *find_own(shard, 1)]


def test_int8_computes_in_integers_with_static_scales(tiny_bundle: Path, tmp_path: Path) -> None:
    from contrafake.adapt.quantizing import quantize_int8

    crops = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    quantize_int8(read_bundle(tiny_bundle).graph(), tmp_path / "int8.onnx", crops)
    graph = onnx.load(tmp_path / "int8.onnx").graph
    scaled = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    matrices = [node for node in graph.node if node.op_type in {"Conv", "MatMul", "Gemm"}]
    assert matrices
    assert all(node.input[0] in scaled and node.input[1] in scaled for node in matrices)
    assert "DynamicQuantizeLinear" not in {node.op_type for node in graph.node}
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    by_weights = [scaled[node.input[1]].input for node in matrices if scaled[node.input[1]].input[0] in values]
    assert {values[name].dtype for name, *_ in by_weights} == {np.dtype(np.int8)}
    assert all(values[scale].size > 1 for _, scale, *_ in by_weights)  # one for each channel


def test_bfloat16_is_rounded_as_torch_rounds() -> None:
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).normal(0, 1, 4096).astype(np.float32) ** 5
    values[:6] = [0, -0.0, np.inf, -np.inf, 1.00390625, np.nan]
    wanted = torch.from_numpy(values).to(torch.bfloat16).float().numpy()
    found = (half_weights.to_bf16(values).astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(found, wanted)


def test_a_variant_that_measurably_loses_is_no_default(
    tiny_bundle: Path, images: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each weight only the sign is kept, so that the loss is real."""
    signs = lambda values: np.where(values < 0, 0xBF80, 0x3F80).astype(np.uint16)  # noqa: E731
    monkeypatch.setattr(half_weights, "to_bf16", signs)
    bundle, out = read_bundle(tiny_bundle), tmp_path / "out"
    with pytest.raises(BundleError, match=r"variant bf16: loses 0\.\d+ AUC \(95 %: -?0\.\d+ to 0\.\d+\)"):
        add_variants(bundle, out, images, ["bf16"], default="bf16", crops=1, workers=1)
    assert not out.exists()
    done = add_variants(bundle, out, images, ["bf16"], crops=1, workers=1)  # it may still be had, under its name
    assert done.comparisons["bf16"].auc_lost > 0.002
    assert done.bundle.config.default_variant == "fp32"


def test_a_variant_that_cannot_run_or_gives_no_number_is_named(
    tiny_bundle: Path, images: list[Sample], tmp_path: Path
) -> None:
    bundle, broken = read_bundle(tiny_bundle), tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    facts, head = bundle.config.preprocessing, bundle.head("linear")
    with pytest.raises(BundleError, match="variant int8: cannot be loaded"):
        judge(images[:2], {"int8": broken}, head, facts, 1, workers=1)
    model = onnx.load(bundle.graph())
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim == 2:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.full_like(values, np.inf), tensor.name))
    onnx.save(model, broken)
    with pytest.raises(BundleError, match=r"variant bf16: its score of .* is no finite number"):
        judge(images[:2], {"bf16": broken}, head, facts, 1, workers=1)


def test_bytes_that_fixed_scales_do_not_measure(tiny_bundle: Path, images: list[Sample]) -> None:
    bundle = read_bundle(tiny_bundle)
    facts, head = bundle.config.preprocessing, bundle.head("linear")
    first, _ = divide(images, 16)
    hashes = read_scaling(first, facts, 1).hashes
    found = judge(images, {"fp32": bundle.graph()}, head, facts, 1, apart_from=hashes, workers=1)
    assert (found.repeated, len(found.labels)) == (16, len(images) - 16)
    with pytest.raises(DataError, match="too few to fix scales"):
        divide(images[:2], 16)


def test_a_folder_that_is_no_bundle_is_left_alone(
    tiny_bundle: Path, tiny_shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"kept")
    shard = str(tiny_shards / "val-0000.tar")
    assert run(["models", "export", str(tiny_bundle), "--data", shard, "--out", str(tmp_path)]) == 2
    assert "exists and is no bundle" in capsys.readouterr().err
    assert (tmp_path / "holiday.jpg").read_bytes() == b"kept"
