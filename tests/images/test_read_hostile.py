"""What `read` makes of input that is damaged, disguised, oversized or no image at all."""

from __future__ import annotations

import io
import os
import struct
import sys
import time
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from contrafake.errors import ImageError, ImageTooLargeError, TruncatedImageError, UnsupportedImageError
from contrafake.images import Limits, read

if TYPE_CHECKING:
    from pathlib import Path


def sample(format_name: str, **options: Any) -> bytes:
    rng = np.random.default_rng(3)
    image = Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    target = io.BytesIO()
    image.save(target, format_name, **options)
    return target.getvalue()


FILES = {
    "JPEG": sample("JPEG"),
    "progressive": sample("JPEG", progressive=True),
    "PNG": sample("PNG"),
    "WEBP": sample("WEBP"),
    "GIF": sample("GIF"),
    "TIFF": sample("TIFF", compression="tiff_lzw"),
    "BMP": sample("BMP"),
    "AVIF": sample("AVIF"),
    "PPM": sample("PPM"),
}


def png_claiming(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 1000)
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


# -- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut_short(kind: str, share: float) -> None:
    data = FILES[kind]
    with pytest.raises(TruncatedImageError) as caught:
        read(data[: int(len(data) * share)], name="cut.img")
    assert caught.value.subject == "cut.img"


@pytest.mark.parametrize("missing", [1, 2, 10, 100])
@pytest.mark.parametrize("kind", ["JPEG", "progressive"])
def test_jpeg_without_its_end(kind: str, missing: int) -> None:
    with pytest.raises(TruncatedImageError):
        read(FILES[kind][:-missing])


def test_jpeg_whose_end_marker_comes_too_early() -> None:
    """Pillow would fill the rest with grey and say nothing."""
    data = FILES["JPEG"]
    early = data[: len(data) * 2 // 3] + b"\xff\xd9"
    with pytest.raises(TruncatedImageError):
        read(early)


@pytest.mark.parametrize("kind", ["JPEG", "progressive", "PNG", "WEBP", "GIF", "TIFF"])
def test_any_corruption_is_a_typed_error_or_a_picture(kind: str) -> None:
    original = FILES[kind]

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(st.tuples(st.integers(0, len(original) - 1), st.integers(0, 255)), min_size=1, max_size=8),
        st.integers(0, len(original)),
        st.booleans(),
    )
    def check(changes: list[tuple[int, int]], length: int, cut: bool) -> None:
        data = bytearray(original)
        for place, value in changes:
            # Headers are where the interesting damage is.
            data[place % (200 if value % 2 else len(data))] = value
        try:
            picture = read(bytes(data[:length] if cut else data), limits=Limits(max_pixels=1_000_000))
        except ImageError:
            return
        assert picture.pixels.ndim == 3
        assert picture.pixels.size > 0

    check()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([data[:n] for data in FILES.values() for n in (3, 12, 30)]))
def test_noise_behind_a_real_beginning(noise: bytes, start: bytes) -> None:
    with pytest.raises(ImageError):
        read(start + noise, limits=Limits(max_pixels=10_000))


# -- disguise ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<!DOCTYPE html><html><body>404", "HTML page"),
        (b"\xef\xbb\xbf  <html>", "HTML page"),
        (b"PK\x03\x04rest", "ZIP archive"),
        (b"%PDF-1.7\n", "PDF document"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG drawing"),
        (b'{"error": "not found"}', "JSON text"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"hello, world\n", "plain text"),
        (b"\0" * 5000, "zero bytes"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "video"),
        (b"\x8a\x01\x02\x03", "no known image format"),
        (b"\xff\x0a\0\0", "JPEG XL"),
    ],
)
def test_strangers_are_named(data: bytes, words: str) -> None:
    with pytest.raises(UnsupportedImageError, match=words) as caught:
        read(data, name="photo.jpg")
    assert str(caught.value).startswith("photo.jpg: ")


def test_empty_input_says_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.touch()
    for source in (path, b"", io.BytesIO()):
        with pytest.raises(UnsupportedImageError, match="empty"):
            read(source)


def test_postscript_is_never_started_even_behind_an_image_suffix(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    with pytest.raises(UnsupportedImageError):
        read(path)


def test_camera_raw_is_refused_instead_of_its_preview() -> None:
    entries = [(254, 4, 1), (256, 3, 1), (257, 3, 1), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (330, 4, 9)]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in entries)
    with pytest.raises(UnsupportedImageError, match="camera raw"):
        read(b"II*\0" + struct.pack("<I", 8) + directory + b"\0" * 4)


# -- bounds -----------------------------------------------------------------------------------------------------------


def test_pixels_are_bounded_by_the_header() -> None:
    started = time.perf_counter()
    bombs = [png_claiming(60_000, 60_000), b"P6 60000 60000 255\n" + b"\0" * 100]
    jpeg = bytearray(FILES["JPEG"])
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    bombs.append(bytes(jpeg))
    gif = bytearray(FILES["GIF"])
    gif[6:10] = struct.pack("<HH", 60_000, 60_000)
    bombs.append(bytes(gif))
    webp_header = b"VP8X" + struct.pack("<I", 10) + b"\0" * 4 + (16_382).to_bytes(3, "little") * 2
    bombs.append(b"RIFF" + struct.pack("<I", 4 + len(webp_header)) + b"WEBP" + webp_header)
    for bomb in bombs:
        with pytest.raises(ImageTooLargeError, match="200,000,000 pixels"):
            read(bomb)
    assert time.perf_counter() - started < 1


