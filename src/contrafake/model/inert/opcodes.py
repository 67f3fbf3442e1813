"""The opcodes of the pickle protocols 0 to 5: all by name, those that stand for a plain value also by meaning.

Source: the comments of CPython's `Lib/pickletools.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.model.inert.limits import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from contrafake.model.inert.cursor import Cursor

NAMES = {
    0x28: "MARK", 0x29: "EMPTY_TUPLE", 0x2E: "STOP", 0x30: "POP", 0x31: "POP_MARK", 0x32: "DUP", 0x42: "BINBYTES",
    0x43: "SHORT_BINBYTES", 0x46: "FLOAT", 0x47: "BINFLOAT", 0x49: "INT", 0x4A: "BININT", 0x4B: "BININT1",
    0x4C: "LONG", 0x4D: "BININT2", 0x4E: "NONE", 0x50: "PERSID", 0x51: "BINPERSID", 0x52: "REDUCE", 0x53: "STRING",
    0x54: "BINSTRING", 0x55: "SHORT_BINSTRING", 0x56: "UNICODE", 0x58: "BINUNICODE", 0x5D: "EMPTY_LIST",
    0x61: "APPEND", 0x62: "BUILD", 0x63: "GLOBAL", 0x64: "DICT", 0x65: "APPENDS", 0x67: "GET", 0x68: "BINGET",
    0x69: "INST", 0x6A: "LONG_BINGET", 0x6C: "LIST", 0x6F: "OBJ", 0x70: "PUT", 0x71: "BINPUT", 0x72: "LONG_BINPUT",
    0x73: "SETITEM", 0x74: "TUPLE", 0x75: "SETITEMS", 0x7D: "EMPTY_DICT", 0x80: "PROTO", 0x81: "NEWOBJ", 0x82: "EXT1",
    0x83: "EXT2", 0x84: "EXT4", 0x85: "TUPLE1", 0x86: "TUPLE2", 0x87: "TUPLE3", 0x88: "NEWTRUE", 0x89: "NEWFALSE",
    0x8A: "LONG1", 0x8B: "LONG4", 0x8C: "SHORT_BINUNICODE", 0x8D: "BINUNICODE8", 0x8E: "BINBYTES8", 0x8F: "EMPTY_SET",
    0x90: "ADDITEMS", 0x91: "FROZENSET", 0x92: "NEWOBJ_EX", 0x93: "STACK_GLOBAL", 0x94: "MEMOIZE", 0x95: "FRAME",
    0x96: "BYTEARRAY8", 0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
}  # fmt: skip
"""Name of each opcode by its byte."""

_WIDEST_INTEGER = 64
_LONG_TEXT = 1 << 20
_LAST_LATIN_LEAD = 0xC3
"""First byte in UTF-8 of the last characters of Latin-1: as text of such characters protocol 2 writes arrays."""


def _text(cursor: Cursor, size: int) -> str:
    found = cursor.take(size)
    if size > _LONG_TEXT and np.frombuffer(found, np.uint8).max() > _LAST_LATIN_LEAD:
        raise Refusal("it holds a long text")
    try:
        return str(found, "utf-8")
    except UnicodeDecodeError as error:
        raise Refusal("a text of it is not UTF-8") from error


def _text_line(cursor: Cursor) -> str:
    try:
        text = cursor.line(longest=cursor.left).decode("raw-unicode-escape")
        text.encode("utf-8")  # no halves of characters
    except UnicodeError as error:
        raise Refusal("a text of it is damaged") from error
    return text


def _integer(cursor: Cursor, size: int) -> int:
    if size > _WIDEST_INTEGER:
        raise Refusal(f"it holds an integer of {size:,} bytes")
    return cursor.signed(size)


def _number_line(cursor: Cursor, read: Callable[[str], complex], strip: bytes = b"") -> object:
    line = cursor.line()
    try:
        return read(line.removesuffix(strip).decode("ascii"))
    except ValueError as error:
        raise Refusal("a number of it is none") from error


def _int_line(cursor: Cursor) -> object:
    """Protocols 0 and 1 write truth values as the integers 00 and 01."""
    found = cursor.line()
    if found in (b"00", b"01"):
        return found == b"01"
    cursor.position -= len(found) + 1
    return _number_line(cursor, int)


VALUES: dict[str, Callable[[Cursor], object]] = {
    "NONE": lambda cursor: None,
    "NEWTRUE": lambda cursor: True,
    "NEWFALSE": lambda cursor: False,
    "INT": _int_line,
    "LONG": lambda cursor: _number_line(cursor, int, b"L"),
    "FLOAT": lambda cursor: _number_line(cursor, float),
    "BININT": lambda cursor: cursor.signed(4),
    "BININT1": lambda cursor: cursor.number(1),
    "BININT2": lambda cursor: cursor.number(2),
    "LONG1": lambda cursor: _integer(cursor, cursor.number(1)),
    "LONG4": lambda cursor: _integer(cursor, cursor.number(4)),
    "BINFLOAT": lambda cursor: cursor.double(),
    "UNICODE": _text_line,
    "SHORT_BINUNICODE": lambda cursor: _text(cursor, cursor.number(1)),
    "BINUNICODE": lambda cursor: _text(cursor, cursor.number(4)),
    "BINUNICODE8": lambda cursor: _text(cursor, cursor.number(8)),
    "SHORT_BINBYTES": lambda cursor: cursor.take(cursor.number(1)),
    "BINBYTES": lambda cursor: cursor.take(cursor.number(4)),
    "BINBYTES8": lambda cursor: cursor.take(cursor.number(8)),
    "BYTEARRAY8": lambda cursor: cursor.take(cursor.number(8)),
    "EMPTY_TUPLE": lambda cursor: (),
    "EMPTY_LIST": lambda cursor: [],
    "EMPTY_DICT": lambda cursor: {},
}
"""What an opcode pushes that reads nothing but the stream; bytes are views of it."""

MEMO_INDEX: dict[str, Callable[[Cursor], object]] = {
    "GET": lambda cursor: _number_line(cursor, int),
    "BINGET": lambda cursor: cursor.number(1),
    "LONG_BINGET": lambda cursor: cursor.number(4),
    "PUT": lambda cursor: _number_line(cursor, int),
    "BINPUT": lambda cursor: cursor.number(1),
    "LONG_BINPUT": lambda cursor: cursor.number(4),
}
"""Which place of the memo an opcode names."""


def name_line(cursor: Cursor) -> str:
    """A module or a name as GLOBAL writes it.

    Raises:
        Refusal: It is not text.
    """
    try:
        return cursor.line().decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal("a name of it is not UTF-8") from error
