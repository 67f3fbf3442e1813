"""A variant of an image as a file: whoever decodes it sees the pixels that a detector sees here."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from contrafake.data.packing.entries import SUFFIXES
from contrafake.images import read
from contrafake.images.encode import encode
from contrafake.images.transforms import (
    AvifQuality,
    DoubleJpeg,
    JpegQuality,
    Screenshot,
    WebpQuality,
    apply_chain,
)
from contrafake.images.transforms.recompression import reencoded
from contrafake.images.transforms.rescaling import FILTERS, rescaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contrafake.evaluate.variant import Variant
    from contrafake.images import Picture
    from contrafake.images.transforms import Operation

FileFormat = Literal["kept", "png"]


def as_file(
    variant: Variant,
    key: str,
    data: bytes,
    picture: Picture,
    format: FileFormat = "kept",  # noqa: A002 - what it is
) -> tuple[bytes, str]:
    """The bytes of a file and its suffix.

    Where a variant changes nothing, these are the image's own bytes. Where it ends in JPEG, WebP or AVIF, they are what
    that encoder wrote, without any metadata, and all else is PNG. So the format says what was done, never which class
    an image belongs to. An encoded file is read back, and one that would not give the variant's very pixels (none is
    known) becomes a PNG as well.

    Args:
        variant: The change.
        key: The image's key.
        data: Its bytes.
        picture: What they decode to.
        format: "png" gives a PNG always.

    Returns:
        (bytes, suffix without the dot).
    """
    if format == "kept" and variant.changes_nothing:
        return data, SUFFIXES[picture.format]
    image = Image.fromarray(picture.pixels)
    pixels = np.asarray(variant(image, key))
    found = _encoded(image, variant.chain_for(key)) if format == "kept" else None
    if found is not None and np.array_equal(read(found[0]).pixels, pixels):
        return found
    return encode(pixels, "PNG"), SUFFIXES["PNG"]


def _encoded(image: Image.Image, chain: Sequence[Operation]) -> tuple[bytes, str] | None:
    """What the last operation writes before it reads it back; None where it is no encoder."""
    settings: dict[str, Any]
    match chain:
        case [*before, JpegQuality(quality=quality)]:
            kind, settings = "JPEG", {"quality": quality}
        case [*before, WebpQuality(quality=quality)]:
            kind, settings = "WEBP", {"quality": quality}
        case [*before, AvifQuality(quality=quality)]:
            kind, settings = "AVIF", {"quality": quality, "speed": 9, "max_threads": 1}
        case [*before, Screenshot(quality=quality) as last] if quality:
            before = [*before, replace(last, quality=0)]
            kind, settings = "JPEG", {"quality": quality, "subsampling": "4:2:0"}
        case [*before, DoubleJpeg() as last]:
            return _second_jpeg(apply_chain(image, before), last)
        case _:
            return None
    return _saved(apply_chain(image, before), kind, settings)


def _second_jpeg(image: Image.Image, operation: DoubleJpeg) -> tuple[bytes, str] | None:
    image = reencoded(image, "JPEG", quality=operation.first_quality, subsampling=operation.first_subsampling)
    left, top = min(operation.left, image.width - 1), min(operation.top, image.height - 1)
    image = rescaled(image.crop((left, top, image.width, image.height)), operation.factor, FILTERS["lanczos"])
    settings = {"quality": operation.second_quality, "subsampling": operation.second_subsampling}
    return _saved(image, "JPEG", settings)


def _saved(image: Image.Image, kind: str, settings: dict[str, Any]) -> tuple[bytes, str] | None:
    buffer = io.BytesIO()
    try:
        image.save(buffer, format=kind, **settings)
    except (OSError, ValueError):  # too long a side for the format; the operation leaves such an image alone
        return None
    return buffer.getvalue(), SUFFIXES[kind]
