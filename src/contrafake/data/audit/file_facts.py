"""What the headers of an image file say: format, size, compression, what is packed beside the picture."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from contrafake.data.audit.feature import Feature, Value
from contrafake.data.audit.segments import Extras, extras
from contrafake.errors import ImageError
from contrafake.images import jpeg_facts
from contrafake.images.container import identify, suffix_note

if TYPE_CHECKING:
    from contrafake.images import JpegFacts

NO_JPEG, NO_QUALITY = "are no JPEG", "have no JPEG quality of libjpeg's scale"

FEATURES = (
    Feature("format", "format", "file", "category", phrase="are {value}"),
    Feature("bytes", "file size", "file", "number", "bytes", "a file size"),
    Feature("bits_per_pixel", "bits per pixel", "file", "number", "bits per pixel", "a rate"),
    Feature("width", "width", "file", "number", "px", "a width"),
    Feature("height", "height", "file", "number", "px", "a height"),
    Feature("aspect", "aspect (width / height)", "file", "number", "", "an aspect ratio"),
    Feature("longer_side", "longer side", "file", "number", "px", "a longer side"),
    Feature("jpeg_quality", "JPEG quality", "file", "number", "", "a JPEG quality", NO_QUALITY),
    Feature(
        "jpeg_encoder", "kind of JPEG tables", "file", "category", phrase="have {value} JPEG tables", absent=NO_JPEG
    ),
    Feature(
        "jpeg_tables", "JPEG tables (hash)", "file", "category", phrase="have the JPEG tables {value}", absent=NO_JPEG
    ),
    Feature("subsampling", "chroma subsampling", "file", "category", "", "have chroma subsampling {value}", NO_JPEG),
    Feature(
        "coding",
        "coding",
        "file",
        "category",
        phrase="are coded {value}",
        absent="are coded in the one way of their format",
    ),
    Feature(
        "depth",
        "bits per sample",
        "file",
        "category",
        phrase="have {value} bits per sample",
        absent="do not say their depth",
    ),
    Feature("mode", "colour mode", "file", "category", phrase="have the colour mode {value}"),
    Feature("exif", "EXIF", "file", "category", phrase="have {value}"),
    Feature("profile", "colour profile", "file", "category", phrase="have the colour profile {value}"),
    Feature("metadata", "other metadata", "file", "category", phrase="have other metadata: {value}"),
    Feature("segments", "order of segments", "file", "category", phrase="have the segments {value}"),
    Feature("suffix", "suffix fits the format", "file", "category", phrase="have a suffix that {value}"),
)

_PNG_MODES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey + alpha", 6: "RGB + alpha"}
_JPEG_MODES = {1: "grey", 3: "RGB", 4: "CMYK"}
_MOST_KINDS = 4


def file_facts(data: bytes, file_name: str, format_name: str, width: int, height: int) -> dict[str, Value]:
    """The features of the room "file".

    Args:
        data: The file's bytes.
        file_name: Its name, for the suffix.
        format_name: As `Picture.format` has it.
        width: As stored.
        height: As stored.
    """
    found = extras(data, format_name)
    container = identify(data)
    facts = stored_jpeg(data)
    values: dict[str, Value] = {
        "format": format_name,
        "bytes": float(len(data)),
        "bits_per_pixel": 8.0 * len(data) / (width * height),
        "width": float(width),
        "height": float(height),
        "aspect": width / height,
        "longer_side": float(max(width, height)),
        "mode": _mode(data, container, facts),
        "exif": "EXIF" if found.exif else None,
        "profile": found.profile or None,
        "metadata": ", ".join(sorted(found.kinds)[:_MOST_KINDS]) or None,
        "segments": found.order or None,
        "suffix": "does not fit" if container and suffix_note(file_name, container) else "fits",
    }
    return values | (_of_jpeg(facts) if facts else _of_others(found))


def stored_jpeg(data: bytes) -> JpegFacts | None:
    """The facts of a JPEG; None for other formats and damaged headers."""
    try:
        return jpeg_facts(data) if data.startswith(b"\xff\xd8\xff") else None
    except ImageError:
        return None


def _of_jpeg(facts: JpegFacts) -> dict[str, Value]:
    tables = hashlib.sha256(repr(facts.tables[:2]).encode()).hexdigest()[:8]
    quality = facts.quality
    return {
        "jpeg_quality": None if quality is None else float(quality),
        "jpeg_encoder": "other" if quality is None else "libjpeg",
        "jpeg_tables": tables,
        "subsampling": facts.subsampling,
        "coding": facts.coding,
        "depth": str(facts.precision),
    }


def _of_others(found: Extras) -> dict[str, Value]:
    return {
        "jpeg_quality": None,
        "jpeg_encoder": None,
        "jpeg_tables": None,
        "subsampling": None,
        "coding": found.coding or None,
        "depth": None if found.depth is None else str(found.depth),
    }


def _mode(data: bytes, container: str, facts: JpegFacts | None) -> str:
    if facts:
        return _JPEG_MODES.get(facts.components, "other")
    if container == "PNG":
        return _PNG_MODES.get(data[25] if len(data) > 25 else -1, "other")
    if container == "WEBP" and len(data) > 24:
        # The extended header says it in a flag, a lone lossless picture in a bit after its two sides.
        flags = {b"VP8X": data[20] & 0x10, b"VP8L": data[24] & 0x10}
        return "RGB + alpha" if flags.get(data[12:16]) else "RGB"
    return "unknown"
