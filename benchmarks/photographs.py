"""Makes the photographs that speed is measured on: baseline JPEGs of 0.3 to 12 megapixels, always the same.

The sources are three photographs that scikit-learn and matplotlib distribute (`examples/real`). Each image is an
enlarged random cut of one of them with grain added: enlarging alone would leave it so smooth that it decodes faster
than a camera's file does. Sizes are log-uniform, sides 4:3, 3:2 or 16:9, standing or lying, JPEG quality 85 to 95,
4:2:0, not progressive.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from machine import EXAMPLES
from PIL import Image

from contrafake.images import encode

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LEAST, MOST = 0.3e6, 12e6
SEED = 2024
VERSION = 1  # part of the folder's name: raise it when the images change


def photographs(folder: Path, count: int, least: float = LEAST, most: float = MOST) -> list[Path]:
    """The files, made where they are missing.

    Args:
        folder: Where to keep them.
        count: How many.
        least: Pixels of the smallest.
        most: Pixels of the largest.
    """
    folder = folder / f"v{VERSION}-{count}-{least:.0f}-{most:.0f}"
    folder.mkdir(parents=True, exist_ok=True)
    names = [folder / f"{index:04d}.jpg" for index in range(count)]
    missing = [index for index, name in enumerate(names) if not name.exists()]
    if missing:
        make = partial(_write, folder=folder, count=count, least=least, most=most)
        with ProcessPoolExecutor(min(len(missing), os.cpu_count() or 1)) as pool:
            list(pool.map(make, missing))
    return names


def _write(index: int, folder: Path, count: int, least: float, most: float) -> None:
    rng = np.random.default_rng([SEED, index])
    # Evenly spread on a logarithmic axis, in an order that mixes small and large.
    place = (index * 0.6180339887498949 + rng.uniform(0, 1 / count)) % 1
    area = least * (most / least) ** place
    aspect = (4 / 3, 3 / 2, 16 / 9)[int(rng.integers(3))] ** (1 if rng.random() < 0.7 else -1)
    width, height = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
    pixels = add_grain(_enlarged(index, width, height, rng), rng)
    data = encode(pixels, "JPEG", int(rng.integers(85, 96)), "4:2:0")
    partial_file = folder / f".{index:04d}.partial"
    partial_file.write_bytes(data)
    partial_file.replace(folder / f"{index:04d}.jpg")


def _enlarged(index: int, width: int, height: int, rng: np.random.Generator) -> Image.Image:
    sources = sorted((EXAMPLES / "real").glob("*.jpg"))
    with Image.open(sources[index % len(sources)]) as file:
        source = file.convert("RGB")
    share = rng.uniform(0.6, 1)
    scale = share * min(source.width / width, source.height / height)
    left = rng.uniform(0, source.width - scale * width)
    top = rng.uniform(0, source.height - scale * height)
    box = (left, top, left + scale * width, top + scale * height)
    image = source.resize((width, height), Image.Resampling.BICUBIC, box=box)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else image


def add_grain(image: Image.Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Film-like noise: a little larger than a pixel, mostly brightness, strongest in the middle tones."""
    pixels = np.asarray(image, np.float32)
    height, width = pixels.shape[:2]
    field = rng.standard_normal((height + 1, width + 1), np.float32)
    field = (field[:-1, :-1] + 0.5 * field[1:, :-1] + 0.5 * field[:-1, 1:]) * np.float32(1 / 1.5**0.5)
    tone = pixels.mean(axis=2) / 255
    strength = rng.uniform(3, 7) * (0.4 + 2.4 * tone * (1 - tone))
    noisy = pixels + (field * strength)[..., None]
    noisy += rng.standard_normal((height, width, 3), np.float32)
    return np.asarray(np.clip(noisy + 0.5, 0, 255), np.uint8)
