"""Stripes over a whole batch, equal bit by bit to `contrafake.images.transforms.OverlayStripes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.train.batched.canvas import Canvas, upload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contrafake.images.transforms.overlay import OverlayStripes


def overlay_stripes(canvas: Canvas, operations: Sequence[OverlayStripes]) -> Canvas:
    """Lays white stripes over the images; see `OverlayStripes`."""
    heights = canvas.sizes[:, :1]
    distance = 0.5 * canvas.sizes.min(axis=1, keepdims=True)
    widths = np.array([[operation.line_width] for operation in operations])
    # Rows are few: the host decides about them, in the arithmetic of the reference.
    from_middle = np.abs(np.arange(canvas.pixels.shape[2]) - heights / 2) % distance
    covered = np.minimum(from_middle, distance - from_middle) <= widths * distance / 2 + 1e-9
    white = upload(covered, canvas.pixels.device)
    return Canvas(canvas.pixels.masked_fill(white[:, None, :, None], 255), canvas.sizes)
