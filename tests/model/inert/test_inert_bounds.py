"""Sizes, depth and length are bounded; damage of any kind ends in one kind of error."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import struct
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inert_streams import FLOATS, HEAD, LINEAR, STOP, called, data, estimator, integer, name, pair, text

from contrafake.errors import BundleError
from contrafake.model.inert import Limits, read_estimator

if TYPE_CHECKING:
    from collections.abc import Callable

OLD = Path(__file__).parent / "fixtures" / "sklearn-1.3.2"
FILES = sorted(path for path in OLD.iterdir() if path.suffix != ".npz")
SMALL = Limits(file_bytes=1 << 20, decoded_bytes=1 << 20, opcodes=2_000_000, values=1000, depth=10)
PRESSED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "zlib": zlib.compress, "bz2": bz2.compress, "xz": lzma.compress,
    "lzma": lambda raw: lzma.compress(raw, lzma.FORMAT_ALONE),
}  # fmt: skip


def refusal(content: bytes, tmp_path: Path, limits: Limits = Limits()) -> BundleError:  # noqa: B008 -- frozen
    path = tmp_path / "model.sav"
    path.write_bytes(content)
    with pytest.raises(BundleError) as caught:
        read_estimator(path, limits)
    return caught.value


@pytest.mark.parametrize("form", PRESSED)
class TestCompressed:
    def test_a_bomb_stops_at_the_bound(self, form: str, tmp_path: Path) -> None:
        bomb = PRESSED[form](estimator(data(bytes(24 << 20))))
        assert len(bomb) < 1 << 17
        path = tmp_path / "bomb"
        path.write_bytes(bomb)
        tracemalloc.start()
        with pytest.raises(BundleError, match="decompresses to more than 1,048,576 bytes"):
            read_estimator(path, SMALL)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 << 20

    def test_what_follows_or_lacks_is_refused(self, form: str, tmp_path: Path) -> None:
        sound = PRESSED[form](estimator(text("x")))
        path = tmp_path / "sound"
        path.write_bytes(sound)
        assert read_estimator(path).attributes == {"coef_": "x"}
        assert "compressed data" in refusal(sound + b"more", tmp_path).cause
        for end in range(8, len(sound), 3):
            assert "compressed data" in refusal(sound[:end], tmp_path).cause
        assert "ends early" in refusal(PRESSED[form](estimator(text("x"))[:-9]), tmp_path).cause


def test_a_header_that_asks_for_a_huge_dictionary_is_refused(tmp_path: Path) -> None:
    header = b"]" + struct.pack("<IQ", 0xFFFFFFFF, 1 << 40)
    assert "damaged" in refusal(header.replace(b"\xff", b"\0", 1) + bytes(64), tmp_path).cause


@pytest.mark.parametrize(
    ("start", "cause"),
    [(b"\x04\x22\x4d\x18", "lz4"), (b"ZF0x", "joblib before"), (b"PK\x03\x04", "zip archive")],
)
def test_unknown_packings_are_named(start: bytes, cause: str, tmp_path: Path) -> None:
    error = refusal(start + bytes(40), tmp_path)
    assert cause in error.cause
    assert "joblib.dump" in error.remedy


class TestFiles:
    def test_empty_missing_and_no_file(self, tmp_path: Path) -> None:
        assert "empty" in refusal(b"", tmp_path).cause
        os.mkfifo(tmp_path / "pipe")
        for where, cause in (("none", "no such file"), (".", "no regular file"), ("pipe", "no regular file")):
            with pytest.raises(BundleError, match=cause):
                read_estimator(tmp_path / where)
        with pytest.raises(BundleError, match="no path"):
            read_estimator("nul\0byte")

    def test_too_large(self, tmp_path: Path) -> None:
        error = refusal(bytes(200), tmp_path, Limits(file_bytes=100))
        assert "200 bytes, more than 100" in error.cause

    def test_bytes_after_the_end(self, tmp_path: Path) -> None:
        assert "2 bytes follow its end" in refusal(estimator(b"N") + b"N.", tmp_path).cause

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
    def test_every_shorter_file_is_refused(self, path: Path, tmp_path: Path) -> None:
        whole = path.read_bytes()
        for end in range(0, len(whole), 7):
            refusal(whole[:end], tmp_path)


DEEP = 100_000
STREAMS = {
    "nested lists": (estimator(b"]" * DEEP + b"a" * (DEEP - 1)), "'coef_' is nested more than 10 deep"),
    "nested tuples": (estimator(b")" + b"\x85" * DEEP), "nested more than 10 deep"),
    "open marks": (HEAD + b"(" * DEEP + STOP, "more or less than one object"),
    "a list that holds itself": (estimator(b"]q\x00h\x00a"), "'coef_' holds itself"),
    "a list that holds itself in a tuple": (estimator(b"]q\x00h\x00\x85a"), "holds itself"),
    "a state that holds itself": (
        HEAD + LINEAR + b")\x81}q\x00" + text("coef_") + b"h\x00sb.", "'coef_' holds itself"
    ),
    "a place of the memo that is empty": (estimator(b"h\x07"), "object 7, which is not there"),
    "a place far out": (estimator(b"j\xff\xff\xff\xff"), "object 4294967295, which is not there"),
    "a negative place": (estimator(b"g-1\n"), "object -1, which is not there"),
    "nothing to take": (HEAD + b"R.", "stack is empty"),
    "nothing to remember": (HEAD + b"\x94.", "stack is empty"),
    "no mark": (HEAD + b"t.", "no mark"),
    "nothing left": (HEAD + STOP, "more or less than one object"),
    "two things left": (HEAD + b"NN.", "more or less than one object"),
    "no object": (HEAD + b"N.", "holds nothing"),
    "a class alone": (HEAD + LINEAR + STOP, "holds sklearn.linear_model._logistic.LogisticRegression"),
    "an estimator without attributes": (HEAD + LINEAR + b")\x81.", "holds a LogisticRegression and no classifier"),
    "two states": (HEAD + LINEAR + b")\x81}b}b.", "gives a state to a LogisticRegression"),
    "a later protocol": (b"\x80\x06N.", "unknown protocol"),
    "a second protocol": (HEAD + HEAD + b"N.", "unknown protocol"),
    "a version that is no text": (estimator(b"N", "_sklearn_version"), "'_sklearn_version' is no text"),
    "a key that is no text": (estimator(b"}K\x01Ns"), "key that is no text"),
    "an odd number of items": (estimator(b"}(Nu"), "no dict"),
    "items of a list": (estimator(b"]NNs"), "no dict"),
    "an append to a text": (estimator(text("a") + b"Na"), "no list"),
    "an integer of a megabyte": (estimator(b"\x8b\x00\x00\x10\x00"), "integer of 1,048,576 bytes"),
    "a number that is none": (estimator(b"I12x\n"), "number of it is none"),
    "a number of many digits": (estimator(b"I" + b"9" * 5000 + b"\n"), "does not end"),
    "a text that is not UTF-8": (estimator(b"\x8c\x01\xff"), "not UTF-8"),
    "half a character": (estimator(b"V\\ud800\n"), "text of it is damaged"),
    "bytes that are no bytes": (estimator(called(name("_codecs", "encode"), text("ř"), text("latin1"))), "no bytes"),
    "announced bytes": (estimator(b"\x8e" + b"\xff" * 8), "ends early"),
    "negative bytes": (estimator(b"B\xff\xff\xff\xff"), "4,294,967,295 bytes are announced"),
    "announced text": (estimator(b"X\xff\xff\xff\x7f"), "ends early"),
    "a frame beyond the end": (HEAD + b"\x95" + b"\xff" * 8 + b"N.", "frame of it ends early"),
}  # fmt: skip


@pytest.mark.parametrize("fault", STREAMS)
def test_streams_that_are_no_estimator(fault: str, tmp_path: Path) -> None:
    stream, cause = STREAMS[fault]
    with pytest.raises(BundleError, match=cause):
        raise refusal(stream, tmp_path, SMALL)


def test_more_steps_than_a_classifier_takes_are_refused(tmp_path: Path) -> None:
    assert "more than 100,000 steps" in refusal(HEAD + b"]" * 100_000 + b".", tmp_path).cause


def test_shared_tuples_do_not_grow(tmp_path: Path) -> None:
    # 2 ** 30 values, were they written out
    doubled = b")" + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(30))
    before = time.monotonic()
    assert "more than 100,000 values" in refusal(estimator(doubled), tmp_path).cause
    assert time.monotonic() - before < 1


def test_the_same_bytes_as_many_arrays_are_counted_each(tmp_path: Path) -> None:
    made = called(name("numpy.core.numeric", "_frombuffer"), b"h\x01", FLOATS, pair(integer(1 << 16)), text("C"))
    stream = estimator(b"](" + data(bytes(1 << 18)) + b"q\x01" + made * 5 + b"e")
    assert "arrays take more than 1,048,576 bytes" in refusal(stream, tmp_path, SMALL).cause


CONTENTS = [path.read_bytes() for path in FILES]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    whole=st.sampled_from(CONTENTS),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 2), st.binary(max_size=3)), max_size=3),
)
def test_damage_ends_in_an_estimator_or_in_one_kind_of_error(
    whole: bytes, edits: list[tuple[float, int, bytes]], tmp_path: Path
) -> None:
    damaged = bytearray(whole)
    for place, removed, inserted in edits:
        start = int(place * len(damaged))
        damaged[start : start + removed] = inserted
    path = tmp_path / "damaged"
    path.write_bytes(damaged)
    before = time.monotonic()
    with contextlib.suppress(BundleError):
        assert read_estimator(path).kind in {"LogisticRegression", "KNeighborsClassifier", "OneClassSVM"}
    assert time.monotonic() - before < 2
