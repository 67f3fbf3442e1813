"""Everything that is not an ordinary JPEG goes through Pillow, one format at a time.

Each format's reader is started directly instead of by `PIL.Image.open`: only the reader that the bytes call for is
imported and can run, and Pillow's own size warning, a process-wide setting, stays out of it.
"""

from __future__ import annotations

import importlib
import io
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.errors import ImageError, ImageTooLargeError, TruncatedImageError, UnsupportedImageError
from contrafake.images.ifd import ORIENTATION, exif_orientation
from contrafake.images.pixels import to_rgb, upright

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from PIL import Image
    from PIL.ImageFile import ImageFile

_READERS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "PPM": ("PIL.PpmImagePlugin", "PpmImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIF": ("pillow_heif", "HeifImageFile"),
}
_NATIVE = "L" if sys.byteorder == "little" else "B"
_OTHER_END = {"B": "L", "L": "B", "N": "B" if _NATIVE == "L" else "L"}
_UNSUPPORTED_SIGNS = ("unsupported", "not supported", "unknown", "unrecognized", "cannot handle", "not available")


def open_image(data: bytes, format_name: str, name: str) -> ImageFile:
    """Start the one reader for a format; only headers are read.

    Args:
        data: The file's bytes.
        format_name: What `identify` said.
        name: What errors call it.

    Raises:
        UnsupportedImageError: The reader is not installed, or it does not know this variant.
        TruncatedImageError: The headers are damaged.
    """
    module, reader = _READERS[format_name]
    try:
        factory: Callable[[io.BytesIO], ImageFile] = getattr(importlib.import_module(module), reader)
    except ImportError as error:
        raise _no_reader(format_name, name) from error
    if format_name == "AVIF" and not importlib.import_module(module).SUPPORTED:
        raise _no_reader(format_name, name)
    try:
        return factory(io.BytesIO(data))
    except Exception as error:
        raise _typed(error, format_name, name) from error


def stored_size(image: Image.Image) -> tuple[int, int]:
    """(width, height) as stored, to be asked before loading.

    Pillow announces a TIFF file that lies on its side as it will stand, which is undone here. A HEIF file is always
    announced upright: turning it is part of decoding that format.
    """
    width, height = image.size
    lies = getattr(image, "tag_v2", {}).get(ORIENTATION, 1) in {5, 6, 7, 8}
    return (height, width) if lies else (width, height)


def upright_rgb(image: Image.Image, name: str, reopen: Callable[[], ImageFile] | None = None) -> NDArray[np.uint8]:
    """Decode a Pillow image to upright RGB.

    Colour profiles are not applied: the samples are used as stored. Palettes are looked up, transparency of every
    kind is composed over white, CMYK is converted as Pillow does it. 16-bit grey is scaled, not clipped.

    Args:
        image: The image; an image file is loaded, nothing else changes.
        name: What errors call it.
        reopen: Opens the same file once more. With it 16-bit colour, of which Pillow keeps the high bytes only, is
            read in full; without it the high bytes are used.

    Returns:
        (H, W, 3) uint8, contiguous.

    Raises:
        ImageError: The data is damaged, of an unsupported kind, or Pillow refuses its size.
    """
    format_name = image.format or "image"
    try:
        samples = _deep_colour(image, reopen) if reopen else None
        if samples is None:
            image.load()
            samples = _samples(image, name)
        exif = image.info.get("exif")
    except ImageError:
        raise
    except Exception as error:
        raise _typed(error, format_name, name) from error
    # Pillow turns TIFF files itself while loading, so their EXIF block no longer counts.
    turned = format_name in {"TIFF", "HEIF"}
    orientation = exif_orientation(exif) if isinstance(exif, bytes) and not turned else 1
    return np.ascontiguousarray(upright(to_rgb(samples, name), orientation))


def _samples(image: Image.Image, name: str) -> NDArray[Any]:
    if image.mode.startswith("I;16"):
        grey = np.asarray(image)
        tags = getattr(image, "tag_v2", {})
        if tags.get(258) == (12,):
            grey = grey * 16 + grey // 256
        return 65535 - grey if tags.get(262) == 0 else grey
    if image.mode == "I" and image.format == "PPM":
        return np.asarray(image).astype(np.uint16)
    if image.mode in {"I", "F"}:
        kind = "32-bit integer" if image.mode == "I" else "floating-point"
        raise UnsupportedImageError(name, f"the image holds {kind} samples, whose range cannot be known")
    if image.has_transparency_data:
        return np.asarray(image.convert("RGBA"))
    return np.asarray(image if image.mode in {"L", "RGB"} else image.convert("RGB"))


def _deep_colour(image: Image.Image, reopen: Callable[[], ImageFile]) -> NDArray[np.uint16] | None:
    """16 bits per sample out of Pillow, which has no such colour mode: the high and the low bytes in two passes."""
    raw = _raw_mode(image)
    if raw == "LA;16B":
        both = np.asarray(_with_raw_mode(reopen(), "RGBA").convert("RGBA")).astype(np.uint16)
        pair = both[..., 0::2] * 256 + both[..., 1::2]
        return pair[..., [0, 0, 0, 1]]
    if raw[:-1] not in {"RGB;16", "RGBA;16", "RGBX;16"}:
        return None
    low_bytes = _with_raw_mode(reopen(), raw[:-1] + _OTHER_END[raw[-1]])
    samples: NDArray[np.uint16] = np.asarray(image).astype(np.uint16) * 256 + np.asarray(low_bytes)
    key = image.info.get("transparency")
    if isinstance(key, tuple) and samples.shape[2] == 3:
        alpha = np.where((samples == key).all(axis=2, keepdims=True), 0, 65535).astype(np.uint16)
        return np.concatenate([samples, alpha], axis=2)
    return samples


def _raw_mode(image: Image.Image) -> str:
    modes = {args if isinstance(args, str) else str(args[0]) for *_, args in getattr(image, "tile", []) if args}
    return modes.pop() if len(modes) == 1 else ""


def _with_raw_mode(image: ImageFile, raw: str) -> ImageFile:
    image.tile = [
        tile._replace(args=raw if isinstance(tile.args, str) else (raw, *(tile.args or ())[1:])) for tile in image.tile
    ]
    return image


def _no_reader(format_name: str, name: str) -> UnsupportedImageError:
    remedy = 'pip install "contrafake[heif]"' if format_name == "HEIF" else "install a Pillow that reads it"
    return UnsupportedImageError(name, f"no reader for {format_name} images is installed", remedy)


def _typed(error: Exception, format_name: str, name: str) -> ImageError:
    """The bytes began as `format_name`, so what fails later is damage unless the reader says otherwise."""
    if type(error).__name__ in {"DecompressionBombError", "DecompressionBombWarning", "MemoryError"}:
        return ImageTooLargeError(name, f"the {format_name} image is too large to decode: {error}")
    text = f"{error or type(error).__name__}"
    unsupported = isinstance(error, NotImplementedError) or any(sign in text.lower() for sign in _UNSUPPORTED_SIGNS)
    if unsupported:
        return UnsupportedImageError(name, f"this kind of {format_name} image cannot be read: {text}")
    return TruncatedImageError(name, f"the {format_name} image is cut short or damaged: {text}")
