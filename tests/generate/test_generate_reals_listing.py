"""Which real images are taken: rules, limits, keys, and the count of what is left out."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafake.data import ShardWriter
from contrafake.errors import ConfigError, DataError, UsageError
from contrafake.generate.config import RealsSettings
from contrafake.generate.reals.blocked import BlockedWords
from contrafake.generate.reals.listing import RealListing, list_reals
from contrafake.images import encode

if TYPE_CHECKING:
    from pathlib import Path

JPEG = encode(np.full((24, 32, 3), 90, np.uint8), "JPEG", 80)


def write_folder(root: Path, captions: dict[str, str], **fields: dict[str, Any]) -> Path:
    for name, caption in captions.items():
        path = root / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(JPEG)
        path.with_suffix(".txt").write_text(caption)
        if name in fields:
            path.with_suffix(".json").write_text(json.dumps(fields[name]))
    return root


def listed(*data: Path | str, **settings: Any) -> RealListing:
    return list_reals(RealsSettings(data=[str(address) for address in data], **settings))


def keys(listing: RealListing) -> list[str]:
    return [real.key for real in listing]


def test_an_image_is_taken_by_its_metadata(tmp_path: Path) -> None:
    names = "abcde"
    values: dict[str, dict[str, Any]] = {
        "a": {"kind": "photo", "score": 1},
        "b": {"kind": "art", "score": 2},
        "c": {"kind": None},
        "e": {"kind": "photo", "score": 2, "label": "generated"},
    }
    write_folder(tmp_path, dict.fromkeys(names, "x"), **values)
    assert keys(listed(tmp_path)) == ["a", "b", "c", "d"]
    kept = listed(tmp_path, keep={"kind": ["photo"]})
    assert keys(kept) == ["a"]
    assert kept.skipped == {"kind is not among those kept": 3, "a generated image": 1}
    assert kept.examples["kind is not among those kept"] == ["b", "c", "d"]
    dropped = listed(tmp_path, drop={"kind": ["art"]})
    assert keys(dropped) == ["a", "c", "d"]
    assert dropped.skipped["kind is art"] == 1
    assert keys(listed(tmp_path, keep={"score": ["1", 2]}, drop={"score": [2]})) == ["a"]
    assert keys(listed(tmp_path, keep={"origin": [tmp_path.name]}, drop={"key": ["a"]})) == ["b", "c", "d"]
    kept_again = keys(kept)
    assert kept_again == ["a"]
    assert kept.skipped["kind is not among those kept"] == 3, "a second listing counts anew"


def test_captions_with_a_blocked_word_are_left_out(tmp_path: Path) -> None:
    write_folder(
        tmp_path / "set", {"1": "A CAT sits", "2": "concatenated", "3": "two  Wild\tcats", "4": "café", "5": "dog"}
    )
    (tmp_path / "words.txt").write_text("\nwild cats\ncafe\u0301\n")
    listing = listed(tmp_path / "set", blocked_words=["cat"], blocked_words_file=str(tmp_path / "words.txt"))
    assert keys(listing) == ["2", "5"]
    assert listing.skipped == {"its caption holds a blocked word": 3}
    [two, _] = listing
    assert not listing.refuses(two)
    assert listing.skipped["its caption holds a blocked word"] == 3
    with pytest.raises(ConfigError, match=r"blocked_words_file: .*gone"):
        listed(tmp_path / "set", blocked_words_file=str(tmp_path / "gone"))


@given(st.text(), st.lists(st.text(min_size=1), max_size=3), st.sampled_from([" ", ", ", "\n", "!"]))
def test_a_whole_word_is_found_whatever_stands_around(before: str, words: list[str], gap: str) -> None:
    blocked = BlockedWords(words)
    assert BlockedWords([]).found(before) == ""
    for word in words:
        if word.strip() and word == word.strip() and word.isalnum():
            assert blocked.found(f"{before}{gap}{word.upper().lower()}{gap}x") != ""
            assert BlockedWords([word]).found(f"q{word}q") == ""


def test_the_limit_takes_the_lowest_hashes_in_the_order_of_the_set(tmp_path: Path) -> None:
    write_folder(tmp_path, {f"{i:03d}": "x" for i in range(40)})

    def hashed(key: str) -> bytes:
        return hashlib.blake2b(key.encode(), digest_size=8).digest()

    expected = sorted(sorted(keys(listed(tmp_path)), key=hashed)[:7])
    few = listed(tmp_path, limit=7)
    assert keys(few) == expected
    assert few.skipped == {"beyond the limit of 7 records": 33}
    assert set(expected) < set(keys(listed(tmp_path, limit=8)))
    assert len(keys(listed(tmp_path, limit=40))) == len(keys(listed(tmp_path, limit=99))) == 40


def test_several_addresses_keep_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "one", {"a": "first", "val/b": "second"})
    write_folder(tmp_path / "two", {"a": "third"})
    monkeypatch.setenv("SOMEWHERE", str(tmp_path))
    both = list(listed("${SOMEWHERE}/one", "test=${SOMEWHERE}/two"))
    assert [(real.key, real.caption, real.split) for real in both] == [
        ("0/a", "first", ""),
        ("0/val/b", "second", "val"),
        ("1/a", "third", "test"),
    ]
    assert {real.split for real in listed("${SOMEWHERE}/one", "test=${SOMEWHERE}/two", split="train")} == {"train"}
    with pytest.raises(ConfigError, match="NOWHERE"):
        listed("${NOWHERE}/one")


def test_a_key_in_two_places_names_both(tmp_path: Path) -> None:
    for number in range(2):
        with ShardWriter(tmp_path / f"{number}.tar") as shard:
            shard.write("same", {"jpg": JPEG, "txt": b"x"})
    with pytest.raises(DataError, match=r"1\.tar: same\.jpg: the key 'same' stands in .*0\.tar: same\.jpg as well"):
        keys(listed(tmp_path))


def test_where_nothing_is_left_it_is_said_why(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", {"a": "x", "b": "x"})
    (tmp_path / "set" / "c.heif2").write_bytes(b"x")
    with pytest.raises(DataError, match=r"no real image is left: 2 skipped: kind .* \(a, b\); 1 skipped: no image by"):
        keys(listed(tmp_path / "set", keep={"kind": ["photo"]}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="nothing was there"):
        keys(listed(tmp_path / "empty", layout="captioned-folder"))
    with pytest.raises(DataError, match="no such file"):
        listed(tmp_path / "gone")
    with pytest.raises(UsageError, match="'nonsense' is unknown"):
        listed(tmp_path / "set", layout="nonsense")


def test_names_that_are_no_text_still_give_plain_keys(tmp_path: Path) -> None:
    write_folder(tmp_path, {"odd\udcff": "x"})
    [real] = listed(tmp_path)
    assert real.key == "odd\\udcff"
    assert real.image.address.endswith("odd\udcff.jpg")
