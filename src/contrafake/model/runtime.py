"""Runs a bundle's graph on ONNX Runtime; torch is never imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAX_BATCH = 16  # bounds the memory of one call


class OnnxEncoder:
    """Crops to embeddings.

    Safe to call from several threads at once. A crop's embedding does not depend on its companions beyond rounding
    (tested to 1e-5).
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        """Loads the graph.

        Args:
            path: ONNX file.
            threads: Threads for one call; 0 takes one per core.

        Raises:
            BundleError: If the file is no usable graph.
        """
        import onnxruntime  # noqa: PLC0415 (needed only when something is judged)

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads steal the cores on which the next image is being decoded.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            self._input = self._session.get_inputs()[0].name
        except Exception as error:  # the runtime raises a private class per cause
            raise BundleError(str(path), f"cannot be loaded: {_first_line(error)}") from error
        self._path = path

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S, 3) uint8 RGB crops -> (N, D) float32 raw embeddings.

        Raises:
            BundleError: If the graph takes no such crops.
        """
        try:
            parts = [
                self._session.run(None, {self._input: crops[start : start + MAX_BATCH]})[0]
                for start in range(0, len(crops), MAX_BATCH)
            ]
        except Exception as error:
            raise BundleError(str(self._path), f"cannot be run: {_first_line(error)}") from error
        return np.concatenate(parts).astype(np.float32, copy=False)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
