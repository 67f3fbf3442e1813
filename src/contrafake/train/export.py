"""Writes a trained encoder as an ONNX graph that takes raw pixels."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.model.encoder import Encoder

OPSET = 17


def export_onnx(encoder: Encoder, path: Path, crop_size: int) -> None:
    """Exports crops (N, crop_size, crop_size, 3) uint8 -> embeddings (N, D) float32, N free.

    Args:
        encoder: Trained encoder; exported in evaluation mode.
        path: Target file.
        crop_size: Side of the crops in pixels.
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
    encoder.to(device)
