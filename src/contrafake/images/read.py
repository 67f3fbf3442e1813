"""The one door through which every image enters contrafake."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, Union

import numpy as np

from contrafake.errors import UnsupportedImageError
from contrafake.images.container import describe, identify, suffix_note
from contrafake.images.headers import check_frames, check_size, gif_frames, tiff_frames, webp_size
from contrafake.images.jpeg import JpegFacts, jpeg_facts
from contrafake.images.jpeg_pixels import check_scans, is_ordinary, jpeg_pixels
from contrafake.images.picture import Picture
from contrafake.images.pixels import to_rgb, upright
from contrafake.images.source import checked, file_bytes, stream_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

# A string, since neither Pillow nor numpy's typing is imported for a name.
Source: TypeAlias = Union[str, os.PathLike[str], bytes, BinaryIO, "Image.Image", "NDArray[Any]"]


@dataclass(frozen=True)
class Limits:
    """Bounds that an input must keep; all are checked before anything is decoded.

    Attributes:
        max_bytes: Size of the file.
        max_pixels: Width times height, as the header says.
        max_frames: Frames of an animation or pages of a TIFF file.
    """

    max_bytes: int = 256 * 2**20
    max_pixels: int = 200_000_000
    max_frames: int = 10_000


DEFAULT_LIMITS = Limits()


def read(source: Source, *, name: str | None = None, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """Read an image, from wherever it comes, into upright 8-bit RGB.

    The container is told from the bytes; a name that claims another one only earns a note. The first frame of an
    animation is read, EXIF orientation is applied, transparency is composed over white (`pixels.over_white`), 16-bit
    samples are scaled by round(v / 257), and samples are used as stored: colour profiles are not applied. Path,
    bytes, file object and Pillow image of one file give the same pixels; a Pillow image of a 16-bit colour file is
    the exception, since Pillow keeps only the high byte of each sample. Safe to call from several threads.

    Args:
        source: A path, the bytes of a file, a binary file object (read from where it stands), a Pillow image (its
            current frame), or an array (H, W), (H, W, 3) or (H, W, 4) of uint8 or uint16.
        name: What the picture and errors are called; the default is the path, or says what kind of source it was.
        limits: Bounds on bytes, pixels and frames.

    Returns:
        The picture; `pixels` is (H, W, 3) uint8, contiguous and read-only.

    Raises:
        UnsupportedImageError: Not an image, or of a kind that cannot be read here.
        TruncatedImageError: The image ends early or is damaged.
        ImageTooLargeError: A limit is exceeded, or Pillow's own for TIFF and WebP (about 179 million pixels).
        ImageError: The base of these, raised where the file is missing or cannot be read.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, name or "<array>", limits)
    # A Pillow image can only come from a program that has imported Pillow.
    # Another thread may be importing it right now, so its class may be missing still.
    kind = getattr(sys.modules.get("PIL.Image"), "Image", None)
    if kind is not None and isinstance(source, kind):
        return _from_pillow(source, name or str(getattr(source, "filename", "")) or "<image>", limits)
    if isinstance(source, str | os.PathLike):
        name = name or os.fsdecode(source)
        return _from_bytes(file_bytes(source, name, limits.max_bytes), name, limits)
    if isinstance(source, bytes | bytearray | memoryview):
        name = name or "<bytes>"
        return _from_bytes(checked(bytes(source), name, limits.max_bytes), name, limits)
    if callable(getattr(source, "read", None)):
        given = getattr(source, "name", None)
        name = name or (given if isinstance(given, str) else "<file>")
        return _from_bytes(stream_bytes(source, name, limits.max_bytes), name, limits)  # type: ignore[arg-type]
    cause = f"a {type(source).__name__} is no image source"
    raise UnsupportedImageError(name or "input", cause, "give a path, bytes, a file, a Pillow image or an array")


def _from_array(array: NDArray[Any], name: str, limits: Limits) -> Picture:
    if array.ndim >= 2 and array.size:
        check_size(array.shape[1], array.shape[0], name, limits.max_pixels)
    pixels = to_rgb(array, name)
    if np.shares_memory(pixels, array):
        # The caller may go on writing to its array; the picture must not change with it.
        pixels = pixels.copy()
    return _picture(pixels, name, "", (array.shape[1], array.shape[0]))


def _from_pillow(image: Image.Image, name: str, limits: Limits) -> Picture:
    from contrafake.images.through_pillow import stored_size, upright_rgb  # noqa: PLC0415 - keeps Pillow out of JPEG reading

    size = stored_size(image)
    check_size(*size, name, limits.max_pixels)
    frame = image.tell()
    notes = (f"frame {frame + 1} of an animation",) if frame else ()
    return _picture(upright_rgb(image, name), name, image.format or "", size, notes=notes)


def _from_bytes(data: bytes, name: str, limits: Limits) -> Picture:
    format_name = identify(data)
    if not format_name:
        raise UnsupportedImageError(name, f"not an image that can be read here: the bytes look like {describe(data)}")
    notes = [note] if (note := suffix_note(name, format_name)) else []
    facts = jpeg_facts(data, name) if format_name == "JPEG" else None
    if facts:
        check_size(facts.width, facts.height, name, limits.max_pixels)
        check_scans(data, name)
        size, frames = (facts.width, facts.height), facts.frames
        pixels = _ordinary_jpeg(data, facts, name)
        # Whatever number of further pictures the index claims, none of them is ever looked at.
        format_name = "MPO" if frames > 1 else "JPEG"
    else:
        pixels = None
    if pixels is None:
        pixels, size, pillow_frames = _other(data, "JPEG" if facts else format_name, name, limits)
        frames = facts.frames if facts else pillow_frames
    if frames > 1:
        notes.append(f"first of {frames} frames")
    return _picture(pixels, name, format_name, size, notes=tuple(notes), sha256=hashlib.sha256(data).hexdigest())


def _ordinary_jpeg(data: bytes, facts: JpegFacts, name: str) -> NDArray[np.uint8] | None:
    pixels = jpeg_pixels(data, facts, name) if is_ordinary(facts) else None
    return pixels if pixels is None else upright(pixels, facts.orientation)


def _other(data: bytes, format_name: str, name: str, limits: Limits) -> tuple[NDArray[np.uint8], tuple[int, int], int]:
    """Check the headers, then decode through Pillow: pixels, stored (width, height), frames."""
    from contrafake.images.through_pillow import open_image, stored_size, upright_rgb  # noqa: PLC0415 - as above

    frames = 1
    if format_name == "WEBP":
        check_size(*webp_size(data, name), name, limits.max_pixels)
    elif format_name == "GIF":
        frames = gif_frames(data, limits.max_frames)
    elif format_name == "TIFF":
        frames = tiff_frames(data, name, limits.max_frames)
    check_frames(frames, name, limits.max_frames)
    image = open_image(data, format_name, name)
    try:
        size = stored_size(image)
        check_size(*size, name, limits.max_pixels)
        if format_name in {"PNG", "WEBP", "AVIF", "HEIF"}:
            frames = int(getattr(image, "n_frames", 1))
            check_frames(frames, name, limits.max_frames)
        pixels = upright_rgb(image, name, lambda: open_image(data, format_name, name))
    finally:
        image.close()
    return pixels, size, frames


def _picture(
    pixels: NDArray[np.uint8],
    name: str,
    format_name: str,
    size: tuple[int, int],
    *,
    notes: tuple[str, ...] = (),
    sha256: str | None = None,
) -> Picture:
    pixels = np.ascontiguousarray(pixels)
    pixels.setflags(write=False)
    return Picture(pixels, name, format_name, size[0], size[1], sha256, notes)
