"""What kind of file is this? Told from the bytes alone; a name is only ever compared with the answer."""

from __future__ import annotations

from pathlib import PurePath

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
)

_SUFFIXES = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"},
    "PNG": {".png", ".apng"},
    "GIF": {".gif"},
    "WEBP": {".webp"},
    "TIFF": {".tif", ".tiff"},
    "BMP": {".bmp", ".dib"},
    "PPM": {".ppm", ".pgm", ".pbm", ".pnm"},
    "AVIF": {".avif", ".avifs"},
    "HEIF": {".heic", ".heif", ".hif", ".heics"},
}
_IMAGE_SUFFIXES = set().union(*_SUFFIXES.values())

# Searched in order, so the more special magic stands first.
_STRANGERS = (
    (0, b"\xff\x0a", "a JPEG XL image"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\0\0\x01\0", "a Windows icon"),
    (0, b"qoif", "a QOI image"),
    (0, b"FUJIFILMCCD-RAW", "a camera raw file"),
    (0, b"IIRO", "a camera raw file"),
    (0, b"IIU\0", "a camera raw file"),
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript document"),
    (0, b"PK\x03\x04", "a ZIP archive or an office document"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (0, b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (0, b"OggS", "an Ogg file"),
    (0, b"ID3", "an MP3 file"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (0, b"\x93NUMPY", "a numpy array file"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"SQLite format 3\0", "an SQLite data base"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file it stands for"),
    (4, b"ftyp", "an MP4 or QuickTime video"),
    (0, b"RIFF", "an AVI video or a WAV sound"),
    (257, b"ustar", "a tar archive"),
)
_TEXTS = (
    (b"<!doctype html", "an HTML page, perhaps a failed download"),
    (b"<html", "an HTML page, perhaps a failed download"),
    (b"<head", "an HTML page, perhaps a failed download"),
    (b"<", "XML or HTML text"),
    (b"{", "JSON text"),
    (b"[", "JSON text"),
)


def identify(data: bytes) -> str:
    """The container format that the bytes begin with.

    Args:
        data: The file's bytes.

    Returns:
        "JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "AVIF", "HEIF", or "" for anything else.
    """
    for magic, format_name in _MAGIC:
        if data.startswith(magic):
            return format_name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3] in b" \t\n\r\v\f#" and len(data) > 2:
        return "PPM"
    if data[4:8] == b"ftyp":
        brands = _brands(data)
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIF"
    return ""


def describe(data: bytes) -> str:
    """What bytes that are no readable image look like, as a noun phrase for an error message."""
    for offset, magic, phrase in _STRANGERS:
        if data.startswith(magic, offset):
            return phrase
    head = data[:4096]
    if not head.strip(b"\0"):
        return "nothing but zero bytes"
    opening = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:512].lower()
    for start, phrase in _TEXTS:
        if opening.startswith(start):
            return "an SVG drawing" if b"<svg" in opening else phrase
    if all(byte >= 32 or byte in b"\t\n\r\f\x1b" for byte in head):
        return "plain text"
    return "no known image format"


def suffix_note(name: str, format_name: str) -> str:
    """A note where the name claims another image format than the bytes hold, else "".

    Args:
        name: File name or label.
        format_name: What `identify` said.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix not in _IMAGE_SUFFIXES or suffix in _SUFFIXES[format_name]:
        return ""
    return f"named {suffix}, is {format_name}"


def _brands(data: bytes) -> set[bytes]:
    end = min(int.from_bytes(data[:4]), len(data), 512)
    return {data[8:12], *(data[i : i + 4] for i in range(16, end - 3, 4))}