def test_pixel_limit_is_exact_for_every_door() -> None:
    array = np.zeros((40, 50, 3), dtype=np.uint8)
    sources: list[Any] = [*FILES.values(), array, Image.fromarray(array)]
    for source in sources:
        assert read(source, limits=Limits(max_pixels=2000)).pixels.shape == (40, 50, 3)
        with pytest.raises(ImageTooLargeError):
            read(source, limits=Limits(max_pixels=1999))


def test_byte_limit_is_exact_for_every_door(tmp_path: Path) -> None:
    data = FILES["PNG"]
    path = tmp_path / "a.png"
    path.write_bytes(data)
    for make in (lambda: path, lambda: data, lambda: io.BytesIO(data)):
        assert read(make(), limits=Limits(max_bytes=len(data))).format == "PNG"
        with pytest.raises(ImageTooLargeError):
            read(make(), limits=Limits(max_bytes=len(data) - 1))


def test_endless_stream_is_left_after_the_limit() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1, /) -> bytes:
            self.given += size
            return b"\xff" * size

    stream = Endless()
    with pytest.raises(ImageTooLargeError):
        read(stream, limits=Limits(max_bytes=5_000_000))  # type: ignore[arg-type]
    assert stream.given == 5_000_001


def test_frames_are_bounded_without_decoding() -> None:
    block = b"!\xf9\x04\0\0\0\0\0" + b",\0\0\0\0\x01\0\x01\0\0" + b"\x02\x02L\x01\0"
    head = b"GIF89a\x01\0\x01\0\x80\0\0" + b"\0\0\0\xff\xff\xff"
    assert read(head + block * 10_000 + b";").notes == ("first of 10000 frames",)
    started = time.perf_counter()
    with pytest.raises(ImageTooLargeError, match="10,000 frames"):
        read(head + block * 500_000 + b";")
    assert time.perf_counter() - started < 1


def test_tiff_whose_directories_form_a_ring() -> None:
    data = bytearray(sample("TIFF"))
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    struct.pack_into("<I", data, start + 2 + 12 * count, start)
    assert read(bytes(data)).notes == ()


def test_tiff_of_overlapping_directories_is_left_soon() -> None:
    """Each directory begins 16 bytes after the one before and claims the same 4000 entries."""
    data = bytearray(b"II*\0" + struct.pack("<I", 8) + b"\0" * 200_000)
    for start in range(8, 120_000, 16):
        struct.pack_into("<H", data, start, 4000)
    for start in range(8, 120_000, 16):
        struct.pack_into("<I", data, start + 2 + 12 * 4000, start + 16)
    started = time.perf_counter()
    with pytest.raises(ImageError):
        read(bytes(data))
    assert time.perf_counter() - started < 3


def test_jpeg_of_absurdly_many_scans() -> None:
    data = FILES["progressive"]
    scan = data.rindex(b"\xff\xda")
    with pytest.raises(UnsupportedImageError, match="scans"):
        read(data[:scan] + data[scan:-2] * 600 + b"\xff\xd9")


def test_no_pixels() -> None:
    for source in (png_claiming(0, 5), np.zeros((0, 5, 3), dtype=np.uint8), b"P6 0 5 255\n", Image.new("RGB", (0, 3))):
        with pytest.raises(ImageError):
            read(source)


# -- what is no file --------------------------------------------------------------------------------------------------


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.png: no such file"):
        read(tmp_path / "none.png")
    with pytest.raises(ImageError, match="download it first"):
        read("https://example.org/a.png")
    with pytest.raises(UnsupportedImageError, match="is a directory"):
        read(tmp_path)
    with pytest.raises(ImageError):
        read("a\0b.png")


@pytest.mark.skipif(sys.platform == "win32", reason="no such things there")
def test_pipe_and_device_are_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    with pytest.raises(UnsupportedImageError, match="named pipe"):
        read(pipe)
    with pytest.raises(UnsupportedImageError, match="device"):
        read("/dev/zero")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(FILES["PNG"])

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Root may read everything, so the refusal is staged.
    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(ImageError, match=r"secret\.png: no permission"):
        read(path)


def test_sources_of_the_wrong_kind() -> None:
    wrong: list[tuple[Any, str]] = [
        (3, "int"),
        (None, "NoneType"),
        (io.StringIO("text"), "str, not bytes"),
        (np.zeros((4, 4, 3)), "float64"),
        (np.zeros((4, 4, 3), dtype=np.int32), "int32"),
        (np.zeros((4, 4, 2), dtype=np.uint8), "shape"),
        (np.zeros((3, 4, 5), dtype=np.uint8), "shape"),
        (np.zeros(4, dtype=np.uint8), "shape"),
        (Image.new("F", (4, 4)), "floating-point"),
        (Image.new("I", (4, 4)), "32-bit"),
    ]
    for source, words in wrong:
        with pytest.raises(UnsupportedImageError, match=words):
            read(source)


def test_heic_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnsupportedImageError, match=r'pip install "contrafake\[heif\]"'):
        read(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 100)
