"""Images with a known history, for the tests of the audit's traces."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from contrafake.data.audit.file_facts import stored_jpeg
from contrafake.data.audit.history import centre_luma, history_facts
from contrafake.images import encode, read

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.data.audit.feature import Value

    Pixels = NDArray[np.uint8]


@cache
def scene(seed: int, side: int = 288) -> Pixels:
    """Noise with a falling spectrum, as photographs have it, and grain; never compressed, never resampled."""
    rng = np.random.default_rng(seed)
    distance = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    distance[0, 0] = np.inf
    shared, planes = rng.normal(size=(side, side)), []
    for _ in range(3):
        noise = 0.8 * shared + 0.6 * rng.normal(size=(side, side))
        plane = np.fft.ifft2(np.fft.fft2(noise) * distance ** -rng.uniform(1.2, 1.5)).real
        planes.append(plane / plane.std() * rng.uniform(25, 50) + rng.uniform(80, 170))
    pixels = np.stack(planes, axis=-1)
    pixels += rng.normal(0, rng.uniform(0.5, 3), pixels.shape)
    found: Pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return found


@cache
def photographs() -> tuple[Pixels, ...]:
    """The free photographs, shrunk until their own JPEG traces are gone."""
    folder = Path(__file__).parents[3] / "examples" / "real"
    found = []
    for path, factor in zip(sorted(folder.glob("*.jpg")), (2.1, 2.3, 2.2), strict=True):
        pixels = read(path).pixels
        size = round(pixels.shape[1] / factor), round(pixels.shape[0] / factor)
        found.append(np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)))
    return tuple(found)


def png(pixels: Pixels) -> bytes:
    """Lossless."""
    return encode(np.ascontiguousarray(pixels), "PNG")


def jpeg(pixels: Pixels, quality: int) -> bytes:
    """With libjpeg's tables, chroma halved."""
    return encode(np.ascontiguousarray(pixels), "JPEG", quality, "4:2:0")


def after(pixels: Pixels, quality: int) -> Pixels:
    """What a JPEG leaves of the pixels."""
    return read(jpeg(pixels, quality)).pixels


def scaled(pixels: Pixels, factor: float) -> Pixels:
    """Bicubic."""
    size = round(pixels.shape[1] * factor), round(pixels.shape[0] * factor)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def history_of(data: bytes) -> dict[str, Value]:
    """The history features of a file."""
    facts = stored_jpeg(data)
    return history_facts(centre_luma(read(data).pixels, facts), facts)


def number(value: Value) -> float:
    """A value that must be a number."""
    assert isinstance(value, float)
    return value
