from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafake.cli.escape import as_text, for_csv, for_terminal

ANY = st.text(st.characters(codec=None, categories=None)) | st.text(alphabet="\\x1bu0eé\x1b\u202e\udcff\n[]\ufe0f")


def spelled_back(text: str) -> str:
    """The inverse of both spellings, written independently of them."""

    def character(match: re.Match[str]) -> str:
        code = match[1]
        if code == "\\":
            return "\\"
        number = int(code[1:], 16)
        return chr(0xDC00 + number if code[0] == "x" and number >= 0x80 else number)

    return re.sub(r"\\(\\|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})", character, text)


@given(ANY)
def test_terminal_form_is_one_printable_line_and_can_be_read_back(text: str) -> None:
    shown = for_terminal(text)
    assert shown.isprintable()
    assert spelled_back(shown) == text


@given(ANY)
def test_csv_form_is_utf8_and_can_be_read_back(text: str) -> None:
    written = for_csv(text)
    written.encode()
    assert spelled_back(written) == text


@given(st.binary().filter(lambda name: b"\0" not in name))
def test_any_bytes_of_a_name_survive(name: bytes) -> None:
    assert os.fsencode(spelled_back(for_terminal(os.fsdecode(name)))) == name


@given(ANY)
def test_markup_is_content(text: str) -> None:
    assert as_text(text).plain == for_terminal(text)
    assert as_text(text).spans == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("holiday (2).jpg", "holiday (2).jpg"),
        ("Größe 写真 😀.png", "Größe 写真 😀.png"),
        (r"C:\Users\new\photo.jpg", r"C:\Users\new\photo.jpg"),
        (r"a\x1b.jpg", r"a\\x1b.jpg"),
        ("a\\\x1b.jpg", r"a\\\x1b.jpg"),
        ("\x1b]0;owned\x07.jpg", r"\x1b]0;owned\x07.jpg"),
        ("two\nlines\r\t.jpg", r"two\x0alines\x0d\x09.jpg"),
        ("c1\x9b31m.jpg", r"c1\u009b31m.jpg"),
        (os.fsdecode(b"latin\xe9.jpg"), r"latin\xe9.jpg"),
        ("photo\u202egpj.exe", r"photo\u202egpj.exe"),
        ("zero\u200bwidth\ufeff.jpg", r"zero\u200bwidth\ufeff.jpg"),
        ("filler\u3164\u2800.jpg", r"filler\u3164\u2800.jpg"),
        ("line\u2028end.jpg", r"line\u2028end.jpg"),
        ("tag\U000e0041.jpg", r"tag\U000e0041.jpg"),
        ("[red]x[/red].jpg", "[red]x[/red].jpg"),
    ],
)
def test_terminal_spellings(text: str, shown: str) -> None:
    assert for_terminal(text) == shown


def test_a_byte_and_the_control_character_of_the_same_number_differ() -> None:
    assert for_terminal(os.fsdecode(b"\x9b")) != for_terminal("\x9b")


def test_csv_keeps_what_quoting_can_hold() -> None:
    assert for_csv('a,"b"\n\x1b\u202e.jpg') == 'a,"b"\n\x1b\u202e.jpg'
    assert for_csv(os.fsdecode(b"\xff.jpg")) == r"\xff.jpg"
