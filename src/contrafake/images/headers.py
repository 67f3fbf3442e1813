"""What must be known before a decoder is started: sizes and frame counts, told from headers without decoding."""

from __future__ import annotations

from contrafake.errors import ImageTooLargeError, TruncatedImageError, UnsupportedImageError
from contrafake.images.ifd import directories

_NEW_SUBFILE_TYPE, _SUB_IFDS, _DNG_VERSION = 254, 330, 50706


def webp_size(data: bytes, name: str) -> tuple[int, int]:
    """Canvas of a WebP file, because libwebp's reader allocates it before Pillow can ask.

    Args:
        data: The file's bytes, known to begin as WebP.
        name: What errors call it.

    Returns:
        (width, height).

    Raises:
        TruncatedImageError: The first chunk is cut short, or none of the three that a WebP file may begin with.
    """
    kind, body = data[12:16], data[20:30]
    if len(body) == 10 and kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if len(body) == 10 and kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if len(body) == 10 and kind == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    raise TruncatedImageError(name, "the WebP header is cut short or damaged")


def gif_frames(data: bytes, limit: int) -> int:
    """Count the frames of a GIF by hopping from block to block; stops at `limit` + 1 or where the data ends.

    Args:
        data: The file's bytes, known to begin as GIF.
        limit: Most frames that are of interest.

    Returns:
        0 to `limit` + 1. A frame counts from its header on, whether or not its data is complete.
    """
    position = 13 + _colour_table(data[10:11])
    frames = 0
    while frames <= limit:
        introducer = data[position : position + 1]
        if introducer == b"!":
            position = _after_blocks(data, position + 2)
        elif introducer == b",":
            frames += 1
            position = _after_blocks(data, position + 11 + _colour_table(data[position + 9 : position + 10]))
        elif introducer and introducer != b";":
            # Stray bytes between blocks, which decoders skip.
            position += 1
        else:
            break
    return frames


def _colour_table(flags: bytes) -> int:
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 128 else 0


def _after_blocks(data: bytes, position: int) -> int:
    while position < len(data) and data[position]:
        position += data[position] + 1
    return position + 1


def tiff_frames(data: bytes, name: str, limit: int) -> int:
    """Count the directories of a TIFF file and refuse camera raw files, whose first one is only a preview.

    Args:
        data: The file's bytes, known to begin as TIFF.
        name: What errors call it.
        limit: Most frames that are of interest.

    Returns:
        1 to `limit` + 1.

    Raises:
        UnsupportedImageError: A camera raw file (DNG, CR2, NEF, ARW ...).
        TruncatedImageError: There is no directory.
    """
    frames = 0
    for tags in directories(data, limit + 1):
        preview = tags.get(_NEW_SUBFILE_TYPE, 0) == 1 and _SUB_IFDS in tags
        if not frames and (preview or _DNG_VERSION in tags or data[8:10] == b"CR"):
            raise UnsupportedImageError(name, "the bytes are a camera raw file", "export it as JPEG, PNG or TIFF")
        frames += 1
    if not frames:
        raise TruncatedImageError(name, "the TIFF file has no readable directory")
    return frames


def check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    """Refuse a picture without pixels or with too many.

    Raises:
        UnsupportedImageError: A side is not positive.
        ImageTooLargeError: More than `max_pixels`.
    """
    if width < 1 or height < 1:
        raise UnsupportedImageError(name, f"the image is {width} x {height} pixels")
    if width * height > max_pixels:
        cause = f"{width} x {height} pixels are more than the limit of {max_pixels:,} pixels"
        raise ImageTooLargeError(name, cause, "raise Limits.max_pixels to read it")


def check_frames(frames: int, name: str, max_frames: int) -> None:
    """Refuse a file of too many frames.

    Raises:
        ImageTooLargeError: More than `max_frames`.
    """
    if frames > max_frames:
        cause = f"more frames than the limit of {max_frames:,} frames"
        raise ImageTooLargeError(name, cause, "raise Limits.max_frames to read it")
