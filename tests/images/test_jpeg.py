"""JPEG facts against what was asked of the encoder, and against hostile headers."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from contrafake.errors import ImageError, TruncatedImageError, UnsupportedImageError
from contrafake.images import jpeg_facts


def written(mode: str = "RGB", size: tuple[int, int] = (50, 30), **options: Any) -> bytes:
    target = io.BytesIO()
    Image.new(mode, size, 90).save(target, "JPEG", **options)
    return target.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def test_size_and_kind() -> None:
    facts = jpeg_facts(written(size=(50, 30)))
    assert (facts.width, facts.height, facts.components, facts.precision) == (50, 30, 3, 8)
    assert (facts.coding, facts.progressive, facts.orientation, facts.frames) == ("baseline", False, 1, 1)
    assert facts.adobe_transform is None
    progressive = jpeg_facts(written(progressive=True))
    assert (progressive.coding, progressive.progressive) == ("progressive", True)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1"])
def test_subsampling(subsampling: str) -> None:
    pixels = np.zeros((30, 50, 3), dtype=np.uint8)
    data = simplejpeg.encode_jpeg(pixels, 90, "RGB", subsampling.replace(":", ""))
    assert jpeg_facts(data).subsampling == subsampling


def test_grey_and_cmyk() -> None:
    assert (jpeg_facts(written("L")).components, jpeg_facts(written("L")).subsampling) == (1, "gray")
    cmyk = jpeg_facts(written("CMYK"))
    assert (cmyk.components, cmyk.adobe_transform) == (4, 0)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_quality_of_libjpegs_tables_is_recovered(mode: str) -> None:
    assert [jpeg_facts(written(mode, quality=q)).quality for q in range(1, 101)] == list(range(1, 101))


def test_other_tables_have_no_quality() -> None:
    flat = [[7] * 64, [9] * 64]
    facts = jpeg_facts(written(qtables=flat))
    assert facts.quality is None
    assert [set(table) for table in facts.tables] == [{7}, {9}, {9}]
    facts = jpeg_facts(written(quality=75))
    mixed = jpeg_facts(written(qtables=[list(facts.tables[0]), [9] * 64]))
    assert (mixed.tables[0], mixed.quality) == (facts.tables[0], None)


def test_tables_are_in_raster_order() -> None:
    """At quality 50 libjpeg's tables are those of Annex K."""
    luma, chroma, again = jpeg_facts(written(quality=50)).tables
    assert luma[:9] == (16, 11, 10, 16, 24, 40, 51, 61, 12)
    assert luma[56:] == (72, 92, 95, 98, 112, 100, 103, 99)
    assert chroma == again
    assert chroma[:9] == (17, 18, 24, 47, 99, 99, 99, 99, 18)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("value", "expected"), [(1, 1), (6, 6), (8, 8), (0, 1), (9, 1), (65535, 1)])
def test_exif_orientation(order: str, value: int, expected: int) -> None:
    start = b"II*\0" if order == "<" else b"MM\0*"
    tiff = start + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, value, 0, 0)
    data = written()
    data = data[:2] + segment(0xE1, b"Exif\0\0" + tiff) + data[2:]
    assert jpeg_facts(data).orientation == expected
    assert Image.open(io.BytesIO(data)).getexif().get(0x0112) == value


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_exif_block_of_noise_is_ignored(noise: bytes) -> None:
    data = written()
    for start in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"):
        facts = jpeg_facts(data[:2] + segment(0xE1, b"Exif\0\0" + start + noise) + data[2:])
        assert 1 <= facts.orientation <= 8
        assert facts.width == 50


def test_fill_bytes_and_stray_bytes_are_skipped_as_libjpeg_does() -> None:
    data = written()
    for stray in (b"\xff" * 9, b"junk", b"\xff\x00", b"\xff\xd0"):
        assert jpeg_facts(data[:2] + stray + data[2:]) == jpeg_facts(data)


def test_frame_header_hidden_in_a_comment_is_not_believed() -> None:
    data = written()
    fake = segment(0xC0, struct.pack(">BHHB", 8, 1, 1, 1) + b"\x01\x11\0")
    assert jpeg_facts(data[:2] + segment(0xFE, fake) + data[2:]).width == 50


def test_two_frame_headers_are_refused() -> None:
    fake = segment(0xC0, struct.pack(">BHHB", 8, 1, 1, 1) + b"\x01\x11\0")
    data = written()
    with pytest.raises(TruncatedImageError, match="two frame headers"):
        jpeg_facts(data[:2] + fake + data[2:])


def test_damage_names_the_file() -> None:
    data = written()
    scan = data.index(b"\xff\xda")
    for length in (2, 3, 4, 10, 100, scan, scan + 3):
        with pytest.raises(TruncatedImageError) as caught:
            jpeg_facts(data[:length], "holiday.jpg")
        assert caught.value.subject == "holiday.jpg"
    with pytest.raises(TruncatedImageError, match="no image data"):
        jpeg_facts(data[:20] + b"\xff\xd9")
    with pytest.raises(UnsupportedImageError, match="not a JPEG"):
        jpeg_facts(b"\x89PNG")
    frame = data.index(b"\xff\xc0")
    with pytest.raises(UnsupportedImageError, match="0 pixels"):
        jpeg_facts(data[: frame + 5] + b"\0\0" + data[frame + 7 :])


def test_cost_is_bounded_on_a_large_file_of_markers() -> None:
    with pytest.raises(ImageError):
        jpeg_facts(b"\xff\xd8" + b"\xff" * 5_000_00)
    with pytest.raises(ImageError):
        jpeg_facts(b"\xff\xd8" + segment(0xFE, b"") * 100_000)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_noise_gives_facts_or_an_image_error(draw: st.DataObject) -> None:
    data = bytearray(written())
    for _ in range(draw.draw(st.integers(1, 6))):
        data[draw.draw(st.integers(2, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        facts = jpeg_facts(bytes(data))
    except ImageError:
        return
    assert facts.width > 0
    assert facts.height > 0
    assert facts.subsampling
    assert facts.quality is None or 1 <= facts.quality <= 100
    assert len(facts.tables) == facts.components == len(facts.sampling)
    assert np.isfinite(facts.orientation)
