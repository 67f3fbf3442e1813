"""What `read` makes of well-formed images of every kind, with values worked out by hand."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from contrafake.images import Picture, read

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
WHITE, BLACK, GREY = (255, 255, 255), (0, 0, 0), (128, 128, 128)


def photo(height: int = 45, width: int = 61, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth colour with some noise: compresses like a photograph."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = np.stack([128 + 100 * np.sin(x / 7 + c) * np.cos(y / (5 + c)) for c in range(3)], axis=2)
    return (waves + rng.normal(0, 6, waves.shape)).clip(0, 255).astype(np.uint8)


def saved(image: Image.Image, format_name: str, **settings: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, format_name, **settings)
    return target.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *, extra: bytes = b"") -> bytes:
    """A PNG written by hand: `rows` holds the filter byte of every row."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def colours(picture: Picture) -> list[list[tuple[int, ...]]]:
    return [[tuple(int(v) for v in pixel) for pixel in row] for row in picture.pixels]


# -- the picture ------------------------------------------------------------------------------------------------------


def test_picture_carries_facts_and_readonly_contiguous_pixels(tmp_path: Path) -> None:
    data = saved(Image.fromarray(photo()), "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    picture = read(path)
    assert np.array_equal(picture.pixels, photo())
    assert (picture.name, picture.format, picture.width, picture.height) == (str(path), "PNG", 61, 45)
    assert picture.sha256 == hashlib.sha256(data).hexdigest()
    assert picture.notes == ()
    assert picture.pixels.flags.c_contiguous
    assert picture.pixels.dtype == np.uint8
    with pytest.raises(ValueError, match="read-only"):
        picture.pixels[0, 0, 0] = 1


def test_name_can_be_given_and_has_a_default() -> None:
    data = saved(Image.fromarray(photo()), "PNG")
    assert read(data, name="mine").name == "mine"
    assert read(data).name == "<bytes>"
    assert read(io.BytesIO(data)).name == "<file>"
    assert read(photo()).name == "<array>"


DOORS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("JPEG", {"quality": 83}),
    "jpeg444": ("JPEG", {"quality": 95, "subsampling": "4:4:4"}),
    "progressive": ("JPEG", {"progressive": True}),
    "turned": ("JPEG", {"exif": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {"quality": 70}),
    "tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "bmp": ("BMP", {}),
    "gif": ("GIF", {}),
    "avif": ("AVIF", {}),
    "ppm": ("PPM", {}),
}


@pytest.mark.parametrize("kind", DOORS)
def test_every_door_gives_the_same_pixels(kind: str, tmp_path: Path) -> None:
    format_name, settings = DOORS[kind]
    data = saved(Image.fromarray(photo()), format_name, **settings)
    path = tmp_path / "image"
    path.write_bytes(data)
    by_path = read(path)
    with path.open("rb") as file:
        by_file = read(file)
    with Image.open(path) as image:
        by_pillow = read(image)
    others = [read(str(path)), read(data), by_file, by_pillow, read(np.asarray(by_path.pixels))]
    for other in others:
        assert np.array_equal(other.pixels, by_path.pixels)
    assert by_path.format == by_pillow.format == format_name
    assert by_file.sha256 == by_path.sha256
    assert by_pillow.sha256 is None
    assert (by_path.width, by_path.height) == (by_pillow.width, by_pillow.height) == (61, 45)


def test_file_object_is_read_from_where_it_stands() -> None:
    data = saved(Image.fromarray(photo()), "JPEG")
    file = io.BytesIO(b"header" + data)
    file.seek(6)
    assert read(file).sha256 == hashlib.sha256(data).hexdigest()


def test_raw_streams_that_give_few_bytes_at_a_time_are_read_whole() -> None:
    data = saved(Image.fromarray(photo()), "JPEG")

    class Dripping(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 100))

    assert read(Dripping(data)).sha256 == hashlib.sha256(data).hexdigest()


# -- JPEG -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("size", [(45, 61), (1, 1), (2, 3), (16, 16), (17, 33)])
def test_jpeg_pixels_are_pillows_pixels(subsampling: str, size: tuple[int, int]) -> None:
    for quality in (1, 60, 100):
        for progressive in (False, True):
            for mode in ("RGB", "L"):
                image = Image.fromarray(photo(*size)).convert(mode)
                settings = {"subsampling": subsampling} if mode == "RGB" else {}
                data = saved(image, "JPEG", quality=quality, progressive=progressive, **settings)
                expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
                assert np.array_equal(read(data).pixels, expected)


