"""Facts about a JPEG from its markers alone: nothing is decoded, so this is cheap and safe on hostile bytes.

The walk follows libjpeg's own rules (what it skips, what it refuses), so that the size found here is the size that a
decoder will allocate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from contrafake.errors import TruncatedImageError, UnsupportedImageError
from contrafake.images.ifd import directories, exif_orientation

_SOI, _EOI, _SOS, _DQT, _APP1, _APP2, _APP14 = 0xD8, 0xD9, 0xDA, 0xDB, 0xE1, 0xE2, 0xEE
_FRAMES = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive", 0xC3: "lossless", 0xC9: "arithmetic"}
_FRAMES |= {0xCA: "arithmetic progressive", 0xCB: "arithmetic lossless"}
_UNKNOWN_FRAMES = {0xC5, 0xC6, 0xC7, 0xC8, 0xCD, 0xCE, 0xCF}
_BARE = {0x01, *range(0xD0, 0xD8)}
_MPF_NUMBER_OF_IMAGES = 0xB001

# fmt: off
_ZIGZAG = (
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
)
_LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)
_CHROMA = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
    99, 99, 99, *(99,) * 32,
)
# fmt: on

Table = tuple[int, ...]


@dataclass(frozen=True)
class JpegFacts:
    """What the headers of a JPEG say.

    Attributes:
        width: Stored width, before orientation.
        height: Stored height, before orientation.
        components: Colour components: 1 grey, 3 colour, 4 CMYK or YCCK.
        precision: Bits per sample.
        coding: "baseline", "extended", "progressive", "lossless" or "arithmetic ...".
        sampling: (horizontal, vertical) sampling factors, one pair per component.
        tables: The quantisation table of each component, 64 values in raster order; () where it is missing.
        adobe_transform: Colour transform of the Adobe marker (0 none, 1 YCbCr, 2 YCCK), None without the marker.
        orientation: EXIF orientation, 1 to 8.
        frames: Pictures in the file as a multi-picture block declares them, 1 without one.
    """

    width: int
    height: int
    components: int
    precision: int
    coding: str
    sampling: tuple[tuple[int, int], ...]
    tables: tuple[Table, ...]
    adobe_transform: int | None
    orientation: int
    frames: int

    @property
    def progressive(self) -> bool:
        """Whether the file holds several passes of growing detail."""
        return self.coding.endswith("progressive")

    @property
    def subsampling(self) -> str:
        """Chroma subsampling: "4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0", "gray" or "other"."""
        if self.components == 1:
            return "gray"
        (across, down), *chroma = self.sampling
        if self.components != 3 or any(pair != (1, 1) for pair in chroma):
            return "4:4:4" if len(set(self.sampling)) == 1 else "other"
        names = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1", (4, 2): "4:1:0"}
        return names.get((across, down), "other")

    @property
    def quality(self) -> int | None:
        """Quality 1 to 100 at which libjpeg writes exactly these tables; None where they are not libjpeg's."""
        if not self.tables:
            return None
        luma, *chroma = self.tables
        quality = _qualities().get(luma)
        if quality is None or any(table != _scaled(_CHROMA, quality) for table in chroma[:2]):
            return None
        return quality


def _scaled(table: Table, quality: int) -> Table:
    """Annex K's example table at a quality, as libjpeg's jpeg_set_quality scales it for baseline files."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(min(max((value * scale + 50) // 100, 1), 255) for value in table)


@cache
def _qualities() -> dict[Table, int]:
    return {_scaled(_LUMA, quality): quality for quality in range(1, 101)}


class _Walk:
    """Collects facts segment by segment."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.frame: bytes = b""
        self.coding = ""
        self.tables: dict[int, Table] = {}
        self.adobe: int | None = None
        self.exif = b""
        self.frames = 1

    def segment(self, marker: int, body: bytes) -> None:
        if marker in _FRAMES:
            if self.frame:
                raise TruncatedImageError(self.name, "the JPEG has two frame headers")
            if len(body) < 6 or len(body) < 6 + 3 * body[5]:
                raise TruncatedImageError(self.name, "the JPEG frame header is damaged")
            self.frame, self.coding = body, _FRAMES[marker]
        elif marker in _UNKNOWN_FRAMES:
            raise UnsupportedImageError(self.name, f"JPEG coding 0x{marker:02x} is not supported by any usual decoder")
        elif marker == _DQT:
            self.quantisation(body)
        elif marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
            self.adobe = body[11]
        elif marker == _APP1 and body.startswith(b"Exif\0\0"):
            self.exif += body[6:]
        elif marker == _APP2 and body.startswith(b"MPF\0"):
            self.frames = max(next(directories(body[4:], 1), {}).get(_MPF_NUMBER_OF_IMAGES, 1), 1)

    def quantisation(self, body: bytes) -> None:
        position = 0
        while position < len(body):
            wide, slot = body[position] >> 4, body[position] & 15
            size = 128 if wide else 64
            values = body[position + 1 : position + 1 + size]
            if len(values) < size:
                return
            coefficients = [int.from_bytes(values[i : i + 2]) for i in range(0, 128, 2)] if wide else list(values)
            raster = [0] * 64
            for place, value in zip(_ZIGZAG, coefficients, strict=True):
                raster[place] = value
            self.tables[slot] = tuple(raster)
            position += 1 + size

    def facts(self) -> JpegFacts:
        precision, height, width = self.frame[0], int.from_bytes(self.frame[1:3]), int.from_bytes(self.frame[3:5])
        components = [self.frame[6 + 3 * i : 9 + 3 * i] for i in range(self.frame[5])]
        if not width or not height or not components:
            raise UnsupportedImageError(self.name, f"the JPEG says it is {width} x {height} pixels")
        return JpegFacts(
            width=width,
            height=height,
            components=len(components),
            precision=precision,
            coding=self.coding,
            sampling=tuple((factors >> 4, factors & 15) for _, factors, _ in components),
            tables=tuple(self.tables.get(slot, ()) for _, _, slot in components),
            adobe_transform=self.adobe,
            orientation=exif_orientation(self.exif),
            frames=self.frames,
        )


def jpeg_facts(data: bytes, name: str = "<bytes>") -> JpegFacts:
    """Read the headers of a JPEG up to its first scan.

    Args:
        data: The file's bytes.
        name: What errors call it.

    Returns:
        The facts; the size is at least 1 x 1.

    Raises:
        TruncatedImageError: The headers end early or are damaged.
        UnsupportedImageError: Not a JPEG, or one of a kind that no usual decoder reads.
    """
    if data[:2] != b"\xff\xd8":
        raise UnsupportedImageError(name, "the bytes are not a JPEG")
    walk = _Walk(name)
    position = 2
    while True:
        position = data.find(b"\xff", position)
        while 0 <= position < len(data) and data[position] == 0xFF:
            position += 1
        if position < 0 or position >= len(data):
            raise TruncatedImageError(name, "the JPEG ends within its headers")
        marker, position = data[position], position + 1
        if marker == 0 or marker in _BARE:
            continue
        if marker in {_SOI, _EOI}:
            raise TruncatedImageError(name, "the JPEG has no image data")
        length = int.from_bytes(data[position : position + 2])
        if position + length > len(data) or length < 2:
            raise TruncatedImageError(name, "the JPEG ends within its headers")
        if marker == _SOS:
            if not walk.frame:
                raise TruncatedImageError(name, "the JPEG has no frame header")
            return walk.facts()
        walk.segment(marker, data[position + 2 : position + length])
        position += length
