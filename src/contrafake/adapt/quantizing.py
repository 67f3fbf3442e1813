"""An encoder's graph in 8-bit integers, its scales fixed once by real crops."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

BATCH = 8
"""Crops whose extremes are averaged as one in calibration."""

_MATRICES = ["Conv", "MatMul", "Gemm"]
_ALONG_THE_WAY = ["Add", "MaxPool", "Relu"]


def load_graph(path: Path) -> Any:
    """Reads a graph of one file.

    Raises:
        BundleError: It is no ONNX file, or keeps weights in other files.
    """
    import onnx  # noqa: PLC0415 - of the extra "train"
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        model = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError, ValueError) as error:
        raise BundleError(str(path), "is no readable ONNX file") from error
    if any(onnx.external_data_helper.uses_external_data(tensor) for tensor in model.graph.initializer):
        raise BundleError(str(path), "keeps its weights in other files", "a bundle's graph is one file")
    return model


def quantize_int8(graph: Path, target: Path, crops: NDArray[np.uint8]) -> Counter[str]:
    """Writes a graph whose convolutions and matrix products are 8-bit integers with static scales.

    Weights are signed, with a scale for each output channel; activations are unsigned, with one scale for each tensor,
    from the smallest and largest values in batches of 8 crops, averaged over the batches. In a convolutional network
    the additions, rectifiers and poolings between are integers as well; a transformer's residual stream stays in
    single precision, since a few of its channels are many times larger than the rest.

    Args:
        graph: The fp32 graph.
        target: Where to write.
        crops: (N, S, S, 3) uint8 crops of real and generated images, which fix the scales of the activations.

    Returns:
        How many nodes of each kind have integer inputs.

    Raises:
        BundleError: The graph cannot be read, cannot be quantised, or has nothing to quantise.
    """
    import onnx  # noqa: PLC0415 - as above
    from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_static  # noqa: PLC0415
    from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415

    model = load_graph(graph)
    kinds = {node.op_type for node in model.graph.node}
    operators = _MATRICES if "Softmax" in kinds else _MATRICES + _ALONG_THE_WAY
    with tempfile.TemporaryDirectory() as folder, _quiet():
        prepared = Path(folder) / "prepared.onnx"
        try:
            # Symbolic inference needs sympy, and the only free size is the number of crops.
            quant_pre_process(model, prepared, skip_symbolic_shape=True)
            quantize_static(
                prepared,
                target,
                _Batches(crops, model.graph.input[0].name),
                op_types_to_quantize=operators,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={"CalibMovingAverage": True},
            )
        except Exception as error:  # the tool and the runtime raise whatever they meet
            cause = (str(error) or type(error).__name__).splitlines()[0]
            raise BundleError("variant int8", f"the graph cannot be quantised: {cause}") from error
    done = onnx.load(target).graph
    scaled = {node.output[0] for node in done.node if node.op_type == "DequantizeLinear"}
    counts = Counter(node.op_type for node in done.node if node.op_type in operators and node.input[0] in scaled)
    if not any(counts[kind] for kind in _MATRICES):
        raise BundleError("variant int8", "the graph has no convolution or matrix product to quantise")
    return counts


class _Batches:
    """What the calibration of ONNX Runtime reads: `get_next` until None."""

    def __init__(self, crops: NDArray[np.uint8], name: str) -> None:
        self._parts = iter([{name: crops[start : start + BATCH]} for start in range(0, len(crops), BATCH)])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self._parts, None)

    def __iter__(self) -> Iterator[dict[str, NDArray[np.uint8]]]:
        return self

    def __next__(self) -> dict[str, NDArray[np.uint8]]:
        return next(self._parts)


@contextmanager
def _quiet() -> Iterator[None]:
    """The tool recommends, on the root logger, to do what was just done."""
    root = logging.getLogger()
    before = root.disabled
    root.disabled = True
    try:
        yield
    finally:
        root.disabled = before