@pytest.mark.parametrize("subsampling", ["440", "411", "Gray"])
def test_samplings_that_pillow_cannot_write(subsampling: str) -> None:
    data = simplejpeg.encode_jpeg(photo(37, 53), 85, "RGB", subsampling)
    assert np.array_equal(read(data).pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def test_rgb_jpeg_without_colour_transform() -> None:
    data = saved(Image.fromarray(photo()), "JPEG", keep_rgb=True, quality=100)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(read(data).pixels, expected)
    assert np.abs(read(data).pixels.astype(int) - photo()).max() < 6


def test_unusual_sampling_factors_are_left_to_pillow() -> None:
    """A grey JPEG that declares 2 x 2 sampling, as some cameras write it."""
    data = bytearray(saved(Image.fromarray(photo(16, 16)).convert("L"), "JPEG"))
    frame = data.index(b"\xff\xc0")
    assert data[frame + 11] == 0x11
    data[frame + 11] = 0x22
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(read(bytes(data)).pixels, expected)


def test_cmyk_jpeg_is_inverted_as_adobe_means_it() -> None:
    ink = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    picture = read(saved(ink, "JPEG", quality=100))
    assert np.abs(picture.pixels.astype(int) - RED).max() <= 3


def test_ordinary_jpeg_needs_no_pillow(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(Image.fromarray(photo()), "JPEG"))
    code = f"import sys; from contrafake.images import read; read({str(path)!r}); print('PIL' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False"


def test_bytes_after_the_end_of_a_jpeg_are_harmless() -> None:
    data = saved(Image.fromarray(photo()), "JPEG")
    for tail in (b"\0" * 1000, b"motion photo" * 50, data):
        assert np.array_equal(read(data + tail).pixels, read(data).pixels)


def test_stray_bytes_before_a_marker_are_harmless() -> None:
    data = saved(Image.fromarray(photo()), "JPEG")
    assert np.array_equal(read(data[:-2] + b"\0\0\0\0" + data[-2:]).pixels, read(data).pixels)


def test_mpo_gives_its_first_picture() -> None:
    image = Image.fromarray(photo())
    data = saved(image, "MPO", save_all=True, append_images=[Image.fromarray(photo(seed=1))])
    picture = read(data)
    assert picture.format == "MPO"
    assert picture.notes == ("first of 2 frames",)
    assert np.array_equal(picture.pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


# -- orientation ------------------------------------------------------------------------------------------------------

# The upright picture is red green / blue white / black grey; a camera that is told the orientation stores this:
STORED = {
    1: [[RED, GREEN], [BLUE, WHITE], [BLACK, GREY]],
    2: [[GREEN, RED], [WHITE, BLUE], [GREY, BLACK]],
    3: [[GREY, BLACK], [WHITE, BLUE], [GREEN, RED]],
    4: [[BLACK, GREY], [BLUE, WHITE], [RED, GREEN]],
    5: [[RED, BLUE, BLACK], [GREEN, WHITE, GREY]],
    6: [[GREEN, WHITE, GREY], [RED, BLUE, BLACK]],
    7: [[GREY, WHITE, GREEN], [BLACK, BLUE, RED]],
    8: [[BLACK, BLUE, RED], [GREY, WHITE, GREEN]],
}


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_all_orientations(orientation: int, format_name: str) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    settings = {"lossless": True} if format_name == "WEBP" else {}
    stored = np.array(STORED[orientation], dtype=np.uint8)
    data = saved(Image.fromarray(stored), format_name, exif=exif, **settings)
    picture = read(data)
    assert colours(picture) == STORED[1]
    assert (picture.height, picture.width) == stored.shape[:2]
    assert picture.pixels.flags.c_contiguous
    lazy, loaded = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(data))
    loaded.load()
    assert colours(read(lazy)) == colours(read(loaded)) == STORED[1]


@pytest.mark.parametrize("orientation", STORED)
def test_all_orientations_of_jpeg(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    stored = np.kron(np.array(STORED[orientation], dtype=np.uint8), np.ones((16, 16, 1), dtype=np.uint8))
    picture = read(saved(Image.fromarray(stored), "JPEG", quality=100, subsampling="4:4:4", exif=exif))
    assert picture.pixels.shape == (48, 32, 3)
    assert (picture.height, picture.width) == stored.shape[:2]
    centres = picture.pixels[8::16, 8::16].astype(int)
    assert np.abs(centres - np.array(STORED[1])).max() <= 2


# -- transparency and depth -------------------------------------------------------------------------------------------


def test_alpha_is_composed_over_white_exactly() -> None:
    # (alpha * colour + (255 - alpha) * 255) / 255: 127.0, 255, 0, 155.0 (51 * 0 is 204), 254.0 and 178.37
    rgba = np.array([[(0, 0, 0, 128), (7, 8, 9, 0), (0, 0, 0, 255), (5, 0, 0, 51), (0, 0, 0, 1), (100, 0, 0, 126)]])
    expected = [[(127, 127, 127), WHITE, BLACK, (205, 204, 204), (254, 254, 254), (178, 129, 129)]]
    rgba = rgba.astype(np.uint8)
    assert colours(read(rgba)) == expected
    assert colours(read(Image.fromarray(rgba))) == expected
    assert colours(read(saved(Image.fromarray(rgba), "PNG"))) == expected
    assert colours(read(saved(Image.fromarray(rgba), "TIFF"))) == expected


def test_alpha_composition_rounds_correctly_for_all_values() -> None:
    alpha, colour = np.meshgrid(np.arange(256), np.arange(256))
    rgba = np.stack([colour, colour, colour, alpha], axis=2).astype(np.uint8)
    exact = alpha * colour / 255 + (255 - alpha)
    assert np.abs(read(rgba).pixels[..., 0] - exact).max() <= 0.5


def test_grey_with_alpha_and_palette_with_transparency() -> None:
    la = Image.new("LA", (1, 1), (0, 128))
    assert colours(read(saved(la, "PNG"))) == [[(127, 127, 127)]]
    palette = Image.new("P", (3, 1))
    palette.putpalette([*RED, *GREEN, *BLUE])
    palette.putdata([0, 1, 2])
    assert colours(read(saved(palette, "PNG"))) == [[RED, GREEN, BLUE]]
    assert colours(read(saved(palette, "PNG", transparency=1))) == [[RED, WHITE, BLUE]]
    assert colours(read(saved(palette, "PNG", transparency=bytes([255, 128, 0])))) == [[RED, (127, 255, 127), WHITE]]
    assert colours(read(saved(palette, "GIF", transparency=2))) == [[RED, GREEN, WHITE]]


def test_transparent_colour_key() -> None:
    image = Image.new("RGB", (2, 1), RED)
    image.putpixel((1, 0), BLUE)
    assert colours(read(saved(image, "PNG", transparency=RED))) == [[WHITE, BLUE]]


def test_one_bit_and_grey() -> None:
    bits = Image.new("1", (2, 1))
    bits.putpixel((1, 0), 1)
    for format_name in ("PNG", "TIFF", "BMP", "PPM"):
        assert colours(read(saved(bits, format_name))) == [[BLACK, WHITE]]
    assert colours(read(saved(Image.new("L", (1, 1), 77), "PNG"))) == [[(77, 77, 77)]]


# value: round(value / 257); 128 / 257 is 0.498, 129 / 257 is 0.502, 65406 / 257 is 254.498
SCALED = {0: 0, 128: 0, 129: 1, 257: 1, 385: 1, 386: 2, 32768: 128, 65406: 254, 65407: 255, 65535: 255}


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    values = np.array([list(SCALED)], dtype=np.uint16)
    expected = [[(v, v, v) for v in SCALED.values()]]
    image = Image.fromarray(values)
    assert image.mode == "I;16"
    for source in (values, values.astype(">u2"), image, saved(image, "PNG"), saved(image, "TIFF")):
        assert colours(read(source)) == expected
    pgm = b"P5 %d 1 65535\n" % len(SCALED) + values.astype(">u2").tobytes()
    assert colours(read(pgm)) == expected


def test_sixteen_bit_white_is_zero_tiff_is_inverted() -> None:
    entries = [(256, 3, 2), (257, 3, 1), (258, 3, 16), (259, 3, 1), (262, 3, 0), (273, 4, 8), (278, 3, 1), (279, 4, 4)]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in entries)
    data = b"II*\0" + struct.pack("<I", 12) + struct.pack("<HH", 0, 65535 - 257) + directory + b"\0" * 4
    assert colours(read(data)) == [[WHITE, (1, 1, 1)]]


def test_sixteen_bit_colour_png_keeps_the_low_bytes() -> None:
    values = list(SCALED)
    row = b"\0" + b"".join(struct.pack(">HHH", v, 65535 - v, 257) for v in values)
    expected = [[(SCALED[v], (65535 - v + 128) // 257, 1) for v in values]]
    assert colours(read(png(len(values), 1, 16, 2, row))) == expected
    array = np.array([[(v, 65535 - v, 257) for v in values]], dtype=np.uint16)
    assert colours(read(array)) == expected


def test_sixteen_bit_alpha_png() -> None:
    row = b"\0" + struct.pack(">HHHH", 0, 65535, 0, 32768) + struct.pack(">HHHH", 386, 0, 0, 65535)
    # 65535 - 32768 is 32767, and 32767 / 257 is 127.498
    assert colours(read(png(2, 1, 16, 6, row))) == [[(127, 255, 127), (2, 0, 0)]]
    grey = b"\0" + struct.pack(">HH", 0, 32768) + struct.pack(">HH", 386, 65535)
    assert colours(read(png(2, 1, 16, 4, grey))) == [[(127, 127, 127), (2, 2, 2)]]


def test_sixteen_bit_colour_key_compares_all_sixteen_bits() -> None:
    row = b"\0" + struct.pack(">HHH", 1000, 2000, 3000) + struct.pack(">HHH", 1001, 2000, 3000)
    key = chunk(b"tRNS", struct.pack(">HHH", 1000, 2000, 3000))
    assert colours(read(png(2, 1, 16, 2, row, extra=key))) == [[WHITE, (4, 8, 12)]]


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bit_colour_tiff(order: str) -> None:
    sample = struct.pack(order + "HHH", 386, 65406, 129)
    entries = [(256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 3, 14), (259, 3, 1, 1), (262, 3, 1, 2)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 3), (278, 3, 1, 1), (279, 4, 1, 6)]

    def entry(tag: int, kind: int, count: int, value: int) -> bytes:
        short = kind == 3 and count == 1
        return struct.pack(order + "HHI", tag, kind, count) + (
            struct.pack(order + "HH", value, 0) if short else struct.pack(order + "I", value)
        )

    directory = struct.pack(order + "H", len(entries)) + b"".join(entry(*e) for e in entries) + b"\0" * 4
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 20)
    data = start + sample + struct.pack(order + "HHH", 16, 16, 16) + directory
    assert colours(read(data)) == [[(2, 254, 1)]]


# -- several frames ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_first_frame_is_read_and_noted(format_name: str) -> None:
    frames = [Image.fromarray(photo(20, 30, seed)) for seed in range(5)]
    settings = {"lossless": True} if format_name == "WEBP" else {}
    data = saved(frames[0], format_name, save_all=True, append_images=frames[1:], **settings)
    picture = read(data)
    assert picture.notes == ("first of 5 frames",)
    assert np.array_equal(picture.pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    if format_name in {"WEBP", "PNG", "TIFF"}:
        assert np.array_equal(picture.pixels, photo(20, 30, 0))


def test_pillow_image_gives_its_current_frame() -> None:
    frames = [Image.fromarray(photo(20, 30, seed)) for seed in range(3)]
    image = Image.open(io.BytesIO(saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])))
    image.seek(2)
    picture = read(image)
    assert np.array_equal(picture.pixels, photo(20, 30, 2))
    assert picture.notes == ("frame 3 of an animation",)


# -- names, arrays, other formats -------------------------------------------------------------------------------------


def test_suffix_that_lies_is_noted_and_read() -> None:
    data = saved(Image.fromarray(photo()), "JPEG")
    assert read(data, name="a.png").notes == ("named .png, is JPEG",)
    for name in ("a.jpg", "b.JPEG", "c", "d.bin"):
        assert read(data, name=name).notes == ()


def test_arrays_are_copied_and_grey_is_repeated() -> None:
    array = photo()
    picture = read(array)
    array[:] = 0
    assert np.array_equal(picture.pixels, photo())
    grey = photo()[..., 0]
    assert np.array_equal(read(grey).pixels, np.stack([grey] * 3, axis=2))
    assert np.array_equal(read(photo()[::-2, ::3]).pixels, photo()[::-2, ::3])
    assert read(photo()).format == ""
    assert read(photo()).sha256 is None


def test_heic() -> None:
    heif = pytest.importorskip("pillow_heif")
    target = io.BytesIO()
    heif.from_pillow(Image.fromarray(photo(64, 64))).save(target, quality=95)
    picture = read(target.getvalue(), name="photo.heic")
    assert (picture.format, picture.pixels.shape, picture.notes) == ("HEIF", (64, 64, 3), ())
    assert np.abs(picture.pixels.astype(int) - photo(64, 64)).mean() < 12


def test_many_threads_read_alike() -> None:
    image = Image.fromarray(photo(200, 300))
    files = [saved(image, f) for f in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")]
    expected = [read(data).pixels for data in files]
    with ThreadPoolExecutor(8) as pool:
        for i, picture in enumerate(pool.map(read, files * 10)):
            assert np.array_equal(picture.pixels, expected[i % len(files)])


def test_reading_changes_no_global_setting() -> None:
    from PIL import ImageFile

    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    for format_name in ("JPEG", "PNG", "WEBP"):
        read(saved(Image.fromarray(photo()), format_name))
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    code = "import json, sys; import contrafake.images; print(json.dumps([m for m in sys.modules if 'PIL' in m]))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(output) == []
