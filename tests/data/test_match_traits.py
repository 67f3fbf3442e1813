from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from conftest import picture
from PIL import Image

from contrafake.data.matching.traits import traits_of

JPEG, WEBP, PNG = 0, 1, 2
S420, S444 = 2, 0


def saved(form: str, **how: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(np.random.default_rng(0), generated=False)[:48]).save(file, form, **how)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (saved("JPEG", quality=83, subsampling=0), (72, 48, JPEG, True, 83, S444)),
        (saved("JPEG", quality=40, subsampling=1), (72, 48, JPEG, True, 40, 1)),
        (saved("WEBP", quality=80), (72, 48, WEBP, True, -1, S420)),
        (saved("WEBP", lossless=True), (72, 48, PNG, False, -1, S420)),
        (saved("WEBP", lossless=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"), (72, 48, PNG, False, -1, S420)),
        (saved("PNG"), (72, 48, PNG, False, -1, S420)),
        (saved("BMP"), (72, 48, PNG, False, -1, S420)),
        (saved("GIF"), (72, 48, PNG, False, -1, S420)),
    ],
)
def test_files_are_told_apart_by_their_bytes(data: bytes, expected: tuple[object, ...]) -> None:
    assert traits_of(data)[:6] == expected


def test_sizes_are_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert traits_of(saved("JPEG", quality=90, exif=exif))[:2] == (48, 72)


def test_foreign_tables_count_as_the_nearest_quality() -> None:
    with Image.open(io.BytesIO(saved("JPEG", quality=77))) as image:
        tables = {slot: list(table) for slot, table in image.quantization.items()}  # type: ignore[attr-defined]
    tables[0][20] += 1
    assert traits_of(saved("JPEG", qtables=tables)).quality == 77
