"""A file as bytes in memory: read under a bound, and decompressed under a bound where joblib compressed it."""

from __future__ import annotations

import bz2
import lzma
import stat
import zlib
from typing import TYPE_CHECKING, Protocol

from contrafake.model.inert.limits import FETCH_AGAIN, RAISE_LIMITS, Limits, Refusal

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 18
_STEP = 1 << 20
_LZMA_MEMORY = 128 << 20
"""Most memory of a dictionary; the strongest preset asks for 65 MB, and a header can ask for 4 GB."""
_PLAIN = "save it with joblib.dump, uncompressed or with compress=3"

_REFUSED = {
    b"\x04\x22\x4d\x18": ("it is compressed with lz4", _PLAIN),
    b"ZF": ("it was compressed by joblib before version 0.10", _PLAIN),
    b"PK\x03\x04": ("it is a zip archive", _PLAIN),
}


class _Decompressor(Protocol):
    """What the three decompressors of the standard library share."""

    @property
    def eof(self) -> bool:
        """Whether the end of the compressed data was reached."""

    @property
    def unused_data(self) -> bytes:
        """What follows that end."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """At most `max_length` bytes more."""


def read_payload(path: Path, limits: Limits) -> bytes | bytearray:
    """The pickle stream of a file, decompressed.

    Raises:
        Refusal: The file is missing, empty, too large, damaged or of a compression that is not known here.
    """
    raw = _read(path, limits.file_bytes)
    for magic, (cause, remedy) in _REFUSED.items():
        if raw.startswith(magic):
            raise Refusal(cause, remedy)
    opened = _decompressor(raw)
    if opened is None:
        return raw
    try:
        return _expand(raw, opened, limits.decoded_bytes)
    except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError) as error:
        raise Refusal("its compressed data is damaged", FETCH_AGAIN) from error


def _read(path: Path, bound: int) -> bytes:
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise Refusal("it is no regular file", "give the path of a file")
        if facts.st_size > bound:
            raise Refusal(f"it has {facts.st_size:,} bytes, more than {bound:,}", RAISE_LIMITS)
        with path.open("rb") as file:
            raw = file.read(facts.st_size + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its path is no path"
        raise Refusal(f"it cannot be read: {reason.lower()}", "check the path") from error
    if len(raw) != facts.st_size:
        raise Refusal("it changed while it was read", "read it again when nothing writes to it")
    if not raw:
        raise Refusal("it is empty", FETCH_AGAIN)
    return raw


def _decompressor(raw: bytes) -> _Decompressor | None:
    """By the first bytes, as joblib recognises them; None for a stream that is not compressed."""
    if raw.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(wbits=31)
    if raw.startswith(b"x"):
        return zlib.decompressobj()
    if raw.startswith(b"BZ"):
        return bz2.BZ2Decompressor()
    if raw.startswith((b"\xfd7zXZ", b"]\x00")):
        return lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
    return None


def _expand(raw: bytes, opened: _Decompressor, bound: int) -> bytearray:
    out = bytearray()
    for start in range(0, len(raw), _CHUNK):
        if opened.eof:
            raise Refusal("bytes follow its compressed data")
        piece = raw[start : start + _CHUNK]
        while True:
            got = opened.decompress(piece, _STEP)
            out += got
            if len(out) > bound:
                raise Refusal(f"it decompresses to more than {bound:,} bytes", RAISE_LIMITS)
            piece = getattr(opened, "unconsumed_tail", b"")
            if opened.eof or (not piece and len(got) < _STEP):
                break
    if not opened.eof:
        raise Refusal("its compressed data ends early", FETCH_AGAIN)
    if opened.unused_data:
        raise Refusal("bytes follow its compressed data")
    return out
