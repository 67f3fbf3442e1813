"""Writes a trained encoder as an ONNX graph that takes raw pixels."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

from contrafake.errors import BundleError
from contrafake.model.runtime import OnnxEncoder

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.model.encoder import Encoder

OPSET = 17
MAX_DIFFERENCE = 1e-4  # between the embeddings of the two engines, largest absolute value
CHECKED_CROPS = 16


def export_onnx(encoder: Encoder, path: Path, crop_size: int) -> None:
    """Exports crops (N, crop_size, crop_size, 3) uint8 -> embeddings (N, D) float32, N free, and compares both.

    Args:
        encoder: Trained encoder; exported in evaluation mode.
        path: Target file.
        crop_size: Side of the crops in pixels.

    Raises:
        BundleError: If the graph's embeddings of random crops are not those of the encoder.
    """
    device = next(encoder.parameters()).device
    encoder = encoder.cpu().eval()
    example = torch.zeros(2, crop_size, crop_size, 3, dtype=torch.uint8)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of every shape check in transformers
        torch.onnx.export(
            encoder,
            (example,),
            str(path),
            input_names=["crops"],
            output_names=["embeddings"],
            dynamic_axes={"crops": {0: "n"}, "embeddings": {0: "n"}},
            opset_version=OPSET,
            dynamo=False,
        )
        crops = np.random.default_rng(0).integers(0, 256, (CHECKED_CROPS, *example.shape[1:]), dtype=np.uint8)
        wanted = encoder(torch.from_numpy(crops)).numpy()
    encoder.to(device)
    difference = float(np.abs(OnnxEncoder(path).embed(crops) - wanted).max())
    if not difference <= MAX_DIFFERENCE:
        raise BundleError(str(path), f"the exported graph differs from the encoder by {difference:.2g}")
