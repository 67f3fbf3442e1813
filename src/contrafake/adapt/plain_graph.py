"""One ONNX file that other programs can run: crops in, embeddings and scores out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.adapt.quantizing import load_graph
from contrafake.detect.plan import make_plan
from contrafake.errors import UsageError
from contrafake.model.bundle_config import FP32
from contrafake.model.heads import KernelHead, LinearHead, NearestHead, SupportVectorHead
from contrafake.model.runtime import OnnxEncoder

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from contrafake.model.bundle import Bundle
    from contrafake.model.bundle_config import BundleConfig
    from contrafake.model.heads import Head

SMALLEST_OPSET = 13


def export_graph(
    bundle: Bundle, file: str | os.PathLike[str], head: str | None = None, variant: str = FP32
) -> dict[str, str]:
    """Writes ``crops`` (N, S, S, 3) uint8 -> ``embeddings`` (N, D) and ``score`` (N,), both float32, N free.

    A score is of one crop; an image's is the mean over its crops. How to cut them, and how to read the score at the
    bundle's default number of crops, stands in the file's metadata.

    Args:
        bundle: The model.
        file: Where to write, a path that ends in .onnx; a file there is replaced.
        head: Name of a head; None takes the bundle's default.
        variant: Which of the bundle's graphs embeds.

    Returns:
        The metadata, as text by name.

    Raises:
        BundleError: The bundle lacks the head or the variant, or its graph cannot be read or run.
        UsageError: The head cannot be written as a graph, or the graph is too old.
    """
    import onnx  # noqa: PLC0415 - of the extra "train"

    name = head or bundle.config.default_head
    scorer = bundle.head(name)
    model = load_graph(bundle.graph(variant))
    [version] = [entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}]
    if version < SMALLEST_OPSET:
        raise UsageError(str(bundle.path), f"its graph is of operator set {version}", f"{SMALLEST_OPSET} is needed")
    _rename(model.graph)
    nodes, constants = _head_nodes(name, scorer)
    model.graph.node.extend(onnx.helper.make_node(*node[:3], **node[3]) for node in nodes)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(value, key) for key, value in constants.items())
    model.graph.output.append(onnx.helper.make_tensor_value_info("score", onnx.TensorProto.FLOAT, ["n"]))
    del model.metadata_props[:]
    facts = _metadata(bundle, name, variant)
    onnx.helper.set_model_props(model, facts)
    model.producer_name = "contrafake"
    target = Path(file)
    partial = target.with_name(f".{target.name}.partial")
    try:
        onnx.save(model, partial)
        side = bundle.config.preprocessing.crop_size
        OnnxEncoder(partial, threads=1).embed(np.zeros((1, side, side, 3), np.uint8))  # what cannot run is not kept
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return facts


def _rename(graph: Any) -> None:
    """Calls the input "crops" and the output "embeddings", whatever they were called."""
    new = {graph.input[0].name: "crops", graph.output[0].name: "embeddings"}
    for node in graph.node:
        for names in (node.input, node.output):
            for position, name in enumerate(names):
                names[position] = new.get(name, name)
    graph.input[0].name, graph.output[0].name = "crops", "embeddings"
    del graph.output[1:]


_Node = tuple[str, list[str], list[str], dict[str, Any]]


def _head_nodes(name: str, head: Head) -> tuple[list[_Node], dict[str, NDArray[Any]]]:
    """Nodes (kind, inputs, outputs, attributes) that lead from "embeddings" to "score", and their constants.

    Double precision, as the heads themselves compute; the nearest neighbour, whose score is bounded by 2, in single
    precision, so that its references take half the room.
    """
    import onnx  # noqa: PLC0415 - of the extra "train"

    to_double: _Node = ("Cast", ["embeddings"], ["head.x"], {"to": onnx.TensorProto.DOUBLE})
    to_score: _Node = ("Cast", ["head.result"], ["score"], {"to": onnx.TensorProto.FLOAT})
    last = np.array([-1], np.int64)
    if isinstance(head, LinearHead):
        constants: dict[str, NDArray[Any]] = {
            "head.weight": np.asarray(head.weight, np.float64),
            "head.bias": np.array(head.bias, np.float64),
        }
        return [
            to_double,
            ("MatMul", ["head.x", "head.weight"], ["head.product"], {}),
            ("Add", ["head.product", "head.bias"], ["head.result"], {}),
            to_score,
        ], constants
    if isinstance(head, SupportVectorHead):
        constants = {
            "head.vectors": np.ascontiguousarray(head.vectors.T, np.float64),
            "head.coefficients": np.asarray(head.coefficients, np.float64),
            "head.gamma": np.array(head.gamma, np.float64),
            "head.coef0": np.array(head.coef0, np.float64),
            "head.degree": np.array(head.degree, np.float64),
            "head.intercept": np.array(head.intercept, np.float64),
        }
        return [
            to_double,
            ("MatMul", ["head.x", "head.vectors"], ["head.products"], {}),
            ("Mul", ["head.products", "head.gamma"], ["head.scaled"], {}),
            ("Add", ["head.scaled", "head.coef0"], ["head.base"], {}),
            ("Pow", ["head.base", "head.degree"], ["head.kernel"], {}),
            ("MatMul", ["head.kernel", "head.coefficients"], ["head.sum"], {}),
            ("Add", ["head.sum", "head.intercept"], ["head.decision"], {}),
            ("Neg", ["head.decision"], ["head.result"], {}),
            to_score,
        ], constants
    if isinstance(head, KernelHead):
        vectors = head.vectors.astype(np.float64)
        constants = {
            "head.mean": np.asarray(head.mean, np.float64),
            "head.components": np.ascontiguousarray(head.components.T, np.float64),
            "head.vectors": np.ascontiguousarray(-2 * vectors.T),
            "head.lengths": np.square(vectors).sum(axis=1),
            "head.gamma": np.array(-head.gamma, np.float64),
            "head.coefficients": np.asarray(head.coefficients, np.float64),
            "head.intercept": np.array(head.intercept, np.float64),
            "head.zero": np.array(0, np.float64),
            "head.last": last,
        }
        return [
            to_double,
            ("Sub", ["head.x", "head.mean"], ["head.centred"], {}),
            ("MatMul", ["head.centred", "head.components"], ["head.point"], {}),
            ("Mul", ["head.point", "head.point"], ["head.squares"], {}),
            ("ReduceSum", ["head.squares", "head.last"], ["head.length"], {"keepdims": 1}),
            ("MatMul", ["head.point", "head.vectors"], ["head.products"], {}),
            ("Add", ["head.products", "head.lengths"], ["head.partial"], {}),
            ("Add", ["head.partial", "head.length"], ["head.difference"], {}),
            ("Max", ["head.difference", "head.zero"], ["head.distance"], {}),
            ("Mul", ["head.distance", "head.gamma"], ["head.exponent"], {}),
            ("Exp", ["head.exponent"], ["head.kernel"], {}),
            ("MatMul", ["head.kernel", "head.coefficients"], ["head.sum"], {}),
            ("Add", ["head.sum", "head.intercept"], ["head.result"], {}),
            to_score,
        ], constants
    if isinstance(head, NearestHead):
        lengths = np.linalg.norm(head.references.astype(np.float64), axis=1, keepdims=True)
        directions = (head.references / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        constants = {
            "head.real": np.ascontiguousarray(directions[head.labels == 0].T),
            "head.generated": np.ascontiguousarray(directions[head.labels == 1].T),
            "head.last": last,
            "head.least": np.array(np.finfo(np.float32).tiny),
            "head.one": np.array([1], np.int64),
            "head.near": np.array(-1, np.float32),
            "head.far": np.array(1, np.float32),
        }
        nodes: list[_Node] = [
            ("Mul", ["embeddings", "embeddings"], ["head.squares"], {}),
            ("ReduceSum", ["head.squares", "head.last"], ["head.square"], {"keepdims": 1}),
            ("Sqrt", ["head.square"], ["head.length"], {}),
            ("Max", ["head.length", "head.least"], ["head.divisor"], {}),
            ("Div", ["embeddings", "head.divisor"], ["head.direction"], {}),
        ]
        for side in ("real", "generated"):
            nodes += [
                ("MatMul", ["head.direction", f"head.{side}"], [f"head.{side}.cosines"], {}),
                ("TopK", [f"head.{side}.cosines", "head.one"], [f"head.{side}.top", f"head.{side}.which"], {}),
                ("Squeeze", [f"head.{side}.top", "head.last"], [f"head.{side}.best"], {}),
                ("Clip", [f"head.{side}.best", "head.near", "head.far"], [f"head.{side}.cosine"], {}),
            ]
        # The distance is 1 - cosine, so that real minus generated distance is generated minus real cosine.
        nodes.append(("Sub", ["head.generated.cosine", "head.real.cosine"], ["score"], {}))
        return nodes, constants
    raise UsageError("head", f"{name} cannot be written as a graph", "one of linear, nearest, svm, kernel")


def _metadata(bundle: Bundle, head: str, variant: str) -> dict[str, str]:
    config = bundle.config
    crops = config.preprocessing.default_crops
    plan = make_plan(bundle, head=head)
    facts: dict[str, Any] = {
        "name": config.name,
        "version": config.version,
        "hash": bundle.hash,
        "variant": variant,
        "head": head,
        "crop_size": config.preprocessing.crop_size,
        "crops": crops,
        "preprocessing": _in_words(config),
        "labels": config.label_convention,
    }
    if plan.point is not None:
        facts["operating_point"] = plan.point.name
        facts["threshold"] = plan.point.threshold
        facts["uncertain_from"] = plan.point.uncertain_from
    if plan.calibration is not None:
        facts["slope"] = plan.calibration.slope
        facts["intercept"] = plan.calibration.intercept
        facts["bound"] = plan.calibration.bound
    return {f"contrafake.{key}": str(value) for key, value in facts.items()}


def _in_words(config: BundleConfig) -> str:
    facts = config.preprocessing
    size = facts.crop_size
    if facts.geometry == "resize-crop":
        side = round(size / facts.crop_pct)
        how = f"scale the shorter side to {side} pixels, cut the centre {size} x {size}"
    else:
        how = f"cut up to {facts.default_crops} crops of {size} x {size} native pixels, the centre first"
    small = "mirror smaller images outwards" if facts.small_images == "mirror" else "pad smaller images with black"
    return f"{how}; {small}; RGB uint8, not normalised; an image's score is the mean over its crops"
