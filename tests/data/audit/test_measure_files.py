"""What the headers say, on files written here by Pillow and by hand, and on damaged ones."""

from __future__ import annotations

import hashlib
import io
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from contrafake.data.audit.measure import FEATURES, measure
from contrafake.data.audit.segments import extras
from contrafake.errors import ImageError

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8)


def saved(format_name: str, mode: str = "RGB", **settings: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(buffer, format_name, **settings)
    return buffer.getvalue()


def values(data: bytes, name: str = "") -> dict[str, Any]:
    return dict(measure(data, name).values)


def with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    return jpeg[:2] + bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2) + body + jpeg[2:]


def with_chunk(png: bytes, kind: bytes, body: bytes) -> bytes:
    chunk = len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)
    return png[:33] + chunk + png[33:]  # after IHDR


def test_features_have_unique_names_and_every_room() -> None:
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    assert {feature.room for feature in FEATURES} == {"file", "history", "pixels", "name", "content"}
    assert all(feature.title and feature.phrase for feature in FEATURES)
    assert all("{value}" in feature.phrase for feature in FEATURES if feature.kind == "category")


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_feature_has_a_value_of_its_kind(format_name: str) -> None:
    data = saved(format_name)
    found = measure(data, "a.png")
    assert list(found.values) == [feature.name for feature in FEATURES]
    for feature in FEATURES:
        value = found.values[feature.name]
        kind = str if feature.kind == "category" else float
        assert value is None or type(value) is kind, feature.name
    assert found.values["format"] == format_name
    assert measure(data, "a.png") == found


def test_sizes_worked_by_hand() -> None:
    data = saved("PNG")
    found = values(data)
    assert (found["width"], found["height"], found["longer_side"]) == (80, 48, 80)
    assert found["aspect"] == pytest.approx(80 / 48)
    assert found["bytes"] == len(data)
    assert found["bits_per_pixel"] == pytest.approx(len(data) * 8 / 3840)


def test_jpeg_headers() -> None:
    found = values(saved("JPEG", quality=83, subsampling="4:2:2", progressive=True))
    assert (found["jpeg_quality"], found["jpeg_encoder"]) == (83, "libjpeg")
    assert (found["subsampling"], found["coding"], found["depth"], found["mode"]) == (
        "4:2:2",
        "progressive",
        "8",
        "RGB",
    )
    assert found["segments"] == "JFIF DQT SOF2 DHT"
    foreign = values(saved("JPEG", qtables=[[7] * 64, [9] * 64]))
    assert (foreign["jpeg_quality"], foreign["jpeg_encoder"]) == (None, "other")
    assert foreign["jpeg_tables"] != found["jpeg_tables"]
    grey = values(saved("JPEG", "L"))
    assert (grey["mode"], grey["subsampling"]) == ("grey", "gray")


def test_others_have_no_jpeg_headers() -> None:
    found = values(saved("PNG"))
    assert (found["jpeg_quality"], found["jpeg_encoder"], found["jpeg_tables"]) == (None, None, None)
    assert (found["subsampling"], found["coding"], found["depth"]) == (None, "plain", "8")
    assert found["segments"] == "IHDR IDAT IEND"
    assert values(saved("WEBP", lossless=True))["coding"] == "lossless"
    assert values(saved("WEBP"))["coding"] == "lossy"


@pytest.mark.parametrize(
    ("format_name", "mode", "expected"),
    [
        ("PNG", "RGBA", "RGB + alpha"),
        ("PNG", "L", "grey"),
        ("PNG", "LA", "grey + alpha"),
        ("PNG", "P", "palette"),
        ("WEBP", "RGB", "RGB"),
        ("JPEG", "CMYK", "CMYK"),
    ],
)
def test_modes(format_name: str, mode: str, expected: str) -> None:
    assert values(saved(format_name, mode))["mode"] == expected


