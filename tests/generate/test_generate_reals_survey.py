"""What one look at real images finds: facts by independent means, block grids in the pixels themselves."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from contrafake.data.location import File
from contrafake.generate.reals.survey import Unused, facts_of, survey
from contrafake.generate.record import BuildRecord, CaptionedReal
from contrafake.images import encode, read

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def noisy(width: int, height: int) -> NDArray[np.uint8]:
    """Soft colours under fine grain: quantised hard, its blocks show."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(60, 190, (12, 12, 3), dtype=np.uint8))
    soft = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return np.clip(soft + rng.normal(0, 20, soft.shape), 0, 255).astype(np.uint8)


def turned(pixels: NDArray[np.uint8], orientation: int, quality: int = 8) -> bytes:
    """A JPEG with 4:2:0 whose EXIF says so."""
    exif, target = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(target, "JPEG", quality=quality, subsampling=2, exif=exif)
    return target.getvalue()


def borders(plane: NDArray[np.float64], period: int) -> tuple[int, int]:
    """(x, y) where jumps between neighbours are largest, modulo a period: there, blocks begin."""
    found = []
    for axis in (1, 0):
        jumps = np.abs(np.diff(plane, axis=axis)).mean(axis=1 - axis)
        begins = (np.arange(len(jumps)) + 1) % period
        found.append(int(np.argmax([jumps[begins == phase].mean() for phase in range(period)])))
    return found[0], found[1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_grid_is_where_the_blocks_are(orientation: int) -> None:
    data = turned(noisy(173, 134), orientation)
    facts = facts_of(data)
    upright = read(data).pixels.astype(np.float64)
    assert (facts.height, facts.width) == upright.shape[:2] == ((134, 173) if orientation < 5 else (173, 134))
    assert borders(upright[..., 1], 8) == (facts.grid[0] % 8, facts.grid[1] % 8)
    # Red less blue holds no brightness; colour is stored at half the size, so its blocks are 16 pixels wide.
    assert borders(upright[..., 0] - upright[..., 2], 16) == facts.grid
    assert (facts.grid == (0, 0)) == (orientation in {1, 5})


def test_facts_of_each_format() -> None:
    pixels = noisy(48, 32)
    jpeg, webp, png = encode(pixels, "JPEG", 83, "4:2:2"), encode(pixels, "WEBP", 60), encode(pixels, "PNG")
    found = facts_of(jpeg)
    assert (found.width, found.height, found.format, found.lossy, found.quality) == (48, 32, "JPEG", True, 83)
    assert (found.subsampling, found.grid, found.bytes) == ("4:2:2", (0, 0), len(jpeg))
    assert found.sha256 == hashlib.sha256(jpeg).hexdigest()
    assert (facts_of(webp).format, facts_of(webp).lossy, facts_of(webp).quality) == ("WEBP", True, -1)
    assert (facts_of(png).format, facts_of(png).lossy, facts_of(png).quality) == ("PNG", False, -1)


def write(folder: Path, name: str, data: bytes) -> CaptionedReal:
    (folder / name).write_bytes(data)
    return CaptionedReal(name, "x", File(str(folder / name)), "o", "s")


@pytest.mark.parametrize("workers", [1, 2])
def test_what_cannot_be_used_is_named_in_its_place(tmp_path: Path, workers: int) -> None:
    steps: list[int] = []
    reals = [
        write(tmp_path, "good.jpg", encode(noisy(40, 30), "JPEG", 80)),
        write(tmp_path, "small.png", encode(noisy(64, 29), "PNG")),
        write(tmp_path, "torn.jpg", encode(noisy(40, 30), "JPEG", 80)[:300]),
        write(tmp_path, "text.jpg", b"no image at all"),
        CaptionedReal("gone", "x", File(str(tmp_path / "gone.jpg")), "o", "s"),
        write(tmp_path, "tall.jpg", turned(noisy(64, 30), 6)),
    ]
    good, small, torn, text, gone, tall = survey(iter(reals), 30, workers, steps.append)
    assert isinstance(good, BuildRecord)
    assert good.real is not None
    assert good.key == "good.jpg"
    assert isinstance(tall, BuildRecord)
    assert (tall.facts.width, tall.facts.height) == (30, 64)
    assert small == Unused("small.png", "its shorter side has fewer than 30 pixels")
    for unused, key in ((torn, "torn.jpg"), (text, "text.jpg"), (gone, "gone")):
        assert isinstance(unused, Unused)
        assert unused.key == key
        assert unused.reason
        assert str(tmp_path) not in unused.reason
    assert sum(steps) == len(reals)
