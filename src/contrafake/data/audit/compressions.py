"""How often an image was compressed as JPEG before, on which grid, at which quality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contrafake.data.audit.block_dct import QUALITIES, standard_steps
from contrafake.data.audit.blocking import periodicity
from contrafake.data.audit.double_quantisation import earlier_compression
from contrafake.data.audit.first_quality import first_quality

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from contrafake.data.audit.blocking import Periodicity


@dataclass(frozen=True)
class Compressions:
    """Compressions before the file's own.

    Attributes:
        count: How many were found; two of one table and grid look like one.
        grid: Where their grids lie against the file's first pixel: "aligned", "shifted", "aligned and shifted", "" for
            none.
        place: (row, column), 0 to 7, of the first block of the clearest of these grids; None without one.
        quality: Of the last of them, on libjpeg's scale; None where it cannot be told.
        strength: How far the strongest grid stands out, found or not, in standard deviations; in a JPEG, the strongest
            beside its own.
        support: Log-likelihood that the last known compression had one before it on the same grid, in nats for each
            coefficient; None where no table is known.
    """

    count: int
    grid: str
    place: tuple[int, int] | None
    quality: int | None
    strength: float
    support: float | None


def compressions(luma: NDArray[np.float32], own_steps: Sequence[int] | None) -> Compressions:
    """Looks for earlier compressions.

    Args:
        luma: (h, w) float32, 0 to 255, cut on the file's own grid, at least 16 each way.
        own_steps: Steps of a JPEG's own luma table at `FREQUENCIES`, empty if unknown; None if the file is no JPEG.
    """
    traces = periodicity(luma)
    return _in_pixels(luma, traces) if own_steps is None else _in_jpeg(luma, traces, own_steps)


def _in_jpeg(luma: NDArray[np.float32], traces: Periodicity, steps: Sequence[int]) -> Compressions:
    other = traces.strongest_beside(0, 0)
    same = earlier_compression(luma, steps) if steps else None
    aligned = same is not None and same.found
    place, quality = None, None
    if other.found:
        place, quality = (other.top, other.left), quality_of(other.step)
    if same is not None and same.found:
        place, quality = place or (0, 0), same.quality
    return Compressions(
        count=int(aligned) + int(other.found),
        grid=_grid(aligned, other.found),
        place=place,
        quality=quality,
        strength=other.strength,
        support=same.support if same else None,
    )


def _in_pixels(luma: NDArray[np.float32], traces: Periodicity) -> Compressions:
    last = traces.strongest()
    if not last.found:
        return Compressions(0, "", None, None, last.strength, None)
    place = last.top, last.left
    quality = first_quality(luma, *place)
    steps = [] if quality is None else standard_steps()[QUALITIES.index(quality)].tolist()
    same = earlier_compression(luma, steps, *place) if steps else None
    other = traces.strongest_beside(*place)
    at_corner = {place == (0, 0)} | ({(other.top, other.left) == (0, 0)} if other.found else set())
    return Compressions(
        count=1 + int(same is not None and same.found) + int(other.found),
        grid=_grid(True in at_corner, False in at_corner),
        place=place,
        quality=quality,
        strength=last.strength,
        support=same.support if same else None,
    )


def quality_of(step: int) -> int:
    """The quality at which libjpeg's luma table has a step for the mean: 16 scaled as jpeg_set_quality does it."""
    percent = 100 * step / 16
    return round(100 - percent / 2 if percent <= 100 else 5000 / percent)


def _grid(aligned: bool, shifted: bool) -> str:
    return " and ".join(word for word, here in (("aligned", aligned), ("shifted", shifted)) if here)
