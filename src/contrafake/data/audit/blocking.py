"""Grids of earlier JPEG compressions, found by the means of blocks.

A JPEG stores the mean of each 8 x 8 block as a multiple of a step. In the decoded image the sums over the blocks of
that grid, and of no other, stay close to multiples of the step, even after a second compression on another grid
(Bianchi and Piva, Detection of Nonaligned Double JPEG Compression Based on Integer Periodicity Maps, IEEE TIFS 2012).
Here the periodicity is tried for every whole step and all 64 grids at once, and compared between grids instead of with
a trained threshold. Above quality 96 the step is 1, and nothing is left to find.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOUND = 5.0
"""Strength from which a grid counts as found; `benchmarks/audit_traces.py` shows what it costs and misses."""

_STEPS = np.arange(2, 25)
_PER_UNIT = 2  # bins of the histogram for each unit of the coefficient
_BINS = 2048 * _PER_UNIT + 2  # the last one takes what does not count
_FLAT = 1 / 16
_BUSY = 1 / 8  # smallest share of blocks that are not flat; the few edges of a drawing repeat each other


@dataclass(frozen=True)
class Grid:
    """The strongest of some grids.

    Attributes:
        strength: Its periodicity above the others', in standard deviations.
        top: Row of its first block, 0 to 7.
        left: Column of its first block, 0 to 7.
        step: Quantisation step of the means.
    """

    strength: float
    top: int
    left: int
    step: int

    @property
    def found(self) -> bool:
        """Whether it stands out."""
        return self.strength >= FOUND


@dataclass(frozen=True)
class Periodicity:
    """How well the block means of each grid keep to multiples of each step.

    Attributes:
        map: (8, 8, steps): row and column of the grid's first block, step; 1 = all multiples, 0 = none of it.
        blocks: Mean number of blocks that a value of the map rests on; 0 where nearly all are flat.
    """

    map: NDArray[np.float32]
    blocks: float

    def strongest(self) -> Grid:
        """The grid that stands out most."""
        above = self.map.reshape(64, -1)
        return _clearest(above - _middle(above), (2 * max(self.blocks, 1)) ** -0.5)

    def strongest_beside(self, top: int, left: int) -> Grid:
        """The grid that stands out most beside a known one.

        The known grid raises its neighbours, but those on opposite sides of it alike. So each grid is compared with
        its mirror images, and the three that are their own mirror images cannot be found.
        """
        here = np.roll(self.map, (-top, -left), (0, 1)).reshape(64, -1)
        above = np.full_like(here, -np.inf)
        grids, images = _mirror_images()
        above[grids] = here[grids] - here[images].max(axis=1)
        grid = _clearest(above, max(self.blocks, 1) ** -0.5)
        return Grid(grid.strength, (grid.top + top) % 8, (grid.left + left) % 8, grid.step)


def periodicity(luma: NDArray[np.float32]) -> Periodicity:
    """Tries all 64 grids.

    Args:
        luma: (h, w) float32, 0 to 255, at least 16 each way.
    """
    sums = _of_eight(luma)
    rows, columns = sums.shape[0] // 8, sums.shape[1] // 8
    flat = np.abs(sums[:, 1:] - sums[:, :-1]) <= _FLAT
    bins = np.rint(_PER_UNIT * sums)
    # Flat areas keep to multiples of anything, on every grid.
    np.copyto(bins[:, :-1], _BINS - 1, where=flat)
    grids = bins[: 8 * rows, : 8 * columns].reshape(rows, 8, columns, 8)
    grids = (grids + (_BINS * np.arange(64, dtype=np.float32)).reshape(1, 8, 1, 8)).astype(np.intp)
    counts = np.bincount(grids.ravel(), minlength=64 * _BINS).reshape(64, _BINS)[:, :-1].astype(np.float32)
    blocks = counts.sum(axis=1, keepdims=True)
    if blocks.mean() < _BUSY * rows * columns:
        return Periodicity(np.zeros((8, 8, len(_STEPS)), np.float32), 0.0)
    return Periodicity((counts @ _waves() / np.maximum(blocks, 1)).reshape(8, 8, -1), float(blocks.mean()))


def _of_eight(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h - 7, w - 7): the DCT's mean coefficient of the 8 x 8 pixels from each pixel on."""
    sums = luma * np.float32(1 / 8)
    for far in (1, 2, 4):
        sums = sums[far:] + sums[:-far]
    for far in (1, 2, 4):
        sums = sums[:, far:] + sums[:, :-far]
    return sums


@cache
def _waves() -> NDArray[np.float32]:
    """(bins, steps): a cosine with the period of each step; JPEG shifts means by 128, coefficients by 1024."""
    value = np.arange(_BINS - 1)[:, None] / _PER_UNIT - 1024
    return np.cos(2 * np.pi * value / _STEPS).astype(np.float32)


def _clearest(above: NDArray[np.float32], least: float) -> Grid:
    """The largest of (64, steps) values in units of their spread, which is at least what chance gives."""
    known = above[np.isfinite(above[:, 0])]
    spread = 1.4826 * _middle(np.abs(known - _middle(known)))
    strength = above / np.maximum(spread, least)
    grid, step = np.unravel_index(int(np.argmax(strength)), strength.shape)
    return Grid(float(strength[grid, step]), int(grid) // 8, int(grid) % 8, int(_STEPS[step]))


def _middle(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The median of each column; np.median is twenty times slower on so little."""
    middle: NDArray[np.float32] = np.sort(values, axis=0)[len(values) // 2]
    return middle


@cache
def _mirror_images() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Of each grid but the known one and its own images: (60,) its number and (60, 3) those of its mirror images."""
    numbers, images = [], []
    for number in range(64):
        row, column = divmod(number, 8)
        mirrored = {8 * y + x for y in (row, -row % 8) for x in (column, -column % 8)} - {number}
        if mirrored:  # on an axis there is only one
            numbers.append(number)
            images.append((sorted(mirrored) * 3)[:3])
    return np.array(numbers), np.array(images)
