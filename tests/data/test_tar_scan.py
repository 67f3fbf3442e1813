"""The pass over a tar file finds what the standard library finds, whatever form its headers have."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrafake.data.tar_scan import scan_tar

FORMS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
TYPES = [tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.CONTTYPE]
letters = st.characters(exclude_characters="\0/\n", exclude_categories=["Cs"])
plain = st.builds("{}.{}".format, st.text(letters, min_size=1, max_size=40), st.sampled_from(["jpg", "json"]))
deep = st.builds("{}/{}".format, st.text("abc/ü", min_size=1, max_size=120), plain)


def archive(members: list[tuple[str, bytes, bytes]], form: int) -> bytes:
    """Names, types and data as a tar file; what the form cannot hold is left out."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as file:
        for name, kind, data in members:
            info = tarfile.TarInfo(name)
            info.type, info.uid, info.mtime = kind, 1234, 1.5 if form == tarfile.PAX_FORMAT else 1
            info.size = len(data) if info.isreg() else 0
            try:
                file.addfile(info, io.BytesIO(data))
            except ValueError:  # too long a name
                continue
    return buffer.getvalue()


def scanned(data: bytes, **options: Any) -> Any:
    return scan_tar(io.BytesIO(data), len(data), "x.tar", {"json"}, **options)


@settings(deadline=None)
@given(
    st.lists(st.tuples(plain | deep, st.sampled_from(TYPES), st.binary(max_size=600)), max_size=5),
    st.sampled_from(FORMS),
)
def test_the_same_members_as_the_library(members: list[tuple[str, bytes, bytes]], form: int) -> None:
    data = archive(members, form)
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8") as file:
        expected = {info.name: (info.offset_data, info.size) for info in reversed(file.getmembers()) if info.isfile()}
    contents = scanned(data)
    found = {m.name: (m.offset, m.size) for members in contents.keys.values() for m in members.values()}
    twice = {error.subject.removeprefix("x.tar: ") for error in contents.damage}
    hidden = {name for name in expected if name.rpartition("/")[2].startswith(".")}
    assert found.items() <= expected.items()
    assert expected.keys() - found.keys() <= twice | hidden
    for name, (offset, size) in found.items():
        wanted = name.rpartition("/")[2].partition(".")[2].lower() == "json"
        assert contents.texts.get(offset) == (data[offset : offset + size] if wanted else None)


@given(st.integers(0, 511), st.integers(1, 255))
def test_a_changed_byte_in_a_header_is_never_taken_for_another_header(place: int, change: int) -> None:
    data = bytearray(archive([("a.jpg", tarfile.REGTYPE, b"x" * 9), ("b.jpg", tarfile.REGTYPE, b"y")], FORMS[0]))
    data[1024 + place] ^= change
    contents = scanned(bytes(data))
    assert contents.keys["a"]["jpg"].size == 9
    try:
        tarfile.TarInfo.frombuf(bytes(data[1024:1536]), "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        assert set(contents.keys) == {"a"}
        [error] = contents.damage
        assert "at byte 1024" in error.cause
    else:  # a blank in the checksum's own field, for example
        assert [(m.name, m.size) for m in contents.keys["b"].values()] == [("b.jpg", 1)]


@pytest.mark.parametrize("size", [b"00000000008 ", b"-0000000001\0", b"\x80" + bytes(10) + b"\x01", b" " * 12])
def test_odd_sizes_are_read_as_the_library_does(size: bytes) -> None:
    data = bytearray(archive([("a.jpg", tarfile.REGTYPE, b"x")], FORMS[0]))
    data[124:136] = size
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    try:
        expected = tarfile.TarInfo.frombuf(bytes(data[:512]), "utf-8", "surrogateescape").size
    except tarfile.HeaderError:
        expected = -1
    contents = scanned(bytes(data))
    assert [m.size for members in contents.keys.values() for m in members.values()] == [expected] * (expected >= 0)
    assert bool(contents.damage) == (expected != 1)


@pytest.mark.parametrize("form", FORMS)
def test_long_names_are_whole(form: int) -> None:
    name = f"{'folder/' * 14}{'ü' if form != FORMS[0] else 'u'}{'x' * 40}.jpg"
    contents = scanned(archive([(name, tarfile.REGTYPE, b"x")], form))
    assert [member.name for member in contents.keys[name.removesuffix(".jpg")].values()] == [name]


def test_a_pass_may_begin_at_a_later_header() -> None:
    data = archive([(f"{name}.jpg", tarfile.REGTYPE, b"x" * 600) for name in "abc"], FORMS[0])
    assert list(scanned(data).keys) == ["a", "b", "c"]
    assert list(scanned(data, start=1536).keys) == ["b", "c"]
    assert scanned(data, start=1536).keys["c"] == scanned(data).keys["c"]
