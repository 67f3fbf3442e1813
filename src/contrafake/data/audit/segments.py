"""What stands in a file beside the picture, told from its segments; nothing is decoded, so hostile bytes do no harm."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contrafake.images.ifd import directories

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_SEGMENTS = 4096
_LONGEST_PROFILE = 1 << 20
_LONGEST_HEAD = 1 << 13
_SHOWN = 16
_APP, _COM, _SOS, _EOI = range(0xE0, 0xF0), 0xFE, 0xDA, 0xD9
_BARE = {0x00, 0x01, *range(0xD0, 0xD9)}
_TIFF_EXIF, _TIFF_PROFILE, _TIFF_XMP = 34665, 34675, 700
_PROFILES = ("sRGB", "Display P3", "Adobe RGB", "ProPhoto", "Dot Gain", "Gray Gamma")


@dataclass
class Extras:
    """What a file holds beside the picture.

    Attributes:
        exif: Whether it holds an EXIF block.
        profile: Colour profile: "", "sRGB" or another common name, or "profile " and a short hash of it.
        kinds: Other metadata: "XMP", "C2PA", "IPTC", "comment", "text:KEYWORD".
        order: Its segments in order, repeated ones once: "JFIF DQT SOF0 DHT", which tells who wrote it.
        coding: How a WebP file is coded, "lossy" or "lossless"; whether a PNG is "interlaced" or "plain"; else "".
        depth: Bits per sample of a PNG, else None.
    """

    exif: bool = False
    profile: str = ""
    kinds: set[str] = field(default_factory=set)
    order: str = ""
    coding: str = ""
    depth: int | None = None


def extras(data: bytes, format_name: str) -> Extras:
    """Reads the segments of a JPEG, PNG, WebP, TIFF, AVIF or HEIF file; other formats give an empty answer.

    Args:
        data: The file's bytes; the walk ends at the first thing that makes no sense.
        format_name: What `contrafake.images.container.identify` says.
    """
    found = Extras()
    if format_name in {"JPEG", "MPO"}:
        _read_jpeg(data, found)
    elif format_name == "PNG":
        _read_png(data, found)
    elif format_name == "WEBP":
        _read_webp(data, found)
    elif format_name == "TIFF":
        tags = next(directories(data, 1), {})
        found.exif = _TIFF_EXIF in tags
        found.profile = "unnamed" if _TIFF_PROFILE in tags else ""
        found.kinds |= {"XMP"} if _TIFF_XMP in tags else set()
    elif format_name in {"AVIF", "HEIF"}:
        head = data[:_LONGEST_HEAD]  # names of items and properties; the boxes themselves are not walked
        found.exif = b"Exif" in head
        found.profile = "unnamed" if b"colrprof" in head or b"colrrICC" in head else ""
        found.kinds |= {"XMP"} if b"application/rdf+xml" in head else set()
    return found


def _read_jpeg(data: bytes, found: Extras) -> None:
    names: list[str] = []
    profile = b""
    for marker, body in _jpeg_segments(data):
        name = f"APP{marker - 0xE0}" if marker in _APP else _NAMES.get(marker, f"{marker:02X}")
        if marker == 0xE0:
            name = "JFIF" if body.startswith(b"JFIF\0") else name
        elif marker == 0xE1 and body.startswith(b"Exif\0"):
            found.exif, name = True, "EXIF"
        elif marker == 0xE1 and body.startswith(b"http://ns.adobe.com/"):
            found.kinds.add("XMP")
        elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0"):
            profile, name = profile + body[14:], "ICC"
        elif marker == 0xEB and b"jumb" in body[:64]:
            found.kinds.add("C2PA" if b"c2pa" in body[:512] else "JUMBF")
        elif marker == 0xED and body.startswith(b"Photoshop"):
            found.kinds.add("IPTC")
        elif marker == _COM:
            found.kinds.add("comment")
        names.append(name)
    found.order = _order(names)
    found.profile = _profile(profile)


_NAMES = {0xDB: "DQT", 0xC4: "DHT", 0xDD: "DRI", _COM: "COM"} | {
    0xC0 + k: f"SOF{k}" for k in range(16) if k not in {4, 8}
}


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 2
    for _ in range(_MOST_SEGMENTS):
        position = data.find(b"\xff", position)
        while 0 <= position < len(data) and data[position] == 0xFF:
            position += 1
        if position < 0 or position >= len(data):
            return
        marker = data[position]
        position += 1
        if marker in _BARE:
            continue
        length = int.from_bytes(data[position : position + 2])
        if marker in {_SOS, _EOI} or length < 2:
            return
        yield marker, data[position + 2 : position + length]
        position += length


def _read_png(data: bytes, found: Extras) -> None:
    names: list[str] = []
    position = 8
    for _ in range(_MOST_SEGMENTS):
        length, kind = int.from_bytes(data[position : position + 4]), data[position + 4 : position + 8]
        if len(kind) < 4 or not kind.isalpha():
            break
        body = data[position + 8 : position + 8 + min(length, _LONGEST_PROFILE)]
        names.append(kind.decode("ascii", "replace"))
        if kind == b"IHDR" and len(body) >= 13:
            found.depth, found.coding = body[8], "interlaced" if body[12] else "plain"
        elif kind in {b"tEXt", b"zTXt", b"iTXt"}:
            keyword = body[:80].partition(b"\0")[0].decode("latin-1")
            found.kinds.add("XMP" if keyword.startswith("XML:com.adobe") else f"text:{_printable(keyword)}")
        elif kind == b"eXIf":
            found.exif = True
        elif kind == b"sRGB":
            found.profile = "sRGB"
        elif kind == b"iCCP":
            found.profile = _profile(_inflated(body.partition(b"\0")[2][1:]))
        elif kind == b"caBX":
            found.kinds.add("C2PA")
        position += 12 + length
    found.order = _order(names)


def _read_webp(data: bytes, found: Extras) -> None:
    names: list[str] = []
    position = 12
    for _ in range(_MOST_SEGMENTS):
        kind, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        if len(kind) < 4 or not kind.strip().isalnum():
            break
        names.append(kind.decode("ascii", "replace").strip())
        if kind in {b"VP8 ", b"VP8L"}:
            found.coding = "lossy" if kind == b"VP8 " else "lossless"
        elif kind == b"EXIF":
            found.exif = True
        elif kind == b"ICCP":
            found.profile = _profile(data[position + 8 : position + 8 + min(length, _LONGEST_PROFILE)])
        elif kind in {b"XMP ", b"C2PA"}:
            found.kinds.add(kind.decode().strip())
        position += 8 + length + length % 2
    found.order = _order(names)


def _order(names: list[str]) -> str:
    once = [name for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    return " ".join(once[:_SHOWN]) + (" ..." if len(once) > _SHOWN else "")


def _profile(profile: bytes) -> str:
    if not profile:
        return ""
    for name in _PROFILES:
        if name.encode() in profile or name.encode("utf-16-be") in profile:
            return name
    return f"profile {hashlib.sha256(profile).hexdigest()[:6]}"


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _LONGEST_PROFILE)
    except zlib.error:
        return b""


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:24])
