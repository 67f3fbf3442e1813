"""Labels as data sets write them."""

from __future__ import annotations

from typing import Any

import pytest

from contrafake.data import Member, Sample, parse_label
from contrafake.errors import DataError


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("real", 0),
        ("Real", 0),
        (" real ", 0),
        (0, 0),
        ("0", 0),
        ("fake", 1),
        ("FAKE", 1),
        ("generated", 1),
        ("Generated\n", 1),
        (1, 1),
        ("1", 1),
    ],
)
def test_labels_in_all_spellings(written: object, label: int) -> None:
    assert parse_label(written, "x") == label


@pytest.mark.parametrize("written", ["", "reel", "2", -1, 2, None, True, 1.0, ["real"], {"label": "real"}])
def test_anything_else_is_refused_and_named(written: Any) -> None:
    with pytest.raises(DataError, match=r"shard\.tar: a") as caught:
        parse_label(written, "shard.tar: a")
    assert repr(written) in str(caught.value)
    assert "real, generated or fake" in caught.value.remedy


def test_metadata_takes_no_part_in_equality_and_hash() -> None:
    image = Member("a.tar", "a.jpg", 512, 3)
    one = Sample("a", 0, "phone", "s", "", image, metadata={"label": "real"})
    other = Sample("a", 0, "phone", "s", "", image, metadata={"label": "real", "note": "x"})
    assert one == other
    assert len({one, other}) == 1