@pytest.mark.parametrize("lossless", [False, True])
def test_a_webp_with_alpha_says_so(lossless: bool) -> None:
    image = Image.fromarray(PIXELS).convert("RGBA")
    image.putalpha(100)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=lossless)
    assert values(buffer.getvalue())["mode"] == "RGB + alpha"


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_exif_and_profiles_are_seen(format_name: str) -> None:
    plain = values(saved(format_name))
    assert (plain["exif"], plain["profile"], plain["metadata"]) == (None, None, None)
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = values(saved(format_name, exif=exif, icc_profile=srgb))
    assert (found["exif"], found["profile"]) == ("EXIF", "sRGB")
    other = values(saved(format_name, icc_profile=b"some other profile" * 10))
    assert other["profile"].startswith("profile ")


def test_exif_in_an_avif() -> None:
    pytest.importorskip("PIL._avif")
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    assert values(saved("AVIF", exif=exif))["exif"] == "EXIF"
    assert values(saved("AVIF"))["exif"] is None


def test_metadata_is_named() -> None:
    jpeg, png = saved("JPEG"), saved("PNG")
    assert values(with_segment(jpeg, 0xFE, b"made by hand"))["metadata"] == "comment"
    assert values(with_segment(jpeg, 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"))["metadata"] == "XMP"
    assert values(with_segment(jpeg, 0xEB, b"JP\0\1\0\0\0\1\0\0\0\0jumb....c2pa"))["metadata"] == "C2PA"
    both = with_segment(with_segment(jpeg, 0xED, b"Photoshop 3.0\0"), 0xFE, b"x")
    assert values(both)["metadata"] == "IPTC, comment"
    assert values(with_chunk(png, b"caBX", b"...."))["metadata"] == "C2PA"
    assert values(with_chunk(png, b"sRGB", b"\0"))["profile"] == "sRGB"
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a cat, Steps: 20")
    assert values(saved("PNG", pnginfo=info))["metadata"] == "text:parameters"
    assert values(with_chunk(png, b"tEXt", b"a\x1b[31mkey\0x"))["metadata"] == "text:a?[31mkey"


def test_a_wrong_suffix_is_seen() -> None:
    assert [values(saved("PNG"), name)["suffix"] for name in ("a.jpg", "a.PNG", "a", "a.dat")] == [
        "does not fit",
        *["fits"] * 3,
    ]


def test_a_compressed_bomb_of_a_profile_stays_small() -> None:
    bomb = b"name\0\0" + zlib.compress(b"\0" * (1 << 26))
    found = extras(with_chunk(saved("PNG"), b"iCCP", bomb), "PNG")
    first = hashlib.sha256(bytes(1 << 20)).hexdigest()[:6]  # of what lies within the bound
    assert found.profile == f"profile {first}"


def test_profiles_in_pieces_and_odd_chunks() -> None:
    pieces = with_segment(saved("JPEG"), 0xE2, b"ICC_PROFILE\0\2\2RGB")
    pieces = with_segment(pieces, 0xE2, b"ICC_PROFILE\0\1\2s")
    assert extras(pieces, "JPEG").profile == "sRGB"
    webp = saved("WEBP") + b"XMP \3\0\0\0<x>\0" + b"EXIF\4\0\0\0MM\0*"
    assert extras(webp, "WEBP").exif
    assert extras(webp, "WEBP").kinds == {"XMP"}


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF"])
@given(data=st.data())
@settings(max_examples=60)
def test_damaged_files_are_measured_or_refused(format_name: str, data: st.DataObject) -> None:
    broken = bytearray(WHOLE[format_name])
    for _ in range(data.draw(st.integers(1, 6))):
        broken[data.draw(st.integers(0, min(len(broken) - 1, 700)))] = data.draw(st.integers(0, 255))
    del broken[data.draw(st.integers(1, len(broken))) :]
    extras(bytes(broken), format_name)  # never raises
    try:
        found = measure(bytes(broken), "a.jpg")
    except ImageError:
        return
    assert len(found.values) == len(FEATURES)


WHOLE = {name: saved(name) for name in ("JPEG", "PNG", "WEBP", "TIFF")}


def test_what_is_no_image_is_refused_by_name() -> None:
    with pytest.raises(ImageError, match=r"^a\.jpg: "):
        measure(b"<html>not found</html>", "a.jpg")
    with pytest.raises(ImageError):
        measure(b"", "")


def test_hashes_come_along() -> None:
    data = saved("PNG")
    found = measure(data, "")
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert 0 < found.phash < 2**64
    assert 0 < found.phash2 < 2**64
