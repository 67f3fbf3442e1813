"""An encoder's graph with its weights stored in 16 bits: half the file, the same arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.adapt.quantizing import load_graph
from contrafake.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SMALLEST = 64
"""Tensors with fewer values stay as they are: there is nothing to save."""


def to_bf16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Single precision -> the bits of the nearest bfloat16, ties to even, as IEEE 754 rounds; NaN stays NaN."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    return np.where(np.isnan(values), np.uint32(0x7FC0), rounded).astype(np.uint16)


def store_bf16(graph: Path, target: Path) -> int:
    """Writes a graph that keeps its weights in bfloat16 and turns them to single precision once, when it is loaded.

    ONNX Runtime's processor kernels know no convolution and no matrix product in bfloat16, so that this is storage
    only: it runs everywhere, at the same speed.

    Args:
        graph: The fp32 graph.
        target: Where to write.

    Returns:
        How many tensors were halved.

    Raises:
        BundleError: The graph cannot be read, or has no weights to halve.
    """
    import onnx  # noqa: PLC0415 - of the extra "train"
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    model = load_graph(graph)
    kept, halved, casts = [], [], []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < SMALLEST:
            kept.append(tensor)
            continue
        bits = to_bf16(numpy_helper.to_array(tensor))
        name = f"{tensor.name}.bf16"
        halved.append(helper.make_tensor(name, TensorProto.BFLOAT16, tensor.dims, bits.tobytes(), raw=True))
        casts.append(helper.make_node("Cast", [name], [tensor.name], name=f"{tensor.name}.cast", to=TensorProto.FLOAT))
    if not halved:
        raise BundleError("variant bf16", "the graph has no weights in single precision")
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend([*kept, *halved])
    model.graph.node.extend(nodes)
    onnx.save(model, target)
    return len(halved)
