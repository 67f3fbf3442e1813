"""The one form in which every image travels through contrafake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded, upright RGB image and the facts about where it came from.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, orientation applied, alpha composed over white; read-only.
        name: File name or a label given by the caller.
        format: Container format as found in the bytes ("JPEG", "PNG", ...), "" for arrays.
        width: Width as stored, before orientation is applied.
        height: Height as stored, before orientation is applied.
        sha256: Hex digest of the file's bytes, None where there were no bytes.
        notes: What a reader of the verdict should know, for example "first of 12 frames".
    """

    pixels: NDArray[np.uint8]
    name: str
    format: str
    width: int
    height: int
    sha256: str | None = None
    notes: tuple[str, ...] = ()
